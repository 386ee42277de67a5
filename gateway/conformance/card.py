"""The card of a run: counts, verdict and lines, JSON-ready. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.conformance.driver import CASES
from gateway.conformance.plan import Level, Result, State
from gateway.domain.moments import VIETNAM

PASSED: Final = 0
FAILED: Final = 1
INCOMPLETE: Final = 2


@dataclass(frozen=True, slots=True)
class Card:
    """What came of a run.

    Args:
        endpoint: What was tested, without credentials.
        dialect: In which dialect.
        run: Name of the run, in the notation of every document it sent.
        at: When it began.
        results: In the order they were played.
        only: The cases that were asked for; none = all.
    """

    endpoint: str
    dialect: str
    run: str
    at: datetime
    results: tuple[Result, ...]
    only: tuple[str, ...] = ()

    def of(self, level: Level) -> tuple[Result, ...]:
        """Return the lines of a level."""
        return tuple(result for result in self.results if result.level is level)

    def count(self, level: Level, state: State) -> int:
        """Count the lines of a level in a state."""
        return sum(result.state is state for result in self.of(level))

    @property
    def exit_code(self) -> int:
        """Return 0 when every must passed, 1 when one is broken, 2 when one was not played."""
        if self.count(Level.MUST, State.FAILED):
            return FAILED
        return INCOMPLETE if self.count(Level.MUST, State.NOT_PLAYED) or self._left else PASSED

    @property
    def _left(self) -> tuple[str, ...]:
        """Return the musts that were not asked for."""
        if not self.only:
            return ()
        return tuple(c.id for c in CASES if c.level is Level.MUST and c.id not in self.only)

    def to_json(self) -> dict[str, Any]:
        """Return the card as one JSON object."""
        return {
            "endpoint": self.endpoint,
            "dialect": self.dialect,
            "run": self.run,
            "at": self.at.astimezone(VIETNAM).isoformat(timespec="seconds"),
            "counts": {
                str(level): {str(state): self.count(level, state) for state in State}
                for level in Level
            },
            "left_out": list(self._left),
            "results": [_line(result) for result in self.results],
            "exit_code": self.exit_code,
        }


def _line(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "level": str(result.level),
        "state": str(result.state),
        "rules": list(result.rules),
        "vi": result.vi,
        "en": result.en,
        "why_vi": result.why_vi,
        "why_en": result.why_en,
        "took_s": result.took_s,
    }


def cases_json(only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what would be played."""
    return [
        {"id": c.id, "level": str(c.level), "rules": list(c.rules), "vi": c.vi, "en": c.en}
        for c in CASES
        if not only or c.id in only
    ]
