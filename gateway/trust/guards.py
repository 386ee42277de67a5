"""What the bytes of a PDF say about its signatures, read without any PDF library (G2–G5).

A parser believes cross-reference tables; an attacker writes around them. These checks look at the
bytes: where signatures can be, whether a ByteRange leaves out exactly its own value, whether what
follows the signed part is made of well-formed, listed updates and nothing else. Pure functions over
bytes, linear in size; nothing is kept.
"""

import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

PDF_HEADER: Final = b"%PDF-"
HEADER_WINDOW: Final = 1024
MAX_RAW_SIGNATURES: Final = 200

_BYTE_RANGE: Final = re.compile(
    rb"/ByteRange\s*\[\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]"
)
_RANGE_WORD: Final = b"/ByteRange"
_HEX_TOKEN: Final = re.compile(rb"<[0-9A-Fa-f\s]*>")
_ESCAPED_NAME: Final = re.compile(rb"/[^\s/<>\[\](){}%]*#[0-9A-Fa-f]{2}")
_SIGNING_WORDS: Final = (b"ByteRange", b"/ObjStm", b"/Encrypt", b"/Sig", b"/DocMDP")
_BLANK: Final = b" \t\r\n\f\x00"
_NOT_BLANK: Final = re.compile(rb"[^ \t\r\n\f\x00]")
_LINE_END: Final = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class SignedRange:
    """The bytes a signature covers: `[0, gap_start)` and `[gap_end, end)`."""

    gap_start: int
    gap_end: int
    end: int


@dataclass(frozen=True, slots=True)
class Stranger:
    """Bytes after the signed part that no update explains.

    Args:
        at: Offset of the first.
        is_object: They begin with an object header: the mark of an incremental-saving attack.
    """

    at: int
    is_object: bool


def is_pdf(head: bytes) -> bool:
    """Tell whether a file that begins like this is taken for a PDF by readers."""
    return PDF_HEADER in head[:HEADER_WINDOW]


def signed_range(byte_range: tuple[int, ...], data: bytes) -> SignedRange | None:
    """Return what a ByteRange covers if its shape is sound, else None.

    Sound (G4): four numbers, from byte 0, in order, inside the file, and leaving out exactly one
    hexadecimal string.
    """
    if len(byte_range) != 4:
        return None
    zero, first, second, last = byte_range
    end = second + last
    if zero != 0 or first <= 0 or last < 0 or second < first + 2 or end > len(data):
        return None
    if _HEX_TOKEN.fullmatch(data, first, second) is None:
        return None
    return SignedRange(first, second, end)


def raw_signatures(data: bytes) -> tuple[SignedRange, ...]:
    """Return the sound ranges written anywhere in the file, listed or not (G5), by end, once."""
    found: set[SignedRange] = set()
    seen: set[tuple[int, ...]] = set()
    for match in _written_ranges(data):
        numbers = tuple(int(n) for n in match.groups())
        if numbers in seen:
            continue
        seen.add(numbers)
        if len(seen) > MAX_RAW_SIGNATURES:
            break
        sound = signed_range(numbers, data)
        if sound is not None:
            found.add(sound)
    return tuple(sorted(found, key=lambda r: (r.end, r.gap_start)))


def _written_ranges(data: bytes) -> Iterator[re.Match[bytes]]:
    """Yield every ByteRange; a plain search for the word is eight times as fast as the pattern."""
    at = data.find(_RANGE_WORD)
    while at >= 0:
        match = _BYTE_RANGE.match(data, at)
        if match is not None:
            yield match
        at = data.find(_RANGE_WORD, at + 1 if match is None else match.end())


def certainly_unsigned(data: bytes | mmap.mmap) -> bool:
    """Tell whether a PDF cannot hold a signature, from its bytes alone; False means: look closer.

    Sound because a signature needs the name /ByteRange. It can only escape a plain search when
    written with #-escapes, inside an object stream, or inside an encrypted file; all three, and
    files without an end, are looked at closer.
    """
    if data[: len(PDF_HEADER)] != PDF_HEADER or b"%%EOF" not in data[-HEADER_WINDOW:]:
        return False
    if any(data.find(word) >= 0 for word in _SIGNING_WORDS):
        return False
    return data.rfind(b"startxref") >= 0 and _ESCAPED_NAME.search(data) is None


def hidden_padding(contents: bytes) -> bool:
    """Tell whether the room after the signature value holds anything but zeros (G3)."""
    used = _element_length(contents)
    return used is None or any(contents[used:])


def _element_length(data: bytes) -> int | None:
    """Return the length of the first ASN.1 element, None when it does not fit."""
    from asn1crypto import parser

    try:
        _, _, _, header, body, trailer = parser.parse(data, strict=False)
    except (ValueError, TypeError):
        return None
    return len(header) + len(body) + len(trailer)


# ---------------------------------------------------------------- what follows the signed part

_OBJECT: Final = re.compile(rb"(\d{1,10})[ \t\r\n\f\x00]+(\d{1,5})[ \t\r\n\f\x00]+obj\b")
_XREF: Final = re.compile(
    rb"xref\s+(?:\d{1,10}\s+\d{1,10}\s*(?:\d{10}\s\d{5}\s[nf]\s*)*+)*+trailer\s*<<"
)
_STARTXREF: Final = re.compile(rb"startxref\s+(\d{1,12})")
_INSIDE: Final = re.compile(rb"<<|>>|[(<%]|\bstream\r?\n|\bendobj\b")
_STRING_PART: Final = re.compile(rb"\\.|[()]", re.DOTALL)
_LENGTH: Final = re.compile(rb"/Length\s+(\d{1,12})(?:\s+(\d{1,5})\s+R)?")
_END_STREAM: Final = re.compile(rb"[ \t\r\n\f\x00]*endstream\s+endobj\b")
_MAX_TRAILER: Final = 65536
_MAX_REMARK: Final = 80


@dataclass(frozen=True, slots=True)
class Listed:
    """What the cross-reference sections of all revisions list.

    Args:
        objects: Offsets of objects, each with number and generation of what stands there.
        sections: Offsets of the sections themselves, and of cross-reference streams.
        number_at: Looks up the integer object with this number; None when there is none.
    """

    objects: frozenset[tuple[int, int, int]]
    sections: frozenset[int]
    number_at: Callable[[int], int | None]

    def holds(self, at: int, number: int, generation: int) -> bool:
        """Tell whether an object may stand at an offset.

        A section lists it there under this very number; or it is a section itself and takes no
        object's number: readers that search for objects would take it for that one.
        """
        if (at, number, generation) in self.objects:
            return True
        return at in self.sections and all(number != other for _, other, _ in self.objects)


def listed(reader: Any) -> Listed:
    """Return every offset the chain of cross-reference sections lists, of all revisions.

    Args:
        reader: The PDF library's reader of the file.
    """
    objects: set[tuple[int, int, int]] = set()
    sections: set[int] = set()
    for revision in range(reader.xrefs.total_revisions):
        data = reader.xrefs.get_xref_data(revision)
        meta = reader.xrefs.get_xref_container_info(revision)
        sections |= {meta.start_location, meta.declared_startxref}
        while data is not None:
            rows = data.standard_xrefs.items()
            objects |= {(at, number, generation) for number, (generation, at) in rows}
            hybrid = data.hybrid
            if hybrid is None:
                break
            sections.add(hybrid.meta_info.start_location)
            data = hybrid.xref_data
    return Listed(frozenset(objects), frozenset(sections), lambda number: _integer(reader, number))


def _integer(reader: Any, number: int) -> int | None:
    from pyhanko.pdf_utils.generic import Reference

    try:
        return int(reader.get_object(Reference(number, 0, reader)))
    except Exception:  # noqa: BLE001 — no such number
        return None


def stranger_after(data: bytes, start: int, listed: Listed) -> Stranger | None:
    """Return the first bytes at or after `start` that no listed update explains (G2).

    Walks the file from the end of a signed part: blanks, objects that a section lists at that very
    offset, sections that the chain reaches, `startxref` and `%%EOF`. Anything else is a stranger.
    """
    at = start
    remark = -1
    while True:
        at = _past_blanks(data, at)
        if at >= len(data):
            return None if remark < 0 else Stranger(remark, is_object=False)
        if data[at : at + 1] == b"%":
            end = _line_end(data, at)
            line = data[at:end]
            if line.rstrip(_BLANK) == b"%%EOF":
                # From here on a remark is explained only by structure that follows it.
                remark = -1
            elif end - at > _MAX_REMARK or b"obj" in line:
                return Stranger(at, is_object=b"obj" in line)
            elif remark < 0:
                remark = at
            at = end
            continue
        step = _past_structure(data, at, listed)
        if step is None:
            return Stranger(at, is_object=_OBJECT.match(data, at) is not None)
        at, remark = step, -1


def _past_structure(data: bytes, at: int, listed: Listed) -> int | None:
    """Return the offset after one object, section or startxref at `at`, None when unexplained."""
    header = _OBJECT.match(data, at)
    if header is not None:
        if not listed.holds(at, int(header.group(1)), int(header.group(2))):
            return None
        return _past_object(data, at, listed)
    start = _STARTXREF.match(data, at)
    if start is not None:
        return start.end() if int(start.group(1)) in listed.sections else None
    section = _XREF.match(data, at)
    if section is not None and at in listed.sections:
        end = data.find(b"startxref", section.end(), section.end() + _MAX_TRAILER)
        if end < 0 or _OBJECT.search(data, section.end(), end):
            return None
        return end
    return None


def _past_object(data: bytes, at: int, listed: Listed) -> int | None:
    """Return the offset after `endobj`, None when the object is not well-formed."""
    cursor = begin = data.index(b"obj", at) + 3
    while True:
        token = _INSIDE.search(data, cursor)
        if token is None:
            return None
        text = token.group()
        cursor = token.end()
        if text == b"endobj":
            return cursor
        if text.startswith(b"stream"):
            return _past_stream(data, begin, token, listed)
        if text == b"(":
            after = _past_string(data, cursor)
        elif text == b"<":
            after = data.find(b">", cursor) + 1 or None
        elif text == b"%":
            after = _line_end(data, cursor)
        else:
            after = cursor
        if after is None:
            return None
        cursor = after


def _past_stream(data: bytes, begin: int, token: re.Match[bytes], listed: Listed) -> int | None:
    length = _LENGTH.search(data, begin, token.start())
    if length is None:
        return None
    size: int | None = int(length.group(1))
    if length.group(2) is not None and size is not None:
        size = listed.number_at(size)
    if size is None:
        return None
    end = _END_STREAM.match(data, token.end() + size)
    return end.end() if end is not None else None


def _past_string(data: bytes, at: int) -> int | None:
    depth = 1
    while depth:
        part = _STRING_PART.search(data, at)
        if part is None:
            return None
        at = part.end()
        depth += {b"(": 1, b")": -1}.get(part.group(), 0)
    return at


def _past_blanks(data: bytes, at: int) -> int:
    found = _NOT_BLANK.search(data, at)
    return found.start() if found is not None else len(data)


def _line_end(data: bytes, at: int) -> int:
    found = _LINE_END.search(data, at)
    return found.start() if found is not None else len(data)
