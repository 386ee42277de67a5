"""A provider of OpenID Connect that says what a test tells it to, on loopback.

The good one is Debian's (tests/world/servers/glewlwyd.py); this one lies where that one would not.
"""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey


class FakeProvider:
    """Its claims, its keys, and what it was asked."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.shown = [self.key]
        self.url = ""
        self.claims: dict[str, Any] = {}  # over the good ones; None takes one away
        self.user: dict[str, Any] = {}
        self.described: dict[str, Any] = {}
        self.sign: Any = None
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def go(self, url: str) -> dict[str, str]:
        """Be a person who agrees; return the query with which the browser comes back."""
        query = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def token(self, query: dict[str, str]) -> str:
        at = int(self.clock().timestamp())
        claims = {
            "iss": self.url, "aud": query["client_id"], "sub": "s-1", "exp": at + 300, "iat": at,
            "nonce": query["nonce"], "email": "Lan@danang.gov.vn", "email_verified": True,
        }  # fmt: skip
        claims = {k: v for k, v in (claims | self.claims).items() if v is not None}
        if self.sign is not None:
            return self.sign(claims)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    # ------------------------------------------------------------ its pages

    async def describe(self, _: web.Request) -> web.Response:
        self.asked.append("describe")
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/user",
        }
        return web.json_response(told | self.described)

    async def keys(self, _: web.Request) -> web.Response:
        self.asked.append("keys")
        return web.json_response({"keys": [k.as_dict(private=False) for k in self.shown]})

    async def give(self, request: web.Request) -> web.Response:
        form = await request.post()
        query = self.codes.pop(str(form.get("code")), None)
        verifier = str(form.get("code_verifier", ""))
        if query is None or challenge_of(verifier) != query["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": self.token(query), "access_token": "a"})

    async def tell(self, _: web.Request) -> web.Response:
        return web.json_response(self.user)


def challenge_of(verifier: str) -> str:
    import hashlib

    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token of the algorithm `none`."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


@asynccontextmanager
async def fake_provider(clock: Any) -> AsyncIterator[FakeProvider]:
    """Serve one."""
    made = FakeProvider(clock)
    app = web.Application()
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", made.describe),
            web.get("/keys", made.keys),
            web.post("/token", made.give),
            web.get("/user", made.tell),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def now_of(at: datetime) -> Any:
    """Return a clock that stands."""
    return lambda: at
