"""`vanlien broker`: what is there, what would be, what differs; nothing is made unasked."""

import asyncio
import json

import aio_pika
import pytest
from yarl import URL

from gateway.__main__ import main
from tests.world.folder import make_folder
from tests.world.servers.rabbitmq import PASSWORD

PEER = """
[[peer]]
id = "truc"
endpoint = "http://127.0.0.1:9/XrdAdapter/adapter"
system_id = "00.37.W00"
secret_file = "keys/mq.password"
codes_behind = "*"
"""


@pytest.fixture
def broker(tmp_path, capsys):
    """Run `vanlien broker …` against an address; return code, the JSON object, standard error."""
    folder = make_folder(tmp_path / "gw")
    (folder / "keys/mq.password").write_text(PASSWORD, encoding="utf-8")
    (folder / "keys/mq.password").chmod(0o600)
    config = folder / "vanlien.toml"
    text = config.read_text(encoding="utf-8")

    def run(*args, url):
        section = f'[broker]\nurl = "{url}"\npassword_file = "keys/mq.password"\n' if url else ""
        config.write_text(text + section + PEER, encoding="utf-8")
        code = main(["broker", *args, "--config", str(config), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    run.config = config
    return run


def declared_otherwise(place, name):
    async def make():
        async with await aio_pika.connect(URL(place.url).with_password(PASSWORD)) as connection:
            await (await connection.channel()).declare_queue(name, durable=True)

    asyncio.run(make())


@pytest.mark.timeout(480)
def test_queues_are_compared_made_and_counted(rabbit_place, broker, capsys):
    declared_otherwise(rabbit_place, "vanlien.issue.normal")
    code, told, _ = broker("declare", "--diff", url=rabbit_place.url)
    assert code == 1
    assert not told["made"]
    state = {queue["name"]: queue for queue in told["queues"]}
    # The parking queue, and five lanes of issue, receive, and a relay for here and for the peer.
    assert len(state) == 1 + 5 * 4
    assert state["vanlien.relay:truc.express"]["missing"]
    assert "inequivalent arg" in state["vanlien.issue.normal"]["differs"]
    assert list(rabbit_place.queues()) == ["vanlien.issue.normal"]

    code, told, _ = broker("declare", url=rabbit_place.url)
    assert code == 1  # one still differs: only an operator may take it away
    assert len(rabbit_place.queues()) == 21
    assert main(["broker", "declare", "--diff", "--config", str(broker.config)]) == 1
    assert "delete_queue vanlien.issue.normal" in " ".join(capsys.readouterr().out.split())

    rabbit_place.delete_queue("vanlien.issue.normal")
    assert broker("declare", url=rabbit_place.url)[0] == 0
    assert broker("declare", "--diff", url=rabbit_place.url)[0] == 0
    code, told, _ = broker("status", url=rabbit_place.url)
    assert code == 0
    assert {(q["ready"], q["consumers"], q["missing"]) for q in told["queues"]} == {(0, 0, False)}
    assert {q["lane"] for q in told["queues"] if q["topic"] == "relay:truc"} == set(range(5))


@pytest.mark.parametrize("command", [("declare",), ("declare", "--diff"), ("status",)])
def test_without_an_address_there_is_nothing_to_ask(broker, command):
    code, told, err = broker(*command, url="")
    assert code == 64
    assert "broker.url" in err
    assert told["error"]["kind"] == "configuration"


def test_a_broker_that_is_away_is_said_without_a_secret(broker):
    code, told, err = broker("status", url="amqp://vanlien@127.0.0.1:9/x")
    assert code == 70
    assert told["error"]["kind"] == "unavailable"
    assert PASSWORD not in err
