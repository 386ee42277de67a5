"""Single sign-on against a provider that lies, one lie at a time; for each lie its honest twin."""

from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from adapters.oidc.client import OidcSignOn, Provider, may_ask
from gateway.console.frame import SESSION
from gateway.console.sections.signin import TICKET
from gateway.domain.access import Role
from gateway.errors import Reason, RejectedError, UnavailableError
from tests.world.accounts_site import accounts_site
from tests.world.fake_provider import fake_provider, unsigned

ISSUED = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


class Hand:
    """A clock moved by hand."""

    at = ISSUED

    def __call__(self):
        return self.at


def sign_on(provider, clock, **more):
    told = {
        "name": "Cổng thư công vụ",
        "issuer": provider.url,
        "client_id": "vanlien",
        "redirect": "https://lienthong.example/console/sign-in/back",
        "secret": lambda: "bí mật: của ta",
    } | more
    return OidcSignOn(Provider(**told), clock)


@pytest.fixture
async def world():
    clock = Hand()
    async with fake_provider(clock) as provider:
        yield provider, sign_on(provider, clock), clock


async def come(provider, single):
    leaving = await single.begin()
    return leaving.ticket, provider.go(leaving.url)


async def test_who_is_vouched_for_comes_in(world):
    provider, single, _ = world
    provider.claims = {"amr": ["pwd", "mfa"], "name": "Trần Thị Lan"}
    found = await single.finish(*await come(provider, single))
    assert (found.issuer, found.subject, found.mail) == (provider.url, "s-1", "lan@danang.gov.vn")
    assert found.strong


def foreign_key(claims):
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, RSAKey.generate_key(2048))


def shared_key(claims):
    """The old trick: the public key, taken for a secret both sides know."""
    key = OctKey.import_key("bí mật: của ta, dài hơn ba mươi hai chữ")
    return jwt.encode({"alg": "HS256", "kid": "k1"}, claims, key)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"aud": ["vanlien", "another"]},
        {"aud": None},
        {"azp": "another-client"},
        {"iss": "https://evil.example"},
        {"exp": ISSUED.timestamp() - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": ISSUED.timestamp() + 61},
        {"iat": ISSUED.timestamp() - 601},
        {"nbf": ISSUED.timestamp() + 61},
        {"sub": ""},
        {"sub": 7},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_very_question_is_refused(world, claims):
    provider, single, _ = world
    provider.claims = claims
    with pytest.raises(RejectedError) as refused:
        await single.finish(*await come(provider, single))
    assert refused.value.reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    "sign", [unsigned, foreign_key, shared_key, lambda _: "", lambda _: "a.b.c"]
)
async def test_a_token_nobody_of_theirs_signed_is_refused(world, sign):
    provider, single, _ = world
    provider.sign = sign
    with pytest.raises(RejectedError):
        await single.finish(*await come(provider, single))


@pytest.mark.parametrize(
    "claims", [{"exp": ISSUED.timestamp() - 59}, {"iat": ISSUED.timestamp() + 59}]
)
async def test_clocks_may_differ_a_little(world, claims):
    provider, single, _ = world
    provider.claims = claims
    assert await single.finish(*await come(provider, single))


@pytest.mark.parametrize("verified", [False, None, "yes", 1])
async def test_a_mail_that_is_not_verified_is_no_mail(world, verified):
    provider, single, _ = world
    provider.claims = {"email_verified": verified}
    assert (await single.finish(*await come(provider, single))).mail == ""


async def test_an_answer_is_good_once_for_the_browser_that_was_sent_and_not_for_long(world):
    provider, single, clock = world
    ticket, answer = await come(provider, single)
    other, _ = await come(provider, single)
    for wrong in (other, "", "é", "bm90IGpzb24="):
        with pytest.raises(RejectedError):
            await single.finish(wrong, answer)
    assert await single.finish(ticket, answer)
    with pytest.raises(RejectedError):
        await single.finish(ticket, answer)
    ticket, answer = await come(provider, single)
    clock.at += timedelta(minutes=11)
    with pytest.raises(RejectedError):
        await single.finish(ticket, answer)


async def test_a_person_who_said_no_and_another_issuers_answer_are_refused(world):
    provider, single, _ = world
    for more in ({"code": ""}, {"iss": "https://evil.example"}, {"code": "stolen"}):
        ticket, answer = await come(provider, single)
        with pytest.raises(RejectedError):
            await single.finish(ticket, answer | more)


async def test_new_keys_are_asked_for_and_not_more_than_once_a_minute(world):
    provider, single, clock = world
    assert await single.finish(*await come(provider, single))
    provider.key = RSAKey.generate_key(2048, {"kid": "k2", "use": "sig", "alg": "RS256"})
    provider.shown = [provider.key]
    with pytest.raises(RejectedError):
        await single.finish(*await come(provider, single))
    assert provider.asked.count("keys") == 1
    clock.at += timedelta(minutes=2)
    assert await single.finish(*await come(provider, single))
    assert provider.asked.count("keys") == 2


async def test_a_mail_told_only_when_asked_counts_for_the_same_subject_alone(world):
    provider, single, _ = world
    provider.claims = {"email": None, "email_verified": None}
    provider.user = {"sub": "s-1", "email": "lan@danang.gov.vn", "email_verified": True}
    assert (await single.finish(*await come(provider, single))).mail == "lan@danang.gov.vn"
    # What the token calls verified is not what is told elsewhere.
    provider.claims = {"email": None}
    provider.user["email_verified"] = False
    assert (await single.finish(*await come(provider, single))).mail == ""
    del provider.user["email_verified"]
    assert (await single.finish(*await come(provider, single))).mail == ""
    provider.user |= {"sub": "s-2", "email_verified": True}
    with pytest.raises(RejectedError):
        await single.finish(*await come(provider, single))


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://mang.example/authorize"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
async def test_a_provider_that_describes_itself_wrongly_is_not_used(world, described):
    provider, single, _ = world
    provider.described = described
    with pytest.raises(UnavailableError):
        await single.begin()


async def test_a_provider_that_is_away_is_said_to_be(world):
    provider, _, clock = world
    away = sign_on(provider, clock, issuer="http://127.0.0.1:9")
    with pytest.raises(UnavailableError):
        await away.begin()


async def test_a_provider_that_was_away_a_moment_ago_is_left_alone(world):
    provider, single, clock = world
    provider.described = {"issuer": "https://evil.example"}
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await single.begin()
    assert provider.asked == ["describe"]
    provider.described = {}
    clock.at += timedelta(seconds=6)
    assert await single.begin()


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://sso.danang.gov.vn/x", True),
        ("http://127.0.0.1:8080/", True),
        ("http://localhost/", True),
        ("http://[::1]:80/", True),
        ("http://sso.danang.gov.vn/", False),
        ("http://127.0.0.1.evil.example/", False),
        ("http://[", False),
        ("ftp://127.0.0.1/", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_tls_or_this_machine_is_asked(url, may):
    assert may_ask(url) is may


# ---------------------------------------------------------------- with the pages


async def test_the_button_leads_out_and_back_in_to_the_page_asked_for(world):
    provider, single, clock = world
    async with accounts_site(single) as (site, office):
        office.clock.at = clock.at
        await office.person("lan", Role.CLERK)
        lan = await site.visitor()
        assert "Cổng thư công vụ" in (await lan.get("/sign-in?next=/console/account")).words
        out = await lan.get("/sign-in/single?next=/console/account")
        assert out.location.startswith(f"{provider.url}/authorize?")
        answer = provider.go(out.location)
        back = await lan.get(f"/sign-in/back?code={answer['code']}&state={answer['state']}")
        assert (back.status, back.location) == (303, "/console/account")
        assert SESSION in lan.cookies
        assert TICKET not in lan.cookies
        assert "Họ Tên Lan" in (await lan.get("/account")).words
        # Bound to the subject now: another mail of the same subject is the same person.
        provider.claims = {"email": "moi@danang.gov.vn"}
        out = await lan.get("/sign-in/single")


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "lan@evil.example"},
        {"email": "lan@evil.danang.gov.vn"},
        {"email_verified": False},
        {"email": "khong-co@danang.gov.vn"},
    ],
)
async def test_a_stranger_a_foreign_domain_and_an_unverified_mail_stay_outside(world, claims):
    provider, single, clock = world
    provider.claims = claims
    async with accounts_site(single) as (site, office):
        office.clock.at = clock.at
        await office.person("lan", Role.CLERK)
        visitor = await site.visitor()
        answer = provider.go((await visitor.get("/sign-in/single")).location)
        back = await visitor.get(f"/sign-in/back?code={answer['code']}&state={answer['state']}")
        assert back.location == "/console/sign-in"
        assert SESSION not in visitor.cookies
        assert "không ứng với tài khoản nào" in (await visitor.get("/sign-in")).words


async def test_an_answer_planted_into_another_browser_opens_nothing(world):
    provider, single, clock = world
    async with accounts_site(single) as (site, office):
        office.clock.at = clock.at
        await office.person("lan", Role.CLERK)
        thief, victim = await site.visitor(), await site.visitor()
        answer = provider.go((await thief.get("/sign-in/single")).location)
        back = await victim.get(f"/sign-in/back?code={answer['code']}&state={answer['state']}")
        assert (back.location, SESSION in victim.cookies) == ("/console/sign-in", False)
