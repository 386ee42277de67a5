"""Search as clerks try it: whatever is typed is answered, and nothing found is not the end."""

from datetime import date
from urllib.parse import urlencode

import pytest

from gateway.console.sections import searchexport, searching
from gateway.domain.access import Grant, Person, Role
from gateway.domain.wording import flag, terms_of
from gateway.ports.books import Entry, Mark, Progress
from gateway.store.books import FileBooks
from tests.world.console import NOBODY, FakeTrail, console_site

WARD = "H37.61"
LAN = Person("a-lan", "lan", "Nguyễn Thị Lan", (Grant(Role.CLERK, WARD),))
SUBJECT = "V/v hoà giải ở cơ sở, Uỷ ban nhân dân phường"


class Kept:
    """No searches are kept."""

    async def saved(self, _):
        return []


class Followed:
    """Books that hold everything, or what the test says."""

    progress = Progress(9, 9)

    async def caught_up(self, _):
        return self.progress


def entry(**more):
    values = {
        "subject": "01a2061e-cc06-7014-970d-0b83e4f3ba1f", "direction": "in", "agency": WARD,
        "at": "2026-11-22T01:00:00.000000Z", "month": "2026-11", "day": "2026-11-22",
        "year": 2026, "number": 7, "state": "taken", "type_name": "Quyết định", "urgency": 0,
        "signed": "valid", "partner": "H37.02", "due_at": "", "done_at": "",
        "shown": {"code": "123/QĐ-UBND", "subject": SUBJECT, "from": "Sở Nội vụ"},
        "terms": terms_of(["123/QĐ-UBND", SUBJECT, "Quyết định", "Sở Nội vụ"], [date(2026, 11, 22)])
        | {flag("in", WARD)},
    }  # fmt: skip
    return Entry(**(values | more))


@pytest.fixture
async def site(tmp_path):
    books = FileBooks(tmp_path / "books" / "books.sqlite")
    await books.put([entry()], [], Mark(1))
    following = Followed()
    section = searching.section(books, following, Kept(), lambda code: f"Cơ quan {code}")
    trail = FakeTrail()
    export = searchexport.section(books, following, trail, lambda code: code)
    async with console_site(section, export) as made:
        made.following, made.exports, made.books = following, trail, books
        yield made
    books.close()


async def asked(site, **fields):
    lan = await site.visitor(LAN)
    answer = await lan.get(f"/search?{urlencode(fields)}")
    assert answer.status == 200, fields
    return answer


FOUND = (
    "quyet dinh", "QĐ-UBND", "qd ubnd", "123/QĐ", "0123", "hòa giải", "HOÀ GIẢI", "uỷ ban",
    "ủy b", "h", "22/11/2026", "2026-11-22", '"hoà giải"', "(hoa) giai;", "hoa * giai",
    "hoà\tgiải", "",
)  # fmt: skip
NOT_FOUND = (
    "123/QĐ-UBND ngày", "AND", "hoa NOT giai", "NEAR(hoa giai)", "terms:hoa^2", "a" * 300,
    "x " * 150, "ﬃ ß İ ẞ", "<script>alert(1)</script>", "31/02/2026", "9" * 20, "hoá giải",
)  # fmt: skip
NO_WORDS = ("\u0301", "%_'\";--", "* ^ :")


async def test_what_a_clerk_types_finds_it(site):
    for text in FOUND:
        answer = await asked(site, q=text)
        assert "/console/incoming/01a2061e" in answer.text, text


async def test_what_finds_nothing_is_said_and_breaks_nothing(site):
    for text in NOT_FOUND:
        answer = await asked(site, q=text)
        assert "Không tìm thấy văn bản nào." in answer.words, text
        assert "<script>alert" not in answer.text


async def test_what_has_no_words_asks_for_everything(site):
    for text in NO_WORDS:
        assert "/console/incoming/01a2061e" in (await asked(site, q=text)).text, text


@pytest.mark.parametrize(
    ("fields", "offered", "address"),
    [
        ({"q": "hoaf giair"}, "Có phải ý bạn là “hòa giải”?", "q=h%C3%B2a+gi%E1%BA%A3i"),
        ({"q": "hoá giải"}, "Không phân biệt dấu: “hoa giai”", "q=hoa+giai"),
        ({"q": "hoa giai", "direction": "out"}, "Bỏ mọi bộ lọc", "search?q=hoa+giai"),
        ({"q": "hoa giai trung tâm"}, None, ""),
        ({"q": "giải phường tâm"}, "Bớt từ cuối: “giải phường”", "q=gi%E1%BA%A3i+ph"),
    ],
)
async def test_what_finds_more_is_offered(site, fields, offered, address):
    answer = await asked(site, **fields)
    if offered is None:
        assert "Có kết quả nếu" not in answer.words
        return
    assert offered in answer.words
    assert address in answer.text


async def test_what_was_asked_for_is_said(site):
    answer = await asked(
        site, q="xe", agency=WARD, state="in:taken", urgency="1", **{"from": "2026-11-01"}
    )
    told = "Đã tìm: từ khóa “xe”; cơ quan Cơ quan H37.61; từ ngày 2026-11-01; mức độ khẩn Khẩn"
    assert told in answer.words
    many = await asked(site, q=" ".join(f"w{n}" for n in range(20)))
    assert "chỉ 16 từ đầu được dùng" in many.words


async def test_books_that_are_made_anew_say_so(site):
    site.following.progress = Progress(0, 90_000, 0.345)
    assert "đang được lập lại từ sổ cái, đã xong 34 %" in (await asked(site)).words
    site.following.progress = Progress(8000, 90_000)
    assert "còn 82.000 sự kiện" in (await asked(site)).words
    site.following.progress = Progress(89_990, 90_000)
    assert "sự kiện" not in (await asked(site)).words


async def test_what_was_found_is_given_as_a_file_within_what_may_be_read(site, monkeypatch):
    """RPT-12, PL6-15: every form of the registers; the audit entry comes first."""
    other = entry(subject="0195a000-0000-7000-8000-00000000000b", agency="H37.04",
                  shown={"code": "9/X", "subject": "của đơn vị khác"},
                  terms=terms_of(["9/X", "khác"]) | {flag("in", "H37.04")})  # fmt: skip
    await site.books.put([other], [], Mark(2))
    lan = await site.visitor(LAN)
    page = await lan.get("/search?q=qd")
    assert "/console/search/export?q=qd&amp;form=docx" in page.text
    for form in ("csv", "xlsx", "pdf", "docx", "json"):
        answer = await lan.get(f"/search/export?q=qd&form={form}")
        assert (answer.status, "attachment" in answer.headers["Content-Disposition"]) == (200, True)
    text = (await lan.get("/search/export?form=csv")).text
    assert "123/QĐ-UBND" in text
    assert "9/X" not in text
    assert len(site.exports.views) == 6
    assert {(v[1], v[2]) for v in site.exports.views} == {("search:export", "export")}
    # Evil twins: no such form; no day; nothing may be read; a file that would lack documents.
    assert (await lan.get("/search/export?form=exe")).status == 404
    assert (await lan.get("/search/export?form=csv&from=mai")).status == 400
    nobody = await site.visitor(NOBODY)
    assert (await nobody.get("/search/export?form=csv")).status == 403
    monkeypatch.setattr(searchexport, "MOST", 1)
    await site.books.put([entry(subject="0195a000-0000-7000-8000-00000000000c")], [], Mark(3))
    assert "hãy thu hẹp tìm kiếm" in (await lan.get("/search/export?q=qd&form=csv")).text
    site.following.progress = Progress(1, 9)
    assert (await lan.get("/search/export?form=csv")).status == 503
