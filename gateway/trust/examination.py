"""One reading of one PDF: its signatures, analysed, judged and guarded; steps (3) to (7).

The file is read strictly first; where its structure does not bear that, it is read again leniently,
with a remark. A signature that cannot be judged is told as such and the others go on. Pure but for
the processor's time; keeps nothing.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust import changelist, changes, description, guards, levels, look, revisions
from gateway.trust.anchors import TrustStore
from gateway.trust.appearance import appearance_of
from gateway.trust.differences import Reader, open_pdf
from gateway.trust.evidence import MAX_CERTIFICATES, Evidence, gather
from gateway.trust.judgement import Judgement, ProvenTime
from gateway.trust.notes import clean, note
from gateway.trust.report import (
    Answer,
    AppearanceFacts,
    ChangeFacts,
    Coverage,
    EvidenceItem,
    ListFacts,
    Note,
    RevisionFacts,
    SignatureFacts,
    Verdict,
)
from gateway.trust.viewers import Viewers, installed

MAX_SIGNATURES: Final = 50
_MAX_LOOKS: Final = 4
_SEVERITY: Final = (
    Verdict.VALID,
    Verdict.UNSIGNED,
    Verdict.INDETERMINATE,
    Verdict.UNREADABLE,
    Verdict.INVALID,
)
_SUPPORTED: Final = frozenset(
    {"/adbe.pkcs7.detached", "/ETSI.CAdES.detached", "/ETSI.RFC3161", "/PBAD.PAdES"}
)
_ODD_KEY: Final = ("math domain", "deserialize key data")
_DOUBTED: Final = frozenset({"other", "not-analysed", "form-filling", "annotation"})


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; VALID for none at all."""
    return max(verdicts, key=_SEVERITY.index, default=Verdict.VALID)


@dataclass(slots=True)
class Outcome:
    """What examining a file gave: facts and their ranges side by side, or why there are none."""

    signatures: list[SignatureFacts] = field(default_factory=list)
    ranges: list[guards.SignedRange | None] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    trouble: str = ""
    locked: bool = False
    pages: int = 0
    revisions: tuple[RevisionFacts, ...] = ()
    certification: str = ""
    empty_fields: int = 0
    unsupported: int = 0
    active_content: tuple[str, ...] = ()
    lists: tuple[ListFacts, ...] = ()
    evidence: tuple[EvidenceItem, ...] = ()

    def remark(self, code: str, detail: object = "") -> None:
        """Add a remark about the file, once."""
        if all(n.code != code for n in self.notes):
            self.notes.append(note(code, detail))


def examined(data: bytes, store: TrustStore, at: datetime) -> Outcome:
    """Examine strictly; if the structure does not bear that, leniently, and say so."""
    try:
        return _examine(data, store, at, strict=True)
    except Exception as exc:  # noqa: BLE001 — the library raises whatever it meets
        reason = clean(f"{type(exc).__name__}: {exc}")
    try:
        outcome = _examine(data, store, at, strict=False)
    except Exception as exc:  # noqa: BLE001 — as above: then the file is unreadable
        return Outcome(trouble=clean(f"{type(exc).__name__}: {exc}"))
    outcome.notes.insert(0, note("read-leniently", reason))
    return outcome


def _examine(data: bytes, store: TrustStore, at: datetime, *, strict: bool) -> Outcome:
    outcome = Outcome()
    reader = open_pdf(data, strict=strict)
    if reader.encrypted:
        if not _unlocked(reader):
            outcome.locked = True
            return outcome
        outcome.remark("encrypted-open")
    if strict and reader.xrefs.hybrid_xrefs_present:
        raise ValueError("hybrid-reference file")
    # A page tree that cannot be walked is no document a clerk could read.
    _ = reader.root["/Pages"]
    _Examination(data, reader, store, at, strict=strict, outcome=outcome).run()
    return outcome


def _unlocked(reader: PdfFileReader) -> bool:
    try:
        return reader.decrypt(b"").status is not AuthStatus.FAILED
    except Exception:  # noqa: BLE001 — another kind of lock
        return False


@dataclass(slots=True)
class _Seen:
    """One signature on its way through the procedure."""

    name: str
    key: revisions.Key | None
    emb: EmbeddedPdfSignature
    signed: guards.SignedRange | None
    is_stamp: bool
    certifies: bool
    trouble: str = ""
    judgement: Judgement = field(default_factory=Judgement)
    facts: SignatureFacts | None = None


class _Examination:
    """One reading of one file: steps (4) to (7)."""

    def __init__(
        self,
        data: bytes,
        reader: Reader,
        store: TrustStore,
        at: datetime,
        *,
        strict: bool,
        outcome: Outcome,
    ) -> None:
        self.data = data
        self.reader = reader
        self.store = store
        self.strict = strict
        self.outcome = outcome
        self.evidence: Evidence = gather(reader, store, at)
        self.history = revisions.History(reader, data)
        self.places = revisions.Places(reader.root)
        self.viewers = Viewers(data)
        self.looks: set[int] = set()
        self.names: list[str] = []
        self.seen: list[_Seen] = []
        self.told: tuple[ChangeFacts, ...] = ()

    def run(self) -> None:
        """Fill in the outcome; raises in strict reading when the structure does not bear it."""
        self._list()
        for one in self.seen:
            self._guarded(one, self._analyse)
        stranger = self._stranger()
        self._judge_all()
        if self.seen:
            first = min(one.emb.signed_revision for one in self.seen)
            self.told = changelist.changes_after(self.reader, self.history, first)
        for one in self.seen:
            self._describe_safely(one, stranger)
            if one.facts is not None:
                self._add(one.signed, one.facts)
        self._about_the_file()

    def _guarded(self, one: _Seen, step: Callable[[_Seen], None]) -> None:
        """Run one step; what it trips over leaves this signature without conclusion."""
        try:
            step(one)
        except PdfReadError as exc:
            if self.strict:
                raise
            one.judgement.doubt("GENERIC", "other-problem", f"{type(exc).__name__}: {exc}")
        except Exception as exc:  # noqa: BLE001 — the library raises whatever it meets
            self._failed(one, exc)

    def _failed(self, one: _Seen, exc: Exception) -> None:
        # Old Estonian certificates have a negative RSA modulus, which no library takes for a key.
        if isinstance(exc, ValueError) and any(words in str(exc) for words in _ODD_KEY):
            one.judgement.doubt("GENERIC", "odd-key")
        else:
            one.judgement.doubt("GENERIC", "other-problem", f"{type(exc).__name__}: {exc}")

    def _describe_safely(self, one: _Seen, stranger: guards.Stranger | None) -> None:
        try:
            self._describe(one, stranger)
        except Exception as exc:  # noqa: BLE001 — as above
            detail = clean(f"{type(exc).__name__}: {exc}")
            failed = one.judgement.failed
            one.facts = description.bare(
                one.name,
                Verdict.INVALID if failed else Verdict.INDETERMINATE,
                one.judgement.sub or "GENERIC",
                note("other-problem", detail),
            )

    # ------------------------------------------------------------ (4) list

    def _list(self) -> None:
        empty = sum(1 for _ in enumerate_sig_fields(self.reader, filled_status=False))
        self.outcome.empty_fields = empty
        if empty:
            self.outcome.remark("empty-field", empty)
        references: set[Any] = set()
        fields = list(enumerate_sig_fields(self.reader))
        self.names = [str(name) for name, _, _ in fields]
        filled = [f for f in fields if f[1] is not None]
        if len(filled) > MAX_SIGNATURES:
            self.outcome.remark("too-many-signatures", MAX_SIGNATURES)
        for name, value, holder in filled[:MAX_SIGNATURES]:
            reference = getattr(value, "reference", None) or id(value)
            if reference in references:
                continue  # several fields, one signature: it counts once
            references.add(reference)
            self._take(str(name), value, holder)
        self.seen.sort(key=lambda s: (s.emb.signed_revision, s.name))
        self._certifications()

    def _take(self, name: str, value: Any, holder: Any) -> None:
        try:
            body = value.get_object()
            kind = str(body.get("/SubFilter", ""))
            if kind not in _SUPPORTED:
                self.outcome.unsupported += 1
                self._add(None, description.unsupported(name, kind))
                return
            emb = EmbeddedPdfSignature(self.reader, holder, name)
            numbers = tuple(int(n) for n in emb.byte_range)
            # A time-stamp is told by its form, whatever its type entry says.
            stamp = str(emb.sig_object_type) == "/DocTimeStamp" or kind == "/ETSI.RFC3161"
            certifies = bool(revisions.transform_level(body))
        except Exception as exc:
            if self.strict and isinstance(exc, PdfReadError):
                raise
            self._add(None, description.malformed(name, clean(f"{type(exc).__name__}: {exc}")))
            return
        signed = guards.signed_range(numbers, self.data)
        key = revisions.key_of(holder)
        self.seen.append(_Seen(name, key, emb, signed, stamp, certifies))

    def _certifications(self) -> None:
        """Hold the certifying signatures against the standard: one, and it is the first."""
        certifying = [one for one in self.seen if one.certifies]
        for one in certifying[1:]:
            one.judgement.remark("two-certifications")
        persons = [one for one in self.seen if not one.is_stamp]
        if certifying and persons and certifying[0] is not persons[0]:
            self.outcome.remark("late-certification")

    # ------------------------------------------------------------ (5), (6) analyse and judge

    def _analyse(self, one: _Seen) -> None:
        one.trouble = changes.analyse(one.emb)

    def _judge_all(self) -> None:
        proven: tuple[ProvenTime, ...] = ()
        for one in reversed([s for s in self.seen if s.is_stamp]):
            later = tuple(p for p in proven if p.revision > one.emb.signed_revision)
            self._guarded(one, lambda s, later=later: self._judge_stamp(s, later))  # type: ignore[misc]
            found = one.judgement
            if found.passed and found.signed_at is not None:
                section = one.emb.signed_revision
                proven += (
                    ProvenTime(found.signed_at, found.time_authority, section, found.stamp_path),
                )
        for one in [s for s in self.seen if not s.is_stamp]:
            self._guarded(one, lambda s: self._judge(s, proven))

    def _judge_stamp(self, one: _Seen, later: tuple[ProvenTime, ...]) -> None:
        self._take_over(one, levels.judge_timestamp(one.emb, self.evidence, later))

    def _judge(self, one: _Seen, proven: tuple[ProvenTime, ...]) -> None:
        if len(one.emb.signed_data["certificates"] or ()) > MAX_CERTIFICATES:
            one.judgement.doubt("GENERIC", "too-many-certificates", MAX_CERTIFICATES)
            return
        self._take_over(one, levels.judge_signature(one.emb, self.evidence, proven))

    @staticmethod
    def _take_over(one: _Seen, judgement: Judgement) -> None:
        judgement.notes = [*one.judgement.notes, *judgement.notes]
        one.judgement = judgement

    # ------------------------------------------------------------ (7) guards and facts

    def _stranger(self) -> guards.Stranger | None:
        ends = [s.signed.end for s in self.seen if s.signed is not None]
        if not ends:
            return None
        return guards.stranger_after(self.data, min(ends), guards.listed(self.reader))

    def _describe(self, one: _Seen, stranger: guards.Stranger | None) -> None:
        judgement = one.judgement
        end = one.signed.end if one.signed else None
        covered = self._covered_later(one)
        later = changes.judge_changes(
            one.emb,
            self.data,
            end,
            trouble=one.trouble,
            signature_fields=self.names,
            covered_later=covered,
        )
        ceilings = [_crypto_verdict(judgement), *self._byte_guards(one, stranger), later.ceiling]
        if any(n.code == "two-certifications" for n in judgement.notes):
            ceilings.append(Verdict.INVALID)
        if self.store.policy.unknown == "invalid" and judgement.sub == "TRY_LATER":
            judgement.remark("unknown-refused")
            ceilings.append(Verdict.INVALID)
        after = stranger is not None and end is not None and stranger.at >= end
        if not covered and (after or later.kind in _DOUBTED or not self.strict):
            ceilings += self._second_look(one, later, worst(ceilings))
        described = description.described(
            one.name,
            one.emb,
            judgement,
            later,
            verdict=worst(ceilings),
            store=self.store,
            is_stamp=one.is_stamp,
        )
        one.facts = self._placed(one, described, later.kind)

    def _second_look(self, one: _Seen, later: changes.Changes, so_far: Verdict) -> list[Verdict]:
        """Ask the two viewers about the signed state and the present one (3.7 step 8)."""
        end = one.signed.end if one.signed else len(self.data)
        if so_far is Verdict.INVALID or (end not in self.looks and len(self.looks) >= _MAX_LOOKS):
            return []
        self.looks.add(end)
        if not installed():
            self.outcome.remark("no-second-look")
        opinion = self.viewers.opinion(end)
        found = []
        if opinion.disagree:
            one.judgement.remark("viewers-disagree")
            found.append(Verdict.INDETERMINATE)
        # SIG-49 (LGDĐT art 22.3d): a page that looks different was changed after signing.
        if opinion.alike is False and later.kind not in {"none", "archive-data", "signature"}:
            one.judgement.remark("page-changed")
            found.append(Verdict.INVALID)
        return found

    def _placed(self, one: _Seen, sig: SignatureFacts, kind: str) -> SignatureFacts:
        """Fill in where it is shown and what it stands in."""
        page, rectangle = self.places.widget_of(one.emb.sig_field, one.key)
        section, end = one.emb.signed_revision, one.signed.end if one.signed else 0
        own = self.history.number(section)
        after = [s for s in self.seen if s.is_stamp and s.emb.signed_revision > section]
        later = [s.judgement for s in after]
        doubted = kind in {"other", "not-analysed"} and 0 < end < len(self.data)
        pages = look.compared(self.data, end).pages if doubted else ()
        signer = levels.signer_of(one.emb)
        return dataclasses.replace(
            sig,
            level="timestamp" if one.is_stamp else self._level(one, stamped=bool(after)),
            timestamps=description.timestamps_of(one.judgement, later),
            document_time=description.document_time(one.emb),
            revision=own,
            revision_end=end,
            revision_sha256=self.reader.digest("sha256", ((0, end),)).hex() if end else "",
            page=page,
            rectangle=rectangle,
            changes=description.changes_of(self.told, own, kind, pages),
            appearance=None if one.is_stamp else self._looks(one, page, rectangle),
            proof_until=None
            if signer is None
            else description.proof_until(one.judgement, signer, later, self.store),
        )

    def _looks(
        self, one: _Seen, page: int, rectangle: revisions.Rectangle | None
    ) -> AppearanceFacts | None:
        """SIG-26: how it is shown is told beside the verdict and never changes it."""
        shown = self.places.pages[page - 1][1] if page else None
        return appearance_of(one.emb.sig_field, shown, rectangle)

    def _level(self, one: _Seen, *, stamped: bool) -> str:
        kept = self.evidence.has_revocation_store
        return description.level_of(one.emb, one.judgement, stamped=stamped, kept=kept)

    def _byte_guards(self, one: _Seen, stranger: guards.Stranger | None) -> list[Verdict]:
        found: list[Verdict] = []
        coverage = changes.coverage_of(one.emb)
        if one.signed is None or coverage is Coverage.UNCLEAR or not self._gap_is_value(one):
            # (G4) what the range leaves out is not exactly the value that was judged
            one.judgement.remark("byte-range")
            found.append(Verdict.INVALID)
        elif coverage is Coverage.PARTIAL:
            one.judgement.remark("unexplained-bytes", one.signed.end)
            found.append(Verdict.INDETERMINATE)
        if guards.hidden_padding(one.emb.pkcs7_content):
            one.judgement.remark("hidden-padding")
            found.append(Verdict.INDETERMINATE)
        if stranger is not None and one.signed is not None and stranger.at >= one.signed.end:
            code = "unlisted-object" if stranger.is_object else "unexplained-bytes"
            one.judgement.remark(code, stranger.at)
            found.append(Verdict.INVALID if stranger.is_object else Verdict.INDETERMINATE)
        return found

    def _gap_is_value(self, one: _Seen) -> bool:
        if one.signed is None:
            return False
        gap = self.data[one.signed.gap_start + 1 : one.signed.gap_end - 1]
        try:
            return bytes.fromhex(gap.decode("ascii")) == bytes(one.emb.pkcs7_content)
        except ValueError:
            return False

    def _covered_later(self, one: _Seen) -> bool:
        return any(
            other.judgement.passed
            and not other.is_stamp
            and other.emb.signed_revision > one.emb.signed_revision
            and changes.coverage_of(other.emb) in {Coverage.WHOLE_FILE, Coverage.REVISION}
            for other in self.seen
        )

    def _add(self, signed: guards.SignedRange | None, sig: SignatureFacts) -> None:
        self.outcome.signatures.append(sig)
        self.outcome.ranges.append(signed)

    # ------------------------------------------------------------ the file as a whole

    def _about_the_file(self) -> None:
        outcome = self.outcome
        outcome.pages = len(self.places.pages)
        outcome.certification = revisions.certification(self.reader)
        outcome.active_content = revisions.active_content(self.data, self.reader.root)
        acting = [kind for kind in outcome.active_content if kind != "embedded-files"]
        if acting:
            outcome.remark("active-content", ", ".join(acting))
        if "embedded-files" in outcome.active_content:
            outcome.remark("embedded-files")
        outcome.revisions = tuple(
            RevisionFacts(number, end, self._kind(number), self._signed_in(number))
            for number, end in self.history.states
        )
        outcome.lists = description.lists_of(one.judgement for one in self.seen)
        found = description.evidence_of(
            ((levels.signer_of(one.emb), one.judgement) for one in self.seen), self.store
        )
        outcome.evidence = tuple(sorted(found, key=lambda i: (i.kind, i.sha256, i.origin)))

    def _signed_in(self, number: int) -> tuple[str, ...]:
        return tuple(
            clean(one.name)
            for one in self.seen
            if self.history.number(one.emb.signed_revision) == number
        )

    def _kind(self, number: int) -> str:
        if number == 1:
            return "content"
        signed = [
            one for one in self.seen if self.history.number(one.emb.signed_revision) == number
        ]
        if signed:
            return "timestamp" if all(one.is_stamp for one in signed) else "signature"
        return description.kind_of_revision([c for c in self.told if c.revision == number])


def _crypto_verdict(judgement: Judgement) -> Verdict:
    if judgement.failed:
        return Verdict.INVALID
    if judgement.passed and judgement.intact is Answer.YES:
        return Verdict.VALID
    return Verdict.INDETERMINATE
