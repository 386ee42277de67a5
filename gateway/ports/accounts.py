"""Who is signed in, how somebody signs in, who manages accounts, and the trail of what persons do.

Protocols and the frozen values crossing them. `gateway.programs.accounts` implements them over the
ledger; fakes of the first two are in `tests.world.console`. Whoever changes something is a
`Person`: the command line acts as one without an account. What a person may not do is
RejectedError(FORBIDDEN); what it may not even know of is NOT_FOUND.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

from gateway.domain.access import Grant, Person, Right, Role
from gateway.domain.machine import Text
from gateway.ports.ledger import Change

T = TypeVar("T")


class Sessions(Protocol):
    """Signed-in persons. A session ended or an account locked elsewhere is seen at once."""

    async def person(self, token: str, *, using: bool = True) -> Person | None:
        """Return who a session token belongs to, None when it is unknown, ended or too old.

        Seeing it is using it: the time without use begins anew (at most a write a minute).

        Args:
            token: The token.
            using: False when nobody did anything: a page asks by itself.
        """
        ...

    async def prove(self, person: Person, code: str) -> "Denied | None":
        """Take a code of the second factor again; None: right, and the session is fresh from now.

        `Why.OVER` where the account has no factor of its own here: signing in anew is the way.
        """
        ...


class Trail(Protocol):
    """Audit entries of the console, hash-chained in the receipt log (AUD-03, AUD-06).

    Nothing is shown before its entry is committed: a document cannot be read without a trace.
    """

    async def viewed(self, person: Person, target: str, *, what: str, agency: str = "") -> None:
        """Record that a person was shown something.

        Args:
            person: Who.
            target: `<kind>:<id>`, such as `arrival:019…`, `document:019…`, `account:019…`.
            what: Which part: `page`, `preview`, `file`, `report`, `receipts`, `export`.
            agency: The agency concerned.
        """
        ...

    async def refused(self, person: Person, target: str, *, what: str) -> None:
        """Record that a person asked for what it may not have (403); target is the page's name."""
        ...


# ---------------------------------------------------------------- signing in


@dataclass(frozen=True, slots=True)
class Where:
    """From where somebody signs in.

    Args:
        address: Address of the connection; never one that the visitor wrote into a header.
        agent: What the browser calls itself.
        device: The token that `SignedIn.device` gave this browser earlier, "" without one: what
            others do wrong under a name or from an address does not slow a known browser down.
    """

    address: str
    agent: str = ""
    device: str = ""


class Need(StrEnum):
    """What is missing before somebody is signed in."""

    TOTP = "totp"  # a code of the second factor, or a recovery code
    ENROLL = "enroll"  # a second factor is required by a role and must be set up now
    PASSWORD = "password"  # the password must be changed now  # noqa: S105 - a word


@dataclass(frozen=True, slots=True)
class SignedIn:
    """In. The token goes into the session cookie, the device into one that stays a year.

    `elsewhere`: living sessions of the same account from other addresses (ACC-02): to be told.
    """

    token: str = field(repr=False)
    person: Person
    device: str = field(repr=False, default="")
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Not in yet: the token (good for ten minutes, no session) brings the next step."""

    token: str = field(repr=False)
    need: Need
    login: str
    name: str


class Why(StrEnum):
    """Why somebody is not let in."""

    WRONG = "wrong"  # name or password; never says which
    WAIT = "wait"  # too many failures: nothing was looked at
    CODE = "code"  # wrong code, or one used before
    LOCKED = "locked"  # said only to who knows the password
    OVER = "over"  # the step is too old or unknown: begin again
    STRANGER = "stranger"  # single sign-on: nobody of ours, or a domain that does not count


@dataclass(frozen=True, slots=True)
class Denied:
    """Not in, and why; seconds to wait before the next try is looked at, 0 when none."""

    why: Why
    wait_s: float = 0.0


SignIn = SignedIn | Step | Denied


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A second factor being set up: the secret as base32, and the URI of the picture (QR)."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A second factor is set up: what comes next, and the recovery codes, shown once."""

    next: SignIn
    codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider of single sign-on vouches for; the adapter has checked its token (ACC-05).

    Args:
        issuer: The provider.
        subject: Its own name for the person; never given to another.
        mail: Address, folded, "" when the provider does not call it verified.
        name: Full name.
        strong: Whether the provider asked for a second factor.
    """

    issuer: str
    subject: str
    mail: str = ""
    name: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class LinkView:
    """What a one-time link is for: `first`, `invite` or `reset`; login is "" for `first`."""

    purpose: str
    login: str
    name: str
    expires_at: datetime


class SignIns(Protocol):
    """The way in. Each success makes a fresh token: one known before is worth nothing after.

    The same answers, and the same work, for a login nobody has.
    """

    async def by_password(self, login: str, password: str, where: Where) -> SignIn:
        """Begin with login and password."""
        ...

    async def by_identity(self, identity: Identity, where: Where) -> SignIn:
        """Begin with single sign-on; the account is found by subject, first by verified mail."""
        ...

    async def step(self, token: str) -> Step | None:
        """Return what a step's token waits for, None when it is over."""
        ...

    async def by_code(self, token: str, code: str, where: Where) -> SignIn:
        """Go on with a code of the second factor or a recovery code; each opens once."""
        ...

    async def enrolment(self, token: str) -> Enrolment | None:
        """Return the second factor to set up; the same again until it is confirmed."""
        ...

    async def enroll(self, token: str, code: str, where: Where) -> Enrolled | Denied:
        """Confirm it with its first code."""
        ...

    async def new_password(self, token: str, password: str, where: Where) -> SignIn:
        """Give the new password that is asked for; RejectedError with what is wrong with it."""
        ...

    async def sign_out(self, token: str) -> None:
        """End the session; safe to repeat."""
        ...

    async def link(self, token: str) -> LinkView | None:
        """Return what a one-time link is for, None when unknown, used or too old."""
        ...

    async def by_link(
        self, token: str, password: str, where: Where, *, login: str = "", name: str = ""
    ) -> SignIn:
        """Use a one-time link: set a password (login and name for the first administrator)."""
        ...

    async def lost_control(self, login: str, proof: str, where: Where) -> bool:
        """ACC-02: lock one's own account from outside; proof: password or a recovery code.

        False when the proof is wrong, or too many were.
        """
        ...


# ---------------------------------------------------------------- looking at accounts


class State(StrEnum):
    """Where an account stands."""

    ACTIVE = "active"
    LOCKED = "locked"
    CLOSED = "closed"


class LockCode(StrEnum):
    """ACC-03 (S002 art 8.3): why an account is locked; `lost` is ACC-02's."""

    MOVED = "a"
    UNIT_CHANGED = "b"
    UNIT_ASKED = "c"
    AUTHORITY_ASKED = "d"
    LOST = "lost"


LOCK_TEXTS: Final[Mapping[LockCode, Text]] = {
    LockCode.MOVED: Text(
        "Chuyển công tác, biệt phái, luân chuyển, nghỉ việc, nghỉ hưu",
        "Transfer, secondment, rotation, leave, retirement",
    ),
    LockCode.UNIT_CHANGED: Text(
        "Đơn vị giải thể, chuyển đổi, sáp nhập", "The unit was dissolved, converted or merged"
    ),
    LockCode.UNIT_ASKED: Text("Văn bản đề nghị của đơn vị", "Written request of the unit"),
    LockCode.AUTHORITY_ASKED: Text(
        "Yêu cầu của cơ quan có thẩm quyền về tài khoản tra cứu",
        "Request of a competent authority about an account for looking up",
    ),
    LockCode.LOST: Text("Mất quyền kiểm soát tài khoản", "Control of the account was lost"),
}


@dataclass(frozen=True, slots=True)
class Lock:
    """A standing lock: code, number of the document that asks for it, who, when, more words."""

    code: LockCode
    reference: str
    by: str
    at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant as it is shown; `grant.delegated_by` is an account, `delegator` its login."""

    id: str
    account_id: str
    login: str
    name: str
    grant: Grant
    granted_by: str
    granted_at: datetime
    request_ref: str = ""
    revoked_at: datetime | None = None
    revoked_by: str = ""
    delegator: str = ""
    seen: bool = True

    @property
    def delegated(self) -> bool:
        """Return whether somebody lent it."""
        return bool(self.grant.delegated_by)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is shown; no secret in it.

    Args:
        id: The account.
        login: Folded, unique.
        name: Full name.
        mail: Mail address, "" without one.
        agency: The agency it belongs to, "" for the gateway itself.
        state: Where it stands.
        invited: Nobody has ever signed in: the invitation waits.
        lock: Why it is locked.
        second_factor: Whether one is set up.
        recovery_left: Recovery codes not used.
        single_sign_on: Whether a provider of single sign-on vouches for it.
        must_change: Whether the password must be changed at the next sign-in.
        created_at: When.
        created_by: Login of who made it.
        request_ref: ACC-01: the request it goes back to.
        used_at: Last sign-in.
        closed_at: When it was closed.
        grants: What it was granted and is not revoked, delegated to it too; filled by `one`.
    """

    id: str
    login: str
    name: str
    mail: str
    agency: str
    state: State
    invited: bool
    lock: Lock | None
    second_factor: bool
    recovery_left: int
    single_sign_on: bool
    must_change: bool
    created_at: datetime
    created_by: str
    request_ref: str
    used_at: datetime | None
    closed_at: datetime | None
    grants: tuple[GrantView, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session; `handle` names it in forms and opens nothing."""

    handle: str
    began_at: datetime
    used_at: datetime
    ends_at: datetime
    address: str
    agent: str
    strong: bool
    current: bool = False
    ended_at: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of many: ask again `after` the cursor, "" when there are no more."""

    items: tuple[T, ...]
    after: str = ""


# ---------------------------------------------------------------- one's own account


@dataclass(frozen=True, slots=True)
class Notes:
    """What somebody must be told above every page.

    Args:
        rights_changed: ACC-12: the own rights changed, and nobody has read of it.
        lost: ACC-02: accounts this person administers whose control was lost; id and login.
    """

    rights_changed: bool = False
    lost: tuple[tuple[str, str], ...] = ()


class Own(Protocol):
    """What everybody does with the own account."""

    async def notes(self, person: Person) -> Notes:
        """Return what this person must be told above every page."""
        ...

    async def me(self, person: Person) -> Account:
        """Return the own account with its grants."""
        ...

    async def sessions(self, person: Person) -> Sequence[SessionView]:
        """Return the own sessions, living ones first, then the last ended; at most 50."""
        ...

    async def end_session(self, person: Person, handle: str) -> None:
        """End one of them; "others" ends all but this one."""
        ...

    async def change_password(self, person: Person, old: str, new: str) -> None:
        """ACC-13: change it; other sessions end. RejectedError says what is wrong."""
        ...

    async def fresh(self, person: Person) -> bool:
        """Tell whether this session began a moment ago: who signed in is still there.

        A second factor is set up in such a session alone; it may be all a thief has.
        """
        ...

    async def second_factor(self, person: Person) -> Enrolment:
        """Begin to set up a second factor, or another one in its place."""
        ...

    async def second_factor_done(self, person: Person, code: str) -> tuple[str, ...]:
        """Confirm it with its first code; return the recovery codes. The session is strong now.

        FORBIDDEN in a session that is not fresh, or did not use the factor before.
        """
        ...

    async def second_factor_off(self, person: Person, password: str) -> None:
        """Remove it; CONFLICT while a role asks for one."""
        ...

    async def lost(self, person: Person) -> None:
        """ACC-02: lock the own account, end its sessions, tell who administers it."""
        ...

    async def delegations(self, person: Person) -> Sequence[GrantView]:
        """Return what this person lent to others and what others lent it, not long over."""
        ...

    async def delegates(self, person: Person, text: str) -> Sequence[Account]:
        """Return up to 20 accounts one may lend a role to: same agency, active."""
        ...

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
        """ACC-10: lend a role one has oneself to an account, from a time to a time."""
        ...

    async def undelegate(self, person: Person, grant_id: str) -> None:
        """Take back what one lent, or give back what was lent."""
        ...

    async def rights_seen(self, person: Person) -> None:
        """ACC-12: the change of one's rights was read; the warning about it ends."""
        ...


# ---------------------------------------------------------------- administration


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made (ACC-01)."""

    login: str
    name: str
    agency: str
    mail: str = ""
    request_ref: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """An account was made, or is to be reset: the token of its one-time link, shown once."""

    account: Account
    token: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RightsPlan:
    """ACC-12: what a change of rights would do; nothing was done yet.

    Args:
        gains: Rights that come, with their agencies.
        losses: Rights that go.
        conflicts: Why it will be refused.
        warnings: What the person who confirms must know.
        token: Confirms exactly this change of what stands now; "" when nothing may be confirmed.
    """

    gains: tuple[tuple[Right, str], ...]
    losses: tuple[tuple[Right, str], ...]
    conflicts: tuple[Text, ...]
    warnings: tuple[Text, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Held:
    """Open items of a person (ACC-04), such as 3 drafts of H37.61.

    Args:
        kind: What they are.
        text: The same in words.
        count: How many.
        agency: Whose, "" for the gateway itself.
        rights: One of them is needed there to go on with the work; none: a role there is enough.
    """

    kind: str
    text: Text
    count: int
    agency: str = ""
    rights: tuple[Right, ...] = ()


class Holdings(Protocol):
    """A place where persons have open items: counts them, and gives them to a successor.

    Whoever keeps such items gives one of these to `gateway.accounting.holdings_of`.
    """

    async def held(self, account_id: str) -> Sequence[Held]:
        """Return what an account has that is open."""
        ...

    async def handed_over(
        self, account_id: str, successor_id: str, at: datetime
    ) -> Sequence[Change]:
        """Return the changes that give all of it to another, for the same change set."""
        ...


class Accounts(Protocol):
    """Accounts and grants, by who administers them: ADMINISTER for all, ACCOUNTS for an agency.

    ACC-06: who administers an agency sees the accounts that belong to it or have a grant for it,
    changes those that belong to it and have no grant beyond it, and grants roles of agencies for it
    alone. Nobody changes the own rights.
    """

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
        """Return accounts in the order of their logins; `text` finds login, name, mail."""
        ...

    async def one(self, actor: Person, account_id: str) -> Account:
        """Return one with its grants; NOT_FOUND outside the actor's scope."""
        ...

    def may_change(self, actor: Person, account: Account) -> bool:
        """Tell whether this actor may lock, reset, change and close an account."""
        ...

    async def add(self, actor: Person, new: NewAccount) -> Made:
        """Make an account; RejectedError with all that is wrong. It has no rights yet."""
        ...

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
        """Change name, mail, agency, as a document of the unit asks (ACC-01)."""
        ...

    async def plan(
        self, actor: Person, account_id: str, *, add: Sequence[Grant], revoke: Sequence[str]
    ) -> RightsPlan:
        """Say what granting and revoking (ids of grants) would do."""
        ...

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
        """Do what was planned and confirmed; CONFLICT when something changed since."""
        ...

    async def lock(
        self, actor: Person, account_id: str, code: LockCode, *, reference: str, text: str = ""
    ) -> Account:
        """ACC-03: lock; sessions end at once, nothing is deleted."""
        ...

    async def unlock(self, actor: Person, account_id: str, *, reference: str) -> Account:
        """Unlock; who lost control of it gets a new password first."""
        ...

    async def reset(self, actor: Person, account_id: str, *, factor: bool, reason: str) -> Made:
        """End sessions and password, `factor`: the second factor too; give a one-time link."""
        ...

    async def sessions(self, actor: Person, account_id: str) -> Sequence[SessionView]:
        """Return the sessions of an account."""
        ...

    async def end_sessions(self, actor: Person, account_id: str, *, reason: str) -> int:
        """End all its sessions; return how many there were."""
        ...

    async def holdings(self, actor: Person, account_id: str) -> Sequence[Held]:
        """Return its open items."""
        ...

    async def hand_over(
        self, actor: Person, account_id: str, successor_id: str, *, reference: str
    ) -> Sequence[Held]:
        """ACC-04: give all open items to another account; return what was given."""
        ...

    async def close(
        self, actor: Person, account_id: str, *, reference: str, successor_id: str = ""
    ) -> Account:
        """Close for good; CONFLICT with open items and no successor."""
        ...


# ---------------------------------------------------------------- lists of accounts


@dataclass(frozen=True, slots=True)
class ListLine:
    """A line of a list: what it would do (`add`, `change`, `same`), which columns, which roles."""

    line: int
    login: str
    name: str
    action: str
    changed: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListFault:
    """What is wrong with a line."""

    line: int
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What a list would do; the token confirms exactly that, "" while there are faults."""

    lines: tuple[ListLine, ...]
    faults: tuple[ListFault, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """A new account's one-time link, shown once."""

    login: str
    name: str
    token: str = field(repr=False)


class AccountLists(Protocol):
    """Many accounts at once, from CSV or XLSX: compared, shown, then taken over."""

    async def plan(self, actor: Person, data: bytes) -> ListPlan:
        """Say what a list would do; nothing was done yet."""
        ...

    async def take(self, actor: Person, data: bytes, token: str) -> Sequence[Invitation]:
        """Do what was shown; CONFLICT when something changed since."""
        ...


# ---------------------------------------------------------------- the audit log


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What is looked for; "" and None: anything."""

    actor: str = ""
    action: str = ""
    target: str = ""
    agency: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit entry as it stands in the receipt log.

    Args:
        entry_id: Its id.
        index: Place in the log, None while it waits for one.
        at: When.
        actor: Login, or the operating system's user.
        action: What was done, such as `account-locked`, `viewed`, `refused`.
        target: To what, `<kind>:<id>`.
        agency: The agency concerned, "" when none.
        facts: The rest of the entry's body.
        told: What the event beside it holds: reason in words, address; filled by `one`.
    """

    entry_id: str
    index: int | None
    at: datetime
    actor: str
    action: str
    target: str
    agency: str
    facts: Mapping[str, Any]
    told: Mapping[str, Any] = field(default_factory=dict)


class AuditLog(Protocol):
    """Reading what Trail and every change wrote; AUDIT for all of it or for an agency's."""

    async def entries(
        self, actor: Person, query: AuditQuery, *, after: str = "", limit: int = 50
    ) -> Page[AuditRow]:
        """Return entries, newest first."""
        ...

    async def one(self, actor: Person, entry_id: str) -> AuditRow:
        """Return one with what its event tells; NOT_FOUND outside the actor's scope."""
        ...
