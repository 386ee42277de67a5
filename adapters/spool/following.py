"""What becomes of documents that were sent through the folder, written beside them.

A note of ours for each one that is still open; the feed of notices says which of them moved. After
a start all notes are looked at once, so nothing is missed. A closed document's receipts are written
and its note goes: last of all, so that a crash writes them again.
"""

import itertools
import json
from typing import Final

from adapters.spool import names, results
from adapters.spool.folder import OUT_CUR, Folder
from gateway import observe
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Desk, Notices

NOTES: Final = "following"
_PAGE: Final = 500
_AT_MOST: Final = 100
_NOTE_BYTES: Final = 4096
_OVER: Final = frozenset({"closed", "cancelled", "refused"})


class Following:
    """See the module.

    Args:
        folder: Where results are.
        desk: Knows the documents.
        notices: Says which of them moved.
    """

    def __init__(self, folder: Folder, *, desk: Desk, notices: Notices) -> None:
        self._folder = folder
        self._desk, self._notices = desk, notices
        self._cursor: int | None = None
        self._owed: dict[str, None] = {}

    async def once(self, caller: Caller) -> int:
        """Write down what moved since the last look; return how many documents.

        Raises:
            UnavailableError: The folder or the gateway cannot be used now.
        """
        if not self._owed:
            moved, self._cursor = await self._moved(caller)
            self._owed = dict.fromkeys(moved)
        looked = list(itertools.islice(self._owed, _AT_MOST))
        for document_id in looked:
            await self._look(caller, document_id)
            del self._owed[document_id]
        return len(looked)

    async def _moved(self, caller: Caller) -> tuple[list[str], int]:
        if self._cursor is None:
            cursor = await self._notices.newest()
            entries = await self._folder.call(self._folder.listed, NOTES)
            return [names.stem_of(entry.name) for entry in entries], cursor
        try:
            page = await self._notices.after(caller, self._cursor, limit=_PAGE)
        except RejectedError as exc:
            if exc.reason is not Reason.GONE:
                raise
            self._cursor = None  # the ledger is another one: everything is looked at once
            return await self._moved(caller)
        found = [str(notice.body.get("document") or "") for notice in page.notices]
        followed = [one for one in dict.fromkeys(found) if one]
        notes = await self._folder.call(self._folder.names, NOTES) if followed else set()
        return [one for one in followed if f"{one}.json" in notes], page.next

    async def _look(self, caller: Caller, document_id: str) -> None:
        note = f"{document_id}.json"
        data = await self._folder.call(self._folder.small, NOTES, note, _NOTE_BYTES)
        if data is None:
            return
        try:
            file = str(json.loads(data)["file"])
        except (ValueError, LookupError, TypeError) as exc:
            observe.alarm(what="spool", subject=document_id, failure=exc)
            return  # our own note, whole before it had its name: the disk changed it
        try:
            document = await self._desk.document(caller, document_id)
        except RejectedError:
            # Set apart since: nobody is told anything more of it.
            await self._folder.call(self._folder.forget, NOTES, note)
            return
        said = {k: v for k, v in document.items() if k not in {"header", "attachments"}}
        for name, told in (
            (names.STATE_READABLE, results.state(file, said)),
            (names.STATE, results.dumped(said)),
        ):
            await self._folder.call(self._renewed, f"{file}{name}", told)
        if document["state"] in _OVER:
            receipts = await self._desk.document_receipts(caller, document_id)
            await self._folder.call(
                self._folder.write, OUT_CUR, f"{file}{names.RECEIPTS}", results.dumped(receipts)
            )
            await self._folder.call(self._folder.forget, NOTES, note)

    def _renewed(self, name: str, told: bytes) -> None:
        """Write what is new; after a start nearly everything is as it was."""
        if self._folder.small(OUT_CUR, name, len(told)) != told:
            self._folder.write(OUT_CUR, name, told)
