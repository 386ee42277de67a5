"""Composition of the folders that are doors: one `SpoolDoor` for each `[[spool]]`.

Imported only where the settings name one.
"""

import time
from collections.abc import Iterator

from adapters.spool.bringing import Bringing
from adapters.spool.door import SpoolDoor, Turn
from adapters.spool.folder import Folder
from adapters.spool.following import Following
from adapters.spool.sending import Pace, Sending
from gateway.config import Settings
from gateway.ports import Callers, Clock, Desk, Feeds, FrontDoor, Notices


def spool_doors(
    settings: Settings,
    *,
    front: FrontDoor,
    desk: Desk,
    callers: Callers,
    clock: Clock,
    feeds: Feeds,
    notices: Notices,
    turn: Turn,
) -> Iterator[tuple[str, SpoolDoor]]:
    """Yield each folder's system and its door."""
    for told in settings.spools:
        folder = Folder(told.folder, told.system)
        pace = Pace(told.settle.total_seconds(), told.patience.total_seconds())
        yield (
            told.system,
            SpoolDoor(
                folder,
                sending=Sending(
                    folder,
                    front=front,
                    desk=desk,
                    clock=clock,
                    pace=pace,
                    scans=told.scans,
                    monotonic=time.monotonic,
                ),
                bringing=Bringing(folder, front=front, desk=desk, feeds=feeds),
                following=Following(folder, desk=desk, notices=notices),
                callers=callers,
                feeds=feeds,
                turn=turn,
                poll_s=told.poll.total_seconds(),
            ),
        )
