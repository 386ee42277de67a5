"""mailroom: status reports find their way, whoever sends them and wherever they go.

A report is about a document we relayed (a delivery), one we received (an arrival), or one neither
of us knows; it is kept and passed on in every case. The change set is built from facts read before
and is refused when they changed meanwhile; then it is built again.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway import observe
from gateway.domain.arrival import gives_arrival_number, report_status
from gateway.domain.envelope import StatusCode, StatusReport
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import from_text, to_text
from gateway.domain.numbering import arrival_counter
from gateway.domain.receipt import known_code, needs_reason
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Caller, Change, ChangeSet, Conflict, Insert, NextNumber, Row, Update
from gateway.programs import statuses
from gateway.programs.catalogue import Who, family, whois, works_in_console
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, event

_RACES = 8


class Mailroom:
    """Routes status reports; keeps nothing of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # ------------------------------------------------------------ from outside

    async def from_peer(
        self, report: StatusReport, peer: str, sha256: str, also: Sequence[Change]
    ) -> str:
        """Take a report a peer gave us; `also` is committed with it."""
        context = self._context
        sender = whois(context, report.sender.organ_id)
        target = whois(context, report.response_for.organ_id)
        for _ in range(_RACES):
            now = context.clock.now()
            row = self._row(report, sender, target, peer, sha256, now)
            changes: list[Change] = [*also]
            if known_code(report.code) is StatusCode.RECALL_ASKED:
                await self._link_arrival(row, target, sender)
            else:
                changes += await self._on_delivery(row, report, sender, target, now)
            row["offered_at"] = to_text(now)
            changes += [
                Insert("status_report", row),
                statuses.status_entry(context, row, now),
                event(row["id"], "received", now, peer=peer, code=report.code),
            ]
            if not isinstance(
                await context.ledger.commit(ChangeSet(rows=tuple(changes))), Conflict
            ):
                matched = row["delivery_id"] is not None or row["arrival_id"] is not None
                observe.status_received(
                    status_id=row["id"], code=report.code, peer=peer, matched=matched
                )
                await self.close_if_settled(row["consignment_id"])
                return str(row["id"])
        raise UnavailableError(public="the document is being changed by others")

    async def _on_delivery(
        self, row: dict[str, Any], report: StatusReport, sender: Who, target: Who, now: datetime
    ) -> list[Change]:
        delivery = await self._delivery(report, sender, target)
        if delivery is None:
            return []
        row["consignment_id"] = delivery["consignment_id"]
        row["delivery_id"] = delivery["id"]
        row["document_id"] = delivery["document_id"]
        at = report.at or now
        return statuses.move_delivery(
            self._context, delivery, report.code, at, report.description, now
        )

    async def _delivery(self, report: StatusReport, sender: Who, target: Who) -> Row | None:
        """Find the delivery a report is about: by identifier, else by number, notation and date."""
        context = self._context
        senders = family(context, target.canonical)
        about = report.response_for
        if about.document_id:
            found = await context.ledger.one(
                "delivery_for",
                senders=senders,
                document_id=about.document_id,
                agency=sender.canonical,
            )
            if found is not None:
                return found
        if about.code and about.promulgation_date is not None:
            number, _, notation = about.code.partition("/")
            return await context.ledger.one(
                "delivery_by_notation",
                senders=senders,
                code_number=number,
                code_notation=notation,
                promulgation_date=about.promulgation_date.isoformat(),
                agency=sender.canonical,
            )
        return None

    async def _link_arrival(self, row: dict[str, Any], recipient: Who, issuer: Who) -> Row | None:
        arrival = await self._arrival(recipient.canonical, row["document_id"], issuer.canonical)
        if arrival is not None:
            row["arrival_id"] = arrival["id"]
        return arrival

    async def _arrival(self, agency: str, document_id: str, issuer: str) -> Row | None:
        found = await self._context.ledger.all(
            "arrivals_of",
            agency=agency,
            document_id=document_id,
            senders=family(self._context, issuer),
        )
        return found[0] if found else None

    # ------------------------------------------------------------ from our own systems

    async def from_system(self, caller: Caller, report: StatusReport, sha256: str) -> str:
        """Take an edXML status of one of the caller's agencies; return the report's id."""
        context = self._context
        sender = whois(context, report.sender.organ_id)
        if sender.canonical not in caller.speaks_for:
            raise RejectedError(
                Reason.SENDER_NOT_CALLER,
                f"sender {report.sender.organ_id[:40]!r} is not an agency that "
                f"{caller.system_id} speaks for",
            )
        if needs_reason(report.code) and not report.description.strip():
            raise RejectedError(Reason.BAD_REQUEST, f"status {report.code} needs a reason")
        target = whois(context, report.response_for.organ_id)
        code = known_code(report.code)
        if code is StatusCode.RECALL_ASKED:
            return await self._recall(report, sender, target, sha256)
        document_id = report.response_for.document_id
        arrival = await self._arrival(sender.canonical, document_id, target.canonical)
        if arrival is None:
            return await self._forward(report, sender, target, sha256, ())
        await self.on_arrival(arrival["id"], report.code, report.description, staff=report.staff)
        return str(arrival["id"])

    async def _recall(self, report: StatusReport, issuer: Who, recipient: Who, sha256: str) -> str:
        """REC-07: 13 asks one recipient to give a document back."""
        context = self._context
        delivery = await context.ledger.one(
            "delivery_for",
            senders=family(context, issuer.canonical),
            document_id=report.response_for.document_id,
            agency=recipient.canonical,
        )
        if delivery is None:
            raise RejectedError(
                Reason.NOT_FOUND, "no such document was sent to that recipient by this sender"
            )
        now = context.clock.now()
        asked = statuses.ask_recall(context, delivery, report.description, now)
        if not asked:
            raise RejectedError(
                Reason.ILLEGAL_TRANSITION, f"nothing to take back: {delivery['state']}"
            )
        links = {"consignment_id": delivery["consignment_id"], "delivery_id": delivery["id"]}
        return await self._forward(report, issuer, recipient, sha256, asked, links)

    async def _forward(  # noqa: PLR0917
        self,
        report: StatusReport,
        sender: Who,
        target: Who,
        sha256: str,
        also: Sequence[Change],
        links: dict[str, Any] | None = None,
    ) -> str:
        """Pass a report on to where its addressee is reached."""
        context = self._context
        if not target.hop:
            raise RejectedError(
                target.problem or Reason.RECIPIENT_UNKNOWN,
                f"the report's addressee {target.written[:40]!r} cannot be reached",
            )
        now = context.clock.now()
        row = self._row(report, sender, target, LOCAL, sha256, now) | (links or {})
        changes: list[Change] = [*also, Insert("status_report", row)]
        if target.hop == LOCAL:
            row["offered_at"] = to_text(now)
            if row["delivery_id"] is not None:
                arrival = await context.ledger.one(
                    "arrival_of_delivery", delivery_id=row["delivery_id"]
                )
                row["arrival_id"] = arrival["id"] if arrival else None
            changes.append(statuses.status_entry(context, row, now))
        else:
            changes += statuses.status_transfer(context, row, target.hop, now)
        changes.append(event(row["id"], "forwarded", now, code=report.code))
        if isinstance(await context.ledger.commit(ChangeSet(rows=tuple(changes))), Conflict):
            raise UnavailableError(public="the document is being changed by others")
        return str(row["id"])

    def _row(  # noqa: PLR0917
        self,
        report: StatusReport,
        sender: Who,
        target: Who,
        source: str,
        sha256: str,
        now: datetime,
    ) -> dict[str, Any]:
        about = report.response_for
        dated = about.promulgation_date
        code = known_code(report.code)
        return {
            "id": self._context.ids.new(),
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

    # ------------------------------------------------------------ one arrival

    async def on_arrival(
        self, arrival_id: str, code: str, reason: str, *, staff: Any = None
    ) -> Row:
        """Report a status on an arrival; return the arrival as it is after.

        Raises:
            RejectedError: The state forbids it, the code is none an agency reports, no reason.
        """
        context = self._context
        for _ in range(_RACES):
            arrival = await self._must(arrival_id)
            reported = report_status(ArrivalState(arrival["state"]), code, reason)
            now = context.clock.now()
            changes = statuses.report_on(
                context, arrival, reported.code.value, reason, now, staff=staff
            )
            changes += await self._mirror(arrival, reported.code.value, reason, now)
            numbered = self._number(arrival, reported.code, now)
            change = ChangeSet(
                rows=tuple(changes),
                numbers=numbered,
                then=_numbering(arrival, numbered, now) if numbered else None,
            )
            if not isinstance(await context.ledger.commit(change), Conflict):
                await self.close_if_settled(arrival["consignment_id"])
                return await self._must(arrival_id)
        raise UnavailableError(public="the document is being changed by others")

    def _number(self, arrival: Row, code: StatusCode, now: datetime) -> tuple[NextNumber, ...]:
        # DID-04 (NĐ30 art 22.2): số đến is given on acceptance, only where our console keeps the
        # register; an agency with a system of its own reports its own.
        console = works_in_console(self._context, arrival["agency"])
        if not gives_arrival_number(code, console=console, already=arrival["arrival_number"]):
            return ()
        key = arrival_counter(arrival["agency"], now)
        return (NextNumber("arrival", key.agency, key.year, key.series),)

    async def confirm(self, arrival_id: str, *, by: str) -> Row:
        """Record that the agency's system has the document; safe to repeat."""
        context = self._context
        for _ in range(_RACES):
            arrival = await self._must(arrival_id)
            if arrival["entered_system_at"] is not None:
                return arrival
            now = context.clock.now()
            changes = statuses.take(context, arrival, now, source=by)
            changes += await self._mirror(arrival, StatusCode.ARRIVED.value, "", now)
            if not isinstance(
                await context.ledger.commit(ChangeSet(rows=tuple(changes))), Conflict
            ):
                waited = now - from_text(arrival["at_gateway_at"])
                observe.arrival_taken(
                    arrival_id=arrival_id,
                    agency=arrival["agency"],
                    waited_s=waited.total_seconds(),
                )
                return await self._must(arrival_id)
        raise UnavailableError(public="the document is being changed by others")

    async def _mirror(self, arrival: Row, code: str, reason: str, now: datetime) -> list[Change]:
        """Move the sender's delivery too when the sender is of this gateway."""
        if arrival["delivery_id"] is None:
            return []
        delivery = await self._context.ledger.one("delivery", id=arrival["delivery_id"])
        if delivery is None:
            return []
        return statuses.move_delivery(self._context, delivery, code, now, reason, now)

    async def note_failure(self, arrival_id: str, note: str) -> None:
        """Record that the agency's system could not use what it fetched; it stays offered."""
        now = self._context.clock.now()
        row = event(arrival_id, "not_usable", now, note=note[:200])
        await self._context.ledger.commit(ChangeSet(rows=(row,)))
        observe.alarm(what="system could not use a document", subject=arrival_id)

    async def take_status(self, status_id: str) -> None:
        """Record that a status report was fetched; safe to repeat."""
        now = self._context.clock.now()
        where = {"id": status_id, "taken_at": None}
        change = Update("status_report", where, {"taken_at": to_text(now)}, expect=None)
        await self._context.ledger.commit(ChangeSet(rows=(change,)))

    async def close_if_settled(self, consignment_id: str | None) -> None:
        """Close a consignment when every delivery of it is settled."""
        if consignment_id is None:
            return
        context = self._context
        deliveries = await context.ledger.all("deliveries", consignment_id=consignment_id)
        if statuses.all_settled(deliveries):
            now = context.clock.now()
            where = {"id": consignment_id, "state": "released"}
            values = {"state": "closed", "closed_at": to_text(now)}
            rows = (
                Update("consignment", where, values),
                event(consignment_id, "closed", now),
            )
            await context.ledger.commit(ChangeSet(rows=rows))

    async def _must(self, arrival_id: str) -> Row:
        row = await self._context.ledger.one("arrival", id=arrival_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return row


def _numbering(arrival: Row, numbered: tuple[NextNumber, ...], now: datetime) -> Any:
    def rows(numbers: Any) -> list[Change]:
        number = numbers["arrival"]
        columns = {"arrival_year": numbered[0].year, "arrival_number": number}
        where = {"id": arrival["id"], "arrival_number": None}
        return [
            Update("arrival", where, columns),
            event(arrival["id"], "registered", now, number=number),
        ]

    return rows
