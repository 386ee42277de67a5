"""Duties around the traffic: incidents, maintenance, entries after an outage, key devices."""

import functools
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Final

from gateway.console.pages import (
    BASE,
    Answer,
    Banner,
    Group,
    HiddenError,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Thing,
    Visit,
    Whose,
)
from gateway.domain.access import EVERYWHERE, Person, Right
from gateway.domain.duties import (
    DEVICE_ACTS,
    DEVICE_STEPS,
    DEVICE_TEXTS,
    INCIDENT_TEXTS,
    MAINTENANCE_TEXTS,
    NOTICE_TEXTS,
    TABLE_TEXTS,
    TELLING_TEXTS,
    WAY_TEXTS,
    DeviceState,
    IncidentKind,
    MaintenanceState,
)
from gateway.domain.moments import VIETNAM, from_text
from gateway.ports import Row
from gateway.ports.duties import Duties, NewDevice, NewIncident, NewMaintenance, NewOutageEntry

INCIDENTS: Final = "/incidents"
MAINTENANCE: Final = "/maintenance"
OUTAGE: Final = "/outage-entries"
KEYS: Final = "/key-devices"

Work = Callable[[Duties, Visit], Awaitable[Answer]]
Find = Callable[[Duties, Visit], Awaitable[Thing]]


def section(duties: Duties) -> Section:
    """Return the section."""

    def page(
        path: str,
        name: str,
        work: Work,
        *,
        form: bool = False,
        about: Find | Whose | None = None,
    ) -> Page:
        handler = functools.partial(work, duties)
        finder = functools.partial(about, duties) if callable(about) else about
        right = Right.DUTIES
        if form:
            return Page("POST", path, name, handler, right, takes="form", about=finder, seen="")
        return Page("GET", path, name, handler, right, about=finder, seen="")

    incident, maintenance, device = (f"{p}/{{id}}" for p in (INCIDENTS, MAINTENANCE, KEYS))
    return Section(
        pages=(
            page(INCIDENTS, "incidents", _incidents),
            page(INCIDENTS, "incident-open", _open_incident, form=True),
            page(incident, "incident", _incident, about=_about_incident),
            page(incident, "incident-change", _change_incident, form=True, about=_about_incident),
            page(MAINTENANCE, "maintenances", _maintenances),
            page(MAINTENANCE, "maintenance-announce", _announce, form=True),
            page(maintenance, "maintenance", _maintenance, about=Whose.ANYBODY),
            page(maintenance, "maintenance-step", _step, form=True, about=Whose.GATEWAY),
            page(OUTAGE, "outage-entries", _outages),
            page(OUTAGE, "outage-enter", _enter_outage, form=True),
            page(KEYS, "key-devices", _devices),
            page(KEYS, "key-device-register", _register, form=True),
            page(device, "key-device", _device, about=_about_device),
            page(device, "key-device-move", _move, form=True, about=_about_device),
        ),
        nav=(
            Nav(INCIDENTS, "Sự cố", "Incidents", Group.DUTIES, Right.DUTIES, 80),
            Nav(MAINTENANCE, "Bảo trì", "Maintenance", Group.DUTIES, Right.DUTIES, 82),
            Nav(OUTAGE, "Nhập bù sau sự cố", "After an outage", Group.DUTIES, Right.DUTIES, 84),
            Nav(KEYS, "Thiết bị lưu khóa", "Key devices", Group.DUTIES, Right.DUTIES, 86),
        ),
    )


async def banners(duties: Duties, person: Person | None) -> tuple[Banner, ...]:
    """Return the notices of maintenance (OPS-06 (S003 art 21.3): units know before it begins)."""
    if person is None:
        return ()
    return tuple(_notice(row) for row in await duties.ahead())


def _notice(row: Row) -> Banner:
    first, last = _shown(row["planned_from"]), _shown(row["planned_to"])
    if row["state"] == MaintenanceState.RUNNING:
        return Banner(
            Say(
                f"Đang bảo trì: {row['title']} (đến {last})",
                f"Maintenance: {row['title']} (to {last})",
            )
        )
    return Banner(
        Say(
            f"Bảo trì từ {first} đến {last}: {row['title']}",
            f"Maintenance from {first} to {last}: {row['title']}",
        ),
        "none",
    )


def _shown(text: str) -> str:
    return from_text(text).astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")


# ---------------------------------------------------------------- incidents


async def _incidents(duties: Duties, visit: Visit) -> Answer:
    return await _incident_list(duties, visit)


async def _incident_list(
    duties: Duties, visit: Visit, faults: Sequence[Say] = (), status: int = 200
) -> Shown:
    state = "closed" if visit.query("state") == "closed" else "open"
    agencies = sorted(visit.me.agencies(Right.DUTIES))
    rows = await duties.incidents(agencies, state, visit.query("before"))
    values = {
        "rows": rows,
        "state": state,
        "kinds": _kinds(visit),
        "texts": INCIDENT_TEXTS,
        "agencies": [a for a in agencies if a],
        "everywhere": EVERYWHERE in agencies,
        "faults": faults,
        "now": visit.now.astimezone(VIETNAM).strftime("%Y-%m-%dT%H:%M"),
        "form": visit.form,
    }
    return Shown("duties-incidents.html.j2", values, status)


async def _open_incident(duties: Duties, visit: Visit) -> Answer:
    agency = visit.text("agency").upper()
    person = visit.must(Right.DUTIES, agency)
    at, kind = _moment(visit.text("occurred_at")), _kind(visit.text("kind"))
    if at is None or kind is None or not visit.text("title"):
        fault = Say("Cần loại, thời điểm và tiêu đề", "Kind, time and title are needed")
        return await _incident_list(duties, visit, [fault], 422)
    new = NewIncident(kind, visit.text("title"), at, agency, visit.text("detail"))
    incident_id = await duties.open_incident(person, new)
    return See(f"{BASE}{INCIDENTS}/{incident_id}", Say("Đã ghi sự cố", "The incident is recorded"))


async def _about_incident(duties: Duties, visit: Visit) -> Thing:
    row = await duties.incident(visit.request.match_info["id"])
    known = visit.me.may(Right.DUTIES, row["agency"])
    return Thing(row["agency"], f"incident:{row['id']}", known, row)


async def _incident(_: Duties, visit: Visit) -> Answer:
    row: Row = visit.thing.found
    values = {"row": row, "texts": INCIDENT_TEXTS, "notes": json.loads(row["notes"])}
    return Shown("duties-incident.html.j2", values)


async def _change_incident(duties: Duties, visit: Visit) -> Answer:
    incident_id = visit.request.match_info["id"]
    if visit.text("act") == "close":
        await duties.close_incident(visit.me, incident_id, outcome=visit.text("outcome"))
        told = Say("Đã kết thúc sự cố", "The incident is closed")
    else:
        await duties.note_incident(
            visit.me, incident_id, note=visit.text("note"), told=visit.text("told")
        )
        told = Say("Đã ghi chú", "Noted")
    return See(f"{BASE}{INCIDENTS}/{incident_id}", told)


# ---------------------------------------------------------------- maintenance


async def _maintenances(duties: Duties, visit: Visit) -> Answer:
    return await _maintenance_list(duties, visit)


async def _maintenance_list(
    duties: Duties, visit: Visit, faults: Sequence[Say] = (), status: int = 200
) -> Shown:
    values = {
        "rows": await duties.maintenances(visit.query("before")),
        "due": await duties.due(),
        "texts": MAINTENANCE_TEXTS,
        "may": visit.me.may(Right.DUTIES),
        "faults": faults,
        "form": visit.form,
    }
    return Shown("duties-maintenances.html.j2", values, status)


async def _announce(duties: Duties, visit: Visit) -> Answer:
    person = visit.must(Right.DUTIES)
    first, last = _moment(visit.text("planned_from")), _moment(visit.text("planned_to"))
    if first is None or last is None or not visit.text("title"):
        fault = Say("Cần tiêu đề, lúc bắt đầu và kết thúc", "Title, beginning and end are needed")
        return await _maintenance_list(duties, visit, [fault], 422)
    new = NewMaintenance(
        visit.text("title"),
        first,
        last,
        visit.text("detail"),
        visit.text("approval"),
        visit.text("mails"),
        units=bool(visit.text("units")),
    )
    maintenance_id = await duties.announce(person, new)
    told = Say(
        "Đã đăng thông báo trên đầu mọi trang. Ai được báo qua hệ thống, qua thư: xem bên dưới.",
        "The notice stands above every page. Who is told by a system or by mail: see below.",
    )
    return See(f"{BASE}{MAINTENANCE}/{maintenance_id}", told)


async def _maintenance(duties: Duties, visit: Visit) -> Answer:
    view = await duties.maintenance(visit.request.match_info["id"])
    may = visit.me.may(Right.DUTIES)
    values = {"view": view, "texts": MAINTENANCE_TEXTS, "tables": TABLE_TEXTS, "may": may}
    if may:
        # Addresses of persons: for who runs the maintenance alone.
        after = [visit.query(name)[:300] for name in ("act", "way", "whom")]
        values["reached"] = await duties.reached(view.row["id"], after)
        values |= {"acts": NOTICE_TEXTS, "ways": WAY_TEXTS, "tellings": TELLING_TEXTS}
    return Shown("duties-maintenance.html.j2", values)


async def _step(duties: Duties, visit: Visit) -> Answer:
    person = visit.must(Right.DUTIES)
    maintenance_id = visit.request.match_info["id"]
    await duties.step(person, maintenance_id, visit.text("act"), note=visit.text("note"))
    return See(f"{BASE}{MAINTENANCE}/{maintenance_id}", Say("Đã ghi", "Recorded"))


# ---------------------------------------------------------------- after an outage


async def _outages(duties: Duties, visit: Visit) -> Answer:
    return await _outage_list(duties, visit)


async def _outage_list(
    duties: Duties, visit: Visit, faults: Sequence[Say] = (), status: int = 200
) -> Shown:
    mine = sorted(a for a in visit.me.agencies(Right.DUTIES) if a)
    wanted = (visit.query("agency") or visit.text("agency")).upper()
    agency = wanted or (mine[0] if mine else "")
    if agency:
        visit.must(Right.DUTIES, agency)
    values = {
        "rows": await duties.outage_entries(agency, visit.query("before")),
        "agency": agency,
        "mine": mine,
        "open": await duties.incidents(sorted(visit.me.agencies(Right.DUTIES)), "open", ""),
        "faults": faults,
        "form": visit.form,
    }
    return Shown("duties-outage.html.j2", values, status)


async def _enter_outage(duties: Duties, visit: Visit) -> Answer:
    agency = visit.text("agency").upper()
    person = visit.must(Right.DUTIES, agency)
    at = _moment(visit.text("occurred_at"))
    needed = ("party", "title", "means", "reason")
    if at is None or not agency or not all(visit.text(name) for name in needed):
        fault = Say(
            "Cần đủ: thời điểm thực, bên gửi hoặc nhận, trích yếu, cách gửi, lý do",
            "Needed: the real time, the other side, the subject, the means, the reason",
        )
        return await _outage_list(duties, visit, [fault], 422)
    incident_id = visit.text("incident_id")
    if incident_id:
        _may_know(visit, (await duties.incident(incident_id))["agency"])
    new = NewOutageEntry(
        agency,
        visit.text("direction"),
        visit.text("party"),
        visit.text("title"),
        visit.text("means"),
        at,
        visit.text("reason"),
        visit.text("notation"),
        incident_id,
    )
    await duties.enter_outage(person, new)
    return See(f"{BASE}{OUTAGE}?agency={agency}", Say("Đã nhập bù", "Entered"))


# ---------------------------------------------------------------- key devices


async def _devices(duties: Duties, visit: Visit) -> Answer:
    return await _device_list(duties, visit)


async def _device_list(
    duties: Duties, visit: Visit, faults: Sequence[Say] = (), status: int = 200
) -> Shown:
    mine = sorted(a for a in visit.me.agencies(Right.DUTIES) if a)
    wanted = (visit.query("agency") or visit.text("agency")).upper()
    agency = wanted or (mine[0] if mine else "")
    if agency:
        visit.must(Right.DUTIES, agency)
    values = {
        "rows": await duties.devices(agency),
        "agency": agency,
        "mine": mine,
        "texts": DEVICE_TEXTS,
        "today": visit.now.astimezone(VIETNAM).date().isoformat(),
        "faults": faults,
        "form": visit.form,
    }
    return Shown("duties-devices.html.j2", values, status)


async def _register(duties: Duties, visit: Visit) -> Answer:
    agency = visit.text("agency").upper()
    person = visit.must(Right.DUTIES, agency)
    valid_to = visit.text("valid_to")
    if not agency or not all(visit.text(n) for n in ("serial", "purpose", "holder")):
        fault = Say("Cần số thiết bị, mục đích, người giữ", "Serial, purpose and holder are needed")
        return await _device_list(duties, visit, [fault], 422)
    if valid_to and _day(valid_to) is None:
        fault = Say("Ngày hết hạn không đúng", "The date of expiry is no date")
        return await _device_list(duties, visit, [fault], 422)
    new = NewDevice(
        agency,
        visit.text("serial"),
        visit.text("purpose"),
        visit.text("holder"),
        visit.text("permission"),
        visit.text("certificate"),
        valid_to,
        visit.text("note"),
    )
    device_id = await duties.register_device(person, new)
    return See(f"{BASE}{KEYS}/{device_id}", Say("Đã ghi thiết bị", "The device is recorded"))


async def _about_device(duties: Duties, visit: Visit) -> Thing:
    row, steps = await duties.device(visit.request.match_info["id"])
    known = visit.me.may(Right.DUTIES, row["agency"])
    return Thing(row["agency"], f"key-device:{row['id']}", known, (row, steps))


async def _device(_: Duties, visit: Visit) -> Answer:
    row, steps = visit.thing.found
    state = DeviceState(row["state"])
    acts = [(act, DEVICE_ACTS[act]) for held, act in DEVICE_STEPS if held is state]
    values = {"row": row, "steps": steps, "texts": DEVICE_TEXTS, "acts": acts, "names": DEVICE_ACTS}
    return Shown("duties-device.html.j2", values)


async def _move(duties: Duties, visit: Visit) -> Answer:
    device_id = visit.request.match_info["id"]
    await duties.move_device(
        visit.me,
        device_id,
        visit.text("act"),
        holder=visit.text("holder"),
        permission=visit.text("permission"),
        note=visit.text("note"),
    )
    return See(f"{BASE}{KEYS}/{device_id}", Say("Đã ghi", "Recorded"))


# ---------------------------------------------------------------- pieces


def _may_know(visit: Visit, agency: str) -> None:
    """Refuse what belongs to an agency the person has no duties for, as if it were not there."""
    if not visit.me.may(Right.DUTIES, agency):
        raise HiddenError


def _kinds(visit: Visit) -> list[tuple[str, str]]:
    return [(kind.value, visit.say(text.vi, text.en)) for kind, text in INCIDENT_TEXTS.items()]


def _kind(text: str) -> IncidentKind | None:
    return IncidentKind(text) if text in IncidentKind.__members__.values() else None


def _moment(text: str) -> datetime | None:
    """Return an instant typed as local time of Vietnam, None for none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=VIETNAM) if at.tzinfo is None else at


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
