"""What the books hold of a document: lines of a register, terms, what is due and when it was done.

Builders from rows of the ledger, and the reading of what they need beside the document's own row;
anything a stranger left out is blank.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Protocol

from gateway import observe
from gateway.domain.directory import Directory
from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.domain.stretches import properties_of
from gateway.domain.wording import flag, terms_of
from gateway.domain.worktime import OfficeHours, issue_deadline
from gateway.ports import Ledger, Row
from gateway.ports.books import Direction, Entry
from gateway.programs.rows import loads

_SIGNED: Final[Mapping[str, str]] = {"valid": "valid", "invalid": "invalid"}
_MOST_NAMES: Final = 60
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_LONGEST: Final = 500


class Known(Protocol):
    """What is known beside the rows: a gateway's context, or as much of one."""

    @property
    def directory(self) -> Callable[[], Directory]:
        """Return the catalogue of agencies as it is now."""
        ...

    @property
    def calendar(self) -> Callable[[str], OfficeHours]:
        """Return the office hours of an agency."""
        ...


@dataclass(frozen=True, slots=True)
class Around:
    """What other rows say of some documents, by their ids.

    Args:
        deliveries: Of consignments.
        answers: When an arrival was first accepted, returned or worked on.
        drafters: Who prepared a consignment.
        assigned: To whom an arrival is given now, a row a unit (RCV-15).
    """

    deliveries: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    drafters: Mapping[str, str] = field(default_factory=dict)
    assigned: Mapping[str, Sequence[Row]] = field(default_factory=dict)


async def around(ledger: Ledger, outgoing: Sequence[Row], incoming: Sequence[Row]) -> Around:
    """Return what other rows say of these documents."""
    out, came = (json.dumps([row["id"] for row in rows]) for rows in (outgoing, incoming))
    deliveries: dict[str, list[Row]] = {}
    if outgoing:
        for row in await ledger.all("deliveries_of_many", ids=out):
            deliveries.setdefault(row["consignment_id"], []).append(row)
    drafters = await ledger.all("books_drafters", ids=out) if outgoing else ()
    answers = await ledger.all("books_answers", ids=came) if incoming else ()
    assigned: dict[str, list[Row]] = {}
    if incoming:
        for row in await ledger.all("books_assigned", ids=came):
            assigned.setdefault(row["arrival_id"], []).append(row)
    return Around(
        deliveries,
        {row["arrival_id"]: row["at"] for row in answers},
        {row["consignment_id"]: row["account_id"] for row in drafters},
        assigned,
    )


def built(
    known: Known, outgoing: Sequence[Row], incoming: Sequence[Row], beside: Around
) -> tuple[list[Entry], list[str]]:
    """Return the entries of some documents, and those which nobody is to find."""
    entries, gone = [], []
    dues = _Dues(known)
    for rows, build in ((outgoing, sent), (incoming, received)):
        for row in rows:
            # SEC-01: what is set apart is found by nobody.
            if row["state"] == "quarantined" or not row["visible"]:
                gone.append(row["id"])
                continue
            try:
                entries.append(build(known, row, beside, dues))
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                # Our own rows: a bug. One document is missing in the search, not all behind it.
                observe.program_failed(program="bookkeeper", failure=exc, retry_in_s=0)
    return entries, gone


def sent(context: Known, row: Row, beside: Around, dues: "_Dues") -> Entry:
    """Return the entry of a consignment."""
    header = loads(row["envelope"]).get("header", {})
    deliveries = beside.deliveries.get(row["id"], ())
    names = [d["name"] or d["agency"] for d in deliveries]
    day = _day(header)
    paper = _Paper(context, row["sender"], "out", row["accepted_at"], header)
    done_at = row["issued_at"] or ""
    account = beside.drafters.get(row["id"], "")
    shown = paper.shown(
        to=names[:_MOST_NAMES],
        to_more=max(0, len(names) - _MOST_NAMES),
        sent_at=row["issued_at"],
        document_id=row["document_id"] or "",
        kept=row["business_type"],
    )
    texts = [
        row["document_id"] or "",
        *names[:_MOST_NAMES],
        *(d["agency"] for d in deliveries[:_MOST_NAMES]),
    ]
    return paper.entry(
        row,
        year=row["issue_year"] or paper.at.year,
        number=_place(row, header),
        partner=deliveries[0]["agency"] if deliveries else "",
        due_at=dues.issue(row["sender"], day),
        done_at=done_at,
        shown=shown,
        texts=texts,
        accounts=[account] if account else [],
    )


def received(context: Known, row: Row, beside: Around, dues: "_Dues") -> Entry:
    """Return the entry of an arrival."""
    header = loads(row["envelope"]).get("header", {})
    # OPS-08: on paper the day it came is what counts, whenever it was entered.
    came_at = (
        row["came_at"] or row["entered_system_at"] or row["offered_at"] or row["at_gateway_at"]
    )
    paper = _Paper(context, row["agency"], "in", came_at, header)
    name = row["sender_name"] or _of(header, "sender", "organ_name")
    given = beside.assigned.get(row["id"], ())
    units = [
        {"unit": one["lead"] or one["name"], "due": one["due_on"], "at": one["at"]}
        for one in given[:_MOST_NAMES]
    ]
    shown = paper.shown(
        **{"from": name or row["sender"], "from_code": row["sender"]},
        came_at=came_at,
        legal_at=None if row["came_at"] else row["received_at_legal"],
        # What a clerk wrote on paper's form stands until somebody is named.
        unit="; ".join(dict.fromkeys(one["unit"] for one in units))
        or ("; ".join(header.get("to_places") or ()) if row["source"] == "paper" else ""),
        unit_at=units[0]["at"] if units else "",
        units=units,
        document_id=row["document_id"],
        source=row["source"],
    )
    number = row["arrival_number"]
    return paper.entry(
        row,
        year=row["arrival_year"] or paper.at.year,
        number=number,
        partner=row["sender"],
        due_at=dues.register(row["agency"], row["received_at_legal"]),
        # On paper, the entry is the registration.
        done_at=row["entered_system_at"] or ""
        if row["source"] == "paper"
        else beside.answers.get(row["id"], ""),
        shown=shown,
        texts=[row["document_id"], name, row["sender"], "" if number is None else str(number)],
        accounts=sorted({one["account_id"] for one in given} - {""}),
    )


class _Paper:
    """What is alike in both directions."""

    def __init__(
        self,
        context: Known,
        agency: str,
        direction: Direction,
        at: str,
        header: Mapping[str, Any],
    ) -> None:
        self.agency, self.direction, self.header = agency, direction, header
        self.at_text = at
        self.at = from_text(at).astimezone(VIETNAM)
        found = context.directory().get(agency)
        self.name = found.name if found is not None else ""
        answered = (header.get("response_for") or ())[:10]
        told = [r.get(name) for r in answered for name in ("code", "document_id")]
        self.replies = [str(text)[:_LONGEST] for text in told if text]

    def shown(self, **more: Any) -> dict[str, Any]:
        """Return what lists and registers show."""
        header = self.header
        number, notation = _text(header, "code_number"), _text(header, "code_notation")
        made = {
            "code": f"{number}/{notation}" if notation else number,
            "subject": _text(header, "subject"),
            "signer": _of(header, "signer", "full_name"),
            "place": _text(header, "place"),
            "copies": header.get("promulgation_amount"),
            "pages": header.get("page_amount"),
            "due": header.get("due_date") or "",
            "replies": self.replies,
        }
        return {k: v for k, v in (made | more).items() if v}

    def entry(
        self,
        row: Row,
        *,
        year: int,
        number: int | None,
        partner: str,
        due_at: str,
        done_at: str,
        shown: Mapping[str, Any],
        texts: Sequence[str],
        accounts: Sequence[str],
    ) -> Entry:
        """Return the whole."""
        header = self.header
        day = _day(header)
        type_name = _text(header, "type_name")[:100]
        flags = {
            flag(self.direction, self.agency),
            flag("type", type_name),
            flag("urgency", str(row["urgency"])),
            flag("state", row["state"]),
            *properties_of(self.at.date()),
            flag("partner", partner),
            *(flag("account", account) for account in accounts),
            *(flag("reply", text) for text in self.replies),
        }
        words = terms_of(
            [
                *texts,
                str(shown.get("code", "")),
                str(shown.get("subject", "")),
                str(shown.get("signer", "")),
                type_name,
                self.name,
                self.agency,
                *header.get("to_places", ())[:_MOST_NAMES],
            ],
            [d for d in (day, self.at.date()) if d is not None],
        )
        return Entry(
            subject=row["id"],
            direction=self.direction,
            agency=self.agency,
            at=self.at_text,
            month=f"{self.at:%Y-%m}",
            day=day.isoformat() if day is not None else "",
            year=year,
            number=number,
            state=row["state"],
            type_name=type_name,
            urgency=row["urgency"],
            signed=_signed(row),
            partner=partner,
            due_at=due_at,
            done_at=done_at,
            shown=shown,
            terms=words | flags,
        )


def _place(row: Row, header: Mapping[str, Any]) -> int | None:
    # DID-02b: our ordinal, or, for a document its agency numbered itself, the number it bears.
    if row["issue_ordinal"] is not None or not row["issued_at"]:
        return None if row["issue_ordinal"] is None else int(row["issue_ordinal"])
    found = _DIGITS.match(_text(header, "code_number"))
    return int(found[0]) if found else 0


def _signed(row: Row) -> str:
    # RPT-02: signed or not; what could not be decided is neither.
    if row.get("source") == "paper":
        return "paper"
    if row["legal_class"] == "unsigned":
        return "unsigned"
    return _SIGNED.get(row["verdict"], "unknown")


class _Dues:
    """Until when something is to be done, worked out once for documents of one day."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._issue: dict[tuple[str, date], str] = {}
        self._register: dict[tuple[str, date], str] = {}

    def issue(self, agency: str, signed_on: date | None) -> str:
        # SND-01 (S003 art 7.2): counted from the day of the document, which is when it was signed.
        if signed_on is None:
            return ""
        key = (agency, signed_on)
        if key not in self._issue:
            try:
                due = to_text(issue_deadline(signed_on, self._known.calendar(agency)))
            except (ValueError, OverflowError):
                due = ""  # no hours are known for that day
            self._issue[key] = due
        return self._issue[key]

    def register(self, agency: str, legal_at: str | None) -> str:
        # RCV-08 (NĐ30 art 4.2c): the day it came, at the latest the next working day.
        if not legal_at:
            return ""
        key = (agency, from_text(legal_at).astimezone(VIETNAM).date())
        if key not in self._register:
            self._register[key] = self._next_day(*key)
        return self._register[key]

    def _next_day(self, agency: str, came: date) -> str:
        try:
            last = self._known.calendar(agency).calendar.next_working_day(came)
            return to_text(datetime.combine(last + timedelta(days=1), time(), VIETNAM))
        except (ValueError, OverflowError):
            return ""


def _day(header: Mapping[str, Any]) -> date | None:
    text = header.get("promulgation_date")
    return date.fromisoformat(text) if text else None


def _text(header: Mapping[str, Any], name: str) -> str:
    return str(header.get(name) or "")[:_LONGEST]


def _of(header: Mapping[str, Any], block: str, name: str) -> str:
    return str((header.get(block) or {}).get(name) or "")[:_LONGEST]
