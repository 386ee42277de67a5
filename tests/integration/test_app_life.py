"""A gateway's life: all or nothing at the start, nothing left at the end, every listener guarded."""

import asyncio
import gc
import ipaddress
import ssl
import threading
import warnings
from datetime import UTC, datetime, timedelta

import aiohttp
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.vxp import plugin as vxp
from gateway import app, stores
from gateway.config import load
from gateway.errors import ConfigurationError, UnavailableError
from tests.world.gatehouse import gatehouse, packet, write_config

AGENCIES = """
[[agency]]
code = "H37.71"
name = "Xã Yên Bình"
legacy_code = "000.00.71.H37"
mail = "yenbinh@langson.example"
[[agency]]
code = "H37.72"
name = "Xã đã đóng"
status = "closed"
successor = "H37.71"
"""


def prepared(folder, extra="", head=""):
    """Write settings with a place for keys of [http]; return them."""
    config = write_config(folder, extra)
    text = config.read_text(encoding="utf-8").replace("[http]\n", f"[http]\n{head}")
    config.write_text(text, encoding="utf-8")
    return config


# ---------------------------------------------------------------- nothing is left behind


def footprint():
    """What a gateway could leave in this process."""
    gc.collect()
    me = psutil.Process()
    return {
        "tasks": {t.get_name() for t in asyncio.all_tasks()},
        "threads": {t.name for t in threading.enumerate()},
        # Not their children: servers that tests of this process share come and go with theirs.
        "children": sorted(p.pid for p in me.children()),
        "files": sorted(f.path for f in me.open_files()),
        "sockets": sorted(str(c.laddr) for c in me.net_connections() if c.status == "LISTEN"),
    }


async def test_stopping_leaves_nothing(tmp_path, real_workers):
    before = footprint()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with gatehouse(tmp_path, axis=True) as house:
            status, _, _ = await house.send(packet("1", to=("H37.04", "G09")))
            assert status == 202
            await house.gateway.stop()
            await house.gateway.stop()  # safe to repeat
        await asyncio.sleep(0)
        after = footprint()
    after["threads"] -= {n for n in after["threads"] if n.startswith("asyncio_")}
    before["threads"] -= {n for n in before["threads"] if n.startswith("asyncio_")}
    assert after == before


async def test_a_start_that_fails_leaves_nothing_and_does_not_keep_the_lock(tmp_path):
    config = prepared(tmp_path)
    first = app.Gateway(load(config))
    await first.start()
    await first.stop()
    before = footprint()
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        settings = load(config, {"VANLIEN__HTTP__PORT": str(port)})
        with pytest.raises(ConfigurationError) as refused:
            await app.Gateway(settings).start()
        assert refused.value.faults[0].where == "http"
        assert str(port) in refused.value.faults[0].vi
    after = footprint()
    for name in ("tasks", "children", "files"):
        assert after[name] == before[name]
    async with app.running(load(config)) as gateway:
        assert gateway.url


async def test_two_gateways_never_share_a_folder(tmp_path):
    config = prepared(tmp_path)
    async with app.running(load(config)) as gateway:
        with pytest.raises(ConfigurationError, match="another vanlien"):
            await app.Gateway(load(config)).start()
        async with aiohttp.ClientSession() as session, session.get(f"{gateway.url}/live") as live:
            assert live.status == 200


async def test_a_program_that_dies_is_told(tmp_path, monkeypatch):
    async def run(self):
        raise ValueError("a bug")

    monkeypatch.setattr(app.Dispatch, "run", run)
    async with app.running(load(prepared(tmp_path))) as gateway:
        with pytest.raises(ValueError, match="a bug"):
            async with asyncio.timeout(60):
                await gateway.failed


# ---------------------------------------------------------------- TLS


def certificate(folder):
    """Write a certificate for 127.0.0.1 and its key; return a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "tls.key"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    private.chmod(0o600)
    return ssl.create_default_context(cafile=folder / "tls.pem")


async def test_the_listener_speaks_tls_and_nothing_older(tmp_path):
    trusting = certificate(tmp_path)
    config = prepared(tmp_path, head='tls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    async with app.running(load(config)) as gateway, aiohttp.ClientSession() as session:
        assert gateway.url.startswith("https://127.0.0.1:")
        async with session.get(f"{gateway.url}/ready", ssl=trusting) as answer:
            assert answer.status == 200
            assert "max-age" in answer.headers["Strict-Transport-Security"]
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{gateway.url}/ready")  # nobody vouches for it
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get(f"{gateway.url.replace('https', 'http')}/ready")
        old = certificate_client_of(trusting)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get(f"{gateway.url}/ready", ssl=old)


def certificate_client_of(_):
    """Return a client that can do nothing newer than TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


# ---------------------------------------------------------------- the plain façade listener


PLAIN = '[[http.plain_facade]]\nhost = "127.0.0.1"\nport = 0\nnetworks = ["{}"]\n'


@pytest.mark.parametrize(("networks", "welcome"), [("127.0.0.0/8", True), ("10.0.0.0/8", False)])
async def test_a_plain_listener_is_for_listed_networks_and_the_facade_only(
    tmp_path, networks, welcome
):
    async with gatehouse(tmp_path, extra=PLAIN.format(networks)) as house:
        plain = house.gateway.listeners[1].url
        assert plain.startswith("http://127.0.0.1:")
        client = vxp.make_client(
            name="qlvb",
            endpoint=f"{plain}/XrdAdapter/adapter",
            system_id="snv",
            secret=house.systems["snv"].secret.encode(),
            clock=house.clock,
        )
        try:
            if welcome:
                await client.probe()
            else:
                with pytest.raises(UnavailableError):
                    await client.probe()
        finally:
            await client.close()
        # Whoever calls: bearer keys are never taken over a plain line.
        headers = {"Authorization": f"Bearer {house.systems['snv'].key}"}
        for path in ("/api/v1/documents", "/metrics", "/ready", "/openapi.json"):
            async with house.session.get(plain + path, headers=headers) as answer:
                assert answer.status in {403, 404}
        async with house.session.get(f"{house.url}/metrics") as answer:
            text = await answer.text()
        assert 'vanlien_standing_warning{what="plain_listener"} 1.0' in text


# ---------------------------------------------------------------- seeds


async def test_agencies_of_the_settings_are_in_the_catalogue(tmp_path):
    config = prepared(tmp_path, AGENCIES)
    for name in ("Xã Yên Bình", "Xã Yên Bình mới"):
        text = config.read_text(encoding="utf-8").replace('"Xã Yên Bình"', f'"{name}"')
        config.write_text(text, encoding="utf-8")
        async with app.running(load(config)) as gateway:
            agency = gateway.catalogue.directory().get("H37.71")
            assert (agency.name, agency.legacy_code) == (name, "000.00.71.H37")
            closed = gateway.catalogue.directory().get("H37.72")
            assert closed.successor == "H37.71"
            audits = await gateway.ledger.all("entries_of", subject="agency:H37.71")
    assert len(audits) == 2  # added, then renamed
    async with app.running(load(config)) as gateway:
        audits = await gateway.ledger.all("entries_of", subject="agency:H37.71")
        assert len(audits) == 2  # the same again changes nothing


async def test_a_seeded_agency_can_be_sent_to(tmp_path):
    async with gatehouse(tmp_path, extra=AGENCIES) as house:
        status, answer, _ = await house.send(packet("1", to=("H37.71", "H37.72")))
        assert status == 202
        states = {d["agency"]: d["state"] for d in answer["deliveries"]}
        assert states["H37.71"] == "pending"
        await house.state(answer["id"], "H37.71", "handed_over")


async def test_a_system_that_is_disabled_is_refused_by_the_running_server(tmp_path):
    async with gatehouse(tmp_path) as house:
        assert (await house.call("GET", "/documents"))[0] == 200
        with stores.open_admin(house.folder / "vanlien.toml") as admin:
            admin.disable_system("snv", by="test")

        async def refused():
            return (await house.call("GET", "/documents"))[0] == 401

        await house.until(refused)
