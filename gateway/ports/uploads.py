"""Packets handed over beforehand, for doors whose messages are too small for them.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.ports.callers import Caller, Packet


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes kept for a while, for the system that brought them and nobody else.

    Args:
        id: Names it; worth nothing to another system.
        sha256: Hash of the bytes.
        size_bytes: How many.
        expires_at: Until when it can be referred to.
    """

    id: str
    sha256: str
    size_bytes: int
    expires_at: datetime


class Uploads(Protocol):
    """Keeps packets until the message comes that refers to them."""

    async def keep(self, caller: Caller, chunks: AsyncIterator[bytes]) -> Upload:
        """Keep bytes durably; RejectedError(TOO_LARGE), UnavailableError when there is no room."""
        ...

    async def open(self, caller: Caller, upload_id: str) -> Packet:
        """Return what a caller uploaded; RejectedError(NOT_FOUND): not its own, or over."""
        ...
