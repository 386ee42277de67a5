"""The way in: password or single sign-on, second factor, new password, one-time links.

Promises: (1) a try is counted before it is looked at, and the same work is done for a login nobody
has; (2) a code opens once: its step is committed before the session; (3) each step ends the token
before it and makes a fresh one, so a token somebody planted opens nothing; (4) every session,
failure of a known account and change is an audit entry in the same change set. A crash between two
steps leaves a step that ends by itself.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain import passwords
from gateway.domain.access import EVERYWHERE, Grant, Person, Role
from gateway.domain.moments import from_text, to_text
from gateway.errors import GatewayError
from gateway.ports import Change, ChangeSet, Conflict, Present, Row, Update
from gateway.ports.accounts import (
    Denied,
    Enrolled,
    Enrolment,
    Identity,
    LinkView,
    Need,
    NewAccount,
    SignedIn,
    SignIn,
    State,
    Step,
    Where,
    Why,
)
from gateway.programs.accounts import tokens
from gateway.programs.accounts.checks import TAKEN, account_faults, folded, refused
from gateway.programs.accounts.factors import confirmed, password_changes, prepared, spent_code
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.means import (
    Means,
    account_row,
    ended,
    grant_row,
    kept_of,
    session_row,
)
from gateway.programs.accounts.sessions import needs_strong, standing
from gateway.programs.accounts.waits import Waits
from gateway.programs.rows import audited, loads

_WRONG = Denied(Why.WRONG)
_OVER = Denied(Why.OVER)
FIRST = "first"
_TOLD_EVERY: Final = timedelta(minutes=1)
_MOST_FAILURES: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Way:
    """How somebody came so far."""

    where: Where
    strong: bool = False
    by: str = "password"
    before: str = ""


class LedgerSignIns:
    """See `ports.accounts.SignIns`."""

    def __init__(self, means: Means, locking: Locking) -> None:
        self._means = means
        self._locking = locking
        self._waits = Waits(means)
        self._failures: OrderedDict[str, tuple[datetime | None, int]] = OrderedDict()
        self._telling: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ password

    async def by_password(self, login: str, password: str, where: Where) -> SignIn:
        """Begin with login and password."""
        row, wait = await self._proven(folded(login), password, where)
        if wait > 0:
            return Denied(Why.WAIT, wait)
        if row is None:
            return _WRONG
        if row["state"] != State.ACTIVE:
            return Denied(Why.LOCKED)
        row = await self._renewed(row, password)
        return await self._go_on(row, _Way(where))

    async def _proven(
        self, login: str, password: str, where: Where, *, codes: bool = False
    ) -> tuple[Row | None, float]:
        """Return the account whose password (or recovery code) it is, and how long to wait."""
        means = self._means
        row = await means.ledger.one("account_by_login", login=login)
        if row is not None and row["state"] == State.CLOSED:
            row = None
        device = tokens.known_device(means.keys, row["id"], where.device) if row else ""
        wait = await self._waits.begin(login, where.address, device)  # (1)
        if wait > 0:
            return None, wait
        stored = None if row is None else row["password"]
        proof = passwords.composed(password)[: passwords.LONGEST]
        good = await means.passwords.matches(stored, proof)
        if codes and row is not None:
            good = good or tokens.code_kept(row["id"], password) in loads(row["recovery"])
        if row is None or not good:
            self._failed(row, where, "password")
            return None, 0.0
        await self._waits.succeeded(login, where.address, device)
        return row, 0.0

    def _failed(self, row: Row | None, where: Where, what: str) -> None:
        """Leave a trace of a wrong try at an account of ours; strangers' names are nowhere kept.

        Written beside the answer, which comes as soon for a login nobody has; one a minute for an
        account, with how many there were, so that guessers do not fill the log.
        """
        if row is None:
            return
        now = self._means.clock.now()
        last, count = self._failures.pop(row["id"], (None, 0))
        soon = last is not None and timedelta(0) <= now - last < _TOLD_EVERY
        self._failures[row["id"]] = (last, count + 1) if soon else (now, 0)
        while len(self._failures) > _MOST_FAILURES:
            self._failures.popitem(last=False)
        if soon:
            return
        told = {"address": where.address, "since_last": count}
        task = asyncio.create_task(self._failure_told(row, now, what, told))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _failure_told(self, row: Row, now: datetime, what: str, told: Row) -> None:
        with suppress(GatewayError):
            await self._means.commit(
                *audited(
                    self._means.ids, now, action="sign-in-failed", actor=row["login"],
                    target=f"account:{row['id']}", agency=row["agency"], code=what, told=told,
                )
            )  # fmt: skip

    async def settled(self) -> None:
        """Wait until what was to be written is written: before the ledger closes."""
        while self._telling:
            await asyncio.gather(*self._telling, return_exceptions=True)

    async def _renewed(self, row: Row, password: str) -> Row:
        """Keep the password under today's costs, now that it is at hand."""
        means = self._means
        if not means.passwords.outdated(row["password"]):
            return row
        kept = await means.passwords.kept(passwords.composed(password))
        where = {"id": row["id"], "password": row["password"]}
        change = Update("account", where, {"password": kept}, expect=None)
        await means.ledger.commit(ChangeSet(rows=(change,)))
        return {**row, "password": kept}

    # ------------------------------------------------------------ single sign-on

    async def by_identity(self, identity: Identity, where: Where) -> SignIn:
        """Begin with single sign-on."""
        # ACC-05 (S002 art 8.1): an account is a mailbox of a domain that counts here.
        means, mail = self._means, identity.mail.casefold()
        if not mail or mail.rpartition("@")[2] not in means.rules.domains:
            return Denied(Why.STRANGER)
        row = await means.ledger.one(
            "account_by_identity", issuer=identity.issuer, subject=identity.subject
        )
        if row is None:
            row = await self._adopted(identity, mail)
        if row is None or row["state"] == State.CLOSED:
            return Denied(Why.STRANGER)
        if row["state"] != State.ACTIVE:
            return Denied(Why.LOCKED)
        return await self._go_on(row, _Way(where, strong=identity.strong, by="single-sign-on"))

    async def _adopted(self, identity: Identity, mail: str) -> Row | None:
        """Join an identity to the one account that has its mail and no identity yet."""
        means = self._means
        rows = await means.ledger.all("accounts_by_mail", mail=mail)
        if len(rows) != 1 or rows[0]["oidc_subject"] is not None:
            return None
        row, now = rows[0], means.clock.now()
        joined = {"oidc_issuer": identity.issuer, "oidc_subject": identity.subject}
        where = {"id": row["id"], "oidc_subject": None}
        told = means.told(_self(row), "account-identity-joined", row, now, issuer=identity.issuer)
        await means.commit(Update("account", where, joined), *told)
        return {**row, **joined}

    # ------------------------------------------------------------ steps

    async def step(self, token: str) -> Step | None:
        """Return what a step's token waits for, None when it is over."""
        row = await self._step(token)
        return None if row is None else Step(token, Need(row["needs"]), row["login"], row["name"])

    async def _step(self, token: str, need: Need | None = None) -> Row | None:
        row = await self._means.ledger.one("session_step", id=kept_of(token))
        if row is None or row["state"] != State.ACTIVE:
            return None
        if from_text(row["ends_at"]) <= self._means.clock.now():
            return None
        return row if need is None or row["needs"] == need else None

    async def by_code(self, token: str, code: str, where: Where) -> SignIn:
        """Go on with a code of the second factor or a recovery code."""
        step = await self._step(token, Need.TOTP)
        row = None if step is None else await self._account(step["account_id"])
        if step is None or row is None or row["totp"] is None:
            return _OVER
        # Who comes here knows the password: guessing codes is slowed down wherever it comes from,
        # but for a browser that was signed in before.
        device = tokens.known_device(self._means.keys, row["id"], where.device)
        wait = await self._waits.begin(f"code:{row['id']}", "", device or "any")
        if wait > 0:
            return Denied(Why.WAIT, wait)
        spent = spent_code(self._means, row, code)
        if spent is None or not await self._committed(spent):  # (2)
            self._failed(row, where, "code")
            return Denied(Why.CODE)
        await self._waits.succeeded(f"code:{row['id']}", "", device or "any")
        way = _Way(where, strong=True, by="second-factor", before=step["id"])
        return await self._go_on(row, way)

    async def _committed(self, change: Change) -> bool:
        return not isinstance(await self._means.ledger.commit(ChangeSet(rows=(change,))), Conflict)

    async def enrolment(self, token: str) -> Enrolment | None:
        """Return the second factor to set up; the same again until it is confirmed."""
        step = await self._step(token, Need.ENROLL)
        row = None if step is None else await self._account(step["account_id"])
        if step is None or row is None:
            return None
        return await prepared(self._means, row, step["id"])

    async def enroll(self, token: str, code: str, where: Where) -> Enrolled | Denied:
        """Confirm it with its first code."""
        step = await self._step(token, Need.ENROLL)
        row = None if step is None else await self._account(step["account_id"])
        if step is None or row is None:
            return _OVER
        done = confirmed(self._means, row, code, _self(row), step["id"])
        if done is None:
            return Denied(Why.CODE)
        changes, codes = done
        await self._means.commit(*changes)
        way = _Way(where, strong=True, by="second-factor", before=step["id"])
        return Enrolled(await self._go_on(row, way), codes)

    async def new_password(self, token: str, password: str, where: Where) -> SignIn:
        """Give the new password that is asked for."""
        step = await self._step(token, Need.PASSWORD)
        row = None if step is None else await self._account(step["account_id"])
        if step is None or row is None:
            return _OVER
        changes = await password_changes(self._means, row, password, _self(row))
        await self._means.commit(*changes)
        way = _Way(where, strong=bool(step["strong"]), before=step["id"])
        fresh = await self._account(row["id"])
        return _OVER if fresh is None else await self._go_on(fresh, way)

    async def sign_out(self, token: str) -> None:
        """End the session; safe to repeat."""
        means, now = self._means, self._means.clock.now()
        row = await means.ledger.one("session", id=kept_of(token))
        if row is None or row["ended_at"] is not None:
            return
        account = await self._account(row["account_id"])
        told = () if account is None else means.told(_self(account), "signed-out", account, now)
        await means.commit(ended(row["id"], to_text(now), "signed-out"), *told)

    # ------------------------------------------------------------ one-time links

    async def link(self, token: str) -> LinkView | None:
        """Return what a one-time link is for, None when unknown, used or too old."""
        found = await self._link(token)
        if found is None:
            return None
        link, row = found
        login, name = (row["login"], row["name"]) if row is not None else ("", "")
        return LinkView(link["purpose"], login, name, from_text(link["expires_at"]))

    async def _link(self, token: str) -> tuple[Row, Row | None] | None:
        link = await self._means.ledger.one("account_link", id=kept_of(token))
        if link is None or link["used_at"] is not None:
            return None
        if from_text(link["expires_at"]) <= self._means.clock.now():
            return None
        row = await self._account(link["account_id"]) if link["account_id"] else None
        if link["purpose"] != FIRST and (row is None or row["state"] != State.ACTIVE):
            return None
        return link, row

    async def by_link(
        self, token: str, password: str, where: Where, *, login: str = "", name: str = ""
    ) -> SignIn:
        """Use a one-time link: set a password."""
        found = await self._link(token)
        if found is None:
            return _OVER
        means, now = self._means, self._means.clock.now()
        link, row = found
        rows: tuple[Change, ...] = ()
        if row is None:
            row, rows = await self._first(login, name, link["created_by"], now)
        changes = await password_changes(means, row, password, _self(row))
        used = Update(
            "account_link", {"id": link["id"], "used_at": None}, {"used_at": to_text(now)}
        )
        await means.commit(*rows, used, *changes)
        fresh = await self._account(row["id"])
        return _OVER if fresh is None else await self._go_on(fresh, _Way(where, by="link"))

    async def _first(
        self, login: str, name: str, by: str, now: datetime
    ) -> tuple[Row, tuple[Change, ...]]:
        """Return the first administrator: the account, and the rows that make it."""
        means = self._means
        new = NewAccount(folded(login), " ".join(name.split()), EVERYWHERE)
        known = await means.ledger.one("account_by_login", login=new.login)
        refused((*account_faults(new), *(() if known is None else (TAKEN,))))
        made = account_row(means.ids.new(), new, by, now)
        row = {**made.values, "password": None, "recovery": "[]"}
        grant = Grant(Role.SYS_ADMIN, EVERYWHERE)
        maker = Person("", by, by)
        return row, (
            made,
            grant_row(means.ids, row["id"], grant, by, now, seen=True),
            *means.told(maker, "account-added", row, now, name=new.name),
            *means.told(maker, "rights-changed", row, now, code=grant.role),
        )

    # ------------------------------------------------------------ losing and going on

    async def lost_control(self, login: str, proof: str, where: Where) -> bool:
        """ACC-02: lock one's own account from outside."""
        row, _ = await self._proven(folded(login), proof, where, codes=True)
        if row is None or row["state"] != State.ACTIVE:
            return False
        await self._locking.lost(row, _self(row), where.address)
        return True

    async def _account(self, account_id: str) -> Row | None:
        row = await self._means.ledger.one("account", id=account_id)
        return row if row is not None and row["state"] == State.ACTIVE else None

    async def _go_on(self, row: Row, way: _Way) -> SignIn:
        """Return the next step, or the session: each with a fresh token (3)."""
        means, now = self._means, self._means.clock.now()
        grants = await standing(means, row["id"], now, strong=True)
        need = _need(row, way, must=needs_strong(means, grants))
        before = (ended(way.before, to_text(now), "next-step"),) if way.before else ()
        # A password changed or an account locked meanwhile: what was proven counts no more.
        same = Present(
            "account", {"id": row["id"], "state": State.ACTIVE, "password": row["password"]}
        )
        rules = means.rules
        token, session = session_row(
            row["id"], now, ends_at=now + (rules.step if need else rules.absolute),
            needs=need or "", strong=way.strong, address=way.where.address, agent=way.where.agent,
        )  # fmt: skip
        if need:
            await means.commit(*before, session, guards=(same,))
            return Step(token, need, row["login"], row["name"])
        session_id = session.values["id"]
        person = Person(
            row["id"], row["login"], row["name"],
            await standing(means, row["id"], now, strong=way.strong), session_id, way.strong,
        )  # fmt: skip
        # ACC-02 (S003 art 22.2): others at work under the same name are on record, and shown.
        open_ones = await self._open(row["id"])
        forgotten = [one for one in open_ones if one["ends_at"] <= to_text(now)]
        others = [
            one for one in open_ones if one not in forgotten and one["address"] != way.where.address
        ]
        told = means.told(
            person, "signed-in", row, now, code=way.by, address=way.where.address,
            elsewhere=len(others), strong=int(way.strong),
        )  # fmt: skip
        used = Update("account", {"id": row["id"]}, {"used_at": to_text(now)})
        # Sessions nobody came back to end here, so that few are ever open.
        gone = (ended(one["id"], to_text(now), "absolute") for one in forgotten)
        await means.commit(*before, *gone, session, used, *told, guards=(same,))
        device = tokens.new_device(means.keys, row["id"])
        return SignedIn(token, person, device, elsewhere=len(others))

    async def _open(self, account_id: str) -> list[Row]:
        rows = await self._means.ledger.all("sessions_of", account_id=account_id, limit=50)
        return [row for row in rows if row["ended_at"] is None]


def _need(row: Row, way: _Way, *, must: bool) -> Need | None:
    if not way.strong and row["totp"] is not None:
        return Need.TOTP
    if not way.strong and must:
        return Need.ENROLL
    return Need.PASSWORD if row["must_change"] and way.by != "single-sign-on" else None


def _self(row: Row) -> Person:
    return Person(row["id"], row["login"], row["name"])
