"""Keys of callers and the key that protects them: made, hashed, sealed, read. A pure leaf.

Promises: an API key is never stored, only its SHA-256; a shared HMAC secret is stored only sealed
(AES-256-GCM) under the key file, bound to the system and credential it belongs to, so that a row
copied to another system does not open. `create_key_file` never overwrites and is durable when it
returns; a crash before that leaves at most a file that `read_key_file` refuses by name.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import ConfigurationError, IntegrityError

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SEAL_VERSION: Final = b"\x01"
_API_KEY: Final = re.compile(r"vl_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A fresh API key. `text` is shown once and never kept.

    Args:
        key_id: 16 characters, public: names the key in lists and logs.
        text: `vl_<key id>_<43 characters>`.
        sha256: What is stored: hex SHA-256 of `text`.
    """

    key_id: str
    text: str = field(repr=False)
    sha256: str


def new_api_key() -> NewApiKey:
    """Make an API key with 256 random bits."""
    key_id = base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()
    text = f"vl_{key_id}_{secrets.token_urlsafe(KEY_BYTES)}"
    return NewApiKey(key_id, text, hash_api_key(text))


def new_credential_id() -> str:
    """Return a fresh public name for a credential: 16 characters."""
    return base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()


def api_key_id(text: str) -> str | None:
    """Return the key id inside a well-formed API key, None for anything else."""
    match = _API_KEY.fullmatch(text)
    return match.group(1) if match else None


def hash_api_key(text: str) -> str:
    """Return what is stored of an API key: hex SHA-256.

    A slow, salted hash protects secrets that people choose, because those can be guessed. These
    keys are 256 random bits: a thief of the table would have to try 2**255 of them, with any hash.
    So the quick one is right, and it keeps each request cheap.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def api_key_matches(text: str, sha256: str) -> bool:
    """Tell whether `text` is the key behind a stored hash, in constant time."""
    return hmac.compare_digest(hash_api_key(text).encode(), sha256.encode())


def new_shared_secret() -> str:
    """Return a fresh HMAC secret: 43 printable ASCII characters, 256 random bits.

    The axis protocol uses the text itself (its UTF-8 bytes) as the HMAC key.
    """
    return secrets.token_urlsafe(KEY_BYTES)


# ---------------------------------------------------------------- sealing


def seal_secret(key: bytes, secret: bytes, *, system_id: str, credential_id: str) -> bytes:
    """Encrypt a shared secret for the ledger.

    Args:
        key: 32 bytes from the key file.
        secret: The plain secret.
        system_id: System it belongs to; part of the associated data.
        credential_id: Credential it belongs to; part of the associated data.

    Returns:
        Version byte, 12-byte nonce, ciphertext with tag.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    bound = _associated(system_id, credential_id)
    return _SEAL_VERSION + nonce + AESGCM(key).encrypt(nonce, secret, bound)


def open_secret(key: bytes, sealed: bytes, *, system_id: str, credential_id: str) -> bytes:
    """Decrypt a shared secret of the ledger.

    Raises:
        IntegrityError: The key file is another one, or the row was changed or moved.
    """
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    closed = IntegrityError(
        f"the shared secret {credential_id} of system {system_id} does not open: "
        "another key file is in use, or the row was changed"
    )
    if sealed[:1] != _SEAL_VERSION:
        raise closed
    try:
        return AESGCM(key).decrypt(nonce, body, _associated(system_id, credential_id))
    except (InvalidTag, ValueError) as exc:
        raise closed from exc


def open_with(keys: Iterable[bytes], sealed: bytes, *, system_id: str, credential_id: str) -> bytes:
    """Decrypt under the first of several keys that opens it: a key change has an overlap.

    Raises:
        IntegrityError: None does.
    """
    failure = IntegrityError("there is no key for shared secrets")
    for key in keys:
        try:
            return open_secret(key, sealed, system_id=system_id, credential_id=credential_id)
        except IntegrityError as exc:
            failure = exc
    raise failure


def _associated(system_id: str, credential_id: str) -> bytes:
    if "\0" in system_id or "\0" in credential_id:  # the separator must stay one
        raise ValueError("an identifier contains NUL")
    return f"vanlien shared secret 1\0{system_id}\0{credential_id}".encode()


# ---------------------------------------------------------------- the key file


def create_key_file(path: Path) -> bytes:
    """Write a fresh 32-byte key as base64 (mode 0600), durable on return; return the key.

    Raises:
        FileExistsError: There is something at `path`; it is left alone.
    """
    key = secrets.token_bytes(KEY_BYTES)
    write_private(path, base64.b64encode(key) + b"\n")
    return key


def write_private(path: Path, data: bytes) -> None:
    """Create a file only its owner may read (0600), fsynced with its folder; never overwrite.

    Raises:
        FileExistsError: There is something at `path`; it is left alone.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_key_file(path: Path) -> bytes:
    """Return the 32 bytes of a key file.

    Raises:
        ConfigurationError: Missing, readable by everyone, or not 32 bytes in base64.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
            raise ConfigurationError(f"the key file {path} is readable by everyone: chmod 600")
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except OSError as exc:
        raise ConfigurationError(f"cannot read the key file {path}: {exc.strerror}") from exc
    except binascii.Error as exc:
        raise ConfigurationError(f"the key file {path} is not base64") from exc
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"the key file {path} holds {len(key)} bytes, not {KEY_BYTES}")
    return key


def next_key_file(path: Path) -> Path:
    """Return where the key stands that is about to follow the one at `path`."""
    return path.with_name(path.name + ".next")


def earlier_key_file(path: Path) -> Path:
    """Return where the key stands that was replaced last."""
    return path.with_name(path.name + ".before")


def read_key_files(path: Path) -> tuple[bytes, ...]:
    """Return the keys that may open a secret: the present one, the next, the one before.

    Raises:
        ConfigurationError: The present one cannot be read; the others are there or not.
    """
    others = (next_key_file(path), earlier_key_file(path))
    return tuple(read_key_file(key) for key in (path, *(o for o in others if o.exists())))


def follow_key_file(path: Path) -> None:
    """Put the next key in the place of the present one, which stays beside it; durable.

    Safe to repeat: each step leaves every key readable under one of the three names.
    """
    before, part = earlier_key_file(path), path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.hardlink_to(path)
    part.replace(before)
    next_key_file(path).replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_secret_file(path: Path) -> str:
    """Return a secret kept as one line of text (a peer's HMAC secret), without its line end.

    Raises:
        ConfigurationError: Missing, readable by everyone, empty, not UTF-8 or several lines.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
            raise ConfigurationError(f"the secret file {path} is readable by everyone: chmod 600")
        text = path.read_bytes().decode("utf-8-sig").rstrip("\r\n")
    except OSError as exc:
        raise ConfigurationError(f"cannot read the secret file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"the secret file {path} is not UTF-8 text") from exc
    if not text or "\n" in text:
        raise ConfigurationError(f"the secret file {path} must hold exactly one line")
    return text
