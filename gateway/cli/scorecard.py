"""A conformance card for people: on a terminal, and as an HTML page that stands alone.

Keeps nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.common import table

if TYPE_CHECKING:
    from gateway.conformance.card import Card
    from gateway.conformance.plan import Result

_STATES: Final = {
    "passed": {"tone": "good", "icon": "✓", "vi": "đạt", "en": "passed"},
    "failed": {"tone": "bad", "icon": "✗", "vi": "KHÔNG ĐẠT", "en": "FAILED"},
    "not-played": {"tone": "none", "icon": "–", "vi": "chưa thử", "en": "not played"},
}
_HEADLINES: Final = (
    ("good", "Đạt mọi yêu cầu bắt buộc", "Every must is kept"),
    ("bad", "Không đạt yêu cầu bắt buộc", "A must is broken"),
    ("doubt", "Chưa thử hết yêu cầu bắt buộc", "Not every must was played"),
)


def live(result: "Result") -> str:
    """Return one line while a run goes on."""
    state = _STATES[result.state]
    return f"  {state['icon']} {result.id}" + (f": {clean(result.why_vi)}" if result.why_vi else "")


def clean(text: str) -> str:
    """Return a stranger's words without what could steer a terminal."""
    return "".join(c if c.isprintable() else "·" for c in text)


def shown(card: "Card") -> object:
    """Return the card for a terminal."""
    from rich.console import Group
    from rich.text import Text

    from gateway.conformance.plan import Level, State

    parts: list[Any] = []
    for level, title in ((Level.MUST, "Bắt buộc / must"), (Level.SHOULD, "Nên / should")):
        lines: Sequence[Result] = card.of(level)
        rows = [
            (
                f"{_STATES[r.state]['icon']} {_STATES[r.state]['vi']}",
                r.id,
                clean(r.why_vi or r.vi),
                ", ".join(r.rules),
            )
            for r in lines
        ]
        head = ("Kết quả", "Ca / case", "Nội dung / what", "Căn cứ / rules")
        parts.append(table(title, head, rows))
    _, vi, en = _HEADLINES[card.exit_code]
    passed, asked = card.count(Level.MUST, State.PASSED), len(card.of(Level.MUST))
    parts.append(Text(f"{vi} ({passed}/{asked}). / {en}."))
    return Group(*parts)


def _cleaned(value: Any) -> Any:
    """Return a JSON value whose texts are all `clean`."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return {k: _cleaned(v) for k, v in value.items()} if isinstance(value, dict) else value


def page(card: "Card") -> bytes:
    """Return the card as an HTML page that stands alone."""
    from gateway import __version__
    from gateway.reports.html import content_security_policy
    from gateway.reports.html import page as render

    tone, vi, en = _HEADLINES[card.exit_code]
    return render(
        "conformance.html.j2",
        {
            "card": _cleaned(card.to_json()),
            "states": _STATES,
            "tone": tone,
            "headline": {"vi": vi, "en": en},
            "policy": content_security_policy(),
            "version": __version__,
        },
    )
