"""The desk: a system's questions about its own documents, answered from the ledger.

Implements `ports.Desk`; the shapes are described there. Reads only, but for confirm and set_status.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.lifecycle import (
    ARRIVAL,
    CONSIGNMENT,
    DELIVERY,
    ArrivalState,
    ConsignmentState,
    DeliveryState,
    state_text,
)
from gateway.domain.moments import from_text, iso_or_none, local_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Json, Packet, Row
from gateway.programs import clockwatch, packets, prooftree
from gateway.programs.context import Context
from gateway.programs.mailroom import Mailroom
from gateway.programs.rows import loads


class Desk:
    """See `ports.Desk`."""

    def __init__(self, context: Context, mailroom: Mailroom) -> None:
        self._context = context
        self._mailroom = mailroom

    # ------------------------------------------------------------ sent

    async def documents(
        self, caller: Caller, *, document_id: str | None, after: str | None, limit: int
    ) -> Json:
        """Return what the caller sent, newest first."""
        rows = await self._context.ledger.all(
            "consignments_by_system",
            system_id=caller.system_id,
            after=after or "",
            document_id=document_id or "",
            limit=limit,
        )
        items = [await self._document(row, full=False) for row in rows]
        return {"items": items, "next": rows[-1]["id"] if len(rows) == limit else None}

    async def document(self, caller: Caller, consignment_id: str) -> Json:
        """Return one document sent."""
        return await self._document(await self._own(caller, consignment_id), full=True)

    async def document_events(self, caller: Caller, consignment_id: str) -> list[Json]:
        """Return its events and those of its transfers, in order."""
        row = await self._own(caller, consignment_id)
        transfers = await self._context.ledger.all("transfers_of", consignment_id=row["id"])
        return await self._events([row["id"], *(t["id"] for t in transfers)])

    async def document_receipts(self, caller: Caller, consignment_id: str) -> Json:
        """Return the receipts of a document sent."""
        row = await self._own(caller, consignment_id)
        arrivals = [
            await self._context.ledger.one("arrival_of_delivery", delivery_id=d["id"])
            for d in await self._context.ledger.all("deliveries", consignment_id=row["id"])
        ]
        subjects = [row["id"], *(a["id"] for a in arrivals if a is not None)]
        return await self._receipts(subjects, row["receipt"] or None)

    async def document_verification(self, caller: Caller, consignment_id: str) -> Json:
        """Return the verification reports of a document sent."""
        return await self._verification(await self._own(caller, consignment_id))

    async def _own(self, caller: Caller, consignment_id: str) -> Row:
        row = await self._context.ledger.one("consignment", id=consignment_id)
        if row is None or row["system_id"] != caller.system_id:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _document(self, row: Row, *, full: bool) -> Json:
        envelope = loads(row["envelope"])
        header = envelope["header"]
        state = ConsignmentState(row["state"])
        number = (
            {"year": row["issue_year"], "ordinal": row["issue_ordinal"]}
            if row["issue_ordinal"] is not None
            else None
        )
        deliveries = await self._deliveries(row)
        document = {
            "id": row["id"],
            "document_id": row["document_id"],
            "version": row["version"],
            "state": state.value,
            "state_text": state_text(CONSIGNMENT, state).vi,
            "hold": row["hold"] or None,
            "reason": row["reason"] or None,
            "sender": row["sender"],
            **_summary(header),
            "number": number,
            "sha256": row["received_sha256"],
            "size_bytes": row["received_size"],
            "accepted_at": local_text(row["accepted_at"]),
            "issued_at": local_text(row["issued_at"]),
            "sent_at": self._sent_at(row, deliveries),
            "verification": row["verdict"],
            "legal_class": row["legal_class"] or None,
            "findings": loads(row["findings"]),
            "repairs": envelope.get("repairs", []),
            "attachments": await self._attachments(envelope),
            "deliveries": deliveries,
        }
        return document | {"header": header} if full else document

    def _sent_at(self, row: Row, deliveries: Sequence[Json]) -> str | None:
        # SND-10 (S003 art 11.1): the time of issue, once every recipient that can be reached has
        # acknowledged; until then the document is "đang gửi".
        reachable = [d for d in deliveries if d["state"] not in {"not_connected", "cancelled"}]
        done = bool(reachable) and all(d["sent_at"] for d in reachable)
        return local_text(row["issued_at"]) if done else None

    async def _deliveries(self, row: Row) -> list[Json]:
        ledger = self._context.ledger
        attempts: dict[str, list[Json]] = {}
        for a in await ledger.all("attempts_of", consignment_id=row["id"]):
            attempts.setdefault(a["transfer_id"], []).append(_attempt(a))
        return [
            self._delivery(row, d, attempts.get(d["transfer_id"] or "", []))
            for d in await ledger.all("deliveries", consignment_id=row["id"])
        ]

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
        rows = await self._context.ledger.all(
            "inbox", after=after, limit=limit, agencies=json.dumps(sorted(agencies))
        )
        items = [await self._arrival(row, full=False) for row in rows]
        return {"items": items, "next": rows[-1]["inbox_seq"] if rows else after}

    async def arrival(self, caller: Caller, arrival_id: str) -> Json:
        """Return one arrival."""
        return await self._arrival(await self._mine(caller, arrival_id), full=True)

    async def arrival_packet(self, caller: Caller, arrival_id: str, *, received: bool) -> Packet:
        """Return the strict packet, or the bytes as received."""
        row = await self._mine(caller, arrival_id)
        build = packets.received if received else packets.strict
        return await build(self._context, row)

    async def arrival_attachment(self, caller: Caller, arrival_id: str, index: int) -> Packet:
        """Return one file."""
        return packets.attachment(self._context, await self._mine(caller, arrival_id), index)

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
        return await self._arrival(after, full=True)

    async def set_status(self, caller: Caller, arrival_id: str, *, code: str, reason: str) -> Json:
        """Report a status to the sender."""
        row = await self._mine(caller, arrival_id)
        after = await self._mailroom.on_arrival(row["id"], code, reason)
        return await self._arrival(after, full=True)

    async def _mine(self, caller: Caller, arrival_id: str) -> Row:
        row = await self._context.ledger.one("arrival", id=arrival_id)
        # SEC-01: what is in quarantine is offered to nobody.
        if row is None or row["agency"] not in caller.speaks_for or row["offered_at"] is None:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _arrival(self, row: Row, *, full: bool) -> Json:
        envelope = loads(row["envelope"])
        state = ArrivalState(row["state"])
        number = row["arrival_number"]
        arrival = {
            "id": row["id"],
            "cursor": row["inbox_seq"] or 0,
            "agency": row["agency"],
            "addressed_as": loads(row["addressed_as"]),
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
            "attachments": await self._attachments(envelope),
            "source": row["source"],
        }
        return arrival | {"header": envelope["header"]} if full else arrival

    # ------------------------------------------------------------ shared

    async def _attachments(self, envelope: Mapping[str, Any]) -> list[Json]:
        found = []
        for file in envelope.get("attachments", []):
            report = await self._report(file["sha256"])
            found.append(
                {
                    "index": file["index"],
                    "name": file["name"],
                    "safe_name": file["safe_name"],
                    "content_type": file.get("content_type", ""),
                    "description": file.get("description", ""),
                    "size_bytes": file["size_bytes"],
                    "sha256": file["sha256"],
                    "verdict": report["verdict"] if report else "unsigned",
                }
            )
        return found

    async def _report(self, sha256: str) -> Json | None:
        row = await self._context.ledger.one("verifications_of_file", sha256=sha256)
        if row is None:
            return None
        report: Json = loads(row["report"])
        return report

    async def _verification(self, row: Row) -> Json:
        files = []
        for file in loads(row["envelope"]).get("attachments", []):
            report = await self._report(file["sha256"])
            files.append({"index": file["index"], "name": file["safe_name"], "report": report})
        return {
            "verdict": row["verdict"],
            "legal_class": row["legal_class"] or None,
            "files": files,
        }

    async def _events(self, subjects: Sequence[str]) -> list[Json]:
        rows = [r for s in subjects for r in await self._context.ledger.all("events_of", subject=s)]
        rows.sort(key=lambda r: r["id"])
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
        rows = [r for s in subjects for r in await ledger.all("entries_of", subject=s)]
        rows.sort(key=lambda r: r["ord"])
        head = await ledger.one("tree_head_latest")
        entries = [await self._entry(r, head) for r in rows]
        return {
            "entries": entries,
            "tree_head": head["jws"] if head else None,
            "acceptance": acceptance,
        }

    async def _entry(self, row: Row, head: Row | None) -> Json:
        inclusion = None
        if head is not None and row["idx"] is not None and row["idx"] < head["size"]:
            nodes = await prooftree.nodes_for(self._context.ledger, head["size"], row["idx"])
            inclusion = {
                "tree_size": head["size"],
                "leaf_index": row["idx"],
                "hashes": [h.hex() for h in nodes.inclusion(row["idx"])],
                "root": head["root"],
            }
        return {
            "index": row["idx"],
            "entry_id": row["id"],
            "at": local_text(row["at"]),
            "kind": row["kind"],
            "body": loads(row["body"]),
            "entry_hash": row["entry_hash"],
            "prev_hash": row["prev_hash"],
            "chain_hash": row["chain_hash"],
            "inclusion": inclusion,
        }

    # ------------------------------------------------------------ operations

    async def metrics(self) -> Mapping[str, float]:
        """Return gauges for operations."""
        context = self._context
        gauges: dict[str, float] = {}
        now = context.clock.now()
        oldest = 0.0
        for row in await context.ledger.all("transfer_counts"):
            key = f'transfers{{state="{row["state"]}",lane="{row["lane"]}"}}'
            gauges[key] = row["n"]
            if row["state"] != "failed":
                oldest = max(oldest, (now - from_text(row["oldest"])).total_seconds())
        gauges["oldest_wait_seconds"] = oldest
        size = await context.ledger.one("log_size")
        gauges["receipt_log_entries"] = size["size"] if size else 0
        offset = context.clock.offset()
        if offset is not None:
            gauges["clock_offset_seconds"] = offset.total_seconds()
        return gauges

    async def ready(self) -> Mapping[str, str]:
        """Return what keeps us from accepting, check by check."""
        checks = {"ledger": "ok", "blobs": "ok", "clock": "ok"}
        checks |= await self._probe()
        if clockwatch.is_off(self._context):
            # TIM-01: we still accept; stamping and relaying are held, so it is said, not failed.
            checks["clock"] = "ok (off: stamping held)"
        return checks

    async def _probe(self) -> dict[str, str]:
        from gateway.ports import ChangeSet, Insert

        try:
            await self._context.blobs.put(b"ready")
            now = iso_or_none(self._context.clock.now()) or ""
            row = Insert("meta", {"key": "ready", "value": now}, ignore=True)
            await self._context.ledger.commit(ChangeSet(rows=(row,)))
        except Exception as exc:  # noqa: BLE001 - readiness says what is wrong, it does not raise
            return {"ledger": f"cannot commit: {type(exc).__name__}"}
        return {}


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
