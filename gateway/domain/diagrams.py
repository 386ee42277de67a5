"""Draw the state tables: `python -m gateway.domain.diagrams > docs/states.md`.

The page is made from the tables alone and a test compares them, so the drawing cannot lie. Pure but
for the last line, which writes to standard output.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from gateway.domain.lifecycle import TABLES, Table

_HEAD: Final = """\
# States

<!-- Made by `python -m gateway.domain.diagrams > docs/states.md`; edit the tables instead. -->

Every thing that lives longer than one request has a state, and every state moves only along these
tables (`gateway/domain/lifecycle.py`). What is real but moves nothing, such as a late or repeated
status (STS-07), is kept as an event and listed under *stays*. Anything else is refused as an
illegal transition. `hold` is a flag beside the state; a recall is a record of its own, and so is an
operator's hold. The last table lives in memory: `gateway/domain/breaker.py`.
"""

_ABOUT: Final = {
    "consignment": "One sending to many recipients (lượt gửi).",
    "delivery": "The part of a consignment for one agency (phần gửi cho một đơn vị nhận).",
    "transfer": "A consignment on its way to one next hop; covers one or more deliveries.",
    "arrival": "A document that came in for one agency (văn bản đến).",
    "recall": "The sender's wish to take a document back from one agency (thu hồi).",
    "breaker": "The circuit breaker of one destination, in the memory of one node (cầu dao).",
}


def mermaid(table: Table[Any, Any]) -> str:
    """Return one table as a Mermaid state diagram; events between two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, event), following in table.rows.items():
        arrows[state.value, following.value].append(event.value)
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {s.value}" for s in table.states if s in table.initial]
    for state in table.states:
        for following in table.states:
            events = arrows.get((state.value, following.value))
            if events:
                lines.append(f"    {state.value} --> {following.value}: {_label(events)}")
    return "\n".join(lines)


def _label(events: list[str]) -> str:
    return ", ".join(sorted(events))


def _state_rows(table: Table[Any, Any]) -> Iterator[str]:
    yield "| state | tiếng Việt | English | settled |"
    yield "|---|---|---|---|"
    for state in table.states:
        text = table.texts[state]
        mark = "yes" if state in table.settled else ""
        yield f"| `{state.value}` | {text.vi} | {text.en} | {mark} |"


def _stay_rows(table: Table[Any, Any]) -> Iterator[str]:
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, event), why in table.stays.items():
        grouped[state.value, why].append(event.value)
    yield "| in state | stays on | because |"
    yield "|---|---|---|"
    for state in table.states:
        for (name, why), events in grouped.items():
            if name == state.value:
                yield f"| `{name}` | {', '.join(f'`{e}`' for e in events)} | {why} |"


def section(table: Table[Any, Any]) -> str:
    """Return one table as a section of the page."""
    return "\n".join(
        [
            f"## {table.name.capitalize()}",
            "",
            _ABOUT[table.name],
            "",
            "```mermaid",
            mermaid(table),
            "```",
            "",
            *_state_rows(table),
            "",
            *_stay_rows(table),
            "",
        ]
    )


def page() -> str:
    """Return the whole of docs/states.md."""
    return "\n".join([_HEAD, *(section(table) for table in TABLES)])


if __name__ == "__main__":
    sys.stdout.write(page())
