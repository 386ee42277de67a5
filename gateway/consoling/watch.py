"""Composition: alerts, the duty roster, what a day holds."""

from collections.abc import Sequence

from gateway.console.pages import Banners, Section
from gateway.console.sections import alerts
from gateway.consoling.parts import Parts
from gateway.programs.catalogue import name_of
from gateway.programs.watch.keeping import LedgerAlerts


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    directory = parts.context.directory

    def names(code: str) -> str:
        return name_of(directory(), code)

    return [alerts.section(LedgerAlerts(parts.context, parts.context), names)]


def banners(parts: Parts) -> Banners:
    """Return what everybody must see: a destination that is away (SND-15)."""
    return alerts.Pages(LedgerAlerts(parts.context, parts.context)).banners
