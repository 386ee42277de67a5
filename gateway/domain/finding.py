"""Findings: what a check saw, where, under which rule, and what to do. Pure values."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs: an error refuses, a warning is shown, a note is kept."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen by one rule (phát hiện).

    Args:
        rule: Rule id of the catalogue (`MD-01`), never empty.
        severity: See `Severity`.
        where: XPath in the packet, attachment name or field path; "" when it is the whole.
        vi: What is wrong and what to do, Vietnamese.
        en: The same in English.
        refusal: Code R01…R14 of spec A7 for the clerk's form, or "".
    """

    rule: str
    severity: Severity
    where: str
    vi: str
    en: str
    refusal: str = ""


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that refuse."""
    return tuple(f for f in findings if f.severity is Severity.ERROR)


def finding_json(finding: Finding) -> dict[str, str]:
    """Return a finding as the API and the ledger keep it."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "where": finding.where,
        "vi": finding.vi,
        "en": finding.en,
        "refusal": finding.refusal,
    }
