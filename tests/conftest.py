"""What every test starts from."""

import pytest

from gateway import measures


@pytest.fixture(autouse=True)
def _no_standing_warnings() -> None:
    """Forget the warnings an earlier test of this process left standing."""
    for family in measures.standing.collect():
        for sample in family.samples:
            measures.of(measures.standing, sample.labels["what"]).set(0)
