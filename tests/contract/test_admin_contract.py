"""AdminStore: one suite for the ledger on both engines and for the fake of the command line."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import AgencyRecord, NewCredential, QuarantineRow
from gateway.store.admin import LedgerAdmin
from tests.world.fake_admin import FakeAdminStore
from tests.world.ledger_rows import sha
from tests.world.ledgers import ENGINES, ask, new_ledger
from tests.world.memory_blobs import MemoryBlobs

ONE = AgencyRecord(
    "H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local", aliases=("02.H37",)
)
TWO = AgencyRecord("H37.05", "Sở Y tế", connected="local", console=True)
OWN = AgencyRecord("H37.07", "Sở Xây dựng", connected="local", numbered_by="own-system")
HOUR = timedelta(hours=1)
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
ITEM = QuarantineRow(
    "0195a000-0000-7000-8000-00000000000a",
    "consignment",
    "H37.02,2026/11/22,1/SNV-VP",
    "H37.02",
    "SEC-01",
    START,
    "",
    None,
)


@dataclass
class HandClock:
    at: datetime = START

    def now(self):
        return self.at

    def offset(self):
        return None


class CountedIds:
    def __init__(self):
        self.count = 0

    def new(self):
        self.count += 1
        return f"0195a000-0000-7000-9000-{self.count:012d}"


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture(params=["fake", *ENGINES])
def made(request, tmp_path, clock):
    """A store, and how something gets into its quarantine."""
    if request.param == "fake":
        fake = FakeAdminStore(clock.now)
        yield fake, fake.put_in_quarantine
        return
    place = new_ledger(request, tmp_path)
    store = LedgerAdmin(place, MemoryBlobs(), clock, CountedIds())

    def put(item):
        sql = (
            "INSERT INTO quarantine (id, kind, sender, document_id, reason, sha256, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        row = (item.id, item.kind, item.sender, item.document_id, item.reason, sha(7))
        ask(place, sql, *row, to_text(item.since))

    yield store, put
    store.close()


@pytest.fixture
def store(made):
    for agency in (ONE, TWO, OWN):
        assert made[0].put_agency(agency, by="tester") == "added"
    return made[0]


@pytest.fixture
def quarantine(made):
    """The store with one item set apart."""
    made[1](ITEM)
    return made[0]


def keys(number):
    return [
        NewCredential(f"api{number}", "api-key", sha256=f"{number:064x}"),
        NewCredential(f"hmac{number}", "shared-secret", sealed=b"\x01" * 60),
    ]


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


# ---------------------------------------------------------------- purging takes two


def test_a_purge_takes_two_persons(quarantine, clock):
    assert list(quarantine.quarantined()) == [ITEM]
    asked = quarantine.purge(ITEM.id, by="Nguyễn Văn An")
    assert asked == replace(ITEM, purge_asked_by="Nguyễn Văn An")
    assert list(quarantine.quarantined()) == [asked]
    clock.at += HOUR
    done = quarantine.purge(ITEM.id, by="Trần Thị Bình")
    assert done == replace(asked, purged_at=START + HOUR)
    assert list(quarantine.quarantined()) == [done]


@pytest.mark.parametrize(
    "again", ["nguyễn  văn an", " NGUYỄN VĂN AN", unicodedata.normalize("NFD", "Nguyễn Văn An")]
)
def test_one_person_is_not_two(quarantine, again):
    quarantine.purge(ITEM.id, by="Nguyễn Văn An")
    refused(Reason.CONFLICT, quarantine.purge, ITEM.id, by=again)
    assert quarantine.quarantined()[0].purged_at is None


def test_what_is_purged_is_purged(quarantine):
    quarantine.purge(ITEM.id, by="An")
    done = quarantine.purge(ITEM.id, by="Bình")
    for person in ("An", "Bình", "Chi"):
        refused(Reason.CONFLICT, quarantine.purge, ITEM.id, by=person)
    assert list(quarantine.quarantined()) == [done]


# ---------------------------------------------------------------- credentials by the clock


def test_old_credentials_disappear_when_their_time_is_over(store, clock):
    store.add_system("qlvb", ["H37.02"], keys(1)[:1], by="t")
    row = store.rotate("qlvb", keys(2)[:1], overlap=HOUR, by="t")
    assert {c.id: c.expires_at for c in row.credentials} == {"api1": START + HOUR, "api2": None}
    clock.at += HOUR
    assert [c.id for c in store.systems()[0].credentials] == ["api2"]


def test_a_second_rotation_does_not_give_more_time(store, clock):
    store.add_system("qlvb", ["H37.02"], keys(1)[:1], by="t")
    store.rotate("qlvb", keys(2)[:1], overlap=HOUR, by="t")
    clock.at += HOUR / 2
    row = store.rotate("qlvb", keys(3)[:1], overlap=HOUR, by="t")
    ends = {c.id: c.expires_at for c in row.credentials}
    assert ends == {"api2": START + HOUR * 1.5, "api3": None}


# ---------------------------------------------------------------- a seed undoes nothing


def test_a_seed_does_not_take_off_a_lock(store):
    plain = {"successor": "", "reason": "r", "by": "t"}
    store.set_agency_status("H37.05", "locked", **plain)
    assert store.put_agency(TWO, by="vanlien.toml") == "same"
    assert store.put_agency(replace(TWO, name="Sở Y tế tỉnh"), by="t") == "changed"
    row = {a.code: a for a in store.agencies()}["H37.05"]
    assert (row.status, row.name) == ("locked", "Sở Y tế tỉnh")


def test_a_seed_does_not_open_a_closed_code(store):
    store.set_agency_status("H37.05", "closed", successor="H37.02", reason="r", by="t")
    assert store.put_agency(TWO, by="vanlien.toml") == "same"
    assert store.put_agency(replace(TWO, status="locked"), by="t") == "same"
    row = {a.code: a for a in store.agencies()}["H37.05"]
    assert (row.status, row.successor) == ("closed", "H37.02")


def test_an_import_may_close(store):
    assert store.put_agency(replace(TWO, status="closed", successor="H37.02"), by="t") == "changed"
    assert {a.code: a.status for a in store.agencies()}["H37.05"] == "closed"


# ---------------------------------------------------------------- what makes no sense


def test_successors_do_not_run_in_a_circle(store):
    why = {"reason": "r", "by": "t"}
    store.set_agency_status("H37.05", "closed", successor="H37.02", **why)
    refused(
        Reason.BAD_REQUEST, store.set_agency_status, "H37.02", "closed", successor="H37.05", **why
    )


@pytest.mark.parametrize(
    ("year", "series", "last"),
    [(2026, "issue", -1), (1900, "issue", 1), (20260, "issue", 1), (2026, "document:QD", 1)],
)
def test_counters_nobody_counts_with(store, year, series, last):
    why = {"reason": "r", "by": "t"}
    refused(Reason.BAD_REQUEST, store.set_counter, "H37.02", year, series, last, **why)
    assert list(store.counters()) == []


def test_a_page_of_quarantine_and_the_next(quarantine):
    assert list(quarantine.quarantine_page("", 1)) == [ITEM]
    assert list(quarantine.quarantine_page(ITEM.id, 1)) == []


def test_an_empty_quarantine(store):
    assert list(store.quarantined()) == []
    refused(Reason.NOT_FOUND, store.purge, "nothing", by="An")


# ---------------------------------------------------------------- keys


def test_every_shared_secret_is_sealed_anew_or_none(store):
    shared = [
        NewCredential(id=f"k{n}", kind="shared-secret", sealed=f"s{n}".encode()) for n in (1, 2)
    ]
    key = NewCredential(id="k3", kind="api-key", sha256=sha(9))
    store.add_system("snv", ["H37.02"], [*shared, key], by="ký")
    seen = []

    def anew(system_id, credential_id, sealed):
        seen.append((system_id, credential_id, sealed))
        return sealed + b"+"

    def half(system_id, credential_id, sealed):
        if seen:
            raise ValueError("the second one does not open")
        return anew(system_id, credential_id, sealed)

    with pytest.raises(ValueError, match="does not open"):
        store.reseal(half, by="ký", reason="đổi khóa")
    seen.clear()
    assert store.reseal(anew, by="ký", reason="đổi khóa") == 2
    assert sorted(seen) == [("snv", "k1", b"s1"), ("snv", "k2", b"s2")]
    seen.clear()
    store.reseal(anew, by="ký", reason="lại")
    assert sorted(s for _, _, s in seen) == [b"s1+", b"s2+"]


@pytest.mark.parametrize(("by", "reason"), [("", "vì"), ("ký", " ")])
def test_a_change_of_keys_says_who_and_why(store, by, reason):
    facts = {
        "key": "new",
        "key_before": "old",
        "public_key": "pem",
        "from_time": "x",
        "signed": "y",
    }
    store.record("receipt-key-made", "receipt-key:new", by="ký", reason="đổi khóa")
    store.change_receipt_key(facts, by="ký", reason="đổi khóa")
    with pytest.raises(RejectedError):
        store.record("receipt-key-made", "receipt-key:new", by=by, reason=reason)
    with pytest.raises(RejectedError):
        store.change_receipt_key(facts, by=by, reason=reason)
