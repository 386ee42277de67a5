"""Accept, flag and refuse by sender and verdict, as the trust folder's policy says."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.gatehouse import House, gatehouse, packet
from tests.world.outside import outside, silenced
from tests.world.signed_files import flipped, letter, once, pki, trust_of, twice
from tests.world.submitting import faults, nothing_left, rows

HEAD = 'name = "Thử"\ndated = 2026-11-22\n'


def row(action: str, verdict: str, sender: str = "*", direction: str = "*") -> str:
    return (
        f'[[decision]]\nsender = "{sender}"\ndirection = "{direction}"\n'
        f'verdict = "{verdict}"\naction = "{action}"\n'
    )


def furnish(folder: Path, table: str, *, trusted: bool = True) -> Path:
    target = folder / "trust"
    target.mkdir()
    for file in trust_of(pki()).iterdir() if trusted else ():
        (target / file.name).write_bytes(file.read_bytes())
    (target / "policy.toml").write_text(HEAD + table, encoding="utf-8")
    return folder


async def submit(house: House, pdf: bytes) -> tuple[int, Any]:
    status, answer, _ = await house.send(packet("123", files=(("van-ban.pdf", pdf),)))
    return status, answer


# ---------------------------------------------------------------- outgoing

REFUSED = {
    "unsigned": (letter, True, "SIG-02"),
    "indeterminate": (twice, False, "SIG-02"),
    "incomplete": (once, True, "SIG-01"),
}


@pytest.mark.parametrize("verdict", REFUSED)
async def test_a_row_refuses_what_would_pass_flagged(tmp_path: Path, verdict: str) -> None:
    make, trusted, rule = REFUSED[verdict]
    folder = furnish(tmp_path, row("refuse", verdict, direction="out"), trusted=trusted)
    async with gatehouse(folder) as house:
        status, problem = await submit(house, make())
        assert (status, problem["reason"]) == (422, "signature-invalid")
        assert {r for r, _ in faults(problem)} == {rule}
        (finding,) = [f for f in problem["findings"] if f["severity"] == "error"]
        assert finding["refusal"] == "R03"
        assert finding["vi"] != finding["en"]
        assert nothing_left(house)


async def test_a_row_for_another_sender_says_nothing(tmp_path: Path) -> None:
    table = row("refuse", "unsigned", sender="H37.99") + row("refuse", "unsigned", direction="in")
    async with gatehouse(furnish(tmp_path, table)) as house:
        status, answer = await submit(house, letter())
        assert (status, answer["verification"]) == (202, "unsigned")


async def test_accept_takes_the_mark_away_but_not_the_fact(tmp_path: Path) -> None:
    async with gatehouse(furnish(tmp_path, row("accept", "unsigned"))) as house:
        status, answer = await submit(house, letter())
        assert (status, answer["verification"]) == (202, "unsigned")
        assert not [rule for rule, _ in faults(answer, "warning") if rule == "SIG-02"]
        assert [rule for rule, _ in faults(answer, "note") if rule == "SIG-02"]
        document = await house.document(answer["id"])
        assert document["legal_class"] == "unsigned"


async def test_invalid_may_be_flagged_for_one_sender_only(tmp_path: Path) -> None:
    folder = furnish(tmp_path, row("flag", "invalid", sender="H37.*"))
    async with gatehouse(folder) as house:
        status, answer = await submit(house, flipped(twice()))
        assert (status, answer["verification"]) == (202, "invalid")
        assert "SIG-49" in {rule for rule, _ in faults(answer, "warning")}


async def test_a_policy_put_there_while_it_runs_counts(tmp_path: Path) -> None:
    folder = furnish(tmp_path, "")
    async with gatehouse(folder) as house:
        assert (await submit(house, letter()))[0] == 202
        table = HEAD + row("refuse", "unsigned", sender="H37.02", direction="out")
        (folder / "trust/policy.toml").write_text(table, encoding="utf-8")
        status, problem, _ = await house.send(packet("124", files=(("van-ban.pdf", letter()),)))
        assert (status, problem["reason"]) == (422, "signature-invalid")


# ---------------------------------------------------------------- incoming


def document(pdf: bytes, number: str = "7") -> bytes:
    return packet(
        number,
        to=("H37.04",),
        sender="G09",
        document_id=f"G09,2026/11/20,{number}/BNV-VP",
        day="2026/11/20",
        files=(("van-ban.pdf", pdf),),
    )


async def test_an_incoming_one_goes_back_only_by_a_row(tmp_path: Path, monkeypatch: Any) -> None:
    folder = furnish(tmp_path, row("refuse", "unsigned", sender="G09", direction="in"))
    async with outside(folder) as out:
        silenced(monkeypatch, out)
        await out.bring(document(letter()))
        (kept,) = rows(out.house, "SELECT state, verdict, sent_codes FROM arrival")
        assert tuple(kept.values()) == ("returned", "unsigned", "02")
        (told,) = await out.flush()
        assert told.code == "02"
        assert told.description.startswith("SIG-02 R03: ")
        # The same again is the same arrival, answered once.
        await out.bring(document(letter()))
        assert len(rows(out.house, "SELECT id FROM arrival")) == 1
        assert await out.flush() == []


async def test_its_twin_from_another_sender_is_flagged(tmp_path: Path, monkeypatch: Any) -> None:
    folder = furnish(tmp_path, row("refuse", "unsigned", sender="G10", direction="in"))
    async with outside(folder) as out:
        silenced(monkeypatch, out)
        await out.bring(document(letter()))
        (kept,) = rows(out.house, "SELECT state, sent_codes FROM arrival")
        assert tuple(kept.values()) == ("offered", "")
