"""A new, empty ledger on either engine, and looking into it as another process would."""

from pathlib import Path
from typing import Any

import pytest

from gateway.ports import Change, ChangeSet, Committed
from gateway.store import setup
from gateway.store.places import Place, SqliteFile, place_of
from gateway.store.session import session
from gateway.stores import ledger_at

ENGINES = ("sqlite", "postgresql")
only_sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""For tests of what only a file has."""


def new_ledger(request: pytest.FixtureRequest, folder: Path) -> Place:
    """Make an empty ledger on the engine a fixture was asked for."""
    if request.param == "postgresql":
        return place_of(request.getfixturevalue("postgres_ledger_url"))
    setup.create(folder / "ledger.sqlite")
    return SqliteFile(folder / "ledger.sqlite")


def ask(place: Place, text: str, *params: Any) -> list[dict[str, Any]]:
    """Look into the ledger, or change it, behind everybody's back."""
    with session(place, purpose="test") as opened:
        return [dict(row) for row in opened.rows(text, params)]


async def commit_rows(place: Place, *changes: Change) -> None:
    """Commit rows as a server would, some hundred at a time."""
    async with ledger_at(place) as ledger:
        for first in range(0, len(changes), 500):
            done = await ledger.commit(ChangeSet(rows=tuple(changes[first : first + 500])))
            assert isinstance(done, Committed)
