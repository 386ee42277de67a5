"""Accounts in a whole gateway: the console is there, and a session is asked of the ledger."""

import base64
import re
from datetime import timedelta

import aiohttp

from gateway.domain import totp
from gateway.domain.access import EVERYWHERE, Grant, Person, Role
from gateway.programs.accounts.means import all_ended
from tests.world.console import Visitor
from tests.world.gatehouse import gatehouse


async def test_the_console_opens_for_who_is_signed_in_and_for_nobody_else(tmp_path):
    async with gatehouse(tmp_path) as house:
        lan = await house.visitor("lan", Role.CLERK, "H37.61")
        assert "Văn thư cơ quan" in (await lan.get("")).words
        async with aiohttp.ClientSession() as nobody:
            async with nobody.get(f"{house.url}/", allow_redirects=False) as bare:
                assert (bare.status, bare.headers["Location"]) == (303, "/console")
            async with nobody.get(f"{house.url}/console", allow_redirects=False) as page:
                assert page.status == 303
                assert page.headers["Location"].startswith("/console/sign-in")
        # Ended by another process: over at the next request.
        await house.gateway.accounts.means.commit(
            all_ended("a-lan", "2026-11-22T00:00:00.000000Z", "test")
        )
        assert (await lan.get("")).status == 303


async def test_the_first_administrator_comes_in_and_every_door_counts(tmp_path):
    """From `vanlien user first` to a code that opens once: real pages, hashes, keys, ledger."""
    root = Person("", "root", "root", (Grant(Role.SYS_ADMIN, EVERYWHERE),))
    async with gatehouse(tmp_path, extra="[accounts]\npassword_memory = 64\n") as house:
        token = await house.gateway.accounts.accounts.first(root)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            visitor = Visitor(house.url, session, {})
            assert (await visitor.get(f"/link/{token}")).location == "/console/link"
            await visitor.get("/link")
            told = {"login": "goc", "name": "Người Gốc", "new": "cua so mo ra bien"}
            step = await visitor.post("/link", {**told, "again": told["new"]})
            assert step.location.startswith("/console/sign-in/step")
            page = await visitor.get("/sign-in/step")
            secret = re.search(r"[A-Z2-7]{32}", page.text.replace(" ", ""))
            assert secret is not None
            code = code_of(secret[0], house.clock.now())
            shown = await visitor.post("/sign-in/step", {"code": code})
            assert len(re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", shown.text)) == 10
            assert "Quản trị hệ thống" in (await visitor.get("")).words
            assert (await visitor.get("/people")).status == 200

            # The code that set it up opens no second session, the next one does.
            other = Visitor(house.url, session, {})
            await other.get("/sign-in")
            await other.post("/sign-in", {"login": "goc", "password": told["new"]})
            await other.get("/sign-in/step")
            assert (await other.post("/sign-in/step", {"code": code})).status == 422
            house.clock.move(timedelta(seconds=60))
            later = code_of(secret[0], house.clock.now())
            assert (await other.post("/sign-in/step", {"code": later})).location == "/console"
        held = await house.gateway.ledger.one("account_by_login", login="goc")
        assert held["password"].startswith("$argon2id$")
        assert secret[0] not in held["totp"]


def code_of(secret, at):
    return totp.code_of(base64.b32decode(secret), totp.step_of(at))
