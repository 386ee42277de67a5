"""A settings file that changes under a running gateway is told, key by key, without values."""

import io
import json

import pytest

from gateway import measures, observe
from gateway.config import load
from gateway.secrets import write_private
from gateway.settingswatch import WHAT, SettingsWatch, differing
from tests.world.gatehouse import write_config


@pytest.fixture
def lines():
    stream = io.StringIO()
    observe.configure(json=True, level="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    observe.silence()


def stands():
    return measures.REGISTRY.get_sample_value("vanlien_standing_warning", {"what": WHAT})


async def test_what_differs_is_said_once_and_when_it_is_over(tmp_path, lines):
    (tmp_path / "keys-axis").mkdir(mode=0o700)
    write_private(tmp_path / "keys-axis" / "axis.secret", b"bi-mat")
    peer = (
        '[[peer]]\nid = "truc"\nendpoint = "https://truc.example.vn/x"\nsystem_id = "00.37.W00"\n'
        'secret_file = "keys-axis/axis.secret"\ncodes_behind = "*"\n'
    )
    config = write_config(tmp_path, peer=peer)
    before = config.read_text(encoding="utf-8")
    watch = SettingsWatch(config, load(config), lambda: load(config))
    await watch.look(now=True)
    assert lines() == []
    config.write_text(
        before.replace("workers = 1", "workers = 2").replace('"00.37.W00"\ns', '"00.37.W01"\ns'),
        encoding="utf-8",
    )
    for _ in range(3):
        await watch.look(now=False)
    told = [line["keys"] for line in lines() if line["event"] == "settings_differ"]
    assert told == ["peer[0].system_id, verify.workers"]
    assert stands() == 1
    config.write_text(before + "\nrac = 1\n", encoding="utf-8")
    await watch.look(now=False)
    told = [line["keys"] for line in lines() if line["event"] == "settings_differ"]
    assert told[1].endswith("(!)")
    config.write_text(before, encoding="utf-8")
    await watch.look(now=False)
    assert stands() == 0
    assert "W01" not in json.dumps(lines())


def test_places_are_named_as_in_the_file():
    mine = {"a": {"b": 1, "c": (1, 2)}, "peer": [{"id": "x"}]}
    other = {"a": {"b": 1, "c": (1, 3)}, "peer": [{"id": "x"}, {"id": "y"}], "d": None}
    assert list(differing(mine, other)) == ["a.c[1]", "peer[1]"]
    assert list(differing(mine, mine)) == []
