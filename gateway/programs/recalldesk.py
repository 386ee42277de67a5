"""recalldesk: `ports.recalls.Recalls` over the ledger: taking back, both ways, and legal holds.

Promises: who holds or lifts is in the audit log with the reason's hash, in the same change set; a
document is held or given back, never both, whoever is faster. Pages cost a page.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.lifecycle import (
    ARRIVAL,
    DELIVERY,
    RECALL,
    ArrivalState,
    DeliveryState,
    RecallState,
    state_text,
)
from gateway.domain.machine import Text
from gateway.domain.moments import from_text, iso, to_text
from gateway.domain.recall import may_change, recall_act, targets
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Caller, ChangeSet, Conflict, Insert, Row, Update
from gateway.ports.recalls import (
    Hold,
    Listed,
    Order,
    Passed,
    ReceivedRecall,
    Recipient,
    SentRecall,
    Side,
    Takeback,
    Wish,
)
from gateway.programs import matching, takebacks
from gateway.programs.catalogue import family, name_of, today, whois, works_in_console
from gateway.programs.context import Context
from gateway.programs.onward import onward
from gateway.programs.recallorders import RecallOrders
from gateway.programs.recalls import BY_STATUS
from gateway.programs.rows import audited, loads
from gateway.programs.takebacks import Takebacks

_MOST: Final = 2000
_CHANGES: Final = 50
PURGED: Final = "retention_purged"
_NOT_HERE: Final = Text("không có ở đơn vị", "not here")


class RecallDesk:
    """See `ports.recalls.Recalls`.

    Args:
        context: Ports and policy.
        orders: Takes our own documents back.
        takebacks: Answers what is asked of agencies of ours.
        keep_for: How long the content of what was given back stays, None for ever.
    """

    def __init__(
        self,
        context: Context,
        orders: RecallOrders,
        takebacks: Takebacks,
        keep_for: timedelta | None,
    ) -> None:
        self._context = context
        self._orders = orders
        self._takebacks = takebacks
        self._keep_for = keep_for

    # ------------------------------------------------------------ sent

    async def sent(self, consignment_id: str) -> SentRecall | None:
        """Return a sending with its recalls."""
        ledger = self._context.ledger
        row = await ledger.one("consignment", id=consignment_id)
        if row is None or row["state"] == "quarantined":
            return None
        deliveries = await ledger.all("deliveries", consignment_id=row["id"])
        orders = await ledger.all("recall_orders_of", consignment_id=row["id"], limit=_CHANGES)
        header = envelope_from_json(loads(row["envelope"])).header
        later = await ledger.all(
            "changes_of_sent",
            senders=family(self._context, row["sender"]),
            after=row["id"],
            document_id=row["document_id"] or "-",
            limit=_MOST,
        )
        return SentRecall(
            id=row["id"],
            sender=row["sender"],
            document_id=row["document_id"] or "",
            notation=_notation(row),
            subject=row["subject"],
            recipients=tuple(_recipient(d) for d in deliveries),
            orders=await self._with_wishes(orders),
            holds=await self._holds(row["id"]),
            changes=tuple(_changing(later, row["document_id"])),
            changed=targets(header, own_id_exists=row["version"] > 1),
            frozen=any(o["whole"] for o in orders),
        )

    async def order(
        self, consignment_id: str, agencies: Collection[str], reason: str, *, by: str
    ) -> str:
        """Take a sending back; see the port."""
        return await self._orders.order(consignment_id, agencies, reason, by=by)

    async def orders(self, agency: str, *, only_open: bool, before: str, limit: int) -> Listed:
        """Return what an agency takes back."""
        ledger = self._context.ledger
        name = "recall_orders_open" if only_open else "recall_orders"
        rows = await ledger.all(name, agency=agency, before=before or "~", limit=limit)
        if only_open:
            ids = [row["order_id"] for row in rows]
            rows = await ledger.all("recall_orders_of_many", ids=json.dumps(ids))
        found = await self._with_wishes(rows)
        return Listed(found, rows[-1]["id"] if len(rows) == limit else "")

    async def _with_wishes(self, orders: Sequence[Row]) -> tuple[Order, ...]:
        ids = json.dumps([order["id"] for order in orders])
        wishes: dict[str, list[Wish]] = {}
        for row in await self._context.ledger.all("recalls_of_orders", ids=ids):
            wishes.setdefault(row["order_id"], []).append(_wish(row))
        return tuple(
            Order(
                id=order["id"],
                consignment_id=order["consignment_id"],
                document_id=order["document_id"],
                sender=order["sender"],
                whole=bool(order["whole"]),
                reason=order["reason"],
                asked_by=order["asked_by"],
                asked_at=from_text(order["asked_at"]),
                wishes=tuple(wishes.get(order["id"], ())),
            )
            for order in orders
        )

    # ------------------------------------------------------------ received

    async def received(self, arrival_id: str) -> ReceivedRecall | None:
        """Return what recalls and holds say about an arrival."""
        context = self._context
        row = await context.ledger.one("arrival", id=arrival_id)
        if row is None or row["state"] == ArrivalState.QUARANTINED.value:
            return None
        asked = await context.ledger.one("takeback_of", arrival_id=row["id"])
        later = await context.ledger.all(
            "arrivals_concerning",
            agency=row["agency"],
            senders=family(context, row["sender"]),
            after=row["id"],
            document_id=row["document_id"],
            limit=_MOST,
        )
        header = envelope_from_json(loads(row["envelope"])).header
        known, unknown = [], []
        for target in targets(header, own_id_exists=row["version"] > 1):
            named = await matching.arrivals_named(context, row["agency"], row["sender"], target)
            other = next((a for a in named if a["id"] != row["id"]), None)
            if other is None:
                unknown.append(target)
            else:
                known.append(_passed(other, row["business_type"]))
        return ReceivedRecall(
            id=row["id"],
            agency=row["agency"],
            takeback=await self._takeback(asked, row, whole=True) if asked is not None else None,
            holds=await self._holds(row["id"]),
            changes=tuple(_changing(later, row["document_id"])),
            changed=tuple(known),
            changed_unknown=tuple(unknown),
        )

    async def asked_of(self, agency: str, state: str, *, before: str, limit: int) -> Listed:
        """Return what an agency is asked to give back."""
        ledger = self._context.ledger
        rows = await ledger.all(
            "takebacks", agency=agency, state=state, before=before or "~", limit=limit
        )
        found = []
        for row in rows:
            arrival = await ledger.one("arrival", id=row["arrival_id"])
            if arrival is not None:
                found.append(await self._takeback(row, arrival, whole=False))
            else:
                found.append(await self._of_nothing(row))
        return Listed(found, rows[-1]["id"] if len(rows) == limit else "")

    async def takeback(self, takeback_id: str) -> Takeback | None:
        """Return one question."""
        row = await self._context.ledger.one("takeback", id=takeback_id)
        if row is None:
            return None
        arrival = await self._context.ledger.one("arrival", id=row["arrival_id"])
        if arrival is None:
            return await self._of_nothing(row)
        return await self._takeback(row, arrival, whole=True)

    async def _of_nothing(self, row: Row) -> Takeback:
        """Return a question about a document that is not here."""
        context = self._context
        notation = ""
        if row["means"] == BY_STATUS:
            notice = await context.ledger.one("status_report", id=row["notice_id"])
            notation = notice["notation"] if notice is not None else ""
        answered = row["answered_at"]
        return Takeback(
            id=row["id"],
            arrival_id="",
            agency=row["agency"],
            sender=row["sender"],
            sender_name=name_of(context.directory(), row["sender"]),
            document_id=row["document_id"],
            notation=notation,
            subject="",
            state=row["state"],
            text=state_text(RECALL, RecallState(row["state"])),
            means=row["means"],
            reason=row["reason"],
            asked_at=from_text(row["asked_at"]),
            answered_at=from_text(answered) if answered else None,
            answered_by=row["answered_by"],
            answer=row["answer"],
            purged_at=None,
            purge_at=None,
            document=_NOT_HERE,
            entered=False,
            console=works_in_console(context, row["agency"]),
        )

    async def _takeback(self, row: Row, arrival: Row, *, whole: bool) -> Takeback:
        context = self._context
        header = loads(arrival["envelope"])["header"]
        hold = await takebacks.held(context, arrival["id"])
        answered = row["answered_at"]
        agreed = row["state"] == RecallState.AGREED.value
        purge = None
        if agreed and self._keep_for is not None and row["purged_at"] is None and hold is None:
            purge = from_text(answered) + self._keep_for
        name = arrival["sender_name"] or name_of(context.directory(), row["sender"])
        return Takeback(
            id=row["id"],
            arrival_id=arrival["id"],
            agency=row["agency"],
            sender=row["sender"],
            sender_name=name,
            document_id=row["document_id"],
            notation=_notation(arrival),
            subject=header.get("subject", ""),
            state=row["state"],
            text=state_text(RECALL, RecallState(row["state"])),
            means=row["means"],
            reason=row["reason"],
            asked_at=from_text(row["asked_at"]),
            answered_at=from_text(answered) if answered else None,
            answered_by=row["answered_by"],
            answer=row["answer"],
            purged_at=from_text(row["purged_at"]) if row["purged_at"] else None,
            purge_at=purge,
            document=state_text(ARRIVAL, ArrivalState(arrival["state"])),
            entered=arrival["entered_system_at"] is not None,
            console=works_in_console(context, row["agency"]),
            hold=_hold(hold) if hold is not None else None,
            onward=await self._onward(arrival) if whole else (),
        )

    async def _onward(self, arrival: Row) -> tuple[Passed, ...]:
        found = []
        for row in await onward(self._context, arrival):
            orders = await self._context.ledger.all(
                "recall_orders_of", consignment_id=row["id"], limit=_CHANGES
            )
            found.append(_passed(row, 0, ordered=any(o["whole"] for o in orders)))
        return tuple(found)

    async def agree(self, takeback_id: str, note: str, *, by: str) -> None:
        """Answer 15."""
        row = await self._asked(takeback_id)
        reason = note.strip() or takebacks.AGREED
        also = self._answer_told("recall-agreed", row, reason, by)
        await self._takebacks.answer(row, "15", reason, by=by, also=also)

    async def decline(self, takeback_id: str, *, by: str) -> None:
        """Answer 16 with the reason of the legal hold."""
        row = await self._asked(takeback_id)
        hold = await takebacks.held(self._context, row["arrival_id"])
        if hold is None:
            # REC-08: 16 is for what the law keeps; a mere wish to keep it is no reason.
            raise RejectedError(
                Reason.BAD_REQUEST, "only a document under legal hold may be kept: hold it first"
            )
        also = self._answer_told("recall-declined", row, hold["reason"], by)
        await self._takebacks.answer(row, "16", hold["reason"], by=by, also=also)

    def _answer_told(self, action: str, row: Row, reason: str, by: str) -> takebacks.Also:
        """Return what writes down who answered (AUD-03), in the commit of the answer."""
        return lambda _, now: self._told(
            action, "arrival", {"id": row["arrival_id"]}, row["agency"], reason, by, now
        )

    async def _asked(self, takeback_id: str) -> Row:
        row = await self._context.ledger.one("takeback", id=takeback_id)
        if row is None or row["arrival_id"] is None:
            raise RejectedError(Reason.NOT_FOUND)
        if row["state"] == RecallState.AGREED.value:
            raise RejectedError(Reason.ILLEGAL_TRANSITION, "the document was given back already")
        return row

    # ------------------------------------------------------------ holds

    async def hold(self, side: Side, subject: str, reason: str, *, by: str) -> None:
        """Keep a document by law."""
        context = self._context
        if not reason.strip():
            raise RejectedError(Reason.BAD_REQUEST, "a legal hold needs its reason")
        table, agency = ("consignment", "sender") if side == "sent" else ("arrival", "agency")
        row = await context.ledger.one(table, id=subject)
        if row is None or row["state"] == "quarantined":
            raise RejectedError(Reason.NOT_FOUND)
        now = context.clock.now()
        values = {
            "id": context.ids.new(),
            "side": side,
            "subject": subject,
            "agency": row[agency],
            "document_id": row["document_id"] or "",
            "reason": reason.strip()[:500],
            "held_by": by,
            "since": to_text(now),
        }
        change = ChangeSet(
            guards=(
                Absent("legal_hold", {"subject": subject, "released_at": None}),
                # Purged at this very moment: there is nothing left to keep.
                Absent("event", {"subject": subject, "type": PURGED}),
            ),
            rows=(
                Insert("legal_hold", values),
                *self._told("legal-hold-set", table, row, row[agency], reason, by, now),
            ),
        )
        result = await context.ledger.commit(change)
        if isinstance(result, Conflict):
            if isinstance(result.failed, Absent) and result.failed.table == "event":
                raise RejectedError(Reason.GONE, "its content was purged")
            raise RejectedError(Reason.CONFLICT, "the document is held already")

    async def release(self, subject: str, reason: str, *, by: str) -> None:
        """Lift the hold that stands; what waits for it goes on."""
        context = self._context
        if not reason.strip():
            raise RejectedError(Reason.BAD_REQUEST, "lifting a legal hold needs its reason")
        hold = await takebacks.held(context, subject)
        if hold is None:
            raise RejectedError(Reason.NOT_FOUND, "no hold stands on this document")
        now = context.clock.now()
        table = "consignment" if hold["side"] == "sent" else "arrival"
        values = {
            "released_at": to_text(now),
            "released_by": by,
            "release_reason": reason.strip()[:500],
        }
        where = {"id": hold["id"], "released_at": None}
        row = {"id": subject}
        change = ChangeSet(
            rows=(
                Update("legal_hold", where, values),
                *self._told("legal-hold-lifted", table, row, hold["agency"], reason, by, now),
            )
        )
        if isinstance(await context.ledger.commit(change), Conflict):
            raise RejectedError(Reason.CONFLICT, "the hold was lifted already")

    def _told(  # noqa: PLR0917
        self, action: str, table: str, row: Row, agency: str, reason: str, by: str, now: datetime
    ) -> tuple[Insert, Insert]:
        kind = "document" if table == "consignment" else "arrival"
        return audited(
            self._context.ids,
            now,
            action=action,
            actor=by,
            target=f"{kind}:{row['id']}",
            agency=agency,
            reason=reason,
        )

    async def _holds(self, subject: str) -> tuple[Hold, ...]:
        rows = await self._context.ledger.all("legal_holds_of", subject=subject)
        return tuple(_hold(row) for row in rows)

    # ------------------------------------------------------------ systems

    async def by_system(
        self, caller: Caller, consignment_id: str, agencies: Collection[str], reason: str
    ) -> Mapping[str, Any]:
        """Take back for a calling system."""
        row = await self._own(caller, consignment_id)
        codes = {whois(self._context, written).canonical for written in agencies}
        await self._orders.order(row["id"], codes, reason, by=caller.system_id)
        return await self.of_system(caller, consignment_id)

    async def of_system(self, caller: Caller, consignment_id: str) -> Mapping[str, Any]:
        """Return the recalls of a document as the API shows them."""
        row = await self._own(caller, consignment_id)
        found = await self.sent(row["id"])
        if found is None:
            raise RejectedError(Reason.NOT_FOUND)
        return {
            "id": found.id,
            "document_id": found.document_id,
            "frozen": found.frozen,
            "orders": [_order_json(order) for order in found.orders],
        }

    async def _own(self, caller: Caller, consignment_id: str) -> Row:
        context = self._context
        row = await context.ledger.one("consignment", id=consignment_id)
        if row is None or row["state"] == "quarantined":
            raise RejectedError(Reason.NOT_FOUND)
        # REC-06: who sent it, or who took over from it; to others it does not exist.
        directory, day = context.directory(), today(context)
        ours = any(may_change(row["sender"], own, directory, day) for own in caller.speaks_for)
        if not ours:
            raise RejectedError(Reason.NOT_FOUND)
        return row


def _notation(row: Row) -> str:
    number, notation = row["code_number"], row["code_notation"]
    return f"{number}/{notation}" if notation else str(number)


def _recipient(delivery: Row) -> Recipient:
    state = DeliveryState(delivery["state"])
    act = recall_act(state).value
    return Recipient(delivery["agency"], delivery["name"], state_text(DELIVERY, state), act)


def _wish(row: Row) -> Wish:
    answered = row["answered_at"]
    return Wish(
        id=row["id"],
        agency=row["agency"],
        name=row["name"],
        state=row["state"],
        text=state_text(RECALL, RecallState(row["state"])),
        delivery=state_text(DELIVERY, DeliveryState(row["delivery_state"])),
        asked_at=from_text(row["asked_at"]),
        answered_at=from_text(answered) if answered else None,
        answer=row["answer"],
    )


def _hold(row: Row) -> Hold:
    released = row["released_at"]
    return Hold(
        id=row["id"],
        side=row["side"],
        subject=row["subject"],
        agency=row["agency"],
        reason=row["reason"],
        held_by=row["held_by"],
        since=from_text(row["since"]),
        released_at=from_text(released) if released else None,
        released_by=row["released_by"],
        release_reason=row["release_reason"],
    )


def _passed(row: Row, kind: int, *, ordered: bool = False) -> Passed:
    header = loads(row["envelope"])["header"]
    subject = header.get("subject", "")
    number, notation = header.get("code_number", ""), header.get("code_notation", "")
    shown = f"{number}/{notation}" if notation else str(number)
    return Passed(row["id"], row["document_id"] or "", shown, subject, kind, ordered)


def _changing(rows: Sequence[Row], document_id: str | None) -> list[Passed]:
    """Return those of the later messages that are about a document (REC-05)."""
    found = []
    for row in rows:
        header = envelope_from_json(loads(row["envelope"])).header
        if document_id and document_id in targets(header, own_id_exists=True):
            found.append(_passed(row, row["business_type"]))
    return found[-_CHANGES:]


def _order_json(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "whole": order.whole,
        "reason": order.reason,
        "asked_by": order.asked_by,
        "asked_at": iso(order.asked_at),
        "recipients": [
            {
                "agency": wish.agency,
                "name": wish.name,
                "state": wish.state,
                "state_text": wish.text.vi,
                "asked_at": iso(wish.asked_at),
                "answered_at": iso(wish.answered_at) if wish.answered_at else None,
                "answer": wish.answer,
            }
            for wish in order.wishes
        ],
    }
