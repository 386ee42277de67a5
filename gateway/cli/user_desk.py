"""What the commands of `vanlien user` work with: the accounts behind a settings file.

Whoever is at the keyboard acts as an administrator without an account. Nothing is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.cli import common
from gateway.cli.frame import UsageFault

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.domain.access import Person, Role
    from gateway.ports.accounts import Account
    from gateway.programs.accounts.lists import LedgerLists
    from gateway.programs.accounts.managing import LedgerAccounts

T = TypeVar("T")
STATE_VI: Final[Mapping[str, str]] = {
    "active": "hoạt động",
    "locked": "đã khóa",
    "closed": "đã đóng",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Accounts, opened.

    Args:
        accounts: Administration.
        lists: Many accounts at once.
        me: Who is at the keyboard.
        settings: Where the pages are.
        find: Finds the id of a login.
    """

    accounts: "LedgerAccounts"
    lists: "LedgerLists"
    me: "Person"
    settings: "Settings"
    find: Callable[[str], Awaitable[str | None]]

    async def named(self, login: str) -> "Account":
        """Return the account of a login, or refuse."""
        found = await self.find(login)
        if found is None:
            raise UsageFault(f"không có tài khoản {login}", f"there is no account {login}")
        return await self.accounts.one(self.me, found)

    def link(self, token: str) -> str:
        """Return the address of a one-time link."""
        http = self.settings.http
        scheme = "https" if http.tls_cert else "http"
        own = f"{scheme}://{_reachable(http.host)}:{http.port}"
        base = str(http.public_url) if http.public_url else own
        return f"{base.rstrip('/')}/console/link/{token}"


def _reachable(host: str) -> str:
    import socket

    if host in {"0.0.0.0", "::", "[::]"}:  # noqa: S104 - compared, not bound
        return socket.getfqdn()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def on_desk(config: Path, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Do something with the accounts behind a settings file, beside running servers."""
    return asyncio.run(_on_desk(config, work))


async def _on_desk(config: Path, work: Callable[[Desk], Awaitable[T]]) -> T:
    from gateway import stores
    from gateway.accounting import make_accounts
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.domain.access import EVERYWHERE, Grant, Person, Role
    from gateway.errors import RejectedError
    from gateway.keys.secretkey import SecretKeys
    from gateway.programs.accounts.checks import folded

    settings = load(config)
    stores.usable_ledger(settings)
    keys = SecretKeys(settings.secrets.key_file)
    who = common.actor()
    me = Person("", who, who, (Grant(Role.SYS_ADMIN, EVERYWHERE),), strong=True)
    async with stores.open_ledger(settings) as ledger:
        made = make_accounts(settings, ledger, SystemClock(), stores.UuidIds(), keys)

        async def find(login: str) -> str | None:
            row = await ledger.one("account_by_login", login=folded(login))
            return None if row is None else str(row["id"])

        try:
            return await work(Desk(made.accounts, made.lists, me, settings, find))
        except RejectedError as refused:
            if not refused.findings:
                raise
            vi = " · ".join(one.vi for one in refused.findings)
            raise UsageFault(vi, " · ".join(one.en for one in refused.findings)) from refused


def role_of(text: str) -> "tuple[Role, str]":
    """Return the role and the agency of `clerk@H37.61`, or refuse."""
    from gateway.domain.access import Role

    name, _, agency = text.partition("@")
    try:
        return Role(name), agency
    except ValueError as exc:
        known = ", ".join(Role)
        raise UsageFault(
            f"không có vai trò “{name}”: {known}", f"no role {name!r}: {known}"
        ) from exc


def link_text(who: str, link: str) -> str:
    """Return a one-time link for people."""
    return (
        f"{who}\n  {link}\n"
        "Đường dẫn chỉ dùng một lần và hết hạn; gửi riêng cho người đó, không gửi qua nhóm. / It "
        "opens once and expires: give it to that person alone."
    )


def shown(account: "Account") -> dict[str, Any]:
    """Return an account as JSON."""
    lock = account.lock
    return {
        "id": account.id,
        "login": account.login,
        "name": account.name,
        "mail": account.mail,
        "agency": account.agency,
        "state": account.state.value,
        "invited": account.invited,
        "second_factor": account.second_factor,
        "single_sign_on": account.single_sign_on,
        "created_at": common.local_iso(account.created_at),
        "created_by": account.created_by,
        "request_ref": account.request_ref,
        "used_at": common.local_iso(account.used_at),
        "lock": None
        if lock is None
        else {"code": lock.code.value, "reference": lock.reference, "by": lock.by},
        "grants": [
            {
                "id": v.id,
                "role": v.grant.role.value,
                "agency": v.grant.agency,
                "valid_to": common.local_iso(v.grant.valid_to),
                "delegated_by": v.delegator,
            }
            for v in account.grants
        ],
    }
