"""Accounts in a whole gateway: the console is there, and a session is asked of the ledger."""

import aiohttp

from gateway.domain.access import Role
from gateway.programs.accounts.means import all_ended
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
