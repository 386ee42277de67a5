"""By which rules signatures are judged: algorithms, key usage, evidence, who must sign.

A policy is a dated file whose hash stands in every report; without a file the built-in one counts.
Pure values.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """One dated policy (chính sách kiểm tra).

    Args:
        name: As reports show it.
        dated: In force from.
        sha256: Of the file, or of the built-in text.
        digests: Digest algorithms and until when each may be used; None for no end. What is not
            named is not accepted.
        rsa_bits: Smallest RSA keys and until when: `((2048, None),)`.
        ec_bits: Smallest elliptic curve field.
        key_usages: At least one must be on the signer's certificate.
        max_lifetime_days: Longest sane validity of a duty certificate (SIG-06), 0 for no limit.
    """

    name: str
    dated: date
    sha256: str
    digests: tuple[tuple[str, datetime | None], ...]
    rsa_bits: tuple[tuple[int, datetime | None], ...]
    ec_bits: int = 256
    key_usages: tuple[str, ...] = ("digital_signature", "non_repudiation")
    max_lifetime_days: int = 0


@dataclass(frozen=True, slots=True)
class ListedAnchor:
    """What the trust list says of one certificate authority, by SHA-256, never by name.

    Args:
        sha256: Of the certificate's DER.
        trust_class: `duty`, `public`, `foreign` or `internal`.
        trusted_from: Signatures made before are not trusted, None for no bound.
        trusted_until: Signatures made after are not trusted, None for no bound.
        name: For people.
        confirmed: Somebody has compared the fingerprint out of band.
    """

    sha256: str
    trust_class: str
    trusted_from: datetime | None = None
    trusted_until: datetime | None = None
    name: str = ""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class PinnedSigner:
    """A certificate whose holder the operator knows; overrides what its subject suggests (G8).

    Args:
        sha256: Of the certificate's DER.
        role: `person`, `organization`, `portal` or `clerk`.
        agencies: Codes it may sign for; empty for not told.
    """

    sha256: str
    role: str
    agencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustList:
    """The versioned list of whom the operator trusts, and as what (danh sách tin cậy)."""

    version: str = ""
    dated: date | None = None
    sha256: str = ""
    anchors: tuple[ListedAnchor, ...] = ()
    signers: tuple[PinnedSigner, ...] = field(default=())

    def anchor(self, sha256: str) -> ListedAnchor | None:
        """Return the entry of a certificate authority."""
        return next((a for a in self.anchors if a.sha256 == sha256), None)

    def signer(self, sha256: str) -> PinnedSigner | None:
        """Return the entry of a signer."""
        return next((s for s in self.signers if s.sha256 == sha256), None)


# SIG-48 (TT15): RSA from 2048 bits, ECDSA from 256, SHA-256 and newer.
BUILT_IN: Final = Policy(
    name="TT15",
    dated=date(2025, 1, 1),
    sha256="",
    digests=tuple(
        (name, None)
        for name in ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "shake256")
    ),
    rsa_bits=((2048, None),),
)

LEGACY_SHA1_END: Final = datetime(2017, 1, 1, tzinfo=UTC)
"""Until when a trusted proof of existence may carry SHA-1, where a policy allows it; reading."""
