"""The only place where XML is parsed: expat for the stream, lxml for the small skeleton.

Promises: a DOCTYPE is refused the moment it appears, so no entity, external file or attribute
default exists; encodings other than UTF-8 and UTF-16 are refused; a library's exception becomes a
RejectedError naming line and column. Nothing is kept; a crash leaves nothing behind.
"""

from collections.abc import Callable
from pyexpat import XMLParserType
from typing import Final
from xml.parsers import expat

from lxml import etree

from gateway.codec.refusal import refuse
from gateway.errors import Reason, RejectedError

_ENCODINGS: Final = frozenset({"UTF-8", "UTF8", "UTF-16", "UTF16", "US-ASCII", "ASCII"})
_TEXT_BUFFER_BYTES: Final = 64 * 1024


def doctype_refused() -> RejectedError:
    """Return the refusal of a DOCTYPE. Source: MD-10."""
    # MD-10: a DTD brings entities (file disclosure, expansion bombs); receivers resolve them.
    return refuse(
        Reason.DOCTYPE_REFUSED,
        "MD-10",
        "",
        "Gói tin chứa DOCTYPE, không được phép; hãy xuất lại gói tin không có DOCTYPE.",
        "The packet carries a DOCTYPE; export it again without one.",
    )


def malformed(vi: str, en: str, where: str = "") -> RejectedError:
    """Return the refusal of what is not well-formed edXML. Source: MD-10."""
    return refuse(Reason.MALFORMED, "MD-10", where, vi, en)


class Expat:
    """A hardened push parser; handlers are the caller's, exceptions come out as RejectedError."""

    def __init__(
        self,
        on_start: Callable[[str, list[str]], None],
        on_end: Callable[[str], None],
        on_text: Callable[[str], None],
    ) -> None:
        parser = expat.ParserCreate()
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.buffer_size = _TEXT_BUFFER_BYTES
        parser.StartElementHandler = on_start
        parser.EndElementHandler = on_end
        parser.CharacterDataHandler = on_text
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = _no_doctype
        parser.EntityDeclHandler = _no_doctype
        parser.ExternalEntityRefHandler = _no_doctype
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser: XMLParserType = parser
        self.declared = False

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        self.declared = True
        if encoding is not None and encoding.upper() not in _ENCODINGS:
            # FMT-06 (S003 art 4.2): Vietnamese text is Unicode; legacy code pages corrupt it.
            raise refuse(
                Reason.MALFORMED,
                "FMT-06",
                "",
                f"Bảng mã {encoding[:40]} không được dùng; hãy xuất lại bằng UTF-8.",
                f"Encoding {encoding[:40]} is not allowed; export again as UTF-8.",
            )

    def parse(self, data: bytes, *, final: bool = False) -> None:
        """Push bytes; handlers run before this returns.

        Raises:
            RejectedError: Not well-formed, a DOCTYPE, a wrong encoding, or what a handler raised.
        """
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as exc:
            what = expat.ErrorString(exc.code)
            raise malformed(
                f"XML sai cú pháp ({what}); hãy xuất lại gói tin.",
                f"Not well-formed XML: {what}. Export the packet again.",
                f"line {exc.lineno}, column {exc.offset + 1}",
            ) from exc
        except (UnicodeError, LookupError, ValueError) as exc:
            raise malformed(
                "Nội dung không đúng bảng mã đã khai báo; hãy xuất lại bằng UTF-8.",
                "The bytes do not follow the declared encoding; export again as UTF-8.",
            ) from exc


def _no_doctype(*_: object) -> int:
    raise doctype_refused()


def parse_small(data: bytes) -> etree._Element:
    """Parse the small skeleton that we serialised ourselves, hardened all the same.

    Raises:
        RejectedError: MALFORMED.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise malformed(
            "XML sai cú pháp; hãy xuất lại gói tin.", "Not well-formed XML; export it again."
        ) from exc
    if root.getroottree().docinfo.internalDTD is not None:
        raise doctype_refused()
    return root
