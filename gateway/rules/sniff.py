"""Tell a file's type from its first bytes, whatever its name and media type say.

Pure; 512 bytes are enough. Never fails: what nobody knows is `binary`.
"""

import re
from typing import Final

HEAD_BYTES: Final = 512
"""How much of a file the caller should give."""

EXECUTABLE_KINDS: Final = frozenset({"executable", "script", "shortcut", "jar"})
"""Kinds that are refused under any name."""

_MAGIC: Final = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole2"),
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"AC10", "dwg"),
    (b"\x00\x00\x27\x0a", "shp"),
    (b"MZ", "executable"),
    (b"\x7fELF", "executable"),
    (b"\xca\xfe\xba\xbe", "executable"),
    (b"\xfe\xed\xfa\xce", "executable"),
    (b"\xfe\xed\xfa\xcf", "executable"),
    (b"\xce\xfa\xed\xfe", "executable"),
    (b"\xcf\xfa\xed\xfe", "executable"),
    (b"\x00asm", "executable"),
    (b"dex\n", "executable"),
    (b"#!", "script"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "shortcut"),
    (b"ITSF", "executable"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
)

_SCRIPT: Final = re.compile(
    rb"\A\s*(?:@echo\s|<script|<\?php|on error resume next|set-executionpolicy)", re.IGNORECASE
)
_HTML: Final = re.compile(rb"\A\s*(?:<!doctype\s+html|<html)", re.IGNORECASE)
_SVG: Final = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# C0 control characters that no text file holds; tab, newlines, form feed and escape may occur.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def sniff(head: bytes) -> str:
    """Return the kind of a file.

    Args:
        head: Its first bytes, 512 if it has as many.

    Returns:
        `pdf`, `pdf-late` (header not at the start), `ooxml`, `odf`, `zip`, `ole2`, `rtf`, `png`,
        `jpeg`, `tiff`, `gif`, `bmp`, `dwg`, `shp`, `svg`, `xml`, `html`, `text`, `gzip`, `7z`,
        `rar`, `jar`, `executable`, `script`, `shortcut`, `empty` or `binary`.
    Source: FMT-01…FMT-05.
    """
    if not head:
        return "empty"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return _zip_kind(head) if kind == "zip" else kind
    if b"%PDF-" in head:
        return "pdf-late"
    return _text_kind(head)


def _zip_kind(head: bytes) -> str:
    """Look at the first entry's name and, for ODF, its stored content."""
    size = int.from_bytes(head[26:28], "little")
    name = head[30 : 30 + size]
    if name == b"mimetype" and b"application/vnd.oasis.opendocument" in head:
        return "odf"
    if name == b"[Content_Types].xml" or name.startswith(
        (b"_rels/", b"docProps/", b"word/", b"xl/", b"ppt/")
    ):
        return "ooxml"
    if name.startswith(b"META-INF/"):
        return "jar"
    return "zip"


def _text_kind(head: bytes) -> str:
    if head.startswith(_UTF16):
        return "text"
    body = head.removeprefix(b"\xef\xbb\xbf")
    if _CONTROL.search(body):
        return "binary"
    if _SCRIPT.match(body):
        return "script"
    if _HTML.match(body):
        return "html"
    if _SVG.search(body):
        return "svg"
    if body.lstrip().startswith(b"<?xml"):
        return "xml"
    return "text"
