"""Bulk changes of the catalogue: a reviewed plan carried out, a code closed with its successors.

Promises: a plan changes only rows that are as it says they were, or none of them at all; chunks of
some hundred steps are one transaction each, with an entry of the receipt log, so that a crash
leaves whole chunks and the same plan finishes the rest; carried out twice it changes nothing more.
Servers read the catalogue anew every few seconds meanwhile, not with every chunk.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from gateway.domain.catalogue_plan import BLANK, Fields, Step
from gateway.domain.identifiers import fold
from gateway.domain.moments import VIETNAM, to_text
from gateway.domain.succession import Succession, loops
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Clock, Delete, Ids, Insert, Row, Update
from gateway.ports.agencies import Applied, Difference
from gateway.receipts.log import Kind, Value
from gateway.store import admin_rows as rows_of
from gateway.store.audit import audit, entry, event
from gateway.store.names import Names
from gateway.store.places import Place
from gateway.store.session import Session, open_session

_CHUNK: Final = 500
_TELL_EVERY_S: Final = 5.0
_MOST_DIFFERENCES: Final = 1000

_COLUMNS: Final = (
    "code, name, legacy_code, parent, mail, status, valid_from, valid_to, successor, hop, console, "
    "numbered_by, forward_until"
)
_SOME: Final = "WHERE code IN (SELECT value FROM json_each(:codes))"
_AGENCIES: Final = f"SELECT {_COLUMNS} FROM agency"  # noqa: S608 - our own words
_ALIASES: Final = "SELECT alias, code FROM agency_alias"
_LINKS: Final = "SELECT code, successor, valid_from, valid_to FROM agency_succession"
_COLUMN_OF: Final = {"connected": "hop"}


class LedgerAgencies:
    """AgencyStore port over the ledger.

    Args:
        place: Where the ledger is.
        clock: Stamps what is done.
        ids: Names receipt entries and registry versions.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        place: Place,
        clock: Clock,
        ids: Ids,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._monotonic = monotonic
        self._session = open_session(place, purpose="catalogue", patient=True)

    def close(self) -> None:
        """Let go of the ledger."""
        self._session.close()

    def catalogue(self) -> Mapping[str, Fields]:
        """Return every agency's columns by folded code."""
        with self._session.reading():
            return read(self._session)

    # ------------------------------------------------------------ plans

    def apply(
        self,
        steps: Sequence[Step],
        *,
        plan: str,
        reason: str,
        by: str,
        progress: Callable[[int, int], None] | None = None,
    ) -> Applied:
        """Carry out a plan."""
        actor, why = rows_of.stated(by, "who acts"), rows_of.stated(reason, "a reason")
        with self._session.reading():
            found = _sorted_out(read(self._session), steps)
        if found.differences:
            return found.value(0)
        done, told_at = 0, self._monotonic()
        for first in range(0, len(found.open), _CHUNK):
            chunk = found.open[first : first + _CHUNK]
            last = first + _CHUNK >= len(found.open)
            tell = last or self._monotonic() - told_at >= _TELL_EVERY_S
            wrong = self._chunk(chunk, plan, why, actor, tell=tell)
            if wrong:
                return Applied(done, len(found.done), wrong)
            told_at = self._monotonic() if tell else told_at
            done += len(chunk)
            if progress is not None:
                progress(len(found.done) + done, len(steps))
        if found.done and not found.open:
            # What a crash left may not have been told to the servers yet.
            with self._session.writing():
                self._renew()
        return found.value(done)

    def _chunk(
        self, steps: Sequence[Step], plan: str, reason: str, by: str, *, tell: bool
    ) -> tuple[Difference, ...]:
        with self._session.writing():
            now = self._clock.now()
            known = read(self._session, [step.code for step in steps])
            wrong = _sorted_out(known, steps).differences
            if wrong:
                return wrong
            changes: list[Change] = []
            for step in steps:
                changes += _rows(step, known.get(step.code), now)
                if step.before is not None:
                    facts = {"actor": by, "plan": plan, "kinds": list(step.kinds)}
                    subject = f"agency:{step.code}"
                    changes.append(event(subject, "agency-changed", now, {**facts}))
            target = f"agency-plan:{plan}"
            added = [step.code for step in steps if step.before is None]
            told: dict[str, Value] = {"actor": by, "reason": reason, "value": len(steps)}
            told["added"] = added
            body: dict[str, Value] = {
                "action": "agencies-imported",
                "actor": by,
                "target": target,
                "value": len(steps),
                "sha256": plan,
                "reason_sha256": hashlib.sha256(reason.encode()).hexdigest(),
            }
            changes.append(event(target, "agencies-imported", now, told))
            changes.append(entry(self._ids, now, Kind.AUDIT, target, body))
            self._session.apply(ChangeSet(rows=tuple(changes)))
            if tell:
                self._renew()
        return ()

    # ------------------------------------------------------------ one code

    def close_agency(
        self,
        code: str,
        successors: Sequence[Succession],
        *,
        forward_until: date | None,
        reason: str,
        by: str,
    ) -> Fields:
        """Close a code with everyone who took over."""
        why, actor = rows_of.stated(reason, "a reason"), rows_of.stated(by, "who acts")
        with self._session.writing():
            now = self._clock.now()
            names = Names(self._session, now.astimezone(VIETNAM).date())
            own = names.canonical(code)
            links = [
                replace(s, code=own, successor=names.canonical(s.successor)) for s in successors
            ]
            self._check(own, links)
            known = read(self._session, [own])[own]
            wanted: dict[str, Any] = {
                "status": "closed",
                "successors": [
                    [s.successor, _text(s.valid_from), _text(s.valid_to)] for s in links
                ],
                "forward_until": _text(forward_until),
            }
            step = Step(own, ("closed",), known, wanted)
            heirs = [s.successor for s in links]
            changes = _rows(step, known, now)
            changes += audit(
                self._ids,
                now,
                action="agency-closed",
                actor=actor,
                target=f"agency:{own}",
                reason=why,
                **({"parties": heirs} if heirs else {}),
            )
            if forward_until is not None:
                until = {"actor": actor, "until": forward_until.isoformat()}
                changes.append(event(f"agency:{own}", "agency-forwarded-until", now, {**until}))
            self._session.apply(ChangeSet(rows=tuple(changes)))
            self._renew()
            return {**known, **wanted}

    def _check(self, own: str, links: Sequence[Succession]) -> None:
        heirs = [link.successor for link in links]
        if len(set(heirs)) != len(heirs):
            raise RejectedError(Reason.BAD_REQUEST, "a successor stands twice")
        for link in links:
            if (link.valid_from or date.min) > (link.valid_to or date.max):
                raise RejectedError(
                    Reason.BAD_REQUEST, f"the succession to {link.successor} ends before it begins"
                )
        if own in heirs or loops(own, lambda c: heirs if c == own else self._heirs(c)):
            raise RejectedError(
                Reason.BAD_REQUEST, f"{own} would succeed itself, directly or in a circle"
            )

    def _heirs(self, code: str) -> list[str]:
        return successors_of(self._session, code)

    def _renew(self) -> None:
        """Let every server read the catalogue anew."""
        key = {"key": "registry_version"}
        fresh = Insert("meta", {**key, "value": self._ids.new()})
        self._session.apply(ChangeSet(rows=(Delete("meta", key), fresh)))


# ---------------------------------------------------------------- reading


def read(session: Session, codes: Sequence[str] | None = None) -> dict[str, Fields]:
    """Return agencies as a plan sees them, by code; inside a transaction."""
    where, params = ("", {}) if codes is None else (f" {_SOME}", {"codes": json.dumps(codes)})
    links: dict[str, list[list[Any]]] = {}
    for code, successor, since, until in session.values(_LINKS + where, params):
        links.setdefault(code, []).append([successor, since, until])
    aliases: dict[str, list[str]] = {}
    for alias, code in session.values(_ALIASES + where, params):
        aliases.setdefault(code, []).append(alias)
    found: dict[str, Fields] = {}
    for row in session.values(_AGENCIES + where, params):
        code = row[0]
        own = links.get(code, [])
        if row[8] and row[8] not in {link[0] for link in own}:
            own = [*own, [row[8], None, None]]
        found[code] = {
            "name": row[1],
            "legacy_code": row[2],
            "parent": row[3],
            "mail": row[4],
            "status": row[5],
            "valid_from": row[6],
            "valid_to": row[7],
            "connected": row[9],
            "console": bool(row[10]),
            "numbered_by": row[11],
            "forward_until": row[12],
            "successors": sorted(own, key=str),
            "aliases": sorted(aliases.get(code, [])),
        }
    return found


def successors_of(session: Session, code: str) -> list[str]:
    """Return who took over from a code by its own row and links, whatever their dates."""
    row: Row | None = session.row("SELECT successor FROM agency WHERE code = ?", (code,))
    links = "SELECT successor FROM agency_succession WHERE code = ?"
    found = [link["successor"] for link in session.rows(links, (code,))]
    return [*found, row["successor"]] if row is not None and row["successor"] else found


# ---------------------------------------------------------------- comparing


class _Sorted:
    """The steps of a plan beside what is there: open, done already, or no longer as they were."""

    def __init__(self) -> None:
        self.open: list[Step] = []
        self.done: list[Step] = []
        self.differences: tuple[Difference, ...] = ()

    def value(self, done: int) -> Applied:
        return Applied(done, len(self.done), self.differences)


def _sorted_out(known: Mapping[str, Fields], steps: Iterable[Step]) -> _Sorted:
    found = _Sorted()
    wrong: list[Difference] = []
    for step in steps:
        there = known.get(step.code)
        if there is not None and _same(there, step.after):
            found.done.append(step)
        elif (there is None) is (step.before is None) and _same(there or {}, step.before or {}):
            found.open.append(step)
        elif len(wrong) < _MOST_DIFFERENCES:
            seen = step.before if step.before is not None else step.after
            shown = None if there is None else {k: there[k] for k in seen if k in there}
            wrong.append(Difference(step.code, step.before, shown))
    found.differences = tuple(wrong)
    return found


def _same(there: Fields, said: Fields) -> bool:
    return all(_comparable(there.get(k)) == _comparable(v) for k, v in said.items())


def _comparable(value: Any) -> Any:
    return [_comparable(v) for v in value] if isinstance(value, (list, tuple)) else value


# ---------------------------------------------------------------- writing


def _rows(step: Step, known: Fields | None, now: datetime) -> list[Change]:
    """Return the rows of one step."""
    after = step.after if known is not None else {**BLANK, **step.after}
    columns: dict[str, Any] = {"updated_at": to_text(now)}
    for name, value in after.items():
        if name not in {"successors", "aliases"}:
            columns[_COLUMN_OF.get(name, name)] = int(value) if name == "console" else value
    changes: list[Change] = []
    if "successors" in after:
        links = after["successors"]
        plain = len(links) == 1 and links[0][1:] == [None, None]
        columns["successor"] = links[0][0] if plain else ""
        if known is not None:
            changes.append(Delete("agency_succession", {"code": step.code}))
        changes += [] if plain else [_link(step.code, *link) for link in links]
    row: Change = (
        Insert("agency", {"code": step.code, **columns})
        if known is None
        else Update("agency", {"code": step.code}, columns)
    )
    had = known["aliases"] if known is not None else ()
    fresh = [fold(alias) for alias in after.get("aliases", ()) if alias not in had]
    return [row, *changes, *(rows_of.alias(name, step.code) for name in fresh)]


def _link(code: str, successor: str, since: str | None, until: str | None) -> Insert:
    values = {"code": code, "successor": successor, "valid_from": since, "valid_to": until}
    return Insert("agency_succession", values)


def _text(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
