"""From a dossier to the model: the one place where reports become what people see. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from gateway.domain.marking import MARK
from gateway.reports import words
from gateway.reports.advice import BY_CASE, BY_SUB_INDICATION, Advice, Words
from gateway.reports.cards import card, notes
from gateway.reports.choosing import of_file, state_of
from gateway.reports.formats import MAX_LINE, both, moment, size, span, stranger
from gateway.reports.model import (
    MAX_CARDS,
    MAX_PARTS,
    MAX_STEPS,
    Contact,
    DocumentFacts,
    DocumentView,
    Dossier,
    FileView,
    ListView,
    PartView,
    Row,
    Step,
    Subject,
    pending,
    tell,
)
from gateway.trust.report import (
    ListFacts,
    PartReport,
    RevisionFacts,
    SignatureFacts,
    VerificationReport,
)

_MAX_DEPTH: Final = 3
_MOST_REMARKS: Final = 6
_BAD: Final = ("invalid", "pending", "undetermined", "unreadable")
_NOTED: Final = "valid-with-notes"
_STEP_TONES: Final = {"other": "doubt", "not-analysed": "doubt", "signature": "good"}


def build(dossier: Dossier) -> DocumentView:
    """Return the model of a dossier."""
    facts = dossier.facts or DocumentFacts()
    files = tuple(_file(subject, dossier, f"t{subject.index}") for subject in dossier.files)
    state = _state(files, facts)
    deciding = next((f for f in files if f.state == state), None)
    headline = words.HEADLINES[state]
    told = deciding.told if deciding else tell(BY_CASE["unsigned"], dossier.contact)
    if state == "pending":
        told = pending(dossier.contact)
    elif state == _NOTED and deciding is None:
        told = tell(BY_CASE["noted"], dossier.contact)
    return DocumentView(
        lang="en" if dossier.lang == "en" else "vi",
        title=Words("Báo cáo kiểm tra chữ ký số", "Signature verification report"),
        state=state,
        headline=headline.words,
        tone=headline.tone,
        icon=headline.icon,
        told=told,
        legal=words.LEGAL.get(facts.legal_class),
        facts=_document_rows(facts),
        files=files,
        verified=_verified(dossier.files),
        gateway=stranger(dossier.gateway),
        secrecy=tuple(mark for f in files for mark in f.secrecy),
        mark=MARK if dossier.training else "",
    )


def _state(files: Sequence[FileView], facts: DocumentFacts) -> str:
    """Return the worst state; an unsigned annex does not count against a signed main document.

    FMT-01, F19: as for the verdict itself, the main document decides between valid and unsigned.
    """
    if facts.pending:
        return "pending"
    if not files:
        return "unsigned"
    bad = [f.state for f in files if f.state in _BAD]
    if bad:
        return min(bad, key=_BAD.index)
    main = files[0].state
    if main == "valid" and any(f.state == _NOTED for f in files):
        return _NOTED
    return main


def _verified(files: Sequence[Subject]) -> str:
    times = [s.report.verified_at for s in files if s.report is not None]
    return moment(max(times)) if times else ""


def _document_rows(facts: DocumentFacts) -> tuple[Row, ...]:
    rows = (
        (Words("Số, ký hiệu", "Number"), stranger(facts.code)),
        (Words("Trích yếu", "Subject"), stranger(facts.subject, MAX_LINE)),
        (Words("Bên gửi", "Sender"), stranger(facts.sender)),
        (Words("Mã định danh", "Document id"), stranger(facts.document_id, 200)),
        (Words("Đến lúc", "Arrived"), moment(facts.arrived_at)),
    )
    found = [Row(label, both(value)) for label, value in rows if value]
    return (*found, *_remarks(facts))


_MATCHED: Final = Words("Khớp với bên gửi trong gói tin", "The sender the message names")


def _remarks(facts: DocumentFacts) -> Iterator[Row]:
    """SIG-51, SIG-26: who signed beside the message, and, apart from it, what form lacks."""
    label = Words("Bên ký so với gói tin", "Who signed, beside the message")
    for said in facts.holders[:_MOST_REMARKS]:
        yield Row(label, _said(said))
    if not facts.holders and facts.legal_class in {"original", "copy"}:
        yield Row(label, _MATCHED)
    form = Words("Thể thức, chỉ để lưu ý", "Form, for information only")
    for said in facts.appearance[:_MOST_REMARKS]:
        yield Row(form, _said(said))


def _said(said: Words) -> Words:
    return Words(stranger(said.vi, 2 * MAX_LINE), stranger(said.en, 2 * MAX_LINE))


# ---------------------------------------------------------------- one file


def _file(subject: Subject, dossier: Dossier, anchor: str, depth: int = 0) -> FileView:
    report = subject.report
    if report is None:
        return _without_report(subject, dossier, anchor)
    state = state_of(report)
    headline = words.HEADLINES[state]
    cards = tuple(
        card(subject, index, signature, dossier.contact)
        for index, signature in enumerate(report.signatures[:MAX_CARDS])
    )
    return FileView(
        name=_name(subject.name),
        index=subject.index,
        anchor=anchor,
        state=state,
        headline=headline.words,
        tone=headline.tone,
        icon=headline.icon,
        told=tell(_advice(report, depth), dossier.contact),
        facts=(*_scan(subject), *_rows(report)),
        cards=cards,
        steps=_steps(subject, report),
        notes=notes(report.notes),
        parts=_parts(report.parts, dossier, anchor, depth),
        lists=tuple(_list(facts, report.verified_at) for facts in report.lists[:12]),
        technical=_technical(report),
        secrecy=tuple(stranger(mark, 40) for mark in report.secrecy_marks[:5]),
        left_out=_left_out(report),
        pages={page: picture.png for page, picture in sorted(subject.pictures.pages.items())},
    )


def _name(name: str) -> str:
    return stranger(name, 150) or "?"


def _advice(report: VerificationReport, depth: int) -> Advice:
    """Return the advice on a file; a container speaks with the words of its worst part."""
    inside = [p.report for p in report.parts if p.report is not None]
    worst = [r for r in inside if r.verdict is report.verdict]
    if report.signatures or not worst or depth >= _MAX_DEPTH:
        return of_file(report)
    if report.verdict.value in {"valid", "unsigned"}:
        return BY_SUB_INDICATION["OK"] if state_of(report) == "valid" else of_file(report)
    return _advice(worst[0], depth + 1)


def _without_report(subject: Subject, dossier: Dossier, anchor: str) -> FileView:
    waiting = bool(dossier.facts and dossier.facts.pending)
    state = "pending" if waiting else "unsigned"
    headline = words.HEADLINES[state]
    return FileView(
        name=_name(subject.name),
        index=subject.index,
        anchor=anchor,
        state=state,
        headline=headline.words,
        tone=headline.tone,
        icon=headline.icon,
        told=pending(dossier.contact) if waiting else tell(BY_CASE["unsigned"], dossier.contact),
        facts=_scan(subject),
        cards=(),
        steps=(),
        notes=(),
        parts=(),
        lists=(),
        technical=(),
        secrecy=(),
        left_out=(),
        pages={},
    )


def _scan(subject: Subject) -> tuple[Row, ...]:
    """FMT-14: what the malware scanner said; apart from the signatures' verdict."""
    scan = subject.scan
    if scan is None:
        return ()
    said = words.words(words.SCANS, scan.result)
    detail = both(stranger(scan.signature))
    if scan.result == "not-scanned":
        detail = words.words(words.UNSCANNED, scan.reason)
    elif scan.result == "clean":
        detail = both(", ".join(p for p in (stranger(scan.engine), stranger(scan.at)) if p))
    value = Words(f"{said.vi} ({detail.vi})", f"{said.en} ({detail.en})")
    return (Row(Words("Quét mã độc", "Malware scan"), value),)


def _rows(report: VerificationReport) -> tuple[Row, ...]:
    valid = sum(1 for s in report.signatures if s.verdict.value == "valid")
    stamps = sum(1 for s in report.signatures if s.role == "tsa")
    total = len(report.signatures)
    counted = Words(f"{total} (hợp lệ: {valid})", f"{total} (valid: {valid})")
    if stamps:
        counted = Words(
            f"{counted.vi}, trong đó {stamps} dấu thời gian", f"{counted.en}, {stamps} time-stamps"
        )
    kind = words.words(words.KINDS, report.kind)
    rows = [
        Row(Words("Loại tệp", "Kind"), kind),
        Row(Words("Dung lượng", "Size"), size(report.size_bytes)),
    ]
    if report.pages:
        rows.append(Row(Words("Số trang", "Pages"), both(str(report.pages))))
    rows.append(Row(Words("Chữ ký", "Signatures"), counted))
    for count, vi, en in (
        (report.empty_fields, "Ô chữ ký để trống", "Empty signature fields"),
        (report.unsupported, "Chữ ký chưa kiểm tra được", "Signatures of other kinds"),
    ):
        if count:
            rows.append(Row(Words(vi, en), both(str(count))))
    if report.certification:
        value = words.words(words.CERTIFICATIONS, report.certification)
        rows.append(Row(Words("Mức cho phép sửa", "Permitted changes"), value))
    if report.active_content:
        found = [words.words(words.ACTIVE, kind) for kind in report.active_content[:8]]
        value = Words(", ".join(w.vi for w in found), ", ".join(w.en for w in found))
        rows.append(Row(Words("Nội dung động", "Active content"), value))
    return tuple(rows)


def _technical(report: VerificationReport) -> tuple[Row, ...]:
    rows = [
        Row(Words("SHA-256 của tệp", "SHA-256 of the file"), both(stranger(report.sha256)), True),
        Row(Words("Xét tại thời điểm", "Verified for"), both(moment(report.verified_at))),
        Row(Words("Bộ kiểm tra", "Engine"), both(stranger(report.engine))),
    ]
    policy = report.policy
    if policy is not None:
        named = f"{stranger(policy.name)}, {stranger(policy.dated)}"
        rows.append(Row(Words("Chính sách", "Policy"), both(named)))
        if policy.sha256:
            label = Words("SHA-256 chính sách", "SHA-256 of the policy")
            rows.append(Row(label, both(stranger(policy.sha256)), mono=True))
        if policy.trust_list:
            label = Words("Danh sách tin cậy", "Trust list")
            rows.append(Row(label, both(stranger(policy.trust_list))))
    label = Words("SHA-256 dữ liệu tin cậy", "SHA-256 of the trust data")
    rows.append(Row(label, both(stranger(report.trust_sha256)), mono=True))
    if report.evidence:
        count = f"{len(report.evidence)}"
        rows.append(Row(Words("Bằng chứng đã dùng", "Evidence used"), both(count)))
    return tuple(rows)


def _left_out(report: VerificationReport) -> tuple[Words, ...]:
    over = (
        (len(report.signatures) - MAX_CARDS, "chữ ký", "signatures"),
        (len(report.parts) - MAX_PARTS, "tệp bên trong", "files inside"),
    )
    return tuple(
        Words(f"Còn {count} {vi} không hiện ở đây; xem bản JSON.", f"{count} more {en}; see JSON.")
        for count, vi, en in over
        if count > 0
    )


def _list(facts: ListFacts, at: datetime) -> ListView:
    age = span(at - facts.this_update)
    return ListView(
        issuer=stranger(facts.issuer),
        issued=moment(facts.this_update),
        age=Words(f"{age.vi} trước lúc xét", f"{age.en} before"),
        until=moment(facts.next_update),
        stale=facts.next_update is not None and facts.next_update < at,
        sha256=stranger(facts.sha256),
        source=Words("trong tệp", "in the file")
        if facts.source == "file"
        else Words("hệ thống lưu", "kept here"),
    )


# ---------------------------------------------------------------- saved states


def _steps(subject: Subject, report: VerificationReport) -> tuple[Step, ...]:
    if report.revisions:
        return tuple(_step(subject, report, r) for r in report.revisions[:MAX_STEPS])
    signed = [(i, s) for i, s in enumerate(report.signatures[:MAX_STEPS]) if s.revision_end]
    return tuple(
        _signed_step(subject, index, signature, number)
        for number, (index, signature) in enumerate(signed, 1)
    )


def _step(subject: Subject, report: VerificationReport, revision: RevisionFacts) -> Step:
    found = [
        (index, signature)
        for index, signature in enumerate(report.signatures)
        if signature.field in revision.signatures and signature.revision_end
    ]
    first = found[0] if found else None
    return Step(
        number=revision.number,
        what=words.words(words.REVISIONS, revision.kind),
        signers=tuple(_signer(signature) for _, signature in found[:5])
        or tuple(stranger(name) for name in revision.signatures[:5]),
        size=size(revision.end),
        tone=_STEP_TONES.get(revision.kind, "none"),
        link=subject.signed_links.get(first[0], "") if first else "",
        end=first[1].revision_end if first else 0,
        sha256=stranger(first[1].revision_sha256) if first else "",
    )


def _signed_step(subject: Subject, index: int, signature: SignatureFacts, number: int) -> Step:
    return Step(
        number=signature.revision or number,
        what=words.REVISIONS["signature"],
        signers=(_signer(signature),),
        size=size(signature.revision_end),
        tone="good",
        link=subject.signed_links.get(index, ""),
        end=signature.revision_end,
        sha256=stranger(signature.revision_sha256),
    )


def _signer(signature: SignatureFacts) -> str:
    return stranger(signature.signer.common_name if signature.signer else signature.field)


# ---------------------------------------------------------------- containers


def _parts(
    parts: Sequence[PartReport], dossier: Dossier, anchor: str, depth: int
) -> tuple[PartView, ...]:
    if depth >= _MAX_DEPTH:
        return ()
    return tuple(
        _part(part, dossier, f"{anchor}-{number}", depth)
        for number, part in enumerate(parts[:MAX_PARTS], 1)
    )


def _part(part: PartReport, dossier: Dossier, anchor: str, depth: int) -> PartView:
    name = _name(part.name)
    if part.report is None:
        why = words.words(words.UNEXAMINED, part.reason)
        return PartView(
            name=name,
            state="undetermined",
            headline=Words("CHƯA KIỂM TRA", "NOT EXAMINED"),
            tone="doubt",
            icon="?",
            detail=why,
            file=None,
        )
    view = _file(Subject(part.name, part.report), dossier, anchor, depth + 1)
    return PartView(
        name=name,
        state=view.state,
        headline=view.headline,
        tone=view.tone,
        icon=view.icon,
        detail=view.told.why,
        file=view if view.cards or view.parts else None,
    )


def contact_of(name: str, phone: str) -> Contact:
    """Return a technician as configured, cleaned."""
    return Contact(stranger(name, 80), stranger(phone, 40))
