"""Who sends and who receives: bad recipients fail alone, all or nothing, sender ≠ caller.

Issue part 4 ("One bad recipient of forty"), SND-04, ID-04, ID-05, ID-09.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import Reason, RejectedError
from gateway.ports import Accepted, AgencyRecord, SubmitOptions
from tests.world.gatehouse import gatehouse, packet
from tests.world.submitting import (
    admin,
    count,
    deliveries,
    faults,
    nothing_left,
    put_agency,
    rows,
)

LOCKED = AgencyRecord("H37.70", "Cơ quan bị khóa", connected="local", status="locked")
BAD = ("X99.9", "H25", "H37.70", "H37.99")
TO = "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/To[{}]/OrganId"


async def test_a_bad_recipient_fails_alone(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        await put_agency(house, LOCKED)
        status, answer, _ = await house.send(packet("12", to=("H37.04", *BAD)))
        assert status == 202, answer
        assert deliveries(answer) == {"H37.04": "pending"} | dict.fromkeys(BAD, "not_connected")
        reasons = {d["agency"]: d["reason"] for d in answer["deliveries"]}
        assert reasons["H37.04"] == ""
        assert "H37.04" in reasons["H25"]  # names the successor
        assert "khóa" in reasons["H37.70"]
        assert "không liên thông" in reasons["H37.99"]
        assert "Không tìm thấy" in reasons["X99.9"]
        assert len(set(reasons.values())) == 5
        assert faults(answer, "warning") >= {
            ("ID-09", TO.format(2)),
            ("ID-05", TO.format(3)),
            ("ID-09", TO.format(4)),
            ("SND-04", TO.format(5)),
        }
        await house.inbox("stc")
        document = await house.document(answer["id"])
        texts = {d["agency"]: d["state_text"] for d in document["deliveries"]}
        assert {texts[code] for code in BAD} == {"không liên thông"}
        events = (await house.call("GET", f"/documents/{answer['id']}/events"))[1]["items"]
        todo = {e["data"]["agency"]: e["data"]["reason"] for e in events if e["type"] == "to_do"}
        assert todo == {
            "X99.9": "recipient-unknown",
            "H25": "recipient-closed",
            "H37.70": "recipient-locked",
            "H37.99": "not-connected",
        }


async def test_nobody_can_be_reached(tmp_path: Path) -> None:
    """The document is issued all the same: the clerk sends it by other means (SND-04)."""
    async with gatehouse(tmp_path) as house:
        status, answer, _ = await house.send(packet("12", to=("H37.99", "X99.9")))
        assert status == 202
        assert set(deliveries(answer).values()) == {"not_connected"}
        assert answer["issue_ordinal"] == 1
        assert count(house, "transfer") == 0


async def test_all_or_nothing_names_everyone(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        await put_agency(house, LOCKED)
        data = packet("12", to=("H37.04", *BAD))
        status, problem, _ = await house.send(data, query="?all_or_nothing=true")
        assert status == 422
        assert faults(problem) == {
            ("ID-09", TO.format(2)),
            ("ID-05", TO.format(3)),
            ("ID-09", TO.format(4)),
            ("SND-04", TO.format(5)),
        }
        for finding in problem["findings"]:
            assert finding["vi"] != finding["en"]
        assert nothing_left(house)
        # its good twins: without the flag, and with reachable recipients only
        status, _, _ = await house.send(data)
        assert status == 202
        good = packet("13", to=("H37.04", "H37.61"))
        status, answer, _ = await house.send(good, query="?all_or_nothing=true")
        assert (status, set(deliveries(answer).values())) == (202, {"pending"})


async def test_an_expired_code_beside_the_good_one_does_not_sink_all(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        data = packet("12", to=("000.00.04.H37", "H37.04"))
        status, answer, _ = await house.send(data, query="?all_or_nothing=true")
        assert (status, deliveries(answer)) == (202, {"H37.04": "pending"})
        (row,) = rows(house, "SELECT addressed_as FROM delivery")
        assert row["addressed_as"] == '["000.00.04.H37","H37.04"]'
        (item,) = await house.inbox("stc")
        assert item["addressed_as"] == ["000.00.04.H37", "H37.04"]
        (transfer,) = rows(house, "SELECT recipients FROM transfer")
        assert transfer["recipients"] == '["000.00.04.H37","H37.04"]'


@pytest.mark.parametrize("written", ["H37.04", "h37.61", "X99", "000.00.04.H37"])
async def test_the_sender_is_the_caller(tmp_path: Path, written: str) -> None:
    async with gatehouse(tmp_path) as house:
        status, problem, _ = await house.send(packet("12", sender=written, to=("H37.61",)))
        assert (status, problem["reason"]) == (403, "sender-not-caller")
        ((rule, where),) = faults(problem)
        assert (rule, where.rpartition("MessageHeader/")[2]) == ("ID-09", "From/OrganId")
        assert nothing_left(house)


@pytest.mark.parametrize("written", ["h37.02", " H37.02 ", "000.00.02.H37", "000.00.02.h37"])
async def test_every_code_of_the_sender_is_its_own(tmp_path: Path, written: str) -> None:
    async with gatehouse(tmp_path) as house:
        status, answer, _ = await house.send(packet("12", sender=written))
        assert status == 202, answer
        (row,) = rows(house, "SELECT sender, sender_written FROM consignment")
        assert row == {"sender": "H37.02", "sender_written": written.strip()}
        (item,) = await house.inbox("stc")
        assert item["sender"] == "H37.02"


async def test_a_closed_sender_is_told_its_heir(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        # H25 was taken over by H37.04, whose system may not send under the closed code
        status, problem, _ = await house.send(packet("12", sender="H25", to=("H37.02",)), "stc")
        assert status == 422
        ((rule, where),) = faults(problem)
        assert (rule, where.rpartition("MessageHeader/")[2]) == ("ID-05", "From/OrganId")
        assert "H37.04" in problem["findings"][0]["vi"]
        # to a stranger it is only somebody else's code
        status, problem, _ = await house.send(packet("12", sender="H25"), "snv")
        assert (status, problem["reason"]) == (403, "sender-not-caller")
        assert nothing_left(house)


async def test_a_repeat_outlives_the_senders_code(tmp_path: Path) -> None:
    """What was accepted is answered the same after the agency was closed."""
    async with gatehouse(tmp_path) as house:
        data = packet("12")
        _, first, _ = await house.send(data)
        store = admin(house)
        try:
            store.set_agency_status("H37.02", "closed", successor="", reason="giải thể", by="test")
        finally:
            store.close()

        async def closed() -> bool:
            found = house.gateway.catalogue.directory().get("H37.02")
            return found is not None and found.status.value == "closed"

        await house.until(closed)
        status, again, headers = await house.send(data)
        assert (status, again, headers["Idempotent-Replayed"]) == (202, first, "true")
        status, problem, _ = await house.send(packet("13"))
        assert status == 422
        assert {rule for rule, _ in faults(problem)} == {"ID-05"}


async def test_who_is_connected_later_gets_it_when_it_is_sent_again(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        data = packet("12", to=("H37.61", "H37.99"))
        _, first, _ = await house.send(data, key="k1")
        assert deliveries(first) == {"H37.61": "pending", "H37.99": "not_connected"}
        await put_agency(house, AgencyRecord("H37.99", "Nay đã liên thông", connected="local"))
        status, second, headers = await house.send(data, key="k2")
        assert status == 202
        assert "Idempotent-Replayed" not in headers
        assert deliveries(second) == {"H37.61": "pending", "H37.99": "pending"}
        assert second["id"] == first["id"]
        document = await house.state(first["id"], "H37.99", "handed_over")
        assert document["reason"] == ""
        assert count(house, "delivery") == 2
        assert len(rows(house, "SELECT * FROM arrival WHERE agency = 'H37.61'")) == 1
        # each key keeps its own answer; without one the newest word counts
        for key, told in (("k1", first), ("k2", second), (None, second)):
            status, again, headers = await house.send(data, key=key)
            assert (status, again, headers["Idempotent-Replayed"]) == (202, told, "true")


async def test_on_a_facade_what_can_reach_nobody_is_refused(tmp_path: Path) -> None:
    """Its client hears nothing of single deliveries, and would believe it sent (ID-09)."""
    async with gatehouse(tmp_path) as house:
        await put_agency(house, LOCKED)
        caller = house.gateway.callers.system("snv")
        options = SubmitOptions(via="vxp", reachable=True)

        async def submit(number: str, *to: str) -> Accepted:
            async def chunks() -> AsyncIterator[bytes]:
                yield packet(number, to=to)

            return await house.gateway.door.submit(caller, chunks(), options)

        for number, to, reason in (
            ("1", ("X99.9",), Reason.RECIPIENT_UNKNOWN),
            ("2", ("H37.70",), Reason.RECIPIENT_LOCKED),
            ("3", ("H37.99", "X99.9"), Reason.NOT_CONNECTED),
        ):
            with pytest.raises(RejectedError) as caught:
                await submit(number, *to)
            assert caught.value.reason is reason
            assert caught.value.findings
        assert nothing_left(house)
        # its good twin: one of them can be reached, and a repeat gets its answer
        accepted = await submit("4", "X99.9", "H37.04")
        assert (await submit("4", "X99.9", "H37.04")).id == accepted.id
