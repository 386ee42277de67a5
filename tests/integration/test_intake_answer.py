"""The 202 and its repeats: body, receipt, keys (issue: "API", "Receipts", "Idempotency-Key")."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.receipts.sign import verify_acceptance
from tests.world.gatehouse import House, gatehouse, packet
from tests.world.submitting import count, deliveries, rows


async def test_the_answer_and_its_receipt(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        data = packet("12", to=("H37.04", "H37.61"), files=(("a.txt", b"mot"), ("b.txt", b"hai")))
        status, answer, headers = await house.send(data)
        assert status == 202
        assert "Idempotent-Replayed" not in headers
        assert {"id", "document_id", "state", "deliveries", "receipt"} <= set(answer)
        assert answer["state"] == "released"
        assert answer["verification"] == "unsigned"
        assert [set(d) for d in answer["deliveries"]] == [{"agency", "state", "reason"}] * 2
        public = house.gateway.context.sealer.public
        claims = verify_acceptance(answer["receipt"], public)
        assert claims["consignment_id"] == answer["id"]
        assert claims["document_id"] == answer["document_id"]
        assert claims["sender"] == "H37.02"
        assert claims["recipients"] == ["H37.04", "H37.61"]
        assert claims["packet_sha256"] == hashlib.sha256(data).hexdigest()
        assert [f["sha256"] for f in claims["attachments"]] == [
            hashlib.sha256(b"mot").hexdigest(),
            hashlib.sha256(b"hai").hexdigest(),
        ]
        assert claims["accepted_at"].endswith("+07:00")
        (entry,) = rows(house, "SELECT * FROM receipt_entry WHERE kind = 'accepted'")
        assert claims["entry_id"] == entry["id"]
        assert claims["entry_hash"] == entry["entry_hash"]
        assert entry["document_id"] == answer["document_id"]
        # its evil twin: one changed character
        forged = answer["receipt"][:-8] + ("A" if answer["receipt"][-8] != "A" else "B")
        with pytest.raises(ValueError):
            verify_acceptance(forged + answer["receipt"][-7:], public)


@pytest.mark.parametrize("key", ["khoa-1", None])
async def test_a_repeat_gets_the_same_bytes(tmp_path: Path, key: str | None) -> None:
    async with gatehouse(tmp_path) as house:
        data = packet("12")
        status, first, _ = await house.send(data, key=key)
        assert status == 202
        again, second, headers = await house.send(data, key=key)
        assert again == 202
        assert second == first
        assert headers["Idempotent-Replayed"] == "true"
        assert count(house, "consignment") == 1
        assert count(house, "delivery") == 1
        assert [c["last"] for c in rows(house, "SELECT last FROM counter")] == [1]


async def test_the_same_key_for_another_body_is_refused(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        status, _, _ = await house.send(packet("12"), key="k")
        assert status == 202
        status, problem, _ = await house.send(packet("13"), key="k")
        assert (status, problem["reason"]) == (422, "idempotency-reused")
        assert count(house, "consignment") == 1
        # a repeat by content claims its key too
        status, _, headers = await house.send(packet("12"), key="k2")
        assert (status, headers["Idempotent-Replayed"]) == (202, "true")
        status, problem, _ = await house.send(packet("13"), key="k2")
        assert (status, problem["reason"]) == (422, "idempotency-reused")


async def test_keys_belong_to_their_caller(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, mine, _ = await house.send(packet("12"), key="k")
        status, theirs, headers = await house.send(
            packet("12", sender="H37.04", to=("H37.02",)), "stc", key="k"
        )
        assert status == 202
        assert "Idempotent-Replayed" not in headers
        assert theirs["id"] != mine["id"]


async def test_a_refused_submission_gives_its_key_back(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        status, _, _ = await house.send(packet("12", subject=""), key="k")
        assert status == 422
        status, answer, _ = await house.send(packet("12"), key="k")
        assert (status, answer["issue_ordinal"]) == (202, 1)


async def _slowly(data: bytes, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    yield data[:100]
    await go_on.wait()
    yield data[100:]


async def test_one_key_in_flight_once(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        data, go_on = packet("12"), asyncio.Event()
        first = asyncio.create_task(_post(house, _slowly(data, go_on), "k"))
        intake = house.gateway.door._intake

        async def begun() -> bool:
            return bool(intake._in_flight)

        await house.until(begun)
        status, problem = await _post(house, _slowly(data, asyncio.Event()), "k")
        assert (status, problem["reason"]) == (409, "in-flight")
        other, _ = await _post(house, _one(packet("13")), "other")
        assert other == 202
        go_on.set()
        status, answer = await first
        assert status == 202
        status, again = await _post(house, _one(data), "k")
        assert (status, again) == (202, answer)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _post(house: House, body: AsyncIterator[bytes], key: str) -> tuple[int, object]:
    headers = {
        "Authorization": f"Bearer {house.systems['snv'].key}",
        "Content-Type": "application/xml",
        "Idempotency-Key": key,
    }
    url = f"{house.url}/api/v1/documents"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def test_many_at_once_are_one_document(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        data = packet("12", to=("H37.04", "H37.61"))
        answers = await asyncio.gather(
            *(house.send(data, key=f"k{n}" if n % 2 else None) for n in range(20))
        )
        assert {status for status, _, _ in answers} == {202}
        assert len({str(body) for _, body, _ in answers}) == 1
        fresh = [h for _, _, h in answers if "Idempotent-Replayed" not in h]
        assert len(fresh) == 1
        assert count(house, "consignment") == 1
        assert count(house, "delivery") == 2


async def test_the_first_answer_stays_what_it_was(tmp_path: Path) -> None:
    """Recipients added later do not change what the first submission was told."""
    async with gatehouse(tmp_path) as house:
        one = packet("12", to=("H37.04",))
        both = packet("12", to=("H37.04", "H37.61"))
        _, first, _ = await house.send(one, key="k1")
        status, second, headers = await house.send(both, key="k2")
        assert status == 202
        assert "Idempotent-Replayed" not in headers
        assert second["id"] == first["id"]
        assert list(deliveries(second)) == ["H37.04", "H37.61"]
        for body, key, told in ((one, "k1", first), (one, None, first), (both, "k2", second)):
            status, again, headers = await house.send(body, key=key)
            assert (status, again) == (202, told)
            assert headers["Idempotent-Replayed"] == "true"
        # the receipt that came with the second answer covers both recipients, and is in the log
        claims = verify_acceptance(second["receipt"], house.gateway.context.sealer.public)
        assert claims["recipients"] == ["H37.04", "H37.61"]
        entries = rows(house, "SELECT id FROM receipt_entry WHERE kind = 'accepted' ORDER BY ord")
        assert entries[1]["id"] == claims["entry_id"]
        assert count(house, "delivery") == 2
