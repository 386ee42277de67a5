"""A client of the Lạng Sơn axis as the recorded requests and its guide show it, in both forms.

Written from them and not on our client, so that a misreading there does not hide itself.
"""

import io
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    json: Any


@dataclass
class Kit:
    """One client.

    Args:
        session: Where it calls; its base address is the server's.
        system_id: Whose credentials.
        secret: As configured.
    """

    session: aiohttp.ClientSession
    system_id: str
    secret: str
    token: str = ""
    calls: list[Reply] = field(default_factory=list)

    async def call(self, method: str, path: str, **how: Any) -> Reply:
        async with self.session.request(method, path, **how) as response:
            body = await response.read()
            known = response.content_type == "application/json"
            reply = Reply(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                body,
                await response.json() if known else None,
            )
        self.calls.append(reply)
        return reply

    # ------------------------------------------------------------ /v1

    async def login(self, **changed: Any) -> Reply:
        told = {
            "username": self.system_id,
            "password": self.secret,
            "applicationCode": "APP",
            "otp": None,
            "twoFactorProvider": None,
            "typeObjs": [0, 1],
        }
        reply = await self.call(
            "POST", "/v1/auth/login?allow_anonymous=true", json={**told, **changed}
        )
        if reply.status == 200:
            self.token = reply.json["data"]["token"]
        return reply

    def headers(self, **changed: str | None) -> dict[str, str]:
        told: dict[str, str | None] = {
            "Authorization": f"Bearer {self.token}",
            "X-SystemId": self.system_id,
            "X-SecretKey": self.secret,
        }
        told |= {name.replace("_", "-"): value for name, value in changed.items()}
        return {name: value for name, value in told.items() if value is not None}

    async def send(
        self, file: bytes | None, kind: str = "edoc", *, form: Any = None, **headers: str | None
    ) -> Reply:
        if form is None:
            form = aiohttp.FormData(quote_fields=False)
            file = None if file is None else io.BytesIO(file)
            form.add_field("edocFile", file, filename="vb.edxml", content_type="application/xml")
            form.add_field("messageType", kind)
        return await self.call("POST", "/v1/sendEdoc", data=form, headers=self.headers(**headers))

    async def received(self, kind: str = "edoc", **asked: str) -> Reply:
        window = {"fromDate": "2026/11/15", "toDate": "2026/11/22", **asked}
        return await self.call(
            "GET",
            "/v1/syncReceivedEdocList",
            params={"messageType": kind, **window},
            headers=self.headers(),
        )

    async def get(self, doc_id: str, **headers: str | None) -> Reply:
        return await self.call(
            "GET", "/v1/getEdoc", params={"docId": doc_id}, headers=self.headers(**headers)
        )

    async def update(self, doc_id: str, status: str, **more: str) -> Reply:
        told = {"docId": doc_id, "status": status, **more}
        return await self.call("POST", "/v1/updateStatus", json=told, headers=self.headers())

    # ------------------------------------------------------------ /api/lgspedoc

    async def old_login(self) -> Reply:
        told = {
            "username": self.system_id,
            "password": self.secret,
            "applicationCode": "APP",
        }
        reply = await self.call("POST", "/api/lgspedoc/login", json=told)
        if reply.status == 200:
            self.token = reply.json["token"]
        return reply

    async def old_send(self, content: str, kind: str = "edoc", **changed: Any) -> Reply:
        told = {
            "token": self.token,
            "edocContent": content,
            "messageType": kind,
            "systemId": self.system_id,
            "secretKey": self.secret,
            "destOrgCode": "000.00.00.H01",
        }
        told = {name: value for name, value in {**told, **changed}.items() if value is not None}
        return await self.call("POST", "/api/lgspedoc/send-edoc", json=told)

    async def old_ask(self, operation: str, **asked: str | None) -> Reply:
        told = {"token": self.token, **asked}
        return await self.call(
            "GET",
            f"/api/lgspedoc/{operation}",
            params={name: value for name, value in told.items() if value is not None},
        )
