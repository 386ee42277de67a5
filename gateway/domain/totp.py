"""Codes of a second factor: RFC 6238 with SHA-1, six digits, a step every 30 seconds.

What every authenticator application speaks. A code counts one step early and one late, for clocks
that differ; a step that was used, and every one before it, never counts again: who reads a code
over somebody's shoulder comes too late. Pure.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import quote

SECRET_BYTES: Final = 20
STEP_S: Final = 30
DIGITS: Final = 6
_AROUND: Final = (0, -1, 1)


def step_of(at: datetime) -> int:
    """Return the time step of an aware instant."""
    return int(at.timestamp()) // STEP_S


def code_of(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """Return the code of a step (RFC 4226 section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def matched(secret: bytes, code: str, at: datetime, *, used: int) -> int | None:
    """Return the step a code belongs to, None when it is wrong, too old, or was used.

    Args:
        secret: The shared secret.
        code: As typed; blanks do not count.
        at: Aware instant.
        used: The last step that opened; 0 when none did.
    """
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    now = step_of(at)
    # All three are compared, in the same time, whichever it is.
    good = [
        now + around
        for around in _AROUND
        if hmac.compare_digest(code_of(secret, now + around), typed)
    ]
    return next((step for step in good if step > used), None)


def base32(secret: bytes) -> str:
    """Return a secret as it is typed into an application."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, *, issuer: str, login: str) -> str:
    """Return the address behind the picture that applications read."""
    # In the path a colon parts issuer and account: one inside either would be misread.
    who = f"{quote(issuer.replace(':', ' '), safe='')}:{quote(login.replace(':', ' '), safe='')}"
    named = quote(issuer.replace(":", " "), safe="")
    return (
        f"otpauth://totp/{who}?secret={base32(secret)}&issuer={named}"
        f"&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
    )
