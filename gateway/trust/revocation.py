"""What a store of revocation lists and answers can tell about one certificate: the seam.

`gateway.verifier` keeps the lists and implements `RevocationIndex`; the verdict only asks. Every
list behind an answer was verified against its issuer when it was taken in. Pure.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from asn1crypto import x509


@dataclass(frozen=True, slots=True)
class StoredStatus:
    """One certificate, as one verified list or answer has it.

    Args:
        kind: `crl` or `ocsp`.
        revoked_at: Since when, aware; None when it is not revoked.
        reason: `key_compromise`…, or "".
        this_update: When the list was issued, aware.
        next_update: Until when it is in force, None when it does not say.
        number: CRL number in decimal, or "".
        sha256: Of its DER, under which the bytes are kept as evidence.
        issuer: Common name of who issued it.
    """

    kind: str
    revoked_at: datetime | None
    reason: str
    this_update: datetime
    next_update: datetime | None
    number: str
    sha256: str
    issuer: str


class RevocationIndex(Protocol):
    """A store of revocation information, searched in microseconds."""

    @property
    def sha256(self) -> str:
        """Return the identity of everything in it: equal means equal answers."""

    def statuses(self, issuer: x509.Certificate, serial: int) -> tuple[StoredStatus, ...]:
        """Return what each list and answer of this issuer says, newest first.

        Superseded generations are told too: the list of the signing time is evidence.

        Args:
            issuer: Whose lists count: same name and same key.
            serial: Of the certificate asked about.
        """

    def der(self, sha256: str) -> bytes | None:
        """Return the bytes of a list or answer, None when it is not kept."""
