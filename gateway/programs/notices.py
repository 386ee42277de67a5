"""Notices: what happened to a caller's documents, read from the events of the ledger.

The sequencer gives each event its place and its audience in the commit that wrote it, so a page
that was read once holds everything up to its last row, and costs a page however long the ledger is.
Ids, codes and states leave, no content and no person. Written is only whose system took a notice of
maintenance, once (OPS-06).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.moments import local_text, to_text
from gateway.domain.notices import MAINTENANCE, audiences, named, wanted
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, ChangeSet, Clock, Insert, Json, Ledger, Notice, NoticePage, Row
from gateway.programs.paging import page_end
from gateway.programs.pulse import Pulse
from gateway.programs.rows import loads

API: Final = "/api/v1"
_SUBJECTS: Final = ("consignments", "transfers", "arrivals", "statuses", "alerts", "maintenances")


class LedgerNotices:
    """See `ports.Notices`.

    Args:
        ledger: Where events are.
        pulse: Says when there are more.
        clock: The time; None for a reader that keeps by itself what was heard.
    """

    def __init__(self, ledger: Ledger, pulse: Pulse, clock: Clock | None = None) -> None:
        self._clock = clock
        self._ledger = ledger
        self._pulse = pulse

    async def newest(self) -> int:
        """Return the highest cursor given so far."""
        return await self._pulse.mark("event_seq")

    async def changed(self, seen: int, timeout_s: float) -> bool:
        """Return True when the highest cursor is another than `seen`, False after so long."""
        return await self._pulse.beyond("event_seq", seen, timeout_s)

    async def after(
        self, caller: Caller, cursor: int, *, limit: int, kinds: tuple[str, ...] = ()
    ) -> NoticePage:
        """Return what a caller may hear of behind a cursor."""
        await self._check(cursor)
        hears = audiences(caller.system_id, caller.speaks_for)
        upto = await page_end(self._ledger, "notices_end", "event_seq", hears, cursor, limit)
        if upto is None:
            return NoticePage((), cursor)
        rows = await self._ledger.all(
            "notices_between", audiences=json.dumps(hears), after=cursor, upto=upto, limit=limit
        )
        upto = rows[-1]["seq"] if len(rows) == limit else upto
        subjects = await self._subjects({row["subject"] for row in rows})
        told = (_notice(row, subjects) for row in rows)
        return NoticePage(
            [one for one in told if one is not None and wanted(kinds, one.kind)], upto
        )

    async def heard(self, caller: Caller, notices: Sequence[Notice]) -> None:
        """Record whose system took a notice of maintenance (OPS-06)."""
        if self._clock is None:
            return
        at = self._clock.now()
        rows = [heard(caller.system_id, "feed", one, at) for one in notices]
        told = tuple(row for row in rows if row is not None)
        if told:
            await self._ledger.commit(ChangeSet(rows=told))

    async def _check(self, cursor: int) -> None:
        newest = await self.newest()
        if cursor > newest:
            raise RejectedError(
                Reason.GONE,
                f"The cursor {cursor} was never given here; the newest is {newest}. Read what you "
                "hold again (/api/v1/inbox, /api/v1/documents) and go on behind the newest",
            )
        first = await self._ledger.one("event_first")
        if first is not None and 0 < cursor < first["seq"] - 1:
            raise RejectedError(
                Reason.GONE,
                f"What came behind {cursor} is not kept any more; the oldest is {first['seq']}. "
                "Read what you hold again and go on behind the newest",
            )

    async def _subjects(self, ids: Iterable[str]) -> Mapping[str, Row]:
        """Return what the events of a page are about, by id."""
        asked = json.dumps(sorted(ids))
        found: dict[str, Row] = {}
        for table in _SUBJECTS:
            rows = await self._ledger.all(f"told_{table}", ids=asked)
            found |= {row["id"]: {**row, "table": table} for row in rows}
        covered: dict[str, list[str]] = {}
        for row in await self._ledger.all("told_deliveries", ids=asked):
            covered.setdefault(row["transfer_id"], []).append(row["agency"])
        return {key: {**row, "agencies": covered.get(key, ())} for key, row in found.items()}


def heard(system_id: str, way: str, notice: Notice, at: datetime) -> Insert | None:
    """Return the row that says which system heard of a maintenance; None for any other notice."""
    act = MAINTENANCE.get(notice.kind)
    if act is None:
        return None
    values = {
        "id": f"{notice.body['subject']}:{act}:{way}:{system_id}",
        "maintenance_id": notice.body["subject"],
        "act": act,
        "way": way,
        "whom": system_id,
        "state": "told",
        "made_at": to_text(at),
        "due_at": to_text(at),
        "tries": 1,
        "told_at": to_text(at),
    }
    return Insert("maintenance_telling", values, ignore=True)


def _notice(row: Row, subjects: Mapping[str, Row]) -> Notice | None:
    kind = named(row["audience"], row["type"])
    about = subjects.get(row["subject"])
    # SEC-01: what was set apart since is told to nobody.
    if kind is None or about is None or about.get("state") == "quarantined":
        return None
    said = loads(row["data"])
    body: Json = {
        "id": str(row["seq"]),
        "kind": kind,
        "at": local_text(row["at"]),
        "subject": row["subject"],
        "document_id": about["document_id"],
        "agencies": _agencies(about, said),
        "code": said.get("code"),
        "verdict": said.get("to") if kind.endswith("verdict_changed") else None,
        **_where(row["subject"], about),
    }
    return Notice(row["seq"], kind, {k: v for k, v in body.items() if v})


def _agencies(about: Row, said: Mapping[str, Any]) -> Sequence[str]:
    match about["table"]:
        case "arrivals" | "alerts":
            return [about["agency"]]
        case "statuses":
            return [about["recipient"]]
        case "transfers":
            return list(about["agencies"])
        case _:
            return [said["agency"]] if said.get("agency") else []


def _where(subject: str, about: Row) -> Json:
    """Return where to read on."""
    match about["table"]:
        case "arrivals":
            return {"href": f"{API}/inbox/{subject}", "cursor": about["inbox_seq"]}
        case "statuses":
            document = about["consignment_id"]
            found = {"href": f"{API}/documents/{document}"} if document else {}
            return {**found, "sender": about["sender"], "cursor": about["inbox_seq"]}
        case "alerts":
            due = local_text(about["due"])
            return {"alert": about["kind"], "count": about["count"], "due": due}
        case "maintenances":
            begins, ends = local_text(about["planned_from"]), local_text(about["planned_to"])
            return {"title": about["title"], "planned_from": begins, "planned_to": ends}
        case "transfers":
            document = about["consignment_id"]
            return {"document": document, "href": f"{API}/documents/{document}"}
        case _:
            return {"document": subject, "href": f"{API}/documents/{subject}"}
