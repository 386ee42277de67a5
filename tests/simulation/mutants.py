"""Gateways broken on purpose, one for each invariant: what cannot fail proves nothing.

Each mutant changes one thing in a node as it is started; `tests/simulation/test_mutants.py` asks
that the invariant named beside it notices.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from gateway.domain.moments import to_text
from gateway.errors import UnavailableError
from gateway.ports import Accepted, ChangeSet, Committed, Delete, Insert, Outcome, Parcel, Update
from gateway.programs.context import Context
from gateway.programs.intake import Intake
from gateway.programs.relay import Relay
from gateway.programs.statuses import status_entry
from gateway.receipts.log import entry_hash
from tests.simulation.life import Life

Made = dict[str, Any]
MUTANTS: dict[str, tuple[str, Callable[[Life, Context, Made], None]]] = {}


def _mutant(invariant: str) -> Callable[[Any], Any]:
    def add(broken: Any) -> Any:
        MUTANTS[broken.__name__] = (invariant, broken)
        return broken

    return add


class _Other:
    """A port like another one but for what a subclass changes."""

    def __init__(self, inner: Any, life: Life) -> None:
        self.inner = inner
        self.life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _of(change: Any, kind: type, table: str) -> bool:
    return isinstance(change, kind) and change.table == table


def _inserts(change: ChangeSet, table: str) -> bool:
    return any(_of(row, Insert, table) for row in change.rows)


class _Rewriting(_Other):
    """A ledger that commits something else than it is asked to."""

    async def commit(self, change: ChangeSet) -> Any:
        other = self.change(change)
        return await self.inner.commit(other) if other is not None else Committed({})

    def change(self, change: ChangeSet) -> ChangeSet | None:
        return change


def _without(change: ChangeSet, *tables: str, kind: type = Insert) -> ChangeSet:
    rows = tuple(r for r in change.rows if not any(_of(r, kind, t) for t in tables))
    return dataclasses.replace(change, rows=rows)


# ---------------------------------------------------------------- what is accepted


@_mutant("early-answer")
def forgets_a_commit(life: Life, context: Context, made: Made) -> None:
    """The ledger says committed and has written nothing."""

    class Forgetful(_Other):
        async def commit(self, change: ChangeSet) -> Any:
            if not change.numbers or change.then is None:
                return await self.inner.commit(change)
            numbers = {number.name: 7 for number in change.numbers}
            change.then(numbers)
            return Committed(numbers)

    context.ledger = Forgetful(context.ledger, life)


@_mutant("early-answer")
def confirms_before_commit(life: Life, context: Context, made: Made) -> None:
    """A confirmation is answered though its commit failed."""
    mailroom = made["mailroom"]
    confirm = mailroom.confirm

    async def hasty(arrival_id: str, *, by: str) -> Any:
        life.spawn(_late(lambda: confirm(arrival_id, by=by)))
        return await context.ledger.one("arrival", id=arrival_id)

    mailroom.confirm = hasty


async def _late(work: Callable[[], Any]) -> None:
    import asyncio

    await asyncio.sleep(2.0)
    try:
        await work()
    except UnavailableError:
        return


@_mutant("lost")
def forgets_the_deliveries(life: Life, context: Context, made: Made) -> None:
    """A transfer is called done without anybody having been told."""

    class Relaxed(Relay):
        async def once(self, transfer_id: str) -> None:
            row = await context.ledger.one("transfer", id=transfer_id)
            if row is None or row["state"] != "waiting" or row["hold"]:
                return
            done = {"state": "done", "due_at": row["due_at"]}
            held = {"state": "handed_over"}
            await context.ledger.commit(
                ChangeSet(
                    rows=(
                        Update("transfer", {"id": transfer_id}, done),
                        Update("delivery", {"transfer_id": transfer_id}, held, expect=None),
                    )
                )
            )

    made["relay"] = Relaxed(context)


@_mutant("changed-answer")
def answers_anew(life: Life, context: Context, made: Made) -> None:
    """A repeat gets words of its own."""

    class Chatty(Intake):
        async def submit(self, caller: Any, packet: Any, options: Any) -> Accepted:
            done = await super().submit(caller, packet, options)
            if not done.replayed:
                return done
            text = done.answer_json.replace("{", "{ ", 1)
            row = Update("consignment", {"id": done.id}, {"answer": text})
            await context.ledger.commit(ChangeSet(rows=(row,)))
            return dataclasses.replace(done, answer_json=text)

    made["intake"] = Chatty(context)


# ---------------------------------------------------------------- effects and attempts


@_mutant("unrecorded")
def dials_before_recording(life: Life, context: Context, made: Made) -> None:
    """The attempt is written down after the peer heard of it."""

    class Eager(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            return _without(change, "attempt")

    context.ledger = Eager(context.ledger, life)


@_mutant("unrecorded")
def takes_anothers_claim_for_its_own(life: Life, context: Context, made: Made) -> None:
    """Who heard that its claim failed dials with whatever claim it finds."""

    class Doubtful(_Rewriting):
        seen: frozenset[str] = frozenset()

        async def commit(self, change: ChangeSet) -> Any:
            tried = {r.values["transfer_id"] for r in change.rows if _of(r, Insert, "attempt")}
            if life.node.endswith("2") and tried - self.seen:
                self.seen |= tried
                raise UnavailableError(public="the connection broke before it was done")
            return await super().commit(change)

        def change(self, change: ChangeSet) -> ChangeSet:
            rows = tuple(
                dataclasses.replace(r, values={**r.values, "claim": ""})
                if _of(r, Insert, "attempt")
                else r
                for r in change.rows
            )
            guards = tuple(
                dataclasses.replace(g, where={**g.where, "claim": ""})
                if g.table == "attempt"
                else g
                for g in change.guards
            )
            return dataclasses.replace(change, rows=rows, guards=guards)

    context.ledger = Doubtful(context.ledger, life)


@_mutant("other-bytes")
def says_it_otherwise(life: Life, context: Context, made: Made) -> None:
    """What is sent again has other bytes."""

    class Restless(_Other):
        name = "truc"

        async def deliver(self, parcel: Parcel, *, deadline: Any) -> Outcome:
            data = b"".join([chunk async for chunk in parcel.open()])
            times = life.world.watch.calls[parcel.transfer_id]
            import hashlib

            data = data.replace(b"</edXML>", b" " * times + b"</edXML>")

            async def other() -> Any:
                yield data

            changed = dataclasses.replace(
                parcel,
                open=other,
                sha256=hashlib.sha256(data).hexdigest(),
                size_bytes=len(data),
            )
            return await self.inner.deliver(changed, deadline=deadline)

    context.adapters["truc"] = Restless(context.adapters["truc"], life)


@_mutant("once")
def delivers_twice(life: Life, context: Context, made: Made) -> None:
    """A document that came is offered twice, under two versions."""

    class Doubling(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            more = []
            for row in change.rows:
                if _of(row, Insert, "arrival"):
                    again = dict(row.values) | {
                        "id": f"{row.values['id']}x",
                        "version": int(row.values.get("version", 1)) + 7,
                    }
                    more.append(Insert("arrival", again))
            return dataclasses.replace(change, rows=(*change.rows, *more))

    context.ledger = Doubling(context.ledger, life)


@_mutant("once")
def accepts_for_nobody_new(life: Life, context: Context, made: Made) -> None:
    """What is accepted gets a second receipt that names the same recipients."""

    class Doubling(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            rows, then = (*change.rows, *self._again(change.rows)), change.then

            def other(numbers: Any) -> Sequence[Any]:
                late = then(numbers)
                return [*late, *self._again(late)]

            return dataclasses.replace(change, rows=rows, then=other if then else None)

        @staticmethod
        def _again(rows: Sequence[Any]) -> list[Insert]:
            more = []
            for row in rows:
                if _of(row, Insert, "receipt_entry") and row.values["kind"] == "accepted":
                    name = context.ids.new()
                    body = row.values["body"].replace(row.values["id"], name)
                    digest = entry_hash(body.encode()).hex()
                    again = {"id": name, "body": body, "entry_hash": digest}
                    more.append(Insert("receipt_entry", dict(row.values) | again))
            return more

    context.ledger = Doubling(context.ledger, life)


@_mutant("once")
def names_the_earlier_ones_too(life: Life, context: Context, made: Made) -> None:
    """What is sent on to more recipients names those who have it."""

    class Whole(_Other):
        async def all(self, query: str, **params: Any) -> Any:
            rows = await self.inner.all(query, **params)
            return rows[-1:] if query == "transfers_of" else rows

    context.ledger = Whole(context.ledger, life)


@_mutant("told-once")
def tells_twice(life: Life, context: Context, made: Made) -> None:
    """The sender is told each status twice."""

    class Doubling(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            more = [
                Insert("status_report", dict(row.values) | {"id": f"{row.values['id']}x"})
                for row in change.rows
                if _of(row, Insert, "status_report") and row.values.get("offered_at")
            ]
            return dataclasses.replace(change, rows=(*change.rows, *more))

    context.ledger = Doubling(context.ledger, life)


@_mutant("told-once")
def answers_a_question_twice(life: Life, context: Context, made: Made) -> None:
    """Who asks for a document is told 15 twice."""

    class Doubling(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            more = [
                Insert("status_report", dict(row.values) | {"id": f"{row.values['id']}x"})
                for row in change.rows
                if _of(row, Insert, "status_report") and row.values["code"] == "15"
            ]
            return dataclasses.replace(change, rows=(*change.rows, *more))

    context.ledger = Doubling(context.ledger, life)


@_mutant("states")
def does_not_listen(life: Life, context: Context, made: Made) -> None:
    """A status is kept and moves nothing."""

    class Deaf(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            rows = tuple(
                r
                for r in change.rows
                if not (
                    _of(r, Update, "delivery")
                    and r.values.get("state") in {"done", "returned", "accepted"}
                )
            )
            return dataclasses.replace(change, rows=rows)

    context.ledger = Deaf(context.ledger, life)


@_mutant("early-ack")
def acknowledges_first(life: Life, context: Context, made: Made) -> None:
    """The peer hears done before the bytes are ours."""
    collector = made["collector"]
    item_of = collector._item

    async def hasty(adapter: Any, item: Any) -> int:
        await adapter.acknowledge(item, done=True)
        return await item_of(adapter, item)

    collector._item = hasty


# ---------------------------------------------------------------- numbers, log, bytes


@_mutant("numbers")
def skips_a_number(life: Life, context: Context, made: Made) -> None:
    """Every number is taken twice and used once."""

    class Wasteful(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            again = tuple(dataclasses.replace(n, name=f"{n.name}-wasted") for n in change.numbers)
            return dataclasses.replace(change, numbers=(*change.numbers, *again))

    context.ledger = Wasteful(context.ledger, life)


@_mutant("log")
def forges_an_entry(life: Life, context: Context, made: Made) -> None:
    """An entry of the log is changed after it was sequenced."""

    class Forging(_Rewriting):
        async def commit(self, change: ChangeSet) -> Any:
            done = await self.inner.commit(change)
            if any(_of(row, Insert, "tree_head") for row in change.rows):
                house = life.world.houses[life.house]
                house.ledger.connection.execute(
                    "UPDATE receipt_entry SET body = replace(body, 'H37', 'H38') WHERE idx = 0"
                )
            return done

    context.ledger = Forging(context.ledger, life)


@_mutant("content")
def loses_a_field(life: Life, context: Context, made: Made) -> None:
    """A header field does not arrive."""

    class Careless(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            rows = [self._row(row) for row in change.rows]
            then = change.then

            def other(numbers: Any) -> Sequence[Any]:
                return [self._row(row) for row in then(numbers)]

            return dataclasses.replace(change, rows=tuple(rows), then=other if then else None)

        @staticmethod
        def _row(row: Any) -> Any:
            if isinstance(row, (Insert, Update)) and "envelope" in row.values:
                text = str(row.values["envelope"]).replace("Giám đốc", "Phó giám đốc")
                return dataclasses.replace(row, values=dict(row.values) | {"envelope": text})
            return row

    context.ledger = Careless(context.ledger, life)


@_mutant("received")
def tidies_too_much(life: Life, context: Context, made: Made) -> None:
    """The received bytes are thrown away once the document is on its way."""

    class Tidy(_Rewriting):
        async def commit(self, change: ChangeSet) -> Any:
            done = await self.inner.commit(change)
            house = life.world.houses[life.house]
            for row in house.rows("SELECT received_sha256 FROM consignment WHERE state = 'closed'"):
                house.blobs.kept.pop(row["received_sha256"], None)
            return done

    context.ledger = Tidy(context.ledger, life)


# ---------------------------------------------------------------- the queue


@_mutant("rest")
def has_no_janitor(life: Life, context: Context, made: Made) -> None:
    """Nobody finds what a crash or a failed attempt left behind."""

    async def idle() -> None:
        return None

    made["janitor"].once = idle
    made["janitor"].at_start = idle


@_mutant("rest")
def drops_after_failure(life: Life, context: Context, made: Made) -> None:
    """What fails is deleted instead of kept."""

    class Dropping(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            failed = [
                r
                for r in change.rows
                if _of(r, Update, "transfer") and r.values.get("state") == "deferred"
            ]
            if not failed:
                return change
            rows = (*change.rows, Delete("transfer", {"id": failed[0].where["id"]}))
            return dataclasses.replace(change, rows=rows)

    context.ledger = Dropping(context.ledger, life)


@_mutant("urgent-first")
def first_come_first_served(life: Life, context: Context, made: Made) -> None:
    """Everything waits in the normal lane."""
    watched = context.lanes._inner._inner
    inner = watched._inner

    class Flat:
        async def publish(self, wanted: Any) -> None:
            await inner.publish([dataclasses.replace(one, lane=2) for one in wanted])

        async def take(self, topic: str, *, lowest: int = 0) -> Any:
            return await inner.take(topic, lowest=lowest)

    watched._inner = Flat()


@_mutant("feeds")
def sequences_late(life: Life, context: Context, made: Made) -> None:
    """A row of a feed appears behind the cursor of its readers."""

    class Late(_Rewriting):
        async def commit(self, change: ChangeSet) -> Any:
            done = await self.inner.commit(change)
            if _inserts(change, "arrival"):
                house = life.world.houses[life.house]
                house.ledger.connection.execute("UPDATE arrival SET inbox_seq = inbox_seq - 2")
            return done

    context.ledger = Late(context.ledger, life)


@_mutant("tables")
def goes_astray(life: Life, context: Context, made: Made) -> None:
    """A state goes where no row leads."""

    class Astray(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            rows = [
                dataclasses.replace(r, values=dict(r.values) | {"state": "refused"})
                if _of(r, Update, "consignment") and r.values.get("state") == "closed"
                else r
                for r in change.rows
            ]
            return dataclasses.replace(change, rows=tuple(rows))

    context.ledger = Astray(context.ledger, life)


# ---------------------------------------------------------------- operators, secrets


@_mutant("held")
def forgets_holds(life: Life, context: Context, made: Made) -> None:
    """What an operator holds goes on with the next commit."""

    class Forgetful(_Rewriting):
        async def commit(self, change: ChangeSet) -> Any:
            house = life.world.houses[life.house]
            house.ledger.connection.execute("UPDATE transfer SET stopped = 0")
            return await self.inner.commit(change)

    context.ledger = Forgetful(context.ledger, life)


@_mutant("drained")
def works_on_leave(life: Life, context: Context, made: Made) -> None:
    """A node that was given a rest goes on giving out work."""

    async def not_at_all(patience_s: float) -> bool:
        return True

    context.lanes.shut = not_at_all  # type: ignore[attr-defined]


@_mutant("secret")
def overlooks_a_stamp(life: Life, context: Context, made: Made) -> None:
    """Nobody sees the secrecy stamp on page 1."""

    class Blind(_Other):
        async def verify(self, *args: Any, **options: Any) -> Any:
            report = await self.inner.verify(*args, **options)
            return dataclasses.replace(report, secrecy_marks=())

    context.verifier = Blind(context.verifier, life)


# ---------------------------------------------------------------- taken back, registered, shut


@_mutant("recall")
def agrees_and_keeps(life: Life, context: Context, made: Made) -> None:
    """Who asked is told 15, and the document stays."""

    class Keeping(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            rows = [
                r
                for r in change.rows
                if not (_of(r, Update, "arrival") and r.values.get("state") == "recalled")
            ]
            return dataclasses.replace(change, rows=tuple(rows))

    context.ledger = Keeping(context.ledger, life)


@_mutant("recall")
def refuses_what_it_gave_back(life: Life, context: Context, made: Made) -> None:
    """Who was told 15 is told 16 after it, while the clock is behind."""

    class Fickle(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            more = []
            for row in change.rows:
                if _of(row, Insert, "status_report") and row.values["code"] == "15":
                    earlier = context.clock.now() - timedelta(hours=1)
                    refusal = dict(row.values) | {"id": f"{row.values['id']}x", "code": "16"}
                    refusal |= {"created_at": to_text(earlier), "offered_at": None}
                    more += [
                        Insert("status_report", refusal),
                        status_entry(context, refusal, earlier),
                    ]
            return dataclasses.replace(change, rows=(*change.rows, *more))

    context.ledger = Fickle(context.ledger, life)


@_mutant("registers")
def wastes_an_arrival_number(life: Life, context: Context, made: Made) -> None:
    """Every arrival number is taken twice and used once."""

    class Wasteful(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            given = [n for n in change.numbers if n.name == "arrival"]
            again = tuple(dataclasses.replace(n, name=f"{n.name}-wasted") for n in given)
            return dataclasses.replace(change, numbers=(*change.numbers, *again))

    context.ledger = Wasteful(context.ledger, life)


@_mutant("locked")
def leaves_the_door_open(life: Life, context: Context, made: Made) -> None:
    """Whose account is shut stays signed in."""

    class Open(_Rewriting):
        def change(self, change: ChangeSet) -> ChangeSet | None:
            return _without(change, "account", "account_session", kind=Update)

    context.ledger = Open(context.ledger, life)


@_mutant("alarm")
def is_surprised(life: Life, context: Context, made: Made) -> None:
    """A program meets something it never heard of."""

    class Odd(_Other):
        async def one(self, query: str, **params: Any) -> Any:
            row = await self.inner.one(query, **params)
            if query == "transfer" and row is not None and row["kind"] == "status":
                return {k: v for k, v in row.items() if k != "hop"}
            return row

    context.ledger = Odd(context.ledger, life)
