"""Test letters: documents and statuses as a careful partner writes them, and damaged ones.

Pure, no I/O. Written by hand and not by `gateway.codec`, because half of them must be wrong.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from gateway.codec.status import emit_status
from gateway.domain.envelope import Organization, ResponseFor, StatusReport
from gateway.domain.moments import VIETNAM
from gateway.ports import MessageKind, Parcel

MARK: Final = "DỮ LIỆU THỬ"
NAMESPACE: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """One attachment."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"

    @property
    def sha256(self) -> str:
        """Return the hex digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


NOTE: Final = File("ghi-chú thử.txt", f"{MARK}: xin chào, đừng xử lý.\r\n".encode(), "text/plain")


@dataclass(frozen=True, slots=True)
class Letter:
    """One test document (văn bản thử).

    Args:
        sender: Code in From.
        recipients: Codes in To.
        number: Number of the document.
        notation: Its notation, naming the run.
        at: When it was made.
        subject: After the mark.
        files: Attachments.
    """

    sender: str
    recipients: tuple[str, ...]
    number: int
    notation: str
    at: datetime
    subject: str = "Về việc thử liên thông"
    files: tuple[File, ...] = (NOTE,)

    @property
    def day(self) -> str:
        """Return the date as the packet writes it."""
        return f"{self.at.astimezone(VIETNAM):%Y/%m/%d}"

    @property
    def code(self) -> str:
        """Return number and notation."""
        return f"{self.number}/{self.notation}"

    @property
    def document_id(self) -> str:
        """Return the identifier, in the form the axis knows best (spec/edxml.md 2, form 1)."""
        return f"{self.sender},{self.day},{self.code}"

    @property
    def title(self) -> str:
        """Return the subject with the mark."""
        return f"{MARK} - {self.subject}"

    def packet(self) -> bytes:
        """Return the edXML packet."""
        tos = "".join(_organ("To", code) for code in self.recipients)
        fields = (
            f"<edXML:DocumentId>{escape(self.document_id)}</edXML:DocumentId><edXML:Code>"
            f"<edXML:CodeNumber>{self.number}</edXML:CodeNumber>"
            f"<edXML:CodeNotation>{escape(self.notation)}</edXML:CodeNotation></edXML:Code>"
            "<edXML:PromulgationInfo><edXML:Place>Thử nghiệm</edXML:Place>"
            f"<edXML:PromulgationDate>{self.day}</edXML:PromulgationDate></edXML:PromulgationInfo>"
            "<edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>Công văn"
            "</edXML:TypeName></edXML:DocumentType>"
            f"<edXML:Subject>{escape(self.title)}</edXML:Subject>"
            "<edXML:SignerInfo><edXML:Position>Người thử</edXML:Position>"
            "<edXML:FullName>Người Thử</edXML:FullName></edXML:SignerInfo>"
            "<edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>"
        )
        moment = f"{self.at.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S}"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\r\n<edXML xmlns="{NAMESPACE}">'
            f'<edXML:edXMLEnvelope xmlns:edXML="{NAMESPACE}"><edXML:edXMLHeader>'
            f"<edXML:MessageHeader>{_organ('From', self.sender)}{tos}{fields}</edXML:MessageHeader>"
            "<edXML:TraceHeaderList><edXML:TraceHeader>"
            f"<edXML:OrganId>{escape(self.sender)}</edXML:OrganId>"
            f"<edXML:Timestamp>{moment}</edXML:Timestamp></edXML:TraceHeader>"
            "<edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType>"
            "</edXML:Bussiness></edXML:TraceHeaderList></edXML:edXMLHeader><edXML:edXMLBody>"
            f'<edXML:edXMLManifest version="1.0">{_manifest(self.files)}</edXML:edXMLManifest>'
            "</edXML:edXMLBody></edXML:edXMLEnvelope>"
            f"<AttachmentEncoded>{_attachments(self.files)}</AttachmentEncoded></edXML>\r\n"
        ).encode()


def _organ(tag: str, code: str) -> str:
    return (
        f"<edXML:{tag}><edXML:OrganId>{escape(code)}</edXML:OrganId>"
        f"<edXML:OrganName>Cơ quan {escape(code)} ({MARK})</edXML:OrganName></edXML:{tag}>"
    )


def _manifest(files: Sequence[File]) -> str:
    return "".join(
        f"<edXML:Reference><edXML:ContentId>cid:{index}</edXML:ContentId>"
        f"<edXML:ContentType>{file.content_type}</edXML:ContentType>"
        f"<edXML:AttachmentName>{escape(file.name)}</edXML:AttachmentName></edXML:Reference>"
        for index, file in enumerate(files)
    )


def _attachments(files: Sequence[File]) -> str:
    return "".join(
        f"<Attachment><ContentType>{file.content_type}</ContentType><ContentId>cid:{index}"
        f"</ContentId><AttachmentName>{escape(file.name)}</AttachmentName>"
        f'<edXML:ContentTransferEncoded xmlns:edXML="{NAMESPACE}">'
        f"{base64.b64encode(file.content).decode()}</edXML:ContentTransferEncoded></Attachment>"
        for index, file in enumerate(files)
    )


def status(about: Letter, *, sender: str, code: str, description: str, at: datetime) -> bytes:
    """Return a status packet about a letter (spec/edxml.md 4.1)."""
    return emit_status(
        StatusReport(
            sender=Organization(sender, organ_name=f"Cơ quan {sender} ({MARK})"),
            response_for=ResponseFor(
                organ_id=about.sender,
                code=about.code,
                document_id=about.document_id,
                promulgation_date=about.at.astimezone(VIETNAM).date(),
            ),
            code=code,
            description=description,
            at=at,
        )
    )


def parcel(
    data: bytes,
    *,
    kind: MessageKind = "edoc",
    sender: str,
    recipients: Sequence[str],
    document_id: str,
) -> Parcel:
    """Return bytes as an adapter takes them."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), _PIECE_BYTES):
            yield data[start : start + _PIECE_BYTES]

    digest = hashlib.sha256(data).hexdigest()
    return Parcel(
        transfer_id=f"conformance-{digest[:12]}",
        kind=kind,
        sender=sender,
        recipients=tuple(recipients),
        document_id=document_id,
        sha256=digest,
        size_bytes=len(data),
        open=chunks,
    )


def workbook() -> File:
    """Return a small archive of several entries, as an .xlsx is one: nobody may unpack it."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml"):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), f"<!-- {MARK} -->")
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return File("bang thu.xlsx", kept.getvalue(), kind)


def picture() -> File:
    """Return bytes that no reading as text survives: EF BF BD would stand for most of them."""
    return File("ảnh thử.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16, "image/png")


def damaged(whole: bytes) -> dict[str, bytes]:
    """Return what must be refused for its form, by what is wrong with it."""
    doctype = b'<!DOCTYPE edXML [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    declared, _, rest = whole.partition(b"\r\n")
    return {
        "nothing": b" ",
        "no-xml": b"khong phai XML",
        "cut-off": whole[: len(whole) * 2 // 3],
        "other-namespace": whole.replace(NAMESPACE.encode(), b"urn:khac"),
        "doctype": declared + doctype + rest.replace("Người Thử".encode(), b"&x;"),
        "doctype-harmless": declared + b"<!DOCTYPE edXML>" + rest,
        "base64-broken": whole.replace(
            base64.b64encode(NOTE.content), b"#@!" + base64.b64encode(NOTE.content)
        ),
        "nobody": _without(whole, b"<edXML:To>", b"</edXML:To>"),
        "two-roots": whole + whole,
    }


def _without(whole: bytes, start: bytes, end: bytes) -> bytes:
    head, tail = whole.find(start), whole.rfind(end)
    return whole[:head] + whole[tail + len(end) :]
