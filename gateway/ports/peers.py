"""The contract of an adapter: a door of ours to one peer.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.ports.callers import AgencyRow, MessageKind


@dataclass(frozen=True, slots=True)
class Parcel:
    """What an adapter takes to a peer: finished bytes, their hash, and how to address them."""

    transfer_id: str
    kind: MessageKind
    sender: str
    recipients: tuple[str, ...]
    document_id: str
    sha256: str
    size_bytes: int
    open: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The peer has it, under its own key."""

    peer_doc_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: anything that may pass. Unknown trouble is Busy plus an alert, never final."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the peer named a business error (rules C7). The same parcel will not pass."""

    reason: str
    code: str = ""


Outcome = Taken | Busy | Refused


@dataclass(frozen=True, slots=True)
class Listed:
    """One item a peer offers us."""

    peer_doc_id: str
    kind: MessageKind
    sender: str = ""
    recipients: tuple[str, ...] = ()
    status: str = ""
    created_at: datetime | None = None


class SharedSecret(Protocol):
    """A secret that may be replaced while it is used, old and new side by side for a while."""

    def offered(self) -> Sequence[bytes]:
        """Return the secrets to try, in this order; at least one."""
        ...

    def refused(self, secret: bytes) -> None:
        """Note that the peer does not know it."""
        ...

    def worked(self, secret: bytes) -> None:
        """Note that the peer took it."""
        ...


class Adapter(Protocol):
    """A door to one peer.

    Never raises for what the peer does: it returns an Outcome, or raises UnavailableError from the
    collecting side (an unreadable answer is not an empty list).
    """

    name: str

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over."""
        ...

    async def listing(
        self, kind: MessageKind, *, since: datetime | None = None
    ) -> Sequence[Listed]:
        """Return what waits for us there.

        With `since`, what came there from then on, taken or not, as far as the peer says so.
        """
        ...

    def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; RejectedError when it never can be ours."""
        ...

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that the item is ours (after our commit) or unusable."""
        ...

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the peer's catalogue."""
        ...

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
