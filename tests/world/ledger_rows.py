"""Rows of the ledger with everything they must have, for tests of the store."""

import itertools

from gateway.ports import Insert
from gateway.receipts.log import canonical, entry_hash

AT = "2026-11-22T06:14:13.123456Z"
LOCAL = "2026-11-22T13:14:13.123+07:00"
_count = itertools.count(1)


def new_id():
    return f"0195a000-0000-7000-8000-{next(_count):012d}"


def sha(number):
    return f"{number:064x}"


def meta(key, value="1"):
    return Insert("meta", {"key": key, "value": value})


def event(subject, kind="happened", data="{}"):
    return Insert("event", {"subject": subject, "type": kind, "at": AT, "data": data})


def outbox(ref, topic="issue"):
    return Insert("outbox", {"topic": topic, "ref": ref, "lane": 0})


def keep(sha256, owner):
    return Insert("blob_ref", {"sha256": sha256, "owner": owner}, ignore=True)


def entry(subject, document_id="", kind="accepted", **facts):
    entry_id = new_id()
    if document_id:
        facts["document_id"] = document_id
    body = canonical({"entry_id": entry_id, "kind": kind, "at": LOCAL, **facts})
    return Insert(
        "receipt_entry",
        {
            "id": entry_id,
            "kind": kind,
            "subject": subject,
            "document_id": document_id,
            "at": AT,
            "body": body.decode(),
            "entry_hash": entry_hash(body).hex(),
        },
    )


def consignment(row_id, document_id="H37.02,2026/11/22,1/SNV-VP", **more):
    values = {
        "id": row_id,
        "system_id": "qlvb",
        "via": "api",
        "sender": "H37.02",
        "sender_written": "H37.02",
        "document_id": document_id,
        "digest": sha(1),
        "state": "accepted",
        "envelope": "{}",
        "received_sha256": sha(2),
        "received_size": 4096,
        "accepted_at": AT,
        "answer": "{}",
    }
    return Insert("consignment", values | more)


def delivery(row_id, consignment_id, agency="H37.03", **more):
    values = {
        "id": row_id,
        "consignment_id": consignment_id,
        "agency": agency,
        "addressed_as": '["H37.03"]',
        "state": "pending",
    }
    return Insert("delivery", values | more)


def arrival(row_id, document_id="H57.01,2026/11/22,1/VP", agency="H37.02", **more):
    values = {
        "id": row_id,
        "agency": agency,
        "addressed_as": '["H37.02"]',
        "sender": "H57.01",
        "sender_written": "H57.01",
        "document_id": document_id,
        "digest": sha(1),
        "state": "offered",
        "envelope": "{}",
        "verdict": "valid",
        "source": "axis",
        "received_sha256": sha(2),
        "received_size": 4096,
        "at_gateway_at": AT,
        "offered_at": AT,
    }
    return Insert("arrival", values | more)


def status(row_id, **more):
    values = {
        "id": row_id,
        "sender": "H57.01",
        "sender_written": "H57.01",
        "recipient": "H37.02",
        "recipient_written": "H37.02",
        "document_id": "H37.02,2026/11/22,1/SNV-VP",
        "code": "03",
        "at": AT,
        "source": "axis",
        "created_at": AT,
        "offered_at": AT,
    }
    return Insert("status_report", values | more)
