"""What Bkav eDoc says over REST, as pure functions: headers, answers, error codes, hash, numbers.

Promises: no I/O; an answer that cannot be read is UnavailableError, never an empty one. A crash
leaves nothing behind.

Our reading of what the specification leaves open (spec/edxml.md 7.8): status `Fail` is a refusal,
`Error` trouble of the system; both have code 9999 and tell what is wrong in `errors`. There stands
the code of rules C7 first, then every finding as N. missing, R. out of range, M. mismatch, T. wrong
type and the name of the field.
"""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.shared.jsonanswers import read_object
from adapters.shared.values import REFUSING, text_of, unreadable
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError

BASE: Final = "/EdocService"
JSON_TYPE: Final = "application/json"
BINARY_TYPE: Final = "application/octet-stream"
SUCCESS: Final = "Success"
FAIL: Final = "Fail"
ERROR: Final = "Error"
OK_CODE: Final = "0"
FAIL_CODE: Final = "9999"
KINDS: Final = {"": "edoc", "EDOC": "edoc", "STATUS": "status"}

REPEATED_STATUS: Final = "M.UpdateTraces"
"""What their bus says to a status code it has already; only 05 may repeat there."""

# Fields whose mismatch is about who calls, not about the document: an operator mends it.
_WHO_CALLS: Final = frozenset({"token", "keyinfo", "organid", "authorization"})
_LETTERED: Final = re.compile(r"([NRMT])\.(\w+)")


# ---------------------------------------------------------------- answers built


@dataclass(frozen=True, slots=True)
class Fault:
    """One error of an answer."""

    code: str
    description: str


def faults_of(error: GatewayError) -> list[Fault]:
    """Return everything that is wrong: code of rules C7 first, Vietnamese then English."""
    row = CATALOGUE[error.reason]
    text = row.vi if error.public in {"", row.vi} else f"{row.vi} | {error.public}"
    found = [Fault(str(row.axis), text[:1000])]
    for finding in getattr(error, "findings", ()):
        told = f"{finding.rule}: {finding.vi} | {finding.en}"
        found.append(Fault(field_code(finding), told[:1000]))
    return found


def field_code(finding: Any) -> str:
    """Return a finding's code, `N.Subject`; its rule id where it names no field."""
    names = re.findall(r"([A-Za-z]\w*)(?:\[\d+\])?\s*$", finding.where)
    if not names:
        return str(finding.rule)
    vi = finding.vi.lower()
    if "thiếu" in vi or "chưa có" in vi or "để trống" in vi:
        letter = "N"
    elif "giới hạn" in vi or " quá " in vi or "tương lai" in vi:
        letter = "R"
    elif "không đọc được" in vi or "cú pháp" in vi or "định dạng" in vi:
        letter = "T"
    else:
        letter = "M"
    return f"{letter}.{names[0]}"


def build(**payload: object) -> dict[str, Any]:
    """Return a good answer; never a null, which clients that want a number cannot read."""
    return {"status": SUCCESS, "code": OK_CODE, "errors": [], **payload}


def refusal(error: GatewayError) -> dict[str, Any]:
    """Return the answer of an error: Fail for what never passes, Error for what may."""
    status = FAIL if isinstance(error, RejectedError) else ERROR
    errors = [{"code": f.code, "description": f.description} for f in faults_of(error)]
    return {"status": status, "code": FAIL_CODE, "errors": errors}


# ---------------------------------------------------------------- answers read


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as read.

    Args:
        ok: The peer says success.
        faults: What it says is wrong.
        body: The whole object.
    """

    ok: bool
    faults: Sequence[Fault]
    body: Mapping[str, Any]

    @property
    def words(self) -> str:
        """Return its errors as one line."""
        return said(self.faults)


def read(body: bytes) -> Answer:
    """Read a JSON answer.

    Raises:
        UnavailableError: It is not one (HTML, empty, broken, no status).
    """
    value = read_object(body)
    if not isinstance(value.get("status"), str):
        raise unreadable("the answer has no status")
    listed = value.get("errors")
    found = [_fault(one) for one in listed] if isinstance(listed, list) else []
    code = text_of(value, "code")
    ok = value["status"].strip().lower() in {"success", "ok"} and code in {"", OK_CODE}
    return Answer(ok, tuple(found[:50]), value)


def check(body: bytes) -> None:
    """Raise UnavailableError unless an answer is one of success."""
    answer = read(body)
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.words}")


def _fault(row: Any) -> Fault:
    if isinstance(row, dict):
        return Fault(
            text_of(row, "code", "Code")[:100],
            text_of(row, "description", "Description", "message")[:300],
        )
    return Fault("", str(row)[:300])


def rows(answer: Answer) -> list[Mapping[str, Any]]:
    """Return the rows of a list answer; bare ids count as rows.

    Raises:
        UnavailableError: The peer reports a failure, or there is no list to read.
    """
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.words}")
    data = answer.body.get("data")
    if not isinstance(data, list):
        raise unreadable("the answer has no list")
    found: list[Mapping[str, Any]] = []
    for row in data:
        if not isinstance(row, dict | str | int) or isinstance(row, bool):
            raise unreadable("the list holds something that is no row")
        found.append(row if isinstance(row, dict) else {"docId": row})
    return found


def said(faults: Sequence[Fault]) -> str:
    """Return errors as one line."""
    return "; ".join(f"{f.code}: {f.description}".strip(": ") for f in faults)[:500] or "?"


def refusal_code(faults: Sequence[Fault]) -> str:
    """Return the code of rules C7 for a refusal for good, "" for what may pass (SND-15)."""
    # ID-09, SND-15 (rules C7): business errors are final; 15, 20, 21 and unknown codes wait.
    codes = [f.code for f in faults]
    named = next((code for code in codes if code in REFUSING), "")
    if named:
        return named
    if any(code in {"15", "20", "21"} for code in codes):
        return ""
    fields = [m for m in map(_LETTERED.fullmatch, codes) if m]
    if not fields or any(m[2].lower() in _WHO_CALLS for m in fields):
        return ""
    return "22"


# ---------------------------------------------------------------- hash-edoc


_HEX: Final = {32: "md5", 40: "sha1", 128: "sha512"}
_BASE64: Final = {24: "md5", 28: "sha1", 44: "sha256", 88: "sha512"}


@dataclass(frozen=True, slots=True)
class Declared:
    """A digest the sender declared: its algorithm and its lower-case hex, plain or unpadded."""

    algorithm: str
    hex: str
    unpadded: bool = False

    def matches(self, digest_hex: str) -> bool:
        """Tell whether it names this digest."""
        if not self.unpadded:
            return self.hex == digest_hex
        return self.hex in {digest_hex, "".join(f"{b:x}" for b in bytes.fromhex(digest_hex))}


def declared_hash(text: str) -> Declared | None:
    """Read the header hash-edoc; None when absent or of no form we know.

    Its form is not published. Read are the digests of the body in hex (SHA-256 also without
    padding, as the national kit writes it; MD5, SHA-1, SHA-512) and in base64.
    """
    told = text.strip()
    lower = told.lower()
    if re.fullmatch(r"[0-9a-f]+", lower):
        if len(lower) in _HEX:
            return Declared(_HEX[len(lower)], lower)
        if 48 <= len(lower) <= 64:
            return Declared("sha256", lower, unpadded=True)
    if len(told) in _BASE64:
        try:
            raw = base64.b64decode(told, validate=True)
        except ValueError:
            return None
        algorithm = _BASE64[len(told)]
        if len(raw) == hashlib.new(algorithm, usedforsecurity=False).digest_size:
            return Declared(algorithm, raw.hex())
    return None


async def checked(
    body: AsyncIterator[bytes], declared: Declared | None, max_bytes: int
) -> AsyncIterator[bytes]:
    """Yield a body; at its end its digest is compared, before anything is decided.

    Raises:
        RejectedError: HASH_MISMATCH; TOO_LARGE beyond `max_bytes`.
    """
    # MD5 and SHA-1 only because old clients may declare them: against accidents, not attackers.
    digest = None if declared is None else hashlib.new(declared.algorithm, usedforsecurity=False)
    passed = 0
    async for chunk in body:
        passed += len(chunk)
        if passed > max_bytes:
            raise too_large(max_bytes)
        if digest is not None:
            digest.update(chunk)
        yield chunk
    if declared is not None and digest is not None and not declared.matches(digest.hexdigest()):
        raise RejectedError(
            Reason.HASH_MISMATCH,
            "hash-edoc is not the digest of the body: the file changed on the way, send it again",
        )


def too_large(max_bytes: int) -> RejectedError:
    """Return the refusal of a file beyond the limit."""
    return RejectedError(Reason.TOO_LARGE, f"the file is larger than {max_bytes} bytes")


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header, with or without "Bearer "."""
    text = authorization.strip()
    scheme, blank, rest = text.partition(" ")
    return rest.strip() if blank and scheme.lower() == "bearer" else text


# ---------------------------------------------------------------- numbers


def number_of(item_id: str) -> int:
    """Return the number an item has on this wire: 15 digits, always the same for the same id.

    Bkav's ids are numbers (its SOAP takes 15 digits) and clients read them into one; ours are not.
    """
    digest = hashlib.sha256(item_id.encode()).digest()
    return 10**14 + int.from_bytes(digest[:8], "big") % (9 * 10**14)
