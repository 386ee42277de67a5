"""The table of alerts is whole, and comparing what stands with what is wrong loses nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.watch import (
    KINDS,
    LEVELS,
    REFRESH,
    TODAY_TEXTS,
    URGENT_MINUTES,
    AlertKind,
    Cause,
    House,
    Severity,
    Standing,
    Today,
    Turn,
    addresses,
    compare,
    next_level_at,
    urgent_due,
)

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
CAUSE = Cause(AlertKind.RECEIPT_DUE, "agency:H37.61", "H37.61", NOW, count=3)


def standing(cause=CAUSE, **other):
    values = {"count": cause.count, "last_seen": NOW, **other}
    return Standing("a-1", cause.kind, cause.subject, cause.agency, **values)


def test_every_kind_has_its_row_in_both_languages():
    assert set(KINDS) == set(AlertKind)
    for row in KINDS.values():
        assert all((row.text.vi, row.text.en, row.advice.vi, row.advice.en))


@pytest.mark.parametrize("kind", AlertKind)
def test_what_is_urgent_escalates_day_and_night(kind):
    row = KINDS[kind]
    if row.real_time:
        assert row.severity >= Severity.URGENT
        assert row.step is not None
    # What is told once only is nothing that burns.
    if row.step is None:
        assert row.severity <= Severity.WARNING


def test_levels_end_with_operations():
    assert next_level_at(AlertKind.URGENT_WAITING, 1, NOW) == NOW + timedelta(minutes=15)
    assert next_level_at(AlertKind.URGENT_WAITING, LEVELS, NOW) is None
    assert next_level_at(AlertKind.KEY_EXPIRES, 1, NOW) is None


def test_it_begins_once_goes_on_and_ends():
    looked = {CAUSE.kind}
    assert compare([], [CAUSE], looked, NOW).begins == (CAUSE,)
    same = compare([standing()], [CAUSE], looked, NOW)
    assert (same.begins, same.goes_on, same.ends) == ((), (), ())
    more = compare([standing(count=2)], [CAUSE], looked, NOW)
    assert [s.alert_id for s, _ in more.goes_on] == ["a-1"]
    later = compare([standing()], [CAUSE], looked, NOW + REFRESH)
    assert len(later.goes_on) == 1
    assert compare([standing()], [], looked, NOW).ends == (standing(),)


def test_a_look_that_failed_ends_nothing():
    assert compare([standing()], [], {AlertKind.BACKUP_OLD}, NOW).ends == ()


def test_another_agency_is_another_alert():
    other = Cause(CAUSE.kind, CAUSE.subject, "H37.04", NOW)
    assert compare([standing()], [CAUSE, other], {CAUSE.kind}, NOW).begins == (other,)


def test_the_more_urgent_the_sooner_on_real_time():
    at_night = datetime(2026, 11, 21, 18, tzinfo=UTC)  # Sunday, 01:00 in Vietnam
    dues = [urgent_due(level, at_night, URGENT_MINUTES) for level in (1, 2, 3, 4)]
    assert dues == sorted(dues, reverse=True)
    assert dues[-1] == at_night + timedelta(minutes=5)


def turn(level, mail, begins=NOW, hours=8):
    return Turn("H37.61", level, mail, mail, begins, begins + timedelta(hours=hours))


def test_who_is_on_duty_is_told_else_the_office_else_operations():
    house = House(("clerk@x.vn",), ("leader@x.vn",))
    ops = ("ops@x.vn",)
    roster = [turn(1, "duty@x.vn"), turn(1, "night@x.vn", NOW + timedelta(hours=8))]
    assert addresses(1, roster, house, ops, NOW) == ("duty@x.vn",)
    assert addresses(1, roster, house, ops, NOW + timedelta(hours=8)) == ("night@x.vn",)
    assert addresses(1, [], house, ops, NOW) == ("clerk@x.vn",)
    assert addresses(2, roster, house, ops, NOW) == ("leader@x.vn",)
    assert addresses(3, roster, house, ops, NOW) == ops
    assert addresses(1, [], House(), ops, NOW) == ops
    # A turn's end is the next one's begin: nobody and never two.
    assert not turn(1, "a").is_on(NOW + timedelta(hours=8))


def test_the_digest_has_a_row_for_each_of_its_numbers():
    assert set(TODAY_TEXTS) <= set(Today.__slots__)
    assert Today("H37.61").empty
    assert not Today("H37.61", returned=1).empty
    assert not Today("H37.61", tasks_due=1).empty
