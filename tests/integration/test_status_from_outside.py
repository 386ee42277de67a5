"""Statuses from a peer about what we sent: in any order, twice, late, about anything."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.moments import to_text
from gateway.domain.receipt import irregular_reason
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Busy, ChangeSet, Refused, SubmitOptions, Update
from gateway.programs import mending
from gateway.trust.report import Verdict
from tests.world.gatehouse import packet
from tests.world.outside import head, nfd, outside, silenced, status
from tests.world.submitting import WaitingVerifier

TODAY = datetime.now(UTC).strftime("%Y/%m/%d")


@pytest.fixture
async def out(tmp_path, monkeypatch):
    async with outside(tmp_path) as found:
        silenced(monkeypatch, found)
        yield found


async def tell(out, answer, code, **how):
    how.setdefault("description", "vì gửi nhầm" if code in {"02", "13", "16"} else "")
    about = how.pop("about", None) or head(answer["document_id"])
    await out.bring(status(about, code, **how), "status")


# ---------------------------------------------------------------- order

ORDERS = [
    *itertools.permutations(("01", "03", "05", "06")),
    *itertools.permutations(("01", "02", "03")),
    ("06",),
    ("03",),
    ("05", "05", "05"),
    ("01", "01", "03", "03"),
    ("04", "03", "01"),
    ("01", "05", "03", "06", "06"),
    ("07", "01", "999"),
    ("15",),
    ("02", "03"),
]


def ends(codes):
    """Return where a delivery must end: the table's reading of STS-07, written out by hand."""
    state, shown = "handed_over", ""
    rank = {"01": "arrived", "03": "accepted", "04": "assigned", "05": "in_progress", "06": "done"}
    order = ["handed_over", *rank.values()]
    for code in codes:
        if state in {"returned", "recalled", "done"} or code in {"07", "999"}:
            continue
        if code == "02":
            state, shown = "returned", code
        elif code == "15":
            state, shown = "recalled", code
        elif order.index(rank[code]) > order.index(state):
            state, shown = rank[code], code
    return state, shown


async def test_any_order_ends_where_the_table_says(out):
    sent = []
    for n, codes in enumerate(ORDERS):
        sent.append((codes, await out.send(f"{100 + n}")))
        now = out.house.clock.now()
        for m, code in enumerate(codes):
            about = head(sent[-1][1]["document_id"], code=f"{100 + n}/SNV-VP")
            reason = "vì gửi nhầm" if code == "02" else ""
            at = now - timedelta(minutes=codes.index(code))
            out.offer(status(about, code, description=reason, at=at), "status", f"{n}-{m}")
            await out.collect()
    for codes, answer in sent:
        delivery = await out.delivery(answer)
        assert (delivery["state"], delivery["last_status"]) == ends(codes), codes
        events = (await out.house.call("GET", f"/documents/{answer['id']}/events"))[1]["items"]
        kept = [e["data"]["code"] for e in events if e["type"] == "status"]
        assert kept == list(codes), "every report is kept, moved or not"
        document = await out.house.document(answer["id"])
        over = delivery["state"] in {"done", "returned", "recalled"}
        assert document["state"] == ("closed" if over else "released"), codes
    # What the sender's system reads: every code once, but 05 as often as it was said.
    said = await out.waiting()
    for codes, answer in sent:
        read = [c for c, _, doc in said if doc == answer["document_id"]]
        wanted = [c for i, c in enumerate(codes) if c not in codes[:i]]
        assert read == wanted, codes


async def test_05_with_something_new_to_say_is_read_again(out):
    answer = await out.send()
    for text in ("giao phòng A", "giao phòng B", "giao phòng B"):
        at = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
        await tell(out, answer, "05", description=text, at=at)
    assert len(await out.waiting()) == 2


async def test_the_earliest_report_says_when_it_entered(out):
    answer = await out.send()
    now = out.house.clock.now().replace(microsecond=0)
    await tell(out, answer, "03", at=now - timedelta(minutes=5))
    await tell(out, answer, "01", at=now - timedelta(minutes=9))
    delivery = await out.delivery(answer)
    entered = datetime.fromisoformat(delivery["entered_system_at"])
    assert entered == now - timedelta(minutes=9)
    assert (delivery["state"], delivery["last_status"]) == ("accepted", "03")
    # A clock that runs ahead out there never puts the entry into our future.
    later = await out.send("13")
    about = head(later["document_id"], code="13/SNV-VP")
    await tell(out, later, "01", about=about, at=now + timedelta(days=3))
    entered = datetime.fromisoformat((await out.delivery(later))["entered_system_at"])
    assert entered <= out.house.clock.now()


async def test_before_pick_up_the_sender_sees_where_it_is(out):
    answer = await out.send()
    delivery = await out.delivery(answer)
    assert delivery["state_text"] == "đã đến trục, chưa vào hệ thống bên nhận"
    assert delivery["entered_system_at"] is None
    await tell(out, answer, "01")
    assert (await out.delivery(answer))["state_text"] == "đã đến, chờ tiếp nhận"


# ---------------------------------------------------------------- what it is about


@pytest.mark.parametrize(
    ("about", "sender"),
    [
        ({}, "G09"),
        ({"issuer": "000.00.02.H37"}, "G09"),
        ({}, "000.00.00.G09"),
        ({"document_id": "viết sai", "date": TODAY}, "G09"),
        ({"document_id": "", "date": TODAY}, "G09"),
        ({"document_id": "", "date": TODAY, "issuer": "000.00.02.H37"}, "000.00.00.G09"),
    ],
    ids=["id", "old issuer", "old recipient", "wrong id", "no id", "all old"],
)
async def test_a_status_finds_its_delivery(out, about, sender):
    answer = await out.send("12", to=("G09", "G12"))
    found = {"document_id": answer["document_id"]} | about
    await tell(out, answer, "03", about=head(**found), sender=sender)
    assert (await out.delivery(answer, "G09"))["state"] == "accepted"
    assert (await out.delivery(answer, "G12"))["state"] == "handed_over"
    # The sender's system reads it under the names it knows.
    assert await out.waiting() == [("03", "G09", answer["document_id"])]
    (item,) = await out.house.gateway.door.waiting(out.caller("snv"), "status")
    assert (item.recipient_written, item.notation) == ("H37.02", "12/SNV-VP")


@pytest.mark.parametrize("about", [{"code": "13/SNV-VP"}, {"date": "2020/01/01"}])
async def test_a_status_about_something_else_moves_nothing(out, about):
    answer = await out.send("12")
    await tell(out, answer, "03", about=head("", **({"date": TODAY} | about)))
    assert (await out.delivery(answer))["state"] == "handed_over"
    assert [c for c, _, _ in await out.waiting()] == ["03"]


async def test_letters_taken_apart_are_the_same_identifier(out):
    mine = packet("12", to=("G09",), document_id="H37.02,2026/11/20,12/QĐ-ƯBND")
    code, answer, _ = await out.house.send(mine)
    assert code == 202
    await out.flush()
    await out.bring(nfd(status(head(answer["document_id"]), "03")), "status")
    assert (await out.delivery(answer))["state"] == "accepted"


async def test_a_status_for_a_document_we_never_saw_is_passed_on(out):
    await out.bring(status(head("truoc-khi-co-cong"), "03"), "status")
    assert await out.waiting() == [("03", "G09", "truoc-khi-co-cong")]
    door, caller = out.house.gateway.door, out.caller("snv")
    (item,) = await door.waiting(caller, "status")
    found = await door.fetch(caller, item.id)
    text = b"".join([c async for c in found.chunks]).decode()
    assert "truoc-khi-co-cong" in text
    assert "<edXML:StatusCode>03</edXML:StatusCode>" in text


async def test_unknown_codes_are_data_and_passed_on(out):
    answer = await out.send()
    await tell(out, answer, "999", description="Gui that bai")
    delivery = await out.delivery(answer)
    assert (delivery["state"], delivery["last_status"]) == ("handed_over", "")
    assert [c for c, _, _ in await out.waiting()] == ["999"]
    (item,) = await out.house.gateway.door.waiting(out.caller("snv"), "status")
    assert item.title == "Gui that bai"


async def test_one_digit_is_read_as_two(out):
    answer = await out.send()
    await tell(out, answer, "1")
    assert (await out.delivery(answer))["last_status"] == "01"


async def test_old_and_new_code_are_both_answered(out):
    answer = await out.send(to=("G09", "000.00.00.G09"))
    (delivery,) = (await out.house.document(answer["id"]))["deliveries"]
    assert delivery["addressed_as"] == ["G09", "000.00.00.G09"]
    await tell(out, answer, "01", sender="000.00.00.G09")
    assert sorted(s for _, s, _ in await out.waiting()) == ["000.00.00.G09", "G09"]
    await tell(out, answer, "01", sender="G09")
    assert len(await out.waiting()) == 2


async def test_a_status_nobody_here_may_read_is_kept_and_said(out):
    doc_id = await out.bring(status(head("x", issuer="Z99.01"), "03"), "status")
    row = await out.inbound(doc_id, "status")
    assert row["state"] == "stray"
    assert any("stray status" in a for a in out.alarms)
    assert out.peer.acknowledged == [(doc_id, True, "")]


async def test_a_peer_does_not_speak_for_our_own_agencies(out):
    _, answer, _ = await out.house.send(packet("12"))
    await out.house.inbox("stc")
    await tell(out, answer, "06", sender="H37.04")
    assert (await out.delivery(answer, "H37.04"))["state"] == "handed_over"
    assert await out.waiting() == []
    assert any("speaks for an agency of ours" in a for a in out.alarms)


async def test_a_status_without_its_parts_is_refused_in_the_end(out):
    answer = await out.send()
    data = status(head(answer["document_id"]), "03").replace(b"StatusCode", b"StatusCod")
    doc_id = out.offer(data, "status")
    await out.collect(times=3)
    assert (await out.inbound(doc_id, "status"))["state"] == "unreadable"
    assert (await out.delivery(answer))["state"] == "handed_over"


# ---------------------------------------------------------------- healing


async def test_a_late_receipt_heals_a_failed_delivery(out):
    out.peer.plan.append(Refused("hop thu day", "18"))
    answer = await out.send()
    assert (await out.delivery(answer))["state"] == "failed"
    document = await out.house.document(answer["id"])
    assert document["state"] == "closed"
    await tell(out, answer, "01")
    delivery = await out.delivery(answer)
    assert (delivery["state"], delivery["reason"]) == ("arrived", "")
    document = await out.house.document(answer["id"])
    assert document["state"] == "released"
    await tell(out, answer, "06")
    assert (await out.house.document(answer["id"]))["state"] == "closed"


async def test_a_receipt_settles_a_lost_answer_for_everyone_in_the_parcel(out):
    out.peer.plan.append("lost")
    answer = await out.send(to=("G09", "G12"))
    assert (await out.delivery(answer, "G09"))["state"] == "deferred"
    await tell(out, answer, "01", sender="G12")
    assert (await out.delivery(answer, "G12"))["state"] == "arrived"
    assert (await out.delivery(answer, "G09"))["state"] == "handed_over"
    assert (await out.delivery(answer, "G09"))["acknowledged_at"]
    # Not sent a second time.
    out.house.clock.move(timedelta(hours=1))
    await out.flush()
    assert len(out.peer.delivered) == 1


async def test_a_receipt_while_the_attempt_runs(out):
    deliver = out.peer.deliver

    async def slow(parcel, *, deadline):
        await deliver(parcel, deadline=deadline)
        about = head(parcel.document_id)
        await out.bring(status(about, "03"), "status")
        return Busy("the answer was lost")

    out.peer.deliver = slow
    answer = await out.send()
    assert (await out.delivery(answer))["state"] == "accepted"
    out.peer.deliver = deliver
    out.house.clock.move(timedelta(hours=1))
    await out.flush()
    assert len(out.peer.delivered) == 1


async def test_a_consignment_closes_when_all_are_settled_and_opens_again(out):
    answer = await out.send(to=("G09", "G12", "H37.99"))
    await tell(out, answer, "06")
    assert (await out.house.document(answer["id"]))["state"] == "released"
    await tell(out, answer, "02", sender="G12")
    document = await out.house.document(answer["id"])
    assert document["state"] == "closed"
    assert (await out.delivery(answer, "G12"))["reason"] == "vì gửi nhầm"
    # Finished is not over for a document found in the wrong place: 15 still takes it back.
    await tell(out, answer, "15")
    assert (await out.delivery(answer))["state"] == "recalled"
    assert (await out.house.document(answer["id"]))["state"] == "closed"


async def test_the_last_status_and_the_closing_are_one_commit(out, monkeypatch):
    answer = await out.send(to=("G09", "G12"))
    await tell(out, answer, "06")

    async def dies(_):
        raise RuntimeError("killed after the commit")

    monkeypatch.setattr(out.house.gateway.mailroom, "close_if_settled", dies)
    await out.bring(status(head(answer["document_id"]), "06", sender="G12"), "status")
    document = await out.house.document(answer["id"])
    assert document["state"] == "closed"


# ---------------------------------------------------------------- taking back


async def recall(out, answer, agency="G09", system="snv", reason="ban hành nhầm"):
    """Ask for a document back the way an unmodified client does: a status 13."""
    about = head(answer["document_id"], issuer=agency)
    data = status(about, "13", sender="H37.02", description=reason, at=out.house.clock.now())

    async def chunks():
        yield data

    return await out.house.gateway.door.report(out.caller(system), chunks(), SubmitOptions("vxp"))


async def test_word_of_something_irregular_is_no_repeat(out):
    answer, at = await out.send(), out.house.clock.now()
    about = head(answer["document_id"])
    said = ["", irregular_reason("con dấu lạ"), irregular_reason("thiếu trang")]
    for text in [*said, *said]:
        await out.bring(status(about, "03", description=text, at=at), "status")
    assert await out.waiting() == [("03", "G09", answer["document_id"])] * 3
    assert (await out.delivery(answer))["state"] == "accepted"


async def recalls_of(out, answer, agency="G09"):
    delivery = await out.delivery(answer, agency)
    return await out.house.gateway.ledger.all("recall_of", delivery_id=delivery["id"])


async def test_a_recall_is_asked_and_agreed(out):
    answer = await out.send()
    await recall(out, answer)
    assert [(t.code, t.to, t.description) for t in await out.flush()] == [
        ("13", "G09", "ban hành nhầm")
    ]
    (record,) = await recalls_of(out, answer)
    assert record["state"] == "asked"
    assert (await out.delivery(answer))["state"] == "handed_over"
    await tell(out, answer, "15", description="đã hủy")
    (record,) = await recalls_of(out, answer)
    assert (record["state"], record["answer"]) == ("agreed", "đã hủy")
    assert (await out.delivery(answer))["state"] == "recalled"
    assert [c for c, _, _ in await out.waiting()] == ["15"]
    assert (await out.house.document(answer["id"]))["state"] == "closed"


async def test_a_recall_is_declined_asked_again_and_agreed(out):
    answer = await out.send()
    await tell(out, answer, "06")
    await recall(out, answer)
    await recall(out, answer, reason="lần nữa")  # already asked: nothing goes out twice
    assert [t.code for t in await out.flush()] == ["13"]
    await tell(out, answer, "16", description="đã xử lý xong")
    (record,) = await recalls_of(out, answer)
    assert (record["state"], record["answer"]) == ("declined", "đã xử lý xong")
    assert (await out.delivery(answer))["state"] == "done"
    out.house.clock.move(timedelta(minutes=1))
    await recall(out, answer, reason="thật sự nhầm")
    assert [t.code for t in await out.flush()] == ["13"]
    (record,) = await recalls_of(out, answer)
    assert (record["state"], record["reason"]) == ("asked", "thật sự nhầm")
    await tell(out, answer, "15")
    (record,) = await recalls_of(out, answer)
    assert record["state"] == "agreed"
    await tell(out, answer, "16")
    (record,) = await recalls_of(out, answer)
    assert record["state"] == "agreed"
    assert (await out.delivery(answer))["state"] == "recalled"


async def test_recalling_what_has_not_left_cancels_it(out):
    out.peer.plan.append(Busy("ban"))
    answer = await out.send()
    assert (await out.delivery(answer))["state"] == "deferred"
    transfer = (await out.house.gateway.ledger.all("transfers_of", consignment_id=answer["id"]))[0]
    # Put it back to before its first attempt, as a held one would be.
    delivery = await out.delivery(answer)
    rows = (
        Update("delivery", {"id": delivery["id"]}, {"state": "pending", "left_at": None}),
        Update(
            "transfer",
            {"id": transfer["id"]},
            {"state": "waiting", "due_at": to_text(out.house.clock.now() + timedelta(hours=1))},
        ),
    )
    await out.house.gateway.ledger.commit(ChangeSet(rows=rows))
    await recall(out, answer)
    assert (await out.delivery(answer))["state"] == "cancelled"
    assert (await out.house.document(answer["id"]))["state"] == "closed"
    out.house.clock.move(timedelta(hours=2))
    await out.flush()
    assert out.peer.delivered == []


async def test_what_cannot_be_taken_back_is_refused(out):
    answer = await out.send()
    await tell(out, answer, "02")
    with pytest.raises(RejectedError) as caught:
        await recall(out, answer)
    assert caught.value.reason is Reason.ILLEGAL_TRANSITION
    assert "returned" in caught.value.public


async def test_a_recall_of_a_document_we_never_saw_is_passed_on(out):
    await recall(out, {"document_id": "truoc-khi-co-cong"})
    assert [(t.code, t.document_id) for t in await out.flush()] == [("13", "truoc-khi-co-cong")]


async def test_15_to_an_update_takes_nothing_back(out):
    answer = await out.send()
    await tell(out, answer, "03")
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>2</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Sửa trích yếu</edXML:BussinessDocReason>"
        f"<edXML:DocumentId>{answer['document_id']}</edXML:DocumentId></edXML:Bussiness>"
    )
    newer = await out.send("14", subject="Bản đã sửa", trace=trace)
    await tell(out, answer, "15")
    assert (await out.delivery(answer))["state"] == "accepted"
    await tell(out, newer, "15", about=head(newer["document_id"], code="14/SNV-VP"))
    assert (await out.delivery(newer))["state"] == "handed_over"
    assert [c for c, _, _ in await out.waiting()] == ["03", "15", "15"]


async def test_15_to_a_recall_by_document_takes_the_recalled_one_back(out):
    answer = await out.send()
    await tell(out, answer, "03")
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Thu hồi</edXML:BussinessDocReason>"
        f"<edXML:DocumentId>{answer['document_id']}</edXML:DocumentId></edXML:Bussiness>"
    )
    notice = await out.send("15", subject="Thu hồi văn bản", trace=trace)
    await tell(out, notice, "15", about=head(notice["document_id"], code="15/SNV-VP"))
    assert (await out.delivery(answer))["state"] == "recalled"
    assert (await out.delivery(notice))["state"] == "handed_over"


async def test_a_recall_from_outside_reaches_the_recipient_and_its_answer_goes_back(out):
    incoming = packet("7", to=("H37.04",), sender="G09", document_id="G09-7")
    await out.bring(incoming)
    (item,) = await out.arrivals()
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    await out.flush()
    about = head("G09-7", issuer="H37.04", code="7/SNV-VP")
    asked = status(about, "13", sender="G09", description="gửi nhầm")
    await out.bring(asked, "status")
    await out.bring(asked, "status")
    assert await out.waiting("stc") == [("13", "G09", "G09-7")]
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    assert [e["type"] for e in events].count("recall_asked") == 1
    body = {"code": "16", "reason": "đang xử lý dở"}
    path = f"/inbox/{item['id']}/status"
    assert (await out.house.call("POST", path, "stc", json=body))[0] == 200
    assert [(t.code, t.description) for t in await out.flush()] == [("16", "đang xử lý dở")]
    # Asked again: the same refusal may go out again, then the agreement.
    again = status(
        about,
        "13",
        sender="G09",
        description="thật mà",
        at=out.house.clock.now() + timedelta(minutes=1),
    )
    await out.bring(again, "status")
    assert (await out.house.call("POST", path, "stc", json=body))[0] == 200
    body = {"code": "15", "reason": ""}
    code, after, _ = await out.house.call("POST", path, "stc", json=body)
    assert (code, after["state"]) == (200, "recalled")
    assert [t.code for t in await out.flush()] == ["16", "15"]


async def test_only_the_issuer_recalls(out):
    await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7"))
    (item,) = await out.arrivals()
    about = head("G09-7", issuer="H37.04", code="7/SNV-VP")
    await out.bring(status(about, "13", sender="G12", description="x"), "status")
    events = (await out.house.call("GET", f"/inbox/{item['id']}/events", "stc"))[1]["items"]
    assert "recall_asked" not in [e["type"] for e in events]
    # REC-06: kept, said aloud, answered like one about a document nobody has; the agency is spared.
    assert await out.waiting("stc") == []
    assert out.alarms == ["recall by another agency refused"]
    assert [(t.code, t.to) for t in await out.flush()] == [("16", "G12")]
    assert "recall_refused" in [e["type"] for e in events]


# ---------------------------------------------------------------- twice


async def test_the_same_report_again_is_kept_and_read_once(out):
    answer = await out.send()
    data = status(head(answer["document_id"]), "03")
    for _ in range(3):
        await out.bring(data, "status")
    assert [c for c, _, _ in await out.waiting()] == ["03"]
    entries = await out.house.gateway.ledger.all("entries_of", subject=answer["id"])
    assert [e["kind"] for e in entries].count("status") == 1
    rows = await out.house.gateway.ledger.all(
        "statuses_of_consignment", consignment_id=answer["id"]
    )
    assert len(rows) == 3


async def test_reading_the_same_inbound_status_twice_has_one_effect(out):
    answer = await out.send()
    doc_id = out.offer(status(head(answer["document_id"]), "03"), "status")
    mailroom = out.house.gateway.mailroom
    kept = []
    from_peer = mailroom.from_peer

    async def remembered(report, inbound):
        kept.append((report, inbound))
        await from_peer(report, inbound)

    mailroom.from_peer = remembered
    await out.collect()
    await from_peer(*kept[0])  # a worker that was slow comes with the same row
    rows = await out.house.gateway.ledger.all(
        "statuses_of_consignment", consignment_id=answer["id"]
    )
    assert len(rows) == 1
    assert (await out.inbound(doc_id, "status"))["state"] == "processed"


async def test_a_ledger_that_cannot_commit_loses_no_status(out, monkeypatch):
    answer = await out.send()
    doc_id = out.offer(status(head(answer["document_id"]), "03"), "status")
    ledger = out.house.gateway.context.ledger
    commit = ledger.commit

    async def half(change):
        if any(getattr(r, "table", "") == "status_report" for r in change.rows):
            raise UnavailableError(public="the ledger cannot commit")
        return await commit(change)

    monkeypatch.setattr(ledger, "commit", half)
    await out.collect()
    assert out.peer.acknowledged == []
    monkeypatch.setattr(ledger, "commit", commit)
    await out.collect()
    assert (await out.delivery(answer))["state"] == "accepted"
    assert out.peer.acknowledged == [(doc_id, True, "")]


async def test_what_was_answered_before_its_release_is_closed_with_it(tmp_path, monkeypatch):
    """As after a restoration: the recipient has it from a life the ledger does not know."""
    async with outside(tmp_path, extra='budget = "30 ms"\n') as out:
        # Nothing that mends what others left open.
        monkeypatch.setattr(mending, "newest", silent)
        monkeypatch.setattr(mending, "everything", silent)
        verifier = WaitingVerifier(out.house)
        _, answer, _ = await out.house.send(packet("77", to=("G09",)))
        assert answer["state"] == "accepted"
        for code in ("01", "06"):
            await tell(out, answer, code)
        assert (await out.house.row("consignment", id=answer["id"]))["state"] == "accepted"
        verifier.answer(Verdict.UNSIGNED)

        async def closed():
            return (await out.house.row("consignment", id=answer["id"]))["state"] == "closed"

        await out.house.until(closed)
        assert (await out.delivery(answer))["state"] == "done"
        assert out.peer.delivered == []


async def silent(_context):
    """Do nothing."""
