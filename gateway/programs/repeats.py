"""Repeats: what a submission is beside what is on record, and the answer a repeat is owed.

Promises: the same submission gets the bytes of its first answer, whatever was added since; the
sender counts by its canonical code, so that old and new code are one; a document that was refused
or shut away afterwards is no longer in the way. Reads only; guards make a decision stick.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.consignment import (
    Earlier,
    PlannedDelivery,
    RepeatJudgement,
    content_digest,
    judge_repeat,
)
from gateway.domain.document_id import UnusableIdError, render_document_id, render_ordinal_id
from gateway.domain.envelope import BusinessType, Envelope
from gateway.domain.finding import Finding, Severity
from gateway.domain.lifecycle import ConsignmentState, DeliveryState
from gateway.errors import RejectedError
from gateway.ports import Absent, Accepted, Insert, Row
from gateway.programs.catalogue import family, numbered_here
from gateway.programs.context import Context
from gateway.programs.rows import loads
from gateway.rules.facts import MESSAGE_HEADER

ADDED: Final = "recipients_added"
"""Event of an extension; its `answer` names the blob that holds the answer given for it."""

_DEAD: Final = frozenset({ConsignmentState.REFUSED.value, ConsignmentState.QUARANTINED.value})


# ---------------------------------------------------------------- identity


@dataclass(frozen=True, slots=True)
class Identity:
    """What a submission is compared by.

    Args:
        envelope: With its identifier, "" where the ordinal must be taken first.
        sender: Canonical code.
        digest: Content digest, the same under every code of the sender.
        unusable: Why no identifier can be made of it, None when it can or need not.
    """

    envelope: Envelope
    sender: str
    digest: str
    unusable: RejectedError | None = None

    @property
    def document_id(self) -> str:
        """Return the identifier, "" while there is none."""
        return self.envelope.header.document_id


def identify(context: Context, envelope: Envelope, sender: str) -> Identity:
    """Return what a submission is compared by; never fails, incomplete ones have no identifier."""
    header = envelope.header
    known = replace(header, sender=replace(header.sender, organ_id=sender))
    digest = content_digest(replace(envelope, header=known))
    if header.document_id.strip():
        # DID-05: the sender's own, verbatim.
        return Identity(envelope, sender, digest)
    made, unusable = "", None
    dated = header.promulgation_date
    if not _by_ordinal(context, sender) and dated is not None and header.code_number.strip():
        try:
            made = render_document_id(sender, dated, header.code_number, header.code_notation)
        except UnusableIdError as exc:
            unusable = _unusable(exc)
    named = replace(envelope, header=replace(header, document_id=made))
    return Identity(named, sender, digest, unusable)


def _by_ordinal(context: Context, sender: str) -> bool:
    # DID-01: an agency that numbers itself has no counter here, so its documents are named by date.
    ordinal = context.policy.document_id_form == "code,year,ordinal"
    return ordinal and numbered_here(context, sender)


def _unusable(failure: UnusableIdError) -> RejectedError:
    finding = Finding(
        "DID-01",
        Severity.ERROR,
        f"{MESSAGE_HEADER}/Code",
        "Không tạo được mã định danh văn bản từ mã cơ quan, ngày, số và ký hiệu. Rút ngắn hoặc sửa "
        "số, ký hiệu.",
        "No document identifier can be made of agency code, date, number and notation. Shorten or "
        "correct number and notation.",
        "R08",
    )
    return RejectedError(failure.reason, failure.public, findings=(finding,))


# ---------------------------------------------------------------- what is on record


@dataclass(frozen=True, slots=True)
class Known:
    """A submission beside what is on record.

    Args:
        judgement: What it is, and for which agencies.
        earlier: The consignment it repeats, extends, follows or contradicts; None when fresh.
        number: Year and ordinal the identifier has already, None without.
        attempt: How many documents of the same content died before it.
        near: Everything on record under its identifier, or its number, notation and date, of the
            sender, its predecessors and successors.
        revived: Recipients that could not be reached when it was sent, and now can.
    """

    judgement: RepeatJudgement
    earlier: Row | None = None
    number: tuple[int, int] | None = None
    attempt: int = 0
    near: Sequence[Row] = ()
    revived: frozenset[str] = frozenset()


async def look(context: Context, identity: Identity, planned: Sequence[PlannedDelivery]) -> Known:
    """Compare a submission with what is on record under its identifier (DID-07)."""
    business = identity.envelope.header.business.doc_type
    agencies = [p.agency for p in planned]
    near = await _near(context, identity)
    everything = [v for v in near if is_same(v, identity)]
    own = [v for v in everything if v["sender"] == identity.sender]
    alive = [v for v in own if v["state"] not in _DEAD]
    if not alive and business is not BusinessType.NEW:
        # ID-05: who took over may update or replace what its predecessor sent.
        named = everything if identity.document_id else own
        alive = [v for v in named if v["state"] not in _DEAD]
    newest = max((v["version"] for v in (*own, *alive)), default=0)
    number = next(((v["issue_year"], v["issue_ordinal"]) for v in own if v["issue_ordinal"]), None)
    if not identity.document_id:
        newest, number = 0, None
    dead = len(own) - sum(1 for v in own if v["state"] not in _DEAD)
    if not alive:
        fresh = judge_repeat(None, identity.digest, agencies, business)
        return Known(replace(fresh, version=newest + 1), None, number, dead, near)
    same = next((v for v in alive if v["digest"] == identity.digest), None)
    # A recall under the identifier of what it recalls is a message about it, not its content.
    bodies = [v for v in alive if v["business_type"] != BusinessType.RECALL] or alive
    row = same or bodies[-1]
    states: dict[str, DeliveryState] = {}
    revived: frozenset[str] = frozenset()
    # Recipients of any version count: a resend to one of them is a resend of that document.
    for version in bodies if same is None else [row]:
        for d in await context.ledger.all("deliveries", consignment_id=version["id"]):
            states[d["agency"]] = DeliveryState(d["state"])
    if same is not None:
        # Nothing ever left for who could not be reached: now that it can, this is its sending.
        reachable = {p.agency for p in planned if p.reason is None}
        unsent = {a for a, state in states.items() if state is DeliveryState.NOT_CONNECTED}
        revived = frozenset(unsent & reachable)
        states = {a: state for a, state in states.items() if a not in revived}
    earlier = Earlier(row["digest"], row["version"] if same else newest, states)
    judged = judge_repeat(earlier, identity.digest, agencies, business)
    return Known(judged, row, number, dead, near, revived)


async def _near(context: Context, identity: Identity) -> Sequence[Row]:
    """Return what the sender, its predecessors and successors sent under this identifier or date.

    One question for repeats and for likeness: this is the hot path of every submission.
    """
    header = identity.envelope.header
    dated = header.promulgation_date
    return await context.ledger.all(
        "consignments_near",
        senders=family(context, identity.sender),
        document_id=identity.document_id,
        code_number=header.code_number,
        code_notation=header.code_notation,
        promulgation_date=dated.isoformat() if dated else "-",
    )


def is_same(row: Row, identity: Identity) -> bool:
    """Tell whether a consignment bears the identity of a submission.

    Without an identifier of its own only the very same content is the same submission.
    """
    if identity.document_id:
        return bool(row["document_id"] == identity.document_id)
    return row["digest"] == identity.digest and named_by_us(row)


def named_by_us(row: Row) -> bool:
    """Tell whether a consignment's identifier was made of its ordinal, or will be."""
    if row["document_id"] is None:
        return True
    year, ordinal = row["issue_year"], row["issue_ordinal"]
    return ordinal is not None and row["document_id"] == render_ordinal_id(
        row["sender"], year, ordinal
    )


def is_dead(row: Row) -> bool:
    """Tell whether a consignment was refused or shut away after acceptance."""
    return row["state"] in _DEAD


def claim(
    identity: Identity, known: Known, consignment_id: str, at_text: str
) -> tuple[Insert, ...]:
    """Return the row that lets only one of several simultaneous submissions of a content win.

    With an identifier the unique key of sender, identifier and version does that; without one
    (`code,year,ordinal`) this row does.
    """
    if identity.document_id:
        return ()
    values = {
        "system_id": f"sender={identity.sender}",
        "key": f"content={identity.digest};{known.attempt}",
        "body_sha256": identity.digest,
        "consignment_id": consignment_id,
        "created_at": at_text,
    }
    return (Insert("idempotency", values),)


def absent(identity: Identity, known: Known) -> tuple[Absent, ...]:
    """Return the guard that the version to be written is still free."""
    if not identity.document_id:
        return ()
    key = {
        "sender": identity.sender,
        "document_id": identity.document_id,
        "version": known.judgement.version,
    }
    return (Absent("consignment", key),)


# ---------------------------------------------------------------- the answer owed


@dataclass(frozen=True, slots=True)
class Given:
    """An answer given: its text, and the hash of the caller's key it was given under, or ""."""

    text: str
    key: str = ""

    @property
    def told(self) -> dict[str, tuple[str, str]]:
        """Return what it says of each agency: state and reason."""
        return {d["agency"]: (d["state"], d["reason"]) for d in loads(self.text)["deliveries"]}


def key_hash(system_id: str, key: str | None) -> str:
    """Return the name under which an event remembers a caller's key; "" without one."""
    return hashlib.sha256(f"{system_id}\0{key}".encode()).hexdigest() if key is not None else ""


async def answers(context: Context, row: Row) -> list[Given]:
    """Return every answer a consignment was given, first one first."""
    found = [Given(str(row["answer"]))]
    for event in await context.ledger.all("events_of", subject=row["id"]):
        if event["type"] == ADDED:
            data = loads(event["data"])
            # After a purge (SEC-01) only the stub of the first answer is left.
            if await context.blobs.has(data["answer"]):
                text = b"".join([c async for c in context.blobs.stream(data["answer"])]).decode()
                found.append(Given(text, data.get("key", "")))
    return found


async def replay(
    context: Context, row: Row, agencies: Collection[str], key_row: Row | None = None
) -> Accepted:
    """Return the answer a repeat is owed, word for word.

    Under a key the very answer given for it; else the first one that covers these recipients and
    still says of them what the newest does.
    """
    given = await answers(context, row)
    chosen = given[-1]
    if len(given) > 1:
        chosen = _by_key(given, row, key_row) or _covering(given, agencies)
    return Accepted(row["id"], row["document_id"] or "", chosen.text, replayed=True)


def _by_key(given: Sequence[Given], row: Row, key_row: Row | None) -> Given | None:
    if key_row is None:
        return None
    if key_row["created_at"] == row["accepted_at"]:
        return given[0]
    name = key_hash(key_row["system_id"], key_row["key"])
    return next((g for g in given if g.key == name), None)


def _covering(given: Sequence[Given], agencies: Collection[str]) -> Given:
    newest = given[-1].told
    for one in given:
        told = one.told
        if all(a in told and told[a] == newest.get(a) for a in agencies):
            return one
    return given[-1]
