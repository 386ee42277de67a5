"""The national axis protocol (VXP, "XrdAdapter") as pure functions: headers, signatures, hashes.

Promises: nothing here opens a socket, reads a clock or logs; a call's parameters are only those of
the signed JSON; comparing secrets takes the same time whatever is wrong; what does not verify is
refused with a reason, never guessed. A crash leaves nothing behind.

Our reading of what the specification leaves open (spec/edxml.md 7.2, 7.4, 11.5):

* The signature covers the text of `XroadVnpt-sign-header` and nothing else: not the path, not the
  method, not the body. So the plain `XroadVnpt-<name>` headers and the key list are never read:
  they are copies, and old clients leave copies of earlier calls in them.
* Old clients cut every character of a header to its low byte while they sign the UTF-8 text. When
  the bytes as they came do not verify, the letters that could have stood there are tried in order
  of likelihood, at most `MAX_GUESSES`, fewer of a long text, because anybody may send one that
  never verifies; only a text that verifies is believed. `đ` becomes a control
  character on that wire and no HTTP server lets it through: such a call stays refused.
* Freshness is not demanded (old clients repeat their first timestamp); who wants it, compares
  `Signed.at`.
"""

import hashlib
import hmac
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from adapters.shared import dates, values
from gateway.domain.moments import VIETNAM
from gateway.errors import Reason, RejectedError

BASE: Final = "/XrdAdapter/adapter"
PREFIX: Final = "XroadVnpt-"
SDK_VERSION: Final = "3.0.201608"
USER_AGENT: Final = "JAVASDKAgent/1.0.0 XRoad/VPCP"
SERVICE_TYPE: Final = "eDoc"
JSON_TYPE: Final = "application/json"
BINARY_TYPE: Final = "application/octet-stream"
CRLF: Final = b"\r\n"
MAX_SIGN_HEADER_BYTES: Final = 16 * 1024
MAX_GUESSES: Final = 1024
MAX_GUESSED_BYTES: Final = 1024 * 1024

HashForm = Literal["unpadded", "padded"]

# Order in which the Java kit writes its parameters (a HashMap's); copied to be safe.
_ORDER: Final = (
    "fromDate",
    "systemid",
    "servicetype",
    "messagetype",
    "hash-file",
    "docId",
    "level",
    "AgencyCode",
    "filePath",
    "description",
    "from",
    "to",
    "toDate",
    "timestamp",
    "Content-Type",
    "status",
)
_RANK: Final = {name: position for position, name in enumerate(_ORDER)}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_TIMESTAMP: Final = re.compile(r"(\d{2})(\d{2})(\d{4})T(\d{2})(\d{2})(\d{2})\+(\d{4})")


# ---------------------------------------------------------------- times


def timestamp(at: datetime) -> str:
    """Return `ddMMyyyy'T'HHmmss+SSSS`, local +07:00; `+SSSS` is milliseconds, not a zone."""
    local = at.astimezone(VIETNAM)
    return f"{local:%d%m%Y}T{local:%H%M%S}+{local.microsecond // 1000:04d}"


def read_timestamp(text: str) -> datetime | None:
    """Return the aware instant of a header timestamp, None when it is not one."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, millis = (int(part) for part in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, min(millis, 999) * 1000, VIETNAM)
    except ValueError:
        return None


date_text = dates.date_text
read_date = dates.read_date
ascii_only = values.ascii_only


# ---------------------------------------------------------------- sending: headers


def compact(value: object) -> str:
    """Return JSON as the Java kit writes it: no blanks, `<>&'` as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def hmac_hex(secret: bytes, message: bytes) -> str:
    """Return the lower-case hex HMAC-SHA256."""
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def signed_headers(
    system_id: str,
    secret: bytes,
    at: datetime,
    parameters: Mapping[str, str],
    content_type: str = JSON_TYPE,
) -> list[tuple[str, str]]:
    """Return the headers of one call, in the order of the Java kit.

    Args:
        system_id: Id given at registration.
        secret: Shared secret.
        at: Aware time of the call; make fresh headers for each one.
        parameters: Without prefix, `{"docId": "…"}`.
        content_type: Of the body.

    Raises:
        ValueError: A name or value that may not stand in a header (control or non-ASCII).
    """
    every = {
        **parameters,
        "systemid": system_id,
        "timestamp": timestamp(at),
        "Content-Type": content_type,
    }
    for name, value in every.items():
        if not _NAME.fullmatch(name) or not _PRINTABLE.fullmatch(value):
            raise ValueError(f"parameter {name!r} is not printable ASCII")
    ordered = sorted(every.items(), key=lambda item: _RANK.get(item[0], _RANK["timestamp"] - 1))
    signed = compact({PREFIX + name: value for name, value in ordered})
    return [
        ("Content-Type", content_type),
        *((PREFIX + name, value) for name, value in ordered),
        (PREFIX + "sign-header-key", ";".join(name for name, _ in ordered)),
        (PREFIX + "sign-header", signed),
        (PREFIX + "hash-header", hmac_hex(secret, signed.encode())),
        ("User-Agent", USER_AGENT),
        (PREFIX + "version", SDK_VERSION),
    ]


# ---------------------------------------------------------------- receiving: headers


@dataclass(frozen=True, slots=True)
class Signed:
    """A call whose signature was verified.

    Args:
        system_id: Who called.
        parameters: By lower-case name without prefix; only what was signed.
        at: Time the caller wrote, aware; None when unreadable.
        recovered: True when letters cut by an old client were found again.
    """

    system_id: str
    parameters: Mapping[str, str]
    at: datetime | None
    recovered: bool = False

    def get(self, name: str) -> str:
        """Return a signed parameter (either spelling, `docId` or `docid`), "" when absent."""
        return self.parameters.get(name.lower(), "").strip()


def verify(
    raw_headers: Iterable[tuple[bytes, bytes]],
    secrets_of: Callable[[str], Sequence[bytes]],
) -> Signed:
    """Verify a call's signature and return what was signed.

    Args:
        raw_headers: As they came; names in any case.
        secrets_of: Valid secrets of a system id; empty when unknown or disabled.

    Raises:
        RejectedError: UNAUTHENTICATED when it does not verify; BAD_REQUEST when what was signed
            contradicts itself.
    """
    text, declared = _signature_of(raw_headers)
    system_id = _system_id(text)
    known = tuple(secrets_of(system_id))
    if _matches(text, declared, known or (b"unknown system",)) and known:
        return _signed(_json_object(text), recovered=False)
    if known and not text.isascii():
        for guess in _guesses(text):
            if _matches(guess.encode(), declared, known):
                signed = _signed(_json_object(guess.encode()), recovered=True)
                if signed.system_id == system_id:  # the secret was this system's, no other's
                    return signed
    raise RejectedError(
        Reason.UNAUTHENTICATED,
        "system id unknown or signature wrong: check systemid, secret and XroadVnpt-hash-header",
    )


def _signature_of(raw_headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, str]:
    """Return the signed text and the declared HMAC; each must be there once."""
    wanted = {b"xroadvnpt-sign-header": set[bytes](), b"xroadvnpt-hash-header": set[bytes]()}
    for name, value in raw_headers:
        if (values := wanted.get(name.lower())) is not None:
            values.add(value.strip())
    texts, hashes = wanted.values()
    if len(texts) != 1 or len(hashes) != 1:
        raise RejectedError(
            Reason.UNAUTHENTICATED,
            "the call is not signed: XroadVnpt-sign-header and XroadVnpt-hash-header are needed, "
            "once each",
        )
    text = texts.pop()
    if len(text) > MAX_SIGN_HEADER_BYTES:
        raise RejectedError(Reason.UNAUTHENTICATED, "XroadVnpt-sign-header is too long")
    return text, hashes.pop().decode("latin-1").lower()


def _matches(message: bytes, declared: str, secrets: Sequence[bytes]) -> bool:
    """Compare with every valid secret, without stopping at the first."""
    found = [hmac.compare_digest(hmac_hex(s, message).encode(), declared.encode()) for s in secrets]
    return any(found)


def _system_id(text: bytes) -> str:
    """Return the system id the signed text names; nothing is believed yet."""
    for name, value in _json_object(text):
        if name.lower() == "xroadvnpt-systemid" and isinstance(value, str) and value.isprintable():
            return value
    raise RejectedError(Reason.UNAUTHENTICATED, "the signed JSON names no XroadVnpt-systemid")


def _json_object(text: bytes) -> list[tuple[str, object]]:
    """Return the members of the signed JSON object in order."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    try:
        pairs = json.loads(decoded, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as exc:
        raise RejectedError(
            Reason.UNAUTHENTICATED, "XroadVnpt-sign-header is not a JSON object"
        ) from exc
    if not isinstance(pairs, _Pairs):
        raise RejectedError(Reason.UNAUTHENTICATED, "XroadVnpt-sign-header is not a JSON object")
    return pairs


class _Pairs(list[tuple[str, object]]):
    """Members of a JSON object, repeats kept, so that a repeat can be refused."""


def _signed(pairs: Sequence[tuple[str, object]], *, recovered: bool) -> Signed:
    """Return the verified parameters; names are compared without regard to case."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if not name.lower().startswith(PREFIX.lower()):
            continue
        key = name[len(PREFIX) :].lower()
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RejectedError(Reason.BAD_REQUEST, f"signed parameter {key} is not a text")
        text = str(value)
        if key == "description":
            text = "".join(c if c.isprintable() else " " for c in text)
        elif not text.isprintable():  # line breaks, NUL, half surrogates: no code or date has them
            raise RejectedError(Reason.BAD_REQUEST, f"signed parameter {key} is not printable")
        if parameters.setdefault(key, text) != text:
            raise RejectedError(
                Reason.BAD_REQUEST, f"signed parameter {key} stands twice with two values"
            )
    at = read_timestamp(parameters.get("timestamp", ""))
    return Signed(parameters["systemid"], parameters, at, recovered)


# Vietnamese letters by the low byte an old client leaves of them; small letters are likelier.
_CUT: Final[dict[int, tuple[str, ...]]] = {}
for _letter in (
    "àáâãèéêìíòóôõùúýăĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"
    "ÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝĂĨŨƠƯẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸ"
):
    _CUT[ord(_letter) & 0xFF] = (*_CUT.get(ord(_letter) & 0xFF, ()), _letter)


def _guesses(text: bytes) -> Iterator[str]:
    """Yield texts an old client may have signed, likeliest first, no more than is quickly tried."""
    most = min(MAX_GUESSES, MAX_GUESSED_BYTES // max(1, len(text)))
    choices = [
        (*_CUT.get(byte, ()), *(() if chr(byte) in _CUT.get(byte, ()) else (chr(byte),)))
        if byte >= 0x80
        else (chr(byte),)
        for byte in text
    ]
    open_places = [place for place, letters in enumerate(choices) if len(letters) > 1]
    return itertools.islice(_by_deviation(choices, open_places), most)


def _by_deviation(choices: Sequence[Sequence[str]], open_places: Sequence[int]) -> Iterator[str]:
    """Yield every combination, those with fewest second choices first."""
    best = [letters[0] for letters in choices]
    for count in range(len(open_places) + 1):
        for places in itertools.combinations(open_places, count):
            for letters in itertools.product(*(choices[place][1:] for place in places)):
                guess = best.copy()
                for place, letter in zip(places, letters, strict=True):
                    guess[place] = letter
                yield "".join(guess)


def read_codes(text: str) -> tuple[str, ...]:
    """Return the codes of a `to` value: an array, a JSON string holding one, or one plain code."""
    value: object = text
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            break
    if isinstance(value, list):
        return tuple(code.strip() for code in value if isinstance(code, str) and code.strip())
    plain = text.strip()
    return (plain,) if plain else ()


# ---------------------------------------------------------------- hash-file and the trailing CRLF


def file_hash(sha256_hex: str, form: HashForm = "unpadded") -> str:
    """Return a digest as `hash-file` carries it.

    The Java kit writes each byte in hex without padding, so `0a 0c` reads `ac` (spec 7.4).
    """
    if form == "padded":
        return sha256_hex.lower()
    return "".join(f"{byte:x}" for byte in bytes.fromhex(sha256_hex))


def hash_matches(declared: str, sha256_hex: str) -> bool:
    """Tell whether a declared hash-file names this digest, in either form."""
    told = declared.strip().lower().encode("utf-8", "replace")
    forms = (file_hash(sha256_hex, "padded"), file_hash(sha256_hex, "unpadded"))
    found = [hmac.compare_digest(told, form.encode()) for form in forms]
    return any(found)


def hash_check(declared: str) -> Callable[[str], None]:
    """Return a check of the received bytes' digest; it raises RejectedError(HASH_MISMATCH)."""

    def check(sha256_hex: str) -> None:
        if not hash_matches(declared, sha256_hex):
            raise _hash_mismatch()

    return check


def _hash_mismatch() -> RejectedError:
    return RejectedError(
        Reason.HASH_MISMATCH,
        "hash-file is not the SHA-256 of the body: the file changed on the way, send it again",
    )


async def without_crlf(
    body: AsyncIterator[bytes], declared: str, max_bytes: int
) -> AsyncIterator[bytes]:
    """Yield the file inside a sendEdoc body, without the CRLF old clients add.

    The last two bytes are held back until the end. They are dropped when they are CRLF and the
    declared hash is that of the rest; kept when it is that of the whole; else the body is refused.
    So at most one CRLF goes, and a file's own stays.

    Args:
        body: As it arrives.
        declared: `hash-file`, padded or not.
        max_bytes: Largest file.

    Raises:
        RejectedError: HASH_MISMATCH for a missing or wrong hash, TOO_LARGE beyond `max_bytes`.
    """
    if not declared.strip():
        raise RejectedError(Reason.HASH_MISMATCH, "hash-file is missing from the signed JSON")
    digest = hashlib.sha256()
    held = b""
    passed = 0
    async for chunk in body:
        joined = held + chunk
        ready, held = joined[:-2], joined[-2:]
        passed += len(ready)
        if passed > max_bytes:
            raise too_large(max_bytes)
        if ready:
            digest.update(ready)
            yield ready
    if held == CRLF and hash_matches(declared, digest.hexdigest()):
        return
    digest.update(held)
    if not hash_matches(declared, digest.hexdigest()):
        raise _hash_mismatch()
    if passed + len(held) > max_bytes:
        raise too_large(max_bytes)
    if held:
        yield held


def too_large(max_bytes: int) -> RejectedError:
    """Return the refusal of a file beyond the limit."""
    return RejectedError(Reason.TOO_LARGE, f"the file is larger than {max_bytes} bytes")
