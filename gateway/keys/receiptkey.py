"""The receipt key of a running gateway: the one of the ring whose turn it is.

Promises: signing never waits for a look at the disk; a key activated beside the server signs within
seconds (its instant may lie ahead, so that all nodes change together); while a new key cannot be
opened the earlier one goes on, with an alarm. The ring is written whole or not at all.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway import observe
from gateway.errors import ConfigurationError
from gateway.keys.tokenuri import is_uri, read_uri
from gateway.keys.watch import FilePatience, Trouble
from gateway.receipts.log import Value
from gateway.receipts.proof import PublicKey
from gateway.receipts.ring import ALWAYS, Ring, RingKey, read_ring, ring_bytes
from gateway.receipts.sign import ReceiptKey, load_private, public_pem

_MAX_RING: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where receipt keys are.

    Args:
        first: The key of the settings: a file, or a PKCS#11 URI.
        pin_file: PIN of the token.
        ring: File of the ring; absent until the key is changed the first time.
    """

    first: str
    pin_file: Path | None
    ring: Path

    def open(self, where: str) -> ReceiptKey:
        """Return the private key a ring's entry (or the settings) names.

        Raises:
            ConfigurationError: It cannot be used.
        """
        if not is_uri(where):
            return load_private(self.ring.parent / where)
        from gateway.keys.pkcs11 import TokenKey

        try:
            uri = read_uri(where)
        except ValueError as exc:
            raise ConfigurationError(f"receipts.key: {exc}") from exc
        return ReceiptKey(TokenKey(uri, self.pin_file))

    def read(self) -> Ring | None:
        """Return the ring, None when there is none yet.

        Raises:
            ConfigurationError: It cannot be read.
        """
        try:
            with self.ring.open("rb") as source:
                return read_ring(source.read(_MAX_RING))
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigurationError(f"{self.ring}: {exc.strerror}") from exc

    def begun(self) -> Ring:
        """Return the ring; without one, the ring that holds the settings' key alone."""
        ring = self.read()
        if ring is not None:
            return ring
        key, where = self.open(self.first), self.first
        if not is_uri(where) and Path(where).is_relative_to(self.ring.parent):
            where = str(Path(where).relative_to(self.ring.parent))  # the folder may move, whole
        entry = RingKey(key.kid, public_pem(key), where, ALWAYS, signs_from=ALWAYS)
        return Ring((entry,))

    def files(self) -> Mapping[str, Path]:
        """Return the ring and the key files it names, by what they are: `ring_file`, `ring.0`.

        Raises:
            ConfigurationError: The ring cannot be read.
        """
        ring = self.read()
        if ring is None:
            return {}
        files = [self.ring.parent / k.key for k in ring.keys if not is_uri(k.key)]
        return {"ring_file": self.ring, **{f"ring.{n}": path for n, path in enumerate(files)}}

    def write(self, ring: Ring) -> None:
        """Replace the ring, durably."""
        part = self.ring.with_name(self.ring.name + ".part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            with os.fdopen(descriptor, "wb") as out:
                out.write(ring_bytes(ring))
                out.flush()
                os.fsync(out.fileno())
            part.replace(self.ring)
            folder = os.open(self.ring.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            raise ConfigurationError(f"{self.ring}: {exc.strerror}") from exc


def signing_now(place: KeyPlace, now: datetime) -> tuple[ReceiptKey, Sequence[str]]:
    """Return the key that signs, opened, and the public keys before it, newest first.

    Raises:
        ConfigurationError: It cannot be used.
    """
    ring = place.read()
    if ring is None:
        return place.open(place.first), ()
    signer = ring.signer(now)
    others = [key.public_key for key in reversed(ring.keys) if key.kid != signer.kid]
    return _opened(place, signer), others


def _opened(place: KeyPlace, entry: RingKey) -> ReceiptKey:
    key = place.open(entry.key)
    if key.kid != entry.kid:
        raise ConfigurationError(f"the receipt key {entry.kid}: its file holds another key")
    return key


class LiveReceiptKey:
    """Signer of a running gateway.

    Args:
        place: Where keys are.
        now: The time.

    Raises:
        ConfigurationError: The key that should sign cannot be used.
    """

    def __init__(self, place: KeyPlace, now: Callable[[], datetime]) -> None:
        self._place = place
        self._now = now
        self._trouble = Trouble("receipt key")
        self._patience = FilePatience([place.ring])
        self._ring = place.read()
        self._key = signing_now(place, now())[0]

    @property
    def kid(self) -> str:
        """Return the name of the key that signs."""
        return self._key.kid

    @property
    def public(self) -> PublicKey:
        """Return the public half of the key that signs."""
        return self._key.public

    def sign(self, typ: str, claims: Mapping[str, Value]) -> str:
        """Return a token of the key whose turn it is."""
        return self._key.sign(typ, claims)

    async def look(self, *, now: bool) -> None:
        """Take over the ring, and the key whose turn has come."""
        try:
            if now or self._patience.due():
                self._ring = self._place.read() or self._ring
            due = None if self._ring is None else self._ring.signer(self._now())
            if due is not None and due.kid != self._key.kid:
                # A token may take its time to open; signing goes on with the key before.
                self._key = await asyncio.to_thread(_opened, self._place, due)
                observe.key_taken(what="receipt key", name=due.kid)
        except ConfigurationError as exc:
            if self._patience.settled(good=False, now=now):
                self._trouble.begin(failure=exc)
            return
        self._patience.settled(good=True, now=now)
        self._trouble.end()
