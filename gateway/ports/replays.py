"""Playing an inbox again, for an agency that restored an old backup.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.ports.callers import Caller


@dataclass(frozen=True, slots=True)
class Rewound:
    """What is offered to a system again.

    Args:
        system_id: Whose inbox.
        cursor: What lies behind it is offered again.
        until: The newest cursor when it was asked for.
        documents: Documents taken before that come again, with the same ids and bytes.
        statuses: Status reports likewise.
        purged: Documents of these whose bytes retention let go: they are not offered again.
        consumers: Consumers of feeds that were put back too (`amqp:…`, `spool:…`).
        began_at: When it began; None when it was only looked at.
    """

    system_id: str
    cursor: int
    until: int
    documents: int
    statuses: int
    purged: int
    consumers: tuple[str, ...]
    began_at: datetime | None


class Replays(Protocol):
    """Inboxes played again. First receive times, statuses and receipts stay as they are."""

    async def rewind(
        self,
        caller: Caller,
        *,
        to: int | None,
        since: datetime | None,
        by: str,
        reason: str,
        dry_run: bool = False,
    ) -> Rewound:
        """Offer again what lies behind a cursor, or came since a time (audited).

        RejectedError(BAD_REQUEST) for a cursor that was never given.
        """
        ...
