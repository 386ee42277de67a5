"""LedgerAdmin beside a running ledger: audit, versions, purging for good."""

import asyncio
import hashlib
import io
import json
import os
from datetime import datetime, timedelta

import pytest

from gateway.codec.edxml import envelope_from_json
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import AgencyRecord, ChangeSet, Committed, Insert, NewCredential, NextNumber
from gateway.receipts import bundle, log, merkle, proof, sign
from gateway.store.admin import LedgerAdmin
from gateway.store.blobs import FolderBlobs
from gateway.store.ledger import connect
from gateway.store.receipts import LedgerReceipts, node_reader, sign_head_now
from gateway.store.session import session
from gateway.stores import ledger_at
from tests.unit.store.conftest import CountedIds
from tests.world import ledger_rows as rows
from tests.world.ledgers import only_sqlite
from tests.world.receipt_log import AT, key

ONE = AgencyRecord("H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local")
SECRET = "Nội dung mật không ai được đọc"
AN, BINH = "Nguyễn Văn An", "Trần Thị Bình"


def credential(number=1):
    return NewCredential(f"api{number}", "api-key", sha256=f"{number:064x}")


def audits(sql):
    """Entries of the log, oldest first, each checked against its row."""
    found = []
    for body, subject, kind, index in sql(
        "SELECT body, subject, kind, idx FROM receipt_entry ORDER BY idx"
    ):
        facts = json.loads(body)
        assert log.canonical(facts).decode() == body
        assert facts["kind"] == kind
        assert index == len(found)
        found.append((subject, facts))
    return found


# ---------------------------------------------------------------- audit and versions


def test_every_change_is_an_event_and_an_entry(admin, sql):
    admin.put_agency(ONE, by="root")
    admin.add_system("qlvb", ["H37.02"], [credential()], by="root")
    admin.rotate("qlvb", [credential(2)], overlap=timedelta(0), by="an")
    admin.disable_system("qlvb", by="an")
    admin.put_alias("2.H37", "H37.02", by="root")
    admin.set_counter("H37.02", 2026, "issue", 4321, reason="giữa năm", by="root")
    why = {"successor": "", "reason": "khóa", "by": "root"}
    admin.set_agency_status("H37.02", "locked", **why)
    found = audits(sql)
    assert [(s, f["action"], f["actor"]) for s, f in found] == [
        ("agency:H37.02", "agency-added", "root"),
        ("system:qlvb", "system-added", "root"),
        ("system:qlvb", "system-rotated", "an"),
        ("system:qlvb", "system-disabled", "an"),
        ("agency:H37.02", "alias-put", "root"),
        ("counter:H37.02/2026/issue", "counter-set", "root"),
        ("agency:H37.02", "agency-locked", "root"),
    ]
    counter = found[5][1]
    assert (counter["value"], counter["series"], counter["agency"]) == (4321, "issue", "H37.02")
    assert counter["reason_sha256"] == hashlib.sha256("giữa năm".encode()).hexdigest()
    events = sql("SELECT subject, type, data, seq FROM event ORDER BY id")
    assert [(s, t) for s, t, *_ in events] == [(s, f["action"]) for s, f in found]
    assert json.loads(events[5][2])["reason"] == "giữa năm"
    assert [e[3] for e in events] == list(range(1, 8))


def test_what_changes_nothing_writes_nothing(admin, sql):
    admin.put_agency(ONE, by="t")
    admin.add_system("qlvb", ["H37.02"], [credential()], by="t")
    admin.disable_system("qlvb", by="t")
    admin.put_alias("2.H37", "H37.02", by="t")
    before = sql("SELECT * FROM meta ORDER BY key"), audits(sql)
    assert admin.put_agency(ONE, by="t") == "same"
    admin.put_alias("2.H37", "H37.02", by="t")
    admin.disable_system("qlvb", by="t")
    assert (sql("SELECT * FROM meta ORDER BY key"), audits(sql)) == before


def test_a_refused_call_leaves_no_trace(admin, sql):
    admin.put_agency(ONE, by="t")
    before = sql("SELECT * FROM meta ORDER BY key"), audits(sql)
    with pytest.raises(RejectedError):
        admin.add_system("qlvb", ["H37.02", "H99"], [credential()], by="t")
    with pytest.raises(RejectedError):
        admin.set_counter("H37.02", 2026, "issue", -1, reason="r", by="t")
    with pytest.raises(RejectedError):
        admin.set_counter("H37.02", 2026, "issue", 1, reason="  ", by="t")
    with pytest.raises(RejectedError):
        admin.put_alias("2.H37", "H37.02", by="")
    assert (sql("SELECT * FROM meta ORDER BY key"), audits(sql)) == before
    assert sql("SELECT * FROM system") == sql("SELECT * FROM counter") == []


def test_a_credential_of_another_system_is_a_conflict(admin):
    admin.put_agency(ONE, by="t")
    admin.add_system("a", ["H37.02"], [credential()], by="t")
    with pytest.raises(RejectedError) as caught:
        admin.add_system("b", ["H37.02"], [credential()], by="t")
    assert caught.value.reason is Reason.CONFLICT
    assert [s.id for s in admin.systems()] == ["a"]


@pytest.mark.parametrize("bad", ["", "  ", "x" * 501, "\ud800"])
def test_texts_no_ledger_should_hold(admin, bad):
    admin.put_agency(ONE, by="t")
    calls = (
        lambda: admin.add_system(bad, ["H37.02"], [], by="t"),
        lambda: admin.add_system("qlvb", ["H37.02"], [], by=bad),
        lambda: admin.put_agency(AgencyRecord("H37.05", bad), by="t"),
        lambda: admin.put_agency(AgencyRecord(bad, "Sở"), by="t"),
        lambda: admin.purge("x", by=bad),
    )
    for call in calls:
        with pytest.raises(RejectedError) as caught:
            call()
        assert caught.value.reason is Reason.BAD_REQUEST


def test_codes_are_kept_in_one_spelling(admin):
    admin.put_agency(AgencyRecord(" h37.02 ", "Sở Nội vụ", aliases=("02.h37",)), by="t")
    (row,) = admin.agencies()
    assert (row.code, row.aliases) == ("H37.02", ("02.H37",))
    assert admin.put_agency(AgencyRecord("H37.02", "Sở Nội vụ"), by="t") == "same"
    assert admin.add_system("qlvb", ["02.h37"], [], by="t").speaks_for == ("H37.02",)


def test_a_registry_changed_by_others_is_seen(admin, place, blobs, clock):
    other_ids = CountedIds()
    other_ids.count = 1000
    other = LedgerAdmin(place, blobs, clock, other_ids)
    admin.put_agency(ONE, by="t")
    other.put_alias("2.H37", "H37.02", by="t")
    assert admin.add_system("qlvb", ["2.H37"], [], by="t").speaks_for == ("H37.02",)
    other.close()


def test_an_old_code_that_is_given_up_is_free(admin):
    admin.put_agency(ONE, by="t")
    admin.put_agency(AgencyRecord("H37.02", "Sở Nội vụ", legacy_code="000.00.12.H37"), by="t")
    other = AgencyRecord("H37.05", "Sở Y tế", legacy_code="000.00.02.H37")
    assert admin.put_agency(other, by="t") == "added"


@only_sqlite
def test_a_ledger_that_cannot_be_written_is_said(admin, path):
    admin._session.run("PRAGMA busy_timeout=50")
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError):
        admin.put_agency(ONE, by="t")
    other.close()
    assert admin.put_agency(ONE, by="t") == "added"


# ---------------------------------------------------------------- beside a running server


async def test_it_works_while_a_server_commits(admin, place, sql):
    done, stop = [], False
    async with ledger_at(place) as ledger:

        async def serve():
            while not stop:
                number = NextNumber("n", "H37.02", 2026, "issue")
                rows_of_it = (rows.entry("served"), rows.event("served"))
                done.append(await ledger.commit(ChangeSet(rows=rows_of_it, numbers=(number,))))

        server = asyncio.create_task(serve())
        await asyncio.to_thread(admin.put_agency, ONE, by="t")
        for i in range(20):
            await asyncio.to_thread(admin.put_alias, f"{i:02}.H37", "H37.02", by="t")
        far = 10**6
        await asyncio.to_thread(admin.set_counter, "H37.02", 2026, "issue", far, reason="r", by="t")
        stop = True
        await server
        last = await ledger.commit(ChangeSet(numbers=(NextNumber("n", "H37.02", 2026, "issue"),)))
    assert all(isinstance(d, Committed) for d in done)
    assert last.numbers["n"] > far
    bodies = [body for (body,) in sql("SELECT body FROM receipt_entry ORDER BY idx")]
    assert len(bodies) == len(done) + 22
    tree = merkle.Frontier()
    for entry in log.sequence(log.EMPTY, [b.encode() for b in bodies]):
        tree.add(entry.leaf_hash)
    with session(place, purpose="test", read_only=True) as opened:
        assert merkle.root(len(bodies), node_reader(opened)) == tree.root()


# ---------------------------------------------------------------- purging for good


def put(blobs, text):
    return asyncio.run(blobs.put(text.encode())).sha256


def stub(item_id, kind, sha256, at="2026-11-23T01:00:00.000000Z"):
    values = {"id": item_id, "kind": kind, "sender": "H37.02", "reason": "SEC-01", "at": at}
    return Insert("quarantine", {**values, "sha256": sha256})


ENVELOPE = json.dumps(
    {
        "header": {
            "sender": {"organ_id": "H37.02", "organ_name": SECRET},
            "recipients": [],
            "subject": SECRET,
        },
        "manifest": [],
        "attachments": [],
        "repairs": [],
    },
    ensure_ascii=False,
)


def purge(admin, item_id):
    admin.purge(item_id, by=AN)
    return admin.purge(item_id, by=BINH)


def test_a_purged_consignment_is_an_empty_shell(admin, blobs, write, sql):
    packet, page, shared = put(blobs, SECRET), put(blobs, SECRET + "!"), put(blobs, "biểu mẫu")
    receipt = sign.export_statement(key(), {"x": "1"})
    answer = json.dumps({"id": "c1", "findings": [{"vi": SECRET}], "receipt": receipt})
    write(
        rows.consignment(
            "c1",
            state="quarantined",
            envelope=ENVELOPE,
            findings=json.dumps([SECRET]),
            subject=SECRET,
            code_number="12",
            code_notation="SNV-M",
            promulgation_date="2026-11-22",
            main_sha256=page,
            received_sha256=packet,
            answer=answer,
            receipt=receipt,
        ),
        *(rows.keep(name, "c1") for name in (packet, page, shared)),
        rows.keep(shared, "c2"),
        stub("c1", "consignment", packet),
        rows.entry("c1", kind="quarantined", packet_sha256=packet, rules=["SEC-01"]),
        Insert(
            "verification",
            {
                "id": "r1",
                "sha256": page,
                "trust_sha256": "t",
                "verdict": "valid",
                "at": rows.AT,
                "report": SECRET,
            },
        ),
    )
    assert set(blobs.names()) == {packet, page, shared}
    admin.purge("c1", by=AN)
    assert set(blobs.names()) == {packet, page, shared}
    assert SECRET in sql("SELECT subject FROM consignment")[0][0]

    done = admin.purge("c1", by=BINH)

    assert done.purge_asked_by == AN
    assert done.purged_at is not None
    assert list(blobs.names()) == [shared]
    assert sql("SELECT sha256, owner FROM blob_ref") == [(shared, "c2")]
    assert sql("SELECT * FROM verification") == []
    columns = "subject, code_number, code_notation, promulgation_date, main_sha256, findings"
    assert sql(f"SELECT {columns} FROM consignment") == [("", "", "", "", "", "[]")]
    kept = "id, sender, document_id, version, state, received_sha256, receipt"
    (row,) = sql(f"SELECT {kept} FROM consignment")
    assert row[1:] == ("H37.02", row[2], 1, "quarantined", packet, receipt)
    (text, left) = sql("SELECT envelope, answer FROM consignment")[0]
    envelope = envelope_from_json(json.loads(text))
    assert envelope.header.sender.organ_id == "H37.02"
    assert json.loads(left)["receipt"] == receipt
    (first, second, when) = sql("SELECT first_by, second_by, purged_at FROM quarantine")[0]
    assert (first, second, bool(when)) == (AN, BINH, True)
    assert [f["kind"] for _, f in audits(sql)] == ["quarantined", "audit", "purged"]
    purged = audits(sql)[-1][1]
    assert purged["actors"] == [AN, BINH]
    assert (purged["consignment_id"], purged["packet_sha256"]) == ("c1", packet)


@only_sqlite
def test_nothing_of_it_is_left_in_the_file(admin, blobs, path, write, sql):
    write(
        rows.consignment("c1", envelope=ENVELOPE + " " * 9000 + SECRET, subject=SECRET),
        stub("c1", "consignment", put(blobs, "x")),
    )
    files = list(path.parent.glob("ledger.sqlite*"))
    assert any(SECRET.encode() in f.read_bytes() for f in files)
    purge(admin, "c1")
    for file in path.parent.glob("ledger.sqlite*"):
        assert SECRET.encode() not in file.read_bytes(), file.name


def test_the_chain_still_verifies(admin, blobs, place, write):
    packet = put(blobs, SECRET)
    write(rows.entry("before"), stub("q1", "consignment", packet), rows.keep(packet, "q1"))
    purge(admin, "q1")
    signer = key()
    sign_head_now(place, signer, datetime.fromisoformat(AT))
    source, out = LedgerReceipts(place, "truc", signer), io.BytesIO()
    bundle.write_bundle(out, source, at=AT)
    source.close()
    report = proof.verify(io.BytesIO(out.getvalue()), {signer.kid: signer.public}, None)
    assert report.exit_code == 0
    assert SECRET.encode() not in out.getvalue()


def arrivals(packet, *agencies):
    """Arrivals of one inbound packet, all in quarantine."""
    made = [rows.keep(packet, "in1")]
    for number, agency in enumerate(agencies):
        more = {"inbound_id": "in1", "state": "quarantined", "offered_at": None}
        more["received_sha256"] = packet
        more |= {"envelope": ENVELOPE, "sender_name": SECRET, "findings": json.dumps([SECRET])}
        made.append(rows.arrival(f"a{number}", agency=agency, **more))
        made.append(stub(f"a{number}", "arrival", packet))
    return made


def test_a_purged_arrival_keeps_its_ids(admin, blobs, write, sql):
    packet = put(blobs, SECRET)
    write(*arrivals(packet, "H37.02"))
    purge(admin, "a0")
    assert list(blobs.names()) == []
    assert sql("SELECT * FROM blob_ref") == []
    columns = "id, agency, sender, document_id, state, findings, sender_name, received_sha256"
    assert sql(f"SELECT {columns} FROM arrival") == [
        ("a0", "H37.02", "H57.01", "H57.01,2026/11/22,1/VP", "quarantined", "[]", "", packet)
    ]
    assert SECRET not in sql("SELECT envelope FROM arrival")[0][0]
    assert audits(sql)[-1][1]["arrival_id"] == "a0"


def test_a_packet_of_two_arrivals_goes_with_the_last(admin, blobs, write, sql):
    packet = put(blobs, SECRET)
    write(*arrivals(packet, "H37.02", "H37.05"))
    purge(admin, "a0")
    assert list(blobs.names()) == [packet]
    purge(admin, "a1")
    assert list(blobs.names()) == []


def test_bytes_just_put_again_are_left_to_the_janitor(admin, blobs, write, clock, sql):
    """Somebody sends the same bytes while they are purged; the reference is not committed yet."""
    old, again = put(blobs, SECRET), put(blobs, SECRET + "!")
    now = blobs.now()
    write(stub("q1", "consignment", old), *(rows.keep(n, "q1") for n in (old, again)))
    clock.at += timedelta(days=1)
    blobs.kept[old] = (blobs.kept[old][0], now - 86_400)
    blobs.kept[again] = (blobs.kept[again][0], now - 60)
    purge(admin, "q1")
    assert list(blobs.names()) == [again]
    assert sql("SELECT * FROM blob_ref") == []


def test_a_purge_that_dies_leaves_bytes_nobody_refers_to(admin, blobs, write, sql, monkeypatch):
    packet = put(blobs, SECRET)
    write(stub("q1", "consignment", packet), rows.keep(packet, "q1"))
    admin.purge("q1", by=AN)

    def die(*_):
        raise SystemExit

    monkeypatch.setattr(blobs, "delete_if_older", die)
    with pytest.raises(SystemExit):
        admin.purge("q1", by=BINH)
    assert sql("SELECT * FROM blob_ref") == []
    assert admin.quarantined()[0].purged_at is not None


def test_on_real_files(place, write, tmp_path, clock):
    folder = FolderBlobs(tmp_path / "blobs")
    packet = put(folder, SECRET)
    at = folder.path(packet).stat().st_mtime - 1
    os.utime(folder.path(packet), (at, at))
    write(stub("q1", "consignment", packet, clock.at.isoformat()), rows.keep(packet, "q1"))
    admin = LedgerAdmin(place, folder, clock, CountedIds())
    purge(admin, "q1")
    assert list(folder.names()) == []
    admin.close()
    folder.close()


def test_the_second_person_decides_once(admin, place, write, sql, blobs, clock):
    """Two seconds at the same time: one purges, the other hears that it is done."""
    write(stub("q1", "consignment", put(blobs, "x")))
    ids = CountedIds()
    ids.count = 5000
    other = LedgerAdmin(place, blobs, clock, ids)
    admin.purge("q1", by=AN)
    other.purge("q1", by=BINH)
    with pytest.raises(RejectedError) as caught:
        admin.purge("q1", by="Lê Chi")
    assert caught.value.reason is Reason.CONFLICT
    other.close()
    assert sql("SELECT second_by FROM quarantine") == [(BINH,)]
