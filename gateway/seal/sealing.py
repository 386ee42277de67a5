"""The seal itself: an invisible PAdES signature, its time-stamp, and what proves it later.

The file grows by revisions only; nothing of an earlier one is touched:

    report                                     as typeset
    + signature, with or without time-stamp    `seal`
    + document time-stamp                      `add_stamp`, when there was none
    + chain and revocation data (DSS)          `add_proofs`

Works on reports that `gateway.reports.pdf` made, in memory; nothing is kept. No call waits for
anything but the time-stamp authority.
"""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfTimeStamper
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from gateway.seal.identity import SealIdentity
from gateway.seal.proofs import Proofs
from gateway.seal.timestamps import SealStamper
from gateway.trust.stamps import tokens_of

FIELD: Final = "VanLienSeal"
STAMP_FIELD: Final = "VanLienTimeStamp"
_DIGEST: Final = "sha256"
_ROOM: Final = 2 * 16 * 1024
"""Hex digits kept for signature and token: no question to the authority just to learn its size."""
_REASON: Final = "Niêm phong báo cáo kiểm tra chữ ký số"
_WITHOUT: Final = " (lúc niêm phong chưa đóng dấu thời gian)"


class _Update(IncrementalPdfFileWriter):
    """An update that leaves the metadata as typeset.

    The library would write XMP anew, dated by the machine's clock, in a form of its own; PDF/A is
    particular about both, and when the report was made has not changed.
    """

    def _update_meta(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed report.

    Args:
        pdf: The file.
        leaves: Certificates whose chains prove the seal: the gateway's, the authority's.
        others: Further certificates that came with them.
        stamped: It has a time-stamp.
    """

    pdf: bytes
    leaves: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...]
    stamped: bool


async def seal(
    pdf: bytes, identity: SealIdentity, at: datetime, stamper: SealStamper | None
) -> Sealed:
    """Sign a report.

    Args:
        pdf: As `gateway.reports.pdf` made it.
        identity: Who seals.
        at: Signing time, aware; claimed, unless the time-stamp proves it.
        stamper: Asked for a time-stamp; None for none.

    Raises:
        StampError: The time-stamp did not come; nothing was made.
    """
    own, others = certificates_of(identity)
    registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    registry.register_multiple(others)
    signer = PdfSigner(
        PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm=_DIGEST,
            subfilter=SigSeedSubFilter.PADES,
            name=identity.name,
            reason=_REASON + ("" if stamper else _WITHOUT),
        ),
        signer=SimpleSigner(signing_cert=own, signing_key=_key(identity), cert_registry=registry),
        timestamper=stamper,
        new_field_spec=SigFieldSpec(FIELD, readable_field_name="Niêm phong của cổng liên thông"),
    )
    session = signer.init_signing_session(_Update(io.BytesIO(pdf)))
    session.system_time = at
    info = await session.perform_presign_validation()
    document = session.prepare_tbs_document(validation_info=info, bytes_reserved=_ROOM)
    digest, output = document.digest_tbs_document()
    await document.perform_signature(
        document_digest=digest.document_digest,
        pdf_cms_signed_attrs=PdfCMSSignedAttributes(signing_time=at),
    )
    output.seek(0)
    made = bytes(output.read())
    if stamper is None:
        return Sealed(made, (own,), others, stamped=False)
    return Sealed(made, (own, *stamper.leaves), (*others, *stamper.certificates), stamped=True)


async def add_stamp(pdf: bytes, identity: SealIdentity, stamper: SealStamper) -> Sealed:
    """Add a document time-stamp to a sealed report that has none.

    Raises:
        StampError: It did not come; nothing was made.
    """
    writer = _Update(io.BytesIO(pdf))
    adder = PdfTimeStamper(stamper, field_name=STAMP_FIELD, readable_field_name="Dấu thời gian")
    output = await adder.async_timestamp_pdf(writer, _DIGEST, bytes_reserved=_ROOM)
    output.seek(0)
    own, others = certificates_of(identity)
    return Sealed(
        bytes(output.read()),
        (own, *stamper.leaves),
        (*others, *stamper.certificates),
        stamped=True,
    )


def add_proofs(pdf: bytes, proofs: Proofs) -> bytes:
    """Return the file with chain and revocation data (DSS) added."""
    writer = _Update(io.BytesIO(pdf))
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=list(proofs.certificates),
        crls=[asn1_crl.CertificateList.load(der) for der in proofs.crls],
        ocsps=[asn1_ocsp.OCSPResponse.load(der) for der in proofs.ocsps],
    )
    output = io.BytesIO()
    writer.write(output)  # type: ignore[no-untyped-call]
    return output.getvalue()


def stamped_by(pdf: bytes) -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    """Return the authorities' certificates of a sealed report of ours, and those beside them."""
    leaves: list[x509.Certificate] = []
    others: list[x509.Certificate] = []
    for signature in PdfFileReader(io.BytesIO(pdf)).embedded_signatures:
        tokens = tokens_of(signature.signer_info)
        if signature.field_name == STAMP_FIELD:
            tokens.append(signature.signed_data)
        for token in tokens:
            signers = {info["sid"].chosen["serial_number"].native for info in token["signer_infos"]}
            for choice in token["certificates"]:
                kept = leaves if choice.chosen.serial_number in signers else others
                kept.append(choice.chosen)
    return tuple(leaves), tuple(others)


def certificates_of(
    identity: SealIdentity,
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """Return the gateway's certificate and the others of its file, in the signer's form."""
    return _asn1(identity.certificate), tuple(map(_asn1, identity.others))


def _asn1(certificate: pyca.Certificate) -> x509.Certificate:
    return x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))


def _key(identity: SealIdentity) -> asn1_keys.PrivateKeyInfo:
    der = identity.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return asn1_keys.PrivateKeyInfo.load(der)
