"""What a simulated axis may do wrong, when, and what its answer looks like then.

A fault is planned for the next call of an operation (`plan`), or comes by chance (`Chance`). An
operation is named by the last part of its path (`sendEdoc`) or by what is done, in any dialect:
`send`, `list`, `fetch`, `acknowledge`, `sent`, `agencies`. With a seed the same calls meet the same
faults. Nothing is kept: a crash leaves nothing behind.
"""

import asyncio
import random
import re
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from aiohttp import web

from gateway.errors import Reason, RejectedError, UnavailableError

DOINGS: Final = ("send", "list", "fetch", "acknowledge", "sent", "agencies")
RETRY_AFTER_S: Final = 1


class Fault(StrEnum):
    """What the axis may do wrong; the value is its name on the command line."""

    LATENCY = "latency"
    ERROR_500 = "error-500"
    HTML = "html"
    EMPTY = "empty"
    GARBAGE = "garbage"
    NO_DATA = "no-data"
    UNAUTHORIZED = "unauthorized"
    NOT_OFFERED = "not-offered"
    BUSY = "busy"
    REFUSE = "refuse"
    DROP = "lose-request"
    LOSE_ANSWER = "lose-answer"
    TRUNCATED = "tear-answer"
    SLOW = "no-answer"
    SLOW_BYTES = "slow-bytes"
    DUPLICATE = "list-twice"
    HALF = "list-half"
    BACKWARDS = "list-backwards"
    SHUFFLED = "list-shuffled"
    PHANTOM = "list-phantom"
    SWAPPED = "other-packet"


MEANINGS: Final[dict[Fault, tuple[str, str]]] = {
    Fault.LATENCY: ("trả lời chậm chừng ấy", "answers that much later"),
    Fault.ERROR_500: ("lỗi HTTP 500, không làm gì", "HTTP 500, nothing done"),
    Fault.HTML: ("trang HTML thay câu trả lời", "an HTML page instead of an answer"),
    Fault.EMPTY: ("HTTP 200 không nội dung", "HTTP 200 with an empty body"),
    Fault.GARBAGE: ("HTTP 200 toàn byte vô nghĩa", "HTTP 200 with bytes that mean nothing"),
    Fault.NO_DATA: ("báo thành công, không dữ liệu", "success without what was asked for"),
    Fault.UNAUTHORIZED: ("401 như vừa đổi khóa", "401, as after a rotated secret"),
    Fault.NOT_OFFERED: ("404, không có thao tác", "404, the operation is not offered"),
    Fault.BUSY: ("báo bận, có Retry-After", "busy, with Retry-After"),
    Fault.REFUSE: ("từ chối, mã 18", "refused, code 18"),
    Fault.DROP: ("mất yêu cầu: ngắt trước khi làm", "request lost: cut before doing it"),
    Fault.LOSE_ANSWER: ("mất câu trả lời: làm rồi ngắt", "answer lost: done, then cut"),
    Fault.TRUNCATED: ("câu trả lời đứt giữa chừng", "half an answer, then cut"),
    Fault.SLOW: ("im lặng cho đến khi dừng", "silence until released"),
    Fault.SLOW_BYTES: ("gói tin chảy nhỏ giọt", "a packet comes drop by drop"),
    Fault.DUPLICATE: ("mỗi mục liệt kê hai lần", "every item listed twice"),
    Fault.HALF: ("danh sách thiếu một nửa", "half of the list"),
    Fault.BACKWARDS: ("danh sách ngược thứ tự", "the list backwards"),
    Fault.SHUFFLED: ("danh sách xáo trộn", "the list in any order"),
    Fault.PHANTOM: ("có mục không tồn tại", "an item that does not exist"),
    Fault.SWAPPED: ("đưa gói tin của mục khác", "hands out another item's packet"),
}

_INSTEAD: Final = frozenset(
    {Fault.ERROR_500, Fault.HTML, Fault.EMPTY, Fault.GARBAGE, Fault.NO_DATA}
    | {Fault.UNAUTHORIZED, Fault.NOT_OFFERED}
)
_UNDONE: Final = _INSTEAD | {Fault.DROP, Fault.SLOW}
"""Faults after which nothing was done."""


@dataclass(frozen=True, slots=True)
class Chance:
    """A fault that comes by chance.

    Args:
        fault: Which.
        share: 0…1 of the calls.
        where: Operation it is limited to; "" for all.
        least: Shortest delay of LATENCY.
        most: Longest delay of LATENCY.
    """

    fault: Fault
    share: float = 1.0
    where: str = ""
    least: timedelta = timedelta(0)
    most: timedelta = timedelta(0)


@dataclass(slots=True)
class Call:
    """One call of a client.

    Args:
        number: From 1.
        method: Of HTTP.
        operation: Last part of the path.
        doing: What it turned out to be, one of DOINGS; "" when it never came so far.
        system_id: Who called, once known.
        fault: What goes wrong with it.
        delay_s: How much later it is answered.
        subject: DocumentId or docId it is about, once known.
        note: Why it was refused.
        status: Of HTTP; 0 for a cut connection.
    """

    number: int
    method: str
    operation: str
    doing: str = ""
    system_id: str = ""
    fault: Fault | None = None
    delay_s: float = 0.0
    subject: str = ""
    note: str = ""
    status: int = 0


class Interrupted(BaseException):
    """The operation ends here, by plan: passes through every façade."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


present: ContextVar[Call | None] = ContextVar("simulated_call", default=None)
"""The call being served."""


class Faults:
    """Decides which call goes wrong, and how.

    Args:
        chances: What comes by chance.
        seed: Makes it come again; None = chance.
    """

    def __init__(self, chances: Sequence[Chance] = (), seed: int | None = None) -> None:
        self._chances = tuple(chances)
        self._seed = random.SystemRandom().getrandbits(64) if seed is None else seed
        self._planned: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._counts: Counter[str] = Counter()
        self._calls = 0

    def plan(self, operation: str, *faults: Fault) -> None:
        """Plan faults for the next calls of an operation, one each."""
        self._planned[operation].extend(faults)

    def forget(self, operation: str) -> None:
        """Forget what was planned for an operation."""
        self._planned[operation].clear()

    def begin(self, method: str, operation: str) -> Call:
        """Return a new call with what is to go wrong with it so far."""
        self._calls += 1
        call = Call(self._calls, method, operation)
        self._strike(call, operation, anywhere=True)
        return call

    def reached(self, doing: str, system_id: str, subject: str = "") -> None:
        """Note what the call being served does, and end it if that is to go wrong.

        Raises:
            Interrupted: By plan; nothing was done.
            GatewayError: The axis is busy, or refuses.
        """
        call = present.get()
        if call is None:
            return
        other = doing != call.doing
        call.doing, call.system_id, call.subject = doing, system_id, subject or call.subject
        if other and call.operation != doing:
            self._strike(call, doing, anywhere=False)
        match call.fault:
            case Fault.BUSY:
                raise UnavailableError(
                    Reason.UNAVAILABLE, "He thong ban", retry_after_s=RETRY_AFTER_S
                )
            case Fault.REFUSE:
                raise RejectedError(Reason.RECIPIENT_UNKNOWN, "Khong tim thay don vi nhan")
            case Fault() as fault if fault in _UNDONE:
                raise Interrupted(fault)
            case Fault.LOSE_ANSWER if doing == "fetch":
                raise Interrupted(Fault.DROP)

    def shuffled(self, rows: Sequence[object]) -> list[object]:
        """Return rows in another order, the same with the same seed."""
        found = list(rows)
        random.Random(f"{self._seed}/rows/{self._calls}").shuffle(found)  # noqa: S311
        return found

    def _strike(self, call: Call, name: str, *, anywhere: bool) -> None:
        """Choose what goes wrong with a call under one of its names."""
        self._counts[name] += 1
        planned = self._planned[name]
        if planned and call.fault is None:
            call.fault = planned.popleft()
        for chance in self._chances:
            if chance.where == name or (anywhere and not chance.where):
                self._roll(call, name, chance)

    def _roll(self, call: Call, name: str, chance: Chance) -> None:
        key = f"{self._seed}/{chance.fault}/{chance.where}/{name}/{self._counts[name]}"
        dice = random.Random(key)  # noqa: S311 - a game, not a secret
        if dice.random() >= chance.share:
            return
        if chance.fault is Fault.LATENCY:
            least, most = chance.least.total_seconds(), chance.most.total_seconds()
            call.delay_s += least + (most - least) * dice.random()
        elif call.fault is None:
            call.fault = chance.fault


# ---------------------------------------------------------------- as written on a command line

_ONE: Final = re.compile(
    r"(?P<name>[a-z0-9-]+)(?:@(?P<where>[A-Za-z0-9._-]+))?(?:=(?P<value>[^=]+))?"
)
_SPAN: Final = re.compile(
    r"(?P<least>\d+(?:\.\d+)?)(?P<unit>ms|s)(?:\.\.(?P<most>\d+(?:\.\d+)?)(?P<last>ms|s))?"
)
_SHARE: Final = re.compile(r"(?P<share>\d+(?:\.\d+)?)%")


def read_chances(text: str) -> tuple[Chance, ...]:
    """Return the chances a text names: `latency=200ms..2s,lose-answer@send=5%`.

    Raises:
        ValueError: Naming the piece that cannot be read.
    """
    return tuple(_read_one(piece.strip()) for piece in text.split(",") if piece.strip())


def _read_one(text: str) -> Chance:
    found = _ONE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    try:
        fault = Fault(found["name"])
    except ValueError:
        raise ValueError(text) from None
    where, value = found["where"] or "", found["value"] or ""
    if fault is not Fault.LATENCY:
        share = _SHARE.fullmatch(value or "100%")
        if share is None or float(share["share"]) > 100:
            raise ValueError(text)
        return Chance(fault, float(share["share"]) / 100, where)
    span = _SPAN.fullmatch(value)
    if span is None:
        raise ValueError(text)
    least = _length(span["least"], span["unit"])
    most = _length(span["most"], span["last"]) if span["most"] else least
    if most < least:
        raise ValueError(text)
    return Chance(fault, 1.0, where, least, most)


def _length(number: str, unit: str) -> timedelta:
    return timedelta(seconds=float(number) / (1000 if unit == "ms" else 1))


# ---------------------------------------------------------------- what it looks like


def drop(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Cut the connection."""
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response()


async def answered_wrongly(
    fault: Fault, request: web.Request, release: asyncio.Event
) -> web.StreamResponse | None:
    """Return the answer of a fault after which nothing was done; None for other faults."""
    if fault is Fault.SLOW:
        await release.wait()
    if fault in {Fault.SLOW, Fault.DROP}:
        return drop(request)
    return _instead(fault) if fault in _INSTEAD else None


def _instead(fault: Fault) -> web.Response:
    match fault:
        case Fault.ERROR_500:
            return web.Response(status=500, text="java.lang.NullPointerException")
        case Fault.HTML:
            return web.Response(text="<html><body>bảo trì</body></html>", content_type="text/html")
        case Fault.EMPTY:
            return web.Response()
        case Fault.GARBAGE:
            return web.Response(body=b"\x00\xff{\xfe", content_type="application/json")
        case Fault.UNAUTHORIZED:
            return _told("15", "Sai SystemId hoac SecretKey", 401)
        case Fault.NOT_OFFERED:
            return _told("404", "Not found", 404)
        case _:
            return _told("0", "Thanh cong", 200)


def _told(code: str, text: str, status: int) -> web.Response:
    """Return an answer that says code and words where every dialect's clients look for them."""
    good = code == "0"
    body = {
        "status": "OK" if good else "FAIL",
        "ErrorCode": code,
        "ErrorDesc": text,
        "success": good,
        "code": code,
        "message": text,
    }
    return web.json_response(body, status=status)


async def torn(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    """Send half of an answer that is ready, then cut the connection."""
    if not isinstance(whole, web.Response) or not isinstance(whole.body, bytes):
        return drop(request, whole)
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = max(2, len(whole.body))
    await response.prepare(request)
    await response.write(whole.body[: len(whole.body) // 2])
    return drop(request, response)
