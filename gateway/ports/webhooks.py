"""Webhooks: who wants to be told of what, and how a message is brought there.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Webhook:
    """One subscription.

    Args:
        id: Its name here.
        system_id: Whose it is.
        url: Where messages go.
        kinds: Names of events, groups such as `inbox.*`; empty for all.
        state: `active`, `paused` or `removed`.
        why: Why it is paused, "" while it is not.
        cursor: Everything up to here was told, or is dead.
        newest: The newest cursor there is.
        tries: Failed tries of the message that is next.
        failing_since: Since when it fails, None when it does not.
        due_at: When the next try may be.
        dead: Messages given up and not played again.
        created_at: When it was made.
    """

    id: str
    system_id: str
    url: str
    kinds: tuple[str, ...]
    state: str
    why: str
    cursor: int
    newest: int
    tries: int
    failing_since: datetime | None
    due_at: datetime
    dead: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """One message of a subscription: `trying`, `told`, `dead` or `refused`."""

    id: str
    cursor: int
    kind: str
    state: str
    tries: int
    began_at: datetime
    ended_at: datetime | None
    status: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Posted:
    """How one POST ended.

    Args:
        status: HTTP status; 0 when none came.
        outcome: Why not, a stable text without address or content; "" when it was taken.
        retry_after: The receiver's wish.
    """

    status: int
    outcome: str = ""
    retry_after: timedelta | None = None

    @property
    def taken(self) -> bool:
        """Return whether the receiver has it."""
        return 200 <= self.status < 300 and not self.outcome


class Post(Protocol):
    """Brings one message; never raises for what the receiver does."""

    def refusal(self, url: str) -> str:
        """Return why an address may not be used, "" when it may."""
        ...

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """POST a message."""
        ...


class Webhooks(Protocol):
    """Subscriptions. RejectedError(NOT_FOUND) for one that is not this system's ("": anybody's).

    Each change is one audited transaction; a running server sees it within a second.
    """

    async def add(
        self, system_id: str, url: str, kinds: Sequence[str], *, by: str
    ) -> tuple[Webhook, str]:
        """Add one; return it and its secret, shown this once. It hears what is to come."""
        ...

    async def listing(self, system_id: str) -> Sequence[Webhook]:
        """Return them, oldest first, without those removed."""
        ...

    async def one(self, system_id: str, webhook_id: str) -> Webhook:
        """Return one."""
        ...

    async def calls(
        self, system_id: str, webhook_id: str, *, dead: bool, limit: int
    ) -> Sequence[WebhookCall]:
        """Return its newest messages, or those given up."""
        ...

    async def rotate(
        self, system_id: str, webhook_id: str, *, overlap: timedelta, by: str
    ) -> tuple[Webhook, str]:
        """Give it a new secret; both sign until the overlap is over."""
        ...

    async def pause(self, system_id: str, webhook_id: str, *, reason: str, by: str) -> Webhook:
        """Bring nothing until it is resumed; nothing is lost."""
        ...

    async def resume(self, system_id: str, webhook_id: str, *, by: str) -> Webhook:
        """Go on where it stood, at once."""
        ...

    async def remove(self, system_id: str, webhook_id: str, *, by: str) -> Webhook:
        """End it for good; what it was told stays on record."""
        ...

    async def replay(
        self, system_id: str, webhook_id: str, cursor: int, *, reason: str, by: str
    ) -> Webhook:
        """Tell everything behind a cursor again, with the same message ids."""
        ...

    async def test(self, system_id: str, webhook_id: str) -> Posted:
        """Send a `webhook.test` message now, beside the feed."""
        ...
