"""The decision table: the first row that fits counts, and what no row may do."""

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.trust.decisions import ACTIONS, VERDICTS, Decision, Defaults, decide
from gateway.trust.policyfile import read_policy

CODES = ("H37", "H37.02", "H37.02.1", "H370", "G09")
_ROWS = st.builds(
    Decision,
    st.sampled_from(("*", "H37.*", *CODES)),
    st.sampled_from(("in", "out", "*")),
    st.lists(st.sampled_from(VERDICTS), unique=True).map(tuple),
    st.sampled_from(ACTIONS),
)
_DEFAULTS = st.builds(Defaults, *[st.sampled_from(("refuse", "flag"))] * 3)
_CASES = {
    "senders": st.sets(st.sampled_from(CODES), min_size=1, max_size=2),
    "direction": st.sampled_from(("in", "out")),
    "verdict": st.sampled_from(VERDICTS),
}


def covers(pattern, code):
    return pattern in {"*", code} or (pattern == "H37.*" and code.split(".")[0] == "H37")


def fits(row, senders, direction, verdict):
    return (
        any(covers(row.sender, code) for code in senders)
        and row.direction in {"*", direction}
        and (not row.verdicts or verdict in row.verdicts)
    )


@given(st.lists(_ROWS, max_size=6), _DEFAULTS, st.fixed_dictionaries(_CASES))
@example(
    [Decision("H37.*", "in", (), "flag"), Decision("*", "*", (), "refuse")],
    Defaults(),
    {"senders": {"H370"}, "direction": "in", "verdict": "unsigned"},
)
def test_the_first_row_that_fits_counts(rows, defaults, case):
    action = decide(rows, defaults, **case)
    mine = [r.action for r in rows if fits(r, **case)]
    if mine:
        assert action == mine[0]
    else:
        assert action == decide((), defaults, **case)


@given(_DEFAULTS, st.fixed_dictionaries(_CASES))
def test_by_default_nothing_that_comes_in_is_refused(defaults, case):
    action = decide((), defaults, **case)
    if case["direction"] == "in":
        assert action == ("accept" if case["verdict"] == "valid" else "flag")
    else:
        wanted = {
            "valid": "accept",
            "incomplete": "flag",
            "mismatch": "flag",
            "invalid": defaults.invalid,
            "unsigned": defaults.unsigned,
        }
        assert action == wanted.get(case["verdict"], defaults.indeterminate)


@given(st.lists(_ROWS, max_size=4), st.fixed_dictionaries(_CASES))
def test_a_table_that_can_be_read_never_takes_an_invalid_one_silently(rows, case):
    text = 'name = "x"\ndated = 2026-11-22\n' + "".join(
        f'[[decision]]\nsender = "{r.sender}"\ndirection = "{r.direction}"\n'
        f"verdict = {list(r.verdicts) or ['*']}\naction = '{r.action}'\n"
        for r in rows
    )
    policy, faults = read_policy(text.encode())
    if policy is None:
        assert faults
        return
    assert policy.decisions == tuple(rows)
    assert decide(policy.decisions, Defaults(), case["senders"], case["direction"], "invalid") in {
        "flag",
        "refuse",
    }
    assert decide(policy.decisions, Defaults(), case["senders"], case["direction"], "valid") in {
        "flag",
        "accept",
    }
