"""Was it the right element that was signed: wrapping defence and coverage.

Core validation says that some element was signed, not that it is the one a program reads. An
attacker moves the signed element aside and puts his own where programs look (XML signature
wrapping). So every signed element must stand where the format has it, what the format has once must
be there once, and whatever is signed by nobody is named. Pure.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.trust.notes import note
from gateway.trust.report import Coverage, Note, Verdict
from gateway.trust.xmlsig import names
from gateway.trust.xmlsig.core import Signed
from gateway.trust.xmlsig.shape import Shape
from gateway.trust.xmlsig.tree import (
    Element,
    Place,
    Tree,
    at_place,
    children,
    local,
    namespace,
    path_of,
    place_of,
)

_LISTED: Final = 5
_IGNORED: Final = frozenset(
    {f"{{{names.XML}}}id", f"{{{names.WSU}}}Id", "Id", "ID", "id", f"{{{names.XML}}}space"}
)
_SCHEMA_INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_SECURITY: Final = (
    "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
)
# Where a packet has what (spec of QCVN 102:2016 and its SOAP forms); `""` is the root.
_PARENTS: Final = {
    "edXML": ("", "Body"),
    "edXMLEnvelope": ("", "edXML", "Body"),
    "edXMLHeader": ("edXMLEnvelope", "Envelope", "Body"),
    "edXMLBody": ("edXMLEnvelope", "Envelope", "Body"),
    "edXMLManifest": ("edXMLBody", "Body"),
    "MessageHeader": ("edXMLHeader", "Header"),
    "TraceHeaderList": ("edXMLHeader", "Header"),
    "AttachmentEncoded": ("edXML", "edXMLEnvelope", "Envelope", "Body"),
}
_PROPERTIES: Final = frozenset({"QualifyingProperties", "QualifyingPropertiesReference"})
_MANY: Final = 100
_CHANGES_ON_THE_WAY: Final = "TraceHeaderList"


@dataclass(slots=True)
class Finding:
    """What is to be said of where a signature points.

    Args:
        coverage: WHOLE_FILE when the root is signed, else PARTIAL.
        ceiling: The best verdict left.
        reference: Paths of what is signed, as one text.
        notes: Remarks.
        empty: No content of the document is signed directly (a manifest, say).
    """

    coverage: Coverage
    reference: str
    empty: bool = False
    ceiling: Verdict = Verdict.VALID
    notes: list[Note] = field(default_factory=list)

    def refuse(self, code: str, detail: object) -> None:
        """Not what a program reads: proven wrong."""
        self.ceiling = Verdict.INVALID
        self.notes.append(note(code, detail))

    def doubt(self, code: str, detail: object) -> None:
        """Not all that a program reads."""
        if self.ceiling is Verdict.VALID:
            self.ceiling = Verdict.INDETERMINATE
        self.notes.append(note(code, detail))


def own_part(place: Place, shape: Shape, root: Element) -> bool:
    """Tell whether a node is the signature's own (KeyInfo, properties), not content."""
    depth = len(shape.place)
    if place[:depth] != shape.place or len(place) == depth:
        return False
    top = at_place(root, place[: depth + 1])
    if local(top) != "Object":
        return True
    node: Element | None = at_place(root, place)
    while node is not None and node is not top:
        if local(node) in {"QualifyingProperties", "Manifest", "SignatureProperties"}:
            return True
        node = node.getparent()
    return any(local(c) in {"QualifyingProperties", "Manifest"} for c in children(top))


def content_of(signed: Iterable[Signed], shape: Shape, root: Element) -> list[Signed]:
    """Return what is content of the document among what was signed."""
    return [
        one
        for one in signed
        if one.place is not None and one.whole and not own_part(one.place, shape, root)
    ]


def judge_places(
    tree: Tree, shape: Shape, signed: Sequence[Signed], elsewhere: Iterable[Place]
) -> Finding:
    """Judge where one signature points.

    Args:
        tree: The document.
        shape: The signature.
        signed: What core validation returned.
        elsewhere: Content that other signatures of the document cover.
    """
    root = tree.root
    content = content_of(signed, shape, root)
    covered = [one.place for one in content if one.place is not None]
    whole = () in covered
    shown = [path_of(at_place(root, place)) for place in dict.fromkeys(covered)]
    shown += [one.uri for one in signed if one.place is None]
    finding = Finding(
        coverage=Coverage.WHOLE_FILE if whole else Coverage.PARTIAL,
        reference=", ".join(shown[:_LISTED]) + (" …" if len(shown) > _LISTED else ""),
    )
    if not covered:
        finding.empty = True
        return finding
    _own_objects(finding, shape, signed)
    _packet(finding, root, shape, whole=whole)
    if not whole and finding.ceiling is not Verdict.INVALID:
        _look_alikes(finding, root, shape, covered, list(elsewhere))
        _left_over(finding, root, covered)
    return finding


def is_packet(root: Element) -> bool:
    """Tell whether a document is a packet of the axis: edXML, or SOAP."""
    soap = local(root) == "Envelope" and namespace(root) in names.SOAP
    return soap or local(root) in {"edXML", "edXMLEnvelope"}


def _within(node: Element, holders: Collection[Element]) -> bool:
    return node in holders or any(ancestor in holders for ancestor in node.iterancestors())


def _inside(place: Place, covered: Iterable[Place]) -> bool:
    return any(place[: len(one)] == one for one in covered)


def _own_objects(finding: Finding, shape: Shape, signed: Sequence[Signed]) -> None:
    """An Object of the signature that nothing signs is a hiding place.

    A signed root does not sign it: the signature itself is left out of the root's digest.
    """
    depth = len(shape.place)
    inner = [
        one.place
        for one in signed
        if one.place is not None
        and one.whole
        and len(one.place) > depth
        and one.place[:depth] == shape.place
    ]
    objects = [node for node in children(shape.element) if local(node) == "Object"]
    if len(objects) > _MANY:
        finding.doubt("xml-unsigned-object", f"> {_MANY}")
        return
    for node in objects:
        inside = children(node)
        if inside and all(local(c) in _PROPERTIES for c in inside):
            continue
        if not _inside(place_of(node), inner) and not (
            0 < len(inside) <= _MANY
            and not _speaks(node)
            and all(_inside(place_of(c), inner) for c in inside)
        ):
            finding.doubt("xml-unsigned-object", path_of(node))


# ---------------------------------------------------------------- packets: edXML and SOAP


def _packet(finding: Finding, root: Element, shape: Shape, *, whole: bool) -> None:
    """Hold a packet's parts against the places its readers know."""
    if not is_packet(root):
        return
    soap = namespace(root) if namespace(root) in names.SOAP else ""
    once: dict[str, list[Element]] = {}
    for node in root.iter(etree.Element):
        name = local(node)
        if name in _PARENTS or (soap and name in {"Header", "Body"} and namespace(node) == soap):
            once.setdefault(name, []).append(node)
    for name, found in once.items():
        if len(found) > 1 and (not whole or any(_within(n, {shape.element}) for n in found)):
            finding.refuse("xml-wrapping", f"{name}: {path_of(found[0])}, {path_of(found[1])}")
        elif not whole and not _stands_right(found[0], soap):
            finding.refuse("xml-wrapping", path_of(found[0]))
    if soap and not whole and "Body" not in once:
        finding.refuse("xml-wrapping", "Body")


def _stands_right(node: Element, soap: str) -> bool:
    parent = node.getparent()
    above = "" if parent is None else local(parent)
    if soap and namespace(node) == soap:
        return parent is not None and parent.getparent() is None
    return above in _PARENTS.get(local(node), ()) and (
        parent is None or not above or _known(parent, soap)
    )


def _known(node: Element, soap: str) -> bool:
    parent = node.getparent()
    return parent is None or _stands_right(node, soap)


# ---------------------------------------------------------------- any document


def _look_alikes(
    finding: Finding, root: Element, shape: Shape, covered: list[Place], elsewhere: list[Place]
) -> None:
    """Find unsigned elements of the same name as a signed one: which of them is read?"""
    signed = {at_place(root, place) for place in covered}
    others = {at_place(root, place) for place in elsewhere}
    for tag in dict.fromkeys(node.tag for node in signed):
        for node in root.iter(tag):
            # An Object of the signature itself was judged as such.
            if _within(node, signed) or node.getparent() is shape.element:
                continue
            if _within(node, others):
                finding.doubt("xml-partial", path_of(node))
            else:
                finding.refuse("xml-wrapping", path_of(node))
            return


def _left_over(finding: Finding, root: Element, covered: list[Place]) -> None:
    """Name the content that this signature does not cover."""
    packet = is_packet(root)
    found: list[str] = []
    _uncovered(root, (), covered, found, packet=packet)
    if not packet and root.tag != f"{{{names.DS}}}Signature":
        # Where a stranger's format has it nobody here knows: directly below the root, or in doubt.
        deep = [place for place in dict.fromkeys(covered) if len(place) > 1]
        found += [f"{path_of(at_place(root, place[:-1]))} (khung/frame)" for place in deep]
    if found:
        more = " …" if len(found) > _LISTED else ""
        finding.doubt("xml-partial", ", ".join(found[:_LISTED]) + more)
    elif finding.ceiling is Verdict.VALID:
        finding.notes.append(note("xml-part-signed", finding.reference))


def _uncovered(
    node: Element, place: Place, covered: list[Place], found: list[str], *, packet: bool
) -> None:
    """Collect the paths of content below a node that no place covers; stops after a few."""
    if len(found) > _LISTED or _inside(place, covered) or _exempt(node, packet=packet):
        return
    holds = any(one[: len(place)] == place for one in covered)
    if not holds and next(node.iter(f"{{{names.DS}}}Signature"), None) is None:
        found.append(path_of(node))
        return
    if _speaks(node):
        found.append(f"{path_of(node)} (chữ, thuộc tính/text, attributes)")
    for index, inner in enumerate(node):
        if isinstance(inner.tag, str):
            _uncovered(inner, (*place, index), covered, found, packet=packet)


def _exempt(node: Element, *, packet: bool) -> bool:
    """Tell what may stay unsigned: signatures, and what changes on a packet's way."""
    if node.tag == f"{{{names.DS}}}Signature":
        return True
    return packet and (local(node) == _CHANGES_ON_THE_WAY or node.tag == _SECURITY)


def _speaks(node: Element) -> bool:
    """Tell whether an element says something besides its children."""
    texts = [node.text, *(inner.tail for inner in node)]
    if any(text and text.strip() for text in texts):
        return True
    return any(
        str(name) not in _IGNORED and not str(name).startswith(_SCHEMA_INSTANCE)
        for name in node.attrib
    )
