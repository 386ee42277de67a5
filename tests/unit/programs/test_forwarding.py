"""Whom a closed code's post goes to, and that what is said of it fits into a reason (ID-05)."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from gateway.domain.consignment import plan_deliveries
from gateway.domain.directory import Agency, AgencyStatus, Directory
from gateway.domain.envelope import Header, Organization
from gateway.domain.receipt import MAX_REASON_LENGTH
from gateway.domain.succession import Succession
from gateway.programs import forwarding

DAY = date(2026, 11, 22)
CLOSED = AgencyStatus.CLOSED


def town(*agencies, links=()):
    directory = Directory(agencies, successions=[Succession(*link) for link in links])
    clock = SimpleNamespace(now=lambda: datetime(2026, 11, 22, 3, tzinfo=UTC))
    return SimpleNamespace(directory=lambda: directory, clock=clock)


def addressees(context, *codes):
    written = [Organization(code) for code in codes]
    return forwarding.addressees(context, plan_deliveries(written, context.directory(), DAY))


@pytest.mark.parametrize(
    "heir",
    [
        Agency("H37.02", "Mở năm sau", hop="local", valid_from=date(2027, 1, 1)),
        Agency("H37.02", "Đã đóng", hop="local", status=CLOSED),
        Agency("H37.02", "Hết hạn", hop="local", valid_to=date(2026, 1, 1)),
        Agency("H37.02", "Ở nơi khác", hop="truc"),
        Agency("H37.02", "Không liên thông"),
    ],
)
def test_an_heir_that_cannot_take_it_is_named_in_the_refusal(heir):
    old = Agency("H37.01", "Cũ", hop="local", status=CLOSED, successor="H37.02")
    (to,) = addressees(town(old, heir), "H37.01")
    assert (to.agency, to.forwarded_from) == ("H37.01", ())
    assert "H37.02" in to.closed.vi
    assert "H37.02" in to.closed.en


@pytest.mark.parametrize("status", [AgencyStatus.ACTIVE, AgencyStatus.LOCKED])
def test_an_heir_here_takes_it(status):
    old = Agency("H37.01", "Cũ", status=CLOSED, successor="H37.02")
    heir = Agency("H37.02", "Mới", hop="local", status=status)
    (to,) = addressees(town(old, heir), "h37.01", "H37.02 ")
    assert (to.agency, to.addressed_as) == ("H37.02", ("h37.01", "H37.02 "))
    assert (to.forwarded_from, to.closed) == (("h37.01",), None)


def test_what_is_nobodys_here_is_left_alone():
    far = Agency("H25", "Hà Nam", status=CLOSED, successor="H42")
    context = town(far, Agency("H42", "Ninh Bình", hop="truc"), Agency("G09", "Bộ", hop="truc"))
    assert addressees(context, "H25", "G09", "X99", "00.37.W00") == ()


def test_many_candidates_fit_into_a_reason():
    heirs = [Agency(f"H37.{n:030d}", "Ủy ban nhân dân " * 20, hop="local") for n in range(50)]
    old = Agency("H37.01", "Cũ", hop="local", status=CLOSED)
    context = town(old, *heirs, links=[("H37.01", heir.code) for heir in heirs])
    (to,) = addressees(context, "H37.01")
    told = f"{to.closed.rule} {to.closed.refusal}: {to.closed.vi}"
    assert len(told) <= MAX_REASON_LENGTH
    assert "và 42 mã khác" in told


@pytest.mark.parametrize("day", [date(2026, 11, 22), date(2026, 11, 21)])
def test_the_last_day_is_a_day_in_vietnam(day):
    old = Agency("H37.01", "Cũ", hop="local", status=CLOSED, successor="H37.02", forward_until=day)
    context = town(old, Agency("H37.02", "Mới", hop="local"))
    (to,) = addressees(context, "H37.01")
    assert (to.closed is None) is (day == DAY)
    # 22 November, 23:30 in Vietnam: still that day.
    context.clock.now = lambda: datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
    (to,) = addressees(context, "H37.01")
    assert (to.closed is None) is (day == DAY)
    context.clock.now = lambda: datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
    (to,) = addressees(context, "H37.01")
    assert to.closed is not None


def test_a_recipient_is_replaced_only_by_one_that_is_there():
    old = Agency("H37.01", "Cũ", hop="local", status=CLOSED, successor="H37.02")
    split = Agency("H37.03", "Tách", hop="local", status=CLOSED)
    dead = Agency("H37.04", "Cũ hơn", hop="local", status=CLOSED, successor="H37.03")
    context = town(
        old,
        split,
        dead,
        Agency("H37.02", "Mới", hop="local"),
        links=[("H37.03", "H37.02"), ("H37.03", "X99")],
    )
    written = Header(
        sender=Organization("H37.09"),
        recipients=tuple(Organization(c) for c in ("H37.01", "H37.03", "H37.04", "X1", "H37.01")),
    )
    after, notes = forwarding.replaced(context, written)
    assert [r.organ_id for r in after.recipients] == ["H37.02", "H37.03", "H37.04", "X1"]
    assert after.recipients[0].organ_name == "Mới"
    assert [(n.rule, n.where[-13:]) for n in notes] == [
        ("ID-05", "To[1]/OrganId"),
        ("ID-05", "To[5]/OrganId"),
    ]
    assert forwarding.replaced(context, after)[0] is after
