"""One sending to many recipients: who gets a delivery, and whether it is a repeat.

Promises: recipients named twice, under old and new code, get one delivery; one bad recipient does
not sink the others; the same content again is told from other content by its meaning, not its
bytes, because axes re-serialise messages. Pure; the ledger makes the decision stick.
"""

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final

from gateway.domain.directory import Directory, Resolved
from gateway.domain.envelope import BusinessType, Envelope, Header, Organization
from gateway.domain.identifiers import fold
from gateway.domain.lifecycle import DeliveryState
from gateway.errors import Reason

# ---------------------------------------------------------------- recipients


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """One delivery to be (ID-04: per canonical agency).

    Args:
        agency: Canonical code; the folded text when unknown.
        name: Printed name: the catalogue's, else the sender's.
        addressed_as: The codes it was addressed under, in order.
        hop: Next hop, "" when not connected.
        reason: Why nothing can be sent there, None when it can.
        successor: Canonical code of who took over, "" for nobody and for several.
        candidates: Codes of all who took over (ID-05).
    """

    agency: str
    name: str
    addressed_as: tuple[str, ...]
    hop: str
    reason: Reason | None
    successor: str = ""
    candidates: tuple[str, ...] = ()

    @property
    def state(self) -> DeliveryState:
        """Return the state it begins in (SND-04: not connected is a state, not an error)."""
        return DeliveryState.PENDING if self.reason is None else DeliveryState.NOT_CONNECTED


def plan_deliveries(
    recipients: Sequence[Organization], directory: Directory, on: date
) -> tuple[PlannedDelivery, ...]:
    """Return one delivery per agency named, in the order the sender wrote them.

    Source: ID-04, ID-05, SND-04.
    """
    planned: dict[str, PlannedDelivery] = {}
    for recipient in recipients:
        found = directory.resolve(recipient.organ_id, on)
        known = planned.get(found.canonical)
        written = recipient.organ_id
        if known is not None:
            codes = known.addressed_as
            if written not in codes:
                codes = (*codes, written)
            # An expired alias beside the code in force does not close the delivery.
            reason = None if found.reason is None else known.reason
            hop = known.hop or (found.agency.hop if isinstance(found, Resolved) else "")
            planned[found.canonical] = replace(known, addressed_as=codes, hop=hop, reason=reason)
            continue
        if isinstance(found, Resolved):
            planned[found.canonical] = PlannedDelivery(
                found.canonical,
                found.agency.name or recipient.organ_name,
                (written,),
                found.agency.hop if found.reason is None else "",
                found.reason,
                found.successor.code if found.successor is not None else "",
                found.heirs.codes,
            )
        else:
            planned[found.canonical] = PlannedDelivery(
                found.canonical, recipient.organ_name, (written,), "", found.reason
            )
    return tuple(planned.values())


# ---------------------------------------------------------------- content digest

# What the axis's own library writes when a field is missing (spec/edxml.md 3.3): no difference.
_DEFAULTS: Final[Mapping[str, object]] = {
    "type": 2,
    "type_detail": -1,
    "copies": 1,
    "pages": 1,
    "steering": 0,
    "urgency": 0,
    "direction": False,
    "business": 0,
}


def _clean(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _business_fields(header: Header) -> dict[str, Any]:
    business = header.business
    signer = header.signer
    return {
        "sender": fold(header.sender.organ_id),
        "number": _clean(header.code_number),
        "notation": _clean(header.code_notation),
        "place": _clean(header.place),
        "date": header.promulgation_date.isoformat() if header.promulgation_date else "",
        "type": header.type_code,
        "type_detail": header.type_detail,
        "type_name": _clean(header.type_name),
        "subject": _clean(header.subject),
        "content": _clean(header.content),
        "signer": [_clean(signer.competence), _clean(signer.position), _clean(signer.full_name)]
        if signer is not None
        else [],
        "due": header.due_date.isoformat() if header.due_date else "",
        "urgency": int(header.urgency),
        "sphere": _clean(header.sphere),
        "copies": header.promulgation_amount,
        "pages": header.page_amount,
        "direction": header.direction,
        "appendixes": [_clean(a) for a in header.appendixes],
        "responses": sorted(
            [fold(r.organ_id), _clean(r.code), r.document_id, str(r.promulgation_date or "")]
            for r in header.response_for
        ),
        "steering": header.steering_type,
        "tasks": sorted(header.task_codes),
        "business": int(business.doc_type),
        "concerns": business.document_id,
        "why": _clean(business.reason),
        "replaces": sorted(
            [r.document_id, *sorted(map(fold, r.organ_ids))] for r in business.replacements
        ),
        "receivers": sorted([fold(r.organ_id), r.receiver_type or 0] for r in business.receivers),
    }


def content_digest(envelope: Envelope) -> str:
    """Return the SHA-256 (hex) over what a message says, the same after an axis rewrote it.

    In: the business fields, cleaned of blanks and accents' composition, and the SHA-256 of each
    unwrapped attachment. Out: trace, recipients, signature block, element order, identifier,
    content types, names, zip wrapping, and whatever equals the axis library's defaults.

    Source: DID-07 (same identifier and same content is a repeat).
    """
    said = {
        key: value
        for key, value in _business_fields(envelope.header).items()
        if value not in ("", None, [], ["", "", ""]) and _DEFAULTS.get(key, _DEFAULTS) != value
    }
    said["files"] = [a.sha256 for a in envelope.attachments]
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- repeat, resend, conflict


class Repeat(StrEnum):
    """What a submission is beside an earlier one with the same sender and identifier."""

    FRESH = "fresh"
    SAME = "same"
    MORE_RECIPIENTS = "more-recipients"
    RESEND = "resend"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The newest version on record of the same sender and identifier.

    Args:
        digest: Its content digest.
        version: Its version, from 1.
        states: Canonical agency to the state of its delivery.
    """

    digest: str
    version: int
    states: Mapping[str, DeliveryState]


@dataclass(frozen=True, slots=True)
class RepeatJudgement:
    """The judgement: kind, version to store, and the agencies that get new deliveries."""

    kind: Repeat
    version: int
    agencies: tuple[str, ...]


_RESENDABLE: Final = frozenset(
    {
        DeliveryState.RETURNED,
        DeliveryState.FAILED,
        DeliveryState.CANCELLED,
        DeliveryState.NOT_CONNECTED,
        DeliveryState.RECALLED,
    }
)


def judge_repeat(
    earlier: Earlier | None,
    digest: str,
    agencies: Collection[str],
    business: BusinessType = BusinessType.NEW,
) -> RepeatJudgement:
    """Return what a submission is: new, a repeat, more recipients, a resend, or a conflict.

    Args:
        earlier: What is on record, None when nothing is.
        digest: Content digest of the submission.
        agencies: Canonical codes of its recipients, in order.
        business: Its business type; an update or replacement is other content by intent.
    Source: DID-07; after 02, failure or cancellation the same identifier may carry other content.
    """
    wanted = tuple(dict.fromkeys(agencies))
    if earlier is None:
        return RepeatJudgement(Repeat.FRESH, 1, wanted)
    if digest == earlier.digest:
        new = tuple(a for a in wanted if a not in earlier.states)
        kind = Repeat.MORE_RECIPIENTS if new else Repeat.SAME
        return RepeatJudgement(kind, earlier.version, new)
    if business is not BusinessType.NEW:
        return RepeatJudgement(Repeat.FRESH, earlier.version + 1, wanted)
    if all(earlier.states.get(agency) in _RESENDABLE for agency in wanted) and wanted:
        return RepeatJudgement(Repeat.RESEND, earlier.version + 1, wanted)
    return RepeatJudgement(Repeat.CONFLICT, earlier.version, ())
