"""Single sign-on against a real provider: Glewlwyd, of Debian."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from adapters.oidc.client import OidcSignOn, Provider
from gateway.console.frame import SESSION
from gateway.domain.access import Role
from gateway.errors import RejectedError
from tests.world.accounts_site import accounts_site
from tests.world.servers.glewlwyd import CLIENT, REDIRECT, SECRET, glewlwyd  # noqa: F401


def now():
    return datetime.now(UTC)


def sign_on(provider, **more):
    told = {
        "name": "Thư công vụ",
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "redirect": REDIRECT,
        "secret": lambda: SECRET,
        "scopes": "openid",
    } | more
    return OidcSignOn(Provider(**told), now)


async def agreed(provider, login, address):
    return await asyncio.to_thread(provider.agreed, login, address)


async def test_a_person_comes_in_by_the_provider_and_is_bound_to_its_subject(glewlwyd):  # noqa: F811
    async with accounts_site(sign_on(glewlwyd)) as (site, office):
        lan_id = await office.person("lan", Role.CLERK)
        for _ in range(2):
            visitor = await site.visitor()
            out = await visitor.get("/sign-in/single?next=/console/account")
            answer = await agreed(glewlwyd, "lan", out.location)
            query = "&".join(f"{k}={v}" for k, v in answer.items())
            back = await visitor.get(f"/sign-in/back?{query}")
            assert (back.status, back.location) == (303, "/console/account")
            assert "Họ Tên Lan" in (await visitor.get("/account")).words
            again = await visitor.get(f"/sign-in/back?{query}")
            assert again.location == "/console/sign-in"
        row = await office.ledger.one("account", id=lan_id)
        assert (row["oidc_issuer"], bool(row["oidc_subject"])) == (glewlwyd.issuer, True)


async def test_a_mail_it_does_not_call_verified_opens_nothing(glewlwyd):  # noqa: F811
    async with accounts_site(sign_on(glewlwyd)) as (site, office):
        await office.person("gia", Role.CLERK)
        visitor = await site.visitor()
        out = await visitor.get("/sign-in/single")
        answer = await agreed(glewlwyd, "gia", out.location)
        query = "&".join(f"{k}={v}" for k, v in answer.items())
        assert (await visitor.get(f"/sign-in/back?{query}")).location == "/console/sign-in"
        assert SESSION not in visitor.cookies


async def test_a_code_without_its_verifier_twice_or_with_a_wrong_secret_is_worth_nothing(glewlwyd):  # noqa: F811
    single = sign_on(glewlwyd)
    one, other = await single.begin(), await single.begin()
    assert urlsplit(one.url).hostname == "localhost"
    answer = await agreed(glewlwyd, "lan", one.url)
    foreign = await agreed(glewlwyd, "lan", other.url)
    with pytest.raises(RejectedError):  # the other browser's code, under this one's state
        await single.finish(one.ticket, answer | {"code": foreign["code"]})
    ticket = await single.begin()
    answer = await agreed(glewlwyd, "lan", ticket.url)
    with pytest.raises(RejectedError):
        await sign_on(glewlwyd, secret=lambda: "sai").finish(ticket.ticket, answer)
    assert (await single.finish(ticket.ticket, answer)).mail == "lan@danang.gov.vn"
    # Another node of ours, that has not seen the state: the provider knows that the code was used.
    with pytest.raises(RejectedError):
        await sign_on(glewlwyd).finish(ticket.ticket, answer)
