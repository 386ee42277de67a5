"""The simulated axis itself: chance that comes again, tokens that end, what a fault looks like."""

from datetime import timedelta

import pytest

from adapters.simulator.axis import AxisSimulator, Fault, Manners
from adapters.simulator.faults import Call, Chance, Faults, Interrupted, present, read_chances
from adapters.simulator.registers import MemoryTokens, Registers
from adapters.vxp import plugin
from gateway.errors import RejectedError, UnavailableError
from gateway.ports import AgencyRow
from tests.world.fake_frontdoor import FakeClock

TTL = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("text", "chances"),
    [
        ("", ()),
        ("html", (Chance(Fault.HTML),)),
        ("html=5%", (Chance(Fault.HTML, 0.05),)),
        (
            "lose-answer@send=2.5%, busy@sendEdoc=100%",
            (Chance(Fault.LOSE_ANSWER, 0.025, "send"), Chance(Fault.BUSY, 1.0, "sendEdoc")),
        ),
        (
            "latency=200ms..2s",
            (Chance(Fault.LATENCY, 1.0, "", timedelta(milliseconds=200), timedelta(seconds=2)),),
        ),
        (
            "latency@list=1s",
            (Chance(Fault.LATENCY, 1.0, "list", timedelta(seconds=1), timedelta(seconds=1)),),
        ),
    ],
)
def test_faults_as_written(text, chances):
    assert read_chances(text) == chances


@pytest.mark.parametrize(
    "text",
    [
        "what=1%",
        "html=101%",
        "html=1",
        "html=-1%",
        "latency",
        "latency=5%",
        "latency=2s..1s",
        "latency=1h",
        "html@=1%",
        "=1%",
        "HTML=1%",
        "html=1%=2%",
    ],
)
def test_faults_that_are_none(text):
    with pytest.raises(ValueError, match=r".*"):
        read_chances(text)


def rolled(seed, calls=200):
    faults = Faults(
        read_chances("html=10%,drop@x=1%,latency=1ms..9ms".replace("drop", "empty")), seed
    )
    made = [faults.begin("POST", "sendEdoc" if n % 2 else "getEdoc") for n in range(calls)]
    return [(call.fault, call.delay_s) for call in made]


def test_the_same_seed_is_the_same_bad_luck():
    assert rolled(7) == rolled(7)
    assert rolled(7) != rolled(8)
    hits = sum(fault is Fault.HTML for fault, _ in rolled(7, 2000))
    assert 120 < hits < 280
    assert all(0.001 <= delay <= 0.009 for _, delay in rolled(7))


def test_other_calls_between_change_nothing():
    """What befalls the tenth sending does not depend on how often somebody looked meanwhile."""

    def sendings(looks):
        faults = Faults(read_chances("html=30%"), 7)
        found = []
        for _ in range(30):
            for _ in range(looks):
                faults.begin("POST", "list")
            found.append(faults.begin("POST", "sendEdoc").fault)
        return found

    assert sendings(0) == sendings(3)


def test_a_planned_fault_strikes_once_where_it_was_planned():
    faults = Faults()
    faults.plan("send", Fault.BUSY, Fault.HTML)
    faults.plan("list", Fault.PHANTOM)
    for fault, error in ((Fault.BUSY, UnavailableError), (Fault.HTML, Interrupted)):
        call = faults.begin("POST", "anything")
        present.set(call)
        with pytest.raises(error):
            faults.reached("send", "us")
        assert (call.fault, call.doing, call.system_id) == (fault, "send", "us")
    call = faults.begin("POST", "anything")
    present.set(call)
    faults.reached("send", "us")
    assert call.fault is None
    faults.plan("send", Fault.REFUSE)
    faults.forget("send")
    present.set(Call(9, "POST", "x"))
    faults.reached("send", "us")
    faults.plan("send", Fault.REFUSE)
    present.set(faults.begin("POST", "send"))  # the path may have the name of the deed
    with pytest.raises(RejectedError):
        faults.reached("send", "us")


def test_tokens_end():
    clock, registers = FakeClock(), Registers()
    registers.add_system("us", b"secret", [AgencyRow("H37", "x")])
    tokens = MemoryTokens(registers, clock.now)
    token = tokens.issue("us", b"secret", audience="wso2", ttl=TTL)
    assert tokens.check(token, audience="wso2").system_id == "us"
    assert tokens.check(token, audience="langson") is None
    assert tokens.check(token + "x", audience="wso2") is None
    clock.move(minutes=30)
    assert tokens.check(token, audience="wso2") is None
    token = tokens.issue("us", b"secret", audience="wso2", ttl=TTL)
    registers.secrets["us"] = (b"new", b"secret")
    assert tokens.check(token, audience="wso2") is not None
    registers.secrets["us"] = (b"new",)
    assert tokens.check(token, audience="wso2") is None
    token = tokens.issue("us", b"new", audience="wso2", ttl=TTL)
    registers.secrets["us"] = ()
    assert tokens.check(token, audience="wso2") is None


def test_a_secret_is_every_key():
    registers = Registers()
    registers.add_system("us", b"secret", [AgencyRow("H37.02", "x", "000.00.02.H37")])
    caller = registers.by_api_key("secret")
    assert caller == registers.system("us")
    assert caller.speaks_for == {"H37.02", "000.00.02.H37"}
    assert registers.by_api_key("Secret") is None
    assert registers.by_api_key("") is None
    registers.secrets["us"] = ()
    assert registers.by_api_key("secret") is None


def test_ids_come_again_with_the_seed(tmp_path):
    def ids(seed):
        axis = AxisSimulator(plugin, tmp_path, FakeClock(), manners=Manners(seed=seed))
        return [axis._desk._new_id() for _ in range(3)]

    assert ids(7) == ids(7)
    assert len({*ids(7), *ids(8), *ids(None), *ids(None)}) == 12
