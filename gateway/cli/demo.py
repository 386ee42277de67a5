"""`vanlien demo`: the whole exchange on one machine, shown as it happens.

Everything lives in a fresh folder; stopping it at any time leaves only that folder.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from gateway.cli.common import JsonOption
from gateway.cli.frame import OK, UsageFault, emit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rich.console import Console

URGENCY: Final = ("thường", "khẩn", "thượng khẩn", "hỏa tốc", "hỏa tốc hẹn giờ")
LEGAL: Final = {"original": "bản gốc", "reference": "tham khảo", "unsigned": "tham khảo"}
OUTCOMES: Final = {"taken": "bên nhận đã lấy", "busy": "bận", "refused": "từ chối"}
RECEIPTS: Final = {
    "01": "đã đến",
    "02": "trả lại",
    "03": "đã tiếp nhận",
    "04": "phân công",
    "05": "đang xử lý",
    "06": "hoàn thành",
}


def demo(
    once: Annotated[
        bool,
        typer.Option("--once", help="Thoát khi đủ hồi báo. / Exit once all receipts are in."),
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Thư mục mới (mặc định: tạm). / New folder (default: temp)."),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Cổng HTTP; 0: tự chọn. / HTTP port.")] = 0,
    dialects: Annotated[
        Literal["", "all"],
        typer.Option(
            "--dialects",
            metavar="all",
            help="Bốn cơ quan, bốn giao thức, gửi cho nhau. / Four agencies, each on another "
            "dialect, send to each other.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> int:
    """Chạy thử trọn vẹn trên một máy. / The whole exchange on one machine.

    Tạo hạ tầng khóa thử nghiệm, ký số hai lần một văn bản PDF, gửi hỏa tốc cho một cơ quan trong
    tỉnh và một cơ quan ngoài tỉnh qua trục quốc gia mô phỏng, rồi cho xem hồi báo 01 → 03.

    Ví dụ / Examples:

        vanlien demo

        vanlien demo --once --json

        vanlien demo --dialects all --once
    """
    import contextlib
    import tempfile

    import uvloop

    from gateway import observe

    if directory is not None and directory.exists() and any(directory.iterdir()):
        raise UsageFault(f"{directory} không trống", f"{directory} is not empty")
    observe.configure(json=True, level="error")
    with contextlib.ExitStack() as stack:
        if directory is None:
            made = tempfile.TemporaryDirectory(prefix="vanlien-demo-", ignore_cleanup_errors=True)
            directory = Path(stack.enter_context(made))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        play = _run_dialects if dialects else _run
        uvloop.run(play(directory.absolute(), port, once=once or as_json, as_json=as_json))
    return OK


async def _run(folder: Path, port: int, *, once: bool, as_json: bool) -> None:
    from gateway.demo.run import run_once
    from gateway.demo.world import world

    stop, console, say = _stage(as_json=as_json)
    console.print("[bold]vanlien demo[/bold]: cổng liên thông, trục mô phỏng, năm cơ quan")
    async with world(folder, port=port) as made:
        say(f"Hạ tầng khóa thử nghiệm, trục quốc gia mô phỏng và cổng đã chạy: {made.gateway.url}")
        result = await _unless(stop, run_once(made, say))
        if result is None:
            return
        emit(result, _picture(result, once=once), as_json)
        if not once:
            await stop.wait()


async def _run_dialects(folder: Path, port: int, *, once: bool, as_json: bool) -> None:
    from gateway.demo.dialects import exchange, office

    stop, console, say = _stage(as_json=as_json)
    console.print("[bold]vanlien demo[/bold]: bốn cơ quan, bốn giao thức, một cổng liên thông")
    async with office(folder, port=port) as made:
        say(f"Cổng đã chạy, mở bốn giao thức: {made.gateway.url}")
        result = await _unless(stop, exchange(made, say))
        if result is None:
            return
        emit(result, _matrix(result, once=once), as_json)
        if not once:
            await stop.wait()


def _stage(*, as_json: bool) -> "tuple[asyncio.Event, Console, Callable[[str], None]]":
    """Return what a demo needs: when to stop, where to write, how to say a step."""
    import asyncio
    import signal

    from rich.console import Console

    console = Console(stderr=as_json, highlight=False)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)

    def say(text: str) -> None:
        console.print(f"  [green]✓[/green] {text}")

    return stop, console, say


def _matrix(result: dict[str, Any], *, once: bool) -> Any:
    """Return who sent to whom, and after how long the answer 03 was back."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = "Gửi ↓ / nhận →: đã đến, rồi hồi báo 03 đã về, tính từ lúc gửi"
    grid = Table(title=title, title_justify="left")
    grid.add_column("")
    for agency in result["agencies"]:
        grid.add_column(f"{agency['code']}\n{agency['spoken']}", justify="center")
    cells = {(d["from"], d["to"]): d for d in result["deliveries"]}
    for sender in result["agencies"]:
        row = [f"{sender['code']} {sender['name']}\n{sender['spoken']}"]
        for recipient in result["agencies"]:
            cell = cells.get((sender["code"], recipient["code"]))
            row.append("–" if cell is None else f"{cell['delivered_s']} s\n{cell['accepted_s']} s")
        grid.add_row(*row)
    done = len(result["deliveries"])
    words = [Text(f"{done}/{done} văn bản đã đến và đã được tiếp nhận, {result['seconds']} s.")]
    if not once:
        words.append(Text(f"Khóa của từng hệ thống: {result['folder']}/keys. Dừng bằng Ctrl-C."))
    return Group(Text(), grid, *words)


async def _unless(stop: "asyncio.Event", work: Any) -> Any:
    """Return the result of `work`, None when the user wants to stop first."""
    import asyncio
    import contextlib

    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


def _picture(result: dict[str, Any], *, once: bool) -> Any:
    """Return what a person sees at the end: one tree a document, one branch a recipient."""
    from rich.console import Group
    from rich.text import Text
    from rich.tree import Tree

    parts: list[Any] = [Text()]
    for document in result["documents"]:
        tree = Tree(_headline(document))
        for recipient in document["recipients"]:
            _branch(tree, recipient)
        parts += [tree, Text()]
    seconds = result["seconds"]
    parts.append(
        Text(
            f"Soạn, ký và gửi: {seconds['letters']} s. Từ lúc cổng nhận đến đủ hồi báo: "
            f"{seconds['exchange']} s."
        )
    )
    if not once:
        parts += [_people(result), _next(result)]
    return Group(*parts)


def _people(result: dict[str, Any]) -> Any:
    """Return who may sign in to the console, and by which one-time link."""
    from rich.panel import Panel
    from rich.text import Text

    lines = [f"Văn thư, vận hành, quản trị: {result['url']}/console"]
    for who in result["people"]:
        lines.append(f"{who['name']} ({', '.join(who['roles'])})")
        lines.append(f"  {who['link']}")
    lines.append("Mỗi đường dẫn dùng một lần: mở, đặt mật khẩu, đăng nhập.")
    return Panel(
        Text("\n".join(lines)), title="Vào trang làm việc", title_align="left", expand=False
    )


def _headline(document: dict[str, Any]) -> Any:
    from rich.text import Text

    from gateway.demo.run import VERDICTS

    number = document["number"] or {}
    text = Text()
    text.append(document["document_id"], style="bold")
    text.append(f"  {document['subject']}\n")
    text.append(
        f"{URGENCY[document['urgency']]} · số phát hành trong năm {number.get('ordinal', '–')} · "
        f"chữ ký {VERDICTS[document['verification']]} · "
        f"{LEGAL.get(document['legal_class'], document['legal_class'])}\n"
    )
    text.append(f"nhận {document['accepted_at']} · giờ gửi {document['sent_at'] or 'đang gửi'}")
    return text


def _branch(tree: Any, recipient: dict[str, Any]) -> None:
    way = "trong tỉnh" if recipient["hop"] == "local" else f"qua {recipient['hop']}"
    branch = tree.add(f"[bold]{recipient['agency']}[/bold] {recipient['name']} ({way})")
    for attempt in recipient["attempts"]:
        outcome = OUTCOMES.get(attempt["outcome"], attempt["outcome"])
        branch.add(f"{attempt['began_at']}  lần gửi {attempt['n']}: {outcome}")
    for receipt in recipient["receipts"]:
        words = RECEIPTS.get(receipt["code"], "")
        branch.add(f"{receipt['at']}  hồi báo {receipt['code']} {words}")


def _next(result: dict[str, Any]) -> Any:
    from rich.panel import Panel
    from rich.text import Text

    folder, url = result["folder"], result["url"]
    consignment = result["documents"][0]["id"]
    key = f"{folder}/keys/qlvb-h37-02.key"
    lines = (
        f"API: {url}/openapi.json   sức khỏe: {url}/ready   số đo: {url}/metrics",
        f'curl -H "Authorization: Bearer $(cat {key})" {url}/api/v1/documents/{consignment}',
        f"vanlien verify {folder}/412-SNV-VP.signed.pdf --trust {folder}/pki/trust",
        f"Báo cáo PDF/A đã niêm phong: {result['documents'][0]['report']}",
        (
            f"vanlien receipts export --config {folder}/vanlien.toml --document {consignment} "
            "-o bien-nhan.jsonl"
        ),
        "Dừng bằng Ctrl-C.",
    )
    return Panel(Text("\n".join(lines)), title="Xem tiếp", title_align="left", expand=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)
