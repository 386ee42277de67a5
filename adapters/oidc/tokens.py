"""What must be true of a provider's ID token before anybody is let in. Pure but for the library.

Order of the checks: (1) signed by a key of the provider, with a public-key algorithm (so neither
`none` nor a key known to both sides counts); (2) issued by it, for us alone or with us as the party
it is for; (3) fresh; (4) an answer to the very question this browser was sent with (nonce).
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS: Final = (
    "RS256",
    "PS256",
    "ES256",
    "RS384",
    "ES384",
    "PS384",
    "RS512",
    "PS512",
    "EdDSA",
)
SKEW_S: Final = 60
_MOST_OLD_S: Final = 600


class TokenError(Exception):
    """A token is not what it must be; the text says which check failed, with no content of it."""


class UnknownKeyError(TokenError):
    """It names a key the provider did not show us: the keys may have changed."""


def checked(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of an ID token.

    Raises:
        TokenError: Anything about it is wrong.
    """
    claims = _signed(token, keys)  # (1)
    if claims.get("iss") != issuer:  # (2)
        raise TokenError("issuer")
    audience = claims.get("aud")
    meant = [audience] if isinstance(audience, str) else audience
    if not isinstance(meant, list) or client_id not in meant:
        raise TokenError("audience")
    if claims.get("azp", client_id) != client_id or (len(meant) > 1 and "azp" not in claims):
        raise TokenError("authorized party")
    at = now.timestamp()  # (3)
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if expires + SKEW_S <= at or issued - SKEW_S > at or issued + _MOST_OLD_S < at:
        raise TokenError("time")
    if "nbf" in claims and _time(claims, "nbf") - SKEW_S > at:
        raise TokenError("time")
    given = claims.get("nonce")  # (4)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise TokenError("nonce")
    if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
        raise TokenError("subject")
    return claims


def _signed(token: str, keys: KeySet) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError) as exc:
        # A key that is not in the set is told as a key that cannot be found.
        lost = "key" in type(exc).__name__.lower() or "key" in str(exc).lower()
        raise (UnknownKeyError("key") if lost else TokenError("signature")) from exc


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(name)
    return float(value)
