"""Sending by form: drafts, files, check, release as original or for reference, lists, to-dos.

The pages over a real gateway's programs, its verifier included; sign-in is `test_console_frame`'s.

Rules: SIG-01, SIG-02, SEC-01, SND-01, SND-04, SND-06, SND-07, SND-14, RPT-14.
"""

import re
import shutil

import pytest
import pytest_asyncio

from gateway.domain.access import Grant, Person, Role
from gateway.errors import UnavailableError
from gateway.programs.clerk.drafts import LedgerDrafts
from tests.world.console import OTHER_CLERK
from tests.world.gatehouse import gatehouse
from tests.world.outgoing import FORM, PAPER, outgoing_site, upload
from tests.world.signed_files import letter, pki, trust_of, twice

CLERK = Person("a-lan", "lan", "Trần Thị Lan", (Grant(Role.CLERK, "H37.02"),), "s1")
DRAFTER = Person("a-an", "an", "Vũ Văn An", (Grant(Role.OFFICER, "H37.02"),), "s2")
SIGNED = {
    **FORM,
    "code_number": "123",
    "code_notation": "SNV-VP",
    "position": "Giám đốc",
    "competence": "",
}


def numbered(number, subject="Về việc họp giao ban tháng 11"):
    return {**SIGNED, "code_number": str(number), "subject": subject}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory):
    """One gateway for all: every test has a document number of its own."""
    folder = tmp_path_factory.mktemp("outgoing")
    (folder / "trust").mkdir()
    for file in trust_of(pki()).iterdir():
        shutil.copy(file, folder / "trust" / file.name)
    # A loaded machine is slow to start its first verifier: what is judged here waits for it.
    async with gatehouse(folder, extra='budget = "60 s"\n') as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(house):
    async with outgoing_site(house) as site:
        yield site


async def begun(visitor, agency="H37.02"):
    await visitor.get("/outgoing/new")
    answer = await visitor.post("/outgoing/drafts", {"agency": agency})
    assert answer.status == 303
    return answer.location.removeprefix("/console")


def revision(text):
    return re.search(r'name="revision" value="(\d+)"', text)[1]


async def saved(visitor, draft, form, *to, do="save"):
    page = await visitor.get(draft)
    fields = [("revision", revision(page.text)), *form.items(), ("do", do)]
    fields += [("to", code) for code in to]
    return await visitor._ask(
        "POST", draft, data=[("_csrf", visitor._token), *((k, v) for k, v in fields)]
    )


async def issued(visitor, draft, **fields):
    page = await visitor.get(draft)
    fields = {"revision": revision(page.text), **fields}
    return await visitor.post(f"{draft}/release", fields)


async def test_a_signed_document_goes_out_as_original_and_one_is_a_thing_to_do(site):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    await saved(clerk, draft, SIGNED, "H37.04", "H37.99")
    answer = await upload(clerk, draft, ("cong-van.pdf", twice()))
    assert answer.status == 303, answer.words
    page = await clerk.get(f"{draft}/check")
    assert "Phát hành được là: Bản gốc" in page.words
    assert "không liên thông: gửi bằng hình thức khác" in page.words
    done = await issued(clerk, draft)
    assert done.status == 303, done.words
    place = done.location.removeprefix("/console")
    again = await issued_again(clerk, draft)
    assert again == done.location

    shown = await clerk.get(place)
    assert "bản gốc" in shown.words
    assert "Sở Tài chính" in shown.words
    assert "Không liên thông" in shown.words
    assert "Ghi rõ" not in shown.words
    listed = await clerk.get("/outgoing?tab=other-means")
    assert "123/SNV-VP" in listed.words
    todo = await clerk.get("/todo")
    assert "Gửi bằng hình thức khác: Không liên thông" in todo.words
    one = re.search(r'action="/console(/todo/[^"]+)"', todo.text)[1]
    assert (await clerk.post(one, {"how": "Bưu điện, ngày 22/11"})).status == 303
    assert one not in (await clerk.get("/todo")).text
    assert "Bưu điện" in (await clerk.get("/todo?done=1")).words
    document = place.removeprefix("/outgoing/")
    assert ("a-lan", f"document:{document}", "page") in site.trail.views
    kept = await clerk.get(f"{place}/receipts")
    assert '"acceptance"' in kept.text


async def issued_again(visitor, draft):
    """Press again, as a double click or a browser's "resend" does; return where it leads."""
    answer = await visitor.post(f"{draft}/release", {"revision": "1"})
    assert answer.status == 303, answer.words
    return answer.location


async def test_without_signatures_only_for_reference_after_a_recorded_confirmation(site, house):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    await saved(clerk, draft, numbered(124), "H37.04")
    await upload(clerk, draft, ("cong-van.pdf", letter()))
    page = await clerk.get(f"{draft}/check")
    assert "Để biết, tham khảo" in page.words
    assert "SIG-02" in page.words
    refused = await issued(clerk, draft)
    assert refused.status == 422
    done = await issued(clerk, draft, confirmed="1")
    assert done.status == 303, done.words
    shown = await clerk.get(done.location.removeprefix("/console"))
    assert "tham khảo (không ký số)" in shown.words
    events = await house.gateway.ledger.all(
        "events_of", subject=draft.replace("/outgoing/drafts/", "draft:")
    )
    told = {e["type"]: e["data"] for e in events}
    assert "SIG-02" in told["draft-released-as-reference"]
    assert '"lan"' in told["draft-released-as-reference"]


async def test_everything_wrong_is_said_at_once_and_nothing_goes_out(site):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    await saved(clerk, draft, {"promulgation_date": "32/13/2026", "page_amount": "ba"}, "H25")
    page = await clerk.get(f"{draft}/check")
    for said in ("Ngày văn bản", "Số trang", "Thiếu số văn bản", "Thiếu trích yếu", "MD-01"):
        assert said in page.words
    assert (await issued(clerk, draft, confirmed="1")).status == 422
    edit = await clerk.get(draft)
    assert "Thay bằng Sở Tài chính (H37.04)" in edit.words
    page = await saved(clerk, draft, SIGNED, "H25", do="replace:H25>H37.04")
    assert "Thay bằng" not in (await clerk.get(draft)).words


async def test_what_shows_a_secrecy_level_never_becomes_part_of_a_draft(site, house):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    answer = await upload(clerk, draft, ("mat.pdf", letter(urgency="MẬT")))
    assert answer.status == 422
    assert "SEC-01" in answer.words
    assert "mat.pdf" not in (await clerk.get(draft)).words
    answer = await saved(clerk, draft, {**numbered(1, "Chuyện kín"), "secrecy": "1"}, "H37.04")
    assert answer.status == 409
    assert "Chuyện kín" not in (await clerk.get(draft)).text
    program = await upload(clerk, draft, ("chay.exe", b"MZ\x90\x00" + bytes(200)))
    assert program.status == 422
    assert "FMT-" in program.words


async def test_a_change_after_ready_must_be_handed_over_again(site):
    drafter, clerk = await site.visitor(DRAFTER), await site.visitor(CLERK)
    draft = await begun(drafter)
    await saved(drafter, draft, numbered(2, "Trích yếu thứ nhất"), "H37.04", do="ready")
    assert "Chờ phát hành" not in (await drafter.get(draft)).words
    assert "chờ phát hành" in (await drafter.get(draft)).words
    assert "Trích yếu thứ nhất" in (await clerk.get("/outgoing/drafts?tab=ready")).words
    await saved(drafter, draft, numbered(2, "Trích yếu khác"), "H37.04")
    assert "Trích yếu khác" not in (await clerk.get("/outgoing/drafts?tab=ready")).words
    assert (await issued(drafter, draft, confirmed="1")).status == 403


async def test_two_at_one_draft_do_not_overwrite_each_other(site):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    old = revision((await clerk.get(draft)).text)
    await saved(clerk, draft, SIGNED, "H37.04")
    answer = await clerk.post(draft, {"revision": old, "subject": "Đè lên", "do": "save"})
    assert answer.status == 409
    assert "Đè lên" in answer.text
    assert SIGNED["subject"] in (await clerk.get(draft)).words


async def test_others_see_neither_drafts_nor_documents(site):
    clerk, other = await site.visitor(CLERK), await site.visitor(OTHER_CLERK)
    draft = await begun(clerk)
    await other.get("/outgoing")
    for path in (draft, f"{draft}/check", "/outgoing/019a0000-0000-7000-8000-000000000000"):
        assert (await other.get(path)).status == 404
    assert (await other.get("/outgoing?agency=H37.02")).status == 403
    assert (await other.post(f"{draft}/drop", {"revision": "1"})).status == 404
    assert (await upload(other, draft, ("a.pdf", letter()))).status == 404
    assert (await upload(clerk, draft, ("a.pdf", letter()), token="0" * 64)).status == 400


class CutDoor:
    """A front door whose gateway dies right after, or right before, it took the document."""

    def __init__(self, door, *, after):
        self.door, self.after = door, after

    async def submit_form(self, *asked):
        if self.after:
            await self.door.submit_form(*asked)
        raise UnavailableError(public="cut")


@pytest.mark.parametrize("after", [False, True])
async def test_an_issue_cut_short_goes_on_and_sends_once(house, after):
    gateway = house.gateway
    cut = LedgerDrafts(gateway.context, CutDoor(gateway.door, after=after), PAPER)
    async with outgoing_site(house, drafts=cut) as broken:
        clerk = await broken.visitor(CLERK)
        draft = await begun(clerk)
        await saved(clerk, draft, numbered(125 + after), "H37.04")
        await upload(clerk, draft, ("cong-van.pdf", letter()))
        answer = await issued(clerk, draft, confirmed="1")
        assert answer.location.endswith("/check")
    async with outgoing_site(house) as site:
        clerk = await site.visitor(CLERK)
        assert "Tiếp tục phát hành" in (await clerk.get(f"{draft}/check")).words
        done = await issued(clerk, draft)
        assert "/outgoing/0" in done.location
        listed = await clerk.get("/outgoing")
        assert listed.words.count(f"{125 + after}/SNV-VP") == 1


async def test_recipients_are_found_without_accents_kept_as_group_and_paper_is_a_thing_to_do(site):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    assert "Sở Tài chính" in (await clerk.get("/outgoing/recipients?q=so+tai+chinh")).words
    form = {**numbered(127), "type_name": "Tờ trình", "q": "tai chinh"}
    assert "H37.04" in (await saved(clerk, draft, form, do="find")).words
    await saved(clerk, draft, {**numbered(127), "type_name": "Tờ trình"}, do="add:H37.04")
    page = await saved(
        clerk,
        draft,
        {**numbered(127), "type_name": "Tờ trình", "group_name": "Khối sở"},
        "H37.04",
        "H37.61",
        do="put-group",
    )
    assert page.status == 303
    page = await clerk.get(draft)
    assert "Khối sở (2)" in page.words
    assert "gửi kèm bản giấy Hồ sơ thẩm định" in page.words
    await upload(clerk, draft, ("to-trinh.pdf", letter()))
    done = await issued(clerk, draft, confirmed="1")
    assert done.status == 303, done.words
    assert "Gửi kèm bản giấy: Sở Tài chính" in (await clerk.get("/todo")).words
    again = await begun(clerk)
    assert "Khối sở (2)" in (await clerk.get(again)).words


async def test_overdue_answers_are_a_list_for_clerk_and_drafter_and_a_file_without_formulas(site):
    drafter, clerk = await site.visitor(DRAFTER), await site.visitor(CLERK)
    draft = await begun(drafter)
    form = {
        **numbered(128, "=HYPERLINK(1)"),
        "promulgation_date": "2026-11-02",
        "due_date": "2026-11-03",
    }
    await saved(drafter, draft, form, "H37.04")
    await upload(drafter, draft, ("a.pdf", letter()))
    await clerk.get("/outgoing")
    done = await issued(clerk, draft, confirmed="1")
    assert done.status == 303, done.words
    assert "phát hành muộn" in (await clerk.get(done.location.removeprefix("/console"))).words
    assert (await drafter.get(done.location.removeprefix("/console"))).status == 200
    for who, path in ((clerk, "/outgoing/late"), (drafter, "/outgoing/late/mine")):
        assert "128/SNV-VP" in (await who.get(path)).words
        sheet = await who.get(f"{path}?form=csv")
        assert "'=HYPERLINK" in sheet.text
        assert (await who.get(f"{path}?form=exe")).status == 404
    assert (await drafter.get("/outgoing/late")).status == 403
    assert ("a-lan", "list:late", "export") in site.trail.views


async def test_what_was_returned_is_drafted_again_for_those_it_did_not_reach(site, house):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    await saved(clerk, draft, numbered(129), "H37.04", "H37.61")
    await upload(clerk, draft, ("a.pdf", letter()))
    done = await issued(clerk, draft, confirmed="1")
    place = done.location.removeprefix("/console")
    document = place.removeprefix("/outgoing/")

    async def returned():
        rows = await house.gateway.ledger.all("deliveries", consignment_id=document)
        return [r for r in rows if r["agency"] == "H37.04" and r["state"] == "returned"]

    async def arrived():
        return [
            i
            for i in (await house.call("GET", "/inbox", "stc"))[1]["items"]
            if i["code"] == "129/SNV-VP"
        ]

    (item,) = await house.until(arrived)
    said = {"code": "02", "reason": "Thiếu phụ lục"}
    await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    assert (await house.call("POST", f"/inbox/{item['id']}/status", "stc", json=said))[0] == 200
    await house.until(returned)
    page = await clerk.get(place)
    assert "Thiếu phụ lục" in page.words
    assert "Sở Tài chính" in (await clerk.get("/outgoing?tab=returned")).words
    again = (await clerk.post(f"{place}/copy")).location.removeprefix("/console")
    page = await clerk.get(again)
    assert "Nơi nhận (1)" in page.words
    # The same text again is no new document; with its annex it is the next version of this one.
    await saved(clerk, again, numbered(129), "H37.04")
    await upload(clerk, again, ("phu-luc.pdf", twice()))
    done = await issued(clerk, again, confirmed="1")
    assert done.status == 303, done.words
    assert "/outgoing/0" in done.location
    row = await house.row("consignment", id=done.location.rpartition("/")[2])
    assert row["version"] == 2
    mine = await clerk.get("/outgoing/drafts?tab=mine")
    assert "129/SNV-VP" in mine.words
    drafts = await house.gateway.ledger.all("drafts_mine", account_id="a-lan", before="z", limit=50)
    assert {d["form"] for d in drafts if d["state"] == "sent"} == {"{}"}


async def test_what_was_sent_is_replaced_updated_or_recalled_by_a_document_that_names_it(
    site, house
):
    clerk = await site.visitor(CLERK)
    draft = await begun(clerk)
    await saved(clerk, draft, numbered(140), "H37.04")
    await upload(clerk, draft, ("cong-van.pdf", letter()))
    place = (await issued(clerk, draft, confirmed="1")).location.removeprefix("/console")
    sent = await house.row("consignment", id=place.removeprefix("/outgoing/"))

    # REC-04: a replacement has a number of its own; an update keeps the number; a recall answers.
    wanted = {
        "3": (142, "Thay thế văn bản", ""),
        "2": (140, "Cập nhật văn bản", 'value="140"'),
        "1": (143, "Thu hồi văn bản", "V/v thu hồi văn bản số 140/SNV-VP"),
    }
    for change, (number, words, typed) in wanted.items():
        begun_at = (await clerk.post(f"{place}/copy", {"change": change})).location
        again = begun_at.removeprefix("/console")
        page = await clerk.get(again)
        assert words in page.words
        assert sent["document_id"] in page.words
        assert typed in page.text
        assert "Nơi nhận (1)" in page.words
        form = numbered(number) | {"business": change, "changes": sent["document_id"]}
        # REC-03: without a reason a recall is refused; whoever sent another document, too.
        await saved(clerk, again, form, "H37.04")
        await upload(clerk, again, ("cong-van.pdf", letter(subject=words)))
        if change == "1":
            assert "Thiếu lý do thu hồi" in (await clerk.get(f"{again}/check")).words
        if change == "3":
            await saved(clerk, again, form | {"code_number": "140"}, "H37.04")
            assert "hình thức tương đương và số riêng" in (await clerk.get(f"{again}/check")).words
        stranger = form | {"changes": "H37.09,2026/01/02,1/UBND", "changes_why": "Sai số liệu"}
        await saved(clerk, again, stranger, "H37.04")
        assert "Không tìm thấy văn bản" in (await clerk.get(f"{again}/check")).words
        await saved(clerk, again, form | {"changes_why": "Sai số liệu"}, "H37.04")
        done = await issued(clerk, again, confirmed="1")
        assert done.status == 303, done.words
        row = await house.row("consignment", id=done.location.rpartition("/")[2])
        assert row["business_type"] == int(change)
        assert row["version"] == (2 if change == "2" else 1)


async def test_who_may_not_recall_begins_no_replacement(site):
    clerk, drafter = await site.visitor(CLERK), await site.visitor(DRAFTER)
    draft = await begun(drafter)
    await saved(drafter, draft, numbered(150), "H37.04")
    await upload(drafter, draft, ("cong-van.pdf", letter()))
    place = (await issued(clerk, draft, confirmed="1")).location.removeprefix("/console")
    assert "Soạn lại từ văn bản này" in (await drafter.get(place)).words
    assert (await drafter.post(f"{place}/copy", {"change": "3"})).status == 403
