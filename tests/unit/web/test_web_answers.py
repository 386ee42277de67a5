"""Small pure parts of the web layer: names of downloads, problems, ids."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import CATALOGUE, Reason, UnavailableError
from gateway.web import problems
from gateway.web.inbox import disposition
from gateway.web.routes import ID


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_download_name_is_always_a_safe_header(name):
    value = disposition(name)
    assert value.isascii()
    assert value.isprintable()
    assert re.fullmatch(r"attachment; filename=\"[^\"/\\]+\"; filename\*=UTF-8''[\w.~%-]+", value)


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N", "Zs"], exclude_characters="\xa0"), min_size=1))
def test_a_download_name_survives(name):
    if name.isprintable() and len(name) <= 200:
        assert unquote(disposition(name).partition("filename*=UTF-8''")[2]) == name


def test_every_reason_has_a_status_and_two_texts():
    for reason in Reason:
        row = CATALOGUE[reason]
        assert 400 <= row.http < 600
        assert row.vi
        assert row.en
    for reason in problems.WebReason:
        status, vi, en = problems.WEB_CATALOGUE[reason]
        assert 400 <= status < 500
        assert vi != en


@pytest.mark.parametrize(("wait_s", "told"), [(None, "5"), (0.0, "1"), (0.1, "1"), (7.01, "8")])
def test_retry_after_is_whole_seconds_rounded_up(wait_s, told):
    response = problems.of_gateway(UnavailableError(retry_after_s=wait_s), "r")
    assert response.headers["Retry-After"] == told


@pytest.mark.parametrize("good", ["01990000-0000-7000-8000-000000000001", "a", "A.b_c:d-9"])
def test_ids(good):
    assert ID.fullmatch(good)


@pytest.mark.parametrize("bad", ["", ".", "..", "-a", "a/b", "a b", "a\n", "é", "x" * 65])
def test_not_ids(bad):
    assert ID.fullmatch(bad) is None
