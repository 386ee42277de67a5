"""`vanlien agency import --from-peer`: what an axis lists, as a plan beside a running gateway."""

import asyncio
import json

from gateway.__main__ import main
from gateway.ports import AgencyRow
from tests.world.gatehouse import gatehouse

NEW = AgencyRow("G55", "Bộ mới lập", "000.00.00.G55")
HUB = AgencyRow("00.55.W00", "Trung tâm liên thông")


async def test_what_an_axis_lists_is_reviewed_then_applied(tmp_path, capsys):
    async with gatehouse(tmp_path, axis=True) as house:
        config = ("--config", str(tmp_path / "vanlien.toml"), "--json")

        async def vanlien(*args):
            code = await asyncio.to_thread(main, ["agency", *args, *config])
            return code, json.loads(capsys.readouterr().out.splitlines()[-1])

        capsys.readouterr()
        house.axis.add_system("moi", b"secret-of-theirs", [NEW, HUB])
        plan = tmp_path / "plan.json"
        code, made = await vanlien("import", "--from-peer", "truc", "--plan", str(plan))
        assert code == 0
        assert [(s["code"], s["kinds"]) for s in made["steps"]] == [("G55", ["added"])]
        assert made["steps"][0]["after"]["connected"] == "truc"
        assert house.gateway.catalogue.directory().get("G55") is None
        code, done = await vanlien("apply", str(plan))
        assert (code, done["applied"]) == (0, 1)

        async def known():
            return house.gateway.catalogue.directory().get("G55")

        found = await house.until(known)
        assert (found.name, found.legacy_code, found.hop) == (NEW.name, NEW.legacy_code, "truc")
        assert house.gateway.catalogue.directory().get("00.55.W00") is None
        # Ours, which the axis lists too, are as they were.
        assert house.gateway.catalogue.directory().get("H37.02").hop == "local"
        code, again = await vanlien("import", "--from-peer", "truc", "--dry-run")
        assert (code, again["counts"]) == (0, {})
        assert (await vanlien("import", "--from-peer", "khac"))[0] == 64


async def test_a_peer_that_does_not_answer_changes_nothing(tmp_path, capsys):
    async with gatehouse(tmp_path, axis=True) as house:
        await house.axis.stop()
        config = ["--config", str(tmp_path / "vanlien.toml"), "--json"]
        args = ["agency", "import", "--from-peer", "truc", "--close-missing", "--force", *config]
        assert await asyncio.to_thread(main, args) == 70
        assert '"error"' in capsys.readouterr().out
        assert house.gateway.catalogue.directory().get("G09").status == "active"
