"""turns: sweeps over whole tables rest after each page, so that whoever waits is served between.

A question to the ledger on a file is answered on the loop, and a sweep that finds nothing to change
waits for nothing: a table of a million rows would hold up every page of the console until its end.
"""

import asyncio
from typing import Final

_REST_S: Final = 0.005


async def rest() -> None:
    """Let everybody else have a turn."""
    await asyncio.sleep(_REST_S)
