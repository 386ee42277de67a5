"""A rest for a running gateway, and its way out of service: nobody is refused who need not be."""

import asyncio
import json
import re

import pytest

from gateway.__main__ import main
from gateway.errors import RejectedError
from gateway.stores import open_operations
from tests.world.gatehouse import gatehouse, packet, write_config


async def ready(house):
    async with house.session.get(f"{house.url}/ready") as answer:
        return answer.status, (await answer.json())["checks"]


def rest(house, **more):
    with open_operations(house.folder / "vanlien.toml") as ledger:
        return ledger.begin_maintenance(None, reason="thay đĩa", by="an", **more)


def end(house):
    with open_operations(house.folder / "vanlien.toml") as ledger:
        return ledger.end_maintenance(None, by="an")


async def test_maintenance_puts_off_and_its_end_takes_on_again(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        assert (await house.send(packet("1")))[0] == 202
        rest(house)

        async def resting():
            return (await house.send(packet("2")))[0] == 503

        await house.until(resting)
        status, problem, headers = await house.send(packet("2"))
        assert (status, problem["reason"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) >= 1
        status, checks = await ready(house)
        assert (status, checks["server"]) == (503, "maintenance")
        async with house.session.get(f"{house.url}/live") as live:
            assert live.status == 200
        # The page that says so has its style and script, and nothing else of the console.
        async with house.session.get(f"{house.url}/console/sign-in") as page:
            assert page.status == 503
            files = re.findall(r'(?:href|src)="(/console/static/[^"]+)"', await page.text())
        assert files
        for file in files:
            async with house.session.get(house.url + file) as answer:
                assert answer.status == 200
        calls = house.axis.calls.count("getReceivedEdocList")
        for _ in range(3):
            await house.sweep()  # nothing of a sweep goes out of the house
        # A round that was under way asks twice: for documents, for statuses.
        assert house.axis.calls.count("getReceivedEdocList") <= calls + 2
        end(house)

        async def back():
            return (await ready(house))[0] == 200

        await house.until(back)
        status, document, _ = await house.send(packet("2", to=("G09",)))
        assert status == 202
        await house.state(document["id"], "G09", "handed_over", "arrived", "accepted", "done")


async def test_what_was_accepted_before_goes_on_after(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        await house.gateway.duty.rest()
        status, document, _ = await house.send(packet("1", to=("H37.04", "G09")))
        assert status == 202
        for _ in range(3):
            await house.sweep()
        delivery = (await house.document(document["id"]))["deliveries"][0]
        assert delivery["state"] == "pending"
        await house.gateway.duty.maintenance("")
        await house.state(document["id"], "H37.04", "handed_over", "arrived")
        await house.state(document["id"], "G09", "handed_over", "arrived", "accepted", "done")


async def test_leaving_everybody_is_served_until_the_proxy_has_seen_it(tmp_path):
    async with gatehouse(tmp_path, extra='[node]\ndrain = "10 m"\n') as house:
        leaving = asyncio.create_task(house.gateway.drain())

        async def said():
            return (await ready(house))[0] == 503

        await house.until(said)
        assert not leaving.done()
        for n in range(3):
            status, _, headers = await house.send(packet(str(n)))
            assert status == 202
            assert headers["Connection"] == "close"  # a kept connection ends here, in good order
        assert (await ready(house))[1]["server"] == "closing"
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def test_the_node_says_what_it_does(tmp_path, capsys):
    async with gatehouse(tmp_path, extra='[node]\nname = "cong-1"\n') as house:
        config = house.folder / "vanlien.toml"
        with open_operations(config) as ledger:
            (node,) = ledger.nodes()
            assert (node.name, node.roles, node.state) == ("cong-1", ("all",), "up")
            with pytest.raises(RejectedError):
                ledger.begin_maintenance("cong-2", reason="không có", by="an")
            assert ledger.maintenance() == []
            ledger.begin_maintenance("cong-1", reason="thử", by="an")

        async def said():
            with open_operations(config) as ledger:
                (node,) = ledger.nodes()
                return node.state == "maintenance"

        await house.until(said)
    with open_operations(config) as ledger:
        assert [n.state for n in ledger.nodes()] == ["down"]


def test_the_commands_say_what_stands_and_are_audited(tmp_path, capsys):
    config = str(write_config(tmp_path))

    def run(*args):
        code = main(["maintenance", *args, "--json", "--config", config])
        return code, json.loads(capsys.readouterr().out)

    assert run("status") == (0, {"nodes": [], "maintenance": []})
    code, told = run("on", "--reason", "Thay  đĩa")
    assert (code, told["maintenance"][0]["reason"]) == (0, "Thay đĩa")
    assert run("on", "--node", "khong-co", "--reason", "x")[0] == 64
    assert run("on", "--reason", "  ")[0] == 64
    assert [m["node"] for m in run("status")[1]["maintenance"]] == [None]
    assert len(run("off")[1]["ended"]) == 1
    assert run("off") == (0, {"ended": []})
    main(["maintenance", "on", "--reason", "lần nữa", "--config", config])
    main(["maintenance", "status", "--config", config])
    assert "lần nữa" in capsys.readouterr().out
    with open_operations(tmp_path / "vanlien.toml") as ledger:
        kinds = [r["type"] for r in ledger._all("SELECT type FROM event ORDER BY id")]
    assert kinds == ["maintenance-begun", "maintenance-ended", "maintenance-begun"]


def test_roles_apart_need_a_ledger_that_can_be_shared(tmp_path, capsys):
    config = str(write_config(tmp_path))
    for role in ("api", "relay,collect", "api,all", "api,api", "api,nhan"):
        assert main(["serve", "--role", role, "--config", config]) == 64
        assert "node.roles" in capsys.readouterr().err
