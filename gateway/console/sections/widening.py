"""A search that finds nothing: what was asked for, and how to ask for more.

Only questions are made here; whoever offers them looks first whether they find anything.
"""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from gateway.console.pages import Say
from gateway.domain.telex import from_telex
from gateway.domain.wording import MOST_WORDS, asked

Told = Mapping[str, str]
_FILTERS: Final = ("direction", "agency", "from", "to", "type", "urgency", "state", "sender")
_LABELS: Final = {
    "direction": Say("sổ", "direction"),
    "agency": Say("cơ quan", "agency"),
    "from": Say("từ ngày", "from"),
    "to": Say("đến ngày", "to"),
    "type": Say("loại", "type"),
    "urgency": Say("mức độ khẩn", "urgency"),
    "state": Say("trạng thái", "state"),
    "sender": Say("nơi gửi, nơi nhận", "sender, recipient"),
}


def searched(told: Told, named: Mapping[str, Callable[[str], Say]]) -> list[Say]:
    """Return what was asked for, a filter a line.

    Args:
        told: The fields of the form.
        named: How values of a field are shown, where they are not shown as they are.
    """
    lines = []
    if told["q"]:
        lines.append(Say(f"từ khóa “{told['q']}”", f"words “{told['q']}”"))
    if len(asked(told["q"]).clauses) == MOST_WORDS:
        lines.append(
            Say(f"chỉ {MOST_WORDS} từ đầu được dùng", f"only the first {MOST_WORDS} words count")
        )
    for field in _FILTERS:
        if value := told[field]:
            label = _LABELS[field]
            shown = named[field](value) if field in named else Say(value, value)
            lines.append(Say(f"{label.vi} {shown.vi}", f"{label.en} {shown.en}"))
    return lines


def wider(told: Told) -> list[tuple[Say, Told]]:
    """Return questions that ask for more, the nearest first."""
    words = told["q"].split()
    text = " ".join(words)
    offers: list[tuple[Say, Told]] = []

    def offer(vi: str, en: str, changed: Told) -> None:
        if changed != told and all(changed != other for _, other in offers):
            offers.append((Say(vi, en), changed))

    if (meant := from_telex(text)) != text:
        offer(f"Có phải ý bạn là “{meant}”?", f"Did you mean “{meant}”?", {**told, "q": meant})
    if (bare := _bare(text)) != text:
        offer(f"Không phân biệt dấu: “{bare}”", f"Whatever the accents: “{bare}”",
              {**told, "q": bare})  # fmt: skip
    offer("Bỏ mọi bộ lọc", "Without any filter", {**told, **dict.fromkeys(_FILTERS, "")})
    if len(words) > 1:
        fewer = " ".join(words[:-1])
        offer(f"Bớt từ cuối: “{fewer}”", f"Without the last word: “{fewer}”",
              {**told, "q": fewer})  # fmt: skip
    return offers


def _bare(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
