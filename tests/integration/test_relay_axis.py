"""The relay against the simulated axis: every way an attempt can end, and what follows."""

import asyncio
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random

import pytest

from adapters.simulator.autoagency import ACCEPTS
from adapters.simulator.axis import Fault
from gateway import stores
from gateway.codec.reader import read_packet
from gateway.domain.moments import from_text
from gateway.errors import UnavailableError
from gateway.ports import AgencyRecord, AgencyRow, Update
from gateway.store.operations import LedgerOperations
from tests.world.gatehouse import HUB, gatehouse, packet

BEHIND = [AgencyRow(f"G{n}", f"Bộ {n}", "") for n in range(20, 25)]


async def sent(house, number, *to, **options):
    status, answer, _ = await house.send(packet(number, to=to, **options))
    assert status == 202, answer
    return answer["id"]


def due_in(house, row):
    return (from_text(row["due_at"]) - house.clock.now()).total_seconds()


async def transfers(house, consignment_id):
    return await house.gateway.ledger.all("transfers_of", consignment_id=consignment_id)


async def transfer(house, consignment_id):
    (row,) = await transfers(house, consignment_id)
    return row


def at_axis(house, document_id=None):
    """What the axis holds of ours, raw: one entry a sendEdoc."""
    seen = {
        i.sending_id: (house.folder / "axis" / f"{i.sending_id}.edxml").read_bytes()
        for i in house.axis.items
        if i.kind == "edoc" and (document_id is None or i.head.document_id == document_id)
    }
    return list(seen.values())


@contextmanager
def operations_of(house):
    """Operations as the command line has them, but under the moved clock."""
    gateway = house.gateway
    found = LedgerOperations(
        stores.ledger_place(gateway.settings), gateway.blobs, house.clock, stores.UuidIds()
    )
    try:
        yield found
    finally:
        found.close()


def header_of(house, raw):
    spool = house.folder / "spool"
    spool.mkdir()
    return read_packet([raw], spool).envelope.header


async def events(house, consignment_id):
    status, answer, _ = await house.call("GET", f"/documents/{consignment_id}/events")
    assert status == 200
    return [e["type"] for e in answer["items"]]


async def later(house, **by):
    """Move the clock and let the janitor look."""
    house.clock.move(timedelta(**by))
    await house.sweep()


# ---------------------------------------------------------------- busy, back-off, giving up


async def test_a_busy_axis_is_asked_again_later_and_later(tmp_path):
    schedule = '[retry.normal]\nfirst = "1 m"\nfactor = 3\njitter = 0\n'
    async with gatehouse(tmp_path, axis=True, extra=schedule) as house:
        house.axis.fail("sendEdoc", Fault.BUSY, Fault.HTML, Fault.UNAUTHORIZED)
        document = await sent(house, "1", "G09")
        for n, wait_s in ((1, 60), (2, 180), (3, 540)):
            delivery = await house.state(document, "G09", "deferred")
            assert [a["n"] for a in delivery["attempts"]] == list(range(1, n + 1))
            assert {a["outcome"] for a in delivery["attempts"]} == {"busy"}
            assert delivery["reason"]
            row = await transfer(house, document)
            assert row["lease_until"] is None
            assert wait_s - 20 < due_in(house, row) <= wait_s
            await house.sweep()
            assert (await transfer(house, document))["attempts"] == n  # not before it is due
            await later(house, seconds=wait_s)
            if n < 3:
                await house.until(lambda n=n: attempts_are(house, document, n + 1))
        delivery = await house.state(document, "G09", "handed_over")
        assert [a["outcome"] for a in delivery["attempts"]] == ["busy"] * 3 + ["taken"]
        assert not delivery["reason"]
        assert len(at_axis(house)) == 1


async def document_is(house, document, state):
    shown = await house.document(document)
    return shown if shown["state"] == state else None


async def attempts_are(house, document, count):
    row = await transfer(house, document)
    return row["attempts"] == count and row["state"] != "sending"


async def test_when_time_runs_out_it_becomes_a_dead_letter_that_an_operator_puts_back(tmp_path):
    extra = '[retry.normal]\nfirst = "1 m"\nlongest = "30 m"\njitter = 0\ngive_up_after = "1 h"\n'
    async with gatehouse(tmp_path, axis=True, extra=extra) as house:
        house.axis.fail("sendEdoc", Fault.ERROR_500, Fault.DROP)
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "deferred")
        await later(house, minutes=61)
        delivery = await house.state(document, "G09", "failed")
        assert "gave up" in delivery["reason"]
        assert len(delivery["attempts"]) == 2
        row = await transfer(house, document)
        assert (row["state"], row["lease_until"]) == ("failed", None)
        shown = await house.until(lambda: document_is(house, document, "closed"))
        assert "gave_up" in await events(house, document)
        _, receipts, _ = await house.call("GET", f"/documents/{document}/receipts")
        (failed,) = [e["body"] for e in receipts["entries"] if e["kind"] == "failed"]
        assert failed["reason"] == "gave-up"
        await later(house, days=400)
        assert (await transfer(house, document))["state"] == "failed"  # kept, and not tried

        house.axis.fail("sendEdoc", Fault.BUSY)
        with operations_of(house) as operations:
            (dead,) = operations.queue("failed")
            assert (dead.id, dead.document_id) == (row["id"], shown["document_id"])
            operations.requeue(dead.id, reason="trục đã sửa", by="tester")
        await house.sweep()
        # Tries count anew: one busy answer after a year is not the end again.
        delivery = await house.state(document, "G09", "deferred")
        assert (await house.document(document))["state"] == "released"
        assert 50 < due_in(house, await transfer(house, document)) <= 60
        await later(house, minutes=2)
        delivery = await house.state(document, "G09", "handed_over")
        assert [a["n"] for a in delivery["attempts"]] == [1, 2, 3, 4]
        assert "requeued" in await events(house, document)


async def test_a_refusal_is_final_at_once_and_kept_with_its_reason(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.REFUSE)
        document = await sent(house, "1", "G09")
        delivery = await house.state(document, "G09", "failed")
        assert "Khong tim thay don vi nhan" in delivery["reason"]
        assert [a["outcome"] for a in delivery["attempts"]] == ["refused"]
        await later(house, days=30)
        assert (await transfer(house, document))["attempts"] == 1
        async with house.session.get(f"{house.url}/metrics") as answer:
            text = await answer.text()
        assert 'vanlien_transfers{state="failed",lane="0"} 1.0' in text
        _, receipts, _ = await house.call("GET", f"/documents/{document}/receipts")
        (failed,) = [e["body"] for e in receipts["entries"] if e["kind"] == "failed"]
        assert (failed["reason"], failed["hop"]) == ("peer-refused", "truc")


# ---------------------------------------------------------------- doubt


async def test_a_lost_answer_means_send_again_the_same_bytes(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.LOSE_ANSWER)
        document = await sent(house, "1", "G09")
        first = await house.state(document, "G09", "deferred")
        await later(house, minutes=2)
        again = await house.state(document, "G09", "handed_over")
        assert [a["outcome"] for a in again["attempts"]] == ["busy", "taken"]
        copies = at_axis(house)
        assert len(copies) == 2
        assert copies[0] == copies[1]
        assert sha256(copies[0]).hexdigest() == (await transfer(house, document))["parcel_sha256"]
        # SND-11: it left when the first attempt began; when it was acknowledged is another matter.
        assert again["left_at"] == first["left_at"] == again["attempts"][0]["began_at"]
        assert first["acknowledged_at"] is None
        assert again["acknowledged_at"] == again["attempts"][1]["ended_at"]
        # The ministry drops nothing by itself: both copies are answered, and one delivery results.
        await house.until(lambda: both_answered(house))
        await house.state(document, "G09", "accepted")


async def both_answered(house):
    await house.ministry.step()
    return len(house.ministry.sent) == 2 * len(ACCEPTS)


async def test_a_receipt_settles_the_doubt_and_stops_the_retry(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.LOSE_ANSWER)
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "deferred")
        await house.until(house.ministry.step)
        delivery = await house.state(document, "G09", "accepted")
        assert delivery["acknowledged_at"] is not None
        assert (await transfer(house, document))["state"] == "done"
        await later(house, days=1)
        await asyncio.gather(*(house.sweep() for _ in range(3)))
        assert len(at_axis(house)) == 1
        assert (await transfer(house, document))["attempts"] == 1


async def test_a_receipt_while_we_still_wait_for_the_answer(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        desk = house.axis._desk
        submit, hold = desk.submit, asyncio.Event()

        async def took_it_and_thinks(caller, data, options):
            done = await submit(caller, data, options)
            await hold.wait()
            return done

        desk.submit = took_it_and_thinks
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "sending")
        await house.called("sendEdoc")
        await house.until(house.ministry.step)
        await house.state(document, "G09", "accepted")
        hold.set()
        delivery = await house.until(lambda: first_attempt_ended(house, document))
        assert (delivery["state"], delivery["last_status"]) == ("accepted", "03")
        assert delivery["attempts"][0]["outcome"] == "taken"
        # The receipt has ended the attempt; the answer, when it comes, adds the peer's own name.
        await house.until(lambda: named_by_the_peer(house, document))


async def named_by_the_peer(house, document):
    return (await transfer(house, document))["peer_doc_id"]


async def first_attempt_ended(house, document):
    (delivery,) = (await house.document(document))["deliveries"]
    return delivery if delivery["attempts"][0]["ended_at"] else None


async def test_an_expired_lease_is_sent_again_and_the_slow_one_changes_nothing(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.SLOW)
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "sending")
        await house.called("sendEdoc")
        await house.sweep()
        assert (await transfer(house, document))["state"] == "sending"  # the lease still holds
        await later(house, minutes=11)
        await house.sweep()
        delivery = await house.state(document, "G09", "handed_over")
        assert [a["outcome"] for a in delivery["attempts"]] == ["died", "taken"]
        assert "program_died" in await events(house, document)
        house.axis.release.set()  # the first attempt hears at last that its line was cut
        await house.until(lambda: first_attempt_heard(house))
        row = await transfer(house, document)
        assert (row["state"], row["attempts"], row["lease_until"]) == ("done", 2, None)
        assert (await house.state(document, "G09", "handed_over"))["state"] == "handed_over"
        await later(house, days=1)
        assert len(at_axis(house)) == 1


async def test_a_late_answer_heals_what_was_given_up(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        desk = house.axis._desk
        submit, go = desk.submit, asyncio.Event()

        async def took_it_and_thinks(caller, data, options):
            done = await submit(caller, data, options)
            await go.wait()
            return done

        desk.submit = took_it_and_thinks
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "sending")
        await house.called("sendEdoc")
        house.axis.fail("sendEdoc", Fault.REFUSE)
        await later(house, minutes=11)
        await house.sweep()
        await house.state(document, "G09", "failed")
        await house.until(lambda: document_is(house, document, "closed"))
        go.set()
        delivery = await house.state(document, "G09", "handed_over")
        assert not delivery["reason"]
        assert (await house.document(document))["state"] == "released"
        row = await transfer(house, document)
        assert (row["state"], bool(row["peer_doc_id"])) == ("done", True)


async def first_attempt_heard(house):
    text = [t.get_coro().__qualname__ for t in asyncio.all_tasks()]
    return not any(name.endswith("Relay._safely") for name in text)


# ---------------------------------------------------------------- one transfer, many recipients


async def known(house, records, rows):
    house.axis.add_system("bnv", b"ministry-secret", rows)
    with stores.open_admin(house.folder / "vanlien.toml") as admin:
        for record in records:
            admin.put_agency(record, by="test")
    last = records[-1].code

    async def there():
        return house.gateway.catalogue.directory().get(last) is not None

    await house.until(there)


async def test_five_recipients_behind_the_axis_are_one_transfer(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        records = [AgencyRecord(r.code, r.name, connected="truc") for r in BEHIND]
        await known(house, records, BEHIND)
        codes = [r.code for r in BEHIND]
        document = await sent(house, "1", *codes, "H37.04")
        for code in codes:
            await house.state(document, code, "handed_over")
        rows = await transfers(house, document)
        assert Counter(r["hop"] for r in rows) == {"truc": 1, "local:H37.04": 1}
        assert house.axis.calls.count("sendEdoc") == 1
        (raw,) = at_axis(house)
        # To stays as the sender wrote it, the recipient inside the province included.
        assert [o.organ_id for o in header_of(house, raw).recipients] == [*codes, "H37.04"]
        (ours,) = [r for r in rows if r["hop"] == "truc"]
        _, receipts, _ = await house.call("GET", f"/documents/{document}/receipts")
        (handed,) = [e["body"] for e in receipts["entries"] if e["kind"] == "handed_over"]
        assert handed["recipients"] == codes
        assert handed["peer_doc_id"] == ours["peer_doc_id"]


async def test_trace_headers_are_added_to_and_never_touched(tmp_path):
    earlier = (
        "<edXML:TraceHeader><edXML:OrganId>H37.02.01</edXML:OrganId>"
        "<edXML:Timestamp>2026/10/30 07:59:58</edXML:Timestamp></edXML:TraceHeader>"
    )
    async with gatehouse(tmp_path, axis=True) as house:
        before = house.clock.now()
        document = await sent(house, "1", "G09", trace=earlier)
        await house.state(document, "G09", "handed_over")
        (raw,) = at_axis(house)
        hops = header_of(house, raw).trace
        assert [h.organ_id for h in hops] == ["H37.02.01", "H37.02", HUB]
        assert b"2026/10/30 07:59:58" in raw
        assert abs(hops[-1].at - before) < timedelta(seconds=20)


# ---------------------------------------------------------------- when a sending counts


@pytest.mark.parametrize("ack", ["first-hop", "01"])
async def test_sent_time_counts_only_once_acknowledged(tmp_path, ack):
    extra = f'[policy]\nsent_ack = "{ack}"\n'
    async with gatehouse(tmp_path, axis=True, extra=extra) as house:
        house.axis.fail("sendEdoc", Fault.BUSY)
        document = await sent(house, "1", "G09")
        delivery = await house.state(document, "G09", "deferred")
        shown = await house.document(document)
        assert shown["issued_at"] is not None
        assert shown["sent_at"] is None
        assert delivery["sent_at"] is None
        await later(house, minutes=1)
        delivery = await house.state(document, "G09", "handed_over")
        shown = await house.document(document)
        counts = shown["issued_at"] if ack == "first-hop" else None
        assert (shown["sent_at"], delivery["sent_at"]) == (counts, counts)
        await house.until(house.ministry.step)
        delivery = await house.state(document, "G09", "accepted")
        # SND-10: the time is that of issue; the acknowledgement is only its condition.
        assert delivery["sent_at"] == shown["issued_at"]
        for name in ("issued_at", "left_at", "acknowledged_at", "entered_system_at"):
            at = datetime.fromisoformat(delivery.get(name) or shown["issued_at"])
            assert at.utcoffset() == timedelta(hours=7)


# ---------------------------------------------------------------- nobody waits for another


async def test_an_urgent_letter_overtakes_the_normal_ones(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        workers = house.gateway.context.peer("truc").concurrency
        house.axis.fail("sendEdoc", *[Fault.SLOW] * (workers - 1))
        normal = [await sent(house, str(n), "G09") for n in range(1, 41)]

        async def all_hang():
            return house.axis.calls.count("sendEdoc") >= workers - 1

        await house.until(all_hang)
        urgent = await sent(house, "99", "G09", urgency=3)
        await house.state(urgent, "G09", "handed_over")
        assert len(at_axis(house)) == 1
        house.axis.release.set()
        await house.state(normal[-1], "G09", "handed_over")


async def test_a_dead_peer_holds_up_nobody_else(tmp_path):
    dead = (
        '[[peer]]\nid = "chet"\nendpoint = "http://127.0.0.1:9/x"\nsystem_id = "x"\n'
        'secret_file = "keys-axis/axis.secret"\ncodes_behind = ["H98"]\npoll_every = "1 h"\n'
    )
    async with gatehouse(tmp_path, axis=True, extra=dead) as house:
        record = AgencyRecord("H98.01", "Nơi không tới được", connected="chet")
        await known(house, [record], [])
        lost = [await sent(house, str(n), "H98.01", urgency=4) for n in range(1, 31)]
        good = await sent(house, "77", "H37.04", "G09")
        await house.state(good, "H37.04", "handed_over")
        await house.state(good, "G09", "handed_over")
        await house.until(lambda: breaker_is_open(house, "chet"))
        # A breaker spares the dead one, and us, the other attempts.
        tried = [await transfer(house, document) for document in lost]
        assert (
            5
            <= sum(row["attempts"] for row in tried)
            <= 5 + house.gateway.context.peer("chet").concurrency
        )
        assert {row["state"] for row in tried} <= {"waiting", "sending", "deferred"}
        # And again when everything to the dead one is due at once.
        house.clock.move(timedelta(hours=1))
        again = await sent(house, "78", "H37.04", "G09")
        await house.sweep()
        await house.state(again, "H37.04", "handed_over")
        await house.state(again, "G09", "handed_over")


async def breaker_is_open(house, hop):
    return not house.gateway.context.flows(hop)


async def test_a_peer_that_is_not_configured_is_said_aloud(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        await known(house, [AgencyRecord("H97", "Sau trục đã bỏ", connected="bo-roi")], [])
        document = await sent(house, "1", "H97", "H37.04")
        await house.state(document, "H37.04", "handed_over")
        await house.sweep()
        row = next(r for r in await transfers(house, document) if r["hop"] == "bo-roi")
        assert "bo-roi" in row["reason"]
        assert row["state"] == "waiting"
        assert due_in(house, row) > 60
        assert "no_such_peer" in await events(house, document)
        await later(house, hours=1)
        assert (await events(house, document)).count("no_such_peer") == 1


# ---------------------------------------------------------------- our own damage


async def test_a_damaged_parcel_is_a_dead_letter_and_an_alarm_never_sent(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.BUSY)
        big = (("lon.txt", Random(1).randbytes(150_000).hex().encode()),)
        document = await sent(house, "1", "G09", files=big)
        await house.state(document, "G09", "deferred")
        row = await transfer(house, document)
        blobs = house.gateway.settings.blobs.dir
        (path,) = list(blobs.rglob(row["parcel_sha256"]))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        await later(house, minutes=2)
        delivery = await house.state(document, "G09", "failed")
        assert "damaged" in delivery["reason"]
        assert [a["outcome"] for a in delivery["attempts"]] == ["busy", "damaged"]
        assert not at_axis(house)


async def test_a_parcel_that_is_gone_is_made_again_the_same(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.BUSY)
        big = (("lon.txt", Random(1).randbytes(150_000).hex().encode()),)
        document = await sent(house, "1", "G09", files=big)
        await house.state(document, "G09", "deferred")
        before = (await transfer(house, document))["parcel_sha256"]
        (path,) = house.gateway.settings.blobs.dir.rglob(before)
        path.unlink()
        await later(house, minutes=2)
        await house.state(document, "G09", "handed_over")
        assert (await transfer(house, document))["parcel_sha256"] == before
        (raw,) = at_axis(house)
        assert sha256(raw).hexdigest() == before


async def test_an_end_that_cannot_be_recorded_is_recorded_when_the_ledger_is_back(
    tmp_path, monkeypatch
):
    """Not when the lease is over, ten minutes later."""
    async with gatehouse(tmp_path, axis=True) as house:
        ledger, away = house.gateway.ledger, [True, True]
        commit = ledger.commit

        async def breaks(change):
            ends = [r for r in change.rows if isinstance(r, Update) and r.table == "attempt"]
            if ends and away:
                away.pop()
                raise UnavailableError
            return await commit(change)

        monkeypatch.setattr(ledger, "commit", breaks)
        status, sent, _ = await house.send(packet("1", to=("G09",)))
        assert status == 202
        await house.state(sent["id"], "G09", "handed_over", "arrived", "accepted")
        assert not away
        assert house.axis.calls.count("sendEdoc") == 1
