"""A PDF reader that gives what the library's reader gives, in a fraction of the time.

Promises: same objects, same faults. It only takes short cuts it can prove from the bytes: objects
of plain syntax, plain cross-reference tables, object streams with a plain directory; for everything
else, and for every encrypted file, the library's own code runs on the same stream. The seam is four
overridden methods. Keeps nothing beyond the reader.
"""

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Sequence
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import (
    DEFAULT_PURPOSE_LIMITS,
    DecodeContext,
    DecodeLimits,
    DecodePurpose,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.generic import PdfObject, Reference, StreamObject
from pyhanko.pdf_utils.reader import PdfFileReader, process_data_at_eof
from pyhanko.pdf_utils.xref import (
    XRefBuilder,
    XRefCache,
    XRefSection,
    XRefSectionData,
    XRefSectionMetaInfo,
    XRefSectionType,
)

from gateway.trust.quicktokens import (
    NotPlainError,
    parse_object,
    parse_packed,
    reference,
)

_SUBSECTION: Final = re.compile(rb"[ \n\r\t\f\x00]*+(\d{1,9}) (\d{1,9}) ?\r?\n")
_ENTRIES: Final = re.compile(rb"(?:\d{10} \d{5} [nf](?: \n| \r|\r\n))*+")
_TRAILER: Final = re.compile(rb"[ \n\r\t\f\x00]*+trailer[ \n\r\t\f\x00]*+(?=<<)")
_ENTRY_BYTES: Final = 20
_MAX_GENERATION: Final = 0xFFFF
_DIRECTORY: Final = re.compile(rb"[ \n\r\t\f]*+(?:\d{1,10}[ \n\r\t\f]++)*+")

# A row costs 30 microseconds: 256 MiB of them, the library's own limit, is an hour.
_LIMITS: Final = DecodeLimits(
    per_purpose={
        **DEFAULT_PURPOSE_LIMITS,
        DecodePurpose.XREF_STREAM: StreamDecodeLimits(
            max_ratio=100, ratio_floor=1 << 18, max_output_size=1 << 24
        ),
    }
)


def table_entries(data: bytes, at: int) -> tuple[XRefSectionData, int, int] | None:
    """Read a plain cross-reference table in one go.

    Args:
        data: The file.
        at: Just after the word `xref`.

    Returns:
        The entries, the highest number and the offset of the trailer's dictionary; None when the
        table is not of the plain form.
    """
    section = XRefSectionData()
    highest = -1
    while highest < 0 or (trailer := _TRAILER.match(data, at)) is None:
        head = _SUBSECTION.match(data, at)
        if head is None:
            return None
        first, size = int(head[1]), int(head[2])
        at = head.end() + size * _ENTRY_BYTES
        if at > len(data) or _ENTRIES.fullmatch(data, head.end(), at) is None:
            return None
        words = data[head.end() : at].split()
        highest = max(highest, first + size - 1)
        if not _take(section, first, words):
            return None
    return section, highest, trailer.end()


def _take(section: XRefSectionData, first: int, words: list[bytes]) -> bool:
    generations = list(map(int, words[1::3]))
    if max(generations, default=0) > _MAX_GENERATION:
        return False
    rows = zip(map(int, words[0::3]), generations, words[2::3], strict=True)
    for number, (offset, generation, kind) in enumerate(rows, start=first):
        if number == 0:
            continue
        if kind == b"n":
            section.standard_xrefs[number] = (generation, offset)
            section.explicit_refs_in_revision.add((number, generation))
        else:
            section.freed[number] = generation
            section.explicit_refs_in_revision.add((number, generation - 1))
    return True


class _QuickCache(XRefCache):
    """Cross-reference sections that remember when an object was made and last changed."""

    def __init__(self, reader: Any, sections: list[XRefSection]) -> None:
        super().__init__(reader, sections)
        self._made: dict[tuple[int, int], Any] = {}
        self._written: dict[int, set[Reference]] = {}
        self._changed: dict[tuple[int, int], Any] = {}

    def get_last_change(self, ref: Reference) -> Any:
        """Return the last revision that wrote an object; KeyError when none did."""
        key = (ref.idnum, ref.generation)
        if key not in self._changed:
            self._changed[key] = super().get_last_change(ref)
        return self._changed[key]

    def explicit_refs_in_revision(self, revision: int) -> set[Reference]:
        """Return what a revision wrote or freed."""
        if revision not in self._written:
            self._written[revision] = super().explicit_refs_in_revision(revision)
        return set(self._written[revision])

    def get_introducing_revision(self, ref: Reference) -> Any:
        """Return the first revision that has an object; KeyError when none does."""
        key = (ref.idnum, ref.generation)
        if key not in self._made:
            self._made[key] = super().get_introducing_revision(ref)
        return self._made[key]


class _QuickBuilder(XRefBuilder):
    """Reads the chain of cross-reference sections; plain tables in one go."""

    def __init__(self, data: bytes, **settings: Any) -> None:
        super().__init__(**settings)
        self.data = data

    def _read_xref_table(self, declared_startxref: int) -> Any:
        start = self.stream.tell()
        found = table_entries(self.data, start)
        if found is not None:
            section, highest, at = found
            trailer = self._trailer(at)
            size = trailer.get("/Size")
            # A hybrid file, a table that outgrows its size: the library's matter.
            plain = type(size) is generic.NumberObject and "/XRefStm" not in trailer
            if plain and highest < size:
                meta = XRefSectionMetaInfo(
                    xref_section_type=XRefSectionType.STANDARD,
                    size=int(size),
                    declared_startxref=declared_startxref,
                    start_location=start,
                    end_location=at,
                    stream_ref=None,
                )
                self.sections.append(XRefSection(meta, section))
                self.trailer.add_trailer_revision(trailer)
                return self._previous(trailer)
            self.stream.seek(start)
        return super()._read_xref_table(declared_startxref)

    def _trailer(self, at: int) -> Any:
        holder: Any = generic.TrailerReference(self.handler)  # type: ignore[no-untyped-call]
        with contextlib.suppress(NotPlainError):
            return parse_packed(self.data, at, holder, self.handler)
        self.stream.seek(at)
        return generic.DictionaryObject.read_from_stream(self.stream, holder)

    @staticmethod
    def _previous(trailer: generic.DictionaryObject) -> Any:
        from pyhanko.pdf_utils.xref import _prev

        return _prev(trailer)


class QuickReader(PdfFileReader):
    """The library's reader with short cuts.

    Args:
        data: The whole file.
        strict: As in `PdfFileReader`.
    """

    def __init__(self, data: bytes, *, strict: bool = True) -> None:
        self.data = data
        self._readable: bool | None = None
        self._begun: dict[tuple[str, int], Any] = {}
        self._parsed: dict[tuple[int, int, int], PdfObject] = {}
        self._directories: dict[int, tuple[bytes, list[int], int] | None] = {}
        self._open(io.BytesIO(data), strict=strict)

    def _open(self, stream: io.BytesIO, *, strict: bool) -> None:
        """Do as `PdfFileReader.__init__` does (0.38.0), with our builder."""
        self._security_handler = None
        self.strict = strict
        self._decode_context = DecodeContext(_LIMITS, input_size=len(self.data))
        self.resolved_objects = {}
        self._header_version = None
        self._input_version = None
        self._historical_resolver_cache = {}
        self.stream = stream
        from pyhanko.pdf_utils.reader import _read_header_version

        self._header_version = _read_header_version(stream)
        stream.seek(-1, os.SEEK_END)
        builder = _QuickBuilder(
            self.data,
            handler=self,
            stream=stream,
            strict=strict,
            last_startxref=process_data_at_eof(stream),
        )
        self.xrefs = _QuickCache(self, builder.read_xrefs())  # type: ignore[no-untyped-call]
        self.last_startxref = builder.last_startxref
        self.trailer = builder.trailer
        self.has_xref_stream = builder.has_xref_stream
        self._embedded_signatures = None

    def digest(self, algorithm: str, spans: Sequence[tuple[int, int]]) -> bytes:
        """Return the digest of some parts of the file, the first of which begins it.

        Signatures of one file cover nearly the same beginning: it is read once.

        Args:
            algorithm: As `hashlib` names it.
            spans: Offsets and lengths inside the file, in order.
        """
        view = memoryview(self.data)
        end = spans[0][1]
        known = max((e for a, e in self._begun if a == algorithm and e <= end), default=0)
        made = self._begun[algorithm, known].copy() if known else hashlib.new(algorithm)
        made.update(view[known:end])
        self._begun[algorithm, end] = made.copy()
        for start, length in spans[1:]:
            made.update(view[start : start + length])
        return made.digest()

    @property
    def plain(self) -> bool:
        """Whether the file is not encrypted, so that bytes are what they seem."""
        if self._readable is None:
            self._readable = "/Encrypt" not in self.trailer
        return self._readable

    def object_at(self, ref: Reference, offset: int, handler: Any) -> PdfObject:
        """Return the object at an offset, read quickly; NotPlainError when that cannot be.

        Args:
            ref: What should be there.
            offset: Where.
            handler: Whom references inside resolve with.
        """
        if not self.plain:
            raise NotPlainError
        return parse_object(self.data, offset, ref, handler, self)[0]

    def _read_object(
        self,
        ref: Reference,
        marker: Any,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> Any:
        if type(marker) is int and not as_metadata_stream:
            key = (ref.idnum, ref.generation, marker)
            known = self._parsed.get(key)
            if known is not None:
                return known
            with contextlib.suppress(NotPlainError):
                wanted = reference(ref.idnum, ref.generation, self)
                made = self._parsed[key] = self.object_at(wanted, marker, self)
                return made
        return super()._read_object(
            ref, marker, never_decrypt=never_decrypt, as_metadata_stream=as_metadata_stream
        )

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> Any:
        if stmnum not in self._directories:
            self._directories[stmnum] = self._directory(stmnum)
        found = self._directories[stmnum]
        if found is not None:
            data, numbers, first = found
            listed = numbers[0::2]
            if idnum in listed and listed.index(idnum) == idx:
                at = first + numbers[2 * idx + 1]
                with contextlib.suppress(NotPlainError):
                    return parse_packed(data, at, Reference(idnum, 0, self), self)
        return super()._get_object_from_stream(idnum, stmnum, idx)  # type: ignore[no-untyped-call]

    def _directory(self, stmnum: int) -> tuple[bytes, list[int], int] | None:
        """Return an object stream's data and directory, None when they are not plain."""
        stream = Reference(stmnum, 0, self).get_object()
        if not isinstance(stream, StreamObject) or stream.get("/Type") != "/ObjStm":
            return None
        count, first = stream.get("/N"), stream.get("/First")
        if type(count) is not generic.NumberObject or type(first) is not generic.NumberObject:
            return None
        data = stream.read_data(DecodePurpose.OBJECT_STREAM)
        if not 0 <= first <= len(data) or _DIRECTORY.fullmatch(data, 0, first) is None:
            return None
        numbers = list(map(int, data[:first].split(maxsplit=2 * count)[: 2 * count]))
        if len(numbers) != 2 * count:
            return None
        return data + b" ", numbers, first
