"""`vanlien receipts`: export the receipt log, check an export offline, change the key.

`verify` needs no gateway, network or database. `export` writes beside the target and renames it
into place only when complete and durable: a crash leaves a `.part` file, never half an export.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli import receipts_heads, receipts_key
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, local_iso
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.receipts.bundle import Exported, ReceiptSource
    from gateway.receipts.proof import Head, PublicKey

_MAX_SMALL_FILE: Final = 1 << 20

_File = Annotated[Path, typer.Argument(metavar="FILE", help="Tệp đã xuất / the exported file.")]
_Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        help="Khóa công khai PEM của trục, nhiều lần được / the gateway's public keys, PEM; "
        "may be repeated.",
    ),
]
_Head = Annotated[
    Path | None,
    typer.Option("--head", help="Đầu cây giữ từ trước / a tree head got earlier."),
]
_Output = Annotated[Path, typer.Option("--output", "-o", help="Tệp ghi ra / file to write.")]
_Document = Annotated[
    str | None,
    typer.Option("--document", help="Chỉ một văn bản / only this document (id or DocumentId)."),
]


def verify(
    file: _File, key: _Keys = None, head: _Head = None, *, as_json: JsonOption = False
) -> int:
    """Kiểm tra tệp hồi báo, không cần mạng / check exported receipts offline."""
    from gateway.receipts.proof import verify_file

    report = verify_file(file, _keys(key or ()), head)
    emit(report.to_json(), report.to_text(), as_json)
    return report.exit_code


def export(
    output: _Output,
    document: _Document = None,
    head: _Head = None,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xuất sổ hồi báo để bên thứ ba kiểm tra / export receipts for a third party to check."""
    if head is not None and document is None:
        raise UsageFault(
            "--head khi xuất chỉ dùng cùng --document; xuất cả sổ thì dùng --head lúc kiểm tra",
            "export --head goes with --document; for the whole log give --head to verify",
        )
    earlier = _head(head)
    with _open_receipts(config) as source:
        exported = write_export(output, source, document=document, earlier=earlier)
    facts = {
        "file": str(output),
        "document": document,
        "entries": exported.entries,
        "tree_heads": exported.tree_heads,
        "acceptance_receipts": exported.acceptance_receipts,
        "tree_size": exported.tree_size,
        "root": exported.root,
        "sha256": exported.sha256,
        "size_bytes": exported.size_bytes,
    }
    human = (
        f"{output}: {exported.entries} mục / entries, cây / tree {exported.tree_size} "
        f"{exported.root}\n"
        f"Kiểm tra / check: vanlien receipts verify {output} --key PEM\n"
    )
    emit(facts, human, as_json)
    return OK


def write_export(
    output: Path,
    source: "ReceiptSource",
    *,
    document: str | None = None,
    earlier: "Head | None" = None,
) -> "Exported":
    """Write an export to `output`, which appears only when complete and durable.

    Raises:
        UsageFault: The file cannot be written.
        GatewayError: As `gateway.receipts.bundle.write_bundle` says.
    """
    from gateway.receipts.bundle import write_bundle

    at = local_iso(datetime.now(UTC)) or ""
    part = output.with_name(output.name + ".part")
    try:
        try:
            with part.open("wb") as out:
                exported = write_bundle(out, source, at=at, document=document, earlier=earlier)
                out.flush()
                os.fsync(out.fileno())
            part.replace(output)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        _sync_folder(output.parent)
    except OSError as exc:
        raise UsageFault(
            f"Không ghi được {output}: {exc.strerror}", f"cannot write {output}: {exc.strerror}"
        ) from exc
    return exported


def _open_receipts(config: Path) -> "AbstractContextManager[ReceiptSource]":
    from gateway.stores import open_receipts

    return open_receipts(config)


def _keys(paths: Iterable[Path]) -> "Mapping[str, PublicKey]":
    from gateway.receipts.proof import load_keys

    keys: dict[str, PublicKey] = {}
    for path in paths:
        try:
            keys |= load_keys(_small_file(path))
        except (OSError, ValueError) as exc:
            raise UsageFault(
                f"--key {path}: không phải khóa công khai Ed25519 hoặc P-256 dạng PEM",
                f"--key {path}: not an Ed25519 or P-256 public key in PEM ({exc})",
            ) from exc
    return keys


def _head(path: Path | None) -> "Head | None":
    from gateway.receipts.proof import read_head

    if path is None:
        return None
    try:
        return read_head(_small_file(path))
    except (OSError, ValueError) as exc:
        raise UsageFault(
            f"--head {path}: không phải đầu cây đã ký", f"--head {path}: not a signed tree head"
        ) from exc


def _small_file(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(_MAX_SMALL_FILE)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def register(app: typer.Typer) -> None:
    """Add `receipts verify` and `receipts export` to the command line."""
    group = typer.Typer(help="Hồi báo / receipts: export, verify.", no_args_is_help=True)
    group.command(
        "verify",
        epilog=examples(
            "vanlien receipts verify so.jsonl --key receipts.pub.pem",
            "vanlien receipts verify so.jsonl --key receipts.pub.pem --head head.jws",
            exits="0 tốt / good · 1 bị thay đổi / broken · 2 chưa rõ người ký / signer not pinned "
            "· 3 không đọc được / unreadable",
        ),
    )(verify)
    group.command(
        "export",
        epilog=examples(
            "vanlien receipts export --config vanlien.toml -o so.jsonl",
            "vanlien receipts export --document H37.02,2026/03/02,15/UBND-VP -o mot.jsonl",
        ),
    )(export)
    receipts_heads.register(group)
    receipts_key.register(group)
    app.add_typer(group, name="receipts")
