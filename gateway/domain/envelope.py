"""The message as values: header, organisations, attachments, trace, business block, status.

Field names follow the edXML elements (spec/edxml.md section 3); texts are kept exactly as they
were written, numbers that were unreadable stay None with the raw text among `extras`. Nothing here
parses or validates: the codec fills these in, the rules judge them.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum


class Urgency(IntEnum):
    """Mức độ khẩn (rules C1); the number is the edXML Priority."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4


class BusinessType(IntEnum):
    """BussinessDocType (rules C5): new, recall, update, replace."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3


class StatusCode(StrEnum):
    """Exchange status codes (rules C6). Unknown codes travel as plain text beside these."""

    ARRIVED = "01"
    RETURNED = "02"
    ACCEPTED = "03"
    ASSIGNED = "04"
    IN_PROGRESS = "05"
    DONE = "06"
    RECALL_ASKED = "13"
    RECALL_AGREED = "15"
    RECALL_DECLINED = "16"


@dataclass(frozen=True, slots=True)
class Organization:
    """From or To (cơ quan, tổ chức): code as written, and its printed particulars."""

    organ_id: str
    organization_in_charge: str = ""
    organ_name: str = ""
    organ_add: str = ""
    email: str = ""
    telephone: str = ""
    fax: str = ""
    website: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """SignerInfo (người ký): authority mark, post, full name."""

    competence: str = ""
    position: str = ""
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class ResponseFor:
    """The document this one answers or recalls."""

    organ_id: str = ""
    code: str = ""
    document_id: str = ""
    promulgation_date: date | None = None


@dataclass(frozen=True, slots=True)
class StaffInfo:
    """The person acting (cán bộ)."""

    department: str = ""
    department_id: str = ""
    staff: str = ""
    staff_id: str = ""
    email: str = ""
    mobile: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One line of ReceiverList: 0 removed, 1 added."""

    organ_id: str
    receiver_type: int | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """One replaced document and the recipients it concerned."""

    document_id: str
    organ_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Business:
    """The `Bussiness` block (double s is real): what kind of sending this is, and of what."""

    doc_type: BusinessType = BusinessType.NEW
    document_id: str = ""
    reason: str = ""
    paper: int | None = None
    document_info: int | None = None
    document_receiver: int | None = None
    receivers: tuple[Receiver, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    staff: StaffInfo | None = None


@dataclass(frozen=True, slots=True)
class TraceHop:
    """One TraceHeader: a system the message crossed; time aware, +07:00 assumed on the wire."""

    organ_id: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Extra:
    """An element we do not know: kept verbatim, emitted again, shown in the API.

    Args:
        parent: Path of local names from the root, `edXML/edXMLEnvelope/…/MessageHeader`.
        xml: The element as canonical XML text.
    """

    parent: str
    xml: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A known fault of a partner that we read all the same, said aloud.

    Args:
        code: Stable short name, `date-dmy`, `business-spelling`.
        where: XPath of the element.
        was: What stood there, shortened to 80 characters.
        vi: What was wrong and how it was read, Vietnamese.
        en: The same in English.
    """

    code: str
    where: str
    was: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Header:
    """MessageHeader and TraceHeaderList of a document (văn bản)."""

    sender: Organization
    recipients: tuple[Organization, ...]
    document_id: str = ""
    code_number: str = ""
    code_notation: str = ""
    place: str = ""
    promulgation_date: date | None = None
    type_code: int | None = None
    type_detail: int | None = None
    type_name: str = ""
    subject: str = ""
    content: str = ""
    signer: Signer | None = None
    due_date: date | None = None
    urgency: Urgency = Urgency.NORMAL
    sphere: str = ""
    typer_notation: str = ""
    promulgation_amount: int | None = None
    page_amount: int | None = None
    reply_fors: str = ""
    direction: bool | None = None
    reference_codes: str = ""
    appendixes: tuple[str, ...] = ()
    response_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    task_codes: tuple[str, ...] = ()
    application_type: str = ""
    to_places: tuple[str, ...] = ()
    business: Business = field(default_factory=Business)
    trace: tuple[TraceHop, ...] = ()
    extras: tuple[Extra, ...] = ()
    has_signature_block: bool = False
    has_xml_signature: bool = False

    @property
    def full_code(self) -> str:
        """Number and notation as one text, `123/SNV-VP` (số, ký hiệu)."""
        if not self.code_notation:
            return self.code_number
        return f"{self.code_number}/{self.code_notation}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of the message (tệp đính kèm), after base64 and single-entry zip were undone.

    Args:
        index: Position among AttachmentEncoded, from 0; the main document comes first.
        name: Name as written by the sender (may be hostile; never a path for us).
        safe_name: Name we show and save under.
        content_id: Without leading `cid:`.
        content_type: As written; a hint only.
        description: As written.
        sha256: Lower-case hex of the unwrapped bytes.
        size_bytes: Of the unwrapped bytes.
        wrapped_sha256: Hex of the bytes as sent when they were a single-entry zip, else "".
    """

    index: int
    name: str
    safe_name: str
    content_id: str
    content_type: str
    description: str
    sha256: str
    size_bytes: int
    wrapped_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One Reference of the body's manifest."""

    content_id: str
    content_type: str = ""
    description: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A whole document message (gói tin): header, manifest, files, and what we had to repair."""

    header: Header
    manifest: tuple[ManifestEntry, ...]
    attachments: tuple[Attachment, ...]
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A status message (phản hồi trạng thái) between two agencies about one document.

    Args:
        sender: Who reports.
        response_for: Which document, and whose: `organ_id` is who must receive the report.
        code: Two digits when known (`StatusCode`), else the text as it came.
        description: Free text; the reason for 02, 13, 16.
        at: Time written in the message, aware.
        staff: The person acting.
        repairs: Faults read all the same.
    """

    sender: Organization
    response_for: ResponseFor
    code: str
    description: str = ""
    at: datetime | None = None
    staff: StaffInfo | None = None
    repairs: tuple[Repair, ...] = ()
