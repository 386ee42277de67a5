"""The gateway's signature: tokens another library reads, keys only their owner reads."""

import base64
import dataclasses
import json
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from joserfc import jws
from joserfc.jwk import OKPKey

from gateway.errors import ConfigurationError
from gateway.receipts import proof, sign
from tests.world.receipt_log import AT, key

CLAIMS = sign.Acceptance(
    gateway="truc",
    consignment_id="c1",
    document_id="H37.02,2026/03/02,15/UBND-VP",
    sender="H37.02",
    recipients=("H37.03", "H57.01"),
    packet_sha256="a" * 64,
    content_sha256="b" * 64,
    attachments=(sign.FileHash("c" * 64, 10),),
    accepted_at=AT,
    entry_id="e1",
    entry_hash="d" * 64,
)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_second_library_accepts_our_receipt():
    token = sign.acceptance_receipt(key(), CLAIMS)
    public = OKPKey.import_key(sign.public_pem(key()))
    seen = jws.deserialize_compact(token, public, algorithms=["Ed25519"])
    assert seen.headers() == {
        "alg": "Ed25519",
        "kid": public.thumbprint(),
        "typ": "vanlien-receipt+jwt",
    }
    assert json.loads(seen.payload) == json.loads(json.dumps(dataclasses.asdict(CLAIMS)))
    assert sign.verify_acceptance(token, key().public) == json.loads(seen.payload)


def test_our_verifier_accepts_what_a_second_library_signs():
    private = OKPKey.generate_key("Ed25519")
    public = load_pem_public_key(private.as_pem(private=False))
    head = {"alg": "Ed25519", "kid": private.thumbprint(), "typ": proof.TYP_HEAD}
    claims = proof.compact({"size": 3, "root": "a" * 64, "at": AT}).encode()
    token = jws.serialize_compact(head, claims, private, algorithms=["Ed25519"])
    assert sign.verify_tree_head(token, public).size == 3


def test_the_same_facts_give_the_same_token():
    assert sign.acceptance_receipt(key(), CLAIMS) == sign.acceptance_receipt(key(), CLAIMS)
    assert sign.acceptance_receipt(key(), CLAIMS) != sign.acceptance_receipt(key(2), CLAIMS)


def test_a_tree_head_reads_back():
    token = sign.tree_head(key(), 7, "e" * 64, AT)
    head = sign.verify_tree_head(token, key().public)
    assert (head.size, head.root.hex(), head.at) == (7, "e" * 64, AT)
    assert proof.read_head(token.encode() + b"\n") == head
    assert proof.read_head(json.dumps({"tree_head": token, "x": 1}).encode()) == head


@pytest.mark.parametrize(
    ("size", "root", "at"),
    [(-1, "e" * 64, AT), (1, "E" * 64, AT), (1, "e" * 63, AT), (1, "e" * 64, "2026-03-02")],
)
def test_a_wrong_tree_head_is_not_signed(size, root, at):
    with pytest.raises(ValueError, match=r"count|hex|07:00"):
        sign.tree_head(key(), size, root, at)


def test_a_receipt_without_canonical_form_is_not_signed():
    with pytest.raises(ValueError, match=r"07:00"):
        sign.acceptance_receipt(key(), dataclasses.replace(CLAIMS, accepted_at="now"))
    with pytest.raises(ValueError, match="float"):
        sign.acceptance_receipt(key(), dataclasses.replace(CLAIMS, document_id=1.5))


def forged():
    token = sign.tree_head(key(), 7, "e" * 64, AT)
    header, payload, signature = token.split(".")
    kid = key().kid
    yield "empty", ""
    yield "two parts", f"{header}.{payload}"
    yield "four parts", token + ".x"
    yield "no signature", f"{header}.{payload}."
    yield "other payload", f"{header}.{b64(b'{}')}.{signature}"
    yield "padding", token + "="
    yield "blank", token.replace(".", ". ", 1)
    yield "loose base64", token[:-1] + chr(ord(token[-1]) + 1)
    yield "receipt as head", sign.acceptance_receipt(key(), CLAIMS)
    yield "not ascii", token + "é"
    for name, head in {
        "alg none": {"alg": "none", "kid": kid, "typ": proof.TYP_HEAD},
        "alg HS256": {"alg": "HS256", "kid": kid, "typ": proof.TYP_HEAD},
        "embedded key": {"alg": "Ed25519", "kid": kid, "typ": proof.TYP_HEAD, "jwk": {}},
        "kid no text": {"alg": "Ed25519", "kid": 1, "typ": proof.TYP_HEAD},
        "header no object": [],
    }.items():
        text = b64(json.dumps(head, separators=(",", ":")).encode())
        yield name, f"{text}.{payload}.{b64(key().private.sign(f'{text}.{payload}'.encode()))}"
    spaced = b64(b'{"alg": "Ed25519"}')
    yield "loose header", f"{spaced}.{payload}.{signature}"


@pytest.mark.parametrize("token", [pytest.param(t, id=n) for n, t in forged()])
def test_forged_tokens_are_refused(token):
    with pytest.raises(ValueError, match=r".+"):
        sign.verify_tree_head(token, key().public)


def test_another_key_is_an_unknown_signer():
    token = sign.tree_head(key(2), 7, "e" * 64, AT)
    with pytest.raises(proof.UnknownSignerError):
        sign.verify_tree_head(token, key().public)


# ---------------------------------------------------------------- key files


def test_a_generated_key_is_private_and_loads(tmp_path):
    path = tmp_path / "receipts.pem"
    made = sign.generate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sign.load_private(path).kid == made.kid
    assert [p.name for p in tmp_path.iterdir()] == ["receipts.pem"]
    assert list(proof.load_keys(sign.public_pem(made).encode())) == [made.kid]


def test_an_existing_key_is_never_overwritten(tmp_path):
    path = tmp_path / "receipts.pem"
    before = sign.generate(path)
    with pytest.raises(ConfigurationError, match="exists"):
        sign.generate(path)
    assert sign.load_private(path).kid == before.kid


def test_a_half_made_key_of_a_crash_is_replaced(tmp_path):
    (tmp_path / "receipts.pem.part").write_text("half")
    sign.generate(tmp_path / "receipts.pem")
    assert [p.name for p in tmp_path.iterdir()] == ["receipts.pem"]


def test_a_key_others_can_read_is_refused(tmp_path):
    path = tmp_path / "receipts.pem"
    sign.generate(path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        sign.load_private(path)


def ec_pem():
    private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "PEM"),
        (b"\x00\xff" * 50, "PEM"),
        (sign.public_pem(key()).encode(), "PEM"),
        (ec_pem(), "Ed25519"),
    ],
)
def test_a_file_that_is_no_receipt_key_is_refused(tmp_path, data, says):
    path = tmp_path / "receipts.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=says):
        sign.load_private(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        sign.load_private(tmp_path / "absent.pem")
