"""Make a failing history short: drop faults, acts, documents and manners while it still fails alike."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.plan import Doc, Plan
from tests.simulation.world import Result


def shrink(failed: Result, play: Callable[[Plan], Result], *, runs: int = 400) -> Result:
    """Return the shortest history found that violates the same invariant first.

    Args:
        failed: A failing history.
        play: Plays a plan.
        runs: How many histories may be played.
    """
    best = failed
    left = runs
    progress = True
    while progress and left:
        progress = False
        for plan in _smaller(best.plan):
            left -= 1
            tried = play(plan)
            if tried.name == failed.name:
                best, progress = tried, True
                break
            if not left:
                break
    return best


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans with one thing less, the largest steps first."""
    if plan.acts:
        yield replace(plan, acts=())
    half = len(plan.faults) // 2
    if half > 1:
        yield replace(plan, faults=plan.faults[half:])
        yield replace(plan, faults=plan.faults[:half])
    for index in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:index] + plan.faults[index + 1 :])
    for index in range(len(plan.docs)):
        yield replace(plan, docs=plan.docs[:index] + plan.docs[index + 1 :])
    for index in range(len(plan.acts)):
        yield replace(plan, acts=plan.acts[:index] + plan.acts[index + 1 :])
    for index, act in enumerate(plan.acts):
        if act.times > 1:
            once = replace(act, times=1)
            yield replace(plan, acts=(*plan.acts[:index], once, *plan.acts[index + 1 :]))
    plain = {
        "noise": 0.0,
        "yields": 0.0,
        "shuffle": 0.0,
        "latency": 0.05,
        "broker": "lanes",
        "leases": False,
        "echo": False,
        "desks": (),
        "agrees": "clerk",
        "recall_by": "13",
    }
    for name, value in plain.items():
        if getattr(plan, name) != value:
            yield replace(plan, **{name: value})  # type: ignore[arg-type]
    for index, doc in enumerate(plan.docs):
        for smaller in _plainer(doc):
            yield replace(plan, docs=(*plan.docs[:index], smaller, *plan.docs[index + 1 :]))


def _plainer(doc: Doc) -> Iterator[Doc]:
    if doc.more:
        yield replace(doc, more=())
    if doc.repeats:
        yield replace(doc, repeats=0)
    if len(doc.to) > 1:
        yield from (replace(doc, to=(code,)) for code in doc.to)
    if doc.replies:
        yield replace(doc, replies=())
    if len(doc.replies) > 1:
        yield from (replace(doc, replies=(code,)) for code in doc.replies)
    if doc.about:
        yield replace(doc, about=0, kind=0)
    if doc.drafted:
        yield replace(doc, drafted=False)
    if doc.verdict != "unsigned":
        yield replace(doc, verdict="unsigned")
    if doc.urgency:
        yield replace(doc, urgency=0)
