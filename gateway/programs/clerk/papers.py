"""Arrivals on paper (RCV-14): entered by hand, numbered from the counter of all arrivals.

Promises: row, number, audit and the scan's place are one commit; the number is never given to
anything else (DID-04); when it really came is kept apart from when it was entered (OPS-08); what
shows a secrecy level is not entered (SEC-01). A crash leaves nothing, or a scan no row names, which
the janitor lets go.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.codec.edxml import envelope_to_json
from gateway.codec.names import safe_name
from gateway.domain.access import Person
from gateway.domain.envelope import (
    Attachment,
    Envelope,
    Header,
    Organization,
    Signer,
    Urgency,
)
from gateway.domain.finding import Finding, Severity, errors
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import to_text
from gateway.domain.numbering import arrival_counter
from gateway.domain.precheck import Same
from gateway.domain.worktime import received_at_legal
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import (
    BlobInfo,
    Caller,
    Change,
    ChangeSet,
    Conflict,
    Insert,
    NextNumber,
    Row,
    SubmitOptions,
)
from gateway.ports.clerk_receive import Done, PaperArrival
from gateway.programs.catalogue import family, whois
from gateway.programs.clerk.lines import same_of
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.judging import judge
from gateway.programs.mailroom import numbering
from gateway.programs.matching import AFTER_ALL
from gateway.programs.reading import HEAD_BYTES, ReadPacket
from gateway.programs.rows import dumps, event, keep
from gateway.programs.scanning import kept
from gateway.programs.statuses import PAPER
from gateway.programs.verifying import Verdicts, verify_files
from gateway.rules.secrecy import secrecy_marks

MAX_SCAN_BYTES: Final = 50 << 20
_LATE: Final = timedelta(days=1)
_AHEAD: Final = timedelta(minutes=5)
_LONGEST: Final = 500
_MOST_ALIKE: Final = 20
_STOPS: Final = frozenset({"SEC-01", "FMT-14"})
_PDF: Final = b"%PDF-"
_PIECES: Final = re.compile(r"[()\[\]{},;.–—-]+")


# ---------------------------------------------------------------- who sent it


def senders_of(context: Context, code: str, name: str) -> tuple[str, ...]:
    """Return every key under which arrivals of a sender may stand: its codes, its name."""
    codes = json.loads(family(context, code)) if code and not code.startswith("name:") else []
    return tuple(
        dict.fromkeys([*codes, *([code] if code else []), *([_key(name)] if name else [])])
    )


async def noted(  # noqa: PLR0917
    context: Context,
    agency: str,
    senders: Sequence[str],
    number: str,
    notation: str,
    dated: str,
    before: str = AFTER_ALL,
) -> list[Row]:
    """Return arrivals of an agency with one number, notation, date and sender, newest first.

    Only those whose id is below `before`, and of those the newest `_MOST_ALIKE`: nobody compares
    more by eye.
    """
    if not number or not dated:
        return []
    rows = await context.ledger.all(
        "arrivals_noted",
        agencies=family(context, agency),
        senders=json.dumps(list(senders)),
        code_number=number,
        code_notation=notation,
        promulgation_date=dated,
        before=before,
        limit=_MOST_ALIKE,
    )
    return [row for row in rows if row["state"] != ArrivalState.QUARANTINED.value]


async def alike(context: Context, agency: str, paper: PaperArrival) -> Sequence[Same]:
    """Return earlier arrivals, paper or electronic, that look the same (DID-07)."""
    sender, _ = _sender(context, paper)
    dated = paper.promulgation_date.isoformat() if paper.promulgation_date else ""
    keys = senders_of(context, sender, paper.sender_name)
    found = await noted(context, agency, keys, paper.number, paper.notation, dated)
    return tuple(same_of(row) for row in found)


def _sender(context: Context, paper: PaperArrival) -> tuple[str, str]:
    """Return the key and the printed name of a sender."""
    if paper.sender_code.strip():
        who = whois(context, paper.sender_code.strip())
        return who.canonical, paper.sender_name.strip() or who.name
    name = paper.sender_name.strip()
    same = [a for a in context.directory().agencies() if _key(a.name) == _key(name)]
    return (same[0].code if len(same) == 1 else _key(name)), name


def _key(name: str) -> str:
    return f"name:{' '.join(name.casefold().split())}"


# ---------------------------------------------------------------- entering


async def enter(
    context: Context, person: Person, agency: str, paper: PaperArrival
) -> tuple[str, Done]:
    """Enter one; return its id and its number.

    Raises:
        RejectedError: BAD_REQUEST with every fault of the form; RULES_BROKEN for a secrecy mark,
            malware, or a scan that is no PDF; CONFLICT when the form was entered with other words.
    """
    now = context.clock.now()
    faults = faults_of(paper, now)
    if faults:
        raise RejectedError(Reason.BAD_REQUEST, "the form is incomplete", findings=faults)
    if context.restored:
        # DID-04: the counter may be behind numbers given after the backup.
        raise UnavailableError(public="restored from a backup and not released yet")
    sender, name = _sender(context, paper)
    scan, head = await _stored(context, paper)
    envelope = _envelope(agency, name, paper, scan)
    read = ReadPacket(envelope, (), scan or BlobInfo("", 0), {0: head} if scan else {})
    verdicts = await _looked_at(context, agency, read)
    arrival = _row(context, person, agency, sender, paper, read, verdicts, now)
    key = arrival_counter(agency, now)
    numbers = (NextNumber("arrival", key.agency, key.year, key.series),)
    write_number = numbering(context, arrival, numbers, now)
    change = ChangeSet(
        rows=tuple(_rows(context, person, arrival, paper, scan, now)),
        numbers=numbers,
        then=write_number,
    )
    result = await context.ledger.commit(change)
    if isinstance(result, Conflict):
        return await _entered_before(context, arrival)
    return str(arrival["id"]), Done(result.numbers["arrival"], key.year)


async def _entered_before(context: Context, arrival: Mapping[str, Any]) -> tuple[str, Done]:
    """Return what the same form entered: a second click, or a page sent again."""
    found = await context.ledger.all(
        "arrivals_of",
        agency=arrival["agency"],
        document_id=arrival["document_id"],
        senders=dumps([arrival["sender"]]),
    )
    if not found:
        raise UnavailableError(public="the register is being changed by others", retry_after_s=1)
    row = found[0]
    if row["envelope"] != arrival["envelope"]:
        # Back in the browser, another paper typed over the first: never lost behind its number.
        raise RejectedError(
            Reason.CONFLICT,
            f"This form was entered as {row['arrival_number']}/{row['arrival_year']} with other "
            "words: open a new form for another document",
        )
    return str(row["id"]), Done(row["arrival_number"], row["arrival_year"], repeated=True)


def faults_of(paper: PaperArrival, now: datetime) -> tuple[Finding, ...]:
    """Return everything missing or impossible in the form, all at once (A3.3, OPS-08)."""
    found = []
    for value, where, vi, en in (
        (paper.sender_name or paper.sender_code, "/sender_name", "cơ quan gửi", "who sent it"),
        (paper.subject, "/subject", "trích yếu nội dung", "the subject"),
        (paper.promulgation_date, "/promulgation_date", "ngày văn bản", "the document's date"),
    ):
        if not value:
            found.append(_fault("RCV-14", where, f"Ghi {vi}.", f"Give {en}."))
    for text, where in ((paper.subject, "/subject"), (paper.sender_name, "/sender_name")):
        if len(text) > _LONGEST:
            found.append(_fault("RCV-14", where, f"Tối đa {_LONGEST} ký tự.", "Too long."))
    if paper.promulgation_date and paper.promulgation_date > now.date() + timedelta(days=1):
        found.append(
            _fault(
                "RCV-14",
                "/promulgation_date",
                "Ngày văn bản sau ngày hôm nay.",
                "The document is dated after today.",
            )
        )
    # SEC-01 (S003 art 1.2): a level written into the form stands between brackets or dashes.
    told = _PIECES.sub("\n", f"{paper.subject}\n{paper.notation}\n{paper.type_name}\n{paper.to}")
    if secrecy_marks(told):
        found.append(
            _fault(
                "SEC-01",
                "/subject",
                "Văn bản có độ mật không được nhập vào hệ thống này.",
                "A document with a secrecy level must not be entered here.",
            )
        )
    came = paper.came_at
    if came is not None and came > now + _AHEAD:
        found.append(
            _fault("OPS-08", "/came_at", "Thời điểm đến ở tương lai.", "It came in the future.")
        )
    elif came is not None and now - came > _LATE and not paper.late_reason.strip():
        found.append(
            _fault(
                "OPS-08",
                "/late_reason",
                "Nhập muộn hơn một ngày: ghi lý do nhập bù.",
                "Entered over a day late: say why.",
            )
        )
    return tuple(found)


def _fault(rule: str, where: str, vi: str, en: str) -> Finding:
    return Finding(rule, Severity.ERROR, where, vi, en)


async def _stored(context: Context, paper: PaperArrival) -> tuple[BlobInfo | None, bytes]:
    """Store the scan; return its blob and how it begins."""
    if paper.scan is None:
        return None, b""
    writer, size, head = context.blobs.writer(), 0, b""
    try:
        async for chunk in paper.scan:
            size += len(chunk)
            if size > MAX_SCAN_BYTES:
                raise RejectedError(Reason.TOO_LARGE, "the scan is larger than 50 MB")
            if len(head) < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
            writer.write(chunk)
        if not size:
            return None, b""
        if _PDF not in head[:1024]:
            fault = _fault(
                "RCV-14", "/scan", "Bản quét phải là tệp PDF.", "The scan must be a PDF."
            )
            raise RejectedError(Reason.RULES_BROKEN, findings=(fault,))
        return await writer.finish(), head
    finally:
        writer.abort()


def _envelope(agency: str, name: str, paper: PaperArrival, scan: BlobInfo | None) -> Envelope:
    header = Header(
        sender=Organization(paper.sender_code.strip(), organ_name=name),
        recipients=(Organization(agency),),
        code_number=paper.number,
        code_notation=paper.notation,
        promulgation_date=paper.promulgation_date,
        type_name=paper.type_name,
        subject=paper.subject.strip(),
        signer=Signer("", paper.signer_position, paper.signer) if paper.signer else None,
        due_date=paper.due_on,
        urgency=Urgency(paper.urgency),
        page_amount=paper.pages,
        to_places=(paper.to,) if paper.to else (),
    )
    if scan is None:
        return Envelope(header, (), ())
    shown = safe_name(paper.scan_name, "ban-quet")
    file = Attachment(
        0, shown, shown, "ban-quet", "application/pdf", "", scan.sha256, scan.size_bytes
    )
    return Envelope(header, (), (file,))


async def _looked_at(context: Context, agency: str, read: ReadPacket) -> Verdicts | None:
    """Look at form and scan as the door would: nothing with a secrecy level or malware comes in.

    Raises:
        RejectedError: RULES_BROKEN.
    """
    verdicts = None
    if read.envelope.attachments:
        lane = int(read.envelope.header.urgency)
        now = context.clock.now()
        files = read.envelope.attachments
        verdicts = await verify_files(context, files, now, lane=lane, received=read.received)
    caller = Caller(f"console:{agency}", frozenset({agency}))
    options = SubmitOptions(via="paper")
    found = await judge(context, caller, read, options, verdicts, "in")
    # SEC-01, FMT-14: the other rules are about packets, which this is not.
    bad = tuple(f for f in errors(found) if f.rule in _STOPS)
    if bad:
        raise RejectedError(Reason.RULES_BROKEN, findings=bad)
    return verdicts


def _row(  # noqa: PLR0917
    context: Context,
    person: Person,
    agency: str,
    sender: str,
    paper: PaperArrival,
    read: ReadPacket,
    verdicts: Verdicts | None,
    now: datetime,
) -> dict[str, Any]:
    arrival_id = context.ids.new()
    legal = received_at_legal(now, context.calendar(agency))
    header = read.envelope.header
    return {
        "id": arrival_id,
        "agency": agency,
        "addressed_as": dumps([agency]),
        "sender": sender,
        "sender_written": paper.sender_code.strip(),
        "sender_name": header.sender.organ_name,
        # Nothing on paper has an identifier of the wire; this is the form's, and nobody else's.
        "document_id": f"paper:{paper.once or arrival_id}",
        "digest": f"paper:{arrival_id}",
        "state": ArrivalState.ACCEPTED.value,
        "envelope": dumps(envelope_to_json(read.envelope)),
        "findings": "[]",
        "verdict": verdicts.verdict.value if verdicts is not None else "unsigned",
        "scans": kept(verdicts),
        "urgency": int(header.urgency),
        "code_number": header.code_number,
        "code_notation": header.code_notation,
        "promulgation_date": _day(paper),
        "source": PAPER,
        "received_sha256": read.received.sha256,
        "received_size": read.received.size_bytes,
        "at_gateway_at": to_text(now),
        "entered_system_at": to_text(now),
        "received_at_legal": to_text(legal),
        "came_at": to_text(paper.came_at) if paper.came_at is not None else None,
        "entered_by": person.login,
        "entered_late": paper.late_reason.strip(),
    }


def _day(paper: PaperArrival) -> str:
    return paper.promulgation_date.isoformat() if paper.promulgation_date else ""


def _rows(  # noqa: PLR0917
    context: Context,
    person: Person,
    arrival: Mapping[str, Any],
    paper: PaperArrival,
    scan: BlobInfo | None,
    now: datetime,
) -> list[Change]:
    arrival_id = str(arrival["id"])
    facts = {"agency": arrival["agency"], "arrival_id": arrival_id, "via": PAPER}
    return [
        Insert("arrival", arrival),
        event(arrival_id, "entered_system", now, by=PAPER),
        *([keep(scan.sha256, arrival_id)] if scan is not None else []),
        *audited(
            context.ids,
            now,
            person,
            "arrival-entered",
            f"arrival:{arrival_id}",
            reason=paper.late_reason.strip(),
            **facts,
        ),
    ]
