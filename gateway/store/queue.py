"""The queue under an operator's hands: look, hold, release, put back (SND-15).

Promises: each change of each transfer is an event and an entry of the receipt log, with who and
why; many are changed in batches, each batch a transaction of its own, so a crash leaves whole
batches and the same command goes on from there; nothing is deleted; a running server sees a change
within a second. What an operator holds stays held until an operator lets it go, whatever the
clock, a verdict or a breaker does meanwhile: holds are rows of their own.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.holds import hold_stands
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
from gateway.ports.operations import (
    OPEN,
    Action,
    Changed,
    Hold,
    Life,
    Matching,
    QueueRow,
    QueueState,
    Skipped,
    Wide,
)
from gateway.receipts.log import Value
from gateway.store import admin_rows as rows_of
from gateway.store.admin import LedgerAdmin
from gateway.store.audit import event

_TAKEN_BACK: Final = "SELECT id FROM recall_order WHERE consignment_id = ? AND whole = 1 LIMIT 1"
_HOLDABLE: Final = frozenset(OPEN)
_REQUEUED: Final = "requeued"
_BATCH: Final = 200
_EVENTS: Final[Mapping[Action, str]] = {
    "hold": "queue_held",
    "release": "queue_released",
    "requeue": _REQUEUED,
}
_DONE: Final[Mapping[Action, str]] = {
    "hold": "held",
    "release": "released",
    "requeue": "requeued",
}

_MATCHING: Final = (
    # The first term is that of ix_transfer_live: what is done is never looked at.
    "FROM transfer t WHERE t.state NOT IN ('done', 'cancelled') "
    "AND t.state IN (SELECT value FROM json_each(:states)) "
    "AND (:hop = '' OR t.hop = :hop) AND (:lane < 0 OR t.lane = :lane) "
    "AND (:before = '' OR t.created_at < :before) "
    "AND (:document = '' OR t.document_id = :document OR t.consignment_id = :document) "
    "AND (:agency = '' OR t.hop = :local OR EXISTS (SELECT 1 FROM delivery d "
    "WHERE d.transfer_id = t.id AND d.agency = :agency)) "
    "AND (:held = 0 OR t.hold != '' OR t.stopped = 1 OR EXISTS (SELECT 1 FROM hold h "
    "WHERE h.scope = 'hop' AND h.subject = t.hop AND h.released_at IS NULL)) "
)
_STANDING: Final = (
    "SELECT * FROM hold WHERE released_at IS NULL "
    "AND subject IN (SELECT value FROM json_each(:subjects)) ORDER BY since, id"
)


class LedgerQueue(LedgerAdmin):
    """The queue's part of operations; see `LedgerAdmin` for its arguments."""

    # ------------------------------------------------------------ looking

    def queue(
        self, matching: Matching | QueueState = "open", *, limit: int = 200
    ) -> Sequence[QueueRow]:
        """Return transfers, dead letters first, then by due time."""
        meant = matching if isinstance(matching, Matching) else Matching(matching)
        with self._reading():
            found = self._session.rows(
                f"SELECT t.* {_MATCHING}"
                "ORDER BY CASE WHEN t.state = 'failed' THEN 0 ELSE 1 END, t.due_at, t.id "
                "LIMIT :limit",
                {**meant.params(), "limit": limit},
            )
            return self._queue_rows(found)

    def count(self, matching: Matching) -> int:
        """Return how many transfers are meant."""
        row = self._session.row(
            f"SELECT COUNT(*) AS n {_MATCHING}",
            matching.params(),
        )
        return int(row["n"]) if row is not None else 0

    def transfer(self, transfer_id: str) -> Life:
        """Return one transfer's life. NOT_FOUND when there is none."""
        with self._reading():
            row = self._must(transfer_id)
            (shown,) = self._queue_rows([row])
            return Life(
                shown,
                self._many("SELECT * FROM attempt WHERE transfer_id = ? ORDER BY n", transfer_id),
                self._many("SELECT * FROM event WHERE subject = ? ORDER BY id", transfer_id),
                self._many("SELECT * FROM delivery WHERE transfer_id = ? ORDER BY id", transfer_id),
            )

    def holds(self) -> Sequence[Hold]:
        """Return the standing holds of documents and destinations, oldest first."""
        now = self._clock.now()
        rows = self._session.rows(
            "SELECT * FROM hold WHERE released_at IS NULL AND scope != 'transfer' "
            "ORDER BY since, id"
        )
        return [_hold(r) for r in rows if hold_stands(r["until"], r["released_at"], now)]

    def _queue_rows(self, found: Sequence[Row]) -> list[QueueRow]:
        subjects = {
            s for r in found for s in (r["id"], r["consignment_id"], r["hop"]) if s is not None
        }
        now = self._clock.now()
        standing: dict[tuple[str, str], list[Hold]] = {}
        if subjects:
            params = {"subjects": json.dumps(sorted(subjects))}
            for row in self._session.rows(_STANDING, params):
                if hold_stands(row["until"], row["released_at"], now):
                    key = row["scope"], row["subject"]
                    standing.setdefault(key, []).append(_hold(row))
        return [_queue_row(row, standing) for row in found]

    # ------------------------------------------------------------ one

    def requeue(self, item_id: str, *, reason: str, by: str) -> QueueRow:
        """Put a dead letter back: a failed transfer, or one failed or returned delivery.

        Counting of tries begins anew; what was tried stays on record. CONFLICT when it is not
        failed or returned, or when sending the same bytes again cannot help.
        """
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            delivery = self._row("SELECT * FROM delivery WHERE id = ?", item_id)
            if delivery is not None:
                transfer_id, changes = self._again(delivery, now)
            else:
                transfer_id = item_id
                changes = _put_back(self._must(item_id), now)
            self._apply([*changes, *self._told("requeue", transfer_id, now, why, by)])
            return self._shown(transfer_id)

    def hold(self, transfer_id: str, *, reason: str, by: str) -> QueueRow:
        """Hold one transfer until it is released. CONFLICT when it is settled or held already."""
        return self._one("hold", transfer_id, reason, by)

    def release(self, transfer_id: str, *, reason: str, by: str) -> QueueRow:
        """Let one transfer go on. CONFLICT when no operator holds it by its own id."""
        return self._one("release", transfer_id, reason, by)

    def _one(self, action: Action, transfer_id: str, reason: str, by: str) -> QueueRow:
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            changes = self._changes(action, self._must(transfer_id), now, why, by)
            self._apply([*changes, *self._told(action, transfer_id, now, why, by)])
            return self._shown(transfer_id)

    # ------------------------------------------------------------ a document, a destination

    def hold_wide(self, scope: Wide, subject: str, *, reason: str, by: str) -> Hold:
        """Hold a whole document, or a whole destination, with all that comes for it later.

        Args:
            scope: `document` (its consignment's id, or its identifier) or `hop`.
            subject: Which one.
            reason: Why.
            by: Who.
        """
        why = rows_of.stated(reason, "a reason")
        who = rows_of.stated(by, "who acts")
        with self._changing() as now:
            name = self._document(subject) if scope == "document" else subject
            held = self._held("operator", scope, name)
            if held is not None:
                raise RejectedError(
                    Reason.CONFLICT,
                    f"{scope} {name} is held already, by {held['held_by']}: {held['reason']}",
                )
            changes: list[Change] = [self._hold_row(scope, name, now, why, who)]
            if scope == "document":
                changes += self._stop_all(name, now, {"reason": why, "actor": who})
            changes += self._told_wide("hold", scope, name, now, why, who)
            self._apply(changes)
            row = self._held("operator", scope, name)
            assert row is not None  # written above
            return _hold(row)

    def release_wide(self, scope: Wide, subject: str, *, reason: str, by: str) -> Hold:
        """Let a document or a destination go on. CONFLICT when no operator holds it."""
        why = rows_of.stated(reason, "a reason")
        who = rows_of.stated(by, "who acts")
        with self._changing() as now:
            name = self._document(subject) if scope == "document" else subject
            held = self._held("operator", scope, name)
            if held is None:
                raise RejectedError(Reason.CONFLICT, f"no operator holds {scope} {name}")
            changes: list[Change] = [_let_go(held, now, who)]
            if scope == "document":
                changes += self._free_all(name, now, {"reason": why, "actor": who})
            changes += self._told_wide("release", scope, name, now, why, who)
            self._apply(changes)
            return _hold(held)

    def _document(self, name: str) -> str:
        """Return the consignment a document's identifier or id means."""
        rows = self._session.rows(
            "SELECT id FROM consignment WHERE id = :name OR document_id = :name ORDER BY id",
            {"name": name},
        )
        if not rows:
            raise RejectedError(Reason.NOT_FOUND, f"there is no document {name}")
        if len(rows) > 1:
            ids = ", ".join(r["id"] for r in rows)
            raise RejectedError(
                Reason.CONFLICT, f"{name} was sent {len(rows)} times: name one of {ids}"
            )
        return str(rows[0]["id"])

    def _stop_all(self, document: str, now: datetime, facts: dict[str, Value]) -> list[Change]:
        changes: list[Change] = []
        for row in self._all("SELECT * FROM transfer WHERE consignment_id = ?", document):
            if row["state"] in _HOLDABLE and not row["stopped"]:
                changes.append(Update("transfer", {"id": row["id"]}, {"stopped": 1}))
                changes.append(
                    event(row["id"], _EVENTS["hold"], now, {**facts, "scope": "document"})
                )
        return changes

    def _free_all(self, document: str, now: datetime, facts: dict[str, Value]) -> list[Change]:
        changes: list[Change] = []
        for row in self._all("SELECT * FROM transfer WHERE consignment_id = ?", document):
            if row["stopped"] and self._held("operator", "transfer", row["id"]) is None:
                changes.append(_go_on(row, now))
                changes.append(
                    event(row["id"], _EVENTS["release"], now, {**facts, "scope": "document"})
                )
        return changes

    # ------------------------------------------------------------ many

    def would_change(self, action: Action, matching: Matching) -> Changed:
        """Return what a command over all matching transfers would do now."""
        ids: list[str] = []
        skipped: list[Skipped] = []
        with self._reading():
            now = self._clock.now()
            for row in self._matching(matching):
                try:
                    self._changes(action, row, now, "", "")
                except RejectedError as exc:
                    skipped.append(Skipped(row["id"], exc.public))
                else:
                    ids.append(row["id"])
        return Changed(action, tuple(ids), tuple(skipped))

    def change_all(
        self,
        action: Action,
        matching: Matching,
        *,
        reason: str,
        by: str,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> Changed:
        """Change all transfers that match when the command begins, batch by batch.

        What another person or a program changed meanwhile is looked at again and skipped. A
        crash leaves whole batches; the same command then does the rest.

        Args:
            action: `hold`, `release` or `requeue`.
            matching: Which.
            reason: Why; told of each one.
            by: Who.
            progress: Told after each batch: how many are done, of how many.
        """
        why = rows_of.stated(reason, "a reason")
        who = rows_of.stated(by, "who acts")
        with self._reading():
            meant = [row["id"] for row in self._matching(matching)]
        return self._change(action, meant, why, who, progress)

    def change_these(self, action: Action, ids: Sequence[str], *, reason: str, by: str) -> Changed:
        """Change these transfers and no others: those somebody saw and agreed to."""
        why = rows_of.stated(reason, "a reason")
        who = rows_of.stated(by, "who acts")
        return self._change(action, ids, why, who, lambda _done, _of: None)

    def _change(
        self,
        action: Action,
        meant: Sequence[str],
        why: str,
        who: str,
        progress: Callable[[int, int], None],
    ) -> Changed:
        ids: list[str] = []
        skipped: list[Skipped] = []
        for first in range(0, len(meant), _BATCH):
            with self._changing() as now:
                for transfer_id in meant[first : first + _BATCH]:
                    try:
                        row = self._must(transfer_id)
                        changes = self._changes(action, row, now, why, who)
                    except RejectedError as exc:
                        skipped.append(Skipped(transfer_id, exc.public))
                        continue
                    self._apply([*changes, *self._told(action, transfer_id, now, why, who)])
                    ids.append(transfer_id)
            progress(min(first + _BATCH, len(meant)), len(meant))
        return Changed(action, tuple(ids), tuple(skipped))

    def _matching(self, matching: Matching) -> Sequence[Row]:
        # Most urgent first, so that a command that is cut short has done what matters most.
        return self._session.rows(
            "SELECT t.id, t.state, t.hold, t.stopped, t.due_at, t.consignment_id "
            f"{_MATCHING}ORDER BY t.lane DESC, t.created_at, t.id",
            matching.params(),
        )

    def _changes(self, action: Action, row: Row, now: datetime, why: str, who: str) -> list[Change]:
        if action == "requeue":
            return _put_back(row, now)
        own = self._held("operator", "transfer", row["id"])
        if action == "release":
            if own is None:
                raise RejectedError(Reason.CONFLICT, _why_not(row))
            changes: list[Change] = [_let_go(own, now, who)]
            document = row["consignment_id"]
            if document is None or self._held("operator", "document", document) is None:
                changes.append(_go_on(row, now))
            return changes
        if row["state"] not in _HOLDABLE:
            raise RejectedError(
                Reason.CONFLICT, f"transfer {row['id']} is {row['state']}: nothing to hold"
            )
        if own is not None:
            raise RejectedError(
                Reason.CONFLICT,
                f"transfer {row['id']} is held already, by {own['held_by']}: {own['reason']}",
            )
        return [
            self._hold_row("transfer", row["id"], now, why, who),
            Update("transfer", {"id": row["id"]}, {"stopped": 1}),
        ]

    def _held(self, kind: str, scope: str, subject: str) -> Row | None:
        return self._session.row(
            "SELECT * FROM hold WHERE released_at IS NULL AND kind = :kind AND scope = :scope "
            "AND subject = :subject",
            {"kind": kind, "scope": scope, "subject": subject},
        )

    def _hold_row(self, scope: str, subject: str, now: datetime, why: str, who: str) -> Insert:
        return Insert(
            "hold",
            {
                "id": self._ids.new(),
                "kind": "operator",
                "scope": scope,
                "subject": subject,
                "held_by": who,
                "reason": why,
                "since": to_text(now),
            },
        )

    def _told(
        self, action: Action, transfer_id: str, now: datetime, why: str, by: str
    ) -> list[Change]:
        """Return the event on the transfer, and the audit of what was done."""
        facts: dict[str, Value] = {"reason": why, "actor": rows_of.stated(by, "who acts")}
        if action != "requeue":
            facts["scope"] = "transfer"
        return [
            event(transfer_id, _EVENTS[action], now, facts),
            *self._audit(
                now,
                f"transfer-{_DONE[action]}",
                by,
                f"transfer:{transfer_id}",
                why,
                transfer_id=transfer_id,
            ),
        ]

    def _told_wide(  # noqa: PLR0917
        self, action: Action, scope: Wide, name: str, now: datetime, why: str, who: str
    ) -> list[Change]:
        done = _DONE[action]
        if scope == "hop":
            return self._audit(now, f"hop-{done}", who, f"hop:{name}", why, hop=name)
        told: dict[str, Value] = {"reason": why, "actor": who, "scope": scope}
        return [
            event(name, _EVENTS[action], now, told),
            *self._audit(
                now, f"document-{done}", who, f"document:{name}", why, consignment_id=name
            ),
        ]

    # ------------------------------------------------------------ put back

    def _again(self, delivery: Row, now: datetime) -> tuple[str, list[Change]]:
        """Return the transfer that will carry one delivery again, and the rows for it."""
        state = DeliveryState(delivery["state"])
        if (state, DeliveryEvent.REQUEUED) not in DELIVERY.rows:
            raise RejectedError(
                Reason.CONFLICT,
                f"delivery {delivery['id']} is {state.value}: nothing to send again",
            )
        if self._row(_TAKEN_BACK, delivery["consignment_id"]) is not None:
            # REC-02: frozen: nobody gets what its sender took back from everybody.
            raise RejectedError(Reason.CONFLICT, "the document was taken back by its sender")
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
            "stopped": int(self._held("operator", "document", sent["id"]) is not None),
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
        return row

    def _shown(self, transfer_id: str) -> QueueRow:
        (row,) = self._queue_rows([self._must(transfer_id)])
        return row

    def _many(self, sql: str, *params: str) -> tuple[Row, ...]:
        return tuple(self._all(sql, *params))


def _why_not(row: Row) -> str:
    name = f"transfer {row['id']}"
    if row["stopped"]:
        return f"{name} is held with its document: release --document {row['consignment_id']}"
    if row["hold"] == "clock":
        return f"{name} waits for the clock, no operator holds it: see `vanlien clock`"
    if row["hold"]:
        return f"{name} waits for its verdict, no operator holds it"
    return f"no operator holds {name}"


def _let_go(held: Row, now: datetime, who: str) -> Update:
    where = {"id": held["id"], "released_at": None}
    return Update("hold", where, {"released_at": to_text(now), "released_by": who})


def _go_on(row: Row, now: datetime) -> Update:
    """Return the row that lets a transfer be tried again: at once, if its time had come."""
    at = to_text(now)
    return Update("transfer", {"id": row["id"]}, {"stopped": 0, "due_at": max(row["due_at"], at)})


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


def _hold(row: Row) -> Hold:
    until = row["until"]
    return Hold(
        kind=row["kind"],
        scope=row["scope"],
        subject=row["subject"],
        by=row["held_by"],
        reason=row["reason"],
        since=from_text(row["since"]),
        until=None if until is None else from_text(until),
    )


def _queue_row(row: Row, standing: Mapping[tuple[str, str], Collection[Hold]]) -> QueueRow:
    subjects: list[tuple[str, Any]] = [
        ("transfer", row["id"]),
        ("document", row["consignment_id"]),
        ("hop", row["hop"]),
    ]
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
        holds=tuple(hold for key in subjects for hold in standing.get(key, ())),
    )
