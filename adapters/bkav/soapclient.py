"""Our side of a Bkav axis over SOAP 1.1 or 1.2: packets become letters with MIME parts, and back.

Promises: as the REST client's; a letter is built from and into temporary files, so memory does not
grow with it; a parcel that is damaged is never sent. Statuses come as traces that nothing on this
wire acknowledges: they are asked for from a time on, and what was acknowledged here is not listed
again by this adapter; after a restart it may be, and the receiver drops repeats. A crash leaves a
folder of temporary files the system clears.
"""

import asyncio
import hashlib
import re
import secrets
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from lxml import etree

from adapters.bkav import letters, mime, soap, wire, writing
from adapters.bkav.client import agency, failed
from adapters.bkav.link import BkavSettings, Link
from adapters.shared.carrying import handed_over, packet_within
from adapters.shared.connecting import PeerTime, heard_out
from adapters.shared.dates import date_text, read_date
from adapters.shared.upload import Upload, shared
from adapters.shared.values import unreadable, wait_s
from gateway.codec.limits import Limits
from gateway.codec.reader import ReadPacket, read_packet
from gateway.errors import Reason, RejectedError, UnavailableError
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

_CHUNK: Final = 64 * 1024
_MEMORY: Final = 10_000
_LOOK_BACK: Final = timedelta(days=7)
# By which time the peer looks for traces is unknown: its own, or the one an agency wrote long ago.
_OVERLAP: Final = timedelta(hours=1)
_FAR_EVERY: Final = timedelta(hours=6)


class BkavSoapAdapter:
    """The Adapter to one Bkav axis of the SOAP era.

    Args:
        settings: Where and how; the endpoint is the service's own address.
        secret: Token; where it may be replaced, what tells which to try.
        clock: For deadlines, and since when traces are asked for.
        of_12: Speak SOAP 1.2, not 1.1.
        ssl_context: For an https endpoint with its own trust; None = the system's.
    """

    def __init__(
        self,
        settings: BkavSettings,
        secret: bytes | SharedSecret,
        clock: Clock,
        *,
        of_12: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._secret = shared(secret)
        self._clock = clock
        self._version: soap.Version = "12" if of_12 else "11"
        self.time = PeerTime(clock.now)
        self._link = Link(settings, self._secret, ssl_context, self.time)
        self._traces: OrderedDict[str, bytes] = OrderedDict()
        self._had: OrderedDict[str, bytes] = OrderedDict()
        self._listed: dict[str, Listed] = {}
        self._far_at = clock.now()
        self._since = self._listed_at = self._far_at - _LOOK_BACK

    def __repr__(self) -> str:
        return f"BkavSoapAdapter({self.name!r}, {self._settings.endpoint!r})"

    async def close(self) -> None:
        """Close the connections; the adapter may be used again afterwards."""
        await self._link.close()

    # ------------------------------------------------------------ delivering

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over (SendDocument, UpdateTraces).

        Raises:
            IntegrityError: The parcel's bytes are not those its hash and size name (and whatever
                else `parcel.open` raises).
        """
        with tempfile.TemporaryDirectory(prefix="vanlien-bkav-") as folder:
            try:
                read = await _taken_apart(parcel, Path(folder))
                left = deadline - self._clock.now()
                return await handed_over(parcel, left, lambda _: self._send(read))
            except RejectedError as exc:
                return Refused(
                    f"không đổi được sang SOAP / no letter can say it: {exc.public}", "22"
                )

    async def _send(self, read: ReadPacket) -> Outcome:
        """Send a letter under each token until one is not refused."""
        operation = "SendDocument" if read.status is None else "UpdateTraces"
        outcome: Outcome = Busy("không có token / no token")
        for secret in self._secret.offered():
            whole = self._letter(read, secret)
            headers = self._headers(operation, whole.content_type)
            headers["Content-Length"] = str(whole.size_bytes)
            async with self._link.request(
                "POST", "", headers, mime.paced(whole.pieces())
            ) as response:
                status = response.status
                wish_s = wait_s(response.headers.get("Retry-After", ""), self._clock.now())
                data = await self._link.bounded(response)
            if status == 413:
                return Refused("gói tin quá lớn với trục / the axis refuses its size", "10")
            if status in {200, 202, 400, 500}:
                outcome, refused = _judged(data, status, wish_s, read)
            else:
                refused = status == 401
                outcome = Busy(f"trục trả lời HTTP {status} / HTTP {status}", wish_s)
            if self._link.judged(secret, refused=refused, worked=status == 200):
                break
        return outcome

    def _letter(self, read: ReadPacket, secret: bytes) -> mime.Multipart:
        login = writing.token_block(self._settings.system_id, _token(secret))
        kind = soap.media_type(self._version)
        boundary = f"MIMEBoundary_{secrets.token_hex(16)}"
        if read.envelope is not None:
            header = writing.header_of(read.envelope) + login
            root = soap.envelope(self._version, writing.body_of(read.envelope), header)
            files = writing.files_of(read.envelope, read.files)
            return mime.Multipart(boundary, root, kind, files)
        status = "" if read.status is None else writing.status_of(read.status)
        return mime.Multipart(boundary, soap.envelope(self._version, status, login), kind, ())

    # ------------------------------------------------------------ collecting

    async def listing(
        self, kind: MessageKind, *, since: datetime | None = None
    ) -> Sequence[Listed]:
        """Return what waits for us there, each item once.

        Raises:
            UnavailableError: No answer, or none that can be read; never an empty list instead.
        """
        if kind == "edoc":
            body = await self._ask("GetPendingDocumentIds")
            listed = soap.find(body, "DocumentIds")
            if listed is None:
                raise unreadable("the answer has no DocumentIds")
            ids = dict.fromkeys(soap.text(e) for e in soap.children(listed, "DocumentId"))
            return tuple(Listed(one, kind) for one in ids if one and one not in self._had)
        return await self._new_traces(since)

    async def _new_traces(self, since: datetime | None) -> Sequence[Listed]:
        now = self._clock.now()
        if self._listed.keys() <= self._had.keys():  # what was listed then is ours
            self._since = self._listed_at
        if now - self._far_at >= _FAR_EVERY:
            self._far_at, self._since = now, now - _LOOK_BACK
        body = await self._ask("GetTraces", TimeStamp=date_text(since or self._since))
        traces = soap.find(body, "Traces")
        if traces is None:
            raise unreadable("the answer has no Traces")
        found = []
        for status in soap.children(traces, "Status"):
            data = letters.status_packet(status)
            name = hashlib.sha256(data).hexdigest()
            _remember(self._traces, name, data)
            if name not in self._had:
                at = read_date(soap.text(status, "Timestamp"))
                organ = soap.text(status, "From", "OrganId")
                found.append(Listed(name, "status", sender=organ, created_at=at))
        if since is None:
            self._listed = {one.peer_doc_id: one for one in found}
            self._listed_at = now - _OVERLAP
        return tuple({one.peer_doc_id: one for one in found}.values())

    async def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; after an error what was yielded is void.

        Raises:
            UnavailableError: Not there, cut off, or unreadable.
            RejectedError: It can never be ours: too large, or a letter that is broken.
        """
        if item.kind == "status":
            data = self._traces.get(item.peer_doc_id)
            if data is None:
                raise unreadable("the trace is not known any more; it will be listed again")
            yield data
            return
        with tempfile.TemporaryDirectory(prefix="vanlien-bkav-") as folder:
            async for piece in self._packet(item.peer_doc_id, Path(folder)):
                yield piece

    async def _packet(self, doc_id: str, folder: Path) -> AsyncIterator[bytes]:
        limit = self._settings.max_packet_bytes
        request = self._request("GetDocument", self._secret.offered()[0], DocumentId=doc_id)
        headers = self._headers("GetDocument", soap.media_type(self._version))
        try:
            with heard_out("GetDocument was cut off"):
                async with self._link.request("POST", "", headers, request) as response:
                    told = mime.content_type(response.headers.get("Content-Type", ""))
                    if told.media != "multipart/related":
                        body = soap.good(soap.answer(await self._link.bounded(response)))
                        raise unreadable(f"{soap.local(body) or 'the answer'} is no document")
                    chunks = response.content.iter_any()
                    parts = mime.Parts(chunks, told.get("boundary"), limit)
                    message, listed, came = await _opened(parts, folder)
        except mime.CutOffError as exc:
            raise unreadable("the letter was cut off") from exc
        async for piece in packet_within(mime.paced(letters.packet(message, listed, came)), limit):
            yield piece

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that we have the item; traces are only remembered here.

        What we could not use is not confirmed: this wire has no word for it, and a confirmed
        document counts as arrived. It stays there; this adapter does not list it again.

        Raises:
            UnavailableError: The peer did not confirm; the item may be listed again.
        """
        if item.kind == "status" or not done:
            _remember(self._had, item.peer_doc_id)
            return
        await self._ask("ConfirmReceived", DocumentId=item.peer_doc_id)

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the axis's catalogue; integration centres are in it, not connected.

        Raises:
            UnavailableError: No answer, or none that can be read.
        """
        body = await self._ask("GetOrganizations")
        listed = soap.find(body, "Organizations")
        if listed is None:
            raise unreadable("the answer has no Organizations")
        found: dict[str, AgencyRow] = {}
        for one in soap.children(listed, "Organization"):
            code = soap.text(one, "OrganId") or soap.text(one, "domain")
            if code:
                hub = soap.text(one, "is_integrator_center").lower() in {"true", "1"}
                name, mail = soap.text(one, "OrganName"), soap.text(one, "Email")
                legacy = soap.text(one, "domain_old")
                found.setdefault(code, agency(code, name, mail, legacy, hub=hub))
        return tuple(found.values())

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer, or not to our token."""
        await self._ask("CheckPermission")

    # ------------------------------------------------------------ one call

    def _headers(self, operation: str, content_type: str) -> dict[str, str]:
        if self._version == "11":
            return {"Content-Type": content_type, "SOAPAction": f'"{operation}"'}
        return {"Content-Type": f'{content_type}; action="{operation}"'}

    def _request(self, operation: str, secret: bytes, **texts: str) -> bytes:
        login = {"OrganId": self._settings.system_id, "Token": _token(secret)}
        tags = (soap.tag(name, value) for name, value in {**login, **texts}.items())
        return soap.envelope(self._version, soap.block(f"{operation}Request", *tags))

    async def _ask(self, operation: str, **texts: str) -> etree._Element:
        """Make one small call; return the body of a good answer."""
        status, data = 401, b""
        with heard_out(f"{operation}: no answer from the axis"):
            for secret in self._secret.offered():
                request = self._request(operation, secret, **texts)
                headers = self._headers(operation, soap.media_type(self._version))
                async with self._link.request("POST", "", headers, request) as response:
                    status = response.status
                    data = await self._link.bounded(response)
                refused = status == 401 or (status in {200, 400, 500} and _wrong_token(data))
                if self._link.judged(secret, refused=refused, worked=status == 200):
                    break
        if status not in {200, 400, 500}:
            raise unreadable(f"{operation}: HTTP {status}")
        return soap.good(soap.answer(data))


def _judged(
    data: bytes, status: int, wish_s: float | None, read: ReadPacket
) -> tuple[Outcome, bool]:
    """Return the outcome an answer to a letter means, and whether its token was refused."""
    try:
        message = soap.answer(data)
        faults = soap.faults_in(message)
    except UnavailableError as exc:
        return Busy(exc.public), False
    if faults is not None:
        kind: MessageKind = "edoc" if read.status is None else "status"
        return failed(faults, wish_s, kind=kind), _names_token(faults)
    if status != 200 or message.body is None:
        return Busy(f"trục trả lời HTTP {status} / HTTP {status}", wish_s), False
    if soap.find(message.body, "Report") is None:
        return Busy("trục trả lời không có Report / no Report in the answer"), False
    doc_id = soap.find(message.body, "DocumentId")
    told = soap.text(doc_id)
    if told or read.status is not None:
        return Taken(told or read.sha256), False
    return Busy("trục nhận nhưng không trả DocumentId / accepted without a DocumentId"), False


def _wrong_token(data: bytes) -> bool:
    try:
        faults = soap.faults_in(soap.answer(data))
    except UnavailableError:
        return False
    return faults is not None and _names_token(faults)


def _names_token(faults: Sequence[wire.Fault]) -> bool:
    return any(f.code == "15" or re.fullmatch(r"[NRMT]\.Token", f.code) for f in faults)


def _token(secret: bytes) -> str:
    token = secret.decode("utf-8", "replace").strip()
    if not token.isprintable():
        raise UnavailableError(Reason.UNAVAILABLE, "the token cannot stand in a message")
    return token


def _remember(memory: OrderedDict[str, bytes], name: str, value: bytes = b"") -> None:
    memory[name] = value
    memory.move_to_end(name)
    if len(memory) > _MEMORY:
        memory.popitem(last=False)


async def _taken_apart(parcel: Parcel, folder: Path) -> ReadPacket:
    """Read a parcel's files into a folder: a letter of this wire is written anew."""
    path, spool = folder / "parcel.edxml", folder / "files"
    with path.open("xb") as file:
        async for chunk in Upload(parcel).chunks():
            file.write(chunk)
    spool.mkdir()
    return await asyncio.to_thread(_read, path, spool)


def _read(path: Path, spool: Path) -> ReadPacket:
    limits = Limits(packet_bytes=max(path.stat().st_size, 1))
    with path.open("rb") as file:
        return read_packet(iter(lambda: file.read(_CHUNK), b""), spool, limits)


async def _opened(
    parts: mime.Parts, folder: Path
) -> tuple[soap.Message, Sequence[letters.Reference], dict[str, letters.Enclosed]]:
    """Read a letter into files."""
    root = await parts.following()
    if root is None:
        raise unreadable("the letter has no parts")
    message = soap.read(await letters.root_of(root, parts.data()))
    listed = letters.references(message)
    came = await letters.spooled(parts, folder)
    letters.match(listed, came)
    return message, listed, came
