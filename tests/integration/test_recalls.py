"""Taking back, both ways, in every order of things, through a whole gateway.

Rules: REC-01, REC-02, REC-03, REC-07, REC-08, ARC-12.
"""

import asyncio
import itertools
import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.domain.access import Grant, Person, Role
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Busy, Caller, ChangeSet, Conflict, Insert, SubmitOptions, Update
from gateway.programs.onward import onward
from gateway.programs.retention import Ages, Retention
from tests.world.gatehouse import packet
from tests.world.outside import head, outside, silenced, status

MONTH = timedelta(days=31)


@pytest.fixture
async def out(tmp_path, monkeypatch):
    async with outside(tmp_path) as found:
        silenced(monkeypatch, found)
        yield found


def recalls(out):
    return out.house.gateway.recalls


async def recall(out, answer, *agencies, reason="ban hành nhầm", system="snv"):
    body = {"reason": reason} | ({"recipients": list(agencies)} if agencies else {})
    return await out.house.call("POST", f"/documents/{answer['id']}/recall", system, json=body)


async def states(out, answer):
    code, told, _ = await out.house.call("GET", f"/documents/{answer['id']}/recall")
    assert code == 200
    return {r["agency"]: r["state"] for o in told["orders"] for r in o["recipients"]}


async def tell(out, answer, code, description=""):
    about = head(answer["document_id"])
    await out.bring(status(about, code, description=description), "status")


async def local(out, to="H37.04", number="21"):
    code, answer, _ = await out.house.send(packet(number, to=(to,)))
    assert code == 202
    await out.house.state(answer["id"], to, "handed_over", "arrived")
    return answer


async def arrival(out, answer):
    (delivery,) = await out.house.gateway.ledger.all("deliveries", consignment_id=answer["id"])
    return await out.house.row("arrival_of_delivery", delivery_id=delivery["id"])


async def question(out, answer):
    row = await arrival(out, answer)
    return await out.house.row("takeback_of", arrival_id=row["id"])


# ---------------------------------------------------------------- our own document


async def test_a_whole_recall_cancels_waits_and_asks(out):
    out.peer.plan.append(Busy("bận"))
    answer = await out.send(to=("G09", "H37.04"))
    await out.house.state(answer["id"], "H37.04", "handed_over")
    assert (await out.delivery(answer, "G09"))["state"] == "deferred"
    code, told, _ = await recall(out, answer)
    assert (code, told["frozen"]) == (200, True)
    # What was deferred is cancelled, what lay in an inbox is withdrawn and answered at once.
    assert await states(out, answer) == {"G09": "not_needed", "H37.04": "agreed"}
    assert (await out.delivery(answer, "G09"))["state"] == "cancelled"
    assert (await out.delivery(answer, "H37.04"))["state"] == "recalled"
    assert (await out.house.document(answer["id"]))["state"] == "closed"
    assert (await recall(out, answer))[1] == (await recall(out, answer))[1]  # again: nothing new
    # Cancelled in doubt, and it had got there after all: now it is asked for.
    await tell(out, answer, "01")
    assert await states(out, answer) == {"G09": "waiting", "H37.04": "agreed"}
    await out.house.sweep()
    assert [(t.code, t.to) for t in await out.flush()] == [("13", "G09")]
    await tell(out, answer, "15", "đã hủy")
    assert await states(out, answer) == {"G09": "agreed", "H37.04": "agreed"}
    # REC-02: frozen: nobody else gets it.
    more, problem, _ = await out.house.send(packet("12", to=("G09", "H37.04", "H37.61")))
    assert (more, problem["reason"]) == (409, "conflict")


async def test_an_attempt_under_way_is_waited_for(out):
    answer = await out.send()
    ledger = out.house.gateway.ledger
    delivery = await out.delivery(answer)
    rows = (Update("delivery", {"id": delivery["id"]}, {"state": "sending"}),)
    await ledger.commit(ChangeSet(rows=rows))
    await recall(out, answer)
    assert await states(out, answer) == {"G09": "waiting"}
    await out.house.sweep()
    assert await states(out, answer) == {"G09": "waiting"}
    assert await out.flush() == []
    rows = (Update("delivery", {"id": delivery["id"]}, {"state": "handed_over"}),)
    await ledger.commit(ChangeSet(rows=rows))
    await out.house.sweep()
    await out.house.sweep()  # safe to repeat
    assert [t.code for t in await out.flush()] == ["13"]
    assert await states(out, answer) == {"G09": "asked"}


async def test_one_of_two_behind_the_same_parcel_waits_until_it_left(out):
    out.peer.plan.append(Busy("bận"))
    answer = await out.send(to=("G09", "G12"))
    await recall(out, answer, "G12")
    assert await states(out, answer) == {"G12": "waiting"}
    out.house.clock.move(timedelta(hours=1))
    await out.flush()
    await out.house.sweep()
    assert [(t.code, t.to) for t in await out.flush()] == [("13", "G12")]
    assert (await out.delivery(answer, "G09"))["state"] == "handed_over"


async def test_after_03_and_06_declined_and_ordered_again(out):
    answer = await out.send()
    await tell(out, answer, "06")
    await recall(out, answer, "G09")
    assert [t.code for t in await out.flush()] == ["13"]
    await tell(out, answer, "16", "đang lưu trữ")
    assert await states(out, answer) == {"G09": "declined"}
    assert (await out.delivery(answer))["state"] == "done"
    await recall(out, answer, "G09", reason="thật sự nhầm")
    assert [(t.code, t.description) for t in await out.flush()] == [("13", "thật sự nhầm")]
    # 15 and a second 13 cross: agreed stays agreed.
    await tell(out, answer, "15")
    await tell(out, answer, "16", "muộn")
    assert (await out.delivery(answer))["state"] == "recalled"
    told = (await recall(out, answer))[1]
    assert {r["state"] for o in told["orders"] for r in o["recipients"]} == {"agreed"}


async def test_all_versions_are_taken_back(out):
    first = await out.send(document_id="VB-9")
    await tell(out, first, "03")
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>2</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Sửa</edXML:BussinessDocReason>"
        "<edXML:DocumentId>VB-9</edXML:DocumentId></edXML:Bussiness>"
    )
    second = await out.send(document_id="VB-9", subject="Bản sửa", trace=trace)
    await recall(out, second)
    await out.flush()
    await tell(out, second, "15")
    assert (await out.delivery(first))["state"] == "recalled"
    assert await states(out, second) == {"G09": "agreed"}


@pytest.mark.parametrize(("agencies", "reason", "http"), [((), "", 422), (("H37.61",), "x", 400)])
async def test_bad_orders_change_nothing(out, agencies, reason, http):
    answer = await out.send()
    assert (await recall(out, answer, *agencies, reason=reason))[0] == http
    assert await states(out, answer) == {}


async def test_another_agency_takes_nothing_back(out):
    answer = await out.send()
    assert (await recall(out, answer, system="stc"))[0] == 404
    item = await local(out)
    about = head(item["document_id"], issuer="H37.04", code="21/SNV-VP")
    with pytest.raises(RejectedError) as caught:
        await out.house.gateway.mailroom.from_system(
            out.caller("stc"), _thirteen(about, "H37.04"), "0" * 64
        )
    assert caught.value.reason is Reason.SENDER_NOT_CALLER


def _thirteen(about, sender, why="x"):
    from gateway.codec.limits import Limits
    from gateway.codec.status import parse_status

    return parse_status(status(about, "13", sender=sender, description=why), Limits())


async def test_a_13_without_the_identifier_leaves_with_it(out):
    """Its sender may have been answered before the document had one."""
    answer = await out.send()
    mailroom, caller = out.house.gateway.mailroom, out.caller("snv")
    asked = _thirteen(head("", issuer="G09", date="2026/11/23"), "H37.02")
    await mailroom.from_system(caller, asked, "7" * 64)
    told = [(t.code, t.to, t.document_id) for t in await out.flush()]
    assert told == [("13", "G09", answer["document_id"])]


async def test_by_document_where_the_peer_understands_only_that(out, monkeypatch):
    from dataclasses import replace

    peers = out.house.gateway.context.peers
    peers["truc"] = replace(peers["truc"], recall_by="1")
    answer = await out.send(to=("G09", "G12"))
    before, instant = len(out.peer.delivered), out.house.clock.now()
    with monkeypatch.context() as stopped:
        stopped.setattr(out.house.clock, "now", lambda: instant)
        await recall(out, answer)
    assert await states(out, answer) == {"G09": "asked", "G12": "asked"}
    assert await out.flush() == []
    sent = out.peer.delivered[before:]
    assert {p.kind for p, _ in sent} == {"edoc"}
    # One order, one instant: an axis that goes by To alone gives each of them the notice once.
    named = [re.findall(rb"<edXML:To>\s*<edXML:OrganId>(.*?)<", data) for _, data in sent]
    assert sorted(named) == [[b"G09"], [b"G12"]]
    notice = (await out.house.gateway.ledger.all("recalls_of_orders", ids=json.dumps(
        [(await out.house.call("GET", f"/documents/{answer['id']}/recall"))[1]["orders"][0]["id"]]
    )))[0]["notice_id"]  # fmt: skip
    row = await out.house.row("consignment", id=notice)
    assert (row["business_type"], row["document_id"]) == (1, answer["document_id"])
    await tell(out, answer, "15")
    assert (await out.delivery(answer))["state"] == "recalled"
    assert (await states(out, answer))["G09"] == "agreed"


async def test_a_systems_own_document_of_type_1_is_followed(out):
    answer = await out.send(document_id="VB-31")
    await tell(out, answer, "03")
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Sai phụ lục</edXML:BussinessDocReason>"
        "<edXML:DocumentId>VB-31</edXML:DocumentId></edXML:Bussiness>"
    )
    await out.send("32", subject="Thu hồi", trace=trace)
    assert await states(out, answer) == {"G09": "asked"}


# ---------------------------------------------------------------- asked of us


async def test_before_pick_up_it_is_withdrawn_and_handed_out_no_more(out):
    answer = await local(out)
    item = await arrival(out, answer)
    await recall(out, answer)
    row = await question(out, answer)
    assert (row["state"], row["answered_by"]) == ("agreed", "gateway")
    for path in ("edxml", "edxml?form=received", "attachments/0"):
        assert (await out.house.call("GET", f"/inbox/{item['id']}/{path}", "stc"))[0] == 410
    assert await out.waiting("stc") == []
    assert [c for c, _, _ in await out.waiting()] == ["15"]
    # It had been fetched, and is confirmed too late: nothing entered, and its system hears of it.
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    after = await arrival(out, answer)
    assert (after["state"], after["entered_system_at"]) == ("recalled", None)
    assert [c for c, _, _ in await out.waiting("stc")] == ["13"]
    assert [c for c, _, _ in await out.waiting()] == ["15"]


async def test_racing_the_pick_up_a_taken_document_is_never_withdrawn(out, monkeypatch):
    answer = await local(out)
    item = await arrival(out, answer)
    takebacks = out.house.gateway.mailroom.takebacks
    decide = takebacks._by_itself

    async def slow(row, found):
        told = await decide(row, found)
        if found["state"] == "offered":  # decided to withdraw; picked up at this very moment
            await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
        return told

    monkeypatch.setattr(takebacks, "_by_itself", slow)
    await recall(out, answer)
    assert (await arrival(out, answer))["state"] == "taken"
    assert await states(out, answer) == {"H37.04": "asked"}
    assert [c for c, _, _ in await out.waiting("stc")] == ["13"]  # its own system decides
    body = {"code": "15", "reason": ""}
    await out.house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
    assert await states(out, answer) == {"H37.04": "agreed"}


async def test_what_nobody_looked_at_is_looked_at_by_the_sweep(out, monkeypatch):
    answer = await local(out)

    async def dies(_):
        raise RuntimeError("killed after the commit")

    with monkeypatch.context() as patch:
        patch.setattr(out.house.gateway.mailroom.takebacks, "look_at", dies)
        assert (await recall(out, answer))[0] == 500
    assert (await question(out, answer))["looked"] == 0
    await out.house.sweep()
    assert (await question(out, answer))["state"] == "agreed"


async def test_a_clerk_agrees_and_is_told_to_collect_prints_and_what_was_sent_on(out):
    answer = await local(out, "H37.61")
    item = await arrival(out, answer)
    await out.house.gateway.mailroom.on_arrival(item["id"], "03", "")
    onward = packet("77", sender="H37.61", to=("H37.04",), document_id="CHUYEN-TIEP")

    async def chunks():
        yield onward

    caller = Caller("console:H37.61", frozenset({"H37.61"}))
    sent = await out.house.gateway.door.submit(caller, chunks(), SubmitOptions("api"))
    passed = {"id": sent.id}
    await recall(out, answer)
    row = await question(out, answer)
    assert row["state"] == "asked"
    shown = await recalls(out).takeback(row["id"])
    assert [p.document_id for p in shown.onward] == ["CHUYEN-TIEP"]
    with pytest.raises(RejectedError):  # REC-08: 16 is for what the law keeps
        await recalls(out).decline(row["id"], by="lan")
    await recalls(out).agree(row["id"], "đã hủy", by="lan")
    row = await question(out, answer)
    assert (row["state"], row["answered_by"], row["answer"]) == ("agreed", "lan", "đã hủy")
    todos = [
        await out.house.gateway.ledger.all("todos_of_document", document=name)
        for name in (item["id"], passed["id"])
    ]
    assert [[t["kind"] for t in found] for found in todos] == [
        ["collect-printed"],
        ["recall-onward"],
    ]
    # Each leads to its document, on the right side.
    assert [json.loads(found[0]["data"]).get("side") for found in todos] == ["in", None]
    # REC-02: the abstract goes with the rest, also from what there was to do.
    context = out.house.gateway.context
    purge = Retention(
        context.ledger, context.blobs, out.house.clock, context.ids, Ages(recalled=MONTH)
    )
    assert "liên thông" in todos[0][0]["data"]
    out.house.clock.move(2 * MONTH)
    assert (await purge.run())["recalled"].items == 1
    (left,) = await context.ledger.all("todos_of_document", document=item["id"])
    assert ("liên thông" in left["data"], left["state"]) == (False, "open")
    assert (await out.delivery(answer, "H37.61"))["state"] == "recalled"


ABOUT = (
    "<edXML:ResponseFor><edXML:OrganId>{}</edXML:OrganId><edXML:Code>{}</edXML:Code>"
    "<edXML:PromulgationDate>{}</edXML:PromulgationDate>{}</edXML:ResponseFor>"
)


async def test_what_names_the_document_is_found_among_onward_sendings_and_nothing_else(out):
    data = packet("7", to=("H37.61",), sender="G09", document_id="G09-7", day="2026/11/20")
    await out.bring(data)
    (row,) = await out.house.gateway.ledger.all(
        "desk_newest_first", agency="H37.61", state="taken", id="~", limit=2
    )
    named = "<edXML:DocumentId>{}</edXML:DocumentId>"
    date, other_date = "2026/11/20", "2026/11/19"
    sent = {
        "by-id": (("H37.04",), ABOUT.format("G09", "7/SNV-VP", date, named.format("G09-7"))),
        "by-number": (("H37.04",), ABOUT.format("000.00.00.G09", "7/snv-vp", date, "")),
        "reply": (("G09",), ABOUT.format("G09", "7/SNV-VP", date, named.format("G09-7"))),
        "other-issuer": (("H37.04",), ABOUT.format("G12", "7/SNV-VP", date, "")),
        "other-date": (("H37.04",), ABOUT.format("G09", "7/SNV-VP", other_date, "")),
        "no-issuer": (("H37.04",), ABOUT.format("", "7/SNV-VP", date, "")),
        "other-id": (("H37.04",), ABOUT.format("G09", "7/SNV-VP", date, named.format("G09-70"))),
        "in-words": (("H37.04",), ""),
    }
    caller = Caller("console:H37.61", frozenset({"H37.61"}))
    for n, (name, (to, about)) in enumerate(sent.items()):
        text = "Theo văn bản số 7/SNV-VP, G09-7" if name == "in-words" else "Triển khai"
        files = (("a.txt", name.encode()),)
        letter = packet(
            str(100 + n), sender="H37.61", to=to, document_id=name, subject=text, more=about,
            files=files,
        )  # fmt: skip

        async def chunks(letter=letter):
            yield letter

        await out.house.gateway.door.submit(caller, chunks(), SubmitOptions("api"))
    found = await onward(out.house.gateway.context, row)
    assert sorted(r["document_id"] for r in found) == ["by-id", "by-number"]


async def test_held_by_law_it_stays_and_is_answered_16(out):
    answer = await local(out, "H37.61")
    item = await arrival(out, answer)
    await recalls(out).hold("received", item["id"], "đang thanh tra", by="hung")
    with pytest.raises(RejectedError):
        await recalls(out).hold("received", item["id"], "lần nữa", by="hung")
    await recall(out, answer)
    assert await states(out, answer) == {"H37.61": "declined"}
    assert (await question(out, answer))["answer"] == "đang thanh tra"
    assert (await arrival(out, answer))["state"] == "taken"
    with pytest.raises(RejectedError, match="kept by law"):
        await out.house.gateway.mailroom.on_arrival(item["id"], "15", "")
    await recalls(out).release(item["id"], "xong thanh tra", by="hung")
    await recall(out, answer)
    row = await question(out, answer)
    await recalls(out).agree(row["id"], "", by="lan")
    assert await states(out, answer) == {"H37.61": "agreed"}
    # AUD-03: who agreed stands in the audit log, like who held and who let go.
    acts = await out.house.gateway.ledger.all("acts_on", subject=f"arrival:{item['id']}")
    assert [(a["type"], json.loads(a["data"])["actor"]) for a in acts] == [
        ("legal-hold-set", "hung"),
        ("legal-hold-lifted", "hung"),
        ("recall-agreed", "lan"),
    ]


async def test_asked_again_after_agreeing_the_answer_goes_out_again(out):
    await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7"))
    about = head("G09-7", issuer="H37.04", code="7/SNV-VP")
    asked = status(about, "13", sender="G09", description="gửi nhầm")
    await out.bring(asked, "status")
    assert [t.code for t in await out.flush()] == ["15"]
    first = out.peer.delivered[-1][1]
    out.house.clock.move(timedelta(minutes=1))
    await out.bring(asked, "status")  # the answer was lost
    assert [t.code for t in await out.flush()] == ["15"]
    assert out.peer.delivered[-1][1] == first  # who had read it knows it
    # Evil twin: another 13 is another question.
    again = status(about, "13", sender="G09", description="gửi nhầm, nhắc lại")
    await out.bring(again, "status")
    assert [t.code for t in await out.flush()] == ["15"]
    assert out.peer.delivered[-1][1] != first


RECALL = (
    "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType>"
    "<edXML:BussinessDocReason>Vì sai</edXML:BussinessDocReason>"
    "<edXML:DocumentId>{}</edXML:DocumentId></edXML:Bussiness>"
)
HOP = (
    "<edXML:TraceHeader><edXML:OrganId>G09</edXML:OrganId>"
    "<edXML:Timestamp>{}</edXML:Timestamp></edXML:TraceHeader>"
)


async def test_a_13_about_a_document_nobody_has_is_answered_16_once(out):
    about = head("KHONG-CO", issuer="H37.61", code="7/SNV-VP")
    asked = status(about, "13", sender="G09", description="x")
    await out.bring(asked, "status")
    (told,) = await out.flush()
    assert (told.code, told.to, told.sender) == ("16", "G09", "H37.61")
    assert "R14" in told.description
    await out.bring(asked, "status")  # the same message again
    await out.house.sweep()
    assert await out.flush() == []
    again = status(about, "13", sender="G09", description="thật sự nhầm")
    await out.bring(again, "status")
    assert [t.code for t in await out.flush()] == ["16"]
    (row,) = (await recalls(out).asked_of("H37.61", "declined", before="", limit=5)).items
    assert (row.arrival_id, row.reason, row.answered_by) == ("", "thật sự nhầm", "gateway")
    with pytest.raises(RejectedError):  # there is nothing to give
        await recalls(out).agree(row.id, "", by="lan")
    # Evil twin: an agency with a system of its own is asked itself.
    about = head("KHONG-CO", issuer="H37.04", code="7/SNV-VP")
    await out.bring(status(about, "13", sender="G09", description="x"), "status")
    assert await out.flush() == []
    assert [c for c, _, _ in await out.waiting("stc")] == ["13"]


async def test_a_document_of_type_1_about_nothing_is_answered_16_once(out):
    notice = packet(
        "9", to=("H37.61",), sender="G09", document_id="G09-9", trace=RECALL.format("K")
    )
    await out.bring(notice)
    await out.flush()  # 01: the notice itself came
    await out.house.sweep()
    (told,) = await out.flush()
    # C5: about the document concerned, as its sender named it.
    assert (told.code, told.to, told.document_id) == ("16", "G09", "K")
    await out.bring(notice)
    await out.house.sweep()
    assert await out.flush() == []
    own = packet("9", to=("H37.04",), sender="G09", document_id="G09-9", trace=RECALL.format("K"))
    await out.bring(own)
    await out.house.sweep()
    assert await out.flush() == []  # its own system has the notice and decides


def asks_for(*names, issuer="G09"):
    """What a document of type 1 says that names several (spec/edxml.md 5, B)."""
    about = (
        f"<edXML:ResponseFor><edXML:OrganId>{issuer}</edXML:OrganId><edXML:Code>7/SNV-VP"
        f"</edXML:Code><edXML:DocumentId>{name}</edXML:DocumentId></edXML:ResponseFor>"
        for name in names
    )
    kind = (
        "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Vì sai</edXML:BussinessDocReason></edXML:Bussiness>"
    )
    return {"more": "".join(about), "trace": kind}


async def agreed(out, document_id):
    """Let a clerk of H37.61 agree; return what was said to whom is asked for it."""
    (row,) = [
        row
        for row in (await recalls(out).asked_of("H37.61", "asked", before="", limit=9)).items
        if row.document_id == document_id
    ]
    await recalls(out).agree(row.id, "", by="lan")
    return [(t.code, t.document_id) for t in await out.flush() if t.code != "01"]


async def test_of_several_named_each_is_answered_what_is_not_here_too(out):
    for n in (7, 8):
        await out.bring(packet(str(n), to=("H37.61",), sender="G09", document_id=f"G09-{n}"))
    await out.bring(packet("6", to=("H37.61",), sender="G09", document_id="G09-6"))
    await out.flush()
    asked = asks_for("KHONG-CO", "G09-7", "CUNG-KHONG", "G09-8")
    notice = packet("9", to=("H37.61",), sender="G09", document_id="G09-9", **asked)
    await out.bring(notice)
    await out.house.sweep()
    await out.house.sweep()
    told = sorted((t.code, t.document_id) for t in await out.flush() if t.code != "01")
    assert told == [("16", "CUNG-KHONG"), ("16", "KHONG-CO")]
    for document_id in ("G09-8", "G09-7"):
        assert await agreed(out, document_id) == [("15", document_id)]
    ledger = out.house.gateway.ledger
    gone = await ledger.all("desk_newest_first", agency="H37.61", state="recalled", id="~", limit=9)
    assert {r["document_id"] for r in gone} == {"G09-7", "G09-8"}
    kept = (await recalls(out).asked_of("H37.61", "declined", before="", limit=5)).items
    assert {r.document_id for r in kept} == {"KHONG-CO", "CUNG-KHONG"}
    # Evil twins: the same message again, and one of another agency that names all of them.
    await out.bring(notice)
    await out.house.sweep()
    assert await out.flush() == []
    await out.bring(
        packet("3", to=("H37.61",), sender="G12", document_id="G12-3", **asks_for("G09-6", "X"))
    )
    await out.house.sweep()
    told = sorted((t.code, t.to, t.document_id) for t in await out.flush() if t.code != "01")
    assert told == [("16", "G12", "G09-6"), ("16", "G12", "X")]
    assert out.alarms == ["recall by another agency refused"]


async def test_of_several_named_an_answer_inside_moves_its_own_document_alone(out):
    sent = []
    for n in ("31", "32"):
        packet_ = packet(n, to=("H37.61",), document_id=f"TRONG-{n}")
        sent.append((await out.house.send(packet_))[1])
        await out.house.state(sent[-1]["id"], "H37.61", "handed_over", "arrived")
    row = await arrival(out, sent[1])
    await recalls(out).hold("received", row["id"], "vụ án", by="lan")
    asked = asks_for("TRONG-31", "TRONG-32", "TRONG-33", issuer="H37.02")
    assert (await out.house.send(packet("34", to=("H37.04",), document_id="TRONG-33")))[0] == 202
    code, answer, _ = await out.house.send(packet("39", to=("H37.61",), **asked))
    assert code == 202, answer
    await out.house.state(answer["id"], "H37.61", "arrived")
    await out.house.sweep()
    told = {(c, d) for c, _, d in await out.waiting() if c in {"15", "16"}}
    assert told == {("16", "TRONG-32"), ("16", "TRONG-33")}
    await agreed(out, "TRONG-31")
    assert ("15", "H37.61", "TRONG-31") in await out.waiting()
    found = []
    for one in sent:
        (delivery,) = await out.house.gateway.ledger.all("deliveries", consignment_id=one["id"])
        found.append(delivery["state"])
    assert found == ["recalled", "arrived"]


async def test_of_several_named_an_agencys_system_answers_all_at_once(out):
    for n in ("7", "8"):
        await out.bring(packet(n, to=("H37.04",), sender="G09", document_id=f"G09-{n}"))
    for item in await out.arrivals():
        await out.house.gateway.mailroom.confirm(item["id"], by="stc")
    asked = asks_for("G09-7", "G09-8", "G09-0")
    await out.bring(packet("9", to=("H37.04",), sender="G09", document_id="G09-9", **asked))
    await out.house.sweep()
    await out.flush()
    (notice,) = [i for i in await out.arrivals() if i["document_id"] == "G09-9"]
    for _ in range(2):
        await out.house.gateway.mailroom.on_arrival(notice["id"], "15", "đã hủy")
    told = sorted((t.code, t.document_id) for t in await out.flush() if t.code != "01")
    assert told == [("15", "G09-0"), ("15", "G09-7"), ("15", "G09-8")]
    found = {i["document_id"]: i["state"] for i in await out.arrivals()}
    assert found == {"G09-7": "recalled", "G09-8": "recalled", "G09-9": "offered"}


async def test_inside_the_province_too(out):
    about = head("KHONG-CO", issuer="H37.61")
    mailroom, caller = out.house.gateway.mailroom, out.caller("snv")
    await mailroom.from_system(caller, _thirteen(about, "H37.02"), "1" * 64)
    await mailroom.from_system(caller, _thirteen(about, "H37.02"), "1" * 64)
    assert await out.waiting() == [("16", "H37.61", "KHONG-CO")]
    assert (await out.house.send(packet("5", to=("H37.04",), document_id="K")))[0] == 202
    code, answer, _ = await out.house.send(packet("8", to=("H37.61",), trace=RECALL.format("K")))
    assert code == 202, answer
    await out.house.state(answer["id"], "H37.61", "arrived")
    await out.house.sweep()
    told = await out.waiting()
    assert ("16", "H37.61", "K") in told
    assert [c for c, _, _ in told].count("16") == 2


@pytest.mark.parametrize("by", ["13", "1"])
async def test_a_document_overtaken_by_its_recall_is_shown_to_nobody(out, by):
    if by == "13":
        about = head("G09-7", issuer="H37.61", code="7/SNV-VP")
        await out.bring(status(about, "13", sender="G09", description="gửi nhầm"), "status")
    else:
        trace = RECALL.format("G09-7")
        await out.bring(packet("9", to=("H37.61",), sender="G09", document_id="G-9", trace=trace))
    await out.house.sweep()
    assert "16" in [t.code for t in await out.flush()]
    await out.bring(packet("7", to=("H37.61",), sender="G09", document_id="G09-7"))
    assert [(t.code, t.document_id) for t in await out.flush()] == [("15", "G09-7")]
    ledger = out.house.gateway.ledger
    (row,) = await ledger.all(
        "desk_newest_first", agency="H37.61", state="recalled", id="~", limit=5
    )
    assert (row["entered_system_at"], row["arrival_number"]) == (None, None)
    (stays,) = (await recalls(out).asked_of("H37.61", "agreed", before="", limit=5)).items
    assert (stays.arrival_id, stays.answered_by) == (row["id"], "gateway")
    # The same document again changes nothing; another under the same identifier goes as well.
    await out.bring(packet("7", to=("H37.61",), sender="G09", document_id="G09-7"))
    assert await out.flush() == []
    await out.house.sweep()
    left = await ledger.all("desk_newest_first", agency="H37.61", state="taken", id="~", limit=5)
    assert [r["business_type"] for r in left] == ([] if by == "13" else [1])


async def test_what_was_sent_after_its_recall_is_another_sending(out):
    asked = out.house.clock.now()
    about = head("G09-7", issuer="H37.61", code="7/SNV-VP")
    await out.bring(status(about, "13", sender="G09", description="x", at=asked), "status")
    local_time = (asked + timedelta(hours=7, minutes=5)).strftime("%Y/%m/%d %H:%M:%S")
    trace = HOP.format(local_time)
    await out.bring(packet("7", to=("H37.61",), sender="G09", document_id="G09-7", trace=trace))
    assert [t.code for t in await out.flush()] == ["16", "01"]
    (row,) = await out.house.gateway.ledger.all(
        "desk_newest_first", agency="H37.61", state="taken", id="~", limit=5
    )
    assert "REC-01" in {f["rule"] for f in json.loads(row["findings"])}
    # Evil twins: another agency's document, and another document of the same sender.
    await out.bring(packet("7", to=("H37.61",), sender="G12", document_id="G09-7"))
    await out.bring(packet("8", to=("H37.61",), sender="G09", document_id="G09-8"))
    assert [t.code for t in await out.flush()] == ["01", "01"]


async def test_a_restored_gateway_does_not_say_that_it_never_had_it(out):
    about = head("G09-7", issuer="H37.61", code="7/SNV-VP")
    async with standing_still(out):
        await out.bring(status(about, "13", sender="G09", description="x"), "status")
        await out.house.sweep()
        assert await out.flush() == []
        await out.bring(packet("7", to=("H37.61",), sender="G09", document_id="G09-7"))
        await out.house.sweep()
    await out.flush()
    await out.house.sweep()
    (row,) = (await recalls(out).asked_of("H37.61", "asked", before="", limit=5)).items
    assert row.arrival_id  # it came from the axis again: a clerk decides, as about any document


async def test_by_document_from_outside_it_is_withdrawn_too(out):
    await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7"))
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Vì sai</edXML:BussinessDocReason>"
        "<edXML:DocumentId>G09-7</edXML:DocumentId></edXML:Bussiness>"
    )
    await out.bring(packet("8", to=("H37.04",), sender="G12", document_id="G12-8", trace=trace))
    await out.house.sweep()
    assert out.alarms == ["recall by another agency refused"]
    assert {i["state"] for i in await out.arrivals()} == {"offered"}
    await out.bring(packet("9", to=("H37.04",), sender="G09", document_id="G09-9", trace=trace))
    await out.house.sweep()
    found = {i["document_id"]: i["state"] for i in await out.arrivals()}
    assert found == {"G09-7": "recalled", "G12-8": "offered", "G09-9": "offered"}
    # REC-06: another agency is told no more than of a document nobody has.
    told = [(t.code, t.to, t.document_id) for t in await out.flush()]
    assert told == [("16", "G12", "G09-7"), ("15", "G09", "G09-7")]


@pytest.mark.parametrize("first", ["order", "pick-up", "agree", "hold"])
async def test_in_whatever_order_both_sides_end_alike(out, first):
    """Order, pick-up, an answer and a hold in every order: what is held stays, none is half."""
    rest = [step for step in ("order", "pick-up", "agree", "hold") if step != first]
    ledger = out.house.gateway.ledger
    for n, steps in enumerate(itertools.permutations(rest)):
        answer = await local(out, number=str(60 + n))
        item = await arrival(out, answer)
        held_before = False
        for step in (first, *steps):
            before = (await arrival(out, answer))["state"]
            await _step(out, step, answer, item)
            after = (await arrival(out, answer))["state"]
            assert not (held_before and before != "recalled" and after == "recalled"), steps
            held_before = held_before or step == "hold"
        await out.house.sweep()
        delivery = await out.delivery(answer, "H37.04")
        gone = (await arrival(out, answer))["state"] == "recalled"
        assert (delivery["state"] == "recalled") is gone, (first, steps)
        asked = await question(out, answer)
        assert (asked is not None and asked["state"] == "agreed") is gone
        (mine,) = await ledger.all("recall_of", delivery_id=delivery["id"]) or [None]
        assert mine is None or (mine["state"] == "agreed") is gone, (first, steps)
        told = await ledger.all("statuses_of_arrival", arrival_id=item["id"])
        assert [t["code"] for t in told].count("15") == int(gone)
        refs = await ledger.all("refs_named", names=json.dumps([item["received_sha256"]]))
        assert refs  # nothing is purged before its time


async def _step(out, step, answer, item):
    if step == "order":
        await recall(out, answer)
    elif step == "pick-up":
        await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    elif step == "agree":
        body = {"code": "15", "reason": ""}
        await out.house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
    else:
        await recalls(out).hold("received", item["id"], "thanh tra", by="hung")


# ---------------------------------------------------------------- what stays, what goes


async def test_what_was_given_back_goes_after_a_time_but_not_what_is_held(out):
    for number in ("41", "42"):
        await out.bring(packet(number, to=("H37.04",), sender="G09", document_id=f"G-{number}"))
        about = head(f"G-{number}", issuer="H37.04", code=f"{number}/SNV-VP")
        await out.bring(status(about, "13", sender="G09", description="nhầm"), "status")
    ledger, context = out.house.gateway.ledger, out.house.gateway.context
    one, two = [await out.house.row("arrival", id=i["id"]) for i in await out.arrivals()]
    await recalls(out).hold("received", two["id"], "đang điều tra", by="hung")
    purge = Retention(ledger, context.blobs, out.house.clock, context.ids, Ages(recalled=MONTH))
    assert (await purge.run())["recalled"].items == 0
    out.house.clock.move(2 * MONTH)
    assert (await purge.plan())["recalled"].items == 1
    assert (await purge.run())["recalled"].items == 1
    assert (await purge.run())["recalled"].items == 0
    refs = {}
    for row in (one, two):
        names = json.dumps([row["received_sha256"]])
        refs[row["id"]] = await ledger.all("refs_named", names=names)
    assert (refs[one["id"]], bool(refs[two["id"]])) == ([], True)
    gone = await out.house.row("arrival", id=one["id"])
    assert "subject" not in gone["envelope"]
    assert gone["code_number"] == "41"
    stays = await out.house.row("takeback_of", arrival_id=one["id"])
    assert (stays["sender"], stays["reason"], bool(stays["purged_at"])) == ("G09", "nhầm", True)
    with pytest.raises(RejectedError) as caught:
        await recalls(out).hold("received", one["id"], "muộn", by="hung")
    assert caught.value.reason is Reason.GONE


async def test_a_replacement_is_shown_at_both_documents_on_both_sides(out):
    old = await local(out, "H37.61")
    trace = (
        "<edXML:Bussiness><edXML:BussinessDocType>3</edXML:BussinessDocType>"
        "<edXML:BussinessDocReason>Sai phụ lục</edXML:BussinessDocReason>"
        "<edXML:ReplacementInfoList><edXML:ReplacementInfo>"
        f"<edXML:DocumentId>{old['document_id']}</edXML:DocumentId>"
        "</edXML:ReplacementInfo></edXML:ReplacementInfoList></edXML:Bussiness>"
    )
    code, new, _ = await out.house.send(packet("22", to=("H37.61",), trace=trace))
    assert code == 202, new
    await out.house.state(new["id"], "H37.61", "arrived")
    sent = await recalls(out).sent(old["id"])
    assert [(c.id, c.kind) for c in sent.changes] == [(new["id"], 3)]
    assert (await recalls(out).sent(new["id"])).changed == (old["document_id"],)
    first, second = await arrival(out, old), await arrival(out, new)
    came = await recalls(out).received(first["id"])
    assert [(c.id, c.kind) for c in came.changes] == [(second["id"], 3)]
    later = await recalls(out).received(second["id"])
    assert [c.id for c in later.changed] == [first["id"]]
    assert (came.takeback, later.changed_unknown) == (None, ())


# ---------------------------------------------------------------- at the same moment, and others


def _interrupted(out, monkeypatch, meanwhile):
    """Let something else happen between an order's look at the facts and its commit, once."""
    orders = out.house.gateway.recall_orders
    planned, left = orders._planned, [meanwhile]

    async def then(*facts):
        found = await planned(*facts)
        while left:
            await left.pop()()
        return found

    monkeypatch.setattr(orders, "_planned", then)


async def test_who_is_added_at_the_moment_of_the_order_is_asked_as_well(out, monkeypatch):
    answer = await out.send(to=("G09",))

    async def add():
        code, told, _ = await out.house.send(packet("12", to=("G09", "G12")))
        assert (code, told["id"]) == (202, answer["id"])

    _interrupted(out, monkeypatch, add)
    assert (await recall(out, answer))[0] == 200
    assert await states(out, answer) == {"G09": "asked", "G12": "not_needed"}
    assert (await out.delivery(answer, "G12"))["state"] == "cancelled"


async def test_the_button_pressed_twice_is_one_order(out, monkeypatch):
    answer = await out.send(to=("G09", "G12"))

    async def again():
        assert (await recall(out, answer))[0] == 200

    _interrupted(out, monkeypatch, again)
    _, told, _ = await recall(out, answer)
    (order,) = told["orders"]
    assert sorted(r["agency"] for r in order["recipients"]) == ["G09", "G12"]
    assert sorted(t.to for t in await out.flush() if t.code == "13") == ["G09", "G12"]
    acts = await out.house.gateway.ledger.all("acts_on", subject=f"document:{answer['id']}")
    assert [a["type"] for a in acts].count("recall-ordered") == 1


async def test_two_who_ask_at_one_instant_ask_once(out):
    answer = await out.send()
    mailroom, caller = out.house.gateway.mailroom, out.caller("snv")
    about = head(answer["document_id"], issuer="G09")
    asked = [_thirteen(about, "H37.02", why) for why in ("nhầm số", "nhầm ngày")]
    await asyncio.gather(
        *(mailroom.from_system(caller, one, str(n) * 64) for n, one in enumerate(asked))
    )
    delivery = await out.delivery(answer)
    (row,) = await out.house.gateway.ledger.all("recall_of", delivery_id=delivery["id"])
    assert row["state"] == "asked"
    (order,) = (await out.house.call("GET", f"/documents/{answer['id']}/recall"))[1]["orders"]
    assert order["reason"] in {"nhầm số", "nhầm ngày"}
    assert [t.code for t in await out.flush()] == ["13"]
    rows = (Insert("recall", row | {"id": "another"}),)  # evil twin: no program can make a second
    assert isinstance(await out.house.gateway.ledger.commit(ChangeSet(rows=rows)), Conflict)


@pytest.mark.parametrize("came", [True, False])
async def test_a_restored_gateway_withdraws_and_cancels_nothing_before_it_is_let_go(out, came):
    out.peer.plan.append(Busy("bận"))
    answer = await out.send(to=("G09", "H37.04"))
    await out.house.state(answer["id"], "H37.04", "handed_over")
    at = to_text(out.house.clock.now())
    rows = (Insert("meta", {"key": "lost_until", "value": at}),)
    await out.house.gateway.ledger.commit(ChangeSet(rows=rows))
    out.house.clock.move(timedelta(seconds=1))
    async with standing_still(out):  # what the backup shows as waiting may have gone since
        assert (await recall(out, answer))[0] == 200
        await out.house.sweep()
        assert await states(out, answer) == {"G09": "waiting", "H37.04": "asked"}
        assert (await arrival_at(out, answer, "H37.04"))["state"] == "offered"
    assert out.house.gateway.context.lost_until == from_text(at)
    await out.house.sweep()
    # Cancelled, and asked for: it may have left in the time that is lost.
    assert await states(out, answer) == {"G09": "asked", "H37.04": "agreed"}
    assert (await out.delivery(answer, "G09"))["state"] == "cancelled"
    assert [(t.code, t.to) for t in await out.flush()] == [("13", "G09")]
    if came:
        await tell(out, answer, "15", "đã hủy")
        assert await states(out, answer) == {"G09": "agreed", "H37.04": "agreed"}
        assert (await out.delivery(answer, "G09"))["state"] == "recalled"
    else:
        await tell(out, answer, "16", "không có văn bản này")
        assert await states(out, answer) == {"G09": "declined", "H37.04": "agreed"}
        assert (await out.delivery(answer, "G09"))["state"] == "cancelled"
    # Evil twin: what was handed in since is simply cancelled.
    out.peer.plan.append(Busy("bận"))
    later = await out.send("77")
    await recall(out, later)
    assert await states(out, later) == {"G09": "not_needed"}
    assert await out.flush() == []


@asynccontextmanager
async def standing_still(out):
    """Let the gateway be one restored from a backup; its own clock watch sees it."""
    context = out.house.gateway.context

    async def told(value):
        key = {"key": "restored"}
        rows = (Insert("meta", key | {"value": ""}, ignore=True), Update("meta", key, value))
        await context.ledger.commit(ChangeSet(rows=rows))

        async def seen():
            return context.restored is bool(value["value"])

        await out.house.until(seen)

    made_at = (out.house.clock.now() - timedelta(hours=1)).isoformat()
    await told({"value": json.dumps({"made_at": made_at})})
    yield
    await told({"value": ""})


async def arrival_at(out, answer, agency):
    rows = await out.house.gateway.ledger.all("deliveries", consignment_id=answer["id"])
    (delivery,) = [d for d in rows if d["agency"] == agency]
    return await out.house.row("arrival_of_delivery", delivery_id=delivery["id"])


# ---------------------------------------------------------------- updates and replacements


UPDATE = (
    "<edXML:Bussiness><edXML:BussinessDocType>2</edXML:BussinessDocType>"
    "<edXML:BussinessDocReason>Sửa</edXML:BussinessDocReason>"
    "<edXML:DocumentId>{}</edXML:DocumentId></edXML:Bussiness>"
)


async def test_agreeing_to_an_update_of_what_never_came_takes_nothing_back(out):
    data = packet(
        "8", to=("H37.04",), sender="G09", document_id="G09-8", trace=UPDATE.format("G09-CŨ")
    )
    await out.bring(data)
    (item,) = await out.arrivals()
    code, after, _ = await out.house.call(
        "POST", f"/inbox/{item['id']}/status", "stc", json={"code": "15", "reason": ""}
    )
    assert (code, after["state"]) == (200, "offered")
    ledger = out.house.gateway.ledger
    assert await ledger.one("takeback_of", arrival_id=item["id"]) is None  # nothing will be purged
    assert [(t.code, t.document_id) for t in await out.flush()] == [("15", "G09-8")]


@pytest.mark.parametrize("held", [False, True])
async def test_from_outside_all_versions_go_or_none(out, held):
    first = packet("7", to=("H37.61",), sender="G09", document_id="G09-7")
    await out.bring(first)
    (row,) = await out.house.gateway.ledger.all(
        "desk_newest_first", agency="H37.61", state="taken", id="~", limit=2
    )
    await out.house.gateway.mailroom.on_arrival(row["id"], "03", "")
    update = {"subject": "Bản sửa", "trace": UPDATE.format("G09-7")}
    await out.bring(packet("7", to=("H37.61",), sender="G09", document_id="G09-7", **update))
    if held:
        await recalls(out).hold("received", row["id"], "đang thanh tra", by="hung")
    await out.flush()
    about = head("G09-7", issuer="H37.61", code="7/SNV-VP")
    await out.bring(status(about, "13", sender="G09", description="gửi nhầm"), "status")
    asked = await out.house.gateway.ledger.all(
        "takebacks", agency="H37.61", state="declined" if held else "asked", before="~", limit=5
    )
    assert len(asked) == 1
    if not held:
        await recalls(out).agree(asked[0]["id"], "đã hủy", by="lan")
    states = {
        state: await out.house.gateway.ledger.all(
            "desk_newest_first", agency="H37.61", state=state, id="~", limit=5
        )
        for state in ("taken", "accepted", "recalled")
    }
    counts = {state: len(rows) for state, rows in states.items()}
    kept, gone = {"taken": 1, "accepted": 1, "recalled": 0}, {"taken": 0, "accepted": 0}
    assert counts == (kept if held else gone | {"recalled": 2})
    # One question, one answer, however many versions there were.
    assert [t.code for t in await out.flush()] == (["16"] if held else ["15"])


async def test_an_earlier_version_that_was_fetched_is_not_said_to_be_withdrawn(out):
    await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7"))
    (item,) = await out.arrivals()
    await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    update = {"subject": "Bản sửa", "trace": UPDATE.format("G09-7")}
    await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7", **update))
    await out.flush()
    about = head("G09-7", issuer="H37.04", code="7/SNV-VP")
    await out.bring(status(about, "13", sender="G09", description="gửi nhầm"), "status")
    assert await out.flush() == []  # its own system has one of them: it decides
    assert [c for c, _, _ in await out.waiting("stc")] == ["13"]


@pytest.mark.parametrize("held", [False, True])
async def test_the_newest_went_back_the_one_before_it_decides_for_itself(out, held):
    """REC-08: 15 is not said of what was fetched, or is kept, because the other was returned."""
    for again in ({}, {"subject": "Bản sửa", "trace": UPDATE.format("G09-7")}):
        await out.bring(packet("7", to=("H37.04",), sender="G09", document_id="G09-7", **again))
    found = await out.arrivals()
    for item in found:
        await out.house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    first, newest = sorted(item["id"] for item in found)
    await out.house.gateway.mailroom.on_arrival(newest, "02", "trùng")
    if held:
        await recalls(out).hold("received", first, "đang thanh tra", by="hung")
    await out.flush()
    asked = status(head("G09-7", issuer="H37.04", code="7/SNV-VP"), "13", sender="G09")
    await out.bring(asked, "status")
    row = await out.house.row("takeback_of", arrival_id=first)
    assert row["state"] == ("declined" if held else "asked")
    assert [t.code for t in await out.flush()] == (["16"] if held else [])
    assert (await out.house.row("arrival", id=first))["state"] == "taken"
    assert await out.house.row("takeback_of", arrival_id=newest) is None


async def test_an_update_is_taken_back_like_any_document(out):
    old = await local(out)
    code, new, _ = await out.house.send(
        packet("22", to=("H37.04",), trace=UPDATE.format(old["document_id"]))
    )
    assert code == 202, new
    await out.house.state(new["id"], "H37.04", "handed_over")
    await recall(out, new)
    assert (await arrival(out, new))["state"] == "recalled"
    assert (await question(out, new))["state"] == "agreed"
    assert (await arrival(out, old))["state"] == "offered"
    assert await states(out, new) == {"H37.04": "agreed"}
    assert (await out.delivery(new, "H37.04"))["state"] == "recalled"


# ---------------------------------------------------------------- pages


CLERK = Person("a-lan", "lan", "Lan", (Grant(Role.CLERK, "H37.61"), Grant(Role.CLERK, "H37.02")))
LEADER = Person("a-hung", "hung", "Hùng", (Grant(Role.LEADER, "H37.61"),))
OTHER = Person("a-mai", "mai", "Mai", (Grant(Role.CLERK, "H37.04"),))


async def test_the_pages(out):
    from gateway.console.sections import recalling
    from tests.world.console import FakeTrail, console_site

    trail = FakeTrail()
    section = recalling.section(recalls(out), trail, lambda code: code)
    answer = await local(out, "H37.61")
    path = f"/outgoing/{answer['id']}/recall"
    async with console_site(section, trail=trail) as site:
        clerk, leader = await site.visitor(CLERK), await site.visitor(LEADER)
        assert "hình thức tương đương" in (await clerk.get(path)).words  # REC-04
        assert ("a-lan", f"document:{answer['id']}", "recall") in trail.views
        bad = await clerk.post(path, {"scope": "some"})
        assert bad.status == 422
        assert "Chọn ít nhất một nơi nhận" in bad.words
        assert (await (await site.visitor(OTHER)).get(path)).status == 404
        assert [tried[1:] for tried in site.trail.refusals] == [("recall-form", "GET")]
        done = await clerk.post(path, {"scope": "whole", "reason": "Sai <b>số</b>", "sure": "1"})
        assert (done.status, done.location) == (303, f"/console{path}")
        shown = await clerk.get(path)
        assert "yêu cầu lấy lại" in shown.words
        assert "Sai &lt;b&gt;số" in shown.text
        listed = await clerk.get("/recalls?agency=H37.02")
        assert answer["document_id"] in listed.words
        row = await question(out, answer)
        item = await arrival(out, answer)
        assert "Sai <b>" in (await clerk.get("/recalls?agency=H37.61&side=asked")).words
        page = await leader.get(f"/recalls/{row['id']}")
        assert "Đồng ý, hủy văn bản" in page.words
        # Held, so that agreeing is refused; lifted, so that it is done.
        await leader.get(f"/incoming/{item['id']}/recall")
        hold = f"/incoming/{item['id']}/hold"
        assert (await leader.post(hold, {"reason": "thanh tra"})).status == 303
        assert (await clerk.post(hold, {"reason": "x"})).status == 403
        assert (await clerk.post(f"/recalls/{row['id']}/agree", {})).status == 409
        assert (await clerk.post(f"/recalls/{row['id']}/decline", {})).status == 303
        assert (await leader.post(f"{hold}/lift", {"reason": "xong"})).status == 303
        assert (await clerk.post(f"/recalls/{row['id']}/agree", {"note": "hủy"})).status == 303
        assert "lấy lại thành công" in (await clerk.get(f"/recalls/{row['id']}")).words
        assert "Đã yêu cầu thu hồi toàn bộ" in (await clerk.get(path)).words
