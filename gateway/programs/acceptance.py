"""Acceptance: the one transaction that makes a submission ours, and the answer that says so.

Everything of the answer is in that transaction, so a repeat of the same submission gets the same
bytes, also after a crash between the commit and the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from gateway.codec.edxml import envelope_from_json, envelope_to_json, header_to_json
from gateway.codec.names import safe_name
from gateway.domain.consignment import PlannedDelivery
from gateway.domain.document_id import render_ordinal_id
from gateway.domain.envelope import Attachment, Envelope, Header
from gateway.domain.finding import Finding
from gateway.domain.lifecycle import ConsignmentState
from gateway.domain.moments import iso, to_text
from gateway.domain.numbering import issue_counter
from gateway.ports import (
    Absent,
    Accepted,
    BlobInfo,
    Caller,
    Change,
    ChangeSet,
    Conflict,
    FormFile,
    Insert,
    NextNumber,
    Row,
    SubmitOptions,
    Update,
)
from gateway.programs import clockwatch
from gateway.programs.catalogue import numbered_here
from gateway.programs.context import Context
from gateway.programs.judging import legal_class_of
from gateway.programs.recipients import Routed, route
from gateway.programs.rows import dumps, entry, event, keep, loads
from gateway.programs.verifying import Verdicts
from gateway.receipts.sign import Acceptance, FileHash, acceptance_receipt


@dataclass(frozen=True, slots=True)
class Wanted:
    """A submission that passed every check and is ready to be committed."""

    caller: Caller
    options: SubmitOptions
    envelope: Envelope
    received: BlobInfo
    sender: str
    digest: str
    version: int
    planned: tuple[PlannedDelivery, ...]
    findings: tuple[Finding, ...]
    verdicts: Verdicts | None
    body_sha256: str


def header_json(header: Header) -> dict[str, Any]:
    """Return a header as the JSON kept for form submissions."""
    return header_to_json(header)


def uploaded(index: int, file: FormFile, info: BlobInfo) -> Attachment:
    """Return the attachment an uploaded file becomes."""
    return Attachment(
        index=index,
        name=file.name,
        safe_name=safe_name(file.name, f"tep-{index + 1}"),
        content_id=f"tep-{index + 1}",
        content_type=file.content_type,
        description=file.description,
        sha256=info.sha256,
        size_bytes=info.size_bytes,
    )


def repeated(row: Row) -> Accepted:
    """Return the earlier answer of a consignment, word for word."""
    return Accepted(row["id"], row["document_id"] or "", row["answer"], replayed=True)


async def commit(context: Context, wanted: Wanted) -> Accepted | None:
    """Commit a new consignment; None when somebody else took its identifier or key meanwhile."""
    now = context.clock.now()
    consignment_id = context.ids.new()
    built: dict[str, str] = {}

    def rows(numbers: Mapping[str, int]) -> Sequence[Change]:
        made = _rows(context, wanted, consignment_id, now, numbers.get("ordinal"))
        built["answer"], built["document_id"] = made.answer, made.document_id
        return made.rows

    change = ChangeSet(
        guards=_guards(wanted),
        numbers=_numbers(context, wanted),
        then=rows,
    )
    result = await context.ledger.commit(change)
    if isinstance(result, Conflict):
        return None
    return Accepted(consignment_id, built["document_id"], built["answer"], replayed=False)


def _guards(wanted: Wanted) -> tuple[Absent, ...]:
    guards = []
    document_id = wanted.envelope.header.document_id
    if document_id:
        key = {"sender": wanted.sender, "document_id": document_id, "version": wanted.version}
        guards.append(Absent("consignment", key))
    if wanted.options.idempotency_key is not None:
        name = {"system_id": wanted.caller.system_id, "key": wanted.options.idempotency_key}
        guards.append(Absent("idempotency", name))
    return tuple(guards)


def _numbers(context: Context, wanted: Wanted) -> tuple[NextNumber, ...]:
    """Ask for the issue ordinal where it is ours to give, and only once a verdict is known."""
    dated = wanted.envelope.header.promulgation_date
    if wanted.verdicts is None or wanted.version > 1 or clockwatch.is_off(context):
        return ()
    return ordinal_request(context, wanted.sender, dated)


def ordinal_request(context: Context, sender: str, dated: date | None) -> tuple[NextNumber, ...]:
    """Return the request for the next issue ordinal, empty where the agency numbers itself."""
    # DID-02b: the ordinal counts all outgoing documents of the year of issue; the year is that of
    # the document's own date, so one dated 31/12 and released next morning counts in the old year.
    if dated is None or not numbered_here(context, sender):
        return ()
    key = issue_counter(sender, dated)
    return (NextNumber("ordinal", key.agency, key.year, key.series),)


@dataclass(frozen=True, slots=True)
class _Made:
    rows: list[Change]
    answer: str
    document_id: str


def _rows(
    context: Context, wanted: Wanted, consignment_id: str, now: datetime, ordinal: int | None
) -> _Made:
    envelope = wanted.envelope
    dated = envelope.header.promulgation_date
    year = dated.year if dated is not None and ordinal is not None else None
    document_id = envelope.header.document_id
    if not document_id and ordinal is not None and year is not None:
        document_id = render_ordinal_id(wanted.sender, year, ordinal)
        envelope = replace(envelope, header=replace(envelope.header, document_id=document_id))
    held = clockwatch.HOLD if clockwatch.is_off(context) else ""
    released = wanted.verdicts is not None and not held and bool(document_id)
    routed = route(
        context,
        consignment_id,
        document_id,
        envelope.header.sender.organ_id,
        wanted.planned,
        int(envelope.header.urgency),
        now,
        open_gate=released,
    )
    accepted = _entry(context, wanted, consignment_id, document_id, now, year, ordinal)
    receipt = _receipt(context, wanted, consignment_id, document_id, now, accepted)
    state = ConsignmentState.RELEASED if released else ConsignmentState.ACCEPTED
    answer = dumps(_answer(wanted, consignment_id, document_id, state, routed, receipt, ordinal))
    values = _consignment(context, wanted, envelope, consignment_id, document_id, now)
    values |= {
        "state": state.value,
        "hold": held,
        "issue_year": year,
        "issue_ordinal": ordinal,
        "issued_at": to_text(now) if released else None,
        "answer": answer,
        "receipt": receipt,
    }
    rows: list[Change] = [Insert("consignment", values), accepted.row, *routed.rows]
    rows += _events(wanted, consignment_id, now, state, ordinal)
    rows += _kept(wanted, consignment_id)
    if wanted.options.idempotency_key is not None:
        rows.append(_key_row(wanted, consignment_id, now))
    return _Made(rows, answer, document_id)


def _entry(  # noqa: PLR0917
    context: Context,
    wanted: Wanted,
    consignment_id: str,
    document_id: str,
    now: datetime,
    year: int | None,
    ordinal: int | None,
) -> Any:
    return entry(
        context.ids,
        "accepted",
        consignment_id,
        document_id,
        now,
        consignment_id=consignment_id,
        version=wanted.version,
        system_id=wanted.caller.system_id,
        via=wanted.options.via,
        sender=wanted.sender,
        recipients=[p.agency for p in wanted.planned],
        packet_sha256=wanted.received.sha256,
        content_sha256=wanted.digest,
        attachments=[asdict(h) for h in _hashes(wanted.envelope)],
        verdict=wanted.verdicts.verdict.value if wanted.verdicts else "pending",
        urgency=int(wanted.envelope.header.urgency),
        issue_year=year,
        issue_ordinal=ordinal,
        clock=clockwatch.mark(context),
    )


def _hashes(envelope: Envelope) -> list[FileHash]:
    return [FileHash(a.sha256, a.size_bytes) for a in envelope.attachments]


def _receipt(  # noqa: PLR0917
    context: Context,
    wanted: Wanted,
    consignment_id: str,
    document_id: str,
    now: datetime,
    accepted: Any,
) -> str:
    return acceptance_receipt(
        context.sealer,
        Acceptance(
            gateway=context.policy.hub_code,
            consignment_id=consignment_id,
            document_id=document_id,
            sender=wanted.sender,
            recipients=[p.agency for p in wanted.planned],
            packet_sha256=wanted.received.sha256,
            content_sha256=wanted.digest,
            attachments=_hashes(wanted.envelope),
            accepted_at=iso(now),
            entry_id=accepted.entry_id,
            entry_hash=accepted.entry_hash,
        ),
    )


def _answer(  # noqa: PLR0917
    wanted: Wanted,
    consignment_id: str,
    document_id: str,
    state: ConsignmentState,
    routed: Routed,
    receipt: str,
    ordinal: int | None,
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": consignment_id,
        "document_id": document_id or None,
        "version": wanted.version,
        "state": state.value,
        "verification": wanted.verdicts.verdict.value if wanted.verdicts else "pending",
        "deliveries": list(routed.answer),
        "findings": [asdict(f) for f in wanted.findings],
        "receipt": receipt,
    }
    if ordinal is not None:
        answer["issue_ordinal"] = ordinal
    return answer


def _consignment(  # noqa: PLR0917
    context: Context,
    wanted: Wanted,
    envelope: Envelope,
    consignment_id: str,
    document_id: str,
    now: datetime,
) -> dict[str, Any]:
    header = envelope.header
    dated = header.promulgation_date
    verdicts = wanted.verdicts
    return {
        "id": consignment_id,
        "system_id": wanted.caller.system_id,
        "via": wanted.options.via,
        "sender": wanted.sender,
        "sender_written": header.sender.organ_id,
        "document_id": document_id or None,
        "version": wanted.version,
        "digest": wanted.digest,
        "business_type": int(header.business.doc_type),
        "envelope": dumps(envelope_to_json(envelope)),
        "findings": dumps([asdict(f) for f in wanted.findings]),
        "verdict": verdicts.verdict.value if verdicts else "pending",
        "legal_class": legal_class_of(verdicts) if verdicts else "",
        "urgency": int(header.urgency),
        "code_number": header.code_number,
        "code_notation": header.code_notation,
        "promulgation_date": dated.isoformat() if dated else "",
        "subject": header.subject,
        "main_sha256": envelope.attachments[0].sha256 if envelope.attachments else "",
        "received_sha256": wanted.received.sha256,
        "received_size": wanted.received.size_bytes,
        "accepted_at": to_text(now),
    }


def _events(
    wanted: Wanted,
    consignment_id: str,
    now: datetime,
    state: ConsignmentState,
    ordinal: int | None,
) -> list[Change]:
    rows: list[Change] = [
        event(consignment_id, "accepted", now, via=wanted.options.via, version=wanted.version)
    ]
    if ordinal is not None:
        rows.append(event(consignment_id, "numbered", now, ordinal=ordinal))
    if state is ConsignmentState.RELEASED:
        rows.append(event(consignment_id, "released", now))
    return rows


def _kept(wanted: Wanted, consignment_id: str) -> list[Change]:
    names = {wanted.received.sha256}
    for attachment in wanted.envelope.attachments:
        names |= {attachment.sha256, attachment.wrapped_sha256}
    rows: list[Change] = [keep(name, consignment_id) for name in sorted(names - {""})]
    rows += wanted.verdicts.rows if wanted.verdicts else ()
    return rows


def _key_row(wanted: Wanted, consignment_id: str, now: datetime) -> Insert:
    return Insert(
        "idempotency",
        {
            "system_id": wanted.caller.system_id,
            "key": wanted.options.idempotency_key,
            "body_sha256": wanted.body_sha256,
            "consignment_id": consignment_id,
            "created_at": to_text(now),
        },
    )


async def extend(context: Context, wanted: Wanted, earlier: Row) -> Accepted | None:
    """Add recipients to a consignment on record; None when its facts changed meanwhile."""
    now = context.clock.now()
    before = envelope_from_json(loads(earlier["envelope"]))
    written = {o.organ_id for o in before.header.recipients}
    added = [o for o in wanted.envelope.header.recipients if o.organ_id not in written]
    header = replace(before.header, recipients=(*before.header.recipients, *added))
    released = earlier["state"] != ConsignmentState.ACCEPTED.value
    routed = route(
        context,
        earlier["id"],
        earlier["document_id"] or "",
        earlier["sender_written"],
        wanted.planned,
        earlier["urgency"],
        now,
        open_gate=released,
    )
    answer = loads(earlier["answer"])
    answer["deliveries"] = [*answer["deliveries"], *routed.answer]
    text = dumps(answer)
    columns = {
        "envelope": dumps(envelope_to_json(replace(before, header=header))),
        "answer": text,
        "state": (ConsignmentState.RELEASED if released else ConsignmentState.ACCEPTED).value,
        "closed_at": None,
    }
    where = {"id": earlier["id"], "answer": earlier["answer"], "state": earlier["state"]}
    accepted = _entry(context, wanted, earlier["id"], earlier["document_id"] or "", now, None, None)
    rows: list[Change] = [Update("consignment", where, columns), accepted.row, *routed.rows]
    rows.append(event(earlier["id"], "recipients_added", now, count=len(wanted.planned)))
    if wanted.options.idempotency_key is not None:
        rows.append(_key_row(wanted, earlier["id"], now))
    result = await context.ledger.commit(ChangeSet(rows=tuple(rows)))
    if isinstance(result, Conflict):
        return None
    return Accepted(earlier["id"], earlier["document_id"] or "", text, replayed=False)
