"""What happened to a document that was sent, in words for persons; builders only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.domain.eventwords import EVENTS
from gateway.domain.machine import Text
from gateway.domain.receipt import STATUS_TEXTS, known_code
from gateway.ports.clerk_send import Step
from gateway.programs.clerk.history import STATUS_TONES

# Steps of one recipient's way, which the page tells there, and the machinery's own.
QUIET: Final = frozenset({"delivery", "attempt_began", "receipt_came", "program_died"})


def told(one: Mapping[str, Any]) -> Step:
    """Return one event, as `ports.Desk` answers it, in words."""
    data = one["data"]
    if one["type"] == "status":
        tone, text = _said(str(data.get("code", "")))
    else:
        tone, text = EVENTS.get(one["type"], ("none", Text(one["type"], one["type"])))
    more = ", ".join(
        str(data[key]) for key in ("agency", "hop", "ordinal", "reason", "actor") if data.get(key)
    )
    more = f" ({more})" if more else ""
    at = datetime.fromisoformat(one["at"])
    return Step(at, tone, f"{text.vi}{more}", f"{text.en}{more}")


def _said(code: str) -> tuple[str, Text]:
    known = known_code(code)
    words = STATUS_TEXTS[known] if known is not None else Text(code, code)
    tone = STATUS_TONES.get(code, "good")
    return tone, Text(f"Hồi báo {code} – {words.vi}", f"Status {code}: {words.en}")
