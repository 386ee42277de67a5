"""Verification of one XML file: a numbered procedure from bytes to a report.

 1. read it: hardened, limited (`tree`);
 2. list every Signature element; dummies of edXML packets are told as not verifiable;
 3. read each and hold it against the limits (`shape`), before any cryptography;
 4. core validation with each likely certificate's key (`core`): value and digests;
 5. the properties of XAdES, from the signed bytes (`xades`);
 6. signer, revocation, time by the same rules as for a PDF (`signer`);
 7. was it the right element that was signed (`places`);
 8. combine: the verdict is the worst of everything seen, and unknown is never valid.

Promises: never raises for what a file does; nothing is fetched or written; the same bytes,
trust store and time give the same report. Time and memory are the caller's to limit: run it in a
verifier process. A crash leaves nothing behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

from asn1crypto import x509

from gateway.trust import description, facts
from gateway.trust.anchors import TrustStore
from gateway.trust.examination import worst
from gateway.trust.judgement import Judgement
from gateway.trust.notes import clean, no_anchor, note
from gateway.trust.report import Answer, Note, SignatureFacts, Verdict, VerificationReport
from gateway.trust.xmlsig import core, keyinfo, places, shape, signer, xades
from gateway.trust.xmlsig.keyinfo import Holder
from gateway.trust.xmlsig.shape import Shape, SignatureFault
from gateway.trust.xmlsig.tree import Element, Place, Tree, XmlFault, parse, path_of

ENGINE: Final = f"vanlien-trust 1, signxml {version('signxml')}"
MAX_SIGNATURES: Final = 20
_MAX_WORK: Final = 160 << 20
"""Bytes put into canonical form for one file, over all its references."""
_NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})
_NEITHER: Final = frozenset({"too-large", "xml-too-complex"})


@dataclass(slots=True)
class _Case:
    """One Signature element on its way through the procedure."""

    element: Element
    label: str
    shape: Shape | None = None
    holder: Holder | None = None
    holders: list[Holder] = field(default_factory=list)
    signed: tuple[core.Signed, ...] = ()
    carried: xades.Properties = field(default_factory=xades.Properties)
    fault: SignatureFault | None = None
    judgement: Judgement = field(default_factory=Judgement)


def verify_xml(
    data: bytes,
    *,
    sha256: str,
    at: datetime,
    store: TrustStore,
    attachments: Mapping[str, bytes] = _NOTHING,
) -> VerificationReport:
    """Verify every XML signature of one file.

    Args:
        data: The whole file.
        sha256: Lower-case hex of `data`.
        at: The time the questions are asked for, aware.
        store: What the operator trusts.
        attachments: Parts of the message that `cid:` references may name, by content id.

    Returns:
        The report, of kind `xml`.

    Source: SIG-08, SIG-40 to SIG-49.
    """
    base = VerificationReport(
        verdict=Verdict.UNSIGNED,
        sha256=sha256,
        size_bytes=len(data),
        verified_at=at,
        trust_sha256=store.sha256,
        engine=ENGINE,
        kind="xml",
        policy=store.policy_facts(),
    )
    try:
        tree = parse(data)  # (1)
    except XmlFault as fault:
        verdict = Verdict.INDETERMINATE if fault.code in _NEITHER else Verdict.UNREADABLE
        return replace(base, verdict=verdict, notes=(note(fault.code, fault.detail),))
    return _Verification(tree, len(data), at, store, attachments).report(base)


class _Verification:
    """One file: steps (2) to (8)."""

    def __init__(
        self,
        tree: Tree,
        size_bytes: int,
        at: datetime,
        store: TrustStore,
        attachments: Mapping[str, bytes],
    ) -> None:
        self.tree = tree
        self.size_bytes = size_bytes
        self.store = store
        self.evidence = signer.evidence_at(store, at)
        self.attachments = attachments
        self.notes: list[Note] = []
        self.work = 0

    def report(self, base: VerificationReport) -> VerificationReport:
        """Return the report."""
        cases, told = self._listed()
        if not cases and not told:
            return base
        self._read(cases)
        content = [self._content(case) for case in cases]
        for index, case in enumerate(cases):
            others = [p for n, found in enumerate(content) if n != index for p in found]
            told.append(self._described(case, others))
        verdicts = [sig.verdict for sig in told]
        if any(n.code == "too-many-signatures" for n in self.notes):
            verdicts.append(Verdict.INDETERMINATE)
        if cases and not self.store.anchors:
            self.notes.append(no_anchor(self.store.broken))
        judgements = [case.judgement for case in cases]
        found = description.evidence_of(
            ((_cert(case), case.judgement) for case in cases), self.store
        )
        return replace(
            base,
            verdict=worst(verdicts),
            signatures=tuple(told),
            notes=tuple(self.notes),
            unsupported=sum(1 for sig in told if not sig.level),
            lists=description.lists_of(judgements),
            evidence=tuple(sorted(found, key=lambda i: (i.kind, i.sha256, i.origin))),
        )

    # ------------------------------------------------------------ (2) list

    def _listed(self) -> tuple[list[_Case], list[SignatureFacts]]:
        root = self.tree.root
        found = list(shape.signatures(root))
        counter = {one for one in found if shape.is_countersignature(one)}
        if counter:
            self.notes.append(note("xml-countersignatures", len(counter)))
        real = [one for one in found if one not in counter]
        if len(real) > MAX_SIGNATURES:
            self.notes.append(note("too-many-signatures", MAX_SIGNATURES))
        dummies = [one for one in root.iter("{*}Signature") if shape.is_dummy_block(one)]
        # SIG-08 (QCVN102 practice): an unverifiable block is told, and is neither good nor bad.
        told = [_dummy(one) for one in dummies[:MAX_SIGNATURES]]
        return [_Case(one, _label(one)) for one in real[:MAX_SIGNATURES]], told

    # ------------------------------------------------------------ (3), (4), (5) read, verify

    def _read(self, cases: Sequence[_Case]) -> None:
        ids = shape.Ids.of(self.tree.root) if cases else shape.Ids()
        for case in cases:
            try:
                self._verify(case, ids)
            except SignatureFault as fault:
                case.fault = fault
            except Exception as exc:  # noqa: BLE001 — whatever one signature does, others go on
                detail = f"{type(exc).__name__}: {exc}"
                case.fault = SignatureFault(
                    Verdict.INDETERMINATE, "GENERIC", "other-problem", detail
                )

    def _verify(self, case: _Case, ids: shape.Ids) -> None:
        case.shape = read = shape.read_shape(case.element, ids, self.attachments)
        case.holders = keyinfo.certificates(case.element)
        if not case.holders:
            raise SignatureFault(
                Verdict.INDETERMINATE, "NO_SIGNING_CERTIFICATE_FOUND", "xml-no-certificate"
            )
        self.work += self.size_bytes * (len(read.references) + 1)
        if self.work > _MAX_WORK:
            raise SignatureFault(
                Verdict.INDETERMINATE, "GENERIC", "too-large", f"{_MAX_WORK >> 20} MB"
            )
        doubt = core.doubtful_form(self.tree, read)
        if doubt:
            raise SignatureFault(Verdict.INDETERMINATE, "GENERIC", "xml-two-readings", doubt)
        named = xades.named_certificates(case.element)
        likely = keyinfo.candidates(case.holders, read.family, named)
        if not likely:
            raise SignatureFault(Verdict.INVALID, "SIG_CRYPTO_FAILURE", "crypto-failure")
        case.signed = self._core(case, read, likely)
        case.carried = xades.read_properties(read, case.signed)

    def _core(self, case: _Case, read: Shape, likely: list[Holder]) -> tuple[core.Signed, ...]:
        """Verify with each likely key; a value that fits none is false for the likeliest."""
        case.holder = likely[0]
        first: SignatureFault | None = None
        for holder in likely:
            try:
                signed = core.verify_core(self.tree, read, holder, self.attachments)
            except SignatureFault as fault:
                first = first or fault
                if fault.sub != "SIG_CRYPTO_FAILURE":
                    case.holder = holder
                    raise
                continue
            case.holder = holder
            return signed
        raise first or SignatureFault(Verdict.INVALID, "SIG_CRYPTO_FAILURE", "crypto-failure")

    def _content(self, case: _Case) -> list[Place]:
        if case.fault is not None or case.shape is None:
            return []
        found = places.content_of(case.signed, case.shape, self.tree.root)
        return [one.place for one in found if one.place is not None]

    # ------------------------------------------------------------ (6), (7), (8) judge and describe

    def _described(self, case: _Case, others: Sequence[Place]) -> SignatureFacts:
        try:
            return self._judged(case, others)
        except Exception as exc:  # noqa: BLE001 — whatever one signature does, others go on
            detail = f"{type(exc).__name__}: {exc}"
            remark = note("other-problem", detail)
            bare = description.bare(case.label, Verdict.INDETERMINATE, "GENERIC", remark)
            return replace(bare, level="XMLDSig")

    def _judged(self, case: _Case, others: Sequence[Place]) -> SignatureFacts:
        fault = case.fault
        if case.shape is None or case.holder is None:
            return _refused(case)
        self._ask_signer(case, case.shape, case.holder)
        judgement = case.judgement
        if fault is not None:
            judgement.passed, judgement.sub = False, fault.sub
            judgement.failed = fault.verdict is Verdict.INVALID
            broken = fault.sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"}
            judgement.intact = Answer.NO if broken else Answer.UNKNOWN
            judgement.notes.insert(0, note(fault.code, fault.detail))
            return self._facts(case, case.shape, case.holder, None)
        self._check_names(case, case.holder)
        finding = places.judge_places(self.tree, case.shape, case.signed, others)
        return self._facts(case, case.shape, case.holder, finding)

    def _ask_signer(self, case: _Case, read: Shape, holder: Holder) -> None:
        evidence = signer.evidence_for(self.evidence, case.holders, case.carried)
        digests = [read.digest, *(ref.digest for ref in read.references)]
        case.judgement = signer.judge_signer(holder, read.family, digests, evidence, case.carried)

    def _check_names(self, case: _Case, holder: Holder) -> None:
        """Hold the certificate against what the signature says of it."""
        judgement, carried = case.judgement, case.carried
        same = keyinfo.key_values_match(case.element, holder)
        if same is Answer.NO:
            judgement.failed, judgement.passed = True, False
            judgement.sub = "FORMAT_FAILURE"
            judgement.remark("xml-key-mismatch")
        elif same is Answer.UNKNOWN:
            judgement.doubt("GENERIC", "xml-key-unread")
        if carried.present and not carried.signed:
            judgement.doubt("SIG_CONSTRAINTS_FAILURE", "xades-unsigned")
        if carried.certificates and not any(
            keyinfo.digest_fits(holder.cert, *one) for one in carried.certificates
        ):
            judgement.doubt("NO_SIGNING_CERTIFICATE_FOUND", "xades-certificate-differs")
        if carried.archived:
            judgement.remark("xades-archive")

    def _facts(
        self, case: _Case, read: Shape, holder: Holder, finding: places.Finding | None
    ) -> SignatureFacts:
        judgement = case.judgement
        cert = holder.cert
        description.remark_lifetime(judgement, cert, self.store)
        if finding is not None and finding.empty:
            # What a manifest lists was not looked at.
            judgement.doubt("SIGNED_DATA_NOT_FOUND", "xml-nothing-signed")
            judgement.intact = Answer.UNKNOWN
        ceilings = [_crypto_verdict(judgement)]
        if self.store.policy.unknown == "invalid" and judgement.sub == "TRY_LATER":
            judgement.remark("unknown-refused")
            ceilings.append(Verdict.INVALID)
        remarks = list(judgement.notes)
        if finding is not None:
            ceilings.append(finding.ceiling)
            remarks += finding.notes
        verdict = worst(ceilings)
        base = description.bare(case.label, verdict, judgement.sub, note("claimed-time"))
        return replace(
            base,
            intact=judgement.intact,
            trusted=judgement.trusted,
            not_revoked=judgement.not_revoked,
            time_proven=judgement.time_proven,
            signer=facts.certificate_facts(cert),
            role=description.role_of(cert, self.store),
            signed_at=judgement.signed_at,
            signed_at_source=judgement.source,
            coverage=base.coverage if finding is None else finding.coverage,
            later_changes=_later(finding),
            algorithm=_algorithm(read, cert),
            notes=tuple(remarks),
            claimed_at=case.carried.claimed_at,
            time_authority=judgement.time_authority,
            level=case.carried.level,
            indication=judgement.indication,
            chain=description.certificate_chain(judgement.path),
            trust_class=description.trust_class_of(judgement.path, self.store),
            revocation=tuple(known.facts for known in judgement.known),
            timestamps=tuple(judgement.stamps),
            proof_until=description.proof_until(judgement, cert, (), self.store),
            reference="" if finding is None else clean(finding.reference, 300),
            agencies=description.agencies_of(cert, self.store),
        )


def _cert(case: _Case) -> x509.Certificate | None:
    return None if case.holder is None else case.holder.cert


def _label(element: Element) -> str:
    return str(element.get("Id", "")) or path_of(element)


def _refused(case: _Case) -> SignatureFacts:
    fault = case.fault or SignatureFault(Verdict.INDETERMINATE, "GENERIC", "other-problem")
    bare = description.bare(case.label, fault.verdict, fault.sub, note(fault.code, fault.detail))
    return replace(bare, level="XMLDSig")


def _dummy(element: Element) -> SignatureFacts:
    bare = description.bare(path_of(element), Verdict.INDETERMINATE, "", note("xml-not-verifiable"))
    return replace(bare, later_changes="none")


def _crypto_verdict(judgement: Judgement) -> Verdict:
    if judgement.failed:
        return Verdict.INVALID
    if judgement.passed and judgement.intact is Answer.YES:
        return Verdict.VALID
    return Verdict.INDETERMINATE


def _later(finding: places.Finding | None) -> str:
    """Return what was done after signing: moving the signed element aside is a change."""
    if finding is None:
        return "not-analysed"
    return "other" if finding.ceiling is Verdict.INVALID else "none"


def _algorithm(read: Shape, cert: x509.Certificate) -> str:
    try:
        key = cert.public_key
        size = str(key.curve[1]) if key.algorithm == "ec" else str(key.bit_size)
    except Exception:  # noqa: BLE001 — key kinds the parser does not size
        size = ""
    return " ".join(part for part in (read.digest, read.family, size) if part)
