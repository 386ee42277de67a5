"""Reading the audit log (AUD-01, AUD-03): a page of the receipt log, newest first.

Promises: what is shown is the entry's own body, which the chain covers; the columns it is found by
are copies. A page reads a page of one index. Reads only.
"""

import json
from typing import Final

from gateway.domain.access import EVERYWHERE, Person, Right
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Row
from gateway.ports.accounts import AuditQuery, AuditRow, Page
from gateway.programs.accounts.means import Means
from gateway.programs.rows import loads

_ALWAYS: Final = "0000-01-01T00:00:00.000000Z"
_NEVER: Final = "9999-12-31T23:59:59.999999Z"
_OWN: Final = frozenset({"entry_id", "kind", "at", "action", "actor", "target", "agency"})
_MOST: Final = 200


class LedgerAuditLog:
    """See `ports.accounts.AuditLog`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def entries(
        self, actor: Person, query: AuditQuery, *, after: str = "", limit: int = 50
    ) -> Page[AuditRow]:
        """Return entries, newest first."""
        agencies = _scope(actor)
        if query.agency and EVERYWHERE not in agencies and query.agency not in agencies:
            raise RejectedError(Reason.FORBIDDEN, "that agency's audit log is not yours to read")
        limit = max(1, min(limit, _MOST))
        until = to_text(query.until) if query.until else _NEVER
        before, order = _cursor(after) if after else (until, 0)
        one = query.agency or (next(iter(agencies)) if len(agencies) == 1 else "")
        given = {
            "subject": query.target,
            "actor": query.actor,
            "agency": one,
            "action": query.action,
        }
        # The most telling first: its index is read in order, the others sieve what it gives.
        driving = next((name for name, value in given.items() if value), "")
        rows = await self._means.ledger.all(
            f"audit_by_{driving}" if driving else "audit",
            **given,
            before=before,
            ord=order,
            since=to_text(query.since) if query.since else _ALWAYS,
            everything="yes" if EVERYWHERE in agencies else "",
            agencies=json.dumps(sorted(agencies)),
            limit=limit + 1,
        )
        last = rows[limit - 1] if len(rows) > limit else None
        cursor = f"{last['at']},{last['ord']}" if last else ""
        return Page(tuple(map(_row, rows[:limit])), cursor)

    async def one(self, actor: Person, entry_id: str) -> AuditRow:
        """Return one with what its event tells."""
        agencies = _scope(actor)
        row = await self._means.ledger.one("audit_entry", id=entry_id)
        if row is None or not (EVERYWHERE in agencies or row["agency"] in agencies):
            raise RejectedError(Reason.NOT_FOUND)
        told = await self._means.ledger.one(
            "account_event", subject=row["subject"], type=row["action"], at=row["at"]
        )
        return _row(row, told)


def _scope(actor: Person) -> frozenset[str]:
    agencies = actor.agencies(Right.AUDIT)
    if not agencies:
        raise RejectedError(Reason.FORBIDDEN, "the audit log is not yours to read")
    return agencies


def _cursor(after: str) -> tuple[str, int]:
    at, _, order = after.partition(",")
    if len(at) != len(_NEVER) or not (order.isascii() and order.isdigit() and len(order) < 19):
        raise RejectedError(Reason.BAD_REQUEST, "the page's cursor is none of ours")
    return at, int(order)


def _row(row: Row, told: Row | None = None) -> AuditRow:
    body = loads(row["body"])
    return AuditRow(
        entry_id=row["id"],
        index=row["idx"],
        at=from_text(row["at"]),
        actor=str(body.get("actor", "")),
        action=str(body.get("action", "")),
        target=str(body.get("target", "")),
        agency=str(body.get("agency", "")),
        facts={k: v for k, v in body.items() if k not in _OWN},
        told=loads(told["data"]) if told is not None else {},
    )
