"""The dialects this installation speaks: found by their entry points, nowhere listed twice.

Loading one imports its package and opens nothing.
"""

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from gateway.errors import ConfigurationError
from gateway.ports import Dialect

GROUP: Final = "gateway.adapters"


def dialect(name: str) -> Dialect:
    """Return a dialect by its name; the others are not loaded.

    Raises:
        ConfigurationError: It is not installed, or cannot be loaded.
    """
    if name not in _installed():
        known = ", ".join(names())
        raise ConfigurationError(f"the dialect {name!r} is not installed; there are: {known}")
    return _loaded(name)


def names() -> tuple[str, ...]:
    """Return the names of all dialects, sorted."""
    return tuple(sorted(_installed()))


@functools.cache
def _loaded(name: str) -> Dialect:
    try:
        return cast("Dialect", _installed()[name].load())
    except (ImportError, AttributeError) as exc:
        told = f"the dialect {name!r} cannot be loaded ({type(exc).__name__}): install it anew"
        raise ConfigurationError(told) from exc


@functools.cache
def _installed() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
