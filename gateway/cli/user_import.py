"""`vanlien user import`: accounts from a list (CSV or XLSX), after showing what it would change.

A list is read whole and strictly: every fault with its line, and nothing is done while there is
one. Accounts and roles are added, names and mails brought up to date; nothing is taken away. Cut
short, the same command does the rest.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, USAGE, UsageFault, emit, examples
from gateway.cli.user_desk import Desk, on_desk, role_of

if TYPE_CHECKING:
    from gateway.domain.access import Grant
    from gateway.ports.accounts import Account, NewAccount

COLUMNS: Final = ("login", "name", "agency", "mail", "roles", "request_ref")
_REQUIRED: Final = ("login", "name", "agency", "request_ref")
_MOST: Final = 20_000
_MAX_BYTES: Final = 16 * 2**20
_SHOWN: Final = 50


@dataclass(slots=True)
class Line:
    """One line of the list, and what it would do.

    Args:
        line: Number in the file; 1 is the header.
        new: The account it names.
        grants: Roles it names.
        known: The account there is, None for a new one.
        changed: Names of columns that differ.
        lacking: Roles it has not yet.
    """

    line: int
    new: "NewAccount"
    grants: "tuple[Grant, ...]"
    known: "Account | None" = None
    changed: list[str] = field(default_factory=list)
    lacking: "list[Grant]" = field(default_factory=list)

    @property
    def action(self) -> str:
        """Return what would happen: `add`, `change`, `same`."""
        if self.known is None:
            return "add"
        return "change" if self.changed or self.lacking else "same"

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "line": self.line,
            "login": self.new.login,
            "action": self.action,
            "changed": self.changed,
            "roles": [f"{g.role}@{g.agency}" for g in self.lacking],
        }


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int
    vi: str
    en: str


def register(group: typer.Typer) -> None:
    """Add `user import`."""
    group.command(
        "import",
        epilog=examples(
            "vanlien user import can-bo.xlsx --dry-run",
            "vanlien user import can-bo.csv --links duong-dan.csv",
            exits="0 xong / done · 64 danh sách có lỗi / the list has faults",
        ),
    )(import_list)


def import_list(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, readable=True, help="CSV hoặc XLSX."
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Chỉ so sánh. / Check and compare only.")
    ] = False,
    links: Annotated[
        Path | None,
        typer.Option(
            "--links",
            help="Ghi đường dẫn mời ra tệp CSV mới, chỉ chủ tệp đọc được. / Where the invitations "
            "are written: a new CSV for the owner alone.",
        ),
    ] = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nhập danh sách tài khoản và vai trò. / Take over a list of accounts and roles."""
    from gateway.secrets import write_private

    lines, faults = _read(path)

    async def work(desk: Desk) -> None:
        if not faults:
            faults.extend(await _compare(desk, lines))
        if faults or dry_run:
            return
        if any(one.known is None for one in lines) and (links is None or links.exists()):
            raise UsageFault(
                "--links phải là tệp chưa có: danh sách có tài khoản mới cần đường dẫn mời",
                "--links must name a new file: the list has new accounts to be invited",
            )
        if links is not None and not links.exists():
            write_private(links, b"login,link\r\n")
        for one in lines:
            made = await _carry_out(desk, one)
            if made is not None and links is not None:
                _append(links, made)

    on_desk(config, work)
    return _told(lines, faults, done=not (faults or dry_run), as_json=as_json)


def _told(lines: Sequence[Line], faults: Sequence[_Fault], *, done: bool, as_json: bool) -> int:
    counts = {name: sum(one.action == name for one in lines) for name in ("add", "change", "same")}
    payload = {
        "done": done,
        "counts": counts,
        "lines": [one.shown() for one in lines if one.action != "same"],
        "faults": [{"line": f.line, "vi": f.vi, "en": f.en} for f in faults],
    }
    if faults:
        human = "\n".join(
            f"  dòng / line {f.line}: {f.vi} / {f.en}" for f in sorted(faults, key=lambda f: f.line)
        )
        emit(payload, human, as_json)
        return USAGE
    rows = [
        (one.line, one.new.login, one.new.name, {"add": "thêm", "change": "sửa"}[one.action],
         ", ".join([*one.changed, *(f"+{g.role}@{g.agency}" for g in one.lacking)]))
        for one in lines if one.action != "same"
    ][:_SHOWN]  # fmt: skip
    title = (
        f"{counts['add']} thêm / added, {counts['change']} sửa / changed, {counts['same']} không "
        f"đổi / same{'' if done else ' — chưa thực hiện / nothing done yet'}"
    )
    columns = ("Dòng", "Tài khoản", "Họ tên", "Việc", "Thay đổi")
    emit(payload, common.table(title, columns, rows) if rows else title, as_json)
    return OK


# ---------------------------------------------------------------- reading


def _read(path: Path) -> tuple[list[Line], list[_Fault]]:
    if path.stat().st_size > _MAX_BYTES:
        raise UsageFault("tệp quá lớn (16 MiB)", "the file is too large (16 MiB)")
    data = path.read_bytes()
    rows = list(_xlsx(data) if data[:2] == b"PK" else _csv(data))
    header = [str(cell).strip().casefold() for cell in (rows[0] if rows else ())]
    faults = [
        *(_Fault(1, f"cột lạ “{n}”", f"unknown column “{n}”") for n in header if n not in COLUMNS),
        *(_Fault(1, f"thiếu cột “{n}”", f"no column “{n}”") for n in _REQUIRED if n not in header),
    ]
    if len(rows) > _MOST:
        faults.append(_Fault(1, f"quá {_MOST} dòng", f"more than {_MOST} lines"))
    if faults:
        return [], faults
    lines, seen, boxes = [], dict[str, int](), dict[str, int]()
    for number, row in enumerate(rows[1:], start=2):
        cells = dict(zip(header, (str(c).strip() for c in row), strict=False))
        if not any(cells.values()):
            continue
        line, wrong = _line(number, cells)
        before = seen.setdefault(line.new.login, number)
        if before != number:
            wrong.append((f"trùng dòng {before}", f"the same login as line {before}"))
        box = boxes.setdefault(line.new.mail, number) if line.new.mail else number
        if box != number:
            wrong.append((f"trùng thư điện tử dòng {box}", f"the same mailbox as line {box}"))
        lines.append(line)
        faults += [_Fault(number, vi, en) for vi, en in wrong]
    return lines, faults


def _line(number: int, cells: dict[str, str]) -> tuple[Line, list[tuple[str, str]]]:
    from gateway.domain.access import Grant
    from gateway.ports.accounts import NewAccount
    from gateway.programs.accounts.checks import account_faults
    from gateway.programs.accounts.managing import cleaned

    told = {name: cells.get(name, "") for name in COLUMNS if name != "roles"}
    new = cleaned(NewAccount(**told))
    wrong = [(one.vi, one.en) for one in account_faults(new)]
    if not new.request_ref:
        wrong.append(("thiếu số văn bản đề nghị (request_ref)", "request_ref is missing"))
    grants = []
    for text in cells.get("roles", "").replace(",", " ").replace(";", " ").split():
        try:
            role, agency = role_of(text)
            grants.append(Grant(role, agency or new.agency))
        except UsageFault as fault:
            wrong.append((fault.vi, fault.en))
    return Line(number, new, tuple(grants)), wrong


def _csv(data: bytes) -> Iterable[Sequence[object]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise UsageFault(f"dòng {line}: không phải UTF-8", f"line {line}: is not UTF-8") from exc
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as exc:
        raise UsageFault(f"CSV hỏng: {exc}", f"broken CSV: {exc}") from exc


def _xlsx(data: bytes) -> Iterable[Sequence[object]]:
    from zipfile import BadZipFile, ZipFile

    import openpyxl

    try:
        with ZipFile(io.BytesIO(data)) as packed:
            if sum(one.file_size for one in packed.infolist()) > 20 * _MAX_BYTES:
                raise UsageFault("bảng tính quá lớn khi giải nén", "the sheet unpacks to too much")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            for row in book.worksheets[0].iter_rows(values_only=True, max_row=_MOST + 2):
                yield ["" if cell is None else cell for cell in row]
        finally:
            book.close()
    except (BadZipFile, KeyError, ValueError, IndexError, OSError) as exc:
        raise UsageFault("không đọc được bảng tính XLSX", "the XLSX cannot be read") from exc


# ---------------------------------------------------------------- comparing, doing


async def _compare(desk: Desk, lines: Sequence[Line]) -> list[_Fault]:
    from gateway.domain.rights import conflicts

    faults = []
    agencies: dict[str, list[Any]] = {}
    for one in lines:
        for code in {g.agency for g in one.grants} - {one.new.agency}:
            if code not in agencies:
                agencies[code] = await desk.accounts.agency_faults(code)
            faults += [_Fault(one.line, text.vi, text.en) for text in agencies[code]]
        found = await desk.find(one.new.login)
        wrong = await desk.accounts.elsewhere_faults(one.new, found or "")
        faults += [_Fault(one.line, text.vi, text.en) for text in wrong]
        one.known = None if found is None else await desk.accounts.one(desk.me, found)
        has = [view.grant for view in one.known.grants] if one.known else []
        one.lacking = [
            g for g in one.grants if (g.role, g.agency) not in {(h.role, h.agency) for h in has}
        ]
        faults += [_Fault(one.line, t.vi, t.en) for t in conflicts([*has, *one.lacking])]
        if one.known is not None and one.known.state == "closed":
            faults.append(_Fault(one.line, "tài khoản đã đóng", "the account is closed"))
        if one.known is not None:
            pairs = (
                ("name", one.known.name, one.new.name),
                ("mail", one.known.mail, one.new.mail or one.known.mail),
                ("agency", one.known.agency, one.new.agency),
            )
            one.changed = [name for name, old, new in pairs if old != new]
    return faults


async def _carry_out(desk: Desk, one: Line) -> tuple[str, str] | None:
    """Do what a line says; return login and invitation of a new account."""
    made = None
    if one.known is None:
        made = await desk.accounts.add(desk.me, one.new)
        account_id = made.account.id
    else:
        account_id = one.known.id
        if one.changed:
            mail = one.new.mail or one.known.mail
            await desk.accounts.change(
                desk.me, account_id, name=one.new.name, mail=mail, agency=one.new.agency
            )
    if one.lacking:
        plan = await desk.accounts.plan(desk.me, account_id, add=one.lacking, revoke=())
        await desk.accounts.change_rights(
            desk.me, account_id, add=one.lacking, revoke=(), token=plan.token,
            request_ref=one.new.request_ref,
        )  # fmt: skip
    return None if made is None else (one.new.login, made.token and desk.link(made.token))


def _append(path: Path, made: tuple[str, str]) -> None:
    """Write one invitation at once: cut short, those made so far are not lost."""
    with path.open("a", encoding="utf-8", newline="") as out:
        csv.writer(out).writerow(made)
        out.flush()
        os.fsync(out.fileno())
