"""OAuth2 client credentials towards a peer (RFC 6749 4.4), one token for all calls.

Promises: one sign-in at a time, whoever waits gets its outcome; a token is renewed before it ends,
and while renewing fails the old one serves to its end; after "not now" nobody asks before the peer
said. Credentials go into the Authorization header, never into an address or a log; tokens live in
memory only: a crash leaves nothing behind.
"""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from adapters.shared.values import keepable, text_of, unreadable, wait_s
from gateway.errors import Reason, UnavailableError
from gateway.ports import SharedSecret

_UNSAID_S: Final = 300.0
_LONGEST_S: Final = 86_400.0
_MARGIN_S: Final = 60.0
_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 300.0
_PATIENCE_S: Final = 30.0
# What a header can carry; signed tokens (JWT) run to thousands of characters.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_SIGN_IN_FAILED: Final = frozenset({"invalid_client", "unauthorized_client", "invalid_grant"})

Ask = Callable[[Mapping[str, str], bytes], Awaitable[tuple[int, str, bytes]]]
"""Posts headers and a body to the token endpoint; returns status, Retry-After and the answer."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and its times.

    Args:
        token: As it stands in the Authorization header.
        renew_at: From then on another one is asked for.
        ends_at: From then on it opens nothing.
    """

    token: str = field(repr=False)
    renew_at: datetime
    ends_at: datetime


class Bearer:
    """The token that all calls to one peer share.

    Args:
        client_id: Who we are there.
        secret: What we show there; where it may be replaced, what tells which to try.
        ask: Speaks to the token endpoint; raises UnavailableError when nothing came back.
        now: The time.
    """

    def __init__(
        self, client_id: str, secret: SharedSecret, ask: Ask, now: Callable[[], datetime]
    ) -> None:
        self._client_id = client_id
        self._secret = secret
        self._ask = ask
        self._now = now
        self._grant: Grant | None = None
        self._pause_until: datetime | None = None
        self._under_way: asyncio.Task[Grant | UnavailableError] | None = None

    async def token(self) -> str:
        """Return a token that is good as far as we know.

        Raises:
            UnavailableError: There is none now.
        """
        held = self._grant
        if held is not None and self._now() < held.renew_at:
            return held.token
        outcome = await self._renewed()
        if isinstance(outcome, Grant):
            return outcome.token
        if held is not None and held is self._grant and self._now() < held.ends_at:
            return held.token
        raise UnavailableError(outcome.reason, outcome.public, retry_after_s=outcome.retry_after_s)

    def refused(self, token: str) -> None:
        """Note that the peer did not take a token: the next call asks for another one."""
        if self._grant is not None and self._grant.token == token:
            self._grant = None

    async def close(self) -> None:
        """Forget the token; it may be used again afterwards."""
        under_way, self._under_way, self._grant = self._under_way, None, None
        if under_way is not None:
            under_way.cancel()
            await asyncio.gather(under_way, return_exceptions=True)

    async def _renewed(self) -> Grant | UnavailableError:
        if self._pause_until is not None:
            left_s = (self._pause_until - self._now()).total_seconds()
            # A clock that was set back must not make the pause longer than it can be.
            if 0 < left_s <= _LONGEST_PAUSE_S:
                return UnavailableError(
                    Reason.UNAVAILABLE,
                    "the peer's token endpoint gave no token a moment ago",
                    retry_after_s=left_s,
                )
        under_way = self._under_way
        if under_way is None:
            under_way = self._under_way = asyncio.create_task(self._sign_in())
        try:
            # Who gives up waiting must not end it for the others.
            return await asyncio.shield(under_way)
        except asyncio.CancelledError:
            if under_way.cancelled() and not _is_cancelled():
                return UnavailableError(Reason.UNAVAILABLE, "the connection to the peer is closed")
            raise

    async def _sign_in(self) -> Grant | UnavailableError:
        """Ask for a token and keep it; a failure is an outcome, so that nobody need wait for it."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                self._grant = await self._granted()
        except TimeoutError:
            failure = UnavailableError(Reason.UNAVAILABLE, "the token endpoint does not answer")
        except UnavailableError as exc:
            failure = exc
        else:
            self._pause_until = None
            return self._grant
        finally:
            self._under_way = None
        wish_s = _PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
        self._pause_until = self._now() + timedelta(seconds=min(wish_s, _LONGEST_PAUSE_S))
        return failure

    async def _granted(self) -> Grant:
        refused = 0
        for secret in self._secret.offered():
            status, wish, body = await self._ask(
                _headers(self._client_id, secret), b"grant_type=client_credentials"
            )
            if status == 200:
                grant = read_grant(body, self._now())
                self._secret.worked(secret)
                return grant
            if not _not_our_secret(status, body):
                raise UnavailableError(
                    Reason.UNAVAILABLE,
                    f"the token endpoint answers HTTP {status}",
                    retry_after_s=wait_s(wish, self._now()),
                )
            self._secret.refused(secret)
            refused = status
        raise UnavailableError(
            Reason.UNAVAILABLE,
            f"the token endpoint refuses our client id and secret (HTTP {refused})",
            retry_after_s=_PAUSE_S,
        )


def _is_cancelled() -> bool:
    """Tell whether it is we who are to stop."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def read_grant(body: bytes, now: datetime) -> Grant:
    """Read the answer of a token endpoint (RFC 6749 5.1).

    Raises:
        UnavailableError: There is no token in it that a header could carry.
    """
    told = _object(body)
    token = told.get("access_token")
    kind = text_of(told, "token_type") or "Bearer"
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or kind.lower() != "bearer":
        raise unreadable("the token endpoint gave no bearer token")
    life_s = _life_s(told.get("expires_in"))
    margin_s = min(_MARGIN_S, life_s / 10)
    return Grant(
        token,
        renew_at=now + timedelta(seconds=life_s - margin_s),
        ends_at=now + timedelta(seconds=life_s),
    )


def _life_s(told: Any) -> float:
    """Return how long a token lives; a number that makes no sense (-1, 2**63) means very long."""
    try:
        life_s = float(told)
    except (TypeError, ValueError, OverflowError):
        return _UNSAID_S
    return life_s if 0 < life_s < _LONGEST_S else _LONGEST_S


def _headers(client_id: str, secret: bytes) -> dict[str, str]:
    # RFC 6749 2.3.1: each is form-encoded before they are joined; what is plain letters, digits,
    # dots and dashes (all that gateways give out) stays as it is for servers that do not decode.
    both = f"{quote(client_id, safe='')}:{quote(secret.decode('utf-8', 'replace'), safe='')}"
    return {
        "Authorization": f"Basic {base64.b64encode(both.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }


def _not_our_secret(status: int, body: bytes) -> bool:
    """Tell whether the answer speaks of the credentials and not of anything that passes."""
    if status == 401:
        return True
    if status != 400:
        return False
    try:
        return text_of(_object(body), "error") in _SIGN_IN_FAILED
    except UnavailableError:
        return False


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = keepable(json.loads(body))
    except (ValueError, RecursionError) as exc:
        raise unreadable("the token endpoint's answer is not JSON") from exc
    if not isinstance(value, dict):
        raise unreadable("the token endpoint's answer is no object")
    return value
