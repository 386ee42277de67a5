"""SEC-01: what shows a secrecy level is shut away, sent to nobody, purged by two persons."""

import io
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway import observe
from gateway.demo.letters import Letter, make_letter
from gateway.errors import RejectedError
from tests.world.gatehouse import gatehouse, packet
from tests.world.submitting import (
    admin,
    check_receipts,
    count,
    faults,
    form,
    rows,
    send_form,
    sweep_blobs,
)

SUBJECT = "Trích yếu không được lộ ra ngoài"
METADATA = {
    "sender": "H37.02",
    "recipients": ["H37.04"],
    "code_number": "12",
    "code_notation": "SNV-VP",
    "promulgation_date": "2026-11-20",
    "type_name": "Công văn",
    "subject": SUBJECT,
}


def letter(*body: str, urgency: str = "") -> bytes:
    return make_letter(
        Letter(
            agency="Sở Nội vụ", number="12", notation="SNV-VP", place="Lạng Sơn",
            dated=date(2026, 11, 20), subject="họp giao ban", body=body, urgency=urgency,
        )
    )  # fmt: skip


STAMPED = {
    "pdf": ("van-ban.pdf", lambda: letter("Kính gửi.", urgency="TỐI MẬT")),
    "txt": ("van-ban.txt", "UBND TỈNH\n\nTUYỆT MẬT\n\nNội dung".encode),
    "plain": ("van-ban.txt", "UBND TỈNH\nMẬT\nNội dung".encode),
    "annex": ("phu-luc.txt", "PHỤ LỤC\nTỐI MẬT\n".encode),
}
OPEN = {
    "pdf": ("van-ban.pdf", lambda: letter("Về bảo mật thông tin và mật độ dân số.")),
    "txt": ("van-ban.txt", "BẢO MẬT THÔNG TIN\nmật độ\nbảo mật\n".encode),
}


@pytest.mark.parametrize("name", STAMPED)
async def test_a_stamp_on_page_one(tmp_path: Path, name: str) -> None:
    file, make = STAMPED[name]
    files = ((file, make()),)
    if name == "annex":
        files = (("van-ban.txt", b"xin chao"), *files)
    log = io.StringIO()
    observe.configure(json=True, level="debug", stream=log)
    try:
        async with gatehouse(tmp_path) as house:
            data = packet("12", subject=SUBJECT, files=files, document_id="VB-MAT")
            status, problem, _ = await house.send(data, key="k")
            assert (status, problem["reason"]) == (422, "secrecy")
            found = [f for f in problem["findings"] if f["severity"] == "error"]
            assert [(f["rule"], f["refusal"]) for f in found] == [("SEC-01", "R11")]
            assert count(house, "consignment") == count(house, "delivery") == 0
            assert count(house, "arrival") == count(house, "counter") == 0
            (kept,) = rows(house, "SELECT * FROM quarantine")
            assert (kept["sender"], kept["document_id"]) == ("H37.02", "VB-MAT")
            # the bytes are kept, as they came and file by file
            names = {r["sha256"] for r in rows(house, "SELECT sha256 FROM blob_ref")}
            stored = {b"".join(house.gateway.blobs.chunks(n)) for n in names}
            assert stored == {data, *(content for _, content in files)}
            assert set(await sweep_blobs(house)) == names
            (proof,) = rows(house, "SELECT * FROM receipt_entry WHERE kind = 'quarantined'")
            assert SUBJECT not in proof["body"]
            # submitted again it is refused again, and kept once
            status, _, _ = await house.send(data, key="k")
            assert status == 422
            assert count(house, "quarantine") == 1
            assert (await house.call("GET", "/documents"))[1]["items"] == []
    finally:
        observe.silence()
    lines = log.getvalue()
    assert '"quarantined"' in lines
    assert SUBJECT not in lines
    assert json.dumps(SUBJECT)[1:-1] not in lines
    assert file not in lines


@pytest.mark.parametrize("name", OPEN)
async def test_words_that_only_sound_alike(tmp_path: Path, name: str) -> None:
    file, make = OPEN[name]
    async with gatehouse(tmp_path) as house:
        status, answer, _ = await house.send(packet("12", files=((file, make()),)))
        assert status == 202, answer
        assert count(house, "quarantine") == 0


async def test_a_form_that_declares_it(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        status, _, _ = await send_form(house, form(METADATA), key="k")
        assert status == 202
        # the same content again, now declared secret: not a repeat
        secret = form(METADATA | {"secrecy": 2}, [("văn bản.txt", b"xin chao")])
        status, problem, _ = await send_form(house, secret)
        assert (status, problem["reason"]) == (422, "secrecy")
        assert faults(problem) == {("SEC-01", "secrecy")}
        status, problem, _ = await send_form(house, secret, key="k")
        assert (status, problem["reason"]) == (422, "idempotency-reused")
        # the same fields with other files are kept too, under the same stub
        other = form(METADATA | {"secrecy": 2}, [("khác.txt", b"tep khac")])
        assert (await send_form(house, other))[0] == 422
        assert count(house, "quarantine") == 1
        (kept,) = rows(house, "SELECT id FROM quarantine")
        owned = rows(house, "SELECT sha256 FROM blob_ref WHERE owner = ?", kept["id"])
        stored = {b"".join(house.gateway.blobs.chunks(r["sha256"])) for r in owned}
        assert {b"xin chao", b"tep khac"} < stored
        # level 0 and no level are open
        status, _, _ = await send_form(house, form(METADATA | {"secrecy": 0, "code_number": "13"}))
        assert status == 202


async def test_two_persons_purge_it_and_the_chain_still_verifies(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        await house.send(packet("11"))
        await house.send(packet("12", files=(("a.txt", "MẬT\nNội dung".encode()),)))
        (kept,) = rows(house, "SELECT id FROM quarantine")
        names = [
            r["sha256"]
            for r in rows(house, "SELECT sha256 FROM blob_ref WHERE owner = ?", kept["id"])
        ]
        store = admin(house)
        try:
            assert store.purge(kept["id"], by="Nguyễn Văn An").purged_at is None
            with pytest.raises(RejectedError):
                store.purge(kept["id"], by="nguyễn văn an")
            house.clock.move(timedelta(hours=1))
            stub = store.purge(kept["id"], by="Trần Thị Bình")
            assert stub.purged_at is not None
        finally:
            store.close()
        assert rows(house, "SELECT * FROM blob_ref WHERE owner = ?", kept["id"]) == []
        left = await sweep_blobs(house)
        assert not set(names) & set(left)
        assert left  # the other document's
        report = await check_receipts(house)
        assert report.exit_code == 0, report
        # the same document again is a new case
        await house.send(packet("12", files=(("a.txt", "MẬT\nNội dung".encode()),)))
        assert count(house, "quarantine") == 2
