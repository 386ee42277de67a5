"""Words of the provincial axes behind a WSO2 gateway, as pure functions: paths, answers, faults.

Promises: nothing here opens a socket, reads a clock or logs; an answer that cannot be read is
UnavailableError, never an empty one; what names a thing is read in every place where clients of
this API were generated to put it. A crash leaves nothing behind.

Our reading of what no public document says (A4U shows calls and results, not the wire):

* Parameters (`loaiVanBan`, `status`, dates) are read from the query, from headers and from the
  body; said twice, they must say the same. We send them in the query and, where there is one, in
  the body.
* `secretDonVi`, a second secret for one agency, is neither needed nor read here: the token says who
  calls. To an axis that wants it we send it as a header, never in an address.
* Members of answers are written in both spellings seen (`errorCode` of the client's model,
  `ErrorCode` of the axis behind).
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast
from urllib.parse import quote

from adapters.shared.dates import date_text, read_date
from adapters.shared.jsonanswers import Answer, read_object
from adapters.shared.serving import words
from adapters.shared.values import text_of, unreadable
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError
from gateway.ports import AgencyRow, InboxItem, Listed, MessageKind, SentItem
from gateway.ports.registration import Wish

BASE: Final = "/truclienthong/v1.0.0"
TOKEN_PATHS: Final = ("/token", "/oauth2/token")
AUDIENCE: Final = "wso2"
TOKEN_LIFE: Final = timedelta(hours=1)
UNIT_SECRET: Final = "secretDonVi"  # noqa: S105 - the name of the header
JSON_TYPE: Final = "application/json"
SERVICE_TYPE: Final = "eDoc"

OK: Final = "OK"
FAILED: Final = "FAIL"
SUCCESS_CODE: Final = "0"
SUCCESS_TEXT: Final = "Thanh cong"

INITIAL: Final = "INITIAL"
PROCESSING: Final = "PROCESSING"
DONE: Final = "DONE"
FAIL: Final = "FAIL"
STATUSES: Final = (INITIAL, PROCESSING, DONE, FAIL)

# Names of parameters, the one we write first.
KIND: Final = ("loaiVanBan", "messageType")
STATUS: Final = ("status", "trangThai")
SINCE: Final = ("fromDate", "tuNgay")
UNTIL: Final = ("toDate", "denNgay")
NOTE: Final = ("description", "statusDesc", "moTa", "lyDo")
DOC_ID: Final = ("docId",)
AGENCY: Final = ("agencyCode", "maDonVi", "code")
# Not names that may as well hold a title or the name of a file.
PACKET: Final = ("data", "base64", "base64Encode", "fileContent", "vanBan", "payload")

# Codes of the gateway itself (its published list of errors), by the HTTP status they come with.
INVALID_CREDENTIALS: Final = 900901
MISSING_CREDENTIALS: Final = 900902
NO_RESOURCE: Final = 900906
FORBIDDEN: Final = 900908
THROTTLED: Final = 900800
NOT_READY: Final = 303001
GENERAL: Final = 900967

Variant = Literal["object", "text", "form"]


# ---------------------------------------------------------------- answers of the API


def build(code: str = SUCCESS_CODE, text: str = SUCCESS_TEXT, **payload: object) -> dict[str, Any]:
    """Return an answer; never a null, which old clients cannot read."""
    said = {
        "status": OK if code == SUCCESS_CODE else FAILED,
        "errorCode": code,
        "errorDesc": text,
        "ErrorCode": code,
        "ErrorDesc": text,
    }
    return said | payload


def refusal(error: GatewayError, **payload: object) -> dict[str, Any]:
    """Return the FAIL answer of an error: code of rules C7, Vietnamese then English."""
    return build(str(CATALOGUE[error.reason].axis), words(error), **payload)


def fault(code: int, message: str, description: str, **more: object) -> dict[str, Any]:
    """Return an error of the gateway itself, as releases before and after 3.0 write it."""
    told = {"message": message, "description": description} | more
    return {"fault": {"code": code} | told, "code": str(code)} | told


def read(body: bytes) -> Answer:
    """Read a JSON answer of the API.

    Raises:
        UnavailableError: It is not one: HTML, empty, broken, no status, or the gateway's own.
    """
    value = read_object(body)
    told = value.get("fault")
    if isinstance(told, dict):
        raise unreadable(f"the gateway's fault {text_of(told, 'code')}: {_brief(told, 'message')}")
    status = text_of(value, "status").upper()
    if status not in {OK, "SUCCESS", FAILED, "ERROR"}:
        raise unreadable("the answer has no status")
    code = text_of(value, "errorCode", "ErrorCode")
    ok = status in {OK, "SUCCESS"} and code in {"", SUCCESS_CODE}
    return Answer(ok, code, _brief(value, "errorDesc", "ErrorDesc"), value)


def check(body: bytes) -> None:
    """Raise UnavailableError unless an answer is one of success."""
    answer = read(body)
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.words}")


def next_access_s(body: bytes, now: datetime) -> float | None:
    """Return the seconds a throttled caller is told to wait in the fault itself, None if it is not.

    Args:
        body: The answer.
        now: Aware instant it came.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    told = value.get("fault", value) if isinstance(value, dict) else None
    text = told.get("nextAccessTime") if isinstance(told, dict) else None
    found = _NEXT_ACCESS.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or found["month"] not in _MONTHS:
        return None
    day = f"{found['year']}-{_MONTHS.index(found['month']) + 1:02d}-{found['day']}"
    try:
        at = datetime.fromisoformat(f"{day}T{found['time']}+00:00")
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds())


def next_access(at: datetime) -> str:
    """Return an instant as a throttling gateway writes it: `2026-Nov-22 08:00:00+0000 UTC`."""
    at = at.astimezone(UTC)
    return f"{at:%Y}-{_MONTHS[at.month - 1]}-{at:%d %H:%M:%S}+0000 UTC"


_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_NEXT_ACCESS: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>[A-Z][a-z]{2})-(?P<day>\d{2}) "
    r"(?P<time>\d{2}:\d{2}:\d{2})\+0000(?: UTC)?"
)


def _brief(row: Mapping[str, Any], *names: str) -> str:
    return text_of(row, *names)[:500]


# ---------------------------------------------------------------- parameters


def kind_of(text: str) -> MessageKind | None:
    """Return what a `loaiVanBan` names, None when it names nothing.

    Raises:
        RejectedError: BAD_REQUEST: it names something else.
    """
    told = text.strip().lower()
    if not told:
        return None
    if told not in {"edoc", "status"}:
        raise RejectedError(Reason.BAD_REQUEST, "loaiVanBan must be edoc or status")
    return cast("MessageKind", told)


def status_of(text: str) -> str:
    """Return which of the four words a status is, "" when there is none.

    Raises:
        RejectedError: BAD_REQUEST: it is another word.
    """
    told = text.strip().upper()
    if told and told not in STATUSES:
        raise RejectedError(Reason.BAD_REQUEST, f"status must be one of {', '.join(STATUSES)}")
    return told


def moment_of(text: str, name: str) -> datetime | None:
    """Return the instant a parameter names, None when it is empty.

    Raises:
        RejectedError: BAD_REQUEST: it is no date.
    """
    if not text.strip():
        return None
    at = read_date(text)
    if at is None:
        raise RejectedError(Reason.BAD_REQUEST, f"{name} must be dd/MM/yyyy HH:mm:ss")
    return at


def path_of(doc_id: str) -> str:
    """Return a docId as one segment of a path."""
    return quote(doc_id, safe="")


# ---------------------------------------------------------------- rows we write


def waiting_row(item: InboxItem) -> dict[str, str]:
    """Return an item of the inbox; each member in both spellings that were seen."""
    came, moved = date_text(item.at_gateway_at), date_text(item.taken_at or item.at_gateway_at)
    return {
        "docId": item.id,
        "serviceType": SERVICE_TYPE,
        "messageType": item.kind,
        "createdTime": came,
        "created_time": came,
        "updatedTime": moved,
        "updated_time": moved,
        "from": item.sender_written or item.sender,
        "to": item.recipient_written or item.recipient,
        "status": INITIAL if item.taken_at is None else DONE,
        "statusDesc": "",
        "status_desc": "",
    }


def sent_row(item: SentItem) -> dict[str, str]:
    """Return one delivery of what a caller sent."""
    return {
        "serviceType": SERVICE_TYPE,
        "messageType": item.kind,
        "senderDocId": item.consignment_id,
        "receiverDocId": item.delivery_id,
        "fromCode": item.sender,
        "toCode": item.recipient,
        "sendStatus": item.state,
        "sendStatusDesc": item.state_text,
        "receiveStatus": item.last_status,
        "receiveStatusDesc": item.state_text if item.last_status else "",
        "title": item.title,
        "notation": item.notation,
        "sentTime": date_text(item.sent_at),
        "receivedTime": date_text(item.received_at),
    }


def agency_row(row: AgencyRow) -> dict[str, str]:
    """Return an agency of the catalogue."""
    return {
        "id": row.code,
        "pid": row.parent,
        "code": row.code,
        "name": row.name,
        "mail": row.mail,
        "oldCode": row.legacy_code,
    }


def wish_of(told: Mapping[str, str]) -> Wish:
    """Return the agency a caller wants registered: {code, name, pcode, email, mobile, fax}."""
    return Wish(
        code=text_of(told, "code"),
        name=text_of(told, "name"),
        parent=text_of(told, "pcode"),
        mail=text_of(told, "email", "mail"),
        phone=text_of(told, "mobile"),
        fax=text_of(told, "fax"),
    )


def province_of(code: str) -> str:
    """Return the level 1 of a code in either notation (ID-02, ID-03), "" when it shows none.

    For a list to choose from, never to tell two agencies apart: that takes the catalogue (ID-04).
    """
    groups = code.split(".")
    named = [group for group in (groups[0], groups[-1]) if _LEVEL_1.fullmatch(group)]
    return named[0] if named else ""


_LEVEL_1: Final = re.compile(r"[A-Y]\d{2}")


# ---------------------------------------------------------------- rows we read


def listed_of(row: Mapping[str, Any], kind: MessageKind) -> Listed | None:
    """Return an item of a peer's list, None for one of the other kind or that cannot be asked for.

    Args:
        row: As it came.
        kind: What was asked for; the row's own word counts more.
    """
    doc_id = text_of(row, "docId", "DocId", "docid")
    told = text_of(row, *KIND, "message_type").lower()
    # A docId of dots alone would be resolved away where addresses are joined.
    if not doc_id.strip(".") or (told in {"edoc", "status"} and told != kind):
        return None
    to = row.get("to")
    several = [str(code).strip() for code in to] if isinstance(to, list) else [text_of(row, "to")]
    return Listed(
        doc_id,
        kind,
        sender=text_of(row, "from"),
        recipients=tuple(code for code in several if code),
        status=text_of(row, "status"),
        created_at=read_date(text_of(row, "createdTime", "created_time")),
    )


def is_settled(item: Listed) -> bool:
    """Tell whether an item was answered already: some axes go on listing it."""
    return item.status.upper() in {DONE, FAIL}


def agencies_of(table: Sequence[Mapping[str, Any]]) -> Sequence[AgencyRow]:
    """Return a peer's catalogue; integration centres (W00) are in it, not connected."""
    codes = {text_of(row, "id"): text_of(row, "code") for row in table}
    found: dict[str, AgencyRow] = {}
    for row in table:
        code = text_of(row, "code")
        if not code or code in found:
            continue
        legacy, parent = text_of(row, "oldCode", "code102"), text_of(row, "pid", "pcode")
        centre = code.upper().endswith(".W00")
        found[code] = AgencyRow(
            code,
            text_of(row, "name"),
            legacy_code="" if legacy == code else legacy,
            parent=codes.get(parent, parent),
            mail=text_of(row, "mail", "email"),
            status="hub" if centre else "active",
            connected=not centre,
        )
    return tuple(found.values())
