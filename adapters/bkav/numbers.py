"""From the numbers clients know items by, back to the items.

Promises: a number is found again on any node and after any restart as long as its item waits; ones
shown lately are remembered, so that asking again for what is taken finds it as well. Whether the
caller may have it is the front door's to say. A crash forgets only the memory.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from adapters.bkav.wire import number_of
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, FrontDoor, InboxItem, MessageKind

MAX_ROWS: Final = 1000
_MOST: Final = 100_000
_AN_ID: Final = re.compile(r"[!-~]{1,100}")
_KINDS: Final[tuple[MessageKind, ...]] = ("edoc", "status")


class Numbers:
    """See the module.

    Args:
        front: Lists what waits.
    """

    def __init__(self, front: FrontDoor) -> None:
        self._front = front
        self._known: OrderedDict[int, str] = OrderedDict()

    def show(self, item_id: str) -> int:
        """Return the number of an item, and remember it."""
        number = number_of(item_id)
        self._known[number] = item_id
        self._known.move_to_end(number)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return number

    async def waiting(
        self, caller: Caller, kind: MessageKind, *, limit: int = MAX_ROWS
    ) -> Sequence[InboxItem]:
        """List what waits and remember its numbers."""
        items = await self._front.waiting(caller, kind, limit=limit)
        for item in items:
            self.show(item.id)
        return items

    async def find(self, caller: Caller, text: str) -> str:
        """Return the id behind a number; anything else is taken for an id.

        Raises:
            RejectedError: BAD_REQUEST without any, NOT_FOUND for a number nobody was shown.
        """
        told = text.strip()
        if not told:
            raise RejectedError(Reason.BAD_REQUEST, "docId is missing (header or JSON body)")
        if not _AN_ID.fullmatch(told):  # never ours, and nothing a ledger could be asked
            raise RejectedError(Reason.NOT_FOUND, "no such document waits here")
        if not told.isdigit():
            return told
        number = int(told[:20])
        if number not in self._known:
            for kind in _KINDS:
                await self.waiting(caller, kind)
        found = self._known.get(number)
        if found is None:
            raise RejectedError(Reason.NOT_FOUND, f"no document {told[:20]} waits here")
        return found
