"""The card says what came of a run, and steers nobody's terminal or browser."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from gateway.cli.scorecard import live, page, shown
from gateway.conformance.card import Card
from gateway.conformance.driver import CASES
from gateway.conformance.plan import Level, Result, State

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
EVIL = "\x1b[2J<script>alert(1)</script>\u202eevil\x07"


def line(state, level=Level.MUST, i="answers", why=""):
    return Result(i, "trả lời", "answers", level, ("SEC-04",), state, why, why, 0.25)


def card(*results, only=(), endpoint="http://127.0.0.1:1/a"):
    return Card(endpoint, "vxp", "ABC123", AT, results, only)


@pytest.mark.parametrize(
    ("results", "only", "code"),
    [
        ([line(State.PASSED)], (), 0),
        ([line(State.PASSED), line(State.FAILED, Level.SHOULD)], (), 0),
        ([line(State.PASSED), line(State.NOT_PLAYED, Level.SHOULD)], (), 0),
        ([line(State.PASSED), line(State.NOT_PLAYED)], (), 2),
        ([line(State.FAILED), line(State.NOT_PLAYED)], (), 1),
        ([line(State.PASSED)], ("answers",), 2),  # the other musts were not asked for
        ([line(State.PASSED)], tuple(c.id for c in CASES if c.level is Level.MUST), 0),
        ([line(State.FAILED)], ("answers",), 1),
    ],
)
def test_the_verdict(results, only, code):
    made = card(*results, only=only)
    assert made.exit_code == made.to_json()["exit_code"] == code


def test_counts_and_lines():
    told = card(line(State.PASSED), line(State.FAILED, Level.SHOULD, "order", "no")).to_json()
    assert told["counts"]["must"] == {"passed": 1, "failed": 0, "not-played": 0}
    assert told["counts"]["should"] == {"passed": 0, "failed": 1, "not-played": 0}
    assert told["at"] == "2026-11-22T08:00:00+07:00"
    assert [r["id"] for r in told["results"]] == ["answers", "order"]


def test_a_strangers_words_steer_nothing():
    made = card(line(State.FAILED, why=EVIL), endpoint=f"http://127.0.0.1/{EVIL}")
    html = page(made).decode()
    out = StringIO()
    Console(file=out, width=200).print(shown(made))
    for text in (html, out.getvalue(), live(made.results[0])):
        assert "alert(1)" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "<script" not in html
    assert "Content-Security-Policy" in html
    assert 'lang="vi"' in html
    assert 'lang="en"' in html
