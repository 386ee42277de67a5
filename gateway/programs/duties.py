"""duties: incidents, maintenance, entries after an outage, key devices (OPS-06…OPS-09, ORG-09).

Implements `ports.duties.Duties`. Each step is one change set with its audit entry; states move only
along the tables of `domain.duties`, guarded by the state they were read in. A crash leaves the step
taken or not at all; a maintenance begun stays begun until a person ends it.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from gateway.domain.access import EVERYWHERE, Person
from gateway.domain.duties import (
    DEVICE_STEPS,
    MAINTENANCE_STEPS,
    DeviceState,
    IncidentKind,
    Integrity,
    MaintenanceState,
    compared,
    maintenance_due,
)
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Conflict, Insert, Row, Update
from gateway.ports.duties import (
    MaintenanceView,
    NewDevice,
    NewIncident,
    NewMaintenance,
    NewOutageEntry,
    Reached,
)
from gateway.programs import unitnotices
from gateway.programs.context import Context
from gateway.programs.integrity import integrity_now
from gateway.programs.rows import audited, dumps, loads

PAGE: Final = 50
MAX_TITLE: Final = 300
MAX_TEXT: Final = 4000
_AHEAD_S: Final = 5.0
LAST: Final = "~"
"""Sorts behind every id: the first page."""


class LedgerDuties:
    """See `ports.duties.Duties`; keeps what is ahead for a few seconds, for the banner."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ahead: tuple[float, Sequence[Row]] = (float("-inf"), ())

    # ------------------------------------------------------------ incidents

    async def incidents(self, agencies: Sequence[str], state: str, before: str) -> Sequence[Row]:
        """Return a page of incidents."""
        ledger, behind = self._context.ledger, before or LAST
        if EVERYWHERE in agencies:
            return await ledger.all("incidents", state=state, before=behind, limit=PAGE)
        found: list[Row] = []
        for agency in agencies:
            found += await ledger.all(
                "incidents_of", agency=agency, state=state, before=behind, limit=PAGE
            )
        return sorted(found, key=lambda row: str(row["id"]), reverse=True)[:PAGE]

    async def incident(self, incident_id: str) -> Row:
        """Return one."""
        return await self._one("incident", incident_id)

    async def open_incident(self, person: Person, new: NewIncident) -> str:
        """Open an incident."""
        now = self._context.clock.now()
        _needed(new.title)
        _bounded(new.detail)
        if new.occurred_at > now:
            raise _wrong("Thời điểm xảy ra ở tương lai", "The time it happened lies ahead")
        incident_id = self._context.ids.new()
        values = {
            "id": incident_id,
            "agency": new.agency,
            "kind": new.kind.value,
            "title": new.title.strip(),
            "detail": new.detail.strip(),
            "subject": new.subject,
            "occurred_at": to_text(new.occurred_at),
            "opened_by": person.login,
            "opened_at": to_text(now),
        }
        await self._do(
            person, "incident-opened", f"incident:{incident_id}", Insert("incident", values),
            agency=new.agency, code=new.kind.value,
        )  # fmt: skip
        return incident_id

    async def note_incident(
        self, person: Person, incident_id: str, *, note: str, told: str
    ) -> None:
        """Add a note."""
        _needed(note or told, MAX_TEXT)
        _bounded(told, MAX_TITLE)
        row = await self.incident(incident_id)
        at = to_text(self._context.clock.now())
        notes = [*loads(row["notes"]), {"at": at, "by": person.login, "note": note, "told": told}]
        where = {"id": incident_id, "state": "open", "notes": row["notes"]}
        change = Update("incident", where, {"notes": dumps(notes)})
        code = "told" if told else "note"
        await self._do(
            person, "incident-noted", f"incident:{incident_id}", change,
            agency=row["agency"], reason=told or note, code=code,
        )  # fmt: skip

    async def close_incident(self, person: Person, incident_id: str, *, outcome: str) -> None:
        """Close it."""
        _needed(outcome, MAX_TEXT)
        row = await self.incident(incident_id)
        values = {
            "state": "closed",
            "outcome": outcome.strip(),
            "closed_by": person.login,
            "closed_at": to_text(self._context.clock.now()),
        }
        change = Update("incident", {"id": incident_id, "state": "open"}, values)
        await self._do(
            person, "incident-closed", f"incident:{incident_id}", change,
            agency=row["agency"], reason=outcome,
        )  # fmt: skip

    # ------------------------------------------------------------ maintenance

    async def maintenances(self, before: str) -> Sequence[Row]:
        """Return a page of maintenances."""
        return await self._context.ledger.all("maintenances", before=before or LAST, limit=PAGE)

    async def maintenance(self, maintenance_id: str) -> MaintenanceView:
        """Return one."""
        row = await self._one("maintenance_work", maintenance_id)
        before, after = _integrity(row["before"]), _integrity(row["after"])
        remarks = compared(before, after) if before is not None and after is not None else ()
        return MaintenanceView(row, before, after, remarks)

    async def reached(self, maintenance_id: str, after: Sequence[str]) -> Reached:
        """Return whom it reached."""
        return await unitnotices.reached(self._context, maintenance_id, after)

    async def ahead(self) -> Sequence[Row]:
        """Return what is announced or under way."""
        asked_at, rows = self._ahead
        if time.monotonic() - asked_at > _AHEAD_S:
            rows = await self._context.ledger.all("maintenances_ahead", limit=PAGE)
            self._ahead = (time.monotonic(), rows)
        return rows

    async def due(self) -> bool:
        """Return whether the three months are over."""
        last = await self._context.ledger.one("maintenance_last")
        done = from_text(last["ended_at"]) if last else None
        return maintenance_due(done, self._context.clock.now())

    async def announce(self, person: Person, new: NewMaintenance) -> str:
        """Announce maintenance."""
        now = self._context.clock.now()
        _needed(new.title)
        _bounded(new.detail)
        if new.planned_to <= new.planned_from or new.planned_to <= now:
            raise _wrong(
                "Thời gian kết thúc phải sau lúc bắt đầu và sau lúc này", "It must end later"
            )
        if new.planned_to - new.planned_from > timedelta(days=31):
            raise _wrong("Một đợt bảo trì dài quá 31 ngày", "One maintenance lasts 31 days at most")
        maintenance_id = self._context.ids.new()
        values = {
            "id": maintenance_id,
            "title": new.title.strip(),
            "detail": new.detail.strip(),
            "approval": new.approval.strip()[:MAX_TITLE],
            "planned_from": to_text(new.planned_from),
            "planned_to": to_text(new.planned_to),
            "state": MaintenanceState.ANNOUNCED.value,
            "announced_by": person.login,
            "announced_at": to_text(now),
        }
        await self._do(
            person, "maintenance-announced", f"maintenance:{maintenance_id}",
            Insert("maintenance", values),
            *await unitnotices.announced(self._context, maintenance_id, new, now),
            reason=new.approval, told={"units": int(new.units)},
        )  # fmt: skip
        self._ahead = (float("-inf"), ())
        return maintenance_id

    async def step(self, person: Person, maintenance_id: str, act: str, *, note: str) -> None:
        """Begin, finish or cancel."""
        _bounded(note)
        view = await self.maintenance(maintenance_id)
        state = MaintenanceState(view.row["state"])
        after = MAINTENANCE_STEPS.get((state, act))
        if after is None:
            raise RejectedError(Reason.ILLEGAL_TRANSITION, f"{act}: it is {state.value}")
        now = self._context.clock.now()
        at = to_text(now)
        values: dict[str, Any] = {"state": after.value, "note": note.strip() or view.row["note"]}
        if act == "begin":
            values |= {"began_at": at, "before": _text(await integrity_now(self._context))}
        elif act == "finish":
            found = await integrity_now(self._context, view.before)
            values |= {"ended_at": at, "after": _text(found)}
        else:
            values |= {"ended_at": at}
        change = Update("maintenance", {"id": maintenance_id, "state": state.value}, values)
        await self._do(
            person, f"maintenance-{act}", f"maintenance:{maintenance_id}", change,
            *await unitnotices.stepped(self._context, maintenance_id, act, now), reason=note,
        )  # fmt: skip
        self._ahead = (float("-inf"), ())

    # ------------------------------------------------------------ after an outage

    async def outage_entries(self, agency: str, before: str) -> Sequence[Row]:
        """Return a page of entries."""
        return await self._context.ledger.all(
            "outage_entries", agency=agency, before=before or LAST, limit=PAGE
        )

    async def enter_outage(self, person: Person, new: NewOutageEntry) -> str:
        """Enter what was done by other means."""
        now = self._context.clock.now()
        for text in (new.title, new.party, new.means, new.reason):
            _needed(text)
        if new.direction not in {"in", "out"}:
            raise _wrong("Chọn văn bản đến hay đi", "Choose incoming or outgoing")
        # OPS-08: the real time is kept apart from the time of entry, and lies before it.
        if new.occurred_at > now:
            raise _wrong("Thời điểm thực ở tương lai", "The real time lies ahead")
        if new.incident_id:
            # Another agency's incident is not there for who enters; one of the gateway is.
            incident = await self.incident(new.incident_id)
            if incident["agency"] not in {new.agency, EVERYWHERE}:
                raise RejectedError(Reason.NOT_FOUND)
        entry_id = self._context.ids.new()
        values = {
            "id": entry_id,
            "agency": new.agency,
            "direction": new.direction,
            "party": new.party.strip(),
            "notation": new.notation.strip()[:MAX_TITLE],
            "title": new.title.strip(),
            "means": new.means.strip(),
            "occurred_at": to_text(new.occurred_at),
            "entered_at": to_text(now),
            "entered_by": person.login,
            "reason": new.reason.strip(),
            "incident_id": new.incident_id,
        }
        await self._do(
            person, "outage-entered", f"outage-entry:{entry_id}", Insert("outage_entry", values),
            agency=new.agency, reason=new.reason, told={"occurred_at": values["occurred_at"]},
        )  # fmt: skip
        return entry_id

    # ------------------------------------------------------------ key devices

    async def devices(self, agency: str) -> Sequence[Row]:
        """Return an agency's key devices."""
        return await self._context.ledger.all("key_devices", agency=agency, limit=500)

    async def device(self, device_id: str) -> tuple[Row, Sequence[dict[str, Any]]]:
        """Return one and its way."""
        row = await self._one("key_device", device_id)
        events = await self._context.ledger.all(
            "events_of_many", ids=json.dumps([f"key-device:{device_id}"])
        )
        steps = [{"at": e["at"], "act": e["type"], **loads(e["data"])} for e in events]
        return row, steps[::-1]

    async def register_device(self, person: Person, new: NewDevice) -> str:
        """Enter a device."""
        for text in (new.serial, new.purpose, new.holder):
            _needed(text)
        device_id = self._context.ids.new()
        values = {
            "id": device_id,
            "agency": new.agency,
            "serial": new.serial.strip(),
            "purpose": new.purpose.strip(),
            "certificate": new.certificate.strip()[:MAX_TITLE],
            "valid_to": new.valid_to or None,
            "holder": new.holder.strip(),
            "permission": new.permission.strip()[:MAX_TITLE],
            "state": DeviceState.HELD.value,
            "since": to_text(self._context.clock.now()),
            "note": new.note.strip()[:MAX_TEXT],
        }
        await self._do(
            person, "key-device-registered", f"key-device:{device_id}",
            Insert("key_device", values), agency=new.agency, told={"holder": values["holder"]},
        )  # fmt: skip
        return device_id

    async def move_device(
        self, person: Person, device_id: str, act: str, *, holder: str, permission: str, note: str
    ) -> None:
        """Take one step."""
        row, _ = await self.device(device_id)
        after = DEVICE_STEPS.get((DeviceState(row["state"]), act))
        if after is None:
            raise RejectedError(Reason.ILLEGAL_TRANSITION, f"{act}: it is {row['state']}")
        if act == "hand-over":
            # ORG-09 (NĐ30 art 32-33): to somebody else only with a written permission and a record.
            _needed(holder)
            if not permission.strip():
                raise _wrong(
                    "Giao thiết bị cho người khác cần văn bản cho phép",
                    "Handing it to somebody else needs a written permission",
                )
        now = self._context.clock.now()
        values = {"state": after.value, "since": to_text(now), "note": note.strip()[:MAX_TEXT]}
        told = {"from": row["holder"]}
        if act == "hand-over":
            values |= {"holder": holder.strip(), "permission": permission.strip()[:MAX_TITLE]}
            told["holder"] = holder.strip()
        where = {"id": device_id, "state": row["state"], "holder": row["holder"]}
        changes: list[Change] = [Update("key_device", where, values)]
        if act == "lose":
            changes.append(self._lost(person, row, note))
        await self._do(
            person, f"key-device-{act}", f"key-device:{device_id}", *changes,
            agency=row["agency"], reason=permission or note, told=told,
        )  # fmt: skip

    def _lost(self, person: Person, row: Row, note: str) -> Insert:
        """Return the incident of a lost device (OPS-09): it is open until somebody ends it."""
        now = to_text(self._context.clock.now())
        values = {
            "id": self._context.ids.new(),
            "agency": row["agency"],
            "kind": IncidentKind.KEY.value,
            "title": f"Mất thiết bị lưu khóa {row['serial']}"[:MAX_TITLE],
            "detail": note.strip()[:MAX_TEXT],
            "subject": f"key-device:{row['id']}",
            "occurred_at": now,
            "opened_by": person.login,
            "opened_at": now,
        }
        return Insert("incident", values)

    # ------------------------------------------------------------ pieces

    async def _one(self, query: str, row_id: str) -> Row:
        row = await self._context.ledger.one(query, id=row_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _do(
        self,
        person: Person,
        action: str,
        target: str,
        *changes: Change,
        agency: str = "",
        reason: str = "",
        code: str = "",
        told: Mapping[str, Any] | None = None,
    ) -> None:
        context = self._context
        proof = audited(
            context.ids, context.clock.now(), action=action, actor=person.login, target=target,
            agency=agency, reason=reason, code=code, told=told,
        )  # fmt: skip
        done = await context.ledger.commit(ChangeSet(rows=(*changes, *proof)))
        if isinstance(done, Conflict):
            raise RejectedError(Reason.CONFLICT, "it was changed meanwhile, or it is there already")


def _needed(text: str, most: int = MAX_TITLE) -> None:
    if not text.strip():
        raise _wrong("Còn trường bắt buộc để trống", "A field that is needed is empty")
    _bounded(text, most)


def _bounded(text: str, most: int = MAX_TEXT) -> None:
    if len(text) > most:
        raise _wrong(
            f"Một trường dài quá {most} ký tự", f"A field is longer than {most} characters"
        )


def _wrong(vi: str, en: str) -> RejectedError:
    return RejectedError(Reason.BAD_REQUEST, f"{vi} / {en}")


def _text(found: Integrity) -> str:
    return dumps(asdict(found))


def _integrity(text: str) -> Integrity | None:
    if not text:
        return None
    value = loads(text)
    return Integrity(**{**value, "blobs_wrong": tuple(value["blobs_wrong"])})
