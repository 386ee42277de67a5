"""Rows that say who changed what: an event and an entry of the receipt log for each change.

Builders only; a row is a fact once its transaction is committed. Free text (a reason) stands in the
event; the receipt log holds its SHA-256 only.
"""

import hashlib
import json
from datetime import datetime

from gateway.domain.moments import iso, to_text
from gateway.ports import Change, Ids, Insert
from gateway.receipts.log import Kind, Value, canonical, entry_hash


def audit(
    ids: Ids,
    at: datetime,
    *,
    action: str,
    actor: str,
    target: str,
    reason: str = "",
    **facts: Value,
) -> list[Change]:
    """Return the event and the entry of one administrative change.

    Args:
        ids: Gives the entry its id.
        at: Aware instant of the change.
        action: What was done, such as `counter-set`.
        actor: Who did it: a person or an account of the operating system.
        target: What it was done to, `<kind>:<id>`; the subject of both rows.
        reason: Why, as typed; "" when none is asked for.
        facts: More keys of `gateway.receipts.log.KEYS`.
    """
    data: dict[str, Value] = {"actor": actor, **facts}
    body: dict[str, Value] = {"action": action, "actor": actor, "target": target, **facts}
    if reason:
        data["reason"] = reason
        body["reason_sha256"] = hashlib.sha256(reason.encode()).hexdigest()
    return [event(target, action, at, data), entry(ids, at, Kind.AUDIT, target, body)]


def event(subject: str, kind: str, at: datetime, data: dict[str, Value]) -> Insert:
    """Return an event row."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Insert("event", {"subject": subject, "type": kind, "at": to_text(at), "data": text})


def entry(  # noqa: PLR0917 - the columns of the log
    ids: Ids,
    at: datetime,
    kind: Kind,
    subject: str,
    facts: dict[str, Value],
    document_id: str = "",
) -> Insert:
    """Return an unsequenced entry of the receipt log."""
    entry_id = ids.new()
    body = canonical({"entry_id": entry_id, "kind": kind.value, "at": iso(at), **facts})
    # AUD-03: what the audit log is searched by.
    found = {n: str(facts.get(n, "")) for n in ("actor", "action", "agency")}
    return Insert(
        "receipt_entry",
        {
            "id": entry_id,
            "kind": kind.value,
            "subject": subject,
            "document_id": document_id,
            "at": to_text(at),
            "body": body.decode(),
            "entry_hash": entry_hash(body).hex(),
            **(found if kind is Kind.AUDIT else {}),
        },
    )
