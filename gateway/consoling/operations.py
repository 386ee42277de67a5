"""Composition: the operator's pages."""

from collections.abc import Sequence

from gateway import measures
from gateway.agencycsv import parse_csv
from gateway.console.pages import Section
from gateway.console.sections import operations, ops_days
from gateway.consoling.parts import Parts
from gateway.domain.access import EVERYWHERE
from gateway.programs.daylog import DayLog
from gateway.programs.opsdesk import LedgerOpsDesk
from gateway.programs.watch.keeping import LedgerAlerts


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    context = parts.context
    alerts = LedgerAlerts(context, context)

    async def untaken() -> int:
        return (await alerts.counts({EVERYWHERE})).untaken

    pages = operations.sections(
        LedgerOpsDesk(context.ledger, context.clock, parts.desk.ready, context.peers, untaken),
        parts.operating,
        parts.accounts.trail,
        read=lambda data: parse_csv(data, frozenset(context.peers)),
        terms=measures.terms,
    )
    return [*pages, ops_days.section(DayLog(context), parts.accounts.trail)]
