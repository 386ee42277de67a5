"""receiver: bytes a peer gave us become arrivals of local agencies, or statuses on our deliveries.

The bytes and their time are committed already (collector). Reading, verification and rules follow;
findings flag, they do not refuse: the clerk decides. All arrivals of a packet are one transaction.
A crash leaves the inbound row `received`; it is read again with the same result.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway import faults, observe
from gateway.codec.edxml import envelope_to_json
from gateway.codec.status import parse_status
from gateway.domain.consignment import PlannedDelivery, content_digest, plan_deliveries
from gateway.domain.envelope import StatusReport
from gateway.domain.finding import Finding, Severity, errors
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Change, ChangeSet, Conflict, Insert, Row, SubmitOptions, Update
from gateway.programs import quarantine, statuses
from gateway.programs.catalogue import family, name_of, today, whois, works_in_console
from gateway.programs.context import Context
from gateway.programs.judging import judge, legal_class_of
from gateway.programs.mailroom import Mailroom
from gateway.programs.reading import ReadPacket, read_document
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, entry, event, keep, loads
from gateway.programs.verifying import Verdicts, verify_files

_WORKERS = 4
_STATUS_LIMIT = 4 * 1024 * 1024


class Receiver:
    """Workers of the `receive` topic."""

    def __init__(self, context: Context, mailroom: Mailroom) -> None:
        self._context = context
        self._mailroom = mailroom
        self._busy: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            inbound_id = await self._context.lanes.take("receive")
            try:
                await self.once(inbound_id)
            except Exception as exc:  # noqa: BLE001 - the janitor brings it again
                observe.alarm(what="receiver", subject=inbound_id, failure=exc)

    async def once(self, inbound_id: str) -> None:
        """Read one inbound packet; do nothing when it was read already."""
        if inbound_id in self._busy:
            return
        self._busy.add(inbound_id)
        try:
            row = await self._context.ledger.one("inbound", id=inbound_id)
            if row is not None and row["state"] == "received":
                await self._read(row)
        finally:
            self._busy.discard(inbound_id)

    async def _read(self, row: Row) -> None:
        try:
            if row["kind"] == "status":
                await self._status(row)
            else:
                await self._document(row)
        except RejectedError as exc:
            await self._unreadable(row, exc)
        except UnavailableError as exc:
            observe.collect_failed(peer=row["peer"], reason=exc.reason)

    async def _unreadable(self, row: Row, why: RejectedError) -> None:
        """Fetch again a few times (a torn download heals), then keep the bytes and say so."""
        context = self._context
        tries = row["tries"] + 1
        final = tries >= context.policy.max_fetch_tries
        state = "unreadable" if final else "unreadable-yet"
        now = context.clock.now()
        changes: list[Change] = [
            Update(
                "inbound",
                {"id": row["id"], "state": "received"},
                {"state": state, "tries": tries, "detail": why.public[:500]},
            ),
            event(row["id"], state, now, reason=why.reason.value),
        ]
        if final:
            changes.append(
                entry(
                    context.ids,
                    "refused",
                    row["id"],
                    "",
                    now,
                    hop=row["peer"],
                    peer_doc_id=row["peer_doc_id"],
                    packet_sha256=row["sha256"],
                    reason=why.reason.value,
                ).row
            )
        await context.ledger.commit(ChangeSet(rows=tuple(changes)))
        observe.arrival_refused(arrival_id=row["id"], peer=row["peer"], reason=why.reason)

    # ------------------------------------------------------------ statuses

    async def _status(self, row: Row) -> None:
        context = self._context
        if row["size_bytes"] > _STATUS_LIMIT:
            raise RejectedError(Reason.LIMIT_EXCEEDED, "a status message of this size is none")
        packet = b"".join([c async for c in context.blobs.stream(row["sha256"])])
        report: StatusReport = parse_status(packet, context.policy.limits)
        done = Update(
            "inbound", {"id": row["id"], "state": "received"}, {"state": "processed"}, expect=1
        )
        await self._mailroom.from_peer(report, row["peer"], row["sha256"], (done,))

    # ------------------------------------------------------------ documents

    async def _document(self, row: Row) -> None:
        context = self._context
        read = await read_document(context, context.blobs.stream(row["sha256"]))
        envelope = read.envelope
        planned = plan_deliveries(envelope.header.recipients, context.directory(), today(context))
        ours = tuple(p for p in planned if self._is_ours(p))
        received_at = from_text(row["received_at"])
        verdicts = await verify_files(context, envelope.attachments, received_at)
        findings = (
            *read.findings,
            *await judge(context, None, read, SubmitOptions(via=row["peer"]), verdicts, "in"),
        )
        while True:
            changes = await self._changes(row, read, ours, verdicts, findings)
            faults.reach("receiver.before-commit")
            result = await context.ledger.commit(ChangeSet(rows=tuple(changes)))
            if not isinstance(result, Conflict):
                return
            fresh = await context.ledger.one("inbound", id=row["id"])
            if fresh is None or fresh["state"] != "received":
                return

    def _is_ours(self, planned: PlannedDelivery) -> bool:
        who = whois(self._context, planned.agency)
        return who.hop == LOCAL

    async def _changes(
        self,
        row: Row,
        read: ReadPacket,
        ours: Sequence[PlannedDelivery],
        verdicts: Verdicts,
        findings: tuple[Finding, ...],
    ) -> list[Change]:
        now = self._context.clock.now()
        state = "processed" if ours else "stray"
        changes: list[Change] = [
            Update("inbound", {"id": row["id"], "state": "received"}, {"state": state})
        ]
        changes += [keep(name, row["id"]) for name in _names(read)]
        changes += verdicts.rows
        if not ours:
            # Nobody of ours is addressed: kept, said aloud, and nothing is guessed.
            changes.append(event(row["id"], "stray", now))
            observe.alarm(what="stray packet", subject=row["id"])
        for planned in ours:
            changes += await self._arrival(row, read, planned, verdicts, findings, now)
        return changes

    async def _arrival(  # noqa: PLR0917
        self,
        row: Row,
        read: ReadPacket,
        planned: PlannedDelivery,
        verdicts: Verdicts,
        findings: tuple[Finding, ...],
        now: datetime,
    ) -> list[Change]:
        context = self._context
        header = read.envelope.header
        sender = whois(context, header.sender.organ_id)
        digest = content_digest(read.envelope)
        document_id = header.document_id or f"{row['peer']}:{row['peer_doc_id']}"
        earlier = await context.ledger.all(
            "arrivals_of",
            agency=planned.agency,
            document_id=document_id,
            senders=family(context, sender.canonical),
        )
        same = next((e for e in earlier if e["digest"] == digest), None)
        if same is not None:
            return self._again(row, same, planned, now)
        version = earlier[0]["version"] + 1 if earlier else 1
        if earlier and int(header.business.doc_type) == 0:
            findings = (*findings, _other_content(earlier[0]))
        arrival = self._row(row, read, planned, verdicts, findings, now)
        arrival |= {"document_id": document_id, "version": version, "digest": digest}
        if any(f.rule == "SEC-01" for f in errors(findings)):
            return self._secret(row, arrival, now)
        arrival |= {"state": ArrivalState.OFFERED.value, "offered_at": to_text(now)}
        changes: list[Change] = [
            Insert("arrival", arrival),
            event(str(arrival["id"]), "offered", now, agency=planned.agency, peer=row["peer"]),
            self._proof(row, arrival, now),
        ]
        if works_in_console(context, planned.agency):
            entered = now
            changes += statuses.take(context, arrival, entered, source="console")
        observe.arrival_offered(arrival_id=str(arrival["id"]), agency=planned.agency)
        return changes

    def _proof(self, row: Row, arrival: dict[str, Any], now: datetime) -> Change:
        return entry(
            self._context.ids,
            "arrived_at_gateway",
            arrival["id"],
            arrival["document_id"],
            now,
            arrival_id=arrival["id"],
            agency=arrival["agency"],
            sender=arrival["sender"],
            hop=row["peer"],
            peer_doc_id=row["peer_doc_id"],
            packet_sha256=row["sha256"],
            content_sha256=arrival["digest"],
            verdict=arrival["verdict"],
        ).row

    def _row(  # noqa: PLR0917
        self,
        row: Row,
        read: ReadPacket,
        planned: PlannedDelivery,
        verdicts: Verdicts,
        findings: tuple[Finding, ...],
        now: datetime,
    ) -> dict[str, Any]:
        context = self._context
        header = read.envelope.header
        sender = whois(context, header.sender.organ_id)
        name = header.sender.organ_name or name_of(context.directory(), sender.canonical)
        return {
            "id": context.ids.new(),
            "agency": planned.agency,
            "addressed_as": dumps(planned.addressed_as),
            "sender": sender.canonical,
            "sender_written": header.sender.organ_id,
            "sender_name": name,
            "document_id": "",
            "version": 1,
            "digest": "",
            "state": ArrivalState.ENTERED.value,
            "envelope": dumps(envelope_to_json(read.envelope)),
            "findings": dumps([asdict(f) for f in findings]),
            "verdict": verdicts.verdict.value,
            "legal_class": legal_class_of(verdicts),
            "urgency": int(header.urgency),
            "business_type": int(header.business.doc_type),
            "source": row["peer"],
            "inbound_id": row["id"],
            "consignment_id": None,
            "delivery_id": None,
            "received_sha256": row["sha256"],
            "received_size": row["size_bytes"],
            "at_gateway_at": row["received_at"],
            "offered_at": None,
            "entered_system_at": None,
            "arrival_number": None,
            "sent_codes": "",
        }

    def _again(
        self, row: Row, arrival: Row, planned: PlannedDelivery, now: datetime
    ) -> list[Change]:
        """The same document again: repeat the earlier answer, under every code it used."""
        context = self._context
        codes = loads(arrival["addressed_as"])
        fresh = [c for c in planned.addressed_as if c not in codes]
        changes: list[Change] = [event(arrival["id"], "repeated", now, peer=row["peer"])]
        if fresh:
            where = {"id": arrival["id"], "addressed_as": arrival["addressed_as"]}
            columns = {"addressed_as": dumps([*codes, *fresh])}
            changes.append(Update("arrival", where, columns))
        view = dict(arrival) | {"addressed_as": dumps(fresh or codes)}
        # What we sent ourselves comes back when the axis serves one of our own agencies too.
        answered = arrival["sent_codes"] if arrival["source"] == row["peer"] else ""
        for code in [c for c in answered.split(",") if c]:
            changes += statuses.tell(context, view, code, "", now, at=now)
        observe.arrival_repeated(arrival_id=arrival["id"], peer=row["peer"])
        return changes

    def _secret(self, row: Row, arrival: dict[str, Any], now: datetime) -> list[Change]:
        """SEC-01 (S003 art 1.2): kept apart, offered to nobody, answered 02 with R11 alone."""
        context = self._context
        arrival |= {
            "state": ArrivalState.QUARANTINED.value,
            "sent_codes": "02",
            "envelope": dumps(_stripped(arrival["envelope"])),
        }
        changes: list[Change] = [Insert("arrival", arrival)]
        changes += quarantine.stub(
            context, arrival["id"], "arrival", arrival["sender"], "", row["sha256"], now
        )
        changes += statuses.tell(context, arrival, "02", quarantine.REASON, now, at=now)
        changes.append(event(arrival["id"], "quarantined", now))
        observe.quarantined(arrival_id=str(arrival["id"]), reason="SEC-01")
        return changes


def _names(read: ReadPacket) -> list[str]:
    names = {read.received.sha256}
    for attachment in read.envelope.attachments:
        names |= {attachment.sha256, attachment.wrapped_sha256}
    return sorted(names - {""})


def _stripped(envelope_text: str) -> dict[str, Any]:
    """Return what of a secret envelope may stay: number, date and sender, for the answer."""
    envelope = loads(envelope_text)
    header = envelope["header"]
    kept = ("sender", "document_id", "code_number", "code_notation", "promulgation_date")
    return {
        "header": {k: header[k] for k in kept if k in header} | {"recipients": []},
        "manifest": [],
        "attachments": [],
        "repairs": [],
    }


def _other_content(earlier: Row) -> Finding:
    return Finding(
        "DID-07",
        Severity.WARNING,
        "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/DocumentId",
        f"Mã định danh này đã đến trước đây ({earlier['id']}) với nội dung khác. Đối chiếu trước "
        "khi tiếp nhận.",
        f"This identifier arrived before ({earlier['id']}) with other content. Compare before "
        "accepting.",
        "R10",
    )
