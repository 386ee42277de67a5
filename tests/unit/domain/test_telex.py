"""Telex left as typed is what was meant; what is no Telex stays."""

import pytest

from gateway.domain.telex import from_telex


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("quyeets ddinhj", "quyết định"),
        ("quyeest ddinhj", "quyết định"),  # the tone before the last letter
        ("hoaf giair", "hòa giải"),
        ("uyr ban", "ủy ban"),
        ("Dduowngf", "đường"),
        ("ngoaij giao", "ngoại giao"),
        ("giaos ducj", "giáo dục"),
        ("tuw", "tư"),
        ("quyf", "quỳ"),
        ("giw", "giư"),
    ],
)
def test_keys_become_words(typed, meant):
    assert from_telex(typed) == meant


@pytest.mark.parametrize("text", ["", "an", "123/QD-UBND", "hoà", "sss", "H37.02", "xx rs"])
def test_what_is_no_telex_stays(text):
    assert from_telex(text) == text
