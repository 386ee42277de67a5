"""Composition: signing in, one's own account, people, the audit log, the first page."""

from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import accounts, home
from gateway.consoling.parts import Parts


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    told = parts.accounts
    pages = accounts.sections(
        told.signins, told.own, told.accounts, told.audit, told.trail, single=None
    )
    return [home.section(), *pages]
