"""The desk: a system's questions about its own documents, answered from the ledger.

Implements `ports.Desk`; the shapes are described there. Reads only, but for confirm and set_status.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway import faults
from gateway.domain.lifecycle import (
    ARRIVAL,
    CONSIGNMENT,
    DELIVERY,
    ArrivalState,
    ConsignmentState,
    DeliveryState,
    TransferState,
    state_text,
)
from gateway.domain.moments import from_text, local_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Json, Packet, Row
from gateway.programs import holding, packets, prooftree, undetermined
from gateway.programs.context import Context
from gateway.programs.feeds import ask_for
from gateway.programs.mailroom import Mailroom
from gateway.programs.readiness import Readiness
from gateway.programs.replays import LedgerReplays
from gateway.programs.rows import loads
from gateway.programs.undetermined import Decision

_COUNTED: Final = 100_000
"""What waits is counted up to here, as the ledger's own counts are."""


class Desk:
    """See `ports.Desk`."""

    def __init__(self, context: Context, mailroom: Mailroom) -> None:
        self._context = context
        self._mailroom = mailroom
        self._readiness = Readiness(context)
        self._replays = LedgerReplays(context.ledger, context.clock, context.ids)

    # ------------------------------------------------------------ sent

    async def documents(
        self, caller: Caller, *, document_id: str | None, after: str | None, limit: int
    ) -> Json:
        """Return what the caller sent, newest first."""
        named = {"document_id": document_id} if document_id else {}
        rows = await self._context.ledger.all(
            "consignments_by_system_named" if named else "consignments_by_system",
            system_id=caller.system_id,
            after=after or "",
            limit=limit,
            **named,
        )
        items = await self._documents(rows)
        return {"items": items, "next": rows[-1]["id"] if len(rows) == limit else None}

    async def document(self, caller: Caller, consignment_id: str) -> Json:
        """Return one document sent."""
        row = await self._own(caller, consignment_id)
        (document,) = await self._documents([row])
        return document | {"header": loads(row["envelope"])["header"]}

    async def document_events(self, caller: Caller, consignment_id: str) -> list[Json]:
        """Return its events and those of its transfers, in order."""
        row = await self._own(caller, consignment_id)
        transfers = await self._context.ledger.all("transfers_of", consignment_id=row["id"])
        around = await holding.of_destinations(
            self._context.ledger, transfers, self._context.clock.now()
        )
        return await self._events([row["id"], *(t["id"] for t in transfers)], around)

    async def document_receipts(self, caller: Caller, consignment_id: str) -> Json:
        """Return the receipts of a document sent."""
        row = await self._own(caller, consignment_id)
        deliveries = await self._context.ledger.all("deliveries", consignment_id=row["id"])
        arrivals = await self._context.ledger.all(
            "arrivals_of_deliveries", ids=json.dumps([d["id"] for d in deliveries])
        )
        subjects = [row["id"], *(a["id"] for a in arrivals)]
        return await self._receipts(subjects, row["receipt"] or None)

    async def document_verification(self, caller: Caller, consignment_id: str) -> Json:
        """Return the verification reports of a document sent."""
        return await self._verification(await self._own(caller, consignment_id))

    async def document_attachment(self, caller: Caller, consignment_id: str, index: int) -> Packet:
        """Return one file of a document sent."""
        return packets.attachment(self._context, await self._own(caller, consignment_id), index)

    async def _own(self, caller: Caller, consignment_id: str) -> Row:
        row = await self._context.ledger.one("consignment", id=consignment_id)
        # SEC-01: what is in quarantine is shown to nobody, its sender included.
        if (
            row is None
            or row["system_id"] != caller.system_id
            or row["state"] == ConsignmentState.QUARANTINED
        ):
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _documents(self, rows: Sequence[Row]) -> list[Json]:
        """Return documents without their headers; a handful of questions for a whole page."""
        envelopes = [loads(row["envelope"]) for row in rows]
        verdicts = await self._verdicts(envelopes)
        deliveries = await self._deliveries(rows)
        return [
            self._document(row, envelope, deliveries[row["id"]], verdicts)
            for row, envelope in zip(rows, envelopes, strict=True)
        ]

    def _document(
        self,
        row: Row,
        envelope: Mapping[str, Any],
        deliveries: list[Json],
        verdicts: Mapping[str, str],
    ) -> Json:
        state = ConsignmentState(row["state"])
        number = (
            {"year": row["issue_year"], "ordinal": row["issue_ordinal"]}
            if row["issue_ordinal"] is not None
            else None
        )
        return {
            "id": row["id"],
            "document_id": row["document_id"] or "",
            "version": row["version"],
            "state": state.value,
            "state_text": state_text(CONSIGNMENT, state).vi,
            "hold": row["hold"] or None,
            "reason": row["reason"] or None,
            "sender": row["sender"],
            **_summary(envelope["header"]),
            "number": number,
            "sha256": row["received_sha256"],
            "size_bytes": row["received_size"],
            "accepted_at": local_text(row["accepted_at"]),
            "issued_at": local_text(row["issued_at"]),
            "sent_at": self._sent_at(row, deliveries),
            "verification": row["verdict"],
            "legal_class": row["legal_class"] or None,
            "verdict_before": row["verdict_before"] or None,
            "verdict_changed_at": local_text(row["verdict_changed_at"]),
            "findings": loads(row["findings"]),
            "repairs": envelope.get("repairs", []),
            "attachments": _attachments(envelope, verdicts, row["verdict"]),
            "deliveries": deliveries,
        }

    def _sent_at(self, row: Row, deliveries: Sequence[Json]) -> str | None:
        # SND-10 (S003 art 11.1): the time of issue, once every recipient that can be reached has
        # acknowledged; until then the document is "đang gửi".
        reachable = [d for d in deliveries if d["state"] not in {"not_connected", "cancelled"}]
        done = bool(reachable) and all(d["sent_at"] for d in reachable)
        return local_text(row["issued_at"]) if done else None

    async def _deliveries(self, rows: Sequence[Row]) -> dict[str, list[Json]]:
        """Return the deliveries of each consignment."""
        ledger = self._context.ledger
        ids = json.dumps([row["id"] for row in rows])
        # Deliveries first: an attempt that ends between the two questions is then shown ended,
        # never a delivery handed over by an attempt that still runs.
        deliveries = await ledger.all("deliveries_of_many", ids=ids)
        attempts: dict[str, list[Json]] = {}
        for a in await ledger.all("attempts_of_many", ids=ids):
            attempts.setdefault(a["transfer_id"], []).append(_attempt(a))
        by_id = {row["id"]: row for row in rows}
        found: dict[str, list[Json]] = {row["id"]: [] for row in rows}
        holds = await holding.standing(ledger, deliveries, self._context.clock.now())
        for d in deliveries:
            row = by_id[d["consignment_id"]]
            tried = attempts.get(d["transfer_id"] or "", [])
            shown = self._delivery(row, d, tried)
            found[row["id"]].append(shown | {"holds": holds.get(d["id"], [])})
        return found

    def _delivery(self, row: Row, delivery: Row, attempts: list[Json]) -> Json:
        state = DeliveryState(delivery["state"])
        counts = (
            delivery["acknowledged_at"]
            if self._context.policy.sent_ack == "first-hop"
            else delivery["entered_system_at"]
        )
        return {
            "id": delivery["id"],
            "agency": delivery["agency"],
            "name": delivery["name"],
            "addressed_as": loads(delivery["addressed_as"]),
            "state": state.value,
            "state_text": state_text(DELIVERY, state).vi,
            "reason": delivery["reason"],
            "hop": delivery["hop"],
            "left_at": local_text(delivery["left_at"]),
            "acknowledged_at": local_text(delivery["acknowledged_at"]),
            "sent_at": local_text(row["issued_at"]) if counts else None,
            "at_gateway_at": local_text(delivery["at_gateway_at"]),
            "entered_system_at": local_text(delivery["entered_system_at"]),
            "last_status": delivery["last_status"],
            "attempts": attempts,
        }

    # ------------------------------------------------------------ received

    async def inbox(
        self, caller: Caller, *, after: int, limit: int, agency: str | None = None
    ) -> Json:
        """Return arrivals above a cursor."""
        agencies = caller.speaks_for if agency is None else {agency} & caller.speaks_for
        rows = await ask_for(self._context.ledger, "inbox", agencies, after=after, limit=limit)
        items = await self._arrivals(rows)
        again = await self._replays.marked(caller, rows)
        items = [item | {"replay": item["id"] in again} for item in items]
        return {"items": items, "next": rows[-1]["inbox_seq"] if rows else after}

    async def arrival(self, caller: Caller, arrival_id: str) -> Json:
        """Return one arrival."""
        return await self._whole(await self._mine(caller, arrival_id))

    async def arrival_packet(self, caller: Caller, arrival_id: str, *, received: bool) -> Packet:
        """Return the strict packet, or the bytes as received."""
        row = await self._mine(caller, arrival_id)
        build = packets.received if received else packets.strict
        return await build(self._context, row)

    async def arrival_attachment(self, caller: Caller, arrival_id: str, index: int) -> Packet:
        """Return one file."""
        row = await self._mine(caller, arrival_id)
        packets.must_not_be_withdrawn(row)
        packet = packets.attachment(self._context, row, index)
        await packets.must_be_kept(self._context, row, packet.sha256)
        return packet

    async def arrival_events(self, caller: Caller, arrival_id: str) -> list[Json]:
        """Return its events."""
        row = await self._mine(caller, arrival_id)
        return await self._events([row["id"]])

    async def arrival_receipts(self, caller: Caller, arrival_id: str) -> Json:
        """Return its receipts."""
        row = await self._mine(caller, arrival_id)
        return await self._receipts([row["id"]], None)

    async def arrival_verification(self, caller: Caller, arrival_id: str) -> Json:
        """Return its verification reports."""
        return await self._verification(await self._mine(caller, arrival_id))

    async def confirm(self, caller: Caller, arrival_id: str) -> Json:
        """Record that the agency's system has it."""
        row = await self._mine(caller, arrival_id)
        after = await self._mailroom.confirm(row["id"], by=caller.system_id)
        await self._replays.seen(caller.system_id, row["id"])
        faults.reach("desk.after-confirm")
        return await self._whole(after)

    async def set_status(
        self,
        caller: Caller,
        arrival_id: str,
        *,
        code: str,
        reason: str,
        undetermined_reason: str = "",
        decided_by: str = "",
    ) -> Json:
        """Report a status to the sender."""
        row = await self._mine(caller, arrival_id)
        decision = Decision(undetermined_reason, decided_by, caller.system_id)
        after = await self._mailroom.on_arrival(row["id"], code, reason, decision=decision)
        faults.reach("desk.after-status")
        return await self._whole(after)

    async def _mine(self, caller: Caller, arrival_id: str) -> Row:
        row = await self._context.ledger.one("arrival", id=arrival_id)
        # SEC-01: what is in quarantine is offered to nobody.
        if (
            row is None
            or row["agency"] not in caller.speaks_for
            # RCV-14: what came on paper is for persons, not for systems.
            or (row["offered_at"] is None and not caller.is_console)
            or row["state"] == ArrivalState.QUARANTINED
        ):
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _whole(self, row: Row) -> Json:
        (arrival,) = await self._arrivals([row])
        return arrival | {"header": loads(row["envelope"])["header"]}

    async def _arrivals(self, rows: Sequence[Row]) -> list[Json]:
        envelopes = [loads(row["envelope"]) for row in rows]
        verdicts = await self._verdicts(envelopes)
        pairs = zip(rows, envelopes, strict=True)
        return [_arrival(row, envelope, verdicts) for row, envelope in pairs]

    # ------------------------------------------------------------ shared

    async def _verdicts(self, envelopes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return the newest verdict on each signed file, by digest."""
        names = {f["sha256"] for e in envelopes for f in e.get("attachments", [])}
        rows = await self._context.ledger.all("verdicts_of_files", names=json.dumps(sorted(names)))
        return {row["sha256"]: row["verdict"] for row in rows}

    async def _report(self, sha256: str) -> Json | None:
        row = await self._context.ledger.one("verifications_of_file", sha256=sha256)
        if row is None:
            return None
        report: Json = loads(row["report"])
        return report

    async def _verification(self, row: Row) -> Json:
        files = []
        scans = {s["sha256"]: s for s in loads(row["scans"])}
        for file in loads(row["envelope"]).get("attachments", []):
            report = await self._report(file["sha256"])
            scan = scans.get(file["sha256"])
            shown = None if scan is None else {**scan, "at": local_text(scan["at"])}
            one = {"index": file["index"], "name": file["safe_name"], "report": report}
            files.append(one | {"scan": shown})
        return {
            "verdict": row["verdict"],
            "legal_class": row["legal_class"] or None,
            "files": files,
        }

    async def _events(self, subjects: Sequence[str], around: Sequence[Row] = ()) -> list[Json]:
        rows = await self._context.ledger.all("events_of_many", ids=json.dumps(list(subjects)))
        if around:
            rows = sorted([*rows, *around], key=lambda r: str(r["at"]))
        return [
            {
                "at": local_text(r["at"]),
                "type": r["type"],
                "subject": r["subject"],
                "data": loads(r["data"]),
            }
            for r in rows
        ]

    async def _receipts(self, subjects: Sequence[str], acceptance: str | None) -> Json:
        ledger = self._context.ledger
        rows = await ledger.all("entries_of_many", ids=json.dumps(list(subjects)))
        head = await ledger.one("tree_head_latest")
        size = head["size"] if head is not None else 0
        covered = [r["idx"] for r in rows if r["idx"] is not None and r["idx"] < size]
        nodes = await prooftree.nodes_for(ledger, size, covered) if covered else None
        return {
            "entries": [_entry(r, head, nodes) for r in rows],
            "tree_head": head["jws"] if head else None,
            "acceptance": acceptance,
        }

    # ------------------------------------------------------------ operations

    async def metrics(self) -> Mapping[str, float]:
        """Return gauges for operations; `transfers{state="failed"}` are the dead letters."""
        context = self._context
        gauges: dict[str, float] = {}
        now = context.clock.now()
        oldest = 0.0
        for row in await context.ledger.all("transfer_counts"):
            key = f'transfers{{state="{row["state"]}",lane="{row["lane"]}"}}'
            gauges[key] = row["n"]
            if row["state"] != TransferState.FAILED:
                oldest = max(oldest, (now - from_text(row["oldest"])).total_seconds())
        gauges["oldest_wait_seconds"] = oldest
        for row in await context.ledger.all("hold_counts"):
            gauges[f'holds{{kind="{row["kind"]}",scope="{row["scope"]}"}}'] = row["n"]
        for hop, known in context.breakers.items():
            gauges[f'breaker_open{{peer="{hop}"}}'] = float(not known.flows)
        held = await context.ledger.one("transfers_held_count")
        gauges["transfers_held"] = held["n"] if held else 0
        pending = await context.ledger.one("backlog", limit=_COUNTED)
        gauges["documents_without_verdict"] = pending["n"] if pending else 0
        size = await context.ledger.one("log_size")
        head = await context.ledger.one("tree_head_latest")
        gauges["receipt_log_entries"] = size["size"] if size else 0
        gauges["receipt_log_signed"] = head["size"] if head else 0
        now_waiting = await undetermined.waiting(context.ledger, now)
        for waits in now_waiting:
            gauges[f'documents_undetermined{{cause="{waits.cause}"}}'] = waits.count
        oldest_at = min((w.since for w in now_waiting), default=now)
        gauges["undetermined_oldest_seconds"] = (now - oldest_at).total_seconds()
        for what, part in (await context.gatekeeper.parts()).items():
            gauges[f'load{{what="{what}"}}'] = part
        offset = context.clock.offset()
        if offset is not None:
            gauges["clock_offset_seconds"] = offset.total_seconds()
        return gauges

    async def ready(self) -> Mapping[str, str]:
        """Return what keeps us from accepting, check by check."""
        return await self._readiness.checks()


def _arrival(row: Row, envelope: Mapping[str, Any], verdicts: Mapping[str, str]) -> Json:
    state = ArrivalState(row["state"])
    number = row["arrival_number"]
    return {
        "id": row["id"],
        "cursor": row["inbox_seq"] or 0,
        "agency": row["agency"],
        "addressed_as": loads(row["addressed_as"]),
        "forwarded_from": loads(row["forwarded_from"]),
        "sender": row["sender"],
        "sender_name": row["sender_name"],
        "document_id": row["document_id"],
        "version": row["version"],
        "state": state.value,
        "state_text": state_text(ARRIVAL, state).vi,
        **_summary(envelope["header"]),
        "at_gateway_at": local_text(row["at_gateway_at"]),
        "entered_system_at": local_text(row["entered_system_at"]),
        "received_at_legal": local_text(row["received_at_legal"]),
        "arrival_number": (
            {"year": row["arrival_year"], "number": number} if number is not None else None
        ),
        "verification": row["verdict"],
        "legal_class": row["legal_class"] or None,
        "findings": loads(row["findings"]),
        "repairs": envelope.get("repairs", []),
        "attachments": _attachments(envelope, verdicts, row["verdict"]),
        "source": row["source"],
        **undetermined.shown(row),
    }


def _attachments(
    envelope: Mapping[str, Any], verdicts: Mapping[str, str], of_all: str
) -> list[Json]:
    # Only signed or doubtful files have a report; before the verdict nothing is known of any.
    default = None if of_all == "pending" else "unsigned"
    return [
        {
            "index": file["index"],
            "name": file["name"],
            "safe_name": file["safe_name"],
            "content_type": file.get("content_type", ""),
            "description": file.get("description", ""),
            "size_bytes": file["size_bytes"],
            "sha256": file["sha256"],
            "verdict": verdicts.get(file["sha256"], default),
        }
        for file in envelope.get("attachments", [])
    ]


def _entry(row: Row, head: Row | None, nodes: prooftree.Nodes | None) -> Json:
    inclusion = None
    index = row["idx"]
    if head is not None and nodes is not None and index is not None and index < nodes.size:
        inclusion = {
            "tree_size": nodes.size,
            "leaf_index": index,
            "hashes": [h.hex() for h in nodes.inclusion(index)],
            "root": head["root"],
        }
    return {
        "index": index,
        "entry_id": row["id"],
        "at": local_text(row["at"]),
        "kind": row["kind"],
        "body": loads(row["body"]),
        "entry_hash": row["entry_hash"],
        "prev_hash": row["prev_hash"],
        "chain_hash": row["chain_hash"],
        "inclusion": inclusion,
    }


def _summary(header: Mapping[str, Any]) -> Json:
    number, notation = header.get("code_number", ""), header.get("code_notation", "")
    business = header.get("business") or {}
    return {
        "subject": header.get("subject", ""),
        "code": f"{number}/{notation}" if notation else number,
        "promulgation_date": header.get("promulgation_date"),
        "type_name": header.get("type_name", ""),
        "urgency": header.get("urgency", 0),
        "business_type": business.get("doc_type", 0),
    }


def _attempt(row: Row) -> Json:
    return {
        "n": row["n"],
        "began_at": local_text(row["began_at"]),
        "ended_at": local_text(row["ended_at"]),
        "outcome": row["outcome"],
        "detail": row["detail"],
    }
