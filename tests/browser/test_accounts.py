"""Days at the desk of an administrator, in a real browser: second factor, lock and handover."""

from contextlib import asynccontextmanager

from playwright.async_api import expect

from gateway.console.frame import SESSION
from gateway.domain.access import Role
from tests.world.accounts import OTHER, PASSWORD
from tests.world.accounts_site import accounts_site


@asynccontextmanager
async def office():
    async with accounts_site() as (site, made):
        yield site, made


async def test_the_way_in_by_keyboard_alone_without_scripts_on_a_phone(open_window):
    async with office() as (site, made):
        await made.person("lan", Role.CLERK)
        window = await open_window(site, phone=True, script=False)
        await window.go("/account")
        assert window.path == "/sign-in"
        await window.tab_to("login")
        await window.keys("lan", "Tab", "sai mật khẩu", "Enter")
        await expect(window.page.get_by_role("alert")).to_contain_text("không đúng")
        await window.tab_to("password")
        await window.keys(PASSWORD, "Enter")
        await expect(window.page.get_by_role("heading", level=1)).to_have_text("Tài khoản của tôi")
        wide = await window.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 375


async def test_an_administrator_sets_up_the_second_factor_and_comes_in(open_window):
    async with office() as (site, made):
        await made.person("quantri", Role.UNIT_ADMIN)
        window = await open_window(site)
        page = window.page
        await window.go("/people")
        await window.accessible()
        await window.picture("sign-in")
        await page.get_by_label("Tên đăng nhập").fill("quantri")
        await page.get_by_label("Mật khẩu").fill(PASSWORD)
        await page.get_by_role("button", name="Đăng nhập", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Cài xác thực bước hai")
        await window.accessible()
        await window.picture("second-factor")
        secret = "".join((await page.locator(".key").inner_text()).split())
        await page.get_by_label("Mã 6 số").fill(made.code(secret))
        await page.get_by_role("button", name="Xác nhận").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Mã khôi phục")
        await window.accessible()
        await page.get_by_role("link", name="Tôi đã cất các mã").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Tài khoản")
        assert window.path == "/people"


async def test_an_account_is_made_given_a_role_locked_handed_over_and_closed(open_window):
    async with office() as (site, made):
        await made.person("sep", Role.SYS_ADMIN, "")
        await made.person("mai", Role.CLERK)
        token = await made.signed_in("sep")
        window = await open_window(site, cookies={SESSION: token})
        page = window.page
        heading = page.get_by_role("heading", level=1)

        # Made, and the link is shown once.
        await window.go("/people/new")
        await window.accessible()
        await page.get_by_label("Họ và tên").fill("Trần Thị Lan")
        await page.get_by_label("Tên đăng nhập").fill("lan")
        await page.get_by_label("Cơ quan", exact=True).fill("H37.61")
        await page.get_by_label("Văn bản đề nghị").fill("11/SNV")
        await page.get_by_role("button", name="Tạo tài khoản").click()
        link = await page.get_by_label("Trao cho đúng người này").input_value()
        await window.accessible()

        # A role, in two steps.
        await page.get_by_role("link", name="Cấp vai trò").click()
        await page.get_by_label("Vai trò").select_option("clerk")
        await page.get_by_label("Văn bản đề nghị").fill("12/SNV")
        await window.accessible()
        await page.get_by_role("button", name="Xem trước thay đổi").click()
        await expect(heading).to_have_text("Xác nhận đổi quyền")
        await window.accessible()
        await window.picture("rights-plan")
        await page.get_by_role("button", name="Xác nhận").click()
        await expect(page.get_by_role("status")).to_contain_text("Đã đổi quyền")

        # The person comes by the link, in her own browser.
        lan = await open_window(site)
        await lan.page.goto(link)
        assert lan.path == "/link"
        await lan.accessible()
        await lan.page.get_by_label("Mật khẩu mới").fill(OTHER)
        await lan.page.get_by_label("Nhập lại").fill(OTHER)
        await lan.page.get_by_role("button", name="Đặt mật khẩu và đăng nhập").click()
        await expect(lan.page.get_by_role("heading", level=1)).to_contain_text("Trần Thị Lan")
        await lan.go("/account")
        await lan.accessible()
        await lan.picture("my-account")

        # Locked: her next click leads to the sign-in.
        lan_id = window.path.rpartition("/")[2]
        made.drawer.items = {"d1": lan_id}
        await window.go(f"/people/{lan_id}")
        await window.accessible()
        await window.picture("account")
        await page.get_by_role("link", name="Khóa…").click()
        await page.get_by_label("a) Chuyển công tác").check()
        await page.get_by_label("Số, ký hiệu văn bản").fill("15/QĐ-SNV")
        await window.accessible()
        await page.get_by_role("button", name="Khóa", exact=True).click()
        await expect(page.get_by_text("15/QĐ-SNV")).to_be_visible()
        await lan.go("/account")
        assert lan.path == "/sign-in"

        # Handed over, then closed.
        await page.get_by_role("link", name="Bàn giao, đóng…").click()
        await window.accessible()
        await window.picture("handover")
        await page.get_by_label("Họ Tên Mai").check()
        await page.get_by_label("Số, ký hiệu văn bản").fill("15/QĐ-SNV")
        await page.get_by_role("button", name="Bàn giao tất cả").click()
        await expect(page.get_by_text("Không còn việc nào")).to_be_visible()
        await page.get_by_label("Số, ký hiệu văn bản").fill("15/QĐ-SNV")
        await page.get_by_role("button", name="Đóng tài khoản").click()
        await expect(page.get_by_role("status")).to_contain_text("Đã đóng tài khoản")


async def test_lists_in_the_dark_and_in_english(open_window):
    async with office() as (site, made):
        await made.person("kiemtra", Role.AUDITOR, "")
        await made.person("sep", Role.SYS_ADMIN, "")
        await made.person("lan", Role.CLERK)
        admin = await open_window(site, cookies={SESSION: await made.signed_in("sep")}, dark=True)
        for path in ("/people", "/account/password", "/account/lost-control", "/account/delegate"):
            await admin.go(path)
            await admin.accessible()
        await admin.go("/people")
        await admin.picture("accounts-dark")
        token = await made.signed_in("kiemtra")
        auditor = await open_window(site, cookies={SESSION: token}, lang="en")
        await auditor.go("/audit")
        await auditor.accessible()
        await auditor.picture("audit-log")
        await auditor.page.get_by_role("row").nth(1).get_by_role("link").click()
        await auditor.accessible()
