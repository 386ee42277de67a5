"""Agency codes: told apart by shape, compared folded, registered strictly.

Rules: ID-02, ID-03, ID-08.
"""

import pytest

from gateway.domain.finding import Severity
from gateway.domain.identifiers import (
    AgencyCode,
    CodeKind,
    classify,
    code_findings,
    fold,
    registration_findings,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("000.00.00.H37", CodeKind.LEGACY),
        ("000.12.31.H53", CodeKind.LEGACY),
        ("H37", CodeKind.NEW),
        ("H37.02.01", CodeKind.NEW),
        ("H37.DN.001", CodeKind.NEW),
        ("G12", CodeKind.NEW),
        ("28.22.H17", CodeKind.SHORTENED),
        ("01.K36", CodeKind.SHORTENED),
        ("02.29.W00", CodeKind.HUB),
        ("001.00.41.W00", CodeKind.HUB),
        ("W00", CodeKind.HUB),
        ("020100107370", CodeKind.ENTERPRISE),
        ("0100107370", CodeKind.ENTERPRISE),
        ("vxp.saas.02", CodeKind.LENIENT),
        ("001.00.20.TT2", CodeKind.LENIENT),
        ("h37", CodeKind.NEW),
        (" H37.02 ", CodeKind.NEW),
        ("null", CodeKind.BAD),
        ("", CodeKind.BAD),
        ("   ", CodeKind.BAD),
        ("H37..02", CodeKind.BAD),
        ("H37.", CodeKind.BAD),
        ("H37,02", CodeKind.BAD),
        ("H37/../etc", CodeKind.BAD),
        ("Đ37", CodeKind.BAD),
        ("H37.02\n<x>", CodeKind.BAD),
        ("H" + "3" * 35, CodeKind.BAD),
    ],
)
def test_shapes_met_on_the_wire(text, kind):
    assert classify(text) is kind


def test_the_longest_code_is_35_characters():
    code = "H37." + "A" * 31
    assert len(code) == 35
    assert classify(code) is CodeKind.NEW
    assert classify(code + "A") is CodeKind.BAD


def test_a_code_is_kept_as_written_and_compared_folded():
    code = AgencyCode(" h37.02 ")
    assert code.text == " h37.02 "
    assert code.key == "H37.02"
    assert code.same_as("H37.02")
    assert not code.same_as("02.H37")
    assert code.kind is CodeKind.NEW
    assert AgencyCode("14.00.W00").is_hub
    assert not code.is_hub


@pytest.mark.parametrize("text", ["H37", "H37.02", "000.00.00.H37", "020100107370"])
def test_codes_that_can_be_registered(text):
    assert registration_findings(text) == ()


@pytest.mark.parametrize(
    "text", ["h37", "H37..02", "H37." + "A" * 32, "02.H37", "vxp.saas.02", " H37", "02.29.W00", ""]
)
def test_codes_that_cannot_be_registered(text):
    (finding,) = registration_findings(text)
    assert finding.rule == "ID-03"
    assert finding.severity is Severity.ERROR
    assert finding.refusal == "R09"


def test_a_bad_code_on_the_wire_says_what_is_wrong():
    texts = {
        code: code_findings(code, "x", severity=Severity.WARNING)[0].en
        for code in ("", "null", "H37..02", "A" * 36)
    }
    assert "missing" in texts[""]
    assert "missing" in texts["null"]
    assert "malformed" in texts["H37..02"]
    assert "36" in texts["A" * 36]
    assert code_findings("h37", "x", severity=Severity.ERROR) == ()


def test_folding_is_idempotent():
    assert fold(fold(" h37.a ")) == fold(" h37.a ")
