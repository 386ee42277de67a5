"""The drawing process: one file, a few pages as small PNG, and where their signatures stand.

Started for one job and ended after it. Memory, processor time and file size are limited by the
operating system before a foreign byte is read; it writes nothing but its answer. What it dies of
costs only the pictures.

Standard input: one JSON object `{path, wanted: [{signature, page, rectangle}], width}`. Standard
output: one JSON object `{pages: {number: {width, height, png}}, marks: {signature: [x, y, w, h]},
count: pages of the file}`.
"""

import base64
import ctypes
import json
import resource
import struct
import sys
import zlib
from typing import Any, Final

_MAX_SIDE: Final = 3 * 14_400  # points; PDF's own limit thrice, then the page is not drawn
_TALLEST: Final = 3  # heights of a page in its widths


def png(rgb: bytes, width: int, height: int) -> bytes:
    """Return a PNG of packed RGB rows."""
    row = width * 3
    lines = b"".join(b"\0" + rgb[at : at + row] for at in range(0, row * height, row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(lines, 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def draw(path: str, wanted: list[dict[str, Any]], width: int) -> dict[str, Any]:
    """Return the pictures of a job; pages that cannot be drawn are left out.

    Args:
        path: The PDF.
        wanted: Signatures: index, page (from 1), rectangle in page space or None.
        width: Of the pictures, pixels.
    """
    import pypdfium2

    pages: dict[str, Any] = {}
    marks: dict[str, list[float]] = {}
    with pypdfium2.PdfDocument(path) as document:
        document.init_forms()
        count = len(document)
        for number in sorted({int(one["page"]) for one in wanted}):
            if number > len(document):
                continue
            page = document[number - 1]
            try:
                picture = _page(page, width)
                if picture is None:
                    continue
                pages[str(number)] = picture
                for one in wanted:
                    if int(one["page"]) == number and one["rectangle"] is not None:
                        box = _mark(page, one["rectangle"], picture["width"], picture["height"])
                        marks[str(one["signature"])] = box
            except (pypdfium2.PdfiumError, ValueError):
                continue
            finally:
                page.close()
    return {"pages": pages, "marks": marks, "count": count}


def _page(page: Any, width: int) -> dict[str, Any] | None:
    across, down = page.get_size()
    if not (0 < across <= _MAX_SIDE and 0 < down <= _MAX_SIDE) or down > _TALLEST * across:
        return None
    bitmap = page.render(scale=width / across, rev_byteorder=True, prefer_bgrx=False)
    try:
        raw = bytes(bitmap.buffer)
        step = bitmap.n_channels
        rgb = b"".join(
            raw[at : at + bitmap.width * step]
            for at in range(0, bitmap.stride * bitmap.height, bitmap.stride)
        )
        if step == 4:
            packed = bytearray(bitmap.width * bitmap.height * 3)
            for channel in range(3):
                packed[channel::3] = rgb[channel::4]
            rgb = bytes(packed)
        elif step != 3:
            return None
        image = base64.b64encode(png(rgb, bitmap.width, bitmap.height)).decode()
        return {"width": bitmap.width, "height": bitmap.height, "png": image}
    finally:
        bitmap.close()


def _mark(page: Any, rectangle: list[float], width: int, height: int) -> list[float]:
    """Return left, top, width, height in pixels; crop box and rotation are PDFium's to know."""
    from pypdfium2 import raw

    corners = []
    for x, y in (rectangle[:2], rectangle[2:]):
        at_x, at_y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page.raw, 0, 0, width, height, 0, x, y, at_x, at_y)
        corners.append((at_x.value, at_y.value))
    (one_x, one_y), (two_x, two_y) = corners
    left, right = sorted((min(max(one_x, 0), width), min(max(two_x, 0), width)))
    top, bottom = sorted((min(max(one_y, 0), height), min(max(two_y, 0), height)))
    return [left, top, max(right - left, 2), max(bottom - top, 2)]


def _limit(kind: int, soft: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(kind, (limit, limit))


def main(argv: list[str]) -> int:
    """Do the job of standard input.

    Args:
        argv: Memory limit in bytes, processor seconds.
    """
    _limit(resource.RLIMIT_AS, int(argv[0]))
    _limit(resource.RLIMIT_CPU, int(argv[1]))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    job = json.load(sys.stdin.buffer)
    answers, sys.stdout = sys.stdout, sys.stderr
    answers.write(json.dumps(draw(job["path"], job["wanted"], job["width"])))
    answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
