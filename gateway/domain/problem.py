"""Refusals as problem details (RFC 9457): one shape for every door, in both languages.

Pure: builds what is said, not how it travels. Nothing of an error but its public text and findings
leaves the house.
"""

from collections.abc import Iterable
from typing import Any, Final

from gateway.domain.finding import Finding, finding_json
from gateway.errors import CATALOGUE, GatewayError, RejectedError

CONTENT_TYPE: Final = "application/problem+json"


def problem(
    *,
    status: int,
    reason: str,
    title: str,
    title_en: str,
    detail: str,
    request_id: str,
    detail_vi: str = "",
    findings: Iterable[Finding] = (),
) -> dict[str, Any]:
    """Return the members of a problem, in the order people read them."""
    return {
        "type": f"urn:vanlien:problem:{reason}",
        "title": title,
        "title_en": title_en,
        "status": status,
        "detail": detail,
        "detail_vi": detail_vi or title,
        "reason": reason,
        "request_id": request_id,
        "findings": [finding_json(finding) for finding in findings],
    }


def problem_of(failure: GatewayError, request_id: str, *, detail_vi: str = "") -> dict[str, Any]:
    """Return the problem of one of our own errors."""
    row = CATALOGUE[failure.reason]
    return problem(
        status=row.http,
        reason=failure.reason,
        title=row.vi,
        title_en=row.en,
        detail=failure.public,
        request_id=request_id,
        detail_vi=detail_vi,
        findings=failure.findings if isinstance(failure, RejectedError) else (),
    )
