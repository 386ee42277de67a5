"""Repeat, further recipients, resend, conflict, update, duplicates (issue: part 4; DID-07, REC-*)."""

import asyncio
import base64
import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ports import AgencyRecord
from tests.world.gatehouse import House, gatehouse, packet
from tests.world.submitting import count, deliveries, faults, put_agency, rows

DAY = datetime.now(UTC).strftime("%Y/%m/%d")


def business(kind: int, document_id: str = "", reason: str = "sửa nội dung") -> str:
    """Return a Bussiness block; the double s is real."""
    named = f"<edXML:DocumentId>{document_id}</edXML:DocumentId>" if document_id else ""
    return (
        f"<edXML:Bussiness>{named}<edXML:BussinessDocType>{kind}</edXML:BussinessDocType>"
        f"<edXML:BussinessDocReason>{reason}</edXML:BussinessDocReason></edXML:Bussiness>"
    )


def _zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ghi-chu.txt", data)
    return out.getvalue()


def _axis_form(data: bytes) -> bytes:
    """Return the same document as the axis writes it anew: order, defaults, trace, zip, types."""
    text = data.decode()
    trace = (
        f"<edXML:TraceHeader><edXML:OrganId>000.00.00.G22</edXML:OrganId>"
        f"<edXML:Timestamp>{DAY} 09:30:00</edXML:Timestamp></edXML:TraceHeader>"
    )
    text = text.replace("</edXML:TraceHeaderList>", trace + "</edXML:TraceHeaderList>")
    subject = re.search("<edXML:Subject>.*?</edXML:Subject>", text, re.DOTALL)
    assert subject is not None
    text = text.replace(subject[0], "").replace("<edXML:Code>", subject[0] + "<edXML:Code>")
    defaults = (
        "<edXML:SphereOfPromulgation></edXML:SphereOfPromulgation>"
        "<edXML:PromulgationAmount>1</edXML:PromulgationAmount><edXML:PageAmount>1</edXML:PageAmount>"
        "<edXML:Direction>false</edXML:Direction>"
    )
    text = text.replace("</edXML:OtherInfo>", defaults + "</edXML:OtherInfo>")
    text = text.replace(
        "</edXML:MessageHeader>", "<edXML:SteeringType>0</edXML:SteeringType></edXML:MessageHeader>"
    )
    plain = base64.b64encode(b"xin chao").decode()
    text = text.replace(plain, base64.b64encode(_zipped(b"xin chao")).decode())
    text = text.replace("application/octet-stream", "application/zip")
    return text.replace("\n", "\r\n  ").encode()


async def test_the_axis_wrote_it_anew(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        data = packet("12")
        assert _axis_form(data) != data
        _, first, _ = await house.send(data)
        status, again, headers = await house.send(_axis_form(data))
        assert (status, again) == (202, first)
        assert headers["Idempotent-Replayed"] == "true"
        # its evil twin: one other byte in the file
        other = packet("12", files=(("ghi-chu.txt", b"xin chaO"),))
        status, problem, _ = await house.send(_axis_form(other))
        assert (status, problem["reason"]) == (409, "conflict")


async def test_old_and_new_code_of_the_sender_are_one_sender(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await house.send(packet("12", document_id="VB-12"))
        for written in ("000.00.02.H37", "h37.02"):
            status, again, _ = await house.send(packet("12", document_id="VB-12", sender=written))
            assert (status, again) == (202, first)
        assert count(house, "consignment") == 1


async def test_further_recipients_get_new_deliveries_only(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await house.send(packet("12", to=("H37.04",)))
        await house.inbox("stc")
        # addressed under the old code of one who has it already, and one new
        status, more, _ = await house.send(packet("12", to=("000.00.04.H37", "H37.61")))
        assert status == 202
        assert deliveries(more) == {"H37.04": "pending", "H37.61": "pending"}
        (item,) = await house.inbox("other")
        _, xml, _ = await house.call("GET", f"/inbox/{item['id']}/edxml", "other")
        assert b"<edXML:OrganId>H37.61</edXML:OrganId>" in xml
        assert item["document_id"] == first["document_id"]
        assert len((await house.call("GET", "/inbox", "stc"))[1]["items"]) == 1
        document = await house.document(first["id"])
        assert [d["agency"] for d in document["deliveries"]] == ["H37.04", "H37.61"]
        assert [r["organ_id"] for r in document["header"]["recipients"]] == ["H37.04", "H37.61"]
        assert [c["last"] for c in rows(house, "SELECT last FROM counter")] == [1]


async def test_the_axis_gets_a_later_recipient_alone(tmp_path: Path) -> None:
    """An axis that goes by To alone must not give the earlier recipient the document twice."""
    async with gatehouse(tmp_path, axis=True) as house:
        await put_agency(house, AgencyRecord("G22", "Văn phòng Chính phủ", connected="truc"))
        _, first, _ = await house.send(packet("12", to=("H37.04", "G09")))
        await house.state(first["id"], "G09", "handed_over")
        status, second, _ = await house.send(packet("12", to=("G09", "G22", "H37.61")))
        assert status == 202
        assert list(deliveries(second)) == ["H37.04", "G09", "G22", "H37.61"]

        async def parcels() -> list[list[str]] | None:
            found = rows(
                house, "SELECT parcel_sha256 AS p FROM transfer WHERE hop = 'truc' ORDER BY id"
            )
            names = [r["p"] for r in found]
            return [_to_of(house, name) for name in names] if all(names) else None

        assert await house.until(parcels) == [["H37.04", "G09"], ["G22", "H37.61"]]


def _to_of(house: House, name: str) -> list[str]:
    xml = b"".join(house.gateway.blobs.chunks(name)).decode()
    return re.findall(r"<edXML:To>\s*<edXML:OrganId>(.*?)</edXML:OrganId>", xml)


async def test_other_content_is_a_conflict(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        await house.send(packet("12", document_id="VB-12"))
        status, problem, _ = await house.send(packet("12", document_id="VB-12", subject="Khác"))
        assert (status, problem["reason"]) == (409, "conflict")
        (finding,) = [f for f in problem["findings"] if f["severity"] == "error"]
        assert (finding["rule"], finding["refusal"]) == ("DID-07", "R10")
        assert finding["where"].endswith("/MessageHeader/DocumentId")
        assert "VB-12" in finding["vi"]
        assert "VB-12" in finding["en"]
        assert count(house, "consignment") == 1
        # and it is told together with whatever else is wrong
        status, problem, _ = await house.send(packet("12", document_id="VB-12", subject=""))
        assert status == 409
        assert {rule for rule, _ in faults(problem)} == {"DID-07", "MD-01"}


async def _return(house: House, system: str) -> None:
    (item, *_) = await house.inbox(system)
    await house.call("POST", f"/inbox/{item['id']}/confirm", system)
    body = {"code": "02", "reason": "Gửi nhầm nơi nhận"}
    status, _, _ = await house.call("POST", f"/inbox/{item['id']}/status", system, json=body)
    assert status == 200


async def test_resend_after_a_return_is_version_2(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await house.send(packet("12", to=("H37.04", "H37.61"), document_id="VB-12"))
        await _return(house, "stc")
        await house.state(first["id"], "H37.04", "returned")
        new = {"document_id": "VB-12", "subject": "V/v thử nghiệm (sửa)"}
        # not to the one who kept it
        status, _, _ = await house.send(packet("12", to=("H37.04", "H37.61"), **new))
        assert status == 409
        status, second, _ = await house.send(packet("12", to=("H37.04",), **new))
        assert status == 202, second
        assert (second["version"], second["document_id"]) == (2, "VB-12")
        assert second["id"] != first["id"]
        # one document, one number
        assert second["issue_ordinal"] == first["issue_ordinal"] == 1
        items = await house.inbox("stc", 2)
        assert [(i["document_id"], i["version"]) for i in items] == [("VB-12", 1), ("VB-12", 2)]
        assert [c["last"] for c in rows(house, "SELECT last FROM counter")] == [1]
        # the repeat of either version gets its own answer
        status, again, _ = await house.send(packet("12", to=("H37.04",), **new))
        assert (status, again) == (202, second)
        status, again, _ = await house.send(
            packet("12", to=("H37.04", "H37.61"), document_id="VB-12")
        )
        assert (status, again) == (202, first)


@pytest.mark.parametrize("state", ["failed", "cancelled", "not_connected"])
async def test_resend_after_failure_or_cancellation(tmp_path: Path, state: str) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await house.send(packet("12", document_id="VB-12"))
        await house.state(first["id"], "H37.04", "handed_over")
        await house.gateway.ledger.commit(_forced(first["id"], state))
        status, second, _ = await house.send(packet("12", document_id="VB-12", subject="Sửa"))
        assert (status, second["version"]) == (202, 2)


def _forced(consignment_id: str, state: str):
    from gateway.ports import ChangeSet, Update

    return ChangeSet((Update("delivery", {"consignment_id": consignment_id}, {"state": state}),))


async def test_resend_after_a_recall_under_the_same_identifier(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await house.send(packet("12", document_id="VB-12"))
        await house.state(first["id"], "H37.04", "handed_over")
        recall = packet("12", document_id="VB-12", trace=business(1, "VB-12", "gửi nhầm"))
        status, asked, _ = await house.send(recall)
        assert (status, asked["version"]) == (202, 2)
        await house.state(asked["id"], "H37.04", "handed_over")
        new = packet("12", document_id="VB-12", subject="Bản đúng")
        status, problem, _ = await house.send(new)
        assert (status, problem["reason"]) == (409, "conflict")  # nobody agreed yet
        await house.gateway.ledger.commit(_forced(first["id"], "recalled"))
        status, third, _ = await house.send(new)
        assert (status, third["version"]) == (202, 3)


@pytest.mark.parametrize("kind", [2, 3])
async def test_an_update_passes_with_the_next_version(tmp_path: Path, kind: int) -> None:
    async with gatehouse(tmp_path) as house:
        await house.send(packet("12", document_id="VB-12"))
        changed = packet(
            "12", document_id="VB-12", subject="Bản sửa", trace=business(kind, "VB-12")
        )
        status, second, _ = await house.send(changed)
        assert (status, second["version"]) == (202, 2), second
        status, again, headers = await house.send(changed)
        assert (status, again, headers["Idempotent-Replayed"]) == (202, second, "true")
        document = await house.document(second["id"])
        assert document["business_type"] == kind
        items = await house.inbox("stc", 2)
        assert [i["business_type"] for i in items] == [0, kind]


async def test_update_of_what_nobody_knows_or_another_sent(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        status, problem, _ = await house.send(packet("12", trace=business(2, "VB-KHAC")))
        assert status == 422
        assert {rule for rule, _ in faults(problem)} == {"REC-05"}
        await house.send(packet("5", sender="H37.04", to=("H37.61",), document_id="CUA-STC"), "stc")
        status, problem, _ = await house.send(packet("12", trace=business(3, "CUA-STC")))
        assert status == 422
        assert {rule for rule, _ in faults(problem)} == {"REC-06"}
        assert count(house, "consignment") == 1


async def test_a_suspected_duplicate_is_a_warning(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await house.send(packet("12", document_id="VB-A"))
        status, second, _ = await house.send(packet("12", document_id="VB-B"))
        assert status == 202
        assert second["id"] != first["id"]
        (warning,) = [f for f in second["findings"] if f["rule"] == "DID-07"]
        assert warning["severity"] == "warning"
        assert "VB-A" in warning["vi"]
        assert "VB-A" in warning["en"]
        # the recipient sees it too, and gets both: never a silent merge
        items = await house.inbox("stc", 2)
        assert [any(f["rule"] == "DID-07" for f in i["findings"]) for i in items] == [False, True]
        # another main file: no suspicion
        _, third, _ = await house.send(
            packet("12", document_id="VB-C", files=(("k.txt", b"khac"),))
        )
        assert not [f for f in third["findings"] if f["rule"] == "DID-07"]


async def test_duplicates_are_sought_among_predecessors(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        old = AgencyRecord("H37.50", "Cơ quan cũ", connected="local")
        await put_agency(house, old)
        await _speak(house, "H37.50")
        _, first, _ = await house.send(packet("12", sender="H37.50", document_id="VB-A"))
        await _close(house, "H37.50", "H37.02")
        # same identifier under the successor: not a repeat of another agency's, but named
        status, second, _ = await house.send(packet("12", document_id="VB-A"))
        assert status == 202, second
        assert second["id"] != first["id"]
        (warning,) = [f for f in second["findings"] if f["rule"] == "DID-07"]
        assert "VB-A" in warning["en"]
        assert "the same identifier" in warning["en"]
        # same number, date and file under another identifier
        _, third, _ = await house.send(packet("12", document_id="VB-Z"))
        assert "VB-A" in next(f["en"] for f in third["findings"] if f["rule"] == "DID-07")


async def _speak(house: House, code: str) -> None:
    from gateway.ports import ChangeSet, Insert

    row = Insert("system_agency", {"system_id": "snv", "agency": code})
    await house.gateway.ledger.commit(ChangeSet((row,)))
    callers = house.gateway.callers
    await _touch(house)

    async def seen() -> bool:
        caller = callers.by_api_key(house.systems["snv"].key)
        return caller is not None and code in caller.speaks_for

    await house.until(seen)


async def _touch(house: House) -> None:
    from gateway.ports import ChangeSet, Insert, Update

    rows_ = (
        Insert("meta", {"key": "registry_version", "value": ""}, ignore=True),
        Update("meta", {"key": "registry_version"}, {"value": f"v{datetime.now(UTC)}"}),
    )
    await house.gateway.ledger.commit(ChangeSet(rows_))


async def _close(house: House, code: str, successor: str) -> None:
    from tests.world.submitting import admin

    store = admin(house)
    try:
        store.set_agency_status(code, "closed", successor=successor, reason="sáp nhập", by="test")
    finally:
        store.close()

    async def seen() -> bool:
        found = house.gateway.catalogue.directory().get(code)
        return found is not None and found.successor == successor

    await house.until(seen)


async def test_parallel_recipients_and_contents(tmp_path: Path) -> None:
    """Many submissions of one identifier at once: one document, every recipient once."""
    async with gatehouse(tmp_path) as house:
        codes = ("H37.04", "H37.61", "H37.99", "X99.1")
        answers = await asyncio.gather(
            *(house.send(packet("12", to=(code,), document_id="VB-12")) for code in codes * 3),
            house.send(packet("12", to=("H37.04",), document_id="VB-12", subject="Khác")),
        )
        statuses = [status for status, _, _ in answers]
        agencies = [r["agency"] for r in rows(house, "SELECT agency FROM delivery")]
        assert count(house, "consignment") == 1
        if statuses.pop() == 409:
            assert set(statuses) == {202}
            assert sorted(agencies) == sorted(codes)
        else:  # the other content came first
            assert set(statuses) == {409}
            assert agencies == ["H37.04"]
