"""drafts: documents prepared by form, until they are issued (`releasing`) or dropped.

Promises: fields, recipients and files are kept as they are typed and uploaded, whatever is wrong
with them; nobody overwrites what another typed. A crash leaves the draft as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.access import Person
from gateway.domain.directory import AgencyStatus
from gateway.domain.drafting import (
    DraftEvent,
    DraftState,
    Recipient,
    clean_form,
    read_fields,
)
from gateway.domain.envelope import BusinessType
from gateway.domain.lifecycle import ConsignmentState, DeliveryState
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    AgencyRow,
    Change,
    ChangeSet,
    Delete,
    FormFile,
    FrontDoor,
    Insert,
    Packet,
    Row,
)
from gateway.ports.clerk_send import Check, Draft, DraftFile, DraftPage, RecipientGroup
from gateway.programs.catalogue import today
from gateway.programs.clerk import draftfiles
from gateway.programs.clerk.circles import Circles
from gateway.programs.clerk.draftbook import NO_TEXT, DraftBook, let_go
from gateway.programs.clerk.draftcheck import (
    ClerkPolicy,
    check,
)
from gateway.programs.clerk.draftrows import (
    changed_meanwhile,
    draft_of,
    files_text,
    recipients_text,
)
from gateway.programs.clerk.marks import audited
from gateway.programs.clerk.releasing import Releasing
from gateway.programs.context import Context
from gateway.programs.rows import dumps, keep, loads

PAGE: Final = 50
_RACES: Final = 8
_LAST: Final = "\U0010ffff"
_MOST_URGENT: Final = 9
_NAMING: Final = ("code_number", "code_notation", "promulgation_date")
"""A document of another number or date is another document (DID-05)."""
_SEND_AGAIN: Final = frozenset(
    {
        DeliveryState.RETURNED.value,
        DeliveryState.FAILED.value,
        DeliveryState.CANCELLED.value,
        DeliveryState.RECALLED.value,
    }
)


class LedgerDrafts:
    """See `ports.clerk_send.Drafts`."""

    def __init__(self, context: Context, door: FrontDoor, policy: ClerkPolicy) -> None:
        self._context = context
        self._policy = policy
        self._book = DraftBook(context)
        self._releasing = Releasing(context, door, policy, self._book)
        self._circles = Circles(context, door)

    # ------------------------------------------------------------ reading

    async def get(self, draft_id: str) -> Draft:
        """Return one draft."""
        return await self._book.get(draft_id)

    async def of_agency(self, agency: str, state: DraftState, *, after: str) -> DraftPage:
        """Return a page of an agency's drafts, urgent ones first."""
        urgency, last = cursor_of(after)
        rows = await self._context.ledger.all(
            "drafts_open",
            agency=agency,
            state=state.value,
            urgency=urgency,
            id=last,
            limit=PAGE,
        )
        return DraftPage(tuple(map(draft_of, rows)), next_of(rows))

    async def mine(self, person: Person, *, after: str) -> DraftPage:
        """Return a page of what a person drafted, newest first."""
        rows = await self._context.ledger.all(
            "drafts_mine", account_id=person.account_id, before=after or _LAST, limit=PAGE
        )
        found = await self._with_sent([draft_of(r) for r in rows])
        return DraftPage(found, rows[-1]["id"] if len(rows) == PAGE else "")

    async def _with_sent(self, drafts: Sequence[Draft]) -> tuple[Draft, ...]:
        """Return drafts, those issued with what their documents say: they keep no text."""
        ids = dumps([d.consignment_id for d in drafts if d.consignment_id])
        rows = await self._context.ledger.all("consignments_of_many", ids=ids)
        said = {
            r["id"]: {
                "code_number": r["code_number"],
                "code_notation": r["code_notation"],
                "subject": r["subject"],
                "urgency": str(r["urgency"]),
            }
            for r in rows
            if r["state"] != ConsignmentState.QUARANTINED.value
        }
        return tuple(replace(d, form=said.get(d.consignment_id or "", d.form)) for d in drafts)

    async def of_document(self, consignment_id: str) -> Draft | None:
        """Return the draft a document was."""
        row = await self._context.ledger.one("draft_of_consignment", consignment_id=consignment_id)
        return draft_of(row) if row is not None else None

    async def file(self, draft_id: str, sha256: str) -> Packet:
        """Return one file of a draft."""
        draft = await self.get(draft_id)
        found = next((f for f in draft.files if f.sha256 == sha256), None)
        if found is None or draft.state is DraftState.DROPPED:
            raise RejectedError(Reason.NOT_FOUND)
        chunks = self._context.blobs.stream(sha256)
        return Packet(sha256, found.size_bytes, found.name, found.content_type, chunks)

    async def check(self, draft: Draft) -> Check:
        """Look at all of it."""
        return await check(self._context, self._policy, draft)

    # ------------------------------------------------------------ (1) preparing

    async def create(
        self,
        agency: str,
        *,
        by: Person,
        copy_of: str = "",
        change: BusinessType = BusinessType.NEW,
    ) -> str:
        """Begin a draft."""
        context = self._context
        sender = context.directory().get(agency)
        if sender is None or sender.status_on(today(context)) is not AgencyStatus.ACTIVE:
            raise RejectedError(Reason.CONFLICT, f"{agency} cannot send: its code is not in force")
        now, draft_id = context.clock.now(), context.ids.new()
        form, recipients, files = await self._copied(agency, copy_of, change)
        row: dict[str, Any] = {
            "id": draft_id,
            "agency": sender.code,
            "account_id": by.account_id,
            "state": DraftState.DRAFT.value,
            "urgency": int(read_fields(form).urgency),
            "form": dumps(form),
            "recipients": recipients_text(recipients),
            "files": files_text(files),
            "created_at": to_text(now),
            "updated_at": to_text(now),
        }
        rows: list[Change] = [Insert("draft", row)]
        rows += [keep(f.sha256, draft_id) for f in files]
        rows += audited(
            context.ids, now, by, "draft-created", f"draft:{draft_id}", agency=sender.code
        )
        await context.ledger.commit(ChangeSet(rows=tuple(rows)))
        return draft_id

    async def _copied(
        self, agency: str, consignment_id: str, change: BusinessType
    ) -> tuple[dict[str, str], tuple[Recipient, ...], tuple[DraftFile, ...]]:
        if not consignment_id:
            return {"promulgation_date": today(self._context).isoformat()}, (), ()
        row = await self._context.ledger.one("consignment", id=consignment_id)
        if row is None or row["sender"] != agency or row["state"] == "quarantined":
            raise RejectedError(Reason.NOT_FOUND)
        envelope = envelope_from_json(loads(row["envelope"]))
        deliveries = await self._context.ledger.all("deliveries", consignment_id=consignment_id)
        if change is not BusinessType.NEW:
            form = draftfiles.changing(
                envelope.header, row["document_id"] or "", change, today(self._context)
            )
            return form, _recipients(d for d in deliveries if d["state"] not in _SEND_AGAIN), ()
        form = draftfiles.from_header(envelope.header)
        # DID-07: the same identifier may go again, with other content, to whom it did not reach.
        recipients = _recipients(d for d in deliveries if d["state"] in _SEND_AGAIN)
        files = [
            DraftFile(a.name, a.sha256, a.size_bytes, a.content_type)
            for a in envelope.attachments
            if await self._context.blobs.has(a.sha256)
        ]
        if not recipients:  # for others, or anew: it is a document of its own
            form.pop("document_id", None)
        return form, recipients, tuple(files)

    async def save(
        self,
        draft_id: str,
        revision: int,
        form: Mapping[str, str],
        recipients: Sequence[Recipient],
        *,
        by: Person,
    ) -> Draft:
        """Keep fields and recipients as typed."""
        draft = await self._book.at(draft_id, revision)
        kept = clean_form(form)
        kept.pop("document_id", None)
        same = all(kept.get(k) == draft.form.get(k) for k in _NAMING)
        if same and "document_id" in draft.form:  # it came with the document drafted again
            kept["document_id"] = draft.form["document_id"]
        columns = {
            "form": dumps(kept),
            "recipients": recipients_text(recipients),
            "urgency": int(read_fields(kept).urgency),
        }
        if columns["form"] == dumps(dict(draft.form)) and recipients_text(
            draft.recipients
        ) == recipients_text(recipients):
            return draft
        return await self._book.change(draft, DraftEvent.CHANGED, by, "", **columns)

    async def add_file(self, draft_id: str, file: FormFile, *, by: Person) -> Draft:
        """Take a file and look at it."""
        draft = await self._book.open(draft_id)
        taken = await draftfiles.take(self._context, draft, file)
        return await self._files(draft_id, by, taken, add=True)

    async def drop_file(self, draft_id: str, sha256: str, *, by: Person) -> Draft:
        """Take a file out."""
        return await self._files(draft_id, by, DraftFile("", sha256, 0, ""), add=False)

    async def move_file(self, draft_id: str, sha256: str, *, by: Person) -> Draft:
        """Make a file the main document."""
        draft = await self._book.open(draft_id)
        files = sorted(draft.files, key=lambda f: f.sha256 != sha256)
        return await self._book.change(draft, DraftEvent.CHANGED, by, "", files=files_text(files))

    async def _files(self, draft_id: str, by: Person, one: DraftFile, *, add: bool) -> Draft:
        """Add or take out a file; uploads beside one another all count."""
        for _ in range(_RACES):
            draft = await self._book.open(draft_id)
            others = [f for f in draft.files if f.sha256 != one.sha256]
            there = len(others) < len(draft.files)
            if there == add:
                return draft
            files = files_text([*others, one] if add else others)
            more: Change = (
                keep(one.sha256, draft_id)
                if add
                else Delete("blob_ref", {"sha256": one.sha256, "owner": draft_id})
            )
            try:
                return await self._book.change(draft, DraftEvent.CHANGED, by, "", more, files=files)
            except RejectedError as exc:
                if exc.reason is not Reason.CONFLICT:
                    raise
        raise changed_meanwhile()

    async def mark_ready(self, draft_id: str, revision: int, *, by: Person) -> Draft:
        """Hand it to the clerk (SND-07)."""
        draft = await self._book.at(draft_id, revision)
        at = to_text(self._context.clock.now())
        columns = {"ready_by": by.login, "ready_at": at, "note": ""}
        return await self._book.change(draft, DraftEvent.MARKED_READY, by, "draft-ready", **columns)

    async def send_back(self, draft_id: str, revision: int, note: str, *, by: Person) -> Draft:
        """Hand it back to the drafter."""
        draft = await self._book.at(draft_id, revision)
        columns = {"ready_by": "", "ready_at": None, "note": note[:1000]}
        return await self._book.change(
            draft, DraftEvent.SENT_BACK, by, "draft-sent-back", **columns
        )

    async def drop(self, draft_id: str, revision: int, *, by: Person) -> None:
        """Give it up; its files are let go."""
        draft = await self._book.at(draft_id, revision)
        gone = let_go(draft)
        await self._book.change(draft, DraftEvent.DROPPED, by, "draft-dropped", *gone, **NO_TEXT)

    # ------------------------------------------------------------ others' work

    async def release(
        self, draft_id: str, revision: int, *, confirmed: bool, by: Person
    ) -> str | None:
        """Issue it, once; see `Releasing`."""
        return await self._releasing.release(draft_id, revision, confirmed=confirmed, by=by)

    async def find(self, text: str, *, limit: int = 12) -> Sequence[AgencyRow]:
        """Return whom a text may mean."""
        return await self._circles.find(text, limit=limit)

    async def recent(self, agency: str) -> Sequence[Recipient]:
        """Return whom an agency sent to lately."""
        return await self._circles.recent(agency)

    async def groups(self, agency: str) -> Sequence[RecipientGroup]:
        """Return an agency's groups of recipients."""
        return await self._circles.groups(agency)

    async def put_group(self, agency: str, name: str, codes: Sequence[str], *, by: Person) -> None:
        """Keep a group under a name; no codes: take it away."""
        await self._circles.put_group(agency, name, codes, by=by)


# ---------------------------------------------------------------- cursors: urgent first


def cursor_of(after: str) -> tuple[int, str]:
    """Return urgency and id after which a page begins."""
    urgency, _, last = after.partition(":")
    if urgency.isascii() and urgency.isdigit() and len(urgency) == 1 and last:
        return int(urgency), last[:64]
    return _MOST_URGENT, _LAST


def next_of(rows: Sequence[Row]) -> str:
    """Return the cursor behind a full page, "" when there is no more."""
    return f"{rows[-1]['urgency']}:{rows[-1]['id']}" if len(rows) == PAGE else ""


def _recipients(deliveries: Iterable[Row]) -> tuple[Recipient, ...]:
    return tuple(Recipient(d["agency"], d["name"]) for d in deliveries)
