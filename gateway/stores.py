"""Composition of the stores: settings become an opened ledger, blobs, administration, exports.

The command line works through here beside any number of running servers; `gateway.app` opens what a
server needs. Only this module knows which engine is behind an address. Nothing is kept: what a
context manager lends is closed when its block ends.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import uuid_utils

from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.errors import ConfigurationError
from gateway.keys.receiptkey import signing_now
from gateway.policies import bucket_of, receipt_keys_of
from gateway.ports import AdminStore, Blobs, Clock, Ledger
from gateway.receipts.bundle import ReceiptSource
from gateway.secrets import read_key_file
from gateway.store import setup
from gateway.store.admin import LedgerAdmin
from gateway.store.blobs import FolderBlobs
from gateway.store.callers import LedgerCallers
from gateway.store.catalogue import LedgerCatalogue
from gateway.store.ledger import SqliteLedger
from gateway.store.operations import LedgerOperations
from gateway.store.places import Place, SqliteFile, place_of
from gateway.store.readonly import ReadOnlyLedger
from gateway.store.receipts import LedgerReceipts, sign_head_now
from gateway.store.tiers import TieredBlobs


class UuidIds:
    """Ids port: UUIDv7, ordered by time."""

    def new(self) -> str:
        """Return a fresh id."""
        return str(uuid_utils.uuid7())


# ---------------------------------------------------------------- the ledger


class OpenLedger(Ledger, Protocol):
    """A ledger that tells when something is owed to the lanes."""

    on_outbox: Callable[[], None] | None


def ledger_place(settings: Settings) -> Place:
    """Return where the ledger is."""
    ledger = settings.ledger
    return place_of(
        ledger.url,
        password_file=ledger.password_file,
        ca_file=ledger.ca_file,
        schema=ledger.namespace,
        pool=ledger.pool,
    )


def shared(settings: Settings) -> bool:
    """Tell whether several processes may serve this ledger."""
    return not settings.ledger.is_file


def create_ledger(settings: Settings) -> None:
    """Make a new, empty ledger; refuses an existing ledger."""
    place = ledger_place(settings)
    if isinstance(place, SqliteFile):
        place.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        setup.create(place.path)
    else:
        from gateway.store.postgres import setup as postgres

        postgres.create(place)


def ledger_fault(settings: Settings) -> str | None:
    """Return why the ledger cannot be used (Vietnamese / English), None when it can."""
    place = ledger_place(settings)
    if isinstance(place, SqliteFile):
        return setup.check(place.path)
    from gateway.store.postgres import setup as postgres

    return postgres.check(place)


def usable_ledger(settings: Settings) -> Place:
    """Return where the ledger is; ConfigurationError when it cannot be used."""
    wrong = ledger_fault(settings)
    if wrong is not None:
        raise ConfigurationError(wrong)
    return ledger_place(settings)


@asynccontextmanager
async def ledger_at(place: Place) -> AsyncIterator[OpenLedger]:
    """Lend the ledger as programs have it; what is queued is finished when the block ends."""
    if isinstance(place, SqliteFile):
        ledger = SqliteLedger(place.path)
        try:
            yield ledger
        finally:
            await asyncio.to_thread(ledger.close)
        return
    # asyncpg is imported only where a server is asked for.
    from gateway.store.postgres.ledger import PostgresLedger

    shared_ledger = PostgresLedger(place)
    await shared_ledger.open()
    try:
        yield shared_ledger
    finally:
        await shared_ledger.close()


def open_ledger(settings: Settings) -> AbstractAsyncContextManager[OpenLedger]:
    """Lend the ledger for programs."""
    return ledger_at(ledger_place(settings))


def open_readonly(settings: Settings) -> ReadOnlyLedger:
    """Open the ledger for reading, beside running servers."""
    return ReadOnlyLedger(usable_ledger(settings))


# ---------------------------------------------------------------- what a server keeps in memory


def open_callers(settings: Settings, clock: Clock) -> LedgerCallers:
    """Open what says who may call."""
    key = read_key_file(settings.secrets.key_file)
    return LedgerCallers(ledger_place(settings), key, clock)


def open_catalogue(settings: Settings) -> LedgerCatalogue:
    """Open the catalogue of agencies."""
    return LedgerCatalogue(ledger_place(settings))


# ---------------------------------------------------------------- blobs


class OpenBlobs(Blobs, Protocol):
    """Blobs that must be closed."""

    def close(self) -> None:
        """Finish what is on its way and let go."""
        ...


def open_blobs(settings: Settings) -> OpenBlobs:
    """Open the blobs: the folder, a folder that several machines share, or an object store."""
    if settings.blobs.shared:
        # SQLite on a file system of the network can be damaged: there every blob is a file.
        return FolderBlobs(settings.blobs.dir, shared=True)
    bucket = bucket_of(settings)
    if bucket is not None:
        from gateway.store.objects import ObjectBlobs

        return ObjectBlobs(bucket, settings.blobs.dir / "work")
    return TieredBlobs(settings.blobs.dir)


# ---------------------------------------------------------------- the command line


@contextmanager
def open_admin(config: Path) -> Iterator[AdminStore]:
    """Open the ledger behind a settings file for administration, beside running servers."""
    with open_operations(config) as operations:
        yield operations


@contextmanager
def open_operations(config: Path) -> Iterator[LedgerOperations]:
    """Open the ledger behind a settings file for operations, beside running servers."""
    settings = load(config)
    place = usable_ledger(settings)
    blobs = open_blobs(settings)
    try:
        operations = LedgerOperations(place, blobs, SystemClock(), UuidIds())
        try:
            yield operations
        finally:
            operations.close()
    finally:
        blobs.close()


@contextmanager
def open_receipts(config: Path | None) -> Iterator[ReceiptSource]:
    """Open the receipt log behind a settings file for an export."""
    settings = load(config or Path("vanlien.toml"))
    place = usable_ledger(settings)
    key, earlier = signing_now(receipt_keys_of(settings), SystemClock().now())
    # What was accepted a second ago must be in the export: it ends at the newest signed head.
    sign_head_now(place, key, SystemClock().now())
    source = LedgerReceipts(
        place, settings.gateway.name or settings.gateway.code, key, earlier_keys=earlier
    )
    try:
        yield source
    finally:
        source.close()


@contextmanager
def administration(settings: Settings, blobs: Blobs, clock: Clock) -> Iterator[LedgerAdmin]:
    """Open the ledger for administration inside a server, over its own blobs and clock."""
    admin = LedgerAdmin(ledger_place(settings), blobs, clock, UuidIds())
    try:
        yield admin
    finally:
        admin.close()
