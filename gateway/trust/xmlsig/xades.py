"""XAdES: what a signature says of itself, and the proofs it carries. Pure.

Promises: properties count only when the signature's own reference to them held, and are read from
the signed bytes; unsigned properties give evidence (time-stamps, certificates, revocation data),
never a claim. Amounts are limited; a broken piece is left out.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from asn1crypto import cms
from lxml import etree

from gateway.trust.xmlsig import names
from gateway.trust.xmlsig.core import Signed
from gateway.trust.xmlsig.keyinfo import decoded
from gateway.trust.xmlsig.shape import Shape, child
from gateway.trust.xmlsig.tree import Element, children, local, namespace, parser, place_of, text_of

_MAX_STAMPS: Final = 5
_MAX_ITEMS: Final = 50
_ARCHIVE: Final = "ArchiveTimeStamp"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time-stamp over the signature value.

    Args:
        token: Its signed data.
        der: As it stands in the file.
        imprint: What tells the digest it must carry, by algorithm.
    """

    token: cms.SignedData
    der: bytes
    imprint: Callable[[str], bytes]


@dataclass(slots=True)
class Properties:
    """What XAdES adds to one signature.

    Args:
        present: There are qualifying properties.
        signed: The signature covers its SignedProperties.
        claimed_at: When the signer says it was, None when there is no time with a zone.
        zoneless: There is a time without a zone.
        certificates: `(algorithm, digest)` of each certificate named as the signer's.
        stamps: Time-stamps over the value.
        extra_certificates: DER of certificates carried for the path.
        lists: DER of revocation lists.
        answers: DER of OCSP answers.
        archived: There is an archive time-stamp, which is not verified here.
        countersignatures: How many.
    """

    present: bool = False
    signed: bool = False
    claimed_at: datetime | None = None
    zoneless: bool = False
    certificates: tuple[tuple[str, bytes], ...] = ()
    stamps: list[Stamp] = field(default_factory=list)
    extra_certificates: list[bytes] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    archived: bool = False
    countersignatures: int = 0

    @property
    def level(self) -> str:
        """Return the level, `XMLDSig` for a plain signature."""
        if not self.present or not self.signed:
            return "XMLDSig"
        if not self.certificates:
            return "XAdES"
        if not self.stamps:
            return "XAdES-B-B"
        return "XAdES-B-LT" if self.lists or self.answers else "XAdES-B-T"


def holder_of(signature: Element) -> Element | None:
    """Return the QualifyingProperties of a signature, None when there are none."""
    for thing in children(signature):
        if local(thing) == "Object":
            for inner in children(thing):
                if local(inner) == "QualifyingProperties" and namespace(inner) in names.XADES:
                    return inner
    return None


def named_certificates(signature: Element) -> tuple[tuple[str, bytes], ...]:
    """Return the certificate digests as written, unproven: to choose whose key to try first."""
    holder = holder_of(signature)
    return () if holder is None else _certificates(holder)


def read_properties(shape: Shape, signed: Sequence[Signed]) -> Properties:
    """Return what XAdES adds to a signature whose core validation held.

    Args:
        shape: The signature.
        signed: What core validation returned.
    """
    holder = holder_of(shape.element)
    if holder is None:
        return Properties()
    found = Properties(present=True)
    content = _signed_properties(holder, shape, signed)
    if content is not None:
        found.signed = True
        found.certificates = _certificates(content)
        _read_time(found, content)
    _read_unsigned(found, holder, shape)
    return found


def _signed_properties(holder: Element, shape: Shape, signed: Sequence[Signed]) -> Element | None:
    """Return the SignedProperties as they were signed, None when they were not."""
    space = namespace(holder)
    own = child(holder, "SignedProperties", space)
    target = str(holder.get("Target", ""))
    if own is None or (shape.label and target != f"#{shape.label}"):
        return None
    place = place_of(own)
    for reference, one in zip(shape.references, signed, strict=True):
        if (
            reference.kind in names.SIGNED_PROPERTIES_TYPES
            and one.place == place
            and one.xml is not None
            and one.xml.tag == own.tag
        ):
            return one.xml
    return None


def _certificates(top: Element) -> tuple[tuple[str, bytes], ...]:
    found: list[tuple[str, bytes]] = []
    for holder in top.iter(etree.Element):
        if local(holder) not in {"SigningCertificate", "SigningCertificateV2"}:
            continue
        for cert in children(holder)[:_MAX_ITEMS]:
            digest = child(cert, "CertDigest", namespace(holder))
            method = None if digest is None else child(digest, "DigestMethod")
            if digest is None or method is None:
                continue
            try:
                value = decoded(child(digest, "DigestValue"))
            except ValueError:
                continue
            found.append((names.DIGESTS.get(str(method.get("Algorithm")), ""), value))
            if len(found) >= _MAX_ITEMS:
                return tuple(found)
    return tuple(found)


def _read_time(found: Properties, content: Element) -> None:
    # SIG-44 (NĐ68 art 29): a time the signer wrote is a claim; one without a zone is not even that.
    node = content.find(
        f"{{{namespace(content)}}}SignedSignatureProperties/{{{namespace(content)}}}SigningTime"
    )
    if node is None:
        return
    try:
        claimed = datetime.fromisoformat(text_of(node))
    except ValueError:
        return
    if claimed.tzinfo is None:
        found.zoneless = True
        return
    try:
        found.claimed_at = claimed.astimezone(UTC)
    except OverflowError:
        return


# ---------------------------------------------------------------- unsigned: evidence only


def _read_unsigned(found: Properties, holder: Element, shape: Shape) -> None:
    space = namespace(holder)
    unsigned = holder.find(f"{{{space}}}UnsignedProperties/{{{space}}}UnsignedSignatureProperties")
    if unsigned is None:
        return
    for node in children(unsigned)[: 2 * _MAX_ITEMS]:
        name = local(node)
        if name == "SignatureTimeStamp" and len(found.stamps) < _MAX_STAMPS:
            found.stamps += _stamps(node, shape)[: _MAX_STAMPS - len(found.stamps)]
        elif name in {"CertificateValues", "TimeStampValidationData", "RevocationValues"}:
            _read_values(found, node)
        elif name == _ARCHIVE:
            found.archived = True
        elif name == "CounterSignature":
            found.countersignatures += 1


def _read_values(found: Properties, node: Element) -> None:
    for inner in node.iter(etree.Element):
        name = local(inner)
        kept = {
            "EncapsulatedX509Certificate": found.extra_certificates,
            "EncapsulatedCRLValue": found.lists,
            "EncapsulatedOCSPValue": found.answers,
        }.get(name)
        if kept is not None and len(kept) < _MAX_ITEMS:
            try:
                kept.append(decoded(inner))
            except ValueError:
                continue


def _stamps(node: Element, shape: Shape) -> list[Stamp]:
    space = namespace(node)
    method = child(node, "CanonicalizationMethod")
    form = names.DEFAULT_C14N if method is None else str(method.get("Algorithm"))
    value = child(shape.element, "SignatureValue")
    if form not in names.C14N or value is None or child(node, "Include", space) is not None:
        return []
    octets = canonical(value, form)
    found: list[Stamp] = []
    for item in node.findall(f"{{{space}}}EncapsulatedTimeStamp")[:_MAX_STAMPS]:
        try:
            der = base64.b64decode("".join(text_of(item).split()), validate=True)
            content = cms.ContentInfo.load(der)
            token = content["content"] if content["content_type"].native == "signed_data" else None
        except Exception:  # noqa: BLE001, S112 — a token that cannot be read proves nothing
            continue
        if isinstance(token, cms.SignedData):
            found.append(Stamp(token, der, partial(_digest, octets)))
    return found


def _digest(data: bytes, name: str) -> bytes:
    return hashlib.new(name, data).digest()


def canonical(node: Element, form: str) -> bytes:
    """Return the canonical bytes of an element of a document, in its own namespace context."""
    alone = etree.fromstring(etree.tostring(node, with_tail=False), parser())
    return bytes(
        etree.tostring(
            alone,
            method="c14n",
            exclusive=form in names.EXCLUSIVE_C14N,
            with_comments=form.endswith("WithComments"),
        )
    )
