"""What operations do beside a running server: the queue's dead letters, the clock's override.

Each change is one write transaction with an event and an entry of the receipt log; the server sees
it within a second. A refused call leaves no trace; a crash leaves the whole call or nothing of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from gateway.domain.lifecycle import (
    DELIVERY,
    TRANSFER,
    ConsignmentState,
    DeliveryEvent,
    DeliveryState,
    TransferEvent,
    TransferState,
)
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Insert, Row, Update
from gateway.receipts.log import Value
from gateway.store import admin_rows as rows_of
from gateway.store.admin import SqliteAdmin
from gateway.store.audit import event

_OVERRIDE: Final = "clock_override"
_OPEN: Final = ("waiting", "sending", "deferred", "failed")
_REQUEUED: Final = "requeued"
_AT_ONCE: Final = 500
QueueState = Literal["open", "waiting", "sending", "deferred", "failed", "held"]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One transfer in the queue (một lượt chuyển)."""

    id: str
    kind: str
    consignment_id: str | None
    document_id: str
    hop: str
    state: str
    hold: str
    lane: int
    attempts: int
    recipients: tuple[str, ...]
    created_at: datetime
    due_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of one transfer: its attempts and events, oldest first."""

    transfer: QueueRow
    attempts: tuple[Row, ...]
    events: tuple[Row, ...]
    deliveries: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A standing override of the clock's hold (TIM-01)."""

    reason: str
    by: str
    since: datetime


class SqliteOperations(SqliteAdmin):
    """Operations over the ledger file; see `SqliteAdmin` for its arguments."""

    # ------------------------------------------------------------ the clock

    def clock_override(self) -> Override | None:
        """Return the override that stands, None when there is none."""
        with self._reading():
            row = self._row("SELECT value FROM meta WHERE key = ?", _OVERRIDE)
        return _override(row["value"] if row is not None else "")

    def override_clock(self, *, reason: str, by: str) -> Override:
        """Let traffic go on under a clock that is known to be off (TIM-01)."""
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            stands = Override(why, rows_of.stated(by, "who acts"), now)
            value = {"reason": why, "by": stands.by, "since": to_text(now)}
            text = json.dumps(value, ensure_ascii=False)
            self._apply(
                [*_meta(text), *self._audit(now, "clock-overridden", by, "clock:override", why)]
            )
            return stands

    def end_clock_override(self, *, by: str) -> Override | None:
        """End the override; return the one that stood, None when there was none."""
        with self._changing() as now:
            row = self._row("SELECT value FROM meta WHERE key = ?", _OVERRIDE)
            stood = _override(row["value"] if row is not None else "")
            if stood is not None:
                audited = self._audit(now, "clock-override-ended", by, "clock:override")
                self._apply([*_meta(""), *audited])
            return stood

    # ------------------------------------------------------------ the queue

    def queue(self, state: QueueState = "open", *, limit: int = 200) -> Sequence[QueueRow]:
        """Return transfers of a state, dead letters first, then by due time."""
        states = list(_OPEN) if state in {"open", "held"} else [state]
        with self._reading():
            found = self._connection.execute(
                "SELECT * FROM transfer WHERE state IN (SELECT value FROM json_each(:states)) "
                "AND (:held = 0 OR hold != '') "
                "ORDER BY state = 'failed' DESC, due_at, id LIMIT :limit",
                {"states": json.dumps(states), "held": state == "held", "limit": limit},
            ).fetchall()
        return [_queue_row(row) for row in found]

    def transfer(self, transfer_id: str) -> Life:
        """Return one transfer's life. NOT_FOUND when there is none."""
        with self._reading():
            row = self._must(transfer_id)
            return Life(
                _queue_row(row),
                self._many("SELECT * FROM attempt WHERE transfer_id = ? ORDER BY n", transfer_id),
                self._many("SELECT * FROM event WHERE subject = ? ORDER BY id", transfer_id),
                self._many("SELECT * FROM delivery WHERE transfer_id = ? ORDER BY id", transfer_id),
            )

    def requeue(self, item_id: str, *, reason: str, by: str) -> QueueRow:
        """Put a dead letter back: a failed transfer, or one failed or returned delivery.

        Counting of tries begins anew; what was tried stays on record. CONFLICT when it is not
        failed or returned, or when sending the same bytes again cannot help.
        """
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            delivery = self._row("SELECT * FROM delivery WHERE id = ?", item_id)
            if delivery is not None:
                transfer_id, changes = self._again(dict(delivery), now)
            else:
                transfer_id = item_id
                changes = _put_back(self._must(item_id), now)
            facts = {"reason": why, "actor": rows_of.stated(by, "who acts")}
            changes.append(event(transfer_id, _REQUEUED, now, dict(facts)))
            changes += self._audit(
                now,
                "transfer-requeued",
                by,
                f"transfer:{transfer_id}",
                why,
                transfer_id=transfer_id,
            )
            self._apply(changes)
            return _queue_row(self._must(transfer_id))

    # ------------------------------------------------------------ verdicts

    def look_again(self, documents: Sequence[tuple[str, str]], *, reason: str, by: str) -> int:
        """Put documents on the list of those whose verdict is looked at again; return how many.

        Args:
            documents: `(kind, id)`: `consignment` or `arrival`, and ours.
            reason: Why.
            by: Who asks.
        """
        why = rows_of.stated(reason, "a reason")
        who = rows_of.stated(by, "who acts")
        for first in range(0, len(documents), _AT_ONCE):
            with self._changing() as now:
                changes: list[Change] = []
                for kind, subject in documents[first : first + _AT_ONCE]:
                    changes += _asked(kind, subject, now, {"reason": why, "actor": who})
                changes += self._audit(now, "recheck-asked", by, "verdicts", why)
                self._apply(changes)
        return len(documents)

    def _again(self, delivery: Row, now: datetime) -> tuple[str, list[Change]]:
        """Return the transfer that will carry one delivery again, and the rows for it."""
        state = DeliveryState(delivery["state"])
        if (state, DeliveryEvent.REQUEUED) not in DELIVERY.rows:
            raise RejectedError(
                Reason.CONFLICT,
                f"delivery {delivery['id']} is {state.value}: nothing to send again",
            )
        carried = delivery["transfer_id"]
        before = self._must(carried) if carried else None
        if before is not None and before["state"] == TransferState.FAILED:
            return before["id"], _put_back(before, now)
        hop = self._hop(delivery)
        if hop.startswith("local:") and before is not None:
            raise RejectedError(
                Reason.CONFLICT,
                f"{delivery['agency']} has the document already: send a new version instead",
            )
        return self._fresh(delivery, before, hop, now)

    def _hop(self, delivery: Row) -> str:
        agency = self._row("SELECT hop, status FROM agency WHERE code = ?", delivery["agency"])
        if agency is None or agency["status"] != "active" or not agency["hop"]:
            raise RejectedError(Reason.CONFLICT, f"{delivery['agency']} is not connected")
        local = agency["hop"] == "local"
        return f"local:{delivery['agency']}" if local else str(agency["hop"])

    def _fresh(
        self, delivery: Row, before: Row | None, hop: str, now: datetime
    ) -> tuple[str, list[Change]]:
        """A transfer of its own, so that the others of the first one are not sent again."""
        sent = self._row("SELECT * FROM consignment WHERE id = ?", delivery["consignment_id"])
        assert sent is not None  # a foreign key
        if sent["state"] not in {ConsignmentState.RELEASED, ConsignmentState.CLOSED}:
            raise RejectedError(Reason.CONFLICT, f"the document is {sent['state']}")
        transfer_id = self._ids.new()
        at = to_text(now)
        row = {
            "id": transfer_id,
            "consignment_id": sent["id"],
            "kind": "edoc",
            "hop": hop,
            "state": TransferState.WAITING.value,
            "lane": sent["urgency"],
            "due_at": at,
            # The same bytes as before: the receiver tells a repeat by them.
            "parcel_sha256": before["parcel_sha256"] if before is not None else "",
            "parcel_size": before["parcel_size"] if before is not None else 0,
            "sender_written": sent["sender_written"],
            "recipients": delivery["addressed_as"],
            "document_id": sent["document_id"],
            "created_at": at,
        }
        pending = {
            "state": DeliveryState.PENDING.value,
            "reason": "",
            "transfer_id": transfer_id,
            "hop": "local" if hop.startswith("local:") else hop,
        }
        where = {"id": delivery["id"], "state": delivery["state"]}
        changes: list[Change] = [
            Insert("transfer", row),
            Update("delivery", where, pending),
            _reopened(sent["id"]),
        ]
        if before is not None and before["parcel_sha256"]:
            kept = {"sha256": before["parcel_sha256"], "owner": transfer_id}
            changes.append(Insert("blob_ref", kept, ignore=True))
        return transfer_id, changes

    def _must(self, transfer_id: str) -> Row:
        row = self._row("SELECT * FROM transfer WHERE id = ?", transfer_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND, f"nothing in the queue is called {transfer_id}")
        return dict(row)

    def _many(self, sql: str, *params: str) -> tuple[Row, ...]:
        return tuple(dict(row) for row in self._all(sql, *params))


def _asked(kind: str, subject: str, now: datetime, facts: dict[str, Value]) -> list[Change]:
    at = to_text(now)
    row = {"subject": subject, "kind": kind, "since": at, "due_at": at}
    return [
        Insert("recheck", row, ignore=True),
        Update("recheck", {"subject": subject}, {"cause": "asked", "due_at": at}, expect=None),
        event(subject, "recheck_asked", now, facts),
    ]


def _put_back(row: Row, now: datetime) -> list[Change]:
    """Return the rows that put a dead letter back at the end of its lane."""
    state = TransferState(row["state"])
    if state is not TransferState.FAILED or (state, TransferEvent.REQUEUED) not in TRANSFER.rows:
        raise RejectedError(
            Reason.CONFLICT, f"transfer {row['id']} is {state.value}: only a failed one is put back"
        )
    changes: list[Change] = [
        Update(
            "transfer",
            {"id": row["id"], "state": state.value},
            {"state": TransferState.WAITING.value, "due_at": to_text(now), "reason": ""},
        ),
        Update(
            "delivery",
            {"transfer_id": row["id"], "state": DeliveryState.FAILED.value},
            {"state": DeliveryState.PENDING.value, "reason": ""},
            expect=None,
        ),
    ]
    if row["consignment_id"]:
        changes.append(_reopened(row["consignment_id"]))
    return changes


def _reopened(consignment_id: str) -> Update:
    where = {"id": consignment_id, "state": ConsignmentState.CLOSED.value}
    values = {"state": ConsignmentState.RELEASED.value, "closed_at": None}
    return Update("consignment", where, values, expect=None)


def _meta(value: str) -> list[Change]:
    key = {"key": _OVERRIDE}
    return [
        Insert("meta", key | {"value": ""}, ignore=True),
        Update("meta", key, {"value": value}),
    ]


def _override(text: str) -> Override | None:
    if not text:
        return None
    value: dict[str, Any] = json.loads(text)
    return Override(value["reason"], value["by"], from_text(value["since"]))


def _queue_row(row: Row) -> QueueRow:
    return QueueRow(
        id=row["id"],
        kind=row["kind"],
        consignment_id=row["consignment_id"],
        document_id=row["document_id"],
        hop=row["hop"],
        state=row["state"],
        hold=row["hold"],
        lane=row["lane"],
        attempts=row["attempts"],
        recipients=tuple(json.loads(row["recipients"])),
        created_at=from_text(row["created_at"]),
        due_at=from_text(row["due_at"]),
        reason=row["reason"],
    )
