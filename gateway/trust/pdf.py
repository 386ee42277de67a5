"""Verification of one file: a numbered procedure from bytes to a report.

 1. what is it: empty, no PDF, a PDF that cannot hold a signature;
 2. the raw look: where signed ranges stand in the bytes (guards);
 3. open: strictly, else leniently with a remark; a password ends here;
 4. list the signature fields; unsupported kinds are counted, not dropped;
 5. analyse integrity, coverage and later changes of each;
 6. judge document time-stamps, then each signature: cryptography, chain, revocation, time;
 7. guards over the bytes: shape of the range, padding, strangers after it;
 8. signatures in the bytes that the file no longer lists: read them in their own revision;
 9. combine: the verdict is the worst of everything seen, and unknown is never valid.

Promises: never raises for what a file does; the same bytes, trust store and time give the same
report; nothing is fetched or written. Time and memory are the caller's to limit: run it in a
verifier process.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust import changes, facts, guards, levels
from gateway.trust.anchors import TrustStore
from gateway.trust.evidence import MAX_CERTIFICATES, Evidence, gather
from gateway.trust.look import page_count
from gateway.trust.notes import clean, note
from gateway.trust.report import (
    Answer,
    Coverage,
    Note,
    SignatureFacts,
    Verdict,
    VerificationReport,
)
from gateway.trust.sniff import foreign_signature

ENGINE: Final = f"vanlien-trust 1, pyHanko {version('pyHanko')}"
MAX_SIGNATURES: Final = 50
_MAX_HIDDEN: Final = 5
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


def verify_pdf(
    data: bytes,
    *,
    sha256: str,
    at: datetime,
    store: TrustStore,
    pdf_expected: bool = True,
) -> VerificationReport:
    """Verify every signature of one file.

    Args:
        data: The whole file.
        sha256: Lower-case hex of `data`.
        at: The time the questions are asked for, aware.
        store: What the operator trusts.
        pdf_expected: A file that is no PDF is UNREADABLE; else UNSIGNED.

    Returns:
        The report, without secrecy marks.

    Source: SIG-40 to SIG-49.
    """

    def report(
        verdict: Verdict, notes: Sequence[Note] = (), signatures: Sequence[SignatureFacts] = ()
    ) -> VerificationReport:
        return VerificationReport(
            verdict=verdict,
            sha256=sha256,
            size_bytes=len(data),
            verified_at=at,
            trust_sha256=store.sha256,
            engine=ENGINE,
            signatures=tuple(signatures),
            notes=tuple(notes),
        )

    # (1) what is it
    if not guards.is_pdf(data[: guards.HEADER_WINDOW]):
        return report(*_not_a_pdf(data, pdf_expected=pdf_expected))
    if guards.certainly_unsigned(data) and page_count(data):
        return report(Verdict.UNSIGNED)
    # (2) the raw look
    raw = guards.raw_signatures(data)
    # (3)–(7) open, list, analyse, judge, guard
    outcome = _examined(data, store, at)
    if outcome.locked:
        return report(Verdict.INDETERMINATE if raw else Verdict.UNREADABLE, [note("encrypted")])
    if outcome.trouble:
        return report(*_unreadable(data, raw, outcome.trouble, store, at))
    # (8) signatures the file no longer lists
    signatures = list(outcome.signatures)
    notes = list(outcome.notes)
    hidden = [r for r in raw if r not in outcome.ranges]
    for stray in hidden[:_MAX_HIDDEN]:
        signatures += _in_own_revision(data, stray, "hidden-signature", store, at)
    if hidden:
        notes.append(note("hidden-signature"))
    # (9) the worst of everything
    if signatures and not store.anchors:
        notes.append(note("no-trust"))
    return report(_combined(signatures, notes), notes, signatures)


def _combined(signatures: Sequence[SignatureFacts], notes: list[Note]) -> Verdict:
    verdicts = [s.verdict for s in signatures]
    codes = {n.code for n in notes}
    if codes & {"hidden-signature", "too-many-signatures"}:
        verdicts.append(Verdict.INDETERMINATE)
    elif not any(s.level != "timestamp" for s in signatures):
        # A time-stamp alone is nobody's signature; a broken one still tells of a change.
        if signatures:
            notes.append(note("only-timestamps"))
        broken = Verdict.INVALID in verdicts
        return Verdict.INVALID if broken else Verdict.UNSIGNED
    return worst(verdicts)


def _not_a_pdf(data: bytes, *, pdf_expected: bool) -> tuple[Verdict, list[Note]]:
    kind = foreign_signature(data)
    if kind:
        return Verdict.INDETERMINATE, [note("unsupported-signature-kind", kind)]
    if not data:
        return Verdict.UNREADABLE if pdf_expected else Verdict.UNSIGNED, [note("empty-file")]
    if pdf_expected:
        return Verdict.UNREADABLE, [note("not-a-pdf")]
    return Verdict.UNSIGNED, []


def _unreadable(
    data: bytes,
    raw: Sequence[guards.SignedRange],
    trouble: str,
    store: TrustStore,
    at: datetime,
) -> tuple[Verdict, list[Note], list[SignatureFacts]]:
    """Judge a file that cannot be read: perhaps its signed state can."""
    notes = [note("unreadable-pdf", trouble)]
    if raw and raw[-1].end < len(data):
        found = _in_own_revision(data, raw[-1], "unreadable-after-signature", store, at)
        if found:
            return worst(s.verdict for s in found), notes, found
    return Verdict.UNREADABLE, notes, []


def _in_own_revision(
    data: bytes, wanted: guards.SignedRange, code: str, store: TrustStore, at: datetime
) -> list[SignatureFacts]:
    """Judge one signature in the state of the file that it signed; never better than unknown."""
    cut = _examined(data[: wanted.end], store, at)
    nothing_listed = guards.Listed(frozenset(), frozenset(), lambda _: None)
    stranger = guards.stranger_after(data, wanted.end, nothing_listed)
    attacked = code != "hidden-signature" and stranger is not None and stranger.is_object
    extra = [note(code), *([note("unlisted-object")] if attacked else [])]
    ceiling = Verdict.INVALID if attacked else Verdict.INDETERMINATE
    return [
        replace(
            sig,
            verdict=worst((sig.verdict, ceiling)),
            coverage=Coverage.REVISION,
            later_changes="other",
            notes=(*sig.notes, *extra),
        )
        for sig, signed in zip(cut.signatures, cut.ranges, strict=False)
        if signed == wanted
    ]


# ---------------------------------------------------------------- reading


@dataclass(slots=True)
class _Outcome:
    """What examining a file gave: facts and their ranges side by side, or why there are none."""

    signatures: list[SignatureFacts] = field(default_factory=list)
    ranges: list[guards.SignedRange | None] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    trouble: str = ""
    locked: bool = False


def _examined(data: bytes, store: TrustStore, at: datetime) -> _Outcome:
    """Examine strictly; if that fails anywhere, leniently, and say so."""
    try:
        return _examine(data, store, at, strict=True)
    except Exception as exc:  # noqa: BLE001 — the library raises whatever it meets
        reason = clean(f"{type(exc).__name__}: {exc}")
    try:
        outcome = _examine(data, store, at, strict=False)
    except Exception as exc:  # noqa: BLE001 — as above: then the file is unreadable
        return _Outcome(trouble=clean(f"{type(exc).__name__}: {exc}"))
    outcome.notes.insert(0, note("read-leniently", reason))
    return outcome


def _examine(data: bytes, store: TrustStore, at: datetime, *, strict: bool) -> _Outcome:
    outcome = _Outcome()
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
        outcome: _Outcome,
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
