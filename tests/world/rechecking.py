"""A house whose undetermined verdicts become final when the test says so.

`async with undecided(tmp_path, monkeypatch) as house:` trusts the development PKI but has none of
its revocation lists; `house_gets(house, ...)` lays lists into the trust folder, `look(house)` makes
the recheck program look until it has seen them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.demo.pki import Revocation, publish_crls
from gateway.programs import recheck
from gateway.trust.report import VerificationReport
from gateway.verifier import trusted, watch
from gateway.verifier.examine import examine, quick_report_of
from tests.world.gatehouse import House, gatehouse, packet
from tests.world.outside import cold
from tests.world.signed_files import LONG_AGO, NOW, pki, trust_of, twice


def still(monkeypatch: Any) -> None:
    """Let the programs look only when they are asked, and see a touched folder at once."""
    monkeypatch.setattr(recheck, "_PERIOD_S", 3600.0)
    monkeypatch.setattr(watch, "_PERIOD_S", 3600.0)
    monkeypatch.setattr(trusted, "_STAMP_S", 0.0)


def lay(folder: Path, *, crls: bool = False) -> Path:
    """Make the trust folder of a house: certificates, and lists if wanted."""
    target = folder / "trust"
    target.mkdir(exist_ok=True)
    for file in trust_of(pki(), crls=crls).iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return folder


def lists_come(house: House, *, revoked: bool = False) -> None:
    """Lay current lists into the trust folder; `revoked`: the person was, long before signing."""
    gone = [Revocation(pki().person().serial, LONG_AGO)] if revoked else []
    publish_crls(pki(), now=NOW, revoked=gone, into=house.folder / "trust")


async def look(house: House, times: int = 3) -> int:
    """Let the program look; a state must hold still for one look before it is acted on."""
    return sum([await house.gateway.recheck.once() for _ in range(times)])


async def send_signed(house: House, number: str = "123", *, pdf: bytes = b"", **more: Any) -> Any:
    """Submit a document with two signatures that carry no revocation data; return the 202."""
    files = (("van-ban.pdf", pdf or twice("B-T")),)
    status, answer, _ = await house.send(packet(number, files=files, **more))
    assert status == 202, answer
    return answer


async def events_of(house: House, path: str, system: str) -> list[Any]:
    """Return the events of a document or an arrival."""
    return list((await house.call("GET", f"{path}/events", system))[1]["items"])


class InHand:
    """The verdict engine in the test's own process, once a file and trust state.

    The pool in front of it has tests of its own; here its workers would only cost seconds.
    """

    def __init__(self, trust_dir: Path) -> None:
        self._state = trusted.TrustState(trust_dir)
        self._desk = trusted.TrustDesk(trust_dir, None)
        self._known: dict[tuple[str, str], VerificationReport] = {}
        self._turn = asyncio.Lock()
        self.verified = 0

    def quick(self, data: bytes, *, sha256: str, at: datetime) -> VerificationReport | None:
        return quick_report_of(data, sha256=sha256, at=at, trust_sha256=self.trust_state())

    def trust_state(self) -> str:
        return self._state.fingerprint()

    async def verify(
        self, path: Path, *, sha256: str, size_bytes: int, at: datetime, lane: int = 0
    ) -> VerificationReport:
        async with self._turn:
            trust = self.trust_state()
            known = self._known.get((sha256, trust))
            if known is not None and abs(known.verified_at - at) < timedelta(minutes=10):
                return known
            self.verified += 1
            store = self._desk.store(trust, "")
            # The engine runs loops of its own, which a thread with a loop does not let it.
            report = await asyncio.to_thread(
                examine, path, sha256=sha256, at=at, store=store, pdf_expected=False
            )
            self._known[sha256, trust] = report
            return report

    async def close(self) -> None:
        return


class HandPool(InHand):
    """The same in the place of `reverify`'s pool: every question is asked anew."""

    def __init__(self, trust_dir: Path, *, revocation_dir: Path | None = None, **_: Any) -> None:
        super().__init__(trust_dir)
        self._state = trusted.TrustState(trust_dir, revocation_dir)
        self._desk = trusted.TrustDesk(trust_dir, revocation_dir)

    def look_as_of(self, identity: str) -> None:
        self._state.as_of = identity

    async def verify(
        self, path: Path, *, sha256: str, size_bytes: int, at: datetime, lane: int = 0
    ) -> VerificationReport:
        store = self._desk.store(self.trust_state(), self._state.identity)
        async with self._turn:
            return await asyncio.to_thread(
                examine, path, sha256=sha256, at=at, store=store, pdf_expected=False
            )


@asynccontextmanager
async def undecided(
    folder: Path, monkeypatch: Any, extra: str = "", **how: Any
) -> AsyncIterator[House]:
    """Run a house that knows the authorities and has none of their lists."""
    still(monkeypatch)
    with cold():
        async with gatehouse(lay(folder), extra=extra, **how) as house:
            in_hand(house)
            yield house


def in_hand(house: House) -> InHand:
    """Give a house the engine without its pool."""
    made = InHand(house.folder / "trust")
    house.gateway.context.verifier = made
    return made
