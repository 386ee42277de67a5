"""The ledger: change sets in, each one's own result out.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """Add one row; with `ignore`, a row already there is left as it is."""

    table: str
    values: Row
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Change the rows matching `where` (equality); `expect` rows must change, else conflict."""

    table: str
    where: Row
    values: Row
    expect: int | None = 1


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the rows matching `where`; a tuple as value means any of these.

    Only for work tables (outbox, blob_ref): facts are never deleted.
    """

    table: str
    where: Row


@dataclass(frozen=True, slots=True)
class Absent:
    """Guard: no row matches, else the change set is refused with the row that does."""

    table: str
    where: Row


@dataclass(frozen=True, slots=True)
class Present:
    """Guard: a row matches, else the change set is refused."""

    table: str
    where: Row


@dataclass(frozen=True, slots=True)
class NextNumber:
    """Take the next number of a counter (DID-01, DID-04): gap-free, never reused.

    The counter row is `(agency, year, series)`; the number is given to `then` under `name`.
    """

    name: str
    agency: str
    year: int
    series: str


Change = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Rows and guards that hold or fail together, in one transaction.

    Guards are checked inside the transaction, in order, before any row; then the numbers are
    taken; then `rows`; then the rows `then(numbers)` returns. A refused set leaves no trace and
    consumes no number. `then` only builds rows: it runs on a thread beside the loop, and again when
    the set is tried again. Inserts between two other changes may be written in another order.
    """

    rows: tuple[Change, ...] = ()
    guards: tuple[Absent | Present, ...] = ()
    numbers: tuple[NextNumber, ...] = ()
    then: Callable[[Mapping[str, int]], Sequence[Change]] | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """The set is durable. `numbers` are those taken."""

    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conflict:
    """The set was refused: the guard or update that failed, and the row in the way, if any."""

    failed: Absent | Present | Change
    row: Row | None = None


class Ledger(Protocol):
    """The only truth. Append-only events, unique keys, gap-free numbers."""

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after fsync. UnavailableError when it cannot commit."""
        ...

    def drain(self, limit: int) -> AbstractAsyncContextManager[Sequence[Row]]:
        """Lend up to `limit` outbox rows, oldest first; they go when the block ends well.

        Rows lent to somebody are not lent to another node. A block that fails, or a process that
        dies in it, leaves them: what was published of them is published again.
        """
        ...

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query, or None."""
        ...

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query (`gateway.store.queries`)."""
        ...
