"""Settings: what loads, what is refused, and that everything wrong is told at once."""

import os
from datetime import timedelta

import pytest

from gateway.config import check, load, sample
from gateway.config.kinds import parse_duration, parse_size, show_duration, show_size
from gateway.errors import ConfigurationError
from tests.world.folder import make_folder


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "vanlien")


def write(folder, text):
    path = folder / "vanlien.toml"
    path.write_text(text, encoding="utf-8")
    return path


def where(faults):
    return {fault.where for fault in faults}


GOOD = '[gateway]\ncode = "00.37.W00"\n'


def test_one_key_is_enough_and_paths_start_at_the_file(folder):
    settings = load(write(folder, GOOD), {})
    assert settings.gateway.code == "00.37.W00"
    assert settings.ledger.path == folder / "data/ledger.sqlite"
    assert settings.blobs.dir == folder / "data/blobs"
    assert settings.receipts.key_file == folder / "keys/receipts.pem"
    assert settings.verify.budget == timedelta(seconds=10)
    assert settings.peers == ()


def test_the_data_folder_moves_ledger_and_blobs(folder):
    settings = load(write(folder, GOOD + 'data_dir = "elsewhere"\n'), {})
    assert settings.ledger.path == folder / "elsewhere/ledger.sqlite"
    assert settings.blobs.dir == folder / "elsewhere/blobs"


def test_settings_are_frozen(folder):
    settings = load(write(folder, GOOD), {})
    with pytest.raises(ValueError, match="frozen"):
        settings.http.port = 1


def test_the_environment_overrides_the_file(folder):
    path = write(folder, GOOD + "[http]\nport = 1\n")
    environ = {
        "VANLIEN__HTTP__PORT": "8443",
        "VANLIEN__LOG__JSON_LINES": "false",
        "VANLIEN__TIMES__HOLIDAYS": '["2026-01-02"]',
        "VANLIEN__POLICY__SENT_ACK": "01",
        "OTHER": "x",
        "VANLIEN_DEBUG": "1",
    }
    settings = load(path, environ)
    assert settings.http.port == 8443
    assert settings.log.json_lines is False
    assert [d.isoformat() for d in settings.times.holidays] == ["2026-01-02"]
    assert settings.policy.sent_ack == "01"


def test_a_peer_can_be_overridden_by_its_index(folder):
    (folder / "keys/axis.secret").write_text("s\n")
    (folder / "keys/axis.secret").chmod(0o600)
    path = write(folder, GOOD + PEER)
    settings = load(path, {"VANLIEN__PEER__0__ENDPOINT": "https://other.example.vn/a/"})
    assert settings.peers[0].endpoint == "https://other.example.vn/a"
    assert settings.peers[0].reaches_all


PEER = """
[[peer]]
id = "axis"
endpoint = "http://10.0.0.1/XrdAdapter/adapter"
system_id = "00.37.W00"
secret_file = "keys/axis.secret"
codes_behind = "*"
"""


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("VANLIEN__HTTP__PROT", "http.prot"),
        ("VANLIEN__NOPE__X", "nope"),
        ("VANLIEN__PEER__7__ID", "peer[7].id"),
        ("VANLIEN__GATEWAY__CODE__X", "gateway.code.x"),
        ("VANLIEN__", ""),
        ("VANLIEN__HTTP", "http"),
    ],
)
def test_an_override_of_nothing_is_a_fault(folder, name, place):
    faults = check(write(folder, GOOD + PEER.replace("axis.secret", "secrets.key")), {name: "1"})
    assert any(fault.where.startswith(place) for fault in faults), faults


def test_a_faulty_override_names_its_variable(folder):
    (fault,) = check(write(folder, GOOD), {"VANLIEN__HTTP__PORT": "many"})
    assert fault.where == "http.port (VANLIEN__HTTP__PORT)"
    assert "'many'" in fault.en


def test_everything_wrong_is_told_at_once_in_both_languages(folder):
    (folder / "keys/receipts.pem").chmod(0o644)
    (folder / "keys/secrets.key").write_text("zz")
    path = write(folder, EVERYTHING_WRONG)
    faults = check(path, {})
    assert {
        "gateway.code",
        "gateway.codee",
        "http.host",
        "http.port",
        "http.plain_facade[0].networks[0]",
        "http.plain_facade[0].networks[1]",
        "verify.memory",
        "verify.budget",
        "verify.trust_dir",
        "receipts.key_file",
        "secrets.key_file",
        "clock.hold_over",
        "formats.allow",
        "times.office_hours[0].sessions",
        "retry.express.first",
        "peer[0].id",
        "peer[0].secret_file",
        "peer[0].codes_behind[0]",
        "agency[0].code",
        "agency[0].connected",
        "agency[1].connected",
        "agency[1].console",
        "agency[1].status",
        "nope",
    } == where(faults)
    assert all(fault.vi and fault.en and fault.vi != fault.en for fault in faults)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert list(caught.value.faults) == faults


EVERYTHING_WRONG = """
[gateway]
codee = "x"
[http]
host = "0.0.0.0"
port = 99999
[[http.plain_facade]]
host = "10.0.0.1"
port = 8280
networks = ["0.0.0.0/0", "10.0.0.5/8"]
[verify]
trust_dir = "no-such-folder"
budget = 10
memory = "12 XB"
[clock]
max_offset = "10 s"
[formats]
allow = ["pdf", ".EXE"]
[[times.office_hours]]
sessions = [["07:30","11:30"],["11:00","17:00"]]
[retry.express]
first = "5 x"
[[peer]]
id = "A b"
endpoint = "https://x.example.vn"
system_id = "x"
codes_behind = "h37"
[[agency]]
code = "h37"
name = "x"
connected = "nowhere"
[[agency]]
code = "H37.02"
name = "x"
connected = "nowhere-2"
console = true
status = "shut"
[nope]
a = 1
"""


def test_an_unknown_key_is_met_with_the_nearest_known_one(folder):
    (fault,) = check(write(folder, GOOD + "[http]\nprot = 1\n"), {})
    assert fault.en == "is unknown; did you mean port?"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("vanlien.example.vn", False),
        ("localhost.example.vn", False),
    ],
)
def test_a_listener_off_this_machine_needs_tls(folder, host, loopback):
    faults = check(write(folder, GOOD + f'[http]\nhost = "{host}"\n'), {})
    assert where(faults) == (set() if loopback else {"http.host"})


def test_half_a_tls_pair_is_a_fault(folder):
    text = GOOD + '[http]\ntls_key = "keys/secrets.key"\n'
    assert where(check(write(folder, text), {})) == {"http.tls_cert"}


def test_a_tls_pair_that_cannot_be_used_is_a_fault(folder):
    text = GOOD + '[http]\ntls_cert = "keys/receipts.pem"\ntls_key = "keys/receipts.pem"\n'
    assert where(check(write(folder, text), {})) == {"http.tls_cert"}


def test_two_peers_never_share_a_name_or_a_road(folder):
    text = GOOD + (PEER + PEER).replace("axis.secret", "secrets.key")
    faults = check(write(folder, text), {})
    assert [fault.where for fault in faults] == ["peer"]
    text = text.replace('"axis"', '"two"', 1)
    assert where(check(write(folder, text), {})) == {"peer.codes_behind"}


def test_a_star_stands_alone(folder):
    text = GOOD + PEER.replace('"*"', '["*", "H37"]').replace("axis.secret", "secrets.key")
    assert where(check(write(folder, text), {})) == {"peer.codes_behind"}


def test_one_code_is_one_agency(folder):
    row = '[[agency]]\ncode = "H37.02"\nname = "x"\n'
    other = '[[agency]]\ncode = "H37.03"\nlegacy_code = "H37.02"\nname = "y"\n'
    assert where(check(write(folder, GOOD + row + row), {})) == {"agency[1].code"}
    assert where(check(write(folder, GOOD + row + other), {})) == {"agency[1].code"}


def test_a_successor_belongs_to_a_closed_agency(folder):
    row = '[[agency]]\ncode = "H37.02"\nname = "x"\nsuccessor = "H37.05"\n'
    assert where(check(write(folder, GOOD + row), {})) == {"agency[0].successor"}
    assert check(write(folder, GOOD + row + 'status = "closed"\n'), {}) == []


def test_a_lane_keeps_its_own_waits_under_a_partial_override(folder):
    settings = load(write(folder, GOOD + '[retry.express]\nfirst = "1 s"\n'), {})
    assert settings.retry.express.first == timedelta(seconds=1)
    assert settings.retry.express.longest == timedelta(minutes=2)
    assert settings.retry.normal.longest == timedelta(minutes=30)


@pytest.mark.parametrize("name", ["keys/receipts.pem", "keys/secrets.key"])
def test_a_secret_everyone_can_read_is_a_fault(folder, name):
    (folder / name).chmod(0o604)
    (fault,) = check(write(folder, GOOD), {})
    assert "chmod 600" in fault.en


@pytest.mark.parametrize(
    ("name", "says"),
    [("keys/receipts.pem", "Ed25519"), ("keys/secrets.key", "base64")],
)
def test_a_key_file_with_something_else_inside_is_a_fault(folder, name, says):
    (folder / name).write_text("hello")
    (fault,) = check(write(folder, GOOD), {})
    assert says in fault.en


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite://", "sqlite:///", "sqlite:///a?mode=ro", "ledger.sqlite"),
        *("postgresql://x/y", "postgresql://u@/y", "postgresql://u@x", "postgresql://u@x/a/b"),
        *("postgresql://u@x/y?sslmode=disable", "postgresql://u@x:port/y", "postgresql://u@x:0/y"),
        *("postgresql://u:p@x/y", "postgres://u@x/y", "postgresql://u@[::1/y"),
    ],
)
def test_what_is_no_address_of_a_ledger(folder, url):
    assert where(check(write(folder, GOOD + f'[ledger]\nurl = "{url}"\n'), {})) == {"ledger.url"}


@pytest.mark.parametrize(
    "content",
    [b"a = \n", b"[gateway\n", b"\xff\xfe", b"a = 1\na = 2\n", b"a = " + b"[" * 5000],
)
def test_what_is_no_toml_is_one_clear_fault(folder, content):
    path = folder / "vanlien.toml"
    path.write_bytes(content)
    (fault,) = check(path, {})
    assert fault.where == str(path)


def test_a_missing_file_and_a_folder_in_its_place_are_faults(tmp_path):
    assert len(check(tmp_path / "none.toml", {})) == 1
    assert len(check(tmp_path, {})) == 1


def test_wrong_kinds_everywhere_are_faults_not_crashes(folder):
    text = 'gateway = 5\npeer = [5, "x"]\nagency = "x"\nhttp = {plain_facade = 7}\nretry = 3\n'
    faults = check(write(folder, text), {})
    assert {"gateway", "peer[0]", "peer[1]", "agency", "http.plain_facade", "retry"} <= where(
        faults
    )


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder):
    path = folder / "vanlien.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert check(path, {}) == []


def test_a_data_folder_below_a_file_is_a_fault(folder):
    text = GOOD + 'data_dir = "keys/secrets.key/data"\n'
    assert where(check(write(folder, text), {})) == {
        "gateway.data_dir",
        "blobs.dir",
        "ledger.url",
        "verify.evidence_dir",
        "verify.revocation.dir",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write anywhere")
def test_a_data_folder_we_cannot_write_is_a_fault(folder):
    (folder / "data").chmod(0o500)
    assert where(check(write(folder, GOOD), {})) == {
        "gateway.data_dir",
        "blobs.dir",
        "ledger.url",
        "verify.evidence_dir",
        "verify.revocation.dir",
    }


def test_the_sample_passes_as_it_is(folder):
    assert check(write(folder, sample()), {}) == []


def test_the_sample_with_every_comment_taken_away_passes_too(folder):
    seal = ("seal.key", "seal.pem", "seal.password")
    store = ("s3-access.key", "s3-secret.key", "s3-ca.pem", "broker.password", "broker-ca.pem")
    ledger = ("ledger.password", "ledger-ca.pem")
    peer = (
        "truc-qg.secret",
        "truc-tinh.don-vi",
        "ca-truc-tinh.pem",
        "cong-nay.pem",
        "cong-nay.key",
        "truc-tinh.password",
    )
    own = ("agencies-broker.password", "sso.secret", "ca-sso.pem")
    for name in ("tls.pem", "tls.key", "token.pin", *own, *peer, *seal, *store, *ledger):
        (folder / "keys" / name).write_text("secret\n")
        (folder / "keys" / name).chmod(0o600)
    bare = "\n".join(
        line.removeprefix("# ") if _is_setting(line) else line for line in sample().splitlines()
    )
    faults = check(write(folder, bare), {})
    # The sample's TLS pair and seal are none, and its agency shows a successor without being closed.
    # A receipt key is in a file or in a token, and the sample shows both; its ledger is a file.
    # What one dialect alone understands does not go with the sample's peer, which speaks VXP.
    assert where(faults) == {
        "peer.token_endpoint",
        "peer.unit_secret_file",
        "peer.password_file",
        "peer.ca_file",
        "peer.certificate_file",
        "http.tls_cert",
        "agency[0].successor",
        "receipts.key",
        "broker.ca_file",
        "agencies_amqp.ca_file",
        "reports.seal.key_file",
        "ledger.password_file",
        "ledger.ca_file",
        "webhooks.ca_file",
        "accounts.oidc.ca_file",
        "watch.webhook_secret_file",
        "mail.password_file",
        "mail.ca_file",
    }


S3 = """
[blobs]
url = "s3://van-ban/kho"
endpoint = "https://s3.example.vn"
access_key_file = "keys/access"
secret_key_file = "keys/secret"
"""


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ("", "", set()),
        ("https://s3.example.vn", "http://127.0.0.1:9000", {"blobs.endpoint"}),
        ('endpoint = "https://s3.example.vn"', 'endpoint = "http://127.0.0.1:9"\nallow_http = true', set()),
        (
            'endpoint = "https://s3.example.vn"',
            'endpoint = "http://10.0.0.9:9000"\nallow_http = true',
            {"blobs.endpoint"},
        ),
        ("s3://van-ban/kho", "s3://van-ban/../kho", {"blobs.url"}),
        ("s3://van-ban/kho", "https://van-ban/kho", {"blobs.url"}),
        ('url = "s3://van-ban/kho"\n', "", {"blobs.endpoint", "blobs.access_key_file", "blobs.secret_key_file"}),
        ('secret_key_file = "keys/secret"\n', "", {"blobs.secret_key_file"}),
        ('url = "s3', 'shared = true\nurl = "s3', {"blobs.shared"}),
    ],
)  # fmt: skip
def test_an_object_store_needs_all_of_its_settings(folder, before, after, faults):
    for name in ("access", "secret"):
        (folder / "keys" / name).write_text("khoa\n")
        (folder / "keys" / name).chmod(0o600)
    text = GOOD + S3.replace(before, after) if before else GOOD + S3
    assert where(check(write(folder, text), {})) == faults


def _is_setting(line):
    text = line.removeprefix("# ")
    return line.startswith("# ") and (text.startswith("[") or " = " in text.split('"')[0])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10 s", 10), ("500 ms", 0.5), ("1 h 30 m", 5400), ("2d", 172800), ("0 s", 0), ("1.5 s", 1.5)],
)
def test_durations(text, seconds):
    value = parse_duration(text)
    assert value == timedelta(seconds=seconds)
    assert parse_duration(show_duration(value)) == value


@pytest.mark.parametrize(
    "text", ["", "10", "s", "10 x", "-1 s", "1 s 2", "1e9 s", 10, None, "9" * 30 + " d"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512 MiB", 512 * 2**20),
        ("4 KB", 4000),
        (77, 77),
        ("1.5 GiB", 3 * 2**29),
        ("9007199254740993 B", 2**53 + 1),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size
    assert parse_size(show_size(size)) == size


@pytest.mark.parametrize("text", ["", "12", "12 XB", "-1 KB", True, None, 1.5])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize("name", ["seal_mm", "overlap"])
def test_bounds_of_a_seal_stand_in_order(folder, name):
    text = f"[policy]\n{name}_least = 0.9\n{name}_most = 0.8\n"
    assert where(check(write(folder, GOOD + text), {})) == {f"policy.{name}_least"}
    text = f"[policy]\n{name}_least = 0.8\n{name}_most = 0.9\n"
    assert check(write(folder, GOOD + text), {}) == []


BROKER = """
[broker]
url = "amqps://vanlien@mq.example.vn/vanlien"
password_file = "keys/broker.password"
"""


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ("", "", set()),
        ("amqps://vanlien@mq.example.vn", "amqp://vanlien@127.0.0.1:5672", set()),
        ("amqps://vanlien@mq.example.vn", "amqp://vanlien@[::1]", set()),
        # Who listens would learn the password.
        ("amqps://", "amqp://", {"broker.url"}),
        ("vanlien@mq", "vanlien:mat-khau@mq", {"broker.url"}),
        ("vanlien@mq", "mq", {"broker.url"}),
        ("amqps://", "https://", {"broker.url"}),
        ("/vanlien", "/vanlien?heartbeat=0", {"broker.url"}),
        ("/vanlien", "/a/b", {"broker.url"}),
        (".vn/", ".vn:0/", {"broker.url"}),
        (".vn/", ".vn:a/", {"broker.url"}),
        ('password_file = "keys/broker.password"', "", {"broker.password_file"}),
        ("broker.password", "no.password", {"broker.password_file"}),
        ("[broker]", '[broker]\nca_file = "keys/broker.password"', {"broker.ca_file"}),
        ("[broker]", '[broker]\nprefix = "Cổng"', {"broker.prefix"}),
        ("[broker]", '[broker]\nheartbeat = "0 s"', {"broker.heartbeat"}),
        ('url = "amqps://vanlien@mq.example.vn/vanlien"', "", {"broker.password_file"}),
    ],
)
def test_how_the_broker_is_reached(folder, before, after, faults):
    (folder / "keys" / "broker.password").write_text("mat-khau\n")
    (folder / "keys" / "broker.password").chmod(0o600)
    text = BROKER.replace(before, after) if before else BROKER
    found = check(write(folder, GOOD + text), {})
    assert where(found) == faults
    assert not any("mat-khau" in fault.vi + fault.en for fault in found)


HAVING = PEER.replace("axis.secret", "secrets.key")
WSO2 = HAVING.replace("[[peer]]", '[[peer]]\ndialect = "wso2"')


def test_a_peer_behind_an_api_gateway(folder):
    (folder / "keys/unit.secret").write_text("s\n")
    (folder / "keys/unit.secret").chmod(0o600)
    extra = 'token_endpoint = "https://lgsp.vn:8243/token"\nunit_secret_file = "keys/unit.secret"\n'
    text = GOOD + WSO2 + extra + 'variant = "form"\n'
    assert "peer.endpoint" in where(check(write(folder, text), {}))  # for all to read
    text = text.replace("http://10.0.0.1/", "https://lgsp.vn/")
    peer = load(write(folder, text), {}).peers[0]
    assert peer.token_endpoint == "https://lgsp.vn:8243/token"
    assert peer.unit_secret_file == folder / "keys/unit.secret"


@pytest.mark.parametrize(
    ("extra", "where_"),
    [
        ('token_endpoint = "http://lgsp.vn/token"', "peer.token_endpoint"),
        ('variant = "soap11"', "peer.variant"),
        ('ca_file = "keys/secrets.key"', "peer.ca_file"),
        ('certificate_file = "keys/receipts.pem"', "peer.key_file"),
        ('key_file = "keys/receipts.pem"', "peer.certificate_file"),
        ('token_endpoint = "https://lgsp.vn/token?key=1"', "peer[0].token_endpoint"),
    ],
)
def test_faults_of_a_peer_behind_an_api_gateway(folder, extra, where_):
    assert where_ in where(check(write(folder, GOOD + WSO2 + extra + "\n"), {}))


LANGSON = HAVING.replace("[[peer]]", '[[peer]]\ndialect = "langson"').replace(
    "http://10.0.0.1/XrdAdapter/adapter", "https://truc.vn"
)


def test_a_peer_that_wants_a_sign_in(folder):
    for variant in ("v1", "lgspedoc"):
        extra = f'variant = "{variant}"\nusername = "quan-tri"\napplication_code = "APP"\n'
        extra += 'password_file = "keys/secrets.key"\n'
        peer = load(write(folder, GOOD + LANGSON + extra), {}).peers[0]
        assert peer.password_file == folder / "keys/secrets.key"
        assert (peer.variant, peer.username, peer.application_code) == (variant, "quan-tri", "APP")


@pytest.mark.parametrize(
    ("before", "after", "where_"),
    [
        ('dialect = "langson"', 'dialect = "langson"\nvariant = "v2"', "peer.variant"),
        ('dialect = "langson"', 'dialect = "vxp"\nvariant = "v1"', "peer.variant"),
        ('dialect = "langson"', 'dialect = "vxp"\nusername = "a"', "peer.username"),
        ('dialect = "langson"', 'application_code = "a"', "peer.application_code"),
        ('dialect = "langson"', 'password_file = "keys/secrets.key"', "peer.password_file"),
        ("https://", "http://", "peer.endpoint"),
        (
            'dialect = "langson"',
            'dialect = "langson"\npassword_file = "keys/empty"',
            "peer[0].password_file",
        ),
    ],
)
def test_faults_of_a_peer_that_wants_a_sign_in(folder, before, after, where_):
    assert before in LANGSON
    (folder / "keys/empty").write_text("")
    (folder / "keys/empty").chmod(0o600)
    found = check(write(folder, GOOD + LANGSON.replace(before, after, 1)), {})
    assert where(found) == {where_}


def test_another_dialect_has_no_token_endpoint(folder):
    text = GOOD + HAVING + 'token_endpoint = "https://lgsp.vn/token"\n'
    assert where(check(write(folder, text), {})) == {"peer.token_endpoint"}


def test_the_base_path_of_an_api(folder):
    text = GOOD + '[http]\nwso2_base = "/truc-tinh/v2.0"\n'
    assert load(write(folder, text), {}).http.wso2_base == "/truc-tinh/v2.0"
    for wrong in (
        "",
        "/",
        "x",
        "/a/",
        "/a//b",
        "/..",
        "/a/{b}",
        "/a?b",
        "/api/v1",
        "/v1",
        "/token",
    ):
        text = GOOD + f'[http]\nwso2_base = "{wrong}"\n'
        assert where(check(write(folder, text), {})) == {"http.wso2_base"}


TRAINED = """
[console]
training = {training}
training_peers = {allowed}

[[peer]]
id = "truc"
endpoint = "{endpoint}"
system_id = "00.37.W00"
secret_file = "keys/truc.secret"
"""


@pytest.mark.parametrize(
    ("training", "allowed", "endpoint", "wrong"),
    [
        ("true", "[]", "https://truc.gov.example/", True),
        ("true", '["truc"]', "https://truc.gov.example/", False),
        ("true", '["truc2"]', "https://truc.gov.example/", True),
        ("true", "[]", "http://127.0.0.1:9000/", False),
        ("false", "[]", "https://truc.gov.example/", False),
    ],
)
def test_a_system_for_training_reaches_no_real_axis(folder, training, allowed, endpoint, wrong):
    (folder / "keys/truc.secret").write_text("bi-mat-cua-truc\n")
    (folder / "keys/truc.secret").chmod(0o600)
    path = write(
        folder, GOOD + TRAINED.format(training=training, allowed=allowed, endpoint=endpoint)
    )
    assert ("console.training" in where(check(path, {}))) is wrong


SSO = (
    '[accounts]\ndomains = ["danang.gov.vn"]\n[accounts.oidc]\nissuer = "https://sso.example.vn"\n'
)
PUBLIC = '[gateway]\ncode = "00.37.W00"\n[http]\npublic_url = "https://lienthong.example.vn"\n'


def test_single_sign_on_needs_domains_an_address_of_ours_and_tls(folder):
    assert where(check(write(folder, SSO + PUBLIC), {})) == set()
    bare = '[gateway]\ncode = "00.37.W00"\n[accounts.oidc]\nissuer = "http://sso.example.vn"\n'
    faults = where(check(write(folder, bare), {}))
    assert faults == {"accounts.oidc.issuer", "http.public_url", "accounts.domains"}
    local = SSO.replace("https://sso.example.vn", "http://127.0.0.1:4593/api/oidc")
    assert where(check(write(folder, local + PUBLIC), {})) == set()
