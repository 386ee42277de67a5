"""What is wrong with the gateway itself: clock, disk, backup, keys, the receipt log, the calendar.

Facts come from who keeps them (`Facts`, functions of the running gateway); nothing is read from
logs. What another node knows of itself stands in its row (`nodes`). The chain of the receipt log is
checked piece by piece: how far it was good stands in the ledger (`meta`, key `watch_chain`), and a
round begins anew when the end was reached a day ago. What was found broken stays found until an
operator mended the log and took the mark away. Writes that mark only; a crash checks the last piece
again.
"""

import ctypes
import ctypes.util
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Final

from gateway.domain.duties import MAINTENANCE_EVERY
from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.domain.watch import OPERATIONS, AlertKind, Cause
from gateway.domain.worktime import local
from gateway.ports import ChangeSet, Insert, Update
from gateway.programs import backupwatch
from gateway.programs.context import Context
from gateway.programs.rows import dumps
from gateway.receipts.log import GENESIS, Tail, sequence

CHAIN: Final = "watch_chain"
"""Key of the ledger's `meta` row: how far the receipt log was found good."""

_PIECE: Final = 2000
_DEVICES: Final = 500
_BEYOND: Final = "~"
_ROUND: Final = timedelta(days=1)
_ASK_FROM_MONTH: Final = 11
_TIME_ERROR: Final = 5
_PEERS_OVER: Final = timedelta(seconds=5)
"""What a peer's answers say of its clock is good to a second or two: the wire and the `Date`."""
_STA_UNSYNC: Final = 0x0040


def kernel_is_synchronised() -> bool | None:
    """Return whether the kernel says its clock is kept right; None where it says nothing (TIM-01).

    `adjtimex` without changing anything: no program is started, no privilege needed.
    """
    name = ctypes.util.find_library("c")
    if name is None:
        return None
    try:
        call = ctypes.CDLL(name, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex: `modes` 0 asks only; after it and four longs comes `status`.
    buffer = (ctypes.c_long * 64)()
    state = call(buffer)
    if state < 0:
        return None
    status = ctypes.c_int.from_buffer(buffer, ctypes.sizeof(ctypes.c_long) * 5).value
    return state != _TIME_ERROR and not status & _STA_UNSYNC


@dataclass(frozen=True, slots=True)
class Facts:
    """What others of this process know.

    Args:
        measured: Offset of the clock, None when unknown.
        offset_over: More than this is off.
        peers: How far each peer's clock is ahead of ours, as its answers say.
        time_server: Whether one is configured.
        synchronised: What the kernel says.
        terms: What ends, and when: certificates, keys.
        expires_before: A term alerts so long before its end.
        disk_before: A forecast below this alerts.
        backup_before: A last good backup older than this alerts.
        lists_old: Whether revocation lists are too old or missing.
        stamps: What is in the way of sealing reports: a short text each.
        scanner: What is wrong with the malware scanner: a short text each.
        year_confirmed: Whether a year's holidays are complete.
        node: What this node is called.
        dead: Nodes that do not live: what they said is over.
    """

    measured: Callable[[], timedelta | None] = timedelta
    offset_over: timedelta = timedelta(seconds=1)
    peers: Callable[[], Mapping[str, timedelta]] = dict
    time_server: bool = True
    synchronised: Callable[[], bool | None] = lambda: None
    terms: Callable[[], Iterable[tuple[str, datetime]]] = tuple
    expires_before: timedelta = timedelta(days=30)
    disk_before: timedelta = timedelta(days=14)
    backup_before: timedelta = timedelta(days=7)
    lists_old: Callable[[], bool] = lambda: False
    stamps: Callable[[], Mapping[str, str]] = dict
    scanner: Callable[[], Sequence[str]] = tuple
    year_confirmed: Callable[[int], bool] = lambda _: True
    node: str = field(default="node")
    dead: Callable[[], Collection[str]] = tuple

    def told(self) -> "Told":
        """Return what this node tells the others of itself."""
        measured = self.measured()
        return Told(
            terms={what: ends for what, ends in self.terms()},  # noqa: C416 - of an iterable
            lists_old=self.lists_old(),
            stamps=tuple(sorted(self.stamps())),
            scanner=tuple(sorted(self.scanner())),
            # To a tenth: a row is not written again for every microsecond.
            offset_s=None if measured is None else round(measured.total_seconds(), 1),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What one node tells of itself in its row."""

    terms: Mapping[str, datetime] = field(default_factory=dict)
    lists_old: bool = False
    stamps: tuple[str, ...] = ()
    scanner: tuple[str, ...] = ()
    offset_s: float | None = None

    def to_json(self) -> str:
        """Return it as it stands in the row."""
        terms = {what: to_text(ends) for what, ends in self.terms.items()}
        return dumps({**asdict(replace(self, terms={})), "terms": terms})


def told_of(text: str) -> Told:
    """Read what a node tells; one of another version may tell more, or less."""
    found = json.loads(text or "{}")
    terms = {str(k): from_text(str(v)) for k, v in found.get("terms", {}).items()}
    return Told(
        terms,
        bool(found.get("lists_old")),
        tuple(found.get("stamps", ())),
        tuple(found.get("scanner", ())),
        found.get("offset_s"),
    )


class Machine:
    """Looks at the gateway.

    Args:
        context: Ledger and clock.
        facts: What others know.
    """

    def __init__(self, context: Context, facts: Facts) -> None:
        self._context = context
        self._facts = facts

    async def clock(self, now: datetime) -> Sequence[Cause]:
        """TIM-01: the clock is off, or nobody knows."""
        found = await self._clocks_off(now)
        measured = self._facts.measured()
        if measured is not None and abs(measured) > self._facts.offset_over:
            said = f"{measured.total_seconds():+.1f} s"
            return [*found, self._own(AlertKind.CLOCK_OFF, "clock", now, said)]
        found += self._differing(now)
        if measured is None and not (self._facts.synchronised() or False):
            found.append(self._own(AlertKind.CLOCK_UNKNOWN, "clock", now))
        return found

    async def _clocks_off(self, now: datetime) -> list[Cause]:
        """Return whose of the other nodes' clocks are off, as they say themselves."""
        over = self._facts.offset_over.total_seconds()
        return [
            Cause(AlertKind.CLOCK_OFF, f"clock:{node}", OPERATIONS, now, about=(f"{off:+.1f} s",))
            for node, told in (await self._others()).items()
            if (off := told.offset_s) is not None and abs(off) > over
        ]

    async def _others(self) -> dict[str, Told]:
        """Return what the other nodes tell of themselves; who is dead or ended tells nothing."""
        gone = {*self._facts.dead(), self._facts.node}
        return {
            row["name"]: told_of(row["facts"])
            for row in await self._context.ledger.all("nodes")
            if row["name"] not in gone and row["state"] != "down"
        }

    async def _everybody(self) -> dict[str, Told]:
        return {self._facts.node: self._facts.told(), **await self._others()}

    def _differing(self, now: datetime) -> list[Cause]:
        """TIM-01 (S003 art 11.3): the time here and on the axes is to be one."""
        return [
            self._own(
                AlertKind.CLOCK_DIFFERS, f"peer:{name}", now, f"{offset.total_seconds():+.0f} s"
            )
            for name, offset in sorted(self._facts.peers().items())
            if abs(offset) > _PEERS_OVER
        ]

    async def disk(self, now: datetime) -> Sequence[Cause]:
        """The forecast says that the disk is full soon."""
        days = self._context.disk_days
        if days is None or timedelta(days=days) >= self._facts.disk_before:
            return ()
        return [self._own(AlertKind.DISK_FULL_SOON, "disk", now, f"{days:.0f} d")]

    async def backup(self, now: datetime) -> Sequence[Cause]:
        """S004 art 10.2: the last good backup is too old."""
        told = await backupwatch.last_good(self._context)
        if told:
            since = datetime.fromisoformat(told)
        else:
            first = await self._context.ledger.one("entry_first")
            since = now if first is None else from_text(first["at"])
        if now - since <= self._facts.backup_before:
            return ()
        return [Cause(AlertKind.BACKUP_OLD, "backup:last", OPERATIONS, since)]

    async def terms(self, now: datetime) -> Sequence[Cause]:
        """Certificates and keys that end soon: of the nodes, and of units' key devices."""
        return [*await self._own_terms(now), *await self._devices(now)]

    async def _devices(self, now: datetime) -> list[Cause]:
        """ORG-09: the certificate in a device somebody holds ends soon; told to its unit."""
        last = local(now + self._facts.expires_before).date().isoformat()
        rows = await self._context.ledger.all("key_devices_ending", day=last, limit=_DEVICES)
        return [
            Cause(
                AlertKind.KEY_EXPIRES,
                f"key-device:{row['id']}",
                row["agency"],
                now,
                due=datetime.combine(date.fromisoformat(row["valid_to"]), time.max, VIETNAM),
                about=(row["serial"],),
                path=f"/key-devices/{row['id']}",
            )
            for row in rows
        ]

    async def incidents(self, _: datetime) -> Sequence[Cause]:
        """OPS-09: every open incident, whoever opened it; no word of what somebody wrote."""
        rows = await self._context.ledger.all(
            "incidents", state="open", before=_BEYOND, limit=_DEVICES
        )
        return [
            Cause(
                AlertKind.INCIDENT_OPEN,
                f"incident:{row['id']}",
                OPERATIONS,
                from_text(row["opened_at"]),
                about=tuple(part for part in (row["kind"], row["agency"]) if part),
                path=f"/incidents/{row['id']}",
            )
            for row in rows
        ]

    async def _own_terms(self, now: datetime) -> list[Cause]:
        """Return what ends soon of any node: one alert for what it is."""
        ending: dict[str, dict[str, datetime]] = {}
        for node, told in (await self._everybody()).items():
            for what, ends in told.terms.items():
                if ends - now <= self._facts.expires_before:
                    ending.setdefault(what, {})[node] = ends
        return [
            Cause(
                AlertKind.KEY_EXPIRES,
                f"term:{what}",
                OPERATIONS,
                now,
                due=min(nodes.values()),
                count=len(nodes),
                about=(what, *self._named(nodes)),
                path="/ops/certificates",
            )
            for what, nodes in ending.items()
        ]

    def _named(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """Return the names of nodes; nothing for this one alone, where there may be no other."""
        found = tuple(sorted(nodes))
        return () if found == (self._facts.node,) else found

    async def helpers(self, now: datetime) -> Sequence[Cause]:
        """Revocation lists, time stamps, the malware scanner."""
        causes = []
        stamps: dict[str, list[str]] = {}
        scanner: dict[str, list[str]] = {}
        for node, told in (await self._everybody()).items():
            if told.lists_old:
                causes.append(Cause(AlertKind.LISTS_OLD, f"lists:{node}", OPERATIONS, now))
            for what in told.stamps:
                stamps.setdefault(what, []).append(node)
            for what in told.scanner:
                scanner.setdefault(what, []).append(node)
        for kind, name, found in (
            (AlertKind.STAMPS_MISSING, "seal", stamps),
            (AlertKind.SCANNER_OFF, "scanner", scanner),
        ):
            causes += [
                Cause(kind, f"{name}:{what}", OPERATIONS, now, about=(what, *self._named(nodes)))
                for what, nodes in sorted(found.items())
            ]
        return causes

    async def duties(self, now: datetime) -> Sequence[Cause]:
        """Next year's holidays (TIM-05), maintenance (OPS-07)."""
        causes = []
        here = local(now)
        if here.month >= _ASK_FROM_MONTH and not self._facts.year_confirmed(here.year + 1):
            causes.append(
                Cause(
                    AlertKind.HOLIDAYS_UNCONFIRMED,
                    f"year:{here.year + 1}",
                    OPERATIONS,
                    now,
                    path=f"/calendar?year={here.year + 1}",
                )
            )
        last = await self._context.ledger.one("maintenance_last")
        if last is None:
            last = await self._context.ledger.one("entry_first")
            since = None if last is None else from_text(last["at"])
        else:
            since = from_text(last["ended_at"])
        # OPS-07 (S002 art 10.2đ): at least every three months, counted from the first day of use.
        if since is not None and now - since >= MAINTENANCE_EVERY:
            causes.append(
                Cause(
                    AlertKind.MAINTENANCE_DUE,
                    "maintenance:periodic",
                    OPERATIONS,
                    since,
                    path="/maintenance",
                )
            )
        return causes

    async def chain(self, now: datetime) -> Sequence[Cause]:
        """Check a further piece of the receipt log."""
        ledger = self._context.ledger
        row = await ledger.one("meta", key=CHAIN)
        known = json.loads(row["value"]) if row and row["value"] else {}
        if known.get("broken") is not None:
            return [self._chain(known["broken"], now)]
        if "ended_at" in known:
            if timedelta() <= now - from_text(known["ended_at"]) < _ROUND:
                return ()
            known = {}
        size, chain = int(known.get("size", 0)), bytes.fromhex(known.get("chain", GENESIS.hex()))
        rows = await ledger.all("entries", first=size, last=size + _PIECE)
        told: dict[str, object]
        broken = _broken(Tail(size, chain), rows)
        if broken is not None:
            told = {"broken": broken}
        elif len(rows) < _PIECE:
            told = {"ended_at": to_text(now), "size": size + len(rows)}
        else:
            told = {"size": size + len(rows), "chain": rows[-1]["chain_hash"]}
        key = {"key": CHAIN}
        await ledger.commit(
            ChangeSet(
                rows=(
                    Insert("meta", {**key, "value": ""}, ignore=True),
                    Update("meta", key, {"value": json.dumps(told)}),
                )
            )
        )
        return [] if broken is None else [self._chain(broken, now)]

    def _chain(self, index: int, now: datetime) -> Cause:
        return Cause(AlertKind.CHAIN_BROKEN, "receipts:log", OPERATIONS, now, about=(f"#{index}",))

    def _own(self, kind: AlertKind, what: str, now: datetime, *about: str) -> Cause:
        return Cause(kind, f"{what}:{self._facts.node}", OPERATIONS, now, about=about)


def _broken(tail: Tail, rows: Sequence[Mapping[str, object]]) -> int | None:
    """Return the index of the first entry that does not fit, None when all do."""
    placed = sequence(tail, (str(row["body"]).encode() for row in rows))
    for row, found in zip(rows, placed, strict=True):
        fits = row["idx"] == found.index and row["chain_hash"] == found.chain_hash.hex()
        if not fits or row["prev_hash"] != found.prev_hash.hex():
            return found.index
    return None
