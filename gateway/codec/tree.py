"""The small tree left of a packet once its attachments were cut out, and how it becomes text again.

Nodes are mutable only while the splitter builds them. Nothing here parses.
"""

import re
from typing import Final

from gateway.codec.refusal import refuse
from gateway.errors import Reason

QCVN_NS: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
OLD_NS: Final = "http://www.e-doc.vn/Schema/"
XLINK_NS: Final = "http://www.w3.org/1999/xlink"
XML_NS: Final = "http://www.w3.org/XML/1998/namespace"
OURS: Final = frozenset({QCVN_NS, OLD_NS, ""})

# What XML 1.0 cannot carry, not even escaped.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL: Final = re.compile("[&<>\r]")
_SPECIAL_IN_ATTRIBUTE: Final = re.compile('[&<>"\r\n\t]')
_ESCAPES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\r": "&#xD;",
    "\n": "&#xA;",
    "\t": "&#x9;",
}


class Node:
    """One element: prefix as written, local name, namespace, attributes, text, tail, children.

    `attrs` are `(namespace, local name, value)` in the order written. `mixed` tells that text
    stands between its child elements.
    """

    __slots__ = ("attrs", "children", "local", "mixed", "ns", "prefix", "tail", "text")

    def __init__(
        self, prefix: str, local: str, ns: str, attrs: tuple[tuple[str, str, str], ...] = ()
    ) -> None:
        self.prefix = prefix
        self.local = local
        self.ns = ns
        self.attrs = attrs
        self.text = ""
        self.tail = ""
        self.children: list[Node] = []
        self.mixed = False

    def whole_text(self) -> str:
        """Return all text inside, markup dropped."""
        if not self.children:
            return self.text
        return self.text + "".join(c.whole_text() + c.tail for c in self.children)


def is_legal(text: str) -> bool:
    """Tell whether XML 1.0 can carry the text."""
    return _ILLEGAL.search(text) is None


def escape(text: str) -> str:
    """Return text as element content, escaped as the national kit does.

    Raises:
        RejectedError: MALFORMED, a character that XML cannot carry.
    """
    if _ILLEGAL.search(text):
        raise refuse(
            Reason.MALFORMED,
            "FMT-06",
            "",
            "Nội dung có ký tự điều khiển mà XML không mang được; hãy xóa ký tự đó.",
            "The text holds a control character that XML cannot carry; remove it.",
        )
    if _SPECIAL.search(text):
        return _SPECIAL.sub(lambda m: _ESCAPES[m[0]], text)
    return text


def _escape_attribute(text: str) -> str:
    return _SPECIAL_IN_ATTRIBUTE.sub(lambda m: _ESCAPES[m[0]], text)


def to_xml(node: Node) -> str:
    """Return the element as canonical, self-contained XML text: same tree, same text.

    Elements of the QCVN namespace get the prefix `edXML`, others a default namespace; attributes
    are sorted; every namespace used is declared inside.
    """
    out: list[str] = []
    _write(node, None, declared=False, out=out)
    return "".join(out)


def _write(node: Node, default_ns: str | None, *, declared: bool, out: list[str]) -> None:
    if node.ns == QCVN_NS:
        tag = f"edXML:{node.local}"
        out.append(f"<{tag}" if declared else f'<{tag} xmlns:edXML="{QCVN_NS}"')
        declared = True
    else:
        tag = node.local
        same = node.ns == default_ns
        out.append(f"<{tag}" if same else f'<{tag} xmlns="{_escape_attribute(node.ns)}"')
        default_ns = node.ns
    for number, (ns, local, value) in enumerate(sorted(node.attrs)):
        text = _escape_attribute(value)
        if not ns:
            out.append(f' {local}="{text}"')
        elif ns == XML_NS:
            out.append(f' xml:{local}="{text}"')
        else:
            out.append(f' xmlns:n{number}="{_escape_attribute(ns)}" n{number}:{local}="{text}"')
    if not node.children and not node.text:
        out.append(" />")
        return
    out.append(f">{escape(node.text)}")
    for child in node.children:
        _write(child, default_ns, declared=declared, out=out)
        out.append(escape(child.tail))
    out.append(f"</{tag}>")
