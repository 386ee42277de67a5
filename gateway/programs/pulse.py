"""The pulse: tells whoever follows a feed that its cursor moved, for all of them with one question.

A commit of this process wakes it; what another node committed is found by looking every `poll_s`.
It works only while somebody waits, and keeps nothing: whoever was not told asks again. A crash
leaves nothing.
"""

import asyncio
import contextlib
from typing import Final, Literal

from gateway import observe
from gateway.errors import UnavailableError
from gateway.ports import Ledger

Mark = Literal["inbox_seq", "event_seq"]
_MARKS: Final[tuple[Mark, ...]] = ("inbox_seq", "event_seq")
_REST_S: Final = 0.02
"""Between two looks, however many commits wake us."""


class Pulse:
    """Waits for the feeds' cursors.

    Args:
        ledger: Where they are kept.
        poll_s: How often to look without being woken.
    """

    def __init__(self, ledger: Ledger, *, poll_s: float = 1.0) -> None:
        self._ledger = ledger
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        self._waiting: dict[asyncio.Future[None], tuple[Mark, int]] = {}
        self._looking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look soon: something was committed."""
        if self._waiting:
            self._woken.set()

    async def mark(self, mark: Mark) -> int:
        """Return the highest cursor given so far."""
        row = await self._ledger.one("meta", key=mark)
        return int(row["value"]) if row is not None else 0

    async def beyond(self, mark: Mark, seen: int, timeout_s: float) -> bool:
        """Return True when a cursor is another than `seen`, False after `timeout_s`."""
        told = asyncio.get_running_loop().create_future()
        self._waiting[told] = (mark, seen)
        self._woken.set()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="pulse")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await told
            return told.done() and not told.cancelled()
        finally:
            self._waiting.pop(told, None)
            if not self._waiting and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            self._woken.clear()
            try:
                marks = {mark: await self.mark(mark) for mark in _MARKS}
                for told, (mark, seen) in self._waiting.items():
                    if marks[mark] != seen and not told.done():
                        told.set_result(None)
            except UnavailableError:
                pass  # whoever waits asks the ledger next, and hears of it then
            except Exception as exc:  # noqa: BLE001 - everybody waits for this one look
                observe.alarm(what="pulse", failure=exc)
            await asyncio.sleep(_REST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()
