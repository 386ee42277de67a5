"""The world outside one gateway, held still: a peer in memory, asked only when the test says so.

`async with outside(tmp_path) as out:` runs a whole gateway whose one peer `truc` is a FakeAdapter;
`out.collect()` makes the collector look once, `out.flush()` makes the relay hand over what is due.
"""

import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.simulator import packets
from gateway import observe, stores
from gateway.ports import AgencyRecord, Listed
from gateway.programs.collector import Collector
from gateway.programs.context import PeerPolicy
from gateway.programs.relay import Relay
from gateway.verifier.pool import VerifierPool
from tests.world.fake_adapter import FakeAdapter
from tests.world.gatehouse import House, gatehouse, packet

PEER = "truc"
THERE = (
    AgencyRecord("G09", "Bộ Nội vụ", legacy_code="000.00.00.G09", connected=PEER),
    AgencyRecord("G12", "Bộ Tài chính", legacy_code="000.00.00.G12", connected=PEER),
    AgencyRecord("H14", "UBND tỉnh Cao Bằng", connected=PEER),
)


def head(
    document_id: str,
    *,
    issuer: str = "H37.02",
    code: str = "12/SNV-VP",
    date: str = "",
) -> packets.Head:
    """Return what a status is about."""
    return packets.Head(issuer, (), document_id, code, date)


def status(
    about: packets.Head,
    code: str,
    *,
    sender: str = "G09",
    description: str = "",
    at: datetime | None = None,
) -> bytes:
    """Return a status message as a partner's system writes it."""
    return packets.status_packet(
        about,
        sender=sender,
        sender_name=sender,
        code=code,
        description=description,
        at=at or datetime.now(UTC),
    )


@dataclass
class Told:
    """One status that left for the peer."""

    code: str
    sender: str
    to: str
    document_id: str
    description: str


@dataclass
class Outside:
    """A house and its peer."""

    house: House
    peer: FakeAdapter
    collector: Collector
    relay: Relay
    alarms: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    given: int = 0

    def offer(self, data: bytes, kind: str = "edoc", doc_id: str = "") -> str:
        """Put an item on the peer's list."""
        self.given += 1
        doc_id = doc_id or f"doc-{self.given}"
        self.peer.offer(doc_id, data, kind)
        return doc_id

    async def collect(self, *, times: int = 1) -> int:
        """Let the collector make rounds; return what the last one brought."""
        count = 0
        for _ in range(times):
            count = await self.collector.once(self.peer)
        return count

    async def bring(self, data: bytes, kind: str = "edoc", doc_id: str = "") -> str:
        """Offer and collect one item."""
        doc_id = self.offer(data, kind, doc_id)
        await self.collect()
        return doc_id

    async def inbound(self, doc_id: str, kind: str = "edoc") -> Any:
        """Return the inbound row of an item."""
        return await self.house.row("inbound_for", peer=PEER, peer_doc_id=doc_id, kind=kind)

    async def arrivals(self, system: str = "stc") -> list[Any]:
        """Return what a system's inbox lists."""
        return (await self.house.call("GET", "/inbox", system))[1]["items"]

    async def flush(self) -> list[Told]:
        """Hand over everything due at the peer; return the statuses that left, in order."""
        before = len(self.peer.delivered)
        now = self.house.clock.now()
        rows = await self.house.gateway.ledger.all(
            "transfers_due_at", now=now.isoformat().replace("+00:00", "Z"), hop=PEER, limit=1000
        )
        for row in sorted(rows, key=lambda r: r["id"]):
            await self.relay.once(row["id"])
        return self.told(before)

    def told(self, first: int = 0) -> list[Told]:
        """Return the statuses the peer was given."""
        folder = self.house.folder / "told"
        folder.mkdir(exist_ok=True)
        found = []
        for n, (parcel, data) in enumerate(self.peer.delivered[first:]):
            if parcel.kind == "status":
                path = folder / f"{n}.edxml"
                path.write_bytes(data)
                one = packets.read_head(path)
                found.append(
                    Told(one.status, one.sender, one.answers_to, one.document_id, one.description)
                )
        return found

    async def send(self, number: str = "12", to: Sequence[str] = ("G09",), **how: Any) -> Any:
        """Send a document as Sở Nội vụ and hand it over; return the 202."""
        code, answer, _ = await self.house.send(packet(number, to=to, **how))
        assert code == 202, answer
        await self.flush()
        return answer

    async def delivery(self, answer: Any, agency: str = "G09") -> Any:
        """Return a delivery as its sender sees it."""
        document = await self.house.document(answer["id"])
        return next(d for d in document["deliveries"] if d["agency"] == agency)

    async def waiting(self, system: str = "snv") -> list[tuple[str, str, str]]:
        """Return the statuses that wait for a system: code, sender as written, document."""
        caller = self.caller(system)
        items = await self.house.gateway.door.waiting(caller, "status")
        return [(i.state, i.sender_written, i.document_id) for i in items]

    def caller(self, system: str) -> Any:
        """Return a registered system as the programs know it."""
        found = self.house.gateway.callers.by_api_key(self.house.systems[system].key)
        assert found is not None
        return found


def listed(doc_id: str, kind: str = "edoc") -> Listed:
    return Listed(doc_id, kind)


def nfd(data: bytes) -> bytes:
    """Return the packet with its letters taken apart, as some systems write them."""
    return unicodedata.normalize("NFD", data.decode()).encode()


def silenced(monkeypatch: Any, out: Outside) -> None:
    """Write down alarms and failed collections instead of logging them."""

    def alarm(*, what: str, **_: Any) -> None:
        out.alarms.append(what)

    def collect_failed(*, reason: str, **_: Any) -> None:
        out.failed.append(str(reason))

    monkeypatch.setattr(observe, "alarm", alarm)
    monkeypatch.setattr(observe, "collect_failed", collect_failed)


@contextmanager
def cold() -> Iterator[None]:
    """Start houses without a verifier process; the first file that needs one starts it."""

    async def later(_: VerifierPool) -> None:
        return

    warm = VerifierPool.warm
    VerifierPool.warm = later  # type: ignore[method-assign]
    try:
        yield
    finally:
        VerifierPool.warm = warm  # type: ignore[method-assign]


@asynccontextmanager
async def outside(
    folder: Path, *, policy: PeerPolicy | None = None, extra: str = ""
) -> AsyncIterator[Outside]:
    """Run a gateway with one still peer."""
    with cold():
        async with gatehouse(folder, extra=extra) as house:
            yield await _beside(house, policy)


async def _beside(house: House, policy: PeerPolicy | None) -> Outside:
    with stores.open_admin(house.folder / "vanlien.toml") as admin:
        for agency in THERE:
            admin.put_agency(agency, by="test")
    peer = FakeAdapter(
        house.clock,
        name=PEER,
        known=["G09", "000.00.00.G09", "G12", "000.00.00.G12", "H14", "H37.04", "H37.61"],
    )
    context = house.gateway.context
    context.adapters[PEER] = peer
    context.peers[PEER] = policy or PeerPolicy()

    async def known() -> bool:
        return house.gateway.catalogue.directory().get("H14") is not None

    await house.until(known)
    return Outside(house, peer, Collector(context, house.gateway.receiver), Relay(context))
