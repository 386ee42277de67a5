"""Composition: incidents, maintenance, entries after an outage, key devices."""

import functools
from collections.abc import Sequence

from gateway.console.pages import Banners, Section
from gateway.console.sections import duties
from gateway.consoling.parts import Parts
from gateway.programs.duties import LedgerDuties


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    return [duties.section(LedgerDuties(parts.context))]


def banners(parts: Parts) -> Banners:
    """Return the notices of maintenance (OPS-06)."""
    return functools.partial(duties.banners, LedgerDuties(parts.context))
