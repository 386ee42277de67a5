"""A clerk's day in a real browser: draft, find recipients, upload, check, issue, the to-do."""

import io
import shutil
import zipfile

from playwright.async_api import expect

from gateway.domain.access import Grant, Person, Role
from tests.world.gatehouse import gatehouse
from tests.world.outgoing import outgoing_site
from tests.world.signed_files import pki, trust_of, twice

CLERK = Person("a-lan", "lan", "Trần Thị Lan", (Grant(Role.CLERK, "H37.02"),), "s1")


async def test_a_clerk_sends_to_two_and_one_of_them_by_other_means(tmp_path, open_window):
    async with gatehouse(tmp_path) as house, outgoing_site(house) as site:
        for file in trust_of(pki()).iterdir():
            shutil.copy(file, tmp_path / "trust" / file.name)
        window = await open_window(site, CLERK)
        page = window.page
        await window.go("/outgoing/new")
        await page.get_by_role("button", name="Bắt đầu soạn").click()
        await page.get_by_label("Số", exact=True).fill("123")
        await page.get_by_label("Ký hiệu", exact=True).fill("SNV-VP")
        await page.get_by_label("Loại văn bản", exact=True).fill("Công văn")
        await page.get_by_label("Trích yếu nội dung").fill("Về việc họp giao ban tháng 11")
        await page.get_by_label("Chức vụ người ký").fill("Giám đốc")
        await page.get_by_label("Họ tên người ký").fill("Nguyễn Văn An")

        # Found while typing, without accents; Enter takes the best.
        finder = page.get_by_label("Tìm cơ quan")
        await finder.press_sequentially("tai chinh")
        await expect(page.get_by_role("button", name="Thêm Sở Tài chính")).to_be_visible()
        await finder.press("Enter")
        await expect(page.get_by_role("button", name="Bỏ Sở Tài chính")).to_be_visible()
        await page.get_by_label("Tìm cơ quan").press_sequentially("H37.99")
        await page.get_by_role("button", name="Thêm Không liên thông").click()
        await expect(page.get_by_text("không liên thông: gửi bằng hình thức khác")).to_be_visible()

        # A file that may not be sent is refused with its reason; what was typed stays.
        files = page.get_by_label("Thêm tệp")
        await files.set_input_files(
            [{"name": "chay.exe", "mimeType": "application/pdf", "buffer": b"MZ" + bytes(99)}]
        )
        await page.get_by_role("button", name="Tải lên").click()
        await expect(page.get_by_text("Không nhận tệp: chay.exe")).to_be_visible()
        await files.set_input_files(
            [
                {"name": "cong-van.pdf", "mimeType": "application/pdf", "buffer": twice()},
                {"name": "phu-luc.docx", "mimeType": "application/zip", "buffer": _docx()},
            ]
        )
        await page.get_by_role("button", name="Tải lên").click()
        await expect(page.get_by_text("Chữ ký hợp lệ")).to_be_visible()
        await expect(page.get_by_text("phu-luc.docx").first).to_be_visible()
        await expect(page.get_by_label("Trích yếu nội dung")).to_have_value(
            "Về việc họp giao ban tháng 11"
        )
        await window.accessible()
        await window.picture("outgoing-draft")

        await page.get_by_role("button", name="Lưu và kiểm tra để phát hành").click()
        await expect(page.get_by_text("Phát hành được là: Bản gốc")).to_be_visible()
        await window.accessible()
        await window.picture("outgoing-check")
        await page.get_by_role("button", name="Phát hành").click()
        await expect(page.get_by_text("Đã phát hành.")).to_be_visible()
        await window.accessible()
        await window.picture("outgoing-document")

        await window.go("/todo")
        await window.accessible()
        await page.get_by_label("Đã làm bằng cách nào").fill("Bưu điện")
        await page.get_by_role("button", name="Ghi nhận đã làm").click()
        await expect(page.get_by_text("Không có việc nào.")).to_be_visible()
        await window.go("/outgoing")
        await expect(page.get_by_role("link", name="123/SNV-VP")).to_be_visible()
        await window.accessible()
        await window.picture("outgoing-list")


def _docx() -> bytes:
    """Return an annex that cannot be signed: material beside the document (FMT-01, F19)."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr("word/document.xml", "<w:document/>")
    return held.getvalue()
