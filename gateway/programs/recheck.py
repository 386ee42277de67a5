"""recheck: looks again at documents whose verdict is undetermined, when something may have changed.

What has it look: another trust state (certificates, lists, policy), fresh revocation data
(`on_fresh`), a timer, an operator. Promises: below every other lane, one document at a time; the
earlier report stays beside the new one; verdict, event, receipt entry and report are one commit, so
that a crash in the middle leaves the document on the list and looking again does no harm; what a
file does to the verifier is tried a few times, not for ever.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import faults, observe
from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import Attachment
from gateway.domain.finding import errors, finding_json
from gateway.domain.lifecycle import ArrivalState, ConsignmentState
from gateway.domain.moments import from_text, iso, to_text
from gateway.errors import GatewayError, UnavailableError
from gateway.ports import BlobInfo, Change, ChangeSet, Conflict, Delete, Row, Update
from gateway.programs import clockwatch, undetermined
from gateway.programs.context import Context
from gateway.programs.judging import findings_from_json, judge_signatures, legal_class_of
from gateway.programs.patience import Patience
from gateway.programs.rows import dumps, entry, event, loads
from gateway.programs.shutaway import shut_away
from gateway.programs.undetermined import ASKED
from gateway.programs.verifying import BACKGROUND, Verdicts, signed_packet, verify_files
from gateway.trust.curable import ANY_ISSUER, Cause, gist
from gateway.trust.render import from_json
from gateway.trust.report import Verdict, VerificationReport

_PERIOD_S: Final = 2.0
_PAGE: Final = 500
_RACES: Final = 8
_SOON: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(days=1)
_VERIFIER_TRIES: Final = 5
"""A file that kills its verifier costs a process and its time limit: it gets few tries."""
_REMIND: Final = timedelta(hours=1)

_OVER: Final = frozenset(
    {
        ConsignmentState.REFUSED.value,
        ConsignmentState.CANCELLED.value,
        ConsignmentState.QUARANTINED.value,
        ArrivalState.RETURNED.value,
        ArrivalState.RECALLED.value,
    }
)
_TAKEN: Final = frozenset(
    {
        ArrivalState.ACCEPTED.value,
        ArrivalState.ASSIGNED.value,
        ArrivalState.IN_PROGRESS.value,
        ArrivalState.DONE.value,
    }
)


@dataclass(frozen=True, slots=True)
class _Before:
    """What was known of a document's files: the newest report of each, and its name."""

    reports: tuple[VerificationReport, ...]
    named: tuple[dict[str, str], ...]


class Recheck:
    """One loop over the work list.

    Args:
        context: Ports and policy.
        trust_state: The identity of what is trusted now, as reports name it; cheap to ask.
    """

    def __init__(self, context: Context, trust_state: Callable[[], str] = lambda: "") -> None:
        self._context = context
        self._trust_state = trust_state
        self._fresh: set[str] = set()
        self._nudged = asyncio.Event()
        self._noticed: str | None = None
        self._acted: str | None = None
        self._told = 0
        self._told_at: datetime | None = None
        self._patience = Patience("recheck", context.random)

    def on_fresh(self, issuer: str = ANY_ISSUER) -> None:
        """Say that revocation data of an authority came in; called on the loop.

        Args:
            issuer: Its distinguished or common name, as reports print them.
        """
        self._fresh.add(issuer)
        self._nudged.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                async with self._context.leases.holding("recheck") as mine:
                    if mine:
                        await self.once()
                self._patience.good()
            except UnavailableError as exc:
                await self._patience.wait(exc)
            except Exception as exc:  # noqa: BLE001 - the next look may find the trouble gone
                observe.alarm(what="recheck", failure=exc)
            self._nudged.clear()
            try:
                async with asyncio.timeout(_PERIOD_S):
                    await self._nudged.wait()
            except TimeoutError:
                continue

    async def once(self) -> int:
        """Make one look; return how many documents were looked at again."""
        context = self._context
        if clockwatch.is_off(context):
            return 0  # a verdict is about a time
        now = context.clock.now()
        seen = await self._moved_on() if self._moved() else set()
        due = await context.ledger.all("recheck_due", now=to_text(now), limit=_PAGE)
        seen |= {row["subject"] for row in due}
        for subject in sorted(seen):
            await self._guarded(subject)
        await self._tell(now)
        return len(seen)

    async def _moved_on(self) -> set[str]:
        """Return the documents that the present trust state may help."""
        fresh, state = set(self._fresh), self._noticed
        everyone = self._acted is None or not fresh or ANY_ISSUER in fresh
        found: set[str] = set()
        async for row in self._open():
            other = bool(fresh) or row["trust_sha256"] != state
            if other and (everyone or _concerns(row, fresh)) and _heeds_trust(row):
                found.add(row["subject"])
        self._fresh -= fresh
        self._acted = state
        return found

    def _moved(self) -> bool:
        """Tell whether the trust state is another one than at the last round, and holds still.

        A folder of lists is imported file by file: one round when it is over, not one a file.
        """
        state = self._trust_state()
        before, self._noticed = self._noticed, state
        settled = before is None or before == state
        return settled and (state != self._acted or bool(self._fresh))

    async def _open(self) -> Any:
        after = ""
        while True:
            rows = await self._context.ledger.all("recheck_open", after=after, limit=_PAGE)
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            after = rows[-1]["subject"]

    async def _guarded(self, subject: str) -> None:
        try:
            await self.again(subject)
        except GatewayError as exc:
            # Ours or the verifier's trouble: nothing was learnt, it is looked at again soon.
            observe.recheck_failed(subject=subject, reason=exc.reason)
            await self._postpone(subject)
        except Exception as exc:  # noqa: BLE001 - one bad document must not hide the others
            observe.alarm(what="recheck", subject=subject, failure=exc)
            await self._postpone(subject)

    async def _postpone(self, subject: str) -> None:
        due = {"due_at": to_text(self._context.clock.now() + _SOON)}
        where = {"subject": subject}
        await self._context.ledger.commit(
            ChangeSet(rows=(Update("recheck", where, due, expect=None),))
        )

    # ------------------------------------------------------------ one document

    async def again(self, subject: str) -> bool:
        """Look at one document again; tell whether its verdict changed. Safe to repeat.

        Raises:
            GatewayError: Nothing was learnt.
        """
        context = self._context
        row = await context.ledger.one("recheck", subject=subject)
        if row is None:
            return False
        document = await context.ledger.one(row["kind"], id=subject)
        now = context.clock.now()
        ended = _ended(row, document, now, context.policy.recheck_for)
        if document is None or ended is not None:
            await self._drop(row, ended or "gone", now)
            return False
        if document["state"] == ConsignmentState.ACCEPTED.value and row["kind"] == "consignment":
            await self._postpone(subject)  # `issue` has it
            return False
        envelope = envelope_from_json(loads(document["envelope"]))
        files = envelope.attachments
        received = BlobInfo(document["received_sha256"], document["received_size"])
        packet = signed_packet(envelope, received)
        verdicts = await verify_files(context, files, now, lane=BACKGROUND, packet=packet)
        for _ in range(_RACES):
            change = await self._changes(row, document, files, verdicts, now)
            faults.reach("recheck.before-commit")
            if not isinstance(await context.ledger.commit(change), Conflict):
                self._say(row, document, verdicts)
                return bool(document["verdict"] != verdicts.verdict.value)
            document = await context.ledger.one(row["kind"], id=subject)
            row = await context.ledger.one("recheck", subject=subject)
            if row is None or document is None or _ended(row, document, now, None) is not None:
                return False
        await self._postpone(subject)
        return False

    async def _drop(self, row: Row, why: str, now: datetime) -> None:
        changes: list[Change] = [Delete("recheck", {"subject": row["subject"]})]
        if why == "too-old":
            changes.append(event(row["subject"], "recheck_ended", now, cause=row["cause"]))
        await self._context.ledger.commit(ChangeSet(rows=tuple(changes)))

    async def _changes(
        self,
        row: Row,
        document: Row,
        files: Sequence[Attachment],
        verdicts: Verdicts,
        now: datetime,
    ) -> ChangeSet:
        before = await self._before(row, document, files)
        after = self._after(row, document, verdicts, now)
        if not _is_news(document, before, verdicts):
            return ChangeSet(rows=tuple(after))
        view = _judged(self._context, document, verdicts)
        if view is None:
            hidden = shut_away(self._context, row["kind"], document, now)
            drop = Delete("recheck", {"subject": row["subject"]})
            return ChangeSet(rows=(*hidden, drop))
        return ChangeSet(
            rows=(
                *_verdict_rows(row, document, view, now),
                *verdicts.rows,
                *self._proof(row, document, before, verdicts, now),
                *after,
            )
        )

    def _after(self, row: Row, document: Row, verdicts: Verdicts, now: datetime) -> list[Change]:
        """Return what becomes of the row of the work list."""
        wait, tries = verdicts.wait, row["tries"] + 1
        where = {"subject": row["subject"]}
        hopeless = wait is not None and wait.cause is Cause.VERIFIER and tries >= _VERIFIER_TRIES
        if wait is None or hopeless:
            ended = event(row["subject"], "recheck_ended", now, cause=row["cause"])
            same = document["verdict"] == verdicts.verdict.value
            said = same and row["cause"] not in {"", ASKED}
            return [Delete("recheck", where), *([ended] if said else [])]
        every = self._context.policy.recheck_every
        later = {
            "cause": wait.cause.value,
            "issuers": dumps(wait.issuers),
            "tries": tries,
            "due_at": to_text(now + min(every * 2 ** min(row["tries"], 10), _LONGEST)),
            "trust_sha256": next(
                r.trust_sha256 for r in verdicts.reports if r.verdict is Verdict.INDETERMINATE
            ),
        }
        return [Update("recheck", where | {"tries": row["tries"]}, later)]

    async def _before(self, row: Row, document: Row, files: Sequence[Attachment]) -> _Before:
        """Return the reports the present verdict was made of, as far as they are kept."""
        ledger = self._context.ledger
        names = dumps(sorted({f.sha256 for f in files}))
        until = document["verdict_changed_at"] or row["since"]
        newest: dict[str, Row] = {}
        for one in await ledger.all("reports_of_files", names=names):
            if one["at"] <= until:
                newest[one["sha256"]] = one
        found = [newest[f.sha256] for f in files if f.sha256 in newest]
        reports = [await ledger.one("verification", id=one["id"]) for one in found]
        return _Before(
            tuple(from_json(loads(r["report"])) for r in reports if r is not None),
            tuple({"sha256": one["sha256"], "report_sha256": one["id"]} for one in found),
        )

    def _proof(
        self, row: Row, document: Row, before: _Before, verdicts: Verdicts, now: datetime
    ) -> list[Change]:
        changed = document["verdict"] != verdicts.verdict.value
        kind = "verdict_changed" if changed else "verified_again"
        proof = entry(
            self._context.ids,
            "verified",
            row["subject"],
            document["document_id"] or "",
            now,
            **{f"{row['kind']}_id": row["subject"]},
            verdict_before=document["verdict"],
            verdict=verdicts.verdict.value,
            legal_class=_class(document, verdicts),
            reports_before=list(before.named) or None,
            reports=list(verdicts.named) or None,
        )
        said = {
            "from": document["verdict"],
            "to": verdicts.verdict.value,
            "reports_before": [n["report_sha256"] for n in before.named],
            "reports": [n["report_sha256"] for n in verdicts.named],
        }
        return [event(row["subject"], kind, now, **said), proof.row]

    def _say(self, row: Row, document: Row, verdicts: Verdicts) -> None:
        before, after = document["verdict"], verdicts.verdict.value
        if before == after:
            return
        late = row["kind"] == "arrival" and document["state"] in _TAKEN
        observe.verdict_changed(
            subject=row["subject"], kind=row["kind"], before=before, after=after, late=late
        )
        worse = after == Verdict.INVALID.value
        if worse and before == Verdict.VALID.value:
            observe.alarm(what="valid became invalid", subject=row["subject"])
        elif worse and late:
            observe.alarm(what="accepted became invalid", subject=row["subject"])

    # ------------------------------------------------------------ operations

    async def _tell(self, now: datetime) -> None:
        """One banner for operations: how many wait for something of ours, and since when."""
        waits = await undetermined.waiting(self._context.ledger, now)
        ours = [w for w in waits if w.cause in undetermined.OURS]
        count = sum(w.count for w in ours)
        grown = count >= 2 * max(self._told, 1) or (count > 0 and self._told == 0)
        reminded = self._told_at is not None and now - self._told_at >= _REMIND and count > 0
        if grown or reminded or (count == 0 and self._told):
            self._told, self._told_at = count, now
            observe.verdicts_waiting(
                documents=count,
                since=iso(min(w.since for w in ours)) if ours else None,
                causes=[w.cause for w in ours],
            )


def _concerns(row: Row, fresh: set[str]) -> bool:
    issuers = set(loads(row["issuers"]))
    return ANY_ISSUER in issuers or bool(issuers & fresh)


def _heeds_trust(row: Row) -> bool:
    return bool(row["cause"] != Cause.VERIFIER.value)


def _ended(row: Row, document: Row | None, now: datetime, longest: timedelta | None) -> str | None:
    """Return why a document is looked at no more, None while it is."""
    if document is None or document["state"] in _OVER:
        return "gone"
    if document["verdict"] != Verdict.INDETERMINATE.value and row["cause"] != ASKED:
        return "decided"
    if longest is not None and now - from_text(row["since"]) > longest:
        return "too-old"
    return None


def _judged(context: Context, document: Row, verdicts: Verdicts) -> dict[str, Any] | None:
    """Return the columns the new verdict makes; None when a secrecy stamp came to light."""
    envelope = envelope_from_json(loads(document["envelope"]))
    # What was let out is not refused afterwards: flagged like what comes in, people decide.
    fresh = judge_signatures(context, envelope, verdicts, "in")
    if any(f.rule == "SEC-01" for f in errors(fresh)):
        return None
    rest = [f for f in findings_from_json(document["findings"]) if not f.rule.startswith("SIG-")]
    return {
        "verdict": verdicts.verdict.value,
        "legal_class": legal_class_of(verdicts, envelope, document["sender"]),
        "findings": dumps([finding_json(f) for f in dict.fromkeys((*rest, *fresh))]),
    }


def _class(document: Row, verdicts: Verdicts) -> str:
    envelope = envelope_from_json(loads(document["envelope"]))
    return legal_class_of(verdicts, envelope, document["sender"])


def _is_news(document: Row, before: _Before, verdicts: Verdicts) -> bool:
    """Tell whether the clerk must hear of it: another verdict, value, or final reason."""
    if document["verdict"] != verdicts.verdict.value:
        return True
    if verdicts.wait is not None:
        return False  # it goes on waiting
    kept = [r for r in verdicts.reports if r.verdict is not Verdict.UNSIGNED]
    other = document["legal_class"] != _class(document, verdicts)
    return other or gist(before.reports) != gist(kept)


def _verdict_rows(row: Row, document: Row, view: dict[str, Any], now: datetime) -> list[Change]:
    where = {k: document[k] for k in ("id", "state", "verdict")}
    told = {"verdict_before": document["verdict"], "verdict_changed_at": to_text(now)}
    if row["kind"] == "arrival":
        # Its system may be past it: it stands in the feed again, so that clerk and handler see it.
        told |= {"inbox_seq": None}
    return [Update(row["kind"], where, view | told)]
