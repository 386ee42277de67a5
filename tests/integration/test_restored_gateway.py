"""The life of a gateway restored from an old backup: nothing twice, no number again, nothing hidden."""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.simulator.axis import Fault
from gateway import app, keeping
from gateway.__main__ import main
from gateway.backup import form
from gateway.backup.make import copy_keys
from gateway.cli import frame
from gateway.config import load
from gateway.domain.moments import VIETNAM
from gateway.ports import Parcel, Taken
from gateway.receipts.proof import load_keys, verify_file
from tests.world.gatehouse import gatehouse, packet


def run(*words):
    return asyncio.to_thread(main, list(words))


def ordinals(folder):
    path = load(folder / "vanlien.toml").ledger.path
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        sql = "SELECT document_id, issue_ordinal FROM consignment WHERE issue_ordinal IS NOT NULL"
        return dict(ledger.execute(sql).fetchall())


async def ministry_sends(house, data):
    """Hand a packet to the axis as the ministry's system."""

    async def chunks():
        yield data

    name = hashlib.sha256(data).hexdigest()
    parcel = Parcel("m", "edoc", "G09", (), "", name, len(data), chunks)
    deadline = house.clock.now() + timedelta(minutes=1)
    outcome = await house.ministry._adapter.deliver(parcel, deadline=deadline)
    assert isinstance(outcome, Taken), outcome


class Lost:
    """A gateway that was backed up, went on, and then lost its disk; and its successor."""

    def __init__(self, house, folder, target, new):
        self.house, self.folder, self.target, self.new = house, folder, target, new
        self.config = str(new / "vanlien.toml")

    async def back_up(self):
        settings = load(self.folder / "vanlien.toml")
        (made,) = await asyncio.to_thread(
            keeping.back_up, settings, [self.target], keep=4, by="test", config=settings.file
        )
        assert made.good, made

    async def restore(self, capsys, *more):
        await self.house.gateway.stop()
        keys = self.folder.parent / "khoa"
        settings = load(self.folder / "vanlien.toml")
        copy_keys(keeping.key_files(settings), keys)
        told = ["restore", "from", str(self.target), "--to", str(self.new), "--json"]
        assert await run(*told, "--keys-from", str(keys), *more) == 0
        said = json.loads(capsys.readouterr().out)
        self.house.gateway = app.Gateway(load(self.new / "vanlien.toml"), clock=self.house.clock)
        await self.house.gateway.start()
        return said

    async def json_of(self, capsys, *words):
        code = await run(*words, "--json", "--config", self.config)
        return code, json.loads(capsys.readouterr().out)


@pytest.fixture
async def lost(tmp_path):
    folder, target = tmp_path / "g", tmp_path / "target"
    folder.mkdir()
    target.mkdir()
    async with gatehouse(folder, axis=True) as house:
        made = Lost(house, folder, target, tmp_path / "n")
        yield made
        await made.house.gateway.stop()


async def test_an_old_backup_reuses_nothing_and_says_what_is_missing(lost, tmp_path, capsys):
    house = lost.house
    kept = packet("1", to=("H37.04", "G09"))
    status, first, _ = await house.send(kept)
    assert status == 202
    await house.state(first["id"], "G09", "handed_over", "arrived")
    await lost.back_up()
    # After the backup: two more numbers are given, and told to the world.
    later = [packet(str(n), to=("H37.04",)) for n in (2, 3)]
    told = [await house.send(data) for data in later]
    assert [status for status, _, _ in told] == [202, 202]
    export = tmp_path / "so.jsonl"
    out = ["receipts", "export", "-o", str(export), "--config", str(lost.folder / "vanlien.toml")]
    assert await run(*out) == 0
    capsys.readouterr()
    before = ordinals(lost.folder)
    assert sorted(before.values()) == [1, 2, 3]

    said = await lost.restore(capsys)
    assert said["held"]
    assert said["made_at"] < said["restored_at"]

    # It takes documents, gives no number and relays nothing.
    calls = house.axis.calls.count("sendEdoc")
    status, held, _ = await house.send(packet("9", to=("H37.04", "G09")))
    assert (status, held["state"]) == (202, "accepted")
    async with house.session.get(f"{house.url}/ready") as ready:
        assert "standing still" in (await ready.json())["checks"]["restored"]
    # The same submission as before the backup: its answer, word for word.
    _, again, _ = await house.send(kept)
    assert again == first
    await house.sweep()
    assert (await house.document(held["id"]))["state"] == "accepted"
    assert ordinals(lost.new) == {d: n for d, n in before.items() if n == 1}
    assert house.axis.calls.count("sendEdoc") == calls

    # A tree head somebody kept is ahead of the log that came back: said, and written down.
    head = tmp_path / "dau-cay.jws"
    with export.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    head.write_text([r["jws"] for r in records if r.get("type") == "head"][-1], encoding="utf-8")
    code, seen = await lost.json_of(capsys, "restore", "reconcile", "--head", str(head))
    assert (code, seen["reconciled"]) == (0, False)
    assert [h["state"] for h in seen["heads"]] == ["ahead"]
    assert seen["heads"][0]["size"] > said["tree_size"]
    # Nor is it forgotten the next time.
    code, refused = await lost.json_of(capsys, "restore", "reconcile", "--nothing-later")
    assert code == frame.USAGE, refused
    # Accepted before the backup and numbered after it: the ledger knows whose number it is.
    with keeping.opened(load(lost.new / "vanlien.toml")) as ledger:
        late = {"consignment_id": first["id"], "issue_year": 2026, "issue_ordinal": 77}
        assert [(f.agency, f.last) for f in ledger.floors([late])] == [("H37.02", 77)]
    # Nobody lets go before the counters are past what is known from outside.
    code, refused = await lost.json_of(capsys, "restore", "release", "--reason", "x")
    assert code == frame.USAGE, refused
    code, done = await lost.json_of(capsys, "restore", "reconcile", "--receipts", str(export))
    assert code == 0
    (raised,) = done["raised"]
    assert (raised["agency"], raised["before"], raised["last"]) == ("H37.02", 1, 3)
    assert [h["state"] for h in done["heads"]] == ["ahead"]
    lost_ids = {e["consignment_id"] for e in done["lost"] if e["kind"] == "accepted"}
    assert lost_ids == {answer["id"] for _, answer, _ in told}
    code, _ = await lost.json_of(capsys, "restore", "release", "--reason", "Đã đối chiếu")
    assert code == 0

    # What was held is numbered above the floor and leaves.
    await house.state(held["id"], "G09", "handed_over", "arrived")
    # What was lost is sent again: a new document under a new number, dropped where it is known.
    for data in later:
        assert (await house.send(data))[0] == 202
    after = ordinals(lost.new)
    new = {n for n in after.values() if n != 1}
    assert min(new) > max(before.values())
    assert len(set(after.values())) == len(after)

    # The log says what happened to it, and an old head proves what is gone.
    export = tmp_path / "moi.jsonl"
    assert await run("receipts", "export", "-o", str(export), "--config", lost.config) == 0
    capsys.readouterr()
    public = form.chosen(lost.target).manifest["receipt_key"]["public"]
    report = verify_file(export, load_keys(public.encode()), None)
    assert report.exit_code == 0, report.faults
    (restored,) = report.restored
    assert restored["tree_size"] == restored["index"] == said["tree_size"]
    assert restored["root"] == said["root"]
    assert "restored" in report.notes


async def test_what_waited_in_the_backup_stays_until_it_is_released(lost, capsys):
    house = lost.house
    house.axis.fail("sendEdoc", *[Fault.BUSY] * 1000)
    status, sent, _ = await house.send(packet("1", to=("G09",)))
    assert status == 202
    await house.state(sent["id"], "G09", "deferred")
    await lost.back_up()
    await lost.restore(capsys)
    house.axis.mend("sendEdoc")
    calls = house.axis.calls.count("sendEdoc")
    for _ in range(3):
        house.clock.move(timedelta(minutes=30))
        await house.sweep()

    async def held():
        row = await house.row("transfers_of", consignment_id=sent["id"])
        return row["hold"] == "restored"

    await house.until(held)
    assert house.axis.calls.count("sendEdoc") == calls
    code, _ = await lost.json_of(capsys, "restore", "reconcile", "--nothing-later")
    assert code == 0
    code, _ = await lost.json_of(capsys, "restore", "release", "--reason", "Diễn tập")
    assert code == 0
    await house.state(sent["id"], "G09", "handed_over", "arrived")


async def test_no_arrival_number_is_given_while_it_stands_still(lost, tmp_path, capsys):
    house = lost.house
    assert (await house.send(packet("1", to=("H37.61",))))[0] == 202
    (item,) = await house.inbox("other")
    await lost.back_up()
    # After it, and lost with the disk: an arrival number, and a counter moved by an operator.
    assert (await house.send(packet("2", to=("H37.61",))))[0] == 202
    later = (await house.inbox("other", 2))[1]
    path = f"/inbox/{later['id']}/status"
    assert (await house.call("POST", path, "other", json={"code": "03"}))[0] == 200
    config = str(lost.folder / "vanlien.toml")
    words = ("H37.04", "2026", "500", "--reason", "chuyển hệ thống", "--config", config)
    assert await run("counter", "set", *words) == 0
    export = tmp_path / "so.jsonl"
    assert await run("receipts", "export", "-o", str(export), "--config", config) == 0
    capsys.readouterr()
    await lost.restore(capsys)
    body = {"code": "03"}
    path = f"/inbox/{item['id']}/status"
    status, problem, _ = await house.call("POST", path, "other", json=body)
    assert status == 503, problem
    year = house.clock.now().astimezone(VIETNAM).year
    words = ("restore", "reconcile", "--receipts", str(export))
    code, done = await lost.json_of(capsys, *words)
    moved = {(r["agency"], r["year"], r["series"], r["last"]) for r in done["raised"]}
    assert moved >= {("H37.04", 2026, "issue", 500), ("H37.61", year, "arrival", 1)}
    floor = f"H37.61:{year}:arrival=40"
    code, _ = await lost.json_of(capsys, "restore", "reconcile", "--floor", floor)
    assert code == 0
    code, _ = await lost.json_of(capsys, "restore", "release", "--reason", "Xong")
    assert code == 0

    async def numbered():
        return (await house.call("POST", path, "other", json=body))[0] == 200

    await house.until(numbered)
    with contextlib.closing(sqlite3.connect(load(lost.new / "vanlien.toml").ledger.path)) as ledger:
        assert ledger.execute("SELECT arrival_number FROM arrival").fetchall() == [(41,)]


async def test_what_was_collected_after_the_backup_is_asked_for_by_date(lost, capsys):
    """The axis lists what was taken too, within a window: the lost arrival comes again, once."""
    house = lost.house
    house.axis.show_taken()
    await lost.back_up()
    await ministry_sends(house, packet("7", sender="G09", document_id="G09,2026/11/20,7/BNV"))
    (before,) = await house.inbox("stc")

    async def taken():
        return all(i.taken_at for i in house.axis.items if i.kind == "edoc")

    await house.until(taken)
    await lost.restore(capsys)
    (after,) = await house.inbox("stc")
    assert after["id"] != before["id"]
    assert after["document_id"] == before["document_id"]
    # Who read on after the backup asks above the cursor it was given then, and misses nothing.
    status, page, _ = await house.call("GET", f"/inbox?after={before['cursor'] + 1000}", "stc")
    assert (status, [i["id"] for i in page["items"]]) == (200, [after["id"]])
    calls = house.axis.calls.count("getReceivedEdocList")
    await house.called("getReceivedEdocList", calls + 8)
    assert len(await house.inbox("stc")) == 1


async def test_bytes_newer_than_the_backup_stay_until_it_is_released(lost, capsys):
    """Where only the ledger was lost they may be all that is left of what was accepted."""
    house = lost.house
    await lost.back_up()
    await lost.restore(capsys)
    blobs, janitor = house.gateway.blobs, house.gateway.janitor
    name = (await blobs.put(b"nhan sau khi sao luu")).sha256
    janitor._context.policy = replace(janitor._context.policy, orphan_age=timedelta(seconds=-9))
    await janitor.slow()
    assert await blobs.has(name)
    out = lost.new / "tim-lai"
    code, found = await lost.json_of(capsys, "restore", "strays", "--to", str(out))
    assert (code, {b["sha256"] for b in found["blobs"]}) == (0, {name})
    assert (out / name).read_bytes() == b"nhan sau khi sao luu"
    assert (out / name).stat().st_mode & 0o777 == 0o600
    for words in (("reconcile", "--nothing-later"), ("release", "--reason", "Xong")):
        assert (await lost.json_of(capsys, "restore", *words))[0] == 0

    async def released():
        return not house.gateway.context.restored

    await house.until(released)
    await janitor.slow()
    assert not await blobs.has(name)


async def test_a_gateway_that_was_never_restored_cannot_be_released(lost, capsys):
    config = str(lost.folder / "vanlien.toml")
    for words in (["reconcile", "--nothing-later"], ["release", "--reason", "x"]):
        assert await run("restore", *words, "--config", config) == frame.USAGE
        assert "restored" in capsys.readouterr().err
    assert await run("restore", "show", "--json", "--config", config) == 0
    assert json.loads(capsys.readouterr().out) == {"held": False}
