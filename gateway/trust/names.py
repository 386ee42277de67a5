"""Comparing names of certificates without preparing their text again and again.

RFC 5280 compares names after a long preparation of each text, and building a path compares the same
few names hundreds of times. What was compared is remembered by the names' DER, of which the answer
is a function. Promises: the same answers and faults as without; bounded memory; can be taken back.
"""

from collections.abc import Callable
from typing import Any, Final

from asn1crypto import x509

_MOST: Final = 4096
_LONGEST: Final = 4096
_NOTE: Final = "_vanlien_der"
_equal = x509.Name.__eq__
_hashable = x509.Name.hashable.fget
_prepare = x509.NameTypeAndValue._ldap_string_prep  # noqa: SLF001 — pure, and the costly part
_known: Final[dict[tuple[str, Any], Any]] = {}


def _remembered(kind: str, key: Any, size: int, compute: Callable[[], Any]) -> Any:
    """Return what was computed for a key; faults are not kept."""
    try:
        return _known[kind, key]
    except KeyError:
        pass
    value = compute()
    if size <= _LONGEST:
        if len(_known) >= _MOST:
            _known.clear()
        _known[kind, key] = value
    return value


def _der(name: Any) -> bytes:
    """Return a name's DER, kept with it as the parser keeps its text: names are not changed."""
    der: bytes | None = name.__dict__.get(_NOTE)
    if der is None:
        name.__dict__[_NOTE] = der = name.dump()
    return der


def _quick_equal(self: Any, other: object) -> Any:
    if not isinstance(other, x509.Name):
        return False
    key = (_der(self), _der(other))
    return _remembered("eq", key, len(key[0]) + len(key[1]), lambda: _equal(self, other))


def _quick_hashable(self: Any) -> Any:
    key = _der(self)
    return _remembered("hash", key, len(key), lambda: _hashable(self))


def _quick_prepare(self: Any, string: str) -> Any:
    return _remembered("text", string, 4 * len(string), lambda: _prepare(self, string))


def remember_names(*, on: bool = True) -> None:
    """Have every comparison of names in this process remembered, or no longer."""
    x509.Name.__eq__ = _quick_equal if on else _equal
    x509.Name.hashable = property(_quick_hashable if on else _hashable)
    x509.NameTypeAndValue._ldap_string_prep = _quick_prepare if on else _prepare  # noqa: SLF001
    if not on:
        _known.clear()
