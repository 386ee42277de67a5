"""The port to a malware scanner. Protocols; nothing here does anything."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

from gateway.domain.malware import Scan


class Scanner(Protocol):
    """Looks for malware in stored bytes. Same bytes under same signatures are scanned once."""

    async def scan(
        self,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        sha256: str,
        size_bytes: int,
        at: datetime,
    ) -> Scan:
        """Return what is known of these bytes; never raises for what scanner or file does.

        Args:
            chunks: Opens the bytes; not called when the answer is known.
            sha256: Their name.
            size_bytes: How many they are.
            at: The instant written into the result.
        """
        ...
