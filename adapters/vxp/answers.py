"""Answers of the national axis protocol: JSON built and read, error codes, base64 inside JSON.

Promises: pure, no I/O; an answer that cannot be read is UnavailableError, never an empty one; a
packet inside an answer is decoded while it arrives, so memory does not grow with it. A crash leaves
nothing behind.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import pybase64

from gateway.errors import CATALOGUE, GatewayError, Reason, UnavailableError

OK: Final = "OK"
FAIL: Final = "FAIL"
SUCCESS_CODE: Final = "0"
SUCCESS_TEXT: Final = "Thanh cong"
MAX_FRAME_BYTES: Final = 64 * 1024

# ID-09, SND-15 (rules C7): what a code says about sending the same parcel again. 15 (credentials)
# is for the operator to mend, after which the parcel passes: it waits. Codes not listed wait too.
REFUSING: Final[Mapping[str, str]] = {
    "10": "tệp không hợp lệ / file invalid",
    "18": "không tìm thấy đơn vị nhận / recipient unknown",
    "19": "đơn vị gửi chưa đăng ký / sender not registered",
    "22": "edXML không đúng chuẩn / edXML not to standard",
    "23": "đơn vị nhận bị khóa / recipient locked",
}
# The text the axis writes whatever its code, when `from` is not the registered system (spec 7.3).
_WRONG_SENDER: Final = re.compile(r"khong dung voi ma da dang ky", re.IGNORECASE)


def build(code: str = SUCCESS_CODE, text: str = SUCCESS_TEXT, **payload: object) -> dict[str, Any]:
    """Return an answer; never a null, which old clients cannot read."""
    status = OK if code == SUCCESS_CODE else FAIL
    return {"status": status, "ErrorCode": code, "ErrorDesc": text, **payload}


def encode(answer: Mapping[str, Any]) -> bytes:
    """Return the bytes of an answer: ASCII JSON, readable under any character set."""
    return json.dumps(answer, separators=(",", ":")).encode("ascii")


def wrong_sender(code: str, system_id: str) -> str:
    """Return the axis's own words for a sender that is not the caller."""
    return f"Don vi gui {code} khong dung voi ma da dang ky: {system_id}"


def refusal(error: GatewayError, **payload: object) -> dict[str, Any]:
    """Return the FAIL answer of an error: code of rules C7, Vietnamese then English."""
    row = CATALOGUE[error.reason]
    texts = [row.vi]
    if error.public and error.public != row.vi:
        texts.append(error.public)
    for finding in getattr(error, "findings", ()):
        where = f" ({finding.where})" if finding.where else ""
        texts.append(f"{finding.rule}{where}: {finding.vi}")
    return build(str(row.axis), " | ".join(texts)[:4000], **payload)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as read.

    Args:
        ok: The peer says success.
        code: `ErrorCode` as text; "" when absent.
        text: `ErrorDesc`.
        body: The whole object.
    """

    ok: bool
    code: str
    text: str
    body: Mapping[str, Any]

    @property
    def refuses(self) -> bool:
        """Tell whether the same parcel will never pass (rules C7)."""
        return not self.ok and (self.code in REFUSING or bool(_WRONG_SENDER.search(self.text)))

    @property
    def refusal_code(self) -> str:
        """Return the code of rules C7, 19 for the known text without its code."""
        return "19" if self.code not in REFUSING and _WRONG_SENDER.search(self.text) else self.code


def read(body: bytes) -> Answer:
    """Read a JSON answer.

    Raises:
        UnavailableError: It is not one (HTML, empty, broken, no status).
    """
    try:
        value = _keepable(json.loads(body))
    except (ValueError, RecursionError) as exc:
        raise unreadable("the answer is not JSON") from exc
    if not isinstance(value, dict) or not isinstance(value.get("status"), str):
        raise unreadable("the answer has no status")
    code = value.get("ErrorCode")
    code = "" if code is None else str(code).strip()
    text = value.get("ErrorDesc")
    ok = value["status"].upper() in {OK, "SUCCESS"} and code in {"", SUCCESS_CODE}
    return Answer(ok, code, "" if text is None else str(text)[:500], value)


def _keepable(value: Any) -> Any:
    """Return a value without what no ledger can keep: NUL, and halves of surrogate pairs.

    A peer's words are written down with what came of an attempt: words that cannot be written must
    not make it look as if nothing had come of it.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_keepable(item) for item in value]
    if isinstance(value, dict):
        return {_keepable(name): _keepable(item) for name, item in value.items()}
    return value


def rows(answer: Answer) -> list[Mapping[str, Any]]:
    """Return the rows of a list answer.

    Raises:
        UnavailableError: The peer reports a failure, or there is no list to read.
    """
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.code}: {answer.text}")
    data = answer.body.get("data")
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise unreadable("the answer has no list")
    return data


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """Return the first of these members that has a text, stripped; "" when none has."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str | int | float) and str(value).strip():
            return str(value).strip()
    return ""


def unreadable(what: str) -> UnavailableError:
    """Return the error of an answer that says nothing (spec 7.3: not the same as empty)."""
    return UnavailableError(Reason.UNAVAILABLE, f"unreadable answer of the peer: {what}")


# ---------------------------------------------------------------- getEdoc: base64 inside JSON

_DATA_MEMBER: Final = re.compile(rb'"data"\s*:\s*"')
_BLANKS: Final = b" \t\r\n"


class DataText:
    r"""Takes a getEdoc answer piece by piece: gives the decoded packet, keeps the frame.

    The `data` member may hold escapes (some writers put `=` as `\u003d`, `/` as `\/`) and line
    breaks. Base64 is strict.
    """

    def __init__(self) -> None:
        self._frame = bytearray()
        self._state = "before"
        self._escape = b""
        self._quartet = b""
        self._padded = False

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the answer; return the packet bytes it completes."""
        if self._state == "before":
            self._frame += chunk
            found = _DATA_MEMBER.search(self._frame)
            self._limit(found.end() if found else len(self._frame))
            if found is None:
                return b""
            chunk = bytes(self._frame[found.end() :])
            del self._frame[found.end() :]
            self._state = "inside"
        if self._state == "inside":
            return self._inside(chunk)
        self._frame += chunk
        self._limit(len(self._frame))
        return b""

    def close(self) -> Answer:
        """End of the answer: return its frame; `data` must have been there and be whole."""
        if self._state == "inside":
            raise unreadable("the answer was cut off")
        answer = read(bytes(self._frame))
        if answer.ok and self._state == "before":
            raise unreadable("the answer has no data")
        if self._quartet:
            raise unreadable("the packet's base64 is cut off")
        return answer

    def _limit(self, size: int) -> None:
        if size > MAX_FRAME_BYTES:
            raise unreadable("the answer around the packet is too long")

    def _inside(self, chunk: bytes) -> bytes:
        end = chunk.find(b'"')
        if end >= 0:
            self._state = "after"
            self._frame += chunk[end:]
            self._limit(len(self._frame))
            chunk = chunk[:end]
        return self._decode(self._unescape(chunk, last=end >= 0))

    def _unescape(self, chunk: bytes, *, last: bool) -> bytes:
        text = self._escape + chunk
        self._escape = b""
        if b"\\" not in text:
            return text
        cut = text.rfind(b"\\", max(0, len(text) - 5))
        if (
            not last
            and cut >= 0
            and len(text) - cut < (6 if text[cut + 1 : cut + 2] == b"u" else 2)
        ):
            text, self._escape = text[:cut], text[cut:]
        try:
            return str(json.loads(b'"' + text + b'"')).encode("ascii")
        except ValueError as exc:
            raise unreadable("the packet's base64 is broken") from exc

    def _decode(self, text: bytes) -> bytes:
        text = self._quartet + text.translate(None, _BLANKS)
        whole = len(text) - len(text) % 4
        text, self._quartet = text[:whole], text[whole:]
        if not text:
            return b""
        if self._padded:
            raise unreadable("the packet's base64 goes on after its end")
        self._padded = text.endswith(b"=")
        try:
            return pybase64.b64decode(text, validate=True)
        except ValueError as exc:
            raise unreadable("the packet's base64 is broken") from exc


async def decoded(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the packet inside a getEdoc answer.

    Raises:
        UnavailableError: The answer is a failure, broken or cut off; what was yielded is void.
    """
    parser = DataText()
    async for chunk in body:
        if piece := parser.feed(chunk):
            yield piece
    answer = parser.close()
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.code}: {answer.text}")


async def encoded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield base64 of a stream; the pieces join to one text without line breaks."""
    rest = b""
    async for chunk in chunks:
        joined = rest + chunk
        whole = len(joined) - len(joined) % 3
        rest = joined[whole:]
        if whole:
            yield pybase64.b64encode(joined[:whole])
    if rest:
        yield pybase64.b64encode(rest)


def encoded_frame() -> tuple[bytes, bytes]:
    """Return what stands before and after the base64 text in a getEdoc answer."""
    whole = encode(build(data="|"))
    before, after = whole.split(b'"|"')
    return before + b'"', b'"' + after


def wait_s(header: str, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for; None for none, or one that cannot be read.

    Args:
        header: Seconds, or a date (RFC 9110 10.2.3).
        now: Aware instant the answer came.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
