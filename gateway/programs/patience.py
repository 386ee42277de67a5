"""patience: what a worker does while the ledger, the blobs or the verifier are away.

It waits, a little longer each time and scattered, so that whatever comes back is not overrun; it is
told once, not once a document; and the first success ends it. Nothing is given up: what was not
done comes again.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway import observe
from gateway.errors import UnavailableError

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 15.0


class Patience:
    """One program's waits.

    Args:
        program: Its name in the log.
        random: From 0 to 1.
    """

    def __init__(self, program: str, random: Callable[[], float]) -> None:
        self._program = program
        self._random = random
        self._wait_s = 0.0

    def good(self) -> None:
        """It worked: the next trouble is a new one."""
        self._wait_s = 0.0

    async def wait(self, trouble: UnavailableError) -> None:
        """Wait before the next try."""
        if not self._wait_s:
            observe.program_failed(program=self._program, failure=trouble, retry_in_s=_FIRST_S)
        self._wait_s = min(max(_FIRST_S, self._wait_s * 2), _LONGEST_S)
        await asyncio.sleep(self._wait_s * (1 + self._random()) / 2)
