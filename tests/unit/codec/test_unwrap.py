import io
import struct
import zipfile
import zlib

import pytest

from gateway.codec.limits import Limits
from gateway.codec.unwrap import (
    BrokenWrapperError,
    leaves_raw,
    may_be_wrapped,
    single_entry,
    unwrap,
    wrap,
)
from gateway.errors import Reason, RejectedError


def archive(*entries, compression=zipfile.ZIP_DEFLATED, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as opened:
        for name, data in entries:
            opened.writestr(name, data)
        opened.comment = comment
    return out.getvalue()


def undo(data, name, limits=None):
    source = io.BytesIO(data)
    if not may_be_wrapped(data[:16], name) or not single_entry(source, name):
        return None
    return b"".join(unwrap(source, limits or Limits()))


@pytest.mark.parametrize("name", ["a.txt", "bang.xls", "anh.JPG", "khong-duoi", "a.pdf", "a.doc"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_single_entry_is_a_wrapper_whatever_the_label(name, compression):
    data = archive(("0000.txt", b"xin chao" * 99), compression=compression)
    assert undo(data, name) == b"xin chao" * 99


def test_an_archive_comment_does_not_hide_a_wrapper():
    assert undo(archive(("a.txt", b"x"), comment=b"c" * 60_000), "a.txt") == b"x"


def test_zips_by_nature_are_unwrapped_only_around_their_own_kind():
    sheet = archive(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<y/>"))
    assert undo(sheet, "bang.xlsx") is None
    assert undo(archive(("[Content_Types].xml", b"<x/>")), "bang.xlsx") is None
    # the national kit zips .xlsx because its list misspells it: seen every day
    assert undo(archive(("3f2a.xlsx", sheet)), "bang.xlsx") == sheet


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (archive(("a.txt", b"x")), "goi.zip"),
        (archive(("a.txt", b"x")), "GOI.ZIP"),
        (archive(("a.txt", b"x"), ("b.txt", b"y")), "a.txt"),
        (archive(("thu-muc/", b"")), "a.txt"),
        (archive(("a.txt", b"x"), compression=zipfile.ZIP_BZIP2), "a.txt"),
        (b"PK\x03\x04fake", "a.txt"),
        (b"PK\x03\x04" + b"x" * 100_000, "a.txt"),
        (b"%PDF-1.7", "a.txt"),
        (b"", "a.txt"),
        (b"PK\x05\x06" + bytes(18), "a.txt"),
    ],
)
def test_everything_else_stays_as_it_is(data, name):
    assert undo(data, name) is None


def test_an_encrypted_entry_stays_as_it_is():
    data = bytearray(archive(("a.txt", b"x" * 50)))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    assert undo(bytes(data), "a.txt") is None


def test_a_directory_of_millions_is_not_loaded():
    # the end record claims one entry, the directory claims 60 MB
    data = archive(("a.txt", b"x"))
    at = data.index(b"PK\x05\x06")
    end = bytearray(data[at:])
    end[12:16] = (60_000_000).to_bytes(4, "little")
    assert undo(data[:at] + bytes(end), "a.txt") is None


def test_zip64_is_no_wrapper():
    data = archive(("a.txt", b"x"))
    at = data.index(b"PK\x05\x06")
    assert undo(data[:at] + b"PK\x06\x07" + bytes(16) + data[at:], "a.txt") is None


@pytest.mark.parametrize("shift", [-4000, 7])
def test_a_directory_that_points_elsewhere_is_no_wrapper(shift):
    data = archive(("a.txt", b"x" * 50))
    at = data.index(b"PK\x05\x06")
    end = bytearray(data[at:])
    offset = int.from_bytes(end[16:20], "little") - shift
    end[16:20] = offset.to_bytes(4, "little")
    assert undo(data[:at] + bytes(end), "a.txt") is None


def test_an_entry_without_a_name_is_a_wrapper_too():
    data = b"xin chao"
    crc = zlib.crc32(data)
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, crc, 8, 8, 0, 0) + data
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, crc, 8, 8, 0, 0, 0, 0, 0, 0, 0
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), len(local), 0)
    assert undo(local + entry + end, "van-ban.txt") == data


def test_a_bomb_is_refused_by_ratio_and_by_size():
    bomb = archive(("a.txt", bytes(3_000_000)))
    with pytest.raises(RejectedError) as caught:
        undo(bomb, "a.txt", Limits(zip_ratio=100, zip_ratio_free_bytes=1_000_000))
    assert caught.value.reason is Reason.LIMIT_EXCEEDED
    with pytest.raises(RejectedError) as caught:
        undo(bomb, "a.txt", Limits(unwrapped_bytes=1_000_000))
    assert caught.value.reason is Reason.LIMIT_EXCEEDED
    assert len(undo(bomb, "a.txt")) == 3_000_000


def test_the_budget_of_the_packet_counts():
    source = io.BytesIO(archive(("a.txt", b"x" * 100)))
    with pytest.raises(RejectedError):
        list(unwrap(source, Limits(), budget_bytes=99))
    assert b"".join(unwrap(source, Limits(), budget_bytes=100)) == b"x" * 100


def test_a_damaged_wrapper_says_so():
    data = bytearray(archive(("a.txt", bytes(range(256)) * 50)))
    data[60] ^= 0xFF
    with pytest.raises(BrokenWrapperError) as caught:
        undo(bytes(data), "a.txt")
    assert caught.value.findings[0].rule == "MD-10"


@pytest.mark.parametrize("name", ["a.txt", "Bảng.xlsx", "khong-duoi", "a.đuôi"])
@pytest.mark.parametrize("data", [b"", b"x", bytes(200_000), bytes(range(256)) * 999])
def test_wrap_is_the_reverse_and_always_the_same(name, data):
    pieces = [data[:1000], data[1000:]]
    made = b"".join(wrap(pieces, name))
    assert made == b"".join(wrap(pieces, name))
    with zipfile.ZipFile(io.BytesIO(made)) as opened:
        assert opened.testzip() is None
        (info,) = opened.infolist()
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert opened.read(info) == data
    assert undo(made, name) == data


def test_only_four_extensions_leave_raw():
    assert [n for n in ("a.pdf", "A.DOC", "a.docx", "a.zip") if leaves_raw(n)] == [
        "a.pdf", "A.DOC", "a.docx", "a.zip"]  # fmt: skip
    assert not [
        n for n in ("a.xls", "a.xlsx", "a.txt", "pdf", ".pdf", "a.pdf.exe") if leaves_raw(n)
    ]
