"""What operations ask of the nodes beside running servers: who lives, who rests; and give it.

Maintenance is a row of `meta`, for all nodes or for one, that every node looks for twice a second.
Beginning and ending it are audited transactions; a crash leaves the whole call or nothing of it.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Insert, Update
from gateway.ports.operations import Maintenance, NodeRow
from gateway.store import admin_rows as rows_of
from gateway.store.admin import LedgerAdmin
from gateway.store.queries import QUERIES

_KEY: Final = "maintenance"


class LedgerNodes(LedgerAdmin):
    """Nodes over the ledger; see `LedgerAdmin` for its arguments."""

    def nodes(self) -> Sequence[NodeRow]:
        """Return all nodes by name, with what each alone does."""
        with self._reading():
            held: dict[str, list[str]] = {}
            for row in self._all(QUERIES["leases"]):
                held.setdefault(row["holder"], []).append(row["name"])
            return [
                NodeRow(
                    name=row["name"],
                    roles=tuple(row["roles"].split(",")),
                    version=row["version"],
                    state=row["state"],
                    started_at=from_text(row["started_at"]),
                    seen_at=from_text(row["seen_at"]),
                    leases=tuple(held.get(f"{row['name']}/{row['boot']}", ())),
                )
                for row in self._all(QUERIES["nodes"])
            ]

    def maintenance(self) -> Sequence[Maintenance]:
        """Return the maintenance that stands: of all nodes first, then by name."""
        with self._reading():
            return self._standing()

    def begin_maintenance(self, node: str | None, *, reason: str, by: str) -> Maintenance:
        """Give all nodes a rest, or one; again with another reason is said anew.

        Raises:
            RejectedError: NOT_FOUND when no node has this name.
        """
        why, who = rows_of.stated(reason, "a reason"), rows_of.stated(by, "who acts")
        with self._changing() as now:
            self._must_be_known(node)
            value = {"reason": why, "by": who, "since": to_text(now)}
            text = json.dumps(value, ensure_ascii=False)
            audited = self._audit(now, "maintenance-begun", who, _target(node), why)
            self._apply([*_meta(node, text), *audited])
            return Maintenance(node, why, who, now)

    def end_maintenance(self, node: str | None, *, by: str) -> Sequence[Maintenance]:
        """End it; None ends every one. Return what stood; safe to repeat."""
        who = rows_of.stated(by, "who acts")
        with self._changing() as now:
            ended = [m for m in self._standing() if node is None or m.node == node]
            rows: list[Change] = []
            for one in ended:
                rows += _meta(one.node, "")
                rows += self._audit(now, "maintenance-ended", who, _target(one.node))
            if rows:
                self._apply(rows)
            return ended

    def _standing(self) -> list[Maintenance]:
        return [_maintenance(row["key"], row["value"]) for row in self._all(QUERIES[_KEY])]

    def _must_be_known(self, node: str | None) -> None:
        if node is not None and self._row("SELECT name FROM node WHERE name = ?", node) is None:
            raise RejectedError(Reason.NOT_FOUND, f"there is no node {node}")


def _meta(node: str | None, value: str) -> list[Change]:
    key = {"key": _KEY if node is None else f"{_KEY}:{node}"}
    return [
        Insert("meta", key | {"value": ""}, ignore=True),
        Update("meta", key, {"value": value}),
    ]


def _target(node: str | None) -> str:
    return f"node:{node or 'all'}"


def _maintenance(key: str, text: str) -> Maintenance:
    value: dict[str, Any] = json.loads(text)
    node = key.partition(":")[2] or None
    return Maintenance(node, value["reason"], value["by"], from_text(value["since"]))
