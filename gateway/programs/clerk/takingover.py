"""Taking over what came for a closed agency and was never answered (ID-05, decision 0041).

The one successor takes such a document into its own register: from then on it is the document of
that agency, sent to it under the code its sender wrote, like what is forwarded from a closed code.
Its number is of the successor's counter; its receipts are the successor's, under the code its
sender knows, and say who answers. What the closed agency accepted stays in the register it was
numbered in. One commit: a crash leaves it where it was; two clerks take it over once.
"""

from typing import Any, Final

from gateway.domain.access import Person
from gateway.domain.directory import AgencyStatus
from gateway.domain.finding import finding_json
from gateway.domain.lifecycle import ArrivalState
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Conflict, Row, Update
from gateway.programs import forwarding, matching, statuses
from gateway.programs.catalogue import name_of, today
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.rows import dumps, loads

ACTION: Final = "arrival-taken-over"
_UNANSWERED: Final = frozenset({ArrivalState.CHECKED, ArrivalState.OFFERED, ArrivalState.TAKEN})


def heir_of(context: Context, row: Row) -> str:
    """Return the agency that may take an arrival over, "" for none.

    The closed agency's one successor of this day, where it works in our console; a system of its
    own asks for what it took over itself.
    """
    directory, day = context.directory(), today(context)
    agency = directory.get(row["agency"])
    if agency is None or agency.status_on(day) is not AgencyStatus.CLOSED:
        return ""
    heir = directory.successor_of(agency.code, day).one
    if heir is None or not heir.console or heir.status_on(day) is AgencyStatus.CLOSED:
        return ""
    return heir.code if ArrivalState(row["state"]) in _UNANSWERED else ""


async def take_over(context: Context, person: Person, row: Row) -> None:
    """Bring an arrival into the register of the one successor.

    Raises:
        RejectedError: CONFLICT, nobody may take it over now, or somebody was faster.
    """
    heir = heir_of(context, row)
    if not heir:
        raise RejectedError(Reason.CONFLICT, "there is nothing to take over for one successor")
    now, own = context.clock.now(), row["id"]
    where = {key: row[key] for key in ("id", "agency", "state", "sent_codes", "addressed_as")}
    moved = await _moved(context, row, heir)
    changes: list[Change] = [
        Update("arrival", where, moved),
        # A recall that waits for an answer is answered where the document is.
        Update("takeback", {"arrival_id": own}, {"agency": heir}, expect=None),
    ]
    if row["entered_system_at"] is None:
        # RCV-06: the system of the closed agency never had it; it enters the successor's now.
        changes += statuses.take(context, {**row, **moved}, now, source="take-over")
    facts = {"agency": heir, "arrival_id": own}
    told = audited(
        context.ids, now, person, ACTION, f"arrival:{own}", reason=row["agency"], **facts
    )
    done = await context.ledger.commit(ChangeSet(rows=(*changes, *told)))
    if isinstance(done, Conflict):
        raise RejectedError(Reason.CONFLICT, "somebody else was faster: look again")


async def _moved(context: Context, row: Row, heir: str) -> dict[str, Any]:
    finding = forwarding.taken_over(
        forwarding.Addressee(heir, tuple(loads(row["addressed_as"])), (row["agency"],))
    )
    # The sender may have sent it to both codes: then it stands beside the successor's own.
    named = await matching.arrivals_named(context, heir, row["sender"], row["document_id"])
    versions = [one["version"] for one in named if one["id"] != row["id"]]
    taken = row["version"] in versions
    return {
        "agency": heir,
        "forwarded_from": row["addressed_as"],
        "findings": dumps([*loads(row["findings"]), finding_json(finding)]),
        "version": max(versions) + 1 if taken else row["version"],
    }


async def note_of(context: Context, row: Row) -> str:
    """Return what the sender of an arrival that was taken over is told with its answer."""
    acts = await context.ledger.all("acts_on", subject=f"arrival:{row['id']}")
    if not any(act["type"] == ACTION for act in acts):
        return ""
    name = name_of(context.directory(), row["agency"])
    return forwarding.note(loads(row["forwarded_from"])[0], row["agency"], name)
