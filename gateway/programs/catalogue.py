"""Who an agency code means here and now: the catalogue as the programs ask it."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Final

from gateway.domain.directory import Directory, NumberedBy, Resolved
from gateway.domain.moments import VIETNAM
from gateway.errors import Reason
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL


@dataclass(frozen=True, slots=True)
class Who:
    """A written code, understood.

    Args:
        written: As it was written.
        canonical: Canonical code; the folded text when unknown.
        name: Printed name, "" when unknown.
        hop: `local`, a peer's id, or "" (not connected).
        problem: Why nothing new can be sent there, None when it can.
        successor: Canonical code of who took over, or "".
    """

    written: str
    canonical: str
    name: str
    hop: str
    problem: Reason | None
    successor: str = ""

    @property
    def is_local(self) -> bool:
        """Tell whether the agency's system is connected to this gateway."""
        return self.hop == LOCAL


def today(context: Context) -> date:
    """Return the date in Vietnam."""
    return context.clock.now().astimezone(VIETNAM).date()


def whois(context: Context, written: str) -> Who:
    """Return who a written code means today."""
    found = context.directory().resolve(written, today(context))
    if not isinstance(found, Resolved):
        return Who(written, found.canonical, "", "", found.reason)
    agency = found.agency
    successor = found.successor.code if found.successor else ""
    return Who(written, agency.code, agency.name, agency.hop, found.reason, successor)


class _Families:
    """Lineages of one catalogue, made once each; a new catalogue begins anew."""

    def __init__(self) -> None:
        self._directory: Directory | None = None
        self._known: dict[str, str] = {}

    def of(self, directory: Directory, canonical: str) -> str:
        if directory is not self._directory:
            self._directory, self._known = directory, {}
        found = self._known.get(canonical)
        if found is None:
            found = json.dumps(sorted(directory.lineage(canonical) | {canonical}))
            if len(self._known) < _MOST_FAMILIES:  # senders may write any code they like
                self._known[canonical] = found
        return found


_MOST_FAMILIES: Final = 10_000
_families: Final = _Families()


def family(context: Context, canonical: str) -> str:
    """Return the lineage of an agency as a JSON list, for queries (DID-07, ID-05)."""
    return _families.of(context.directory(), canonical)


def numbered_here(context: Context, canonical: str) -> bool:
    """Tell whether the gateway gives the agency's issue ordinals (DID-01)."""
    agency = context.directory().get(canonical)
    return agency is not None and agency.numbered_by is NumberedBy.GATEWAY


def works_in_console(context: Context, canonical: str) -> bool:
    """Tell whether our console keeps the agency's register of arrivals (DID-04)."""
    agency = context.directory().get(canonical)
    return agency is not None and agency.console


def name_of(directory: Directory, canonical: str) -> str:
    """Return the printed name of an agency, "" when unknown."""
    agency = directory.get(canonical)
    return agency.name if agency else ""
