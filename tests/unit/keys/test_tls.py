"""The listeners' pair is replaced under way, and only by one that works."""

import asyncio
import os
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from prometheus_client import CollectorRegistry

from gateway import measures
from gateway.errors import ConfigurationError
from gateway.keys.tls import ServerTls
from tests.world.tls_pairs import pair, put


def warned(what="tls certificate"):
    registry: CollectorRegistry = measures.REGISTRY
    return registry.get_sample_value("vanlien_standing_warning", {"what": what}) or 0


class Door:
    """A TLS echo on loopback, and a client that tells whom it met."""

    def __init__(self, tls):
        self.tls = tls

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._echo, "127.0.0.1", 0, ssl=self.tls.context)
        self.port = self.server.sockets[0].getsockname()[1]
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.check_hostname = False
        self.client.verify_mode = ssl.CERT_NONE
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()

    async def _echo(self, reader, writer):
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def meet(self):
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.client)

    async def name(self):
        _, writer = await self.meet()
        name = shown(writer)
        writer.close()
        await writer.wait_closed()
        return name

    def resume(self, session=None):
        """Connect by hand, with a session or without; return the session and whether it counted."""
        import socket

        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain,
            self.client.wrap_socket(plain, session=session) as talk,
        ):
            talk.sendall(b"x")
            talk.recv(1)  # a ticket of TLS 1.3 comes with the first data
            return talk.session, talk.session_reused


def shown(writer):
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


def locked(key):
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password")
    )


async def test_a_new_pair_is_shown_and_a_connection_under_way_goes_on(tmp_path):
    put(tmp_path, *pair("one"))
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    async with Door(tls) as door:
        reader, writer = await door.meet()
        assert shown(writer) == "CN=one"
        put(tmp_path, *pair("two"))
        await tls.look(now=False)
        assert await door.name() == "CN=two"
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_from_before_is_resumed_after(tmp_path, version):
    put(tmp_path, *pair("one"))
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    async with Door(tls) as door:
        door.client.maximum_version = version
        session, _ = await asyncio.to_thread(door.resume)
        put(tmp_path, *pair("two"))
        await tls.look(now=False)
        _, reused = await asyncio.to_thread(door.resume, session)
        assert reused


async def test_nothing_changed_nothing_is_read(tmp_path):
    put(tmp_path, *pair("one"))
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    (tmp_path / "tls.key").chmod(0o000)
    before = tls.expires_at
    await tls.look(now=False)
    assert tls.expires_at == before
    assert not warned()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_pair_of_another_kind_of_key_leaves_nothing_of_the_one_before(tmp_path, version):
    """A context keeps one certificate a kind of key, and shows the old one to who prefers it."""
    put(tmp_path, *pair("rsa", with_rsa=True))
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    async with Door(tls) as door:
        door.client.maximum_version = version
        assert await door.name() == "CN=rsa"
        put(tmp_path, *pair("curve"))
        await tls.look(now=False)
        assert await door.name() == "CN=curve"
        door.client.set_ciphers("aRSA")
        if version is ssl.TLSVersion.TLSv1_2:  # whoever knows RSA only is refused, not deceived
            with pytest.raises(OSError):  # ssl.SSLError is one, a reset another
                await door.name()
        for kind in (True, False):
            put(tmp_path, *pair(f"again {kind}", with_rsa=kind))
            await tls.look(now=False)
            door.client.set_ciphers("DEFAULT")
            assert await door.name() == f"CN=again {kind}"
        put(tmp_path, *pair("same kind"))
        await tls.look(now=False)
        assert await door.name() == "CN=same kind"


@pytest.mark.parametrize(
    "harm",
    ["half", "foreign key", "empty", "expired", "not yet", "gone", "password", "readable"],
)
async def test_a_bad_pair_leaves_the_old_one_and_is_said_until_mended(tmp_path, harm):
    good = pair("one")
    put(tmp_path, *good)
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    async with Door(tls) as door:
        days, since = -1 if harm == "expired" else 90, 1 if harm == "not yet" else -400
        certificate, key = pair("two", days=days, since=since)
        match harm:
            case "half":
                put(tmp_path, certificate[:200], key)
            case "foreign key":
                put(tmp_path, certificate)
            case "empty":
                put(tmp_path, b"", b"")
            case "expired" | "not yet":
                put(tmp_path, certificate, key)
            case "readable":
                put(tmp_path, certificate, key)
                (tmp_path / "tls.key").chmod(0o644)
            case "gone":
                (tmp_path / "tls.pem").unlink()
            case _:
                put(tmp_path, certificate, locked(key))
        await tls.look(now=False)
        assert await door.name() == "CN=one"
        assert not warned()  # it may be that the other file is about to come
        await tls.look(now=False)
        assert warned()
        assert await door.name() == "CN=one"
        put(tmp_path, *pair("three"))
        await tls.look(now=False)
        assert not warned()
        assert await door.name() == "CN=three"


async def test_two_files_that_come_one_after_the_other_raise_no_alarm(tmp_path):
    put(tmp_path, *pair("one"))
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    certificate, key = pair("two")
    put(tmp_path, certificate)
    await tls.look(now=False)
    put(tmp_path, None, key)
    await tls.look(now=False)
    assert not warned()
    async with Door(tls) as door:
        assert await door.name() == "CN=two"


async def test_the_very_file_from_before_put_back_ends_the_trouble(tmp_path):
    put(tmp_path, *pair("one"))
    path = tmp_path / "tls.pem"
    good, dated = path.read_bytes(), path.stat()
    tls = ServerTls(path, tmp_path / "tls.key")
    path.write_bytes(b"no certificate")
    for _ in range(2):
        await tls.look(now=False)
    assert warned()
    path.write_bytes(good)  # as `cp -p` does: the same inode, size and date
    os.utime(path, ns=(dated.st_atime_ns, dated.st_mtime_ns))
    await tls.look(now=False)
    assert not warned()


async def test_asked_for_a_bad_pair_is_said_at_once(tmp_path):
    put(tmp_path, *pair("one"))
    tls = ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
    put(tmp_path, b"no certificate")
    await tls.look(now=True)
    assert warned()
    put(tmp_path, *pair("two"))
    await tls.look(now=True)
    assert not warned()


def test_a_pair_that_does_not_fit_is_refused_at_start(tmp_path):
    put(tmp_path, pair("one")[0], pair("two")[1])
    with pytest.raises(ConfigurationError):
        ServerTls(tmp_path / "tls.pem", tmp_path / "tls.key")
