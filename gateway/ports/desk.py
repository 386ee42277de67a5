"""What a system may ask about its own documents.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.ports.callers import Caller, Packet

Json = dict[str, Any]


class Desk(Protocol):
    """What a system may ask about its own documents, sent and received.

    Every answer is JSON-ready: ISO 8601 `+07:00` times as text, digests as hex, absent values as
    None. What belongs to another caller is RejectedError(NOT_FOUND), as if it did not exist.

    Shapes:
        document: `{id, document_id, version, state, sender, subject, code, promulgation_date,
            type_name, urgency, business_type, number: {year, ordinal} | None, sha256, size_bytes,
            accepted_at, issued_at, sent_at, verification: verdict | "pending",
            legal_class, verdict_before, verdict_changed_at, findings: [finding],
            repairs: [repair], header: {…every edXML field…}, attachments: [attachment],
            deliveries: [delivery]}`
        delivery: `{id, agency, name, addressed_as: [code], state, state_text, reason, hop,
            left_at, acknowledged_at, at_gateway_at, entered_system_at, last_status,
            attempts: [{n, began_at, ended_at, outcome, detail}]}`
        attachment: `{index, name, safe_name, content_type, description, size_bytes, sha256,
            verdict}`
        arrival: `{id, cursor, agency, addressed_as, sender, sender_name, document_id, version,
            state, state_text, subject, code, promulgation_date, type_name, urgency,
            business_type, at_gateway_at, entered_system_at, received_at_legal, arrival_number,
            verification, legal_class, findings, repairs, header, attachments, source,
            verdict_before, verdict_changed_at, taken_undetermined: {by, at, reason, code} | None,
            actions: [code], advice: {code, refusal, vi, en} | None}`
        event: `{at, type, subject, data: {…}}`
        finding: `{rule, severity, where, vi, en, refusal}`
        receipts: `{entries: [{index | None, entry_id, at, kind, body, entry_hash, prev_hash,
            chain_hash, inclusion: {tree_size, leaf_index, hashes, root} | None}],
            tree_head: jws | None, acceptance: jws | None}`
        verification: `{verdict, legal_class, files: [{index, name, report: VerificationReport}]}`
    """

    async def documents(
        self, caller: Caller, *, document_id: str | None, after: str | None, limit: int
    ) -> Json:
        """Return `{items: [document without header, events], next: id | None}`, newest first."""
        ...

    async def document(self, caller: Caller, consignment_id: str) -> Json:
        """Return one document."""
        ...

    async def document_events(self, caller: Caller, consignment_id: str) -> list[Json]:
        """Return its events, oldest first."""
        ...

    async def document_receipts(self, caller: Caller, consignment_id: str) -> Json:
        """Return its receipts with inclusion proofs as far as sequenced."""
        ...

    async def document_verification(self, caller: Caller, consignment_id: str) -> Json:
        """Return its verification reports."""
        ...

    async def document_attachment(self, caller: Caller, consignment_id: str, index: int) -> Packet:
        """Return one file of a document sent."""
        ...

    async def inbox(
        self, caller: Caller, *, after: int, limit: int, agency: str | None = None
    ) -> Json:
        """Return `{items: [arrival without header, replay], next: cursor}`: above `after`."""
        ...

    async def arrival(self, caller: Caller, arrival_id: str) -> Json:
        """Return one arrival."""
        ...

    async def arrival_packet(self, caller: Caller, arrival_id: str, *, received: bool) -> Packet:
        """Return our strict packet, or the bytes as received."""
        ...

    async def arrival_attachment(self, caller: Caller, arrival_id: str, index: int) -> Packet:
        """Return one unwrapped file."""
        ...

    async def arrival_events(self, caller: Caller, arrival_id: str) -> list[Json]:
        """Return its events, oldest first."""
        ...

    async def arrival_receipts(self, caller: Caller, arrival_id: str) -> Json:
        """Return its receipts."""
        ...

    async def arrival_verification(self, caller: Caller, arrival_id: str) -> Json:
        """Return its verification reports."""
        ...

    async def confirm(self, caller: Caller, arrival_id: str) -> Json:
        """Record that the agency's system has it (RCV-06); safe to repeat; return the arrival."""
        ...

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
        """Report 02…06, 15 or 16 to the sender; return the arrival.

        RejectedError(ILLEGAL_TRANSITION) when the state forbids it, BAD_REQUEST when 02 or 16
        has no reason, or when a document with an undetermined verdict is taken without one (F09).
        """
        ...

    async def metrics(self) -> Mapping[str, float]:
        """Return gauges for operations: queue lengths by lane, dead letters, oldest wait."""
        ...

    async def ready(self) -> Mapping[str, str]:
        """Return `{check: "ok" | reason}`; ready only when every check is ok."""
        ...
