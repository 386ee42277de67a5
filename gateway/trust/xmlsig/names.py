"""Names and algorithms of XML signatures: what is allowed, and what each is called. Tables only."""

from typing import Final

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
DS11: Final = "http://www.w3.org/2009/xmldsig11#"
WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
XML: Final = "http://www.w3.org/XML/1998/namespace"
SOAP: Final = frozenset(
    {"http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"}
)
XADES: Final = frozenset(
    {
        "http://uri.etsi.org/01903/v1.3.2#",
        "http://uri.etsi.org/01903/v1.2.2#",
        "http://uri.etsi.org/01903/v1.1.1#",
    }
)
SIGNED_PROPERTIES_TYPES: Final = frozenset(
    {
        "http://uri.etsi.org/01903#SignedProperties",
        "http://uri.etsi.org/01903/v1.2.2#SignedProperties",
        "http://uri.etsi.org/01903/v1.1.1#SignedProperties",
    }
)
COUNTER_SIGNATURE_TYPE: Final = "http://uri.etsi.org/01903#CountersignedSignature"

ENVELOPED: Final = f"{DS}enveloped-signature"
BASE64: Final = f"{DS}base64"
_C14N10: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_C14N11: Final = "http://www.w3.org/2006/12/xml-c14n11"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
DEFAULT_C14N: Final = _C14N10
INCLUSIVE_C14N: Final = frozenset(
    {_C14N10, _C14N11, f"{_C14N10}#WithComments", f"{_C14N11}#WithComments"}
)
EXCLUSIVE_C14N: Final = frozenset({_EXCLUSIVE, f"{_EXCLUSIVE}WithComments"})
C14N: Final = INCLUSIVE_C14N | EXCLUSIVE_C14N

_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_MORE07: Final = "http://www.w3.org/2007/05/xmldsig-more#"
_MORE21: Final = "http://www.w3.org/2021/04/xmldsig-more#"
_ENC: Final = "http://www.w3.org/2001/04/xmlenc#"

DIGESTS: Final = {
    f"{DS}sha1": "sha1",
    f"{_MORE}sha224": "sha224",
    f"{_ENC}sha256": "sha256",
    f"{_MORE}sha384": "sha384",
    f"{_ENC}sha512": "sha512",
    f"{_MORE07}sha3-256": "sha3_256",
    f"{_MORE07}sha3-384": "sha3_384",
    f"{_MORE07}sha3-512": "sha3_512",
}
"""Digest algorithm → its name in a policy."""

# SIG-48 (TT15): RSA, RSASSA-PSS and ECDSA; no HMAC, no DSA. Whether the digest is still allowed is
# the policy's to say, so that an old signature is told as old and not as unknown.
METHODS: Final = {
    f"{DS}rsa-sha1": ("rsa", "sha1"),
    f"{_MORE}rsa-sha224": ("rsa", "sha224"),
    f"{_MORE}rsa-sha256": ("rsa", "sha256"),
    f"{_MORE}rsa-sha384": ("rsa", "sha384"),
    f"{_MORE}rsa-sha512": ("rsa", "sha512"),
    f"{_MORE07}sha1-rsa-MGF1": ("rsa-pss", "sha1"),
    f"{_MORE07}sha224-rsa-MGF1": ("rsa-pss", "sha224"),
    f"{_MORE07}sha256-rsa-MGF1": ("rsa-pss", "sha256"),
    f"{_MORE07}sha384-rsa-MGF1": ("rsa-pss", "sha384"),
    f"{_MORE07}sha512-rsa-MGF1": ("rsa-pss", "sha512"),
    f"{_MORE07}sha3-256-rsa-MGF1": ("rsa-pss", "sha3_256"),
    f"{_MORE07}sha3-384-rsa-MGF1": ("rsa-pss", "sha3_384"),
    f"{_MORE07}sha3-512-rsa-MGF1": ("rsa-pss", "sha3_512"),
    f"{_MORE}ecdsa-sha1": ("ec", "sha1"),
    f"{_MORE}ecdsa-sha224": ("ec", "sha224"),
    f"{_MORE}ecdsa-sha256": ("ec", "sha256"),
    f"{_MORE}ecdsa-sha384": ("ec", "sha384"),
    f"{_MORE}ecdsa-sha512": ("ec", "sha512"),
    f"{_MORE21}ecdsa-sha3-256": ("ec", "sha3_256"),
    f"{_MORE21}ecdsa-sha3-384": ("ec", "sha3_384"),
    f"{_MORE21}ecdsa-sha3-512": ("ec", "sha3_512"),
}
"""Signature method → `(family of the key, digest)`."""
