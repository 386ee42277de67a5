"""What the programs of accounts are given, and the pieces they share.

A row of the ledger becomes what is shown here, once. Nothing is kept.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from gateway.domain.access import Grant, Person, Role
from gateway.domain.folding import plain
from gateway.domain.moments import from_text, to_text
from gateway.domain.pacing import Pace
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Clock, Conflict, Ids, Insert, Ledger, Row, Update
from gateway.ports.accounts import (
    Account,
    GrantView,
    Held,
    Lock,
    LockCode,
    NewAccount,
    SessionView,
    State,
)
from gateway.programs.rows import audited, loads

HANDLE: Final = 16
"""Letters of a session's id that name it in forms; the id itself is a hash of the token."""


class Passwords(Protocol):
    """Passwords as they are kept: slow to guess, and as slow for an account nobody has."""

    async def kept(self, password: str) -> str:
        """Return what is stored of a password."""
        ...

    async def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one; the same work when nothing is stored."""
        ...

    def outdated(self, stored: str) -> bool:
        """Tell whether what is stored should be made anew, with the password at hand."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's choices.

    Args:
        idle: A session ends after so long without use.
        absolute: And after so long anyhow.
        step: A sign-in must be finished within.
        link: A one-time link is good for.
        strong_roles: Rights of these roles count only with a second factor.
        again: Acts that can do harm ask for a code again after so long.
        least: Shortest password.
        domains: ACC-05: mail domains whose accounts single sign-on may open; empty: none.
        pace: How fast somebody may guess.
        issuer: Name of this gateway in an authenticator application.
    """

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)
    step: timedelta = timedelta(minutes=10)
    link: timedelta = timedelta(days=3)
    strong_roles: frozenset[Role] = frozenset()
    again: timedelta = timedelta(minutes=15)
    least: int = 12
    domains: tuple[str, ...] = ()
    pace: Pace = field(default_factory=Pace)
    issuer: str = "vanlien"


@dataclass(frozen=True, slots=True)
class Means:
    """What accounts are kept with.

    Args:
        ledger: Where they are.
        clock: Time.
        ids: Names rows.
        keys: Keys that seal secrets, the present one first.
        passwords: How passwords are kept.
        rules: The operator's choices.
    """

    ledger: Ledger
    clock: Clock
    ids: Ids
    keys: Callable[[], Sequence[bytes]]
    passwords: Passwords
    rules: Rules

    async def commit(self, *changes: Change, guards: Sequence[Any] = ()) -> None:
        """Commit changes; CONFLICT when somebody else was quicker."""
        done = await self.ledger.commit(ChangeSet(rows=changes, guards=tuple(guards)))
        if isinstance(done, Conflict):
            raise RejectedError(Reason.CONFLICT, "it was changed by somebody else meanwhile")

    def told(
        self,
        actor: Person,
        action: str,
        row: Row,
        now: datetime,
        *,
        reason: str = "",
        code: str = "",
        agency: str = "",
        **more: Any,
    ) -> tuple[Change, ...]:
        """Return the audit entry of a change of an account."""
        return audited(
            self.ids, now, action=action, actor=actor.login, target=f"account:{row['id']}",
            agency=agency or row["agency"], reason=reason, code=code,
            told={"login": row["login"], "session": handle_of(actor.session_id), **more},
        )  # fmt: skip


# ---------------------------------------------------------------- tokens and sessions


def new_token() -> str:
    """Return a fresh token of 256 random bits."""
    return secrets.token_urlsafe(32)


def kept_of(token: str) -> str:
    """Return what is stored of a token: it cannot be guessed, so a quick hash is right."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def handle_of(session_id: str) -> str:
    """Return the name of a session in forms and in the audit log."""
    return session_id[:HANDLE]


def session_row(
    account_id: str,
    now: datetime,
    *,
    ends_at: datetime,
    needs: str = "",
    strong: bool = False,
    address: str = "",
    agent: str = "",
) -> tuple[str, Insert]:
    """Return a new session's token and its row."""
    token = new_token()
    values = {
        "id": kept_of(token),
        "account_id": account_id,
        "needs": needs,
        "strong": int(strong),
        "strong_at": to_text(now) if strong else None,
        "began_at": to_text(now),
        "used_at": to_text(now),
        "ends_at": to_text(ends_at),
        "address": address[:100],
        "agent": "".join(c for c in agent if c.isprintable())[:200],
    }
    return token, Insert("account_session", values)


def ended(session_id: str, at: str, why: str) -> Update:
    """Return the change that ends a session, if it has not ended."""
    where = {"id": session_id, "ended_at": None}
    return Update("account_session", where, {"ended_at": at, "why": why}, expect=None)


def all_ended(account_id: str, at: str, why: str) -> Update:
    """Return the change that ends every session of an account."""
    where = {"account_id": account_id, "ended_at": None}
    return Update("account_session", where, {"ended_at": at, "why": why}, expect=None)


def session_view(row: Row, current: str = "") -> SessionView:
    """Return a session as it is shown."""
    return SessionView(
        handle=handle_of(row["id"]),
        began_at=from_text(row["began_at"]),
        used_at=from_text(row["used_at"]),
        ends_at=from_text(row["ends_at"]),
        address=row["address"],
        agent=row["agent"],
        strong=bool(row["strong"]),
        current=row["id"] == current,
        ended_at=moment(row["ended_at"]),
        why=row["why"],
    )


# ---------------------------------------------------------------- accounts and grants


def moment(text: str | None) -> datetime | None:
    """Return the instant behind a ledger text, None as None."""
    return from_text(text) if text else None


def grant_of(row: Row) -> Grant:
    """Return a grant as rights are reckoned."""
    return Grant(
        Role(row["role"]),
        row["agency"],
        moment(row["valid_from"]),
        moment(row["valid_to"]),
        row["delegated_by"],
    )


def grant_view(row: Row) -> GrantView:
    """Return a grant as it is shown; the row bears login and name of its holder."""
    return GrantView(
        id=row["id"],
        account_id=row["account_id"],
        login=row["login"],
        name=row["name"],
        grant=grant_of(row),
        granted_by=row["granted_by"],
        granted_at=from_text(row["granted_at"]),
        request_ref=row["request_ref"],
        revoked_at=moment(row["revoked_at"]),
        revoked_by=row["revoked_by"],
        delegator=row["delegator"] or "",
        seen=row["seen_at"] is not None,
    )


def account_row(account_id: str, new: NewAccount, by: str, now: datetime) -> Insert:
    """Return a new account's row; it cannot sign in yet."""
    values = {
        "id": account_id,
        "login": new.login,
        "name": new.name,
        "mail": new.mail,
        "words": plain(f"{new.login} {new.name} {new.mail}"),
        "agency": new.agency,
        "state": State.ACTIVE,
        "created_at": to_text(now),
        "created_by": by,
        "request_ref": new.request_ref,
    }
    return Insert("account", values)


def grant_row(  # noqa: PLR0917 - the columns of the table
    ids: Ids,
    account_id: str,
    grant: Grant,
    by: str,
    now: datetime,
    request_ref: str = "",
    *,
    seen: bool = False,
) -> Insert:
    """Return a grant's row."""
    values = {
        "id": ids.new(),
        "account_id": account_id,
        "role": grant.role,
        "agency": grant.agency,
        "valid_from": to_text(grant.valid_from) if grant.valid_from else None,
        "valid_to": to_text(grant.valid_to) if grant.valid_to else None,
        "delegated_by": grant.delegated_by,
        "granted_by": by,
        "granted_at": to_text(now),
        "request_ref": request_ref,
        "seen_at": to_text(now) if seen else None,
    }
    return Insert("account_grant", values)


def account_of(row: Row, grants: Sequence[Row] = ()) -> Account:
    """Return an account as it is shown."""
    lock = None
    if row["state"] == State.LOCKED:
        at = from_text(row["locked_at"])
        code = LockCode(row["lock_code"])
        lock = Lock(code, row["lock_ref"], row["locked_by"], at, row["lock_text"])
    return Account(
        id=row["id"],
        login=row["login"],
        name=row["name"],
        mail=row["mail"],
        agency=row["agency"],
        state=State(row["state"]),
        invited=not (row["used_at"] or row["password"] or row["oidc_subject"]),
        lock=lock,
        second_factor=row["totp"] is not None,
        recovery_left=len(loads(row["recovery"])),
        single_sign_on=row["oidc_subject"] is not None,
        must_change=bool(row["must_change"]),
        created_at=from_text(row["created_at"]),
        created_by=row["created_by"],
        request_ref=row["request_ref"],
        used_at=moment(row["used_at"]),
        closed_at=moment(row["closed_at"]),
        grants=tuple(map(grant_view, grants)),
    )


def summed(held: Sequence[Held]) -> int:
    """Return how many open items there are."""
    return sum(one.count for one in held)
