"""Running change sets and the sequencer on an asyncpg connection, statement by statement.

What they ask is said once for both engines (`gateway.store.steps`, `gateway.store.sequencer`); the
caller owns the transaction, the write lock, and the event loop with its thread.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count
from typing import Any, Final

import asyncpg

from gateway.ports import ChangeSet, Committed, Row
from gateway.store.dialects import postgres
from gateway.store.postgres.connection import Connection
from gateway.store.sequencer import Look, places
from gateway.store.steps import Ask, Purpose, Taken, steps

_WRITES: Final = frozenset({Purpose.WRITE, Purpose.MANY})


class _Singly(Exception):  # noqa: N818 - control flow inside this module only
    """One of many rows is in the way: apply the set again, row by row, to say which."""


async def apply(
    connection: Connection, change: ChangeSet, *, alone: bool = False
) -> tuple[Committed, bool]:
    """Apply one change set; return its result, and whether it wrote outbox rows.

    Args:
        connection: In a transaction that holds the write lock.
        change: What to apply.
        alone: The savepoint `one` does not stand yet.

    Raises:
        SetRefused: A guard, an expected update or a unique key says no; as with any other error
            the caller goes back to the savepoint, or gives the transaction up.
    """
    if alone:
        await connection.execute("SAVEPOINT one")
    try:
        return await _apply(connection, change)
    except _Singly:
        await connection.execute("ROLLBACK TO one")
        return await _apply(connection, change, singly=True)


async def _apply(
    connection: Connection, change: ChangeSet, *, singly: bool = False
) -> tuple[Committed, bool]:
    """Apply a set; inserts between two other statements go as one journey, unless `singly`."""
    held: list[Ask] = []
    try:
        done, owed = await _drive(connection, replace(change, then=None), held, singly=singly)
        if change.then is not None:
            # It signs a receipt, perhaps with a key in a token that takes its time: whoever drives
            # this has a loop of its own, where nobody else waits.
            more = ChangeSet(rows=tuple(change.then(done.numbers)))
            owed = (await _drive(connection, more, held, singly=singly))[1] or owed
    except Exception:
        # What `then` raises comes after the rows: one of those held back may have refused before.
        await _insert(connection, held)
        raise
    await _insert(connection, held)
    return done, owed


async def _drive(
    connection: Connection, change: ChangeSet, held: list[Ask], *, singly: bool
) -> tuple[Committed, bool]:
    """Do what a set's steps ask; inserts at its end are left in `held`."""
    going = steps(change)
    owed = False
    try:
        ask = next(going)
        while True:
            owed = owed or ask.sql.startswith("INSERT INTO outbox ")
            if singly and ask.purpose is Purpose.MANY:
                ask = going.throw(Taken())
                continue
            if not singly and ask.purpose in _WRITES and ask.sql.startswith("INSERT"):
                held.append(ask)
                ask = going.send(None)
                continue
            await _insert(connection, held)
            try:
                answer = await _ask(connection, ask)
            except asyncpg.UniqueViolationError as exc:
                taken = Taken()
                taken.__cause__ = exc
                ask = going.throw(taken)
            else:
                ask = going.send(answer)
    except StopIteration as done:
        return done.value, owed


async def _ask(connection: Connection, ask: Ask) -> Row | int | None:
    asked = postgres(ask.sql)
    arguments = asked.arguments(ask.params)
    if ask.purpose in _WRITES:
        said: str = await connection.execute(asked.text, *arguments)
        return int(said.rsplit(" ", 1)[-1])  # INSERT 0 3, UPDATE 3
    row: Row | None = await connection.fetchrow(asked.text, *arguments)
    return row


async def _insert(connection: Connection, held: list[Ask]) -> None:
    """Write what was held back, and forget it; several tables in one statement."""
    left, held[:] = list(held), []
    try:
        while left:
            # A table comes once in a statement: within one, nobody promises an order.
            tables: set[str] = set()
            while len(tables) < len(left) and _table(left[len(tables)]) not in tables:
                tables.add(_table(left[len(tables)]))
            some, left = left[: len(tables)], left[len(tables) :]
            values = [value for ask in some for value in ask.params]
            await connection.execute(_joined(tuple(ask.sql for ask in some)), *values)
    except asyncpg.UniqueViolationError as exc:
        raise _Singly from exc


def _table(ask: Ask) -> str:
    return ask.sql.split(" ", 3)[2]


@lru_cache(maxsize=2048)
def _joined(inserts: tuple[str, ...]) -> str:
    """Return several inserts as one statement; foreign keys are looked at when it ends."""
    if len(inserts) == 1:
        return postgres(inserts[0]).text
    places = count(1)
    parts = [
        f"i{number} AS ({re.sub('[?]', lambda _: f'${next(places)}', sql)})"
        for number, sql in enumerate(inserts)
    ]
    return f"WITH {', '.join(parts)} SELECT 1"


async def sequence(connection: Connection) -> None:
    """Place everything that waits; the caller commits."""
    going = places()
    rows: Sequence[Any] = ()
    try:
        step = next(going)
        while True:
            asked = postgres(step.sql)
            if isinstance(step, Look):
                rows = await connection.fetch(asked.text, *asked.arguments(step.params))
            else:
                await connection.executemany(asked.text, [asked.arguments(p) for p in step.many])
                rows = ()
            step = going.send(rows)
    except StopIteration:
        return
