"""How far a page of a feed reaches, so that it costs a page whatever the ledger holds.

Few audiences: the rows are counted one by one in the order of the cursor, each a probe of an index
for each audience, so the page is full. Many: the next row is found by such probes, and the page is
what lies within a span behind it; it holds that row at least. Either way the end is a cursor that
was given before we looked, so nothing up to it is still to come. Reads only.
"""

import json
from collections.abc import Sequence
from typing import Final

from gateway.ports import Ledger
from gateway.programs.pulse import Mark

_FEW: Final = 8
_SPAN: Final = 10


async def page_end(  # noqa: PLR0917
    ledger: Ledger, query: str, mark: Mark, audiences: Sequence[str], after: int, limit: int
) -> int | None:
    """Return the cursor up to which a page reaches; None when nothing lies behind `after`.

    Args:
        ledger: Asked.
        query: `offers_end` or `notices_end`.
        mark: Name of the cursor.
        audiences: Whom rows are for.
        after: The page begins behind it.
        limit: About so many rows; the caller cuts off what is more.
    """
    few = len(audiences) <= _FEW
    newest = await ledger.one("meta", key=mark)
    asked = json.dumps([[one] for one in audiences])
    end = await ledger.one(query, audiences=asked, after=after, limit=limit if few else 1)
    if end is None or end["seq"] is None:
        return None
    found = int(end["seq"])
    if few or newest is None:
        return found
    # A row given between the two questions is its own page: nothing before it is still to come.
    return max(found, min(found + _SPAN * limit, int(newest["value"])))
