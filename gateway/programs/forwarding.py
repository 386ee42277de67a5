"""forwarding: post for a closed code, brought to who took over, or answered with who could have.

Promises: what a peer sends to a closed code of ours reaches its one open successor here until the
day the operator set (without one: without end), says so on the arrival, in its events, in the
receipt log and in the first status that goes back; a split, an ended term and a successor who is
not here are answered 02 with the candidates named. Our own senders' recipients are never changed
here: they are told at once, and choose. Decides only; a crash leaves nothing behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.consignment import PlannedDelivery
from gateway.domain.directory import Agency, AgencyStatus, Resolved
from gateway.domain.envelope import Header, Organization
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason
from gateway.programs.catalogue import Who, name_of, today, whois
from gateway.programs.context import Context
from gateway.rules.facts import MESSAGE_HEADER

# The whole stays within the length of a reason (gateway.domain.receipt).
_MOST_NAMED: Final = 8
_MOST_OF_NAME: Final = 60
_OPEN: Final = frozenset({None, Reason.RECIPIENT_LOCKED})


@dataclass(frozen=True, slots=True)
class Addressee:
    """A local agency a document is for.

    Args:
        agency: Its canonical code; the closed one where there is nobody to bring it to.
        addressed_as: The codes the sender wrote, in order.
        forwarded_from: Those of them that are closed, so that it takes over.
        closed: Why it goes back (ID-05), None when it is delivered.
    """

    agency: str
    addressed_as: tuple[str, ...]
    forwarded_from: tuple[str, ...] = ()
    closed: Finding | None = None

    def only(self, codes: Sequence[str]) -> "Addressee":
        """Return it with some of its codes."""
        return replace(
            self,
            addressed_as=tuple(c for c in self.addressed_as if c in codes),
            forwarded_from=tuple(c for c in self.forwarded_from if c in codes),
        )


def addressees(context: Context, planned: Sequence[PlannedDelivery]) -> tuple[Addressee, ...]:
    """Return the local agencies among the recipients, each once, whatever codes name it.

    ID-05, S003 art 6.2: a closed agency's post goes to the local one that took over, and is
    answered under the code the sender wrote; where nobody can take it, the sender hears so.
    """
    found: dict[str, Addressee] = {}
    for plan in planned:
        to = _addressee(context, plan)
        if to is None:
            continue
        known = found.get(to.agency)
        if known is not None:
            to = replace(
                known,
                addressed_as=_both(known.addressed_as, to.addressed_as),
                forwarded_from=_both(known.forwarded_from, to.forwarded_from),
            )
        found[to.agency] = to
    return tuple(found.values())


def replaced(context: Context, header: Header) -> tuple[Header, tuple[Finding, ...]]:
    """Return a header with closed recipients written as their one successor, and what was done.

    ID-05, SND-04: only because the sender said so with this very sending; a split stays as written,
    and so does who was taken over by one that is closed as well.
    """
    directory, day = context.directory(), today(context)
    kept: list[Organization] = []
    notes: list[Finding] = []
    who = (directory.resolve(r.organ_id, day) for r in header.recipients)
    named = {found.canonical for found in who if found.reason is not Reason.RECIPIENT_CLOSED}
    for position, recipient in enumerate(header.recipients, 1):
        found = directory.resolve(recipient.organ_id, day)
        heir = found.successor if isinstance(found, Resolved) else None
        closed = found.reason is Reason.RECIPIENT_CLOSED
        if heir is None or not closed or heir.status_on(day) is AgencyStatus.CLOSED:
            kept.append(recipient)
            continue
        notes.append(_replaced(position, recipient.organ_id, heir))
        if heir.code not in named:
            named.add(heir.code)
            kept.append(Organization(heir.code, organ_name=heir.name))
    return (replace(header, recipients=tuple(kept)), tuple(notes)) if notes else (header, ())


def _replaced(position: int, written: str, heir: Agency) -> Finding:
    return Finding(
        "ID-05",
        Severity.NOTE,
        f"{MESSAGE_HEADER}/To[{position}]/OrganId",
        f"Nơi nhận {written} đã đóng mã; theo yêu cầu của bên gửi, gửi tới đơn vị kế thừa "
        f"{heir.code} ({heir.name}).",
        f"Recipient {written} is closed; as the sender asked, sent to its successor {heir.code} "
        f"({heir.name}).",
    )


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _addressee(context: Context, plan: PlannedDelivery) -> Addressee | None:
    who = whois(context, plan.agency)
    if who.problem is not Reason.RECIPIENT_CLOSED:
        return Addressee(plan.agency, plan.addressed_as) if who.is_local else None
    heir = whois(context, who.successor) if who.successor else None
    here = heir is not None and heir.is_local and heir.problem in _OPEN
    if heir is not None and here and who.forwards:
        return Addressee(heir.canonical, plan.addressed_as, forwarded_from=plan.addressed_as)
    if who.is_local or any(whois(context, code).is_local for code in who.candidates):
        return Addressee(plan.agency, plan.addressed_as, closed=_nobody(context, who, plan))
    return None


# ---------------------------------------------------------------- what is said


def candidates_text(context: Context, codes: Sequence[str]) -> str:
    """Return codes with their names, for people; a long list is cut and says so."""
    directory = context.directory()
    names = {c: name_of(directory, c)[:_MOST_OF_NAME] for c in codes}
    shown = [f"{code} ({name})" if name else code for code, name in names.items()]
    more = f" và {len(shown) - _MOST_NAMED} mã khác" if len(shown) > _MOST_NAMED else ""
    return ", ".join(shown[:_MOST_NAMED]) + more


def note(written: str, agency: str, name: str) -> str:
    """Return what the sender is told of a forwarded document, beside the status (ID-05)."""
    named = f"{agency} ({name})" if name else agency
    return (
        f"Chuyển tiếp từ mã cũ {written}: mã đã đóng, đơn vị kế thừa là {named}. "
        f"Lần sau gửi tới mã {agency}."
    )


def taken_over(to: Addressee) -> Finding:
    """Return the warning beside a forwarded document."""
    codes = ", ".join(to.forwarded_from)
    return Finding(
        "ID-05",
        Severity.WARNING,
        f"To[OrganId='{to.forwarded_from[0]}']",
        f"Chuyển tiếp từ mã cũ: gửi tới mã đã đóng {codes}; chuyển cho đơn vị kế thừa {to.agency}. "
        "Báo bên gửi dùng mã mới.",
        f"Sent to the closed code {codes}; brought to its successor {to.agency}. Tell the sender "
        "to use the new code.",
        "R09",
    )


def _nobody(context: Context, who: Who, plan: PlannedDelivery) -> Finding:
    """Return why a document for a closed code goes back, and to whom it may be sent."""
    named = candidates_text(context, who.candidates)
    if not who.candidates:
        vi = "không có đơn vị kế thừa trong danh mục. Hỏi cơ quan cấp trên rồi gửi lại"
        en = "nobody took over according to the catalogue. Ask the body above, then send again"
    elif not who.successor:
        vi = f"nhiệm vụ chia cho nhiều đơn vị: {named}. Chọn đơn vị đúng thẩm quyền rồi gửi lại"
        en = f"several took over: {named}. Choose the competent one and send again"
    else:
        vi = f"đơn vị kế thừa: {named}; không còn chuyển tiếp. Gửi lại tới mã mới"
        en = f"{named} took over; nothing is forwarded any more. Send again to the new code"
    return Finding(
        "ID-05",
        Severity.ERROR,
        f"To[OrganId='{plan.addressed_as[0]}']",
        f"Mã {who.canonical} đã đóng; {vi}.",
        f"Code {who.canonical} is closed; {en}.",
        "R09",
    )
