"""`vanlien queue` beside a running gateway: see what is stuck and why, put it back, audited."""

import asyncio
import json

import pytest

from adapters.simulator.autoagency import RETURNS
from adapters.simulator.axis import Fault
from gateway import stores
from gateway.__main__ import main
from gateway.ports import AgencyRecord
from tests.world.gatehouse import gatehouse, packet


@pytest.fixture
def vanlien(capsys):
    """Run one command line with --json in a thread; return code and object."""

    async def run(house, *args):
        config = str(house.folder / "vanlien.toml")
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["queue", *args, "--json", "--config", config])
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return code, json.loads(out)

    return run


async def sent(house, number, *to):
    status, answer, _ = await house.send(packet(number, to=to))
    assert status == 202, answer
    return answer["id"]


async def test_a_dead_letter_is_listed_shown_and_put_back(tmp_path, vanlien, capsys):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.REFUSE)
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "failed")

        code, found = await vanlien(house, "list", "--state", "failed")
        assert code == 0
        (dead,) = found["transfers"]
        assert dead["consignment_id"] == document
        assert (dead["hop"], dead["state"], dead["attempts"]) == ("truc", "failed", 1)
        assert "Khong tim thay" in dead["reason"]

        code, life = await vanlien(house, "show", dead["id"])
        assert code == 0
        assert [a["outcome"] for a in life["attempts"]] == ["refused"]
        assert [d["state"] for d in life["deliveries"]] == ["failed"]
        assert "peer_refused" in [e["type"] for e in life["events"]]
        config = str(house.folder / "vanlien.toml")
        assert await asyncio.to_thread(main, ["queue", "show", dead["id"], "--config", config]) == 0
        assert "refused" in capsys.readouterr().out

        code, row = await vanlien(house, "requeue", dead["id"], "--reason", "đã mở mã")
        assert (code, row["state"]) == (0, "waiting")
        delivery = await house.state(document, "G09", "handed_over")  # nobody restarted anything
        assert [a["outcome"] for a in delivery["attempts"]] == ["refused", "taken"]
        assert (await vanlien(house, "list"))[1] == {"transfers": [], "matching": 0, "holds": []}
        (audit,) = await house.gateway.ledger.all("entries_of", subject=f"transfer:{dead['id']}")
        body = json.loads(audit["body"])
        assert (body["action"], body["transfer_id"]) == ("transfer-requeued", dead["id"])
        assert "mở mã" not in audit["body"]


async def test_what_is_not_failed_is_not_put_back(tmp_path, vanlien):
    async with gatehouse(tmp_path, axis=True) as house:
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "handed_over")
        (row,) = await house.gateway.ledger.all("transfers_of", consignment_id=document)
        code, answer = await vanlien(house, "requeue", row["id"], "--reason", "thử")
        assert code == 64
        assert "only a failed one" in answer["error"]["message_en"]
        (delivery,) = (await house.document(document))["deliveries"]
        code, answer = await vanlien(house, "requeue", delivery["id"], "--reason", "thử")
        assert code == 64
        code, answer = await vanlien(house, "requeue", "no-such", "--reason", "thử")
        assert (code, answer["error"]["kind"]) == (64, "rejected")
        code, _ = await vanlien(house, "requeue", row["id"], "--reason", "  ")
        assert code == 64
        code, _ = await vanlien(house, "show", "no-such")
        assert code == 64
        code, _ = await vanlien(house, "list", "--state", "lost")
        assert code == 64
        after = await house.gateway.ledger.one("transfer", id=row["id"])
        assert after == row


async def test_a_returned_delivery_goes_again_alone_with_the_same_bytes(tmp_path, vanlien):
    async with gatehouse(tmp_path, axis=True) as house:
        house.ministry._script = lambda _: RETURNS
        document = await sent(house, "1", "G09", "H37.04")
        await house.state(document, "G09", "handed_over")
        await house.until(house.ministry.step)
        delivery = await house.state(document, "G09", "returned")
        first = delivery["left_at"]
        code, row = await vanlien(house, "requeue", delivery["id"], "--reason", "gửi nhầm mã")
        assert code == 0, row
        assert row["recipients"] == ["G09"]

        async def twice():
            return sum(i.kind == "edoc" for i in house.axis.items) == 2

        await house.until(twice)
        delivery = await house.state(document, "G09", "handed_over")
        assert delivery["left_at"] == first
        raw = [
            (tmp_path / "axis" / f"{i.sending_id}.edxml").read_bytes()
            for i in house.axis.items
            if i.kind == "edoc"
        ]
        assert raw[0] == raw[1]
        rows = await house.gateway.ledger.all("transfers_of", consignment_id=document)
        assert sorted(r["hop"] for r in rows) == ["local:H37.04", "truc", "truc"]


async def test_a_document_that_a_local_agency_returned_needs_a_new_version(tmp_path, vanlien):
    async with gatehouse(tmp_path) as house:
        document = await sent(house, "1", "H37.04")
        (item,) = await house.inbox("stc")
        body = {"code": "02", "reason": "gửi nhầm (R01)"}
        status, _, _ = await house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
        assert status == 200
        delivery = await house.state(document, "H37.04", "returned")
        code, answer = await vanlien(house, "requeue", delivery["id"], "--reason", "thử")
        assert code == 64
        assert "new version" in answer["error"]["message_en"]


async def test_a_recipient_connected_later_gets_what_waited_for_it(tmp_path, vanlien):
    async with gatehouse(tmp_path) as house:
        document = await sent(house, "1", "H37.99", "H37.04")
        (delivery,) = [
            d for d in (await house.document(document))["deliveries"] if d["agency"] == "H37.99"
        ]
        assert delivery["state"] == "not_connected"
        code, answer = await vanlien(house, "requeue", delivery["id"], "--reason", "thử")
        assert code == 64
        assert "not connected" in answer["error"]["message_en"]
        with stores.open_admin(house.folder / "vanlien.toml") as admin:
            admin.put_agency(AgencyRecord("H37.99", "Nay đã nối", connected="local"), by="test")
        code, row = await vanlien(house, "requeue", delivery["id"], "--reason", "đã nối")
        assert code == 0, row
        await house.state(document, "H37.99", "handed_over")
