"""Our side of a Lạng Sơn axis, either form: hands parcels over, lists, fetches, acknowledges.

Promises: a parcel is streamed, so memory does not grow with it; delivering never raises for what
the peer does; "empty" and "unreadable" are different answers; a lost answer after sending is Busy,
because doubt means send again (the receiver drops duplicates). One sign-in serves all calls; its
token is renewed before it ends, and once more when the peer does not take it. Secrets are never
logged nor shown, and go over TLS or to this machine only. A crash leaves nothing behind here:
attempts and outcomes are the caller's rows.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, cast

from adapters.langson import wire
from adapters.langson.arriving import packet_of
from adapters.langson.letters import between, form, inside_json, json_letter, size_inside_json
from adapters.langson.session import (
    NOT_SIGNED_IN,
    Pass,
    Reply,
    Session,
)
from adapters.langson.settings import LangsonSettings
from adapters.shared.carrying import AHEAD, handed_over, packet_within
from adapters.shared.connecting import heard_out
from adapters.shared.dates import read_date
from adapters.shared.jsonanswers import Answer, rows
from adapters.shared.upload import Upload
from adapters.shared.values import text_of, unreadable, wait_s
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

__all__ = ["LangsonAdapter", "LangsonSettings"]

_FINISHED: Final = frozenset({"done", "fail"})


class LangsonAdapter:
    """The Adapter to one provincial axis (trục liên thông của tỉnh).

    Args:
        settings: Where and how.
        secret: Secret key, which is the password too; where it may be replaced, what tells which.
        clock: Time.
        ssl_context: For an https endpoint with its own trust; None = the system's.

    Raises:
        ConfigurationError: The way there is open, and the secret goes as it is.
    """

    def __init__(
        self,
        settings: LangsonSettings,
        secret: bytes | SharedSecret,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._session = Session(settings, secret, clock, ssl_context)
        self.time = self._session.time
        self._paths = self._session.paths
        self._clock = clock

    def __repr__(self) -> str:
        return f"LangsonAdapter({self.name!r}, {self._settings.endpoint!r})"

    async def close(self) -> None:
        """Close the connections; the adapter may be used again afterwards."""
        await self._session.close()

    # ------------------------------------------------------------ delivering

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over (sendEdoc).

        Raises:
            IntegrityError: The parcel's bytes are not those its hash and size name (and whatever
                else `parcel.open` raises).
        """

        async def send(fresh: Callable[[], Upload]) -> Outcome:
            reply = await self._session.signed_in(lambda given: self._send(parcel, fresh(), given))
            return _outcome(reply, self._session.read, wait_s(reply.wish, self._clock.now()))

        return await handed_over(parcel, deadline - self._clock.now(), send)

    async def _send(self, parcel: Parcel, upload: Upload, given: Pass) -> Reply:
        if self._settings.variant == "v1":
            before, after, content_type = form(parcel)
            size = len(before) + parcel.size_bytes + len(after)
            data = between(before, upload.chunks(), after)
        else:
            before, after = json_letter(parcel, self._settings.system_id, given)
            content_type = "application/json; charset=utf-8"
            size = len(before) + await size_inside_json(parcel) + len(after)
            data = between(before, inside_json(upload.chunks()), after)
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        async with self._session.open(
            "POST", self._paths.send, given, headers, data=data
        ) as response:
            return await self._session.reply(response)

    # ------------------------------------------------------------ collecting

    async def listing(
        self, kind: MessageKind, *, since: datetime | None = None
    ) -> Sequence[Listed]:
        """Return what waits for us there, each item once; with `since`, all from then on.

        Raises:
            UnavailableError: No answer, or none that can be read; never an empty list instead.
        """
        now = self._clock.now()
        begins = now - self._settings.window if since is None else since
        variant = self._settings.variant
        answer = await self._session.ask(
            "GET",
            self._paths.listing,
            {
                "messageType": kind,
                "fromDate": wire.day(begins, variant),
                "toDate": wire.day(now + AHEAD, variant),
            },
            paired=True,
        )
        found: dict[str, Listed] = {}
        table = rows(answer)
        for row in table:
            doc_id = text_of(row, "docId", "docid", "DocId")
            if doc_id:
                found.setdefault(doc_id, _listed(doc_id, kind, row))
        if table and not found:
            raise unreadable("no row of the list has a docId")
        return tuple(
            item
            for item in found.values()
            if since is not None or item.status.lower() not in _FINISHED
        )

    def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; after an error what was yielded is void.

        Raises:
            UnavailableError: Not there, cut off, unreadable, or no packet.
            RejectedError: TOO_LARGE: it never will be ours.
        """
        return packet_within(self._packet(item.peer_doc_id), self._settings.max_packet_bytes)

    async def _packet(self, doc_id: str) -> AsyncGenerator[bytes, None]:
        for last in (False, True):
            given = await self._session.signed()
            asked = self._session.asked(given, {"docId": doc_id})
            with heard_out("getEdoc was cut off"):
                async with self._session.open(
                    "GET", self._paths.get, given, params=asked
                ) as response:
                    if response.status == NOT_SIGNED_IN and not last:
                        self._session.forget(given)
                        continue
                    if response.status != 200:
                        raise unreadable(f"getEdoc: HTTP {response.status}")
                    self._session.worked(given)
                    async with aclosing(
                        packet_of(response.content.iter_any(), self._session.unsaid)
                    ) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    return

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that the item is ours, or unusable and why.

        Raises:
            UnavailableError: The peer did not confirm; the item may be listed again.
        """
        told = {"docId": item.peer_doc_id, "status": "done" if done else "fail"}
        if not done:
            told["description"] = note or "không đọc được gói tin"
        answer = await self._session.ask("POST", self._paths.update, body=told)
        if not answer.ok:
            raise unreadable(f"updateStatus answers {answer.words}")

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the axis's catalogue.

        Integration centres (W00) are in it, not connected: they are systems, not recipients.

        Raises:
            UnavailableError: No answer, or none that can be read.
        """
        found: dict[str, AgencyRow] = {}
        for row in rows(await self._session.ask("GET", self._paths.agencies)):
            code = text_of(row, "orgCode", "code")
            if code:
                found.setdefault(code, _agency(code, row))
        return tuple(found.values())

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer, or not to our credentials."""
        now = self._clock.now()
        variant = self._settings.variant
        today = wire.day(now, variant)
        window = {"messageType": "edoc", "fromDate": today, "toDate": today}
        rows(await self._session.ask("GET", self._paths.listing, window, paired=True))


# ---------------------------------------------------------------- answers


def _outcome(reply: Reply, read: Callable[[bytes], Answer], wish_s: float | None) -> Outcome:
    """Turn an answer to sendEdoc, and its Retry-After, into an outcome (ID-09, SND-15)."""
    status = reply.status
    if status == 413:
        return Refused("gói tin quá lớn với trục / the axis refuses its size", "10")
    try:
        answer = read(reply.body)
    except UnavailableError as exc:
        told = f"trục trả lời HTTP {status} / the axis answers HTTP {status}"
        return Busy(told if status != 200 else exc.public, wish_s)
    # A refusal is one whatever the HTTP status; success is one with 200 alone.
    if answer.refusal_code:
        return Refused(answer.words, answer.refusal_code)
    if status != 200:
        return Busy(f"trục trả lời HTTP {status} / the axis answers HTTP {status}", wish_s)
    if not answer.ok:
        return Busy(f"trục báo lỗi / the axis reports {answer.words}", wish_s)
    doc_id = wire.doc_id_of(answer)
    if not doc_id:
        return Busy("trục nhận nhưng không trả docId / accepted without a docId")
    return Taken(doc_id, answer.text)


def _listed(doc_id: str, kind: MessageKind, row: Mapping[str, Any]) -> Listed:
    told = text_of(row, "messageType").lower()
    to = row.get("to")
    codes = to if isinstance(to, list) else text_of(row, "to").replace(",", ";").split(";")
    return Listed(
        doc_id,
        cast("MessageKind", told) if told in {"edoc", "status"} else kind,
        sender=text_of(row, "from"),
        recipients=tuple(str(code).strip() for code in codes if str(code).strip()),
        status=text_of(row, "status"),
        created_at=read_date(text_of(row, "createdTime", "created_time")),
    )


def _agency(code: str, row: Mapping[str, Any]) -> AgencyRow:
    legacy = text_of(row, "oldCode", "code102")
    centre = code.upper().endswith(".W00")
    return AgencyRow(
        code,
        text_of(row, "orgName", "name"),
        legacy_code="" if legacy == code else legacy,
        parent=text_of(row, "parentCode", "pcode", "pid"),
        mail=text_of(row, "email", "mail"),
        status="hub" if centre else "active",
        connected=not centre,
    )
