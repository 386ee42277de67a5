"""JSON read and written while it passes: long texts leave in pieces, what is left is small.

Promises: memory grows with neither the texts taken out nor those skipped; what is not JSON, or
longer than allowed, is BrokenJsonError, never a guess: what was given out before it is void; a
member that stands twice is refused, so that no two readers can read two things. Pure, no I/O: a
crash leaves nothing behind.
"""

import codecs
import json
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_FRAME: Final = 64 * 1024
MAX_DEPTH: Final = 16
_EACH: Final = "*"
"""Stands in a path for every element of an array."""

# The longest that may be cut in two: both halves of a surrogate pair, `\ud83d\ude00`.
_LONGEST_ESCAPE: Final = 12
_TEXT: Final = re.compile(
    r'(?:[^"\\\x00-\x1f]++'
    r'|\\["\\/bfnrt]'
    r"|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r")*+"
)
_PLAIN: Final = re.compile(r'[^"{}\[\]:,]++')
_ESCAPED: Final = re.compile(rb'["\\\x00-\x1f]')


class BrokenJsonError(ValueError):
    """It is not JSON, or not JSON that is taken here. Its text is safe to show."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a text taken out, as UTF-8.

    Args:
        path: Names from the outermost object; "*" for each element of an array.
        data: May be empty.
        last: The text ends here.
    """

    path: tuple[str, ...]
    data: bytes
    last: bool = False


class JsonStream:
    """Takes one JSON text piece by piece; gives out the texts at `taken`, keeps what is left.

    Args:
        taken: Paths whose texts leave in pieces. Where something else stands there, it stays.
        max_frame: Longest text around them, in characters.
    """

    def __init__(self, taken: Collection[tuple[str, ...]], *, max_frame: int = MAX_FRAME) -> None:
        self._taken = frozenset(taken)
        self._max_frame = max_frame
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._frame: list[str] = []
        self._framed = 0
        self._path: list[str] = []
        self._arrays: list[bool] = []
        self._naming = False
        self._in_text = False
        self._out: tuple[str, ...] | None = None
        self._kept: list[str] = []
        self._held = ""
        self.strings: dict[str, str] = {}

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Take a chunk; yield what it brings of the texts taken out.

        `strings` has the outermost object's other texts as far as they have come.

        Raises:
            BrokenJsonError: Not JSON, or too long.
        """
        yield from self._read(self._decoded(chunk, last=False))

    def close(self) -> Any:
        """End of the JSON: return it, with "" for what was taken out.

        Raises:
            BrokenJsonError: It was cut off, or is no JSON.
        """
        for _ in self._read(self._decoded(b"", last=True)):
            pass  # nothing can come of nothing
        if self._in_text or self._arrays:
            raise BrokenJsonError("the JSON breaks off")
        try:
            return json.loads("".join(self._frame), object_pairs_hook=_each_once)
        except RecursionError as exc:
            raise BrokenJsonError("the JSON is nested too deep") from exc
        except BrokenJsonError:
            raise
        except ValueError as exc:
            raise BrokenJsonError("this is not JSON") from exc

    def _decoded(self, chunk: bytes, *, last: bool) -> str:
        try:
            text = self._decode(chunk, last)
        except UnicodeDecodeError as exc:
            raise BrokenJsonError("the JSON is not UTF-8") from exc
        held, self._held = self._held, ""
        return held + text

    def _read(self, text: str) -> Iterator[Piece]:
        position = 0
        while position < len(text):
            if self._in_text:
                end = _end_of(_TEXT.match(text, position))
                piece = self._text(text[position:end])
                position = end
                if end == len(text):
                    closed = False
                elif text[end] == '"':
                    closed, position = True, end + 1
                else:
                    self._hold(text[end:])
                    closed, position = False, len(text)
                if self._out is not None and (piece or closed):
                    yield Piece(self._out, piece, closed)
                if closed:
                    self._end_text()
            else:
                position = self._structure(text, position)

    def _hold(self, rest: str) -> None:
        """Keep half an escape for the next chunk."""
        if not rest.startswith("\\") or len(rest) >= _LONGEST_ESCAPE:
            raise BrokenJsonError("a text of the JSON is broken")
        self._held = rest

    def _text(self, raw: str) -> bytes:
        if self._out is None:
            self._keep(raw)
            self._kept.append(raw)
            return b""
        return (_unescaped(raw) if "\\" in raw else raw).encode()

    def _end_text(self) -> None:
        self._in_text = False
        self._keep('"')
        if self._out is not None:
            self._out = None
            return
        text = _unescaped("".join(self._kept))
        self._kept.clear()
        if self._naming:
            self._path[-1] = text
        elif len(self._path) == 1 and not self._arrays[0]:
            self.strings[self._path[0]] = text

    def _structure(self, text: str, position: int) -> int:
        """Take what is no text, up to the next mark and with it; return where it ends."""
        plain = _PLAIN.match(text, position)
        if plain is not None:
            self._keep(plain[0])
            return plain.end()
        mark = text[position]
        self._keep(mark)
        match mark:
            case '"':
                self._in_text = True
                path = tuple(self._path)
                self._out = path if not self._naming and path in self._taken else None
            case "{" | "[":
                if len(self._arrays) >= MAX_DEPTH:
                    raise BrokenJsonError("the JSON is nested too deep")
                self._arrays.append(mark == "[")
                self._path.append(_EACH if mark == "[" else "")
                self._naming = mark == "{"
            case "}" | "]":
                if not self._arrays or self._arrays.pop() != (mark == "]"):
                    raise BrokenJsonError("this is not JSON")
                self._path.pop()
                self._naming = False
            case ",":
                self._naming = bool(self._arrays) and not self._arrays[-1]
            case _:
                self._naming = False
        return position + 1

    def _keep(self, text: str) -> None:
        self._framed += len(text)
        if self._framed > self._max_frame:
            raise BrokenJsonError("the JSON around the document is too long")
        self._frame.append(text)


def _end_of(found: "re.Match[str] | None") -> int:
    if found is None:  # the pattern matches nothing as well
        raise BrokenJsonError("a text of the JSON is broken")
    return found.end()


def _unescaped(raw: str) -> str:
    return str(json.loads(f'"{raw}"'))


def _each_once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BrokenJsonError("a member of the JSON stands twice")
    return members


# ---------------------------------------------------------------- writing


def quoted(chunk: bytes) -> bytes:
    """Return UTF-8 as it stands inside a JSON text, without the quotes; chunks may be joined."""
    return _ESCAPED.sub(_escape, chunk)


def quoted_size(chunk: bytes) -> int:
    """Return how long `quoted` makes it."""
    return len(chunk) + sum(len(_escape(found)) - 1 for found in _ESCAPED.finditer(chunk))


async def quoted_stream(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a stream as it stands inside a JSON text."""
    async for chunk in chunks:
        yield quoted(chunk)


_SHORT: Final = {
    b'"': b'\\"',
    b"\\": b"\\\\",
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
}


def _escape(found: "re.Match[bytes]") -> bytes:
    mark = found[0]
    return _SHORT.get(mark) or b"\\u%04x" % mark[0]
