"""The policy file, and what its dates make of old signatures (SIG-48)."""

import dataclasses
import functools
import hashlib
import io
from datetime import date, datetime, timedelta

import pytest
from asn1crypto import algos
from asn1crypto.keys import PublicKeyInfo
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.signers import PdfSigner

from gateway.demo import letters
from gateway.trust.algorithms import DatedAlgorithms
from gateway.trust.anchors import TrustStore
from gateway.trust.decisions import Decision
from gateway.trust.pdf import verify_pdf
from gateway.trust.policy import BUILT_IN, LEGACY_SHA1_END
from gateway.trust.policyfile import read_policy
from gateway.trust.policytext import TEXT
from gateway.trust.report import VIETNAM, Answer, Verdict
from tests.world.signed_files import DAY, NOW, letter, pki, trust_of

HEAD = 'name = "Kho lưu trữ"\ndated = 2026-11-22\n'
END = NOW + DAY
OLD = f'[[digest]]\nname = "sha256"\n[[digest]]\nname = "sha1"\nuntil = {END.isoformat()}\n'


# ---------------------------------------------------------------- reading


def test_the_text_to_start_from_is_the_built_in_policy():
    policy, faults = read_policy(TEXT.encode())
    assert faults == ()
    assert policy == BUILT_IN
    assert BUILT_IN.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()


def test_the_commented_rows_of_the_text_hold_too():
    rows = [line for line in TEXT.splitlines() if line.startswith("# ")]
    keys = (
        "# [[",
        "# name = ",
        "# until = ",
        "# bits = ",
        "# sender",
        "# dir",
        "# verd",
        "# action",
    )
    lines = [row[2:] for row in rows if row.startswith(keys)]
    policy, faults = read_policy(f"{TEXT}\n{chr(10).join(lines)}\n".encode())
    assert faults == ()
    ends = dict(policy.digests)
    assert ends["sha1"] == LEGACY_SHA1_END.astimezone(VIETNAM).replace(hour=0)
    assert policy.decisions == (Decision("H37.02", "in", ("invalid",), "refuse"),)


def test_a_short_file_takes_the_rest_from_the_built_in():
    policy, faults = read_policy(HEAD.encode())
    assert faults == ()
    wanted = dataclasses.replace(
        BUILT_IN, name="Kho lưu trữ", dated=date(2026, 11, 22), sha256=policy.sha256
    )
    assert policy == wanted
    assert policy.sha256 == hashlib.sha256(HEAD.encode()).hexdigest()


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ('[[digest]]\nname = "md5"\nuntil = 2030-01-01\n', "digest[1].name"),
        ('[[digest]]\nname = "crc32"\n', "digest[1].name"),
        ('[[digest]]\nname = "sha1"\n', "digest[1].until"),
        ("[[rsa]]\nbits = 512\nuntil = 2030-01-01\n", "rsa[1].bits"),
        ("[[rsa]]\nbits = 1024\n", "rsa[1].until"),
        ('[ec]\nbits = "many"\n', "ec.bits"),
        ("[certificate]\nkey_usages = []\n", "certificate.key_usages"),
        ('[certificate]\nkey_usages = ["anything"]\n', "certificate.key_usages"),
        ("[certificate]\nmax_lifetime_days = -1\n", "certificate.max_lifetime_days"),
        ('[evidence]\nunknown = "valid"\n', "evidence.unknown"),
        ('[evidence]\ntimestamp = "never"\n', "evidence.timestamp"),
        ('[must_sign]\noriginal = ["tsa"]\n', "must_sign.original"),
        ('[[decision]]\naction = "ignore"\n', "decision[1].action"),
        ("[[decision]]\n", "decision[1].action"),
        ('[[decision]]\naction = "flag"\nsender = "H*7"\n', "decision[1].sender"),
        ('[[decision]]\naction = "flag"\nverdict = "good"\n', "decision[1].verdict"),
        ('[[decision]]\naction = "flag"\ndirection = "up"\n', "decision[1].direction"),
        ('[[decision]]\naction = "accept"\nverdict = "invalid"\n', "decision[1].action"),
        ('[[decision]]\naction = "accept"\n', "decision[1].action"),
        ('[[decision]]\naction = "refuse"\n', "decision[1].action"),
        ("[colour]\nred = 1\n", "colour"),
        ("[evidence]\nforgery = 1\n", "evidence.forgery"),
    ],
)
def test_a_fault_is_told_with_its_place(more, place):
    policy, faults = read_policy((HEAD + more).encode())
    assert policy is None
    assert {f.en.split(":")[0] for f in faults} == {place}
    assert {f.vi.split(":")[0] for f in faults} == {place}
    assert {f.file for f in faults} == {"policy.toml"}


def test_a_broken_policy_leaves_no_anchor():
    folder = trust_of(pki())
    (folder / "policy.toml").write_text(HEAD + '[[digest]]\nname = "md5"\n', encoding="utf-8")
    store = TrustStore.load(folder)
    assert (store.anchors, store.broken) == ((), "policy.toml")
    assert any("md5" in f.en for f in store.faults)


def test_the_report_names_the_policy():
    folder = trust_of(pki())
    assert TrustStore.load(folder).policy_facts().sha256 == BUILT_IN.sha256
    (folder / "policy.toml").write_text(HEAD, encoding="utf-8")
    facts = TrustStore.load(folder).policy_facts()
    assert (facts.name, facts.dated) == ("Kho lưu trữ", "2026-11-22")
    assert facts.sha256 == hashlib.sha256(HEAD.encode()).hexdigest()


# ---------------------------------------------------------------- algorithms


def policy_of(text):
    policy, faults = read_policy((HEAD + text).encode())
    assert faults == ()
    return policy


def public(key):
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKeyInfo.load(der)


@functools.cache
def rsa_key(bits):
    return public(rsa.generate_private_key(public_exponent=65537, key_size=bits))


def signed_by(name, key=None, *, policy=BUILT_IN, at=NOW, proven=None):
    algorithm = algos.SignedDigestAlgorithm({"algorithm": name})
    return DatedAlgorithms(policy, proven).signature_algorithm_allowed(algorithm, at, key)


@pytest.mark.parametrize("name", ["sha256_rsa", "sha384_rsa", "sha512_rsa", "sha256_ecdsa"])
def test_todays_algorithms_pass(name):
    assert signed_by(name)


@pytest.mark.parametrize("name", ["md5_rsa", "sha1_rsa", "sha224_rsa", "sha1_ecdsa", "sha256_dsa"])
def test_weak_ones_do_not_and_have_no_end(name):
    found = signed_by(name)
    assert not found
    assert found.not_allowed_after is None
    assert found.failure_reason


def test_key_sizes():
    assert signed_by("sha256_rsa", rsa_key(2048))
    assert not signed_by("sha256_rsa", rsa_key(1024))
    assert signed_by("sha256_ecdsa", public(ec.generate_private_key(ec.SECP256R1())))
    assert not signed_by("sha256_ecdsa", public(ec.generate_private_key(ec.SECP224R1())))
    assert signed_by("ed25519", public(ed25519.Ed25519PrivateKey.generate()))
    assert not signed_by("sha256_dsa", public(dsa.generate_private_key(2048)))


def test_a_key_size_may_have_an_end():
    policy = policy_of("[[rsa]]\nbits = 2048\n[[rsa]]\nbits = 1024\nuntil = 2013-12-31\n")
    end = datetime(2014, 1, 1, tzinfo=VIETNAM)
    last = end - timedelta(seconds=1)
    assert signed_by("sha256_rsa", rsa_key(1024), policy=policy, at=last)
    late = signed_by("sha256_rsa", rsa_key(1024), policy=policy, at=end)
    assert not late
    assert late.not_allowed_after == end
    assert signed_by("sha256_rsa", rsa_key(2048), policy=policy, at=end)


@pytest.mark.parametrize(
    ("at", "proven", "allowed"),
    [
        (END - timedelta(seconds=1), None, True),
        (END, None, False),
        (END + 99 * DAY, END - timedelta(seconds=1), True),
        (END + 99 * DAY, END, False),
        (None, None, False),
        (None, NOW, False),
    ],
)
def test_sha1_before_and_after_its_end(at, proven, allowed):
    found = signed_by("sha1_rsa", policy=policy_of(OLD), at=at, proven=proven)
    assert bool(found) is allowed
    assert found.not_allowed_after == (None if allowed else END)


def test_md5_never_whatever_a_policy_says():
    policy = dataclasses.replace(BUILT_IN, digests=(("md5", None), ("sha256", None)))
    judge = DatedAlgorithms(policy)
    assert not signed_by("md5_rsa", policy=policy)
    assert not judge.digest_algorithm_allowed(algos.DigestAlgorithm({"algorithm": "md5"}), NOW)
    assert judge.digest_algorithm_allowed(algos.DigestAlgorithm({"algorithm": "sha256"}), NOW)


# ---------------------------------------------------------------- whole documents


@functools.cache
def sha1_signed(stamped, token_digest="sha256"):
    """Return the letter, signed at NOW with SHA-1, time-stamped then or not."""
    source = pki()
    person = source.person()
    stamper = letters.time_stamper(source, NOW)
    # As the Government's servers do it: the imprint as the signature, the token itself SHA-256.
    stamper.override_md = token_digest
    metadata = letters._metadata(source, person, "NguoiKy", NOW, "B-T" if stamped else "B-B")
    signer = PdfSigner(
        dataclasses.replace(metadata, md_algorithm="sha1"),
        signer=letters._signer(source, person),
        timestamper=stamper if stamped else None,
        new_field_spec=SigFieldSpec("NguoiKy"),
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(letter()))
    return letters._completed(letters._sign(signer, writer, NOW, 0))


def judged(data, text, at):
    folder = trust_of(pki(), now=at - timedelta(hours=1))
    if text:
        (folder / "policy.toml").write_text(HEAD + text, encoding="utf-8")
    store = TrustStore.load(folder)
    assert store.faults == ()
    return verify_pdf(data, sha256=hashlib.sha256(data).hexdigest(), at=at, store=store)


@pytest.mark.parametrize("stamped", [True, False])
def test_sha1_is_told_honestly_by_default(stamped):
    report = judged(sha1_signed(stamped), "", NOW + timedelta(hours=2))
    (signature,) = report.signatures
    assert report.verdict is Verdict.INDETERMINATE
    assert signature.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE"
    assert "weak-algorithm" in {n.code for n in signature.notes}


def test_sha1_proven_before_its_end_is_accepted_later():
    report = judged(sha1_signed(stamped=True), OLD, END + 2 * DAY)
    (signature,) = report.signatures
    assert (signature.sub_indication, signature.time_proven) == ("", Answer.YES)
    assert report.verdict is Verdict.VALID


def test_a_sha1_imprint_is_a_remark_and_a_sha1_token_proves_nothing():
    good = judged(sha1_signed(stamped=True), OLD, END + 2 * DAY).signatures[0]
    assert [t.imprint for t in good.timestamps] == ["sha1"]
    report = judged(sha1_signed(True, "sha1"), OLD, END + 2 * DAY)
    (signature,) = report.signatures
    assert signature.time_proven is not Answer.YES
    assert signature.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    assert report.verdict is Verdict.INDETERMINATE


def test_sha1_without_proof_of_its_time_is_not():
    report = judged(sha1_signed(stamped=False), OLD, END + 2 * DAY)
    (signature,) = report.signatures
    assert signature.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    assert report.verdict is Verdict.INDETERMINATE


def test_sha1_proven_only_after_its_end_is_not():
    early = OLD.replace(END.isoformat(), (NOW - DAY).isoformat())
    report = judged(sha1_signed(stamped=True), early, NOW + 2 * DAY)
    (signature,) = report.signatures
    assert signature.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    assert report.verdict is Verdict.INDETERMINATE


def test_the_key_usage_wanted_is_the_policys():
    data = sha1_signed(stamped=True)
    report = judged(data, f'{OLD}[certificate]\nkey_usages = ["key_agreement"]\n', NOW + DAY / 2)
    (signature,) = report.signatures
    assert signature.verdict is Verdict.INDETERMINATE
    assert signature.trusted is not Answer.YES or signature.sub_indication
