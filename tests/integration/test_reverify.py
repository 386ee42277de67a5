"""`vanlien reverify`: stored reports made again from stored evidence (SIG-47, SIG-50).

A real ledger, real verifier processes, beside the running server; whatever was changed, dropped or
added behind the gateway's back is named.
"""

import asyncio
import json
import shutil
from datetime import timedelta
from hashlib import sha256

import pytest

from gateway import reverification, stores
from gateway.__main__ import main
from gateway.demo.pki import Revocation, publish_crls
from gateway.programs.rows import dumps, loads
from gateway.trust.anchors import TrustStore
from tests.world.gatehouse import gatehouse, packet
from tests.world.ledgers import ask
from tests.world.outside import cold
from tests.world.rechecking import HandPool, lay, lists_come, look, send_signed, still, undecided
from tests.world.signed_files import LONG_AGO, NOW, flipped, letter, once, pki, twice
from tests.world.submitting import WaitingVerifier, count, rows


async def reverify(house, capfd, *args):
    """Run the command beside the server; return exit code and its one object."""
    config = str(house.folder / "vanlien.toml")
    capfd.readouterr()
    code = await asyncio.to_thread(main, ["reverify", *args, "--config", config, "--json"])
    out, _ = capfd.readouterr()
    return code, json.loads(out)


def harm(house, sql, *params):
    """Change the ledger behind everybody's back."""
    ask(stores.ledger_place(house.gateway.settings), sql, *params)


def reports(house):
    return rows(house, "SELECT * FROM verification ORDER BY at, id")


async def a_day(house):
    """Documents of every kind: undetermined and then valid, invalid, unsigned."""
    await send_signed(house, "1")
    await house.inbox("stc")
    lists_come(house)
    await look(house)
    code, answer, _ = await house.send(packet("2", files=(("a.pdf", flipped(twice("B-T"))),)))
    assert (code, answer["verification"]) == (202, "invalid")
    await house.send(packet("3", files=(("b.pdf", letter()), ("c.pdf", once()))))
    await house.inbox("stc", 3)


FLAGGED = '[policy]\noutgoing_invalid = "flag"\n'


@pytest.fixture
async def house(tmp_path, monkeypatch):
    """The engine in this process: its own processes have tests elsewhere, and one here."""
    monkeypatch.setattr(reverification, "VerifierPool", HandPool)
    async with undecided(tmp_path, monkeypatch, FLAGGED) as found:
        yield found


@pytest.fixture
async def with_processes(tmp_path, monkeypatch):
    async with undecided(tmp_path, monkeypatch, FLAGGED) as found:
        yield found


async def test_every_report_is_made_again_byte_for_byte(with_processes, capfd):
    house = with_processes
    await a_day(house)
    kept = reports(house)
    assert {r["verdict"] for r in kept} == {"indeterminate", "valid", "invalid"}
    assert len({r["trust_sha256"] for r in kept}) == 2
    code, said = await reverify(house, capfd)
    assert (code, said["problems"], said["said"]) == (0, [], [])
    assert said["counts"] == {"equal": len(kept)}
    # Today's trust folder is none of its business.
    shutil.rmtree(house.folder / "trust")
    lay(house.folder, crls=False)
    code, said = await reverify(house, capfd, "--all")
    assert (code, said["counts"]) == (0, {"equal": len(kept)})
    assert reports(house) == kept


async def test_one_document_and_one_file(house, capfd):
    await a_day(house)
    answer = await send_signed(house, "9", pdf=once())
    one = reports(house)[-1]
    code, said = await reverify(house, capfd, "--document", answer["id"])
    assert (code, said["checked"]) == (
        0,
        len([r for r in reports(house) if r["sha256"] == one["sha256"]]),
    )
    item = (await house.inbox("stc"))[-1]
    code, said = await reverify(house, capfd, "--document", item["id"])
    assert code == 0
    code, said = await reverify(house, capfd, "--file", one["sha256"])
    assert (code, set(said["counts"])) == (0, {"equal"})
    for args in (("--document", "không-có"), ("--file", "0" * 64)):
        code, said = await reverify(house, capfd, *args)
        assert (code, said["error"]["kind"]) == (64, "rejected")


# ---------------------------------------------------------------- what was done behind our back


def _forged(row):
    facts = loads(row["report"])
    facts["verdict"] = "valid"
    return dumps(facts)


async def test_a_changed_report_is_found(house, capfd):
    await a_day(house)
    row = next(r for r in reports(house) if r["verdict"] == "invalid")
    harm(house, "UPDATE verification SET report = ? WHERE id = ?", _forged(row), row["id"])
    code, said = await reverify(house, capfd)
    assert code == 1
    (problem,) = said["problems"]
    assert (problem["status"], problem["report_id"]) == ("tampered", row["id"])


async def test_a_changed_verdict_beside_the_report_is_found(house, capfd):
    await a_day(house)
    row = next(r for r in reports(house) if r["verdict"] == "invalid")
    harm(house, "UPDATE verification SET verdict = 'valid' WHERE id = ?", row["id"])
    code, said = await reverify(house, capfd)
    assert (code, [p["status"] for p in said["problems"]]) == (1, ["tampered"])


async def test_a_report_put_in_the_place_of_another_is_found(house, capfd):
    """Its name fits its bytes, but the log named another one."""
    await a_day(house)
    row = next(r for r in reports(house) if r["verdict"] == "invalid")
    text = _forged(row)
    fresh = sha256(text.encode()).hexdigest()
    harm(
        house,
        "UPDATE verification SET id = ?, report = ?, verdict = 'valid' WHERE id = ?",
        fresh,
        text,
        row["id"],
    )
    code, said = await reverify(house, capfd)
    assert code == 1
    assert {(p["status"], p["report_id"]) for p in said["problems"]} == {
        ("unnamed", fresh),
        ("report-missing", row["id"]),
    }


async def test_a_log_entry_changed_to_fit_vouches_for_nothing(house, capfd):
    await a_day(house)
    row = next(r for r in reports(house) if r["verdict"] == "invalid")
    text = _forged(row)
    fresh = sha256(text.encode()).hexdigest()
    sql = "UPDATE verification SET id = ?, report = ?, verdict = 'valid' WHERE id = ?"
    harm(house, sql, fresh, text, row["id"])
    harm(house, "UPDATE receipt_entry SET body = replace(body, ?, ?)", row["id"], fresh)
    code, said = await reverify(house, capfd)
    assert (code, {p["status"] for p in said["problems"]}) == (1, {"unnamed"})


async def test_a_deleted_report_is_missed(house, capfd):
    await a_day(house)
    row = reports(house)[0]
    harm(house, "DELETE FROM verification WHERE id = ?", row["id"])
    code, said = await reverify(house, capfd)
    assert code == 1
    (problem,) = said["problems"]
    assert (problem["status"], problem["report_id"]) == ("report-missing", row["id"])


async def test_a_changed_file_is_another_report(house, capfd):
    await a_day(house)
    row = next(r for r in reports(house) if r["verdict"] == "valid")
    path = house.folder / "data" / "blobs" / row["sha256"][:2] / row["sha256"]
    path.chmod(0o600)
    path.write_bytes(flipped(path.read_bytes()))
    code, said = await reverify(house, capfd, "--file", row["sha256"])
    assert code == 1
    found = next(p for p in said["problems"] if p["report_id"] == row["id"])
    assert found["status"] == "differs"
    assert "/verdict" in found["paths"]
    assert any(path.startswith("/signatures/0/") for path in found["paths"])
    path.unlink()
    code, said = await reverify(house, capfd, "--file", row["sha256"])
    assert {p["status"] for p in said["problems"]} == {"file-missing"}


async def test_evidence_that_is_gone_is_said_and_stops_nothing(house, capfd):
    await a_day(house)
    early, *rest = reports(house)
    states = house.folder / "data" / "evidence" / "states"
    gone = states / early["trust_sha256"][:2] / f"{early['trust_sha256']}.json"
    gone.unlink()
    code, said = await reverify(house, capfd)
    assert code == 1
    (problem,) = said["problems"]
    assert (problem["status"], problem["report_id"]) == ("evidence-missing", early["id"])
    assert problem["detail"] == early["trust_sha256"]
    assert problem["vi"] != problem["en"]
    assert said["counts"]["equal"] == len(rest)
    # An object changed: the folder is not the one it says it is.
    objects = house.folder / "data" / "evidence" / "objects"
    crl = max((p for p in objects.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    crl.write_bytes(crl.read_bytes() + b"\n")
    code, said = await reverify(house, capfd)
    assert {p["status"] for p in said["problems"]} <= {"evidence-missing", "evidence-damaged"}
    assert code == 1


async def test_another_engine_is_said_and_is_no_fault(house, capfd, monkeypatch):
    await a_day(house)
    for row in reports(house):
        facts = loads(row["report"]) | {"engine": "vanlien-trust 0, pyHanko 0.1"}
        text = dumps(facts)
        _rename(house, row["id"], text)
    code, said = await reverify(house, capfd)
    assert (code, said["problems"]) == (0, [])
    assert said["counts"] == {"engine-changed": len(reports(house))}
    assert all("pyHanko 0.1 then" in one["detail"] for one in said["said"])
    assert {tuple(one["paths"]) for one in said["said"]} == {("/engine",)}


def _rename(house, name, text):
    """Write a report as an earlier engine would have, log included."""
    from gateway.receipts.log import entry_hash

    fresh = sha256(text.encode()).hexdigest()
    harm(house, "UPDATE verification SET id = ?, report = ? WHERE id = ?", fresh, text, name)
    for entry in rows(house, "SELECT ord, body FROM receipt_entry"):
        body = entry["body"].replace(name, fresh)
        digest = entry_hash(body.encode()).hex()
        sql = "UPDATE receipt_entry SET body = ?, entry_hash = ? WHERE ord = ?"
        harm(house, sql, body, digest, entry["ord"])


# ---------------------------------------------------------------- at another time, under other trust


async def test_what_would_change_is_listed_and_nothing_is_written(house, capfd):
    answer = await send_signed(house)
    await house.inbox("stc")
    before = reports(house)
    code, said = await reverify(house, capfd, "--now")
    assert (code, said["changes"], said["checked"]) == (0, [], 2)
    lists_come(house)
    code, said = await reverify(house, capfd, "--now")
    assert (code, said["trust"], said["queued"]) == (1, "now", 0)
    assert {c["kind"] for c in said["changes"]} == {"consignment", "arrival"}
    for change in said["changes"]:
        assert (change["verdict"], change["would_be"]) == ("indeterminate", "valid")
        assert (change["legal_class"], change["would_be_class"]) == ("undetermined", "original")
    assert reports(house) == before
    assert (await house.document(answer["id"]))["verification"] == "indeterminate"


async def test_at_another_time_under_each_reports_own_trust(house, capfd):
    lists_come(house)
    answer = await send_signed(house)
    assert answer["verification"] == "valid"
    await house.inbox("stc")
    code, said = await reverify(house, capfd, "--at", "2026-11-22T12:30:00+07:00")
    assert (code, said["changes"]) == (0, [])
    # Years later the lists of then are stale: nothing proves that it was not revoked.
    code, said = await reverify(house, capfd, "--at", "2040-01-01T00:00:00+07:00")
    assert code == 1
    assert {c["would_be"] for c in said["changes"]} == {"indeterminate"}


async def test_under_the_trust_of_one_report(house, capfd):
    await a_day(house)
    early = reports(house)[0]
    code, said = await reverify(house, capfd, "--trust-of", early["id"])
    assert (code, said["trust"]) == (1, early["trust_sha256"])
    changed = {(c["verdict"], c["would_be"]) for c in said["changes"]}
    # The unsigned document has a signed annex, which is then undetermined too.
    assert changed == {("valid", "indeterminate"), ("unsigned", "indeterminate")}
    code, said = await reverify(house, capfd, "--trust-of", "0" * 64)
    assert (code, said["error"]["kind"]) == (64, "usage")


async def test_the_server_is_asked_to_look_again(house, capfd, monkeypatch):
    """What was valid and is not any more: told as an alarm, both reports kept."""
    from gateway import observe

    lists_come(house)
    await send_signed(house)
    (item,) = await house.inbox("stc")
    await house.call(
        "POST", f"/inbox/{item['id']}/status", "stc", json={"code": "03", "reason": ""}
    )
    alarms = []
    monkeypatch.setattr(observe, "alarm", lambda **facts: alarms.append(facts["what"]))
    for file in (house.folder / "trust").glob("*.pem"):
        file.unlink()
    code, said = await reverify(house, capfd, "--now", "--queue", "--reason", "CA bị lộ khóa")
    assert (code, said["queued"]) == (1, 2)
    assert count(house, "recheck") == 2
    audit = [loads(r["body"]) for r in rows(house, "SELECT body FROM receipt_entry")]
    assert [a["action"] for a in audit if a.get("action") == "recheck-asked"]
    WaitingVerifier(house).answer(None)
    house.gateway.context.verifier = Says(house, "invalid")
    assert await look(house, 1) == 2
    assert alarms.count("valid became invalid") == 2
    (after,) = await house.inbox("stc")
    assert (after["verification"], after["verdict_before"]) == ("invalid", "valid")
    assert after["state"] == "accepted"
    assert after["advice"]["code"] == "02"


class Says:
    """A verifier of one opinion."""

    def __init__(self, house, verdict):
        self._verdict = verdict
        self._inner = house.gateway.verifier

    def quick(self, data, *, sha256, at):
        return None

    async def verify(self, path, *, sha256, size_bytes, at, lane=0):
        from gateway.trust.report import Verdict, VerificationReport

        trust = self._inner.trust_state()
        return VerificationReport(Verdict(self._verdict), sha256, size_bytes, at, trust, "test")

    async def close(self):
        return


# ---------------------------------------------------------------- wrong use


@pytest.mark.parametrize(
    "args",
    [
        ("--all", "--file", "0" * 64),
        ("--now", "--trust-of", "0" * 64),
        ("--queue", "--reason", "x"),
        ("--now", "--queue"),
        ("--now", "--at", "2026-11-22T12:00:00+07:00", "--queue", "--reason", "x"),
        ("--file", "ABC"),
        ("--at", "hôm qua"),
        ("--at", "2026-11-22T12:00:00"),
    ],
    ids=lambda args: " ".join(args)[:40],
)
def test_wrong_use_is_explained(args, tmp_path, capfd):
    code = main(["reverify", *args, "--config", str(tmp_path / "none.toml"), "--json"])
    said = json.loads(capfd.readouterr().out)
    assert (code, said["error"]["kind"]) == (64, "usage")
    assert said["error"]["message_vi"] != said["error"]["message_en"]


async def test_people_get_a_summary(house, capfd):
    await a_day(house)
    row = reports(house)[0]
    harm(house, "DELETE FROM verification WHERE id = ?", row["id"])
    config = str(house.folder / "vanlien.toml")
    code = await asyncio.to_thread(main, ["reverify", "--config", config])
    text = capfd.readouterr().out
    assert code == 1
    assert "khớp từng byte / equal byte for byte" in text
    assert f"MẤT BÁO CÁO / THE REPORT IS GONE: {row['id']}" in text
    code = await asyncio.to_thread(main, ["reverify", "--now", "--config", config])
    text = capfd.readouterr().out
    assert code in {0, 1}
    assert "văn bản" in text


# ---------------------------------------------------------------- with a revocation store


async def test_a_store_that_grew_is_asked_as_it_was(tmp_path, monkeypatch, capfd):
    """Lists that came later, saying otherwise, are none of an earlier report's business."""
    still(monkeypatch)
    with cold():
        async with gatehouse(lay(tmp_path)) as house:
            issuers = TrustStore.load(house.folder / "trust")
            store, known = house.gateway.revocation, (*issuers.anchors, *issuers.intermediates)
            for n, revoked in enumerate(([], [Revocation(pki().person().serial, LONG_AGO)])):
                folder = tmp_path / f"lists-{n}"
                folder.mkdir()
                publish_crls(pki(), now=NOW + timedelta(minutes=n), revoked=revoked, into=folder)
                for file in sorted(folder.iterdir()):
                    store.take(file.read_bytes(), known)
                await send_signed(house, str(n))
            await house.inbox("stc", 2)
            kept = reports(house)
            assert [r["verdict"] for r in kept] == ["valid", "indeterminate"]
            assert len({r["trust_sha256"] for r in kept}) == 2
            code, said = await reverify(house, capfd)
            assert (code, said["problems"]) == (0, [])
            assert said["counts"] == {"equal": 2}
            # A store that lost its memory cannot be asked: said, not guessed.
            index = house.folder / "data" / "revocation" / "index.sqlite"
            lost = index.with_name("lost.sqlite")
            index.rename(lost)
            code, said = await reverify(house, capfd)
            lost.rename(index)
            assert (code, said["counts"]) == (1, {"evidence-missing": 2})
