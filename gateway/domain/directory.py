"""The catalogue of agencies as one immutable value: who exists, under which codes, since when.

Promises: every spelling a partner may use — new code, old code, alias — leads to one canonical
agency or to `Unknown`, never to a guess made by cutting a code into pieces (ID-04). Closed codes
still resolve, and say who took over: one, or the candidates of a split (ID-05). A change makes a
new value; readers keep theirs, so nothing is half seen and a crash leaves nothing behind.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.domain.identifiers import CodeKind, classify, fold
from gateway.domain.succession import NOBODY, Heirs, Succession, heirs, loops, overlapping
from gateway.errors import Reason

_EARLIEST: Final = date.min
_LATEST: Final = date.max


class AgencyKind(StrEnum):
    """What stands behind a code."""

    AGENCY = "agency"
    ENTERPRISE = "enterprise"
    HUB = "hub"
    OTHER = "other"


class AgencyStatus(StrEnum):
    """Whether new documents may be sent to it."""

    ACTIVE = "active"
    CLOSED = "closed"
    LOCKED = "locked"
    NOT_YET = "not-yet"


class NumberedBy(StrEnum):
    """Who gives the ordinal of its outgoing documents."""

    GATEWAY = "gateway"
    OWN_SYSTEM = "own-system"


class CodeForm(StrEnum):
    """The notation a peer expects."""

    NEW = "new"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency (cơ quan, đơn vị) of the catalogue.

    Args:
        code: Canonical code, new notation where there is one.
        name: Printed name.
        parent: Canonical code of the body above, or "".
        kind: See `AgencyKind`.
        status: What the catalogue says; validity dates may close it earlier.
        valid_from: First day, None when unknown.
        valid_to: Last day, None while open.
        successor: Canonical code of the agency that took over, or ""; further ones, and dates, are
            `Succession`s of the catalogue.
        forward_until: Last day on which what others send to the closed code is brought to its one
            successor; None: without end.
        hop: Name of the next hop that reaches it; "" means not connected.
        legacy_code: Its code in the old notation, or "".
        numbered_by: Who gives the issue ordinal.
        console: It works in our console: the gateway keeps its register.
        mail: Public e-mail address.
    """

    code: str
    name: str
    parent: str = ""
    kind: AgencyKind = AgencyKind.AGENCY
    status: AgencyStatus = AgencyStatus.ACTIVE
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str = ""
    hop: str = ""
    legacy_code: str = ""
    numbered_by: NumberedBy = NumberedBy.OWN_SYSTEM
    console: bool = False
    mail: str = ""
    forward_until: date | None = None

    def forwards_on(self, day: date) -> bool:
        """Return whether others' post for the closed code is still brought to its successor."""
        return self.forward_until is None or day <= self.forward_until

    def status_on(self, day: date) -> AgencyStatus:
        """Return its status on a day: outside its dates it is not yet, or no longer, there."""
        if self.valid_to is not None and day > self.valid_to:
            return AgencyStatus.CLOSED
        if self.valid_from is not None and day < self.valid_from:
            return AgencyStatus.NOT_YET
        return self.status


@dataclass(frozen=True, slots=True)
class Alias:
    """Another code of an agency, with the days on which it is good (ID-04)."""

    code: str
    canonical: str
    valid_from: date | None = None
    valid_to: date | None = None

    def covers(self, day: date) -> bool:
        """Return whether it is good on a day."""
        return (self.valid_from or _EARLIEST) <= day <= (self.valid_to or _LATEST)


class Via(StrEnum):
    """How a written code was understood."""

    CODE = "code"
    LEGACY = "legacy"
    ALIAS = "alias"
    EXPIRED_ALIAS = "expired-alias"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A code that names a known agency.

    Args:
        agency: The agency, possibly closed.
        written: The code as written.
        status: On the day asked about.
        via: How it was understood.
        successor: Who took over, at the end of the chain; None when nobody did, or several.
        heirs: All candidates; a split has several, and no `successor`.
    """

    agency: Agency
    written: str
    status: AgencyStatus
    via: Via
    successor: Agency | None = None
    heirs: Heirs = NOBODY

    @property
    def canonical(self) -> str:
        """Return the canonical code."""
        return self.agency.code

    @property
    def reason(self) -> Reason | None:
        """Return why nothing new can be sent there, None when it can."""
        if self.agency.kind is AgencyKind.HUB or classify(self.agency.code) is CodeKind.HUB:
            return Reason.RECIPIENT_UNKNOWN
        match self.status:
            case AgencyStatus.CLOSED:
                return Reason.RECIPIENT_CLOSED
            case AgencyStatus.LOCKED:
                return Reason.RECIPIENT_LOCKED
            case AgencyStatus.NOT_YET:
                return Reason.RECIPIENT_UNKNOWN
            case AgencyStatus.ACTIVE:
                # SND-04 (S003 art 6.2): no connected system on the other side.
                return None if self.agency.hop else Reason.NOT_CONNECTED


@dataclass(frozen=True, slots=True)
class Unknown:
    """A code the catalogue does not know; `canonical` is its comparison form."""

    written: str

    @property
    def canonical(self) -> str:
        """Return the comparison form, so that an unknown code still groups with itself."""
        return fold(self.written)

    @property
    def reason(self) -> Reason:
        """Return why nothing can be sent there."""
        return Reason.RECIPIENT_UNKNOWN


class Directory:
    """All agencies and aliases, indexed once; never changes afterwards."""

    __slots__ = ("_agencies", "_aliases", "_legacy", "_links", "_predecessors", "_twice")

    def __init__(
        self,
        agencies: Iterable[Agency],
        aliases: Iterable[Alias] = (),
        successions: Iterable[Succession] = (),
    ) -> None:
        """Index the catalogue; a code given twice keeps its first row (see `findings`)."""
        self._agencies: dict[str, Agency] = {}
        self._legacy: dict[str, Agency] = {}
        self._aliases: dict[str, list[Alias]] = defaultdict(list)
        self._predecessors: dict[str, list[str]] = defaultdict(list)
        self._links: dict[str, list[Succession]] = {}
        self._twice: list[str] = []
        for link in successions:
            self._links.setdefault(fold(link.code), []).append(link)
        for agency in agencies:
            key = fold(agency.code)
            if key in self._agencies:
                self._twice.append(agency.code)
                continue
            self._agencies[key] = agency
            if agency.legacy_code:
                self._legacy.setdefault(fold(agency.legacy_code), agency)
            if agency.successor:
                self._add_successor(key, agency)
        for key, links in self._links.items():
            for link in links:
                self._predecessors[fold(link.successor)].append(key)
        for alias in aliases:
            self._aliases[fold(alias.code)].append(alias)

    def _add_successor(self, key: str, agency: Agency) -> None:
        """Put the successor of the agency's own row beside the links, where it is none of them."""
        links = self._links.setdefault(key, [])
        if fold(agency.successor) not in {fold(link.successor) for link in links}:
            links.append(Succession(agency.code, agency.successor))

    def __iter__(self) -> Iterator[Agency]:
        return iter(self._agencies.values())

    def __len__(self) -> int:
        return len(self._agencies)

    def aliases(self) -> Iterator[Alias]:
        """Yield every alias, whatever its dates."""
        for aliases in self._aliases.values():
            yield from aliases

    def get(self, canonical: str) -> Agency | None:
        """Return the agency with exactly this canonical code, letter case aside."""
        return self._agencies.get(fold(canonical))

    def resolve(self, code_text: str, on: date) -> Resolved | Unknown:
        """Return who a written code names on a day.

        An alias in force wins over a code of the same letters, because numbers at lower levels
        were given out anew (ID-04). An expired alias still resolves, as closed.

        Source: ID-04, ID-05.
        """
        key = fold(code_text)
        aliases = self._aliases.get(key, ())
        for alias in aliases:
            target = self._agencies.get(fold(alias.canonical))
            if target is not None and alias.covers(on):
                return self._resolved(target, code_text, on, Via.ALIAS)
        agency = self._agencies.get(key)
        if agency is not None:
            return self._resolved(agency, code_text, on, Via.CODE)
        agency = self._legacy.get(key)
        if agency is not None:
            return self._resolved(agency, code_text, on, Via.LEGACY)
        for alias in aliases:
            target = self._agencies.get(fold(alias.canonical))
            if target is not None:
                return Resolved(
                    target,
                    code_text,
                    AgencyStatus.CLOSED,
                    Via.EXPIRED_ALIAS,
                    successor=target,
                    heirs=Heirs((target,)),
                )
        return Unknown(code_text)

    def _resolved(self, agency: Agency, written: str, on: date, via: Via) -> Resolved:
        found = self.successor_of(agency.code, on)
        return Resolved(agency, written, agency.status_on(on), via, found.one, found)

    def successor_of(self, canonical: str, on: date) -> Heirs:
        """Return who answers for an agency on a day, at the ends of all its chains.

        Source: ID-05.
        """
        key = fold(canonical)
        if key not in self._links:
            return NOBODY
        return heirs(key, lambda code: self._newer(code, on), self._agencies.get)

    def lineage(self, canonical: str) -> frozenset[str]:
        """Return an agency with everyone it took over from and everyone who took over from it.

        Two merged agencies are not one another's lineage: the way leads up or down, never up and
        down again.

        Source: DID-07 (look-up of duplicates), ID-05.
        """
        start = fold(canonical)
        found = {start}
        for edges in (self._older, self._newer):
            queue = [start]
            while queue:
                for key in edges(queue.pop()):
                    if key not in found:
                        found.add(key)
                        queue.append(key)
        return frozenset(self._agencies[k].code if k in self._agencies else k for k in found)

    def taken_over(self, canonical: str, on: date) -> tuple[str, ...]:
        """Return the closed agencies whose one successor an agency is on a day, by code.

        Source: ID-05: a split has no one successor, and nobody inherits it.
        """
        start, found = fold(canonical), set[str]()
        queue = [start]
        while queue:
            for key in self._older(queue.pop()):
                if key not in found and key != start:
                    found.add(key)
                    queue.append(key)
        gone = (self._agencies[key] for key in found if key in self._agencies)
        return tuple(
            sorted(
                agency.code
                for agency in gone
                if agency.status_on(on) is AgencyStatus.CLOSED
                and (heir := self.successor_of(agency.code, on).one) is not None
                and fold(heir.code) == start
            )
        )

    def _older(self, key: str) -> list[str]:
        return self._predecessors.get(key, [])

    def _newer(self, key: str, on: date | None = None) -> list[str]:
        links = self._links.get(key, ())
        return [fold(link.successor) for link in links if on is None or link.covers(on)]

    def same(self, one: str, other: str, on: date) -> bool:
        """Return whether two written codes mean the same agency, or one that took over from it."""
        if fold(one) == fold(other):
            return True
        left, right = self.resolve(one, on), self.resolve(other, on)
        return fold(right.canonical) in {fold(code) for code in self.lineage(left.canonical)}

    def render(self, canonical: str, form: CodeForm) -> str:
        """Return the code in the notation a peer expects; the canonical one when there is no other.

        Source: ID-04.
        """
        agency = self.get(canonical)
        if agency is None:
            return canonical
        if form is CodeForm.LEGACY and agency.legacy_code:
            return agency.legacy_code
        return agency.code

    def agencies(self) -> tuple[Agency, ...]:
        """Return everybody, closed ones too; integration centres are systems, no agencies."""
        return tuple(
            a
            for a in self._agencies.values()
            if a.kind is not AgencyKind.HUB and classify(a.code) is not CodeKind.HUB
        )

    def pickable(self, on: date) -> tuple[Agency, ...]:
        """Return whom a clerk may choose as recipient: open agencies, no integration centres."""
        return tuple(a for a in self.agencies() if a.status_on(on) is AgencyStatus.ACTIVE)

    def findings(self) -> tuple[Finding, ...]:
        """Return what is wrong with the catalogue itself, for the import report.

        Source: ID-01, ID-04, ID-05, ID-06.
        """
        found = [_twice(code) for code in self._twice]
        for agency in self._agencies.values():
            found.extend(self._agency_findings(agency))
        for aliases in self._aliases.values():
            found.extend(
                _loose("ID-04", a.code, "canonical", a.canonical)
                for a in aliases
                if fold(a.canonical) not in self._agencies
            )
        return tuple(found)

    def _agency_findings(self, agency: Agency) -> Iterator[Finding]:
        key = fold(agency.code)
        for heir in self._newer(key):
            if heir not in self._agencies:
                yield _loose("ID-05", agency.code, "successor", heir)
        if agency.parent and fold(agency.parent) not in self._agencies:
            yield _loose("ID-06", agency.code, "parent", agency.parent)
        yield from overlapping(self._links.get(key, ()))
        if loops(key, self._newer):
            yield Finding(
                "ID-05",
                Severity.ERROR,
                agency.code,
                f"Đơn vị kế thừa của {agency.code} quay vòng. Sửa lại danh mục.",
                f"The successors of {agency.code} run in a circle. Correct the catalogue.",
                "R09",
            )


def _twice(code: str) -> Finding:
    # ID-01 (S003 art 8.2): exactly one identity code each, and each code one agency.
    return Finding(
        "ID-01",
        Severity.ERROR,
        code,
        f"Mã {code} có hai lần trong danh mục. Giữ một dòng.",
        f"Code {code} stands twice in the catalogue. Keep one row.",
        "R09",
    )


def _loose(rule: str, code: str, field: str, target: str) -> Finding:
    return Finding(
        rule,
        Severity.WARNING,
        code,
        f"Mã {code}: {field} trỏ tới {target}, không có trong danh mục. Bổ sung hoặc sửa.",
        f"Code {code}: {field} points to {target}, absent from the catalogue. Add or correct it.",
        "R09",
    )
