"""Identifiers and ordinals through the whole gateway (issue part 5; DID-01, DID-02b, DID-05)."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.moments import VIETNAM
from gateway.errors import RejectedError
from gateway.ports import AgencyRecord
from gateway.programs import acceptance
from tests.world.gatehouse import House, gatehouse, packet
from tests.world.submitting import admin, count, put_agency, rows

ORDINAL = '[numbering]\ndocument_id_form = "code,year,ordinal"\n'
YEAR = datetime.now(VIETNAM).year


def _counters(house: House) -> dict[tuple[str, int], int]:
    found = rows(house, "SELECT * FROM counter WHERE series = 'issue'")
    return {(r["agency"], r["year"]): r["last"] for r in found}


@pytest.mark.parametrize(
    "own", ["VB 01/đặc biệt", "H37.02,2026/11/22,99/KHÁC", "0f8fad5b-d9cb-469f-a165-70867728950e"]
)
async def test_the_senders_own_identifier_is_kept_everywhere(tmp_path: Path, own: str) -> None:
    async with gatehouse(tmp_path, axis=True) as house:
        status, answer, _ = await house.send(packet("12", to=("H37.04", "G09"), document_id=own))
        assert (status, answer["document_id"]) == (202, own)
        document = await house.document(answer["id"])
        assert document["document_id"] == document["header"]["document_id"] == own
        (item,) = await house.inbox("stc")
        assert item["document_id"] == own
        _, xml, _ = await house.call("GET", f"/inbox/{item['id']}/edxml", "stc")
        assert f"<edXML:DocumentId>{own}</edXML:DocumentId>".encode() in xml
        await house.state(answer["id"], "G09", "handed_over")
        (parcel,) = rows(house, "SELECT parcel_sha256 AS name FROM transfer WHERE hop = 'truc'")
        sent = b"".join(house.gateway.blobs.chunks(parcel["name"]))
        assert f"<edXML:DocumentId>{own}</edXML:DocumentId>".encode() in sent
        entries = rows(
            house, "SELECT DISTINCT document_id FROM receipt_entry WHERE kind != 'audit'"
        )
        assert [e["document_id"] for e in entries] == [own]
        _, found, _ = await house.call("GET", "/documents", params={"document_id": own})
        assert [d["id"] for d in found["items"]] == [answer["id"]]
        # the ordinal is a column of its own, whatever the identifier looks like
        assert document["number"] == {"year": YEAR, "ordinal": 1}


async def test_the_default_form(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        _, answer, _ = await house.send(
            packet("12", day="2026/03/05", sender="000.00.02.H37", to=("H37.61",))
        )
        assert answer["document_id"] == "H37.02,2026/03/05,12/SNV-VP"
        (item,) = await house.inbox("other")
        assert item["document_id"] == answer["document_id"]


async def test_the_ordinal_form_under_load(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        sent = [packet(str(n)) for n in range(40)]
        answers = await asyncio.gather(*(house.send(p) for p in sent for _ in range(2)))
        assert {status for status, _, _ in answers} == {202}
        told = {a["document_id"]: a["id"] for _, a, _ in answers}
        assert set(told) == {f"H37.02,{YEAR},{n}" for n in range(1, 41)}
        assert len(set(told.values())) == 40
        assert count(house, "consignment") == 40  # the same document twice is one
        assert _counters(house) == {("H37.02", YEAR): 40}
        documents = rows(house, "SELECT document_id, envelope FROM consignment")
        assert all(d["document_id"] in d["envelope"] for d in documents)


async def test_the_ordinal_form_knows_its_repeats(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        _, first, _ = await house.send(packet("12"))
        _, again, headers = await house.send(packet("12"))
        assert (again, headers["Idempotent-Replayed"]) == (first, "true")
        _, more, _ = await house.send(packet("12", to=("H37.04", "H37.61")))
        assert (more["id"], more["document_id"]) == (first["id"], first["document_id"])
        # another content is another document, and the likeness is said
        status, other, _ = await house.send(packet("12", subject="Khác"))
        assert (status, other["document_id"]) == (202, f"H37.02,{YEAR},2")
        assert any(f["rule"] == "DID-07" for f in other["findings"])


async def test_an_identifier_written_by_hand_is_not_given_again(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        for n in (1, 2):
            taken = f"H37.02,{YEAR},{n + 1}"
            status, _, _ = await house.send(packet(f"9{n}", document_id=taken))
            assert status == 202
        # ordinals 1 and 2 went to these two; 3 is a name already taken
        status, answer, _ = await house.send(packet("12"))
        assert (status, answer["document_id"]) == (202, f"H37.02,{YEAR},4")


async def test_200_parallel_issues_leave_no_gap(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        bad = [packet(f"8{n}", subject="") for n in range(20)]
        good = [packet(str(n)) for n in range(200)]
        answers = await asyncio.gather(
            *(house.send(p) for pair in zip(good, bad * 10, strict=True) for p in pair)
        )
        accepted = [a for status, a, _ in answers if status == 202]
        assert len(accepted) == 200
        assert sorted(a["issue_ordinal"] for a in accepted) == list(range(1, 201))
        stored = rows(house, "SELECT issue_year, issue_ordinal FROM consignment")
        assert {r["issue_year"] for r in stored} == {YEAR}
        assert sorted(r["issue_ordinal"] for r in stored) == list(range(1, 201))
        assert _counters(house) == {("H37.02", YEAR): 200}


@pytest.mark.parametrize("form", ["", ORDINAL])
async def test_an_agency_that_numbers_itself_has_no_counter(tmp_path: Path, form: str) -> None:
    async with gatehouse(tmp_path, extra=form) as house:
        own = AgencyRecord(
            "H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local",
            numbered_by="own-system",
        )  # fmt: skip
        await put_agency(house, own)
        status, answer, _ = await house.send(packet("12", day="2026/03/05"))
        assert status == 202
        assert "issue_ordinal" not in answer
        assert answer["state"] == "released"
        assert answer["document_id"] == "H37.02,2026/03/05,12/SNV-VP"
        assert (await house.document(answer["id"]))["number"] is None
        assert _counters(house) == {}
        await house.inbox("stc")
        store = admin(house)
        try:
            with pytest.raises(RejectedError):
                store.set_counter("H37.02", YEAR, "issue", 5, reason="thử", by="test")
        finally:
            store.close()


async def test_the_year_is_the_documents_own(tmp_path: Path) -> None:
    """Dated 31/12, released next morning: the old year's next."""
    async with gatehouse(tmp_path) as house:
        await house.send(packet("1", day=f"{YEAR}/12/30"))
        new_year = datetime(YEAR + 1, 1, 1, 8, 5, tzinfo=VIETNAM)
        house.clock.move(new_year - house.clock.now() + timedelta(seconds=1))
        _, late, _ = await house.send(packet("2", day=f"{YEAR}/12/31"))
        _, first, _ = await house.send(packet("3", day=f"{YEAR + 1}/01/01"))
        numbers = [(await house.document(a["id"]))["number"] for a in (late, first)]
        assert numbers == [{"year": YEAR, "ordinal": 2}, {"year": YEAR + 1, "ordinal": 1}]
        document = await house.document(late["id"])
        assert document["issued_at"].startswith(f"{YEAR + 1}-01-01T08:05")
        assert document["issued_at"].endswith("+07:00")


async def test_going_live_in_mid_year(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        store = admin(house)
        try:
            store.set_counter("H37.02", YEAR, "issue", 4321, reason="chuyển đổi", by="test")
            _, answer, _ = await house.send(packet("12"))
            assert answer["issue_ordinal"] == 4322
            with pytest.raises(RejectedError):
                store.set_counter("H37.02", YEAR, "issue", 4000, reason="lùi", by="test")
        finally:
            store.close()
        _, answer, _ = await house.send(packet("13"))
        assert answer["issue_ordinal"] == 4323


async def test_a_wrong_clock_holds_the_number(tmp_path: Path) -> None:
    """TIM-01: accepted, nothing stamped; afterwards numbered once, findings said once."""
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        house.clock.known_offset = timedelta(minutes=3)
        status, answer, _ = await house.send(packet("12"))
        assert (status, answer["state"], answer["document_id"]) == (202, "accepted", "")
        held = await house.document(answer["id"])
        assert (held["hold"], held["issued_at"], held["number"]) == ("clock", None, None)
        assert _counters(house) == {}
        house.clock.known_offset = timedelta(0)

        async def released() -> bool:
            await house.sweep()
            return bool((await house.document(answer["id"]))["state"] == "released")

        await house.until(released)
        document = await house.document(answer["id"])
        assert document["document_id"] == f"H37.02,{YEAR},1"
        said = [(f["rule"], f["where"]) for f in document["findings"]]
        assert len(said) == len(set(said))
        (item,) = await house.inbox("stc")
        assert item["document_id"] == f"H37.02,{YEAR},1"
        # the repeat still gets the first answer
        _, again, headers = await house.send(packet("12"))
        assert (again, headers["Idempotent-Replayed"]) == (answer, "true")


async def test_what_others_took_meanwhile_is_not_passed_over(tmp_path: Path) -> None:
    """DID-01: the counter moves while the sender's own identifiers are looked for; no gaps."""
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        own = f"H37.02,{YEAR},3"
        assert (await house.send(packet("900", document_id=own)))[0] == 202  # counted as 1
        ledger, looked = house.gateway.ledger, asyncio.Event()
        ask, raced = ledger.one, False

        async def one(query: str, **params: object) -> object:
            nonlocal raced
            row = await ask(query, **params)
            if query == "counter" and not raced:
                raced = True
                looked.set()
                for number in ("902", "903"):  # they get 2 and, past the sender's own 3, 4
                    assert (await house.send(packet(number)))[0] == 202
            return row

        ledger.one = one  # type: ignore[method-assign,assignment]
        _, answer, _ = await house.send(packet("901"))
        assert looked.is_set()
        assert answer["document_id"] == f"H37.02,{YEAR},5"
        assert _counters(house) == {("H37.02", YEAR): 5}


async def test_a_hold_that_ends_meanwhile_releases_nothing_without_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gatehouse(tmp_path) as house:
        looks = iter([True])  # held when the number is asked for, and no more when rows are made
        real = acceptance.clockwatch

        def is_off(context: Any) -> bool:
            return next(looks, None) or real.is_off(context)

        seen = SimpleNamespace(is_off=is_off, hold_of=real.hold_of, mark=real.mark)
        monkeypatch.setattr(acceptance, "clockwatch", seen)
        code, answer, _ = await house.send(packet())
        assert (code, answer["state"]) == (202, "accepted")

        async def numbered() -> Any:
            row = await house.row("consignment", id=answer["id"])
            return row if row["state"] == "released" else None

        row = await house.until(numbered)
        assert row["issue_ordinal"] == 1
        assert row["document_id"]
