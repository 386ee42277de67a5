"""Exchange and queues of the agencies' door as data, and who may do what with them. Pure values.

Agencies publish to one exchange. What bears the routing key "urgent" goes to a queue of its own, so
that it never waits behind the rest; everything else, whatever its key, to the other: no routing key
can lose a message. Each system has two queues, one for our answers and one for what is brought to
it. They are made by us: a system needs no right to make or bind anything, so it can pretend to no
other's queue.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

PREFIX: Final = "vanlien"
URGENT: Final = "urgent"
"""Routing key of what is not to wait behind the rest."""
_GIB: Final = 1 << 30
Arguments = Mapping[str, str | int]


def _quorum(most: int, most_bytes: int, overflow: str) -> Arguments:
    return MappingProxyType(
        {
            "x-queue-type": "quorum",
            "x-max-length": most,
            "x-max-length-bytes": most_bytes,
            "x-overflow": overflow,
        }
    )


DELIVERY_LIMIT: Final = 120
"""Times a message is handed out before the broker itself sets it aside: one whose properties no
client can read breaks the connection of whoever takes it, before anybody has seen it."""
# Full means "not now" to who publishes: his confirm says so, and nothing is lost unseen.
_INCOMING: Final = _quorum(100_000, 16 * _GIB, "reject-publish")
_OUT: Final = _quorum(10_000, 4 * _GIB, "reject-publish")
# Answers can be had again (the same message_id), and what lies dead is evidence: the newest stay.
_REPLY: Final = _quorum(100_000, _GIB // 2, "drop-head")
_DEAD: Final = _quorum(10_000, 4 * _GIB, "drop-head")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange: its name, its type, what it is declared with."""

    name: str
    type: str
    arguments: Arguments = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: its name, what it is declared with, the exchange and key that fill it."""

    name: str
    arguments: Arguments
    exchange: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What `rabbitmqctl set_permissions` is told about one system's user."""

    user: str
    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class Names:
    """The names, all with one beginning.

    Args:
        prefix: What they begin with.
    """

    prefix: str = PREFIX

    @property
    def exchange(self) -> str:
        """Where systems publish."""
        return f"{self.prefix}.in"

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every exchange, in the order they can be made."""
        # SND-03 (rules C1): what is urgent overtakes; what matches no key goes to the other.
        other = f"{self.exchange}.other"
        return (
            Exchange(other, "fanout"),
            Exchange(self.exchange, "direct", MappingProxyType({"alternate-exchange": other})),
        )

    @property
    def incoming(self) -> Queue:
        """What systems published and we have not answered yet."""
        return Queue(f"{self.prefix}.in", self._incoming, f"{self.exchange}.other")

    @property
    def urgent(self) -> Queue:
        """The same, of what its sender calls urgent."""
        return Queue(f"{self.prefix}.in.urgent", self._incoming, self.exchange, URGENT)

    @property
    def _incoming(self) -> Arguments:
        last: dict[str, str | int] = {
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead.name,
            # Else the broker may lose what it moves.
            "x-dead-letter-strategy": "at-least-once",
        }
        return MappingProxyType({**_INCOMING, **last})

    @property
    def dead(self) -> Queue:
        """What nobody could be answered about, or nobody could work on."""
        return Queue(f"{self.prefix}.in.dead", _DEAD)

    def reply(self, system_id: str) -> Queue:
        """Return where a system finds our answers."""
        return Queue(f"{self.prefix}.reply.{system_id}", _REPLY)

    def out(self, system_id: str) -> Queue:
        """Return where a system finds what is brought to it."""
        return Queue(f"{self.prefix}.out.{system_id}", _OUT)

    def every(self, systems: Iterable[str]) -> tuple[Queue, ...]:
        """Return all queues of a door that serves these systems."""
        own = (queue for one in systems for queue in (self.reply(one), self.out(one)))
        return (self.dead, self.urgent, self.incoming, *own)

    def permissions(self, system_id: str) -> Permissions:
        """Return all that a system's user may do: publish to us, read its own two queues."""
        start, user = re.escape(self.prefix), re.escape(system_id)
        return Permissions(system_id, "^$", rf"^{start}\.in$", rf"^{start}\.(out|reply)\.{user}$")
