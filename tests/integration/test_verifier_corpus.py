"""The sample folders beside the project: exact verdicts where they are known, else no harm done."""

import asyncio
import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.trust.report import Verdict
from gateway.verifier.pool import VerifierPool

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="no sample corpus beside the project"),
]

# What MANIFEST.json and the file names say of our own set; "not passed" leaves a choice.
NOT_PASSED = {"invalid", "indeterminate", "unreadable"}
OWN = {
    "v01": {"valid"},
    "v03": {"valid"},
    "v05": {"valid"},
    "v08": {"valid"},
    "v09": {"valid"},
    "v11": {"indeterminate", "valid"},
    "v12": {"valid"},
    "v13": {"valid"},
    "f01": {"indeterminate"},
    "f04": {"indeterminate"},
    "f05": {"indeterminate"},
    "f07": {"indeterminate"},
    "f09": {"indeterminate"},
    "f11": {"valid"},
    "f13": {"valid"},
    "t01": {"invalid"},
    "t18": {"indeterminate"},
    "u01": {"unsigned"},
    "u03": {"unsigned"},
}
OWN_SUBS = {
    "f01": "REVOKED_NO_POE",
    "f04": "NOT_YET_VALID",
    "f05": "CRYPTO_CONSTRAINTS_FAILURE",
    "f07": "NO_CERTIFICATE_CHAIN_FOUND",
    "f09": "CHAIN_CONSTRAINTS_FAILURE",
    "t01": "HASH_FAILURE",
}
OWN_NOTES = {
    "f01": "revoked",
    "f11": "claimed-differs",
    "f13": "name-differs",
    "t03": "page-changed",
    "t05": "page-changed",
    "t07": "docmdp-violated",
    "t10": "hidden-signature",
    "t12": "unlisted-object",
    "t16": "byte-range",
    "t18": "unexplained-bytes",
    "v01": "claimed-time",
    "v13": "fields-filled",
}


def _verified(trust: Path, files: list[tuple[str, bytes]], folder: Path, **settings):
    async def one(pool, number, data):
        path = folder / str(number)
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        return await pool.verify(path, sha256=sha256, size_bytes=len(data), at=AT)

    async def main():
        pool = VerifierPool(trust, workers=2, pdf_expected=True, **settings)
        try:
            jobs = [one(pool, n, data) for n, (_, data) in enumerate(files)]
            return await asyncio.gather(*jobs), pool.facts
        finally:
            await pool.close()

    reports, facts = asyncio.run(main())
    return dict(zip((name for name, _ in files), reports, strict=True)), facts


def _files(*patterns: str) -> list[tuple[str, bytes]]:
    found = sorted(path for pattern in patterns for path in CORPUS.glob(pattern))
    return [(str(path.relative_to(CORPUS)), path.read_bytes()) for path in found]


def test_our_own_set_has_the_expected_verdicts(tmp_path):
    files = _files("own/pdf/*.pdf")
    reports, facts = _verified(CORPUS / "own" / "trust", files, tmp_path)
    assert len(reports) == 27
    assert (facts.killed, facts.died) == (0, 0)
    for name, report in reports.items():
        key = Path(name).name[:3]
        assert report.verdict.value in OWN.get(key, NOT_PASSED), name
        signatures = report.signatures
        codes = {n.code for s in signatures for n in s.notes} | {n.code for n in report.notes}
        assert key not in OWN_NOTES or OWN_NOTES[key] in codes, (name, codes)
        assert key not in OWN_SUBS or signatures[0].sub_indication == OWN_SUBS[key], name
    seal = next(r for n, r in reports.items() if "v05" in n)
    assert [s.role for s in seal.signatures] == ["person", "organization"]


def test_real_government_documents_are_intact_and_chained(tmp_path):
    reports, _ = _verified(CORPUS / "vn" / "trust", _files("vn/pdf/*.pdf"), tmp_path)
    assert len(reports) == 5
    for name, report in reports.items():
        (signature,) = report.signatures
        assert report.verdict is Verdict.INDETERMINATE, name
        assert (signature.intact.value, signature.trusted.value) == ("yes", "yes"), name
        assert signature.sub_indication == "TRY_LATER", name
        assert signature.role == "organization", name
        assert "local-time-as-utc" in {n.code for n in signature.notes}, name


def test_public_files_agree_on_integrity_and_none_is_valid_under_our_anchors(tmp_path):
    reports, facts = _verified(CORPUS / "own" / "trust", _files("pdf/*/*.pdf"), tmp_path)
    assert len(reports) > 200
    assert (facts.killed, facts.died) == (0, 0)
    assert Verdict.VALID not in {r.verdict for r in reports.values()}
    manifest = json.loads((CORPUS / "MANIFEST.json").read_text("utf-8"))
    wrong = []
    for item in manifest:
        report = reports.get(item["file"])
        expected = (item.get("expected") or {}).get("per_signature") or []
        if report is None:
            continue
        ours = {s.field: s.intact.value for s in report.signatures}
        wrong += [
            (item["file"], row["field"])
            for row in expected
            if {True: "no", False: "yes"}.get(row["integrity"]) == ours.get(row["field"], "?")
        ]
    assert wrong == []


def test_hostile_files_end_in_time_and_none_is_valid(tmp_path):
    files = _files("dos/*/*.pdf")
    reports, _ = _verified(CORPUS / "own" / "trust", files, tmp_path, timeout_s=20)
    assert len(reports) > 40
    assert Verdict.VALID not in {r.verdict for r in reports.values()}


def test_bombs_are_stopped(tmp_path):
    bombs = []
    for path in sorted(CORPUS.glob("dos/*/*.gz")):
        with gzip.open(path) as file:
            bombs.append((path.name, file.read(40 << 20)))
    reports, _ = _verified(CORPUS / "own" / "trust", bombs, tmp_path, timeout_s=20)
    assert Verdict.VALID not in {r.verdict for r in reports.values()}
