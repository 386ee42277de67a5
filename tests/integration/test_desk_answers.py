"""What a system is told of its documents: every answer by its model, every proof checked."""

import asyncio
import json
import re
import sys
from collections import Counter
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import TypeAdapter

from gateway import stores
from gateway.ports import AgencyRecord, ChangeSet, Update
from gateway.receipts.log import canonical, chain_hash, entry_hash, leaf_hash
from gateway.receipts.proof import verify_inclusion
from gateway.receipts.sign import load_private, public_pem, verify_acceptance, verify_tree_head
from gateway.web import models
from tests.world.gatehouse import gatehouse, packet

FILES = (("ghi-chú.txt", b"xin chao"), ("hỏng.pdf", b"%PDF-1.7\nkhong phai PDF\n%%EOF"))


def fits(model, answer):
    """Hold an answer against its model: no key more, none less."""
    return TypeAdapter(model).validate_python(answer, extra="forbid")


async def get(house, path, model, system="snv", status=200):
    found, answer, _ = await house.call("GET", path, system)
    assert found == status, answer
    fits(model, answer)
    return answer


@pytest.fixture(name="world")
async def _world(tmp_path):
    """One document in every stage: through the axis, in the province, not connected."""
    async with gatehouse(tmp_path, axis=True) as house:
        data = packet("1", to=("G09", "H37.04", "H37.61", "H37.99"), files=FILES, urgency=2)
        status, answer, _ = await house.send(data)
        assert status == 202, answer
        house.answer = fits(models.AcceptedOut, answer)
        await house.state(answer["id"], "G09", "handed_over")
        await house.until(house.ministry.step)
        await house.state(answer["id"], "G09", "accepted")
        await house.state(answer["id"], "H37.04", "handed_over")
        (house.item,) = await house.inbox("stc")
        await house.gateway.janitor.sign_head()
        yield house


def public_key(house):
    key = load_private(house.folder / "keys" / "receipts.pem")
    return load_pem_public_key(public_pem(key).encode())


# ---------------------------------------------------------------- shapes


async def test_every_answer_about_a_document_sent(world):
    one = f"/documents/{world.answer.id}"
    document = await get(world, one, models.Document)
    page = await get(world, "/documents", models.Documents)
    assert page == {"items": [{k: v for k, v in document.items() if k != "header"}], "next": None}
    same = f"/documents?document_id={document['document_id']}"
    assert (await get(world, same, models.Documents))["items"] == page["items"]
    none = await get(world, "/documents?document_id=H37.02,2026/01/01,9/X", models.Documents)
    assert none["items"] == []
    states = {d["agency"]: d["state"] for d in document["deliveries"]}
    assert states == {
        "G09": "accepted",
        "H37.04": "handed_over",
        "H37.61": "arrived",
        "H37.99": "not_connected",
    }
    assert document["number"]["ordinal"] == world.answer.issue_ordinal == 1
    assert document["urgency"] == 2
    assert date.fromisoformat(document["promulgation_date"])
    verdicts = {a["name"]: a["verdict"] for a in document["attachments"]}
    assert verdicts["ghi-chú.txt"] == "unsigned"
    assert verdicts["hỏng.pdf"] not in {"valid", "unsigned", None}
    assert document["verification"] == verdicts["hỏng.pdf"]
    verification = await get(world, f"{one}/verification", models.Verification)
    reports = {f["name"]: f["report"] for f in verification["files"]}
    assert [bool(r) for r in reports.values()] == [False, True]
    events = await get(world, f"{one}/events", models.Events)
    times = [e["at"] for e in events["items"]]
    assert times == sorted(times)
    assert {"accepted", "numbered", "released", "attempt_began", "handed_over", "status"} <= {
        e["type"] for e in events["items"]
    }


async def test_every_answer_about_a_document_received(world):
    one = f"/inbox/{world.item['id']}"
    inbox = await get(world, "/inbox", models.Inbox, "stc")
    arrival = await get(world, one, models.Arrival, "stc")
    (item,) = inbox["items"]
    assert item.pop("replay") is False
    assert item == {k: v for k, v in arrival.items() if k not in {"header", "replay"}}
    assert inbox["next"] == arrival["cursor"] > 0
    empty = await get(world, f"/inbox?after={inbox['next']}", models.Inbox, "stc")
    assert empty == {"items": [], "next": inbox["next"]}
    await get(world, f"{one}/events", models.Events, "stc")
    await get(world, f"{one}/receipts", models.Receipts, "stc")
    await get(world, f"{one}/verification", models.Verification, "stc")
    status, taken, _ = await world.call("POST", f"{one}/confirm", "stc")
    assert status == 200
    assert fits(models.Arrival, taken).state == "taken"
    body = {"code": "03", "reason": ""}
    status, done, _ = await world.call("POST", f"{one}/status", "stc", json=body)
    assert status == 200
    assert fits(models.Arrival, done).state == "accepted"
    # For an agency of our console the commit is the entry: taken, with its legal time.
    (console,) = await world.inbox("other")
    assert console["entered_system_at"]
    assert console["received_at_legal"]


async def test_the_rest_answers_by_its_model_too(world):
    await get(world, "/agencies", models.Agencies)
    await get(world, "/documents/no-such", models.Problem, status=404)
    for path, model in (("/live", models.Live), ("/ready", models.Ready)):
        async with world.session.get(world.url + path) as answer:
            fits(model, await answer.json())
    status, refusal, _ = await world.send(packet("2", to=()))
    assert status == 422
    assert fits(models.Problem, refusal).findings


# ---------------------------------------------------------------- proofs


async def test_every_receipt_is_proven_against_the_signed_head(world):
    one = f"/documents/{world.answer.id}/receipts"
    receipts = await get(world, one, models.Receipts)
    head = verify_tree_head(receipts["tree_head"], public_key(world))
    kinds = Counter(e["kind"] for e in receipts["entries"])
    assert kinds["accepted"] == 1
    assert kinds["handed_over"] == 1
    assert kinds["arrived_at_gateway"] == 2
    assert {"status", "entered_system"} <= set(kinds)
    for entry in receipts["entries"]:
        check_entry(entry, head)
    theirs = await get(world, f"/inbox/{world.item['id']}/receipts", models.Receipts, "stc")
    assert theirs["acceptance"] is None
    assert theirs["entries"]
    for entry in theirs["entries"]:
        check_entry(entry, head)


def check_entry(entry, head):
    inclusion = entry["inclusion"]
    assert (inclusion["tree_size"], inclusion["root"]) == (head.size, head.root.hex())
    assert inclusion["leaf_index"] == entry["index"]
    hashed = entry_hash(canonical(entry["body"]))
    assert hashed.hex() == entry["entry_hash"]
    chained = chain_hash(bytes.fromhex(entry["prev_hash"]), entry["index"], hashed)
    assert chained.hex() == entry["chain_hash"]
    path = [bytes.fromhex(h) for h in inclusion["hashes"]]
    leaf = leaf_hash(chained)
    assert verify_inclusion(leaf, entry["index"], head.size, path, head.root)
    assert not verify_inclusion(bytes(32), entry["index"], head.size, path, head.root)


async def test_the_acceptance_receipt_names_its_entry(world):
    receipts = await get(world, f"/documents/{world.answer.id}/receipts", models.Receipts)
    assert receipts["acceptance"] == world.answer.receipt
    claims = verify_acceptance(receipts["acceptance"], public_key(world))
    (accepted,) = [e for e in receipts["entries"] if e["kind"] == "accepted"]
    assert claims["entry_id"] == accepted["entry_id"]
    assert claims["entry_hash"] == accepted["entry_hash"]
    assert claims["recipients"] == ["G09", "H37.04", "H37.61", "H37.99"]


async def test_what_the_head_does_not_cover_yet_says_so(tmp_path):
    async with gatehouse(tmp_path) as house:
        await house.send(packet("1", to=("H37.99",)))
        await house.gateway.janitor.sign_head()
        status, answer, _ = await house.send(packet("2", to=("H37.99",)))
        assert status == 202
        receipts = await get(house, f"/documents/{answer['id']}/receipts", models.Receipts)
        (entry,) = receipts["entries"]
        assert entry["index"] is not None
        assert entry["inclusion"] is None
        house.clock.move(timedelta(seconds=11))
        await house.sweep()
        receipts = await get(house, f"/documents/{answer['id']}/receipts", models.Receipts)
        head = verify_tree_head(receipts["tree_head"], public_key(house))
        check_entry(receipts["entries"][0], head)


# ---------------------------------------------------------------- who may see what


async def test_what_is_another_callers_does_not_exist(world):
    sent, received = f"/documents/{world.answer.id}", f"/inbox/{world.item['id']}"
    for part in ("", "/events", "/receipts", "/verification"):
        for other in ("stc", "other"):
            await get(world, f"{sent}{part}", models.Problem, other, 404)
        for other in ("snv", "other"):
            await get(world, f"{received}{part}", models.Problem, other, 404)
    for part in ("/edxml", "/edxml?form=received", "/attachments/0"):
        await get(world, f"{received}{part}", models.Problem, "snv", 404)
    for action, body in (("confirm", None), ("status", {"code": "03", "reason": ""})):
        found, _, _ = await world.call("POST", f"{received}/{action}", "snv", json=body)
        assert found == 404
    assert (await get(world, "/documents", models.Documents, "stc"))["items"] == []
    assert (await get(world, "/inbox", models.Inbox, "snv"))["items"] == []
    elsewhere = await get(world, "/inbox?agency=H37.61", models.Inbox, "stc")
    assert elsewhere["items"] == []
    assert (await world.document(world.answer.id))["deliveries"][1]["last_status"] == ""


async def test_what_is_in_quarantine_is_invisible(tmp_path):
    async with gatehouse(tmp_path) as house:
        status, answer, _ = await house.send(packet("1", to=("H37.04",)))
        assert status == 202
        (item,) = await house.inbox("stc")
        rows = (
            ("consignment", answer["id"]),
            ("arrival", item["id"]),
        )
        await house.gateway.ledger.commit(
            ChangeSet(rows=tuple(Update(t, {"id": i}, {"state": "quarantined"}) for t, i in rows))
        )
        for part in ("", "/events", "/receipts", "/verification"):
            await get(house, f"/documents/{answer['id']}{part}", models.Problem, "snv", 404)
            await get(house, f"/inbox/{item['id']}{part}", models.Problem, "stc", 404)
        assert (await get(house, "/documents", models.Documents))["items"] == []
        assert (await get(house, "/inbox", models.Inbox, "stc"))["items"] == []


# ---------------------------------------------------------------- pages


async def test_pages_of_documents_are_whole_while_others_are_sent(tmp_path):
    async with gatehouse(tmp_path) as house:
        there = {(await house.send(packet(str(n), to=("H37.99",))))[1]["id"] for n in range(1, 26)}
        seen, after = [], ""
        for n in range(100, 200):
            query = f"/documents?limit=4{f'&after={after}' if after else ''}"
            page = await get(house, query, models.Documents)
            assert len(page["items"]) <= 4
            seen += [d["id"] for d in page["items"]]
            if page["next"] is None:
                break
            after = page["next"]
            status, _, _ = await house.send(packet(str(n), to=("H37.99",)))
            assert status == 202
        assert len(seen) == len(set(seen))
        assert set(seen) == there
        assert seen == sorted(seen, reverse=True)


async def test_the_inbox_feed_never_skips_while_others_write(tmp_path):
    async with gatehouse(tmp_path) as house:
        sent = []

        async def writer(first):
            for n in range(first, first + 20):
                status, answer, _ = await house.send(packet(str(n), to=("H37.04",)))
                assert status == 202
                sent.append(answer["document_id"])

        writers = asyncio.gather(*(writer(n) for n in (100, 200, 300)))
        seen, cursors, after = [], [], 0
        async with asyncio.timeout(60):
            while not (writers.done() and len(seen) >= len(sent)):
                page = await get(house, f"/inbox?after={after}&limit=3", models.Inbox, "stc")
                seen += [i["document_id"] for i in page["items"]]
                cursors += [i["cursor"] for i in page["items"]]
                after = page["next"]
        await writers
        assert cursors == sorted(set(cursors))
        assert sorted(seen) == sorted(sent)
        assert len(seen) == 60


async def test_a_page_asks_the_ledger_a_handful_of_questions(tmp_path):
    async with gatehouse(tmp_path) as house:
        for n in range(1, 61):
            await house.send(packet(str(n), to=("H37.04", "H37.61", "H37.99"), files=FILES))
        await house.inbox("stc", 60)
        await house.gateway.janitor.sign_head()
        asked = count_questions(house)
        page = await get(house, "/documents?limit=60", models.Documents)
        assert len(page["items"]) == 60
        assert asked() <= 8
        inbox = await get(house, "/inbox?limit=60", models.Inbox, "stc")
        assert len(inbox["items"]) == 60
        assert asked() <= 4
        receipts = await get(
            house, f"/documents/{page['items'][0]['id']}/receipts", models.Receipts
        )
        assert all(e["inclusion"] for e in receipts["entries"])
        assert asked() <= 8


def count_questions(house):
    """Return a function that tells how often the ledger was asked since the last time."""
    ledger, counted = house.gateway.ledger, Counter()
    house.gateway.desk._context.ledger = Counting(ledger, counted)

    def since():
        found = sum(counted.values())
        counted.clear()
        return found

    return since


class Counting:
    def __init__(self, ledger, counted):
        self._ledger, self._counted = ledger, counted

    async def one(self, query, **params):
        self._counted[query] += self._is_the_desks()
        return await self._ledger.one(query, **params)

    async def all(self, query, **params):
        self._counted[query] += self._is_the_desks()
        return await self._ledger.all(query, **params)

    async def commit(self, change):
        return await self._ledger.commit(change)

    @staticmethod
    def _is_the_desks():
        """Programs share the context: only questions asked from the desk count."""
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.endswith("gateway/programs/desk.py"):
                return 1
            frame = frame.f_back
        return 0


# ---------------------------------------------------------------- operations


async def test_gauges_have_names_prometheus_takes(world):
    async with world.session.get(f"{world.url}/metrics") as answer:
        assert answer.status == 200
        lines = (await answer.text()).splitlines()
    sample = re.compile(
        r'(vanlien_[a-z0-9_]+)(\{([a-z_]+="[^"\\\n]*")(,[a-z_]+="[^"\\\n]*")*\})? '
        r"(-?[0-9.e+-]+|\+Inf|NaN)"
    )
    names, typed = set(), Counter()
    for line in lines:
        if line.startswith("# TYPE"):
            typed[line.split()[2]] += 1
        elif line and not line.startswith("#"):
            found = sample.fullmatch(line)
            assert found, line
            names.add(found[1])
    assert set(typed.values()) == {1}
    assert {
        "vanlien_oldest_wait_seconds",
        "vanlien_receipt_log_entries",
        "vanlien_receipt_log_signed",
        "vanlien_transfers_held",
        "vanlien_documents_without_verdict",
        "vanlien_documents_accepted_total",
        "vanlien_standing_warning",
    } <= names
    told = [line for line in lines if 'what="held:' not in line]  # an operator asked for those
    assert [line for line in told if "H37" in line or "SNV" in line] == []


async def test_the_queue_is_seen_in_the_gauges(tmp_path):
    dead = (
        '[[peer]]\nid = "chet"\nendpoint = "http://127.0.0.1:9/x"\nsystem_id = "x"\n'
        'secret_file = "keys-axis/axis.secret"\ncodes_behind = ["H98"]\npoll_every = "1 h"\n'
    )
    async with gatehouse(tmp_path, axis=True, extra=dead) as house:
        with stores.open_admin(house.folder / "vanlien.toml") as admin:
            admin.put_agency(AgencyRecord("H98.01", "Xa", connected="chet"), by="test")

        async def known():
            return house.gateway.catalogue.directory().get("H98.01") is not None

        await house.until(known)
        status, answer, _ = await house.send(packet("1", to=("H98.01",), urgency=3))
        assert status == 202
        await house.state(answer["id"], "H98.01", "deferred")
        house.clock.move(timedelta(seconds=3))
        gauges = await house.gateway.desk.metrics()
        assert gauges['transfers{state="deferred",lane="3"}'] == 1
        assert 3 <= gauges["oldest_wait_seconds"] < 60
        assert json.dumps(gauges)
