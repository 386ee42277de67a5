"""The simulated world: gateways, the axis, agencies' systems, operators, and the faults of a plan.

`run(plan)` plays one history on virtual time and returns what was violated. Everything runs in one
thread; real programs on the fakes of tests.world behind the ports of tests.simulation.ports.
"""

import asyncio
import gc
import hashlib
import io
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from adapters.simulator import packets
from gateway import observe
from gateway.broker.lanes import Lanes
from gateway.config import Times
from gateway.domain.delivery import SCHEDULES
from gateway.domain.directory import Agency, Directory, NumberedBy
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.officehours import hours_of
from gateway.ports import Caller, SubmitOptions
from gateway.programs import breakers, collector, dispatch
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.means import Means, Rules
from gateway.programs.accounts.sessions import LedgerSessions
from gateway.programs.clerk.draftcheck import ClerkPolicy
from gateway.programs.clerk.drafts import LedgerDrafts
from gateway.programs.clerk.receiving import LedgerReceiving
from gateway.programs.collector import Collector
from gateway.programs.context import Context, PeerPolicy, Policy
from gateway.programs.desk import Desk
from gateway.programs.dispatch import Dispatch
from gateway.programs.door import Door
from gateway.programs.duty import Duty
from gateway.programs.intake import Intake
from gateway.programs.issue import Issue
from gateway.programs.janitor import Janitor
from gateway.programs.leases import LedgerLeases
from gateway.programs.mailroom import Mailroom
from gateway.programs.nodes import Nodes, Self
from gateway.programs.recalldesk import RecallDesk
from gateway.programs.recallorders import RecallOrders
from gateway.programs.receiver import Receiver
from gateway.programs.recheck import Recheck
from gateway.programs.relay import Relay
from gateway.programs.retention import Ages, Retention
from gateway.programs.turnstile import Turnstile
from tests.simulation import recalled
from tests.simulation.axis import Axis, SimAdapter, head_of, read
from tests.simulation.broker import SharedBroker, UrgentFirst
from tests.simulation.desk import Desk as Clerks
from tests.simulation.desk import open_accounts
from tests.simulation.ledgers import InlineSqliteLedger, QuickMemoryLedger
from tests.simulation.letters import chunks, old_code, packet_of
from tests.simulation.life import Life, task_factory
from tests.simulation.loop import Deadlock, Livelock, VirtualLoop
from tests.simulation.operators import Operator
from tests.simulation.plan import (
    ACK_TROUBLES,
    BY_HAND,
    FETCH_TROUBLES,
    HORIZON_S,
    HOUSES,
    LEGACY,
    LIST_TROUBLES,
    NODES,
    OUTSIDE,
    Doc,
    Fault,
    Plan,
)
from tests.simulation.ports import (
    EPOCH,
    LISTED,
    UNLISTED,
    NodeBlobs,
    NodeBroker,
    NodeLedger,
    SimClock,
    SimIds,
    SimVerifier,
)
from tests.simulation.recalls import LostError, Recalls, target_of
from tests.simulation.watch import Watch, restless, unrest
from tests.world.memory_blobs import MemoryBlobs
from tests.world.receipt_log import key

PATIENCE_S = 1200.0
"""Virtual time to come to rest after the last fault."""

_PERIODS_S = (
    (dispatch, "_LOOK_S", 10.0),
    (breakers, "_PERIOD_S", 4.0),
    (collector, "_OTHERS_S", 3.0),
)
"""Loops of programs that look every second whether there is something to do: as often as a history
of minutes needs. What wakes them wakes them at once."""

_JANITOR_S = 5.0
_LOOK_S = 2.0
_HEAD_S = 5.0
_LATE_S = 12.0
_ON_THE_WAY = "the axis"
_RECHECK_S = 20.0
_CLIENT_S = 40.0
_LISTED_AT_S = 20.0
_GONE_AFTER = timedelta(seconds=5)
_LONG = timedelta(days=1)
_LATE_AT_MOST_S = 60
_DRAIN_S, _FINISH_S = 1.0, 10.0
_NOISE = {
    "deliver": ("request-lost", "answer-lost", "twice", "slow", "busy"),
    "listing": LIST_TROUBLES,
    "fetch": FETCH_TROUBLES,
    "ack": ACK_TROUBLES,
    "rpc": ("request-lost", "answer-lost", "twice"),
    "probe": (),
}
_WAITING = (
    "SELECT 1 FROM arrival WHERE agency = ? AND state = 'offered' UNION ALL SELECT 1 FROM "
    "status_report WHERE recipient = ? AND offered_at IS NOT NULL AND taken_at IS NULL LIMIT 1"
)
Mutate = Callable[[Life, Context, dict[str, Any]], None]


@dataclass
class Result:
    """One history, played.

    Args:
        plan: What was played.
        violations: Name and what was seen.
        counts: What happened, how often.
        digest: Of everything that happened.
        story: What happened, in order.
        seconds: Virtual time it took.
        points: Visits of every point, all nodes together.
    """

    plan: Plan
    violations: list[tuple[str, str]]
    counts: Counter[str]
    digest: str
    story: list[str]
    seconds: float
    points: Counter[str]

    @property
    def name(self) -> str:
        """Name of the first violation, "" without one."""
        return self.violations[0][0] if self.violations else ""


@dataclass
class House:
    """One gateway: what outlives its nodes."""

    name: str
    agencies: tuple[str, ...]
    ledger: Any
    blobs: MemoryBlobs
    key: Any
    directory: Directory
    shared: Any = None
    skew: float = 0.0
    known_offset: timedelta | None = None
    ledger_down: bool = False
    ledger_full: bool = False
    broker_down: bool = False
    verifier_down: bool = False
    cut_off: bool = False
    partition: bool = False
    slow: bool = False
    lives: dict[str, Life | None] = field(default_factory=dict)
    programs: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def rows(self, sql: str, *params: Any) -> list[Any]:
        return self.ledger.seen().execute(sql, params).fetchall()

    def living(self) -> list[Life]:
        return [life for life in self.lives.values() if life is not None]

    def open(self) -> list[Life]:
        """Return whom a proxy sends requests to: who says it is ready, else whoever lives."""
        living = self.living()
        return [life for life in living if not life.leaving] or living


_MAINTENANCE = UnavailableError(public="maintenance")


@cache
def _hours() -> Any:
    return hours_of(Times(), "")


class World:
    """See the module; `mutate` breaks a node on purpose."""

    def __init__(self, plan: Plan, mutate: Mutate | None = None) -> None:
        self.plan = plan
        self.mutate = mutate
        self.random = Random(f"world {plan.seed}")
        self.loop = VirtualLoop(Random(f"loop {plan.seed}"), shuffle=plan.shuffle)
        self.loop.set_task_factory(task_factory)
        self.watch = Watch(self)
        self.counts: Counter[str] = Counter()
        self.story: list[str] = []
        self.docs = {d.n: d for d in plan.docs}
        self.packets = {d.n: packet_of(d) for d in plan.docs}
        self.extended = {d.n: packet_of(d, d.more) for d in plan.docs if d.more}
        self.unsent = {d.n for d in plan.docs}
        self.sent_outside: set[int] = set()
        self.owed: Counter[str] = Counter()
        self.status_lied = False
        self.calm = False
        self._seen_nodes = plan.leases or any(f.kind in {"rest", "restart"} for f in plan.faults)
        self._visits: Counter[tuple[str, ...]] = Counter()
        self._planned = {(f.kind, f.where, f.how, f.nth): f for f in plan.faults if f.nth}
        owners = {code: name for name, own in HOUSES[plan.shape].items() for code in own}
        owners[OUTSIDE] = "outside"
        owners |= {old: owners[new] for old, new in LEGACY.items() if new in owners}
        self.axis = Axis(self, owners)
        self.houses = {name: self._house(name) for name in HOUSES[plan.shape]}
        self._operators = {name: Operator(self, house) for name, house in self.houses.items()}
        self.recalls = Recalls(self)
        self.desks = {code: Clerks(self, self.house_of(code), code) for code in plan.desks}

    def _house(self, name: str) -> House:
        ledger = QuickMemoryLedger() if self.plan.ledger == "memory" else InlineSqliteLedger()
        agencies = []
        for other, codes in HOUSES[self.plan.shape].items():
            hop = "local" if other == name else "truc"
            agencies += [
                Agency(
                    code,
                    f"Cơ quan {code}",
                    hop=hop,
                    numbered_by=NumberedBy.GATEWAY,
                    legacy_code=old_code(code),
                    console=other == name and code in self.plan.desks,
                )
                for code in codes
            ]
        agencies.append(Agency(OUTSIDE, "Bộ Nội vụ", hop="truc", legacy_code=old_code(OUTSIDE)))
        house = House(
            name,
            HOUSES[self.plan.shape][name],
            ledger,
            MemoryBlobs(now=self.loop.time),
            key(ord(name)),
            Directory(agencies, ()),
        )
        if self.plan.broker == "shared":
            house.shared = UrgentFirst(SharedBroker(), self.watch.violate)
        ledger.on_outbox = lambda: self._wake(house)
        return house

    def _wake(self, house: House) -> None:
        for life in house.living():
            house.programs[life.node]["dispatch"].wake()

    # ------------------------------------------------------------ helpers

    def say(self, what: str) -> None:
        self.story.append(f"{self.loop.time():9.3f}  {what}")

    def true_time(self) -> datetime:
        return EPOCH + timedelta(seconds=round(self.loop.time(), 6))

    def trust_state(self) -> str:
        """Return what is trusted now: a list comes in half way."""
        return LISTED if self.loop.time() > _LISTED_AT_S else UNLISTED

    def subject(self, n: int) -> str:
        return f"Van ban so {n}"

    def number_of(self, subject: str) -> int:
        text = subject.rpartition(" ")[2]
        return int(text) if text.isdigit() else 0

    def house_of(self, agency: str) -> House:
        return self.houses[self.axis.owners[agency]]

    # ------------------------------------------------------------ faults

    def visit(self, life: Life, point: str) -> Fault | None:
        """Count a visit of a node's point; return the fault planned for it."""
        self._visits[life.node, point] += 1
        nth = self._visits[life.node, point]
        for kind in ("crash", "doubt"):
            fault = self._planned.get((kind, life.node, point, nth))
            if fault is not None and not self.calm:
                self.counts[f"{kind} {point}"] += 1
                return fault
        return None

    def trouble(self, what: str, where: str) -> str:
        """Return how a call goes wrong, "" when it does not."""
        self._visits[what, where] += 1
        nth = self._visits[what, where]
        if self.calm:
            return ""
        for fault in self.plan.faults:
            if (fault.kind, fault.where, fault.nth) == (what, where, nth):
                return self._happens(what, where, fault.how)
        if self.plan.noise and _NOISE[what] and self.random.random() < self.plan.noise:
            return self._happens(what, where, self.random.choice(_NOISE[what]))
        return ""

    def _happens(self, what: str, where: str, how: str) -> str:
        self.counts[f"{what} {how}"] += 1
        self.say(f"fault: {what} of {where}: {how}")
        if how.startswith("lie-refused"):
            self.counts["lies"] += 1
        return how

    async def travel(self, house: House, *, slow: bool = False) -> None:
        """Take the time a message takes."""
        longest = 30.0 if slow or (house.slow and not self.calm) else self.plan.latency
        await asyncio.sleep(round(self.random.uniform(0.0, longest), 3))

    def crash(self, life: Life, span: float, point: str) -> None:
        """Kill a node; it starts again after a while."""
        house = self.houses[life.house]
        self.say(f"fault: {life.node} dies at {point}")
        life.die()
        house.lives[life.node] = None
        if house.shared is not None:
            house.shared._inner.died(life)
        if isinstance(house.ledger, InlineSqliteLedger) and not house.living():
            house.ledger.reopen()
        self.loop.call_later(max(span, 0.1), self._start_again, house, life.node, life.number + 1)

    def _start_again(self, house: House, node: str, number: int) -> None:
        self.start(house, node, number)

    def _power_cut(self, house: House, span: float) -> None:
        for life in house.living():
            self.crash(life, span, "a power cut")

    async def _restart(self, life: Life, span: float) -> None:
        """End a node in good order, as SIGTERM does, and start it again."""
        house = self.houses[life.house]
        self.say(f"{life.node} is told to end")
        duty = house.programs[life.node]["duty"]
        ending = life.spawn(self._end_node(life, duty))
        await asyncio.wait({ending})
        if life.alive:
            self.crash(life, span, "its end, in good order")

    async def _end_node(self, life: Life, duty: Duty) -> None:
        await life.entered.wait()  # `vanlien serve` hears nothing before it has begun
        await duty.leave("closing")
        await duty.close()
        await duty.rest()
        await duty.ended()

    async def _by_hand(self, fault: Fault) -> None:
        """Play what an operator does."""
        await asyncio.sleep(fault.at)
        if fault.kind == "hold":
            house = self.houses[fault.where]
            await self._operators[house.name].hold(fault.how, fault.span)
            return
        house = next(h for h in self.houses.values() if fault.where in h.lives)
        if fault.kind == "rest":
            await self._operators[house.name].rest(fault.where, fault.span)
            return
        life = house.lives[fault.where]
        if life is not None:
            self.counts["restart"] += 1
            await self._restart(life, fault.span)

    async def _lasting(self, fault: Fault) -> None:
        """Play one fault that lasts."""
        await asyncio.sleep(fault.at)
        house = self.houses[fault.where]
        self.counts[fault.kind] += 1
        self.say(f"fault: {fault}")
        match fault.kind:
            case "clock-jump":
                house.skew += fault.size
            case "clock-off":
                house.known_offset = timedelta(seconds=90)
            case "broker-lost":
                self._lose_broker(house)
            case "phantom":
                self._phantom(fault, house)
            case "power-cut":
                self._power_cut(house, fault.span)
            case "blobs-full":
                house.blobs.full = True
            case kind:
                setattr(house, _FLAGS[kind], True)
        await asyncio.sleep(fault.span)
        match fault.kind:
            case "clock-jump":
                house.skew -= fault.size
            case "clock-off":
                house.known_offset = timedelta(0)
            case "broker-lost" | "phantom" | "power-cut":
                return
            case "blobs-full":
                house.blobs.full = False
            case kind:
                setattr(house, _FLAGS[kind], False)
        self.say(f"over: {fault}")

    def _lose_broker(self, house: House) -> None:
        if house.shared is not None:
            house.shared.lose()

    def _phantom(self, fault: Fault, house: House) -> None:
        """Offer a house something it never asked for."""
        own = house.agencies[0]
        about = packets.Head(own, (), f"{own},2026/11/23,999/MA", "999/MA", "2026/11/23")
        sender, code = OUTSIDE, "03"
        if fault.how == "future-code":
            code = "99"
        if fault.how == "own-agency":
            sender = house.agencies[-1]
        sent = [d for d in self.docs.values() if d.sender == own and d.n in self.watch.answers]
        if fault.how == "unknown-recipient" and sent:
            document_id = json.loads(self.watch.answers[sent[0].n]).get("document_id", "")
            about = packets.Head(own, (), document_id, f"{sent[0].n}/VP", "2026/11/23")
            if OUTSIDE in (*sent[0].to, *sent[0].more):
                sender = "G99"
        data = packets.status_packet(
            about,
            sender=sender,
            sender_name="Không ai",
            code=code,
            description="ma",
            at=self.true_time(),
        )
        if fault.how == "junk":
            junk = b"<edXML>" + b"\x00" * 9
            head = packets.Head("?", (), "?", "?", "?", status="?")
            self.axis.offer(own, head, junk, junk)
            return
        self.axis.offer(own, head_of(data), data, data)

    # ------------------------------------------------------------ nodes

    def start(self, house: House, node: str, number: int) -> None:
        """Start a node, as `gateway.app` does."""
        life = Life(self, house.name, node, number)
        first = not house.living()
        house.lives[node] = life
        context = self._context(house, life)
        mailroom = Mailroom(context)
        receiver = Receiver(context, mailroom)
        made: dict[str, Any] = {
            "mailroom": mailroom,
            "intake": Intake(context),
            "desk": Desk(context, mailroom),
            "receiver": receiver,
            "collector": Collector(context, receiver),
            "dispatch": Dispatch(context),
            "relay": Relay(context),
            "issue": Issue(context),
            "nodes": self._nodes(life, context),
            "turnstile": context.lanes,
            "recheck": Recheck(context, self.trust_state),
        }
        orders = RecallOrders(context, mailroom.takebacks, made["intake"])
        made["intake"].on_recall = orders.by_document
        made["recalls"] = RecallDesk(context, orders, mailroom.takebacks, _GONE_AFTER)
        chores = (mailroom.takebacks.sweep, orders.sweep)
        made["janitor"] = Janitor(context, made["nodes"].dead, chores=chores)
        made["duty"] = self._duty(life, context, made["nodes"])
        if self.mutate is not None:
            self.mutate(life, context, made)
        made["door"] = Door(context, made["intake"], mailroom)
        self._desk_programs(context, made)
        house.programs[node] = made
        self.say(f"{node} starts ({number})")
        life.spawn(self._run_node(life, made, context, alone=first))

    def _desk_programs(self, context: Context, made: dict[str, Any]) -> None:
        """Make what the console asks, and what purges."""
        nothing: Any = None  # nobody here signs in, or has a secret
        rules = Rules(idle=_LONG, absolute=_LONG)
        means = Means(context.ledger, context.clock, context.ids, tuple, nothing, rules)
        made |= {
            "ledger": context.ledger,
            "sessions": LedgerSessions(means),
            "locking": Locking(means),
            "receiving": LedgerReceiving(context, made["desk"], made["mailroom"]),
            "drafts": LedgerDrafts(context, made["door"], ClerkPolicy()),
            "retention": Retention(
                context.ledger,
                context.blobs,
                context.clock,
                context.ids,
                Ages(recalled=_GONE_AFTER),
            ),
        }

    def _nodes(self, life: Life, context: Context) -> Nodes:
        me = Self(life.node, f"boot-{life.number}", ("all",), "simulation")

        async def heed(reason: str) -> None:
            await self.houses[life.house].programs[life.node]["duty"].maintenance(reason)

        return Nodes(context.ledger, me, context.clock.now, heed)

    def _duty(self, life: Life, context: Context, nodes: Nodes) -> Duty:
        turnstile, doors = context.lanes, (_Doors(life),)
        return Duty(
            turnstile,  # type: ignore[arg-type]
            context.leases,  # type: ignore[arg-type]
            nodes,
            lambda: doors,
            drain_s=_DRAIN_S,
            finish_s=_FINISH_S,
        )

    def _context(self, house: House, life: Life) -> Context:
        clock = SimClock(self, house)
        lanes = house.shared or UrgentFirst(Lanes(), self.watch.violate)
        schedules = {
            lane: type(one)(
                first=timedelta(seconds=2),
                longest=timedelta(seconds=15),
                give_up_after=timedelta(seconds=self.plan.give_up),
            )
            for lane, one in SCHEDULES.items()
        }
        context = Context(
            ledger=NodeLedger(life, house),
            blobs=NodeBlobs(life, house),
            clock=clock,
            ids=SimIds(self, clock),
            verifier=SimVerifier(life, house),
            sealer=house.key,
            lanes=Turnstile(NodeBroker(life, house, lanes), self.random.random),
            directory=lambda: house.directory,
            calendar=lambda _: _hours(),
            random=self.random.random,
            policy=Policy(
                document_id_form=_FORMS[self.plan.by_ordinal],
                hub_code=f"00.37.W0{ord(house.name) - 65}",
                verify_budget=timedelta(seconds=3),
                lease=timedelta(seconds=60),
                deadline=timedelta(seconds=20),
                recheck_every=timedelta(seconds=60),
                recall_agree=self.plan.agrees,
                head_every=timedelta(seconds=_HEAD_S),
                schedules=schedules,
            ),
            peers={
                "truc": PeerPolicy(
                    poll=timedelta(seconds=5),
                    concurrency=2,
                    timeout=timedelta(seconds=20),
                    recall_by=self.plan.recall_by,
                )
            },
        )
        context.adapters["truc"] = SimAdapter(life, house, self.axis)
        if self.plan.leases:
            context.node = life.node
            boot = f"boot-{life.number}"
            context.leases = LedgerLeases(context.ledger, life.node, boot, clock.now)
            context.shared_lanes = self.plan.broker == "shared"
        return context

    async def _run_node(
        self, life: Life, made: dict[str, Any], context: Context, *, alone: bool
    ) -> None:
        janitor, leases = made["janitor"], self.plan.leases
        while True:
            try:
                if self._seen_nodes:
                    await made["nodes"].enter()
                await (janitor.at_start() if alone or leases else janitor.once())
                break
            except UnavailableError:
                await asyncio.sleep(1.0)  # it would end, and be started again
        life.entered.set()
        for name in ("dispatch", "relay", "issue", "receiver", "collector"):
            life.spawn(self._program(name, made[name].run))
        if leases:
            life.spawn(self._program("leases", context.leases.run))
        if self._seen_nodes:
            life.spawn(self._every(_LOOK_S, "nodes", made["nodes"].look))
        life.spawn(self._every(_JANITOR_S, "janitor", janitor._turn))
        life.spawn(self._every(_RECHECK_S, "recheck", made["recheck"].once))

    async def _program(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as exc:  # noqa: BLE001 - a program that ends ends the gateway
            self.watch.violate("alarm", f"{name} ended: {exc!r}")

    async def _every(self, period_s: float, name: str, step: Callable[[], Awaitable[Any]]) -> None:
        """Do what the program's own loop does, seldom enough for a history of hours."""
        while True:
            await asyncio.sleep(period_s)
            try:
                await step()
            except UnavailableError:
                continue
            except Exception as exc:  # noqa: BLE001 - its own loop would raise an alarm
                self.watch.violate("alarm", f"{name}: {exc!r}")

    # ------------------------------------------------------------ calls of systems

    async def call(self, house: House, request: Callable[[dict[str, Any]], Awaitable[Any]]) -> Any:
        """Call a gateway as a system does; LostError when no answer comes."""
        how = self.trouble("rpc", house.name)
        await self.travel(house, slow=how == "slow")
        ready = house.open()
        if house.partition or how == "request-lost" or not ready:
            await asyncio.sleep(1.0)
            raise LostError
        answers = [self._serve(self.random.choice(ready), house, request)]
        if how == "twice":
            answers.append(self._serve(self.random.choice(ready), house, request))
        try:
            async with asyncio.timeout(_CLIENT_S):
                answer = await answers[-1]
        except (TimeoutError, ConnectionResetError) as exc:
            raise LostError from exc
        finally:
            for one in answers:
                one.add_done_callback(_forget)
        await self.travel(house)
        if how == "answer-lost" or house.partition:
            raise LostError
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _serve(
        self, life: Life, house: House, request: Callable[[dict[str, Any]], Awaitable[Any]]
    ) -> asyncio.Future[Any]:
        answer = self.loop.create_future()
        life.callers.append(answer)
        made = house.programs[life.node]

        async def serve() -> None:
            try:
                result = await request(made) if not life.resting else _MAINTENANCE
            except (RejectedError, UnavailableError) as exc:
                result = exc
            except Exception as exc:  # noqa: BLE001 - a 500 is a bug
                self.watch.violate("alarm", f"a request failed: {exc!r}")
                result = UnavailableError(public="500")
            if not answer.done():
                answer.set_result(result)
            if answer in life.callers:
                life.callers.remove(answer)

        life.spawn(serve())
        return answer

    # ------------------------------------------------------------ agencies' systems

    async def _submit(self, doc: Doc) -> None:
        """Send one document until there is an answer; then perhaps again."""
        house = self.house_of(doc.sender)
        caller = Caller(f"sys-{doc.sender}", frozenset({doc.sender}))
        keyed = f"key-{doc.n}" if doc.keyed else None
        options = SubmitOptions(idempotency_key=keyed, secrecy=int(doc.stated))
        await asyncio.sleep(doc.at)
        await self._earlier(doc)
        self.packets[doc.n] = packet_of(doc, at=self.true_time())

        async def request(made: dict[str, Any]) -> Any:
            accepted = await made["door"].submit(caller, chunks(self.packets[doc.n]), options)
            self.watch.answered(house, doc, accepted)
            return accepted

        for _ in range(1 + doc.repeats):
            took = await self._until_answered(house, doc, request, may_refuse=bool(doc.about))
            self.unsent.discard(doc.n)
            await asyncio.sleep(self.random.uniform(1.0, 10.0))
        if doc.more and took:
            await self._add(house, caller, doc)

    async def _earlier(self, doc: Doc) -> None:
        """Wait until what a document updates or replaces was accepted, or never will be."""
        for _ in range(_LATE_AT_MOST_S if doc.about in self.docs else 0):
            if doc.about in self.watch.answers:
                return
            await asyncio.sleep(1.0)

    async def _submit_by_form(self, doc: Doc) -> None:
        """A clerk sends it."""
        desk, house = self.desks[doc.sender], self.house_of(doc.sender)
        name = await desk.send(doc)
        if name:
            self.watch.issued(house, doc, name)
            self.counts["accepted"] += 1
            self.say(f"document {doc.n} is issued by form")
        self.unsent.discard(doc.n)

    async def _add(self, house: House, caller: Caller, doc: Doc) -> None:
        """Send the same document again, to more recipients."""
        data = self.extended[doc.n]
        options = SubmitOptions(idempotency_key=f"more-{doc.n}", secrecy=int(doc.stated))
        self.unsent.add(doc.n)

        async def request(made: dict[str, Any]) -> Any:
            accepted = await made["door"].submit(caller, chunks(data), options)
            self.watch.added(house, doc, accepted)
            return accepted

        await self._until_answered(house, doc, request, may_refuse=doc.doubtful)
        self.unsent.discard(doc.n)

    async def _until_answered(
        self,
        house: House,
        doc: Doc,
        request: Callable[[dict[str, Any]], Awaitable[Any]],
        *,
        may_refuse: bool = False,
    ) -> bool:
        """Ask until there is an answer; tell whether it was yes."""
        while True:
            try:
                accepted = await self.call(house, request)
            except (LostError, UnavailableError):
                await asyncio.sleep(self.random.uniform(1.0, 6.0))
                continue
            except RejectedError as exc:
                if exc.reason is Reason.IN_FLIGHT:
                    await asyncio.sleep(2.0)
                    continue
                # What was refused after acceptance is new when it comes without its key.
                known = doc.keyed and doc.n in self.watch.answers
                # and nobody is added any more to any version of it (REC-02)
                frozen = recalled.is_asked(self, doc)
                if not may_refuse and not frozen and (not doc.doubtful or known):
                    rules = [f.rule for f in exc.findings]
                    self.watch.violate("lost", f"document {doc.n}: {exc.reason} {rules}")
                self.say(f"document {doc.n} is refused: {exc.reason.value}")
                return False
            self.say(f"document {doc.n} is accepted as {accepted.document_id or '(pending)'}")
            self.counts["accepted"] += 1
            return True

    async def _submit_outside(self, doc: Doc) -> None:
        """The ministry sends through the axis, and again when it is in doubt."""
        await asyncio.sleep(doc.at)
        for _ in range(1 + doc.repeats):
            self.axis.take(self.packets[doc.n])
            self.sent_outside.add(doc.n)
            self.unsent.discard(doc.n)
            await asyncio.sleep(self.random.uniform(1.0, 10.0))

    async def _agency(self, agency: str) -> None:
        """An agency's system at its gateway: takes what is offered, answers, reads statuses."""
        house = self.house_of(agency)
        caller = Caller(f"sys-{agency}", frozenset({agency}))
        facade = self.random.random() < 0.5
        seen = -1
        while True:
            await asyncio.sleep(self.random.uniform(2.0, 5.0))
            # Asking in vain is most of a history's work and none of its proof.
            if house.ledger.version() == seen:
                continue
            seen = house.ledger.version()
            self.watch.feeds(house)
            if not house.rows(_WAITING, "" if agency in self.desks else agency, agency):
                continue
            seen = -1
            try:
                waiting = []
                if agency not in self.desks:
                    waiting = await self.call(house, lambda m: m["door"].waiting(caller, "edoc"))
                for item in waiting:
                    await self._take(house, caller, agency, item, facade=facade)
                statuses = await self.call(house, lambda m: m["door"].waiting(caller, "status"))
                for item in statuses:
                    await self._read_status(house, caller, item)
            except (LostError, UnavailableError):
                continue

    async def _take(
        self, house: House, caller: Caller, agency: str, item: Any, *, facade: bool
    ) -> None:
        async def fetch(made: dict[str, Any]) -> bytes:
            gone = self.watch.is_withdrawn(house, item.id)
            packet = await made["door"].fetch(caller, item.id)
            data = b"".join([chunk async for chunk in packet.chunks])
            if gone:
                self.watch.violate("recall", f"{agency} gets {item.id}, which was taken back")
            if hashlib.sha256(data).hexdigest() != packet.sha256:
                self.watch.violate("content", f"{item.id}: not the bytes it was announced with")
            return data

        async def confirm(made: dict[str, Any]) -> None:
            if facade:
                await made["door"].acknowledge(caller, item.id, done=True)
            else:
                await made["desk"].confirm(caller, item.id)
            self.watch.confirmed(house, item.id)

        try:
            data = await self.call(house, fetch)
        except RejectedError as exc:
            if exc.reason is not Reason.GONE:
                raise
            return  # taken back between list and packet
        n = self.watch.arrived(agency, item.id, data, written=item.recipient_written)
        known = (agency, item.id)
        if n is not None:
            self.recalls.took(agency, item.id, data, n)
        elif known not in self._answered:
            # What a system keeps it works on, whether it hears that its word was heard or not.
            self._answered.add(known)
            self._asked(
                agency, self.recalls.asked_by_document(house, caller, agency, item.id, data)
            )
        await self.call(house, confirm)
        self.say(f"{agency} takes document {n}")
        if n is not None and known not in self._answered:
            self._answered.add(known)
            doc = self.docs[n]
            self.owed[agency] += 1
            self.spawn(self._answer(house, caller, agency, item, doc, facade=facade))

    async def _answer(
        self, house: House, caller: Caller, agency: str, item: Any, doc: Doc, *, facade: bool
    ) -> None:
        """Say the codes of the plan, one after the other, each until it is heard."""
        head = head_of(self.packets[doc.n])
        about = packets.Head(head.sender, (), item.document_id, head.code, head.date)
        for code in doc.replies:
            await asyncio.sleep(self.random.uniform(0.0, 6.0))
            data = packets.status_packet(
                about,
                sender=agency,
                sender_name=agency,
                code=code,
                description=f"ly do {code}",
                at=self.true_time(),
            )

            async def post(made: dict[str, Any], data: bytes = data, code: str = code) -> None:
                if facade:
                    await made["door"].report(caller, chunks(data), SubmitOptions(via="vxp"))
                else:
                    await made["desk"].set_status(
                        caller,
                        item.id,
                        code=code,
                        reason=f"ly do {code}",
                        undetermined_reason="da goi dien kiem tra",
                        decided_by="van thu",
                    )

            while True:
                try:
                    await self.call(house, post)
                except (LostError, UnavailableError):
                    await asyncio.sleep(self.random.uniform(1.0, 4.0))
                    continue
                except RejectedError as exc:
                    self.say(f"{agency} may not say {code} of document {doc.n}: {exc.reason.value}")
                    break
                self.watch.said[agency, doc.n].append(code)
                self.say(f"{agency} says {code} of document {doc.n}")
                break
        self.owed[agency] -= 1

    async def _read_status(self, house: House, caller: Caller, item: Any) -> None:
        async def fetch(made: dict[str, Any]) -> bytes:
            packet = await made["door"].fetch(caller, item.id)
            return b"".join([chunk async for chunk in packet.chunks])

        data = await self.call(house, fetch)
        if head_of(data).status == "13" and item.id not in self._asked_by:
            self._asked_by.add(item.id)
            agency = item.recipient
            self._asked(agency, self.recalls.asked_by_status(house, caller, agency, data))
        await self.call(house, lambda m: m["door"].acknowledge(caller, item.id, done=True))
        self.counts["statuses read"] += 1

    def _asked(self, agency: str, answering: Any) -> None:
        """Somebody is asked to give a document back, and will answer."""

        async def answer() -> None:
            await answering
            self.owed[agency] -= 1

        self.owed[agency] += 1
        self.spawn(answer())

    async def _ministry(self) -> None:
        """An agency behind the axis with a system of its own, not ours: it knows its repeats."""
        known: dict[str, str] = {}
        asked: set[bytes] = set()
        while True:
            await asyncio.sleep(self.random.uniform(2.0, 6.0))
            for item in self.axis.listed("outside", "edoc"):
                item.taken = True
                kind = read(item.data).kind
                what = f"{item.head.document_id} {item.head.subject} {kind}"
                same = known.setdefault(what, item.id)
                n = self.watch.arrived(OUTSIDE, same, item.data, written=item.to)
                if n is not None:
                    self.recalls.took(OUTSIDE, same, item.data, n)
                elif same == item.id:
                    target = target_of(item.data)
                    self._asked(OUTSIDE, self.recalls.ministry_asked(item.head, target))
                self.say(f"{OUTSIDE} takes document {n}{'' if same == item.id else ' again'}")
                if n is not None and same == item.id:
                    self.owed[OUTSIDE] += 1
                    self.spawn(self._ministry_answers(item, self.docs[n]))
            for item in self.axis.listed("outside", "status"):
                item.taken = True
                if item.head.status == "13" and item.data not in asked:
                    asked.add(item.data)
                    about = item.head.document_id
                    self._asked(OUTSIDE, self.recalls.ministry_asked(item.head, about))

    async def _ministry_answers(self, item: Any, doc: Doc) -> None:
        codes = ("01", *doc.replies)
        for code in codes:
            await asyncio.sleep(self.random.uniform(0.0, 6.0))
            data = packets.status_packet(
                item.head,
                sender=OUTSIDE,
                sender_name="Bộ Nội vụ",
                code=code,
                description=f"ly do {code}",
                at=self.true_time(),
            )
            self.carry(data)
            self.watch.said[OUTSIDE, doc.n].append(code)
            self.say(f"{OUTSIDE} says {code} of document {doc.n}")
        self.owed[OUTSIDE] -= 1

    def carry(self, data: bytes) -> None:
        """The axis carries a status: at once; or late, and then perhaps behind its successor; or
        twice."""
        if self.random.random() < self.plan.noise:
            self.counts["status late"] += 1
            self.owed[_ON_THE_WAY] += 1
            self.loop.call_later(10.0, self._carry_late, data)
            return
        self.axis.take(data)
        if self.random.random() < self.plan.noise:
            self.counts["status twice"] += 1
            self.axis.take(data)

    def _carry_late(self, data: bytes) -> None:
        self.owed[_ON_THE_WAY] -= 1
        self.axis.take(data)

    # ------------------------------------------------------------ a history

    def spawn(self, work: Any) -> None:
        self._tasks.append(self.loop.create_task(work))

    async def play(self) -> None:
        """Play the plan, wait for rest, look."""
        self._tasks: list[asyncio.Task[Any]] = []
        self._answered: set[tuple[str, str]] = set()
        self._asked_by: set[str] = set()
        for house in self.houses.values():
            await open_accounts(house, [code for code in house.agencies if code in self.desks])
            for node in NODES[self.plan.shape][house.name]:
                self.start(house, node, 1)
            for agency in house.agencies:
                self.spawn(self._agency(agency))
            self.spawn(self._operators[house.name].requeue())
        self.spawn(self._ministry())
        for desk in self.desks.values():
            self.spawn(desk.work())
        for doc in self.plan.docs:
            if doc.sender == OUTSIDE:
                self.spawn(self._submit_outside(doc))
            else:
                by_form = doc.drafted and doc.sender in self.desks
                self.spawn(self._submit_by_form(doc) if by_form else self._submit(doc))
        for act in self.plan.acts:
            if self.recalls.knows(act):
                self.spawn(self.recalls.act(act))
            elif act.who in self.desks:
                self.spawn(self.desks[act.who].act(act))
        for fault in self.plan.faults:
            if fault.kind in BY_HAND:
                self.spawn(self._by_hand(fault))
            elif not fault.nth:
                self.spawn(self._lasting(fault))
        ends = [d.at for d in self.plan.docs] + [f.at + f.span for f in self.plan.faults]
        ends += [act.at for act in self.plan.acts]
        await self._faults(min(HORIZON_S, max(ends, default=0.0) + 5.0))
        self.calm = True
        self.say("faults stop")
        if await self._rest():
            # The last tree head, a repeat; what the axis carries late.
            await asyncio.sleep(_LATE_S if self._may_be_late() else _HEAD_S + 1.0)
            await self._rest()
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                self.watch.violate("alarm", f"the world broke: {task.exception()!r}")
        self.watch.final()

    async def _faults(self, until_s: float) -> None:
        """Wait for the faults to end, but not for one that finds nothing to disturb any more."""
        begins = max((f.at for f in self.plan.faults if not f.nth), default=0.0)
        while (now := self.loop.time()) < until_s:
            if now > begins and not restless(self):
                return
            await asyncio.sleep(min(_LOOK_S, until_s - now))

    def _may_be_late(self) -> bool:
        return bool(self.plan.noise) or any(f.how == "late-effect" for f in self.plan.faults)

    async def _rest(self) -> bool:
        """Wait until everything has come to rest; a violation found already ends the waiting."""
        # A wait begun by a clock that was ahead lasts until the true one gets there: as long as a
        # peer may ask for, which nothing in the ledger tells from it.
        jumps = sum(f.size for f in self.plan.faults if f.kind == "clock-jump" and f.size > 0)
        deadline = self.loop.time() + PATIENCE_S + jumps
        while restless(self):
            if self.watch.violations:
                return False
            if self.loop.time() > deadline:
                for one in unrest(self)[:5]:
                    self.watch.violate("rest", one)
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    async def end(self) -> None:
        for house in self.houses.values():
            for life in house.living():
                life.die()
        for task in self._tasks:
            task.cancel()
        # Not `all_tasks`: it goes through those of former histories too.
        others = [t for t in self.loop.tasks if not t.done() and t is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)


_FORMS = ("code,date,notation", "code,year,ordinal")
_FLAGS = {
    "ledger-down": "ledger_down",
    "ledger-full": "ledger_full",
    "partition": "partition",
    "cut-off": "cut_off",
    "slow-peer": "slow",
    "broker-down": "broker_down",
    "verifier-down": "verifier_down",
}


def _forget(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


class _Doors:
    """The listeners of one node."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def leave(self, why: str) -> None:
        self._life.leaving = bool(why)

    def rest(self, resting: bool) -> None:
        self._life.resting = resting


class _Alarms(io.TextIOBase):
    """Reads what the programs cry out: damage and bugs are violations, expected troubles are not."""

    def __init__(self, world: World) -> None:
        self._world = world

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if not line.strip():
                continue
            fact = json.loads(line)
            error = fact.get("error", "")
            if error and error not in _EXPECTED and fact.get("what") not in _SAID_ALOUD:
                self._world.watch.violate("alarm", f"{fact.get('what', '')}: {error}")
        return len(text)


_EXPECTED = {"UnavailableError", "OSError", "TimeoutError"}
_SAID_ALOUD = {"recall by document refused"}
"""Its files are not what they were when the document was accepted: a 13 asks instead."""


def run(plan: Plan, mutate: Mutate | None = None) -> Result:
    """Play one history."""
    gc_was = gc.isenabled()
    gc.disable()
    periods = [(module, name, getattr(module, name)) for module, name, _ in _PERIODS_S]
    for module, name, period_s in _PERIODS_S:
        setattr(module, name, period_s)
    world = World(plan, mutate)
    observe.configure(json=True, level="error", stream=_Alarms(world))  # type: ignore[arg-type]
    try:
        try:
            world.loop.run_until_complete(world.play())
        except Deadlock:
            world.watch.violate("rest", "everybody waits for somebody")
        except Livelock:
            world.watch.violate("rest", "somebody is busy for ever")
        seconds = world.loop.time()
        digest = _digest(world)
        world.loop.run_until_complete(world.end())
    finally:
        for module, name, period_s in periods:
            setattr(module, name, period_s)
        observe.silence()
        world.loop.close()
        for house in world.houses.values():
            house.ledger.close()
        if gc_was:
            gc.enable()
    world.counts["documents"] += len(plan.docs)
    world.counts["secret documents"] += sum(doc.secret for doc in plan.docs)
    points: Counter[str] = Counter()
    for where, times in world._visits.items():
        points[where[-1]] += times
    return Result(plan, world.watch.violations, world.counts, digest, world.story, seconds, points)


def _digest(world: World) -> str:
    """Return what tells this history from every other."""
    told = hashlib.sha256("\n".join(world.story).encode())
    for house in world.houses.values():
        for table in ("event", "receipt_entry", "attempt", "tree_head"):
            for row in house.rows(f"SELECT * FROM {table} ORDER BY 1, 2"):
                told.update(repr(tuple(row)).encode())
    return told.hexdigest()
