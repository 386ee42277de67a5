"""A whole gateway in the test's own process, with a clock the test moves and a simulated axis.

`async with gatehouse(tmp_path) as house:` gives real HTTP on loopback, real SQLite, real blobs and,
with `axis=True`, the simulated national axis with one ministry behind it. Timers of the programs
run on real time but look at the moved clock; `house.sweep()` makes the janitor look now.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from adapters.simulator.autoagency import AutoAgency
from adapters.simulator.axis import AxisSimulator, Manners
from adapters.vxp import plugin as vxp
from gateway import app, stores
from gateway.clock import SystemClock
from gateway.config import load
from gateway.console.frame import SESSION
from gateway.domain.access import Grant, Role
from gateway.ports import AgencyRecord, AgencyRow, NewCredential
from gateway.ports.accounts import NewAccount
from gateway.programs.accounts.means import account_row, grant_row, session_row
from gateway.receipts.sign import generate
from gateway.secrets import (
    create_key_file,
    new_api_key,
    new_credential_id,
    new_shared_secret,
    read_key_file,
    seal_secret,
    write_private,
)
from gateway.store import setup
from gateway.stores import UuidIds
from tests.world.console import Visitor

HUB = "00.37.W00"
LOCAL = (
    AgencyRecord("H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local"),
    AgencyRecord("H37.04", "Sở Tài chính", legacy_code="000.00.04.H37", connected="local"),
    AgencyRecord("H37.61", "UBND phường", connected="local", console=True),
    AgencyRecord("H37.99", "Không liên thông", connected=""),
    AgencyRecord("H25", "Hà Nam (cũ)", connected="local", status="closed", successor="H37.04"),
)
MINISTRY = AgencyRow("G09", "Bộ Nội vụ", "000.00.00.G09")


class MovedClock(SystemClock):
    """The machine's clock plus what the test added; its offset is what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.added = timedelta()
        self.known_offset: timedelta | None = None

    def now(self) -> datetime:
        return super().now() + self.added

    def measured(self) -> timedelta | None:
        return self.known_offset

    def move(self, by: timedelta) -> None:
        self.added += by


@dataclass
class System:
    """A calling system: its API key and its shared secret for the façade."""

    id: str
    key: str
    secret: str


@dataclass
class House:
    """The gateway, its address, its systems, the axis."""

    folder: Path
    gateway: app.Gateway
    clock: MovedClock
    session: aiohttp.ClientSession
    systems: dict[str, System]
    axis: AxisSimulator | None = None
    ministry: AutoAgency | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return self.gateway.url

    async def call(
        self, method: str, path: str, system: str = "snv", **options: Any
    ) -> tuple[int, Any, Any]:
        """Call the API as a system; return status, JSON (or bytes) and headers."""
        headers = {"Authorization": f"Bearer {self.systems[system].key}"}
        headers |= options.pop("headers", {})
        async with self.session.request(
            method, f"{self.url}/api/v1{path}", headers=headers, **options
        ) as answer:
            data = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(data) if is_json else data, answer.headers

    async def send(
        self, packet: bytes, system: str = "snv", *, key: str | None = None, query: str = ""
    ) -> tuple[int, Any, Any]:
        """POST one edXML packet."""
        headers = {"Content-Type": "application/xml"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.call("POST", f"/documents{query}", system, data=packet, headers=headers)

    async def until(self, ready: Callable[[], Any], *, patience_s: float = 60.0) -> Any:
        """Wait until an async question has a true answer; return it."""
        async with asyncio.timeout(patience_s):
            while True:
                found = await ready()
                if found:
                    return found
                await asyncio.sleep(0.02)

    async def document(self, consignment_id: str, system: str = "snv") -> Any:
        """Return one document as its sender sees it."""
        return (await self.call("GET", f"/documents/{consignment_id}", system))[1]

    async def state(self, consignment_id: str, agency: str, *wanted: str) -> Any:
        """Wait until a delivery is in one of the wanted states; return it."""

        async def look() -> Any:
            document = await self.document(consignment_id)
            found = next(d for d in document["deliveries"] if d["agency"] == agency)
            return found if found["state"] in wanted else None

        return await self.until(look)

    async def called(self, operation: str, count: int = 1) -> None:
        """Wait until the axis has heard a call: "sending" alone is recorded before dialling."""

        async def look() -> bool:
            return self.axis is not None and self.axis.calls.count(operation) >= count

        await self.until(look)

    async def inbox(self, system: str, count: int = 1) -> list[Any]:
        """Wait until a system's inbox has `count` items; return them."""

        async def look() -> Any:
            items = (await self.call("GET", "/inbox", system))[1]["items"]
            return items if len(items) >= count else None

        return await self.until(look)

    async def sweep(self) -> None:
        """Let the janitor look now."""
        await self.gateway.janitor.once()

    async def visitor(
        self, login: str, role: Role, agency: str = "", *, home: str | None = None
    ) -> Visitor:
        """Return a browser in which somebody is signed in, with one role more each time.

        The account is made when there is none of that login; `home` is the agency it belongs to.
        """
        accounts = self.gateway.accounts
        now = self.clock.now()
        found = await self.row("account_by_login", login=login)
        account_id = found["id"] if found else f"a-{login}"
        rows = [grant_row(UuidIds(), account_id, Grant(role, agency), "test", now)]
        if found is None:
            new = NewAccount(login, login.title(), agency if home is None else home)
            rows.insert(0, account_row(account_id, new, "test", now))
        token, session = session_row(account_id, now, ends_at=now + timedelta(days=1), strong=True)
        await accounts.means.commit(*rows, session)
        browser = await self.stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        )
        return Visitor(self.url, browser, {SESSION: token})

    async def row(self, query: str, **params: Any) -> Any:
        """Ask the ledger a named question."""
        return await self.gateway.ledger.one(query, **params)


def register(
    config: Path,
    key: bytes,
    systems: dict[str, Sequence[str]],
    agencies: Sequence[AgencyRecord] = (),
) -> dict[str, System]:
    """Register systems with both kinds of credentials."""
    made = {}
    with stores.open_admin(config) as admin:
        for agency in (*LOCAL, *agencies):
            admin.put_agency(agency, by="test")
        for system_id, codes in systems.items():
            api, shared, name = new_api_key(), new_shared_secret(), new_credential_id()
            sealed = seal_secret(key, shared.encode(), system_id=system_id, credential_id=name)
            admin.add_system(
                system_id,
                codes,
                [
                    NewCredential(id=api.key_id, kind="api-key", sha256=api.sha256),
                    NewCredential(id=name, kind="shared-secret", sealed=sealed),
                ],
                by="test",
            )
            made[system_id] = System(system_id, api.text, shared)
    return made


def write_config(folder: Path, extra: str = "", peer: str = "", http: str = "") -> Path:
    """Write keys and a settings file; return it."""
    (folder / "keys").mkdir(mode=0o700)
    (folder / "trust").mkdir(exist_ok=True)
    generate(folder / "keys" / "receipts.pem")
    create_key_file(folder / "keys" / "secrets.key")
    config = folder / "vanlien.toml"
    config.write_text(
        f'[gateway]\ncode = "{HUB}"\n[http]\nport = 0\n{http}\n[verify]\nworkers = 1\n{extra}\n{peer}',
        encoding="utf-8",
    )
    settings = load(config)
    if settings.ledger.is_file:
        settings.ledger.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        setup.create(settings.ledger.path)
    return config


@asynccontextmanager
async def gatehouse(
    folder: Path,
    *,
    axis: bool = False,
    extra: str = "",
    http: str = "",
    ledger: str = "",
    speaks: dict[str, Sequence[str]] | None = None,
    agencies: Sequence[AgencyRecord] = (),
    **axis_options: Any,
) -> AsyncIterator[House]:
    """Run a gateway with two agencies' systems (`snv`, `stc`) and one more (`other`).

    Args:
        folder: For everything it keeps.
        axis: With a simulated axis.
        extra: More settings.
        http: More settings of `[http]`.
        speaks: Systems and their agencies, where they are others.
        agencies: More of them.
        ledger: URL of an empty ledger on a server; "" for a file of its own.
        axis_options: For the axis: `dialect`, the national one if it is not given, and manners.
    """
    clock = MovedClock()
    if ledger:
        extra = f'[ledger]\nurl = "{ledger}"\n{extra}'
    async with AsyncExitStack() as stack:
        simulator, ministry, peer = None, None, ""
        if axis:
            simulator, ministry, peer = await _axis(folder, clock, stack, axis_options)
        config = write_config(folder, extra, peer, http)
        settings = load(config)
        key = read_key_file(settings.secrets.key_file)
        speaks = speaks or {"snv": ["H37.02"], "stc": ["H37.04"], "other": ["H37.61"]}
        systems = register(config, key, speaks, agencies)
        gateway = app.Gateway(settings, clock=clock)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        house = House(folder, gateway, clock, session, systems, simulator, ministry)
        house.stack = await stack.enter_async_context(AsyncExitStack())
        if simulator is not None:

            async def known() -> bool:
                return gateway.catalogue.directory().get("G09") is not None

            await house.until(known)
        yield house


async def _axis(
    folder: Path, clock: MovedClock, stack: AsyncExitStack, options: dict[str, Any]
) -> tuple[AxisSimulator, AutoAgency, str]:
    packets = folder / "axis"
    packets.mkdir()
    spoken = options.pop("dialect", vxp)
    axis = AxisSimulator(
        spoken, packets, clock, manners=Manners(**({"returns_to_sender": False} | options))
    )
    inside = [AgencyRow(a.code, a.name, a.legacy_code) for a in LOCAL]
    axis.add_system(HUB, b"axis-secret", inside)
    axis.add_system("bnv", b"ministry-secret", [MINISTRY])
    endpoint = await axis.start()
    stack.push_async_callback(axis.stop)
    client = spoken.make_client(
        name="bnv", endpoint=endpoint, system_id="bnv", secret=b"ministry-secret", clock=clock
    )
    stack.push_async_callback(client.close)
    (folder / "keys-axis").mkdir()
    write_private(folder / "keys-axis" / "axis.secret", b"axis-secret")
    peer = (
        f'[[peer]]\nid = "truc"\nendpoint = "{endpoint}"\nsystem_id = "{HUB}"\n'
        'secret_file = "keys-axis/axis.secret"\npoll_every = "100 ms"\ncodes_behind = "*"\n'
        f'dialect = "{spoken.name}"\n'
    )
    return axis, AutoAgency(client, clock, MINISTRY.code, MINISTRY.name), peer


def packet(
    number: str = "12",
    *,
    to: Sequence[str] = ("H37.04",),
    sender: str = "H37.02",
    document_id: str = "",
    subject: str = "V/v thử nghiệm liên thông",
    urgency: int = 0,
    day: str = "",
    files: Sequence[tuple[str, bytes]] = (("ghi-chu.txt", b"xin chao"),),
    more: str = "",
    trace: str = "",
) -> bytes:
    """Return one edXML document as a partner might write it."""
    day = day or datetime.now(UTC).strftime("%Y/%m/%d")
    recipients = "".join(
        f"<edXML:To><edXML:OrganId>{c}</edXML:OrganId><edXML:OrganName>{c}</edXML:OrganName>"
        "</edXML:To>"
        for c in to
    )
    manifest = "".join(
        f"<edXML:Reference><edXML:ContentId>cid:{i}</edXML:ContentId>"
        f"<edXML:AttachmentName>{n}</edXML:AttachmentName></edXML:Reference>"
        for i, (n, _) in enumerate(files)
    )
    attachments = "".join(
        f"<Attachment><ContentId>cid:{i}</ContentId><AttachmentName>{n}</AttachmentName>"
        "<ContentType>application/octet-stream</ContentType><edXML:ContentTransferEncoded "
        'xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
        f"{base64.b64encode(data).decode()}</edXML:ContentTransferEncoded></Attachment>"
        for i, (n, data) in enumerate(files)
    )
    identifier = f"<edXML:DocumentId>{document_id}</edXML:DocumentId>" if document_id else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLEnvelope
 xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader><edXML:MessageHeader>
<edXML:From><edXML:OrganId>{sender}</edXML:OrganId><edXML:OrganName>Gửi</edXML:OrganName>
</edXML:From>{recipients}{identifier}<edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber>
<edXML:CodeNotation>SNV-VP</edXML:CodeNotation></edXML:Code><edXML:PromulgationInfo>
<edXML:Place>Lạng Sơn</edXML:Place><edXML:PromulgationDate>{day}</edXML:PromulgationDate>
</edXML:PromulgationInfo><edXML:DocumentType><edXML:Type>2</edXML:Type>
<edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>{subject}</edXML:Subject><edXML:SignerInfo><edXML:Position>Giám đốc</edXML:Position>
<edXML:FullName>Nguyễn Văn An</edXML:FullName></edXML:SignerInfo><edXML:OtherInfo>
<edXML:Priority>{urgency}</edXML:Priority></edXML:OtherInfo>{more}</edXML:MessageHeader>
<edXML:TraceHeaderList>{trace}<edXML:TraceHeader><edXML:OrganId>{sender}</edXML:OrganId>
<edXML:Timestamp>{day} 08:00:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>
</edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest version="1.0">{manifest}
</edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<AttachmentEncoded>{attachments}</AttachmentEncoded></edXML>""".encode()
