"""What one route of the API is: how it is called, what it answers, what does the work.

One table for the router and for the OpenAPI document, so neither can lie about the other. Query
parameters are read here, all faults at once. Pure but for the handlers it names.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.errors import Reason, RejectedError
from gateway.ports import Caller

API: Final = "/api/v1"
API_VERSION: Final = "1.0.0"  # of the interface, not of the program
ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{0,63}")
LIMIT_DEFAULT: Final = 100
_TEXT: Final = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
LIMIT_MAX: Final = 1000

Handler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]
ANYBODY: Final = Caller("", frozenset())


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter: its JSON schema says what is taken, `read` takes it or ValueError."""

    name: str
    schema: Mapping[str, Any]
    vi: str
    en: str
    read: Callable[[str], Any]
    default: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One good answer: status, texts, model or media type of its body, other media types."""

    status: int
    vi: str
    en: str
    model: type[Any] | None = None
    media: str = "application/json"
    headers: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route.

    Args:
        method: GET (HEAD comes with it) or POST.
        path: Pattern, `/api/v1/documents/{id}`.
        name: operationId.
        tag: Group in the document.
        vi: What it is for, Vietnamese.
        en: The same in English.
        handler: Does the work.
        answers: Good answers.
        refusals: HTTP statuses of problem+json besides those every route has.
        queries: Query parameters; any other is refused by name.
        takes: Media types of the request body to their models (None: bytes).
        headers: Request headers read besides Authorization.
        open: No credentials needed, no admission limit (live, ready, metrics).
        streams: Stays open for as long as the caller likes: has a place among streams.
    """

    method: str
    path: str
    name: str
    tag: str
    vi: str
    en: str
    handler: Handler
    answers: tuple[Answer, ...]
    refusals: tuple[int, ...] = ()
    queries: tuple[Query, ...] = ()
    takes: Mapping[str, type[Any] | None] | None = None
    headers: tuple[str, ...] = ()
    open: bool = False
    streams: bool = False


def found_by_id(
    path: str, name: str, tag: str, vi: str, en: str, *, handler: Handler, model: type[Any]
) -> Endpoint:
    """Return a GET of something found by `{id}`."""
    answers = (Answer(200, vi, en, model),)
    return Endpoint("GET", path, name, tag, vi, en, handler, answers, refusals=(404,))


def json_response(value: object, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=status, body=data, content_type="application/json")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers between two bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 19):
            raise ValueError(f"must be a whole number from {least} to {most}")
        number = int(text)
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return read


def text(most: int = 200) -> Callable[[str], str]:
    """Return a reader of short text without control characters."""

    def read(value: str) -> str:
        if len(value) > most or _TEXT.fullmatch(value) is None:
            raise ValueError(f"must be 1 to {most} characters, none of them a control character")
        return value

    return read


def text_schema(most: int = 200) -> dict[str, Any]:
    """Return what `text` takes as a JSON schema."""
    return {"type": "string", "maxLength": most, "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"}


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of a few words."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def flag(value: str) -> bool:
    """Read `true` or `false`."""
    if value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value == "true"


LIMIT: Final = Query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    "Số mục tối đa của một trang",
    "Most items of one page",
    whole(1, LIMIT_MAX),
    LIMIT_DEFAULT,
)


def read_query(request: web.Request, queries: tuple[Query, ...]) -> dict[str, Any]:
    """Return query parameters by name; RejectedError(BAD_REQUEST) names every fault at once."""
    values = {query.name: query.default for query in queries}
    if not request.query_string:
        return values
    known = {query.name: query for query in queries}
    faults: list[str] = []
    seen: set[str] = set()
    for name, value in request.query.items():
        query = known.get(name)
        if query is None:
            shown = name[:40] if name.isprintable() else "?"
            faults.append(f"{shown}: not a parameter of this address")
        elif name in seen:
            faults.append(f"{name}: given twice")
        else:
            seen.add(name)
            try:
                values[name] = query.read(value)
            except ValueError as fault:
                faults.append(f"{name}: {fault}")
    if faults:
        raise RejectedError(Reason.BAD_REQUEST, "Query parameters: " + "; ".join(faults))
    return values


def path_id(request: web.Request) -> str:
    """Return `{id}` of the path; what cannot be an id of ours is RejectedError(NOT_FOUND)."""
    value = request.match_info["id"]
    if ID.fullmatch(value) is None:
        raise RejectedError(Reason.NOT_FOUND)
    return value


def path_index(request: web.Request, name: str = "n") -> int:
    """Return `{n}` of the path; what cannot be an index is RejectedError(NOT_FOUND)."""
    value = request.match_info[name]
    if not (value.isascii() and value.isdigit() and len(value) <= 5):
        raise RejectedError(Reason.NOT_FOUND)
    return int(value)
