"""Composition of the console: which sections there are, and what each is given.

For `gateway.app` alone. Each part of the console has a module here with `sections(parts)`; a new
part is one module and one line in `_PARTS`. Banners come from those that have `banners(parts)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.console.frame import FILES, Frame, routes_of, streams_of
from gateway.console.pages import BASE, Banner, Banners, Section
from gateway.consoling import (
    accounts,
    books,
    duties,
    notes,
    operations,
    recalling,
    receiving,
    sending,
    watch,
    working_time,
)
from gateway.consoling.parts import Parts, Shelf
from gateway.domain.access import Person

__all__ = ["Console", "Parts", "Shelf", "make_console", "sections_of"]

_PARTS: Final[tuple[Callable[[Parts], Sequence[Section]], ...]] = (
    accounts.sections,
    working_time.sections,
    duties.sections,
    sending.sections,
    receiving.sections,
    recalling.sections,
    operations.sections,
    watch.sections,
    books.sections,
)
_BANNERS: Final[tuple[Callable[[Parts], Banners], ...]] = (
    duties.banners,
    notes.banners,
    watch.banners,
)


@dataclass(frozen=True, slots=True)
class Console:
    """The routes, those that stay open or are always there, and how it says what went wrong."""

    routes: Sequence[web.RouteDef]
    streams: frozenset[str]
    free: frozenset[str]
    pages: Callable[[web.Request, web.Response], web.Response | None]


def sections_of(parts: Parts) -> list[Section]:
    """Return the sections, in no order: the menu sorts itself."""
    return [section for sections in _PARTS for section in sections(parts)]


def make_console(parts: Parts) -> Console:
    """Return the console of a gateway."""
    sections = sections_of(parts)
    told = parts.settings.console
    frame = Frame(
        parts.accounts.sessions,
        parts.accounts.trail,
        parts.context.clock,
        nav=tuple(place for section in sections for place in section.nav),
        banners=_all_banners([made(parts) for made in _BANNERS]),
        training=told.training,
        name=told.name,
        proxies=told.proxies,
    )
    routes = [*routes_of(frame, sections), web.get("/", _to_console)]
    return Console(routes, streams_of(sections), frozenset({FILES}), frame.trouble)


def _all_banners(sources: Sequence[Banners]) -> Banners:
    async def banners(person: Person | None) -> tuple[Banner, ...]:
        found: list[Banner] = []
        for source in sources:
            found += await source(person)
        return tuple(found)

    return banners


async def _to_console(_: web.Request) -> web.Response:
    """Lead who types the bare address to the pages."""
    return web.Response(status=303, headers={"Location": BASE})
