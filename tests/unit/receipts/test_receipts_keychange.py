"""A log signed by several keys: which signed what, and what an unknown key is called."""

import io
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.receipts import log, merkle, proof, sign
from tests.world.receipt_log import AT, ReceiptLog, key

BOTH = {k.kid: k.public for k in (key(1), key(2))}


class P256:
    """A P-256 key as a token signs with it."""

    def __init__(self):
        self._key = ec.derive_private_key(7, ec.SECP256R1())

    def public_key(self):
        return self._key.public_key()

    def sign(self, data):
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def hand_over(before, after, **changed):
    facts = sign.key_change(before, after, key(1).kid, AT) | changed
    entry_id = "0195a000-0000-7000-8000-00000000aaaa"
    return {"entry_id": entry_id, "kind": "key_changed", "at": AT, "actor": "root", **facts}


class Changed(ReceiptLog):
    """Six entries, the fourth a hand-over; heads at three by the old key, at six by the new."""

    def __init__(self, body, after):
        super().__init__(6, receipts=True)
        self.after = after
        self.bodies[3] = log.canonical(body)
        self.rows = log.sequence(log.EMPTY, self.bodies)
        self.nodes.clear()
        for level, index, node in merkle.append([r.leaf_hash for r in self.rows], 0, self.get):
            self.nodes[level, index] = node
        old = self.acceptance
        del self.receipts[3]
        self.heads = [self.head(3)]
        self.old, self.key = self.key, after
        self.receipts |= {4: old(4), 5: old(5)}
        self.heads.append(self.head(6))

    def public_keys(self):
        return [sign.public_pem(self.after), sign.public_pem(self.old)]


def checked(source, keys):
    return proof.verify(io.BytesIO(source.export()), keys)


def test_both_keys_given_it_is_good_and_says_which_signed_what():
    report = checked(Changed(hand_over(key(1), key(2)), key(2)), BOTH)
    assert (report.exit_code, report.faults) == (0, [])
    first, second = (report.keys[k.kid] for k in (key(1), key(2)))
    assert (first.tree_heads, first.acceptance_receipts, first.exports) == (1, 3, 0)
    assert (second.tree_heads, second.acceptance_receipts, second.exports) == (1, 2, 1)
    assert (second.named_at, second.vouched_by) == (3, key(1).kid)
    told = report.to_json()
    assert set(told["keys"]) == {key(1).kid, key(2).kid}
    assert "named by entry 3" in report.to_text()


@pytest.mark.parametrize("known", [1, 2])
def test_a_key_that_was_not_given_is_called_unknown_and_never_good(known):
    pinned = {key(known).kid: key(known).public}
    report = checked(Changed(hand_over(key(1), key(2)), key(2)), pinned)
    assert report.exit_code == 2
    assert "other-key" in report.notes
    assert "unknown key" in report.to_text()
    assert not report.pinned


def test_a_key_the_file_does_not_even_name_is_a_fault():
    source = Changed(hand_over(key(1), key(2)), key(2))
    data = source.export().replace(json.dumps(sign.public_pem(key(2)))[1:-1].encode(), b"", 1)
    header, rest = data.split(b"\n", 1)
    assert header  # the header names the first key alone; the entry still names the second
    report = proof.verify(io.BytesIO(header + b"\n" + rest), {key(1).kid: key(1).public})
    assert report.exit_code == 1
    source = ReceiptLog(3, receipts=True)
    foreign = source.export().split(b"\n")
    head = json.loads(foreign[-3])
    head["jws"] = sign.tree_head(key(5), 3, merkle.root(3, source.get).hex(), AT)
    foreign[-3] = proof.compact(head).encode()
    report = proof.verify(io.BytesIO(b"\n".join(foreign)), source.pinned)
    assert {f.code for f in report.faults} >= {"unknown-key"}
    assert report.exit_code == 1


FORGED = {
    "old key did not sign": lambda: hand_over(key(3), key(2)),
    "new key did not sign": lambda: (
        hand_over(key(1), key(2)) | {"signed": hand_over(key(1), key(3))["signed"]}
    ),
    "another time": lambda: hand_over(key(1), key(2), from_time="2027-01-01T00:00:00+07:00"),
    "another public key": lambda: hand_over(key(1), key(2), public_key=sign.public_pem(key(4))),
    "another old key": lambda: hand_over(key(1), key(2), key_before=key(4).kid),
    "no public key": lambda: hand_over(key(1), key(2), public_key="none"),
    "a receipt in its place": lambda: hand_over(key(1), key(2), signed="a.b.c"),
    "to itself": lambda: hand_over(key(1), key(1)),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_hand_over_that_is_not_signed_by_both_names_its_entry(how):
    report = checked(Changed(FORGED[how](), key(2)), BOTH)
    assert report.exit_code == 1
    assert [(f.code, f.index) for f in report.faults] == [("key-change", 3)]


def test_a_lost_old_key_is_said_not_hidden():
    report = checked(Changed(hand_over(None, key(2)), key(2)), BOTH)
    assert report.exit_code == 0
    assert "key-break" in report.notes
    assert report.keys[key(2).kid].vouched_by == ""


def test_a_p256_key_takes_over():
    new = sign.ReceiptKey(P256())
    report = checked(
        Changed(hand_over(key(1), new), new), {key(1).kid: key(1).public, new.kid: new.public}
    )
    assert report.exit_code == 0
    assert report.keys[new.kid].algorithm == "ES256"


def test_an_algorithm_that_is_not_the_keys_is_refused():
    new = sign.ReceiptKey(P256())
    token = sign.tree_head(new, 1, "a" * 64, AT)
    header, claims, signature = token.split(".")
    lying = proof.b64url(
        proof.compact({"alg": "Ed25519", "kid": new.kid, "typ": proof.TYP_HEAD}).encode()
    )
    cut = proof.b64url(bytes(63))
    for wrong in (f"{lying}.{claims}.{signature}", f"{header}.{claims}.{cut}"):
        with pytest.raises(ValueError, match="signature"):
            sign.verify_tree_head(wrong, new.public)
    assert sign.verify_tree_head(token, new.public).size == 1
    other = sign.ReceiptKey(P256())
    assert other.kid == new.kid


def test_a_second_library_knows_our_p256_thumbprint_and_accepts_our_token():
    from joserfc import jws
    from joserfc.jwk import ECKey

    new = sign.ReceiptKey(P256())
    public = ECKey.import_key(sign.public_pem(new))
    assert public.thumbprint() == new.kid
    seen = jws.deserialize_compact(
        sign.tree_head(new, 1, "a" * 64, AT), public, algorithms=["ES256"]
    )
    assert json.loads(seen.payload)["size"] == 1


def test_other_curves_are_no_receipt_keys():
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(ValueError, match="Ed25519 or P-256"):
        proof.load_keys(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
