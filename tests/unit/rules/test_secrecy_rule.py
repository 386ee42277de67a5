"""SEC-01, SND-12: a stated level or a stamp means quarantine; circulation marks do not."""

import pytest

from gateway.domain.finding import Severity
from gateway.rules.secrecy_rule import secrecy_level
from tests.world.rule_facts import judge


@pytest.mark.parametrize("value", [None, 0, "0", "", " ", "Thường", "không mật", "LƯU HÀNH NỘI BỘ"])
@pytest.mark.parametrize("direction", ["out", "in"])
def test_open_documents(value, direction):
    assert judge(secrecy=value, direction=direction) == ()


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (1, "Mật"),
        ("2", "Tối mật"),
        ("TUYỆT  MẬT", "Tuyệt mật"),
        ("mật", "Mật"),
        (7, "7"),
        ("gì đó", "gì đó"),
    ],
)
@pytest.mark.parametrize("direction", ["out", "in"])
def test_a_stated_level_is_an_error_both_ways(value, level, direction):
    assert secrecy_level(value) == level
    (found,) = judge(secrecy=value, direction=direction)
    assert (found.rule, found.severity, found.refusal) == ("SEC-01", Severity.ERROR, "R11")
    assert level in found.vi


def test_stamps_on_page_1_are_named_once():
    (found,) = judge(secrecy_marks=("TỐI MẬT", "MẬT", "TỐI MẬT"))
    assert found.rule == "SEC-01"
    assert "MẬT, TỐI MẬT." in found.vi


def test_the_texts_say_nothing_of_the_document():
    (found,) = judge(secrecy=1)
    assert "chuyển đổi số" not in found.vi + found.en
