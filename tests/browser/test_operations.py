"""An operator's day: the board says by itself what is stuck, and it is put back.

Rules: SND-15.
"""

from datetime import timedelta

from playwright.async_api import expect

from gateway.ports import Insert, Update
from gateway.programs.tally import minute
from tests.world.console import ADMIN, OPERATOR
from tests.world.ops_house import ops_house


def _flow(house):
    """Return two hours of two nodes, with a gap in which there was none."""
    for back in range(1, 120):
        at = house.clock.at - timedelta(minutes=back)
        if 50 < back < 65:
            continue
        for node in ("a", "b"):
            for what, peer, n, ms in (
                ("accepted", "", 20 + back % 7, 900 + 10 * back),
                ("taken", "truc", 18 + back % 5, 0),
                ("attempted", "truc", 19 + back % 5, 4000 + 20 * back),
                ("arrived", "", 9 + back % 3, 0),
                ("log", "", 100_000 - 90 * back, 0),
            ):
                row = {"id": f"{back}{node}{what}", "minute": minute(at), "node": node}
                yield Insert("flow_minute", row | {"what": what, "peer": peer, "n": n, "ms": ms})


async def test_an_operator_sees_dead_letters_live_and_puts_them_back(open_window, tmp_path):
    async with ops_house(tmp_path) as house:
        await house.put(house.transfer("t0", "waiting", lane=3), house.transfer("t9", "deferred"))
        await house.put(*_flow(house))
        wall = await open_window(house.site, OPERATOR)
        await wall.go("/ops")
        await wall.accessible()
        failed = wall.page.locator("#n-failed")
        await expect(failed).to_have_text("0")
        loaded = await wall.page.evaluate("performance.timeOrigin")

        await house.put(*(house.transfer(f"t{n}") for n in (1, 2)))
        await expect(failed).to_have_text("2")
        await wall.accessible()
        await wall.picture("operations-board")
        await wall.page.get_by_role("heading", name="Hai giờ qua").scroll_into_view_if_needed()
        await wall.picture("operations-flow")

        window = await open_window(house.site, OPERATOR, dark=True)
        page = window.page
        await window.go("/ops")
        await window.accessible()
        await window.picture("operations-board-dark")
        await page.get_by_role("link", name="Không gửi được").click()
        await expect(page.locator("#count")).to_have_text("2")
        await window.accessible()
        await page.get_by_label("Lý do").fill("Trục đã chạy lại")
        await page.get_by_role("button", name="Gửi lại").click()
        await expect(page.locator("#would")).to_have_text("2")
        await window.accessible()
        await window.picture("operations-requeue")
        await house.put(Update("transfer", {"id": "t2"}, {"state": "done"}))
        await page.get_by_role("button", name="Gửi lại 2").click()
        await page.get_by_text("1 lượt chuyển đã xếp lại hàng đợi").wait_for()

        await expect(failed).to_have_text("0")
        assert await wall.page.evaluate("performance.timeOrigin") == loaded


async def test_the_pages_of_operations_are_accessible(open_window, tmp_path):
    async with ops_house(tmp_path) as house:
        await house.put(house.transfer("t1"))
        window = await open_window(house.site, ADMIN)
        for path, name in (
            ("/ops/transfers/t1", ""),
            ("/ops/trace?id=t1", ""),
            ("/ops/receipts", "operations-receipts"),
            ("/ops/health", "operations-health"),
            ("/ops/certificates", ""),
            ("/ops/systems", "operations-systems"),
            ("/ops/agencies", ""),
            ("/ops/agencies/H37.61", ""),
            ("/ops/import", ""),
        ):
            await window.go(path)
            await window.accessible()
            if name:
                await window.picture(name)


async def test_the_board_is_read_without_script(open_window, tmp_path):
    async with ops_house(tmp_path) as house:
        await house.put(house.transfer("t1"))
        window = await open_window(house.site, OPERATOR, script=False)
        await window.go("/ops")
        await expect(window.page.locator("#n-failed")).to_have_text("1")
