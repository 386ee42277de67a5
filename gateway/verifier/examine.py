"""One file from path to report: what the worker process does, callable in-process by tests.

Promises: a report for every file, whatever it does, short of killing the process. Reads the file,
writes nothing; a crash leaves nothing behind.
"""

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.rules.secrecy import secrecy_marks
from gateway.rules.urgency import urgency_marks
from gateway.trust.notes import note
from gateway.trust.report import Note, Verdict, VerificationReport
from gateway.trust.sniff import looks_unsigned
from gateway.verifier.firstpage import FirstPageError, first_page_text, plain_text

if TYPE_CHECKING:  # heavy: only the worker process loads it
    from gateway.trust.anchors import TrustStore

QUICK_ENGINE = "vanlien-trust 1"
_QUICK_HEAD_BYTES = 65536


def examine(
    path: Path, *, sha256: str, at: datetime, store: "TrustStore", pdf_expected: bool
) -> VerificationReport:
    """Verify one file and look for secrecy stamps on its first page.

    Args:
        path: The file.
        sha256: Lower-case hex of its bytes; "" to compute it here.
        at: The time the questions are asked for, aware.
        store: What the operator trusts.
        pdf_expected: A file that is no PDF is UNREADABLE; else UNSIGNED.

    Raises:
        OSError: The file cannot be opened.
    """
    from gateway.trust.verify import verify_file

    data = path.read_bytes()
    digest = sha256 or hashlib.sha256(data).hexdigest()
    report = verify_file(
        data, sha256=digest, at=at, store=store, pdf_expected=pdf_expected, finish=_with_marks
    )
    return _with_marks(data, report)


def _with_marks(data: bytes, report: VerificationReport) -> VerificationReport:
    """Return the report with the stamps of the file's first page, and of its parts."""
    if report.kind == "zip":
        return report  # those of its parts are there already
    try:
        # SEC-01 (S003 art 1.2, 12.1): the stamp is looked for in the text of page 1.
        text = first_page_text(data)
    except FirstPageError as exc:
        if report.verdict is Verdict.UNREADABLE:
            return report
        return replace(report, notes=(*report.notes, note("page-text-unread", exc)))
    return replace(
        report,
        secrecy_marks=secrecy_marks(text),
        page_text=bool(text.strip()),
        urgency_marks=urgency_marks(text),
    )


def quick_report(
    path: Path, *, sha256: str, size_bytes: int, at: datetime, trust_sha256: str
) -> VerificationReport | None:
    """Report on a file that needs no verifier process, None when it does.

    Plain files of other kinds than PDF and packed texts: they carry no signature, and their first
    page is their beginning. Costs tens of microseconds; safe on hostile bytes.

    Args:
        path: The file.
        sha256: Lower-case hex of its bytes.
        size_bytes: Of the file.
        at: The time the questions are asked for, aware.
        trust_sha256: Fingerprint of the trust directory.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_QUICK_HEAD_BYTES)
    except OSError:
        return None
    whole = head if len(head) < _QUICK_HEAD_BYTES else path
    return _quick(head, whole, sha256, size_bytes, at, trust_sha256)


def quick_report_of(
    data: bytes, *, sha256: str, at: datetime, trust_sha256: str
) -> VerificationReport | None:
    """Report on bytes in hand that need no verifier process, None when they do."""
    head = data[:_QUICK_HEAD_BYTES]
    return _quick(head, data, sha256, len(data), at, trust_sha256)


def _quick(  # noqa: PLR0917
    head: bytes,
    whole: bytes | Path,
    sha256: str,
    size_bytes: int,
    at: datetime,
    trust_sha256: str,
) -> VerificationReport | None:
    if head[:2] == b"PK" or b"%PDF-" in head[:1024] or not looks_unsigned(whole):
        return None
    return VerificationReport(
        verdict=Verdict.UNSIGNED,
        sha256=sha256,
        size_bytes=size_bytes,
        verified_at=at,
        trust_sha256=trust_sha256,
        engine=QUICK_ENGINE,
        secrecy_marks=secrecy_marks(plain_text(head)),
    )


def failed_report(
    verdict: Verdict, remark: Note, *, sha256: str, size_bytes: int, at: datetime, trust_sha256: str
) -> VerificationReport:
    """Report on a file that was not verified."""
    return VerificationReport(
        verdict=verdict,
        sha256=sha256,
        size_bytes=size_bytes,
        verified_at=at,
        trust_sha256=trust_sha256,
        engine=QUICK_ENGINE,
        notes=(remark,),
    )
