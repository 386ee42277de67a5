"""Verdicts on the files of one document: every file examined once, the worst of them counts.

Promises: the trust state behind every report that is kept is durable before the report is committed
(SIG-47); a report is named by the digest of its own bytes, which the receipt log repeats. A crash
leaves at most a trust state that no report names yet.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway import observe
from gateway.domain.envelope import Attachment, Envelope
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
    """

    reports: tuple[VerificationReport, ...]
    verdict: Verdict
    secrecy_marks: tuple[str, ...]
    rows: tuple[Change, ...]
    named: tuple[Mapping[str, str], ...] = ()
    packet: VerificationReport | None = None

    @property
    def wait(self) -> Wait | None:
        """Return what an undetermined document waits for, None when its verdict is final."""
        return waits_for(self.reports) if self.verdict is Verdict.INDETERMINATE else None


async def verify_files(
    context: Context,
    attachments: Sequence[Attachment],
    at: datetime,
    *,
    lane: int = 0,
    packet: BlobInfo | None = None,
) -> Verdicts:
    """Examine every file; never raises for what a file does.

    Args:
        context: Ports and policy.
        attachments: The files, main document first.
        at: The time the questions are asked for.
        lane: The document's urgency, or `BACKGROUND`.
        packet: The bytes of the packet as received, when it carries a real XML signature.

    Raises:
        UnavailableError: The verifier cannot be asked now; nothing was learnt.
    """
    files: list[Attachment | BlobInfo] = [*attachments]
    if packet is not None:
        files.append(packet)
    if len(files) == 1:
        told: tuple[VerificationReport, ...] = (await _one(context, files[0], at, lane),)
    else:
        told = tuple(await asyncio.gather(*(_one(context, f, at, lane) for f in files)))
    reports = told[: len(attachments)]
    kept = {row.values["id"]: row for row in (_kept(r) for r in told if _is_kept(r))}
    return Verdicts(
        reports,
        worst(reports),
        tuple(mark for r in reports for mark in r.secrecy_marks),
        tuple(kept.values()),
        tuple(
            {"sha256": row.values["sha256"], "report_sha256": name} for name, row in kept.items()
        ),
        None if packet is None else told[-1],
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
