"""`vanlien simulate axis`: a partner in a box, for our tests and for those who build systems.

It listens on loopback unless told otherwise and speaks one dialect; agencies and secrets are made
at start, their files readable by their owner alone. What is stopped leaves the folder: credentials
and the packets that came. Nothing of it is fit for production.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.common import JsonOption, read_size, table
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from adapters.simulator.autoagency import Reply
    from adapters.simulator.faults import Chance

CREDENTIALS: Final = "credentials.json"
_STEP_S: Final = 0.25
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_Dialect = Annotated[
    str, typer.Option("--dialect", help="vxp, bkav, langson, wso2. / What it speaks.")
]
_Listen = Annotated[
    str, typer.Option("--listen", help="HOST:PORT; 0: tự chọn. / Where; port 0 chooses one.")
]
_Agency = Annotated[
    list[str] | None,
    typer.Option(
        "--agency",
        help="Một hệ thống: MÃ=TÊN, cách nhau dấu «;». / One system's agencies.",
    ),
]
_Partner = Annotated[
    list[str] | None,
    typer.Option("--partner", help="Đơn vị mà trục tự đóng vai. / An agency the box itself plays."),
]
_Locked = Annotated[
    list[str] | None, typer.Option("--locked", help="Đơn vị bị khóa. / A locked agency.")
]
_Faults = Annotated[
    str,
    typer.Option(
        "--faults",
        help="Vd latency=200ms..2s,lose-answer@send=5%,html=1%; «list» để xem. / What goes wrong.",
    ),
]
_Folder = Annotated[
    Path | None, typer.Option("--folder", help="Nơi để khóa và gói tin. / For secrets and packets.")
]
_Seed = Annotated[
    int | None, typer.Option("--seed", help="Cùng số, cùng sự cố. / Makes chance come again.")
]
_AutoReply = Annotated[
    str,
    typer.Option(
        "--auto-reply", help="accept, finish, return hoặc tệp JSON. / What partners answer."
    ),
]
_Send = Annotated[
    int, typer.Option("--send", help="Số văn bản thử gửi cho mỗi đơn vị. / Test letters to each.")
]
_Remembers = Annotated[
    bool, typer.Option("--remembers", help="Gửi lại thì trả lời như cũ. / Repeats get one answer.")
]
_Untouched = Annotated[
    bool, typer.Option("--untouched", help="Không ghi lại gói tin. / Hand packets on as they came.")
]
_MaxBytes = Annotated[
    str, typer.Option("--max-bytes", help="Gói tin lớn nhất, vd «50 MiB». / Largest packet.")
]
_For = Annotated[
    str, typer.Option("--for", help="Tự dừng sau, vd 30s. / Stop by itself after this long.")
]


def axis(
    *,
    dialect: _Dialect = "vxp",
    listen: _Listen = "127.0.0.1:0",
    agency: _Agency = None,
    partner: _Partner = None,
    locked: _Locked = None,
    faults: _Faults = "",
    folder: _Folder = None,
    seed: _Seed = None,
    auto_reply: _AutoReply = "accept",
    send: _Send = 0,
    remembers: _Remembers = False,
    untouched: _Untouched = False,
    max_bytes: _MaxBytes = "512 MiB",
    lasting: _For = "",
    as_json: JsonOption = False,
) -> int:
    """Trục liên thông mô phỏng / a simulated axis that speaks one dialect."""
    if faults == "list":
        return _list(as_json=as_json)
    import asyncio
    import contextlib
    import tempfile

    from gateway import observe
    from gateway.cli.simulating import Order, run
    from gateway.dialects import dialect as find
    from gateway.dialects import names

    if dialect not in names():
        raise UsageFault(
            f"--dialect: không có «{dialect}»; có: {', '.join(names())}",
            f"--dialect: there is no {dialect!r}; there are: {', '.join(names())}",
        )
    host, port = _address(listen)
    taken: set[str] = set()
    systems = tuple(
        _codes("--agency", text.split(";"), taken)
        for text in agency or ("H37.02=Sở Nội vụ", "H37.04=Sở Tài chính")
    )
    partners = _codes("--partner", partner or [], taken)
    closed = _codes("--locked", locked or [], taken)
    order = Order(
        dialect=find(dialect),
        host=host,
        port=port,
        systems=systems,
        partners=partners,
        locked=closed,
        chances=_chances(faults),
        script=_script(auto_reply),
        seed=seed,
        letters=send,
        remembers=remembers,
        untouched=untouched,
        max_bytes=read_size("--max-bytes", max_bytes),
        lasting=_span("--for", lasting) if lasting else None,
        as_json=as_json,
    )
    observe.configure(json=True, level="error")
    with contextlib.ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="vanlien-axis-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        asyncio.run(run(order, folder.absolute()))
    return OK


# ---------------------------------------------------------------- what was asked


def _list(*, as_json: bool) -> int:
    from adapters.simulator.faults import MEANINGS

    rows = [(fault.value, *words) for fault, words in MEANINGS.items()]
    payload = {"faults": [{"name": n, "vi": vi, "en": en} for n, vi, en in rows]}
    human = table("Sự cố / faults", ("Tên / name", "Nghĩa là", "Meaning"), rows)
    emit(payload, human, as_json)
    return OK


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageFault(
            f"--listen: «{text}» không phải HOST:PORT", f"--listen: {text!r} is not HOST:PORT"
        )
    return host, int(port)


def _codes(option: str, texts: list[str], taken: set[str]) -> dict[str, str]:
    """Return names by code; the name is the code where none is given."""
    found: dict[str, str] = {}
    for text in texts:
        code, _, name = text.partition("=")
        code = code.strip()
        if not re.fullmatch(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*", code) or code in taken:
            raise UsageFault(
                f"{option}: «{text}» không phải mã định danh, hoặc đã có",
                f"{option}: {text!r} is no agency code, or stands twice",
            )
        taken.add(code)
        found[code] = name.strip() or f"Cơ quan {code} (mô phỏng)"
    return found


def _chances(text: str) -> "tuple[Chance, ...]":
    from adapters.simulator.faults import read_chances

    try:
        return read_chances(text)
    except ValueError as exc:
        raise UsageFault(
            f"--faults: không hiểu «{exc}»; xem vanlien simulate axis --faults list",
            f"--faults: cannot read {str(exc)!r}; see vanlien simulate axis --faults list",
        ) from exc


def _span(option: str, text: str) -> timedelta:
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageFault(
            f"{option}: «{text}» không phải khoảng thời gian; ví dụ 30s",
            f"{option}: {text!r} is no length of time, like 30s",
        )
    return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])


def _script(text: str) -> "tuple[Reply, ...]":
    from adapters.simulator.autoagency import ACCEPTS, FINISHES, RETURNS

    known = {"accept": ACCEPTS, "finish": FINISHES, "return": RETURNS}
    return known[text] if text in known else _read_script(Path(text))


def _read_script(path: Path) -> "tuple[Reply, ...]":
    import json

    try:
        return tuple(map(_reply, _rows(json.loads(path.read_text(encoding="utf-8")))))
    except (OSError, ValueError, TypeError, KeyError) as exc:
        shape = '[{"code": "01"}, {"code": "02", "after": "30s", "description": "…"}]'
        raise UsageFault(
            f"--auto-reply: {path} không phải accept, finish, return hay tệp JSON dạng {shape}",
            f"--auto-reply: {path} is neither accept, finish, return nor a JSON file like {shape}",
        ) from exc


def _rows(read: Any) -> list[dict[str, Any]]:
    if not isinstance(read, list) or not all(isinstance(row, dict) for row in read):
        raise TypeError("not a list of objects")
    return read


def _reply(row: dict[str, Any]) -> "Reply":
    from adapters.simulator.autoagency import Reply

    after = _span("--auto-reply", str(row.get("after", "0s")))
    return Reply(str(row["code"]), after, str(row.get("description", "")), int(row.get("times", 1)))


def register(app: typer.Typer) -> None:
    """Add `simulate axis` to the command line."""
    group = typer.Typer(help="Đối tác mô phỏng / partners in a box: axis.", no_args_is_help=True)
    group.command(
        "axis",
        epilog=examples(
            "vanlien simulate axis --dialect langson --agency H37.02 --agency H37.04",
            "vanlien simulate axis --dialect vxp --partner 'G09=Bộ Nội vụ' --auto-reply finish "
            "--faults latency=50ms..1s,lose-answer@send=10% --seed 7",
            "vanlien simulate axis --faults list",
        ),
    )(axis)
    app.add_typer(group, name="simulate")
