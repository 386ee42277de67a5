"""Pictures of the pages that carry signatures, drawn in a process of their own.

Promises: never raises for what a file does: no picture is the worst outcome; a process over its
time or memory is killed; only so many run at once, and they are not the verifier's, so that looking
at reports never delays a document. Nothing is stored.
"""

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gateway.trust.pictures import NO_PICTURES, PagePicture, Pictures, Wanted
from gateway.verifier.process import bare_environment

_WIDTH: Final = 400
_MAX_ANSWER: Final = 16 * 1024 * 1024
_MAX_PNG: Final = 600 * 1024
_MAX_WHOLE_PNG: Final = 4 * 1024 * 1024


class PageRenderer:
    """Draws pages.

    Args:
        at_once: Processes at one time.
        timeout_s: Wall and processor time of one job.
        memory_bytes: Address space of one process.
        worker_module: What a process runs; tests put a misbehaving one here.
    """

    def __init__(
        self,
        *,
        at_once: int = 1,
        timeout_s: float = 10.0,
        memory_bytes: int = 768 * 1024 * 1024,
        worker_module: str = "gateway.verifier.drawing",
    ) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._worker_module = worker_module

    async def draw(self, path: Path, wanted: Sequence[Wanted]) -> Pictures:
        """Return pictures of the pages asked for, as far as they can be drawn.

        Args:
            path: The PDF; it must stay readable until the answer.
            wanted: From `gateway.trust.pictures.wanted`.
        """
        if not wanted:
            return NO_PICTURES
        async with self._room:
            return _pictures(await self._ask(_job(path, wanted)))

    async def page(self, path: Path, number: int, width: int) -> tuple[int, PagePicture | None]:
        """Return how many pages a PDF has, 0 when it cannot be read, and the picture of one.

        Args:
            path: The file; it must stay readable until the answer.
            number: Of the page, from 1.
            width: Of the picture, pixels.
        """
        async with self._room:
            answer = await self._ask(_job(path, (Wanted(0, number, None),), width))
        return _count(answer), _pictures(answer, _MAX_WHOLE_PNG).pages.get(number)

    async def _ask(self, job: bytes) -> bytes:
        """Run one process; b"" when it fails, whatever the reason."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                self._worker_module,
                str(self._memory_bytes),
                str(int(self._timeout_s) + 1),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env=bare_environment(),
                start_new_session=True,
            )
        except OSError:
            return b""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _exchange(process, job)
        except (TimeoutError, ConnectionError):
            return b""
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _job(path: Path, wanted: Sequence[Wanted], width: int = _WIDTH) -> bytes:
    found = [{"signature": w.signature, "page": w.page, "rectangle": w.rectangle} for w in wanted]
    return json.dumps({"path": str(path.absolute()), "width": width, "wanted": found}).encode()


async def _exchange(process: asyncio.subprocess.Process, job: bytes) -> bytes:
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write(job)
    await stdin.drain()
    stdin.close()
    answer = bytearray()
    while piece := await stdout.read(1 << 16):
        answer += piece
        if len(answer) > _MAX_ANSWER:
            return b""
    return bytes(answer) if await process.wait() == 0 else b""


def _count(answer: bytes) -> int:
    try:
        return max(0, int(json.loads(answer)["count"]))
    except (ValueError, KeyError, TypeError):
        return 0


def _pictures(answer: bytes, most: int = _MAX_PNG) -> Pictures:
    """Read an answer; it comes from a process that read a stranger's file, so it is checked."""
    try:
        found: dict[str, Any] = json.loads(answer)
        pages = {int(number): _page(page, most) for number, page in found["pages"].items()}
        marks = {
            int(index): (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
            for index, box in found["marks"].items()
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return NO_PICTURES
    drawn = {number: page for number, page in pages.items() if page is not None}
    return Pictures(drawn, marks)


def _page(page: dict[str, Any], most: int) -> PagePicture | None:
    image = base64.b64decode(page["png"], validate=True)
    if len(image) > most or not image.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return PagePicture(image, int(page["width"]), int(page["height"]))
