"""Answers of the national axis protocol: JSON built and read, error codes.

Promises: pure, no I/O; an answer that cannot be read is UnavailableError, never an empty one. A
crash leaves nothing behind.
"""

from typing import Any, Final

from adapters.shared.jsonanswers import Answer, read_object
from adapters.shared.serving import words
from adapters.shared.values import unreadable
from gateway.errors import CATALOGUE, GatewayError

OK: Final = "OK"
FAIL: Final = "FAIL"
SUCCESS_CODE: Final = "0"
SUCCESS_TEXT: Final = "Thanh cong"


def build(code: str = SUCCESS_CODE, text: str = SUCCESS_TEXT, **payload: object) -> dict[str, Any]:
    """Return an answer; never a null, which old clients cannot read."""
    status = OK if code == SUCCESS_CODE else FAIL
    return {"status": status, "ErrorCode": code, "ErrorDesc": text, **payload}


def wrong_sender(code: str, system_id: str) -> str:
    """Return the axis's own words for a sender that is not the caller."""
    return f"Don vi gui {code} khong dung voi ma da dang ky: {system_id}"


def refusal(error: GatewayError, **payload: object) -> dict[str, Any]:
    """Return the FAIL answer of an error: code of rules C7, Vietnamese then English."""
    return build(str(CATALOGUE[error.reason].axis), words(error), **payload)


def read(body: bytes) -> Answer:
    """Read a JSON answer.

    Raises:
        UnavailableError: It is not one (HTML, empty, broken, no status).
    """
    value = read_object(body)
    if not isinstance(value.get("status"), str):
        raise unreadable("the answer has no status")
    code = value.get("ErrorCode")
    code = "" if code is None else str(code).strip()
    text = value.get("ErrorDesc")
    ok = value["status"].upper() in {OK, "SUCCESS"} and code in {"", SUCCESS_CODE}
    return Answer(ok, code, "" if text is None else str(text)[:500], value)


def check(body: bytes) -> None:
    """Raise UnavailableError unless an answer is one of success."""
    answer = read(body)
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.words}")
