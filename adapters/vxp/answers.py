"""Answers of the national axis protocol: JSON built and read, error codes, base64 inside JSON.

Promises: pure, no I/O; an answer that cannot be read is UnavailableError, never an empty one; a
packet inside an answer is decoded while it arrives, so memory does not grow with it. A crash leaves
nothing behind.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.shared.inline import Base64Member
from adapters.shared.serving import words
from adapters.shared.values import keepable, refusal_code, unreadable
from gateway.errors import CATALOGUE, GatewayError

OK: Final = "OK"
FAIL: Final = "FAIL"
SUCCESS_CODE: Final = "0"
SUCCESS_TEXT: Final = "Thanh cong"


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
    return build(str(CATALOGUE[error.reason].axis), words(error), **payload)


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
        return not self.ok and bool(refusal_code(self.code, self.text))

    @property
    def refusal_code(self) -> str:
        """Return the code of rules C7, 19 for the known text without its code."""
        return refusal_code(self.code, self.text) or self.code


def read(body: bytes) -> Answer:
    """Read a JSON answer.

    Raises:
        UnavailableError: It is not one (HTML, empty, broken, no status).
    """
    try:
        value = keepable(json.loads(body))
    except (ValueError, RecursionError) as exc:
        raise unreadable("the answer is not JSON") from exc
    if not isinstance(value, dict) or not isinstance(value.get("status"), str):
        raise unreadable("the answer has no status")
    code = value.get("ErrorCode")
    code = "" if code is None else str(code).strip()
    text = value.get("ErrorDesc")
    ok = value["status"].upper() in {OK, "SUCCESS"} and code in {"", SUCCESS_CODE}
    return Answer(ok, code, "" if text is None else str(text)[:500], value)


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


# ---------------------------------------------------------------- getEdoc: base64 inside JSON


async def decoded(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the packet inside a getEdoc answer.

    Raises:
        UnavailableError: The answer is a failure, broken or cut off; what was yielded is void.
    """
    parser = Base64Member("data")
    async for chunk in body:
        if piece := parser.feed(chunk):
            yield piece
    answer = read(parser.close())
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.code}: {answer.text}")
    if not parser.found:
        raise unreadable("the answer has no data")


def encoded_frame() -> tuple[bytes, bytes]:
    """Return what stands before and after the base64 text in a getEdoc answer."""
    whole = encode(build(data="|"))
    before, after = whole.split(b'"|"')
    return before + b'"', b'"' + after
