"""Composition of `vanlien doctor`: each thing a gateway needs is tried once, beside any server.

Promises: nothing is changed but for one small blob that is put, read and deleted again (cut off in
between, the janitor collects it after a day); every trial has its own limit of time and none stops
another; what is wrong is said with the cause in the engine's own words and with the next step.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gateway import brokers, keeping, stores
from gateway.clock import SystemClock, ask_ntp
from gateway.config import Settings
from gateway.errors import GatewayError
from gateway.keys.receiptkey import signing_now
from gateway.keys.tls import expires_at
from gateway.policies import adapter_of, receipt_keys_of, scanner_of

OK: Final = "ok"
WARNING: Final = "warning"
BAD: Final = "bad"
_WAIT_S: Final = 20.0
_LETTER: Final = b"vanlien doctor"
_SILENT: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one trial found.

    Args:
        what: What was tried: `ledger`, `blobs`, `broker`, `peer:truc` …
        state: `ok`, `warning` or `bad`.
        vi: What was found, Vietnamese.
        en: The same in English.
        next_step: A command or a place to look; "" when nothing is to be done.
    """

    what: str
    state: str
    vi: str
    en: str
    next_step: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Try everything these settings name, at the same time; return it in a fixed order."""
    return asyncio.run(_all(settings))


async def _all(settings: Settings) -> list[Finding]:
    trials: dict[str, Callable[[Settings], list[Finding]]] = {
        "ledger": _ledger,
        "nodes": _nodes,
        "queue": _queue,
        "blobs": _blobs,
        "broker": _broker,
        "agencies_amqp": _agencies_amqp,
        "receipt key": _receipt_key,
        "tls": _tls,
        "clock": _clock,
        "backup": _backup,
        "disk": _disk,
        "scan": _scan,
        "spool": _spools,
    }
    tried = [_tried(name, trial, settings) for name, trial in trials.items()]
    tried += [_peer(settings, n) for n in range(len(settings.peers))]
    return [one for found in await asyncio.gather(*tried) for one in found]


async def _tried(
    what: str, trial: Callable[[Settings], list[Finding]], settings: Settings
) -> list[Finding]:
    """Let one trial do its work in a thread; whatever it raises is what it found."""
    try:
        async with asyncio.timeout(_WAIT_S):
            return await asyncio.to_thread(trial, settings)
    except TimeoutError:
        said = f"{_WAIT_S:.0f} s"
        return [Finding(what, BAD, f"không trả lời trong {said}", f"no answer within {said}")]
    except Exception as exc:  # noqa: BLE001 - a doctor says what is wrong, whatever it is
        return [_broken(what, exc)]


def _broken(what: str, exc: BaseException) -> Finding:
    faults = getattr(exc, "faults", ())
    said = "; ".join(f.en for f in faults) or (
        exc.public if isinstance(exc, GatewayError) else f"{type(exc).__name__}: {exc}"
    )
    cause = exc.__cause__
    if cause is not None and str(cause) not in said:
        said = f"{said} ({type(cause).__name__}: {cause})"
    vi = "; ".join(f.vi for f in faults)
    return Finding(what, BAD, vi or "không dùng được", said, _NEXT.get(what, ""))


_NEXT: Final[Mapping[str, str]] = {
    "ledger": "vanlien ledger status",
    "blobs": "[blobs]",
    "broker": "vanlien broker declare --diff",
    "agencies_amqp": "vanlien broker agencies --diff",
    "receipt key": "vanlien receipts key list",
    "tls": "[http] tls_cert, tls_key",
    "backup": "vanlien backup",
    "scan": "systemctl status clamav-daemon",
}


# ---------------------------------------------------------------- the ledger, and what it knows


def _ledger(settings: Settings) -> list[Finding]:
    found = stores.ledger_status(settings)
    if found.fault:
        vi, _, en = found.fault.partition(" / ")
        return [Finding("ledger", BAD, vi, en or vi, "vanlien ledger status")]
    if found.works_since < found.revision:
        told = f"{found.where}, {found.revision}"
        return [
            Finding(
                "ledger",
                OK,
                f"{told}; nâng cấp còn bước hai",
                f"{told}; the second half of an upgrade is open",
                "vanlien ledger upgrade --finish",
            )
        ]
    return [_well("ledger", f"{found.where}, {found.revision}")]


def _nodes(settings: Settings) -> list[Finding]:
    if settings.file is None or stores.ledger_fault(settings):
        return []
    now = datetime.now(UTC)
    with stores.open_operations(settings.file) as ledger:
        nodes, maintenance = ledger.nodes(), ledger.maintenance()
    up = [n.name for n in nodes if n.state == "up" and now - n.seen_at <= _SILENT]
    silent = [n.name for n in nodes if n.state != "down" and now - n.seen_at > _SILENT]
    found = [_well("nodes", ", ".join(up))] if up else []
    if silent:
        names = ", ".join(silent)
        vi, en = f"im lặng: {names}", f"silent: {names}"
        found.append(Finding("nodes", BAD, vi, en, "journalctl -u vanlien"))
    if not nodes or not (up or silent):
        vi, en = "không có tiến trình nào đang chạy", "no node is up"
        found.append(Finding("nodes", WARNING, vi, en, "vanlien serve"))
    for one in maintenance:
        name = one.node or "tất cả / all"
        vi, en = f"đang bảo trì: {name}: {one.reason}", f"maintenance of {name}"
        found.append(Finding("nodes", WARNING, vi, en, "vanlien maintenance off"))
    return found


def _queue(settings: Settings) -> list[Finding]:
    if settings.file is None or stores.ledger_fault(settings):
        return []
    from gateway.ports.operations import Matching

    with stores.open_operations(settings.file) as ledger:
        failed = ledger.count(Matching("failed"))
        waiting = ledger.count(Matching("open")) - failed
        holds = ledger.holds()
    found = []
    for held in holds:
        if held.kind == "breaker":
            vi, en = f"đích {held.subject} không phản hồi", f"{held.subject} does not answer"
            found.append(Finding("queue", WARNING, vi, en, "vanlien queue list --state held"))
    if failed:
        vi, en = f"{failed} thư lỗi", f"{failed} dead letters"
        found.append(Finding("queue", BAD, vi, en, "vanlien queue list --state failed"))
    return found or [Finding("queue", OK, f"{waiting} lượt đang chờ", f"{waiting} waiting")]


# ---------------------------------------------------------------- what stands around it


def _blobs(settings: Settings) -> list[Finding]:
    blobs = stores.open_blobs(settings)
    try:
        kept = asyncio.run(blobs.put(_LETTER))
        back = b"".join(blobs.chunks(kept.sha256))
        blobs.delete_if_older(kept.sha256, 0.0)
    finally:
        blobs.close()
    where = settings.blobs.url or str(settings.blobs.dir)
    if back != _LETTER:
        vi, en = f"{where}: đọc lại khác lúc ghi", f"{where}: other bytes come back"
        return [Finding("blobs", BAD, vi, en, _NEXT["blobs"])]
    return [_well("blobs", where)]


def _spools(settings: Settings) -> list[Finding]:
    if not settings.spools:
        return []
    from adapters.spool.folder import Folder

    found = []
    for told in settings.spools:
        what = f"spool:{told.system}"
        try:
            Folder(told.folder, told.system).check()
            found.append(_well(what, str(told.folder)))
        except GatewayError as exc:
            vi, en = f"{told.folder}: không dùng được", f"{told.folder}: {exc.public}"
            found.append(Finding(what, BAD, vi, en, "vanlien spool init"))
    return found


def _scan(settings: Settings) -> list[Finding]:
    clock = SystemClock()
    told, scanner = settings.scan, scanner_of(settings, clock)
    if scanner is None:
        return [Finding("scan", OK, "không quét mã độc", "files are not scanned")]
    version = asyncio.run(scanner.version())
    if version is None:
        weight = BAD if told.mode == "required" else WARNING
        vi, en = f"{told.clamd}: không trả lời", f"{told.clamd}: no answer"
        return [Finding("scan", weight, vi, en, _NEXT["scan"])]
    if version.dated is None or clock.now() - version.dated <= told.max_age:
        return [_well("scan", version.text)]
    vi, en = f"bộ mẫu mã độc cũ: {version.text}", f"old signatures: {version.text}"
    return [Finding("scan", WARNING, vi, en, "freshclam")]


def _broker(settings: Settings) -> list[Finding]:
    if not brokers.outside(settings):
        return [Finding("broker", OK, "trong tiến trình", "inside the process")]
    from gateway.broker import amqp

    address, topics = brokers.address_of(settings), brokers.topics_of(settings)
    found = asyncio.run(amqp.examine(address, topics))
    missing = [one.queue.name for one in found if not one.there]
    differ = [one.queue.name for one in found if one.there and one.differs]
    if differ:
        vi, en = f"khai báo khác: {', '.join(differ)}", f"declared otherwise: {', '.join(differ)}"
        return [Finding("broker", WARNING, vi, en, _NEXT["broker"])]
    if missing:
        vi = f"thiếu {len(missing)} hàng đợi; máy chủ tự tạo khi cần"
        en = f"{len(missing)} queues are not made yet; a server makes them"
        return [Finding("broker", WARNING, vi, en, "vanlien broker declare")]
    return [_well("broker", settings.broker.url or "")]


def _agencies_amqp(settings: Settings) -> list[Finding]:
    if not brokers.agencies_outside(settings):
        return []
    from adapters.amqp import topology

    what, told = "agencies_amqp", settings.agencies_amqp
    server, names = brokers.agencies_server_of(settings), brokers.agencies_names_of(settings)
    found = asyncio.run(topology.examined(server, names, told.systems, make=False))
    differ = ", ".join(one.name for one in found if one.differs)
    missing = sum(not one.there for one in found)
    if differ:
        vi, en = f"khai báo khác: {differ}", f"declared otherwise: {differ}"
        return [Finding(what, WARNING, vi, en, _NEXT[what])]
    if strange := _not_systems(settings):
        vi, en = f"không phải hệ thống đang hoạt động: {strange}", f"no active system: {strange}"
        return [Finding(what, WARNING, vi, en, "vanlien system list")]
    if missing:
        vi = f"thiếu {missing} hàng đợi; máy chủ tự tạo khi chạy"
        en = f"{missing} queues are not made yet; a server makes them"
        return [Finding(what, WARNING, vi, en, "vanlien broker agencies")]
    return [_well(what, told.url or "")]


def _not_systems(settings: Settings) -> str:
    """Return who is to be brought something and cannot be: unknown, or locked."""
    if settings.file is None or stores.ledger_fault(settings):
        return ""
    with stores.open_admin(settings.file) as admin:
        active = {row.id for row in admin.systems() if row.status == "active"}
    return ", ".join(sorted(set(settings.agencies_amqp.systems) - active))


def _receipt_key(settings: Settings) -> list[Finding]:
    key, earlier = signing_now(receipt_keys_of(settings), SystemClock().now())
    key.sign("vanlien-doctor+jwt", {})
    before = f"{len(earlier)} khóa trước", f"{len(earlier)} before it"
    return [Finding("receipt key", OK, f"{key.kid}, {before[0]}", f"{key.kid}, {before[1]}")]


def _tls(settings: Settings) -> list[Finding]:
    path = settings.http.tls_cert
    if path is None:
        return [Finding("tls", OK, "chỉ nghe trong máy này", "listens on this machine only")]
    ends = expires_at(path.read_bytes())
    left = ends - datetime.now(UTC)
    state = BAD if left < timedelta(0) else WARNING if left < settings.keys.warn_before else OK
    return [
        Finding(
            "tls",
            state,
            f"còn {left.days} ngày",
            f"{left.days} days left",
            "" if state == OK else _NEXT["tls"],
        )
    ]


def _clock(settings: Settings) -> list[Finding]:
    server = settings.clock.ntp_server
    if server is None:
        vi, en = "chưa có máy chủ giờ; hồi báo ghi unverified", "no time server; receipts say so"
        return [Finding("clock", WARNING, vi, en, "[clock] ntp_server")]
    try:
        offset = asyncio.run(ask_ntp(server))
    except OSError as exc:
        vi, en = f"{server} không trả lời", f"{server}: {exc}"
        return [Finding("clock", WARNING, vi, en, "[clock] ntp_server")]
    told = f"{offset.total_seconds():+.3f} s"
    if abs(offset) > settings.clock.max_offset:
        return [Finding("clock", BAD, f"lệch {told}", f"off by {told}", "chronyc tracking")]
    return [Finding("clock", OK, f"lệch {told}", f"off by {told}")]


def _backup(settings: Settings) -> list[Finding]:
    found = []
    lost = [str(path) for path in settings.backup.to if not os.access(path, os.W_OK | os.X_OK)]
    if lost:
        names = ", ".join(lost)
        vi, en = f"không ghi được vào {names}", f"cannot write into {names}"
        found.append(Finding("backup", BAD, vi, en, "mount; [backup] to"))
    if stores.ledger_fault(settings):
        return found
    with keeping.opened(settings) as kept:
        good = kept.last_backup().get("good_at")
    if not good:
        vi, en = "chưa có bản sao lưu nào", "no backup yet"
        return [*found, Finding("backup", WARNING, vi, en, "vanlien backup --to …")]
    old = datetime.now(UTC) - datetime.fromisoformat(good) > settings.backup.warn_after
    if old:
        vi, en = f"bản tốt gần nhất quá cũ: {good}", f"the last good one is too old: {good}"
        return [*found, Finding("backup", BAD, vi, en, "vanlien backup")]
    return [*found, _well("backup", str(good))]


def _disk(settings: Settings) -> list[Finding]:
    folder = settings.gateway.data_dir
    free = shutil.disk_usage(folder if folder.exists() else Path.cwd()).free
    told = f"{free / 2**30:.1f} GiB"
    if free < int(settings.admission.disk_floor):
        vi, en = f"chỉ còn {told}: không nhận văn bản", f"only {told} free: nothing is accepted"
        return [Finding("disk", BAD, vi, en, "vanlien retention plan")]
    return [Finding("disk", OK, f"còn {told}", f"{told} free")]


async def _peer(settings: Settings, number: int) -> list[Finding]:
    peer = settings.peers[number]
    what = f"peer:{peer.id}"
    adapter = adapter_of(peer, SystemClock())
    try:
        async with asyncio.timeout(_WAIT_S):
            await adapter.probe()
    except TimeoutError:
        return [Finding(what, BAD, "không trả lời", "no answer", "[[peer]] endpoint")]
    except GatewayError as exc:
        return [Finding(what, BAD, "không trả lời", exc.public, "[[peer]] endpoint")]
    finally:
        await adapter.close()
    return [_well(what, str(peer.endpoint))]


def _well(what: str, told: str) -> Finding:
    return Finding(what, OK, told, told)
