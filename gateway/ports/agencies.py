"""The catalogue of agencies as operations change it in bulk.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from gateway.domain.catalogue_plan import Fields, Step
from gateway.domain.succession import Succession


@dataclass(frozen=True, slots=True)
class Difference:
    """A code that is not as a plan says it was, with what is there (None: no such agency)."""

    code: str
    expected: Fields | None
    found: Fields | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan.

    Args:
        done: Steps carried out now.
        already: Steps that were carried out before, by this plan or another way.
        differences: Codes that changed since; nothing is written when the first look finds one.
    """

    done: int = 0
    already: int = 0
    differences: tuple[Difference, ...] = ()


class AgencyStore(Protocol):
    """Bulk changes of the catalogue, each audited. `by` is the acting person.

    RejectedError: NOT_FOUND for unknown codes, CONFLICT, BAD_REQUEST for what makes no sense.
    """

    def catalogue(self) -> Mapping[str, Fields]:
        """Return every agency's columns by code, as `domain.catalogue_plan` compares them."""
        ...

    def apply(
        self,
        steps: Sequence[Step],
        *,
        plan: str,
        reason: str,
        by: str,
        progress: Callable[[int, int], None] | None = None,
    ) -> Applied:
        """Carry out a plan, some hundred steps a transaction; safe to repeat after a crash.

        Args:
            steps: As reviewed.
            plan: Its SHA-256, for the audit log.
            reason: Why.
            by: Who.
            progress: Called with how many steps of how many are done.
        """
        ...

    def close_agency(
        self,
        code: str,
        successors: Sequence[Succession],
        *,
        forward_until: date | None,
        reason: str,
        by: str,
    ) -> Fields:
        """Close a code with everyone who took over; again to correct who, or the term (ID-05)."""
        ...

    def close(self) -> None:
        """Let go of the ledger."""
        ...
