"""The report as people see it: one set of values that every form (HTML, PDF) is drawn from.

Promises: everything a file or certificate says is cleaned and cut here, so that no form has to;
lists are bounded, and what was left out is counted; the same input gives an equal model. Pure:
keeps nothing, asks nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.reports.advice import ACTORS, BY_CASE, REFUSALS, TECHNICIAN, Advice, Words
from gateway.trust.pictures import NO_PICTURES, Pictures
from gateway.trust.report import VerificationReport

MAX_CARDS: Final = 20
MAX_CHANGES: Final = 12
MAX_NOTES: Final = 20
MAX_PARTS: Final = 50
MAX_STEPS: Final = 40


# ---------------------------------------------------------------- what goes in


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a clerk calls when a sentence says «cán bộ kỹ thuật»."""

    name: str = ""
    phone: str = ""

    def phrase(self) -> Words:
        """Return how a sentence names the technician."""
        known = [part for part in (self.name, self.phone and f"ĐT {self.phone}") if part]
        in_english = [part for part in (self.name, self.phone and f"tel. {self.phone}") if part]
        if not known:
            return Words("cán bộ kỹ thuật", "technician")
        return Words(
            f"cán bộ kỹ thuật ({', '.join(known)})", f"technician ({', '.join(in_english)})"
        )


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """The document the files belong to; everything may be missing.

    Args:
        document_id: Identifier on the wire.
        legal_class: `original`, `copy`, `reference`, `unsigned`, `invalid`, `undetermined`, "".
        code: Number and notation.
        subject: Trích yếu.
        sender: Name or code of the sending agency.
        arrived_at: When it came, or was accepted.
        pending: The verdict is still to come.
        holders: What the rules say of signers beside signer and sender of the message (SIG-51).
        appearance: What they say of how signatures are shown; about form only (SIG-26).
    """

    document_id: str = ""
    legal_class: str = ""
    code: str = ""
    subject: str = ""
    sender: str = ""
    arrived_at: datetime | None = None
    pending: bool = False
    holders: tuple[Words, ...] = ()
    appearance: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the malware scanner said of a file (FMT-14).

    Args:
        result: `clean`, `infected` or `not-scanned`.
        signature: Name of what was found, or "".
        reason: Why it was not scanned, or "".
        engine: Version of scanner and signatures, or "".
        at: When, ISO 8601.
    """

    result: str
    signature: str
    reason: str
    engine: str
    at: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One file to report on.

    Args:
        name: As the sender called it.
        report: None for a file that holds no signature, or whose verdict is still to come.
        index: Its place in the document, from 0.
        pictures: Pages with signatures, as far as they were drawn.
        signed_links: By index of the signature, where exactly what it signed can be had.
        scan: Its malware scan, None where nobody scans.
    """

    name: str
    report: VerificationReport | None
    index: int = 0
    pictures: Pictures = NO_PICTURES
    signed_links: Mapping[int, str] = field(default_factory=dict)
    scan: Scanned | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """What one report is about; what every renderer is given.

    Args:
        files: In order of the document, main document first.
        facts: The document, None for files on their own.
        contact: The technician.
        lang: `vi` or `en`: the language shown first.
        gateway: Name of who reports.
        sealed_by: Name in the certificate that will seal the printed report, "" for no seal.
        training: Whether it is about training data: every form says so.
    """

    files: tuple[Subject, ...]
    facts: DocumentFacts | None = None
    contact: Contact = Contact()
    lang: str = "vi"
    gateway: str = ""
    sealed_by: str = ""
    training: bool = False


# ---------------------------------------------------------------- what comes out


@dataclass(frozen=True, slots=True)
class Told:
    """Advice with its names filled in; `own` is said to who sent the document."""

    why: Words
    todo: Words
    own: Words
    actor: Words
    actor_code: str
    refusal: str
    refusal_text: Words


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled value; `mono` for digests and codes."""

    label: Words
    value: Words
    mono: bool = False


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One of the four questions, answered."""

    question: Words
    answer: Words
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """What is known of one certificate of the path."""

    subject: str
    status: Words
    tone: str
    detail: Words


@dataclass(frozen=True, slots=True)
class PictureView:
    """A page and where the signature stands on it, in pixels of the page."""

    page: int
    width: int
    height: int
    mark: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True)
class NoteView:
    """One remark."""

    code: str
    text: Words


@dataclass(frozen=True, slots=True)
class Card:
    """One signature."""

    number: int
    index: int
    state: str
    headline: Words
    tone: str
    icon: str
    role: Words
    who: str
    organization: str
    time: str
    time_iso: str
    time_source: Words
    time_authority: str
    told: Told
    answers: tuple[AnswerView, ...]
    certificate: tuple[Row, ...]
    statuses: tuple[StatusView, ...]
    coverage: Words
    changes: Words
    change_rows: tuple[Words, ...]
    notes: tuple[NoteView, ...]
    technical: tuple[Row, ...]
    picture: PictureView | None
    signed_link: str
    signed_end: int
    signed_sha256: str


@dataclass(frozen=True, slots=True)
class Step:
    """One saved state of the file."""

    number: int
    what: Words
    signers: tuple[str, ...]
    size: Words
    tone: str
    link: str
    end: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ListView:
    """One revocation list and its age at verification."""

    issuer: str
    issued: str
    age: Words
    until: str
    stale: bool
    sha256: str
    source: Words


@dataclass(frozen=True, slots=True)
class PartView:
    """One file inside a container."""

    name: str
    state: str
    headline: Words
    tone: str
    icon: str
    detail: Words
    file: "FileView | None"


@dataclass(frozen=True, slots=True)
class FileView:
    """One file."""

    name: str
    index: int
    anchor: str
    state: str
    headline: Words
    tone: str
    icon: str
    told: Told
    facts: tuple[Row, ...]
    cards: tuple[Card, ...]
    steps: tuple[Step, ...]
    notes: tuple[NoteView, ...]
    parts: tuple[PartView, ...]
    lists: tuple[ListView, ...]
    technical: tuple[Row, ...]
    secrecy: tuple[str, ...]
    left_out: tuple[Words, ...]
    pages: Mapping[int, bytes]
    """PNG by page number."""


@dataclass(frozen=True, slots=True)
class DocumentView:
    """The whole report."""

    lang: str
    title: Words
    state: str
    headline: Words
    tone: str
    icon: str
    told: Told
    legal: Words | None
    facts: tuple[Row, ...]
    files: tuple[FileView, ...]
    verified: str
    gateway: str
    secrecy: tuple[str, ...]
    mark: str


def tell(advice: Advice, contact: Contact) -> Told:
    """Return advice with the technician's name in it."""
    phrase = contact.phrase()
    todo, own = (
        Words(said.vi.replace(TECHNICIAN, phrase.vi), said.en.replace(TECHNICIAN, phrase.en))
        for said in (advice.todo, advice.to_sender())
    )
    refusal = REFUSALS.get(advice.refusal, Words("", ""))
    return Told(advice.why, todo, own, ACTORS[advice.actor], advice.actor, advice.refusal, refusal)


def pending(contact: Contact) -> Told:
    """Return what is said while the verdict is still to come."""
    return tell(BY_CASE["pending"], contact)
