"""What all lists and answers together say of one certificate at one time (SIG-42).

The verdict comes from the validator; this says in the same words to people what it rests on: which
list, of when, in force until when, revoked since when and why. Pure.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from asn1crypto import x509

from gateway.trust.crl import Entry, RefusedListError
from gateway.trust.lists import KnownList, aware, counts, printed_name, verified_list
from gateway.trust.ocsp import read_answer
from gateway.trust.report import EvidenceItem, ListFacts, RevocationFacts

_SKEW: Final = timedelta(minutes=5)
_NO_END: Final = timedelta(minutes=30)
"""How long an answer without an end of its own is in force, as the validator has it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one verified list or answer says of one certificate.

    Args:
        kind: `crl` or `ocsp`.
        origin: `file` or `store`.
        issuer: Common name of who issued it.
        this_update: When it was issued, aware.
        next_update: Until when it is in force, None when it does not say.
        number: CRL number, or "".
        sha256: Of its DER.
        revoked_at: Since when, None when it is not revoked.
        reason: Why, or "".
    """

    kind: str
    origin: str
    issuer: str
    this_update: datetime
    next_update: datetime | None
    number: str
    sha256: str
    revoked_at: datetime | None = None
    reason: str = ""

    def in_force(self, at: datetime) -> bool:
        """Tell whether it was issued for this time or later, and not too long before."""
        until = self.next_update or self.this_update + _NO_END
        return at <= until + _SKEW


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of one certificate (thông tin thu hồi).

    Args:
        facts: For the report.
        used: The list it rests on, None for an answer or for nothing.
        item: The evidence it rests on, None for nothing.
    """

    facts: RevocationFacts
    used: ListFacts | None = None
    item: EvidenceItem | None = None


def conclude(cert: x509.Certificate, at: datetime, statements: Sequence[Statement]) -> Knowledge:
    """Return what counts of everything said about a certificate.

    Args:
        cert: The certificate.
        at: The time in question, aware.
        statements: In any order; copies count once.
    """
    # An authority may drop expired certificates: a list from after the end says only who is on it.
    end = aware(cert.not_valid_after)
    heard = sorted(
        {s.sha256: s for s in statements if s.revoked_at or s.this_update <= end}.values(),
        key=lambda s: (s.this_update, s.sha256),
        reverse=True,
    )
    last = {s.kind: s for s in reversed(heard) if s.this_update <= end}
    revoking = [s for s in heard if _revokes(s, last.get(s.kind, s))]
    first = min(revoking, key=lambda s: (s.revoked_at or at, s.this_update), default=None)
    if first is not None and first.revoked_at is not None and first.revoked_at <= at:
        return _told(cert, "revoked", first, first)
    good = next((s for s in heard if s.in_force(at)), None)
    if good is not None:
        return _told(cert, "good", good, first)
    return _told(cert, "unknown", heard[0] if heard else None, first)


def of_list(known: KnownList, origin: str, cert: x509.Certificate) -> Statement | None:
    """Return what a list of the certificate's issuer says, None when it does not speak of it."""
    if not known.head.scope.covers(cert):
        return None
    entry = known.find(cert.serial_number)
    head = known.head
    return Statement(
        kind="crl",
        origin=origin,
        issuer=known.issuer,
        this_update=aware(head.this_update),
        next_update=None if head.next_update is None else aware(head.next_update),
        number=head.number,
        sha256=head.sha256,
        revoked_at=None if entry is None else entry.revoked_at,
        reason="" if entry is None else entry.reason,
    )


def of_lists(
    lists: Iterable[bytes], origin: str, cert: x509.Certificate, issuer: x509.Certificate
) -> list[Statement]:
    """Return what lists that nobody verified yet say, as far as the issuer signed them."""
    found = (_verified(der, issuer.dump()) for der in lists)
    told = (of_list(known, origin, cert) for known in found if known is not None)
    return [statement for statement in told if statement is not None]


def of_answers(
    answers: Iterable[bytes], origin: str, cert: x509.Certificate, issuer: x509.Certificate
) -> list[Statement]:
    """Return what OCSP answers say, as far as an authorised responder gave them."""
    found = []
    for der in answers:
        try:
            answer = read_answer(der, issuer, cert.serial_number)
        except RefusedListError:
            continue
        statement = Statement(
            kind="ocsp",
            origin=origin,
            issuer=answer.responder,
            this_update=answer.this_update,
            next_update=answer.next_update,
            number="",
            sha256=answer.sha256,
            revoked_at=answer.revoked_at,
            reason=answer.reason,
        )
        found.append(statement)
    return found


@lru_cache(maxsize=16)
def _verified(der: bytes, issuer: bytes) -> KnownList | None:
    try:
        return verified_list(der, [x509.Certificate.load(issuer)])
    except RefusedListError:
        return None


def _revokes(said: Statement, last: Statement) -> bool:
    entry = None if said.revoked_at is None else Entry(said.revoked_at, said.reason)
    final = None if last.revoked_at is None else Entry(last.revoked_at, last.reason)
    return entry is not None and counts(entry, final)


def _told(
    cert: x509.Certificate, status: str, used: Statement | None, revoked: Statement | None
) -> Knowledge:
    facts = RevocationFacts(
        subject=printed_name(cert),
        sha256=hashlib.sha256(cert.dump()).hexdigest(),
        status=status,
        source="" if used is None else _source(used),
        this_update=None if used is None else used.this_update,
        next_update=None if used is None else used.next_update,
        revoked_at=None if revoked is None else revoked.revoked_at,
        reason="" if revoked is None else revoked.reason,
        evidence="" if used is None else used.sha256,
    )
    if used is None:
        return Knowledge(facts)
    return Knowledge(facts, _list_facts(used), EvidenceItem(used.kind, used.sha256, used.origin))


def _source(said: Statement) -> str:
    return f"{'file' if said.origin == 'file' else 'stored'}-{said.kind}"


def _list_facts(said: Statement) -> ListFacts | None:
    if said.kind != "crl":
        return None
    return ListFacts(
        issuer=said.issuer,
        this_update=said.this_update,
        next_update=said.next_update,
        number=said.number,
        sha256=said.sha256,
        source="file" if said.origin == "file" else "stored",
    )
