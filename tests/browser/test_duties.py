"""The calendar and the duties as persons see them: accessible, and by keyboard.

Rules: TIM-04, TIM-05, OPS-06, OPS-09, ORG-09.
"""

from gateway.domain.access import Role
from tests.world.gatehouse import gatehouse


async def test_an_administrator_changes_the_calendar_and_announces_maintenance(
    open_window, tmp_path
):
    async with gatehouse(tmp_path) as house:
        admin = await house.visitor("quantri", Role.SYS_ADMIN)
        await house.visitor("quantri", Role.UNIT_ADMIN, "H37.61")
        window = await open_window(house, cookies=admin.cookies)
        page = window.page
        await window.go("/calendar")
        await window.accessible()
        await window.picture("calendar")
        await page.get_by_label("Thứ Hai").fill("8h-12h")
        await page.get_by_role("button", name="Xem tác động").last.click()
        await page.get_by_role("heading", name="Thay đổi này tác động thế nào").wait_for()
        await window.accessible()
        await page.get_by_role("button", name="Lưu thay đổi").click()
        await page.get_by_text("Đã ghi giờ làm việc mới").wait_for()
        for path, name in (
            ("/maintenance", "maintenance"),
            ("/incidents", "incidents"),
            ("/outage-entries", "outage-entries"),
            ("/key-devices", "key-devices"),
        ):
            await window.go(path)
            await window.accessible()
            await window.picture(name)
