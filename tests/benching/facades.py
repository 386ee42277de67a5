"""The same documents through every door, each by the client of its dialect, in one run.

One gateway with all façades; one system sends, one reads. Each door gets as many documents, alike
but for their number, over as many connections; then all of it is listed, fetched and acknowledged.
A call is what the client does for it: where a dialect signs in, asks twice or wraps in base64, that
is in the figure. The client runs in this process, on the same cores.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from gateway import stores
from gateway.client import Client
from gateway.clock import SystemClock
from gateway.config.page import sample
from gateway.conformance.letters import File, Letter, parcel
from gateway.dialects import dialect
from gateway.ports import Adapter, AgencyRecord, Listed, NewCredential, Taken
from gateway.secrets import (
    new_api_key,
    new_credential_id,
    new_shared_secret,
    read_key_file,
    seal_secret,
)
from tests.benching.houses import House, Node
from tests.benching.load import Json, load_now, spread
from tests.benching.plan import EMBEDDED, Plan

T = TypeVar("T")

HANDS: Final = 16
_FROM, _TO = "H37.08", "H37.10"
_SENDER, _READER = "facades-gui", "facades-nhan"
_PATIENCE_S: Final = 120.0
_LISTINGS: Final = 10


@dataclass(frozen=True, slots=True)
class Way:
    """One door: its dialect ("" for the API), the client's options, what it shows."""

    name: str
    dialect: str = ""
    variant: str = ""
    by_key: bool = False


WAYS: Final = (
    Way("API", by_key=True),
    Way("vxp", "vxp"),
    Way("bkav REST", "bkav", "rest", by_key=True),
    Way("bkav SOAP 1.1", "bkav", "soap11", by_key=True),
    Way("langson /v1", "langson", "v1"),
    Way("langson lgspedoc", "langson", "lgspedoc"),
    Way("wso2", "wso2"),
)


class Door(Protocol):
    """What every door can do."""

    async def send(self, letter: Letter) -> None: ...

    async def listing(self) -> Sequence[Any]: ...

    async def fetch(self, item: Any) -> int: ...

    async def acknowledge(self, item: Any) -> None: ...

    async def close(self) -> None: ...


class Api:
    """The HTTP API, by the client kit."""

    def __init__(self, url: str, sender: str, reader: str) -> None:
        self._sender, self._reader = Client(url, sender), Client(url, reader)
        self._after = 0

    async def send(self, letter: Letter) -> None:
        await self._sender.send(letter.packet(), key=letter.document_id)

    async def listing(self) -> Sequence[Any]:
        items = (await self._reader.inbox(self._after, limit=1000))["items"]
        return [item for item in items if item["entered_system_at"] is None]

    async def fetch(self, item: Any) -> int:
        return sum([len(piece) async for piece in self._reader.packet(item["id"])])

    async def acknowledge(self, item: Any) -> None:
        await self._reader.confirm(item["id"])

    async def close(self) -> None:
        await self._sender.close()
        await self._reader.close()


class Facade:
    """A façade, by the client with which the gateway itself calls such an axis."""

    def __init__(self, sender: Adapter, reader: Adapter) -> None:
        self._sender, self._reader = sender, reader

    async def send(self, letter: Letter) -> None:
        told = parcel(
            letter.packet(),
            sender=_FROM,
            recipients=(_TO,),
            document_id=letter.document_id,
        )
        ends = datetime.now(UTC) + timedelta(seconds=_PATIENCE_S)
        outcome = await self._sender.deliver(told, deadline=ends)
        match outcome:
            case Taken():
                return
            case _:
                raise RuntimeError(f"{self._sender.name}: {outcome}")

    async def listing(self) -> Sequence[Listed]:
        return await self._reader.listing("edoc")

    async def fetch(self, item: Listed) -> int:
        return sum([len(piece) async for piece in self._reader.fetch(item)])

    async def acknowledge(self, item: Listed) -> None:
        await self._reader.acknowledge(item, done=True)

    async def close(self) -> None:
        await self._sender.close()
        await self._reader.close()


def measure(plan: Plan) -> Json:
    """Measure every door of one embedded gateway."""
    if EMBEDDED not in plan.engines:
        return {"rows": [], "hands": HANDS}
    with plan.house(EMBEDDED) as house:
        shown = _register(house)
        node = _node(house)
        node.start()
        try:
            return asyncio.run(_all(plan, f"http://127.0.0.1:{node.port}", shown))
        finally:
            node.end(15)


def _node(house: House) -> Node:
    """Return a node of the house that serves every façade; its other nodes stand still."""
    house.stop()
    config = house.folder / "node-facades.toml"
    names = ", ".join(sorted({f'"{way.dialect}"' for way in WAYS if way.dialect}))
    told = {"gateway.code": '"00.37.W00"', "http.facades": f"[{names}]", "verify.workers": "1"}
    config.write_text(sample(told), encoding="utf-8")
    return Node(config)


def _register(house: House) -> dict[str, tuple[str, str]]:
    """Register two agencies and their systems; return key and secret of each system."""
    shown = {}
    sealing = read_key_file(house.settings.secrets.key_file)
    with stores.open_admin(house.nodes[0].config) as admin:
        for code, system in ((_FROM, _SENDER), (_TO, _READER)):
            record = AgencyRecord(code=code, name=f"Cơ quan {code}", connected="local")
            admin.put_agency(record, by="bench")
            key, secret, name = new_api_key(), new_shared_secret(), new_credential_id()
            sealed = seal_secret(sealing, secret.encode(), system_id=system, credential_id=name)
            credentials = [
                NewCredential(id=key.key_id, kind="api-key", sha256=key.sha256),
                NewCredential(id=name, kind="shared-secret", sealed=sealed),
            ]
            admin.add_system(system, [code], credentials, by="bench")
            shown[system] = (key.text, secret)
    return shown


async def _all(plan: Plan, url: str, shown: dict[str, tuple[str, str]]) -> Json:
    rows = []
    for number, way in enumerate(WAYS):
        async with AsyncExitStack() as stack:
            door = _door(way, url, shown)
            stack.push_async_callback(door.close)
            if not plan.one_house:
                # A first few for what is made once: connections, tokens, schemas.
                await _play(door, _letters(f"NONG{number}", HANDS))
            rows.append(
                {"door": way.name, **await _play(door, _letters(f"DO{number}", _count(plan)))}
            )
        plan.say(f"{way.name}: {rows[-1]['accepted_per_s']:g} accepted/s")
    return {"rows": rows, "hands": HANDS}


def _count(plan: Plan) -> int:
    return max(3, plan.size.notes // 5)


def _door(way: Way, url: str, shown: dict[str, tuple[str, str]]) -> Door:
    secrets = [shown[system][0 if way.by_key else 1] for system in (_SENDER, _READER)]
    if not way.dialect:
        return Api(url, *secrets)
    spoken = dialect(way.dialect)
    options: dict[str, Any] = {"variant": way.variant} if way.variant else {}
    clients = [
        spoken.make_client(
            name=way.name,
            endpoint=f"{url}{spoken.path}",
            system_id=system,
            secret=secret.encode(),
            clock=SystemClock(),
            connections=HANDS,
            **options,
        )
        for system, secret in zip((_SENDER, _READER), secrets, strict=True)
    ]
    return Facade(*clients)


def _letters(notation: str, count: int) -> list[Letter]:
    at = datetime.now(UTC)
    files = (File("ghi-chu.txt", b"x" * 1000, "text/plain"),)
    return [
        Letter(_FROM, (_TO,), number, notation, at, f"Đo văn bản {number}", files)
        for number in range(1, count + 1)
    ]


async def _play(door: Door, letters: Sequence[Letter]) -> Json:
    load, began = load_now(), time.perf_counter()
    sent = await _each(letters, door.send)
    took_s = time.perf_counter() - began
    items = await _arrived(door, len(letters))
    listed = [(await _timed(door.listing, None))[0] for _ in range(_LISTINGS)]
    sizes: list[int] = []

    async def fetch(item: Any) -> None:
        sizes.append(await door.fetch(item))

    fetched = await _each(items, fetch)
    acknowledged = await _each(items, door.acknowledge)
    return {
        "documents": len(letters),
        "message_bytes": len(letters[0].packet()),
        "fetched_bytes": round(sum(sizes) / len(sizes)),
        "accepted_per_s": round(len(letters) / took_s, 1),
        "send_ms": spread(sent),
        "list_ms": spread(listed),
        "fetch_ms": spread(fetched),
        "acknowledge_ms": spread(acknowledged),
        "load_before": load,
    }


async def _arrived(door: Door, count: int) -> Sequence[Any]:
    """Return the reader's list once everything is in it."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            items = await door.listing()
            if len(items) >= count:
                return items
            await asyncio.sleep(0.2)


async def _each(things: Sequence[T], do: Callable[[T], Awaitable[None]]) -> list[float]:
    """Do it to all, so many at once; return what each took, in ms."""
    waiting, times = list(reversed(things)), []

    async def hand() -> None:
        while waiting:
            times.append((await _timed(do, waiting.pop()))[0])

    async with asyncio.TaskGroup() as group:
        for _ in range(min(HANDS, len(things))):
            group.create_task(hand())
    return times


async def _timed(do: Callable[..., Awaitable[Any]], thing: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    told = await (do() if thing is None else do(thing))
    return (time.perf_counter() - began) * 1000, told
