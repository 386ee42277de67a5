"""One folder, watched: what is dropped is taken, what is offered is put down, again and again.

Of several nodes one at a time works at a folder (`turn`). A folder that goes away is said once, as
a standing warning, and found again by itself. A crash leaves everything to the next turn.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

from adapters.spool.bringing import Bringing, consumer
from adapters.spool.folder import Folder
from adapters.spool.following import Following
from adapters.spool.sending import Sending
from gateway import observe
from gateway.errors import UnavailableError
from gateway.ports import Callers, Feeds

Turn = Callable[[str], AbstractAsyncContextManager[bool]]
"""Lends what one node does at a time: True inside the block when it is ours."""

_LONGEST_S: Final = 30.0


class SpoolDoor:
    """See the module.

    Args:
        folder: The folder.
        sending: Takes what was dropped.
        bringing: Puts down what is offered.
        following: Writes down what became of what was sent.
        callers: Says who the folder's system is.
        feeds: Says when something was offered.
        turn: Lends the turn.
        poll_s: How often the folder is looked at.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        sending: Sending,
        bringing: Bringing,
        following: Following,
        callers: Callers,
        feeds: Feeds,
        turn: Turn,
        poll_s: float,
    ) -> None:
        self._folder = folder
        self._sending, self._bringing, self._following = sending, bringing, following
        self._callers, self._feeds, self._turn = callers, feeds, turn
        self._poll_s = poll_s
        self._name = consumer(folder.system_id)
        self._away = self._asked = False

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self._watch()
        finally:
            self._note(away=False)
            self._folder.close()

    async def _watch(self) -> None:
        wait_s = self._poll_s
        while True:
            self._asked = False
            try:
                async with self._turn(self._name) as mine:
                    busy = bool(mine and await self.once())
                self._note(away=False)
                wait_s = self._poll_s
                if busy:
                    continue
            except UnavailableError as exc:
                if not self._away:
                    observe.program_failed(program="spool", failure=exc, retry_in_s=wait_s)
                self._note(away=True)
                wait_s = min(wait_s * 2, _LONGEST_S)
            except Exception as exc:  # noqa: BLE001 - one bad file must not end the watching
                observe.alarm(what="spool", subject=self._folder.system_id, failure=exc)
                wait_s = _LONGEST_S
            await self._pause(wait_s)

    async def once(self) -> int:
        """Look once; return how much there was to do."""
        await self._folder.call(self._folder.check)
        caller = self._callers.system(self._folder.system_id)
        if caller is None:
            # Disabled or unknown: what lies there waits, nothing is refused.
            raise UnavailableError(public="the folder's system is not active")
        done = await self._sending.once(caller)
        done += await self._bringing.confirm(caller)
        done += await self._bringing.once(caller)
        self._asked = True
        return done + await self._following.once(caller)

    async def _pause(self, wait_s: float) -> None:
        """Wait for the next look; something offered is a reason to look at once."""
        if not self._asked:
            await asyncio.sleep(wait_s)
            return
        with suppress(UnavailableError):
            await self._feeds.changed(self._name, wait_s)

    def _note(self, *, away: bool) -> None:
        if away != self._away:
            self._away = away
            observe.standing_warning(what=f"spool:{self._folder.system_id}", active=away)
