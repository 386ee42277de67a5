"""The whole gateway on a PostgreSQL ledger: the same programs, the same commands, the same proof."""

import asyncio
import json

from gateway.__main__ import main
from gateway.receipts.sign import load_private, public_pem
from tests.world.gatehouse import gatehouse, packet
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
