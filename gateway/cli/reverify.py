"""`vanlien reverify`: are the stored reports still what they were, and what would be said today.

Promises: nothing is changed (but for `--queue`, which asks the server to look again, audited); it
may run beside a server; every report that cannot be made again is listed with its reason. Exit code
0: all as stored, 1: something differs.
"""

import asyncio
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.programs.evidence import Scope
    from gateway.programs.reverify import Outcome, Tally
    from gateway.programs.wouldbe import Answers
    from gateway.reverification import Opened

DIFFERENT: Final = 1
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_EVERY_S: Final = 10.0

_TEXTS: Final = {
    "equal": ("khớp từng byte", "equal byte for byte"),
    "engine-changed": ("khớp, chỉ khác phiên bản bộ kiểm tra", "equal but for the engine's name"),
    "not-repeated": ("không lặp lại: khi đó bộ kiểm tra lỗi", "not repeated: it had failed then"),
    "differs": ("KHÁC", "DIFFERS"),
    "tampered": ("BÁO CÁO BỊ SỬA", "THE REPORT WAS CHANGED"),
    "unnamed": ("KHÔNG CÓ TRONG NHẬT KÝ HỒI BÁO", "NOT IN THE RECEIPT LOG"),
    "report-missing": ("MẤT BÁO CÁO", "THE REPORT IS GONE"),
    "file-missing": ("MẤT TỆP", "THE FILE IS GONE"),
    "evidence-missing": ("MẤT BẰNG CHỨNG", "THE EVIDENCE IS GONE"),
    "evidence-damaged": ("BẰNG CHỨNG HỎNG", "THE EVIDENCE IS DAMAGED"),
}


def register(app: typer.Typer) -> None:
    """Add `reverify`."""
    app.command(
        "reverify",
        epilog=examples(
            "vanlien reverify --all",
            "vanlien reverify --document 01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11 --json",
            "vanlien reverify --all --now",
            "vanlien reverify --all --at 2027-01-01T00:00:00+07:00",
            exits="0 không khác / as stored · 1 có khác / something differs",
        ),
    )(reverify)


def reverify(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Mọi báo cáo (mặc định). / Every report (default).")
    ] = False,
    document: Annotated[
        str,
        typer.Option("--document", metavar="ID", help="Một văn bản. / One document, by our id."),
    ] = "",
    file: Annotated[
        str, typer.Option("--file", metavar="SHA256", help="Một tệp. / One file.")
    ] = "",
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Xét tại thời điểm này thay vì thời điểm đã lưu. / Judge for another time.",
        ),
    ] = "",
    trust_of: Annotated[
        str,
        typer.Option(
            "--trust-of",
            metavar="REPORT",
            help="Theo kho tin cậy của báo cáo này. / Under the trust state of a report.",
        ),
    ] = "",
    now: Annotated[
        bool,
        typer.Option("--now", help="Theo kho tin cậy hôm nay. / Under today's trust."),
    ] = False,
    queue: Annotated[
        bool,
        typer.Option(
            "--queue",
            help="Giao máy chủ kiểm tra lại những văn bản sẽ đổi kết quả (cùng --now). / Have the "
            "server look again at what would change (with --now).",
        ),
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Lý do, cùng --queue. / Why, with --queue.")
    ] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Lập lại báo cáo từ bằng chứng đã lưu. / Make stored reports again from evidence."""
    from gateway.programs.evidence import Scope

    if sum((everything, bool(document), bool(file))) > 1:
        raise UsageFault(
            "Chỉ chọn một: --all, --document hoặc --file.",
            "choose one of --all, --document and --file",
        )
    if now and trust_of:
        raise UsageFault("Chỉ chọn một: --now hoặc --trust-of.", "choose --now or --trust-of")
    if queue and not (now and not at):
        raise UsageFault(
            "--queue đi cùng --now, không --at: máy chủ kiểm tra theo kho tin cậy và giờ hiện tại.",
            "--queue goes with --now and without --at: the server judges by today's trust and time",
        )
    why = common.stated(reason) if queue else ""
    for name, value in (("--file", file), ("--trust-of", trust_of)):
        if value and _HEX.fullmatch(value) is None:
            raise UsageFault(
                f"{name}: cần SHA-256 dạng 64 chữ số thập lục phân thường.",
                f"{name}: a SHA-256 in lower-case hex is needed",
            )
    moment = common.moment(at, "--at") if at else None
    scope = Scope(document=document, file=file)
    if moment is None and not now and not trust_of:
        return _compare(scope, config, as_json)
    return _ask(scope, moment, trust_of, now, why, config, as_json)


# ---------------------------------------------------------------- again, and compare


def _compare(scope: "Scope", config: Path, as_json: bool) -> int:
    from gateway.programs.reverify import Reverify
    from gateway.reverification import opened

    with opened(config) as found, _told() as progress:
        run = Reverify(found.ledger, found.evidence, hands=found.hands, progress=progress)
        tally = asyncio.run(run.again(scope))
    payload = {
        "checked": tally.checked,
        "counts": dict(sorted(tally.counts.items())),
        "problems": [_outcome(o) for o in tally.problems],
        "said": [_outcome(o) for o in tally.said],
    }
    emit(payload, _human(tally), as_json)
    return DIFFERENT if tally.problems else OK


def _outcome(outcome: "Outcome") -> dict[str, Any]:
    vi, en = _TEXTS[outcome.status]
    return asdict(outcome) | {"paths": list(outcome.paths), "vi": vi, "en": en}


def _human(tally: "Tally") -> str:
    lines = [f"{tally.checked} báo cáo / reports"]
    for status, count in sorted(tally.counts.items()):
        vi, en = _TEXTS[status]
        lines.append(f"  {count:>8}  {vi} / {en}")
    for one in (*tally.problems, *tally.said):
        vi, en = _TEXTS[one.status]
        lines += ["", f"{vi} / {en}: {one.report_id}", f"  tệp / file {one.file}"]
        if one.verified_at:
            lines.append(f"  {one.verdict}, xét tại / for {one.verified_at}")
        if one.detail:
            lines.append(f"  {one.detail}")
        lines += [f"  {path}" for path in one.paths]
    return "\n".join(lines)


# ---------------------------------------------------------------- at another time


def _ask(  # noqa: PLR0917
    scope: "Scope",
    moment: datetime | None,
    trust_of: str,
    now: bool,
    why: str,
    config: Path,
    as_json: bool,
) -> int:
    from gateway.programs.evidence import NOW, StateError
    from gateway.programs.wouldbe import WouldBe
    from gateway.reverification import opened

    with opened(config) as found, _told() as progress:
        trust = NOW if now else None
        if trust_of:
            trust = asyncio.run(_trust_of(found, trust_of))
        if now and moment is None:
            moment = datetime.now(UTC)
        run = WouldBe(
            found.ledger,
            found.evidence,
            at=moment,
            trust=trust,
            hands=found.hands,
            progress=progress,
        )
        try:
            answers = asyncio.run(run.ask(scope))
        except StateError as exc:
            raise UsageFault(
                f"Không dựng lại được kho tin cậy của báo cáo này: {exc.what} ({exc.problem}).",
                f"the trust state of that report cannot be laid out: {exc}",
            ) from exc
    queued = _queue(answers, why, config) if why else 0
    payload = {
        "at": common.local_iso(moment),
        "trust": "now" if now else trust,
        "checked": answers.checked,
        "changes": [asdict(c) for c in answers.changes],
        "queued": queued,
    }
    emit(payload, _changes(answers, queued), as_json)
    return DIFFERENT if answers.changes else OK


async def _trust_of(found: "Opened", report: str) -> str:
    row = await found.ledger.one("verification", id=report)
    if row is None:
        raise UsageFault(f"Không có báo cáo {report}.", f"there is no report {report}")
    return str(row["trust_sha256"])


def _queue(answers: "Answers", why: str, config: Path) -> int:
    from gateway.stores import open_operations

    documents = [(c.kind, c.id) for c in answers.changes if c.would_be]
    with open_operations(config) as ledger:
        return ledger.look_again(documents, reason=why, by=common.actor())


def _changes(answers: "Answers", queued: int) -> object:
    if not answers.changes:
        return f"{answers.checked} văn bản, không đổi / documents, none would change"
    rows = [
        (
            c.kind,
            c.id,
            c.document_id,
            f"{c.verdict} → {c.would_be or '?'}",
            f"{c.legal_class} → {c.would_be_class or '?'}",
            c.detail,
        )
        for c in answers.changes
    ]
    said = f", {queued} đã giao máy chủ / queued" if queued else ""
    title = f"{len(rows)} / {answers.checked} văn bản sẽ đổi / documents would change{said}"
    columns = ("Loại", "Mã", "Mã định danh", "Kết quả", "Giá trị pháp lý", "Ghi chú")
    return common.table(title, columns, rows)


# ---------------------------------------------------------------- progress


@contextmanager
def _told() -> Iterator[Callable[[int, int], None]]:
    """Show how far a long run is, on standard error: a bar for people, lines for a log."""
    if not sys.stderr.isatty():
        yield _Lines().tell
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reverify", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of or None)


class _Lines:
    """A line now and then; a short run says nothing."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def tell(self, done: int, of: int) -> None:
        """Say how far it is."""
        if time.monotonic() - self._last >= _EVERY_S:
            self._last = time.monotonic()
            sys.stderr.write(f"vanlien: reverify {done}{f'/{of}' if of else ''}\n")
            sys.stderr.flush()
