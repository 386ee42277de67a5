"""Who may call: systems, their keys and secrets, as one snapshot of the ledger in memory.

Promises: a change made by any process is seen within a second; API keys are compared in constant
time, with the same work for a key nobody has; what is expired, revoked or disabled opens nothing.
Shared secrets are opened when first asked for and stay in memory only. A crash leaves nothing.
"""

import base64
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.moments import from_text
from gateway.errors import IntegrityError
from gateway.ports import Caller, Clock
from gateway.secrets import api_key_id, api_key_matches, hash_api_key, open_with
from gateway.store.places import Place, PostgresDatabase
from gateway.store.queries import QUERIES
from gateway.store.registry import Follower, RegistryWatch
from gateway.store.session import Session

_NOBODY: Final = hash_api_key("a key nobody has")


@dataclass(frozen=True, slots=True)
class _Credential:
    """A credential of an active system, as stored."""

    id: str
    system_id: str
    stored: str
    expires_at: datetime | None

    def valid_at(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Active systems and what opens the door for them; `opened` fills as secrets are asked for."""

    callers: dict[str, Caller] = field(default_factory=dict)
    api_keys: dict[str, _Credential] = field(default_factory=dict)
    secrets: dict[str, list[_Credential]] = field(default_factory=lambda: defaultdict(list))
    opened: dict[str, bytes] = field(default_factory=dict)


class LedgerCallers:
    """Callers port over the ledger.

    Args:
        place: Where the ledger is.
        key: The 32 bytes that protect shared secrets (`gateway.secrets.read_key_file`), or what
            reads those that may (`read_key_files`): a change of keys has an overlap.
        clock: Tells what has expired.
        monotonic: Seconds that never go back.
        follow: Whether a thread of its own keeps it current; None: behind a network only.
    """

    def __init__(
        self,
        place: Place,
        key: bytes | Callable[[], Sequence[bytes]],
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        follow: bool | None = None,
    ) -> None:
        self._keys = (lambda: (key,)) if isinstance(key, bytes) else key
        self._clock = clock
        self._watch = RegistryWatch(place, monotonic)
        self._snapshot = _Snapshot()
        self._follower: Follower[_Snapshot] | None = None
        if isinstance(place, PostgresDatabase) if follow is None else follow:
            self._follower = Follower(self._watch, _load, monotonic)

    def close(self) -> None:
        """Let go of the ledger."""
        if self._follower is not None:
            self._follower.close()
        self._watch.close()

    def by_api_key(self, api_key: str) -> Caller | None:
        """Return the caller behind a bearer key, None when unknown, disabled or expired."""
        snapshot = self._fresh()
        found = snapshot.api_keys.get(api_key_id(api_key) or "")
        # The same work for a key nobody has: the time taken names no key id.
        matches = api_key_matches(api_key, found.stored if found else _NOBODY)
        if found is None or not matches or not found.valid_at(self._clock.now()):
            return None
        return snapshot.callers[found.system_id]

    def system(self, system_id: str) -> Caller | None:
        """Return an active system that another authority vouched for, None when there is none."""
        return self._fresh().callers.get(system_id)

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        """Return the caller and its valid HMAC secrets, newest first; None when it has none.

        Raises:
            IntegrityError: A stored secret does not open under any key file.
        """
        snapshot = self._fresh()
        caller = snapshot.callers.get(system_id)
        if caller is None:
            return None
        now = self._clock.now()
        valid = [c for c in snapshot.secrets.get(system_id, ()) if c.valid_at(now)]
        return (caller, tuple(self._open(snapshot, c) for c in valid)) if valid else None

    def _open(self, snapshot: _Snapshot, credential: _Credential) -> bytes:
        if credential.id not in snapshot.opened:
            try:
                sealed = base64.b64decode(credential.stored, validate=True)
            except ValueError as exc:
                raise IntegrityError(f"the shared secret {credential.id} is damaged") from exc
            snapshot.opened[credential.id] = open_with(
                self._keys(), sealed, system_id=credential.system_id, credential_id=credential.id
            )
        return snapshot.opened[credential.id]

    def _fresh(self) -> _Snapshot:
        if self._follower is not None:
            return self._follower.value()
        if self._watch.changed():
            with self._watch.reading() as session:
                self._snapshot = _load(session)
        return self._snapshot


def _load(session: Session) -> _Snapshot:
    spoken_for: dict[str, set[str]] = defaultdict(set)
    for row in session.rows(QUERIES["system_agencies"]):
        spoken_for[row["system_id"]].add(row["agency"])
    snapshot = _Snapshot()
    for row in session.rows(QUERIES["systems"]):
        if row["status"] == "active":
            snapshot.callers[row["id"]] = Caller(row["id"], frozenset(spoken_for[row["id"]]))
    for row in session.rows(QUERIES["credentials"]):
        if row["system_id"] not in snapshot.callers:
            continue
        expires = from_text(row["expires_at"]) if row["expires_at"] else None
        if row["kind"] == "api-key":
            found = _Credential(row["id"], row["system_id"], row["hash"] or "", expires)
            snapshot.api_keys[found.id] = found
        elif row["kind"] == "shared-secret":
            found = _Credential(row["id"], row["system_id"], row["sealed"] or "", expires)
            snapshot.secrets[found.system_id].append(found)
    for several in snapshot.secrets.values():
        # Two during rotation: the one that stays is tried first.
        several.sort(key=lambda c: (c.expires_at is not None, c.id))
    return snapshot
