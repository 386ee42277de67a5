from cryptography.hazmat.primitives.serialization import Encoding

from gateway.trust.anchors import TrustStore
from gateway.trust.fingerprint import fingerprint, stamp
from tests.world.signed_files import DAY, NOW, pki, trust_of


def test_self_signed_are_anchors_others_intermediates_and_crls_are_kept():
    store = TrustStore.load(pki().trust_dir)
    assert [c.subject.native["common_name"] for c in store.anchors] == [pki().root.name]
    assert [c.subject.native["common_name"] for c in store.intermediates] == [pki().issuing.name]
    assert len(store.crls) == 2
    assert store.faults == ()


def test_der_pem_and_bundles_are_read_and_copies_count_once(tmp_path):
    root = pki().root.load_certificate()
    issuing = pki().issuing.certificate.read_bytes()
    (tmp_path / "root.cer").write_bytes(root.public_bytes(Encoding.DER))
    (tmp_path / "all.pem").write_bytes(pki().root.certificate.read_bytes() + b"\n" + issuing)
    store = TrustStore.load(tmp_path)
    assert (len(store.anchors), len(store.intermediates)) == (1, 1)


def test_bad_files_are_listed_and_change_nothing_else(tmp_path):
    (tmp_path / "root.pem").write_bytes(pki().root.certificate.read_bytes())
    (tmp_path / "junk.pem").write_bytes(
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    )
    (tmp_path / "cut.pem").write_bytes(pki().root.certificate.read_bytes()[:300])
    (tmp_path / "junk.crl").write_bytes(b"\x30\x03junk")
    (tmp_path / "mine.key").write_bytes(pki().root.key.read_bytes())
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / ".hidden").write_text("x")
    store = TrustStore.load(tmp_path)
    assert len(store.anchors) == 1
    assert [f.file for f in store.faults] == ["cut.pem", "junk.crl", "junk.pem", "mine.key"]
    assert all(f.vi and f.en for f in store.faults)


def test_a_forged_self_signed_certificate_is_no_anchor(tmp_path):
    der = bytearray(pki().root.load_certificate().public_bytes(Encoding.DER))
    der[-1] ^= 1
    (tmp_path / "root.cer").write_bytes(der)
    assert TrustStore.load(tmp_path).anchors == ()


def test_empty_and_missing_directories_are_legal(tmp_path):
    empty = TrustStore.load(tmp_path)
    assert (empty.anchors, empty.faults) == ((), ())
    missing = TrustStore.load(tmp_path / "none")
    assert missing.anchors == ()
    assert len(missing.faults) == 1


def test_the_hash_is_over_contents_not_names(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    data = pki().root.certificate.read_bytes()
    (one / "a.pem").write_bytes(data)
    (two / "b.pem").write_bytes(data)
    assert TrustStore.load(one).sha256 == TrustStore.load(two).sha256 == fingerprint(one)
    (two / "c.pem").write_bytes(pki().issuing.certificate.read_bytes())
    assert fingerprint(one) != fingerprint(two)


def test_a_touched_directory_has_another_stamp():
    folder = trust_of(pki())
    before = stamp(folder)
    assert stamp(folder) == before
    (folder / "more.pem").write_bytes(b"x")
    assert stamp(folder) != before
    assert stamp(folder / "none") == ()


def test_a_new_crl_changes_the_fingerprint():
    assert fingerprint(trust_of(pki(), now=NOW + DAY)) != fingerprint(trust_of(pki()))
