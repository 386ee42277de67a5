"""Accounts over a ledger in memory (or any), with passwords that cost nothing and a set clock."""

from datetime import UTC, datetime, timedelta

from gateway.accounting import Accounting
from gateway.domain import totp
from gateway.domain.access import EVERYWHERE, Grant, Person, Role
from gateway.ports import ChangeSet, Committed, Insert
from gateway.ports.accounts import Enrolled, Held, NewAccount, SignedIn, Step, Where
from gateway.programs.accounts.auditlog import LedgerAuditLog
from gateway.programs.accounts.lists import LedgerLists
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.managing import LedgerAccounts
from gateway.programs.accounts.means import Means, Rules, grant_row
from gateway.programs.accounts.own import LedgerOwn
from gateway.programs.accounts.sessions import LedgerSessions
from gateway.programs.accounts.signin import LedgerSignIns
from gateway.programs.accounts.trail import LedgerTrail
from gateway.stores import UuidIds

ROOT = Person("", "root@may-chu", "root", (Grant(Role.SYS_ADMIN, EVERYWHERE),), strong=True)
PASSWORD = "cua so mo ra bien"
OTHER = "con meo nam tren mai"
HERE = Where("10.0.0.7", "Firefox")
THERE = Where("10.9.9.9", "Chromium")
STRONG = frozenset({Role.SYS_ADMIN, Role.UNIT_ADMIN, Role.PROVIDER_OPS})


class CountedPasswords:
    """Says what was asked of it: the same work for everybody is the same list of calls."""

    def __init__(self):
        self.asked = []

    async def kept(self, password):
        return f"kept:{password}"

    async def matches(self, stored, password):
        self.asked.append(stored is not None)
        return stored == f"kept:{password}"

    def outdated(self, stored):
        return not stored.startswith("kept:")


class SetClock:
    def __init__(self):
        self.at = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)

    def now(self):
        return self.at

    def offset(self):
        return timedelta(0)

    def move(self, **by):
        self.at += timedelta(**by)


class Drawer:
    """A place where persons have open items."""

    def __init__(self):
        self.items = {}

    async def held(self, account_id):
        from gateway.domain.machine import Text

        count = sum(owner == account_id for owner in self.items.values())
        return [Held("draft", Text("dự thảo", "drafts"), count, "H37.61")]

    async def handed_over(self, account_id, successor_id, at):
        self.items = {k: successor_id if v == account_id else v for k, v in self.items.items()}
        return []


class Office:
    """All programs of accounts over one ledger."""

    def __init__(self, ledger, **rules):
        self.ledger, self.clock, self.passwords = ledger, SetClock(), CountedPasswords()
        self.keys = [b"k" * 32]
        told = {"strong_roles": STRONG, "domains": ("danang.gov.vn",)} | rules
        means = Means(
            ledger, self.clock, UuidIds(), lambda: self.keys, self.passwords, Rules(**told)
        )
        locking, self.drawer = Locking(means), Drawer()
        self.made = Accounting(
            means,
            LedgerSessions(means),
            LedgerTrail(means),
            LedgerSignIns(means, locking),
            LedgerOwn(means, locking),
            managing := LedgerAccounts(means, locking, [self.drawer]),
            LedgerAuditLog(means),
            LedgerLists(means, managing),
        )
        self.means, self.signins, self.own = means, self.made.signins, self.made.own
        self.accounts, self.sessions = self.made.accounts, self.made.sessions

    async def agencies(self, *codes):
        rows = tuple(
            Insert(
                "agency",
                {"code": code, "name": code, "status": "active", "hop": "local", "updated_at": "x"},
            )
            for code in codes
        )
        assert isinstance(await self.ledger.commit(ChangeSet(rows=rows)), Committed)

    async def person(self, login, role=None, agency="H37.61", *, home=None, password=PASSWORD):
        """Make an account that can sign in; return its id."""
        home = agency if home is None else home
        new = NewAccount(login, f"Họ Tên {login.title()}", home, f"{login}@danang.gov.vn")
        made = await self.accounts.add(ROOT, new)
        found = await self.signins.by_link(made.token, password, HERE)
        assert not isinstance(found, Step), found
        await self.signins.sign_out(found.token)
        if role is not None:
            await self.granted(made.account.id, role, agency)
        return made.account.id

    async def granted(self, account_id, role, agency, **more):
        row = grant_row(
            UuidIds(), account_id, Grant(role, agency, **more), "root", self.clock.now()
        )
        await self.means.commit(row)
        return row.values["id"]

    async def signed_in(self, login, password=PASSWORD, where=HERE):
        """Sign in through whatever is asked for; return the token."""
        found = await self.signins.by_password(login, password, where)
        if isinstance(found, Step):
            enrolment = await self.signins.enrolment(found.token)
            done = await self.signins.enroll(found.token, self.code(enrolment.secret), where)
            assert isinstance(done, Enrolled), done
            found = done.next
        assert isinstance(found, SignedIn), found
        return found.token

    async def acting(self, login, **more):
        """Return who is signed in after signing in."""
        return await self.sessions.person(await self.signed_in(login, **more))

    def code(self, secret, *, later=0):
        import base64

        raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
        return totp.code_of(raw, totp.step_of(self.clock.now()) + later)
