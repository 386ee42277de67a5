"""What a change set means, once for both engines: statements in order, and what each must answer.

`steps` yields one `Ask` after another and is sent the engine's answer; whoever drives it owns the
transaction, translates the SQL for its engine, and rolls back when `SetRefused` comes out. Pure: a
crash leaves what the driver's transaction leaves.

1. guards; 2. numbers; 3. rows; 4. the rows `then` returns for the numbers.
"""

from collections.abc import Generator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from gateway.ports import (
    Absent,
    Change,
    ChangeSet,
    Committed,
    Conflict,
    Insert,
    NextNumber,
    Row,
    Update,
)
from gateway.store import statements
from gateway.store.schema import RANK

_ROWS: Final = 16

Params = Sequence[Any] | Mapping[str, Any]
_Shape = tuple[str, tuple[str, ...], bool]
"""What makes inserts one statement: table, columns in order, whether to ignore what is there."""


class Purpose(Enum):
    """Why a statement is asked, which says what its answer is."""

    GUARD = "guard"
    """Answer: the first row or None. It must stay true until the commit: lock it if you must."""
    NUMBER = "number"
    """Answer: the first row, holding `last`."""
    WRITE = "write"
    """Answer: how many rows changed; throw `Taken` for a broken unique key."""
    MANY = "many"
    """As WRITE, but the set goes on after `Taken`: it must have left nothing (a savepoint)."""
    LOOK = "look"
    """Answer: the first row or None, for a refusal only."""


class Ask(NamedTuple):
    """One statement: SQL with `?` (a sequence) or `:name` (a mapping) parameters."""

    purpose: Purpose
    sql: str
    params: Params


Answer = Row | int | None
Steps = Generator[Ask, Answer, Committed]
_Writing = Generator[Ask, Answer, None]


class Taken(Exception):  # noqa: N818 - control flow inside the store only
    """Thrown into `steps`: the statement broke a unique key and left nothing."""


class SetRefused(Exception):  # noqa: N818 - control flow inside the store only
    """A change set says no to itself; the caller rolls it back, unless nothing was written yet."""

    def __init__(self, conflict: Conflict, *, wrote: bool = True) -> None:
        self.conflict = conflict
        self.wrote = wrote
        super().__init__(repr(conflict.failed))


def steps(change: ChangeSet) -> Steps:
    """Say what one change set asks of the engine, inside the caller's transaction.

    Raises:
        SetRefused: A guard, an expected update or a unique key says no.
    """
    for guard in change.guards:  # (1)
        found: Any = yield _find(Purpose.GUARD, guard.table, guard.where)
        if (found is None) is not isinstance(guard, Absent):
            raise SetRefused(
                Conflict(guard, dict(found) if found is not None else None), wrote=False
            )
    numbers: dict[str, int] = {}
    for number in change.numbers:  # (2)
        taken: Any = yield _take(number)
        numbers[number.name] = int(taken["last"])
    yield from _write(change.rows)  # (3)
    if change.then is not None:  # (4)
        yield from _write(change.then(numbers))
    return Committed(numbers)


def _find(purpose: Purpose, table: str, where: Mapping[str, Any]) -> Ask:
    sql = statements.select_sql(table, statements.where_shape(where))
    return Ask(purpose, sql, statements.where_params(where))


def _take(number: NextNumber) -> Ask:
    # DID-01 (S003 art 8.3): one counter per agency and year; inside the transaction, so that a
    # refused set gives its number back and two sets never see the same one.
    return Ask(
        Purpose.NUMBER,
        "INSERT INTO counter (agency, year, series, last) VALUES (?, ?, ?, 1) "
        "ON CONFLICT (agency, year, series) DO UPDATE SET last = counter.last + 1 RETURNING last",
        (number.agency, number.year, number.series),
    )


def _write(rows: Sequence[Change]) -> _Writing:
    """Write rows in order; inserts between two other changes go together, table by table.

    On SQLite each call of the engine lets go of the interpreter and must win it back from a busy
    loop, on PostgreSQL it is a journey: many rows in one statement are what keeps a batch quick.
    """
    waiting: dict[_Shape, list[Insert]] = {}
    for change in rows:
        if isinstance(change, Insert):
            shape = (change.table, tuple(change.values), change.ignore)
            waiting.setdefault(shape, []).append(change)
            continue
        if waiting:
            yield from _insert(waiting)
            waiting.clear()
        where = change.where
        shape_of = statements.where_shape(where)
        params = statements.where_params(where)
        if isinstance(change, Update):
            sql = statements.update_sql(change.table, tuple(change.values), shape_of)
            params |= {f"v_{k}": v for k, v in change.values.items()}
        else:
            sql = statements.delete_sql(change.table, shape_of)
        try:
            changed = yield Ask(Purpose.WRITE, sql, params)
        except Taken as taken:
            raise SetRefused(Conflict(change, None)) from taken.__cause__
        if isinstance(change, Update) and change.expect not in {None, changed}:
            key = {"id": where["id"]} if "id" in where else where
            found: Any = yield _find(Purpose.LOOK, change.table, key)
            raise SetRefused(Conflict(change, dict(found) if found is not None else None))
    if waiting:
        yield from _insert(waiting)


def _insert(waiting: Mapping[_Shape, list[Insert]]) -> _Writing:
    # Parents before children, whatever the order they were written in: foreign keys hold at once.
    for shape in sorted(waiting, key=_rank) if len(waiting) > 1 else waiting:
        table, columns, ignore = shape
        inserts = waiting[shape]
        for first in range(0, len(inserts), _ROWS):
            some = inserts[first : first + _ROWS]
            if len(some) > 1:
                sql = statements.insert_sql(table, columns, ignore, len(some))
                try:
                    yield Ask(Purpose.MANY, sql, [v for one in some for v in one.values.values()])
                    continue
                except Taken:
                    pass  # the statement left nothing: one by one says which row is in the way
            single = statements.insert_sql(table, columns, ignore)
            for one in some:
                try:
                    yield Ask(Purpose.WRITE, single, list(one.values.values()))
                except Taken as taken:
                    raise SetRefused(Conflict(one, None)) from taken.__cause__


def _rank(shape: _Shape) -> int:
    return RANK[shape[0]]
