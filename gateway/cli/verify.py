"""`vanlien verify`: is this signature good, in one glance.

Promises: the file is read in a limited process of its own, so a hostile one harms nothing; nothing
is fetched and nothing written; the exit code is the verdict. Vietnamese first, English beside it.
"""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.frame import UsageFault, emit, examples

if TYPE_CHECKING:
    from rich.text import Text

    from gateway.trust.report import SignatureFacts, VerificationReport

EXITS: Final = {"valid": 0, "invalid": 1, "indeterminate": 2, "unreadable": 3, "unsigned": 4}
_TIMEOUT_S: Final = 60.0
_CHUNK: Final = 1 << 20

# verdict → (headline, English, colour, next step, English)
_HEADLINES: Final = {
    "valid": ("HỢP LỆ", "VALID", "green", "Tiếp nhận.", "Accept."),
    "invalid": (
        "KHÔNG HỢP LỆ",
        "INVALID",
        "red",
        "Không tiếp nhận; yêu cầu gửi lại.",
        "Do not accept; ask the sender to send it again.",
    ),
    "indeterminate": (
        "CHƯA XÁC ĐỊNH ĐƯỢC",
        "INDETERMINATE",
        "yellow",
        "Chưa coi là hợp lệ; xem lý do bên dưới rồi kiểm tra lại hoặc hỏi đơn vị gửi.",
        "Not to be taken as valid; see the reasons, then verify again or ask the sender.",
    ),
    "unreadable": (
        "KHÔNG ĐỌC ĐƯỢC",
        "UNREADABLE",
        "yellow",
        "Yêu cầu gửi lại tệp PDF nguyên vẹn.",
        "Ask for an undamaged PDF.",
    ),
    "unsigned": (
        "KHÔNG CÓ CHỮ KÝ SỐ",
        "UNSIGNED",
        "bright_black",
        "Chỉ dùng để tham khảo; hình con dấu hay chữ ký (nếu có) không phải chữ ký số.",
        "For reference only; a picture of a seal is not a signature.",
    ),
}
_ROLES: Final = {
    "person": "người ký",
    "organization": "cơ quan, tổ chức",
    "tsa": "dấu thời gian",
    "unknown": "chưa rõ vai trò",
}
_ANSWERS: Final = {"yes": "có", "no": "KHÔNG", "unknown": "chưa rõ"}
_SOURCES: Final = {
    "timestamp": "dấu thời gian",
    "document-timestamp": "dấu thời gian của tài liệu",
    "claimed": "người ký tự khai, chưa được xác thực",
    "none": "không có",
}
_COVERAGES: Final = {
    "whole-file": "toàn bộ tệp",
    "revision": "bản tại lúc ký",
    "partial": "một phần tệp",
    "unclear": "không rõ",
}
_CHANGES: Final = {
    "none": "không có",
    "archive-data": "dữ liệu lưu trữ lâu dài",
    "signature": "thêm chữ ký khác",
    "form-filling": "điền biểu mẫu",
    "annotation": "thêm ghi chú",
    "other": "thay đổi khác",
    "not-analysed": "không phân tích được",
}


def register(app: typer.Typer) -> None:
    """Add `verify`."""
    app.command(
        "verify",
        epilog=examples(
            "vanlien verify van-ban.pdf --trust certs",
            "vanlien verify van-ban.pdf --trust certs --at 2026-11-22T12:00:00+07:00 --json",
            exits="0 hợp lệ / valid · 1 không hợp lệ / invalid · 2 chưa xác định / indeterminate"
            " · 3 không đọc được / unreadable · 4 không ký / unsigned",
        ),
    )(verify)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tệp PDF. / A PDF file.")],
    *,
    trust: Annotated[
        Path,
        typer.Option(
            "--trust",
            metavar="DIR",
            help="Thư mục chứng thư (tự ký là gốc tin cậy) và CRL. / Certificates and CRLs.",
        ),
    ],
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Thời điểm xét, ISO 8601 có múi giờ; mặc định là bây giờ. / Time in question.",
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="In một đối tượng JSON. / One JSON object.")
    ] = False,
) -> int:
    """Kiểm tra chữ ký số của một tệp PDF. / Verify the signatures of a PDF."""
    moment = _moment(at)
    if not file.is_file():
        raise UsageFault(f"Không có tệp này: {file}.", f"No such file: {file}")
    if not trust.is_dir():
        raise UsageFault(
            f"Không có thư mục chứng thư tin cậy này: {trust}.", f"No such trust directory: {trust}"
        )
    from gateway.trust.anchors import TrustStore
    from gateway.trust.render import to_json

    sha256, size_bytes = _digest(file)
    report = asyncio.run(_report(file, trust, sha256, size_bytes, moment))
    faults = TrustStore.load(trust).faults
    payload = {
        "file": file.name,
        **to_json(report),
        "trust_faults": [{"file": f.file, "vi": f.vi, "en": f.en} for f in faults],
    }
    emit(payload, "" if as_json else _human(file.name, report, [f.vi for f in faults]), as_json)
    return EXITS[report.verdict.value]


def _moment(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageFault(
            f"--at: «{text}» không phải thời gian ISO 8601; ví dụ 2026-11-22T12:00:00+07:00.",
            f"--at: {text!r} is not an ISO 8601 time, like 2026-11-22T12:00:00+07:00",
        ) from exc
    if moment.tzinfo is None:
        raise UsageFault(
            f"--at: «{text}» thiếu múi giờ; thêm +07:00 hoặc Z.",
            f"--at: {text!r} has no time zone; add +07:00 or Z",
        )
    return moment.astimezone(UTC)


def _digest(file: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    try:
        with file.open("rb") as stream:
            while piece := stream.read(_CHUNK):
                digest.update(piece)
                size += len(piece)
    except OSError as exc:
        raise UsageFault(
            f"Không đọc được tệp {file}: {exc.strerror}.", f"Cannot read {file}: {exc.strerror}"
        ) from exc
    return digest.hexdigest(), size


async def _report(
    file: Path, trust: Path, sha256: str, size_bytes: int, at: datetime
) -> "VerificationReport":
    from gateway.verifier.pool import VerifierPool

    pool = VerifierPool(trust, workers=1, timeout_s=_TIMEOUT_S, pdf_expected=True)
    try:
        return await pool.verify(file, sha256=sha256, size_bytes=size_bytes, at=at)
    finally:
        await pool.close()


# ---------------------------------------------------------------- for people


def _human(name: str, report: "VerificationReport", faults: list[str]) -> "Text":
    from rich.text import Text

    from gateway.trust.notes import clean

    headline, english, colour, step, step_en = _HEADLINES[report.verdict.value]
    remarked = report.verdict.value == "valid" and (
        report.notes or any(s.notes for s in report.signatures)
    )
    out = Text()
    out.append(
        f"{headline}{', CÓ LƯU Ý' if remarked else ''} / {english}\n", style=f"bold {colour}"
    )
    out.append(f"{step} / {step_en}\n\n")
    for mark in report.secrecy_marks:
        out.append(
            f"TRANG 1 CÓ DẤU ĐỘ MẬT: {mark}. Không gửi qua hệ thống này."
            " / Page 1 carries a secrecy stamp.\n\n",
            style="bold red",
        )
    out.append(f"Tệp: {clean(name)} ({report.size_bytes:,} byte)\n".replace(",", "."))
    out.append(f"SHA-256: {report.sha256}\n")
    out.append(f"Xét tại: {_clock(report.verified_at)}\n")
    for note in report.notes:
        out.append(f"Lưu ý: {note.vi} / {note.en}\n")
    for fault in faults:
        out.append(f"Kho chứng thư: {fault}\n")
    for number, signature in enumerate(report.signatures, start=1):
        out.append("\n")
        _signature(out, number, signature)
    out.rstrip()
    return out


def _signature(out: "Text", number: int, sig: "SignatureFacts") -> None:
    headline, english, colour, _, _ = _HEADLINES[sig.verdict.value]
    who = sig.signer.common_name if sig.signer else "không đọc được"
    unit = f", {sig.signer.organization}" if sig.signer and sig.signer.organization != who else ""
    out.append(f"{number}. {who}{unit} ({_ROLES[sig.role]}): ")
    code = f" ({sig.sub_indication})" if sig.sub_indication else ""
    out.append(f"{headline} / {english}{code}\n", style=colour)
    authority = f" {sig.time_authority}" if "timestamp" in sig.signed_at_source else ""
    moment = _clock(sig.signed_at) if sig.signed_at else "không rõ"
    lines = (
        f"Thời gian ký: {moment} ({_SOURCES[sig.signed_at_source]}{authority})",
        (
            f"Nội dung nguyên vẹn: {_ANSWERS[sig.intact.value]}"
            f" · Chứng thư tin cậy: {_ANSWERS[sig.trusted.value]}"
            f" · Không bị thu hồi: {_ANSWERS[sig.not_revoked.value]}"
            f" · Thời gian được chứng minh: {_ANSWERS[sig.time_proven.value]}"
        ),
        (
            f"Phạm vi ký: {_COVERAGES[sig.coverage.value]}"
            f" · Thay đổi sau khi ký: {_CHANGES[sig.later_changes]}"
        ),
        *(f"Lưu ý: {n.vi} / {n.en}" for n in sig.notes),
    )
    for line in lines:
        out.append(f"   {line}\n")


def _clock(at: datetime) -> str:
    from gateway.trust.render import VIETNAM

    return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S +07:00")
