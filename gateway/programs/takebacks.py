"""takebacks: what an agency of ours is asked to give back, and what the gateway does by itself.

Promises: before pick-up a recalled document is withdrawn, never handed out again, and 15 goes back;
what is held by law stays and is answered 16 with the reason; an agency with a system of its own
decides there; one that works in our console by itself where the settings say so, else by a clerk's
hand. The same question again gets the same answer again. The row is written with the question, the
decision is a change set of its own: a crash in between leaves it to the janitor's next sweep.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway import observe
from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import BusinessType, StatusCode
from gateway.domain.lifecycle import ARRIVAL, ArrivalEvent, ArrivalState, RecallState
from gateway.domain.moments import to_text
from gateway.domain.recall import targets
from gateway.domain.receipt import known_code
from gateway.errors import GatewayError, RejectedError, UnavailableError
from gateway.ports import Change, ChangeSet, Insert, Row, Update
from gateway.programs import ahead, matching, statuses
from gateway.programs.catalogue import family, works_in_console
from gateway.programs.context import Context
from gateway.programs.onward import onward
from gateway.programs.recalls import (
    BY_DOCUMENT,
    BY_STATUS,
    Asked,
    arrival_named,
    concerned_arrival,
    several,
)
from gateway.programs.routing import LOCAL
from gateway.programs.rows import event, loads
from gateway.programs.statuses import Said
from gateway.programs.todos import COLLECT_PRINTED, RECALL_ONWARD, todo_row
from gateway.programs.undetermined import Decision

GATEWAY: Final = "gateway"
_PAGE: Final = 100
_RACES: Final = 8
_UNANSWERED: Final = (RecallState.ASKED.value, RecallState.DECLINED.value)
_GIVEABLE: Final = frozenset(
    state.value for state, kind in ARRIVAL.rows if kind is ArrivalEvent.RECALL_AGREED
)
GONE: Final = (ArrivalState.RECALLED.value, ArrivalState.RETURNED.value)
_UNFETCHED: Final = frozenset({ArrivalState.CHECKED.value, ArrivalState.OFFERED.value})
_ANSWERS: Final = frozenset({StatusCode.RECALL_AGREED, StatusCode.RECALL_DECLINED})
WITHDRAWN: Final = "văn bản được rút lại trước khi đơn vị nhận lấy về"
AGREED: Final = "đã thu hồi văn bản"

Also = Callable[[Row, datetime], Sequence[Change]]
"""More rows of the same commit, from the arrival as it is then."""


@dataclass(frozen=True, slots=True)
class Only:
    """Which of the documents that an arrival asks for is answered; by default all of them.

    Args:
        name: The one of several, as it is named.
        arrival_id: The version the question was about; others may have come meanwhile.
    """

    name: str = ""
    arrival_id: str = ""


Report = Callable[[str, str, str, Decision, str, Also | None, Only], Awaitable[Any]]
"""Arrival, code, reason, who decided, the state the document must still be in, what else, about
which of what the arrival asks for."""


# ---------------------------------------------------------------- rows


async def noticed(context: Context, arrival: Row, asked: Asked, now: datetime) -> list[Change]:
    """Return what being asked for a document changes: a row that waits to be looked at."""
    values = {
        "means": asked.means,
        "notice_id": asked.notice_id,
        "reason": asked.reason[:500],
        "looked": 0,
    }
    changes: list[Change] = [
        event(arrival["id"], "recall_asked", now, agency=arrival["agency"], means=asked.means)
    ]
    known = await context.ledger.one("takeback_of", arrival_id=arrival["id"])
    asking = {"state": RecallState.ASKED.value, "asked_at": to_text(now)}
    if known is None:
        row = {
            "id": context.ids.new(),
            "arrival_id": arrival["id"],
            "agency": arrival["agency"],
            "sender": arrival["sender"],
            "document_id": arrival["document_id"],
        }
        changes.append(Insert("takeback", row | asking | values))
    else:
        # REC-02: what was agreed stays agreed, its answer goes out again: it may have been lost.
        agreed = known["state"] == RecallState.AGREED.value
        where = {"id": known["id"], "state": known["state"]}
        changes.append(Update("takeback", where, values if agreed else values | asking))
    sent = [c for c in arrival["sent_codes"].split(",") if c]
    kept = [c for c in sent if known_code(c) not in _ANSWERS]
    if kept != sent:
        where = {"id": arrival["id"], "sent_codes": arrival["sent_codes"]}
        changes.append(Update("arrival", where, {"sent_codes": ",".join(kept)}))
    return changes


def answered(context: Context, arrival: Row, said: Said, by: str, now: datetime) -> list[Change]:
    """Return what an agency's 15 or 16 does to the record of the question (REC-01, REC-02)."""
    agreed = known_code(said.code) is StatusCode.RECALL_AGREED
    state = RecallState.AGREED if agreed else RecallState.DECLINED
    values = {
        "state": state.value,
        "looked": 1,
        "answered_at": to_text(now),
        "answered_by": by[:200],
        "answer": said.reason[:500],
    }
    changes: list[Change] = []
    if agreed:
        # A system may agree to what nobody here heard of: the tombstone stands all the same.
        row = {
            "id": context.ids.new(),
            "arrival_id": arrival["id"],
            "agency": arrival["agency"],
            "sender": arrival["sender"],
            "document_id": arrival["document_id"],
            "asked_at": to_text(now),
        }
        changes.append(Insert("takeback", row | values, ignore=True))
    before = _UNANSWERED if agreed else (RecallState.ASKED.value,)
    where = {"arrival_id": arrival["id"], "state": before}
    changes.append(Update("takeback", where, values, expect=None))
    where = {"arrival_id": arrival["id"], "looked": 0}
    changes.append(Update("takeback", where, {"looked": 1}, expect=None))
    return changes


async def chores(context: Context, arrival: Row, now: datetime) -> list[Change]:
    """Return what persons must do once a document that had been picked up is given back."""
    if arrival["entered_system_at"] is None or not works_in_console(context, arrival["agency"]):
        return []
    header = loads(arrival["envelope"])["header"]
    told = {"title": header.get("subject", "")[:200], "agency": arrival["sender"]}
    told |= {"name": arrival["sender_name"], "why": arrival["document_id"]}
    own, urgency = arrival["agency"], arrival["urgency"]
    changes: list[Change] = [
        todo_row(
            context.ids, own, COLLECT_PRINTED, arrival["id"], now,
            document=arrival["id"], urgency=urgency, side="in", **told,
        )
    ]  # fmt: skip
    changes += [
        todo_row(
            context.ids, own, RECALL_ONWARD, sent["id"], now,
            document=sent["id"], urgency=urgency, **told,
        )
        for sent in await onward(context, arrival)
    ]  # fmt: skip
    return changes


async def by_document(context: Context, arrival: Row, now: datetime) -> list[Change]:
    """Return what a document of type 1, just arrived, asks for (spec/edxml.md 5, mechanism B)."""
    if arrival["business_type"] != BusinessType.RECALL:
        return []
    header = envelope_from_json(loads(arrival["envelope"])).header
    asked = Asked(BY_DOCUMENT, arrival["id"], header.business.reason)
    names = several(arrival)
    if not names:
        target = await concerned_arrival(context, arrival)
        if target is not None:
            return await noticed(context, await still_here(context, target), asked, now)
        names = targets(header, own_id_exists=False) or ("",)
    changes: list[Change] = []
    here: set[str] = set()
    for name in names:
        # REC-05: one message may ask for several; what is here of them does not hide the rest.
        target = await arrival_named(context, arrival, name) if name else None
        if target is None:
            changes += await _nothing_here(context, arrival, name, asked, now)
            continue
        target = await still_here(context, target)
        if target["id"] not in here:
            here.add(target["id"])
            changes += await noticed(context, target, asked, now)
    return changes


async def _nothing_here(
    context: Context, arrival: Row, name: str, asked: Asked, now: datetime
) -> list[Change]:
    """Return what a document of type 1 about what is not here leaves to answer (REC-01)."""
    changes: list[Change] = []
    agency, sender = arrival["agency"], arrival["sender"]
    other = await of_others(context, agency, sender, name)
    if other is not None:
        # REC-06: kept and shown like any document, and nothing happens to the other's.
        observe.alarm(what="recall by another agency refused", subject=arrival["id"])
        changes.append(event(other["id"], "recall_refused", now, sender=sender))
    waits = other is not None or works_in_console(context, agency)
    rows, _ = await ahead.noticed(context, agency, sender, name, asked, now, waits=waits)
    return [*changes, *rows]


async def held(context: Context, subject: str) -> Row | None:
    """Return the legal hold that stands on an arrival or a consignment (REC-08)."""
    return await context.ledger.one("legal_hold", subject=subject)


async def versions(context: Context, arrival: Row, *, by_name: bool = False) -> list[Row]:
    """Return the other versions of a document that could be given back with it.

    From outside it is asked for by its identifier, which all versions have; a sender of this
    gateway asks for each of its sendings, or `by_name` in a document of type 1. What was sent off
    after it was asked for is another sending.
    """
    alone = arrival["source"] == statuses.PAPER or (arrival["source"] == LOCAL and not by_name)
    if alone or not arrival["document_id"].strip():
        return []
    found = await matching.arrivals_named(
        context, arrival["agency"], arrival["sender"], arrival["document_id"]
    )
    giveable = [
        row
        for row in found
        if row["id"] != arrival["id"]
        and row["agency"] == arrival["agency"]
        and row["business_type"] != BusinessType.RECALL
        and row["state"] in _GIVEABLE
    ]
    question = await context.ledger.one("takeback_of", arrival_id=arrival["id"])
    if question is None or not giveable:
        return giveable
    since = await ahead.sent_since(context, question, arrival, giveable)
    return [row for row in giveable if row["id"] not in since]


async def still_here(context: Context, arrival: Row) -> Row:
    """Return what is asked for by a name: an older version where the newest went back already.

    It decides for itself, picked up or held (REC-08). An open question stays with its version.
    """
    if arrival["state"] not in GONE:
        return arrival
    question = await context.ledger.one("takeback_of", arrival_id=arrival["id"])
    if question is not None and question["state"] == RecallState.ASKED.value:
        return arrival
    left = await versions(context, arrival, by_name=True)
    return next((one for one in left if one["version"] < arrival["version"]), arrival)


async def asked_about(context: Context, arrival: Row) -> Row:
    """Return what an answer to an identifier is about: the version whose question is open."""
    if arrival["business_type"] == BusinessType.RECALL or not arrival["document_id"].strip():
        return arrival
    versions = await matching.arrivals_named(
        context, arrival["agency"], arrival["sender"], arrival["document_id"]
    )
    for one in (arrival, *versions):
        question = await context.ledger.one("takeback_of", arrival_id=one["id"])
        asked = question is not None and question["state"] == RecallState.ASKED.value
        if asked and one["agency"] == arrival["agency"]:
            return one
    return arrival


async def asked_beside(context: Context, arrival: Row, code: str) -> list[Row]:
    """Return the other versions a sender of this gateway asked back that wait for their answer.

    Each has a 13 of its own, and all name one identifier: an agency's system cannot tell them
    apart, so what it answers of one it answers of all. What the law keeps is not given back.
    """
    if arrival["source"] != LOCAL or known_code(code) not in _ANSWERS:
        return []
    found = await matching.arrivals_named(
        context, arrival["agency"], arrival["sender"], arrival["document_id"]
    )
    agreed = known_code(code) is StatusCode.RECALL_AGREED
    beside = []
    for row in found:
        if row["agency"] != arrival["agency"] or not await waits_under(context, row, arrival):
            continue
        if not (agreed and await held(context, row["id"])):
            beside.append(row)
    return beside


async def waits_under(context: Context, other: Row, arrival: Row) -> bool:
    """Tell whether another version under an arrival's identifier is asked back, and unanswered."""
    if other["id"] == arrival["id"] or other["document_id"] != arrival["document_id"]:
        return False
    question = await context.ledger.one("takeback_of", arrival_id=other["id"])
    return question is not None and question["state"] == RecallState.ASKED.value


async def of_others(context: Context, agency: str, issuer: str, document_id: str) -> Row | None:
    """Return an agency's arrival under this identifier that somebody else sent (REC-06)."""
    if not document_id.strip():
        return None
    ours = set(json.loads(family(context, issuer)))
    rows = await context.ledger.all(
        "arrivals_of_document", agency=agency, document_ids=matching.spellings(document_id)
    )
    return next((row for row in rows if row["sender"] not in ours), None)


# ---------------------------------------------------------------- decisions


class Takebacks:
    """Decides what is asked back, as far as no person has to; keeps nothing of its own.

    Args:
        context: Ports and policy.
        report: Reports a status on an arrival.
    """

    def __init__(self, context: Context, report: Report) -> None:
        self._context = context
        self._report = report

    async def sweep(self) -> None:
        """Look at all that nobody has looked at; safe to repeat."""
        after = ""
        while True:
            rows = await self._context.ledger.all("takebacks_unlooked", after=after, limit=_PAGE)
            for row in rows:
                try:
                    await self.look(row["id"])
                except GatewayError as exc:
                    observe.alarm(what="recall not decided", subject=row["id"], failure=exc)
            if len(rows) < _PAGE:
                return
            after = rows[-1]["id"]

    async def look_at(self, asked: str) -> None:
        """Look at what was just asked back: an arrival, or the question where there is none."""
        row = await self._context.ledger.one("takeback_of", arrival_id=asked)
        await self.look(row["id"] if row is not None else asked)

    async def look(self, takeback_id: str) -> None:
        """Decide one question, or leave it to who must.

        Restored from an old backup, what looks as if nobody had fetched it may have been fetched:
        nothing is withdrawn before an operator let go.
        """
        if self._context.restored:
            return
        for _ in range(_RACES):
            row = await self._context.ledger.one("takeback", id=takeback_id)
            if row is None or row["looked"]:
                return
            if row["arrival_id"] is None:
                await self._look_ahead(row)
                continue
            arrival = await self._context.ledger.one("arrival", id=row["arrival_id"])
            if arrival is None:
                return
            answer = await self._by_itself(row, arrival)
            if answer is None:
                await self._leave(row, arrival)
                return
            try:
                await self.answer(row, *answer, by=GATEWAY, still=arrival["state"])
            except RejectedError as exc:
                # Picked up, or held, at this very moment: the facts are looked at again.
                fresh = await self._context.ledger.one("arrival", id=arrival["id"])
                if fresh is not None and fresh["state"] == arrival["state"]:
                    observe.alarm(what="recall not decided", subject=row["id"], failure=exc)
                    await self._leave(row, arrival)
                    return

    async def _look_ahead(self, row: Row) -> None:
        """Answer 16 about what is not here, unless it came meanwhile (REC-01)."""
        ledger, now = self._context.ledger, self._context.clock.now()
        arrival = await ahead.come(self._context, row)
        if arrival is not None:
            known = await ledger.one("takeback_of", arrival_id=arrival["id"])
            changes = ahead.attached(self._context, arrival, row, now)
            if known is not None:
                asked = Asked(row["means"], row["notice_id"], row["reason"])
                changes = [
                    Update("takeback", {"id": row["id"], "looked": 0}, {"looked": 1}),
                    *await noticed(self._context, arrival, asked, now),
                ]
            await ledger.commit(ChangeSet(rows=tuple(changes)))
            return
        # A document that comes at this very moment takes the question with it.
        open_ = {"id": row["id"], "arrival_id": None, "looked": 0}
        if row["means"] == BY_DOCUMENT:
            decision = Decision(ahead.UNKNOWN, GATEWAY, GATEWAY)
            only = Only(row["document_id"])

            def also(_: Row, at: datetime) -> list[Change]:
                return [ahead.answered(open_, at)]

            code = StatusCode.RECALL_DECLINED.value
            try:
                await self._report(row["notice_id"], code, ahead.UNKNOWN, decision, "", also, only)
            except UnavailableError:
                # Somebody else was faster: another sweep, or the document itself.
                fresh = await ledger.one("takeback", id=row["id"])
                if fresh is None or not (fresh["looked"] or fresh["arrival_id"]):
                    raise
            return
        notice = await ledger.one("status_report", id=row["notice_id"])
        if notice is None:
            return
        told = ahead.sixteen(self._context, notice, row["agency"], now)
        await ledger.commit(ChangeSet(rows=(ahead.answered(open_, now), *told)))

    async def answer(
        self,
        row: Row,
        code: str,
        reason: str,
        *,
        by: str,
        still: str = "",
        also: Also | None = None,
    ) -> None:
        """Report 15 or 16 on the document, or on the message that asks (C5).

        Raises:
            RejectedError: The document is held, or not in the state `still` any more.
        """
        about = row["notice_id"] if row["means"] == BY_DOCUMENT else row["arrival_id"]
        decision = Decision(reason, by, GATEWAY)
        only = Only(row["document_id"], row["arrival_id"] or "")
        await self._report(about, code, reason, decision, still, also, only)

    async def _by_itself(self, row: Row, arrival: Row) -> tuple[str, str] | None:
        """Return the code and words of the gateway's own answer, None where others decide."""
        state = ArrivalState(arrival["state"])
        if row["state"] == RecallState.AGREED.value or state in {
            ArrivalState.RECALLED,
            ArrivalState.RETURNED,
        }:
            return StatusCode.RECALL_AGREED.value, row["answer"] or AGREED
        by_name = row["means"] == BY_DOCUMENT
        whole = [arrival, *await versions(self._context, arrival, by_name=by_name)]
        for one in whole:
            hold = await held(self._context, one["id"])
            if hold is not None:
                # REC-08: the law that keeps it is stronger than its sender's wish.
                return StatusCode.RECALL_DECLINED.value, hold["reason"]
        if all(one["state"] in _UNFETCHED for one in whole):
            return StatusCode.RECALL_AGREED.value, WITHDRAWN
        console = works_in_console(self._context, arrival["agency"])
        automatic = self._context.policy.recall_agree == "automatic"
        # What is finished may lie in the archive: a person decides, whatever the settings say.
        finished = any(one["state"] == ArrivalState.DONE.value for one in whole)
        if console and automatic and not finished:
            return StatusCode.RECALL_AGREED.value, AGREED
        return None

    async def _leave(self, row: Row, arrival: Row) -> None:
        now, agency = self._context.clock.now(), arrival["agency"]
        where = {"id": arrival["id"], "state": arrival["state"], "agency": agency}
        changes: list[Change] = [
            # Taken over by a successor while it was asked for: there it is answered (ID-05).
            Update("takeback", {"id": row["id"], "looked": 0}, {"looked": 1, "agency": agency}),
            # What was decided on is still so.
            Update("arrival", where, {"state": arrival["state"]}),
        ]
        if not works_in_console(self._context, arrival["agency"]):
            changes += await self.offered(row, now)
        await self._context.ledger.commit(ChangeSet(rows=tuple(changes)))

    async def offered(self, row: Row, now: datetime) -> list[Change]:
        """Return the rows that bring a 13 to the agency's system, which decides."""
        if row["means"] != BY_STATUS:
            return []
        report = await self._context.ledger.one("status_report", id=row["notice_id"])
        if report is None or report["offered_at"] is not None:
            return []
        where = {"id": report["id"], "offered_at": None}
        return [
            Update("status_report", where, {"offered_at": to_text(now)}),
            statuses.offered_event(report, now),
        ]
