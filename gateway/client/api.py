"""The calls of `/api/v1`, one method each; answers are typed dictionaries (`shapes`).

Sending wants a key of the caller's own, kept beside the document before it is sent: with the same
key the same document is sent once, however often the call is made, today or after a crash.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import aiohttp

from gateway.client import shapes
from gateway.client.errors import AwayError
from gateway.client.stream import follow
from gateway.client.wire import Ask, Body, Wire

_API: Final = "/api/v1"
_PACKET: Final = {"Content-Type": "application/edxml+xml"}
_CHUNK_BYTES: Final = 1 << 16


class Client(Wire):
    """One system's way to its gateway; use it with `async with`.

    Every method raises `RefusedError` when the gateway refuses and `AwayError` when nobody answers.
    """

    # ------------------------------------------------------------ sending

    async def send(
        self,
        packet: bytes | Path,
        *,
        key: str,
        all_or_nothing: bool | None = None,
        replace_closed: bool | None = None,
    ) -> shapes.AcceptedOut:
        """Send an edXML packet; returns once the gateway holds it durably."""
        return cast(
            "shapes.AcceptedOut",
            await self.json(
                Ask(
                    "POST",
                    f"{_API}/documents",
                    {"all_or_nothing": all_or_nothing, "replace_closed": replace_closed},
                    _PACKET | {"Idempotency-Key": key},
                    _packet(packet),
                )
            ),
        )

    async def send_form(
        self,
        metadata: Mapping[str, Any],
        files: Iterable[Path | tuple[str, bytes]],
        *,
        key: str,
        all_or_nothing: bool | None = None,
        replace_closed: bool | None = None,
    ) -> shapes.AcceptedOut:
        """Send fields and files, main document first; the gateway makes the packet."""
        return cast(
            "shapes.AcceptedOut",
            await self.json(
                Ask(
                    "POST",
                    f"{_API}/documents",
                    {"all_or_nothing": all_or_nothing, "replace_closed": replace_closed},
                    {"Idempotency-Key": key},
                    _form(metadata, tuple(files)),
                )
            ),
        )

    async def upload(self, packet: bytes | Path) -> shapes.UploadOut:
        """Hand a large packet over beforehand, for a message on RabbitMQ to refer to."""
        ask = Ask("POST", f"{_API}/uploads", headers=_PACKET, body=_packet(packet))
        return cast("shapes.UploadOut", await self.json(ask))

    async def documents(
        self, *, document_id: str | None = None, after: str | None = None, limit: int | None = None
    ) -> shapes.Documents:
        """Return a page of what was sent, newest first; `next` goes into `after`."""
        query = {"document_id": document_id, "after": after, "limit": limit}
        return cast("shapes.Documents", await self._get("documents", query))

    async def document(self, document: str) -> shapes.Document:
        """Return one document sent, with what became of each delivery."""
        return cast("shapes.Document", await self._get(f"documents/{_id(document)}"))

    async def document_events(self, document: str) -> shapes.Events:
        """Return what happened to it."""
        return cast("shapes.Events", await self._get(f"documents/{_id(document)}/events"))

    async def recall(
        self, document: str, reason: str, *, recipients: Sequence[str] = ()
    ) -> shapes.RecallsOut:
        """Take a document back, from all recipients or some; the same again adds nothing."""
        told: dict[str, Any] = {"reason": reason}
        if recipients:
            told["recipients"] = list(recipients)
        return cast(
            "shapes.RecallsOut", await self._post(f"documents/{_id(document)}/recall", told)
        )

    async def recalls(self, document: str) -> shapes.RecallsOut:
        """Return the recalls of a document."""
        return cast("shapes.RecallsOut", await self._get(f"documents/{_id(document)}/recall"))

    async def document_receipts(self, document: str) -> shapes.Receipts:
        """Return its receipts and their proofs."""
        return cast("shapes.Receipts", await self._get(f"documents/{_id(document)}/receipts"))

    async def document_verification(
        self, document: str, *, file: int | None = None
    ) -> shapes.Verification:
        """Return the report on its signatures."""
        found = await self._get(f"documents/{_id(document)}/verification", _report("json", file))
        return cast("shapes.Verification", found)

    async def document_report(
        self, document: str, form: str, *, file: int | None = None, lang: str | None = None
    ) -> bytes:
        """Return the report to be shown: `html`, `pdf` or `xml`."""
        query = _report(form, file, lang)
        return await self.raw(Ask("GET", f"{_API}/documents/{_id(document)}/verification", query))

    async def document_signed(self, document: str, file: int, signature: int) -> bytes:
        """Return exactly what one signature signed."""
        path = f"documents/{_id(document)}/verification/files/{file:d}/signed/{signature:d}"
        return await self.raw(Ask("GET", f"{_API}/{path}"))

    # ------------------------------------------------------------ receiving

    async def inbox(
        self, after: int = 0, *, limit: int | None = None, agency: str | None = None
    ) -> shapes.Inbox:
        """Return a page of what came; keep `next` once you have dealt with it, ask behind it."""
        query = {"after": after, "limit": limit, "agency": agency}
        return cast("shapes.Inbox", await self._get("inbox", query))

    async def arrival(self, arrival: str) -> shapes.Arrival:
        """Return one document that came."""
        return cast("shapes.Arrival", await self._get(f"inbox/{_id(arrival)}"))

    async def arrival_events(self, arrival: str) -> shapes.Events:
        """Return what happened to it."""
        return cast("shapes.Events", await self._get(f"inbox/{_id(arrival)}/events"))

    async def arrival_receipts(self, arrival: str) -> shapes.Receipts:
        """Return its receipts and their proofs."""
        return cast("shapes.Receipts", await self._get(f"inbox/{_id(arrival)}/receipts"))

    async def arrival_verification(
        self, arrival: str, *, file: int | None = None
    ) -> shapes.Verification:
        """Return the report on its signatures."""
        found = await self._get(f"inbox/{_id(arrival)}/verification", _report("json", file))
        return cast("shapes.Verification", found)

    async def arrival_report(
        self, arrival: str, form: str, *, file: int | None = None, lang: str | None = None
    ) -> bytes:
        """Return the report to be shown: `html`, `pdf` or `xml`."""
        query = _report(form, file, lang)
        return await self.raw(Ask("GET", f"{_API}/inbox/{_id(arrival)}/verification", query))

    async def arrival_signed(self, arrival: str, file: int, signature: int) -> bytes:
        """Return exactly what one signature signed."""
        path = f"inbox/{_id(arrival)}/verification/files/{file:d}/signed/{signature:d}"
        return await self.raw(Ask("GET", f"{_API}/{path}"))

    async def packet(self, arrival: str, *, received: bool = False) -> AsyncIterator[bytes]:
        """Yield the packet in pieces: the strict one, or the bytes as they were received.

        AwayError on the way, or at the end where the bytes are not those the gateway named: throw
        the pieces away and ask again.
        """
        query = {"form": "received" if received else "strict"}
        async for piece in self._pieces(f"inbox/{_id(arrival)}/edxml", query):
            yield piece

    async def attachment(self, arrival: str, index: int) -> AsyncIterator[bytes]:
        """Yield one file in pieces, as `packet` does."""
        async for piece in self._pieces(f"inbox/{_id(arrival)}/attachments/{index:d}"):
            yield piece

    async def confirm(self, arrival: str) -> shapes.Arrival:
        """Say that your system has it, after your own commit: only now it is legally received."""
        return cast("shapes.Arrival", await self._post(f"inbox/{_id(arrival)}/confirm", None))

    async def status(
        self,
        arrival: str,
        code: str,
        reason: str = "",
        *,
        undetermined_reason: str = "",
        decided_by: str = "",
    ) -> shapes.Arrival:
        """Tell the sender 02…06, 15 or 16; a code that comes twice changes nothing."""
        told = {
            "code": code,
            "reason": reason,
            "undetermined_reason": undetermined_reason,
            "decided_by": decided_by,
        }
        said = {name: value for name, value in told.items() if value}
        found = await self._post(f"inbox/{_id(arrival)}/status", said, repeat=code != "05")
        return cast("shapes.Arrival", found)

    async def rewind(
        self,
        reason: str,
        *,
        to: int | None = None,
        since: str | None = None,
        dry_run: bool = False,
    ) -> shapes.RewoundOut:
        """Have the inbox offered again behind a cursor or since a time (an old backup)."""
        told = {"to": to, "since": since, "reason": reason, "dry_run": dry_run}
        said = {name: value for name, value in told.items() if value is not None}
        found = await self._post("inbox/rewind", said, repeat=dry_run)
        return cast("shapes.RewoundOut", found)

    async def agencies(
        self, q: str | None = None, *, limit: int | None = None, closed: bool | None = None
    ) -> shapes.Agencies:
        """Return the catalogue, or what a picker looks for with `q`, best first."""
        query = {"q": q, "limit": limit, "closed": closed}
        return cast("shapes.Agencies", await self._get("agencies", query))

    # ------------------------------------------------------------ events

    async def events(
        self, after: int = 0, *, limit: int | None = None, kinds: Sequence[str] = ()
    ) -> shapes.NoticesOut:
        """Return a page of what happened; `next` goes into `after`."""
        query = {"after": after, "limit": limit, "kinds": list(kinds) or None}
        ask = Ask("GET", f"{_API}/events", query, {"Accept": "application/json"})
        return cast("shapes.NoticesOut", await self.json(ask))

    def follow(
        self, after: int | str | None = None, *, kinds: Sequence[str] = ()
    ) -> AsyncIterator[shapes.NoticeOut]:
        """Yield what happens, for ever and gap-free; keep the `id` of what you have dealt with.

        Args:
            after: The `id` kept, to go on behind it; None begins now.
            kinds: Only these, such as `inbox.*`.
        """
        return follow(self, f"{_API}/events", after, kinds)

    async def webhooks(self) -> shapes.WebhooksOut:
        """Return your webhooks."""
        return cast("shapes.WebhooksOut", await self._get("webhooks"))

    async def webhook(self, hook: str) -> shapes.WebhookOut:
        """Return one and how it fares."""
        return cast("shapes.WebhookOut", await self._get(f"webhooks/{_id(hook)}"))

    async def webhook_calls(
        self, hook: str, *, dead: bool | None = None, limit: int | None = None
    ) -> shapes.CallsOut:
        """Return its messages, newest first."""
        query = {"dead": dead, "limit": limit}
        return cast("shapes.CallsOut", await self._get(f"webhooks/{_id(hook)}/calls", query))

    async def webhook_add(self, url: str, *, kinds: Sequence[str] = ()) -> shapes.WebhookOut:
        """Add one; its `secret` is shown this once."""
        told = {"url": url, "kinds": list(kinds)}
        return cast("shapes.WebhookOut", await self._post("webhooks", told, repeat=False))

    async def webhook_rotate(self, hook: str, overlap_hours: float = 24.0) -> shapes.WebhookOut:
        """Give it a new secret; the old one signs beside it for so many hours."""
        found = await self._hook(hook, "rotate", {"overlap_hours": overlap_hours}, repeat=False)
        return cast("shapes.WebhookOut", found)

    async def webhook_pause(self, hook: str, reason: str) -> shapes.WebhookOut:
        """Have nothing brought until it is resumed; nothing is lost."""
        return cast("shapes.WebhookOut", await self._hook(hook, "pause", {"reason": reason}))

    async def webhook_resume(self, hook: str) -> shapes.WebhookOut:
        """Let it go on."""
        return cast("shapes.WebhookOut", await self._hook(hook, "resume", None))

    async def webhook_remove(self, hook: str) -> shapes.WebhookOut:
        """End it for good."""
        return cast("shapes.WebhookOut", await self._hook(hook, "remove", None))

    async def webhook_replay(self, hook: str, to: int, reason: str) -> shapes.WebhookOut:
        """Have everything behind a cursor told again, under the same message ids."""
        told = {"to": to, "reason": reason}
        return cast("shapes.WebhookOut", await self._hook(hook, "replay", told, repeat=False))

    async def webhook_test(self, hook: str) -> shapes.PostedOut:
        """Have a test message sent."""
        return cast("shapes.PostedOut", await self._hook(hook, "test", None))

    # ------------------------------------------------------------ inside

    async def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return await self.json(Ask("GET", f"{_API}/{path}", query))

    async def _post(self, path: str, told: Mapping[str, Any] | None, *, repeat: bool = True) -> Any:
        body = None if told is None else _json(told)
        return await self.json(Ask("POST", f"{_API}/{path}", body=body, repeat=repeat))

    async def _hook(
        self, hook: str, verb: str, told: Mapping[str, Any] | None, *, repeat: bool = True
    ) -> Any:
        return await self._post(f"webhooks/{_id(hook)}/{verb}", told, repeat=repeat)

    async def _pieces(
        self, path: str, query: Mapping[str, Any] | None = None
    ) -> AsyncIterator[bytes]:
        async with self.answered(Ask("GET", f"{_API}/{path}", query)) as answer:
            digest = hashlib.sha256()
            try:
                async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
                    digest.update(piece)
                    yield piece
            except (aiohttp.ClientError, TimeoutError) as cut:
                raise AwayError(f"{path}: the bytes broke off") from cut
            named = answer.headers.get("ETag", "").strip('"')
            if named != digest.hexdigest():
                raise AwayError(f"{path}: the bytes are not those the gateway named")


def _id(value: str) -> str:
    """Return an id as a part of an address, whatever somebody put into it."""
    return quote(value, safe="")


def _report(form: str, file: int | None, lang: str | None = None) -> Mapping[str, Any]:
    return {"format": form, "file": file, "lang": lang}


def _json(told: Mapping[str, Any]) -> Body:
    return lambda: {"json": told}


def _packet(packet: bytes | Path) -> Body:
    """Return what makes the body anew for each try: a file is opened again, from its beginning."""
    if isinstance(packet, bytes):
        return lambda: {"data": packet}
    return lambda: {"data": packet.open("rb")}


def _form(metadata: Mapping[str, Any], files: Sequence[Path | tuple[str, bytes]]) -> Body:
    told = json.dumps(metadata, ensure_ascii=False)

    def make() -> dict[str, Any]:
        form = aiohttp.FormData()
        form.add_field("metadata", told, content_type="application/json")
        for file in files:
            name, data = file if isinstance(file, tuple) else (file.name, file.open("rb"))
            form.add_field("file", data, filename=name, content_type="application/octet-stream")
        return {"data": form}

    return make
