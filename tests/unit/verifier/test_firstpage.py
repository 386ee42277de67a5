import contextlib
import io
import unicodedata
import zipfile

import pytest
import typst
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.secrecy import secrecy_marks
from gateway.verifier.firstpage import FirstPageError, first_page_text, plain_text
from tests.world.signed_files import letter, twice

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def page(body: str) -> bytes:
    source = f'#set text(font: "Libertinus Serif", size: 13pt)\n#set page(paper: "a4")\n{body}'
    return typst.compile(source.encode(), format="pdf", ignore_system_fonts=True)


def packed(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return out.getvalue()


def word(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{p}</w:t></w:r></w:p>" for p in paragraphs)
    return packed(
        word__document_xml=f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
    )


@pytest.mark.parametrize(
    ("body", "marks"),
    [
        ("MẬT\n\nSố: 123/SNV-VP", ("MẬT",)),
        ("#box(stroke: red, inset: 3mm)[TUYỆT MẬT]", ("TUYỆT MẬT",)),
        # A stamp and the date share a line of text, a wide gap apart.
        ("#grid(columns: (50%, 50%), [TỐI MẬT], [Lạng Sơn, ngày 01 tháng 3])", ("TỐI MẬT",)),
        ("#grid(columns: (50%, 50%), [Số: 12/SNV], align(right)[MẬT])", ("MẬT",)),
        ("BẢO MẬT THÔNG TIN", ()),
        ('#text(weight: "bold")[QUY CHẾ BẢO] #text(fill: red)[MẬT] THÔNG TIN', ()),
        ("V/v bảo mật và mật độ", ()),
        ("Trang một #pagebreak() MẬT", ()),
        ("", ()),
    ],
)
def test_stamps_in_pdfs(body, marks):
    assert secrecy_marks(first_page_text(page(body))) == marks


def test_the_urgency_of_the_demo_letter_is_no_secrecy():
    assert "HỎA TỐC" in first_page_text(letter(urgency="HỎA TỐC"))
    assert secrecy_marks(first_page_text(letter(urgency="HỎA TỐC"))) == ()
    assert "Nguyễn Văn An" in first_page_text(twice())


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_word_texts_are_read_by_paragraph(form):
    stamp = unicodedata.normalize(form, "TỐI MẬT")
    assert secrecy_marks(first_page_text(word("UBND TỈNH", stamp, "Số: 1"))) == ("TỐI MẬT",)
    assert secrecy_marks(first_page_text(word("Quy chế BẢO MẬT"))) == ()


def test_a_stamp_in_the_header_of_a_word_text_is_read():
    header = f'<w:hdr xmlns:w="{W}"><w:p><w:r><w:t>MẬT</w:t></w:r></w:p></w:hdr>'
    data = packed(word__document_xml=f'<w:d xmlns:w="{W}"/>', word__header1_xml=header)
    assert secrecy_marks(first_page_text(data)) == ("MẬT",)


def test_opendocument_texts_are_read():
    body = "<o xmlns:text='t'><text:p>UBND</text:p><text:p><text:span>MẬT</text:span></text:p></o>"
    data = packed(mimetype="application/vnd.oasis.opendocument.text", content_xml=body)
    assert secrecy_marks(first_page_text(data)) == ("MẬT",)


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7 rubbish",
        b"PK\x03\x04rubbish",
        packed(word__document_xml="<w:d><w:p>"),
        packed(word__document_xml="<!DOCTYPE d [<!ENTITY a 'b'>]><d>&a;</d>"),
        packed(word__document_xml="<d>&a;</d>"),
    ],
)
def test_broken_files_say_so_or_are_empty(data):
    text = ""
    with contextlib.suppress(FirstPageError):
        text = first_page_text(data)
    assert not text.strip()


def test_a_bomb_of_a_word_text_is_cut_off():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<d>" + b" " * (64 << 20) + b"</d>")
    assert len(first_page_text(out.getvalue())) < 100_000


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("MẬT\nSố".encode(), "MẬT\nSố"),
        (b"\xef\xbb\xbf" + "MẬT".encode(), "MẬT"),
        (b"\xff\xfe" + "MẬT".encode("utf-16-le"), "MẬT"),
        (b"\xfe\xff" + "MẬT".encode("utf-16-be"), "MẬT"),
        ("MẬT".encode()[:-1], "MẬ"),
        (b"\x89PNG\r\n\x1a\n\x00", ""),
        (b"\xff\xfa\xfb" * 30, ""),
        (b"", ""),
        (b"one\x0ctwo", "one"),
    ],
)
def test_plain_texts(data, text):
    assert plain_text(data) == text


@given(st.binary(max_size=300))
def test_any_bytes_have_some_text_or_none(data):
    with contextlib.suppress(FirstPageError):
        assert isinstance(first_page_text(data), str)
