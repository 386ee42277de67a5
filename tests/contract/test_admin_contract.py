"""AdminStore: what the two stores must share beyond test_admin_store.py: purging, seeds, refusals."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import AgencyRecord, NewCredential, QuarantineRow
from gateway.store import setup
from gateway.store.admin import SqliteAdmin
from gateway.store.ledger import connect
from tests.world.fake_admin import FakeAdminStore
from tests.world.ledger_rows import sha
from tests.world.memory_blobs import MemoryBlobs

ONE = AgencyRecord("H37.02", "Sở Nội vụ", connected="local")
TWO = AgencyRecord("H37.05", "Sở Y tế", connected="local")
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


@pytest.fixture(params=["fake", "ledger"])
def store(request, tmp_path, clock):
    if request.param == "fake":
        made = FakeAdminStore(clock.now)
        made.put_in_quarantine(ITEM)
    else:
        setup.create(tmp_path / "ledger.sqlite")
        made = SqliteAdmin(tmp_path / "ledger.sqlite", MemoryBlobs(), clock, CountedIds())
        _put_in_quarantine(tmp_path / "ledger.sqlite")
    for agency in (ONE, TWO):
        made.put_agency(agency, by="tester")
    yield made
    if request.param == "ledger":
        made.close()


def _put_in_quarantine(path):
    other = connect(path)
    sql = (
        "INSERT INTO quarantine (id, kind, sender, document_id, reason, sha256, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    row = (ITEM.id, ITEM.kind, ITEM.sender, ITEM.document_id, ITEM.reason, sha(7))
    other.execute(sql, (*row, to_text(ITEM.since)))
    other.close()


def refused(because, call, *args, **kwargs):
    with pytest.raises(RejectedError) as caught:
        call(*args, **kwargs)
    assert caught.value.reason is because


def key(number):
    return NewCredential(f"api{number}", "api-key", sha256=f"{number:064x}")


# ---------------------------------------------------------------- purging takes two


def test_a_purge_takes_two_persons(store, clock):
    assert list(store.quarantined()) == [ITEM]
    asked = store.purge(ITEM.id, by="Nguyễn Văn An")
    assert asked == replace(ITEM, purge_asked_by="Nguyễn Văn An")
    assert list(store.quarantined()) == [asked]
    clock.at += HOUR
    done = store.purge(ITEM.id, by="Trần Thị Bình")
    assert done == replace(asked, purged_at=START + HOUR)
    assert list(store.quarantined()) == [done]


@pytest.mark.parametrize(
    "again", ["nguyễn  văn an", " NGUYỄN VĂN AN", unicodedata.normalize("NFD", "Nguyễn Văn An")]
)
def test_one_person_is_not_two(store, again):
    store.purge(ITEM.id, by="Nguyễn Văn An")
    refused(Reason.CONFLICT, store.purge, ITEM.id, by=again)
    assert store.quarantined()[0].purged_at is None


def test_what_is_purged_is_purged(store):
    store.purge(ITEM.id, by="An")
    done = store.purge(ITEM.id, by="Bình")
    for person in ("An", "Bình", "Chi"):
        refused(Reason.CONFLICT, store.purge, ITEM.id, by=person)
    assert list(store.quarantined()) == [done]


# ---------------------------------------------------------------- credentials by the clock


def test_old_credentials_disappear_when_their_time_is_over(store, clock):
    store.add_system("qlvb", ["H37.02"], [key(1)], by="t")
    row = store.rotate("qlvb", [key(2)], overlap=HOUR, by="t")
    assert {c.id: c.expires_at for c in row.credentials} == {"api1": START + HOUR, "api2": None}
    clock.at += HOUR
    assert [c.id for c in store.systems()[0].credentials] == ["api2"]


def test_a_second_rotation_does_not_give_more_time(store, clock):
    store.add_system("qlvb", ["H37.02"], [key(1)], by="t")
    store.rotate("qlvb", [key(2)], overlap=HOUR, by="t")
    clock.at += HOUR / 2
    row = store.rotate("qlvb", [key(3)], overlap=HOUR, by="t")
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
