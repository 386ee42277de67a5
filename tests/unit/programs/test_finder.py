"""Finder: the first question waits for an index, later ones for nothing, closed codes never slip."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

from gateway.domain.directory import Agency, AgencyStatus, Directory
from gateway.programs.finder import Finder


def country(*more):
    return Directory([*more, *(Agency(f"H01.{n}", f"Xã {n}") for n in range(5_001))])


async def test_a_large_index_is_made_beside_the_one_before():
    at = [country(Agency("H37.02", "Sở Nội vụ"), Agency("H37.03", "Sở Y tế"))]
    clock = SimpleNamespace(now=lambda: datetime(2026, 11, 22, tzinfo=UTC))
    finder = Finder(SimpleNamespace(directory=lambda: at[0], clock=clock))

    async def found(text, **how):
        return [(a.code, a.name) for a in await finder.find(text, limit=5, **how)]

    both = await asyncio.gather(found("so noi"), found("so noi"))
    assert both == [[("H37.02", "Sở Nội vụ")]] * 2
    # Renamed, closed and new since: the index before answers, from the catalogue as it is now.
    closed = Agency("H37.03", "Sở Y tế", status=AgencyStatus.CLOSED)
    at[0] = country(Agency("H37.02", "Sở Nội vụ tỉnh"), closed, Agency("H37.04", "Sở Mới"))
    assert await found("so noi") == [("H37.02", "Sở Nội vụ tỉnh")]
    assert await found("y te") == []
    async with asyncio.timeout(60):
        while not await found("so moi"):  # each question is a thread's turn
            pass
    assert await found("so moi") == [("H37.04", "Sở Mới")]
    assert await found("y te", closed=True) == [("H37.03", "Sở Y tế")]
