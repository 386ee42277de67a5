"""The Lạng Sơn provincial protocol as pure functions: two forms, operations, answers, dates, codes.

Promises: nothing here opens a socket, reads a clock or logs; an answer that cannot be read is
UnavailableError, never an empty one. A crash leaves nothing behind.

Our reading of what the specification leaves open (spec/edxml.md 7.7):

* `/v1/*` is what the axis offers today, `/api/lgspedoc/*` what an older client of it calls. Both do
  the same; an answer has the members of both, so that either client finds its own.
* `edxml` of getEdoc is the text of the packet, attachments and all, and `attachments` are the same
  files once more; a peer's `edxml` may also be base64.
* Sends and updates are answered with HTTP 200 whatever becomes of them, for their clients read the
  body; what is asked for is answered with an HTTP error when it fails, for those clients take
  `success: false` for an empty list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from adapters.shared.dates import read_date
from adapters.shared.jsonanswers import Answer, read_json
from adapters.shared.serving import words
from adapters.shared.values import text_of, unreadable
from gateway.domain.moments import VIETNAM
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError

Variant = Literal["v1", "lgspedoc"]

AUDIENCE: Final = "langson"
TOKEN_TTL: Final = timedelta(minutes=30)
SERVICE_TYPE: Final = "eDoc"
NO_TOKEN: Final = "licenseInfo:invalid"  # noqa: S105 - what the axis says without one
OK: Final = "OK"
SUCCESS_CODE: Final = "0"
WRONG_PAIR: Final = "15"
SENDER_HEADER: Final = "X-SystemId"
SECRET_HEADER: Final = "X-SecretKey"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one form of the protocol has its operations, below the base address.

    Args:
        root: What all of them begin with.
        login: POST.
        send: POST; multipart in the form `v1`, JSON in `lgspedoc`.
        listing: GET.
        get: GET.
        update: POST.
        agencies: GET.
        date: How it writes dates.
    """

    root: str
    login: str
    send: str
    listing: str
    get: str
    update: str
    agencies: str
    date: str


PATHS: Final[Mapping[Variant, Paths]] = {
    "v1": Paths(
        "/v1/",
        "/v1/auth/login",
        "/v1/sendEdoc",
        "/v1/syncReceivedEdocList",
        "/v1/getEdoc",
        "/v1/updateStatus",
        "/v1/getAgenciesList",
        "%Y/%m/%d",
    ),
    "lgspedoc": Paths(
        "/api/lgspedoc/",
        "/api/lgspedoc/login",
        "/api/lgspedoc/send-edoc",
        "/api/lgspedoc/received-edocs",
        "/api/lgspedoc/get-edoc",
        "/api/lgspedoc/update-status",
        "/api/lgspedoc/organizations",
        "%Y-%m-%d",
    ),
}


# ---------------------------------------------------------------- dates


def day(at: datetime, variant: Variant) -> str:
    """Return a day as this form writes it, local +07:00."""
    return at.astimezone(VIETNAM).strftime(PATHS[variant].date)


def moment(at: datetime | None) -> str:
    """Return `yyyy/MM/dd HH:mm:ss`, local +07:00; "" for None."""
    return "" if at is None else f"{at.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S}"


def read_from(text: str, name: str) -> datetime | None:
    """Return when a window begins; None when nothing is said.

    Raises:
        RejectedError: BAD_REQUEST, it is no date.
    """
    if not text.strip():
        return None
    at = read_date(text)
    if at is None:
        raise RejectedError(Reason.BAD_REQUEST, f"{name} must be a date, YYYY/MM/DD or YYYY-MM-DD")
    return at


def read_to(text: str, name: str) -> datetime | None:
    """Return when a window ends: a day without a time counts whole.

    Raises:
        RejectedError: BAD_REQUEST, it is no date.
    """
    at = read_from(text, name)
    if at is None or ":" in text:
        return at
    return at + timedelta(days=1) - timedelta(microseconds=1)


# ---------------------------------------------------------------- answers, written


def good(**payload: object) -> dict[str, Any]:
    """Return an answer of success."""
    return {"success": True, "code": 200, "message": OK, **payload}


def refusal(error: GatewayError, *, status: int = 200, message: str = "") -> dict[str, Any]:
    """Return the answer of an error: code of rules C7, Vietnamese then English, every finding."""
    told = words(error)
    code = str(getattr(error, "axis", CATALOGUE[error.reason].axis))
    return {
        "success": False,
        "code": status if status != 200 else int(code),
        "message": message or told,
        "data": {"docId": None, "status": "error", "errorCode": code, "errorDesc": told},
    }


# ---------------------------------------------------------------- answers, read


def read(body: bytes) -> Answer:
    """Read a JSON answer.

    Raises:
        UnavailableError: It is not one (HTML, empty, broken, nothing said of success).
    """
    return judged(read_json(body))


def judged(value: Any) -> Answer:
    """Return what an answer says of itself.

    Raises:
        UnavailableError: Nothing is said of success.
    """
    if isinstance(value, list):  # getAgenciesList was seen as a bare list
        return Answer(ok=True, code="", text="", body={"data": value})
    if not isinstance(value, Mapping):
        raise unreadable("the answer is no object")
    data = value.get("data")
    inside = data if isinstance(data, Mapping) else {}
    code = text_of(inside, "errorCode") or text_of(value, "errorCode")
    text = text_of(inside, "errorDesc") or text_of(value, "message", "errorDesc")
    success = value.get("success")
    if not isinstance(success, bool):
        # Answers of the login and of lists were seen with `code` alone; nobody tells which codes
        # a login has, but it gives a token to whom it lets in.
        signed_in = bool(text_of(inside, "token"))
        if "code" not in value and not signed_in:
            raise unreadable("the answer does not say whether it is one of success")
        success = signed_in or text_of(value, "code") in {"0", "200"}
    return Answer(success and code in {"", SUCCESS_CODE}, code, text[:500], value)


def doc_id_of(answer: Answer) -> str:
    """Return the peer's key of what it took, "" without one."""
    data = answer.body.get("data")
    inside = data if isinstance(data, Mapping) else {}
    return text_of(answer.body, "docId", "DocId") or text_of(inside, "docId", "DocId")


def token_of(answer: Answer) -> str:
    """Return the token of a login answer, "" without one."""
    data = answer.body.get("data")
    inside = data if isinstance(data, Mapping) else {}
    return text_of(inside, "token") or text_of(answer.body, "token")
