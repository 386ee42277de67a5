"""reverify: stored reports made again from stored evidence, and compared.

Promises: reads only; a report is made again by the same code, in the same limited processes, from
the trust state and for the time it names, and compared byte for byte; what cannot be made again is
said with its reason and never counted as equal; a report that was changed, dropped or added outside
the gateway is told by the receipt log, which names every one. A crash leaves nothing behind.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.errors import Reason, RejectedError
from gateway.ports import Ledger, Row
from gateway.programs.evidence import (
    PAGE,
    Evidence,
    Judge,
    Progress,
    Scope,
    StateError,
    attachments_of,
    document_of,
    nothing_told,
)
from gateway.programs.rows import dumps, loads
from gateway.receipts.log import entry_hash
from gateway.trust.render import from_json, to_json

_STATES: Final = 100
_SHOWN_PATHS: Final = 20
_FAILED: Final = "verifier-failed"

# What became of a report; those in GOOD are no reason to worry.
EQUAL: Final = "equal"
ENGINE: Final = "engine-changed"
NOT_REPEATED: Final = "not-repeated"
DIFFERS: Final = "differs"
TAMPERED: Final = "tampered"
UNNAMED: Final = "unnamed"
MISSING: Final = "report-missing"
NO_FILE: Final = "file-missing"
NO_EVIDENCE: Final = "evidence-missing"
BAD_EVIDENCE: Final = "evidence-damaged"
GOOD: Final = frozenset({EQUAL, ENGINE, NOT_REPEATED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stored report.

    Args:
        report_id: Its name.
        file: SHA-256 of the file it is about.
        status: One of the constants above.
        verdict: As stored, "" when the report is gone.
        verified_at: The time it is about, as stored.
        trust_sha256: The trust state it rests on.
        paths: Where the report made again differs, as JSON pointers.
        detail: More, for people: what is missing, which version said what.
    """

    report_id: str
    file: str
    status: str
    verdict: str = ""
    verified_at: str = ""
    trust_sha256: str = ""
    paths: tuple[str, ...] = ()
    detail: str = ""


@dataclass(slots=True)
class Tally:
    """Counts of a run, and what needs a look."""

    checked: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Outcome] = field(default_factory=list)
    said: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one report."""
        self.checked += 1
        self.counts[outcome.status] += 1
        if outcome.status not in GOOD:
            self.problems.append(outcome)
        elif outcome.status != EQUAL:
            self.said.append(outcome)


class Reverify:
    """One run.

    Args:
        ledger: For reading.
        evidence: Trust states.
        hands: Files verified at a time.
        progress: Told how many of how many are done.
    """

    def __init__(
        self,
        ledger: Ledger,
        evidence: Evidence,
        *,
        hands: int = 2,
        progress: Progress = nothing_told,
    ) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._hands = max(hands, 1)
        self._progress = progress

    # ------------------------------------------------------------ again, and compare

    async def again(self, scope: Scope) -> Tally:
        """Make stored reports again and compare them byte for byte.

        Raises:
            RejectedError: NOT_FOUND, there is no such document, or no report on the file.
        """
        tally = Tally()
        names = await self._files(scope)
        named = await self._named(scope, tally)
        total = await self._total(names)
        folders = await self._folders(names)
        for folder, states in folders.items():
            try:
                async with self._evidence.judge(folder) as judge:
                    async for page in self._reports(states, names):
                        await self._page(page, judge, named, tally)
                        self._progress(tally.checked, total)
            except StateError as exc:
                async for page in self._reports(states, names):
                    for row in page:
                        tally.add(_lost(row, exc.problem, exc.what))
        return tally

    async def _files(self, scope: Scope) -> tuple[str, ...] | None:
        """Return the files meant, None for all."""
        if scope.file:
            found = await self._ledger.all("evidence_of_files", names=dumps([scope.file]))
            if not found:
                raise RejectedError(Reason.NOT_FOUND, f"there is no report on file {scope.file}")
            return (scope.file,)
        if scope.document:
            _, document = await document_of(self._ledger, scope.document)
            files = [a.sha256 for a in attachments_of(document)]
            # The packet as received may have a signature, and so a report, of its own (SIG-08).
            return tuple(dict.fromkeys((*files, document["received_sha256"])))
        return None

    async def _total(self, names: tuple[str, ...] | None) -> int:
        if names is None:
            row = await self._ledger.one("evidence_count")
            return int(row["n"]) if row is not None else 0
        return len(await self._ledger.all("evidence_of_files", names=dumps(names)))

    async def _folders(self, names: tuple[str, ...] | None) -> dict[str, list[str]]:
        """Return the states, by what they are laid out from; what cannot be stands by itself."""
        found: dict[str, list[str]] = {}
        async for state in self._states(names):
            try:
                folder = self._evidence.folder_of(state)
            except StateError:
                folder = state
            found.setdefault(folder, []).append(state)
        return found

    async def _states(self, names: tuple[str, ...] | None) -> AsyncIterator[str]:
        if names is not None:
            rows = await self._ledger.all("evidence_of_files", names=dumps(names))
            for state in dict.fromkeys(row["trust_sha256"] for row in rows):
                yield state
            return
        after = ""
        while rows := await self._ledger.all("evidence_states", after=after, limit=PAGE):
            for row in rows:
                yield row["trust_sha256"]
            after = rows[-1]["trust_sha256"]

    async def _reports(
        self, states: Sequence[str], names: tuple[str, ...] | None
    ) -> AsyncIterator[Sequence[Row]]:
        """Yield the reports of some states in pages."""
        if names is not None:
            rows = await self._ledger.all("evidence_of_files", names=dumps(names))
            yield [row for row in rows if row["trust_sha256"] in states]
            return
        for first in range(0, len(states), _STATES):
            some, after = dumps(states[first : first + _STATES]), ""
            while page := await self._ledger.all(
                "evidence_of_states", states=some, after=after, limit=PAGE
            ):
                yield page
                after = page[-1]["id"]

    async def _page(self, page: Sequence[Row], judge: Judge, named: set[str], tally: Tally) -> None:
        """Compare a page, files beside one another, the reports of one file one by one."""
        hands: list[list[Row]] = [[] for _ in range(self._hands)]
        for row in page:
            hands[int(row["sha256"][:4], 16) % self._hands].append(row)

        async def work(rows: Sequence[Row]) -> None:
            for row in rows:
                tally.add(await self._compared(row, judge, named))

        async with asyncio.TaskGroup() as group:
            for rows in hands:
                group.create_task(work(rows))

    async def _compared(self, row: Row, judge: Judge, named: set[str]) -> Outcome:
        one = _outcome(row)
        wrong = _tampered(row, named)
        if wrong is not None:
            return replace(one, status=wrong[0], detail=wrong[1])
        stored = from_json(loads(row["report"]))
        if any(n.code == _FAILED for n in stored.notes):
            return replace(one, status=NOT_REPEATED, detail="the verifier failed on it then")
        try:
            again = await judge.report(
                row["sha256"], stored.size_bytes, stored.verified_at, row["trust_sha256"]
            )
        except RejectedError:
            return replace(one, status=NO_FILE, detail="its bytes are gone")
        except StateError as exc:
            return _lost(row, exc.problem, exc.what)
        text = dumps(to_json(again))
        if text == row["report"]:
            return one
        return self._different(one, row, text)

    def _different(self, one: Outcome, row: Row, text: str) -> Outcome:
        then, now = loads(row["report"]), loads(text)
        paths = tuple(_differences(then, now))
        said = ""
        if then["engine"] != now["engine"]:
            said = f"{then['engine']} then, {now['engine']} now"
        kept = self._evidence.engine_of(row["trust_sha256"])
        if kept:
            said = "; ".join(filter(None, (said, f"kept by {_versions(kept)}")))
        status = ENGINE if paths == ("/engine",) else DIFFERS
        return replace(one, status=status, paths=paths[:_SHOWN_PATHS], detail=said)

    # ------------------------------------------------------------ the receipt log

    async def _named(self, scope: Scope, tally: Tally) -> set[str]:
        """Return the reports that the log names; count those that are gone."""
        named: set[str] = set()
        names = await self._files(scope)
        wanted = None if names is None else set(names)
        after = 0
        while rows := await self._ledger.all("entries_with_reports", after=after, limit=PAGE):
            after = rows[-1]["ord"]
            for row in rows:
                if entry_hash(row["body"].encode()).hex() != row["entry_hash"]:
                    continue  # a changed entry vouches for nothing; `receipts verify` names it
                for one in json.loads(row["body"])["reports"]:
                    if wanted is None or one["sha256"] in wanted:
                        name = one["report_sha256"]
                        if name not in named:
                            await self._is_kept(name, one["sha256"], row["subject"], tally)
                        named.add(name)
        return named

    async def _is_kept(self, name: str, file: str, subject: str, tally: Tally) -> None:
        if await self._ledger.one("verification", id=name) is not None:
            return
        if await self._ledger.one("purged", id=subject) is not None:
            return  # SEC-01: two persons had it purged
        detail = f"the receipt log names it under {subject}"
        tally.add(Outcome(name, file, MISSING, detail=detail))


def _outcome(row: Row) -> Outcome:
    return Outcome(row["id"], row["sha256"], EQUAL, row["verdict"], row["at"], row["trust_sha256"])


def _lost(row: Row, problem: str, what: str) -> Outcome:
    status = NO_EVIDENCE if problem == "missing" else BAD_EVIDENCE
    return replace(_outcome(row), status=status, detail=what)


def _tampered(row: Row, named: set[str]) -> tuple[str, str] | None:
    """Return what is wrong with a stored report before it is made again."""
    if hashlib.sha256(row["report"].encode()).hexdigest() != row["id"]:
        return TAMPERED, "the report is not the one its name was made of"
    facts = loads(row["report"])
    if (facts["sha256"], facts["verdict"], facts["trust_sha256"]) != (
        row["sha256"],
        row["verdict"],
        row["trust_sha256"],
    ):
        return TAMPERED, "the columns beside the report say something else"
    if row["id"] not in named:
        return UNNAMED, "no entry of the receipt log names it"
    return None


def _differences(then: Any, now: Any, at: str = "") -> list[str]:
    """Return where two JSON values differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        found = []
        for key in sorted({*then, *now}):
            if key not in then or key not in now:
                found.append(f"{at}/{key}")
            else:
                found += _differences(then[key], now[key], f"{at}/{key}")
        return found
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [
            path
            for n, (a, b) in enumerate(zip(then, now, strict=True))
            for path in _differences(a, b, f"{at}/{n}")
        ]
    return [] if then == now else [at or "/"]


def _versions(engine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {engine[name]}" for name in sorted(engine))
