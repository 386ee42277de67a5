"""A clerk's day with what comes in, in a real browser: look, accept; refuse with a reason."""

import json
import re

import pytest_asyncio
from playwright.async_api import expect

from gateway.domain.access import Role
from tests.world.gatehouse import gatehouse, packet
from tests.world.signed_files import pki, trust_of, twice

WARD = "H37.61"


@pytest_asyncio.fixture(loop_scope="session", name="house")
async def _house(tmp_path):
    (tmp_path / "trust").mkdir()
    for file in trust_of(pki()).iterdir():
        (tmp_path / "trust" / file.name).write_bytes(file.read_bytes())
    async with gatehouse(tmp_path) as house:
        yield house


async def _sent(house, number, files, **options):
    status, answer, _ = await house.send(packet(number, to=(WARD,), files=files, **options))
    assert status == 202, answer
    await house.state(answer["id"], WARD, "arrived")
    return answer["id"]


async def test_a_clerk_looks_accepts_and_refuses(house, open_window):
    letter = (("cong-van.pdf", twice()),)
    good = await _sent(house, "123", letter, urgency=1, subject="V/v họp giao ban tháng 11")
    bad = await _sent(house, "77", (("thu.txt", b"xin chao"),), subject="V/v gửi nhầm nơi nhận")
    clerk = await house.visitor("lan", Role.CLERK, WARD)
    window = await open_window(house, cookies=clerk.cookies)
    page = window.page
    await window.go("/today")
    await window.serves_everybody()
    await window.picture("today")
    await page.get_by_role("link", name="Văn bản đến chờ tiếp nhận").click()
    await window.accessible()
    await window.picture("incoming-list")

    await page.get_by_role("link", name="V/v họp giao ban tháng 11").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("họp giao ban")
    await window.accessible()
    await window.picture("incoming-document")
    await page.get_by_role("link", name="Xem cong-van.pdf").click()
    await expect(page.locator("img.page")).to_have_js_property("complete", value=True)
    assert await page.locator("img.page").evaluate("e => e.naturalWidth") > 900
    await window.accessible()
    await window.picture("incoming-view")
    await page.get_by_role("link", name="Về văn bản").click()

    # Without a mouse: found by its number, opened, accepted.
    await page.wait_for_url(re.compile(r"/incoming/[0-9a-f-]+$"))  # and its script is there
    await house.gateway.shelf.keeper.caught_up(60)
    await window.keys("/", "123", "Enter")
    await expect(page.locator("mark").first).to_be_visible()
    await window.serves_everybody()
    await window.picture("search")
    await window.skip()
    await window.tab_to("V/v họp giao ban tháng 11")
    await window.keys("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("họp giao ban")
    await window.skip()
    await window.tab_to("Tiếp nhận, vào sổ")
    await window.keys("Enter")
    await expect(page.locator(".told")).to_contain_text("số đến 1/")
    await house.state(good, WARD, "accepted")

    await window.go("/incoming")
    await page.get_by_role("link", name="V/v gửi nhầm nơi nhận").click()
    await page.get_by_label("Lý do", exact=True).select_option("R14")
    await page.get_by_role("button", name="Trả lại bên gửi").click()
    await expect(page.get_by_text("Lý do khác (R14) phải ghi rõ nội dung.")).to_be_visible()
    await window.accessible()
    await page.get_by_label("Lý do", exact=True).select_option("R01")
    await page.get_by_role("button", name="Trả lại bên gửi").click()
    await expect(page.locator(".told")).to_contain_text("Đã từ chối, trả lại")
    await house.state(bad, WARD, "returned")

    await window.go("/incoming/paper")
    await window.accessible()
    await window.picture("incoming-paper")


async def test_what_a_day_leaves_is_read_by_everybody(house, open_window):
    """RPT-02, OPS-05: registers, figures, alerts; by day and by night, enlarged fourfold."""
    sent = await _sent(house, "5", (("thu.txt", b"xin chao"),), subject="V/v báo cáo quý")
    delivery = await house.state(sent, WARD, "arrived")
    ids = json.dumps([delivery["id"]])
    (arrival,) = await house.gateway.ledger.all("arrivals_of_deliveries", ids=ids)
    await house.gateway.mailroom.on_arrival(arrival["id"], "03", "")
    await house.gateway.shelf.keeper.caught_up(60)
    clerk = await house.visitor("lan", Role.CLERK, WARD)
    window = await open_window(house, cookies=clerk.cookies)
    for path, name in (
        (f"/registers?book=in&agency={WARD}", "registers"),
        (f"/statistics?agency={WARD}", "statistics"),
        ("/alerts", "alerts"),
        (f"/incoming/{arrival['id']}/slip", ""),
        ("/no-such-page", ""),
    ):
        await window.go(path)
        await window.serves_everybody()
        if name == "registers":
            row = window.page.get_by_role("row", name="V/v báo cáo quý")
            await expect(row.get_by_role("cell").nth(1)).to_have_text("1")  # số đến
        if name:
            await window.picture(name)
