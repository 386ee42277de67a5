"""Bombs, loops, floods and nests through the pool with its limits: they end, and hurt nobody else.

Files of our own (tests/golden/signatures/hostile.py) and, where the sample folder is beside the
project, everything in it that was made to hurt. Between them a good file must stay valid.
"""

import asyncio
import gzip
import hashlib
import time
from pathlib import Path

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from gateway.trust.anchors import TrustStore
from gateway.trust.report import Verdict
from gateway.verifier.pool import VerifierPool
from tests.golden.signatures import authority
from tests.golden.signatures.authority import NOW
from tests.golden.signatures.cases import build
from tests.golden.signatures.hostile import HOSTILE

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "dos"
LIMIT_S = 20.0
MEMORY = 1 << 30
# What these add is harmless by the rules; it only costs.
HARMLESS = {
    "bomb-in-evidence",
    "flood-of-ranges",
    "flood-of-references",
    "long-list",
    "nest-of-arrays",
    "giant-number",
    "giant-name",
    "giant-value",
}


@pytest.fixture(scope="module")
def trust(tmp_path_factory) -> Path:
    return authority.lay_out_trust(tmp_path_factory.mktemp("trust"))


def _through_the_pool(trust: Path, folder: Path, files: dict[str, bytes], **settings):
    """Return report and seconds of each file, and of a good file asked after each."""

    async def ask(pool, name, data):
        path = folder / "file"
        path.write_bytes(data)
        begun = time.monotonic()
        sha256 = hashlib.sha256(data).hexdigest()
        report = await pool.verify(path, sha256=sha256, size_bytes=len(data), at=NOW)
        return report, time.monotonic() - begun

    async def main():
        pool = VerifierPool(
            trust, workers=1, timeout_s=LIMIT_S, memory_bytes=MEMORY, pdf_expected=True,
            cache_entries=0, **settings,
        )  # fmt: skip
        told, good = {}, {}
        try:
            for name, data in files.items():
                told[name] = await ask(pool, name, data)
                good[name], _ = await ask(pool, "good", build("b-b"))
        finally:
            await pool.close()
        return told, good

    return asyncio.run(main())


def _assert_harmless(told, good, *, may_be_valid=frozenset()) -> None:
    for name, (report, took) in told.items():
        assert took < LIMIT_S + 60, name  # a new worker may be slow to come up
        if report.verdict is Verdict.VALID:
            assert name in may_be_valid, name
    assert {report.verdict for report in good.values()} == {Verdict.VALID}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["bomb", "loop", "flood", "doubles", "long", "nest", "giant"])
def test_files_that_want_to_cost_end_and_hurt_nobody_else(kind, trust, tmp_path):
    files = {n: make() for n, make in HOSTILE.items() if n.startswith(kind)}
    assert files
    told, good = _through_the_pool(trust, tmp_path, files)
    _assert_harmless(told, good, may_be_valid=HARMLESS)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="no sample corpus beside the project")
@pytest.mark.timeout(600)
def test_the_sample_files_made_to_hurt_end_and_hurt_nobody_else(trust, tmp_path):
    files = {str(p.relative_to(CORPUS)): p.read_bytes() for p in sorted(CORPUS.glob("*/*.pdf"))}
    for path in sorted(CORPUS.glob("*/*.gz")):
        with gzip.open(path) as packed:
            files[path.name] = packed.read(60 << 20)
    assert len(files) > 40
    told, good = _through_the_pool(trust, tmp_path, files)
    _assert_harmless(told, good)


@pytest.mark.parametrize("version", [3, 7])
def test_an_anchor_of_an_impossible_version_is_no_anchor(version, tmp_path):
    folder = authority.lay_out_trust(tmp_path / "trust")
    cert = x509.Certificate.load(authority.der("root"))
    # The map of the library ends at v3: the number is written past it.
    body = cert["tbs_certificate"].dump()
    head = b"\xa0\x03\x02\x01\x02"
    other = head[:-1] + bytes([version])
    assert body.count(head) == 1
    body = body.replace(head, other)
    signature = authority.private_key("root").sign(body, PKCS1v15(), authority.hashes.SHA256())
    raw = body + cert["signature_algorithm"].dump()
    raw += b"\x03\x82" + (len(signature) + 1).to_bytes(2, "big") + b"\x00" + signature
    (folder / "root.pem").write_bytes(b"\x30\x82" + len(raw).to_bytes(2, "big") + raw)
    assert TrustStore.load(folder).anchors == ()
