"""How the codec says no: one RejectedError with one finding in both languages. Pure."""

from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError


def refuse(reason: Reason, rule: str, where: str, vi: str, en: str) -> RejectedError:
    """Return the error to raise for a packet we do not read.

    Args:
        reason: Code of the catalogue.
        rule: Rule id the packet breaks (`MD-10`).
        where: XPath, attachment or line; "" when it is the whole.
        vi: What is wrong and what to do, Vietnamese.
        en: The same in English.
    """
    finding = Finding(rule, Severity.ERROR, where, vi, en, refusal="R07")
    return RejectedError(reason, f"{en} [{where}]" if where else en, findings=(finding,))


def over_limit(what_vi: str, what_en: str, limit: int, where: str = "") -> RejectedError:
    """Return the refusal of a packet that goes over one of `Limits`. Source: MD-10."""
    return refuse(
        Reason.LIMIT_EXCEEDED,
        "MD-10",
        where,
        f"Gói tin vượt giới hạn {what_vi}: tối đa {limit:,}. Hãy tách hoặc giảm rồi gửi lại.",
        f"The packet exceeds the limit on {what_en}: at most {limit:,}. Split or shrink it.",
    )
