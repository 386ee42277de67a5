"""What the command line changes in the ledger.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential as it is stored: nothing in it opens a door.

    Args:
        id: Public name; the key id of an API key.
        kind: `api-key` or `shared-secret`.
        sha256: Hex hash of an API key, else "".
        sealed: Encrypted shared secret (`gateway.secrets.seal_secret`), else empty.
    """

    id: str
    kind: Literal["api-key", "shared-secret"]
    sha256: str = ""
    sealed: bytes = b""


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential in a list; `expires_at` is set once it is being rotated out."""

    id: str
    kind: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A calling system (hệ thống): who it speaks for, canonical codes, sorted."""

    id: str
    speaks_for: tuple[str, ...]
    status: Literal["active", "disabled"]
    created_at: datetime
    credentials: tuple[CredentialRow, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter: `last` is the last number given, the next one is `last + 1`."""

    agency: str
    year: int
    series: str
    last: int


@dataclass(frozen=True, slots=True)
class AgencyRecord:
    """An agency as operations keep it (cơ quan).

    Args:
        code: Code in the new notation.
        name: Printed name.
        legacy_code: Code in the old notation, or "".
        parent: Code of the agency above, or "".
        mail: Address for notices, or "".
        connected: `local`, the id of the peer behind which it is, or "" (không liên thông).
        console: Works in our console instead of a system of its own.
        numbered_by: Who counts its outgoing documents.
        successor: Code that took over a closed one, or "".
        status: `active`, `locked` (tạm khóa) or `closed` (đã đóng mã).
        aliases: Other codes under which it is written.
    """

    code: str
    name: str
    legacy_code: str = ""
    parent: str = ""
    mail: str = ""
    connected: str = ""
    console: bool = False
    numbered_by: Literal["gateway", "own-system"] = "gateway"
    successor: str = ""
    status: Literal["active", "locked", "closed"] = "active"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Something kept apart (SEC-01); after a purge only this stub is left.

    Args:
        id: Arrival or consignment id.
        kind: `arrival` or `consignment`.
        document_id: Identifier, or "".
        sender: Code of the sender.
        reason: Why, Vietnamese.
        since: When it was put there.
        purge_asked_by: First of the two persons, or "".
        purged_at: When the second one agreed; None while the bytes are there.
    """

    id: str
    kind: str
    document_id: str
    sender: str
    reason: str
    since: datetime
    purge_asked_by: str
    purged_at: datetime | None


class AdminStore(Protocol):
    """What the command line changes in the ledger. Each call is one durable, audited transaction.

    `by` is the acting person or operating-system user, written to the audit events. Codes are
    resolved through aliases; what is returned is canonical. RejectedError: NOT_FOUND for what does
    not exist, CONFLICT for what must not be, BAD_REQUEST for what makes no sense. A running server
    sees changes within a second.
    """

    def add_system(
        self,
        system_id: str,
        speaks_for: Sequence[str],
        credentials: Sequence[NewCredential],
        *,
        by: str,
        reason: str = "",
    ) -> SystemRow:
        """Register a system. CONFLICT when the id is taken, NOT_FOUND naming unknown agencies."""
        ...

    def systems(self) -> Sequence[SystemRow]:
        """Return all systems by id, disabled ones too, without credentials that have expired."""
        ...

    def rotate(
        self,
        system_id: str,
        credentials: Sequence[NewCredential],
        *,
        overlap: timedelta,
        by: str,
        reason: str = "",
    ) -> SystemRow:
        """Add credentials; older ones of the same kinds end after `overlap`.

        Of each kind at most two stay valid: the newest old one; others end at once, all of them
        when `overlap` is zero. CONFLICT when the system is disabled.
        """
        ...

    def disable_system(self, system_id: str, *, by: str, reason: str = "") -> SystemRow:
        """Refuse the system from now on; safe to repeat."""
        ...

    def counters(self) -> Sequence[CounterRow]:
        """Return all counters by agency, year, series."""
        ...

    def set_counter(
        self, agency: str, year: int, series: str, last: int, *, reason: str, by: str
    ) -> CounterRow:
        """Set the last number given (DID-01).

        CONFLICT when that would go back, or when the agency counts in its own system.
        """
        ...

    def agencies(self) -> Sequence[AgencyRecord]:
        """Return all agencies by code, closed ones too."""
        ...

    def put_agency(self, agency: AgencyRecord, *, by: str) -> Literal["added", "changed", "same"]:
        """Add an agency or change it; aliases are added, never taken away."""
        ...

    def set_agency_status(
        self,
        code: str,
        status: Literal["active", "locked", "closed"],
        *,
        successor: str,
        reason: str,
        by: str,
    ) -> AgencyRecord:
        """Open, lock or close an agency's code (ID-05).

        BAD_REQUEST for a successor without `closed`, or the agency itself; CONFLICT when a closed
        code would be opened again.
        """
        ...

    def put_alias(self, alias: str, code: str, *, by: str) -> AgencyRecord:
        """Let `alias` mean the agency `code`. CONFLICT when it means another one."""
        ...

    def quarantined(self) -> Sequence[QuarantineRow]:
        """Return what is or was in quarantine, oldest first."""
        ...

    def quarantine_page(self, before: str, limit: int) -> Sequence[QuarantineRow]:
        """Return a page of it, newest first; `before`: the id of the last one seen, "" for none."""
        ...

    def reseal(self, anew: Callable[[str, str, bytes], bytes], *, by: str, reason: str) -> int:
        """Seal every shared secret anew, all in one transaction; return how many there are.

        Args:
            anew: Gives the new sealed bytes of a system's credential (system id, credential id,
                sealed bytes); what it raises ends the call and changes nothing.
            by: The acting person.
            reason: Why.
        """
        ...

    def record(self, action: str, target: str, *, by: str, reason: str) -> None:
        """Record what was done outside the ledger, such as `receipt-key-made`: event and entry."""
        ...

    def change_receipt_key(self, facts: Mapping[str, str], *, by: str, reason: str) -> None:
        """Record that another key signs receipts (`gateway.receipts.sign.key_change`)."""
        ...

    def purge(self, item_id: str, *, by: str, reason: str = "") -> QuarantineRow:
        """First person: record the request. Second, different person: delete the bytes.

        The stub and its receipts stay, so that the chain still verifies. CONFLICT when the same
        person (`gateway.domain.persons.same_person`) asks twice, or when it is purged already.
        """
        ...
