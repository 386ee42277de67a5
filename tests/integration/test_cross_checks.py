"""Second opinions: pdfsig, openssl cms, ts, ocsp and crl on the files of the golden set.

None of them is an oracle: pdfsig knows neither later changes nor document time-stamps, openssl
nothing of PDF. What they do judge, they must judge as we do.
"""

import functools
import hashlib
import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms

from gateway.demo.letters import sign_twice
from gateway.trust.report import Answer
from gateway.trust.verify import verify_file
from tests.fuzz.seeds import store
from tests.golden.signatures import authority
from tests.golden.signatures.attacks import byte_range, trimmed, value_of
from tests.golden.signatures.authority import NOW, SIGNED
from tests.golden.signatures.cases import CASES, GOOD, build
from tests.world.signed_files import letter, pki

EPOCH = str(int(SIGNED.timestamp()))
_FIELD = re.compile(r"Signature Field Name: (.*)")
_ANSWER = re.compile(r"Signature Validation: (.*)\.")
# Openssl's library of the machine does not take these by itself.
NOT_FOR_OPENSSL = {"expired", "archived-before-expiry"}


def needs(tool: str):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@functools.cache
def _report(name: str):
    data = build(name)
    sha256 = hashlib.sha256(data).hexdigest()
    return verify_file(data, sha256=sha256, at=CASES[name].at, store=store())


def _run(*command: str, good: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert (done.returncode == 0) is good, told
    return told


# ---------------------------------------------------------------- pdfsig


@pytest.fixture(scope="session")
def nss(tmp_path_factory) -> str:
    if shutil.which("certutil") is None:
        pytest.skip("certutil is not installed")
    folder = tmp_path_factory.mktemp("nss")
    database = f"sql:{folder}"
    _run("certutil", "-N", "-d", database, "--empty-password")
    for who, trust in (("root", "TCu,TCu,TCu"), ("issuing", "c,c,c")):
        file = folder / f"{who}.pem"
        file.write_bytes(authority.pem(who))
        _run("certutil", "-A", "-d", database, "-n", who, "-t", trust, "-i", str(file))
    return database


def _pdfsig(database: str, file: Path) -> dict[str, str]:
    """Return what pdfsig says of each field."""
    done = subprocess.run(
        ["pdfsig", "-nssdir", database, "-nocert", str(file)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    told = done.stdout.decode("utf-8", "replace")
    blocks = told.split("Signature #")[1:]
    found = {}
    for block in blocks:
        field, answer = _FIELD.search(block), _ANSWER.search(block)
        if field and answer:
            found[field.group(1).strip()] = answer.group(1)
    return found


@needs("pdfsig")
def test_pdfsig_agrees_on_the_integrity_of_every_golden_file_it_reads(nss, tmp_path):
    compared, wrong = 0, []
    for name in CASES:
        file = tmp_path / "file.pdf"
        file.write_bytes(build(name))
        ours = {s.field: s.intact for s in _report(name).signatures if s.level != "timestamp"}
        for field, theirs in _pdfsig(nss, file).items():
            expected = {
                "Signature is Valid": Answer.YES,
                "Digest Mismatch": Answer.NO,
                "Signature is Invalid": Answer.NO,
            }.get(theirs)
            if expected is None or field not in ours:
                continue
            compared += 1
            # A signature we could not judge is unknown to us, and that is no contradiction.
            if ours[field] not in {expected, Answer.UNKNOWN}:
                wrong.append((name, field, theirs, ours[field]))
    assert wrong == []
    assert compared > 60


@needs("pdfsig")
@pytest.mark.parametrize("name", GOOD)
def test_pdfsig_finds_every_good_file_intact(name, nss, tmp_path):
    file = tmp_path / "file.pdf"
    file.write_bytes(build(name))
    answers = _pdfsig(nss, file)
    signers = [s.field for s in _report(name).signatures if s.level != "timestamp"]
    assert signers
    assert {answers.get(field) for field in signers} == {"Signature is Valid"}


@needs("pdfsig")
def test_pdfsig_finds_the_demo_letters_signatures_intact(nss, tmp_path):
    source = pki()
    file = tmp_path / "letter.pdf"
    people = source.person(), source.agency()
    file.write_bytes(sign_twice(letter(), source, *people, NOW, level="B-LT"))
    answers = _pdfsig(nss, file)
    assert len(answers) == 2
    assert set(answers.values()) == {"Signature is Valid"}


# ---------------------------------------------------------------- openssl


@pytest.fixture(scope="session")
def anchors(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("openssl")
    (folder / "all.pem").write_bytes(authority.pem("root") + authority.pem("issuing"))
    for who in ("root", "issuing"):
        (folder / f"{who}.pem").write_bytes(authority.pem(who))
    return folder


def _cut(name: str, folder: Path, which: int = 0) -> tuple[Path, Path, cms.SignedData]:
    """Return files of the signed bytes and of the CMS of one signature, and the CMS read."""
    data = build(name)
    _, first, second, last = byte_range(data, which)
    der = trimmed(value_of(data, which))
    signed, value = folder / "signed.bin", folder / "sig.der"
    signed.write_bytes(data[:first] + data[second : second + last])
    value.write_bytes(der)
    return signed, value, cms.ContentInfo.load(der)["content"]


def _cms(signed: Path, value: Path, anchors: Path, *more: str, good: bool = True) -> str:
    return _run(
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(value),
        "-content", str(signed), "-CAfile", str(anchors / "all.pem"), "-purpose", "any",
        "-attime", EPOCH, *more, "-out", "/dev/null", good=good,
    )  # fmt: skip


@needs("openssl")
@pytest.mark.parametrize("name", [n for n in GOOD if n not in NOT_FOR_OPENSSL])
def test_openssl_cms_verifies_every_good_signature(name, anchors, tmp_path):
    signed, value, _ = _cut(name, tmp_path)
    _cms(signed, value, anchors)


@needs("openssl")
@pytest.mark.parametrize(
    "name", ["content-changed", "value-changed", "value-of-another", "self-signed",
             "double-of-the-root"]
)  # fmt: skip
def test_openssl_cms_refuses_what_we_refuse(name, anchors, tmp_path):
    signed, value, _ = _cut(name, tmp_path)
    _cms(signed, value, anchors, good=False)


def _token(signed_data: cms.SignedData, folder: Path, at: int = 0) -> tuple[Path, Path]:
    info = signed_data["signer_infos"][0]
    stamps = [a for a in info["unsigned_attrs"] if a["type"].native == "signature_time_stamp_token"]
    imprinted, token = folder / "value.bin", folder / "tst.der"
    imprinted.write_bytes(info["signature"].native)
    token.write_bytes(stamps[0]["values"][at].dump())
    return imprinted, token


def _ts(imprinted: Path, token: Path, anchors: Path, *, good: bool = True) -> str:
    return _run(
        "openssl", "ts", "-verify", "-data", str(imprinted), "-in", str(token), "-token_in",
        "-CAfile", str(anchors / "root.pem"), "-attime", EPOCH, good=good,
    )  # fmt: skip


@needs("openssl")
@pytest.mark.parametrize("name", ["b-t", "b-lt", "b-lta", "ecdsa", "pss", "detached-old-form"])
def test_openssl_ts_verifies_the_tokens_of_good_signatures(name, anchors, tmp_path):
    _, _, signed_data = _cut(name, tmp_path)
    _ts(*_token(signed_data, tmp_path), anchors)


@needs("openssl")
@pytest.mark.parametrize("name", ["stamp-of-another", "stamp-of-a-stranger"])
def test_openssl_ts_refuses_the_tokens_we_refuse(name, anchors, tmp_path):
    _, _, signed_data = _cut(name, tmp_path)
    _ts(*_token(signed_data, tmp_path), anchors, good=False)


@needs("openssl")
def test_openssl_ts_verifies_a_document_time_stamp(anchors, tmp_path):
    signed, value, _ = _cut("b-lta", tmp_path, which=1)
    _ts(signed, value, anchors)


@needs("openssl")
@pytest.mark.parametrize("issuer", ["root", "issuing"])
def test_openssl_crl_verifies_the_lists(issuer, anchors, tmp_path):
    file = tmp_path / "list.crl"
    file.write_bytes(authority.crl(issuer))
    told = _run(
        "openssl", "crl", "-inform", "DER", "-in", str(file), "-noout", "-text",
        "-CAfile", str(anchors / f"{issuer}.pem"),
    )  # fmt: skip
    assert "verify OK" in told
    assert ("Serial Number: 20" in told) == (issuer == "issuing")


@needs("openssl")
@pytest.mark.parametrize("who", ["person", "revoked"])
def test_openssl_verify_says_of_a_certificate_what_we_say(who, anchors, tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    lists = b"".join(
        x509.load_der_x509_crl(authority.crl(issuer)).public_bytes(Encoding.PEM)
        for issuer in ("root", "issuing")
    )
    (tmp_path / "lists.pem").write_bytes(lists)
    (tmp_path / "cert.pem").write_bytes(authority.pem(who))
    told = _run(
        "openssl", "verify", "-crl_check_all", "-CAfile", str(anchors / "root.pem"),
        "-untrusted", str(anchors / "issuing.pem"), "-CRLfile", str(tmp_path / "lists.pem"),
        "-attime", str(int(NOW.timestamp())), str(tmp_path / "cert.pem"), good=who == "person",
    )  # fmt: skip
    assert ("certificate revoked" in told) == (who == "revoked")
    probe = _report("b-t" if who == "person" else "revoked-before-stamp").signatures[0]
    assert probe.not_revoked is (Answer.YES if who == "person" else Answer.NO)


@needs("openssl")
@pytest.mark.parametrize("revoked", [False, True])
def test_openssl_ocsp_reads_the_answers_as_we_do(revoked, anchors, tmp_path):
    who = "revoked" if revoked else "person"
    answer = tmp_path / "answer.der"
    answer.write_bytes(authority.ocsp_answer(who, SIGNED, revoked=revoked))
    (tmp_path / "cert.pem").write_bytes(authority.pem(who))
    told = _run(
        "openssl", "ocsp", "-respin", str(answer), "-issuer", str(anchors / "issuing.pem"), "-sha256",
        "-cert", str(tmp_path / "cert.pem"), "-CAfile", str(anchors / "all.pem"),
        "-attime", EPOCH, "-validity_period", "999999999",
    )  # fmt: skip
    assert "Response verify OK" in told
    assert f"cert.pem: {'revoked' if revoked else 'good'}" in told
    name = "revoked-says-ocsp" if revoked else "ocsp-answer"
    assert _report(name).signatures[0].not_revoked is (Answer.NO if revoked else Answer.YES)


# ---------------------------------------------------------------- what is changed afterwards


@needs("qpdf")
@pytest.mark.parametrize("name", ["b-b", "b-lt", "b-lta", "two-signatures", "form"])
def test_qpdf_finds_the_good_files_well_formed(name, tmp_path):
    file = tmp_path / "file.pdf"
    file.write_bytes(build(name))
    _run("qpdf", "--check", str(file))
