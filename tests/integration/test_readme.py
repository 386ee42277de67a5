"""The README's five minutes, as a reader would type them: read from the page, run by a real shell.

The only changes: `serve` stays in the background, and the port is one that is free here.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.world.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SECTION = "Five minutes to a delivered document"
ADDRESS = "http://127.0.0.1:8480"

needs_tools = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="bash and curl are not installed"
)


def blocks():
    """Return the shell blocks of the section, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"## {SECTION}\n")
    section = rest.partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


class Reader:
    """Somebody following the README in one folder: variables live on from block to block."""

    def __init__(self, folder, port):
        self.folder = folder
        self.port = port
        self.said = ""
        bin_dir = folder / ".bin"
        bin_dir.mkdir()
        command = bin_dir / "vanlien"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
        command.chmod(0o755)
        self.environ = os.environ | {
            "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "VANLIEN__HTTP__PORT": str(port),
            "no_proxy": "127.0.0.1",
        }

    def script(self, done):
        """Return the blocks as one script, with the free port in the place of the usual one."""
        text = "\n".join(done).replace(ADDRESS, f"http://127.0.0.1:{self.port}")
        return f"set -euo pipefail\n{text}"

    async def run(self, block, before=""):
        """Run one block; `before` gives the variables and functions earlier blocks defined."""
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self.script([before, block]),
            cwd=self.folder,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, f"{block}\n{out.decode()}\n{err.decode()}\n{self.said}"
        return out.decode()

    @asynccontextmanager
    async def serving(self, block):
        """Keep `vanlien serve` running."""
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self.script(["export VANLIEN_CONFIG=cong/vanlien.toml", f"exec {block.strip()}"]),
            cwd=self.folder,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        log = asyncio.create_task(self._listen(process))
        try:
            await self.until("/ready", process=process)
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(process.wait(), 60)
            await log
        assert code == 0, self.said

    async def _listen(self, process):
        async for line in process.stderr:
            self.said += line.decode()

    def ask(self, path, headers=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers=headers or {}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    async def until(self, path, *, headers=None, good=bool, process=None):
        """Ask until the answer is good; a person is slower than a machine, so a test must wait."""
        async with asyncio.timeout(60):
            while True:
                assert process is None or process.returncode is None, self.said
                try:
                    if good(await asyncio.to_thread(self.ask, path, headers)):
                        return
                except (urllib.error.URLError, OSError):
                    pass
                await asyncio.sleep(0.05)


def test_the_section_is_there_and_whole():
    found = blocks()
    assert len(found) == 7
    assert sum("vanlien serve" in b for b in found) == 1
    assert "curl" in "".join(found)


@needs_tools
@pytest.mark.timeout(300)
async def test_five_minutes_to_a_delivered_document(tmp_path):
    make, register, serve, define, send, receive, look = blocks()
    reader = Reader(tmp_path, free_port())
    context = f"export VANLIEN_CONFIG=cong/vanlien.toml\n{define}"

    await reader.run(make)
    await reader.run(register, context)
    async with reader.serving(serve):
        number = await reader.run(send, context)
        assert re.fullmatch(r"H37\.02,\d{4}/\d\d/\d\d,15/SNV-VP\n", number)
        # Sending once more gives the same answer.
        first = (tmp_path / "gui.json").read_bytes()
        await reader.run(send, context)
        assert (tmp_path / "gui.json").read_bytes() == first

        key = json.loads((tmp_path / "tai-chinh.json").read_text())["api_key"]
        bearer = {"Authorization": f"Bearer {key}"}
        await reader.until("/api/v1/inbox?after=0", headers=bearer, good=lambda a: a["items"])
        shown = await reader.run(receive, context)
        assert "V/v báo cáo kết quả liên thông văn bản" in shown

        # The page says so: a tree head comes every ten seconds.
        sent = json.loads(first)["id"]
        key = json.loads((tmp_path / "noi-vu.json").read_text())["api_key"]
        await reader.until(
            f"/api/v1/documents/{sent}/receipts",
            headers={"Authorization": f"Bearer {key}"},
            good=lambda a: a["entries"] and all(e["inclusion"] for e in a["entries"]),
        )
        said = await reader.run(look, context)
    lines = said.splitlines()
    assert lines[:2] == ["đã tiếp nhận", "03"]
    secrets = [json.loads((tmp_path / f).read_text()) for f in ("noi-vu.json", "tai-chinh.json")]
    for known in secrets:
        assert known["api_key"] not in reader.said
        assert known["vxp"]["secret"] not in reader.said
