"""What every dialect's client does with a peer's words: read them, bound them, wait for them.

Pure, no I/O: a crash leaves nothing behind.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from gateway.errors import Reason, UnavailableError

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


def refusal_code(code: str, text: str) -> str:
    """Return the code of rules C7 by which a peer refuses a parcel for good, "" when it does not.

    Args:
        code: The peer's error code.
        text: Its words: one refusal is known by them alone.
    """
    if code in REFUSING:
        return code
    return "19" if _WRONG_SENDER.search(text) else ""


def ascii_only(text: str, limit: int = 250) -> str:
    """Return printable ASCII without accents (spec 7.2: keep all parameters ASCII)."""
    flat = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    kept = "".join(c for c in flat if not unicodedata.combining(c))
    return " ".join("".join(c if " " <= c <= "~" else " " for c in kept).split())[:limit]


def keepable(value: Any) -> Any:
    """Return a value without what no ledger can keep: NUL, and halves of surrogate pairs.

    A peer's words are written down with what came of an attempt: words that cannot be written must
    not make it look as if nothing had come of it.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [keepable(item) for item in value]
    if isinstance(value, dict):
        return {keepable(name): keepable(item) for name, item in value.items()}
    return value


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
    except (TypeError, ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def kind_of(failure: BaseException) -> str:
    """Return what kind of trouble it was; addresses and headers stay out."""
    return type(failure).__name__
