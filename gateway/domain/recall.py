"""Taking back, updating, replacing (thu hồi, cập nhật, thay thế): which document, whose, from whom.

Promises: only who sent a document, or who took over from it, may take it back; what has not left is
simply cancelled, what may have left is asked back, recipient by recipient; nothing is deleted here.
The recall is a record of its own (`lifecycle.RECALL`) beside the delivery. Pure.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.directory import Directory
from gateway.domain.envelope import BusinessType, Header
from gateway.domain.lifecycle import RECALL_ASKABLE, DeliveryState


class RecallAct(StrEnum):
    """What a recall means for one delivery."""

    CANCEL = "cancel"
    ASK = "ask"
    WAIT = "wait"
    NOTHING = "nothing"


def recall_act(state: DeliveryState) -> RecallAct:
    """Return what taking back means in a delivery's state.

    REC-07: before sending it just cancels; while an attempt runs its end decides; from handed over
    on the receiver is asked (13).
    """
    if state in RECALL_ASKABLE:
        return RecallAct.ASK
    match state:
        case (
            DeliveryState.PENDING
            | DeliveryState.DEFERRED
            | DeliveryState.NOT_CONNECTED
            | DeliveryState.FAILED
        ):
            return RecallAct.CANCEL
        case DeliveryState.SENDING:
            return RecallAct.WAIT
        case _:
            return RecallAct.NOTHING


def recall_plan(
    states: Mapping[str, DeliveryState], only: Collection[str] = ()
) -> dict[str, RecallAct]:
    """Return what a recall does per recipient.

    Args:
        states: Canonical agency code to the state of its delivery.
        only: Recipients concerned; empty means all.
    Source: REC-07 (a recall may be for some receivers only).
    """
    return {
        agency: recall_act(state) for agency, state in states.items() if not only or agency in only
    }


def may_change(original_sender: str, claimant: str, directory: Directory, on: date) -> bool:
    """Return whether a claimant may recall, update or replace what another code sent.

    The original sender, under any of its codes, its successor, or its parent body.

    Source: REC-06 (only the original sender).
    """
    if directory.same(original_sender, claimant, on):
        return True
    agency = directory.get(directory.resolve(original_sender, on).canonical)
    return (
        agency is not None and bool(agency.parent) and directory.same(agency.parent, claimant, on)
    )


def targets(header: Header, own_id_exists: bool) -> tuple[str, ...]:
    """Return the identifiers of the documents a message recalls, updates or replaces.

    Senders differ in where they write it, so the first place that names one counts.

    Args:
        header: The message's header.
        own_id_exists: A document with the message's own identifier is known from this sender.
    Source: REC-05.
    """
    business = header.business
    if business.doc_type is BusinessType.NEW:
        return ()
    if business.document_id:
        return (business.document_id,)
    replaced = tuple(r.document_id for r in business.replacements if r.document_id)
    if replaced:
        return replaced
    answered = tuple(r.document_id for r in header.response_for if r.document_id)
    if answered:
        return answered
    return (header.document_id,) if own_id_exists and header.document_id else ()


def concerned(header: Header, target: str) -> tuple[str, ...]:
    """Return the recipients (codes as written) a replacement names for a document; () for all."""
    for replacement in header.business.replacements:
        if replacement.document_id == target:
            return replacement.organ_ids
    return ()


def sent_off_at(header: Header) -> datetime | None:
    """Return when a sender says that it sent a message off: the first hop of its trace."""
    return header.trace[0].at if header.trace else None


def sent_after(sent_at: datetime | None, asked_at: datetime) -> bool:
    """Tell whether something was sent off after it was asked for: then it is another sending.

    Source: REC-07; TIM-02 (statuses tell whole seconds: within one, what was asked for was there).
    """
    return sent_at is not None and sent_at.replace(microsecond=0) > asked_at
