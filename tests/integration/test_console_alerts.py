"""Pages of alerts, the duty roster, today. Rules: SND-15, RCV-05, RPT-13, ACC-06, AUD-03."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.console.sections import alerts, home
from gateway.domain.directory import Agency, Directory
from gateway.domain.moments import to_text
from gateway.domain.worktime import default_hours
from gateway.ports import ChangeSet, Insert
from gateway.programs.leases import Alone
from gateway.programs.watch.documents import Waits
from gateway.programs.watch.keeping import LedgerAlerts
from gateway.programs.watch.machine import Facts
from gateway.programs.watch.program import Told, Watch
from gateway.stores import UuidIds
from tests.world.console import (
    ADMIN,
    CLERK,
    NOBODY,
    OPERATOR,
    OTHER_CLERK,
    FakeTrail,
    SetClock,
    console_site,
)
from tests.world.ledger_rows import arrival, consignment, delivery
from tests.world.memory_blobs import MemoryBlobs
from tests.world.memory_ledger import MemoryLedger


@pytest.fixture
async def world():
    clock, ledger, trail = SetClock(), MemoryLedger(), FakeTrail()
    agencies = [Agency("H37.61", "UBND phường", hop="local:H37.61", console=True)]
    context: Any = SimpleNamespace(
        ledger=ledger,
        clock=clock,
        ids=UuidIds(),
        blobs=MemoryBlobs(),
        leases=Alone(),
        calendar=lambda _: default_hours(),
        directory=lambda: Directory(agencies),
        disk_days=None,
    )
    watch = Watch(context, Facts(measured=timedelta), Waits(), Told())
    pages = alerts.Pages(LedgerAlerts(context, context))
    async with console_site(
        home.section(), pages.section(), clock=clock, trail=trail, banners=pages.banners
    ) as site:
        yield SimpleNamespace(
            site=site, watch=watch, ledger=ledger, clock=clock, trail=trail, context=context
        )
    ledger.close()


async def put(world, *rows):
    await world.ledger.commit(ChangeSet(rows=rows))


async def urgent(world, agency="H37.61", **more):
    at = to_text(world.clock.at - timedelta(hours=1))
    times = dict.fromkeys(("at_gateway_at", "entered_system_at", "received_at_legal"), at)
    row_id = UuidIds().new()
    values = {"urgency": 3, "state": "taken", "agency": agency, **times, **more}
    await put(world, arrival(row_id, **values))
    await world.watch.look()


async def alert_id(world, kind="urgent-waiting"):
    row = world.ledger.connection.execute("SELECT id FROM alert WHERE kind = ?", (kind,))
    return row.fetchone()["id"]


def entries(world):
    """Return what was done, and for which agency: its own auditor must find it (AUD-03)."""
    asked = "SELECT action, agency FROM receipt_entry WHERE kind = 'audit' ORDER BY rowid"
    return [(row["action"], row["agency"]) for row in world.ledger.connection.execute(asked)]


async def test_a_clerk_sees_takes_on_and_is_named(world):
    await urgent(world)
    lan = await world.site.visitor(CLERK)
    listed = await lan.get("/alerts")
    assert "Văn bản khẩn đang chờ xử lý" in listed.words
    assert (await lan.get("/alerts/count")).text == '{"standing": 2, "untaken": 2, "urgent": 1}'
    one = f"/alerts/{await alert_id(world)}"
    assert "Tôi nhận xử lý" in (await lan.get(one)).words
    assert (await lan.post(one, {"note": "đang trình"})).status == 303
    after = (await lan.get(one)).words
    assert "lan" in after
    assert "đang trình" in after
    assert "Tôi nhận xử lý" not in after
    assert '"untaken": 1' in (await lan.get("/alerts/count")).text
    assert entries(world) == [("alert-acknowledged", "H37.61")]


async def test_a_clerk_ends_one_with_a_reason_and_without_one_it_stands(world):
    clerk = await world.site.visitor(CLERK)
    await urgent(world)
    path = f"/alerts/{await alert_id(world)}"
    assert "Cho kết thúc" in (await clerk.get(path)).words
    assert (await clerk.post(path, {"do": "end", "note": " "})).status == 400
    assert entries(world) == []
    assert (await clerk.post(path, {"do": "end", "note": "đã giải thể"})).status == 303
    shown = await clerk.get(path)
    assert "đã có người cho kết thúc" in shown.words
    assert "đã giải thể" in shown.words
    assert entries(world) == [("alert-dismissed", "H37.61")]
    assert (await clerk.post(path, {"do": "end", "note": "nữa"})).status == 409


async def test_another_agency_sees_nothing_of_it(world):
    await urgent(world)
    one = f"/alerts/{await alert_id(world)}"
    mai = await world.site.visitor(OTHER_CLERK)
    assert "Không có cảnh báo nào" in (await mai.get("/alerts")).words
    assert '"standing": 0' in (await mai.get("/alerts/count")).text
    assert (await mai.get(one)).status == 404
    assert (await mai.post(one, {"note": "x"})).status == 404
    tried = [(target, what) for _, target, what in world.site.trail.refusals]
    assert tried == [("alert", "GET"), ("alert-acknowledge", "POST")]
    for page in ("/alerts?agency=H37.61", "/alerts/ended?agency=H37.61", "/today?agency=H37.61"):
        assert (await mai.get(page)).status == 403
    assert (await mai.get("/alerts/duty?agency=H37.61")).status == 403
    assert world.site.trail.refusals


async def test_who_sees_operations_reads_and_only_operations_take_on(world):
    world.context.disk_days = 1.0
    await world.watch.look()
    one = f"/alerts/{await alert_id(world, 'disk-full-soon')}"
    admin = await world.site.visitor(ADMIN)
    assert "Ổ đĩa sắp đầy" in (await admin.get("/alerts")).words
    assert (await admin.get(one)).status == 200
    assert (await admin.post(one)).status == 403
    lan = await world.site.visitor(CLERK)
    assert (await lan.get(one)).status == 404
    ops = await world.site.visitor(OPERATOR)
    await ops.get(one)
    assert (await ops.post(one, {"note": ""})).status == 303


async def test_nobody_in_particular_sees_no_alerts_and_strangers_sign_in(world):
    moi = await world.site.visitor(NOBODY)
    assert [(await moi.get(path)).status for path in ("/alerts", "/today")] == [403, 403]
    stranger = await world.site.visitor()
    assert (await stranger.get("/alerts/count")).status == 303


async def test_a_count_that_a_script_asks_for_is_no_use_of_the_session(world):
    lan = await world.site.visitor(CLERK)
    assert (await lan.get("/alerts/count")).status == 200
    assert world.site.sessions.used == []
    await lan.get("/alerts")
    assert len(world.site.sessions.used) == 1


async def test_the_roster_is_kept_by_the_agency(world):
    lan = await world.site.visitor(CLERK)
    assert "Chưa có ca trực" in (await lan.get("/alerts/duty")).words
    turn = {
        "agency": "H37.61",
        "name": "Nguyễn Trực",
        "mail": "truc@x.vn",
        "level": "1",
        "begins": "2026-11-20T08:00",
        "ends": "2026-11-20T20:00",
    }
    wrong = await lan.post("/alerts/duty", turn | {"ends": "2026-11-20T07:00"})
    assert (wrong.status, "Nguyễn Trực" in wrong.text) == (422, True)
    assert (await lan.post("/alerts/duty", turn | {"begins": "mai"})).status == 422
    assert (await lan.post("/alerts/duty", turn | {"agency": "H37.04"})).status == 403
    assert (await lan.post("/alerts/duty", turn)).status == 303
    shown = await lan.get("/alerts/duty")
    assert "đang trực" in shown.words
    action = shown.text.split("/console/alerts/duty/")[1].split("/remove")[0]
    mai = await world.site.visitor(OTHER_CLERK)
    await mai.get("/alerts/duty")
    assert (await mai.post(f"/alerts/duty/{action}/remove")).status == 404
    assert (await lan.post(f"/alerts/duty/{action}/remove")).status == 303
    assert "Chưa có ca trực" in (await lan.get("/alerts/duty")).words
    assert entries(world) == [("duty-turn-added", "H37.61"), ("duty-turn-removed", "H37.61")]


async def test_today_in_both_languages(world):
    await urgent(world)
    lan = await world.site.visitor(CLERK)
    assert "1 Văn bản đến chờ tiếp nhận" in (await lan.get("/today")).words
    lan.cookies["vanlien_lang"] = "en"
    assert "1 Waiting to be accepted" in (await lan.get("/today")).words


async def test_an_outage_is_a_banner_for_everybody_with_packets_to_carry(world):
    at = to_text(world.clock.at - timedelta(hours=1))
    hold = {"id": "h1", "kind": "breaker", "scope": "hop", "subject": "truc", "held_by": "n"}
    c_id, t_id = UuidIds().new(), UuidIds().new()
    transfer = {
        "id": t_id,
        "consignment_id": c_id,
        "kind": "document",
        "hop": "truc",
        "state": "deferred",
        "due_at": at,
        "sender_written": "H37.61",
        "recipients": "[]",
        "document_id": "H37.61,2026,7",
        "created_at": at,
        "parcel_sha256": (await world.context.blobs.put(b"<edXML/>")).sha256,
        "parcel_size": 8,
    }
    await put(
        world,
        Insert("hold", {**hold, "since": at, "reason": "away"}),
        consignment(c_id, "H37.61,2026,7", sender="H37.61", state="released"),
        delivery("d-1", c_id, state="deferred", sender="H37.61", transfer_id=t_id, hop="truc"),
        Insert("transfer", transfer),
    )
    await world.watch.look()
    lan, mai = await world.site.visitor(CLERK), await world.site.visitor(OTHER_CLERK)
    for who in (lan, mai):
        assert (
            "truc: gián đoạn từ 08:00 20/11/2026, văn bản đã được giữ và sẽ tự gửi"
            in (await who.get("")).words
        )
    assert "H37.61,2026,7" in (await lan.get("/alerts/held")).words
    packet = await lan.get(f"/alerts/held/{t_id}.edxml")
    assert (packet.status, packet.text) == (200, "<edXML/>")
    assert ("a-lan", f"document:{c_id}", "packet") in world.trail.views
    assert "H37.61,2026,7" not in (await mai.get("/alerts/held")).words
    assert (await mai.get(f"/alerts/held/{t_id}.edxml")).status == 404


async def test_history_is_kept(world):
    await urgent(world)
    one = await alert_id(world)
    world.ledger.connection.execute("UPDATE arrival SET state = 'accepted'")
    world.clock.at += timedelta(minutes=1)
    await world.watch.look()
    lan = await world.site.visitor(CLERK)
    assert f"/console/alerts/{one}" in (await lan.get("/alerts/ended")).text
    assert "đã hết" in (await lan.get(f"/alerts/{one}")).words
