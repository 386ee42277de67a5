"""Composition of the stores: settings become an opened ledger, blobs, administration, exports.

The command line works through here beside any number of running servers; `gateway.app` opens what a
server needs. Only this module knows which engine is behind an address. Nothing is kept: what a
context manager lends is closed when its block ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uuid_utils

from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.errors import ConfigurationError
from gateway.ports import AdminStore, Clock
from gateway.receipts.bundle import ReceiptSource
from gateway.receipts.sign import load_private
from gateway.secrets import read_key_file
from gateway.store import setup
from gateway.store.admin import LedgerAdmin
from gateway.store.callers import LedgerCallers
from gateway.store.catalogue import LedgerCatalogue
from gateway.store.ledger import SqliteLedger
from gateway.store.operations import LedgerOperations
from gateway.store.places import SqliteFile
from gateway.store.readonly import ReadOnlyLedger
from gateway.store.receipts import LedgerReceipts, sign_head_now
from gateway.store.tiers import TieredBlobs


class UuidIds:
    """Ids port: UUIDv7, ordered by time."""

    def new(self) -> str:
        """Return a fresh id."""
        return str(uuid_utils.uuid7())


# ---------------------------------------------------------------- the ledger


def ledger_place(settings: Settings) -> SqliteFile:
    """Return where the ledger is."""
    return SqliteFile(settings.ledger.path)


def create_ledger(settings: Settings) -> None:
    """Make a new, empty ledger; refuses an existing ledger."""
    place = ledger_place(settings)
    place.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    setup.create(place.path)


def usable_ledger(settings: Settings) -> SqliteFile:
    """Return where the ledger is; ConfigurationError when it cannot be used."""
    place = ledger_place(settings)
    wrong = setup.check(place.path)
    if wrong is not None:
        raise ConfigurationError(wrong)
    return place


def open_ledger(settings: Settings) -> SqliteLedger:
    """Open the ledger for programs."""
    return SqliteLedger(usable_ledger(settings).path)


def open_readonly(settings: Settings) -> ReadOnlyLedger:
    """Open the ledger for reading, beside running servers."""
    return ReadOnlyLedger(usable_ledger(settings))


# ---------------------------------------------------------------- what a server keeps in memory


def open_callers(settings: Settings, clock: Clock) -> LedgerCallers:
    """Open what says who may call."""
    key = read_key_file(settings.secrets.key_file)
    return LedgerCallers(usable_ledger(settings), key, clock)


def open_catalogue(settings: Settings) -> LedgerCatalogue:
    """Open the catalogue of agencies."""
    return LedgerCatalogue(usable_ledger(settings))


# ---------------------------------------------------------------- blobs


def open_blobs(settings: Settings) -> TieredBlobs:
    """Open the blobs."""
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
    key = load_private(settings.receipts.key_file)
    # What was accepted a second ago must be in the export: it ends at the newest signed head.
    sign_head_now(place, key, SystemClock().now())
    source = LedgerReceipts(place, settings.gateway.name or settings.gateway.code, key)
    try:
        yield source
    finally:
        source.close()


@contextmanager
def administration(settings: Settings, blobs: TieredBlobs, clock: Clock) -> Iterator[LedgerAdmin]:
    """Open the ledger for administration inside a server, over its own blobs and clock."""
    admin = LedgerAdmin(usable_ledger(settings), blobs, clock, UuidIds())
    try:
        yield admin
    finally:
        admin.close()
