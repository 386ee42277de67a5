"""SOAP letters → edXML packets: what a message of the e-doc.vn era says, in QCVN's places.

Texts are taken as written, so that the codec reads, repairs and reports them like those of any
other door; only places, names of elements and the namespace change. The block with the token is
left behind. The same message gives the same packet.

Nothing is done but reading and writing the files of attachments in the folder given. A crash
leaves that folder behind, which is the caller's.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

from adapters.bkav.mime import Part, Parts, content, content_id
from adapters.bkav.soap import (
    MAX_ROOT_BYTES,
    XLINK,
    Message,
    block,
    children,
    find,
    local,
    text,
)
from gateway.codec.base64stream import encode
from gateway.codec.refusal import refuse
from gateway.codec.tree import QCVN_NS, escape
from gateway.codec.xmlsafe import malformed
from gateway.errors import Reason, RejectedError

_CHUNK: Final = 48 * 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """One line of a message's manifest."""

    content_id: str
    name: str
    content_type: str
    description: str


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A MIME part that came, decoded."""

    path: Path
    name: str
    content_type: str


def references(message: Message) -> tuple[Reference, ...]:
    """Return a message's manifest.

    Raises:
        RejectedError: RULES_BROKEN, two lines name one part.
    """
    body = message.body
    manifest = None
    if body is not None:
        manifest = find(body, "Manifest")
        manifest = find(body, "edXMLManifest") if manifest is None else manifest
    lines = () if manifest is None else children(manifest, "Reference")
    found = tuple(_reference(line) for line in lines)
    seen: set[str] = set()
    for one in found:
        if one.content_id in seen:
            raise _enclosure(
                one.content_id, "có hai dòng trong Manifest", "two lines of the manifest name it"
            )
        seen.add(one.content_id)
    return found


def _reference(element: etree._Element) -> Reference:
    cid = str(element.get(f"{{{XLINK}}}href") or element.get("href") or "")
    cid = cid or text(element, "ContentId")
    if not cid:  # MTOM leaves an Include
        included = (e for e in element.iter() if str(e.tag).endswith("}Include"))
        cid = next((str(e.get("href") or "") for e in included), "")
    return Reference(
        content_id(cid),
        text(element, "AttachmentName"),
        text(element, "ContentType"),
        text(element, "Description"),
    )


async def spooled(parts: Parts | None, folder: Path) -> dict[str, Enclosed]:
    """Write the MIME parts to files, decoded.

    Raises:
        RejectedError: Cut off, too much, broken base64, or two parts under one id.
    """
    came: dict[str, Enclosed] = {}
    while parts is not None and (part := await parts.following()) is not None:
        if part.id in came:
            raise RejectedError(
                Reason.MALFORMED, f"two MIME parts have the Content-ID {part.id[:60]!r}"
            )
        path = folder / f"{len(came):03d}"
        with path.open("xb") as file:
            async for chunk in content(part, parts.data(), f"cid:{part.id[:60]}"):
                file.write(chunk)
        came[part.id] = Enclosed(path, part.name, part.type.media)
    return came


async def root_of(part: Part, data: AsyncIterator[bytes]) -> bytes:
    """Return the SOAP part of a letter; what is too long is cut, and refused by its reader."""
    return await small(content(part, data, "/Envelope"))


async def small(chunks: AsyncIterator[bytes]) -> bytes:
    """Return what should be small; more than that is cut, and refused by its reader."""
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > MAX_ROOT_BYTES:
            break
    return bytes(found)


def match(listed: Sequence[Reference], came: dict[str, Enclosed]) -> None:
    """Compare the manifest with the parts that came.

    Raises:
        RejectedError: RULES_BROKEN, one of them is not in the other.
    """
    # MD-01 (S003 art 8.1): the document and all its attachments, nothing else.
    for one in listed:
        if one.content_id not in came:
            raise _enclosure(
                one.content_id,
                f"có trong Manifest ({one.name}) nhưng thiếu phần MIME",
                "is in the manifest, but no MIME part has it",
            )
    for cid in came:
        if all(one.content_id != cid for one in listed):
            raise _enclosure(
                cid, "là phần MIME không có trong Manifest", "is a MIME part no line names"
            )


def _enclosure(cid: str, vi: str, en: str) -> Exception:
    shown = cid[:60] or "?"
    return refuse(
        Reason.RULES_BROKEN,
        "MD-01",
        "Manifest/Reference",
        f"Tệp cid:{shown} {vi}. Đính kèm lại rồi gửi.",
        f"The file cid:{shown} {en}. Attach it again and send.",
    )


def packet(
    message: Message, listed: Sequence[Reference], came: dict[str, Enclosed]
) -> Iterator[bytes]:
    """Yield the edXML packet of a document that came.

    Raises:
        RejectedError: MALFORMED, no MessageHeader.
    """
    header = message.headers.get("MessageHeader")
    if header is None:
        raise malformed(
            "Thông điệp không có MessageHeader.",
            "The message has no MessageHeader.",
            "/Envelope/Header/MessageHeader",
        )
    trace = message.headers.get("TraceHeaderList")
    blocks = _copied(header, "MessageHeader")
    blocks += "" if trace is None else _copied(trace, "TraceHeaderList")
    lines = "".join(
        block(
            "Reference",
            *_labels(one, came[one.content_id], "edXML:"),
        )
        for one in listed
    )
    yield (
        f"{_opening()}<edXML:edXMLHeader>{blocks}</edXML:edXMLHeader><edXML:edXMLBody>"
        f'<edXML:edXMLManifest version="1.0">{lines}</edXML:edXMLManifest></edXML:edXMLBody>'
        "</edXML:edXMLEnvelope>\r\n<AttachmentEncoded>"
    ).encode()
    for one in listed:
        enclosed = came[one.content_id]
        labels = "".join(_labels(one, enclosed, ""))
        yield (
            f'<Attachment>{labels}<edXML:ContentTransferEncoded xmlns:edXML="{QCVN_NS}">'
        ).encode()
        with enclosed.path.open("rb") as source:
            yield from encode(iter(lambda: source.read(_CHUNK), b""))
        yield b"</edXML:ContentTransferEncoded></Attachment>\r\n"
    yield b"</AttachmentEncoded></edXML>\r\n"


def status_packet(status: etree._Element) -> bytes:
    """Return the edXML packet of a Status element."""
    return (
        f"{_opening()}<edXML:edXMLHeader>{_copied(status, 'MessageHeader')}</edXML:edXMLHeader>"
        "</edXML:edXMLEnvelope>\r\n</edXML>\r\n"
    ).encode()


def _opening() -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\r\n<edXML xmlns="{QCVN_NS}">\r\n'
        f'<edXML:edXMLEnvelope xmlns:edXML="{QCVN_NS}">'
    )


def _labels(one: Reference, came: Enclosed, prefix: str) -> tuple[str, ...]:
    pairs = {
        "ContentId": f"cid:{one.content_id}",
        "AttachmentName": one.name or came.name,
        "Description": one.description,
        "ContentType": one.content_type or came.content_type,
    }
    return tuple(
        f"<{prefix}{name}>{escape(value)}</{prefix}{name}>"
        for name, value in pairs.items()
        if value
    )


def _copied(element: etree._Element, name: str) -> str:
    """Return an element with all its children in QCVN's namespace, texts as written."""
    inside = [_copied(c, known) for c in element if (known := local(c))]
    told = "".join(inside) if inside else escape(element.text or "")
    return f"<edXML:{name}>{told}</edXML:{name}>"
