"""What a file is, as far as signatures go, from its bytes: the cheap look before the dear one.

Promises: `looks_unsigned` answers True only for files that certainly carry no signature of a kind
anyone verifies; every doubt is False. Imports no PDF library, so that the hot path may ask.
"""

import mmap
import re
from pathlib import Path
from typing import Final

from gateway.trust.guards import HEADER_WINDOW, certainly_unsigned, is_pdf

_SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")
_PACKED: Final = re.compile(
    rb"META-INF/[^\x00/]{0,60}signature[^\x00/]{0,20}|_xmlsignatures/", re.IGNORECASE
)
_DOCUMENT: Final = re.compile(
    rb"\[Content_Types\]\.xml|application/vnd\.oasis\.opendocument|application/epub\+zip"
)
_FIRST_NAMES: Final = 4096
_ARMOUR: Final = (b"-----BEGIN PKCS7", b"-----BEGIN CMS", b"-----BEGIN PGP SIG")
_XMLDSIG: Final = (
    b"http://www.w3.org/2000/09/xmldsig#",
    b"http://www.w3.org/2007/05/xmldsig-more#",
)

# The name of a signature's element cannot be written in any other way in these encodings.
_SIGNATURE: Final = tuple("Signature".encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))
_XML_WINDOW: Final = 1 << 16
_BLANKS: Final = b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"

Bytes = bytes | mmap.mmap


def foreign_signature(data: Bytes) -> str:
    """Return the kind of signature a file that is no PDF carries, "" when it carries none.

    Args:
        data: The whole file.
    """
    head = bytes(data[:64])
    if head[:1] == b"\x30" and _SIGNED_DATA in head:
        return "CMS/PKCS#7"
    if any(word in bytes(data[:4096]) for word in _ARMOUR):
        return "CMS/PGP"
    if head[:2] == b"PK":
        return "ASiC/OOXML/ODF" if _PACKED.search(data) else ""
    if looks_like_xml(data) and any(data.find(word) >= 0 for word in _XMLDSIG):
        return "XMLDSig"
    return ""


def looks_like_xml(data: Bytes) -> bool:
    """Tell whether a file begins as XML (or HTML) does; a PDF does not.

    Args:
        data: The whole file.
    """
    head = bytes(data[:_XML_WINDOW])
    return head.lstrip(_BLANKS)[:1] == b"<" and not is_pdf(head[:HEADER_WINDOW])


def looks_unsigned(source: Path | bytes) -> bool:
    """Tell whether a file certainly carries no signature, without parsing it.

    True: no signature can be in it, whatever the file claims to be. False: look closer. Reads at
    most the file once; never raises for what the file holds (an unreadable file is False).

    Args:
        source: The file, or its bytes.
    """
    if isinstance(source, bytes):
        return _unsigned(source)
    try:
        with source.open("rb") as file:
            if file.seek(0, 2) == 0:
                return True
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _unsigned(data)
    except (OSError, ValueError):
        return False


def _unsigned(data: Bytes) -> bool:
    if not data:
        return True
    if is_pdf(bytes(data[:HEADER_WINDOW])):
        return certainly_unsigned(data)
    if bytes(data[:2]) == b"PK" and not _DOCUMENT.search(data[:_FIRST_NAMES]):
        return False  # a plain zip: anything may be inside
    if looks_like_xml(data):
        return not any(data.find(word) >= 0 for word in _SIGNATURE)
    return not foreign_signature(data)
