"""From hostile bytes to a tree: looked at by a streaming parser first, then built.

Promises: a DOCTYPE is refused the moment it appears, so no entity, external file or attribute
default exists; depth, elements, attributes and bytes are limited before a tree is built; nothing
is fetched. Whatever is refused is an `XmlFault` with a remark's code. Pure; keeps nothing.
"""

from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

from lxml import etree

MAX_BYTES: Final = 32 << 20
_MAX_DEPTH: Final = 200
_MAX_ELEMENTS: Final = 300_000
_MAX_ATTRIBUTES: Final = 64
_MAX_NAME: Final = 1000
_ENCODINGS: Final = frozenset({"UTF-8", "UTF8", "UTF-16", "UTF16", "US-ASCII", "ASCII"})

Element = etree._Element  # noqa: SLF001 — lxml's own name for the type of an element
Place = tuple[int, ...]
"""Where a node stands: its index among its parent's nodes, from the root down."""


class XmlFault(Exception):  # noqa: N818 — a finding about a file, not an error of ours
    """A file that is not read, and why.

    Args:
        code: A remark's code.
        detail: What stands in it.
    """

    def __init__(self, code: str, detail: object = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed file.

    Args:
        root: Its root element; comments and processing instructions are kept.
        instructions_outside: Processing instructions stand before or after the root.
    """

    root: Element
    instructions_outside: bool


class _Look:
    """The streaming look: counts, and refuses what no document of an office needs."""

    def __init__(self) -> None:
        self.depth = 0
        self.elements = 0
        self.parser = expat.ParserCreate()
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = _no_doctype
        self.parser.EntityDeclHandler = _no_doctype
        self.parser.ExternalEntityRefHandler = _no_doctype
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def _start(self, name: str, attributes: list[str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > _MAX_DEPTH:
            raise XmlFault("xml-too-complex", f"depth > {_MAX_DEPTH}")
        if self.elements > _MAX_ELEMENTS:
            raise XmlFault("xml-too-complex", f"elements > {_MAX_ELEMENTS}")
        if len(attributes) > 2 * _MAX_ATTRIBUTES or len(name) > _MAX_NAME:
            raise XmlFault("xml-too-complex", f"attributes > {_MAX_ATTRIBUTES}")

    def _end(self, name: str) -> None:
        self.depth -= 1

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() not in _ENCODINGS:
            raise XmlFault("xml-encoding", encoding[:40])


def _no_doctype(*_: object) -> int:
    raise XmlFault("xml-doctype")


def parser() -> etree.XMLParser:
    """Return a tree builder that fetches and expands nothing; for bytes already looked at."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=True,
        remove_comments=False,
        remove_pis=False,
    )


def parse(data: bytes) -> Tree:
    """Parse a file.

    Raises:
        XmlFault: Too large or too complex, a DOCTYPE, a wrong encoding, or no well-formed XML;
            then the detail names line and column.
    """
    if len(data) > MAX_BYTES:
        raise XmlFault("too-large", f"{MAX_BYTES >> 20} MB")
    try:
        _Look().parser.Parse(data, True)
        root = etree.fromstring(data, parser())
    except expat.ExpatError as exc:
        where = f"dòng/line {exc.lineno}, cột/column {exc.offset + 1}"
        raise XmlFault("xml-malformed", f"{expat.ErrorString(exc.code)}; {where}") from exc
    except etree.XMLSyntaxError as exc:
        line, column = exc.position
        where = f"dòng/line {line}, cột/column {column}"
        raise XmlFault("xml-malformed", f"{exc.msg}; {where}") from exc
    except (UnicodeError, LookupError, ValueError) as exc:
        raise XmlFault("xml-malformed", exc) from exc
    if any(True for _ in root.iter(etree.Entity)):
        raise XmlFault("xml-doctype")
    return Tree(root, _instructions_outside(root))


def _instructions_outside(root: Element) -> bool:
    around = [*root.itersiblings(), *root.itersiblings(preceding=True)]
    return any(isinstance(node, etree._ProcessingInstruction) for node in around)  # noqa: SLF001


# ---------------------------------------------------------------- places and words


def place_of(node: Element) -> Place:
    """Return where a node stands."""
    steps: list[int] = []
    parent = node.getparent()
    while parent is not None:
        steps.append(parent.index(node))
        node, parent = parent, parent.getparent()
    return tuple(reversed(steps))


def at_place(root: Element, place: Place) -> Element:
    """Return the node at a place; IndexError when there is none."""
    node = root
    for step in place:
        node = node[step]
    return node


def local(node: Element) -> str:
    """Return an element's name without its namespace, "" for what is no element."""
    tag: object = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(node: Element) -> str:
    """Return an element's namespace, "" for none."""
    tag: object = node.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag[:1] == "{" else ""


def children(node: Element) -> list[Element]:
    """Return the child elements, comments and processing instructions left out."""
    return list(node.iterchildren(etree.Element))


def text_of(node: Element | None) -> str:
    """Return all text of an element: a comment inside it hides nothing and cuts nothing."""
    return "" if node is None else "".join(map(str, node.itertext(etree.Element))).strip()


def path_of(node: Element) -> str:
    """Return the path of an element for people: `/Envelope/Body`, `/DS/D[2]`."""
    steps: list[str] = []
    here: Element | None = node
    while here is not None:
        parent = here.getparent()
        same = [] if parent is None else [c for c in children(parent) if c.tag == here.tag]
        number = f"[{same.index(here) + 1}]" if len(same) > 1 else ""
        steps.append(f"{local(here)[:60]}{number}")
        here = parent
    return "/" + "/".join(reversed(steps))
