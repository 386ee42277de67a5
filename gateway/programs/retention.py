"""retention: bytes that may go once their letters are settled and old enough, class by class.

The default of every class is to keep. Nothing goes of a letter of which anything is undelivered,
failed, held, asked back and not answered, set apart, or still to be judged again. What goes is the
claim on the bytes (`blob_ref`); the janitor collects bytes nobody claims a day later. What stays is
the row with its identifier and hashes, and the signed entries of the receipt log: one says that it
was purged, by which class and when.

Each letter is one change set, so a crash leaves it whole or purged; running again finds the rest.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.moments import to_text
from gateway.ports import (
    Absent,
    Blobs,
    Change,
    ChangeSet,
    Clock,
    Conflict,
    Delete,
    Ids,
    Ledger,
    Present,
    Row,
    Update,
)
from gateway.programs import turns
from gateway.programs.rows import entry, event

_PAGE: Final = 500
_ACTION: Final = "retention-purged"
CLASSES: Final = ("packets", "files", "parcels", "reports", "recalled")
_TABLES: Final = ("consignment", "arrival", "inbound")
_PAGES: Final = {"consignment": "consignments", "arrival": "arrivals", "inbound": "inbound"}


@dataclass(frozen=True, slots=True)
class Ages:
    """How old each class must be before it goes; None keeps it for ever.

    Args:
        packets: Packets as they were received.
        files: Attachments, and the packets made for agencies.
        parcels: Packets made for next hops.
        reports: Verification reports on files that nobody keeps any more.
        recalled: Content and metadata of what an agency of ours gave back (REC-02).
    """

    packets: timedelta | None = None
    files: timedelta | None = None
    parcels: timedelta | None = None
    reports: timedelta | None = None
    recalled: timedelta | None = None

    def least(self) -> timedelta | None:
        """Return the shortest age of bytes, None when all are kept."""
        return min(
            (a for a in (self.packets, self.files, self.parcels) if a is not None), default=None
        )


@dataclass(slots=True)
class Tally:
    """What goes, or went, of one class."""

    items: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Claim:
    """One blob that one row still claims, and the class it falls under."""

    kind: str
    owner: str
    sha256: str


class Retention:
    """Plans and purges; see the module.

    Args:
        ledger: Where letters are.
        blobs: Asked for sizes only.
        clock: Ages are counted from its now.
        ids: Names receipt entries.
        ages: What may go, and when.
        guard: The guards of every change set, for whoever holds a lease.
        actor: Who is written down as having purged.
    """

    def __init__(
        self,
        ledger: Ledger,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
        ages: Ages,
        *,
        guard: Callable[[], tuple[Present, ...]] = tuple,
        actor: str = "retention",
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._ages = ages
        self._guard = guard
        self._actor = actor

    async def plan(self) -> dict[str, Tally]:
        """Return what would go now; changes nothing."""
        return await self._go(purge=False)

    async def run(self) -> dict[str, Tally]:
        """Purge what may go; return what went."""
        return await self._go(purge=True)

    async def _go(self, *, purge: bool) -> dict[str, Tally]:
        told = {name: Tally() for name in CLASSES}
        now = self._clock.now()
        least = self._ages.least()
        if least is not None:
            for table in _TABLES:
                async for row in self._settled(table, now - least):
                    claims = await self._claims(table, row, now)
                    if claims and (not purge or await self._purge(table, row, claims, now)):
                        await self._count(told, claims)
        if self._ages.recalled is not None:
            told["recalled"].items = await self._recalled(now, now - self._ages.recalled, purge)
        if self._ages.reports is not None:
            told["reports"].items = await self._reports(now, now - self._ages.reports, purge=purge)
        return told

    # ------------------------------------------------------------ letters

    async def _settled(self, table: str, before: datetime) -> AsyncIterator[Row]:
        """Yield settled letters, page by page of the table: no question looks at all of it."""
        after, name = "", _PAGES[table]
        while True:
            page = await self._ledger.one(f"page_{name}", after=after, limit=_PAGE)
            if page is None or page["last"] is None:
                return
            rows = await self._ledger.all(
                f"settled_{name}", after=after, last=page["last"], before=to_text(before)
            )
            for row in rows:
                yield row
            after = page["last"]
            await turns.rest()

    async def _claims(self, table: str, row: Row, now: datetime) -> list[_Claim]:
        """Return the claims of a letter that may go now."""
        wanted: list[_Claim] = []
        at = row["at"]
        if self._old(self._ages.packets, at, now) and row["received_sha256"]:
            wanted.append(_Claim("packets", row["id"], row["received_sha256"]))
        if self._old(self._ages.files, at, now) and row["envelope"]:
            files = json.loads(row["envelope"]).get("attachments", ())
            names = {f.get(key, "") for f in files for key in ("sha256", "wrapped_sha256")}
            names -= {row["received_sha256"], ""}
            wanted += [_Claim("files", row["id"], name) for name in sorted(names)]
        if table == "consignment" and self._old(self._ages.parcels, at, now):
            parcels = await self._ledger.all("parcels_of_many", ids=json.dumps([row["id"]]))
            wanted += [_Claim("parcels", p["id"], p["parcel_sha256"]) for p in parcels]
        if not wanted:
            return []
        names_json = json.dumps(sorted({claim.sha256 for claim in wanted}))
        refs = await self._ledger.all("refs_named", names=names_json)
        held = {(ref["owner"], ref["sha256"]) for ref in refs}
        return [claim for claim in wanted if (claim.owner, claim.sha256) in held]

    def _old(self, age: timedelta | None, at: str, now: datetime) -> bool:
        return age is not None and at <= to_text(now - age)

    async def _purge(self, table: str, row: Row, claims: Sequence[_Claim], now: datetime) -> bool:
        """Let go of the bytes of one letter; False when it moved meanwhile."""
        kinds = sorted({claim.kind for claim in claims})
        proof = entry(
            self._ids,
            "audit",
            row["id"],
            row["document_id"] or "",
            now,
            action=_ACTION,
            actor=self._actor,
            target=f"{table}:{row['id']}",
            packet_sha256=row["received_sha256"],
            sha256=sorted({claim.sha256 for claim in claims}),
        )
        changes: list[Change] = [
            *(Delete("blob_ref", {"sha256": c.sha256, "owner": c.owner}) for c in claims),
            event(row["id"], "retention_purged", now, classes=kinds, files=len(claims)),
            proof.row,
        ]
        still = {"id": row["id"], "state": row["state"]}
        if table == "consignment":
            still["hold"] = ""
        # REC-08: a hold that a person sets at this very moment is stronger.
        kept = Absent("legal_hold", {"subject": row["id"], "released_at": None})
        guards: tuple[Absent | Present, ...] = (*self._guard(), Present(table, still), kept)
        change = ChangeSet(guards=guards, rows=tuple(changes))
        return not isinstance(await self._ledger.commit(change), Conflict)

    async def _count(self, told: dict[str, Tally], claims: Iterable[_Claim]) -> None:
        for claim in claims:
            told[claim.kind].items += 1
            size = await asyncio.to_thread(self._blobs.size, claim.sha256)
            told[claim.kind].size_bytes += size or 0

    # ------------------------------------------------------------ given back

    async def _recalled(self, now: datetime, before: datetime, purge: bool) -> int:
        """Purge what was given back long enough ago; the tombstone stays (REC-02, ARC-12).

        What is under a legal hold is not among it (REC-08), and the guard says so again.
        """
        count, at, after = 0, "", ""
        while True:
            rows = await self._ledger.all(
                "takebacks_unpurged", at=at, id=after, before=to_text(before), limit=_PAGE
            )
            for row in rows:
                arrival = await self._ledger.one("arrival", id=row["arrival_id"])
                if arrival is not None and (not purge or await self._emptied(row, arrival, now)):
                    count += 1
            if len(rows) < _PAGE:
                return count
            at, after = rows[-1]["answered_at"], rows[-1]["id"]

    async def _emptied(self, row: Row, arrival: Row, now: datetime) -> bool:
        owners = [arrival["id"]]
        if arrival["inbound_id"] is not None:
            # One packet may have brought it to several agencies: its bytes go with the last.
            others = await self._ledger.all("arrivals_of_inbound", inbound_id=arrival["inbound_id"])
            if all(o["id"] == arrival["id"] or o["purged_at"] is not None for o in others):
                owners.append(arrival["inbound_id"])
        files = json.loads(arrival["envelope"]).get("attachments", ())
        names = {f.get(key, "") for f in files for key in ("sha256", "wrapped_sha256")}
        names |= {arrival["received_sha256"], arrival["strict_sha256"]}
        refs = await self._ledger.all(
            "refs_of_owners",
            names=json.dumps(sorted(names - {""})),
            owners=json.dumps(owners),
        )
        todos = await self._ledger.all("todos_of_document", document=arrival["id"])
        proof = entry(
            self._ids, "audit", arrival["id"], arrival["document_id"], now,
            action="recalled-purged", actor=self._actor, target=f"arrival:{arrival['id']}",
            agency=arrival["agency"], packet_sha256=arrival["received_sha256"],
            sha256=sorted({ref["sha256"] for ref in refs}),
        )  # fmt: skip
        at = to_text(now)
        columns = {
            "envelope": json.dumps(_tombstone(arrival), ensure_ascii=False),
            "findings": "[]",
            "sender_name": "",
            "strict_sha256": "",
            "strict_size": 0,
            "undetermined": "",
        }
        changes: list[Change] = [
            *(Delete("blob_ref", {"sha256": r["sha256"], "owner": r["owner"]}) for r in refs),
            Delete("recheck", {"subject": arrival["id"]}),
            *(_untitled(todo) for todo in todos),
            Update("arrival", {"id": arrival["id"], "state": arrival["state"]}, columns),
            Update("takeback", {"id": row["id"], "purged_at": None}, {"purged_at": at}),
            event(arrival["id"], "retention_purged", now, classes=["recalled"], files=len(refs)),
            proof.row,
        ]
        held = Absent("legal_hold", {"subject": arrival["id"], "released_at": None})
        change = ChangeSet(guards=(*self._guard(), held), rows=tuple(changes))
        return not isinstance(await self._ledger.commit(change), Conflict)

    # ------------------------------------------------------------ reports

    async def _reports(self, now: datetime, before: datetime, *, purge: bool) -> int:
        """Drop reports on files nobody keeps; their hashes stand in the receipt log."""
        count, after = 0, ""
        while True:
            rows = await self._ledger.all(
                "reports_unowned", after=after, before=to_text(before), limit=_PAGE
            )
            if not rows:
                return count
            after = rows[-1]["id"]
            names = tuple(row["id"] for row in rows)
            if purge:
                proof = entry(
                    self._ids, "audit", "retention:reports", "", now, action=_ACTION,
                    actor=self._actor, target="retention:reports", sha256=list(names),
                )  # fmt: skip
                rows_out = (Delete("verification", {"id": names}), proof.row)
                await self._ledger.commit(ChangeSet(guards=self._guard(), rows=rows_out))
            count += len(rows)


def _untitled(todo: Row) -> Update:
    """Return the row by which a thing to do forgets what the document was about."""
    told = json.loads(todo["data"])
    told.pop("title", None)
    return Update("todo", {"id": todo["id"]}, {"data": json.dumps(told, ensure_ascii=False)})


def _tombstone(arrival: Row) -> dict[str, object]:
    """Return an envelope that says which document it was, and nothing of what it said."""
    header = json.loads(arrival["envelope"])["header"]
    kept = ("sender", "document_id", "code_number", "code_notation", "promulgation_date")
    told = {key: header[key] for key in kept if key in header}
    told["sender"] = {"organ_id": arrival["sender_written"]}
    return {
        "header": told | {"recipients": []},
        "manifest": [],
        "attachments": [],
        "repairs": [],
    }
