"""What a clerk does to an arrival: one commit each, with the report to the sender and the audit.

Promises: nothing is done twice however often it is asked for: a repeat says so and writes nothing;
an act the state forbids is refused. A crash leaves all of an act or none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.access import Person
from gateway.domain.arrival import report_status
from gateway.domain.duties import INCIDENT_TEXTS, IncidentKind
from gateway.domain.envelope import StaffInfo
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import to_text
from gateway.domain.receipt import REPEATABLE, irregular_reason, last_said
from gateway.domain.refusals import refusal_faults, refusal_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Change, ChangeSet, Conflict, Insert, Present, Row, Update
from gateway.ports.clerk_receive import Assigned, Done
from gateway.programs.catalogue import name_of
from gateway.programs.clerk.marks import audited
from gateway.programs.clerk.takingover import note_of
from gateway.programs.context import Context
from gateway.programs.mailroom import Mailroom
from gateway.programs.rows import event
from gateway.programs.statuses import Said, tell
from gateway.programs.undetermined import Decision

_MAX_OPINION = 2000
_ANSWERS = frozenset({"02", "03"})


class _AlreadyError(Exception):
    """The arrival is where the act would bring it, or further."""


@dataclass(frozen=True, slots=True)
class Why:
    """A refusal as it was typed."""

    code: str
    text: str
    answered_for: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Who is to handle a document or one of its tasks, and whether beside those who do already."""

    to: Assigned
    name: str
    beside: bool = False


async def accept(  # noqa: PLR0917
    context: Context,
    mailroom: Mailroom,
    person: Person,
    arrival_id: str,
    note: str,
    undetermined: str,
) -> Done:
    """Accept: 03, and the number (DID-04, RCV-02)."""
    decision = Decision(undetermined, person.login, person.login)

    def also(arrival: Row, now: datetime) -> tuple[Change, ...]:
        _must_move(arrival, "03")
        facts = {"agency": arrival["agency"], "arrival_id": arrival_id, "code": "03"}
        return audited(
            context.ids, now, person, "arrival-accepted", _target(arrival_id), reason=note, **facts
        )

    return await _report(context, mailroom, person, arrival_id, "03", note, decision, also)


async def refuse(
    context: Context, mailroom: Mailroom, person: Person, arrival_id: str, why: Why
) -> Done:
    """Refuse or return: 02 with its reason (RCV-03, RCV-04)."""
    faults = refusal_faults(why.code, why.text, answered_for=why.answered_for)
    if faults:
        raise RejectedError(Reason.BAD_REQUEST, "the reason is incomplete", findings=faults)
    reason = refusal_text(why.code, why.text)

    def also(arrival: Row, now: datetime) -> tuple[Change, ...]:
        _must_move(arrival, "02")
        facts = {"agency": arrival["agency"], "arrival_id": arrival_id, "code": why.code}
        return audited(
            context.ids, now, person, "arrival-refused", _target(arrival_id), reason=reason, **facts
        )

    return await _report(context, mailroom, person, arrival_id, "02", reason, Decision(), also)


async def progress(
    context: Context,
    mailroom: Mailroom,
    person: Person,
    arrival_id: str,
    note: str,
    *,
    finished: bool,
) -> Done:
    """Report 05 or 06 by hand (STS-03); RCV-13: only of what is registered."""
    code, action = ("06", "arrival-finished") if finished else ("05", "arrival-progress")

    def also(arrival: Row, now: datetime) -> list[Change]:
        _must_be_registered(arrival)
        if code not in REPEATABLE:
            _must_move(arrival, code)
        facts = {"agency": arrival["agency"], "arrival_id": arrival_id, "code": code}
        rows: list[Change] = [
            *audited(context.ids, now, person, action, _target(arrival_id), reason=note, **facts)
        ]
        return [*rows, _ended(arrival_id, now)] if finished else rows

    return await _report(context, mailroom, person, arrival_id, code, note, Decision(), also)


async def assign(
    context: Context, mailroom: Mailroom, person: Person, row: Row, part: Part
) -> Done:
    """Name who handles it (RCV-12), or a task of it (RCV-15); 04 goes out the first time."""
    to, name = part.to, part.name
    if not (to.account_id or to.lead.strip()):
        raise RejectedError(Reason.BAD_REQUEST, "name a person or the unit in the lead")
    if len(to.opinion) > _MAX_OPINION:
        raise RejectedError(Reason.BAD_REQUEST, f"the opinion has over {_MAX_OPINION} characters")
    arrival_id = row["id"]

    def rows(arrival: Row, now: datetime) -> list[Change]:
        _must_be_registered(arrival)
        values = {
            "id": context.ids.new(),
            "arrival_id": arrival_id,
            "agency": arrival["agency"],
            "account_id": to.account_id,
            "name": name,
            "lead": to.lead.strip(),
            "coordinating": to.coordinating.strip(),
            "due_on": to.due_on.isoformat() if to.due_on else "",
            "opinion": to.opinion.strip(),
            "urgency": arrival["urgency"],
            "by": person.name,
            "at": to_text(now),
        }
        facts = {"agency": arrival["agency"], "arrival_id": arrival_id, "code": "04"}
        reason = "; ".join(filter(None, (name or to.lead.strip(), to.opinion.strip())))
        target = _target(arrival_id)
        return [
            *([] if part.beside else [_ended(arrival_id, now)]),
            Insert("assignment", values),
            *audited(context.ids, now, person, "arrival-assigned", target, reason=reason, **facts),
        ]

    if row["state"] == ArrivalState.ACCEPTED.value:
        return await _report(context, mailroom, person, arrival_id, "04", "", Decision(), rows)
    now = context.clock.now()
    guard = Present("arrival", {"id": arrival_id, "state": row["state"]})
    change = ChangeSet(rows=tuple(rows(row, now)), guards=(guard,))
    if isinstance(await context.ledger.commit(change), Conflict):
        raise RejectedError(Reason.CONFLICT, "somebody else was faster: look again")
    return Done(row["arrival_number"], row["arrival_year"])


async def unassign(context: Context, person: Person, row: Row, assignment_id: str) -> Done:
    """End one unit's part (RCV-15): the others go on, the document stays as far as it is."""
    arrival_id, now = row["id"], context.clock.now()
    rows = await context.ledger.all("assignments_of", arrival_id=arrival_id)
    own = next((r for r in rows if r["id"] == assignment_id), None)
    if own is None:
        raise RejectedError(Reason.NOT_FOUND)
    where = {"id": assignment_id, "ended_at": None}
    facts = {"agency": row["agency"], "arrival_id": arrival_id}
    reason = own["name"] or own["lead"]
    target = _target(arrival_id)
    told = audited(context.ids, now, person, "assignment-ended", target, reason=reason, **facts)
    change = ChangeSet(rows=(Update("assignment", where, {"ended_at": to_text(now)}), *told))
    repeated = isinstance(await context.ledger.commit(change), Conflict)
    return Done(row["arrival_number"], row["arrival_year"], repeated=repeated)


async def irregular(context: Context, person: Person, row: Row, text: str) -> Done:
    """RCV-03 (NĐ30 art 21.2b): the person responsible hears of it at once, and so does the sender.

    Paper has no sender on the system: whoever is responsible tells it by hand.
    """
    if not text.strip():
        raise RejectedError(Reason.BAD_REQUEST, "say what is irregular")
    now = context.clock.now()
    incident = {
        "id": context.ids.new(),
        "agency": row["agency"],
        "kind": IncidentKind.IRREGULAR.value,
        "title": f"{INCIDENT_TEXTS[IncidentKind.IRREGULAR].vi}: {row['document_id']}",
        "detail": text.strip(),
        "subject": _target(row["id"]),
        "occurred_at": to_text(now),
        "opened_by": person.login,
        "opened_at": to_text(now),
    }
    rows = audited(
        context.ids,
        now,
        person,
        "arrival-irregular",
        _target(row["id"]),
        reason=text.strip(),
        agency=row["agency"],
        arrival_id=row["id"],
    )
    code = last_said([c for c in row["sent_codes"].split(",") if c])
    said = Said(code.value, irregular_reason(text), now, _staff(context, person, row["agency"]))
    told = tell(context, row, said, now)
    if told:
        told.append(event(row["id"], "irregular_told", now, code=code.value))
    # The button pressed twice is one incident: the same words about the same arrival, still open.
    alike = {key: incident[key] for key in ("agency", "kind", "subject", "detail")}
    guard = Absent("incident", {**alike, "state": "open"})
    change = ChangeSet(rows=(Insert("incident", incident), *rows, *told), guards=(guard,))
    repeated = isinstance(await context.ledger.commit(change), Conflict)
    return Done(row["arrival_number"], row["arrival_year"], repeated=repeated)


# ---------------------------------------------------------------- shared


async def _report(  # noqa: PLR0917
    context: Context,
    mailroom: Mailroom,
    person: Person,
    arrival_id: str,
    code: str,
    reason: str,
    decision: Decision,
    also: Callable[[Row, datetime], Sequence[Change]],
) -> Done:
    row = await _arrival(context, arrival_id)
    staff = _staff(context, person, row["agency"])
    if code in _ANSWERS and row["forwarded_from"] != "[]":
        reason = f"{reason} {await note_of(context, row)}".strip()
    try:
        after = await mailroom.on_arrival(
            arrival_id, code, reason, staff=staff, decision=decision, also=also
        )
    except _AlreadyError:
        after = await _arrival(context, arrival_id)
        return Done(after["arrival_number"], after["arrival_year"], repeated=True)
    return Done(after["arrival_number"], after["arrival_year"])


async def _arrival(context: Context, arrival_id: str) -> Row:
    row = await context.ledger.one("arrival", id=arrival_id)
    if row is None:
        raise RejectedError(Reason.NOT_FOUND)
    return row


def _ended(arrival_id: str, now: datetime) -> Update:
    where = {"arrival_id": arrival_id, "ended_at": None}
    return Update("assignment", where, {"ended_at": to_text(now)}, expect=None)


def _target(arrival_id: str) -> str:
    return f"arrival:{arrival_id}"


def _must_move(arrival: Row, code: str) -> None:
    """Stop a repeat: a second click, or a colleague who was faster."""
    if not report_status(ArrivalState(arrival["state"]), code, "-").moved:
        raise _AlreadyError


def _must_be_registered(arrival: Row) -> None:
    # RCV-13 (NĐ30 art 22.1): only what the clerk's desk registered is handled.
    if arrival["arrival_number"] is None:
        raise RejectedError(Reason.CONFLICT, "not accepted yet: it has no arrival number")


def _staff(context: Context, person: Person, agency: str) -> StaffInfo:
    # RCV-04: who answers for it is named to the sender.
    return StaffInfo(department=name_of(context.directory(), agency), staff=person.name)
