import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pypdfium2
import pytest
from lxml import etree
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway.reports import pdf
from gateway.reports.model import Contact, DocumentFacts, Dossier, Subject
from gateway.reports.words import HEADLINES
from gateway.trust.pictures import PagePicture, Pictures
from gateway.trust.report import Note, PartReport, Verdict
from gateway.verifier.drawing import png
from tests.world.made_reports import AT, EVIL, evil, report, signature, states

FACTS = DocumentFacts("H37,1", "original", "412/SNV-VP", "V/v ứng phó mưa lũ", "Sở Nội vụ", AT)
PICTURE = PagePicture(png(bytes([250, 250, 245]) * (80 * 113), 80, 113), 80, 113)
PICTURES = Pictures({1: PICTURE}, {0: (40.0, 80.0, 20.0, 10.0)})


def made(one, name="cong-van.pdf", pictures=PICTURES, **rest):
    return Dossier((Subject(name, one, 0, pictures),), rest.pop("facts", FACTS), **rest)


def pages(data):
    with pypdfium2.PdfDocument(data) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def words(data):
    return " ".join(" ".join(pages(data)).replace("\u200b", "").split())


def root(data):
    return PdfFileReader(io.BytesIO(data)).root


def xmp(data):
    return etree.fromstring(root(data)["/Metadata"].data)


HEADLINE = {
    "valid": "valid",
    "secret": "valid",
    "noted": "valid-with-notes",
    "hash": "invalid",
    "revoked": "invalid",
    "changed": "invalid",
    "nobody": "invalid",
    "container": "invalid",
    "unsigned": "unsigned",
    "unreadable": "unreadable",
}


@pytest.mark.parametrize("name", list(states()))
def test_every_state_is_a_page_for_the_clerk(name):
    data = pdf.render(made(states()[name]))
    headline = HEADLINES[HEADLINE.get(name, "undetermined")]
    first = " ".join(pages(data)[0].split())
    for said in (headline.words.vi, headline.words.en, headline.icon, "Việc cần làm"):
        assert said in first
    assert len(pages(data)) <= 3


def test_page_one_says_what_the_page_on_screen_says():
    first = " ".join(pages(pdf.render(made(states()["valid"], gateway="Trục tỉnh")))[0].split())
    for said in (
        "có giá trị pháp lý như bản gốc văn bản giấy",
        "412/SNV-VP",
        "V/v ứng phó mưa lũ",
        "Người ký: Nguyễn Văn An",
        "20/11/2026 09:30:00 +07:00, theo dấu thời gian",
        "Phần được ký còn nguyên vẹn: Có",
        "Thời gian ký được chứng minh: Có",
        "Ký số: Nguyễn Văn An",
        "chỗ hiện chữ ký được khoanh",
        "Báo cáo chưa niêm phong",
        "Xét tại 22/11/2026 12:00:00 +07:00",
        "Trục tỉnh",
    ):
        assert said in first, said


def test_the_pages_after_it_are_for_the_technician():
    first, second = pages(pdf.render(made(states()["valid"])))
    for said in ("f1" * 32, "0c" * 32, "TOTAL-PASSED", "PAdES-B-LT", "(đã quá hạn)", "c1" * 32):
        assert said in second
        assert said not in first


def test_it_speaks_english_when_asked():
    data = pdf.render(made(states()["hash"], lang="en"))
    assert "What to do" in words(data)
    assert "INVALID KHÔNG HỢP LỆ" in words(data)
    assert root(data)["/Lang"] == "en-GB"


def test_who_is_to_seal_it_is_said():
    data = pdf.render(made(states()["valid"], sealed_by="Trục <liên> thông"))
    assert "Báo cáo do «Trục <liên> thông» niêm phong" in words(data)
    assert "chưa niêm phong" not in words(data)


# ---------------------------------------------------------------- the format


def test_it_claims_pdf_a_and_carries_what_that_takes():
    data = pdf.render(made(states()["valid"]))
    told = {etree.QName(e).localname: e.text for e in xmp(data).iter() if e.text}
    assert (told["part"], told["conformance"]) == ("2", "A")
    catalogue = root(data)
    assert catalogue["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in catalogue
    assert catalogue["/Lang"] == "vi-VN"
    assert catalogue["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    assert "/AcroForm" not in catalogue
    assert b"/JavaScript" not in data


def test_every_font_is_inside():
    fonts = []

    def look(resources):
        fonts.extend(font.get_object() for font in resources.get("/Font", {}).values())
        for form in resources.get("/XObject", {}).values():
            if "/Resources" in form.get_object():
                look(form.get_object()["/Resources"])

    reader = PdfFileReader(io.BytesIO(pdf.render(made(evil()))))
    for index in range(int(reader.root["/Pages"]["/Count"])):
        look(reader.find_page_for_modification(index)[0].get_object()["/Resources"])
    assert fonts
    for font in fonts:
        descriptor = font["/DescendantFonts"][0]["/FontDescriptor"]
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)
        assert "/ToUnicode" in font


def test_the_same_dossier_gives_the_same_bytes_dated_by_its_question():
    one = made(states()["revoked"])
    assert pdf.render(one) == pdf.render(one)
    assert pdf.render(one) != pdf.render(replace(one, lang="en"))
    told = {etree.QName(e).localname: e.text for e in xmp(pdf.render(one)).iter() if e.text}
    assert told["CreateDate"] == told["ModifyDate"] == "2026-11-22T05:00:00+00:00"


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_date_far_away_is_a_date(year):
    odd = replace(states()["valid"], verified_at=datetime(year, 6, 1, tzinfo=UTC))
    assert "HỢP LỆ" in words(pdf.render(made(odd)))


def test_a_document_still_to_be_verified_is_a_page_too():
    pending = Dossier((Subject("a.pdf", None),), DocumentFacts(pending=True))
    assert "ĐANG KIỂM TRA" in words(pdf.render(pending))
    assert "KHÔNG CÓ CHỮ KÝ SỐ" in words(pdf.render(Dossier(())))


# ---------------------------------------------------------------- strangers' words

TRICKS = (
    '#read("/etc/passwd")',
    "#panic()",
    "$ x^2 $",
    "*đậm* _nghiêng_ `mã` = Đề mục",
    "<nhãn> @nhãn \\ ~ -- ... //",
    '"}, {"state": "valid"',
    "#set page(fill: red)",
    "'\"`",
)


@pytest.mark.parametrize("trick", TRICKS)
def test_markup_of_a_stranger_is_shown_and_not_obeyed(trick):
    one = signature(
        signer=replace(signature().signer, common_name=trick), notes=(Note("x", trick, trick),)
    )
    data = pdf.render(made(report(one), name=trick, facts=replace(FACTS, subject=trick)))
    shown = words(data)
    plain = " ".join(trick.split())
    assert shown.count(plain) >= 4, shown
    assert "root:" not in shown
    assert "HỢP LỆ" in shown


def test_words_that_are_an_attack_everywhere_stay_words():
    facts = DocumentFacts(EVIL, "original", EVIL, EVIL, EVIL, AT)
    contact = Contact(EVIL, EVIL)
    data = pdf.render(
        made(evil(), EVIL, facts=facts, contact=contact, gateway=EVIL, sealed_by=EVIL)
    )
    shown = words(data)
    assert "<script>alert(1)</script>" in shown
    for sign in ("\u202e", "\x00", "\x1b"):
        assert sign not in shown
    assert b"/S /URI" not in data
    assert b"/Launch" not in data


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Nguyễn Thị Ẫẵỷ", "Nguyễn Thị Ẫẵỷ"),
        ("Nguye\u0302\u0303n", "Nguyễn"),  # composed
        ("北京", "��"),
        ("\u05d0\u05d1 \u0627", "�� �"),
        ("a\u202eb\u200fc", "a�b�c"),
        ("z\u0334\u0335\u0336", "z���"),
        ("🙂\ue000\ud800", "���"),
        ("a\tb\u2003c\nd", "a b c d"),
        ("", ""),
    ],
)
def test_what_the_fonts_lack_is_seen_to_be_lacking(text, shown):
    assert pdf.printable(text) == shown


def test_long_words_may_break_and_lose_nothing():
    long = "x" * 100
    broken = pdf.printable(f"a {long} b")
    assert broken.replace("\u200b", "") == f"a {long} b"
    assert max(map(len, re.split("[ \u200b]", broken))) <= 24
    sure = "f1" * 32
    data = pdf.render(made(report(signature(), sha256=sure), name=long + ".pdf"))
    assert long in words(data).replace(" ", "")
    assert sure in words(data)  # a digest can be copied


def test_every_character_let_through_can_be_set():
    text = "".join(sorted(pdf.PRINTABLE))
    pieces = [text[at : at + 40] for at in range(0, len(text), 40)]
    notes = tuple(Note("x", " ".join(piece), "x") for piece in pieces)
    for at in range(0, len(notes), 10):
        data = pdf.render(made(report(signature(), notes=notes[at : at + 10])))
        assert "HỢP LỆ" in words(data)
    # The other font, used for digests and field names.
    for at in range(0, len(text), 100):
        spread = " ".join(text[at : at + 100])
        assert pdf.render(made(report(signature(field=spread))))


def test_a_picture_that_is_none_costs_only_the_picture():
    broken = Pictures({1: PagePicture(b"\x89PNG\r\n\x1a\nfake", 80, 113)}, {})
    shown = words(pdf.render(made(states()["valid"], pictures=broken)))
    assert "HỢP LỆ" in shown
    assert "chỗ hiện chữ ký" not in shown


def test_pages_of_a_secret_document_are_not_carried_about():
    open_one, secret = (pdf.render(made(states()[n])) for n in ("valid", "secret"))
    assert b"/Subtype/Image" in open_one.replace(b" ", b"")
    assert b"/Subtype/Image" not in secret.replace(b" ", b"")
    assert "Trang 1 có dấu độ mật: MẬT" in words(secret)


def test_a_crowd_is_counted_and_not_drawn():
    parts = tuple(PartReport(f"p{i}.pdf", report(signature(), signature())) for i in range(80))
    crowd = report(*[signature()] * 30, parts=parts, verdict=Verdict.VALID)
    few = report(signature(), signature())
    dossier = Dossier(tuple(Subject(f"t{i}.pdf", few if i else crowd, i) for i in range(40)), FACTS)
    data = pdf.render(dossier)
    shown = words(data)
    assert len(pages(data)) < 60
    assert "Còn 10 tệp không hiện ở đây; xem bản JSON." in shown
    assert "Còn 10 chữ ký không hiện ở đây; xem bản JSON." in shown
    assert "Còn 30 tệp bên trong không hiện ở đây; xem bản JSON." in shown
    assert shown.count("Người ký: Nguyễn Văn An") == pdf.MAX_SIGNATURES


def test_the_data_is_json_whatever_the_report_holds():
    from gateway.reports.build import build

    dossier = made(evil())
    view = pdf._bounded(build(dossier))
    assert json.loads(json.dumps(pdf._data(view, dossier)))
