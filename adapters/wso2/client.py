"""Our side of a provincial axis behind a WSO2 gateway: signs in, hands over, lists, fetches.

Promises: all calls share one token, fetched once, renewed before it ends and once more when the
gateway does not take it; a parcel is streamed, so memory does not grow with it; delivering never
raises for what the peer does; "empty" and "unreadable" are different answers; a lost answer after
sending is Busy, because doubt means send again (the receiver drops duplicates); "not now" is
obeyed. Secrets and tokens stand in headers only, are never logged nor shown. A crash leaves nothing
behind here: attempts and outcomes are the caller's rows.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from yarl import URL

from adapters.shared.carrying import AHEAD, handed_over, packet_within
from adapters.shared.connecting import Line, PeerTime, heard_out
from adapters.shared.dates import date_text
from adapters.shared.inline import encoded
from adapters.shared.jsonanswers import Answer, encode, packet_inside, rows
from adapters.shared.oauth import Bearer
from adapters.shared.upload import Upload, shared
from adapters.shared.values import ascii_only, text_of, unreadable, wait_s
from adapters.wso2 import wire
from gateway.errors import UnavailableError
from gateway.ports import (
    AgencyRow,
    Busy,
    Clock,
    Listed,
    MessageKind,
    Outcome,
    Parcel,
    Refused,
    SharedSecret,
    Taken,
)

_USER_AGENT: Final = "vanlien"


@dataclass(frozen=True, slots=True)
class Wso2Settings:
    """What an axis connection needs besides the secret.

    Args:
        name: Name of the peer in our routes and logs.
        endpoint: Address of the API with its base path; without a path, the one that was seen.
        system_id: Client id (consumer key) given at registration.
        token_endpoint: Where to sign in; "" = `/token` of the same server.
        unit_secret: `secretDonVi`, where the axis wants one; "" = none.
        variant: How a packet is written: a JSON object, a JSON text, or a form.
        connect_s: Longest wait for a connection.
        silence_s: Longest silence of the peer while data should flow.
        max_answer_bytes: Largest JSON answer, catalogue included.
        max_packet_bytes: Largest packet fetched.
        connections: Most connections at once.
    """

    name: str
    endpoint: str
    system_id: str
    token_endpoint: str = ""
    unit_secret: str = field(default="", repr=False)
    variant: wire.Variant = "object"
    connect_s: float = 10.0
    silence_s: float = 60.0
    max_answer_bytes: int = 64 * 1024 * 1024
    max_packet_bytes: int = 512 * 1024 * 1024
    connections: int = 10

    @property
    def base(self) -> str:
        """Return the address before the resources."""
        address = self.endpoint.rstrip("/")
        return address if urlsplit(address).path else address + wire.BASE

    @property
    def signs_in_at(self) -> str:
        """Return the address of the token endpoint."""
        parts = urlsplit(self.endpoint)
        return self.token_endpoint or f"{parts.scheme}://{parts.netloc}{wire.TOKEN_PATHS[0]}"


class Wso2Adapter:
    """The Adapter to one axis (trục liên thông của tỉnh) behind a WSO2 gateway.

    Args:
        settings: Where and how.
        secret: Client secret; where it may be replaced, what tells which to try.
        clock: Tells when tokens end.
        ssl_context: Our trust, and our own certificate where the gateway asks for one; None = the
            system's trust.
    """

    def __init__(
        self,
        settings: Wso2Settings,
        secret: bytes | SharedSecret,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self.time = PeerTime(clock.now)
        self._line = Line(settings, self.time, ssl_context, tokens_to=settings.base)
        self._bearer = Bearer(settings.system_id, shared(secret), self._sign_in, clock.now)

    def __repr__(self) -> str:
        return f"Wso2Adapter({self.name!r}, {self._settings.endpoint!r})"

    async def close(self) -> None:
        """Close the connections and forget the token; the adapter may be used again afterwards."""
        await self._bearer.close()
        await self._line.close()

    # ------------------------------------------------------------ delivering

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over (POST vanbans).

        Raises:
            IntegrityError: The parcel's bytes are not those its hash and size name (and whatever
                else `parcel.open` raises).
        """

        async def send(fresh: Callable[[], Upload]) -> Outcome:
            for last in (False, True):
                token = await self._bearer.token()
                status, wish, body = await self._send(parcel, fresh(), token)
                if status != 401 or last:
                    break
                self._bearer.refused(token)
            return _outcome(status, body, self._wait_s(wish, body))

        return await handed_over(parcel, deadline - self._clock.now(), send)

    async def _send(self, parcel: Parcel, upload: Upload, token: str) -> tuple[int, str, bytes]:
        content_type, before, after = _around(self._settings.variant, parcel.kind)

        async def text() -> AsyncIterator[bytes]:
            yield before
            async for chunk in encoded(upload.chunks()):
                yield _escaped(chunk) if self._settings.variant == "form" else chunk
            yield after

        headers = {"Content-Type": content_type}
        if self._settings.variant != "form":  # the length of a form is known when it is written
            size = len(before) + (parcel.size_bytes + 2) // 3 * 4 + len(after)
            headers["Content-Length"] = str(size)
        query = {wire.KIND[0]: parcel.kind}
        async with self._open(
            "POST", "/vanbans", token, query=query, headers=headers, data=text()
        ) as response:
            wish = response.headers.get("Retry-After", "")
            return response.status, wish, await self._line.bounded(response)

    # ------------------------------------------------------------ collecting

    async def listing(
        self, kind: MessageKind, *, since: datetime | None = None
    ) -> Sequence[Listed]:
        """Return what waits for us there, each item once; with `since`, by window of dates.

        Raises:
            UnavailableError: No answer, or none that can be read; never an empty list instead.
        """
        query: dict[str, str] = {wire.KIND[0]: kind}
        if since is not None:
            query[wire.SINCE[0]] = date_text(since)
            query[wire.UNTIL[0]] = date_text(self._clock.now() + AHEAD)
        table = rows(await self._ask("GET", "/vanbans", query))
        found: dict[str, Listed] = {}
        named = 0
        for row in table:
            named += bool(text_of(row, "docId", "DocId", "docid"))
            item = wire.listed_of(row, kind)
            if item is not None and (since is not None or not wire.is_settled(item)):
                found.setdefault(item.peer_doc_id, item)
        if table and not named:
            raise unreadable("no row of the list has a docId")
        return tuple(found.values())

    def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; after an error what was yielded is void.

        Raises:
            UnavailableError: Not there, cut off, unreadable, or no packet.
            RejectedError: TOO_LARGE: it never will be ours.
        """
        return packet_within(self._packet(item.peer_doc_id), self._settings.max_packet_bytes)

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that the item is ours, or unusable and why (ASCII: the axis wants it so).

        Raises:
            UnavailableError: The peer did not confirm; the item may be listed again.
        """
        status = wire.DONE if done else wire.FAIL
        told = {"docId": item.peer_doc_id, wire.STATUS[0]: status}
        if not done:
            told[wire.NOTE[0]] = ascii_only(note) or "khong doc duoc goi tin"
        path = f"/vanbans/{wire.path_of(item.peer_doc_id)}"
        answer = await self._ask("PUT", path, {wire.STATUS[0]: status}, encode(told))
        if not answer.ok:
            raise unreadable(f"the acknowledgement is answered {answer.words}")

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the axis's catalogue.

        Raises:
            UnavailableError: No answer, or none that can be read.
        """
        return wire.agencies_of(rows(await self._ask("GET", "/donvilienthongs", {})))

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer, or not to our credentials."""
        rows(await self._ask("GET", "/vanbans", {wire.KIND[0]: "status"}))

    # ------------------------------------------------------------ one call

    async def _sign_in(self, headers: Mapping[str, str], data: bytes) -> tuple[int, str, bytes]:
        """Post to the token endpoint."""
        every = {"User-Agent": _USER_AGENT, **headers}
        url = URL(self._settings.signs_in_at)
        with heard_out("no answer from the token endpoint"):
            async with self._line.request("POST", url, headers=every, data=data) as response:
                wish = response.headers.get("Retry-After", "")
                return response.status, wish, await self._line.bounded(response)

    def _open(
        self,
        method: str,
        path: str,
        token: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
    ) -> Any:
        every = {
            "Accept": wire.JSON_TYPE,
            "User-Agent": _USER_AGENT,
            **(headers or {}),
            "Authorization": f"Bearer {token}",
        }
        if self._settings.unit_secret:
            every[wire.UNIT_SECRET] = self._settings.unit_secret
        # The path holds a peer's own words, quoted: they stay as they are.
        url = URL(f"{self._settings.base}{path}", encoded=True).with_query(query or {})
        return self._line.request(method, url, headers=every, data=data)

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], data: bytes | None = None
    ) -> Answer:
        """Make one small call and read its JSON answer."""
        headers = {} if data is None else {"Content-Type": wire.JSON_TYPE}
        what = f"{method} {path.split('/')[1]}"
        status, body, wish = 0, b"", ""
        with heard_out(f"{what}: no answer from the axis"):
            for last in (False, True):
                token = await self._bearer.token()
                async with self._open(
                    method, path, token, query=query, headers=headers, data=data
                ) as response:
                    body = await self._line.bounded(response)
                    status, wish = response.status, response.headers.get("Retry-After", "")
                if status != 401 or last:
                    break
                self._bearer.refused(token)
        if not _is_good(status):
            raise self._not_ok(what, status, self._wait_s(wish, body))
        return wire.read(body)

    async def _packet(self, doc_id: str) -> AsyncGenerator[bytes, None]:
        """Stream a packet; its base64 is decoded while it arrives."""
        path = f"/vanbans/{wire.path_of(doc_id)}"
        with heard_out("the packet was cut off"):
            for last in (False, True):
                token = await self._bearer.token()
                async with self._open("GET", path, token) as response:
                    if response.status == 401 and not last:
                        self._bearer.refused(token)
                        continue
                    if response.status != 200:
                        wish = response.headers.get("Retry-After", "")
                        raise self._not_ok("GET vanbans", response.status, self._wait_s(wish, b""))
                    async for chunk in packet_inside(response.content.iter_any(), wire.check):
                        yield chunk
                    return

    def _wait_s(self, header: str, body: bytes) -> float | None:
        now = self._clock.now()
        told = wait_s(header, now) if header else None
        return wire.next_access_s(body, now) if told is None else told

    @staticmethod
    def _not_ok(what: str, status: int, wish_s: float | None) -> UnavailableError:
        error = unreadable(f"{what}: HTTP {status}")
        return UnavailableError(error.reason, error.public, retry_after_s=wish_s)


def _around(variant: wire.Variant, kind: MessageKind) -> tuple[str, bytes, bytes]:
    """Return the type of a body and what stands before and after the base64 in it."""
    match variant:
        case "object":
            before, after = encode({wire.KIND[0]: kind, wire.PACKET[0]: "|"}).split(b"|")
            return wire.JSON_TYPE, before, after
        case "text":
            return wire.JSON_TYPE, b'"', b'"'
        case "form":
            before = f"{wire.KIND[0]}={kind}&{wire.PACKET[0]}=".encode()
            return "application/x-www-form-urlencoded", before, b""


def _escaped(text: bytes) -> bytes:
    """Return base64 as a form carries it."""
    return text.replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")


def _is_good(status: int) -> bool:
    """Tell whether HTTP says yes: 200 was seen, 201 and 202 are what such an API may well say."""
    return 200 <= status < 300


def _outcome(status: int, body: bytes, wish_s: float | None) -> Outcome:
    """Turn an answer to a sending, and the wait it asks for, into an outcome (ID-09, SND-15)."""
    if status == 413:
        return Refused("gói tin quá lớn với trục / the axis refuses its size", "10")
    try:
        answer = wire.read(body)
    except UnavailableError as exc:
        said = exc.public if _is_good(status) else f"HTTP {status}: {exc.public}"
        return Busy(said, wish_s)
    # A business refusal is one whatever status it comes with, but 5xx speaks of the server.
    if answer.refusal_code and status < 500:
        return Refused(answer.words, answer.refusal_code)
    if not _is_good(status):
        return Busy(f"trục trả lời HTTP {status} / the axis answers HTTP {status}", wish_s)
    if not answer.ok:
        return Busy(f"trục báo lỗi / the axis reports {answer.words}", wish_s)
    doc_id = text_of(answer.body, "docId", "DocId", "docid")
    if not doc_id:
        return Busy("trục nhận nhưng không trả docId / accepted without a docId")
    return Taken(doc_id, answer.text)
