"""`vanlien spool`: folders as a door, for software that can do nothing but write and read files.

`init` makes a folder with its parts, rights and mark, and may be repeated; `status` looks at all
folders of the settings. Neither touches what lies in them.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples
from gateway.errors import UnavailableError

_ABOUT = "Thư mục thả tệp cho phần mềm không có API. / Folders as a door, for software with no API."
_LAYOUT = (
    "FOLDER/out/tmp: chuẩn bị tệp / prepare a file",
    "FOLDER/out/new: đổi tên vào đây để gửi / rename it here to send it",
    "FOLDER/out/cur: tệp đã nhận, kết quả bên cạnh / what was taken, results beside it",
    "FOLDER/in/new: văn bản và trạng thái đến / what came in, a folder each",
    "FOLDER/in/cur: chuyển vào đây khi đã vào hệ thống / move it here once it is in your system",
)


def register(app: typer.Typer) -> None:
    """Add `spool init|status`."""
    group = typer.Typer(help=_ABOUT)
    group.command(
        "init",
        epilog="\n\n".join(
            (
                *_LAYOUT,
                "Phần mềm của đơn vị chạy trong nhóm --group; cổng cũng phải thuộc nhóm đó.",
                "The agency's software is in the group of --group, and so is the gateway's user.",
                "Chạy bằng root thì ghi --owner: thư mục phải thuộc tài khoản của cổng.",
                "As root give --owner: the folder must belong to the gateway's user.",
                examples("vanlien spool init /srv/qlvb --system qlvb --group qlvb --owner vanlien"),
            )
        ),
    )(init)
    group.command("status", epilog=examples("vanlien spool status", "vanlien spool status --json"))(
        status
    )
    app.add_typer(group, name="spool")


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Thư mục. / The folder.")],
    system: Annotated[
        str, typer.Option("--system", help="Hệ thống thư mục làm thay. / Whose it is.")
    ],
    group: Annotated[
        str, typer.Option("--group", help="Nhóm của phần mềm. / Group of the software.")
    ] = "",
    owner: Annotated[
        str,
        typer.Option("--owner", help="Tài khoản của cổng. / The gateway's user."),
    ] = "",
    as_json: JsonOption = False,
) -> int:
    """Tạo thư mục, đúng quyền; làm lại được. / Make a folder with its rights; safe to repeat."""
    from adapters.spool.folder import MARKER, make

    name = system.strip()
    if not name or not name.isprintable():
        raise UsageFault("--system phải ghi tên hệ thống", "--system must name a system")
    place = folder.absolute()
    marker = place / MARKER
    if marker.exists() and marker.read_text(encoding="utf-8").strip() != name:
        raise UsageFault(
            f"{place} đã là thư mục của hệ thống khác", f"{place} is another system's already"
        )
    if not marker.exists() and place.exists() and any(place.iterdir()):
        raise UsageFault(
            f"{place} đã có tệp; chọn thư mục mới hoặc trống",
            f"{place} holds files already; choose a new or empty folder",
        )
    number, user = _group(group), _user(owner)
    try:
        make(place, name, number, user)
    except OSError as exc:
        raise UsageFault(
            f"không tạo được {place}: {exc.strerror}", f"{place} cannot be made: {exc.strerror}"
        ) from exc
    snippet = f'[[spool]]\nfolder = "{place}"\nsystem = "{name}"\n'
    human = (
        f"Đã tạo / made: {place}\nThêm vào tệp cấu hình rồi khởi động lại / add to the settings "
        f"and restart:\n\n{snippet}"
    )
    emit(
        {"folder": str(place), "system": name, "group": group, "settings": snippet}, human, as_json
    )
    return OK


def status(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Xem các thư mục đã khai báo. / Look at the folders of the settings."""
    from gateway.config import load

    found = [_look(one.folder, one.system) for one in load(config).spools]
    rows = [
        (f["system"], f["folder"], f["state"], f["out_new"], f["in_new"], f["in_cur"])
        for f in found
    ]
    columns = ("Hệ thống", "Thư mục", "Tình trạng", "out/new", "in/new", "in/cur")
    human = common.table("Thư mục / Folders", columns, rows)
    emit({"folders": found}, human, as_json)
    return OK


def _look(place: Path, system: str) -> dict[str, Any]:
    from adapters.spool.folder import IN_CUR, IN_NEW, OUT_NEW, Folder

    folder = Folder(place, system)
    told: dict[str, Any] = {"system": system, "folder": str(place)}
    parts = {"out_new": OUT_NEW, "in_new": IN_NEW, "in_cur": IN_CUR}
    try:
        folder.check()
        counts: dict[str, Any] = {key: len(folder.listed(part)) for key, part in parts.items()}
    except UnavailableError as exc:
        return told | {"state": exc.public} | dict.fromkeys(parts)
    return told | {"state": "ok"} | counts


def _user(name: str) -> int | None:
    import pwd

    if not name:
        return None
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise UsageFault(f"không có tài khoản {name}", f"there is no user {name}") from None


def _group(name: str) -> int | None:
    import grp

    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise UsageFault(f"không có nhóm {name}", f"there is no group {name}") from None
