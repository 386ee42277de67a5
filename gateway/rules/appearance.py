"""SIG-20 to SIG-25: how signatures are shown, held against NĐ30 Appendix I.

SIG-26: faults of form, not of cryptography. They are told under these ids only, never refuse, never
touch a verdict or the legal class, and by default warn; the operator may turn them to notes or off.
What could not be read on a page is no fault. Pure.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Final

from gateway.domain.envelope import Urgency
from gateway.domain.finding import Finding, Severity
from gateway.rules.facts import ATTACHMENTS, MESSAGE_HEADER, Facts, ReportLike, SignatureLike
from gateway.rules.holders import agency_match
from gateway.rules.names import Match, folded
from gateway.rules.registry import rule
from gateway.rules.signers import AGENCY, COPY_FORMS, PERSON, copy_form_of, fills
from gateway.rules.urgency import STAMPS

APPEARANCE_RULES: Final = frozenset({f"SIG-{n}" for n in range(20, 27)})
"""Ids of findings about form: shown apart from those about validity (SIG-26)."""

_MM: Final = 72 / 25.4
_CLOSE: Final = timedelta(minutes=15)
_SHOWN: Final = 60
Fault = tuple[str, str]
"""What is wrong, Vietnamese and English."""


@rule("SIG-20", source="S003 art 10.2a; NĐ30 PL I II.7d")
def signers_picture(facts: Facts) -> Iterator[Finding]:
    """Hold the competent person's picture against the decree: blue, PNG, transparent."""
    main, copy_form = _main(facts)
    if main is None or copy_form:
        return
    for signature in _shown_as(main, PERSON, facts):
        faults = [*_picture(signature, "blue", ("xanh", "blue"))]
        yield from _found(facts, "SIG-20", 0, signature, faults)


@rule("SIG-21", source="S003 art 10.2b; NĐ30 PL I II.8a")
def agencys_seal(facts: Facts) -> Iterator[Finding]:
    """Hold the seal against the decree: red, its real size, over a third of the signature."""
    main, copy_form = _main(facts)
    if main is None or copy_form:
        return
    for signature in _shown_as(main, AGENCY, facts):
        faults = [*_picture(signature, "red", ("đỏ", "red"))]
        if signature.appearance is not None and signature.appearance.picture:
            faults += _size(facts, signature)
            faults += _overlap(facts, signature, _shown_as(main, PERSON, facts))
        yield from _found(facts, "SIG-21", 0, signature, faults)


@rule("SIG-22", source="NĐ30 PL I II.8b")
def annex_stamp(facts: Facts) -> Iterator[Finding]:
    """Hold an annex's signature against the decree: text at the top right of page 1."""
    code = facts.envelope.header.full_code.strip()
    for index, signature in _annex_stamps(facts):
        faults = [*_corner(signature)]
        looks = signature.appearance
        if looks is not None and code and _key(code) not in _key(looks.text):
            faults.append(
                (
                    f"không ghi số, ký hiệu văn bản chính {code[:_SHOWN]}",
                    f"the main document's number {code[:_SHOWN]} is missing",
                )
            )
        yield from _found(facts, "SIG-22", index, signature, faults)


@rule("SIG-23", source="NĐ30 PL I II.8b, part II.I")
def time_shown(facts: Facts) -> Iterator[Finding]:
    """Hold the time a signature shows against the decree's form and the time it was signed."""
    main, copy_form = _main(facts)
    if main is not None:
        for signature in main.signatures:
            wanted = bool(copy_form) and fills(signature, AGENCY, facts.codes, copy_form)
            yield from _time(facts, 0, signature, wanted=wanted)
    for index, signature in _annex_stamps(facts):
        yield from _time(facts, index, signature, wanted=True)


@rule("SIG-24", source="NĐ30 PL I part II.I")
def copy_stamp(facts: Facts) -> Iterator[Finding]:
    """Hold a copy's signature against the decree: form of copy, agency and time, top right."""
    main, copy_form = _main(facts)
    if main is None or not copy_form:
        return
    for signature in _shown_as(main, AGENCY, facts, copy_form):
        faults = [*_corner(signature)]
        looks = signature.appearance
        if looks is not None:
            name = COPY_FORMS[copy_form]
            if _key(name) not in _key(looks.text):
                faults.append((f"không ghi hình thức sao “{name}”", f"“{name}” is missing"))
            if not any(_key(n) in _key(looks.text) for n in _agency_names(facts, signature)):
                faults.append(("không ghi tên cơ quan sao", "the copying agency is not named"))
        yield from _found(facts, "SIG-24", 0, signature, faults)


@rule("SIG-25", source="NĐ30 PL I III")
def urgency_stamp(facts: Facts) -> Iterator[Finding]:
    """Compare the urgency of the message with the stamps in the text of page 1."""
    main, _ = _main(facts)
    severity = _severity(facts)
    if main is None or severity is None or not main.page_text:
        return
    wanted = STAMPS.get(Urgency(facts.envelope.header.urgency), "")
    stamps = tuple(main.urgency_marks)
    if (not wanted and not stamps) or wanted in stamps:
        return
    shown = ", ".join(stamps)
    level = wanted or "thường"
    if stamps:
        vi = f"Gói tin ghi độ khẩn “{level}”, trang đầu văn bản đóng dấu {shown}. Đối chiếu lại."
        en = f"The message says “{wanted or 'normal'}”, page 1 is stamped {shown}. Compare them."
    else:
        # A stamp may be a picture, which has no text: its absence is not certain.
        severity = Severity.NOTE
        vi = f"Gói tin ghi độ khẩn “{level}”, chưa thấy dấu này trong chữ của trang đầu."
        en = f"The message says “{level}”; no such stamp is in the text of page 1."
    yield Finding("SIG-25", severity, f"{MESSAGE_HEADER}/OtherInfo/Priority", vi, en)


# ---------------------------------------------------------------- what is looked at


def _main(facts: Facts) -> tuple[ReportLike | None, str]:
    main = facts.reports[0] if facts.reports else None
    return main, copy_form_of(facts.envelope.header, main, facts.codes)


def _annex_stamps(facts: Facts) -> Iterator[tuple[int, SignatureLike]]:
    """Yield the agency's signatures on separate annexes.

    A file that a person signed, or another agency, is a document of its own that goes along.
    """
    for index, report in enumerate((facts.reports or ())[1:], 1):
        if report is None or report.kind != "pdf" or _shown_as(report, PERSON, facts):
            continue
        for signature in _shown_as(report, AGENCY, facts):
            if agency_match(facts, signature) is not Match.MISMATCH:
                yield index, signature


def _shown_as(
    report: ReportLike, role: str, facts: Facts, copy_form: str = ""
) -> list[SignatureLike]:
    """Return the signatures of a role that may count."""
    return [
        s
        for s in report.signatures
        if s.verdict != "invalid" and fills(s, role, facts.codes, copy_form)
    ]


def _agency_names(facts: Facts, signature: SignatureLike) -> list[str]:
    names = list(facts.names.names) if facts.names is not None else []
    names.append(facts.envelope.header.sender.organ_name)
    if signature.signer is not None:
        names.append(signature.signer.common_name)
    return [name for name in names if name.strip()]


def _key(text: str) -> str:
    """Return a text without anything a drawing may have changed: spaces, case, tone places."""
    return folded(text).replace(" ", "")


# ---------------------------------------------------------------- what is held against it


def _picture(signature: SignatureLike, hue: str, name: Fault) -> Iterator[Fault]:
    looks = signature.appearance
    if not signature.page:
        yield "không hiển thị trên trang", "it is not shown on the page"
    if looks is None:
        return
    if not looks.picture:
        yield "không có hình ảnh", "it has no picture"
        return
    if looks.hue and looks.hue != hue:
        yield f"hình ảnh không phải màu {name[0]}", f"the picture is not {name[1]}"
    if not looks.transparent:
        yield "hình ảnh không có nền trong suốt", "the picture has no transparent ground"
    if not looks.png_like:
        yield "hình ảnh không phải .png (nén mất dữ liệu)", "the picture is no .png (lossy)"


def _size(facts: Facts, signature: SignatureLike) -> Iterator[Fault]:
    """SIG-21: the size of the real seal; only where nothing but the seal is in the box."""
    box = signature.rectangle
    if box is None or signature.appearance is None or signature.appearance.text.strip():
        return
    least, most = facts.policy.seal_mm
    wide, high = (box[2] - box[0]) / _MM, (box[3] - box[1]) / _MM
    if not (least <= wide <= most and least <= high <= most):
        yield (
            f"kích thước {wide:.0f}x{high:.0f} mm khác dấu thật ({least:g}-{most:g} mm)",
            f"its size of {wide:.0f}x{high:.0f} mm is no seal's ({least:g} to {most:g} mm)",
        )


def _overlap(
    facts: Facts, seal: SignatureLike, persons: Iterable[SignatureLike]
) -> Iterator[Fault]:
    """SIG-21: the seal covers about a third of the signer's picture, on its left."""
    hands = [s for s in persons if s.rectangle is not None and s.appearance is not None]
    if seal.rectangle is None or not hands:
        return
    answers = [_covers(facts, seal, hand) for hand in hands]
    if None not in answers:
        yield next(a for a in answers if a is not None)


def _covers(facts: Facts, seal: SignatureLike, hand: SignatureLike) -> Fault | None:
    one, other = seal.rectangle, hand.rectangle
    if one is None or other is None:
        return None
    least, most = facts.policy.overlap
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if seal.page != hand.page or across <= 0 or down <= 0:
        return "dấu không trùm lên hình chữ ký", "the seal does not cover the signature's picture"
    share = across / (other[2] - other[0])
    if not least <= share <= most:
        return (
            f"dấu trùm {share:.0%} hình chữ ký, quy định khoảng 1/3",
            f"the seal covers {share:.0%} of the signature's picture, not about a third",
        )
    if one[0] + one[2] >= other[0] + other[2]:
        return "dấu không ở bên trái hình chữ ký", "the seal is not on the left of the signature"
    return None


def _corner(signature: SignatureLike) -> Iterator[Fault]:
    """SIG-22, SIG-24: no picture, at the top right of page 1."""
    if not signature.page:
        yield "không hiển thị trên trang", "it is not shown on the page"
        return
    looks = signature.appearance
    if looks is None:
        return
    if signature.page != 1 or looks.quadrant not in {"top-right", ""}:
        yield "không ở góc trên bên phải trang đầu", "it is not at the top right of page 1"
    if looks.picture:
        yield "có hình ảnh (quy định chỉ ghi chữ)", "it has a picture, where only text belongs"


# ---------------------------------------------------------------- the time shown

# 11/07/2020 09:15:30 +07:00, as the decree's sample; signing tools also write dots and dashes.
_TIME: Final = re.compile(
    r"(?P<day>\d{1,2}) ?[/.-] ?(?P<month>\d{1,2}) ?[/.-] ?(?P<year>\d{4})[ ,;-]*"
    r"(?P<hour>\d{1,2}) ?: ?(?P<minute>\d{2}) ?: ?(?P<second>\d{2})[ ,;]*"
    r"(?P<zone>(?:GMT|UTC)? ?[+-] ?\d{2}:? ?\d{2})?"
)
_ISO: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})[T ]"
    r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2}) ?(?P<zone>[+-]\d{2}:?\d{2})?"
)
_PARTS: Final = ("year", "month", "day", "hour", "minute", "second")
_DIGITS: Final = re.compile(r"([+-])(\d{2})(\d{2})")


def _time(facts: Facts, index: int, signature: SignatureLike, *, wanted: bool) -> Iterator[Finding]:
    looks = signature.appearance
    if looks is None:
        return
    shown = shown_time(looks.text)
    faults: list[Fault] = []
    if shown is None:
        if wanted:
            faults.append(
                (
                    "không ghi thời gian ký (ngày/tháng/năm giờ:phút:giây +07:00)",
                    "the signing time (day/month/year hour:minute:second +07:00) is missing",
                )
            )
    else:
        at, has_zone = shown
        if wanted and not has_zone:
            faults.append(("thời gian ký thiếu múi giờ +07:00", "the time has no zone (+07:00)"))
        known = [
            t for t in (signature.signed_at, signature.claimed_at, signature.document_time) if t
        ]
        if known and all(abs(at - t) > _CLOSE for t in known):
            faults.append(
                (
                    f"thời gian hiển thị {at:%d/%m/%Y %H:%M:%S} khác thời gian ký",
                    f"the time shown, {at:%d/%m/%Y %H:%M:%S}, is not the signing time",
                )
            )
    yield from _found(facts, "SIG-23", index, signature, faults)


def shown_time(text: str) -> tuple[datetime, bool] | None:
    """Return the first time a stamp's text states and whether with its zone; None for none.

    Without a zone Vietnam's is meant.
    """
    for match in (*_TIME.finditer(text), *_ISO.finditer(text)):
        zone = _DIGITS.search((match["zone"] or "").replace(":", "").replace(" ", ""))
        offset = timedelta(hours=7)
        if zone is not None:
            offset = timedelta(hours=int(zone[2]), minutes=int(zone[3]))
            offset = -offset if zone[1] == "-" else offset
        year, month, day, hour, minute, second = (int(match[part]) for part in _PARTS)
        try:
            at = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
        except ValueError:  # no day of the calendar
            continue
        return at, zone is not None
    return None


# ---------------------------------------------------------------- findings


def _severity(facts: Facts) -> Severity | None:
    levels = {"warn": Severity.WARNING, "note": Severity.NOTE}
    return levels.get(facts.policy.appearance)


def _found(
    facts: Facts, rule_id: str, index: int, signature: SignatureLike, faults: Iterable[Fault]
) -> Iterator[Finding]:
    """SIG-26: one finding a signature and rule, saying that it is about form only."""
    severity = _severity(facts)
    told = list(faults)
    if severity is None or not told:
        return
    name = signature.signer.common_name if signature.signer is not None else signature.field
    vi = "; ".join(fault[0] for fault in told)
    en = "; ".join(fault[1] for fault in told)
    yield Finding(
        rule_id,
        severity,
        f"{ATTACHMENTS}/Attachment[{index + 1}]",
        f"Thể thức chữ ký số “{name[:_SHOWN]}”: {vi}. Không ảnh hưởng hiệu lực chữ ký.",
        f"Form of the signature “{name[:_SHOWN]}”: {en}. Its validity is not affected.",
    )
