"""What the runs over stored evidence share: states, judges, which documents are meant.

Protocols, values and look-ups; nothing here decides or writes anything.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import Attachment
from gateway.errors import Reason, RejectedError
from gateway.ports import Ledger, Row
from gateway.programs.rows import loads
from gateway.trust.report import VerificationReport

PAGE: Final = 200

NOW: Final = ""
"""As a trust state: what is trusted today, not a stored one."""

Progress = Callable[[int, int], None]
"""Told how many are done, of how many; 0 when nobody knows."""


class StateError(Exception):
    """A trust state cannot be laid out again: `missing` or `damaged`, and what of it."""

    def __init__(self, problem: str, what: str) -> None:
        self.problem = problem
        self.what = what
        super().__init__(f"{what} is {problem}")


class Judge(Protocol):
    """Verifies files under one trust folder, as of any state of the revocation store."""

    async def report(
        self, sha256: str, size_bytes: int, at: datetime, trust_sha256: str
    ) -> VerificationReport:
        """Return the report on a stored file.

        Raises:
            RejectedError: The file is not there.
        """
        ...


class Evidence(Protocol):
    """Trust states as they were kept, and what is trusted now."""

    def folder_of(self, trust_sha256: str) -> str:
        """Return which trust folder a state is of; states of one folder share a judge.

        Raises:
            StateError: It cannot be laid out again.
        """
        ...

    def judge(self, folder: str) -> AbstractAsyncContextManager[Judge]:
        """Lend a judge for the states of a folder; `NOW` for today's trust.

        Raises:
            StateError: It cannot be laid out again.
        """
        ...

    def engine_of(self, trust_sha256: str) -> Mapping[str, str]:
        """Return the versions a state was kept by; empty when nothing is known."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which reports or documents: all, those of one document, or of one file.

    Args:
        document: Id of a consignment or an arrival, or "".
        file: SHA-256, or "".
    """

    document: str = ""
    file: str = ""


def nothing_told(_done: int, _of: int) -> None:
    """Tell nobody."""


def attachments_of(row: Row) -> Sequence[Attachment]:
    """Return the files of a consignment or an arrival."""
    return envelope_from_json(loads(row["envelope"])).attachments


async def document_of(ledger: Ledger, document_id: str) -> tuple[str, Row]:
    """Return a document and its kind, by our id.

    Raises:
        RejectedError: NOT_FOUND.
    """
    for kind in ("consignment", "arrival"):
        row = await ledger.one(kind, id=document_id)
        if row is not None:
            return kind, row
    raise RejectedError(Reason.NOT_FOUND, f"there is no document {document_id}")


async def documents(ledger: Ledger, scope: Scope) -> AsyncIterator[tuple[str, Row]]:
    """Yield the documents meant that have a verdict, kind by kind.

    Raises:
        RejectedError: NOT_FOUND, for the one document asked for.
    """
    if scope.document:
        yield await document_of(ledger, scope.document)
        return
    for kind in ("consignment", "arrival"):
        after = ""
        while rows := await ledger.all(f"judged_{kind}s", after=after, limit=PAGE):
            after = rows[-1]["id"]
            for row in rows:
                if not scope.file or any(a.sha256 == scope.file for a in attachments_of(row)):
                    yield kind, row
