"""Gathering the facts the rules look at, from catalogue and ledger, and asking all rules."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gateway.rules  # noqa: F401 - importing the package registers every rule
from gateway.domain.consignment import PlannedDelivery
from gateway.domain.directory import Resolved
from gateway.domain.document_id import render_document_id
from gateway.domain.envelope import BusinessType, Envelope, Header
from gateway.domain.finding import Finding, Severity
from gateway.domain.recall import may_change, targets
from gateway.ports import Caller, SubmitOptions
from gateway.programs.catalogue import family, today
from gateway.programs.context import Context
from gateway.programs.reading import ReadPacket
from gateway.programs.routing import LOCAL
from gateway.programs.verifying import Verdicts
from gateway.rules.facts import (
    ATTACHMENTS,
    Direction,
    EarlierDocument,
    Facts,
    FileFacts,
    HopLimit,
    Policy,
    Target,
)
from gateway.rules.registry import run_all
from gateway.rules.signature import legal_class
from gateway.trust.report import Verdict


async def judge(  # noqa: PLR0917
    context: Context,
    caller: Caller | None,
    read: ReadPacket,
    options: SubmitOptions,
    verdicts: Verdicts | None,
    direction: Direction,
) -> tuple[Finding, ...]:
    """Return the findings of every rule; without a verdict those of signatures are left out."""
    day = today(context)
    directory = context.directory()
    header = read.envelope.header
    facts = Facts(
        envelope=read.envelope,
        direction=direction,
        today=day,
        sender=directory.resolve(header.sender.organ_id, day),
        recipients=tuple(directory.resolve(r.organ_id, day) for r in header.recipients),
        speaks_for=caller.speaks_for if caller else None,
        files=tuple(
            FileFacts.of(a, read.heads.get(a.index, b"")) for a in read.envelope.attachments
        ),
        secrecy=options.secrecy,
        secrecy_marks=verdicts.secrecy_marks if verdicts else (),
        packet_bytes=_packet_bytes(read),
        limits=_limits(context, header) if direction == "out" else (),
        reports=verdicts.reports if verdicts else None,
        targets=await _targets(context, header) if direction == "out" else None,
        earlier=await _earlier(context, read.envelope) if direction == "out" else None,
        same_agency=lambda one, other: directory.same(one, other, day),
        policy=_policy(context, direction),
    )
    found = run_all(facts)
    return (*found, *_by_policy(context, verdicts)) if direction == "out" else found


def judge_signatures(
    context: Context, envelope: Envelope, verdicts: Verdicts, direction: Direction
) -> tuple[Finding, ...]:
    """Return only what a verdict that came later adds: signatures and secrecy stamps."""
    facts = Facts(
        envelope=envelope,
        direction=direction,
        today=today(context),
        secrecy_marks=verdicts.secrecy_marks,
        reports=verdicts.reports,
        policy=_policy(context, direction),
    )
    found = tuple(f for f in run_all(facts) if f.rule.startswith(("SIG-", "SEC-")))
    return (*found, *_by_policy(context, verdicts)) if direction == "out" else found


def _by_policy(context: Context, verdicts: Verdicts | None) -> tuple[Finding, ...]:
    """Return the refusal an operator asked for where the law only says "for reference"."""
    policy = context.policy
    strict = {
        Verdict.UNSIGNED: policy.outgoing_unsigned,
        Verdict.INDETERMINATE: policy.outgoing_indeterminate,
        Verdict.UNREADABLE: policy.outgoing_indeterminate,
    }
    if verdicts is None or strict.get(verdicts.verdict) != "refuse":
        return ()
    # SIG-02 (QĐ28 art 4.2): such a document is for reference only; this agency does not send it.
    return (
        Finding(
            "SIG-02",
            Severity.ERROR,
            ATTACHMENTS,
            f"Chính sách của cổng không cho gửi văn bản có kết quả “{verdicts.verdict.value}”. Ký "
            "số đầy đủ rồi gửi lại.",
            f"This gateway's policy does not send a document that is {verdicts.verdict.value}. "
            "Sign it and send again.",
            "R03",
        ),
    )


def _policy(context: Context, direction: Direction) -> Policy:
    refuses = direction == "out" and context.policy.outgoing_invalid == "refuse"
    return replace(context.policy.rules, refuse_invalid_out=refuses)


def _packet_bytes(read: ReadPacket) -> int:
    """Return what the message will weigh when it leaves: files in base64, and its header."""
    files = sum(a.size_bytes for a in read.envelope.attachments)
    return files * 4 // 3 + 16 * 1024


def _limits(context: Context, header: Header) -> tuple[HopLimit, ...]:
    day, directory = today(context), context.directory()
    found = [directory.resolve(r.organ_id, day) for r in header.recipients]
    hops = {f.agency.hop for f in found if isinstance(f, Resolved) and f.agency.hop}
    return tuple(HopLimit(hop, context.peer(hop).max_bytes) for hop in sorted(hops - {LOCAL}))


async def _targets(context: Context, header: Header) -> tuple[Target, ...] | None:
    """Look up what a recall, update or replacement is about (REC-05, REC-06)."""
    if header.business.doc_type is BusinessType.NEW:
        return None
    day, directory = today(context), context.directory()
    sender = directory.resolve(header.sender.organ_id, day).canonical
    senders = family(context, sender)
    own = await context.ledger.all(
        "consignment_versions", senders=senders, document_id=header.document_id
    )
    found = []
    for document_id in targets(header, own_id_exists=bool(own)):
        rows = await context.ledger.all("consignments_named", document_id=document_id)
        allowed = any(may_change(r["sender"], sender, directory, day) for r in rows)
        found.append(Target(document_id, bool(rows), allowed))
    return tuple(found)


async def _earlier(context: Context, envelope: Envelope) -> EarlierDocument | None:
    """Look for a document with the same number, notation, date and main file (DID-07)."""
    header = envelope.header
    if not header.code_number or header.promulgation_date is None or not envelope.attachments:
        return None
    sender = context.directory().resolve(header.sender.organ_id, today(context)).canonical
    row = await context.ledger.one(
        "consignment_likeness",
        senders=family(context, sender),
        code_number=header.code_number,
        code_notation=header.code_notation,
        promulgation_date=header.promulgation_date.isoformat(),
        main_sha256=envelope.attachments[0].sha256,
    )
    if row is None or row["document_id"] == _own_id(context, header, sender):
        return None
    return EarlierDocument(row["document_id"] or row["id"], header.full_code)


def _own_id(context: Context, header: Header, sender: str) -> str:
    """Return the identifier the submission will bear, as far as known before numbering."""
    written = header.document_id.strip()
    if written or header.promulgation_date is None:
        return written
    return render_document_id(
        sender, header.promulgation_date, header.code_number, header.code_notation
    )


def refuse_all(planned: Sequence[PlannedDelivery]) -> tuple[Finding, ...]:
    """Return error findings for recipients that sink an all-or-nothing sending."""
    return tuple(
        Finding(
            "SND-04",
            Severity.ERROR,
            f"To[OrganId='{p.agency}']",
            f"Đơn vị nhận {p.agency} không gửi được ({p.reason}); yêu cầu gửi trọn gói nên từ chối "
            "tất cả. Bỏ đơn vị này hoặc bỏ all_or_nothing.",
            f"Recipient {p.agency} cannot be reached ({p.reason}); all_or_nothing refuses the "
            "whole sending. Leave it out, or drop all_or_nothing.",
            "R09",
        )
        for p in planned
        if p.reason is not None
    )


def legal_class_of(verdicts: Verdicts) -> str:
    """Return the legal value of a document: original, reference, unsigned… (SIG-01, SIG-02)."""
    return legal_class(verdicts.reports).value


def findings_from_json(text: str) -> tuple[Finding, ...]:
    """Return the findings kept with a document."""
    rows: list[dict[str, Any]] = json.loads(text)
    return tuple(Finding(**(r | {"severity": Severity(r["severity"])})) for r in rows)
