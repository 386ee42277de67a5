"""Accounts and grants by who administers them (ACC-01, ACC-03, ACC-04, ACC-06, ACC-12).

Promises: who administers an agency reaches no further (`gateway.domain.rights`); rights change in
two steps, the second of which names exactly what the first showed; an account with open items is
not closed before somebody else has them; nothing is removed. Each change is one set with its audit
entries: a crash leaves the whole change or nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.access import EVERYWHERE, GATEWAY_ROLES, Grant, Person, Right
from gateway.domain.folding import plain
from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.domain.rights import effect, may_change, may_grant, may_see, scope
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Change, Insert, Row, Update
from gateway.ports.accounts import (
    Account,
    Held,
    Holdings,
    LockCode,
    Made,
    NewAccount,
    Page,
    RightsPlan,
    SessionView,
    State,
)
from gateway.programs.accounts.checks import TAKEN, account_faults, folded, refused, stated
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.means import (
    Means,
    account_of,
    account_row,
    all_ended,
    grant_row,
    kept_of,
    new_token,
    summed,
)
from gateway.programs.accounts.own import sessions_of
from gateway.programs.rows import audited, dumps

_MOST: Final = 200
_REFERENCE: Final = Text("Thiếu số văn bản đề nghị", "Name the document that asks for it")
_MAIL_TAKEN: Final = Text(
    "Thư điện tử này thuộc tài khoản khác", "This mailbox belongs to another account"
)
_REASON: Final = Text("Thiếu lý do", "Say why")


class LedgerAccounts:
    """See `ports.accounts.Accounts`.

    Args:
        means: The means of accounts.
        locking: Locks them.
        places: Where persons have open items (ACC-04).
    """

    def __init__(self, means: Means, locking: Locking, places: Sequence[Holdings] = ()) -> None:
        self._means = means
        self._locking = locking
        self.places = list(places)

    # ------------------------------------------------------------ looking

    async def listing(
        self,
        actor: Person,
        *,
        agency: str = "",
        text: str = "",
        state: str = "",
        after: str = "",
        limit: int = 50,
    ) -> Page[Account]:
        """Return accounts in the order of their logins."""
        mine = scope(actor)
        if not mine or (agency and not mine & {agency, EVERYWHERE}):
            raise RejectedError(Reason.FORBIDDEN, "these accounts are not yours to administer")
        limit = max(1, min(limit, _MOST))
        rows = await self._means.ledger.all(
            "accounts",
            after=after,
            everybody="yes" if EVERYWHERE in mine and not agency else "",
            agencies=json.dumps([agency] if agency else sorted(mine - {EVERYWHERE})),
            state=state,
            text=f"%{plain(text)}%" if plain(text) else "",
            limit=limit + 1,
        )
        more = rows[limit - 1]["login"] if len(rows) > limit else ""
        return Page(tuple(account_of(row) for row in rows[:limit]), more)

    async def one(self, actor: Person, account_id: str) -> Account:
        """Return one with its grants."""
        return (await self._seen(actor, account_id))[1]

    async def _seen(self, actor: Person, account_id: str) -> tuple[Row, Account]:
        row = await self._means.ledger.one("account", id=account_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        grants = await self._means.ledger.all("grants_of", account_id=account_id)
        found = account_of(row, grants)
        if not may_see(actor, found.agency, [g.grant for g in found.grants]):
            raise RejectedError(Reason.NOT_FOUND)
        return row, found

    def may_change(self, actor: Person, account: Account) -> bool:
        """Tell whether this actor may lock, reset, change and close an account."""
        return may_change(actor, account.id, account.agency, [g.grant for g in account.grants])

    async def _mine(self, actor: Person, account_id: str, *states: State) -> tuple[Row, Account]:
        """Return an account this actor may change, in one of some states."""
        row, found = await self._seen(actor, account_id)
        if not self.may_change(actor, found):
            raise RejectedError(
                Reason.FORBIDDEN, "this account has more than you administer, or is your own"
            )
        if states and found.state not in states:
            raise RejectedError(Reason.ILLEGAL_TRANSITION, f"the account is {found.state}")
        return row, found

    # ------------------------------------------------------------ making and changing

    async def add(self, actor: Person, new: NewAccount) -> Made:
        """ACC-01 (S003 art 22.1b): make an account; it has no rights yet."""
        means, now = self._means, self._means.clock.now()
        if not (actor.may(Right.ADMINISTER) or (new.agency and new.agency in scope(actor))):
            raise RejectedError(Reason.FORBIDDEN, "this agency is not yours to administer")
        new = cleaned(new)
        known = await means.ledger.one("account_by_login", login=new.login)
        taken = () if known is None else (TAKEN,)
        refused([*account_faults(new), *taken, *await self.elsewhere_faults(new)])
        made = account_row(means.ids.new(), new, actor.login, now)
        row = {**made.values, "state": State.ACTIVE}
        token, link = self._link(row["id"], "invite", actor)
        told = means.told(
            actor, "account-added", row, now, reason=new.request_ref, name=new.name, mail=new.mail
        )
        free = Absent("account", {"login": new.login})
        await means.commit(made, link, *told, guards=(free,))
        return Made(await self.one(actor, row["id"]), token, now + means.rules.link)

    async def elsewhere_faults(self, new: NewAccount, own: str = "") -> list[Text]:
        """Return what stands against an account elsewhere: its agency, another's mailbox."""
        found = await self.agency_faults(new.agency)
        if new.mail:
            # ACC-05: single sign-on goes by the mailbox: one person, one account.
            rows = await self._means.ledger.all("accounts_by_mail", mail=new.mail)
            found += [_MAIL_TAKEN] if any(row["id"] != own for row in rows) else []
        return found

    async def agency_faults(self, code: str) -> list[Text]:
        """Return what is wrong with the agency of an account; "" is the gateway itself."""
        if not code:
            return []
        known = await self._means.ledger.one("agency_named", code=code)
        if known is not None and known["status"] != "closed":
            return []
        return [Text(f"Không có cơ quan {code}, hoặc mã đã đóng", f"No agency {code}, or closed")]

    def _link(self, account_id: str, purpose: str, actor: Person) -> tuple[str, Insert]:
        token, now = new_token(), self._means.clock.now()
        values = {
            "id": kept_of(token),
            "account_id": account_id,
            "purpose": purpose,
            "created_at": to_text(now),
            "created_by": actor.login,
            "expires_at": to_text(now + self._means.rules.link),
        }
        return token, Insert("account_link", values)

    async def first(self, actor: Person) -> str:
        """Return the token of a link that makes the first administrator."""
        token, link = self._link("", "first", actor)
        means = self._means
        told = audited(
            means.ids, means.clock.now(), action="first-link-made", actor=actor.login,
            target="account:first",
        )  # fmt: skip
        await means.commit(link, *told)
        return token

    async def change(
        self, actor: Person, account_id: str, *, name: str, mail: str, agency: str
    ) -> Account:
        """Change name, mail, agency."""
        means, now = self._means, self._means.clock.now()
        row, found = await self._mine(actor, account_id, State.ACTIVE, State.LOCKED)
        if agency != found.agency and not (
            actor.may(Right.ADMINISTER) or (agency and agency in scope(actor))
        ):
            raise RejectedError(Reason.FORBIDDEN, "that agency is not yours to administer")
        new = cleaned(NewAccount(found.login, name, agency, mail))
        refused([*account_faults(new), *await self.elsewhere_faults(new, account_id)])
        values = {
            "name": new.name,
            "mail": new.mail,
            "agency": new.agency,
            "words": plain(f"{new.login} {new.name} {new.mail}"),
            "changes": row["changes"] + 1,
        }
        if new.mail != found.mail:
            # Single sign-on vouches for a mailbox: another mailbox is another identity.
            values |= {"oidc_issuer": None, "oidc_subject": None}
        told = means.told(
            actor, "account-changed", row, now,
            before=dumps([found.name, found.mail, found.agency]),
            after=dumps([new.name, new.mail, new.agency]),
        )  # fmt: skip
        await means.commit(self._guarded(row, values), *told)
        return await self.one(actor, account_id)

    def _guarded(self, row: Row, values: dict[str, object]) -> Update:
        """Return a change of an account as it was seen."""
        where = {"id": row["id"], "state": row["state"], "changes": row["changes"]}
        return Update("account", where, values)

    # ------------------------------------------------------------ rights

    async def plan(
        self, actor: Person, account_id: str, *, add: Sequence[Grant], revoke: Sequence[str]
    ) -> RightsPlan:
        """Say what granting and revoking would do."""
        row, found = await self._seen(actor, account_id)
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
        now = self._means.clock.now()
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
        means, now = self._means, self._means.clock.now()
        why = stated(request_ref, _REFERENCE)
        plan = await self.plan(actor, account_id, add=add, revoke=revoke)
        refused(plan.conflicts, "These rights do not go together")
        row, found = await self._seen(actor, account_id)
        if not token or token != _token(row, add, revoke):
            raise RejectedError(Reason.CONFLICT, "something changed since: look at it again")
        known = {view.id: view.grant for view in found.grants}
        changes: list[Change] = [self._guarded(row, {"changes": row["changes"] + 1})]
        for grant in add:
            changes.append(grant_row(means.ids, account_id, grant, actor.login, now, why))
            changes += self._right_told(actor, "right-granted", row, grant, why)
        gone = {"revoked_at": to_text(now), "revoked_by": actor.login}
        for one in dict.fromkeys(revoke):
            changes.append(Update("account_grant", {"id": one, "revoked_at": None}, gone))
            changes += self._right_told(actor, "right-revoked", row, known[one], why)
        if any(g.role in GATEWAY_ROLES or g.agency != found.agency for g in add):
            # Whoever holds an old link could become what this person is now.
            changes.append(_links_ended(account_id, to_text(now)))
        await means.commit(*changes)
        return await self.one(actor, account_id)

    def _right_told(
        self, actor: Person, action: str, row: Row, grant: Grant, why: str
    ) -> tuple[Change, ...]:
        until = to_text(grant.valid_to) if grant.valid_to else ""
        since = to_text(grant.valid_from) if grant.valid_from else ""
        return self._means.told(
            actor, action, row, self._means.clock.now(), code=grant.role, agency=grant.agency,
            reason=why, valid_from=since, valid_to=until,
        )  # fmt: skip

    # ------------------------------------------------------------ locking, reset

    async def lock(
        self, actor: Person, account_id: str, code: LockCode, *, reference: str, text: str = ""
    ) -> Account:
        """ACC-03: lock; sessions end at once, nothing is deleted."""
        row, _ = await self._mine(actor, account_id, State.ACTIVE)
        why, now = stated(reference, _REFERENCE), self._means.clock.now()
        words = " ".join(text.split())[:500]
        await self._means.commit(
            *self._locking.changes(row, code, actor, now, reference=why, text=words)
        )
        return await self.one(actor, account_id)

    async def unlock(self, actor: Person, account_id: str, *, reference: str) -> Account:
        """Unlock; who lost control of it gets a new password first."""
        means, now = self._means, self._means.clock.now()
        row, found = await self._mine(actor, account_id, State.LOCKED)
        why = stated(reference, _REFERENCE)
        values: dict[str, object] = {
            "state": State.ACTIVE,
            "lock_code": "",
            "lock_ref": "",
            "lock_text": "",
            "changes": row["changes"] + 1,
        }
        if found.lock is not None and found.lock.code is LockCode.LOST:
            # Somebody else may know it, and may hold a link: only a reset opens it again.
            values |= {"password": None}
        told = means.told(actor, "account-unlocked", row, now, code=row["lock_code"], reason=why)
        ended = _links_ended(account_id, to_text(now))
        await means.commit(self._guarded(row, values), ended, *told)
        return await self.one(actor, account_id)

    async def reset(self, actor: Person, account_id: str, *, factor: bool, reason: str) -> Made:
        """End sessions and password; give a one-time link."""
        means, now = self._means, self._means.clock.now()
        row, _ = await self._mine(actor, account_id, State.ACTIVE)
        why = stated(reason, _REASON)
        values: dict[str, object] = {"password": None, "changes": row["changes"] + 1}
        if factor:
            values |= {"totp": None, "totp_next": None, "recovery": "[]"}
        purpose = "reset" if row["password"] is not None or row["used_at"] else "invite"
        token, link = self._link(account_id, purpose, actor)
        told = means.told(
            actor, "account-reset", row, now, reason=why, code="with-factor" if factor else ""
        )
        await means.commit(
            self._guarded(row, values),
            all_ended(account_id, to_text(now), "reset"),
            _links_ended(account_id, to_text(now)),
            link,
            *told,
        )
        return Made(await self.one(actor, account_id), token, now + means.rules.link)

    async def sessions(self, actor: Person, account_id: str) -> Sequence[SessionView]:
        """Return the sessions of an account."""
        await self._mine(actor, account_id)
        return await sessions_of(self._means, account_id)

    async def end_sessions(self, actor: Person, account_id: str, *, reason: str) -> int:
        """End all its sessions; return how many there were."""
        means, now = self._means, self._means.clock.now()
        row, _ = await self._mine(actor, account_id)
        why = stated(reason, _REASON)
        living = await means.ledger.all("sessions_living", account_id=account_id)
        told = means.told(actor, "sessions-ended", row, now, reason=why, count=len(living))
        await means.commit(all_ended(account_id, to_text(now), "by-administrator"), *told)
        return len(living)

    # ------------------------------------------------------------ leaving

    async def holdings(self, actor: Person, account_id: str) -> Sequence[Held]:
        """Return its open items."""
        await self._seen(actor, account_id)
        return await self._held(account_id)

    async def _held(self, account_id: str) -> list[Held]:
        found = [one for place in self.places for one in await place.held(account_id)]
        return [one for one in found if one.count > 0]

    async def hand_over(
        self, actor: Person, account_id: str, successor_id: str, *, reference: str
    ) -> Sequence[Held]:
        """ACC-04 (S000 art 14.3): give all open items to another account."""
        row, _ = await self._mine(actor, account_id)
        held = await self._held(account_id)
        await self._means.commit(
            *await self._handed(actor, row, successor_id, held, stated(reference, _REFERENCE))
        )
        return held

    async def _handed(
        self, actor: Person, row: Row, successor_id: str, held: Sequence[Held], why: str
    ) -> list[Change]:
        """Return the changes that give open items to a successor that can do the work."""
        now = self._means.clock.now()
        heir, found = await self._seen(actor, successor_id)
        if found.state is not State.ACTIVE or successor_id == row["id"]:
            raise RejectedError(Reason.CONFLICT, "the successor's account is not active")
        has = {view.grant.agency for view in found.grants if view.grant.holds(now)}
        lacks = sorted({h.agency for h in held if h.agency} - has) if EVERYWHERE not in has else []
        if lacks:
            told = ", ".join(lacks)
            raise RejectedError(Reason.CONFLICT, f"the successor has no role for {told}")
        changes: list[Change] = []
        for place in self.places:
            changes += await place.handed_over(row["id"], successor_id, now)
        changes += self._means.told(
            actor, "work-handed-over", row, now, reason=why, to=heir["login"], items=summed(held)
        )
        return changes

    async def close(
        self, actor: Person, account_id: str, *, reference: str, successor_id: str = ""
    ) -> Account:
        """Close for good; CONFLICT with open items and no successor."""
        means, now = self._means, self._means.clock.now()
        row, _ = await self._mine(actor, account_id, State.ACTIVE, State.LOCKED)
        why = stated(reference, _REFERENCE)
        held = await self._held(account_id)
        changes: list[Change] = []
        if held and not successor_id:
            items = ", ".join(f"{one.count} {one.text.en}" for one in held)
            raise RejectedError(Reason.CONFLICT, f"it has open items: {items}; name a successor")
        if successor_id:
            changes = await self._handed(actor, row, successor_id, held, why)
        gone = {"revoked_at": to_text(now), "revoked_by": actor.login}
        own = {"account_id": account_id, "revoked_at": None}
        lent = {"delegated_by": account_id, "revoked_at": None}
        values: dict[str, object] = {
            "state": State.CLOSED,
            "closed_at": to_text(now),
            "oidc_issuer": None,
            "oidc_subject": None,
            "password": None,
            "totp": None,
            "totp_next": None,
            "recovery": "[]",
            "changes": row["changes"] + 1,
        }
        await means.commit(
            self._guarded(row, values),
            Update("account_grant", own, gone, expect=None),
            Update("account_grant", lent, gone, expect=None),
            all_ended(account_id, to_text(now), "closed"),
            _links_ended(account_id, to_text(now)),
            *changes,
            *means.told(actor, "account-closed", row, now, reason=why),
        )
        return account_of({**row, **values}, ())


def cleaned(new: NewAccount) -> NewAccount:
    """Return an account to be made as it is kept."""
    return replace(
        new,
        login=folded(new.login),
        name=" ".join(new.name.split()),
        mail=new.mail.strip().casefold(),
        agency=new.agency.strip(),
        request_ref=" ".join(new.request_ref.split()),
    )


def _links_ended(account_id: str, at: str) -> Update:
    where = {"account_id": account_id, "used_at": None}
    return Update("account_link", where, {"used_at": at}, expect=None)


def _token(row: Row, add: Sequence[Grant], revoke: Sequence[str]) -> str:
    """Return what confirms exactly this change of an account as it stands."""
    asked = sorted(
        [g.role, g.agency, *(to_text(at) if at else "" for at in (g.valid_from, g.valid_to))]
        for g in add
    )
    told = dumps([row["id"], row["changes"], row["state"], asked, sorted(revoke)])
    return hashlib.sha256(told.encode()).hexdigest()
