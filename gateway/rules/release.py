"""As what a document may be released: bản gốc, bản sao, or only để biết, tham khảo. Pure.

Everything wrong is kept together with its rule; what refuses, what only takes the value of an
original away, and what is merely said are told apart here and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.domain.machine import Text
from gateway.rules.holders import FROM
from gateway.rules.signature import LegalClass


class ReleasedAs(StrEnum):
    """What the sender issues a document as."""

    ORIGINAL = "original"
    COPY = "copy"
    REFERENCE = "reference"
    NOT = ""


RELEASE_TEXTS: Final[dict[ReleasedAs, Text]] = {
    ReleasedAs.ORIGINAL: Text("Bản gốc", "Original"),
    ReleasedAs.COPY: Text("Bản sao", "Copy"),
    ReleasedAs.REFERENCE: Text("Để biết, tham khảo", "For information and reference"),
    ReleasedAs.NOT: Text("Chưa phát hành được", "Cannot be issued yet"),
}

# SIG-01…SIG-04c, SIG-07 and what keeps a signature from counting; appearance (SIG-2x) and the name
# of a person (SIG-51) are shown and take nothing away.
_TAKES_AWAY: Final = frozenset(
    {
        *("SIG-01", "SIG-02", "SIG-03", "SIG-04b", "SIG-04c", "SIG-07"),
        *("SIG-40", "SIG-41", "SIG-42", "SIG-43", "SIG-48", "SIG-49", "SIG-52", "SIG-60"),
    }
)


@dataclass(frozen=True, slots=True)
class Release:
    """What may be done with a document now.

    Args:
        may: As what it may be issued.
        errors: What refuses it altogether.
        lacks: What keeps it from being an original or a copy.
        others: What is said besides.
    """

    may: ReleasedAs
    errors: tuple[Finding, ...]
    lacks: tuple[Finding, ...]
    others: tuple[Finding, ...]


def release_of(findings: Sequence[Finding], legal: LegalClass | None) -> Release:
    """Return as what a document may be released.

    Args:
        findings: Of all rules.
        legal: Its legal class; None before a verdict: nothing may be claimed then.

    Source: SIG-01, SIG-02, SIG-04c, SIG-07, F08, F19, SEC-01.
    """
    errors = tuple(f for f in findings if f.severity is Severity.ERROR)
    rest = tuple(f for f in findings if f.severity is not Severity.ERROR)
    lacks = tuple(f for f in rest if f.severity is Severity.WARNING and _takes_away(f))
    others = tuple(f for f in rest if f not in lacks)
    if errors:
        return Release(ReleasedAs.NOT, errors, lacks, others)
    if legal is LegalClass.ORIGINAL and not lacks:
        return Release(ReleasedAs.ORIGINAL, (), (), others)
    if legal is LegalClass.COPY and not lacks:
        return Release(ReleasedAs.COPY, (), (), others)
    return Release(ReleasedAs.REFERENCE, (), lacks, others)


def _takes_away(finding: Finding) -> bool:
    # SIG-01 (S003 art 5): the agency that issues signs. A seal known to be another's is not its
    # own, whatever it proves; where names cannot be compared it is a note, and takes nothing away.
    return finding.rule in _TAKES_AWAY or (finding.rule == "SIG-51" and finding.where == FROM)
