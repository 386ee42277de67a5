"""The simulated axis misbehaves; the gateway says so, loses nothing and recovers by itself."""

import hashlib
from datetime import timedelta

import pytest

from adapters.simulator.autoagency import Reply
from adapters.simulator.axis import Fault
from gateway import observe
from gateway.ports import Parcel, Taken
from tests.world.gatehouse import HUB, gatehouse, packet
from tests.world.outside import cold, head, status
from tests.world.vxp_kit import Kit


def axis_items(house, kind="status", sender=""):
    """Return what the axis was ever given: code, sender, receiver."""
    return [
        (i.head.status, i.sender, i.to)
        for i in house.axis.items
        if i.kind == kind and (not sender or sender in i.sender)
    ]


async def ministry_sends(house, data, kind="edoc", sender="G09"):
    """Hand a packet to the axis as the ministry's system."""

    async def chunks():
        yield data

    parcel = Parcel("m", kind, sender, (), "", hashlib.sha256(data).hexdigest(), len(data), chunks)
    adapter = house.ministry._adapter
    outcome = await adapter.deliver(parcel, deadline=house.clock.now() + timedelta(minutes=1))
    assert isinstance(outcome, Taken), outcome


def from_ministry(number="7", *, to=("H37.04",), **how):
    how.setdefault("document_id", f"G09,2026/11/20,{number}/BNV")
    return packet(number, to=to, sender="G09", **how)


@pytest.fixture(autouse=True)
def _no_verifier_process():
    with cold():
        yield


@pytest.fixture
def failures(monkeypatch):
    found = []

    def collect_failed(*, peer, reason):
        found.append((peer, reason))

    monkeypatch.setattr(observe, "collect_failed", collect_failed)
    return found


@pytest.mark.parametrize(
    "fault",
    [
        Fault.HTML,
        Fault.ERROR_500,
        Fault.UNAUTHORIZED,
        Fault.NO_DATA,
        Fault.BUSY,
        Fault.DROP,
        Fault.SLOW,
    ],
)
async def test_trouble_is_an_alert_not_an_empty_list_and_passes(tmp_path, failures, fault):
    async with gatehouse(tmp_path, axis=True) as house:
        axis = house.axis
        axis.fail("getReceivedEdocList", *[fault] * 4)
        await ministry_sends(house, from_ministry())

        async def alarmed():
            if fault is Fault.SLOW:
                axis.release.set()
            return len(failures) >= 2

        await house.until(alarmed)
        assert {peer for peer, _ in failures} == {"truc"}
        (item,) = await house.inbox("stc")
        assert item["sender"] == "G09"
        before = len(failures)

        async def two_rounds():
            return axis.calls.count("getReceivedEdocList") > 14

        await house.until(two_rounds)
        assert len(failures) <= before + 4
        assert len(await house.inbox("stc")) == 1


async def test_a_rotated_secret_stops_the_collecting_until_it_is_good_again(tmp_path, failures):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.set_secrets(HUB, b"another")
        await ministry_sends(house, from_ministry())

        async def alarmed():
            return len(failures) >= 3

        await house.until(alarmed)
        assert (await house.call("GET", "/inbox", "stc"))[1]["items"] == []
        house.axis.set_secrets(HUB, b"another", b"axis-secret")
        await house.inbox("stc")


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.HTML, Fault.DROP, Fault.ERROR_500])
async def test_a_download_that_breaks_heals(tmp_path, failures, fault):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("downloadEdoc", *[fault] * 3)
        house.axis.fail("getEdoc", *[fault] * 2)
        await ministry_sends(house, from_ministry())
        await ministry_sends(house, from_ministry("8"))
        items = await house.inbox("stc", 2)
        assert len(items) == 2

        async def taken():
            return all(i.taken_at for i in house.axis.items if i.kind == "edoc")

        await house.until(taken)


async def test_listed_twice_and_acknowledged_late_is_one_arrival(tmp_path, failures):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("getReceivedEdocList", *[Fault.DUPLICATE] * 6)
        house.axis.fail("updateStatus", Fault.LOSE_ANSWER, Fault.DROP, Fault.ERROR_500)
        await ministry_sends(house, from_ministry(to=("H37.61",)))
        await house.inbox("other")

        async def taken():
            return all(i.taken_at for i in house.axis.items if i.kind == "edoc")

        await house.until(taken)

        async def answered():
            return axis_items(house, sender="H37.61")

        assert await house.until(answered) == [("01", "H37.61", "G09")]
        assert len(await house.inbox("other")) == 1
        assert len(axis_items(house, sender="H37.61")) == 1


async def test_old_and_new_code_listed_apart_are_one_arrival_and_two_answers(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        await ministry_sends(house, from_ministry(to=("H37.04", "000.00.04.H37")))
        assert len([i for i in house.axis.items if i.kind == "edoc"]) == 2
        (item,) = await house.inbox("stc")

        async def taken():
            return all(i.taken_at for i in house.axis.items if i.kind == "edoc")

        await house.until(taken)
        assert len(await house.inbox("stc")) == 1
        await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")

        async def answered():
            found = axis_items(house, sender="H37")
            return found if len(found) == 2 else None

        assert sorted(await house.until(answered)) == [
            ("01", "000.00.04.H37", "G09"),
            ("01", "H37.04", "G09"),
        ]
        # Sent again by a sender that lost the answer: no third arrival, no third answer.
        await ministry_sends(house, from_ministry(to=("H37.04", "000.00.04.H37")))
        await house.until(taken)
        assert len(await house.inbox("stc")) == 1
        assert len(axis_items(house, sender="H37")) == 2


async def test_three_agencies_behind_us_have_one_arrival_each(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        await ministry_sends(house, from_ministry(to=("H37.02", "H37.04", "H37.61")))

        async def taken():
            docs = [i for i in house.axis.items if i.kind == "edoc"]
            return len(docs) == 3 and all(i.taken_at for i in docs)

        await house.until(taken)
        for system in ("snv", "stc", "other"):
            assert len(await house.inbox(system)) == 1

        async def answered():
            return axis_items(house)

        assert await house.until(answered) == [("01", "H37.61", "G09")]


async def test_our_own_copy_coming_back_is_one_arrival(tmp_path):
    async with gatehouse(tmp_path, axis=True, returns_to_sender=True) as house:
        code, answer, _ = await house.send(packet("13", to=("G09", "H37.04", "H37.61")))
        assert code == 202
        await house.state(answer["id"], "G09", "handed_over")

        async def back():
            docs = [i for i in house.axis.items if i.kind == "edoc" and i.system_id == HUB]
            return bool(docs) and all(i.taken_at for i in docs)

        await house.until(back)
        (item,) = await house.inbox("stc")
        assert item["source"] == "local"
        assert len(await house.inbox("other")) == 1
        assert axis_items(house) == []
        await house.state(answer["id"], "H37.61", "arrived")


async def test_late_double_and_disordered_answers_of_a_ministry(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        code, answer, _ = await house.send(packet("13", to=("000.00.00.G09",)))
        assert code == 202
        await house.state(answer["id"], "G09", "handed_over")
        script = [
            Reply("05", times=2),
            Reply("01", times=2),
            Reply("03"),
            Reply("06", after=timedelta(days=2)),
        ]
        house.ministry._script = lambda _: script
        await house.until(house.ministry.step)
        delivery = await house.state(answer["id"], "G09", "in_progress")
        assert delivery["last_status"] == "05"
        house.clock.move(timedelta(days=3))
        await house.until(house.ministry.step)
        await house.state(answer["id"], "G09", "done")

        async def closed():
            return (await house.document(answer["id"]))["state"] == "closed"

        await house.until(closed)


async def test_a_recall_goes_out_and_its_answer_comes_back(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        _, answer, _ = await house.send(packet("13", to=("G09",)))
        await house.state(answer["id"], "G09", "handed_over")
        about = head(answer["document_id"], issuer="G09", code="13/SNV-VP")
        data = status(about, "13", sender="H37.02", description="ban hành nhầm")
        kit = Kit(house.gateway.listeners[0].port, "snv", house.systems["snv"].secret)
        reply = await kit.send_edoc(data, "status", **{"from": "H37.02"})
        assert reply.json["status"] == "OK"

        async def asked():
            await house.ministry.step()
            return house.ministry.statuses

        (seen,) = await house.until(asked)
        assert (seen.status, seen.description) == ("13", "ban hành nhầm")
        agreed = status(head(answer["document_id"], code="13/SNV-VP"), "15", sender="G09")
        await ministry_sends(house, agreed, "status")
        await house.state(answer["id"], "G09", "recalled")


async def test_a_bad_item_is_answered_fail_and_kept_while_others_pass(tmp_path, failures):
    async with gatehouse(tmp_path, axis=True) as house:
        await ministry_sends(house, from_ministry())
        bad = next(i for i in house.axis.items if i.kind == "edoc")
        bad.path.write_bytes(b"<edXML>hong</edXM")
        await ministry_sends(house, from_ministry("8"))
        (item,) = await house.inbox("stc")
        assert item["document_id"].endswith("8/BNV")

        async def refused():
            return bad.failed_note

        note = await house.until(refused)
        assert note.isascii()
        assert "khong doc duoc" in note
        row = await house.row("inbound_for", peer="truc", peer_doc_id=bad.id, kind="edoc")
        assert (row["state"], row["tries"]) == ("unreadable", 3)
        assert house.gateway.blobs.size(row["sha256"])
