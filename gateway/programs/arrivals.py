"""arrivals: the rows one incoming document becomes, for each local agency it is addressed to.

Promises: one arrival per agency, identifier and content, however often and under whichever codes it
comes; other content under a known identifier is a new version that says so; our own document coming
back makes nothing; what shows a secrecy level is kept apart and answered 02. Rows only; the
receiver commits all of a packet or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway import observe
from gateway.codec.edxml import envelope_to_json
from gateway.domain.consignment import content_digest
from gateway.domain.document_id import render_document_id
from gateway.domain.envelope import BusinessType
from gateway.domain.finding import Finding, Severity, errors, finding_json
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import from_text, to_text
from gateway.errors import RejectedError
from gateway.ports import Change, Delete, Insert, Row, Update
from gateway.programs import (
    ahead,
    forwarding,
    matching,
    quarantine,
    scanning,
    statuses,
    takebacks,
    undetermined,
)
from gateway.programs.catalogue import family, name_of, whois, works_in_console
from gateway.programs.context import Context
from gateway.programs.deciding import refusal_of
from gateway.programs.forwarding import Addressee
from gateway.programs.judging import legal_class_of
from gateway.programs.reading import ReadPacket
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, event, keep, loads
from gateway.programs.sentback import came_in, send_back
from gateway.programs.statuses import Said
from gateway.programs.verifying import Verdicts

_DOCUMENT_ID = "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/DocumentId"


@dataclass(frozen=True, slots=True)
class Came:
    """A document that came in: its inbound row, and all that was learnt about it."""

    inbound: Row
    read: ReadPacket
    verdicts: Verdicts
    findings: tuple[Finding, ...]


async def changes(context: Context, came: Came, addressees: Sequence[Addressee]) -> list[Change]:
    """Return every row of one incoming document."""
    now = context.clock.now()
    row = came.inbound
    state = "processed" if addressees else "stray"
    found: list[Change] = [
        Update("inbound", {"id": row["id"], "state": "received"}, {"state": state}),
        *(keep(name, row["id"]) for name in _names(came.read)),
    ]
    if not addressees:
        # Nobody of ours is addressed: kept, said aloud, and nothing is guessed.
        found.append(event(row["id"], "stray", now))
        observe.alarm(what="stray packet", subject=row["id"])
        if any(f.rule == "SEC-01" for f in errors(came.findings)):
            # SEC-01: nobody may read it here either; the two persons who purge find it.
            sender = whois(context, came.read.envelope.header.sender.organ_id).canonical
            found += quarantine.stub(context, row["id"], "arrival", sender, "", row["sha256"], now)
    hidden = []
    for addressee in addressees:
        one = await _arrival(context, came, addressee, now)
        found += one.rows
        # SIG-47: a report is kept where an entry of the receipt log names it, and nowhere else.
        found += came.verdicts.rows if one.named else ()
        hidden.append(one.quarantined)
    if hidden and all(hidden):
        found += await _kept_apart(context, came, hidden)
    return found


@dataclass(frozen=True, slots=True)
class _One:
    """Rows for one agency.

    Args:
        rows: To be committed.
        quarantined: The id of the arrival in quarantine that this repeats, or "".
        named: An entry among the rows names the reports.
    """

    rows: list[Change]
    quarantined: str = ""
    named: bool = False


async def _arrival(context: Context, came: Came, to: Addressee, now: datetime) -> _One:
    header = came.read.envelope.header
    row = came.inbound
    sender = whois(context, header.sender.organ_id)
    digest = content_digest(came.read.envelope)
    document_id = _identifier(came)
    if sender.is_local and await _is_own(context, sender.canonical, document_id, to, digest, row):
        return _One([event(row["id"], "own_document_back", now, agency=to.agency)])
    known = await matching.arrivals_named(context, to.agency, sender.canonical, document_id)
    again: list[Change] = []
    for other in known:
        # ID-05: the same document under the same closed code has its answer already, whatever has
        # become of the code, its term or its successors since.
        codes = [c for c in to.addressed_as if c in loads(other["addressed_as"])]
        if codes and other["agency"] != to.agency and other["digest"] == digest:
            again += await _again(context, came, other, to.only(codes), now)
            to = to.only([c for c in to.addressed_as if c not in codes])
            if not to.addressed_as:
                return _One(again, _hidden(other))
    earlier = [e for e in known if e["agency"] == to.agency]
    same = next((e for e in earlier if e["digest"] == digest), None)
    if same is not None:
        return _One([*again, *await _again(context, came, same, to, now)], _hidden(same))
    one = await _first(context, came, to, earlier, now)
    return replace(one, rows=[*again, *one.rows])


def _hidden(arrival: Row) -> str:
    return str(arrival["id"]) if arrival["state"] == ArrivalState.QUARANTINED.value else ""


async def _first(
    context: Context, came: Came, to: Addressee, earlier: Sequence[Row], now: datetime
) -> _One:
    """Return the rows of a document, or of a version of one, that is here for the first time."""
    header = came.read.envelope.header
    row = came.inbound
    sender = whois(context, header.sender.organ_id)
    document_id = _identifier(came)
    findings = [*came.findings]
    if to.closed is not None:
        findings.append(to.closed)
    elif to.forwarded_from:
        findings.append(forwarding.taken_over(to))
    if earlier and header.business.doc_type is BusinessType.NEW:
        findings.append(_other_content(earlier[0]))
    findings += await _suspected(context, came, to, sender.canonical, document_id)
    arrival = _row(context, came, to, findings)
    arrival |= {
        "document_id": document_id,
        "version": max((e["version"] for e in earlier), default=0) + 1,
        "digest": content_digest(came.read.envelope),
    }
    recalled = await ahead.standing(context, arrival)
    if any(f.rule == "SEC-01" for f in errors(findings)):
        return _One(_secret(context, row, arrival, now))
    if any(f.rule == "FMT-14" for f in errors(findings)):
        return _One(_infected(context, row, arrival, now))
    # ID-05: nobody could be found to bring it to; the findings it came with stay beside it.
    refusal = to.closed or refusal_of(findings)
    if refusal is not None:
        back = send_back(context, came.inbound, arrival, refusal, now, came.verdicts)
        return _One(back, named=True)
    if recalled.recall is not None and not context.restored:
        gone = ahead.withdrawn(context, arrival, recalled.recall, now)
        log = came_in(context, row, arrival, now, came.verdicts)
        return _One([*recalled.still, *gone, log], named=True)
    offered = [*recalled.still, *_offered(context, came, arrival, now)]
    if recalled.recall is not None:
        # What a restored gateway shows may have been there before: nothing is decided yet.
        offered += ahead.attached(context, arrival, recalled.recall, now)
    watched = undetermined.watch(context, "arrival", str(arrival["id"]), came.verdicts, now)
    asked = await takebacks.by_document(context, arrival, now)
    return _One([*offered, *watched, *asked], named=True)


def _identifier(came: Came) -> str:
    """Return the wire identifier; for a packet without one, the same text whenever it comes."""
    header = came.read.envelope.header
    written = header.document_id
    if written.strip():
        return written
    if header.promulgation_date is not None and header.code_number.strip():
        try:
            return render_document_id(
                header.sender.organ_id,
                header.promulgation_date,
                header.code_number,
                header.code_notation,
            )
        except RejectedError:
            pass
    return f"{came.inbound['peer']}:{came.inbound['peer_doc_id']}"


async def _is_own(  # noqa: PLR0917
    context: Context, sender: str, document_id: str, to: Addressee, digest: str, inbound: Row
) -> bool:
    """Tell whether this is our own document, delivered here already without the axis.

    The parcel keeps every `To` the sender wrote, so an axis may serve our own agencies too.
    """
    delivery = await context.ledger.one(
        "delivery_named",
        senders=family(context, sender),
        agencies=family(context, to.agency),
        agency=to.agency,
        document_ids=matching.spellings(document_id),
    )
    if delivery is None or delivery["hop"] != LOCAL:
        return False
    consignment = await context.ledger.one("consignment", id=delivery["consignment_id"])
    if consignment is not None and consignment["digest"] != digest:
        observe.alarm(what="own document came back changed", subject=inbound["id"])
    return True


async def _again(
    context: Context, came: Came, arrival: Row, to: Addressee, now: datetime
) -> list[Change]:
    """The same document again: one arrival; codes it did not use before get every answer so far."""
    codes = loads(arrival["addressed_as"])
    fresh = [c for c in to.addressed_as if c not in codes]
    row = came.inbound
    found: list[Change] = [event(arrival["id"], "repeated", now, peer=row["peer"], codes=fresh)]
    observe.arrival_repeated(arrival_id=arrival["id"], peer=row["peer"])
    if not fresh or arrival["source"] != row["peer"]:
        return found
    guard = {
        "id": arrival["id"],
        "addressed_as": arrival["addressed_as"],
        "sent_codes": arrival["sent_codes"],
    }
    closed = [c for c in to.forwarded_from if c in fresh]
    columns = {
        "addressed_as": dumps([*codes, *fresh]),
        "forwarded_from": dumps([*loads(arrival["forwarded_from"]), *closed]),
    }
    found.append(Update("arrival", guard, columns))
    view = dict(arrival) | {
        "addressed_as": dumps(fresh),
        "forwarded_from": dumps(closed),
        "sent_codes": "",
    }
    told = await context.ledger.all("statuses_of_arrival", arrival_id=arrival["id"])
    said: dict[tuple[str, str, str], Said] = {}
    for report in told:
        if report["sender"] == arrival["agency"]:
            one = Said(report["code"], report["description"], from_text(report["at"]))
            said[report["code"], report["at"], report["description"]] = one
    for one in said.values():
        found += statuses.tell(context, view, one, now)
        view["sent_codes"] = one.code
    if closed:
        found.append(_forwarded(str(arrival["id"]), arrival["agency"], closed, now))
    return found


def _forwarded(arrival_id: str, agency: str, codes: Sequence[str], now: datetime) -> Insert:
    """Return the event that a document came by a closed code (ID-05)."""
    told = f"chuyển tiếp từ mã cũ {', '.join(codes)}"
    observe.arrival_forwarded(arrival_id=arrival_id, agency=agency, codes=codes)
    return event(arrival_id, "forwarded", now, agency=agency, codes=list(codes), note=told)


def _offered(context: Context, came: Came, arrival: dict[str, Any], now: datetime) -> list[Change]:
    row = came.inbound
    arrival |= {"state": ArrivalState.OFFERED.value, "offered_at": to_text(now)}
    found: list[Change] = [
        Insert("arrival", arrival),
        event(str(arrival["id"]), "offered", now, agency=arrival["agency"], peer=row["peer"]),
        came_in(context, row, arrival, now, came.verdicts),
    ]
    if codes := loads(arrival["forwarded_from"]):
        found.append(_forwarded(str(arrival["id"]), arrival["agency"], codes, now))
    if works_in_console(context, arrival["agency"]):
        # RCV-06 (S003 art 11.2): for an agency that works in our console this commit is the entry.
        found += statuses.take(context, arrival, now, source="console")
    observe.arrival_offered(arrival_id=str(arrival["id"]), agency=arrival["agency"])
    return found


def _secret(context: Context, row: Row, arrival: dict[str, Any], now: datetime) -> list[Change]:
    """SEC-01 (S003 art 1.2): kept apart, offered to nobody, answered 02 with R11 alone."""
    arrival |= {
        "state": ArrivalState.QUARANTINED.value,
        "sent_codes": "02",
        "envelope": dumps(stripped(arrival["envelope"])),
    }
    found: list[Change] = [Insert("arrival", arrival)]
    found += quarantine.stub(
        context, arrival["id"], "arrival", arrival["sender"], "", row["sha256"], now
    )
    found += statuses.tell(context, arrival, Said("02", quarantine.REASON, now), now)
    found.append(event(arrival["id"], "quarantined", now))
    observe.quarantined(arrival_id=str(arrival["id"]), reason="SEC-01")
    return found


def _infected(context: Context, row: Row, arrival: dict[str, Any], now: datetime) -> list[Change]:
    """FMT-14: kept apart as it came, offered to nobody, answered 02 with R12."""
    arrival |= {"state": ArrivalState.QUARANTINED.value, "sent_codes": "02"}
    why = quarantine.INFECTED
    found: list[Change] = [Insert("arrival", arrival)]
    found += quarantine.stub(
        context, arrival["id"], "arrival", arrival["sender"], "", row["sha256"], now, why
    )
    found += statuses.tell(context, arrival, Said("02", why, now), now)
    found.append(event(arrival["id"], "quarantined", now))
    observe.quarantined(arrival_id=str(arrival["id"]), reason="FMT-14")
    return found


async def _kept_apart(context: Context, came: Came, hidden: Sequence[str]) -> list[Change]:
    """SEC-01: a repeat of what is in quarantine belongs to it, so that a purge takes it too."""
    names = tuple(_names(came.read))
    found: list[Change] = [Delete("blob_ref", {"sha256": names, "owner": came.inbound["id"]})]
    for owner in hidden:
        stub = await context.ledger.one("quarantine", id=owner)
        if stub is not None and stub["purged_at"] is None:
            found += [keep(name, owner) for name in names]
    return found


def _names(read: ReadPacket) -> list[str]:
    names = {read.received.sha256}
    for attachment in read.envelope.attachments:
        names |= {attachment.sha256, attachment.wrapped_sha256}
    return sorted(names - {""})


def stripped(envelope_text: str) -> dict[str, Any]:
    """Return what of a secret envelope may stay: number, date and sender, for the answer."""
    header = loads(envelope_text)["header"]
    kept = ("sender", "document_id", "code_number", "code_notation", "promulgation_date")
    return {
        "header": {k: header[k] for k in kept if k in header} | {"recipients": []},
        "manifest": [],
        "attachments": [],
        "repairs": [],
    }


def _row(
    context: Context, came: Came, to: Addressee, findings: Sequence[Finding]
) -> dict[str, Any]:
    row, header = came.inbound, came.read.envelope.header
    sender = whois(context, header.sender.organ_id)
    name = header.sender.organ_name or name_of(context.directory(), sender.canonical)
    dated = header.promulgation_date
    return {
        "id": context.ids.new(),
        "agency": to.agency,
        "addressed_as": dumps(to.addressed_as),
        "forwarded_from": dumps(to.forwarded_from),
        "sender": sender.canonical,
        "sender_written": header.sender.organ_id,
        "sender_name": name,
        "state": ArrivalState.ENTERED.value,
        "envelope": dumps(envelope_to_json(came.read.envelope)),
        "findings": dumps([finding_json(f) for f in findings]),
        "verdict": came.verdicts.verdict.value,
        "legal_class": legal_class_of(came.verdicts, came.read.envelope, sender.canonical),
        "scans": scanning.kept(came.verdicts),
        "urgency": int(header.urgency),
        "business_type": int(header.business.doc_type),
        "code_number": header.code_number,
        "code_notation": header.code_notation,
        "promulgation_date": dated.isoformat() if dated else "",
        "source": row["peer"],
        "inbound_id": row["id"],
        "consignment_id": None,
        "delivery_id": None,
        "received_sha256": row["sha256"],
        "received_size": row["size_bytes"],
        "at_gateway_at": row["received_at"],
        "offered_at": None,
        "entered_system_at": None,
        "arrival_number": None,
        "sent_codes": "",
    }


# ---------------------------------------------------------------- findings of ours


async def _suspected(
    context: Context, came: Came, to: Addressee, sender: str, document_id: str
) -> list[Finding]:
    """DID-07: the same number, date and main file under another identifier is a warning."""
    envelope = came.read.envelope
    header = envelope.header
    if not header.code_number or header.promulgation_date is None or not envelope.attachments:
        return []
    main = envelope.attachments[0].sha256
    for earlier in await matching.arrivals_noted(
        context,
        to.agency,
        sender,
        header.code_number,
        header.code_notation,
        header.promulgation_date.isoformat(),
    ):
        files = loads(earlier["envelope"])["attachments"]
        other = earlier["document_id"] != document_id
        if other and files and files[0]["sha256"] == main:
            return [_looks_like(earlier)]
    return []


def _looks_like(earlier: Row) -> Finding:
    return Finding(
        "DID-07",
        Severity.WARNING,
        _DOCUMENT_ID,
        f"Nghi trùng: văn bản cùng số, ký hiệu, ngày và tệp chính đã đến với mã định danh "
        f"{earlier['document_id']} ({earlier['id']}). Đối chiếu trước khi tiếp nhận.",
        f"Suspected duplicate: a document with the same number, date and main file arrived as "
        f"{earlier['document_id']} ({earlier['id']}). Compare before accepting.",
        "R10",
    )


def _other_content(earlier: Row) -> Finding:
    return Finding(
        "DID-07",
        Severity.WARNING,
        _DOCUMENT_ID,
        f"Mã định danh này đã đến trước đây ({earlier['id']}) với nội dung khác. Đối chiếu trước "
        "khi tiếp nhận.",
        f"This identifier arrived before ({earlier['id']}) with other content. Compare before "
        "accepting.",
        "R10",
    )
