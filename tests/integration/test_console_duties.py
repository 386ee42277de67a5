"""Incidents, maintenance, entries after an outage and key devices at a whole gateway.

Rules: OPS-06, OPS-07, OPS-08, OPS-09, ORG-09.
"""

from datetime import timedelta

import pytest

from gateway.domain.access import Role
from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.domain.watch import TODAY_TEXTS
from gateway.ports import ChangeSet, Update
from tests.world.gatehouse import gatehouse, packet


@pytest.fixture
async def house(tmp_path):
    async with gatehouse(tmp_path) as house:
        yield house


def _local(house, **by):
    return (house.clock.now() + timedelta(**by)).astimezone(VIETNAM).strftime("%Y-%m-%dT%H:%M")


async def test_maintenance_is_announced_to_all_and_its_reports_prove_that_nothing_went(house):
    ops = await house.visitor("vanhanh", Role.PROVIDER_OPS)
    clerk = await house.visitor("lan", Role.CLERK, "H37.61")
    assert (await house.send(packet("1")))[0] == 202
    for _, path in TODAY_TEXTS.values():
        assert (await clerk.get(path)).status == 200, f"what the digest leads to: {path}"
    page = await ops.get("/maintenance")
    assert "Chưa ghi đợt bảo trì nào" in page.words
    form = {
        "title": "Nâng cấp phiên bản",
        "planned_from": _local(house, hours=1),
        "planned_to": _local(house, hours=2),
        "approval": "KH 12",
        "units": "1",
        "mails": "phong-cntt@so.vn",
    }
    made = await ops.post("/maintenance", form)
    assert made.status == 303
    path = made.location.removeprefix("/console")

    async def told():
        return "Nâng cấp phiên bản" in (await clerk.get("")).words

    await house.until(told)
    # OPS-06: the units' own systems hear it too, and the page says that they did.
    assert "H37.02" in (await ops.get(path)).words.partition("Ai đã được báo")[2]
    status, heard, _ = await house.call(
        "GET", "/events?after=0&kinds=maintenance.*", headers={"Accept": "application/json"}
    )
    assert (status, [e["title"] for e in heard["items"]]) == (200, ["Nâng cấp phiên bản"])
    shown = (await ops.get(path)).words.partition("Ai đã được báo")[2]
    assert "hệ thống đọc luồng sự kiện: đã nhận 1" in shown
    assert "Ai đã được báo" not in (await clerk.get(path)).words  # addresses of persons
    assert (await clerk.post(path, {"act": "begin"})).status == 403
    assert (await ops.post(path, {"act": "finish"})).status == 409
    assert (await ops.post(path, {"act": "begin"})).status == 303
    assert (await ops.post(path, {"act": "begin"})).status == 409
    assert (await house.send(packet("2")))[0] == 202
    assert (await ops.post(path, {"act": "finish", "note": "đã kiểm thử"})).status == 303
    shown = await ops.get(path)
    assert "KHÔNG ĐẠT" not in shown.words
    assert "nối tiếp đúng chuỗi băm" in shown.words
    assert "Đã quá ba tháng" not in (await ops.get("/maintenance")).words


async def test_a_log_that_was_rewritten_during_maintenance_is_noticed(house):
    ops = await house.visitor("vanhanh", Role.PROVIDER_OPS)
    await ops.get("/maintenance")
    form = {
        "title": "Chuyển máy chủ",
        "planned_from": _local(house, hours=1),
        "planned_to": _local(house, hours=2),
    }
    path = (await ops.post("/maintenance", form)).location.removeprefix("/console")

    async def chained():
        size = await house.row("log_size")
        return size["size"] > 0

    await house.until(chained)
    await ops.post(path, {"act": "begin"})
    row = await house.row("maintenance_work", id=path.rpartition("/")[2])
    forged = row["before"].replace('"log_hash":"', '"log_hash":"00', 1)
    changed = Update("maintenance", {"id": row["id"]}, {"before": forged})
    await house.gateway.ledger.commit(ChangeSet(rows=(changed,)))
    await ops.post(path, {"act": "finish"})
    assert "KHÔNG ĐẠT" in (await ops.get(path)).words


async def test_an_incident_has_its_notes_whom_it_was_told_and_its_end(house):
    clerk = await house.visitor("lan", Role.CLERK, "H37.61")
    other = await house.visitor("mai", Role.CLERK, "H37.04")
    await clerk.get("/incidents")
    empty = await clerk.post("/incidents", {"agency": "H37.61", "kind": "outage", "title": ""})
    assert empty.status == 422
    form = {
        "agency": "H37.61",
        "kind": "outage",
        "title": "Mất mạng <b>",
        "occurred_at": _local(house, hours=-1),
    }
    assert (await clerk.post("/incidents", form | {"agency": "H37.04"})).status == 403
    assert (await clerk.post("/incidents", form | {"agency": ""})).status == 403
    path = (await clerk.post("/incidents", form)).location.removeprefix("/console")
    told = {"act": "note", "note": "đã gọi", "told": "Sở KHCN"}
    assert (await clerk.post(path, told)).status == 303
    shown = await clerk.get(path)
    assert "Sở KHCN" in shown.words
    assert "<b>" not in shown.text.partition("<h1>")[2].partition("</h1>")[0]
    assert (await other.get(path)).status == 404
    assert "Mất mạng" not in (await other.get("/incidents")).words
    assert (await clerk.post(path, {"act": "close", "outcome": ""})).status == 400
    assert (await clerk.post(path, {"act": "close", "outcome": "đã thông"})).status == 303
    assert (await clerk.post(path, told)).status == 409
    assert "Mất mạng" in (await clerk.get("/incidents?state=closed")).words


async def test_an_entry_after_an_outage_keeps_both_times_apart(house):
    clerk = await house.visitor("lan", Role.CLERK, "H37.61")
    await clerk.get("/outage-entries")
    form = {
        "agency": "H37.61",
        "direction": "out",
        "party": "Sở Tài chính",
        "title": "V/v báo cáo",
        "means": "trực tiếp",
        "reason": "mất điện",
        "occurred_at": _local(house, hours=-3),
    }
    ahead = await clerk.post("/outage-entries", form | {"occurred_at": _local(house, hours=3)})
    assert ahead.status == 400
    assert (await clerk.post("/outage-entries", form | {"agency": "H37.04"})).status == 403
    assert (await clerk.post("/outage-entries", form)).status == 303
    (row,) = await house.gateway.ledger.all("outage_entries", agency="H37.61", before="~", limit=9)
    apart = from_text(row["entered_at"]) - from_text(row["occurred_at"])
    assert timedelta(hours=2, minutes=50) < apart < timedelta(hours=3, minutes=10)
    assert row["entered_by"] == "lan"
    assert "V/v báo cáo" in (await clerk.get("/outage-entries")).words
    assert row["entered_at"] <= to_text(house.clock.now())


async def test_a_key_device_changes_hands_with_a_permission_and_a_lost_one_is_an_incident(house):
    admin = await house.visitor("donvi", Role.UNIT_ADMIN, "H37.61")
    await admin.get("/key-devices")
    form = {"agency": "H37.61", "serial": "VGCA-01", "purpose": "chữ ký cơ quan", "holder": "Lan"}
    path = (await admin.post("/key-devices", form)).location.removeprefix("/console")
    assert (await admin.post("/key-devices", form)).status == 409
    given = {"act": "hand-over", "holder": "Mai"}
    assert (await admin.post(path, given)).status == 400
    assert (await admin.post(path, given | {"permission": "GP 3"})).status == 303
    assert (await admin.post(path, {"act": "destroy"})).status == 409
    assert "Mai" in (await admin.get(path)).words
    other = await house.visitor("khac", Role.UNIT_ADMIN, "H37.04")
    await other.get("/key-devices")
    assert (await other.get(path)).status == 404
    assert (await other.post(path, {"act": "lose"})).status == 404
    assert (await admin.post(path, {"act": "lose", "note": "rơi"})).status == 303
    (incident,) = await house.gateway.ledger.all("incidents", state="open", before="~", limit=9)
    assert (incident["kind"], incident["agency"]) == ("key", "H37.61")
