"""`vanlien verify`: is this signature good, in one glance, or as a report to keep.

Promises: each file is read in a limited process of its own, so a hostile one harms nothing; nothing
is fetched, and nothing written but the reports asked for, each whole or not at all; the exit code
is the verdict, of several files the worst. Vietnamese first, English beside it.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.frame import UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.reports.model import Dossier, Subject
    from gateway.reports.renderers import Form
    from gateway.trust.report import VerificationReport

EXITS: Final = {"valid": 0, "invalid": 1, "indeterminate": 2, "unreadable": 3, "unsigned": 4}
_WORST_FIRST: Final = ("invalid", "unreadable", "indeterminate", "unsigned", "valid")
_TIMEOUT_S: Final = 60.0
_CHUNK: Final = 1 << 20
_LANGUAGES: Final = ("", "vi", "en")
_TOLD: Final = {
    "": ("Báo cáo PDF chưa niêm phong được.", "The PDF report could not be sealed."),
    "B-B": ("Báo cáo PDF chưa đóng dấu thời gian.", "The PDF report carries no time-stamp."),
    "B-T": ("Báo cáo PDF thiếu dữ liệu thu hồi.", "The PDF report lacks revocation data."),
}


def register(app: typer.Typer) -> None:
    """Add `verify`."""
    app.command(
        "verify",
        epilog=examples(
            "vanlien verify van-ban.pdf --trust certs",
            "vanlien verify van-ban.pdf --trust certs --at 2026-11-22T12:00:00+07:00 --json",
            "vanlien verify *.pdf --trust certs --report bao-cao.html --report bao-cao.xml",
            exits="0 hợp lệ / valid · 1 không hợp lệ / invalid · 2 chưa xác định / indeterminate"
            " · 3 không đọc được / unreadable · 4 không ký / unsigned; nhiều tệp: xấu nhất / the"
            " worst of several",
        ),
    )(verify)


def verify(
    file: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Tệp cần kiểm tra. / Files to verify.")
    ],
    *,
    trust: Annotated[
        Path,
        typer.Option(
            "--trust",
            metavar="DIR",
            help="Thư mục chứng thư (tự ký là gốc tin cậy) và CRL. / Certificates and CRLs.",
        ),
    ],
    revocation: Annotated[
        Path | None,
        typer.Option(
            "--revocation",
            metavar="DIR",
            help="Kho thông tin thu hồi của cổng (chỉ đọc). / Revocation store, read only.",
        ),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Thời điểm xét, ISO 8601 có múi giờ; mặc định là bây giờ. / Time in question.",
        ),
    ] = "",
    report: Annotated[
        list[Path] | None,
        typer.Option(
            "--report",
            metavar="OUT",
            help="Ghi báo cáo; đuôi tệp chọn dạng: .html .pdf .json .xml. / Write a report; its "
            "suffix chooses the form. May be given several times.",
        ),
    ] = None,
    lang: Annotated[
        str,
        typer.Option("--lang", help="vi | en; mặc định in cả hai. / Default: both."),
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Lấy tên cổng, cán bộ kỹ thuật và niêm phong của báo cáo PDF từ tệp cấu hình. / "
            "Names, and the seal of PDF reports, from the settings.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="In một đối tượng JSON. / One JSON object.")
    ] = False,
) -> int:
    """Kiểm tra chữ ký số của tệp. / Verify the signatures of files."""
    moment = _moment(at)
    if lang not in _LANGUAGES:
        raise UsageFault(f"--lang: «{lang}» không có; dùng vi hoặc en.", f"--lang: not {lang!r}")
    _check_paths(file, trust)
    if revocation is not None and not revocation.is_dir():
        raise UsageFault(
            f"Không có kho thông tin thu hồi này: {revocation}.",
            f"No such revocation store: {revocation}",
        )
    outputs = _outputs(report or (), file)
    around = _around(config)
    found = [_File(path, *_digest(path)) for path in file]
    subjects = asyncio.run(
        _reports(found, (trust, revocation), moment, drawn=any(f.pictures for f, _ in outputs))
    )
    from gateway.reports.model import Dossier

    dossier = Dossier(tuple(subjects), lang=lang or "vi", **around)
    for form, path in outputs:
        _write(path, _made(form, dossier, config))
    return _answer(dossier, trust, lang, as_json)


def _answer(dossier: "Dossier", trust: Path, lang: str, as_json: bool) -> int:
    from gateway.cli import verify_text
    from gateway.reports.build import build
    from gateway.trust.anchors import TrustStore
    from gateway.trust.render import to_json

    faults = TrustStore.load(trust).faults
    told = [{"file": f.file, "vi": f.vi, "en": f.en} for f in faults]
    reports = [(s.name, s.report) for s in dossier.files if s.report is not None]
    worst = min((r.verdict.value for _, r in reports), key=_WORST_FIRST.index)
    files = [{"file": name, **to_json(report)} for name, report in reports]
    payload = (
        {**files[0], "trust_faults": told}
        if len(files) == 1
        else {"verdict": worst, "files": files, "trust_faults": told}
    )
    human: object = ""
    if not as_json:
        say = verify_text.Speaker(lang)
        lines = [f.en if lang == "en" else f.vi for f in faults]
        show = verify_text.one if len(files) == 1 else verify_text.summary
        human = show(build(dossier), say, lines)
    emit(payload, human, as_json)
    return EXITS[worst]


# ---------------------------------------------------------------- what was asked


def _check_paths(files: Sequence[Path], trust: Path) -> None:
    for file in files:
        if not file.is_file():
            raise UsageFault(f"Không có tệp này: {file}.", f"No such file: {file}")
    if not trust.is_dir():
        raise UsageFault(
            f"Không có thư mục chứng thư tin cậy này: {trust}.", f"No such trust directory: {trust}"
        )


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


def _outputs(paths: Sequence[Path], files: Sequence[Path]) -> list[tuple["Form", Path]]:
    """Return the reports to write; refused before any work is done."""
    if not paths:
        return []
    from gateway.reports.renderers import FORMS

    known = " ".join(f".{name}" for name in FORMS)
    sources = {path.resolve() for path in files}
    found: list[tuple[Form, Path]] = []
    for path in paths:
        form = FORMS.get(path.suffix.lower().removeprefix("."))
        if form is None:
            raise UsageFault(
                f"--report: không biết dạng của {path.name}; dùng đuôi {known}.",
                f"--report: {path.name} has no known suffix; there are {known}",
            )
        if path.resolve() in sources:
            raise UsageFault(
                f"--report: {path} là tệp đang kiểm tra; chọn tên khác.",
                f"--report: {path} is a file to verify; choose another name",
            )
        if not path.absolute().parent.is_dir() or path.is_dir():
            raise UsageFault(
                f"--report: không ghi được {path}: thư mục không có, hoặc tên là một thư mục.",
                f"--report: cannot write {path}: no such folder, or it is one",
            )
        found.append((form, path))
    return found


def _around(config: Path | None) -> dict[str, Any]:
    """Return what the settings say of a report: the technician, who reports, training or not."""
    if config is None:
        return {}
    from gateway.config import load
    from gateway.reports.build import contact_of

    settings = load(config)
    told = settings.reports
    return {
        "contact": contact_of(told.technician_name, told.technician_phone),
        "gateway": settings.gateway.name,
        "training": settings.console.training,
    }


# ---------------------------------------------------------------- working


@dataclass(frozen=True, slots=True)
class _File:
    """One file and its digest."""

    path: Path
    sha256: str
    size_bytes: int


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


async def _reports(
    files: Sequence[_File], trusted: tuple[Path, Path | None], at: datetime, *, drawn: bool
) -> "list[Subject]":
    """Verify files, a process a core, and draw their pages when a report shows them."""
    from gateway.reports.model import Subject
    from gateway.trust.pictures import NO_PICTURES, wanted
    from gateway.verifier.pictures import PageRenderer
    from gateway.verifier.pool import VerifierPool

    workers = min(len(files), os.cpu_count() or 1)
    trust, revocation = trusted
    pool = VerifierPool(
        trust,
        revocation_dir=revocation,
        workers=workers,
        timeout_s=_TIMEOUT_S,
        pdf_expected=True,
    )
    painter = PageRenderer(at_once=workers)
    room = asyncio.Semaphore(workers)

    with _progress(len(files)) as step:

        async def one(index: int, file: _File) -> Subject:
            async with room:
                report: VerificationReport = await pool.verify(
                    file.path, sha256=file.sha256, size_bytes=file.size_bytes, at=at
                )
                pictures = NO_PICTURES
                if drawn:
                    pictures = await painter.draw(file.path, wanted(report))
            step(file.path.name)
            return Subject(file.path.name, report, index, pictures)

        try:
            return list(await asyncio.gather(*(one(i, f) for i, f in enumerate(files))))
        finally:
            await pool.close()


def _made(form: "Form", dossier: "Dossier", config: Path | None) -> bytes:
    """Return a report's bytes; a printed one is sealed when the settings say by whom."""
    if form.name != "pdf" or config is None:
        return form.render(dossier)
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.reportseal import seal_office

    office = seal_office(load(config), SystemClock(), keeps=False)
    if office is None:
        return form.render(dossier)
    printed = asyncio.run(office.printed(dossier))
    if printed.level in _TOLD:
        vi, en = _TOLD[printed.level]
        why = "; ".join(f"{what}: {detail}" for what, detail in office.troubles.items())
        typer.echo(f"{vi} / {en}" + (f" ({why})" if why else ""), err=True)
    return printed.pdf


class _Step:
    """Counts finished files on a terminal; silent elsewhere."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        console = Console(stderr=True)
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("Kiểm tra / verifying"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[name]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=total, name="")

    def __call__(self, name: str) -> None:
        self.bar.update(self.task, advance=1, name=name[:60])


@contextmanager
def _progress(total: int) -> Iterator[_Step]:
    step = _Step(total)
    with step.bar:
        yield step


def _write(path: Path, data: bytes) -> None:
    """Put a report in its place in one step: nobody finds half of one."""
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        half.write_bytes(data)
        half.replace(path)
    except OSError as exc:
        half.unlink(missing_ok=True)
        raise UsageFault(
            f"Không ghi được báo cáo {path}: {exc.strerror}.",
            f"Cannot write the report {path}: {exc.strerror}",
        ) from exc
