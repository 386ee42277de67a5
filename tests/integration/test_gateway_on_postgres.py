"""The whole gateway on a PostgreSQL ledger: the same programs, the same commands, the same proof."""

import asyncio
import json
import threading

import pytest

from gateway.__main__ import main
from gateway.errors import UnavailableError
from gateway.ports import Insert
from gateway.receipts.sign import load_private, public_pem
from gateway.store.places import place_of
from tests.world.gatehouse import gatehouse, packet
from tests.world.servers.commit_cutter import CommitCutter
from tests.world.submitting import rows


async def vanlien(house, capfd, *args):
    """Run a command beside the server; return exit code and its one object."""
    config = str(house.folder / "vanlien.toml")
    capfd.readouterr()
    code = await asyncio.to_thread(main, [*args, "--config", config, "--json"])
    out, err = capfd.readouterr()
    assert out, err
    return code, json.loads(out)


async def test_documents_inside_and_through_the_axis(tmp_path, postgres_ledger_url, capfd):
    async with gatehouse(tmp_path, axis=True, ledger=postgres_ledger_url) as house:
        status, answer, _ = await house.send(packet("12", to=("H37.04", "G09"), urgency=3))
        assert status == 202, answer
        assert answer["issue_ordinal"] == 1
        again = await house.send(packet("12", to=("H37.04", "G09"), urgency=3))
        assert (again[0], again[1]["id"]) == (202, answer["id"])

        (item,) = await house.inbox("stc")
        status, after, _ = await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
        assert (status, after["state"]) == (200, "taken")
        await house.state(answer["id"], "G09", "handed_over")
        assert house.ministry is not None
        await house.until(house.ministry.step)
        await house.state(answer["id"], "G09", "accepted")

        # Commands beside the running node.
        code, added = await vanlien(house, capfd, "system", "add", "moi", "--speaks-for", "H37.61")
        assert code == 0, added
        house.systems["moi"] = type(house.systems["snv"])("moi", added["api_key"], "")

        async def known() -> bool:
            return (await house.call("GET", "/inbox", "moi"))[0] == 200

        await house.until(known)
        code, listed = await vanlien(house, capfd, "queue", "list")
        assert (code, listed["transfers"]) == (0, [])
        code, _ = await vanlien(house, capfd, "agency", "alias", "2.H37", "H37.02")
        assert code == 0
        code, told = await vanlien(house, capfd, "check-config")
        assert (code, told["faults"]) == (0, [])
        code, done = await vanlien(house, capfd, "reverify")
        assert code == 0, done

        # The log, as a stranger checks it who has the file and the public key.
        out, pem = tmp_path / "log.jsonl", tmp_path / "receipts.pub"
        key = load_private(house.gateway.settings.receipts.key_file)
        pem.write_text(public_pem(key), encoding="utf-8")
        code, exported = await vanlien(house, capfd, "receipts", "export", "--output", str(out))
        assert code == 0, exported
        assert (
            await asyncio.to_thread(main, ["receipts", "verify", str(out), "--key", str(pem)]) == 0
        )
        placed = "SELECT COUNT(*) AS n, COUNT(idx) AS placed FROM receipt_entry"
        (counted,) = rows(house, placed)
        assert counted["n"] == counted["placed"] >= exported["entries"] > 5


@pytest.fixture
def cutter(postgres_ledger_url):
    """A proxy that breaks a COMMIT, and the ledger behind it; on a loop that no test holds up."""
    place = place_of(postgres_ledger_url)
    made, loop = CommitCutter(place.port), asyncio.new_event_loop()
    turning = threading.Thread(target=loop.run_forever)
    turning.start()
    port = asyncio.run_coroutine_threadsafe(made.start(), loop).result()
    yield made, postgres_ledger_url.replace(f":{place.port}/", f":{port}/")
    asyncio.run_coroutine_threadsafe(made.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    turning.join()
    loop.close()


@pytest.mark.parametrize("how", ["behind", "before"])
async def test_a_claim_heard_to_fail_does_not_stand_still(tmp_path, cutter, monkeypatch, how):
    """It may be committed, and the ledger away too long to say so: the lease is ten minutes."""
    monkeypatch.setattr("gateway.store.postgres.writer._DOUBT_S", 0.2)
    proxy, through = cutter
    async with gatehouse(tmp_path, axis=True, ledger=through) as house:
        commit, heard = house.gateway.ledger.commit, []

        async def in_doubt(change):
            claims = any(isinstance(r, Insert) and r.table == "attempt" for r in change.rows)
            if not claims or heard:
                return await commit(change)
            proxy.cut, proxy.down = how, True
            try:
                return await commit(change)
            except UnavailableError as exc:
                heard.append(exc)
                raise
            finally:
                proxy.down = False

        monkeypatch.setattr(house.gateway.ledger, "commit", in_doubt)
        sent = 0
        while not heard:  # the cut may have hit what another connection committed
            sent += 1
            status, answer, _ = await house.send(packet(str(sent), to=("G09",)))
            assert status == 202
            shown = await house.state(answer["id"], "G09", "handed_over", "arrived", "accepted")
            assert shown["attempts"][-1]["outcome"] == "taken"
        assert house.axis.calls.count("sendEdoc") == sent
