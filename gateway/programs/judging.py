"""Gathering the facts the rules look at, from catalogue and ledger, and asking all rules."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import gateway.rules  # noqa: F401 - importing the package registers every rule
from gateway.domain.consignment import PlannedDelivery
from gateway.domain.directory import Resolved
from gateway.domain.envelope import BusinessType, Envelope, Header
from gateway.domain.finding import Finding, Severity
from gateway.domain.recall import may_change, targets
from gateway.ports import Caller, Row, SubmitOptions
from gateway.programs.catalogue import family, today
from gateway.programs.context import Context
from gateway.programs.deciding import action_of, decided
from gateway.programs.reading import ReadPacket
from gateway.programs.repeats import Identity, Known, is_dead, is_same
from gateway.programs.routing import LOCAL
from gateway.programs.senders import names_of
from gateway.programs.verifying import Verdicts
from gateway.rules.facts import (
    MESSAGE_HEADER,
    Direction,
    EarlierDocument,
    Facts,
    FileFacts,
    HopLimit,
    Policy,
    Target,
)
from gateway.rules.registry import run_all
from gateway.rules.signature import class_of
from gateway.rules.signers import codes_of
from gateway.trust.report import Verdict

# What `rules.identity` says of recipients that cannot be reached.
_UNREACHED: Final = frozenset({"ID-05", "ID-09", "SND-04"})


async def judge(  # noqa: PLR0917
    context: Context,
    caller: Caller | None,
    read: ReadPacket,
    options: SubmitOptions,
    verdicts: Verdicts | None,
    direction: Direction,
    compared: tuple[Identity, Known] | None = None,
) -> tuple[Finding, ...]:
    """Return the findings of every rule; without a verdict those of signatures are left out.

    `compared` is the submission beside what is on record (DID-07), None where nobody looked.
    """
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
        packet=verdicts.packet if verdicts else None,
        scans=verdicts.scans if verdicts else (),
        names=names_of(directory, read.envelope, day),
        targets=await _targets(context, header) if direction == "out" else None,
        earlier=_earlier(compared) if compared is not None else None,
        same_agency=lambda one, other: directory.same(one, other, day),
        policy=_policy(context, read.envelope, verdicts, direction),
    )
    return decided(context, read.envelope, verdicts, direction, run_all(facts))


def judge_signatures(
    context: Context, envelope: Envelope, verdicts: Verdicts, direction: Direction
) -> tuple[Finding, ...]:
    """Return only what a verdict that came later adds: signatures, secrecy stamps, malware."""
    day = today(context)
    facts = Facts(
        envelope=envelope,
        direction=direction,
        today=day,
        secrecy_marks=verdicts.secrecy_marks,
        reports=verdicts.reports,
        packet=verdicts.packet,
        scans=verdicts.scans,
        names=names_of(context.directory(), envelope, day),
        policy=_policy(context, envelope, verdicts, direction),
    )
    found = tuple(f for f in run_all(facts) if f.rule.startswith(("SIG-", "SEC-", "FMT-14")))
    return decided(context, envelope, verdicts, direction, found)


def _policy(
    context: Context, envelope: Envelope, verdicts: Verdicts | None, direction: Direction
) -> Policy:
    refuses = (
        direction == "out"
        and verdicts is not None
        and verdicts.verdict is Verdict.INVALID
        and action_of(context, envelope, verdicts, direction) == "refuse"
    )
    return replace(context.policy.rules, refuse_invalid_out=refuses)


def _packet_bytes(read: ReadPacket) -> int:
    """Return what the message will weigh when it leaves: files in base64, and its header."""
    files = sum(a.size_bytes for a in read.envelope.attachments)
    return files * 4 // 3 + 16 * 1024 + 1024 * len(read.envelope.header.recipients)


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


def _earlier(compared: tuple[Identity, Known]) -> EarlierDocument | None:
    """Return the same document under another identity of the sender (DID-07).

    First the identifier, sent by a predecessor or successor; then number, notation, date and main
    file under another identifier. What was refused or shut away since is not named.
    """
    identity, known = compared
    header = identity.envelope.header
    near = [row for row in known.near if not is_dead(row)]
    if identity.document_id and header.business.doc_type is BusinessType.NEW:
        for row in near:
            if row["document_id"] == identity.document_id and row["sender"] != identity.sender:
                return _named(row, same_identifier=True)
    files = identity.envelope.attachments
    if not header.code_number or header.promulgation_date is None or not files:
        return None
    for row in near:
        if row["main_sha256"] == files[0].sha256 and not is_same(row, identity):
            return _named(row, same_identifier=False)
    return None


def _named(row: Row, *, same_identifier: bool) -> EarlierDocument:
    number, notation = row["code_number"], row["code_notation"]
    dated = row["promulgation_date"]
    return EarlierDocument(
        row["document_id"] or row["id"],
        f"{number}/{notation}" if notation else number,
        date.fromisoformat(dated) if dated else None,
        same_identifier,
    )


def refuse_all(
    header: Header, planned: Sequence[PlannedDelivery], findings: Sequence[Finding]
) -> tuple[Finding, ...]:
    """Return the findings with every recipient that sinks an all-or-nothing sending as an error.

    Args:
        header: Whose recipients are numbered in the findings' paths.
        planned: The deliveries asked for.
        findings: With the warnings about recipients that cannot be reached.
    """
    sunk = {code for p in planned if p.reason is not None for code in p.addressed_as}
    paths = {
        f"{MESSAGE_HEADER}/To[{position}]/OrganId"
        for position, recipient in enumerate(header.recipients, 1)
        if recipient.organ_id in sunk
    }
    return tuple(
        replace(
            f,
            severity=Severity.ERROR,
            vi=f"{f.vi} Yêu cầu gửi trọn gói nên từ chối tất cả: bỏ nơi nhận này hoặc bỏ "
            "all_or_nothing.",
            en=f"{f.en} all_or_nothing refuses the whole sending: leave this recipient out, or "
            "drop all_or_nothing.",
        )
        if f.where in paths and f.rule in _UNREACHED
        else f
        for f in findings
    )


def legal_class_of(verdicts: Verdicts, envelope: Envelope, sender: str) -> str:
    """Return the legal value of a document: original, reference, unsigned… (SIG-01, SIG-02).

    Args:
        verdicts: Of its files.
        envelope: The message.
        sender: The sender's canonical code.
    """
    header = envelope.header
    codes = codes_of(header.sender.organ_id, sender)
    return class_of(header, verdicts.reports, codes).value


def findings_from_json(text: str) -> tuple[Finding, ...]:
    """Return the findings kept with a document."""
    rows: list[dict[str, Any]] = json.loads(text)
    return tuple(Finding(**(r | {"severity": Severity(r["severity"])})) for r in rows)
