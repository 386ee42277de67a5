"""Locking an account: its sessions end, nothing else is touched (ACC-02, ACC-03).

One change set: state, sessions, audit entry, and for a lost account the event that tells who
administers it. A crash leaves the whole lock or none of it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.domain.access import Person
from gateway.domain.moments import to_text
from gateway.ports import Change, Row, Update
from gateway.ports.accounts import LockCode, State
from gateway.programs.accounts.means import Means, all_ended

Tell = Callable[[Row, datetime], Sequence[Change]]


def nobody_told(_: Row, __: datetime) -> Sequence[Change]:
    """Return nothing: nobody is told."""
    return ()


class Locking:
    """Locks accounts.

    Args:
        means: The means of accounts.
        tell: Returns what must be written so that the administrators hear of a lost account.
    """

    def __init__(self, means: Means, tell: Tell = nobody_told) -> None:
        self._means = means
        self.tell = tell

    async def lost(self, row: Row, actor: Person, address: str = "") -> None:
        """ACC-02 (S003 art 22.2): who lost control says so, and the account is shut at once."""
        now = self._means.clock.now()
        changes = self.changes(row, LockCode.LOST, actor, now, address=address)
        await self._means.commit(*changes, *self.tell(row, now))

    def changes(
        self,
        row: Row,
        code: LockCode,
        actor: Person,
        now: datetime,
        *,
        reference: str = "",
        text: str = "",
        address: str = "",
    ) -> tuple[Change, ...]:
        """Return the changes that lock an active account."""
        # ACC-03 (S002 art 8.3): reason a…d and the document that asks for it.
        values = {
            "state": State.LOCKED,
            "lock_code": code,
            "lock_ref": reference,
            "lock_text": text,
            "locked_by": actor.login,
            "locked_at": to_text(now),
            "changes": row["changes"] + 1,
        }
        where = {"id": row["id"], "state": State.ACTIVE, "changes": row["changes"]}
        told = self._means.told(
            actor,
            "account-locked",
            row,
            now,
            code=code,
            reason=text,
            reference=reference,
            address=address,
        )
        return (
            Update("account", where, values),
            all_ended(row["id"], to_text(now), "locked"),
            *told,
        )
