"""integrity: what ledger and blobs are at one moment, for the reports around maintenance (OPS-06).

Reads only. The log's chain is checked by its hash at the place where it ended before; files of the
newest documents are read and hashed again.
"""

import hashlib
from datetime import timedelta
from typing import Final

from gateway.domain.duties import Integrity
from gateway.domain.moments import iso, to_text
from gateway.errors import GatewayError
from gateway.programs.context import Context

FILES: Final = 50
"""Files read again in one report: enough to notice a lost store, quick enough to wait for."""

_LATELY: Final = timedelta(days=7)
_FORMS: Final = frozenset({"form", "order", "spool-form"})


async def integrity_now(context: Context, before: Integrity | None = None) -> Integrity:
    """Return a report; with an earlier one, also what now stands where its log ended."""
    ledger = context.ledger
    counts = await ledger.one("integrity_counts")
    size = await ledger.one("log_size")
    log_size = size["size"] if size else 0
    last = await ledger.one("entry_at", idx=log_size - 1) if log_size else None
    earlier = ""
    if before is not None and before.log_size:
        row = await ledger.one("entry_at", idx=before.log_size - 1)
        earlier = (row["chain_hash"] or "") if row else ""
    names = await _names(context)
    wrong = [name for name in names if not await _is_whole(context, name)]
    return Integrity(
        iso(context.clock.now()),
        dict(counts or {}),
        log_size,
        (last["chain_hash"] or "") if last else "",
        earlier,
        len(names),
        tuple(wrong),
    )


async def _names(context: Context) -> list[str]:
    """Return what was received lately: retention lets nothing go that fast, and a form has none."""
    since = to_text(context.clock.now() - _LATELY)
    rows = await context.ledger.all("blobs_lately", limit=FILES)
    kept = (r["sha256"] for r in rows if r["via"] not in _FORMS and r["accepted_at"] >= since)
    return list(dict.fromkeys(kept))


async def _is_whole(context: Context, name: str) -> bool:
    digest = hashlib.sha256()
    try:
        async for chunk in context.blobs.stream(name):
            digest.update(chunk)
    except GatewayError:
        return False
    return digest.hexdigest() == name
