"""The conformance suite on every installed dialect: against a real gateway, and a simulated axis.

A dialect takes part by being installed (its entry point). What it needs besides its name stands in
FORMS: one line for each form of the protocol its client speaks, with the client's own options, and
whether what it shows is an API key instead of a shared secret. The endpoint is the listener's
address with the dialect's `path`. A form of a new dialect is one line here; a dialect without a
line is played as it is. To see one card: pytest -k "bkav and gateway" -s.
"""

from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.simulator.axis import AxisSimulator, Fault, Manners
from gateway import dialects
from gateway.clock import SystemClock
from gateway.conformance.card import Card
from gateway.conformance.driver import BEYOND, play_all
from gateway.conformance.plan import Parties, Side, State
from gateway.ports import AgencyRecord, AgencyRow, Taken
from tests.world.fake_adapter import document_packet, parcel_of
from tests.world.fake_frontdoor import FakeClock
from tests.world.gatehouse import gatehouse
from tests.world.outside import cold

MAX_BYTES = 1024 * 1024
LOCKED = "H37.77"
BRIEFLY = ("send-and-fetch", "attachments", "status-accepted", "wrong-recipient", "wrong-secret")
NOT_AN_AXIS = ("status-accepted.receipt-01", "broken-base64")


@dataclass(frozen=True)
class Form:
    """One form of a dialect."""

    dialect: str
    options: Mapping[str, Any] = field(default_factory=dict)
    api_key: bool = False
    only: tuple[str, ...] = ()


FORMS = {
    "bkav-rest": Form("bkav", api_key=True),
    "bkav-soap11": Form("bkav", {"variant": "soap11"}, api_key=True),
    # Nothing but the frame differs from 1.1: what passes through it every way is played.
    "bkav-soap12": Form(
        "bkav",
        {"variant": "soap12"},
        api_key=True,
        only=BRIEFLY,
    ),
    "langson-v1": Form("langson", {"variant": "v1"}),
    "langson-lgspedoc": Form("langson", {"variant": "lgspedoc"}),
    "vxp": Form("vxp"),
    "wso2": Form("wso2"),
}
FORMS |= {n: Form(n) for n in dialects.names() if n not in {f.dialect for f in FORMS.values()}}


def connecting(form, url, clock):
    spoken = dialects.dialect(form.dialect)

    def connect(system_id, secret):
        return spoken.make_client(
            name="conformance",
            endpoint=f"{url}{spoken.path}",
            system_id=system_id,
            secret=secret,
            clock=clock,
            **form.options,
        )

    return connect


@asynccontextmanager
async def gateway_side(folder):
    """Run a real gateway with every façade open."""
    names = ", ".join(f'"{name}"' for name in dialects.names())
    http = f'facades = [{names}]\nmax_packet_bytes = "1 MiB"'
    speaks = {"snv": ["H37.02"], "stc": ["H37.04", "H37.05"]}
    agencies = [
        AgencyRecord("H37.05", "Sở Xây dựng", connected="local"),
        AgencyRecord(LOCKED, "Bị khóa", connected="local", status="locked"),
    ]
    with cold():
        async with gatehouse(folder, http=http, speaks=speaks, agencies=agencies) as house:
            yield house


@asynccontextmanager
async def axis_side(form, folder, **manners):
    """Run the simulated axis behind that façade; yield the parties and how to connect."""
    clock = FakeClock()
    axis = AxisSimulator(
        dialects.dialect(form.dialect),
        folder,
        clock,
        manners=Manners(**({"remembers": True} | manners)),
        max_bytes=MAX_BYTES,
    )
    shown = {"snv": b"secret-snv", "stc": b"secret-stc"}
    axis.add_system("snv", shown["snv"], [AgencyRow("H37.02", "Sở Nội vụ", "000.00.02.H37")])
    behind = [AgencyRow("H37.04", "Sở Tài chính"), AgencyRow("H37.05", "Sở Xây dựng")]
    axis.add_system("stc", shown["stc"], [*behind, AgencyRow(LOCKED, "Bị khóa")])
    axis.lock(LOCKED)
    await axis.start()
    try:
        yield parties(shown), connecting(form, axis.url, clock), axis
    finally:
        await axis.stop()


def parties(shown):
    return Parties(
        Side("H37.02", "snv", shown["snv"]),
        "H37.04",
        Side("H37.04", "stc", shown["stc"]),
        also="H37.05",
        locked=LOCKED,
        foreign="H37.04",
        max_bytes=MAX_BYTES,
    )


async def played(side, connect, dialect="", run="THU1", **options):
    beyond = BEYOND.get(dialect, ())
    results = await play_all(side, connect, SystemClock(), run=run, beyond=beyond, **options)
    return {result.id: result for result in results}


def broken(results, *allowed):
    """Return what did not pass, in words; every case was played."""
    unplayed = {r.id for r in results.values() if r.state is State.NOT_PLAYED}
    assert unplayed <= frozenset().union(*BEYOND.values())
    return {
        result.id: f"{result.state}: {result.why_en}"
        for result in results.values()
        if result.state is State.FAILED and result.id not in allowed
    }


@pytest.mark.timeout(300)
async def test_the_gateway_passes(tmp_path):
    """One gateway for all: starting one costs more than playing a form."""
    found = {}
    async with gateway_side(tmp_path) as house:
        for name, form in FORMS.items():
            shown = {
                system.id: (system.key if form.api_key else system.secret).encode()
                for system in house.systems.values()
            }
            connect = connecting(form, house.url, house.clock)
            found[name] = await played(
                parties(shown), connect, form.dialect, run=name.replace("-", ""), only=form.only
            )
    # What a system could not use stays offered, and operations are told: nothing is lost.
    for name, card in found.items():
        assert (name, broken(card, "acknowledge-unusable")) == (name, {})


@pytest.mark.parametrize("name", FORMS)
async def test_the_simulated_axis_passes(name, tmp_path):
    async with axis_side(FORMS[name], tmp_path) as (side, connect, _):
        # Receipt 01 is the receiving system's to send, and an axis opens no attachment.
        only = BRIEFLY if "soap" in name else ()
        card = await played(side, connect, FORMS[name].dialect, only=only)
        assert broken(card, *NOT_AN_AXIS) == {}


# ---------------------------------------------------------------- the suite's own evil twins


def forgets(axis):
    """Leave the axis as the real one is: nothing is remembered."""


def says_it_took(axis):
    axis.fail("acknowledge", *[Fault.NO_DATA] * 2)


def opens_any_mail(axis):
    desk = axis._desk
    desk._own = lambda _caller, item_id: axis._registers.items[item_id]


def believes_any_sender(axis):
    axis._desk._speaks = lambda _caller, _code: None


def knows_everybody(axis):
    owner = axis._desk._owner
    axis._desk._owner = lambda code: owner("H37.04" if code in {"H99.99.99", LOCKED} else code)


def loses_the_middle(axis):
    axis.fail("fetch", *[Fault.TRUNCATED] * 20)


def is_broken(axis):
    axis.fail("list", *[Fault.HTML] * 200)


def answers_anybody(axis):
    secrets_of = axis._registers.shared_secrets

    def any_secret(system_id):
        caller, known = secrets_of("snv")
        return caller, (*known, b"secret-snw", b"Xsecret-snv")

    axis._registers.shared_secrets = any_secret


TWINS = {
    forgets: {"repeat", "repeat.same-answer", "repeat-at-once", "conflict"},
    says_it_took: {"acknowledge"},
    opens_any_mail: {"foreign-item"},
    believes_any_sender: {"sender-not-caller", "sender-inside", "nothing-passed"},
    knows_everybody: {"wrong-recipient", "locked-recipient"},
    loses_the_middle: {"send-and-fetch", "fetch-again"},
    is_broken: {"list-readable"},
    answers_anybody: {"wrong-secret", "unknown-system"},
}


@pytest.mark.parametrize("spoil", TWINS, ids=lambda spoil: spoil.__name__)
async def test_a_system_that_does_wrong_is_found_out(spoil, tmp_path):
    expected = TWINS[spoil]
    only = {name.partition(".")[0] for name in expected}
    async with axis_side(FORMS["vxp"], tmp_path, remembers=False) as (side, connect, axis):
        spoil(axis)
        # What was stolen never comes back: there is nothing to be patient for.
        patience = timedelta(seconds=1 if spoil is opens_any_mail else 60)
        card = await played(side, connect, only=only, patience=patience)
        assert set(broken(card)) == expected
        assert all(r.why_vi and r.why_en for r in card.values() if r.state is State.FAILED)


async def test_what_cannot_be_played_is_never_green(tmp_path):
    async with axis_side(FORMS["vxp"], tmp_path) as (side, connect, axis):
        bare = Parties(side.sender, side.to)
        card = await played(bare, connect)
        # Whose recipient nobody watches is asked nothing about arriving.
        assert {i for i, r in card.items() if r.state is State.PASSED} <= {
            "answers",
            "catalogue",
            "catalogue.names",
            "wrong-recipient",
            "wrong-recipient.code",
            "no-recipient",
            "no-recipient.code",
            "malformed",
            "malformed.code",
            "doctype",
            "doctype.code",
            "wrong-secret",
            "unknown-system",
        }
        assert card["locked-recipient"].state is State.NOT_PLAYED
        assert card["send-and-fetch"].state is State.NOT_PLAYED
        assert Card("u", "vxp", "R", axis._clock.now(), tuple(card.values())).exit_code in {1, 2}


async def test_other_peoples_items_are_left_alone(tmp_path):
    async with axis_side(FORMS["vxp"], tmp_path) as (side, connect, axis):
        writer = connect("stc", b"secret-stc")
        for number in range(2):
            data = document_packet("H37.04", sender="H37.04", number=str(number))
            parcel = parcel_of(data, sender="H37.04", recipients=["H37.04"])
            deadline = axis._clock.now() + timedelta(seconds=20)
            assert isinstance(await writer.deliver(parcel, deadline=deadline), Taken)
        await writer.close()
        before = [item.id for item in axis.items]
        card = await played(side, connect)
        assert broken(card, *NOT_AN_AXIS) == {}
        left = {item.id for item in axis.items if item.taken_at is None and not item.failed_note}
        assert set(before) <= left
        assert not {call.subject for call in axis.log} & set(before)


@pytest.mark.parametrize("name", ["vxp", "bkav-rest"])
async def test_one_system_may_play_both_sides(name, tmp_path):
    async with axis_side(FORMS[name], tmp_path) as (side, connect, axis):
        axis.add_system("all", b"secret-all", [AgencyRow("G12", "x"), AgencyRow("G13", "y")])
        one = Side("G12", "all", b"secret-all")
        both = replace(side, sender=one, to="G13", recipient=replace(one, code="G13"), also="")
        card = await played(replace(both, foreign="H37.04"), connect, FORMS[name].dialect)
        idle = {i for i, r in card.items() if r.state is State.NOT_PLAYED}
        assert idle - BEYOND.get(FORMS[name].dialect, set()) == {
            "several-recipients",
            "foreign-item",
        }
        assert {i for i, r in card.items() if r.state is State.FAILED} <= set(NOT_AN_AXIS)
