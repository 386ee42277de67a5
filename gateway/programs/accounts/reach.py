"""How far who administers accounts reaches: which accounts are seen, which may be changed (ACC-06).

What all of administration stands on: `LedgerAccounts` and its halves (`granting`, `leaving`). Reads
only; a crash leaves nothing.
"""

from gateway.domain.access import Person
from gateway.domain.machine import Text
from gateway.domain.rights import may_change, may_see
from gateway.errors import Reason, RejectedError
from gateway.ports import Row, Update
from gateway.ports.accounts import Account, State
from gateway.programs.accounts.means import Means, account_of


class Reach:
    """Accounts as an administrator reaches them.

    Args:
        means: The means of accounts.
    """

    def __init__(self, means: Means) -> None:
        self.means = means

    async def one(self, actor: Person, account_id: str) -> Account:
        """Return one with its grants."""
        return (await self.seen(actor, account_id))[1]

    async def seen(self, actor: Person, account_id: str) -> tuple[Row, Account]:
        """Return an account this actor may know of; NOT_FOUND otherwise."""
        row = await self.means.ledger.one("account", id=account_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        grants = await self.means.ledger.all("grants_of", account_id=account_id)
        found = account_of(row, grants)
        if not may_see(actor, found.agency, [g.grant for g in found.grants]):
            raise RejectedError(Reason.NOT_FOUND)
        return row, found

    def may_change(self, actor: Person, account: Account) -> bool:
        """Tell whether this actor may lock, reset, change and close an account."""
        return may_change(actor, account.id, account.agency, [g.grant for g in account.grants])

    async def mine(self, actor: Person, account_id: str, *states: State) -> tuple[Row, Account]:
        """Return an account this actor may change, in one of some states."""
        row, found = await self.seen(actor, account_id)
        if not self.may_change(actor, found):
            raise RejectedError(
                Reason.FORBIDDEN, "this account has more than you administer, or is your own"
            )
        if states and found.state not in states:
            raise RejectedError(Reason.ILLEGAL_TRANSITION, f"the account is {found.state}")
        return row, found

    async def agency_faults(self, code: str) -> list[Text]:
        """Return what is wrong with the agency of an account; "" is the gateway itself."""
        if not code:
            return []
        known = await self.means.ledger.one("agency_named", code=code)
        if known is not None and known["status"] != "closed":
            return []
        return [Text(f"Không có cơ quan {code}, hoặc mã đã đóng", f"No agency {code}, or closed")]


def guarded(row: Row, values: dict[str, object]) -> Update:
    """Return a change of an account as it was seen."""
    where = {"id": row["id"], "state": row["state"], "changes": row["changes"]}
    return Update("account", where, values)


def links_ended(account_id: str, at: str) -> Update:
    """Return the change that ends all one-time links of an account."""
    where = {"account_id": account_id, "used_at": None}
    return Update("account_link", where, {"used_at": at}, expect=None)
