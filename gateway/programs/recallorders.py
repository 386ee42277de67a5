"""recallorders: a person or system of an agency takes back what the agency sent (REC-03, REC-07).

Promises: the order is committed whole before anything is done about it, so a crash loses none of
it; then each recipient is seen to by itself: what has not left is cancelled, what is being sent is
waited for, what may have arrived is asked back, by the means its side understands. The same order
again adds nothing. An order for all recipients freezes the sending: no further recipients. Every
step looks at the facts again inside its transaction; the janitor's sweep goes on where a crash, or
an attempt under way, left off.
"""

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from gateway import observe
from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import (
    Business,
    BusinessType,
    Organization,
    ResponseFor,
    StatusCode,
    StatusReport,
)
from gateway.domain.lifecycle import ConsignmentState, DeliveryState, RecallState, TransferState
from gateway.domain.moments import from_text, to_text
from gateway.domain.recall import RecallAct, recall_act, targets
from gateway.errors import GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    Absent,
    Caller,
    Change,
    ChangeSet,
    Conflict,
    FormFile,
    Insert,
    Present,
    Row,
    SubmitOptions,
    Update,
)
from gateway.programs import statuses, takebacks, tracking
from gateway.programs.acceptance import BY_ORDER
from gateway.programs.catalogue import family, whois
from gateway.programs.context import Context
from gateway.programs.incoming import report_row
from gateway.programs.intake import Intake
from gateway.programs.recalls import (
    BY_STATUS,
    Asked,
    given_back,
    is_answer,
    may_have_left,
    order_row,
    said_at,
    wish_row,
)
from gateway.programs.routing import LOCAL
from gateway.programs.rows import audited, event, loads
from gateway.programs.takebacks import Takebacks

_RACES: Final = 8
_PAGE: Final = 100
_CANCELLABLE: Final = frozenset(s for s in DeliveryState if recall_act(s) is RecallAct.CANCEL)
_AGAIN: Final = frozenset({RecallState.DECLINED.value, RecallState.NOT_NEEDED.value})


class RecallOrders:
    """Takes orders and sees them through; keeps nothing but whose turn it is.

    Args:
        context: Ports and policy.
        takebacks: The side of the agencies of this gateway.
        intake: Takes the document that asks, where a peer understands only that.
    """

    def __init__(self, context: Context, takebacks: Takebacks, intake: Intake) -> None:
        self._context = context
        self._takebacks = takebacks
        self._intake = intake
        self._turns: dict[str, asyncio.Lock] = {}

    # ------------------------------------------------------------ the order

    async def order(
        self, consignment_id: str, agencies: Collection[str], reason: str, *, by: str
    ) -> str:
        """Take a sending back, from these recipients or from all; return the order's id.

        Raises:
            RejectedError: No reason, no such recipient, or nothing that could be taken back.
        """
        if not reason.strip():
            # REC-03 (QĐ28 art 8.2): a recall is announced, with its reason.
            raise RejectedError(Reason.BAD_REQUEST, "a recall needs its reason")
        for _ in range(_RACES):
            order_id, change, wishes = await self._planned(consignment_id, agencies, reason, by)
            if change.rows and isinstance(await self._context.ledger.commit(change), Conflict):
                continue
            for wish_id in wishes:
                await self._safely(wish_id)
            return order_id
        raise UnavailableError(public="the document is being changed by others", retry_after_s=1)

    async def _planned(
        self, consignment_id: str, agencies: Collection[str], reason: str, by: str
    ) -> tuple[str, ChangeSet, list[str]]:
        context = self._context
        row = await context.ledger.one("consignment", id=consignment_id)
        if row is None or row["state"] == ConsignmentState.QUARANTINED.value:
            raise RejectedError(Reason.NOT_FOUND)
        now = context.clock.now()
        versions = await self._versions(row)
        concerned = await self._concerned(versions, agencies)
        ids = json.dumps([d["id"] for d in concerned])
        known = {
            r["delivery_id"]: r for r in await context.ledger.all("recalls_of_deliveries", ids=ids)
        }
        # REC-03: once ordered for all, an order for some adds nothing, and neither does a repeat.
        before = await context.ledger.all("recall_orders_of", consignment_id=row["id"], limit=_PAGE)
        standing = next((o for o in before if o["whole"] >= int(not agencies)), None)
        missing = [d for d in concerned if _is_wanted(d, known.get(d["id"]))]
        if not missing and standing is not None:
            return standing["id"], ChangeSet(), []
        if not missing and not known:
            raise RejectedError(
                Reason.ILLEGAL_TRANSITION,
                "nothing to take back: the document was returned, recalled or cancelled everywhere",
            )
        order = order_row(context, row, reason, now, whole=int(not agencies), asked_by=by)
        changes: list[Change] = [order, *self._proof(row, order.values, by, now)]
        wishes = []
        for delivery in missing:
            wish, wish_id = _wish(context, delivery, known.get(delivery["id"]), order.values, now)
            changes.append(wish)
            wishes.append(wish_id)
        # Recipients added at this very moment would get what was taken back; each recipient is
        # asked once, however often the button is pressed.
        guards: list[Absent | Present] = [
            Present("consignment", {"id": v["id"], "receipt": v["receipt"]}) for v in versions
        ]
        fresh = [d["id"] for d in missing if d["id"] not in known]
        guards += [Absent("recall", {"delivery_id": name}) for name in fresh]
        if not agencies and standing is None:
            guards.append(Absent("recall_order", {"consignment_id": row["id"], "whole": 1}))
        return str(order.values["id"]), ChangeSet(rows=tuple(changes), guards=tuple(guards)), wishes

    async def _versions(self, row: Row) -> list[Row]:
        """Return a sending and every other version under its identifier."""
        context = self._context
        versions = [row]
        if row["document_id"]:
            found = await context.ledger.all(
                "consignment_versions",
                senders=family(context, row["sender"]),
                document_id=row["document_id"],
            )
            versions += [
                v
                for v in found
                if v["id"] != row["id"] and v["business_type"] != BusinessType.RECALL
            ]
        return versions

    async def _concerned(self, versions: Sequence[Row], agencies: Collection[str]) -> list[Row]:
        """Return the deliveries an order is about."""
        deliveries = await self._context.ledger.all(
            "deliveries_of_many", ids=json.dumps([v["id"] for v in versions])
        )
        unknown = sorted(set(agencies) - {d["agency"] for d in deliveries})
        if unknown:
            raise RejectedError(
                Reason.BAD_REQUEST, f"not a recipient of this document: {', '.join(unknown)[:200]}"
            )
        return [d for d in deliveries if not agencies or d["agency"] in agencies]

    def _proof(self, row: Row, order: Row, by: str, now: datetime) -> tuple[Change, Change]:
        return audited(
            self._context.ids,
            now,
            action="recall-ordered",
            actor=by,
            target=f"document:{row['id']}",
            agency=row["sender"],
            reason=order["reason"],
            code="whole" if order["whole"] else "some",
        )

    async def by_document(self, consignment_id: str) -> None:
        """Write down what a document of type 1 takes back; safe to repeat.

        It asks by itself; here the sender sees what becomes of it. What has not left is cancelled.
        """
        context = self._context
        notice = await context.ledger.one("consignment", id=consignment_id)
        if notice is None or notice["business_type"] != BusinessType.RECALL:
            return
        header = envelope_from_json(loads(notice["envelope"])).header
        told = await context.ledger.all("deliveries", consignment_id=notice["id"])
        agencies = {d["agency"] for d in told}
        now = context.clock.now()
        for target in targets(header, own_id_exists=True):
            versions = await context.ledger.all(
                "consignment_versions", senders=family(context, notice["sender"]),
                document_id=target,
            )  # fmt: skip
            bodies = [v for v in versions if v["business_type"] != BusinessType.RECALL]
            if bodies:
                reason = header.business.reason
                await self._by_document(notice, bodies, agencies, reason, now)

    async def _by_document(
        self, notice: Row, bodies: Sequence[Row], agencies: Collection[str], reason: str,
        now: datetime,
    ) -> None:  # fmt: skip
        for _ in range(_RACES):
            change, waiting = await self._by_notice(notice, bodies, agencies, reason, now)
            # A 13 of the same sender at this very moment: each recipient is asked once.
            if isinstance(await self._context.ledger.commit(change), Conflict):
                continue
            for wish_id in waiting:
                await self._safely(wish_id)
            return

    async def _by_notice(
        self, notice: Row, bodies: Sequence[Row], agencies: Collection[str], reason: str,
        now: datetime,
    ) -> tuple[ChangeSet, list[str]]:  # fmt: skip
        """Return the order a document of type 1 stands for, and which parts of it wait."""
        context = self._context
        rows = await context.ledger.all(
            "deliveries_of_many", ids=json.dumps([v["id"] for v in bodies])
        )
        rows = [d for d in rows if d["agency"] in agencies]
        ids = json.dumps([d["id"] for d in rows])
        known = await context.ledger.all("recalls_of_deliveries", ids=ids)
        fresh = [d for d in rows if d["id"] not in {r["delivery_id"] for r in known}]
        fresh = [d for d in fresh if recall_act(DeliveryState(d["state"])) is not RecallAct.NOTHING]
        if not fresh:
            return ChangeSet(), []
        order = order_row(context, bodies[-1], reason, now, asked_by=notice["system_id"])
        changes: list[Change] = [order]
        waiting = []
        for delivery in fresh:
            asked = recall_act(DeliveryState(delivery["state"])) is RecallAct.ASK
            state = RecallState.ASKED if asked else RecallState.WAITING
            wish = wish_row(context, delivery, order.values, state, now, notice["id"])
            changes.append(wish)
            waiting += [] if asked else [str(wish.values["id"])]
        return ChangeSet(rows=tuple(changes)), waiting

    # ------------------------------------------------------------ one recipient

    async def sweep(self) -> None:
        """Go on with everything that waits; safe to repeat."""
        after = ""
        while True:
            rows = await self._context.ledger.all("recalls_waiting", after=after, limit=_PAGE)
            for row in rows:
                await self._safely(row["id"])
            if len(rows) < _PAGE:
                return
            after = rows[-1]["id"]

    async def _safely(self, wish_id: str) -> None:
        """See to one recipient; trouble with it is no trouble of the others."""
        try:
            await self.advance(wish_id)
        except GatewayError as exc:
            observe.alarm(what="recall not sent", subject=wish_id, failure=exc)

    async def advance(self, wish_id: str) -> None:
        """Do what the state of the delivery allows now; the order and the sweep take turns."""
        turn = self._turns.setdefault(wish_id, asyncio.Lock())
        try:
            async with turn:
                await self._advance(wish_id)
        finally:
            if not turn.locked():
                self._turns.pop(wish_id, None)

    async def _advance(self, wish_id: str) -> None:
        context = self._context
        for _ in range(_RACES):
            wish = await context.ledger.one("recall", id=wish_id)
            if wish is None or wish["state"] != RecallState.WAITING.value:
                return
            delivery = await context.ledger.one("delivery_whole", id=wish["delivery_id"])
            if delivery is None:
                return
            match recall_act(DeliveryState(delivery["state"])):
                case RecallAct.ASK:
                    changes, arrival_id = await self._ask(wish, delivery)
                case RecallAct.CANCEL:
                    changes, arrival_id = await self._cancel(wish, delivery), ""
                case RecallAct.NOTHING:
                    changes, arrival_id = self._nothing(wish, delivery), ""
                case RecallAct.WAIT:
                    return
            if not changes:
                return
            result = await context.ledger.commit(ChangeSet(rows=tuple(changes)))
            if not isinstance(result, Conflict):
                await tracking.close_if_settled(context, delivery["consignment_id"])
                if arrival_id:
                    await self._takebacks.look_at(arrival_id)
                return

    def _nothing(self, wish: Row, delivery: Row) -> list[Change]:
        now = to_text(self._context.clock.now())
        done = delivery["state"] == DeliveryState.RECALLED.value
        state = RecallState.AGREED if done else RecallState.NOT_NEEDED
        return [_unmoved(delivery), _moved(wish, state, answered_at=now)]

    async def _cancel(self, wish: Row, delivery: Row) -> list[Change]:
        """REC-07: what has not left is cancelled, parcel and all who share it.

        A parcel names all its recipients as the sender wrote them: it leaves whole or not. Where
        only some of them are taken back, the wish waits until it left, and then asks.
        """
        context = self._context
        if context.restored:
            # The backup may not know that it left: what really became of it is found out first.
            return []
        now = context.clock.now()
        covered: Sequence[Row] = [delivery]
        changes: list[Change] = []
        if delivery["transfer_id"]:
            name = delivery["transfer_id"]
            covered = await context.ledger.all("deliveries_of_transfer", transfer_id=name)
            transfer = await context.ledger.one("transfer", id=name)
            if transfer is None or transfer["state"] == TransferState.SENDING.value:
                return []
            if transfer["state"] != TransferState.CANCELLED.value:
                where = {"id": name, "state": transfer["state"]}
                values = {
                    "state": TransferState.CANCELLED.value,
                    "reason": "recalled before sending",
                }
                changes.append(Update("transfer", where, values))
        ids = json.dumps([d["id"] for d in covered])
        wishes = {
            r["delivery_id"]: r
            for r in await context.ledger.all("recalls_of_deliveries", ids=ids)
            if r["state"] == RecallState.WAITING.value
        }
        if any(d["id"] not in wishes or d["state"] not in _CANCELLABLE for d in covered):
            return []
        if delivery["consignment_state"] == ConsignmentState.ACCEPTED.value:
            # Its verdict is still to come: it goes as a whole, or waits to be released.
            return await self._cancel_whole(delivery, wishes, changes, now)
        gone = await self._cancelled(covered, wishes, now)
        return [*changes, *gone] if gone else []

    async def _cancelled(
        self, covered: Sequence[Row], wishes: dict[str, Row], now: datetime
    ) -> list[Change]:
        changes: list[Change] = []
        for one in covered:
            wish = wishes[one["id"]]
            if await may_have_left(self._context, one):
                # It goes no more, and its recipient is asked: 16 says that it never came.
                whole = await self._context.ledger.one("delivery_whole", id=one["id"])
                asked = (await self._ask(wish, whole))[0] if whole is not None else []
                if not asked:
                    return []
                changes += asked
            else:
                changes.append(_moved(wish, RecallState.NOT_NEEDED, answered_at=to_text(now)))
            where = {"id": one["id"], "state": one["state"]}
            changes += [
                Update("delivery", where, {"state": DeliveryState.CANCELLED.value}),
                event(one["consignment_id"], "cancelled", now, agency=one["agency"], by="recall"),
            ]
        return changes

    async def _cancel_whole(
        self, delivery: Row, wishes: dict[str, Row], changes: list[Change], now: datetime
    ) -> list[Change]:
        context = self._context
        own = delivery["consignment_id"]
        rows = await context.ledger.all("deliveries", consignment_id=own)
        ids = json.dumps([d["id"] for d in rows])
        for wish in await context.ledger.all("recalls_of_deliveries", ids=ids):
            if wish["state"] == RecallState.WAITING.value:
                wishes[wish["delivery_id"]] = wish
        if any(d["id"] not in wishes or d["state"] not in _CANCELLABLE for d in rows):
            return []
        stopped = {c.where["id"] for c in changes if isinstance(c, Update)}
        for transfer in await context.ledger.all("transfers_of", consignment_id=own):
            live = transfer["state"] != TransferState.CANCELLED.value
            if transfer["id"] not in stopped and live:
                where = {"id": transfer["id"], "state": transfer["state"]}
                changes.append(Update("transfer", where, {"state": TransferState.CANCELLED.value}))
        where = {"id": own, "state": ConsignmentState.ACCEPTED.value}
        values = {"state": ConsignmentState.CANCELLED.value, "closed_at": to_text(now)}
        gone = await self._cancelled(rows, wishes, now)
        return [*changes, *gone, Update("consignment", where, values)] if gone else []

    # ------------------------------------------------------------ asking

    async def _ask(self, wish: Row, delivery: Row) -> tuple[list[Change], str]:
        context = self._context
        hop = delivery["hop"]
        by = "13" if hop == LOCAL else context.peer(hop).recall_by
        notice = wish["notice_id"]
        if by != "13" and not notice:
            made = await self._notice(wish, delivery)
            if made is None:
                return [], ""
            notice = made
        if notice and by != "both":
            now = context.clock.now()
            return [
                _moved(wish, RecallState.ASKED, notice_id=notice),
                event(delivery["consignment_id"], "recall_asked", now, agency=delivery["agency"]),
                *await self._answered_before(notice, delivery, now),
            ], ""
        return await self._by_status(wish, delivery, notice)

    async def _answered_before(self, notice: str, delivery: Row, now: datetime) -> list[Change]:
        """Return what an answer does that the notice had before its wish became a question.

        The notice left by itself; the wish waited for the end of an attempt.
        """
        ledger, said = self._context.ledger, None
        for one in await ledger.all("deliveries", consignment_id=notice):
            if one["agency"] == delivery["agency"]:
                told = await ledger.all(
                    "statuses_of_delivery", consignment_id=notice, delivery_id=one["id"]
                )
                answers = [t for t in told if is_answer(t["code"])]
                said = answers[-1] if answers else said
        if said is None:
            return []
        at, why = from_text(said["at"]), said["description"]
        return await given_back(self._context, [delivery], said["code"], at, why, now)

    async def _by_status(self, wish: Row, delivery: Row, notice: str) -> tuple[list[Change], str]:
        """C6: 13 asks one recipient to give a document back."""
        context = self._context
        now = context.clock.now()
        report = _thirteen(delivery, wish["reason"], said_at(now, [delivery], now))
        sender = whois(context, delivery["sender_written"])
        recipient = whois(context, report.response_for.organ_id)
        row = report_row(context, report, sender, recipient, LOCAL, "", now)
        row |= {"consignment_id": delivery["consignment_id"], "delivery_id": delivery["id"]}
        changes: list[Change] = [
            _unmoved(delivery),
            _moved(wish, RecallState.ASKED, notice_id=notice),
            event(delivery["consignment_id"], "recall_asked", now, agency=delivery["agency"]),
        ]
        arrival = await context.ledger.one("arrival_of_delivery", delivery_id=delivery["id"])
        if delivery["hop"] != LOCAL:
            changes.append(Insert("status_report", row))
            changes += statuses.status_transfer(context, row, delivery["hop"], now)
        elif arrival is not None:
            row["arrival_id"] = arrival["id"]
            asked = Asked(BY_STATUS, row["id"], wish["reason"])
            changes += [Insert("status_report", row), statuses.status_entry(context, row, now)]
            changes += await takebacks.noticed(context, arrival, asked, now)
        changes.append(event(row["id"], "forwarded", now, code=row["code"]))
        return changes, arrival["id"] if arrival is not None else ""

    async def _notice(self, wish: Row, delivery: Row) -> str | None:
        """Hand in the document that asks (BussinessDocType 1); return its consignment's id.

        Under the identifier of what it recalls: recipients of one order share one sending. Where
        it cannot be made, "" is returned and a status 13 asks instead; None while the sweep or the
        order itself is about it at this very moment.
        """
        context = self._context
        row = await context.ledger.one("consignment", id=delivery["consignment_id"])
        if row is None:
            return ""
        envelope = envelope_from_json(loads(row["envelope"]))
        codes = loads(delivery["addressed_as"])
        to = tuple(o for o in envelope.header.recipients if o.organ_id in codes)
        header = replace(
            envelope.header,
            document_id=row["document_id"],
            recipients=to or (Organization(codes[0]),),
            business=Business(
                doc_type=BusinessType.RECALL,
                reason=wish["reason"],
                document_id=row["document_id"],
            ),
            response_for=(_about(delivery, delivery["sender_written"]),),
        )

        async def files() -> Any:
            for one in envelope.attachments:
                yield FormFile(
                    one.name, one.content_type, context.blobs.stream(one.sha256), one.description
                )

        caller = Caller(row["system_id"], frozenset({whois(context, row["sender"]).canonical}))
        options = SubmitOptions(via=BY_ORDER, idempotency_key=f"\x1frecall:{wish['id']}")
        try:
            done = await self._intake.submit_form(caller, header, files(), options)
        except RejectedError as exc:
            if exc.reason is Reason.IN_FLIGHT:
                return None
            observe.alarm(what="recall by document refused", subject=wish["id"], failure=exc)
            return ""
        return done.id


def _is_wanted(delivery: Row, wish: Row | None) -> bool:
    """Tell whether an order has something to do about a delivery."""
    if wish is not None:
        return wish["state"] in _AGAIN and recall_act(DeliveryState(delivery["state"])) is not (
            RecallAct.NOTHING
        )
    return recall_act(DeliveryState(delivery["state"])) is not RecallAct.NOTHING


def _wish(
    context: Context, delivery: Row, known: Row | None, order: Row, now: datetime
) -> tuple[Change, str]:
    if known is None:
        row = wish_row(context, delivery, order, RecallState.WAITING, now)
        return row, str(row.values["id"])
    values = {
        "state": RecallState.WAITING.value,
        "reason": order["reason"],
        "order_id": order["id"],
        "sender": order["sender"],
        "asked_at": to_text(now),
        "answered_at": None,
        "answer": "",
        "notice_id": "",
    }
    return Update("recall", {"id": known["id"], "state": known["state"]}, values), known["id"]


def _unmoved(delivery: Row) -> Update:
    """Refuse the change set when the delivery moved since it was looked at."""
    where = {"id": delivery["id"], "state": delivery["state"]}
    return Update("delivery", where, {"state": delivery["state"]})


def _moved(wish: Row, state: RecallState, **more: str) -> Update:
    where = {"id": wish["id"], "state": RecallState.WAITING.value}
    return Update("recall", where, {"state": state.value, **more})


def _about(delivery: Row, organ_id: str) -> ResponseFor:
    number, notation = delivery["code_number"], delivery["code_notation"]
    dated = delivery["promulgation_date"]
    return ResponseFor(
        organ_id=organ_id,
        code=f"{number}/{notation}" if notation else number,
        document_id=delivery["document_id"] or "",
        promulgation_date=date.fromisoformat(dated) if dated else None,
    )


def _thirteen(delivery: Row, reason: str, now: datetime) -> StatusReport:
    return StatusReport(
        sender=Organization(delivery["sender_written"]),
        response_for=_about(delivery, loads(delivery["addressed_as"])[0]),
        code=StatusCode.RECALL_ASKED.value,
        description=reason,
        at=now,
        staff=None,
    )
