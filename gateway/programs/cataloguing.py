"""cataloguer: takes over the catalogue a peer publishes (ID-06).

Only agencies the settings place behind that peer, only additions and their names; nothing of our
own agencies is changed, hubs are left out. Chunks of 500 rows a transaction; running again adds
nothing twice.
"""

import asyncio
from collections.abc import Sequence

from gateway import observe
from gateway.domain.identifiers import CodeKind, classify, fold
from gateway.domain.moments import to_text
from gateway.errors import GatewayError
from gateway.ports import Adapter, AgencyRow, Change, ChangeSet, Insert, Update
from gateway.programs.context import Context

_CHUNK = 500
_EVERY_S = 6 * 3600.0
_RETRY_S = 300.0


class Cataloguer:
    """Asks each peer at start and every six hours."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Work until cancelled."""
        while self._context.adapters:
            wait_s = _EVERY_S
            for adapter in self._context.adapters.values():
                try:
                    await self.once(adapter)
                except (GatewayError, OSError) as exc:
                    wait_s = _RETRY_S
                    observe.collect_failed(peer=adapter.name, reason=type(exc).__name__)
            await asyncio.sleep(wait_s)

    async def once(self, adapter: Adapter) -> int:
        """Take over what is new; return how many agencies were added or renamed."""
        context = self._context
        known = {fold(a.code): a for a in context.directory()}
        taken = set(known) | {fold(a.legacy_code) for a in known.values() if a.legacy_code}
        changes: list[Change] = []
        for row in await adapter.agencies():
            key = fold(row.code)
            if not self._behind(adapter.name, row):
                continue
            mine = known.get(key)
            if mine is None and key not in taken:
                taken.add(key)
                changes.append(self._added(adapter.name, row))
            elif mine is not None and mine.hop == adapter.name and mine.name != row.name:
                changes.append(Update("agency", {"code": mine.code}, {"name": row.name}))
        await self._commit(changes)
        if changes:
            observe.catalogue_refreshed(peer=adapter.name, agencies=len(changes))
        return len(changes)

    def _behind(self, peer: str, row: AgencyRow) -> bool:
        if classify(row.code) in {CodeKind.HUB, CodeKind.BAD} or row.status == "hub":
            return False
        prefixes = self._context.peer(peer).codes_behind
        code = fold(row.code)
        return any(p == "*" or code == fold(p) or code.startswith(fold(p) + ".") for p in prefixes)

    def _added(self, peer: str, row: AgencyRow) -> Insert:
        now = to_text(self._context.clock.now())
        legacy = "" if fold(row.legacy_code) == fold(row.code) else row.legacy_code
        return Insert(
            "agency",
            {
                "code": fold(row.code),
                "name": row.name,
                "legacy_code": legacy,
                "parent": row.parent,
                "mail": row.mail,
                "status": "active",
                "hop": peer,
                "numbered_by": "own-system",
                "updated_at": now,
            },
            ignore=True,
        )

    async def _commit(self, changes: Sequence[Change]) -> None:
        context = self._context
        for first in range(0, len(changes), _CHUNK):
            chunk = tuple(changes[first : first + _CHUNK])
            await context.ledger.commit(ChangeSet(rows=chunk))
        if changes:
            version = to_text(context.clock.now())
            rows = (
                Insert("meta", {"key": "registry_version", "value": ""}, ignore=True),
                Update("meta", {"key": "registry_version"}, {"value": version}),
            )
            await context.ledger.commit(ChangeSet(rows=rows))
