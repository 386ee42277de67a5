"""Four agencies whose software speaks four dialects send to each other through one gateway.

Each agency is played by the client of its dialect over real HTTP, against the gateway's façades: it
sends one document to the three others, takes what waits, and answers 03. Everything lives in one
folder and on loopback; nothing of it is fit for production. A crash leaves the folder.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from adapters.simulator.autoagency import AutoAgency, Reply
from adapters.simulator.packets import Head
from gateway import app, stores
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.conformance.letters import Letter, parcel
from gateway.dialects import dialect
from gateway.errors import UnavailableError
from gateway.policies import record_of
from gateway.ports import Adapter, NewCredential, Taken
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

Say = Callable[[str], None]
_HUB: Final = "00.37.W00"
_POLL_S: Final = 0.2
_PATIENCE_S: Final = 60.0
_ACCEPTS: Final = (Reply("03"),)


@dataclass(frozen=True, slots=True)
class Party:
    """One agency and what its software speaks; `by_key` shows an API key, not a shared secret."""

    code: str
    name: str
    dialect: str
    spoken: str
    by_key: bool = False

    @property
    def system_id(self) -> str:
        """Return the name its software signs in with."""
        return f"qlvb-{self.code.lower().replace('.', '-')}"


PARTIES: Final = (
    Party("H37", "UBND tỉnh Lạng Sơn", "vxp", "VXP (trục quốc gia)"),
    Party("H37.02", "Sở Nội vụ tỉnh Lạng Sơn", "bkav", "Bkav eDoc", by_key=True),
    Party("H37.04", "Sở Tài chính tỉnh Lạng Sơn", "langson", "LGSP Lạng Sơn"),
    Party("H37.61", "UBND phường Lương Văn Tri", "wso2", "WSO2"),
)


@dataclass(slots=True)
class Desk:
    """An agency at work: its client, and what it has seen."""

    party: Party
    client: Adapter
    system: AutoAgency
    sent_at: float = 0.0
    document_id: str = ""


@dataclass(slots=True)
class Office:
    """The running gateway and its four agencies."""

    folder: Path
    gateway: app.Gateway
    desks: list[Desk] = field(default_factory=list)


@asynccontextmanager
async def office(folder: Path, *, port: int = 0) -> AsyncIterator[Office]:
    """Build gateway and agencies, and run them for the length of the block."""
    async with AsyncExitStack() as stack:
        settings = _settings(folder, port)
        shown = _register(folder / "vanlien.toml", settings)
        gateway = app.Gateway(settings)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        made = Office(folder, gateway)
        for party in PARTIES:
            made.desks.append(_desk(party, gateway.url, shown[party.code], stack))
        tasks = [asyncio.create_task(desk.system.run(_POLL_S)) for desk in made.desks]

        async def end() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        stack.push_async_callback(end)
        yield made


def _settings(folder: Path, port: int) -> Settings:
    """Write a settings file as an operator would, and load it."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    (folder / "trust").mkdir()
    generate(keys / "receipts.pem")
    create_key_file(keys / "secrets.key")
    agencies = "".join(
        f'[[agency]]\ncode = "{p.code}"\nname = "{p.name}"\nnumbered_by = "own-system"\n'
        for p in PARTIES
    )
    spoken = ", ".join(f'"{p.dialect}"' for p in PARTIES)
    config = folder / "vanlien.toml"
    config.write_text(
        f'# Made by `vanlien demo --dialects all`.\n[gateway]\ncode = "{_HUB}"\n'
        f'name = "Cổng liên thông (THỬ NGHIỆM)"\n[http]\nport = {port}\nfacades = [{spoken}]\n'
        f'[verify]\nworkers = 1\n[log]\nlevel = "warning"\n{agencies}',
        encoding="utf-8",
    )
    settings = load(config)
    stores.create_ledger(settings)
    return settings


def _register(config: Path, settings: Settings) -> dict[str, str]:
    """Register each agency's system; return what each shows when it calls."""
    shown: dict[str, str] = {}
    key = read_key_file(settings.secrets.key_file)
    with stores.open_admin(config) as admin:
        for agency in settings.agencies:
            admin.put_agency(record_of(agency), by="demo")
        for party in PARTIES:
            fresh, secret, name = new_api_key(), new_shared_secret(), new_credential_id()
            sealed = seal_secret(
                key, secret.encode(), system_id=party.system_id, credential_id=name
            )
            admin.add_system(
                party.system_id,
                [party.code],
                [
                    NewCredential(fresh.key_id, "api-key", sha256=fresh.sha256),
                    NewCredential(name, "shared-secret", sealed=sealed),
                ],
                by="demo",
            )
            shown[party.code] = fresh.text if party.by_key else secret
            kept = config.parent / "keys" / f"{party.system_id}.secret"
            write_private(kept, shown[party.code].encode())
    return shown


def _desk(party: Party, url: str, secret: str, stack: AsyncExitStack) -> Desk:
    spoken = dialect(party.dialect)
    client = spoken.make_client(
        name=party.system_id,
        endpoint=f"{url}{spoken.path}",
        system_id=party.system_id,
        secret=secret.encode(),
        clock=SystemClock(),
    )
    stack.push_async_callback(client.close)
    system = AutoAgency(client, SystemClock(), party.code, party.name, _ACCEPTS)
    return Desk(party, client, system)


# ---------------------------------------------------------------- the exchange


async def exchange(made: Office, say: Say, *, patience_s: float = _PATIENCE_S) -> dict[str, Any]:
    """Let everybody send to everybody, and wait for every 03.

    Returns:
        `{url, folder, agencies: [{code, name, dialect}], deliveries: [{from, to, dialects,
        delivered_s, accepted_s}], seconds}`; times from the sender's call.

    Raises:
        UnavailableError: A document was not taken, or an answer did not come in time.
    """
    began = time.monotonic()
    await asyncio.gather(*(_send(made, desk, n, say) for n, desk in enumerate(made.desks, 1)))
    found: dict[tuple[str, str], dict[str, float]] = {
        (a.party.code, b.party.code): {} for a in made.desks for b in made.desks if a is not b
    }
    while any(len(times) < 2 for times in found.values()):
        if time.monotonic() - began > patience_s:
            lost = [f"{a} → {b}" for (a, b), times in found.items() if len(times) < 2]
            raise UnavailableError(public="answers are missing: " + "; ".join(lost))
        _look(made, found)
        await asyncio.sleep(_POLL_S / 4)
    return {
        "url": made.gateway.url,
        "folder": str(made.folder),
        "agencies": [
            {"code": p.code, "name": p.name, "dialect": p.dialect, "spoken": p.spoken}
            for p in PARTIES
        ],
        "deliveries": [_told(made, pair, times) for pair, times in found.items()],
        "seconds": round(time.monotonic() - began, 2),
    }


async def _send(made: Office, desk: Desk, number: int, say: Say) -> None:
    party = desk.party
    others = tuple(d.party.code for d in made.desks if d is not desk)
    letter = Letter(party.code, others, number, "DEMO", datetime.now(UTC))
    desk.document_id = letter.document_id
    desk.sent_at = time.monotonic()
    outcome = await desk.client.deliver(
        parcel(
            letter.packet(),
            sender=party.code,
            recipients=others,
            document_id=letter.document_id,
        ),
        deadline=datetime.now(UTC) + timedelta(seconds=_PATIENCE_S),
    )
    if not isinstance(outcome, Taken):
        raise UnavailableError(public=f"{party.code} ({party.dialect}): {outcome.reason}")
    took_ms = (time.monotonic() - desk.sent_at) * 1000
    say(f"{party.name} gửi bằng {party.spoken}: cổng đã nhận sau {took_ms:.0f} ms")


def _look(made: Office, found: dict[tuple[str, str], dict[str, float]]) -> None:
    """Note what has arrived since the last look."""
    now = time.monotonic()
    by_code = {desk.party.code: desk for desk in made.desks}
    for (sender, recipient), times in found.items():
        desk, other = by_code[sender], by_code[recipient]
        if "delivered" not in times and _has(other.system.documents, desk.document_id):
            times["delivered"] = now - desk.sent_at
        said = [s for s in desk.system.statuses if s.sender == recipient and s.status == "03"]
        if "accepted" not in times and _has(said, desk.document_id):
            times["accepted"] = now - desk.sent_at


def _has(heads: list[Head], document_id: str) -> bool:
    return any(head.document_id == document_id for head in heads)


def _told(made: Office, pair: tuple[str, str], times: dict[str, float]) -> dict[str, Any]:
    spoken = {desk.party.code: desk.party.dialect for desk in made.desks}
    sender, recipient = pair
    return {
        "from": sender,
        "to": recipient,
        "dialects": f"{spoken[sender]} → {spoken[recipient]}",
        "delivered_s": round(times["delivered"], 2),
        "accepted_s": round(times["accepted"], 2),
    }
