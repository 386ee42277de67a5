"""edXML packets → SOAP letters, as partners of the e-doc.vn era read them. Pure but for file sizes.

Every element of the header is written, empty ones too, because Bkav's checker asks for each; dates
are dd/MM/yyyy. A crash leaves nothing behind.
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

from adapters.bkav.mime import File, content_id
from adapters.bkav.soap import block, tag
from gateway.codec.dates import LOCAL
from gateway.codec.emit import content_id_of
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
