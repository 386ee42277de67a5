"""figures: searches persons keep, and figures of a month frozen for good (RPT-09, RPT-11).

Promises: a month is frozen once, after its end, from books that hold all the ledger held; figures,
their digest and the audit entry that names it are one change set. A crash leaves a month frozen or
not; it is tried again within the hour. Nodes may try together: one row is the first.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway import observe
from gateway.domain.access import Person
from gateway.domain.marking import told
from gateway.domain.moments import VIETNAM, to_text
from gateway.errors import GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import Absent, ChangeSet, Delete, Insert, Row
from gateway.ports.books import Books, Following
from gateway.ports.figures import MOST_SAVED, SavedSearch, Snapshot
from gateway.programs.context import Context
from gateway.programs.rows import audited, dumps, loads

_MONTH: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_EVERY_S: Final = 3600.0
_PATIENCE_S: Final = 60.0
_NAME: Final = 80
_QUERY: Final = 1000
_KIND: Final = "exchange"


class LedgerFigures:
    """See `ports.figures.Figures`.

    Args:
        context: The ledger, time, the catalogue.
        books: Where the counts are.
        following: Says when the books hold everything.
    """

    def __init__(self, context: Context, books: Books, following: Following) -> None:
        self._context = context
        self._books = books
        self._following = following

    # ------------------------------------------------------------ searches

    async def saved(self, person: Person) -> Sequence[SavedSearch]:
        """Return a person's searches."""
        rows = await self._context.ledger.all("saved_searches", account_id=person.account_id)
        return [SavedSearch(row["id"], row["name"], row["query"]) for row in rows]

    async def save(self, person: Person, name: str, query: str) -> None:
        """Keep a search."""
        name = " ".join(name.split())[:_NAME]
        if not name or len(query) > _QUERY:
            raise RejectedError(Reason.BAD_REQUEST, "a saved search needs a name")
        mine = await self.saved(person)
        if len(mine) >= MOST_SAVED and all(one.name != name for one in mine):
            raise RejectedError(Reason.BAD_REQUEST, f"at most {MOST_SAVED} searches are kept")
        where = {"account_id": person.account_id, "name": name}
        values = {
            "id": self._context.ids.new(),
            **where,
            "query": query,
            "created_at": to_text(self._context.clock.now()),
        }
        change = ChangeSet(rows=(Delete("saved_search", where), Insert("saved_search", values)))
        await self._context.ledger.commit(change)

    async def drop(self, person: Person, search_id: str) -> None:
        """Forget a search."""
        where = {"account_id": person.account_id, "id": search_id}
        await self._context.ledger.commit(ChangeSet(rows=(Delete("saved_search", where),)))

    # ------------------------------------------------------------ frozen months

    async def snapshots(self, agency: str) -> Sequence[Snapshot]:
        """Return what is frozen."""
        rows = await self._context.ledger.all("snapshots_of", agency=agency, kind=self._kind)
        return [snapshot_of(row) for row in rows]

    async def freeze(self, agency: str, period: str, *, by: str) -> Snapshot:
        """Freeze a month."""
        now = self._context.clock.now()
        if not _MONTH.fullmatch(period) or period >= f"{now.astimezone(VIETNAM):%Y-%m}":
            raise RejectedError(Reason.BAD_REQUEST, f"{period} is not over")
        if (found := await self._frozen(agency, period)) is not None:
            return found
        progress = await self._following.caught_up(_PATIENCE_S)
        if progress.behind:
            raise UnavailableError(public="the books are behind the ledger", retry_after_s=60)
        await self._context.ledger.commit(await self._change(agency, period, by, now))
        # Another node may have been the first: what stands is what counts.
        found = await self._frozen(agency, period)
        if found is None:
            raise UnavailableError(public="the figures were not kept")
        return found

    @property
    def _kind(self) -> str:
        """Return under which kind months are frozen: those of training are never the real ones."""
        return f"{_KIND}-training" if self._context.policy.training else _KIND

    async def _frozen(self, agency: str, period: str) -> Snapshot | None:
        row = await self._context.ledger.one(
            "snapshot_of", agency=agency, kind=self._kind, period=period
        )
        return None if row is None else snapshot_of(row)

    async def _change(self, agency: str, period: str, by: str, now: datetime) -> ChangeSet:
        counted = await figures_of(self._books, agency, period)
        # RPT-09: the mark is among what the digest is of.
        figures = told(counted, training=self._context.policy.training)
        text = dumps(figures)
        digest = hashlib.sha256(text.encode()).hexdigest()
        values = {
            "id": self._context.ids.new(),
            "agency": agency,
            "kind": self._kind,
            "period": period,
            "figures": text,
            "sha256": digest,
            "made_at": to_text(now),
            "made_by": by,
        }
        entries = audited(
            self._context.ids,
            now,
            action="figures-frozen",
            actor=by,
            target=f"figures:{agency}:{period}",
            agency=agency,
            code=digest,
            told={"period": period},
        )
        key = {"agency": agency, "kind": self._kind, "period": period}
        return ChangeSet(
            rows=(Insert("snapshot", values), *entries), guards=(Absent("snapshot", key),)
        )

    async def run(self) -> None:
        """Freeze the month before of every agency that works in our console, for ever."""
        while True:
            try:
                await self.month_end()
            except GatewayError as exc:
                observe.program_failed(program="figures", failure=exc, retry_in_s=_EVERY_S)
            await asyncio.sleep(_EVERY_S)

    async def month_end(self) -> int:
        """Freeze what is to be frozen; return how many months."""
        month = month_before(self._context.clock.now())
        made = 0
        for agency in [a for a in self._context.directory() if a.console]:
            if await self._frozen(agency.code, month) is None:
                await self.freeze(agency.code, month, by="vanlien")
                made += 1
        return made


async def figures_of(books: Books, agency: str, period: str) -> dict[str, Any]:
    """Return the figures of a month as they are now, in an order of their own."""
    counts = await books.counts([agency], period, period)
    rows = [
        {
            "direction": c.direction,
            "type_name": c.type_name,
            "state": c.state,
            "signed": c.signed,
            "outcome": c.outcome,
            "n": c.n,
        }
        for c in counts
    ]
    return {"agency": agency, "period": period, "rows": sorted(rows, key=dumps)}


def month_before(now: datetime) -> str:
    """Return the month before that of an instant in Vietnam."""
    here = now.astimezone(VIETNAM)
    year, month = (here.year, here.month - 1) if here.month > 1 else (here.year - 1, 12)
    return f"{year}-{month:02}"


def snapshot_of(row: Row) -> Snapshot:
    """Return frozen figures as they are shown."""
    text = row["figures"]
    figures: Mapping[str, Any] = loads(text)
    whole = hashlib.sha256(text.encode()).hexdigest() == row["sha256"]
    return Snapshot(
        row["id"],
        row["agency"],
        row["period"],
        row["made_at"],
        row["made_by"],
        row["sha256"],
        figures,
        whole,
    )
