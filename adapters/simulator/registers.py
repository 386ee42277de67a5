"""What a simulated axis knows: systems with their secrets, agencies, items, tokens.

Everything lives in memory: a crash forgets it and leaves the packets in their folder.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from adapters.simulator import packets
from gateway.ports import AgencyRow, Caller, MessageKind


@dataclass
class AxisItem:
    """One packet for one addressed code."""

    id: str
    kind: MessageKind
    sending_id: str
    sender: str
    to: str
    system_id: str
    head: packets.Head
    path: Path
    at: datetime
    taken_at: datetime | None = None
    failed_note: str | None = None
    last_status: str = ""


@dataclass
class Registers:
    """Everything the axis knows; the façade's Callers.

    A system has one secret for every way of showing it: shared secret, password, token.
    """

    secrets: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    agencies: dict[str, AgencyRow] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    items: dict[str, AxisItem] = field(default_factory=dict)
    sendings: dict[str, str] = field(default_factory=dict)
    answered: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    window_shows_taken: bool = False

    def add_system(self, system_id: str, secret: bytes, agencies: Sequence[AgencyRow]) -> None:
        """Register a system, or replace its secret, with the agencies behind it."""
        self.secrets[system_id] = (secret,)
        for row in agencies:
            for code in filter(None, (row.code, row.legacy_code)):
                self.agencies[code] = row
                self.owners[code] = system_id

    def by_api_key(self, api_key: str) -> Caller | None:
        """Return the system whose secret this is."""
        shown = api_key.encode("utf-8", "surrogateescape")
        for system_id, known in self.secrets.items():
            if any(hmac.compare_digest(secret, shown) for secret in known):
                return self.system(system_id)
        return None

    def system(self, system_id: str) -> Caller | None:
        """Return a registered system."""
        known = self.shared_secrets(system_id)
        return None if known is None else known[0]

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        """Return a registered system with its secrets."""
        known = self.secrets.get(system_id)
        if not known:
            return None
        codes = {code for code, owner in self.owners.items() if owner == system_id}
        return Caller(system_id, frozenset(codes)), known


class MemoryTokens:
    """Tokens of callers that sign in first; see `ports.Tokens`.

    Args:
        registers: Who is known.
        now: The time.
    """

    def __init__(self, registers: Registers, now: Callable[[], datetime]) -> None:
        self._registers = registers
        self._now = now
        self._issued: dict[str, tuple[str, bytes, str, datetime]] = {}

    def issue(self, system_id: str, secret: bytes, *, audience: str, ttl: timedelta) -> str:
        """Return a new token for a system that has shown one of its secrets."""
        token = secrets.token_urlsafe(32)
        self._issued[token] = (system_id, secret, audience, self._now() + ttl)
        return token

    def check(self, token: str, *, audience: str) -> Caller | None:
        """Return whose token it is; None when unknown, expired, or its secret is no longer good."""
        found = self._issued.get(token)
        if found is None:
            return None
        system_id, secret, meant_for, ends = found
        known = self._registers.shared_secrets(system_id)
        if known is None or meant_for != audience or ends <= self._now():
            return None
        return known[0] if secret in known[1] else None

    def forget(self) -> None:
        """Let every token end, as an axis does that was started again."""
        self._issued.clear()
