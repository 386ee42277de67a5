"""Acceptance: the one transaction that makes a submission ours, and the answer that says so.

Everything of the answer is in that transaction, so a repeat of the same submission gets the same
bytes, also after a crash between the commit and the answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from gateway.codec.edxml import envelope_to_json
from gateway.codec.names import safe_name
from gateway.domain.consignment import PlannedDelivery
from gateway.domain.document_id import render_ordinal_id
from gateway.domain.envelope import Attachment, Envelope
from gateway.domain.finding import Finding, Severity, finding_json
from gateway.domain.lifecycle import ConsignmentState
from gateway.domain.marking import marked
from gateway.domain.moments import iso, to_text
from gateway.domain.numbering import CounterKey, issue_counter
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
    Present,
    SubmitOptions,
)
from gateway.programs import clockwatch, scanning, undetermined
from gateway.programs.catalogue import numbered_here, works_in_console
from gateway.programs.context import Context
from gateway.programs.judging import legal_class_of
from gateway.programs.recipients import proof_code, route
from gateway.programs.repeats import Identity, Known, absent, claim, named_by_us
from gateway.programs.rows import dumps, entry, event, keep, wake
from gateway.programs.todos import OTHER_MEANS, todo_row
from gateway.programs.verifying import Verdicts
from gateway.receipts.sign import Acceptance, FileHash, acceptance_receipt

CONSOLE: Final = "console"
"""The door of what a clerk sends by form."""
BY_ORDER: Final = "order"
"""The door of the document by which this gateway asks back what its sender recalls."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A submission that passed every check and is ready to be committed."""

    caller: Caller
    options: SubmitOptions
    identity: Identity
    known: Known
    received: BlobInfo
    planned: tuple[PlannedDelivery, ...]
    findings: tuple[Finding, ...]
    verdicts: Verdicts | None
    body_sha256: str

    @property
    def envelope(self) -> Envelope:
        """Return the envelope, with its identifier as far as known."""
        return self.identity.envelope

    @property
    def sender(self) -> str:
        """Return the sender's canonical code."""
        return self.identity.sender

    @property
    def version(self) -> int:
        """Return the version it is stored as."""
        return self.known.judgement.version

    @property
    def verdict(self) -> str:
        """Return the verdict, `pending` while there is none."""
        return self.verdicts.verdict.value if self.verdicts else "pending"


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


async def commit(context: Context, wanted: Wanted) -> Accepted | None:
    """Commit a new consignment; None when somebody else took its identifier or key meanwhile."""
    now = context.clock.now()
    consignment_id = context.ids.new()
    built: dict[str, str] = {}
    # DID-01, TIM-01: looked at once. A hold that ends between asking for the number and writing
    # the rows would release a document without its number.
    held = _why_held(context)

    def rows(numbers: Mapping[str, int]) -> Sequence[Change]:
        still = held or _why_held(context)
        made = _rows(context, wanted, consignment_id, now, still, numbers.get("ordinal"))
        built["answer"], built["document_id"] = made.answer, made.document_id
        return made.rows

    ordinal = Ordinal() if held else await _ordinal(context, wanted)
    change = ChangeSet(
        guards=(*_guards(wanted), *ordinal.guards), numbers=ordinal.numbers, then=rows
    )
    result = await context.ledger.commit(change)
    if isinstance(result, Conflict):
        return None
    return Accepted(consignment_id, built["document_id"], built["answer"], replayed=False)


def _guards(wanted: Wanted) -> tuple[Absent, ...]:
    guards = absent(wanted.identity, wanted.known)
    if wanted.options.idempotency_key is not None:
        guards = (*guards, key_is_free(wanted.caller, wanted.options.idempotency_key))
    return guards


def key_is_free(caller: Caller, key: str) -> Absent:
    """Return the guard that a caller's idempotency key is still unused."""
    return Absent("idempotency", {"system_id": caller.system_id, "key": key})


@dataclass(frozen=True, slots=True)
class Ordinal:
    """A request for an issue ordinal: the numbers to take, and what must still be so then."""

    numbers: tuple[NextNumber, ...] = ()
    guards: tuple[Absent | Present, ...] = ()


async def _ordinal(context: Context, wanted: Wanted) -> Ordinal:
    """Ask for the issue ordinal where it is ours to give, and only once a verdict is known."""
    dated = wanted.envelope.header.promulgation_date
    # A new version bears its document's identifier, and so the number that is part of it.
    if wanted.verdicts is None or wanted.known.number:
        return Ordinal()
    names = not wanted.identity.document_id
    return await ordinal_request(context, wanted.sender, dated, names=names)


async def ordinal_request(
    context: Context, sender: str, dated: date | None, *, names: bool
) -> Ordinal:
    """Return the request for the next issue ordinal, empty where the agency numbers itself.

    Args:
        context: Ports and policy.
        sender: Canonical code.
        dated: Date of the document.
        names: The identifier will be made of the ordinal.
    """
    # DID-02b: the ordinal counts all outgoing documents of the year of issue; the year is that of
    # the document's own date, so one dated 31/12 and released next morning counts in the old year.
    if dated is None or not numbered_here(context, sender):
        return Ordinal()
    key = issue_counter(sender, dated)
    last, skipped = await _named_already(context, key) if names else (None, 0)
    wanted = [f"skipped-{n}" for n in range(skipped)] + ["ordinal"]
    numbers = tuple(NextNumber(name, key.agency, key.year, key.series) for name in wanted)
    if not skipped:
        return Ordinal(numbers)
    # DID-01: numbers are passed over only while the counter stands where it was looked at; moved
    # by somebody else meanwhile, others would be passed over that nobody has.
    counter: dict[str, object] = {
        "agency": key.agency,
        "year": key.year,
        "series": key.series,
    }
    stands = Absent("counter", counter) if last is None else Present("counter", {**counter, **last})
    return Ordinal(numbers, (stands,))


async def _named_already(context: Context, key: CounterKey) -> tuple[Mapping[str, int] | None, int]:
    """Return the counter, and how many identifiers next to it the sender has written itself."""
    row = await context.ledger.one("counter", agency=key.agency, year=key.year, series=key.series)
    first = (row["last"] if row else 0) + 1
    count = 0
    while await _written_by_sender(context, key, first + count):
        count += 1
    return (None if row is None else {"last": row["last"]}), count


async def _written_by_sender(context: Context, key: CounterKey, ordinal: int) -> bool:
    """Tell whether an identifier is taken by the sender's own word.

    One made of the ordinal is no such: the counter has moved since it was read, and that is all.
    """
    found = await context.ledger.all(
        "consignment_versions",
        senders=dumps([key.agency]),
        document_id=render_ordinal_id(key.agency, key.year, ordinal),
    )
    return any(not named_by_us(row) for row in found)


@dataclass(frozen=True, slots=True)
class _Made:
    rows: list[Change]
    answer: str
    document_id: str


def _why_held(context: Context) -> str:
    """Return why stamping and relaying are held, "" when they are not."""
    return clockwatch.hold_of(context) if clockwatch.is_off(context) else ""


def _rows(  # noqa: PLR0917 - one place builds what is written
    context: Context,
    wanted: Wanted,
    consignment_id: str,
    now: datetime,
    held: str,
    taken: int | None,
) -> _Made:
    envelope = wanted.envelope
    dated = envelope.header.promulgation_date
    number = wanted.known.number
    if taken is not None and dated is not None:
        number = (dated.year, taken)
    document_id = envelope.header.document_id
    if not document_id and number is not None:
        document_id = render_ordinal_id(wanted.sender, *number)
        envelope = replace(envelope, header=replace(envelope.header, document_id=document_id))
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
        sender=wanted.sender,
    )
    reached = [p.agency for p in wanted.planned]
    proof = prove(context, wanted, consignment_id, document_id, reached, now, number)
    state = ConsignmentState.RELEASED if released else ConsignmentState.ACCEPTED
    answer = dumps(
        answer_of(
            wanted,
            consignment_id,
            document_id,
            state.value,
            wanted.verdict,
            routed.answer,
            proof.receipt,
            number,
        )
    )
    values = _consignment(wanted, envelope, consignment_id, document_id, now)
    values |= {
        "state": state.value,
        "hold": held,
        "issue_year": number[0] if number else None,
        "issue_ordinal": number[1] if number else None,
        "issued_at": to_text(now) if released else None,
        "answer": answer,
        "receipt": proof.receipt,
    }
    rows: list[Change] = [Insert("consignment", values), proof.row, *routed.rows]
    rows += _events(context, wanted, consignment_id, now, state, taken)
    rows += kept(wanted, consignment_id)
    if wanted.verdicts is not None:
        rows += undetermined.watch(context, "consignment", consignment_id, wanted.verdicts, now)
    rows += key_rows(wanted, consignment_id, now)
    rows += claim(wanted.identity, wanted.known, consignment_id, to_text(now))
    if state is ConsignmentState.ACCEPTED and not held:
        rows.append(wake("issue", consignment_id, int(envelope.header.urgency)))
    return _Made(rows, answer, document_id)


@dataclass(frozen=True, slots=True)
class Proof:
    """The log entry of an acceptance, and the receipt that names it."""

    row: Change
    receipt: str


def prove(  # noqa: PLR0917
    context: Context,
    wanted: Wanted,
    consignment_id: str,
    document_id: str,
    recipients: Sequence[str],
    now: datetime,
    number: tuple[int, int] | None,
) -> Proof:
    """Return the `accepted` entry and its signed receipt; `recipients` are canonical codes."""
    named = [proof_code(code) for code in recipients]
    hashes = [FileHash(a.sha256, a.size_bytes) for a in wanted.envelope.attachments]
    accepted = entry(
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
        recipients=named,
        packet_sha256=wanted.received.sha256,
        content_sha256=wanted.identity.digest,
        attachments=[{"sha256": h.sha256, "size_bytes": h.size_bytes} for h in hashes],
        verdict=wanted.verdict,
        reports=list(wanted.verdicts.named) or None if wanted.verdicts else None,
        urgency=int(wanted.envelope.header.urgency),
        issue_year=number[0] if number else None,
        issue_ordinal=number[1] if number else None,
        clock=clockwatch.mark(context),
    )
    receipt = acceptance_receipt(
        context.sealer,
        Acceptance(
            gateway=marked(context.policy.hub_code, training=context.policy.training),
            consignment_id=consignment_id,
            document_id=document_id,
            sender=wanted.sender,
            recipients=named,
            packet_sha256=wanted.received.sha256,
            content_sha256=wanted.identity.digest,
            attachments=hashes,
            accepted_at=iso(now),
            entry_id=accepted.entry_id,
            entry_hash=accepted.entry_hash,
        ),
    )
    return Proof(accepted.row, receipt)


def answer_of(  # noqa: PLR0917
    wanted: Wanted,
    consignment_id: str,
    document_id: str,
    state: str,
    verdict: str,
    deliveries: Sequence[Mapping[str, str]],
    receipt: str,
    number: tuple[int, int] | None,
) -> dict[str, Any]:
    """Return the body of the 202."""
    answer: dict[str, Any] = {
        "id": consignment_id,
        "document_id": document_id,
        "version": wanted.version,
        "state": state,
        "verification": verdict,
        "deliveries": list(deliveries),
        "findings": [finding_json(f) for f in wanted.findings],
        "receipt": receipt,
    }
    if number is not None:
        answer["issue_ordinal"] = number[1]
    return answer


def _consignment(
    wanted: Wanted, envelope: Envelope, consignment_id: str, document_id: str, now: datetime
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
        "digest": wanted.identity.digest,
        "business_type": int(header.business.doc_type),
        "envelope": dumps(envelope_to_json(envelope)),
        "findings": dumps([finding_json(f) for f in wanted.findings]),
        "verdict": wanted.verdict,
        "scans": scanning.kept(verdicts),
        "legal_class": legal_class_of(verdicts, envelope, wanted.sender) if verdicts else "",
        "urgency": int(header.urgency),
        "code_number": header.code_number,
        "code_notation": header.code_notation,
        "promulgation_date": dated.isoformat() if dated else "",
        "subject": header.subject,
        "due_date": header.due_date.isoformat() if header.due_date else "",
        "main_sha256": envelope.attachments[0].sha256 if envelope.attachments else "",
        "received_sha256": wanted.received.sha256,
        "received_size": wanted.received.size_bytes,
        "accepted_at": to_text(now),
    }


def _events(  # noqa: PLR0917
    context: Context,
    wanted: Wanted,
    consignment_id: str,
    now: datetime,
    state: ConsignmentState,
    taken: int | None,
) -> list[Change]:
    rows: list[Change] = [
        event(consignment_id, "accepted", now, via=wanted.options.via, version=wanted.version)
    ]
    if taken is not None:
        rows.append(event(consignment_id, "numbered", now, ordinal=taken))
    if state is ConsignmentState.RELEASED:
        rows.append(event(consignment_id, "released", now))
    return [*rows, *todo(context, wanted, consignment_id, now)]


def let_out(via: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what was found, as it counts for a document that came by this door.

    REC-01 (NĐ30 art 18.4b): the files of what is asked back left with the document itself. That a
    signature was found bad since is no reason to leave them there: it is told, and stops nothing.
    """
    if via != BY_ORDER:
        return tuple(findings)
    return tuple(
        replace(f, severity=Severity.WARNING)
        if f.severity is Severity.ERROR and f.rule.startswith("SIG-")
        else f
        for f in findings
    )


def todo(context: Context, wanted: Wanted, consignment_id: str, now: datetime) -> list[Change]:
    """Return what the clerk must see to: recipients that have to be reached another way."""
    # SND-04 (S003 art 6.2): what is not connected is sent by other means.
    missed = [p for p in wanted.planned if p.reason is not None]
    rows: list[Change] = [
        event(consignment_id, "to_do", now, agency=p.agency, reason=p.reason) for p in missed
    ]
    # An agency with a system of its own is told by that system; here the list is ours to keep.
    if wanted.options.via == CONSOLE or works_in_console(context, wanted.sender):
        urgency = int(wanted.envelope.header.urgency)
        rows += [
            todo_row(
                context.ids,
                wanted.sender,
                OTHER_MEANS,
                f"{consignment_id}/{p.agency}",
                now,
                document=consignment_id,
                urgency=urgency,
                agency=p.agency,
                name=p.name,
                why=p.reason or "",
            )
            for p in missed
        ]
    return rows


def kept(wanted: Wanted, consignment_id: str) -> list[Change]:
    """Return the rows that keep a submission's bytes and reports."""
    names = {wanted.received.sha256}
    for attachment in wanted.envelope.attachments:
        names |= {attachment.sha256, attachment.wrapped_sha256}
    rows: list[Change] = [keep(name, consignment_id) for name in sorted(names - {""})]
    rows += wanted.verdicts.rows if wanted.verdicts else ()
    return rows


def key_rows(wanted: Wanted, consignment_id: str, now: datetime) -> list[Insert]:
    """Return the row that remembers the caller's key, if it gave one."""
    key = wanted.options.idempotency_key
    if key is None:
        return []
    return [key_row(wanted.caller.system_id, key, wanted.body_sha256, consignment_id, now)]


def key_row(
    system_id: str, key: str, body_sha256: str, consignment_id: str, now: datetime
) -> Insert:
    """Return the row that remembers which body a caller's key was used for."""
    return Insert(
        "idempotency",
        {
            "system_id": system_id,
            "key": key,
            "body_sha256": body_sha256,
            "consignment_id": consignment_id,
            "created_at": to_text(now),
        },
    )
