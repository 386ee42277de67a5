"""What can go wrong between a system and the gateway: the class says what to do next."""

import json
from collections.abc import Mapping
from typing import Any, Self


class ClientError(Exception):
    """Anything this client raises."""


class WebhookError(ClientError):
    """A message that is not the gateway's, or not of just now: do nothing with it."""


class AwayError(ClientError):
    """Nobody answered, or asked to wait, as often as was tried: try again later, same key."""

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(why)


class RefusedError(ClientError):
    """The gateway refused (RFC 9457): the caller must change something; every fault is named.

    Attributes:
        status: HTTP status.
        reason: Stable code, such as `rules-broken`.
        title: What it is, Vietnamese.
        detail: What is wrong, English.
        findings: Every fault: `{rule, severity, where, vi, en, refusal}`.
        request_id: To name to operations.
        problem: The whole answer.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.reason = str(problem.get("reason", ""))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.findings: tuple[Mapping[str, str], ...] = tuple(problem.get("findings", ()))
        told = [f"{status} {self.reason}: {self.title} ({self.detail})"]
        told += [f"{f.get('rule')} {f.get('where')}: {f.get('vi')}" for f in self.findings]
        super().__init__("\n".join(told))

    @classmethod
    def read(cls, status: int, body: bytes) -> Self:
        """Return the refusal an answer is, also where a proxy answered and not the gateway."""
        try:
            problem = json.loads(body)
        except ValueError:
            problem = None
        return cls(status, problem if isinstance(problem, dict) else {"detail": "no problem+json"})
