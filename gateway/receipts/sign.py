"""The gateway's own signature: acceptance receipts, tree heads, export statements.

The key signs what the gateway says happened; it never signs an agency's document (SIG-03). Tokens
are compact JWS with header `{alg, kid, typ}` and canonical JSON claims: the same facts under the
same Ed25519 key give the same bytes (a P-256 key in a token does not: the receipt handed out is the
one that was committed). `kid` is the RFC 7638 thumbprint. `generate` writes the key beside its name
and links it there only when it is complete and durable; a crash leaves at most a `.part` file.
"""

import os
import stat
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.errors import ConfigurationError
from gateway.receipts.log import Value, check_local_time, check_value
from gateway.receipts.proof import (
    TYP_EXPORT,
    TYP_HEAD,
    TYP_KEY,
    TYP_RECEIPT,
    Head,
    PublicKey,
    algorithm,
    compact,
    open_jws,
    thumbprint,
)


class RawSigner(Protocol):
    """Signs bytes: an Ed25519 key in memory, or a key in a token."""

    def public_key(self) -> PublicKey:
        """Return the public half."""
        ...

    def sign(self, data: bytes, /) -> bytes:
        """Return the 64 bytes JWS wants (Ed25519; for P-256: r and s).

        Raises:
            UnavailableError: The token does not answer now.
        """
        ...


class Signer(Protocol):
    """What signs for the gateway; which key it is may change from one call to the next."""

    def sign(self, typ: str, claims: Mapping[str, Value]) -> str:
        """Return a compact JWS; UnavailableError when the key cannot be used now."""
        ...


class ReceiptKey:
    """The private receipt key, ready to sign; safe to share between threads."""

    def __init__(self, private: RawSigner) -> None:
        self.private = private
        self.public: PublicKey = private.public_key()
        self.kid = thumbprint(self.public)
        self._alg = algorithm(self.public)
        self._headers: dict[str, bytes] = {}

    def sign(self, typ: str, claims: Mapping[str, Value]) -> str:
        """Return a compact JWS (RFC 7515 section 7.1) of the claims' canonical JSON.

        One is made for every accepted document, inside the ledger's writer: by hand it costs a
        third of what a library takes. The tests let joserfc verify each kind.
        """
        header = self._headers.get(typ)
        if header is None:
            text = compact({"alg": self._alg, "kid": self.kid, "typ": typ})
            header = self._headers[typ] = _base64url(text.encode("utf-8"))
        signed = header + b"." + _base64url(compact(claims).encode("utf-8"))
        return (signed + b"." + _base64url(self.private.sign(signed))).decode("ascii")


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


# ---------------------------------------------------------------- key files


def generate(path: Path) -> ReceiptKey:
    """Write a new private key (PEM PKCS#8, mode 0600) to `path` and return it.

    Raises:
        ConfigurationError: The file exists, or cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    part = path.with_name(path.name + ".part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(_private_pem(private))
            out.flush()
            os.fsync(out.fileno())
        # A link fails where a name is taken: an existing key is never overwritten.
        path.hardlink_to(part)
        part.unlink()
        _sync_folder(path.parent)
    except OSError as exc:
        raise ConfigurationError(f"receipt key {path}: cannot be created ({exc.strerror})") from exc
    return ReceiptKey(private)


def load_private(path: Path) -> ReceiptKey:
    """Return the key in a PEM PKCS#8 file only its owner can read.

    Raises:
        ConfigurationError: Absent, readable by others, or not an Ed25519 private key.
    """
    try:
        with path.open("rb") as source:
            mode = stat.S_IMODE(os.fstat(source.fileno()).st_mode)
            pem = source.read(1 << 16)
    except OSError as exc:
        raise ConfigurationError(f"receipt key {path}: {exc.strerror}") from exc
    if mode & 0o077:
        raise ConfigurationError(
            f"receipt key {path}: mode {mode:04o} lets others read it; run chmod 600"
        )
    try:
        private = load_pem_private_key(pem, password=None)
    except Exception as exc:  # the library raises four unrelated kinds for bad PEM
        raise ConfigurationError(f"receipt key {path}: not a PEM PKCS#8 private key") from exc
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigurationError(f"receipt key {path}: not an Ed25519 key")
    return ReceiptKey(private)


def public_pem(key: ReceiptKey) -> str:
    """Return the public key as PEM SubjectPublicKeyInfo, what `verify --key` wants."""
    pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")


def _private_pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True, slots=True)
class FileHash:
    """An attachment as accepted: SHA-256 hex of the unwrapped bytes, and their size."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the gateway confirms with its 202 (xác nhận tiếp nhận).

    Args:
        gateway: Name of this gateway.
        consignment_id: Its id here.
        document_id: Identifier on the wire; "" while verification is pending.
        sender: Canonical code of the sender.
        recipients: Canonical codes, in the order accepted.
        packet_sha256: Hex, of the bytes as received.
        content_sha256: Hex, the content digest (repeats compare it).
        attachments: Hashes of the unwrapped files, main document first.
        accepted_at: ISO 8601 `+07:00`.
        entry_id: The log entry `accepted`.
        entry_hash: Hex hash of that entry's body: ties the receipt to the log.
    """

    gateway: str
    consignment_id: str
    document_id: str
    sender: str
    recipients: Sequence[str]
    packet_sha256: str
    content_sha256: str
    attachments: Sequence[FileHash]
    accepted_at: str
    entry_id: str
    entry_hash: str


def acceptance_receipt(key: Signer, claims: Acceptance) -> str:
    """Return the signed acceptance receipt; ValueError when a claim has no canonical form."""
    check_local_time(claims.accepted_at)
    # Written out: dataclasses.asdict copies deeply, and this is the hot path of every acceptance.
    facts: dict[str, Value] = {
        "gateway": claims.gateway,
        "consignment_id": claims.consignment_id,
        "document_id": claims.document_id,
        "sender": claims.sender,
        "recipients": list(claims.recipients),
        "packet_sha256": claims.packet_sha256,
        "content_sha256": claims.content_sha256,
        "attachments": [
            {"sha256": a.sha256, "size_bytes": a.size_bytes} for a in claims.attachments
        ],
        "accepted_at": claims.accepted_at,
        "entry_id": claims.entry_id,
        "entry_hash": claims.entry_hash,
    }
    check_value(facts)
    return key.sign(TYP_RECEIPT, facts)


def tree_head(key: Signer, size: int, root_hex: str, at: str) -> str:
    """Return the signed tree head of the first `size` entries.

    Args:
        key: Signs.
        size: Number of entries covered.
        root_hex: Merkle root at that size, lower-case hex.
        at: Time of signing, ISO 8601 `+07:00`.
    """
    claims: dict[str, Value] = {"size": size, "root": root_hex, "at": check_local_time(at)}
    check_value(claims)
    Head.of("", claims)
    return key.sign(TYP_HEAD, claims)


def export_statement(key: Signer, claims: Mapping[str, Value]) -> str:
    """Return the signed last line of an export; `gateway.receipts.bundle` makes the claims."""
    check_value(claims)
    return key.sign(TYP_EXPORT, claims)


def key_change(before: ReceiptKey | None, after: ReceiptKey, kid: str, at: str) -> dict[str, str]:
    """Return the facts of a `key_changed` entry: the hand-over, signed by both keys.

    Args:
        before: The key that signed until now; None when it is lost, which the log then shows.
        after: The key that signs from `at` on.
        kid: Of the key before.
        at: ISO 8601 `+07:00`.
    """
    claims = {"key_before": kid, "key": after.kid, "from_time": check_local_time(at)}
    facts = {**claims, "public_key": public_pem(after), "signed": after.sign(TYP_KEY, claims)}
    if before is not None:
        facts["signed_before"] = before.sign(TYP_KEY, claims)
    return facts


def verify_acceptance(token: str, public: PublicKey) -> dict[str, Any]:
    """Return the claims of an acceptance receipt; ValueError unless `public` signed it."""
    return open_jws(token, TYP_RECEIPT, {thumbprint(public): public})[1]


def verify_tree_head(token: str, public: PublicKey) -> Head:
    """Return the tree head; ValueError unless `public` signed it."""
    return Head.of(token, open_jws(token, TYP_HEAD, {thumbprint(public): public})[1])
