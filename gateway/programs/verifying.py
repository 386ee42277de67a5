"""Verdicts on the files of one document: every file examined once, the worst of them counts.

Promises: the trust state behind every report that is kept is durable before the report is committed
(SIG-47); a report is named by the digest of its own bytes, which the receipt log repeats. A crash
leaves at most a trust state that no report names yet.
"""

import asyncio
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway import observe
from gateway.domain.envelope import Attachment, Envelope
from gateway.domain.malware import Scan, ScanResult
from gateway.domain.moments import to_text
from gateway.ports import BlobInfo, Change, Insert
from gateway.programs.context import Context
from gateway.programs.rows import dumps
from gateway.trust.curable import Wait, waits_for
from gateway.trust.render import to_json
from gateway.trust.report import Verdict, VerificationReport

BACKGROUND: Final = -1
"""The lane below all others: what is looked at again never delays what is new."""

_IN_HAND: Final = 64 * 1024
_MOVED: Final = 3
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
        named: Digests of the files and of the reports kept, for the receipt log.
        packet: Report on the packet's own XML signature, None where it has none (SIG-08); it
            counts for nobody's verdict.
        scans: What the malware scanner said of each file, or of the packet where there is no file;
            empty where nobody scans (FMT-14).
    """

    reports: tuple[VerificationReport, ...]
    verdict: Verdict
    secrecy_marks: tuple[str, ...]
    rows: tuple[Change, ...]
    named: tuple[Mapping[str, str], ...] = ()
    packet: VerificationReport | None = None
    scans: tuple[Scan, ...] = ()

    @property
    def wait(self) -> Wait | None:
        """Return what an undetermined document waits for, None when its verdict is final."""
        return waits_for(self.reports) if self.verdict is Verdict.INDETERMINATE else None

    @property
    def unscanned(self) -> tuple[Scan, ...]:
        """Return the files that nobody scanned."""
        return tuple(s for s in self.scans if s.result is ScanResult.NOT_SCANNED)


async def verify_files(
    context: Context,
    attachments: Sequence[Attachment],
    at: datetime,
    *,
    lane: int = 0,
    packet: BlobInfo | None = None,
    received: BlobInfo | None = None,
) -> Verdicts:
    """Examine every file; never raises for what a file does.

    Args:
        context: Ports and policy.
        attachments: The files, main document first.
        at: The time the questions are asked for.
        lane: The document's urgency, or `BACKGROUND`.
        packet: The bytes of the packet as received, when it carries a real XML signature.
        received: The same for a document that is new here: its files are scanned for malware.

    Raises:
        UnavailableError: The verifier cannot be asked now; nothing was learnt.
    """
    files: list[Attachment | BlobInfo] = [*attachments]
    if packet is not None:
        files.append(packet)
    scanning = asyncio.ensure_future(_scanned(context, attachments, received))
    try:
        reports = await _all(context, files, at, lane)
        scans = await scanning
    finally:
        scanning.cancel()
    return _told(reports, len(attachments), scans)


async def _all(
    context: Context, files: Sequence[Attachment | BlobInfo], at: datetime, lane: int
) -> tuple[VerificationReport, ...]:
    if len(files) == 1:
        return (await _one(context, files[0], at, lane),)
    return tuple(await asyncio.gather(*(_one(context, f, at, lane) for f in files)))


async def _scanned(
    context: Context, attachments: Sequence[Attachment], received: BlobInfo | None
) -> tuple[Scan, ...]:
    """FMT-14: scan every file as it was unwrapped; the packet itself where it has none."""
    scanner, blobs = context.scanner, context.blobs
    if scanner is None or received is None:
        return ()
    now = context.clock.now()
    return tuple(
        await asyncio.gather(
            *(
                scanner.scan(
                    functools.partial(blobs.stream, f.sha256),
                    sha256=f.sha256,
                    size_bytes=f.size_bytes,
                    at=now,
                )
                for f in attachments or (received,)
            )
        )
    )


def _told(told: tuple[VerificationReport, ...], files: int, scans: tuple[Scan, ...]) -> Verdicts:
    reports = told[:files]
    kept = {row.values["id"]: row for row in (_kept(r) for r in told if _is_kept(r))}
    return Verdicts(
        reports,
        worst(reports),
        tuple(mark for r in reports for mark in r.secrecy_marks),
        tuple(kept.values()),
        tuple(
            {"sha256": row.values["sha256"], "report_sha256": name} for name, row in kept.items()
        ),
        told[-1] if len(told) > files else None,
        scans,
    )


def signed_packet(envelope: Envelope, received: BlobInfo) -> BlobInfo | None:
    """Return the packet as received when its own signature is to be verified, else None."""
    return received if envelope.header.has_xml_signature else None


async def _one(
    context: Context, attachment: Attachment | BlobInfo, at: datetime, lane: int
) -> VerificationReport:
    """Examine one file under a trust state that is kept (SIG-47)."""
    for _ in range(_MOVED):
        report = await _examined(context, attachment, at, lane)
        if context.evidence is None or not _is_kept(report):
            return report
        if await context.evidence.keep(report.trust_sha256):
            return report
    # Certificates change faster than we look: the verdict stands, `reverify` will say what lacks.
    observe.alarm(what="evidence not kept", subject=attachment.sha256)
    return report


async def _examined(
    context: Context, attachment: Attachment | BlobInfo, at: datetime, lane: int
) -> VerificationReport:
    if attachment.size_bytes <= _IN_HAND:
        data = b"".join([c async for c in context.blobs.stream(attachment.sha256)])
        report = context.verifier.quick(data, sha256=attachment.sha256, at=at)
        if report is not None:
            return report
    async with context.blobs.local(attachment.sha256) as path:
        return await context.verifier.verify(
            path,
            sha256=attachment.sha256,
            size_bytes=attachment.size_bytes,
            at=at,
            lane=lane,
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


def _is_kept(report: VerificationReport) -> bool:
    """Tell whether a report is evidence; nothing was asked of a file without a signature."""
    return report.verdict is not Verdict.UNSIGNED


def _kept(report: VerificationReport) -> Insert:
    text = dumps(to_json(report))
    return Insert(
        "verification",
        {
            "id": hashlib.sha256(text.encode()).hexdigest(),
            "sha256": report.sha256,
            "trust_sha256": report.trust_sha256,
            "verdict": report.verdict.value,
            "at": to_text(report.verified_at),
            "report": text,
        },
        ignore=True,
    )
