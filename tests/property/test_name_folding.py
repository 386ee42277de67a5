"""Folding of names: idempotent, blind to form, case and tone place; comparing is symmetric."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.rules.facts import AgencyNames
from gateway.rules.names import bare, folded, same_agency, same_person, words
from gateway.rules.names import compare as compare_agency
from tests.world.rule_facts import holder

TEXT = (
    "sở nội vụ ủy ban nhân dân tỉnh lạng sơn hòa bình hoà thúy thuý và quý giáo dục đào tạo "
    "UBND HĐND GD&ĐT VP TP. Đ xã phường TNHH snv"
)
SYLLABLES = st.sampled_from(TEXT.split())
NAMES = st.lists(SYLLABLES, min_size=1, max_size=8).map(" ".join)


@given(st.text(max_size=40) | NAMES)
@example("İ")
@example("ﬃ & ﬁ")
@example("\u0301\u0323a")
@example("Σς")
def test_folding_again_changes_nothing(text):
    once = folded(text)
    assert folded(once) == once
    assert bare(bare(text)) == bare(text)


@given(NAMES)
def test_form_case_and_spaces_do_not_matter(name):
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert folded(unicodedata.normalize(form, name)) == folded(name)
    assert folded(name.upper()) == folded(name) == folded(f"  {name}\u00a0")
    assert words(name.upper()) == words(name)


@given(NAMES, NAMES)
def test_comparing_is_symmetric_and_a_name_is_itself(one, other):
    assert same_agency(one, other) is same_agency(other, one)
    assert same_person(one, other) is same_person(other, one)
    assert same_agency(one, one) is bool(words(one))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_name_breaks_the_comparison(name, common, organization):
    sender = AgencyNames(frozenset({"H37"}), (name,), (organization,))
    compare_agency(sender, holder(common, organization, identifiers=(name,)))
