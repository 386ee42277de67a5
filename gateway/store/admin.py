"""Administration beside a running server: systems, counters, agencies, quarantine.

Each call is one write transaction on a session of its own, with an event, an entry of the receipt
log and a new registry version; it waits its turn behind the servers' writers. A refused call
leaves no trace. A crash leaves the whole call or nothing of it.
"""

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from gateway.domain.identifiers import fold
from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.domain.numbering import ISSUE_SERIES, CounterState
from gateway.domain.persons import same_person
from gateway.domain.succession import loops
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    AgencyRecord,
    Blobs,
    Change,
    ChangeSet,
    Clock,
    CounterRow,
    Delete,
    Ids,
    Insert,
    NewCredential,
    QuarantineRow,
    Row,
    SystemRow,
    Update,
)
from gateway.receipts.log import Kind, Value
from gateway.store import admin_rows as rows_of
from gateway.store import purge
from gateway.store.agencies import successors_of
from gateway.store.audit import audit, entry, event
from gateway.store.names import Names
from gateway.store.places import Place
from gateway.store.queries import QUERIES
from gateway.store.session import open_session
from gateway.store.steps import SetRefused

_IN_FLIGHT_S: Final = 900.0
"""No submission takes longer between storing its bytes and committing."""


_LAST: Final = "~"
"""Sorts behind every id: the first page."""
_HELD: Final = "SELECT id FROM legal_hold WHERE subject = ? AND released_at IS NULL"


class LedgerAdmin:
    """AdminStore port over the ledger.

    Args:
        place: Where the ledger is.
        blobs: Where purged bytes are deleted.
        clock: Stamps what is done.
        ids: Names receipt entries and registry versions.
    """

    def __init__(self, place: Place, blobs: Blobs, clock: Clock, ids: Ids) -> None:
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._session = open_session(place, purpose="administration", patient=True)
        self._names: tuple[str, Names] | None = None

    def close(self) -> None:
        """Let go of the ledger."""
        self._session.close()

    # ------------------------------------------------------------ systems

    def add_system(
        self,
        system_id: str,
        speaks_for: Sequence[str],
        credentials: Sequence[NewCredential],
        *,
        by: str,
        reason: str = "",
    ) -> SystemRow:
        """Register a system."""
        name = rows_of.stated(system_id, "a system id")
        with self._changing() as now:
            if self._row("SELECT id FROM system WHERE id = ?", name) is not None:
                raise RejectedError(Reason.CONFLICT, f"the system {name} exists already")
            codes = self._agencies_named(speaks_for)
            created = to_text(now)
            rows: list[Change] = [
                Insert("system", {"id": name, "status": "active", "created_at": created}),
                *(Insert("system_agency", {"system_id": name, "agency": c}) for c in codes),
                *(rows_of.credential(name, c, created) for c in credentials),
                *self._audit(
                    now, "system-added", by, f"system:{name}", reason, parties=list(codes)
                ),
            ]
            self._apply(rows, registry=True)
            return self._system(name, now)

    def systems(self) -> Sequence[SystemRow]:
        """Return all systems by id, without credentials that have expired."""
        now = self._clock.now()
        with self._reading():
            return [self._system(row["id"], now) for row in self._all(QUERIES["systems"])]

    def rotate(
        self,
        system_id: str,
        credentials: Sequence[NewCredential],
        *,
        overlap: timedelta,
        by: str,
        reason: str = "",
    ) -> SystemRow:
        """Add credentials; older ones of the same kinds end after `overlap`."""
        with self._changing() as now:
            before = self._system(system_id, now)
            if before.status == "disabled":
                raise RejectedError(Reason.CONFLICT, f"the system {system_id} is disabled")
            kinds = {c.kind for c in credentials}
            rows: list[Change] = []
            for kind in sorted(kinds):
                old = [c for c in before.credentials if c.kind == kind]
                rows += rows_of.ended(old, now, overlap)
            rows += [rows_of.credential(system_id, c, to_text(now)) for c in credentials]
            rows += self._audit(now, "system-rotated", by, f"system:{system_id}", reason)
            self._apply(rows, registry=True)
            return self._system(system_id, now)

    def disable_system(self, system_id: str, *, by: str, reason: str = "") -> SystemRow:
        """Refuse the system from now on; safe to repeat."""
        with self._changing() as now:
            before = self._system(system_id, now)
            if before.status == "active":
                rows: list[Change] = [
                    Update("system", {"id": system_id}, {"status": "disabled"}),
                    *self._audit(now, "system-disabled", by, f"system:{system_id}", reason),
                ]
                self._apply(rows, registry=True)
            return replace(before, status="disabled")

    def _system(self, system_id: str, now: datetime) -> SystemRow:
        row = self._row("SELECT * FROM system WHERE id = ?", system_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND, f"there is no system {system_id}")
        agencies = "SELECT agency FROM system_agency WHERE system_id = ? ORDER BY agency"
        credentials = self._all(
            "SELECT * FROM credential WHERE system_id = ? AND revoked_at IS NULL "
            "AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at, id",
            system_id,
            to_text(now),
        )
        return SystemRow(
            id=row["id"],
            speaks_for=tuple(r["agency"] for r in self._all(agencies, system_id)),
            status="active" if row["status"] == "active" else "disabled",
            created_at=from_text(row["created_at"]),
            credentials=tuple(rows_of.credential_row(c) for c in credentials),
        )

    def _agencies_named(self, speaks_for: Sequence[str]) -> tuple[str, ...]:
        names = self._known()
        if unknown := sorted({c for c in speaks_for if names.find(c) is None}):
            raise RejectedError(Reason.NOT_FOUND, f"there is no agency {', '.join(unknown)}")
        if not speaks_for:
            raise RejectedError(Reason.BAD_REQUEST, "a system speaks for at least one agency")
        return tuple(sorted({names.canonical(code) for code in speaks_for}))

    # ------------------------------------------------------------ counters

    def counters(self) -> Sequence[CounterRow]:
        """Return all counters by agency, year, series."""
        with self._reading():
            return [CounterRow(**dict(row)) for row in self._all(QUERIES["counters"])]

    def set_counter(
        self, agency: str, year: int, series: str, last: int, *, reason: str, by: str
    ) -> CounterRow:
        """Set the last number given; only forward."""
        rows_of.sensible_counter(year, series, last)
        with self._changing() as now:
            code = self._known().canonical(agency)
            own = self._row("SELECT numbered_by FROM agency WHERE code = ?", code)
            if own is not None and series == ISSUE_SERIES and own["numbered_by"] != "gateway":
                raise RejectedError(Reason.CONFLICT, f"{code} counts in its own system")
            key: dict[str, Any] = {"agency": code, "year": year, "series": series}
            stands = self._session.row(QUERIES["counter"], key)
            # DID-01 (S003 art 8.3): a number is never given twice, so a counter never goes back.
            CounterState(stands["last"] if stands else 0).advanced_to(last)
            row = CounterRow(code, year, series, last)
            change: Change = (
                Update("counter", key, {"last": last})
                if stands
                else Insert("counter", {**key, "last": last})
            )
            target = f"counter:{code}/{year}/{series}"
            facts: dict[str, Value] = {"agency": code, "series": series, "value": last}
            rows = [
                change,
                *self._audit(
                    now, "counter-set", by, target, rows_of.stated(reason, "a reason"), **facts
                ),
            ]
            self._apply(rows)
            return row

    # ------------------------------------------------------------ agencies

    def agencies(self) -> Sequence[AgencyRecord]:
        """Return all agencies by code, closed ones too."""
        with self._reading():
            aliases: dict[str, list[str]] = {}
            for row in self._all(QUERIES["aliases"]):
                aliases.setdefault(row["code"], []).append(row["alias"])
            return [
                rows_of.record(row, aliases.get(row["code"], ()))
                for row in self._all(QUERIES["agencies"])
            ]

    def put_agency(self, agency: AgencyRecord, *, by: str) -> Literal["added", "changed", "same"]:
        """Add an agency or change it; aliases are added, never taken away.

        The status of a known agency is left alone unless the record names another than `active`;
        a closed one stays closed (ID-05). So a seed from the settings undoes nothing.
        """
        wanted = rows_of.written(agency)
        with self._changing() as now:
            names = self._known()
            self._free(names, (wanted.code, wanted.legacy_code, *wanted.aliases), wanted.code)
            known = self._agency(wanted.code)
            if known is not None:
                wanted = rows_of.merged(known, wanted)
                if len(successors_of(self._session, wanted.code)) > 1:
                    # ID-05: several took over by an operator's word; a seed names none beside them.
                    wanted = replace(wanted, successor=known.successor)
                if wanted == known:
                    return "same"
            action = "agency-added" if known is None else "agency-changed"
            rows = [
                rows_of.agency_row(wanted, now, known=known is not None),
                *(rows_of.alias(a, wanted.code) for a in wanted.aliases),
                *self._audit(now, action, by, f"agency:{wanted.code}"),
            ]
            self._apply(rows, registry=True)
            names.add((wanted.code, wanted.legacy_code, *wanted.aliases), wanted.code)
            if known is not None and known.legacy_code not in {"", wanted.legacy_code}:
                self._names = None
            return "added" if known is None else "changed"

    def set_agency_status(
        self,
        code: str,
        status: Literal["active", "locked", "closed"],
        *,
        successor: str,
        reason: str,
        by: str,
    ) -> AgencyRecord:
        """Open, lock or close an agency's code (ID-05)."""
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            names = self._known()
            own = names.canonical(code)
            if successor and status != "closed":
                raise RejectedError(Reason.BAD_REQUEST, "a successor goes with closed only")
            heir = names.canonical(successor) if successor else ""
            self._check_heir(own, heir)
            known = self._agency(own)
            assert known is not None
            if known.status == "closed" and status != "closed":
                # ID-05 (QĐ20): a closed code is never given out again.
                raise RejectedError(Reason.CONFLICT, f"{own} is closed for good")
            columns = {"status": status, "successor": heir, "updated_at": to_text(now)}
            facts: dict[str, Value] = {"parties": [heir]} if heir else {}
            rows = [
                Update("agency", {"code": own}, columns),
                # ID-05: one successor, or none; several, with dates, are `LedgerAgencies` matter.
                Delete("agency_succession", {"code": own}),
                *self._audit(now, f"agency-{status}", by, f"agency:{own}", why, **facts),
            ]
            self._apply(rows, registry=True)
            return replace(known, status=status, successor=heir)

    def put_alias(self, alias: str, code: str, *, by: str) -> AgencyRecord:
        """Let `alias` mean the agency `code`."""
        name = fold(rows_of.stated(alias, "an alias"))
        with self._changing() as now:
            names = self._known()
            own = names.canonical(code)
            self._free(names, (name,), own)
            known = self._agency(own)
            assert known is not None
            if name not in known.aliases:
                rows = [
                    rows_of.alias(name, own),
                    *self._audit(now, "alias-put", by, f"agency:{own}", addressed_as=name),
                ]
                self._apply(rows, registry=True)
                names.add((name,), own)
            return replace(known, aliases=tuple(sorted({*known.aliases, name})))

    def _agency(self, code: str) -> AgencyRecord | None:
        row = self._row("SELECT * FROM agency WHERE code = ?", code)
        if row is None:
            return None
        aliases = self._all("SELECT alias FROM agency_alias WHERE code = ? ORDER BY alias", code)
        return rows_of.record(row, [a["alias"] for a in aliases])

    def _free(self, names: Names, wanted: Sequence[str], code: str) -> None:
        """Refuse a name that means another agency (ID-01: each code one agency)."""
        for name in wanted:
            owner = names.find(name) if name else None
            if owner is not None and fold(owner) != fold(code):
                raise RejectedError(Reason.CONFLICT, f"{name} means {owner} already")

    def _check_heir(self, own: str, heir: str) -> None:
        def heirs(code: str) -> list[str]:
            return [heir] if code == own else successors_of(self._session, code)

        if heir and loops(own, heirs):
            raise RejectedError(
                Reason.BAD_REQUEST, f"{own} would succeed itself, directly or in a circle"
            )

    # ------------------------------------------------------------ quarantine

    def quarantined(self) -> Sequence[QuarantineRow]:
        """Return what is or was in quarantine, oldest first."""
        with self._reading():
            return [
                rows_of.item(row) for row in self._all("SELECT * FROM quarantine ORDER BY at, id")
            ]

    def quarantine_page(self, before: str, limit: int) -> Sequence[QuarantineRow]:
        """Return a page of it, newest first."""
        with self._reading():
            asked = {"before": before or _LAST, "limit": limit}
            rows = self._session.rows(QUERIES["quarantine_page"], asked)
            return [rows_of.item(row) for row in rows]

    # ------------------------------------------------------------ keys

    def reseal(self, anew: Callable[[str, str, bytes], bytes], *, by: str, reason: str) -> int:
        """Seal every shared secret anew, all or none; return how many there are."""
        with self._changing() as now:
            found = [r for r in self._all(QUERIES["credentials"]) if r["sealed"]]
            rows: list[Change] = []
            for row in found:
                sealed = anew(row["system_id"], row["id"], base64.b64decode(row["sealed"]))
                text = base64.b64encode(sealed).decode("ascii")
                rows.append(Update("credential", {"id": row["id"]}, {"sealed": text}))
            factors = self._all(QUERIES["factors"])
            rows += rows_of.factors_sealed(factors, anew)
            found += factors
            why = rows_of.stated(reason, "a reason")
            rows += self._audit(now, "secrets-resealed", by, "secrets:all", why, value=len(found))
            self._apply(rows, registry=True)
            return len(found)

    def record(self, action: str, target: str, *, by: str, reason: str) -> None:
        """Record what was done outside the ledger."""
        with self._changing() as now:
            self._apply(self._audit(now, action, by, target, rows_of.stated(reason, "a reason")))

    def change_receipt_key(self, facts: Mapping[str, str], *, by: str, reason: str) -> None:
        """Record the hand-over from one receipt key to the next."""
        why, actor = rows_of.stated(reason, "a reason"), rows_of.stated(by, "who acts")
        target = f"receipt-key:{facts['key']}"
        hashed = hashlib.sha256(why.encode()).hexdigest()
        body: dict[str, Value] = {"actor": actor, "target": target, "reason_sha256": hashed}
        told: dict[str, Value] = {"actor": actor, "reason": why, "key_before": facts["key_before"]}
        with self._changing() as now:
            rows = (
                event(target, Kind.KEY_CHANGED.value, now, told),
                entry(self._ids, now, Kind.KEY_CHANGED, target, body | dict(facts)),
            )
            self._apply(rows)

    def purge(self, item_id: str, *, by: str, reason: str = "") -> QuarantineRow:
        """First person: record the request. Second, different person: delete the bytes.

        Bytes stored again in the last quarter of an hour may belong to a submission under way:
        those are left to the janitor, which deletes what nothing refers to.
        """
        person = rows_of.stated(by, "a person")
        with self._reading():
            owned_by = purge.owners(self._session, item_id)
            names = purge.names(self._session, owned_by)
        gone: list[str] = []
        with self._changing() as now:
            item = self._purgeable(item_id)
            if item["first_by"] is None:
                self._ask(item_id, person, now, reason)
            elif same_person(item["first_by"], person):
                raise RejectedError(Reason.CONFLICT, "a second, different person must agree")
            else:
                self._apply(purge.references(names, owned_by))
                gone = purge.unreferenced(self._session, names)
                self._purge(item, person, now, gone, reason)
            row = rows_of.item(self._purgeable(item_id, done=True))
        if row.purged_at is not None:
            self._delete(gone, (now - row.since).total_seconds())
        return row

    def _purgeable(self, item_id: str, *, done: bool = False) -> Row:
        item = self._row("SELECT * FROM quarantine WHERE id = ?", item_id)
        if item is None:
            raise RejectedError(Reason.NOT_FOUND, f"nothing in quarantine is called {item_id}")
        if item["purged_at"] is not None and not done:
            raise RejectedError(Reason.CONFLICT, f"{item_id} is purged already")
        if not done and self._row(_HELD, item_id) is not None:
            # REC-08: two persons are not enough while the law keeps it; lift the hold first.
            raise RejectedError(Reason.CONFLICT, f"{item_id} is under legal hold")
        return item

    def _ask(self, item_id: str, person: str, now: datetime, reason: str) -> None:
        asked = {"first_by": person, "first_at": to_text(now)}
        rows = [
            Update("quarantine", {"id": item_id, "first_by": None}, asked),
            *self._audit(now, "purge-asked", person, item_id, reason),
        ]
        self._apply(rows)

    def _purge(
        self, item: Row, person: str, now: datetime, gone: Sequence[str], reason: str
    ) -> None:
        item_id = item["id"]
        actors: list[Value] = [item["first_by"], person]
        columns = {"second_by": person, "purged_at": to_text(now)}
        facts: dict[str, Value] = {
            f"{item['kind']}_id": item_id,
            "packet_sha256": item["sha256"],
            "actors": actors,
            "rules": [item["reason"].split(maxsplit=1)[0]],
        }
        rows = [
            Update("quarantine", {"id": item_id, "purged_at": None}, columns),
            *purge.content(self._session, item_id),
            *purge.reports(gone),
            event(item_id, "purged", now, {"actors": actors, "reason": reason}),
            entry(self._ids, now, Kind.PURGED, item_id, facts),
        ]
        self._apply(rows)

    def _delete(self, gone: Sequence[str], kept_s: float) -> None:
        # A put of the same bytes since then renewed their age: whoever did it may be about to
        # commit a reference, so they are not pulled from under it.
        age_s = min(max(kept_s, 0.0), _IN_FLIGHT_S)
        for name in gone:
            self._blobs.delete_if_older(name, age_s)
        self._session.forget()

    # ------------------------------------------------------------ transactions

    @contextlib.contextmanager
    def _changing(self) -> Iterator[datetime]:
        """Run one write transaction; everything in the block is committed, or nothing is."""
        try:
            with self._session.writing():
                yield self._clock.now()
        except SetRefused as refused:
            self._names = None
            raise RejectedError(
                Reason.CONFLICT, f"already there: a row of {refused.conflict.failed.table}"
            ) from refused
        except BaseException:
            self._names = None
            raise

    def _reading(self) -> AbstractContextManager[None]:
        """Run one read transaction: every query sees the same moment."""
        return self._session.reading()

    def _apply(self, rows: Sequence[Change], *, registry: bool = False) -> None:
        self._session.apply(ChangeSet(rows=tuple(rows)))
        if registry:
            version = self._ids.new()
            key = {"key": "registry_version"}
            self._session.apply(
                ChangeSet(rows=(Delete("meta", key), Insert("meta", {**key, "value": version})))
            )
            if self._names is not None:
                self._names = (version, self._names[1])

    def _audit(
        self,
        now: datetime,
        action: str,
        by: str,
        target: str,
        reason: str = "",
        **facts: Value,
    ) -> list[Change]:
        return audit(
            self._ids,
            now,
            action=action,
            actor=rows_of.stated(by, "who acts"),
            target=target,
            reason=reason,
            **facts,
        )

    def _known(self) -> Names:
        """Return every name of every agency, as of this transaction."""
        row = self._row(QUERIES["registry_version"])
        version = row["value"] if row is not None else ""
        if self._names is None or self._names[0] != version:
            today = self._clock.now().astimezone(VIETNAM).date()
            self._names = (version, Names(self._session, today))
        return self._names[1]

    def _row(self, sql: str, *params: str) -> Row | None:
        return self._session.row(sql, params)

    def _all(self, sql: str, *params: str) -> Sequence[Row]:
        return self._session.rows(sql, params)
