"""SOAP letters ⇄ edXML packets: what a message of the e-doc.vn era says, and back.

Towards us texts are taken as written, so that the codec reads, repairs and reports them like those
of any other door; only their places, names of elements and namespaces become QCVN's. The block with
the token is left behind. The same message gives the same packet. Away from us every element of the
header is written, empty ones too, because Bkav's checker asks for each.

Nothing is done but reading and writing the files of attachments in the folder given. A crash
leaves that folder behind, which is the caller's.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from lxml import etree

from adapters.bkav.mime import File, Part, Parts, content, content_id
from adapters.bkav.soap import (
    MAX_ROOT_BYTES,
    XLINK,
    Message,
    block,
    children,
    find,
    local,
    tag,
    text,
)
from gateway.codec.base64stream import encode
from gateway.codec.dates import LOCAL
from gateway.codec.emit import content_id_of
from gateway.codec.refusal import refuse
from gateway.codec.tree import QCVN_NS, escape
from gateway.codec.xmlsafe import malformed
from gateway.domain.envelope import (
    Attachment,
    Business,
    Envelope,
    Header,
    Organization,
    ResponseFor,
    StaffInfo,
    StatusReport,
)
from gateway.errors import Reason, RejectedError

_CHUNK: Final = 48 * 1024
_MIME_TYPES: Final = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "zip": "application/zip",
    "rar": "application/x-rar-compressed",
    "xml": "application/xml",
    "txt": "text/plain",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "tif": "image/tiff",
    "tiff": "image/tiff",
}


# ---------------------------------------------------------------- SOAP → edXML


@dataclass(frozen=True, slots=True)
class Reference:
    """One line of a message's manifest."""

    content_id: str
    name: str
    content_type: str
    description: str


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A MIME part that came, decoded."""

    path: Path
    name: str
    content_type: str


def references(message: Message) -> tuple[Reference, ...]:
    """Return a message's manifest.

    Raises:
        RejectedError: RULES_BROKEN, two lines name one part.
    """
    body = message.body
    manifest = None
    if body is not None:
        manifest = find(body, "Manifest")
        manifest = find(body, "edXMLManifest") if manifest is None else manifest
    lines = () if manifest is None else children(manifest, "Reference")
    found = tuple(_reference(line) for line in lines)
    seen: set[str] = set()
    for one in found:
        if one.content_id in seen:
            raise _enclosure(
                one.content_id, "có hai dòng trong Manifest", "two lines of the manifest name it"
            )
        seen.add(one.content_id)
    return found


def _reference(element: etree._Element) -> Reference:
    cid = str(element.get(f"{{{XLINK}}}href") or element.get("href") or "")
    cid = cid or text(element, "ContentId")
    if not cid:  # MTOM leaves an Include
        included = (e for e in element.iter() if str(e.tag).endswith("}Include"))
        cid = next((str(e.get("href") or "") for e in included), "")
    return Reference(
        content_id(cid),
        text(element, "AttachmentName"),
        text(element, "ContentType"),
        text(element, "Description"),
    )


async def spooled(parts: Parts | None, folder: Path) -> dict[str, Enclosed]:
    """Write the MIME parts to files, decoded.

    Raises:
        RejectedError: Cut off, too much, broken base64, or two parts under one id.
    """
    came: dict[str, Enclosed] = {}
    while parts is not None and (part := await parts.following()) is not None:
        if part.id in came:
            raise RejectedError(
                Reason.MALFORMED, f"two MIME parts have the Content-ID {part.id[:60]!r}"
            )
        path = folder / f"{len(came):03d}"
        with path.open("xb") as file:
            async for chunk in content(part, parts.data(), f"cid:{part.id[:60]}"):
                file.write(chunk)
        came[part.id] = Enclosed(path, part.name, part.type.media)
    return came


async def root_of(part: Part, data: AsyncIterator[bytes]) -> bytes:
    """Return the SOAP part of a letter; what is too long is cut, and refused by its reader."""
    return await small(content(part, data, "/Envelope"))


async def small(chunks: AsyncIterator[bytes]) -> bytes:
    """Return what should be small; more than that is cut, and refused by its reader."""
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > MAX_ROOT_BYTES:
            break
    return bytes(found)


def match(listed: Sequence[Reference], came: dict[str, Enclosed]) -> None:
    """Compare the manifest with the parts that came.

    Raises:
        RejectedError: RULES_BROKEN, one of them is not in the other.
    """
    # MD-01 (S003 art 8.1): the document and all its attachments, nothing else.
    for one in listed:
        if one.content_id not in came:
            raise _enclosure(
                one.content_id,
                f"có trong Manifest ({one.name}) nhưng thiếu phần MIME",
                "is in the manifest, but no MIME part has it",
            )
    for cid in came:
        if all(one.content_id != cid for one in listed):
            raise _enclosure(
                cid, "là phần MIME không có trong Manifest", "is a MIME part no line names"
            )


def _enclosure(cid: str, vi: str, en: str) -> Exception:
    shown = cid[:60] or "?"
    return refuse(
        Reason.RULES_BROKEN,
        "MD-01",
        "Manifest/Reference",
        f"Tệp cid:{shown} {vi}. Đính kèm lại rồi gửi.",
        f"The file cid:{shown} {en}. Attach it again and send.",
    )


def packet(
    message: Message, listed: Sequence[Reference], came: dict[str, Enclosed]
) -> Iterator[bytes]:
    """Yield the edXML packet of a document that came.

    Raises:
        RejectedError: MALFORMED, no MessageHeader.
    """
    header = message.headers.get("MessageHeader")
    if header is None:
        raise malformed(
            "Thông điệp không có MessageHeader.",
            "The message has no MessageHeader.",
            "/Envelope/Header/MessageHeader",
        )
    trace = message.headers.get("TraceHeaderList")
    blocks = _copied(header, "MessageHeader")
    blocks += "" if trace is None else _copied(trace, "TraceHeaderList")
    lines = "".join(
        block(
            "Reference",
            *_labels(one, came[one.content_id], "edXML:"),
        )
        for one in listed
    )
    yield (
        f"{_opening()}<edXML:edXMLHeader>{blocks}</edXML:edXMLHeader><edXML:edXMLBody>"
        f'<edXML:edXMLManifest version="1.0">{lines}</edXML:edXMLManifest></edXML:edXMLBody>'
        "</edXML:edXMLEnvelope>\r\n<AttachmentEncoded>"
    ).encode()
    for one in listed:
        enclosed = came[one.content_id]
        labels = "".join(_labels(one, enclosed, ""))
        yield (
            f'<Attachment>{labels}<edXML:ContentTransferEncoded xmlns:edXML="{QCVN_NS}">'
        ).encode()
        with enclosed.path.open("rb") as source:
            yield from encode(iter(lambda: source.read(_CHUNK), b""))
        yield b"</edXML:ContentTransferEncoded></Attachment>\r\n"
    yield b"</AttachmentEncoded></edXML>\r\n"


def status_packet(status: etree._Element) -> bytes:
    """Return the edXML packet of a Status element."""
    return (
        f"{_opening()}<edXML:edXMLHeader>{_copied(status, 'MessageHeader')}</edXML:edXMLHeader>"
        "</edXML:edXMLEnvelope>\r\n</edXML>\r\n"
    ).encode()


def _opening() -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\r\n<edXML xmlns="{QCVN_NS}">\r\n'
        f'<edXML:edXMLEnvelope xmlns:edXML="{QCVN_NS}">'
    )


def _labels(one: Reference, came: Enclosed, prefix: str) -> tuple[str, ...]:
    pairs = {
        "ContentId": f"cid:{one.content_id}",
        "AttachmentName": one.name or came.name,
        "Description": one.description,
        "ContentType": one.content_type or came.content_type,
    }
    return tuple(
        f"<{prefix}{name}>{escape(value)}</{prefix}{name}>"
        for name, value in pairs.items()
        if value
    )


def _copied(element: etree._Element, name: str) -> str:
    """Return an element with all its children in QCVN's namespace, texts as written."""
    inside = [_copied(c, known) for c in element if (known := local(c))]
    told = "".join(inside) if inside else escape(element.text or "")
    return f"<edXML:{name}>{told}</edXML:{name}>"


# ---------------------------------------------------------------- edXML → SOAP


def header_of(envelope: Envelope, in_charge: str = "OrganizationInCharge") -> str:
    """Return the header's blocks of a document.

    Args:
        envelope: The document.
        in_charge: `OrganInCharge` where a header is handed out as their bus rebuilds it.
    """
    header = envelope.header
    return _message(header, in_charge) + _traces(header) + block("ErrorList")


def body_of(envelope: Envelope) -> str:
    """Return the manifest of a document, `cid:` to its MIME parts."""
    lines = [
        f'<edXML:Reference xlink:href="cid:{name}" xlink:role="XLinkRole" '
        f'xlink:type="simple">{tag("AttachmentName", one.safe_name)}'
        f"{tag('ContentType', mime_type(one))}{tag('Description', one.description)}"
        "</edXML:Reference>"
        for name, one in zip(part_ids(envelope.attachments), envelope.attachments, strict=True)
    ]
    return f'<edXML:Manifest edXML:version="1.0">{"".join(lines)}</edXML:Manifest>'


def part_ids(attachments: Sequence[Attachment]) -> tuple[str, ...]:
    """Return the Content-IDs of a document's files.

    Each is there once, and holds nothing that could end a header or an attribute.
    """
    found: list[str] = []
    for one in attachments:
        told = content_id(content_id_of(one))
        kept = "".join(c for c in told if c.isascii() and (c.isalnum() or c in "-_.@"))[:100]
        name = kept
        while not name or name in found or (name == kept and kept != told):
            name = f"{one.index + 1}.{name}"
        found.append(name)
    return tuple(found)


def files_of(envelope: Envelope, paths: Sequence[Path]) -> list[File]:
    """Return a document's files as they go out."""
    ids = part_ids(envelope.attachments)
    return [
        File(name, mime_type(one), path, path.stat().st_size)
        for name, one, path in zip(ids, envelope.attachments, paths, strict=True)
    ]


def mime_type(attachment: Attachment) -> str:
    """Return the true MIME type by the file's name: Bkav uses real ones."""
    extension = attachment.safe_name.rpartition(".")[2].lower()
    return _MIME_TYPES.get(extension, "application/octet-stream")


def status_of(report: StatusReport, in_charge: str = "OrganizationInCharge") -> str:
    """Return the Status element of a report."""
    return block(
        "Status",
        _organization("From", report.sender, in_charge),
        _response(report.response_for),
        tag("StatusCode", report.code),
        tag("Description", report.description),
        tag("Timestamp", _moment(report.at)),
        _staff(report.staff or StaffInfo()),
    )


def token_block(organ: str, token: str) -> str:
    """Return the Signature block, which on this wire is the login."""
    return block("Signature", block("KeyInfo", tag("OrganId", organ), tag("Token", token)))


def _message(header: Header, in_charge: str) -> str:
    signer = header.signer
    return block(
        "MessageHeader",
        _organization("From", header.sender, in_charge),
        *(_organization("To", one, in_charge) for one in header.recipients),
        block(
            "Code",
            tag("CodeNumber", header.code_number),
            tag("CodeNotation", header.code_notation),
        ),
        block(
            "PromulgationInfo",
            tag("Place", header.place),
            tag("PromulgationDate", _day(header.promulgation_date)),
        ),
        block(
            "DocumentType",
            tag("Type", _number(header.type_code)),
            tag("TypeName", header.type_name),
        ),
        tag("Subject", header.subject),
        tag("Content", header.content),
        block(
            "SignerInfo",
            tag("Competence", signer.competence if signer else ""),
            tag("Position", signer.position if signer else ""),
            tag("FullName", signer.full_name if signer else ""),
        ),
        tag("DueDate", _day(header.due_date)),
        block("ToPlaces", *(tag("Place", place) for place in header.to_places)),
        block(
            "OtherInfo",
            tag("Priority", str(int(header.urgency))),
            tag("SphereOfPromulgation", header.sphere),
            tag("TyperNotation", header.typer_notation),
            tag("PromulgationAmount", _number(header.promulgation_amount)),
            tag("PageAmount", _number(header.page_amount)),
            block("Appendixes", *(tag("Appendix", one) for one in header.appendixes)),
        ),
        *(_response(one) for one in header.response_for),
        tag("SteeringType", _number(header.steering_type)),
        tag("DocumentId", header.document_id),
    )


def _organization(name: str, value: Organization, in_charge: str) -> str:
    return block(
        name,
        tag("OrganId", value.organ_id),
        tag(in_charge, value.organization_in_charge),
        tag("OrganName", value.organ_name),
        tag("OrganAdd", value.organ_add),
        tag("Email", value.email),
        tag("Telephone", value.telephone),
        tag("Fax", value.fax),
        tag("Website", value.website),
    )


def _response(value: ResponseFor) -> str:
    return block(
        "ResponseFor",
        tag("OrganId", value.organ_id),
        tag("Code", value.code),
        tag("PromulgationDate", _day(value.promulgation_date)),
        tag("DocumentId", value.document_id),
    )


def _traces(header: Header) -> str:
    hops = (
        block("TraceHeader", tag("OrganId", hop.organ_id), tag("Timestamp", _moment(hop.at)))
        for hop in header.trace
    )
    return block("TraceHeaderList", *hops, _business(header.business))


def _business(value: Business) -> str:
    receivers = (
        block(
            "Receiver",
            tag("OrganId", one.organ_id),
            tag("ReceiverType", _number(one.receiver_type)),
        )
        for one in value.receivers
    )
    replaced = (
        block(
            "ReplacementInfo",
            tag("DocumentId", one.document_id),
            block("OrganIdList", *(tag("OrganId", code) for code in one.organ_ids)),
        )
        for one in value.replacements
    )
    changed = block(
        "BussinessDocumentInfo",
        tag("DocumentInfo", _number(value.document_info)),
        tag("DocumentReceiver", _number(value.document_receiver)),
        block("ReceiverList", *receivers),
    )
    return block(
        "Bussiness",
        tag("DocumentId", value.document_id),
        tag("BussinessDocType", str(int(value.doc_type))),
        tag("BussinessDocReason", value.reason),
        tag("Paper", _number(value.paper)),
        changed if value.receivers or value.document_info or value.document_receiver else "",
        block("ReplacementInfoList", *replaced) if value.replacements else "",
        _staff(value.staff or StaffInfo()),
    )


def _staff(value: StaffInfo) -> str:
    return block(
        "StaffInfo",
        tag("Department", value.department),
        tag("Staff", value.staff),
        tag("Mobile", value.mobile),
        tag("Email", value.email),
    )


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _day(value: date | None) -> str:
    return "" if value is None else f"{value.day:02d}/{value.month:02d}/{value.year:04d}"


def _moment(value: datetime | None) -> str:
    if value is None:
        return ""
    at = value.astimezone(LOCAL)
    return f"{_day(at.date())} {at:%H:%M:%S}"
