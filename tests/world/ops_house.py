"""The pages of operations over a real ledger file, with no gateway around it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway import measures
from gateway.agencycsv import parse_csv
from gateway.clock import SystemClock
from gateway.console.sections import operations
from gateway.domain.moments import to_text
from gateway.keys.secretkey import SecretKeys
from gateway.operating import LedgerOperating
from gateway.ports import AgencyRecord, Change, Insert, Ledger
from gateway.programs.opsdesk import LedgerOpsDesk
from gateway.receipts.sign import generate
from gateway.secrets import create_key_file
from gateway.store import setup
from gateway.store.operations import LedgerOperations
from gateway.store.places import SqliteFile
from gateway.stores import UuidIds, ledger_at
from tests.world.console import SetClock, Site, console_site
from tests.world.ledgers import commit_rows
from tests.world.memory_blobs import MemoryBlobs

CHECKS = {"ledger": "ok", "blobs": "ok", "clock": "ok", "backup": "ok (none yet)"}


@dataclass
class OpsHouse:
    """A console of operations, and the ledger below it."""

    site: Site
    place: SqliteFile
    ledger: Ledger
    clock: SetClock
    checks: dict[str, str]

    async def put(self, *changes: Change) -> None:
        """Commit rows as a program would."""
        await commit_rows(self.place, *changes)

    def store(self) -> LedgerOperations:
        """Open the store of the command line; close it."""
        return LedgerOperations(self.place, MemoryBlobs(), self.clock, UuidIds())

    def transfer(self, name: str, state: str = "failed", **more: object) -> Insert:
        """Return a transfer made five minutes ago."""
        at = to_text(self.clock.at - timedelta(minutes=5))
        row: Mapping[str, object] = {
            "id": name, "kind": "edoc", "hop": "truc", "state": state, "lane": 0, "due_at": at,
            "sender_written": "H37.61", "recipients": '["H05"]', "document_id": f"doc-{name}",
            "created_at": at, "reason": "REFUSED" if state == "failed" else "", **more,
        }  # fmt: skip
        return Insert("transfer", dict(row))  # type: ignore[arg-type]


@cache
def _empty() -> bytes:
    """Return a new ledger: made once a process, for making one costs half a second."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        setup.create(path)
        return path.read_bytes()


@asynccontextmanager
async def ops_house(folder: Path) -> AsyncIterator[OpsHouse]:
    """Serve the pages over a new ledger in a folder."""
    place = SqliteFile(folder / "ledger.sqlite")
    place.path.write_bytes(_empty())
    create_key_file(folder / "secrets.key")
    key = generate(folder / "receipts.pem")
    (folder / "trust").mkdir()
    clock, ids, checks = SetClock(), UuidIds(), dict(CHECKS)
    store = LedgerOperations(place, MemoryBlobs(), SystemClock(), ids)
    store.put_agency(AgencyRecord("H37.61", "Sở Nội vụ", connected="local"), by="test")
    store.close()
    operating = LedgerOperating(
        place,
        MemoryBlobs(),
        clock,
        ids,
        keys=SecretKeys(folder / "secrets.key"),
        name="Cổng thử",
        signing=lambda: (key, ()),
        forms=lambda _system, api, secret: (("Khóa API", api), ("VXP secret", secret)),
        trust=folder / "trust",
    )

    async def ready() -> Mapping[str, str]:
        return checks

    class Trailing:
        """Passes on to the trail of the site, which is made later."""

        async def viewed(self, *args: object, **kwargs: object) -> None:
            await site.trail.viewed(*args, **kwargs)  # type: ignore[arg-type]

        async def refused(self, *args: object, **kwargs: object) -> None:
            await site.trail.refused(*args, **kwargs)  # type: ignore[arg-type]

    async with ledger_at(place) as ledger:
        desk = LedgerOpsDesk(ledger, clock, ready, ("truc",))
        sections = operations.sections(
            desk,
            operating,
            Trailing(),
            read=lambda data: parse_csv(data, frozenset({"truc"})),
            terms=measures.terms,
        )
        async with console_site(*sections, clock=clock) as site:
            yield OpsHouse(site, place, ledger, clock, checks)
