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
        successor: Canonical code of who took over, "" for nobody and for several.
        candidates: Codes of all who took over (ID-05).
        forwards: Post of others for it is still brought to its successor.
    """

    written: str
    canonical: str
    name: str
    hop: str
    problem: Reason | None
    successor: str = ""
    candidates: tuple[str, ...] = ()
    forwards: bool = True

    @property
    def is_local(self) -> bool:
        """Tell whether the agency's system is connected to this gateway."""
        return self.hop == LOCAL


def today(context: Context) -> date:
    """Return the date in Vietnam."""
    return context.clock.now().astimezone(VIETNAM).date()


def whois(context: Context, written: str) -> Who:
    """Return who a written code means today."""
    return _answers.whois(context.directory(), today(context), written)


def _understood(directory: Directory, day: date, written: str) -> Who:
    found = directory.resolve(written, day)
    if not isinstance(found, Resolved):
        return Who(written, found.canonical, "", "", found.reason)
    agency = found.agency
    successor = found.successor.code if found.successor else ""
    return Who(
        written,
        agency.code,
        agency.name,
        agency.hop,
        found.reason,
        successor,
        found.heirs.codes,
        agency.forwards_on(day),
    )


_MOST_ANSWERS: Final = 10_000


class _Answers:
    """What one catalogue says on one day, asked once a code; another day or catalogue begins anew.

    The same few codes are asked for several times with every document. Answers are values, and
    two threads asking at once only work them out twice.
    """

    def __init__(self) -> None:
        self._of: tuple[Directory | None, date] = (None, date.min)
        self._who: dict[str, Who] = {}
        self._families: dict[str, str] = {}

    def _begin(self, directory: Directory, day: date) -> None:
        if self._of[0] is not directory or self._of[1] != day:
            self._of = (directory, day)
            self._who, self._families = {}, {}

    def whois(self, directory: Directory, day: date, written: str) -> Who:
        self._begin(directory, day)
        found = self._who.get(written)
        if found is None:
            found = _understood(directory, day, written)
            if len(self._who) < _MOST_ANSWERS:  # senders may write any code they like
                self._who[written] = found
        return found

    def family(self, directory: Directory, day: date, canonical: str) -> str:
        self._begin(directory, day)
        found = self._families.get(canonical)
        if found is None:
            found = json.dumps(sorted(directory.lineage(canonical) | {canonical}))
            if len(self._families) < _MOST_ANSWERS:
                self._families[canonical] = found
        return found


_answers: Final = _Answers()


def family(context: Context, canonical: str) -> str:
    """Return the lineage of an agency as a JSON list, for queries (DID-07, ID-05)."""
    return _answers.family(context.directory(), today(context), canonical)


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
