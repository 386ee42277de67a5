"""The way to the ledger's server: TLS that is checked, a password that is read anew."""

import os
import pwd
import time

import pytest

from gateway.errors import ConfigurationError, UnavailableError
from gateway.store.places import place_of
from gateway.store.session import session
from tests.world.tls_pairs import pair

RULE = "hostssl all keeper 127.0.0.1/32 scram-sha-256\nhost all keeper 127.0.0.1/32 reject\n"


@pytest.fixture
def guarded(postgres_server, postgres_ledger_url, tmp_path):
    """The URL of a role that comes in by TLS and password only; its password; the authority."""
    server = postgres_server
    certificate, key = pair("127.0.0.1")
    for name, data in (("tls.pem", certificate), ("tls.key", key)):
        path = server.folder / "data" / name
        path.write_bytes(data)
        path.chmod(0o600)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(path, user.pw_uid, user.pw_gid)
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    rules.write_text(RULE + before, encoding="utf-8")
    server.sql("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'first'")
    for text in ("ssl_cert_file = 'tls.pem'", "ssl_key_file = 'tls.key'", "ssl = on"):
        server.sql(f"ALTER SYSTEM SET {text}")
    server.sql("SELECT pg_reload_conf()")
    (tmp_path / "ca.pem").write_bytes(certificate)
    end = time.monotonic() + 60
    while server.sql("SHOW ssl") != "on":  # the server reads its files when it comes to it
        assert time.monotonic() < end
    try:
        yield postgres_ledger_url.replace("vanlien@", "keeper@")
    finally:
        rules.write_text(before, encoding="utf-8")
        server.sql("ALTER SYSTEM RESET ALL")
        server.sql("SELECT pg_reload_conf()")
        server.sql("DROP ROLE keeper")


def put(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def look(place):
    with session(place, purpose="test") as opened:
        sql = (
            "SELECT usename, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            "WHERE pid = pg_backend_pid() AND ssl"
        )
        return opened.row(sql)


def test_tls_and_a_password_that_is_changed_while_it_runs(guarded, postgres_server, tmp_path):
    password = put(tmp_path / "password", "first\n")
    place = place_of(guarded, password_file=password, ca_file=tmp_path / "ca.pem")
    found = look(place)
    assert found["usename"] == "keeper"
    assert found["version"] in {"TLSv1.2", "TLSv1.3"}
    assert "first" not in repr(place) + str(place)
    postgres_server.sql("ALTER ROLE keeper PASSWORD 'second'")
    with pytest.raises(UnavailableError) as caught:
        look(place)
    assert "second" not in str(caught.value) + str(caught.value.__cause__)
    put(password, "second\n")
    assert look(place) == found


def test_a_server_nobody_vouches_for_is_not_spoken_to(guarded, tmp_path):
    password = put(tmp_path / "password", "first\n")
    stranger = put(tmp_path / "other.pem", pair("127.0.0.1")[0].decode())
    with pytest.raises(UnavailableError):
        look(place_of(guarded, password_file=password, ca_file=stranger))
    # Its certificate is for the address, not for this name.
    by_name = guarded.replace("127.0.0.1", "localhost")
    with pytest.raises(UnavailableError):
        look(place_of(by_name, password_file=password, ca_file=tmp_path / "ca.pem"))
    # In the clear it would let nobody in, and nothing asks it to.
    with pytest.raises(UnavailableError):
        look(place_of(guarded, password_file=password))


def test_files_that_are_none(guarded, tmp_path):
    password = put(tmp_path / "password", "first\n")
    with pytest.raises(ConfigurationError):
        look(place_of(guarded, password_file=password, ca_file=tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError):
        look(place_of(guarded, password_file=put(tmp_path / "bad", "no pem"), ca_file=password))
    password.chmod(0o644)
    with pytest.raises(ConfigurationError):
        look(place_of(guarded, password_file=password, ca_file=tmp_path / "ca.pem"))
