"""What is written beside a dropped file: one JSON for software, one text for people. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.lifecycle import DELIVERY, DeliveryState, state_text
from gateway.domain.moments import iso
from gateway.domain.problem import problem_of
from gateway.errors import GatewayError

Json = dict[str, Any]

_LINE: Final = "-" * 60
_VERDICTS: Final = {
    "valid": "hợp lệ",
    "invalid": "KHÔNG HỢP LỆ",
    "indeterminate": "chưa xác định được",
    "unreadable": "tệp không đọc được",
    "unsigned": "không có chữ ký số",
    "pending": "đang kiểm tra",
}
_WEIGHTS: Final = {"error": "LỖI", "warning": "Lưu ý", "note": "Ghi chú"}


def dumped(value: Mapping[str, Any]) -> bytes:
    """Return JSON as it is written into a folder."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def accepted(name: str, digest: str, at: datetime, answer: Mapping[str, Any]) -> Json:
    """Return the result of a document that was taken, with the API's own answer in it."""
    return {
        "result": "accepted",
        "file": name,
        "sha256": digest,
        "at": iso(at),
        "answer": dict(answer),
    }


def reported(name: str, digest: str, at: datetime, status_id: str) -> Json:
    """Return the result of a status that was taken."""
    return {
        "result": "reported",
        "file": name,
        "sha256": digest,
        "at": iso(at),
        "status_id": status_id,
    }


def refused(name: str, digest: str, at: datetime, failure: GatewayError) -> Json:
    """Return the result of what was refused, with the API's own problem in it."""
    return {
        "result": "refused",
        "file": name,
        "sha256": digest,
        "at": iso(at),
        "problem": problem_of(failure, ""),
    }


def waiting(name: str, at: datetime, vi: str, en: str) -> Json:
    """Return what is said of a file that cannot be taken yet; it stays where it is."""
    return {"result": "waiting", "file": name, "at": iso(at), "vi": vi, "en": en}


# ---------------------------------------------------------------- for people


def state(file: str, document: Mapping[str, Any]) -> bytes:
    """Return in Vietnamese how far a document is, recipient by recipient."""
    lines = [f"Tệp: {file}", f"Mã định danh văn bản: {document.get('document_id') or ''}"]
    lines.append(f"Tình trạng: {document.get('state_text') or document['state']}")
    if document.get("reason"):
        lines.append(f"Lý do: {document['reason']}")
    for one in document.get("deliveries") or ():
        reason = f" ({one['reason']})" if one.get("reason") else ""
        lines.append(f"  - {one['agency']}: {one.get('state_text') or one['state']}{reason}")
    return ("\n".join(lines) + "\n").encode()


def readable(result: Mapping[str, Any]) -> bytes:
    """Return a result in Vietnamese, for the clerk who opens the folder."""
    lines = [f"Tệp: {result['file']}", f"Thời gian: {result['at']}"]
    match result["result"]:
        case "accepted":
            lines += _accepted(result["answer"])
        case "reported":
            lines += ["Kết quả: ĐÃ NHẬN trạng thái xử lý."]
        case "waiting":
            lines += ["Kết quả: CHƯA NHẬN, tệp vẫn ở out/new.", f"Lý do: {result['vi']}"]
        case _:
            problem = result["problem"]
            lines += ["Kết quả: BỊ TỪ CHỐI.", f"Lý do: {problem['title']}"]
            lines += _findings(problem["findings"])
            if not problem["findings"]:
                lines.append(f"Chi tiết: {problem['detail']}")
            lines.append("Sửa các lỗi trên rồi thả lại tệp vào out/new.")
    return ("\n".join(lines) + "\n").encode()


def _accepted(answer: Mapping[str, Any]) -> Iterable[str]:
    yield "Kết quả: ĐÃ NHẬN để gửi."
    yield f"Mã tra cứu: {answer.get('id', '')}"
    if answer.get("document_id"):
        yield f"Mã định danh văn bản: {answer['document_id']}"
    verdict = str(answer.get("verification") or "")
    yield f"Chữ ký số: {_VERDICTS.get(verdict, verdict)}"
    yield "Nơi nhận:"
    for one in answer.get("deliveries") or ():
        reason = f" ({one['reason']})" if one.get("reason") else ""
        yield f"  - {one.get('agency', '')}: {_told(one.get('state', ''))}{reason}"
    yield from _findings(answer.get("findings") or ())


def _told(state: str) -> str:
    """Return a delivery's state in words; one of a later version as it stands."""
    try:
        return state_text(DELIVERY, DeliveryState(state)).vi
    except ValueError:
        return state


def _findings(findings: Sequence[Mapping[str, str]]) -> Iterable[str]:
    if findings:
        yield _LINE
    for number, one in enumerate(findings, 1):
        weight = _WEIGHTS.get(one.get("severity", ""), "")
        yield f"{number}. [{weight} {one.get('rule', '')}] {one.get('vi', '')}"
