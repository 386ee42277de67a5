"""cataloguer: takes over the catalogue a peer publishes (ID-06).

Only agencies the settings place behind that peer, only additions, their names and old codes;
nothing of our own agencies is changed, hubs are left out. Chunks of 500 rows a transaction; running
again adds nothing twice. Of several nodes one asks, under the lease `catalogue`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gateway import observe
from gateway.domain.directory import Agency
from gateway.domain.identifiers import CodeKind, classify, fold
from gateway.domain.moments import to_text
from gateway.errors import GatewayError
from gateway.ports import Adapter, AgencyRow, Change, ChangeSet, Insert, Update
from gateway.programs.context import Context

_CHUNK = 500
_EVERY_S = 6 * 3600.0
_RETRY_S = 300.0
_AGAIN_S = 10.0


def behind(prefixes: Sequence[str], row: AgencyRow) -> bool:
    """Tell whether a peer with these `codes_behind` may speak of an agency; of a hub, nobody may.

    Source: ID-06.
    """
    if classify(row.code) in {CodeKind.HUB, CodeKind.BAD} or row.status == "hub":
        return False
    code = fold(row.code)
    return any(p == "*" or code == fold(p) or code.startswith(fold(p) + ".") for p in prefixes)


@dataclass
class _Line:
    """When a peer is asked next, and how long it may rest should it fail again."""

    due: float = 0.0
    again_s: float = _AGAIN_S


class Cataloguer:
    """Asks each peer at start and every six hours; one that fails again soon, and then less."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lines = {name: _Line() for name in context.adapters}

    async def run(self) -> None:
        """Work until cancelled."""
        while self._context.adapters:
            wait_s = _RETRY_S
            try:
                async with self._context.leases.holding("catalogue") as mine:
                    if mine:
                        wait_s = await self.round()
            except GatewayError as exc:
                observe.program_failed(program="cataloguer", failure=exc, retry_in_s=wait_s)
            await asyncio.sleep(wait_s)

    async def round(self) -> float:
        """Ask every peer whose turn it is; return how long until the next turn."""
        now = asyncio.get_running_loop().time
        for name, adapter in self._context.adapters.items():
            line = self._lines[name]
            if line.due > now():
                continue
            if await self._asked(adapter):
                line.due, line.again_s = now() + _EVERY_S, _AGAIN_S
            else:
                line.due, line.again_s = now() + line.again_s, min(2 * line.again_s, _RETRY_S)
        return max(1.0, min(line.due for line in self._lines.values()) - now())

    async def _asked(self, adapter: Adapter) -> bool:
        """Take over one peer's catalogue; tell whether it went well."""
        try:
            await self.once(adapter)
        except (GatewayError, OSError) as exc:
            observe.collect_failed(peer=adapter.name, reason=type(exc).__name__)
            return False
        except Exception as exc:  # noqa: BLE001 - one peer's odd list must not end the program
            observe.alarm(what="cataloguer", subject=adapter.name, failure=exc)
            return False
        return True

    async def once(self, adapter: Adapter) -> int:
        """Take over what is new; return how many agencies were added or renamed."""
        context = self._context
        known = {fold(a.code): a for a in context.directory()}
        taken = set(known) | {fold(a.legacy_code) for a in known.values() if a.legacy_code}
        listed = [r for r in await adapter.agencies() if self._behind(adapter.name, r)]
        # During the change-over an old code may stand on a row of its own beside the new one's:
        # it is the same agency, not another (ID-04).
        old = {fold(r.legacy_code) for r in listed if r.legacy_code}
        changes: list[Change] = []
        for row in listed:
            key = fold(row.code)
            mine = known.get(key)
            if mine is not None and mine.hop == adapter.name:
                changes += self._changed(mine, row, taken)
            elif mine is None and key not in taken and key not in old:
                taken |= {key, fold(row.legacy_code)}
                changes.append(self._added(adapter.name, row))
        await self._commit(changes)
        if changes:
            observe.catalogue_refreshed(peer=adapter.name, agencies=len(changes))
        return len(changes)

    def _behind(self, peer: str, row: AgencyRow) -> bool:
        return behind(self._context.peer(peer).codes_behind, row)

    def _changed(self, mine: Agency, row: AgencyRow, taken: set[str]) -> list[Change]:
        """Return what a peer's own agency is called now, and the old code it did not have yet."""
        values = {} if mine.name == row.name or not row.name else {"name": row.name}
        legacy = fold(row.legacy_code)
        if legacy and not mine.legacy_code and legacy != fold(mine.code) and legacy not in taken:
            taken.add(legacy)
            values["legacy_code"] = row.legacy_code
        return [Update("agency", {"code": mine.code}, values)] if values else []

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
