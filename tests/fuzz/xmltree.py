"""Damage to XML: elements moved, doubled, wrapped, renamed; attributes and texts changed."""

import copy
from random import Random

from lxml import etree

from tests.fuzz import der

_DS = "http://www.w3.org/2000/09/xmldsig#"
_NAMES = ("Signature", "Reference", "Object", "Transform", "KeyInfo", "X509Certificate", "Manifest")
_VALUES = (
    "", "#", "#x", "http://127.0.0.1/x", "file:///etc/passwd", "#xpointer(/)", "cid:1", "\u202e",
    "http://www.w3.org/TR/1999/REC-xslt-19991116", "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    "http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/2000/09/xmldsig#sha1",
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature", "1e400", "-1",
)  # fmt: skip
_DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


def mutated(data: bytes, dice: Random) -> bytes:
    """Return XML with one damage; what cannot be parsed is damaged as bytes."""
    if dice.random() < 0.15:
        return _as_bytes(data, dice)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return _as_bytes(data, dice)
    nodes = [n for n in root.iter() if isinstance(n.tag, str)]
    _damage(root, dice.choice(nodes), nodes, dice)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _as_bytes(data: bytes, dice: Random) -> bytes:
    at = data.find(b"?>") + 2 if data[:5] == b"<?xml" else 0
    match dice.randrange(4):
        case 0:
            return data[:at] + _DOCTYPE + data[at:]
        case 1:
            return data[: dice.randrange(1, len(data) + 1)]
        case 2:
            return data.decode("utf-8", "replace").encode("utf-16")
        case _:
            return der.flipped(data, dice)


def _damage(root, node, nodes, dice: Random) -> None:
    other = dice.choice(nodes)
    parent = node.getparent()
    match dice.randrange(10):
        case 0 if parent is not None:
            parent.remove(node)
        case 1 if parent is not None:
            parent.insert(dice.randrange(len(parent) + 1), copy.deepcopy(node))
        case 2 if parent is not None and node not in other.iterancestors() and other is not node:
            other.append(node)
        case 3 if parent is not None:
            wrapper = etree.Element(dice.choice((f"{{{_DS}}}Object", "Wrapper", node.tag)))
            parent.replace(node, wrapper)
            wrapper.append(node)
        case 4:
            node.tag = dice.choice((f"{{{_DS}}}{dice.choice(_NAMES)}", "x", other.tag))
        case 5:
            node.set(
                dice.choice(("Id", "ID", "id", "URI", "Algorithm", "Type")), dice.choice(_VALUES)
            )
        case 6 if node.attrib:
            name = dice.choice(list(node.attrib))
            value = dice.choice((*_VALUES, *other.attrib.values()))
            node.set(name, value)
        case 7 if node.text:
            node.text = dice.choice(("", "AAAA", node.text * 2, node.text[:-2], "<>&", other.text))
        case 8 if parent is not None:
            parent[parent.index(node) : parent.index(node)] = [
                copy.deepcopy(node) for _ in range(dice.choice((1, 40)))
            ]
        case _:
            node.append(etree.Comment("x"))
