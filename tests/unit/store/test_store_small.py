"""SmallBlobs at its end: who comes too late is told, and nothing waits for ever."""

import hashlib

import pytest

from gateway.errors import UnavailableError
from gateway.store.small import SmallBlobs

DATA = b"bytes"
NAME = hashlib.sha256(DATA).hexdigest()


async def test_after_the_end_every_call_is_told_so(tmp_path):
    small = SmallBlobs(tmp_path / "small.sqlite")
    await small.put(NAME, DATA)
    small.close()
    small.close()
    with pytest.raises(UnavailableError):
        small.put(NAME, DATA)
    with pytest.raises(UnavailableError):
        small.delete_if_older(NAME, 0)
    with pytest.raises(UnavailableError):
        small.get(NAME)
    with pytest.raises(UnavailableError):
        small.size(NAME)
    with pytest.raises(UnavailableError):
        list(small.names())
    small.forget_freed()


async def test_what_was_queued_before_the_end_is_there_after_it(tmp_path):
    small = SmallBlobs(tmp_path / "small.sqlite")
    waiting = small.put(NAME, DATA)
    small.close()
    assert (await waiting).sha256 == NAME
    again = SmallBlobs(tmp_path / "small.sqlite")
    assert again.get(NAME) == DATA
    again.close()
