"""The text of a file's first page, for the stamps of secrecy (SEC-01) and urgency (SIG-25).

PDF through PDFium, Word and OpenDocument texts through a limited unzip and an XML reader without
entities, plain text as it is; other kinds have none. Runs in the verifier process for anything but
plain text. Keeps nothing.
"""

import io
import re
import unicodedata
import zipfile
from itertools import islice
from typing import Any, Final
from xml.parsers import expat

from gateway.trust.guards import HEADER_WINDOW, is_pdf

_MAX_CHARS: Final = 20_000
_MAX_LINES: Final = 80
_MAX_MEMBER_BYTES: Final = 8 * 1024 * 1024
_MAX_MEMBERS: Final = 2000
_WORD: Final = re.compile(r"word/(?:document|header\d{1,2})\.xml")
_PARAGRAPHS: Final = frozenset({"w:p", "text:p", "text:h"})
_TEXT_RUNS: Final = frozenset({"w:t", "text:p", "text:h", "text:span"})
_GAPS: Final = frozenset({"w:br", "w:cr", "w:tab", "text:tab", "text:line-break"})
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_STAMPS: Final = (
    re.compile(r"(?:(TỐI|TUYỆT)\s+)?MẬT"),
    re.compile(r"HỎA\s+TỐC|HOẢ\s+TỐC|(?:THƯỢNG\s+)?KHẨN"),
)


class FirstPageError(Exception):
    """The text cannot be had; says why in a few words."""


def first_page_text(data: bytes) -> str:
    """Return the text of the first page, lines apart, "" for kinds without text.

    Args:
        data: The whole file.

    Raises:
        FirstPageError: The file is of a kind with text but cannot be read.
    """
    if is_pdf(data[:HEADER_WINDOW]):
        return _pdf_text(data)
    if data[:4] == b"PK\x03\x04":
        return _packed_text(data)
    return plain_text(data[: _MAX_CHARS * 4])


def plain_text(head: bytes) -> str:
    """Return the beginning of a plain text file, "" when the bytes are no text.

    Args:
        head: The first bytes; a character cut at the end is left out.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            text = head[len(mark) :].decode(encoding, errors="ignore")
            return _first_lines(text)
    if b"\x00" in head[:4096]:
        return ""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as exc:
        if exc.start < len(head) - 4:
            return ""
        text = head[: exc.start].decode("utf-8")
    return _first_lines(text)


def _first_lines(text: str) -> str:
    page = text[:_MAX_CHARS].split("\f", 1)[0]
    return "\n".join(page.splitlines()[:_MAX_LINES])


# ---------------------------------------------------------------- PDF


def _pdf_text(data: bytes) -> str:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            if not len(document):
                return ""
            page = document[0]
            text_page = page.get_textpage()
            count = text_page.count_chars()
            text: str = text_page.get_text_range(0, min(count, _MAX_CHARS))
            alone = [s for stamp in _STAMPS for s in _standing_alone(text_page, text, stamp)]
            text_page.close()
            page.close()
    except (pypdfium2.PdfiumError, ValueError) as exc:
        raise FirstPageError(str(exc)) from exc
    return text + "".join(f"\n{stamp}\n" for stamp in alone)


def _standing_alone(text_page: Any, text: str, stamp: re.Pattern[str]) -> list[str]:
    """Return stamp words that stand apart on the page though the text runs them into a line.

    A stamp in the left column and a date in the right share a line of text; what tells them apart
    is the gap. Only plain positions are compared: text with decomposed accents keeps its lines.
    """
    found: list[str] = []
    if unicodedata.normalize("NFC", text) != text:
        return found
    for match in islice(stamp.finditer(text), 50):
        try:
            before = _apart(text_page, text, match.start(), step=-1)
            after = _apart(text_page, text, match.end() - 1, step=1)
        except Exception:  # noqa: BLE001, S112 — positions that cannot be had decide nothing
            continue
        if before and after:
            found.append(" ".join(match.group().split()))
    return found


def _apart(text_page: Any, text: str, at: int, *, step: int) -> bool:
    """Tell whether the next printed character this way is on another line or a wide gap away."""
    box = text_page.get_charbox(at)
    height = max(box[3] - box[1], 1.0)
    near = at + step
    while 0 <= near < len(text) and text[near].isspace():
        if text[near] in "\r\n":
            return True
        near += step
    if not 0 <= near < len(text):
        return True
    if near == at + step:
        return False
    other = text_page.get_charbox(near)
    if other[1] > box[3] or other[3] < box[1]:
        return True
    gap = box[0] - other[2] if step < 0 else other[0] - box[2]
    return bool(gap > 1.5 * height)


# ---------------------------------------------------------------- Word, OpenDocument


def _packed_text(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()[:_MAX_MEMBERS]
            wanted = [m for m in members if _WORD.fullmatch(m.filename)]
            if not wanted and any(m.filename == "mimetype" for m in members):
                wanted = [m for m in members if m.filename == "content.xml"]
            return "\n".join(_member_text(archive, m) for m in wanted[:10])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as exc:
        raise FirstPageError(str(exc)) from exc


def _member_text(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    reader = _Paragraphs()
    with archive.open(member) as file:
        left = _MAX_MEMBER_BYTES
        while left > 0 and not reader.full:
            piece = file.read(min(65536, left))
            if not piece:
                break
            left -= len(piece)
            reader.feed(piece)
    return reader.text()


class _Paragraphs:
    """Collects the text of the first paragraphs of an XML part; no DTD, no entities."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._pieces: list[str] = []
        self._size = 0
        self._open = 0
        self.full = False

    def feed(self, piece: bytes) -> None:
        """Read on; raises FirstPageError when the XML is broken."""
        try:
            self._parser.Parse(piece, False)
        except expat.ExpatError as exc:
            raise FirstPageError(str(exc)) from exc

    def text(self) -> str:
        return "".join(self._pieces)

    def _refuse(self, *_: object) -> None:
        raise FirstPageError("DOCTYPE")

    def _start(self, name: str, _: object) -> None:
        if name in _TEXT_RUNS:
            self._open += 1
        elif name in _GAPS:
            self._pieces.append("\n")

    def _end(self, name: str) -> None:
        if name in _TEXT_RUNS:
            self._open -= 1
        if name in _PARAGRAPHS:
            self._pieces.append("\n")

    def _characters(self, text: str) -> None:
        if self._open and not self.full:
            self._pieces.append(text)
            self._size += len(text)
            self.full = self._size >= _MAX_CHARS
