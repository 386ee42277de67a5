"""The examples of docs/integrate.md, run as they stand against a real gateway."""

import asyncio
import os
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from gateway.domain import webhook as signing
from tests.world.gatehouse import gatehouse, packet

ROOT = Path(__file__).resolve().parents[2]
BODY = b'{"type":"inbox.document","timestamp":"2026-11-22T08:00:00+07:00","data":{}}'
SECRET = b"k" * 32


def example(language):
    """Return the one block of a language in the section."""
    page = (ROOT / "docs/integrate.md").read_text(encoding="utf-8")
    section = page.partition("\n## Examples\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return block


def needs(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Reader:
    """Somebody who tries an example: a folder with a packet and a message, and the variables."""

    def __init__(self, folder, house):
        self.folder, self.house = folder, house
        (folder / "di.edxml").write_bytes(packet())
        (folder / "body.json").write_bytes(BODY)
        told = signing.headers([SECRET], "m1", int(time.time()), BODY)
        self.environ = os.environ | {
            "URL": house.url,
            "KEY": house.systems["qlvb"].key,
            "SECRET": signing.secret_text(SECRET),
            "MESSAGE_ID": told["webhook-id"],
            "TIMESTAMP": told["webhook-timestamp"],
            "SIGNATURE": told["webhook-signature"],
            "WAIT": "0",
            "PYTHONPATH": str(ROOT),
            "no_proxy": "127.0.0.1",
        }

    async def run(self, *command, **environ):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env=self.environ | environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    async def worked(self):
        """Check what an example leaves: sent once, stored, confirmed, taken."""
        _, sent, _ = await self.house.call("GET", "/documents", "qlvb")
        _, came, _ = await self.house.call("GET", "/inbox", "qlvb")
        assert len(sent["items"]) == 1
        (item,) = came["items"]
        assert item["entered_system_at"]
        assert item["state"] == "accepted"
        assert b"</edXML>" in (self.folder / f"{item['id']}.edxml").read_bytes()


@pytest.fixture
async def reader(tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    async with gatehouse(tmp_path, speaks={"qlvb": ["H37.02", "H37.04"]}) as house:
        yield Reader(folder, house)


@needs("bash", "curl", "openssl")
async def test_curl(reader):
    script = example("bash")
    # It is there before the script asks: a shell that waits by the clock would make a test of it.
    await reader.house.send(packet(), "qlvb", key="H37.02-2026-412")
    await reader.house.inbox("qlvb")
    code, said = await reader.run("bash", "-euo", "pipefail", "-c", script)
    assert code == 0, said
    assert "good" in said
    await reader.worked()
    code, said = await reader.run("bash", "-euo", "pipefail", "-c", script, SIGNATURE="v1,x")
    assert code == 1
    assert "not the gateway's" in said


async def test_python(reader):
    (reader.folder / "lien_thong.py").write_text(example("python"), encoding="utf-8")
    code, said = await reader.run(sys.executable, "lien_thong.py")
    assert code == 0, said
    assert "inbox.answered" in said
    await reader.worked()


@needs("javac", "java")
async def test_java(reader):
    (reader.folder / "LienThong.java").write_text(example("java"), encoding="utf-8")
    quick = ("-J-XX:TieredStopAtLevel=1", "-J-Xshare:auto")
    code, said = await reader.run("javac", *quick, "-encoding", "UTF-8", "LienThong.java")
    assert code == 0, said
    run = ("java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", ".", "LienThong")
    code, said = await reader.run(*run)
    assert code == 0, said
    assert "good" in said
    await reader.worked()
    code, said = await reader.run(*run, SIGNATURE="v1,x v1,y")
    assert "not the gateway's" in said


def test_csharp_names_what_there_is():
    """Without .NET: its addresses and headers are ours, its brackets close."""
    from tests.world.client_shapes import document

    text = example("csharp")
    for opening, closing in ("{}", "()", "[]"):
        bare = re.sub(r'\$?"(?:\\.|[^"\\])*"', "", text)
        assert bare.count(opening) == bare.count(closing)
    known = {re.sub(r"\{\w+\}", "{}", path) for path in document()["paths"]}
    named = {n.partition("?")[0] for n in re.findall(r"/api/v1/[a-z]+(?:\?[a-z]+=)?", text)}
    assert (
        named
        == {"/api/v1/documents", "/api/v1/inbox", "/api/v1/events"}
        <= known | {"/api/v1/inbox"}
    )
    for part in ("/edxml", "/confirm", "/status"):
        assert f"{{one}}{part}" in text
        assert f"/api/v1/inbox/{{}}{part}" in known
    for header in ("Idempotency-Key", "Last-Event-ID", "application/edxml+xml"):
        assert f'"{header}"' in text
