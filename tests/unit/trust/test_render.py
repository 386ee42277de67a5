import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.render import from_json, to_json
from gateway.trust.report import (
    Answer,
    CertificateFacts,
    Coverage,
    Note,
    SignatureFacts,
    Verdict,
    VerificationReport,
)

TIMES = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
TEXTS = st.text(max_size=20)
NOTES = st.lists(st.builds(Note, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple)
CERTS = st.builds(CertificateFacts, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TIMES, TIMES, TEXTS)
SIGNATURES = st.builds(
    SignatureFacts,
    TEXTS,
    st.sampled_from(Verdict),
    TEXTS,
    *[st.sampled_from(Answer)] * 4,
    signer=st.none() | CERTS,
    role=TEXTS,
    signed_at=st.none() | TIMES,
    signed_at_source=TEXTS,
    coverage=st.sampled_from(Coverage),
    later_changes=TEXTS,
    algorithm=TEXTS,
    notes=NOTES,
    claimed_at=st.none() | TIMES,
    time_authority=TEXTS,
    level=TEXTS,
)
REPORTS = st.builds(
    VerificationReport,
    st.sampled_from(Verdict),
    TEXTS,
    st.integers(0, 10**12),
    TIMES,
    TEXTS,
    TEXTS,
    signatures=st.lists(SIGNATURES, max_size=2).map(tuple),
    notes=NOTES,
    secrecy_marks=st.lists(TEXTS, max_size=2).map(tuple),
)


@given(REPORTS)
def test_a_report_survives_json_byte_for_byte(report):
    text = json.dumps(to_json(report), ensure_ascii=False)
    again = from_json(json.loads(text))
    assert again == report
    assert json.dumps(to_json(again), ensure_ascii=False) == text


@given(REPORTS)
def test_a_report_of_an_earlier_version_is_read(report):
    data = to_json(report)
    for signature in data["signatures"]:
        for later in ("claimed_at", "time_authority", "level"):
            del signature[later]
    assert from_json(data).verdict is report.verdict


def test_times_are_vietnam_time():
    report = VerificationReport(
        Verdict.UNSIGNED, "0" * 64, 1, datetime(2026, 11, 22, 5, tzinfo=UTC), "", ""
    )
    assert to_json(report)["verified_at"] == "2026-11-22T12:00:00+07:00"
