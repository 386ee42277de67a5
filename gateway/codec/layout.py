"""Where the blocks of a packet are, whatever wrapper, namespace or order a partner uses. Pure.

Finds MessageHeader (or Status), TraceHeaderList, Signature and the manifest; refuses what is no
edXML at all.
"""

from dataclasses import dataclass
from typing import Final, Literal

from gateway.codec.tree import OLD_NS, OURS, Node
from gateway.codec.walk import Fields, Walk
from gateway.codec.xmlsafe import malformed

ENVELOPE_PATH: Final = "/edXML/edXMLEnvelope"
HEADER_PATH: Final = f"{ENVELOPE_PATH}/edXMLHeader"
MESSAGE_PATH: Final = f"{HEADER_PATH}/MessageHeader"
TRACE_PATH: Final = f"{HEADER_PATH}/TraceHeaderList"
MANIFEST_PATH: Final = f"{ENVELOPE_PATH}/edXMLBody/edXMLManifest"
ATTACHMENTS_PATH: Final = "/edXML/AttachmentEncoded"

_SOAP: Final = frozenset(
    {"http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"}
)
_XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_ROOT: Final = frozenset({"edXMLEnvelope", "AttachmentEncoded"})
_ENVELOPE: Final = frozenset({"edXMLHeader", "edXMLBody", "AttachmentEncoded"})
_HEADER: Final = frozenset({"MessageHeader", "TraceHeaderList"})
_BODY: Final = frozenset({"edXMLManifest"})

Kind = Literal["document", "status"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The blocks of one packet; None where a block is missing.

    `root` is edXML itself, or the envelope of the SOAP era. `has_xml_signature`: a signature block
    stands in the namespace of real XML signatures.
    """

    root: Node
    kind: Kind
    message: Node
    trace: Node | None
    manifest: Node | None
    has_signature_block: bool
    has_xml_signature: bool


def locate(root: Node, walk: Walk) -> Layout:
    """Find the blocks; repairs go to `walk`.

    Raises:
        RejectedError: MALFORMED when this is no edXML packet or has no MessageHeader.
    """
    root = _unwrap_soap(root, walk)
    if root.local == "Envelope":  # SOAP of the e-doc.vn era: no edXML element inside
        return _from_envelope(root, root, walk)
    if root.local != "edXML" or root.ns not in OURS:
        raise malformed(
            f"Phần tử gốc là {root.local[:60]} ({root.ns[:80] or 'không có không gian tên'}), "
            "phải là edXML của QCVN 102:2016.",
            f"The root element is {root.local[:60]} ({root.ns[:80] or 'no namespace'}); "
            "it must be edXML of QCVN 102:2016.",
            f"/{root.local[:60]}",
        )
    if root.ns == OLD_NS:
        walk.repair_once("namespace-old", "/edXML", root.ns)
    elif not root.ns:
        walk.repair_once("namespace-missing", "/edXML")
    if root.prefix:
        walk.repair_once("prefix", "/edXML", root.prefix)
    if root.mixed:
        walk.repair("stray-text", "/edXML")
    return _from_root(root, walk)


def _unwrap_soap(root: Node, walk: Walk) -> Node:
    if root.local != "Envelope" or root.ns not in _SOAP:
        return root
    walk.repair_once("soap-wrapper", "/Envelope", root.ns)
    for body in root.children:
        if body.local == "Body" and body.ns in _SOAP:
            inner = [c for c in body.children if c.local == "edXML"]
            if inner:
                return inner[0]
    return root


def _from_root(root: Node, walk: Walk) -> Layout:
    envelope: Node | None = None
    for child in root.children:
        if child.ns not in OURS or child.local not in _ROOT:
            walk.keep(child, "/edXML")
        elif child.local == "AttachmentEncoded":
            if child.prefix:
                walk.repair_once("prefix", ATTACHMENTS_PATH, child.prefix)
        elif envelope is None:
            envelope = child
            if child.prefix != "edXML":
                walk.repair_once("prefix", ENVELOPE_PATH, child.prefix)
        else:
            walk.repair("duplicate-element", f"{ENVELOPE_PATH}[2]")
            walk.keep(child, "/edXML")
    if envelope is None:
        raise _no_header()
    return _from_envelope(root, envelope, walk)


def _from_envelope(root: Node, envelope: Node, walk: Walk) -> Layout:
    if envelope.ns in _SOAP:  # its Header and Body are SOAP's; what is inside is ours
        for child in envelope.children:
            child.ns = ""
    fields = walk.children(envelope, ENVELOPE_PATH, _ENVELOPE)
    if "AttachmentEncoded" in fields:
        walk.repair("element-place", f"{ENVELOPE_PATH}/AttachmentEncoded")
    header = walk.one(fields, "edXMLHeader", ENVELOPE_PATH)
    if header is None:
        raise _no_header()
    # Signature is informative only: the axis re-serialises, so an enveloped one cannot survive.
    unsigned = Node(header.prefix, header.local, header.ns)
    unsigned.mixed = header.mixed
    unsigned.children = [c for c in header.children if c.local != "Signature"]
    blocks = walk.children(unsigned, HEADER_PATH, _HEADER)
    message = walk.one(blocks, "MessageHeader", HEADER_PATH)
    if message is None:
        raise _no_header()
    return Layout(
        root=root,
        kind=_kind(message),
        message=message,
        trace=walk.one(blocks, "TraceHeaderList", HEADER_PATH),
        manifest=_manifest(fields, walk),
        has_signature_block=len(unsigned.children) < len(header.children),
        has_xml_signature=any(c.local == "Signature" and c.ns == _XMLDSIG for c in header.children),
    )


def _manifest(fields: Fields, walk: Walk) -> Node | None:
    body = walk.one(fields, "edXMLBody", ENVELOPE_PATH)
    if body is None:
        return None
    path = f"{ENVELOPE_PATH}/edXMLBody"
    return walk.one(walk.children(body, path, _BODY), "edXMLManifest", path)


def _kind(message: Node) -> Kind:
    if message.local == "Status" or any(c.local == "StatusCode" for c in message.children):
        return "status"
    return "document"


def _no_header() -> Exception:
    return malformed(
        "Gói tin không có phần MessageHeader; hãy xuất lại gói tin theo QCVN 102:2016.",
        "The packet has no MessageHeader; export it again after QCVN 102:2016.",
        MESSAGE_PATH,
    )
