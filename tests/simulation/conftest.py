"""Histories make no garbage that matters; collecting it while they run costs more than they do."""

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def _collected_afterwards():
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _collected_between():
    yield
    gc.collect()
