"""The ring of receipt keys: which one signs from when, and every public key there ever was.

Pure: text in, facts out. A key is made (`new`), becomes the signing one at an instant (`activated`)
and is given up one day (`retired`): its public half stays for ever, because receipts and tree heads
it signed must stay verifiable. A gateway that never changed its key has no ring at all.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway.errors import ConfigurationError
from gateway.receipts.proof import load_keys

VERSION: Final = 1
ALWAYS: Final = "1970-01-01T00:00:00+00:00"


class KeyState(StrEnum):
    """What a key of the ring is at an instant."""

    NEW = "new"
    WAITING = "waiting"
    SIGNS = "signs"
    KEPT = "kept"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key.

    Args:
        kid: RFC 7638 thumbprint.
        public_key: PEM.
        key: Where the private half is: a file (relative to the ring's folder) or a PKCS#11 URI.
        made_at: ISO 8601.
        signs_from: ISO 8601, "" while it was never activated.
        retired_at: ISO 8601, "" while it is not given up.
    """

    kid: str
    public_key: str
    key: str
    made_at: str
    signs_from: str = ""
    retired_at: str = ""

    def signs_at(self, now: datetime) -> bool:
        """Tell whether it may sign at an instant."""
        begun = self.signs_from and datetime.fromisoformat(self.signs_from) <= now
        return bool(begun) and not self.retired_at


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys, oldest first."""

    keys: tuple[RingKey, ...]

    def get(self, kid: str) -> RingKey:
        """Return the key a kid, or the beginning of one, names.

        Raises:
            ConfigurationError: None, or several.
        """
        found = [key for key in self.keys if kid and key.kid.startswith(kid)]
        if len(found) != 1:
            raise ConfigurationError(
                f"the ring has {'no key' if not found else 'several keys'} called {kid!r}"
            )
        return found[0]

    def signer(self, now: datetime) -> RingKey:
        """Return the key that signs: of those that may, the one activated last.

        Raises:
            ConfigurationError: None may.
        """
        able = [key for key in self.keys if key.signs_at(now)]
        if not able:
            raise ConfigurationError("no key of the ring may sign now")
        return max(able, key=lambda key: datetime.fromisoformat(key.signs_from))

    def state(self, key: RingKey, now: datetime) -> KeyState:
        """Return what a key is."""
        if key.retired_at:
            return KeyState.RETIRED
        if not key.signs_from:
            return KeyState.NEW
        if not key.signs_at(now):
            return KeyState.WAITING
        return KeyState.SIGNS if key == self.signer(now) else KeyState.KEPT

    def public_keys(self) -> Sequence[str]:
        """Return every public key as PEM, newest first."""
        return [key.public_key for key in reversed(self.keys)]

    def adding(self, key: RingKey) -> "Ring":
        """Return the ring with one key more; ConfigurationError when it is there already."""
        if any(known.kid == key.kid for known in self.keys):
            raise ConfigurationError(f"the key {key.kid} is in the ring already")
        return Ring((*self.keys, key))

    def activating(self, kid: str, at: datetime) -> "Ring":
        """Return the ring in which a key signs from an instant on.

        Raises:
            ConfigurationError: It is retired, signs already, or `at` lies before another's turn:
                the order of the keys is that of their turns.
        """
        key = self.get(kid)
        if key.retired_at:
            raise ConfigurationError(f"the key {key.kid} is retired: make a new one")
        if key.signs_from:
            raise ConfigurationError(f"the key {key.kid} was activated before: make a new one")
        turns = [datetime.fromisoformat(k.signs_from) for k in self.keys if k.signs_from]
        if turns and at <= max(turns):
            raise ConfigurationError("a key activated before would sign later than this one")
        return self._with(replace(key, signs_from=at.isoformat()))

    def retiring(self, kid: str, at: datetime) -> "Ring":
        """Return the ring in which a key never signs again.

        Raises:
            ConfigurationError: It is the one that signs, or the only one that could.
        """
        key = self.get(kid)
        if key.retired_at:
            raise ConfigurationError(f"the key {key.kid} is retired already")
        if key.signs_at(at) and key == self.signer(at):
            raise ConfigurationError(f"the key {key.kid} signs now: activate another one first")
        return self._with(replace(key, retired_at=at.isoformat()))

    def _with(self, changed: RingKey) -> "Ring":
        return Ring(tuple(changed if key.kid == changed.kid else key for key in self.keys))


def read_ring(data: bytes) -> Ring:
    """Return the ring a file holds; every kid is worked out again from its key.

    Raises:
        ConfigurationError: It is no such file, or was tampered with.
    """
    try:
        found: Any = json.loads(data)
        if found["version"] != VERSION:
            raise ConfigurationError("the key ring has a version this program does not know")
        keys = tuple(RingKey(**row) for row in found["keys"])
        for key in keys:
            if set(load_keys(key.public_key.encode())) != {key.kid}:
                raise ConfigurationError(
                    f"the key ring: {key.kid} is not the key that stands there"
                )
            for text in (key.made_at, key.signs_from, key.retired_at):
                _aware(text)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise ConfigurationError("the key ring cannot be read") from exc
    if not keys or len({key.kid for key in keys}) != len(keys):
        raise ConfigurationError("the key ring is empty, or has a key twice")
    return Ring(keys)


def _aware(text: str) -> None:
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without zone")


def ring_bytes(ring: Ring) -> bytes:
    """Return the file of a ring."""
    rows = [asdict(key) for key in ring.keys]
    return json.dumps({"version": VERSION, "keys": rows}, indent=2).encode() + b"\n"
