"""The trail of what persons saw and were refused (AUD-03, AUD-06): `ports.accounts.Trail`.

Promises: an entry is committed, hash-chained in the receipt log, before its call returns; so nobody
is shown a document whose view left no trace. A crash before that shows nothing.
"""

from gateway.domain.access import Person
from gateway.programs.accounts.means import Means, handle_of
from gateway.programs.rows import audited


class LedgerTrail:
    """See `ports.accounts.Trail`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def viewed(self, person: Person, target: str, *, what: str, agency: str = "") -> None:
        """Record that a person was shown something."""
        await self._record(person, "viewed", target, what, agency)

    async def refused(self, person: Person, target: str, *, what: str) -> None:
        """Record that a person asked for what it may not have."""
        await self._record(person, "refused", f"page:{target}", what, "")

    async def _record(
        self, person: Person, action: str, target: str, what: str, agency: str
    ) -> None:
        means = self._means
        told = {"session": handle_of(person.session_id)}
        await means.commit(
            *audited(
                means.ids, means.clock.now(), action=action, actor=person.login, target=target,
                agency=agency, code=what, told=told,
            )
        )  # fmt: skip
