"""What every command shares: output, error texts and exit codes.

Promises: usage and configuration errors end in 64, our own failures in 70, an interrupt in 130; no
stack trace reaches a user unless VANLIEN_DEBUG=1; with `--json` on the command line standard output
is exactly one JSON object whatever happens, and anything else a command prints goes to standard
error. Nothing is kept between runs: a crash leaves nothing behind.

The command-line library's own codes (1 and 2) never leave this module: they would collide with the
verdicts of `verify`, `edxml` and `receipts`.
"""

import functools
import io
import json
import os
import select
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TextIO, cast

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from gateway.errors import (
    CATALOGUE,
    ConfigurationError,
    GatewayError,
    IntegrityError,
    Reason,
    RejectedError,
    UnavailableError,
)

OK: Final = 0
USAGE: Final = 64  # sysexits EX_USAGE: the operator must change the command line or the settings
FAILURE: Final = 70  # sysexits EX_SOFTWARE: ours
INTERRUPTED: Final = 130  # 128 + SIGINT
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE: the reader went away, as `| head` does
_COMMON_CODES: Final = (
    "64 sai cách dùng hoặc cấu hình / usage or configuration"
    " · 70 lỗi của hệ thống / our own failure · 130 bị ngắt / interrupted"
)
_commands: Final = functools.cache(get_command)
EXIT_CODES: Final = f"Mã thoát / Exit codes: 0 xong / done · {_COMMON_CODES}"


@dataclass(slots=True)
class _JsonOut:
    """The real standard output of a `--json` run, and whether its one object is out."""

    stream: TextIO
    done: bool = False


_json_out: ContextVar[_JsonOut | None] = ContextVar("_json_out", default=None)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One error as it is shown.

    Args:
        kind: `usage`, `configuration`, `rejected`, `unavailable`, `integrity`, `internal`,
            `interrupted`.
        vi: What is wrong and what to do, Vietnamese, one line.
        en: The same in English.
        exit_code: The code the process ends with.
        hint: A command to try next, or "".
        faults: Every single fault, when there are several: `{where, vi, en}`.
    """

    kind: str
    vi: str
    en: str
    exit_code: int
    hint: str = ""
    faults: tuple[Mapping[str, str], ...] = field(default=())

    def payload(self) -> dict[str, Any]:
        """Return the JSON object of this error."""
        error: dict[str, Any] = {
            "kind": self.kind,
            "message_vi": self.vi,
            "message_en": self.en,
            "exit_code": self.exit_code,
        }
        if self.faults:
            error["faults"] = [dict(f) for f in self.faults]
        return {"error": error}


class UsageFault(Exception):  # noqa: N818 — a fault of the caller's, shown, not an error of ours
    """A command was asked for something that cannot be: ends in 64.

    Args:
        vi: What is wrong and what to do, Vietnamese.
        en: The same in English.
    """

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi
        self.en = en


# ---------------------------------------------------------------- output


def emit(payload: Mapping[str, Any], human: object, as_json: bool) -> None:
    """Give the answer of a command, once.

    Args:
        payload: The answer as one JSON object (JSON-ready values only).
        human: The same for people: text, or anything `rich` renders.
        as_json: What the command's `--json` option said.
    """
    out = _json_out.get()
    if not as_json:
        _print_human(human)
        return
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    elif not out.done:
        out.done = True
        out.stream.write(text)
        out.stream.flush()
    else:
        raise RuntimeError("emit was called twice: --json promises one object")


def _print_human(human: object) -> None:
    if isinstance(human, str):
        if human:
            sys.stdout.write(human if human.endswith("\n") else human + "\n")
    else:
        from rich.console import Console

        console = Console(file=sys.stdout, soft_wrap=False)
        if not console.is_terminal:  # a pipe or a file: tables keep their columns
            console = Console(file=sys.stdout, width=160)
        console.print(human)
    sys.stdout.flush()


def examples(*lines: str, exits: str = "") -> str:
    """Return the epilog of a command's `--help`: examples, then exit codes.

    Args:
        lines: Commands as one would type them, `vanlien verify a.pdf --trust certs`.
        exits: The command's own exit codes, when it has some; 64 and 70 are always added.
    """
    own = f"{exits} · " if exits else "0 xong / done · "
    # Blank lines: the help printer joins neighbouring lines into one paragraph.
    return "\n\n".join(
        (
            "Ví dụ / Examples:",
            *(f"$ {line}" for line in lines),
            f"Mã thoát / Exit codes: {own}{_COMMON_CODES}",
        )
    )


# ---------------------------------------------------------------- running


def run(app: typer.Typer, argv: Sequence[str]) -> int:
    """Run one command line and return the exit code; never raises, never prints a stack trace.

    Args:
        app: The application with all commands registered.
        argv: Arguments without the program's name.
    """
    _speak_utf8()
    args = list(argv)
    if not _wants_json(args):
        return _guarded(app, args)
    if "--help" in args or "--version" in args:
        return _text_as_json(app, [a for a in args if a != "--json"])
    with _one_object() as out:
        code = _guarded(app, args)
        if not out.done:
            emit({"exit_code": code}, "", as_json=True)
    return code


def _wants_json(args: Sequence[str]) -> bool:
    upto = args.index("--") if "--" in args else len(args)
    return "--json" in args[:upto]


@contextmanager
def _one_object() -> Iterator[_JsonOut]:
    """Reserve standard output for the one object; stray prints land on standard error."""
    out = _JsonOut(sys.stdout)
    token = _json_out.set(out)
    try:
        with redirect_stdout(sys.stderr):
            yield out
    finally:
        _json_out.reset(token)


def _text_as_json(app: typer.Typer, args: list[str]) -> int:
    with redirect_stdout(io.StringIO()) as text:
        code = _guarded(app, args)
    payload = {"text": text.getvalue().strip(), "exit_code": code}
    emit(payload, "", as_json=True)
    return code


def _guarded(app: typer.Typer, args: list[str]) -> int:
    try:
        code = _invoke(app, args)
        sys.stdout.flush()
    except BrokenPipeError as exc:
        return PIPE_CLOSED if _stdout_is_gone() else _show(_trouble(exc), exc)
    except Exception as exc:  # noqa: BLE001 — the last net: everything becomes a clear text
        return _show(_trouble(exc), exc)
    except KeyboardInterrupt as exc:
        return _show(Trouble("interrupted", "Đã bị ngắt.", "Interrupted.", INTERRUPTED), exc)
    return code


def _invoke(app: typer.Typer, args: list[str]) -> int:
    # Not `app(…)`: the library would turn a closed pipe into exit 1 and hide which one it was.
    command = _commands(app)
    try:
        with command.make_context("vanlien", args) as context:
            answer = command.invoke(context)
    except typer.Exit as exc:
        return exc.exit_code
    except SystemExit as exc:
        if isinstance(exc.__context__, BrokenPipeError):  # how rich ends when its reader left
            return PIPE_CLOSED
        answer = exc.code
    if answer is None:
        return OK
    if not isinstance(answer, int):
        raise TypeError(f"a command returned {answer!r} where an exit code belongs")
    return int(answer)


def _stdout_is_gone() -> bool:
    """Tell a closed standard output from any other broken pipe, and make it harmless."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    # The flush that failed may have emptied the buffer already: ask the pipe itself.
    asked = select.poll()
    asked.register(descriptor, select.POLLERR)
    if not any(events & select.POLLERR for _, events in asked.poll(0)):
        return False
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
    return True


def _speak_utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names of unknown encoding become \udcXX, which JSON reads as well.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


# ---------------------------------------------------------------- errors


def _show(trouble: Trouble, exc: BaseException) -> int:
    out = _json_out.get()
    if os.environ.get("VANLIEN_DEBUG") == "1":
        traceback.print_exception(exc, file=sys.stderr)
    lines = [f"vanlien: {trouble.vi} / {trouble.en}"]
    lines += [f"  {f['where']}: {f['vi']} / {f['en']}" for f in trouble.faults]
    if trouble.hint:
        lines.append(f"  Xem / see: {trouble.hint}")
    try:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
        if out is not None and not out.done:
            emit(trouble.payload(), "", as_json=True)
    except BrokenPipeError:
        return PIPE_CLOSED
    return trouble.exit_code


def _trouble(exc: Exception) -> Trouble:
    match exc:
        case UsageFault():
            return Trouble("usage", _line(exc.vi), _line(exc.en), USAGE)
        case typer.Abort() | EOFError():
            return Trouble(
                "interrupted", "Đã dừng theo yêu cầu.", "Stopped on request.", INTERRUPTED
            )
        case TyperException():
            return _usage(exc)
        case ConfigurationError():
            return _configuration(exc)
        case GatewayError():
            return _gateway(exc)
        case MemoryError():
            return Trouble("internal", "Hết bộ nhớ.", "Out of memory.", FAILURE)
        case _:
            what = _line(f"{type(exc).__name__}: {exc}")
            return Trouble("internal", f"Lỗi của hệ thống: {what}", f"Our failure: {what}", FAILURE)


def _usage(exc: TyperException) -> Trouble:
    message = _line(exc.format_message())
    context = getattr(exc, "ctx", None)
    hint = f"{context.command_path} --help" if context is not None else "vanlien --help"
    # The library has no Vietnamese: the class of the error is told, its English text follows.
    vi = {
        "MissingParameter": "Thiếu tham số",
        "NoSuchOption": "Không có tùy chọn này",
        "NoSuchCommand": "Không có lệnh này",
        "BadParameter": "Giá trị tham số sai",
        "BadOptionUsage": "Tùy chọn dùng sai",
        "BadArgumentUsage": "Tham số dùng sai",
        "FileError": "Không mở được tệp",
    }.get(type(exc).__name__, "Sai cách dùng")
    if message.startswith("No such command"):
        vi = "Không có lệnh này"
    if message.startswith("Missing command"):
        vi = "Thiếu lệnh con"
    name = getattr(exc, "option_name", "") or _hinted(exc)
    return Trouble("usage", f"{vi}: {name}" if name else f"{vi}.", message, USAGE, hint)


def _hinted(exc: TyperException) -> str:
    param = getattr(exc, "param", None)
    if param is None:
        return ""
    return cast("str", param.get_error_hint())


def _configuration(exc: ConfigurationError) -> Trouble:
    faults = tuple({"where": f.where, "vi": f.vi, "en": f.en} for f in exc.faults)
    if faults:
        said = f"Cấu hình sai, {len(faults)} lỗi:"
        return Trouble("configuration", said, _line(exc.public), USAGE, faults=faults)
    # Most say it in both languages already, "… / …": each is shown once.
    vi, _, en = _line(exc.public).partition(" / ")
    return Trouble("configuration", f"Cấu hình sai: {vi}", en or vi, USAGE)


_AT_THE_KEYBOARD: Final = {
    Reason.CONFLICT: "Trái với tình trạng đang có, chưa đổi gì",
    Reason.UNAVAILABLE: "Sổ cái, hàng đợi hoặc kho tệp không trả lời",
}
"""What a caller's reasons mean to an operator."""


def _gateway(exc: GatewayError) -> Trouble:
    vi = _AT_THE_KEYBOARD.get(exc.reason, CATALOGUE[exc.reason].vi)
    match exc:
        case RejectedError():
            # "The sender must change something": here the sender is whoever typed the command.
            return Trouble("rejected", f"{vi} ({exc.reason})", _line(exc.public), USAGE)
        case UnavailableError():
            said = _line(exc.public)
            return Trouble("unavailable", vi, said, FAILURE, "vanlien doctor")
        case IntegrityError():
            return Trouble("integrity", f"{vi}: dữ liệu hỏng", _line(exc.public), FAILURE)
        case _:
            return Trouble("internal", vi, _line(exc.public), FAILURE)


def _line(text: str) -> str:
    return " ".join(text.split())[:500]
