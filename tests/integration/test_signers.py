"""Who signed beside who the message names, through a whole gateway (SIG-51, G8, SIG-60, SIG-07)."""

import hashlib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo.letters import sign_once
from tests.world.gatehouse import House, gatehouse, packet
from tests.world.outside import outside, silenced
from tests.world.signed_files import NOW, letter, pki, trust_of, twice
from tests.world.submitting import faults, rows

POLICY = 'name = "Thử"\ndated = 2026-11-22\n'
REFUSE = '[[decision]]\nsender = "*"\ndirection = "*"\nverdict = "mismatch"\naction = "refuse"\n'


def furnish(folder: Path, *, table: str = "", signers: str = "") -> Path:
    target = folder / "trust"
    target.mkdir()
    for file in trust_of(pki()).iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    (target / "policy.toml").write_text(POLICY + table, encoding="utf-8")
    if signers:
        listed = 'version = 1\ndated = 2026-11-22\nunlisted = "trust"\n' + signers
        (target / "trust-list.toml").write_text(listed, encoding="utf-8")
    return folder


def pinned(role: str, agency: str) -> str:
    der = pki().agency().load_certificate().public_bytes(Encoding.DER)
    digest = hashlib.sha256(der).hexdigest()
    return f'[[signer]]\nsha256 = "{digest}"\nrole = "{role}"\nagencies = ["{agency}"]\n'


async def submit(house: House, data: bytes) -> tuple[int, Any]:
    status, answer, _ = await house.send(data)
    return status, answer


def signatures(answer: Any, severity: str = "warning") -> set[str]:
    return {rule for rule, _ in faults(answer, severity) if rule.startswith("SIG-")}


def one(pdf: bytes, **more: Any) -> bytes:
    return packet("123", files=(("van-ban.pdf", pdf),), **more)


def foreign(pdf: bytes) -> bytes:
    """Return a ministry's packet with a file of another agency in it."""
    return packet(
        "7",
        to=("H37.04",),
        sender="G09",
        document_id="G09,2026/11/20,7/BNV-VP",
        day="2026/11/20",
        files=(("van-ban.pdf", pdf),),
    )


async def test_another_agencys_seal_is_flagged_and_told_in_the_report(
    tmp_path: Path, monkeypatch: Any
) -> None:
    async with outside(furnish(tmp_path)) as out:
        silenced(monkeypatch, out)
        await out.bring(foreign(twice()))
        (item,) = await out.arrivals()
        assert (item["verification"], item["legal_class"]) == ("valid", "original")
        assert "SIG-51" in {f["rule"] for f in item["findings"] if f["severity"] == "warning"}
        path = f"/inbox/{item['id']}/verification?format=html"
        status, page, _ = await out.house.call("GET", path, "stc")
        assert status == 200
        text = page.decode() if isinstance(page, bytes) else page
        assert "không khớp bên gửi" in text


async def test_a_row_of_the_policy_sends_it_back(tmp_path: Path, monkeypatch: Any) -> None:
    async with outside(furnish(tmp_path, table=REFUSE)) as out:
        silenced(monkeypatch, out)
        await out.bring(foreign(twice()))
        (kept,) = rows(out.house, "SELECT state, verdict FROM arrival")
        assert tuple(kept.values()) == ("returned", "valid")
        (told,) = await out.flush()
        assert told.description.startswith("SIG-51 R03: ")


async def test_its_twin_of_the_sender_passes_the_same_policy(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path, table=REFUSE)) as house:
        status, answer = await submit(house, one(twice()))
        assert (status, answer["verification"]) == (202, "valid")
        assert signatures(answer) == set()


async def test_a_signer_pinned_for_others_makes_no_original(tmp_path: Path) -> None:
    signers = pinned("organization", "H37.04")
    async with gatehouse(furnish(tmp_path, signers=signers)) as house:
        status, answer = await submit(house, one(twice()))
        assert (status, answer["verification"]) == (202, "valid")
        assert signatures(answer) == {"SIG-04c", "SIG-51"}
        assert (await house.document(answer["id"]))["legal_class"] == "reference"


async def test_a_portal_pinned_for_the_sender_is_its_seal(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path, signers=pinned("portal", "H37.02"))) as house:
        _, answer = await submit(house, one(twice()))
        assert signatures(answer) == set()
        assert (await house.document(answer["id"]))["legal_class"] == "original"
        _, said, _ = await house.call("GET", f"/documents/{answer['id']}/verification")
        sealed = said["files"][0]["report"]["signatures"][1]
        assert (sealed["role"], sealed["agencies"]) == ("portal", ["H37.02"])


def stamped(*lines: str) -> bytes:
    """Return a letter with the agency's signature only, in words at the top right."""
    return sign_once(letter(), pki(), pki().agency(), "CoQuan", NOW, level="B-LT", lines=lines)


async def test_a_copy_asks_for_nobodys_signature_but_the_agencys(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path)) as house:
        _, answer = await submit(house, one(stamped("SAO Y", "Sở Nội vụ tỉnh Lạng Sơn")))
        assert signatures(answer) == set(), answer["findings"]
        assert (await house.document(answer["id"]))["legal_class"] == "copy"


async def test_its_twin_without_the_words_is_no_copy(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path)) as house:
        _, answer = await submit(house, one(stamped("Sở Nội vụ tỉnh Lạng Sơn")))
        # SIG-21: what stands there is no seal either, which is about form.
        assert signatures(answer) == {"SIG-01", "SIG-21"}
        assert (await house.document(answer["id"]))["legal_class"] == "reference"


async def test_an_annex_of_its_own(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path)) as house:
        files = (("van-ban.pdf", twice()), ("phu-luc.pdf", stamped("Số: 123/SNV-VP")))
        _, answer = await submit(house, packet("123", files=files))
        assert signatures(answer) == set(), answer["findings"]
        files = (("van-ban.pdf", twice()), ("phu-luc.pdf", stamped("Số: 9/SNV-VP")))
        _, answer = await submit(house, packet("124", files=files))
        assert signatures(answer) == {"SIG-22"}
        files = (("van-ban.pdf", twice()), ("phu-luc.pdf", letter(subject="phụ lục")))
        _, answer = await submit(house, packet("125", files=files))
        assert signatures(answer) == {"SIG-07"}


async def test_urgency_beside_the_stamp_of_the_page(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path)) as house:
        _, answer = await submit(house, one(letter(urgency="HỎA TỐC"), urgency=3))
        assert "SIG-25" not in signatures(answer) | signatures(answer, "note")
        _, answer = await submit(house, packet("124", files=(("a.pdf", letter("KHẨN")),)))
        assert "SIG-25" in signatures(answer)
