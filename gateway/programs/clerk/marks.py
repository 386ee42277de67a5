"""Audit rows of what a person does at the clerk's desk (AUD-03): builders only.

Committed with the change itself, so that neither is without the other. Free text stands in the
event; the receipt log holds its hash only.
"""

import hashlib
from datetime import datetime
from typing import Any

from gateway.domain.access import Person
from gateway.ports import Change, Ids
from gateway.programs.rows import entry, event


def audited(
    ids: Ids, at: datetime, by: Person, action: str, target: str, *, reason: str = "", **facts: Any
) -> tuple[Change, ...]:
    """Return the event and the entry of one act.

    Args:
        ids: Gives the entry its id.
        at: Aware instant.
        by: Who.
        action: What, such as `draft-released`.
        target: `<kind>:<id>`.
        reason: Free text as typed, "" for none.
        facts: More keys of `gateway.receipts.log.KEYS`.
    """
    told = {k: v for k, v in facts.items() if v not in (None, "", [])}
    body: dict[str, Any] = {"action": action, "actor": by.login, "target": target, **told}
    data: dict[str, Any] = {"actor": by.login, **told}
    if reason:
        data["reason"] = reason
        body["reason_sha256"] = hashlib.sha256(reason.encode()).hexdigest()
    return (
        event(target, action, at, **data),
        entry(ids, "audit", target, "", at, **body).row,
    )
