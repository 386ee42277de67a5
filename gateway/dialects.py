"""The dialects this installation speaks: found by their entry points, nowhere listed twice.

Loading one imports its package and opens nothing.
"""

import functools
from importlib.metadata import entry_points
from typing import Final, cast

from gateway.errors import ConfigurationError
from gateway.ports import Dialect

GROUP: Final = "gateway.adapters"


def dialect(name: str) -> Dialect:
    """Return a dialect by its name.

    Raises:
        ConfigurationError: It is not installed.
    """
    found = _installed().get(name)
    if found is None:
        known = ", ".join(sorted(_installed()))
        raise ConfigurationError(f"the dialect {name!r} is not installed; there are: {known}")
    return found


def names() -> tuple[str, ...]:
    """Return the names of all dialects, sorted."""
    return tuple(sorted(_installed()))


@functools.cache
def _installed() -> dict[str, Dialect]:
    return {point.name: cast("Dialect", point.load()) for point in entry_points(group=GROUP)}
