"""How revocation lists stand, written where other processes find it without loading a validator.

The watch writes it when something changed; `vanlien health` reads it and looks at the clock itself,
so that a list that ended while nobody watched is told as ended. Written whole or not at all; losing
it loses one line of `vanlien health` until the next change.
"""

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway.domain.moments import from_text, to_text
from gateway.ports.revocation import ListHealth, RevocationHealth, age_state

_NAME: Final = "health.json"
_BY_AGE: Final = frozenset({"ok", "ageing", "expired"})


def write_health(folder: Path, health: RevocationHealth) -> None:
    """Write the note.

    Raises:
        OSError: The folder cannot be written.
    """
    rows = [
        {
            **asdict(one),
            "this_update": None if one.this_update is None else to_text(one.this_update),
            "next_update": None if one.next_update is None else to_text(one.next_update),
        }
        for one in health.lists
    ]
    part = folder / f".{_NAME}.{os.getpid()}.part"
    part.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(folder / _NAME)


def read_health(folder: Path, now: datetime) -> RevocationHealth | None:
    """Return how lists stand now by the last note, None when there is none that can be read."""
    try:
        rows = json.loads((folder / _NAME).read_text("utf-8"))
        return RevocationHealth(tuple(_read(row, now) for row in rows))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _read(row: dict[str, Any], now: datetime) -> ListHealth:
    issued, until = (
        None if row[key] is None else from_text(row[key]) for key in ("this_update", "next_update")
    )
    state = str(row["state"])
    if state in _BY_AGE and issued is not None:
        state = age_state(issued, until, now)
    return ListHealth(str(row["issuer"]), state, issued, until)
