"""incoming: one status report from a peer, sorted: whose delivery moves, who reads it.

Promises: a report nobody here can place is kept, passed on where its addressee is known, and said
aloud otherwise; the same report twice is kept twice and read once; a peer does not speak for our
own agencies. Rows only; a crash leaves all of them or none.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from gateway import observe
from gateway.domain.envelope import StatusCode, StatusReport
from gateway.domain.lifecycle import (
    ARRIVAL,
    ArrivalEvent,
    ArrivalState,
    RecallState,
    advance,
    allows,
)
from gateway.domain.moments import to_text
from gateway.domain.receipt import is_irregular, known_code
from gateway.ports import Change, Insert, Row
from gateway.programs import ahead, matching, recalls, statuses, takebacks, tracking
from gateway.programs.catalogue import Who, whois, works_in_console
from gateway.programs.context import Context
from gateway.programs.recalls import BY_STATUS, Asked
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, event, loads

# 05 may come again; so may the answers to a recall, when it is asked twice.
_MAY_REPEAT: Final = frozenset(
    {
        StatusCode.IN_PROGRESS.value,
        StatusCode.RECALL_AGREED.value,
        StatusCode.RECALL_DECLINED.value,
    }
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A sorted report: its rows, the inbound row's end state, what it is about and asks back."""

    changes: tuple[Change, ...]
    state: str
    report_id: str
    consignment_id: str | None = None
    asked: str = ""


async def sort(context: Context, report: StatusReport, inbound: Row, now: datetime) -> Mail:
    """Return what a report from a peer changes."""
    sender = whois(context, report.sender.organ_id)
    target = whois(context, report.response_for.organ_id)
    row = report_row(context, report, sender, target, inbound["peer"], inbound["sha256"], now)
    if sender.is_local:
        # REC-06, SEC-04: our own agencies report through their own systems, never by a peer.
        return _stray(context, row, inbound, now, "speaks for an agency of ours")
    if row["code"] == StatusCode.RECALL_ASKED.value:
        return await _recall_asked(context, report, sender, target, row, inbound, now)
    delivery = await matching.delivery_of(
        context, report.response_for, issuer=target, recipient=sender
    )
    if delivery is None:
        return await _unmatched(context, row, target, inbound, now)
    delivery = await recalls.meant(context, delivery, row["code"])
    return await _matched(context, report, delivery, row, target, inbound, now)


async def _matched(  # noqa: PLR0917
    context: Context,
    report: StatusReport,
    delivery: Row,
    row: dict[str, Any],
    target: Who,
    inbound: Row,
    now: datetime,
) -> Mail:
    answer = recalls.answered if recalls.is_answer(row["code"]) else tracking.move
    at = report.at or now
    changes = await answer(context, delivery, row["code"], at, report.description, now)
    # As our sender wrote it, so that its system finds its own document again.
    number, notation = delivery["code_number"], delivery["code_notation"]
    row |= {
        "consignment_id": delivery["consignment_id"],
        "delivery_id": delivery["id"],
        "document_id": delivery["document_id"],
        "notation": f"{number}/{notation}" if notation else number,
        "promulgation_date": delivery["promulgation_date"],
        "recipient_written": delivery["sender_written"],
    }
    if mailbox(context, target, row) != LOCAL:
        row["recipient"] = delivery["sender"]
    earlier = await context.ledger.all(
        "statuses_of_delivery",
        consignment_id=delivery["consignment_id"],
        delivery_id=delivery["id"],
    )
    written = loads(delivery["addressed_as"]) or [row["sender_written"]]
    fresh = [w for w in written if not _is_repeat(row | {"sender_written": w}, earlier)]
    for n, code in enumerate(fresh):
        one = row | {"sender_written": code, "offered_at": to_text(now)}
        if n:
            one["id"] = context.ids.new()
        changes += [
            Insert("status_report", one),
            statuses.status_entry(context, one, now),
            statuses.offered_event(one, now),
        ]
    if not fresh:
        changes.append(Insert("status_report", row))
    data = {"peer": inbound["peer"], "code": row["code"], "repeated": not fresh}
    changes.append(event(row["id"], "received", now, **data))
    return Mail(tuple(changes), "processed", row["id"], row["consignment_id"])


def _is_repeat(row: Row, earlier: list[Row] | Any) -> bool:
    """Tell whether this code was said already for one addressed code of a delivery."""
    facts = ["code", "sender_written", "sender"]
    again = row["code"] in _MAY_REPEAT or is_irregular(row["description"])
    if again or known_code(row["code"]) is None:
        facts += ["at", "description"]
    said = {tuple(e[f] for f in facts) for e in earlier if e["offered_at"] is not None}
    return tuple(row[f] for f in facts) in said


async def _recall_asked(  # noqa: PLR0917
    context: Context,
    report: StatusReport,
    issuer: Who,
    recipient: Who,
    row: dict[str, Any],
    inbound: Row,
    now: datetime,
) -> Mail:
    """Bring a 13 from outside to the agency that has the document."""
    about = report.response_for
    arrival = await ahead.asked_arrival(
        context, about, agency=recipient, issuer=issuer, said_at=report.at
    )
    if arrival is None:
        return await _nothing_to_give(context, report, issuer, recipient, row, inbound, now)
    repeated = await _is_asked_again(context, row, arrival["id"])
    if not repeated:
        arrival = await takebacks.still_here(context, arrival)
    row |= {"arrival_id": arrival["id"], "recipient": arrival["agency"]}
    changes: list[Change] = [Insert("status_report", row)]
    if not repeated:
        # Who decides is looked at afterwards: the agency's system hears of it if it has to.
        asked = Asked(BY_STATUS, row["id"], report.description)
        changes += [
            statuses.status_entry(context, row, now),
            *await takebacks.noticed(context, arrival, asked, now),
        ]
    else:
        changes += await _answered_again(context, arrival, now)
    data = {"peer": inbound["peer"], "code": row["code"], "repeated": repeated}
    changes.append(event(row["id"], "received", now, **data))
    return Mail(tuple(changes), "processed", row["id"], asked="" if repeated else arrival["id"])


async def _is_asked_again(context: Context, row: Row, arrival_id: str) -> bool:
    """Tell whether this very 13 was kept already: what a peer sends again in doubt asks nothing.

    It may have been kept without anybody reading it, or before the document itself was here.
    """
    earlier = await context.ledger.all("statuses_of_arrival", arrival_id=arrival_id)
    before = [e for e in earlier if e["code"] == StatusCode.RECALL_ASKED.value]
    known = await context.ledger.one("takeback_of", arrival_id=arrival_id)
    if known is not None and known["means"] == BY_STATUS:
        first = await context.ledger.one("status_report", id=known["notice_id"])
        before += [first] if first is not None else []
    return any(ahead.is_same(one, row) for one in before)


async def _answered_again(context: Context, arrival: Row, now: datetime) -> list[Change]:
    """Return the rows that send the answer to a 13 again, word for word: it may have been lost.

    Who has read it knows it by its time; while the question is open there is none.
    """
    known = await context.ledger.one("takeback_of", arrival_id=arrival["id"])
    if known is None or known["answered_at"] is None or known["state"] == RecallState.ASKED.value:
        return []
    said = await context.ledger.all("statuses_of_arrival", arrival_id=arrival["id"])
    agreed = known["state"] == RecallState.AGREED.value
    code = StatusCode.RECALL_AGREED if agreed else StatusCode.RECALL_DECLINED
    # What was refused while the clock was ahead sorts behind what was agreed to afterwards.
    answers = {
        s["sender_written"]: s
        for s in said
        if s["sender"] == arrival["agency"] and s["code"] == code.value
    }
    changes: list[Change] = []
    for one in answers.values():
        changes += statuses.sent_again(context, one, arrival["source"], now)
    return changes


async def _nothing_to_give(  # noqa: PLR0917
    context: Context,
    report: StatusReport,
    issuer: Who,
    recipient: Who,
    row: dict[str, Any],
    inbound: Row,
    now: datetime,
) -> Mail:
    """Keep a 13 about a document of somebody else, or one that nobody here has.

    An agency with a system of its own may have had it before this gateway was there: it decides.
    The others' answer follows (`ahead`), once: the same message again is no new question.
    """
    about, own, sender = report.response_for.document_id, recipient.canonical, issuer.canonical
    repeated = await ahead.is_repeat(context, row, own, sender)
    other = await takebacks.of_others(context, own, sender, about)
    waits = other is not None or works_in_console(context, own)
    asked = Asked(BY_STATUS, row["id"], report.description)
    question: list[Change] = []
    takeback_id = ""
    if not repeated and recipient.is_local:
        question, takeback_id = await ahead.noticed(
            context, own, sender, about, asked, now, waits=waits
        )
    if not waits:
        mail = await _unmatched(context, row, recipient, inbound, now)
        return replace(mail, changes=(*mail.changes, *question))
    if other is not None:
        # REC-06: never another agency; kept, said aloud, and told no more than of an unknown one.
        observe.alarm(what="recall by another agency refused", subject=inbound["id"])
    changes: list[Change] = [
        Insert("status_report", row),
        statuses.status_entry(context, row, now),
        event(row["id"], "received", now, peer=inbound["peer"], code=row["code"], refused=True),
        *question,
    ]
    if other is not None:
        changes.append(event(other["id"], "recall_refused", now, sender=sender))
    return Mail(tuple(changes), "processed", row["id"], asked=takeback_id)


async def _unmatched(
    context: Context, row: dict[str, Any], target: Who, inbound: Row, now: datetime
) -> Mail:
    """Pass on a report about a document we never saw."""
    hop = mailbox(context, target, row)
    if not hop or hop == inbound["peer"]:
        return _stray(context, row, inbound, now, "its addressee is not reached from here")
    changes: list[Change] = [Insert("status_report", row)]
    if hop == LOCAL:
        row["offered_at"] = to_text(now)
        changes += [
            statuses.status_entry(context, row, now),
            statuses.offered_event(row, now),
        ]
    else:
        changes += statuses.status_transfer(context, row, hop, now)
    changes.append(event(row["id"], "received", now, peer=inbound["peer"], code=row["code"]))
    return Mail(tuple(changes), "processed", row["id"])


def _stray(context: Context, row: dict[str, Any], inbound: Row, now: datetime, why: str) -> Mail:
    """Keep a report nobody here may read, and say so."""
    observe.alarm(what=f"stray status: {why}", subject=inbound["id"])
    changes = (
        Insert("status_report", row),
        statuses.status_entry(context, row, now),
        event(inbound["id"], "stray", now, why=why, status_id=row["id"]),
    )
    return Mail(changes, "stray", row["id"])


def mailbox(context: Context, target: Who, row: dict[str, Any]) -> str:
    """Return the hop that reaches an addressee, "" for none; put who reads it into the row.

    ID-05: what is for a closed agency goes to the one that took over.
    """
    if target.problem is not None and target.successor:
        heir = whois(context, target.successor)
        if heir.hop:
            row["recipient"] = heir.canonical
            return heir.hop
    return target.hop


def recallable(state: ArrivalState) -> bool:
    """Tell whether an arrival in this state can be taken back."""
    if not allows(ARRIVAL, state, ArrivalEvent.RECALL_AGREED):
        return False
    return advance(ARRIVAL, state, ArrivalEvent.RECALL_AGREED) is ArrivalState.RECALLED


def report_row(  # noqa: PLR0917
    context: Context,
    report: StatusReport,
    sender: Who,
    target: Who,
    source: str,
    sha256: str,
    now: datetime,
) -> dict[str, Any]:
    """Return the row of a report as it was written, not offered to anyone yet."""
    about = report.response_for
    dated = about.promulgation_date
    code = known_code(report.code)
    return {
        "id": context.ids.new(),
        "sender": sender.canonical,
        "sender_written": report.sender.organ_id,
        "recipient": target.canonical,
        "recipient_written": about.organ_id,
        "document_id": about.document_id,
        "notation": about.code,
        "promulgation_date": dated.isoformat() if dated else "",
        "code": code.value if code is not None else report.code[:20],
        "description": report.description[:2000],
        "at": to_text(report.at or now),
        "staff": dumps(asdict(report.staff) if report.staff else None),
        "source": source,
        "received_sha256": sha256,
        "consignment_id": None,
        "delivery_id": None,
        "arrival_id": None,
        "created_at": to_text(now),
        "offered_at": None,
    }
