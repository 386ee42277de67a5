"""Which headline and which advice a report gets: the worst thing known, said once.

Pure. Cryptography, trust, time and changes were judged by the engine; here only words are chosen.
"""

from typing import Final

from gateway.reports.advice import BY_CASE, BY_SUB_INDICATION, Advice
from gateway.trust.headline import headline, signature_headline
from gateway.trust.report import SignatureFacts, Verdict, VerificationReport

_SEVERITY: Final = {
    Verdict.INVALID: 5,
    Verdict.UNREADABLE: 4,
    Verdict.INDETERMINATE: 3,
    Verdict.UNSIGNED: 2,
    Verdict.VALID: 1,
}
_WRAPPED: Final = frozenset(
    {
        "page-changed",
        "docmdp-violated",
        "byte-range",
        "unlisted-object",
        "xml-duplicate-id",
        "xml-wrapping",
    }
)
_HARMLESS: Final = frozenset({"none", "archive-data", "signature", ""})
_FILE_CASES: Final = {
    "hidden-signature": "hidden",
    "unreadable-after-signature": "changed-unclear",
    "unexplained-bytes": "changed-unclear",
    "unlisted-object": "changed",
    "verifier-failed": "verifier-failed",
    "too-large": "too-large",
    "encrypted": "encrypted",
    "unsupported-signature-kind": "unsupported",
    "unsupported-subfilter": "unsupported",
    "viewers-disagree": "changed-unclear",
    "no-trust": "no-trust",
    "trust-broken": "trust-broken",
    "too-many-signatures": "indeterminate",
}
_SIGNATURE_CASES: Final = {
    "unsupported-subfilter": "unsupported",
    "unexplained-bytes": "changed-unclear",
    "hidden-padding": "changed-unclear",
    "unclassified-change": "changed-unclear",
    "changed-before-next": "changed-unclear",
    "not-analysed": "not-analysed",
    "viewers-disagree": "changed-unclear",
    "xml-not-verifiable": "dummy-block",
    "xml-partial": "part-signed",
    "xml-unsigned-object": "part-signed",
}
_CHANGE_CASES: Final = {
    "other": "changed-unclear",
    "not-analysed": "not-analysed",
    "form-filling": "filled",
    "annotation": "filled",
}


def state_of(report: VerificationReport) -> str:
    """Return the headline state of a file: a key of `words.HEADLINES`."""
    return headline(report).state.value


def state_of_signature(signature: SignatureFacts) -> str:
    """Return the headline state of one signature."""
    return signature_headline(signature).state.value


def of_signature(signature: SignatureFacts) -> Advice:
    """Return what a clerk is told about one signature."""
    if signature.verdict is Verdict.VALID:
        noted = state_of_signature(signature) != "valid"
        if signature.role == "tsa" and not noted:
            return BY_CASE["timestamp"]
        return BY_CASE["noted"] if noted else BY_SUB_INDICATION["OK"]
    codes = {note.code for note in signature.notes}
    named = BY_SUB_INDICATION.get(signature.sub_indication)
    if signature.sub_indication == "OK":
        named = None
    invalid = signature.verdict is Verdict.INVALID
    if invalid and codes & _WRAPPED:
        return BY_CASE["changed"]
    if invalid and named is None and signature.later_changes not in _HARMLESS:
        return BY_CASE["changed"]
    if signature.later_changes in {"other", "not-analysed"} and (
        named is None or named.actor == "system"
    ):
        # Waiting for fresh lists would not mend a changed file.
        return BY_CASE[_CHANGE_CASES[signature.later_changes]]
    if named is not None:
        return named
    for code, case in _SIGNATURE_CASES.items():
        if code in codes:
            return BY_CASE[case]
    if signature.later_changes in _CHANGE_CASES:
        return BY_CASE[_CHANGE_CASES[signature.later_changes]]
    return BY_CASE["invalid" if invalid else "indeterminate"]


def of_file(report: VerificationReport) -> Advice:
    """Return what a clerk is told about one file."""
    codes = {note.code for note in report.notes}
    if report.verdict is Verdict.VALID and report.signatures:
        return BY_CASE["noted"] if state_of(report) != "valid" else BY_SUB_INDICATION["OK"]
    worst = worst_signature(report)
    if worst is not None and _SEVERITY[worst.verdict] >= _SEVERITY[report.verdict]:
        return of_signature(worst)
    for code, case in _FILE_CASES.items():
        if code in codes:
            return BY_CASE[case]
    if report.parts:
        return BY_CASE["parts"]
    match report.verdict:
        case Verdict.UNREADABLE:
            return BY_CASE["unreadable"]
        case Verdict.UNSIGNED if report.unsupported:
            return BY_CASE["unsupported"]
        case Verdict.UNSIGNED:
            return BY_CASE["only-timestamps" if "only-timestamps" in codes else "unsigned"]
        case Verdict.INVALID:
            return BY_CASE["invalid"]
        case _:
            return BY_CASE["indeterminate"]


def worst_signature(report: VerificationReport) -> SignatureFacts | None:
    """Return the first signature of the worst verdict, None when there is none."""
    return max(report.signatures, key=lambda s: _SEVERITY[s.verdict], default=None)
