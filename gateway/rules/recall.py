"""REC-03, REC-04, REC-05, REC-06: may this message recall, update or replace what it names?

Facts about the target are looked up by the caller; here they are judged. Someone else's document is
never changed, in either direction. Pure.
"""

from collections.abc import Iterator
from typing import Final

from gateway.domain.envelope import BusinessType
from gateway.domain.finding import Finding, Severity
from gateway.rules.facts import BUSINESS, Facts
from gateway.rules.registry import rule

_ACTS: Final = {
    BusinessType.RECALL: ("thu hồi", "recall"),
    BusinessType.UPDATE: ("cập nhật", "update"),
    BusinessType.REPLACE: ("thay thế", "replacement"),
}


@rule("REC-03", source="QĐ28 art 8.2")
def reason_given(facts: Facts) -> Iterator[Finding]:
    """Ask for the reason of a recall, update or replacement."""
    business = facts.envelope.header.business
    act = _ACTS.get(business.doc_type)
    if act is None or business.reason.strip():
        return
    vi, en = act
    # The law asks for the announcement of a recall; of the other two we only expect a reason.
    severity = facts.required if business.doc_type is BusinessType.RECALL else Severity.WARNING
    yield Finding(
        "REC-03",
        severity,
        f"{BUSINESS}/BussinessDocReason",
        f"Thiếu lý do {vi}. Ghi lý do rồi gửi lại.",
        f"The reason of the {en} is missing. State it and send again.",
        "R08",
    )


@rule("REC-04", source="NĐ30 art 18.3")
def own_number(facts: Facts) -> Iterator[Finding]:
    """Remark on a replacement that bears the identifier of what it replaces."""
    header = facts.envelope.header
    if header.business.doc_type is not BusinessType.REPLACE or not header.document_id:
        return
    if any(t.document_id == header.document_id for t in facts.targets or ()):
        yield own_number_finding()


def own_number_finding() -> Finding:
    """Return what is said of a replacement under the identifier of what it replaces (REC-04)."""
    return Finding(
        "REC-04",
        Severity.WARNING,
        f"{BUSINESS}/DocumentId",
        "Văn bản thay thế mang mã định danh của văn bản bị thay thế. Văn bản thay thế có hình "
        "thức tương đương và số riêng.",
        "The replacement bears the identifier of what it replaces. It is of equal form, with a "
        "number of its own.",
        "R08",
    )


@rule("REC-05", source="QCVN102 practice")
def target_known(facts: Facts) -> Iterator[Finding]:
    """Ask that the document concerned is named and known."""
    act = _ACTS.get(facts.envelope.header.business.doc_type)
    if act is None or facts.targets is None:
        return
    vi, en = act
    if not facts.targets:
        yield Finding(
            "REC-05",
            facts.required,
            f"{BUSINESS}/DocumentId",
            f"Gói tin {vi} không nêu văn bản nào. Ghi mã định danh của văn bản được {vi}.",
            f"The {en} names no document. Give the identifier of the document concerned.",
            "R08",
        )
    for target in facts.targets:
        if not target.found:
            yield Finding(
                "REC-05",
                facts.required,
                f"{BUSINESS}/DocumentId",
                f"Không tìm thấy văn bản {target.document_id} cần {vi}. Kiểm tra mã định danh.",
                f"Document {target.document_id} of this {en} is not known. Check the identifier.",
                "R14",
            )


@rule("REC-06", source="security, ours")
def only_the_sender(facts: Facts) -> Iterator[Finding]:
    """Refuse to change what another agency sent."""
    act = _ACTS.get(facts.envelope.header.business.doc_type)
    if act is None:
        return
    vi, en = act
    for target in facts.targets or ():
        if target.found and not target.allowed:
            yield Finding(
                "REC-06",
                Severity.ERROR,
                f"{BUSINESS}/DocumentId",
                f"Văn bản {target.document_id} do đơn vị khác phát hành; chỉ đơn vị đó được {vi}.",
                f"Document {target.document_id} was issued by another agency; the {en} is "
                "its alone.",
                "R14",
            )
