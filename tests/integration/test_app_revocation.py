"""A running gateway takes new lists without a restart and says how they stand."""

import json

from gateway import app
from gateway.__main__ import main
from gateway.config import load
from gateway.programs.recheck import Recheck
from tests.world.gatehouse import write_config
from tests.world.revocation_lists import DER, certificate, crl, many
from tests.world.signed_files import NOW

CA = certificate("CA", ca=True)


class Clock:
    """As `ports.Clock`; one that stands still."""

    overridden = False

    def now(self):
        return NOW

    def offset(self):
        return None

    measured = offset


async def test_a_dropped_list_becomes_part_of_what_is_trusted(tmp_path, monkeypatch):
    fresh = []
    monkeypatch.setattr(Recheck, "on_fresh", lambda _, issuer: fresh.append(issuer))
    config = write_config(tmp_path)
    (tmp_path / "trust" / "ca.cer").write_bytes(CA.cert.public_bytes(DER))
    folder = tmp_path / "data" / "revocation"
    gateway = app.Gateway(load(config), clock=Clock())
    await gateway.start()
    try:
        before = gateway.verifier.trust_state()
        await gateway.watch.once()
        assert gateway.watch.health.state == "missing"
        (folder / "incoming" / "ca.crl").write_bytes(crl(CA, many(3)))
        await gateway.watch.once()
        await gateway.watch.once()
        assert gateway.watch.health.state == "ok"
        assert [p.name[-6:] for p in (folder / "taken").iterdir()] == ["ca.crl"]
        gateway.verifier._trust._looked = -1e9
        assert gateway.verifier.trust_state() != before
        assert fresh == ["CA"]
    finally:
        await gateway.stop()


async def test_health_says_what_is_missing(tmp_path, capsys):
    config = write_config(tmp_path)
    (tmp_path / "trust" / "ca.cer").write_bytes(CA.cert.public_bytes(DER))
    gateway = app.Gateway(load(config), clock=Clock())
    await gateway.start()
    try:
        await gateway.watch.once()
    finally:
        await gateway.stop()
    capsys.readouterr()
    assert main(["health", "--config", str(config), "--json"]) == 70
    told = json.loads(capsys.readouterr().out)["revocation"]
    assert told["state"] == "missing"
    assert "import-crl" in told["vi"]
    assert [one["issuer"] for one in told["lists"]] == ["CA"]
