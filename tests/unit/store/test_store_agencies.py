"""LedgerAgencies: a plan is carried out once, whole chunks at a time, or not at all."""

import json

import pytest

from gateway.domain.catalogue_plan import BLANK, Listed, Scope, Step, compare
from gateway.domain.succession import Succession
from gateway.errors import Reason, RejectedError
from gateway.ports import AgencyRecord
from gateway.store import agencies as module
from gateway.store.agencies import LedgerAgencies
from gateway.store.catalogue import LedgerCatalogue
from gateway.stores import UuidIds
from tests.world.ledgers import only_sqlite

PLAN = "ab" * 32
WHO = {"plan": PLAN, "reason": "danh mục mới", "by": "tester"}


@pytest.fixture
def ids():
    return UuidIds()


@pytest.fixture
def book(place, clock, ids, ticks):
    made = LedgerAgencies(place, clock, ids, ticks)
    yield made
    made.close()


@pytest.fixture
def directory(place, ticks):
    made = LedgerCatalogue(place, monotonic=ticks, follow=False)

    def look():
        ticks.seconds += 60
        made.directory()
        made.settle()
        return made.directory()

    yield look
    made.close()


def planned(book, *rows, scope=None):
    listed = [Listed(code, fields) for code, fields in rows]
    found = compare(book.catalogue(), listed, scope or Scope())
    assert not found.conflicts
    return found.steps


def many(count, prefix="Xã"):
    return [(f"H37.{n:05d}", {"name": f"{prefix} {n}", "connected": "truc"}) for n in range(count)]


def test_everything_of_a_step_is_written_and_read_back(book, directory):
    full = {
        "name": "Sở Nội vụ",
        "legacy_code": "000.00.02.H37",
        "parent": "H37",
        "mail": "a@b.vn",
        "connected": "local",
        "console": True,
        "numbered_by": "gateway",
        "valid_from": "2025-07-01",
        "aliases": ["02.H37"],
    }
    gone = {
        "name": "Sở cũ",
        "status": "closed",
        "valid_to": "2025-06-30",
        "forward_until": "2026-12-31",
        "successors": [["H37.02", None, None]],
    }
    split = {"name": "Tách", "status": "closed"}
    split["successors"] = [["H37.02", "2025-07-01", None], ["H37.03", None, None]]
    steps = planned(
        book, ("H37.01", gone), ("H37.02", full), ("H37.03", {"name": "x"}), ("H37.04", split)
    )
    assert book.apply(steps, **WHO).done == 4
    known = book.catalogue()
    assert known["H37.02"] == {**BLANK, **full, "successors": []}
    assert known["H37.04"]["successors"] == split["successors"]
    found = directory()
    assert found.get("H37.01").forward_until.isoformat() == "2026-12-31"
    assert found.get("H37.01").successor == "H37.02"
    assert found.get("H37.04").successor == ""
    day = found.get("H37.02").valid_from
    assert found.successor_of("H37.04", day).codes == ("H37.02", "H37.03")
    assert found.successor_of("H37.01", day).one.code == "H37.02"


def test_twice_is_once(book):
    steps = planned(book, *many(3))
    assert book.apply(steps, **WHO).done == 3
    again = book.apply(steps, **WHO)
    assert (again.done, again.already, again.differences) == (0, 3, ())


def test_a_changed_catalogue_is_left_as_it_is(book, admin):
    book.apply(planned(book, *many(3)), **WHO)
    steps = planned(book, *many(3, "Phường"))
    admin.put_agency(AgencyRecord("H37.00001", "Đã khác", connected="truc"), by="t")
    result = book.apply(steps, **WHO)
    assert result.done == 0
    (one,) = result.differences
    assert (one.code, one.expected, one.found) == (
        "H37.00001",
        {"name": "Xã 1"},
        {"name": "Đã khác"},
    )
    assert book.catalogue()["H37.00000"]["name"] == "Xã 0"


@pytest.mark.parametrize(
    ("step", "found"),
    [
        (Step("H37.00000", ("added",), None, {"name": "Khác"}), {"name": "Xã 0"}),
        (Step("H99", ("renamed",), {"name": "a"}, {"name": "b"}), None),
    ],
)
def test_what_came_or_went_since_is_a_difference(book, step, found):
    book.apply(planned(book, *many(1)), **WHO)
    (one,) = book.apply([step], **WHO).differences
    assert one.found == found


def test_a_crash_leaves_whole_chunks_and_the_same_plan_finishes(
    place, book, clock, ids, ticks, monkeypatch, sql
):
    monkeypatch.setattr(module, "_CHUNK", 10)
    steps = planned(book, *many(35))

    class KilledError(Exception):
        pass

    class Dying:
        """Dies inside the third chunk, when its rows are written and not committed."""

        left = 2

        def new(self):
            if Dying.left == 0:
                raise KilledError
            Dying.left -= 1
            return ids.new()

    dying = LedgerAgencies(place, clock, Dying(), ticks)
    with pytest.raises(KilledError):
        dying.apply(steps, **WHO)
    dying.close()
    assert len(book.catalogue()) == 20
    seen = []
    result = book.apply(steps, **WHO, progress=lambda done, of: seen.append((done, of)))
    assert (result.done, result.already) == (15, 20)
    assert seen == [(30, 35), (35, 35)]
    assert len(book.catalogue()) == 35
    logged = sql("SELECT body FROM receipt_entry WHERE subject = ?", f"agency-plan:{PLAN}")
    assert sum(json.loads(body)["value"] for (body,) in logged) == 35


def test_servers_hear_of_what_a_crash_left(book, directory, sql):
    steps = planned(book, *many(2))
    book.apply(steps, **WHO)
    sql("DELETE FROM meta WHERE key = 'registry_version'")  # as if the crash came just before
    assert book.apply(steps, **WHO).already == 2
    assert sql("SELECT 1 AS there FROM meta WHERE key = 'registry_version'")


def test_somebody_between_two_chunks_stops_the_rest(book, admin, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 2)
    book.apply(planned(book, *many(5)), **WHO)
    steps = planned(book, *many(5, "Phường"))

    def meddle(done, of):
        assert of == 5
        if done == 2:
            admin.put_agency(AgencyRecord("H37.00003", "Đã khác", connected="truc"), by="t")

    result = book.apply(steps, **WHO, progress=meddle)
    assert result.done == 2
    assert [d.code for d in result.differences] == ["H37.00003"]
    assert book.catalogue()["H37.00002"]["name"] == "Xã 2"


def test_a_code_is_closed_with_who_took_over(book, directory, clock):
    book.apply(planned(book, *many(4)), **WHO)
    links = [Succession("", "h37.00001"), Succession("", "H37.00002")]
    book.close_agency("H37.00000", links, forward_until=None, reason="tách", by="t")
    day = clock.now().date()
    assert directory().successor_of("H37.00000", day).codes == ("H37.00001", "H37.00002")
    # Corrected: one, until a day.
    book.close_agency("H37.00000", links[:1], forward_until=day, reason="sửa", by="t")
    found = directory()
    assert found.successor_of("H37.00000", day).one.code == "H37.00001"
    assert found.get("H37.00000").forward_until == day
    for wrong in ([Succession("", "H37.00000")], links[:1] * 2, [Succession("", "H99")]):
        with pytest.raises(RejectedError) as caught:
            book.close_agency("H37.00000", wrong, forward_until=None, reason="r", by="t")
        assert caught.value.reason in {Reason.BAD_REQUEST, Reason.NOT_FOUND}
    back = [Succession("", "H37.00000")]
    with pytest.raises(RejectedError):
        book.close_agency("H37.00001", back, forward_until=None, reason="vòng", by="t")


def test_a_seed_of_the_settings_names_no_other_heir_beside_several(book, admin, directory, clock):
    book.apply(planned(book, *many(4)), **WHO)
    links = [Succession("", "H37.00001"), Succession("", "H37.00002")]
    book.close_agency("H37.00000", links, forward_until=None, reason="tách", by="t")
    seed = AgencyRecord("H37.00000", "Xã 0", successor="H37.00003", status="closed")
    admin.put_agency(seed, by="vanlien.toml")
    day = clock.now().date()
    assert directory().successor_of("H37.00000", day).codes == ("H37.00001", "H37.00002")


def test_a_plain_closing_afterwards_forgets_the_split(book, admin, directory, clock):
    book.apply(planned(book, *many(4)), **WHO)
    links = [Succession("", "H37.00001"), Succession("", "H37.00002")]
    book.close_agency("H37.00000", links, forward_until=None, reason="tách", by="t")
    with pytest.raises(RejectedError):  # a circle by way of the split
        admin.set_agency_status("H37.00001", "closed", successor="H37.00000", reason="vòng", by="t")
    admin.set_agency_status("H37.00000", "closed", successor="H37.00003", reason="r", by="t")
    day = clock.now().date()
    assert directory().successor_of("H37.00000", day).one.code == "H37.00003"


@only_sqlite
def test_thousands_in_chunks(book, directory):
    """A tenth of the country; all of it is measured in docs/operations.md."""
    rows = many(13_000)
    assert book.apply(planned(book, *rows), **WHO).done == 13_000
    renamed = planned(book, *rows[:-1], ("H37.12999", {"name": "Tên khác"}))
    assert [s.kinds for s in renamed] == [("renamed",)]
    assert len(directory()) == 13_000
