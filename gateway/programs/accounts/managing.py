"""Accounts by who administers them: found, made, changed, locked, reset (ACC-01, ACC-03, ACC-06).

Promises: who administers an agency reaches no further (`reach`); nothing is removed. Rights are
`granting`, handing over and closing `leaving`. Each change is one set with its audit entries: a
crash leaves the whole change or nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.access import EVERYWHERE, Person, Right
from gateway.domain.folding import plain
from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.domain.rights import scope
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Insert
from gateway.ports.accounts import (
    Account,
    Holdings,
    LockCode,
    Made,
    NewAccount,
    Page,
    SessionView,
    State,
)
from gateway.programs.accounts.checks import (
    REFERENCE,
    TAKEN,
    account_faults,
    folded,
    refused,
    stated,
)
from gateway.programs.accounts.granting import Granting
from gateway.programs.accounts.leaving import Leaving
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.means import (
    Means,
    account_of,
    account_row,
    all_ended,
    kept_of,
    new_token,
)
from gateway.programs.accounts.own import sessions_of
from gateway.programs.accounts.reach import guarded, links_ended
from gateway.programs.rows import audited, dumps

_MOST: Final = 200
_MAIL_TAKEN: Final = Text(
    "Thư điện tử này thuộc tài khoản khác", "This mailbox belongs to another account"
)
_REASON: Final = Text("Thiếu lý do", "Say why")


class LedgerAccounts(Granting, Leaving):
    """See `ports.accounts.Accounts`.

    Args:
        means: The means of accounts.
        locking: Locks them.
        places: Where persons have open items (ACC-04).
    """

    def __init__(self, means: Means, locking: Locking, places: Sequence[Holdings] = ()) -> None:
        super().__init__(means, places)
        self._locking = locking

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
        rows = await self.means.ledger.all(
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

    # ------------------------------------------------------------ making and changing

    async def add(self, actor: Person, new: NewAccount) -> Made:
        """ACC-01 (S003 art 22.1b): make an account; it has no rights yet."""
        means, now = self.means, self.means.clock.now()
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
            rows = await self.means.ledger.all("accounts_by_mail", mail=new.mail)
            found += [_MAIL_TAKEN] if any(row["id"] != own for row in rows) else []
        return found

    def _link(self, account_id: str, purpose: str, actor: Person) -> tuple[str, Insert]:
        token, now = new_token(), self.means.clock.now()
        values = {
            "id": kept_of(token),
            "account_id": account_id,
            "purpose": purpose,
            "created_at": to_text(now),
            "created_by": actor.login,
            "expires_at": to_text(now + self.means.rules.link),
        }
        return token, Insert("account_link", values)

    async def first(self, actor: Person) -> str:
        """Return the token of a link that makes the first administrator."""
        token, link = self._link("", "first", actor)
        means = self.means
        told = audited(
            means.ids, means.clock.now(), action="first-link-made", actor=actor.login,
            target="account:first",
        )  # fmt: skip
        await means.commit(link, *told)
        return token

    async def change(
        self,
        actor: Person,
        account_id: str,
        *,
        name: str,
        mail: str,
        agency: str,
        request_ref: str,
    ) -> Account:
        """ACC-01 (S003 art 22.1b): change name, mail, agency on the unit's request."""
        means, now = self.means, self.means.clock.now()
        row, found = await self.mine(actor, account_id, State.ACTIVE, State.LOCKED)
        if agency != found.agency and not (
            actor.may(Right.ADMINISTER) or (agency and agency in scope(actor))
        ):
            raise RejectedError(Reason.FORBIDDEN, "that agency is not yours to administer")
        why = stated(request_ref, REFERENCE)
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
            actor, "account-changed", row, now, reason=why,
            before=dumps([found.name, found.mail, found.agency]),
            after=dumps([new.name, new.mail, new.agency]),
        )  # fmt: skip
        await means.commit(guarded(row, values), *told)
        return await self.one(actor, account_id)

    # ------------------------------------------------------------ locking, reset

    async def lock(
        self, actor: Person, account_id: str, code: LockCode, *, reference: str, text: str = ""
    ) -> Account:
        """ACC-03: lock; sessions end at once, nothing is deleted."""
        row, _ = await self.mine(actor, account_id, State.ACTIVE)
        why, now = stated(reference, REFERENCE), self.means.clock.now()
        words = " ".join(text.split())[:500]
        await self.means.commit(
            *self._locking.changes(row, code, actor, now, reference=why, text=words)
        )
        return await self.one(actor, account_id)

    async def unlock(self, actor: Person, account_id: str, *, reference: str) -> Account:
        """Unlock; who lost control of it gets a new password first."""
        means, now = self.means, self.means.clock.now()
        row, found = await self.mine(actor, account_id, State.LOCKED)
        why = stated(reference, REFERENCE)
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
        ended = links_ended(account_id, to_text(now))
        await means.commit(guarded(row, values), ended, *told)
        return await self.one(actor, account_id)

    async def reset(self, actor: Person, account_id: str, *, factor: bool, reason: str) -> Made:
        """End sessions and password; give a one-time link."""
        means, now = self.means, self.means.clock.now()
        row, _ = await self.mine(actor, account_id, State.ACTIVE)
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
            guarded(row, values),
            all_ended(account_id, to_text(now), "reset"),
            links_ended(account_id, to_text(now)),
            link,
            *told,
        )
        return Made(await self.one(actor, account_id), token, now + means.rules.link)

    async def sessions(self, actor: Person, account_id: str) -> Sequence[SessionView]:
        """Return the sessions of an account."""
        await self.mine(actor, account_id)
        return await sessions_of(self.means, account_id)

    async def end_sessions(self, actor: Person, account_id: str, *, reason: str) -> int:
        """End all its sessions; return how many there were."""
        means, now = self.means, self.means.clock.now()
        row, _ = await self.mine(actor, account_id)
        why = stated(reason, _REASON)
        living = await means.ledger.all("sessions_living", account_id=account_id)
        told = means.told(actor, "sessions-ended", row, now, reason=why, count=len(living))
        await means.commit(all_ended(account_id, to_text(now), "by-administrator"), *told)
        return len(living)


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
