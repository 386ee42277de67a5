"""Our side of a Bkav axis over REST: hands parcels over, lists, fetches, confirms.

Promises: a parcel is streamed, so memory does not grow with it; delivering never raises for what
the peer does; "empty" and "unreadable" are different answers; a lost answer after sending is Busy,
because doubt means send again (the receiver drops duplicates). The token is never logged nor shown.
A crash leaves nothing behind here: attempts and outcomes are the caller's rows.
"""

import ssl
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final

from multidict import CIMultiDict

from adapters.bkav import wire
from adapters.bkav.link import BkavSettings, Link
from adapters.shared.carrying import handed_over, packet_within
from adapters.shared.connecting import PeerTime, heard_out
from adapters.shared.dates import read_date
from adapters.shared.jsonanswers import packet_inside
from adapters.shared.upload import Upload, shared
from adapters.shared.values import text_of, unreadable, wait_s
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

__all__ = ["BkavAdapter", "BkavSettings"]

_MEMORY: Final = 10_000
_TYPES: Final[dict[MessageKind, str]] = {"edoc": "EDOC", "status": "STATUS"}


class BkavAdapter:
    """The Adapter to one Bkav axis (trục liên thông của tỉnh).

    Args:
        settings: Where and how.
        secret: Token; where it may be replaced, what tells which to try.
        clock: For deadlines.
        ssl_context: For an https endpoint with its own trust; None = the system's.
    """

    def __init__(
        self,
        settings: BkavSettings,
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
        self._link = Link(settings, self._secret, ssl_context, self.time)
        self._unusable: OrderedDict[tuple[MessageKind, str], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"BkavAdapter({self.name!r}, {self._settings.endpoint!r})"

    async def close(self) -> None:
        """Close the connections; the adapter may be used again afterwards."""
        await self._link.close()

    # ------------------------------------------------------------ delivering

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over (sendDocument).

        Raises:
            IntegrityError: The parcel's bytes are not those its hash and size name (and whatever
                else `parcel.open` raises).
        """

        async def send(fresh: Callable[[], Upload]) -> Outcome:
            status, wish, answer = 401, "", b""
            for secret in self._secret.offered():
                status, wish, answer = await self._send(parcel, fresh(), secret)
                if self._link.judged(secret, refused=status == 401, worked=status == 200):
                    break
            wish_s = wait_s(wish, self._clock.now())
            return _outcome(status, answer, wish_s, kind=parcel.kind)

        return await handed_over(parcel, deadline - self._clock.now(), send)

    async def _send(self, parcel: Parcel, upload: Upload, secret: bytes) -> tuple[int, str, bytes]:
        headers = self._headers(secret, wire.BINARY_TYPE, parcel.kind)
        headers["hash-edoc"] = parcel.sha256
        headers["Content-Length"] = str(parcel.size_bytes)
        path = "/sendDocument"
        async with self._link.request("POST", path, headers, upload.chunks()) as response:
            wish = response.headers.get("Retry-After", "")
            return response.status, wish, await self._link.bounded(response)

    # ------------------------------------------------------------ collecting

    async def listing(
        self, kind: MessageKind, *, since: datetime | None = None
    ) -> Sequence[Listed]:
        """Return what waits for us there, each item once; there is no window of dates.

        Raises:
            UnavailableError: No answer, or none that can be read; never an empty list instead.
        """
        answer = await self._ask("GET", "getPendingDocIds", kind=kind)
        table = wire.rows(answer)
        found: dict[str, Listed] = {}
        for row in table:
            doc_id = text_of(row, "docId", "docid", "documentId")
            organ = text_of(row, "organId", "organid")
            created = read_date(text_of(row, "createdTime", "created_time", "createDate"))
            if doc_id:
                recipients = (organ,) if organ else ()
                listed = Listed(doc_id, kind, recipients=recipients, created_at=created)
                found.setdefault(doc_id, listed)
        if table and not found:
            raise unreadable("no row of the list has a docId")
        return tuple(one for one in found.values() if (kind, one.peer_doc_id) not in self._unusable)

    def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; after an error what was yielded is void.

        Raises:
            UnavailableError: Not there, cut off, unreadable, or no packet.
            RejectedError: TOO_LARGE: it never will be ours.
        """
        return packet_within(self._packet(item), self._settings.max_packet_bytes)

    async def _packet(self, item: Listed) -> AsyncGenerator[bytes, None]:
        # What was listed a moment ago has told which token the peer wants.
        headers = self._headers(self._secret.offered()[0], wire.JSON_TYPE, item.kind)
        headers["docId"] = item.peer_doc_id
        with heard_out("getDocument was cut off"):
            async with self._link.request("POST", "/getDocument", headers) as response:
                if response.status != 200:
                    raise unreadable(f"getDocument: HTTP {response.status}")
                async for chunk in packet_inside(response.content.iter_any(), wire.check):
                    yield chunk

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that we have the item.

        What we could not use is not confirmed: this wire has no word for it, and a confirmed
        document counts as arrived. It stays there; this adapter does not list it again.

        Raises:
            UnavailableError: The peer did not confirm; the item may be listed again.
        """
        if not done:
            self._unusable[item.kind, item.peer_doc_id] = None
            if len(self._unusable) > _MEMORY:
                self._unusable.popitem(last=False)
            return
        answer = await self._ask("POST", "confirmReceived", kind=item.kind, doc_id=item.peer_doc_id)
        if not answer.ok:
            raise unreadable(f"confirmReceived answers {answer.words}")

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the axis's catalogue; integration centres are in it, not connected.

        Raises:
            UnavailableError: No answer, or none that can be read.
        """
        answer = await self._ask("GET", "getOrganizations")
        found: dict[str, AgencyRow] = {}
        for row in wire.rows(answer):
            code = text_of(row, "organId", "organid", "domain", "code")
            if code:
                hub = text_of(row, "isIntegratorCenter", "is_integrator_center").lower()
                found.setdefault(
                    code,
                    agency(
                        code,
                        text_of(row, "organName", "name"),
                        text_of(row, "email", "mail"),
                        text_of(row, "oldDomain", "oldCode"),
                        hub=hub in {"true", "1"},
                    ),
                )
        return tuple(found.values())

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer, or not to our token."""
        answer = await self._ask("GET", "getPendingDocIds", kind="edoc")
        if not answer.ok:
            raise unreadable(f"the peer answers {answer.words}")

    # ------------------------------------------------------------ one call

    def _headers(self, secret: bytes, content_type: str, kind: MessageKind) -> CIMultiDict[str]:
        token = secret.decode("ascii", "replace").strip()
        if not (token.isprintable() and token.isascii()):
            raise UnavailableError(Reason.UNAVAILABLE, "the token cannot stand in a header")
        return CIMultiDict(
            {
                "organId": self._settings.system_id,
                "Authorization": token,
                "messageType": _TYPES[kind],
                "type": _TYPES[kind],
                "Content-Type": content_type,
            }
        )

    async def _ask(
        self, method: str, operation: str, *, kind: MessageKind = "edoc", doc_id: str = ""
    ) -> wire.Answer:
        """Make one small call and read its JSON answer."""
        status, data = 401, b""
        with heard_out(f"{operation}: no answer from the axis"):
            for secret in self._secret.offered():
                headers = self._headers(secret, wire.JSON_TYPE, kind)
                if doc_id:
                    headers["docId"] = doc_id
                async with self._link.request(method, f"/{operation}", headers) as response:
                    data = await self._link.bounded(response)
                    status = response.status
                if self._link.judged(secret, refused=status == 401, worked=status == 200):
                    break
        if status != 200:
            raise unreadable(f"{operation}: HTTP {status}")
        return wire.read(data)


def agency(code: str, name: str, mail: str, legacy: str = "", *, hub: bool = False) -> AgencyRow:
    """Return a row of the catalogue; W00 codes are integration centres."""
    centre = hub or code.upper().endswith(".W00")
    return AgencyRow(
        code,
        name,
        legacy_code="" if legacy == code else legacy,
        mail=mail,
        status="hub" if centre else "active",
        connected=not centre,
    )


def _outcome(status: int, data: bytes, wish_s: float | None, *, kind: MessageKind) -> Outcome:
    """Turn an answer to sendDocument, and its Retry-After, into an outcome (ID-09, SND-15)."""
    if status == 413:
        return Refused("gói tin quá lớn với trục / the axis refuses its size", "10")
    if status != 200:
        return Busy(f"trục trả lời HTTP {status} / the axis answers HTTP {status}", wish_s)
    try:
        answer = wire.read(data)
    except UnavailableError as exc:
        return Busy(exc.public)
    if answer.ok:
        doc_id = text_of(answer.body, "docId", "docid", "DocId")
        if not doc_id:
            return Busy("trục nhận nhưng không trả docId / accepted without a docId")
        return Taken(doc_id)
    return failed(answer.faults, wish_s, kind=kind)


def failed(
    faults: Sequence[wire.Fault], wish_s: float | None = None, *, kind: MessageKind
) -> Outcome:
    """Return the outcome of a failure the peer has put into words."""
    if kind == "status" and any(f.code == wire.REPEATED_STATUS for f in faults):
        # STS-07: their bus has this code of this agency, from us or by itself (01 at confirming).
        return Taken("", wire.said(faults))
    code = wire.refusal_code(faults)
    if code:
        return Refused(wire.said(faults), code)
    return Busy(f"trục báo lỗi / the axis reports {wire.said(faults)}", wish_s)
