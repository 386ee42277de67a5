"""Glewlwyd, a provider of OpenID Connect, from Debian's package, as a child process on loopback.

One a test process, when the first test asks for it; SQLite in a temporary folder. Set up by its
own administration API, as an operator would: a signing key, one client (ours), two persons, one of
them with a mail address that is not verified.
"""

import json
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.world.servers.ports import free_port

_SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_CONF = """port={port}
bind_address="127.0.0.1"
external_url="{url}"
login_url="login.html"
api_prefix="api"
cookie_domain="localhost"
cookie_secure=0
log_mode="console"
log_level="WARNING"
session_key="GLEWLWYD2_SESSION_ID"
login_api_enabled=true
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="/usr/lib/glewlwyd/user_middleware"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{folder}/db" }};
"""
CLIENT, SECRET = "vanlien", "bi-mat-cua-cong"
REDIRECT = "https://lienthong.example/console/sign-in/back"
_PASSWORD = "mật khẩu ở nhà cung cấp"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Session:
    """A browser at the provider: one session cookie, no redirect followed."""

    def __init__(self, url: str) -> None:
        self._url, self._cookie = url, ""
        self._opener = urllib.request.build_opener(_Stay)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Ask; return status and `Location`."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Cookie": self._cookie},
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                self._cookie = answer.headers.get("Set-Cookie", self._cookie).partition(";")[0]
                return answer.status, ""
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers.get("Location", "")

    def must(self, method: str, path: str, body: Any = None) -> None:
        """Ask for what has to succeed."""
        status, _ = self.ask(method, path, body)
        assert status == 200, (method, path, status)


@dataclass
class Glewlwyd:
    """A running provider."""

    url: str

    @property
    def issuer(self) -> str:
        return f"{self.url}/api/oidc"

    def agreed(self, login: str, address: str) -> dict[str, str]:
        """Be a person who signs in at the provider and agrees; return what the browser brings."""
        person = Session(self.url)
        person.must("POST", "/api/auth/", {"username": login, "password": _PASSWORD})
        person.must("PUT", f"/api/auth/grant/{CLIENT}", {"scope": "openid"})
        parts = urlsplit(address)
        status, back = person.ask("GET", f"{parts.path}?{parts.query}&g_continue")
        assert status == 302
        assert back.startswith(f"{REDIRECT}?"), back
        return dict(pair.split("=", 1) for pair in urlsplit(back).query.split("&"))

    def set_up(self) -> None:
        """Tell it its key, its client and its persons."""
        key = rsa.generate_private_key(65537, 2048)
        admin = Session(self.url)
        admin.must("POST", "/api/auth/", {"username": "admin", "password": "password"})
        plugin = {
            "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256",
            "key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
            "cert": key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ).decode(),
            "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600,
            "auth-type-code-enabled": True, "auth-type-code-revoke-replayed": True,
            "allow-non-oidc": False, "subject-type": "public", "jwks-show": True,
            "pkce-allowed": True, "pkce-required": True, "email-claim": "mandatory",
            "name-claim": "mandatory", "scope": [], "claims": [{
                "name": "email_verified", "user-property": "email_verified", "type": "boolean",
                "boolean-value-true": "1", "boolean-value-false": "0", "mandatory": True,
            }],
        }  # fmt: skip
        module = {"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True}
        admin.must("POST", "/api/mod/plugin/", module | {"parameters": plugin})
        client = {
            "client_id": CLIENT, "name": CLIENT, "confidential": True, "password": SECRET,
            "redirect_uri": [REDIRECT], "authorization_type": ["code"], "enabled": True,
            "token_endpoint_auth_method": ["client_secret_basic"], "scope": [],
        }  # fmt: skip
        admin.must("POST", "/api/client/", client)
        for login, verified in (("lan", "1"), ("gia", "0")):
            person = {
                "username": login, "name": f"Họ Tên {login.title()}", "password": _PASSWORD,
                "email": f"{login}@danang.gov.vn", "email_verified": verified,
                "scope": ["openid", "g_profile"], "enabled": True,
            }  # fmt: skip
            admin.must("POST", "/api/user/", person)


def _database(folder: Path) -> None:
    """Make its tables, and let persons have a property that says whether a mail is verified."""
    with sqlite3.connect(folder / "db") as made:
        made.executescript(_SCHEMA.read_text(encoding="utf-8"))
        (told,) = made.execute("SELECT gumi_parameters FROM g_user_module_instance").fetchone()
        parameters = json.loads(told)
        parameters["data-format"]["email_verified"] = {
            "multiple": False, "read": True, "write": True,
        }  # fmt: skip
        made.execute(
            "UPDATE g_user_module_instance SET gumi_parameters = ?", (json.dumps(parameters),)
        )
    made.close()


def _start(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """Start it; it listens on return. A port that somebody else took meanwhile: another one."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        port = free_port()
        url = f"http://localhost:{port}"
        conf = folder / "glewlwyd.conf"
        conf.write_text(_CONF.format(port=port, url=url, folder=folder), encoding="utf-8")
        with (folder / "out.log").open("ab") as log:
            process = subprocess.Popen(
                ["glewlwyd", "--config-file", str(conf)], stdout=log, stderr=log
            )
        while process.poll() is None and time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{url}/api/scheme/", timeout=60):
                    return url, process
            except urllib.error.HTTPError as answered:
                answered.close()
                return url, process
            except OSError:
                time.sleep(0.05)
        process.kill()
        process.wait()
    raise AssertionError((folder / "out.log").read_text(encoding="utf-8", errors="replace"))


@pytest.fixture(scope="session")
def glewlwyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glewlwyd]:
    """A provider; a test skips where the package is not installed."""
    if shutil.which("glewlwyd") is None or not _SCHEMA.exists():
        pytest.skip("the Debian package glewlwyd is not installed")
    folder = tmp_path_factory.mktemp("glewlwyd")
    _database(folder)
    url, process = _start(folder)
    try:
        made = Glewlwyd(url)
        made.set_up()
        yield made
    finally:
        process.terminate()
        process.wait(60)
