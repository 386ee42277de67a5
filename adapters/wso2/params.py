"""The words of a call, wherever a generated client puts them: query, headers, form, JSON.

Promises: a word said twice says the same, or the call is refused; nothing unprintable gets through;
a body that carries words only is bounded. A crash leaves nothing behind.
"""

import json
from collections.abc import Iterable
from typing import Final, Self
from urllib.parse import parse_qsl

from aiohttp import web

from adapters.shared.serving import small_body
from adapters.shared.values import keepable
from adapters.wso2 import wire
from gateway.errors import Reason, RejectedError

_LONGEST_BODY: Final = 64 * 1024
_KNOWN: Final = {
    name.casefold(): name
    for names in (
        wire.KIND,
        wire.STATUS,
        wire.SINCE,
        wire.UNTIL,
        wire.NOTE,
        wire.DOC_ID,
        wire.AGENCY,
    )
    for name in names
}
_FREE_TEXT: Final = frozenset(name.casefold() for name in wire.NOTE)


class Params:
    """Words by name, without regard to case; only those that are known, the others are not read."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(name.casefold(), text) for name, text in pairs]
        self._words: dict[str, str] = {}
        for name, text in self._pairs:
            if name in _KNOWN:
                self._words[name] = self._agreed(name, text.strip())

    @classmethod
    def of(cls, request: web.Request) -> Self:
        """Return the words in query and headers."""
        return cls([*request.query.items(), *request.headers.items()])

    async def with_body(self, request: web.Request) -> "Params":
        """Return these words and those of the request's body; see `members`."""
        return Params([*self._pairs, *await members(request)])

    def get(self, *names: str) -> str:
        """Return the first of these words that was said, "" when none was.

        Raises:
            RejectedError: BAD_REQUEST: two of them were said, and differ.
        """
        said = {text for name in names if (text := self._words.get(name.casefold(), ""))}
        if len(said) > 1 and len({text.casefold() for text in said}) > 1:
            raise _contradiction(names[0])
        return next(iter(sorted(said)), "")

    def _agreed(self, name: str, text: str) -> str:
        if name in _FREE_TEXT:
            text = "".join(c if c.isprintable() else " " for c in text)
        elif not text.isprintable():
            raise RejectedError(Reason.BAD_REQUEST, f"{_KNOWN[name]} is not printable")
        before = self._words.get(name, "")
        if before and text and before.casefold() != text.casefold():
            raise _contradiction(_KNOWN[name])
        return before or text


async def members(request: web.Request) -> list[tuple[str, str]]:
    """Return the words of a request's body: a form, a JSON object, or one word, the status.

    Raises:
        RejectedError: BAD_REQUEST: none of these; TOO_LARGE.
        UnavailableError: It broke off, or came too slowly.
    """
    raw = await small_body(request, _LONGEST_BODY)
    if not raw.strip():
        return []
    try:
        if request.content_type == "application/x-www-form-urlencoded":
            return parse_qsl(raw.decode(), max_num_fields=64)
        if request.content_type == "text/plain":
            return [(wire.STATUS[0], raw.decode())]
        value = keepable(json.loads(raw))
    except (ValueError, RecursionError) as exc:
        raise RejectedError(
            Reason.BAD_REQUEST, "the body must be a JSON object or a form in UTF-8"
        ) from exc
    told = value if isinstance(value, dict) else {wire.STATUS[0]: value}
    return [(name, str(text)) for name, text in told.items() if _is_word(text)]


def _contradiction(name: str) -> RejectedError:
    return RejectedError(Reason.BAD_REQUEST, f"{name} is said twice, with two meanings")


def _is_word(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
