"""Composition: incoming documents, on the wire and on paper."""

from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import receiving
from gateway.console.sections.recalling import incoming_panel
from gateway.consoling.parts import Parts
from gateway.programs.clerk.receiving import LedgerReceiving


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    desk = LedgerReceiving(parts.context, parts.desk, parts.mailroom)
    panels = (incoming_panel(parts.recalls),)
    return [receiving.section(desk, parts.studio, parts.limits, panels)]
