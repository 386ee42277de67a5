"""MD-*, SND-13: what a document must say about itself, and that all of it is there.

What the law requires refuses an outgoing document; incoming, it is a warning and the clerk decides
(RCV-02). Old connector kits leave out type and signer, so these two always warn. Lengths beyond the
tables of NĐ30 warn and cut nothing (F17). Pure.
"""

from collections.abc import Iterator
from typing import Final

from gateway.domain.envelope import BusinessType
from gateway.domain.finding import Finding, Severity
from gateway.domain.numbering import FIRST_YEAR
from gateway.rules.facts import ATTACHMENTS, MANIFEST, MESSAGE_HEADER, Facts
from gateway.rules.registry import rule

_CODE: Final = f"{MESSAGE_HEADER}/Code"
_DATE: Final = f"{MESSAGE_HEADER}/PromulgationInfo/PromulgationDate"
_TYPE: Final = f"{MESSAGE_HEADER}/DocumentType/TypeName"
_SIGNER: Final = f"{MESSAGE_HEADER}/SignerInfo"


def _missing(where: str, severity: Severity, vi: str, en: str) -> Finding:
    # MD-01 (S003 art 8.1 → QĐ28 art 10.2): the minimum information of A3.1.
    return Finding(
        "MD-01",
        severity,
        where,
        f"Thiếu {vi}. Bổ sung rồi gửi lại.",
        f"The {en} is missing. Add it and send again.",
        "R08",
    )


@rule("MD-01", source="S003 art 8.1; QĐ28 art 10.2")
def required_fields(facts: Facts) -> Iterator[Finding]:
    """Ask for the minimum information of A3.1."""
    header = facts.envelope.header
    severity = facts.required
    if not header.code_number.strip():
        yield _missing(f"{_CODE}/CodeNumber", severity, "số văn bản", "document number")
    # Some senders write number and notation together in CodeNumber.
    if not header.code_notation.strip() and "/" not in header.code_number:
        yield _missing(f"{_CODE}/CodeNotation", severity, "ký hiệu văn bản", "document notation")
    if header.promulgation_date is None:
        yield _missing(_DATE, severity, "ngày, tháng, năm văn bản", "date of the document")
    if not header.subject.strip():
        yield _missing(
            f"{MESSAGE_HEADER}/Subject", severity, "trích yếu nội dung", "abstract (subject)"
        )
    if not header.recipients:
        yield _missing(f"{MESSAGE_HEADER}/To", severity, "bên nhận", "recipient")
    if not header.type_name.strip():
        yield _missing(_TYPE, Severity.WARNING, "tên loại văn bản", "document type")
    signer = header.signer
    if signer is None or not signer.full_name.strip():
        yield _missing(f"{_SIGNER}/FullName", Severity.WARNING, "họ tên người ký", "signer's name")
    elif not signer.position.strip():
        yield _missing(f"{_SIGNER}/Position", Severity.WARNING, "chức vụ người ký", "signer's post")


@rule("MD-05", source="NĐ30 art 8; QĐ28 art 10.2d")
def plausible_date(facts: Facts) -> Iterator[Finding]:
    """Doubt a date of the document that cannot be, or lies ahead."""
    day = facts.envelope.header.promulgation_date
    if day is None:
        return
    # A year no counter knows, or one beyond next year, is a misread date and no plan.
    if day.year < FIRST_YEAR or day.year > facts.today.year + 1:
        yield Finding(
            "MD-05",
            facts.required,
            _DATE,
            f"Ngày văn bản {day:%d/%m/%Y} không thể đúng; viết theo dạng năm/tháng/ngày.",
            f"The document cannot be dated {day.isoformat()}; write year/month/day.",
            "R08",
        )
    elif day > facts.today:
        yield Finding(
            "MD-05",
            Severity.WARNING,
            _DATE,
            f"Ngày văn bản {day:%d/%m/%Y} ở tương lai. Kiểm tra lại ngày.",
            f"The document is dated {day.isoformat()}, in the future. Check the date.",
        )


@rule("MD-01", source="S003 art 8.1; QĐ28 art 10.2g")
def main_document(facts: Facts) -> Iterator[Finding]:
    """Ask for the document itself, not its metadata alone, and for no empty files."""
    attachments = facts.envelope.attachments
    if not attachments:
        if facts.envelope.header.business.doc_type is BusinessType.NEW:
            yield Finding(
                "MD-01",
                facts.required,
                ATTACHMENTS,
                "Gói tin không có tệp văn bản. Đính kèm văn bản rồi gửi lại.",
                "The packet holds no document file. Attach the document and send again.",
                "R02",
            )
        return
    for attachment in attachments:
        if attachment.size_bytes == 0:
            yield Finding(
                "MD-01",
                facts.required,
                f"{ATTACHMENTS}/Attachment[{attachment.index + 1}]",
                f"Tệp “{attachment.safe_name}” rỗng. Đính kèm lại tệp.",
                f"The file “{attachment.safe_name}” is empty. Attach it again.",
                "R02",
            )


@rule("MD-01", source="S003 art 8.1; QĐ28 art 10")
def manifest_complete(facts: Facts) -> Iterator[Finding]:
    """Refuse a manifest that names an absent file, and a file no manifest names."""
    manifest = facts.envelope.manifest
    attachments = facts.envelope.attachments
    if not manifest:
        if attachments:
            yield Finding(
                "MD-01",
                Severity.WARNING,
                MANIFEST,
                "Gói tin không có bảng kê tệp (manifest); các tệp được nhận theo thứ tự.",
                "The packet has no manifest; its files are taken in order.",
            )
        return
    listed = [m.content_id for m in manifest]
    present = {a.content_id for a in attachments}
    for position, entry in enumerate(manifest, 1):
        if entry.content_id not in present:
            shown = entry.name or entry.content_id
            yield Finding(
                "MD-01",
                Severity.ERROR,
                f"{MANIFEST}/Reference[{position}]",
                f"Bảng kê có “{shown}” nhưng gói tin thiếu tệp này. Đính kèm đủ rồi gửi lại.",
                f"The manifest names “{shown}” but the file is absent. Attach it and send again.",
                "R02",
            )
    for attachment in attachments:
        if attachment.content_id not in listed:
            yield Finding(
                "MD-01",
                Severity.ERROR,
                f"{ATTACHMENTS}/Attachment[{attachment.index + 1}]/ContentId",
                f"Tệp “{attachment.safe_name}” không có trong bảng kê (manifest). "
                "Ghi vào bảng kê hoặc bỏ tệp.",
                f"The manifest does not name the file “{attachment.safe_name}”. List or drop it.",
                "R02",
            )


# MD-02 (NĐ30 PL VI part II; spec/edxml.md 3.3): longest values; beyond them partners may refuse.
_LENGTHS: Final = (
    ("code_number", "Code/CodeNumber", 11),
    ("code_notation", "Code/CodeNotation", 30),
    ("place", "PromulgationInfo/Place", 50),
    ("type_name", "DocumentType/TypeName", 100),
    ("subject", "Subject", 500),
    ("content", "Content", 500),
    ("sphere", "OtherInfo/SphereOfPromulgation", 100),
    ("typer_notation", "OtherInfo/TyperNotation", 10),
)
_ORGAN_LENGTHS: Final = (
    ("organ_name", "OrganName", 200),
    ("organization_in_charge", "OrganizationInCharge", 500),
    ("organ_add", "OrganAdd", 250),
    ("email", "Email", 100),
    ("telephone", "Telephone", 20),
    ("fax", "Fax", 20),
    ("website", "Website", 100),
)
_SIGNER_LENGTHS: Final = (
    ("competence", "Competence", 100),
    ("position", "Position", 100),
    ("full_name", "FullName", 50),
)


def _long(where: str, length: int, most: int) -> Finding:
    name = where.rpartition("/")[2]
    return Finding(
        "MD-02",
        Severity.WARNING,
        where,
        f"{name} dài {length} ký tự, quá {most}; bên nhận có thể từ chối. Không cắt bớt.",
        f"{name} has {length} characters, more than {most}; the receiver may refuse it. "
        "Nothing is cut.",
    )


@rule("MD-02", source="NĐ30 PL VI part II")
def lengths(facts: Facts) -> Iterator[Finding]:
    """Warn of values longer than the tables; never cut, never refuse (F17)."""
    header = facts.envelope.header
    for name, path, most in _LENGTHS:
        length = len(getattr(header, name))
        if length > most:
            yield _long(f"{MESSAGE_HEADER}/{path}", length, most)
    for name, path, most in _ORGAN_LENGTHS:
        length = len(getattr(header.sender, name))
        if length > most:
            yield _long(f"{MESSAGE_HEADER}/From/{path}", length, most)
    if header.signer is not None:
        for name, path, most in _SIGNER_LENGTHS:
            length = len(getattr(header.signer, name))
            if length > most:
                yield _long(f"{_SIGNER}/{path}", length, most)
    for position, attachment in enumerate(facts.envelope.attachments, 1):
        if len(attachment.name) > 200:
            where = f"{ATTACHMENTS}/Attachment[{position}]/AttachmentName"
            yield _long(where, len(attachment.name), 200)


@rule("SND-13", source="QĐ28 art 10.1; limits of the next hop")
def next_hop_takes_it(facts: Facts) -> Iterator[Finding]:
    """Refuse at acceptance what the next hop would refuse for its size, and name the hop.

    SND-13: document and all attachments go in one sending, so it cannot be split.
    """
    if facts.packet_bytes is None:
        return
    for limit in facts.limits:
        if facts.packet_bytes > limit.max_bytes:
            size, most = _megabytes(facts.packet_bytes), _megabytes(limit.max_bytes)
            yield Finding(
                "SND-13",
                Severity.ERROR,
                "/edXML",
                f"Gói tin {size} MB, quá giới hạn {most} MB của “{limit.name}”. "
                "Giảm dung lượng tệp hoặc gửi cho đơn vị này bằng cách khác.",
                f"The packet has {size} MB, over the {most} MB that “{limit.name}” takes. "
                "Make the files smaller or reach this recipient another way.",
                "R06",
            )


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f}"
