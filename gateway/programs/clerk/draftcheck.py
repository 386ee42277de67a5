"""Looking at a draft as its release will: rules, verdicts, recipients, deadline, all at once.

Promises: the same rules and verdicts as at the door (`gateway.programs.intake`), so that what is
shown as good is taken; a verdict that is not there yet is said, never guessed. Writes nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.codec.names import safe_name
from gateway.domain.consignment import Repeat, plan_deliveries
from gateway.domain.drafting import change_of, header_of, read_fields
from gateway.domain.envelope import (
    Attachment,
    BusinessType,
    Envelope,
    Header,
    ManifestEntry,
)
from gateway.domain.finding import Finding, Severity
from gateway.domain.malware import ScanResult
from gateway.domain.numbering import issue_counter
from gateway.domain.paper import PaperRule, paper_rule
from gateway.domain.worktime import IssueDeadline, issue_deadline
from gateway.errors import CATALOGUE, Reason, RejectedError, UnavailableError
from gateway.ports import BlobInfo, Caller, SubmitOptions
from gateway.ports.clerk_send import Check, Chosen, Draft, DraftFile, FileSeen
from gateway.programs import repeats, scanning
from gateway.programs.acceptance import CONSOLE
from gateway.programs.catalogue import numbered_here, today, whois
from gateway.programs.context import Context
from gateway.programs.judging import judge, legal_class_of
from gateway.programs.reading import HEAD_BYTES, ReadPacket
from gateway.programs.verifying import Verdicts, verify_files
from gateway.rules.facts import ATTACHMENTS, MESSAGE_HEADER
from gateway.rules.recall import own_number_finding
from gateway.rules.release import release_of
from gateway.rules.signature import LegalClass
from gateway.trust.report import Verdict, VerificationReport

_NO_PACKET = BlobInfo("", 0)
_NO_FILES = Verdicts((), Verdict.UNSIGNED, (), ())


@dataclass(frozen=True, slots=True)
class ClerkPolicy:
    """What an operator set about sending.

    Args:
        paper: When paper goes along (SND-06).
        deadline: How late is still in time (SND-01, SND-02).
        follow_up_after: After how long a receiver's silence is pointed out (SND-08).
    """

    paper: tuple[PaperRule, ...] = ()
    deadline: IssueDeadline = IssueDeadline.MORNING
    follow_up_after: timedelta = timedelta(hours=24)


def caller_of(agency: str) -> Caller:
    """Return as whom a clerk of an agency sends."""
    return Caller(f"console:{agency}", frozenset({agency}))


def draft_header(context: Context, policy: ClerkPolicy, draft: Draft) -> Header:
    """Return the header a draft stands for; RejectedError(NOT_FOUND) for an unknown agency."""
    agency = context.directory().get(draft.agency)
    if agency is None:
        raise RejectedError(Reason.NOT_FOUND)
    type_name = draft.form.get("type_name", "")
    paper = any(paper_rule(policy.paper, r.code, type_name) for r in draft.recipients)
    return header_of(agency, draft.form, draft.recipients, paper=paper)


def attachments_of(files: Sequence[DraftFile]) -> tuple[Attachment, ...]:
    """Return a draft's files as attachments of a message."""
    return tuple(
        Attachment(
            index=n,
            name=file.name,
            safe_name=safe_name(file.name, f"tep-{n + 1}"),
            content_id=f"tep-{n + 1}",
            content_type=file.content_type,
            description="",
            sha256=file.sha256,
            size_bytes=file.size_bytes,
        )
        for n, file in enumerate(files)
    )


async def packet_of(context: Context, header: Header, files: Sequence[DraftFile]) -> ReadPacket:
    """Return the message a form and its files would be."""
    attachments = attachments_of(files)
    manifest = tuple(ManifestEntry(a.content_id, a.content_type, "", a.name) for a in attachments)
    heads = {a.index: await _head(context, a.sha256) for a in attachments}
    header = replace(header, document_id=header.document_id.strip())
    return ReadPacket(Envelope(header, manifest, attachments), (), _NO_PACKET, heads)


async def _head(context: Context, sha256: str) -> bytes:
    head = b""
    async for chunk in context.blobs.stream(sha256):
        head += chunk[: HEAD_BYTES - len(head)]
        if len(head) >= HEAD_BYTES:
            break
    return head


async def verdicts_of(context: Context, read: ReadPacket) -> Verdicts | None:
    """Return the verdicts on all files; None while they cannot be had in time."""
    files = read.envelope.attachments
    if not files:
        return _NO_FILES
    try:
        async with asyncio.timeout(context.policy.verify_budget.total_seconds()):
            lane = int(read.envelope.header.urgency)
            now = context.clock.now()
            found = await verify_files(context, files, now, lane=lane, received=read.received)
            return None if scanning.is_owed(context, found) else found
    except (TimeoutError, UnavailableError):
        return None


async def check(context: Context, policy: ClerkPolicy, draft: Draft) -> Check:
    """Return everything that is to be said of a draft."""
    header = draft_header(context, policy, draft)
    read = await packet_of(context, header, draft.files)
    verdicts = await verdicts_of(context, read)
    findings = [*read_fields(draft.form).faults]
    caller, options = caller_of(draft.agency), SubmitOptions(via=CONSOLE)
    identity = repeats.identify(context, read.envelope, draft.agency)
    planned = plan_deliveries(header.recipients, context.directory(), today(context))
    known = await repeats.look(context, identity, planned)
    findings += await judge(context, caller, read, options, verdicts, "out", (identity, known))
    if identity.unusable is not None:
        findings += identity.unusable.findings
    findings += _again(known)
    if change_of(draft.form) is BusinessType.REPLACE and not header.document_id:
        # A form's identifier is given on acceptance: REC-04 is asked of the one it will have.
        named = draft.form.get("changes", "")
        findings += [own_number_finding()] if named and named == identity.document_id else []
    legal = None
    if verdicts is None:
        findings.append(_PENDING)
    elif draft.files:
        legal = LegalClass(legal_class_of(verdicts, read.envelope, draft.agency))
    deadline = _deadline(context, policy, draft, header)
    return Check(
        release=release_of(findings, legal),
        legal_class=legal.value if legal is not None else "",
        files=_seen(verdicts, len(draft.files)),
        chosen=chosen(context, policy, draft),
        verdict=verdicts.verdict.value if verdicts is not None else "pending",
        deadline=deadline,
        late=deadline is not None and context.clock.now() >= deadline,
        number_hint=await _next_number(context, draft, header),
    )


# Without a verdict nothing is an original: unknown is never valid (SIG-02).
_PENDING = Finding(
    "SIG-42",
    Severity.WARNING,
    ATTACHMENTS,
    "Chữ ký đang được kiểm tra, chưa có kết quả. Chờ vài phút rồi kiểm tra lại.",
    "The signatures are still being verified. Wait some minutes, then check again.",
)


def _again(known: repeats.Known) -> list[Finding]:
    kind = known.judgement.kind
    where = f"{MESSAGE_HEADER}/DocumentId"
    if kind is Repeat.CONFLICT:
        return [
            Finding(
                "DID-07",
                Severity.ERROR,
                where,
                "Văn bản cùng số, ký hiệu, ngày đã được gửi với nội dung khác. Dùng số khác, hoặc "
                "gửi bản cập nhật, thay thế từ trang văn bản đã gửi.",
                "A document of this number, notation and date was sent with other content. Use "
                "another number, or send an update or replacement from that document's page.",
                "R10",
            )
        ]
    if kind is Repeat.SAME:
        return [
            Finding(
                "DID-07",
                Severity.ERROR,
                where,
                "Chính văn bản này đã được gửi tới các nơi nhận này. Không cần gửi lại.",
                "This very document was sent to these recipients. There is no need to send again.",
                "R10",
            )
        ]
    return []


# ---------------------------------------------------------------- files, recipients, times


def _seen(verdicts: Verdicts | None, count: int) -> tuple[FileSeen, ...]:
    if verdicts is None:
        return tuple(FileSeen("pending") for _ in range(count))
    scans = {s.sha256: s.result for s in verdicts.scans}
    return tuple(_one_seen(r, scans.get(r.sha256)) for r in verdicts.reports)


def _one_seen(report: VerificationReport, scan: ScanResult | None) -> FileSeen:
    signers = tuple(
        s.signer.common_name or s.signer.organization
        for s in report.signatures
        if s.signer is not None
    )
    return FileSeen(report.verdict.value, signers, scan.value if scan is not None else "")


def chosen(context: Context, policy: ClerkPolicy, draft: Draft) -> tuple[Chosen, ...]:
    """Return a draft's recipients as the catalogue has them today."""
    type_name = draft.form.get("type_name", "")
    return tuple(_one_chosen(context, policy, r.code, r.name, type_name) for r in draft.recipients)


def _one_chosen(
    context: Context, policy: ClerkPolicy, code: str, name: str, type_name: str
) -> Chosen:
    who = whois(context, code)
    rule = paper_rule(policy.paper, who.canonical, type_name)
    heirs = dict.fromkeys((*filter(None, (who.successor,)), *who.candidates))
    named = tuple((heir, whois(context, heir).name) for heir in heirs)
    problem = None
    if who.problem is not None:
        row = CATALOGUE[who.problem]
        problem = (row.vi, row.en)
    return Chosen(
        code,
        who.name or name,
        problem,
        who.problem is not Reason.NOT_CONNECTED,
        named,
        (rule.purpose or rule.source or "SND-06") if rule is not None else "",
    )


def _deadline(
    context: Context, policy: ClerkPolicy, draft: Draft, header: Header
) -> datetime | None:
    # SND-01 (S003 art 7.2): counted from the document's own date, which is the day it is signed.
    if header.promulgation_date is None:
        return None
    try:
        hours = context.calendar(draft.agency)
        return issue_deadline(header.promulgation_date, hours, policy.deadline)
    except (ValueError, OverflowError):  # a date beyond any calendar: MD-05 speaks of it
        return None


async def _next_number(context: Context, draft: Draft, header: Header) -> int | None:
    if not numbered_here(context, draft.agency):
        return None
    day = header.promulgation_date or today(context)
    try:
        key = issue_counter(draft.agency, day)
    except ValueError:
        return None
    row = await context.ledger.one("counter", agency=key.agency, year=key.year, series=key.series)
    return int(row["last"]) + 1 if row is not None else 1
