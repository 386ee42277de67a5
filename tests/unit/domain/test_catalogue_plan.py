"""What a list would change: found, refused, left alone (ID-01, ID-03, ID-04, ID-05, ID-06)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.catalogue_data import NAMELESS, NATIONAL_LEVEL1, listed_level1, to_confirm
from gateway.domain.catalogue_plan import BLANK, KINDS, Listed, Scope, compare


def agency(name, **fields):
    return {**BLANK, "name": name, **fields}


KNOWN = {
    "H37": agency("UBND tỉnh Lạng Sơn", connected="local", legacy_code="000.00.00.H37"),
    "H37.02": agency("Sở Nội vụ", parent="H37", connected="local"),
    "G09": agency("Bộ Nội vụ", connected="truc"),
    "G07": agency("Bộ cũ", connected="truc", status="closed", successors=[["G09", None, None]]),
    "G12": agency("Bộ Tài chính", connected="truc", status="locked", aliases=["TC"]),
}
OWN, PEER = Scope(), Scope("truc")


def plan(*rows, scope=OWN):
    return compare(KNOWN, [Listed(code, fields) for code, fields in rows], scope)


def one(*row, scope=OWN):
    found = plan(row, scope=scope)
    assert not found.conflicts
    (step,) = found.steps
    return step


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        (("H37.05", {"name": "Sở Y tế"}), ("added",)),
        (("H37.02", {"name": "Sở Nội vụ tỉnh"}), ("renamed",)),
        (("H37.02", {"parent": ""}), ("reparented",)),
        (("H37.02", {"legacy_code": "000.00.02.H37"}), ("code-changed",)),
        (("H37.02", {"aliases": ["02.H37"]}), ("code-changed",)),
        (("H37.02", {"connected": "truc"}), ("moved",)),
        (("H37.02", {"valid_from": date(2026, 1, 1)}), ("dated",)),
        (("H37.02", {"mail": "a@b.vn"}), ("changed",)),
        (("H37.02", {"status": "locked"}), ("locked",)),
        (
            ("H37.02", {"status": "closed", "successors": [("H37", None, None)]}),
            ("succeeded", "closed"),
        ),
        (("H37.02", {"name": "X", "parent": ""}), ("renamed", "reparented")),
    ],
)
def test_what_a_row_is(row, kinds):
    step = one(*row)
    assert step.kinds == kinds
    assert set(kinds) <= set(KINDS)
    assert set(step.after) == set(row[1]) or step.before is None


@pytest.mark.parametrize(
    "row",
    [
        ("H37.02", {"name": "Sở  Nội vụ ", "parent": " h37"}),  # blanks and case
        (" h37.02 ", {"name": "Sở Nội vụ"}),
        ("H37.02", {"name": "", "legacy_code": "", "mail": "", "aliases": []}),  # empties nothing
        ("G12", {"status": "active"}),  # a lock is taken off by saying so
        ("G12", {"aliases": ["tc"]}),
        ("G07", {"successors": [("g09", None, None)]}),
    ],
)
def test_what_says_the_same_changes_nothing(row):
    found = plan(row)
    assert (found.steps, found.conflicts, found.same) == ((), (), 1)


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([("không phải mã", {"name": "x"})], "ID-03"),
        ([("H37.05", {"name": "x"}), ("h37.05", {"name": "y"})], "ID-01"),
        ([("H37.05", {})], "ID-06"),
        ([("TC", {"name": "x"})], "ID-01"),  # an alias of G12
        ([("H37.05", {"name": "x", "legacy_code": "000.00.00.h37"})], "ID-01"),
        ([("H37.05", {"name": "x", "aliases": ["G09"]})], "ID-01"),
        (
            [
                ("H37.05", {"name": "x", "legacy_code": "000.00.05.H37"}),
                ("H37.06", {"name": "y", "legacy_code": "000.00.05.H37"}),
            ],
            "ID-01",
        ),
        ([("H37.02", {"valid_from": "2026-02-01", "valid_to": "2026-01-01"})], "ID-05"),
        ([("H37.02", {"status": "closed", "successors": [("H99", None, None)]})], "ID-05"),
        ([("H37.02", {"status": "closed", "successors": [("?", None, None)]})], "ID-03"),
        (
            [
                (
                    "H37.02",
                    {"status": "closed", "successors": [("H37", "2026-02-01", "2026-01-01")]},
                )
            ],
            "ID-05",
        ),
        ([("G09", {"status": "closed", "successors": [("G07", None, None)]})], "ID-05"),  # circle
        ([("H37.02", {"status": "closed", "successors": [("H37.02", None, None)]})], "ID-05"),
        ([("H37", {"parent": "H37.02"})], "ID-06|ID-05"),
    ],
)
def test_a_conflict_keeps_its_row_out(rows, rule):
    found = plan(*rows, ("H37.77", {"name": "Dòng tốt"}))
    assert found.conflicts
    assert found.conflicts[0].rule in rule
    assert {s.code for s in found.steps} <= {"H37.77", "H37.05"}
    assert "H37.77" in {s.code for s in found.steps}


def test_a_closed_code_is_never_opened():
    found = plan(("G07", {"name": "Bộ cũ", "status": "active"}))
    assert found.steps == ()
    assert [w.rule for w in found.warnings] == ["ID-05"]


def test_a_peers_list_changes_only_who_is_behind_it():
    found = plan(("H37.02", {"name": "Tên lạ"}), ("G09", {"name": "Bộ mới"}), scope=PEER)
    assert [s.code for s in found.steps] == ["G09"]
    assert [(w.code, w.rule) for w in found.warnings] == [("H37.02", "ID-06")]
    assert found.missing == ("G12",)
    assert one("G13", {"name": "Mới"}, scope=PEER).after["connected"] == "truc"


def test_hubs_are_left_out_without_a_word():
    found = plan(("02.29.W00", {"name": "Trung tâm"}), ("W00", {"name": "x"}))
    assert (found.steps, found.hidden, found.conflicts) == ((), 2, ())


def test_closing_what_is_missing_is_asked_for_and_bounded():
    rows = [("H37", {"name": "UBND tỉnh Lạng Sơn"})]
    assert plan(*rows).steps == ()
    closing = plan(*rows, scope=Scope(close_missing=True))
    assert [s.code for s in closing.steps] == ["G09", "G12", "H37.02"]
    assert closing.too_many == "3/4"
    assert not plan(*rows, scope=Scope(close_missing=True, most_closed_percent=80)).too_many


def test_a_last_day_closes_as_well_and_is_bounded():
    codes = ("H37", "G09", "G12", "H37.02")
    ended = plan(*((code, {"valid_to": "2020-01-01"}) for code in codes))
    assert ended.counts == {"dated": 4}
    assert ended.too_many == "4/4"
    # Who is given more time is not closed by it.
    known = {code: dict(BLANK, name=code, valid_to="2026-01-01") for code in codes}
    for until in ("2030-01-01", None):
        listed = [Listed(code, {"valid_to": until}) for code in codes]
        assert compare(known, listed, Scope()).too_many == ""


def test_a_code_that_left_beside_one_that_came_is_pointed_out():
    found = plan(("H37.05", {"name": "SỞ NỘI VỤ", "parent": "H37"}))
    assert [(w.code, w.rule) for w in found.warnings] == [("H37.02", "ID-05")]
    assert "H37.05" in found.warnings[0].vi


def test_new_codes_come_first_and_closings_last():
    found = plan(
        ("G09", {"status": "closed", "successors": [("G99", None, None)]}),
        ("H37.02", {"name": "X"}),
        ("G99", {"name": "Bộ mới"}),
    )
    assert [s.code for s in found.steps] == ["G99", "H37.02", "G09"]


def test_who_is_succeeded_by_a_row_left_out_is_left_out_too():
    heir = {"status": "closed", "successors": [("H37.05", None, None)]}
    again = {"status": "closed", "name": "x", "successors": [("H37.06", None, None)]}
    found = plan(
        ("H37.05", {"name": "x"}),
        ("H37.05", {"name": "y"}),
        ("H37.06", {"name": "z", **heir}),
        ("H37.02", again),
    )
    assert found.steps == ()
    assert {c.code for c in found.conflicts} == {"H37.05", "H37.06", "H37.02"}


def test_an_old_code_that_is_replaced_still_means_its_agency():
    step = one("H37", {"legacy_code": "000.00.01.H37"})
    assert step.after == {"legacy_code": "000.00.01.H37", "aliases": ["000.00.00.H37"]}
    # Given out anew in one list (ID-04): freed now, and taken by the next import.
    rows = [
        ("H37", {"legacy_code": "000.00.01.H37"}),
        ("H37.05", {"name": "x", "legacy_code": "000.00.00.H37"}),
    ]
    found = plan(*rows)
    assert [s.after for s in found.steps] == [{"legacy_code": "000.00.01.H37"}]
    assert [c.code for c in found.conflicts] == ["H37.05"]
    again = compare(applied(KNOWN, found), [Listed(*row) for row in rows], OWN)
    assert ([s.code for s in again.steps], again.conflicts) == (["H37.05"], ())


def test_a_garbled_name_is_pointed_out():
    assert [w.rule for w in plan(("H37.05", {"name": "S? N?i v?"})).warnings] == ["FMT-06"]


def test_level_1_is_a_plan_of_its_own_marks():
    found = compare({}, listed_level1(), Scope(remarks=to_confirm()))
    assert found.conflicts == ()
    assert len(found.steps) == len(NATIONAL_LEVEL1)
    unsure = {w.code for w in found.warnings}
    assert set(NAMELESS) <= unsure
    assert unsure - set(NAMELESS) == {r.code for r in NATIONAL_LEVEL1 if r.certainty != "Q"}
    # What our sources of law name themselves (rules C4).
    assert not unsure & {"H25", "H40", "H42", "H58", "H20", "H47", "H17", "H37", "G10"}
    by_code = {s.code: s.after for s in found.steps}
    assert by_code["H25"]["valid_to"] == "2025-06-30"


CODES = st.sampled_from(["H37", "H37.02", "G09", "G07", "G12", "H37.05", "X1", "02.29.W00", "TC"])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["", "Sở A", "Sở B"]),
        "parent": st.sampled_from(["", "H37", "G09", "H37.05"]),
        "legacy_code": st.sampled_from(["", "000.00.00.H37", "000.00.09.H37"]),
        "status": st.sampled_from(["active", "locked", "closed"]),
        "successors": st.lists(
            st.tuples(CODES, st.none(), st.sampled_from([None, "2027-01-01"])), max_size=2
        ),
        "aliases": st.lists(st.sampled_from(["TC", "A1", "A2"]), max_size=2),
    },
)


def applied(known, found):
    after = {code: dict(fields) for code, fields in known.items()}
    for step in found.steps:
        after[step.code] = {**BLANK, **after.get(step.code, {}), **step.after}
    return after


@given(st.lists(st.builds(Listed, CODES, FIELDS), max_size=6), st.booleans())
def test_whatever_the_list_a_plan_keeps_its_promises(listed, close):
    scope = Scope(close_missing=close)
    found = compare(KNOWN, listed, scope)
    after = applied(KNOWN, found)
    assert len({s.code for s in found.steps}) == len(found.steps)
    for code, fields in KNOWN.items():
        assert after[code]["name"]
        if fields["status"] == "closed":
            assert after[code]["status"] == "closed"
    names = [f["legacy_code"] for f in after.values() if f["legacy_code"]]
    names += [a for f in after.values() for a in f["aliases"]]
    assert len(names) == len(set(names))
    assert not set(names) & set(after)
    # Done once, nothing is left of it to do, but for what conflicts took out.
    again = compare(after, listed, scope)
    left = {s.code for s in again.steps} - {c.code for c in found.conflicts}
    assert not left, (found, again)
