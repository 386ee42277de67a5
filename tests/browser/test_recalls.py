"""A recall racing the pick-up, in a real browser: who is faster decides, and both sides see it."""

import pytest_asyncio
from playwright.async_api import expect

from gateway.domain.access import Role
from tests.world.gatehouse import gatehouse, packet

OURS, WARD = "H37.02", "H37.61"


@pytest_asyncio.fixture(loop_scope="session", name="house")
async def _house(tmp_path):
    async with gatehouse(tmp_path) as house:
        yield house


async def test_a_recall_races_the_pick_up(house, open_window):
    status, answer, _ = await house.send(packet("12", to=("H37.04", WARD)))
    assert status == 202, answer
    await house.state(answer["id"], "H37.04", "handed_over")
    await house.state(answer["id"], WARD, "arrived")
    sender = await house.visitor("binh", Role.CLERK, OURS)
    window = await open_window(house, cookies=sender.cookies)
    page = window.page
    await window.go(f"/outgoing/{answer['id']}")
    await expect(page.get_by_role("button", name="Soạn văn bản thay thế")).to_be_visible()
    await page.get_by_role("link", name="Thu hồi…").click()
    await expect(page.get_by_text("hủy trước khi gửi").or_(page.get_by_text("(13)"))).to_have_count(
        2
    )
    await window.accessible()
    # While the form is being filled in, the department's system picks the document up.
    (item,) = await house.inbox("stc")
    await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    await page.get_by_label("Lý do thu hồi").fill("Ban hành nhầm phụ lục")
    await page.get_by_label("Tôi đã báo người ký").check()
    await page.get_by_role("button", name="Thu hồi", exact=True).click()
    await expect(page.get_by_text("Đã ghi yêu cầu thu hồi")).to_be_visible()
    await expect(page.get_by_text("yêu cầu lấy lại", exact=True)).to_have_count(2)
    await window.accessible()
    await window.picture("recall-progress")
    # Picked up: its own system decides, and the page says so.
    body = {"code": "15", "reason": "đã hủy"}
    await house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
    await window.go(f"/outgoing/{answer['id']}/recall")
    await expect(page.get_by_text("lấy lại thành công")).to_have_count(1)

    ward = await house.visitor("lan", Role.CLERK, WARD)
    other = await open_window(house, cookies=ward.cookies)
    await other.go("/recalls?side=asked")
    await other.accessible()
    await other.page.get_by_role("link", name="12/").click()
    await expect(other.page.get_by_text("Ban hành nhầm phụ lục")).to_be_visible()
    await other.accessible()
    await other.picture("recall-question")
    await other.page.get_by_role("button", name="Đồng ý, hủy văn bản (15)").click()
    await expect(other.page.get_by_text("lấy lại thành công")).to_be_visible()

    await window.go("/recalls?state=all")
    await window.accessible()
    await expect(page.get_by_text("lấy lại thành công")).to_have_count(2)
