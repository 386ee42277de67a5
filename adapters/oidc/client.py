"""OpenID Connect: authorization code with PKCE, ID token checked, keys cached and renewed.

Promises: only https, or loopback, is ever asked, and no redirect is followed; a browser brings back
the state, nonce and verifier that it was sent with, once; nothing a provider says is believed
before its ID token was checked (`tokens.py`); a mail address counts only when the provider calls
it verified. Keeps the provider's description and keys in memory, and which states were used; a
restart forgets them, the provider's codes are good once anyhow.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from adapters.oidc.tokens import TokenError, UnknownKeyError, checked
from gateway import observe
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports.accounts import Identity
from gateway.ports.single import Leaving

_TICKET_AGE: Final = timedelta(minutes=10)
_DESCRIPTION_AGE: Final = timedelta(hours=1)
_KEYS_AGAIN: Final = timedelta(minutes=1)
_PATIENCE: Final = timedelta(seconds=5)
_MOST_BYTES: Final = 1 << 20
_MOST_USED: Final = 10_000
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=5)
# RFC 8176: what a provider says of how somebody proved to be somebody.
_STRONG: Final = frozenset({"mfa"})


@dataclass(frozen=True, slots=True)
class Provider:
    """The operator's choices.

    Args:
        name: What the button is called.
        issuer: The provider, as it calls itself.
        client_id: Our name there.
        redirect: Where it sends browsers back: `…/console/sign-in/back` of this gateway.
        secret: Our secret there, read anew for each use; "" for a public client.
        tls: How its certificate is checked; None: by the system's authorities.
        scopes: What is asked for.
    """

    name: str
    issuer: str
    client_id: str
    redirect: str
    secret: Callable[[], str] = field(repr=False)
    tls: SSLContext | None = None
    scopes: str = "openid email profile"


@dataclass(slots=True)
class _Known:
    """What the provider told of itself, and when."""

    description: Mapping[str, Any]
    keys: KeySet
    at: datetime


class OidcSignOn:
    """See `ports.single.SingleSignOn`.

    Args:
        provider: The operator's choices.
        now: Time, aware.
    """

    def __init__(self, provider: Provider, now: Callable[[], datetime]) -> None:
        self._provider = provider
        self._now = now
        self._known: _Known | None = None
        self._used: dict[str, datetime] = {}
        self._asking = asyncio.Lock()
        self._away_at: datetime | None = None

    @property
    def name(self) -> str:
        """Return what the button is called."""
        return self._provider.name

    # ------------------------------------------------------------ going

    async def begin(self) -> Leaving:
        """Begin."""
        known = await self._described()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._provider.redirect,
            "scope": self._provider.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        place = self._endpoint(known, "authorization_endpoint")
        told = json.dumps([state, nonce, verifier, self._now().timestamp()])
        ticket = base64.urlsafe_b64encode(told.encode()).decode()
        return Leaving(f"{place}{'&' if '?' in place else '?'}{urlencode(query)}", ticket)

    # ------------------------------------------------------------ coming back

    async def finish(self, ticket: str, answer: Mapping[str, str]) -> Identity:
        """Return whom the provider vouches for."""
        state, nonce, verifier = self._opened(ticket)
        if not hmac.compare_digest(state.encode(), answer.get("state", "").encode()):
            raise _refused("state")
        self._use(state)
        if answer.get("iss", self._provider.issuer) != self._provider.issuer:
            raise _refused("issuer of the answer")  # RFC 9207
        if not answer.get("code"):
            raise _refused("no code")  # also: the person said no
        known = await self._described()
        given = await self._exchanged(known, answer["code"], verifier)
        claims = await self._claims(known, str(given.get("id_token", "")), nonce)
        if "email" not in claims and given.get("access_token"):
            claims = await self._more(known, claims, str(given["access_token"]))
        return self._identity(claims)

    def _opened(self, ticket: str) -> tuple[str, str, str]:
        try:
            state, nonce, verifier, at = json.loads(base64.urlsafe_b64decode(ticket.encode()))
            age = self._now().timestamp() - float(at)
        except (ValueError, TypeError, OverflowError, RecursionError) as exc:
            raise _refused("ticket") from exc
        if not 0 <= age <= _TICKET_AGE.total_seconds():
            raise _refused("age of the ticket")
        return str(state), str(nonce), str(verifier)

    def _use(self, state: str) -> None:
        """Refuse what came back before; what is too old anyhow is forgotten."""
        now = self._now()
        if state in self._used:
            raise _refused("state used before")
        if len(self._used) >= _MOST_USED:
            self._used = {k: at for k, at in self._used.items() if now - at < _TICKET_AGE}
        self._used[state] = now

    async def _exchanged(self, known: _Known, code: str, verifier: str) -> Mapping[str, Any]:
        provider, secret = self._provider, self._provider.secret()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": provider.redirect,
            "code_verifier": verifier,
        }
        headers = {}
        ways = known.description.get("token_endpoint_auth_methods_supported")
        if secret and (not isinstance(ways, list) or "client_secret_basic" in ways):
            pair = f"{_quoted(provider.client_id)}:{_quoted(secret)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            form["client_id"] = provider.client_id
            if secret:
                form["client_secret"] = secret
        place = self._endpoint(known, "token_endpoint")
        return await self._asked("POST", place, data=form, headers=headers)

    async def _claims(self, known: _Known, token: str, nonce: str) -> Mapping[str, Any]:
        provider = self._provider
        for last in (False, True):
            try:
                return checked(
                    token,
                    known.keys,
                    issuer=provider.issuer,
                    client_id=provider.client_id,
                    nonce=nonce,
                    now=self._now(),
                )
            except UnknownKeyError as exc:
                if last or self._now() - known.at < _KEYS_AGAIN:
                    raise _refused(str(exc)) from exc
                known = await self._described(anew=True)  # the provider changed its keys
            except TokenError as exc:
                raise _refused(str(exc)) from exc
        raise AssertionError

    async def _more(
        self, known: _Known, claims: Mapping[str, Any], access: str
    ) -> Mapping[str, Any]:
        """Return the claims with those the provider tells only when asked."""
        if not known.description.get("userinfo_endpoint"):
            return claims
        place = self._endpoint(known, "userinfo_endpoint")
        found = await self._asked("GET", place, headers={"Authorization": f"Bearer {access}"})
        # OpenID Connect Core 5.3.2: of another subject, nothing of it may be used.
        if found.get("sub") != claims["sub"]:
            raise _refused("subject of the further claims")
        # An address and the word that it was verified come from one place, never one from each.
        mail = {name: found.get(name) for name in ("email", "email_verified")}
        return {**found, **claims, **mail}

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        mail, methods = claims.get("email"), claims.get("amr")
        verified = claims.get("email_verified") is True and isinstance(mail, str)
        return Identity(
            issuer=self._provider.issuer,
            subject=claims["sub"],
            mail=str(mail).strip().casefold() if verified else "",
            name=str(claims.get("name", ""))[:200],
            strong=isinstance(methods, list) and not _STRONG.isdisjoint(map(str, methods)),
        )

    # ------------------------------------------------------------ the provider

    async def _described(self, *, anew: bool = False) -> _Known:
        """Return what the provider tells of itself, asked by one of us at a time.

        Anybody may press the button: a provider that is away is not asked again at once.
        """
        async with self._asking:
            known, now = self._known, self._now()
            if known is not None and now - known.at < (_KEYS_AGAIN if anew else _DESCRIPTION_AGE):
                return known
            if self._away_at is not None and now - self._away_at < _PATIENCE:
                raise _unavailable("it was away a moment ago")
            try:
                self._known = made = await self._told(now)
            except UnavailableError:
                self._away_at = now
                raise
            return made

    async def _told(self, now: datetime) -> _Known:
        issuer = self._provider.issuer
        place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._asked("GET", place)
        if found.get("issuer") != issuer:
            raise _unavailable("it calls itself otherwise than the settings")
        made = _Known(found, KeySet([]), now)
        try:
            shown = await self._asked("GET", self._endpoint(made, "jwks_uri"))
            made.keys = KeySet.import_key_set(dict(shown))  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise _unavailable("its keys cannot be read") from exc
        return made

    @staticmethod
    def _endpoint(known: _Known, name: str) -> str:
        place = known.description.get(name)
        if not isinstance(place, str) or not may_ask(place):
            raise _unavailable(f"its {name} is no https address")
        return place

    async def _asked(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:
        if not may_ask(url):
            raise _unavailable("no https address")
        tls: SSLContext | bool = self._provider.tls or True
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session,
                session.request(method, url, ssl=tls, allow_redirects=False, **options) as answer,
            ):
                body = await answer.content.read(_MOST_BYTES + 1)
                while len(body) <= _MOST_BYTES and not answer.content.at_eof():
                    body += await answer.content.read(_MOST_BYTES + 1 - len(body))
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _unavailable(type(exc).__name__) from exc
        if 400 <= answer.status < 500 and method == "POST":
            raise _refused("code")  # used before, or not ours
        try:
            found = json.loads(body) if answer.status == 200 else None
        except ValueError as exc:
            raise _unavailable("no JSON") from exc
        if not isinstance(found, dict) or len(body) > _MOST_BYTES:
            raise _unavailable(f"status {answer.status}")
        return found


def may_ask(url: str) -> bool:
    """Return whether an address is https, or of this very machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_local(host)))


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _quoted(text: str) -> str:
    """Return a name or secret as RFC 6749 2.3.1 wants it before it is made Basic."""
    return urlencode({"": text})[1:]


def _refused(check: str) -> RejectedError:
    observe.single_sign_on_failed(check=check)
    return RejectedError(Reason.UNAUTHENTICATED, "single sign-on failed")


def _unavailable(why: str) -> UnavailableError:
    observe.single_sign_on_failed(check=why)
    return UnavailableError(Reason.UNAVAILABLE, "the provider of single sign-on does not answer")
