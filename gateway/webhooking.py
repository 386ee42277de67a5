"""Composition of webhooks: settings become subscriptions, and the program that brings messages.

For `gateway.app` and the command line alike; the HTTP client is imported only here.
"""

from typing import Any

from gateway.config import Settings
from gateway.keys.secretkey import SecretKeys
from gateway.policies import policy_of
from gateway.ports import Callers, Clock, Ids, Ledger, Notices
from gateway.programs.herald import Herald
from gateway.programs.leases import Leases
from gateway.programs.webhooks import LedgerWebhooks, Means


def make_webhooks(
    settings: Settings, ledger: Ledger, clock: Clock, ids: Ids, keys: SecretKeys
) -> LedgerWebhooks:
    """Return the subscriptions of a ledger."""
    from adapters.webhook.post import HttpPost, Reach

    told = settings.webhooks
    reach = Reach(
        networks=tuple(told.networks),
        ports=told.ports,
        timeout=told.timeout,
        ca_file="" if told.ca_file is None else str(told.ca_file),
    )
    return LedgerWebhooks(
        Means(
            *(ledger, clock, ids, keys, HttpPost(reach)),
            most=told.max_per_system,
            training=settings.console.training,
        )
    )


def make_herald(
    settings: Settings,
    ledger: Ledger,
    notices: Notices,
    hooks: LedgerWebhooks,
    callers: Callers,
    **means: Any,
) -> Herald:
    """Return what brings their messages; `means` are clock, leases, random and still."""
    leases: Leases = means["leases"]
    return Herald(
        ledger,
        notices,
        hooks,
        callers,
        clock=means["clock"],
        leases=leases,
        random=means["random"],
        still=means["still"],
        schedules=policy_of(settings).schedules,
        give_up_after=settings.webhooks.give_up_after,
    )
