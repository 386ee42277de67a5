"""SIG-*: what the verified signatures make of a document. Cryptography is judged elsewhere.

Unknown is never valid; an unsigned document passes and is for reference; whether an invalid one is
refused is policy (by default outgoing yes, incoming never: the clerk decides). Pure.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from gateway.domain.envelope import Header
from gateway.domain.finding import Finding, Severity
from gateway.domain.lifecycle import Text
from gateway.rules.facts import ATTACHMENTS, MESSAGE_HEADER, Facts, ReportLike, SignatureLike
from gateway.rules.registry import rule
from gateway.rules.signers import (
    AGENCY,
    CLERK,
    COPY_FORMS,
    NO_CODES,
    PERSON,
    PORTAL,
    copy_form_of,
    fills,
    signed_in_order,
    valid_of,
)


class LegalClass(StrEnum):
    """Legal value of a document (giá trị pháp lý)."""

    ORIGINAL = "original"
    COPY = "copy"
    REFERENCE = "reference"
    UNSIGNED = "unsigned"
    INVALID = "invalid"
    UNDETERMINED = "undetermined"


LEGAL_TEXTS: Final[dict[LegalClass, Text]] = {
    LegalClass.ORIGINAL: Text("bản gốc", "original"),
    LegalClass.COPY: Text("bản sao", "copy"),
    LegalClass.REFERENCE: Text("tham khảo (chưa đủ chữ ký số)", "for reference (not fully signed)"),
    LegalClass.UNSIGNED: Text("tham khảo (không ký số)", "for reference (unsigned)"),
    LegalClass.INVALID: Text(
        "tham khảo (chữ ký không hợp lệ)", "for reference (invalid signature)"
    ),
    LegalClass.UNDETERMINED: Text(
        "tham khảo (chữ ký chưa xác định được)", "for reference (signature undetermined)"
    ),
}


def legal_class(
    reports: Sequence[ReportLike | None],
    copy_form: str = "",
    codes: frozenset[str] = NO_CODES,
) -> LegalClass:
    """Return the legal value of a document from the reports of its files, main document first.

    Args:
        reports: One per file, None for files that are not verified.
        copy_form: SY, SL or TrS when the document says that it is a copy, else "".
        codes: The sender's, as `signers.codes_of` gives them; empty for a file without a message.

    Source: SIG-01, SIG-02, SIG-03, SIG-04c, SIG-60.
    """
    main = reports[0] if reports else None
    if main is None or main.verdict in {"unsigned", "unreadable"} or not main.signatures:
        # SIG-02 (QĐ28 art 4.2): unsigned is for information only; unreadable proves nothing.
        unreadable = main is not None and main.verdict == "unreadable"
        return LegalClass.UNDETERMINED if unreadable else LegalClass.UNSIGNED
    if main.verdict == "invalid":
        return LegalClass.INVALID
    if main.verdict != "valid":
        return LegalClass.UNDETERMINED
    if copy_form in COPY_FORMS and valid_of(main, AGENCY, codes, copy_form):
        # SIG-60 (NĐ30 art 25-27): a copy carries the agency's signature only.
        return LegalClass.COPY
    # SIG-01 (S003 art 5): both signatures; SIG-03: the person's comes before the agency's.
    if signed_in_order(main, (PERSON, AGENCY), codes):
        return LegalClass.ORIGINAL
    return LegalClass.REFERENCE


def class_of(
    header: Header, reports: Sequence[ReportLike | None], codes: frozenset[str]
) -> LegalClass:
    """Return the legal value of a document of a message; see `legal_class`."""
    main = reports[0] if reports else None
    return legal_class(reports, copy_form_of(header, main, codes), codes)


def legal_text(value: LegalClass) -> Text:
    """Return the legal value in words, Vietnamese and English."""
    return LEGAL_TEXTS[value]


def _where(facts: Facts, index: int) -> str:
    return f"{ATTACHMENTS}/Attachment[{index + 1}]"


def _name(facts: Facts, index: int) -> str:
    attachments = facts.envelope.attachments
    return attachments[index].safe_name if index < len(attachments) else str(index + 1)


# ---------------------------------------------------------------- cryptographic verdicts

_ALTERED: Final = frozenset({"HASH_FAILURE", "SIG_CRYPTO_FAILURE", "FORMAT_FAILURE"})
_CERTIFICATE: Final = {
    "REVOKED": "SIG-42",
    "REVOKED_NO_POE": "SIG-42",
    "REVOKED_CA_NO_POE": "SIG-42",
    "EXPIRED": "SIG-41",
    "NOT_YET_VALID": "SIG-41",
    "OUT_OF_BOUNDS_NO_POE": "SIG-41",
    "OUT_OF_BOUNDS_NOT_REVOKED": "SIG-41",
    "NO_CERTIFICATE_CHAIN_FOUND": "SIG-43",
    "CERTIFICATE_CHAIN_GENERAL_FAILURE": "SIG-43",
    "CHAIN_CONSTRAINTS_FAILURE": "SIG-43",
    "NO_SIGNING_CERTIFICATE_FOUND": "SIG-43",
}
_CAUSES: Final = {
    "SIG-40": ("chữ ký số không hợp lệ", "a digital signature is invalid"),
    "SIG-41": (
        "chứng thư số ngoài thời hạn khi ký",
        "the certificate was not valid at signing time",
    ),
    "SIG-42": ("chứng thư số đã bị thu hồi", "the certificate is revoked"),
    "SIG-43": ("chứng thư số không tin cậy được", "the certificate cannot be trusted"),
    "SIG-48": ("thuật toán ký không còn được phép", "the signature algorithm is no longer allowed"),
    "SIG-49": ("đã bị sửa sau khi ký", "it was changed after signing"),
}
_REFUSALS: Final = {"SIG-40": "R03", "SIG-48": "R03", "SIG-49": "R04"}


def _cause(signature: SignatureLike) -> str:
    """Return the rule an invalid signature broke."""
    indication = signature.sub_indication
    if indication == "CRYPTO_CONSTRAINTS_FAILURE":
        return "SIG-48"
    if signature.intact == "no" or indication in _ALTERED:
        return "SIG-49"
    if signature.later_changes == "other":
        return "SIG-49"
    if indication in _CERTIFICATE:
        return _CERTIFICATE[indication]
    if signature.not_revoked == "no":
        return "SIG-42"
    if signature.trusted == "no":
        return "SIG-43"
    return "SIG-40"


@rule("SIG-40", source="NĐ68 art 31; S003 art 7.1")
def no_invalid_signature(facts: Facts) -> Iterator[Finding]:
    """Name every file with an invalid signature, and why."""
    refuses = facts.outgoing and facts.policy.refuse_invalid_out
    severity = Severity.ERROR if refuses else Severity.WARNING
    for index, report in enumerate(facts.reports or ()):
        if report is None or report.verdict != "invalid":
            continue
        bad = [s for s in report.signatures if s.verdict == "invalid"]
        causes = list(dict.fromkeys(_cause(s) for s in bad)) or ["SIG-40"]
        for cause in causes:
            vi, en = _CAUSES[cause]
            yield Finding(
                cause,
                severity,
                _where(facts, index),
                f"Tệp “{_name(facts, index)}”: {vi}. Xem báo cáo kiểm tra chữ ký và ký lại.",
                f"File “{_name(facts, index)}”: {en}. See the verification report and sign again.",
                _REFUSALS.get(cause, "R05"),
            )


@rule("SIG-42", source="NĐ68 art 31.2; reading F09")
def undetermined_signature(facts: Facts) -> Iterator[Finding]:
    """Flag what could not be decided: unknown is never valid, and never silently final."""
    for index, report in enumerate(facts.reports or ()):
        if report is None or report.verdict not in {"indeterminate", "unreadable"}:
            continue
        unreadable = report.verdict == "unreadable"
        yield Finding(
            "SIG-42",
            Severity.WARNING,
            _where(facts, index),
            f"Tệp “{_name(facts, index)}”: "
            + (
                "không đọc được để kiểm tra chữ ký. Mở tệp bằng mắt trước khi dùng."
                if unreadable
                else "chữ ký chưa xác định được hợp lệ hay không. Người có trách nhiệm quyết định."
            ),
            f"File “{_name(facts, index)}”: "
            + (
                "it cannot be read for its signatures. Look at it before use."
                if unreadable
                else "its signatures could not be decided. A responsible person decides."
            ),
            "R05",
        )


# ---------------------------------------------------------------- legal value


@rule("SIG-02", source="QĐ28 art 4.2; S003 art 5; NĐ30 art 3.8")
def legal_value(facts: Facts) -> Iterator[Finding]:
    """Say why a document is neither original nor copy; it passes all the same."""
    if facts.reports is None:
        return
    main = facts.reports[0] if facts.reports else None
    copy_form = copy_form_of(facts.envelope.header, main, facts.codes)
    value = legal_class(facts.reports, copy_form, facts.codes)
    if value is LegalClass.UNSIGNED:
        yield Finding(
            "SIG-02",
            Severity.WARNING,
            _where(facts, 0),
            "Văn bản chính không ký số: chỉ có giá trị tham khảo.",
            "The main document is not signed: it is for reference only.",
        )
    if value is LegalClass.REFERENCE and main is not None:
        rule_id, vi, en = _lacking(main, copy_form, facts.codes)
        yield Finding(
            rule_id,
            Severity.WARNING,
            _where(facts, 0),
            f"{vi}: chỉ có giá trị tham khảo. "
            + ("Cơ quan sao ký số." if copy_form else "Ký số đủ người có thẩm quyền rồi cơ quan."),
            f"{en}: for reference only. "
            + (
                "Have the copying agency sign."
                if copy_form
                else "Have the competent person, then the agency sign."
            ),
        )


def _lacking(main: ReportLike, copy_form: str, codes: frozenset[str]) -> tuple[str, str, str]:
    """Return the rule a valid document falls short of, and how, in both languages."""
    person = valid_of(main, PERSON, codes)
    agency = valid_of(main, AGENCY, codes, copy_form)
    if copy_form:
        # SIG-60 (NĐ30 art 25-27): a copy is the agency's act.
        return (
            "SIG-60",
            "Bản sao chưa có chữ ký số của cơ quan sao",
            "The copy lacks the signature of the agency that made it",
        )
    if person and agency:
        # SIG-03 (NĐ30 art 32.2c): the clerk signs only what the competent person has signed.
        return (
            "SIG-03",
            "Chữ ký số cơ quan đặt trước chữ ký người có thẩm quyền",
            "The agency signed before the competent person",
        )
    if person:
        return (
            "SIG-04c",
            "Bản gốc chưa có ký số cơ quan",
            "The original lacks the agency's signature",
        )
    if agency:
        return (
            "SIG-01",
            "Chỉ có chữ ký số cơ quan, thiếu chữ ký người có thẩm quyền",
            "Only the agency signed; the competent person's signature is missing",
        )
    roles = {s.role for s in main.signatures if s.verdict == "valid"}
    for role, vi, en in _OTHERS:
        if role in roles:
            return "SIG-01", vi, en
    return (
        "SIG-01",
        "Không rõ chữ ký của người hay của cơ quan",
        "Whether a person or an agency signed cannot be told",
    )


_OTHERS: Final = (
    (
        PORTAL,
        "Chỉ có chữ ký số công bố của cổng thông tin điện tử",
        "Only a portal's signature of publication is there",
    ),
    (CLERK, "Chỉ có chữ ký số của văn thư", "Only a clerk's signature is there"),
    (
        AGENCY,
        "Chữ ký số thuộc cơ quan khác bên gửi",
        "The signature belongs to another agency than the sender",
    ),
    (
        PERSON,
        "Chữ ký số của người thuộc cơ quan khác bên gửi",
        "The signature is that of a person of another agency than the sender",
    ),
)


@rule("SIG-07", source="NĐ30 PL I II.8b")
def annexes_signed(facts: Facts) -> Iterator[Finding]:
    """Warn of a separate PDF annex of a signed document without the agency's signature.

    FMT-01, F19: files that cannot be signed (.docx, .xlsx, pictures) are material. An annex whose
    signatures are invalid or undecided is spoken of elsewhere.
    """
    reports = facts.reports or ()
    if not reports or reports[0] is None or not reports[0].signatures:
        return
    for index, report in enumerate(reports[1:], 1):
        if report is None or report.kind != "pdf" or report.verdict not in {"valid", "unsigned"}:
            continue
        # A copy's annexes are stamped by the clerk's key as the copy is.
        copy_form = copy_form_of(facts.envelope.header, reports[0], facts.codes)
        if not any(fills(s, AGENCY, NO_CODES, copy_form) for s in report.signatures):
            yield Finding(
                "SIG-07",
                Severity.WARNING,
                _where(facts, index),
                f"Phụ lục “{_name(facts, index)}” là tệp riêng nhưng chưa có chữ ký số cơ quan.",
                f"The annex “{_name(facts, index)}” is a file of its own without the agency's "
                "signature.",
            )


@rule("SIG-52", source="shadow / multi-file attacks")
def main_document_signed(facts: Facts) -> Iterator[Finding]:
    """Warn of an unsigned main document beside signed files: they do not sign for it."""
    reports = facts.reports or ()
    if not reports or reports[0] is None or reports[0].verdict != "unsigned":
        return
    signed = [
        index
        for index, report in enumerate(reports[1:], 1)
        if report is not None and any(s.role != "tsa" for s in report.signatures)
    ]
    if signed:
        yield Finding(
            "SIG-52",
            Severity.WARNING,
            _where(facts, 0),
            f"Văn bản chính không ký số, chữ ký nằm ở tệp kèm theo “{_name(facts, signed[0])}”: "
            "chữ ký đó không bảo đảm cho văn bản chính. Kiểm tra thứ tự tệp hoặc yêu cầu ký lại.",
            "The main document is unsigned; the signature is in the attached file "
            f"“{_name(facts, signed[0])}” and does not vouch for it. Check the order of files, or "
            "ask for a signature.",
        )


@rule("SIG-06", source="NĐ68")
def certificate_lifetime(facts: Facts) -> Iterator[Finding]:
    """Note a duty certificate that lives longer than its authority may give."""
    for index, report in enumerate(facts.reports or ()):
        signatures = () if report is None else report.signatures
        if any(note.code == "long-lifetime" for s in signatures for note in s.notes):
            yield Finding(
                "SIG-06",
                Severity.NOTE,
                _where(facts, index),
                f"Tệp “{_name(facts, index)}”: chứng thư công vụ có thời hạn dài hơn 5 năm. "
                "Đối chiếu với cơ quan cấp nếu thấy lạ.",
                f"File “{_name(facts, index)}”: a duty certificate is valid for more than five "
                "years. Ask its authority if in doubt.",
            )


_AUTHORITY: Final = ("TM.", "KT.", "TL.", "TUQ.", "Q.")


@rule("SIG-04", source="NĐ30 art 13, PL I")
def authority_mark(facts: Facts) -> Iterator[Finding]:
    """Note an authority mark the decree does not know; it passes through as written."""
    signer = facts.envelope.header.signer
    mark = signer.competence.strip() if signer is not None else ""
    if mark and not mark.upper().startswith(_AUTHORITY):
        yield Finding(
            "SIG-04",
            Severity.NOTE,
            f"{MESSAGE_HEADER}/SignerInfo/Competence",
            f"Thẩm quyền ký “{mark[:40]}” không theo TM., KT., TL., TUQ., Q.; giữ nguyên.",
            f"The authority mark “{mark[:40]}” is none of TM., KT., TL., TUQ., Q.; it is kept.",
        )
