"""Stand-alone verifier of exported receipts (kiểm tra hồi báo); the one definition of the format.

Needs the standard library and `cryptography`, nothing else: copy this file anywhere and run
`python proof.py FILE --key PEM [--key PEM …] [--head FILE] [--json]`. No network, no database, no
gateway. That is why it is one long file: an auditor reads and copies one file, and the gateway
imports from it.

Promises: one pass, memory bounded whatever the file's size; every byte of the file is checked, so
that no change goes unseen; a changed, dropped, swapped, inserted or duplicated entry is named by
its index; hostile input gives a verdict, never a stack trace. Reads only, so a crash leaves nothing
behind.

Exit codes: 0 good; 1 broken, the index is named; 2 consistent, but the signer is not pinned (no
`--key`, or signed by another key); 3 unreadable; 64 wrong use.

1. The header says what the file is and holds the gateway's public keys.
2. Every line is canonical JSON: other bytes with the same meaning are damage.
3. Log scope: entries 0, 1, 2…, each chained to the one before; each tree head stands after the last
   entry it covers and its root is computed from the entries themselves.
4. Document scope: one tree head first, then the entries the header lists, each with its inclusion
   proof.
5. The signed export statement holds the SHA-256 of all bytes before it and counts what was written;
   nothing may follow it.
"""

import argparse
import base64
import hashlib
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

FORMAT: Final = "vanlien-receipts"
VERSION: Final = 1
LOG_SCOPE: Final = "log"
DOCUMENT_SCOPE: Final = "document"
TYP_RECEIPT: Final = "vanlien-receipt+jwt"
TYP_HEAD: Final = "vanlien-tree-head+jwt"
TYP_EXPORT: Final = "vanlien-export+jwt"
TYP_KEY: Final = "vanlien-key-change+jwt"
ALG: Final = "Ed25519"  # RFC 9864, which retires the name EdDSA
ALG_P256: Final = "ES256"  # RFC 7518: for tokens and modules that know no Ed25519
KEY_CHANGED: Final = "key_changed"  # the kind of entry that hands over from one key to the next
RESTORED: Final = "restored"  # the kind of entry that says: what followed the backup is lost
MAX_LINE: Final = 1 << 20
MAX_INT: Final = (1 << 53) - 1  # RFC 8785: beyond, JSON readers disagree
MAX_FAULTS: Final = 100

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_PEM: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)

# ---------------------------------------------------------------- the format: hashes and tree


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def compact(value: object) -> str:
    """Return canonical JSON (RFC 8785 for what we write: ASCII keys, texts, integers)."""
    return _ENCODER.encode(value)


def entry_hash(body: bytes) -> bytes:
    """Return the 32-byte hash of an entry's canonical body."""
    return hashlib.sha256(b"vanlien/receipt-entry/v1\x00" + body).digest()


GENESIS: Final = hashlib.sha256(b"vanlien/receipt-chain/v1/genesis").digest()


def chain_hash(prev: bytes, index: int, entry: bytes) -> bytes:
    """Return the hash that ties an entry to its place and to everything before it."""
    return hashlib.sha256(
        b"vanlien/receipt-chain/v1\x00" + prev + index.to_bytes(8, "big") + entry
    ).digest()


def leaf_hash(chain: bytes) -> bytes:
    """Return the Merkle leaf of a chain hash (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + chain).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the Merkle parent of two nodes (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


class Frontier:
    """The right edge of a growing Merkle tree: at most log2(size) hashes."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        node, index = leaf, self.size
        while index & 1:
            node = node_hash(self._peaks.pop(), node)
            index >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root at the present size."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether `leaf` is number `index` of the tree (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, node = index, size - 1, leaf
    for step in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = node_hash(step, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == root


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether the tree of `second` leaves begins with that of `first` (RFC 9162 2.1.4.2)."""
    if first > second or first < 0:
        return False
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    steps = list(path) if first & (first - 1) else [first_root, *path]
    if not steps:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(step, old), node_hash(step, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == first_root and new == second_root


# ---------------------------------------------------------------- the format: keys and signatures


PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey


class UnknownSignerError(ValueError):
    """The token names a key we do not have."""


def b64url(data: bytes) -> str:
    """Return base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def algorithm(key: PublicKey) -> str:
    """Return the one JWS algorithm a key signs with: a token that names another is refused."""
    return ALG if isinstance(key, Ed25519PublicKey) else ALG_P256


def thumbprint(key: PublicKey) -> str:
    """Return the RFC 7638 thumbprint, our `kid`."""
    if isinstance(key, Ed25519PublicKey):
        jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64url(key.public_bytes_raw())}
    else:
        point = key.public_numbers()
        x, y = (b64url(n.to_bytes(32, "big")) for n in (point.x, point.y))
        jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    return b64url(hashlib.sha256(compact(jwk).encode()).digest())


def load_keys(pem: bytes) -> dict[str, PublicKey]:
    """Return the public keys of a PEM file by kid; several after a key change.

    Raises:
        ValueError: There is none, or one is neither Ed25519 nor P-256.
    """
    keys: dict[str, PublicKey] = {}
    for block in _PEM.findall(pem):
        try:
            key = load_pem_public_key(block)
        except UnsupportedAlgorithm as exc:
            raise ValueError("unknown kind of public key") from exc
        if isinstance(key, ec.EllipticCurvePublicKey):
            good = isinstance(key.curve, ec.SECP256R1)
        else:
            good = isinstance(key, Ed25519PublicKey)
        if not good:
            raise ValueError("not an Ed25519 or P-256 public key")
        assert isinstance(key, (Ed25519PublicKey, ec.EllipticCurvePublicKey))
        keys[thumbprint(key)] = key
    if not keys:
        raise ValueError("no PUBLIC KEY block")
    return keys


def signed_by(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    """Tell whether a signature in the form of JWS is the key's over these bytes."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
            return True
        if len(signature) != 64:  # RFC 7518 section 3.4: r and s, 32 bytes each
            return False
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def read_json(text: str) -> dict[str, Any]:
    """Return the object `text` is the canonical form of; ValueError for anything else."""
    try:
        value = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
        if isinstance(value, dict) and compact(value) == text:
            return value
    except RecursionError as exc:
        raise ValueError("too deep") from exc
    raise ValueError("not canonical JSON")


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"number {text[:20]} is not allowed")


def _part(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def peek_jws(token: str, typ: str) -> tuple[str, dict[str, Any]]:
    """Return kid and claims of one of our tokens, its signature unchecked; ValueError if none."""
    _, kid, claims = _read_jws(token, typ)
    return kid, claims


def _read_jws(token: str, typ: str) -> tuple[str, str, dict[str, Any]]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MAX_LINE:
        raise ValueError("not a compact JWS")
    header = read_json(_part(parts[0]).decode("utf-8"))
    if set(header) != {"alg", "kid", "typ"} or header["typ"] != typ:
        raise ValueError(f"not a {typ} token")
    if header["alg"] not in {ALG, ALG_P256} or not isinstance(header["kid"], str):
        raise ValueError("neither algorithm nor kid of ours")
    return header["alg"], header["kid"], read_json(_part(parts[1]).decode("utf-8"))


def open_jws(token: str, typ: str, keys: Mapping[str, PublicKey]) -> tuple[str, dict[str, Any]]:
    """Return kid and claims of a token signed by one of `keys`.

    Raises:
        UnknownSignerError: The token's kid is not among the keys.
        ValueError: Malformed, of another kind, or the signature is wrong.
    """
    alg, kid, claims = _read_jws(token, typ)
    if kid not in keys:
        raise UnknownSignerError(f"no key {kid[:64]}")
    signed, _, signature = token.rpartition(".")
    if alg != algorithm(keys[kid]) or not signed_by(
        keys[kid], _part(signature), signed.encode("ascii")
    ):
        raise ValueError("signature is wrong")
    return kid, claims


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A hand-over in the log: entry by which one key names the next, signed by both."""

    before: str
    after: str
    public: str
    from_time: str
    vouched: bool

    @classmethod
    def of(cls, body: Mapping[str, Any], keys: Mapping[str, PublicKey]) -> "KeyChange":
        """Return the change an entry's body tells of.

        Args:
            body: Facts of an entry of the kind `key_changed`.
            keys: What the file names; the new key stands in the entry itself.

        `vouched` is False when the earlier key did not sign: it was lost, and the log says so.

        Raises:
            ValueError: What is signed is not signed by the keys named, or says something else.
        """
        names = ("key_before", "key", "public_key", "from_time")
        before, after, public, from_time = (_text(body.get(name)) for name in names)
        vouched = "signed_before" in body
        change = cls(before, after, public, from_time, vouched)
        new = load_keys(change.public.encode())
        if set(new) != {change.after} or change.before == change.after:
            raise ValueError("the new key is not the one named")
        facts = {"key_before": change.before, "key": change.after, "from_time": change.from_time}
        known = {**keys, **new}
        signed = [("signed", change.after), *([("signed_before", change.before)] * vouched)]
        for name, kid in signed:
            signer, claims = open_jws(_text(body.get(name)), TYP_KEY, known)
            if signer != kid or claims != facts:
                raise ValueError("the hand-over is signed by another key, or says something else")
        return change


@dataclass(frozen=True, slots=True)
class Head:
    """A signed tree head (đầu cây): size, root and time of signing."""

    size: int
    root: bytes
    at: str
    token: str

    @classmethod
    def of(cls, token: str, claims: Mapping[str, Any]) -> "Head":
        """Return the head a token's claims speak of; ValueError when they do not."""
        if set(claims) != {"size", "root", "at"} or not isinstance(claims["at"], str):
            raise ValueError("not a tree head")
        return cls(_count(claims["size"]), _hash(claims["root"]), claims["at"], token)


def read_head(data: bytes) -> Head:
    """Return the tree head in a file: a compact JWS, or a JSON object with `tree_head`.

    The signature is not checked here. ValueError when there is none.
    """
    try:
        text = data.decode("utf-8").strip()
        if text.startswith("{"):
            text = json.loads(text)["tree_head"]
        return Head.of(text, peek_jws(text, TYP_HEAD)[1])
    except (TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise ValueError("not a tree head") from exc


def _count(value: object) -> int:
    if type(value) is int and 0 <= value <= MAX_INT:
        return value
    raise ValueError("not a count")


def _hash(value: object) -> bytes:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    raise ValueError("not a SHA-256 in hex")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("not a text")


def _indexes(value: object) -> list[int]:
    indexes = [_count(i) for i in value] if isinstance(value, list) else []
    if not indexes or any(a >= b for a, b in itertools.pairwise(indexes)):
        raise ValueError("not a rising list of indexes")
    return indexes


def _hashes(value: object) -> list[bytes]:
    if isinstance(value, list):
        return [_hash(item) for item in value]
    raise ValueError("not a list of hashes")


# ---------------------------------------------------------------- the report

_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "changed": ("mục {index} đã bị sửa", "entry {index} was changed"),
    "missing": ("thiếu mục {span}", "missing: entry {span}"),
    "out-of-place": ("mục {index} đứng sai chỗ", "entry {index} is out of place"),
    "inserted": (
        "mục {index} xuất hiện hai lần hoặc bị chèn thêm",
        "entry {index} was inserted or appears twice",
    ),
    "link": (
        "mắt xích giữa mục {index} và {last} không khớp: mục {index} đã bị viết lại",
        "the link between entries {index} and {last} is broken: entry {index} was rewritten",
    ),
    "root": (
        "có mục trong khoảng {span} bị viết lại hoặc chèn thêm: không khớp đầu cây đã ký",
        "an entry among {span} was rewritten or inserted: the signed tree head differs",
    ),
    "earlier-root": (
        "có mục trong khoảng {span} đã bị viết lại so với đầu cây giữ từ trước",
        "an entry among {span} was rewritten since the earlier tree head",
    ),
    "cut": ("sổ bị cắt đuôi từ mục {index}", "the log was cut from entry {index} on"),
    "file-cut": ("tệp bị cắt ngang tại mục {index}", "the file was cut short at entry {index}"),
    "uncovered": (
        "mục {span} không có đầu cây đã ký nào bao trùm",
        "no signed tree head covers entry {span}",
    ),
    "inclusion": (
        "bằng chứng của mục {index} không dẫn tới gốc cây",
        "the proof of entry {index} does not lead to the root",
    ),
    "receipt": (
        "hồi báo tiếp nhận không khớp mục {index}",
        "the acceptance receipt does not match entry {index}",
    ),
    "key-change": (
        "mục {index} đổi khóa nhưng chữ ký của khóa cũ hoặc khóa mới sai",
        "entry {index} changes the key, but the signature of the old or the new key is wrong",
    ),
    "unknown-key": (
        "chữ ký cạnh mục {index} là của khóa lạ, tệp không nêu khóa này",
        "a signature near entry {index} is of an unknown key, which the file does not name",
    ),
    "head": (
        "đầu cây cạnh mục {index} sai, sai chữ ký hoặc sai chỗ",
        "the tree head near entry {index} is wrong, wrongly signed or out of place",
    ),
    "damaged": ("dòng tại mục {index} bị hỏng", "the line at entry {index} is damaged"),
    "statement": (
        "xác nhận xuất ở cuối tệp sai hoặc không khớp nội dung tệp",
        "the export statement at the end is wrong, or the file is not what it states",
    ),
}
_NOTES: Final[Mapping[str, tuple[str, str]]] = {
    "restored": (
        "sổ đã phục hồi từ bản sao lưu: mục ghi sau bản sao lưu đó, nếu có, không còn trong sổ",
        "the log was restored from a backup: entries after that backup, if any, are not in it",
    ),
    "no-head": (
        "không có --head: không thể thấy nếu đuôi sổ bị cắt hoặc sổ bị viết lại bằng chính khóa đó",
        "without --head a cut tail, or a log rewritten with the same key, can't be seen",
    ),
    "no-key": (
        "không có --key: không biết ai đã ký; lấy khóa công khai qua kênh khác rồi kiểm tra lại",
        "without --key nobody knows who signed; get the public key another way and check again",
    ),
    "other-key": (
        "khóa lạ: có chữ ký của khóa không nằm trong --key",
        "unknown key: something is signed by a key that is not in --key",
    ),
    "key-break": (
        "có lần đổi khóa mà khóa cũ không ký xác nhận: kiểm tra khóa mới qua kênh khác",
        "the key was changed once without the old key's signature: check the new key another way",
    ),
    "unsigned": ("không có đầu cây nào được ký", "there is no signed tree head"),
    "partial": (
        "tệp chỉ gồm các mục của một văn bản; đủ hay thiếu là theo xác nhận của bên xuất",
        "only one document's entries; that none is left out rests on the exporter's statement",
    ),
    "not-compared": (
        "không so được với --head: xuất lại cùng tùy chọn --head",
        "cannot be compared with --head: export again with --head",
    ),
    "bad-head": (
        "--head không phải đầu cây do khóa này ký",
        "--head is no tree head signed by this key",
    ),
    "many": ("quá nhiều lỗi, đã dừng", "too many faults, stopped"),
    "unreadable": ("không phải tệp hồi báo đọc được", "not a readable receipts file"),
}
_VERDICTS: Final = {
    0: ("good", "TỐT / GOOD"),
    1: ("broken", "ĐÃ BỊ THAY ĐỔI / BROKEN"),
    2: ("unpinned", "KHỚP, CHƯA RÕ NGƯỜI KÝ / CONSISTENT, SIGNER NOT PINNED"),
    3: ("unreadable", "KHÔNG ĐỌC ĐƯỢC / UNREADABLE"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: code, index of the entry (None: the file as a whole), line, texts."""

    code: str
    index: int | None
    last: int | None
    line: int
    vi: str
    en: str


def _fault(code: str, index: int | None, last: int | None, line: int) -> Fault:
    last = index if last is None else last
    span = f"{index}" if index == last else f"{index}–{last}"
    vi, en = (t.format(index=index, last=last, span=span) for t in _FAULTS[code])
    return Fault(code, index, last, line, vi, en)


@dataclass(slots=True)
class KeyUse:
    """What one key signed in a file, and how it came to (index of the entry that named it)."""

    algorithm: str
    tree_heads: int = 0
    acceptance_receipts: int = 0
    exports: int = 0
    pinned: bool = False
    named_at: int | None = None
    vouched_by: str = ""


@dataclass(slots=True)
class Report:
    """What the check saw. `faults` come in the order of the file, at most MAX_FAULTS."""

    scope: str = ""
    document: str = ""
    gateway: str = ""
    entries: int = 0
    tree_heads: int = 0
    acceptance_receipts: int = 0
    tree_size: int = 0
    root: str = ""
    signers: set[str] = field(default_factory=set)
    keys: dict[str, KeyUse] = field(default_factory=dict)
    pinned: bool = False
    earlier_size: int | None = None
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    restored: list[dict[str, Any]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0, 1, 2 or 3 as the module says."""
        if "unreadable" in self.notes:
            return 3
        if self.faults:
            return 1
        if "bad-head" in self.notes or "not-compared" in self.notes:
            return 3
        return 0 if self.pinned else 2

    @property
    def index(self) -> int | None:
        """Return the index of the first broken entry, None when there is none."""
        return next((f.index for f in self.faults if f.index is not None), None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        facts = asdict(self)
        facts["signers"] = sorted(self.signers)
        facts["notes"] = [{"code": c, "vi": _NOTES[c][0], "en": _NOTES[c][1]} for c in self.notes]
        code = self.exit_code
        return {"verdict": _VERDICTS[code][0], "exit_code": code, "index": self.index, **facts}

    def to_text(self) -> str:
        """Return the report for people, Vietnamese first."""
        lines = [f"{_VERDICTS[self.exit_code][1]}"]
        if self.scope:
            lines.append(
                f"  mục / entries: {self.entries} · đầu cây / tree heads: {self.tree_heads} · "
                f"hồi báo tiếp nhận / acceptance receipts: {self.acceptance_receipts}"
            )
            lines.append(f"  cây / tree: {self.tree_size} · {self.root}")
            lines += [_key_line(kid, self.keys[kid]) for kid in sorted(self.keys)]
        lines += [
            f"  phục hồi ở mục / restored at entry {r['index']}: {r['backup']}, "
            f"cây / tree {r['tree_size']} · {r['root']}"
            for r in self.restored
        ]
        lines += [f"  ✗ dòng/line {f.line}: {f.vi} / {f.en}" for f in self.faults]
        lines += [f"  ! {_NOTES[c][0]} / {_NOTES[c][1]}" for c in self.notes]
        return "\n".join(lines) + "\n"


def _key_line(kid: str, use: KeyUse) -> str:
    whose = "--key" if use.pinned else "khóa lạ / unknown key"
    words = [
        f"  khóa ký / signer: {kid} {use.algorithm} ({whose})",
        f"đầu cây / tree heads: {use.tree_heads}",
        f"hồi báo / receipts: {use.acceptance_receipts}",
        f"xác nhận xuất / exports: {use.exports}",
    ]
    if use.named_at is not None:
        words.append(f"nêu ở mục / named by entry {use.named_at}")
    return " · ".join(words)


# ---------------------------------------------------------------- the check


class _EnoughError(Exception):
    """More faults than anybody reads."""


class _Check:
    """One pass over one file."""

    def __init__(self, pinned: Mapping[str, PublicKey], earlier: Head | None) -> None:
        self.report = Report(earlier_size=earlier.size if earlier else None)
        self.pinned = pinned
        self.earlier = earlier
        self.keys: dict[str, PublicKey] = {}
        self.digest = hashlib.sha256()  # of all lines before this one
        self.order: Sequence[int] = range(MAX_INT)  # the index due at each position
        self.position = 0
        self.gaps: list[range] = []  # positions jumped over, one per fault
        self.chain, self.before = GENESIS, b""  # chain hashes of the last two entries
        self.linked = True  # the last entry was sound, so its chain hash means something
        self.broken_at, self.link_fault = -2, 0  # the last broken link, and its fault
        self.tree = Frontier()
        self.head: Head | None = None
        self.consistent = False  # the earlier head was compared by its consistency proof
        self.ended = False
        self.line = 1

    def run(self, stream: BinaryIO) -> Report:
        lines = _lines(stream)
        try:
            self._open(next(lines, None))
        except ValueError:
            self.report.notes.append("unreadable")
            return self.report
        try:
            self._earlier_signer()
            self._earlier_root()
            for raw in lines:
                self.line += 1
                self._one(raw)
            self._finish()
        except _EnoughError:
            self.report.notes.append("many")
        self._conclude()
        return self.report

    def _open(self, raw: bytes | None) -> None:  # (1)
        header = read_json((raw or b"").decode("utf-8"))
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise ValueError("another format")
        self.keys = {**load_keys(_text(header.get("keys")).encode()), **self.pinned}
        self.report.scope = scope = _text(header.get("scope"))
        self.report.gateway = _text(header.get("gateway"))
        if scope == DOCUMENT_SCOPE:
            self.report.document = _text(header.get("document"))
            self.order = _indexes(header.get("indexes"))
        elif scope != LOG_SCOPE:
            raise ValueError("another scope")
        self.digest.update((raw or b"") + b"\n")

    def _one(self, raw: bytes | None) -> None:
        try:
            record = read_json((raw or b"").decode("utf-8"))  # (2)
            self._handlers["" if self.ended else record.get("type", "")](self, record)
        except (ValueError, KeyError, TypeError):
            self._fault("damaged", self._due())
        self.digest.update((raw or b"") + b"\n")

    def _fault(self, code: str, index: int | None, last: int | None = None) -> None:
        if len(self.report.faults) >= MAX_FAULTS:
            raise _EnoughError
        self.report.faults.append(_fault(code, index, last, self.line))

    def _due(self) -> int:
        """Return the index that should come next; after the last one, the last."""
        return self.order[min(self.position, len(self.order) - 1)] if self.order else 0

    def _token(self, token: object, typ: str) -> dict[str, Any]:
        kid, claims = open_jws(_text(token), typ, self.keys)
        self.report.signers.add(kid)
        use = self._use(kid)
        use.tree_heads += typ == TYP_HEAD
        use.acceptance_receipts += typ == TYP_RECEIPT
        use.exports += typ == TYP_EXPORT
        return claims

    def _use(self, kid: str) -> KeyUse:
        known = self.report.keys.get(kid)
        if known is None:
            known = KeyUse(algorithm(self.keys[kid]), pinned=kid in self.pinned)
            self.report.keys[kid] = known
        return known

    def _key_change(self, index: int, facts: Mapping[str, Any]) -> None:
        try:
            change = KeyChange.of(facts, self.keys)
        except ValueError:
            self._fault("key-change", index)
            return
        self.keys = {**load_keys(change.public.encode()), **self.keys}
        use = self._use(change.after)
        use.named_at = index
        use.vouched_by = change.before if change.vouched else ""
        if not change.vouched and "key-break" not in self.report.notes:
            self.report.notes.append("key-break")

    def _restored(self, index: int, facts: Mapping[str, Any]) -> None:
        told = {
            "index": index,
            "backup": str(facts.get("target", "")),
            "tree_size": facts.get("value", 0),
            "root": str(facts.get("sha256", "")),
        }
        if len(self.report.restored) < MAX_FAULTS:
            self.report.restored.append(told)
        if "restored" not in self.report.notes:
            self.report.notes.append("restored")

    def _entry(self, record: dict[str, Any]) -> None:
        log = self.report.scope == LOG_SCOPE
        index, body = _count(record["index"]), _text(record["body"]).encode()
        prev, chain, digest = _hash(record["prev"]), _hash(record["chain"]), entry_hash(body)
        proof = [] if log else _hashes(record["proof"])
        self.report.entries += 1
        if chain_hash(prev, index, digest) != chain:
            self._unsound(index, prev, chain, digest)
            return
        place = self._place(index)
        if place is None or place < self.position:
            moved = place is not None and any(place in gap for gap in self.gaps)
            self._fault("out-of-place" if moved else "inserted", index)
            return
        self._jump(place)
        if log:  # (3)
            self._link(index, prev)
            self.tree.add(leaf_hash(chain))
        else:  # (4)
            self._included(index, chain, proof)
        self._advance(chain, linked=True)
        self._receipt(index, body, digest, record.get("receipt"))
        self._earlier_root()

    def _place(self, index: int) -> int | None:
        if index == self._due():
            return min(self.position, len(self.order) - 1)
        try:
            return self.order.index(index)
        except ValueError:
            return None

    def _unsound(self, index: int, prev: bytes, chain: bytes, digest: bytes) -> None:
        due = self._due()
        # An entry pushed down by an insertion still carries the hash of its old place.
        log = self.report.scope == LOG_SCOPE
        pushed = log and self.linked and index == due > 0 and prev == self.before
        if pushed and chain_hash(prev, due - 1, digest) == chain:
            self._fault("inserted", due - 1)
        else:
            self._fault("changed", due)
        self._advance(chain, linked=False)

    def _jump(self, place: int) -> None:
        if place == self.position:
            return
        first, last = self.order[self.position], self.order[place - 1]
        known = self.report.faults[-1] if self.report.faults else None
        if known is None or known.code != "damaged" or known.index != first or first != last:
            self._fault("missing", first, last)
        self.gaps.append(range(self.position, place))
        self.position, self.linked = place, False

    def _link(self, index: int, prev: bytes) -> None:
        if not self.linked or prev == self.chain:
            return
        if index and self.broken_at == index - 1:
            # Broken on both sides: the entry between the two breaks is the foreign one.
            fault = self.report.faults[self.link_fault]
            self.report.faults[self.link_fault] = _fault("changed", index - 1, None, fault.line)
        else:
            self.link_fault = len(self.report.faults)
            self._fault(*(("link", index - 1, index) if index else ("changed", 0)))
        self.broken_at = index

    def _advance(self, chain: bytes, *, linked: bool) -> None:
        self.before, self.chain, self.linked = self.chain, chain, linked
        self.position += 1

    def _included(self, index: int, chain: bytes, path: list[bytes]) -> None:
        head, leaf = self.head, leaf_hash(chain)
        if head is None or not verify_inclusion(leaf, index, head.size, path, head.root):
            self._fault("inclusion", index)

    def _receipt(self, index: int, body: bytes, digest: bytes, token: object) -> None:
        try:
            facts = read_json(body.decode("utf-8"))
        except ValueError:
            self._fault("changed", index)
            return
        if facts.get("kind") == KEY_CHANGED:
            self._key_change(index, facts)
        if facts.get("kind") == RESTORED:
            self._restored(index, facts)
        if token is None:
            return
        self.report.acceptance_receipts += 1
        try:
            claims = self._token(token, TYP_RECEIPT)
        except UnknownSignerError:
            self._fault("unknown-key", index)
            return
        except ValueError:
            claims = {}
        # Accepted before a number was given: neither has a document_id yet.
        same = all(claims.get(k, "") == facts.get(k, "") for k in ("entry_id", "document_id"))
        if not same or claims.get("entry_hash") != digest.hex():
            self._fault("receipt", index)

    def _head(self, record: dict[str, Any]) -> None:
        self.report.tree_heads += 1
        due = max(self.position - 1, 0) if self.report.scope == LOG_SCOPE else None
        try:
            head = Head.of(_text(record["jws"]), self._token(record["jws"], TYP_HEAD))
        except UnknownSignerError:
            self._fault("unknown-key", due or 0)
            return
        except ValueError:
            self._fault("head", due)
            return
        if self.report.scope == DOCUMENT_SCOPE:
            if self.head is not None or self.position:
                self._fault("head", None)
            self.head = head
            return
        if head.size > self.position:
            self._jump(head.size)
        elif not self.report.faults and (
            head.size < self.position or head.root != self.tree.root()
        ):
            # No link is broken, so the hashes were all computed anew: only what is signed, size
            # and root, knows better, and only since the head before.
            covered = self.head.size if self.head else 0
            self._fault("root", min(covered, due or 0), due)
        self.head = head

    def _consistency(self, record: dict[str, Any]) -> None:
        path, first = _hashes(record["path"]), _count(record["first"])
        head, earlier = self.head, self.earlier
        if head is None or self.report.scope != DOCUMENT_SCOPE or self.consistent:
            raise ValueError("out of place")
        if earlier is None or earlier.size != first:
            return
        self.consistent = True
        if not verify_consistency(first, head.size, earlier.root, head.root, path):
            self._fault("earlier-root", 0, max(first - 1, 0))

    def _end(self, record: dict[str, Any]) -> None:  # (5)
        token, self.ended = record["statement"], True
        report, log = self.report, self.report.scope == LOG_SCOPE
        try:
            claims = self._token(token, TYP_EXPORT)
            written = {k: _count(claims.get(k)) for k in ("entries", "tree_heads", "tree_size")}
        except ValueError:
            self._fault("statement", None)
            return
        self._complete()
        if log and written["entries"] > report.entries and not report.faults:
            due = self._due()
            self._fault("missing", due, due + written["entries"] - report.entries - 1)
        counted = {
            "sha256": self.digest.hexdigest(),
            "entries": report.entries,
            "tree_heads": report.tree_heads,
            "acceptance_receipts": report.acceptance_receipts,
            "tree_size": self.head.size if self.head else 0,
        }
        if not report.faults and any(claims.get(k) != v for k, v in counted.items()):
            self._fault("statement", None)

    _handlers: Final[Mapping[str, Callable[["_Check", dict[str, Any]], None]]] = {
        "entry": _entry,
        "head": _head,
        "consistency": _consistency,
        "end": _end,
    }

    def _complete(self) -> None:
        """Name what is still due where the entries end."""
        covered = self.head.size if self.head else 0
        if self.report.scope == DOCUMENT_SCOPE:
            if self.position < len(self.order):
                self._jump(len(self.order))
        elif covered < self.position and not self.report.faults:
            self._fault("uncovered", covered, self.position - 1)

    def _finish(self) -> None:
        log = self.report.scope == LOG_SCOPE
        if not self.ended:
            self._fault("file-cut", self._due())
            self._complete()
        covered = self.head.size if self.head else 0
        size = self.position if log else covered
        if self.earlier is None:
            return
        if self.earlier.size > size:
            self._fault("cut", size, self.earlier.size - 1)
        elif not log and self.head is not None and not self.consistent:
            if self.earlier.size != size:
                self.report.notes.append("not-compared")
            elif self.earlier.root != self.head.root:
                self._fault("earlier-root", 0, max(size - 1, 0))

    def _earlier_signer(self) -> None:
        if self.earlier is None:
            return
        try:
            self._token(self.earlier.token, TYP_HEAD)
        except UnknownSignerError:  # the root is compared all the same; the signer stays open
            self.report.signers.add(peek_jws(self.earlier.token, TYP_HEAD)[0])
        except ValueError:
            self.report.notes.append("bad-head")
            self.earlier = None

    def _earlier_root(self) -> None:
        earlier = self.earlier
        if self.report.scope != LOG_SCOPE or earlier is None or earlier.size != self.tree.size:
            return
        if not self.report.faults and earlier.root != self.tree.root():
            self._fault("earlier-root", 0, max(earlier.size - 1, 0))

    def _conclude(self) -> None:
        report = self.report
        log = report.scope == LOG_SCOPE
        report.tree_size = self.head.size if self.head else 0
        report.root = self.head.root.hex() if self.head else ""
        report.pinned = bool(self.head) and bool(self.pinned) and report.signers <= set(self.pinned)
        notes = {
            "partial": not log,
            "no-head": report.earlier_size is None,
            "no-key": not self.pinned,
            "unsigned": self.head is None,
            "other-key": bool(self.pinned) and not report.signers <= set(self.pinned),
        }
        report.notes += [code for code, said in notes.items() if said]


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line without its end; None for one that is too long or has no end."""
    while line := stream.readline(MAX_LINE):
        yield line[:-1] if line.endswith(b"\n") else None
        while line and not line.endswith(b"\n"):  # the rest of a line too long, unread till now
            line = stream.readline(MAX_LINE)


def verify(
    stream: BinaryIO,
    keys: Mapping[str, PublicKey] | None = None,
    head: Head | None = None,
) -> Report:
    """Check one exported file in one pass; raises only what reading the stream raises.

    Args:
        stream: The file, opened for bytes.
        keys: Keys the caller trusts, as `load_keys` gives them; empty: the signer stays open.
        head: A tree head got earlier, as `read_head` gives it.
    """
    return _Check(keys or {}, head).run(stream)


def unreadable(*notes: str) -> Report:
    """Return the report of a file that could not be read at all."""
    return Report(notes=["unreadable", *notes])


# ---------------------------------------------------------------- command line


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")  # argparse's own 2 is a verdict here


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _Parser(prog="proof.py", description="Kiểm tra hồi báo / verify exported receipts")
    parser.add_argument("file", type=Path, help="tệp đã xuất / the exported file")
    parser.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        help="khóa công khai PEM, nhiều lần được / public keys of the gateway; may be repeated",
    )
    parser.add_argument("--head", type=Path, help="đầu cây giữ từ trước / a tree head got earlier")
    parser.add_argument("--json", action="store_true", help="in JSON / print JSON")
    args = parser.parse_args(argv)
    try:
        keys = {kid: key for path in args.key for kid, key in load_keys(_small(path)).items()}
    except (OSError, ValueError) as exc:
        parser.error(f"--key: {exc}")
    report = verify_file(args.file, keys, args.head)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    text = json.dumps(report.to_json(), ensure_ascii=False) if args.json else report.to_text()
    sys.stdout.write(text.rstrip("\n") + "\n")
    return report.exit_code


def _small(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(MAX_LINE)


def verify_file(path: Path, keys: Mapping[str, PublicKey], head_path: Path | None) -> Report:
    """Check the file at `path` against the head at `head_path`; never raises for their content."""
    try:
        head = read_head(_small(head_path)) if head_path else None
    except (OSError, ValueError):
        return unreadable("bad-head")
    try:
        with path.open("rb") as stream:
            return verify(stream, keys, head)
    except OSError:
        return unreadable()


if __name__ == "__main__":
    sys.exit(main())
