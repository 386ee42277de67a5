"""What persons and systems do besides sending and answering: taking back, keeping by law, the desks.

Plain data, as `plan` is: `with_acts` adds to the documents and faults of a seed who works in our
console, what is taken back by whom and how, what the law keeps, and what else clerks do. They are
drawn apart, so that documents and faults of a seed are the same with them and without.
"""

from dataclasses import replace
from random import Random

from tests.simulation.plan import HOUSES, OUTSIDE, Act, Doc, Plan

_SHARE = 0.6


def with_acts(seed: int, plan: Plan) -> Plan:
    """Return the plan with what persons do in it; often nothing."""
    rng = Random(f"acts {seed}")
    if rng.random() > _SHARE:
        return plan
    own = [code for codes in HOUSES[plan.shape].values() for code in codes]
    desks = tuple(code for code in own if rng.random() < 0.45)
    docs = tuple(_drafted(rng, doc, desks) for doc in plan.docs)
    if rng.random() < 0.25:
        docs += _changing(rng, docs)
    makers = (_order, _order, _thirteen, _thirteen, _notice, _law, _law, _stranger, _unknown)
    chosen = [rng.choice(makers) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    acts = [make(rng, docs, own) for make in chosen]
    acts += [_paper(rng, code) for code in desks if rng.random() < 0.4]
    acts += [Act("lock", _moment(rng, 2.0), who=code) for code in desks if rng.random() < 0.3]
    if rng.random() < 0.3:
        acts.append(Act("purge", _moment(rng, 12.0), who=own[0]))
    return replace(
        plan,
        desks=desks,
        agrees=rng.choice(("clerk", "clerk", "automatic")),
        recall_by=rng.choice(("13", "13", "1", "both")),
        docs=docs,
        acts=tuple(acts),
    )


def _moment(rng: Random, begin: float, longest: float = 16.0) -> float:
    return round(begin + rng.uniform(0.0, longest), 1)


def _drafted(rng: Random, doc: Doc, desks: tuple[str, ...]) -> Doc:
    """Some documents of an agency with a desk are sent by form; a form states no secrecy level."""
    if doc.sender not in desks or doc.stated or rng.random() < 0.4:
        return doc
    return replace(doc, drafted=True, more=(), repeats=0, named=False)


def _changing(rng: Random, docs: tuple[Doc, ...]) -> tuple[Doc, ...]:
    """A later document that updates (2) or replaces (3) an earlier one of the same sender."""
    old = rng.choice(docs)
    if not old.named or old.doubtful:
        return ()
    changed = replace(
        old,
        n=max(d.n for d in docs) + 1,
        at=round(old.at + rng.uniform(2.0, 9.0), 1),
        to=tuple(dict.fromkeys(old.to)),
        more=(),
        repeats=0,
        verdict="unsigned",
        about=old.n,
        kind=rng.choice((2, 3)),
    )
    return (changed,)


def _asked(rng: Random, docs: tuple[Doc, ...]) -> tuple[Doc, float]:
    """A document, and when it is asked for: before it left, while it is on its way, or long after."""
    doc = rng.choice(docs)
    return doc, round(doc.at + rng.choice((0.1, 0.6, 3.0, 8.0, 18.0)) * rng.uniform(0.5, 1.5), 1)


def _order(rng: Random, docs: tuple[Doc, ...], own: list[str]) -> Act:
    doc, at = _asked(rng, docs)
    of = (rng.choice(doc.to),) if rng.random() < 0.4 else ()
    return Act("order", at, doc.n, doc.sender, of, rng.choice((1, 1, 2)))


def _thirteen(rng: Random, docs: tuple[Doc, ...], own: list[str]) -> Act:
    doc, at = _asked(rng, docs)
    of = (rng.choice(doc.to),) if rng.random() < 0.6 else tuple(doc.to)
    return Act("13", at, doc.n, doc.sender, of, rng.choice((1, 1, 2)))


def _notice(rng: Random, docs: tuple[Doc, ...], own: list[str]) -> Act:
    doc, at = _asked(rng, docs)
    return Act("notice", at, doc.n, doc.sender)


def _stranger(rng: Random, docs: tuple[Doc, ...], own: list[str]) -> Act:
    doc, at = _asked(rng, docs)
    others = [code for code in (*own, OUTSIDE) if code != doc.sender]
    return Act("stranger", at, doc.n, rng.choice(others), (rng.choice(doc.to),))


def _unknown(rng: Random, docs: tuple[Doc, ...], own: list[str]) -> Act:
    return Act("unknown", _moment(rng, 1.0), who=rng.choice(own))


def _law(rng: Random, docs: tuple[Doc, ...], own: list[str]) -> Act:
    doc, at = _asked(rng, docs)
    keeper = rng.choice([code for code in doc.to if code in own] or own)
    return Act("law", at, doc.n, keeper, span=rng.choice((4.0, 12.0, 60.0)))


def _paper(rng: Random, agency: str) -> Act:
    return Act("paper", _moment(rng, 1.0), who=agency, times=rng.choice((1, 2)))
