"""Damage to PDFs, with knowledge of what they are made of: objects, tables, ranges, values.

A mutation is a function from bytes and dice to bytes. All work on bytes alone, so that nothing an
attacker could write is out of reach; those that add a revision write a sound one more often than a
broken one, because only what readers accept can deceive.
"""

import re
import zlib
from collections.abc import Callable
from random import Random

from tests.fuzz import der

_OBJECT = re.compile(rb"(\d{1,9}) (\d{1,5}) obj\b(.*?)endobj", re.DOTALL)
_NUMBER = re.compile(rb"(?<![\w.])-?\d{1,10}(?![\w.])")
_NAME = re.compile(rb"/[A-Za-z0-9.#]{1,30}")
_REFERENCE = re.compile(rb"(\d{1,6}) 0 R")
_RANGE = re.compile(rb"/ByteRange\s*\[([^\]]*)\]")
_VALUE = re.compile(rb"/Contents\s*<([0-9A-Fa-f]{100,})>")
_ROW = re.compile(rb"\d{10} \d{5} [nf]")
_STREAM = re.compile(rb"stream\r?\n")
_END = re.compile(rb"%%EOF\r?\n?")
_TRAILER = re.compile(rb"trailer\s*<<(.*?)>>\s*startxref", re.DOTALL)
_NAMES = (
    b"/Contents", b"/ByteRange", b"/SubFilter", b"/Filter", b"/Type", b"/Sig", b"/DocTimeStamp",
    b"/ETSI.RFC3161", b"/ETSI.CAdES.detached", b"/adbe.pkcs7.detached", b"/adbe.pkcs7.sha1",
    b"/adbe.x509.rsa_sha1", b"/Length", b"/Prev", b"/XRefStm", b"/Root", b"/Size", b"/Perms",
    b"/DocMDP", b"/P", b"/V", b"/FT", b"/T", b"/Kids", b"/Parent", b"/Fields", b"/AcroForm",
    b"/Annots", b"/Pages", b"/Page", b"/Catalog", b"/DSS", b"/Certs", b"/CRLs", b"/OCSPs", b"/VRI",
    b"/AP", b"/N", b"/Rect", b"/F", b"/Subtype", b"/Widget", b"/FlateDecode", b"/ObjStm", b"/XRef",
    b"/W", b"/Index", b"/Encrypt", b"/Extends", b"/Reference", b"/TransformParams", b"/Lock",
    b"/SigFlags", b"/NeedAppearances", b"/XFA", b"/OpenAction", b"/AA", b"/OCProperties", b"/SV",
    b"/Extensions", b"/Version", b"/Names", b"/Outlines", b"/StructTreeRoot", b"/MarkInfo",
    b"/Metadata", b"/Contents#20", b"/Byte#52ange", b"/MediaBox", b"/Resources", b"/Rotate",
    b"/CropBox", b"/UserUnit", b"/Font", b"/XObject", b"/Annot",
)  # fmt: skip
_NUMBERS = (
    b"0", b"1", b"-1", b"2", b"3", b"65535", b"65536", b"4294967296", b"99999999999", b"00000001",
)  # fmt: skip
_VALUES = (
    b"null", b"true", b"()", b"<>", b"[]", b"<<>>", b"0", b"-1", b"1 0 R", b"99 0 R", b"(x)",
    b"/Sig", b"<< /A << /B << /C 1 0 R >> >> >>", b"[[[[[[]]]]]]",
)  # fmt: skip
_EVIL_TEXT = b"BT /F1 14 Tf 72 700 Td (chi 999 ty dong) Tj ET"

Mutation = Callable[[bytes, Random], bytes]


def _spliced(data: bytes, start: int, end: int, become: bytes) -> bytes:
    return data[:start] + become + data[end:]


def _chosen(pattern: re.Pattern[bytes], data: bytes, dice: Random) -> re.Match[bytes] | None:
    found = list(pattern.finditer(data))
    return dice.choice(found) if found else None


# ---------------------------------------------------------------- in place


def bytes_changed(data: bytes, dice: Random) -> bytes:
    """Change bytes anywhere, or behind the last signed range only."""
    return der.flipped(data, dice)


def number_changed(data: bytes, dice: Random) -> bytes:
    """Change one number, often keeping its width."""
    match = _chosen(_NUMBER, data, dice)
    if match is None:
        return data
    old = match.group()
    new = dice.choice(
        (
            dice.choice(_NUMBERS),
            str(int(old) + dice.choice((-1, 1, 2, 100))).encode(),
            old[:-1] + b"9",
        )
    )
    if dice.random() < 0.6:
        new = new.rjust(len(old), b"0")[-len(old) :]
    return _spliced(data, *match.span(), new)


def name_changed(data: bytes, dice: Random) -> bytes:
    """Change one name into another that means something."""
    match = _chosen(_NAME, data, dice)
    if match is None:
        return data
    old, new = match.group(), dice.choice(_NAMES)
    if dice.random() < 0.3:
        new = (old[:1] + b"#%02x" % old[1] + old[2:]) if len(old) > 1 else new
    elif dice.random() < 0.5:
        new = new[: len(old)].ljust(len(old))
    return _spliced(data, *match.span(), new)


def reference_changed(data: bytes, dice: Random) -> bytes:
    """Point one reference at another object, or at itself."""
    match = _chosen(_REFERENCE, data, dice)
    numbers = [m.group(1) for m in _OBJECT.finditer(data)]
    if match is None or not numbers:
        return data
    return _spliced(data, *match.span(1), dice.choice(numbers))


def range_changed(data: bytes, dice: Random) -> bytes:
    """Change what a signature says it covers, in the room that is there."""
    match = _chosen(_RANGE, data, dice)
    if match is None:
        return data
    numbers = [int(n) for n in re.findall(rb"-?\d{1,12}", match.group(1))]
    if not numbers:
        return data
    at = dice.randrange(len(numbers))
    match dice.randrange(6):
        case 0:
            numbers[at] += dice.choice((-1, 1, -2, 2, 10, -100))
        case 1:
            numbers[at] = dice.choice((0, -1, len(data), len(data) * 2, 10**11))
        case 2:
            numbers.append(numbers[at])
        case 3:
            del numbers[at]
        case 4:
            numbers += [numbers[0], 1]
        case _:
            dice.shuffle(numbers)
    text = b" ".join(str(n).encode() for n in numbers)
    start, end = match.span(1)
    room = len(data[start:].split(b"/", 1)[0]) if dice.random() < 0.5 else end - start
    return _spliced(data, start, end, text.ljust(min(room, 200)) if room < 200 else text)


def value_changed(data: bytes, dice: Random) -> bytes:
    """Damage the DER of a signature value, keeping its room where it fits."""
    match = _chosen(_VALUE, data, dice)
    if match is None:
        return data
    text = match.group(1)
    try:
        raw = bytes.fromhex(text.decode("ascii")[: len(text) // 2 * 2])
    except ValueError:
        return data
    size = _element_size(raw)
    others = [bytes.fromhex(m.group(1).decode("ascii")[: len(m.group(1)) // 2 * 2])
              for m in _VALUE.finditer(data)]  # fmt: skip
    new = der.mutated(raw[:size], dice, others).hex().encode("ascii")
    if dice.random() < 0.1:
        new += dice.randbytes(6).hex().encode("ascii")
    if len(new) <= len(text):
        new = new.ljust(len(text), b"0")
    return _spliced(data, *match.span(1), new)


def _element_size(raw: bytes) -> int:
    if len(raw) < 2 or not raw[1] & 0x80:
        return len(raw)
    count = raw[1] & 0x7F
    return 2 + count + int.from_bytes(raw[2 : 2 + count], "big")


def row_changed(data: bytes, dice: Random) -> bytes:
    """Change one row of a table."""
    match = _chosen(_ROW, data, dice)
    if match is None:
        return data
    objects = [m.start() for m in _OBJECT.finditer(data)]
    new = dice.choice(
        (
            b"%010d 00000 n" % dice.choice([*objects, 0, len(data) - 1]),
            b"0000000000 65535 f",
            b"%010d 00001 n" % dice.choice([*objects, 0]),
            match.group()[:-1] + dice.choice((b"n", b"f")),
        )
    )
    return _spliced(data, *match.span(), new)


def trailer_changed(data: bytes, dice: Random) -> bytes:
    """Change or add an entry of a trailer."""
    match = _chosen(_TRAILER, data, dice)
    if match is None:
        return data
    entry = dice.choice((b"/Prev", b"/Root", b"/Size", b"/XRefStm", b"/Encrypt", b"/Info", b"/ID"))
    start = match.start(1)
    numbers = [b"%d" % m.start() for m in re.finditer(rb"xref", data)]
    value = dice.choice((*_VALUES, *numbers))
    return _spliced(data, start, start, entry + b" " + value + b" ")


def entry_added(data: bytes, dice: Random) -> bytes:
    """Add an entry to some dictionary."""
    opens = [m.end() for m in re.finditer(rb"<<", data)]
    if not opens:
        return data
    at = dice.choice(opens)
    return _spliced(data, at, at, dice.choice(_NAMES) + b" " + dice.choice(_VALUES) + b" ")


def objects_shuffled(data: bytes, dice: Random) -> bytes:
    """Swap, double or drop whole objects in place."""
    found = list(_OBJECT.finditer(data))
    if len(found) < 2:
        return data
    one, two = sorted(dice.sample(found, 2), key=lambda m: m.start())
    match dice.randrange(4):
        case 0:
            return _spliced(data, *one.span(), b" " * (one.end() - one.start()))
        case 1:
            return _spliced(data, *two.span(3), one.group(3))
        case 2:
            return _spliced(data, two.start(), two.start(), one.group() + b"\n")
        case _:
            middle = data[one.end() : two.start()]
            return data[: one.start()] + two.group() + middle + one.group() + data[two.end() :]


def stream_changed(data: bytes, dice: Random) -> bytes:
    """Damage the content of one stream (DER inside, where there is DER), length kept."""
    found = [m for m in _OBJECT.finditer(data) if _STREAM.search(m.group(3))]
    if not found:
        return data
    one = dice.choice(found)
    new = _stream_body(one.group(3), dice, keep=len(one.group(3)))
    return _spliced(data, *one.span(3), new) if new else data


def _stream_body(body: bytes, dice: Random, keep: int = 0) -> bytes:
    """Return an object's body with its stream damaged, and /Length put right."""
    mark = _STREAM.search(body)
    end = body.rfind(b"endstream")
    if mark is None or end < 0:
        return b""
    head, content = body[: mark.end()], body[mark.end() : end].rstrip(b"\r\n")
    packed = b"/FlateDecode" in head
    if packed:
        try:
            content = zlib.decompress(content)
        except zlib.error:
            packed = False
    content = der.mutated(content, dice) if content[:1] == b"\x30" else der.flipped(content, dice)
    if packed:
        content = zlib.compress(content)
    head = re.sub(rb"/Length\s+\d+(?!\s+\d+\s+R)", b"/Length %d" % len(content), head)
    made = head + content + b"\nendstream\n"
    return made.ljust(keep) if len(made) <= keep else made


# ---------------------------------------------------------------- ends


def cut(data: bytes, dice: Random) -> bytes:
    """Cut the file off: at an end mark, near one, or anywhere."""
    ends = [m.end() for m in _END.finditer(data)] or [len(data)]
    if dice.random() < 0.6:
        return data[: max(0, dice.choice(ends) + dice.choice((0, 0, -1, -2, 1)))]
    return data[: dice.randrange(len(data))] if data else data


def appended(data: bytes, dice: Random) -> bytes:
    """Append something: blanks, words, remarks, an old end, an object, a whole file."""
    start = data.rfind(b"startxref")
    objects = [m.group() for m in _OBJECT.finditer(data)]
    piece = dice.choice(objects) if objects else b""
    return data + dice.choice(
        (
            b"\n", b"\x00" * 20, b" " * 300, b"\n%%EOF\n", b"%x\n", data[start:],
            b"\n" + piece + b"\n" + data[start:],
            b"\n% " + piece.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n%%EOF\n",
            b"\n4 0 obj\n<</Length %d>>\nstream\n%b\nendstream\nendobj\n%b"
            % (len(_EVIL_TEXT), _EVIL_TEXT, data[start:]),
            b"\nxref\n0 0\ntrailer\n<<>>\nstartxref\n%d\n%%%%EOF\n" % len(data),
            b"\ntrailer\n<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n", data,
        )
    )  # fmt: skip


def inserted(data: bytes, dice: Random) -> bytes:
    """Insert an object or blanks in front of an end mark or a table: all offsets behind move."""
    spots = [m.start() for m in re.finditer(rb"%%EOF|startxref|xref\n|trailer", data)] or [0]
    at = dice.choice(spots)
    return _spliced(data, at, at, dice.choice((b" ", b"\n", b"%x\n", b"9 0 obj\nnull\nendobj\n")))


# ---------------------------------------------------------------- one more revision


def revised(data: bytes, dice: Random) -> bytes:
    """Add a revision that changes, adds or frees objects; mostly a well-formed one."""
    latest: dict[int, bytes] = {int(m.group(1)): m.group(3) for m in _OBJECT.finditer(data)}
    if not latest:
        return data
    changed: dict[int, bytes | None] = {}
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        number, body = _new_body(latest, dice)
        changed[number] = body
    return with_revision(data, changed, dice)


def _new_body(latest: dict[int, bytes], dice: Random) -> tuple[int, bytes | None]:
    number = dice.choice(list(latest))
    body = latest[number]
    kind = dice.randrange(13)
    if kind == 0:
        return number, None
    if kind == 1:
        return number, latest[dice.choice(list(latest))]
    if kind == 2:
        return max(latest) + dice.randrange(1, 4), body
    if kind == 3:
        return number, _spliced(
            body, *_insert_at(body), dice.choice(_NAMES) + b" " + dice.choice(_VALUES) + b" "
        )
    if kind == 4:
        return number, b"<</Length %d>>\nstream\n%b\nendstream\n" % (len(_EVIL_TEXT), _EVIL_TEXT)
    if kind == 5:
        return number, dice.choice(_VALUES)
    if kind == 6:
        return number, body
    if kind == 7:
        return number, b"\n" + body.strip() + b" % x\n"
    if kind in {8, 9}:
        return number, _stream_body(body, dice) or number_changed(body, dice)
    return number, dice.choice((number_changed, name_changed, reference_changed, _entry_dropped))(
        body, dice
    )


def _insert_at(body: bytes) -> tuple[int, int]:
    at = body.find(b"<<")
    return (at + 2, at + 2) if at >= 0 else (0, 0)


def _entry_dropped(body: bytes, dice: Random) -> bytes:
    match = _chosen(
        re.compile(rb"/[A-Za-z]+\s*(\d+ 0 R|\[[^\]<>]*\]|\([^)]*\)|/?[\w.]+)"), body, dice
    )
    return body if match is None else _spliced(body, *match.span(), b"")


def with_revision(data: bytes, bodies: dict[int, bytes | None], dice: Random) -> bytes:
    """Append objects with a table, a table stream, no table, or one that leaves some out."""
    out = data if data.endswith(b"\n") else data + b"\n"
    offsets: dict[int, int] = {}
    for number, body in bodies.items():
        if body is None:
            offsets[number] = -1
            continue
        offsets[number] = len(out)
        out += b"%d 0 obj" % number + (body if body[:1] in b"\r\n " else b"\n" + body)
        out += b"endobj\n" if out.endswith(b"\n") else b"\nendobj\n"
    tails = re.findall(rb"startxref\s+(\d+)", data)
    previous = tails[-1] if tails else b"0"
    root = (re.findall(rb"/Root\s+(\d+ 0 R)", data) or [b"1 0 R"])[-1]
    if dice.random() < 0.06:
        root = b"%d 0 R" % dice.choice(list(bodies))
    sizes = [int(n) for n in re.findall(rb"/Size\s+(\d{1,7})", data)] or [1]
    size = max([*sizes, max(bodies) + 1])
    kind = dice.random()
    if kind < 0.06:
        return out
    if kind < 0.1:
        return out + b"startxref\n%b\n%%%%EOF\n" % previous
    rows = dict(offsets)
    if kind < 0.16 and len(rows) > 1:
        del rows[dice.choice(list(rows))]
    if kind < 0.26:
        return out + _stream_table(rows, size, root, previous, len(out))
    table = b"".join(
        b"%d 1\n%b" % (n, b"0000000000 00001 f \n" if at < 0 else b"%010d 00000 n \n" % at)
        for n, at in sorted(rows.items())
    )
    prev = b"" if kind > 0.97 else b"/Prev %b" % previous
    return out + b"xref\n%btrailer\n<</Size %d/Root %b%b>>\nstartxref\n%d\n%%%%EOF\n" % (
        table, size, root, prev, len(out),
    )  # fmt: skip


def _stream_table(rows: dict[int, int], size: int, root: bytes, previous: bytes, at: int) -> bytes:
    entries = sorted({**rows, size: at}.items())
    content = b"".join(
        b"\x00\x00\x00\x00\x00\x01" if where < 0 else b"\x01" + where.to_bytes(4, "big") + b"\x00"
        for _, where in entries
    )
    index = b" ".join(b"%d 1" % number for number, _ in entries)
    return (
        b"%d 0 obj\n<</Type/XRef/Size %d/W[1 4 1]/Index[%b]/Root %b/Prev %b/Length %d>>\n"
        b"stream\n%b\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n"
        % (size, size + 1, index, root, previous, len(content), content, at)
    )


def wrapped(data: bytes, dice: Random) -> bytes:
    """Move the second signed part back and name a new range behind the value."""
    found = list(_RANGE.finditer(data))
    if not found:
        return data
    numbers = [int(n) for n in re.findall(rb"\d{1,9}", found[-1].group(1))]
    if len(numbers) != 4:
        return data
    _, first, second, last = numbers
    filler = b"4 0 obj\n<</Length %d>>\nstream\n%b\nendstream\nendobj\n" % (
        len(_EVIL_TEXT),
        _EVIL_TEXT,
    )
    new = b"/ByteRange [0 %d %d %d]"
    extra = new % (first, second, last) + dice.choice((b"", b">>\nendobj\n" + filler))
    moved = second + len(extra) + 4
    extra = (new % (first, moved, last) + extra[extra.index(b"]") + 1 :]).ljust(moved - second)
    return data[:second] + extra + data[second:]


ALL: tuple[tuple[Mutation, int], ...] = (
    (bytes_changed, 3),
    (number_changed, 6),
    (name_changed, 5),
    (reference_changed, 4),
    (range_changed, 5),
    (value_changed, 14),
    (row_changed, 4),
    (trailer_changed, 3),
    (entry_added, 4),
    (objects_shuffled, 4),
    (stream_changed, 8),
    (cut, 3),
    (appended, 5),
    (inserted, 2),
    (revised, 28),
    (wrapped, 2),
)


def plan(dice: Random) -> list[tuple[Mutation, int]]:
    """Return mutations and the seed of each one's dice, so that any can be left out."""
    kinds, weights = zip(*ALL, strict=True)
    count = dice.choices((1, 2, 3, 5), (60, 25, 10, 5))[0]
    return [(m, dice.getrandbits(64)) for m in dice.choices(kinds, weights, k=count)]


def applied(data: bytes, steps: list[tuple[Mutation, int]], limit: int = 400_000) -> bytes:
    """Return the file after all steps; it grows to `limit` bytes at most."""
    for mutation, seed in steps:
        made = mutation(data, Random(seed))
        if len(made) <= limit:
            data = made
    return data
