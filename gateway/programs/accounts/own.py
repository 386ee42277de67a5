"""One's own account: password, second factor, sessions, lending of roles, loss of control.

Promises: what changes how somebody signs in ends every other session; a role is lent from a time to
a time, only one that one has oneself, never one that was lent (ACC-10); each change is one set with
its audit entry. A crash leaves the whole change or nothing.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.access import EVERYWHERE, Grant, Person, Role
from gateway.domain.folding import plain
from gateway.domain.machine import Text
from gateway.domain.moments import from_text, to_text
from gateway.domain.passwords import composed
from gateway.domain.rights import LENDABLE, conflicts, scope
from gateway.errors import Reason, RejectedError
from gateway.ports import Present, Row, Update
from gateway.ports.accounts import Account, Enrolment, GrantView, Notes, SessionView, State
from gateway.programs.accounts.checks import refused, stated
from gateway.programs.accounts.factors import confirmed, over, password_changes, prepared
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.means import (
    Means,
    account_of,
    ended,
    grant_of,
    grant_row,
    grant_view,
    handle_of,
    session_view,
)
from gateway.programs.accounts.sessions import needs_strong, standing
from gateway.programs.accounts.waits import Waits

_LONGEST_LOAN: Final = timedelta(days=366)
_SHOWN: Final = timedelta(days=30)
_MOST_SESSIONS: Final = 50
_MOST_LOST: Final = 100
OTHERS: Final = "others"


class LedgerOwn:
    """See `ports.accounts.Own`."""

    def __init__(self, means: Means, locking: Locking) -> None:
        self._means = means
        self._locking = locking
        self._waits = Waits(means)

    async def me(self, person: Person) -> Account:
        """Return the own account with its grants."""
        row = await self._row(person)
        return account_of(row, await self._means.ledger.all("grants_of", account_id=row["id"]))

    async def _row(self, person: Person) -> Row:
        row = await self._means.ledger.one("account", id=person.account_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def notes(self, person: Person) -> Notes:
        """Return what this person must be told above every page."""
        ledger = self._means.ledger
        unseen = await ledger.one("grants_unseen", account_id=person.account_id)
        mine = scope(person)
        lost: Sequence[Row] = ()
        if mine:
            # ACC-02 (S003 art 22.2): who administers hears of it at once, until it is settled.
            lost = await ledger.all("accounts_lost", limit=_MOST_LOST)
        seen = (row for row in lost if EVERYWHERE in mine or row["agency"] in mine)
        return Notes(unseen is not None, tuple((row["id"], row["login"]) for row in seen))

    # ------------------------------------------------------------ sessions

    async def sessions(self, person: Person) -> Sequence[SessionView]:
        """Return the own sessions."""
        return await sessions_of(self._means, person.account_id, person.session_id)

    async def end_session(self, person: Person, handle: str) -> None:
        """End one of them, or all but this one."""
        means, now = self._means, self._means.clock.now()
        row = await self._row(person)
        living = await means.ledger.all("sessions_living", account_id=row["id"])
        chosen = [
            one["id"] for one in living
            if (handle == OTHERS and one["id"] != person.session_id)
            or handle_of(one["id"]) == handle
        ]  # fmt: skip
        if not chosen:
            return
        told = means.told(person, "sessions-ended", row, now, count=len(chosen))
        await means.commit(*(ended(one, to_text(now), "by-hand") for one in chosen), *told)

    # ------------------------------------------------------------ how one signs in

    async def change_password(self, person: Person, old: str, new: str) -> None:
        """ACC-13: change it; other sessions end."""
        row = await self._proven(person, old)
        changes = await password_changes(self._means, row, new, person, but=person.session_id)
        await self._means.commit(*changes)

    async def _proven(self, person: Person, password: str) -> Row:
        """Return the own account once its password was given: a session alone is not enough."""
        row = await self._row(person)
        # Each account answers for itself: there is no address that all of them share.
        wait = await self._waits.begin(row["id"], "", "session")
        if wait > 0:
            many = Text(f"Sai nhiều lần: chờ {wait:.0f} giây", f"Too many: wait {wait:.0f} s")
            refused((many,), many.en)
        if not await self._means.passwords.matches(row["password"], composed(password)):
            wrong = Text("Mật khẩu hiện tại không đúng", "The present password is wrong")
            refused((wrong,), wrong.en)
        await self._waits.succeeded(row["id"], "", "session")
        return row

    async def fresh(self, person: Person) -> bool:
        """Tell whether this session began a moment ago."""
        row = await self._means.ledger.one("session", id=person.session_id)
        if row is None:
            return False
        began, now = from_text(row["began_at"]), self._means.clock.now()
        return abs(now - began) < self._means.rules.step

    async def second_factor(self, person: Person) -> Enrolment:
        """Begin to set up a second factor, or another one in its place."""
        row = await self._row(person)
        self._must_be_strong(row, person)
        return await prepared(self._means, row, person.session_id)

    async def second_factor_done(self, person: Person, code: str) -> tuple[str, ...]:
        """Confirm it with its first code; the session is strong now, the others end."""
        row = await self._row(person)
        self._must_be_strong(row, person)
        if not await self.fresh(person):
            raise RejectedError(Reason.FORBIDDEN, "Sign in again first: this session is not fresh")
        done = confirmed(self._means, row, code, person, person.session_id)
        if done is None:
            wrong = Text("Mã không đúng hoặc đã dùng", "The code is wrong, or was used")
            refused((wrong,), wrong.en)
            return ()
        changes, codes = done
        now = self._means.clock.now()
        values = {"strong": 1, "strong_at": to_text(now)}
        strong = Update("account_session", {"id": person.session_id}, values)
        rest = await over(self._means, row["id"], now, "factor-changed", but=person.session_id)
        await self._means.commit(*changes, strong, *rest)
        return codes

    def _must_be_strong(self, row: Row, person: Person) -> None:
        """Refuse to replace a factor without the one before: a stolen session is not enough."""
        if row["totp"] is not None and not person.strong:
            raise RejectedError(Reason.FORBIDDEN, "Sign in with the present second factor first")

    async def second_factor_off(self, person: Person, password: str) -> None:
        """Remove it; CONFLICT while a role asks for one."""
        row = await self._proven(person, password)
        self._must_be_strong(row, person)
        means, now = self._means, self._means.clock.now()
        grants = await standing(means, row["id"], now, strong=True)
        if needs_strong(means, grants):
            raise RejectedError(Reason.CONFLICT, "One of your roles needs a second factor")
        none = {"totp": None, "totp_next": None, "recovery": "[]"}
        rest = await over(means, row["id"], now, "factor-changed", but=person.session_id)
        told = means.told(person, "second-factor-removed", row, now)
        await means.commit(Update("account", {"id": row["id"]}, none), *rest, *told)

    async def lost(self, person: Person) -> None:
        """ACC-02: lock the own account, end its sessions, tell who administers it."""
        row = await self._row(person)
        if row["state"] == State.ACTIVE:
            await self._locking.lost(row, person)

    # ------------------------------------------------------------ lending

    async def delegations(self, person: Person) -> Sequence[GrantView]:
        """Return what this person lent to others and what others lent it, not long over."""
        ledger = self._means.ledger
        lent = await ledger.all("grants_lent_by", account_id=person.account_id)
        had = await ledger.all("grants_of", account_id=person.account_id)
        since = self._means.clock.now() - _SHOWN
        views = map(grant_view, (*lent, *(row for row in had if row["delegated_by"])))
        return [v for v in views if v.grant.valid_to is None or v.grant.valid_to > since]

    async def delegates(self, person: Person, text: str) -> Sequence[Account]:
        """Return up to 20 accounts one may lend a role to: same agency, active."""
        agencies = sorted({g.agency for g in _lendable(person)})
        rows = await self._means.ledger.all(
            "accounts", after="", everybody="", agencies=json.dumps(agencies), limit=21,
            state=State.ACTIVE, text=f"%{plain(text)}%" if plain(text) else "",
        )  # fmt: skip
        return [account_of(row) for row in rows if row["id"] != person.account_id][:20]

    async def delegate(
        self,
        person: Person,
        to: str,
        role: Role,
        agency: str,
        *,
        valid_from: datetime,
        valid_to: datetime,
        reference: str,
    ) -> GrantView:
        """ACC-10 (S000 art 8.2): lend a role one has oneself, from a time to a time."""
        means, now = self._means, self._means.clock.now()
        why = stated(reference, Text("Thiếu văn bản ủy quyền", "Name the document that says so"))
        grant = Grant(role, agency, valid_from, valid_to, person.account_id)
        own = Grant(role, agency)
        if (own.role, own.agency) not in {(g.role, g.agency) for g in _lendable(person)}:
            raise RejectedError(Reason.FORBIDDEN, "One lends a role one has oneself, none else")
        target = await means.ledger.one("account", id=to)
        known = await self._of_agency(target, agency)
        if (
            target is None
            or target["state"] != State.ACTIVE
            or to == person.account_id
            or not (known)
        ):
            raise RejectedError(Reason.NOT_FOUND, "There is no such account in this agency")
        refused(tuple(_loan_faults(grant, now)))
        had = [grant_of(row) for row in await means.ledger.all("grants_of", account_id=to)]
        refused(conflicts([*had, grant]), "These rights do not go together")
        made = grant_row(means.ids, to, grant, person.login, now, why)
        told = means.told(
            person, "role-lent", target, now, code=role, agency=agency, reason=why,
            valid_from=to_text(valid_from), valid_to=to_text(valid_to),
        )  # fmt: skip
        await means.commit(
            made, *told, guards=(Present("account", {"id": to, "state": State.ACTIVE}),)
        )
        return await self._grant(made.values["id"])

    async def _of_agency(self, row: Row | None, agency: str) -> bool:
        if row is None:
            return False
        grants = await self._means.ledger.all("grants_of", account_id=row["id"])
        return row["agency"] == agency or any(g["agency"] == agency for g in grants)

    async def _grant(self, grant_id: str) -> GrantView:
        row = await self._means.ledger.one("account_grant", id=grant_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return grant_view(row)

    async def undelegate(self, person: Person, grant_id: str) -> None:
        """Take back what one lent, or give back what was lent."""
        means, now = self._means, self._means.clock.now()
        view = await self._grant(grant_id)
        mine = person.account_id in {view.account_id, view.grant.delegated_by}
        if not view.delegated or not mine:
            raise RejectedError(Reason.NOT_FOUND)
        row = await means.ledger.one("account", id=view.account_id)
        if row is None or view.revoked_at is not None:
            return
        ended_now = {"revoked_at": to_text(now), "revoked_by": person.login}
        told = means.told(
            person, "role-taken-back", row, now, code=view.grant.role, agency=view.grant.agency
        )
        where = {"id": grant_id, "revoked_at": None}
        await means.commit(Update("account_grant", where, ended_now), *told)

    async def rights_seen(self, person: Person) -> None:
        """ACC-12: the change of one's rights was read; the warning about it ends."""
        seen = {"seen_at": to_text(self._means.clock.now())}
        where = {"account_id": person.account_id, "seen_at": None}
        await self._means.commit(Update("account_grant", where, seen, expect=None))


async def sessions_of(means: Means, account_id: str, current: str = "") -> Sequence[SessionView]:
    """Return the sessions of an account, living ones first."""
    now = to_text(means.clock.now())
    rows = await means.ledger.all("sessions_of", account_id=account_id, limit=_MOST_SESSIONS)
    idle = to_text(means.clock.now() - means.rules.idle)
    living = [r for r in rows if _lives(r, now, idle)]
    rest = [r for r in rows if not _lives(r, now, idle)]
    for some in (living, rest):
        some.sort(key=lambda row: (row["id"] == current, row["began_at"]), reverse=True)
    return [session_view(row, current) for row in (*living, *rest)][:_MOST_SESSIONS]


def _lives(row: Row, now: str, idle: str) -> bool:
    return row["ended_at"] is None and row["ends_at"] > now and row["used_at"] > idle


def _lendable(person: Person) -> list[Grant]:
    return [g for g in person.grants if not g.delegated_by and g.role in LENDABLE]


def _loan_faults(grant: Grant, now: datetime) -> list[Text]:
    began, ends = grant.valid_from, grant.valid_to
    if began is None or ends is None or ends <= max(began, now):
        return [
            Text("Thời hạn ủy quyền phải kết thúc sau lúc bắt đầu", "It must end after it begins")
        ]
    if ends - began > _LONGEST_LOAN:
        return [Text("Ủy quyền dài nhất một năm", "A year at the longest")]
    return []
