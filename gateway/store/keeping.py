"""What the ledger knows of its backups, and of having been restored from one.

`meta` holds two facts: `backup` (the last tries and the last good one) and `restored` (the gateway
stands still until it is reconciled and released; "" afterwards). Each change is one audited write
transaction; a refused call leaves no trace.

A restored gateway receives and answers, but gives no number and relays nothing: its counters may be
behind numbers already given, and its queue may hold what was already sent.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from gateway.domain.moments import iso, to_text
from gateway.domain.numbering import ISSUE_SERIES, CounterState
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Insert, Update
from gateway.receipts import merkle
from gateway.receipts.log import Kind, Value
from gateway.store import admin_rows as rows_of
from gateway.store.admin import LedgerAdmin
from gateway.store.audit import entry, event
from gateway.store.queries import QUERIES
from gateway.store.receipts import node_reader

_PAGE: Final = 1000
_KNOWN: Final = "SELECT id FROM receipt_entry WHERE id IN (SELECT value FROM json_each(:ids))"
_COUNTING: Final = frozenset({"counter-set", "arrival-numbered"})
_COUNTER: Final = re.compile(r"counter:([^/]+)/(\d{4})/([a-z]+)")

BACKUP: Final = "backup"
RESTORED: Final = "restored"
LOST_UNTIL: Final = "lost_until"


@dataclass(frozen=True, slots=True)
class Floor:
    """A number that was surely given: the next one of its series is higher."""

    agency: str
    year: int
    series: str
    last: int


@dataclass(frozen=True, slots=True)
class Raised:
    """A counter that a floor moved."""

    floor: Floor
    before: int


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A signed tree head somebody kept, beside the log that came back.

    Args:
        size: Entries it covers.
        root: Root of its tree, hex.
        state: `fits`; `ahead`: it covers entries that are lost; `contradicts`: it covers none that
            are lost, and still another log: signed with our key, and not ours.
    """

    size: int
    root: str
    state: str


class LedgerKeeping(LedgerAdmin):
    """Backups and restorations over the ledger; see `LedgerAdmin` for its arguments."""

    # ------------------------------------------------------------ backups

    def last_backup(self) -> Mapping[str, Any]:
        """Return `{good_at, good_id, tried_at, targets}`; empty when none was ever tried."""
        with self._reading():
            return _loads(self._value(BACKUP))

    def record_backup(
        self, targets: Sequence[Mapping[str, Any]], *, made_at: datetime, by: str
    ) -> None:
        """Record a run: what became of each target (`target`, `id`, `good`, `said`)."""
        with self._changing() as now:
            known = dict(_loads(self._value(BACKUP)))
            known |= {"tried_at": iso(now), "targets": [dict(t) for t in targets]}
            good = [t for t in targets if t["good"]]
            if good:
                known |= {"good_at": iso(made_at), "good_id": good[0]["id"]}
            action = "backup-made" if len(good) == len(targets) else "backup-failed"
            name = good[0]["id"] if good else "none"
            self._apply(
                [
                    *self._put(BACKUP, known),
                    *self._audit(now, action, by, f"backup:{name}", value=len(good)),
                ]
            )

    # ------------------------------------------------------------ restorations

    def restored(self) -> Mapping[str, Any]:
        """Return what the gateway was restored from while it stands still; empty otherwise."""
        with self._reading():
            return _loads(self._value(RESTORED))

    def reconcile(self, floors: Sequence[Floor], *, by: str) -> list[Raised]:
        """Move counters past numbers surely given (DID-01); those that are past stay.

        CONFLICT when the gateway was not restored, or is released already.
        """
        with self._changing() as now:
            stands = dict(self._standing())
            raised = []
            for floor in _highest(floors):
                rows_of.sensible_counter(floor.year, floor.series, floor.last)
                code = self._known().canonical(floor.agency)
                known = Floor(code, floor.year, floor.series, floor.last)
                before = self._raise(known, now, by)
                if before is not None:
                    raised.append(Raised(known, before))
            stands["reconciled_at"] = iso(now)
            stands["raised"] = [
                *stands.get("raised", ()),
                *(
                    f"{r.floor.agency}:{r.floor.year}:{r.floor.series}={r.floor.last}"
                    for r in raised
                ),
            ]
            target = f"backup:{stands['backup']}"
            self._apply(
                [
                    *self._put(RESTORED, stands),
                    *self._audit(now, "restore-reconciled", by, target, value=len(raised)),
                ]
            )
            return raised

    def see_heads(self, heads: Sequence[tuple[int, str]], *, by: str) -> list[SeenHead]:
        """Compare tree heads that others kept with the log that came back, and write it down.

        CONFLICT when the gateway was not restored, or is released already.
        """
        with self._changing() as now:
            stands = dict(self._standing())
            end = self._row("SELECT COALESCE(MAX(idx) + 1, 0) AS size FROM receipt_entry")
            size = 0 if end is None else int(end["size"])
            get = node_reader(self._session)
            found = []
            for head_size, root in sorted({*heads}):
                same = head_size <= size and merkle.root(head_size, get).hex() == root
                ahead = head_size > int(stands["tree_size"])
                state = "fits" if same else "ahead" if ahead else "contradicts"
                found.append(SeenHead(head_size, root, state))
            known = [tuple(head) for head in stands.get("heads", ())]
            new = [h for h in found if (h.size, h.root, h.state) not in known]
            if new:
                stands["heads"] = [*known, *((h.size, h.root, h.state) for h in new)]
                target = f"backup:{stands['backup']}"
                rows = self._put(RESTORED, stands)
                for head in new:
                    action = f"restore-head-{head.state}"
                    rows += self._audit(now, action, by, target, value=head.size, sha256=head.root)
                self._apply(rows)
            return found

    def _raise(self, floor: Floor, now: datetime, by: str) -> int | None:
        """Move one counter; return where it stood, None when it is there already."""
        key: dict[str, Any] = {"agency": floor.agency, "year": floor.year, "series": floor.series}
        stands = self._session.row(QUERIES["counter"], key)
        before = int(stands["last"]) if stands else 0
        if before >= floor.last:
            return None
        CounterState(before).advanced_to(floor.last)
        change: Change = (
            Update("counter", key, {"last": floor.last})
            if stands
            else Insert("counter", {**key, "last": floor.last})
        )
        target = f"counter:{floor.agency}/{floor.year}/{floor.series}"
        facts: dict[str, Value] = {
            "agency": floor.agency,
            "series": floor.series,
            "value": floor.last,
        }
        self._apply([change, *self._audit(now, "counter-set", by, target, "restored", **facts)])
        return before

    def release(self, *, reason: str, by: str) -> Mapping[str, Any]:
        """Let numbers be given and documents leave again; return what stood.

        CONFLICT when nothing stands, or it was not reconciled.
        """
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            stands = self._standing()
            if not stands.get("reconciled_at"):
                raise RejectedError(
                    Reason.CONFLICT, "not reconciled yet: run `vanlien restore reconcile` first"
                )
            target = f"backup:{stands['backup']}"
            self._apply(
                [
                    *self._put(RESTORED, {}),
                    *self._audit(now, "restore-released", by, target, why),
                ]
            )
            return stands

    def lost(self, entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return those facts of the old log's entries that this ledger does not know.

        A page at a time: the log of a province's year does not fit into memory, what was lost does.
        """
        found: list[Mapping[str, Any]] = []
        left = iter(entries)
        while page := list(islice(left, _PAGE)):
            ids = json.dumps([str(facts.get("entry_id", "")) for facts in page])
            with self._reading():
                rows = self._session.rows(_KNOWN, {"ids": ids})
            known = {row["id"] for row in rows}
            found += (facts for facts in page if facts.get("entry_id") not in known)
        return found

    def floors(self, lost: Sequence[Mapping[str, Any]]) -> list[Floor]:
        """Return the numbers that lost entries prove: what is known here is counted already."""
        senders = {f.get("consignment_id"): f["sender"] for f in lost if f.get("sender")}
        found = []
        for facts in lost:
            number = _issued(facts)
            if number is not None:
                agency = senders.get(facts.get("consignment_id")) or self._sender(facts)
                found += [Floor(agency, number[0], ISSUE_SERIES, number[1])] if agency else []
            counted = _counted(facts)
            found += [counted] if counted is not None else []
        return _highest(found)

    def _sender(self, facts: Mapping[str, Any]) -> str:
        """Return whose number it is, of a document that was accepted before the backup."""
        consignment_id = str(facts.get("consignment_id", ""))
        with self._reading():
            row = self._row("SELECT sender FROM consignment WHERE id = ?", consignment_id)
        return "" if row is None else str(row["sender"])

    def strays(self, names: Iterable[str]) -> Iterator[str]:
        """Yield those blobs that no row names, a page at a time."""
        left = iter(names)
        while page := list(islice(left, _PAGE)):
            with self._reading():
                rows = self._session.rows(QUERIES["blobs_kept"], {"names": json.dumps(page)})
            kept = {row["sha256"] for row in rows}
            yield from (name for name in page if name not in kept)

    # ------------------------------------------------------------ pieces

    def _standing(self) -> Mapping[str, Any]:
        stands = _loads(self._value(RESTORED))
        if not stands:
            raise RejectedError(Reason.CONFLICT, "the gateway was not restored, or is released")
        return stands

    def _value(self, key: str) -> str:
        row = self._row("SELECT value FROM meta WHERE key = ?", key)
        return "" if row is None else str(row["value"])

    def _put(self, key: str, value: Mapping[str, Any]) -> list[Change]:
        return put(key, value)


def put(key: str, value: Mapping[str, Any]) -> list[Change]:
    """Return the changes that set a value of `meta`; nothing at all is written as ""."""
    where = {"key": key}
    text = json.dumps(value, ensure_ascii=False) if value else ""
    return [
        Insert("meta", where | {"value": ""}, ignore=True),
        Update("meta", where, {"value": text}),
    ]


def mark_restored(facts: Mapping[str, Any], ids: Any, now: datetime) -> ChangeSet:
    """Return what a restoration writes with the rows themselves: the hold, and the log's word.

    Args:
        facts: `backup`, `made_at`, `tree_size`, `root`, `by`.
        ids: Names the entry.
        now: Aware instant.
    """
    subject = f"backup:{facts['backup']}"
    body: dict[str, Value] = {
        "target": subject,
        "from_time": facts["made_at"],
        "value": facts["tree_size"],
        "sha256": facts["root"],
        "actor": facts["by"],
    }
    stands = {**facts, "restored_at": iso(now)}
    return ChangeSet(
        rows=(
            *put(RESTORED, stands),
            Insert("meta", {"key": LOST_UNTIL, "value": ""}, ignore=True),
            Update("meta", {"key": LOST_UNTIL}, {"value": to_text(now)}),
            event(subject, Kind.RESTORED.value, now, {"actor": facts["by"]}),
            entry(ids, now, Kind.RESTORED, subject, body),
        )
    )


def _issued(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return year and ordinal of an entry that tells them."""
    year, ordinal = facts.get("issue_year"), facts.get("issue_ordinal")
    return (year, ordinal) if isinstance(year, int) and isinstance(ordinal, int) else None


def _counted(facts: Mapping[str, Any]) -> Floor | None:
    """Return what an audited change of a counter proves: an arrival number, an operator's word."""
    match = _COUNTER.fullmatch(str(facts.get("target", "")))
    last = facts.get("value")
    if match is None or facts.get("action") not in _COUNTING or not isinstance(last, int):
        return None
    return Floor(match[1], int(match[2]), match[3], last)


def _highest(floors: Sequence[Floor]) -> list[Floor]:
    best: dict[tuple[str, int, str], Floor] = {}
    for floor in floors:
        key = (floor.agency, floor.year, floor.series)
        if key not in best or best[key].last < floor.last:
            best[key] = floor
    return [best[key] for key in sorted(best)]


def _loads(text: str) -> Mapping[str, Any]:
    return json.loads(text) if text else {}
