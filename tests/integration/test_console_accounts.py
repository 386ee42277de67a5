"""The pages of signing in, one's own account, people and the audit log, over the real programs."""

import base64
import io
import re
import zipfile

import aiohttp
import openpyxl
import pytest

from gateway.console.frame import SESSION
from gateway.console.sections import auditlog
from gateway.console.sections.signin import STEP
from gateway.domain.access import Role
from gateway.ports.accounts import AuditQuery, AuditRow, Page, State
from gateway.programs.accounts import lists
from tests.world.accounts import HERE, OTHER, PASSWORD, ROOT
from tests.world.accounts_site import accounts_site, signed_in
from tests.world.console import AUDITOR, FakeSessions, FakeTrail, SetClock, console_site


@pytest.fixture
async def world():
    async with accounts_site() as (site, office):
        yield site, office


async def sign_in(site, login, password=PASSWORD, wanted="/console"):
    visitor = await site.visitor()
    await visitor.get(f"/sign-in?next={wanted}")
    fields = {"login": login, "password": password, "next": wanted}
    return visitor, await visitor.post("/sign-in", fields)


# ---------------------------------------------------------------- in


async def test_a_password_opens_the_page_that_was_asked_for(world):
    site, office = world
    await office.person("lan", Role.CLERK)
    visitor, answer = await sign_in(site, "lan", wanted="/console/account")
    assert (answer.status, answer.location) == (303, "/console/account")
    assert "Họ Tên Lan" in (await visitor.get("/account")).words
    assert (await visitor.get("/sign-in?next=/console/account")).location == "/console/account"
    await visitor.get("/account")
    out = await visitor.post("/sign-out")
    assert (out.status, out.location, SESSION in visitor.cookies) == (
        303,
        "/console/sign-in",
        False,
    )


async def test_wrong_and_unknown_say_the_same_and_lead_nowhere_else(world):
    site, office = world
    await office.person("lan", Role.CLERK)
    _, wrong = await sign_in(site, "lan", "sai")
    _, unknown = await sign_in(site, "khong-co", "sai")
    assert wrong.status == unknown.status == 422
    assert wrong.words.replace("lan", "") == unknown.words.replace("khong-co", "")
    _, away = await sign_in(site, "lan", wanted="https://evil.example/")
    assert away.location == "/console"


async def test_a_session_known_before_opens_nothing_after(world):
    site, office = world
    await office.person("lan", Role.CLERK)
    visitor = await site.visitor()
    visitor.cookies[SESSION] = "planted"
    await visitor.get("/sign-in")
    await visitor.post("/sign-in", {"login": "lan", "password": PASSWORD})
    assert visitor.cookies[SESSION] != "planted"
    planted = await site.visitor()
    planted.cookies[SESSION] = "planted"
    assert (await planted.get("/account")).status == 303


async def test_too_many_failures_wait_with_status_429(world):
    site, office = world
    await office.person("lan", Role.CLERK)
    visitor = await site.visitor()
    await visitor.get("/sign-in")
    codes = [
        (await visitor.post("/sign-in", {"login": "lan", "password": "sai"})).status
        for _ in range(7)
    ]
    assert codes[:5] == [422] * 5
    assert codes[-1] == 429


async def test_a_role_that_needs_it_sets_up_a_second_factor_on_the_way_in(world):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    visitor, answer = await sign_in(site, "quantri", wanted="/console/people")
    assert answer.location == "/console/sign-in/step?next=/console/people"
    assert SESSION not in visitor.cookies
    page = await visitor.get("/sign-in/step?next=/console/people")
    assert 'src="data:image/png;base64,' in page.text
    secret = "".join(re.search(r'class="key">(.*?)</code>', page.text)[1].split())
    wrong = await visitor.post("/sign-in/step", {"code": "000000", "next": "/console/people"})
    assert wrong.status == 422
    good = await visitor.post(
        "/sign-in/step", {"code": office.code(secret), "next": "/console/people"}
    )
    assert good.status == 200
    assert len(re.findall(r"<li><code>", good.text)) >= 8
    assert STEP not in visitor.cookies
    assert (await visitor.get("/people")).status == 200
    # The next time the code is asked for; the one used before opens nothing.
    again, answer = await sign_in(site, "quantri")
    assert "second" not in (await again.get("/sign-in/step")).headers
    used = await again.post("/sign-in/step", {"code": office.code(secret)})
    assert used.status == 422
    office.clock.move(seconds=60)
    done = await again.post("/sign-in/step", {"code": office.code(secret), "next": "/console"})
    assert (done.status, done.location) == (303, "/console")


async def test_a_step_that_is_over_begins_again(world):
    site, _ = world
    visitor = await site.visitor()
    visitor.cookies[STEP] = "old"
    assert (await visitor.get("/sign-in/step")).location == "/console/sign-in?next=/console"


async def test_a_link_leaves_the_address_is_looked_at_often_and_used_once(world):
    site, office = world
    admin_id = await office.person("sep", Role.SYS_ADMIN, "")
    assert admin_id
    admin = await signed_in(site, office, "sep")
    await admin.get("/people/new")
    new = {"login": "mai", "name": "Phạm Thị Mai", "agency": "H37.04"}
    assert (await admin.post("/people/new", new)).status == 422  # ACC-01: who asked for it?
    made = await admin.post("/people/new", new | {"request_ref": "7/SNV"})
    path = re.search(r"http://[^/]+/console(/link/\S+?)</textarea>", made.text)[1]
    mai = await site.visitor()
    came = await mai.get(path)
    assert (came.status, came.location) == (303, "/console/link")
    assert (await mai.get("/link")).status == (await mai.get("/link")).status == 200
    differ = await mai.post("/link", {"new": OTHER, "again": PASSWORD})
    assert differ.status == 422
    short = await mai.post("/link", {"new": "ngan", "again": "ngan"})
    assert short.status == 422
    done = await mai.post("/link", {"new": OTHER, "again": OTHER})
    assert (done.status, done.location) == (303, "/console")
    assert "Phạm Thị Mai" in (await mai.get("")).words
    late = await site.visitor()
    await late.get(path)
    assert (await late.get("/link")).status == 410


async def test_the_first_administrator_comes_by_a_link(world):
    site, office = world
    token = await office.accounts.first(ROOT)
    visitor = await site.visitor()
    await visitor.get(f"/link/{token}")
    page = await visitor.get("/link")
    assert "Quản trị đầu tiên" in page.words
    fields = {"login": "sep", "name": "Ngô Quản Trị", "new": OTHER, "again": OTHER}
    answer = await visitor.post("/link", fields)
    assert answer.location.startswith("/console/sign-in/step")
    assert "Cài xác thực bước hai" in (await visitor.get("/sign-in/step")).words


# ---------------------------------------------------------------- my account


async def test_my_password_my_sessions_and_losing_control(world):
    site, office = world
    await office.person("lan", Role.CLERK)
    lan, other = [await signed_in(site, office, "lan") for _ in range(2)]
    page = await lan.get("/account")
    assert page.text.count("phiên này") == 1
    await lan.get("/account/password")
    wrong = await lan.post("/account/password", {"old": "sai", "new": OTHER, "again": OTHER})
    assert wrong.status == 422
    done = await lan.post("/account/password", {"old": PASSWORD, "new": OTHER, "again": OTHER})
    assert done.status == 303
    assert (await other.get("/account")).status == 303
    third = await signed_in(site, office, "lan", OTHER)
    await lan.get("/account")
    await lan.post("/account/sessions", {"session": "others"})
    assert (await third.get("/account")).status == 303
    await lan.get("/account/lost-control")
    unsure = await lan.post("/account/lost-control")
    assert unsure.location == "/console/account/lost-control"
    assert (await lan.post("/account/lost-control", {"sure": "1"})).location == "/console/sign-in"
    _, locked = await sign_in(site, "lan", OTHER)
    assert "đang bị khóa" in locked.words


async def test_who_cannot_sign_in_locks_the_own_account_with_the_password(world):
    site, office = world
    lan_id = await office.person("lan", Role.CLERK)
    stranger = await site.visitor()
    await stranger.get("/lost-control")
    assert (await stranger.post("/lost-control", {"login": "lan", "proof": "x"})).status == 422
    assert (await office.accounts.one(ROOT, lan_id)).state is State.ACTIVE
    answer = await stranger.post("/lost-control", {"login": "lan", "proof": PASSWORD})
    assert answer.status == 303
    assert (await office.accounts.one(ROOT, lan_id)).state is State.LOCKED


async def test_a_role_is_lent_and_seen_on_both_sides(world):
    site, office = world
    await office.person("hung", Role.LEADER)
    lan_id = await office.person("lan", Role.CLERK)
    hung = await signed_in(site, office, "hung")
    page = await hung.get("/account/delegate?q=lan")
    assert "Họ Tên Lan" in page.words
    nothing = await hung.post("/account/delegate", {"q": "lan"})
    assert nothing.status == 422
    assert nothing.text.count("<li>") >= 3
    fields = {
        "q": "lan",
        "to": lan_id,
        "role": "leader:H37.61",
        "from": "2026-11-20T09:00",
        "until": "2026-11-27T17:00",
        "reference": "12/QĐ",
    }
    done = await hung.post("/account/delegate", fields)
    assert done.status == 303, done.words
    assert "Họ Tên Lan" in (await hung.get("/account")).words
    lan = await signed_in(site, office, "lan")
    page = await lan.get("/account")
    assert "27/11/2026 17:00" in page.words
    assert "Quyền của bạn đã thay đổi" in page.words
    await lan.post("/account/rights-seen")
    assert "Quyền của bạn đã thay đổi" not in (await lan.get("/account")).words
    grant = re.search(r'name="grant" value="([^"]+)"', (await lan.get("/account")).text)[1]
    assert (await lan.post("/account/undelegate", {"grant": grant})).status == 303
    stolen = await lan.post("/account/delegate", {**fields, "role": "sys_admin:"})
    assert stolen.status == 422


async def test_a_second_factor_is_not_replaced_by_who_holds_a_session_alone(world):
    site, office = world
    await office.person("lan", Role.CLERK)
    lan = await signed_in(site, office, "lan")
    page = await lan.get("/account/second-factor?next=/console")
    secret = "".join(re.search(r'class="key">(.*?)</code>', page.text)[1].split())
    assert (await lan.post("/account/second-factor", {"code": "1"})).status == 422
    done = await lan.post(
        "/account/second-factor", {"code": office.code(secret), "next": "/console"}
    )
    assert done.status == 200
    assert "Mã khôi phục" in done.words


# ---------------------------------------------------------------- people


async def test_rights_change_in_two_steps_and_nothing_on_the_first(world):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    lan_id = await office.person("lan", home="H37.61")
    admin = await signed_in(site, office, "quantri")
    await admin.get(f"/people/{lan_id}/rights")
    assert (await admin.post(f"/people/{lan_id}/rights")).status == 422
    fields = {"role": "clerk", "agency": "H37.61", "request_ref": "7/SNV"}
    plan = await admin.post(f"/people/{lan_id}/rights", fields)
    assert (plan.status, "Phát hành, gửi văn bản" in plan.words) == (200, True)
    assert (await office.accounts.one(ROOT, lan_id)).grants == ()
    token = re.search(r'name="token" value="([^"]+)"', plan.text)[1]
    done = await admin.post(f"/people/{lan_id}/rights/confirm", {**fields, "token": token})
    assert done.status == 303
    granted = (await office.accounts.one(ROOT, lan_id)).grants
    assert [g.grant.role for g in granted] == [Role.CLERK]
    # What was confirmed once, or never planned, is not done again.
    again = await admin.post(f"/people/{lan_id}/rights/confirm", {**fields, "token": token})
    assert again.status == 422
    beyond = {"role": "clerk", "agency": "H37.04"}
    assert (await admin.post(f"/people/{lan_id}/rights", beyond)).status in {403, 422}


async def test_an_administrator_of_one_unit_does_not_reach_into_another(world):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    mai_id = await office.person("mai", Role.CLERK, "H37.04")
    admin = await signed_in(site, office, "quantri")
    listed = await admin.get("/people")
    assert "quantri" in listed.words
    assert "Họ Tên Mai" not in listed.words
    for part in ("", "/rights", "/lock", "/leave"):
        assert (await admin.get(f"/people/{mai_id}{part}")).status in {403, 404}
    await admin.get("/people")
    for part in ("/lock", "/close", "/reset", "/sessions", "/handover", "/rights", ""):
        fields = {"code": "a", "reference": "1", "reason": "x", "successor": "y", "name": "Z"}
        answer = await admin.post(f"/people/{mai_id}{part}", {**fields, "role": "clerk"})
        assert answer.status == 404, part
    new = {"login": "x9", "name": "X", "agency": "H37.04", "request_ref": "1"}
    assert (await admin.post("/people/new", new)).status == 403
    assert (await office.accounts.one(ROOT, mai_id)).state is State.ACTIVE


async def test_who_has_more_than_one_unit_is_seen_there_and_left_alone(world):
    """ACC-06: an account with a role in the unit, of which it administers nothing else."""
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    mai_id = await office.person("mai", Role.CLERK, "H37.04")
    await office.granted(mai_id, Role.CLERK, "H37.61")
    await office.signed_in("mai")
    admin = await signed_in(site, office, "quantri")
    page = await admin.get(f"/people/{mai_id}")
    assert page.status == 200
    assert HERE.address not in page.text, "from where she signs in is her unit's affair"
    fields = {"code": "a", "reference": "1", "reason": "x", "successor": "y", "name": "Z"}
    for part in ("/lock", "/close", "/reset", "/sessions", "/handover", ""):
        answer = await admin.post(f"/people/{mai_id}{part}", fields)
        assert answer.status == 403, part
    assert (await office.accounts.one(ROOT, mai_id)).state is State.ACTIVE
    log = await office.made.audit.entries(AUDITOR, AuditQuery(action="refused"))
    assert {row.target for row in log.items} >= {
        f"page:person-{name}" for name in ("reset", "change", "sessions", "close")
    }


async def test_a_lock_needs_reason_and_reference_and_ends_the_session(world):
    site, office = world
    await office.person("sep", Role.SYS_ADMIN, "")
    lan_id = await office.person("lan", Role.CLERK)
    admin, lan = await signed_in(site, office, "sep"), await signed_in(site, office, "lan")
    await admin.get(f"/people/{lan_id}/lock")
    assert (await admin.post(f"/people/{lan_id}/lock", {"code": "lost"})).status == 422
    assert (await admin.post(f"/people/{lan_id}/lock", {"code": "a"})).status == 422
    locked = await admin.post(f"/people/{lan_id}/lock", {"code": "a", "reference": "15/QĐ-SNV"})
    assert locked.status == 303
    assert (await lan.get("/account")).status == 303
    page = await admin.get(f"/people/{lan_id}")
    assert "Chuyển công tác" in page.words
    assert "15/QĐ-SNV" in page.words
    await admin.get(f"/people/{lan_id}/lock")
    assert (await admin.post(f"/people/{lan_id}/unlock", {"reference": "16"})).status == 303
    assert (await office.accounts.one(ROOT, lan_id)).state is State.ACTIVE


async def test_an_account_with_open_items_is_handed_over_before_it_is_closed(world):
    site, office = world
    await office.person("sep", Role.SYS_ADMIN, "")
    lan_id = await office.person("lan", Role.CLERK)
    mai_id = await office.person("mai", Role.CLERK)
    office.drawer.items = {"d1": lan_id, "d2": lan_id}
    admin = await signed_in(site, office, "sep")
    page = await admin.get(f"/people/{lan_id}/leave")
    assert "2 dự thảo" in page.words
    assert "Họ Tên Mai" in page.words
    refused = await admin.post(f"/people/{lan_id}/close", {"reference": "9/QĐ"})
    assert refused.status == 422
    fields = {"reference": "9/QĐ", "successor": mai_id}
    assert (await admin.post(f"/people/{lan_id}/handover", fields)).status == 303
    assert set(office.drawer.items.values()) == {mai_id}
    assert (await admin.post(f"/people/{lan_id}/close", {"reference": "9/QĐ"})).status == 303
    assert (await office.accounts.one(ROOT, lan_id)).state is State.CLOSED


async def test_a_list_is_found_by_words_without_accents(world):
    site, office = world
    await office.person("sep", Role.SYS_ADMIN, "")
    await office.person("dung", Role.CLERK)
    admin = await signed_in(site, office, "sep")
    assert "Họ Tên Dung" in (await admin.get("/people?q=ho+ten+dung")).words
    assert "Không có tài khoản" in (await admin.get("/people?q=khongco&state=locked")).words
    assert (await admin.get("/people?state=moon&agency=%27")).status == 200


def form_of(visitor, data):
    form = aiohttp.FormData()
    form.add_field("_csrf", visitor._token)
    form.add_field("file", data, filename="can-bo.csv", content_type="text/csv")
    return form


async def bring(visitor, data):
    await visitor.get("/people/import")
    return await visitor._ask("POST", "/people/import", data=form_of(visitor, data))


async def test_a_list_is_compared_shown_and_taken_over_once_confirmed(world):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    admin = await signed_in(site, office, "quantri")
    head = "login,name,agency,mail,roles,request_ref\n"
    good = f"{head}lan,Trần Thị Lan,H37.61,,clerk,7/SNV\nhoa,Lê Hoa,H37.61,,,7/SNV\n".encode()
    page = await bring(admin, good)
    assert (page.status, "clerk@H37.61" in page.words) == (200, True)
    assert "Trần Thị Lan" not in (await admin.get("/people")).words
    fields = {
        name: re.search(f'name="{name}" value="([^"]+)"', page.text)[1]
        for name in ("token", "data")
    }
    other = {**fields, "data": fields["data"][:-8] + "AAAAAAAA"}
    assert (await admin.post("/people/import/take", other)).status in {400, 422}
    done = await admin.post("/people/import/take", fields)
    assert done.status == 200
    assert done.text.count("/console/link/") == 2
    assert "Trần Thị Lan" in (await admin.get("/people")).words
    # Played again, something has changed since; brought again, it changes nothing.
    assert (await admin.post("/people/import/take", fields)).status == 422
    assert "0 dòng thay đổi" in (await bring(admin, good)).words


@pytest.mark.parametrize(
    "line",
    [
        "mai,Phạm Thị Mai,H37.04,,,7/SNV",
        "sep,Đổi Tên,H37.61,,,7/SNV",
        "lan,Trần Thị Lan,H37.61,,clerk@H37.04,7/SNV",
        "lan,Trần Thị Lan,H37.61,,auditor,7/SNV",
        "lan,Trần Thị Lan,H37.61,,moon,7/SNV",
        "lan,Trần Thị Lan,H37.61,,,",
    ],
)
async def test_a_list_reaches_no_further_than_who_brings_it(world, line):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    await office.person("sep", Role.SYS_ADMIN, "")
    admin = await signed_in(site, office, "quantri")
    page = await bring(admin, f"login,name,agency,mail,roles,request_ref\n{line}\n".encode())
    assert page.status == 422
    assert "Dòng 2" in page.words
    assert 'name="token"' not in page.text


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"PK\x03\x04rubbish", b"a,b\n", b"x" * 200_000])
async def test_what_is_no_list_is_said_to_be_none(world, data):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    admin = await signed_in(site, office, "quantri")
    assert (await bring(admin, data)).status in {413, 422}
    admin._token = "0" * 64
    form = form_of(admin, b"login\n")
    assert (await admin._ask("POST", "/people/import", data=form)).status == 400
    for body in (b"", b"--x\r\nrubbish", b"--x--\r\n"):
        broken = {"data": body, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
        assert (await admin._ask("POST", "/people/import", **broken)).status == 400, body


def widest(row):
    """Return a small file that is a sheet as wide as sheets can be: a header, and one far cell."""
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["login", "name", "agency", "request_ref"])
    book.save(out)
    packed = io.BytesIO()
    with zipfile.ZipFile(out) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.xml"):
                data = re.sub(rb'ref="[^"]*"', b'ref="A1:XFD1048576"', data, count=1)
                cell = f'<row r="{row}"><c r="XFD{row}"><v>1</v></c></row></sheetData>'
                data = data.replace(b"</sheetData>", cell.encode())
            target.writestr(name, data)
    return packed.getvalue()


def test_a_sheet_that_claims_to_be_wide_is_read_as_wide_as_a_list():
    rows = list(lists._xlsx(widest(40)))
    assert rows == [["login", "name", "agency", "request_ref"], *[[]] * 39]


async def test_what_is_no_list_is_not_taken_over_either(world):
    site, office = world
    await office.person("quantri", Role.UNIT_ADMIN)
    admin = await signed_in(site, office, "quantri")
    await admin.get("/people/import")
    for data in (b"\xff\xfe", b"PK\x03\x04rubbish"):
        fields = {"token": "x", "data": base64.urlsafe_b64encode(data).decode()}
        assert (await admin.post("/people/import/take", fields)).status == 422


# ---------------------------------------------------------------- the audit log


async def test_the_audit_log_is_read_filtered_and_taken_away(world):
    site, office = world
    await office.person("kiemtra", Role.AUDITOR, "")
    await office.person("lan", Role.CLERK)
    clerk = await signed_in(site, office, "lan")
    assert (await clerk.get("/audit")).status == 403
    auditor = await signed_in(site, office, "kiemtra")
    page = await auditor.get("/audit?actor=lan&action=refused")
    assert "Trang audit" in page.words
    entry = re.search(r"/console/audit/([0-9a-f-]{36})", page.text)[1]
    assert "lan" in (await auditor.get(f"/audit/{entry}")).words
    assert (await auditor.get("/audit/none")).status == 404
    assert (await auditor.get("/audit?since=nonsense&until=2026-11-20T10:00")).status == 200
    office.clock.move(seconds=1)
    export = await auditor.get("/audit/export?actor=lan")
    assert export.headers["Content-Type"].startswith("text/csv")
    assert "Bị từ chối" in export.text
    taken = await auditor.get("/audit?actor=kiemtra&action=viewed")
    assert "export" in taken.words


class Endless:
    """An audit log of five pages; during the second, somebody is locked."""

    def __init__(self):
        self.sessions, self.asked = FakeSessions(), 0

    async def entries(self, actor, query, *, after="", limit=50):
        self.asked += 1
        if self.asked == 2:
            self.sessions.tokens.clear()
        at = SetClock().now()
        row = AuditRow(f"e{self.asked}", 1, at, "lan", "viewed", "arrival:1", "H37.61", {}, {})
        return Page((row,), "more" if self.asked < 5 else "")


async def test_taking_the_log_away_ends_with_the_session():
    log = Endless()
    async with console_site(auditlog.section(log, FakeTrail()), sessions=log.sessions) as site:
        auditor = await site.visitor(AUDITOR)
        with pytest.raises(aiohttp.ClientPayloadError):
            await auditor.get("/audit/export")
    assert log.asked == 2
