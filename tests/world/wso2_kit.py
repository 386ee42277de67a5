"""A client of a provincial axis behind a WSO2 gateway, as generators made them, byte by byte.

Written from what public code shows (curl for the token, one method for each call, `secretDonVi` as
second credential) and not from our wire module, so that a misreading there does not hide itself.
"""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

from tests.world.vxp_kit import Reply, exchange

BASE = "/truclienthong/v1.0.0"
UNIT = "ffc9f7158d72f32e0a0399ec3c2b3598"


def basic(system_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{system_id}:{secret}".encode()).decode()


def gson(text: str) -> str:
    """Write a JSON text as Java's Gson does, with `=` as an escape."""
    return json.dumps(text).replace("=", "\\u003d")


class Kit:
    """One application subscribed to the API.

    Args:
        port: Of the server on loopback.
        system_id: Consumer key.
        secret: Consumer secret.
        base: Path of the API.
    """

    def __init__(self, port: int, system_id: str, secret: str, base: str = BASE) -> None:
        self.port, self.system_id, self.secret, self.base = port, system_id, secret, base
        self.token = ""

    async def ask_token(
        self,
        body: str = "grant_type=client_credentials",
        authorization: str | None = None,
        path: str = "/token",
        content_type: str = "application/x-www-form-urlencoded",
    ) -> Reply:
        told = basic(self.system_id, self.secret) if authorization is None else authorization
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body.encode())))]
        if told:
            headers.append(("Authorization", told))
        return await exchange(self.port, "POST", path, headers, body.encode())

    async def signed_in(self) -> "Kit":
        self.token = (await self.ask_token()).json["access_token"]
        return self

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        *,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Reply:
        sent: dict[str, str] = {"Accept": "application/json", "secretDonVi": UNIT}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            sent |= {"Content-Type": content_type, "Content-Length": str(len(body))}
        sent |= headers or {}
        asked = f"?{urlencode(query)}" if query else ""
        path = f"{self.base}{path}{asked}"
        return await exchange(self.port, method, path, [*sent.items()], body or b"")

    async def send(self, file: bytes, kind: str = "edoc", form: str = "text", **how: Any) -> Reply:
        """POST vanbans in one of the forms a generator may have chosen."""
        text = base64.b64encode(file).decode()
        match form:
            case "text":  # a body parameter of type string, the kind beside it
                return await self.call(
                    "POST", "/vanbans", gson(text).encode(), loaiVanBan=kind, **how
                )
            case "text-header":
                told = {"loaiVanBan": kind} | how.pop("headers", {})
                return await self.call("POST", "/vanbans", gson(text).encode(), headers=told, **how)
            case "object":
                body = json.dumps({"loaiVanBan": kind, "base64": text}).encode()
                return await self.call("POST", "/vanbans", body, **how)
            case "object-last":  # the kind behind the packet
                body = json.dumps({"data": text, "loaiVanBan": kind}).encode()
                return await self.call("POST", "/vanbans", body, **how)
            case "nested":
                body = json.dumps({"vanban": {"fileContent": text, "loaiVanBan": kind}}).encode()
                return await self.call("POST", "/vanbans", body, **how)
            case "form":
                body = urlencode({"base64Encode": text, "loaiVanBan": kind}).encode()
                return await self.call("POST", "/vanbans", body, FORM, **how)
            case "form-careless":  # `+` and `/` of the base64 as they are
                body = f"loaiVanBan={kind}&data={text}".encode()
                return await self.call("POST", "/vanbans", body, FORM, **how)
            case "lines":  # as `base64` of the command line writes it
                body = base64.encodebytes(file)
                return await self.call(
                    "POST", "/vanbans", body, "text/plain", loaiVanBan=kind, **how
                )
            case "raw":
                return await self.call(
                    "POST",
                    "/vanbans",
                    file,
                    "application/xml; charset=utf-8",
                    loaiVanBan=kind,
                    **how,
                )
        raise AssertionError(form)

    async def listed(self, **query: str) -> list[dict[str, str]]:
        return (await self.call("GET", "/vanbans", **query)).json["data"]

    async def get(self, doc_id: str, **how: Any) -> Reply:
        return await self.call("GET", f"/vanbans/{quote(doc_id, safe='')}", **how)

    async def put(self, doc_id: str, status: str, **how: Any) -> Reply:
        return await self.call("PUT", f"/vanbans/{quote(doc_id, safe='')}", status=status, **how)


FORM = "application/x-www-form-urlencoded"
FORMS = (
    *("text", "text-header", "object", "object-last", "nested"),
    *("form", "form-careless", "lines", "raw"),
)
