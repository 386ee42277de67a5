"""settingswatch: says aloud that the settings file is not what the running gateway goes by.

Keys, certificates, secrets and the trust folder are taken over as they change; what stands in the
settings file counts from the next start on. Until then this tells which keys differ, by name and
never by value, and what is wrong with a file that could not be started with. Reads only.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from gateway import observe
from gateway.config import Settings
from gateway.errors import ConfigurationError
from gateway.keys.watch import stamp

WHAT: Final = "settings_changed"


def differing(mine: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yield the places where two dumped settings differ, as they are written in the file."""
    if isinstance(mine, Mapping) and isinstance(other, Mapping):
        for key in sorted({*mine, *other}):
            yield from differing(mine.get(key), other.get(key), f"{place}.{key}" if place else key)
    elif isinstance(mine, list | tuple) and isinstance(other, list | tuple):
        for n, (one, two) in enumerate(zip_longest(mine, other)):
            yield from differing(one, two, f"{place}[{n}]")
    elif mine != other:
        yield place


class SettingsWatch:
    """Looks at the file beside the keys (`gateway.keys.watch`).

    Args:
        path: The settings file.
        settings: What this process goes by.
        read: Reads the file as a start would.
    """

    def __init__(self, path: Path, settings: Settings, read: Callable[[], Settings]) -> None:
        self._path = path
        self._mine = settings.model_dump(by_alias=True)
        self._read = read
        self._seen = stamp([path])
        self._said: tuple[str, ...] = ()

    async def look(self, *, now: bool) -> None:
        """Say what differs when the file has changed, and when it no longer does."""
        seen = stamp([self._path])
        if seen == self._seen and not now:
            return
        self._seen = seen
        keys = await asyncio.to_thread(self._differing)
        if keys == self._said:
            return
        if bool(keys) is not bool(self._said):
            observe.standing_warning(what=WHAT, active=bool(keys))
        self._said = keys
        observe.settings_differ(keys=", ".join(keys))

    def _differing(self) -> tuple[str, ...]:
        try:
            other = self._read()
        except ConfigurationError as exc:
            return tuple(f"{fault.where} (!)" for fault in exc.faults) or ("(!)",)
        return tuple(differing(self._mine, other.model_dump(by_alias=True)))
