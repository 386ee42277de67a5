"""`vanlien trust import-crl|crls|fetch`: revocation lists by hand (SIG-42).

Promises: a list is taken only when a trusted authority signed it, and every refusal says why; what
was taken is kept for ever; a running server uses it at the next file. Works beside a running server
and without one. Exit codes: 0 all taken, or all in force; 1 something was refused, or a list is
missing or over.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples
from gateway.cli.trust import SettingsOption, TrustOption, folder_of

if TYPE_CHECKING:
    from asn1crypto import x509

    from gateway.trust.crl import RefusedListError
    from gateway.trust.lists import KnownList
    from gateway.verifier.revocation import AuthorityState, RevocationStore, Taken
    from gateway.verifier.watch import FetchReport, RevocationWatch

NOT_ALL: Final = 1
_HEAD_BYTES: Final = 1 << 20
_STATES: Final = {
    "ok": "còn hạn / in force",
    "ageing": "sắp hết hạn / ageing",
    "expired": "HẾT HẠN / EXPIRED",
    "missing": "CHƯA CÓ / MISSING",
    "ended": "CA đã hết hiệu lực / CA is over",
}
_OUTCOMES: Final = {
    "taken": "đã nhận / taken",
    "unchanged": "không đổi / unchanged",
    "refused": "TỪ CHỐI / REFUSED",
    "failed": "KHÔNG TẢI ĐƯỢC / FAILED",
}
_EXITS: Final = "0 đủ / all · 1 có lỗi, thiếu hoặc hết hạn / refused, missing or over"

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--revocation",
        metavar="DIR",
        help="Thư mục thông tin thu hồi; không có thì theo --config. / Revocation folder.",
    ),
]


def register(group: typer.Typer) -> None:
    """Add `trust import-crl`, `trust crls` and `trust fetch`."""
    group.command(
        "import-crl",
        epilog=examples(
            "vanlien trust import-crl cpcag2.crl",
            "vanlien trust import-crl crls/ --trust trust --revocation data/revocation --json",
            exits=_EXITS,
        ),
    )(import_crl)
    group.command(
        "crls",
        epilog=examples("vanlien trust crls", "vanlien trust crls --rebuild", exits=_EXITS),
    )(crls)
    group.command("fetch", epilog=examples("vanlien trust fetch --once --json", exits=_EXITS))(
        fetch
    )


def import_crl(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE|DIR", help="CRL hoặc trả lời OCSP, DER hay PEM. / Lists."),
    ],
    *,
    trust: TrustOption = None,
    revocation: StoreOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nạp danh sách thu hồi. / Take revocation lists and OCSP answers."""
    from gateway.verifier.dropfolder import take_file

    files = _files(source)
    issuers, _ = _issuers(folder_of(trust, config))
    store = _opened(_folder(revocation, config))
    try:
        results = [(path, *take_file(store, path, issuers)) for path in files]
    finally:
        store.close()
    payload = {
        "files": [
            {
                "file": path.name,
                "taken": [_taken_json(t) for t in taken],
                "refused": [{"vi": r.vi, "en": r.en} for r in refused],
            }
            for path, taken, refused in results
        ]
    }
    lines = [line for path, taken, refused in results for line in _told(path, taken, refused)]
    emit(payload, "\n".join(lines), as_json)
    return NOT_ALL if any(refused for _, _, refused in results) else OK


def crls(
    *,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Dựng lại chỉ mục từ các tệp đã lưu. / Remake the index."),
    ] = False,
    trust: TrustOption = None,
    revocation: StoreOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xem danh sách thu hồi của từng CA. / Show each authority's newest list."""
    from gateway.verifier.revocation import authorities_in

    issuers, beside = _issuers(folder_of(trust, config))
    folder = _folder(revocation, config)
    rebuilt: dict[str, Any] = {}
    if rebuild:
        store = _opened(folder, anew=True)
        try:
            count, lost = store.rebuild(issuers)
        finally:
            store.close()
        rebuilt = {"rebuilt": {"items": count, "unverified": lost}}
    now = datetime.now(UTC)
    states = authorities_in(folder, issuers, now, beside)
    payload = {**rebuilt, "authorities": [_state_json(s, now) for s in states]}
    rows = [_row(s, now) for s in states]
    columns = ("CA", "Số/No.", "Ban hành/Issued", "Hết hạn/Ends", "Tuổi/Age", "Dòng/Rows", "")
    human = common.table("Danh sách thu hồi / Revocation lists", columns, rows)
    emit(payload, human, as_json)
    bad = any(s.state in {"expired", "missing"} for s in states)
    return NOT_ALL if bad or rebuilt.get("rebuilt", {}).get("unverified") else OK


def fetch(
    *,
    once: Annotated[
        bool,
        typer.Option("--once", help="Hỏi mỗi địa chỉ một lần rồi dừng. / Ask once and stop."),
    ] = False,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tải danh sách từ các địa chỉ trong cấu hình. / Fetch from the addresses of the settings."""
    from gateway.config import load

    settings = load(config)
    if not settings.verify.revocation.urls:
        raise UsageFault(
            "Chưa có địa chỉ nào: đặt urls trong [verify.revocation].",
            "No addresses: set urls in [verify.revocation].",
        )
    store = _opened(settings.verify.revocation.dir)
    try:
        watch = _watch(store, config)
        if not once:
            asyncio.run(watch.run())
        reports = asyncio.run(watch.fetch())
    finally:
        store.close()
    lines = [_line(r) for r in reports]
    emit({"addresses": [asdict(r) for r in reports]}, "\n".join(lines), as_json)
    return NOT_ALL if any(r.outcome in {"refused", "failed"} for r in reports) else OK


# ---------------------------------------------------------------- pieces


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UsageFault(
            f"Không có tệp hay thư mục này: {source}.", f"No such file or folder: {source}"
        )
    found = sorted(p for p in source.iterdir() if p.is_file() and not p.name.startswith("."))
    found = [p for p in found if not _is_certificate(p)]
    if not found:
        raise UsageFault(f"Không có CRL nào trong {source}.", f"There is no CRL in {source}")
    return found


def _is_certificate(path: Path) -> bool:
    """Tell a PEM file without a list: certificates often lie beside lists."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b"-----BEGIN " in head and b"X509 CRL" not in head


def _folder(revocation: Path | None, config: Path) -> Path:
    if revocation is not None:
        return revocation
    from gateway.config import load

    return load(config).verify.revocation.dir


def _issuers(trust_dir: Path) -> "tuple[tuple[x509.Certificate, ...], tuple[KnownList, ...]]":
    """Return the authorities of a trust folder, and the lists that lie in it."""
    from gateway.trust.anchors import TrustStore

    store = TrustStore.load(trust_dir)
    return (*store.anchors, *store.intermediates), store.lists


def _opened(folder: Path, *, anew: bool = False) -> "RevocationStore":
    from gateway.verifier.revocation import RevocationStore

    return RevocationStore(folder, anew=anew)


def _watch(store: "RevocationStore", config: Path) -> "RevocationWatch":
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.policies import fetch_policy_of
    from gateway.verifier.fetch import Fetcher
    from gateway.verifier.watch import RevocationWatch, Watching

    settings = load(config)
    revocation = settings.verify.revocation
    watching = Watching(every=revocation.every, warn_before=revocation.warn_before)
    fetcher = Fetcher(fetch_policy_of(settings))
    return RevocationWatch(
        store, settings.verify.trust_dir, fetcher, SystemClock(), watching=watching
    )


def _told(path: Path, taken: "Sequence[Taken]", refused: "Sequence[RefusedListError]") -> list[str]:
    lines = [
        f"{path.name}: {'đã nhận / taken' if t.new else 'đã có / kept already'}: {t.issuer},"
        f" số / no. {t.number or '-'}, {common.local_iso(t.this_update)} →"
        f" {common.local_iso(t.next_update) or '-'}, {t.entries} dòng / entries"
        for t in taken
    ]
    return lines + [f"{path.name}: TỪ CHỐI / REFUSED: {r.vi} / {r.en}" for r in refused]


def _taken_json(taken: "Taken") -> dict[str, Any]:
    return {
        **asdict(taken),
        "this_update": common.local_iso(taken.this_update),
        "next_update": common.local_iso(taken.next_update),
    }


def _state_json(state: "AuthorityState", now: datetime) -> dict[str, Any]:
    return {
        **asdict(state),
        "this_update": common.local_iso(state.this_update),
        "next_update": common.local_iso(state.next_update),
        "age_s": None
        if state.this_update is None
        else int((now - state.this_update).total_seconds()),
    }


def _row(state: "AuthorityState", now: datetime) -> list[object]:
    age = "" if state.this_update is None else f"{(now - state.this_update).days} d"
    return [
        state.issuer,
        state.number,
        common.local_iso(state.this_update) or "",
        common.local_iso(state.next_update) or "",
        age,
        state.entries if state.this_update and state.entries >= 0 else "",
        _STATES[state.state],
    ]


def _line(report: "FetchReport") -> str:
    return f"{report.url}: {_OUTCOMES[report.outcome]}: {report.vi} / {report.en}"
