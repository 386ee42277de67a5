"""Nodes of one ledger share one blob store: what is not the ledger's store is refused at the start."""

import pytest

from gateway import app
from gateway.config import load
from gateway.errors import ConfigurationError
from tests.world.cluster import Cluster
from tests.world.outside import cold


@pytest.fixture
async def cluster(tmp_path, postgres_ledger_url):
    cluster = Cluster(tmp_path, postgres_ledger_url)
    cluster.settle()
    with cold():
        yield cluster
    await cluster.close()


def gateway(cluster, name, before, after):
    """A node whose blobs are kept another way."""
    config = cluster.config(name)
    text = config.read_text(encoding="utf-8")
    assert before in text
    config.write_text(text.replace(before, after), encoding="utf-8")
    return app.Gateway(load(config))


async def refused(node):
    with pytest.raises(ConfigurationError) as said:
        await node.start()
    (fault,) = said.value.faults
    return fault


async def test_a_node_with_a_folder_of_its_own_is_refused(cluster):
    await cluster.start("a")
    blobs = f'dir = "{cluster.folder / "blobs"}"'
    fault = await refused(gateway(cluster, "b", f"{blobs}\nshared = true", ""))
    assert fault.where == "blobs"
    assert "share one store" in fault.en
    assert "chung một kho" in fault.vi
    # The same address on another machine, or a disk that is not mounted.
    (cluster.folder / "empty").mkdir()
    other = f'dir = "{cluster.folder / "empty"}"'
    assert (await refused(gateway(cluster, "c", blobs, other))).where == "blobs"
    # And a node that has it starts, again and again.
    await cluster.start("d")
    await cluster.stop("d")
    await cluster.start("d")


async def test_a_folder_that_is_not_said_to_be_shared_is_one_nodes_alone(cluster):
    first = gateway(cluster, "a", "shared = true", "shared = false")
    await first.start()
    try:
        fault = await refused(gateway(cluster, "b", "shared = true", "shared = false"))
        assert fault.where == "blobs.dir"
        assert "shared = true" in fault.en
    finally:
        await first.stop()
    second = gateway(cluster, "b", "shared = true", "shared = false")
    await second.start()
    await second.stop()
