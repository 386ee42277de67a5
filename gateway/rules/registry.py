"""The register of rules: each check under its id, with its source and the days it is in force.

Promises: `run_all` runs every rule in force on the day of the facts and returns everything it found
at once, in the order of registration. A rule that raises is a bug and is not hidden. Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from gateway.domain.finding import Finding
from gateway.rules.facts import (
    Direction,
    EarlierDocument,
    Facts,
    FileFacts,
    HopLimit,
    Policy,
    ReportLike,
    SignatureLike,
    Target,
)

__all__ = [
    "Direction",
    "EarlierDocument",
    "Facts",
    "FileFacts",
    "HopLimit",
    "Policy",
    "ReportLike",
    "Rule",
    "SignatureLike",
    "Target",
    "registered",
    "rule",
    "run_all",
]

Check = Callable[[Facts], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One registered check.

    Args:
        id: Rule id of the catalogue.
        source: Law or practice behind it.
        in_force: First day, None when it holds for every day we meet.
        until: Last day, None while in force.
        check: The function.
    """

    id: str
    source: str
    in_force: date | None
    until: date | None
    check: Check

    def holds_on(self, day: date) -> bool:
        """Return whether the rule is in force on a day."""
        return (self.in_force or date.min) <= day <= (self.until or date.max)


_RULES: Final[list[Rule]] = []


def rule(
    rule_id: str, *, source: str, in_force: date | None = None, until: date | None = None
) -> Callable[[Check], Check]:
    """Register a check under a rule id; one id may have several checks.

    Args:
        rule_id: Id of the catalogue, `MD-01`.
        source: Law or practice behind it.
        in_force: First day it holds.
        until: Last day it holds.
    """

    def register(check: Check) -> Check:
        _RULES.append(Rule(rule_id, source, in_force, until, check))
        _in_force.cache_clear()
        return check

    return register


def registered() -> tuple[Rule, ...]:
    """Return every registered rule, in order."""
    return tuple(_RULES)


@lru_cache(maxsize=64)
def _in_force(day: date) -> tuple[Check, ...]:
    return tuple(r.check for r in _RULES if r.holds_on(day))


def run_all(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings of every rule in force on `facts.today`, all at once."""
    found: list[Finding] = []
    for check in _in_force(facts.today):
        found.extend(check(facts))
    return tuple(found)
