"""Pieces that several commands share: options, the acting person, tables, the open ledger.

Nothing here keeps state. Heavy modules are imported where used.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.frame import UsageFault

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from gateway.ports import AdminStore
    from gateway.ports.agencies import AgencyStore

CONFIG_NAME: Final = "vanlien.toml"
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Trả lời bằng một đối tượng JSON. / Answer as one JSON object."),
]
ConfigOption = Annotated[
    Path,
    typer.Option("--config", help="Tệp cấu hình. / Settings file.", envvar="VANLIEN_CONFIG"),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Lý do, ghi vào nhật ký. / Why; kept in the audit log.")
]
_VIETNAM: Final = timezone(timedelta(hours=7))


def opened(config: Path) -> AbstractContextManager["AdminStore"]:
    """Open the ledger behind a settings file for administration."""
    from gateway.stores import open_admin

    return open_admin(config)


def opened_agencies(config: Path) -> AbstractContextManager["AgencyStore"]:
    """Open the ledger behind a settings file for bulk changes of the catalogue."""
    from gateway.stores import open_agencies

    return open_agencies(config)


def actor() -> str:
    """Return who is at the keyboard, for the audit log; behind sudo, the one who called it."""
    import pwd

    behind = os.environ.get("SUDO_USER")
    if behind:
        return behind
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return f"uid {os.getuid()}"


def stated(reason: str) -> str:
    """Return a reason that says something, or refuse."""
    text = " ".join(reason.split())
    if not text:
        raise UsageFault("--reason phải nêu lý do", "--reason must say why")
    return text


def registrable(code: str) -> str:
    """Return a code that may be registered (ID-03), or refuse."""
    from gateway.domain.identifiers import registration_findings

    for finding in registration_findings(code):
        raise UsageFault(finding.vi, finding.en)
    return code


def local_iso(at: datetime | None) -> str | None:
    """Return an instant as TIM-01 writes it: ISO 8601 with `+07:00`, to the second."""
    return None if at is None else at.astimezone(_VIETNAM).isoformat(timespec="seconds")


def moment(text: str, option: str) -> datetime:
    """Return the instant an option names, or refuse: ISO 8601 with a time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageFault(
            f"{option}: «{text}» không phải thời gian ISO 8601; ví dụ 2026-11-22T12:00:00+07:00.",
            f"{option}: {text!r} is not an ISO 8601 time, like 2026-11-22T12:00:00+07:00",
        ) from exc
    if found.tzinfo is None:
        raise UsageFault(
            f"{option}: «{text}» thiếu múi giờ; thêm +07:00 hoặc Z.",
            f"{option}: {text!r} has no time zone; add +07:00 or Z",
        )
    return found.astimezone(UTC)


def read_size(option: str, text: str) -> int:
    """Return the bytes an option names, as a setting would, or refuse."""
    from pydantic import TypeAdapter, ValidationError

    from gateway.config.kinds import Size

    try:
        return int(TypeAdapter(Size).validate_python(text))
    except ValidationError as exc:
        raise UsageFault(
            f"{option}: «{text}» không phải kích thước; ví dụ «50 MiB»",
            f"{option}: {text!r} is no size, like '50 MiB'",
        ) from exc


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table | Text":
    """Return a table for people; cells are never read as markup, nor by the terminal."""
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    if not rows:
        return Text(f"{title}: không có / none")
    grid = Table(title=Text(title), title_justify="left", show_lines=False)
    for column in columns:
        grid.add_column(Text(column), overflow="fold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else _still(str(cell))) for cell in row))
    return grid


def _still(text: str) -> str:
    """Return a cell's text without what could steer a terminal: it may be a stranger's."""
    return "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "·" for c in text)
