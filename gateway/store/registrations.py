"""What operators decide about agencies that systems ask to have registered or closed.

Promises: deciding is one write transaction, with an event, an entry of the receipt log and a new
registry version; a request is decided once. A crash leaves it undecided, or decided and done.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import AgencyRecord, Change, Insert, Row, Update
from gateway.ports.registration import RequestRow, row_of
from gateway.store import admin_rows as rows_of
from gateway.store.admin import LedgerAdmin


class LedgerRequests(LedgerAdmin):
    """RequestStore port over the ledger; see `LedgerAdmin` for its arguments."""

    def requests(self, *, waiting: bool) -> Sequence[RequestRow]:
        """Return requests, oldest first."""
        chosen = "WHERE state = 'waiting' " if waiting else ""
        with self._reading():
            rows = self._all(f"SELECT * FROM agency_request {chosen}ORDER BY id")  # noqa: S608
        return [row_of(row) for row in rows]

    def approve(self, request_id: str, *, reason: str, by: str) -> RequestRow:
        """Do what was asked."""
        with self._changing() as now:
            asked = row_of(self._waiting(request_id))
            rows = (
                self._registered(asked, now)
                if asked.kind == "register"
                else self._closed(asked, now)
            )
            self._decide(asked, "approved", rows, reason=reason, by=by, now=now)
            return row_of(self._one(request_id))

    def refuse(self, request_id: str, *, reason: str, by: str) -> RequestRow:
        """Decide against it."""
        with self._changing() as now:
            asked = row_of(self._waiting(request_id))
            self._decide(asked, "refused", [], reason=reason, by=by, now=now)
            return row_of(self._one(request_id))

    def _one(self, request_id: str) -> Row:
        row = self._row("SELECT * FROM agency_request WHERE id = ?", request_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND, f"there is no request {request_id}")
        return row

    def _waiting(self, request_id: str) -> Row:
        row = self._one(request_id)
        if row["state"] != "waiting":
            raise RejectedError(
                Reason.CONFLICT, f"{request_id} is {row['state']} already, by {row['decided_by']}"
            )
        return row

    def _registered(self, asked: RequestRow, now: datetime) -> list[Change]:
        """Return the rows of a new agency its system speaks for from now on (ID-01)."""
        wish = asked.wish
        record = rows_of.written(
            AgencyRecord(
                wish.code,
                wish.name,
                parent=wish.parent,
                mail=wish.mail,
                connected="local",
                numbered_by="own-system",
            )
        )
        names = self._known()
        self._free(names, (record.code,), record.code)
        if self._agency(record.code) is not None:
            raise RejectedError(Reason.CONFLICT, f"{record.code} is registered already")
        system = self._row("SELECT status FROM system WHERE id = ?", asked.system_id)
        if system is None or system["status"] != "active":
            raise RejectedError(Reason.CONFLICT, f"the system {asked.system_id} is disabled")
        names.add((record.code,), record.code)
        spoken = {"system_id": asked.system_id, "agency": record.code}
        return [
            rows_of.agency_row(record, now, known=False),
            Insert("system_agency", spoken, ignore=True),
        ]

    def _closed(self, asked: RequestRow, now: datetime) -> list[Change]:
        """Return the rows that close a code for good (ID-05)."""
        known = self._agency(asked.wish.code)
        if known is None or known.status == "closed":
            raise RejectedError(Reason.CONFLICT, f"{asked.wish.code} is closed already")
        columns = {"status": "closed", "updated_at": to_text(now)}
        return [Update("agency", {"code": known.code}, columns)]

    def _decide(
        self,
        asked: RequestRow,
        state: str,
        rows: list[Change],
        *,
        reason: str,
        by: str,
        now: datetime,
    ) -> None:
        why = rows_of.stated(reason, "a reason")
        person = rows_of.stated(by, "who acts")
        decided = {
            "state": state,
            "decided_at": to_text(now),
            "decided_by": person,
            "reason": why,
        }
        action = f"agency-{asked.kind}-{state}"
        self._apply(
            [
                *rows,
                Update("agency_request", {"id": asked.id, "state": "waiting"}, decided),
                *self._audit(now, action, person, f"agency:{asked.wish.code}", why),
            ],
            registry=bool(rows),
        )
