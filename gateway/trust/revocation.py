"""What a store of revocation lists and answers can tell about one certificate: the seam.

`gateway.verifier` keeps the lists and implements `RevocationIndex`; the verdict only asks. Every
list behind an answer was verified against its issuer when it was taken in. Pure.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from asn1crypto import x509

from gateway.trust.crl import ALL, Scope
from gateway.trust.lists import KnownList


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
        scope: For which certificates of its issuer it speaks.
    """

    kind: str
    revoked_at: datetime | None
    reason: str
    this_update: datetime
    next_update: datetime | None
    number: str
    sha256: str
    issuer: str
    scope: Scope = ALL


class RevocationIndex(Protocol):
    """A store of revocation information, searched in microseconds."""

    @property
    def sha256(self) -> str:
        """Return the identity of everything in it: equal means equal answers."""

    def statuses(
        self, issuer: x509.Certificate, serial: int, until: datetime | None = None
    ) -> tuple[StoredStatus, ...]:
        """Return what each list and answer of this issuer says, newest first, the newest fifty.

        Superseded generations are told too: the list of the signing time is evidence.

        Args:
            issuer: Whose lists count: same name and same key.
            serial: Of the certificate asked about.
            until: Those issued after it are left out.
        """

    def der(self, sha256: str) -> bytes | None:
        """Return the bytes of a list or answer, None when it is not kept."""

    def lists(self, at: datetime, latest: datetime | None = None) -> tuple[KnownList, ...]:
        """Return the lists that count, as `gateway.trust.lists.newest` chooses them.

        Args:
            at: The question's time.
            latest: Lists issued after it are left out.
        """

    def answers(
        self, issuer_name: bytes, serial: int, latest: datetime | None = None
    ) -> tuple[bytes, ...]:
        """Return the OCSP answers kept on one certificate, DER, newest first, at most two.

        Args:
            issuer_name: `name_key` of the certificate's issuer.
            serial: Of the certificate.
            latest: Answers given after it are left out.
        """

    def revoked_since(self, issuer_name: bytes, serial: int, until: datetime) -> datetime | None:
        """Return since when a certificate is revoked, None when nothing kept here says so.

        A hold that a later list no longer has does not count.

        Args:
            issuer_name: `name_key` of its issuer.
            serial: Of the certificate.
            until: Its end: afterwards it may be missing from lists for that reason alone.
        """
