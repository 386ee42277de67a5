"""`vanlien receipts heads`: tree heads that an authority outside has time-stamped (AUD-06).

Each is checked on the way: the log as it is now has the stamped root at that size, a receipt key of
this gateway signed the head, the token is about this head. `--output` writes head and token as two
files, for whoever keeps them elsewhere. Reads only, but for the newest head, which is signed first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, local_iso
from gateway.cli.frame import OK, UsageFault, emit, examples
from gateway.errors import IntegrityError

if TYPE_CHECKING:
    from gateway.store.receipts import LedgerReceipts, StampedHead

BROKEN = 1
_Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Thư mục ghi đầu cây và dấu thời gian. / Folder to write them to."
    ),
]


def heads(
    output: _Output = None,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đầu cây đã có dấu thời gian của bên ngoài. / Tree heads stamped by an authority outside."""
    from gateway.stores import open_receipts

    with open_receipts(config) as source:
        rows = [_row(source, one, output) for one in source.stamped_heads()]
    broken = [row for row in rows if row["faults"]]
    columns = ("Mục / Entries", "Lúc / At", "Cơ quan cấp dấu / Authority", "Kiểm tra / Check")
    cells = [
        (str(r["size"]), r["stamped_at"], r["authority"], "; ".join(r["faults"]) or "tốt / good")
        for r in rows
    ]
    human: Any = common.table("Đầu cây đã đóng dấu thời gian / Stamped tree heads", columns, cells)
    if not rows:
        human = (
            "Chưa có đầu cây nào được đóng dấu thời gian: đặt tsa_url của [reports.seal]. "
            "/ None is stamped: set tsa_url of [reports.seal].\n"
        )
    emit({"heads": rows, "good": not broken}, human, as_json)
    return BROKEN if broken else OK


def _row(source: "LedgerReceipts", one: "StampedHead", output: Path | None) -> dict[str, Any]:
    if output is not None and one.jws:
        _write(output, f"head-{one.size}.jws", one.jws.encode("ascii"))
        _write(output, f"head-{one.size}.tst", one.token)
    return {
        "size": one.size,
        "root": one.root,
        "stamped_at": local_iso(one.stamped_at) or "",
        "authority": one.authority,
        "faults": _faults(source, one),
    }


def _faults(source: "LedgerReceipts", one: "StampedHead") -> Sequence[str]:
    """Return what does not hold of a stamped head, in both languages."""
    from gateway.receipts.proof import load_keys
    from gateway.receipts.sign import verify_tree_head
    from gateway.seal.timestamps import StampError, stamped

    found = []
    signed = None
    for pem in source.public_keys():
        for public in load_keys(pem.encode()).values():
            try:
                signed = signed or verify_tree_head(one.jws, public)
            except ValueError:
                continue
    if signed is None or (signed.size, signed.root.hex()) != (one.size, one.root):
        found.append("đầu cây không phải của cổng này ký / the head is not signed by this gateway")
    try:
        said = stamped(one.token, one.jws.encode())
    except StampError as exc:
        found.append(f"dấu thời gian không phải của đầu cây này / the stamp: {exc}")
    else:
        if said.at != one.stamped_at:
            found.append("thời điểm ghi khác thời điểm trong dấu / another time than the stamp's")
    try:
        now = source.root(one.size).hex()
    except IntegrityError:
        now = ""
    if now != one.root:
        found.append("nhật ký đã bị viết lại / the log was written anew")
    return found


def _write(folder: Path, name: str, data: bytes) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    except OSError as exc:
        raise UsageFault(
            f"Không ghi được {folder / name}: {exc.strerror}",
            f"cannot write {folder / name}: {exc.strerror}",
        ) from exc


def register(group: typer.Typer) -> None:
    """Add `receipts heads`."""
    group.command(
        "heads",
        epilog=examples(
            "vanlien receipts heads",
            "vanlien receipts heads --output /mnt/luu-noi-khac/dau-cay",
            "vanlien receipts verify so.jsonl --key receipts.pub.pem --head head-1200.jws",
            "openssl ts -verify -token_in -in head-1200.tst -data head-1200.jws -CAfile ca.pem",
            exits="0 tốt / good · 1 có chỗ sai / something does not hold",
        ),
    )(heads)
