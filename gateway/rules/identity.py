"""ID-*, DID-*: who sends to whom, and under which identifier.

A bad recipient is a warning: it fails that one delivery, never the whole sending. A bad sender
refuses an outgoing document. Identifiers are compared exactly; what they say beside the packet is
only checked. Pure.
"""

from collections.abc import Iterator
from typing import Final

from gateway.domain.directory import Resolved, Unknown
from gateway.domain.document_id import (
    MAX_DOCUMENT_ID_LENGTH,
    Disagreement,
    disagreements,
    parse_document_id,
)
from gateway.domain.finding import Finding, Severity
from gateway.domain.identifiers import code_findings, fold
from gateway.errors import Reason
from gateway.rules.facts import MESSAGE_HEADER, EarlierDocument, Facts
from gateway.rules.registry import rule

_FROM: Final = f"{MESSAGE_HEADER}/From/OrganId"
_DOCUMENT_ID: Final = f"{MESSAGE_HEADER}/DocumentId"

# Reason → rule, Vietnamese, English, and what to do.
_UNREACHABLE: Final[dict[Reason, tuple[str, str, str]]] = {
    Reason.RECIPIENT_UNKNOWN: (
        "ID-09",
        "không có trong danh mục. Kiểm tra mã rồi gửi lại cho đơn vị này",
        "is not in the catalogue. Check the code and send to this recipient again",
    ),
    Reason.RECIPIENT_CLOSED: (
        "ID-05",
        "đã đóng mã",
        "has a closed code",
    ),
    Reason.RECIPIENT_LOCKED: (
        "ID-09",
        "đang bị khóa. Liên hệ quản trị trục",
        "is locked. Ask the axis's administrator",
    ),
    Reason.NOT_CONNECTED: (
        "SND-04",
        "chưa kết nối, liên thông. Gửi cho đơn vị này bằng cách khác",
        "is not connected. Reach this recipient another way",
    ),
}


@rule("ID-03", source="QĐ28 art 10.2a; QĐ20")
def readable_codes(facts: Facts) -> Iterator[Finding]:
    """Doubt codes that no notation knows."""
    header = facts.envelope.header
    yield from code_findings(header.sender.organ_id, _FROM, severity=facts.required)
    for position, recipient in enumerate(header.recipients, 1):
        where = f"{MESSAGE_HEADER}/To[{position}]/OrganId"
        yield from code_findings(recipient.organ_id, where, severity=Severity.WARNING)


@rule("ID-10", source="NĐ30 PL VI part II; peer profile")
def code_fits_peer(facts: Facts) -> Iterator[Finding]:
    """Warn of codes longer than the peer takes; never cut them."""
    most = facts.policy.max_code_length
    for position, recipient in enumerate(facts.envelope.header.recipients, 1):
        length = len(recipient.organ_id)
        if most < length:
            yield Finding(
                "ID-10",
                Severity.WARNING,
                f"{MESSAGE_HEADER}/To[{position}]/OrganId",
                f"Mã dài {length} ký tự, bên nhận chỉ nhận {most}. Không cắt bớt.",
                f"The code has {length} characters, the peer takes {most}. Nothing is cut.",
            )


@rule("ID-01", source="S003 art 8.2")
def no_recipient_twice(facts: Facts) -> Iterator[Finding]:
    """Warn of one recipient named twice; old and new code of one agency is only a note."""
    recipients = facts.envelope.header.recipients
    if len(recipients) < 2:
        return
    codes: dict[str, int] = {}
    agencies: dict[str, int] = {}
    for position, recipient in enumerate(recipients, 1):
        key = fold(recipient.organ_id)
        first = codes.setdefault(key, position)
        if first != position:
            yield _twice("ID-01", Severity.WARNING, position, first, recipient.organ_id)
            continue
        if facts.recipients is None:
            continue
        first = agencies.setdefault(facts.recipients[position - 1].canonical, position)
        if first != position:
            yield _twice("ID-04", Severity.NOTE, position, first, recipient.organ_id)


def _twice(rule_id: str, severity: Severity, position: int, first: int, code: str) -> Finding:
    return Finding(
        rule_id,
        severity,
        f"{MESSAGE_HEADER}/To[{position}]/OrganId",
        f"Mã {code} chỉ cùng đơn vị với nơi nhận thứ {first}; chỉ gửi một lần.",
        f"Code {code} names the same agency as recipient {first}; it is sent once.",
    )


@rule("ID-09", source="Lạng Sơn axis practice; ID-05 (QĐ20)")
def known_sender(facts: Facts) -> Iterator[Finding]:
    """Ask that the sender is registered, open, and one the caller speaks for."""
    sender = facts.sender
    if sender is None or not facts.envelope.header.sender.organ_id.strip():
        return
    written = facts.envelope.header.sender.organ_id
    if isinstance(sender, Unknown):
        yield Finding(
            "ID-09",
            facts.required,
            _FROM,
            f"Đơn vị gửi {written} chưa đăng ký. Đăng ký mã hoặc sửa lại mã gửi.",
            f"The sender {written} is not registered. Register the code or correct it.",
            "R09",
        )
        return
    yield from _closed_sender(sender, written, facts)
    heir = sender.successor.code if sender.successor is not None else sender.canonical
    if facts.speaks_for is not None and not {sender.canonical, heir} & facts.speaks_for:
        yield Finding(
            "ID-09",
            Severity.ERROR,
            _FROM,
            f"Đơn vị gửi {written} không đúng với mã hệ thống đã đăng ký. Gửi bằng tài khoản của "
            "đơn vị này.",
            f"The sender {written} is not one this system speaks for. Send with that agency's "
            "own account.",
            "R09",
        )


def _closed_sender(sender: Resolved, written: str, facts: Facts) -> Iterator[Finding]:
    if sender.reason not in {Reason.RECIPIENT_CLOSED, Reason.RECIPIENT_LOCKED}:
        return
    closed = sender.reason is Reason.RECIPIENT_CLOSED
    vi, en = ("đã đóng", "closed") if closed else ("đang bị khóa", "locked")
    heir = f" Dùng mã {sender.successor.code}." if sender.successor is not None else ""
    heir_en = f" Use code {sender.successor.code}." if sender.successor is not None else ""
    yield Finding(
        "ID-05" if closed else "ID-09",
        facts.required,
        _FROM,
        f"Mã đơn vị gửi {written} {vi}.{heir}",
        f"The sender's code {written} is {en}.{heir_en}",
        "R09",
    )


@rule("ID-05", source="QĐ20; S003 art 6.2")
def reachable_recipients(facts: Facts) -> Iterator[Finding]:
    """Name the recipients that cannot be reached; each fails its own delivery only."""
    if facts.recipients is None or not facts.outgoing:
        return
    for position, found in enumerate(facts.recipients, 1):
        reason = found.reason
        if reason is None:
            continue
        rule_id, vi, en = _UNREACHABLE[reason]
        name = f" ({found.agency.name})" if isinstance(found, Resolved) else ""
        heir = found.successor if isinstance(found, Resolved) else None
        if reason is Reason.RECIPIENT_CLOSED and heir is not None:
            vi = (
                f"{vi}, đơn vị kế thừa là {heir.code} ({heir.name}). Gửi tới mã đó, hoặc gửi lại "
                "với replace_closed=true"
            )
            en = (
                f"{en}; {heir.code} ({heir.name}) took over. Send to that code, or again with "
                "replace_closed=true"
            )
        elif reason is Reason.RECIPIENT_CLOSED and (named := _candidates(found)):
            # A split: whoever sends must choose, nobody else can.
            vi = f"{vi}, nhiệm vụ chia cho {named}. Chọn đơn vị đúng thẩm quyền"
            en = f"{en}; {named} took over. Choose the competent one"
        yield Finding(
            rule_id,
            Severity.WARNING,
            f"{MESSAGE_HEADER}/To[{position}]/OrganId",
            f"Nơi nhận {found.written}{name} {vi}.",
            f"Recipient {found.written}{name} {en}.",
            "R09",
        )


def _candidates(found: Resolved | Unknown) -> str:
    if isinstance(found, Unknown):
        return ""
    known = (f"{agency.code} ({agency.name})" for agency in found.heirs.agencies)
    return ", ".join((*known, *found.heirs.strangers))


# ---------------------------------------------------------------- identifier


@rule("DID-06", source="QĐ28 art 10.2b; QCVN102")
def identifier_present(facts: Facts) -> Iterator[Finding]:
    """Ask an incoming document for its identifier; an outgoing one is given one at acceptance."""
    header = facts.envelope.header
    identifier = header.document_id
    made = len(header.full_code) + len(header.sender.organ_id) + len(",2026/11/22,")
    if facts.outgoing and not identifier.strip() and made > MAX_DOCUMENT_ID_LENGTH:
        # DID-01: the identifier made of these parts would be longer than peers keep.
        yield Finding(
            "DID-01",
            Severity.ERROR,
            f"{MESSAGE_HEADER}/Code",
            f"Số, ký hiệu dài {len(header.full_code)} ký tự, không tạo được mã định danh văn bản. "
            "Rút ngắn ký hiệu.",
            f"Number and notation have {len(header.full_code)} characters, too many for a document "
            "identifier. Shorten the notation.",
            "R08",
        )
    if not identifier.strip():
        if not facts.outgoing:
            yield Finding(
                "DID-06",
                Severity.WARNING,
                _DOCUMENT_ID,
                "Thiếu mã định danh văn bản; trạng thái gửi lại có thể không khớp. "
                "Báo bên gửi bổ sung.",
                "The document identifier is missing; statuses sent back may not match. "
                "Tell the sender.",
                "R08",
            )
    elif len(identifier) > MAX_DOCUMENT_ID_LENGTH:
        yield Finding(
            "DID-06",
            facts.required,
            _DOCUMENT_ID,
            f"Mã định danh văn bản dài {len(identifier)} ký tự, tối đa "
            f"{MAX_DOCUMENT_ID_LENGTH}. Rút ngắn mã.",
            f"The document identifier has {len(identifier)} characters, at most "
            f"{MAX_DOCUMENT_ID_LENGTH}. Shorten it.",
            "R08",
        )


_SAYS: Final = {
    Disagreement.ORGAN: ("mã cơ quan", "agency code"),
    Disagreement.CODE: ("số, ký hiệu", "number and notation"),
    Disagreement.DATE: ("ngày văn bản", "date"),
}


@rule("DID-05", source="QCVN102 practice; QĐ28 art 10.2b")
def identifier_agrees(facts: Facts) -> Iterator[Finding]:
    """Warn where the identifier says something else than the packet."""
    header = facts.envelope.header
    if not header.document_id or len(header.document_id) > MAX_DOCUMENT_ID_LENGTH:
        return
    parsed = parse_document_id(header.document_id)
    for part in disagreements(
        parsed,
        sender=header.sender.organ_id,
        number=header.code_number,
        notation=header.code_notation,
        promulgation_date=header.promulgation_date,
        same_agency=facts.same_agency,
    ):
        vi, en = _SAYS[part]
        yield Finding(
            "DID-05",
            Severity.WARNING,
            f"{MESSAGE_HEADER}/{part.value}",
            f"Mã định danh văn bản ghi {vi} khác với gói tin. Kiểm tra lại.",
            f"The document identifier states another {en} than the packet. Check it.",
        )
    if parsed.odd_separators:
        yield Finding(
            "DID-05",
            Severity.NOTE,
            _DOCUMENT_ID,
            "Ngày trong mã định danh viết bằng dấu “-”; chuẩn là yyyy/MM/dd. Mã được giữ nguyên.",
            "The identifier's date is written with “-”; the standard is yyyy/MM/dd. It is kept.",
        )


def duplicate_finding(earlier: EarlierDocument) -> Finding:
    """Return the warning that names the earlier document; never a silent merge.

    Source: DID-07 (NĐ30 PL VI part I III.1h).
    """
    day = f" ngày {earlier.promulgation_date:%d/%m/%Y}" if earlier.promulgation_date else ""
    dated = f" of {earlier.promulgation_date.isoformat()}" if earlier.promulgation_date else ""
    if earlier.same_identifier:
        vi, en = "cùng mã định danh", "the same identifier"
    else:
        vi = "cùng số, ký hiệu, ngày và văn bản chính"
        en = "the same number, notation, date and main file"
    return Finding(
        "DID-07",
        Severity.WARNING,
        _DOCUMENT_ID,
        f"Có thể trùng với văn bản {earlier.code}{day} (mã {earlier.document_id}): {vi}. "
        "Kiểm tra trước khi tiếp nhận.",
        f"This may repeat document {earlier.code}{dated} (identifier {earlier.document_id}): {en}. "
        "Check before accepting.",
        "R10",
    )


@rule("DID-07", source="NĐ30 PL VI part I III.1h")
def suspected_duplicate(facts: Facts) -> Iterator[Finding]:
    """Warn of a document that seems to be here already."""
    if facts.earlier is not None:
        yield duplicate_finding(facts.earlier)
