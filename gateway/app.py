"""Composition: settings become a running gateway. The only module that knows every concrete class.

`Gateway` starts in this order: lock, ledger, programs' first sweep, listeners; and stops the other
way round: no new request, programs, ledger. Killing it at any point loses nothing that was answered
as accepted.
"""

import asyncio
import contextlib
import fcntl
import functools
import os
import random
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uuid_utils

from adapters.vxp import plugin as vxp
from adapters.vxp.facade import only_from
from gateway import observe
from gateway.broker.lanes import Lanes
from gateway.clock import SystemClock, ask_ntp
from gateway.config import Settings, load
from gateway.errors import ConfigurationError, Fault, GatewayError, UnavailableError
from gateway.policies import (
    adapter_of,
    calendar_of,
    fetch_policy_of,
    peer_policy_of,
    policy_of,
    record_of,
)
from gateway.ports import AdminStore, Ids
from gateway.programs.cataloguing import Cataloguer
from gateway.programs.clockwatch import ClockWatch
from gateway.programs.collector import Collector
from gateway.programs.context import Context
from gateway.programs.desk import Desk
from gateway.programs.dispatch import Dispatch
from gateway.programs.door import Door
from gateway.programs.intake import Intake
from gateway.programs.issue import Issue
from gateway.programs.janitor import Janitor
from gateway.programs.mailroom import Mailroom
from gateway.programs.receiver import Receiver
from gateway.programs.recheck import Recheck
from gateway.programs.relay import Relay
from gateway.receipts.bundle import ReceiptSource
from gateway.receipts.sign import load_private
from gateway.reports.build import contact_of
from gateway.secrets import read_key_file
from gateway.store import setup
from gateway.store.admin import SqliteAdmin
from gateway.store.callers import LedgerCallers
from gateway.store.catalogue import LedgerCatalogue
from gateway.store.ledger import SqliteLedger
from gateway.store.operations import SqliteOperations
from gateway.store.receipts import LedgerReceipts, sign_head_now
from gateway.store.tiers import TieredBlobs
from gateway.verifier.fetch import Fetcher
from gateway.verifier.pictures import PageRenderer
from gateway.verifier.policywatch import PolicyWatch
from gateway.verifier.pool import VerifierPool
from gateway.verifier.revocation import RevocationStore
from gateway.verifier.snapshot import Snapshots
from gateway.verifier.watch import RevocationWatch, Watching
from gateway.web import body as web_body
from gateway.web.scratch import Scratch
from gateway.web.server import Running, listen, make_app, make_facade_app
from gateway.web.studio import Studio
from gateway.web.verify_page import VerifyPage

if TYPE_CHECKING:
    from gateway.seal.office import SealOffice

API = "/api/v1"
_LISTENERS_FIRST_S = 1.0
"""Verifier processes take a core to start; a restart answers sooner when they come second."""


class UuidIds:
    """Ids port: UUIDv7, ordered by time."""

    def new(self) -> str:
        """Return a fresh id."""
        return str(uuid_utils.uuid7())


def ledger_path(settings: Settings) -> Path:
    """Return the file behind the ledger's address."""
    return Path(settings.ledger.url.removeprefix("sqlite:///"))


def create_ledger(settings: Settings) -> None:
    """Make a new, empty ledger and its folder; refuses an existing ledger."""
    path = ledger_path(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    setup.create(path)


@contextmanager
def open_admin(config: Path) -> Iterator[AdminStore]:
    """Open the ledger behind a settings file for administration, beside a running server."""
    settings = load(config)
    path = usable_ledger(settings)
    blobs = TieredBlobs(settings.blobs.dir)
    admin = SqliteAdmin(path, blobs, SystemClock(), UuidIds())
    try:
        yield admin
    finally:
        admin.close()
        blobs.close()


@contextmanager
def open_operations(config: Path) -> Iterator[SqliteOperations]:
    """Open the ledger behind a settings file for operations, beside a running server."""
    settings = load(config)
    path = usable_ledger(settings)
    blobs = TieredBlobs(settings.blobs.dir)
    operations = SqliteOperations(path, blobs, SystemClock(), UuidIds())
    try:
        yield operations
    finally:
        operations.close()
        blobs.close()


@contextmanager
def open_receipts(config: Path | None) -> Iterator[ReceiptSource]:
    """Open the receipt log behind a settings file for an export."""
    settings = load(config or Path("vanlien.toml"))
    path = usable_ledger(settings)
    key = load_private(settings.receipts.key_file)
    # What was accepted a second ago must be in the export: it ends at the newest signed head.
    sign_head_now(path, key, SystemClock().now())
    source = LedgerReceipts(path, settings.gateway.name or settings.gateway.code, key)
    try:
        yield source
    finally:
        source.close()


def usable_ledger(settings: Settings) -> Path:
    """Return the ledger file behind settings; ConfigurationError when it cannot be used."""
    path = ledger_path(settings)
    wrong = setup.check(path)
    if wrong is not None:
        raise ConfigurationError(wrong)
    return path


# ---------------------------------------------------------------- one running gateway


class Gateway:
    """One gateway in this process.

    Args:
        settings: Checked settings.
        clock: Time; the machine's own unless a test moves it.
        ids: Identifiers.
    """

    def __init__(
        self, settings: Settings, *, clock: SystemClock | None = None, ids: Ids | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock(
            trusted=settings.clock.max_offset, fresh=2 * settings.clock.check_every
        )
        self._ids = ids or UuidIds()
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = AsyncExitStack()
        self.listeners: list[Running] = []
        self.failed: asyncio.Future[None] | None = None

    @property
    def url(self) -> str:
        """Return the address of the API, once started."""
        return self.listeners[0].url

    async def start(self) -> None:
        """Open the ledger, sweep, start programs, then listen; all or nothing.

        Raises:
            ConfigurationError: The ledger is unusable, another process serves it, or an address
                cannot be listened on.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings, opened = self.settings, self._opened
        opened.callback(os.close, _take_lock(settings.gateway.data_dir))
        path = usable_ledger(settings)
        self.failed = asyncio.get_running_loop().create_future()
        self.blobs = TieredBlobs(settings.blobs.dir)
        opened.callback(self.blobs.close)
        self.catalogue = LedgerCatalogue(path)
        opened.callback(self.catalogue.close)
        self.callers = LedgerCallers(path, read_key_file(settings.secrets.key_file), self.clock)
        opened.callback(self.callers.close)
        self._seed(path)
        self.ledger = SqliteLedger(path)
        opened.push_async_callback(asyncio.to_thread, self.ledger.close)
        self.revocation = RevocationStore(settings.verify.revocation.dir, self.clock.now)
        opened.callback(self.revocation.close)
        self.verifier = self._make_verifier()
        opened.push_async_callback(self.verifier.close)
        self.context = self._make_context()
        for adapter in self.context.adapters.values():
            opened.push_async_callback(adapter.close)
        self._make_programs()
        self.ledger.on_outbox = self.dispatch.wake
        await self.clockwatch.once()
        await self.janitor.at_start()
        opened.push_async_callback(self._sign_last_head)
        opened.push_async_callback(self._end_tasks)
        self._spawn("verifier", self._warm())
        for name, work in self._programs():
            self._spawn(name, work)
        await self._listen()

    async def stop(self) -> None:
        """Stop listening, then the programs, then close the ledger. Safe to repeat."""
        await asyncio.gather(*(running.close() for running in self.listeners))
        await self._opened.aclose()

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.failed is not None and self.failed.done():
            self.failed.exception()  # looked at, also when nobody waited for it

    async def _sign_last_head(self) -> None:
        with suppress(GatewayError):
            await self.janitor.sign_head()

    # ------------------------------------------------------------ pieces

    def _seed(self, path: Path) -> None:
        """Put the agencies of the settings into the catalogue."""
        if self.settings.agencies:
            admin = SqliteAdmin(path, self.blobs, self.clock, self._ids)
            try:
                for agency in self.settings.agencies:
                    admin.put_agency(record_of(agency), by="vanlien.toml")
            finally:
                admin.close()

    def _make_verifier(self) -> VerifierPool:
        verify = self.settings.verify
        return VerifierPool(
            verify.trust_dir,
            revocation_dir=verify.revocation.dir,
            workers=verify.workers or None,
            timeout_s=verify.timeout.total_seconds(),
            memory_bytes=int(verify.memory),
            max_bytes=int(verify.verify_max_bytes),
        )

    async def _warm(self) -> None:
        await asyncio.sleep(_LISTENERS_FIRST_S)
        with suppress(UnavailableError):
            await self.verifier.warm()

    def _make_context(self) -> Context:
        settings = self.settings
        return Context(
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            ids=self._ids,
            verifier=self.verifier,
            evidence=Snapshots(
                settings.verify.trust_dir,
                settings.verify.evidence_dir,
                settings.verify.revocation.dir,
            ),
            sealer=load_private(settings.receipts.key_file),
            lanes=Lanes(),
            directory=self.catalogue.directory,
            calendar=calendar_of(settings),
            random=random.random,
            policy=policy_of(settings),
            signing=PolicyWatch(settings.verify.trust_dir),
            adapters={p.id: adapter_of(p, self.clock) for p in settings.peers},
            peers={p.id: peer_policy_of(p) for p in settings.peers},
        )

    def _make_programs(self) -> None:
        context = self.context
        self.mailroom = Mailroom(context)
        self.door = Door(context, Intake(context), self.mailroom)
        self.desk = Desk(context, self.mailroom)
        self.receiver = Receiver(context, self.mailroom)
        self.collector = Collector(context, self.receiver)
        self.dispatch = Dispatch(context)
        self.janitor = Janitor(context)
        self.recheck = Recheck(context, self.verifier.trust_state)
        self.watch = self._make_watch()
        self.verifier.on_report = self.watch.wanted
        clock = self.settings.clock
        ask = None if clock.ntp_server is None else functools.partial(ask_ntp, clock.ntp_server)
        self.clockwatch = ClockWatch(
            context, self.clock, ask, every=clock.check_every, warn_over=clock.max_offset
        )

    def _make_watch(self) -> RevocationWatch:
        verify = self.settings.verify
        return RevocationWatch(
            self.revocation,
            verify.trust_dir,
            Fetcher(fetch_policy_of(self.settings)),
            self.clock,
            watching=Watching(
                every=verify.revocation.every,
                warn_before=verify.revocation.warn_before,
                random=random.random,
            ),
            on_fresh=self.recheck.on_fresh,
        )

    def _programs(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        context = self.context
        return [
            ("dispatch", self.dispatch.run()),
            ("relay", Relay(context).run()),
            ("issue", Issue(context).run()),
            ("receiver", self.receiver.run()),
            ("collector", self.collector.run()),
            ("janitor", self.janitor.run()),
            ("recheck", self.recheck.run()),
            ("cataloguer", Cataloguer(context).run()),
            ("clock", self.clockwatch.run()),
            ("revocation", self.watch.run()),
        ]

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or (failure := task.exception()) is None:
            return
        observe.alarm(what=task.get_name(), failure=failure)
        if self.failed is not None and not self.failed.done():
            self.failed.set_exception(failure)

    def _make_reporting(self, limits: web_body.Limits) -> tuple[Studio, VerifyPage | None]:
        """Return what makes reports, and the page for any file where it is wanted."""
        settings = self.settings
        told, verify = settings.reports, settings.verify
        scratch = Scratch(settings.gateway.data_dir / "scratch")
        contact = contact_of(told.technician_name, told.technician_phone)
        self.seal: SealOffice | None = None
        if told.seal.key_file is not None:
            # The signing library takes a second to load: only who seals waits for it.
            from gateway.reportseal import checker, seal_office

            self.seal = seal_office(
                settings, self.clock, check=checker(self.verifier, scratch.file)
            )
        if self.seal is not None:
            self._spawn("report seal", self.seal.run())
        studio = Studio(contact, settings.gateway.name, PageRenderer(), scratch, self.seal)
        if not verify.page:
            return studio, None
        page = VerifyPage(
            self.verifier,
            studio,
            scratch,
            self.callers,
            self.clock,
            limits=limits,
            max_bytes=int(verify.verify_max_bytes),
            per_minute=verify.page_per_minute,
        )
        return studio, page

    # ------------------------------------------------------------ listeners

    async def _listen(self) -> None:
        http = self.settings.http
        limits = web_body.Limits(
            max_packet_bytes=int(http.max_packet_bytes),
            in_flight=http.max_in_flight,
            in_flight_per_caller=max(8, http.max_in_flight * 3 // 4),
        )
        max_bytes = int(http.max_packet_bytes)
        studio, page = self._make_reporting(limits)
        app = make_app(
            self.door,
            self.desk,
            self.callers,
            self.clock,
            self._ids,
            limits=limits,
            extra_routes=vxp.routes(self.door, self.callers, self.clock, max_bytes=max_bytes),
            studio=studio,
            verify_page=page,
        )
        tls = _tls(self.settings)
        with _bound("http", http.host, http.port):
            self.listeners.append(await listen(app, http.host, http.port, tls, limits=limits))
        for index, plain in enumerate(http.plain_facades):
            # Old clients speak plain HTTP inside the VPN: only from listed ranges, and it is said.
            networks = tuple(plain.networks)
            routes = vxp.routes(
                self.door,
                self.callers,
                self.clock,
                max_bytes=max_bytes,
                plain_http_from=networks,
            )
            facade = make_facade_app(
                self._ids, routes, limits=limits, middlewares=[only_from(networks)]
            )
            with _bound(f"http.plain_facade[{index}]", plain.host, plain.port):
                running = await listen(facade, plain.host, plain.port, limits=limits)
            self.listeners.append(running)
            observe.plain_listener_warning(port=running.port, ranges=len(networks))


@contextmanager
def _bound(where: str, host: str, port: int) -> Iterator[None]:
    """Name the setting behind an address that cannot be listened on."""
    try:
        yield
    except OSError as exc:
        told = f"{host}:{port}: {os.strerror(exc.errno) if exc.errno else exc}"
        raise ConfigurationError(
            f"{where}: cannot listen on {told}",
            (Fault(where, f"không lắng nghe được trên {told}", f"cannot listen on {told}"),),
        ) from exc


def _take_lock(folder: Path) -> int:
    """Return the descriptor that makes this process the only one on a data folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "vanlien.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigurationError(f"{folder}: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        told = "another vanlien serves this folder: stop it first, or use another data_dir"
        vi = "một tiến trình vanlien khác đang dùng thư mục này: dừng nó, hoặc đổi data_dir"
        fault = Fault("gateway.data_dir", f"{folder}: {vi}", f"{folder}: {told}")
        raise ConfigurationError(f"{folder}: {told}", (fault,)) from exc
    return lock


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.http.tls_cert is None:
        return None
    # FMT-08, SEC-04: TLS 1.2 at least.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.http.tls_cert, settings.http.tls_key)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(f"http.tls_cert, http.tls_key: {exc}") from exc
    return context


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """Run a gateway for the length of the block."""
    gateway = Gateway(settings)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
