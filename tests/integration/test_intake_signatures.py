"""What signatures make of a submission (issue part 4, last point; SIG-01, SIG-02, SIG-42, SIG-49)."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.gatehouse import House, gatehouse, packet
from tests.world.signed_files import flipped, letter, once, overlaid, pki, trust_of, twice
from tests.world.submitting import faults, nothing_left, rows

FILE = "/edXML/AttachmentEncoded/Attachment[1]"


def _trusted(folder: Path) -> Path:
    source, target = trust_of(pki()), folder / "trust"
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return folder


async def _submit(house: House, pdf: bytes, **more: Any) -> tuple[int, Any]:
    status, answer, _ = await house.send(packet("123", files=(("van-ban.pdf", pdf),), **more))
    return status, answer


async def test_signed_by_person_and_agency(tmp_path: Path) -> None:
    async with gatehouse(_trusted(tmp_path)) as house:
        status, answer = await _submit(house, twice())
        assert (status, answer["verification"]) == (202, "valid"), answer
        assert not [f for f in answer["findings"] if f["rule"].startswith("SIG-")]
        document = await house.document(answer["id"])
        assert document["legal_class"] == "original"
        (item,) = await house.inbox("stc")
        assert (item["verification"], item["legal_class"]) == ("valid", "original")
        _, said, _ = await house.call("GET", f"/documents/{answer['id']}/verification")
        (file,) = said["files"]
        assert [s["role"] for s in file["report"]["signatures"]] == ["person", "organization"]
        # the gateway never signs an agency's document: what leaves is what came
        _, data, _ = await house.call("GET", f"/inbox/{item['id']}/attachments/0", "stc")
        assert data == twice()


@pytest.mark.parametrize("tamper", [flipped, overlaid], ids=["byte", "overlay"])
async def test_tampered_is_refused(tmp_path: Path, tamper: Any) -> None:
    async with gatehouse(_trusted(tmp_path)) as house:
        status, problem = await _submit(house, tamper(twice()))
        assert (status, problem["reason"]) == (422, "signature-invalid")
        assert ("SIG-49", FILE) in faults(problem)
        assert all(f["vi"] != f["en"] for f in problem["findings"])
        assert nothing_left(house)


async def test_tampered_is_told_with_everything_else(tmp_path: Path) -> None:
    async with gatehouse(_trusted(tmp_path)) as house:
        status, problem = await _submit(house, flipped(twice()), subject="")
        assert (status, problem["reason"]) == (422, "rules-broken")
        assert {rule for rule, _ in faults(problem)} >= {"SIG-49", "MD-01"}


async def test_tampered_may_be_flagged_instead(tmp_path: Path) -> None:
    async with gatehouse(
        _trusted(tmp_path), extra='[policy]\noutgoing_invalid = "flag"\n'
    ) as house:
        status, answer = await _submit(house, flipped(twice()))
        assert (status, answer["verification"]) == (202, "invalid")
        assert ("SIG-49", FILE) in faults(answer, "warning")
        assert rows(house, "SELECT legal_class FROM consignment")[0]["legal_class"] == "invalid"


UNSIGNED = (letter, "unsigned", "unsigned")
UNKNOWN = (twice, "indeterminate", "undetermined")  # signers nobody told the gateway to trust
ONLY_PERSON = (once, "valid", "reference")


@pytest.mark.parametrize("case", [UNSIGNED, UNKNOWN, ONLY_PERSON], ids=lambda c: c[1])
async def test_the_rest_passes_flagged(tmp_path: Path, case: Any) -> None:
    make, verdict, legal_class = case
    folder = tmp_path if case is UNKNOWN else _trusted(tmp_path)
    async with gatehouse(folder) as house:
        status, answer = await _submit(house, make())
        assert (status, answer["verification"]) == (202, verdict), answer
        said = faults(answer, "warning")
        assert any(rule.startswith("SIG-") and where == FILE for rule, where in said)
        assert (await house.document(answer["id"]))["legal_class"] == legal_class
        (item,) = await house.inbox("stc")
        assert item["legal_class"] == legal_class


@pytest.mark.parametrize(
    ("switch", "make", "trusted"),
    [("outgoing_unsigned", letter, True), ("outgoing_indeterminate", twice, False)],
)
async def test_a_stricter_policy(tmp_path: Path, switch: str, make: Any, trusted: bool) -> None:
    folder = _trusted(tmp_path) if trusted else tmp_path
    async with gatehouse(folder, extra=f'[policy]\n{switch} = "refuse"\n') as house:
        status, problem = await _submit(house, make())
        assert (status, problem["reason"]) == (422, "signature-invalid")
        assert {rule for rule, _ in faults(problem)} == {"SIG-02"}
        assert nothing_left(house)
