"""Reading a packet while it arrives: bytes untouched to one blob, every file to its own.

Promises: memory flat in the size of the packet; the received bytes are kept exactly as they came,
whatever becomes of the rest. A crash leaves half-made blobs, which the janitor sweeps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.codec.limits import Limits
from gateway.codec.parse import Stored, parse_envelope
from gateway.codec.refusal import refuse
from gateway.codec.split import Skeleton, Splitter
from gateway.codec.unwrap import BrokenWrapperError, may_be_wrapped, single_entry, unwrap
from gateway.domain.envelope import Envelope
from gateway.domain.finding import Finding
from gateway.errors import Reason, RejectedError
from gateway.ports import BlobInfo, Blobs, BlobWriter
from gateway.programs.context import Context

HEAD_BYTES = 512
_TAIL_BYTES = 16 * 1024 * 1024


class BlobSink:
    """Splitter sink: one blob writer an attachment, and its first bytes for sniffing."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.writers: list[BlobWriter] = []
        self.heads: list[bytes] = []

    def begin(self, index: int) -> None:
        """Start the next attachment; those without content get an empty blob."""
        while len(self.writers) <= index:
            self.writers.append(self._blobs.writer())
            self.heads.append(b"")

    def write(self, data: bytes) -> None:
        """Take decoded bytes."""
        self.writers[-1].write(data)
        head = self.heads[-1]
        if len(head) < HEAD_BYTES:
            self.heads[-1] = head + bytes(data[: HEAD_BYTES - len(head)])

    def end(self) -> None:
        """Nothing to do: `finish` makes it durable."""

    def abort(self) -> None:
        """Drop everything not finished."""
        for writer in self.writers:
            writer.abort()


@dataclass(slots=True)
class ReadPacket:
    """A document packet read and stored.

    Args:
        envelope: Its fields.
        findings: About the packet itself.
        received: The bytes as they came.
        heads: First 512 bytes of each unwrapped file, by index.
    """

    envelope: Envelope
    findings: tuple[Finding, ...]
    received: BlobInfo
    heads: dict[int, bytes] = field(default_factory=dict)


async def read_document(
    context: Context,
    packet: AsyncIterator[bytes],
    *,
    check: Callable[[str], None] | None = None,
) -> ReadPacket:
    """Read and store a document packet from a stream.

    Args:
        context: Ports and policy.
        packet: The bytes as they arrive.
        check: Given the SHA-256 of the received bytes before anything else; may refuse.

    Raises:
        RejectedError: It cannot be read, or it is no document; nothing durable names it.
    """
    limits = context.policy.limits
    sink = BlobSink(context.blobs)
    received = context.blobs.writer()
    splitter = Splitter(limits, sink)
    refusal: RejectedError | None = None
    left = _TAIL_BYTES
    try:
        async for data in packet:
            if refusal is None:
                received.write(data)
                try:
                    splitter.feed(data)
                except RejectedError as exc:
                    refusal = exc
                    received.abort()
                    sink.abort()
            # Who is refused early may still be sending, and reads the answer only afterwards.
            elif (left := left - len(data)) < 0:
                break
        if refusal is not None:
            raise refusal
        skeleton = splitter.close()
        if skeleton.kind != "document":
            raise refuse(
                Reason.MALFORMED,
                "MD-10",
                "/edXML",
                "Đây là thông điệp trạng thái, không phải văn bản. Gửi vào cửa nhận trạng thái.",
                "This is a status message, a document was expected. Send it to the door for "
                "statuses.",
            )
        return await _store(context, skeleton, sink, received, check)
    finally:
        received.abort()
        sink.abort()


async def _store(
    context: Context,
    skeleton: Skeleton,
    sink: BlobSink,
    received: BlobWriter,
    check: Callable[[str], None] | None,
) -> ReadPacket:
    sink.begin(len(skeleton.parts) - 1)
    # All are begun before the first is waited for, so that they share one flush.
    waiting = [asyncio.ensure_future(w.finish()) for w in (received, *sink.writers)]
    infos = await _all(waiting)
    if check is not None:
        check(infos[0].sha256)
    heads = dict(enumerate(sink.heads))
    stored = []
    budget = context.policy.limits.unwrapped_bytes
    for part, info in zip(skeleton.parts, infos[1:], strict=True):
        one = Stored(info.sha256, info.size_bytes)
        if may_be_wrapped(part.head, part.name):
            one, heads[part.index] = await _unwrapped(
                context, info, part.name, budget, heads[part.index]
            )
        budget -= one.size_bytes
        stored.append(one)
    parsed = parse_envelope(skeleton, stored, context.policy.limits)
    return ReadPacket(parsed.envelope, parsed.findings, infos[0], heads)


async def _all(waiting: "Sequence[asyncio.Future[BlobInfo]]") -> list[BlobInfo]:
    try:
        return [await one for one in waiting]
    except BaseException:
        await asyncio.gather(*waiting, return_exceptions=True)
        raise


async def _unwrapped(
    context: Context, info: BlobInfo, name: str, budget: int, head: bytes
) -> tuple[Stored, bytes]:
    """Undo a single-entry zip; what is none, or is damaged, stays as it was sent."""
    writer = context.blobs.writer()
    try:
        async with context.blobs.local(info.sha256) as path:
            first = await asyncio.to_thread(
                _unwrap_into, path, name, context.policy.limits, budget, writer
            )
        if first is None:
            return Stored(info.sha256, info.size_bytes), head
        inner = await writer.finish()
    except BrokenWrapperError:
        return Stored(info.sha256, info.size_bytes, broken_wrapper=True), head
    finally:
        writer.abort()
    return Stored(inner.sha256, inner.size_bytes, wrapped_sha256=info.sha256), first


def _unwrap_into(
    path: Path, name: str, limits: Limits, budget: int, writer: BlobWriter
) -> bytes | None:
    with path.open("rb") as archive:
        if not single_entry(archive, name):
            return None
        archive.seek(0)
        head = b""
        for data in unwrap(archive, limits, budget):
            if len(head) < HEAD_BYTES:
                head += data[: HEAD_BYTES - len(head)]
            writer.write(data)
        return head
