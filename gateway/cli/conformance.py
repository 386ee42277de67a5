"""`vanlien conformance`: does a system keep to its dialect? Plays the suite and prints the card.

It sends test documents marked DỮ LIỆU THỬ to what the command line names, and nowhere else; away
from loopback only with --yes. A stopped run leaves those documents at the other end.
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.cli.common import JsonOption, read_size, table
from gateway.cli.frame import OK, UsageFault, emit, examples
from gateway.cli.scorecard import live, page, shown

if TYPE_CHECKING:
    from gateway.conformance.card import Card
    from gateway.conformance.plan import Connect, Parties, Result

_Url = Annotated[
    str,
    typer.Argument(
        metavar="URL", help="Địa chỉ, như endpoint của một peer. / As a peer's endpoint."
    ),
]
_Dialect = Annotated[
    str, typer.Option("--dialect", help="vxp, bkav, langson, wso2. / What it speaks.")
]
_Variant = Annotated[
    str, typer.Option("--variant", help="Dạng của giao thức, nếu có nhiều. / Form of the dialect.")
]
_SystemId = Annotated[str, typer.Option("--system-id", help="Mã hệ thống bên gửi. / The sender's.")]
_SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", help="Tệp khóa bên gửi. / The sender's secret.")
]
_As = Annotated[str, typer.Option("--as", help="Đơn vị gửi. / Agency that sends.")]
_To = Annotated[str, typer.Option("--to", help="Đơn vị nhận. / Agency it sends to.")]
_ToSystemId = Annotated[
    str, typer.Option("--to-system-id", help="Mã hệ thống bên nhận. / The recipient's system id.")
]
_ToSecretFile = Annotated[
    Path | None, typer.Option("--to-secret-file", help="Tệp khóa bên nhận. / Its secret.")
]
_BothSides = Annotated[
    bool,
    typer.Option(
        "--both-sides",
        help="Hệ thống bên gửi nhận cả cho --to. / The sending system receives for --to too.",
    ),
]
_Also = Annotated[
    str, typer.Option("--also", help="Đơn vị nhận thứ hai, cùng hệ thống. / A second recipient.")
]
_Locked = Annotated[str, typer.Option("--locked", help="Đơn vị đang bị khóa. / A locked agency.")]
_Unknown = Annotated[str, typer.Option("--unknown", help="Mã không ai có. / A code nobody has.")]
_Foreign = Annotated[
    str,
    typer.Option("--foreign", help="Đơn vị bên gửi không đại diện. / Not the sender's agency."),
]
_MaxBytes = Annotated[
    str, typer.Option("--max-bytes", help="Gói tin lớn nhất, vd «50 MiB». / Largest packet.")
]
_Only = Annotated[
    str, typer.Option("--only", help="Chỉ các ca này, cách nhau dấu phẩy. / Only these cases.")
]
_Patience = Annotated[
    str, typer.Option("--patience", help="Chờ văn bản đến bao lâu. / How long to wait.")
]
_CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="Chứng thư CA của máy chủ. / The server's CA.")
]
_Html = Annotated[Path | None, typer.Option("--html", help="Ghi phiếu HTML. / Write the page.")]
_Yes = Annotated[
    bool, typer.Option("--yes", help="Đồng ý gửi ra ngoài máy này. / Send beyond this machine.")
]
_List = Annotated[bool, typer.Option("--list", help="Chỉ liệt kê các ca. / Only list the cases.")]


def conformance(
    url: _Url = "",
    *,
    dialect: _Dialect = "",
    variant: _Variant = "",
    system_id: _SystemId = "",
    secret_file: _SecretFile = None,
    sender: _As = "",
    to: _To = "",
    to_system_id: _ToSystemId = "",
    to_secret_file: _ToSecretFile = None,
    both_sides: _BothSides = False,
    also: _Also = "",
    locked: _Locked = "",
    unknown: _Unknown = "H99.99.99",
    foreign: _Foreign = "",
    max_bytes: _MaxBytes = "",
    only: _Only = "",
    patience: _Patience = "60s",
    ca_file: _CaFile = None,
    html: _Html = None,
    yes: _Yes = False,
    listing: _List = False,
    as_json: JsonOption = False,
) -> int:
    """Thử một hệ thống theo đúng giao thức của nó / play the conformance suite."""
    chosen = _cases(only)
    if listing:
        return _list(chosen, as_json=as_json)
    _lacking(
        {
            "URL": url,
            "--dialect": dialect,
            "--system-id": system_id,
            "--secret-file": secret_file,
            "--as": sender,
            "--to": to,
        }
    )
    from datetime import timedelta

    from gateway.conformance.plan import Parties, Side

    mine = Side(sender, system_id, _secret(secret_file))
    theirs = None
    if both_sides:
        theirs = Side(to, mine.system_id, mine.secret)
    elif to_system_id:
        _lacking({"--to-secret-file": to_secret_file})
        theirs = Side(to, to_system_id, _secret(to_secret_file))
    parties = Parties(
        sender=mine,
        to=to,
        recipient=theirs,
        also=also,
        locked=locked,
        unknown=unknown,
        foreign=foreign or ("" if both_sides or theirs is None else to),
        max_bytes=read_size("--max-bytes", max_bytes) if max_bytes else None,
    )
    _agreed(url, parties, yes=yes)
    _writable(html)
    if urlsplit(url).scheme == "http" and not _loopback(urlsplit(url).hostname or ""):
        typer.echo(
            "vanlien: địa chỉ http:// không mã hóa; chỉ dùng trong mạng riêng."
            " / plain http://: only inside a private network.",
            err=True,
        )
    connect = _connect(url, dialect, variant, ca_file)
    card = _play(
        url,
        dialect,
        parties,
        connect,
        only=chosen,
        patience=timedelta(seconds=_seconds(patience)),
        quiet=as_json,
    )
    if html is not None:
        html.write_bytes(page(card))
    emit(card.to_json(), shown(card), as_json)
    return card.exit_code


# ---------------------------------------------------------------- what was asked


def _cases(only: str) -> tuple[str, ...]:
    from gateway.conformance.driver import CASES

    known = [case.id for case in CASES]
    asked = tuple(part.strip() for part in only.split(",") if part.strip())
    for name in asked:
        if name not in known:
            raise UsageFault(
                f"--only: không có ca «{name}»; có: {', '.join(known)}",
                f"--only: there is no case {name!r}; there are: {', '.join(known)}",
            )
    return asked


def _list(chosen: tuple[str, ...], *, as_json: bool) -> int:
    from gateway.conformance.card import cases_json

    cases = cases_json(chosen)
    rows = [(c["id"], c["level"], f"{c['vi']}\n{c['en']}", ", ".join(c["rules"])) for c in cases]
    head = ("Ca / case", "Mức / level", "Yêu cầu / asked", "Căn cứ / rules")
    emit({"cases": cases}, table("Các ca / cases", head, rows), as_json)
    return OK


def _lacking(given: dict[str, object]) -> None:
    missing = ", ".join(name for name, value in given.items() if not value)
    if missing:
        raise UsageFault(f"còn thiếu: {missing}", f"missing: {missing}")


def _secret(path: Path | None) -> bytes:
    from gateway.secrets import read_secret_file

    return b"" if path is None else read_secret_file(path).encode()


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?", text.strip())
    if found is None or float(found[1]) <= 0:
        raise UsageFault(
            f"--patience: «{text}» không phải khoảng thời gian; ví dụ 60s",
            f"--patience: {text!r} is no length of time, like 60s",
        )
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[found[2] or "s"]


def _agreed(url: str, parties: "Parties", *, yes: bool) -> None:
    """Refuse to send beyond this machine unless that was agreed to."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageFault(f"«{url}» không phải địa chỉ http(s)", f"{url!r} is no http(s) address")
    if parts.username or parts.password or parts.query:
        raise UsageFault(
            "địa chỉ không được chứa mật khẩu hay tham số; dùng --secret-file",
            "the address may carry neither password nor query; use --secret-file",
        )
    if yes or _loopback(parts.hostname):
        return
    raise UsageFault(
        f"{parts.hostname} không phải máy này. Lượt thử gửi chừng 60 văn bản, đều ghi «DỮ LIỆU"
        f" THỬ», từ {parties.sender.code} đến {parties.to}"
        + (f" và {parties.also}" if parties.also else "")
        + ", cùng các gói tin hỏng phải bị từ chối; nó đọc danh sách chờ của hai bên, chỉ xác nhận"
        " thứ nó gửi. Thêm --yes nếu bên kia đã đồng ý.",
        f"{parts.hostname} is not this machine. A run sends some 60 documents marked as test data"
        f" from {parties.sender.code} to {parties.to}"
        + (f" and {parties.also}" if parties.also else "")
        + ", and broken packets that must be refused; it reads both sides' lists and acknowledges"
        " only what it sent. Add --yes when the other side has agreed.",
    )


def _writable(html: Path | None) -> None:
    """Refuse before the run what would lose its card afterwards."""
    if html is None:
        return
    place = html if html.exists() else html.absolute().parent
    if html.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise UsageFault(f"--html: không ghi được {html}", f"--html: cannot write {html}")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _connect(url: str, name: str, variant: str, ca_file: Path | None) -> "Connect":
    import ssl

    from gateway.clock import SystemClock
    from gateway.dialects import dialect, names

    if name not in names():
        raise UsageFault(
            f"--dialect: không có «{name}»; có: {', '.join(names())}",
            f"--dialect: there is no {name!r}; there are: {', '.join(names())}",
        )
    spoken, clock = dialect(name), SystemClock()
    options: dict[str, Any] = {"variant": variant} if variant else {}
    if ca_file is not None:
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as exc:
            raise UsageFault(
                f"--ca-file: không đọc được {ca_file}", f"cannot read {ca_file}"
            ) from exc

    def connect(system_id: str, secret: bytes) -> Any:
        return spoken.make_client(
            name="conformance",
            endpoint=url,
            system_id=system_id,
            secret=secret,
            clock=clock,
            **options,
        )

    try:
        connect("x", b"x")
    except (TypeError, ValueError) as exc:
        raise UsageFault(
            f"--variant: «{variant}» không phải dạng của {name}",
            f"--variant: {variant!r} is no form of {name}",
        ) from exc
    return connect


# ---------------------------------------------------------------- playing and showing


def _play(
    url: str,
    name: str,
    parties: "Parties",
    connect: "Connect",
    *,
    only: tuple[str, ...],
    patience: Any,
    quiet: bool,
) -> "Card":
    import asyncio
    import secrets
    from datetime import UTC, datetime

    from gateway import observe
    from gateway.clock import SystemClock
    from gateway.conformance.card import Card
    from gateway.conformance.driver import BEYOND, play

    observe.configure(json=True, level="error")
    run = "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(6))
    began = datetime.now(UTC)

    async def going() -> list["Result"]:
        results = []
        beyond = BEYOND.get(name, ())
        async for result in play(
            parties,
            connect,
            SystemClock(),
            run=run,
            only=only,
            beyond=beyond,
            patience=patience,
        ):
            results.append(result)
            if not quiet:
                typer.echo(live(result), err=True)
        return results

    return Card(url, name, run, began, tuple(asyncio.run(going())), only)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "conformance",
        epilog=examples(
            "vanlien conformance --list",
            "vanlien conformance http://127.0.0.1:8080/XrdAdapter/adapter --dialect vxp "
            "--system-id sim-h37-02 --secret-file sim/sim-h37-02.secret --as H37.02 --to H37.04 "
            "--to-system-id sim-h37-04 --to-secret-file sim/sim-h37-04.secret --html phieu.html",
            exits="0 đạt mọi yêu cầu bắt buộc / every must passed · 1 không đạt / a must is broken"
            " · 2 chưa thử hết / not every must was played",
        ),
    )(conformance)
