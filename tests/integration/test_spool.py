"""A folder as a door: dropped, taken once, answered beside; brought, confirmed by moving."""

import asyncio
import contextlib
import hashlib
import json
import os
import threading
from dataclasses import dataclass, replace

import pytest

from adapters.spool import names
from adapters.spool.bringing import Bringing
from adapters.spool.door import SpoolDoor
from adapters.spool.folder import MARKER, Folder, make
from adapters.spool.following import Following
from adapters.spool.sending import Pace, Sending
from gateway import faults, observe
from gateway.errors import UnavailableError
from gateway.programs.notices import LedgerNotices
from tests.world.gatehouse import gatehouse, packet
from tests.world.outside import head, status

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF\n"


BETWEEN = "spool.between-moves"
POINTS = [p for p in faults.POINTS if p.startswith("spool.") and p != BETWEEN]
INI = (
    "Số = 45\nKý hiệu = SNV-VP\nNgày = 20/11/2026\nNơi nhận = H37.04\nĐộ khẩn = hỏa tốc\n"
    "Trích yếu = V/v bản quét đã ký\nLoại = Công văn\nMã loại = 2\nĐịa danh = Lạng Sơn\n"
    "Người ký = Nguyễn Văn A\nChức vụ = Giám đốc\n"
)


class DiedError(BaseException):
    """The process ends here."""


@dataclass
class Site:
    """A gateway and one system's folder, looked at when the test says so."""

    house: object
    root: object
    door: SpoolDoor
    system: str
    now_s: float = 0.0

    async def look(self, *, after_s=3600.0):
        """Look, long after everything was put there: once to see it, once to take it."""
        found = await self.door.once()
        self.now_s += after_s
        return found + await self.door.once()

    def drop(self, name, data):
        (self.root / "out/tmp" / name).write_bytes(data)
        (self.root / "out/tmp" / name).rename(self.root / "out/new" / name)

    def there(self, part):
        return sorted(p.name for p in (self.root / part).iterdir() if p.name[0] != ".")

    def result(self, name):
        return json.loads((self.root / "out/cur" / f"{name}{names.RESULT}").read_bytes())

    def text(self, name):
        return (self.root / "out/cur" / f"{name}{names.READABLE}").read_text(encoding="utf-8")


def fitted(house, folder, system, *, settle_s=1.0, orphan_s=600.0):
    """Give a system of a gateway its folder."""
    root = folder / f"spool-{system}"
    make(root, system, None)
    gateway = house.gateway
    place = Folder(root, system)
    notices = LedgerNotices(gateway.ledger, gateway.pulse)
    site = Site(house, root, None, system)
    site.door = SpoolDoor(
        place,
        sending=Sending(
            place,
            front=gateway.door,
            desk=gateway.desk,
            clock=house.clock,
            pace=Pace(settle_s, orphan_s),
            scans=True,
            monotonic=lambda: site.now_s,
        ),
        bringing=Bringing(place, front=gateway.door, desk=gateway.desk, feeds=gateway.feeds),
        following=Following(place, desk=gateway.desk, notices=notices),
        callers=gateway.callers,
        feeds=gateway.feeds,
        turn=gateway.leases.holding,
        poll_s=0.1,
    )
    return site


@pytest.fixture
async def pair(tmp_path):
    async with gatehouse(tmp_path) as house:
        yield fitted(house, tmp_path, "snv"), fitted(house, tmp_path, "stc")


async def test_there_and_back_again(pair):
    sender, receiver = pair
    await receiver.look()  # its feed begins here
    data = packet("7", files=[("Báo cáo.pdf", PDF), ("../../x.txt", b"ghi chu")])
    sender.drop("công văn 7.edxml", data)
    await sender.look()
    told = sender.result("công văn 7.edxml")
    assert (told["result"], told["sha256"]) == ("accepted", hashlib.sha256(data).hexdigest())
    assert told["answer"]["receipt"]
    assert "ĐÃ NHẬN để gửi" in sender.text("công văn 7.edxml")
    assert "  - H37.04: chờ gửi\n" in sender.text("công văn 7.edxml")
    assert sender.there("out/new") == []
    assert (sender.root / "out/cur" / "công văn 7.edxml").read_bytes() == data

    # At the other end: a folder, whole, its files under safe names.
    await sender.house.inbox("stc")
    await receiver.house.until(receiver.look)
    (name,) = receiver.there("in/new")
    folder = receiver.root / "in/new" / name
    about = json.loads((folder / "metadata.json").read_bytes())
    assert (about["kind"], about["agency"], about["replay"]) == ("document", "H37.04", False)
    assert sorted(p.name for p in folder.iterdir()) == [
        "01-Báo cáo.pdf",
        "02-x.txt",
        "metadata.json",
        "van-ban.edxml",
    ]
    assert (folder / "01-Báo cáo.pdf").read_bytes() == PDF
    written = hashlib.sha256((folder / "van-ban.edxml").read_bytes()).hexdigest()
    assert written == about["packet"]["sha256"]
    assert oct(folder.stat().st_mode)[-4:] == "2770"
    # Nothing twice, nothing confirmed before it is moved.
    assert await receiver.look() == 0
    arrival = (await receiver.house.call("GET", f"/inbox/{about['id']}", "stc"))[1]
    assert (arrival["state"], arrival["entered_system_at"]) == ("offered", None)

    # RCV-06: moved is entered; then its statuses go back, each with one effect.
    folder.rename(receiver.root / "in/cur" / name)
    await receiver.look()
    arrival = (await receiver.house.call("GET", f"/inbox/{about['id']}", "stc"))[1]
    assert (arrival["state"], bool(arrival["entered_system_at"])) == ("taken", True)
    said = {"id": name, "code": "03", "decided_by": "Trần Thị Bình"}
    receiver.drop("tiep-nhan.status.json", json.dumps(said).encode())
    await receiver.look()
    assert receiver.result("tiep-nhan.status.json")["result"] == "reported"
    done = status(head(about["document_id"], code="7/SNV-VP"), "06", sender="H37.04")
    receiver.drop("xong.edxml", done)
    await receiver.look()
    assert receiver.result("xong.edxml")["result"] == "reported"

    # The sender reads it beside its file, and the receipts once it is over.
    async def closed():
        await sender.look()
        return f"công văn 7.edxml{names.RECEIPTS}" in sender.there("out/cur")

    await sender.house.until(closed)
    state = json.loads((sender.root / "out/cur" / f"công văn 7.edxml{names.STATE}").read_bytes())
    assert [(d["agency"], d["state"]) for d in state["deliveries"]] == [("H37.04", "done")]
    assert sender.there("following") == []
    kinds = {json.loads((sender.root / "in/new" / n / "metadata.json").read_bytes())["kind"]
             for n in sender.there("in/new")}  # fmt: skip
    assert kinds == {"status"}
    # A status is confirmed in the same way.
    caller = sender.house.gateway.callers.system("snv")
    assert await sender.house.gateway.door.waiting(caller, "status")
    for folder in sender.there("in/new"):
        (sender.root / "in/new" / folder).rename(sender.root / "in/cur" / folder)
    await sender.look()
    assert not await sender.house.gateway.door.waiting(caller, "status")


async def test_what_is_refused_says_everything_and_stays(pair):
    sender, _ = pair
    sender.drop("sai.edxml", packet("8", sender="H37.04", subject=""))
    sender.drop("rac.edxml", b"khong phai edxml")
    await sender.look()
    told = sender.result("sai.edxml")
    assert (told["result"], told["problem"]["reason"]) == ("refused", "sender-not-caller")
    assert {f["rule"] for f in told["problem"]["findings"]} >= {"ID-09"}
    assert "BỊ TỪ CHỐI" in sender.text("sai.edxml")
    assert sender.result("rac.edxml")["problem"]["reason"] == "malformed"
    assert {"sai.edxml", "rac.edxml"} <= set(sender.there("out/cur"))
    # Mended and dropped again under its name: another file, another result beside the first.
    good = packet("8")
    sender.drop("sai.edxml", good)
    await sender.look()
    other = names.other_name("sai.edxml", hashlib.sha256(good).hexdigest())
    assert sender.result(other)["result"] == "accepted"
    # The very same once more: the same answer, no second document.
    sender.drop("sai.edxml", good)
    await sender.look()
    assert sender.result(other)["answer"]["document_id"]
    _, sent, _ = await sender.house.call("GET", "/documents")
    assert len(sent["items"]) == 1


async def test_a_scan_with_its_small_file_is_a_document(pair):
    sender, receiver = pair
    await receiver.look()
    sender.drop("van-ban-45.pdf", PDF)
    await sender.look(after_s=60)  # half of it: the other half is waited for
    sender.drop("van-ban-45.ini", INI.encode())
    await sender.look(after_s=5)
    assert sender.result("van-ban-45.pdf")["result"] == "accepted"
    assert {"van-ban-45.pdf", "van-ban-45.pdf.ini"} <= set(sender.there("out/cur"))
    document = sender.result("van-ban-45.pdf")["answer"]
    kept = await sender.house.document(document["id"])
    assert (kept["code"], kept["urgency"]) == ("45/SNV-VP", 3)
    # A name that says it all needs no file beside it; SEC-01 is heard in the small file.
    sender.drop("46_SNV-VP_20261120_H37.04_V-v ten tep.pdf", PDF + b"46")
    sender.drop("mat.pdf", PDF + b"mat")
    sender.drop(
        "mat.pdf.csv", "so;ky_hieu;ngay;noi_nhan;do_mat\n47;SNV;2026-11-20;H37.04;Mật\n".encode()
    )
    sender.drop("le.pdf", PDF + b"le")
    sender.drop("sai.pdf", PDF + b"sai")
    sender.drop("sai.json", b'{"ngay": "32/13/2026", "gi do": 1}')
    await sender.look()
    named = sender.result("46_SNV-VP_20261120_H37.04_V-v ten tep.pdf")
    assert named["result"] in {"accepted", "refused"}
    assert sender.result("mat.pdf")["problem"]["reason"] == "secrecy"
    assert sender.result("le.pdf")["result"] == "refused"
    rules = [f["rule"] for f in sender.result("sai.pdf")["problem"]["findings"]]
    assert sorted(rules) == ["MD-01", "MD-10", "MD-10"]


async def test_nothing_is_read_through_links_or_while_it_is_written(pair, tmp_path):
    sender, _ = pair
    secret = tmp_path / "bi-mat.edxml"
    secret.write_bytes(packet("9"))
    new = sender.root / "out/new"
    (new / "lien-ket.edxml").symlink_to(secret)
    os.link(secret, new / "ten-hai.edxml")
    (new / "thu-muc.edxml").mkdir()
    os.mkfifo(new / "ong.edxml")
    (new / "xau\n..edxml").write_bytes(packet("10"))
    (new / "dang-chep.edxml.part").write_bytes(b"x")
    (new / "la.exe").write_bytes(b"MZ")
    await sender.look(after_s=10)
    assert len(sender.there("out/new")) == 7  # some become fit: a link is how old maildirs move
    await sender.look()
    assert sender.there("out/new") == ["dang-chep.edxml.part"]
    for name in ("lien-ket.edxml", "ten-hai.edxml", "thu-muc.edxml", "ong.edxml", "la.exe"):
        assert sender.result(name)["result"] == "refused"
    assert names.stand_in("xau\n..edxml") in sender.there("out/cur")
    assert (sender.root / "out/cur/lien-ket.edxml").is_symlink()
    assert (await sender.house.call("GET", "/documents"))[1]["items"] == []
    # Written into `new` directly, slowly: only the whole of it is taken.
    data = packet("11")
    (new / "cham.edxml").write_bytes(data[:100])
    await sender.door.once()
    (new / "cham.edxml").write_bytes(data[:500])
    sender.now_s += 5
    await sender.door.once()
    (new / "cham.edxml").write_bytes(data)
    sender.now_s += 0.5
    await sender.look(after_s=5)
    assert sender.result("cham.edxml")["result"] == "accepted"


async def test_a_file_that_changes_while_it_is_read_is_looked_at_anew(pair, monkeypatch):
    sender, _ = pair
    first, second = packet("12"), packet("13")
    sender.drop("doi.edxml", first)
    submit = sender.house.gateway.door.submit

    async def changed(caller, chunks, options):
        (sender.root / "out/new/doi.edxml").write_bytes(second)
        return await submit(caller, chunks, options)

    monkeypatch.setattr(sender.house.gateway.door, "submit", changed)
    await sender.look()
    assert sender.there("out/new") == ["doi.edxml"]
    assert (await sender.house.call("GET", "/documents"))[1]["items"] == []
    monkeypatch.undo()
    await sender.look()
    assert sender.result("doi.edxml")["sha256"] == hashlib.sha256(second).hexdigest()


@pytest.mark.parametrize("point", POINTS)
async def test_a_death_anywhere_has_one_effect(pair, monkeypatch, point):
    sender, receiver = pair
    await receiver.look()
    reach, left = faults.reach, [1]

    def dies(at):
        reach(at)
        if at == point and left:
            left.pop()
            raise DiedError

    monkeypatch.setattr(faults, "reach", dies)
    sender.drop("cong-van.edxml", packet("14"))

    async def brought():
        for site in (sender, receiver):
            with contextlib.suppress(DiedError):
                await site.look()
        for name in receiver.there("in/new"):
            (receiver.root / "in/new" / name).rename(receiver.root / "in/cur" / name)
        _, inbox, _ = await sender.house.call("GET", "/inbox", "stc")
        return [i for i in inbox["items"] if i["entered_system_at"]]

    (item,) = await sender.house.until(brought)
    assert not left
    assert sender.result("cong-van.edxml")["result"] == "accepted"
    assert [names.item_of(n) for n in receiver.there("in/cur")] == [item["id"]]
    assert len((await sender.house.call("GET", "/documents"))[1]["items"]) == 1
    _, events, _ = await sender.house.call("GET", f"/inbox/{item['id']}/events", "stc")
    assert [e["type"] for e in events["items"]].count("entered") <= 1


async def test_a_death_between_a_scan_and_its_small_file_sends_nothing_twice(pair, monkeypatch):
    sender, _ = pair
    reach, left = faults.reach, [1]

    def dies(at):
        reach(at)
        if at == BETWEEN and left:
            left.pop()
            raise DiedError

    monkeypatch.setattr(faults, "reach", dies)
    sender.drop("45.ini", INI.encode())
    sender.drop("45.pdf", PDF)
    with pytest.raises(DiedError):
        await sender.look()
    assert (sender.there("out/new"), sender.result("45.pdf")["result"]) == (["45.ini"], "accepted")
    await sender.look()
    assert sender.result("45.ini")["result"] == "refused"
    assert len((await sender.house.call("GET", "/documents"))[1]["items"]) == 1


async def test_what_waited_takes_no_other_files_place(pair, monkeypatch):
    sender, _ = pair
    door, submit = sender.house.gateway.door, sender.house.gateway.door.submit

    async def breaks(*_):
        raise RuntimeError

    monkeypatch.setattr(door, "submit", breaks)
    (sender.root / "out/cur/a.edxml").write_bytes(b"an earlier one, its results tidied away")
    data = packet("30")
    sender.drop("a.edxml", data)
    await sender.look(after_s=10)
    assert sender.result("a.edxml")["result"] == "waiting"
    monkeypatch.setattr(door, "submit", submit)
    await sender.look()
    assert sender.there("out/new") == []
    other = names.other_name("a.edxml", hashlib.sha256(data).hexdigest())
    assert sender.result(other)["result"] == "accepted"
    assert (sender.root / "out/cur" / other).read_bytes() == data
    assert (sender.root / "out/cur/a.edxml").read_bytes().startswith(b"an earlier one")


async def test_one_bad_file_or_item_holds_up_nothing_behind_it(pair, monkeypatch):
    sender, receiver = pair
    await receiver.look()
    submit = sender.house.gateway.door.submit
    alarms = []
    monkeypatch.setattr(observe, "alarm", lambda **said: alarms.append(said["what"]))
    bad = packet("20")

    async def breaks(caller, chunks, options):
        data = b"".join([c async for c in chunks])
        if data == bad:
            raise RuntimeError

        async def again():
            yield data

        return await submit(caller, again(), options)

    monkeypatch.setattr(sender.house.gateway.door, "submit", breaks)
    sender.drop("a.edxml", bad)
    sender.drop("b.edxml", packet("21"))
    sender.drop("c.edxml", packet("22"))
    (sender.root / "out/cur/c.edxml").mkdir()  # somebody's, in the way: neither is lost
    await sender.look(after_s=10)
    assert sender.there("out/new") == ["a.edxml"]
    assert (sender.result("a.edxml")["result"], alarms) == ("waiting", ["spool"])
    assert sender.result("b.edxml")["result"] == "accepted"
    assert (sender.root / "out/cur/c.edxml").is_dir()
    # Damaged with us: said aloud, still offered, and what is behind it comes.
    await sender.house.inbox("stc", 2)
    fetch = sender.house.gateway.door.fetch
    first = []

    async def damaged(caller, item_id):
        found = await fetch(caller, item_id)
        first.append(item_id)
        return replace(found, sha256="0" * 64) if item_id == first[0] else found

    monkeypatch.setattr(sender.house.gateway.door, "fetch", damaged)
    await receiver.look()
    assert len(receiver.there("in/new")) == 1
    assert alarms == ["spool", "spool"]


async def test_a_folder_that_is_away_is_not_an_empty_one(pair):
    sender, receiver = pair
    await receiver.look()
    await sender.house.send(packet("15"))
    await sender.house.inbox("stc")
    receiver.root.rename(receiver.root.with_name("di-vang"))
    receiver.root.mkdir()  # the mount point without its mount
    for part in ("out/new", "in/new", "in/cur", "in/tmp", "following"):
        (receiver.root / part).mkdir(parents=True)
    with pytest.raises(UnavailableError):
        await receiver.door.once()
    assert receiver.there("in/new") == []
    (receiver.root / MARKER).write_text("snv\n")  # another's
    with pytest.raises(UnavailableError):
        await receiver.door.once()
    receiver.root.rename(receiver.root.with_name("trong"))
    receiver.root.with_name("di-vang").rename(receiver.root)
    await receiver.look()
    assert len(receiver.there("in/new")) == 1


async def test_a_disk_that_is_full_and_a_gateway_that_is_not_there_lose_nothing(pair, monkeypatch):
    sender, _ = pair
    sender.drop("cong-van.edxml", packet("16"))
    submit = sender.house.gateway.door.submit

    async def away(*_):
        raise UnavailableError

    monkeypatch.setattr(sender.house.gateway.door, "submit", away)
    with pytest.raises(UnavailableError):
        await sender.look()
    monkeypatch.setattr(sender.house.gateway.door, "submit", submit)
    write = os.write

    def full(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UnavailableError):
        await sender.door.once()
    assert sender.there("out/new") == ["cong-van.edxml"]
    monkeypatch.setattr(os, "write", write)
    await sender.look()
    assert sender.result("cong-van.edxml")["result"] == "accepted"
    assert sender.there("out/new") == []


async def test_what_is_asked_for_again_comes_again_marked(pair):
    sender, receiver = pair
    await receiver.look()
    _, sent, _ = await sender.house.send(packet("17"))
    await sender.house.inbox("stc")
    await receiver.look()
    (name,) = receiver.there("in/new")
    (receiver.root / "in/new" / name).rename(receiver.root / "in/cur" / name)
    await receiver.look()
    feeds = receiver.house.gateway.feeds
    await feeds.rewind("spool:stc", 0, by="An", reason="khôi phục bản sao lưu cũ")
    await receiver.look()
    (again,) = receiver.there("in/new")
    assert again == f"{name}.lai"
    about = json.loads((receiver.root / "in/new" / again / "metadata.json").read_bytes())
    assert (about["replay"], about["id"]) == (True, names.item_of(name))
    first = (receiver.root / "in/cur" / name / "van-ban.edxml").read_bytes()
    assert (receiver.root / "in/new" / again / "van-ban.edxml").read_bytes() == first
    assert sent["id"]


async def test_a_running_gateway_watches_the_folder_of_its_settings(tmp_path):
    root = tmp_path / "thu-muc"
    make(root, "snv", None)
    extra = f'[[spool]]\nfolder = "{root}"\nsystem = "snv"\npoll = "100 ms"\nsettle = "0 s"\n'
    async with gatehouse(tmp_path, extra=extra) as house:
        (root / "out/new/van-ban.edxml").write_bytes(packet("18"))
        result = root / "out/cur" / f"van-ban.edxml{names.RESULT}"

        async def taken():
            return result.exists()

        await house.until(taken)
        assert json.loads(result.read_bytes())["result"] == "accepted"


async def test_the_watch_survives_what_one_look_does(pair, monkeypatch):
    sender, _ = pair
    looks = []

    async def once():
        looks.append(len(looks))
        if len(looks) == 1:
            raise UnavailableError
        if len(looks) == 3:
            raise asyncio.CancelledError
        return 1

    monkeypatch.setattr(sender.door, "once", once)
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await sender.door.run()
    assert len(looks) == 3


async def test_a_share_that_hangs_holds_up_nobody_and_is_said(tmp_path, monkeypatch):
    free = threading.Event()
    place = Folder(tmp_path, "snv")
    monkeypatch.setattr("adapters.spool.folder._SILENT_S", 0.05)
    with pytest.raises(UnavailableError):
        await place.call(free.wait, 60.0)
    free.set()
    monkeypatch.setattr("adapters.spool.folder._SILENT_S", 60.0)
    assert await place.call(free.wait, 60.0)
    place.close()
