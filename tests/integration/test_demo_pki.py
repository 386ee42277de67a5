import stat
from datetime import timedelta

import aiohttp
import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from gateway.demo.letters import make_plain_pdf
from gateway.demo.pki import Revocation, load_pki, make_pki, publish_crls
from gateway.demo.pki_service import DevPkiService
from gateway.errors import ConfigurationError
from tests.world.signed_files import AGENCY, NOW, SIGNER, letter, pki, trust_of


@pytest.fixture
async def served(tmp_path):
    service = await DevPkiService.open(now=lambda: NOW)
    made = make_pki(
        tmp_path / "pki", now=NOW, agencies=[AGENCY], people=[SIGNER], base_url=service.url
    )
    service.serve(made)
    async with aiohttp.ClientSession(service.url) as client:
        yield made, client
    await service.close()


def test_a_pki_is_reopened_as_it_was_made():
    assert load_pki(pki().directory) == pki()


def test_keys_are_for_their_owner_only():
    for key in (pki().directory / "private").iterdir():
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((pki().directory / "private").stat().st_mode) == 0o700
    assert not any(b"PRIVATE" in f.read_bytes() for f in pki().trust_dir.iterdir())


def test_no_pki_is_told(tmp_path):
    with pytest.raises(ConfigurationError):
        load_pki(tmp_path)


def test_roles_can_be_told_from_the_subjects():
    assert pki().person().name == SIGNER.name
    assert pki().agency(AGENCY[0]).name == AGENCY[1]
    with pytest.raises(KeyError):
        pki().agency("H99.99")


async def test_before_a_pki_is_served_it_answers_503():
    service = await DevPkiService.open()
    async with aiohttp.ClientSession(service.url) as client, client.get("/crl/root.crl") as answer:
        assert answer.status == 503
    await service.close()


async def test_certificates_point_to_crl_and_ocsp_that_answer(served):
    made, client = served
    cert = made.person().load_certificate()
    points = cert.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    url = points[0].full_name[0].value
    async with client.get(url) as answer:
        crl = x509.load_der_x509_crl(await answer.read())
    assert crl.is_signature_valid(made.issuing.load_certificate().public_key())
    query = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(cert, made.issuing.load_certificate(), hashes.SHA256())
        .build()
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    for revoked, status in ((False, "GOOD"), (True, "REVOKED")):
        if revoked:
            publish_crls(made, now=NOW, revoked=[Revocation(cert.serial_number, NOW)])
        async with client.post("/ocsp", data=query.public_bytes(Encoding.DER)) as answer:
            found = ocsp.load_der_ocsp_response(await answer.read())
        assert found.certificate_status.name == status


async def test_time_stamps_state_the_given_time(served):
    _made, client = served
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": b"\x01" * 32}
    query = tsp.TimeStampReq(
        {"version": 1, "message_imprint": imprint, "nonce": 77, "cert_req": True}
    )
    async with client.post("/tsa", data=query.dump()) as answer:
        assert answer.content_type == "application/timestamp-reply"
        reply = tsp.TimeStampResp.load(await answer.read())
    assert reply["status"]["status"].native == "granted"
    info = reply["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    assert info["gen_time"].native == NOW
    assert info["nonce"].native == 77


@pytest.mark.parametrize(
    ("path", "status"),
    [("/tsa", 400), ("/ocsp", 400)],
)
async def test_rubbish_is_refused(served, path, status):
    _, client = served
    async with client.post(path, data=b"rubbish") as answer:
        assert answer.status == status


async def test_unknown_names_are_refused(served):
    _, client = served
    for path in ("/crl/..%2fprivate%2froot.key", "/crl/none.crl", "/cert/root.key"):
        async with client.get(path) as answer:
            assert answer.status == 404


def test_letters_are_the_same_for_the_same_words():
    assert letter.__wrapped__() == letter.__wrapped__()
    assert letter() != letter(urgency="HỎA TỐC")


@pytest.mark.parametrize("size", [1000, 1001, 4096, 377_856, 2_000_000])
def test_plain_pdfs_have_exactly_their_size(size):
    assert len(make_plain_pdf(size)) == size
    assert make_plain_pdf(size, 1) != make_plain_pdf(size, 2)
    assert make_plain_pdf(size) == make_plain_pdf(size)


def test_a_plain_pdf_too_small_is_refused():
    with pytest.raises(ValueError, match="1000"):
        make_plain_pdf(999)


def test_crls_are_good_for_a_year():
    folder = trust_of(pki(), now=NOW)
    crl = x509.load_der_x509_crl((folder / "issuing.crl").read_bytes())
    assert crl.next_update_utc - NOW == timedelta(days=365)
