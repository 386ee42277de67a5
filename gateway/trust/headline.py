"""The headline of a report: six states a clerk tells apart at a glance.

Which remarks turn «hợp lệ» into «hợp lệ, có lưu ý» is a table: what a clerk should look at before
accepting weighs; what every honest file of some tool shows does not. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.trust.report import Note, SignatureFacts, Verdict, VerificationReport


class State(StrEnum):
    """The states of signatures.md 2.2, and two for what no signature was found in."""

    VALID = "valid"
    VALID_WITH_NOTES = "valid-with-notes"
    UNDETERMINED = "undetermined"
    INVALID = "invalid"
    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Headline:
    """One state in words (kết luận).

    Args:
        state: Stable code.
        vi: As shown.
        en: The same in English.
        colour: `green`, `yellow`, `red` or `grey`.
        step_vi: What the clerk does next.
        step_en: The same in English.
        notes: The remarks that weigh, for `VALID_WITH_NOTES`.
    """

    state: State
    vi: str
    en: str
    colour: str
    step_vi: str
    step_en: str
    notes: tuple[Note, ...] = ()


WEIGHTY: Final = frozenset(
    {
        "active-content",
        "claimed-differs",
        "claimed-time",
        "embedded-files",
        "empty-field",
        "fields-filled",
        "late-certification",
        "long-lifetime",
        "name-differs",
        "no-second-look",
        "part-not-examined",
        "parts-unsigned",
        "read-leniently",
        "sha1-imprint",
        "stamp-outside-validity",
        "timestamp-unproven",
        "unclassified-change",
        "unexplained-bytes",
    }
)
"""Remarks a clerk should read before accepting a valid file."""

NEUTRAL: Final = frozenset(
    {
        "clock-differs",
        "encrypted-open",
        "local-time-as-utc",
        "page-text-unread",
        "tsa-before-claimed",
    }
)
"""Remarks that honest files of common tools carry; told in the details only."""

_STEPS: Final[dict[State, tuple[str, str, str, str, str]]] = {
    State.VALID: ("HỢP LỆ", "VALID", "green", "Tiếp nhận.", "Accept."),
    State.VALID_WITH_NOTES: (
        "HỢP LỆ, CÓ LƯU Ý",
        "VALID, WITH NOTES",
        "green",
        "Xem các lưu ý rồi tiếp nhận.",
        "Read the notes, then accept.",
    ),
    State.UNDETERMINED: (
        "CHƯA XÁC ĐỊNH ĐƯỢC",
        "UNDETERMINED",
        "yellow",
        "Chưa coi là hợp lệ; xem lý do bên dưới rồi kiểm tra lại hoặc hỏi đơn vị gửi.",
        "Not to be taken as valid; see the reasons, then verify again or ask the sender.",
    ),
    State.INVALID: (
        "KHÔNG HỢP LỆ",
        "INVALID",
        "red",
        "Không tiếp nhận; yêu cầu gửi lại.",
        "Do not accept; ask the sender to send it again.",
    ),
    State.UNREADABLE: (
        "KHÔNG ĐỌC ĐƯỢC",
        "UNREADABLE",
        "yellow",
        "Yêu cầu gửi lại tệp nguyên vẹn.",
        "Ask for an undamaged file.",
    ),
    State.UNSIGNED: (
        "KHÔNG CÓ CHỮ KÝ SỐ",
        "UNSIGNED",
        "grey",
        "Chỉ dùng để tham khảo; hình con dấu hay chữ ký (nếu có) không phải chữ ký số.",
        "For reference only; a picture of a seal is not a signature.",
    ),
}
_STATES: Final = {
    Verdict.VALID: State.VALID,
    Verdict.INDETERMINATE: State.UNDETERMINED,
    Verdict.INVALID: State.INVALID,
    Verdict.UNREADABLE: State.UNREADABLE,
    Verdict.UNSIGNED: State.UNSIGNED,
}


def headline(report: VerificationReport) -> Headline:
    """Return the headline of a file."""
    state = _STATES[report.verdict]
    notes = tuple(weighing(_all_notes(report)))
    if state is State.VALID and notes:
        state = State.VALID_WITH_NOTES
    return of_state(state, notes if state is State.VALID_WITH_NOTES else ())


def signature_headline(signature: SignatureFacts) -> Headline:
    """Return the headline of one signature."""
    state = _STATES[signature.verdict]
    notes = tuple(weighing(iter(signature.notes)))
    if state is State.VALID and notes:
        return of_state(State.VALID_WITH_NOTES, notes)
    return of_state(state)


def of_state(state: State, notes: tuple[Note, ...] = ()) -> Headline:
    """Return a state in words."""
    vi, en, colour, step_vi, step_en = _STEPS[state]
    return Headline(state, vi, en, colour, step_vi, step_en, notes)


def weighing(notes: Iterator[Note]) -> Iterator[Note]:
    """Yield the remarks a clerk should read; one that no table names weighs."""
    return (n for n in notes if n.code not in NEUTRAL)


def _all_notes(report: VerificationReport) -> Iterator[Note]:
    yield from report.notes
    for signature in report.signatures:
        yield from signature.notes
    for part in report.parts:
        if part.report is not None:
            yield from _all_notes(part.report)
