"""The axis between gateways and agencies, in memory, and the adapter through which a node calls it.

It behaves as adapters.simulator does: one item per `To`, packets serialised anew, statuses
routed by ResponseFor, items listed until acknowledged, no idempotency. On top of that it can lie.
It reads packets on its own, so that it judges what our codec emits instead of agreeing with it.
"""

import asyncio
import base64
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from lxml import etree

from adapters.simulator import packets
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import AgencyRow, Busy, Listed, MessageKind, Outcome, Parcel, Refused, Taken
from tests.simulation.life import Life

HUB = "001.00.20.TT2"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)


@dataclass(frozen=True)
class Seen:
    """What stands in a packet: head, header fields, trace, files, and what it changes (0…3)."""

    head: packets.Head
    fields: tuple[Any, ...]
    tos: tuple[Any, ...]
    trace: tuple[Any, ...]
    files: tuple[tuple[str, str], ...]
    kind: int = 0
    business: tuple[Any, ...] = ()


class _InMemory:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _tree(element: Any) -> tuple[Any, ...]:
    return (_name(element), (element.text or "").strip(), *(_tree(child) for child in element))


@lru_cache(maxsize=256)
def head_of(data: bytes) -> packets.Head:
    """Read a packet's head; ValueError when it has none."""
    try:
        return packets.read_head(_InMemory(data))
    except (RejectedError, etree.XMLSyntaxError) as exc:
        raise ValueError(str(exc)) from exc


@lru_cache(maxsize=256)
def read(data: bytes) -> Seen:
    """Read a packet; ValueError when it is none."""
    head = head_of(data)
    try:
        root = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as exc:
        raise ValueError(str(exc)) from exc
    fields: list[Any] = []
    tos: list[Any] = []
    trace: list[Any] = []
    business: tuple[Any, ...] = ()
    for element in root.iter():
        name = _name(element)
        if name == "MessageHeader":
            for child in element:
                (tos if _name(child) == "To" else fields).append(_tree(child))
        elif name == "TraceHeader":
            trace.append(_tree(element))
        elif name == "Bussiness":
            business = _tree(element)
    return Seen(
        head,
        tuple(sorted(fields, key=repr)),
        tuple(tos),
        tuple(trace),
        tuple(_files(root)),
        int(dict(b[:2] for b in business[2:]).get("BussinessDocType", 0)),
        business,
    )


def _files(root: Any) -> list[tuple[str, str]]:
    found = []
    for attachment in root.iter("{*}Attachment"):
        text = {_name(child): child.text or "" for child in attachment}
        data = base64.b64decode(text.get("ContentTransferEncoded", ""))
        if data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = archive.read(archive.namelist()[0])
        found.append((text.get("AttachmentName", ""), hashlib.sha256(data).hexdigest()))
    return found


def rewrite(data: bytes, at_text: str) -> bytes:
    """Serialise anew, as the axis does: DocumentId behind the last To, its own hop in the trace."""
    root = etree.fromstring(data, _PARSER)
    for header in root.iter("{*}MessageHeader"):
        own = [c for c in header if _name(c) == "DocumentId"]
        tos = [c for c in header if _name(c) == "To"]
        if own and tos:
            header.remove(own[0])
            header.insert(header.index(tos[-1]) + 1, own[0])
    for traces in root.iter("{*}TraceHeaderList"):
        namespace = traces.tag.rpartition("}")[0] + "}"
        hop = etree.SubElement(traces, f"{namespace}TraceHeader")
        etree.SubElement(hop, f"{namespace}OrganId").text = HUB
        etree.SubElement(hop, f"{namespace}Timestamp").text = at_text
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


@dataclass
class Item:
    """One packet for one addressed code."""

    id: str
    kind: MessageKind
    system: str
    to: str
    head: packets.Head
    data: bytes
    raw: bytes
    taken: bool = False
    failed: str = ""
    cuts: int = 0


@dataclass
class Axis:
    """Its registers; nobody's crash touches them."""

    world: Any
    owners: dict[str, str]
    items: dict[str, Item] = field(default_factory=dict)
    heard: list[tuple[str, str, str]] = field(default_factory=list)
    _ids: int = 0

    def take(self, data: bytes) -> str:
        """Take a packet and offer it to everybody addressed; return the axis's id."""
        try:
            head = head_of(data)
        except ValueError as exc:
            raise RejectedError(Reason.MALFORMED, str(exc)) from exc
        codes = (head.answers_to,) if head.status else head.recipients
        for code in codes:
            if code not in self.owners:
                raise RejectedError(Reason.RECIPIENT_UNKNOWN, code)
        at_text = packets.moment_text(self.world.true_time())
        handed_on = data if head.status else rewrite(data, at_text)
        self._ids += 1
        sending = f"s{self._ids}"
        mine = self.owners.get(head.sender)
        for code in codes:
            if self.owners[code] != mine or head.status or self.world.plan.echo:
                self.offer(code, head, handed_on, data)
        return sending

    def offer(self, code: str, head: packets.Head, data: bytes, raw: bytes) -> None:
        self._ids += 1
        item_id = f"i{self._ids}"
        kind: MessageKind = "status" if head.status else "edoc"
        self.items[item_id] = Item(item_id, kind, self.owners[code], code, head, data, raw)

    def listed(self, system: str, kind: str) -> list[Item]:
        return [
            i
            for i in self.items.values()
            if i.system == system and i.kind == kind and not i.taken and not i.failed
        ]

    def open_items(self) -> list[Item]:
        return [i for i in self.items.values() if not i.taken and not i.failed]


class SimAdapter:
    """The Adapter port of one life over the simulated axis."""

    def __init__(self, life: Life, house: Any, axis: Axis) -> None:
        self.name = "truc"
        self._life = life
        self._house = house
        self._axis = axis
        self._world = life.world

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        world, house = self._world, self._house
        await self._life.gate("deliver.before")
        world.watch.attempt(house, self._life, parcel)
        data = b"".join([chunk async for chunk in parcel.open()])
        if hashlib.sha256(data).hexdigest() != parcel.sha256 or len(data) != parcel.size_bytes:
            raise IntegrityError("the parcel is damaged")
        how = world.trouble("deliver", house.name)
        await world.travel(house, slow=how == "slow")
        if house.cut_off or how == "request-lost":
            await asyncio.sleep(3.0)
            return Busy("no answer")
        if how == "breaks":
            raise OSError("the connection broke")
        if how in {"busy", "busy-later"}:
            return Busy("the axis is busy", 20.0 if how == "busy-later" else None)
        if how == "refuse":
            return Refused("Khong tim thay don vi nhan", "18")
        if how == "lie-taken":
            world.watch.lied(parcel)
            return Taken("never")
        try:
            if how == "late-effect":
                world.loop.call_later(9.0, self._late, data, parcel)
                return Busy("no answer yet")
            taken = self._hear(data, parcel)
            if how == "twice":
                self._hear(data, parcel)
        except RejectedError as exc:
            return Refused(exc.public, "18")
        await self._life.gate("deliver.heard")
        await world.travel(house, slow=how == "slow")
        await self._life.gate("deliver.after")
        if how == "answer-lost" or house.cut_off:
            return Busy("the answer was lost")
        if how == "lie-refused":
            return Refused("Loi he thong", "19")
        return Taken("s1" if how == "wrong-id" else taken)

    def _hear(self, data: bytes, parcel: Parcel) -> str:
        self._world.watch.heard(self._house, parcel, data)
        return self._axis.take(data)

    def _late(self, data: bytes, parcel: Parcel) -> None:
        self._hear(data, parcel)

    async def _asked(self, what: str) -> str:
        how = self._world.trouble(what, self._house.name)
        await self._world.travel(self._house)
        if self._house.cut_off or how in {"unreadable", "request-lost"}:
            raise UnavailableError(public="unreadable answer of the peer")
        return str(how)

    async def listing(self, kind: MessageKind) -> Sequence[Listed]:
        self._life.fence()
        how = await self._asked("listing")
        found = self._axis.listed(self._house.name, kind)
        if how == "twice":
            found = [item for item in found for _ in range(2)]
        elif how == "backwards":
            found.reverse()
        elif how == "half":
            found = found[: (len(found) + 1) // 2]
        await self._life.gate("listing.after")
        return tuple(Listed(i.id, i.kind, i.head.sender, (i.to,)) for i in found)

    async def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        await self._life.gate("fetch.before")
        how = await self._asked("fetch")
        found = self._axis.items[item.peer_doc_id]
        if how == "gone":
            raise UnavailableError(public="no such item")
        half = len(found.data) // 2
        yield found.data[:half]
        await self._life.gate("fetch.after")
        if how == "torn":
            raise UnavailableError(public="the download broke off")
        if how == "cut" and found.cuts < 2:  # a third time it would be given up, and rightly
            found.cuts += 1
            return
        yield found.data[half:]

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        await self._life.gate("ack.before")
        self._world.watch.acknowledged(self._house, item)
        how = await self._asked("ack")
        found = self._axis.items[item.peer_doc_id]
        if done:
            found.taken = True
        else:
            found.failed = note or "?"
        await self._life.gate("ack.after")
        if how == "answer-lost":
            raise UnavailableError(public="the answer was lost")

    async def agencies(self) -> Sequence[AgencyRow]:
        return ()

    async def probe(self) -> None:
        await self._asked("probe")

    async def close(self) -> None:
        pass


PATIENCE = timedelta(seconds=20)
