"""Composition: search, registers, statistics."""

from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import registering, searchexport, searching, statistics
from gateway.consoling.parts import Parts
from gateway.programs.catalogue import name_of


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    directory, shelf, trail = parts.context.directory, parts.shelf, parts.accounts.trail

    def names(code: str) -> str:
        return name_of(directory(), code) or code

    def everybody() -> Sequence[str]:
        return [agency.code for agency in directory() if agency.console]

    return [
        searching.section(shelf.books, shelf.keeper, shelf.figures, names),
        searchexport.section(shelf.books, shelf.keeper, trail, names),
        registering.section(shelf.books, shelf.keeper, trail, names),
        statistics.section(
            shelf.books, shelf.keeper, shelf.figures, trail, names=names, everybody=everybody
        ),
    ]
