"""AdminStore: one suite for the ledger's and for the fake the command line is tested with."""

from datetime import timedelta

import pytest

from gateway.errors import Reason, RejectedError
from gateway.ports import AgencyRecord, NewCredential
from tests.world.fake_admin import FakeAdminStore
from tests.world.folder import make_folder

HOUR = timedelta(hours=1)
ONE = AgencyRecord(
    "H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local", aliases=("02.H37",)
)
TWO = AgencyRecord("H37.05", "Sở Y tế", connected="local", console=True)
OWN = AgencyRecord("H37.07", "Sở Xây dựng", connected="local", numbered_by="own-system")


def keys(number):
    return [
        NewCredential(f"api{number}", "api-key", sha256=f"{number:064x}"),
        NewCredential(f"hmac{number}", "shared-secret", sealed=b"\x01" * 60),
    ]


@pytest.fixture(params=["fake", "ledger"])
def store(request, tmp_path):
    if request.param == "fake":
        yield _furnished(FakeAdminStore())
        return
    from gateway.app import create_ledger, open_admin
    from gateway.config import load

    config = make_folder(tmp_path / "gw") / "vanlien.toml"
    create_ledger(load(config, {}))
    with open_admin(config) as real:
        yield _furnished(real)


def _furnished(store):
    for agency in (ONE, TWO, OWN):
        assert store.put_agency(agency, by="tester") == "added"
    return store


def refused(because, call, *args, **kwargs):
    with pytest.raises(RejectedError) as caught:
        call(*args, **kwargs)
    assert caught.value.reason is because


# ---------------------------------------------------------------- systems


def test_a_system_is_listed_as_it_was_added(store):
    row = store.add_system("qlvb", ["H37.05", "H37.02"], keys(1), by="tester")
    assert row.speaks_for == ("H37.02", "H37.05")
    assert row.status == "active"
    assert {(c.id, c.kind, c.expires_at) for c in row.credentials} == {
        ("api1", "api-key", None),
        ("hmac1", "shared-secret", None),
    }
    assert row.created_at.utcoffset() == timedelta(0)
    assert list(store.systems()) == [row]


def test_codes_are_resolved_to_the_canonical_one(store):
    row = store.add_system("qlvb", ["000.00.02.H37", "02.H37", "H37.02"], keys(1), by="tester")
    assert row.speaks_for == ("H37.02",)


def test_systems_come_in_order(store):
    for name in ("b", "a", "c"):
        store.add_system(name, ["H37.02"], keys(ord(name)), by="tester")
    assert [row.id for row in store.systems()] == ["a", "b", "c"]


def test_what_cannot_be_added_leaves_nothing(store):
    refused(Reason.NOT_FOUND, store.add_system, "x", ["H37.02", "H99"], keys(1), by="t")
    refused(Reason.BAD_REQUEST, store.add_system, "x", [], keys(1), by="t")
    assert list(store.systems()) == []
    before = store.add_system("qlvb", ["H37.02"], keys(1), by="t")
    refused(Reason.CONFLICT, store.add_system, "qlvb", ["H37.05"], keys(2), by="t")
    assert list(store.systems()) == [before]


def test_rotation_leaves_two_of_a_kind_valid(store):
    store.add_system("qlvb", ["H37.02"], keys(1), by="t")
    row = store.rotate("qlvb", keys(2), overlap=HOUR, by="t")
    ends = {c.id: c.expires_at for c in row.credentials}
    assert set(ends) == {"api1", "hmac1", "api2", "hmac2"}
    assert ends["api2"] is None
    assert ends["api1"] is not None
    row = store.rotate("qlvb", keys(3), overlap=HOUR, by="t")
    assert {c.id for c in row.credentials if c.kind == "api-key"} == {"api2", "api3"}


def test_rotation_without_overlap_ends_the_old_ones_at_once(store):
    store.add_system("qlvb", ["H37.02"], keys(1), by="t")
    store.rotate("qlvb", keys(2), overlap=timedelta(0), by="t")
    (row,) = store.systems()
    assert {c.id for c in row.credentials} == {"api2", "hmac2"}


def test_rotating_one_kind_leaves_the_other_alone(store):
    store.add_system("qlvb", ["H37.02"], keys(1), by="t")
    row = store.rotate("qlvb", keys(2)[:1], overlap=HOUR, by="t")
    assert {c.id: c.expires_at for c in row.credentials}["hmac1"] is None


def test_disabling_is_safe_to_repeat_and_stops_rotation(store):
    store.add_system("qlvb", ["H37.02"], keys(1), by="t")
    assert store.disable_system("qlvb", by="t").status == "disabled"
    assert store.disable_system("qlvb", by="t").status == "disabled"
    assert [row.status for row in store.systems()] == ["disabled"]
    refused(Reason.CONFLICT, store.rotate, "qlvb", keys(2), overlap=HOUR, by="t")


def test_a_system_that_is_not_there(store):
    refused(Reason.NOT_FOUND, store.rotate, "x", keys(1), overlap=HOUR, by="t")
    refused(Reason.NOT_FOUND, store.disable_system, "x", by="t")


# ---------------------------------------------------------------- counters


def test_a_counter_goes_forward_only(store):
    store.set_counter("H37.02", 2026, "issue", 10, reason="r", by="t")
    refused(Reason.CONFLICT, store.set_counter, "H37.02", 2026, "issue", 9, reason="r", by="t")
    row = store.set_counter("H37.02", 2026, "issue", 10, reason="r", by="t")
    assert row.last == 10
    assert store.set_counter("02.H37", 2026, "issue", 11, reason="r", by="t").agency == "H37.02"


def test_counters_are_apart_and_in_order(store):
    for agency, year, series in (
        ("H37.05", 2026, "issue"),
        ("H37.02", 2027, "issue"),
        ("H37.02", 2026, "issue"),
        ("H37.02", 2026, "arrival"),
    ):
        store.set_counter(agency, year, series, 5, reason="r", by="t")
    assert [(c.agency, c.year, c.series) for c in store.counters()] == [
        ("H37.02", 2026, "arrival"),
        ("H37.02", 2026, "issue"),
        ("H37.02", 2027, "issue"),
        ("H37.05", 2026, "issue"),
    ]


def test_no_counter_for_strangers_or_for_those_who_count_themselves(store):
    refused(Reason.NOT_FOUND, store.set_counter, "H99", 2026, "issue", 1, reason="r", by="t")
    refused(Reason.CONFLICT, store.set_counter, "H37.07", 2026, "issue", 1, reason="r", by="t")
    assert list(store.counters()) == []


# ---------------------------------------------------------------- agencies


def test_agencies_come_back_as_they_were_put(store):
    assert list(store.agencies()) == [ONE, TWO, OWN]


def test_putting_again_is_same_or_changed_and_keeps_aliases(store):
    assert store.put_agency(ONE, by="t") == "same"
    changed = AgencyRecord("H37.02", "Sở Nội vụ tỉnh", connected="local", aliases=("2.H37",))
    assert store.put_agency(changed, by="t") == "changed"
    row = store.agencies()[0]
    assert row.name == "Sở Nội vụ tỉnh"
    assert row.aliases == ("02.H37", "2.H37")


def test_one_code_means_one_agency(store):
    other = AgencyRecord("H37.09", "x", legacy_code="000.00.02.H37")
    refused(Reason.CONFLICT, store.put_agency, other, by="t")
    refused(Reason.CONFLICT, store.put_alias, "H37.05", "H37.02", by="t")
    refused(Reason.CONFLICT, store.put_alias, "02.H37", "H37.05", by="t")
    assert store.put_alias("02.H37", "H37.02", by="t").aliases == ("02.H37",)
    assert store.put_alias("0002.H37", "H37.02", by="t").aliases == ("0002.H37", "02.H37")
    refused(Reason.NOT_FOUND, store.put_alias, "1.H37", "H99", by="t")


def test_a_closed_code_stays_closed_and_names_its_heir(store):
    close = {"successor": "02.H37", "reason": "r", "by": "t"}
    row = store.set_agency_status("H37.05", "closed", **close)
    assert (row.status, row.successor) == ("closed", "H37.02")
    again = {"successor": "", "reason": "r", "by": "t"}
    refused(Reason.CONFLICT, store.set_agency_status, "H37.05", "active", **again)
    assert [a.code for a in store.agencies()] == ["H37.02", "H37.05", "H37.07"]


def test_locking_is_taken_back(store):
    plain = {"successor": "", "reason": "r", "by": "t"}
    assert store.set_agency_status("H37.05", "locked", **plain).status == "locked"
    assert store.set_agency_status("H37.05", "active", **plain).status == "active"


def test_senseless_status_changes_are_refused(store):
    heir = {"successor": "H37.02", "reason": "r", "by": "t"}
    refused(Reason.BAD_REQUEST, store.set_agency_status, "H37.05", "locked", **heir)
    refused(Reason.BAD_REQUEST, store.set_agency_status, "H37.02", "closed", **heir)
    refused(Reason.NOT_FOUND, store.set_agency_status, "H99", "closed", **heir)
    stranger = {"successor": "H99", "reason": "r", "by": "t"}
    refused(Reason.NOT_FOUND, store.set_agency_status, "H37.05", "closed", **stranger)
    assert list(store.agencies()) == [ONE, TWO, OWN]


# ---------------------------------------------------------------- quarantine


def test_an_empty_quarantine(store):
    assert list(store.quarantined()) == []
    refused(Reason.NOT_FOUND, store.purge, "nothing", by="An")
