"""What a message says: version, topic, id, stamp, flow. Ids only: no content, no state.

Reading refuses everything it does not know, so that a stranger's message or one of a later version
is parked and never taken for work.
"""

import json
from typing import Any, Final

from gateway.ports import Wanted

VERSION: Final = 1
PROBE: Final = b'{"v":1,"probe":true}'
"""Asks whether a queue keeps messages; whoever gets it throws it away."""
_LONGEST: Final = 4096


def write(one: Wanted) -> bytes:
    """Return the body of a message."""
    told: dict[str, str | int] = {
        "v": VERSION,
        "topic": one.topic,
        "ref": one.ref,
        "stamp": one.stamp,
    }
    if one.flow:
        told["flow"] = one.flow
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def read(body: bytes, topic: str) -> tuple[str, str]:
    """Return the id and the flow a message of a topic names; ValueError says why it names none."""
    if len(body) > _LONGEST:
        raise ValueError("too long")
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(told, dict) or told.get("v") != VERSION:
        raise ValueError("unknown version")
    ref = told.get("ref")
    if told.get("topic") != topic or not isinstance(ref, str) or not ref:
        raise ValueError("names no id of this topic")
    flow = told.get("flow", "")
    if not isinstance(flow, str):
        raise ValueError("names no flow")  # noqa: TRY004 - like everything else that is wrong here
    return ref, flow
