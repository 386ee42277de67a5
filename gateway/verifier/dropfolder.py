"""The drop folder: lists somebody carries in by hand, by script or on a stick.

`incoming/` is looked at; a file counts as complete when two looks find the same size and time, so
that a copy in progress is left alone (names beginning with a dot or ending in `.part` or `.tmp` are
always). It ends in `taken/`, or in `refused/` with a sentence beside it. Promises: no file is ever
deleted; a crash between taking and moving takes it again, which changes nothing.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from asn1crypto import x509

from gateway.trust.crl import RefusedListError, lists_in
from gateway.verifier.revocation import MAX_LIST_BYTES, RevocationStore, Taken

_PASSED_OVER: Final = (".part", ".tmp", ".crdownload", ".filepart")
_MAX_FILES: Final = 100


@dataclass(frozen=True, slots=True)
class Dropped:
    """What became of one file.

    Args:
        name: Of the file.
        taken: Lists and answers taken from it.
        refused: Why others were not; empty when all were taken.
    """

    name: str
    taken: tuple[Taken, ...]
    refused: tuple[RefusedListError, ...]


@dataclass(slots=True)
class DropFolder:
    """The folder and what the last look saw.

    Args:
        store: Where lists are taken into; its folder holds `incoming`.
    """

    store: RevocationStore
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    def look(self, issuers: Sequence[x509.Certificate], now: datetime) -> list[Dropped]:
        """Take every complete file; return what became of each. Blocking.

        Raises:
            OSError: The folders cannot be used.
        UnavailableError: The store cannot be written; the file stays where it is.
        """
        incoming = self.store.folder / "incoming"
        done: list[Dropped] = []
        present: dict[str, tuple[int, int]] = {}
        incoming.mkdir(mode=0o700, exist_ok=True)
        for path in sorted(incoming.iterdir())[:_MAX_FILES]:
            if path.name.startswith(".") or path.name.endswith(_PASSED_OVER):
                continue
            if path.is_symlink() or not path.is_file():
                continue
            found = path.stat()
            mark = (found.st_size, found.st_mtime_ns)
            if self._seen.get(path.name) == mark:
                done.append(self._take(path, issuers, now))
            else:
                present[path.name] = mark
        self._seen = present
        return done

    def _take(self, path: Path, issuers: Sequence[x509.Certificate], now: datetime) -> Dropped:
        taken, refused = take_file(self.store, path, issuers)
        place = self.store.folder / ("refused" if refused else "taken")
        place.mkdir(mode=0o700, exist_ok=True)
        target = _free(place, f"{now:%Y%m%dT%H%M%S}-{path.name}")
        if refused:
            text = "\n".join(f"{exc.vi}\n{exc.en}\n" for exc in refused)
            Path(f"{target}.reason.txt").write_text(text, encoding="utf-8")
        shutil.move(path, target)
        return Dropped(path.name, tuple(taken), tuple(refused))


def take_file(
    store: RevocationStore, path: Path, issuers: Sequence[x509.Certificate]
) -> tuple[list[Taken], list[RefusedListError]]:
    """Take everything one file holds: a list or answer in DER, or lists in PEM.

    Raises:
        UnavailableError: The store cannot be written.
    """
    taken: list[Taken] = []
    refused: list[RefusedListError] = []
    try:
        ders = _contents(path)
    except OSError as exc:
        vi, en = f"không đọc được tệp: {exc.strerror}", f"the file cannot be read: {exc.strerror}"
        return [], [RefusedListError(vi, en)]
    except RefusedListError as exc:
        return [], [exc]
    for der in ders:
        try:
            taken.append(store.take(der, issuers))
        except RefusedListError as exc:
            refused.append(exc)
    return taken, refused


def _contents(path: Path) -> list[bytes]:
    if path.stat().st_size > 2 * MAX_LIST_BYTES:
        raise RefusedListError("tệp quá lớn (128 MiB)", "the file is too large (128 MiB)")
    ders = lists_in(path.read_bytes())
    if not ders:
        raise RefusedListError("tệp không có CRL nào", "there is no CRL in the file")
    return ders


def _free(place: Path, name: str) -> Path:
    """Return a name not used yet."""
    target, count = place / name, 1
    while target.exists():
        count += 1
        target = place / f"{count}-{name}"
    return target
