"""TIM-01 end to end: unknown, off, back in range, overridden."""

import asyncio
import json
from datetime import datetime, timedelta

from gateway.__main__ import main
from tests.world.gatehouse import gatehouse, packet

OFF = timedelta(seconds=10)


async def warnings(house):
    async with house.session.get(f"{house.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    marked = [x for x in lines if x.startswith("vanlien_standing_warning{") and x.endswith(" 1.0")]
    return {x.split('"')[1] for x in marked}


async def entries(house, document, kind):
    _, receipts, _ = await house.call("GET", f"/documents/{document}/receipts")
    return [e["body"] for e in receipts["entries"] if e["kind"] == kind]


async def sent(house, number, *to):
    status, answer, _ = await house.send(packet(number, to=to))
    assert status == 202, answer
    return answer


async def set_offset(house, offset):
    house.clock.known_offset = offset
    await house.gateway.clockwatch.once()


async def test_an_unknown_offset_stamps_marks_and_warns(tmp_path):
    async with gatehouse(tmp_path) as house:
        assert "clock_unknown" in await warnings(house)
        answer = await sent(house, "1", "H37.04")
        assert answer["state"] == "released"
        assert (await house.document(answer["id"]))["issued_at"] is not None
        (accepted,) = await entries(house, answer["id"], "accepted")
        assert accepted["clock"] == "unverified"
        await set_offset(house, timedelta(milliseconds=3))
        assert "clock_unknown" not in await warnings(house)
        (accepted,) = await entries(house, (await sent(house, "2", "H37.04"))["id"], "accepted")
        assert accepted["clock"] == "ok"


async def test_a_small_offset_alerts_and_holds_nothing(tmp_path):
    async with gatehouse(tmp_path) as house:
        await set_offset(house, timedelta(seconds=-2))
        assert {"clock_off"} <= await warnings(house)
        assert "clock_held" not in await warnings(house)
        answer = await sent(house, "1", "H37.04")
        await house.state(answer["id"], "H37.04", "handed_over")


async def test_off_by_more_than_the_limit_is_accepted_and_held(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        before = await sent(house, "1", "G09")
        await house.state(before["id"], "G09", "handed_over")
        await set_offset(house, OFF)
        assert {"clock_held", "clock_off"} <= await warnings(house)
        async with house.session.get(f"{house.url}/ready") as ready:
            assert ready.status == 200
            assert "held" in (await ready.json())["checks"]["clock"]

        answer = await sent(house, "2", "H37.04", "G09")
        assert answer["state"] == "accepted"
        assert "issue_ordinal" not in answer
        for _ in range(3):
            await house.sweep()
            await house.gateway.clockwatch.once()
            await asyncio.sleep(0.05)
        shown = await house.document(answer["id"])
        assert (shown["state"], shown["hold"]) == ("accepted", "clock")
        assert (shown["issued_at"], shown["number"], shown["sent_at"]) == (None, None, None)
        assert {d["state"] for d in shown["deliveries"]} == {"pending"}
        assert {d["left_at"] for d in shown["deliveries"]} == {None}
        assert len([i for i in house.axis.items if i.kind == "edoc"]) == 1
        assert (await house.call("GET", "/inbox", "stc"))[1]["items"] == []
        (accepted,) = await entries(house, answer["id"], "accepted")
        assert accepted["clock"] == "off"

        # What others report of what left before is taken all the same.
        await house.until(house.ministry.step)
        delivery = await house.state(before["id"], "G09", "accepted")
        assert delivery["last_status"] == "03"

        # (back in range) it goes on by itself, stamped and numbered now
        back = house.clock.now()
        await set_offset(house, timedelta())
        assert not {"clock_held", "clock_off"} & await warnings(house)
        await house.state(answer["id"], "H37.04", "handed_over")
        await house.state(answer["id"], "G09", "handed_over")
        shown = await house.document(answer["id"])
        assert shown["hold"] is None
        assert datetime.fromisoformat(shown["issued_at"]) >= back - timedelta(milliseconds=1)
        assert shown["number"]["ordinal"] == 2
        (numbered,) = await entries(house, answer["id"], "numbered")
        assert numbered["clock"] == "ok"
        _, events, _ = await house.call("GET", f"/documents/{answer['id']}/events")
        assert "hold_ended" in [e["type"] for e in events["items"]]


async def test_what_was_released_before_is_held_at_the_last_moment(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        await set_offset(house, OFF)
        # A resend to more recipients of a released document goes straight to the relay.
        house.clock.known_offset = timedelta()
        answer = await sent(house, "1", "H37.04")
        await house.state(answer["id"], "H37.04", "handed_over")
        house.clock.known_offset = OFF
        more = await sent(house, "1", "H37.04", "G09")
        assert more["id"] == answer["id"]

        async def held():
            rows = await house.gateway.ledger.all("transfers_of", consignment_id=answer["id"])
            return next((r for r in rows if r["hop"] == "truc" and r["hold"] == "clock"), None)

        row = await house.until(held)
        assert (row["state"], row["attempts"]) == ("waiting", 0)
        assert not house.axis.items
        house.clock.known_offset = timedelta()
        await house.sweep()
        await house.state(answer["id"], "G09", "handed_over")


async def command(house, *args):
    config = str(house.folder / "vanlien.toml")
    return await asyncio.to_thread(main, [*args, "--config", config])


async def test_an_audited_override_lets_traffic_go_on_until_it_is_ended(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        await set_offset(house, OFF)
        answer = await sent(house, "1", "H37.04")
        assert answer["state"] == "accepted"

        assert await command(house, "clock", "override", "--reason", "đã đối chiếu tay") == 0
        await house.state(answer["id"], "H37.04", "handed_over")  # seen without a restart
        assert {"clock_overridden", "clock_off"} <= await warnings(house)
        assert "clock_held" not in await warnings(house)
        (numbered,) = await entries(house, answer["id"], "numbered")
        assert numbered["clock"] == "unverified"

        capsys.readouterr()
        assert await command(house, "clock", "override", "--json") == 0
        shown = json.loads(capsys.readouterr().out)["override"]
        assert shown["reason"] == "đã đối chiếu tay"
        assert shown["since"].endswith("+07:00")

        assert await command(house, "clock", "override", "--end") == 0
        await house.until(lambda: is_overridden(house, False))
        held = await sent(house, "2", "H37.04")
        assert held["state"] == "accepted"
        audits = await house.gateway.ledger.all("entries_of", subject="clock:override")
        actions = [json.loads(e["body"])["action"] for e in audits]
        assert actions == ["clock-overridden", "clock-override-ended"]
        assert "đối chiếu" not in audits[0]["body"]  # free text stands in the event only
        events = await house.gateway.ledger.all("events_of", subject="clock:override")
        assert json.loads(events[0]["data"])["reason"] == "đã đối chiếu tay"


async def is_overridden(house, wanted):
    return house.clock.overridden is wanted


async def test_the_override_says_what_is_missing(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        assert await command(house, "clock", "override", "--reason", " ") == 64
        assert await command(house, "clock", "override", "--reason", "x", "--end") == 64
        assert await command(house, "clock", "override", "--end") == 0
        assert "không" in capsys.readouterr().out.lower()
        assert not await house.gateway.ledger.all("entries_of", subject="clock:override")


async def test_the_answers_of_an_axis_say_how_far_its_clock_is_from_ours(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        # TIM-01 (S003 art 11.3): an hour is added here, the axis has the machine's time.
        house.clock.move(timedelta(hours=1))

        async def differs():
            return house.gateway._peer_times().get("truc", timedelta()) < timedelta(minutes=-59)

        await house.until(differs)
