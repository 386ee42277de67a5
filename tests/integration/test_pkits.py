"""NIST PKITS against the path validation under our verdicts: settings, store and lists are ours."""

import functools
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.world.pathcheck import judged, store_of

SUITE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "pki" / "pkits"
AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not SUITE.is_dir(), reason="no sample corpus beside the project"),
]

# Each is argued in docs/divergences.md. The value is what we say instead.
DEVIATIONS = {
    # DSA with SHA-1 is not an algorithm of SIG-48.
    "valid_dsa_signatures_test4": False,
    # We ask for no certificate policy of the relying party's own: the suite's question is another.
    "all_certificates_no_policies_test2_force_explicit": True,
    "overlapping_policies_test6_with_testpol2": True,
    "overlapping_policies_test6_with_testpol2_explicit": True,
    "any_policy_test14_with_testpol2": True,
    "valid_policy_mapping_test6_with_testpol6": True,
}


def _rows() -> list[dict]:
    path = SUITE / "expectations.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else []


@functools.cache
def _file(kind: str, name: str) -> bytes:
    return (SUITE / kind / name).read_bytes()


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _judged(row: dict, *, lists: bool = True) -> tuple[bool, str]:
    others = [_file("certs", name) for name in row.get("other_certs", ())]
    crls = [_file("crls", name) for name in row.get("crls", ())]
    crls.append(_file("crls", "TrustAnchorRootCRL.crl"))
    root = _file("certs", "TrustAnchorRootCertificate.crt")
    store = store_of([root], others, crls if lists else [])
    return judged(_file("certs", row["cert"]), store, AT)


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["name"])
def test_a_case_of_the_suite(row):
    accepted, why = _judged(row)
    expected = row["expected"] == "valid"
    if row["name"] in DEVIATIONS:
        assert DEVIATIONS[row["name"]] is not expected, "no deviation any more: strike it out"
        assert accepted is DEVIATIONS[row["name"]], why
    else:
        assert accepted is expected, why


def test_no_deviation_that_only_asks_for_policies_accepts_a_broken_path():
    looser = {name for name, accepted in DEVIATIONS.items() if accepted}
    rows = {row["name"]: row for row in _rows()}
    assert all(rows[name].get("params") for name in looser)


@pytest.mark.parametrize(
    "row", [r for r in _rows() if r["expected"] == "valid"][::6], ids=lambda row: row["name"]
)
def test_without_lists_nothing_is_accepted(row):
    # SIG-42: unknown is never good.
    assert _judged(row, lists=False)[0] is False
