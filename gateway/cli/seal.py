"""`vanlien seal`: how the seal on printed reports stands, and time-stamps for those that wait.

`status` seals a sample in memory, has it verified as a stranger's file, and keeps nothing. `stamp`
may run beside a server, under the same account. Killing either loses nothing.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, local_iso
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.seal.identity import SealIdentity
    from gateway.trust.report import VerificationReport

NOT_WELL: Final = 1
_TIMEOUT_S: Final = 60.0
_NONE_VI: Final = "Chưa cấu hình niêm phong: báo cáo PDF ghi «chưa niêm phong». Xem [reports.seal]."
_NONE_EN: Final = "No seal is configured: PDF reports say «not sealed». See [reports.seal]."


def register(app: typer.Typer) -> None:
    """Add `seal status` and `seal stamp`."""
    group = typer.Typer(help="Niêm phong báo cáo PDF. / The seal of printed reports.")
    group.command(
        "status",
        epilog=examples(
            "vanlien seal status",
            "vanlien seal status --json",
            exits="0 tốt, hoặc không cấu hình / well, or none configured · 1 không tốt / not well",
        ),
    )(status)
    group.command(
        "stamp", epilog=examples("vanlien seal stamp", exits="0 · 1 còn chờ / some wait")
    )(stamp)
    app.add_typer(group, name="seal")


def status(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Niêm phong thử một báo cáo và kiểm tra lại. / Seal a sample and verify it."""
    from gateway.config import load

    settings = load(config)
    if settings.reports.seal.key_file is None:
        emit({"configured": False}, f"{_NONE_VI}\n{_NONE_EN}", as_json)
        return OK
    found = asyncio.run(_probe(settings))
    expected = "B-LT" if settings.reports.seal.tsa_url is not None else "B-B"
    well = found.level == expected and found.verdict == "valid"
    facts = _facts(found.identity)
    payload = {
        "configured": True,
        "well": well,
        **facts,
        "level": found.level,
        "expected": expected,
        "verdict": found.verdict,
        "waiting": found.waiting,
        "troubles": found.troubles,
    }
    lines = [
        f"Chứng thư / certificate: {facts['certificate']}",
        f"Thời hạn / term: {facts['not_before']} – {facts['not_after']}",
        (
            f"Niêm phong thử / sample: {found.level or 'không được / none'}, "
            f"cần / expected {expected}; kết luận / verdict {found.verdict or '–'}"
        ),
        f"Báo cáo chờ đóng dấu thời gian / reports waiting: {found.waiting}",
        *(f"! {what}: {detail}" for what, detail in found.troubles.items()),
    ]
    emit(payload, "\n".join(lines), as_json)
    return OK if well else NOT_WELL


def stamp(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Đóng dấu thời gian ngay cho các báo cáo còn chờ. / Stamp what waits, now."""
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.reportseal import FOLDER, seal_office

    settings = load(config)
    kept = (settings.gateway.data_dir / FOLDER).is_dir()
    office = seal_office(settings, SystemClock(), keeps=kept)
    if office is None:
        emit({"configured": False}, f"{_NONE_VI}\n{_NONE_EN}", as_json)
        return OK

    async def work() -> tuple[int, int]:
        return await office.complete_waiting(), await office.waiting()

    done, waiting = asyncio.run(work())
    payload = {
        "configured": True,
        "completed": done,
        "waiting": waiting,
        "troubles": office.troubles,
    }
    lines = [
        f"Đã đóng dấu đủ / completed: {done}; còn chờ / waiting: {waiting}",
        *(f"! {what}: {detail}" for what, detail in office.troubles.items()),
    ]
    emit(payload, "\n".join(lines), as_json)
    return NOT_WELL if waiting else OK


@dataclass(frozen=True, slots=True)
class _Found:
    identity: "SealIdentity"
    level: str
    verdict: str
    waiting: int
    troubles: dict[str, str]


async def _probe(settings: "Settings") -> _Found:
    """Seal a sample report and have it verified; keeps nothing."""
    from gateway.clock import SystemClock
    from gateway.reports.model import Dossier
    from gateway.reportseal import FOLDER, checker, seal_office
    from gateway.verifier.pool import VerifierPool

    verify = settings.verify
    pool = VerifierPool(
        verify.trust_dir, revocation_dir=verify.revocation.dir, workers=1, timeout_s=_TIMEOUT_S
    )
    look = checker(pool, _lend)
    seen: list[VerificationReport] = []

    async def check(pdf: bytes, at: datetime) -> "VerificationReport":
        report = await look(pdf, at)
        seen.append(report)
        return report

    clock = SystemClock()
    office = seal_office(settings, clock, check=check, keeps=False)
    kept = (settings.gateway.data_dir / FOLDER).is_dir()
    keeper = seal_office(settings, clock, keeps=kept)
    if office is None or keeper is None:
        raise AssertionError("the seal was configured a moment ago")
    try:
        printed = await office.printed(Dossier((), gateway=settings.gateway.name))
    finally:
        await pool.close()
    return _Found(
        office.identity,
        printed.level,
        seen[-1].verdict.value if seen else "",
        await keeper.waiting(),
        office.troubles,
    )


@contextmanager
def _lend() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vanlien-seal-") as folder:
        yield Path(folder) / "report.pdf"


def _facts(identity: "SealIdentity") -> dict[str, Any]:
    certificate = identity.certificate
    return {
        "certificate": identity.name,
        "serial": f"{certificate.serial_number:x}",
        "not_before": local_iso(certificate.not_valid_before_utc),
        "not_after": local_iso(certificate.not_valid_after_utc),
    }
