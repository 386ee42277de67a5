"""Who took over from an agency: links with dates, chains, splits, circles (đơn vị kế thừa).

Promises: a merger of several leads to one, a split to every candidate, and nobody is picked out of
several; a chain is followed to its end through the links good on that day; a circle, however it was
written down, ends and names nobody. Pure; a crash leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from gateway.domain.finding import Finding, Severity
from gateway.domain.identifiers import fold

if TYPE_CHECKING:
    from gateway.domain.directory import Agency

_EARLIEST: Final = date.min
_LATEST: Final = date.max


@dataclass(frozen=True, slots=True)
class Succession:
    """One agency took over from another, wholly or in part (ID-05).

    Args:
        code: Canonical code of the agency that was.
        successor: Canonical code of one that took over.
        valid_from: First day it counts, None: from ever.
        valid_to: Last day it counts, None: without end.
    """

    code: str
    successor: str
    valid_from: date | None = None
    valid_to: date | None = None

    def covers(self, day: date) -> bool:
        """Return whether it counts on a day."""
        return (self.valid_from or _EARLIEST) <= day <= (self.valid_to or _LATEST)


@dataclass(frozen=True, slots=True)
class Heirs:
    """Who answers for an agency on a day: nobody, one, or several candidates after a split.

    Args:
        agencies: At the ends of all chains, by code.
        strangers: Codes named as successors that the catalogue does not know.
    """

    agencies: tuple["Agency", ...] = ()
    strangers: tuple[str, ...] = ()

    @property
    def one(self) -> "Agency | None":
        """Return the only one; None for nobody and for a split: a guess is no answer."""
        return self.agencies[0] if len(self.agencies) == 1 and not self.strangers else None

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the codes of all candidates."""
        return (*(a.code for a in self.agencies), *self.strangers)

    @property
    def is_split(self) -> bool:
        """Return whether a sender has to choose."""
        return len(self.agencies) + len(self.strangers) > 1


NOBODY: Final = Heirs()


def heirs(
    start: str, links: Callable[[str], Sequence[str]], known: Callable[[str], "Agency | None"]
) -> Heirs:
    """Return the ends of every chain that leaves an agency.

    Args:
        start: Folded code.
        links: Folded codes of who took over from a code, on the day asked about.
        known: The agency behind a folded code, None for a stranger.
    """
    seen: dict[str, Sequence[str]] = {}
    waiting = [*links(start)]
    strangers: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key in seen or key in strangers or key == start:
            continue
        if known(key) is None:
            strangers.add(key)
            continue
        seen[key] = links(key)
        waiting += seen[key]
    ends = sorted(k for k, after in seen.items() if not set(after) - {start})
    agencies = (known(key) for key in ends)
    return Heirs(tuple(a for a in agencies if a is not None), tuple(sorted(strangers)))


def loops(start: str, links: Callable[[str], Iterable[str]]) -> bool:
    """Return whether an agency takes over from itself, by whatever way."""
    seen: set[str] = set()
    waiting = [*links(start)]
    while waiting:
        key = waiting.pop()
        if key == start:
            return True
        if key not in seen:
            seen.add(key)
            waiting += links(key)
    return False


def overlapping(links: Iterable[Succession]) -> tuple[Finding, ...]:
    """Return a note for one agency's links that end before they begin, or stand twice.

    Several successors on one day are a split and no mistake; the same one twice is.
    """
    found: list[Finding] = []
    earlier: dict[tuple[str, str], Succession] = {}
    for link in links:
        key = fold(link.code), fold(link.successor)
        if (link.valid_from or _EARLIEST) > (link.valid_to or _LATEST):
            found.append(_odd(link, "kết thúc trước khi bắt đầu", "ends before it begins"))
        elif key in earlier:
            found.append(_odd(link, "có hai lần", "stands twice"))
        earlier[key] = link
    return tuple(found)


def _odd(link: Succession, vi: str, en: str) -> Finding:
    return Finding(
        "ID-05",
        Severity.ERROR,
        link.code,
        f"Kế thừa {link.code} → {link.successor} {vi}. Sửa lại danh mục.",
        f"The succession {link.code} → {link.successor} {en}. Correct the catalogue.",
        "R09",
    )
