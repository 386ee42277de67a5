import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigurationError
from gateway.seal.identity import load_identity

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
YEAR = dt.timedelta(days=365)
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module", name="keys")
def _keys():
    return {
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "rsa": rsa.generate_private_key(65537, 2048),
        "short": rsa.generate_private_key(65537, 1024),
        "ed": ed25519.Ed25519PrivateKey.generate(),
    }


def certificate(key, name="Cổng liên thông", *, usage=True):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + YEAR)
    )
    if not usage:
        bits = dict.fromkeys(
            ("digital_signature", "content_commitment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False
        )  # fmt: skip
        builder = builder.add_extension(x509.KeyUsage(key_encipherment=True, **bits), True)
    return builder.sign(key, hashes.SHA256())


def written(folder, key, certificates, password=b""):
    locked = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    paths = folder / "seal.key", folder / "seal.pem"
    paths[0].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, locked))
    paths[1].write_bytes(b"".join(c.public_bytes(PEM) for c in certificates))
    return paths


def secret(folder, text="mật khẩu"):
    path = folder / "password"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def faults(*args):
    with pytest.raises(ConfigurationError) as found:
        load_identity(*args)
    (fault,) = found.value.faults
    assert fault.vi
    assert fault.en
    return fault.where.removeprefix("reports.seal.")


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_pem_files_with_the_authority_in_any_order(tmp_path, keys, kind):
    own, other = certificate(keys[kind]), certificate(ec.generate_private_key(ec.SECP256R1()))
    for order in ([own, other], [other, own]):
        found = load_identity(*written(tmp_path, keys[kind], order))
        assert (found.certificate, found.others) == (own, (other,))
        assert found.name == "Cổng liên thông"


def test_pkcs12_with_and_without_a_password(tmp_path, keys):
    own, other = certificate(keys["ec"]), certificate(keys["rsa"])
    for password in (b"", "mật khẩu".encode()):
        locked = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        file = tmp_path / "seal.p12"
        file.write_bytes(
            pkcs12.serialize_key_and_certificates(b"seal", keys["ec"], own, [other], locked)
        )
        found = load_identity(file, None, secret(tmp_path) if password else None)
        assert (found.certificate, found.others) == (own, (other,))


def test_a_locked_pem_key_opens_with_its_password(tmp_path, keys):
    paths = written(tmp_path, keys["ec"], [certificate(keys["ec"])], "mật khẩu".encode())
    assert load_identity(*paths, secret(tmp_path)).name == "Cổng liên thông"
    assert faults(*paths) == "password_file"
    assert faults(*paths, secret(tmp_path, "sai")) == "key_file"


def test_a_password_for_a_key_without_one_is_told(tmp_path, keys):
    paths = written(tmp_path, keys["ec"], [certificate(keys["ec"])])
    assert faults(*paths, secret(tmp_path)) == "password_file"


def test_a_key_of_another_certificate_is_refused(tmp_path, keys):
    assert faults(*written(tmp_path, keys["ec"], [certificate(keys["rsa"])])) == "certificate_file"


@pytest.mark.parametrize("kind", ["short", "ed"])
def test_keys_that_seal_nothing_worth_having_are_refused(tmp_path, keys, kind):
    assert faults(*written(tmp_path, keys[kind], [certificate(keys["ec"])])) == "key_file"


def test_a_certificate_not_for_signing_is_refused(tmp_path, keys):
    own = certificate(keys["ec"], usage=False)
    assert faults(*written(tmp_path, keys["ec"], [own])) == "certificate_file"


def test_files_that_are_something_else_are_named(tmp_path, keys):
    key, cert = written(tmp_path, keys["ec"], [certificate(keys["ec"])])
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"\x30\x82rubbish")
    assert faults(rubbish, cert) == "key_file"
    assert faults(key, rubbish) == "certificate_file"
    assert faults(key) == "key_file"  # PEM without its certificate
    assert faults(rubbish) == "key_file"
    assert faults(tmp_path / "missing", cert) == "key_file"
    assert faults(key, tmp_path / "missing") == "certificate_file"


def test_term_and_a_name_that_is_not_there(tmp_path, keys):
    found = load_identity(*written(tmp_path, keys["ec"], [certificate(keys["ec"], "")]))
    assert found.name == ""
    assert found.good_at(NOW)
    assert found.good_at(NOW + YEAR)
    assert not found.good_at(NOW - YEAR)
    assert not found.good_at(NOW + 2 * YEAR)
    assert "PrivateKey" not in repr(found)
