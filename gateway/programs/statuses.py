"""Statuses between agencies, the recipient's side: what a code does to an arrival, who is told.

Promises: every report is kept; each code goes out once per document and agency, except 05; a
report answers every code the agency was addressed under; a late, repeated or unknown code moves
nothing and is kept as an event. All rows of one report are one change set: a crash leaves all of it
or none.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from gateway.domain.envelope import StaffInfo, StatusCode
from gateway.domain.lifecycle import ARRIVAL, ArrivalEvent, ArrivalState, TransferState, advance
from gateway.domain.moments import from_text, iso, to_text
from gateway.domain.receipt import REPEATABLE, arrival_event, known_code
from gateway.domain.worktime import received_at_legal
from gateway.errors import Reason
from gateway.ports import Change, Insert, Row, Update
from gateway.programs import forwarding
from gateway.programs.catalogue import name_of, whois
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL, owed_to
from gateway.programs.rows import dumps, entry, event, loads, wake

PAPER: Final = "paper"
"""Source of an arrival entered by hand (RCV-14)."""

_STATUS_LANE: Final = 1
# 15 and 16 answer a recall: they say nothing about the document having entered anywhere.
_ENTERING: Final = frozenset(ArrivalEvent) - {
    ArrivalEvent.RECALL_AGREED,
    ArrivalEvent.RECALL_DECLINED,
}


@dataclass(frozen=True, slots=True)
class Said:
    """What an agency says about a document.

    Args:
        code: `01`…`16`, or any other text, which is data.
        reason: Its description.
        at: When it happened, as the agency says.
        staff: The person acting.
        sha256: The received message, "" when there was none.
    """

    code: str
    reason: str
    at: datetime
    staff: StaffInfo | None = None
    sha256: str = ""


# ---------------------------------------------------------------- entering


def take(context: Context, arrival: Row, now: datetime, *, source: str) -> list[Change]:
    """Return the changes of an arrival entering its agency's system, receipt 01 owed included."""
    state = ArrivalState(arrival["state"])
    columns = {"state": advance(ARRIVAL, state, ArrivalEvent.TAKEN).value}
    guard = {
        "id": arrival["id"],
        "state": state.value,
        "entered_system_at": None,
        "sent_codes": arrival["sent_codes"],
    }
    entering, sent_codes, rows = _enter(context, arrival, now, source=source, owes_01=True)
    columns |= entering | {"sent_codes": sent_codes}
    return [Update("arrival", guard, columns), *rows]


def _enter(
    context: Context, arrival: Row, now: datetime, *, source: str, owes_01: bool
) -> tuple[dict[str, Any], str, list[Change]]:
    """Return the columns, the codes gone out and the rows of the moment of entry."""
    # RCV-06 (S003 art 11.2): out of office hours the law counts the next opening.
    legal = received_at_legal(now, context.calendar(arrival["agency"]))
    columns = {"entered_system_at": to_text(now), "received_at_legal": to_text(legal)}
    rows: list[Change] = [
        event(arrival["id"], "entered_system", now, by=source),
        entry(
            context.ids,
            "entered_system",
            arrival["id"],
            arrival["document_id"],
            now,
            arrival_id=arrival["id"],
            agency=arrival["agency"],
            sender=arrival["sender"],
            received_at_legal=iso(from_text(columns["received_at_legal"])),
        ).row,
    ]
    sent_codes: str = arrival["sent_codes"]
    if owes_01 and _gateway_says_01(context, arrival):
        mark = _mark(sent_codes, StatusCode.ARRIVED)
        if mark is not None:
            # RCV-05 (NĐ30 art 21.2c), STS-08: the machine's receipt, never before the commit.
            sent_codes = mark
            rows += tell(context, arrival, Said(StatusCode.ARRIVED, "", now), now)
    return columns, sent_codes, rows


def _gateway_says_01(context: Context, arrival: Row) -> bool:
    return arrival["source"] == LOCAL or context.peer(arrival["source"]).receipt_01_by == "gateway"


def _mark(sent_codes: str, code: str) -> str | None:
    """Return the codes gone out with one more; None when this one may not go out again."""
    sent = [c for c in sent_codes.split(",") if c]
    written = code.replace(",", ";")
    if written in sent:
        return sent_codes if known_code(code) in REPEATABLE else None
    return ",".join([*sent, written])


# ---------------------------------------------------------------- reporting


def report_on(
    context: Context,
    arrival: Row,
    said: Said,
    now: datetime,
    *,
    about: Row | None = None,
    heard: bool = True,
) -> list[Change]:
    """Return the changes of one status an agency posts on its arrival.

    The caller has checked that the state allows it.

    Args:
        context: Ports and policy.
        arrival: As it is.
        said: What the agency says.
        now: The instant of the commit.
        about: The arrival a recall or update concerns, where `arrival` is that message and the
            code is its answer; then `arrival` itself does not move.
        heard: The sender is told.
    """
    state = ArrivalState(arrival["state"])
    kind = arrival_event(said.code) if about is None else None
    after = advance(ARRIVAL, state, kind) if kind is not None else state
    columns: dict[str, Any] = {"state": after.value}
    sent_codes: str = arrival["sent_codes"]
    rows: list[Change] = []
    if kind in _ENTERING and arrival["entered_system_at"] is None:
        # The agency's own 01 stands for ours; any later code implies one.
        owes_01 = said.code != StatusCode.ARRIVED
        entering, sent_codes, rows = _enter(context, arrival, now, source="status", owes_01=owes_01)
        columns |= entering
    mark = _mark(sent_codes, said.code) if heard else None
    columns["sent_codes"] = mark if mark is not None else sent_codes
    guard = {"id": arrival["id"], "state": state.value, "sent_codes": arrival["sent_codes"]}
    data = {"code": said.code, "moved": after is not state, "sent": mark is not None}
    rows.append(event(arrival["id"], "status", now, **data))
    if mark is not None:
        rows += tell(context, about or arrival, said, now)
    return [Update("arrival", guard, columns), *rows]


def answering(arrival: Row, said: Said, now: datetime, *, whole: bool) -> list[Change]:
    """Return what answering does to a message that asks for several documents: it stays as it is.

    Only an answer to the `whole` of it is noted on it; each document has the mark of its own.
    """
    mark = _mark(arrival["sent_codes"], said.code) if whole else None
    guard = {key: arrival[key] for key in ("id", "state", "sent_codes")}
    data = {"code": said.code, "moved": False, "sent": True}
    columns = {"sent_codes": mark if mark is not None else arrival["sent_codes"]}
    return [Update("arrival", guard, columns), event(arrival["id"], "status", now, **data)]


def is_said(arrival: Row, code: str) -> bool:
    """Tell whether a code went out about an arrival already, and goes out once only."""
    return _mark(arrival["sent_codes"], code) is None


def marked(arrival: Row, code: str) -> list[Change]:
    """Return the note on an arrival that a code goes out about it."""
    where = {"id": arrival["id"], "sent_codes": arrival["sent_codes"]}
    return [Update("arrival", where, {"sent_codes": _mark(arrival["sent_codes"], code)})]


def tell(context: Context, arrival: Row, said: Said, now: datetime) -> list[Change]:
    """Return the rows that carry a status to the sender of an arrival.

    One message per code the sender addressed the agency under: old and new code are two rows in
    its book, and both must be answered.
    """
    changes: list[Change] = []
    if arrival["source"] == PAPER:
        return changes  # RCV-14: nobody sent it over a wire, so nobody is answered over one.
    offered = arrival["source"] == LOCAL
    closed = () if arrival["sent_codes"] else loads(arrival["forwarded_from"])
    for written in loads(arrival["addressed_as"]):
        told = _with_note(context, arrival, written, said) if written in closed else said
        row = _report_row(context, arrival, written, told, now, offered=offered)
        changes.append(row)
        if offered:
            changes += [status_entry(context, row.values, now), offered_event(row.values, now)]
        else:
            changes += status_transfer(context, row.values, arrival["source"], now)
    return changes


def _with_note(context: Context, arrival: Row, written: str, said: Said) -> Said:
    """Return the first status of a forwarded document as its sender is to read it.

    ID-05, RCV-05: no code of its own, for what it says is true as well: it came, it was taken. The
    sender learns beside it who took over, and which code to write from now on.
    """
    name = name_of(context.directory(), arrival["agency"])
    told = forwarding.note(written, arrival["agency"], name)
    return replace(said, reason=f"{said.reason} {told}".strip())


def _report_row(
    context: Context, arrival: Row, written: str, said: Said, now: datetime, *, offered: bool
) -> Insert:
    header = loads(arrival["envelope"])["header"]
    number, notation = header.get("code_number", ""), header.get("code_notation", "")
    return Insert(
        "status_report",
        {
            "id": context.ids.new(),
            "sender": arrival["agency"],
            "sender_written": written,
            "recipient": _reader(context, arrival["sender"]),
            "recipient_written": arrival["sender_written"],
            "document_id": arrival["document_id"],
            "notation": f"{number}/{notation}" if notation else number,
            "promulgation_date": header.get("promulgation_date") or "",
            "code": said.code,
            "description": said.reason,
            "at": to_text(said.at),
            "staff": dumps(asdict(said.staff) if said.staff else None),
            "source": LOCAL,
            "received_sha256": said.sha256,
            "consignment_id": arrival["consignment_id"],
            "delivery_id": arrival["delivery_id"],
            "arrival_id": arrival["id"],
            "created_at": to_text(now),
            "offered_at": to_text(now) if offered else None,
        },
    )


def offered_event(report: Row, now: datetime) -> Insert:
    """Return the event of a status report that waits for an agency of ours from now on."""
    return event(report["id"], "status_offered", now, code=report["code"])


def _reader(context: Context, sender: str) -> str:
    """Return who reads what is for a sender: itself, or who took over from it (ID-05)."""
    who = whois(context, sender)
    closed = who.problem is Reason.RECIPIENT_CLOSED
    return who.successor if closed and who.successor else sender


def status_transfer(context: Context, report: Row, hop: str, now: datetime) -> list[Change]:
    """Return the rows that send a status report to a peer, and its receipt entry."""
    return [*sent_again(context, report, hop, now), status_entry(context, report, now)]


def sent_again(context: Context, report: Row, hop: str, now: datetime) -> list[Change]:
    """Return the rows that send a status report, as it was said, in a transfer of its own."""
    transfer_id = context.ids.new()
    return [
        Insert(
            "transfer",
            {
                "id": transfer_id,
                "status_id": report["id"],
                "kind": "status",
                "hop": hop,
                "state": TransferState.WAITING.value,
                "lane": _STATUS_LANE,
                "due_at": to_text(now),
                "sender_written": report["sender_written"],
                "recipients": dumps([report["recipient_written"]]),
                "document_id": report["document_id"],
                "created_at": to_text(now),
            },
        ),
        wake(owed_to(hop), transfer_id, _STATUS_LANE),
    ]


def status_entry(context: Context, report: Row, now: datetime) -> Insert:
    """Return the receipt entry of a status report."""
    subject = report["consignment_id"] or report["arrival_id"] or report["id"]
    return entry(
        context.ids,
        "status",
        subject,
        report["document_id"],
        now,
        status_id=report["id"],
        arrival_id=report["arrival_id"],
        consignment_id=report["consignment_id"],
        code=report["code"],
        sender=report["sender"],
        recipient=report["recipient"],
    ).row
