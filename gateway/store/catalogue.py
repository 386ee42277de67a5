"""The catalogue of agencies as one `Directory`, read from the ledger when it changed.

Promises: a change made by any process is seen within a second or two; readers keep a whole
directory, never half a new one. A large catalogue is built beside the readers, so that nobody waits
for 120,000 rows; meanwhile the earlier directory answers. A crash leaves nothing behind.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from gateway.domain.directory import Agency, AgencyStatus, Alias, Directory, NumberedBy
from gateway.domain.succession import Succession
from gateway.errors import UnavailableError
from gateway.store.places import Place, PostgresDatabase
from gateway.store.queries import QUERIES
from gateway.store.registry import Follower, RegistryWatch
from gateway.store.session import Session

_LARGE: Final = 5000
"""From this many agencies on a new directory is built in a thread of its own."""

_AGENCIES: Final = (
    "SELECT code, name, parent, status, valid_from, valid_to, successor, hop, legacy_code, "
    "numbered_by, console, mail, forward_until FROM agency ORDER BY code"
)


class LedgerCatalogue:
    """The catalogue behind `Context.directory`.

    Args:
        place: Where the ledger is.
        monotonic: Seconds that never go back.
        follow: Whether a thread of its own keeps it current; None: behind a network only.
    """

    def __init__(
        self,
        place: Place,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        follow: bool | None = None,
    ) -> None:
        self._watch = RegistryWatch(place, monotonic)
        self._directory: Directory | None = None
        self._builder: threading.Thread | None = None
        self._follower: Follower[Directory] | None = None
        if isinstance(place, PostgresDatabase) if follow is None else follow:
            self._follower = Follower(self._watch, _load, monotonic)

    def close(self) -> None:
        """Wait for a builder, then let go of the ledger."""
        self.settle()
        if self._follower is not None:
            self._follower.close()
        self._watch.close()

    def settle(self) -> None:
        """Wait until no new directory is being built."""
        if self._builder is not None:
            self._builder.join()
            self._builder = None

    def directory(self) -> Directory:
        """Return the catalogue as of at most a second ago (a large one: plus its building time).

        Raises:
            UnavailableError: The ledger cannot be read and never could, or not for a while.
        """
        if self._follower is not None:
            return self._follower.value()
        if self._builder is not None and not self._builder.is_alive():
            self.settle()
        if self._builder is None and self._watch.changed():
            if self._directory is None or len(self._directory) < _LARGE:
                self._build()
            else:
                self._builder = threading.Thread(target=self._try_build, name="catalogue")
                self._builder.start()
        assert self._directory is not None
        return self._directory

    def _try_build(self) -> None:
        try:
            self._build()
        except UnavailableError:
            return  # nothing counts as seen: the next look tries again

    def _build(self) -> None:
        with self._watch.reading() as session:
            self._directory = _load(session)


def _load(session: Session) -> Directory:
    return Directory(_agencies(session), _aliases(session), _successions(session))


def _agencies(session: Session) -> Iterator[Agency]:
    statuses = {s.value: s for s in AgencyStatus}
    numbered_by = {n.value: n for n in NumberedBy}
    for (
        code,
        name,
        parent,
        status,
        since,
        until,
        successor,
        hop,
        legacy,
        by,
        console,
        mail,
        forwarded,
    ) in session.values(_AGENCIES):
        yield Agency(
            code=code,
            name=name,
            parent=parent,
            status=statuses[status],
            valid_from=date.fromisoformat(since) if since else None,
            valid_to=date.fromisoformat(until) if until else None,
            successor=successor,
            hop=hop,
            legacy_code=legacy,
            numbered_by=numbered_by[by],
            console=console != 0,
            mail=mail,
            forward_until=_day(forwarded),
        )


def _aliases(session: Session) -> Iterator[Alias]:
    for row in session.stream(QUERIES["aliases"]):
        yield Alias(row["alias"], row["code"], _day(row["valid_from"]), _day(row["valid_to"]))


def _successions(session: Session) -> Iterator[Succession]:
    for row in session.stream(QUERIES["successions"]):
        since, until = _day(row["valid_from"]), _day(row["valid_to"])
        yield Succession(row["code"], row["successor"], since, until)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
