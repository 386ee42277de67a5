"""What the API answers, as types; made from its OpenAPI document by `make docs`, not by hand.

Answers may grow fields: whoever reads them passes over what it does not know.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Answer = Literal["yes", "no", "unknown"]
BusinessType = int
Coverage = Literal["whole-file", "revision", "partial", "unclear"]
Urgency = int
Verdict = Literal["valid", "invalid", "indeterminate", "unreadable", "unsigned"]


class RecipientResult(TypedDict):
    """What became of one recipient at acceptance."""

    agency: str
    state: str
    reason: str | None


class FindingOut(TypedDict):
    """Phát hiện: what a rule saw, where (XPath, file name or JSON pointer), and what to do."""

    rule: str
    severity: Literal["error", "warning", "note"]
    where: str
    vi: str
    en: str
    refusal: str


class AcceptedOut(TypedDict):
    """The answer to a submission; repeats get the same bytes."""

    id: str
    document_id: str | None
    version: int
    state: str
    verification: str
    deliveries: list[RecipientResult]
    findings: list[FindingOut]
    receipt: str
    issue_ordinal: NotRequired[int | None]


class AdviceOut(TypedDict):
    """Đề nghị: a step offered to the clerk; nothing happens by itself."""

    code: str
    refusal: str
    vi: str
    en: str


class AgencyOut(TypedDict):
    """Cơ quan, tổ chức of the catalogue."""

    code: str
    name: str
    legacy_code: str
    parent: str
    mail: str
    status: str
    connected: bool
    successors: list[str]


class Agencies(TypedDict):
    """The catalogue."""

    items: list[AgencyOut]


class AppearanceFacts(TypedDict):
    """How a signature is shown on the page; proves nothing (SIG-26)."""

    picture: NotRequired[bool]
    hue: NotRequired[str]
    transparent: NotRequired[bool]
    png_like: NotRequired[bool]
    text: NotRequired[str]
    page_width: NotRequired[float]
    page_height: NotRequired[float]
    quadrant: NotRequired[str]


class ArrivalNumberOut(TypedDict):
    """Số đến: year and number in the agency's register (DID-04)."""

    year: int
    number: int


class RepairOut(TypedDict):
    """A known fault of a partner that was read all the same."""

    code: str
    where: str
    was: str
    vi: str
    en: str


class AttachmentOut(TypedDict):
    """Tệp đính kèm: one file, unwrapped."""

    index: int
    name: str
    safe_name: str
    content_type: str
    description: str
    size_bytes: int
    sha256: str
    verdict: str | None


class TakenOut(TypedDict):
    """Tiếp nhận khi chữ ký chưa xác định được: who took it, when and why (F09)."""

    by: str
    at: str
    reason: str
    code: str


class Organization(TypedDict):
    """From or To (cơ quan, tổ chức): code as written, and its printed particulars."""

    organ_id: str
    organization_in_charge: NotRequired[str]
    organ_name: NotRequired[str]
    organ_add: NotRequired[str]
    email: NotRequired[str]
    telephone: NotRequired[str]
    fax: NotRequired[str]
    website: NotRequired[str]


class Signer(TypedDict):
    """SignerInfo (người ký): authority mark, post, full name."""

    competence: NotRequired[str]
    position: NotRequired[str]
    full_name: NotRequired[str]


class ResponseFor(TypedDict):
    """The document this one answers or recalls."""

    organ_id: NotRequired[str]
    code: NotRequired[str]
    document_id: NotRequired[str]
    promulgation_date: NotRequired[str | None]


class Receiver(TypedDict):
    """One line of ReceiverList: 0 removed, 1 added."""

    organ_id: str
    receiver_type: NotRequired[int | None]


class Replacement(TypedDict):
    """One replaced document and the recipients it concerned."""

    document_id: str
    organ_ids: NotRequired[list[str]]


class StaffInfo(TypedDict):
    """The person acting (cán bộ)."""

    department: NotRequired[str]
    department_id: NotRequired[str]
    staff: NotRequired[str]
    staff_id: NotRequired[str]
    email: NotRequired[str]
    mobile: NotRequired[str]


class Business(TypedDict):
    """The `Bussiness` block (double s is real): what kind of sending this is, and of what."""

    doc_type: NotRequired[BusinessType]
    document_id: NotRequired[str]
    reason: NotRequired[str]
    paper: NotRequired[int | None]
    document_info: NotRequired[int | None]
    document_receiver: NotRequired[int | None]
    receivers: NotRequired[list[Receiver]]
    replacements: NotRequired[list[Replacement]]
    staff: NotRequired[StaffInfo | None]


class TraceHop(TypedDict):
    """One TraceHeader: a system the message crossed; time aware, +07:00 assumed on the wire."""

    organ_id: str
    at: str | None


class Extra(TypedDict):
    """An element we do not know: kept verbatim, emitted again, shown in the API."""

    parent: str
    xml: str


class Header(TypedDict):
    """MessageHeader and TraceHeaderList of a document (văn bản)."""

    sender: Organization
    recipients: list[Organization]
    document_id: NotRequired[str]
    code_number: NotRequired[str]
    code_notation: NotRequired[str]
    place: NotRequired[str]
    promulgation_date: NotRequired[str | None]
    type_code: NotRequired[int | None]
    type_detail: NotRequired[int | None]
    type_name: NotRequired[str]
    subject: NotRequired[str]
    content: NotRequired[str]
    signer: NotRequired[Signer | None]
    due_date: NotRequired[str | None]
    urgency: NotRequired[Urgency]
    sphere: NotRequired[str]
    typer_notation: NotRequired[str]
    promulgation_amount: NotRequired[int | None]
    page_amount: NotRequired[int | None]
    reply_fors: NotRequired[str]
    direction: NotRequired[bool | None]
    reference_codes: NotRequired[str]
    appendixes: NotRequired[list[str]]
    response_for: NotRequired[list[ResponseFor]]
    steering_type: NotRequired[int | None]
    task_codes: NotRequired[list[str]]
    application_type: NotRequired[str]
    to_places: NotRequired[list[str]]
    business: NotRequired[Business]
    trace: NotRequired[list[TraceHop]]
    extras: NotRequired[list[Extra]]
    has_signature_block: NotRequired[bool]
    has_xml_signature: NotRequired[bool]


class Arrival(TypedDict):
    """Văn bản đến: one document for one agency."""

    id: str
    cursor: int
    agency: str
    addressed_as: list[str]
    forwarded_from: list[str]
    sender: str
    sender_name: str
    document_id: str
    version: int
    state: str
    state_text: str
    subject: str
    code: str
    promulgation_date: str | None
    type_name: str
    urgency: int
    business_type: int
    at_gateway_at: str
    entered_system_at: str | None
    received_at_legal: str | None
    arrival_number: ArrivalNumberOut | None
    verification: str
    legal_class: str | None
    findings: list[FindingOut]
    repairs: list[RepairOut]
    attachments: list[AttachmentOut]
    source: str
    verdict_before: str | None
    verdict_changed_at: str | None
    taken_undetermined: TakenOut | None
    actions: list[str]
    advice: AdviceOut | None
    header: Header


class AttemptOut(TypedDict):
    """One attempt to hand the transfer over."""

    n: int
    began_at: str
    ended_at: str | None
    outcome: str | None
    detail: str | None


class CallOut(TypedDict):
    """One message: told, trying, dead or refused."""

    id: str
    cursor: int
    kind: str
    state: str
    tries: int
    began_at: str
    ended_at: str | None
    status: int
    outcome: str


class CallsOut(TypedDict):
    """Messages, newest first."""

    items: list[CallOut]


class CertificateFacts(TypedDict):
    """A certificate's printed facts; `sha256` of its DER."""

    subject: str
    common_name: str
    organization: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    sha256: str
    units: NotRequired[list[str]]
    locality: NotRequired[str]
    identifiers: NotRequired[list[str]]


class ChangeFacts(TypedDict):
    """One thing done to the file after a signature."""

    kind: str
    revision: NotRequired[int]
    page: NotRequired[int]
    field: NotRequired[str]
    old: NotRequired[str]
    new: NotRequired[str]
    rectangle: NotRequired[list[Any] | None]


class HoldOut(TypedDict):
    """Lý do đang giữ lại: an operator's hold, or a destination that does not answer."""

    kind: Literal["operator", "breaker"]
    scope: Literal["transfer", "document", "hop"]
    since: str
    reason: str
    by: str
    text: str


class DeliveryOut(TypedDict):
    """Phần gửi cho một cơ quan: what happened for one recipient."""

    id: str
    agency: str
    name: str
    addressed_as: list[str]
    state: str
    state_text: str
    reason: str | None
    hop: str | None
    left_at: str | None
    acknowledged_at: str | None
    sent_at: str | None
    at_gateway_at: str | None
    entered_system_at: str | None
    last_status: str | None
    holds: list[HoldOut]
    attempts: list[AttemptOut]


class NumberOut(TypedDict):
    """Year and ordinal of issue (DID-01)."""

    year: int
    ordinal: int


class Document(TypedDict):
    """Văn bản đi: one sending to its recipients."""

    id: str
    document_id: str
    version: int
    state: str
    state_text: str
    hold: str | None
    reason: str | None
    sender: str
    subject: str
    code: str
    promulgation_date: str | None
    type_name: str
    urgency: int
    business_type: int
    number: NumberOut | None
    sha256: str
    size_bytes: int
    accepted_at: str
    issued_at: str | None
    sent_at: str | None
    verification: str
    legal_class: str | None
    verdict_before: str | None
    verdict_changed_at: str | None
    findings: list[FindingOut]
    repairs: list[RepairOut]
    attachments: list[AttachmentOut]
    deliveries: list[DeliveryOut]
    header: Header


class DocumentSummary(TypedDict):
    """Văn bản đi, without its header."""

    id: str
    document_id: str
    version: int
    state: str
    state_text: str
    hold: str | None
    reason: str | None
    sender: str
    subject: str
    code: str
    promulgation_date: str | None
    type_name: str
    urgency: int
    business_type: int
    number: NumberOut | None
    sha256: str
    size_bytes: int
    accepted_at: str
    issued_at: str | None
    sent_at: str | None
    verification: str
    legal_class: str | None
    verdict_before: str | None
    verdict_changed_at: str | None
    findings: list[FindingOut]
    repairs: list[RepairOut]
    attachments: list[AttachmentOut]
    deliveries: list[DeliveryOut]


class Documents(TypedDict):
    """A page of documents, newest first; `next` goes into `after`."""

    items: list[DocumentSummary]
    next: str | None


class EventOut(TypedDict):
    """Something that happened; kept for ever."""

    at: str
    type: str
    subject: str
    data: dict[str, Any]


class Events(TypedDict):
    """Everything that happened, oldest first."""

    items: list[EventOut]


class EvidenceItem(TypedDict):
    """One thing the verdict rests on, kept so that it can be given again (SIG-47)."""

    kind: str
    sha256: str
    origin: str


class Note(TypedDict):
    """One remark: stable code, Vietnamese, English."""

    code: str
    vi: str
    en: str


class RevocationFacts(TypedDict):
    """What is known of one certificate of the path at the time in question (SIG-42)."""

    subject: str
    sha256: str
    status: str
    source: NotRequired[str]
    this_update: NotRequired[str | None]
    next_update: NotRequired[str | None]
    revoked_at: NotRequired[str | None]
    reason: NotRequired[str]
    evidence: NotRequired[str]


class TimestampFacts(TypedDict):
    """One time-stamp token (dấu thời gian)."""

    at: str | None
    authority: str
    trusted: Answer
    imprint: NotRequired[str]
    sub_indication: NotRequired[str]


class SignatureFacts(TypedDict):
    """One signature (chữ ký): verdict, the four answers, who, when, what was added later."""

    field: str
    verdict: Verdict
    sub_indication: str
    intact: Answer
    trusted: Answer
    not_revoked: Answer
    time_proven: Answer
    signer: CertificateFacts | None
    role: str
    signed_at: str | None
    signed_at_source: str
    coverage: Coverage
    later_changes: str
    algorithm: str
    notes: NotRequired[list[Note]]
    claimed_at: NotRequired[str | None]
    time_authority: NotRequired[str]
    level: NotRequired[str]
    indication: NotRequired[str]
    chain: NotRequired[list[CertificateFacts]]
    trust_class: NotRequired[str]
    revocation: NotRequired[list[RevocationFacts]]
    timestamps: NotRequired[list[TimestampFacts]]
    document_time: NotRequired[str | None]
    revision: NotRequired[int]
    revision_end: NotRequired[int]
    revision_sha256: NotRequired[str]
    page: NotRequired[int]
    rectangle: NotRequired[list[Any] | None]
    changes: NotRequired[list[ChangeFacts]]
    appearance: NotRequired[AppearanceFacts | None]
    proof_until: NotRequired[str | None]
    reference: NotRequired[str]
    agencies: NotRequired[list[str]]


class PolicyFacts(TypedDict):
    """The rules the verdict was made by."""

    name: str
    dated: str
    sha256: str
    trust_list: NotRequired[str]


class RevisionFacts(TypedDict):
    """One saved state of the file, oldest first."""

    number: int
    end: int
    kind: str
    signatures: NotRequired[list[str]]


class ListFacts(TypedDict):
    """One revocation list the verdict rests on."""

    issuer: str
    this_update: str
    next_update: str | None
    number: str
    sha256: str
    source: str


class PartReport(TypedDict):
    """One file inside a container (zip)."""

    name: str
    report: VerificationReport | None
    reason: NotRequired[str]


class VerificationReport(TypedDict):
    """The report of one file (báo cáo kiểm tra chữ ký số)."""

    verdict: Verdict
    sha256: str
    size_bytes: int
    verified_at: str
    trust_sha256: str
    engine: str
    signatures: NotRequired[list[SignatureFacts]]
    notes: NotRequired[list[Note]]
    secrecy_marks: NotRequired[list[str]]
    kind: NotRequired[str]
    policy: NotRequired[PolicyFacts | None]
    pages: NotRequired[int]
    revisions: NotRequired[list[RevisionFacts]]
    certification: NotRequired[str]
    empty_fields: NotRequired[int]
    unsupported: NotRequired[int]
    active_content: NotRequired[list[str]]
    lists: NotRequired[list[ListFacts]]
    evidence: NotRequired[list[EvidenceItem]]
    parts: NotRequired[list[PartReport]]
    page_text: NotRequired[bool]
    urgency_marks: NotRequired[list[str]]


class FileScan(TypedDict):
    """What the malware scanner said of one file (FMT-14)."""

    sha256: str
    result: str
    at: str
    signature: str
    reason: str
    engine: str


class FileReport(TypedDict):
    """The signature report of one file, and its malware scan."""

    index: int
    name: str
    report: VerificationReport | None
    scan: FileScan | None


class Offered(TypedDict):
    """Văn bản đến trong danh sách: one document of the feed."""

    id: str
    cursor: int
    agency: str
    addressed_as: list[str]
    forwarded_from: list[str]
    sender: str
    sender_name: str
    document_id: str
    version: int
    state: str
    state_text: str
    subject: str
    code: str
    promulgation_date: str | None
    type_name: str
    urgency: int
    business_type: int
    at_gateway_at: str
    entered_system_at: str | None
    received_at_legal: str | None
    arrival_number: ArrivalNumberOut | None
    verification: str
    legal_class: str | None
    findings: list[FindingOut]
    repairs: list[RepairOut]
    attachments: list[AttachmentOut]
    source: str
    verdict_before: str | None
    verdict_changed_at: str | None
    taken_undetermined: TakenOut | None
    actions: list[str]
    advice: AdviceOut | None
    replay: NotRequired[bool]


class Inbox(TypedDict):
    """A page of the feed, oldest first; `next` goes into `after` and never skips anything."""

    items: list[Offered]
    next: int


class Inclusion(TypedDict):
    """Proof that an entry is a leaf of the tree."""

    tree_size: int
    leaf_index: int
    hashes: list[str]
    root: str


class Live(TypedDict):
    """The process runs; `at` is its clock."""

    live: bool
    at: str


class NoticeOut(TypedDict):
    """Sự kiện: one thing that happened; ids, codes and states, never content."""

    id: str
    kind: str
    at: str
    subject: str
    document_id: NotRequired[str | None]
    document: NotRequired[str | None]
    agencies: NotRequired[list[str]]
    code: NotRequired[str | None]
    verdict: NotRequired[str | None]
    sender: NotRequired[str | None]
    cursor: NotRequired[int | None]
    href: NotRequired[str | None]
    alert: NotRequired[str | None]
    count: NotRequired[int | None]
    due: NotRequired[str | None]
    title: NotRequired[str | None]
    planned_from: NotRequired[str | None]
    planned_to: NotRequired[str | None]


class NoticesOut(TypedDict):
    """A page of events; `next` is the cursor to ask behind."""

    items: list[NoticeOut]
    next: int


class PostedOut(TypedDict):
    """How a test message ended."""

    taken: bool
    status: int
    outcome: str


class Ready(TypedDict):
    """Whether documents can be taken, and each check's `ok` or reason."""

    ready: bool
    checks: dict[str, str]


class RecallWishOut(TypedDict):
    """Một nơi nhận của yêu cầu thu hồi."""

    agency: str
    name: str
    state: Literal["waiting", "asked", "agreed", "declined", "not_needed"]
    state_text: str
    asked_at: str
    answered_at: str | None
    answer: str


class RecallOrderOut(TypedDict):
    """Một quyết định thu hồi."""

    id: str
    whole: bool
    reason: str
    asked_by: str
    asked_at: str
    recipients: list[RecallWishOut]


class RecallsOut(TypedDict):
    """Các yêu cầu thu hồi của một văn bản, mới nhất trước."""

    id: str
    document_id: str
    frozen: bool
    orders: list[RecallOrderOut]


class ReceiptEntry(TypedDict):
    """Hồi báo: one entry of the receipt log; index and proof follow once it is sequenced."""

    index: int | None
    entry_id: str
    at: str
    kind: str
    body: Any
    entry_hash: str
    prev_hash: str | None
    chain_hash: str | None
    inclusion: Inclusion | None


class Receipts(TypedDict):
    """Receipts of one document, with what is needed to check them offline."""

    entries: list[ReceiptEntry]
    tree_head: str | None
    acceptance: str | None


class RewoundOut(TypedDict):
    """What is offered again."""

    system_id: str
    cursor: int
    until: int
    documents: int
    statuses: int
    purged: int
    consumers: list[str]
    began_at: str | None


class UploadOut(TypedDict):
    """A packet handed over beforehand; `expires_at` is until when it can be referred to."""

    id: str
    sha256: str
    size_bytes: int
    expires_at: str


class Verification(TypedDict):
    """Kết quả kiểm tra chữ ký số of every file."""

    verdict: str
    legal_class: str | None
    files: list[FileReport]


class WebhookOut(TypedDict):
    """Webhook: one subscription and how it fares."""

    id: str
    system_id: str
    url: str
    kinds: list[str]
    state: str
    why: str
    cursor: int
    newest: int
    tries: int
    failing_since: str | None
    due_at: str
    dead: int
    created_at: str
    secret: NotRequired[str | None]


class WebhooksOut(TypedDict):
    """Webhooks of the caller, oldest first."""

    items: list[WebhookOut]
