"""The pre-check (kiểm tra trước tiếp nhận): what the gateway found, in the order a clerk looks.

Promises: each of the ten steps has one answer, good, doubt or bad, with the rule and what to do;
what was not looked at is doubt, never good; nothing here refuses: the clerk decides (RCV-02).
Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from gateway.domain.finding import Severity
from gateway.domain.machine import Text

Tone = Literal["good", "doubt", "bad"]


class Step(StrEnum):
    """The steps of RCV-01, in their order."""

    ENVELOPE = "envelope"
    ADDRESSEE = "addressee"
    CODES = "codes"
    METADATA = "metadata"
    MANIFEST = "manifest"
    FORMAT = "format"
    MALWARE = "malware"
    SIGNATURES = "signatures"
    SECRECY = "secrecy"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Same:
    """An earlier arrival with the same number, notation, date and sender (DID-07).

    Args:
        arrival_id: Which.
        number: Its arrival number, None before it was given one.
        year: Year of the number.
        at: When it came.
        paper: It came on paper.
    """

    arrival_id: str
    number: int | None
    year: int | None
    at: datetime | None
    paper: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an arrival, as it was stored.

    Args:
        findings: As stored: `rule`, `severity`, `vi`, `en`, `refusal`.
        repairs: Faults of the packet that were read all the same: `vi`, `en`.
        verdict: Of its signatures.
        scans: Results of malware scans, one a file, as stored.
        files: How many files it has.
        same: Earlier arrivals that look the same.
        must_scan: Whether files are to be scanned at all here.
    """

    findings: Sequence[Mapping[str, Any]]
    repairs: Sequence[Mapping[str, Any]] = ()
    verdict: str = "unsigned"
    scans: Sequence[Mapping[str, Any]] = ()
    files: int = 0
    same: Sequence[Same] = ()
    must_scan: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One finding of a step, in words."""

    rule: str
    tone: Tone
    text: Text
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One step's answer.

    Args:
        step: Which.
        tone: The worst of what was found.
        rule: The rule that asks for it.
        title: What was looked at.
        answer: In a few words.
        todo: What the clerk does about it, empty texts for nothing.
        said: The findings behind it.
    """

    step: Step
    tone: Tone
    rule: str
    title: Text
    answer: Text
    todo: Text
    said: tuple[Said, ...] = ()


_NOTHING: Final = Text("", "")
_TITLES: Final[Mapping[Step, tuple[str, Text]]] = {
    Step.ENVELOPE: ("MD-10", Text("Gói tin", "Packet")),
    Step.ADDRESSEE: ("RCV-03", Text("Nơi nhận", "Addressee")),
    Step.CODES: ("DID-05", Text("Mã định danh", "Codes")),
    Step.METADATA: ("MD-01", Text("Thông tin văn bản", "Document data")),
    Step.MANIFEST: ("RCV-01", Text("Tệp kèm theo, giá trị băm", "Files and their hashes")),
    Step.FORMAT: ("FMT-01", Text("Định dạng tệp", "File formats")),
    Step.MALWARE: ("FMT-14", Text("Mã độc", "Malware")),
    Step.SIGNATURES: ("SIG-40", Text("Chữ ký số", "Signatures")),
    Step.SECRECY: ("SEC-01", Text("Bí mật nhà nước", "State secrets")),
    Step.DUPLICATE: ("DID-07", Text("Trùng văn bản", "Duplicates")),
}
GOOD: Final = Text("Đạt", "In order")
"""What a step answers that found nothing."""

_UNSCANNED: Final = Text(
    "Chưa quét: không mở tệp trên máy không có phần mềm diệt mã độc.",
    "Not scanned: do not open the files on a computer without protection.",
)
_UNREAD: Final = Text(
    "Tự xem trang đầu từng tệp có dấu mật không trước khi tiếp nhận.",
    "Look for a stamp on the first page of each file yourself before accepting.",
)
_NO_STAMP: Final = Text(
    "Không thấy dấu mật trong chữ trang đầu; bản quét phải tự xem",
    "No stamp in the text of the first page; look at scans yourself",
)
_TODO: Final[Mapping[Step, Text]] = {
    Step.ENVELOPE: Text(
        "Đọc được, có lỗi nhỏ của bên gửi; đối chiếu các trường nêu dưới đây.",
        "Readable with small faults of the sender; look at the fields named below.",
    ),
    Step.ADDRESSEE: Text(
        "Đối chiếu nơi nhận. Gửi sai thì trả lại với lý do R01.",
        "Compare the addressee. If it is wrong, return it with R01.",
    ),
    Step.CODES: Text(
        "Đối chiếu mã của bên gửi và mã văn bản; sai thì trả lại với lý do R09.",
        "Compare the sender's code and the document's; if wrong, return it with R09.",
    ),
    Step.METADATA: Text(
        "Đối chiếu với bản điện tử; thiếu thì trả lại với lý do R02 hoặc R08.",
        "Compare with the document itself; if something is missing, return it with R02 or R08.",
    ),
    Step.MANIFEST: Text(
        "Mở từng tệp để đối chiếu; thiếu tệp thì trả lại với lý do R02.",
        "Open each file; if one is missing, return it with R02.",
    ),
    Step.FORMAT: Text(
        "Định dạng ngoài quy định: có thể trả lại với lý do R06.",
        "A format outside the rules: it may be returned with R06.",
    ),
    Step.MALWARE: _UNSCANNED,
    Step.SIGNATURES: Text(
        "Xem kết quả kiểm tra chữ ký số dưới đây trước khi tiếp nhận.",
        "Look at the signature report below before accepting.",
    ),
    Step.SECRECY: Text(
        "Có dấu hiệu bí mật nhà nước: không tiếp nhận, báo người có trách nhiệm (R11).",
        "Signs of a state secret: do not accept, tell the person responsible (R11).",
    ),
    Step.DUPLICATE: Text(
        "Đối chiếu với văn bản đến trước; trùng thì trả lại với lý do R10.",
        "Compare with the earlier arrival; if it is the same, return it with R10.",
    ),
}
_VERDICTS: Final[Mapping[str, tuple[Tone, Text]]] = {
    "valid": ("good", Text("Hợp lệ", "Valid")),
    "invalid": ("bad", Text("Không hợp lệ", "Invalid")),
    "indeterminate": ("doubt", Text("Chưa xác định được", "Undetermined")),
    "unreadable": ("doubt", Text("Có tệp không đọc được", "A file cannot be read")),
    "unsigned": ("doubt", Text("Không có chữ ký số", "Not signed")),
    "pending": ("doubt", Text("Đang kiểm tra", "Being checked")),
}
_UNDETERMINED: Final = Text(
    "Chưa xác định không có nghĩa là hợp lệ. Có thể chờ hệ thống kiểm tra lại, hoặc tiếp nhận và "
    "ghi rõ lý do.",
    "Undetermined is not valid. Wait for the gateway to look again, or accept and say why.",
)
_INVALID: Final = Text(
    "Nên trả lại với lý do R03, R04 hoặc R05; xem báo cáo kiểm tra.",
    "Consider returning it with R03, R04 or R05; see the report.",
)
# Prefixes of rules to steps, the longest first; what is not listed belongs to the data.
_STEPS: Final = (
    ("FMT-14", Step.MALWARE),
    ("FMT-06", Step.METADATA),
    ("FMT-07", Step.METADATA),
    ("DID-07", Step.DUPLICATE),
    ("MD-10", Step.ENVELOPE),
    ("MD-05", Step.MANIFEST),
    ("ID-05", Step.ADDRESSEE),
    ("SND-", Step.ADDRESSEE),
    ("RCV-", Step.ADDRESSEE),
    ("FMT-", Step.FORMAT),
    ("SIG-", Step.SIGNATURES),
    ("SEC-", Step.SECRECY),
    ("DID-", Step.CODES),
    ("ID-", Step.CODES),
)
_TONES: Final[Mapping[str, Tone]] = {
    Severity.ERROR.value: "bad",
    Severity.WARNING.value: "doubt",
    Severity.NOTE.value: "good",
}


def step_of(rule: str) -> Step:
    """Return the step a finding belongs to."""
    return next((step for prefix, step in _STEPS if rule.startswith(prefix)), Step.METADATA)


def precheck(facts: Facts) -> tuple[Check, ...]:
    """Return the ten answers of RCV-01, in order."""
    said: dict[Step, list[Said]] = {step: [] for step in Step}
    for finding in facts.findings:
        said[step_of(finding["rule"])].append(_said(finding))
    for repair in facts.repairs:
        told = Text(repair["vi"], repair["en"])
        said[Step.ENVELOPE].append(Said("MD-10", "doubt", told))
    for same in facts.same:
        said[Step.DUPLICATE].append(Said("DID-07", "doubt", suspected(same), "R10"))
    return tuple(_check(step, facts, tuple(said[step])) for step in Step)


def worst(checks: Sequence[Check]) -> Tone:
    """Return the worst tone of all steps."""
    return _worst_of(check.tone for check in checks)


def suspected(same: Same) -> Text:
    """Return the warning on one earlier arrival that looks the same."""
    kind = Text("bản giấy", "paper") if same.paper else Text("bản điện tử", "electronic")
    if same.number is None:
        return Text(
            f"Nghi trùng với văn bản đã đến, chưa vào sổ ({kind.vi})",
            f"Suspected duplicate of an arrival not registered yet ({kind.en})",
        )
    return Text(
        f"Nghi trùng với số đến {same.number}/{same.year} ({kind.vi})",
        f"Suspected duplicate of arrival number {same.number}/{same.year} ({kind.en})",
    )


def _said(finding: Mapping[str, Any]) -> Said:
    tone = _TONES.get(str(finding["severity"]), "doubt")
    text = Text(str(finding["vi"]), str(finding["en"]))
    return Said(str(finding["rule"]), tone, text, str(finding.get("refusal") or ""))


def _check(step: Step, facts: Facts, said: tuple[Said, ...]) -> Check:
    rule, title = _TITLES[step]
    tone = _worst_of(s.tone for s in said)
    answer, todo = GOOD, _NOTHING
    if tone != "good":
        count = sum(1 for s in said if s.tone != "good")
        answer = Text(f"Có {count} điểm cần xem", f"{count} to look at")
        todo = _TODO[step]
    if step is Step.SIGNATURES:
        tone, answer, todo = _signatures(facts.verdict, tone, todo)
    elif step is Step.MALWARE:
        tone, answer, todo = _malware(facts, tone, todo)
    elif step is Step.SECRECY and tone == "good":
        tone, answer, todo = _secrecy(facts)
    elif step is Step.MANIFEST and not facts.files:
        # RCV-01: a document without any file has nothing to be received.
        tone, answer = "bad", Text("Không có tệp nào", "No file at all")
        todo = _TODO[Step.MANIFEST]
    return Check(step, tone, rule, title, answer, todo, said)


def _signatures(verdict: str, tone: Tone, todo: Text) -> tuple[Tone, Text, Text]:
    # SIG-42: what is not known is never shown as good.
    own, answer = _VERDICTS.get(verdict, ("doubt", Text("Chưa rõ", "Not known")))
    if own == "bad":
        return own, answer, _INVALID
    if verdict in {"indeterminate", "pending", "unreadable"}:
        return _worst_of((own, tone)), answer, _UNDETERMINED
    return _worst_of((own, tone)), answer, todo


def _malware(facts: Facts, tone: Tone, todo: Text) -> tuple[Tone, Text, Text]:
    results = {str(scan.get("result", "")) for scan in facts.scans}
    if "infected" in results:
        return "bad", Text("Có mã độc", "Malware found"), _TODO[Step.MALWARE]
    scanned = bool(facts.scans) and len(facts.scans) >= facts.files and results == {"clean"}
    if scanned and tone == "good":
        return "good", Text("Không phát hiện mã độc", "No malware found"), _NOTHING
    if facts.must_scan or facts.scans or tone != "good":
        answer = Text("Chưa quét hết các tệp", "Not all files are scanned")
        return _worst_of(("doubt", tone)), answer, _TODO[Step.MALWARE]
    # FMT-14: nobody scans at this gateway: said, for it is not the same as clean.
    return "doubt", Text("Cổng này không quét mã độc", "This gateway does not scan"), _UNSCANNED


def _secrecy(facts: Facts) -> tuple[Tone, Text, Text]:
    # SEC-01: no stamp found is not the same as none there: only text is read, no picture.
    if facts.verdict in {"pending", "unreadable"}:
        return "doubt", Text("Chưa xem được hết các tệp", "Not all files were read"), _UNREAD
    return "good", _NO_STAMP, _NOTHING


def _worst_of(tones: Iterable[Tone]) -> Tone:
    found = set(tones)
    return "bad" if "bad" in found else "doubt" if "doubt" in found else "good"
