"""Rights given and taken in two steps (ACC-06, ACC-12 (NĐ30 PL VI)).

Promises: the second step names exactly what the first showed; nobody reaches further than the own
scope, nor the own rights; each right given or taken is an audit entry of its change set. A crash
leaves the whole change or nothing.
"""

import hashlib
from collections.abc import Sequence

from gateway.domain.access import GATEWAY_ROLES, Grant, Person
from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.domain.rights import effect, may_grant
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Row, Update
from gateway.ports.accounts import Account, RightsPlan, State
from gateway.programs.accounts.checks import REFERENCE, refused, stated
from gateway.programs.accounts.means import grant_row
from gateway.programs.accounts.reach import Reach, guarded, links_ended
from gateway.programs.rows import dumps


class Granting(Reach):
    """Changes of rights."""

    async def plan(
        self, actor: Person, account_id: str, *, add: Sequence[Grant], revoke: Sequence[str]
    ) -> RightsPlan:
        """Say what granting and revoking would do."""
        row, found = await self.seen(actor, account_id)
        before, after = self._asked(actor, found, add, revoke)
        what = effect(before, after)
        conflicts = [*what.conflicts, *await self._agencies_of(add)]
        if found.state is not State.ACTIVE and add:
            conflicts.append(Text("Tài khoản không hoạt động", "The account is not active"))
        token = "" if conflicts else _token(row, add, revoke)
        return RightsPlan(what.gains, what.losses, tuple(conflicts), what.warnings, token)

    async def _agencies_of(self, grants: Sequence[Grant]) -> list[Text]:
        codes = dict.fromkeys(g.agency for g in grants)
        return [fault for code in codes for fault in await self.agency_faults(code)]

    def _asked(
        self, actor: Person, found: Account, add: Sequence[Grant], revoke: Sequence[str]
    ) -> tuple[list[Grant], list[Grant]]:
        """Return the grants before and after; FORBIDDEN beyond the actor's reach."""
        if found.id == actor.account_id:
            raise RejectedError(Reason.FORBIDDEN, "nobody changes the own rights")
        known = {view.id: view.grant for view in found.grants}
        gone = [known[one] for one in revoke if one in known]
        if len(gone) != len(set(revoke)):
            raise RejectedError(Reason.CONFLICT, "one of these rights was taken away meanwhile")
        if not all(may_grant(actor, g) for g in (*add, *gone)):
            raise RejectedError(Reason.FORBIDDEN, "this right is not yours to give or to take")
        if any(g.delegated_by for g in add):
            raise RejectedError(Reason.BAD_REQUEST, "a right is lent by who has it")
        # What has run out is neither lost by this, nor does it stand against anything.
        now = self.means.clock.now()
        living = {k: g for k, g in known.items() if g.valid_to is None or g.valid_to > now}
        kept = [g for one, g in living.items() if one not in revoke]
        return list(living.values()), [*kept, *add]

    async def change_rights(
        self,
        actor: Person,
        account_id: str,
        *,
        add: Sequence[Grant],
        revoke: Sequence[str],
        token: str,
        request_ref: str,
    ) -> Account:
        """ACC-12 (NĐ30 PL VI): do what was planned and confirmed."""
        means, now = self.means, self.means.clock.now()
        why = stated(request_ref, REFERENCE)
        plan = await self.plan(actor, account_id, add=add, revoke=revoke)
        refused(plan.conflicts, "These rights do not go together")
        row, found = await self.seen(actor, account_id)
        if not token or token != _token(row, add, revoke):
            raise RejectedError(Reason.CONFLICT, "something changed since: look at it again")
        known = {view.id: view.grant for view in found.grants}
        changes: list[Change] = [guarded(row, {"changes": row["changes"] + 1})]
        for grant in add:
            changes.append(grant_row(means.ids, account_id, grant, actor.login, now, why))
            changes += self._right_told(actor, "right-granted", row, grant, why)
        gone = {"revoked_at": to_text(now), "revoked_by": actor.login}
        for one in dict.fromkeys(revoke):
            changes.append(Update("account_grant", {"id": one, "revoked_at": None}, gone))
            changes += self._right_told(actor, "right-revoked", row, known[one], why)
        if any(g.role in GATEWAY_ROLES or g.agency != found.agency for g in add):
            # Whoever holds an old link could become what this person is now.
            changes.append(links_ended(account_id, to_text(now)))
        await means.commit(*changes)
        return await self.one(actor, account_id)

    def _right_told(
        self, actor: Person, action: str, row: Row, grant: Grant, why: str
    ) -> tuple[Change, ...]:
        until = to_text(grant.valid_to) if grant.valid_to else ""
        since = to_text(grant.valid_from) if grant.valid_from else ""
        return self.means.told(
            actor, action, row, self.means.clock.now(), code=grant.role, agency=grant.agency,
            reason=why, valid_from=since, valid_to=until,
        )  # fmt: skip


def _token(row: Row, add: Sequence[Grant], revoke: Sequence[str]) -> str:
    """Return what confirms exactly this change of an account as it stands."""
    asked = sorted(
        [g.role, g.agency, *(to_text(at) if at else "" for at in (g.valid_from, g.valid_to))]
        for g in add
    )
    told = dumps([row["id"], row["changes"], row["state"], asked, sorted(revoke)])
    return hashlib.sha256(told.encode()).hexdigest()
