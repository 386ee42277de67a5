"""Tables as files: what a sender wrote is never a formula, and nothing of it is lost."""

import csv
import io
import json
from datetime import UTC, date, datetime

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reports import sheets
from gateway.reports.advice import Words
from gateway.reports.sheets import Column, Form, Kind, Table, guarded, write

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
    monkeypatch.setattr(sheets, "MAX_PRINTED", 2)
    hostile = (1, None, None, '#panic("x") $x$ *b* \u202e漢 ' + "m" * 300)
    data = write(Form.PDF, TABLE, [ROW, hostile, ROW])
    assert data.startswith(b"%PDF-")
    assert data == write(Form.PDF, TABLE, [ROW, hostile, ROW])  # the same figures, the same bytes
    assert write(Form.PDF, TABLE, [], "en").startswith(b"%PDF-")


def test_pieces_are_the_whole():
    for form in (Form.CSV, Form.JSON):
        made = sheets.writer(form, TABLE)
        pieces = [made.head(), made.rows([ROW]), made.rows([]), made.rows([ROW]), made.tail()]
        assert b"".join(pieces) == write(form, TABLE, [ROW, ROW]) or form is Form.JSON
        assert b"".join(pieces).count("hoà giải".encode()) == 2
