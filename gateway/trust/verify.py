"""Verification of one file of any kind: looks at what it is and asks who knows that kind.

Promises: never raises for what a file does; the same bytes, trust store and time give the same
report; nothing is fetched or written. A crash leaves nothing behind.
"""

from datetime import datetime

from gateway.trust.anchors import TrustStore
from gateway.trust.pdf import verify_pdf
from gateway.trust.report import VerificationReport


def verify_file(
    data: bytes,
    *,
    sha256: str,
    at: datetime,
    store: TrustStore,
    pdf_expected: bool = True,
) -> VerificationReport:
    """Verify every signature of one file.

    Args:
        data: The whole file.
        sha256: Lower-case hex of `data`.
        at: The time the questions are asked for, aware.
        store: What the operator trusts.
        pdf_expected: A file of no kind that carries signatures is UNREADABLE; else UNSIGNED.

    Returns:
        The report, without secrecy marks.

    Source: SIG-40 to SIG-49.
    """
    return verify_pdf(data, sha256=sha256, at=at, store=store, pdf_expected=pdf_expected)
