"""What operations do beside a running server: the clock's override, verdicts looked at again.

The queue is in `gateway.store.queue`.

Each change is one write transaction with an event and an entry of the receipt log; the server sees
it within a second. A refused call leaves no trace; a crash leaves the whole call or nothing of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.domain.moments import from_text, to_text
from gateway.ports import Change, Insert, Update
from gateway.receipts.log import Value
from gateway.store import admin_rows as rows_of
from gateway.store.audit import event
from gateway.store.nodes import LedgerNodes
from gateway.store.queue import LedgerQueue

_OVERRIDE: Final = "clock_override"
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Override:
    """A standing override of the clock's hold (TIM-01)."""

    reason: str
    by: str
    since: datetime


class LedgerOperations(LedgerQueue, LedgerNodes):
    """Operations over the ledger; see `LedgerAdmin` for its arguments."""

    # ------------------------------------------------------------ the clock

    def clock_override(self) -> Override | None:
        """Return the override that stands, None when there is none."""
        with self._reading():
            row = self._row("SELECT value FROM meta WHERE key = ?", _OVERRIDE)
        return _override(row["value"] if row is not None else "")

    def override_clock(self, *, reason: str, by: str) -> Override:
        """Let traffic go on under a clock that is known to be off (TIM-01)."""
        why = rows_of.stated(reason, "a reason")
        with self._changing() as now:
            stands = Override(why, rows_of.stated(by, "who acts"), now)
            value = {"reason": why, "by": stands.by, "since": to_text(now)}
            text = json.dumps(value, ensure_ascii=False)
            self._apply(
                [*_meta(text), *self._audit(now, "clock-overridden", by, "clock:override", why)]
            )
            return stands

    def end_clock_override(self, *, by: str) -> Override | None:
        """End the override; return the one that stood, None when there was none."""
        with self._changing() as now:
            row = self._row("SELECT value FROM meta WHERE key = ?", _OVERRIDE)
            stood = _override(row["value"] if row is not None else "")
            if stood is not None:
                audited = self._audit(now, "clock-override-ended", by, "clock:override")
                self._apply([*_meta(""), *audited])
            return stood

    # ------------------------------------------------------------ verdicts

    def look_again(self, documents: Sequence[tuple[str, str]], *, reason: str, by: str) -> int:
        """Put documents on the list of those whose verdict is looked at again; return how many.

        Args:
            documents: `(kind, id)`: `consignment` or `arrival`, and ours.
            reason: Why.
            by: Who asks.
        """
        why = rows_of.stated(reason, "a reason")
        who = rows_of.stated(by, "who acts")
        for first in range(0, len(documents), _AT_ONCE):
            with self._changing() as now:
                changes: list[Change] = []
                for kind, subject in documents[first : first + _AT_ONCE]:
                    changes += _asked(kind, subject, now, {"reason": why, "actor": who})
                changes += self._audit(now, "recheck-asked", by, "verdicts", why)
                self._apply(changes)
        return len(documents)


def _asked(kind: str, subject: str, now: datetime, facts: dict[str, Value]) -> list[Change]:
    at = to_text(now)
    row = {"subject": subject, "kind": kind, "since": at, "due_at": at}
    return [
        Insert("recheck", row, ignore=True),
        Update("recheck", {"subject": subject}, {"cause": "asked", "due_at": at}, expect=None),
        event(subject, "recheck_asked", now, facts),
    ]


def _meta(value: str) -> list[Change]:
    key = {"key": _OVERRIDE}
    return [
        Insert("meta", key | {"value": ""}, ignore=True),
        Update("meta", key, {"value": value}),
    ]


def _override(text: str) -> Override | None:
    if not text:
        return None
    value: dict[str, Any] = json.loads(text)
    return Override(value["reason"], value["by"], from_text(value["since"]))
