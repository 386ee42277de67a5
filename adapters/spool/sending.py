"""What the agency dropped into `out/new`: documents, scans and statuses, each taken once in effect.

How one file goes: (1) it lies still, so nobody writes any more; (2) it is hashed; (3) it is handed
in under a key made of its name and hash, and hashed again on the way; (4) what is to be followed is
noted; (5) its result is written beside it; (6) it moves to `out/cur`, last of all. A crash after
any of these does the same again, under the same key, with the same answer. Nothing is deleted;
what cannot be taken says why.
"""

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from adapters.spool import form, names, results
from adapters.spool.folder import (
    OUT_CUR,
    OUT_NEW,
    ChangedError,
    Entry,
    Folder,
    UnreadableError,
)
from gateway import faults, observe
from gateway.codec.split import split_bytes
from gateway.codec.status import emit_status
from gateway.domain.envelope import Organization, ResponseFor, StaffInfo, StatusReport
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Accepted, Caller, Clock, Desk, FormFile, FrontDoor, SubmitOptions

_AT_ONCE: Final = 4
_AT_MOST: Final = 64
_STATUS_BYTES: Final = 256 * 1024
_NOTE_BYTES: Final = 4 * 1024 * 1024
_AGAIN_S: Final = 30.0
_TEXT_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things are waited for, in seconds.

    Args:
        settle_s: A file must lie still for so long before it is read.
        orphan_s: What cannot be taken as it is gets so long to become something else.
    """

    settle_s: float
    orphan_s: float


@dataclass(frozen=True, slots=True)
class _Job:
    """One thing to take: a packet, a scan with its small file, a status; or why it is none."""

    main: Entry
    kind: str
    beside: Entry | None = None
    why: tuple[str, str] = ("", "")


class Sending:
    """See the module.

    Args:
        folder: Where things are dropped.
        front: Takes documents and statuses.
        desk: Knows what a status is about.
        clock: Time.
        pace: How long is waited.
        scans: A scan with a small file beside it is taken as a document (S004).
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        front: FrontDoor,
        desk: Desk,
        clock: Clock,
        pace: Pace,
        scans: bool,
        monotonic: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._front, self._desk, self._clock = front, desk, clock
        self._pace, self._scans, self._monotonic = pace, scans, monotonic
        self._seen: dict[str, tuple[tuple[int, ...], float]] = {}
        self._later: dict[str, tuple[tuple[int, ...], float]] = {}

    async def once(self, caller: Caller) -> int:
        """Take what is ready; return how much it was.

        Raises:
            UnavailableError: The folder or the gateway cannot be used now.
        """
        entries = await self._folder.call(self._folder.listed, OUT_NEW)
        self._notice(entries)
        # A part at a time: what is offered does not wait until everything is taken.
        jobs = list(itertools.islice(self._jobs(entries), _AT_MOST))
        taken = 0
        for start in range(0, len(jobs), _AT_ONCE):
            batch = jobs[start : start + _AT_ONCE]
            done = await asyncio.gather(
                *(self._guarded(caller, job) for job in batch), return_exceptions=True
            )
            for one in done:
                if isinstance(one, BaseException):
                    raise one
                taken += one
        return taken

    # ------------------------------------------------------------ what is there

    def _notice(self, entries: Sequence[Entry]) -> None:
        now_s = self._monotonic()
        known, self._seen = self._seen, {}
        for entry in entries:
            before = known.get(entry.name)
            since_s = before[1] if before and before[0] == entry.identity else now_s
            self._seen[entry.name] = (entry.identity, since_s)
        self._later = {
            name: (identity, until_s)
            for name, (identity, until_s) in self._later.items()
            if name in self._seen and self._seen[name][0] == identity and now_s < until_s
        }

    def _still_s(self, entry: Entry) -> float:
        return self._monotonic() - self._seen[entry.name][1]

    def _jobs(self, entries: Sequence[Entry]) -> Iterator[_Job]:
        """Yield what is ready to be taken or refused, scans with their small file."""
        by_name = {entry.name: entry for entry in entries}
        for entry in entries:
            if names.is_unfinished(entry.name) or entry.name in self._later:
                continue
            if self._still_s(entry) < self._pace.settle_s:
                continue
            job = self._job(entry, by_name)
            patient = job is not None and job.kind == "unfit"
            if job is not None and not (patient and self._still_s(entry) < self._pace.orphan_s):
                yield job

    def _job(self, entry: Entry, by_name: dict[str, Entry]) -> _Job | None:
        name, suffix = entry.name, names.suffix_of(entry.name)
        why = _unfit(entry)
        if why is not None:
            return _Job(entry, "unfit", why=why)
        if name.lower().endswith(names.STATUS):
            return _Job(entry, "status")
        if suffix in names.PACKETS:
            return _Job(entry, "packet")
        if self._scans and suffix in names.SCANS:
            return self._scan(entry, by_name)
        if self._scans and suffix in names.SIDECARS and _owners(name, by_name):
            return None  # it goes with its scan
        return _Job(entry, "unfit", why=_UNKNOWN)

    def _scan(self, entry: Entry, by_name: dict[str, Entry]) -> _Job | None:
        stem = names.stem_of(entry.name)
        beside = [b for s in names.SIDECARS for b in (f"{stem}{s}", f"{entry.name}{s}")]
        found = next((by_name[b] for b in beside if b in by_name), None)
        if found is not None:
            if self._still_s(found) < self._pace.settle_s:
                return None
            why = _unfit(found)
            return _Job(entry, "unfit", why=why) if why else _Job(entry, "scan", found)
        if form.is_described(stem):
            return _Job(entry, "scan")
        return _Job(entry, "unfit", why=_ALONE)

    # ------------------------------------------------------------ one of them

    async def _guarded(self, caller: Caller, job: _Job) -> int:
        try:
            return await self._take(caller, job)
        except ChangedError:
            return 0  # somebody still writes: it is looked at anew
        except UnreadableError:
            await self._put_off(job.main, *_FORBIDDEN)
            return 0
        except (UnavailableError, asyncio.CancelledError):
            raise
        except Exception as exc:  # noqa: BLE001 - one file must not hold up all the others
            observe.alarm(what="spool", subject=self._folder.system_id, failure=exc)
            await self._put_off(job.main, *_OURS)
            return 0

    async def _take(self, caller: Caller, job: _Job) -> int:
        name = job.main.name
        good = names.is_good(name)
        # What is never read is told apart by what the disk says of it.
        unfit = job.kind == "unfit"
        digest = _of(job.main.identity) if unfit else await self._digest(job)
        shown = name if good else names.stand_in(name)
        target = await self._folder.call(self._target, shown, digest)
        try:
            result = await self._handed_in(caller, job, digest, target)
        except RejectedError as exc:
            if exc.reason is Reason.IN_FLIGHT:
                return 0
            result = results.refused(shown, "" if unfit else digest, self._clock.now(), exc)
        result["key"] = digest
        faults.reach("spool.after-submit")
        await self._folder.call(self._written, target, result)
        faults.reach("spool.after-result")
        await self._folder.call(self._moved, job, target)
        observe.spool_taken(system_id=caller.system_id, kind=job.kind, result=str(result["result"]))
        return 1

    async def _handed_in(self, caller: Caller, job: _Job, digest: str, target: str) -> results.Json:
        name, at = job.main.name, self._clock.now()
        if job.kind == "unfit":
            raise _unusable(*job.why)
        if job.kind == "status":
            return results.reported(name, digest, at, await self._status(caller, job.main))
        if job.kind == "packet" and await self._is_status(job.main):
            options = SubmitOptions(via="spool", check_sha256=_unchanged(digest))
            told = await self._front.report(caller, self._bytes(job.main), options)
            return results.reported(name, digest, at, told)
        options = SubmitOptions(
            via="spool",
            idempotency_key=names.key_of(name, digest),
            check_sha256=_unchanged(digest),
        )
        if job.kind == "packet":
            done = await self._front.submit(caller, self._bytes(job.main), options)
        else:
            done = await self._submit_scan(caller, job, digest)
        await self._follow(done, target)
        return results.accepted(name, digest, at, json.loads(done.answer_json))

    async def _submit_scan(self, caller: Caller, job: _Job, digest: str) -> Accepted:
        main, beside = job.main, job.beside
        data = None if beside is None else await self._small(beside, form.MOST_BYTES)
        suffix = "" if beside is None else names.suffix_of(beside.name)
        told = form.read(names.stem_of(main.name), suffix, data, caller.speaks_for)
        media = names.SCANS[names.suffix_of(main.name)]
        check = _unchanged(digest)

        async def files() -> AsyncIterator[FormFile]:
            yield FormFile(main.name, media, self._checked(main, data, check))

        options = SubmitOptions(
            via="spool-form",
            idempotency_key=names.key_of(main.name, digest),
            secrecy=told.secrecy,
        )
        return await self._front.submit_form(caller, told.header, files(), options)

    async def _status(self, caller: Caller, entry: Entry) -> str:
        """Report what a small JSON says, as the message an axis would carry.

        The message is made of the file alone, so that the same file again is the same message.
        """
        said = _said(await self._small(entry, _STATUS_BYTES))
        arrival = await self._desk.arrival(caller, said["id"])
        sent = arrival["promulgation_date"]
        report = StatusReport(
            sender=Organization(arrival["addressed_as"][0]),
            response_for=ResponseFor(
                organ_id=arrival["sender"],
                code=arrival["code"] or "",
                document_id=arrival["document_id"],
                promulgation_date=date.fromisoformat(sent) if sent else None,
            ),
            code=said["code"],
            description=said["reason"],
            at=datetime.fromtimestamp(entry.identity[3] // 10**9, UTC),
            staff=StaffInfo(staff=said["decided_by"]) if said["decided_by"] else None,
        )
        data = emit_status(report)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return await self._front.report(caller, chunks(), SubmitOptions(via="spool"))

    async def _is_status(self, entry: Entry) -> bool:
        """Tell by its bytes: software of all kinds names its files as it likes."""
        if entry.size_bytes > _STATUS_BYTES:
            return False
        data = await self._small(entry, _STATUS_BYTES)
        try:
            return split_bytes(data).kind == "status"
        except RejectedError:
            return False  # whoever takes documents says what is wrong with it

    # ------------------------------------------------------------ bytes

    async def _bytes(self, entry: Entry) -> AsyncIterator[bytes]:
        chunks = self._folder.chunks(OUT_NEW, entry)
        try:
            while (chunk := await self._folder.call(next, chunks, None)) is not None:
                yield chunk
        finally:
            # Left in the middle when what it says is refused before its end; a thread that is
            # still reading for us closes it when it comes back.
            with suppress(ValueError):
                chunks.close()

    async def _checked(
        self, entry: Entry, beside: bytes | None, check: Callable[[str], None]
    ) -> AsyncIterator[bytes]:
        told = hashlib.sha256(beside or b"")
        async for chunk in self._bytes(entry):
            told.update(chunk)
            yield chunk
        check(told.hexdigest())

    async def _small(self, entry: Entry, most: int) -> bytes:
        if entry.size_bytes > most:
            raise _unusable(f"lớn hơn {most // 1024} KiB", f"larger than {most // 1024} KiB")
        return b"".join([chunk async for chunk in self._bytes(entry)])

    async def _digest(self, job: _Job) -> str:
        """Return the hash of a file; a scan's covers the small file before it."""
        beside = b""
        if job.beside is not None:
            beside = await self._small(job.beside, form.MOST_BYTES)
        told = hashlib.sha256(beside)
        async for chunk in self._bytes(job.main):
            told.update(chunk)
        return told.hexdigest()

    # ------------------------------------------------------------ results

    def _target(self, name: str, digest: str) -> str:
        """Return what it is called in `out/cur`: its own name, or one beside an earlier one."""
        note = self._folder.small(OUT_CUR, f"{name}{names.RESULT}", _NOTE_BYTES)
        free = not self._folder.has(OUT_CUR, name)
        if note is None:
            return name if free else names.other_name(name, digest)
        try:
            earlier = json.loads(note)
            # What only waited says nothing about a file that lies there: neither is lost.
            same = free if earlier["result"] == "waiting" else earlier["key"] == digest
        except (ValueError, LookupError, TypeError, RecursionError):
            same = False
        return name if same else names.other_name(name, digest)

    def _written(self, target: str, result: results.Json) -> None:
        self._folder.write(OUT_CUR, f"{target}{names.READABLE}", results.readable(result))
        self._folder.write(OUT_CUR, f"{target}{names.RESULT}", results.dumped(result))

    def _moved(self, job: _Job, target: str) -> None:
        # The scan first: without it the small file is never taken for a document.
        self._folder.move(OUT_NEW, job.main.name, OUT_CUR, target)
        if job.beside is not None:
            faults.reach("spool.between-moves")
            beside = f"{target}{names.suffix_of(job.beside.name)}"
            self._folder.move(OUT_NEW, job.beside.name, OUT_CUR, beside)

    async def _follow(self, done: Accepted, target: str) -> None:
        note = results.dumped({"id": done.id, "file": target})
        await self._folder.call(self._folder.write, "following", f"{done.id}.json", note)

    async def _put_off(self, entry: Entry, vi: str, en: str) -> None:
        """Say once why a file is not taken yet; it stays where it is."""
        self._later[entry.name] = (entry.identity, self._monotonic() + _AGAIN_S)
        shown = entry.name if names.is_good(entry.name) else names.stand_in(entry.name)
        if await self._folder.call(self._folder.has, OUT_CUR, f"{shown}{names.RESULT}"):
            return
        result = results.waiting(shown, self._clock.now(), vi, en)
        await self._folder.call(self._written, shown, result)


_UNKNOWN: Final = (
    "không phải loại tệp mà thư mục này nhận; xem hướng dẫn trong docs/integrate.md",
    "no kind of file that this folder takes; see docs/integrate.md",
)
_ALONE: Final = (
    "thiếu tệp mô tả cùng tên (.json, .ini hoặc .csv), và tên tệp không tự nói đủ",
    "the small file of its name (.json, .ini or .csv) is missing, and the name does not say enough",
)
_FORBIDDEN: Final = (
    "cổng không đọc được tệp; cho nhóm của thư mục quyền đọc",
    "the gateway cannot read the file; let the folder's group read it",
)
_OURS: Final = (
    "lỗi của hệ thống khi nhận tệp; người vận hành đã được báo, tệp sẽ được thử lại",
    "our own failure while taking the file; operations were told, it will be tried again",
)
_KINDS: Final = {
    "folder": ("là một thư mục; chỉ thả tệp", "it is a folder; drop files only"),
    "link": (
        "là liên kết (symlink); thả chính tệp đó",
        "it is a symbolic link; drop the file itself",
    ),
    "other": ("không phải tệp thường", "it is no plain file"),
}


def _unfit(entry: Entry) -> tuple[str, str] | None:
    """Return why something is never read, None when it may be."""
    if entry.kind != "file":
        return _KINDS[entry.kind]
    if entry.links != 1:
        return (
            "còn tên khác trỏ tới cùng tệp (hard link); sao chép thành tệp riêng",
            "it has another name (hard link); make a copy of its own",
        )
    if not names.is_good(entry.name):
        return (
            "tên tệp có ký tự không dùng được hoặc quá dài; đổi tên rồi thả lại",
            "its name has characters that cannot be used, or is too long; rename it",
        )
    return None


def _owners(sidecar: str, by_name: dict[str, Entry]) -> list[str]:
    stem = names.stem_of(sidecar)
    wanted = {stem, *(f"{stem}{s}" for s in names.SCANS)}
    return [name for name in by_name if name.lower() in {w.lower() for w in wanted}]


def _unusable(vi: str, en: str) -> RejectedError:
    finding = Finding("MD-10", Severity.ERROR, "", f"Tệp {vi}.", f"The file cannot be taken: {en}.")
    return RejectedError(Reason.BAD_REQUEST, en, findings=(finding,))


def _unchanged(digest: str) -> Callable[[str], None]:
    def check(told: str) -> None:
        if told != digest:
            raise ChangedError

    return check


def _of(identity: tuple[int, ...]) -> str:
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _said(data: bytes) -> dict[str, Any]:
    """Return what a small status file says: `{id, code, reason, decided_by}`.

    Raises:
        RejectedError: It is none.
    """
    try:
        said = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        said = None
    wanted = ("id", "code", "reason", "decided_by")
    good = isinstance(said, dict) and all(
        isinstance(said.setdefault(key, ""), str) and len(said[key]) <= _TEXT_MOST for key in wanted
    )
    if not good or not said["id"] or not said["code"] or set(said) - set(wanted):
        raise _unusable(
            'phải là JSON dạng {"id": "…", "code": "03", "reason": "…", "decided_by": "…"}',
            'it must be JSON like {"id": "…", "code": "03", "reason": "…", "decided_by": "…"}',
        )
    # The folder an item was brought in may be named as well.
    return {**said, "id": names.item_of(said["id"]) or said["id"]}
