"""would_be: what stored documents would be judged like at another time, or under other trust.

Promises: nothing is written; what cannot be said is told with its reason, never guessed. A crash
leaves nothing behind.
"""

import asyncio
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import Attachment
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import Ledger, Row
from gateway.programs.evidence import (
    NOW,
    Evidence,
    Judge,
    Progress,
    Scope,
    StateError,
    attachments_of,
    documents,
    nothing_told,
)
from gateway.programs.rows import dumps, loads
from gateway.programs.verifying import worst
from gateway.rules.signature import class_of
from gateway.rules.signers import codes_of
from gateway.trust.render import from_json
from gateway.trust.report import Verdict, VerificationReport

_JUDGES: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A document that would be judged otherwise.

    Args:
        kind: `consignment` or `arrival`.
        id: Ours.
        document_id: On the wire.
        verdict: As stored.
        would_be: Under the other time or trust; "" where it cannot be said.
        legal_class: As stored.
        would_be_class: As above.
        detail: Why it cannot be said, or "".
    """

    kind: str
    id: str
    document_id: str
    verdict: str
    would_be: str
    legal_class: str
    would_be_class: str
    detail: str = ""


@dataclass(slots=True)
class Answers:
    """How many documents were judged, and those that would be judged otherwise."""

    checked: int = 0
    changes: list[Change] = field(default_factory=list)


class WouldBe:
    """One question, put to every document meant.

    Args:
        ledger: For reading.
        evidence: Trust states.
        at: For which time; None for the time each report is about.
        trust: Under which state: `NOW`, a stored one, or None for each report's own.
        hands: Documents judged at a time.
        progress: Told how many are done.
    """

    def __init__(
        self,
        ledger: Ledger,
        evidence: Evidence,
        *,
        at: datetime | None,
        trust: str | None,
        hands: int = 2,
        progress: Progress = nothing_told,
    ) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._at = at
        self._trust = trust
        self._hands = max(hands, 1)
        self._progress = progress
        self._judges: OrderedDict[str, tuple[Judge, AbstractAsyncContextManager[Judge]]] = (
            OrderedDict()
        )
        self._turn = asyncio.Lock()

    async def ask(self, scope: Scope) -> Answers:
        """Put the question.

        Raises:
            RejectedError: NOT_FOUND, for the one document asked for.
            StateError: The one state asked for cannot be laid out.
        """
        answers = Answers()
        waiting: list[tuple[str, Row]] = []
        try:
            async for one in documents(self._ledger, scope):
                waiting.append(one)
                if len(waiting) >= self._hands:
                    await self._take(waiting, answers)
            await self._take(waiting, answers)
        finally:
            while self._judges:
                await self._dismiss()
        return answers

    async def _take(self, waiting: list[tuple[str, Row]], answers: Answers) -> None:
        # What one of them raises is raised once nobody works with a judge any more.
        found = await asyncio.gather(
            *(self._judged(kind, row) for kind, row in waiting), return_exceptions=True
        )
        waiting.clear()
        for one in found:
            if isinstance(one, BaseException):
                raise one
            answers.checked += 1
            if one is not None:
                answers.changes.append(one)
        while len(self._judges) > _JUDGES:  # between the files, so that nobody is using one
            await self._dismiss()
        self._progress(answers.checked, 0)

    async def _judged(self, kind: str, row: Row) -> Change | None:
        """Return how a document would be judged, None when it is the same."""
        try:
            reports = [await self._report(a) for a in attachments_of(row)]
        except StateError as exc:
            if self._trust is not None:
                raise
            return _change(kind, row, "", "", f"trust state: {exc}")
        except (RejectedError, UnavailableError) as exc:
            return _change(kind, row, "", "", exc.public)
        header = envelope_from_json(loads(row["envelope"])).header
        codes = codes_of(header.sender.organ_id, row["sender"])
        verdict, value = worst(reports).value, class_of(header, reports, codes).value
        if (verdict, value) == (row["verdict"], row["legal_class"]):
            return None
        return _change(kind, row, verdict, value, "")

    async def _report(self, file: Attachment) -> VerificationReport:
        rows = await self._ledger.all("evidence_of_files", names=dumps([file.sha256]))
        stored = rows[-1] if rows else None
        trust, at = self._trust, self._at
        if trust is None and stored is not None:
            trust = str(stored["trust_sha256"])
        if at is None and stored is not None:
            at = from_json(loads(stored["report"])).verified_at
        if trust is None or at is None:
            # Without a report it had no signature, and neither time nor trust to go by.
            never = datetime.fromtimestamp(0, UTC)
            return VerificationReport(Verdict.UNSIGNED, file.sha256, file.size_bytes, never, "", "")
        judge = await self._judge_of(trust)
        return await judge.report(file.sha256, file.size_bytes, at, trust)

    async def _judge_of(self, trust: str) -> Judge:
        folder = NOW if trust == NOW else self._evidence.folder_of(trust)
        async with self._turn:
            if folder not in self._judges:
                lent = self._evidence.judge(folder)
                self._judges[folder] = (await lent.__aenter__(), lent)
            self._judges.move_to_end(folder)
            return self._judges[folder][0]

    async def _dismiss(self) -> None:
        _, (_, lent) = self._judges.popitem(last=False)
        await lent.__aexit__(None, None, None)


def _change(kind: str, row: Row, verdict: str, value: str, detail: str) -> Change:
    return Change(
        kind=kind,
        id=row["id"],
        document_id=row["document_id"] or "",
        verdict=row["verdict"],
        would_be=verdict,
        legal_class=row["legal_class"],
        would_be_class=value,
        detail=detail,
    )
