"""Documents whose verdict is not final: the list of those to look at again, and taking one anyway.

Promises: a document is on the list in the same transaction that records its undetermined verdict;
the clerk's decision to take one is recorded with person, time and reason, in the events and in the
receipt log (F09). Rows only: a crash leaves all of them or none.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from gateway.domain.arrival import may_report
from gateway.domain.envelope import StatusCode
from gateway.domain.finding import Finding, Severity
from gateway.domain.lifecycle import ARRIVAL, ArrivalState, moves_nothing
from gateway.domain.moments import from_text, iso, local_text, to_text
from gateway.domain.receipt import MAX_REASON_LENGTH, arrival_event, known_code
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Insert, Json, Ledger, Row, Update
from gateway.programs.context import Context
from gateway.programs.rows import dumps, entry, event, loads
from gateway.programs.verifying import Verdicts
from gateway.trust.curable import ANY_ISSUER, Cause
from gateway.trust.report import Verdict

Kind = Literal["consignment", "arrival"]

ASKED: Final = "asked"
"""Cause of a row an operator put on the list: its verdict is looked at again, whatever it is."""

PENDING: Final = "pending"
"""Cause of what has no verdict at all yet: the verifier is away, or far behind."""

OURS: Final = frozenset({Cause.REVOCATION.value, Cause.VERIFIER.value, PENDING})
"""Causes that operations can mend; a certificate of strangers may never be ours to have."""

_OVERDUE: Final = timedelta(minutes=1)

_UNTAKEN: Final = frozenset({ArrivalState.OFFERED.value, ArrivalState.TAKEN.value})
_TAKING: Final = frozenset(
    {StatusCode.ACCEPTED, StatusCode.ASSIGNED, StatusCode.IN_PROGRESS, StatusCode.DONE}
)
_REPORTABLE: Final = ("02", "03", "04", "05", "06")


# ---------------------------------------------------------------- the list


def watch(
    context: Context, kind: Kind, subject: str, verdicts: Verdicts, now: datetime
) -> list[Change]:
    """Return the row that has a document looked at again; none when its verdict is final."""
    wait = verdicts.wait
    if wait is None:
        return []
    # SIG-42, F09: undetermined, and on the list in the same commit.
    trust = next(r.trust_sha256 for r in verdicts.reports if r.verdict is Verdict.INDETERMINATE)
    due = now + context.policy.recheck_every
    return [_row(kind, subject, wait.cause.value, wait.issuers, trust, now, due)]


def watch_copy(
    consignment: Row, watched: Row | None, arrival_id: str, now: datetime
) -> list[Change]:
    """Return the row of an arrival made of an undetermined consignment of ours.

    Without a row of the consignment it is looked at once, and leaves the list if nothing can come.
    """
    if consignment["verdict"] != Verdict.INDETERMINATE:
        return []
    if watched is None:
        return [_row("arrival", arrival_id, "", (ANY_ISSUER,), "", now, now)]
    issuers, trust = tuple(loads(watched["issuers"])), watched["trust_sha256"]
    due = from_text(watched["due_at"])
    return [_row("arrival", arrival_id, watched["cause"], issuers, trust, now, due)]


def _row(  # noqa: PLR0917
    kind: Kind,
    subject: str,
    cause: str,
    issuers: Sequence[str],
    trust: str,
    now: datetime,
    due: datetime,
) -> Insert:
    values = {
        "subject": subject,
        "kind": kind,
        "cause": cause,
        "issuers": dumps(issuers),
        "since": to_text(now),
        "due_at": to_text(due),
        "trust_sha256": trust,
    }
    return Insert("recheck", values, ignore=True)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many documents wait for a verdict, for one cause.

    Args:
        cause: As `Cause` names it, or `PENDING`.
        count: Documents.
        since: The oldest of them.
    """

    cause: str
    count: int
    since: datetime


async def waiting(ledger: Ledger, now: datetime) -> tuple[Waiting, ...]:
    """Return what waits, by cause."""
    rows = [r for r in await ledger.all("recheck_counts") if r["cause"] != ASKED]
    overdue = await ledger.one("verdicts_overdue", before=to_text(now - _OVERDUE))
    if overdue is not None and overdue["n"]:
        rows.append({"cause": PENDING} | dict(overdue))
    return tuple(Waiting(r["cause"], r["n"], from_text(r["since"])) for r in rows)


def said(found: Sequence[Waiting]) -> str:
    """Return a readiness check's outcome: said, not failed; documents go on being taken."""
    told = [f"{w.count} ({w.cause}) since {local_text(to_text(w.since))}" for w in found]
    return f"ok (undetermined: {', '.join(told)})" if told else "ok"


# ---------------------------------------------------------------- taking one all the same


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says who takes an undetermined document.

    Args:
        reason: Why it is taken before its verdict.
        by: Who decided, "" where nobody was named.
        system_id: The system that said so.
    """

    reason: str = ""
    by: str = ""
    system_id: str = ""


def is_taken_by(arrival: Row, code: str) -> bool:
    """Tell whether this status takes a document whose signatures are undetermined."""
    undecided = arrival["verdict"] == Verdict.INDETERMINATE and arrival["state"] in _UNTAKEN
    return undecided and known_code(code) in _TAKING


def must_be_reasoned(arrival: Row, code: str, decision: Decision) -> None:
    """Refuse a status that takes an undetermined document without saying why (F09).

    Raises:
        RejectedError: BAD_REQUEST; nothing was written.
    """
    if len(decision.reason) > MAX_REASON_LENGTH:
        raise RejectedError(
            Reason.BAD_REQUEST,
            f"undetermined_reason is longer than {MAX_REASON_LENGTH} characters",
        )
    if not is_taken_by(arrival, code) or decision.reason.strip():
        return
    # SIG-42, F09: undetermined is not valid; a person may decide, and it is recorded who and why.
    finding = Finding(
        "SIG-42",
        Severity.ERROR,
        "/undetermined_reason",
        "Chữ ký số của văn bản này chưa xác định được. Có thể tiếp nhận ngay: ghi lý do vào "
        "undetermined_reason (và người quyết định vào decided_by) rồi gửi lại; hoặc chờ, hệ thống "
        "tự kiểm tra lại.",
        "The signatures of this document are undetermined. It can be taken at once: say why in "
        "undetermined_reason (and who decided in decided_by) and send again; or wait, the gateway "
        "looks again by itself.",
    )
    raise RejectedError(
        Reason.BAD_REQUEST,
        f"status {code} takes an undetermined document: undetermined_reason is needed",
        findings=(finding,),
    )


def taken(
    context: Context, arrival: Row, code: str, decision: Decision, now: datetime
) -> list[Change]:
    """Return the rows that record the decision; none when the status takes nothing undetermined."""
    if not is_taken_by(arrival, code):
        return []
    facts = {
        "at": iso(now),
        "by": decision.by.strip() or decision.system_id,
        "code": code,
        "reason": decision.reason.strip(),
    }
    text = dumps(facts)
    # The log goes to strangers: it proves person, time and reason by their digest.
    proof = entry(
        context.ids,
        "audit",
        arrival["id"],
        arrival["document_id"],
        now,
        action="taken-undetermined",
        actor=decision.system_id,
        target=f"arrival:{arrival['id']}",
        arrival_id=arrival["id"],
        agency=arrival["agency"],
        code=code,
        verdict=arrival["verdict"],
        body_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    return [
        # The verdict may come at this very moment: then there is nothing undetermined to take.
        Update(
            "arrival",
            {"id": arrival["id"], "verdict": arrival["verdict"]},
            {"undetermined": text},
        ),
        event(arrival["id"], "taken_undetermined", now, record=facts),
        proof.row,
    ]


# ---------------------------------------------------------------- what the API shows


def shown(arrival: Row) -> Json:
    """Return what an arrival's answer says of its verdict's life and of what may be done."""
    state = ArrivalState(arrival["state"])
    actions = [c for c in _REPORTABLE if may_report(state, c) and _moves(state, c)]
    return {
        "verdict_before": arrival["verdict_before"] or None,
        "verdict_changed_at": local_text(arrival["verdict_changed_at"]),
        "taken_undetermined": loads(arrival["undetermined"]) if arrival["undetermined"] else None,
        "actions": actions,
        "advice": _advice(arrival, actions),
    }


def _moves(state: ArrivalState, code: str) -> bool:
    kind = arrival_event(code)
    return kind is not None and not moves_nothing(ARRIVAL, state, kind)


def _advice(arrival: Row, actions: Sequence[str]) -> Any:
    """Return the step offered for a bad verdict; never taken by itself (RCV-04: a person does)."""
    # Looked at again, and undetermined for a reason that no waiting mends: hers to decide.
    stuck = arrival["verdict"] == Verdict.INDETERMINATE and arrival["verdict_changed_at"]
    if "02" not in actions or not (stuck or arrival["verdict"] == Verdict.INVALID):
        return None
    if stuck:
        return {
            "code": "02",
            "refusal": "R05",
            "vi": "Đã kiểm tra lại: chữ ký số vẫn chưa xác định được và chờ thêm cũng không đổi, "
            "xem báo cáo. Nếu không nhận thì trả lại bên gửi: trạng thái 02, lý do R05. Hệ thống "
            "không tự trả lại.",
            "en": "Verified again: its signatures stay undetermined and waiting changes nothing, "
            "see the report. If you do not take it, return it: status 02, reason R05. Nothing is "
            "returned by itself.",
        }
    refusals = [f["refusal"] for f in loads(arrival["findings"]) if f["rule"].startswith("SIG-")]
    refusal = next((r for r in ("R04", "R05", "R03") if r in refusals), "R03")
    late = arrival["state"] not in _UNTAKEN
    when = "sau khi đã tiếp nhận" if late else "khi kiểm tra"
    when_en = "after it was accepted" if late else "when it was verified"
    return {
        "code": "02",
        "refusal": refusal,
        "vi": f"Chữ ký số không hợp lệ ({when}). Nên trả lại bên gửi: trạng thái 02, lý do "
        f"{refusal}. Hệ thống không tự trả lại.",
        "en": f"Its signatures are not valid ({when_en}). Consider returning it: status 02, reason "
        f"{refusal}. Nothing is returned by itself.",
    }
