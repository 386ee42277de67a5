"""What the rules are told: one frozen value, gathered by the caller, never fetched by a rule.

`None` where something was not looked up or not known yet (signatures before their verdict, targets
of a document that recalls nothing): a rule is silent about what it was not told. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal, Protocol

from gateway.domain.directory import Resolved, Unknown
from gateway.domain.envelope import Attachment, Envelope
from gateway.domain.finding import Severity
from gateway.domain.identifiers import fold
from gateway.domain.malware import Scan
from gateway.rules.sniff import sniff

Direction = Literal["out", "in"]

MESSAGE_HEADER: Final = "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader"
BUSINESS: Final = "/edXML/edXMLEnvelope/edXMLHeader/TraceHeaderList/Bussiness"
MANIFEST: Final = "/edXML/edXMLEnvelope/edXMLBody/edXMLManifest"
ATTACHMENTS: Final = "/edXML/AttachmentEncoded"

ALLOWED_EXTENSIONS: Final = frozenset(
    {
        *("pdf", "doc", "docx", "odt", "txt", "rtf"),
        *("xls", "xlsx", "ods", "csv"),
        *("png", "jpg", "jpeg", "tif", "tiff", "gif", "bmp", "svg", "dwg", "shp", "zip"),
    }
)
"""FMT-02…FMT-05: text, spreadsheets, read-only, images and graphics (the last list is ours)."""

DENIED_EXTENSIONS: Final = frozenset(
    {
        *("exe", "com", "scr", "pif", "dll", "sys", "cpl", "msi", "msp", "apk", "jar", "class"),
        *("bat", "cmd", "ps1", "psm1", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "sh"),
        *("bash", "py", "php", "reg", "lnk", "chm", "iso", "img"),
        *("docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppsm", "ppam"),
    }
)
"""FMT-05: executables, scripts and macro-enabled types are never allowed."""


class CertificateLike(Protocol):
    """The part of a certificate's facts that rules compare."""

    @property
    def common_name(self) -> str:
        """Return the holder's name (CN)."""

    @property
    def organization(self) -> str:
        """Return the organisation (O): of a body's certificate often the one above."""

    @property
    def units(self) -> Sequence[str]:
        """Return the organisational units (OU)."""

    @property
    def locality(self) -> str:
        """Return the locality (L), or ""."""

    @property
    def identifiers(self) -> Sequence[str]:
        """Return numbers in the subject, `MST:…`, `MNS:…`."""


class AppearanceLike(Protocol):
    """How a signature is shown (SIG-26: it proves nothing)."""

    @property
    def picture(self) -> bool:
        """Return whether it shows an image."""

    @property
    def hue(self) -> str:
        """Return `blue`, `red`, `other`, or "" for not told."""

    @property
    def transparent(self) -> bool:
        """Return whether the image has a transparent ground."""

    @property
    def png_like(self) -> bool:
        """Return whether the image is lossless."""

    @property
    def text(self) -> str:
        """Return the text drawn in it."""

    @property
    def quadrant(self) -> str:
        """Return where on the page it stands, `top-right`…, or ""."""


class NoteLike(Protocol):
    """A remark of the verifier."""

    @property
    def code(self) -> str:
        """Return its stable code."""


class SignatureLike(Protocol):
    """The part of a signature's facts that rules judge (`gateway.trust.report`)."""

    @property
    def verdict(self) -> str:
        """Return `valid`, `invalid` or `indeterminate`."""

    @property
    def role(self) -> str:
        """Return `person`, `organization`, `portal`, `clerk`, `tsa` or `unknown`."""

    @property
    def sub_indication(self) -> str:
        """Return the ETSI sub-indication, or ""."""

    @property
    def intact(self) -> str:
        """Return `yes`, `no` or `unknown`."""

    @property
    def trusted(self) -> str:
        """Return `yes`, `no` or `unknown`."""

    @property
    def not_revoked(self) -> str:
        """Return `yes`, `no` or `unknown`."""

    @property
    def later_changes(self) -> str:
        """Return what was added after signing."""

    @property
    def field(self) -> str:
        """Return the field's name."""

    @property
    def signer(self) -> CertificateLike | None:
        """Return the signer's certificate, None when unreadable."""

    @property
    def agencies(self) -> Sequence[str]:
        """Return the codes the trust list lets it sign for; empty where it does not say."""

    @property
    def revision(self) -> int:
        """Return which saved state it signed, from 1; 0 when not told."""

    @property
    def page(self) -> int:
        """Return where it is shown, from 1; 0 when invisible."""

    @property
    def rectangle(self) -> tuple[float, float, float, float] | None:
        """Return its place there, points from the lower left corner."""

    @property
    def appearance(self) -> AppearanceLike | None:
        """Return how it is shown, None when invisible or not read."""

    @property
    def signed_at(self) -> datetime | None:
        """Return the best signing time."""

    @property
    def claimed_at(self) -> datetime | None:
        """Return the time the signer wrote."""

    @property
    def document_time(self) -> datetime | None:
        """Return the time the file states beside it."""

    @property
    def notes(self) -> Sequence[NoteLike]:
        """Return the remarks about it."""


class ReportLike(Protocol):
    """The part of a verification report that rules judge."""

    @property
    def verdict(self) -> str:
        """Return `valid`, `invalid`, `indeterminate`, `unreadable` or `unsigned`."""

    @property
    def signatures(self) -> Sequence[SignatureLike]:
        """Return the signatures in order of the file."""

    @property
    def kind(self) -> str:
        """Return `pdf`, `xml`, `zip` or `other`."""

    @property
    def page_text(self) -> bool:
        """Return whether the first page has text."""

    @property
    def urgency_marks(self) -> Sequence[str]:
        """Return the urgency stamps found there."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One attachment as the rules see it.

    Args:
        index: Position, from 0; the main document comes first.
        name: As written.
        content_id: Without leading `cid:`.
        size_bytes: Of the unwrapped bytes.
        kind: Type told from the first bytes, see `gateway.rules.sniff`.
        zip_names: Entry names when it is a zip and they are known.
    """

    index: int
    name: str
    content_id: str
    size_bytes: int
    kind: str
    zip_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, attachment: Attachment, head: bytes, zip_names: tuple[str, ...] = ()
    ) -> "FileFacts":
        """Return the facts of an attachment from its first (at most 512) unwrapped bytes."""
        return cls(
            attachment.index,
            attachment.name,
            attachment.content_id,
            attachment.size_bytes,
            sniff(head),
            zip_names,
        )

    @property
    def extension(self) -> str:
        """Return the lower-case extension without its dot, "" without one."""
        stem, dot, extension = self.name.strip().rpartition(".")
        return extension.lower() if dot and stem else ""

    @property
    def where(self) -> str:
        """Return its XPath."""
        return f"{ATTACHMENTS}/Attachment[{self.index + 1}]"


@dataclass(frozen=True, slots=True)
class AgencyNames:
    """What the sending agency goes by (SIG-51).

    Args:
        codes: Its codes as compared (`identifiers.fold`): as written and canonical.
        names: Its printed names: its own first, then those it had or took over.
        above: Names of the bodies above it, nearest first.
        other_codes: Further codes of it, folded: the old notation, those it took over.
    """

    codes: frozenset[str]
    names: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    other_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HopLimit:
    """The largest message a next hop takes, and what that hop is called."""

    name: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Target:
    """A document that this one recalls, updates or replaces.

    Args:
        document_id: As named in the message.
        found: We know it.
        allowed: The sender may change it (`domain.recall.may_change`).
    """

    document_id: str
    found: bool
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class EarlierDocument:
    """A document that looks like this one (DID-07).

    Args:
        document_id: Its identifier.
        code: Its number and notation.
        promulgation_date: Its date.
        same_identifier: It has the same identifier; else number, notation, date and main file.
    """

    document_id: str
    code: str
    promulgation_date: date | None = None
    same_identifier: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What an administrator may set.

    Args:
        allowed: Extensions allowed.
        denied: Extensions always refused.
        refuse_invalid_out: An outgoing document with an invalid signature is refused.
        max_code_length: Longest agency code the peer profile takes.
        appearance: What a fault of form in a shown signature is (SIG-26): `warn`, `note` or `off`.
        seal_mm: Width and height a seal may have, millimetres, smallest and largest (SIG-21).
        overlap: How much of the signer's picture the seal covers, of its width, least and most.
        must_scan: An outgoing file that cannot be scanned for malware is refused (FMT-14).
    """

    allowed: frozenset[str] = ALLOWED_EXTENSIONS
    denied: frozenset[str] = DENIED_EXTENSIONS
    refuse_invalid_out: bool = True
    max_code_length: int = 35
    appearance: Literal["warn", "note", "off"] = "warn"
    seal_mm: tuple[float, float] = (25.0, 55.0)
    overlap: tuple[float, float] = (0.2, 0.5)
    must_scan: bool = False


def _same_letters(one: str, other: str) -> bool:
    return fold(one) == fold(other)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the rules may look at.

    Args:
        envelope: The message.
        direction: `out` from a system of ours, `in` from an axis or partner.
        today: Date in Vietnam.
        sender: The sender's code resolved, None when not looked up.
        recipients: The recipients' codes resolved, in order; None when not looked up.
        speaks_for: Canonical codes the authenticated caller may send for; None when it does not
            matter.
        files: The attachments; None when only the header is known.
        secrecy: Secrecy level in the metadata (rules C2): number, word, or None when absent.
        secrecy_marks: Secrecy stamps found in the text of page 1.
        packet_bytes: Size of the message as it would leave; None when not known.
        limits: Size limits of the next hops.
        reports: Verification reports by file, None where a file has none; None before a verdict.
        packet: Report on the packet's own XML signature; None where it has none or nobody looked.
        scans: What the malware scanner said, by file; of the packet itself where there is no file.
        names: What the sender goes by, None when not looked up.
        targets: What this message recalls, updates or replaces; None when not looked up.
        earlier: A document suspected to be the same, None without suspicion.
        same_agency: Whether two written codes mean one agency.
        policy: See `Policy`.
    """

    envelope: Envelope
    direction: Direction
    today: date
    sender: Resolved | Unknown | None = None
    recipients: tuple[Resolved | Unknown, ...] | None = None
    speaks_for: frozenset[str] | None = None
    files: tuple[FileFacts, ...] | None = None
    secrecy: int | str | None = None
    secrecy_marks: tuple[str, ...] = ()
    packet_bytes: int | None = None
    limits: tuple[HopLimit, ...] = ()
    reports: tuple[ReportLike | None, ...] | None = None
    packet: ReportLike | None = None
    scans: tuple[Scan, ...] = ()
    names: AgencyNames | None = None
    targets: tuple[Target, ...] | None = None
    earlier: EarlierDocument | None = None
    same_agency: Callable[[str, str], bool] = _same_letters
    policy: Policy = field(default_factory=Policy)

    @property
    def outgoing(self) -> bool:
        """Return whether the document comes from a system of ours."""
        return self.direction == "out"

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes the sender is known by, as compared; the written one at least."""
        written = fold(self.envelope.header.sender.organ_id)
        return self.names.codes if self.names is not None else frozenset({written})

    @property
    def required(self) -> Severity:
        """Return how a breach of what the law requires weighs.

        Outgoing it refuses; incoming it is shown to the clerk, who decides (RCV-02).
        """
        return Severity.ERROR if self.direction == "out" else Severity.WARNING
