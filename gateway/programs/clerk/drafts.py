"""drafts: documents prepared by form, and their release through the front door.

1. fields, recipients, files are kept as they are typed and uploaded; 2. the release looks at all of
it, records who issues it as what (SIG-01…SIG-07) and marks the draft as being issued; 3. the front
door takes it under a key of the draft and its revision; 4. the draft is sent, and what is owed on
paper is a thing to do.

A crash before 2 leaves the draft as it was; between 2 and 4 it stands as "being issued", and
whoever presses again gets the very same document: it is issued once.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.access import Person
from gateway.domain.directory import AgencyStatus
from gateway.domain.drafting import (
    OPEN_STATES,
    DraftEvent,
    DraftState,
    Recipient,
    clean_form,
    read_fields,
)
from gateway.domain.lifecycle import ConsignmentState, DeliveryState
from gateway.domain.machine import IllegalTransitionError
from gateway.domain.moments import to_text
from gateway.domain.paper import paper_rule
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    AgencyRow,
    Change,
    ChangeSet,
    Conflict,
    Delete,
    FormFile,
    FrontDoor,
    Insert,
    Packet,
    Row,
    SubmitOptions,
    Update,
)
from gateway.ports.clerk_send import Check, Draft, DraftFile, DraftPage, RecipientGroup
from gateway.programs.acceptance import CONSOLE
from gateway.programs.catalogue import today, whois
from gateway.programs.clerk import draftfiles
from gateway.programs.clerk.draftcheck import (
    ClerkPolicy,
    caller_of,
    check,
    draft_header,
    packet_of,
)
from gateway.programs.clerk.draftrows import (
    changed_meanwhile,
    draft_of,
    files_text,
    recipients_text,
    step,
)
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.rows import dumps, keep, loads
from gateway.programs.todos import PAPER, todo_row
from gateway.rules.release import Release, ReleasedAs

PAGE: Final = 50
_RACES: Final = 8
_RECENT_DRAFTS: Final = 20
_RECENT: Final = 15
_LAST: Final = "\U0010ffff"
_MOST_URGENT: Final = 9
_NO_TEXT: Final = {"form": "{}", "files": "[]"}
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
        self._door = door
        self._policy = policy

    # ------------------------------------------------------------ reading

    async def get(self, draft_id: str) -> Draft:
        """Return one draft."""
        row = await self._context.ledger.one("draft", id=draft_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return draft_of(row)

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

    async def create(self, agency: str, *, by: Person, copy_of: str = "") -> str:
        """Begin a draft."""
        context = self._context
        sender = context.directory().get(agency)
        if sender is None or sender.status_on(today(context)) is not AgencyStatus.ACTIVE:
            raise RejectedError(Reason.CONFLICT, f"{agency} cannot send: its code is not in force")
        now, draft_id = context.clock.now(), context.ids.new()
        form, recipients, files = await self._copied(agency, copy_of)
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
        self, agency: str, consignment_id: str
    ) -> tuple[dict[str, str], tuple[Recipient, ...], tuple[DraftFile, ...]]:
        if not consignment_id:
            return {"promulgation_date": today(self._context).isoformat()}, (), ()
        row = await self._context.ledger.one("consignment", id=consignment_id)
        if row is None or row["sender"] != agency or row["state"] == "quarantined":
            raise RejectedError(Reason.NOT_FOUND)
        envelope = envelope_from_json(loads(row["envelope"]))
        form = draftfiles.from_header(envelope.header)
        # DID-07: the same identifier may go again, with other content, to whom it did not reach.
        recipients = tuple(
            Recipient(d["agency"], d["name"])
            for d in await self._context.ledger.all("deliveries", consignment_id=consignment_id)
            if d["state"] in _SEND_AGAIN
        )
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
        draft = await self._at(draft_id, revision)
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
        return await self._change(draft, DraftEvent.CHANGED, by, "", **columns)

    async def add_file(self, draft_id: str, file: FormFile, *, by: Person) -> Draft:
        """Take a file and look at it."""
        draft = await self._open(draft_id)
        taken = await draftfiles.take(self._context, draft, file)
        return await self._files(draft_id, by, taken, add=True)

    async def drop_file(self, draft_id: str, sha256: str, *, by: Person) -> Draft:
        """Take a file out."""
        return await self._files(draft_id, by, DraftFile("", sha256, 0, ""), add=False)

    async def move_file(self, draft_id: str, sha256: str, *, by: Person) -> Draft:
        """Make a file the main document."""
        draft = await self._open(draft_id)
        files = sorted(draft.files, key=lambda f: f.sha256 != sha256)
        return await self._change(draft, DraftEvent.CHANGED, by, "", files=files_text(files))

    async def _files(self, draft_id: str, by: Person, one: DraftFile, *, add: bool) -> Draft:
        """Add or take out a file; uploads beside one another all count."""
        for _ in range(_RACES):
            draft = await self._open(draft_id)
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
                return await self._change(draft, DraftEvent.CHANGED, by, "", more, files=files)
            except RejectedError as exc:
                if exc.reason is not Reason.CONFLICT:
                    raise
        raise changed_meanwhile()

    async def mark_ready(self, draft_id: str, revision: int, *, by: Person) -> Draft:
        """Hand it to the clerk (SND-07)."""
        draft = await self._at(draft_id, revision)
        at = to_text(self._context.clock.now())
        columns = {"ready_by": by.login, "ready_at": at, "note": ""}
        return await self._change(draft, DraftEvent.MARKED_READY, by, "draft-ready", **columns)

    async def send_back(self, draft_id: str, revision: int, note: str, *, by: Person) -> Draft:
        """Hand it back to the drafter."""
        draft = await self._at(draft_id, revision)
        columns = {"ready_by": "", "ready_at": None, "note": note[:1000]}
        return await self._change(draft, DraftEvent.SENT_BACK, by, "draft-sent-back", **columns)

    async def drop(self, draft_id: str, revision: int, *, by: Person) -> None:
        """Give it up; its files are let go."""
        draft = await self._at(draft_id, revision)
        gone = self._let_go(draft)
        await self._change(draft, DraftEvent.DROPPED, by, "draft-dropped", *gone, **_NO_TEXT)

    # ------------------------------------------------------------ (2)…(4) the release

    async def release(
        self, draft_id: str, revision: int, *, confirmed: bool, by: Person
    ) -> str | None:
        """Issue it, once."""
        draft = await self.get(draft_id)
        if draft.state is DraftState.SENT:
            return draft.consignment_id
        if draft.state in OPEN_STATES:
            if draft.revision != revision:
                raise changed_meanwhile()
            draft = await self._begin(draft, by, confirmed=confirmed)
        if draft.state is DraftState.SENT:
            return draft.consignment_id
        if draft.state is not DraftState.SENDING:
            raise IllegalTransitionError("draft", draft.state, DraftEvent.RELEASE_BEGAN)
        return await self._submit(draft)

    async def _begin(self, draft: Draft, by: Person, *, confirmed: bool) -> Draft:
        """Record who issues it as what; nothing has left yet."""
        found = await self.check(draft)
        await self._must_be_fit(draft, found.release, by, confirmed=confirmed)
        now = self._context.clock.now()
        # SIG-02, F08: who decided to send it for reference all the same, and what it lacked.
        rows = audited(
            self._context.ids,
            now,
            by,
            f"draft-released-as-{found.release.may.value}",
            f"draft:{draft.id}",
            agency=draft.agency,
            legal_class=found.legal_class,
            rules=sorted({f.rule for f in found.release.lacks}),
        )
        change = step(
            draft,
            DraftEvent.RELEASE_BEGAN,
            now,
            revision=draft.revision,
            sent_by=by.login,
            released_as=found.release.may.value,
        )
        result = await self._context.ledger.commit(ChangeSet(rows=(change, *rows)))
        after = await self.get(draft.id)
        if isinstance(result, Conflict) and after.state in OPEN_STATES:
            raise changed_meanwhile()
        return after

    async def _must_be_fit(
        self, draft: Draft, found: Release, by: Person, *, confirmed: bool
    ) -> None:
        if any(f.rule == "SEC-01" for f in found.errors):
            await self._set_apart(draft, by)
            raise RejectedError(Reason.SECRECY, findings=found.errors)
        if found.may is ReleasedAs.NOT:
            raise RejectedError(Reason.RULES_BROKEN, findings=(*found.errors, *found.lacks))
        if found.may is ReleasedAs.REFERENCE and not confirmed:
            raise RejectedError(
                Reason.RULES_BROKEN,
                "Without the right signatures it goes out for information only: confirm that",
                findings=found.lacks,
            )

    async def _set_apart(self, draft: Draft, by: Person) -> None:
        """SEC-01: what shows a secrecy mark is kept apart, and no draft any more."""
        header = draft_header(self._context, self._policy, draft)
        read = await packet_of(self._context, header, draft.files)
        await draftfiles.set_apart(self._context, draft.agency, read)
        empty = {**_NO_TEXT, "recipients": "[]"}
        gone = self._let_go(draft)
        await self._change(draft, DraftEvent.DROPPED, by, "draft-set-apart", *gone, **empty)

    async def _submit(self, draft: Draft) -> str | None:
        header = draft_header(self._context, self._policy, draft)
        key = f"draft:{draft.id}:{draft.revision}"
        options = SubmitOptions(via=CONSOLE, idempotency_key=key)
        files = self._form_files(draft.files)
        try:
            caller = caller_of(draft.agency)
            accepted = await self._door.submit_form(caller, header, files, options)
        except RejectedError as exc:
            if exc.reason is Reason.IN_FLIGHT:
                return None
            await self._refused(draft, secret=exc.reason is Reason.SECRECY)
            raise
        await self._sent(draft, accepted.id)
        return accepted.id

    async def _form_files(self, files: Sequence[DraftFile]) -> AsyncIterator[FormFile]:
        for file in files:
            yield FormFile(file.name, file.content_type, self._context.blobs.stream(file.sha256))

    async def _refused(self, draft: Draft, *, secret: bool) -> None:
        """Open it again, under another key: what was refused was not this document's last word.

        SEC-01: of what the door set apart nothing stays here.
        """
        now = self._context.clock.now()
        empty = {**_NO_TEXT, "recipients": "[]"} if secret else {}
        change = step(draft, DraftEvent.REFUSED, now, released_as="", **empty)
        gone = self._let_go(draft) if secret else ()
        await self._context.ledger.commit(ChangeSet(rows=(change, *gone)))

    def _let_go(self, draft: Draft) -> tuple[Delete, ...]:
        return tuple(
            Delete("blob_ref", {"sha256": f.sha256, "owner": draft.id}) for f in draft.files
        )

    async def _sent(self, draft: Draft, consignment_id: str) -> None:
        context, now = self._context, self._context.clock.now()
        rows: list[Change] = [
            # The document says it from now on, as long as it may: a draft keeps no second copy.
            step(draft, DraftEvent.ACCEPTED, now, consignment_id=consignment_id, **_NO_TEXT),
            *self._let_go(draft),
        ]
        type_name = draft.form.get("type_name", "")
        for recipient in draft.recipients:
            rule = paper_rule(self._policy.paper, recipient.code, type_name)
            if rule is not None:  # SND-06 (S003 art 6.5)
                who = whois(context, recipient.code)
                rows.append(
                    todo_row(
                        context.ids,
                        draft.agency,
                        PAPER,
                        f"{consignment_id}/{who.canonical}",
                        now,
                        document=consignment_id,
                        urgency=int(read_fields(draft.form).urgency),
                        agency=who.canonical,
                        name=who.name or recipient.name,
                        why=rule.purpose or rule.source,
                    )
                )
        await context.ledger.commit(ChangeSet(rows=tuple(rows)))  # a conflict: done by another

    # ------------------------------------------------------------ changes

    async def _open(self, draft_id: str) -> Draft:
        draft = await self.get(draft_id)
        if draft.state not in OPEN_STATES:
            raise IllegalTransitionError("draft", draft.state, DraftEvent.CHANGED)
        return draft

    async def _at(self, draft_id: str, revision: int) -> Draft:
        draft = await self._open(draft_id)
        if draft.revision != revision:
            raise changed_meanwhile()
        return draft

    async def _change(
        self, draft: Draft, what: DraftEvent, by: Person, action: str, *more: Change, **columns: Any
    ) -> Draft:
        now = self._context.clock.now()
        rows: list[Change] = [step(draft, what, now, **columns), *more]
        if action:
            target = f"draft:{draft.id}"
            rows += audited(self._context.ids, now, by, action, target, agency=draft.agency)
        result = await self._context.ledger.commit(ChangeSet(rows=tuple(rows)))
        if isinstance(result, Conflict):
            raise changed_meanwhile()
        return await self.get(draft.id)

    # ------------------------------------------------------------ recipients

    async def find(self, text: str, *, limit: int = 12) -> Sequence[AgencyRow]:
        """Return whom a text may mean."""
        return await self._door.find_agencies(text, limit=limit, closed=True)

    async def recent(self, agency: str) -> Sequence[Recipient]:
        """Return whom an agency sent to lately."""
        rows = await self._context.ledger.all(
            "drafts_sent_last", agency=agency, limit=_RECENT_DRAFTS
        )
        found: dict[str, Recipient] = {}
        for row in rows:
            for recipient in draft_of(row).recipients:
                found.setdefault(recipient.code, recipient)
        return list(found.values())[:_RECENT]

    async def groups(self, agency: str) -> Sequence[RecipientGroup]:
        """Return an agency's groups of recipients."""
        rows = await self._context.ledger.all("recipient_groups", agency=agency)
        return [RecipientGroup(r["id"], r["name"], tuple(loads(r["codes"]))) for r in rows]

    async def put_group(self, agency: str, name: str, codes: Sequence[str], *, by: Person) -> None:
        """Keep a group under a name; no codes: take it away."""
        context, now = self._context, self._context.clock.now()
        name = name.strip()[:100]
        if not name:
            raise RejectedError(Reason.BAD_REQUEST, "a group needs a name")
        where = {"agency": agency, "name": name}
        columns = {
            "codes": dumps(list(dict.fromkeys(codes))),
            "changed_by": by.login,
            "changed_at": to_text(now),
        }
        rows: list[Change] = [Delete("recipient_group", where)]
        if codes:
            fresh = Insert(
                "recipient_group", {"id": context.ids.new(), **where, **columns}, ignore=True
            )
            rows = [fresh, Update("recipient_group", where, columns)]
        marks = audited(
            context.ids, now, by, "recipient-group-changed", f"agency:{agency}", agency=agency
        )
        await context.ledger.commit(ChangeSet(rows=(*rows, *marks)))


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
