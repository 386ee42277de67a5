"""Composition: settings become a running gateway. The only module that knows every concrete class.

`Gateway` starts in this order: lock, ledger, programs' first sweep, listeners; and stops the other
way round: no new request, work under way, programs, ledger. A node of several builds the programs
of its roles only. Killing it at any point loses nothing that was answered as accepted.
"""

import asyncio
import contextlib
import functools
import os
import platform
import random
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway import __version__, keyforms, measures, observe, stores
from gateway.accounting import make_accounts
from gateway.brokers import (
    agencies_outside,
    make_agencies_door,
    make_broker,
    outside,
)
from gateway.clock import SystemClock, ask_ntp
from gateway.config import Settings
from gateway.consoling import Console, Parts, Shelf, make_console
from gateway.datafolder import take_lock
from gateway.domain.moments import VIETNAM
from gateway.doors import asyncapi_routes, bound, busy_of, facades_of, limits_of, listen_plainly
from gateway.errors import GatewayError, UnavailableError
from gateway.keys.expiry import ExpiryWatch, Term
from gateway.keys.receiptkey import LiveReceiptKey, signing_now
from gateway.keys.secretkey import SecretKeys
from gateway.keys.tls import ServerTls
from gateway.keys.tokens import SealedTokens
from gateway.keys.watch import KeyWatch
from gateway.officehours import calendar_for
from gateway.operating import LedgerOperating
from gateway.policies import (
    adapter_of,
    ages_of,
    bounds_of,
    fetch_policy_of,
    issuer_of,
    peer_policy_of,
    policy_of,
    receipt_keys_of,
    record_of,
    scanner_of,
)
from gateway.ports import Ids, Means
from gateway.programs.accounts.waits import sweep_of
from gateway.programs.admission import Admission, Room
from gateway.programs.backupwatch import BackupWatch
from gateway.programs.bookkeeper import Bookkeeper
from gateway.programs.cataloguing import Cataloguer
from gateway.programs.clockwatch import ClockWatch
from gateway.programs.collector import Collector
from gateway.programs.context import Context
from gateway.programs.daylog import DayLog
from gateway.programs.desk import Desk
from gateway.programs.dispatch import Dispatch
from gateway.programs.door import Door
from gateway.programs.duty import Duty
from gateway.programs.feed import LedgerFeeds
from gateway.programs.figures import LedgerFigures
from gateway.programs.forecast import Forecast
from gateway.programs.intake import Intake
from gateway.programs.issue import Issue
from gateway.programs.janitor import LEASE as JANITOR_LEASE
from gateway.programs.janitor import Janitor
from gateway.programs.leases import Alone, LedgerLeases
from gateway.programs.mailroom import Mailroom
from gateway.programs.nodes import Nodes, Self
from gateway.programs.notices import LedgerNotices
from gateway.programs.pulse import Pulse
from gateway.programs.recalldesk import RecallDesk
from gateway.programs.recallorders import RecallOrders
from gateway.programs.receiver import Receiver
from gateway.programs.recheck import Recheck
from gateway.programs.registering import Registrar
from gateway.programs.relay import Relay
from gateway.programs.replays import LedgerReplays
from gateway.programs.retention import Retention
from gateway.programs.roles import Program, Role, programs_of, verifies
from gateway.programs.tally import Tally
from gateway.programs.turnstile import Turnstile
from gateway.programs.uploads import BlobUploads
from gateway.programs.watch.machine import Facts
from gateway.reports.build import contact_of
from gateway.stores import UuidIds
from gateway.verifier.fetch import Fetcher
from gateway.verifier.pictures import PageRenderer
from gateway.verifier.policywatch import PolicyWatch
from gateway.verifier.pool import VerifierPool
from gateway.verifier.revocation import RevocationStore
from gateway.verifier.snapshot import Snapshots
from gateway.verifier.watch import RevocationWatch, Watching
from gateway.watching import make_watch
from gateway.web import body as web_body
from gateway.web.previews import Previews
from gateway.web.scratch import Scratch
from gateway.web.server import Running, listen, make_app, make_ops_app
from gateway.web.studio import Studio
from gateway.web.verify_page import VerifyPage
from gateway.webhooking import make_herald, make_webhooks

if TYPE_CHECKING:
    from adapters.amqp.door import AgenciesDoor
    from gateway.seal.office import SealOffice

API = "/api/v1"
_LISTENERS_FIRST_S = 1.0
"""Verifier processes take a core to start; a restart answers sooner when they come second."""


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
        self.keys = KeyWatch()
        self.failed: asyncio.Future[None] | None = None
        self._wanted = programs_of(Role(name) for name in settings.node.roles)
        self._boot = secrets.token_hex(8)
        self.duty: Duty | None = None
        self.agencies: AgenciesDoor | None = None
        self.seal: SealOffice | None = None
        self._tls: ServerTls | None = None

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
        opened.callback(os.close, take_lock(settings.gateway.data_dir))
        stores.usable_ledger(settings)
        self.failed = asyncio.get_running_loop().create_future()
        self.blobs = stores.open_blobs(settings)
        opened.callback(self.blobs.close)
        self.catalogue = stores.open_catalogue(settings)
        opened.callback(self.catalogue.close)
        self.timetable = stores.open_timetable(settings)
        opened.callback(self.timetable.close)
        self.secret_keys = secret_keys = SecretKeys(settings.secrets.key_file)
        self.keys.watched.append(secret_keys)
        self.callers = stores.open_callers(settings, self.clock, secret_keys)
        self.tokens = SealedTokens(secret_keys, self.callers, self.clock.now)
        opened.callback(self.callers.close)
        self._seed()
        self.ledger = await opened.enter_async_context(stores.open_ledger(settings))
        await stores.claim_mode(settings, self.ledger)
        await stores.claim_blobs(settings, self.ledger, self.blobs, opened)
        self.pulse = Pulse(self.ledger)
        self.ledger.on_commit = self.pulse.wake
        self.feeds = LedgerFeeds(self.ledger, self.clock, self.pulse)
        if self._has_console:
            self.books = stores.open_books(settings)
            opened.callback(self.books.close)
        self.revocation = RevocationStore(settings.verify.revocation.dir, self.clock.now)
        opened.callback(self.revocation.close)
        self.verifier = self._make_verifier()
        opened.push_async_callback(self.verifier.close)
        self.receipt_key = LiveReceiptKey(receipt_keys_of(settings), self.clock.now)
        self.keys.watched.append(self.receipt_key)
        self.context = self._make_context()
        opened.push_async_callback(self.turnstile.close)
        for adapter in self.context.adapters.values():
            opened.push_async_callback(adapter.close)
        self._make_programs()
        if self.agencies is not None:
            opened.push_async_callback(self.agencies.let_go)
        self.duty = self._make_duty()
        self.ledger.on_outbox = self.dispatch.wake
        await self.clockwatch.once()
        await self.nodes.enter()
        if Program.JANITOR in self._wanted or self.context.node:
            await self.janitor.at_start()
        if Program.JANITOR in self._wanted:
            opened.push_async_callback(self._sign_last_head)
        opened.push_async_callback(self.duty.ended)
        opened.push_async_callback(self._end_tasks)
        opened.push_async_callback(self.duty.rest)
        if verifies(self._wanted):
            self._spawn("verifier", self._warm())
        for name, work in self._programs():
            self._spawn(name, work)
        await self._listen()

    async def drain(self) -> None:
        """Say at /ready that we are leaving, and serve everybody until a proxy has seen it."""
        if self.duty is not None:
            await self.duty.leave("closing")

    async def stop(self) -> None:
        """Stop listening, then the programs, then close the ledger. Safe to repeat."""
        if self.duty is not None:
            await self.duty.close()
        await asyncio.gather(*(counter.close() for counter in self._counters()))
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

    def _seed(self) -> None:
        """Put the agencies of the settings into the catalogue."""
        if self.settings.agencies:
            with stores.administration(self.settings, self.blobs, self.clock) as admin:
                for agency in self.settings.agencies:
                    admin.put_agency(record_of(agency), by="vanlien.toml")

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

    def _today(self) -> date:
        return self.clock.now().astimezone(VIETNAM).date()

    def _node(self) -> str:
        """Return this node's name, "" when it has its ledger to itself."""
        if not stores.shared(self.settings):
            return ""
        return self.settings.node.name or platform.node() or "node"

    def _make_context(self) -> Context:
        settings = self.settings
        node = self._node()
        ttl_s = settings.node.lease.total_seconds()
        self.leases: Alone | LedgerLeases = Alone()
        if node:
            self.leases = LedgerLeases(self.ledger, node, self._boot, self.clock.now, ttl_s=ttl_s)
        self.turnstile = Turnstile(make_broker(settings))
        return Context(
            node=node,
            leases=self.leases,
            shared_lanes=not node or outside(settings),
            gatekeeper=Admission(
                self.ledger,
                self.clock,
                bounds_of(settings),
                room=functools.partial(_room, settings.gateway.data_dir, settings.blobs.dir),
                random=random.random,
            ),
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            ids=self._ids,
            verifier=self.verifier,
            scanner=scanner_of(settings, self.clock),
            evidence=Snapshots(
                settings.verify.trust_dir,
                settings.verify.evidence_dir,
                settings.verify.revocation.dir,
            ),
            sealer=self.receipt_key,
            lanes=self.turnstile,
            directory=self.catalogue.directory,
            calendar=calendar_for(settings.times, self.timetable.timetable, self._today),
            random=random.random,
            policy=policy_of(settings),
            signing=PolicyWatch(settings.verify.trust_dir),
            adapters={p.id: adapter_of(p, self.clock) for p in settings.peers},
            peers={p.id: peer_policy_of(p) for p in settings.peers},
        )

    def _make_programs(self) -> None:
        context = self.context
        self.mailroom = Mailroom(context)
        intake = Intake(context)
        self.door = Door(context, intake, self.mailroom)
        self.recall_orders = RecallOrders(context, self.mailroom.takebacks, intake)
        intake.on_recall = self.recall_orders.by_document
        self.recalls = RecallDesk(
            context,
            self.recall_orders,
            self.mailroom.takebacks,
            self.settings.retention.recalled,
        )
        self.desk = Desk(context, self.mailroom)
        self.uploads = BlobUploads(context, self.secret_keys)
        self.hooks = make_webhooks(
            self.settings, self.ledger, self.clock, self._ids, self.secret_keys
        )
        self.accounts = make_accounts(
            self.settings,
            self.ledger,
            self.clock,
            self._ids,
            self.secret_keys,
            inherits=lambda code: context.directory().taken_over(code, self._today()),
        )
        self._opened.push_async_callback(self.accounts.signins.settled)
        self._make_agencies()
        self.receiver = Receiver(context, self.mailroom)
        self.collector = Collector(context, self.receiver)
        self.dispatch = Dispatch(context)
        self.nodes = self._make_nodes()
        retention = Retention(
            self.ledger,
            self.blobs,
            self.clock,
            self._ids,
            ages_of(self.settings),
            guard=lambda: self.leases.guard(JANITOR_LEASE),
        )
        forget = sweep_of(self.ledger, self.clock, self.accounts.means.rules.pace)
        days = DayLog(context)
        chores = (self.mailroom.takebacks.sweep, self.recall_orders.sweep, forget, days.once)
        self.janitor = Janitor(context, self.nodes.dead, retention, chores)
        self.recheck = Recheck(context, self.verifier.trust_state)
        self.alerts = make_watch(self.settings, self.context, self._facts())
        self.watch = self._make_watch()
        self.verifier.on_report = self.watch.wanted
        clock = self.settings.clock
        ask = None if clock.ntp_server is None else functools.partial(ask_ntp, clock.ntp_server)
        self.clockwatch = ClockWatch(
            context, self.clock, ask, every=clock.check_every, warn_over=clock.max_offset
        )

    def _make_agencies(self) -> None:
        if agencies_outside(self.settings) and Program.AMQP in self._wanted:
            self.agencies = make_agencies_door(
                self.settings,
                front=self.door,
                callers=self.callers,
                uploads=self.uploads,
                feeds=self.feeds,
                turn=self.leases.holding,
            )

    def _counters(self) -> "list[Running | AgenciesDoor]":
        """Return the doors through which something comes."""
        return [*self.listeners, *(() if self.agencies is None else (self.agencies,))]

    def _make_nodes(self) -> Nodes:
        name = self.context.node or self.settings.node.name or platform.node() or "node"
        me = Self(name, self._boot, self.settings.node.roles, __version__)
        # Twice its leases' time: what it alone did has long gone to another by then.
        dead_s = 2 * self.settings.node.lease.total_seconds()
        return Nodes(
            self.ledger,
            me,
            self.clock.now,
            self._maintenance,
            dead_s=dead_s,
            facts=lambda: self._facts().told().to_json(),
        )

    def _make_forecast(self) -> Forecast:
        settings = self.settings
        room = functools.partial(_room, settings.gateway.data_dir, settings.blobs.dir)
        name = settings.node.name or platform.node() or "node"
        return Forecast(self.context, name, room, settings.retention.disk_warn)

    async def _maintenance(self, reason: str) -> None:
        if self.duty is not None:
            await self.duty.maintenance(reason)

    def _make_duty(self) -> Duty:
        node = self.settings.node
        return Duty(
            self.turnstile,
            self.leases,
            self.nodes,
            self._counters,
            drain_s=node.drain.total_seconds(),
            finish_s=node.finish.total_seconds(),
        )

    def _facts(self) -> Facts:
        """Return what this node knows of itself; it is asked once the listeners are up."""
        scanner = self.context.scanner

        def years(year: int) -> bool:
            return self.context.calendar("").calendar.knows(year)

        return Facts(
            measured=self.clock.measured,
            peers=self._peer_times,
            terms=lambda: ((term.what, term.ends_at) for term in self._terms()),
            lists_old=lambda: self.watch.health.state in {"expired", "missing"},
            stamps=lambda: {} if self.seal is None else self.seal.troubles,
            scanner=lambda: getattr(scanner, "troubles", ()),
            year_confirmed=years,
            node=self.context.node or self.settings.node.name or platform.node() or "node",
            dead=self.nodes.dead,
        )

    def _peer_times(self) -> dict[str, timedelta]:
        """Return how far each peer's clock is ahead of ours, where its answers say (TIM-01)."""
        times = {n: getattr(a, "time", None) for n, a in self.context.adapters.items()}
        return {n: t.offset for n, t in times.items() if t is not None and t.offset is not None}

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
        by_role: dict[Program, Callable[[], Coroutine[Any, Any, None]]] = {
            Program.DISPATCH: self.dispatch.run,
            Program.RELAY: Relay(context).run,
            Program.ISSUE: Issue(context).run,
            Program.RECEIVER: self.receiver.run,
            Program.COLLECTOR: self.collector.run,
            Program.JANITOR: self.janitor.run,
            Program.BACKUP: self._make_backups().run,
            Program.RECHECK: self.recheck.run,
            Program.CATALOGUER: Cataloguer(context).run,
            Program.CLOCK: self.clockwatch.run,
            Program.REVOCATION: self.watch.run,
            Program.WATCH: self.alerts.run,
        }
        by_role[Program.HERALD] = make_herald(
            self.settings,
            self.ledger,
            LedgerNotices(self.ledger, self.pulse),
            self.hooks,
            self.callers,
            clock=self.clock,
            leases=self.leases,
            random=random.random,
            still=lambda: context.restored,
        ).run
        if self.agencies is not None:
            by_role[Program.AMQP] = self.agencies.run
        folders = self._spools() if Program.SPOOL in self._wanted else []
        everywhere = [
            *folders,
            ("leases", self.leases.run()),
            ("nodes", self.nodes.run()),
            ("forecast", self._make_forecast().run()),
            ("tally", self._make_tally().run()),
            ("keys", self.keys.run()),
        ]
        return [*everywhere, *((p.value, by_role[p]()) for p in by_role if p in self._wanted)]

    def _spools(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Return the watching of folders that are doors."""
        if not self.settings.spools:
            return []
        from gateway.spools import spool_doors

        doors = spool_doors(
            self.settings,
            front=self.door,
            desk=self.desk,
            callers=self.callers,
            clock=self.clock,
            feeds=self.feeds,
            notices=LedgerNotices(self.ledger, self.pulse),
            turn=self.leases.holding,
        )
        return [(f"spool:{system}", door.run()) for system, door in doors]

    def _make_backups(self) -> BackupWatch:
        """Return what watches backups; it makes them where the settings name a target."""
        told = self.settings.backup
        make = None
        if told.to:
            from gateway import keeping

            make = functools.partial(keeping.back_up_beside, self.settings)
        return BackupWatch(self.context, warn_after=told.warn_after, every=told.every, make=make)

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
        if told.seal.key_file is not None:
            # The signing library takes a second to load: only who seals waits for it.
            from gateway.reportseal import checker, head_stamps, seal_office

            self.seal = seal_office(
                settings, self.clock, check=checker(self.verifier, scratch.file)
            )
            stamps = head_stamps(
                settings, self.ledger, self.clock, self._ids, lambda: self.context.restored
            )
            if stamps is not None:
                self._spawn("head stamps", stamps.run())
        if self.seal is not None:
            self._spawn("report seal", self.seal.run())
        previews = Previews(PageRenderer(at_once=2), scratch)
        name = settings.gateway.name
        training = settings.console.training
        studio = Studio(
            contact, name, PageRenderer(), scratch, self.seal, previews=previews, training=training
        )
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

    def _terms(self) -> Iterator[Term]:
        """Return the certificates of ours that end."""
        if self._tls is not None:
            yield Term("tls certificate", self._tls.expires_at)
        if self.seal is not None:
            ends = self.seal.identity.certificate.not_valid_after_utc
            yield Term("report seal certificate", ends)

    def _watch_expiry(self, tls: ServerTls | None) -> None:
        """Warn before a certificate of ours ends."""
        self._tls = tls
        terms, warn_before = self._terms, self.settings.keys.warn_before
        self.keys.watched.append(ExpiryWatch(terms, self.clock.now, warn_before))

    # ------------------------------------------------------------ listeners

    async def _listen(self) -> None:
        http, limits = self.settings.http, limits_of(self.settings)
        if Program.LISTEN in self._wanted:
            app = self._make_api(limits)
        else:
            app = make_ops_app(self.desk, self.clock, self._ids, limits=limits)
        tls = _tls(self.settings, self.clock)
        if tls is not None:
            self.keys.watched.append(tls)
        self._watch_expiry(tls)
        context = None if tls is None else tls.context
        with bound("http", http.host, http.port):
            self.listeners.append(await listen(app, http.host, http.port, context, limits=limits))
        if Program.LISTEN in self._wanted:
            means = self._means(limits)
            async for running in listen_plainly(self.settings, self._ids, means):
                self.listeners.append(running)

    def _make_api(self, limits: web_body.Limits) -> web.Application:
        studio, page = self._make_reporting(limits)
        wanted = self.settings.http.facades
        facades = facades_of(wanted, self.settings, self._means(limits))
        console = self._make_console(studio)
        return make_app(
            self.door,
            self.desk,
            self.callers,
            self.clock,
            self._ids,
            limits=limits,
            extra_routes=[
                *(r for f in facades for r in f.routes),
                *asyncapi_routes(self.settings),
                *(() if console is None else console.routes),
            ],
            uploads=self.uploads,
            studio=studio,
            verify_page=page,
            busy=busy_of(facades),
            notices=LedgerNotices(self.ledger, self.pulse, self.clock),
            replays=LedgerReplays(self.ledger, self.clock, self._ids),
            hooks=self.hooks,
            recalls=self.recalls,
            extra_streams=() if console is None else console.streams,
            extra_free=() if console is None else console.free,
            pages=None if console is None else console.pages,
            training=self.settings.console.training,
        )

    def _make_console(self, studio: Studio) -> Console | None:
        """Return the pages for persons, None where nobody works here."""
        if not self._has_console:
            return None
        parts = Parts(
            settings=self.settings,
            context=self.context,
            accounts=self.accounts,
            door=self.door,
            desk=self.desk,
            mailroom=self.mailroom,
            studio=studio,
            timetable=self.timetable.timetable,
            operating=self._make_operating(),
            recalls=self.recalls,
            shelf=self._make_shelf(),
        )
        return make_console(parts)

    @property
    def _has_console(self) -> bool:
        return self.settings.console.enabled and Program.LISTEN in self._wanted

    def _make_shelf(self) -> Shelf:
        """Return the books, and have them kept."""
        keeper = Bookkeeper(self.context, self.books, self.pulse)
        figures = LedgerFigures(self.context, self.books, keeper)
        self._spawn("bookkeeper", keeper.run())
        self._spawn("figures", figures.run())
        self.shelf = Shelf(self.books, keeper, figures)
        return self.shelf

    def _make_operating(self) -> LedgerOperating:
        settings = self.settings
        return LedgerOperating(
            stores.ledger_place(settings),
            self.blobs,
            self.clock,
            self._ids,
            keys=self.secret_keys,
            name=issuer_of(settings),
            signing=lambda: signing_now(receipt_keys_of(settings), self.clock.now()),
            forms=lambda system, key, secret: keyforms.rows(system, key, secret, settings),
            trust=settings.verify.trust_dir,
        )

    def _make_tally(self) -> Tally:
        name = self.settings.node.name or platform.node() or "node"
        return Tally(self.ledger, name, self.clock.now, measures.flow)

    def _means(self, limits: web_body.Limits) -> Means:
        return Means(
            front=self.door,
            callers=self.callers,
            tokens=self.tokens,
            clock=self.clock,
            max_bytes=limits.max_packet_bytes,
            registrar=Registrar(self.context),
        )


def _room(*folders: Path) -> Room:
    """Return what is free where our files are, the least of it."""
    rooms = []
    for folder in folders:
        told = os.statvfs(folder)
        rooms.append(Room(told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize))
    return min(rooms, key=lambda room: room.free_bytes)


def _tls(settings: Settings, clock: SystemClock) -> ServerTls | None:
    certificate, key = settings.http.tls_cert, settings.http.tls_key
    if certificate is None or key is None:
        return None
    return ServerTls(certificate, key, now=clock.now)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """Run a gateway for the length of the block."""
    gateway = Gateway(settings)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
