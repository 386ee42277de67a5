"""Short-lived tokens of callers that sign in first: `Tokens` without a table.

Promises: a token says whose it is, what for and until when, under a key derived from the key file,
so every node knows it and a restart forgets none; it dies with the secret it was given for and with
the system. Nothing is stored: a crash leaves nothing, and nobody can steal tokens from the ledger.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.ports import Caller, Callers

_PURPOSE: Final = b"vanlien caller token v1"
_LONGEST: Final = 1024
_MAC_BYTES: Final = 32


class SealedTokens:
    """See `ports.Tokens`.

    Args:
        keys: The keys that protect shared secrets, the present one first.
        callers: Who is known, with their secrets.
        now: The time.
    """

    def __init__(
        self,
        keys: Callable[[], Sequence[bytes]],
        callers: Callers,
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._callers = callers
        self._now = now

    def issue(self, system_id: str, secret: bytes, *, audience: str, ttl: timedelta) -> str:
        """Return a new token for a system that has shown one of its secrets."""
        ends = int((self._now() + ttl).timestamp())
        key = _derived(self._keys()[0])
        told = {"s": system_id, "a": audience, "e": ends, "p": _print(key, secret)}
        body = json.dumps(told, separators=(",", ":")).encode()
        return _text(_mac(key, body) + body)

    def check(self, token: str, *, audience: str) -> Caller | None:
        """Return whose token it is; None when unknown, expired, or its secret is no longer good."""
        opened = self._opened(token)
        if opened is None:
            return None
        key, told = opened
        if told["a"] != audience or told["e"] <= self._now().timestamp():
            return None
        known = self._callers.shared_secrets(told["s"])
        if known is None:
            return None
        caller, secrets = known
        given_for = told["p"]
        good = [hmac.compare_digest(_print(key, secret), given_for) for secret in secrets]
        return caller if any(good) else None

    def _opened(self, token: str) -> tuple[bytes, dict[str, Any]] | None:
        """Return the key a token was made under and what it says, None when it is not ours."""
        if len(token) > _LONGEST:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        if _text(raw) != token:  # other spellings of the same bytes are nobody's token
            return None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        for key in map(_derived, self._keys()):
            if hmac.compare_digest(mac, _mac(key, body)):
                told: dict[str, Any] = json.loads(body)
                return key, told
        return None


def _text(raw: bytes) -> str:
    """Return a token as it stands in a header."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@functools.lru_cache(maxsize=8)
def _derived(key: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=_PURPOSE).derive(key)


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"token\x00" + body, hashlib.sha256)


def _print(key: bytes, secret: bytes) -> str:
    """Return what a token remembers of the secret it was given for."""
    return hmac.new(key, b"secret\x00" + secret, hashlib.sha256).hexdigest()[:32]
