"""Composition of the stores: settings become an opened ledger, blobs, administration, exports.

The command line works through here beside any number of running servers; `gateway.app` opens what a
server needs. Only this module knows which engine is behind an address. Nothing is kept: what a
context manager lends is closed when its block ends.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import uuid_utils

from gateway import __version__
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.datafolder import take_lock
from gateway.errors import ConfigurationError, GatewayError
from gateway.keys.receiptkey import signing_now
from gateway.keys.secretkey import SecretKeys
from gateway.policies import bucket_of, issuer_of, receipt_keys_of
from gateway.ports import AdminStore, Blobs, Clock, Ledger
from gateway.ports.agencies import AgencyStore
from gateway.ports.registration import RequestStore
from gateway.store import blobmark, modemark, revisions, setup
from gateway.store.admin import LedgerAdmin
from gateway.store.agencies import LedgerAgencies
from gateway.store.blobs import FolderBlobs
from gateway.store.books import FileBooks
from gateway.store.bookswriting import FileMaking
from gateway.store.callers import LedgerCallers
from gateway.store.catalogue import LedgerCatalogue
from gateway.store.ledger import SqliteLedger
from gateway.store.operations import LedgerOperations
from gateway.store.places import Place, SqliteFile, place_of
from gateway.store.queries import QUERIES
from gateway.store.readonly import ReadOnlyLedger
from gateway.store.receipts import LedgerReceipts, sign_head_now
from gateway.store.registrations import LedgerRequests
from gateway.store.session import session
from gateway.store.tiers import TieredBlobs
from gateway.store.timetable import LedgerTimetable

_TWO_BEATS_S: Final = 11.0
"""A living node beats twice in this time (`gateway.programs.nodes`)."""


class UuidIds:
    """Ids port: UUIDv7, ordered by time."""

    def new(self) -> str:
        """Return a fresh id."""
        return str(uuid_utils.uuid7())


# ---------------------------------------------------------------- the ledger


class OpenLedger(Ledger, Protocol):
    """A ledger that tells when something is owed to the lanes, and when anything was committed."""

    on_outbox: Callable[[], None] | None
    on_commit: Callable[[], None] | None


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


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """What a ledger says of itself, and whether this program may work with it.

    Args:
        engine: `sqlite` or `postgresql`.
        where: The file, or the address.
        revision: Of its tables, "" when there is none to be seen.
        works_since: Oldest revision whose program may still work with it.
        program: Revision this program works with.
        fault: Why it cannot be used (Vietnamese / English), "" when it can.
    """

    engine: str
    where: str
    revision: str
    works_since: str
    program: str
    fault: str


def ledger_status(settings: Settings) -> LedgerStatus:
    """Look at the ledger, whatever state it is in; nothing is changed."""
    place = ledger_place(settings)
    fault = ledger_fault(settings) or ""
    found = revisions.State("", None)
    if isinstance(place, SqliteFile):
        seen = setup.look(place.path)
        found = found if isinstance(seen, str) else seen
    else:
        from gateway.store.postgres import setup as postgres

        with suppress(GatewayError):
            found = postgres.look(place)
    return LedgerStatus(
        "sqlite" if settings.ledger.is_file else "postgresql",
        str(place),
        found.revision,
        found.works_since or found.revision,
        revisions.HEAD,
        fault,
    )


def upgrade_ledger(settings: Settings, *, finish: bool = False) -> None:
    """Bring the ledger to this program's schema.

    The first half only adds, so that the program before can be put back; the second one, with
    `finish`, ends that. No server may have a ledger in a file meanwhile; on a database the first
    half is done while older nodes are up, the second one once they left.

    Raises:
        ConfigurationError: No ledger, newer than this program, or a server of an older program
            is still there.
        UnavailableError: The engine cannot write it; it is as it was.
    """
    place = ledger_place(settings)
    if isinstance(place, SqliteFile):
        lock = take_lock(settings.gateway.data_dir)
        try:
            (setup.finish if finish else setup.upgrade)(place.path)
        finally:
            os.close(lock)
        return
    from gateway.store.postgres import setup as postgres

    if finish:
        _refuse_older(place)
        postgres.finish(place)
    else:
        postgres.upgrade(place)


def _refuse_older(place: Place) -> None:
    """Refuse while a node of another program lives: its beat moves."""
    with session(place, purpose="upgrade", read_only=True) as opened:

        def beats() -> dict[str, tuple[str, int]]:
            rows = opened.rows(QUERIES["nodes"])
            others = (r for r in rows if r["state"] != "down" and r["version"] != __version__)
            return {row["name"]: (row["version"], row["beat"]) for row in others}

        before = beats()
        if not before:
            return
        time.sleep(_TWO_BEATS_S)
        alive = sorted(name for name, seen in beats().items() if seen != before.get(name))
    if alive:
        names = ", ".join(alive)
        raise ConfigurationError(
            f"{place}: còn tiến trình của phiên bản khác: {names}; dừng chúng trước / nodes of "
            f"another version are still up: {names}; stop them first"
        )


def usable_ledger(settings: Settings) -> Place:
    """Return where the ledger is.

    Raises:
        ConfigurationError: There is none, or it is not for this program.
        UnavailableError: Its server cannot be reached now.
    """
    place = ledger_place(settings)
    if isinstance(place, SqliteFile):
        wrong = setup.check(place.path)
    else:
        from gateway.store.postgres import setup as postgres

        wrong = postgres.judged(place, postgres.look(place))
    if wrong is not None:
        raise ConfigurationError(wrong)
    return place


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


def open_callers(settings: Settings, clock: Clock, keys: SecretKeys) -> LedgerCallers:
    """Open what says who may call; `keys` open their shared secrets."""
    return LedgerCallers(ledger_place(settings), keys, clock)


def open_catalogue(settings: Settings) -> LedgerCatalogue:
    """Open the catalogue of agencies."""
    return LedgerCatalogue(ledger_place(settings))


def open_timetable(settings: Settings) -> LedgerTimetable:
    """Open what persons decided about working time."""
    return LedgerTimetable(ledger_place(settings))


def open_books(settings: Settings) -> FileBooks:
    """Open what search, registers and counts are kept in: this node's own."""
    return FileBooks(books_path(settings))


def new_books(settings: Settings) -> FileMaking:
    """Return books to be made anew beside those, which a server may have open."""
    return FileMaking(books_path(settings))


def books_path(settings: Settings) -> Path:
    """Return where this node's books are."""
    return settings.gateway.data_dir / "books" / "books.sqlite"


# ---------------------------------------------------------------- blobs


class OpenBlobs(Blobs, Protocol):
    """Blobs that must be closed."""

    def close(self) -> None:
        """Finish what is on its way and let go."""
        ...


def open_blobs(settings: Settings, *, patient: bool = False) -> OpenBlobs:
    """Open the blobs: the folder, a folder that several machines share, or an object store.

    Args:
        settings: Where they are.
        patient: Nobody waits for one blob: putting very many may take as long as it takes.
    """
    if settings.blobs.shared:
        # SQLite on a file system of the network can be damaged: there every blob is a file.
        return FolderBlobs(settings.blobs.dir, shared=True)
    bucket = bucket_of(settings)
    if bucket is not None:
        from gateway.store.objects import ObjectBlobs

        return ObjectBlobs(bucket, settings.blobs.dir / "work", patient=patient)
    return TieredBlobs(settings.blobs.dir)


async def claim_blobs(
    settings: Settings, ledger: Ledger, blobs: Blobs, opened: AsyncExitStack
) -> None:
    """See that a node's blobs are those of the ledger it shares with others.

    A folder that is not said to be shared is this node's alone for as long as it serves.

    Raises:
        ConfigurationError: They are not, or another process serves with them.
    """
    if not shared(settings):
        return
    kept = settings.blobs
    if not kept.shared and bucket_of(settings) is None:
        opened.callback(os.close, take_lock(kept.dir, "blobs.dir"))
    await blobmark.claim(ledger, blobs, str(kept.url or kept.dir))


async def claim_mode(settings: Settings, ledger: Ledger) -> None:
    """See that a ledger of training is not used in earnest, nor the real one for training.

    Raises:
        ConfigurationError: It is of the other kind.
    """
    await modemark.claim(ledger, training=settings.console.training)


# ---------------------------------------------------------------- the command line


@contextmanager
def open_admin(config: Path) -> Iterator[AdminStore]:
    """Open the ledger behind a settings file for administration, beside running servers."""
    with open_operations(config) as operations:
        yield operations


@contextmanager
def open_agencies(config: Path) -> Iterator[AgencyStore]:
    """Open the ledger behind a settings file for bulk changes of the catalogue."""
    opened = LedgerAgencies(usable_ledger(load(config)), SystemClock(), UuidIds())
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def open_requests(config: Path) -> Iterator[RequestStore]:
    """Open the ledger behind a settings file for what systems ask about agencies."""
    settings = load(config)
    place = usable_ledger(settings)
    with ExitStack() as opened:
        blobs = open_blobs(settings)
        opened.callback(blobs.close)
        store = LedgerRequests(place, blobs, SystemClock(), UuidIds())
        opened.callback(store.close)
        yield store


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
def open_receipts(config: Path | None) -> Iterator[LedgerReceipts]:
    """Open the receipt log behind a settings file for an export."""
    settings = load(config or Path("vanlien.toml"))
    place = usable_ledger(settings)
    key, earlier = signing_now(receipt_keys_of(settings), SystemClock().now())
    # What was accepted a second ago must be in the export: it ends at the newest signed head.
    sign_head_now(place, key, SystemClock().now())
    source = LedgerReceipts(place, issuer_of(settings), key, earlier_keys=earlier)
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
