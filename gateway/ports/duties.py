"""Duties around the traffic: what the pages of incidents, maintenance and key devices ask for.

Protocols and the frozen values crossing them; nothing here does anything. Rows come as mappings of
the ledger's columns, times as its text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.access import Person
from gateway.domain.duties import IncidentKind, Integrity, Remark
from gateway.ports.ledger import Row


@dataclass(frozen=True, slots=True)
class NewIncident:
    """An incident to be opened (OPS-09)."""

    kind: IncidentKind
    title: str
    occurred_at: datetime
    agency: str = ""
    detail: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class NewMaintenance:
    """Maintenance to be announced (OPS-06).

    Args:
        title: What for.
        planned_from: Aware instant.
        planned_to: Aware instant, later.
        detail: What units will notice.
        approval: The document that approved the plan (OPS-07).
        mails: Addresses the notice names, as typed.
        units: Whether clerks, leaders and administrators of every unit are written to.
    """

    title: str
    planned_from: datetime
    planned_to: datetime
    detail: str = ""
    approval: str = ""
    mails: str = ""
    units: bool = True


@dataclass(frozen=True, slots=True)
class ReachedOne:
    """Somebody told of a step of a maintenance, or to be told; times as the ledger's text."""

    act: str
    way: str
    whom: str
    agency: str
    state: str
    made_at: str
    told_at: str
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom a maintenance reached (OPS-06).

    Args:
        counts: Step, way, state, and how many.
        page: A page of them, in the order of step, way and address.
        more: Whether there are further ones.
        unreached: Agencies of ours of which neither a person's mail was taken, nor a system heard.
    """

    counts: tuple[tuple[str, str, str, int], ...] = ()
    page: tuple[ReachedOne, ...] = ()
    more: bool = False
    unreached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewOutageEntry:
    """What was done by other means during an outage (OPS-08).

    Args:
        agency: Canonical code.
        direction: `in` or `out`.
        party: The other side, as written down.
        title: What the document is about.
        means: How it went: by hand, by post, by fax…
        occurred_at: When it really was, aware; in the past.
        reason: Why it was not done here.
        notation: Number and notation, "" without one.
        incident_id: The incident it belongs to, "" for none.
    """

    agency: str
    direction: str
    party: str
    title: str
    means: str
    occurred_at: datetime
    reason: str
    notation: str = ""
    incident_id: str = ""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device with a secret key (ORG-09)."""

    agency: str
    serial: str
    purpose: str
    holder: str
    permission: str = ""
    certificate: str = ""
    valid_to: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """One maintenance with its reports; `remarks` is what they prove together."""

    row: Row
    before: Integrity | None
    after: Integrity | None
    remarks: Sequence[Remark]


class Duties(Protocol):
    """Every change is audited.

    Raises (every change):
        RejectedError: BAD_REQUEST with what is wrong, NOT_FOUND, ILLEGAL_TRANSITION, CONFLICT.
    """

    async def incidents(self, agencies: Sequence[str], state: str, before: str) -> Sequence[Row]:
        """Return a page of incidents, newest first; EVERYWHERE among the agencies: of all."""
        ...

    async def incident(self, incident_id: str) -> Row:
        """Return one."""
        ...

    async def open_incident(self, person: Person, new: NewIncident) -> str:
        """Open an incident; return its id."""
        ...

    async def note_incident(
        self, person: Person, incident_id: str, *, note: str, told: str
    ) -> None:
        """Add a note, and who was told of it (OPS-09), "" for nobody."""
        ...

    async def close_incident(self, person: Person, incident_id: str, *, outcome: str) -> None:
        """Close it, saying how it ended."""
        ...

    async def maintenances(self, before: str) -> Sequence[Row]:
        """Return a page of maintenances, newest first."""
        ...

    async def maintenance(self, maintenance_id: str) -> MaintenanceView:
        """Return one."""
        ...

    async def reached(self, maintenance_id: str, after: Sequence[str]) -> Reached:
        """Return whom it reached; `after`: step, way and address of the last one seen, or none."""
        ...

    async def ahead(self) -> Sequence[Row]:
        """Return what is announced or under way; the same for a few seconds."""
        ...

    async def due(self) -> bool:
        """Return whether the three months are over (OPS-07)."""
        ...

    async def announce(self, person: Person, new: NewMaintenance) -> str:
        """Announce maintenance; return its id."""
        ...

    async def step(self, person: Person, maintenance_id: str, act: str, *, note: str) -> None:
        """Begin (with a report of integrity), finish (with another), or cancel."""
        ...

    async def outage_entries(self, agency: str, before: str) -> Sequence[Row]:
        """Return a page of entries, newest first."""
        ...

    async def enter_outage(self, person: Person, new: NewOutageEntry) -> str:
        """Enter what was done by other means; return its id."""
        ...

    async def devices(self, agency: str) -> Sequence[Row]:
        """Return an agency's key devices."""
        ...

    async def device(self, device_id: str) -> tuple[Row, Sequence[dict[str, Any]]]:
        """Return one and the steps of its way, newest first."""
        ...

    async def register_device(self, person: Person, new: NewDevice) -> str:
        """Enter a device; return its id."""
        ...

    async def move_device(
        self, person: Person, device_id: str, act: str, *, holder: str, permission: str, note: str
    ) -> None:
        """Take one step of the table `DEVICE_STEPS`; handing over needs a written permission."""
        ...
