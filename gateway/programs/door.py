"""The front door: what an agency's system may do, for every façade and the API alike.

Implements `ports.FrontDoor` over intake and mailroom; holds no state.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime

from gateway.codec.status import parse_status
from gateway.domain.directory import Agency
from gateway.domain.envelope import Header
from gateway.domain.lifecycle import DELIVERY, DeliveryState, state_text
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    Accepted,
    AgencyRow,
    Caller,
    FormFile,
    InboxItem,
    MessageKind,
    Packet,
    Row,
    SentItem,
    SubmitOptions,
)
from gateway.programs import packets
from gateway.programs.catalogue import today
from gateway.programs.context import Context
from gateway.programs.feeds import ask_for
from gateway.programs.finder import Finder
from gateway.programs.intake import Intake
from gateway.programs.items import document_item, status_item
from gateway.programs.mailroom import Mailroom
from gateway.programs.replays import LedgerReplays, in_order
from gateway.programs.rows import loads

_STATUS_BYTES = 4 * 1024 * 1024
_URGENT = 1


class Door:
    """See `ports.FrontDoor`."""

    def __init__(self, context: Context, intake: Intake, mailroom: Mailroom) -> None:
        self._context = context
        self._intake = intake
        self._mailroom = mailroom
        self._replays = LedgerReplays(context.ledger, context.clock, context.ids)
        self._finder = Finder(context)

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        """Take an edXML document."""
        await self._context.gatekeeper.admit(caller.system_id, options.urgent)
        return await self._intake.submit(caller, packet, options)

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        """Take a document as fields and files."""
        await self._context.gatekeeper.admit(caller.system_id, header.urgency >= _URGENT)
        return await self._intake.submit_form(caller, header, files, options)

    async def report(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> str:
        """Take an edXML status message."""
        data = bytearray()
        async for chunk in packet:
            data += chunk
            if len(data) > _STATUS_BYTES:
                raise RejectedError(Reason.TOO_LARGE, "a status message of this size is none")
        info = await self._context.blobs.put(bytes(data))
        if options.check_sha256 is not None:
            options.check_sha256(info.sha256)
        report = parse_status(bytes(data), self._context.policy.limits)
        return await self._mailroom.from_system(
            caller, report, info.sha256, declared_from=options.declared_from
        )

    async def waiting(
        self,
        caller: Caller,
        kind: MessageKind,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> Sequence[InboxItem]:
        """List what is offered and not yet taken, oldest first."""
        rows = await ask_for(
            self._context.ledger,
            "waiting_documents" if kind == "edoc" else "waiting_statuses",
            caller.speaks_for,
            since=to_text(since) if since else "",
            until=to_text(until) if until else "",
            limit=limit,
        )
        items = [document_item(r) if kind == "edoc" else status_item(r) for r in rows]
        again = await self._replays.again(
            caller,
            kind,
            limit,
            lambda item: (
                (since is None or item.at_gateway_at >= since)
                and (until is None or item.at_gateway_at <= until)
            ),
        )
        return in_order(again, items)[:limit] if again else items

    async def fetch(self, caller: Caller, item_id: str) -> Packet:
        """Hand out the strict packet of a document or status."""
        context = self._context
        arrival = await context.ledger.one("arrival", id=item_id)
        if arrival is not None and _may_see(caller, arrival):
            return await packets.strict(context, arrival)
        report = await context.ledger.one("status_report", id=item_id)
        if report is not None and report["recipient"] in caller.speaks_for:
            return packets.status(context, report)
        raise RejectedError(Reason.NOT_FOUND)

    async def acknowledge(
        self, caller: Caller, item_id: str, *, done: bool, note: str = ""
    ) -> None:
        """Record that the agency's system has it, or why it could not use it."""
        context = self._context
        arrival = await context.ledger.one("arrival", id=item_id)
        if arrival is not None and _may_see(caller, arrival):
            if done:
                await self._mailroom.confirm(item_id, by=caller.system_id)
                await self._replays.seen(caller.system_id, item_id)
            else:
                await self._mailroom.note_failure(item_id, note)
            return
        report = await context.ledger.one("status_report", id=item_id)
        if report is None or report["recipient"] not in caller.speaks_for:
            raise RejectedError(Reason.NOT_FOUND)
        if done:
            await self._mailroom.take_status(item_id)
            await self._replays.seen(caller.system_id, item_id)

    async def sent(
        self, caller: Caller, consignment_id: str | None, kind: MessageKind, *, limit: int = 1000
    ) -> Sequence[SentItem]:
        """List what the caller sent, newest first."""
        ledger = self._context.ledger
        if kind == "status":
            if consignment_id:
                agencies = json.dumps(sorted(caller.speaks_for))
                rows = await ledger.all("sent_status", agencies=agencies, id=consignment_id)
            else:
                rows = await ask_for(ledger, "sent_statuses", caller.speaks_for, limit=limit)
            return [_sent_status(r) for r in rows]
        named = {"consignment_id": consignment_id} if consignment_id else {}
        rows = await ledger.all(
            "sent_of" if named else "sent", system_id=caller.system_id, limit=limit, **named
        )
        return [_sent_item(r) for r in rows]

    async def agencies(self, *, closed: bool = False) -> Sequence[AgencyRow]:
        """Return the catalogue, integration centres left out (spec/edxml.md 1.3)."""
        directory, day = self._context.directory(), today(self._context)
        chosen = directory.agencies() if closed else directory.pickable(day)
        return [_agency(a, day) for a in chosen]

    async def find_agencies(
        self, text: str, *, limit: int, closed: bool = False
    ) -> Sequence[AgencyRow]:
        """Return whom a text may mean, best first."""
        directory, day = self._context.directory(), today(self._context)
        found = await self._finder.find(text, limit=limit, closed=closed)
        return [_agency(a, day, directory.successor_of(a.code, day).codes) for a in found]


def _agency(agency: Agency, day: date, successors: tuple[str, ...] = ()) -> AgencyRow:
    return AgencyRow(
        code=agency.code,
        name=agency.name,
        legacy_code=agency.legacy_code,
        parent=agency.parent,
        mail=agency.mail,
        status=agency.status_on(day).value,
        connected=bool(agency.hop),
        successors=successors,
    )


def _may_see(caller: Caller, arrival: Row) -> bool:
    # SEC-01: what is in quarantine is offered to nobody.
    return arrival["agency"] in caller.speaks_for and arrival["offered_at"] is not None


def _sent_item(row: Row) -> SentItem:
    state = DeliveryState(row["state"])
    number, notation = row["code_number"], row["code_notation"]
    entered = row["entered_system_at"]
    return SentItem(
        consignment_id=row["consignment_id"],
        delivery_id=row["id"],
        kind="edoc",
        sender=row["sender_written"],
        recipient=loads(row["addressed_as"])[0],
        document_id=row["document_id"] or "",
        title=row["subject"],
        notation=f"{number}/{notation}" if notation else number,
        state=state.value,
        state_text=row["reason"] or state_text(DELIVERY, state).vi,
        last_status=row["last_status"],
        sent_at=from_text(row["issued_at"] or row["accepted_at"]),
        received_at=from_text(entered) if entered else None,
    )


def _sent_status(row: Row) -> SentItem:
    return SentItem(
        consignment_id=row["id"],
        delivery_id=row["id"],
        kind="status",
        sender=row["sender_written"],
        recipient=row["recipient_written"],
        document_id=row["document_id"],
        title=row["description"],
        notation=row["notation"],
        state="handed_over" if row["taken_at"] else "pending",
        state_text="",
        last_status=row["code"],
        sent_at=from_text(row["created_at"]),
        received_at=from_text(row["taken_at"]) if row["taken_at"] else None,
    )
