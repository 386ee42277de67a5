"""One reading of one PDF: its signatures, analysed, judged and guarded; steps (3) to (7).

The file is read strictly first; whatever that trips over, it is read again leniently, with a
remark. In the lenient reading a signature that cannot be judged is told as such and the others go
on. Pure but for the processor's time; keeps nothing.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust import changes, facts, guards, levels
from gateway.trust.anchors import TrustStore
from gateway.trust.evidence import MAX_CERTIFICATES, Evidence, gather
from gateway.trust.notes import clean, note
from gateway.trust.report import Answer, Coverage, Note, SignatureFacts, Verdict

MAX_SIGNATURES: Final = 50
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


def examined(data: bytes, store: TrustStore, at: datetime) -> Outcome:
    """Examine strictly; if that fails anywhere, leniently, and say so."""
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
    reader = PdfFileReader(io.BytesIO(data), strict=strict)
    if reader.encrypted:
        if not _unlocked(reader):
            outcome.locked = True
            return outcome
        outcome.notes.append(note("encrypted-open"))
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
    emb: EmbeddedPdfSignature
    signed: guards.SignedRange | None
    is_stamp: bool
    trouble: str = ""
    judgement: levels.Judgement = field(default_factory=levels.Judgement)
    facts: SignatureFacts | None = None


class _Examination:
    """One reading of one file: steps (4) to (7)."""

    def __init__(
        self,
        data: bytes,
        reader: PdfFileReader,
        store: TrustStore,
        at: datetime,
        *,
        strict: bool,
        outcome: Outcome,
    ) -> None:
        self.data = data
        self.reader = reader
        self.strict = strict
        self.outcome = outcome
        self.evidence: Evidence = gather(reader, store, at)
        self.names: list[str] = []
        self.seen: list[_Seen] = []

    def run(self) -> None:
        """Fill in the outcome; raises in strict reading, records in lenient reading."""
        self._list()
        for one in self.seen:
            self._guarded(one, self._analyse)
        stranger = self._stranger()
        for one in [s for s in self.seen if s.is_stamp]:
            self._guarded(one, self._judge_stamp)
        proven = tuple(
            levels.ProvenTime(j.signed_at, j.time_authority, s.emb.signed_revision)
            for s in self.seen
            if s.is_stamp and (j := s.judgement).passed and j.signed_at is not None
        )
        for one in [s for s in self.seen if not s.is_stamp]:
            self._guarded(one, lambda s: self._judge(s, proven))
        for one in self.seen:
            self._guarded(one, lambda s: self._describe(s, stranger))
            if one.facts is not None:
                self._add(one.signed, one.facts)

    def _guarded(self, one: _Seen, step: Any) -> None:
        """Run one step; in lenient reading a failure leaves the signature without conclusion."""
        if one.facts is not None:
            return
        try:
            step(one)
        except Exception as exc:
            if self.strict:
                raise
            detail = clean(f"{type(exc).__name__}: {exc}")
            one.facts = _bare(
                one.name, Verdict.INDETERMINATE, "GENERIC", note("other-problem", detail)
            )

    # ------------------------------------------------------------ (4) list

    def _list(self) -> None:
        empty = sum(1 for _ in enumerate_sig_fields(self.reader, filled_status=False))
        if empty:
            self.outcome.notes.append(note("empty-field", empty))
        references: set[Any] = set()
        fields = list(enumerate_sig_fields(self.reader))
        self.names = [str(name) for name, _, _ in fields]
        filled = [f for f in fields if f[1] is not None]
        if len(filled) > MAX_SIGNATURES:
            self.outcome.notes.append(note("too-many-signatures", MAX_SIGNATURES))
        for name, value, holder in filled[:MAX_SIGNATURES]:
            reference = getattr(value, "reference", None) or id(value)
            if reference in references:
                continue  # several fields, one signature: it counts once
            references.add(reference)
            self._take(str(name), value, holder)
        self.seen.sort(key=lambda s: (s.emb.signed_revision, s.name))

    def _take(self, name: str, value: Any, holder: Any) -> None:
        try:
            kind = str(value.get_object().get("/SubFilter", ""))
            if kind not in _SUPPORTED:
                self._add(None, _unsupported(name, kind))
                return
            emb = EmbeddedPdfSignature(self.reader, holder, name)
            numbers = tuple(int(n) for n in emb.byte_range)
            stamp = str(emb.sig_object_type) == "/DocTimeStamp" or kind == "/ETSI.RFC3161"
        except Exception as exc:
            if self.strict:
                raise
            self._add(None, _malformed(name, clean(f"{type(exc).__name__}: {exc}")))
            return
        self.seen.append(_Seen(name, emb, guards.signed_range(numbers, self.data), stamp))

    # ------------------------------------------------------------ (5), (6) analyse and judge

    def _analyse(self, one: _Seen) -> None:
        one.trouble = changes.analyse(one.emb)

    def _judge_stamp(self, one: _Seen) -> None:
        one.judgement = levels.judge_timestamp(one.emb, self.evidence)

    def _judge(self, one: _Seen, proven: tuple[levels.ProvenTime, ...]) -> None:
        if len(one.emb.signed_data["certificates"] or ()) > MAX_CERTIFICATES:
            one.judgement.doubt("GENERIC", "too-many-certificates", MAX_CERTIFICATES)
            return
        one.judgement = levels.judge_signature(one.emb, self.evidence, proven)

    # ------------------------------------------------------------ (7) guards and facts

    def _stranger(self) -> guards.Stranger | None:
        ends = [s.signed.end for s in self.seen if s.signed is not None]
        if not ends:
            return None
        return guards.stranger_after(self.data, min(ends), _listed(self.reader))

    def _describe(self, one: _Seen, stranger: guards.Stranger | None) -> None:
        judgement = one.judgement
        ceilings = [_crypto_verdict(judgement)]
        ceilings += self._byte_guards(one, stranger)
        later = changes.judge_changes(
            one.emb,
            self.data,
            one.signed.end if one.signed else None,
            trouble=one.trouble,
            signature_fields=self.names,
            covered_later=self._covered_later(one),
        )
        ceilings.append(later.ceiling)
        claimed = None
        if not one.is_stamp:
            claimed = levels.settle_time(judgement, one.emb)
            self._compare_name(one)
        signer = one.emb.signer_cert
        verdict = worst(ceilings)
        one.facts = SignatureFacts(
            field=clean(one.name),
            verdict=verdict,
            sub_indication=judgement.sub,
            intact=judgement.intact,
            trusted=judgement.trusted,
            not_revoked=judgement.not_revoked,
            time_proven=judgement.time_proven,
            signer=facts.certificate_facts(signer),
            role="tsa" if one.is_stamp else facts.role_of(signer),
            signed_at=judgement.signed_at,
            signed_at_source=judgement.source,
            coverage=changes.coverage_of(one.emb),
            later_changes=later.kind,
            algorithm=facts.algorithm_text(one.emb.signer_info, signer),
            notes=(*judgement.notes, *later.notes),
            claimed_at=claimed,
            time_authority=judgement.time_authority,
            level=self._level(one),
        )

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

    def _compare_name(self, one: _Seen) -> None:
        written = one.emb.sig_object.get("/Name", None)
        if written is None:
            return
        true_name = facts.common_name(one.emb.signer_cert)
        if not facts.same_name(clean(written), true_name):
            one.judgement.remark("name-differs", written)

    def _level(self, one: _Seen) -> str:
        if one.is_stamp:
            return "timestamp"
        kind = str(one.emb.sig_object.get("/SubFilter", ""))
        family = "PAdES" if kind == "/ETSI.CAdES.detached" else "PKCS7"
        if one.judgement.source == "document-timestamp" or any(
            s.is_stamp and s.emb.signed_revision > one.emb.signed_revision for s in self.seen
        ):
            return f"{family}-B-LTA"
        if not levels.has_token(one.emb):
            return f"{family}-B-B"
        return f"{family}-B-LT" if self.evidence.has_revocation_store else f"{family}-B-T"

    def _add(self, signed: guards.SignedRange | None, sig: SignatureFacts) -> None:
        self.outcome.signatures.append(sig)
        self.outcome.ranges.append(signed)


def _crypto_verdict(judgement: levels.Judgement) -> Verdict:
    if judgement.failed:
        return Verdict.INVALID
    if judgement.passed and judgement.intact is Answer.YES:
        return Verdict.VALID
    return Verdict.INDETERMINATE


def _listed(reader: PdfFileReader) -> guards.Listed:
    """Return every offset the chain of cross-reference sections lists, of all revisions."""
    objects: set[int] = set()
    sections: set[int] = set()
    numbers: dict[int, int] = {}
    for revision in range(reader.xrefs.total_revisions):
        data = reader.xrefs.get_xref_data(revision)
        meta = reader.xrefs.get_xref_container_info(revision)
        sections |= {meta.start_location, meta.declared_startxref}
        while data is not None:
            for number, (_, offset) in data.standard_xrefs.items():
                objects.add(offset)
                numbers[number] = offset
            hybrid = data.hybrid
            if hybrid is None:
                break
            sections.add(hybrid.meta_info.start_location)
            data = hybrid.xref_data
    return guards.Listed(
        frozenset(objects), frozenset(sections), lambda number: _integer(reader, number)
    )


def _integer(reader: PdfFileReader, number: int) -> int | None:
    from pyhanko.pdf_utils.generic import Reference

    try:
        return int(reader.get_object(Reference(number, 0, reader)))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 — no such number
        return None


def _bare(name: str, verdict: Verdict, sub: str, remark: Note) -> SignatureFacts:
    return SignatureFacts(
        field=clean(name),
        verdict=verdict,
        sub_indication=sub,
        intact=Answer.UNKNOWN,
        trusted=Answer.UNKNOWN,
        not_revoked=Answer.UNKNOWN,
        time_proven=Answer.UNKNOWN,
        signer=None,
        role="unknown",
        signed_at=None,
        signed_at_source="none",
        coverage=Coverage.UNCLEAR,
        later_changes="not-analysed",
        algorithm="",
        notes=(remark,),
    )


def _unsupported(name: str, kind: str) -> SignatureFacts:
    remark = note("unsupported-subfilter", kind or "?")
    return _bare(name, Verdict.INDETERMINATE, "GENERIC", remark)


def _malformed(name: str, detail: str) -> SignatureFacts:
    return _bare(name, Verdict.INVALID, "FORMAT_FAILURE", note("format-failure", detail or "-"))
