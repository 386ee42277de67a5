"""`vanlien secrets rekey`: another key protects the shared secrets in the ledger.

1. The next key is written beside the present one; running servers read both.
2. Every sealed secret is sealed under it, in one transaction.
3. It takes the place of the present one, which stays beside it as `.before`.

A crash at any point leaves every secret readable under one of the three files, and the command
given again goes on from there.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from collections.abc import Callable


def register(app: typer.Typer) -> None:
    """Add `secrets rekey`."""
    group = typer.Typer(help="Khóa bảo vệ các khóa chung / the key of shared secrets.")

    @group.callback()
    def root() -> None:
        """Khóa bảo vệ các khóa chung trong sổ cái. / The key that protects shared secrets."""

    group.command(
        "rekey",
        epilog=examples(
            "vanlien secrets rekey --reason 'đổi khóa hằng năm'",
            "vanlien secrets rekey --prepare --reason 'nhiều máy' --json",
        ),
    )(rekey)
    app.add_typer(group, name="secrets")


def rekey(
    reason: ReasonOption,
    *,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Chỉ tạo khóa tiếp theo, để chép sang các máy khác trước. / Only make the next "
            "key, to be copied to the other machines first.",
        ),
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Mã hóa lại mọi khóa chung bằng khóa mới. / Seal all shared secrets under a new key."""
    from gateway import secrets
    from gateway.config import load

    why = common.stated(reason)
    path = load(config).secrets.key_file
    following = secrets.next_key_file(path)
    if not following.exists():  # left by --prepare, or by a run that was cut off
        secrets.create_key_file(following)
    if prepare:
        human = (
            f"Khóa tiếp theo / next key: {following}\nChép sang mọi máy / copy it to each machine"
        )
        emit({"next": str(following), "resealed": 0}, human, as_json)
        return OK
    with common.opened(config) as store:
        count = store.reseal(_under(path), by=common.actor(), reason=why)
    secrets.follow_key_file(path)
    before = secrets.earlier_key_file(path)
    human = (
        f"{count} khóa chung đã mã hóa lại / shared secrets sealed anew\n"
        f"Khóa cũ / the key before: {before}; hủy khi mọi máy đã có khóa mới và bản sao lưu cũ "
        "không còn cần / destroy it once every machine has the new one and no older backup is "
        "needed"
    )
    emit({"key_file": str(path), "before": str(before), "resealed": count}, human, as_json)
    return OK


def _under(path: Path) -> "Callable[[str, str, bytes], bytes]":
    """Return what seals a secret under the next key, whichever of the keys opens it now."""
    from gateway import secrets

    new = secrets.read_key_file(secrets.next_key_file(path))
    known = secrets.read_key_files(path)

    def anew(system_id: str, credential_id: str, sealed: bytes) -> bytes:
        plain = secrets.open_with(known, sealed, system_id=system_id, credential_id=credential_id)
        return secrets.seal_secret(new, plain, system_id=system_id, credential_id=credential_id)

    return anew
