"""Two independent pairs of eyes: PDFium and Poppler, on the signed state and on the present file.

An attacker writes for one reader. Where the guards doubt, both draw and read both states: a page
that looks different to either was changed, and two viewers that do not see the same is a finding by
itself. Poppler is used where its tools are installed, as a child process with limits on time,
memory and output, fed and read through pipes: nothing is written. A crash leaves nothing behind.
"""

import functools
import hashlib
import os
import resource
import shutil
import subprocess
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final

from gateway.trust import look

_WALL_S: Final = 10.0
_CPU_S: Final = 8
_MEMORY_BYTES: Final = 1 << 30
_MAX_OUTPUT: Final = 64 << 20
_TOLERATED: Final = 12
_TOLERATED_SHARE: Final = 0.03


@dataclass(frozen=True, slots=True)
class Opinion:
    """What two viewers say of a file and its signed state.

    Args:
        alike: Both see the same pages in both states; False when either sees a difference; None
            when neither can tell.
        disagree: The two do not see the same.
        second: Poppler was asked and answered.
    """

    alike: bool | None
    disagree: bool = False
    second: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    """One file as Poppler shows it: the letters read, and a digest of the pages drawn."""

    pages: int
    letters: Counter[str]
    pictures: bytes


def installed() -> bool:
    """Tell whether the second viewer is on this machine."""
    return _tools() is not None


@functools.cache
def _tools() -> tuple[str, str] | None:
    draw, read = shutil.which("pdftoppm"), shutil.which("pdftotext")
    return (draw, read) if draw and read else None


class Viewers:
    """Asks both viewers about one file, each thing once."""

    def __init__(self, data: bytes) -> None:
        """Take a file; nothing is drawn before the first question."""
        self._data = data
        self._views: dict[int, _View | None] = {}
        self._opinions: dict[int, Opinion] = {}

    def opinion(self, end: int | None) -> Opinion:
        """Return what both say of the file beside its first `end` bytes.

        Args:
            end: End of the signed state; None, or the file's size, asks about the file alone.
        """
        cut = len(self._data) if end is None else min(end, len(self._data))
        if cut not in self._opinions:
            self._opinions[cut] = self._ask(cut)
        return self._opinions[cut]

    def _ask(self, cut: int) -> Opinion:
        whole = len(self._data)
        first = True if cut == whole else look.same_look(self._data, cut)
        if _tools() is None:
            return Opinion(first)
        now = self._view(whole)
        then = now if cut == whole else self._view(cut)
        if now is None or then is None:
            # What only one of the two can open is shown differently to different readers.
            return Opinion(first, disagree=first is not None, second=True)
        # Poppler reads the text of annotations too, so only its pictures are compared.
        second = (now.pages, now.pictures) == (then.pages, then.pictures)
        differ = (first is not None and first is not second) or any(
            self._seen_otherwise(end, view) for end, view in ((whole, now), (cut, then))
        )
        alike = second if first is None else first and second
        return Opinion(alike, disagree=differ, second=True)

    def _seen_otherwise(self, end: int, view: _View) -> bool:
        """Tell whether PDFium reads another number of pages, or letters that Poppler does not."""
        other = look.page_text(self._data[:end])
        if other is None:
            return False
        pages, text = other
        if pages != view.pages and min(pages, view.pages) < look.MAX_PAGES:
            return True
        # Poppler's text has the annotations' too: what counts is what it does not see.
        letters = _letters(text)
        unseen = (letters - view.letters).total()
        return unseen > max(_TOLERATED, _TOLERATED_SHARE * letters.total())

    def _view(self, end: int) -> _View | None:
        if end not in self._views:
            self._views[end] = _viewed(self._data[:end])
        return self._views[end]


def _viewed(data: bytes) -> _View | None:
    tools = _tools()
    if tools is None:
        return None
    last = str(look.MAX_PAGES)
    draw, read = tools
    text = _run([read, "-l", last, "-layout", "-enc", "UTF-8", "-", "-"], data)
    if text is None:
        return None
    pictures = _run([draw, "-l", last, "-scale-to", "600", "-gray", "-hide-annotations", "-"], data)
    if pictures is None:
        return None
    letters = _letters(text.decode("utf-8", "replace"))
    return _View(text.count(b"\f"), letters, hashlib.sha256(pictures).digest())


def _letters(text: str) -> Counter[str]:
    """Return letters and figures with their number: what survives any splitting into words."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return Counter(c for c in plain if c.isalnum())


def _run(command: list[str], data: bytes) -> bytes | None:
    """Return what a tool prints of a file, None when it fails, hangs or prints too much."""
    try:
        process = subprocess.Popen(  # noqa: S603 — a fixed command, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        )
    except OSError:
        return None
    with process:
        _limit(process.pid)
        alarm = threading.Timer(_WALL_S, process.kill)
        feeder = threading.Thread(target=_feed, args=(process, data), daemon=True)
        alarm.start()
        feeder.start()
        try:
            printed = process.stdout.read(_MAX_OUTPUT + 1) if process.stdout else b""
            if len(printed) > _MAX_OUTPUT:
                process.kill()
            code = process.wait()
        finally:
            process.kill()
            alarm.cancel()
            feeder.join()
    return printed if code == 0 and len(printed) <= _MAX_OUTPUT else None


def _limit(pid: int) -> None:
    for kind, most in ((resource.RLIMIT_CPU, _CPU_S), (resource.RLIMIT_AS, _MEMORY_BYTES)):
        try:
            _, hard = resource.prlimit(pid, kind)
            limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, kind, (limit, limit))
        except (OSError, ValueError):  # it has ended already
            return


def _feed(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(data)
        process.stdin.close()
    except OSError:  # it has read enough, or is gone
        return
