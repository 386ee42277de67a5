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

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from typing import Final

from gateway.trust import guards
from gateway.trust.anchors import TrustStore
from gateway.trust.examination import Outcome, examined, worst
from gateway.trust.look import page_count
from gateway.trust.notes import no_anchor, note
from gateway.trust.report import Coverage, Note, SignatureFacts, Verdict, VerificationReport
from gateway.trust.revisions import active_content
from gateway.trust.sniff import foreign_signature
from gateway.trust.viewers import Viewers

ENGINE: Final = f"vanlien-trust 1, pyHanko {version('pyHanko')}"
_MAX_HIDDEN: Final = 5


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
    base = VerificationReport(
        verdict=Verdict.UNSIGNED,
        sha256=sha256,
        size_bytes=len(data),
        verified_at=at,
        trust_sha256=store.sha256,
        engine=ENGINE,
    )

    def report(
        verdict: Verdict, notes: Sequence[Note] = (), signatures: Sequence[SignatureFacts] = ()
    ) -> VerificationReport:
        return replace(base, verdict=verdict, signatures=tuple(signatures), notes=tuple(notes))

    # (1) what is it
    if not guards.is_pdf(data[: guards.HEADER_WINDOW]):
        return report(*_not_a_pdf(data, pdf_expected=pdf_expected))
    base = replace(base, kind="pdf", policy=store.policy_facts())
    pages = page_count(data) if guards.certainly_unsigned(data) else None
    if pages:
        base = replace(base, pages=pages, active_content=active_content(data))
        return report(Verdict.UNSIGNED)
    # (2) the raw look
    raw = guards.raw_signatures(data)
    # (3)–(7) open, list, analyse, judge, guard
    outcome = examined(data, store, at)
    base = _with_facts(base, outcome)
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
        notes.append(no_anchor(store.broken))
    return report(_combined(signatures, notes), notes, signatures)


def _with_facts(base: VerificationReport, outcome: Outcome) -> VerificationReport:
    """Return the report with what was found of the file as a whole."""
    return replace(
        base,
        pages=outcome.pages,
        revisions=outcome.revisions,
        certification=outcome.certification,
        empty_fields=outcome.empty_fields,
        unsupported=outcome.unsupported,
        active_content=outcome.active_content,
        lists=outcome.lists,
        evidence=outcome.evidence,
    )


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
    cut = examined(data[: wanted.end], store, at)
    nothing_listed = guards.Listed(frozenset(), frozenset(), lambda _: None)
    stranger = guards.stranger_after(data, wanted.end, nothing_listed)
    attacked = code != "hidden-signature" and stranger is not None and stranger.is_object
    extra = [note(code), *([note("unlisted-object")] if attacked else [])]
    # What stands in the present state that the signer did not see was put in afterwards.
    if not attacked and Viewers(data).opinion(wanted.end).alike is False:
        extra.append(note("page-changed"))
        attacked = True
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
