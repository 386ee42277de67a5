"""Systems, counters, agencies, quarantine: what operators type and what they get."""

import re

import pytest

from gateway import secrets
from gateway.ports import AgencyRecord, QuarantineRow
from tests.world.fake_admin import EPOCH

H02 = AgencyRecord("H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local")


@pytest.fixture
def known(store):
    store.put_agency(H02, by="t")
    return store


# ---------------------------------------------------------------- systems


def test_add_says_what_a_client_of_each_open_dialect_asks_for(known, vanlien_json, config):
    text = config.read_text()
    config.write_text(
        text.replace("[http]\n", '[http]\nfacades = ["bkav", "langson", "wso2"]\n', 1)
        if "[http]" in text
        else text + '\n[http]\nfacades = ["bkav", "langson", "wso2"]\n'
    )
    code, answer = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    assert code == 0
    assert set(answer) == {"id", "api_key", "bkav", "langson", "wso2"}
    base = "http://127.0.0.1:8480"
    assert answer["bkav"]["endpoint"] == f"{base}/EdocService"
    assert answer["bkav"]["token"] == answer["api_key"]
    assert answer["langson"]["username"] == answer["langson"]["system_id"] == "qlvb"
    assert answer["wso2"]["endpoint"] == f"{base}/truclienthong/v1.0.0"
    assert answer["wso2"]["token_endpoint"] == f"{base}/token"
    assert answer["wso2"]["client_secret"] == answer["langson"]["secret_key"]


def test_add_prints_its_keys_once(known, vanlien_json, config):
    code, answer = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    assert code == 0
    assert set(answer) == {"id", "api_key", "vxp"}
    assert set(answer["vxp"]) == {"endpoint", "system_id", "secret"}
    assert answer["id"] == answer["vxp"]["system_id"] == "qlvb"
    assert answer["vxp"]["endpoint"] == "http://127.0.0.1:8480/XrdAdapter/adapter"
    (system,) = known.systems()
    assert system.speaks_for == ("H37.02",)


def test_what_is_stored_opens_nothing_but_fits_what_was_shown(known, vanlien_json, config):
    _, answer = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    api, shared = sorted(known.credentials.values(), key=lambda c: c.kind)
    assert secrets.api_key_matches(answer["api_key"], api.sha256)
    assert secrets.api_key_id(answer["api_key"]) == api.id
    assert answer["vxp"]["secret"].encode() not in shared.sealed
    key = secrets.read_key_file(config.parent / "keys/secrets.key")
    opened = secrets.open_secret(key, shared.sealed, system_id="qlvb", credential_id=shared.id)
    assert opened.decode() == answer["vxp"]["secret"]


@pytest.mark.parametrize(
    "args",
    [
        ("--speaks-for", "H37.02", "--speaks-for", "H37.03"),
        ("--speaks-for", "H37.02", "H37.03"),
        ("--speaks-for", "H37.02,H37.03"),
        ("--speaks-for", "H37.03 H37.02 H37.02"),
    ],
)
def test_many_agencies_can_be_written_as_people_write_them(store, vanlien_json, args):
    assert vanlien_json("system", "add", "qlvb", *args)[0] == 0
    assert store.systems()[0].speaks_for == ("H37.02", "H37.03")


def test_an_agency_not_in_the_catalogue_is_registered_and_named(known, vanlien):
    code, _, err = vanlien("system", "add", "qlvb", "--speaks-for", "H37.02", "H37.09")
    assert code == 0
    assert "H37.09" in err
    assert "H37.02" not in err
    added = {a.code: a for a in known.agencies()}["H37.09"]
    assert added.connected == "local"


def test_the_old_code_of_a_known_agency_registers_nothing(known, vanlien_json):
    vanlien_json("system", "add", "qlvb", "--speaks-for", "000.00.02.H37")
    assert [a.code for a in known.agencies()] == ["H37.02"]
    assert known.systems()[0].speaks_for == ("H37.02",)


@pytest.mark.parametrize(
    "args",
    [
        ("qlvb",),
        ("qlvb", "--speaks-for", ""),
        ("qlvb", "--speaks-for", "h37.02"),
        ("qlvb", "--speaks-for", "H37..02"),
        ("qlvb", "--speaks-for", "H37.W00"),
        ("ql vb", "--speaks-for", "H37.02"),
        ("", "--speaks-for", "H37.02"),
        ("x" * 64, "--speaks-for", "H37.02"),
        ("../x", "--speaks-for", "H37.02"),
    ],
)
def test_what_cannot_be_registered_is_64_and_leaves_nothing(store, vanlien_json, args):
    code, answer = vanlien_json("system", "add", *args)
    assert code == 64
    assert answer["error"]["message_vi"]
    assert not store.systems()
    assert not store.agencies()


def test_an_id_is_given_once(known, vanlien_json):
    assert vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")[0] == 0
    code, answer = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    assert (code, answer["error"]["kind"]) == (64, "rejected")


def test_old_clients_are_sent_to_the_plain_listener(known, vanlien_json, config):
    config.write_text(
        config.read_text()
        + '[[http.plain_facade]]\nhost = "10.1.0.5"\nport = 8280\nnetworks = ["10.1.0.0/16"]\n'
    )
    _, answer = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    assert answer["vxp"]["endpoint"] == "http://10.1.0.5:8280/XrdAdapter/adapter"


def test_rotation_keeps_the_old_keys_for_a_while(known, vanlien_json):
    _, first = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    code, second = vanlien_json("system", "rotate", "qlvb", "--overlap", "2 h")
    assert code == 0
    assert first["api_key"] != second["api_key"]
    assert first["vxp"]["secret"] != second["vxp"]["secret"]
    ends = [c.expires_at for c in known.systems()[0].credentials]
    assert sorted(str(e) for e in ends) == [
        "2026-11-23 03:00:00+00:00",
        "2026-11-23 03:00:00+00:00",
        "None",
        "None",
    ]


@pytest.mark.parametrize("overlap", ["", "soon", "-1 h", "5"])
def test_an_overlap_is_a_duration(known, vanlien_json, overlap):
    vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    assert vanlien_json("system", "rotate", "qlvb", "--overlap", overlap)[0] == 64
    assert len(known.systems()[0].credentials) == 2


def test_lists_never_show_secrets(known, vanlien, vanlien_json):
    _, added = vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    for args in (("system", "list"), ("system", "list", "--json")):
        _, out, _ = vanlien(*args)
        assert "qlvb" in out
        assert added["api_key"] not in out
        assert added["vxp"]["secret"] not in out
        assert not re.search(r"[0-9a-f]{64}", out)


def test_disable(known, vanlien_json):
    vanlien_json("system", "add", "qlvb", "--speaks-for", "H37.02")
    assert vanlien_json("system", "disable", "qlvb")[1]["status"] == "disabled"
    assert known.systems()[0].status == "disabled"
    assert vanlien_json("system", "disable", "nobody")[0] == 64
    assert vanlien_json("system", "rotate", "nobody")[0] == 64


# ---------------------------------------------------------------- counters


def test_a_counter_is_set_with_a_reason_and_only_forward(known, vanlien_json):
    args = ("counter", "set", "H37.02", "2026")
    assert vanlien_json(*args, "4321", "--reason", "chuyển hệ thống")[1] == {
        "agency": "H37.02",
        "year": 2026,
        "series": "issue",
        "last": 4321,
        "next": 4322,
    }
    assert vanlien_json(*args, "4320", "--reason", "x")[0] == 64
    assert vanlien_json("counter", "list")[1]["counters"][0]["last"] == 4321
    assert known.audit[-1] == ("counter-set", "H37.02 2026 issue 4321 chuyển hệ thống", "tester")


@pytest.mark.parametrize(
    "args",
    [
        ("H37.02", "2026", "5"),
        ("H37.02", "2026", "5", "--reason", "  "),
        ("H37.02", "2026", "-5", "--reason", "x"),
        ("H37.02", "26", "5", "--reason", "x"),
        ("H37.02", "2026", "five", "--reason", "x"),
        ("H99", "2026", "5", "--reason", "x"),
    ],
)
def test_a_counter_is_not_set_by_mistake(known, vanlien_json, args):
    assert vanlien_json("counter", "set", *args)[0] == 64
    assert not known.counters()


def test_an_agency_that_counts_itself_has_no_counter_here(store, vanlien_json):
    store.put_agency(AgencyRecord("H37.04", "x", numbered_by="own-system"), by="t")
    assert vanlien_json("counter", "set", "H37.04", "2026", "5", "--reason", "x")[0] == 64


# ---------------------------------------------------------------- agencies


def test_agencies_come_change_and_close(known, vanlien_json, vanlien):
    assert vanlien_json("agency", "add", "H37.05", "--name", "Sở Y tế")[1]["result"] == "added"
    again = vanlien_json("agency", "add", "H37.05", "--name", "Sở Y tế tỉnh")
    assert again[1]["result"] == "changed"
    closed = vanlien_json("agency", "close", "H37.05", "--successor", "H37.02", "--reason", "nhập")
    assert closed[1]["successor"] == "H37.02"
    assert vanlien_json("agency", "unlock", "H37.05", "--reason", "x")[0] == 64
    assert vanlien_json("agency", "lock", "H37.02", "--reason", "x")[1]["status"] == "locked"
    assert vanlien_json("agency", "unlock", "H37.02", "--reason", "x")[1]["status"] == "active"
    assert vanlien_json("agency", "alias", "02.H37", "H37.02")[1]["aliases"] == ["02.H37"]
    assert "02.H37" in vanlien("agency", "list")[1]


@pytest.mark.parametrize(
    "args",
    [
        ("add", "h37", "--name", "x"),
        ("add", "H37.06", "--name", " "),
        ("add", "H37.06", "--name", "x", "--connected", "nowhere"),
        ("add", "H37.06", "--name", "x", "--connected", "", "--console"),
        ("add", "H37.06", "--name", "x", "--numbered-by", "nobody"),
        ("add", "H37.06", "--name", "x", "--legacy-code", "000.00.02.H37"),
        ("close", "H37.02", "--successor", "H37.02", "--reason", "x"),
        ("close", "H37.02", "--reason", ""),
        ("close", "H37.99", "--reason", "x"),
        ("alias", "H37.02", "H37.99"),
    ],
)
def test_what_makes_no_sense_is_refused(known, vanlien_json, args):
    assert vanlien_json("agency", *args)[0] == 64
    assert known.agencies() == [H02]


def test_a_file_that_is_not_there_is_a_usage_error(known, vanlien_json):
    assert vanlien_json("agency", "import", "none.csv")[1]["error"]["kind"] == "usage"


# ---------------------------------------------------------------- quarantine


@pytest.fixture
def item(store):
    item = QuarantineRow("a-1", "arrival", "", "G22", "dấu MẬT ở trang 1", EPOCH, "", None)
    store.put_in_quarantine(item)
    return item


def test_a_purge_takes_two_persons(item, store, vanlien_json):
    first = vanlien_json("quarantine", "purge", "a-1", "--by", "Nguyễn Văn An")[1]
    assert (first["purge_asked_by"], first["purged_at"]) == ("Nguyễn Văn An", None)
    same = vanlien_json("quarantine", "purge", "a-1", "--by", "nguyễn  văn  AN")
    assert same[0] == 64
    second = vanlien_json("quarantine", "purge", "a-1", "--by", "Trần Thị Bình")[1]
    assert second["purged_at"] == "2026-11-23T08:00:00+07:00"
    assert vanlien_json("quarantine", "purge", "a-1", "--by", "Người Thứ Ba")[0] == 64
    assert vanlien_json("quarantine", "list")[1]["items"][0]["reason"] == item.reason


@pytest.mark.parametrize(
    "args", [("a-1",), ("a-1", "--by", " "), ("a-2", "--by", "An"), ("--by", "An")]
)
def test_a_purge_names_item_and_person(item, store, vanlien_json, args):
    assert vanlien_json("quarantine", "purge", *args)[0] == 64
    assert store.quarantined() == [item]


@pytest.mark.parametrize("group", ["system", "counter", "agency", "quarantine"])
def test_people_get_tables_in_vietnamese(known, item, vanlien, group):
    code, out, _ = vanlien(group, "list")
    assert code == 0
    assert re.search(r"[àáảãạăâđêôơưệốộ]", out)
