"""Folding Vietnamese: two spellings of one word are one, two words stay two."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.folding import plain, spelled, words

VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("đĐðÐɖ ăâêôơưạảấ.,-0129hH" + "".join(TONES))),
    max_size=30,
)
SYLLABLES = st.builds(
    lambda start, vowels, tone, end: (start, vowels, tone, end),
    st.sampled_from(["", "b", "đ", "th", "ngh", "tr", "h"]),
    st.lists(st.sampled_from(VOWELS), min_size=1, max_size=3),
    st.sampled_from(TONES),
    st.sampled_from(["", "n", "nh", "ng", "c"]),
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hoà Bình", "Hòa Bình"),
        ("Uỷ ban", "ủy  BAN"),
        ("Đắk Lắk", unicodedata.normalize("NFD", "đắk lắk")),
        ("Ðà Nẵng", "Đà Nẵng"),  # eth for đ
        ("Ｈ３７．０２", "h37.02"),
        ("Sở GD&ĐT", "sở gd, đt"),
        ("Bà Rịa - Vũng Tàu", "Bà Rịa–Vũng Tàu"),
        ("thuỷ\u200b lợi", "thủy lợi"),  # nothing anybody sees
    ],
)
def test_one_word_spelled_two_ways(one, other):
    assert spelled(one) == spelled(other)
    assert plain(one) == plain(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Hòa", "Hoa"), ("má", "mà"), ("đa", "da"), ("ăn", "ân"), ("H37.2", "H37 2")]
)
def test_two_words_stay_two(one, other):
    assert spelled(one) != spelled(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ủy ban nhân dân TP. Đà Nẵng", "uy ban nhan dan tp da nang"),
        ("Đường số 3/2", "duong so 3 2"),
        ("000.00.02.H37", "000.00.02.h37"),
        ("H37.DN.001", "h37.dn.001"),
        ("Công văn số 15/QĐ-UBND", "cong van so 15 qd ubnd"),
        ("", ""),
        (" .,- ", ""),
    ],
)
def test_without_accents(text, expected):
    assert plain(text) == expected


@given(TEXT)
def test_folding_twice_is_folding_once(text):
    assert spelled(spelled(text)) == spelled(text)
    assert plain(plain(text)) == plain(text)
    assert plain(spelled(text)) == plain(text)


@given(TEXT)
def test_composition_and_case_are_nothing(text):
    for form in ("NFC", "NFD"):
        assert spelled(unicodedata.normalize(form, text)) == spelled(text)
    assert words(text) == tuple(plain(text).split())
    assert not [c for c in plain(text) if unicodedata.category(c)[0] == "M"]


@given(TEXT, TEXT)
def test_pieces_between_blanks_are_folded_one_by_one(one, other):
    joined = f"{one} {other}"
    for fold in (spelled, plain):
        assert fold(joined) == " ".join(filter(None, (fold(one), fold(other))))


@given(SYLLABLES, st.data())
def test_a_tone_counts_wherever_it_stands(syllable, data):
    start, vowels, tone, end = syllable
    spots = st.integers(0, len(vowels) - 1)

    def written(at):
        bearing = [v + tone if n == at else v for n, v in enumerate(vowels)]
        return unicodedata.normalize("NFC", start + "".join(bearing) + end)

    one, other = written(data.draw(spots)), written(data.draw(spots))
    assert spelled(one) == spelled(other)
    bare = unicodedata.normalize("NFC", start + "".join(vowels) + end)
    assert (spelled(one) == spelled(bare)) is (tone == "")


@given(st.text(st.characters(max_codepoint=127) | st.sampled_from("..09aZ"), max_size=20))
def test_what_is_plain_ascii_is_parted_as_everything_else(text):
    # A letter that is no ASCII sends the whole through the other way.
    assert words(f"{text} ế") == (*words(text), "e")
    assert spelled(f"{text} ế") == f"{spelled(text)} ế".strip()
