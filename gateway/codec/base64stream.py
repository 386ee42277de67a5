"""Strict base64, chunk by chunk: white space allowed, everything else as RFC 4648 says. Pure.

Memory: one chunk. Partners decode leniently and pass rubbish on; we refuse it where it enters.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import pybase64

from gateway.codec.refusal import refuse
from gateway.errors import Reason, RejectedError

_SPACE: Final = b" \t\r\n"


def base64_broken(where: str, vi: str, en: str) -> RejectedError:
    """Return the refusal of an attachment that is not base64. Source: MD-10."""
    return refuse(
        Reason.BASE64_BROKEN,
        "MD-10",
        where,
        f"Tệp đính kèm mã hóa base64 sai ({vi}); hãy đính kèm lại tệp gốc.",
        f"The attachment is not valid base64 ({en}); attach the original file again.",
    )


class Base64Decoder:
    """Decodes one text that arrives in pieces.

    Args:
        where: XPath of the text, for the refusal.
    """

    __slots__ = ("_carry", "_ended", "_where")

    def __init__(self, where: str) -> None:
        self._where = where
        self._carry = b""
        self._ended = False

    def feed(self, text: str) -> bytes:
        """Return the bytes decoded so far and not yet returned.

        Raises:
            RejectedError: BASE64_BROKEN.
        """
        try:
            raw = text.encode("ascii")
        except UnicodeEncodeError as exc:
            raise self._alphabet() from exc
        if b"\n" in raw or b" " in raw or b"\r" in raw or b"\t" in raw:
            raw = raw.translate(None, _SPACE)
        if not raw:
            return b""
        if self._ended:
            raise base64_broken(self._where, "còn dữ liệu sau dấu =", "data after the padding")
        if self._carry:
            raw = self._carry + raw
        whole = len(raw) & ~3
        self._carry = raw[whole:]
        if not whole:
            return b""
        block = raw[:whole] if self._carry else raw
        padding = block.find(b"=")
        if padding >= 0:
            if padding < whole - 2 or (padding == whole - 2 and block[-1] != 61) or self._carry:
                raise base64_broken(self._where, "dấu = sai chỗ", "padding in the wrong place")
            self._ended = True
        try:
            return pybase64.b64decode(block, validate=True)
        except ValueError as exc:
            raise self._alphabet() from exc

    def close(self) -> None:
        """Check that the text was complete.

        Raises:
            RejectedError: BASE64_BROKEN, a length that is no multiple of four.
        """
        if self._carry:
            raise base64_broken(
                self._where, "độ dài không chia hết cho 4", "length is no multiple of four"
            )

    def _alphabet(self) -> RejectedError:
        return base64_broken(
            self._where, "có ký tự ngoài bảng mã base64", "characters outside the alphabet"
        )


def encode(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Encode a stream as one unbroken line of base64."""
    carry = b""
    for chunk in chunks:
        data = carry + chunk if carry else chunk
        whole = len(data) - len(data) % 3
        carry = data[whole:]
        if whole:
            yield pybase64.b64encode(data[:whole] if carry else data)
    if carry:
        yield pybase64.b64encode(carry)
