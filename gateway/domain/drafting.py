"""A document being prepared by form (dự thảo phát hành): its states, its fields, its header.

Promises: what was typed is kept as typed until it can be read; whatever cannot be read is said for
all fields at once; a change after the draft was marked ready makes it a draft again (SND-14). Pure;
the draft's row is the programs'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from gateway.domain.directory import Agency
from gateway.domain.envelope import (
    Business,
    BusinessType,
    Header,
    Organization,
    Replacement,
    ResponseFor,
    Signer,
    Urgency,
)
from gateway.domain.finding import Finding, Severity
from gateway.domain.machine import Table, Text, rows, stays


class DraftState(StrEnum):
    """Where a draft is."""

    DRAFT = "draft"
    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    DROPPED = "dropped"


class DraftEvent(StrEnum):
    """What happens to it."""

    CHANGED = "changed"
    MARKED_READY = "marked-ready"
    SENT_BACK = "sent-back"
    RELEASE_BEGAN = "release-began"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


_S, _E = DraftState, DraftEvent

DRAFT: Final = Table(
    name="draft",
    states=DraftState,
    events=DraftEvent,
    initial=frozenset({_S.DRAFT}),
    rows=rows(
        # SND-14 (S003 art 10.1 → NĐ30 art 10-12): what changes later must be looked at anew.
        ((_S.READY,), _E.CHANGED, _S.DRAFT),
        ((_S.DRAFT,), _E.MARKED_READY, _S.READY),
        ((_S.READY,), _E.SENT_BACK, _S.DRAFT),
        ((_S.DRAFT, _S.READY), _E.RELEASE_BEGAN, _S.SENDING),
        ((_S.SENDING,), _E.REFUSED, _S.DRAFT),
        ((_S.SENDING,), _E.ACCEPTED, _S.SENT),
        ((_S.DRAFT, _S.READY), _E.DROPPED, _S.DROPPED),
    ),
    stays=stays(
        ((_S.DRAFT,), (_E.CHANGED,), "still a draft"),
        ((_S.READY,), (_E.MARKED_READY,), "ready already"),
        ((_S.SENDING,), (_E.RELEASE_BEGAN,), "the release goes on where it stopped"),
        ((_S.SENT,), (_E.RELEASE_BEGAN, _E.ACCEPTED), "sent already: once only"),
        ((_S.DROPPED,), (_E.DROPPED,), "dropped already"),
    ),
    settled=frozenset({_S.SENT, _S.DROPPED}),
    texts={
        _S.DRAFT: Text("đang soạn", "being drafted"),
        _S.READY: Text("chờ phát hành", "ready to be issued"),
        _S.SENDING: Text("đang phát hành", "being issued"),
        _S.SENT: Text("đã phát hành", "issued"),
        _S.DROPPED: Text("đã bỏ", "dropped"),
    },
)

OPEN_STATES: Final = frozenset({_S.DRAFT, _S.READY})

LENGTHS: Final[Mapping[str, int]] = {
    "code_number": 11,
    "code_notation": 30,
    "promulgation_date": 10,
    "type_name": 100,
    "subject": 500,
    "place": 50,
    "content": 500,
    "competence": 100,
    "position": 100,
    "full_name": 50,
    "urgency": 1,
    "due_date": 10,
    "page_amount": 3,
    "promulgation_amount": 3,
    "reply_organ": 35,
    "reply_code": 50,
    "reply_date": 10,
    "document_id": 200,
    "business": 1,
    "changes": 200,
    "changes_why": 500,
}
"""The fields of the form and how long NĐ30 PL VI lets them be (A3.2)."""

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "promulgation_date": ("Ngày văn bản", "Date of the document"),
    "due_date": ("Hạn trả lời", "Due date"),
    "reply_date": ("Ngày văn bản được trả lời", "Date of the document answered"),
    "page_amount": ("Số trang", "Pages"),
    "promulgation_amount": ("Số lượng bản", "Copies"),
    "urgency": ("Độ khẩn", "Urgency"),
}


def clean_form(given: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of the form as they are kept: known ones, trimmed, not endless."""
    return {
        name: given[name].replace("\r\n", "\n").strip()[:2000]
        for name in LENGTHS
        if given.get(name, "").strip()
    }


@dataclass(frozen=True, slots=True)
class Fields:
    """A form that was read: values, and what could not be read."""

    dates: Mapping[str, date]
    numbers: Mapping[str, int]
    urgency: Urgency
    faults: tuple[Finding, ...]


def read_fields(form: Mapping[str, str]) -> Fields:
    """Return the dates and numbers of a form; every fault at once."""
    dates: dict[str, date] = {}
    numbers: dict[str, int] = {}
    faults: list[Finding] = []
    for name in ("promulgation_date", "due_date", "reply_date"):
        if text := form.get(name, ""):
            read = _date(text)
            if read is None:
                faults.append(_fault(name, "viết dạng ngày/tháng/năm", "write day/month/year"))
            else:
                dates[name] = read
    for name in ("page_amount", "promulgation_amount"):
        if text := form.get(name, ""):
            if text.isascii() and text.isdigit() and len(text) <= 6:
                numbers[name] = int(text)
            else:
                faults.append(_fault(name, "phải là số nguyên", "must be a whole number"))
    level = form.get("urgency", "0") or "0"
    if level not in {str(int(u)) for u in Urgency}:
        faults.append(_fault("urgency", "chọn một mức trong danh sách", "choose one of the list"))
        level = "0"
    issued, due = dates.get("promulgation_date"), dates.get("due_date")
    if issued is not None and due is not None and due < issued:
        faults.append(
            _fault("due_date", "sớm hơn ngày văn bản", "lies before the date of the document")
        )
    return Fields(dates, numbers, Urgency(int(level)), tuple(faults))


def _date(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def _fault(name: str, vi: str, en: str) -> Finding:
    said = _WORDS[name]
    return Finding("MD-10", Severity.ERROR, name, f"{said[0]}: {vi}.", f"{said[1]}: {en}.")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a draft: the code as chosen, and the name shown then."""

    code: str
    name: str = ""


def header_of(
    agency: Agency,
    form: Mapping[str, str],
    recipients: Sequence[Recipient],
    *,
    paper: bool = False,
) -> Header:
    """Return the header a form stands for; what cannot be read is left out (see `read_fields`)."""
    fields = read_fields(form)
    signer = Signer(form.get("competence", ""), form.get("position", ""), form.get("full_name", ""))
    kind = change_of(form)
    answered = ResponseFor(
        form.get("reply_organ", ""),
        form.get("reply_code", ""),
        form.get("changes", "") if kind is BusinessType.RECALL else "",
        fields.dates.get("reply_date"),
    )
    return Header(
        sender=Organization(agency.code, organ_name=agency.name, email=agency.mail),
        recipients=tuple(Organization(r.code, organ_name=r.name) for r in recipients),
        document_id=form.get("document_id", ""),
        code_number=form.get("code_number", ""),
        code_notation=form.get("code_notation", ""),
        place=form.get("place", ""),
        promulgation_date=fields.dates.get("promulgation_date"),
        type_code=2,  # spec/edxml.md 3.7: administrative documents; normative acts say so by type
        type_name=form.get("type_name", ""),
        subject=form.get("subject", ""),
        content=form.get("content", ""),
        signer=signer if signer != Signer() else None,
        due_date=fields.dates.get("due_date"),
        urgency=fields.urgency,
        promulgation_amount=fields.numbers.get("promulgation_amount"),
        page_amount=fields.numbers.get("page_amount"),
        response_for=() if answered == ResponseFor() else (answered,),
        # SND-05 (S003 art 6.3): no paper beside a signed document, but where a rule asks for it.
        business=replace(_business(kind, form, recipients), paper=int(paper)),
    )


def change_of(form: Mapping[str, str]) -> BusinessType:
    """Return whether a form recalls, updates or replaces what was sent before (C5)."""
    known = {str(int(kind)): kind for kind in BusinessType}
    return known.get(form.get("business", ""), BusinessType.NEW)


def _business(
    kind: BusinessType, form: Mapping[str, str], recipients: Sequence[Recipient]
) -> Business:
    # REC-05 (QCVN102; spec/edxml.md 5): a recall names its target in ResponseFor, an update in
    # Bussiness/DocumentId, a replacement in ReplacementInfoList with whom it concerns.
    named, why = form.get("changes", ""), form.get("changes_why", "")
    if kind is BusinessType.REPLACE:
        replaced = Replacement(named, tuple(r.code for r in recipients))
        return Business(kind, reason=why, replacements=(replaced,))
    if kind is BusinessType.UPDATE:
        return Business(kind, named, why)
    return Business(kind, reason=why) if kind is BusinessType.RECALL else Business()
