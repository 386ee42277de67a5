"""What one Signature element asks for, held against the limits before any cryptography.

Promises: after `read_shape` a signature has at most 30 references of at most 5 transforms each, of
allow-listed algorithms only, and every reference is resolved here, once, to one node of this very
tree or to an attachment given by the caller: nobody looks an Id up again later. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.trust.report import Verdict
from gateway.trust.xmlsig import names
from gateway.trust.xmlsig.tree import Element, Place, children, local, namespace, place_of

MAX_REFERENCES: Final = 30
MAX_TRANSFORMS: Final = 5
_FRAGMENT: Final = re.compile(r"#([\w.\-]{1,500})\Z")
_PREFIXES: Final = f"{{{'http://www.w3.org/2001/10/xml-exc-c14n#'}}}InclusiveNamespaces"
_TYPED: Final = frozenset({"Id", "ID", f"{{{names.WSU}}}Id", f"{{{names.XML}}}id"})


class SignatureFault(Exception):  # noqa: N818 — a finding about a signature, not an error of ours
    """A signature that is not (or no longer) judged, and why.

    Args:
        verdict: INVALID where it is proven wrong, else INDETERMINATE.
        sub: ETSI sub-indication.
        code: A remark's code.
        detail: What stands in it.
    """

    def __init__(self, verdict: Verdict, sub: str, code: str, detail: object = "") -> None:
        super().__init__(verdict, sub, code, detail)
        self.verdict = verdict
        self.sub = sub
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference of a signature, resolved.

    Args:
        uri: As written.
        kind: Its Type attribute, or "".
        digest: Name of the digest algorithm.
        transforms: Their algorithms, in order.
        place: The node it covers, None for an attachment.
    """

    uri: str
    kind: str
    digest: str
    transforms: tuple[str, ...]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Shape:
    """One Signature element, read.

    Args:
        element: The element itself.
        place: Where it stands.
        label: Its Id, or "".
        family: `rsa`, `rsa-pss` or `ec`.
        digest: Of its method.
        c14n: Canonical form of SignedInfo.
        references: In order.
    """

    element: Element
    place: Place
    label: str
    family: str
    digest: str
    c14n: str
    references: tuple[Reference, ...]


@dataclass(slots=True)
class Ids:
    """Every Id of a document: those a schema types as such, and look-alikes."""

    typed: dict[str, list[Element]] = field(default_factory=dict)
    loose: dict[str, list[Element]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Element) -> "Ids":
        """Collect the Ids of a document."""
        found = cls()
        for node in root.iter(etree.Element):
            for name, value in node.attrib.items():
                if str(name) in _TYPED:
                    found.typed.setdefault(str(value), []).append(node)
                elif str(name).rpartition("}")[2].lower() == "id":
                    found.loose.setdefault(str(value), []).append(node)
        return found

    def only(self, value: str) -> Element:
        """Return the one element of an Id.

        Raises:
            SignatureFault: None has it, or more than one.
        """
        typed, loose = self.typed.get(value, []), self.loose.get(value, [])
        if len(typed) > 1:
            raise SignatureFault(Verdict.INVALID, "FORMAT_FAILURE", "xml-duplicate-id", value)
        if not typed:
            raise _missing(f"#{value}")
        if any(node is not typed[0] for node in loose):
            raise SignatureFault(Verdict.INDETERMINATE, "GENERIC", "xml-duplicate-id", value)
        return typed[0]


def _missing(uri: str) -> SignatureFault:
    return SignatureFault(
        Verdict.INDETERMINATE, "SIGNED_DATA_NOT_FOUND", "xml-reference-not-found", uri
    )


def _malformed(what: str) -> SignatureFault:
    return SignatureFault(Verdict.INVALID, "FORMAT_FAILURE", "format-failure", what)


def _limit(code: str, detail: object) -> SignatureFault:
    return SignatureFault(Verdict.INDETERMINATE, "GENERIC", code, detail)


def child(node: Element, name: str, space: str = names.DS) -> Element | None:
    """Return the first child of a name, None when there is none."""
    return node.find(f"{{{space}}}{name}")


def signatures(root: Element) -> Iterator[Element]:
    """Yield every Signature element of the XMLDSig namespace, in order of the file."""
    yield from root.iter(f"{{{names.DS}}}Signature")


def is_countersignature(element: Element) -> bool:
    """Tell whether a Signature stands in the CounterSignature property of another."""
    parent = element.getparent()
    if parent is None or local(parent) != "CounterSignature":
        return False
    return next(parent.iterancestors(f"{{{names.DS}}}Signature"), None) is not None


def read_shape(element: Element, ids: Ids, attachments: Mapping[str, bytes]) -> Shape:
    """Read one Signature element.

    Args:
        element: The Signature.
        ids: Those of the whole document.
        attachments: Bytes by `cid:` reference without the prefix.

    Raises:
        SignatureFault: It is malformed, over a limit, or asks for what is not allowed.
    """
    info = child(element, "SignedInfo")
    if info is None or child(element, "SignatureValue") is None:
        raise _malformed("SignedInfo/SignatureValue")
    family, digest = _method(element, info)
    c14n = _algorithm(info, "CanonicalizationMethod")
    if c14n not in names.C14N:
        raise _limit("xml-forbidden-transform", c14n)
    found = info.findall(f"{{{names.DS}}}Reference")
    if not found:
        raise _malformed("Reference")
    if len(found) > MAX_REFERENCES:
        raise _limit("xml-too-many-references", len(found))
    return Shape(
        element=element,
        place=place_of(element),
        label=str(element.get("Id", "")),
        family=family,
        digest=digest,
        c14n=c14n,
        references=tuple(_reference(node, ids, attachments) for node in found),
    )


def _algorithm(parent: Element, name: str) -> str:
    node = child(parent, name)
    if node is None:
        raise _malformed(name)
    return str(node.get("Algorithm", ""))


def _method(element: Element, info: Element) -> tuple[str, str]:
    method = _algorithm(info, "SignatureMethod")
    known = names.METHODS.get(method)
    if known is not None:
        return known
    has_certificate = any(True for _ in element.iter(f"{{{names.DS}}}X509Certificate"))
    if "hmac" in method and has_certificate:
        # Keyed with the public key that everyone has: it proves nothing about the certificate.
        raise SignatureFault(
            Verdict.INVALID, "SIG_CRYPTO_FAILURE", "xml-key-confusion", method.rpartition("#")[2]
        )
    raise SignatureFault(
        Verdict.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE", "xml-forbidden-algorithm", method
    )


def _reference(node: Element, ids: Ids, attachments: Mapping[str, bytes]) -> Reference:
    method = _algorithm(node, "DigestMethod")
    digest = names.DIGESTS.get(method)
    if digest is None:
        raise SignatureFault(
            Verdict.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE", "xml-forbidden-algorithm", method
        )
    holder = child(node, "Transforms")
    transforms = _transforms(children(holder) if holder is not None else [])
    uri = node.get("URI")
    place = _resolve(uri, node, ids, attachments)
    if place is None and transforms:
        raise _limit("xml-forbidden-transform", f"{transforms[0]} ({uri})")
    return Reference(str(uri), str(node.get("Type", "")), digest, transforms, place)


def _transforms(nodes: list[Element]) -> tuple[str, ...]:
    """Return the transforms; only sequences with one sound reading are taken."""
    if len(nodes) > MAX_TRANSFORMS:
        raise _limit("xml-too-many-transforms", len(nodes))
    found: list[str] = []
    for node in nodes:
        name = str(node.get("Algorithm", ""))
        known = name in names.C14N or name in {names.ENVELOPED, names.BASE64}
        inside = [c.tag for c in children(node)]
        if not known or any(tag != _PREFIXES or name not in names.EXCLUSIVE_C14N for tag in inside):
            raise _limit("xml-forbidden-transform", name)
        found.append(name)
    # Enveloped first, one canonical form last, base64 alone: any other order has other meanings.
    forms = [name for name in found if name in names.C14N]
    plain = found in ([], [names.BASE64], [names.ENVELOPED], forms, [names.ENVELOPED, *forms])
    if not plain or len(forms) > 1:
        raise _limit("xml-forbidden-transform", " → ".join(n.rpartition("#")[2] for n in found))
    return tuple(found)


def _resolve(
    uri: str | None, node: Element, ids: Ids, attachments: Mapping[str, bytes]
) -> Place | None:
    """Return the node a reference covers, None for an attachment."""
    if uri is None:
        raise _missing("?")
    if not uri:
        return ()
    match = _FRAGMENT.match(uri)
    if match is not None:
        return place_of(ids.only(match.group(1)))
    if uri.startswith("cid:") and uri[4:] in attachments:
        return None
    if uri.startswith("#"):
        raise _limit("xml-forbidden-transform", uri)
    # Nothing outside this file is ever fetched: no http, no file, no cid without its attachment.
    raise SignatureFault(
        Verdict.INDETERMINATE, "SIGNED_DATA_NOT_FOUND", "xml-external-reference", uri
    )


def is_dummy_block(element: Element) -> bool:
    """Tell whether an element is the Signature block of an edXML packet that is no XMLDSig.

    The axis and its development kit write unprefixed elements of the packet's own namespace and
    copy values from examples: there is nothing to verify. Elements that only share the name (the
    authentication token of a dialect, for one) are no such block.
    """
    if local(element) != "Signature" or namespace(element) == names.DS:
        return False
    inside = {local(c) for c in children(element)}
    return bool(inside & {"SignedInfo", "SignatureValue", "SignatureMethod"})
