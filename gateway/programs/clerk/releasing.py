"""releasing: a draft goes out through the front door, once.

1. all of it is looked at; who issues it, as what, lacking what (SIG-01…SIG-07) is recorded and the
draft marked as being issued, in one commit; 2. the front door takes it under a key of the draft and
its revision; 3. the draft is sent, keeps no text of its own, and what is owed on paper is a thing
to do.

A crash before 1 leaves the draft as it was; between 1 and 3 it stands as "being issued", and
whoever presses again gets the very same document.
"""

from collections.abc import AsyncIterator, Sequence

from gateway.domain.access import Person
from gateway.domain.drafting import OPEN_STATES, DraftEvent, DraftState, read_fields
from gateway.domain.machine import IllegalTransitionError
from gateway.domain.paper import paper_rule
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Conflict, FormFile, FrontDoor, SubmitOptions
from gateway.ports.clerk_send import Draft, DraftFile
from gateway.programs.acceptance import CONSOLE
from gateway.programs.catalogue import whois
from gateway.programs.clerk import draftfiles
from gateway.programs.clerk.draftbook import NO_TEXT, DraftBook, let_go
from gateway.programs.clerk.draftcheck import (
    ClerkPolicy,
    caller_of,
    check,
    draft_header,
    packet_of,
)
from gateway.programs.clerk.draftrows import changed_meanwhile, step
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.todos import PAPER, todo_row
from gateway.rules.release import Release, ReleasedAs


class Releasing:
    """Issues drafts."""

    def __init__(
        self, context: Context, door: FrontDoor, policy: ClerkPolicy, book: DraftBook
    ) -> None:
        self._context = context
        self._door = door
        self._policy = policy
        self._book = book

    async def release(
        self, draft_id: str, revision: int, *, confirmed: bool, by: Person
    ) -> str | None:
        """Issue it, once."""
        draft = await self._book.get(draft_id)
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
        found = await check(self._context, self._policy, draft)
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
        after = await self._book.get(draft.id)
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
        empty = {**NO_TEXT, "recipients": "[]"}
        gone = let_go(draft)
        await self._book.change(draft, DraftEvent.DROPPED, by, "draft-set-apart", *gone, **empty)

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
        empty = {**NO_TEXT, "recipients": "[]"} if secret else {}
        change = step(draft, DraftEvent.REFUSED, now, released_as="", **empty)
        gone = let_go(draft) if secret else ()
        await self._context.ledger.commit(ChangeSet(rows=(change, *gone)))

    async def _sent(self, draft: Draft, consignment_id: str) -> None:
        context, now = self._context, self._context.clock.now()
        rows: list[Change] = [
            # The document says it from now on, as long as it may: a draft keeps no second copy.
            step(draft, DraftEvent.ACCEPTED, now, consignment_id=consignment_id, **NO_TEXT),
            *let_go(draft),
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
