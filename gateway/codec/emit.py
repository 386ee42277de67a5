"""Envelope → bytes in the strict form: order, prefixes and spelling of the national kit.

Pure and streaming: the iterator holds one chunk at a time; the same input gives the same bytes,
so a retried attempt sends what the first one sent. Nothing is kept; a crash leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from gateway.codec.base64stream import encode
from gateway.codec.dates import format_date, format_moment
from gateway.codec.layout import (
    ATTACHMENTS_PATH,
    ENVELOPE_PATH,
    HEADER_PATH,
    MANIFEST_PATH,
    MESSAGE_PATH,
    TRACE_PATH,
)
from gateway.codec.names import extension
from gateway.codec.parse import known_at
from gateway.codec.tree import OLD_NS, QCVN_NS, escape
from gateway.codec.unwrap import MAGIC, leaves_raw, wrap
from gateway.domain.envelope import (
    Attachment,
    Business,
    Extra,
    Header,
    Organization,
    ResponseFor,
    StaffInfo,
)

OpenBytes = Callable[[Attachment], Iterable[bytes]]

_BATCH_BYTES: Final = 64 * 1024
_EOL: Final = "\r\n"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'


class Writer:
    """Collects lines of pretty-printed XML, two blanks a level, CRLF, as the national kit writes.

    Args:
        extras: Unknown elements, put back as last children of their parent.
    """

    def __init__(self, extras: Sequence[Extra] = ()) -> None:
        self.lines: list[str] = []
        self._drained = 0
        self._depth = 0
        self._extras: dict[str, list[str]] = {}
        for extra in extras:
            if _may_return(extra):
                self._extras.setdefault(f"/{extra.parent}", []).append(extra.xml)

    def raw(self, text: str) -> None:
        """Add a line of finished markup."""
        self.lines.append(f"{'  ' * self._depth}{text}{_EOL}")

    def leaf(self, tag: str, text: str) -> None:
        """Add an element with text; blank text is left out, as the kit does."""
        if text and not text.isspace():
            self.raw(f"<{tag}>{escape(text)}</{tag}>")

    def number(self, tag: str, value: int | None) -> None:
        """Add an element with a number, nothing for None."""
        if value is not None:
            self.raw(f"<{tag}>{value}</{tag}>")

    def open(self, markup: str) -> tuple[int, str]:
        """Open an element given as the inside of its start tag; pass the result to `close`."""
        self.raw(f"<{markup}>")
        self._depth += 1
        return self._drained + len(self.lines), markup

    def close(self, mark: tuple[int, str], path: str, *, keep_empty: bool = False) -> None:
        """Close an element after its extras; an empty one is taken back or written `<x />`."""
        start, markup = mark
        for xml in self._extras.pop(path, ()):
            self.raw(xml)
        self._depth -= 1
        tag = markup.partition(" ")[0]
        if self._drained + len(self.lines) > start:
            self.raw(f"</{tag}>")
            return
        self.lines.pop()
        if keep_empty:
            self.raw(f"<{markup} />")

    def drain(self) -> bytes:
        """Return what was collected so far as UTF-8 and forget it."""
        text = "".join(self.lines)
        self._drained += len(self.lines)
        self.lines.clear()
        return text.encode()


def _may_return(extra: Extra) -> bool:
    # Repeated or unreadable known fields are kept to look at; sent on they would break receivers.
    start = extra.xml[1:].partition(">")[0]
    tag = start.split()[0].rstrip("/") if start.strip() else ""
    ours = tag.startswith("edXML:") or any(f'xmlns="{ns}"' in start for ns in ("", OLD_NS))
    return not (ours and tag.rpartition(":")[2] in known_at(extra.parent))


def emit_document(
    header: Header, attachments: Sequence[Attachment], open_bytes: OpenBytes
) -> Iterator[bytes]:
    """Yield the strict packet in pieces of about 64 KiB.

    Args:
        header: The fields; empty ones are left out.
        attachments: In order, main document first. Names are written in their safe form.
        open_bytes: Called once for each when its turn comes; yields the unwrapped bytes.

    Raises:
        RejectedError: MALFORMED, a text holds a character that XML cannot carry.
    """
    return _batched(_pieces(header, attachments, open_bytes))


def _pieces(
    header: Header, attachments: Sequence[Attachment], open_bytes: OpenBytes
) -> Iterator[bytes]:
    w = Writer(header.extras)
    root = begin(w)
    envelope = w.open(f'edXML:edXMLEnvelope xmlns:edXML="{QCVN_NS}"')
    block = w.open("edXML:edXMLHeader")
    _message(w, header)
    _trace_list(w, header)
    w.close(block, HEADER_PATH)
    _body(w, attachments)
    w.close(envelope, ENVELOPE_PATH)
    encoded = w.open("AttachmentEncoded")
    for attachment in attachments:
        yield from _attachment(w, attachment, open_bytes)
    w.close(encoded, ATTACHMENTS_PATH, keep_empty=True)
    w.close(root, "/edXML")
    yield w.drain()


def begin(w: Writer) -> tuple[int, str]:
    """Write the declaration and open the root."""
    w.raw(_DECLARATION)
    return w.open(f'edXML xmlns="{QCVN_NS}"')


# ---------------------------------------------------------------- header


def _message(w: Writer, header: Header) -> None:
    block = w.open("edXML:MessageHeader")
    organization(w, "From", header.sender, f"{MESSAGE_PATH}/From")
    for number, recipient in enumerate(header.recipients, 1):
        organization(w, "To", recipient, f"{MESSAGE_PATH}/To[{number}]")
    w.leaf("edXML:DocumentId", header.document_id)
    code = w.open("edXML:Code")
    w.leaf("edXML:CodeNumber", header.code_number)
    w.leaf("edXML:CodeNotation", header.code_notation)
    w.close(code, f"{MESSAGE_PATH}/Code")
    promulgation = w.open("edXML:PromulgationInfo")
    w.leaf("edXML:Place", header.place)
    if header.promulgation_date is not None:
        w.leaf("edXML:PromulgationDate", format_date(header.promulgation_date))
    w.close(promulgation, f"{MESSAGE_PATH}/PromulgationInfo")
    kind = w.open("edXML:DocumentType")
    w.number("edXML:Type", header.type_code)
    w.number("edXML:TypeDetail", header.type_detail)
    w.leaf("edXML:TypeName", header.type_name)
    w.close(kind, f"{MESSAGE_PATH}/DocumentType")
    w.leaf("edXML:Subject", header.subject)
    w.leaf("edXML:Content", header.content)
    signer = w.open("edXML:SignerInfo")
    if header.signer is not None:
        w.leaf("edXML:Competence", header.signer.competence)
        w.leaf("edXML:Position", header.signer.position)
        w.leaf("edXML:FullName", header.signer.full_name)
    w.close(signer, f"{MESSAGE_PATH}/SignerInfo")
    if header.due_date is not None:
        w.leaf("edXML:DueDate", format_date(header.due_date))
    _other(w, header)
    for number, response in enumerate(header.response_for, 1):
        response_for(w, response, f"{MESSAGE_PATH}/ResponseFor[{number}]")
    # Never an empty element: it kills the national kit's parser (spec/edxml.md 3.3).
    w.number("edXML:SteeringType", header.steering_type)
    _list(w, "ResponseForTask", "TaskCode", header.task_codes, f"{MESSAGE_PATH}/ResponseForTask")
    w.leaf("edXML:ApplicationType", header.application_type)
    _list(w, "ToPlaces", "Place", header.to_places, f"{MESSAGE_PATH}/ToPlaces")
    w.close(block, MESSAGE_PATH, keep_empty=True)


def _other(w: Writer, header: Header) -> None:
    block = w.open("edXML:OtherInfo")
    w.number("edXML:Priority", int(header.urgency))
    w.leaf("edXML:SphereOfPromulgation", header.sphere)
    w.leaf("edXML:TyperNotation", header.typer_notation)
    w.number("edXML:PromulgationAmount", header.promulgation_amount)
    w.number("edXML:PageAmount", header.page_amount)
    w.leaf("edXML:ReplyFors", header.reply_fors)
    if header.direction is not None:
        w.leaf("edXML:Direction", "true" if header.direction else "false")
    w.leaf("edXML:ReferenceCodes", header.reference_codes)
    path = f"{MESSAGE_PATH}/OtherInfo"
    _list(w, "Appendixes", "Appendix", header.appendixes, f"{path}/Appendixes")
    w.close(block, path)


def _list(w: Writer, outer: str, inner: str, texts: Sequence[str], path: str) -> None:
    block = w.open(f"edXML:{outer}")
    for text in texts:
        w.leaf(f"edXML:{inner}", text)
    w.close(block, path)


def organization(w: Writer, tag: str, value: Organization, path: str) -> None:
    """Write a From or To."""
    block = w.open(f"edXML:{tag}")
    w.leaf("edXML:OrganId", value.organ_id)
    w.leaf("edXML:OrganizationInCharge", value.organization_in_charge)
    w.leaf("edXML:OrganName", value.organ_name)
    w.leaf("edXML:OrganAdd", value.organ_add)
    w.leaf("edXML:Email", value.email)
    w.leaf("edXML:Telephone", value.telephone)
    w.leaf("edXML:Fax", value.fax)
    w.leaf("edXML:Website", value.website)
    w.close(block, path)


def response_for(w: Writer, value: ResponseFor, path: str) -> None:
    """Write a ResponseFor."""
    block = w.open("edXML:ResponseFor")
    w.leaf("edXML:OrganId", value.organ_id)
    w.leaf("edXML:Code", value.code)
    w.leaf("edXML:DocumentId", value.document_id)
    if value.promulgation_date is not None:
        w.leaf("edXML:PromulgationDate", format_date(value.promulgation_date))
    w.close(block, path)


def staff_info(w: Writer, value: StaffInfo | None, path: str) -> None:
    """Write a StaffInfo, nothing for None."""
    block = w.open("edXML:StaffInfo")
    if value is not None:
        w.leaf("edXML:Department", value.department)
        w.leaf("edXML:DepartmentId", value.department_id)
        w.leaf("edXML:Staff", value.staff)
        w.leaf("edXML:StaffId", value.staff_id)
        w.leaf("edXML:Email", value.email)
        w.leaf("edXML:Mobile", value.mobile)
    w.close(block, path)


def _trace_list(w: Writer, header: Header) -> None:
    block = w.open("edXML:TraceHeaderList")
    _business(w, header.business)
    for number, hop in enumerate(header.trace, 1):
        entry = w.open("edXML:TraceHeader")
        w.leaf("edXML:OrganId", hop.organ_id)
        if hop.at is not None:
            w.leaf("edXML:Timestamp", format_moment(hop.at))
        w.close(entry, f"{TRACE_PATH}/TraceHeader[{number}]", keep_empty=True)
    w.close(block, TRACE_PATH)


def _business(w: Writer, value: Business) -> None:
    path = f"{TRACE_PATH}/Bussiness"
    block = w.open("edXML:Bussiness")
    w.leaf("edXML:DocumentId", value.document_id)
    w.number("edXML:BussinessDocType", int(value.doc_type))
    w.leaf("edXML:BussinessDocReason", value.reason)
    w.number("edXML:Paper", value.paper)
    changed = w.open("edXML:BussinessDocumentInfo")
    below = f"{path}/BussinessDocumentInfo"
    w.number("edXML:DocumentInfo", value.document_info)
    w.number("edXML:DocumentReceiver", value.document_receiver)
    receivers = w.open("edXML:ReceiverList")
    for number, receiver in enumerate(value.receivers, 1):
        entry = w.open("edXML:Receiver")
        w.leaf("edXML:OrganId", receiver.organ_id)
        w.number("edXML:ReceiverType", receiver.receiver_type)
        w.close(entry, f"{below}/ReceiverList/Receiver[{number}]", keep_empty=True)
    w.close(receivers, f"{below}/ReceiverList")
    w.close(changed, below)
    replaced = w.open("edXML:ReplacementInfoList")
    for number, replacement in enumerate(value.replacements, 1):
        entry_path = f"{path}/ReplacementInfoList/ReplacementInfo[{number}]"
        entry = w.open("edXML:ReplacementInfo")
        w.leaf("edXML:DocumentId", replacement.document_id)
        _list(w, "OrganIdList", "OrganId", replacement.organ_ids, f"{entry_path}/OrganIdList")
        w.close(entry, entry_path, keep_empty=True)
    w.close(replaced, f"{path}/ReplacementInfoList")
    staff_info(w, value.staff, f"{path}/StaffInfo")
    w.close(block, path)


# ---------------------------------------------------------------- body, attachments


def content_type_of(name: str) -> str:
    """Return the ContentType the national kit writes for a file of that name."""
    return f"application/{extension(name)}" if leaves_raw(name) else "application/zip"


def content_id_of(attachment: Attachment) -> str:
    """Return the ContentId with its prefix; one without an id gets one of its position."""
    return f"cid:{attachment.content_id or f'tep-{attachment.index + 1}'}"


def _body(w: Writer, attachments: Sequence[Attachment]) -> None:
    body = w.open("edXML:edXMLBody")
    manifest = w.open('edXML:edXMLManifest version="1.0"')
    for number, attachment in enumerate(attachments, 1):
        entry = w.open("edXML:Reference")
        w.leaf("edXML:ContentId", content_id_of(attachment))
        w.leaf("edXML:ContentType", content_type_of(attachment.safe_name))
        w.leaf("edXML:Description", attachment.description)
        w.leaf("edXML:AttachmentName", attachment.safe_name)
        w.close(entry, f"{MANIFEST_PATH}/Reference[{number}]")
    w.close(manifest, MANIFEST_PATH, keep_empty=True)
    w.close(body, f"{ENVELOPE_PATH}/edXMLBody")


def _attachment(w: Writer, attachment: Attachment, open_bytes: OpenBytes) -> Iterator[bytes]:
    name = attachment.safe_name
    chunks = iter(open_bytes(attachment))
    first = next((c for c in chunks if c), b"")
    # A zip behind the name of a pdf or doc would be unwrapped by readers: put one around it.
    raw = leaves_raw(name) and not (first.startswith(MAGIC) and extension(name) in {"pdf", "doc"})
    chunks = chain((first,), chunks)
    block = w.open("Attachment")
    w.leaf("ContentId", content_id_of(attachment))
    w.leaf("AttachmentName", name)
    w.leaf("Description", attachment.description)
    w.leaf("ContentType", content_type_of(name) if raw else "application/zip")
    indent = "      "
    w.lines.append(f'{indent}<edXML:ContentTransferEncoded xmlns:edXML="{QCVN_NS}">')
    yield w.drain()
    yield from encode(chunks if raw else wrap(chunks, name))
    w.lines.append(f"</edXML:ContentTransferEncoded>{_EOL}")
    w.close(block, f"{ATTACHMENTS_PATH}/Attachment[{attachment.index + 1}]", keep_empty=True)


def _batched(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _BATCH_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
