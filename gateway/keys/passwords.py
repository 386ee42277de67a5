"""Passwords as they are kept: argon2id, in a thread, few at a time.

Promises: what is stored opens nothing and is slow to guess; a password of an account nobody has is
compared as long as any (with a hash made for nobody), so time names no account; the loop never
waits; strangers who try many cannot take more than two cores' time or more than `_MOST` places:
beyond that they hear that we are busy. Nothing is kept, a crash leaves nothing.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

from gateway.errors import Reason, UnavailableError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_AT_ONCE: Final = 2
_MOST: Final = 40


class Argon2Passwords:
    """See `gateway.programs.accounts.means.Passwords`.

    Args:
        memory_kib: Memory of one guess, KiB; RFC 9106's second choice is 64 MiB.
        rounds: Passes over it.
    """

    def __init__(self, *, memory_kib: int = 65_536, rounds: int = 3) -> None:
        self._memory_kib = memory_kib
        self._rounds = rounds
        self._hasher: PasswordHasher | None = None
        self._nobodys = ""
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def kept(self, password: str) -> str:
        """Return what is stored of a password."""
        async with _Place(self):
            return await asyncio.to_thread(self._made().hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one; the same work when nothing is stored."""
        async with _Place(self):
            return await asyncio.to_thread(self._matches, stored, password)

    def outdated(self, stored: str) -> bool:
        """Tell whether what is stored was made with other costs than today's."""
        return self._made().check_needs_rehash(stored)

    def _matches(self, stored: str | None, password: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHashError

        hasher = self._made()
        if not self._nobodys:
            self._nobodys = hasher.hash(secrets.token_urlsafe(16))
        try:
            hasher.verify(stored or self._nobodys, password)
        except (Argon2Error, InvalidHashError):
            return False
        return stored is not None

    def _made(self) -> "PasswordHasher":
        if self._hasher is None:
            # Loaded by the first sign-in: a gateway without a console never needs it.
            from argon2 import PasswordHasher, Type

            self._hasher = PasswordHasher(
                time_cost=self._rounds, memory_cost=self._memory_kib, parallelism=1, type=Type.ID
            )
        return self._hasher

    async def enter(self) -> None:
        """Wait for a turn.

        Raises:
            UnavailableError: Too many wait.
        """
        if self._waiting >= _MOST:
            raise UnavailableError(Reason.OVERLOADED, retry_after_s=5)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the turn to the next."""
        self._turn.release()


class _Place:
    """A turn among those who compute."""

    def __init__(self, of: Argon2Passwords) -> None:
        self._of = of

    async def __aenter__(self) -> None:
        await self._of.enter()

    async def __aexit__(self, *_: object) -> None:
        self._of.leave()
