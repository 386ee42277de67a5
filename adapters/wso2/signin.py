"""`POST /token`: a system shows one of its shared secrets and gets a bearer token for an hour.

OAuth2 client credentials (RFC 6749 4.4, errors 5.2), as a WSO2 gateway answers. Promises: secrets
are compared in constant time, with the same work for a system nobody knows; neither secret nor
token is logged or repeated; credentials in an address are refused even when they are right, because
addresses end up in logs. Nothing is kept: a crash leaves nothing behind.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from adapters.shared.jsonanswers import encode
from adapters.shared.serving import small_body
from adapters.shared.signins import SignIns
from adapters.wso2 import wire
from gateway import observe
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import Callers, Tokens

_LONGEST_BODY: Final = 16 * 1024
_SECRETS: Final = frozenset({"client_secret", "client_assertion", "password", "access_token"})
_GRANT: Final = "client_credentials"
# A token's end is cut to a whole second, so it gets one more than it says.
_SPARE: Final = timedelta(seconds=1)
_WRONG: Final = "Client Authentication failed."


class OAuthError(Exception):
    """An error of RFC 6749 5.2.

    Args:
        error: Its code.
        description: What is wrong, ASCII; what was sent is not repeated.
        status: Of the answer.
        retry_after_s: When it may be tried again, None where that makes no difference.
    """

    def __init__(
        self,
        error: str,
        description: str,
        status: int = 400,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a caller shows: who it says it is, and readings of its secret."""

    readings: tuple[tuple[str, str], ...] = field(repr=False)


class SignInDesk:
    """Answers `POST /token`.

    Args:
        callers: Who may sign in, with their secrets.
        tokens: Makes what they get.
        signins: Counts those who fail.
    """

    def __init__(self, callers: Callers, tokens: Tokens, signins: SignIns) -> None:
        self._callers = callers
        self._tokens = tokens
        self._signins = signins

    async def handle(self, request: web.Request) -> web.Response:
        """Give a token, or say why not."""
        try:
            answer = await self._granted(request)
        except OAuthError as exc:
            return _refusal(exc)
        return _answer(answer, 200)

    async def _granted(self, request: web.Request) -> Mapping[str, object]:
        fields = await _fields(request)
        grant = fields.get("grant_type") or request.query.get("grant_type", "")
        if not grant:
            raise OAuthError("invalid_request", "Missing grant_type parameter value")
        shown = _shown(request, fields)
        if grant != _GRANT:
            raise OAuthError("unsupported_grant_type", f"Only {_GRANT} is supported")
        for system_id, secret in shown.readings:
            found = self._secret_of(system_id, secret)
            if found is not None:
                self._signins.succeeded(system_id, request.remote)
                token = self._tokens.issue(
                    system_id, found, audience=wire.AUDIENCE, ttl=wire.TOKEN_LIFE + _SPARE
                )
                return {
                    "access_token": token,
                    "scope": "default",
                    "token_type": "Bearer",
                    "expires_in": int(wire.TOKEN_LIFE.total_seconds()),
                }
        observe.auth_failed(route="/token")
        wait_s = self._signins.failed(shown.readings[0][0], request.remote)
        if wait_s:
            raise OAuthError("invalid_client", _WRONG, 429, retry_after_s=wait_s)
        raise OAuthError("invalid_client", _WRONG, 401)

    def _secret_of(self, system_id: str, shown: str) -> bytes | None:
        """Return the secret of this system that was shown, None when none was."""
        known = self._callers.shared_secrets(system_id)
        secrets = (b"a secret nobody has",) if known is None else known[1]
        given = hashlib.sha256(shown.encode("utf-8", "replace")).digest()
        same = [
            secret
            for secret in secrets
            if hmac.compare_digest(hashlib.sha256(secret).digest(), given)
        ]
        return same[0] if same and known is not None else None


async def _fields(request: web.Request) -> dict[str, str]:
    """Return the form's fields; each may stand there once (RFC 6749 3.2)."""
    if _SECRETS & {name.casefold() for name in request.query}:
        raise OAuthError(
            "invalid_request",
            "A secret stands in the address: send it in the Authorization header or in the body, "
            "and have it replaced, it may be in logs by now",
        )
    try:
        raw = await small_body(request, _LONGEST_BODY)
    except RejectedError as exc:
        raise OAuthError("invalid_request", "The request is too long", 413) from exc
    except UnavailableError as exc:
        raise OAuthError("invalid_request", "The request broke off, or came too slowly") from exc
    if raw.strip() and request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError(
            "invalid_request", "The body must be application/x-www-form-urlencoded", 415
        )
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=32)
    except ValueError as exc:
        raise OAuthError("invalid_request", "The body is not a form in UTF-8") from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "A parameter stands twice")
    return fields


def _shown(request: web.Request, fields: Mapping[str, str]) -> _Shown:
    """Return what the caller shows, in one way only (RFC 6749 2.3)."""
    headers = request.headers.getall("Authorization", ())
    if not headers:
        system_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
        if not system_id or not secret:
            raise OAuthError("invalid_client", "Client credentials are missing", 401)
        return _Shown(((system_id, secret),))
    scheme, _, coded = headers[0].strip().partition(" ")
    if len(headers) != 1 or scheme.lower() != "basic":
        raise OAuthError("invalid_request", "The Authorization header must be Basic, once")
    try:
        text = base64.b64decode(coded.strip(), validate=True).decode()
    except (ValueError, binascii.Error) as exc:
        raise OAuthError("invalid_request", "The Basic credentials cannot be read") from exc
    system_id, colon, secret = text.partition(":")
    if not colon:
        raise OAuthError("invalid_request", "The Basic credentials cannot be read")
    if "client_secret" in fields or fields.get("client_id", system_id) != system_id:
        raise OAuthError("invalid_request", "Client credentials are given in two ways")
    # RFC 6749 2.3.1 form-encodes both before they are joined; most clients do not.
    plain, decoded = (system_id, secret), (unquote_plus(system_id), unquote_plus(secret))
    return _Shown((plain,) if plain == decoded else (plain, decoded))


def _refusal(failure: OAuthError) -> web.Response:
    answer = _answer(
        {"error_description": failure.description, "error": failure.error}, failure.status
    )
    if failure.status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="vanlien", charset="UTF-8"'
    if failure.retry_after_s is not None:
        answer.headers["Retry-After"] = str(max(1, round(failure.retry_after_s)))
    return answer


def _answer(told: Mapping[str, object], status: int) -> web.Response:
    return web.Response(
        body=encode(told),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
    )
