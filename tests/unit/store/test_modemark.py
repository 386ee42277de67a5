"""A ledger remembers whether it is for training; the other mode does not start."""

import asyncio

import pytest

from gateway.app import Gateway
from gateway.config import load
from gateway.errors import ConfigurationError
from gateway.store import modemark
from tests.world.gatehouse import gatehouse
from tests.world.memory_ledger import MemoryLedger


@pytest.fixture
def ledger():
    made = MemoryLedger()
    yield made
    made.close()


@pytest.mark.parametrize("training", [True, False])
async def test_the_first_start_decides_and_the_same_mode_starts_again(ledger, training):
    for _ in range(2):
        await modemark.claim(ledger, training=training)
    assert len(ledger.commits) == 1
    with pytest.raises(ConfigurationError) as caught:
        await modemark.claim(ledger, training=not training)
    (fault,) = caught.value.faults
    assert fault.where == "console.training"
    for text in (fault.vi, fault.en):
        assert "console.training" in text
        assert "vanlien init" in text  # how to move on
    # Evil twin: what refused changed nothing.
    await modemark.claim(ledger, training=training)


async def test_two_nodes_of_one_ledger_that_start_together_agree(ledger):
    both = [modemark.claim(ledger, training=one) for one in (True, True)]
    await asyncio.gather(*both)
    mixed = [modemark.claim(ledger, training=one) for one in (True, False)]
    results = await asyncio.gather(*mixed, return_exceptions=True)
    assert [type(r) for r in results] == [type(None), ConfigurationError]


async def test_a_gateway_of_the_other_mode_does_not_start(tmp_path):
    async with gatehouse(tmp_path) as house:
        row = await house.gateway.ledger.one("meta", key=modemark.KEY)
    assert row["value"] == modemark.REAL
    config = tmp_path / "vanlien.toml"
    config.write_text(config.read_text() + "\n[console]\ntraining = true\n")
    settings = load(config)
    gateway = Gateway(settings)
    with pytest.raises(ConfigurationError):
        await gateway.start()
