"""Composition of accounts: settings become the programs of sign-in, administration and audit.

For `gateway.app`, the console and the command line alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.config import Settings
from gateway.domain.pacing import Pace
from gateway.keys.passwords import Argon2Passwords
from gateway.keys.secretkey import SecretKeys
from gateway.ports import Clock, Ids, Ledger
from gateway.ports.accounts import Holdings
from gateway.programs.accounts.auditlog import LedgerAuditLog
from gateway.programs.accounts.holdings import (
    AlertHoldings,
    AssignmentHoldings,
    DraftHoldings,
    TurnHoldings,
)
from gateway.programs.accounts.lists import LedgerLists
from gateway.programs.accounts.locking import Locking
from gateway.programs.accounts.managing import LedgerAccounts
from gateway.programs.accounts.means import Means, Rules
from gateway.programs.accounts.own import LedgerOwn
from gateway.programs.accounts.sessions import LedgerSessions
from gateway.programs.accounts.signin import LedgerSignIns
from gateway.programs.accounts.trail import LedgerTrail


@dataclass(frozen=True, slots=True)
class Accounting:
    """The programs of accounts, over one ledger.

    Args:
        means: What they share.
        sessions: Who is signed in.
        trail: What persons saw and were refused.
        signins: The way in.
        own: One's own account.
        accounts: Administration.
        audit: Reading the audit log.
        lists: Many accounts at once.
    """

    means: Means
    sessions: LedgerSessions
    trail: LedgerTrail
    signins: LedgerSignIns
    own: LedgerOwn
    accounts: LedgerAccounts
    audit: LedgerAuditLog
    lists: LedgerLists


def rules_of(settings: Settings) -> Rules:
    """Return the rules the settings ask for."""
    told = settings.accounts
    return Rules(
        idle=told.idle,
        absolute=told.longest,
        link=told.link,
        strong_roles=frozenset(told.second_factor),
        again=told.second_factor_again,
        least=told.password_least,
        domains=told.domains,
        pace=Pace(
            free=told.free_failures,
            longest=told.longest_wait,
            burst=told.address_burst,
            per_minute=float(told.address_per_minute),
        ),
        issuer=settings.console.name,
    )


def holdings_of(ledger: Ledger, clock: Clock, ids: Ids) -> list[Holdings]:
    """Return the places where persons have open items (ACC-04): one line for each."""
    return [
        DraftHoldings(ledger),
        AssignmentHoldings(ledger, ids),
        AlertHoldings(ledger),
        TurnHoldings(ledger, clock, ids),
    ]


def make_accounts(
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    ids: Ids,
    keys: SecretKeys,
    *,
    inherits: Callable[[str], Sequence[str]] = lambda _: (),
) -> Accounting:
    """Return the programs of accounts; `inherits`: what an agency took over from (ID-05)."""
    passwords = Argon2Passwords(memory_kib=settings.accounts.password_memory)
    means = Means(ledger, clock, ids, keys, passwords, rules_of(settings))
    locking = Locking(means)
    managing = LedgerAccounts(means, locking, holdings_of(ledger, clock, ids))
    return Accounting(
        means=means,
        sessions=LedgerSessions(means, inherits),
        trail=LedgerTrail(means),
        signins=LedgerSignIns(means, locking),
        own=LedgerOwn(means, locking),
        accounts=managing,
        audit=LedgerAuditLog(means),
        lists=LedgerLists(means, managing),
    )
