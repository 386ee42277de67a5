"""Accounts from a list (CSV or XLSX): what it would change, then, once confirmed, the change.

Promises: a list is read whole and strictly, every fault with its line, and nothing is done while
there is one; accounts and roles are added, names and mails brought up to date, nothing is taken
away; what a person does not administer is a fault (ACC-06). Cut short, the same list does the rest.
"""

import asyncio
import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.domain.access import EVERYWHERE, GATEWAY_ROLES, Grant, Person, Right, Role
from gateway.domain.machine import Text
from gateway.domain.rights import conflicts
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import (
    Account,
    Invitation,
    ListFault,
    ListLine,
    ListPlan,
    NewAccount,
    State,
)
from gateway.programs.accounts.checks import account_faults
from gateway.programs.accounts.managing import LedgerAccounts, cleaned
from gateway.programs.accounts.means import Means

COLUMNS: Final = ("login", "name", "agency", "mail", "roles", "request_ref")
_REQUIRED: Final = ("login", "name", "agency", "request_ref")
_MOST: Final = 20_000
_MAX_BYTES: Final = 16 * 2**20
_UNPACKED: Final = 64 * 2**20
# A sheet says itself how wide it is: a few bytes may claim 16 384 columns of a million rows.
_WIDEST: Final = 32


class ListError(Exception):
    """A file cannot be read as a list at all."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.text = Text(vi, en)


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
    new: NewAccount
    grants: tuple[Grant, ...]
    known: Account | None = None
    changed: list[str] = field(default_factory=list)
    lacking: list[Grant] = field(default_factory=list)

    @property
    def action(self) -> str:
        """Return what would happen: `add`, `change`, `same`."""
        if self.known is None:
            return "add"
        return "change" if self.changed or self.lacking else "same"

    def told(self) -> ListLine:
        """Return what is shown of it."""
        roles = tuple(f"{g.role}@{g.agency}" for g in self.lacking)
        return ListLine(
            self.line, self.new.login, self.new.name, self.action, tuple(self.changed), roles
        )

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "line": self.line,
            "login": self.new.login,
            "action": self.action,
            "changed": self.changed,
            "roles": [f"{g.role}@{g.agency}" for g in self.lacking],
        }


# ---------------------------------------------------------------- reading


def read(data: bytes) -> tuple[list[Line], list[ListFault]]:
    """Return the lines of a file and every fault that shows without the ledger.

    Raises:
        ListError: It is no list.
    """
    if len(data) > _MAX_BYTES:
        raise ListError("tệp quá lớn (16 MiB)", "the file is too large (16 MiB)")
    rows = list(_xlsx(data) if data[:2] == b"PK" else _csv(data))
    header = [str(cell).strip().casefold() for cell in (rows[0] if rows else ())]
    faults = [
        *(
            ListFault(1, f"cột lạ “{n}”", f"unknown column “{n}”")
            for n in header
            if n not in COLUMNS
        ),
        *(
            ListFault(1, f"thiếu cột “{n}”", f"no column “{n}”")
            for n in _REQUIRED
            if n not in header
        ),
    ]
    if len(rows) > _MOST:
        faults.append(ListFault(1, f"quá {_MOST} dòng", f"more than {_MOST} lines"))
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
        faults += [ListFault(number, vi, en) for vi, en in wrong]
    return lines, faults


def _line(number: int, cells: dict[str, str]) -> tuple[Line, list[tuple[str, str]]]:
    told = {name: cells.get(name, "") for name in COLUMNS if name != "roles"}
    new = cleaned(NewAccount(**told))
    wrong = [(one.vi, one.en) for one in account_faults(new)]
    if not new.request_ref:
        wrong.append(("thiếu số văn bản đề nghị (request_ref)", "request_ref is missing"))
    grants = []
    for text in cells.get("roles", "").replace(",", " ").replace(";", " ").split():
        try:
            name, _, agency = text.partition("@")
            grants.append(Grant(Role(name), agency or new.agency))
        except ValueError:
            known = ", ".join(Role)
            wrong.append((f"không có vai trò “{name}”: {known}", f"no role {name!r}: {known}"))
    return Line(number, new, tuple(grants)), wrong


def _csv(data: bytes) -> Iterable[Sequence[object]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise ListError(f"dòng {line}: không phải UTF-8", f"line {line}: is not UTF-8") from exc
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as exc:
        raise ListError(f"CSV hỏng: {exc}", f"broken CSV: {exc}") from exc


def _xlsx(data: bytes) -> Iterable[Sequence[object]]:
    from zipfile import BadZipFile, ZipFile

    import openpyxl

    try:
        with ZipFile(io.BytesIO(data)) as packed:
            if sum(one.file_size for one in packed.infolist()) > _UNPACKED:
                raise ListError("bảng tính quá lớn khi giải nén", "the sheet unpacks to too much")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            bounds = {"max_row": _MOST + 2, "max_col": _WIDEST}
            for row in book.worksheets[0].iter_rows(values_only=True, **bounds):
                cells = ["" if cell is None else cell for cell in row]
                while cells and cells[-1] == "":
                    cells.pop()
                yield cells
        finally:
            book.close()
    except (BadZipFile, KeyError, ValueError, IndexError, OSError) as exc:
        raise ListError("không đọc được bảng tính XLSX", "the XLSX cannot be read") from exc


# ---------------------------------------------------------------- comparing, doing


class LedgerLists:
    """See `ports.accounts.AccountLists`."""

    def __init__(self, means: Means, accounts: LedgerAccounts) -> None:
        self._means = means
        self._accounts = accounts

    async def plan(self, actor: Person, data: bytes) -> ListPlan:
        """Say what a list would do."""
        try:
            # Beside the loop: a sheet takes as long to unpack as who made it likes.
            lines, faults = await asyncio.to_thread(read, data)
        except ListError as broken:
            return ListPlan((), (ListFault(1, broken.text.vi, broken.text.en),), "")
        if not faults:
            faults = await self.compare(actor, lines)
        told = tuple(one.told() for one in lines)
        return ListPlan(told, tuple(faults), "" if faults else _token(data, told))

    async def take(self, actor: Person, data: bytes, token: str) -> Sequence[Invitation]:
        """Do what was shown."""
        try:
            lines, faults = await asyncio.to_thread(read, data)
        except ListError as broken:
            raise RejectedError(Reason.BAD_REQUEST, broken.text.en) from broken
        faults = faults or await self.compare(actor, lines)
        if faults or _token(data, tuple(one.told() for one in lines)) != token:
            raise RejectedError(Reason.CONFLICT, "something changed since the list was compared")
        made = [await self.carry_out(actor, one) for one in lines]
        return [one for one in made if one is not None]

    async def compare(self, actor: Person, lines: Sequence[Line]) -> list[ListFault]:
        """Fill in what each line would do; return what stands against it."""
        faults: list[ListFault] = []
        agencies: dict[str, list[Text]] = {}
        for one in lines:
            for code in {g.agency for g in one.grants} - {one.new.agency}:
                if code not in agencies:
                    agencies[code] = await self._accounts.agency_faults(code)
                faults += [ListFault(one.line, text.vi, text.en) for text in agencies[code]]
            faults += [ListFault(one.line, text.vi, text.en) for text in _beyond(actor, one)]
            faults += await self._line_faults(actor, one)
        return faults

    async def _line_faults(self, actor: Person, one: Line) -> list[ListFault]:
        row = await self._means.ledger.one("account_by_login", login=one.new.login)
        texts = await self._accounts.elsewhere_faults(one.new, "" if row is None else row["id"])
        if row is not None:
            try:
                one.known = await self._accounts.one(actor, row["id"])
            except RejectedError:
                return [ListFault(one.line, _TAKEN.vi, _TAKEN.en)]
        known = one.known
        has = [view.grant for view in known.grants] if known else []
        held = {(h.role, h.agency) for h in has}
        one.lacking = [g for g in one.grants if (g.role, g.agency) not in held]
        texts += conflicts([*has, *one.lacking])
        if known is not None:
            if known.state is State.CLOSED:
                texts.append(Text("tài khoản đã đóng", "the account is closed"))
            pairs = (
                ("name", known.name, one.new.name),
                ("mail", known.mail, one.new.mail or known.mail),
                ("agency", known.agency, one.new.agency),
            )
            one.changed = [name for name, old, new in pairs if old != new]
            if (one.changed or one.lacking) and not self._accounts.may_change(actor, known):
                texts.append(_NOT_YOURS)
        return [ListFault(one.line, text.vi, text.en) for text in texts]

    async def carry_out(self, actor: Person, one: Line) -> Invitation | None:
        """Do what a line says; return the invitation of a new account."""
        made = None
        if one.known is None:
            made = await self._accounts.add(actor, one.new)
            account_id = made.account.id
        else:
            account_id = one.known.id
            if one.changed:
                mail = one.new.mail or one.known.mail
                await self._accounts.change(
                    actor, account_id, name=one.new.name, mail=mail, agency=one.new.agency,
                    request_ref=one.new.request_ref,
                )  # fmt: skip
        if one.lacking:
            plan = await self._accounts.plan(actor, account_id, add=one.lacking, revoke=())
            await self._accounts.change_rights(
                actor, account_id, add=one.lacking, revoke=(), token=plan.token,
                request_ref=one.new.request_ref,
            )  # fmt: skip
        return None if made is None else Invitation(one.new.login, one.new.name, made.token)


_TAKEN: Final = Text("tên đăng nhập đã có người dùng", "the login is taken")
_NOT_YOURS: Final = Text(
    "tài khoản này không do bạn quản trị", "this account is not yours to administer"
)


def _beyond(actor: Person, one: Line) -> list[Text]:
    """Return what a line asks for outside of what a person administers (ACC-06)."""
    if actor.may(Right.ADMINISTER):
        return []
    mine = actor.agencies(Right.ACCOUNTS)
    found = []
    if one.new.agency not in mine or one.new.agency == EVERYWHERE:
        found.append(_NOT_YOURS)
    found += [
        Text(f"không được cấp {g.role}@{g.agency}", f"{g.role}@{g.agency} is not yours to grant")
        for g in one.grants
        if g.agency not in mine or g.role in GATEWAY_ROLES
    ]
    return found


def _token(data: bytes, lines: Sequence[ListLine]) -> str:
    """Return what confirms this very list with this very effect."""
    return hashlib.sha256(data + repr(lines).encode()).hexdigest()
