"""What the API answers, as models: the source of the OpenAPI document's schemas.

Answers are rendered as the ports give them, not through these models (speed); tests hold both
together. The shapes are those `ports.Desk` promises. Every text field may be empty; times are
ISO 8601 `+07:00`. Pure.
"""

from datetime import date
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateway.domain.envelope import Header
from gateway.trust.report import VerificationReport


class _Answer(BaseModel):
    """An answer may grow fields; those named here stay."""

    model_config = ConfigDict(frozen=True)


class FindingOut(_Answer):
    """Phát hiện: what a rule saw, where (XPath, file name or JSON pointer), and what to do."""

    rule: str = Field(examples=["MD-01"])
    severity: Literal["error", "warning", "note"]
    where: str
    vi: str
    en: str
    refusal: str = Field(description="R01…R14, or empty")


class RepairOut(_Answer):
    """A known fault of a partner that was read all the same."""

    code: str
    where: str
    was: str
    vi: str
    en: str


class AttachmentOut(_Answer):
    """Tệp đính kèm: one file, unwrapped."""

    index: int
    name: str
    safe_name: str
    content_type: str
    description: str
    size_bytes: int
    sha256: str
    verdict: str | None


class AttemptOut(_Answer):
    """One attempt to hand the transfer over."""

    n: int
    began_at: AwareDatetime
    ended_at: AwareDatetime | None
    outcome: str | None
    detail: str | None


class HoldOut(_Answer):
    """Lý do đang giữ lại: an operator's hold, or a destination that does not answer."""

    kind: Literal["operator", "breaker"]
    scope: Literal["transfer", "document", "hop"]
    since: AwareDatetime
    reason: str
    by: str
    text: str = Field(description="In Vietnamese, for the clerk")


class DeliveryOut(_Answer):
    """Phần gửi cho một cơ quan: what happened for one recipient."""

    id: str
    agency: str
    name: str
    addressed_as: list[str]
    state: str
    state_text: str
    reason: str | None
    hop: str | None
    left_at: AwareDatetime | None
    acknowledged_at: AwareDatetime | None
    sent_at: AwareDatetime | None = Field(description="Send time that counts (SND-10)")
    at_gateway_at: AwareDatetime | None
    entered_system_at: AwareDatetime | None
    last_status: str | None
    holds: list[HoldOut] = Field(description="Why it waits on purpose, oldest first")
    attempts: list[AttemptOut]


class NumberOut(_Answer):
    """Year and ordinal of issue (DID-01)."""

    year: int
    ordinal: int


class DocumentSummary(_Answer):
    """Văn bản đi, without its header."""

    id: str
    document_id: str
    version: int
    state: str
    state_text: str
    hold: str | None = Field(description="Why stamping waits, as for a doubtful clock")
    reason: str | None = Field(description="Why it was refused or set apart")
    sender: str
    subject: str
    code: str
    promulgation_date: date | None
    type_name: str
    urgency: int
    business_type: int
    number: NumberOut | None
    sha256: str
    size_bytes: int
    accepted_at: AwareDatetime
    issued_at: AwareDatetime | None
    sent_at: AwareDatetime | None
    verification: str = Field(description="Verdict of the signatures, or `pending`")
    legal_class: str | None
    verdict_before: str | None = Field(description="Verdict before it changed; both reports stay")
    verdict_changed_at: AwareDatetime | None
    findings: list[FindingOut]
    repairs: list[RepairOut]
    attachments: list[AttachmentOut]
    deliveries: list[DeliveryOut]


class Document(DocumentSummary):
    """Văn bản đi: one sending to its recipients."""

    header: Header


class Documents(_Answer):
    """A page of documents, newest first; `next` goes into `after`."""

    items: list[DocumentSummary]
    next: str | None


class ArrivalNumberOut(_Answer):
    """Số đến: year and number in the agency's register (DID-04)."""

    year: int
    number: int


class TakenOut(_Answer):
    """Tiếp nhận khi chữ ký chưa xác định được: who took it, when and why (F09)."""

    by: str
    at: AwareDatetime
    reason: str
    code: str


class AdviceOut(_Answer):
    """Đề nghị: a step offered to the clerk; nothing happens by itself."""

    code: str
    refusal: str
    vi: str
    en: str


class ArrivalSummary(_Answer):
    """Văn bản đến, without its header."""

    id: str
    cursor: int
    agency: str
    addressed_as: list[str]
    forwarded_from: list[str] = Field(description="Closed codes among them: it took over (ID-05)")
    sender: str
    sender_name: str
    document_id: str
    version: int
    state: str
    state_text: str
    subject: str
    code: str
    promulgation_date: date | None
    type_name: str
    urgency: int
    business_type: int
    at_gateway_at: AwareDatetime
    entered_system_at: AwareDatetime | None
    received_at_legal: AwareDatetime | None
    arrival_number: ArrivalNumberOut | None
    verification: str
    legal_class: str | None
    findings: list[FindingOut]
    repairs: list[RepairOut]
    attachments: list[AttachmentOut]
    source: str
    verdict_before: str | None = Field(description="Verdict before it changed; both reports stay")
    verdict_changed_at: AwareDatetime | None
    taken_undetermined: TakenOut | None
    actions: list[str] = Field(description="Statuses that can be reported now")
    advice: AdviceOut | None


class Arrival(ArrivalSummary):
    """Văn bản đến: one document for one agency."""

    header: Header


class Offered(ArrivalSummary):
    """Văn bản đến trong danh sách: one document of the feed."""

    replay: bool = Field(
        False, description="The caller had it before and rewound its inbox; same id, same bytes"
    )


class Inbox(_Answer):
    """A page of the feed, oldest first; `next` goes into `after` and never skips anything."""

    items: list[Offered]
    next: int


class EventOut(_Answer):
    """Something that happened; kept for ever."""

    at: AwareDatetime
    type: str
    subject: str
    data: dict[str, Any]


class Events(_Answer):
    """Everything that happened, oldest first."""

    items: list[EventOut]


class Inclusion(_Answer):
    """Proof that an entry is a leaf of the tree."""

    tree_size: int
    leaf_index: int
    hashes: list[str]
    root: str


class ReceiptEntry(_Answer):
    """Hồi báo: one entry of the receipt log; index and proof follow once it is sequenced."""

    index: int | None
    entry_id: str
    at: AwareDatetime
    kind: str
    body: Any
    entry_hash: str
    prev_hash: str | None
    chain_hash: str | None
    inclusion: Inclusion | None


class Receipts(_Answer):
    """Receipts of one document, with what is needed to check them offline."""

    entries: list[ReceiptEntry]
    tree_head: str | None = Field(description="Signed tree head, JWS")
    acceptance: str | None = Field(description="Acceptance receipt, JWS")


class FileScan(_Answer):
    """What the malware scanner said of one file (FMT-14)."""

    sha256: str
    result: str = Field(description="`clean`, `infected` or `not-scanned`")
    at: str = Field(description="When it was scanned")
    signature: str = Field(description="Name of what was found, else empty")
    reason: str = Field(description="Why it was not scanned, else empty")
    engine: str = Field(description="Version of scanner and signatures")


class FileReport(_Answer):
    """The signature report of one file, and its malware scan."""

    index: int
    name: str
    report: VerificationReport | None
    scan: FileScan | None = Field(description="None where nobody scans")


class Verification(_Answer):
    """Kết quả kiểm tra chữ ký số of every file."""

    verdict: str
    legal_class: str | None
    files: list[FileReport]


class RecipientResult(_Answer):
    """What became of one recipient at acceptance."""

    agency: str
    state: str
    reason: str | None


class AcceptedOut(_Answer):
    """The answer to a submission; repeats get the same bytes."""

    id: str
    document_id: str | None = Field(description="None while the identifier waits for the verdict")
    version: int
    state: str
    verification: str = Field(description="Verdict of the signatures, or `pending`")
    deliveries: list[RecipientResult]
    findings: list[FindingOut] = Field(description="Warnings and notes; errors refuse")
    receipt: str = Field(description="Acceptance receipt, JWS")
    issue_ordinal: int | None = Field(None, description="Where the gateway numbers (DID-01)")


class UploadOut(_Answer):
    """A packet handed over beforehand; `expires_at` is until when it can be referred to."""

    id: str
    sha256: str
    size_bytes: int
    expires_at: str


class AgencyOut(_Answer):
    """Cơ quan, tổ chức of the catalogue."""

    code: str
    name: str
    legacy_code: str
    parent: str
    mail: str
    status: str
    connected: bool
    successors: list[str] = Field(description="Who took over from a closed code (ID-05)")


class Agencies(_Answer):
    """The catalogue."""

    items: list[AgencyOut]


class Live(_Answer):
    """The process runs; `at` is its clock."""

    live: bool
    at: AwareDatetime


class Ready(_Answer):
    """Whether documents can be taken, and each check's `ok` or reason."""

    ready: bool
    checks: dict[str, str]


class Problem(_Answer):
    """RFC 9457 problem: title in Vietnamese, `title_en` beside it, every finding at once."""

    type: str
    title: str
    title_en: str
    status: int
    detail: str
    detail_vi: str
    reason: str
    request_id: str
    findings: list[FindingOut]
