"""`vanlien user`: personal accounts, from the machine itself.

Beside a running server, which sees a change at its next request. Whoever may run this holds the
ledger and its keys anyhow, so nothing is asked but what the audit log must say; nothing is deleted.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.cli import common, user_import
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples
from gateway.cli.user_desk import STATE_VI, Desk, link_text, on_desk, role_of, shown

if TYPE_CHECKING:
    from gateway.ports.accounts import Account, RightsPlan

T = TypeVar("T")

LoginArgument = Annotated[str, typer.Argument(metavar="LOGIN", help="Tên đăng nhập. / The login.")]
ReferenceOption = Annotated[
    str,
    typer.Option(
        "--reference", help="Số văn bản đề nghị. / Number of the document that asks for it."
    ),
]
RoleArgument = Annotated[
    str, typer.Argument(metavar="ROLE[@AGENCY]", help="Vai trò, cơ quan. / Role and agency.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Đã xem, xác nhận thay đổi. / Seen, and confirmed.")
]


def register(app: typer.Typer) -> None:
    """Add `user first|add|list|show|grant|revoke|lock|unlock|reset|sessions|close|import`."""
    group = typer.Typer(help="Tài khoản cá nhân. / Personal accounts.")
    group.command("first", epilog=examples("vanlien user first"))(first)
    group.command(
        "add",
        epilog=examples(
            "vanlien user add lan --name 'Trần Thị Lan' --agency H37.61 --reference 12/SNV-VP",
            "vanlien user add vanhanh --name 'Vũ Vận Hành' --reference 13/SNV-VP",
        ),
    )(add)
    group.command(
        "list",
        epilog=examples("vanlien user list", "vanlien user list 'tran thi' --agency H37.61"),
    )(list_users)
    group.command("show", epilog=examples("vanlien user show lan"))(show)
    group.command(
        "grant",
        epilog=examples(
            "vanlien user grant lan clerk@H37.61 --reference 12/SNV-VP",
            "vanlien user grant lan clerk@H37.61 --reference 12/SNV-VP --yes",
            "vanlien user grant vanhanh provider_ops --reference 13/SNV-VP --yes",
        ),
    )(grant)
    group.command(
        "revoke",
        epilog=examples("vanlien user revoke lan clerk@H37.61 --reference 45/SNV-VP --yes"),
    )(revoke)
    group.command("lock", epilog=examples("vanlien user lock lan --code a --reference 45/QĐ-SNV"))(
        lock
    )
    group.command("unlock", epilog=examples("vanlien user unlock lan --reference 50/QĐ-SNV"))(
        unlock
    )
    group.command(
        "reset",
        epilog=examples(
            "vanlien user reset lan --reason 'Quên mật khẩu'",
            "vanlien user reset lan --factor --reason 'Mất điện thoại'",
        ),
    )(reset)
    group.command(
        "sessions",
        epilog=examples(
            "vanlien user sessions lan", "vanlien user sessions lan --end --reason 'Máy bị mất'"
        ),
    )(sessions)
    group.command(
        "close",
        epilog=examples("vanlien user close lan --reference 60/QĐ-SNV --successor mai"),
    )(close)
    user_import.register(group)
    app.add_typer(group, name="user")


# ---------------------------------------------------------------- making


def first(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Đường dẫn một lần cho quản trị đầu tiên. / One-time link for the first administrator."""
    desk, token = _run(config, lambda d: _with_desk(d, d.accounts.first(d.me)))
    emit(
        {"link": desk.link(token)}, link_text("quản trị / administrator", desk.link(token)), as_json
    )
    return OK


async def _with_desk(desk: Desk, work: Awaitable[T]) -> tuple[Desk, T]:
    return desk, await work


def add(
    login: LoginArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="Họ và tên. / Full name.")],
    reference: ReferenceOption,
    agency: Annotated[
        str, typer.Option("--agency", help='Cơ quan; "": của cổng. / Its agency.')
    ] = "",
    mail: Annotated[str, typer.Option("--mail", help="Thư điện tử. / Mail.")] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tạo tài khoản và đường dẫn mời. / Make an account, and its invitation."""
    from gateway.ports.accounts import NewAccount

    new = NewAccount(login, name, agency, mail, common.stated(reference))
    desk, made = _run(config, lambda d: _with_desk(d, d.accounts.add(d.me, new)))
    link = desk.link(made.token)
    payload = shown(made.account) | {"link": link}
    emit(payload, link_text(made.account.login, link), as_json)
    return OK


def reset(
    login: LoginArgument,
    *,
    reason: ReasonOption,
    factor: Annotated[
        bool, typer.Option("--factor", help="Bỏ cả yếu tố thứ hai. / The second factor too.")
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Bỏ mật khẩu, kết thúc mọi phiên, cấp đường dẫn mới. / A new link instead of a password."""
    why = common.stated(reason)

    async def work(desk: Desk) -> Any:
        account = await desk.named(login)
        return desk, await desk.accounts.reset(desk.me, account.id, factor=factor, reason=why)

    desk, made = _run(config, work)
    link = desk.link(made.token)
    emit(shown(made.account) | {"link": link}, link_text(made.account.login, link), as_json)
    return OK


# ---------------------------------------------------------------- looking


def list_users(
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Tên, họ tên, thư. / Login, name, mail.")
    ] = "",
    *,
    agency: Annotated[str, typer.Option("--agency", help="Của cơ quan. / Of an agency.")] = "",
    state: Annotated[str, typer.Option("--state", help="active | locked | closed.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Số dòng. / Rows.")] = 50,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê tài khoản. / List accounts."""

    async def work(desk: Desk) -> "list[Account]":
        found: list[Account] = []
        after = ""
        while len(found) < limit:
            page = await desk.accounts.listing(
                desk.me, agency=agency, text=text, state=state, after=after,
                limit=min(200, limit - len(found)),
            )  # fmt: skip
            found += page.items
            after = page.after
            if not after:
                break
        return found

    found = _run(config, work)
    rows = [
        (a.login, a.name, a.agency, STATE_VI[a.state], "có" if a.second_factor else "",
         common.local_iso(a.used_at))
        for a in found
    ]  # fmt: skip
    columns = ("Tài khoản", "Họ tên", "Cơ quan", "Trạng thái", "Hai yếu tố", "Đăng nhập cuối")
    human = common.table("Tài khoản / Accounts", columns, rows)
    emit({"accounts": [shown(a) for a in found]}, human, as_json)
    return OK


def show(
    login: LoginArgument, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False
) -> int:
    """Xem một tài khoản và quyền của nó. / Show an account and what it may."""
    from rich.console import Group

    account = _run(config, lambda d: d.named(login))
    rows = [
        (v.grant.role, v.grant.agency or "toàn cổng / all", common.local_iso(v.grant.valid_from),
         common.local_iso(v.grant.valid_to), v.delegator, v.granted_by, v.request_ref)
        for v in account.grants
    ]  # fmt: skip
    columns = ("Vai trò", "Cơ quan", "Từ", "Đến", "Ủy quyền bởi", "Người cấp", "Văn bản")
    lines = [f"{account.login}: {account.name} · {account.agency} · {STATE_VI[account.state]}"]
    if account.lock is not None:
        lock = account.lock
        at = common.local_iso(lock.at)
        lines.append(f"khóa / locked: {lock.code} · {lock.reference} · {lock.by} · {at}")
    human = Group("\n".join(lines), common.table("Quyền / Rights", columns, rows))
    emit(shown(account), human, as_json)
    return OK


def sessions(
    login: LoginArgument,
    *,
    end: Annotated[bool, typer.Option("--end", help="Kết thúc tất cả. / End them all.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Lý do. / Why.")] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Các phiên làm việc của một tài khoản. / The sessions of an account."""
    why = common.stated(reason) if end else ""

    async def work(desk: Desk) -> Any:
        account = await desk.named(login)
        count = await desk.accounts.end_sessions(desk.me, account.id, reason=why) if end else 0
        return count, await desk.accounts.sessions(desk.me, account.id)

    count, found = _run(config, work)
    rows = [
        (s.handle, common.local_iso(s.began_at), common.local_iso(s.used_at), s.address,
         "có" if s.strong else "", common.local_iso(s.ended_at), s.why)
        for s in found
    ]  # fmt: skip
    columns = ("Phiên", "Bắt đầu", "Dùng lúc", "Địa chỉ", "Hai yếu tố", "Kết thúc", "Vì")
    payload = {
        "ended": count,
        "sessions": [
            {
                "handle": s.handle,
                "began_at": common.local_iso(s.began_at),
                "used_at": common.local_iso(s.used_at),
                "address": s.address,
                "strong": s.strong,
                "ended_at": common.local_iso(s.ended_at),
                "why": s.why,
            }
            for s in found
        ],
    }
    emit(payload, common.table("Phiên làm việc / Sessions", columns, rows), as_json)
    return OK


# ---------------------------------------------------------------- rights


def grant(
    login: LoginArgument,
    role: RoleArgument,
    *,
    reference: ReferenceOption,
    until: Annotated[str, typer.Option("--until", help="Đến khi nào (ISO 8601). / Until.")] = "",
    yes: YesOption = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cấp một vai trò; --yes để thực hiện. / Grant a role; --yes does it."""
    from gateway.domain.access import Grant

    name, agency = role_of(role)
    wanted = Grant(name, agency, None, common.moment(until, "--until") if until else None)
    return _change(config, login, [wanted], None, reference, yes=yes, as_json=as_json)


def revoke(
    login: LoginArgument,
    role: RoleArgument,
    *,
    reference: ReferenceOption,
    yes: YesOption = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Thu hồi một vai trò; --yes để thực hiện. / Take a role away; --yes does it."""
    return _change(config, login, [], role_of(role), reference, yes=yes, as_json=as_json)


def _change(
    config: Path,
    login: str,
    add: Sequence[Any],
    gone: tuple[Any, str] | None,
    reference: str,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    why = common.stated(reference)

    async def work(desk: Desk) -> "tuple[Account, RightsPlan, bool]":
        account = await desk.named(login)
        revoked = [v.id for v in account.grants if (v.grant.role, v.grant.agency) == gone]
        if gone is not None and not revoked:
            raise UsageFault(f"{login} không có vai trò này", f"{login} has no such role")
        plan = await desk.accounts.plan(desk.me, account.id, add=add, revoke=revoked)
        if plan.conflicts or not yes:
            return account, plan, False
        changed = await desk.accounts.change_rights(
            desk.me, account.id, add=add, revoke=revoked, token=plan.token, request_ref=why
        )
        return changed, plan, True

    account, plan, done = _run(config, work)
    if plan.conflicts:
        vi, en = (" · ".join(texts) for texts in zip(*plan.conflicts, strict=True))
        raise UsageFault(vi, en)
    gains = [f"{right}@{agency}" for right, agency in plan.gains]
    losses = [f"{right}@{agency}" for right, agency in plan.losses]
    payload = {
        "done": done,
        "gains": gains,
        "losses": losses,
        "warnings": [{"vi": one.vi, "en": one.en} for one in plan.warnings],
        "account": shown(account),
    }
    lines = [f"{account.login}: {account.name}"]
    lines += [f"  + {one}" for one in gains] + [f"  - {one}" for one in losses]
    lines += [f"  ! {one.vi} / {one.en}" for one in plan.warnings]
    lines.append(
        "đã thực hiện / done" if done else "chưa thay đổi gì; thêm --yes để thực hiện / nothing "
        "changed yet: add --yes to do it"
    )  # fmt: skip
    emit(payload, "\n".join(lines), as_json)
    return OK


# ---------------------------------------------------------------- locking, leaving


def lock(
    login: LoginArgument,
    *,
    code: Annotated[
        str,
        typer.Option("--code", help="a chuyển công tác · b đơn vị thay đổi · c đơn vị đề nghị · d "
                     "cơ quan có thẩm quyền. / ACC-03: a, b, c or d."),
    ],
    reference: ReferenceOption,
    text: Annotated[str, typer.Option("--text", help="Nói thêm. / More words.")] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:  # fmt: skip
    """Khóa tài khoản theo ACC-03. / Lock an account, with its reason."""
    from gateway.ports.accounts import LockCode

    why = common.stated(reference)
    if code not in {one.value for one in LockCode}:
        raise UsageFault(
            f"--code phải là a, b, c hoặc d, không phải {code}", "--code: a, b, c or d"
        )

    async def work(desk: Desk) -> "Account":
        account = await desk.named(login)
        return await desk.accounts.lock(
            desk.me, account.id, LockCode(code), reference=why, text=text
        )

    return _stands(_run(config, work), as_json)


def unlock(
    login: LoginArgument,
    *,
    reference: ReferenceOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Mở khóa; mất quyền kiểm soát thì còn phải reset. / Unlock; a lost one needs a reset too."""
    why = common.stated(reference)

    async def work(desk: Desk) -> "Account":
        account = await desk.named(login)
        return await desk.accounts.unlock(desk.me, account.id, reference=why)

    return _stands(_run(config, work), as_json)


def close(
    login: LoginArgument,
    *,
    reference: ReferenceOption,
    successor: Annotated[
        str, typer.Option("--successor", help="Người nhận bàn giao. / Who takes over open items.")
    ] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đóng vĩnh viễn sau khi bàn giao. / Close for good, work handed over."""
    why = common.stated(reference)

    async def work(desk: Desk) -> "Account":
        account = await desk.named(login)
        heir = (await desk.named(successor)).id if successor else ""
        return await desk.accounts.close(desk.me, account.id, reference=why, successor_id=heir)

    return _stands(_run(config, work), as_json)


def _stands(account: "Account", as_json: bool) -> int:
    human = f"{account.login}: {STATE_VI[account.state]} / {account.state}"
    emit(shown(account), human, as_json)
    return OK


def _run(config: Path, work: Callable[[Desk], Awaitable[T]]) -> T:
    return on_desk(config, work)
