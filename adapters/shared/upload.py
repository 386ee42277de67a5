"""A parcel on its way out, and the secret it goes with: what every dialect's client needs.

Promises: memory does not grow with a parcel; bytes that are not what its hash names never arrive
whole. A crash leaves nothing behind.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence

from gateway.errors import IntegrityError
from gateway.ports import Parcel, SharedSecret


class Upload:
    """A parcel on its way: its bytes and a tail, but never the end of a damaged one.

    `failure` keeps what went wrong on our side; the HTTP library would call it a lost connection.
    """

    def __init__(self, parcel: Parcel, tail: bytes = b"") -> None:
        self._parcel = parcel
        self._tail = tail
        self.failure: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the parcel's bytes, checked."""
        try:
            async for chunk in self._checked():
                yield chunk
        except Exception as exc:
            self.failure = exc
            raise

    async def _checked(self) -> AsyncIterator[bytes]:
        parcel = self._parcel
        digest = hashlib.sha256()
        passed = 0
        last = b""
        async for chunk in parcel.open():
            if last:
                yield last
            digest.update(chunk)
            passed += len(chunk)
            last = chunk
            if passed > parcel.size_bytes:
                break
        if passed != parcel.size_bytes or digest.hexdigest() != parcel.sha256:
            raise IntegrityError(
                f"transfer {parcel.transfer_id}: the stored bytes do not match their hash"
            )
        yield last + self._tail


class Unchanging:
    """A secret that stays what it is."""

    def __init__(self, secret: bytes) -> None:
        self._offered = (secret,)

    def offered(self) -> Sequence[bytes]:
        """Return the only one."""
        return self._offered

    def refused(self, secret: bytes) -> None:
        """Nothing else to try."""

    def worked(self, secret: bytes) -> None:
        """As expected."""


def shared(secret: bytes | SharedSecret) -> SharedSecret:
    """Return what tells which secret to try."""
    return Unchanging(secret) if isinstance(secret, bytes) else secret
