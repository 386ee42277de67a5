"""One demo run: two signed letters, their recipients' receipts, and the timeline of each.

Speaks to the gateway as an agency's system does, over HTTP. Raises UnavailableError with the reason
when the receipts do not come in time.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from gateway.demo.letters import Letter, make_letter, sign_twice
from gateway.demo.people import CLERKS_AGENCY
from gateway.demo.world import SIGNER, World
from gateway.domain.moments import VIETNAM
from gateway.errors import UnavailableError

Say = Callable[[str], None]
SENDER: Final = "H37.02"
_PATIENCE_S: Final = 60.0
VERDICTS: Final = {
    "valid": "hợp lệ",
    "invalid": "KHÔNG hợp lệ",
    "indeterminate": "CHƯA XÁC ĐỊNH ĐƯỢC",
    "unsigned": "không ký số",
    "unreadable": "không đọc được",
    "pending": "đang kiểm tra",
}
"""A verdict as the timeline says it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A letter to send: number, subject, urgency (0 thường … 3 hỏa tốc), recipients' codes."""

    number: str
    subject: str
    urgency: int
    to: tuple[tuple[str, str], ...]


PLANS: Final = (
    Plan(
        "412",
        "V/v ứng phó khẩn cấp với mưa lũ trên địa bàn tỉnh",
        3,
        (("H37.04", "Sở Tài chính tỉnh Lạng Sơn"), ("G09", "Bộ Nội vụ")),
    ),
    Plan(
        "413",
        "V/v rà soát vị trí việc làm năm 2027",
        0,
        (("H37.61", "UBND phường Lương Văn Tri"), (CLERKS_AGENCY, "UBND phường Kỳ Lừa")),
    ),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter accepted by the gateway, and how long it took to make and to accept."""

    plan: Plan
    consignment_id: str
    pdf: bytes
    accepted_s: float


async def run_once(world: World, say: Say) -> dict[str, Any]:
    """Send both letters, wait for every receipt, and return the timelines.

    Args:
        world: Running.
        say: Called with each step, Vietnamese, as it is done.

    Raises:
        UnavailableError: A receipt did not come within a minute.
    """
    headers = {"Authorization": f"Bearer {world.keys[SENDER]}"}
    began = time.monotonic()
    async with aiohttp.ClientSession(headers=headers) as session:
        api = Api(session, world.gateway.url)
        letters = [await _send(world, api, plan, say) for plan in PLANS]
        made_s = time.monotonic() - began
        documents = [await _wait(api, letter, say) for letter in letters]
        timelines = [await _timeline(api, d) for d in documents]
        for letter, timeline in zip(letters, timelines, strict=True):
            timeline["report"] = await _report(world, api, letter, say)
    return {
        "url": world.gateway.url,
        "folder": str(world.folder),
        "people": [
            {
                "login": who.login,
                "name": who.name,
                "roles": list(who.roles),
                "link": world.gateway.url + who.path,
            }
            for who in world.people
        ],
        "documents": timelines,
        "seconds": {
            "letters": round(made_s, 2),
            "exchange": round(max(map(_exchange_s, timelines)), 2),
        },
    }


def _exchange_s(timeline: dict[str, Any]) -> float:
    """Return the seconds from acceptance to the last receipt of a document."""
    last = max(r["at"] for who in timeline["recipients"] for r in who["receipts"])
    accepted = datetime.fromisoformat(timeline["accepted_at"])
    return (datetime.fromisoformat(last) - accepted).total_seconds()


class Api:
    """The few calls of the HTTP API a sender needs."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/api/v1"

    async def get(self, path: str) -> Any:
        """Return the JSON behind a path."""
        async with self._session.get(self._url + path) as answer:
            return await self._checked(answer)

    async def report(self, consignment_id: str) -> tuple[bytes, str]:
        """Return a document's report on paper, and what is said of its seal."""
        url = f"{self._url}/documents/{consignment_id}/verification?format=pdf"
        async with self._session.get(url) as answer:
            if answer.status != 200:
                await self._checked(answer)
            return await answer.read(), answer.headers.get("X-Report-Seal", "none")

    async def send(self, metadata: dict[str, Any], pdf: bytes, name: str, key: str) -> Any:
        """Submit one document as fields and a file."""
        form = aiohttp.FormData()
        form.add_field("metadata", json.dumps(metadata), content_type="application/json")
        form.add_field("file", pdf, filename=name, content_type="application/pdf")
        headers = {"Idempotency-Key": key}
        url = f"{self._url}/documents"
        async with self._session.post(url, data=form, headers=headers) as answer:
            return await self._checked(answer)

    async def _checked(self, answer: aiohttp.ClientResponse) -> Any:
        body = await answer.json(content_type=None)
        if answer.status >= 400:
            text = json.dumps(body, ensure_ascii=False)
            raise UnavailableError(public=f"the gateway answered {answer.status}: {text}")
        return body


async def _send(world: World, api: Api, plan: Plan, say: Say) -> Sent:
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    letter = Letter(
        agency="SỞ NỘI VỤ",
        parent="UBND TỈNH LẠNG SƠN",
        number=plan.number,
        notation="SNV-VP",
        place="Lạng Sơn",
        dated=today,
        subject=plan.subject,
        body=_BODY,
        to=tuple(name for _, name in plan.to),
        recipients=("Như trên",),
        signer=SIGNER.name,
        urgency="HỎA TỐC" if plan.urgency else "",
    )
    pdf = await asyncio.to_thread(make_letter, letter)
    pki = world.pki
    signed = await asyncio.to_thread(sign_twice, pdf, pki, pki.person(), pki.agency(SENDER))
    name = f"{plan.number}-SNV-VP.signed.pdf"
    await asyncio.to_thread((world.folder / name).write_bytes, signed)
    say(f"Đã ký hai lần, có dấu thời gian: {name} ({len(signed) // 1024} KB)")
    metadata = {
        "sender": {"organ_id": SENDER, "organ_name": "Sở Nội vụ tỉnh Lạng Sơn"},
        "recipients": [{"organ_id": code, "organ_name": who} for code, who in plan.to],
        "code_number": plan.number,
        "code_notation": "SNV-VP",
        "place": "Lạng Sơn",
        "promulgation_date": today.isoformat(),
        "type_code": 2,
        "type_name": "Công văn",
        "subject": plan.subject,
        "signer": {"position": SIGNER.title, "full_name": SIGNER.name},
        "urgency": plan.urgency,
    }
    began = time.monotonic()
    answer = await api.send(metadata, signed, name, f"demo-{plan.number}")
    took = time.monotonic() - began
    say(
        f"Cổng đã nhận {answer['document_id']}: chữ ký {VERDICTS[answer['verification']]}, "
        f"{len(answer['deliveries'])} nơi nhận, {took * 1000:.0f} ms"
    )
    return Sent(plan, answer["id"], signed, took)


async def _report(world: World, api: Api, letter: Sent, say: Say) -> str:
    """Fetch the sealed report of a document and put it beside the letter; return where."""
    pdf, seal = await api.report(letter.consignment_id)
    path = world.folder / f"{letter.plan.number}-SNV-VP.bao-cao.pdf"
    await asyncio.to_thread(path.write_bytes, pdf)
    say(f"Báo cáo kiểm tra chữ ký (PDF/A, niêm phong {seal}): {path.name}")
    return str(path)


_BODY: Final = (
    (
        "Thực hiện chỉ đạo của Ủy ban nhân dân tỉnh, Sở Nội vụ đề nghị các cơ quan, đơn vị khẩn "
        "trương triển khai các nhiệm vụ được giao, báo cáo kết quả về Sở Nội vụ trước ngày 25 hằng "
        "tháng."
    ),
    (
        "Trong quá trình thực hiện, nếu có khó khăn, vướng mắc, đề nghị phản ánh về Văn phòng Sở "
        "để được hướng dẫn./."
    ),
)


async def _wait(api: Api, letter: Sent, say: Say) -> dict[str, Any]:
    """Follow one document until every recipient's system accepted it (03).

    Where a clerk works in the console it has arrived (01): accepting is left to the reader.
    """
    seen: dict[str, str] = {}
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        document: dict[str, Any] = await api.get(f"/documents/{letter.consignment_id}")
        for delivery in document["deliveries"]:
            code = delivery["last_status"]
            if code and seen.get(delivery["agency"]) != code:
                seen[delivery["agency"]] = code
                say(f"Hồi báo {code} từ {delivery['name']}: {delivery['state_text']}")
        if all(map(_is_there, document["deliveries"])):
            return document
        await asyncio.sleep(0.1)
    open_ones = [
        f"{d['agency']}: {d['state_text']} {d['reason']}".strip()
        for d in document["deliveries"]
        if not _is_there(d)
    ]
    raise UnavailableError(public="receipts are missing: " + "; ".join(open_ones))


def _is_there(delivery: dict[str, Any]) -> bool:
    wanted = {"arrived", "accepted"} if delivery["agency"] == CLERKS_AGENCY else {"accepted"}
    return delivery["state"] in wanted


async def _timeline(api: Api, document: dict[str, Any]) -> dict[str, Any]:
    """Return per recipient what happened when."""
    events = await api.get(f"/documents/{document['id']}/events")
    events = events["items"] if isinstance(events, dict) else events
    recipients = []
    for delivery in document["deliveries"]:
        receipts = [
            {"code": e["data"]["code"], "at": e["at"]}
            for e in events
            if e["type"] == "status" and e["data"].get("agency") == delivery["agency"]
        ]
        recipients.append(
            {
                "agency": delivery["agency"],
                "name": delivery["name"],
                "hop": delivery["hop"],
                "state": delivery["state"],
                "left_at": delivery["left_at"],
                "acknowledged_at": delivery["acknowledged_at"],
                "entered_system_at": delivery["entered_system_at"],
                "attempts": delivery["attempts"],
                "receipts": receipts,
            }
        )
    keys = (
        "id",
        "document_id",
        "subject",
        "urgency",
        "number",
        "verification",
        "legal_class",
        "accepted_at",
        "issued_at",
        "sent_at",
    )
    return {k: document[k] for k in keys} | {"recipients": recipients}
