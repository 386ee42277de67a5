"""Core validation of one XML signature: digests and value, by signxml, at fixed places.

signxml looks for the first Signature and for Ids by their local names; here both are decided
beforehand (`shape`) and only the place is handed on, so that what was checked is what is verified.
Promises: what comes back was signed, byte for byte; everything else raises. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidInput, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from gateway.trust.report import Verdict
from gateway.trust.xmlsig import names
from gateway.trust.xmlsig.keyinfo import Holder
from gateway.trust.xmlsig.shape import Shape, SignatureFault
from gateway.trust.xmlsig.tree import Element, Place, Tree, at_place, parser

_METHODS: Final = frozenset(m for m in SignatureMethod if m.value in names.METHODS)
_DIGESTS: Final = frozenset(d for d in DigestAlgorithm if d.value in names.DIGESTS)
_COMMENTS: Final = "WithComments"


@dataclass(frozen=True, slots=True)
class Signed:
    """What one reference was proven to cover.

    Args:
        place: The node, None for an attachment.
        uri: As written.
        whole: The node with everything in it; else only its text (base64).
        xml: The signed bytes parsed, None when they are no XML.
        data: The signed bytes.
    """

    place: Place | None
    uri: str
    whole: bool
    xml: Element | None
    data: bytes


class _Placed(XMLVerifier):
    """signxml's verifier, told where things are instead of searching for them."""

    def __init__(
        self, signature: Place, targets: Mapping[str, Place | None], parts: Mapping[str, bytes]
    ) -> None:
        super().__init__()
        self._signature = signature
        self._targets = targets
        self._attached = parts

    def _get_signature(self, root: Element) -> Element:
        return at_place(root, self._signature)

    def _resolve_reference(
        self, doc_root: Element, reference: Element, uri_resolver: object = None
    ) -> Any:
        uri = str(reference.get("URI"))
        if uri not in self._targets:
            raise InvalidInput(f"unexpected reference {uri}")
        place = self._targets[uri]
        return self._attached[uri[4:]] if place is None else at_place(doc_root, place)

    def _c14n(
        self,
        nodes: Element,
        algorithm: CanonicalizationMethod,
        inclusive_ns_prefixes: list[str] | None = None,
    ) -> bytes:
        # libxml2 writes xmlns="" into a part of a document whose default namespace is declared
        # above the part; a part that stands alone has its declarations with it.
        alone = self._fromstring(self._tostring(nodes))  # type: ignore[no-untyped-call]
        return bytes(super()._c14n(alone, algorithm, inclusive_ns_prefixes))

    def _tostring(self, xml_node: Element, **options: Any) -> bytes:
        return bytes(etree.tostring(xml_node, with_tail=False, **options))


def verify_core(
    tree: Tree, shape: Shape, holder: Holder, attachments: Mapping[str, bytes]
) -> tuple[Signed, ...]:
    """Verify value and digests of one signature with one certificate's key.

    Returns:
        What was signed, in order of the references.

    Raises:
        SignatureFault: HASH_FAILURE, SIG_CRYPTO_FAILURE, FORMAT_FAILURE; or undecided.
    """
    targets = {ref.uri: ref.place for ref in shape.references}
    verifier = _Placed(shape.place, targets, attachments)
    settings = SignatureConfiguration(
        expect_references=True,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        ignore_ambiguous_key_info=True,  # judged by `keyinfo.key_values_match`, all of them
        verification_time=holder.key.not_valid_before_utc,  # the path's validity is ours to judge
        default_reference_c14n_method=CanonicalizationMethod(names.DEFAULT_C14N),
    )
    try:
        results: Any = verifier.verify(
            tree.root, x509_cert=holder.key, expect_config=settings, parser=parser()
        )
    except InvalidDigest as exc:
        raise SignatureFault(Verdict.INVALID, "HASH_FAILURE", "content-changed") from exc
    except InvalidSignature as exc:
        raise SignatureFault(Verdict.INVALID, "SIG_CRYPTO_FAILURE", "crypto-failure") from exc
    except etree.DocumentInvalid as exc:
        raise SignatureFault(Verdict.INVALID, "FORMAT_FAILURE", "format-failure", exc) from exc
    except Exception as exc:
        detail = f"{type(exc).__name__}: {exc}"
        raise SignatureFault(Verdict.INDETERMINATE, "GENERIC", "other-problem", detail) from exc
    if len(results) != len(shape.references):
        raise SignatureFault(Verdict.INDETERMINATE, "GENERIC", "other-problem", "references")
    return tuple(
        Signed(
            place=ref.place,
            uri=ref.uri,
            whole=names.BASE64 not in ref.transforms,
            xml=result.signed_xml,
            data=result.signed_data,
        )
        for ref, result in zip(shape.references, results, strict=True)
    )


def doubtful_form(tree: Tree, shape: Shape) -> str:
    """Return why the canonical form may be read in two ways, "" when it may not.

    The library takes the document for its root element, does not inherit `xml:` attributes and
    leaves comments where an algorithm asks for them; where that makes a difference the signature
    is neither accepted nor called false.
    """
    if tree.instructions_outside and any(ref.place == () for ref in shape.references):
        return "processing instruction outside the root"
    parts = [(shape.c14n, shape.element)]
    for ref in shape.references:
        if ref.place is None:
            continue
        node = at_place(tree.root, ref.place)
        form = next((t for t in ref.transforms if t in names.C14N), names.DEFAULT_C14N)
        parts.append((form, node))
        if form.endswith(_COMMENTS) and any(True for _ in node.iter(etree.Comment)):
            return "comments under a canonical form with comments"
        if not ref.transforms or names.BASE64 not in ref.transforms:
            continue
        if len(node):
            return "base64 of an element with content"
    for form, node in parts:
        if form in names.INCLUSIVE_C14N and _inherits(node):
            return "inherited xml: attributes"
    return ""


def _inherits(node: Element) -> bool:
    return any(
        str(name).startswith(f"{{{names.XML}}}")
        for ancestor in node.iterancestors()
        for name in ancestor.attrib
    )
