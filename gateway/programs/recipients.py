"""Recipients of a sending: who they are, which of them can be reached, and by which hop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.codec.refusal import over_limit
from gateway.domain.consignment import PlannedDelivery
from gateway.domain.lifecycle import TransferState
from gateway.domain.moments import to_text
from gateway.errors import CATALOGUE, Reason
from gateway.ports import Change, Insert
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL, local_hop, owed_to
from gateway.programs.rows import dumps, wake
from gateway.rules.facts import MESSAGE_HEADER

_TO_DO: Final = {
    Reason.RECIPIENT_UNKNOWN: "kiểm tra mã rồi gửi lại cho đơn vị này",
    Reason.RECIPIENT_CLOSED: "tra cứu đơn vị tiếp nhận nhiệm vụ rồi gửi cho đơn vị đó",
    Reason.RECIPIENT_LOCKED: "liên hệ quản trị trục, gửi bằng hình thức khác nếu gấp",
    Reason.NOT_CONNECTED: "gửi bằng hình thức khác",
}

_PROOF_BYTES: Final = 180_000
_PROOF_CODE: Final = 64


def problem_text(problem: Reason, successor: str, candidates: Sequence[str] = ()) -> str:
    """Return why nothing can be sent there, in Vietnamese, with what to do (SND-04, ID-05)."""
    text = CATALOGUE[problem].vi
    if problem is Reason.RECIPIENT_CLOSED and successor:
        return f"{text}; gửi tới đơn vị kế thừa {successor}"
    if problem is Reason.RECIPIENT_CLOSED and candidates:
        return f"{text}; chọn trong các đơn vị kế thừa: {', '.join(candidates)}"
    return f"{text}; {_TO_DO[problem]}" if problem in _TO_DO else text


def check_number(codes: Iterable[str]) -> None:
    """Refuse more recipients than one receipt can name; some thousands are well within.

    Raises:
        RejectedError: LIMIT_EXCEEDED.
    """
    if sum(len(proof_code(code).encode()) + 3 for code in codes) > _PROOF_BYTES:
        raise over_limit(
            "tổng độ dài mã nơi nhận (byte)",
            "bytes of all recipients' codes",
            _PROOF_BYTES,
            f"{MESSAGE_HEADER}/To",
        )


def proof_code(code: str) -> str:
    """Return a recipient's code as receipts name it: what is too long for any code is cut."""
    return code if len(code) <= _PROOF_CODE else f"{code[: _PROOF_CODE - 1]}…"


@dataclass(frozen=True, slots=True)
class Routed:
    """Rows of the deliveries and transfers of one sending, and what the answer says of them."""

    rows: tuple[Change, ...]
    answer: tuple[dict[str, str], ...]


def route(  # noqa: PLR0917
    context: Context,
    consignment_id: str,
    document_id: str,
    sender_written: str,
    planned: Iterable[PlannedDelivery],
    lane: int,
    now: datetime,
    *,
    open_gate: bool,
    sender: str,
) -> Routed:
    """Return deliveries and transfers: one transfer a next hop, covering its deliveries.

    One bad recipient does not sink the sending: it gets a delivery that says why. With `open_gate`
    False (no verdict yet) transfers are held until `issue` lets them go.
    """
    rows: list[Change] = []
    answer: list[dict[str, str]] = []
    transfers: dict[str, list[PlannedDelivery]] = {}
    ids: dict[str, str] = {}
    for plan in planned:
        hop = local_hop(plan.agency) if plan.hop == LOCAL else plan.hop
        reason = ""
        if plan.reason is not None:
            reason = problem_text(plan.reason, plan.successor, plan.candidates)
        if plan.reason is None:
            transfers.setdefault(hop, []).append(plan)
            ids.setdefault(hop, context.ids.new())
        rows.append(
            Insert(
                "delivery",
                {
                    "id": context.ids.new(),
                    "consignment_id": consignment_id,
                    "sender": sender,
                    "agency": plan.agency,
                    "name": plan.name,
                    "addressed_as": dumps(plan.addressed_as),
                    "state": plan.state.value,
                    "reason": reason,
                    "hop": plan.hop,
                    "transfer_id": ids.get(hop) if plan.reason is None else None,
                },
            )
        )
        answer.append({"agency": plan.agency, "state": plan.state.value, "reason": reason})
    for hop, covered in transfers.items():
        rows += _transfer(
            ids[hop],
            hop,
            covered,
            consignment_id,
            document_id,
            sender_written,
            lane,
            now,
            open_gate,
        )
    return Routed(tuple(rows), tuple(answer))


def _transfer(  # noqa: PLR0917
    transfer_id: str,
    hop: str,
    covered: list[PlannedDelivery],
    consignment_id: str,
    document_id: str,
    sender_written: str,
    lane: int,
    now: datetime,
    open_gate: bool,
) -> list[Change]:
    at = to_text(now)
    rows: list[Change] = [
        Insert(
            "transfer",
            {
                "id": transfer_id,
                "consignment_id": consignment_id,
                "kind": "edoc",
                "hop": hop,
                "state": TransferState.WAITING.value,
                "hold": "" if open_gate else "verdict",
                "lane": lane,
                "due_at": at,
                "sender_written": sender_written,
                "recipients": dumps([code for r in covered for code in r.addressed_as]),
                "document_id": document_id,
                "created_at": at,
            },
        )
    ]
    if open_gate:
        rows.append(wake(owed_to(hop), transfer_id, lane))
    return rows
