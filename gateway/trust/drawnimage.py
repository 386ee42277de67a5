"""The colour of an image in a PDF: looked at by samples, never decoded whole into objects.

Promises: bounded work and memory on hostile images; an image of a kind that is not read here has no
colour, which is said as such. Pure but for PDFium, which decodes JPEG. Remembers the answers on the
last few hundred images by everything they depend on: one agency shows one seal on every document.
"""

import colorsys
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.trust.revisions import get

_COLUMNS: Final = 48
_ROWS: Final = 24
_MAX_PIXELS: Final = 16_000_000
_MAX_DATA: Final = 64 * 1024 * 1024
_MAX_JPEG: Final = 4 * 1024 * 1024
_LEAST: Final = 4
"""Sides of a picture, and opaque samples with a colour, under which nothing is told."""
_LOSSLESS: Final = frozenset(
    {
        *("/FlateDecode", "/Fl", "/LZWDecode", "/LZW", "/RunLengthDecode", "/RL"),
        *("/ASCIIHexDecode", "/AHx", "/ASCII85Decode", "/A85"),
    }
)
_JPEG: Final = frozenset({"/DCTDecode", "/DCT"})
_COMPONENTS: Final = {
    "/DeviceGray": 1, "/G": 1, "/CalGray": 1, "/DeviceRGB": 3, "/RGB": 3, "/CalRGB": 3,
    "/DeviceCMYK": 4, "/CMYK": 4,
}  # fmt: skip

Colour = tuple[int, int, int]
At = Callable[[float, float], Colour]
Alpha = Callable[[float, float], int]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image is.

    Args:
        area: Its pixels.
        hue: `blue`, `red`, `other`, or "" where its colour cannot be told.
        transparent: Some of its ground lets the page through.
        lossless: It is kept without loss, as a PNG becomes in a PDF.
    """

    area: int
    hue: str
    transparent: bool
    lossless: bool


def image_facts(image: Any) -> ImageFacts | None:
    """Return what an image XObject is, None for one too small to be a picture.

    Args:
        image: Its stream.
    """
    width, height = _side(image, "/Width"), _side(image, "/Height")
    if width < _LEAST or height < _LEAST:
        return None
    key = _key(image)
    if key not in _known:
        found = _looked_at(image, width, height)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = found
    return _known[key]


_MOST_KNOWN: Final = 512
_known: Final[dict[bytes, ImageFacts]] = {}


def _key(image: Any) -> bytes:
    """Return a digest of everything the answer depends on."""
    told = hashlib.sha256()
    mask = get(image, "/SMask")
    for stream in (image, mask):
        if stream is None:
            continue
        names = ("/Width", "/Height", "/BitsPerComponent", "/Filter", "/DecodeParms")
        parts = [repr(get(stream, name)) for name in names]
        parts += [repr(_space(stream)), repr(get(image, "/Mask") is not None)]
        told.update("|".join(parts).encode())
        data = bytes(stream.encoded_data)
        told.update(b"%d|" % len(data) + data)
    return told.digest()


def _looked_at(image: Any, width: int, height: int) -> ImageFacts:
    filters = _filters(image)
    lossless = set(filters) <= _LOSSLESS
    masked = get(image, "/SMask") is not None or get(image, "/Mask") is not None
    if width * height > _MAX_PIXELS:
        return ImageFacts(width * height, "", masked, lossless)
    alpha = _alpha(image)
    at = _pixels(image, filters, width, height)
    hue = "" if at is None else _hue(at, alpha)
    return ImageFacts(width * height, hue, _lets_through(alpha, masked=masked), lossless)


def _side(image: Any, name: str) -> int:
    value = get(image, name)
    return value if isinstance(value, int) and 0 < value < 100_000 else 0


def _filters(image: Any) -> tuple[str, ...]:
    found = get(image, "/Filter")
    if found is None:
        return ()
    return (str(found),) if isinstance(found, str) else tuple(str(f) for f in found)


def _data(stream: Any) -> bytes:
    """Return decoded bytes; the reader's own limits stop bombs."""
    data = bytes(stream.data)
    if len(data) > _MAX_DATA:
        raise ValueError("an image beyond the limit")
    return data


# ---------------------------------------------------------------- pixels


def _pixels(image: Any, filters: tuple[str, ...], width: int, height: int) -> At | None:
    if len(filters) == 1 and filters[0] in _JPEG:
        return _jpeg(bytes(image.encoded_data), width, height, _space(image)[0])
    if not set(filters) <= _LOSSLESS or get(image, "/BitsPerComponent") != 8:
        return None
    count, palette = _space(image)
    if not count:
        return None
    data = _data(image)
    row = width * count
    if len(data) < row * height:
        return None

    def at(x: float, y: float) -> Colour:
        start = int(y * height) * row + int(x * width) * count
        return _colour(data[start : start + count], palette)

    return at


def _space(image: Any) -> tuple[int, bytes]:
    """Return how many components a pixel has, and a palette of RGB triples or b""."""
    space = get(image, "/ColorSpace")
    if isinstance(space, str):
        return _COMPONENTS.get(str(space), 0), b""
    if space is None or not len(space):
        return 0, b""
    kind = str(space[0])
    if kind == "/ICCBased":
        count = get(space[1], "/N")
        return (count if count in {1, 3, 4} else 0), b""
    if kind in {"/Indexed", "/I"}:
        return _palette(space)
    return _COMPONENTS.get(kind, 0), b""


def _palette(space: Any) -> tuple[int, bytes]:
    base, table = space[1], space[3]
    name = str(base) if isinstance(base, str) else str(base[0])
    count = get(base[1], "/N") if name == "/ICCBased" else _COMPONENTS.get(name)
    if count not in {1, 3, 4}:
        return 0, b""
    raw = _data(table) if hasattr(table, "encoded_data") else _string(table)
    colours = [_colour(raw[n : n + count], b"") for n in range(0, min(len(raw), 1024), count)]
    return 1, b"".join(bytes(c) for c in colours)


def _string(value: Any) -> bytes:
    original = getattr(value, "original_bytes", None)
    return bytes(original if original is not None else value)


def _colour(parts: bytes, palette: bytes) -> Colour:
    if palette:
        start = parts[0] * 3
        found = palette[start : start + 3]
        return (found[0], found[1], found[2]) if len(found) == 3 else (0, 0, 0)
    if len(parts) == 1:
        return parts[0], parts[0], parts[0]
    if len(parts) == 4:
        cyan, magenta, yellow, black = (255 - p for p in parts)
        return cyan * black // 255, magenta * black // 255, yellow * black // 255
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (0, 0, 0)


def _jpeg(data: bytes, width: int, height: int, count: int) -> At | None:
    """Let PDFium draw a JPEG small: a page of its own with nothing else on it."""
    import pypdfium2

    space = {1: b"/DeviceGray", 3: b"/DeviceRGB"}.get(count)
    if space is None or len(data) > _MAX_JPEG or _baseline_size(data) != (width, height):
        return None
    with pypdfium2.PdfDocument(_page_of(data, width, height, space)) as document:
        page = document[0]
        bitmap = page.render(scale=1, rev_byteorder=True, prefer_bgrx=False)
        raw, step, stride = bytes(bitmap.buffer), bitmap.n_channels, bitmap.stride
        wide, high = bitmap.width, bitmap.height
        bitmap.close()
        page.close()
    if step not in {3, 4}:
        return None

    def at(x: float, y: float) -> Colour:
        start = int(y * high) * stride + int(x * wide) * step
        return raw[start], raw[start + 1], raw[start + 2]

    return at


def _baseline_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height a baseline JPEG states of itself, None for any other.

    One pass over the picture is all that a baseline JPEG asks for; others may ask for thousands.
    """
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in {0xC0, 0xC1}:
            high, wide = (
                int.from_bytes(data[at + 5 : at + 7]),
                int.from_bytes(data[at + 7 : at + 9]),
            )
            return (wide, high) if wide * high <= _MAX_PIXELS else None
        if 0xC2 <= marker <= 0xCF and marker != 0xC4:
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _page_of(data: bytes, width: int, height: int, space: bytes) -> bytes:
    draw = b"%d 0 0 %d 0 0 cm /I Do" % (_COLUMNS, _ROWS)
    head = (
        b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace%b/BitsPerComponent 8"
        b"/Filter/DCTDecode" % (width, height, space)
    )
    bodies = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R"
        b"/Resources<</XObject<</I 5 0 R>>>>>>" % (_COLUMNS, _ROWS),
        b"<</Length %d>>stream\n%b\nendstream" % (len(draw), draw),
        b"<<%b/Length %d>>stream\n%b\nendstream" % (head, len(data), data),
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n"
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % table
    return bytes(out)


# ---------------------------------------------------------------- ground and colour


def _alpha(image: Any) -> Alpha | None:
    """Return how opaque the image is at a place, None where it has no soft mask we can read."""
    mask = get(image, "/SMask")
    if mask is None:
        return None
    width, height = _side(mask, "/Width"), _side(mask, "/Height")
    readable = set(_filters(mask)) <= _LOSSLESS and get(mask, "/BitsPerComponent") == 8
    if not readable or not width or not height or width * height > _MAX_PIXELS:
        return None
    data = _data(mask)
    if len(data) < width * height:
        return None
    return lambda x, y: data[int(y * height) * width + int(x * width)]


def _places() -> Sequence[tuple[float, float]]:
    return [
        ((column + 0.5) / _COLUMNS, (row + 0.5) / _ROWS)
        for row in range(_ROWS)
        for column in range(_COLUMNS)
    ]


_GRID: Final = tuple(_places())


def _lets_through(alpha: Alpha | None, *, masked: bool) -> bool:
    if alpha is None:
        return masked
    return any(alpha(x, y) < 128 for x, y in _GRID)


def _hue(at: At, alpha: Alpha | None) -> str:
    """Return the colour most of what is drawn has; ground (transparent, or white) set aside."""
    hues: list[float] = []
    grey = 0
    for x, y in _GRID:
        if alpha is not None and alpha(x, y) < 128:
            continue
        red, green, blue = at(x, y)
        if alpha is None and min(red, green, blue) >= 230:
            continue
        if max(red, green, blue) - min(red, green, blue) < 40:
            grey += 1
        else:
            # Turned by a sixth, so that red does not lie on both ends.
            turned = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)[0] + 1 / 6
            hues.append(turned % 1.0)
    if len(hues) + grey < _LEAST:
        return ""
    if grey > len(hues):
        return "other"
    middle = (sorted(hues)[len(hues) // 2] - 1 / 6) % 1.0 * 360
    if middle >= 325 or middle <= 25:
        return "red"
    return "blue" if 180 <= middle <= 275 else "other"
