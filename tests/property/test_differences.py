"""The quick difference analysis and the library's agree, on updates lawful, unlawful and odd."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    DiffResult,
    ModificationLevel,
    SuspiciousModification,
)
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm

from gateway.demo.letters import sign_once
from gateway.trust.differences import REVIEWER, Reader, defined_later, judged
from tests.world.signed_files import NOW, pki
from tests.world.updates import (
    DOCUMENT,
    LAWFUL,
    ODD,
    UNLAWFUL,
    VARIANTS,
    Update,
    updated,
    written,
)

CHANGES = {**LAWFUL, **UNLAWFUL, **ODD}
LOCKS = (None, FieldMDPSpec(FieldMDPAction.ALL), FieldMDPSpec(FieldMDPAction.INCLUDE, ["ghi chu"]))


def outcome(policy, open_it, base, field_mdp, doc_mdp):
    """Return what a policy says of everything after a state; every fault is one fault."""
    try:
        found = policy.review_file(open_it(), base, field_mdp, doc_mdp)
    except RecursionError:
        return "endless"
    except Exception:  # noqa: BLE001 — whatever it is, the changes are not analysed
        return "fault"
    if isinstance(found, DiffResult):
        return found.modification_level, frozenset(found.changed_form_fields)
    return "suspicious"


def both(pdf, strict, base=0, field_mdp=None, doc_mdp=None):
    full = outcome(
        DEFAULT_DIFF_POLICY,
        lambda: PdfFileReader(io.BytesIO(pdf), strict=strict),
        base,
        field_mdp,
        doc_mdp,
    )
    quick = outcome(REVIEWER, lambda: Reader(pdf, strict=strict), base, field_mdp, doc_mdp)
    if isinstance(full, tuple) and isinstance(quick, tuple) and quick[1] <= full[1]:
        # The library also names fields that the update did not write.
        full = full[0], quick[1]
    return full, quick


def usages_agree(pdf, strict):
    """Compare every path to every object of every state that the short way understands."""
    try:
        quick, full = Reader(pdf, strict=strict), PdfFileReader(io.BytesIO(pdf), strict=strict)
        states = range(full.xrefs.total_revisions)
        resolvers = [
            (quick.get_historical_resolver(n), full.get_historical_resolver(n)) for n in states
        ]
    except Exception:  # noqa: BLE001 — neither is asked about what cannot be opened
        return 0
    compared = 0
    for ours, theirs in resolvers:
        asked = ours._quick_map()
        if asked is None:
            continue
        try:
            theirs._load_reverse_xref_cache()  # what we understand, it loads without a fault
        except RecursionError:
            continue
        for number in range(1, 75):
            ref = Reference(number, 0)
            assert ours._get_usages_of_ref(ref) == theirs._get_usages_of_ref(ref), number
            compared += 1
    return compared


@st.composite
def updates(draw):
    """Return one update, or a mixture, or noise."""
    kind = draw(st.sampled_from(["one", "one", "mixed", "noise"]))
    if kind == "one":
        return CHANGES[draw(st.sampled_from(sorted(CHANGES)))]
    if kind == "mixed":
        parts = [
            CHANGES[n]
            for n in draw(st.lists(st.sampled_from(sorted(CHANGES)), min_size=2, max_size=3))
        ]
        bodies = {n: b for part in parts for n, b in part.bodies.items()}
        freed = sorted({n for part in parts for n in part.freed} - bodies.keys())
        return Update(bodies, freed, parts[0].trailer, parts[0].generation, parts[0].size)
    numbers = draw(st.lists(st.integers(1, 74), max_size=4, unique=True))
    values = [
        *DOCUMENT.values(),
        b"null",
        b"[]",
        b"7",
        b"(70 0 R)",
        b"[1 0 R 70 0 R]",
        b"<</K 15 0 R>>",
    ]
    bodies = {n: draw(st.sampled_from(values)) for n in numbers}
    freed = [
        n for n in draw(st.lists(st.integers(1, 74), max_size=2, unique=True)) if n not in bodies
    ]
    return Update(bodies, freed)


@settings(max_examples=150)
@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    packed=st.booleans(),
    changes=st.lists(updates(), min_size=1, max_size=3),
    strict=st.booleans(),
    base=st.integers(0, 2),
    lock=st.sampled_from(LOCKS),
    permitted=st.sampled_from([None, *MDPPerm]),
)
def test_short_and_long_way_agree(variant, packed, changes, strict, base, lock, permitted):
    pdf = updated(written(VARIANTS[variant], packed=packed), *changes)
    full, quick = both(pdf, strict, min(base, len(changes)), lock, permitted)
    # Where the library runs in circles, the short way may come to an end.
    assert full in ("endless", quick)
    usages_agree(pdf, strict)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_single_update_of_every_document(variant, packed):
    """No draw of luck: each document with each update."""
    base = written(VARIANTS[variant], packed=packed)
    # Both ways of reading for the usual document; one of them for each way of writing the others.
    readings = (True, False) if variant == "usual" else (not packed,)
    for name, update in CHANGES.items():
        pdf = updated(base, update)
        for strict in readings:
            full, quick = both(pdf, strict)
            assert full == quick, (name, strict)


@pytest.mark.parametrize("packed", [False, True])
def test_the_short_way_is_gone_where_it_matters(packed):
    """The comparison above is worth something: usual documents are not left to the library."""
    base = written(packed=packed)
    for name in LAWFUL:
        assert usages_agree(updated(base, LAWFUL[name]), strict=True) > 70, name


def test_lawful_updates_are_recognised():
    """The cases cover the levels: the agreement is not one on everything being suspicious."""
    levels = {
        name: both(updated(written(), update), strict=True)[1] for name, update in LAWFUL.items()
    }
    found = {level[0] for level in levels.values() if isinstance(level, tuple)}
    assert found >= {ModificationLevel.LTA_UPDATES, ModificationLevel.FORM_FILLING}, levels
    assert all(isinstance(level, tuple) for level in levels.values()), levels
    for name, update in UNLAWFUL.items():
        assert both(updated(written(), update), strict=True)[1] in {"suspicious", "fault"}, name


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("strict", [True, False])
def test_a_reference_to_a_later_object_goes_the_long_way(packed, strict):
    """An attacker leaves a reference open in what is signed, and fills it in later."""
    base = written(VARIANTS["dangling"], packed=packed)
    pdf = updated(base, ODD["defines 70 with evidence"])
    reader = Reader(pdf, strict=strict)
    assert reader.references.scan_of(0) is None
    full, quick = both(pdf, strict)
    assert full == quick
    if strict:
        assert quick == "fault"
    else:
        # The library's wrong accept; `judged` does not stop there.
        assert quick == (ModificationLevel.LTA_UPDATES, frozenset())
        REVIEWER.review_file(reader, 0)
        assert defined_later(reader, 0) == {70}
    # The same text in a string refers to nothing.
    harmless = updated(written(VARIANTS["dangling in a string"], packed=packed), LAWFUL["evidence"])
    reader = Reader(harmless, strict=strict)
    assert reader.references.scan_of(0) is not None
    REVIEWER.review_file(reader, 0)
    assert defined_later(reader, 0) == set()


def test_filling_in_what_was_signed_is_never_harmless():
    """The same attack on a real signature, read leniently."""
    source = pki()
    signed = sign_once(
        written(VARIANTS["dangling"]),
        source,
        source.person(),
        "Ky",
        NOW,
        level="B-T",
        visible=False,
    )
    twin = sign_once(written(), source, source.person(), "Ky", NOW, level="B-T", visible=False)
    levels = []
    for pdf in (signed, twin):
        (emb,) = Reader(updated(pdf, ODD["defines 70"]), strict=False).embedded_signatures
        judged(emb)
        levels.append(type(emb.diff_result))
    assert levels == [SuspiciousModification, DiffResult]
