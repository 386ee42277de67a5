"""Who took over: one, several, nobody; by date, along chains, around circles (ID-05)."""

from datetime import date

import pytest

from gateway.domain.directory import Agency, AgencyStatus, Directory
from gateway.domain.succession import Succession

DAY = date(2026, 11, 22)
CODES = ("A01", "A02", "B01", "B02", "C01", "C02", "D01")


def directory(*links, own=()):
    """Agencies A01 … D01, with successors on their rows (`own`) and links."""
    on_rows = dict(own)
    return Directory(
        [Agency(c, c, successor=on_rows.get(c, "")) for c in CODES],
        successions=[Succession(*link) for link in links],
    )


def test_a_merger_leads_every_old_code_to_one():
    merged = directory(("A01", "D01"), ("A02", "D01"))
    assert merged.successor_of("A01", DAY).one.code == "D01"
    assert merged.resolve("a02 ", DAY).successor.code == "D01"
    assert merged.lineage("D01") == {"A01", "A02", "D01"}
    assert merged.lineage("A01") == {"A01", "D01"}


def test_a_split_names_all_and_picks_none():
    split = directory(("A01", "C02"), ("A01", "C01"))
    found = split.resolve("A01", DAY)
    assert found.successor is None
    assert found.heirs.codes == ("C01", "C02")
    assert found.heirs.is_split
    assert split.lineage("C01") == {"A01", "C01"}
    assert split.lineage("A01") == {"A01", "C01", "C02"}


def test_a_split_that_was_joined_again_is_one():
    again = directory(("A01", "C02"), ("A01", "C01"), ("C01", "D01"), ("C02", "D01"))
    assert again.successor_of("A01", DAY).one.code == "D01"


def test_a_candidate_nobody_knows_is_still_a_candidate():
    half = directory(("A01", "C01"), ("A01", "X99"))
    found = half.successor_of("A01", DAY)
    assert found.one is None
    assert found.codes == ("C01", "X99")
    assert directory(("A01", "X99")).resolve("A01", DAY).successor is None


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2025, 6, 30), ()),
        (date(2025, 7, 1), ("B01",)),
        (date(2025, 12, 31), ("B01",)),
        (date(2026, 1, 1), ("B01", "B02")),
        (date(2026, 3, 31), ("B01", "B02")),
        (date(2026, 4, 1), ("B02",)),
    ],
)
def test_dates_that_overlap_are_a_split_only_while_they_do(day, expected):
    dated = directory(
        ("A01", "B01", date(2025, 7, 1), date(2026, 3, 31)),
        ("A01", "B02", date(2026, 1, 1)),
    )
    assert dated.successor_of("A01", day).codes == expected


def test_a_chain_is_followed_by_its_dates():
    chain = directory(("A01", "B01"), ("B01", "C01", date(2026, 12, 1)), own=[("C01", "D01")])
    assert chain.successor_of("A01", DAY).one.code == "B01"
    assert chain.successor_of("A01", date(2026, 12, 1)).one.code == "D01"


def test_circles_end_and_lead_nowhere():
    ring = directory(("B01", "B02"), ("B02", "C01"), ("C01", "B02"), ("A01", "A01"))
    assert ring.successor_of("B01", DAY).codes == ()
    assert ring.successor_of("A01", DAY).codes == ()
    bad = {f.where for f in ring.findings() if "circle" in f.en}
    assert bad == {"A01", "B02", "C01"}


def test_a_very_long_chain_is_no_trouble():
    links = [Succession(f"Z{n}", f"Z{n + 1}") for n in range(20_000)]
    long = Directory([Agency(f"Z{n}", "x") for n in range(20_001)], successions=links)
    assert long.successor_of("Z0", DAY).one.code == "Z20000"


def test_the_successor_on_the_row_is_no_second_one():
    both = directory(("A01", "B01", date(2025, 7, 1)), own=[("A01", "b01")])
    assert both.successor_of("A01", DAY).one.code == "B01"
    assert both.successor_of("A01", date(2025, 6, 1)).codes == ()


def test_odd_dates_and_doubles_are_found():
    odd = directory(
        ("A01", "B01", date(2026, 1, 2), date(2026, 1, 1)), ("A02", "B01"), ("A02", "B01")
    )
    assert {(f.rule, f.where) for f in odd.findings()} == {("ID-05", "A01"), ("ID-05", "A02")}


def test_forwarding_ends_with_its_last_day():
    closed = Agency("A01", "x", status=AgencyStatus.CLOSED, forward_until=DAY)
    assert closed.forwards_on(DAY)
    assert not closed.forwards_on(date(2026, 11, 23))
    assert Agency("A01", "x").forwards_on(date.max)


def test_only_what_is_closed_and_has_one_heir_is_taken_over():
    gone = ("A01", "A02", "B01")
    book = Directory(
        [Agency(c, c, status=_status(c in gone)) for c in CODES],
        successions=[
            Succession("A01", "A02"),
            Succession("A02", "D01"),
            Succession("B01", "D01"),
            Succession("B01", "C01", valid_from=date(2026, 12, 1)),
            Succession("B02", "D01"),  # announced: it still works
        ],
    )
    assert book.taken_over("d01", DAY) == ("A01", "A02", "B01")
    assert book.taken_over("D01", date(2026, 12, 1)) == ("A01", "A02")  # B01 is split by then
    assert book.taken_over("C01", date(2026, 12, 1)) == ()
    assert book.taken_over("A02", DAY) == ()  # not the end of the chain
    assert book.taken_over("X99", DAY) == ()


def _status(closed):
    return AgencyStatus.CLOSED if closed else AgencyStatus.ACTIVE
