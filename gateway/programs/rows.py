"""Rows the programs write (events, receipt entries, wake-ups, blob references), guards on holds.

Builders only; a row is a fact once the ledger committed it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gateway.domain.moments import iso, to_text
from gateway.ports import Absent, Ids, Insert, Row
from gateway.receipts.log import Kind, canonical, entry_hash


def dumps(value: Any) -> str:
    """Return compact JSON text, Vietnamese left readable."""
    return orjson.dumps(value).decode()


def event(subject: str, kind: str, at: datetime, **data: Any) -> Insert:
    """Return an event row (MD-12): ids, codes and reasons only, never content."""
    values = {"subject": subject, "type": kind, "at": to_text(at), "data": dumps(data)}
    return Insert("event", values)


def wake(topic: str, ref: str, lane: int) -> Insert:
    """Return an outbox row: an id owed to the lanes."""
    return Insert("outbox", {"topic": topic, "ref": ref, "lane": lane})


def keep(sha256: str, owner: str) -> Insert:
    """Return the row that keeps a blob from being collected."""
    return Insert("blob_ref", {"sha256": sha256, "owner": owner}, ignore=True)


def not_held(row: Row) -> tuple[Absent, ...]:
    """Return the guards that no operator holds the destination or the document at this instant."""
    subjects = [("hop", row["hop"])]
    if row["consignment_id"]:
        subjects.append(("document", row["consignment_id"]))
    return tuple(Absent("hold", held_by_hand(scope, subject)) for scope, subject in subjects)


def held_by_hand(scope: str, subject: str) -> dict[str, str | None]:
    """Return what a standing hold of an operator looks like."""
    return {"kind": "operator", "scope": scope, "subject": subject, "released_at": None}


@dataclass(frozen=True, slots=True)
class Entry:
    """A receipt entry to be written: the row, and what a receipt says about it."""

    row: Insert
    entry_id: str
    entry_hash: str


def entry(ids: Ids, kind: str, subject: str, document_id: str, at: datetime, **facts: Any) -> Entry:
    """Return an entry of the receipt log; facts that are None or empty are left out."""
    entry_id = ids.new()
    body: dict[str, Any] = {"entry_id": entry_id, "kind": kind, "at": iso(at)}
    if document_id:
        body["document_id"] = document_id
    body |= {k: v for k, v in facts.items() if v is not None and v != ""}
    text = canonical(body)
    digest = entry_hash(text).hex()
    values = {
        "id": entry_id,
        "kind": kind,
        "subject": subject,
        "document_id": document_id,
        "at": to_text(at),
        "body": text.decode(),
        "entry_hash": digest,
    }
    if kind == Kind.AUDIT:
        values |= searched(body)
    return Entry(Insert("receipt_entry", values), entry_id, digest)


def searched(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of an audit entry that the audit log is searched by (AUD-03)."""
    return {name: str(body.get(name, "")) for name in ("actor", "action", "agency")}


def audited(
    ids: Ids,
    at: datetime,
    *,
    action: str,
    actor: str,
    target: str,
    agency: str = "",
    reason: str = "",
    code: str = "",
    told: Mapping[str, Any] | None = None,
) -> tuple[Insert, Insert]:
    """Return the event and the audit entry of what a person did (AUD-03, AUD-06).

    Args:
        ids: Gives the entry its id.
        at: Aware instant.
        action: What was done, such as `account-locked`.
        actor: Login of the account, or the operating system's user.
        target: To what, `<kind>:<id>`.
        agency: The agency concerned.
        reason: Why, as typed: words stand in the event, the log holds their hash.
        code: One word of it that the log holds, such as a role.
        told: More for the event: ids, codes, words of administration; never content.
    """
    said = {k: v for k, v in (told or {}).items() if v is not None and v != ""}
    data = {"actor": actor, "code": code, "agency": agency, "reason": reason}
    said |= {k: v for k, v in data.items() if v}
    digest = hashlib.sha256(reason.encode()).hexdigest() if reason else ""
    proof = entry(
        ids, Kind.AUDIT, target, "", at, action=action, actor=actor, target=target,
        agency=agency, code=code, reason_sha256=digest,
    )  # fmt: skip
    return event(target, action, at, **said), proof.row


def loads(text: str) -> Any:
    """Return the value behind a JSON column."""
    return orjson.loads(text)
