"""LedgerCatalogue: the ledger's agencies as a Directory, and how soon a change is seen."""

import time
from datetime import date

import pytest

from gateway.domain.directory import AgencyStatus, NumberedBy, Unknown, Via
from gateway.ports import AgencyRecord, ChangeSet, Insert
from gateway.store.catalogue import LedgerCatalogue
from gateway.store.session import session
from tests.world.ledgers import only_sqlite

DAY = date(2026, 11, 23)
FULL = AgencyRecord(
    "H37.02",
    "Sở Nội vụ",
    legacy_code="000.00.02.H37",
    parent="H37",
    mail="snv@example.vn",
    connected="local",
    console=True,
    numbered_by="own-system",
    aliases=("02.H37",),
)


@pytest.fixture
def catalogue(place, ticks):
    made = LedgerCatalogue(place, monotonic=ticks, follow=False)
    yield made
    made.close()


def test_an_empty_ledger_is_an_empty_directory(catalogue):
    assert len(catalogue.directory()) == 0


def test_an_agency_comes_with_everything(admin, catalogue):
    admin.put_agency(FULL, by="t")
    agency = catalogue.directory().get("H37.02")
    assert (agency.name, agency.parent, agency.mail) == ("Sở Nội vụ", "H37", "snv@example.vn")
    assert (agency.hop, agency.console) == ("local", True)
    assert agency.numbered_by is NumberedBy.OWN_SYSTEM
    assert agency.status is AgencyStatus.ACTIVE
    directory = catalogue.directory()
    assert directory.resolve("000.00.02.h37", DAY).via is Via.LEGACY
    assert directory.resolve("02.H37", DAY).via is Via.ALIAS
    assert directory.resolve("02.H37", DAY).canonical == "H37.02"


def test_dates_and_successors_count(admin, catalogue, sql):
    admin.put_agency(FULL, by="t")
    admin.put_agency(AgencyRecord("H37.05", "Sở Y tế", connected="axis"), by="t")
    admin.put_alias("5.H37", "H37.05", by="t")
    admin.set_agency_status("H37.05", "closed", successor="H37.02", reason="r", by="t")
    sql("UPDATE agency SET valid_from = '2026-11-24' WHERE code = 'H37.02'")
    sql("UPDATE agency_alias SET valid_to = '2026-11-22' WHERE alias = '5.H37'")
    directory = catalogue.directory()
    assert directory.resolve("H37.02", DAY).status is AgencyStatus.NOT_YET
    assert directory.resolve("5.H37", DAY).via is Via.EXPIRED_ALIAS
    assert directory.resolve("H37.05", DAY).successor.code == "H37.02"
    assert directory.get("H37.05").hop == "axis"


def test_a_change_is_seen_after_half_a_second(admin, catalogue, ticks):
    before = catalogue.directory()
    admin.put_agency(FULL, by="t")
    ticks.seconds += 0.49
    assert catalogue.directory() is before
    ticks.seconds += 0.01
    after = catalogue.directory()
    assert after.get("H37.02") is not None
    assert before.get("H37.02") is None
    ticks.seconds += 5
    assert catalogue.directory() is after


def _many(place, count):
    with session(place, purpose="test") as opened, opened.writing():
        for first in range(0, count, 500):
            some = [
                {
                    "code": f"H{10 + i % 50}.{i}",
                    "name": f"Cơ quan {i}",
                    "legacy_code": f"{i:03}.00.00.H{10 + i % 50}",
                    "parent": "H10",
                    "status": "active",
                    "hop": "axis",
                    "updated_at": "",
                }
                for i in range(first, min(first + 500, count))
            ]
            opened.apply(ChangeSet(rows=tuple(Insert("agency", row) for row in some)))


def test_a_large_catalogue_is_built_beside_its_readers(admin, catalogue, ticks, place):
    _many(place, 6000)
    before = catalogue.directory()
    admin.put_agency(FULL, by="t")
    ticks.seconds += 1
    assert catalogue.directory().get("H37.02") is before.get("H37.02") is None
    catalogue.settle()
    assert catalogue.directory().get("H37.02") is not None
    assert len(catalogue.directory()) == 6001
    admin.put_agency(AgencyRecord("H37.99", "Mới"), by="t")
    ticks.seconds += 1
    catalogue.directory()
    catalogue.settle()
    assert catalogue.directory().get("H37.99") is not None


@only_sqlite
def test_the_whole_country_is_quick(catalogue, place):
    _many(place, 120_000)
    began = time.thread_time()
    directory = catalogue.directory()
    assert time.thread_time() - began < 4, "twice what it may take, for a busy machine"
    began = time.thread_time()
    for i in range(10_000):
        assert directory.resolve(f"H{10 + i % 50}.{i}", DAY).canonical == f"H{10 + i % 50}.{i}"
    assert isinstance(directory.resolve("H99.9", DAY), Unknown)
    assert time.thread_time() - began < 1
