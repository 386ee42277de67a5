"""Signing with a moved clock: every level, both sub-filters, certification, locks."""

import asyncio
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import patch

from asn1crypto import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.ades.api import CAdESSignedAttrSpec
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, PdfTimeStamper, SimpleSigner
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore
from pyhanko_certvalidator.util import process_pss_params

from tests.golden.signatures import authority
from tests.golden.signatures.authority import (
    MEMBERS,
    SIGNED,
    asn1_certificate,
    asn1_key,
    private_key,
)


@dataclass(frozen=True)
class How:
    """How to sign.

    Args:
        level: `B-B`, `B-T`, `B-LT` or `B-LTA`.
        at: What the signer's clock says.
        stamped_at: What the time-stamp authority's clock says; the same without it.
        stamper: The time-stamp authority.
        pades: CAdES form; else `adbe.pkcs7.detached` as old tools write it.
        certify: 1, 2 or 3 for a certification.
        digest: Digest algorithm.
        pss: RSASSA-PSS.
        name: /Name beside the signature; the certificate's without it.
        reason: /Reason.
        box: Rectangle on page 1 of a visible signature.
        chain: Put the issuer's certificate into the signature.
        spare: Bytes left after the value.
        shown: Another certificate of the signer's key to sign under, DER.
        carried: More certificates to carry, DER.
    """

    level: str = "B-T"
    at: datetime = SIGNED
    stamped_at: datetime | None = None
    stamper: str = "tsa"
    pades: bool = True
    certify: int = 0
    digest: str = "sha256"
    pss: bool = False
    name: str = ""
    reason: str = ""
    box: tuple[int, int, int, int] | None = None
    chain: bool = True
    spare: int = 0
    shown: bytes = b""
    carried: tuple[bytes, ...] = ()


class _SteadySigner(SimpleSigner):
    """Signs with the key in hand, ECDSA without a dice (RFC 6979): the same is signed the same."""

    who = ""

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        key = private_key(self.who)
        digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "md5": hashes.MD5}[digest_algorithm]
        if isinstance(key, ec.EllipticCurvePrivateKey):
            if dry_run:
                return bytes(72)
            return key.sign(data, ec.ECDSA(digest(), deterministic_signing=True))
        mechanism = self.get_signature_mechanism_for_digest(digest_algorithm)
        if mechanism["algorithm"].native == "rsassa_pss":
            scheme, chosen = process_pss_params(mechanism["parameters"])
            return key.sign(data, scheme, chosen)
        return key.sign(data, padding.PKCS1v15(), digest())


def sign(pdf: bytes, who: str = "person", field: str = "NguoiKy", how: How | None = None) -> bytes:
    """Return a PDF with one more signature.

    Args:
        pdf: What to sign.
        who: Member of the PKI.
        field: Name of the signature field.
        how: How; B-T without it.
    """
    with _steady():
        return _completed(_sign(pdf, who, field, how or How()))


def _completed(job: Any) -> bytes:
    """Run a job that never waits, also from inside a running event loop."""
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, job).result()


def _writer(pdf: bytes) -> IncrementalPdfFileWriter:
    return IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)


def _identity(previous: Any) -> generic.ArrayObject:
    """Return a file identity that follows from the content instead of from a dice."""
    previous.stream.seek(0)
    drawn = hashlib.sha256(previous.stream.read()).digest()[:16]
    return generic.ArrayObject([generic.ByteStringObject(drawn)] * 2)


def _steady() -> AbstractContextManager[Any]:
    """Keep dice and clock out of the files pyHanko writes."""
    return patch.multiple(
        IncrementalPdfFileWriter,
        _handle_id=staticmethod(_identity),
        _update_meta=lambda _: None,
    )


def _signer(who: str, how: How) -> SimpleSigner:
    chain = SimpleCertificateStore()
    issuer = MEMBERS[who].issuer
    if how.chain and issuer:
        chain.register(asn1_certificate(issuer))
    chain.register_multiple(x509.Certificate.load(der) for der in how.carried)
    signer = _SteadySigner(
        signing_cert=x509.Certificate.load(how.shown) if how.shown else asn1_certificate(who),
        signing_key=asn1_key(who),
        cert_registry=chain,
        prefer_pss=how.pss,
        embed_roots=bool(how.carried),
    )
    signer.who = who
    return signer


def _context(when: datetime) -> ValidationContext:
    return ValidationContext(
        trust_roots=[asn1_certificate("root")],
        other_certs=[asn1_certificate("issuing")],
        crls=[authority.asn1_crl_of("root", when), authority.asn1_crl_of("issuing", when)],
        moment=when,
        revocation_mode="require",
        allow_fetching=False,
    )


async def _sign(pdf: bytes, who: str, field: str, how: How) -> bytes:
    stamped_at = how.stamped_at or how.at
    long_term = how.level in {"B-LT", "B-LTA"}
    stamper = authority.tsa(stamped_at, how.stamper) if how.level != "B-B" else None
    writer = _writer(pdf)
    metadata = PdfSignatureMetadata(
        field_name=field,
        md_algorithm=how.digest,
        subfilter=SigSeedSubFilter.PADES if how.pades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
        name=how.name or MEMBERS[who].name,
        reason=how.reason or None,
        certify=bool(how.certify),
        docmdp_permissions=MDPPerm(how.certify or 2),
        embed_validation_info=long_term,
        validation_context=_context(stamped_at) if long_term else None,
        cades_signed_attr_spec=CAdESSignedAttrSpec() if how.pades else None,
    )
    spec = SigFieldSpec(field, on_page=0, box=how.box) if how.box else SigFieldSpec(field)
    pdf_signer = PdfSigner(
        metadata, signer=_signer(who, how), timestamper=stamper, new_field_spec=spec
    )
    session = pdf_signer.init_signing_session(writer)
    session.system_time = how.at
    info = await session.perform_presign_validation(writer)
    room = await session.estimate_signature_container_size(info, tight=True)
    document = session.prepare_tbs_document(
        validation_info=info, bytes_reserved=room + 2 * how.spare
    )
    digest, output = document.digest_tbs_document()
    done = await document.perform_signature(
        document_digest=digest.document_digest,
        pdf_cms_signed_attrs=PdfCMSSignedAttributes(signing_time=how.at),
    )
    await done.post_signature_processing(output)
    output.seek(0)
    signed = bytes(output.read())
    if how.level == "B-LTA":
        return await _archived(signed, stamped_at)
    return signed


async def _archived(pdf: bytes, at: datetime) -> bytes:
    """Return the same under a document time-stamp with its own evidence."""
    stamper = PdfTimeStamper(authority.tsa(at), field_name="DauThoiGian")
    out = await stamper.async_timestamp_pdf(
        _writer(pdf), "sha256", validation_context=_context(at), bytes_reserved=16384
    )
    out.seek(0)
    return bytes(out.read())
