"""Words and choices that pages of outgoing documents share. Pure."""

from collections.abc import Callable
from typing import Final

from gateway.console.pages import Say, Visit
from gateway.domain.access import Right
from gateway.domain.envelope import BusinessType, Urgency
from gateway.domain.lifecycle import CONSIGNMENT, DELIVERY
from gateway.errors import Reason, RejectedError
from gateway.rules.signature import LEGAL_TEXTS, LegalClass

URGENCY: Final = {
    Urgency.NORMAL: Say("Thường", "Normal"),
    Urgency.URGENT: Say("Khẩn", "Urgent"),
    Urgency.VERY_URGENT: Say("Thượng khẩn", "Very urgent"),
    Urgency.EXPRESS: Say("Hỏa tốc", "Express"),
    Urgency.EXPRESS_TIMED: Say("Hỏa tốc hẹn giờ", "Express, timed"),
}
VERDICTS: Final = {
    "valid": ("good", Say("Chữ ký hợp lệ", "Valid")),
    "invalid": ("bad", Say("Chữ ký không hợp lệ", "Invalid")),
    "indeterminate": ("doubt", Say("Chữ ký chưa xác định", "Undetermined")),
    "unreadable": ("doubt", Say("Không đọc được", "Unreadable")),
    "unsigned": ("none", Say("Không ký số", "Unsigned")),
    "pending": ("none", Say("Đang kiểm tra chữ ký", "Being verified")),
}
CHANGES: Final = {
    str(int(BusinessType.REPLACE)): Say("Thay thế văn bản", "Replaces document"),
    str(int(BusinessType.UPDATE)): Say("Cập nhật văn bản", "Updates document"),
    str(int(BusinessType.RECALL)): Say("Thu hồi văn bản", "Recalls document"),
}
WORDS: Final = {
    "urgencies": URGENCY,
    "changes": CHANGES,
    "verdicts": VERDICTS,
    "legal_texts": {k.value: v for k, v in LEGAL_TEXTS.items()},
    "good_classes": frozenset({LegalClass.ORIGINAL.value, LegalClass.COPY.value}),
    "delivery_texts": {state.value: text for state, text in DELIVERY.texts.items()},
    "consignment_texts": {state.value: text for state, text in CONSIGNMENT.texts.items()},
}


def chosen_agency(visit: Visit, right: Right) -> str:
    """Return the agency a page is about: the one asked for, else the person's first."""
    asked = visit.query("agency")[:64]
    mine = visit.me.mine(right)
    agency = asked or (mine[0] if mine else "")
    visit.must(right, agency)
    return agency


def agency_choice(
    visit: Visit, agency: str, right: Right, names: Callable[[str], str]
) -> dict[str, object]:
    """Return what a page needs to let a person of several agencies choose."""
    mine = visit.me.mine(right)
    return {
        "agency": agency,
        "agency_name": names(agency),
        "agencies": [(code, names(code)) for code in mine] if len(mine) > 1 else [],
    }


def page_number(text: str) -> int:
    """Return the number of a page of a file; RejectedError(NOT_FOUND) for what is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise RejectedError(Reason.NOT_FOUND)
    return int(text)
