"""Secrets of persons: the second factor sealed, recovery codes hashed, devices remembered by a MAC.

Nothing is kept here. What is sealed is bound to its account: a row copied to another does not open.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from gateway.domain import totp
from gateway.secrets import open_with, seal_secret

Keys = Callable[[], Sequence[bytes]]
CODES: Final = 10
_DEVICE: Final = b"vanlien device v1\0"
_TOTP: Final = "totp"


def sealed_owner(account_id: str) -> str:
    """Return the owner a second factor is sealed for."""
    return f"account:{account_id}"


def new_factor(keys: Keys, account_id: str, session_id: str) -> str:
    """Return a fresh second factor, sealed as the ledger keeps it, with whom it was shown to."""
    told = secrets.token_bytes(totp.SECRET_BYTES) + _shown_to(session_id)
    sealed = seal_secret(keys()[0], told, system_id=sealed_owner(account_id), credential_id=_TOTP)
    return base64.b64encode(sealed).decode()


def factor(keys: Keys, account_id: str, kept: str) -> bytes:
    """Return the secret of a second factor; IntegrityError when no key opens it."""
    return _opened(keys, account_id, kept)[: totp.SECRET_BYTES]


def factor_shown_to(keys: Keys, account_id: str, kept: str, session_id: str) -> bytes | None:
    """Return the secret of a factor that is being set up, None when another session was shown it.

    Who knew a password for a moment, and looked at the secret, must not share the factor that its
    owner sets up later.
    """
    told = _opened(keys, account_id, kept)
    known = hmac.compare_digest(told[totp.SECRET_BYTES :], _shown_to(session_id))
    return told[: totp.SECRET_BYTES] if known else None


def _opened(keys: Keys, account_id: str, kept: str) -> bytes:
    sealed = base64.b64decode(kept)
    return open_with(keys(), sealed, system_id=sealed_owner(account_id), credential_id=_TOTP)


def _shown_to(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()[:16]


def new_codes() -> tuple[str, ...]:
    """Return fresh recovery codes of 80 bits: `abcd-efgh-ijkl-mnop`."""
    made = (base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(CODES))
    return tuple("-".join(code[i : i + 4] for i in range(0, 16, 4)) for code in made)


def code_kept(account_id: str, code: str) -> str:
    """Return what is stored of a recovery code: 80 random bits, so a quick hash is right."""
    bare = "".join(c for c in code.casefold() if c.isalnum())
    return hashlib.sha256(f"{account_id}\0{bare}".encode("utf-8", "surrogatepass")).hexdigest()


# ---------------------------------------------------------------- devices


def new_device(keys: Keys, account_id: str) -> str:
    """Return what a browser keeps that was signed in to an account."""
    name = secrets.token_hex(8)
    return f"{name}.{_device_mac(keys()[0], account_id, name)}"


def known_device(keys: Keys, account_id: str, device: str) -> str:
    """Return the name of a browser that was signed in to this account, "" for another."""
    name, _, mac = device.partition(".")
    if not (name.isascii() and mac.isascii()):
        return ""
    good = [hmac.compare_digest(_device_mac(key, account_id, name), mac) for key in keys()]
    return f"device:{name}" if any(good) else ""


def _device_mac(key: bytes, account_id: str, name: str) -> str:
    text = _DEVICE + f"{account_id}\0{name}".encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]
