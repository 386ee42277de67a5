"""What a purge takes away and what stays (SEC-01): rows in, changes out.

The stub in `quarantine`, the events and the receipt entries stay for ever, so the chain still
verifies; content columns become empty, references to bytes go, cached reports of those bytes go.
Files are deleted after the commit: a crash in between leaves bytes nobody refers to, which the
janitor collects.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from gateway.ports import Change, Delete, Row, Update
from gateway.store.queries import QUERIES
from gateway.store.session import Session

_OWNED: Final = (
    "SELECT DISTINCT sha256 FROM blob_ref "
    "WHERE owner IN (SELECT value FROM json_each(:owners)) ORDER BY sha256"
)


def owners(session: Session, item_id: str) -> tuple[str, ...]:
    """Return the ids under which the bytes of a quarantined item are kept.

    One packet may have brought arrivals for several agencies: its bytes stay until the last of
    them is purged.
    """
    transfers = session.rows("SELECT id FROM transfer WHERE consignment_id = ?", (item_id,))
    found = [item_id, *(row["id"] for row in transfers)]
    arrival = session.row("SELECT inbound_id FROM arrival WHERE id = ?", (item_id,))
    if arrival is not None and arrival["inbound_id"] is not None:
        others = session.row(
            "SELECT a.id FROM arrival a LEFT JOIN quarantine q ON q.id = a.id "
            "WHERE a.inbound_id = ? AND a.id != ? AND q.purged_at IS NULL LIMIT 1",
            (arrival["inbound_id"], item_id),
        )
        if others is None:
            found.append(arrival["inbound_id"])
    return tuple(found)


def names(session: Session, owned_by: Sequence[str]) -> list[str]:
    """Return the blobs kept for these owners. Reads the whole table: not inside a transaction."""
    rows = session.rows(_OWNED, {"owners": json.dumps(list(owned_by))})
    return [row["sha256"] for row in rows]


def unreferenced(session: Session, blobs: Sequence[str]) -> list[str]:
    """Return those blobs that nothing keeps any more."""
    return [name for name in blobs if session.row(QUERIES["blob_ref"], {"sha256": name}) is None]


def references(blobs: Sequence[str], owned_by: tuple[str, ...]) -> list[Change]:
    """Return the changes that let go of blobs."""
    return [Delete("blob_ref", {"sha256": name, "owner": owned_by}) for name in blobs]


def reports(blobs: Sequence[str]) -> list[Change]:
    """Return the changes that drop the cached verification reports of purged files."""
    return [Delete("verification", {"sha256": name}) for name in blobs]


def content(session: Session, item_id: str) -> list[Change]:
    """Return the changes that empty the content columns of an item, whichever kind it is."""
    changes: list[Change] = [Delete("recheck", {"subject": item_id})]
    consignment = session.row("SELECT * FROM consignment WHERE id = ?", (item_id,))
    if consignment is not None:
        changes.append(Update("consignment", {"id": item_id}, _consignment(consignment)))
    arrival = session.row("SELECT * FROM arrival WHERE id = ?", (item_id,))
    if arrival is not None:
        changes.append(Update("arrival", {"id": item_id}, _arrival(arrival)))
    return changes


def _consignment(row: Row) -> Row:
    answer = _object(row["answer"])
    kept: dict[str, Any] = {
        k: answer[k] for k in ("id", "document_id", "version", "receipt") if k in answer
    }
    kept |= {"state": row["state"], "verification": row["verdict"]}
    return {
        "envelope": _stub(row),
        "findings": "[]",
        "code_number": "",
        "code_notation": "",
        "promulgation_date": "",
        "subject": "",
        "main_sha256": "",
        "answer": _dumps(kept | {"deliveries": [], "findings": []}),
    }


def _arrival(row: Row) -> Row:
    return {
        "envelope": _stub(row),
        "findings": "[]",
        "sender_name": "",
        "code_number": "",
        "code_notation": "",
        "promulgation_date": "",
        "strict_sha256": "",
        "strict_size": 0,
        "undetermined": "",
    }


def _stub(row: Row) -> str:
    """Return an envelope that still reads as one and says nothing but ids."""
    header: dict[str, Any] = {
        "sender": {"organ_id": row["sender_written"]},
        "recipients": [],
        "document_id": row["document_id"] or "",
    }
    return _dumps({"header": header, "manifest": [], "attachments": [], "repairs": []})


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
