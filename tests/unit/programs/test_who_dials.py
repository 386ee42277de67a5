"""Who calls an adapter to hand something over: `relay` alone, behind its committed attempt.

What never changes: an attempt is on record before a peer hears anything. Everything that is asked,
taken back, answered or forwarded is therefore a transfer; nobody else may carry it.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DIALS = {
    "gateway/programs/relay.py": ["_hand_over"],
    # Clients and peers of their own: they have no ledger, and carry no document of an agency.
    "gateway/cli/simulating.py": ["_hand"],
    "gateway/conformance/bench.py": ["hand"],
    "gateway/demo/dialects.py": ["_send"],
    "adapters/simulator/autoagency.py": ["_answer"],
}


def callers(path, method):
    """Return the functions of a module that call a method of this name, in order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    ]


def test_only_the_relay_hands_anything_over():
    paths = [p for f in ("gateway", "adapters") for p in sorted((ROOT / f).rglob("*.py"))]
    found = {p.relative_to(ROOT).as_posix(): callers(p, "deliver") for p in paths}
    assert {path: where for path, where in found.items() if where} == DIALS


@pytest.mark.parametrize(
    ("step", "only_from"),
    [("_hand_over", "_deliver"), ("_deliver", "_dial"), ("_claim", "_dial"), ("_dial", "once")],
)
def test_within_the_relay_one_way_leads_there_and_it_claims(step, only_from):
    """A claim a dial: `test_relay_claims.py` asks that nobody passes with another's."""
    assert callers(ROOT / "gateway/programs/relay.py", step) == [only_from]
