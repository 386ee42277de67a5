"""Budget over: accepted without number, nothing leaves before the verdict; issue ends it.

Issue part 4 ("Verify within verify_budget"): numbers, refuses with an event, or shuts away; killed
or called twice it does nothing twice; repeats keep their first answer; receipts stay consistent.
"""

import asyncio
from pathlib import Path

import pytest

from gateway.codec.edxml import envelope_from_json
from gateway.programs.issue import Issue
from gateway.programs.rows import loads
from gateway.programs.verifying import verify_files
from gateway.receipts.sign import verify_acceptance
from gateway.trust.report import Verdict
from tests.world.gatehouse import House, gatehouse, packet
from tests.world.submitting import WaitingVerifier, check_receipts, count, deliveries, rows

TINY = 'budget = "30 ms"\n'
ORDINAL = TINY + '[numbering]\ndocument_id_form = "code,year,ordinal"\n'


async def _until_state(house: House, consignment_id: str, state: str) -> None:
    async def there() -> bool:
        found = await house.row("consignment", id=consignment_id)
        return bool(found["state"] == state)

    await house.until(there)


@pytest.mark.parametrize("settings", [TINY, ORDINAL], ids=["date", "ordinal"])
async def test_accepted_first_numbered_later(tmp_path: Path, settings: str) -> None:
    async with gatehouse(tmp_path, extra=settings) as house:
        verifier = WaitingVerifier(house)
        status, answer, _ = await house.send(packet("12", to=("H37.04", "H37.99")), key="k")
        assert status == 202
        assert (answer["state"], answer["verification"]) == ("accepted", "pending")
        assert "issue_ordinal" not in answer
        assert deliveries(answer) == {"H37.04": "pending", "H37.99": "not_connected"}
        dated = settings == TINY
        assert answer["document_id"].startswith("H37.02,2") is dated
        claims = verify_acceptance(answer["receipt"], house.gateway.context.sealer.public)
        assert claims["document_id"] == answer["document_id"]
        # nothing leaves, and nobody is told anything, before the verdict
        await house.sweep()
        assert count(house, "arrival") == count(house, "attempt") == count(house, "counter") == 0
        (transfer,) = rows(house, "SELECT state, hold FROM transfer")
        assert transfer == {"state": "waiting", "hold": "verdict"}
        _, again, headers = await house.send(packet("12", to=("H37.04", "H37.99")), key="k")
        assert (again, headers["Idempotent-Replayed"]) == (answer, "true")
        verifier.answer(Verdict.UNSIGNED)
        (item,) = await house.inbox("stc")
        document = await house.document(answer["id"])
        assert (document["state"], document["verification"]) == ("released", "unsigned")
        assert document["number"]["ordinal"] == 1
        assert document["document_id"] == item["document_id"]
        if dated:
            assert document["document_id"] == answer["document_id"]
        assert any(f["rule"] == "SIG-02" for f in document["findings"])
        # the repeat, by key or by content, is still told what it was told first
        for key in ("k", None):
            _, again, headers = await house.send(packet("12", to=("H37.04", "H37.99")), key=key)
            assert (again, headers["Idempotent-Replayed"]) == (answer, "true")


async def test_issue_twice_does_nothing_twice(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        verifier = WaitingVerifier(house)
        _, answer, _ = await house.send(packet("12"))
        issue = Issue(house.gateway.context)
        verifier.answer(Verdict.UNSIGNED)
        await asyncio.gather(*(issue.once(answer["id"]) for _ in range(6)))
        await issue.once(answer["id"])
        kinds = [r["kind"] for r in rows(house, "SELECT kind FROM receipt_entry ORDER BY ord")]
        assert kinds.count("numbered") == 1
        events = [r["type"] for r in rows(house, "SELECT type FROM event ORDER BY id")]
        assert events.count("numbered") == events.count("released") == 1
        assert [r["last"] for r in rows(house, "SELECT last FROM counter")] == [1]
        await house.inbox("stc")
        assert count(house, "arrival") == 1


async def test_an_invalid_signature_is_refused_with_an_event(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=TINY) as house:
        verifier = WaitingVerifier(house)
        _, answer, _ = await house.send(packet("12", to=("H37.04", "H37.99")), key="k")
        verifier.answer(Verdict.INVALID)
        await _until_state(house, answer["id"], "refused")
        document = await house.document(answer["id"])
        assert document["verification"] == "invalid"
        assert document["number"] is None
        assert document["reason"]
        assert any(f["severity"] == "error" for f in document["findings"])
        assert {d["state"] for d in document["deliveries"]} == {"cancelled"}
        _, events, _ = await house.call("GET", f"/documents/{answer['id']}/events")
        assert [e["type"] for e in events["items"]].count("refused") == 1
        assert [r["kind"] for r in rows(house, "SELECT kind FROM receipt_entry ORDER BY ord")][
            -1
        ] == "refused"
        await house.sweep()
        assert count(house, "arrival") == count(house, "attempt") == count(house, "counter") == 0
        # the key keeps its answer
        _, again, headers = await house.send(packet("12", to=("H37.04", "H37.99")), key="k")
        assert (again, headers["Idempotent-Replayed"]) == (answer, "true")


async def test_after_a_late_refusal_the_identifier_is_free(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=TINY) as house:
        verifier = WaitingVerifier(house)
        _, first, _ = await house.send(packet("12", document_id="VB-12"))
        verifier.answer(Verdict.INVALID)
        await _until_state(house, first["id"], "refused")
        # the same again is judged again, and now at once
        status, problem, _ = await house.send(packet("12", document_id="VB-12"))
        assert (status, problem["reason"]) == (422, "signature-invalid")
        verifier.answer(Verdict.UNSIGNED)
        # nor is it named as the earlier of two likes: it was never sent
        _, other, _ = await house.send(packet("12", document_id="VB-13", to=("H37.61",)))
        assert other["state"] == "released"
        assert not [f for f in other["findings"] if f["rule"] == "DID-07"]
        status, second, _ = await house.send(
            packet("12", document_id="VB-12", files=(("ky-lai.txt", b"ky lai"),))
        )
        assert (status, second["state"], second["issue_ordinal"]) == (202, "released", 2)
        assert second["document_id"] == "VB-12"
        assert second["id"] != first["id"]
        (item,) = await house.inbox("stc")
        assert item["document_id"] == "VB-12"


async def test_a_secrecy_stamp_found_late_is_shut_away(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=TINY) as house:
        verifier = WaitingVerifier(house)
        _, answer, _ = await house.send(packet("12"))
        verifier.answer(Verdict.UNSIGNED, marks=("TỐI MẬT",))
        await _until_state(house, answer["id"], "quarantined")
        (kept,) = rows(house, "SELECT * FROM quarantine")
        assert (kept["id"], kept["kind"]) == (answer["id"], "consignment")
        assert {r["state"] for r in rows(house, "SELECT state FROM delivery")} == {"cancelled"}
        assert {r["state"] for r in rows(house, "SELECT state FROM transfer")} == {"cancelled"}
        assert count(house, "arrival") == count(house, "counter") == 0
        status, problem, _ = await house.send(packet("12"))
        assert (status, problem["reason"]) == (422, "secrecy")


async def test_recipients_added_while_waiting_go_with_the_others(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        verifier = WaitingVerifier(house)
        _, first, _ = await house.send(packet("12", to=("H37.04",)))
        _, second, _ = await house.send(packet("12", to=("H37.61",)))
        assert (second["id"], second["state"]) == (first["id"], "accepted")
        assert deliveries(second) == {"H37.04": "pending", "H37.61": "pending"}
        claims = verify_acceptance(second["receipt"], house.gateway.context.sealer.public)
        assert claims["document_id"] == second["document_id"] == ""
        verifier.answer(Verdict.UNSIGNED)
        (one,), (other,) = await house.inbox("stc"), await house.inbox("other")
        assert one["document_id"] == other["document_id"] != ""


async def test_recipients_added_under_the_hands_of_issue(tmp_path: Path) -> None:
    """Added between its reading and its commit: the row is read anew, nobody is left behind."""
    async with gatehouse(tmp_path, extra=TINY) as house:
        verifier = WaitingVerifier(house)
        _, first, _ = await house.send(packet("12", to=("H37.04",)))
        context = house.gateway.context
        stale = await context.ledger.one("consignment", id=first["id"])
        await house.send(packet("12", to=("H37.61",)))
        issue = Issue(context)
        verifier.answer(Verdict.UNSIGNED)
        verdicts = await verify_files(
            context, envelope_from_json(loads(stale["envelope"])).attachments, context.clock.now()
        )
        ended = await issue._end_with(stale, verdicts)
        assert ended is False  # the issue workers may have ended it already: also not from stale
        await house.inbox("stc")
        await house.inbox("other")
        document = await house.document(first["id"])
        assert [r["organ_id"] for r in document["header"]["recipients"]] == ["H37.04", "H37.61"]


async def test_the_receipts_of_a_late_number_verify(tmp_path: Path) -> None:
    """The exported log holds early receipts without an identifier, and checks offline."""
    async with gatehouse(tmp_path, extra=ORDINAL) as house:
        verifier = WaitingVerifier(house)
        _, answer, _ = await house.send(packet("12"))
        await house.send(packet("12", to=("H37.61",)))
        verifier.answer(Verdict.UNSIGNED)
        await house.inbox("stc")
        await house.inbox("other")
        assert answer["document_id"] == ""
        report = await check_receipts(house)
        assert report.exit_code == 0, report
        assert report.acceptance_receipts == 1
        assert count(house, "receipt_entry") == report.entries
