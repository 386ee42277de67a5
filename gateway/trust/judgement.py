"""What is found out of one signature, filled in step by step. Plain values."""

from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import x509

from gateway.trust.chains import Path
from gateway.trust.knowledge import Knowledge
from gateway.trust.notes import note
from gateway.trust.report import Answer, Note, TimestampFacts


@dataclass(slots=True)
class Judgement:
    """What cryptography, trust and time say of one signature.

    Args:
        passed: The ETSI process passed and nothing took it back.
        failed: It failed: TOTAL-FAILED.
        sub: Sub-indication, "" when passed.
        path: From the signer's issuer to the anchor, as far as found.
        stamps: Time-stamp tokens of the signature.
        tokens: Their DER, for the evidence.
        stamp_path: The certificates the proven time rests on, its own first.
        known: What is known of the revocation of each certificate of the path, signer first.
        stamp_known: The same for `stamp_path`.
    """

    passed: bool = False
    failed: bool = False
    sub: str = ""
    intact: Answer = Answer.UNKNOWN
    trusted: Answer = Answer.UNKNOWN
    not_revoked: Answer = Answer.UNKNOWN
    time_proven: Answer = Answer.UNKNOWN
    signed_at: datetime | None = None
    source: str = "none"
    time_authority: str = ""
    notes: list[Note] = field(default_factory=list)
    path: Path = ()
    stamps: list[TimestampFacts] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)
    stamp_path: tuple[x509.Certificate, ...] = ()
    known: tuple[Knowledge, ...] = ()
    stamp_known: tuple[Knowledge, ...] = ()

    def doubt(self, sub: str, code: str, detail: object = "") -> None:
        """Take back a pass: not concluded, for this reason."""
        self.passed = False
        if not self.failed:
            self.sub = sub
        self.remark(code, detail)

    def remark(self, code: str, detail: object = "") -> None:
        """Add a remark, once."""
        if all(n.code != code for n in self.notes):
            self.notes.append(note(code, detail))

    @property
    def indication(self) -> str:
        """Return the ETSI EN 319 102-1 indication."""
        if self.failed:
            return "TOTAL-FAILED"
        return "TOTAL-PASSED" if self.passed else "INDETERMINATE"


@dataclass(frozen=True, slots=True)
class ProvenTime:
    """A document time-stamp that holds: when, by whom, over which section, on which path."""

    at: datetime
    authority: str
    revision: int
    path: tuple[x509.Certificate, ...] = ()
