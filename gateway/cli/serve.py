"""`vanlien serve`: run the gateway until SIGINT or SIGTERM.

Killing it at any point loses nothing that was answered as accepted; see docs/architecture.md.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.common import CONFIG_NAME, ConfigOption
from gateway.cli.frame import OK


def serve(
    config: ConfigOption = Path(CONFIG_NAME),
    port: Annotated[
        int | None, typer.Option("--port", help="Cổng, thay cấu hình. / Port, over the settings.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--role",
            help="Việc của tiến trình này, cách nhau bởi dấu phẩy, thay cấu hình: api, issue, "
            "dispatch, relay, collect, receive, janitor, amqp, all. / What this process does, over "
            "the settings.",
        ),
    ] = None,
) -> int:
    """Chạy cổng liên thông. / Run the gateway.

    Dừng bằng Ctrl-C hoặc SIGTERM: yêu cầu đang xử lý được trả lời xong. Stop with Ctrl-C or
    SIGTERM: requests under way are answered first. SIGHUP: xem lại khóa và chứng thư / look at
    keys and certificates again; cấu hình chỉ có hiệu lực khi khởi động lại / settings count from
    the next start on.

    Ví dụ / Examples:

        vanlien serve --config /etc/vanlien/vanlien.toml

        vanlien serve --role api,dispatch
    """
    import functools
    import gc
    import json
    import os

    import uvloop

    from gateway import observe
    from gateway.config import load

    environ = dict(os.environ)
    if port is not None:
        environ["VANLIEN__HTTP__PORT"] = str(port)
    if role is not None:
        wanted = [name.strip() for name in role.split(",") if name.strip()]
        environ["VANLIEN__NODE__ROLES"] = json.dumps(wanted)
    settings = load(config, environ)
    observe.configure(settings.log.json_lines, level=settings.log.level)
    # What start-up made lives as long as the process; looking through it again and again for
    # garbage costs a busy gateway a tenth of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    read = functools.partial(load, config, environ)
    uvloop.run(_serve(settings, config, read))
    return OK


async def _serve(settings: object, config: Path, read: Any) -> None:
    import asyncio
    import contextlib
    import signal

    from gateway.app import running
    from gateway.config import Settings
    from gateway.settingswatch import SettingsWatch

    assert isinstance(settings, Settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def ask_to_stop() -> None:
        stop.set()
        for name in signals:  # asked twice: the default, at once; nothing accepted is lost by it
            loop.remove_signal_handler(name)

    for name in signals:
        loop.add_signal_handler(name, ask_to_stop)
    # Until there is something to look at again, SIGHUP must not be the end of us.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    async with running(settings) as gateway:
        loop.add_signal_handler(signal.SIGHUP, gateway.keys.ask)
        gateway.keys.watched.append(SettingsWatch(config, settings, read))
        for listener in gateway.listeners:
            typer.echo(f"vanlien: {listener.url}", err=True)
        waiting = asyncio.create_task(stop.wait())
        assert gateway.failed is not None
        ends: set[asyncio.Future[Any]] = {waiting, gateway.failed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        if not gateway.failed.done():
            leaving = asyncio.create_task(gateway.drain())
            await asyncio.wait({leaving, gateway.failed}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        if gateway.failed.done():
            # A program died: go down loudly. What was accepted is in the ledger, and whoever
            # starts us again finds every program at its work.
            failure = gateway.failed.exception()
            raise RuntimeError(f"a program of the gateway died: {failure}") from failure


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)
