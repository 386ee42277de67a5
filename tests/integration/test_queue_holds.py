"""`vanlien queue hold|release` beside a running gateway: one, many, a document, a destination.

Rules: SND-15, TIM-01.
"""

import asyncio
import json
from datetime import timedelta

import pytest

from adapters.simulator.axis import Fault
from gateway import app
from gateway.__main__ import main
from gateway.config import load
from gateway.ports import AgencyRecord
from gateway.stores import open_admin
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


async def sent(house, number, *to, **options):
    status, answer, _ = await house.send(packet(str(number), to=to or ("G09",), **options))
    assert status == 202, answer
    return answer["id"]


async def transfers(house, document):
    return await house.gateway.ledger.all("transfers_of", consignment_id=document)


async def halted(house, hop, wanted=True):
    async def look():
        return (hop in house.gateway.context.halted) is wanted

    await house.until(look)


async def audits(house, subject):
    rows = await house.gateway.ledger.all("entries_of", subject=subject)
    return [json.loads(r["body"])["action"] for r in rows]


async def delivery_of(house, document, agency="G09"):
    shown = (await house.document(document))["deliveries"]
    return next(d for d in shown if d["agency"] == agency)


async def test_an_operator_stops_a_whole_destination_and_a_restart_keeps_it(tmp_path, vanlien):
    async with gatehouse(tmp_path, axis=True) as house:
        code, answer = await vanlien(house, "hold", "--hop", "truk", "--reason", "gõ nhầm")
        assert code == 64
        assert "no destination truk" in answer["error"]["message_en"]
        code, answer = await vanlien(house, "hold", "--hop", "truc", "--reason", "bảo trì")
        assert code == 0, answer
        await halted(house, "truc")
        document = await sent(house, 1, "G09", "H37.04", urgency=3)
        await house.state(document, "H37.04", "handed_over")  # the others go on
        delivery = await delivery_of(house, document)
        (held,) = delivery["holds"]
        assert (held["kind"], held["scope"], held["reason"]) == ("operator", "hop", "bảo trì")
        assert held["by"]
        assert held["by"] in held["text"]
        _, history, _ = await house.call("GET", f"/documents/{document}/events")
        assert "queue_held" in [e["type"] for e in history["items"]]

        code, found = await vanlien(house, "list", "--state", "held")
        (row,) = found["transfers"]
        assert (row["hop"], row["attempts"]) == ("truc", 0)
        assert [h["reason"] for h in row["holds"]] == ["bảo trì"]
        code, answer = await vanlien(house, "hold", "--hop", "truc", "--reason", "lần nữa")
        assert code == 64
        assert "held already" in answer["error"]["message_en"]
        code, answer = await vanlien(house, "release", row["id"], "--reason", "thử")
        assert code == 64  # it is the destination that is held

        await house.gateway.stop()
        again = app.Gateway(load(house.folder / "vanlien.toml"), clock=house.clock)
        await again.start()
        try:
            house.gateway = again
            await halted(house, "truc")
            house.clock.move(timedelta(days=30))
            more = await sent(house, 2)
            await house.sweep()
            assert [t["attempts"] for t in await transfers(house, more)] == [0]
            assert house.axis.calls.count("sendEdoc") == 0
            code, answer = await vanlien(house, "release", "--hop", "truc", "--reason", "đã xong")
            assert code == 0, answer
            assert answer["hold"]["subject"] == "truc"
            await house.state(document, "G09", "handed_over")
            await house.state(more, "G09", "handed_over")
            assert await audits(house, "hop:truc") == ["hop-held", "hop-released"]
            (kept,) = await again.ledger.all(
                "holds_of", transfer_id="", consignment_id="", hop="truc", after=""
            )
            assert kept["released_at"] is not None  # ended, not removed
        finally:
            await again.stop()


async def test_a_hold_by_hand_outlives_the_clocks_hold(tmp_path, vanlien):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.BUSY)
        document = await sent(house, 1)
        await house.state(document, "G09", "deferred")
        (row,) = await transfers(house, document)
        house.clock.known_offset = timedelta(hours=1)
        house.clock.move(timedelta(hours=1))

        async def by_clock():
            await house.sweep()
            (now,) = await transfers(house, document)
            return now["hold"] == "clock"

        await house.until(by_clock)
        code, held = await vanlien(house, "hold", row["id"], "--reason", "chờ ý kiến")
        assert (code, held["hold"]) == (0, "clock")
        assert [h["reason"] for h in held["holds"]] == ["chờ ý kiến"]
        house.clock.known_offset = timedelta(0)
        await house.sweep()
        await house.sweep()
        (after,) = await transfers(house, document)
        assert (after["hold"], after["stopped"], after["attempts"]) == ("", 1, 1)
        code, answer = await vanlien(house, "release", row["id"], "--reason", "đã duyệt")
        assert (code, answer["holds"]) == (0, [])
        await house.state(document, "G09", "handed_over")
        code, life = await vanlien(house, "show", row["id"])
        kinds = [e["type"] for e in life["events"]]
        ours = {"held", "hold_ended", "queue_held", "queue_released"}
        told = dict.fromkeys(k for k in kinds if k in ours)
        assert list(told) == ["held", "queue_held", "hold_ended", "queue_released"]
        assert await audits(house, f"transfer:{row['id']}") == [
            "transfer-held",
            "transfer-released",
        ]


async def test_a_held_document_stays_held_for_those_who_come_later(tmp_path, vanlien):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.BUSY)
        name = "H37.02,2026/11/22,5/SNV-VP"
        document = await sent(house, 5, "G09", "H37.99", document_id=name)
        await house.state(document, "G09", "deferred")
        (row,) = await transfers(house, document)
        code, answer = await vanlien(house, "hold", "--document", name, "--reason", "gửi nhầm")
        assert code == 0, answer
        code, own = await vanlien(house, "hold", row["id"], "--reason", "riêng lượt này")
        assert [h["scope"] for h in own["holds"]] == ["transfer", "document"]

        with open_admin(house.folder / "vanlien.toml") as admin:
            admin.put_agency(AgencyRecord("H37.99", "Nay đã nối", connected="local"), by="test")
        late = await delivery_of(house, document, "H37.99")
        code, fresh = await vanlien(house, "requeue", late["id"], "--reason", "đã nối")
        assert code == 0, fresh
        assert [h["scope"] for h in fresh["holds"]] == ["document"]
        house.clock.move(timedelta(hours=2))
        await house.sweep()
        other = await sent(house, 6, "H37.04")
        await house.state(other, "H37.04", "handed_over")
        assert (await delivery_of(house, document, "H37.99"))["state"] == "pending"

        code, answer = await vanlien(house, "release", "--document", name, "--reason", "đúng rồi")
        assert code == 0, answer
        await house.state(document, "H37.99", "handed_over")
        (still,) = [t for t in await transfers(house, document) if t["hop"] == "truc"]
        assert still["stopped"] == 1  # by its own id
        code, _ = await vanlien(house, "release", row["id"], "--reason", "xong")
        assert code == 0
        await house.state(document, "G09", "handed_over")
        code, answer = await vanlien(house, "release", "--document", name, "--reason", "lại")
        assert code == 64
        code, answer = await vanlien(house, "hold", "--document", "không-có", "--reason", "x")
        assert code == 64


async def test_many_are_held_released_and_put_back_each_with_its_proof(tmp_path, vanlien):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", *[Fault.REFUSE] * 7)
        documents = [await sent(house, n) for n in range(1, 8)]
        for document in documents:
            await house.state(document, "G09", "failed")
        rows = [t for d in documents for t in await transfers(house, d)]
        where = ("--all-matching", "--hop", "truc", "--agency", "G09", "--reason", "trục đã sửa")

        code, told = await vanlien(house, "requeue", *where, "--dry-run")
        assert (code, told["dry_run"], told["changed"], told["skipped"]) == (0, True, 7, 0)
        assert {t["state"] for d in documents for t in await transfers(house, d)} == {"failed"}

        code, told = await vanlien(house, "hold", *where)
        assert (code, told["changed"]) == (0, 7)
        code, told = await vanlien(house, "hold", *where)  # again: nothing doubled
        assert (code, told["changed"], told["skipped"]) == (0, 0, 7)
        code, told = await vanlien(house, "requeue", *where)
        assert (code, told["changed"]) == (0, 7)
        await house.sweep()
        rows_now = [t for d in documents for t in await transfers(house, d)]
        assert {(t["state"], t["attempts"]) for t in rows_now} == {("waiting", 1)}
        code, told = await vanlien(house, "release", *where, "--dry-run")
        assert told["changed"] == 7
        assert house.axis.calls.count("sendEdoc") == 7
        code, told = await vanlien(house, "release", *where)
        assert (code, told["changed"]) == (0, 7)
        for document in documents:
            await house.state(document, "G09", "handed_over")
        for row in rows:
            assert await audits(house, f"transfer:{row['id']}") == [
                "transfer-held",
                "transfer-requeued",
                "transfer-released",
            ]
        code, told = await vanlien(house, "hold", *where)
        assert (told["changed"], told["skipped"]) == (0, 0)  # nothing of it is open any more


async def test_one_held_local_agency_leaves_the_others_alone(tmp_path, vanlien):
    async with gatehouse(tmp_path) as house:
        code, _ = await vanlien(house, "hold", "--hop", "local:H37.04", "--reason", "đổi hệ thống")
        assert code == 0
        await halted(house, "local:H37.04")
        both = await sent(house, 1, "H37.04", "H37.61")
        await house.state(both, "H37.61", "arrived")
        delivery = await delivery_of(house, both, "H37.04")
        assert delivery["state"] == "pending"
        assert [h["reason"] for h in delivery["holds"]] == ["đổi hệ thống"]
        code, _ = await vanlien(house, "release", "--hop", "local:H37.04", "--reason", "xong")
        assert code == 0
        await house.state(both, "H37.04", "handed_over")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["hold", "--reason", "x"], "name an ID"),
        (["hold", "--all-matching", "--reason", "x"], "at least one filter"),
        (["hold", "abc", "--all-matching", "--hop", "truc", "--reason", "x"], "not both"),
        (["hold", "abc", "--hop", "truc", "--reason", "x"], "--all-matching only"),
        (["hold", "--hop", "truc", "--document", "d", "--reason", "x"], "name an ID"),
        (["hold", "abc", "--reason", "  "], "must say why"),
        (["hold", "abc", "--reason", "x", "--dry-run"], "--dry-run goes with"),
        (["hold", "abc", "--reason", "x"], "nothing in the queue"),
        (["release", "--hop", "truc", "--reason", "x"], "no operator holds"),
        (["release", "--all-matching", "--reason", "x"], "at least one filter"),
        (["requeue", "--hop", "truc", "--reason", "x"], "name an ID"),
        (["list", "--lane", "fast"], "no lane"),
        (["list", "--older-than", "soon"], "no time like"),
        (["list", "--state", "gone"], "no state"),
    ],
)
async def test_a_command_that_means_nothing_changes_nothing(ledger_only, capsys, args, said):
    code = await asyncio.to_thread(main, ["queue", *args, "--json", "--config", str(ledger_only)])
    answer = json.loads(capsys.readouterr().out)
    assert code == 64
    assert said in answer["error"]["message_en"]


@pytest.fixture(scope="module")
def ledger_only(tmp_path_factory):
    """A settings file with an empty ledger; no server."""
    from tests.world.gatehouse import write_config

    return write_config(tmp_path_factory.mktemp("queue"))


def test_filters_narrow_and_a_page_says_how_much_more_there_is(ledger_only, capsys):
    import sqlite3

    settings = load(ledger_only)
    at = "2026-01-0{}T00:00:00.000000Z"
    with sqlite3.connect(settings.ledger.path) as connection:
        for n in range(6):
            connection.execute(
                "INSERT INTO transfer (id, kind, hop, state, lane, due_at, sender_written, "
                "recipients, document_id, created_at) VALUES (?, 'status', ?, 'deferred', ?, ?, "
                "'H37.02', '[]', ?, ?)",
                (f"t{n}", f"peer{n % 2}", n % 3, at.format(n + 1), f"doc{n}", at.format(n + 1)),
            )
    connection.close()

    def found(*args):
        assert main(["queue", "list", *args, "--json", "--config", str(ledger_only)]) == 0
        answer = json.loads(capsys.readouterr().out)
        return [r["id"] for r in answer["transfers"]], answer["matching"]

    assert found("--hop", "peer1") == (["t1", "t3", "t5"], 3)
    assert found("--lane", "very_urgent") == (["t2", "t5"], 2)
    assert found("--document", "doc4") == (["t4"], 1)
    assert found("--limit", "2") == (["t0", "t1"], 6)
    assert found("--older-than", "1 d")[1] == 6
    assert found("--state", "failed") == ([], 0)
    assert found("--agency", "G09") == ([], 0)
    assert found("--hop", "peer1' OR '1'='1") == ([], 0)
    args = ["queue", "list", "--limit", "2", "--config", str(ledger_only)]
    assert main(args) == 0
    assert "4" in capsys.readouterr().out
