"""Text and pictures that a form XObject of a PDF draws: enough of a reader for signature stamps.

Fonts are read by their ToUnicode table, else as Windows Latin. Bounded in depth, streams, bytes and
letters: what lies beyond is left out, and nothing is judged here. Keeps nothing.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.trust.revisions import get, get_object, key_of, raw

MAX_TEXT: Final = 600
_MAX_DEPTH: Final = 6
_MAX_STREAMS: Final = 40
_MAX_CONTENT: Final = 2 * 1024 * 1024
_MAX_TOKENS: Final = 60_000
_MAX_CMAP: Final = 256 * 1024
_MAX_IMAGES: Final = 8
_GAP: Final = -180
"""Thousandths of an em in a TJ array beyond which words stand apart."""

_TOKEN: Final = re.compile(
    rb"""[\x00\t\n\x0c\r ]+ | %[^\r\n]*
    | (?P<hex><[0-9A-Fa-f\x00\t\n\x0c\r ]*>)
    | (?P<mark><<|>>|[\[\]{}])
    | /(?P<name>[^\x00\t\n\x0c\r ()<>\[\]{}/%]*)
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?=[\x00\t\n\x0c\r ()<>\[\]{}/%]|$)
    | (?P<word>[^\x00\t\n\x0c\r ()<>\[\]{}/%]+)
    | (?P<string>\()""",
    re.VERBOSE,
)
_INLINE_END: Final = re.compile(rb"[\t\n\x0c\r ]EI(?=[\t\n\x0c\r ]|$)")
_ESCAPES: Final = {0x6E: 10, 0x72: 13, 0x74: 9, 0x62: 8, 0x66: 12}
_MOVES: Final = frozenset({b"Td", b"TD", b"T*", b"Tm", b"BT", b"'", b'"'})
_SHOWS: Final = frozenset({b"Tj", b"TJ", b"'", b'"'})
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_GLYPHS: Final = {
    "space": " ", "slash": "/", "colon": ":", "plus": "+", "hyphen": "-", "period": ".",
    "comma": ",", "parenleft": "(", "parenright": ")", "semicolon": ";",
    **{name: str(n) for n, name in enumerate(_DIGITS)},
}  # fmt: skip

Decode = Callable[[bytes], str]


class Drawing:
    """What a form draws, gathered on the way down."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.images: list[Any] = []
        self.inline_images = 0
        self._text: list[str] = []
        self._letters = 0
        self._streams = 0
        self._bytes = 0
        self._tokens = 0
        self._fonts: dict[Any, Decode] = {}
        self._inside: set[Any] = set()

    @property
    def text(self) -> str:
        """Return the text in order of drawing, white space as it came."""
        return "".join(self._text)[:MAX_TEXT]

    def take(self, form: Any, resources: Any = None, depth: int = 0) -> None:
        """Read a form XObject.

        Args:
            form: Its stream.
            resources: Those of whoever draws it, for forms without their own.
            depth: How deep it is drawn.
        """
        self._streams += 1
        if depth > _MAX_DEPTH or self._streams > _MAX_STREAMS:
            return
        content = bytes(form.data)
        self._bytes += len(content)
        if self._bytes > _MAX_CONTENT:
            return
        own = get(form, "/Resources")
        self._run(content, own if own is not None else resources, depth)

    def _run(self, content: bytes, resources: Any, depth: int) -> None:
        strings: list[bytes | float] = []
        name = ""
        decode: Decode = _latin
        for kind, value in _tokens(content):
            self._tokens += 1
            if self._tokens > _MAX_TOKENS or self._letters > MAX_TEXT:
                return
            if kind == "string":
                strings.append(value)
            elif kind == "number":
                strings.append(float(value))
            elif kind == "name":
                name = value.decode("latin-1")
            elif kind == "word":
                if value == b"Tf":
                    decode = self._font(resources, name)
                elif value == b"Do":
                    self._do(resources, name, depth)
                elif value == b"BI":
                    self.inline_images += 1
                if value in _MOVES:
                    self._say(" ")
                if value in _SHOWS:
                    self._show(strings, decode)
                strings.clear()

    def _show(self, parts: list[bytes | float], decode: Decode) -> None:
        for part in parts:
            if isinstance(part, bytes):
                self._say(decode(part))
            elif part < _GAP:
                self._say(" ")

    def _say(self, text: str) -> None:
        self._text.append(text)
        self._letters += len(text.strip())

    def _do(self, resources: Any, name: str, depth: int) -> None:
        held = raw(get(resources, "/XObject"), f"/{name}")
        key = key_of(held)
        target = get_object(held)
        kind = str(get(target, "/Subtype"))
        if kind == "/Image" and len(self.images) < _MAX_IMAGES:
            self.images.append(target)
        elif kind == "/Form" and key not in self._inside:
            self._inside.add(key)
            self.take(target, resources, depth + 1)
            self._inside.discard(key)

    def _font(self, resources: Any, name: str) -> Decode:
        held = raw(get(resources, "/Font"), f"/{name}")
        key = key_of(held) or name
        if key not in self._fonts:
            self._fonts[key] = _decoder(get_object(held))
        return self._fonts[key]


# ---------------------------------------------------------------- tokens


def _tokens(content: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(content):
        match = _TOKEN.match(content, at)
        if match is None:
            at += 1
            continue
        at = match.end()
        kind = match.lastgroup
        if kind == "string":
            text, at = _literal(content, at)
            yield "string", text
        elif kind == "hex":
            digits = re.sub(rb"[^0-9A-Fa-f]", b"", match.group())
            yield "string", bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
        elif kind in {"name", "number", "word"}:
            yield kind, match.group(kind)
            if kind == "word" and match.group() == b"ID":
                # An inline image: its bytes are no operators.
                end = _INLINE_END.search(content, at)
                at = end.end() if end else len(content)


def _literal(content: bytes, at: int) -> tuple[bytes, int]:
    """Return the string that begins here and where it ends."""
    found = bytearray()
    depth = 1
    while at < len(content):
        byte = content[at]
        at += 1
        if byte == 0x5C and at < len(content):
            byte = content[at]
            at += 1
            if 0x30 <= byte <= 0x37:
                digits = re.match(rb"[0-7]{1,3}", content[at - 1 : at + 2])
                octal = digits.group() if digits else b"0"
                found.append(int(octal, 8) & 0xFF)
                at += len(octal) - 1
            elif byte not in {0x0A, 0x0D}:
                found.append(_ESCAPES.get(byte, byte))
            continue
        depth += (byte == 0x28) - (byte == 0x29)
        if not depth:
            break
        found.append(byte)
    return bytes(found), at


# ---------------------------------------------------------------- fonts


def _latin(data: bytes) -> str:
    return data.decode("cp1252", errors="ignore")


def _decoder(font: Any) -> Decode:
    table = get(font, "/ToUnicode")
    if table is not None and hasattr(table, "data"):
        data = bytes(table.data)
        if len(data) <= _MAX_CMAP:
            return _cmap(data, wide=str(get(font, "/Subtype")) == "/Type0")
    if str(get(font, "/Subtype")) == "/Type0":
        return lambda _: ""  # numbers of glyphs say nothing without a table
    return _with_differences(get(get(font, "/Encoding"), "/Differences"))


def _with_differences(differences: Any) -> Decode:
    if not isinstance(differences, list):
        return _latin
    names: dict[int, str] = {}
    code = 0
    for item in list.__iter__(differences):
        if isinstance(item, int):
            code = item
        else:
            names[code] = _glyph(str(item).removeprefix("/"))
            code += 1
    return lambda data: "".join(names.get(b, _latin(bytes([b]))) for b in data)


def _glyph(name: str) -> str:
    if re.fullmatch(r"uni[0-9A-F]{4}", name):
        return chr(int(name[3:], 16))
    return _GLYPHS.get(name, name if len(name) == 1 else "")


_SECTION: Final = re.compile(rb"begin(codespacerange|bfchar|bfrange)(.*?)end\1", re.DOTALL)
_ITEM: Final = re.compile(rb"<([0-9A-Fa-f\s]*)>|([\[\]])")


def _cmap(data: bytes, *, wide: bool) -> Decode:
    single: dict[int, str] = {}
    ranges: list[tuple[int, int, str]] = []
    size = 2 if wide else 1
    for section in _SECTION.finditer(data):
        items = list(_items(section.group(2)))
        kind = section.group(1)
        if kind == b"codespacerange" and items and isinstance(items[0], bytes):
            size = min(max(len(items[0]), 1), 4)
        elif kind == b"bfchar":
            for code, text in zip(items[::2], items[1::2], strict=False):
                if isinstance(code, bytes) and isinstance(text, bytes):
                    single[int.from_bytes(code)] = _utf16(text)
        elif kind == b"bfrange":
            _read_ranges(items, single, ranges)

    def one(code: int) -> str:
        if code in single:
            return single[code]
        for low, high, text in ranges:
            if low <= code <= high and text:
                return text[:-1] + chr(min(ord(text[-1]) + code - low, 0x10FFFF))
        return ""

    return lambda raw_text: "".join(
        one(int.from_bytes(raw_text[n : n + size])) for n in range(0, len(raw_text), size)
    )


def _items(section: bytes) -> Iterator[bytes | str]:
    for match in _ITEM.finditer(section):
        if match.group(2):
            yield match.group(2).decode()
        else:
            digits = re.sub(rb"\s", b"", match.group(1))
            yield bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())


def _read_ranges(
    items: list[bytes | str], single: dict[int, str], ranges: list[tuple[int, int, str]]
) -> None:
    at = 0
    while at + 2 < len(items):
        low, high, third = items[at : at + 3]
        at += 3
        if not isinstance(low, bytes) or not isinstance(high, bytes):
            continue
        if isinstance(third, bytes):
            ranges.append((int.from_bytes(low), int.from_bytes(high), _utf16(third)))
            continue
        code = int.from_bytes(low)
        while at < len(items) and items[at] != "]":
            text = items[at]
            if isinstance(text, bytes):
                single[code] = _utf16(text)
                code += 1
            at += 1
        at += 1


def _utf16(data: bytes) -> str:
    return data.decode("utf-16-be", errors="ignore")
