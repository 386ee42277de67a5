"""What a list of agencies would change in the catalogue: a plan to be looked at, then applied.

Promises: a plan says for each code what is there and what will be, and nothing else is touched; a
code is never taken from another agency, a closed one never opened again, a name never emptied; a
list that would close too much says so. Pure: a plan is a value, and the same list against the same
catalogue gives the same plan. A crash leaves nothing behind.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from gateway.domain import catalogue_links as links
from gateway.domain.catalogue_remarks import (
    Remark,
    backwards,
    garbled,
    malformed,
    nameless,
    not_theirs,
    reopened,
    taken,
    twice,
)
from gateway.domain.identifiers import CodeKind, classify, fold

Fields = Mapping[str, Any]
"""Columns of an agency by name, JSON values; `successors` as [code, first day, last day]."""

BLANK: Final[Fields] = {
    "name": "",
    "legacy_code": "",
    "parent": "",
    "mail": "",
    "status": "active",
    "valid_from": None,
    "valid_to": None,
    "connected": "",
    "console": False,
    "numbered_by": "own-system",
    "forward_until": None,
    "successors": (),
    "aliases": (),
}
"""Every column a plan may change, as a new agency has it."""

_KIND_OF: Final[Mapping[str, str]] = {
    "name": "renamed",
    "parent": "reparented",
    "legacy_code": "code-changed",
    "aliases": "code-changed",
    "connected": "moved",
    "successors": "succeeded",
    "forward_until": "succeeded",
    "valid_from": "dated",
    "valid_to": "dated",
}
KINDS: Final = (
    *("added", "renamed", "reparented", "code-changed", "moved", "dated", "succeeded"),
    *("locked", "unlocked", "changed", "closed"),
)
"""What a step may be; several at once."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a list: a code, and what the list says of it; what it does not say stays."""

    code: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Step:
    """One code's change: only the columns that differ, before and after; `before` None: is new."""

    code: str
    kinds: tuple[str, ...]
    before: Fields | None
    after: Fields


@dataclass(frozen=True, slots=True)
class Plan:
    """What a list would change.

    Args:
        steps: In the order they are applied: new codes first, closings last.
        conflicts: Rows left out.
        warnings: Rows to look at.
        same: How many rows say what is there already.
        hidden: Rows of hub codes, left out without a word each.
        missing: Codes in scope the list does not name.
        in_scope: How many open agencies the list could have closed.
        too_many: Why it is refused without being forced, "" when it is not.
    """

    steps: tuple[Step, ...] = ()
    conflicts: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    same: int = 0
    hidden: int = 0
    missing: tuple[str, ...] = ()
    in_scope: int = 0
    too_many: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Return how many steps there are of each kind, and how many rows of other fates."""
        found = Counter(kind for step in self.steps for kind in step.kinds)
        return {kind: found[kind] for kind in KINDS if found[kind]}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a list may speak of.

    Args:
        peer: Only agencies behind this peer (ID-06); "" for a list of the operator's own.
        close_missing: Codes in scope that the list does not name are closed.
        most_closed_percent: More closings than this must be forced.
        new: What a new agency has where the list says nothing.
        whole: The list means to name everyone in scope; what it does not name is missing.
        remarks: What is to be looked at besides.
    """

    peer: str = ""
    close_missing: bool = False
    most_closed_percent: float = 5.0
    new: Fields = field(default_factory=dict)
    whole: bool = True
    remarks: tuple[Remark, ...] = ()


@dataclass(slots=True)
class _Comparison:
    """The work under way: what is known under which name, and what was found."""

    known: Mapping[str, Fields]
    scope: Scope
    names: dict[str, str]
    said: frozenset[str]
    steps: list[Step] = field(default_factory=list)
    conflicts: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    same: int = 0
    hidden: int = 0


def compare(known: Mapping[str, Fields], listed: Iterable[Listed], scope: Scope) -> Plan:
    """Return what a list would change.

    Args:
        known: The catalogue: folded code to every column of `BLANK`.
        listed: The rows of the list.
        scope: Whom it may speak of.
    Source: ID-01, ID-03, ID-04, ID-05, ID-06.
    """
    rows = list(listed)
    work = _Comparison(known, scope, _names(known), said=_said(rows))
    for row in rows:
        _compare(work, row)
    missing = _missing(work) if scope.whole else []
    if scope.close_missing:
        for code in missing:
            after = {"status": "closed"}
            work.steps.append(Step(code, ("closed",), {"status": known[code]["status"]}, after))
    work.conflicts += links.conflicts(known, work.steps)
    work.warnings += links.unknown_parents(known, work.steps, work.names)
    return _finished(work, missing)


def _finished(work: _Comparison, missing: Sequence[str]) -> Plan:
    out = {remark.code for remark in work.conflicts}
    work.conflicts += links.heirless(work.known, work.steps, out)
    out = {remark.code for remark in work.conflicts}
    steps = [step for step in work.steps if step.code not in out]
    steps.sort(key=lambda s: (s.before is not None, "closed" in s.kinds, s.code))
    open_now = sum(1 for c, f in work.known.items() if f["status"] != "closed" and _may(work, f, c))
    closing = sum(1 for s in steps if s.before is not None and _ends(work.known[s.code], s))
    too_many = ""
    if closing > max(1.0, open_now * work.scope.most_closed_percent / 100):
        too_many = f"{closing}/{open_now}"
    renumbered = links.renumberings(work.known, work.steps, missing)
    return Plan(
        steps=tuple(steps),
        conflicts=tuple(work.conflicts),
        warnings=(*work.warnings, *renumbered, *work.scope.remarks),
        same=work.same,
        hidden=work.hidden,
        missing=tuple(missing),
        in_scope=open_now,
        too_many=too_many,
    )


def _ends(before: Fields, step: Step) -> bool:
    """Tell whether a step closes an open code, at once or by a last day it did not have."""
    until, was = step.after.get("valid_to"), _plain(before["valid_to"])
    sooner = until is not None and (was is None or until < was)
    return before["status"] != "closed" and ("closed" in step.kinds or sooner)


def _names(known: Mapping[str, Fields]) -> dict[str, str]:
    """Return whom every name means: a code before an alias before an old code."""
    names: dict[str, str] = {}
    for code, fields in known.items():
        if fields["legacy_code"]:
            names[fold(fields["legacy_code"])] = code
    for code, fields in known.items():
        names.update({fold(alias): code for alias in fields["aliases"]})
    names.update({code: code for code in known})
    return names


def _said(rows: Iterable[Listed]) -> frozenset[str]:
    """Return every code a list names as somebody's own."""
    names = (
        name
        for row in rows
        for name in (row.code, row.fields.get("legacy_code", ""), *row.fields.get("aliases", ()))
    )
    return frozenset(fold(name) for name in names if name)


def _may(work: _Comparison, fields: Fields, code: str) -> bool:
    hub = classify(code) is CodeKind.HUB
    return not hub and (not work.scope.peer or fields["connected"] == work.scope.peer)


# ---------------------------------------------------------------- one row


def _compare(work: _Comparison, row: Listed) -> None:
    code = fold(row.code)
    if classify(code) is CodeKind.HUB:
        # spec/edxml.md 1.3: an integration centre is a system, no agency.
        work.hidden += 1
        return
    wanted = _tidied(row.fields)
    if _refused(work, code, row.code, wanted):
        return
    before = work.known.get(code)
    if before is None:
        _claim(work, code, wanted)
        after = {"connected": work.scope.peer, **work.scope.new, **wanted}
        kinds = ("added", "closed") if wanted.get("status") == "closed" else ("added",)
        work.steps.append(Step(code, kinds, None, after))
        return
    changed = {k: v for k, v in wanted.items() if v != _plain(before[k]) and not _kept(k, v)}
    if "legacy_code" in changed and (left := fold(before["legacy_code"])) not in work.said | {""}:
        # ID-04, ID-05: what was sent under the old code must still resolve, and will be again.
        changed["aliases"] = [*changed.get("aliases", ()), left]
    if "aliases" in changed:
        both = sorted({*before["aliases"], *changed["aliases"]})
        changed["aliases"] = both
        if both == sorted(before["aliases"]):
            del changed["aliases"]
    if before["status"] == "closed":
        # ID-05 (QĐ20): closed for good. A list that has not heard of it is no reason to open it.
        if changed.pop("status", None) is not None:
            work.warnings.append(reopened(code))
    elif wanted.get("status") == "active" and before["status"] == "locked":
        changed.pop("status", None)  # a lock is the operator's, and taken off by saying so
    if not changed:
        work.same += 1
        return
    if not _may(work, before, code):
        work.warnings.append(not_theirs(code, work.scope.peer))
        return
    _claim(work, code, changed)
    old = {k: _plain(before[k]) for k in changed}
    work.steps.append(Step(code, _kinds(changed), old, changed))


def _tidied(fields: Fields) -> dict[str, Any]:
    """Return what a row says, in the one form in which it is compared and stored."""
    tidy = {k: _plain(v) for k, v in fields.items()}
    for name in ("legacy_code", "parent"):
        if name in tidy:
            tidy[name] = fold(tidy[name])
    if "name" in tidy:
        tidy["name"] = " ".join(tidy["name"].split())
    if "aliases" in tidy:
        tidy["aliases"] = sorted({fold(a) for a in tidy["aliases"]})
    if "successors" in tidy:
        links = ([fold(code), since, until] for code, since, until in tidy["successors"])
        tidy["successors"] = sorted(links, key=str)
    return tidy


def _plain(value: Any) -> Any:
    """Return a value as JSON brings it back."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def _kept(name: str, value: Any) -> bool:
    """Tell whether a list that leaves a column empty leaves it as it is."""
    return name in {"name", "legacy_code", "mail", "aliases"} and not value


def _kinds(changed: Fields) -> tuple[str, ...]:
    found = {_KIND_OF.get(name, "changed") for name in changed if name != "status"}
    status = changed.get("status")
    if status is not None:
        found.add({"closed": "closed", "locked": "locked"}.get(status, "unlocked"))
    return tuple(kind for kind in KINDS if kind in found)


def _claim(work: _Comparison, code: str, wanted: Fields) -> None:
    names = (code, wanted.get("legacy_code", ""), *wanted.get("aliases", ()))
    work.names.update({fold(name): code for name in names if name})


# ---------------------------------------------------------------- what is wrong with a row


def _refused(work: _Comparison, code: str, written: str, wanted: Fields) -> bool:
    """Tell whether a row cannot be taken; say why."""
    found = list(_row_conflicts(work, code, written, wanted))
    work.conflicts += found
    work.seen.setdefault(code, len(work.seen) + 1)
    name = wanted.get("name", "")
    if "\ufffd" in name or name.count("?") > 1:
        work.warnings.append(garbled(code))
    return bool(found)


def _row_conflicts(work: _Comparison, code: str, written: str, wanted: Fields) -> Iterator[Remark]:
    if classify(code) is CodeKind.BAD:
        yield malformed(written[:40])
        return
    if code in work.seen:
        yield twice(code)
    if code not in work.known and not wanted.get("name"):
        yield nameless(code)
    for name in (code, wanted.get("legacy_code", ""), *wanted.get("aliases", ())):
        owner = work.names.get(fold(name)) if name else None
        if owner is not None and owner != code:
            yield taken(code, name, owner)
    since, until = wanted.get("valid_from"), wanted.get("valid_to")
    if since and until and since > until:
        yield backwards(code, since, until)
    for heir, first, last in wanted.get("successors", ()):
        if classify(heir) is CodeKind.BAD:
            yield malformed(heir[:40])
        if first and last and first > last:
            yield backwards(code, first, last, heir)
    heirs = [link[0] for link in wanted.get("successors", ())]
    for heir in {h for h in heirs if heirs.count(h) > 1}:
        yield twice(code, heir)


# ---------------------------------------------------------------- the list as a whole


def _missing(work: _Comparison) -> list[str]:
    return sorted(
        code
        for code, fields in work.known.items()
        if code not in work.seen and fields["status"] != "closed" and _may(work, fields, code)
    )
