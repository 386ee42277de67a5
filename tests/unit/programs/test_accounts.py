"""Accounts as a stranger would attack them: each good case with its evil twin."""

import asyncio
import json
from datetime import timedelta

import pytest

from gateway.domain.access import Grant, Person, Right, Role
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.keys.passwords import Argon2Passwords
from gateway.ports.accounts import (
    Denied,
    Enrolled,
    LockCode,
    Need,
    NewAccount,
    SignedIn,
    State,
    Step,
    Where,
    Why,
)
from gateway.programs.accounts import tokens
from tests.world.accounts import HERE, OTHER, PASSWORD, ROOT, THERE, Office
from tests.world.memory_ledger import MemoryLedger


@pytest.fixture
async def office():
    ledger = MemoryLedger()
    made = Office(ledger)
    await made.agencies("H37.61", "H37.04")
    yield made
    await made.signins.settled()
    ledger.close()


async def refused(work, reason):
    with pytest.raises(RejectedError) as caught:
        await work
    assert caught.value.reason is reason
    return caught.value


# ---------------------------------------------------------------- password


async def test_a_login_nobody_has_costs_the_same_and_hears_the_same(office):
    await office.person("lan")
    office.passwords.asked.clear()
    assert await office.signins.by_password("lan", OTHER, HERE) == Denied(Why.WRONG)
    assert await office.signins.by_password("nobody", OTHER, HERE) == Denied(Why.WRONG)
    assert office.passwords.asked == [True, False]


async def test_guessing_from_elsewhere_locks_nobody_out(office):
    await office.person("lan")
    came = await office.signins.by_password("lan", PASSWORD, HERE)
    answers = [await office.signins.by_password("lan", OTHER, THERE) for _ in range(12)]
    assert answers[0] == Denied(Why.WRONG)
    assert answers[-1].why is Why.WAIT
    assert answers[-1].wait_s > 0
    asked = len(office.passwords.asked)
    assert (await office.signins.by_password("lan", PASSWORD, THERE)).why is Why.WAIT
    assert len(office.passwords.asked) == asked, "what must wait is not looked at"
    assert isinstance(await office.signins.by_password("lan", PASSWORD, HERE), SignedIn)
    # The same address, but a browser that was here before: it answers for itself.
    known = Where(THERE.address, "Firefox", came.device)
    assert isinstance(await office.signins.by_password("lan", PASSWORD, known), SignedIn)


async def test_anothers_device_or_a_made_one_counts_for_nothing(office):
    lan, mai = await office.person("lan"), await office.person("mai")
    device = tokens.new_device(lambda: office.keys, mai)
    assert tokens.known_device(lambda: office.keys, mai, device)
    for worthless in (device, device[:-1], "x.y", "é.é", ".", ""):
        assert tokens.known_device(lambda: office.keys, lan, worthless) == ""


async def test_many_at_once_count_as_many(office):
    await office.person("lan")
    tries = [office.signins.by_password("lan", OTHER, THERE) for _ in range(20)]
    answers = await asyncio.gather(*tries)
    assert sum(a.why is Why.WRONG for a in answers) == office.means.rules.pace.free


async def test_that_it_is_locked_is_told_to_who_knows_the_password_only(office):
    """ACC-03: and to nobody else."""
    lan = await office.person("lan")
    await office.accounts.lock(ROOT, lan, LockCode.UNIT_ASKED, reference="1")
    assert (await office.signins.by_password("lan", OTHER, HERE)).why is Why.WRONG
    assert (await office.signins.by_password("lan", PASSWORD, HERE)).why is Why.LOCKED


async def test_the_real_hash_opens_with_its_password_only_and_turns_away_a_crowd():
    passwords = Argon2Passwords(memory_kib=64, rounds=1)
    kept = await passwords.kept(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert await passwords.matches(kept, PASSWORD)
    for stored, typed in ((kept, OTHER), (None, PASSWORD), ("junk", PASSWORD)):
        assert not await passwords.matches(stored, typed)
    assert Argon2Passwords(memory_kib=128, rounds=1).outdated(kept)
    crowd = [passwords.matches(kept, OTHER) for _ in range(60)]
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert any(isinstance(a, UnavailableError) for a in answers)
    assert await passwords.matches(kept, PASSWORD), "and is there again for who comes after"


async def test_failures_are_on_record_once_a_minute_and_only_of_accounts(office):
    await office.person("lan")
    for _ in range(4):
        await office.signins.by_password("lan", OTHER, HERE)
        await office.signins.by_password("nobody", OTHER, HERE)
    await office.signins.settled()
    ask = office.ledger.connection.execute
    failed = "SELECT actor FROM receipt_entry WHERE action = 'sign-in-failed'"
    assert [tuple(row) for row in ask(failed)] == [("lan",)]
    office.clock.move(minutes=1)
    await office.signins.by_password("lan", OTHER, HERE)
    await office.signins.settled()
    assert len(ask(failed).fetchall()) == 2
    (told,) = ask("SELECT data FROM event WHERE type = 'sign-in-failed' ORDER BY id DESC LIMIT 1")
    assert json.loads(told[0])["since_last"] == 3


async def test_somebody_else_at_work_under_the_same_name_is_told(office):
    await office.person("lan")
    first = await office.signins.by_password("lan", PASSWORD, HERE)
    assert first.elsewhere == 0
    assert (await office.signins.by_password("lan", PASSWORD, THERE)).elsewhere == 1


# ---------------------------------------------------------------- tokens and sessions


async def test_each_step_makes_a_fresh_token_and_the_one_before_opens_nothing(office):
    await office.person("ops", Role.PROVIDER_OPS, "", home="H37.61")
    step = await office.signins.by_password("ops", PASSWORD, HERE)
    assert (type(step), step.need) == (Step, Need.ENROLL)
    assert await office.sessions.person(step.token) is None, "a step is no session"
    enrolment = await office.signins.enrolment(step.token)
    assert await office.signins.enrolment(step.token) == enrolment, "the same picture again"
    assert (await office.signins.enroll(step.token, "000000", HERE)).why is Why.CODE
    done = await office.signins.enroll(step.token, office.code(enrolment.secret), HERE)
    assert isinstance(done, Enrolled)
    assert done.next.token != step.token
    assert await office.signins.step(step.token) is None
    person = await office.sessions.person(done.next.token)
    assert person.strong
    assert person.may(Right.OPERATE)


async def test_a_step_ends_by_itself(office):
    await office.person("ops", Role.PROVIDER_OPS, "", home="H37.61")
    step = await office.signins.by_password("ops", PASSWORD, HERE)
    office.clock.move(minutes=11)
    assert await office.signins.enrolment(step.token) is None
    assert await office.signins.by_code(step.token, "000000", HERE) == Denied(Why.OVER)
    assert await office.signins.new_password(step.token, OTHER, HERE) == Denied(Why.OVER)


async def test_a_code_opens_once_even_for_two_at_once(office):
    await office.person("ops", Role.PROVIDER_OPS, "", home="H37.61")
    step = await office.signins.by_password("ops", PASSWORD, HERE)
    secret = (await office.signins.enrolment(step.token)).secret
    enrolled = await office.signins.enroll(step.token, office.code(secret), HERE)
    steps = [await office.signins.by_password("ops", PASSWORD, HERE) for _ in range(2)]
    used = await office.signins.by_code(steps[0].token, office.code(secret), HERE)
    assert used == Denied(Why.CODE), "the code that enrolled was used"
    office.clock.move(seconds=30)
    code = office.code(secret)
    both = await asyncio.gather(*(office.signins.by_code(step.token, code, HERE) for step in steps))
    assert sorted(type(one).__name__ for one in both) == ["Denied", "SignedIn"]
    # A recovery code opens once too, in whatever way it is typed.
    for expected in (SignedIn, Denied):
        step = await office.signins.by_password("ops", PASSWORD, HERE)
        typed = enrolled.codes[3].upper().replace("-", " ")
        assert isinstance(await office.signins.by_code(step.token, typed, HERE), expected)


async def test_codes_are_guessed_slowly_from_wherever(office):
    await office.person("ops", Role.PROVIDER_OPS, "", home="H37.61")
    token = await office.signed_in("ops")
    known = (await office.sessions.person(token)).account_id
    answers = []
    for n in range(10):
        where = Where(f"198.51.100.{n}")
        step = await office.signins.by_password("ops", PASSWORD, where)
        answers.append((await office.signins.by_code(step.token, f"00000{n}", where)).why)
    assert answers.count(Why.CODE) <= office.means.rules.pace.free
    assert answers[-1] is Why.WAIT
    device = tokens.new_device(lambda: office.keys, known)
    mine = Where("10.0.0.7", "", device)
    step = await office.signins.by_password("ops", PASSWORD, mine)
    assert (await office.signins.by_code(step.token, "000000", mine)).why is Why.CODE


async def test_sessions_end_idle_at_their_longest_and_when_the_password_changes(office):
    """ACC-13: a new password ends what knew the old one."""
    await office.person("lan", Role.CLERK)
    idle = await office.signed_in("lan")
    office.clock.move(minutes=29)
    assert await office.sessions.person(idle)
    office.clock.move(minutes=29)
    assert await office.sessions.person(idle), "seeing it was using it"
    office.clock.move(minutes=31)
    assert await office.sessions.person(idle) is None
    office.clock.move(minutes=-31)
    assert await office.sessions.person(idle) is None, "ended is ended"

    watched = await office.signed_in("lan")
    office.clock.move(minutes=29)
    assert await office.sessions.person(watched, using=False)
    office.clock.move(minutes=2)
    assert await office.sessions.person(watched) is None, "what asks by itself uses nothing"

    longest = await office.signed_in("lan")
    for _ in range(25):
        office.clock.move(minutes=29)
        await office.sessions.person(longest)
    assert await office.sessions.person(longest) is None

    first, other = await office.signed_in("lan"), await office.signed_in("lan", where=THERE)
    me = await office.sessions.person(first)
    await refused(office.own.change_password(me, OTHER, "x7$Kq!pL09zR"), Reason.BAD_REQUEST)
    weak = await refused(office.own.change_password(me, PASSWORD, "lan"), Reason.BAD_REQUEST)
    assert len(weak.findings) > 1
    await refused(office.own.change_password(me, PASSWORD, PASSWORD), Reason.BAD_REQUEST)
    await office.own.change_password(me, PASSWORD, OTHER)
    assert await office.sessions.person(first)
    assert await office.sessions.person(other) is None


async def test_colleagues_who_mistype_keep_nobody_from_a_new_password(office):
    await office.person("lan")
    lan = await office.acting("lan")
    for n in range(8):
        await office.person(f"ai{n}")
        colleague = await office.acting(f"ai{n}")
        for _ in range(5):
            await refused(office.own.change_password(colleague, OTHER, "x"), Reason.BAD_REQUEST)
    asked = len(office.passwords.asked)
    await refused(office.own.change_password(colleague, PASSWORD, OTHER), Reason.BAD_REQUEST)
    assert len(office.passwords.asked) == asked, "who mistyped waits"
    await office.own.change_password(lan, PASSWORD, OTHER)


async def test_a_password_changed_meanwhile_lets_nobody_in(office):
    """Between the look at a password and the session, it was changed."""
    lan = await office.person("lan")
    stale = await office.ledger.one("account", id=lan)
    me = await office.acting("lan")
    await office.own.change_password(me, PASSWORD, OTHER)
    from gateway.programs.accounts.signin import _Way

    await refused(office.signins._go_on(stale, _Way(HERE)), Reason.CONFLICT)


async def test_what_is_in_the_ledger_opens_nothing(office):
    await office.person("ops", Role.PROVIDER_OPS, "", home="H37.61")
    token = await office.signed_in("ops")
    made = await office.accounts.add(ROOT, NewAccount("mai", "Mai", "H37.61"))
    told = "".join(office.ledger.connection.iterdump())
    for secret in (token, made.token):
        assert secret not in told
    stolen = office.ledger.connection.execute("SELECT id FROM account_session").fetchall()
    for (session_id,) in stolen:
        assert await office.sessions.person(session_id) is None


async def test_a_right_taken_is_gone_at_the_next_request(office):
    lan = await office.person("lan", Role.CLERK)
    token = await office.signed_in("lan")
    assert (await office.sessions.person(token)).may(Right.SEND, "H37.61")
    (grant,) = (await office.accounts.one(ROOT, lan)).grants
    plan = await office.accounts.plan(ROOT, lan, add=(), revoke=[grant.id])
    await office.accounts.change_rights(
        ROOT, lan, add=(), revoke=[grant.id], token=plan.token, request_ref="1"
    )
    assert (await office.sessions.person(token)).grants == ()


async def test_a_role_that_needs_a_second_factor_gives_nothing_without_one(office):
    lan = await office.person("lan", Role.CLERK)
    token = await office.signed_in("lan")
    await office.granted(lan, Role.UNIT_ADMIN, "H37.61")
    weak = await office.sessions.person(token)
    assert (weak.may(Right.SEND, "H37.61"), weak.may(Right.ACCOUNTS, "H37.61")) == (True, False)
    enrolment = await office.own.second_factor(weak)
    codes = await office.own.second_factor_done(weak, office.code(enrolment.secret))
    assert len(set(codes)) == 10
    strong = await office.sessions.person(token)
    assert strong.may(Right.ACCOUNTS, "H37.61")
    await refused(office.own.second_factor_off(strong, PASSWORD), Reason.CONFLICT)


async def test_a_factor_another_session_was_shown_is_never_set_up(office):
    """Who knew the password for a moment looks at the secret, and waits for its owner."""
    await office.person("lan", Role.SYS_ADMIN, "", home="")
    thief = await office.signins.by_password("lan", PASSWORD, THERE)
    seen = (await office.signins.enrolment(thief.token)).secret
    owner = await office.signins.by_password("lan", PASSWORD, HERE)
    own = (await office.signins.enrolment(owner.token)).secret
    assert own != seen
    assert await office.signins.enroll(thief.token, office.code(seen), THERE) == Denied(Why.CODE)
    assert await office.signins.enroll(owner.token, office.code(seen), HERE) == Denied(Why.CODE)
    assert isinstance(await office.signins.enroll(owner.token, office.code(own), HERE), Enrolled)


async def test_a_stolen_session_does_not_replace_the_second_factor(office):
    await office.person("lan", Role.CLERK)
    me = await office.acting("lan")
    enrolment = await office.own.second_factor(me)
    await office.own.second_factor_done(me, office.code(enrolment.secret))
    weak = Person(me.account_id, me.login, me.name, me.grants, me.session_id, strong=False)
    await refused(office.own.second_factor(weak), Reason.FORBIDDEN)
    await refused(office.own.second_factor_off(weak, PASSWORD), Reason.FORBIDDEN)
    # And sets none up where there is none: whoever sits down later at that computer.
    await office.person("mai", Role.CLERK)
    mai = await office.acting("mai")
    enrolment = await office.own.second_factor(mai)
    office.clock.move(minutes=10)
    late = office.own.second_factor_done(mai, office.code(enrolment.secret))
    await refused(late, Reason.FORBIDDEN)


async def test_a_code_given_again_makes_the_session_fresh_for_a_while(office):
    await office.person("lan", Role.SYS_ADMIN, "", home="")
    step = await office.signins.by_password("lan", PASSWORD, HERE)
    secret = (await office.signins.enrolment(step.token)).secret
    done = await office.signins.enroll(step.token, office.code(secret), HERE)
    token = done.next.token
    person, prove = office.sessions.person, office.sessions.prove
    assert (await person(token)).fresh
    office.clock.move(minutes=15)
    stale = await person(token)
    assert (stale.strong, stale.fresh) == (True, False)
    assert await prove(stale, "000000") == Denied(Why.CODE)
    assert not (await person(token)).fresh
    code = office.code(secret)
    # The same code for two requests at once: it is used up once.
    both = await asyncio.gather(prove(stale, code), prove(stale, code))
    assert sorted(both, key=str) == [Denied(Why.CODE), None]
    assert (await person(token)).fresh
    assert await prove(stale, code) == Denied(Why.CODE)
    office.clock.move(minutes=16)
    assert not (await person(token)).fresh
    # Evil twins: a clock set back proves nothing; a session that ended is made fresh by no code;
    # guesses are slowed down.
    office.clock.move(minutes=-60)
    assert not (await person(token)).fresh
    office.clock.move(minutes=60)
    await office.signins.sign_out(token)
    assert await prove(stale, office.code(secret)) == Denied(Why.CODE)
    told = [await prove(stale, "000000") for _ in range(12)]
    assert told[-1].why is Why.WAIT
    # Guesses in a stolen session leave their trace, and keep no other session from proving.
    other = await office.signins.by_password("lan", PASSWORD, HERE)
    office.clock.move(minutes=1)
    other = await office.signins.by_code(other.token, office.code(secret), HERE)
    office.clock.move(minutes=16)
    assert await prove(await person(other.token), office.code(secret)) is None
    asked = "SELECT COUNT(*) AS n FROM receipt_entry WHERE action = 'sign-in-failed'"
    assert office.ledger.connection.execute(asked).fetchone()["n"] >= 2


async def test_who_has_no_factor_here_proves_by_signing_in_anew(office):
    await office.person("lan", Role.CLERK)
    assert await office.sessions.prove(await office.acting("lan"), "1") == Denied(Why.OVER)


# ---------------------------------------------------------------- links


async def test_a_link_opens_once_and_not_for_ever(office):
    made = await office.accounts.add(ROOT, NewAccount("lan", "Trần Thị Lan", "H37.61"))
    weak = office.signins.by_link(made.token, "matkhau123456", HERE)
    await refused(weak, Reason.BAD_REQUEST)
    both = await asyncio.gather(
        *(office.signins.by_link(made.token, PASSWORD, HERE) for _ in range(2)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, SignedIn) for one in both) == 1
    assert await office.signins.by_link(made.token, OTHER, HERE) == Denied(Why.OVER)
    again = await office.accounts.reset(ROOT, made.account.id, factor=False, reason="quên")
    assert (await office.signins.by_password("lan", PASSWORD, HERE)).why is Why.WRONG
    office.clock.move(days=4)
    assert await office.signins.link(again.token) is None


async def test_the_first_administrator_must_have_a_second_factor(office):
    token = await office.accounts.first(ROOT)
    view = await office.signins.link(token)
    assert (view.purpose, view.login) == ("first", "")
    bad = office.signins.by_link(token, PASSWORD, HERE, login="!", name="")
    assert len((await refused(bad, Reason.BAD_REQUEST)).findings) == 2
    step = await office.signins.by_link(token, PASSWORD, HERE, login="Goc", name="Người Gốc")
    assert (step.need, step.login) == (Need.ENROLL, "goc")
    assert (await office.accounts.listing(ROOT)).items[0].login == "goc"


async def test_an_old_link_is_worth_nothing_once_the_person_may_more(office):
    made = await office.accounts.add(ROOT, NewAccount("lan", "Trần Thị Lan", "H37.61"))
    add = [Grant(Role.AUDITOR, "")]
    plan = await office.accounts.plan(ROOT, made.account.id, add=add, revoke=())
    await office.accounts.change_rights(
        ROOT, made.account.id, add=add, revoke=(), token=plan.token, request_ref="1"
    )
    assert await office.signins.link(made.token) is None


# ---------------------------------------------------------------- administrators


async def test_an_administrator_of_one_unit_reaches_into_no_other(office):
    """ACC-06: unit scope, from every side."""
    await office.person("head", Role.UNIT_ADMIN)
    head = await office.acting("head")
    mai = await office.person("mai", Role.CLERK, "H37.04")
    boss = await office.person("boss", Role.SYS_ADMIN, "", home="H37.61")
    both = await office.person("both", Role.CLERK, "H37.04", home="H37.61")
    own = await office.person("own", Role.CLERK)
    accounts = office.accounts
    assert [a.login for a in (await accounts.listing(head)).items] == [
        "boss", "both", "head", "own",
    ]  # fmt: skip
    await refused(accounts.listing(head, agency="H37.04"), Reason.FORBIDDEN)
    await refused(accounts.one(head, mai), Reason.NOT_FOUND)
    await refused(accounts.add(head, NewAccount("x1", "X", "H37.04")), Reason.FORBIDDEN)
    await refused(accounts.add(head, NewAccount("x1", "X", "")), Reason.FORBIDDEN)
    for other in (boss, both, head.account_id):
        work = accounts.reset(head, other, factor=True, reason="x")
        await refused(work, Reason.FORBIDDEN)
        await refused(accounts.lock(head, other, LockCode.MOVED, reference="1"), Reason.FORBIDDEN)
    moved = accounts.change(head, own, name="Own", mail="", agency="H37.04", request_ref="1")
    await refused(moved, Reason.FORBIDDEN)
    for grant in (Grant(Role.CLERK, "H37.04"), Grant(Role.SYS_ADMIN, "H37.61")):
        await refused(accounts.plan(head, own, add=[grant], revoke=()), Reason.FORBIDDEN)
    mine = [Grant(Role.CLERK, "H37.61")]
    await refused(accounts.plan(head, head.account_id, add=mine, revoke=()), Reason.FORBIDDEN)
    nobody = Person("n", "nobody", "", (Grant(Role.CLERK, "H37.61"),))
    await refused(accounts.listing(nobody), Reason.FORBIDDEN)
    await refused(accounts.one(nobody, own), Reason.NOT_FOUND)


async def test_a_change_of_rights_is_what_was_shown_and_nothing_else(office):
    """ACC-12: two steps."""
    lan = await office.person("lan")
    accounts, add = office.accounts, [Grant(Role.CLERK, "H37.61")]
    plan = await accounts.plan(ROOT, lan, add=add, revoke=())

    def change(**more):
        told = {"add": add, "revoke": (), "token": plan.token, "request_ref": "12"} | more
        return accounts.change_rights(ROOT, lan, **told)

    await refused(change(add=[Grant(Role.LEADER, "H37.61")]), Reason.CONFLICT)
    await refused(change(token=""), Reason.CONFLICT)
    await refused(change(request_ref=" "), Reason.BAD_REQUEST)
    await change()
    await refused(change(), Reason.CONFLICT)
    bad = await accounts.plan(ROOT, lan, add=[Grant(Role.CLERK, "H37.99")], revoke=())
    assert (bad.token, bool(bad.conflicts)) == ("", True)


async def test_lost_control_shuts_the_account_and_only_a_reset_opens_it(office):
    """ACC-02: who lost control says so, and the account is shut at once."""
    lan = await office.person("lan", Role.CLERK)
    token = await office.signed_in("lan")
    assert not await office.signins.lost_control("lan", OTHER, HERE)
    assert not await office.signins.lost_control("nobody", OTHER, HERE)
    assert await office.sessions.person(token)
    assert await office.signins.lost_control("lan", PASSWORD, HERE)
    assert await office.sessions.person(token) is None
    assert (await office.accounts.one(ROOT, lan)).lock.code is LockCode.LOST
    await office.accounts.unlock(ROOT, lan, reference="2")
    assert (await office.signins.by_password("lan", PASSWORD, HERE)).why is Why.WRONG
    made = await office.accounts.reset(ROOT, lan, factor=True, reason="mất")
    assert isinstance(await office.signins.by_link(made.token, OTHER, HERE), SignedIn)


async def test_work_goes_to_somebody_who_can_do_it(office):
    """ACC-04: with open items there is no closing without a successor."""
    lan, mai = await office.person("lan", Role.CLERK), await office.person("mai", None, "H37.61")
    office.drawer.items = {"d1": lan, "d2": lan}
    (held,) = await office.accounts.holdings(ROOT, lan)
    assert held.count == 2
    close = {"reference": "60/QĐ"}
    await refused(office.accounts.close(ROOT, lan, **close), Reason.CONFLICT)
    work = office.accounts.close(ROOT, lan, **close, successor_id=mai)
    await refused(work, Reason.CONFLICT)
    await office.granted(mai, Role.CLERK, "H37.61")
    closed = await office.accounts.close(ROOT, lan, **close, successor_id=mai)
    assert (closed.state, set(office.drawer.items.values())) == (State.CLOSED, {mai})
    assert (await office.signins.by_password("lan", PASSWORD, HERE)).why is Why.WRONG
    await refused(
        office.accounts.reset(ROOT, lan, factor=False, reason="x"), Reason.ILLEGAL_TRANSITION
    )


# ---------------------------------------------------------------- lending


async def test_one_lends_only_what_is_ones_own_and_it_ends_by_itself(office):
    """ACC-10: lending, with dates, of what one has."""
    lan, mai = await office.person("lan", Role.LEADER), await office.person("mai", None, "H37.61")
    hoa = await office.person("hoa", None, "H37.61")
    far = await office.person("far", None, "H37.04")
    me, now = await office.acting("lan"), office.clock.now()

    def lend(who, to, role=Role.LEADER, agency="H37.61", **more):
        told = {"valid_from": now, "valid_to": now + timedelta(hours=3), "reference": "UQ 1"}
        return office.own.delegate(who, to, role, agency, **(told | more))

    await refused(lend(me, mai, Role.CLERK), Reason.FORBIDDEN)
    await refused(lend(me, mai, agency="H37.04"), Reason.FORBIDDEN)
    await refused(lend(me, far), Reason.NOT_FOUND)
    await refused(lend(me, lan), Reason.NOT_FOUND)
    await refused(lend(me, mai, valid_to=now), Reason.BAD_REQUEST)
    await refused(lend(me, mai, valid_to=now + timedelta(days=400)), Reason.BAD_REQUEST)
    await refused(lend(me, mai, reference=" "), Reason.BAD_REQUEST)
    lent = await lend(me, mai)
    token = await office.signed_in("mai")
    borrower = await office.sessions.person(token)
    assert borrower.may(Right.HOLD, "H37.61")
    await refused(lend(borrower, hoa), Reason.FORBIDDEN)
    stranger = await office.acting("hoa")
    await refused(office.own.undelegate(stranger, lent.id), Reason.NOT_FOUND)
    # Taken from the lender, it is gone from the borrower too.
    (grant,) = (await office.accounts.one(ROOT, lan)).grants
    await office.ledger.commit(_revoked(grant.id))
    assert not (await office.sessions.person(token)).may(Right.HOLD, "H37.61")
    await office.granted(lan, Role.LEADER, "H37.61")
    assert (await office.sessions.person(token)).may(Right.HOLD, "H37.61")
    office.clock.move(hours=3)
    again = await office.acting("mai")
    assert not again.may(Right.HOLD, "H37.61")


def _revoked(grant_id):
    from gateway.ports import ChangeSet, Update

    gone = {"revoked_at": "2026-11-20T02:00:00.000000Z", "revoked_by": "t"}
    return ChangeSet(rows=(Update("account_grant", {"id": grant_id}, gone),))


# ---------------------------------------------------------------- trail


async def test_nothing_is_seen_that_leaves_no_trace(office):
    """AUD-03, AUD-06: each view and refusal is an entry of the chain."""
    lan = await office.person("lan", Role.CLERK)
    me = await office.acting("lan")
    trail = office.made.trail
    await trail.viewed(me, "arrival:1", what="page", agency="H37.61")
    await trail.refused(me, "audit", what="GET")
    rows = office.ledger.connection.execute(
        "SELECT body, chain_hash FROM receipt_entry WHERE actor = 'lan' AND action IN "
        "('viewed', 'refused') ORDER BY ord"
    ).fetchall()
    bodies = [json.loads(body) for body, _ in rows]
    assert [(b["action"], b["target"], b["code"]) for b in bodies] == [
        ("viewed", "arrival:1", "page"),
        ("refused", "page:audit", "GET"),
    ]
    assert all(chained for _, chained in rows)
    assert lan


# ---------------------------------------------------------------- what persons have in hand


async def test_drafts_and_assignments_go_over_with_their_history(office):
    """ACC-04, ACC-13b: what somebody had in hand."""
    from gateway.ports import ChangeSet, Committed, Insert
    from gateway.programs.accounts.holdings import AssignmentHoldings, DraftHoldings

    lan, mai = await office.person("lan", Role.CLERK), await office.person("mai", Role.CLERK)
    office.accounts.places[:] = [
        DraftHoldings(office.ledger),
        AssignmentHoldings(office.ledger, office.means.ids),
    ]
    at = "2026-11-20T02:00:00.000000Z"
    made = {"agency": "H37.61", "account_id": lan, "created_at": at, "updated_at": at}
    named = {"arrival_id": "v1", "agency": "H37.61", "account_id": lan, "by": "Hùng", "at": at}
    rows = (
        Insert("draft", {"id": "d1", "state": "draft", **made}),
        Insert("draft", {"id": "d2", "state": "sent", **made}),
        Insert("assignment", {"id": "s1", "name": "Lan", "opinion": "gấp", **named}),
    )
    assert isinstance(await office.ledger.commit(ChangeSet(rows=rows)), Committed)
    held = await office.accounts.hand_over(ROOT, lan, mai, reference="60/QĐ")
    assert [(one.kind, one.count) for one in held] == [("draft", 1), ("assignment", 1)]
    assert await office.accounts.holdings(ROOT, lan) == []
    ask = office.ledger.connection.execute
    drafts = ask("SELECT id, account_id FROM draft ORDER BY id").fetchall()
    assert [tuple(row) for row in drafts] == [("d1", mai), ("d2", lan)]
    handled = ask(
        "SELECT account_id, ended_at IS NULL, opinion, name FROM assignment ORDER BY id DESC"
    )
    assert [tuple(row)[:3] for row in handled] == [(lan, 0, "gấp"), (mai, 1, "gấp")]
    told = ask("SELECT type FROM event WHERE subject = 'arrival:v1'").fetchall()
    assert [row[0] for row in told] == ["arrival-assigned"]  # search and registers follow events


async def test_who_administers_is_told_of_a_lost_account_until_it_is_settled(office):
    from gateway.console.sections.accountnotes import banners

    await office.person("head", Role.UNIT_ADMIN)
    await office.person("far", Role.UNIT_ADMIN, "H37.04")
    lan = await office.person("lan", Role.CLERK)
    head, far, me = [await office.acting(login) for login in ("head", "far", "lan")]
    for person in (head, far, me):
        assert len(await banners(office.own, person)) == 1, "rights granted, not read yet"
        await office.own.rights_seen(person)
        assert await banners(office.own, person) == ()
    await office.own.lost(me)
    (told,) = await banners(office.own, head)
    assert (told.path, "lan" in told.say.vi) == (f"/console/people/{lan}", True)
    assert await banners(office.own, far) == ()
    await office.accounts.unlock(head, lan, reference="2")
    assert await banners(office.own, head) == ()


async def test_a_mailbox_is_one_persons(office):
    await office.person("lan")
    twin = NewAccount("lan2", "Lan", "H37.04", "LAN@danang.gov.vn")
    fault = await refused(office.accounts.add(ROOT, twin), Reason.BAD_REQUEST)
    assert "mailbox" in fault.findings[0].en
    mai = await office.person("mai")
    told = {"name": "Mai", "agency": "H37.61", "mail": "lan@danang.gov.vn", "request_ref": "9/SNV"}
    await refused(office.accounts.change(ROOT, mai, **told), Reason.BAD_REQUEST)
    told |= {"name": "Mai Hoa", "agency": "H37.04", "mail": "mai@danang.gov.vn"}
    # ACC-01: no account changes without the document that asks for it.
    await refused(
        office.accounts.change(ROOT, mai, **told | {"request_ref": " "}), Reason.BAD_REQUEST
    )
    own = await office.accounts.change(ROOT, mai, **told)
    assert (own.name, own.agency) == ("Mai Hoa", "H37.04")


async def test_sessions_nobody_came_back_to_are_closed_at_the_next_sign_in(office):
    lan = await office.person("lan")
    for _ in range(3):
        await office.signed_in("lan", where=THERE)
        office.clock.move(hours=13)
    last = await office.signins.by_password("lan", PASSWORD, HERE)
    assert last.elsewhere == 0, "what has run out is nobody at work"
    assert len(await office.ledger.all("sessions_living", account_id=lan)) == 1


async def leaving_with(office, *rows):
    """Return who leaves with all kinds of open items, and who might take over."""
    from gateway.accounting import holdings_of
    from gateway.ports import ChangeSet, Committed

    lan = await office.person("lan", Role.CLERK)
    mai = await office.person("mai", None, "H37.61")
    office.accounts.places[:] = holdings_of(office.ledger, office.clock, office.means.ids)
    assert isinstance(await office.ledger.commit(ChangeSet(rows=rows)), Committed)
    return lan, mai


AT = "2026-11-20T02:00:00.000000Z"


def alert_row(row_id, by="lan", state="acknowledged", **more):
    from gateway.ports import Insert

    values = {
        "id": row_id, "kind": "receipt-due", "subject": f"agency:{row_id}", "agency": "H37.61",
        "severity": 1, "state": state, "since": AT, "first_seen": AT, "last_seen": AT,
        "acknowledged_by": by,
    }  # fmt: skip
    return Insert("alert", values | more)


def turn_row(row_id, mail="lan@danang.gov.vn", ends="2026-11-21T02:00:00.000000Z", **more):
    from gateway.ports import Insert

    values = {
        "id": row_id, "agency": "H37.61", "level": 1, "name": "Họ Tên Lan", "mail": mail,
        "begins_at": "2026-11-19T02:00:00.000000Z", "ends_at": ends, "entered_by": "x",
        "entered_at": AT,
    }  # fmt: skip
    return Insert("duty_turn", values | more)


async def test_alerts_and_turns_of_duty_go_over_too(office):
    """ACC-04: what somebody took on, and duty that is still to come."""
    lan, mai = await leaving_with(
        office,
        alert_row("w1"),
        alert_row("w2", state="ended"),
        alert_row("w3", by="hoa"),
        turn_row("t1", "LAN@danang.gov.vn"),
        turn_row("t2", ends="2026-11-20T01:00:00.000000Z"),
        turn_row("t3", "hoa@danang.gov.vn"),
        turn_row("t4", "", phone="0905", begins_at="2026-11-20T20:00:00.000000Z"),
        turn_row("t5", "", phone="0905", agency="H37.04"),
    )
    held = await office.accounts.holdings(ROOT, lan)
    assert [(one.kind, one.count) for one in held] == [("alert", 1), ("duty-turn", 2)]
    await office.granted(mai, Role.OFFICE_HEAD, "H37.61")
    await office.accounts.hand_over(ROOT, lan, mai, reference="60/QĐ")
    assert await office.accounts.holdings(ROOT, lan) == []
    ask = office.ledger.connection.execute
    takers = ask("SELECT id, acknowledged_by FROM alert ORDER BY id").fetchall()
    assert [tuple(row) for row in takers] == [("w1", "mai"), ("w2", "lan"), ("w3", "hoa")]
    new = ask(
        "SELECT mail, phone, begins_at FROM duty_turn WHERE name = 'Họ Tên Mai' ORDER BY begins_at"
    ).fetchall()
    # What is under way goes on from now, what is to come begins when it was to.
    assert [tuple(row)[:2] for row in new] == [("mai@danang.gov.vn", "")] * 2
    assert [row["begins_at"][:13] for row in new] == ["2026-11-20T02", "2026-11-20T20"]
    gone = ask("SELECT id FROM duty_turn WHERE removed_at IS NOT NULL ORDER BY id").fetchall()
    assert [row[0] for row in gone] == ["t1", "t4"]


async def test_duty_needs_a_mail_address(office):
    lan, _ = await leaving_with(office, turn_row("t1"))
    from gateway.ports import ChangeSet, Update

    hoa = await office.person("hoa", Role.CLERK)
    blank = Update("account", {"id": hoa}, {"mail": ""})
    await office.ledger.commit(ChangeSet(rows=(blank,)))
    await refused(office.accounts.hand_over(ROOT, lan, hoa, reference="1"), Reason.CONFLICT)


@pytest.mark.parametrize(
    ("role", "agency", "why"),
    [
        (None, "", "lacks the right"),
        (Role.ARCHIVE, "H37.61", "“Draft documents”"),
        (Role.CLERK, "H37.04", "at H37.61"),
        (Role.UNIT_LEADER, "H37.61", "See and acknowledge alerts"),
        (Role.AUDITOR, "", "audits"),
        (Role.INSPECTOR, "H37.61", "audits"),
    ],
)
async def test_a_successor_without_the_rights_is_refused_saying_which(office, role, agency, why):
    """ACC-04, ACC-12: nobody takes over what he may not do."""
    from gateway.errors import RejectedError
    from gateway.ports import Insert

    made = {"agency": "H37.61", "created_at": AT, "updated_at": AT, "account_id": "?"}
    lan, mai = await leaving_with(
        office, Insert("draft", {"id": "d1", "state": "draft", **made}), alert_row("w1")
    )
    from gateway.ports import ChangeSet, Update

    mine = Update("draft", {"id": "d1"}, {"account_id": lan})
    await office.ledger.commit(ChangeSet(rows=(mine,)))
    if role is not None:
        await office.granted(mai, role, agency)
    if role in {Role.AUDITOR, Role.INSPECTOR}:
        await office.granted(mai, Role.CLERK, "H37.61")
    with pytest.raises(RejectedError) as caught:
        await office.accounts.close(ROOT, lan, reference="60/QĐ", successor_id=mai)
    assert caught.value.reason is Reason.CONFLICT
    assert {finding.rule for finding in caught.value.findings} == {"ACC-04"}
    assert why in " ".join(finding.en for finding in caught.value.findings)
    assert (await office.accounts.one(ROOT, lan)).state is State.ACTIVE


async def test_what_was_lent_to_a_successor_does_not_count(office):
    """ACC-10: it ends, and the work would be nobody's."""
    lan, mai = await leaving_with(office, alert_row("w1"))
    hoa = await office.person("hoa", Role.CLERK)
    await office.granted(mai, Role.CLERK, "H37.61", delegated_by=hoa)
    await refused(office.accounts.hand_over(ROOT, lan, mai, reference="1"), Reason.CONFLICT)
    await office.granted(mai, Role.CLERK, "H37.61")
    await office.accounts.hand_over(ROOT, lan, mai, reference="1")


def test_who_supports_a_unit_administers_and_reads_no_document():
    """ACC-11 (S002 art 16.1): a role of its own, under a name of its own."""
    support = Person("a", "it", "IT", (Grant(Role.UNIT_ADMIN, "H37.61"),), strong=True)
    assert support.may(Right.ACCOUNTS, "H37.61")
    reads = {Right.READ, Right.READ_OWN, Right.SEND, Right.RECEIVE, Right.RECALL, Right.REGISTERS}
    assert not [right for right in reads if support.may(right, "H37.61")]
    assert not support.may(Right.ACCOUNTS, "H37.04")
