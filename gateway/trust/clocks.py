"""The times a signature names: what its signer wrote, and how that fits the time-stamp.

Government signing tools write Vietnam's wall clock as UTC, and time-stamp authorities' clocks
disagree by minutes; both are told and neither ever fails a signature (SIG-44). Pure.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from pyhanko.pdf_utils import generic
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust.evidence import aware
from gateway.trust.report import VIETNAM

_FAR: Final = timedelta(hours=24)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_OFFSET: Final = timedelta(hours=7)
_NEAR: Final = timedelta(minutes=2)


class Remarks(Protocol):
    """Takes remarks."""

    def remark(self, code: str, detail: object = "") -> None:
        """Add a remark, once."""


def claimed_time(emb: EmbeddedPdfSignature) -> datetime | None:
    """Return the time the signer wrote inside the signature, None when there is none."""
    try:
        inside = generic_cms.extract_self_reported_ts(emb.signer_info)
    except Exception:  # noqa: BLE001 — unreadable is none
        return None
    return aware(inside) if inside else None


def document_time(signature: Any) -> datetime | None:
    """Return the time the PDF states beside a signature (/M), None when there is none.

    A time without a zone is taken as Vietnam's wall clock: nothing else was on the signer's desk.
    """
    try:
        stated = generic.parse_pdf_date(str(signature["/M"]), strict=False)
    except Exception:  # noqa: BLE001 — absent or broken
        return None
    return aware(stated.replace(tzinfo=VIETNAM) if stated.tzinfo is None else stated)


def believed_claim(
    inside: datetime | None, beside: datetime | None, stamped: datetime | None, to: Remarks
) -> datetime | None:
    """Return the time the signer meant, and remark where the wall clock was written as UTC.

    Args:
        inside: Time in the signature.
        beside: Time in the PDF (/M).
        stamped: Time of the time-stamp, trusted or not.
        to: Takes the remark.
    """
    if inside is None:
        return beside
    shifted = inside - _OFFSET
    by_page = beside is not None and abs(shifted - beside) <= _NEAR
    by_stamp = beside is None and stamped is not None and abs(shifted - stamped) <= _HOUR
    if by_page or by_stamp:
        to.remark("local-time-as-utc")
        return shifted
    return inside


def compare(
    claim: datetime | None, beside: datetime | None, stamped: datetime, to: Remarks
) -> None:
    """Remark how far the signer's times are from the time-stamp's; never a failure.

    Args:
        claim: What the signer meant, as `believed_claim` gave it.
        beside: Time in the PDF (/M).
        stamped: Time of the time-stamp.
        to: Takes the remarks.
    """
    times = [t for t in (claim, beside) if t is not None]
    far = [t for t in times if abs(t - stamped) > _FAR]
    if far:
        to.remark("claimed-differs", far[0].astimezone(VIETNAM).isoformat())
    elif times:
        behind = times[0] - stamped
        if behind > _MINUTE:
            to.remark("tsa-before-claimed", behind // _MINUTE)
        elif -behind > 5 * _MINUTE:
            to.remark("clock-differs", -behind // _MINUTE)
