"""Composition: recalls and legal holds."""

from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import recalling
from gateway.consoling.parts import Parts
from gateway.programs.catalogue import name_of


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    directory = parts.context.directory
    return [
        recalling.section(
            parts.recalls, parts.accounts.trail, lambda code: name_of(directory(), code)
        )
    ]
