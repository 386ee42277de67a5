"""Small PDFs written by hand, a kilobyte or two each: nothing in them but what the case needs."""

import io

HEAD = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
_TEXT = "QUYET DINH so 123/QD-SNV: chi 100 trieu dong"


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """Return a stream object's body."""
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (entries, len(data), data)


def text_stream(text: str, x: int = 72, y: int = 700) -> bytes:
    """Return a content stream that shows one line."""
    return stream(f"BT /F1 14 Tf {x} {y} Td ({text}) Tj ET".encode("ascii"))


def page(contents: bytes = b"4 0 R", extra: bytes = b"") -> bytes:
    """Return a page object's body; page tree 2, font 5."""
    return (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %b"
        b"/Resources<</Font<</F1 5 0 R>>>>%b>>" % (contents, extra)
    )


def objects(text: str = _TEXT) -> dict[int, bytes]:
    """Return a one-page document: catalogue 1, pages 2, page 3, contents 4, font 5."""
    return {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: page(),
        4: text_stream(text),
        5: FONT,
    }


def classic(bodies: dict[int, bytes], *, trailer: bytes = b"") -> bytes:
    """Return a PDF with a classic cross-reference table."""
    out = io.BytesIO()
    out.write(HEAD)
    offsets = {}
    for number, body in sorted(bodies.items()):
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    size = max(bodies) + 1
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        at = offsets.get(number)
        out.write(b"0000000000 00001 f \n" if at is None else b"%010d 00000 n \n" % at)
    out.write(b"trailer\n<</Size %d/Root 1 0 R%b>>\n" % (size, trailer))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def plain(text: str = _TEXT) -> bytes:
    """Return a one-page document of one line."""
    return classic(objects(text))


def with_form() -> bytes:
    """Return a document with one text field, "SoTien", shown on the page."""
    bodies = objects()
    look = stream(
        b"BT /F1 12 Tf 2 4 Td (100 trieu) Tj ET",
        b"/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F1 5 0 R>>>>",
    )
    bodies[1] = (
        b"<</Type/Catalog/Pages 2 0 R"
        b"/AcroForm<</Fields[6 0 R]/DR<</Font<</F1 5 0 R>>>>/DA(/F1 12 Tf)>>>>"
    )
    bodies[3] = page(extra=b"/Annots[6 0 R]")
    bodies[6] = (
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(SoTien)/V(100 trieu)/DA(/F1 12 Tf 0 g)"
        b"/Rect[72 600 272 620]/F 4/P 3 0 R/AP<</N 7 0 R>>>>"
    )
    bodies[7] = look
    return classic(bodies)


def with_hidden_pages() -> bytes:
    """Return a document that carries a second catalogue and page, not reachable: a shadow."""
    bodies = objects()
    bodies[10] = b"<</Type/Catalog/Pages 11 0 R>>"
    bodies[11] = b"<</Type/Pages/Kids[12 0 R]/Count 1>>"
    bodies[12] = page(b"13 0 R").replace(b"/Parent 2 0 R", b"/Parent 11 0 R")
    bodies[13] = text_stream("QUYET DINH so 123/QD-SNV: chi 999 ty dong")
    return classic(bodies)


def with_overlay() -> bytes:
    """Return a document whose amount is hidden behind a picture drawn over it."""
    bodies = objects()
    bodies[3] = page(
        extra=b"/Annots[8 0 R]",
    ).replace(b"/Contents 4 0 R", b"/Contents[4 0 R 6 0 R]")
    bodies[3] = bodies[3].replace(b"/Font<</F1 5 0 R>>", b"/Font<</F1 5 0 R>>/XObject<</X 7 0 R>>")
    bodies[4] = text_stream("QUYET DINH so 123/QD-SNV: chi 999 ty dong")
    bodies[6] = stream(b"q /X Do Q BT /F1 14 Tf 72 660 Td (chi 100 trieu dong) Tj ET")
    bodies[7] = stream(b"1 g 60 690 460 30 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]")
    bodies[8] = b"<</Type/Annot/Subtype/Square/Rect[60 550 520 580]/F 4/C[1 1 1]/IC[1 1 1]>>"
    return classic(bodies)


def with_seal_picture() -> bytes:
    """Return an unsigned document with the picture of a red seal."""
    bodies = objects()
    bodies[4] = stream(
        b"BT /F1 14 Tf 72 700 Td (QUYET DINH so 123/QD-SNV) Tj ET "
        b"q 1 0 0 RG 3 w 300 400 90 90 re S Q BT /F1 9 Tf 310 440 Td (DA KY SO) Tj ET"
    )
    return classic(bodies)


def hybrid() -> bytes:
    """Return a hybrid-reference document, as Office writes them: table and stream side by side."""
    bodies = objects()
    packed = {6: b"<</Producer(mau thu)>>"}
    head = b"".join(b"%d 0 " % n for n in packed)
    inner = head + b" ".join(packed.values())
    bodies[7] = stream(inner, b"/Type/ObjStm/N 1/First %d" % len(head))
    out = io.BytesIO()
    out.write(HEAD)
    offsets = {}
    for number, body in sorted(bodies.items()):
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    stream_at = out.tell()
    row = b"\x02" + (7).to_bytes(4, "big") + b"\x00"
    out.write(
        b"8 0 obj\n"
        + stream(row, b"/Type/XRef/Size 9/W[1 4 1]/Index[6 1]/Root 1 0 R")
        + b"\nendobj\n"
    )
    table = out.tell()
    out.write(b"xref\n0 9\n0000000000 65535 f \n")
    for number in range(1, 9):
        at = offsets.get(number)
        out.write(b"0000000000 65535 f \n" if at is None else b"%010d 00000 n \n" % at)
    out.write(b"trailer\n<</Size 9/Root 1 0 R/Info 6 0 R/XRefStm %d>>\n" % stream_at)
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def update(
    pdf: bytes,
    bodies: dict[int, bytes],
    *,
    freed: tuple[int, ...] = (),
    root: bytes | None = None,
) -> bytes:
    """Return a file with one more revision, its table in order.

    Args:
        pdf: The file so far.
        bodies: New bodies of objects.
        freed: Objects that are free from now on.
        root: Another catalogue, `10 0 R`; the same without it.
    """
    tail = pdf[pdf.rindex(b"startxref") :].split()
    previous = int(tail[1])
    trailer = pdf[pdf.rindex(b"/Root") :]
    old_root = b" ".join(trailer[5:].split()[:3]).rstrip(b">/")
    out = io.BytesIO()
    out.write(pdf if pdf.endswith(b"\n") else pdf + b"\n")
    offsets: dict[int, int | None] = dict.fromkeys(freed)
    for number, body in sorted(bodies.items()):
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n")
    for number, at in sorted(offsets.items()):
        row = b"0000000000 00001 f \n" if at is None else b"%010d 00000 n \n" % at
        out.write(b"%d 1\n%b" % (number, row))
    size = max([*offsets, _size(pdf) - 1]) + 1
    out.write(
        b"trailer\n<</Size %d/Root %b/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, root or old_root, previous, table)
    )
    return out.getvalue()


def _size(pdf: bytes) -> int:
    digits = pdf[pdf.rindex(b"/Size") + 5 :].split()[0]
    return int(digits.split(b"/")[0].split(b">")[0])
