"""From what was found out of one signature to its part of the report. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from asn1crypto import x509
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust import chains, changes, clocks, facts, levels
from gateway.trust.anchors import TrustStore
from gateway.trust.judgement import Judgement
from gateway.trust.notes import clean, note
from gateway.trust.report import (
    Answer,
    ChangeFacts,
    Coverage,
    EvidenceItem,
    ListFacts,
    Note,
    SignatureFacts,
    TimestampFacts,
    Verdict,
)

_DUTY = "duty"


def role_of(cert: x509.Certificate, store: TrustStore) -> str:
    """Return whose certificate this is; a pinned signer is what the operator says (G8)."""
    pinned = store.trust_list.signer(cert.sha256.hex())
    return pinned.role if pinned is not None else facts.role_of(cert)


def agencies_of(cert: x509.Certificate, store: TrustStore) -> tuple[str, ...]:
    """Return the codes the trust list lets a signer sign for; empty where it does not say (G8)."""
    pinned = store.trust_list.signer(cert.sha256.hex())
    return pinned.agencies if pinned is not None else ()


def trust_class_of(path: chains.Path, store: TrustStore) -> str:
    """Return the class of the first authority of a path that has one (SIG-05)."""
    return next((kind for cert in path if (kind := store.trust_class(cert))), "")


def remark_lifetime(judgement: Judgement, cert: x509.Certificate, store: TrustStore) -> None:
    """Remark on a duty certificate that is valid for longer than its authority may give."""
    # SIG-06 (NĐ68): a user's duty certificate is valid for five years at most.
    most = store.policy.max_lifetime_days
    if most and trust_class_of(judgement.path, store) == _DUTY:
        days = chains.lifetime_days(cert)
        if days > most:
            judgement.remark("long-lifetime", days)


def proof_until(
    judgement: Judgement,
    cert: x509.Certificate,
    later: Iterable[Judgement],
    store: TrustStore,
) -> datetime | None:
    """Return until when a proof that holds now holds without renewal, None when it does not.

    The end of the certificates the newest time-stamp rests on, or of the signer's own where only a
    claimed time is there; and of the algorithms by the policy.
    """
    if not judgement.passed:
        return None
    ends = [_algorithm_end(judgement, store)]
    stamped = [j.stamp_path for j in later if j.passed and j.stamp_path]
    if judgement.time_proven is Answer.YES and judgement.stamp_path:
        stamped.append(judgement.stamp_path)
    if stamped:
        ends.append(max(e for path in stamped if (e := chains.first_end(path)) is not None))
    else:
        ends.append(chains.first_end((cert, *judgement.path)))
    return min((e for e in ends if e is not None), default=None)


def _algorithm_end(judgement: Judgement, store: TrustStore) -> datetime | None:
    used = {stamp.imprint for stamp in judgement.stamps}
    dated = [end for name, end in store.policy.digests if name in used and end is not None]
    return min(dated, default=None)


def evidence_of(
    judgements: Iterable[tuple[x509.Certificate | None, Judgement]], store: TrustStore
) -> set[EvidenceItem]:
    """Return certificates, lists, answers and tokens some judgements rest on."""
    ours = {c.sha256 for c in (*store.anchors, *store.intermediates)}
    found: set[EvidenceItem] = set()
    for signer, judgement in judgements:
        certs = [*judgement.path, *judgement.stamp_path, *([signer] if signer else [])]
        for cert in certs:
            origin = "store" if cert.sha256 in ours else "file"
            found.add(EvidenceItem("certificate", cert.sha256.hex(), origin))
        for knowledge in (*judgement.known, *judgement.stamp_known):
            if knowledge.item is not None:
                found.add(knowledge.item)
        for token in judgement.tokens:
            digest = hashlib.sha256(token).hexdigest()
            found.add(EvidenceItem("timestamp", digest, "file"))
    return found


def lists_of(judgements: Iterable[Judgement]) -> tuple[ListFacts, ...]:
    """Return the revocation lists some judgements rest on, each once, in a fixed order."""
    found = {
        knowledge.used
        for judgement in judgements
        for knowledge in (*judgement.known, *judgement.stamp_known)
        if knowledge.used is not None
    }
    return tuple(sorted(found, key=lambda used: (used.issuer, used.this_update, used.sha256)))


def level_of(emb: EmbeddedPdfSignature, judgement: Judgement, *, stamped: bool, kept: bool) -> str:
    """Return the level of a signature, as `PAdES-B-LT`.

    Args:
        emb: The signature.
        judgement: What was found.
        stamped: A document time-stamp follows it.
        kept: The file keeps revocation data.
    """
    kind = str(emb.sig_object.get("/SubFilter", ""))
    family = "PAdES" if kind == "/ETSI.CAdES.detached" else "PKCS7"
    if stamped or judgement.source == "document-timestamp":
        return f"{family}-B-LTA"
    if not judgement.tokens:
        return f"{family}-B-B"
    return f"{family}-B-LT" if kept else f"{family}-B-T"


def certificate_chain(path: chains.Path) -> tuple[Any, ...]:
    """Return the printed facts of a path."""
    return tuple(facts.certificate_facts(cert) for cert in path)


def described(
    name: str,
    emb: EmbeddedPdfSignature,
    judgement: Judgement,
    later: changes.Changes,
    *,
    verdict: Verdict,
    store: TrustStore,
    is_stamp: bool,
) -> SignatureFacts:
    """Return who, what, when of one signature; place and history are filled in by the caller."""
    claimed = None if is_stamp else levels.settle_time(judgement, emb)
    signer = levels.signer_of(emb)
    if signer is not None:
        remark_lifetime(judgement, signer, store)
        if not is_stamp:
            _compare_name(judgement, emb, signer)
    role = "unknown" if signer is None else role_of(signer, store)
    return SignatureFacts(
        field=clean(name),
        verdict=verdict,
        sub_indication=judgement.sub,
        intact=judgement.intact,
        trusted=judgement.trusted,
        not_revoked=judgement.not_revoked,
        time_proven=judgement.time_proven,
        signer=None if signer is None else facts.certificate_facts(signer),
        role="tsa" if is_stamp else role,
        signed_at=judgement.signed_at,
        signed_at_source=judgement.source,
        coverage=changes.coverage_of(emb),
        later_changes=later.kind,
        algorithm=facts.algorithm_text(emb.signer_info, signer),
        notes=(*judgement.notes, *later.notes),
        claimed_at=claimed,
        time_authority=judgement.time_authority,
        indication=judgement.indication,
        chain=certificate_chain(judgement.path),
        trust_class=trust_class_of(judgement.path, store),
        revocation=tuple(knowledge.facts for knowledge in judgement.known),
        agencies=() if signer is None else agencies_of(signer, store),
    )


def _compare_name(judgement: Judgement, emb: EmbeddedPdfSignature, cert: x509.Certificate) -> None:
    """Compare the name written beside the signature with the certificate's (G6)."""
    written = emb.sig_object.get("/Name", None)
    if written is not None and not facts.same_name(clean(written), facts.common_name(cert)):
        judgement.remark("name-differs", written)


def timestamps_of(judgement: Judgement, later: Sequence[Judgement]) -> tuple[TimestampFacts, ...]:
    """Return the signature's own tokens, then the document time-stamps after it."""
    return (*judgement.stamps, *(stamp for j in later for stamp in j.stamps))


def changes_of(
    told: Sequence[ChangeFacts], own: int, kind: str, pages: Sequence[int]
) -> tuple[ChangeFacts, ...]:
    """Return the later changes of one signature.

    Args:
        told: Changes of the whole file, by revision.
        own: The signature's revision.
        kind: What the analysis calls the changes together.
        pages: Pages that look different.
    """
    found = [c for c in told if c.revision > own]
    shown = {c.page for c in found if c.kind in {"page-changed", "page-added"}}
    found += [ChangeFacts("page-changed", page=n) for n in pages if n not in shown]
    if kind in {"other", "not-analysed"} and all(
        c.kind in {"signature", "archive-data"} for c in found
    ):
        found.append(ChangeFacts("other"))
    return tuple(found)


def kind_of_revision(told: Sequence[ChangeFacts]) -> str:
    """Return what a saved state without a signature is: the gravest of its changes."""
    kinds = {c.kind for c in told}
    if not kinds:
        return "none"
    graver = ("archive-data", "signature", "form-filling", "annotation")
    return "other" if kinds - set(graver) else max(kinds, key=graver.index)


def document_time(emb: EmbeddedPdfSignature) -> datetime | None:
    """Return the time the file states beside a signature (/M)."""
    return clocks.document_time(emb.sig_object)


# ---------------------------------------------------------------- what could not be read


def bare(name: str, verdict: Verdict, sub: str, remark: Note) -> SignatureFacts:
    """Return the facts of a signature nothing is known of but its field and the reason."""
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
        indication="TOTAL-FAILED" if verdict is Verdict.INVALID else "INDETERMINATE",
    )


def unsupported(name: str, kind: str) -> SignatureFacts:
    """Return the facts of a signature of a kind that is not verified here."""
    remark = note("unsupported-subfilter", kind or "?")
    return bare(name, Verdict.INDETERMINATE, "GENERIC", remark)


def malformed(name: str, detail: str) -> SignatureFacts:
    """Return the facts of a signature that is no signature."""
    return bare(name, Verdict.INVALID, "FORMAT_FAILURE", note("format-failure", detail or "-"))
