"""The frame around every page: sign-in, forgery, rights, languages, errors, headers."""

import asyncio
import io
import re
from html import unescape
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from gateway.console.frame import local_path
from gateway.console.pages import (
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
from gateway.console.sections import home
from gateway.domain.access import Right
from gateway.errors import Reason, RejectedError, UnavailableError
from tests.world.console import AUDITOR, CLERK, LEADER, NOBODY, OTHER_CLERK, console_site


async def _form(visit: Visit) -> See:
    visit.must(Right.RECEIVE, visit.text("agency"))
    return See("/console/thing", Say("Đã làm “việc”", "Done"))


async def _thing(_: Visit) -> Shown:
    return Shown("home.html.j2", {"roles": []})


async def _broken(_: Visit) -> Shown:
    raise RejectedError(Reason.NOT_FOUND, "no such <thing>")


async def _open(_: Visit) -> Shown:
    said = Say("Chào", "Hello")
    values = {"title": said, "detail": said, "findings": (), "advice": None}
    return Shown("problem.html.j2", values)


async def _cut(visit: Visit) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "3000"})
    await response.prepare(visit.request)
    await response.write(b"x" * 1000)
    raise FAILURES[visit.query("by")]


FAILURES = {
    "unavailable": UnavailableError(),
    "rejected": RejectedError(Reason.FORBIDDEN),
    "hidden": HiddenError(),
}


async def _anothers(_: Visit) -> Shown:
    raise HiddenError


async def _bug(_: Visit) -> Shown:
    raise ZeroDivisionError("SELECT secret FROM inside")


async def _away(_: Visit) -> Shown:
    raise UnavailableError(public="the ledger cannot commit", retry_after_s=7)


async def _crowded(_: Visit) -> Shown:
    raise UnavailableError(Reason.OVERLOADED, retry_after_s=7)


async def _no_room(_: Visit) -> Shown:
    raise web.HTTPRequestEntityTooLarge(1, 2)


async def _find(visit: Visit) -> Thing:
    """Find a thing called as its agency: clerks of others may not know of it."""
    agency = visit.request.match_info["id"]
    return Thing(agency, f"thing:{agency}", visit.me.may(Right.READ, agency), found=agency)


async def _found(visit: Visit) -> Shown | See:
    FOUND.append((visit.thing.found, list(TRAILS[-1].views)))
    if visit.text("good"):
        return See("/console/thing")
    return Shown("home.html.j2", {"roles": []})


FOUND: list = []
TRAILS: list = []
THINGS = Section(
    pages=(
        Page("GET", "/thing", "thing", _thing, Right.READ),
        Page("GET", "/broken", "broken", _broken),
        Page("GET", "/one/{id}", "one", _found, Right.READ, about=_find, seen="page"),
        Page(
            *("POST", "/one/{id}", "one-change", _found, Right.RECEIVE),
            takes="form",
            about=_find,
            seen="page",
        ),
        Page("GET", "/whole/{id}", "whole", _thing, Right.READ, about=Whose.GATEWAY),
        Page("GET", "/cut", "cut", _cut),
        Page("GET", "/bug", "bug", _bug),
        Page("GET", "/crowded", "crowded", _crowded),
        Page("GET", "/no-room", "no-room", _no_room),
        Page("POST", "/bug", "bug-form", _bug, takes="form"),
        Page("GET", "/away", "away", _away),
        Page("POST", "/away", "away-form", _away, takes="form"),
        Page("POST", "/away/files", "away-files", _away, takes="upload"),
        Page("POST", "/account/away", "away-account", _away, takes="form"),
        Page("GET", "/anothers", "anothers", _anothers),
        Page("POST", "/thing", "thing-form", _form, Right.READ, takes="form"),
        Page("GET", "/open", "open", _open, open=True),
        Page("GET", "/strong", "ops-purge", _thing),
    ),
    nav=(Nav("/thing", "Văn bản", "Documents", Group.CLERK, Right.READ),),
)


@pytest.fixture
async def site():
    async with console_site(home.section(), THINGS) as site:
        TRAILS.append(site.trail)
        yield site


async def test_nobody_is_sent_to_sign_in_and_comes_back_to_the_page(site):
    answer = await (await site.visitor()).get("/thing?a=1&b=/x")
    assert answer.status == 303
    assert answer.location == "/console/sign-in?next=/console/thing%3Fa%3D1%26b%3D/x"


async def test_who_lacks_the_right_gets_403_and_leaves_an_audit_entry(site):
    answer = await (await site.visitor(NOBODY)).get("/thing")
    assert answer.status == 403
    assert "không có quyền" in answer.words
    assert site.trail.refusals == [("a-moi", "thing", "GET")]


async def test_a_thing_of_another_is_not_there_and_the_attempt_is_on_record(site):
    clerk = await site.visitor(CLERK)
    assert (await clerk.get("/anothers")).status == 404
    assert site.trail.refusals == [("a-lan", "anothers", "GET")]
    assert (await clerk.get("/broken")).status == 404
    assert len(site.trail.refusals) == 1


@pytest.mark.parametrize("by", list(FAILURES))
async def test_a_file_that_breaks_off_is_cut_and_no_page_fills_it(site, by):
    clerk = await site.visitor(CLERK)
    with pytest.raises(aiohttp.ClientPayloadError):
        await clerk.get(f"/cut?by={by}")


@pytest.mark.parametrize(
    "cookie",
    [
        b"vanlien_told=1",
        b"vanlien_told=" + b"%5B" * 2000,
        b'vanlien_visitor="\xff"',
        b"vanlien_visitor=\xff",
        b'vanlien_session="\xff"',
    ],
)
async def test_whatever_a_cookie_holds_it_breaks_no_page(site, cookie):
    url = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(b"GET /console/open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        writer.write(b"Cookie: " + cookie + b"\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
    finally:
        writer.close()
        await writer.wait_closed()


async def test_the_right_of_another_agency_is_not_the_right(site):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    assert (await clerk.post("/thing", {"agency": "H37.04"})).status == 403
    assert site.trail.refusals == [("a-lan", "thing-form", "POST")]
    done = await clerk.post("/thing", {"agency": "H37.61"})
    assert (done.status, done.location) == (303, "/console/thing")
    assert "Đã làm “việc”" in (await clerk.get("/thing")).words
    assert "Đã làm" not in (await clerk.get("/thing")).words


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
async def test_a_form_without_the_token_of_the_page_does_nothing(site, token):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    answer = await clerk.post("/thing", {"agency": "H37.61"}, token=token)
    assert answer.status == 400


async def test_what_no_ledger_can_keep_is_the_visitors_fault(site):
    clerk = await site.visitor(CLERK)
    assert (await clerk.get("/thing?a=%00")).status == 400
    await clerk.get("/thing")
    assert (await clerk.post("/thing", {"agency": "H37.61\0"})).status == 400


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_a_form_of_another_site_does_nothing(site, headers):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    form = {"_csrf": clerk._token, "agency": "H37.61"}
    assert (await clerk._ask("POST", "/thing", data=form, headers=headers)).status == 400


async def test_a_form_of_ours_is_taken_also_behind_a_proxy_that_ends_tls(site):
    clerk = await site.visitor(CLERK)
    # Chromium says "null" for the origin of our own form where the policy is `no-referrer`.
    assert (await clerk.get("/thing")).headers["Referrer-Policy"] == "same-origin"
    form = {"_csrf": clerk._token, "agency": "H37.61"}
    own = {"Origin": site.url.replace("http:", "https:"), "Sec-Fetch-Site": "same-origin"}
    assert (await clerk._ask("POST", "/thing", data=form, headers=own)).status == 303


async def test_the_menu_has_what_the_person_may_see(site):
    assert "Văn bản" in (await (await site.visitor(CLERK)).get("")).words
    assert "Văn bản" not in (await (await site.visitor(AUDITOR)).get("")).words


async def test_the_language_is_remembered(site):
    clerk = await site.visitor(CLERK)
    assert 'lang="vi"' in (await clerk.get("")).text
    answer = await clerk.post("/language", {"lang": "en", "next": "/console/thing"})
    assert (answer.status, answer.location) == (303, "/console/thing")
    assert "Hello" in (await clerk.get("")).words


async def test_every_page_forbids_what_is_not_its_own(site):
    clerk = await site.visitor(CLERK)
    for path in ("", "/thing", "/broken", "/strong"):
        answer = await clerk.get(path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert " style=" not in answer.text


async def test_a_view_is_on_record_before_the_page_does_anything(site):
    clerk = await site.visitor(CLERK)
    assert (await clerk.get("/one/H37.61")).status == 200
    view = ("a-lan", "thing:H37.61", "page")
    assert FOUND[-1] == ("H37.61", [view])
    # A form that did something shows nothing; one that is shown again is a view too.
    await clerk.post("/one/H37.61", {"good": "1"})
    assert site.trail.views == [view]
    await clerk.post("/one/H37.61")
    assert site.trail.views == [view, view]


async def test_the_right_is_asked_for_the_agency_of_the_thing(site):
    assert (await (await site.visitor(OTHER_CLERK)).get("/one/H37.61")).status == 404
    assert site.trail.refusals == [("a-mai", "one", "GET")]
    leader = await site.visitor(LEADER)
    await leader.get("/one/H37.61")
    assert (await leader.post("/one/H37.61")).status == 403  # knows of it, may not change it
    assert site.trail.refusals[1:] == [("a-hung", "one-change", "POST")]
    assert (await leader.get("/whole/x")).status == 403
    assert [who for who, _, _ in site.trail.views] == ["a-hung"]


@pytest.mark.parametrize(
    "about", [{}, {"about": _find}, {"about": None, "seen": "page"}], ids=["none", "unseen", "seen"]
)
def test_a_page_cannot_forget_whose_its_thing_is(about):
    with pytest.raises(ValueError, match="x: say"):
        Page("GET", "/x/{id}", "x", _found, Right.READ, **about)


async def test_a_refusal_is_a_page_in_both_languages_with_the_request(site):
    answer = await (await site.visitor(CLERK)).get("/broken")
    assert answer.status == 404
    assert "no such &lt;thing&gt;" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


async def test_a_page_that_needs_a_second_factor_asks_for_it(site):
    answer = await (await site.visitor(CLERK)).get("/strong")
    assert answer.status == 403
    assert "second-factor" in answer.text


async def test_static_files_are_kept_for_ever_and_nothing_else_is_served(site):
    visitor = await site.visitor()
    answer = await visitor.get("/static/console.css")
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
    for name in ("nothing.css", "..%2Frender.py", "%2e%2e%2fframe.py"):
        assert (await visitor.get(f"/static/{name}")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "/console/\\evil",
        "/api",
        "",
        "/console\n/x",
        "javascript:alert(1)",
        "/consolex",
        "//[",
        "//\u2100",
    ],
)
def test_nobody_is_led_away(path):
    assert local_path(path) == "/console"


async def test_an_address_that_leads_nowhere_is_a_page_too(site):
    answer = await (await site.visitor(CLERK)).get("/no-such/page")
    assert answer.status == 404
    assert "Về trang chính" in answer.words
    assert "Kiểm tra lại địa chỉ" in answer.words
    assert (await (await site.visitor()).get("/no-such/page")).status == 303


async def test_a_template_in_use_stays_as_it_was(tmp_path, monkeypatch):
    """An upgrade lays new files beside code that runs."""
    from gateway.console import render

    (tmp_path / "one.j2").write_text("old {{ known }}")
    monkeypatch.setattr(render, "_TEMPLATES", tmp_path)
    render.environment.cache_clear()
    try:
        assert render.render("one.j2", "vi", {"known": "x"}) == b"old x"
        (tmp_path / "one.j2").write_text("new {{ unknown }}")
        assert render.render("one.j2", "vi", {"known": "x"}) == b"old x"
    finally:
        render.environment.cache_clear()


@pytest.mark.parametrize(
    ("path", "status", "vi", "en"),
    [
        ("/bug", 500, "đã được ghi lại", "The fault is ours"),
        ("/no-room", 413, "chọn tệp nhỏ hơn", "choose smaller files"),
        ("/static/none.css", 404, "Kiểm tra lại địa chỉ", "Check the address"),
    ],
)
async def test_what_nobody_foresaw_is_a_page_that_says_what_to_do(site, path, status, vi, en):
    answer = await (await site.visitor(CLERK)).get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert vi in answer.words
    assert en in answer.words
    assert answer.headers["X-Request-Id"] in answer.words
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    for inside in ("secret", "ZeroDivision", "Traceback", "_bug"):
        assert inside not in answer.text


async def test_too_many_requests_is_a_page_that_says_to_wait_in_both_languages(site):
    clerk = await site.visitor(CLERK)
    for words in (("đang quá tải", "Chờ một lúc"), ("Too many requests", "Wait a while")):
        answer = await clerk.get("/crowded")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert all(word in answer.words for word in words)
        assert 'href="/console"' in answer.text  # the way back
        clerk.cookies["vanlien_lang"] = "en"


async def test_a_form_that_failed_is_not_sent_again_by_its_page(site):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    answer = await clerk.post("/bug")
    assert answer.status == 500
    assert 'http-equiv="refresh"' not in answer.text
    wrong = await clerk._ask("PUT", "/thing")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET,HEAD,POST".replace(",", ", "))
    assert "về trang chính rồi làm lại từ biểu mẫu" in wrong.words


async def test_an_overloaded_gateway_says_so_in_a_page_that_loads_again():
    from gateway.web.body import Limits

    async with console_site(home.section(), THINGS, limits=Limits(in_flight=0)) as site:
        answer = await (await site.visitor(CLERK)).get("/thing")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "đang bận" in answer.words
        assert 'http-equiv="refresh"' in answer.text
        # What no person asked for stays what machines read.
        async with aiohttp.ClientSession() as session, session.get(f"{site.url}/other") as other:
            assert other.content_type == "application/problem+json"


# ---------------------------------------------------------------- a form the ledger did not take


def fields_of(text):
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text, re.DOTALL)
    return [(unescape(name), unescape(value)) for name, value in found]


async def test_a_form_that_may_not_be_saved_comes_back_whole_to_be_sent_again(site):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    typed = {"subject": 'Về việc "họp"\ngiao ban <b>', "to": "H37.04", "do": "save"}
    answer = await clerk.post("/away?a=1", typed)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert "có thể đã lưu hoặc chưa" in answer.words
    assert "may be saved or not" in answer.words
    assert fields_of(answer.text) == [("_csrf", clerk._token), *typed.items()]
    assert 'action="/console/away?a=1"' in answer.text
    assert "<b>" not in answer.text
    assert 'http-equiv="refresh"' not in answer.text
    assert "cannot commit" not in answer.text


async def test_so_it_does_when_nobody_can_say_who_is_signed_in(site, monkeypatch):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")

    async def nobody_knows(token, *, using=True):
        raise UnavailableError

    monkeypatch.setattr(site.sessions, "person", nobody_knows)
    answer = await clerk.post("/thing", {"name": "Lan"})
    assert answer.status == 503
    assert ("name", "Lan") in fields_of(answer.text)
    shown = await clerk.get("/thing")  # a page that only shows loads again by itself
    assert (shown.status, fields_of(shown.text)) == (503, [])


async def test_a_password_is_not_written_into_a_page_nor_a_file(site):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    answer = await clerk.post("/account/away", {"password": "mat-khau"})
    assert answer.status == 503
    assert "mat-khau" not in answer.text
    form = aiohttp.FormData({"_csrf": clerk._token, "file": io.BytesIO(b"ruot")})
    answer = await clerk._ask("POST", "/away/files", data=form)
    assert answer.status == 503
    assert "chọn lại tệp" in answer.words
    assert "<button>" not in answer.text


@pytest.mark.parametrize(
    ("said", "leads"),
    [
        ("{url}/console/thing?a=1", "/console/thing?a=1"),
        ("http://elsewhere.example/x", "/console"),
        ("javascript:alert(1)", "/console"),
        ("http://[", "/console"),
    ],
)
async def test_where_to_look_is_a_page_of_ours(site, said, leads):
    clerk = await site.visitor(CLERK)
    await clerk.get("/thing")
    headers = {"Referer": said.format(url=site.url)}
    answer = await clerk._ask("POST", "/away", data={"_csrf": clerk._token}, headers=headers)
    assert f'<a href="{leads}" target="_blank"' in answer.text
