"""The demo's world: a province of 2026, a national axis, agencies' systems, a development PKI.

Everything lives in one folder and on loopback; nothing of it is fit for production. A crash leaves
the folder; `vanlien demo` makes a new one each time.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from adapters.simulator.autoagency import AutoAgency
from adapters.simulator.axis import AxisSimulator, Manners
from adapters.vxp import plugin as vxp
from gateway import app, stores
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.demo.people import CLERKS_AGENCY, Invited, invite
from gateway.demo.pki import DevPki, Person, make_pki
from gateway.demo.pki_service import DevPkiService
from gateway.policies import record_of
from gateway.ports import AgencyRow, NewCredential
from gateway.receipts.sign import generate
from gateway.secrets import create_key_file, new_api_key, write_private

HUB: Final = "00.37.W00"
HUB_NAME: Final = "Trục liên thông tỉnh Lạng Sơn (THỬ NGHIỆM)"
OUTSIDE: Final = ("G09", "Bộ Nội vụ")
# No district level since 1/7/2025: province, departments, communes and wards.
INSIDE: Final = (
    ("H37", "UBND tỉnh Lạng Sơn", "000.00.00.H37"),
    ("H37.02", "Sở Nội vụ tỉnh Lạng Sơn", "000.00.02.H37"),
    ("H37.04", "Sở Tài chính tỉnh Lạng Sơn", "000.00.04.H37"),
    ("H37.61", "UBND phường Lương Văn Tri", ""),
    (CLERKS_AGENCY, "UBND phường Kỳ Lừa", ""),
)
SYSTEMS: Final = tuple(code for code, _, _ in INSIDE if code != CLERKS_AGENCY)
"""Agencies with a system of their own; in the last one a clerk works in our console."""
SIGNER: Final = Person("Nguyễn Văn An", "Giám đốc", "Sở Nội vụ tỉnh Lạng Sơn")
_AXIS_SYSTEM: Final = "bnv.demo"
_POLL_S: Final = 0.25


@dataclass(slots=True)
class World:
    """What a demo run holds on to.

    Args:
        folder: Where everything lies.
        pki: Keys and certificates.
        gateway: The gateway, running.
        axis: The simulated axis, running.
        keys: API key by system id.
        people: Who may sign in to the console, with one-time links.
    """

    folder: Path
    pki: DevPki
    gateway: app.Gateway
    axis: AxisSimulator
    keys: dict[str, str] = field(default_factory=dict)
    people: tuple[Invited, ...] = ()


@asynccontextmanager
async def world(folder: Path, *, port: int = 0) -> AsyncIterator[World]:
    """Build the world and run it for the length of the block."""
    async with AsyncExitStack() as stack:
        service = await DevPkiService.open()
        stack.push_async_callback(service.close)
        pki = await asyncio.to_thread(
            make_pki,
            folder / "pki",
            now=datetime.now(UTC),
            agencies=[*((code, name) for code, name, _ in INSIDE), (HUB, HUB_NAME)],
            people=[SIGNER],
            base_url=service.url,
        )
        service.serve(pki)
        secret = secrets.token_urlsafe(32).encode()
        axis, other = await _axis(folder, secret, stack)
        settings = _settings(folder, axis, secret, port, pki)
        keys = _register(folder / "vanlien.toml", settings)
        gateway = app.Gateway(settings)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        people = await invite(gateway.accounts)
        found = World(folder, pki, gateway, axis, keys, people)
        await _start_agencies(found, other, stack)
        yield found


async def _axis(
    folder: Path, secret: bytes, stack: AsyncExitStack
) -> tuple[AxisSimulator, AutoAgency]:
    """Start the axis, with the ministry's own system behind it."""
    packets = folder / "axis"
    packets.mkdir()
    axis = AxisSimulator(vxp, packets, SystemClock(), manners=Manners(returns_to_sender=False))
    inside = [AgencyRow(code, name, legacy) for code, name, legacy in INSIDE]
    theirs = secrets.token_urlsafe(32).encode()
    axis.add_system(HUB, secret, inside)
    axis.add_system(_AXIS_SYSTEM, theirs, [AgencyRow(*OUTSIDE, "000.00.00.G09")])
    endpoint = await axis.start()
    stack.push_async_callback(axis.stop)
    client = vxp.make_client(
        name=_AXIS_SYSTEM,
        endpoint=endpoint,
        system_id=_AXIS_SYSTEM,
        secret=theirs,
        clock=SystemClock(),
    )
    stack.push_async_callback(client.close)
    return axis, AutoAgency(client, SystemClock(), *OUTSIDE)


def _settings(folder: Path, axis: AxisSimulator, secret: bytes, port: int, pki: DevPki) -> Settings:
    """Write a settings file as an operator would, and load it."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    generate(keys / "receipts.pem")
    create_key_file(keys / "secrets.key")
    write_private(keys / "truc-qg.secret", secret)
    agencies = "\n".join(
        f'[[agency]]\ncode = "{code}"\nname = "{name}"\nconnected = "local"\n'
        + (f'legacy_code = "{legacy}"\n' if legacy else "")
        + ("console = true\n" if code == CLERKS_AGENCY else "")
        for code, name, legacy in INSIDE
    )
    seal = pki.agency(HUB)
    config = folder / "vanlien.toml"
    config.write_text(
        f"""# Made by `vanlien demo`.
[gateway]
code = "{HUB}"
name = "Trục liên thông tỉnh Lạng Sơn (demo)"

[http]
port = {port}

[verify]
trust_dir = "pki/trust"

[reports.seal]
key_file = "{seal.key.relative_to(folder)}"
certificate_file = "{seal.certificate.relative_to(folder)}"
tsa_url = "{pki.base_url}/tsa"

[accounts]
second_factor = []

[log]
level = "warning"

[[peer]]
id = "truc-qg"
endpoint = "{axis.endpoint}"
system_id = "{HUB}"
secret_file = "keys/truc-qg.secret"
poll_every = "250 ms"
codes_behind = "*"

{agencies}""",
        encoding="utf-8",
    )
    settings = load(config)
    stores.create_ledger(settings)
    return settings


def _register(config: Path, settings: Settings) -> dict[str, str]:
    """Register one system an agency; return their API keys."""
    keys: dict[str, str] = {}
    with stores.open_admin(config) as admin:
        for agency in settings.agencies:
            admin.put_agency(record_of(agency), by="demo")
        for code in SYSTEMS:
            key = new_api_key()
            system_id = f"qlvb-{code.lower().replace('.', '-')}"
            admin.add_system(
                system_id,
                [code],
                [NewCredential(id=key.key_id, kind="api-key", sha256=key.sha256)],
                by="demo",
            )
            keys[code] = key.text
            write_private(config.parent / "keys" / f"{system_id}.key", key.text.encode())
    return keys


async def _start_agencies(world: World, outside: AutoAgency, stack: AsyncExitStack) -> None:
    """Let every recipient's system work: fetch, confirm, accept (01 → 03)."""
    tasks = [asyncio.create_task(outside.run(_POLL_S))]
    for code in ("H37.04", "H37.61"):
        system = ReceivingSystem(world.gateway.url, world.keys[code])
        tasks.append(asyncio.create_task(system.run()))

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(end)


class ReceivingSystem:
    """An agency's document system that uses the HTTP API: pulls, confirms, accepts."""

    def __init__(self, url: str, key: str) -> None:
        self._url = f"{url}/api/v1"
        self._headers = {"Authorization": f"Bearer {key}"}

    async def run(self) -> None:
        """Work until cancelled."""
        after = 0
        async with aiohttp.ClientSession(headers=self._headers) as session:
            while True:
                found = await self._get(session, f"/inbox?after={after}")
                for item in found["items"]:
                    await self._handle(session, item["id"])
                after = found["next"]
                await asyncio.sleep(_POLL_S)

    async def _handle(self, session: aiohttp.ClientSession, arrival_id: str) -> None:
        async with session.get(f"{self._url}/inbox/{arrival_id}/edxml") as answer:
            answer.raise_for_status()
            await answer.read()
        async with session.post(f"{self._url}/inbox/{arrival_id}/confirm") as answer:
            answer.raise_for_status()
        body = {"code": "03", "reason": ""}
        async with session.post(f"{self._url}/inbox/{arrival_id}/status", json=body) as answer:
            answer.raise_for_status()

    async def _get(self, session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
        async with session.get(self._url + path) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found
