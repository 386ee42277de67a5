"""An arrival (văn bản đến) for one agency: its moments, and what the agency may report about it.

Promises: two moments are kept apart, when the gateway committed it and when it entered the agency's
system; receipt 01 and the legal receive time follow the second. A status the state forbids is
refused with a reason, a repeated one is recorded and moves nothing. Pure.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.envelope import StatusCode
from gateway.domain.finding import Finding, Severity
from gateway.domain.lifecycle import ARRIVAL, ArrivalState, advance, allows, moves_nothing
from gateway.domain.receipt import MAX_REASON_LENGTH, arrival_event, known_code, needs_reason
from gateway.domain.worktime import OfficeHours, received_at_legal
from gateway.errors import Reason, RejectedError


@dataclass(frozen=True, slots=True)
class ArrivalMoments:
    """The instants of an arrival, aware; both are kept (RCV-06, RCV-07).

    Args:
        at_gateway_at: Committed here.
        entered_system_at: Entered the agency's system: fetch confirmed, webhook answered, AMQP
            acknowledged, folder taken; for a console agency the commit. None before.
    """

    at_gateway_at: datetime
    entered_system_at: datetime | None = None

    @classmethod
    def committed(cls, at: datetime, *, console: bool) -> "ArrivalMoments":
        """Return the moments at commit; our console's agencies have it in their system at once."""
        return cls(at, at if console else None)

    def taken(self, at: datetime) -> "ArrivalMoments":
        """Return the moments once the agency's system has it; only the first time counts."""
        return (
            self if self.entered_system_at is not None else ArrivalMoments(self.at_gateway_at, at)
        )

    def received_at_legal(self, hours: OfficeHours) -> datetime | None:
        """Return when the law says it was received, None before it entered the system (RCV-06)."""
        if self.entered_system_at is None:
            return None
        return received_at_legal(self.entered_system_at, hours)


@dataclass(frozen=True, slots=True)
class Reported:
    """The outcome of a status posted by the agency: the new state, and whether it moved."""

    state: ArrivalState
    code: StatusCode
    moved: bool


def report_status(state: ArrivalState, code: str, reason: str) -> Reported:
    """Return what a status posted by the receiving agency does.

    Args:
        state: State of the arrival.
        code: `01`…`06`, `15` or `16`.
        reason: Why; obligatory for 02 and 16.

    Raises:
        RejectedError: BAD_REQUEST for another code or a missing or overlong reason,
            ILLEGAL_TRANSITION when the state forbids it.
    Source: STS-03, STS-07, RCV-04.
    """
    known = known_code(code)
    event = arrival_event(code)
    if known is None or event is None:
        raise RejectedError(
            Reason.BAD_REQUEST, f"status code {code[:10]!r} cannot be reported: use 01-06, 15 or 16"
        )
    # RCV-04 (S003 art 6.4): a refusal says why, or it is none.
    if needs_reason(code) and not reason.strip():
        raise RejectedError(
            Reason.BAD_REQUEST,
            f"status {known.value} needs a reason",
            findings=(_reason_missing(known),),
        )
    if len(reason) > MAX_REASON_LENGTH:
        raise RejectedError(
            Reason.BAD_REQUEST, f"the reason is longer than {MAX_REASON_LENGTH} characters"
        )
    following = advance(ARRIVAL, state, event)
    return Reported(following, known, not moves_nothing(ARRIVAL, state, event))


def _reason_missing(code: StatusCode) -> Finding:
    return Finding(
        "RCV-04",
        Severity.ERROR,
        "/reason",
        f"Trạng thái {code.value} phải nêu lý do: bên từ chối chịu trách nhiệm về việc từ chối. "
        "Ghi lý do rồi gửi lại.",
        f"Status {code.value} must say why: who refuses answers for it. Give the reason and send "
        "again.",
    )


def may_report(state: ArrivalState, code: str) -> bool:
    """Return whether the agency may report a code in this state."""
    event = arrival_event(code)
    return event is not None and allows(ARRIVAL, state, event)


def gives_arrival_number(code: StatusCode, *, console: bool, already: int | None) -> bool:
    """Return whether this status makes the gateway give the arrival number (số đến).

    Only for agencies that work in our console, with the clerk's 03 or with a later code when 03
    was skipped, and once; an agency with a system of its own reports its own number.

    Source: DID-04.
    """
    accepting = code in {
        StatusCode.ACCEPTED,
        StatusCode.ASSIGNED,
        StatusCode.IN_PROGRESS,
        StatusCode.DONE,
    }
    return console and already is None and accepting
