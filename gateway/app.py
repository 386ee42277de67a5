"""Composition: settings become a running gateway. The only module that knows every concrete class.

`Gateway` starts in this order: lock, ledger, programs' first sweep, listeners; and stops the other
way round: no new request, programs, ledger. Killing it at any point loses nothing that was answered
as accepted.
"""

import asyncio
import contextlib
import fcntl
import os
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uuid_utils

from adapters.vxp import plugin as vxp
from adapters.vxp.facade import only_from
from gateway import observe
from gateway.broker.lanes import Lanes
from gateway.clock import SystemClock, ask_ntp
from gateway.codec.limits import Limits
from gateway.config import Agency, Peer, Settings, load
from gateway.domain.delivery import Lane, Schedule
from gateway.domain.worktime import OfficeHours
from gateway.errors import ConfigurationError, UnavailableError
from gateway.officehours import hours_of
from gateway.ports import Adapter, AdminStore, AgencyRecord, Clock, Ids
from gateway.programs.cataloguing import Cataloguer
from gateway.programs.collector import Collector
from gateway.programs.context import Context, PeerPolicy, Policy
from gateway.programs.desk import Desk
from gateway.programs.dispatch import Dispatch
from gateway.programs.door import Door
from gateway.programs.intake import Intake
from gateway.programs.issue import Issue
from gateway.programs.janitor import Janitor
from gateway.programs.mailroom import Mailroom
from gateway.programs.receiver import Receiver
from gateway.programs.relay import Relay
from gateway.receipts.bundle import ReceiptSource
from gateway.receipts.sign import load_private
from gateway.rules.facts import Policy as RulePolicy
from gateway.secrets import read_key_file, read_secret_file
from gateway.store import setup
from gateway.store.admin import SqliteAdmin
from gateway.store.callers import LedgerCallers
from gateway.store.catalogue import LedgerCatalogue
from gateway.store.ledger import SqliteLedger
from gateway.store.receipts import LedgerReceipts
from gateway.store.tiers import TieredBlobs
from gateway.verifier.pool import VerifierPool
from gateway.web import body as web_body
from gateway.web.server import Running, listen, make_app, make_facade_app

API = "/api/v1"


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
    path = _usable_ledger(settings)
    blobs = TieredBlobs(settings.blobs.dir)
    admin = SqliteAdmin(path, blobs, SystemClock(), UuidIds())
    try:
        yield admin
    finally:
        admin.close()
        blobs.close()


@contextmanager
def open_receipts(config: Path | None) -> Iterator[ReceiptSource]:
    """Open the receipt log behind a settings file for an export."""
    settings = load(config or Path("vanlien.toml"))
    path = _usable_ledger(settings)
    key = load_private(settings.receipts.key_file)
    source = LedgerReceipts(path, settings.gateway.name or settings.gateway.code, key)
    try:
        yield source
    finally:
        source.close()


def _usable_ledger(settings: Settings) -> Path:
    path = ledger_path(settings)
    wrong = setup.check(path)
    if wrong is not None:
        raise ConfigurationError(wrong)
    return path


# ---------------------------------------------------------------- policy from settings


def limits_of(settings: Settings) -> Limits:
    """Return the packet limits the settings ask for."""
    return Limits(packet_bytes=int(settings.http.max_packet_bytes))


def policy_of(settings: Settings) -> Policy:
    """Return the programs' policy the settings ask for."""
    retry = settings.retry
    lanes = {
        Lane.EXPRESS_TIMED: retry.express_timed,
        Lane.EXPRESS: retry.express,
        Lane.VERY_URGENT: retry.very_urgent,
        Lane.URGENT: retry.urgent,
        Lane.NORMAL: retry.normal,
    }
    return Policy(
        hub_code=settings.gateway.code,
        hub_name=settings.gateway.name,
        document_id_form=settings.numbering.document_id_form,
        outgoing_invalid=settings.policy.outgoing_invalid,
        outgoing_indeterminate=settings.policy.outgoing_indeterminate,
        outgoing_unsigned=settings.policy.outgoing_unsigned,
        verify_budget=settings.verify.budget,
        sent_ack=settings.policy.sent_ack,
        max_clock_offset=settings.clock.hold_over,
        limits=limits_of(settings),
        rules=RulePolicy(
            allowed=frozenset(settings.formats.allow),
            denied=frozenset(settings.formats.deny),
            max_code_length=min((p.max_code_length for p in settings.peers), default=35),
        ),
        schedules={
            lane: Schedule(
                first=row.first,
                longest=row.longest,
                factor=row.factor,
                jitter=row.jitter,
                give_up_after=row.give_up_after,
            )
            for lane, row in lanes.items()
        },
    )


def adapter_of(peer: Peer, clock: Clock) -> Adapter:
    """Return the adapter of a peer."""
    secret = read_secret_file(peer.secret_file).encode()
    return vxp.make_client(
        name=peer.id,
        endpoint=str(peer.endpoint),
        system_id=peer.system_id,
        secret=secret,
        clock=clock,
        hash_form=peer.hash_form,
        connections=peer.max_in_flight,
        max_packet_bytes=int(peer.max_bytes),
        silence_s=peer.timeout.total_seconds(),
    )


def peer_policy_of(peer: Peer) -> PeerPolicy:
    """Return the programs' view of a peer."""
    return PeerPolicy(
        max_bytes=int(peer.max_bytes),
        poll=peer.poll_every,
        receipt_01_by=peer.receipt_01_by,
        concurrency=peer.max_in_flight,
        codes_behind=tuple(peer.codes_behind),
    )


def record_of(agency: Agency) -> AgencyRecord:
    """Return a seeded agency as administration keeps it."""
    return AgencyRecord(
        code=agency.code,
        name=agency.name,
        legacy_code=agency.legacy_code or "",
        parent=agency.parent or "",
        mail=agency.mail,
        connected=agency.connected,
        console=agency.console,
        numbered_by=agency.numbered_by,
        successor=agency.successor or "",
        status=agency.status,
    )


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
        self.clock = clock or SystemClock()
        self._ids = ids or UuidIds()
        self._lock_fd = -1
        self._tasks: list[asyncio.Task[None]] = []
        self.listeners: list[Running] = []
        self.failed: asyncio.Future[None] | None = None

    @property
    def url(self) -> str:
        """Return the address of the API, once started."""
        return self.listeners[0].url

    async def start(self) -> None:
        """Open the ledger, sweep, start programs, then listen.

        Raises:
            ConfigurationError: The ledger is unusable, or another process serves it.
        """
        self._take_lock()
        path = _usable_ledger(self.settings)
        self.failed = asyncio.get_running_loop().create_future()
        self.ledger = SqliteLedger(path)
        self.blobs = TieredBlobs(self.settings.blobs.dir)
        self.catalogue = LedgerCatalogue(path)
        self._seed(path)
        self.verifier = self._make_verifier()
        self.context = self._make_context()
        self._make_programs()
        self.ledger.on_outbox = self.dispatch.wake
        await self.janitor.at_start()
        self._spawn("verifier", self._warm())
        for name, work in self._programs():
            self._spawn(name, work)
        await self._listen(path)

    async def stop(self) -> None:
        """Stop listening, then the programs, then close the ledger."""
        for running in self.listeners:
            await running.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for adapter in self.context.adapters.values():
            await adapter.close()
        await self.verifier.close()
        with suppress(UnavailableError):
            await self.janitor.sign_head()
        await asyncio.to_thread(self.ledger.close)
        self.catalogue.close()
        self.callers.close()
        self.blobs.close()
        os.close(self._lock_fd)

    # ------------------------------------------------------------ pieces

    def _take_lock(self) -> None:
        folder = self.settings.gateway.data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock_fd = os.open(folder / "vanlien.lock", flags, 0o600)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigurationError(
                f"another vanlien serves {folder}: stop it first, or use another data_dir"
            ) from exc
        except OSError as exc:
            raise ConfigurationError(f"{folder}: {exc.strerror}") from exc

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
            workers=verify.workers,
            timeout_s=verify.timeout.total_seconds(),
            memory_bytes=int(verify.memory),
            max_bytes=int(verify.verify_max_bytes),
        )

    async def _warm(self) -> None:
        with suppress(UnavailableError):
            await self.verifier.warm()

    def _make_context(self) -> Context:
        settings = self.settings
        hours = _hours(settings)
        return Context(
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            ids=self._ids,
            verifier=self.verifier,
            sealer=load_private(settings.receipts.key_file),
            lanes=Lanes(),
            directory=self.catalogue.directory,
            calendar=hours,
            random=random.random,
            policy=policy_of(settings),
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

    def _programs(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        context = self.context
        return [
            ("dispatch", self.dispatch.run()),
            ("relay", Relay(context).run()),
            ("issue", Issue(context).run()),
            ("receiver", self.receiver.run()),
            ("collector", self.collector.run()),
            ("janitor", self.janitor.run()),
            ("cataloguer", Cataloguer(context).run()),
            ("clock", self._watch_clock()),
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

    async def _watch_clock(self) -> None:
        """TIM-01: compare with the time server; say so when the offset is unknown."""
        section = self.settings.clock
        if section.ntp_server is None:
            observe.clock_warning(state="unknown", offset_s=None)
            return
        while True:
            try:
                offset = await ask_ntp(section.ntp_server)
                self.clock.learn(offset)
                if abs(offset) > section.max_offset:
                    observe.clock_warning(state="off", offset_s=offset.total_seconds())
            except OSError:
                observe.clock_warning(state="unknown", offset_s=None)
            row = await self.ledger.one("meta", key="clock_override")
            self.clock.overridden = row is not None and row["value"] != ""
            await asyncio.sleep(section.check_every.total_seconds())

    # ------------------------------------------------------------ listeners

    async def _listen(self, path: Path) -> None:
        settings = self.settings
        self.callers = LedgerCallers(path, read_key_file(settings.secrets.key_file), self.clock)
        limits = web_body.Limits(
            max_packet_bytes=int(settings.http.max_packet_bytes),
            in_flight=settings.http.max_in_flight,
            in_flight_per_caller=max(8, settings.http.max_in_flight * 3 // 4),
        )
        max_bytes = int(settings.http.max_packet_bytes)
        app = make_app(
            self.door,
            self.desk,
            self.callers,
            self.clock,
            self._ids,
            limits=limits,
            extra_routes=vxp.routes(self.door, self.callers, self.clock, max_bytes=max_bytes),
        )
        tls = _tls(settings)
        self.listeners.append(
            await listen(app, settings.http.host, settings.http.port, tls, limits=limits)
        )
        for plain in settings.http.plain_facades:
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
            running = await listen(facade, plain.host, plain.port, limits=limits)
            self.listeners.append(running)
            observe.plain_listener_warning(port=running.port, ranges=len(networks))


def _hours(settings: Settings) -> Callable[[str], OfficeHours]:
    known: dict[str, OfficeHours] = {}

    def hours(agency: str) -> OfficeHours:
        if agency not in known:
            known[agency] = hours_of(settings.times, agency)
        return known[agency]

    return hours


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
