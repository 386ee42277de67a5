"""Who calls: `Authorization: Bearer <api key>`, nothing else, and never in an address.

Keys are neither logged nor echoed. The look-up (hashed, constant-time) is the Callers port's.
"""

import re
from typing import Final

from aiohttp import web

from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Callers

# RFC 6750 b64token, bounded so that nobody makes us hash megabytes.
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{8,512}=*)")
_SECRET_NAMES: Final = frozenset(
    {
        "access_token",
        "accesstoken",
        "api-key",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "bearer",
        "key",
        "password",
        "secret",
        "token",
        "x-api-key",
    }
)


def refuse_keys_in_address(request: web.Request) -> None:
    """Refuse a key or token in the query string: addresses end up in logs of proxies.

    Raises:
        RejectedError: BAD_REQUEST; the value is not repeated.
    """
    if not request.query_string:
        return
    for name in request.query:
        if name.casefold() in _SECRET_NAMES:
            raise RejectedError(
                Reason.BAD_REQUEST,
                "A key or token stands in the address. Send it as 'Authorization: Bearer …', and "
                "have this key replaced (vanlien system rotate): it may be in logs by now",
            )


def authenticate(request: web.Request, callers: Callers) -> Caller:
    """Return who calls.

    Raises:
        RejectedError: UNAUTHENTICATED when the header is missing, doubled, malformed or unknown;
            one text for all, so that nobody learns which.
    """
    given = request.headers.getall("Authorization", ())
    match = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
    caller = callers.by_api_key(match[1]) if match else None
    if caller is None:
        raise RejectedError(
            Reason.UNAUTHENTICATED, "Send 'Authorization: Bearer <api key>' with a valid key"
        )
    return caller
