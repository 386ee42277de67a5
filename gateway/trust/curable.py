"""Which undetermined verdicts may still become final, and what they wait for.

Promises: only what more data or another try can change is called curable; an expired certificate, a
weak algorithm or an unexplained change is not, however often one looks. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.trust.report import (
    Answer,
    RevocationFacts,
    SignatureFacts,
    Verdict,
    VerificationReport,
)

ANY_ISSUER: Final = "*"
"""What is waited for cannot be told apart by issuer."""


class Cause(StrEnum):
    """What an undetermined verdict waits for.

    `revocation`: a list or answer of an authority we know; `chain`: a certificate nobody gave us;
    `verifier`: a verifier process that does not fail.
    """

    REVOCATION = "revocation"
    CHAIN = "chain"
    VERIFIER = "verifier"


@dataclass(frozen=True, slots=True)
class Wait:
    """What a document waits for.

    Args:
        cause: The first that keeps it, in the order of `Cause`.
        issuers: Whose fresh lists may help, by distinguished and common name, or `ANY_ISSUER`.
    """

    cause: Cause
    issuers: tuple[str, ...]


# SIG-42 (NĐ68 art 31.2), F09: unknown is not valid, and not final either.
_REVOCATION: Final = frozenset({"TRY_LATER", "CERTIFICATE_CHAIN_GENERAL_FAILURE"})
_CHAIN: Final = frozenset({"NO_CERTIFICATE_CHAIN_FOUND", "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"})
_FAILED: Final = "verifier-failed"


def waits_for(reports: Sequence[VerificationReport]) -> Wait | None:
    """Return what an undetermined document waits for, None when nothing can change its verdict.

    Args:
        reports: One a file, as the document's verdict was made of them.
    """
    causes: set[Cause] = set()
    issuers: set[str] = set()
    for report in _examined(reports):
        if any(n.code == _FAILED for n in report.notes):
            causes.add(Cause.VERIFIER)
        for signature in report.signatures:
            cause = _cause(signature)
            if cause is not None:
                causes.add(cause)
                issuers |= _issuers(signature, cause)
    if not causes:
        return None
    first = next(cause for cause in Cause if cause in causes)
    return Wait(first, tuple(sorted(issuers or {ANY_ISSUER})))


def _examined(reports: Iterable[VerificationReport]) -> Iterator[VerificationReport]:
    """Yield the undetermined reports, files inside containers included."""
    for report in reports:
        if report.verdict is Verdict.INDETERMINATE:
            yield report
        yield from _examined(part.report for part in report.parts if part.report is not None)


def _cause(signature: SignatureFacts) -> Cause | None:
    if signature.verdict is not Verdict.INDETERMINATE:
        return None
    said = {signature.sub_indication} | {t.sub_indication for t in signature.timestamps}
    unknown = signature.not_revoked is Answer.UNKNOWN and signature.trusted is Answer.YES
    if said & _REVOCATION or unknown:
        return Cause.REVOCATION
    return Cause.CHAIN if said & _CHAIN else None


def _issuers(signature: SignatureFacts, cause: Cause) -> set[str]:
    """Return the names of the authorities whose lists are missing."""
    unknown = [r for r in signature.revocation if r.status == "unknown"]
    if cause is not Cause.REVOCATION or not unknown:
        return {ANY_ISSUER}
    return set().union(*(_issuer(signature, entry) for entry in unknown))


def _issuer(signature: SignatureFacts, entry: RevocationFacts) -> set[str]:
    path = [c for c in (signature.signer, *signature.chain) if c is not None]
    found = next((c for c in path if c.sha256 == entry.sha256), None)
    if found is None:
        return {ANY_ISSUER}
    above = {c.common_name for c in path if c.subject == found.issuer}
    return {found.issuer, *above} - {""}


def gist(reports: Sequence[VerificationReport]) -> tuple[object, ...]:
    """Return what makes a verdict another one for a clerk: equal gists need not be told again."""
    return tuple(
        (
            report.verdict.value,
            tuple(
                (
                    s.field,
                    s.verdict.value,
                    s.sub_indication,
                    s.intact.value,
                    s.trusted.value,
                    s.not_revoked.value,
                )
                for s in report.signatures
            ),
            gist([p.report for p in report.parts if p.report is not None]),
        )
        for report in reports
    )
