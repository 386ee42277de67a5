"""Cảnh báo, trực, việc hôm nay: what is wrong, who takes it on, who is on duty, what a day holds.

An alert of an agency is for who has `Right.ALERTS` there, one of the gateway for who has it for the
whole gateway; operations may be read by who sees operations. Others' alerts do not exist. The
banner of a destination that is away is for everybody (SND-15), with the packets to carry by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.console.pages import (
    BASE,
    Answer,
    Banner,
    Group,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Thing,
    Visit,
)
from gateway.console.transfers import download
from gateway.domain.access import EVERYWHERE, Person, Right
from gateway.domain.moments import VIETNAM
from gateway.domain.watch import (
    KINDS,
    LEVELS,
    SEVERITY_TEXTS,
    STATE_TEXTS,
    TODAY_TEXTS,
    AlertKind,
    Severity,
    Turn,
)
from gateway.errors import RejectedError
from gateway.ports.watch import Alert, Alerts, TurnRow

PATH: Final = "/alerts"
_TONES: Final = {
    Severity.INFO: "none",
    Severity.WARNING: "doubt",
    Severity.URGENT: "bad",
    Severity.CRITICAL: "bad",
}
_TEXTS: Final = {
    "kinds": KINDS,
    "severities": SEVERITY_TEXTS,
    "states": STATE_TEXTS,
    "tones": _TONES,
}


def _readable(person: Person) -> frozenset[str]:
    """Return the agencies whose alerts a person sees in its list."""
    own = person.agencies(Right.ALERTS)
    return own | {EVERYWHERE} if person.may(Right.SEE_OPERATIONS) else own


def _may_read(person: Person, agency: str) -> bool:
    if agency == EVERYWHERE and person.may(Right.SEE_OPERATIONS):
        return True
    return person.may(Right.ALERTS, agency)


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages.

    Args:
        alerts: Alerts, roster, digest.
        names: Name of an agency, "" for an unknown one.
    """

    alerts: Alerts
    names: Callable[[str], str] = str

    # ------------------------------------------------------------ alerts

    async def listing(self, visit: Visit) -> Answer:
        """Show what stands."""
        agencies = _readable(visit.me)
        wanted = visit.query("agency")[:64]
        if wanted:
            if not _may_read(visit.me, wanted):
                visit.must(Right.ALERTS, wanted)
            agencies = frozenset({wanted})
        values = {"alerts": await self.alerts.standing(agencies), "agencies": sorted(agencies)}
        return Shown("alerts.html.j2", {**_TEXTS, **values, "agency": wanted})

    async def count(self, visit: Visit) -> Answer:
        """Answer how many stand: what the top bar asks for now and then."""
        found = await self.alerts.counts(_readable(visit.me))
        told = {"standing": found.standing, "untaken": found.untaken, "urgent": found.urgent}
        return web.json_response(told, headers={"Cache-Control": "no-store"})

    async def ended(self, visit: Visit) -> Answer:
        """Show what is over, for one agency or for the gateway."""
        agencies = sorted(_readable(visit.me))
        agency = visit.query("agency", agencies[0] if agencies else EVERYWHERE)[:64]
        if not _may_read(visit.me, agency):
            visit.must(Right.ALERTS, agency)
        rows, more = await self.alerts.ended(agency, visit.query("before")[:64])
        older = f"{BASE}{PATH}/ended?agency={agency}&before={more}" if more else ""
        values = {"alerts": rows, "agency": agency, "agencies": agencies, "older": older}
        return Shown("alerts-ended.html.j2", {**_TEXTS, **values})

    async def one(self, visit: Visit) -> Answer:
        """Show one, who was told of it, and the way to take it on."""
        alert: Alert = visit.thing.found
        values = {
            "alert": alert,
            "tellings": await self.alerts.tellings(alert.id),
            "may": visit.me.may(Right.ALERTS, alert.agency),
        }
        return Shown("alert.html.j2", {**_TEXTS, **values})

    async def acknowledge(self, visit: Visit) -> Answer:
        """Take one on, or end it with a reason."""
        alert: Alert = visit.thing.found
        if visit.text("do") == "end":
            await self.alerts.dismiss(alert.id, visit.text("note"), by=visit.me)
            told = Say("Đã kết thúc cảnh báo.", "The alert is ended.")
            return See(f"{BASE}{PATH}/{alert.id}", told)
        taken = await self.alerts.acknowledge(alert.id, visit.text("note"), by=visit.me)
        path = f"{BASE}{PATH}/{alert.id}"
        if taken.acknowledged_by != visit.me.login:
            told = Say("Đã có người khác nhận, hoặc đã hết.", "Somebody took it on, or it is over.")
            return See(path, told, good=False)
        return See(path, Say("Đã ghi nhận bạn xử lý.", "You have taken it on."))

    async def about(self, visit: Visit) -> Thing:
        """Find the alert of the path."""
        alert = await self.alerts.one(visit.request.match_info["id"])
        known = _may_read(visit.me, alert.agency)
        return Thing(alert.agency, f"alert:{alert.id}", known, alert)

    # ------------------------------------------------------------ the roster

    async def roster(self, visit: Visit) -> Answer:
        """Show who is on duty."""
        return await self._roster(visit)

    async def _roster(self, visit: Visit, fault: str = "", status: int = 200) -> Shown:
        mine = sorted(visit.me.agencies(Right.ALERTS))
        agency = visit.query("agency", visit.text("agency", mine[0] if mine else ""))[:64]
        visit.must(Right.ALERTS, agency)
        values = {
            "agency": agency,
            "agencies": mine,
            "turns": await self.alerts.turns(agency),
            "levels": range(1, LEVELS + 1),
            "form": visit.form,
            "fault": fault,
            "now": visit.now,
        }
        return Shown("duty-roster.html.j2", values, status=status)

    async def add_turn(self, visit: Visit) -> Answer:
        """Add a turn of duty."""
        agency = visit.text("agency")[:64]
        person = visit.must(Right.ALERTS, agency)
        try:
            level, begins, ends = (
                int(visit.text("level", "1")),
                _instant(visit.text("begins")),
                _instant(visit.text("ends")),
            )
            turn = Turn(agency, level, visit.text("name"), visit.text("mail"), begins, ends)
            await self.alerts.add_turn(turn, visit.text("phone"), by=person)
        except ValueError:
            return await self._roster(visit, "a time is written 2026-11-22T17:00", 422)
        except RejectedError as exc:
            return await self._roster(visit, exc.public, 422)
        return See(_roster_of(agency), Say("Đã thêm ca trực.", "The turn was added."))

    async def about_turn(self, visit: Visit) -> Thing:
        """Find the turn of the path."""
        row = await self.alerts.turn(visit.request.match_info["id"])
        known = visit.me.may(Right.ALERTS, row.turn.agency)
        return Thing(row.turn.agency, f"turn:{row.id}", known, row)

    async def remove_turn(self, visit: Visit) -> Answer:
        """End a turn of duty."""
        row: TurnRow = visit.thing.found
        await self.alerts.remove_turn(row.id, by=visit.me)
        return See(_roster_of(row.turn.agency), Say("Đã bỏ ca trực.", "The turn was removed."))

    # ------------------------------------------------------------ today, and what is held

    async def today(self, visit: Visit) -> Answer:
        """Show what lies before an agency (RPT-13)."""
        agency, mine = self._agency(visit)
        found = await self.alerts.today(agency) if agency else None
        return Shown(
            "today.html.j2",
            {
                "today": found,
                "agency": agency,
                "agencies": [(code, self.names(code) or code) for code in mine],
                "rows": TODAY_TEXTS,
            },
        )

    async def held(self, visit: Visit) -> Answer:
        """Show what waits for a destination that is away."""
        agency, mine = self._agency(visit)
        down = [a for a in await self.alerts.for_everybody() if a.subject.startswith("hop:")]
        rows = await self.alerts.held(agency) if agency else ()
        values = {"down": down, "held": rows, "agency": agency, "agencies": mine}
        return Shown("alerts-held.html.j2", values)

    async def packet(self, visit: Visit) -> Answer:
        """Give the packet of a document that waits, to be carried another way (SND-15)."""
        transfer_id = visit.request.match_info["id"]
        return await download(visit, await self.alerts.packet(transfer_id))

    async def about_packet(self, visit: Visit) -> Thing:
        """Find whose document waits in the transfer of the path."""
        agency, document = await self.alerts.sender_of(visit.request.match_info["id"])
        return Thing(agency, f"document:{document}", visit.me.may(Right.READ, agency))

    def _agency(self, visit: Visit) -> tuple[str, list[str]]:
        mine = visit.me.mine(Right.READ)
        agency = visit.query("agency", mine[0] if mine else "")[:64]
        if agency:
            visit.must(Right.READ, agency)
        return agency, mine

    # ------------------------------------------------------------ above every page

    async def banners(self, person: Person | None) -> tuple[Banner, ...]:
        """Return what everybody signed in sees."""
        if person is None:
            return ()
        return tuple(
            Banner(_outage(alert.subject, alert.since), "bad", f"{BASE}{PATH}/held")
            for alert in await self.alerts.for_everybody()
            if alert.kind is AlertKind.DESTINATION_DOWN
        )

    def section(self) -> Section:
        """Return the section."""
        see, may = (Right.ALERTS, Right.SEE_OPERATIONS), Right.ALERTS
        one = PATH + r"/{id:[0-9a-f-]{36}}"
        turn = PATH + r"/duty/{id:[0-9a-f-]{36}}"
        return Section(
            pages=(
                Page("GET", PATH, "alerts", self.listing, see),
                Page("GET", f"{PATH}/count", "alerts-count", self.count, quiet=True),
                Page("GET", f"{PATH}/ended", "alerts-ended", self.ended, see),
                Page("GET", f"{PATH}/duty", "duty-roster", self.roster, may),
                Page("POST", f"{PATH}/duty", "duty-add", self.add_turn, may, takes="form"),
                Page(
                    *("POST", f"{turn}/remove", "duty-remove", self.remove_turn, may),
                    takes="form",
                    about=self.about_turn,
                    seen="",
                ),
                Page("GET", f"{PATH}/held", "alerts-held", self.held, Right.READ),
                Page(
                    *("GET", f"{PATH}/held/{{id}}.edxml", "alerts-packet", self.packet),
                    right=Right.READ,
                    about=self.about_packet,
                    seen="packet",
                ),
                Page("GET", one, "alert", self.one, see, about=self.about, seen=""),
                Page(
                    *("POST", one, "alert-acknowledge", self.acknowledge, may),
                    takes="form",
                    about=self.about,
                    seen="",
                ),
                Page("GET", "/today", "today", self.today, Right.READ),
            ),
            nav=(
                Nav("/today", "Việc hôm nay", "Today", Group.CLERK, Right.READ, order=5),
                Nav(PATH, "Cảnh báo", "Alerts", Group.CLERK, Right.ALERTS, order=15),
            ),
        )


def _outage(subject: str, since: datetime) -> Say:
    hop = subject.removeprefix("hop:")
    at = since.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")
    return Say(
        f"{hop}: gián đoạn từ {at}, văn bản đã được giữ và sẽ tự gửi",
        f"{hop} has been away since {at}; documents are kept and leave by themselves",
    )


def _roster_of(agency: str) -> str:
    return f"{BASE}{PATH}/duty?agency={agency}"


def _instant(text: str) -> datetime:
    """Return an instant as a form has it: without a zone it is Vietnam's (TIM-02)."""
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=VIETNAM) if read.tzinfo is None else read


def section(alerts: Alerts, names: Callable[[str], str] = str) -> Section:
    """Return the section."""
    return Pages(alerts, names).section()
