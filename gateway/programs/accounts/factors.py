"""Changes of how somebody signs in: password, second factor, and the sessions that end with it.

Shared by the way in and by one's own account. Builders, but for `prepared`, which writes a factor
that is being set up: it opens nothing before it was confirmed.
"""

from datetime import datetime
from typing import Final

from gateway.domain import passwords, totp
from gateway.domain.access import Person
from gateway.domain.machine import Text
from gateway.domain.moments import to_text
from gateway.ports import Change, Row, Update
from gateway.ports.accounts import Enrolment
from gateway.programs.accounts import tokens
from gateway.programs.accounts.checks import refused
from gateway.programs.accounts.means import Means, all_ended, ended
from gateway.programs.rows import dumps, loads

_SAME: Final = Text("Mật khẩu mới phải khác mật khẩu cũ", "It is the same password as before")


async def prepared(means: Means, row: Row, session_id: str) -> Enrolment:
    """Return the second factor that this session sets up, the same again until it is confirmed.

    Each session its own: what another was shown, whoever that was, comes to nothing.
    """
    kept = row["totp_next"]
    secret = _shown(means, row, session_id)
    if secret is None:
        fresh = tokens.new_factor(means.keys, row["id"], session_id)
        where = {"id": row["id"], "totp_next": kept}
        await means.commit(Update("account", where, {"totp_next": fresh}))
        secret = tokens.factor(means.keys, row["id"], fresh)
    uri = totp.uri(secret, issuer=means.rules.issuer, login=row["login"])
    return Enrolment(totp.base32(secret), uri)


def _shown(means: Means, row: Row, session_id: str) -> bytes | None:
    kept = row["totp_next"]
    if kept is None:
        return None
    return tokens.factor_shown_to(means.keys, row["id"], kept, session_id)


def confirmed(
    means: Means, row: Row, code: str, actor: Person, session_id: str
) -> tuple[tuple[Change, ...], tuple[str, ...]] | None:
    """Return the changes that set a second factor, and its recovery codes; None: wrong code."""
    secret = _shown(means, row, session_id)
    if secret is None:
        return None
    now = means.clock.now()
    step = totp.matched(secret, code, now, used=0)
    if step is None:
        return None
    codes = tokens.new_codes()
    values = {
        "totp": row["totp_next"],
        "totp_next": None,
        "totp_step": step,
        "recovery": dumps([tokens.code_kept(row["id"], one) for one in codes]),
    }
    where = {"id": row["id"], "totp_next": row["totp_next"]}
    told = means.told(actor, "second-factor-set", row, now)
    return (Update("account", where, values), *told), codes


def spent_code(means: Means, row: Row, code: str) -> Update | None:
    """Return the change that uses a code up, of the factor or for recovery; None: it is none."""
    secret = tokens.factor(means.keys, row["id"], row["totp"])
    step = totp.matched(secret, code, means.clock.now(), used=row["totp_step"])
    if step is not None:
        where = {"id": row["id"], "totp_step": row["totp_step"]}
        return Update("account", where, {"totp_step": step})
    left, kept = loads(row["recovery"]), tokens.code_kept(row["id"], code)
    if kept not in left:
        return None
    left.remove(kept)
    where = {"id": row["id"], "recovery": row["recovery"]}
    return Update("account", where, {"recovery": dumps(left)})


async def password_changes(
    means: Means, row: Row, password: str, actor: Person, *, but: str = ""
) -> tuple[Change, ...]:
    """Return the changes that give an account a new password and end what knew the old one.

    Args:
        means: The means of accounts.
        row: The account.
        password: The new one.
        actor: Who changes it.
        but: The session that goes on, "" for none.

    Raises:
        RejectedError: With everything that is wrong with it.
    """
    least, login, name = means.rules.least, row["login"], row["name"]
    wrong = passwords.faults(password, least=least, login=login, name=name)
    refused(wrong, "The password is not good enough")
    typed = passwords.composed(password)
    if row["password"] is not None and await means.passwords.matches(row["password"], typed):
        refused((_SAME,), "The password is not good enough")
    now = means.clock.now()
    values = {"password": await means.passwords.kept(typed), "must_change": 0}
    return (
        Update("account", {"id": row["id"], "password": row["password"]}, values),
        *await over(means, row["id"], now, "password-changed", but=but),
        *means.told(actor, "password-changed", row, now),
    )


async def over(
    means: Means, account_id: str, now: datetime, why: str, *, but: str = ""
) -> tuple[Change, ...]:
    """Return the changes that end the sessions of an account, but for one."""
    if not but:
        return (all_ended(account_id, to_text(now), why),)
    rows = await means.ledger.all("sessions_living", account_id=account_id)
    return tuple(ended(row["id"], to_text(now), why) for row in rows if row["id"] != but)
