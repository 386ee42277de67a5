"""Text whose XML declaration names another encoding than it is carried in.

Inside JSON everything is UTF-8, but programs that write XML into a string first (.NET's
StringWriter) declare `utf-16` and mean the string. Such a packet is given the bytes it declares, so
that it reads as it was meant. Promises: what declares nothing else passes untouched; memory does
not grow. Pure, no I/O: a crash leaves nothing behind.
"""

import codecs
import re
from typing import Final

_BOM: Final = b"\xef\xbb\xbf"
_MOST: Final = 256
_DECLARED: Final = re.compile(
    rb"<\?xml[^>]{0,100}?\bencoding\s*=\s*[\"']\s*(?:utf-?16(?:le|be)?|unicode|ucs-2)\s*[\"'][^>]*\?>",
    re.IGNORECASE,
)


class Declared:
    """Turns the UTF-8 of a packet into what its declaration says, piece by piece."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """Take the next piece; return what is ready.

        Raises:
            UnicodeDecodeError: It is not UTF-8; never for what came out of JSON.
        """
        if self._head is not None:
            self._head += data
            if b"?>" not in self._head and len(self._head) < _MOST and not last:
                return b""
            data, self._head = self._head, None
            start = data.removeprefix(_BOM).lstrip()
            if _DECLARED.match(start):
                self._decoder = codecs.getincrementaldecoder("utf-8")()
                return codecs.BOM_UTF16_LE + self._encoded(start, last=last)
        if self._decoder is not None:
            return self._encoded(data, last=last)
        return data

    def _encoded(self, data: bytes, *, last: bool) -> bytes:
        assert self._decoder is not None
        return self._decoder.decode(data, last).encode("utf-16-le")
