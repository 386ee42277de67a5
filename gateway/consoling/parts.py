"""What the sections of the console are built from: the parts of one running gateway."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.accounting import Accounting
from gateway.config import Settings
from gateway.domain.timetable import Timetable
from gateway.ports import Desk, FrontDoor
from gateway.ports.books import Books
from gateway.ports.operations import Operating
from gateway.ports.recalls import Recalls
from gateway.programs.bookkeeper import Bookkeeper
from gateway.programs.context import Context
from gateway.programs.figures import LedgerFigures
from gateway.programs.mailroom import Mailroom
from gateway.web.body import Limits
from gateway.web.studio import Studio


@dataclass(frozen=True, slots=True)
class Shelf:
    """The books, who keeps them up with the ledger, and what persons keep of them."""

    books: Books
    keeper: Bookkeeper
    figures: LedgerFigures


@dataclass(frozen=True, slots=True)
class Parts:
    """What the sections are built from.

    Args:
        settings: Checked settings; the sections themselves never see them.
        context: Ports and policy of the programs.
        accounts: Who is signed in, audit entries, administration.
        door: Where documents are brought.
        desk: Questions about documents.
        mailroom: Statuses.
        studio: Makes verification reports.
        timetable: What persons decided about working time, as of now.
        operating: What operators do.
        recalls: Taking back, both ways, and legal holds.
        shelf: Search, registers and counts, with who keeps them.
    """

    settings: Settings
    context: Context
    accounts: Accounting
    door: FrontDoor
    desk: Desk
    mailroom: Mailroom
    studio: Studio
    timetable: Callable[[], Timetable]
    operating: Operating
    recalls: Recalls
    shelf: Shelf

    @property
    def limits(self) -> Limits:
        """Return how large an upload may be."""
        return Limits(max_packet_bytes=int(self.settings.http.max_packet_bytes))
