"""Verdicts on the files of one document: every file examined once, the worst of them counts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.envelope import Attachment
from gateway.domain.moments import to_text
from gateway.ports import Change, Insert
from gateway.programs.context import Context
from gateway.programs.rows import dumps
from gateway.trust.render import to_json
from gateway.trust.report import Verdict, VerificationReport

_IN_HAND: Final = 64 * 1024
_SEVERITY: Final = {
    Verdict.INVALID: 5,
    Verdict.UNREADABLE: 4,
    Verdict.INDETERMINATE: 3,
}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Reports of all files, in order, and what they make of the document.

    Args:
        reports: One a file.
        verdict: Worst of all; with nothing bad, the main document's own.
        secrecy_marks: Stamps seen on page 1 of any file (SEC-01).
        rows: Reports to be kept with the document.
    """

    reports: tuple[VerificationReport, ...]
    verdict: Verdict
    secrecy_marks: tuple[str, ...]
    rows: tuple[Change, ...]


async def verify_files(
    context: Context, attachments: Sequence[Attachment], at: datetime
) -> Verdicts:
    """Examine every file; never raises for what a file does.

    Raises:
        UnavailableError: The verifier cannot be asked now; nothing was learnt.
    """
    if len(attachments) == 1:
        reports: tuple[VerificationReport, ...] = (await _one(context, attachments[0], at),)
    else:
        reports = tuple(await asyncio.gather(*(_one(context, a, at) for a in attachments)))
    return Verdicts(
        reports,
        worst(reports),
        tuple(mark for r in reports for mark in r.secrecy_marks),
        tuple(_kept(r) for r in reports if r.verdict is not Verdict.UNSIGNED),
    )


async def _one(context: Context, attachment: Attachment, at: datetime) -> VerificationReport:
    if attachment.size_bytes <= _IN_HAND:
        data = b"".join(context.blobs.chunks(attachment.sha256))
        report = context.verifier.quick(data, sha256=attachment.sha256, at=at)
        if report is not None:
            return report
    async with context.blobs.local(attachment.sha256) as path:
        return await context.verifier.verify(
            path, sha256=attachment.sha256, size_bytes=attachment.size_bytes, at=at
        )


def worst(reports: Sequence[VerificationReport]) -> Verdict:
    """Return the document's verdict: any bad file counts, an unsigned annex does not.

    FMT-01, F19: annexes such as .docx cannot be signed and are material; the main document decides
    between valid and unsigned.
    """
    bad = [r.verdict for r in reports if r.verdict in _SEVERITY]
    if bad:
        return max(bad, key=_SEVERITY.__getitem__)
    return reports[0].verdict if reports else Verdict.UNSIGNED


def _kept(report: VerificationReport) -> Insert:
    return Insert(
        "verification",
        {
            "sha256": report.sha256,
            "trust_sha256": report.trust_sha256,
            "verdict": report.verdict.value,
            "at": to_text(report.verified_at),
            "report": dumps(to_json(report)),
        },
        ignore=True,
    )
