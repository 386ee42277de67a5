"""Files that loop, swell or explode in a reader; made here, in the spirit of the public sets."""

import io
import zlib

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tests.world.signed_files import once


def _file(bodies: dict[int, bytes], trailer: bytes = b"", tail: bytes = b"") -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n")
    offsets = {}
    for number, body in bodies.items():
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, offset in offsets.items():
        out.write(b"%d 1\n%010d 00000 n \n" % (number, offset))
    size = max(bodies) + 1
    out.write(
        b"trailer\n<</Size %d/Root 1 0 R%b>>\n" % (size, trailer.replace(b"@", b"%d" % table))
    )
    out.write(b"startxref\n%d\n%%%%EOF\n%b" % (table, tail))
    return out.getvalue()


_CATALOGUE = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[9 0 R]/SigFlags 3>>>>"
_FIELD = (
    b"<</FT/Sig/T(a)/V<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/adbe.pkcs7.detached"
    b"/ByteRange[0 10 20 10]/Contents<30>>>>>"
)


def page_tree_loop() -> bytes:
    return _file({1: _CATALOGUE, 2: b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>", 9: _FIELD})


def field_loop() -> bytes:
    return _file(
        {
            1: _CATALOGUE,
            2: b"<</Type/Pages/Kids[]/Count 0>>",
            9: b"<</T(a)/FT/Sig/Kids[9 0 R 9 0 R]/Parent 9 0 R>>",
        }
    )


def table_loop() -> bytes:
    return _file({1: _CATALOGUE, 2: b"<</Type/Pages/Kids[]/Count 0>>", 9: _FIELD}, b"/Prev @")


def reference_loop() -> bytes:
    return _file({1: _CATALOGUE, 2: b"3 0 R", 3: b"2 0 R", 9: _FIELD})


def length_loop() -> bytes:
    body = b"<</Length 3 0 R>>stream\nx\nendstream"
    return _file(
        {1: b"<</Type/Catalog/Pages 2 0 R/AcroForm 3 0 R>>", 2: b"3 0 R", 3: body, 9: _FIELD}
    )


def nested(depth: int = 200_000) -> bytes:
    return _file({1: _CATALOGUE, 2: b"[" * depth + b"]" * depth, 9: _FIELD})


def packed_bomb(size: int = 1 << 28) -> bytes:
    """An object stream that swells a thousandfold."""
    squeezer = zlib.compressobj(9)
    zeros = b"\0" * (1 << 20)
    data = b"".join(squeezer.compress(zeros) for _ in range(size >> 20)) + squeezer.flush()
    packed = b"<</Type/ObjStm/N 2/First 10/Filter/FlateDecode/Length %d>>stream\n%b\nendstream"
    table = (
        b"<</Type/XRef/W[1 4 1]/Index[0 3 9 2]/Size 11/Root 1 0 R/Length %d>>stream\n%b\nendstream"
    )
    head = b"%PDF-1.7\n"
    bomb = b"10 0 obj\n" + packed % (len(data), data) + b"\nendobj\n"
    at = len(head) + len(bomb)
    rows = [(0, 0, 255), (2, 10, 0), (2, 10, 1), (2, 10, 0), (1, len(head), 0)]
    body = b"".join(bytes([k]) + a.to_bytes(4, "big") + bytes([b]) for k, a, b in rows)
    end = b"startxref\n%d\n%%%%EOF\n" % at
    return head + bomb + b"11 0 obj\n" + table % (len(body), body) + b"\nendobj\n" + end


def many_entries(count: int = 999_999_999) -> bytes:
    """A table that promises a thousand million entries."""
    return (
        b"%PDF-1.7\nxref\n0 " + b"%d" % count + b"\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
    )


def many_paths(levels: int = 60) -> bytes:
    """A signed letter in which an object is reached on 2**60 paths, updated after signing."""
    writer = IncrementalPdfFileWriter(io.BytesIO(once()))
    target = writer.add_object(
        generic.DictionaryObject({pdf_name("/Dich"): generic.NumberObject(1)})
    )
    for _ in range(levels):
        target = writer.add_object(
            generic.DictionaryObject({pdf_name("/A"): target, pdf_name("/B"): target})
        )
    writer.root[pdf_name("/Khac")] = target
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


ALL = (
    page_tree_loop,
    field_loop,
    table_loop,
    reference_loop,
    length_loop,
    nested,
    packed_bomb,
    many_entries,
    many_paths,
)
