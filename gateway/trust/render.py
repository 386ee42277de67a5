"""A verification report as JSON and back, in a fixed order.

Promises: the same facts give the same dictionary, so stored reports compare byte for byte; a stored
report reads back to an equal value, also one written before a field was added. Keeps nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from gateway.trust.report import (
    Answer,
    CertificateFacts,
    Coverage,
    Note,
    SignatureFacts,
    Verdict,
    VerificationReport,
)

Json = dict[str, Any]
VIETNAM: Final = timezone(timedelta(hours=7))


def _time(at: datetime | None) -> str | None:
    """Return ISO 8601 with `+07:00`; whole seconds unless there are fractions."""
    return None if at is None else at.astimezone(VIETNAM).isoformat()


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _certificate(cert: CertificateFacts | None) -> Json | None:
    if cert is None:
        return None
    return {
        "subject": cert.subject,
        "common_name": cert.common_name,
        "organization": cert.organization,
        "issuer": cert.issuer,
        "serial": cert.serial,
        "not_before": _time(cert.not_before),
        "not_after": _time(cert.not_after),
        "sha256": cert.sha256,
    }


def _notes(notes: tuple[Note, ...]) -> list[Json]:
    return [{"code": n.code, "vi": n.vi, "en": n.en} for n in notes]


def _signature(sig: SignatureFacts) -> Json:
    return {
        "field": sig.field,
        "verdict": sig.verdict.value,
        "sub_indication": sig.sub_indication,
        "signer": _certificate(sig.signer),
        "role": sig.role,
        "signed_at": _time(sig.signed_at),
        "signed_at_source": sig.signed_at_source,
        "claimed_at": _time(sig.claimed_at),
        "time_authority": sig.time_authority,
        "coverage": sig.coverage.value,
        "later_changes": sig.later_changes,
        "intact": sig.intact.value,
        "trusted": sig.trusted.value,
        "not_revoked": sig.not_revoked.value,
        "time_proven": sig.time_proven.value,
        "level": sig.level,
        "algorithm": sig.algorithm,
        "notes": _notes(sig.notes),
    }


def to_json(report: VerificationReport) -> Json:
    """Return a report as a JSON-ready dictionary in stable order, times `+07:00`."""
    return {
        "verdict": report.verdict.value,
        "sha256": report.sha256,
        "size_bytes": report.size_bytes,
        "verified_at": _time(report.verified_at),
        "trust_sha256": report.trust_sha256,
        "engine": report.engine,
        "signatures": [_signature(s) for s in report.signatures],
        "notes": _notes(report.notes),
        "secrecy_marks": list(report.secrecy_marks),
    }


def _read_certificate(data: Mapping[str, Any] | None) -> CertificateFacts | None:
    if data is None:
        return None
    return CertificateFacts(
        subject=data["subject"],
        common_name=data["common_name"],
        organization=data["organization"],
        issuer=data["issuer"],
        serial=data["serial"],
        not_before=datetime.fromisoformat(data["not_before"]).astimezone(UTC),
        not_after=datetime.fromisoformat(data["not_after"]).astimezone(UTC),
        sha256=data["sha256"],
    )


def _read_notes(data: list[Json]) -> tuple[Note, ...]:
    return tuple(Note(n["code"], n["vi"], n["en"]) for n in data)


def _read_signature(data: Mapping[str, Any]) -> SignatureFacts:
    return SignatureFacts(
        field=data["field"],
        verdict=Verdict(data["verdict"]),
        sub_indication=data["sub_indication"],
        intact=Answer(data["intact"]),
        trusted=Answer(data["trusted"]),
        not_revoked=Answer(data["not_revoked"]),
        time_proven=Answer(data["time_proven"]),
        signer=_read_certificate(data["signer"]),
        role=data["role"],
        signed_at=_read_time(data["signed_at"]),
        signed_at_source=data["signed_at_source"],
        coverage=Coverage(data["coverage"]),
        later_changes=data["later_changes"],
        algorithm=data["algorithm"],
        notes=_read_notes(data["notes"]),
        claimed_at=_read_time(data.get("claimed_at")),
        time_authority=data.get("time_authority", ""),
        level=data.get("level", ""),
    )


def from_json(data: Mapping[str, Any]) -> VerificationReport:
    """Return the report a dictionary of `to_json` describes.

    Args:
        data: What `to_json` gave, now or in an earlier version.

    Raises:
        ValueError: A value is not of its kind.
        KeyError: A field that every version wrote is missing.
    """
    return VerificationReport(
        verdict=Verdict(data["verdict"]),
        sha256=data["sha256"],
        size_bytes=data["size_bytes"],
        verified_at=datetime.fromisoformat(data["verified_at"]).astimezone(UTC),
        trust_sha256=data["trust_sha256"],
        engine=data["engine"],
        signatures=tuple(_read_signature(s) for s in data["signatures"]),
        notes=_read_notes(data["notes"]),
        secrecy_marks=tuple(data["secrecy_marks"]),
    )
