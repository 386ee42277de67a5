"""The flow board: lanes, ages, destinations, throughput; live while it is open.

Promises: one board is made for all who look; a stream sends only the parts that changed, asks
before each look whether who looks is still signed in and may (ACC-03: a lock counts at once), ends
after a minute and goes on by itself; without script the page is the same board as of its loading.
Keeps nothing.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from gateway.console import render
from gateway.console.charts import Chart, Series, lines
from gateway.console.pages import Answer, Group, Nav, Page, Say, Section, See, Shown, Visit, Whose
from gateway.console.sections.ops_shared import HOME, LANES, OPS, acting, age, seeing
from gateway.domain.access import Right
from gateway.domain.moments import VIETNAM
from gateway.errors import Reason, RejectedError
from gateway.ports.operations import Board, FlowPoint, Operating, OpsDesk
from gateway.web.server import HOUSE

_PARTS: Final = ("figures", "lanes", "destinations", "charts")
_TOGETHER: Final = 5
_LOOK_S: Final = 2.0
_LASTS: Final = 30
"""Looks of one stream: a minute."""
_WRITE_S: Final = 30.0
_HEADERS: Final = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
_URGENT: Final = 1
_SAID: Final = frozenset({"clock", "load", "restored"})
"""What they say beside `ok` is never good news."""


class BoardPages:
    """Handlers of the board and of destinations."""

    def __init__(self, desk: OpsDesk, operating: Operating) -> None:
        self._desk = desk
        self._operating = operating

    async def board(self, visit: Visit) -> Answer:
        """Show the board."""
        seeing(visit)
        return Shown("ops-board.html.j2", _values(await self._desk.board(), visit))

    async def stream(self, visit: Visit) -> Answer:
        """Send the parts of the board that change."""
        seeing(visit)
        response = web.StreamResponse(headers={**_HEADERS, "Content-Security-Policy": render.CSP})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        await response.prepare(visit.request)
        if visit.request.method == "HEAD":
            return response
        ending = visit.request.app[HOUSE].gate.ending
        await _write(response, f"retry: {int(_LOOK_S * 1000)}\n\n")
        sent: dict[str, str] = {}
        for _ in range(_LASTS):
            if not await _still(visit):
                break
            parts = _parts(await self._desk.board(), visit)
            changed = {name: html for name, html in parts.items() if sent.get(name) != html}
            sent = parts
            body = json.dumps(changed, ensure_ascii=False)
            await _write(response, f"event: board\ndata: {body}\n\n" if changed else ": \n\n")
            if await _ended(ending):
                break
        await response.write_eof()
        return response

    async def destination(self, visit: Visit) -> Answer:
        """Show one destination."""
        seeing(visit)
        hop = visit.request.match_info["hop"]
        found = await self._desk.destination(hop)
        board = await self._desk.board()
        values = {"at": board.at, "one": found, "age": _ages(board, visit)}
        return Shown("ops-destination.html.j2", values)

    async def hold(self, visit: Visit) -> Answer:
        """Hold a destination, or let it go on."""
        reason, by = acting(visit)
        hop = visit.request.match_info["hop"]
        if visit.text("do") == "release":
            await self._operating.do(lambda s: s.release_wide("hop", hop, reason=reason, by=by))
            told = Say(f"Đã cho {hop} gửi tiếp", f"{hop} goes on")
        else:
            await self._known(hop)
            await self._operating.do(lambda s: s.hold_wide("hop", hop, reason=reason, by=by))
            told = Say(f"Đã giữ {hop}", f"{hop} is held")
        return See(f"{HOME}/destinations/{quote(hop, safe=':')}", told)

    async def _known(self, hop: str) -> None:
        """Refuse to hold what nothing goes to: a misspelt name would hold nothing, unnoticed."""
        if hop in {one.hop for one in (await self._desk.board()).destinations}:
            return
        found = await self._desk.destination(hop)
        if not (found.waiting or found.failed):
            raise RejectedError(
                Reason.NOT_FOUND, f"không có nơi nhận {hop} / there is no destination {hop}"
            )


async def _still(visit: Visit) -> bool:
    """Tell whether who looks may still do so: signed out, locked, a role taken away are seen."""
    person = await visit.again()
    return person is not None and person.may(Right.SEE_OPERATIONS)


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_WRITE_S):
        await response.write(text.encode())


async def _ended(ending: asyncio.Event) -> bool:
    """Wait until the next look; True when the stream must end."""
    try:
        async with asyncio.timeout(_LOOK_S):
            await ending.wait()
    except TimeoutError:
        return False
    return True


# ---------------------------------------------------------------- what is shown


def _ages(board: Board, visit: Visit) -> Any:
    return lambda since: age(since, board.at, visit.lang)


def _parts(board: Board, visit: Visit) -> dict[str, str]:
    values = _values(board, visit)
    return {
        name: render.render(f"ops-board-{name}.html.j2", visit.lang, values).decode()
        for name in _PARTS
    }


def _values(board: Board, visit: Visit) -> Mapping[str, Any]:
    lanes = board.lanes
    urgent = [lane for lane in lanes if lane.lane >= _URGENT and lane.waiting + lane.deferred]
    last = [p for p in board.flow[-_TOGETHER:] if p.accepted is not None]
    return {
        "board": board,
        "person": visit.me,
        "lane_names": LANES,
        "age": _ages(board, visit),
        "waiting": sum(lane.waiting + lane.deferred + lane.sending for lane in lanes),
        "failed": sum(lane.failed for lane in lanes),
        "oldest": min((lane.oldest for lane in lanes if lane.oldest), default=None),
        "urgent": sum(lane.waiting + lane.deferred for lane in urgent),
        "stopped": [d for d in board.destinations if d.breaker or d.held_by],
        "accepted": _per_minute(last, "accepted"),
        "delivered": _per_minute(last, "delivered"),
        "receipts": _per_minute(last, "receipts"),
        "wrong": wrong_of(board.checks),
        "charts": _charts(board.flow, visit),
    }


def wrong_of(checks: Mapping[str, str]) -> dict[str, str]:
    """Return the checks somebody should look at: failed ones, and those that say so beside ok."""
    return {
        name: said
        for name, said in checks.items()
        if not f"{said} ".startswith("ok ") or (said != "ok" and name in _SAID)
    }


def _per_minute(points: list[FlowPoint], name: str) -> float | None:
    known = [getattr(p, name) for p in points if getattr(p, name) is not None]
    return sum(known) / len(known) if known else None


def _charts(flow: tuple[FlowPoint, ...], visit: Visit) -> tuple[Any, ...]:
    groups = [flow[i : i + _TOGETHER] for i in range(0, len(flow), _TOGETHER)]
    labels = tuple(group[0].at.astimezone(VIETNAM).strftime("%H:%M") for group in groups)

    def series(vi: str, en: str, name: str, tone: str = "") -> Series:
        values = tuple(_per_minute(list(group), name) for group in groups)
        return Series(visit.say(vi, en), values, tone)

    head, figures = visit.say("Lúc", "At"), visit.say("Số liệu", "Figures")
    return (
        lines(
            Chart(
                visit.say("Lưu lượng mỗi phút", "Throughput per minute"),
                labels,
                (
                    series("Tiếp nhận", "Accepted", "accepted"),
                    series("Đã giao", "Delivered", "delivered"),
                    series("Đến", "Arrived", "arrived"),
                    series("Hồi báo", "Receipts", "receipts"),
                    series("Lỗi", "Failed", "failed", "bad"),
                ),
                about=visit.say(
                    "Trung bình mỗi phút, theo từng 5 phút của 2 giờ qua, mọi nút.",
                    "Mean per minute, in steps of 5 minutes over the last 2 hours, all nodes.",
                ),
                head=head,
                figures=figures,
            )
        ),
        lines(
            Chart(
                visit.say("Thời gian xử lý", "Latency"),
                labels,
                (
                    series("Tiếp nhận", "Acceptance", "accept_s"),
                    series("Một lần gửi", "One attempt", "transfer_s"),
                ),
                about=visit.say("Trung bình, tính bằng giây.", "Means, in seconds."),
                unit="s",
                head=head,
                figures=figures,
            )
        ),
    )


def section(desk: OpsDesk, operating: Operating) -> Section:
    """Return the section."""
    pages = BoardPages(desk, operating)
    see, act = Right.SEE_OPERATIONS, Right.OPERATE
    return Section(
        pages=(
            Page("GET", OPS, "ops-board", pages.board, see),
            Page("GET", f"{OPS}/stream", "ops-stream", pages.stream, see, streams=True),
            Page(
                "GET",
                f"{OPS}/destinations/{{hop}}",
                "ops-destination",
                pages.destination,
                see,
                about=Whose.GATEWAY,
            ),
            Page(
                "POST",
                f"{OPS}/destinations/{{hop}}",
                "ops-destination-hold",
                pages.hold,
                act,
                takes="form",
                about=Whose.GATEWAY,
            ),
        ),
        nav=(Nav(OPS, "Bảng vận hành", "Flow board", Group.OPERATIONS, see, 10),),
    )
