"""The frame: one object with --json whatever happens, 64 and 70, and never a stack trace."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from gateway.cli import common, frame
from gateway.cli.frame import UsageFault, emit, run
from gateway.errors import (
    ConfigurationError,
    Fault,
    IntegrityError,
    Reason,
    RejectedError,
    UnavailableError,
)

ROOT = Path(__file__).resolve().parents[3]


def an_app(body):
    app = typer.Typer(add_completion=False, invoke_without_command=True)

    @app.callback()
    def root(context: typer.Context):
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    @app.command()
    def act(
        file: Annotated[Path, typer.Argument(exists=True)] = Path(),
        n: Annotated[int, typer.Option("--n")] = 0,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ):
        return body(as_json)

    @app.command()
    def need(name: str):
        return 0

    return app


def outcome(capsys, body, *args):
    code = run(an_app(body), args)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def gives(answer):
    def body(as_json):
        return answer

    return body


well = gives(0)


def boom(exc):
    def body(as_json):
        raise exc

    return body


TROUBLES = [
    (UsageFault("sai", "wrong"), 64, "usage"),
    (ConfigurationError("bad", (Fault("http.port", "sai", "wrong"),)), 64, "configuration"),
    (ConfigurationError("bad"), 64, "configuration"),
    (RejectedError(Reason.CONFLICT, "taken"), 64, "rejected"),
    (UnavailableError(), 70, "unavailable"),
    (IntegrityError("torn"), 70, "integrity"),
    (ValueError("odd\nthing"), 70, "internal"),
    (OSError(28, "No space left on device"), 70, "internal"),
    (MemoryError(), 70, "internal"),
    (BrokenPipeError(32, "a socket, not our output"), 70, "internal"),
    (RecursionError("deep"), 70, "internal"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (typer.Abort(), 130, "interrupted"),
    (typer.BadParameter("no"), 64, "usage"),
]


@pytest.mark.parametrize(("exc", "code", "kind"), TROUBLES)
def test_every_error_has_its_code_and_both_languages(capsys, exc, code, kind):
    got, out, err = outcome(capsys, boom(exc), "act")
    assert got == code
    assert not out
    assert " / " in err.splitlines()[0]


@pytest.mark.parametrize(("exc", "code", "kind"), TROUBLES)
def test_every_error_is_one_object_with_json(capsys, exc, code, kind):
    got, out, _ = outcome(capsys, boom(exc), "act", "--json")
    error = json.loads(out)["error"]
    assert got == code == error["exit_code"]
    assert error["kind"] == kind
    assert error["message_vi"]
    assert error["message_en"]


def test_all_faults_of_a_configuration_are_shown(capsys):
    exc = ConfigurationError("2 faults", (Fault("a.b", "x", "y"), Fault("c.d", "z", "w")))
    _, _, err = outcome(capsys, boom(exc), "act")
    assert "a.b: x / y" in err
    assert "c.d: z / w" in err
    _, out, _ = outcome(capsys, boom(exc), "act", "--json")
    assert [f["where"] for f in json.loads(out)["error"]["faults"]] == ["a.b", "c.d"]


WRONG_LINES = [
    ("need",),
    ("act", "--nope"),
    ("act", "--n", "many"),
    ("act", "--n"),
    ("act", "no-such-file"),
    ("act", ".", "too", "many"),
    ("unknown",),
    ("--nope",),
]


@pytest.mark.parametrize("args", WRONG_LINES)
def test_a_wrong_command_line_is_64(capsys, args):
    code, out, err = outcome(capsys, well, *args)
    assert (code, out) == (64, "")
    assert "--help" in err


@pytest.mark.parametrize("args", WRONG_LINES)
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_wrong_command_line_is_one_object_with_json(capsys, args, where):
    args = ("--json", *args) if where == "first" else (*args, "--json")
    code, out, _ = outcome(capsys, well, *args)
    assert code == 64
    assert json.loads(out)["error"]["kind"] == "usage"


def test_json_behind_a_double_dash_is_not_the_option(capsys):
    code, out, _ = outcome(capsys, well, "act", "--", "--json")
    assert (code, out) == (64, "")


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, None])
def test_a_verdict_goes_through(capsys, code):
    assert outcome(capsys, gives(code), "act")[0] == (code or 0)
    got, out, _ = outcome(capsys, gives(code), "act", "--json")
    assert got == (code or 0)
    assert json.loads(out) == {"exit_code": code or 0}


def test_an_answer_that_is_no_code_is_our_failure(capsys):
    assert outcome(capsys, gives("yes"), "act")[0] == 70


def test_stray_prints_do_not_spoil_the_object(capsys):
    def body(as_json):
        sys.stdout.write("progress\n")
        emit({"a": "ệ"}, "human", as_json)
        sys.stdout.write("more\n")

    code, out, err = outcome(capsys, body, "act", "--json")
    assert (code, out) == (0, '{"a": "ệ"}\n')
    assert "progress" in err


def test_an_error_after_the_answer_does_not_add_a_second_object(capsys):
    def body(as_json):
        emit({"a": 1}, "human", as_json)
        raise ValueError("late")

    code, out, err = outcome(capsys, body, "act", "--json")
    assert (code, out) == (70, '{"a": 1}\n')
    assert "late" in err


def test_a_second_answer_is_our_failure(capsys):
    def body(as_json):
        emit({"a": 1}, "", as_json)
        emit({"a": 2}, "", as_json)

    code, out, _ = outcome(capsys, body, "act", "--json")
    assert (code, out) == (70, '{"a": 1}\n')


def test_people_get_text_or_tables(capsys):
    from gateway.cli.common import table

    def body(as_json):
        emit({}, table("Bảng", ["Cột [x]"], [["[red]ô[/red]"]]), as_json)

    _, out, _ = outcome(capsys, body, "act")
    assert "Cột [x]" in out
    assert "[red]ô[/red]" in out


def test_a_table_in_a_pipe_is_not_cut(capsys):
    from gateway.cli.common import table

    def body(as_json):
        emit({}, table("t", ["a", "b"], [["x" * 60, "y" * 60]]), as_json)

    _, out, _ = outcome(capsys, body, "act")
    assert "x" * 60 in out
    assert "y" * 60 in out


def test_help_and_version_are_objects_with_json(capsys):
    _, out, _ = outcome(capsys, well, "act", "--help", "--json")
    assert "Usage" in json.loads(out)["text"]


def test_bare_prints_help_and_ends_well(capsys):
    code, out, _ = outcome(capsys, well)
    assert code == 0
    assert "Usage" in out


def test_debug_shows_the_trace(capsys, monkeypatch):
    monkeypatch.setenv("VANLIEN_DEBUG", "1")
    code = run(an_app(boom(ValueError("x"))), ["act"])
    assert code == 70
    assert "Traceback" in capsys.readouterr().err


def test_examples_list_commands_and_codes():
    text = frame.examples("vanlien x", exits="0 tốt / good · 1 hỏng / broken")
    assert "$ vanlien x" in text
    assert "1 hỏng" in text
    assert "64" in text
    assert "70" in text


# ---------------------------------------------------------------- real processes


def vanlien(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *args],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
        **options,
    )


def test_help_names_every_command_without_heavy_libraries():
    heavy = "aiohttp lxml sqlalchemy cryptography pydantic pyhanko xmlschema structlog typst"
    code = (
        "import sys; from gateway.__main__ import main; code = main(['--help']); "
        f"print('heavy:', [m for m in {heavy.split()!r} if m in sys.modules], file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert done.stderr.decode().strip() == "heavy: []"
    from gateway.__main__ import COMMANDS, application

    commands = typer.main.get_command(application()).commands
    assert {*COMMANDS, "check-config"} == set(commands)
    for name in commands:
        assert f"│ {name} " in done.stdout.decode()


def test_version():
    done = vanlien("--version")
    assert (done.returncode, done.stdout) == (0, b"vanlien 0.1.0\n")


def test_an_ascii_terminal_still_gets_its_text():
    done = vanlien("nope", env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.returncode == 64
    assert "Không có lệnh này" in done.stderr.decode("utf-8")


def test_a_reader_that_goes_away_is_no_failure():
    shell = f"'{sys.executable}' -m gateway --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.strip() in {b"141", b"0"}  # 0 when the help fitted before the reader left
    assert not done.stderr


def test_a_name_that_is_no_text_is_shown_all_the_same():
    done = vanlien(b"verify", b"\xff\xfe.pdf", b"--json")
    assert done.returncode != 0
    json.loads(done.stdout)


def test_a_strangers_words_in_a_table_do_not_steer_the_terminal(capsys):
    words = "Sở\x1b[31m đỏ\x1b]0;chào\x07 \x9b2J\u202egood\nhai dòng"
    emit({}, common.table("Tên", ("a",), [(words,), (None,), (7,)]), as_json=False)
    shown = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert "Sở·[31m đỏ·]0;chào· ·2J·good" in shown
    assert "hai dòng" in shown
