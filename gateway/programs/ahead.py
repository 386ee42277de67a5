"""ahead: recalls of what is not here: it never came, or its recall was faster.

Promises: the question is a row without an arrival, in the commit of the message that asks; whoever
works in our console answers 16 with the reason, once, by whichever way it was asked, and the same
message again is no new question. A document that comes after its own recall is withdrawn in the
very commit that takes it in: nobody is shown it as valid, nothing entered anywhere, 15 goes back
after the 16. What its sender sent off after it asked is another sending: it comes, and says so.
Rows only; a crash leaves all of them or none, and the answer to the janitor's next sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import BusinessType, Header, ResponseFor, StatusCode
from gateway.domain.finding import Finding, Severity, finding_json
from gateway.domain.lifecycle import ArrivalState, RecallState
from gateway.domain.moments import from_text, iso, to_text
from gateway.domain.recall import sent_after, sent_off_at
from gateway.ports import Change, Insert, Row, Update
from gateway.programs import matching, statuses
from gateway.programs.catalogue import Who, family, whois
from gateway.programs.context import Context
from gateway.programs.recalls import (
    BY_DOCUMENT,
    Asked,
    arrival_named,
    concerned_arrival,
    names_itself,
    version_asked,
)
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, event, loads
from gateway.programs.statuses import Said

UNKNOWN: Final = "R14: đơn vị không có văn bản này của bên yêu cầu"
"""REC-06, spec/edxml.md 5: 16 with a reason when the target is unknown."""

OVERTAKEN: Final = "văn bản đến sau yêu cầu thu hồi chính nó, không giao cho đơn vị"
_LIMIT: Final = 200
_GATEWAY: Final = "gateway"
_DOCUMENT_ID: Final = "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/DocumentId"


# ---------------------------------------------------------------- the question


async def asked_arrival(
    context: Context, about: ResponseFor, *, agency: Who, issuer: Who, said_at: datetime | None
) -> Row | None:
    """Return the arrival a 13 is about, None where it is not here, or set apart (SEC-01).

    A notice of type 1 may bear the identifier of what it recalls: it is not what is asked back. Nor
    is a version that was sent off later, as long as there is another.
    """
    found = await matching.arrival_of(context, about, agency=agency, issuer=issuer)
    if found is None:
        return None
    named: Sequence[Row] = [found]
    if found["version"] > 1 or names_itself(found):
        named = await matching.arrivals_named(
            context, agency.canonical, issuer.canonical, found["document_id"]
        )
    return version_asked(named, said_at)


async def noticed(  # noqa: PLR0917
    context: Context,
    agency: str,
    sender: str,
    document_id: str,
    asked: Asked,
    now: datetime,
    *,
    waits: bool,
) -> tuple[list[Change], str]:
    """Return the row of a recall of what is not here, and its id, "" where nothing is asked anew.

    Args:
        context: Ports and policy.
        agency: Who is asked.
        sender: Who asks.
        document_id: What it names.
        asked: How, by which message, and why.
        now: The instant of the commit.
        waits: The gateway answers; otherwise the agency's own system does.
    """
    values = {
        "means": asked.means,
        "notice_id": asked.notice_id,
        "reason": asked.reason[:500],
        "state": RecallState.ASKED.value,
        "asked_at": to_text(now),
        "looked": int(not waits),
    }
    rows = await _rows(context, agency, sender, document_id)
    known = next((row for row in rows if row["document_id"] == document_id), None)
    if known is None:
        takeback_id = context.ids.new()
        first = {
            "id": takeback_id,
            "arrival_id": None,
            "agency": agency,
            "sender": sender,
            "document_id": document_id,
        }
        return [Insert("takeback", first | values)], takeback_id
    where = {"id": known["id"], "arrival_id": None}
    return [Update("takeback", where, values)], str(known["id"])


async def is_repeat(context: Context, report: Row, agency: str, sender: str) -> bool:
    """Tell whether this very 13 was kept already as a question about what is not here."""
    for row in await _rows(context, agency, sender, report["document_id"]):
        if row["means"] == BY_DOCUMENT or row["document_id"] != report["document_id"]:
            continue
        before = await context.ledger.one("status_report", id=row["notice_id"])
        if before is not None and is_same(before, report):
            return True
    return False


def is_same(one: Row, other: Row) -> bool:
    """Tell whether two rows are one 13, received twice."""
    if one["received_sha256"] and one["received_sha256"] == other["received_sha256"]:
        return True
    facts = ("at", "description", "notation", "promulgation_date")
    return all(one[fact] == other[fact] for fact in facts)


async def _rows(context: Context, agency: str, sender: str, document_id: str) -> Sequence[Row]:
    return await context.ledger.all(
        "takebacks_ahead",
        agencies=family(context, agency),
        senders=family(context, sender),
        document_ids=matching.spellings(document_id) if document_id.strip() else '[""]',
        limit=_LIMIT,
    )


# ---------------------------------------------------------------- the answer


async def come(context: Context, row: Row) -> Row | None:
    """Return the arrival a question without one is about, if it is here by now."""
    if row["means"] == BY_DOCUMENT:
        notice = await context.ledger.one("arrival", id=row["notice_id"])
        if notice is None:
            return None
        if row["document_id"]:
            return await arrival_named(context, notice, row["document_id"])
        return await concerned_arrival(context, notice)
    report = await context.ledger.one("status_report", id=row["notice_id"])
    if report is None:
        return None
    dated = report["promulgation_date"]
    about = ResponseFor(
        document_id=row["document_id"],
        code=report["notation"],
        promulgation_date=date.fromisoformat(dated) if dated else None,
    )
    agency, issuer = whois(context, row["agency"]), whois(context, row["sender"])
    said_at = from_text(report["at"])
    return await asked_arrival(context, about, agency=agency, issuer=issuer, said_at=said_at)


def answered(where: Row, now: datetime, *, expect: int | None = 1) -> Update:
    """Return what answering 16 does to the question."""
    values = {
        "state": RecallState.DECLINED.value,
        "looked": 1,
        "answered_at": to_text(now),
        "answered_by": _GATEWAY,
        "answer": UNKNOWN,
    }
    return Update("takeback", where, values, expect=expect)


def sixteen(context: Context, asked: Row, agency: str, now: datetime) -> list[Change]:
    """Return the rows of the 16 to a 13 about what nobody here has (REC-01)."""
    report = {key: asked[key] for key in ("document_id", "notation", "promulgation_date")} | {
        "id": context.ids.new(),
        "sender": agency,
        "sender_written": asked["recipient_written"],
        "recipient": asked["sender"],
        "recipient_written": asked["sender_written"],
        "code": StatusCode.RECALL_DECLINED.value,
        "description": UNKNOWN,
        "at": to_text(now),
        "staff": "null",
        "source": LOCAL,
        "received_sha256": "",
        "consignment_id": None,
        "delivery_id": None,
        "arrival_id": None,
        "created_at": to_text(now),
        "offered_at": to_text(now) if asked["source"] == LOCAL else None,
    }
    changes: list[Change] = [Insert("status_report", report)]
    if asked["source"] == LOCAL:
        told = [statuses.status_entry(context, report, now), statuses.offered_event(report, now)]
        return [*changes, *told]
    return [*changes, *statuses.status_transfer(context, report, asked["source"], now)]


# ---------------------------------------------------------------- the document that comes after


@dataclass(frozen=True, slots=True)
class Standing:
    """What recalls were here before a document.

    Args:
        recall: The one that takes it back, None for none.
        still: Refuse the change set when another came, or was answered, meanwhile.
    """

    recall: Row | None
    still: Sequence[Update]


async def standing(
    context: Context, arrival: dict[str, Any], handed_in_at: datetime | None = None
) -> Standing:
    """Look for recalls that a document about to be taken in was overtaken by.

    One that its sender sent off after asking gets a warning beside it.

    Args:
        context: Ports and policy.
        arrival: Its row, not stored yet.
        handed_in_at: When it was handed in, for a sender of this gateway. It counts where the
            message does not say when it was sent off; where nobody knows, it is taken back.
    """
    agency, sender, name = arrival["agency"], arrival["sender"], arrival["document_id"]
    where = {"agency": agency, "sender": sender, "document_id": name, "arrival_id": None}
    rows = await _rows(context, agency, sender, name)
    seen = sum(all(row[key] == value for key, value in where.items()) for row in rows)
    still = [Update("takeback", where, {"document_id": name}, expect=seen)]
    if arrival["business_type"] == BusinessType.RECALL:
        return Standing(None, still)
    nameless = await _rows(context, agency, sender, "") if name.strip() else ()
    earlier, unmoved = await _of_versions(context, arrival)
    still += unmoved
    if not rows and not nameless and not earlier:
        return Standing(None, still)
    header = envelope_from_json(loads(arrival["envelope"])).header
    sent_at = sent_off_at(header) or handed_in_at
    for row in (*rows, *nameless, *earlier):
        asked_at = await _asked_at(context, row, header)
        if asked_at is None:
            continue
        if not sent_after(sent_at, asked_at):
            return Standing(row, still)
        told = finding_json(_sent_after(asked_at))
        arrival["findings"] = dumps([*loads(arrival["findings"]), told])
    return Standing(None, still)


async def _of_versions(context: Context, arrival: dict[str, Any]) -> tuple[list[Row], list[Update]]:
    """Return the recalls that took back the versions before a document, and what has to stay so.

    From outside a document is asked for by its identifier, which all its versions have: one that is
    late, and was sent off before, was asked for as well.
    """
    if arrival["source"] == LOCAL or arrival["version"] == 1:
        return [], []
    recalled: list[Row] = []
    unmoved: list[Update] = []
    name = arrival["document_id"]
    for one in await matching.arrivals_named(context, arrival["agency"], arrival["sender"], name):
        if one["agency"] != arrival["agency"] or one["business_type"] == BusinessType.RECALL:
            continue
        row = await context.ledger.one("takeback_of", arrival_id=one["id"])
        if row is not None and row["state"] == RecallState.AGREED.value:
            recalled.append(row)
        else:
            where = {"id": one["id"], "state": one["state"]}
            unmoved.append(Update("arrival", where, {"state": one["state"]}))
    return recalled, unmoved


async def sent_since(
    context: Context, question: Row, arrival: Row, others: Sequence[Row]
) -> set[str]:
    """Return which other versions were sent off after their sender had asked for the document.

    None, where the one that was asked for says that it was sent later itself: clocks disagree.
    """
    found = set()
    for row in (arrival, *others):
        header = envelope_from_json(loads(row["envelope"])).header
        asked_at = await _asked_at(context, question, header)
        if asked_at is not None and sent_after(sent_off_at(header), asked_at):
            found.add(str(row["id"]))
    return set() if arrival["id"] in found else found


async def _asked_at(context: Context, row: Row, header: Header) -> datetime | None:
    """Return when a sender asked, by its own clock; None where it asked for something else."""
    if row["means"] == BY_DOCUMENT:
        notice = await context.ledger.one("arrival", id=row["notice_id"])
        if notice is None or not row["document_id"]:
            return None
        own = envelope_from_json(loads(notice["envelope"])).header
        return sent_off_at(own) or from_text(notice["at_gateway_at"])
    report = await context.ledger.one("status_report", id=row["notice_id"])
    if report is None:
        return None
    dated = header.promulgation_date.isoformat() if header.promulgation_date else ""
    noted = (report["notation"], report["promulgation_date"])
    if not row["document_id"] and noted != (header.full_code, dated):
        return None
    return from_text(report["at"])


def _sent_after(asked_at: datetime) -> Finding:
    return Finding(
        "REC-01",
        Severity.WARNING,
        _DOCUMENT_ID,
        f"Bên gửi đã yêu cầu thu hồi văn bản này lúc {iso(asked_at)}, trước khi gửi bản đang xem. "
        "Hỏi lại bên gửi trước khi tiếp nhận.",
        f"The sender asked this document back at {iso(asked_at)}, before it sent what came now. "
        "Ask the sender before accepting.",
    )


def withdrawn(
    context: Context, arrival: dict[str, Any], recall: Row, now: datetime
) -> list[Change]:
    """Return the rows of a document that comes after its recall: it never enters (REC-01).

    15 says so: its sender heard 16 before, and a receiver may agree after it declined; or 15 about
    the version before it, and did not know yet that this one was on its way.
    """
    code = StatusCode.RECALL_AGREED.value
    at = to_text(now)
    arrival |= {"state": ArrivalState.RECALLED.value, "offered_at": at, "sent_codes": code}
    own, agency = str(arrival["id"]), arrival["agency"]
    values = {
        "state": RecallState.AGREED.value,
        "looked": 1,
        "answered_at": at,
        "answered_by": _GATEWAY,
        "answer": OVERTAKEN,
    }
    return [
        Insert("arrival", arrival),
        _about(context, arrival, recall, values),
        event(own, "recall_asked", now, agency=agency, means=recall["means"]),
        event(own, "status", now, code=code, moved=True, sent=True, reason=OVERTAKEN),
        *statuses.tell(context, arrival, Said(code, OVERTAKEN, now), now),
    ]


def attached(context: Context, arrival: Row, recall: Row, now: datetime) -> list[Change]:
    """Return what makes a question that was there before an arrival one about it."""
    values = {"state": RecallState.ASKED.value, "looked": 0}
    told = event(
        arrival["id"], "recall_asked", now, agency=arrival["agency"], means=recall["means"]
    )
    return [_about(context, arrival, recall, values), told]


def _about(context: Context, arrival: Row, recall: Row, values: dict[str, Any]) -> Change:
    """Return the row of a recall that is about this arrival from now on."""
    values = values | {"arrival_id": arrival["id"]}
    if recall["arrival_id"] is None:
        return Update("takeback", {"id": recall["id"], "arrival_id": None}, values)
    facts = ("agency", "sender", "document_id", "means", "notice_id", "reason", "asked_at")
    row = {"id": context.ids.new()} | {key: recall[key] for key in facts}
    return Insert("takeback", row | values)
