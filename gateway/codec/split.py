"""Splitting a packet while it arrives: attachments go to a sink, a small tree is left.

Promises: memory does not grow with an attachment (one chunk of about 64 KiB); feeding 64 KiB takes
well under a millisecond, so it may run on the event loop; every limit is checked as the bytes come;
nothing but RejectedError comes out, whatever goes in. A crash leaves behind what the sink wrote;
the sink's owner drops it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from gateway.codec.base64stream import Base64Decoder
from gateway.codec.layout import ATTACHMENTS_PATH, Kind, Layout, locate
from gateway.codec.limits import DEFAULT_LIMITS, Limits
from gateway.codec.refusal import over_limit
from gateway.codec.tree import QCVN_NS, XLINK_NS, XML_NS, Node
from gateway.codec.walk import Walk
from gateway.codec.xmlsafe import Expat, malformed
from gateway.domain.envelope import Extra, Repair
from gateway.errors import RejectedError

_COALESCE_BYTES: Final = 16 * 1024
MAX_NAME_CHARS: Final = 200
_HEAD_BYTES: Final = 16
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")
# Official samples use these prefixes without declaring them (spec/edxml.md 3.1).
_USUAL_PREFIXES: Final = {"edXML": QCVN_NS, "xlink": XLINK_NS}


class Sink(Protocol):
    """Where decoded attachments go, in document order: begin, write…, end for each of them."""

    def begin(self, index: int) -> None:
        """Attachment `index` (from 0) starts."""
        ...

    def write(self, data: bytes) -> None:
        """Take decoded bytes, never empty; called often, must be quick."""
        ...

    def end(self) -> None:
        """The attachment is complete."""
        ...


@lru_cache(maxsize=1024)
def _split_name(name: str) -> tuple[str, str]:
    """Return prefix and local name; the same few dozen names come with every packet."""
    if len(name) > MAX_NAME_CHARS:
        raise over_limit("độ dài tên phần tử", "length of a name", MAX_NAME_CHARS)
    prefix, colon, local = name.partition(":")
    if not colon:
        return "", name
    if not prefix or not local or ":" in local:
        raise malformed(
            f"Tên phần tử không hợp lệ: {name[:60]}.", f"Not a valid name: {name[:60]}."
        )
    return prefix, local


def _markup_in_content() -> RejectedError:
    return malformed(
        "Có thẻ XML bên trong nội dung base64 của tệp đính kèm.",
        "Markup inside the base64 content of an attachment.",
        ATTACHMENTS_PATH,
    )


@dataclass(slots=True)
class Part:
    """One attachment as cut out: its element, decoded size and first bytes (at most 16)."""

    index: int
    node: Node
    size_bytes: int = 0
    head: bytes = b""
    has_content: bool = False

    @property
    def name(self) -> str:
        """AttachmentName as written, "" when missing."""
        for child in self.node.children:
            if child.local == "AttachmentName":
                return child.whole_text().strip()
        return ""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A packet without its attachments' bytes (khung gói tin).

    Args:
        root: The tree left, wrappers undone; texts of ContentTransferEncoded are empty.
        layout: Where the blocks are.
        parts: The attachments, in order.
        repairs: Faults of bytes and markup that were read all the same.
        extras: Unknown elements outside the message header.
        size_bytes: Of the packet as received.
        header_bytes: Of everything but base64 content.
        elements: Number of elements.
    """

    root: Node
    layout: Layout
    parts: tuple[Part, ...]
    repairs: tuple[Repair, ...]
    extras: tuple[Extra, ...]
    size_bytes: int
    header_bytes: int
    elements: int

    @property
    def kind(self) -> Kind:
        """`document` or `status`."""
        return self.layout.kind


class Splitter:
    """Push parser of one packet. After an error or `close` it takes nothing more.

    Args:
        limits: Bounds; going over one is RejectedError(LIMIT_EXCEEDED).
        sink: Receives the attachments; its exceptions pass through.
    """

    __slots__ = (
        "_begun",
        "_byte_width",
        "_content",
        "_dead",
        "_decoder",
        "_elements",
        "_expat",
        "_limits",
        "_max_depth",
        "_max_elements",
        "_node",
        "_part",
        "_parts",
        "_scope",
        "_scopes",
        "_sink",
        "_size",
        "_stack",
        "_text",
        "_top",
        "_waiting",
        "_walk",
    )

    def __init__(self, limits: Limits, sink: Sink) -> None:
        self._limits = limits
        self._sink = sink
        self._walk = Walk(limits)
        self._expat = Expat(self._start, self._end, self._chars)
        self._waiting = bytearray()
        self._max_depth = limits.depth
        self._max_elements = limits.elements
        self._begun = False
        self._dead = False
        self._byte_width = 1
        self._size = 0
        self._content = 0
        self._elements = 0
        self._scope: dict[str, str] = {"": "", "xml": XML_NS}
        top = Node("", "", "")
        self._top = top
        self._node = top
        self._stack: list[Node] = []
        self._scopes: list[tuple[int, dict[str, str]]] = []
        self._text = ""
        self._parts: list[Part] = []
        self._part: Part | None = None
        self._decoder: Base64Decoder | None = None

    # -- bytes in

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the packet, any number of them.

        Raises:
            RejectedError: MALFORMED, DOCTYPE_REFUSED, BASE64_BROKEN or LIMIT_EXCEEDED.
        """
        self._size += len(data)
        if self._size > self._limits.packet_bytes:
            raise over_limit("kích thước gói tin (byte)", "packet bytes", self._limits.packet_bytes)
        # Small pieces are joined: a token cut into many would be scanned again for each piece.
        self._waiting += data
        if len(self._waiting) >= _COALESCE_BYTES:
            self._flush(final=False)

    def close(self) -> Skeleton:
        """Finish and return what is left.

        Raises:
            RejectedError: As `feed`, or no edXML packet at all.
        """
        self._flush(final=True)
        if not self._expat.declared:
            self._walk.repair_once("declaration-missing", "/edXML")
        layout = locate(self._top.children[0], self._walk)
        return Skeleton(
            root=layout.root,
            layout=layout,
            parts=tuple(self._parts),
            repairs=tuple(self._walk.repairs),
            extras=tuple(self._walk.extras),
            size_bytes=self._size,
            header_bytes=self._header_bytes,
            elements=self._elements,
        )

    @property
    def _header_bytes(self) -> int:
        return self._size - self._content * self._byte_width

    def _flush(self, *, final: bool) -> None:
        if self._dead:
            raise malformed("Gói tin đã kết thúc hoặc hỏng.", "The packet has ended or is broken.")
        self._dead = True
        data = bytes(self._waiting)
        self._waiting.clear()
        if not self._begun:
            data = self._prologue(data)
            self._begun = True
        self._expat.parse(data, final=final)
        if self._header_bytes > self._limits.header_bytes:
            raise over_limit(
                "phần thông tin ngoài tệp đính kèm (byte)",
                "bytes outside attachments",
                self._limits.header_bytes,
            )
        self._dead = final

    def _prologue(self, data: bytes) -> bytes:
        if data.startswith(_BOM):
            self._walk.repair_once("bom", "/edXML")
            data = data[len(_BOM) :]
        elif data.startswith(_UTF16):
            self._walk.repair_once("utf-16", "/edXML")
            self._byte_width = 2
            return data
        start = data.find(b"<")
        if start < 0 or start > self._limits.junk_bytes:
            raise malformed(
                "Tệp không phải gói tin edXML (không thấy thẻ XML ở đầu tệp).",
                "This is no edXML packet: no XML at the start.",
            )
        if start:
            junk = data[:start].decode("ascii", "backslashreplace")
            self._walk.repair_once("junk-before-declaration", "/edXML", junk)
        return data[start:]

    # -- handlers

    def _start(self, name: str, attributes: list[str]) -> None:
        # The hot path of small packets: some fifty calls each, so no call that can be spared.
        parent = self._node
        if self._decoder is not None:
            raise _markup_in_content()
        text = self._text
        if text:
            self._text = ""
            if parent.children:
                parent.children[-1].tail = text
            else:
                parent.text = text
            if not parent.mixed and not text.isspace():
                parent.mixed = True
        stack = self._stack
        stack.append(parent)
        self._elements += 1
        if len(stack) > self._max_depth or self._elements > self._max_elements:
            raise self._too_many_elements()
        attrs = self._attributes(attributes) if attributes else ()
        prefix, local = _split_name(name)
        ns = self._scope.get(prefix)
        if ns is None:
            ns = self._undeclared(prefix, name)
        node = self._node = Node(prefix, local, ns, attrs)
        parent.children.append(node)
        if local == "ContentTransferEncoded":
            self._begin_content(parent)
        elif local == "Attachment" and parent.local == "AttachmentEncoded":
            self._begin_part(node)

    def _end(self, name: str) -> None:
        node = self._node
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
            self._sink.end()
        elif self._text:
            text, self._text = self._text, ""
            if not node.children:
                node.text = text
            else:
                node.children[-1].tail = text
                if not node.mixed and not text.isspace():
                    node.mixed = True
        stack = self._stack
        self._node = stack.pop()
        if self._scopes and self._scopes[-1][0] > len(stack):
            self._scope = self._scopes.pop()[1]
        part = self._part
        if part is not None and part.node is node:
            if not part.has_content:
                self._sink.begin(part.index)
                self._sink.end()
            self._part = None

    def _chars(self, data: str) -> None:
        if self._decoder is None:
            self._text += data
            return
        self._content += len(data)
        decoded = self._decoder.feed(data)
        if decoded:
            part = self._part
            if part is not None:
                part.size_bytes += len(decoded)
                if len(part.head) < _HEAD_BYTES:
                    part.head = (part.head + decoded[:_HEAD_BYTES])[:_HEAD_BYTES]
            self._sink.write(decoded)

    # -- pieces

    def _too_many_elements(self) -> RejectedError:
        if self._elements > self._max_elements:
            return over_limit("số phần tử", "elements", self._max_elements)
        return over_limit("độ sâu lồng nhau", "nesting depth", self._max_depth)

    def _attributes(self, flat: list[str]) -> tuple[tuple[str, str, str], ...]:
        if len(flat) > 2 * self._limits.attributes:
            raise over_limit("số thuộc tính", "attributes", self._limits.attributes)
        plain: list[tuple[str, str]] = []
        outer = self._scope
        for position in range(0, len(flat), 2):
            name, value = flat[position], flat[position + 1]
            if name == "xmlns":
                self._scope = {**self._scope, "": value}
            elif name.startswith("xmlns:"):
                self._scope = {**self._scope, name[6:]: value}
            else:
                plain.append((name, value))
        if self._scope is not outer:
            self._scopes.append((len(self._stack), outer))
        out = []
        for name, value in plain:
            prefix, local = _split_name(name)
            ns = self._scope.get(prefix) if prefix else ""
            out.append((self._undeclared(prefix, name) if ns is None else ns, local, value))
        return tuple(out)

    def _undeclared(self, prefix: str, name: str) -> str:
        usual = _USUAL_PREFIXES.get(prefix)
        if usual is None:
            raise malformed(
                f"Tiền tố {prefix[:40]} chưa khai báo không gian tên ({name[:60]}).",
                f"The prefix {prefix[:40]} has no declared namespace ({name[:60]}).",
            )
        self._walk.repair_once("undeclared-prefix", "/edXML", name)
        return usual

    def _begin_part(self, node: Node) -> None:
        if len(self._parts) >= self._limits.attachments:
            raise over_limit("số tệp đính kèm", "attachments", self._limits.attachments)
        if self._part is not None:
            raise malformed(
                "Tệp đính kèm lồng trong tệp đính kèm.", "An attachment inside an attachment."
            )
        self._part = Part(len(self._parts), node)
        self._parts.append(self._part)

    def _begin_content(self, parent: Node) -> None:
        part = self._part
        if part is None or part.node is not parent:
            return  # an unknown element that happens to bear the name: part of the header
        where = f"{ATTACHMENTS_PATH}/Attachment[{part.index + 1}]/ContentTransferEncoded"
        if part.has_content:
            raise malformed(
                "Một tệp đính kèm có hai nội dung.", "One attachment with two contents.", where
            )
        part.has_content = True
        self._decoder = Base64Decoder(where)
        self._sink.begin(part.index)


class NullSink:
    """Drops the attachments: for statuses and for looking at headers."""

    def begin(self, index: int) -> None:
        """Do nothing."""

    def write(self, data: bytes) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


def split_bytes(packet: bytes, limits: Limits = DEFAULT_LIMITS) -> Skeleton:
    """Split a packet that is in memory, dropping attachments.

    Raises:
        RejectedError: As `Splitter`.
    """
    splitter = Splitter(limits, NullSink())
    splitter.feed(packet)
    return splitter.close()
