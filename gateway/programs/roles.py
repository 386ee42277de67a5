"""roles: which programs a `vanlien serve` runs. A table, and what it means; nothing here does work.

Any number of nodes may have a role. `all` is every program in one process, which is also the only
way to run on an SQLite ledger.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a node is for."""

    API = "api"
    ISSUE = "issue"
    DISPATCH = "dispatch"
    RELAY = "relay"
    COLLECT = "collect"
    RECEIVE = "receive"
    JANITOR = "janitor"
    AMQP = "amqp"
    ALL = "all"


class Program(StrEnum):
    """One background program, or the listeners for callers."""

    LISTEN = "listen"
    ISSUE = "issue"
    DISPATCH = "dispatch"
    RELAY = "relay"
    COLLECTOR = "collector"
    CATALOGUER = "cataloguer"
    RECEIVER = "receiver"
    JANITOR = "janitor"
    BACKUP = "backup"
    RECHECK = "recheck"
    REVOCATION = "revocation"
    CLOCK = "clock"
    HERALD = "herald"
    AMQP = "amqp"
    SPOOL = "spool"
    WATCH = "watch"


_VERIFIES: Final = frozenset({Program.REVOCATION, Program.CLOCK})
"""Beside every program that verifies: lists of its own machine, and the time they are held to."""

PROGRAMS: Final[Mapping[Role, frozenset[Program]]] = {
    Role.API: _VERIFIES | {Program.LISTEN, Program.SPOOL},
    Role.ISSUE: _VERIFIES | {Program.ISSUE, Program.RECHECK},
    Role.DISPATCH: frozenset({Program.DISPATCH}),
    Role.RELAY: frozenset({Program.RELAY, Program.CLOCK, Program.HERALD}),
    Role.COLLECT: _VERIFIES | {Program.COLLECTOR, Program.CATALOGUER},
    Role.RECEIVE: _VERIFIES | {Program.RECEIVER},
    Role.JANITOR: frozenset({Program.JANITOR, Program.BACKUP, Program.CLOCK, Program.WATCH}),
    Role.AMQP: _VERIFIES | {Program.AMQP},
    Role.ALL: frozenset(Program),
}


def programs_of(roles: Iterable[Role]) -> frozenset[Program]:
    """Return the programs of a node."""
    return frozenset().union(*(PROGRAMS[role] for role in roles))


def verifies(programs: Iterable[Program]) -> bool:
    """Tell whether a node needs verifier processes."""
    return Program.REVOCATION in set(programs)
