"""The report as ETSI TS 119 102-2 XML, for archives and other validators.

Promises: element order and mandatory parts as version 1.2.1 of the schema has them; certificates,
lists, answers and time-stamps are referred to by digest, never embedded; every text of a file is
cleaned; the same dossier gives the same bytes. The main indication is our verdict, which may be
worse than the indication of the cryptography alone; that one stands beside it. Keeps nothing.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from gateway.domain.marking import MARK
from gateway.reports.formats import MAX_LINE, stranger
from gateway.reports.model import Dossier, Subject
from gateway.trust.report import (
    CertificateFacts,
    RevocationFacts,
    SignatureFacts,
    Verdict,
    VerificationReport,
)

MEDIA: Final = "application/xml"
VR: Final = "http://uri.etsi.org/19102/v1.2.1#"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
_NAMESPACES: Final = {"vr": VR, "ds": DS, "XAdES": XADES}
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_URN: Final = "urn:etsi:019102"
_OURS: Final = "urn:vanlien"

MAIN: Final = {
    Verdict.VALID: f"{_URN}:mainindication:total-passed",
    Verdict.INVALID: f"{_URN}:mainindication:total-failed",
    Verdict.INDETERMINATE: f"{_URN}:mainindication:indeterminate",
    Verdict.UNREADABLE: f"{_URN}:mainindication:indeterminate",
}
# No name of ETSI's for a file without signatures: that of the EU's own validator.
NO_SIGNATURE: Final = "urn:cef:dss:mainindication:noSignatureFound"
_ANSWERS: Final = {"yes": "passed", "no": "failed", "unknown": "indeterminate"}
_KINDS: Final = {
    "certificate": "certificate",
    "crl": "CRL",
    "ocsp": "OCSPResponse",
    "timestamp": "timestamp",
}
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(dossier: Dossier) -> bytes:
    """Return the ValidationReport of all signatures of all files, parts of containers included."""
    root = etree.Element(f"{{{VR}}}ValidationReport", nsmap=_NAMESPACES)
    if dossier.training:
        root.append(etree.Comment(f" {MARK} "))  # the schema has no place for it
    objects: dict[str, tuple[str, str]] = {}
    number = 0
    for name, report in _all(dossier.files):
        signatures: tuple[SignatureFacts | None, ...] = report.signatures or (None,)
        for signature in signatures:
            number += 1
            _report(root, name, report, signature, f"s{number}", objects)
    for subject in dossier.files:
        if subject.report is None:
            number += 1
            _unsigned(root, subject.name, f"s{number}")
    if number == 0:
        _unsigned(root, "", "s1")
    _objects(root, objects)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _all(files: Iterable[Subject]) -> Iterable[tuple[str, VerificationReport]]:
    for subject in files:
        if subject.report is not None:
            yield from _inside(subject.name, subject.report, 0)


def _inside(
    name: str, report: VerificationReport, depth: int
) -> Iterable[tuple[str, VerificationReport]]:
    if report.signatures or not report.parts:
        yield name, report
    for part in report.parts if depth < 4 else ():
        if part.report is not None:
            yield from _inside(f"{name}/{part.name}", part.report, depth + 1)


# ---------------------------------------------------------------- one signature


def _report(  # noqa: PLR0917
    root: etree._Element,
    name: str,
    report: VerificationReport,
    signature: SignatureFacts | None,
    identifier: str,
    objects: dict[str, tuple[str, str]],
) -> None:
    found = _add(root, "SignatureValidationReport")
    if signature is None:
        _identifier(found, name, "", identifier)
        _times(found, report, None)
        _document(found, report.sha256)
        status = _add(found, "SignatureValidationStatus")
        unsigned = report.verdict is Verdict.UNSIGNED
        _add(status, "MainIndication", NO_SIGNATURE if unsigned else MAIN[report.verdict])
        if not unsigned:
            _add(status, "SubIndication", f"{_URN}:subindication:GENERIC")
        _additional(status, [("file", name), *((n.code, n.vi) for n in report.notes)])
        return
    _identifier(found, name, signature.field, identifier)
    _constraints(found, report, signature)
    _times(found, report, signature)
    _document(found, signature.revision_sha256 or report.sha256)
    _attributes(found, signature)
    if signature.signer is not None:
        reference = _refer(objects, "certificate", signature.signer.sha256)
        person = _add(found, "SignerInformation")
        _add(person, "SignerCertificate", attributes={"VOReference": reference})
        _add(person, "Signer", stranger(signature.signer.subject, MAX_LINE))
    process = _add(found, "SignatureValidationProcess")
    _add(process, "SignatureValidationProcessID", _process(signature.level))
    _status(found, name, signature, objects)
    _evidence(report, objects)


def _unsigned(root: etree._Element, name: str, identifier: str) -> None:
    found = _add(root, "SignatureValidationReport")
    _identifier(found, name, "", identifier)
    status = _add(found, "SignatureValidationStatus")
    _add(status, "MainIndication", NO_SIGNATURE)
    if name:
        _additional(status, [("file", name)])


def _identifier(found: etree._Element, name: str, field: str, identifier: str) -> None:
    node = _add(found, "SignatureIdentifier", attributes={"id": identifier})
    _add(node, "HashOnly", "false")
    _add(node, "DocHashOnly", "false")
    _add(node, "DAIdentifier", stranger(f"{name}#{field}" if field else name, MAX_LINE) or "?")


def _constraints(
    found: etree._Element, report: VerificationReport, signature: SignatureFacts
) -> None:
    """Write the four answers as constraints, beside the policy they were judged by."""
    node = _add(found, "ValidationConstraintsEvaluationReport")
    if report.policy is not None:
        policy = _add(node, "SignatureValidationPolicy")
        named = _add(policy, "SignaturePolicyIdentifier")
        if _digest(report.policy.sha256):
            by_id = _add(named, "SignaturePolicyId", namespace=XADES)
            label = _add(_add_id(by_id), "Identifier", namespace=XADES)
            label.text = _text(f"{_OURS}:policy:{report.policy.name}:{report.policy.dated}")
            _digest_value(_add(by_id, "SigPolicyHash", namespace=XADES), report.policy.sha256)
        else:
            _add(named, "SignaturePolicyImplied", namespace=XADES)
        _add(policy, "PolicyName", stranger(f"{report.policy.name} {report.policy.dated}"))
    for name, answer in (
        ("intact", signature.intact),
        ("trusted", signature.trusted),
        ("not-revoked", signature.not_revoked),
        ("time-proven", signature.time_proven),
    ):
        one = _add(node, "ValidationConstraint")
        _add(one, "ValidationConstraintIdentifier", f"{_OURS}:constraint:{name}")
        _add(_add(one, "ConstraintStatus"), "Status", f"{_URN}:constraintStatus:applied")
        outcome = f"{_URN}:mainindication:{_ANSWERS[answer.value]}"
        _add(_add(one, "ValidationStatus"), "MainIndication", outcome)


def _add_id(parent: etree._Element) -> etree._Element:
    return _add(parent, "SigPolicyId", namespace=XADES)


def _times(
    found: etree._Element, report: VerificationReport, signature: SignatureFacts | None
) -> None:
    node = _add(found, "ValidationTimeInfo")
    _add(node, "ValidationTime", _moment(report.verified_at))
    # EN 319 102-1: without a proof of existence the best time is the time of validation.
    best = report.verified_at
    proven = signature is not None and signature.time_proven.value == "yes"
    if signature is not None and proven and signature.signed_at is not None:
        best = signature.signed_at
    poe = _add(node, "BestSignatureTime")
    _add(poe, "POETime", _moment(best))
    _add(poe, "TypeOfProof", f"{_URN}:poetype:{'provided' if proven else 'validation'}")


def _document(found: etree._Element, sha256: str) -> None:
    if _digest(sha256):
        node = _add(_add(found, "SignersDocument"), "DigestAlgAndValue")
        _digest_value(node, sha256)


def _attributes(found: etree._Element, signature: SignatureFacts) -> None:
    node = etree.Element(f"{{{VR}}}SignatureAttributes")
    if signature.claimed_at is not None:
        claimed = _add(node, "SigningTime", attributes={"Signed": "true"})
        _add(claimed, "Time", _moment(signature.claimed_at))
    if signature.signer is not None and _digest(signature.signer.sha256):
        listed = _add(node, "SigningCertificate")
        _digest_value(_add(listed, "CertID"), signature.signer.sha256)
    at = [t.at for t in signature.timestamps if t.at is not None]
    for moment in at[:10]:
        stamp = _add(node, "SignatureTimeStamp", attributes={"Signed": "false"})
        _add(stamp, "TimeStampValue", _moment(moment))
    if len(node):
        found.append(node)


def _process(level: str) -> str:
    if level.endswith("LTA"):
        return f"{_URN}:validationprocess:LTA"
    if level.endswith(("B-T", "B-LT")):
        return f"{_URN}:validationprocess:LTVM"
    return f"{_URN}:validationprocess:Basic"


def _status(
    found: etree._Element,
    name: str,
    signature: SignatureFacts,
    objects: dict[str, tuple[str, str]],
) -> None:
    node = _add(found, "SignatureValidationStatus")
    _add(node, "MainIndication", MAIN[signature.verdict])
    sub = _sub_indication(signature)
    if sub:
        _add(node, "SubIndication", sub)
    if signature.signer is not None:
        data = _add(node, "AssociatedValidationReportData")
        _chain(data, signature, objects)
    for facts in signature.revocation:
        if facts.revoked_at is not None:
            _revoked(node, facts, objects)
    _additional(
        node,
        [
            ("file", name),
            ("verdict", signature.verdict.value),
            ("ades-indication", signature.indication),
            ("level", signature.level),
            ("algorithm", signature.algorithm),
            ("role", signature.role),
            ("trust-class", signature.trust_class),
            ("coverage", signature.coverage.value),
            ("later-changes", signature.later_changes),
            *((note.code, note.vi) for note in signature.notes),
        ],
    )


def _sub_indication(signature: SignatureFacts) -> str:
    """Return the sub-indication; what ETSI has no name for is ours and says so."""
    code = signature.sub_indication
    if signature.verdict is Verdict.VALID:
        return ""
    if code and code != "OK" and re.fullmatch(r"[A-Z_]{1,60}", code):
        return f"{_URN}:subindication:{code}"
    if signature.later_changes not in {"", "none", "archive-data", "signature"}:
        return f"{_OURS}:subindication:CHANGED_AFTER_SIGNING"
    return f"{_URN}:subindication:GENERIC" if signature.verdict is Verdict.INDETERMINATE else ""


def _chain(
    data: etree._Element, signature: SignatureFacts, objects: dict[str, tuple[str, str]]
) -> None:
    chain: tuple[CertificateFacts, ...] = signature.chain
    anchored = bool(chain) and signature.trusted.value == "yes"
    if signature.signer is None:
        return
    node = _add(data, "CertificateChain")
    reference = _refer(objects, "certificate", signature.signer.sha256)
    _add(node, "SigningCertificate", attributes={"VOReference": reference})
    for certificate in chain[:-1] if anchored else chain:
        reference = _refer(objects, "certificate", certificate.sha256)
        _add(node, "IntermediateCertificate", attributes={"VOReference": reference})
    if anchored:
        reference = _refer(objects, "certificate", chain[-1].sha256)
        _add(node, "TrustAnchor", attributes={"VOReference": reference})


def _revoked(
    status: etree._Element, facts: RevocationFacts, objects: dict[str, tuple[str, str]]
) -> None:
    data = _add(status, "AssociatedValidationReportData")
    node = _add(data, "RevocationStatusInformation")
    reference = _refer(objects, "certificate", facts.sha256)
    _add(node, "ValidationObjectId", attributes={"VOReference": reference})
    _add(node, "RevocationTime", _moment(facts.revoked_at or datetime.min.replace(tzinfo=UTC)))
    if facts.reason:
        _add(node, "RevocationReason", stranger(facts.reason, 60))
    if facts.evidence:
        kind = "ocsp" if facts.source.endswith("ocsp") else "crl"
        reference = _refer(objects, kind, facts.evidence)
        _add(node, "RevocationObject", attributes={"VOReference": reference})


def _additional(status: etree._Element, facts: Iterable[tuple[str, str]]) -> None:
    known = [(kind, stranger(value, MAX_LINE)) for kind, value in facts]
    if not any(value for _, value in known):
        return
    data = _add(_add(status, "AssociatedValidationReportData"), "AdditionalValidationReportData")
    for kind, value in known:
        if value:
            one = _add(data, "ReportData")
            _add(one, "Type", f"{_OURS}:reportdata:{stranger(kind, 60)}")
            _add(one, "Value", value)


# ---------------------------------------------------------------- what the verdict rests on


def _evidence(report: VerificationReport, objects: dict[str, tuple[str, str]]) -> None:
    for item in report.evidence:
        if item.kind in _KINDS:
            _refer(objects, item.kind, item.sha256)
    for facts in report.lists:
        _refer(objects, "crl", facts.sha256)


def _refer(objects: dict[str, tuple[str, str]], kind: str, sha256: str) -> str:
    """Return the id of a validation object, which is listed at the end."""
    digest = sha256.lower() if _digest(sha256) else "0" * 64
    name = f"{kind}-{digest}"
    objects[name] = (kind, digest)
    return name


def _objects(root: etree._Element, objects: dict[str, tuple[str, str]]) -> None:
    if not objects:
        return
    node = _add(root, "SignatureValidationObjects")
    for name, (kind, digest) in sorted(objects.items()):
        one = _add(node, "ValidationObject", attributes={"id": name})
        _add(one, "ObjectType", f"{_URN}:validationObject:{_KINDS[kind]}")
        held = _add(one, "ValidationObjectRepresentation")
        _digest_value(_add(held, "DigestAlgAndValue"), digest)


# ---------------------------------------------------------------- writing


def _add(
    parent: etree._Element,
    name: str,
    text: str = "",
    *,
    namespace: str = VR,
    attributes: dict[str, str] | None = None,
) -> etree._Element:
    node = etree.SubElement(parent, f"{{{namespace}}}{name}", attributes or {})
    if text:
        node.text = _text(text)
    return node


def _digest_value(parent: etree._Element, sha256: str) -> None:
    _add(parent, "DigestMethod", namespace=DS, attributes={"Algorithm": _SHA256})
    value = base64.b64encode(binascii.unhexlify(sha256)).decode()
    _add(parent, "DigestValue", value, namespace=DS)


def _digest(sha256: str) -> bool:
    return _HEX.fullmatch(sha256) is not None


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)
