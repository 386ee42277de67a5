"""Every setting of docs/configuration.md is obeyed: read while running, and mapped to what it says."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
import uvloop
from pydantic import BaseModel

from gateway import app, observe, stores
from gateway.__main__ import main
from gateway.config import load
from gateway.config.base import Section
from gateway.config.sections import Settings
from gateway.domain.delivery import Lane
from gateway.policies import peer_policy_of, policy_of, record_of
from tests.integration.test_app_life import certificate
from tests.world.gatehouse import write_config

EVERYTHING = """
[[http.plain_facade]]
host = "127.0.0.1"
port = 0
networks = ["127.0.0.0/8"]
[[peer]]
id = "truc"
endpoint = "http://127.0.0.1:9/XrdAdapter/adapter"
system_id = "00.37.W00"
secret_file = "truc.secret"
codes_behind = "*"
[[agency]]
code = "H37.71"
name = "Xã Yên Bình"
[reports.seal]
key_file = "tls.key"
certificate_file = "tls.pem"
tsa_url = "http://127.0.0.1:9/tsa"
[broker]
url = "amqp://vanlien@127.0.0.1:9/lien-thong"
password_file = "truc.secret"
ca_file = "tls.pem"
[agencies_amqp]
url = "amqp://vanlien@127.0.0.1:9/agencies"
password_file = "truc.secret"
ca_file = "tls.pem"
systems = ["qlvb"]
[blobs]
url = "s3://van-ban/kho"
endpoint = "https://127.0.0.1:9"
access_key_file = "truc.secret"
secret_key_file = "truc.secret"
ca_file = "tls.pem"
[backup]
to = ["not-there"]
[accounts]
domains = ["danang.gov.vn"]
[accounts.oidc]
issuer = "https://127.0.0.1:9"
secret_file = "truc.secret"
ca_file = "tls.pem"
[watch]
webhook_url = "https://127.0.0.1:9/watch"
webhook_secret_file = "truc.secret"
[mail]
host = "127.0.0.1"
user = "vanlien"
password_file = "truc.secret"
ca_file = "tls.pem"
[scan]
mode = "best-effort"
clamd = "tcp:127.0.0.1:9"
[[spool]]
folder = "not-there"
system = "qlvb-cu"
[[peer]]
id = "truc-tinh"
dialect = "wso2"
endpoint = "https://127.0.0.1:9/truclienthong/v1.0.0"
system_id = "vanlien"
secret_file = "truc.secret"
token_endpoint = "https://127.0.0.1:9/token"
unit_secret_file = "truc.secret"
ca_file = "tls.pem"
certificate_file = "tls.pem"
key_file = "tls.key"
codes_behind = "H99"
[[peer]]
id = "truc-lang-son"
dialect = "langson"
endpoint = "https://127.0.0.1:9"
system_id = "vanlien"
secret_file = "truc.secret"
codes_behind = "H98"
"""


ELSEWHERE = {
    ("Backup", "keep"),  # `vanlien backup`, which a server starts as a process of its own
    ("ConsoleSection", "training_peers"),  # checked with the settings, before anything starts
    ("Log", "level"),  # `vanlien serve`, below
    ("Log", "json_lines"),
}


def settings_of(tmp_path, extra="", http=""):
    secret = tmp_path / "truc.secret"
    secret.write_text("bi-mat-cua-truc\n")
    secret.chmod(0o600)
    return write_config(tmp_path, extra, http=http)


def fields(model, seen=None):
    """Return every (section, field) below a model, sections of sections included."""
    found = set() if seen is None else seen
    for name, field in model.model_fields.items():
        inner = [a for a in _types(field.annotation) if issubclass(a, BaseModel)]
        if not inner:
            found.add((model.__name__, name))
        for section in inner:
            fields(section, found)
    return found


def _types(annotation):
    if isinstance(annotation, type):
        return [annotation]
    return [t for a in getattr(annotation, "__args__", ()) for t in _types(a)]


@pytest.fixture
def read(monkeypatch):
    """Every setting read from here on, as (section, field)."""
    found = set()
    plain = BaseModel.__getattribute__

    def spy(self, name):
        if name in type(self).model_fields:
            found.add((type(self).__name__, name))
        return plain(self, name)

    def begin():
        monkeypatch.setattr(Section, "__getattribute__", spy, raising=False)
        return found

    return begin


async def all_read(found):
    while True:
        if fields(Settings) - found <= ELSEWHERE:
            return
        await asyncio.sleep(0.01)


async def test_every_setting_is_read_by_a_running_gateway(tmp_path, read):
    certificate(tmp_path)
    config = settings_of(tmp_path, EVERYTHING, 'public_url = "https://lienthong.example.vn"')
    text = config.read_text(encoding="utf-8")
    text = text.replace("[http]\n", '[http]\ntls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    config.write_text(text, encoding="utf-8")
    settings = load(config)
    found = read()
    async with app.running(settings) as gateway:
        gateway.context.calendar("H37.71")
        # Programs read theirs when they come to it: a broker that is dialled, a backup that is due.
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await all_read(found)
        used = set(found)
    unread = fields(Settings) - used
    assert unread == ELSEWHERE


def test_the_log_settings_are_those_of_serve(tmp_path, monkeypatch):
    config = settings_of(tmp_path, '[log]\nlevel = "error"\njson_lines = false\n')
    configured = []
    monkeypatch.setattr(observe, "configure", lambda *a, **k: configured.append((a, k)))
    monkeypatch.setattr(uvloop, "run", lambda work: work.close())
    assert main(["serve", "--config", str(config)]) == 0
    assert configured == [((False,), {"level": "error"})]


def test_public_url_is_what_callers_are_told(tmp_path, capsys):
    config = settings_of(tmp_path, '[[agency]]\ncode = "H37.71"\nname = "Xã"\n')
    text = config.read_text(encoding="utf-8")
    text = text.replace("[http]\n", '[http]\npublic_url = "https://lienthong.example.vn"\n')
    config.write_text(text, encoding="utf-8")
    with stores.open_admin(config) as admin:
        for agency in load(config).agencies:
            admin.put_agency(record_of(agency), by="test")
    told = ["system", "add", "xa", "--speaks-for", "H37.71", "--json", "--config", str(config)]
    assert main(told) == 0
    assert "https://lienthong.example.vn/" in capsys.readouterr().out


POLICY = [
    ("policy", 'outgoing_invalid = "flag"', lambda p: p.outgoing_invalid, "flag"),
    ("policy", 'outgoing_indeterminate = "refuse"', lambda p: p.outgoing_indeterminate, "refuse"),
    ("policy", 'outgoing_unsigned = "refuse"', lambda p: p.outgoing_unsigned, "refuse"),
    ("policy", 'sent_ack = "01"', lambda p: p.sent_ack, "01"),
    ("policy", 'appearance = "off"', lambda p: p.rules.appearance, "off"),
    ("policy", "seal_mm_least = 30", lambda p: p.rules.seal_mm, (30, 55)),
    ("policy", "seal_mm_most = 50", lambda p: p.rules.seal_mm, (25, 50)),
    ("policy", "overlap_least = 0.1", lambda p: p.rules.overlap, (0.1, 0.5)),
    ("policy", "overlap_most = 0.6", lambda p: p.rules.overlap, (0.2, 0.6)),
    (
        "numbering",
        'document_id_form = "code,year,ordinal"',
        lambda p: p.document_id_form,
        "code,year,ordinal",
    ),
    ("clock", 'hold_over = "9 s"', lambda p: p.max_clock_offset, timedelta(seconds=9)),
    ("formats", 'allow = ["pdf"]', lambda p: p.rules.allowed, frozenset({"pdf"})),
    ("formats", 'deny = ["exe"]', lambda p: p.rules.denied, frozenset({"exe"})),
    (
        "retry.urgent",
        'first = "7 s"',
        lambda p: p.schedules[Lane.URGENT].first,
        timedelta(seconds=7),
    ),
    ("retry.normal", "factor = 3", lambda p: p.schedules[Lane.NORMAL].factor, 3),
    ("retry.express", "jitter = 0.5", lambda p: p.schedules[Lane.EXPRESS].jitter, 0.5),
    (
        "retry.express_timed",
        'longest = "9 m"',
        lambda p: p.schedules[Lane.EXPRESS_TIMED].longest,
        timedelta(minutes=9),
    ),
    (
        "retry.very_urgent",
        'give_up_after = "3 d"',
        lambda p: p.schedules[Lane.VERY_URGENT].give_up_after,
        timedelta(days=3),
    ),
    ("breaker", "failures = 9", lambda p: p.breaker.failures, 9),
    ("breaker", "window = 40", lambda p: p.breaker.window, 40),
    ("breaker", "ratio = 0.5", lambda p: p.breaker.ratio, 0.5),
    ("breaker", 'first = "3 s"', lambda p: p.breaker.first, timedelta(seconds=3)),
    ("breaker", 'longest = "9 m"', lambda p: p.breaker.longest, timedelta(minutes=9)),
    ("breaker", 'urgent_every = "2 s"', lambda p: p.breaker.urgent_every, timedelta(seconds=2)),
]


@pytest.mark.parametrize(("section", "line", "told", "wanted"), POLICY)
def test_each_choice_reaches_the_programs(tmp_path, section, line, told, wanted):
    default = policy_of(load(settings_of(tmp_path)))
    config = tmp_path / "vanlien.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(f"{text}\n[{section}]\n{line}\n", encoding="utf-8")
    assert told(policy_of(load(config))) == wanted
    assert told(default) != wanted


def test_who_we_are_and_how_much_we_take(tmp_path):
    config = settings_of(tmp_path, '[[agency]]\ncode = "H37.71"\nname = "Xã"\nconsole = true\n')
    text = config.read_text(encoding="utf-8").replace(
        "[http]\n", '[http]\nmax_packet_bytes = "1 MiB"\n'
    )
    text = text.replace("[gateway]\n", '[gateway]\nname = "Trục thử"\n')
    config.write_text(text.replace("[verify]\n", '[verify]\nbudget = "3 s"\n'), encoding="utf-8")
    settings = load(config)
    policy = policy_of(settings)
    assert (policy.hub_code, policy.hub_name) == ("00.37.W00", "Trục thử")
    assert policy.limits.packet_bytes == 1 << 20
    assert policy.verify_budget == timedelta(seconds=3)
    (agency,) = settings.agencies
    assert record_of(agency).console


def test_each_peer_has_its_own_manners(tmp_path):
    peer = EVERYTHING[EVERYTHING.index("[[peer]]") : EVERYTHING.index("[[agency]]")]
    own = (
        'poll_every = "3 s"\ntimeout = "11 m"\nmax_in_flight = 9\nmax_bytes = "2 MiB"\n'
        'receipt_01_by = "recipient"\nmax_code_length = 13\n'
    )
    settings = load(settings_of(tmp_path, peer + own))
    policy = peer_policy_of(settings.peers[0])
    assert policy.poll == timedelta(seconds=3)
    assert policy.timeout == timedelta(minutes=11)
    assert policy.concurrency == 9
    assert policy.max_bytes == 2 << 20
    assert policy.receipt_01_by == "recipient"
    assert policy.codes_behind == ("*",)
    assert policy_of(settings).rules.max_code_length == 13
