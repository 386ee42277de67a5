"""Keys and certificates are replaced under a running gateway."""

import asyncio
import base64
import json
import signal
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from adapters.vxp import plugin as vxp
from gateway import app, measures, secrets
from gateway.__main__ import main
from gateway.backup.make import copy_keys
from gateway.cli.restore import _put_keys
from gateway.config import load
from gateway.domain.access import Role
from gateway.errors import IntegrityError
from gateway.keeping import key_files
from gateway.keys import pkcs11
from gateway.keys.receiptkey import signing_now
from gateway.policies import receipt_keys_of
from gateway.ports import Update
from gateway.programs.accounts import tokens
from tests.integration.test_app_life import prepared
from tests.world.gatehouse import HUB, gatehouse, packet, write_config
from tests.world.servers import softhsm
from tests.world.servers.ports import free_port
from tests.world.tls_pairs import pair, put

ROOT = Path(__file__).parents[2]


def standing(what):
    return measures.REGISTRY.get_sample_value("vanlien_standing_warning", {"what": what}) or 0


def trusting(certificate):
    context = ssl.create_default_context(cadata=certificate.decode())
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def test_a_request_under_way_outlives_a_new_certificate(tmp_path):
    first, second = pair("one"), pair("two")
    put(tmp_path, *first)
    config = prepared(tmp_path, head='tls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    async with app.running(load(config)) as gateway:
        kept = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=kept) as session:
            old, new = trusting(first[0]), trusting(second[0])
            async with session.get(f"{gateway.url}/live", ssl=old) as answer:
                assert answer.status == 200
            put(tmp_path, *second)
            await gateway.keys.once(now=True)
            # The same connection goes on, under the certificate it began with.
            async with session.get(f"{gateway.url}/live", ssl=old) as answer:
                assert answer.status == 200
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{gateway.url}/live", ssl=new) as answer:
                assert answer.status == 200
            try:
                await session.get(f"{gateway.url}/live", ssl=old)
            except aiohttp.ClientError:
                refused = True
            assert refused


async def test_the_watch_runs_by_itself(tmp_path):
    first, second = pair("one"), pair("two")
    put(tmp_path, *first)
    config = prepared(tmp_path, head='tls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    async with app.running(load(config)) as gateway, aiohttp.ClientSession() as session:
        put(tmp_path, *second)
        gateway.keys.ask()

        async def taken():
            try:
                async with session.get(f"{gateway.url}/live", ssl=trusting(second[0])) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        async with asyncio.timeout(60):
            while True:
                if await taken():
                    break
                await asyncio.sleep(0.02)


def shown_at(port):
    """Return the certificate a port shows, "" while nobody listens."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=60)
    except OSError:
        return ""


def until_shown(port, certificate, child):
    end = time.monotonic() + 60
    while shown_at(port).strip() != certificate.decode().strip():
        assert child.poll() is None, "the server ended"
        assert time.monotonic() < end
        time.sleep(0.1)


def test_sighup_makes_a_server_look_and_does_not_end_it(tmp_path):
    first, second = pair("one"), pair("two")
    put(tmp_path, *first)
    port = free_port()
    config = prepared(tmp_path, head='tls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, cwd=ROOT)
        try:
            until_shown(port, first[0], child)
            put(tmp_path, *second)
            child.send_signal(signal.SIGHUP)
            until_shown(port, second[0], child)
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0
        finally:
            child.kill()
            child.wait()


# ---------------------------------------------------------------- the receipt key


def command(capsys, *arguments, code=0):
    """Run a command with --json; return its answer."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def verified(capsys, path, keys, folder, code):
    """Verify an export with some of the public keys."""
    given = []
    for index, pem in enumerate(keys):
        name = folder / f"given-{index}.pem"
        name.write_text(pem)
        given += ["--key", str(name)]
    return command(capsys, "receipts", "verify", str(path), *given, code=code)


async def sent(house, number):
    status, answer, _ = await house.send(packet(number))
    assert status == 202
    header = answer["receipt"].split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=="))


async def test_a_key_activated_beside_the_server_signs_and_both_verify(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        config = ["--config", str(tmp_path / "vanlien.toml")]
        why = ["--reason", "đổi khóa hằng năm"]
        first = (await sent(house, "1"))["kid"]
        await house.sweep()
        made = command(capsys, "receipts", "key", "new", *why, *config)
        assert (await sent(house, "2"))["kid"] == first  # made is not activated
        told = command(capsys, "receipts", "key", "activate", made["kid"][:8], *why, *config)
        assert (told["kid"], told["before"]) == (made["kid"], first)
        await house.gateway.keys.once()
        house.clock.move(timedelta(seconds=20))
        assert (await sent(house, "3"))["kid"] == made["kid"]
        await house.sweep()
        listed = command(capsys, "receipts", "key", "list", *config)["keys"]
        assert [(k["kid"], k["state"]) for k in listed] == [
            (first, "kept"),
            (made["kid"], "signs"),
        ]
        out = tmp_path / "so.jsonl"
        await asyncio.to_thread(command, capsys, "receipts", "export", "-o", str(out), *config)
        both = [k["public_key"] for k in listed]
        good = verified(capsys, out, both, tmp_path, 0)
        assert good["keys"][first]["acceptance_receipts"] == 2
        assert good["keys"][made["kid"]]["acceptance_receipts"] == 1
        assert good["keys"][made["kid"]]["vouched_by"] == first
        assert good["keys"][made["kid"]]["named_at"] is not None
        old = verified(capsys, out, both[:1], tmp_path, 2)
        assert [note["code"] for note in old["notes"]].count("other-key") == 1
        # Given up, its public half stays: the same file verifies.
        command(capsys, "receipts", "key", "retire", first[:8], *why, *config)
        (tmp_path / "keys" / "receipts.pem").rename(tmp_path / "keys" / "receipts.gone")
        await house.gateway.keys.once(now=True)
        assert (await sent(house, "4"))["kid"] == made["kid"]
        verified(capsys, out, both, tmp_path, 0)


async def test_a_key_may_wait_for_its_time(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        config = ["--config", str(tmp_path / "vanlien.toml"), "--reason", "hẹn giờ"]
        first = (await sent(house, "1"))["kid"]
        made = command(capsys, "receipts", "key", "new", *config)
        at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        command(capsys, "receipts", "key", "activate", made["kid"], "--at", at, *config)
        await house.gateway.keys.once()
        assert (await sent(house, "2"))["kid"] == first
        house.clock.move(timedelta(hours=2))
        await house.gateway.keys.once()
        assert (await sent(house, "3"))["kid"] == made["kid"]


async def test_a_broken_ring_or_a_missing_key_leaves_the_one_that_signs(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        config = ["--config", str(tmp_path / "vanlien.toml"), "--reason", "thử"]
        first = (await sent(house, "1"))["kid"]
        ring = tmp_path / "keys" / "receipts.ring.json"
        ring.write_text("{")
        await house.gateway.keys.once(now=True)
        assert standing("receipt key")
        assert (await sent(house, "2"))["kid"] == first
        ring.unlink()
        made = command(capsys, "receipts", "key", "new", *config)
        command(capsys, "receipts", "key", "activate", made["kid"], *config)
        hidden = tmp_path / "keys" / made["where"]
        hidden.rename(tmp_path / "away.pem")
        await house.gateway.keys.once(now=True)
        assert (await sent(house, "3"))["kid"] == first
        (tmp_path / "away.pem").rename(hidden)
        await house.gateway.keys.once()
        assert (await sent(house, "4"))["kid"] == made["kid"]
        assert not standing("receipt key")


async def test_a_token_that_is_pulled_out_refuses_with_503_and_recovers(tmp_path, monkeypatch):
    monkeypatch.setattr(pkcs11, "AGAIN_AFTER_S", 0.0)
    token = softhsm.token()
    pin = token.pin_file(tmp_path)
    pkcs11.make_key(token.uri("receipts"), pin)
    extra = f'[receipts]\nkey = "{token.uri("receipts")}"\npin_file = "token.pin"\n'
    async with gatehouse(tmp_path, extra=extra) as house:
        header = await sent(house, "1")
        await house.sweep()
        token.pull_out()
        try:
            status, problem, headers = await house.send(packet("2"))
            assert (status, problem["type"].endswith("unavailable")) == (503, True)
            assert headers["Retry-After"]
            await house.sweep()  # the head waits, the rest of the sweep goes on
            assert standing("receipt key token")
            assert (await house.call("GET", "/inbox", "stc"))[0] == 200
        finally:
            token.put_back()
        assert (await sent(house, "2"))["kid"] == header["kid"]
        assert not standing("receipt key token")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["activate", "nothing", "--reason", "x"], 64),
        (["activate", "KID", "--reason", " "], 64),
        (["activate", "KID", "--reason", "x"], 64),
        (["retire", "KID", "--reason", "x"], 64),
        (["new", "--reason", "x", "--p256"], 64),
        (["new", "--reason", "x", "--token", "pkcs11:token=a"], 64),
        (["activate", "KID", "--reason", "x", "--at", "2020-01-01T00:00:00Z"], 64),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(tmp_path, capsys, arguments, code):
    config = ["--config", str(write_config(tmp_path))]
    kid = command(capsys, "receipts", "key", "list", *config)["keys"][0]["kid"]
    given = [kid if a == "KID" else a for a in arguments]
    answer = command(capsys, "receipts", "key", *given, *config, code=code)
    assert answer["error"]["message_vi"]
    assert not (tmp_path / "keys" / "receipts.ring.json").exists()


# ---------------------------------------------------------------- secrets at an axis


async def test_a_secret_at_the_axis_changes_without_a_restart_and_without_a_gap(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        assert house.axis is not None
        secret = tmp_path / "keys-axis" / "axis.secret"

        async def delivered(number):
            status, answer, _ = await house.send(packet(number, to=("G09",)))
            assert status == 202
            await house.state(answer["id"], "G09", "handed_over", "arrived", "accepted")

        def replace(text):
            part = secret.with_name("part")
            part.write_text(text)
            part.chmod(0o600)
            part.replace(secret)

        await delivered("1")
        await asyncio.to_thread(replace, "new-secret")  # the axis: not yet
        await delivered("2")
        warning = "secret of peer truc refused"
        assert standing(warning)
        house.axis.set_secrets(HUB, b"new-secret")
        house.clock.move(timedelta(minutes=2))
        await delivered("3")
        assert not standing(warning)
        async with house.session.get(f"{house.url}/metrics") as answer:
            assert "new-secret" not in await answer.text()


# ---------------------------------------------------------------- the key of shared secrets


async def asked_by_facade(house):
    """Tell whether an old client's shared secret opens the façade."""
    client = vxp.make_client(
        name="snv",
        endpoint=f"{house.url}/XrdAdapter/adapter",
        system_id="snv",
        secret=house.systems["snv"].secret.encode(),
        clock=house.clock,
    )
    try:
        await client.probe()
    finally:
        await client.close()


async def second_factor(house):
    """Give somebody a second factor; return its secret."""
    await house.visitor("lan", Role.CLERK, "H37.61")
    keys = house.gateway.secret_keys
    kept = tokens.new_factor(keys, "a-lan", "s1")
    await house.gateway.accounts.means.commit(Update("account", {"id": "a-lan"}, {"totp": kept}))
    return tokens.factor(keys, "a-lan", kept)


async def test_shared_secrets_are_sealed_anew_under_a_running_server(tmp_path, capsys):
    async with gatehouse(tmp_path) as house:
        given = ["--config", str(tmp_path / "vanlien.toml"), "--reason", "đổi khóa"]
        key = tmp_path / "keys" / "secrets.key"
        first = key.read_bytes()
        await asked_by_facade(house)
        factor = await second_factor(house)
        assert command(capsys, "secrets", "rekey", "--prepare", *given)["resealed"] == 0
        following = (tmp_path / "keys" / "secrets.key.next").read_bytes()
        await asked_by_facade(house)
        assert command(capsys, "secrets", "rekey", *given)["resealed"] == 4
        row = await house.row("account", id="a-lan")
        anew = secrets.read_key_file(key)
        assert tokens.factor(lambda: [anew], "a-lan", row["totp"]) == factor
        assert key.read_bytes() == following != first
        assert (tmp_path / "keys" / "secrets.key.before").read_bytes() == first
        house.gateway.callers._snapshot.opened.clear()
        await asked_by_facade(house)
        # What another machine seals under the key before is still opened.
        sealed = secrets.seal_secret(
            secrets.read_key_file(tmp_path / "keys" / "secrets.key.before"),
            b"x",
            system_id="a",
            credential_id="b",
        )
        keys = secrets.read_key_files(key)
        assert secrets.open_with(keys, sealed, system_id="a", credential_id="b") == b"x"
        (tmp_path / "keys" / "secrets.key.before").unlink()
        with pytest.raises(IntegrityError):
            secrets.open_with(secrets.read_key_files(key), sealed, system_id="a", credential_id="b")
        await asked_by_facade(house)


@pytest.mark.parametrize("harm", ["gone", "half", "readable", "another"])
async def test_a_secrets_key_that_is_spoilt_refuses_nobody_and_is_said(tmp_path, harm):
    async with gatehouse(tmp_path) as house:
        key = tmp_path / "keys" / "secrets.key"
        good = key.read_bytes()
        match harm:
            case "gone":
                key.unlink()
            case "half":
                key.write_bytes(good[:20])
            case "readable":
                key.chmod(0o644)
            case _:
                key.unlink()
                secrets.create_key_file(key)
        house.gateway.callers._snapshot.opened.clear()  # as after any change of the registry
        await asked_by_facade(house)
        await house.gateway.keys.once(now=True)
        what = {"what": "secrets key"}
        standing = measures.REGISTRY.get_sample_value
        assert bool(standing("vanlien_standing_warning", what)) is (harm != "another")
        key.unlink(missing_ok=True)
        secrets.write_private(key, good)
        await house.gateway.keys.once(now=True)
        assert not standing("vanlien_standing_warning", what)


async def test_a_rekey_that_was_cut_off_goes_on(tmp_path, capsys, monkeypatch):
    async with gatehouse(tmp_path) as house:
        given = ["--config", str(tmp_path / "vanlien.toml"), "--reason", "đổi khóa"]

        def dies(path):
            raise OSError(28, "no space")

        monkeypatch.setattr(secrets, "follow_key_file", dies)
        command(capsys, "secrets", "rekey", *given, code=70)
        monkeypatch.undo()
        house.gateway.callers._snapshot.opened.clear()
        await asked_by_facade(house)  # sealed under the next key, which stands beside
        assert command(capsys, "secrets", "rekey", *given)["resealed"] == 3
        await asked_by_facade(house)
        assert not (tmp_path / "keys" / "secrets.key.next").exists()


@pytest.mark.parametrize("word", ["activate", "retire"])
def test_a_key_whose_name_begins_with_a_dash_is_no_option(tmp_path, capsys, word):
    given = ["--config", str(write_config(tmp_path)), "--reason", "thử"]
    refused = command(capsys, "receipts", "key", word, "-slkzD9fFr_V8anr", *given, code=64)
    assert "-slkzD9fFr_V8anr" in refused["error"]["message_en"]
    assert "option" not in refused["error"]["message_en"]


def test_keys_of_the_ring_go_into_the_safe_and_come_back_elsewhere(tmp_path, capsys):
    config = write_config(tmp_path)
    given = ["--config", str(config), "--reason", "thử"]
    made = command(capsys, "receipts", "key", "new", *given)
    command(capsys, "receipts", "key", "activate", made["kid"], *given)
    copy_keys(key_files(load(config)), tmp_path / "safe")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "trust").mkdir()
    _put_keys({}, elsewhere, tmp_path / "safe")
    (elsewhere / "vanlien.toml").write_text(config.read_text())
    (tmp_path / "keys").rename(tmp_path / "lost")
    key, earlier = signing_now(receipt_keys_of(load(elsewhere / "vanlien.toml")), datetime.now(UTC))
    assert key.kid == made["kid"]
    assert len(earlier) == 1
    given = ["--config", str(elsewhere / "vanlien.toml")]
    states = [k["state"] for k in command(capsys, "receipts", "key", "list", *given)["keys"]]
    assert states == ["kept", "signs"]
