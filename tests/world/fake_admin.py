"""FakeAdminStore: `AdminStore` in memory, as strict as the ledger's, with a clock that is moved.

Kept equal to the real one by tests/contract/test_admin_contract.py, which runs on both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from gateway.domain.persons import same_person
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    AgencyRecord,
    CounterRow,
    CredentialRow,
    NewCredential,
    QuarantineRow,
    SystemRow,
)

EPOCH = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@dataclass
class FakeAdminStore:
    now: Callable[[], datetime] = lambda: EPOCH
    audit: list[tuple[str, str, str]] = field(default_factory=list)
    _systems: dict[str, SystemRow] = field(default_factory=dict)
    credentials: dict[str, NewCredential] = field(default_factory=dict)
    _counters: dict[tuple[str, int, str], int] = field(default_factory=dict)
    _agencies: dict[str, AgencyRecord] = field(default_factory=dict)
    _quarantine: dict[str, QuarantineRow] = field(default_factory=dict)

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
        if system_id in self._systems:
            raise RejectedError(Reason.CONFLICT, f"the system {system_id} exists already")
        codes = tuple(sorted({self._canonical(code) for code in speaks_for}))
        if not codes:
            raise RejectedError(Reason.BAD_REQUEST, "a system speaks for at least one agency")
        rows = tuple(self._stored(c) for c in credentials)
        self._systems[system_id] = SystemRow(system_id, codes, "active", self.now(), rows)
        self.audit.append(("system-added", system_id, by))
        return self._systems[system_id]

    def systems(self) -> Sequence[SystemRow]:
        return [
            replace(row, credentials=tuple(c for c in row.credentials if self._valid(c)))
            for _, row in sorted(self._systems.items())
        ]

    def rotate(
        self,
        system_id: str,
        credentials: Sequence[NewCredential],
        *,
        overlap: timedelta,
        by: str,
        reason: str = "",
    ) -> SystemRow:
        row = self._system(system_id)
        if row.status == "disabled":
            raise RejectedError(Reason.CONFLICT, f"the system {system_id} is disabled")
        kept: list[CredentialRow] = []
        for kind in {c.kind for c in credentials}:
            newest = max(
                (c for c in row.credentials if c.kind == kind and self._valid(c)),
                key=lambda c: (c.expires_at is None, c.created_at),
                default=None,
            )
            if newest and overlap > timedelta(0):
                end = self.now() + overlap
                kept.append(replace(newest, expires_at=min(newest.expires_at or end, end)))
        kept += [c for c in row.credentials if c.kind not in {n.kind for n in credentials}]
        rows = tuple(kept) + tuple(self._stored(c) for c in credentials)
        self._systems[system_id] = replace(row, credentials=rows)
        self.audit.append(("system-rotated", system_id, by))
        return self._systems[system_id]

    def disable_system(self, system_id: str, *, by: str, reason: str = "") -> SystemRow:
        self._systems[system_id] = replace(self._system(system_id), status="disabled")
        self.audit.append(("system-disabled", system_id, by))
        return self._systems[system_id]

    def _system(self, system_id: str) -> SystemRow:
        if system_id not in self._systems:
            raise RejectedError(Reason.NOT_FOUND, f"there is no system {system_id}")
        return self._systems[system_id]

    def _stored(self, credential: NewCredential) -> CredentialRow:
        self.credentials[credential.id] = credential
        return CredentialRow(credential.id, credential.kind, self.now(), None)

    def _valid(self, credential: CredentialRow) -> bool:
        return credential.expires_at is None or credential.expires_at > self.now()

    # ------------------------------------------------------------ counters

    def counters(self) -> Sequence[CounterRow]:
        return [CounterRow(*key, last) for key, last in sorted(self._counters.items())]

    def set_counter(
        self, agency: str, year: int, series: str, last: int, *, reason: str, by: str
    ) -> CounterRow:
        if series not in {"issue", "arrival"} or not 1945 <= year <= 2999 or last < 0:
            raise RejectedError(Reason.BAD_REQUEST, f"no such counter: {year} {series} {last}")
        code = self._canonical(agency)
        if self._agencies[code].numbered_by == "own-system" and series == "issue":
            raise RejectedError(Reason.CONFLICT, f"{code} counts in its own system")
        key = (code, year, series)
        if last < self._counters.get(key, 0):
            raise RejectedError(
                Reason.CONFLICT, f"the counter stands at {self._counters[key]}: it never goes back"
            )
        self._counters[key] = last
        self.audit.append(("counter-set", f"{code} {year} {series} {last} {reason}", by))
        return CounterRow(*key, last)

    # ------------------------------------------------------------ agencies

    def agencies(self) -> Sequence[AgencyRecord]:
        return [row for _, row in sorted(self._agencies.items())]

    def put_agency(self, agency: AgencyRecord, *, by: str) -> Literal["added", "changed", "same"]:
        known = self._agencies.get(agency.code)
        for name in (agency.code, agency.legacy_code, *agency.aliases):
            owner = self._find(name)
            if owner not in {None, agency.code}:
                raise RejectedError(Reason.CONFLICT, f"{name} means {owner} already")
        aliases = tuple(sorted({*agency.aliases, *(known.aliases if known else ())}))
        new = replace(agency, aliases=aliases)
        if known:
            keeps = agency.status == "active" or known.status == "closed"
            new = replace(
                new,
                status=known.status if keeps else agency.status,
                successor=agency.successor or known.successor,
            )
        if known == new:
            return "same"
        self._agencies[agency.code] = new
        self.audit.append(("agency-put", agency.code, by))
        return "changed" if known else "added"

    def set_agency_status(
        self,
        code: str,
        status: Literal["active", "locked", "closed"],
        *,
        successor: str,
        reason: str,
        by: str,
    ) -> AgencyRecord:
        own = self._canonical(code)
        if successor and status != "closed":
            raise RejectedError(Reason.BAD_REQUEST, "a successor goes with closed only")
        heir = self._canonical(successor) if successor else ""
        later = heir
        while later and later != own:
            later = self._agencies[later].successor
        if later:
            raise RejectedError(Reason.BAD_REQUEST, "an agency cannot succeed itself")
        if self._agencies[own].status == "closed" and status != "closed":
            raise RejectedError(Reason.CONFLICT, f"{own} is closed for good")
        self._agencies[own] = replace(self._agencies[own], status=status, successor=heir)
        self.audit.append((f"agency-{status}", f"{own} {reason}", by))
        return self._agencies[own]

    def put_alias(self, alias: str, code: str, *, by: str) -> AgencyRecord:
        own = self._canonical(code)
        if self._find(alias) not in {None, own}:
            raise RejectedError(Reason.CONFLICT, f"{alias} means {self._find(alias)} already")
        row = self._agencies[own]
        self._agencies[own] = replace(row, aliases=tuple(sorted({*row.aliases, alias})))
        self.audit.append(("alias-put", f"{alias} {own}", by))
        return self._agencies[own]

    def _find(self, code: str) -> str | None:
        for row in self._agencies.values():
            if code and code in {row.code, row.legacy_code, *row.aliases}:
                return row.code
        return None

    def _canonical(self, code: str) -> str:
        found = self._find(code)
        if found is None:
            raise RejectedError(Reason.NOT_FOUND, f"there is no agency {code}")
        return found

    # ------------------------------------------------------------ quarantine

    def put_in_quarantine(self, item: QuarantineRow) -> None:
        self._quarantine[item.id] = item

    def quarantined(self) -> Sequence[QuarantineRow]:
        return sorted(self._quarantine.values(), key=lambda item: item.since)

    def quarantine_page(self, before: str, limit: int) -> Sequence[QuarantineRow]:
        newest = sorted(self._quarantine.values(), key=lambda item: item.id, reverse=True)
        return [item for item in newest if not before or item.id < before][:limit]

    def reseal(self, anew: Callable[[str, str, bytes], bytes], *, by: str, reason: str) -> int:
        shared = [c for c in self.credentials.values() if c.sealed]
        owner = {row.id: s.id for s in self._systems.values() for row in s.credentials}
        made = {c.id: anew(owner[c.id], c.id, c.sealed) for c in shared}
        self.record("secrets-resealed", "secrets:all", by=by, reason=reason)
        for name, sealed in made.items():
            self.credentials[name] = replace(self.credentials[name], sealed=sealed)
        return len(made)

    def record(self, action: str, target: str, *, by: str, reason: str) -> None:
        if not by.strip() or not reason.strip():
            raise RejectedError(Reason.BAD_REQUEST, "who and why must be said")
        self.audit.append((action, target, by))

    def change_receipt_key(self, facts: Mapping[str, str], *, by: str, reason: str) -> None:
        self.record("key_changed", f"receipt-key:{facts['key']}", by=by, reason=reason)

    def purge(self, item_id: str, *, by: str, reason: str = "") -> QuarantineRow:
        item = self._quarantine.get(item_id)
        if item is None:
            raise RejectedError(Reason.NOT_FOUND, f"nothing in quarantine is called {item_id}")
        if item.purged_at is not None:
            raise RejectedError(Reason.CONFLICT, f"{item_id} is purged already")
        if not item.purge_asked_by:
            self._quarantine[item_id] = replace(item, purge_asked_by=by)
        elif same_person(item.purge_asked_by, by):
            raise RejectedError(Reason.CONFLICT, "a second, different person must agree")
        else:
            self._quarantine[item_id] = replace(item, purged_at=self.now())
        self.audit.append(("purge", item_id, by))
        return self._quarantine[item_id]
