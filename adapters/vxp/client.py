"""Our side of the national axis: hands parcels over, lists, fetches, acknowledges.

Promises: every call has fresh signed headers; a parcel is streamed, so memory does not grow with
it; delivering never raises for what the peer does; "empty" and "unreadable" are different answers;
a lost answer after sending is Busy, because doubt means send again (the receiver drops
duplicates). The secret is never logged nor shown. A crash leaves nothing behind here: attempts and
outcomes are the caller's rows.
"""

import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import aiohttp
from multidict import CIMultiDict

from adapters.shared.carrying import AHEAD, handed_over, packet_within
from adapters.shared.connecting import Line, PeerTime, heard_out
from adapters.shared.jsonanswers import Answer, packet_inside, rows
from adapters.shared.upload import Upload, shared
from adapters.shared.values import text_of, unreadable, wait_s
from adapters.vxp import answers, wire
from gateway.errors import Reason, UnavailableError
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

# Answers of downloadEdoc after which getEdoc is tried: the peer does not offer the former.
_NOT_OFFERED: Final = frozenset({404, 405, 500, 501})
_NO_PACKETS: Final = frozenset({"application/json", "text/html"})


@dataclass(frozen=True, slots=True)
class VxpSettings:
    """What an axis connection needs besides the secret.

    Args:
        name: Name of the peer in our routes and logs.
        endpoint: Base address, `http://host:8080/XrdAdapter/adapter`.
        system_id: Id given at registration.
        hash_form: How `hash-file` is written; `unpadded` is what the Java kit sends.
        name_recipients: Send the header `to` (the .NET kit does, the Java example does not).
        connect_s: Longest wait for a connection.
        silence_s: Longest silence of the peer while data should flow.
        max_answer_bytes: Largest JSON answer, catalogue included.
        max_packet_bytes: Largest packet fetched.
        connections: Most connections at once.
    """

    name: str
    endpoint: str
    system_id: str
    hash_form: wire.HashForm = "unpadded"
    name_recipients: bool = True
    connect_s: float = 10.0
    silence_s: float = 60.0
    max_answer_bytes: int = 64 * 1024 * 1024
    max_packet_bytes: int = 512 * 1024 * 1024
    connections: int = 10


class VxpAdapter:
    """The Adapter to one axis (trục liên thông văn bản).

    Args:
        settings: Where and how.
        secret: Shared secret; where it may be replaced, what tells which to try.
        clock: Gives the time written into the headers.
        ssl_context: For an https endpoint with its own trust; None = the system's.
    """

    def __init__(
        self,
        settings: VxpSettings,
        secret: bytes | SharedSecret,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._secret = shared(secret)
        self._clock = clock
        self.time = PeerTime(clock.now)
        self._line = Line(settings, self.time, ssl_context)

    def __repr__(self) -> str:
        return f"VxpAdapter({self.name!r}, {self._settings.endpoint!r})"

    async def close(self) -> None:
        """Close the connections; the adapter may be used again afterwards."""
        await self._line.close()

    # ------------------------------------------------------------ delivering

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over (sendEdoc).

        Raises:
            IntegrityError: The parcel's bytes are not those its hash and size name (and whatever
                else `parcel.open` raises).
        """

        async def send(fresh: Callable[[], Upload]) -> Outcome:
            for secret in self._secret.offered():
                status, wish, body = await self._send(parcel, fresh(), secret)
                if self._taken(secret, status):
                    break
            return _outcome(status, body, wait_s(wish, self._clock.now()))

        return await handed_over(parcel, deadline - self._clock.now(), send, tail=wire.CRLF)

    async def _send(self, parcel: Parcel, upload: Upload, secret: bytes) -> tuple[int, str, bytes]:
        parameters = {
            "servicetype": wire.SERVICE_TYPE,
            "messagetype": parcel.kind,
            "hash-file": wire.file_hash(parcel.sha256, self._settings.hash_form),
            "from": parcel.sender,
        }
        if self._settings.name_recipients and parcel.recipients:
            parameters["to"] = wire.compact(list(parcel.recipients))
        headers = self._headers(parameters, wire.BINARY_TYPE, secret)
        headers["Content-Length"] = str(parcel.size_bytes + len(wire.CRLF))
        async with self._open("POST", "sendEdoc", headers, upload.chunks()) as response:
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
        parameters = {"servicetype": wire.SERVICE_TYPE, "messagetype": kind}
        if since is not None:
            window = {"fromDate": since, "toDate": self._clock.now() + AHEAD}
            parameters |= {name: wire.date_text(at) for name, at in window.items()}
        answer = await self._ask("getReceivedEdocList", parameters)
        found: dict[str, Listed] = {}
        table = rows(answer)
        for row in table:
            doc_id = text_of(row, "docId", "docid", "DocId")
            if doc_id:
                found.setdefault(doc_id, _listed(doc_id, kind, row))
        if table and not found:
            raise unreadable("no row of the list has a docId")
        return tuple(found.values())

    def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; after an error what was yielded is void.

        downloadEdoc is preferred because it streams; a peer that does not offer it is asked by
        getEdoc, whose base64 is decoded while it arrives.

        Raises:
            UnavailableError: Not there, cut off, unreadable, or no packet.
            RejectedError: TOO_LARGE: it never will be ours.
        """
        return packet_within(self._packet(item.peer_doc_id), self._settings.max_packet_bytes)

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that the item is ours, or unusable and why (ASCII on this wire).

        Raises:
            UnavailableError: The peer did not confirm; the item may be listed again.
        """
        parameters = {"docId": item.peer_doc_id, "status": "done" if done else "fail"}
        if not done:
            parameters["description"] = wire.ascii_only(note) or "khong doc duoc goi tin"
        answer = await self._ask("updateStatus", parameters, b"{}")
        if not answer.ok:
            raise unreadable(f"updateStatus answers {answer.words}")

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the axis's catalogue with both notations.

        Integration centres (W00) are in it, not connected: they are systems, not recipients.

        Raises:
            UnavailableError: No answer, or none that can be read.
        """
        plain = rows(await self._ask("getAgenciesList", {}))
        try:
            current = rows(await self._ask("getAgenciesListQD20", {"level": "1"}))
        except UnavailableError:  # an older axis: the plain list stands alone
            current = []
        aliases = {text_of(row, "code"): text_of(row, "code102") for row in current}
        codes = {text_of(row, "id"): text_of(row, "code") for row in plain}
        found: dict[str, AgencyRow] = {}
        for row in (*plain, *current):
            code = text_of(row, "code")
            if code and code not in found:
                parent = text_of(row, "pid", "pcode")
                found[code] = _agency(code, row, aliases.get(code, ""), codes.get(parent, parent))
        return tuple(found.values())

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer, or not to our credentials."""
        parameters = {"servicetype": wire.SERVICE_TYPE, "messagetype": "edoc"}
        answer = await self._ask("countReceiveEdoc", parameters, b"{}")
        if not answer.ok:
            raise unreadable(f"the peer answers {answer.words}")

    # ------------------------------------------------------------ one call

    def _taken(self, secret: bytes, status: int) -> bool:
        """Note what a peer says of a secret by its status; tell whether it is not refused."""
        if status == 401:
            self._secret.refused(secret)
            return False
        if status == 200:
            self._secret.worked(secret)
        return True

    def _headers(
        self, parameters: Mapping[str, str], content_type: str, secret: bytes
    ) -> CIMultiDict[str]:
        """Return fresh signed headers."""
        try:
            return CIMultiDict(
                wire.signed_headers(
                    self._settings.system_id,
                    secret,
                    self._clock.now(),
                    parameters,
                    content_type,
                )
            )
        except ValueError as exc:
            raise UnavailableError(
                Reason.UNAVAILABLE, f"the axis protocol cannot carry this call: {exc}"
            ) from exc

    def _open(
        self,
        method: str,
        operation: str,
        headers: CIMultiDict[str],
        data: bytes | AsyncIterator[bytes] | None,
    ) -> Any:
        url = f"{self._settings.endpoint.rstrip('/')}/{operation}"
        return self._line.request(method, url, headers=headers, data=data)

    async def _ask(
        self, operation: str, parameters: Mapping[str, str], data: bytes = b""
    ) -> Answer:
        """Make one small call and read its JSON answer."""
        with heard_out(f"{operation}: no answer from the axis"):
            for secret in self._secret.offered():
                headers = self._headers(parameters, wire.JSON_TYPE, secret)
                async with self._open("POST", operation, headers, data) as response:
                    body = await self._line.bounded(response)
                    status = response.status
                if self._taken(secret, status):
                    break
        if status != 200:
            raise unreadable(f"{operation}: HTTP {status}")
        return answers.read(body)

    async def _packet(self, doc_id: str) -> AsyncGenerator[bytes, None]:
        """Stream a packet by downloadEdoc, else by getEdoc."""
        parameters = {"docId": doc_id, "filePath": "xml"}
        with contextlib.suppress(_NoPacketError), heard_out("downloadEdoc was cut off"):
            # What was listed a moment ago has told which secret the peer wants.
            headers = self._headers(parameters, wire.JSON_TYPE, self._secret.offered()[0])
            async with self._open("GET", "downloadEdoc", headers, None) as response:
                if response.status == 200:
                    async with contextlib.aclosing(_raw(response)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                        return
                if response.status not in _NOT_OFFERED:
                    raise unreadable(f"downloadEdoc: HTTP {response.status}")
        async with contextlib.aclosing(self._base64_packet(parameters)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _base64_packet(self, parameters: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        headers = self._headers(parameters, wire.JSON_TYPE, self._secret.offered()[0])
        with heard_out("getEdoc was cut off"):
            async with self._open("POST", "getEdoc", headers, b"{}") as response:
                if response.status != 200:
                    raise unreadable(f"getEdoc: HTTP {response.status}")
                async for chunk in packet_inside(response.content.iter_any(), answers.check):
                    yield chunk


class _NoPacketError(Exception):
    """downloadEdoc answered something that is no packet; nothing was yielded yet."""


async def _raw(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield a raw packet; an HTML page or a JSON answer in its place is none."""
    # Not `response.content_type`: a long header keeps that parser busy for seconds.
    told = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if told in _NO_PACKETS:
        raise _NoPacketError
    chunks = response.content.iter_any()
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= 512:
            break
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start or start.startswith((b"{", b"<html", b"<!doctype html")):
        raise _NoPacketError
    yield head
    async for chunk in chunks:
        yield chunk


def _outcome(status: int, body: bytes, wish_s: float | None = None) -> Outcome:
    """Turn an answer to sendEdoc, and its Retry-After, into an outcome (ID-09, SND-15)."""
    if status == 413:
        return Refused("gói tin quá lớn với trục / the axis refuses its size", "10")
    if status != 200:
        return Busy(f"trục trả lời HTTP {status} / the axis answers HTTP {status}", wish_s)
    try:
        answer = answers.read(body)
    except UnavailableError as exc:
        return Busy(exc.public)
    if answer.ok:
        doc_id = text_of(answer.body, "DocId", "docId", "docid")
        if not doc_id:
            return Busy("trục nhận nhưng không trả DocId / accepted without a DocId")
        return Taken(doc_id, answer.text)
    if answer.refusal_code:
        return Refused(answer.words, answer.refusal_code)
    return Busy(f"trục báo lỗi / the axis reports {answer.words}")


def _listed(doc_id: str, kind: MessageKind, row: Mapping[str, Any]) -> Listed:
    told = text_of(row, "messageType").lower()
    to = row.get("to")
    codes = wire.read_codes(wire.compact(to) if isinstance(to, list) else text_of(row, "to"))
    return Listed(
        doc_id,
        cast("MessageKind", told) if told in {"edoc", "status"} else kind,
        sender=text_of(row, "from"),
        recipients=codes,
        status=text_of(row, "status"),
        created_at=wire.read_date(text_of(row, "created_time", "createdTime")),
    )


def _agency(code: str, row: Mapping[str, Any], alias: str, parent: str) -> AgencyRow:
    legacy = alias or text_of(row, "oldCode", "code102")
    centre = code.upper().endswith(".W00")
    return AgencyRow(
        code,
        text_of(row, "name"),
        legacy_code="" if legacy == code else legacy,
        parent=parent,
        mail=text_of(row, "mail"),
        status="hub" if centre else "active",
        connected=not centre,
    )
