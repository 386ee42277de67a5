"""What an agency sent, whichever of its systems sent it: lists, one document, sending again.

Promises: every list is a page of an index, whatever the agency sent in all its years; what is in
quarantine is shown to nobody (SEC-01); a failed delivery is put back with the name of who did it.
Reads only, but for `resend`.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from gateway.domain.access import Person
from gateway.domain.lifecycle import (
    DELIVERY,
    TRANSFER,
    ConsignmentState,
    DeliveryEvent,
    DeliveryState,
    TransferEvent,
    TransferState,
    settled,
)
from gateway.domain.moments import from_text, to_text
from gateway.domain.worktime import issue_deadline
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Caller, Change, ChangeSet, Conflict, Desk, Json, Packet, Row
from gateway.ports import Update as Changed
from gateway.ports.clerk_send import SentDocument, SentPage, SentRow
from gateway.programs import settle
from gateway.programs.catalogue import today
from gateway.programs.clerk.draftcheck import ClerkPolicy
from gateway.programs.clerk.marks import audited
from gateway.programs.clerk.sentwords import QUIET, told
from gateway.programs.clerk.ways import way_of
from gateway.programs.context import Context
from gateway.programs.routing import owed_to
from gateway.programs.rows import dumps, event, held_by_hand, wake

PAGE: Final = 50
_LAST: Final = "\U0010ffff"
_UNTAKEN: Final = frozenset({"pending", "sending", "deferred", "handed_over"})
_UNFINISHED: Final = frozenset(s.value for s in DeliveryState if not settled(DELIVERY, s))
_TROUBLED: Final = {
    "failed": DeliveryState.FAILED,
    "returned": DeliveryState.RETURNED,
    "recalled": DeliveryState.RECALLED,
    "other-means": DeliveryState.NOT_CONNECTED,
}
_WHOLE: Final = {"sent": "sent_by_agency", "refused": "sent_refused"}


class LedgerSentDesk:
    """See `ports.clerk_send.SentDesk`."""

    def __init__(self, context: Context, desk: Desk, policy: ClerkPolicy) -> None:
        self._context = context
        self._desk = desk
        self._deadline = policy.deadline
        self._follow_up_after = policy.follow_up_after

    # ------------------------------------------------------------ lists

    async def page(self, agency: str, tab: str, *, after: str) -> SentPage:
        """Return a page of a list, newest first."""
        ledger, before = self._context.ledger, after or _LAST
        if tab in _WHOLE:
            rows = await ledger.all(_WHOLE[tab], agency=agency, before=before, limit=PAGE)
            return await self._page(rows, _behind(rows, "id"), frozenset())
        if tab == "open":
            found = await ledger.all("sent_untaken", agency=agency, before=before, limit=PAGE)
            states = _UNTAKEN
        elif tab in _TROUBLED:
            states = frozenset({_TROUBLED[tab].value})
            found = await ledger.all(
                "sent_troubled", agency=agency, state=min(states), before=before, limit=PAGE
            )
        else:
            raise RejectedError(Reason.NOT_FOUND)
        ids = dumps([r["consignment_id"] for r in found])
        rows = await ledger.all("consignments_of_many", ids=ids)
        return await self._page(rows, _behind(found, "consignment_id"), states)

    async def late(self, agency: str, *, after: str) -> SentPage:
        """Return whose answers are overdue, longest first."""
        day = today(self._context)
        due, _, last = after.partition(":")
        rows = await self._context.ledger.all(
            "sent_due",
            agency=agency,
            today=day.isoformat(),
            due_date=due,
            id=last,
            limit=PAGE,
        )
        behind = f"{rows[-1]['due_date']}:{rows[-1]['id']}" if len(rows) == PAGE else ""
        return await self._unfinished(rows, behind)

    async def late_of(self, person: Person, *, after: str) -> SentPage:
        """Return the same of what a person drafted."""
        rows = await self._context.ledger.all(
            "sent_due_of_drafter",
            account_id=person.account_id,
            today=today(self._context).isoformat(),
            before=after or _LAST,
            limit=PAGE,
        )
        return await self._unfinished(rows, _behind(rows, "draft_id"))

    async def _unfinished(self, rows: Sequence[Row], behind: str) -> SentPage:
        page = await self._page(rows, behind, _UNFINISHED)
        return SentPage(tuple(i for i in page.items if i.open_for), behind)

    async def _page(self, rows: Sequence[Row], after: str, states: Iterable[str]) -> SentPage:
        named = set(states)
        ids = dumps([r["id"] for r in rows])
        of: dict[str, list[Row]] = {}
        for d in await self._context.ledger.all("deliveries_of_many", ids=ids):
            of.setdefault(d["consignment_id"], []).append(d)
        items = tuple(
            self._row(r, of.get(r["id"], []), named)
            for r in rows
            if r["state"] != ConsignmentState.QUARANTINED.value
        )
        return SentPage(items, after)

    def _row(self, row: Row, deliveries: Sequence[Row], named: set[str]) -> SentRow:
        counts: dict[str, int] = {}
        for d in deliveries:
            counts[d["state"]] = counts.get(d["state"], 0) + 1
        number, notation = row["code_number"], row["code_notation"]
        issued = from_text(row["issued_at"]) if row["issued_at"] else None
        dated, due = _day(row["promulgation_date"]), _day(row["due_date"])
        deadline = self._deadline_of(row["sender"], dated)
        overdue = (today(self._context) - due).days if due is not None else 0
        return SentRow(
            id=row["id"],
            agency=row["sender"],
            code=f"{number}/{notation}" if notation else number,
            dated=dated,
            due=due,
            subject=row["subject"],
            urgency=row["urgency"],
            state=row["state"],
            legal_class=row["legal_class"],
            issued_at=issued,
            late=issued is not None and deadline is not None and issued >= deadline,
            counts=counts,
            open_for=tuple(d["name"] or d["agency"] for d in deliveries if d["state"] in named),
            via=row["via"],
            days_late=max(0, overdue),
            follow_up=issued is not None
            and not _UNTAKEN.isdisjoint(counts)
            and self._context.clock.now() - issued >= self._follow_up_after,
        )

    def _deadline_of(self, sender: str, dated: date | None) -> datetime | None:
        if dated is None:
            return None
        try:
            return issue_deadline(dated, self._context.calendar(sender), self._deadline)
        except (ValueError, OverflowError):
            return None

    # ------------------------------------------------------------ one document

    async def owner(self, consignment_id: str) -> tuple[str, str]:
        """Return the agency of a document and who drafted it."""
        row = await self._must(consignment_id)
        draft = await self._context.ledger.one(
            "draft_of_consignment", consignment_id=consignment_id
        )
        return row["sender"], draft["account_id"] if draft is not None else ""

    async def document(self, consignment_id: str) -> SentDocument:
        """Return one document."""
        row = await self._must(consignment_id)
        caller, ledger = _caller(row), self._context.ledger
        document = await self._desk.document(caller, consignment_id)
        events = await self._desk.document_events(caller, consignment_id)
        statuses: dict[str, list[Row]] = {}
        for s in await ledger.all("statuses_of_consignment", consignment_id=consignment_id):
            statuses.setdefault(s["delivery_id"] or "", []).append(s)
        issued = from_text(row["issued_at"]) if row["issued_at"] else None
        now = self._context.clock.now()
        deadline = self._deadline_of(row["sender"], _day(row["promulgation_date"]))
        _, drafted_by = await self.owner(consignment_id)
        return SentDocument(
            agency=row["sender"],
            document=document,
            ways=tuple(
                way_of(d, issued, statuses.get(d["id"], ()), now, self._follow_up_after)
                for d in document["deliveries"]
            ),
            events=tuple(told(e) for e in events if e["type"] not in QUIET),
            deadline=deadline,
            late=issued is not None and deadline is not None and issued >= deadline,
            drafted_by=drafted_by,
        )

    async def verification(self, consignment_id: str) -> Json:
        """Return its verification reports."""
        row = await self._must(consignment_id)
        return await self._desk.document_verification(_caller(row), consignment_id)

    async def receipts(self, consignment_id: str) -> Json:
        """Return its receipts."""
        row = await self._must(consignment_id)
        return await self._desk.document_receipts(_caller(row), consignment_id)

    async def file(self, consignment_id: str, index: int) -> Packet:
        """Return one file of it."""
        row = await self._must(consignment_id)
        return await self._desk.document_attachment(_caller(row), consignment_id, index)

    async def _must(self, consignment_id: str) -> Row:
        row = await self._context.ledger.one("consignment", id=consignment_id)
        if row is None or row["state"] == ConsignmentState.QUARANTINED.value:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    # ------------------------------------------------------------ sending again

    async def resend(self, consignment_id: str, delivery_id: str, why: str, *, by: Person) -> None:
        """Put a failed delivery, and those that failed with it, back into their lane."""
        document = await self._must(consignment_id)
        ledger, now = self._context.ledger, self._context.clock.now()
        delivery = await ledger.one("delivery", id=delivery_id)
        if delivery is None or delivery["consignment_id"] != consignment_id:
            raise RejectedError(Reason.NOT_FOUND)
        carried = delivery["transfer_id"] or ""
        transfer = await ledger.one("transfer", id=carried) if carried else None
        state = DeliveryState(delivery["state"])
        if (
            transfer is None
            or state is not DeliveryState.FAILED
            or (state, DeliveryEvent.REQUEUED) not in DELIVERY.rows
            or (TransferState(transfer["state"]), TransferEvent.REQUEUED) not in TRANSFER.rows
        ):
            raise RejectedError(
                Reason.CONFLICT, "Only what failed is sent again as it is: open the page anew"
            )
        rows: list[Change] = [
            Changed(
                "transfer",
                {"id": transfer["id"], "state": transfer["state"]},
                {"state": TransferState.WAITING.value, "due_at": to_text(now), "reason": ""},
            ),
            Changed(
                "delivery",
                {"transfer_id": transfer["id"], "state": state.value},
                {"state": DeliveryState.PENDING.value, "reason": ""},
                expect=None,
            ),
            settle.reopened(consignment_id),
            event(transfer["id"], "requeued", now, reason=why, actor=by.login),
            *audited(
                self._context.ids,
                now,
                by,
                "transfer-requeued",
                f"transfer:{transfer['id']}",
                reason=why,
                agency=document["sender"],
                consignment_id=consignment_id,
            ),
            wake(owed_to(transfer["hop"]), transfer["id"], transfer["lane"]),
        ]
        # An operator's word stands above a clerk's.
        held = Absent("hold", held_by_hand("document", consignment_id))
        result = await ledger.commit(ChangeSet(rows=tuple(rows), guards=(held,)))
        if isinstance(result, Conflict):
            raise RejectedError(
                Reason.CONFLICT, "It changed meanwhile, or operations hold it: open the page anew"
            )


def _caller(row: Row) -> Caller:
    """Return the system that sent it: the desk shows each its own."""
    return Caller(row["system_id"], frozenset({row["sender"]}))


def _behind(rows: Sequence[Row], column: str) -> str:
    """Return the cursor behind a full page, "" when there is no more."""
    return str(rows[-1][column]) if len(rows) == PAGE else ""


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
