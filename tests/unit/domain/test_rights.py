"""Who may give what, to whom: and who reaches no further."""

import pytest

from gateway.domain.access import EVERYWHERE, Grant, Person, Right, Role
from gateway.domain.rights import conflicts, effect, may_change, may_grant, may_see

ROOT = Person("r", "root", "", (Grant(Role.SYS_ADMIN, EVERYWHERE),))
HEAD = Person("h", "head", "", (Grant(Role.UNIT_ADMIN, "H37.61"),))
CLERK = Grant(Role.CLERK, "H37.61")
ELSEWHERE = Grant(Role.CLERK, "H37.04")
POWER = Grant(Role.SYS_ADMIN, "H37.61")


@pytest.mark.parametrize(
    ("grant", "head", "root"),
    [
        (CLERK, True, True),
        (ELSEWHERE, False, True),
        (POWER, False, True),
        (Grant(Role.AUDITOR, "H37.61"), False, True),
        (Grant(Role.CLERK, EVERYWHERE), False, True),
    ],
)
def test_a_unit_gives_its_own_roles_only(grant, head, root):
    assert (may_grant(HEAD, grant), may_grant(ROOT, grant)) == (head, root)


def test_an_account_that_may_more_is_not_the_units_to_take_over():
    assert may_change(HEAD, "x", "H37.61", [CLERK])
    assert not may_change(HEAD, "x", "H37.61", [CLERK, ELSEWHERE])
    assert not may_change(HEAD, "x", "H37.61", [POWER])
    assert not may_change(HEAD, "x", "H37.04", [CLERK])
    assert not may_change(ROOT, "r", EVERYWHERE, [])
    assert may_see(HEAD, "H37.04", [CLERK])
    assert not may_see(HEAD, "H37.04", [ELSEWHERE])
    assert not may_see(HEAD, EVERYWHERE, [])


def test_who_audits_does_not_act():
    assert conflicts([Grant(Role.AUDITOR, ""), POWER])
    assert conflicts([Grant(Role.INSPECTOR, "H37.61"), Grant(Role.UNIT_ADMIN, "H37.61")])
    assert not conflicts([Grant(Role.AUDITOR, ""), Grant(Role.INSPECTOR, "")])
    assert conflicts([Grant(Role.CLERK, EVERYWHERE)]), "an agency's role needs one"


def test_the_effect_is_what_comes_and_goes():
    found = effect([CLERK], [Grant(Role.LEADER, "H37.61")])
    assert (Right.HOLD, "H37.61") in found.gains
    assert (Right.SEND, "H37.61") in found.losses
    assert (Right.READ, "H37.61") not in {*found.gains, *found.losses}
    assert effect([CLERK], [CLERK, Grant(Role.SYS_ADMIN, "")]).warnings


def test_what_is_inherited_is_read_taken_back_and_held_and_no_more():
    own, old = Grant(Role.CLERK, "H37.62"), Grant(Role.CLERK, "H37.61")
    heir = Person("a", "lan", "", (own,), inherited=(old,))
    able = {right for right in Right if heir.may(right, "H37.61")}
    assert able == {Right.READ, Right.REGISTERS, Right.STATISTICS, Right.RECALL}
    assert heir.mine(Right.READ) == ["H37.62", "H37.61"]  # one's own first
    assert heir.mine(Right.RECEIVE, Right.SEND) == ["H37.62"]
    assert heir.agencies(Right.READ) == {"H37.61", "H37.62"}
    assert not heir.may(Right.READ)  # for the whole gateway: no
    # Evil twins: an officer inherits no reading, a unit's administrator no accounts.
    officer = Person("b", "tuan", "", (), inherited=(Grant(Role.OFFICER, "H37.61"),))
    head = Person("c", "hung", "", (), inherited=(Grant(Role.UNIT_ADMIN, "H37.61"),))
    assert not any(one.may(right, "H37.61") for one in (officer, head) for right in Right)
    assert not may_grant(head, CLERK)
    assert not may_see(head, "H37.61", [CLERK])
