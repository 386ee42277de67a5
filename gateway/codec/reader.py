"""A whole packet at once, for files and programs: split, unwrap, digest, parse.

Memory stays at a few chunks; attachments pass through a spool directory. A crash leaves files in
the spool, which is the caller's to delete (a temporary directory). The intake does the same with
its own sink: feed a `Splitter`, ask `may_be_wrapped` and `single_entry` for each part, stream
`unwrap`, then `parse_envelope`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.codec.limits import DEFAULT_LIMITS, Limits
from gateway.codec.parse import Stored, parse_envelope
from gateway.codec.split import Part, Skeleton, Splitter
from gateway.codec.status import parse_status_skeleton
from gateway.codec.unwrap import BrokenWrapperError, may_be_wrapped, single_entry, unwrap
from gateway.domain.envelope import Envelope, Repair, StatusReport
from gateway.domain.finding import Finding


@dataclass(frozen=True, slots=True)
class ReadPacket:
    """A packet read (gói tin đã đọc): exactly one of `envelope` and `status` is set.

    Args:
        sha256: Hex digest of the packet as received.
        size_bytes: Of the packet as received.
        skeleton: For the schema check.
        envelope: The document.
        status: The status report.
        findings: About the packet, not its content.
        files: Unwrapped attachments in the spool, in order.
    """

    sha256: str
    size_bytes: int
    skeleton: Skeleton
    envelope: Envelope | None
    status: StatusReport | None
    findings: tuple[Finding, ...]
    files: tuple[Path, ...]

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """Faults read all the same."""
        if self.envelope is not None:
            return self.envelope.repairs
        return () if self.status is None else self.status.repairs


class SpoolSink:
    """Writes each attachment to `NNN.sent` in a directory, hashing as it goes."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self.paths: list[Path] = []
        self.digests: list[str] = []

    def begin(self, index: int) -> None:
        """Open the file of attachment `index`."""
        path = self._spool / f"{index:03d}.sent"
        self.paths.append(path)
        self._hash = hashlib.sha256()
        self._file = path.open("xb")

    def write(self, data: bytes) -> None:
        """Append."""
        if self._file is not None:
            self._file.write(data)
            self._hash.update(data)

    def end(self) -> None:
        """Close the file; its digest is known."""
        self.close()
        self.digests.append(self._hash.hexdigest())

    def close(self) -> None:
        """Close what is open, after an error too."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_packet(
    chunks: Iterable[bytes], spool: Path, limits: Limits = DEFAULT_LIMITS
) -> ReadPacket:
    """Read one packet.

    Args:
        chunks: The packet's bytes, any sizes.
        spool: An empty directory for the attachments.
        limits: Bounds.

    Raises:
        RejectedError: MALFORMED, DOCTYPE_REFUSED, BASE64_BROKEN or LIMIT_EXCEEDED.
        OSError: The spool cannot be written.
    """
    sink = SpoolSink(spool)
    splitter = Splitter(limits, sink)
    digest = hashlib.sha256()
    try:
        for chunk in chunks:
            digest.update(chunk)
            splitter.feed(chunk)
        skeleton = splitter.close()
    finally:
        sink.close()
    if skeleton.kind == "status":
        status = parse_status_skeleton(skeleton, limits)
        return ReadPacket(digest.hexdigest(), skeleton.size_bytes, skeleton, None, status, (), ())
    stored, files = _store(skeleton, sink, limits)
    parsed = parse_envelope(skeleton, stored, limits)
    return ReadPacket(
        digest.hexdigest(),
        skeleton.size_bytes,
        skeleton,
        parsed.envelope,
        None,
        parsed.findings,
        files,
    )


def _store(
    skeleton: Skeleton, sink: SpoolSink, limits: Limits
) -> tuple[list[Stored], tuple[Path, ...]]:
    stored: list[Stored] = []
    files: list[Path] = []
    budget = limits.unwrapped_bytes
    for part in skeleton.parts:
        sent = sink.paths[part.index]
        what, path = _unwrapped(part, sent, sink.digests[part.index], limits, budget)
        if what.wrapped_sha256:
            budget -= what.size_bytes
        stored.append(what)
        files.append(path)
    return stored, tuple(files)


def _unwrapped(
    part: Part, sent: Path, digest: str, limits: Limits, budget: int
) -> tuple[Stored, Path]:
    as_sent = Stored(digest, part.size_bytes)
    if not may_be_wrapped(part.head, part.name):
        return as_sent, sent
    target = sent.with_suffix(".file")
    inner = hashlib.sha256()
    size = 0
    with sent.open("rb") as archive:
        if not single_entry(archive, part.name):
            return as_sent, sent
        try:
            with target.open("xb") as out:
                for chunk in unwrap(archive, limits, budget):
                    inner.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
        except BrokenWrapperError:
            target.unlink()
            return Stored(digest, part.size_bytes, broken_wrapper=True), sent
    return Stored(inner.hexdigest(), size, wrapped_sha256=digest), target
