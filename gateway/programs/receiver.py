"""receiver: bytes a peer gave us become arrivals of local agencies, or statuses on our deliveries.

The bytes and their time are committed already (collector). Reading, verification and rules follow;
findings flag, they do not refuse: the clerk decides. All arrivals of a packet are one transaction.
A crash leaves the inbound row `received`; it is read again with the same result. What cannot be
read is fetched again a few times, then kept and answered `fail`; it never blocks what is behind it.
"""

import asyncio

from gateway import faults, observe
from gateway.codec.status import parse_status
from gateway.domain.consignment import plan_deliveries
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Change, ChangeSet, Conflict, Row, SubmitOptions, Update
from gateway.programs import arrivals, forwarding, scanning
from gateway.programs.catalogue import today
from gateway.programs.context import Context
from gateway.programs.judging import judge
from gateway.programs.mailroom import Mailroom
from gateway.programs.patience import Patience
from gateway.programs.reading import read_document
from gateway.programs.rows import entry, event
from gateway.programs.verifying import Verdicts, signed_packet, verify_files

_WORKERS = 4
_STATUS_LIMIT = 4 * 1024 * 1024
_RACES = 8


class Receiver:
    """Workers of the `receive` topic."""

    def __init__(self, context: Context, mailroom: Mailroom) -> None:
        self._context = context
        self._mailroom = mailroom
        self._busy: dict[str, asyncio.Event] = {}
        self._patience = Patience("receiver", context.random)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            work = await self._context.lanes.take("receive")
            try:
                await self.once(work.ref)
                self._patience.good()
            except UnavailableError as exc:
                await self._patience.wait(exc)
            except Exception as exc:  # noqa: BLE001 - the janitor brings it again
                observe.alarm(what="receiver", subject=work.ref, failure=exc)
            await work.done()

    async def once(self, inbound_id: str) -> None:
        """Read one inbound packet; do nothing when it was read already.

        Returns when it has been read, also when another worker is at it.
        """
        if (others := self._busy.get(inbound_id)) is not None:
            await others.wait()
            return
        ended = self._busy[inbound_id] = asyncio.Event()
        try:
            row = await self._context.ledger.one("inbound", id=inbound_id)
            if row is not None and row["state"] == "received":
                await self._read(row)
        finally:
            del self._busy[inbound_id]
            ended.set()

    async def _read(self, row: Row) -> None:
        try:
            if row["kind"] == "status":
                await self._status(row)
            else:
                await self._document(row)
        except RejectedError as exc:
            await self.unreadable(row, exc.reason, exc.public)
        except (UnavailableError, OSError) as exc:
            # Ours or the verifier's trouble, nothing about the packet: the janitor brings it again.
            observe.collect_failed(peer=row["peer"], reason=type(exc).__name__)
        except Exception as exc:  # noqa: BLE001 - damage or a bug must not stop the post behind it
            observe.alarm(what="receiver", subject=row["id"], failure=exc)
            await self.unreadable(row, Reason.INTERNAL, type(exc).__name__)

    async def unreadable(self, row: Row, reason: Reason, detail: str) -> None:
        """Fetch again a few times (a torn download heals), then keep the bytes and say so."""
        context = self._context
        tries = row["tries"] + 1
        final = tries >= context.policy.max_fetch_tries
        state = "unreadable" if final else "unreadable-yet"
        now = context.clock.now()
        changes: list[Change] = [
            Update(
                "inbound",
                {"id": row["id"], "state": row["state"], "tries": row["tries"]},
                {"state": state, "tries": tries, "detail": f"{reason.value}: {detail}"[:500]},
            ),
            event(row["id"], state, now, reason=reason.value, tries=tries),
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
                    reason=reason.value,
                ).row
            )
        result = await context.ledger.commit(ChangeSet(rows=tuple(changes)))
        if isinstance(result, Conflict):
            return
        observe.arrival_refused(arrival_id=row["id"], peer=row["peer"], reason=reason)
        if final:
            observe.alarm(what="unreadable packet kept", subject=row["id"])

    async def _owed(self, row: Row, verdicts: Verdicts) -> None:
        """FMT-14: nothing is offered before it is scanned; it is looked at again in a while."""
        context = self._context
        reasons = {s.reason.value for s in verdicts.unscanned if s.reason is not None}
        observe.scan_owed(inbound_id=row["id"], reasons=reasons)
        later = {"due_at": to_text(context.clock.now() + scanning.AGAIN)}
        where = {"id": row["id"], "state": "received"}
        await context.ledger.commit(ChangeSet(rows=(Update("inbound", where, later, expect=None),)))

    async def _status(self, row: Row) -> None:
        context = self._context
        if row["size_bytes"] > _STATUS_LIMIT:
            raise RejectedError(Reason.LIMIT_EXCEEDED, "a status message of this size is none")
        packet = b"".join([c async for c in context.blobs.stream(row["sha256"])])
        await self._mailroom.from_peer(parse_status(packet, context.policy.limits), row)

    async def _document(self, row: Row) -> None:
        context = self._context
        read = await read_document(context, context.blobs.stream(row["sha256"]))
        envelope = read.envelope
        planned = plan_deliveries(envelope.header.recipients, context.directory(), today(context))
        verdicts = await verify_files(
            context,
            envelope.attachments,
            from_text(row["received_at"]),
            lane=int(envelope.header.urgency),
            packet=signed_packet(envelope, read.received),
            received=read.received,
        )
        if scanning.is_owed(context, verdicts, incoming=True):
            await self._owed(row, verdicts)
            return
        findings = (
            *read.findings,
            *await judge(context, None, read, SubmitOptions(via=row["peer"]), verdicts, "in"),
        )
        came = arrivals.Came(row, read, verdicts, findings)
        for _ in range(_RACES):
            changes = await arrivals.changes(context, came, forwarding.addressees(context, planned))
            faults.reach("receiver.before-commit")
            result = await context.ledger.commit(ChangeSet(rows=tuple(changes)))
            faults.reach("receiver.after-commit")
            if not isinstance(result, Conflict):
                return
            fresh = await context.ledger.one("inbound", id=row["id"])
            if fresh is None or fresh["state"] != "received":
                return
        raise UnavailableError(public="the document is being changed by others")
