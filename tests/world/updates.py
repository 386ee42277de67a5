"""Small PDFs and updates to them, byte by byte: plain ones, lawful ones, and odd ones.

A document is its numbered bodies; an update is bodies that replace or add, numbers that are freed,
and entries of the trailer. Nothing here is signed: the difference analysis compares saved states.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Update:
    """What one saving appends.

    Args:
        bodies: By number.
        freed: Numbers given up.
        trailer: Entries besides /Size, /Root and /Prev.
        generation: Of every entry written.
        size: Declared size, None for the true one.
    """

    bodies: Mapping[int, bytes] = field(default_factory=dict)
    freed: Sequence[int] = ()
    trailer: bytes = b""
    generation: int = 0
    size: int | None = None


PAGE = (
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents %d 0 R/Resources<</Font<</F1 10 0 R>>>>"
    b"/StructParents 0%b>>"
)
FORM = b"<</Fields[%b]/SigFlags 3/DA(/Helv 0 Tf)>>"
TEXT_FIELD = (
    b"<</Type/Annot/Subtype/Widget/FT/Tx/T(ghi chu)/Rect[10 10 90 30]/P 3 0 R%b/AP<</N 12 0 R>>>>"
)
SIGNATURE_FIELD = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(%b)/Rect[%b]/P 3 0 R/F 132%b>>"
SIGNATURE = (
    b"<</Type/%b/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/Contents<3000>"
    b"/ByteRange[0 1 2 3]/Reference[<</Type/SigRef/TransformMethod/DocMDP/TransformParams 63 0 R>>]>>"
)
CATALOGUE = b"<</Type/Catalog/Pages 2 0 R/AcroForm 5 0 R/StructTreeRoot 13 0 R/Outlines 17 0 R%b>>"

DOCUMENT: dict[int, bytes] = {
    1: CATALOGUE % b"",
    2: b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
    3: PAGE % (8, b"/Annots[6 0 R 7 0 R]"),
    4: PAGE % (9, b""),
    5: FORM % b"6 0 R 7 0 R",
    6: TEXT_FIELD % b"/V(mot)",
    7: SIGNATURE_FIELD % (b"o trong", b"0 0 0 0", b""),
    8: b"<</Length 12>>\nstream\nBT (mot) ET \nendstream",
    9: b"<</Length 12>>\nstream\nBT (hai) ET \nendstream",
    10: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    11: b"<</Title(van ban)/Creator(may soan (thao))>>",
    12: b"<</Type/XObject/Subtype/Form/BBox[0 0 80 20]/Length 4>>\nstream\nq Q \nendstream",
    13: b"<</Type/StructTreeRoot/K 14 0 R/ParentTree 16 0 R>>",
    14: b"<</Type/StructElem/S/Document/P 13 0 R/K[15 0 R 19 0 R]>>",
    15: b"<</Type/StructElem/S/P/P 14 0 R/Pg 3 0 R/K[0 1]>>",
    16: b"<</Nums[0[15 0 R 15 0 R]]>>",
    17: b"<</Type/Outlines/First 18 0 R/Last 18 0 R/Count 1>>",
    18: b"<</Title(Trang hai)/Parent 17 0 R/Dest[4 0 R/XYZ 0 100 null]>>",
    19: b"<</Type/StructElem/S/Form/P 14 0 R/Pg 3 0 R/K<</Type/OBJR/Obj 6 0 R>>>>",
}
PLAIN = frozenset({8, 9, 12})


def written(bodies: Mapping[int, bytes] = DOCUMENT, *, packed: bool = False) -> bytes:
    """Return a file of one state; with `packed`, all but streams lie in an object stream."""
    if packed:
        return _packed(bodies)
    out = io.BytesIO(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    out.seek(0, io.SEEK_END)
    offsets = [_put(out, number, body) for number, body in bodies.items()]
    table = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    _sections(out, dict(zip(bodies, offsets, strict=True)), (), 0)
    size = max(bodies) + 1
    out.write(
        b"trailer\n<</Size %d/Root 1 0 R/Info 11 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, table)
    )
    return out.getvalue()


def _put(out: io.BytesIO, number: int, body: bytes, generation: int = 0) -> int:
    at = out.tell()
    out.write(b"%d %d obj\n%b\nendobj\n" % (number, generation, body))
    return at


def _sections(
    out: io.BytesIO, offsets: Mapping[int, int], freed: Sequence[int], generation: int
) -> None:
    for number in sorted({*offsets, *freed}):
        if number in offsets:
            out.write(b"%d 1\n%010d %05d n \n" % (number, offsets[number], generation))
        else:
            out.write(b"%d 1\n0000000000 %05d f \n" % (number, 1))


def _packed(bodies: Mapping[int, bytes]) -> bytes:
    out = io.BytesIO(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    out.seek(0, io.SEEK_END)
    offsets = {n: _put(out, n, b) for n, b in bodies.items() if b"endstream" in b}
    inside = [n for n in bodies if n not in offsets]
    holder, table = max(bodies) + 1, max(bodies) + 2
    directory, data = b"", b""
    for number in inside:
        directory += b"%d %d " % (number, len(data))
        data += bodies[number] + b"\n"
    squeezed = zlib.compress(directory + data)
    offsets[holder] = _put(
        out,
        holder,
        b"<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>\nstream\n%b\nendstream"
        % (len(inside), len(directory), len(squeezed), squeezed),
    )
    offsets[table] = out.tell()
    rows = b""
    for number in range(table + 1):
        if number in inside:
            rows += b"\2" + holder.to_bytes(4, "big") + bytes([inside.index(number)])
        elif number in offsets:
            rows += b"\1" + offsets[number].to_bytes(4, "big") + b"\0"
        else:
            rows += b"\0\0\0\0\0\xff"
    _put(
        out,
        table,
        b"<</Type/XRef/W[1 4 1]/Size %d/Root 1 0 R/Info 11 0 R/Length %d>>\nstream\n%b\nendstream"
        % (table + 1, len(rows), rows),
    )
    out.write(b"startxref\n%d\n%%%%EOF\n" % offsets[table])
    return out.getvalue()


def updated(pdf: bytes, *updates: Update) -> bytes:
    """Append updates with plain tables."""
    for update in updates:
        previous = int(pdf[pdf.rindex(b"startxref") + 9 :].split()[0])
        before = int(pdf[pdf.rindex(b"/Size") + 5 :].split(b"/")[0].split(b">")[0])
        out = io.BytesIO(pdf)
        out.seek(0, io.SEEK_END)
        offsets = {n: _put(out, n, b, update.generation) for n, b in update.bodies.items()}
        table = out.tell()
        out.write(b"xref\n0 1\n0000000000 65535 f \n")
        _sections(out, offsets, update.freed, update.generation)
        size = update.size or max(before, *(n + 1 for n in (*offsets, *update.freed, 0)))
        out.write(
            b"trailer\n<</Size %d/Root 1 0 R/Info 11 0 R/Prev %d%b>>\nstartxref\n%d\n%%%%EOF\n"
            % (size, previous, update.trailer, table)
        )
        pdf = out.getvalue()
    return pdf


# ---------------------------------------------------------------- what people and attackers do

_STREAM = b"<</Length 4>>\nstream\nabcd\nendstream"


def _security_store(first: int) -> dict[int, bytes]:
    return {
        first: b"<</Type/DSS/Certs[%d 0 R]/CRLs[%d 0 R]/VRI<</%b %d 0 R>>>>"
        % (first + 1, first + 2, b"A" * 40, first + 3),
        first + 1: _STREAM,
        first + 2: _STREAM,
        first + 3: b"<</Type/VRI/Cert[%d 0 R]/CRL[%d 0 R]>>" % (first + 1, first + 2),
    }


def _signed(number: int, kind: bytes, rect: bytes = b"0 0 0 0") -> dict[int, bytes]:
    name = b"chu ky %d" % number
    return {
        3: PAGE % (8, b"/Annots[6 0 R 7 0 R %d 0 R]" % number),
        5: FORM % (b"6 0 R 7 0 R %d 0 R" % number),
        number: SIGNATURE_FIELD % (name, rect, b"/V %d 0 R" % (number + 1)),
        number + 1: SIGNATURE % kind,
        63: b"<</Type/TransformParams/P 2/V/1.2>>",
    }


LAWFUL: dict[str, Update] = {
    "evidence": Update({1: CATALOGUE % b"/DSS 51 0 R", **_security_store(51)}),
    "more evidence": Update(
        {1: CATALOGUE % b"/DSS 51 0 R", **_security_store(51), 64: _STREAM, 65: _STREAM}
    ),
    "invisible signature": Update(_signed(56, b"Sig")),
    "visible signature": Update(_signed(58, b"Sig", b"10 10 90 90")),
    "time-stamp": Update(_signed(60, b"DocTimeStamp")),
    "empty field signed": Update(
        {
            7: SIGNATURE_FIELD % (b"o trong", b"0 0 0 0", b"/V 57 0 R"),
            57: SIGNATURE % b"Sig",
            63: b"<<>>",
        }
    ),
    "form filled": Update({6: TEXT_FIELD % b"/V(hai)"}),
    "form drawn": Update({6: TEXT_FIELD % b"/V(ba)", 12: DOCUMENT[12].replace(b"q Q ", b"q  Q")}),
    "information": Update({11: b"<</Title(khac)/ModDate(D:20261122)>>"}),
    "extensions": Update({1: CATALOGUE % b"/Extensions<</ESIC<</BaseVersion/1.7>>>>"}),
    "identical": Update({10: DOCUMENT[10]}),
    "orphan": Update({66: b"<</Khong/Ai/Can true>>"}),
}
UNLAWFUL: dict[str, Update] = {
    "content in place": Update({8: b"<</Length 12>>\nstream\nBT (xxx) ET \nendstream"}),
    "content replaced": Update({3: PAGE % (67, b"/Annots[6 0 R 7 0 R]"), 67: DOCUMENT[9]}),
    "font": Update({10: b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>"}),
    "annotation": Update(
        {
            3: PAGE % (8, b"/Annots[6 0 R 7 0 R 68 0 R]"),
            68: b"<</Type/Annot/Subtype/Square/Rect[0 0 9 9]>>",
        }
    ),
    "page removed": Update({2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>"}),
    "page added": Update(
        {2: b"<</Type/Pages/Kids[3 0 R 4 0 R 69 0 R]/Count 3>>", 69: PAGE % (9, b"")}
    ),
    "field dropped": Update({5: FORM % b"7 0 R"}),
    "action": Update({1: CATALOGUE % b"/OpenAction[4 0 R/Fit]"}),
    "tree": Update({14: b"<</Type/StructElem/S/Document/P 13 0 R/K[19 0 R 15 0 R]>>"}),
    "field moved": Update(
        {6: (TEXT_FIELD % b"/V(mot)").replace(b"[10 10 90 30]", b"[0 0 200 200]")}
    ),
    "freed": Update(freed=[12]),
    "freed and evidence": Update(
        {1: CATALOGUE % b"/DSS 51 0 R", **_security_store(51)}, freed=[10]
    ),
    "signature reused": Update(
        _signed(56, b"Sig") | {57: b"<<>>", 56: SIGNATURE_FIELD % (b"a", b"0 0 0 0", b"/V 7 0 R")}
    ),
    "appearance shared": Update({6: TEXT_FIELD % b"/V(mot)/MK 12 0 R", 12: DOCUMENT[12]}),
}
ODD: dict[str, Update] = {
    "defines 70": Update({70: b"<</Muon/Mang>>"}),
    "defines 70 with evidence": Update(
        {
            1: CATALOGUE % b"/DSS 51 0 R",
            **_security_store(51),
            70: b"<</Length 2>>\nstream\nxy\nendstream",
        }
    ),
    "generation": Update({10: DOCUMENT[10]}, generation=1),
    "freed again": Update(freed=[70]),
    "large size": Update({71: b"null"}, size=90),
    "small size": Update({66: b"null"}, size=12),
    "doubled key": Update({66: b"<</A 1/A 2>>", 1: CATALOGUE % b"/DSS 66 0 R"}),
    "escaped name": Update({1: CATALOGUE % b"/D#53S 51 0 R", **_security_store(51)}),
    "remark": Update({66: b"<</A %% mot cau\n 1>>", 1: CATALOGUE % b"/Extensions 66 0 R"}),
    "reference to reference": Update(
        {1: CATALOGUE % b"/DSS 66 0 R", 66: b"51 0 R", **_security_store(51)}
    ),
    "broken": Update({66: b"<</A", 1: CATALOGUE % b"/Extensions 66 0 R"}),
    "catalogue null": Update({1: b"null"}),
    "pages loop": Update({2: b"<</Type/Pages/Kids[3 0 R 3 0 R]/Count 2>>"}),
    "tree loop": Update({15: b"<</Type/StructElem/S/P/P 14 0 R/K[14 0 R]>>"}),
    "page is tree": Update({3: b"<</Type/Pages/Kids[4 0 R]/Count 1>>"}),
    "empty": Update(),
}

VARIANTS: dict[str, dict[int, bytes]] = {
    "usual": DOCUMENT,
    "dangling": DOCUMENT | {10: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Them 70 0 R>>"},
    "dangling in a string": DOCUMENT | {11: b"<</Title(xem 70 0 R va 8 0 R)>>"},
    "free standing number": DOCUMENT | {70: b"7"},
    "direct pages": DOCUMENT
    | {
        1: CATALOGUE.replace(b"/Pages 2 0 R", b"/Pages<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>")
        % b""
    },
    "nested pages": DOCUMENT
    | {
        2: b"<</Type/Pages/Kids[20 0 R 4 0 R]/Count 2>>",
        20: b"<</Type/Pages/Parent 2 0 R/Kids[3 0 R]/Count 1>>",
    },
    "double child": DOCUMENT | {14: b"<</Type/StructElem/S/Document/P 13 0 R/K[15 0 R 15 0 R]>>"},
    "child is root": DOCUMENT | {15: b"<</S/P/P 14 0 R/K 13 0 R>>"},
    "no form": DOCUMENT | {1: CATALOGUE.replace(b"/AcroForm 5 0 R", b"") % b""},
    "evidence already": DOCUMENT | {1: CATALOGUE % b"/DSS 51 0 R", **_security_store(51)},
    "odd spelling": DOCUMENT
    | {
        3: (PAGE % (8, b"/Annots [ 6  0 R 7\n0 R ]")),
        10: b"<< /Type /Font %% chu\n /Subtype /Type1 /BaseFont /Helvetica#2DBold >>",
        18: b"<</Title(Trang \\050hai\\051)/Parent 17 0 R/Dest[4 0 R/XYZ +0 -1.50 null]>>",
    },
    "broken elsewhere": DOCUMENT | {18: b"<</Title(Trang hai)/Parent 17 0 R/Dest[4 0 R /XYZ 0"},
    "two names for one": DOCUMENT | {4: DOCUMENT[4][:-2] + b"/Khac 12 0 R/B 3 0 R>>"},
}
