"""How the codes of a plan hang together: successors, bodies above, codes that may have changed.

What is asked of the catalogue as it would be once the plan was applied. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.domain.catalogue_remarks import Remark, circle, no_parent, nobody, renumbered
from gateway.domain.identifiers import fold
from gateway.domain.succession import loops

if TYPE_CHECKING:
    from gateway.domain.catalogue_plan import Fields, Step


def conflicts(known: Mapping[str, "Fields"], steps: Sequence["Step"]) -> Iterator[Remark]:
    """Yield successors that are nobody, and successors and bodies above that run in a circle."""
    heirs = {code: [fold(link[0]) for link in f["successors"]] for code, f in known.items()}
    parents = {code: [fold(f["parent"])] if f["parent"] else [] for code, f in known.items()}
    for step in steps:
        heirs.setdefault(step.code, [])
        if "successors" in step.after:
            heirs[step.code] = [link[0] for link in step.after["successors"]]
        if "parent" in step.after:
            parents[step.code] = [step.after["parent"]] if step.after["parent"] else []
    for step in steps:
        if "successors" in step.after:
            yield from (nobody(step.code, h) for h in heirs[step.code] if h not in heirs)
            if loops(step.code, lambda c: heirs.get(c, ())):
                yield circle(step.code, "Đơn vị kế thừa", "successors")
        if "parent" in step.after and loops(step.code, lambda c: parents.get(c, ())):
            yield circle(step.code, "Cấp trên", "bodies above")


def unknown_parents(
    known: Mapping[str, "Fields"], steps: Sequence["Step"], names: Mapping[str, str]
) -> Iterator[Remark]:
    """Yield bodies above that neither the catalogue nor the plan has."""
    there = {*known, *names, *(step.code for step in steps)}
    for step in steps:
        above = step.after.get("parent")
        if above and above not in there:
            yield no_parent(step.code, above)


def heirless(
    known: Mapping[str, "Fields"], steps: Sequence["Step"], left_out: set[str]
) -> list[Remark]:
    """Return who would be succeeded by a row that was left out, and by whoever falls with it."""
    out, found = left_out - set(known), list[Remark]()
    while True:
        fresh = [
            nobody(step.code, link[0])
            for step in steps
            if step.code not in left_out
            for link in step.after.get("successors", ())
            if link[0] in out
        ]
        if not fresh:
            return found
        found += fresh
        left_out = left_out | {remark.code for remark in fresh}
        out = left_out - set(known)


def renumberings(
    known: Mapping[str, "Fields"], steps: Sequence["Step"], missing: Sequence[str]
) -> Iterator[Remark]:
    """Yield codes that left while one of the same name and parent came: perhaps one agency."""
    came: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        if step.before is None:
            key = step.after.get("name", "").casefold(), step.after.get("parent", "")
            came.setdefault(key, []).append(step.code)
    for code in missing:
        fields = known[code]
        for other in came.get((fields["name"].casefold(), fold(fields["parent"])), ()):
            yield renumbered(code, other)
