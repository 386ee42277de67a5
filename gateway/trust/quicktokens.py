"""A quick parser for the plain part of PDF's object syntax; everything else is left to the library.

Promises: what it accepts, the library accepts and reads to the same value: the grammar is a strict
subset (single blanks in references, no `#` in names, no comments, no doubled keys, no escapes that
the library's own reader does not read here). What it does not accept raises `NotPlainError`, and
the caller asks the library. Pure functions over bytes; the depth is limited; nothing is kept.
"""

import binascii
import io
import re
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    FloatObject,
    IndirectObject,
    NameObject,
    NullObject,
    NumberObject,
    PdfObject,
    Reference,
    StreamObject,
)

_MAX_DEPTH: Final = 40
_BLANK: Final = rb"[ \n\r\t\f\x00]"
_STOP: Final = rb"(?=[ \n\r\t\f\x00()<>\[\]{}/%])"
_TOKEN: Final = re.compile(
    _BLANK
    + rb"*+(?:"
    + (rb"/([^\x00-\x20\x7f-\xff()<>\[\]{}/%#]*+)" + _STOP)  # 1 name
    + (rb"|([1-9]\d{0,8})[ \r\n](\d{1,5})[ \r\n]R" + _STOP)  # 2, 3 reference
    + (rb"|([+-]?\d{1,18})" + _STOP)  # 4 integer
    + rb"|(<<)"  # 5
    + rb"|(>>)"  # 6
    + rb"|<([0-9A-Fa-f]*+)>"  # 7 hexadecimal string
    + rb"|(\[)"  # 8
    + rb"|(\])"  # 9
    + rb"|\(([^()\\]*+)\)"  # 10 string
    + (rb"|([+-]?(?:\d{1,18}\.\d{0,18}|\.\d{1,18}))" + _STOP)  # 11 real number
    + (rb"|(true|false|null)" + _STOP)  # 12
    + rb"|(\()"  # 13 string with escapes or inner brackets
    + rb")",
    re.DOTALL,
)
_NAME, _REFERENCE, _INTEGER, _OPEN, _CLOSE = 1, 3, 4, 5, 6
_HEX, _OPEN_ARRAY, _CLOSE_ARRAY, _STRING, _REAL, _WORD, _ESCAPED = 7, 8, 9, 10, 11, 12, 13
_STREAM: Final = re.compile(_BLANK + rb"*+stream\r?\n")
_END_STREAM: Final = re.compile(_BLANK + rb"*+endstream")
_HEADER: Final = re.compile(rb"(\d{1,10}) (\d{1,5}) obj" + _BLANK + rb"*+")
# After `endobj` the library looks for one more character, and stumbles over a comment's end.
_END_OBJECT: Final = re.compile(_BLANK + rb"*+endobj" + _BLANK + rb"*+[^ \n\r\t\f\x00%]")
# After a dictionary the library looks for a stream, and after anything it passes over comments.
_ODD_NEXT: Final = re.compile(_BLANK + rb"*+(?:stream|%)")
_DIGIT_NEXT: Final = re.compile(rb"\s*+\d")


class NotPlainError(Exception):
    """Not of the plain kind: ask the library."""


def reference(number: int, generation: int, handler: Any) -> Reference:
    """Return the name of an object; the library's constructor takes three times as long."""
    made: Reference = object.__new__(Reference)
    made.__dict__.update(idnum=number, generation=generation, pdf=handler)
    return made


def indirect(number: int, generation: int, handler: Any) -> IndirectObject:
    """Return a reference as it stands in a value; as above."""
    made: IndirectObject = object.__new__(IndirectObject)
    made.reference = reference(number, generation, handler)
    return made


def parse_value(
    data: bytes, at: int, holder: Reference, handler: Any, depth: int = 0
) -> tuple[PdfObject, int]:
    """Return the value at an offset and the offset after it.

    Args:
        data: The bytes.
        at: Where the value begins; blanks before it are passed over.
        holder: The object it is part of.
        handler: Whom references inside resolve with.
        depth: How deep we are.

    Raises:
        NotPlainError: Outside the quick grammar.
    """
    token = _TOKEN.match(data, at)
    if token is None or depth > _MAX_DEPTH:
        raise NotPlainError
    kind = token.lastindex
    made: PdfObject
    if kind == _REFERENCE:
        made = indirect(int(token[2]), int(token[3]), handler)
    elif kind == _NAME:
        made = NameObject("/" + token[1].decode("ascii"))
    elif kind == _INTEGER:
        made = NumberObject(token[4])  # type: ignore[no-untyped-call]
    elif kind == _OPEN:
        return _dictionary(data, token.end(), holder, handler, depth)
    elif kind == _OPEN_ARRAY:
        return _array(data, token.end(), holder, handler, depth)
    elif kind == _ESCAPED:
        return _escaped(data, token.end() - 1, holder)
    else:
        made = _scalar(kind, token)
    made.container_ref = holder
    return made, token.end()


def _scalar(kind: int | None, token: re.Match[bytes]) -> PdfObject:
    made: PdfObject
    if kind == _HEX:
        digits = token[7]
        made = generic.pdf_string(binascii.unhexlify(digits + b"0" * (len(digits) & 1)))
    elif kind == _STRING:
        made = generic.pdf_string(token[10])
    elif kind == _REAL:
        made = FloatObject(token[11].decode("ascii"))  # type: ignore[no-untyped-call]
    elif kind == _WORD:
        word = token[12]
        made = NullObject() if word == b"null" else BooleanObject(word == b"true")  # type: ignore[no-untyped-call]
    else:
        raise NotPlainError
    return made


def _dictionary(
    data: bytes, at: int, holder: Reference, handler: Any, depth: int
) -> tuple[PdfObject, int]:
    made = DictionaryObject()  # type: ignore[no-untyped-call]
    match = _TOKEN.match
    while True:
        token = match(data, at)
        if token is None:
            raise NotPlainError
        kind = token.lastindex
        if kind == _CLOSE:
            made.container_ref = holder
            return made, token.end()
        if kind != _NAME:
            raise NotPlainError
        key = NameObject("/" + token[1].decode("ascii"))
        if key in made:
            raise NotPlainError
        value, at = parse_value(data, token.end(), holder, handler, depth + 1)
        dict.__setitem__(made, key, value)


def _array(
    data: bytes, at: int, holder: Reference, handler: Any, depth: int
) -> tuple[PdfObject, int]:
    made = ArrayObject()
    match = _TOKEN.match
    while True:
        token = match(data, at)
        if token is None:
            raise NotPlainError
        if token.lastindex == _CLOSE_ARRAY:
            made.container_ref = holder
            return made, token.end()
        value, at = parse_value(data, at, holder, handler, depth + 1)
        made.append(value)


def _escaped(data: bytes, at: int, holder: Reference) -> tuple[PdfObject, int]:
    """Read a string with escapes by the library's own function."""
    window = io.BytesIO(data[at : at + 65536])
    try:
        made = generic.read_string_from_stream(window)
    except Exception as exc:
        raise NotPlainError from exc
    made.container_ref = holder
    return made, at + window.tell()


def parse_packed(data: bytes, at: int, holder: Reference, handler: Any) -> PdfObject:
    """Return a value of an object stream.

    Args:
        data: The stream's data, with a blank behind.
        at: Where the directory says it is.
        holder: What should be there.
        handler: Whom references inside resolve with.

    Raises:
        NotPlainError: Outside the quick grammar, or a mere reference.
    """
    made, end = parse_value(data, at, holder, handler)
    if isinstance(made, IndirectObject) or _ODD_NEXT.match(data, end) is not None:
        raise NotPlainError
    if isinstance(made, NumberObject) and _DIGIT_NEXT.match(data, end) is not None:
        raise NotPlainError  # perhaps a reference, of another form
    return made


def parse_object(
    data: bytes, at: int, wanted: Reference, handler: Any, lengths: Any
) -> tuple[PdfObject, int]:
    """Return the object whose header is at an offset, and the offset of its `endobj`.

    Args:
        data: The file.
        at: Where the cross-reference section says it is.
        wanted: What should be there.
        handler: Whom references inside resolve with.
        lengths: Whom the length of a stream resolves with.

    Raises:
        NotPlainError: Outside the quick grammar, or not the object wanted.
    """
    header = _HEADER.match(data, at)
    if header is None or (int(header[1]), int(header[2])) != (wanted.idnum, wanted.generation):
        raise NotPlainError
    made, end = parse_value(data, header.end(), wanted, handler)
    if type(made) is DictionaryObject and (begin := _STREAM.match(data, end)) is not None:
        made, end = _stream(data, begin.end(), made, lengths)
    if _END_OBJECT.match(data, end) is None:
        raise NotPlainError
    return made, end


def _stream(data: bytes, at: int, entries: DictionaryObject, lengths: Any) -> tuple[PdfObject, int]:
    length = dict.get(entries, "/Length")
    if isinstance(length, IndirectObject):
        length = lengths.get_object(length.reference)
    if type(length) is not NumberObject or not 0 <= length <= len(data):
        raise NotPlainError
    end = _END_STREAM.match(data, at + length)
    if end is None:
        raise NotPlainError
    made = StreamObject(entries, encoded_data=data[at : at + length])
    made.container_ref = entries.container_ref
    return made, end.end()
