"""What is offered to the agency, put down in `in/new`; and its word that it has it.

Each item is a folder: the strict packet, its files under safe names, `metadata.json`. It is whole
and durable before it has its name, and the cursor moves after; a crash in between finds the folder
there and moves on. The agency moves it to `in/cur`: this is its word that the document has entered
its system (RCV-06), said again and again without harm.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from adapters.spool import names, results
from adapters.spool.folder import IN_CUR, IN_NEW, Bundle, Folder
from gateway import faults, observe
from gateway.domain.moments import iso
from gateway.errors import IntegrityError, RejectedError
from gateway.ports import Caller, Desk, Feeds, FrontDoor, Offer, Packet

LIMIT: Final = 32
PACKET: Final = "van-ban.edxml"
STATUS: Final = "trang-thai.edxml"
METADATA: Final = "metadata.json"
_AGAIN: Final = 999


def consumer(system_id: str) -> str:
    """Return a system's name among those who are brought things."""
    return f"spool:{system_id}"


class Bringing:
    """See the module.

    Args:
        folder: Where items are put down.
        front: Has the packets, hears what was taken.
        desk: Knows the files of an arrival.
        feeds: What is offered.
    """

    def __init__(self, folder: Folder, *, front: FrontDoor, desk: Desk, feeds: Feeds) -> None:
        self._folder = folder
        self._front, self._desk, self._feeds = front, desk, feeds
        self._name = consumer(folder.system_id)
        self._confirmed: set[str] = set()

    async def once(self, caller: Caller) -> int:
        """Put down what is offered, a batch of it; return how much was offered.

        Raises:
            UnavailableError: The folder or the gateway cannot be used now.
        """
        offers = await self._feeds.after(self._name, caller.speaks_for, limit=LIMIT)
        for offer in offers:
            try:
                await self._bring(caller, offer)
            except IntegrityError as exc:
                # Our own bytes are damaged: it stays offered, and what is behind it goes on.
                observe.alarm(what="spool", subject=offer.item.id, failure=exc)
            faults.reach("spool.after-bring")
            await self._feeds.advance(self._name, offer.item.cursor)
        if offers:
            observe.brought(door="spool", system_id=caller.system_id, items=len(offers))
        return len(offers)

    async def confirm(self, caller: Caller) -> int:
        """Hear which items the agency has moved to `in/cur`; return how many were new."""
        lying = await self._folder.call(self._folder.names, IN_CUR)
        self._confirmed &= lying
        fresh = sorted(lying - self._confirmed)
        count = 0
        for name in fresh:
            item_id = await self._folder.call(self._unheard, name)
            if item_id is not None:
                await self._acknowledged(caller, item_id)
                faults.reach("spool.after-confirm")
                await self._folder.call(self._folder.tick, name)
                count += 1
            self._confirmed.add(name)
        return count

    def _unheard(self, name: str) -> str | None:
        """Return the item whose folder this is, None when it is none, or was heard of before."""
        item_id = names.item_of(name)
        if item_id is None or self._folder.is_ticked(name):
            return None
        entry = self._folder.entry(IN_CUR, name)
        return item_id if entry is not None and entry.kind == "folder" else None

    async def _acknowledged(self, caller: Caller, item_id: str) -> None:
        try:
            # RCV-06 (S003 art 11.2): from here on it is in the agency's system.
            await self._front.acknowledge(caller, item_id, done=True)
        except RejectedError as exc:
            # Set apart since, or a folder that somebody made up: nothing of it is ours to say.
            observe.spool_unknown(system_id=caller.system_id, reason=exc.reason)

    # ------------------------------------------------------------ one item

    async def _bring(self, caller: Caller, offer: Offer) -> None:
        name = await self._folder.call(self._place, offer)
        if name is None:
            return
        try:
            packet = await self._front.fetch(caller, offer.item.id)
            about = await self._about(caller, offer)
        except RejectedError:
            return  # set apart or aged out since it was offered: there is nothing to bring
        bundle = await self._folder.call(self._folder.begin, name)
        called = PACKET if offer.item.kind == "edoc" else STATUS
        await _put(self._folder, bundle, called, packet)
        files = []
        for file in about.get("attachments") or ():
            index = file["index"]
            one = await self._desk.arrival_attachment(caller, offer.item.id, index)
            # Its number before it: two files of one name, and none of the names above.
            saved = f"{index + 1:02d}-{file['safe_name']}"
            await _put(self._folder, bundle, saved, one)
            files.append({"file": saved, "name": file["name"], "sha256": one.sha256})
        told = _metadata(offer, packet, called, about, files)
        await self._folder.call(bundle.add, METADATA, (results.dumped(told),))
        await self._folder.call(bundle.finish)

    def _place(self, offer: Offer) -> str | None:
        """Return the folder an item goes into; None when it lies there already."""
        for again in range(_AGAIN):
            name = names.item_folder(offer.item.at_gateway_at, offer.item.id, again)
            if self._folder.has(IN_NEW, name):
                return None
            if not self._folder.has(IN_CUR, name):
                return name
            if not offer.replay:
                return None  # taken, before the cursor had moved
        return None

    async def _about(self, caller: Caller, offer: Offer) -> dict[str, Any]:
        if offer.item.kind != "edoc":
            return {}
        return await self._desk.arrival(caller, offer.item.id)


async def _put(folder: Folder, bundle: Bundle, name: str, packet: Packet) -> None:
    """Write one file, and stop when it is not what its hash names."""
    append, end = await folder.call(bundle.open, name)
    digest = hashlib.sha256()
    try:
        async for chunk in packet.chunks:
            digest.update(chunk)
            await folder.call(append, chunk)
    finally:
        await folder.call(end)
    if digest.hexdigest() != packet.sha256:
        raise IntegrityError("a stored file is not what its hash names")


def _metadata(
    offer: Offer,
    packet: Packet,
    called: str,
    about: dict[str, Any],
    files: Iterable[dict[str, str]],
) -> dict[str, Any]:
    item = offer.item
    return {
        "id": item.id,
        "kind": "document" if item.kind == "edoc" else "status",
        "cursor": item.cursor,
        "replay": offer.replay,
        "agency": item.recipient,
        "sender": item.sender,
        "document_id": item.document_id,
        "code": item.notation,
        "title": item.title,
        "at_gateway_at": iso(item.at_gateway_at),
        "packet": {"file": called, "sha256": packet.sha256, "size_bytes": packet.size_bytes},
        "files": list(files),
        "document": about or None,
    }
