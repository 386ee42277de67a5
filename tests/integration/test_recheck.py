"""Undetermined verdicts become final by themselves; whoever took the document is told (F09, SIG-42).

Both reports stay, nothing is told twice, what a file does to its verifier is not tried for ever,
and what came with no verdict may be taken by a person who says why.
"""

import json
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise

import pytest

from gateway import observe
from gateway.errors import Reason, UnavailableError
from gateway.ports import SubmitOptions
from gateway.programs import undetermined
from gateway.programs.recheck import Recheck
from gateway.programs.rows import loads
from gateway.trust.report import Verdict
from tests.world.gatehouse import gatehouse, packet
from tests.world.outside import head, outside, silenced
from tests.world.outside import status as status_message
from tests.world.rechecking import (
    events_of,
    in_hand,
    lay,
    lists_come,
    look,
    send_signed,
    still,
    undecided,
)
from tests.world.signed_files import flipped, letter, pki, twice
from tests.world.submitting import WaitingVerifier, check_receipts, count, faults, rows


@pytest.fixture
def told(monkeypatch):
    """Alarms and banners instead of log lines."""
    said = {"alarm": [], "verdicts_waiting": [], "verdict_changed": []}
    for name, kept in said.items():
        monkeypatch.setattr(observe, name, lambda kept=kept, **facts: kept.append(facts))
    return said


def reports(house):
    return rows(house, "SELECT * FROM verification ORDER BY at, id")


async def status(house, item, code="03", **more):
    body = {"code": code, "reason": ""} | more
    return await house.call("POST", f"/inbox/{item['id']}/status", "stc", json=body)


# ---------------------------------------------------------------- verdicts that come


async def test_an_undetermined_document_becomes_valid_by_itself(tmp_path, monkeypatch, told):
    """The whole way, real verifier processes included."""
    still(monkeypatch)
    async with gatehouse(lay(tmp_path)) as house:
        answer = await send_signed(house)
        assert answer["verification"] == "indeterminate"
        (item,) = await house.inbox("stc")
        assert (item["verification"], item["legal_class"]) == ("indeterminate", "undetermined")
        assert (item["verdict_before"], item["verdict_changed_at"]) == (None, None)
        assert count(house, "recheck") == 2
        # Nothing came: nobody looks, nothing changes.
        assert await look(house) == 0
        assert len(reports(house)) == 1
        lists_come(house)
        assert await look(house) == 2
        assert count(house, "recheck") == 0
        document = await house.document(answer["id"])
        (after,) = await house.inbox("stc")
        for one in (document, after):
            assert (one["verification"], one["legal_class"]) == ("valid", "original")
            assert one["verdict_before"] == "indeterminate"
            assert one["verdict_changed_at"]
            assert not [f for f in one["findings"] if f["rule"].startswith("SIG-")]
        # Both reports are kept, and both are named beside the change.
        early, late = reports(house)
        assert (early["verdict"], late["verdict"]) == ("indeterminate", "valid")
        assert early["trust_sha256"] != late["trust_sha256"]
        for path, system in (
            (f"/documents/{answer['id']}", "snv"),
            (f"/inbox/{item['id']}", "stc"),
        ):
            (event,) = [
                e for e in await events_of(house, path, system) if e["type"] == "verdict_changed"
            ]
            assert event["data"] == {
                "from": "indeterminate",
                "to": "valid",
                "reports_before": [early["id"]],
                "reports": [late["id"]],
            }
        _, shown, _ = await house.call("GET", f"/inbox/{item['id']}/verification", "stc")
        assert shown["verdict"] == shown["files"][0]["report"]["verdict"] == "valid"
        # It is over: looking again finds nothing, and nobody was alarmed.
        assert await look(house) == 0
        assert told["alarm"] == []


async def test_every_report_is_named_in_the_receipt_log(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        await send_signed(house)
        await house.inbox("stc")
        lists_come(house)
        await look(house)
        kept = {r["id"]: r for r in reports(house)}
        assert all(sha256(r["report"].encode()).hexdigest() == name for name, r in kept.items())
        named = {}
        for entry in rows(house, "SELECT kind, body FROM receipt_entry"):
            for one in json.loads(entry["body"]).get("reports", []):
                named.setdefault(one["report_sha256"], []).append((entry["kind"], one["sha256"]))
        assert set(named) == set(kept)
        assert {k for k, _ in named[reports(house)[0]["id"]]} == {"accepted"}
        assert {k for k, _ in named[reports(house)[1]["id"]]} == {"verified"}
        checked = await check_receipts(house)
        assert checked.exit_code == 0, checked


async def test_bytes_changed_are_found_after_03_and_the_return_is_offered(
    tmp_path, monkeypatch, told
):
    async with undecided(tmp_path, monkeypatch) as house:
        verifier = Failing(house)
        answer = await send_signed(house, pdf=flipped(twice("B-T")))
        (item,) = await house.inbox("stc")
        code, problem, _ = await status(house, item)
        assert (code, problem["reason"]) == (400, "bad-request")
        assert ("SIG-42", "/undetermined_reason") in faults(problem)
        code, taken, _ = await status(
            house, item, undetermined_reason="Họp khẩn lúc 14 giờ", decided_by="Lê Thị Hoa"
        )
        assert (code, taken["state"], taken["advice"]) == (200, "accepted", None)
        cursor = taken["cursor"]
        verifier.well = True
        house.clock.move(timedelta(hours=2))
        assert await look(house) == 2
        # The clerk's system reads on from its cursor: the document is there again.
        _, page, _ = await house.call("GET", f"/inbox?after={cursor}", "stc")
        (again,) = page["items"]
        assert again["id"] == item["id"]
        assert (again["verification"], again["verdict_before"]) == ("invalid", "indeterminate")
        assert again["state"] == "accepted"
        # Offered, never automatic: nothing was sent, the clerk may.
        assert "02" in again["actions"]
        assert (again["advice"]["code"], again["advice"]["refusal"]) == ("02", "R04")
        (delivery,) = (await house.document(answer["id"]))["deliveries"]
        assert delivery["state"] == "accepted"
        assert [a["what"] for a in told["alarm"]] == ["accepted became invalid"]
        assert {c["late"] for c in told["verdict_changed"] if c["kind"] == "arrival"} == {True}
        # The sender sees it too; what went out is flagged, not refused afterwards.
        document = await house.document(answer["id"])
        before, after = document["verdict_before"], document["verification"]
        assert (before, after) == ("indeterminate", "invalid")
        assert (document["legal_class"], document["state"]) == ("invalid", "released")
        assert {f["severity"] for f in document["findings"]} <= {"warning", "note"}
        code, back, _ = await status(house, item, "02", reason="R04: tệp đã bị sửa")
        assert (code, back["state"], back["advice"]) == (200, "returned", None)
        (delivery,) = (await house.document(answer["id"]))["deliveries"]
        assert delivery["state"] == "returned"


async def test_another_reason_that_no_waiting_mends_is_told_too(tmp_path, monkeypatch, told):
    async with undecided(tmp_path, monkeypatch) as house:
        answer = await send_signed(house)
        (item,) = await house.inbox("stc")
        await status(house, item, undetermined_reason="gấp")
        lists_come(house, revoked=True)
        assert await look(house) == 2
        assert count(house, "recheck") == 0
        after = (await house.inbox("stc"))[0]
        assert after["verification"] == after["verdict_before"] == "indeterminate"
        assert after["cursor"] > item["cursor"]
        assert (after["advice"]["code"], after["advice"]["refusal"]) == ("02", "R05")
        early, late = reports(house)
        (event,) = [
            e
            for e in await events_of(house, f"/documents/{answer['id']}", "snv")
            if e["type"] == "verified_again"
        ]
        assert event["data"]["reports_before"] == [early["id"]]
        assert event["data"]["reports"] == [late["id"]]
        signatures = loads(late["report"])["signatures"]
        assert signatures[0]["sub_indication"] == "REVOKED_NO_POE"


async def test_the_same_bytes_are_verified_once(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        for number in ("1", "2", "3"):
            await send_signed(house, number, to=("H37.04", "H37.61"))
        await house.inbox("stc", 3)
        await house.inbox("other", 3)
        assert count(house, "recheck") == 9
        before = house.gateway.context.verifier.verified
        lists_come(house)
        assert await look(house) == 9
        assert house.gateway.context.verifier.verified == before + 1
        assert len(reports(house)) == 2
        verdicts = rows(
            house, "SELECT verdict FROM arrival UNION ALL SELECT verdict FROM consignment"
        )
        assert {v["verdict"] for v in verdicts} == {"valid"}


async def test_only_those_who_wait_for_an_authority_are_looked_at(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        await send_signed(house)
        await house.inbox("stc")
        assert await look(house) == 0
        house.gateway.recheck.on_fresh("CA của nơi khác")
        assert await look(house) == 0
        house.gateway.recheck.on_fresh("CA phục vụ cơ quan nhà nước THỬ NGHIỆM")
        assert await look(house, 1) == 2
        assert await look(house) == 0


async def test_a_folder_of_lists_is_one_round(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        await send_signed(house)
        await house.inbox("stc")
        await look(house)
        lists_come(house)
        assert await look(house, 1) == 0  # it still moves
        (house.folder / "trust" / "them.crl").write_bytes(b"still being written")
        assert await look(house, 1) == 0
        assert await look(house, 1) == 2


async def test_what_was_missed_while_down_is_found_at_the_start(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        answer = await send_signed(house)
        await house.inbox("stc")
        await look(house)
        lists_come(house)
        # A program that knows nothing but the ledger, as after a restart.
        fresh = Recheck(house.gateway.context, house.gateway.verifier.trust_state)
        assert await fresh.once() == 2
        assert (await house.document(answer["id"]))["verification"] == "valid"


# ---------------------------------------------------------------- verdicts that do not come


async def test_the_timer_looks_less_and_less_and_then_no_more(tmp_path, monkeypatch):
    extra = 'recheck_every = "1 h"\nrecheck_for = "10 d"\n'
    async with undecided(tmp_path, monkeypatch, extra) as house:
        answer = await send_signed(house)
        await house.inbox("stc")
        looked = []
        for hour in range(1, 24 * 11):
            house.clock.move(timedelta(hours=1))
            if await look(house, 1):
                looked.append(hour)
            if not count(house, "recheck"):
                break
        assert looked[0] == 1
        gaps = [b - a for a, b in pairwise(looked)]
        assert gaps == sorted(gaps)
        assert gaps[-1] <= 25
        assert len(looked) < 20
        document = await house.document(answer["id"])
        assert (document["verification"], document["verdict_before"]) == ("indeterminate", None)
        types = [e["type"] for e in await events_of(house, f"/documents/{answer['id']}", "snv")]
        assert types.count("recheck_ended") == 1
        # The same verdict for the same reasons is kept once.
        assert len(reports(house)) == 1


async def test_what_cannot_be_cured_is_not_on_the_list(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        files = (("a.pdf", letter()), ("b.txt", b"xin chao"))
        code, answer, _ = await house.send(packet("5", files=files))
        assert (code, answer["verification"]) == (202, "unsigned")
        await house.inbox("stc")
        assert count(house, "recheck") == 0


async def test_a_verifier_that_fails_is_tried_a_few_times(tmp_path, monkeypatch, told):
    async with undecided(tmp_path, monkeypatch) as house:
        verifier = Failing(house)
        answer = await send_signed(house)
        assert answer["verification"] == "indeterminate"
        await house.inbox("stc")
        lists_come(house)
        # Fresh lists are no reason to feed it again.
        assert await look(house) == 0
        tries = verifier.asked
        for _ in range(40):
            house.clock.move(timedelta(hours=30))
            await look(house, 1)
        assert verifier.asked - tries <= 10
        assert count(house, "recheck") == 0
        # Its evil twin: once the verifier is well, the verdict comes.
    (tmp_path / "b").mkdir()
    async with undecided(tmp_path / "b", monkeypatch) as house:
        verifier = Failing(house)
        answer = await send_signed(house)
        await house.inbox("stc")
        lists_come(house)
        verifier.well = True
        house.clock.move(timedelta(hours=2))
        assert await look(house) == 2
        assert (await house.document(answer["id"]))["verification"] == "valid"


async def test_a_verifier_that_cannot_be_asked_teaches_nothing(tmp_path, monkeypatch, told):
    async with undecided(tmp_path, monkeypatch) as house:
        await send_signed(house)
        await house.inbox("stc")
        inner = house.gateway.context.verifier
        house.gateway.context.verifier = Away()
        lists_come(house)
        await look(house)
        assert count(house, "recheck") == 2
        assert len(reports(house)) == 1
        house.gateway.context.verifier = inner
        house.clock.move(timedelta(minutes=2))
        assert await look(house) == 2
        assert count(house, "recheck") == 0


async def test_what_was_returned_meanwhile_is_left_alone(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        await send_signed(house)
        (item,) = await house.inbox("stc")
        code, _, _ = await status(house, item, "02", reason="gửi nhầm đơn vị (R01)")
        assert code == 200
        lists_come(house)
        await look(house)
        (after,) = await house.inbox("stc")
        assert (after["verification"], after["verdict_changed_at"]) == ("indeterminate", None)
        assert count(house, "recheck") == 0


async def test_a_secrecy_stamp_that_comes_to_light_late(tmp_path, monkeypatch, told):
    async with undecided(tmp_path, monkeypatch) as house:
        answer = await send_signed(house)
        (item,) = await house.inbox("stc")
        WaitingVerifier(house).answer(Verdict.INDETERMINATE, marks=("MẬT",))
        lists_come(house)
        assert await look(house) == 2
        assert count(house, "recheck") == 0
        for path, system in (
            (f"/documents/{answer['id']}", "snv"),
            (f"/inbox/{item['id']}", "stc"),
        ):
            code, _, _ = await house.call("GET", path, system)
            assert code == 404
        kept = rows(house, "SELECT id, kind FROM quarantine ORDER BY kind")
        assert [(k["id"], k["kind"]) for k in kept] == [
            (item["id"], "arrival"),
            (answer["id"], "consignment"),
        ]
        assert "secrecy stamp found late" in {a["what"] for a in told["alarm"]}


# ---------------------------------------------------------------- races and repeats


async def test_a_clerk_who_is_faster_is_not_undone(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        await send_signed(house)
        (item,) = await house.inbox("stc")
        lists_come(house)
        recheck, ledger = house.gateway.recheck, house.gateway.context.ledger
        commit, done = ledger.commit, []

        async def late(change):
            touches = any(getattr(c, "table", "") == "arrival" for c in change.rows)
            if touches and not done:
                done.append(True)
                code, _, _ = await status(house, item, undetermined_reason="gấp")
                assert code == 200
            return await commit(change)

        monkeypatch.setattr(ledger, "commit", late)
        await recheck.again(item["id"])
        monkeypatch.setattr(ledger, "commit", commit)
        (after,) = await house.inbox("stc")
        assert (after["state"], after["verification"]) == ("accepted", "valid")
        assert after["taken_undetermined"]["reason"] == "gấp"
        assert count(house, "recheck") == 1  # the consignment's


async def test_looking_twice_at_once_changes_it_once(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        answer = await send_signed(house)
        await house.inbox("stc")
        lists_come(house)
        for _ in range(3):
            with suppress(UnavailableError):
                await house.gateway.recheck.again(answer["id"])
        types = [e["type"] for e in await events_of(house, f"/documents/{answer['id']}", "snv")]
        assert types.count("verdict_changed") == 1
        assert [r["verdict"] for r in reports(house)] == ["indeterminate", "valid"]


# ---------------------------------------------------------------- from a peer


async def test_what_came_from_an_axis_is_looked_at_again(tmp_path, monkeypatch):
    still(monkeypatch)
    async with outside(lay(tmp_path)) as out:
        silenced(monkeypatch, out)
        in_hand(out.house)
        document = packet("7", sender="G09", document_id="G09,7", files=(("vb.pdf", twice("B-T")),))
        await out.bring(document)
        (item,) = await out.arrivals()
        assert item["verification"] == "indeterminate"
        lists_come(out.house)
        assert await look(out.house) == 1
        (after,) = await out.arrivals()
        assert (after["verification"], after["legal_class"]) == ("valid", "original")
        assert after["cursor"] > item["cursor"]
        body = rows(out.house, "SELECT body FROM receipt_entry WHERE kind = 'arrived_at_gateway'")
        assert loads(body[0]["body"])["reports"][0]["report_sha256"] == reports(out.house)[0]["id"]


# ---------------------------------------------------------------- taking one all the same


async def test_an_urgent_undetermined_document_goes_on_at_once(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        # Out: an undetermined verdict is a verdict; nothing waits for a better one.
        answer = await send_signed(house, urgency=3)
        assert (answer["state"], answer["verification"]) == ("released", "indeterminate")
        (item,) = await house.inbox("stc")
        for reason in ("", "   "):
            code, problem, _ = await status(house, item, undetermined_reason=reason)
            assert (code, problem["reason"]) == (400, "bad-request")
            assert all(f["vi"] != f["en"] for f in problem["findings"])
        assert (await house.inbox("stc"))[0]["state"] == "offered"
        code, taken, _ = await status(
            house, item, undetermined_reason="Cứu hộ, không thể chờ", decided_by="Lê Thị Hoa"
        )
        assert (code, taken["state"]) == (200, "accepted")
        said = taken["taken_undetermined"]
        assert (said["by"], said["reason"], said["code"]) == (
            "Lê Thị Hoa",
            "Cứu hộ, không thể chờ",
            "03",
        )
        (event,) = [
            e
            for e in await events_of(house, f"/inbox/{item['id']}", "stc")
            if e["type"] == "taken_undetermined"
        ]
        assert event["data"]["record"] == said
        # The log goes to strangers: it proves the record without telling it.
        (proof,) = [
            json.loads(r["body"])
            for r in rows(house, "SELECT body FROM receipt_entry WHERE kind = 'audit'")
            if "taken-undetermined" in r["body"]
        ]
        (row,) = rows(house, "SELECT undetermined FROM arrival")
        assert proof["body_sha256"] == sha256(row["undetermined"].encode()).hexdigest()
        assert (proof["actor"], proof["code"], proof["verdict"]) == ("stc", "03", "indeterminate")
        assert "Cứu hộ" not in json.dumps(proof, ensure_ascii=False)
        (delivery,) = (await house.document(answer["id"]))["deliveries"]
        assert delivery["state"] == "accepted"
        # Later steps need no reason any more.
        code, _, _ = await status(house, item, "04")
        assert code == 200


async def test_a_decided_document_needs_no_reason(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch) as house:
        lists_come(house)
        answer = await send_signed(house)
        assert answer["verification"] == "valid"
        (item,) = await house.inbox("stc")
        code, taken, _ = await status(house, item, undetermined_reason="thừa")
        assert (code, taken["taken_undetermined"]) == (200, None)
        # Returning an undetermined one has its own reason, and skipping 03 does not go round it.
    (tmp_path / "b").mkdir()
    async with undecided(tmp_path / "b", monkeypatch) as house:
        await send_signed(house)
        (item,) = await house.inbox("stc")
        code, problem, _ = await status(house, item, "05")
        assert ("SIG-42", "/undetermined_reason") in faults(problem)
        code, _, _ = await status(house, item, "02", reason="không chờ được")
        assert code == 200


# ---------------------------------------------------------------- operations


async def test_one_banner_whatever_the_number(tmp_path, monkeypatch, told):
    async with undecided(tmp_path, monkeypatch) as house:
        for number in ("1", "2", "3"):
            await send_signed(house, number)
        await house.inbox("stc", 3)
        await look(house)
        (banner,) = told["verdicts_waiting"]
        assert (banner["documents"], banner["causes"]) == (6, ["revocation"])
        assert banner["since"].endswith("+07:00")
        async with house.session.get(f"{house.url}/ready") as ready:
            assert ready.status == 200  # said, not failed: documents are taken meanwhile
            said = (await ready.json())["checks"]["verdicts"]
        assert said.startswith("ok (undetermined: 6 (revocation) since ")
        async with house.session.get(f"{house.url}/metrics") as metrics:
            text = await metrics.text()
        assert 'vanlien_documents_undetermined{cause="revocation"} 6.0' in text
        assert "vanlien_undetermined_oldest_seconds" in text
        # Reminded, not repeated.
        await look(house)
        assert len(told["verdicts_waiting"]) == 1
        house.clock.move(timedelta(minutes=61))
        await look(house, 1)
        assert len(told["verdicts_waiting"]) == 2
        lists_come(house)
        await look(house)
        assert told["verdicts_waiting"][-1]["documents"] == 0
        async with house.session.get(f"{house.url}/ready") as ready:
            assert (await ready.json())["checks"]["verdicts"] == "ok"


async def test_strangers_signatures_are_no_banner(tmp_path, monkeypatch, told):
    """A certificate of an authority nobody gave us may never be ours to have."""
    async with undecided(tmp_path, monkeypatch) as house:
        for file in (tmp_path / "trust").iterdir():
            file.unlink()
        answer = await send_signed(house)
        assert answer["verification"] == "indeterminate"
        await house.inbox("stc")
        await look(house)
        assert told["verdicts_waiting"] == []
        (waits,) = await undetermined.waiting(house.gateway.ledger, house.clock.now())
        assert (waits.cause, waits.count) == ("chain", 2)
        # The authority is taken into the trust folder: that is news as well.
        lay(tmp_path, crls=True)
        assert await look(house) == 2
        assert (await house.document(answer["id"]))["verification"] == "valid"


# ---------------------------------------------------------------- verifiers that do not


class Failing:
    """A verifier whose process dies of every file until it is well."""

    def __init__(self, house):
        self.inner = house.gateway.context.verifier
        self.asked = 0
        self.well = False
        house.gateway.context.verifier = self

    def quick(self, data, *, sha256, at):
        return None

    async def verify(self, path, *, sha256, size_bytes, at, lane=0):
        from gateway.trust.notes import note
        from gateway.verifier.examine import failed_report

        if self.well:
            return await self.inner.verify(path, sha256=sha256, size_bytes=size_bytes, at=at)
        self.asked += 1
        return failed_report(
            Verdict.INDETERMINATE,
            note("verifier-failed", "SIGKILL"),
            sha256=sha256,
            size_bytes=size_bytes,
            at=at,
            trust_sha256=self.inner.trust_state(),
        )

    async def close(self):
        await self.inner.close()


class Away:
    """A verifier that cannot be asked."""

    def quick(self, data, *, sha256, at):
        return None

    async def verify(self, path, **_):
        raise UnavailableError(Reason.OVERLOADED, "verifier queue full")

    async def close(self):
        return


def test_the_development_authorities_are_those_the_list_names():
    assert pki().issuing.name == "CA phục vụ cơ quan nhà nước THỬ NGHIỆM"


async def test_a_verifier_that_is_away_is_one_banner_too(tmp_path, monkeypatch, told):
    async with undecided(tmp_path, monkeypatch) as house:
        house.gateway.context.verifier = Away()
        for number in ("1", "2"):
            answer = await send_signed(house, number)
            assert (answer["state"], answer["verification"]) == ("accepted", "pending")
        await look(house)
        assert told["verdicts_waiting"] == []  # it is given a minute
        house.clock.move(timedelta(minutes=2))
        await look(house, 1)
        (banner,) = told["verdicts_waiting"]
        assert (banner["documents"], banner["causes"]) == (2, ["pending"])


async def test_an_old_client_takes_one_with_what_it_can_say(tmp_path, monkeypatch):
    """Its description is the reason; nothing is refused that it could not have said."""
    async with undecided(tmp_path, monkeypatch) as house:
        answer = await send_signed(house)
        await house.inbox("stc")
        found = house.gateway.callers.by_api_key(house.systems["stc"].key)
        data = status_message(
            head(answer["document_id"], code="123/SNV-VP"),
            "03",
            sender="H37.04",
            description="đã nhận",
        )

        async def chunks():
            yield data

        await house.gateway.door.report(found, chunks(), SubmitOptions(via="vxp"))
        (item,) = await house.inbox("stc")
        assert item["state"] == "accepted"
        taken = item["taken_undetermined"]
        assert (taken["by"], taken["reason"], taken["code"]) == ("stc", "đã nhận", "03")
