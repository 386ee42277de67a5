"""Files of a draft: stored while they arrive, looked at before they count, let go when taken out.

Promises: what may not be sent never becomes part of a draft; what shows a secrecy mark is set apart
at once (SEC-01), as at every other door. A crash leaves blobs no row names, which the janitor lets
go.
"""

from datetime import date

from gateway.domain.drafting import header_of
from gateway.domain.envelope import BusinessType, Header
from gateway.domain.finding import Finding, errors
from gateway.domain.recall import targets
from gateway.errors import Reason, RejectedError
from gateway.ports import FormFile, SubmitOptions
from gateway.ports.clerk_send import Draft, DraftFile
from gateway.programs import quarantine
from gateway.programs.acceptance import CONSOLE
from gateway.programs.clerk.draftcheck import caller_of, packet_of, verdicts_of
from gateway.programs.context import Context
from gateway.programs.judging import judge
from gateway.programs.reading import ReadPacket
from gateway.programs.rows import dumps
from gateway.rules.facts import ATTACHMENTS


async def take(context: Context, draft: Draft, file: FormFile) -> DraftFile:
    """Store one file and look at it.

    Raises:
        RejectedError: RULES_BROKEN or SECRECY with what is wrong; LIMIT_EXCEEDED for too many.
    """
    most = context.policy.limits.attachments
    if len(draft.files) >= most:
        raise RejectedError(Reason.LIMIT_EXCEEDED, f"A document has {most} files at most")
    writer = context.blobs.writer()
    try:
        async for data in file.chunks:
            writer.write(data)
        info = await writer.finish()
    finally:
        writer.abort()
    taken = DraftFile(file.name, info.sha256, info.size_bytes, file.content_type)
    await _examine(context, draft, taken)
    return taken


async def _examine(context: Context, draft: Draft, taken: DraftFile) -> None:
    agency = context.directory().get(draft.agency)
    if agency is None:
        raise RejectedError(Reason.NOT_FOUND)
    read = await packet_of(context, header_of(agency, {}, ()), (taken,))
    verdicts = await verdicts_of(context, read)
    options = SubmitOptions(via=CONSOLE)
    found = await judge(context, caller_of(draft.agency), read, options, verdicts, "out")
    bad = tuple(f for f in errors(found) if _of_file(f))
    if any(f.rule == "SEC-01" for f in bad):
        await set_apart(context, draft.agency, read)
        raise RejectedError(Reason.SECRECY, findings=bad)
    if bad:
        raise RejectedError(Reason.RULES_BROKEN, findings=bad)


def _of_file(finding: Finding) -> bool:
    # Signatures are shown and may still be mended; formats, malware and secrecy never pass.
    if finding.rule.startswith("SIG-"):
        return False
    return finding.rule == "SEC-01" or finding.where.startswith(f"{ATTACHMENTS}/")


async def set_apart(context: Context, agency: str, read: ReadPacket) -> None:
    """Put files with a secrecy mark into quarantine, with no word of what they are about."""
    bare = Header(sender=read.envelope.header.sender, recipients=())
    received = await context.blobs.put(
        dumps({"from": agency, "files": [a.sha256 for a in read.envelope.attachments]}).encode()
    )
    read.received = received
    read.envelope = type(read.envelope)(bare, (), read.envelope.attachments)
    await quarantine.shut_away(context, caller_of(agency), read)


def from_header(header: Header) -> dict[str, str]:
    """Return the form a header was made of: a document to be drafted again."""
    signer, answered = header.signer, header.response_for[:1]
    form = {
        "document_id": header.document_id,
        "code_number": header.code_number,
        "code_notation": header.code_notation,
        "promulgation_date": _text(header.promulgation_date),
        "type_name": header.type_name,
        "subject": header.subject,
        "place": header.place,
        "content": header.content,
        "competence": signer.competence if signer else "",
        "position": signer.position if signer else "",
        "full_name": signer.full_name if signer else "",
        "urgency": str(int(header.urgency)),
        "due_date": _text(header.due_date),
        "page_amount": _text(header.page_amount),
        "promulgation_amount": _text(header.promulgation_amount),
        "reply_organ": answered[0].organ_id if answered else "",
        "reply_code": answered[0].code if answered else "",
        "reply_date": _text(answered[0].promulgation_date) if answered else "",
        "business": _text(int(header.business.doc_type) or None),
        "changes": next(iter(targets(header, own_id_exists=False)), ""),
        "changes_why": header.business.reason,
    }
    return {name: value for name, value in form.items() if value}


def changing(header: Header, document_id: str, change: BusinessType, day: date) -> dict[str, str]:
    """Return the form that recalls, updates or replaces a document that was sent.

    Source: REC-04 (NĐ30 art 18.3): what replaces has a number of its own; REC-05: it names which.
    """
    form = from_header(header) | {"business": str(int(change)), "changes": document_id}
    form.pop("changes_why", None)
    if change is BusinessType.UPDATE:
        return form
    gone = {"document_id", "code_number", "due_date", "page_amount", "promulgation_amount"}
    form = {k: v for k, v in form.items() if k not in gone}
    form["promulgation_date"] = day.isoformat()
    if change is BusinessType.RECALL:
        code = f"{header.code_number}/{header.code_notation}"
        form |= {
            "type_name": "Công văn",
            "subject": f"V/v thu hồi văn bản số {code}",
            "reply_organ": header.sender.organ_id,
            "reply_code": code,
            "reply_date": _text(header.promulgation_date),
        }
    return form


def _text(value: object) -> str:
    return "" if value is None else str(value)
