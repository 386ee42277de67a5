"""What happens to a caller's documents, told as it happens: for pollers, streams and webhooks.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.ports.callers import Caller
from gateway.ports.desk import Json


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened: ids, codes and states; never content, never a person's name.

    Args:
        cursor: Its place in the feed, growing, never skipped.
        kind: Public name, such as `inbox.document` (`gateway.domain.notices`).
        body: `{id, kind, at, subject, document_id, agencies, code, verdict, href}`, absent values
            left out.
    """

    cursor: int
    kind: str
    body: Json


@dataclass(frozen=True, slots=True)
class NoticePage:
    """A page; `next` is the cursor to ask behind, whatever was left out by the choice of kinds."""

    notices: Sequence[Notice]
    next: int


class Notices(Protocol):
    """The feed of what happened, in the order it was committed; no reader of it skips a row."""

    async def after(
        self, caller: Caller, cursor: int, *, limit: int, kinds: tuple[str, ...] = ()
    ) -> NoticePage:
        """Return what a caller may hear of behind a cursor.

        RejectedError(GONE) for a cursor this ledger never gave, or one older than what is kept.
        """
        ...

    async def heard(self, caller: Caller, notices: Sequence[Notice]) -> None:
        """Record that a caller was given some notices, where that is kept (OPS-06)."""
        ...

    async def newest(self) -> int:
        """Return the highest cursor given so far: who begins here hears what is to come."""
        ...

    async def changed(self, seen: int, timeout_s: float) -> bool:
        """Return True when the highest cursor is another than `seen`, False after so long."""
        ...
