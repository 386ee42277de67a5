"""One signature as a card: who, when, the four answers, the certificate, what came after. Pure."""

from typing import Final

from gateway.reports import words
from gateway.reports.advice import Words
from gateway.reports.choosing import of_signature, state_of_signature
from gateway.reports.formats import MAX_LINE, both, day, moment, span, stranger
from gateway.reports.model import (
    MAX_CHANGES,
    MAX_NOTES,
    AnswerView,
    Card,
    Contact,
    NoteView,
    PictureView,
    Row,
    StatusView,
    Subject,
    tell,
)
from gateway.trust.report import (
    Answer,
    CertificateFacts,
    ChangeFacts,
    Note,
    RevocationFacts,
    SignatureFacts,
    TimestampFacts,
)

_NOBODY: Final = "?"
_REVOCATION_TONES: Final = {"good": "good", "anchor": "good", "revoked": "bad"}


def card(subject: Subject, index: int, signature: SignatureFacts, contact: Contact) -> Card:
    """Return the card of one signature.

    Args:
        subject: The file it stands in.
        index: Its place in the report, from 0.
        signature: Its facts.
        contact: Named where a technician has to act.
    """
    state = state_of_signature(signature)
    headline = words.HEADLINES[state]
    signer = signature.signer
    stamped = signature.signed_at_source.endswith("timestamp")
    who = stranger(signer.common_name) if signer else ""
    organization = stranger(signer.organization) if signer else ""
    return Card(
        number=index + 1,
        index=index,
        state=state,
        headline=headline.words,
        tone=headline.tone,
        icon=headline.icon,
        role=words.words(words.ROLES, signature.role),
        who=who or _NOBODY,
        organization="" if organization == who else organization,
        time=moment(signature.signed_at),
        time_iso=signature.signed_at.isoformat() if signature.signed_at else "",
        time_source=words.words(words.SOURCES, signature.signed_at_source),
        time_authority=stranger(signature.time_authority) if stamped else "",
        told=tell(of_signature(signature), contact),
        answers=_answers(signature),
        certificate=_certificate(signature),
        statuses=tuple(_status(r) for r in signature.revocation[:10]),
        coverage=words.words(words.COVERAGES, signature.coverage.value),
        changes=words.words(words.CHANGES, signature.later_changes),
        change_rows=change_rows(signature.changes),
        notes=notes(signature.notes),
        technical=_technical(signature),
        picture=_picture(subject, index, signature),
        signed_link=subject.signed_links.get(index, ""),
        signed_end=signature.revision_end,
        signed_sha256=stranger(signature.revision_sha256),
    )


def notes(found: tuple[Note, ...]) -> tuple[NoteView, ...]:
    """Return remarks, cleaned and bounded."""
    return tuple(
        NoteView(
            stranger(n.code, 60), Words(stranger(n.vi, 2 * MAX_LINE), stranger(n.en, 2 * MAX_LINE))
        )
        for n in found[:MAX_NOTES]
    )


def change_rows(changes: tuple[ChangeFacts, ...]) -> tuple[Words, ...]:
    """Return what was done after signing, one line a change, and how many more there are."""
    rows = [_change(change) for change in changes[:MAX_CHANGES]]
    more = len(changes) - len(rows)
    if more > 0:
        rows.append(Words(f"và {more} thay đổi khác, xem bản JSON", f"and {more} more, see JSON"))
    return tuple(rows)


def _change(change: ChangeFacts) -> Words:
    vi, en = words.words(words.CHANGES, change.kind)
    if change.page:
        vi, en = f"{vi}, trang {change.page}", f"{en}, page {change.page}"
    if change.field:
        name = stranger(change.field, 60)
        vi, en = f"{vi}, ô «{name}»", f"{en}, field “{name}”"
    if (change.old or change.new) and change.kind != "signature":
        old, new = stranger(change.old, 80), stranger(change.new, 80)
        vi, en = f"{vi}: «{old}» → «{new}»", f"{en}: “{old}” → “{new}”"
    if change.revision:
        vi, en = f"{vi} (lần lưu {change.revision})", f"{en} (saved state {change.revision})"
    return Words(vi, en)


def _answers(signature: SignatureFacts) -> tuple[AnswerView, ...]:
    given = {
        "intact": signature.intact,
        "trusted": signature.trusted,
        "not_revoked": signature.not_revoked,
        "time_proven": signature.time_proven,
    }
    return tuple(_answer(name, answer) for name, answer in given.items())


def _answer(name: str, answer: Answer) -> AnswerView:
    value = answer.value
    tone, icon = words.ANSWER_TONES[value], words.ANSWER_ICONS[value]
    if name == "time_proven" and value == "no":
        tone, icon = "doubt", "?"  # a claimed time is a weakness, no fault
    return AnswerView(words.QUESTIONS[name], words.ANSWERS[value], tone, icon)


def _certificate(signature: SignatureFacts) -> tuple[Row, ...]:
    signer = signature.signer
    if signer is None:
        return (Row(Words("Chứng thư", "Certificate"), Words("không đọc được", "unreadable")),)
    term = (
        f"{day(signer.not_before)} – {day(signer.not_after)}",
        f"{day(signer.not_before)} to {day(signer.not_after)}",
    )
    rows = [
        Row(Words("Chủ thể", "Subject"), both(stranger(signer.subject, MAX_LINE) or signer.sha256)),
        Row(Words("Nơi cấp", "Issuer"), both(stranger(signer.issuer, MAX_LINE))),
        Row(
            Words("Loại chứng thư", "Trust class"),
            words.words(words.TRUST_CLASSES, signature.trust_class)
            if signature.trust_class or signature.trusted is not Answer.YES
            else words.TRUST_CLASSES["unlisted"],
        ),
        Row(Words("Thời hạn", "Validity"), Words(*term)),
        Row(Words("Số hiệu", "Serial"), both(stranger(signer.serial)), mono=True),
    ]
    if signature.chain:
        rows.append(Row(Words("Đường dẫn tin cậy", "Trust path"), both(_path(signature.chain))))
    return tuple(rows)


def _path(chain: tuple[CertificateFacts, ...]) -> str:
    return " → ".join(stranger(c.common_name or c.subject, 80) for c in chain[:10])


def _status(facts: RevocationFacts) -> StatusView:
    vi: list[str] = []
    en: list[str] = []
    if facts.revoked_at:
        reason = words.words(words.REVOCATION_REASONS, facts.reason) if facts.reason else None
        vi.append(f"từ {moment(facts.revoked_at)}" + (f", lý do: {reason.vi}" if reason else ""))
        en.append(f"since {moment(facts.revoked_at)}" + (f", {reason.en}" if reason else ""))
    if facts.source:
        source = words.words(words.REVOCATION_SOURCES, facts.source)
        issued = f" {moment(facts.this_update)}" if facts.this_update else ""
        vi.append(f"theo {source.vi}{issued}")
        en.append(f"by {source.en}{issued}")
    return StatusView(
        stranger(facts.subject),
        words.words(words.REVOCATION, facts.status),
        _REVOCATION_TONES.get(facts.status, "doubt"),
        Words("; ".join(vi), "; ".join(en)),
    )


def _technical(signature: SignatureFacts) -> tuple[Row, ...]:
    code = signature.sub_indication or "–"
    rows = [
        Row(Words("Ô chữ ký", "Field"), both(stranger(signature.field)), mono=True),
        Row(Words("Chỉ báo ETSI", "ETSI indication"), both(_indication(signature, code)), True),
        Row(Words("Mức chữ ký", "Level"), both(stranger(signature.level) or "–"), mono=True),
        Row(Words("Thuật toán", "Algorithm"), both(stranger(signature.algorithm) or "–"), True),
    ]
    if signature.claimed_at:
        rows.append(_claimed(signature))
    if signature.document_time:
        label = Words("Thời gian ghi trong tệp", "Time in the file")
        rows.append(Row(label, both(moment(signature.document_time))))
    rows += [_timestamp(t) for t in signature.timestamps[:6]]
    if signature.proof_until:
        label = Words("Bằng chứng còn giá trị đến", "Proof holds until")
        rows.append(Row(label, both(moment(signature.proof_until))))
    if signature.reference:
        label = Words("Phần tử được ký", "Signed element")
        rows.append(Row(label, both(stranger(signature.reference, MAX_LINE)), mono=True))
    if signature.revision_end:
        count = Words(f"{signature.revision_end} byte đầu", f"first {signature.revision_end} bytes")
        rows.append(Row(Words("Phần đã ký", "Signed part"), count))
    if signature.revision_sha256:
        digest = both(stranger(signature.revision_sha256))
        rows.append(Row(Words("SHA-256 phần đã ký", "SHA-256 of it"), digest, mono=True))
    if signature.signer:
        digest = both(stranger(signature.signer.sha256))
        rows.append(Row(Words("SHA-256 chứng thư", "Certificate SHA-256"), digest, mono=True))
    return tuple(rows)


def _indication(signature: SignatureFacts, code: str) -> str:
    return stranger(f"{signature.indication} / {code}" if signature.indication else code)


def _claimed(signature: SignatureFacts) -> Row:
    text = Words(moment(signature.claimed_at), moment(signature.claimed_at))
    proven = signature.signed_at if signature.signed_at_source != "claimed" else None
    if proven and signature.claimed_at:
        gap = signature.claimed_at - proven
        if abs(gap.total_seconds()) >= 60:
            apart = span(gap)
            vi = "sau" if gap.total_seconds() > 0 else "trước"
            en = "after" if gap.total_seconds() > 0 else "before"
            text = Words(
                f"{text.vi} ({apart.vi} {vi} thời gian được chứng minh)",
                f"{text.en} ({apart.en} {en} the proven time)",
            )
    return Row(Words("Thời gian người ký khai", "Claimed time"), text)


def _timestamp(token: TimestampFacts) -> Row:
    trusted = words.words(words.ANSWERS, token.trusted.value)
    parts = [moment(token.at), stranger(token.authority), stranger(token.imprint, 40).upper()]
    known = ", ".join(part for part in parts if part) or "–"
    code = f" ({stranger(token.sub_indication, 60)})" if token.sub_indication else ""
    return Row(
        Words("Dấu thời gian", "Time-stamp"),
        Words(
            f"{known}; tin cậy: {trusted.vi.lower()}{code}",
            f"{known}; trusted: {trusted.en.lower()}{code}",
        ),
    )


def _picture(subject: Subject, index: int, signature: SignatureFacts) -> PictureView | None:
    page = subject.pictures.pages.get(signature.page)
    if page is None:
        return None
    mark = subject.pictures.marks.get(index)
    return PictureView(signature.page, page.width, page.height, mark)
