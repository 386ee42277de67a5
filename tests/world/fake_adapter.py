"""An Adapter in memory, held by tests/contract to what every adapter must do, and packets to send."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.errors import IntegrityError, UnavailableError
from gateway.ports import (
    AgencyRow,
    Busy,
    Clock,
    Listed,
    MessageKind,
    Outcome,
    Parcel,
    Refused,
    Taken,
)


def parcel_of(
    data: bytes,
    *,
    sender: str,
    recipients: Sequence[str],
    kind: MessageKind = "edoc",
    damaged: bool = False,
    chunk_bytes: int = 1000,
) -> Parcel:
    """Return a parcel of these bytes; a damaged one gives others than it promised."""
    name = hashlib.sha256(data).hexdigest()
    given = data[:-1] + b"?" if damaged else data

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(given), chunk_bytes):
            yield given[start : start + chunk_bytes]

    return Parcel("t1", kind, sender, tuple(recipients), "doc", name, len(data), chunks)


def document_packet(
    *recipients: str, sender: str = "H37.02", number: str = "7", padding: int = 0
) -> bytes:
    """Return a document as the strict form writes it, with one attachment of that many bytes."""
    namespace = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
    tos = "".join(
        f"<edXML:To><edXML:OrganId>{code}</edXML:OrganId></edXML:To>" for code in recipients
    )
    attachment = (
        "<AttachmentEncoded><Attachment><ContentId>cid:1</ContentId>"
        "<AttachmentName>vb.pdf</AttachmentName><ContentType>application/pdf</ContentType>"
        f'<edXML:ContentTransferEncoded xmlns:edXML="{namespace}">{"QUJD" * (padding // 3)}'
        "</edXML:ContentTransferEncoded></Attachment></AttachmentEncoded>"
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\r\n<edXML xmlns="{namespace}">'
        f'<edXML:edXMLEnvelope xmlns:edXML="{namespace}"><edXML:edXMLHeader><edXML:MessageHeader>'
        f"<edXML:From><edXML:OrganId>{sender}</edXML:OrganId></edXML:From>{tos}"
        f"<edXML:DocumentId>{sender},2026/11/21,{number}/SNV</edXML:DocumentId>"
        f"<edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber>"
        "<edXML:CodeNotation>SNV</edXML:CodeNotation></edXML:Code>"
        "<edXML:PromulgationInfo><edXML:PromulgationDate>2026/11/21</edXML:PromulgationDate>"
        "</edXML:PromulgationInfo><edXML:Subject>Về việc thử nghiệm</edXML:Subject>"
        "</edXML:MessageHeader><edXML:TraceHeaderList><edXML:TraceHeader>"
        f"<edXML:OrganId>{sender}</edXML:OrganId>"
        "<edXML:Timestamp>2026/11/21 08:00:00</edXML:Timestamp></edXML:TraceHeader>"
        "</edXML:TraceHeaderList></edXML:edXMLHeader></edXML:edXMLEnvelope>"
        f"{attachment if padding else ''}</edXML>\r\n"
    ).encode()


@dataclass
class FakeAdapter:
    """A peer that is always there.

    Args:
        clock: For deadlines.
        name: Of the peer.
        known: Codes it delivers to; others are refused.
        plan: Outcomes of the next deliveries, before anything is stored; `"lost"` stores the
            parcel and answers Busy.
        unreadable: The next listing, fetch or acknowledgement fails.
    """

    clock: Clock
    name: str = "fake"
    known: Sequence[str] = ()
    plan: list[Outcome | str] = field(default_factory=list)
    unreadable: int = 0
    catalogue: list[AgencyRow] = field(default_factory=list)
    delivered: list[tuple[Parcel, bytes]] = field(default_factory=list)
    offered: dict[str, tuple[Listed, bytes]] = field(default_factory=dict)
    acknowledged: list[tuple[str, bool, str]] = field(default_factory=list)
    closed: int = 0

    def offer(self, doc_id: str, data: bytes, kind: MessageKind = "edoc") -> None:
        self.offered[doc_id] = (Listed(doc_id, kind, created_at=self.clock.now()), data)

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        if deadline <= self.clock.now():
            return Busy("the deadline passed")
        planned = self.plan.pop(0) if self.plan else None
        if planned is not None and not isinstance(planned, str):
            return planned
        data = b"".join([chunk async for chunk in parcel.open()])
        if hashlib.sha256(data).hexdigest() != parcel.sha256 or len(data) != parcel.size_bytes:
            raise IntegrityError("the parcel is damaged")
        if not set(parcel.recipients) <= set(self.known):
            return Refused("recipient unknown", "18")
        self.delivered.append((parcel, data))
        if planned == "lost":
            return Busy("the answer was lost")
        return Taken(f"peer-{len(self.delivered)}")

    def _answers(self) -> None:
        if self.unreadable:
            self.unreadable -= 1
            raise UnavailableError(public="unreadable answer of the peer")

    async def listing(
        self, kind: MessageKind, *, since: datetime | None = None
    ) -> Sequence[Listed]:
        self._answers()
        return tuple(item for item, _ in self.offered.values() if item.kind == kind)

    async def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        self._answers()
        if item.peer_doc_id not in self.offered:
            raise UnavailableError(public="no such item")
        data = self.offered[item.peer_doc_id][1]
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        self._answers()
        self.acknowledged.append((item.peer_doc_id, done, note))
        self.offered.pop(item.peer_doc_id, None)

    async def agencies(self) -> Sequence[AgencyRow]:
        self._answers()
        return tuple(self.catalogue)

    async def probe(self) -> None:
        self._answers()

    async def close(self) -> None:
        self.closed += 1
