"""The mark "DỮ LIỆU THỬ": what a system for training gives out is never taken for the real thing.

One setting decides (`console.training`), everything that leaves a gateway carries it: pages,
sheets, reports, mails, what machines are told, the names of files, and the name under which the
gateway signs. Received bytes are never touched: the names of their files say it. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

MARK: Final = "DỮ LIỆU THỬ"
MARK_EN: Final = "TRAINING DATA"
FIELD: Final = "mark"
"""What the mark is called in JSON; real data have no such member."""
FILES: Final = "DU-LIEU-THU-"
"""What the name of a file begins with."""


def marked(text: str, *, training: bool) -> str:
    """Return a name or a title, marked where it is for training."""
    return f"{text} · {MARK}" if training else text


def told(facts: Mapping[str, Any], *, training: bool) -> dict[str, Any]:
    """Return what a machine is told, its mark in front."""
    return {FIELD: MARK, **facts} if training else dict(facts)
