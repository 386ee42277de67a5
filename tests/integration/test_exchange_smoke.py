"""One document inside the province, one through the axis: accepted, numbered, delivered, 01, 03."""

from pathlib import Path

import pytest

from adapters import vxp, wso2
from gateway.ports import Dialect
from tests.world.gatehouse import gatehouse, packet


async def test_local_exchange(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        status, answer, headers = await house.send(packet("12"))
        assert status == 202, answer
        assert answer["issue_ordinal"] == 1
        assert answer["receipt"].count(".") == 2
        assert headers["Location"].endswith(answer["id"])
        (item,) = await house.inbox("stc")
        assert item["state"] == "offered"
        status, after, _ = await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
        assert (status, after["state"]) == (200, "taken")
        body = {"code": "03", "reason": ""}
        status, after, _ = await house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
        assert (status, after["state"]) == (200, "accepted"), after
        delivery = await house.state(answer["id"], "H37.04", "accepted")
        assert delivery["last_status"] == "03"
        assert delivery["entered_system_at"].endswith("+07:00")


@pytest.mark.parametrize("plugin", [vxp.plugin, wso2.plugin], ids=lambda plugin: plugin.name)
async def test_exchange_through_the_axis(tmp_path: Path, plugin: Dialect) -> None:
    async with gatehouse(tmp_path, axis=True, dialect=plugin) as house:
        status, answer, _ = await house.send(packet("13", to=("G09",), urgency=3))
        assert status == 202, answer
        await house.state(answer["id"], "G09", "handed_over")
        assert house.ministry is not None
        await house.until(house.ministry.step)
        delivery = await house.state(answer["id"], "G09", "accepted")
        assert delivery["attempts"][0]["outcome"] == "taken"
