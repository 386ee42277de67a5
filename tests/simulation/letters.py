"""What the systems of a simulated world write: packets of documents, of updates and of recalls."""

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.simulator import packets
from tests.simulation.plan import LEGACY, Doc
from tests.simulation.ports import EPOCH, file_of

_NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
RECALL = 1
DAY = "2026/11/23"
_NOTICES = 1000
"""A recall by document has a number of its own, this much above that of its document."""


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


def number(doc: Doc) -> int:
    """Return a document's own number: an update bears that of the document it updates."""
    return doc.about if doc.kind == 2 else doc.n


def identifier(doc: Doc) -> str:
    """Return the identifier a document's sender gives it."""
    return f"{doc.sender},{DAY},{number(doc)}/VP"


def _business(doc: Doc) -> str:
    """Return what says that a document takes another back (1), updates (2) or replaces it (3)."""
    if not doc.kind:
        return ""
    old = f"<edXML:DocumentId>{doc.sender},{DAY},{doc.about}/VP</edXML:DocumentId>"
    if doc.kind == 3:
        old = (
            "<edXML:ReplacementInfoList><edXML:ReplacementInfo>"
            f"{old}</edXML:ReplacementInfo></edXML:ReplacementInfoList>"
        )
    return (
        f"<edXML:Bussiness><edXML:BussinessDocType>{doc.kind}</edXML:BussinessDocType>"
        f"<edXML:BussinessDocReason>ban hanh nham</edXML:BussinessDocReason>{old}</edXML:Bussiness>"
    )


def notice_of(doc: Doc, at: datetime) -> bytes:
    """Return the document by which its sender takes a document back (type 1)."""
    asking = replace(doc, n=doc.n + _NOTICES, about=number(doc), kind=RECALL, verdict="unsigned")
    return packet_of(asking, at=at)


def asked_by(n: int) -> int:
    """Return which document a notice's number takes back, 0 when it is no notice's."""
    return n - _NOTICES if n > _NOTICES else 0


def old_code(code: str) -> str:
    """Return an agency's code in the old notation."""
    return next(old for old, new in LEGACY.items() if new == code)


def files_of(doc: Doc) -> Sequence[tuple[str, bytes]]:
    """Return a document's files."""
    main = (f"vb-{doc.n}.pdf", file_of(doc.n, doc.verdict, doc.size))
    return (main, (f"phu-luc-{doc.n}.txt", f"phu luc {doc.n}".encode()))[: 1 + doc.n % 2]


def packet_of(doc: Doc, more: Sequence[str] = (), *, at: datetime | None = None) -> bytes:
    """Return the packet of a document as its sender's system writes it, when it is to be sent."""
    at_text = packets.moment_text(at or EPOCH + timedelta(seconds=doc.at))
    files = files_of(doc)
    tos = "".join(
        f"<edXML:To><edXML:OrganId>{c}</edXML:OrganId><edXML:OrganName>{c}</edXML:OrganName>"
        "</edXML:To>"
        for c in (*doc.to, *more)
    )
    own = f"<edXML:DocumentId>{identifier(doc)}</edXML:DocumentId>" if doc.named else ""
    manifest = "".join(
        f"<edXML:Reference><edXML:ContentId>cid:{i}</edXML:ContentId>"
        f"<edXML:AttachmentName>{name}</edXML:AttachmentName></edXML:Reference>"
        for i, (name, _) in enumerate(files)
    )
    attached = "".join(
        f"<Attachment><ContentId>cid:{i}</ContentId><AttachmentName>{name}</AttachmentName>"
        "<ContentType>application/octet-stream</ContentType><edXML:ContentTransferEncoded "
        f'xmlns:edXML="{_NS}">{base64.b64encode(data).decode()}</edXML:ContentTransferEncoded>'
        "</Attachment>"
        for i, (name, data) in enumerate(files)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><edXML xmlns="{_NS}"><edXML:edXMLEnvelope '
        f'xmlns:edXML="{_NS}"><edXML:edXMLHeader><edXML:MessageHeader><edXML:From><edXML:OrganId>'
        f"{doc.sender}</edXML:OrganId><edXML:OrganName>Gửi</edXML:OrganName></edXML:From>{tos}{own}"
        f"<edXML:Code><edXML:CodeNumber>{number(doc)}</edXML:CodeNumber><edXML:CodeNotation>VP"
        "</edXML:CodeNotation></edXML:Code><edXML:PromulgationInfo><edXML:Place>Lạng Sơn"
        "</edXML:Place><edXML:PromulgationDate>2026/11/23</edXML:PromulgationDate>"
        "</edXML:PromulgationInfo><edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>"
        f"Công văn</edXML:TypeName></edXML:DocumentType><edXML:Subject>Van ban so {doc.n}"
        "</edXML:Subject><edXML:SignerInfo><edXML:Position>Giám đốc</edXML:Position>"
        "<edXML:FullName>Nguyễn Văn An</edXML:FullName></edXML:SignerInfo><edXML:OtherInfo>"
        f"<edXML:Priority>{doc.urgency}</edXML:Priority></edXML:OtherInfo></edXML:MessageHeader>"
        f"<edXML:TraceHeaderList>{_business(doc)}<edXML:TraceHeader><edXML:OrganId>{doc.sender}"
        "</edXML:OrganId>"
        f"<edXML:Timestamp>{at_text}</edXML:Timestamp></edXML:TraceHeader>"
        "</edXML:TraceHeaderList></edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest "
        f'version="1.0">{manifest}</edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>'
        f"<AttachmentEncoded>{attached}</AttachmentEncoded></edXML>"
    ).encode()
