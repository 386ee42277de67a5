"""Who calls: login, token, and the pair of system id and secret key that goes with every call.

Promises: secrets are compared in the same time whatever is wrong, and are neither logged, echoed
nor kept; guessing is slowed for the one system from the one address that guesses, and the right
secret always opens, so nobody is locked out; a secret in an address is taken, because an old client
knows no other way, and operations see whose it is. What is remembered lies in memory: a crash
forgets who guessed, and who sends secrets in addresses until he does it again.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from adapters.langson import wire
from adapters.shared.serving import admitted
from adapters.shared.signins import SignIns
from gateway import observe
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Caller, Callers, Clock, Tokens

_LONGEST: Final = 512
_SECRET_NAMES: Final = frozenset({"token", "secretkey", "password"})
_CLEAN_FOR: Final = timedelta(days=1)


class NoTokenError(RejectedError):
    """There is no token, or none that is good: the client signs in again."""

    def __init__(self) -> None:
        super().__init__(
            Reason.UNAUTHENTICATED,
            "no token, or it has ended or was replaced: sign in again; in a long JSON body the "
            "token stands before edocContent, or in the header Authorization",
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a call says of who it is; "" where it says nothing."""

    token: str = ""
    system_id: str = ""
    secret: str = ""

    @property
    def paired(self) -> bool:
        """Tell whether system id or secret key are given."""
        return bool(self.system_id or self.secret)


def told_by(request: web.Request, members: Mapping[str, str] | None = None) -> Told:
    """Return a call's credentials: from its headers, else its body's members, else its address."""
    inside = {name.lower(): value for name, value in (members or {}).items()}
    asked = queried(request)

    def first(header: str, name: str) -> str:
        given = request.headers.get(header, "") or inside.get(name, "") or asked.get(name, "")
        return given.strip()

    kind, _, bearer = request.headers.get("Authorization", "").strip().partition(" ")
    token = bearer.strip() if kind.lower() == "bearer" else "" if bearer else kind
    return Told(
        token or inside.get("token", "").strip() or asked.get("token", "").strip(),
        first(wire.SENDER_HEADER, "systemid"),
        first(wire.SECRET_HEADER, "secretkey"),
    )


def queried(request: web.Request) -> dict[str, str]:
    """Return what the address asks, by lower-case names; the first where one stands twice."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        found.setdefault(name.lower(), value)
    return found


@dataclass(slots=True)
class AddressWatch:
    """Whose secrets stand in addresses: a standing warning each, until a day without has passed."""

    _seen: dict[str, datetime] = field(default_factory=dict)

    def saw(self, system_id: str, now: datetime, *, secret: bool) -> None:
        """Note a call of a known system, and whether its address had a secret in it."""
        last = self._seen.get(system_id)
        if secret:
            if last is None:
                observe.standing_warning(what=f"secret_in_address:{system_id}", active=True)
            self._seen[system_id] = now
        elif last is not None and now - last >= _CLEAN_FOR:
            del self._seen[system_id]
            observe.standing_warning(what=f"secret_in_address:{system_id}", active=False)


class Reception:
    """Signs callers in and knows them again."""

    def __init__(self, callers: Callers, tokens: Tokens, clock: Clock) -> None:
        self._callers = callers
        self._tokens = tokens
        self._clock = clock
        self._failures = SignIns(clock.now, f"{wire.AUDIENCE}/login")
        self._watch = AddressWatch()

    def sign_in(self, request: web.Request, members: Mapping[str, str]) -> tuple[Caller, str]:
        """Return the caller behind username and password, and a new token.

        Raises:
            RejectedError: UNAUTHENTICATED, one text for all that may be wrong.
            UnavailableError: OVERLOADED, after too many failures.
        """
        inside = {name.lower(): value for name, value in members.items()}
        asked = queried(request)
        username = (inside.get("username", "") or asked.get("username", "")).strip()
        password = inside.get("password", "") or asked.get("password", "")
        caller, secret = self._known(request, username, password)
        self._note(request, caller)
        token = self._tokens.issue(
            caller.system_id, secret, audience=wire.AUDIENCE, ttl=wire.TOKEN_TTL
        )
        return caller, token

    def caller_of(self, request: web.Request, members: Mapping[str, str] | None = None) -> Caller:
        """Return who calls.

        The token says that somebody signed in; system id and secret key, where given, say who it
        is now (one account signs in for several systems), else the token's own system is meant.

        Raises:
            NoTokenError: No token, or none that is good.
            RejectedError: UNAUTHENTICATED, the pair is wrong.
            UnavailableError: OVERLOADED, after too many failures.
        """
        told = told_by(request, members)
        caller = self._tokens.check(told.token, audience=wire.AUDIENCE) if told.token else None
        if caller is None:
            raise NoTokenError
        if told.paired and not (told.system_id == caller.system_id and not told.secret):
            caller, _ = self._known(request, told.system_id, told.secret)
        self._note(request, caller)
        return admitted(request, caller)

    def _known(self, request: web.Request, system_id: str, given: str) -> tuple[Caller, bytes]:
        """Return the caller whose secret was given, and the secret."""
        known = self._callers.shared_secrets(system_id) if len(system_id) <= _LONGEST else None
        caller, secrets = known or (None, (b"unknown system",))
        offered = given.encode("utf-8", "replace")
        good = [secret for secret in secrets if hmac.compare_digest(secret, offered)]
        if caller is not None and good:
            self._failures.succeeded(system_id, request.remote)
            return caller, good[0]
        wait_s = self._failures.failed(system_id, request.remote)
        if wait_s:
            raise UnavailableError(
                Reason.OVERLOADED,
                "too many wrong secrets for this system from this address: wait",
                retry_after_s=wait_s,
            )
        raise RejectedError(
            Reason.UNAUTHENTICATED, "system id unknown or secret key wrong (SystemId/SecretKey)"
        )

    def _note(self, request: web.Request, caller: Caller) -> None:
        secret = any(value and name in _SECRET_NAMES for name, value in queried(request).items())
        self._watch.saw(caller.system_id, self._clock.now(), secret=secret)
