"""Composition: the working calendar."""

from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import calendar
from gateway.consoling.parts import Parts
from gateway.domain.moments import VIETNAM
from gateway.officehours import hours_under
from gateway.programs.timekeeping import LedgerTimekeeping


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    clock = parts.context.clock
    hours = hours_under(parts.settings.times, lambda: clock.now().astimezone(VIETNAM).date())
    return [calendar.section(LedgerTimekeeping(parts.context, parts.timetable, hours))]
