"""Verification of one file of any kind: looks at what it is and asks who knows that kind.

Promises: never raises for what a file does; the same bytes, trust store and time give the same
report; nothing is fetched or written. A crash leaves nothing behind.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from gateway.trust import containers
from gateway.trust.anchors import TrustStore
from gateway.trust.pdf import ENGINE, verify_pdf
from gateway.trust.report import Verdict, VerificationReport
from gateway.trust.sniff import foreign_signature, looks_like_xml, looks_unsigned

Finish = Callable[[bytes, VerificationReport], VerificationReport]
"""Adds to the report of one file what is not about signatures."""


def _as_it_is(_: bytes, report: VerificationReport) -> VerificationReport:
    return report


def verify_file(
    data: bytes,
    *,
    sha256: str,
    at: datetime,
    store: TrustStore,
    pdf_expected: bool = True,
    finish: Finish = _as_it_is,
) -> VerificationReport:
    """Verify every signature of one file.

    Args:
        data: The whole file.
        sha256: Lower-case hex of `data`.
        at: The time the questions are asked for, aware.
        store: What the operator trusts.
        pdf_expected: A file of no kind that carries signatures is UNREADABLE; else UNSIGNED.
        finish: Completes the report of every file inside a container.

    Returns:
        The report, without secrecy marks but those `finish` found in parts.

    Source: SIG-40 to SIG-49.
    """
    if containers.is_zip(data):
        return _container(data, sha256, at, store, finish, depth=0)
    if looks_like_xml(data) and (pdf_expected or not looks_unsigned(data)):
        from gateway.trust.xmlsig.engine import verify_xml  # heavy: only for what needs it

        report = verify_xml(data, sha256=sha256, at=at, store=store)
        # A page of HTML that speaks of signatures is no broken XML.
        if pdf_expected or report.verdict is not Verdict.UNREADABLE or foreign_signature(data):
            return report
    return verify_pdf(data, sha256=sha256, at=at, store=store, pdf_expected=pdf_expected)


def _container(  # noqa: PLR0917
    data: bytes, sha256: str, at: datetime, store: TrustStore, finish: Finish, depth: int
) -> VerificationReport:
    base = VerificationReport(
        verdict=Verdict.UNSIGNED,
        sha256=sha256,
        size_bytes=len(data),
        verified_at=at,
        trust_sha256=store.sha256,
        engine=ENGINE,
        policy=store.policy_facts(),
    )

    def examine(part: bytes, at_depth: int) -> VerificationReport:
        digest = hashlib.sha256(part).hexdigest()
        if containers.is_zip(part):
            report = _container(part, digest, at, store, finish, at_depth)
        else:
            report = verify_file(part, sha256=digest, at=at, store=store, pdf_expected=False)
        return finish(part, report)

    return containers.verify_zip(data, base, examine, depth=depth)
