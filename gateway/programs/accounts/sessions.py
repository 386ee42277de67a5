"""Who a session token belongs to, asked of the ledger at every request.

Promises: a session ended, an account locked and a grant revoked by any process are seen at the next
request: nothing is remembered here. A session ends after its time without use, and after its
longest time anyhow. A role that asks for a second factor gives nothing in a session without one.
The ledger knows tokens by their hash: who reads it, or a backup, cannot sign in. A crash leaves
sessions as they were.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.access import Grant, Person
from gateway.domain.moments import from_text, to_text
from gateway.errors import UnavailableError
from gateway.ports import Change, ChangeSet, Conflict, Row, Update
from gateway.ports.accounts import Denied, State, Why
from gateway.programs.accounts.factors import spent_code
from gateway.programs.accounts.means import Means, ended, grant_of, handle_of, kept_of
from gateway.programs.accounts.waits import Waits

_WRITTEN_EVERY: Final = timedelta(minutes=1)
_LONGEST_TOKEN: Final = 200


class LedgerSessions:
    """See `ports.accounts.Sessions`."""

    def __init__(
        self, means: Means, inherits: Callable[[str], Sequence[str]] = lambda _: ()
    ) -> None:
        """Keep what is needed.

        Args:
            means: What accounts are kept with.
            inherits: Closed agencies that an agency took over from (ID-05).
        """
        self._means = means
        self._inherits = inherits
        self._waits = Waits(means)

    async def person(self, token: str, *, using: bool = True) -> Person | None:
        """Return who a session token belongs to, None when it is no session any more."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        means = self._means
        row = await means.ledger.one("session_person", id=kept_of(token))
        if row is None or row["state"] != State.ACTIVE:
            return None
        now = means.clock.now()
        used = from_text(row["used_at"])
        over = _over(row, used, now, means.rules.idle)
        if over:
            await self._write(ended(row["session_id"], to_text(now), over))
            return None
        if using and abs(now - used) >= _WRITTEN_EVERY:
            where = {"id": row["session_id"], "ended_at": None}
            seen = {"used_at": to_text(now)}
            await self._write(Update("account_session", where, seen, expect=None))
        grants = await standing(means, row["account_id"], now, strong=bool(row["strong"]))
        return Person(
            account_id=row["account_id"],
            login=row["login"],
            name=row["name"],
            grants=grants,
            inherited=tuple(
                replace(grant, agency=code)
                for grant in grants
                if grant.agency
                for code in self._inherits(grant.agency)
            ),
            session_id=row["session_id"],
            strong=bool(row["strong"]),
            fresh=_fresh(row, now, means.rules.again),
        )

    async def prove(self, person: Person, code: str) -> Denied | None:
        """Take a code of the second factor again; None: right, and the session is fresh from now.

        A code is used up and the session fresh in one commit: no code counts twice.
        """
        means = self._means
        row = await means.ledger.one("account", id=person.account_id)
        if row is None or row["state"] != State.ACTIVE or row["totp"] is None:
            return Denied(Why.OVER)
        # Each session answers for itself: who guesses in a stolen one keeps no other from proving.
        place = handle_of(person.session_id)
        wait = await self._waits.begin(f"code:{row['id']}", "", place)
        if wait > 0:
            return Denied(Why.WAIT, wait)
        now, spent = means.clock.now(), spent_code(means, row, code)
        if spent is None:
            await means.commit(*means.told(person, "sign-in-failed", row, now, code="code"))
            return Denied(Why.CODE)
        # A session that ended meanwhile is made fresh by nobody.
        where = {"id": person.session_id, "ended_at": None, "strong": 1}
        fresh = Update("account_session", where, {"strong_at": to_text(now)})
        told = means.told(person, "proved-again", row, now)
        if isinstance(await means.ledger.commit(ChangeSet(rows=(spent, fresh, *told))), Conflict):
            return Denied(Why.CODE)
        await self._waits.succeeded(f"code:{row['id']}", "", place)
        return None

    async def _write(self, change: Change) -> None:
        """Write what may as well be written at the next request."""
        try:
            await self._means.ledger.commit(ChangeSet(rows=(change,)))
        except UnavailableError:
            return


def _fresh(row: Row, now: datetime, again: timedelta) -> bool:
    """Tell whether the second factor was given a short while ago; the future proves nothing."""
    if not row["strong"] or row["strong_at"] is None:
        return False
    return abs(now - from_text(row["strong_at"])) < again


def _over(row: Row, used: datetime, now: datetime, idle: timedelta) -> str:
    if from_text(row["ends_at"]) <= now:
        return "absolute"
    return "idle" if used + idle <= now else ""


async def standing(
    means: Means, account_id: str, now: datetime, *, strong: bool
) -> tuple[Grant, ...]:
    """Return the grants of an account that hold now.

    ACC-10 (S000 art 8.2): what was lent holds while the lender has it and may use it.
    """
    rows = await means.ledger.all("grants_standing", account_id=account_id, now=to_text(now))
    grants = (grant_of(row) for row in rows)
    weak = frozenset[object]() if strong else means.rules.strong_roles
    return tuple(g for g in grants if g.holds(now) and g.role not in weak)


def needs_strong(means: Means, grants: tuple[Grant, ...]) -> bool:
    """Return whether one of the grants counts only with a second factor."""
    return any(g.role in means.rules.strong_roles for g in grants)
