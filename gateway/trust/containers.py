"""Files inside a zip: each examined, or said not to be, and why.

Promises: what was not examined never makes a container valid; number, depth, size and inflation are
limited by what is really unpacked, never by what a directory claims; names are a stranger's words.
Office documents and signature containers (ASiC) are zips too: their own signatures are counted as
of a kind that is not verified here. Unpacks in memory, writes nothing, keeps nothing.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.trust import look
from gateway.trust.notes import clean, note
from gateway.trust.report import Note, PartReport, Verdict, VerificationReport

MAX_PARTS: Final = 100
MAX_DEPTH: Final = 2
MAX_PART_BYTES: Final = 128 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024
MAX_RATIO: Final = 200
_FREE_BYTES: Final = 1024 * 1024
_CHUNK: Final = 1 << 20
_ENCRYPTED: Final = 0x1
_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_MAX_NAMES: Final = 3

_PACKED: Final = re.compile(
    r"(?:_xmlsignatures/(?!origin).*\.xml|META-INF/[^/]*signature[^/]*\.(?:xml|p7s|p7m|tst)"
    r"|META-INF/[^/]*\.(?:rsa|dsa|ec))$",
    re.IGNORECASE,
)
_OFFICE: Final = "[Content_Types].xml"
_DOCUMENTS: Final = (b"application/vnd.oasis.opendocument", b"application/epub+zip")

Examine = Callable[[bytes, int], VerificationReport]
"""Examines the bytes of a part, at its depth."""


def is_zip(data: bytes) -> bool:
    """Tell whether a file is packed as a zip."""
    return data[:4] in _MAGIC


@dataclass(slots=True)
class _Budget:
    """How much may still be unpacked of one container, its parts' parts not counted."""

    left: int = MAX_TOTAL_BYTES


class _TooLargeError(Exception):
    """A part is larger than may be unpacked."""


def verify_zip(
    data: bytes, base: VerificationReport, examine: Examine, *, depth: int
) -> VerificationReport:
    """Examine what a zip holds.

    Args:
        data: The whole file.
        base: A report of it without findings.
        examine: Examines one part.
        depth: 0 for a file that is in no container.

    Returns:
        The report; its verdict is the worst of its parts, never better than undetermined when one
        was not examined or carries no signature beside others that do.
    """
    base = replace(base, kind="zip")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _examined(archive, data, base, examine, depth)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as exc:
        remark = note("damaged-archive", f"{type(exc).__name__}: {exc}")
        return replace(base, verdict=Verdict.INDETERMINATE, notes=(remark,))


def _examined(
    archive: zipfile.ZipFile,
    data: bytes,
    base: VerificationReport,
    examine: Examine,
    depth: int,
) -> VerificationReport:
    names = [info.filename for info in archive.infolist()]
    signed = sum(1 for name in names if _PACKED.search(name))
    office = _is_document(archive, names)
    notes: list[Note] = []
    if signed:
        notes.append(note("unsupported-signature-kind", "Office/ODF" if office else "ASiC/JAR"))
    if office:
        verdict = Verdict.INDETERMINATE if signed else Verdict.UNSIGNED
        return replace(base, kind="other", verdict=verdict, unsupported=signed, notes=tuple(notes))
    parts = _parts(archive, examine, depth)
    notes += _remarks(parts)
    verdict = _verdict(parts, signed=bool(signed))
    if _shown_otherwise(archive, data):
        notes.append(note("viewers-disagree"))
        verdict = Verdict.INDETERMINATE if verdict is Verdict.VALID else verdict
    marks = {m: None for p in parts if p.report for m in p.report.secrecy_marks}
    return replace(
        base,
        verdict=verdict,
        notes=tuple(notes),
        parts=tuple(parts),
        unsupported=signed + sum(p.report.unsupported for p in parts if p.report),
        secrecy_marks=tuple(marks),
    )


def _is_document(archive: zipfile.ZipFile, names: Sequence[str]) -> bool:
    if _OFFICE in names:
        return True
    if not names or names[0] != "mimetype":
        return False
    try:
        kind = _unpacked(archive, archive.infolist()[0], _Budget(4096))
    except (_TooLargeError, zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError):
        return False
    return kind.strip().startswith(_DOCUMENTS)


def _parts(archive: zipfile.ZipFile, examine: Examine, depth: int) -> list[PartReport]:
    budget = _Budget()
    parts: list[PartReport] = []
    for info in archive.infolist():
        if (
            info.filename.endswith("/")
            or _PACKED.search(info.filename)
            or info.filename == "mimetype"
        ):
            continue
        name = clean(info.filename)
        if len(parts) >= MAX_PARTS:
            parts.append(PartReport(name, None, "too-many"))
            break
        parts.append(_part(archive, info, name, budget, examine, depth + 1))
    return parts


def _part(  # noqa: PLR0917
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    budget: _Budget,
    examine: Examine,
    depth: int,
) -> PartReport:
    if info.flag_bits & _ENCRYPTED:
        return PartReport(name, None, "encrypted")
    try:
        data = _unpacked(archive, info, budget)
    except (_TooLargeError, MemoryError):
        return PartReport(name, None, "too-large")
    except Exception:  # noqa: BLE001 — whatever a broken entry raises, it is damaged
        return PartReport(name, None, "damaged")
    if is_zip(data) and depth >= MAX_DEPTH:
        return PartReport(name, None, "too-deep")
    return PartReport(name, examine(data, depth))


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: _Budget) -> bytes:
    """Return an entry's bytes; what it really unpacks to is limited, not what it claims."""
    packed = max(info.compress_size, 1)
    most = min(MAX_PART_BYTES, budget.left, max(_FREE_BYTES, packed * MAX_RATIO))
    pieces: list[bytes] = []
    size = 0
    with archive.open(info) as stream:
        while piece := stream.read(_CHUNK):
            size += len(piece)
            if size > most:
                raise _TooLargeError
            pieces.append(piece)
    budget.left -= size
    return b"".join(pieces)


def _verdict(parts: Sequence[PartReport], *, signed: bool) -> Verdict:
    from gateway.trust.examination import worst

    verdicts = [p.report.verdict for p in parts if p.report is not None]
    if signed or any(p.report is None for p in parts):
        verdicts.append(Verdict.INDETERMINATE)
    if not verdicts:
        return Verdict.UNSIGNED
    # SIG-52: an unsigned file beside signed ones is neither signed nor nothing.
    mixed = Verdict.UNSIGNED in verdicts and len(set(verdicts)) > 1
    return worst([*verdicts, Verdict.INDETERMINATE] if mixed else verdicts)


def _remarks(parts: Sequence[PartReport]) -> list[Note]:
    notes = [note("part-not-examined", p.name) for p in parts if p.report is None][:_MAX_NAMES]
    unsigned = [p.name for p in parts if p.report and p.report.verdict is Verdict.UNSIGNED]
    if unsigned and len(unsigned) < len(parts):
        more = ", …" if len(unsigned) > _MAX_NAMES else ""
        notes.append(note("parts-unsigned", ", ".join(unsigned[:_MAX_NAMES]) + more))
    return notes


def _shown_otherwise(archive: zipfile.ZipFile, data: bytes) -> bool:
    """Tell whether the zip itself opens as a PDF that is not one of its parts.

    A PDF reader looks for its header in the first kilobyte, whatever stands before it.
    """
    if b"%PDF-" not in data[:1024]:
        return False
    shown = look.page_text(data)
    if shown is None:
        return False
    first = next((i for i in archive.infolist() if not i.filename.endswith("/")), None)
    try:
        own = look.page_text(_unpacked(archive, first, _Budget())) if first else None
    except Exception:  # noqa: BLE001 — then nothing inside explains what is shown
        own = None
    return own != shown
