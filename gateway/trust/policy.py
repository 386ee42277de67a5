"""By which rules signatures are judged: algorithms, key usage, evidence, who must sign.

A policy is a dated file whose hash stands in every report; without a file the built-in one counts.
Pure values.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from gateway.trust.decisions import Decision
from gateway.trust.policytext import TEXT


@dataclass(frozen=True, slots=True)
class TrustFault:
    """A file of the trust directory that could not be used, or a place in it that is wrong.

    Args:
        file: Its name.
        vi: Why, and what to do, Vietnamese.
        en: The same in English.
    """

    file: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One dated policy (chính sách kiểm tra).

    Args:
        name: As reports show it.
        dated: In force from.
        sha256: Of the file, or of the built-in text.
        digests: Digest algorithms and until when each may be used (that instant excluded); None
            for no end. What is not named is not accepted.
        rsa_bits: Smallest RSA keys and until when: `((2048, None),)`.
        ec_bits: Smallest elliptic curve field.
        key_usages: At least one must be on the signer's certificate.
        max_lifetime_days: Longest sane validity of a duty certificate (SIG-06), 0 for no limit; a
            longer one is remarked on, nothing more.
        timestamp: `optional`, or `required`: without a proven time no signature is valid (SIG-44).
        unknown: What an unknown revocation status makes of a signature: `indeterminate` or, more
            strictly, `invalid`. Never valid (SIG-42).
        must_sign: Roles whose valid signatures the main document needs, in this order (SIG-01).
        decisions: What happens to a document; the first row that fits counts.
    """

    name: str
    dated: date
    sha256: str
    digests: tuple[tuple[str, datetime | None], ...]
    rsa_bits: tuple[tuple[int, datetime | None], ...]
    ec_bits: int = 256
    key_usages: tuple[str, ...] = ("digital_signature", "non_repudiation")
    max_lifetime_days: int = 0
    timestamp: str = "optional"
    unknown: str = "indeterminate"
    must_sign: tuple[str, ...] = ("person", "organization")
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedAnchor:
    """What the trust list says of one certificate authority, by SHA-256, never by name.

    Args:
        sha256: Of the certificate's DER.
        trust_class: `duty`, `public`, `foreign` or `internal`.
        trusted_from: Signatures made before are not trusted, None for no bound.
        trusted_until: Signatures made then or after are not trusted, None for no bound.
        name: For people.
        confirmed: Somebody has compared the fingerprint out of band.
    """

    sha256: str
    trust_class: str
    trusted_from: datetime | None = None
    trusted_until: datetime | None = None
    name: str = ""
    confirmed: bool = False

    def allows(self, at: datetime) -> bool:
        """Tell whether an instant lies inside the window."""
        after = self.trusted_from is None or self.trusted_from <= at
        return after and (self.trusted_until is None or at < self.trusted_until)


@dataclass(frozen=True, slots=True)
class PinnedSigner:
    """A certificate whose holder the operator knows; overrides what its subject suggests (G8).

    Args:
        sha256: Of the certificate's DER.
        role: `person`, `organization`, `portal` or `clerk`.
        agencies: Codes it may sign for; empty for not told.
        name: For people.
    """

    sha256: str
    role: str
    agencies: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class TrustList:
    """The versioned list of whom the operator trusts, and as what (danh sách tin cậy).

    Args:
        version: Of the list, "" where there is none.
        dated: Its day.
        sha256: Of its file.
        anchors: The authorities it names.
        signers: The signers it names.
        unlisted: What a self-signed certificate is that it does not name: `ignore` or `trust`.
        log: SHA-256 of the import log's line that made this version, "" when none did.
    """

    version: str = ""
    dated: date | None = None
    sha256: str = ""
    anchors: tuple[ListedAnchor, ...] = ()
    signers: tuple[PinnedSigner, ...] = field(default=())
    unlisted: str = "ignore"
    log: str = ""

    def anchor(self, sha256: str) -> ListedAnchor | None:
        """Return the entry of a certificate authority."""
        return next((a for a in self.anchors if a.sha256 == sha256), None)

    def signer(self, sha256: str) -> PinnedSigner | None:
        """Return the entry of a signer."""
        return next((s for s in self.signers if s.sha256 == sha256), None)


# SIG-48 (TT15): RSA from 2048 bits, ECDSA from 256, SHA-256 and newer. The same as TEXT says.
BUILT_IN: Final = Policy(
    name="TT15",
    dated=date(2025, 1, 1),
    sha256=hashlib.sha256(TEXT.encode()).hexdigest(),
    digests=tuple(
        (name, None)
        for name in ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "shake256")
    ),
    rsa_bits=((2048, None),),
    # SIG-06 (NĐ68): a user's certificate lives five years at most, two leap days among them.
    max_lifetime_days=1827,
)

LEGACY_SHA1_END: Final = datetime(2017, 1, 1, tzinfo=UTC)
"""Until when a trusted proof of existence may carry SHA-1, where a policy allows it; reading."""
