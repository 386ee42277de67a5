"""Tree heads stamped by an authority outside: when, what counts, what shows a log written anew.

Rule: AUD-06.
"""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from asn1crypto import tsp

from gateway import observe
from gateway.__main__ import main
from gateway.demo.pki_service import time_stamper
from gateway.ports import ChangeSet, Insert
from gateway.seal.heads import HeadStamps
from gateway.seal.timestamps import StampError, stamped
from gateway.store.places import SqliteFile
from gateway.stores import UuidIds
from tests.world.gatehouse import gatehouse, packet
from tests.world.ledgers import ask as sql
from tests.world.memory_ledger import MemoryLedger
from tests.world.signed_files import NOW, pki

DAY = timedelta(days=1)


class Site:
    """A ledger with heads, a clock and an authority that may be away."""

    def __init__(self):
        self.ledger, self.at, self.asked, self.away = MemoryLedger(), NOW, 0, False
        self.stamps = HeadStamps(self.ledger, self, UuidIds(), self.ask)

    def now(self):
        return self.at

    async def head(self, size):
        row = {"size": size, "root": "00", "at": "x", "jws": f"dau.cay.{size}"}
        await self.ledger.commit(ChangeSet(rows=(Insert("tree_head", row),)))

    async def ask(self, query):
        self.asked += 1
        if self.away:
            raise OSError("no route")
        return answer(query)


def answer(query):
    return time_stamper(pki(), NOW).request_tsa_response(tsp.TimeStampReq.load(query)).dump()


@pytest.fixture
def site(monkeypatch):
    made = Site()
    made.told = []
    monkeypatch.setattr(observe, "alarm", lambda *, what, **_: made.told.append(what))
    monkeypatch.setattr(
        observe, "standing_warning", lambda *, what, active: made.told.append((what, active))
    )
    yield made
    made.ledger.close()


async def test_the_newest_head_is_stamped_once_a_day_and_the_log_says_so(site):
    assert not await site.stamps.once()  # nothing is there
    await site.head(5)
    assert await site.stamps.once()
    row = await site.ledger.one("head_stamp_latest")
    said = stamped(base64.b64decode(row["token"]), b"dau.cay.5")
    assert (row["size"], said.at, row["authority"]) == (5, NOW, said.authority)
    (entry,) = site.ledger.connection.execute("SELECT kind, body FROM receipt_entry").fetchall()
    assert (entry["kind"], json.loads(entry["body"])["value"]) == ("head_stamped", 5)
    await site.head(9)
    site.at += DAY - timedelta(seconds=1)
    assert not await site.stamps.once()
    site.at += timedelta(seconds=1)
    assert await site.stamps.once()
    # Evil twins: nothing new to stamp; a clock set back does not mean waiting for it.
    site.at += DAY
    assert not await site.stamps.once()
    await site.head(12)
    site.at -= 9 * DAY
    assert await site.stamps.once()
    assert (site.asked, site.told) == (3, [])


async def test_an_authority_that_is_away_is_asked_again_with_one_alarm(site):
    await site.head(5)
    site.away = True
    for _ in range(3):
        assert not await site.stamps.once()
    assert site.asked == 1
    site.at += timedelta(minutes=1)
    assert not await site.stamps.once()
    assert site.told == ["tree head not stamped", ("tree_head_stamp", True)]
    site.away = False
    assert not await site.stamps.once()  # two minutes by now
    site.at += timedelta(minutes=2)
    assert await site.stamps.once()
    assert site.told[2:] == [("tree_head_stamp", False)]


async def test_a_gateway_that_stands_still_stamps_nothing(site):
    await site.head(5)
    still = HeadStamps(site.ledger, site, UuidIds(), site.ask, lambda: True)
    assert not await still.once()
    assert site.asked == 0


async def test_a_token_counts_for_its_own_head_only(site):
    await site.head(5)
    assert await site.stamps.once()
    token = base64.b64decode((await site.ledger.one("head_stamp_latest"))["token"])
    for bad, data in ((token, b"dau.cay.6"), (token[:-9] + bytes(9), b"dau.cay.5"), (b"", b"")):
        with pytest.raises(StampError):
            stamped(bad, data)


async def test_a_log_written_anew_does_not_fit_its_stamps(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        config = str(house.folder / "vanlien.toml")
        assert (await house.send(packet("1")))[0] == 202
        await house.gateway.janitor.sign_head()
        ledger, clock = house.gateway.ledger, house.clock

        async def authority(query):
            return answer(query)

        assert await HeadStamps(ledger, clock, UuidIds(), authority).once()

        def run(*line):
            code = main(["receipts", "heads", "--config", config, *line, "--json"])
            return code, json.loads(capsys.readouterr().out)

        code, told = await asyncio.to_thread(run, "--output", str(tmp_path / "noi-khac"))
        assert (code, told["good"], told["heads"][0]["faults"]) == (0, True, [])
        size = told["heads"][0]["size"]
        head = tmp_path / "noi-khac" / f"head-{size}.jws"
        assert stamped(head.with_suffix(".tst").read_bytes(), head.read_bytes()).at == NOW
        # Evil twin: who owns the ledger writes its tree anew; the authority's word stays.
        place = SqliteFile(house.folder / "data" / "ledger.sqlite")
        sql(place, "UPDATE merkle_node SET hash = '" + "0" * 64 + "' WHERE level = 0 AND idx = 0")
        sql(place, "UPDATE merkle_node SET hash = '" + "0" * 64 + "' WHERE level > 0")
        code, told = await asyncio.to_thread(run)
        assert (code, told["good"]) == (1, False)
        assert "viết lại" in told["heads"][0]["faults"][0]
