"""opsdesk: what operations look at: the board, destinations, one thing's trace, the receipt log.

Promises: every answer costs a bounded amount whatever the ledger holds, and the board is made once
for all who look at it, at most every second; no content and no name of a person is in any answer.
Only reads; a crash leaves nothing.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from gateway.domain.holds import hold_stands
from gateway.domain.moments import from_text, to_text
from gateway.ports import Clock, Ledger, Row
from gateway.ports.operations import (
    Board,
    DestinationState,
    FlowPoint,
    LaneState,
    LogAsked,
    LogEntry,
    Maintenance,
    NodeRow,
)
from gateway.programs.tally import KEPT, LOG, minute

Checks = Callable[[], Awaitable[Mapping[str, str]]]

_LANES: Final = (4, 3, 2, 1, 0)
_SHOWN: Final = timedelta(hours=2)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_EVERY_S: Final = 1.0
_FLOW_EVERY_S: Final = 10.0
_HOPS: Final = 60
"""More destinations than this nobody reads on a board; the queue is filtered by any."""
_SUBSCRIBED: Final = 200
_SHARE: Final = 10
"""The board is being made a tenth of the time at most, however much lies in the queue."""
_CHUNK: Final = 500
_CHUNKS: Final = 10
_MANY: Final = 50

Rows = Sequence[Row]


class LedgerOpsDesk:
    """OpsDesk port over the ledger.

    Args:
        ledger: What is asked.
        clock: The time.
        checks: What readiness says.
        peers: Destinations of the settings: shown also while nothing waits for them.
        alerts: Counts the alerts of the whole gateway that nobody has taken on.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        checks: Checks,
        peers: Collection[str],
        alerts: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._checks = checks
        self._peers = tuple(sorted(peers))
        self._alerts = alerts
        self._making: asyncio.Future[Board] | None = None
        self._again = 0.0
        self._flow: tuple[float, Rows] | None = None

    # ------------------------------------------------------------ the board

    async def board(self) -> Board:
        """Return the board, made at most once a second for everybody."""
        loop = asyncio.get_running_loop()
        if self._making is None or (self._making.done() and loop.time() >= self._again):
            self._again = loop.time() + _EVERY_S
            self._making = asyncio.ensure_future(self._board())
        return await asyncio.shield(self._making)

    async def _board(self) -> Board:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._made()
        finally:
            ended = loop.time()
            self._again = max(self._again, ended + _SHARE * (ended - began))

    async def _made(self) -> Board:
        now = self._clock.now()
        flow = await self._flow_rows(now)
        holds = await self._hop_holds(now)
        counts = await self._ledger.all("hold_counts")
        return Board(
            at=now,
            lanes=lanes_of(await self._ledger.all("transfer_counts")),
            destinations=await self._destinations(flow, holds, now),
            nodes=nodes_of(await self._ledger.all("nodes"), await self._ledger.all("leases")),
            maintenance=maintenance_of(await self._ledger.all("maintenance")),
            flow=flow_of(flow, now),
            checks=await self._checks(),
            holds=sum(row["n"] for row in counts if row["kind"] == "operator"),
            alerts=None if self._alerts is None else await self._alerts(),
        )

    async def _flow_rows(self, now: datetime) -> Rows:
        at = asyncio.get_running_loop().time()
        if self._flow is None or at >= self._flow[0]:
            rows = await self._ledger.all("flow_since", since=minute(now - _SHOWN))
            self._flow = at + _FLOW_EVERY_S, rows
        return self._flow[1]

    async def _hop_holds(self, now: datetime) -> dict[str, list[Row]]:
        holds: dict[str, list[Row]] = {}
        for row in await self._ledger.all("hop_holds"):
            if hold_stands(row["until"], None, now) or row["kind"] == "breaker":
                holds.setdefault(row["subject"], []).append(row)
        return holds

    async def _destinations(
        self, flow: Rows, holds: Mapping[str, Rows], now: datetime
    ) -> tuple[DestinationState, ...]:
        failed = {row["hop"]: row["n"] for row in await self._ledger.all("hops_failed")}
        waiting = [row["hop"] for row in await self._ledger.all("hops_waiting")]
        # What is in trouble first: who has more than we show sees those.
        hops = list(dict.fromkeys([*self._peers, *sorted(holds), *sorted(failed), *waiting]))
        return tuple(
            [
                await self._destination(hop, flow, holds.get(hop, ()), failed.get(hop, 0), now)
                for hop in hops[:_HOPS]
            ]
        )

    async def _destination(
        self, hop: str, flow: Rows, holds: Rows, failed: int, now: datetime
    ) -> DestinationState:
        told = await self._ledger.one("hop_waiting", hop=hop)
        breaker = next((h for h in holds if h["kind"] == "breaker"), None)
        operator = next((h for h in holds if h["kind"] == "operator"), None)
        attempts, ms = _sum(flow, "attempted", hop, now - _HOUR)
        taken, _ = _sum(flow, "taken", hop, now - _HOUR)
        oldest = told["oldest"] if told is not None else None
        return DestinationState(
            hop=hop,
            waiting=int(told["n"]) if told is not None else 0,
            failed=failed,
            oldest=from_text(oldest) if oldest else None,
            breaker=(breaker["reason"] or "?") if breaker is not None else "",
            probe_at=_at(breaker["until"]) if breaker is not None else None,
            held_by=operator["held_by"] if operator is not None else "",
            held_why=operator["reason"] if operator is not None else "",
            attempts=attempts,
            taken=taken,
            seconds=ms / attempts / 1000 if attempts else None,
            last_taken=_last(flow, "taken", hop),
        )

    async def destination(self, hop: str) -> DestinationState:
        """Return one destination, quiet ones too."""
        now = self._clock.now()
        flow = await self._flow_rows(now)
        holds = await self._hop_holds(now)
        failed = {row["hop"]: row["n"] for row in await self._ledger.all("hops_failed")}
        found = await self._destination(hop, flow, holds.get(hop, ()), failed.get(hop, 0), now)
        if found.last_taken is not None:
            return found
        params = {"since": minute(now - KEPT), "what": "taken", "peer": hop}
        last = await self._ledger.one("flow_last", **params)
        at = _of_minute(last["minute"]) if last is not None and last["minute"] else None
        return DestinationState(
            **{name: getattr(found, name) for name in found.__slots__ if name != "last_taken"},
            last_taken=at,
        )

    # ------------------------------------------------------------ one thing

    async def trace(self, name: str) -> Sequence[Mapping[str, object]]:
        """Return what is known under an id; [] when nothing is."""
        found: list[Mapping[str, object]] = []
        consignments = [
            *await self._ledger.all("consignments_named", document_id=name),
            *await self._ledger.all("consignment", id=name),
        ]
        for row in consignments[:_MANY]:
            found.append(await self._told("consignment", row))
            found += await self._below(row["id"])
        for kind in ("transfer", "delivery", "arrival", "status_report"):
            one = await self._ledger.one(kind, id=name)
            if one is not None:
                found.append(await self._told(kind, one))
        return found

    async def _below(self, consignment_id: str) -> list[Mapping[str, object]]:
        found = []
        asked = {"consignment_id": consignment_id}
        for row in (await self._ledger.all("deliveries", **asked))[:_MANY]:
            found.append(await self._told("delivery", row))
            arrival = await self._ledger.one("arrival_of_delivery", delivery_id=row["id"])
            if arrival is not None:
                found.append(await self._told("arrival", arrival))
        for row in (await self._ledger.all("transfers_of", **asked))[:_MANY]:
            found.append(await self._told("transfer", row))  # noqa: PERF401 - awaits
        return found

    async def _told(self, kind: str, row: Row) -> Mapping[str, object]:
        events = await self._ledger.all("events_of", subject=row["id"])
        tries: Rows = ()
        if kind == "transfer":
            tries = await self._ledger.all("attempts_of_transfer", transfer_id=row["id"])
        return {
            "kind": kind,
            "id": row["id"],
            "facts": {name: row[name] for name in _FACTS[kind] if row.get(name) not in {None, ""}},
            "events": [
                {"at": from_text(e["at"]), "type": e["type"], "data": _safe(kind, e["data"])}
                for e in events
            ],
            "attempts": [dict(t) for t in tries],
        }

    # ------------------------------------------------------------ the receipt log

    async def log(
        self, asked: LogAsked, *, before: int | None, limit: int
    ) -> tuple[Sequence[LogEntry], int | None]:
        """Return entries, newest first; one page looks at no more than some thousand entries."""
        below = await self._below_ord(asked.until, before)
        floor = 0 if asked.since is None else await self._ord_at(asked.since)
        found: list[LogEntry] = []
        for _ in range(_CHUNKS):
            rows = await self._chunk(asked, below)
            for row in rows:
                if row["ord"] < floor:
                    return found, None
                below = row["ord"]
                if not asked.kind or row["kind"] == asked.kind:
                    found.append(entry_of(row))
                if len(found) == limit:
                    return found, below
            if len(rows) < _CHUNK:
                return found, None
        return found, below

    async def _chunk(self, asked: LogAsked, below: int) -> Rows:
        page = {"before": below, "limit": _CHUNK}
        if asked.subject:
            return await self._ledger.all("log_of_subject", subject=asked.subject, **page)
        if asked.document:
            return await self._ledger.all("log_of_document", document=asked.document, **page)
        return await self._ledger.all("log_newest", **page)

    async def _below_ord(self, until: datetime | None, before: int | None) -> int:
        end = await self._end() + 1
        upto = end if until is None else await self._ord_at(until)
        return upto if before is None else min(upto, before)

    async def _end(self) -> int:
        row = await self._ledger.one("log_end")
        return int(row["ord"]) if row is not None and row["ord"] is not None else 0

    async def _ord_at(self, at: datetime) -> int:
        """Return the first entry from an instant on: by halving, for entries grow with time."""
        low, high, wanted = 0, await self._end() + 1, to_text(at)
        while low < high:
            middle = (low + high) // 2
            row = await self._ledger.one("log_at", ord=middle)
            if row is None or _utc(row["at"]) >= wanted:
                high = middle
            else:
                low = row["ord"] + 1
        return low

    async def agencies(self, text: str, *, after: str, limit: int) -> Sequence[Row]:
        """Return rows of the catalogue by code."""
        like = "%" + "".join(f"!{c}" if c in "!%_" else c for c in text) + "%"
        page = {"like": like, "after": after, "limit": limit}
        return await self._ledger.all("agencies_like", **page)

    # ------------------------------------------------------------ who is told

    async def subscriptions(self) -> Sequence[Mapping[str, object]]:
        """Return webhooks and places in feeds."""
        hooks = [
            {"kind": "webhook", "id": r["id"], "system": r["system_id"], "url": r["url"],
             "state": r["state"], "why": r["why"], "tries": r["tries"]}
            for r in await self._ledger.all("webhooks")
        ]  # fmt: skip
        places = [
            {"kind": "feed", "id": r["consumer"], "system": r["consumer"].partition(":")[0],
             "url": "", "state": "", "why": f"{r['cursor']}", "at": from_text(r["at"])}
            for r in await self._ledger.all("places")
        ]  # fmt: skip
        return [*hooks[:_SUBSCRIBED], *places[:_SUBSCRIBED]]


# ---------------------------------------------------------------- rows become values

_FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "consignment": (
        "document_id", "version", "sender", "system_id", "via", "state", "hold", "reason",
        "verdict", "urgency", "code_number", "code_notation", "received_sha256", "accepted_at",
        "issued_at", "sent_at", "closed_at",
    ),
    "delivery": (
        "agency", "addressed_as", "state", "reason", "hop", "transfer_id", "hold", "left_at",
        "acknowledged_at", "at_gateway_at", "entered_system_at", "last_status",
    ),
    "transfer": (
        "kind", "hop", "state", "hold", "lane", "attempts", "due_at", "lease_until",
        "peer_doc_id", "parcel_sha256", "parcel_size", "created_at", "done_at", "reason", "node",
    ),
    "arrival": (
        "agency", "addressed_as", "sender", "document_id", "version", "state", "verdict",
        "received_sha256", "at_gateway_at", "offered_at", "entered_system_at",
        "received_at_legal", "arrival_year", "arrival_number",
    ),
    "status_report": (
        "sender", "recipient", "document_id", "code", "at", "source", "created_at", "offered_at",
        "taken_at",
    ),
}  # fmt: skip
"""What operations may see: codes, states, times; never what a document says."""

_SAFE: Final = frozenset(
    {"reason", "actor", "scope", "hop", "code", "n", "attempt", "outcome", "state", "rules", "lane",
     "from", "to", "cause", "until", "retry_at", "verdict", "before", "after", "transfer_id"}
)  # fmt: skip


def _safe(kind: str, text: str) -> dict[str, object]:
    """Return what operations may see of an event: why a document is refused is its clerks' word."""
    data: dict[str, object] = json.loads(text)
    named = _SAFE if kind == "transfer" else _SAFE - {"reason"}
    return {name: value for name, value in data.items() if name in named}


def lanes_of(rows: Iterable[Row]) -> tuple[LaneState, ...]:
    """Return all lanes, most urgent first."""
    counts: dict[int, dict[str, int]] = {lane: {} for lane in _LANES}
    oldest: dict[int, str] = {}
    for row in rows:
        lane = row["lane"]
        counts[lane][row["state"]] = row["n"]
        if row["state"] != "failed":
            oldest[lane] = min(oldest.get(lane, row["oldest"]), row["oldest"])
    return tuple(LaneState(lane, **counts[lane], oldest=_at(oldest.get(lane))) for lane in _LANES)


def nodes_of(rows: Iterable[Row], leases: Iterable[Row]) -> tuple[NodeRow, ...]:
    """Return all nodes, with what each alone does."""
    held: dict[str, list[str]] = {}
    for lease in leases:
        held.setdefault(lease["holder"], []).append(lease["name"])
    return tuple(
        NodeRow(
            name=row["name"],
            roles=tuple(row["roles"].split(",")),
            version=row["version"],
            state=row["state"],
            started_at=from_text(row["started_at"]),
            seen_at=from_text(row["seen_at"]),
            leases=tuple(held.get(f"{row['name']}/{row['boot']}", ())),
            terms=tuple(
                (what, from_text(ends))
                for what, ends in sorted(json.loads(row["facts"]).get("terms", {}).items())
            ),
        )
        for row in rows
    )


def maintenance_of(rows: Iterable[Row]) -> tuple[Maintenance, ...]:
    """Return the maintenance that stands."""
    found = []
    for row in rows:
        value: dict[str, Any] = json.loads(row["value"])
        node = row["key"].partition(":")[2] or None
        found.append(Maintenance(node, value["reason"], value["by"], from_text(value["since"])))
    return tuple(found)


def flow_of(rows: Rows, now: datetime) -> tuple[FlowPoint, ...]:
    """Return a point for each whole minute that is shown, oldest first; None where nobody counted.

    The minute under way is left out: it would always look like a fall.
    """
    by_minute: dict[str, dict[str, tuple[int, int]]] = {}
    log: dict[str, int] = {}
    for row in rows:
        if row["what"] == LOG:
            log[row["minute"]] = row["highest"]
        told = by_minute.setdefault(row["minute"], {})
        n, ms = told.get(row["what"], (0, 0))
        told[row["what"]] = n + row["n"], ms + row["ms"]
    begin = now.replace(second=0, microsecond=0) - _SHOWN
    instants = [begin + _MINUTE * i for i in range(int(_SHOWN / _MINUTE))]
    grown = {
        minute(this): log[minute(this)] - log[minute(before)]
        for before, this in pairwise(instants)
        if minute(this) in log and minute(before) in log
    }
    return tuple(_point(at, by_minute.get(minute(at)), grown.get(minute(at))) for at in instants)


def _point(
    at: datetime, told: Mapping[str, tuple[int, int]] | None, receipts: int | None
) -> FlowPoint:
    if told is None:
        return FlowPoint(at)
    accepted, attempted = told.get("accepted", (0, 0)), told.get("attempted", (0, 0))
    return FlowPoint(
        at=at,
        accepted=accepted[0],
        arrived=told.get("arrived", (0, 0))[0],
        delivered=told.get("taken", (0, 0))[0],
        failed=told.get("failed", (0, 0))[0],
        receipts=receipts,
        accept_s=_mean(*accepted),
        transfer_s=_mean(*attempted),
    )


def _mean(n: int, ms: int) -> float | None:
    return ms / n / 1000 if n else None


def _sum(flow: Rows, what: str, peer: str, since: datetime) -> tuple[int, int]:
    first = minute(since)
    rows = [r for r in flow if r["what"] == what and r["peer"] == peer and r["minute"] >= first]
    return sum(r["n"] for r in rows), sum(r["ms"] for r in rows)


def _last(flow: Rows, what: str, peer: str) -> datetime | None:
    found = [r["minute"] for r in flow if r["what"] == what and r["peer"] == peer]
    return _of_minute(max(found)) if found else None


def _of_minute(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


def entry_of(row: Row) -> LogEntry:
    """Return an entry as it is listed."""
    return LogEntry(
        ord=row["ord"],
        id=row["id"],
        index=row["idx"],
        at=datetime.fromisoformat(row["at"]),
        kind=row["kind"],
        subject=row["subject"],
        document_id=row["document_id"],
        actor=row.get("actor") or "",
        action=row.get("action") or "",
        body=row["body"],
        chain_hash=row["chain_hash"] or "",
    )


def _utc(text: str) -> str:
    return to_text(datetime.fromisoformat(text))


def _at(text: str | None) -> datetime | None:
    return from_text(text) if text else None
