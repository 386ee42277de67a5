"""One connection to a Lạng Sơn axis: signing in, and calls that carry what the sign-in gave.

Promises: one sign-in serves all calls, and one is under way at a time; its token is renewed before
it ends, and once more when the peer does not take it; an answer that cannot be read is
UnavailableError. Secrets are never logged nor shown, and go over TLS or to this machine only: in
headers, in addresses where the older form wants them there. Tokens live in memory: a crash leaves
nothing behind.
"""

import asyncio
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp

from adapters.langson import wire
from adapters.langson.settings import LangsonSettings
from adapters.shared.connecting import Line, PeerTime, heard_out
from adapters.shared.jsonanswers import Answer
from adapters.shared.upload import shared
from adapters.shared.values import unreadable, wait_s
from gateway.errors import ConfigurationError, Reason, UnavailableError
from gateway.ports import Clock, SharedSecret

# The peer's tokens live about half an hour (spec 7.7); nobody tells how long a given one has left.
_RENEW_AFTER: Final = timedelta(minutes=25)
NOT_SIGNED_IN: Final = 401
_SHORTEST_SECRET: Final = 6
_REFUSED_S: Final = 30.0
_TROUBLE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 300.0
# What a header can carry; signed tokens (JWT) run to thousands of characters.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_LOGIN_STATUS: Final = frozenset({200, 400, 401, 403})


@dataclass(frozen=True, slots=True)
class Pass:
    """A token, the secret it was given for, and when another one is asked for."""

    token: str = field(repr=False)
    secret: bytes = field(repr=False)
    renew_at: datetime


class StaleError(Exception):
    """The peer does not take the token."""


class _RefusedError(Exception):
    """The peer does not let us in."""

    def __init__(self, told: UnavailableError) -> None:
        super().__init__(told)
        self.told = told


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: HTTP status, Retry-After, body."""

    status: int
    wish: str
    body: bytes


class Session:
    """Calls to one axis.

    Args:
        settings: Where and how.
        secret: Secret key, which is the password too; where it may be replaced, what tells which.
        clock: Time.
        ssl_context: For an https endpoint with its own trust; None = the system's.

    Raises:
        ConfigurationError: The way there is open, and the secret goes as it is.
    """

    def __init__(
        self,
        settings: LangsonSettings,
        secret: bytes | SharedSecret,
        clock: Clock,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        # SEC-04: both forms send the secret as it is, in headers or in addresses.
        if not _closed_way(settings.endpoint):
            raise ConfigurationError(
                f"peer {settings.name}: the secret is sent there as it is: use https://"
            )
        self.settings = settings
        self.paths = wire.PATHS[settings.variant]
        self._secret = shared(secret)
        self._clock = clock
        self.time = PeerTime(clock.now)
        self._line = Line(settings, self.time, ssl_context)
        self._pass: Pass | None = None
        self._paused: tuple[tuple[bytes, ...], datetime] | None = None
        self._signing_in = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections; it may be used again afterwards."""
        await self._line.close()

    # ------------------------------------------------------------ signing in

    async def signed(self) -> Pass:
        """Return a token that is good as far as we know; one sign-in at a time.

        Raises:
            UnavailableError: There is none now.
        """
        async with self._signing_in:
            held = self._pass
            if held is None or self._clock.now() >= held.renew_at:
                self._check_pause()
                try:
                    held = self._pass = await self._sign_in()
                except _RefusedError as exc:
                    self._pause(_REFUSED_S)
                    raise exc.told from exc
                except UnavailableError as exc:
                    self._pause(_TROUBLE_S if exc.retry_after_s is None else exc.retry_after_s)
                    raise
                self._paused = None
            return held

    def _pause(self, wish_s: float) -> None:
        """Let nobody ask for a while: axes lock accounts that are tried again and again."""
        wait = timedelta(seconds=min(wish_s, _LONGEST_PAUSE_S))
        self._paused = (tuple(self._secret.offered()), self._clock.now() + wait)

    def _check_pause(self) -> None:
        """Raise UnavailableError while it lasts; a new secret ends it."""
        if self._paused is None:
            return
        secrets, until = self._paused
        left_s = (until - self._clock.now()).total_seconds()
        # A clock that was set back must not make it longer than it can be.
        if 0 < left_s <= _LONGEST_PAUSE_S and set(secrets) == set(self._secret.offered()):
            raise UnavailableError(
                Reason.UNAVAILABLE,
                "the axis did not let us in a moment ago / trục vừa từ chối đăng nhập",
                retry_after_s=left_s,
            )

    def worked(self, given: Pass) -> None:
        """Note that the peer took a call."""
        self._secret.worked(given.secret)

    def forget(self, given: Pass) -> None:
        """Note that the peer did not take a token."""
        if self._pass is given:
            self._pass = None

    async def _sign_in(self) -> Pass:
        """Sign in with the password, or with the secrets, one after the other.

        Raises:
            UnavailableError: No answer, or none that can be read.
            _RefusedError: We are not let in.
        """
        status, said = 0, ""
        for secret in self._secret.offered():
            status, answer = await self._login(self.settings.password or word(secret))
            token = wire.token_of(answer)
            if status == 200 and answer.ok and _TOKEN.fullmatch(token):
                if not self.settings.password:
                    self._secret.worked(secret)
                return Pass(token, secret, self._clock.now() + _RENEW_AFTER)
            said = answer.text
            if self.settings.password:
                break  # it does not change with the secret
            self._secret.refused(secret)
        # 15 of rules C7: not for the parcel to mend. It waits for the operator.
        raise _RefusedError(unreadable(f"login is refused (HTTP {status}): {said}"))

    async def _login(self, password: str) -> tuple[int, Answer]:
        settings = self.settings
        told: dict[str, Any] = {
            "username": settings.username or settings.system_id,
            "password": password,
            "applicationCode": settings.application_code,
        }
        asked = {}
        if settings.variant == "v1":
            told |= {"otp": None, "twoFactorProvider": None, "typeObjs": [0, 1]}
            asked = {"allow_anonymous": "true"}
        with heard_out("login: no answer from the axis"):
            async with self.open(
                "POST", self.paths.login, None, params=asked, told=told
            ) as response:
                status: int = response.status
                wish = response.headers.get("Retry-After", "")
                body = await self._line.bounded(response)
        if status not in _LOGIN_STATUS:
            raise UnavailableError(
                Reason.UNAVAILABLE,
                f"login: HTTP {status}",
                retry_after_s=wait_s(wish, self._clock.now()),
            )
        return status, self.read(body)

    async def signed_in(self, call: Callable[[Pass], Awaitable[Reply]]) -> Reply:
        """Make a call with a token; once more with a new one when the peer does not take it."""
        given = await self.signed()
        try:
            reply = await call(given)
        except StaleError:
            self.forget(given)
            given = await self.signed()
            try:
                reply = await call(given)
            except StaleError as exc:
                self.forget(given)
                self._pause(_REFUSED_S)
                raise unreadable("a new token is not taken (HTTP 401)") from exc
        if self.settings.password and _not_our_pair(reply):
            return await self._with_another(given, call, reply)
        return reply

    async def _with_another(
        self, given: Pass, call: Callable[[Pass], Awaitable[Reply]], reply: Reply
    ) -> Reply:
        """Try the other secrets of a pair that was refused; the sign-in told nothing of them."""
        self._secret.refused(given.secret)
        for secret in self._secret.offered():
            if secret != given.secret:
                tried = replace(given, secret=secret)
                try:
                    reply = await call(tried)
                except StaleError as exc:
                    raise unreadable("the token is not taken any more") from exc
                if not _not_our_pair(reply):
                    self._secret.worked(secret)
                    self._pass = tried
                    break
        return reply

    # ------------------------------------------------------------ one call

    def asked(
        self, given: Pass, parameters: Mapping[str, str], *, paired: bool = False
    ) -> dict[str, str]:
        """Return what stands in the address: in the older form, who we are as well."""
        if self.settings.variant == "v1":
            return dict(parameters)
        pair = self.pair(given) if paired else {}
        return {"token": given.token, **parameters, **pair}

    def open(
        self,
        method: str,
        path: str,
        given: Pass | None,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        told: Mapping[str, Any] | None = None,
        data: AsyncIterator[bytes] | None = None,
    ) -> Any:
        """Return a request under way, to be entered; with a token it says who we are."""
        every = {"Accept": "application/json", **(headers or {})}
        if given is not None and self.settings.variant == "v1":
            every["Authorization"] = f"Bearer {given.token}"
            every[wire.SENDER_HEADER] = self.settings.system_id
            every[wire.SECRET_HEADER] = word(given.secret)
        url = f"{self.settings.endpoint.rstrip('/')}{path}"
        return self._line.request(method, url, headers=every, params=params, json=told, data=data)

    async def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, str] | None = None,
        paired: bool = False,
    ) -> Answer:
        """Make one small call and read its JSON answer."""
        operation = path.rpartition("/")[2]

        async def call(given: Pass) -> Reply:
            told = body
            if body is not None and self.settings.variant == "lgspedoc":
                told = {"token": given.token, **body, **self.pair(given)}
            params = (
                None if method == "POST" else self.asked(given, parameters or {}, paired=paired)
            )
            async with self.open(method, path, given, params=params, told=told) as response:
                return await self.reply(response)

        with heard_out(f"{operation}: no answer from the axis"):
            reply = await self.signed_in(call)
        if reply.status != 200:
            raise unreadable(f"{operation}: HTTP {reply.status}")
        return self.read(reply.body)

    async def reply(self, response: aiohttp.ClientResponse) -> Reply:
        """Return a small answer.

        Raises:
            StaleError: The token is not taken.
        """
        if response.status == NOT_SIGNED_IN:
            raise StaleError
        wish = response.headers.get("Retry-After", "")
        return Reply(response.status, wish, await self._line.bounded(response))

    def pair(self, given: Pass) -> dict[str, str]:
        """Return who we are, as the older form wants it."""
        return {"systemId": self.settings.system_id, "secretKey": word(given.secret)}

    def unsaid(self, text: str) -> str:
        """Return a peer's words without our secrets, which it may repeat: they are written down."""
        held = () if self._pass is None else (self._pass.token,)
        known = (*map(word, self._secret.offered()), self.settings.password)
        for secret in (*known, *held):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text

    def read(self, body: bytes) -> Answer:
        """Read a JSON answer; its words are without our secrets.

        Raises:
            UnavailableError: It is none.
        """
        answer = wire.read(body)
        return replace(answer, text=self.unsaid(answer.text))


def _not_our_pair(reply: Reply) -> bool:
    """Tell whether an answer is code 15 of rules C7: wrong SystemId or SecretKey."""
    try:
        return wire.read(reply.body).code == wire.WRONG_PAIR
    except UnavailableError:
        return False


def word(secret: bytes) -> str:
    """Return a secret as text."""
    return secret.decode("utf-8", "replace")


def _closed_way(endpoint: str) -> bool:
    """Tell whether nobody else can read what goes there: TLS, or this very machine."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
