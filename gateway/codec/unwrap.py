"""Single-entry zips around attachments: told by magic bytes, undone and done again, streamed.

The national kit zips every file whose extension it does not know and mislabels what it likes
(spec/edxml.md 3.5), so bytes decide, never the ContentType. Memory: one chunk each way; sizes and
ratio are bounded while reading. Nothing is written here; a crash leaves what the caller wrote.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from gateway.codec.limits import Limits
from gateway.codec.names import extension
from gateway.codec.refusal import over_limit, refuse
from gateway.errors import Reason, RejectedError

CHUNK_BYTES: Final = 64 * 1024
MAGIC: Final = b"PK\x03\x04"

# Extensions that leave as they are; every reader takes all others zipped (spec/edxml.md 3.5).
RAW_EXTENSIONS: Final = frozenset({"pdf", "doc", "docx", "zip"})
# Zips by nature: unwrapped only when the one entry bears the same extension.
_ZIP_FAMILY: Final = frozenset(
    {"docx", "docm", "dotx", "xlsx", "xlsm", "xltx", "pptx", "pptm", "ppsx", "vsdx"}
    | {"odt", "ods", "odp", "odg", "ott", "ots", "jar", "war", "epub", "apk", "kmz"}
)

# What the library raises for archives that lie; I/O errors of ours are not among them.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_END: Final = struct.Struct("<4sHHHHIIH")
_END_MAGIC: Final = b"PK\x05\x06"
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_MAX_DIRECTORY_BYTES: Final = 70_000


class BrokenWrapperError(RejectedError):
    """The zip around a file is damaged: the bytes as sent are all there is."""


def may_be_wrapped(head: bytes, name: str) -> bool:
    """Tell from the first bytes and the name whether `unwrap` is worth a try."""
    return head.startswith(MAGIC) and extension(name) != "zip"


def single_entry(archive: BinaryIO, name: str) -> bool:
    """Tell whether the archive is a wrapper: exactly one plain entry, and no zip by nature.

    Args:
        archive: Seekable; its position is moved.
        name: AttachmentName as written.
    """
    if not _has_one_entry(archive):
        return False
    try:
        with zipfile.ZipFile(archive) as opened:
            info = opened.infolist()[0]
    except (*_DAMAGE, OSError):
        return False
    if info.filename.endswith("/") or info.flag_bits & 0x1 or info.compress_type not in {0, 8}:
        return False
    if info.header_offset != 0:  # not where the magic bytes are: a lying directory
        return False
    suffix = extension(name)
    return suffix not in _ZIP_FAMILY or extension(info.filename) == suffix


def unwrap(archive: BinaryIO, limits: Limits, budget_bytes: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of the one entry; call only after `single_entry` said yes.

    Args:
        archive: Seekable; read while iterating.
        limits: Bounds on size and ratio.
        budget_bytes: What is left of `limits.unwrapped_bytes` for this packet.

    Raises:
        RejectedError: LIMIT_EXCEEDED, a zip bomb or too large.
        BrokenWrapperError: Damaged; keep the bytes as sent.
    """
    most = limits.unwrapped_bytes if budget_bytes is None else budget_bytes
    try:
        with zipfile.ZipFile(archive) as opened:
            info = opened.infolist()[0]
            most_by_ratio = max(limits.zip_ratio_free_bytes, info.compress_size * limits.zip_ratio)
            size = 0
            with opened.open(info) as entry:
                while chunk := entry.read(CHUNK_BYTES):
                    size += len(chunk)
                    if size > most:
                        raise over_limit(
                            "kích thước tệp sau giải nén (byte)", "unzipped bytes", most
                        )
                    if size > most_by_ratio:
                        raise over_limit("tỷ lệ nén của tệp", "zip ratio", limits.zip_ratio)
                    yield chunk
    except _DAMAGE as exc:
        raise BrokenWrapperError(
            Reason.MALFORMED,
            "The zip around an attachment is damaged",
            findings=refuse(
                Reason.MALFORMED,
                "MD-10",
                "",
                "Lớp nén zip của tệp đính kèm bị hỏng; hãy gửi lại tệp gốc.",
                "The zip around the attachment is damaged; send the original file again.",
            ).findings,
        ) from exc


def _has_one_entry(archive: BinaryIO) -> bool:
    # Read the end record ourselves: the library would load a directory of millions of entries.
    size = archive.seek(0, 2)
    tail_bytes = min(size, _END.size + 65_535 + 20)
    archive.seek(size - tail_bytes)
    tail = archive.read(tail_bytes)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        return False
    _, disk, start_disk, here, total, directory, _, _ = _END.unpack_from(tail, at)
    zip64 = at >= 20 and tail[at - 20 : at - 16] == _ZIP64_LOCATOR
    return (
        not zip64
        and (disk, start_disk, here, total) == (0, 0, 1, 1)
        and directory <= _MAX_DIRECTORY_BYTES
    )


# ---------------------------------------------------------------- the reverse

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_DESCRIPTOR: Final = struct.Struct("<4sIII")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_DOS_DATE: Final = 0x0021  # 1980-01-01, the epoch of zip: the same bytes whenever it is made
_FLAGS: Final = 0x0808  # sizes follow the data; names are UTF-8
_DEFLATE: Final = 8
_VERSION: Final = 20


def leaves_raw(name: str) -> bool:
    """Tell whether a file of that name is sent as it is (pdf, doc, docx, zip)."""
    return extension(name) in RAW_EXTENSIONS


def wrap(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield a single-entry zip around a stream; the same input gives the same bytes.

    Args:
        chunks: The file.
        name: AttachmentName; only its extension goes into the entry's name.
    """
    suffix = extension(name)
    entry = (f"attachment.{suffix}" if suffix else "attachment").encode()
    yield (
        _LOCAL.pack(MAGIC, _VERSION, _FLAGS, _DEFLATE, 0, _DOS_DATE, 0, 0, 0, len(entry), 0) + entry
    )
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    crc, size, packed = 0, 0, 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
        if data := deflate.compress(chunk):
            packed += len(data)
            yield data
    data = deflate.flush()
    packed += len(data)
    yield data + _DESCRIPTOR.pack(b"PK\x07\x08", crc, packed, size)
    offset = _LOCAL.size + len(entry) + packed + _DESCRIPTOR.size
    central = (
        _CENTRAL.pack(
            b"PK\x01\x02",
            _VERSION,
            _VERSION,
            _FLAGS,
            _DEFLATE,
            0,
            _DOS_DATE,
            crc,
            packed,
            size,
            len(entry),
            0,
            0,
            0,
            0,
            0,
            0,
        )
        + entry
    )
    yield central + _END.pack(_END_MAGIC, 0, 0, 1, 1, len(central), offset, 0)
