"""What the pages of sending ask: drafts and their release, what an agency sent, what is to be done.

Protocols and the frozen values crossing them; nothing here does anything. Whoever calls has asked
for the right, for the agency a thing belongs to (`Draft.agency`, `Sent.agency`, `Todo.agency`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from gateway.domain.access import Person
from gateway.domain.drafting import DraftState, Recipient
from gateway.domain.envelope import BusinessType
from gateway.ports.callers import AgencyRow, FormFile, Packet
from gateway.rules.release import Release

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DraftFile:
    """One file of a draft, the main document first."""

    name: str
    sha256: str
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A document being prepared (dự thảo); `revision` grows with every change.

    Args:
        id: Of the draft.
        agency: Canonical code of the sender.
        account_id: Who drafts it.
        state: See `gateway.domain.drafting.DRAFT`.
        revision: What a change must name, so that nobody overwrites what another typed.
        form: The fields as typed.
        recipients: In order.
        files: In order.
        note: Why it was sent back to the drafter, "" if not.
        ready_by: Who marked it ready, "" while it is not.
        ready_at: When.
        sent_by: Who issued it.
        released_as: As what it was issued.
        consignment_id: What became of it.
        updated_at: Last change.
    """

    id: str
    agency: str
    account_id: str
    state: DraftState
    revision: int
    form: Mapping[str, str]
    recipients: tuple[Recipient, ...]
    files: tuple[DraftFile, ...]
    note: str
    ready_by: str
    ready_at: datetime | None
    sent_by: str
    released_as: str
    consignment_id: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """A recipient of a draft as the catalogue has it today.

    Args:
        code: As chosen.
        name: The catalogue's, else the one kept.
        problem: Why nothing can be sent there, in both languages; None when it can.
        connected: False: it is sent by other means (SND-04).
        successors: Who took over from a closed code, code and name.
        paper: Why a paper copy goes along, "" for none (SND-06).
    """

    code: str
    name: str
    problem: tuple[str, str] | None = None
    connected: bool = True
    successors: tuple[tuple[str, str], ...] = ()
    paper: str = ""


@dataclass(frozen=True, slots=True)
class FileSeen:
    """What is known of one file: the verdict on its signatures, and who signed."""

    verdict: str
    signers: tuple[str, ...] = ()
    scanned: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Everything said of a draft at once.

    Args:
        release: As what it may be issued, and what is wrong.
        legal_class: Its legal class, "" before a verdict.
        files: One a file, in order.
        chosen: One a recipient, in order.
        verdict: `pending` while signatures are still being looked at.
        deadline: From when issuing it is late, None without a date (SND-01).
        late: Whether it is late now; never a hindrance.
        number_hint: The next number of the gateway's own counter, None where it keeps none.
    """

    release: Release
    legal_class: str
    files: tuple[FileSeen, ...]
    chosen: tuple[Chosen, ...]
    verdict: str
    deadline: datetime | None = None
    late: bool = False
    number_hint: int | None = None


@dataclass(frozen=True, slots=True)
class RecipientGroup:
    """Recipients under a name (nhóm nơi nhận)."""

    id: str
    name: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DraftPage:
    """A page of drafts, urgent ones first; `after` is the cursor of the next, "" for none."""

    items: tuple[Draft, ...]
    after: str = ""


class Drafts(Protocol):
    """Documents being prepared, and their release.

    Every change raises RejectedError: NOT_FOUND, CONFLICT when somebody changed it meanwhile,
    ILLEGAL_TRANSITION when its state forbids it; nothing is half done.
    """

    async def create(
        self,
        agency: str,
        *,
        by: Person,
        copy_of: str = "",
        change: BusinessType = BusinessType.NEW,
    ) -> str:
        """Begin a draft; `copy_of` a document of the same agency: its fields and files.

        With `change`, one that recalls, updates or replaces that document (REC-04, REC-05): for
        those who have it, without its files; only an update keeps its number.
        """
        ...

    async def get(self, draft_id: str) -> Draft:
        """Return one draft."""
        ...

    async def of_agency(self, agency: str, state: DraftState, *, after: str) -> DraftPage:
        """Return a page of an agency's drafts."""
        ...

    async def mine(self, person: Person, *, after: str) -> DraftPage:
        """Return a page of what a person drafted, whatever became of it, newest first."""
        ...

    async def of_document(self, consignment_id: str) -> Draft | None:
        """Return the draft a document was, None when it was none."""
        ...

    async def save(
        self,
        draft_id: str,
        revision: int,
        form: Mapping[str, str],
        recipients: Sequence[Recipient],
        *,
        by: Person,
    ) -> Draft:
        """Keep fields and recipients as typed, whatever is wrong with them."""
        ...

    async def add_file(self, draft_id: str, file: FormFile, *, by: Person) -> Draft:
        """Take a file: stored, and checked before it is part of the draft.

        RejectedError with findings for a format, malware or a secrecy mark that cannot be sent;
        what shows a secrecy mark is set apart (SEC-01).
        """
        ...

    async def move_file(self, draft_id: str, sha256: str, *, by: Person) -> Draft:
        """Make a file the main document."""
        ...

    async def drop_file(self, draft_id: str, sha256: str, *, by: Person) -> Draft:
        """Take a file out."""
        ...

    async def file(self, draft_id: str, sha256: str) -> Packet:
        """Return one file of a draft."""
        ...

    async def mark_ready(self, draft_id: str, revision: int, *, by: Person) -> Draft:
        """Hand it to the clerk (SND-07)."""
        ...

    async def send_back(self, draft_id: str, revision: int, note: str, *, by: Person) -> Draft:
        """Hand it back to the drafter."""
        ...

    async def drop(self, draft_id: str, revision: int, *, by: Person) -> None:
        """Give it up; its files are let go."""
        ...

    async def check(self, draft: Draft) -> Check:
        """Look at all of it, as the release will."""
        ...

    async def release(
        self, draft_id: str, revision: int, *, confirmed: bool, by: Person
    ) -> str | None:
        """Issue it and return the consignment's id; None: the issue is still under way.

        Safe to repeat: a draft is issued once. `confirmed`: the clerk has read that it can only go
        out as "để biết, tham khảo"; without it, such a draft is RejectedError(RULES_BROKEN) with
        what it lacks.
        """
        ...

    async def find(self, text: str, *, limit: int = 12) -> Sequence[AgencyRow]:
        """Return whom a text may mean, closed ones with their successors among them."""
        ...

    async def recent(self, agency: str) -> Sequence[Recipient]:
        """Return whom an agency sent to lately, most recent first."""
        ...

    async def groups(self, agency: str) -> Sequence[RecipientGroup]:
        """Return an agency's groups of recipients."""
        ...

    async def put_group(self, agency: str, name: str, codes: Sequence[str], *, by: Person) -> None:
        """Keep a group under a name; no codes: take it away."""
        ...


@dataclass(frozen=True, slots=True)
class SentRow:
    """One document in a list of what an agency sent.

    Args:
        id: Consignment id.
        agency: Canonical code of the sender.
        code: Number and notation.
        dated: Of the document.
        due: When an answer is due.
        subject: Its abstract.
        urgency: 0 to 4.
        state: Of the consignment.
        legal_class: Its legal class.
        issued_at: When it was issued.
        late: It was issued late (SND-01).
        counts: Number of recipients by delivery state.
        open_for: Recipients that are the reason why it stands in this list: names.
        via: How it came: `console`, `api`, …
        days_late: Days past the due date.
        follow_up: Whether a receiver has confirmed nothing for too long (SND-08).
    """

    id: str
    agency: str
    code: str
    dated: date | None
    due: date | None
    subject: str
    urgency: int
    state: str
    legal_class: str
    issued_at: datetime | None
    late: bool
    counts: Mapping[str, int] = field(default_factory=dict)
    open_for: tuple[str, ...] = ()
    via: str = ""
    days_late: int = 0
    follow_up: bool = False


@dataclass(frozen=True, slots=True)
class SentPage:
    """A page of them; `after` is the cursor of the next, "" for none."""

    items: tuple[SentRow, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a document's way to one recipient (mốc hành trình)."""

    at: datetime | None
    tone: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one recipient, as a parcel tracker shows it.

    Args:
        delivery_id: The delivery.
        agency: Canonical code.
        name: Its name.
        state: Of the delivery.
        tone: How it looks: `good`, `doubt`, `bad`, `none`.
        state_text: In both languages.
        now: Who must do what now, in both languages; empty when nobody must.
        steps: What happened, oldest first.
        may_resend: Whether it can be sent again as it is.
        follow_up: Whether the receiver has confirmed nothing for too long (SND-08).
    """

    delivery_id: str
    agency: str
    name: str
    state: str
    tone: str
    state_text: tuple[str, str]
    now: tuple[str, str]
    steps: tuple[Step, ...]
    may_resend: bool = False
    follow_up: bool = False


@dataclass(frozen=True, slots=True)
class SentDocument:
    """One document an agency sent.

    Args:
        agency: Canonical code of the sender.
        document: As `Desk.document` shows it.
        ways: One a recipient.
        events: What happened, in words, oldest first.
        deadline: From when issuing it was late.
        late: Whether it was.
        drafted_by: Account that drafted it, "" when it came from a system.
    """

    agency: str
    document: Json
    ways: tuple[Way, ...]
    events: tuple[Step, ...]
    deadline: datetime | None = None
    late: bool = False
    drafted_by: str = ""


class SentDesk(Protocol):
    """What an agency sent, from its own systems too."""

    async def page(self, agency: str, tab: str, *, after: str) -> SentPage:
        """Return a page of a list: sent, open, failed, refused, returned, recalled, other-means."""
        ...

    async def late(self, agency: str, *, after: str) -> SentPage:
        """Return whose answers are overdue, longest first (SND-09, RPT-14)."""
        ...

    async def late_of(self, person: Person, *, after: str) -> SentPage:
        """Return the same of what a person drafted, whatever the agency, newest first."""
        ...

    async def owner(self, consignment_id: str) -> tuple[str, str]:
        """Return the agency of a document and who drafted it; RejectedError(NOT_FOUND)."""
        ...

    async def document(self, consignment_id: str) -> SentDocument:
        """Return one document; RejectedError(NOT_FOUND), what is in quarantine included."""
        ...

    async def verification(self, consignment_id: str) -> Json:
        """Return its verification reports, as `Desk.document_verification`."""
        ...

    async def receipts(self, consignment_id: str) -> Json:
        """Return its receipts, as `Desk.document_receipts`."""
        ...

    async def file(self, consignment_id: str, index: int) -> Packet:
        """Return one file of it."""
        ...

    async def resend(self, consignment_id: str, delivery_id: str, why: str, *, by: Person) -> None:
        """Put a failed delivery back into its lane; CONFLICT when it is none."""
        ...


@dataclass(frozen=True, slots=True)
class Todo:
    """Something to do outside the gateway (việc cần làm)."""

    id: str
    agency: str
    kind: str
    document: str
    data: Mapping[str, str]
    state: str
    urgency: int
    created_at: datetime
    done_by: str = ""
    done_at: datetime | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class TodoPage:
    """A page of them, urgent ones first."""

    items: tuple[Todo, ...]
    after: str = ""


class Todos(Protocol):
    """What an agency's clerk must do outside the gateway."""

    async def page(self, agency: str, *, done: bool, after: str) -> TodoPage:
        """Return a page of what is open, or of what was done."""
        ...

    async def of_document(self, document: str) -> Sequence[Todo]:
        """Return what concerns one document."""
        ...

    async def get(self, todo_id: str) -> Todo:
        """Return one; RejectedError(NOT_FOUND)."""
        ...

    async def finish(self, todo_id: str, how: str, *, by: Person) -> None:
        """Record that it was done, how, by whom; safe to repeat."""
        ...
