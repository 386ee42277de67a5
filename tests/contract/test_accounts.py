"""Accounts on both engines: one person's whole story, asked through every question there is."""

from datetime import timedelta

import pytest

from gateway.domain.access import Grant, Person, Right, Role
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import (
    AuditQuery,
    Denied,
    Identity,
    LockCode,
    NewAccount,
    SignedIn,
    State,
    Step,
    Why,
)
from gateway.stores import ledger_at
from tests.world.accounts import HERE, OTHER, PASSWORD, ROOT, THERE, Office
from tests.world.ledgers import new_ledger
from tests.world.memory_ledger import MemoryLedger


@pytest.fixture(params=["memory", "postgresql"])
async def office(request, tmp_path):
    if request.param == "memory":
        ledger = MemoryLedger()
        made = Office(ledger)
        yield made
        await made.signins.settled()
        ledger.close()
        return
    async with ledger_at(new_ledger(request, tmp_path)) as ledger:
        made = Office(ledger)
        yield made
        await made.signins.settled()


async def test_the_story_of_an_account(office):
    """ACC-01, ACC-05 and what follows from them."""
    await office.agencies("H37.61", "H37.04")
    accounts, own, clock = office.accounts, office.own, office.clock

    # An administrator of a unit makes an account; the person comes by the link.
    head_id = await office.person("quantri", Role.UNIT_ADMIN)
    head = await office.acting("quantri")
    made = await accounts.add(
        head, NewAccount(" Lan ", "Trần Thị  Lan", "H37.61", "lan@danang.gov.vn", "12/SNV")
    )
    assert (made.account.login, made.account.invited) == ("lan", True)
    view = await office.signins.link(made.token)
    assert (view.purpose, view.login) == ("invite", "lan")
    lan_id = made.account.id
    came = await office.signins.by_link(made.token, PASSWORD, HERE)
    assert isinstance(came, SignedIn)
    assert came.person.grants == ()
    assert await office.signins.link(made.token) is None

    # Rights in two steps; seen at the next request.
    wanted = [Grant(Role.CLERK, "H37.61")]
    plan = await accounts.plan(head, lan_id, add=wanted, revoke=())
    assert (Right.SEND, "H37.61") in plan.gains
    await accounts.change_rights(
        head, lan_id, add=wanted, revoke=(), token=plan.token, request_ref="12/SNV"
    )
    lan = await office.sessions.person(came.token)
    assert lan.may(Right.SEND, "H37.61")
    assert not (await own.me(lan)).grants[0].seen
    await own.rights_seen(lan)
    assert (await own.me(lan)).grants[0].seen

    # Lending, to a colleague of the same agency, for a day.
    mai_id = await office.person("mai", None, "H37.61")
    mai = await office.acting("mai")
    assert [a.login for a in await own.delegates(lan, "MAI")] == ["mai"]
    now = clock.now()
    lent = await own.delegate(
        lan, mai_id, Role.CLERK, "H37.61", valid_from=now, valid_to=now + timedelta(hours=8),
        reference="Giấy ủy quyền 3",
    )  # fmt: skip
    assert (lent.delegator, lent.login) == ("lan", "mai")
    mai = await office.sessions.person(await office.signed_in("mai", where=THERE))
    assert mai.may(Right.SEND, "H37.61")
    assert [v.id for v in await own.delegations(mai)] == [lent.id]
    assert [v.id for v in await own.delegations(lan)] == [lent.id]

    # Single sign-on joins the account by its mail, once.
    identity = Identity("https://sso.example.vn", "u-17", "lan@danang.gov.vn")
    sso = await office.signins.by_identity(identity, HERE)
    assert (sso.person.account_id, (await own.me(lan)).single_sign_on) == (lan_id, True)
    stranger = Identity("https://sso.example.vn", "u-18", "lan@danang.gov.vn")
    assert await office.signins.by_identity(stranger, HERE) == Denied(Why.STRANGER)

    # Sessions are seen and ended.
    assert [s.current for s in await own.sessions(lan)] == [True, False]
    await own.end_session(lan, "others")
    assert await office.sessions.person(sso.token) is None
    assert len(await accounts.sessions(head, lan_id)) >= 2

    # Moving away: locked with its reason, handed over, closed.
    await accounts.lock(head, lan_id, LockCode.MOVED, reference="45/QĐ-SNV")
    assert await office.sessions.person(came.token) is None
    assert not (await _fresh(office, "mai")).may(Right.SEND, "H37.61"), "lent by who is locked"
    office.drawer.items = {"d1": lan_id}
    with pytest.raises(RejectedError) as refused:
        await accounts.close(head, lan_id, reference="45/QĐ-SNV")
    assert refused.value.reason is Reason.CONFLICT
    await office.granted(mai_id, Role.CLERK, "H37.61")
    closed = await accounts.close(head, lan_id, reference="45/QĐ-SNV", successor_id=mai_id)
    assert (closed.state, office.drawer.items) == (State.CLOSED, {"d1": mai_id})

    # What the lists and the audit log say of it.
    listed = await accounts.listing(head, text="ho ten", limit=1)
    assert ([a.login for a in listed.items], bool(listed.after)) == (["mai"], True)
    rest = await accounts.listing(head, after=listed.after)
    assert [a.login for a in rest.items] == ["quantri"]
    assert [a.login for a in (await accounts.listing(ROOT, state="closed")).items] == ["lan"]
    await _audit_tells(office, lan_id, head_id)


async def _fresh(office, login):
    return await office.sessions.person(await office.signed_in(login))


async def _audit_tells(office, lan_id, head_id):
    auditor = Person("", "kiemtra", "", (Grant(Role.AUDITOR, ""),))
    log = office.made.audit
    of_lan = await log.entries(auditor, AuditQuery(target=f"account:{lan_id}"))
    actions = [row.action for row in of_lan.items]
    assert actions[0] in {"account-closed", "work-handed-over"}
    assert {"account-added", "right-granted", "account-locked", "signed-in"} <= set(actions)
    by_head = await log.entries(auditor, AuditQuery(actor="quantri", action="account-locked"))
    (locked,) = by_head.items
    assert locked.facts["code"] == "a"
    assert (await log.one(auditor, locked.entry_id)).told["reference"] == "45/QĐ-SNV"
    # Page by page it is the same list, each entry once.
    pages, after = [], ""
    while True:
        page = await log.entries(auditor, AuditQuery(), after=after, limit=7)
        pages += [row.entry_id for row in page.items]
        after = page.after
        if not after:
            break
    whole = await log.entries(auditor, AuditQuery(), limit=200)
    assert pages == [row.entry_id for row in whole.items]
    later = office.clock.now() + timedelta(seconds=1)
    assert (await log.entries(auditor, AuditQuery(since=later))).items == ()
    inspector = Person("", "thanhtra", "", (Grant(Role.INSPECTOR, "H37.04"),))
    assert (await log.entries(inspector, AuditQuery())).items == ()
    with pytest.raises(RejectedError):
        await log.entries(inspector, AuditQuery(agency="H37.61"))
    assert isinstance(await office.signins.by_password("lan", OTHER, HERE), Denied | Step)
