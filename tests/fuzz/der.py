"""Damage to DER: elements dropped, doubled, swapped, retyped, stretched, nested too deep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

_CONSTRUCTED = 0x20
_INTERESTING_OIDS = (
    bytes.fromhex("2a864886f70d010705"),  # digested data
    bytes.fromhex("2a864886f70d010702"),  # signed data
    bytes.fromhex("2b0e03021a"),  # SHA-1
    bytes.fromhex("2a864886f70d0205"),  # MD5
    bytes.fromhex("608648016503040201"),  # SHA-256
    bytes.fromhex("608648016503040203"),  # SHA-512
    bytes.fromhex("2a864886f70d010101"),  # RSA
    bytes.fromhex("2a864886f70d01010a"),  # RSASSA-PSS
    bytes.fromhex("2a8648ce3d040302"),  # ECDSA with SHA-256
    bytes.fromhex("2a864886f70d010904"),  # message digest
    bytes.fromhex("2a864886f70d010905"),  # signing time
    bytes.fromhex("2a864886f70d010910020e"),  # time-stamp token
    bytes.fromhex("551d13"),  # basic constraints
    bytes.fromhex("551d0f"),  # key usage
    bytes.fromhex("551d25"),  # extended key usage
)
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x1E, 0x30, 0x31, 0xA0, 0xA1)


@dataclass
class Node:
    """One element: its tag, its bytes, or the elements inside."""

    tag: bytes
    body: bytes = b""
    inside: list["Node"] | None = None
    raw: bytes | None = field(default=None, repr=False)

    def dump(self) -> bytes:
        """Return the element's bytes; `raw` stands for itself."""
        if self.raw is not None:
            return self.raw
        body = self.body if self.inside is None else b"".join(n.dump() for n in self.inside)
        return self.tag + length(len(body)) + body


def length(size: int) -> bytes:
    """Return the shortest length octets."""
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def parse(data: bytes, depth: int = 0) -> list[Node]:
    """Return the elements of `data`; raises ValueError for what is none."""
    found = []
    at = 0
    while at < len(data):
        start = at
        at += 1
        if data[start] & 0x1F == 0x1F:
            while at < len(data) and data[at] & 0x80:
                at += 1
            at += 1
        tag = data[start:at]
        if at >= len(data):
            raise ValueError("no length")
        size = data[at]
        at += 1
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("length of length")
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        body = data[at : at + size]
        if len(body) < size:
            raise ValueError("short")
        at += size
        found.append(_node(tag, body, depth))
    return found


def _node(tag: bytes, body: bytes, depth: int) -> Node:
    if depth < 40 and (tag[0] & _CONSTRUCTED or (tag == b"\x04" and body[:1] == b"\x30")):
        try:
            return Node(tag, inside=parse(body, depth + 1))
        except ValueError:
            pass
    return Node(tag, body)


def _walk(nodes: Sequence[Node], parent: Node | None = None):
    for place, node in enumerate(nodes):
        yield node, parent, place
        if node.inside:
            yield from _walk(node.inside, node)


def mutated(data: bytes, dice: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return DER with one to three damages; data that is no DER is damaged as bytes."""
    try:
        tree = parse(data)
    except ValueError:
        return flipped(data, dice)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = list(_walk(tree))
        if not places:
            break
        node, parent, place = dice.choice(places)
        _damage(node, parent, place, dice, others)
    return b"".join(n.dump() for n in tree)


def flipped(data: bytes, dice: Random) -> bytes:
    """Return bytes with a few of them changed, cut out or doubled."""
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        if not made:
            return bytes(dice.randbytes(4))
        at = dice.randrange(len(made))
        match dice.randrange(5):
            case 0:
                made[at] ^= 1 << dice.randrange(8)
            case 1:
                made[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, 0x30, 0x20))
            case 2:
                del made[at : at + dice.choice((1, 2, 16, 200))]
            case 3:
                made[at:at] = made[at : at + dice.choice((1, 2, 16, 200))]
            case _:
                made[at:at] = dice.randbytes(dice.choice((1, 4)))
    return bytes(made)


def _damage(
    node: Node, parent: Node | None, place: int, dice: Random, others: Sequence[bytes]
) -> None:
    siblings = parent.inside if parent is not None and parent.inside is not None else None
    match dice.randrange(14):
        case 0 if siblings is not None:
            del siblings[place]
        case 1 if siblings is not None:
            siblings.insert(place, node)
        case 2 if siblings is not None and len(siblings) > 1:
            other = dice.randrange(len(siblings))
            siblings[place], siblings[other] = siblings[other], siblings[place]
        case 3:
            node.tag = bytes([dice.choice(_TAGS)])
        case 4:
            node.inside, node.body = None, b""
        case 5:
            node.raw = _odd_length(node, dice)
        case 6 if siblings is not None:
            node.raw = _nested(node.dump(), dice)
        case 7 if siblings is not None and others:
            node.raw = _piece(dice.choice(others), dice)
        case 8 if siblings is not None:
            siblings[place:place] = [node] * dice.choice((2, 10, 300))
        case _:
            _retouch(node, dice)


def _retouch(node: Node, dice: Random) -> None:
    """Change the value of one element in a way that fits its kind."""
    if node.inside is not None:
        dice.shuffle(node.inside)
    elif node.tag == b"\x02":
        node.body = dice.choice(
            (
                b"\x00",
                b"\x01",
                b"\xff",
                b"\x80" + bytes(8),
                b"",
                b"\x7f" * 4000,
                node.body + b"\x01",
            )
        )
    elif node.tag == b"\x06":
        node.body = dice.choice((*_INTERESTING_OIDS, b"\x80", b"", b"\xff" * 20))
    elif node.tag in {b"\x17", b"\x18"}:
        node.body = dice.choice(
            (
                b"000101000000Z",
                b"99991231235959Z",
                b"20261301000000Z",
                b"2",
                b"491231235959Z",
                b"20261120030000.5Z",
                b"20261120100000+0700",
                b"00000000000000Z",
            )
        )
    elif node.tag == b"\x01":
        node.body = dice.choice((b"\x00", b"\xff", b"\x01", b""))
    else:
        node.body = flipped(node.body, dice)


def _odd_length(node: Node, dice: Random) -> bytes:
    """Return the element with a length that is too long, too short, endless or not shortest."""
    body = node.body if node.inside is None else b"".join(n.dump() for n in node.inside)
    octets = dice.choice(
        (
            b"\x80",
            b"\x84\xff\xff\xff\xff",
            b"\x83\x00" + len(body).to_bytes(2, "big") if len(body) < 65536 else b"\x80",
            length(max(0, len(body) - 1)),
            length(len(body) + 1),
            b"\xff",
            b"\x88" + b"\x7f" * 8,
        )
    )
    return node.tag + octets + body + (b"\x00\x00" if octets == b"\x80" else b"")


def _nested(element: bytes, dice: Random) -> bytes:
    for _ in range(dice.choice((1, 5, 60, 1200))):
        element = b"\x30" + length(len(element)) + element
    return element


def _piece(data: bytes, dice: Random) -> bytes:
    try:
        places = list(_walk(parse(data)))
    except ValueError:
        return data[:40]
    return dice.choice(places)[0].dump() if places else data[:40]
