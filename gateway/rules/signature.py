"""SIG-*: what the verified signatures make of a document. Cryptography is judged elsewhere.

Unknown is never valid; an unsigned document passes and is for reference; whether an invalid one is
refused is policy (by default outgoing yes, incoming never: the clerk decides). Pure.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.domain.lifecycle import Text
from gateway.rules.facts import ATTACHMENTS, MESSAGE_HEADER, Facts, ReportLike, SignatureLike
from gateway.rules.registry import rule


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

COPY_FORMS: Final = frozenset({"SY", "SL", "TrS"})
"""Sao y, sao lục, trích sao (SIG-60)."""


def legal_class(reports: Sequence[ReportLike | None], copy_form: str = "") -> LegalClass:
    """Return the legal value of a document from the reports of its files, main document first.

    Args:
        reports: One per file, None for files that are not verified.
        copy_form: SY, SL or TrS when the document says that it is a copy, else "".
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
    person, agency = _first_valid(main, "person"), _first_valid(main, "organization")
    if copy_form in COPY_FORMS and agency is not None:
        # SIG-60 (NĐ30 art 25-27): a copy carries the agency's signature only.
        return LegalClass.COPY
    # SIG-01 (S003 art 5): both signatures; SIG-03: the person's comes before the agency's.
    if person is not None and agency is not None and person < agency:
        return LegalClass.ORIGINAL
    return LegalClass.REFERENCE


def legal_text(value: LegalClass) -> Text:
    """Return the legal value in words, Vietnamese and English."""
    return LEGAL_TEXTS[value]


def _first_valid(report: ReportLike, role: str) -> int | None:
    for position, signature in enumerate(report.signatures):
        if signature.role == role and signature.verdict == "valid":
            return position
    return None


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
    """Say why a document is not an original; it passes all the same."""
    if facts.reports is None:
        return
    value = legal_class(facts.reports)
    if value is LegalClass.UNSIGNED:
        yield Finding(
            "SIG-02",
            Severity.WARNING,
            _where(facts, 0),
            "Văn bản chính không ký số: chỉ có giá trị tham khảo.",
            "The main document is not signed: it is for reference only.",
        )
        return
    main = facts.reports[0] if facts.reports else None
    if value is not LegalClass.REFERENCE or main is None:
        return
    person, agency = _first_valid(main, "person"), _first_valid(main, "organization")
    if person is not None and agency is not None:
        # SIG-03 (NĐ30 art 32.2c): the clerk signs only what the competent person has signed.
        yield _value_finding(
            facts,
            "SIG-03",
            "Chữ ký số cơ quan đặt trước chữ ký người có thẩm quyền",
            "The agency signed before the competent person",
        )
    elif person is not None:
        yield _value_finding(
            facts,
            "SIG-04c",
            "Bản gốc chưa có ký số cơ quan",
            "The original lacks the agency's signature",
        )
    elif agency is not None:
        yield _value_finding(
            facts,
            "SIG-01",
            "Chỉ có chữ ký số cơ quan, thiếu chữ ký người có thẩm quyền",
            "Only the agency signed; the competent person's signature is missing",
        )
    else:
        yield _value_finding(
            facts,
            "SIG-01",
            "Không rõ chữ ký của người hay của cơ quan",
            "Whether a person or an agency signed cannot be told",
        )


def _value_finding(facts: Facts, rule_id: str, vi: str, en: str) -> Finding:
    return Finding(
        rule_id,
        Severity.WARNING,
        _where(facts, 0),
        f"{vi}: chỉ có giá trị tham khảo. Ký số đủ người có thẩm quyền rồi cơ quan.",
        f"{en}: for reference only. Have the competent person, then the agency sign.",
    )


@rule("SIG-07", source="NĐ30 PL I II.8b")
def annexes_signed(facts: Facts) -> Iterator[Finding]:
    """Warn of a separate PDF annex of a signed document without the agency's signature."""
    reports = facts.reports or ()
    if not reports or reports[0] is None or not reports[0].signatures:
        return
    for index, report in enumerate(reports[1:], 1):
        if report is None or report.verdict in {"invalid", "indeterminate", "unreadable"}:
            continue
        if _first_valid(report, "organization") is None:
            yield Finding(
                "SIG-07",
                Severity.WARNING,
                _where(facts, index),
                f"Phụ lục “{_name(facts, index)}” là tệp riêng nhưng chưa có chữ ký số cơ quan.",
                f"The annex “{_name(facts, index)}” is a file of its own without the agency's "
                "signature.",
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
