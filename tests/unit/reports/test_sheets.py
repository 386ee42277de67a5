"""Tables as files: what a sender wrote is never a formula, and nothing of it is lost."""

import csv
import io
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime

import docx
import openpyxl
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.marking import MARK
from gateway.reports import sheets, tables
from gateway.reports.advice import Words
from gateway.reports.sheets import Form, guarded
from gateway.reports.tables import Column, Kind, Table

AT = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)  # half past midnight in Vietnam, the day after
TABLE = Table(
    Words("SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", "REGISTER OF INCOMING DOCUMENTS"),
    (
        Column("no", Words("Số đến", "No."), Kind.NUMBER, 8),
        Column("day", Words("Ngày", "Day"), Kind.DAY),
        Column("at", Words("Lúc", "At"), Kind.MOMENT),
        Column("subject", Words("Trích yếu", "Subject"), width=40),
    ),
    (Words("Sở Nội vụ", "Department of Home Affairs"),),
    AT,
    (Words("Bên giao", "Given by"), Words("Bên nhận", "Taken by")),
)
ROW = (7, date(2026, 11, 2), AT, "V/v hoà giải, «số 5»\nđợt hai")
FORMULAS = ("=1+1", "+84", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1", "\u00a0=1")


def write(form, table, rows, lang="vi"):
    return sheets.write(form, table, rows, lang, training=False)


def read_csv(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_csv_is_known_by_spreadsheets_and_read_back():
    data = write(Form.CSV, TABLE, [ROW])
    assert data.startswith(b"\xef\xbb\xbf")
    assert read_csv(data) == [
        ["Số đến", "Ngày", "Lúc", "Trích yếu"],
        ["7", "02/11/2026", "23/11/2026 00:30", "V/v hoà giải, «số 5»\nđợt hai"],
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_looks_like_a_formula_is_text(text):
    row = (-7, None, None, text)
    shown = read_csv(write(Form.CSV, TABLE, [row]))[1]
    assert shown[0] == "-7"  # a number of ours is a number
    assert shown[3].startswith("'")
    book = openpyxl.load_workbook(io.BytesIO(write(Form.XLSX, TABLE, [row])))
    cell = book.active.cell(book.active.max_row, 4)
    assert (cell.data_type, cell.quotePrefix) == ("s", True)
    assert str(cell.value).strip() == text.strip()


@given(st.text(max_size=40))
def test_no_text_is_ever_a_formula(text):
    made = guarded(text)
    assert not made.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert guarded(made) == made


def test_a_workbook_has_days_and_numbers():
    book = openpyxl.load_workbook(io.BytesIO(write(Form.XLSX, TABLE, [ROW, ROW])))
    sheet = book.active
    last = [cell.value for cell in sheet[sheet.max_row]]
    assert last == [7, datetime(2026, 11, 2), datetime(2026, 11, 23, 0, 30), ROW[3]]  # noqa: DTZ001
    assert sheet["A1"].value == "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN"
    assert sheet.freeze_panes == "A5"


def test_json_has_names_and_iso_times():
    data = json.loads(write(Form.JSON, TABLE, [ROW, ROW]))
    assert data["rows"][1] == {
        "no": 7,
        "day": "2026-11-02",
        "at": "2026-11-23T00:30:00+07:00",
        "subject": ROW[3],
    }
    assert json.loads(write(Form.JSON, TABLE, []))["rows"] == []


def test_characters_that_no_format_holds_are_left_out():
    row = (1, None, None, "a\x00b\x0bc\ud800d\uffff")
    assert read_csv(write(Form.CSV, TABLE, [row]))[1][3] == "abcd"
    book = openpyxl.load_workbook(io.BytesIO(write(Form.XLSX, TABLE, [row])))
    assert book.active.cell(book.active.max_row, 4).value == "abcd"


def test_paper_takes_any_text_and_says_what_is_left_out(monkeypatch):
    monkeypatch.setattr(tables, "MAX_PRINTED", 2)
    hostile = (1, None, None, '#panic("x") $x$ *b* \u202e漢 ' + "m" * 300)
    data = write(Form.PDF, TABLE, [ROW, hostile, ROW])
    assert data.startswith(b"%PDF-")
    assert data == write(Form.PDF, TABLE, [ROW, hostile, ROW])  # the same figures, the same bytes
    assert write(Form.PDF, TABLE, [], "en").startswith(b"%PDF-")


def test_pieces_are_the_whole():
    for form in (Form.CSV, Form.JSON):
        made = sheets.writer(form, TABLE, training=False)
        pieces = [made.head(), made.rows([ROW]), made.rows([]), made.rows([ROW]), made.tail()]
        assert b"".join(pieces) == write(form, TABLE, [ROW, ROW]) or form is Form.JSON
        assert b"".join(pieces).count("hoà giải".encode()) == 2


def test_a_word_file_opens_again_with_everything_in_it(monkeypatch):
    """RPT-12: exports as DOCX."""
    monkeypatch.setattr(tables, "MAX_PRINTED", 3)
    hostile = (1, None, None, "</w:t><w:t>& <b>=1+1\u202e")
    data = write(Form.DOCX, replace(TABLE, issuer="Sở Nội vụ"), [ROW, hostile, ROW, ROW, ROW])
    read = docx.Document(io.BytesIO(data))
    head, grid, signers = read.tables
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in head.rows[0].cells[1].text
    assert "ngày 23 tháng 11 năm 2026" in head.rows[0].cells[1].text
    lines = [[cell.text for cell in row.cells] for row in grid.rows]
    assert lines[0] == ["Số đến", "Ngày", "Lúc", "Trích yếu"]
    assert lines[2] == ["7", "02/11/2026", "23/11/2026 00:30", ROW[3]]
    assert lines[3][3] == hostile[3]
    assert "Bên giao" in signers.rows[0].cells[0].text
    assert "Còn 2 dòng không in ở đây" in "\n".join(p.text for p in read.paragraphs)
    # The lines of titles come again on every page; letters are those of NĐ30, all of them.
    marks = [len(row._tr.xpath("./w:trPr/w:tblHeader")) for row in grid.rows]
    assert marks == [1, 1, 0, 0, 0]
    assert read.styles["Normal"].font.name == "Times New Roman"
    assert read.sections[0].page_width > read.sections[0].page_height


def test_months_are_read_as_months_and_sort_as_months():
    table = replace(TABLE, columns=(Column("month", Words("Tháng", "Month"), Kind.MONTH),))
    assert read_csv(write(Form.CSV, table, [("2026-02",)]))[1] == ["02/2026"]
    assert json.loads(write(Form.JSON, table, [("2026-02",)]))["rows"] == [{"month": "2026-02"}]
    sheet = openpyxl.load_workbook(io.BytesIO(write(Form.XLSX, table, [("2026-02",)]))).active
    cell = sheet.cell(sheet.max_row, 1)
    assert (cell.value, cell.number_format) == (datetime(2026, 2, 1), "mm/yyyy")  # noqa: DTZ001


def texts_of(form, data):
    """Return the texts of each page or row of a file."""
    match form:
        case Form.CSV:
            return [" ".join(row) for row in read_csv(data)]
        case Form.JSON:
            read = json.loads(data)
            return [json.dumps(one, ensure_ascii=False) for one in (read, *read["rows"])]
        case Form.XLSX:
            sheet = openpyxl.load_workbook(io.BytesIO(data)).active
            rows = [" ".join(str(c.value) for c in row) for row in sheet.iter_rows(min_row=5)]
            return [*rows, str(sheet.oddHeader.center.text)]
        case Form.DOCX:
            sections = docx.Document(io.BytesIO(data)).sections
            return [p.text for section in sections for p in section.header.paragraphs]
        case Form.PDF:
            with closing(pypdfium2.PdfDocument(data)) as read:
                return [page.get_textpage().get_text_range() for page in read]


@pytest.mark.parametrize("form", list(Form))
def test_training_data_say_so_on_every_page_and_in_every_row(form):
    rows = [ROW] * (60 if form is Form.PDF else 3)
    marked = texts_of(form, sheets.write(form, TABLE, rows, training=True))
    assert marked
    assert [text for text in marked if MARK not in text] == []
    real = texts_of(form, sheets.write(form, TABLE, rows, training=False))
    assert [text for text in real if MARK in text] == []
