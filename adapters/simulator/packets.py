"""The little of edXML a simulated axis needs: read a head, rewrite a packet, say a status.

Written on its own and not on `gateway.codec`, so that the simulator judges what our codec emits
instead of agreeing with it. Promises: DOCTYPE refused, entities never resolved, only the head is
read however long the packet. A crash leaves at most a half-written output file behind.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

from gateway.errors import Reason, RejectedError

VIETNAM: Final = timezone(timedelta(hours=7))
NAMESPACE: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
MAX_REWRITE_BYTES: Final = 32 * 1024 * 1024
_NAMESPACES: Final = frozenset({NAMESPACE, "http://www.e-doc.vn/Schema/", ""})
_EDXML: Final = f"{{{NAMESPACE}}}"


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a packet says; texts as written, "" when absent.

    Args:
        sender: From/OrganId.
        recipients: To/OrganId, in order, repeats kept.
        document_id: DocumentId of the document, or of the one a status is about.
        code: `number/notation`.
        date: PromulgationDate as written.
        subject: Of a document.
        answers_to: ResponseFor/OrganId.
        status: StatusCode; "" for a document.
        description: Text of a status.
    """

    sender: str
    recipients: tuple[str, ...]
    document_id: str
    code: str
    date: str
    subject: str = ""
    answers_to: str = ""
    status: str = ""
    description: str = ""


def read_head(path: Path) -> Head:
    """Read a packet's head.

    Raises:
        RejectedError: MALFORMED or DOCTYPE_REFUSED.
    """
    header = _header(path)
    message = _child(header, "MessageHeader")
    if message is None:
        message = _child(header, "Status")  # Bkav's name for a status's header
    if message is None:
        raise RejectedError(Reason.MALFORMED, "the packet has no MessageHeader")
    answered = _child(message, "ResponseFor")
    status = _text(message, "StatusCode")
    if status and answered is not None:
        return Head(
            _text(message, "From", "OrganId"),
            (),
            _text(answered, "DocumentId"),
            _text(answered, "Code"),
            _text(answered, "PromulgationDate"),
            answers_to=_text(answered, "OrganId"),
            status=status,
            description=_text(message, "Description"),
        )
    number, notation = _text(message, "Code", "CodeNumber"), _text(message, "Code", "CodeNotation")
    return Head(
        _text(message, "From", "OrganId"),
        tuple(_text(to, "OrganId") for to in _children(message, "To")),
        _text(message, "DocumentId"),
        f"{number}/{notation}",
        _text(message, "PromulgationInfo", "PromulgationDate"),
        subject=_text(message, "Subject"),
        answers_to="" if answered is None else _text(answered, "OrganId"),
    )


def rewrite(source: Path, target: Path, hub: str, at: datetime) -> None:
    """Write a packet as the axis hands it on (spec/edxml.md 3.2).

    Comments go, DocumentId moves behind the last To, the hub's TraceHeader is appended, and the
    whole is serialised anew. Very large packets are handed on as they came: this is a simulator.

    Raises:
        RejectedError: MALFORMED.
    """
    if source.stat().st_size > MAX_REWRITE_BYTES:
        target.write_bytes(source.read_bytes())
        return
    try:
        tree = etree.parse(str(source), _parser())
    except etree.XMLSyntaxError as exc:
        raise RejectedError(Reason.MALFORMED, "the packet is not well-formed") from exc
    root = tree.getroot()
    for header in root.iter(f"{_EDXML}MessageHeader"):
        own, tos = _child(header, "DocumentId"), _children(header, "To")
        if own is not None and tos:
            header.remove(own)
            header.insert(header.index(tos[-1]) + 1, own)
    for header in root.iter(f"{_EDXML}edXMLHeader"):
        traces = _child(header, "TraceHeaderList")
        if traces is not None:
            hop = etree.SubElement(traces, f"{_EDXML}TraceHeader")
            etree.SubElement(hop, f"{_EDXML}OrganId").text = hub
            etree.SubElement(hop, f"{_EDXML}Timestamp").text = moment_text(at)
    tree.write(str(target), encoding="UTF-8", xml_declaration=True)


def status_packet(
    about: Head,
    *,
    sender: str,
    sender_name: str,
    code: str,
    description: str,
    at: datetime,
) -> bytes:
    """Return a status message about a document, in the order of the Java kit (spec 4.1)."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<edXML xmlns="{NAMESPACE}">',
        f'<edXML:edXMLEnvelope xmlns:edXML="{NAMESPACE}">',
        "<edXML:edXMLHeader><edXML:MessageHeader>",
        _block("From", OrganId=sender, OrganName=sender_name),
        _block(
            "ResponseFor",
            OrganId=about.sender,
            Code=about.code,
            DocumentId=about.document_id,
            PromulgationDate=about.date,
        ),
        _block("", StatusCode=code, Description=description, Timestamp=moment_text(at)),
        "</edXML:MessageHeader></edXML:edXMLHeader>",
        "</edXML:edXMLEnvelope>",
        "</edXML>",
    ]
    return "\r\n".join(lines).encode()


def _block(name: str, **texts: str) -> str:
    """Return elements for the texts that are not empty, inside one named `name` if it is given."""
    inside = "".join(
        f"<edXML:{child}>{escape(text)}</edXML:{child}>" for child, text in texts.items() if text
    )
    return f"<edXML:{name}>{inside}</edXML:{name}>" if name else inside


def moment_text(at: datetime) -> str:
    """Return `yyyy/MM/dd HH:mm:ss`, local +07:00. Source: TIM-02."""
    return f"{at.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S}"


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        remove_comments=True,
    )


def _header(path: Path) -> etree._Element:
    """Return edXMLHeader; reading stops there."""
    try:
        with path.open("rb") as file:
            events = etree.iterparse(
                file,
                events=("end",),
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                huge_tree=True,
                remove_comments=True,
            )
            for _, element in events:
                if element.getroottree().docinfo.doctype:
                    raise RejectedError(Reason.DOCTYPE_REFUSED)
                if _name(element) == "edXMLHeader" and _namespace(element) in _NAMESPACES:
                    found: etree._Element = element
                    return found
    except etree.XMLSyntaxError as exc:
        raise RejectedError(Reason.MALFORMED, "the packet is not well-formed") from exc
    raise RejectedError(Reason.MALFORMED, "the packet has no edXMLHeader")


def _namespace(element: etree._Element) -> str:
    tag: object = element.tag
    return tag.rpartition("}")[0][1:] if isinstance(tag, str) else ""


def _name(element: etree._Element) -> str:
    tag: object = element.tag  # a function for comments and instructions
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _children(element: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in element if _name(child) == name]


def _child(element: etree._Element, name: str) -> etree._Element | None:
    found = _children(element, name)
    return found[0] if found else None


def _text(element: etree._Element, *path: str) -> str:
    for name in path:
        found = _child(element, name)
        if found is None:
            return ""
        element = found
    return (element.text or "").strip()
