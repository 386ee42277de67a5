"""Who is signed in, and the trail of what persons do: what every page of the console leans on.

Protocols only. `gateway.programs.accounts` implements them over the ledger; its fakes are in
`tests.world.console`.
"""

from typing import Protocol

from gateway.domain.access import Person


class Sessions(Protocol):
    """Signed-in persons. A session ended or an account locked elsewhere is seen at once."""

    async def person(self, token: str) -> Person | None:
        """Return who a session token belongs to, None when it is unknown, ended or too old.

        Seeing it is using it: the time without use begins anew (at most a write a minute).
        """
        ...


class Trail(Protocol):
    """Audit entries of the console, hash-chained in the receipt log (AUD-03, AUD-06).

    Nothing is shown before its entry is committed: a document cannot be read without a trace.
    """

    async def viewed(self, person: Person, target: str, *, what: str, agency: str = "") -> None:
        """Record that a person was shown something.

        Args:
            person: Who.
            target: `<kind>:<id>`, such as `arrival:019…`, `document:019…`, `account:019…`.
            what: Which part: `page`, `preview`, `file`, `report`, `receipts`, `export`.
            agency: The agency concerned.
        """
        ...

    async def refused(self, person: Person, target: str, *, what: str) -> None:
        """Record that a person asked for what it may not have (403); target is the page's name."""
        ...
