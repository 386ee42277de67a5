"""`vanlien`: one command, many hands. Registers every command module and runs one command line.

Importing this module is cheap and has no side effects; each command imports what it needs when it
runs, so that `vanlien --help` answers at once.
"""

import functools
import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from gateway import __version__
from gateway.cli import frame

COMMANDS: Final = (
    "init",
    "serve",
    "demo",
    "conformance",
    "simulate",
    "system",
    "agency",
    "user",
    "counter",
    "ledger",
    "queue",
    "inbox",
    "webhook",
    "alerts",
    "broker",
    "clock",
    "maintenance",
    "retention",
    "quarantine",
    "health",
    "doctor",
    "edxml",
    "verify",
    "trust",
    "reverify",
    "seal",
    "backup",
    "restore",
    "receipts",
    "secrets",
    "spool",
)

ABOUT: Final = """\
Cổng liên thông văn bản: nhận, kiểm tra, cấp số, xếp hàng, chuyển giao, hồi báo, và chứng minh được.

Document-interchange gateway: accept, verify, number, queue, deliver, receipt, and prove it.
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vanlien {__version__}")
        raise typer.Exit


@functools.cache
def application() -> typer.Typer:
    """Return the command line with every command registered."""
    app = typer.Typer(
        name="vanlien",
        add_completion=False,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        help=ABOUT,
        epilog=frame.examples(
            "vanlien demo",
            "vanlien init /srv/vanlien",
            "vanlien serve --config /srv/vanlien/vanlien.toml",
            "vanlien verify van-ban.pdf --trust certs --json",
        ),
    )

    @app.callback()
    def root(
        context: typer.Context,
        version: Annotated[
            bool,
            typer.Option(
                "--version",
                callback=_version,
                is_eager=True,
                help="In phiên bản rồi thoát. / Show the version.",
            ),
        ] = False,
    ) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    for name in COMMANDS:
        _register(app, name)
    return app


def _register(app: typer.Typer, name: str) -> None:
    importlib.import_module(f"gateway.cli.{name}").register(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of this process (or `argv`) and return the exit code."""
    return frame.run(application(), sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
