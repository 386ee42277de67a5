"""`vanlien edxml`: look into a packet, and check that it has the strict form.

Both only read the file; attachments pass through a temporary directory that is deleted at the end
(a killed process leaves it to the system's cleaning of temporary files). Memory does not grow with
the packet.
"""

import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from gateway.cli.common import JsonOption, table
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gateway.codec.reader import ReadPacket
    from gateway.domain.envelope import Attachment, Envelope, Organization, Repair, StatusReport
    from gateway.domain.finding import Finding
    from gateway.errors import RejectedError

REFUSED: Final = 1
_CHUNK_BYTES: Final = 64 * 1024
_URGENCIES: Final = ("thường", "khẩn", "thượng khẩn", "hỏa tốc", "hỏa tốc hẹn giờ")
_BUSINESS: Final = (
    "gửi mới / new",
    "thu hồi / recall",
    "cập nhật / update",
    "thay thế / replacement",
)
_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_SEVERITIES: Final = {"error": "lỗi / error", "warning": "cảnh báo / warning", "note": "ghi chú"}

_File = Annotated[Path, typer.Argument(metavar="FILE", help="Gói tin .edxml / the packet.")]


def show(file: _File, *, as_json: JsonOption = False) -> int:
    """Xem một gói tin: thông tin, tệp đính kèm, chỗ đã sửa / show what is in a packet."""
    from gateway.errors import RejectedError

    with tempfile.TemporaryDirectory(prefix="vanlien-edxml-") as spool:
        try:
            packet = _read(file, Path(spool))
        except RejectedError as refusal:
            return _refused(file, refusal, as_json=as_json)
    payload = {"file": str(file), "readable": True, **_facts(packet)}
    emit(payload, _shown(file, packet), as_json)
    return OK


def lint(file: _File, *, as_json: JsonOption = False) -> int:
    """Kiểm tra gói tin đúng dạng chuẩn, không cần sửa gì / check the strict form."""
    from gateway.codec.schema import check
    from gateway.errors import RejectedError

    with tempfile.TemporaryDirectory(prefix="vanlien-edxml-") as spool:
        try:
            packet = _read(file, Path(spool))
            findings = (*packet.findings, *check(packet.skeleton))
        except RejectedError as refusal:
            return _refused(file, refusal, as_json=as_json)
    strict = not packet.repairs and not findings
    code = OK if strict else REFUSED
    payload = {
        "file": str(file),
        "readable": True,
        "strict": strict,
        "kind": packet.skeleton.kind,
        "sha256": packet.sha256,
        "size_bytes": packet.size_bytes,
        "repairs": _repairs(packet.repairs),
        "findings": _findings(findings),
        "exit_code": code,
    }
    verdict = (
        "Đúng dạng chuẩn QCVN 102:2016 / strict form."
        if strict
        else "KHÔNG đúng dạng chuẩn QCVN 102:2016 / not the strict form."
    )
    emit(payload, _group(f"{file}: {verdict}", *_remarks(packet.repairs, findings)), as_json)
    return code


# ---------------------------------------------------------------- reading


def _read(file: Path, spool: Path) -> "ReadPacket":
    from gateway.codec.reader import read_packet

    return read_packet(_chunks(file), spool)


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk
    except OSError as exc:
        raise UsageFault(
            f"Không đọc được tệp {file}: {exc.strerror}", f"cannot read {file}: {exc.strerror}"
        ) from exc


def _refused(file: Path, refusal: "RejectedError", *, as_json: bool) -> int:
    from gateway.errors import CATALOGUE

    vi = CATALOGUE[refusal.reason].vi
    payload = {
        "file": str(file),
        "readable": False,
        "reason": str(refusal.reason),
        "message_vi": vi,
        "message_en": refusal.public,
        "repairs": [],
        "findings": _findings(refusal.findings),
        "exit_code": REFUSED,
    }
    human = _group(
        f"{file}: TỪ CHỐI / REFUSED — {vi} ({refusal.reason})", *_remarks((), refusal.findings)
    )
    emit(payload, human, as_json)
    return REFUSED


# ---------------------------------------------------------------- as JSON


def _facts(packet: "ReadPacket") -> dict[str, Any]:
    from gateway.codec.edxml import envelope_to_json, status_to_json
    from gateway.domain.consignment import content_digest

    facts: dict[str, Any] = {
        "kind": packet.skeleton.kind,
        "sha256": packet.sha256,
        "size_bytes": packet.size_bytes,
    }
    if packet.envelope is not None:
        facts |= envelope_to_json(packet.envelope)
        facts["content_digest"] = content_digest(packet.envelope)
    elif packet.status is not None:
        status = status_to_json(packet.status)
        facts["repairs"] = status.pop("repairs")
        facts["status"] = status
    return facts | {"findings": _findings(packet.findings), "exit_code": OK}


def _findings(findings: "Sequence[Finding]") -> list[dict[str, str]]:
    return [
        {
            "rule": f.rule,
            "severity": str(f.severity),
            "where": f.where,
            "vi": f.vi,
            "en": f.en,
            "refusal": f.refusal,
        }
        for f in findings
    ]


def _repairs(repairs: "Sequence[Repair]") -> list[dict[str, str]]:
    return [
        {"code": r.code, "where": r.where, "was": r.was, "vi": r.vi, "en": r.en} for r in repairs
    ]


# ---------------------------------------------------------------- for people


def _shown(file: Path, packet: "ReadPacket") -> object:
    head = f"{file}: {packet.size_bytes:,} byte, SHA-256 {packet.sha256}"
    parts: list[object] = []
    if packet.envelope is not None:
        parts.append(table("Văn bản / document", ("", ""), _document_rows(packet.envelope)))
        parts.append(
            table(
                "Tệp đính kèm / attachments",
                ("#", "Tên / name", "Loại / type", "Byte", "SHA-256"),
                [_attachment_row(a) for a in packet.envelope.attachments],
            )
        )
    elif packet.status is not None:
        parts.append(table("Trạng thái / status", ("", ""), _status_rows(packet.status)))
    return _group(head, *parts, *_remarks(packet.repairs, packet.findings))


def _attachment_row(a: "Attachment") -> tuple[object, ...]:
    name, kind = _visible(a.safe_name), _visible(a.content_type)
    return a.index + 1, name, kind, f"{a.size_bytes:,}", a.sha256


def _document_rows(envelope: "Envelope") -> list[tuple[str, str]]:
    h = envelope.header
    rows = [
        ("Nơi gửi / from", _organ(h.sender)),
        *(("Nơi nhận / to", _organ(r)) for r in h.recipients),
        ("Mã văn bản / DocumentId", h.document_id),
        ("Số, ký hiệu / code", h.full_code),
        ("Ngày ban hành / date", _date(h.promulgation_date)),
        ("Loại / type", h.type_name),
        ("Trích yếu / subject", h.subject),
        ("Người ký / signer", h.signer.full_name if h.signer else ""),
        ("Mức độ khẩn / urgency", _URGENCIES[h.urgency]),
        ("Hạn xử lý / due", _date(h.due_date)),
        ("Nghiệp vụ / business", _BUSINESS[h.business.doc_type]),
        ("Lý do / reason", h.business.reason),
        *(("Trả lời cho / answers", r.document_id or r.code) for r in h.response_for),
        *(
            ("Đã qua / trace", f"{t.organ_id} {t.at.isoformat() if t.at else ''}".strip())
            for t in h.trace
        ),
        *(("Phần tử lạ / unknown element", f"{e.parent}: {e.xml}"[:200]) for e in h.extras),
    ]
    return [(label, _visible(text)) for label, text in rows if text]


def _status_rows(status: "StatusReport") -> list[tuple[str, str]]:
    about = status.response_for
    rows = [
        ("Bên báo / from", _organ(status.sender)),
        ("Mã trạng thái / code", status.code),
        ("Về văn bản / about", about.document_id or about.code),
        ("Của / of", about.organ_id),
        ("Nội dung / text", status.description),
        ("Lúc / at", status.at.isoformat() if status.at else ""),
        ("Cán bộ / staff", status.staff.staff if status.staff else ""),
    ]
    return [(label, _visible(text)) for label, text in rows if text]


def _remarks(repairs: "Sequence[Repair]", findings: "Sequence[Finding]") -> Iterator[object]:
    if repairs:
        yield table(
            "Đã sửa khi đọc / repairs",
            ("Mã / code", "Ở đâu / where", "Đã ghi / was", "Giải thích / meaning"),
            ((r.code, _visible(r.where), _visible(r.was), f"{r.vi}\n{r.en}") for r in repairs),
        )
    if findings:
        yield table(
            "Nhận xét / findings",
            ("Quy tắc / rule", "Mức / severity", "Ở đâu / where", "Nội dung / text"),
            [
                (
                    f.rule,
                    _SEVERITIES[f.severity],
                    _visible(f.where),
                    f"{_visible(f.vi)}\n{_visible(f.en)}",
                )
                for f in findings
            ],
        )


def _organ(organ: "Organization") -> str:
    return f"{organ.organ_id} {organ.organ_name}".strip()


def _date(value: object) -> str:
    return "" if value is None else f"{value:%d/%m/%Y}"


def _visible(text: str) -> str:
    """Return text a stranger wrote without what could steer a terminal or reverse the line."""
    return "".join("·" if unicodedata.category(c) in _STEERING else c for c in text)


def _group(head: str, *parts: object) -> object:
    from rich.console import Group
    from rich.text import Text

    return Group(Text(_visible(head)), *cast("tuple[RenderableType, ...]", parts))


def register(app: typer.Typer) -> None:
    """Add `edxml show` and `edxml lint` to the command line."""
    group = typer.Typer(help="Gói tin edXML / packets: show, lint.", no_args_is_help=True)
    group.command(
        "show",
        epilog=examples(
            "vanlien edxml show den.edxml",
            "vanlien edxml show den.edxml --json",
            exits="0 đọc được / readable · 1 từ chối / refused",
        ),
    )(show)
    group.command(
        "lint",
        epilog=examples(
            "vanlien edxml lint di.edxml",
            exits="0 đúng dạng chuẩn / strict · 1 không đúng / not strict",
        ),
    )(lint)
    app.add_typer(group, name="edxml")
