"""`vanlien health` against real listeners, plain and with TLS."""

import datetime as dt
import http.server
import json
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.__main__ import main
from tests.world.folder import make_folder


class Live(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b""
        if self.path == "/ready" and self.server.verdicts:
            body = json.dumps(
                {"ready": True, "checks": {"verdicts": self.server.verdicts}}
            ).encode()
        known = self.path == "/live" or body
        self.send_response(self.server.answer if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lienthong.example.vn")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "keys/tls.key").write_bytes(pem)
    (folder / "keys/tls.key").chmod(0o600)
    (folder / "keys/tls.pem").write_bytes(cert.public_bytes(Encoding.PEM))


@pytest.fixture
def server(request):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Live)
    server.answer = 200
    server.verdicts = ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    yield server, thread
    if thread.is_alive():
        server.shutdown()
        thread.join()
    server.server_close()


def ask(capsys, folder, port, extra=""):
    config = folder / "vanlien.toml"
    config.write_text(f'[gateway]\ncode = "00.37.W00"\n[http]\nport = {port}\n{extra}')
    code = main(["health", "--config", str(config), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("answer", "code"), [(200, 0), (503, 70), (404, 70)])
def test_what_the_server_answers_decides(tmp_path, capsys, server, answer, code):
    folder = make_folder(tmp_path / "gw")
    server[0].answer = answer
    server[1].start()
    got, said = ask(capsys, folder, server[0].server_port)
    assert (got, said["alive"]) == (code, code == 0)


def test_tls_is_asked_by_the_certificate_of_the_settings(tmp_path, capsys, server):
    folder = make_folder(tmp_path / "gw")
    self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "keys/tls.pem", folder / "keys/tls.key")
    server[0].socket = context.wrap_socket(server[0].socket, server_side=True)
    server[1].start()
    extra = 'tls_cert = "keys/tls.pem"\ntls_key = "keys/tls.key"\n'
    code, said = ask(capsys, folder, server[0].server_port, extra)
    assert code == 0
    assert 0 <= said["tls"]["days_left"] < 3
    self_signed(folder)  # another certificate: not our server
    code, said = ask(capsys, folder, server[0].server_port, extra)
    assert code == 70
    assert "verify" in said["detail"]


def test_nobody_there(tmp_path, capsys, server):
    folder = make_folder(tmp_path / "gw")
    port = server[0].server_port
    server[0].server_close()
    assert ask(capsys, folder, port)[0] == 70


def test_documents_without_a_verdict_are_told_once(tmp_path, capsys, server):
    folder = make_folder(tmp_path / "gw")
    server[1].start()
    _, said = ask(capsys, folder, server[0].server_port)
    assert said["verdicts"] is None  # an older server says nothing of it
    server[0].verdicts = "ok"
    _, said = ask(capsys, folder, server[0].server_port)
    assert said["verdicts"] == "ok"
    server[0].verdicts = "ok (undetermined: 300 (revocation) since 2026-11-22T08:00:00.000+07:00)"
    code, said = ask(capsys, folder, server[0].server_port)
    assert (code, said["verdicts"]) == (0, server[0].verdicts)
    main(["health", "--config", str(folder / "vanlien.toml")])
    told = [line for line in capsys.readouterr().out.splitlines() if "300" in line]
    assert len(told) == 1
