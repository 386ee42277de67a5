"""The operator's pages over a real ledger: what is seen, what is done, and what must not be."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest

from adapters.simulator.axis import Fault
from gateway.console.sections.ops_agencies import pack, unpack
from gateway.domain.access import Grant, Role
from gateway.domain.catalogue_plan import Step
from gateway.domain.moments import to_text
from gateway.errors import RejectedError
from gateway.ports import Insert, Update
from gateway.programs.tally import Tally
from tests.integration.test_relay_axis import later, sent
from tests.world.console import ADMIN, AUDITOR, CLERK, OPERATOR
from tests.world.gatehouse import gatehouse
from tests.world.ledgers import ask
from tests.world.ops_house import ops_house

WEAK = replace(OPERATOR, account_id="a-weak", login="weak", strong=False)
SECOND = replace(OPERATOR, account_id="a-ops2", login="ops2")
PATIENCE = aiohttp.ClientTimeout(total=60)


@pytest.fixture
async def house(tmp_path):
    async with ops_house(tmp_path) as made:
        yield made


def state_of(house, name):
    return ask(house.place, "SELECT state FROM transfer WHERE id = ?", name)[0]["state"]


PAGES = (
    "/ops", "/ops/queue", "/ops/trace", "/ops/receipts", "/ops/health", "/ops/certificates",
    "/ops/systems", "/ops/quarantine", "/ops/agencies", "/ops/agencies/H37.61", "/ops/requests",
    "/ops/destinations/truc",
)  # fmt: skip


async def test_every_page_is_for_who_may_see_operations_in_both_languages(house):
    auditor, admin = await house.site.visitor(AUDITOR), await house.site.visitor(ADMIN)
    clerk = await house.site.visitor(CLERK)
    admin.cookies["vanlien_lang"] = "en"
    for path in PAGES:
        shown = await auditor.get(path)
        assert shown.status == 200, (path, shown.words)
        assert 'lang="vi"' in shown.text
        assert len(shown.text) < 100_000
        assert " style=" not in shown.text
        assert (await admin.get(path)).status == 200, path
        assert (await clerk.get(path)).status == 403, path
    assert len(house.site.trail.refusals) == len(PAGES)


async def test_a_clerk_of_one_agency_with_the_right_there_does_not_see_the_whole(house):
    local = replace(CLERK, grants=(Grant(Role.PROVIDER_OPS, "H37.61"),))
    answer = await (await house.site.visitor(local)).get("/ops")
    assert answer.status == 403


async def test_the_board_shows_what_is_stuck(house):
    await house.put(
        house.transfer("t1"),
        house.transfer("t2", "deferred", lane=3),
        house.transfer("t3", "waiting", hop="local:H37.61"),
    )
    house.checks["disk"] = "less is free than the floor"
    board = await (await house.site.visitor(OPERATOR)).get("/ops")
    assert re.search(r'id="n-failed">1<', board.text)
    assert re.search(r'id="n-waiting">2<', board.text)
    assert "1 Khẩn đang chờ" in board.words
    assert "1 Điều cần xem" in board.words
    assert "local:H37.61" in board.words
    assert "5 phút" in board.words


async def test_the_stream_sends_what_changed_and_only_that(house):
    visitor = await house.site.visitor(OPERATOR)
    cookie = "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())
    url = f"{house.site.url}/console/ops/stream"
    async with (
        aiohttp.ClientSession(timeout=PATIENCE) as session,
        session.get(url, headers={"Cookie": cookie}) as stream,
    ):
        assert stream.status == 200
        assert stream.content_type == "text/event-stream"
        first = await _event(stream)
        assert set(first) == {"figures", "lanes", "destinations", "charts"}
        assert 'id="n-failed">0<' in first["figures"]
        await house.put(house.transfer("t1"))
        second = await _event(stream)
        assert 'id="n-failed">1<' in second["figures"]
        assert "charts" not in second


async def _event(stream):
    async for raw in stream.content:
        if raw.startswith(b"data: "):
            return json.loads(raw.removeprefix(b"data: "))
    raise AssertionError("the stream ended")


async def test_a_stream_does_not_outlive_the_session(house):
    visitor = await house.site.visitor(OPERATOR)
    cookie = "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())
    url = f"{house.site.url}/console/ops/stream"
    async with (
        aiohttp.ClientSession(timeout=PATIENCE) as session,
        session.get(url, headers={"Cookie": cookie}) as stream,
    ):
        await _event(stream)
        house.site.sessions.tokens.clear()  # ACC-03: locked, by whomever
        # It would look thirty times before its minute is over.
        assert (await stream.content.read()).count(b"\n\n") < 15


async def test_streams_of_one_person_have_an_end(house):
    visitor = await house.site.visitor(OPERATOR)
    cookie = "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())
    url = f"{house.site.url}/console/ops/stream"
    async with aiohttp.ClientSession(timeout=PATIENCE, headers={"Cookie": cookie}) as session:
        opened = [await session.get(url) for _ in range(8)]
        assert {one.status for one in opened} == {200}
        async with session.get(url) as ninth:
            assert ninth.status == 429
        other = await house.site.visitor(ADMIN)
        assert (await other.get("/ops")).status == 200
        for one in opened:
            one.close()


# ---------------------------------------------------------------- the queue


async def test_a_dead_letter_is_put_back_with_a_reason_once(house):
    await house.put(house.transfer("t1"))
    operator = await house.site.visitor(OPERATOR)
    assert "doc-t1" in (await operator.get("/ops/queue?state=failed")).words
    await operator.get("/ops/transfers/t1")
    fields = {"action": "requeue", "reason": "trục đã chạy lại"}
    assert (await operator.post("/ops/transfers/t1", {"action": "requeue"})).status == 400
    assert state_of(house, "t1") == "failed"
    assert (await operator.post("/ops/transfers/t1", fields)).location.endswith("/transfers/t1")
    assert state_of(house, "t1") == "waiting"
    again = await operator.post("/ops/transfers/t1", fields)
    assert again.status == 409
    entries = ask(house.place, "SELECT body FROM receipt_entry WHERE subject = 'transfer:t1'")
    assert len(entries) == 1
    assert '"actor":"ops"' in entries[0]["body"]
    assert ("a-ops", "document:t1", "trace") in house.site.trail.views


@pytest.mark.parametrize("state", ["done", "cancelled", "waiting", "sending"])
async def test_what_is_not_a_dead_letter_is_not_put_back(house, state):
    await house.put(house.transfer("t1", state))
    operator = await house.site.visitor(OPERATOR)
    await operator.get("/ops/queue")
    answer = await operator.post("/ops/transfers/t1", {"action": "requeue", "reason": "x"})
    assert answer.status == 409
    assert state_of(house, "t1") == state


async def test_who_only_looks_changes_nothing(house):
    await house.put(house.transfer("t1"))
    auditor = await house.site.visitor(AUDITOR)
    page = await auditor.get("/ops/transfers/t1")
    assert "<button" not in page.text.split("<main")[1]
    answer = await auditor.post("/ops/transfers/t1", {"action": "requeue", "reason": "x"})
    assert answer.status == 403
    assert state_of(house, "t1") == "failed"


async def test_many_are_changed_only_as_they_were_shown(house):
    await house.put(house.transfer("t1"), house.transfer("t2"), house.transfer("t3", "deferred"))
    operator = await house.site.visitor(OPERATOR)
    await operator.get("/ops/queue")
    asked = {"action": "requeue", "reason": "trục chạy lại", "state": "open", "hop": "truc"}
    shown = await operator.post("/ops/queue/preview", asked)
    assert shown.status == 200
    assert '<strong class="figure" id="would">2<' in shown.text
    assert "1 để nguyên" in shown.words
    assert state_of(house, "t1") == "failed"
    ids = re.search(r'name="ids" value="([^"]+)"', shown.text)[1]
    # Meanwhile another one fails, and one of those shown is settled by another hand.
    await house.put(house.transfer("t4"), Update("transfer", {"id": "t2"}, {"state": "done"}))
    done = await operator.post(
        "/ops/queue/apply", {"action": "requeue", "reason": "trục chạy lại", "ids": ids}
    )
    assert done.status == 303
    assert [state_of(house, t) for t in ("t1", "t2", "t4")] == ["waiting", "done", "failed"]
    assert "1 lượt đã đổi trạng thái nên để nguyên" in (await operator.get("/ops/queue")).words


async def test_many_at_once_need_a_second_factor(house):
    await house.put(house.transfer("t1"))
    weak = await house.site.visitor(WEAK)
    await weak.get("/ops/queue")
    answer = await weak.post("/ops/queue/apply", {"action": "requeue", "reason": "x", "ids": "t1"})
    assert answer.status == 403
    assert state_of(house, "t1") == "failed"


async def test_an_act_asks_for_the_code_again_and_keeps_what_was_typed(house):
    await house.put(house.transfer("t1"))
    left_open = await house.site.visitor(replace(OPERATOR, fresh=False))
    await left_open.get("/ops/transfers/t1")
    wanted = {"action": "requeue", "reason": 'đã sửa "địa chỉ"'}
    asked = await left_open.post("/ops/transfers/t1", wanted)
    assert (asked.status, 'name="_code"' in asked.text) == (403, True)
    assert 'value="đã sửa &#34;địa chỉ&#34;"' in asked.text
    wrong = await left_open.post("/ops/transfers/t1", wanted | {"_code": "000000"})
    assert (wrong.status, "Mã không đúng" in wrong.words) == (403, True)
    assert state_of(house, "t1") == "failed"
    done = await left_open.post("/ops/transfers/t1", wanted | {"_code": "123456"})
    assert (done.status, state_of(house, "t1")) == (303, "waiting")


@pytest.mark.parametrize("action", ["requeue", "hold", "release"])
async def test_one_transfer_and_one_document_need_a_second_factor_too(house, action):
    await house.put(house.transfer("t1"))
    weak = await house.site.visitor(WEAK)
    await weak.get("/ops/transfers/t1")
    answer = await weak.post("/ops/transfers/t1", {"action": action, "reason": "x"})
    assert (answer.status, "second-factor" in answer.text) == (403, True)
    answer = await weak.post("/ops/hold", {"document": "c1", "do": action, "reason": "x"})
    assert answer.status == 403
    assert state_of(house, "t1") == "failed"
    assert not ask(house.place, "SELECT 1 FROM hold WHERE subject = 'c1'")


async def test_a_destination_is_held_and_goes_on(house):
    operator = await house.site.visitor(OPERATOR)
    await operator.get("/ops/destinations/truc")
    held = await operator.post("/ops/destinations/truc", {"do": "hold", "reason": "trục bảo trì"})
    assert held.status == 303
    assert "ops: trục bảo trì" in (await operator.get("/ops/destinations/truc")).words
    fields = {"do": "hold", "reason": "lại"}
    assert (await operator.post("/ops/destinations/trucc", fields)).status == 404
    assert (await operator.post("/ops/destinations/truc", fields)).status == 409
    fields = {"do": "release", "reason": "xong"}
    assert (await operator.post("/ops/destinations/truc", fields)).status == 303


async def test_a_trace_names_what_happened_but_not_what_it_says(house):
    at = to_text(house.clock.at)
    sent = {
        "id": "c1", "system_id": "s", "via": "api", "sender": "H37.61", "sender_written": "H37.61",
        "document_id": "H37.61,2026/11/20,1/SNV", "digest": "d", "state": "released",
        "envelope": "{}", "received_sha256": "0" * 64, "received_size": 1, "accepted_at": at,
        "answer": "{}", "subject": "Về việc bí mật của ông Lê",
    }  # fmt: skip
    told = {"subject": "c1", "type": "refused", "at": at, "data": '{"reason": "đơn của ông Lê"}'}
    await house.put(
        Insert("consignment", sent),
        house.transfer("t1", consignment_id="c1"),
        Insert("event", told),
    )
    operator = await house.site.visitor(OPERATOR)
    for name in ("c1", "H37.61,2026/11/20,1/SNV"):
        page = await operator.get(f"/ops/trace?id={name}")
        assert "Lượt chuyển t1" in page.words
        assert "ông Lê" not in page.text
    assert "Không có gì mang mã này" in (await operator.get("/ops/trace?id=x")).words


# ---------------------------------------------------------------- the log


async def test_the_log_is_filtered_and_exported(house):
    store = house.store()
    for n in range(3):
        store.record("thing-done", f"thing:{n}", by="=cmd()", reason="vì")
    store.close()
    operator = await house.site.visitor(OPERATOR)
    assert "thing:2" in (await operator.get("/ops/receipts?kind=audit")).words
    one = await operator.get("/ops/receipts?subject=thing:1")
    assert "thing:1" in one.words
    assert "thing:2" not in one.words
    day = house.clock.at.date().isoformat()
    assert "thing:2" in (await operator.get(f"/ops/receipts?since={day}&until={day}")).words
    later = (house.clock.at + timedelta(days=2)).date().isoformat()
    assert "thing:2" not in (await operator.get(f"/ops/receipts?since={later}")).words
    csv = await operator.get("/ops/receipts/export?form=csv&subject=thing:1")
    assert "thing:1" in csv.text
    assert ";=cmd" not in csv.text
    assert ",=cmd" not in csv.text
    found = await operator.get("/ops/receipts/export?form=json&subject=thing:1")
    assert "thing:1" in found.text
    assert ("a-ops", "receipts:log", "export") in house.site.trail.views
    assert (await operator.get("/ops/receipts/export?form=exe")).status == 400
    assert (await operator.get("/ops/receipts?since=31/12/2026")).status == 400
    assert (await operator.get("/ops/receipts?before=9999999999999999999999")).status == 400
    bundle = await operator.get("/ops/receipts/bundle?document=")
    assert json.loads(bundle.text.splitlines()[0])["type"] == "header"
    assert json.loads(bundle.text.splitlines()[-1])["type"] == "end"
    assert (await operator.get("/ops/receipts/bundle?document=nothing")).status == 404


# ---------------------------------------------------------------- keys, nodes, quarantine


async def test_new_keys_are_shown_once_and_kept_nowhere(house):
    admin, operator = await house.site.visitor(ADMIN), await house.site.visitor(OPERATOR)
    fields = {"system": "qlvb", "speaks_for": "H37.61", "reason": "nối mới"}
    await operator.get("/ops/systems")
    assert (await operator.post("/ops/systems", fields)).status == 403
    await admin.get("/ops/systems")
    made = await admin.post("/ops/systems", fields)
    assert made.status == 200
    assert made.headers["Cache-Control"] == "no-store"
    secrets = re.findall(r'class="secret">([^<]+)<', made.text)
    assert len(secrets) == 2
    listed = await admin.get("/ops/systems")
    assert "qlvb" in listed.words
    everything = (house.place.path.read_bytes() + _wal(house)).decode("latin1")
    for secret in secrets:
        assert secret not in listed.text
        assert secret not in everything
        assert secret not in "".join(admin.cookies.values())
    assert (await admin.post("/ops/systems", fields)).status == 409
    rotated = await admin.post("/ops/systems/qlvb/rotate", {"reason": "lộ", "overlap": "0"})
    assert re.findall(r'class="secret">([^<]+)<', rotated.text) != secrets
    assert (await admin.post("/ops/systems/qlvb/disable", {"reason": "ngừng"})).status == 303
    assert "đã khóa" in (await admin.get("/ops/systems")).words
    # Who, what and why of each are one entry: no change without its reason.
    said = ask(
        house.place, "SELECT type, data FROM event WHERE subject = 'system:qlvb' ORDER BY id"
    )
    whys = [(row["type"], json.loads(row["data"])["reason"]) for row in said]
    assert whys == [
        ("system-added", "nối mới"), ("system-rotated", "lộ"), ("system-disabled", "ngừng"),
    ]  # fmt: skip


def _wal(house):
    wal = house.place.path.with_name(house.place.path.name + "-wal")
    return wal.read_bytes() if wal.exists() else b""


async def test_a_purge_needs_two_accounts(house):
    at = to_text(house.clock.at)
    row = {"id": "q1", "kind": "arrival", "sender": "H05", "reason": "SEC-01 mật", "at": at}
    await house.put(Insert("quarantine", row | {"sha256": "0" * 64}))
    first, second = await house.site.visitor(OPERATOR), await house.site.visitor(SECOND)
    await first.get("/ops/quarantine")
    assert (await first.post("/ops/quarantine/q1", {"reason": "mật"})).status == 303
    assert (await first.post("/ops/quarantine/q1", {"reason": "mật"})).status == 409
    assert "<form" not in (await first.get("/ops/quarantine")).text.split("<main")[1]
    await second.get("/ops/quarantine")
    assert (await second.post("/ops/quarantine/q1", {"reason": "đồng ý"})).status == 303
    assert ask(house.place, "SELECT purged_at FROM quarantine")[0]["purged_at"]


async def test_maintenance_begins_and_ends(house):
    operator = await house.site.visitor(OPERATOR)
    await operator.get("/ops/health")
    assert (await operator.post("/ops/maintenance", {"do": "begin"})).status == 400
    rest = {"do": "begin", "reason": "nâng cấp"}
    unsure = await operator.post("/ops/maintenance", rest)
    assert "vanlien maintenance off" in (await operator.get("/ops/health")).words
    assert unsure.status == 303
    assert not ask(house.place, "SELECT * FROM meta WHERE key = 'maintenance'")
    begun = await operator.post("/ops/maintenance", rest | {"sure": "1"})
    assert begun.status == 303
    assert len(ask(house.place, "SELECT * FROM meta WHERE key = 'maintenance'")) == 1
    assert (await operator.post("/ops/maintenance", {"do": "end", "reason": "xong"})).status == 303
    assert ask(house.place, "SELECT value FROM meta WHERE key = 'maintenance'")[0]["value"] == ""
    unknown = {"do": "begin", "reason": "x", "node": "khong-co"}
    assert (await operator.post("/ops/maintenance", unknown)).status == 404


# ---------------------------------------------------------------- agencies


async def test_an_edit_is_shown_before_it_is_done(house):
    admin = await house.site.visitor(ADMIN)
    await admin.get("/ops/agencies/H37.61")
    fields = {"name": "Sở Nội vụ tỉnh", "reason": "đổi tên"}
    shown = await admin.post("/ops/agencies/H37.61", fields)
    assert "<del>Sở Nội vụ</del>" in shown.text
    assert "<ins>Sở Nội vụ tỉnh</ins>" in shown.text
    assert "Sở Nội vụ tỉnh" not in (await admin.get("/ops/agencies")).words
    plan = re.search(r'name="plan" value="([^"]+)"', shown.text)[1]
    done = await admin.post("/ops/import/apply", {"plan": plan, "reason": "đổi tên"})
    assert done.status == 303
    assert "Sở Nội vụ tỉnh" in (await admin.get("/ops/agencies?q=H37")).words


async def test_a_plan_is_refused_once_the_catalogue_is_another(house):
    admin = await house.site.visitor(ADMIN)
    await admin.get("/ops/agencies/H37.61")
    shown = await admin.post("/ops/agencies/H37.61", {"name": "Một", "reason": "x"})
    plan = re.search(r'name="plan" value="([^"]+)"', shown.text)[1]
    await house.put(Update("agency", {"code": "H37.61"}, {"name": "Tên khác"}))
    await admin.post("/ops/import/apply", {"plan": plan, "reason": "x"})
    page = await admin.get("/ops/agencies")
    assert "Danh mục đã khác" in page.words
    assert "Tên khác" in page.words
    assert (await admin.post("/ops/import/apply", {"plan": "@", "reason": "x"})).status == 400


async def test_a_list_is_uploaded_shown_and_applied(house):
    admin = await house.site.visitor(ADMIN)
    token = re.search(r'name="_csrf" value="([0-9a-f]+)"', (await admin.get("/ops/import")).text)[1]

    def form(text, csrf=token):
        data = aiohttp.FormData()
        data.add_field("_csrf", csrf)
        data.add_field("reason", "danh mục mới")
        data.add_field("file", text.encode(), filename="a.csv", content_type="text/csv")
        return data

    good = "code,name\nH37.62,Sở Tài chính\n"
    assert (await admin._ask("POST", "/ops/import", data=form(good, "0" * 64))).status == 400
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain"):
        for body in (b"", b"--x\r\nrubbish", b"--x--\r\n"):
            broken = {"data": body, "headers": {"Content-Type": kind}}
            assert (await admin._ask("POST", "/ops/import", **broken)).status == 400, (kind, body)
    faulty = await admin._ask("POST", "/ops/import", data=form("mã,tên\nx,y\n"))
    assert faulty.status == 422
    assert "Dòng 1" in faulty.words
    shown = await admin._ask("POST", "/ops/import", data=form(good))
    assert "Sở Tài chính" in shown.words
    plan = re.search(r'name="plan" value="([^"]+)"', shown.text)[1]
    await admin.get("/ops/import")
    assert (await admin.post("/ops/import/apply", {"plan": plan, "reason": "x"})).status == 303
    assert "Sở Tài chính" in (await admin.get("/ops/agencies")).words
    operator = await house.site.visitor(OPERATOR)
    assert (await operator.get("/ops/import")).status == 403


@pytest.mark.parametrize("text", ["", "@@", "eJw=", "H4sI"])
def test_a_plan_that_is_none_is_refused(text):
    with pytest.raises(RejectedError):
        unpack(text)


def test_a_plan_comes_back_as_it_was_and_no_other():
    good = Step("H37.61", ("renamed",), {"name": "a"}, {"name": "b"})
    new = Step("H37.62", ("added",), None, {"name": "b", "aliases": ["X"]})
    assert unpack(pack((good, new))) == (good, new)
    for forged in (
        replace(good, after={"name = 'x' --": "b"}),
        replace(good, before={"hop": "b"}),
        replace(good, after={}),
        replace(good, kinds=("taken",)),
    ):
        with pytest.raises(RejectedError):
            unpack(pack((forged,)))


# ---------------------------------------------------------------- what flowed


async def test_the_tally_of_all_nodes_is_one_chart_and_survives_a_restart(house):
    counts = {("accepted", ""): (10, 100), ("taken", "truc"): (4, 0)}
    nodes = [
        Tally(house.ledger, name, lambda: house.clock.at, lambda: dict(counts))
        for name in ("a", "b")
    ]
    counts = {("accepted", ""): (16, 1300), ("taken", "truc"): (7, 0)}
    for node in nodes:
        await node.once()
        await node.once()  # nothing passed since
    house.clock.at += timedelta(minutes=1)
    board = await (await house.site.visitor(OPERATOR)).get("/ops")
    assert "12,0 Tiếp nhận/phút" in board.words
    assert "6,0 Đã giao/phút" in board.words
    one = await (await house.site.visitor(OPERATOR)).get("/ops/destinations/truc")
    assert "20/11/2026 09:00" in one.words
    house.clock.at += timedelta(days=3)
    await nodes[0].once()
    rows = ask(house.place, "SELECT DISTINCT node FROM flow_minute WHERE what = 'accepted'")
    assert [row["node"] for row in rows] == ["b"]


# ---------------------------------------------------------------- a whole gateway


async def test_what_a_whole_gateway_could_not_send_is_put_back_on_its_pages(tmp_path):
    extra = '[retry.normal]\nfirst = "1 m"\nlongest = "30 m"\njitter = 0\ngive_up_after = "1 h"\n'
    async with gatehouse(tmp_path, axis=True, extra=extra) as house:
        house.axis.fail("sendEdoc", Fault.ERROR_500, Fault.DROP)
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "deferred")
        await later(house, minutes=61)
        await house.state(document, "G09", "failed")
        operator = await house.visitor("vanhanh", Role.PROVIDER_OPS)
        board = await operator.get("/ops")
        assert board.status == 200
        assert re.search(r'id="n-failed">1<', board.text)
        (transfer,) = re.findall(
            r"/console/ops/transfers/([^\"]+)", (await operator.get("/ops/queue")).text
        )
        assert "gave up" in (await operator.get(f"/ops/transfers/{transfer}")).words
        fields = {"action": "requeue", "reason": "trục đã sửa"}
        assert (await operator.post(f"/ops/transfers/{transfer}", fields)).status == 303
        await house.sweep()
        await house.state(document, "G09", "handed_over")
        trace = await operator.get(f"/ops/trace?id={document}")
        assert "requeued" in trace.words
        for path in PAGES:
            if "agencies/" not in path:
                assert (await operator.get(path)).status == 200, path
