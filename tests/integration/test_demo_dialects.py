"""Four agencies, each on another dialect, send to each other through one gateway."""

import pytest

from gateway.cli.demo import _matrix
from gateway.demo.dialects import PARTIES, exchange, office
from gateway.dialects import names
from gateway.errors import UnavailableError
from tests.world.outside import cold


async def test_everybody_reaches_everybody_and_hears_of_it(tmp_path):
    said = []
    with cold():
        async with office(tmp_path) as made:
            result = await exchange(made, said.append)
            assert made.gateway.url == result["url"]
    assert {party.dialect for party in PARTIES} == set(names())
    pairs = {(d["from"], d["to"]) for d in result["deliveries"]}
    assert len(pairs) == len(PARTIES) * (len(PARTIES) - 1)
    assert all(0 < d["delivered_s"] <= d["accepted_s"] for d in result["deliveries"])
    assert len(said) == len(PARTIES)
    assert _matrix(result, once=True)


async def test_an_agency_that_does_not_answer_is_named(tmp_path):
    with cold():
        async with office(tmp_path) as made:
            silent = made.desks[-1]

            async def nothing():
                return 0

            silent.system._answer = nothing
            with pytest.raises(UnavailableError, match=r"H37 → H37\.61"):
                await exchange(made, lambda _: None, patience_s=2.0)
