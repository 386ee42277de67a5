"""Large PDFs as offices make them, for measurements and tests: scans and tagged text.

Built object by object, so that their number and form are known; every seed gives other bytes.
"""

import random
import zlib


def scan(pages: int = 5, *, size_bytes: int = 1_000_000, seed: int = 0) -> bytes:
    """Return a scanned document: incompressible pictures, a handful of objects."""
    noise = random.Random(seed)
    share = size_bytes // pages
    side = int((share) ** 0.5)
    numbers = [4 + 3 * n for n in range(pages)]
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (b" ".join(b"%d 0 R" % n for n in numbers), pages),
        b"<</Title(scan %d)>>" % seed,
    ]
    for number in numbers:
        picture = noise.randbytes(side * side)
        bodies += [
            (
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R"
                b"/Resources<</XObject<</Im0 %d 0 R>>>>>>" % (number + 1, number + 2)
            ),
            _stream(b"", b"q 595 0 0 842 0 0 cm /Im0 Do Q"),
            _stream(
                b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray"
                b"/BitsPerComponent 8" % (side, side),
                picture,
            ),
        ]
    return _file(bodies, info=3)


def tagged_text(pages: int = 40, *, objects: int = 7700, seed: int = 0) -> bytes:
    """Return a text document as word processors write it: every paragraph a tagged object.

    Catalogue, page tree, fonts, outlines, a structure tree with its parent tree, and paragraphs
    until there are `objects` objects; no object streams, a plain cross-reference table.
    """
    words = random.Random(seed)
    first_page = 8
    fixed = first_page + 2 * pages - 1
    paragraphs = objects - fixed - 2 * pages
    each = paragraphs // pages
    sections = [fixed + 1 + 2 * n for n in range(pages)]
    bodies: list[bytes] = [
        (
            b"<</Type/Catalog/Pages 2 0 R/StructTreeRoot 3 0 R/MarkInfo<</Marked true>>"
            b"/Lang(vi-VN)/ViewerPreferences<</DisplayDocTitle true>>>>"
        ),
        b"<</Type/Pages/Kids[%s]/Count %d>>"
        % (b" ".join(b"%d 0 R" % (first_page + 2 * n) for n in range(pages)), pages),
        b"<</Type/StructTreeRoot/K 7 0 R/ParentTree 4 0 R/ParentTreeNextKey %d>>" % pages,
        b"<</Nums[%s]>>" % b" ".join(b"%d %d 0 R" % (n, s + 1) for n, s in enumerate(sections)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Title(van ban %d)/Producer(vanlien bench)>>" % seed,
        b"<</Type/StructElem/S/Document/P 3 0 R/K[%s]>>"
        % b" ".join(b"%d 0 R" % s for s in sections),
    ]
    text: list[bytes] = []
    for n in range(pages):
        page = first_page + 2 * n
        draw = b"".join(
            b"/P <</MCID %d>> BDC BT /F1 9 Tf 50 %d Td (%s) Tj ET EMC\n"
            % (m, 800 - 4 * m, bytes(words.choices(b"abcdeghiklmnopqrstuvxy ", k=60)))
            for m in range(each)
        )
        bodies += [
            (
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Group<</Type/Group"
                b"/S/Transparency/CS/DeviceRGB>>/Tabs/S/StructParents %d/Resources<</Font<</F1 5 0 R>>"
                b"/ProcSet[/PDF/Text/ImageB/ImageC/ImageI]>>>>" % (page + 1, n)
            ),
            _stream(b"/Filter/FlateDecode", zlib.compress(draw)),
        ]
    number = fixed + 2 * pages
    for n in range(pages):
        page = first_page + 2 * n
        mine = [number + 1 + m for m in range(each)]
        number += each
        references = b" ".join(b"%d 0 R" % m for m in mine)
        bodies += [b"<</Type/StructElem/S/Sect/P 7 0 R/K[%s]>>" % references, b"[%s]" % references]
        text += [
            b"<</Type/StructElem/S/P/P %d 0 R/Pg %d 0 R/K[%d]/A<</O/Layout/SpaceAfter 8.04>>>>"
            % (sections[n], page, m)
            for m in range(each)
        ]
    return _file([*bodies, *text], info=6)


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<<%s/Length %d>>\nstream\n%b\nendstream" % (entries, len(data), data)


def _file(bodies: list[bytes], *, info: int) -> bytes:
    parts = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"]
    at = len(parts[0])
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(at)
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        at += len(parts[-1])
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    parts += [b"%010d 00000 n \n" % offset for offset in offsets]
    parts.append(
        b"trailer\n<</Size %d/Root 1 0 R/Info %d 0 R/ID[<%032x><%032x>]>>\nstartxref\n%d\n%%%%EOF\n"
        % (len(bodies) + 1, info, info, len(bodies), at)
    )
    return b"".join(parts)
