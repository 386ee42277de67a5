"""Signed XML and its evil twins, made at test time with a development PKI; never committed.

A signer of our own, by hand, with lxml's canonical form and `cryptography` only: it shares nothing
with the library that verifies, and it can be told to sign nonsense.
"""

import asyncio
import base64
import copy
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree

from gateway.demo.pki_service import time_stamper
from tests.world.signed_files import NOW, pki

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = f"{DS}enveloped-signature"
BASE64 = f"{DS}base64"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA1 = f"{DS}sha1"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
RSA_SHA256 = f"{MORE}rsa-sha256"
RSA_SHA1 = f"{DS}rsa-sha1"
PSS_SHA256 = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
ECDSA_SHA256 = f"{MORE}ecdsa-sha256"
ECDSA_SHA384 = f"{MORE}ecdsa-sha384"
PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
_HUGE = etree.XMLParser(huge_tree=True)
HERE = "<!--chu-ky-->"
"""Where in a document the signature goes."""

LETTER = f"<vanban><trichyeu>Về kinh phí 1.000.000 đồng</trichyeu><nd>Kính gửi</nd>{HERE}</vanban>"
INVOICE = (
    '<HDon><DLHDon Id="dulieu"><So>12</So><Tien>1.000.000</Tien></DLHDon>'
    f"<DSCKS><NBan>{HERE}</NBan></DSCKS></HDon>"
)
SOAP = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:e="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
    '<S:Header><e:MessageHeader Id="hdr"><e:Subject>V/v kinh phí</e:Subject></e:MessageHeader>'
    f"{HERE}</S:Header>"
    '<S:Body Id="body"><e:Manifest><e:Reference href="cid:cv.pdf"/></e:Manifest></S:Body>'
    "</S:Envelope>"
)
PACKET = (
    '<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader>'
    "<MessageHeader><Subject>V/v họp</Subject></MessageHeader><TraceHeaderList/>"
    f"{HERE}</edXMLHeader><edXMLBody><edXMLManifest/></edXMLBody></edXMLEnvelope></edXML>"
)
RESPONSE = (
    '<Response><Issuer>idp</Issuer><Assertion Id="a1"><Subject>an</Subject>'
    f"{HERE}</Assertion></Response>"
)


@dataclass(frozen=True)
class Ref:
    """One reference: what, and through which transforms."""

    uri: str = ""
    transforms: tuple[str, ...] = (ENVELOPED, EXCLUSIVE)
    digest: str = SHA256
    data: bytes | None = None


@dataclass(frozen=True)
class How:
    """How to sign.

    Args:
        refs: References, in order.
        method: Signature algorithm.
        c14n: Of SignedInfo.
        signer: `person`, `agency`, `ec256`, `ec384`, `stranger` (self-signed), `short` (RSA-1024).
        key_info: `x509`, `value`, `both`, `other-value`, `none`, `chain`.
        xades: Add signed properties, with this signing time.
        named: Whose certificate XAdES names; the signer's own without it.
        stamped_at: Add a signature time-stamp of this time.
        values: DER of revocation lists carried along.
        prefix: `ds:` or "" (a default namespace).
        extra: XML put into the signature, unsigned.
    """

    refs: tuple[Ref, ...] = (Ref(),)
    method: str = RSA_SHA256
    c14n: str = EXCLUSIVE
    signer: str = "person"
    key_info: str = "x509"
    xades: str = ""
    named: str = ""
    stamped_at: datetime | None = None
    values: tuple[bytes, ...] = ()
    prefix: str = "ds:"
    extra: str = ""
    label: str = "ck1"


TWO = How(refs=(Ref("#hdr", (EXCLUSIVE,)), Ref("#body", (EXCLUSIVE,))))
PART = How(refs=(Ref("#dulieu", (EXCLUSIVE,)),))
ASSERTION = How(refs=(Ref("#a1", (ENVELOPED, EXCLUSIVE)),))
XADES_BB = How(xades="2026-11-22T12:00:00+07:00")
XADES_BT = replace(XADES_BB, stamped_at=NOW)


@functools.cache
def keys(signer: str):
    """Return `(private key, certificate)` of a signer."""
    if signer == "person":
        return pki().person().load_key(), pki().person().load_certificate()
    if signer == "agency":
        return pki().agency().load_key(), pki().agency().load_certificate()
    kinds = {
        "ec256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "short": lambda: rsa.generate_private_key(65537, 1024),
        "stranger": lambda: rsa.generate_private_key(65537, 2048),
        "server": lambda: rsa.generate_private_key(65537, 2048),
    }
    key = kinds[signer]()
    return key, _issued(key, signer)


def _issued(key, signer: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nguyễn Văn An")])
    own = signer == "stranger"
    issuing = pki().issuing.load_certificate()
    usage = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage |= {"digital_signature": signer != "server", "key_encipherment": signer == "server"}
    serial = int.from_bytes(hashlib.sha256(signer.encode()).digest()[:8], "big")
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if own else issuing.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=700))
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(key if own else pki().issuing.load_key(), hashes.SHA256())
    )


def sign(document: str, how: How = How()) -> bytes:
    """Return a document with a signature where `HERE` stands."""
    text = document.replace(HERE, _signature(how), 1)
    text = _with_properties(text, how)
    for number, ref in enumerate(how.refs):
        text = text.replace(f"@d{number}@", _digest_of(text, ref, how), 1)
    if how.xades:
        text = text.replace(
            "@dp@", _b64(_hash(SHA256, _part(text, f"{how.label}-props", INCLUSIVE)))
        )
    info = _info(text, how)
    text = text.replace("@v@", _b64(_raw(how, info)), 1)
    return _with_proofs(text, how).encode()


# ---------------------------------------------------------------- pieces


def _tag(how: How, name: str, inside: str, attributes: str = "") -> str:
    return f"<{how.prefix}{name}{attributes}>{inside}</{how.prefix}{name}>"


def _empty(how: How, name: str, algorithm: str) -> str:
    return f'<{how.prefix}{name} Algorithm="{algorithm}"/>'


def _signature(how: How) -> str:
    refs = "".join(_reference(how, n, ref) for n, ref in enumerate(how.refs))
    if how.xades:
        inside = _empty(how, "DigestMethod", SHA256) + _tag(how, "DigestValue", "@dp@")
        inside = _tag(how, "Transforms", _empty(how, "Transform", INCLUSIVE)) + inside
        refs += _tag(how, "Reference", inside, f' URI="#{how.label}-props" Type="{PROPERTIES}"')
    info = _empty(how, "CanonicalizationMethod", how.c14n)
    info += _empty(how, "SignatureMethod", how.method) + refs
    parts = _tag(how, "SignedInfo", info) + _tag(how, "SignatureValue", "@v@")
    parts += _key_info(how) + ("@props@" if how.xades else "") + how.extra
    space = f' xmlns{":" + how.prefix[:-1] if how.prefix else ""}="{DS}" Id="{how.label}"'
    return _tag(how, "Signature", parts, space)


def _reference(how: How, number: int, ref: Ref) -> str:
    steps = "".join(_empty(how, "Transform", t) for t in ref.transforms)
    inside = _tag(how, "Transforms", steps) if steps else ""
    inside += _empty(how, "DigestMethod", ref.digest) + _tag(how, "DigestValue", f"@d{number}@")
    return _tag(how, "Reference", inside, f' URI="{ref.uri}"')


def _key_info(how: How) -> str:
    if how.key_info == "none":
        return ""
    inside = ""
    if how.key_info in {"value", "both", "other-value"}:
        key = keys("agency" if how.key_info == "other-value" else how.signer)[0].public_key()
        numbers = key.public_numbers()
        parts = _tag(
            how, "Modulus", _b64(numbers.n.to_bytes(-(-numbers.n.bit_length() // 8), "big"))
        )
        parts += _tag(how, "Exponent", _b64(numbers.e.to_bytes(3, "big")))
        inside += _tag(how, "KeyValue", _tag(how, "RSAKeyValue", parts))
    if how.key_info != "value":
        certs = [keys(how.signer)[1]]
        if how.key_info == "chain":
            certs.insert(0, pki().issuing.load_certificate())
        found = "".join(
            _tag(how, "X509Certificate", _b64(c.public_bytes(Encoding.DER))) for c in certs
        )
        inside += _tag(how, "X509Data", found)
    return _tag(how, "KeyInfo", inside)


def _with_properties(text: str, how: How) -> str:
    if not how.xades:
        return text
    cert = keys(how.named or how.signer)[1].public_bytes(Encoding.DER)
    digest = f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{SHA256}"/>'
    digest += (
        f'<ds:DigestValue xmlns:ds="{DS}">{_b64(hashlib.sha256(cert).digest())}</ds:DigestValue>'
    )
    cert_ref = f"<x:Cert><x:CertDigest>{digest}</x:CertDigest></x:Cert>"
    properties = (
        f'<x:SignedProperties Id="{how.label}-props"><x:SignedSignatureProperties>'
        f"<x:SigningTime>{how.xades}</x:SigningTime>"
        f"<x:SigningCertificateV2>{cert_ref}</x:SigningCertificateV2>"
        "</x:SignedSignatureProperties></x:SignedProperties>"
    )
    whole = f'<x:QualifyingProperties xmlns:x="{XADES}" Target="#{how.label}">{properties}@more@'
    return text.replace("@props@", _tag(how, "Object", f"{whole}</x:QualifyingProperties>"), 1)


def _with_proofs(text: str, how: How) -> str:
    proofs = ""
    if how.stamped_at is not None:
        root = _parsed(text)
        value = _signature_in(root, how).find(f"{{{DS}}}SignatureValue")
        digest = hashlib.sha256(_canonical(value, INCLUSIVE)).digest()
        stamper = time_stamper(pki(), how.stamped_at)
        token = asyncio.run(stamper.async_timestamp(digest, "sha256"))
        proofs += (
            "<x:SignatureTimeStamp>"
            f"<x:EncapsulatedTimeStamp>{_b64(token.dump())}</x:EncapsulatedTimeStamp>"
            "</x:SignatureTimeStamp>"
        )
    if how.values:
        lists = "".join(
            f"<x:EncapsulatedCRLValue>{_b64(v)}</x:EncapsulatedCRLValue>" for v in how.values
        )
        proofs += f"<x:RevocationValues><x:CRLValues>{lists}</x:CRLValues></x:RevocationValues>"
    if proofs:
        proofs = (
            "<x:UnsignedProperties><x:UnsignedSignatureProperties>"
            f"{proofs}</x:UnsignedSignatureProperties></x:UnsignedProperties>"
        )
    return text.replace("@more@", proofs, 1)


def _parsed(text: str):
    return etree.fromstring(text.replace("@more@", "").encode(), _HUGE)


def _signature_in(root, how: How):
    return root.xpath("//*[@Id=$label]", label=how.label)[0]


def _digest_of(text: str, ref: Ref, how: How) -> str:
    if ref.data is not None:
        return _b64(_hash(ref.digest, ref.data))
    root = _parsed(text)
    node = root if not ref.uri else root.xpath("//*[@Id=$id]", id=ref.uri[1:])[0]
    if ENVELOPED in ref.transforms:
        _cut(_signature_in(root, how))
    if BASE64 in ref.transforms:
        return _b64(_hash(ref.digest, base64.b64decode(node.text)))
    form = next((t for t in ref.transforms if t not in {ENVELOPED, BASE64}), INCLUSIVE)
    return _b64(_hash(ref.digest, _canonical(node, form)))


def _cut(node) -> None:
    before, parent = node.getprevious(), node.getparent()
    if node.tail:
        if before is not None:
            before.tail = (before.tail or "") + node.tail
        else:
            parent.text = (parent.text or "") + node.tail
    parent.remove(node)


def _part(text: str, value: str, form: str) -> bytes:
    root = _parsed(text)
    return _canonical(root.xpath("//*[@Id=$id]", id=value)[0], form)


def _info(text: str, how: How) -> bytes:
    root = _parsed(text)
    return _canonical(_signature_in(root, how).find(f"{{{DS}}}SignedInfo"), how.c14n)


def _canonical(node, form: str) -> bytes:
    alone = etree.fromstring(etree.tostring(node, with_tail=False), _HUGE)
    return etree.tostring(alone, method="c14n", exclusive=form == EXCLUSIVE, with_comments=False)


def _hash(uri: str, data: bytes) -> bytes:
    return hashlib.new(uri.rpartition("#")[2], data).digest()


def _raw(how: How, info: bytes) -> bytes:
    key = keys(how.signer)[0]
    name = re.search(r"sha(1|256|384|512)", how.method).group()
    digest = getattr(hashes, name.upper())()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(info, ec.ECDSA(digest)))
        size = -(-key.key_size // 8)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if "MGF1" in how.method:
        return key.sign(info, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(info, padding.PKCS1v15(), digest)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# ---------------------------------------------------------------- evil twins


def changed(data: bytes, old: str, new: str) -> bytes:
    """Return the document with one piece of text changed; it must be there."""
    text = data.decode()
    assert old in text, old
    return text.replace(old, new, 1).encode()


def signature_of(data: bytes) -> str:
    """Return the text of the first Signature element."""
    return re.search(r"<ds:Signature .*?</ds:Signature>", data.decode(), re.DOTALL).group()


def wrapped(kind: int) -> bytes:
    """Return one of the eight signature wrappings of a signed assertion (XSW1–XSW8)."""
    good = sign(RESPONSE, ASSERTION)
    root = etree.fromstring(good)
    assertion = root.find("Assertion")
    signature = assertion.find(f"{{{DS}}}Signature")
    evil = copy.deepcopy(assertion)
    evil.remove(evil.find(f"{{{DS}}}Signature"))
    evil.set("Id", "evil")
    evil.find("Subject").text = "admin"
    bare = copy.deepcopy(assertion)
    bare.remove(bare.find(f"{{{DS}}}Signature"))
    return etree.tostring(_WRAPPINGS[kind](root, assertion, signature, evil, bare))


def _xsw1(root, assertion, signature, evil, bare):
    """Sign the response as a whole; put the original into the signature of an evil one."""
    return _whole_response(root, inside=True)


def _xsw2(root, assertion, signature, evil, bare):
    return _whole_response(root, inside=False)


def _whole_response(root, *, inside: bool):
    text = RESPONSE.replace("<Response>", '<Response Id="r1">').replace(HERE, "")
    good = etree.fromstring(
        sign(text.replace("</Response>", f"{HERE}</Response>"), How(refs=(Ref("#r1"),)))
    )
    signature = good.find(f"{{{DS}}}Signature")
    original = copy.deepcopy(good)
    original.remove(original.find(f"{{{DS}}}Signature"))
    evil = copy.deepcopy(original)
    evil.set("Id", "evil")
    evil.find("Assertion/Subject").text = "admin"
    good.remove(signature)
    if inside:
        etree.SubElement(signature, f"{{{DS}}}Object").append(original)
        evil.append(signature)
    else:
        evil.append(original)
        evil.append(signature)
    return evil


def _xsw3(root, assertion, signature, evil, bare):
    root.insert(1, evil)
    return root


def _xsw4(root, assertion, signature, evil, bare):
    root.remove(assertion)
    evil.append(assertion)
    root.append(evil)
    return root


def _xsw5(root, assertion, signature, evil, bare):
    """The evil one carries the signature; the original stands at the end."""
    assertion.remove(signature)
    evil.append(signature)
    root.insert(1, evil)
    return root


def _xsw6(root, assertion, signature, evil, bare):
    root.remove(assertion)
    etree.SubElement(signature, f"{{{DS}}}Object").append(bare)
    evil.append(signature)
    root.append(evil)
    return root


def _xsw7(root, assertion, signature, evil, bare):
    extensions = etree.Element("Extensions")
    extensions.append(evil)
    root.insert(1, extensions)
    return root


def _xsw8(root, assertion, signature, evil, bare):
    root.remove(assertion)
    etree.SubElement(signature, f"{{{DS}}}Object").append(bare)
    root.append(evil)
    evil.append(signature)
    evil.set("Id", "a2")
    return root


_WRAPPINGS = {
    1: _xsw1, 2: _xsw2, 3: _xsw3, 4: _xsw4, 5: _xsw5, 6: _xsw6, 7: _xsw7, 8: _xsw8,
}  # fmt: skip


def hmac_forged(document: str = LETTER) -> bytes:
    """Return a document whose value is an HMAC keyed with the certificate, as anyone can make."""
    import hmac

    how = replace(How(), method=RSA_SHA256)
    text = sign(document, how).decode()
    text = text.replace(RSA_SHA256, f"{MORE}hmac-sha256")
    cert = keys("person")[1]
    value = hmac.new(cert.public_bytes(Encoding.PEM), _info(text, how), "sha256").digest()
    return re.sub(r"(<ds:SignatureValue>)[^<]*", rf"\g<1>{_b64(value)}", text, count=1).encode()


def many(what: str, count: int) -> bytes:
    """Return a signed document asking for very many references or transforms."""
    good = sign(SOAP, TWO).decode()
    pattern = {
        "references": r"<ds:Reference .*?</ds:Reference>",
        "transforms": r"<ds:Transform [^>]*>",
    }[what]
    one = re.search(pattern, good).group()
    return good.replace(one, one * count, 1).encode()


def labels(data: bytes) -> Sequence[str]:
    """Return the local names of the elements that have an Id, for xmlsec1."""
    root = etree.fromstring(data)
    return sorted({etree.QName(n).localname for n in root.iter(etree.Element) if n.get("Id")})
