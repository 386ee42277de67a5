"""Form submissions: same rules, same repeats, nothing lost on the way to the recipient.

Issue part 8 (`metadata` JSON, then `file`…, main document first) and part 2 (SteeringType, DueDate,
every ResponseFor, task codes and unknown elements survive and appear in the API).
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.world.gatehouse import gatehouse, packet
from tests.world.submitting import count, deliveries, faults, form, rows, send_form

METADATA: dict[str, Any] = {
    "sender": {"organ_id": "H37.02", "organ_name": "Sở Nội vụ"},
    "recipients": ["H37.04", {"organ_id": "H37.61", "organ_name": "UBND phường"}],
    "code_number": "12",
    "code_notation": "SNV-VP",
    "place": "Lạng Sơn",
    "promulgation_date": "2026-11-20",
    "type_code": 2,
    "type_name": "Công văn",
    "subject": "Về việc báo cáo",
    "content": "Tóm tắt",
    "signer": {"competence": "TM.", "position": "Giám đốc", "full_name": "Nguyễn Văn An"},
    "due_date": "2026-12-24",
    "urgency": "hỏa tốc",
    "steering_type": 1,
    "task_codes": ["NV-01", "NV-02"],
    "response_for": [
        {
            "organ_id": "G09",
            "code": "1/BNV",
            "document_id": "BNV-1",
            "promulgation_date": "2026-10-01",
        },
        {"organ_id": "G22", "code": "2/VPCP", "document_id": "VPCP-2"},
    ],
    "appendixes": ["Phụ lục I", "Phụ lục II"],
    "to_places": ["Như trên", "Lưu: VT"],
}
FILES = [
    ("Công văn số 12 – gửi.txt", "nội dung chính".encode()),
    ("phụ lục 1.csv", b"a,b\n1,2\n"),
    ("ảnh.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40),
]


async def test_everything_reaches_the_recipient(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        status, answer, _ = await send_form(house, form(METADATA, FILES))
        assert status == 202, answer
        assert deliveries(answer) == {"H37.04": "pending", "H37.61": "pending"}
        assert answer["document_id"] == "H37.02,2026/11/20,12/SNV-VP"
        (item,) = await house.inbox("stc")
        _, arrival, _ = await house.call("GET", f"/inbox/{item['id']}", "stc")
        assert [(a["index"], a["name"]) for a in arrival["attachments"]] == [
            (n, name) for n, (name, _) in enumerate(FILES)
        ]
        for n, (_, content) in enumerate(FILES):
            _, data, _ = await house.call("GET", f"/inbox/{item['id']}/attachments/{n}", "stc")
            assert data == content
            assert arrival["attachments"][n]["sha256"] == hashlib.sha256(content).hexdigest()
        header = arrival["header"]
        assert arrival["urgency"] == 3
        for name in (
            "steering_type",
            "due_date",
            "task_codes",
            "appendixes",
            "to_places",
            "content",
        ):
            assert header[name] == METADATA[name]
        assert [r["document_id"] for r in header["response_for"]] == ["BNV-1", "VPCP-2"]
        assert header["signer"] == METADATA["signer"]
        _, xml, _ = await house.call("GET", f"/inbox/{item['id']}/edxml", "stc")
        for text in (
            "<edXML:SteeringType>1</edXML:SteeringType>",
            "<edXML:DueDate>2026/12/24</edXML:DueDate>",
            "BNV-1",
            "VPCP-2",
            "NV-01",
            "NV-02",
            FILES[0][0],
        ):
            assert text.encode() in xml, text


async def test_what_edxml_carries_survives_too(tmp_path: Path) -> None:
    more = (
        "<edXML:ResponseFor><edXML:OrganId>G09</edXML:OrganId><edXML:Code>1/BNV</edXML:Code>"
        "<edXML:DocumentId>BNV-1</edXML:DocumentId></edXML:ResponseFor>"
        "<edXML:ResponseFor><edXML:OrganId>G22</edXML:OrganId><edXML:Code>2/VPCP</edXML:Code>"
        "<edXML:DocumentId>VPCP-2</edXML:DocumentId></edXML:ResponseFor>"
        "<edXML:SteeringType>2</edXML:SteeringType>"
        "<edXML:ResponseForTask><edXML:TaskCode>NV-9</edXML:TaskCode></edXML:ResponseForTask>"
        "<edXML:MaHoSoRieng>HS-77</edXML:MaHoSoRieng>"
    )
    async with gatehouse(tmp_path) as house:
        data = packet("12", more=more).replace(
            b"<edXML:OtherInfo>", b"<edXML:DueDate>2026/12/24</edXML:DueDate><edXML:OtherInfo>"
        )
        status, answer, _ = await house.send(data)
        assert status == 202, answer
        (item,) = await house.inbox("stc")
        header = (await house.call("GET", f"/inbox/{item['id']}", "stc"))[1]["header"]
        assert (header["steering_type"], header["due_date"]) == (2, "2026-12-24")
        assert [r["code"] for r in header["response_for"]] == ["1/BNV", "2/VPCP"]
        assert header["task_codes"] == ["NV-9"]
        assert "HS-77" in str(header["extras"])
        _, xml, _ = await house.call("GET", f"/inbox/{item['id']}/edxml", "stc")
        assert b"HS-77" in xml
        _, raw, _ = await house.call("GET", f"/inbox/{item['id']}/edxml?form=received", "stc")
        assert raw == data


async def test_another_boundary_is_the_same_form(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, first, _ = await send_form(house, form(METADATA, FILES), key="k")
        for key in ("k", ""):
            status, again, headers = await send_form(
                house, form(METADATA, FILES, boundary="khac"), key=key
            )
            assert (status, again, headers["Idempotent-Replayed"]) == (202, first, "true")
        # the same key: another file, another name, another order are other bodies
        for files in (FILES[:2], FILES[::-1], [("khác.txt", FILES[0][1]), *FILES[1:]]):
            status, problem, _ = await send_form(house, form(METADATA, files), key="k")
            assert (status, problem["reason"]) == (422, "idempotency-reused")
        status, problem, _ = await send_form(
            house, form(METADATA | {"content": "x"}, FILES), key="k"
        )
        assert (status, problem["reason"]) == (422, "idempotency-reused")
        assert count(house, "consignment") == 1


async def test_the_same_document_as_form_and_as_packet(tmp_path: Path) -> None:
    """One document, whichever way it comes in: content is compared, not bytes."""
    async with gatehouse(tmp_path) as house:
        _, first, _ = await send_form(house, form(METADATA, FILES))
        (item,) = await house.inbox("stc")
        _, xml, _ = await house.call("GET", f"/inbox/{item['id']}/edxml", "stc")
        status, again, headers = await house.send(xml)
        assert (status, again, headers.get("Idempotent-Replayed")) == (202, first, "true")


async def test_a_form_may_ask_for_all_or_nothing(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        body, headers = form(METADATA | {"recipients": ["H37.04", "X99"]}, FILES)
        path = "/documents?all_or_nothing=true"
        status, problem, _ = await house.call("POST", path, data=body, headers=headers)
        assert status == 422
        assert {rule for rule, _ in faults(problem)} == {"ID-09"}
        assert count(house, "consignment") == 0


@pytest.mark.parametrize("written", ["  ", " VB-12 "])
async def test_blanks_around_an_identifier(tmp_path: Path, written: str) -> None:
    """They do not survive edXML, so everyone compares and shows the identifier without them."""
    async with gatehouse(tmp_path) as house:
        metadata = METADATA | {"document_id": written}
        status, answer, _ = await send_form(house, form(metadata, FILES))
        assert status == 202
        wanted = written.strip() or "H37.02,2026/11/20,12/SNV-VP"
        assert answer["document_id"] == wanted
        (item,) = await house.inbox("stc")
        assert item["document_id"] == wanted


async def test_what_no_identifier_can_be_made_of(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        long = METADATA | {"code_notation": "X" * 190, "code_number": " "}
        status, problem, _ = await send_form(house, form(long, FILES))
        assert status == 422
        assert "MD-01" in {rule for rule, _ in faults(problem)}
        status, problem, _ = await send_form(house, form(long | {"code_number": "12"}, FILES))
        assert status == 422
        assert {rule for rule, _ in faults(problem)} == {"DID-01"}
        assert rows(house, "SELECT * FROM consignment") == []
