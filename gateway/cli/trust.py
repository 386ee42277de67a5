"""`vanlien trust`: whom this gateway trusts, as what and since when, and what is wrong with that.

Promises: nothing here changes anything; every fault of the folder is told at once; exit codes are 0
for a folder that holds, 1 for one with faults, 64 for wrong use. Changes are `trust import` and
`trust remove`.
"""

import importlib
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

# Modules that put their own commands on the group: each has `register(group)`.
COMPANIONS: Final[tuple[str, ...]] = ()

TrustOption = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="DIR",
        help="Thư mục chứng thư tin cậy; không có thì theo --config. / Trust folder.",
    ),
]
SettingsOption = Annotated[
    Path,
    typer.Option("--config", help="Tệp cấu hình. / Settings file.", envvar="VANLIEN_CONFIG"),
]


def register(app: typer.Typer) -> None:
    """Add `trust list` and what the companions bring."""
    group = typer.Typer(help="Kho chứng thư tin cậy. / Whom the gateway trusts.")
    group.command(
        "list", epilog=examples("vanlien trust list", "vanlien trust list --trust trust --json")
    )(list_trust)
    for name in COMPANIONS:
        importlib.import_module(f"gateway.cli.{name}").register(group)
    app.add_typer(group, name="trust")


def folder_of(trust: Path | None, config: Path) -> Path:
    """Return the trust folder meant: the one given, or that of the settings.

    Raises:
        UsageFault: It is no folder.
        ConfigurationError: The settings cannot be read.
    """
    if trust is None:
        from gateway.config import load

        trust = load(config).verify.trust_dir
    if not trust.is_dir():
        raise UsageFault(
            f"Không có thư mục chứng thư tin cậy này: {trust}.", f"No such trust folder: {trust}"
        )
    return trust


def list_trust(
    *,
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê gốc tin cậy. / List the authorities trusted."""
    from gateway.trust.anchors import TrustStore

    store = TrustStore.load(folder_of(trust, config))
    rows = [{"name": c.subject.human_friendly, "sha256": c.sha256.hex()} for c in store.anchors]
    human = common.table(
        "Gốc tin cậy / Anchors", ("Tên", "SHA-256"), [list(r.values()) for r in rows]
    )
    emit({"authorities": rows}, human, as_json)
    return OK
