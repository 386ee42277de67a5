"""Every name an agency answers to, as administration resolves it: code, old code, alias.

The same order as `Directory.resolve`: an alias in force, the code, the old code, an expired alias.
Kept in memory between transactions and dropped when another process changed the registry.
"""

from collections.abc import Iterable
from datetime import date

from gateway.domain.identifiers import fold
from gateway.errors import Reason, RejectedError
from gateway.store.queries import QUERIES
from gateway.store.session import Session


class Names:
    """Name to canonical code, read at one registry version.

    Args:
        session: Inside a transaction.
        today: Day in Vietnam, for aliases with dates.
    """

    def __init__(self, session: Session, today: date) -> None:
        self._codes: dict[str, str] = {}
        agencies = session.rows("SELECT code, legacy_code FROM agency")
        aliases = session.rows(QUERIES["aliases"])
        day = today.isoformat()
        for row in aliases:
            self._codes[fold(row["alias"])] = row["code"]
        for row in agencies:
            if row["legacy_code"]:
                self._codes[fold(row["legacy_code"])] = row["code"]
        for row in agencies:
            self._codes[fold(row["code"])] = row["code"]
        for row in aliases:
            if (row["valid_from"] or "") <= day <= (row["valid_to"] or "9999"):
                self._codes[fold(row["alias"])] = row["code"]

    def find(self, name: str) -> str | None:
        """Return the canonical code behind a name, None when nobody has it."""
        return self._codes.get(fold(name))

    def canonical(self, name: str) -> str:
        """Return the canonical code behind a name.

        Raises:
            RejectedError: NOT_FOUND, naming it.
        """
        found = self.find(name)
        if found is None:
            raise RejectedError(Reason.NOT_FOUND, f"there is no agency {name}")
        return found

    def add(self, names: Iterable[str], code: str) -> None:
        """Let names mean an agency from now on."""
        self._codes.update({fold(name): code for name in names if name})

    def forget(self, name: str) -> None:
        """Let a name mean nobody."""
        self._codes.pop(fold(name), None)
