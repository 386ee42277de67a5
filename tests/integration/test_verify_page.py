"""The /verify page over real sockets: who gets in, what is kept (nothing), how much at once."""

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from gateway.errors import Reason, UnavailableError
from gateway.reports import html
from gateway.web.body import Limits
from gateway.web.scratch import Scratch
from gateway.web.studio import Studio
from gateway.web.verify_page import Pace, VerifyPage
from tests.world.api_house import house, problem
from tests.world.fake_desk import SENDER_KEY, FakeApiClock
from tests.world.made_reports import EVIL, states

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PDF = b"%PDF-1.7 what a clerk dropped here"


class FakeVerifier:
    """Gives one report for everything; keeps what lay there when it was asked."""

    def __init__(self, report):
        self.report = report
        self.seen = []
        self.failure = None
        self.hold = None

    async def verify(self, path, *, sha256, size_bytes, at, lane=0):
        data = path.read_bytes()
        self.seen.append((data, path.stat().st_mode & 0o777))
        assert hashlib.sha256(data).hexdigest() == sha256
        assert len(data) == size_bytes
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        return self.report


@asynccontextmanager
async def opened(folder, *, report=None, per_minute=30, max_bytes=1 << 20):
    verifier = FakeVerifier(report or states()["valid"])
    scratch = Scratch(folder / "scratch")

    def make(callers, clock):
        return VerifyPage(
            verifier, Studio(), scratch, callers, clock,
            limits=Limits(idle_s=60), max_bytes=max_bytes, per_minute=per_minute,
        )  # fmt: skip

    async with house(make_page=make) as h:
        h.verifier = verifier
        h.folder = folder / "scratch"
        yield h


async def drop(h, data=PDF, *, name="văn bản.pdf", key=None, headers=None, field="file"):
    form = aiohttp.FormData()
    form.add_field(field, data, filename=name, content_type="application/pdf")
    return await h.post("/verify", data=form, key=key, headers=BROWSER | (headers or {}))


def policy_of(reply):
    return dict(
        part.strip().partition(" ")[::2]
        for part in reply.headers["Content-Security-Policy"].split(";")
    )


async def test_the_page_is_there_with_a_strict_policy(tmp_path):
    async with opened(tmp_path) as h:
        reply = await h.get("/verify", key=None, headers=BROWSER)
        assert reply.status == 200
        text = reply.body.decode()
        assert "Tệp không được lưu" in text
        assert 'type="file"' in text
        policy = policy_of(reply)
        assert policy["default-src"] == "'none'"
        assert policy["form-action"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy)
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert policy["script-src"] == html.digest_source(script)
        styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        assert policy["style-src"].split() == [html.digest_source(s) for s in styles]
        assert not re.search(r"""\son[a-z]+=|style=["']""", text)


async def test_a_dropped_file_is_told_about_and_gone(tmp_path):
    async with opened(tmp_path) as h:
        reply = await drop(h)
        assert reply.status == 200
        text = reply.body.decode()
        assert "HỢP LỆ" in text
        assert "văn bản.pdf" in text
        assert 'data-end="40"' in text
        assert h.verifier.seen == [(PDF, 0o600)]
        assert list(h.folder.iterdir()) == []
        assert h.intake.sent == {}


async def test_it_is_gone_also_when_the_visitor_leaves_or_the_verifier_fails(tmp_path):
    async with opened(tmp_path) as h:
        h.verifier.failure = UnavailableError(Reason.OVERLOADED, "full", retry_after_s=5)
        assert (await drop(h)).status == 429
        assert list(h.folder.iterdir()) == []
        h.verifier.failure, h.verifier.hold = None, asyncio.Event()
        leaving = asyncio.create_task(drop(h))
        while len(h.verifier.seen) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        h.verifier.hold.set()
        while list(h.folder.iterdir()):  # noqa: ASYNC110
            await asyncio.sleep(0)


def test_what_a_crash_left_is_swept_when_the_next_process_begins(tmp_path):
    first = Scratch(tmp_path / "s")
    with first.file() as path:
        path.write_bytes(PDF)
        Scratch(tmp_path / "s")
        assert not path.exists()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X-Real-IP": "203.0.113.9"},
        {"Via": "1.1 proxy"},
        {"Host": "lienthong.example.vn"},
        {"Host": "evil.example:8480"},
        {"Host": "[2001:db8::1]"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
async def test_only_for_this_machine_or_with_a_key(tmp_path, headers):
    async with opened(tmp_path) as h:
        for reply in (
            await h.get("/verify", key=None, headers=BROWSER | headers),
            await drop(h, headers=headers),
        ):
            assert reply.status == 403
            assert "text/html" in reply.headers["Content-Type"]
            assert "chỉ dùng cho trình duyệt trên chính máy chạy cổng" in reply.body.decode()
        plain = await h.get("/verify", key=None, headers=headers)
        problem(plain, 403, "not-from-here")
        assert h.verifier.seen == []
        assert (await drop(h, key=SENDER_KEY, headers=headers)).status == 200
        assert (await drop(h, key="vl_wrong-0123456789abcdef", headers=headers)).status == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8480", "[::1]:8480", "127.8.8.8"])
async def test_names_of_this_machine(tmp_path, host):
    async with opened(tmp_path) as h:
        assert (await h.get("/verify", key=None, headers=BROWSER | {"Host": host})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_sites_page_cannot_send_a_form(tmp_path, headers):
    async with opened(tmp_path) as h:
        assert (await drop(h, headers=headers)).status == 403
        assert h.verifier.seen == []
        own = {"Origin": h.running.url, "Sec-Fetch-Site": "same-origin"}
        assert (await drop(h, headers=own)).status == 200


async def test_too_large_a_file_is_refused_and_gone(tmp_path):
    async with opened(tmp_path, max_bytes=100_000) as h:
        for size in (100_001, 400_000):
            reply = await drop(h, bytes(size))
            assert reply.status == 413
            assert h.verifier.seen == []
            assert list(h.folder.iterdir()) == []
        assert (await drop(h, bytes(100_000))).status == 200


async def test_each_address_has_its_pace(tmp_path):
    async with opened(tmp_path, per_minute=2) as h:
        assert [(await drop(h)).status for _ in range(3)] == [200, 200, 429]
        reply = await drop(h, headers={"Accept": "application/json"})
        problem(reply, 429, "overloaded")
        assert 0 < int(reply.headers["Retry-After"]) <= 30
        assert (await drop(h, key=SENDER_KEY)).status == 200
        h.clock.at += timedelta(seconds=31)
        assert [(await drop(h)).status for _ in range(2)] == [200, 429]


def test_the_pace_is_kept_for_so_many_addresses_only():
    pace, now = Pace(1), FakeApiClock().now()
    for n in range(5000):
        pace.take(f"198.51.100.{n}", now)
    assert len(pace._left) == 4096
    with pytest.raises(UnavailableError):
        pace.take("198.51.100.4999", now)
    pace.take("198.51.100.4999", now + timedelta(minutes=1))
    pace.take("198.51.100.4998", now + timedelta(minutes=1))
    with pytest.raises(UnavailableError):  # a clock set back gives nothing away
        pace.take("198.51.100.4998", now)


async def test_forms_that_are_none(tmp_path):
    async with opened(tmp_path) as h:
        json_too = {"Accept": "application/json"}
        problem(await drop(h, field="other", headers=json_too), 422, "malformed")
        form = aiohttp.FormData()
        for name in ("a.pdf", "b.pdf"):
            form.add_field("file", b"x", filename=name)
        problem(await h.post("/verify", data=form, key=None), 422, "limit-exceeded")
        reply = await h.post("/verify", data=b"x", key=None, headers={"Content-Type": "text/plain"})
        problem(reply, 415, "unsupported-media-type")
        problem(await h.post("/verify", key=None), 415, "unsupported-media-type")
        empty = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--\r\n'
        )
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        problem(await h.post("/verify", data=empty, key=None, headers=kind), 422, "malformed")
        none = await h.post("/verify", data=b"--b--\r\n", key=None, headers=kind)
        problem(none, 400, "bad-request")
        problem(await h.get("/verify?x=1", key=None), 400, "bad-request")
        problem(await h.get("/verify?key=vl_secret", key=None), 400, "bad-request")
        assert list(h.folder.iterdir()) == []
        assert h.verifier.seen == []


async def test_an_empty_file_is_a_file(tmp_path):
    async with opened(tmp_path, report=states()["unreadable"]) as h:
        reply = await drop(h, b"")
        assert reply.status == 200
        assert "KHÔNG ĐỌC ĐƯỢC" in reply.body.decode()


async def test_names_of_files_stay_text(tmp_path):
    async with opened(tmp_path) as h:
        name = '<img src=x onerror=alert(1)>\u202egnp".pdf'
        text = (await drop(h, name=name)).body.decode()
        assert "<img" not in text
        assert "\u202e" not in text
        assert EVIL not in text


async def test_no_page_where_none_is_wanted():
    async with house() as h:
        problem(await h.get("/verify", key=None), 404, "no-such-route")
