"""FMT-01…FMT-07: a file is what its bytes say; a text is Vietnamese in Unicode."""

import unicodedata

import pytest

from gateway.domain.finding import Severity
from gateway.rules.format import text_fault
from gateway.rules.registry import FileFacts, Policy
from gateway.rules.sniff import sniff
from tests.world.rule_facts import PDF, attachment, header, judge

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


def zip_head(name: bytes, content: bytes = b"") -> bytes:
    return (
        b"PK\x03\x04"
        + b"\x00" * 22
        + len(name).to_bytes(2, "little")
        + b"\x00\x00"
        + name
        + content
    )


DOCX = zip_head(b"[Content_Types].xml")
ODT = zip_head(b"mimetype", b"application/vnd.oasis.opendocument.text")
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 20
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (PDF, "pdf"),
        (b"\xef\xbb\xbf\n%PDF-1.4", "pdf-late"),
        (DOCX, "ooxml"),
        (zip_head(b"word/document.xml"), "ooxml"),
        (ODT, "odf"),
        (zip_head(b"a.txt"), "zip"),
        (zip_head(b"META-INF/MANIFEST.MF"), "jar"),
        (b"PK\x03\x04", "zip"),
        (OLE2, "ole2"),
        (b"{\\rtf1", "rtf"),
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\x00", "tiff"),
        (b"MZ\x90\x00", "executable"),
        (b"\x7fELF\x02", "executable"),
        (b"#!/bin/sh\n", "script"),
        (b"@echo off\r\n", "script"),
        (b"  <script>alert(1)</script>", "script"),
        (b"L\x00\x00\x00\x01\x14\x02\x00", "shortcut"),
        (b"<!DOCTYPE html><html>", "html"),
        (b'<?xml version="1.0"?><svg xmlns="x">', "svg"),
        (b'<?xml version="1.0"?><a/>', "xml"),
        ("Kính gửi: Ủy ban nhân dân".encode(), "text"),
        ("﻿Kính gửi".encode(), "text"),
        ("Kính gửi".encode("utf-16"), "text"),
        (b"a,b\r\n1,2\r\n", "text"),
        (b"abc\x00\x01\x02", "binary"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07\x00", "rar"),
        (b"\x1f\x8b\x08", "gzip"),
    ],
)
def test_types_from_the_first_bytes(head, kind):
    assert sniff(head) == kind


def test_sniffing_never_fails():
    for byte in range(256):
        assert sniff(bytes([byte])) != ""


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.pdf", PDF),
        ("a.PDF", PDF),
        ("a.docx", DOCX),
        ("a.doc", OLE2),
        ("a.odt", ODT),
        ("a.xlsx", zip_head(b"xl/workbook.xml")),
        ("a.xls", OLE2),
        ("a.csv", b"a,b\n"),
        ("a.txt", "văn bản".encode()),
        ("a.rtf", b"{\\rtf1"),
        ("a.png", PNG),
        ("bản đồ.zip", zip_head(b"a.shp")),
    ],
)
def test_formats_of_the_list_pass_as_annexes(name, head):
    annexes = [attachment(0), attachment(1, name)]
    assert judge(attachments=annexes, heads={1: head}) == ()


@pytest.mark.parametrize(
    ("name", "head", "rule"),
    [
        ("a.docx", PDF, "FMT-02"),
        ("a.txt", OLE2, "FMT-02"),
        ("a.xlsx", PNG, "FMT-03"),
        ("a.pdf", DOCX, "FMT-04"),
        ("a.png", b"<html>", "FMT-05"),
        ("a.mp4", b"\x00\x00\x00\x18ftyp", "FMT-05"),
        ("khong-duoi", b"text", "FMT-05"),
        (".pdf", PDF, "FMT-05"),
    ],
)
def test_other_formats_refuse_out_and_warn_in(name, head, rule):
    annexes = [attachment(0), attachment(1, name)]
    for direction, severity in (("out", ERROR), ("in", WARNING)):
        (found,) = judge(attachments=annexes, heads={1: head}, direction=direction)
        assert (found.rule, found.severity, found.refusal) == (rule, severity, "R06")
        assert found.where.endswith("Attachment[2]")


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.exe", b"MZ\x90\x00"),
        ("a.pdf", b"MZ\x90\x00"),
        ("bao cao.pdf.js", b"var x=1"),
        ("a.docm", DOCX),
        ("a.txt", b"#!/bin/sh\n"),
        ("a.jpg", b"\x7fELF"),
        ("gpj\u202egnp.exe.png", PNG),
        ("a.zip", zip_head(b"META-INF/MANIFEST.MF")),
    ],
)
@pytest.mark.parametrize("direction", ["out", "in"])
def test_executables_are_refused_under_any_name_both_ways(name, head, direction):
    found = judge(
        attachments=[attachment(0), attachment(1, name)], heads={1: head}, direction=direction
    )
    assert [(f.rule, f.severity) for f in found] == [("FMT-05", ERROR)]
    assert "\u202e" not in found[0].vi


def test_macros_inside_a_document_are_refused():
    file = FileFacts(1, "a.docx", "id1", 10, "ooxml", ("word/vbaProject.bin",))
    main = FileFacts(0, "a.pdf", "id0", 10, "pdf")
    (found,) = judge(attachments=[attachment(0), attachment(1, "a.docx")], files=(main, file))
    assert (found.rule, found.severity) == ("FMT-05", ERROR)


def test_the_list_is_the_administrators():
    policy = Policy(allowed=frozenset({"mp4"}), denied=frozenset({"pdf"}))
    found = judge(
        attachments=[attachment(0), attachment(1, "a.mp4")], heads={1: b"\x00"}, policy=policy
    )
    assert [(f.rule, f.where[-2]) for f in found] == [("FMT-05", "1")]


def test_a_main_document_called_pdf_must_be_one():
    (found,) = judge(heads={0: DOCX})
    assert (found.rule, found.severity, found.refusal) == ("FMT-01", ERROR, "R06")
    (late,) = judge(heads={0: b"rubbish %PDF-1.4"})
    assert (late.rule, late.severity) == ("FMT-01", WARNING)
    (other,) = judge(attachments=[attachment(0, "a.docx")], heads={0: DOCX})
    assert (other.rule, other.severity) == ("FMT-01", WARNING)


# ---------------------------------------------------------------- characters


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain ascii",
        "V/v triển khai Nghị quyết số 57-NQ/TW – “chuyển đổi số” (giai đoạn 2026…2030)",
        unicodedata.normalize("NFD", "Ủy ban nhân dân tỉnh Lạng Sơn, Đường Hùng Vương"),
        "Hợp tác với Müller & Citroën tại Zürich",
        "diện tích 25 m², 30 °C, § 5, 2×3",
        "TOÀN QUYỀN ỦY BAN NHÂN DÂN",
        "Chi phí 5.000.000₫ • ghi chú",
        "北京",
    ],
)
def test_good_texts(text):
    assert text_fault(text) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Céng hoµ x· héi chñ nghÜa ViÖt Nam", "TCVN3"),
        ("B¸o c¸o kÕt qu¶ n¨m", "TCVN3"),
        ("Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam", "VNI"),
        ("Cá»™ng hÃ²a xÃ£ há»™i", "UTF-8"),
        ("C\u0080ng h\ufffda", "VISCII"),
        ("V\ue001n bản", "private"),
        ("Kính gửi \u0301", "combining"),
    ],
)
def test_bad_texts(text, word):
    fault = text_fault(text)
    assert fault is not None
    assert word in fault[1]
    found = [f for f in judge(header=header(subject=text)) if f.rule == "FMT-06"]
    assert [(f.severity, f.refusal) for f in found] == [(WARNING, "R13")]


def test_combining_form_is_noted_and_kept():
    text = unicodedata.normalize("NFD", "Báo cáo kết quả")
    (found,) = judge(header=header(subject=text))
    assert (found.rule, found.severity) == ("FMT-07", NOTE)
