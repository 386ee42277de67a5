"""What every test starts from."""

import pytest
from hypothesis import HealthCheck, settings

from gateway import measures
from tests.world.servers.postgres import (  # noqa: F401 - fixtures, for every test
    postgres_ledger_url,
    postgres_server,
    postgres_url,
)

# Two shared cores: an example may be slow to make or to try without being wrong.
settings.register_profile(
    "house", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def _no_standing_warnings() -> None:
    """Forget the warnings an earlier test of this process left standing."""
    for family in measures.standing.collect():
        for sample in family.samples:
            measures.of(measures.standing, sample.labels["what"]).set(0)
