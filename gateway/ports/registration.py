"""Agencies that systems ask to have registered or closed: asked here, decided by an operator.

Protocols, the frozen values crossing them, and how their row keeps them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, Protocol

from gateway.domain.moments import from_text
from gateway.ports.callers import Caller
from gateway.ports.ledger import Row

RequestKind = Literal["register", "close"]
RequestState = Literal["waiting", "approved", "refused"]


@dataclass(frozen=True, slots=True)
class Wish:
    """An agency a system wants registered; texts as the system wrote them, "" where it wrote none.

    Args:
        code: Its code.
        name: Printed name.
        parent: Code of the agency above; "" when the system speaks for one only.
        mail: Address for notices.
        phone: For the operator to ask back.
        fax: The same.
    """

    code: str
    name: str
    parent: str = ""
    mail: str = ""
    phone: str = ""
    fax: str = ""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """What was asked, and what became of it."""

    id: str
    kind: RequestKind
    system_id: str
    wish: Wish
    state: RequestState
    asked_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""


class Registrar(Protocol):
    """What a system may ask about agencies below its own; safe to repeat.

    RejectedError: FORBIDDEN for what is not below one of its own, BAD_REQUEST with findings for a
    code that cannot be registered, CONFLICT for one that means another agency.
    """

    async def register(self, caller: Caller, wish: Wish) -> RequestRow:
        """Ask for a new agency; what is registered as wanted already comes back approved."""
        ...

    async def close(self, caller: Caller, code: str) -> RequestRow:
        """Ask for an agency's code to be closed; NOT_FOUND when there is none."""
        ...


class RequestStore(Protocol):
    """What an operator decides. Each call is one durable, audited transaction."""

    def requests(self, *, waiting: bool) -> Sequence[RequestRow]:
        """Return requests, oldest first; only those that wait, or all."""
        ...

    def approve(self, request_id: str, *, reason: str, by: str) -> RequestRow:
        """Do what was asked. CONFLICT when it is decided already or no longer possible."""
        ...

    def refuse(self, request_id: str, *, reason: str, by: str) -> RequestRow:
        """Decide against it. CONFLICT when it is decided already."""
        ...


def wish_text(wish: Wish) -> str:
    """Return a wish as its row keeps it."""
    return json.dumps(asdict(wish), ensure_ascii=False)


def row_of(row: Row) -> RequestRow:
    """Return a request as it stands in the ledger."""
    decided = row.get("decided_at")
    return RequestRow(
        row["id"],
        row["kind"],
        row["system_id"],
        Wish(**json.loads(row["wish"])),
        row["state"],
        from_text(row["asked_at"]),
        from_text(decided) if decided else None,
        row.get("decided_by") or "",
        row.get("reason") or "",
    )
