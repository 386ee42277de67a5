"""A report on paper as it is given out, and who gives it: the seam of pages and seal."""

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.reports.model import Dossier

NOT_SEALED: Final = ""


@dataclass(frozen=True, slots=True)
class PrintedReport:
    """A report on paper.

    Args:
        pdf: The file.
        level: `B-LT`, `B-T`, `B-B`, or "" for one that is not sealed.
        waiting: A time-stamp or revocation data will be added later.
    """

    pdf: bytes
    level: str = NOT_SEALED
    waiting: bool = False

    @property
    def told(self) -> str:
        """What an answer's header says of the seal."""
        if self.level == NOT_SEALED:
            return "none"
        return f"{self.level}; waiting" if self.waiting else self.level


class Printer(Protocol):
    """Gives out reports on paper; `gateway.seal.office.SealOffice` seals them."""

    async def printed(self, dossier: Dossier) -> PrintedReport:
        """Return the report; never fails for the seal's sake."""
