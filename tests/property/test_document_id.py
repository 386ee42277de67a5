"""Identifiers: what we write is read back; anything at all is read without a failure.

Rules: DID-01, DID-05, DID-08.
"""

from datetime import date

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain.document_id import (
    IdForm,
    code_key,
    disagreements,
    format_number,
    parse_code,
    parse_document_id,
    render_document_id,
    render_ordinal_id,
)

AGENCY = st.from_regex(r"[A-Z][0-9]{2}(\.[0-9]{2}){0,3}", fullmatch=True)
NUMBER = st.from_regex(r"[0-9]{1,7}[A-Za-z]{0,2}", fullmatch=True)
NOTATION = st.text(st.sampled_from("AĐBCVPTTQ-/,#.y r0123"), min_size=1, max_size=60)
DAYS = st.dates(date(1945, 1, 1), date(2999, 12, 31))


@given(AGENCY, DAYS, NUMBER, NOTATION)
def test_the_default_form_round_trips(agency, day, number, notation):
    parsed = parse_document_id(render_document_id(agency, day, number, notation))
    assert parsed.form is IdForm.CODE_DATE_NUMBER
    assert (parsed.organ, parsed.day, parsed.year) == (agency, day, day.year)
    assert (parsed.number, parsed.notation) == (number, notation)
    assert (
        disagreements(
            parsed, sender=agency, number=number, notation=notation, promulgation_date=day
        )
        == ()
    )


@given(AGENCY, st.integers(1945, 2999), st.integers(1, 999_999_999))
def test_the_ordinal_form_round_trips(agency, year, ordinal):
    parsed = parse_document_id(render_ordinal_id(agency, year, ordinal))
    assert parsed.form is IdForm.CODE_YEAR_ORDINAL
    assert (parsed.organ, parsed.year, parsed.ordinal) == (agency, year, ordinal)


@given(st.one_of(st.text(max_size=300), st.text("H37,-/.0123456789", max_size=60)))
def test_any_text_is_read_and_kept(text):
    parsed = parse_document_id(text)
    assert parsed.text == text
    disagreements(parsed, sender="H37", number="1", notation="A", promulgation_date=None)
    assert parse_code(text).raw == text
    code_key(text, text)


@given(NUMBER)
def test_formatting_a_number_is_idempotent_and_never_empties_it(number):
    once = format_number(number)
    assert format_number(once) == once
    assert once
    assert code_key(number, "A") == code_key(once, "A")


@given(NUMBER, NUMBER)
def test_different_numbers_have_different_keys(one, other):
    assume(format_number(one).casefold() != format_number(other).casefold())
    assert code_key(one, "A") != code_key(other, "A")
