"""Forms come from our own pages: a token in each form, and what the browser says of its origin.

The token is derived from the visitor's own secret cookie, so nothing is kept for it; another site
can send a form with the visitor's cookies, but knows no token. Pure but for reading the request.
"""

import hashlib
import hmac
import secrets

from aiohttp import web

_LABEL = b"vanlien console form"


def new_secret() -> str:
    """Return a secret for the cookie of a visitor who is not signed in."""
    return secrets.token_urlsafe(32)


def token_of(secret: str) -> str:
    """Return the token of a visitor's forms."""
    # A cookie may hold what is no text at all.
    return hmac.new(secret.encode("utf-8", "surrogatepass"), _LABEL, hashlib.sha256).hexdigest()


def is_own(request: web.Request, expected: str, given: str) -> bool:
    """Tell whether a form came from one of our pages, sent by the visitor."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    # The scheme is not compared: TLS may end at a proxy in front of us, and a page of the same name
    # without TLS is `cross-site` to the browser.
    host = request.headers.get("Host", "")
    if site not in {"none", "same-origin"} or (origin and origin.partition("://")[2] != host):
        return False
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
