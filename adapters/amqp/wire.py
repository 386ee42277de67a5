"""What messages of the agencies' door say: properties, headers, bodies. Pure, no I/O.

Promises: every fault of a message is named at once, in both languages; who sent it is told by the
property `user_id` alone, which the broker compares with the connection's user, and by no header.
The tables of this module are what the AsyncAPI document is made of.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from gateway.codec.tree import is_legal
from gateway.domain.problem import CONTENT_TYPE, problem_of
from gateway.errors import GatewayError, Reason, RejectedError
from gateway.ports import Accepted, Offer, Packet

EDXML: Final = "application/edxml+xml"
PACKET_TYPES: Final = (EDXML, "application/xml", "text/xml", "application/octet-stream")
REFERENCE: Final = "application/vnd.vanlien.reference+json"
JSON: Final = "application/json"
PROBLEM: Final = CONTENT_TYPE
MAX_JSON_BYTES: Final = 16 * 1024
MAX_NOTE: Final = 1000
KEY: Final = r"^[\x21-\x7e]{1,200}$"
SHA256: Final = r"^[0-9a-f]{64}$"
ID: Final = r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,63}$"
UPLOAD: Final = r"^[0-9A-Za-z_.-]{1,300}$"
_KEY, _SHA256, _ID, _UPLOAD = (re.compile(pattern) for pattern in (KEY, SHA256, ID, UPLOAD))


class Kind(StrEnum):
    """What a system publishes; the property `type`."""

    DOCUMENT = "document"
    STATUS = "status"
    CONFIRM = "confirm"


class Said(StrEnum):
    """What we answer; the property `type`."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Given:
    """A message as it came: what the broker says of it, before anybody believed a word.

    Args:
        user_id: The connection's user; "" when the publisher left it out.
        handed_out: How often it was handed out before and came back.
    """

    user_id: str
    type: str
    message_id: str
    correlation_id: str
    reply_to: str
    content_type: str
    content_encoding: str
    headers: Mapping[str, Any]
    body: bytes = field(repr=False)
    handed_out: int = 0

    @property
    def answer_id(self) -> str:
        """Return the correlation of the answer: the sender's, else its message's own id."""
        return self.correlation_id or self.message_id


@dataclass(frozen=True, slots=True)
class Reference:
    """A packet that was uploaded before."""

    upload: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A document or a status.

    Args:
        kind: Which.
        key: Idempotency key, the message's id.
        reference: Where the packet is when it is not the body.
        sha256: What the packet must be, "" when the sender does not say.
        urgent: Whether the sender calls it urgent; None when it says nothing.
        all_or_nothing: One bad recipient refuses all.
    """

    kind: Kind
    key: str
    reference: Reference | None
    sha256: str
    urgent: bool | None
    all_or_nothing: bool


@dataclass(frozen=True, slots=True)
class Confirm:
    """A system has an item (`done`), or could not use it (`note` says why)."""

    item: str
    done: bool
    note: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of ours: an answer, or something brought."""

    type: str
    content_type: str
    body: bytes = field(repr=False)
    message_id: str
    correlation_id: str = ""
    headers: Mapping[str, str | int | bool] = field(default_factory=dict)


class UnreadableMessageError(RejectedError):
    """A message whose properties or frame are wrong; says so in both languages."""

    def __init__(self, faults: "Faults", reason: Reason = Reason.BAD_REQUEST) -> None:
        super().__init__(reason, "; ".join(en for _, en in faults.told))
        self.vi = "; ".join(vi for vi, _ in faults.told)


class Faults:
    """What is wrong with a message, collected."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def add(self, vi: str, en: str) -> None:
        """Name one fault."""
        self.told.append((vi, en))

    def check(self) -> None:
        """Raise when there is any."""
        if self.told:
            raise UnreadableMessageError(self)


# ---------------------------------------------------------------- what comes


def read(given: Given, *, reply: str, max_bytes: int) -> Submission | Confirm:
    """Return what a message asks for.

    Args:
        given: The message.
        reply: Name of the only queue its sender may be answered on.
        max_bytes: Largest body.

    Raises:
        RejectedError: BAD_REQUEST with everything that is wrong; TOO_LARGE.
    """
    if len(given.body) > max_bytes:
        faults = Faults()
        faults.add(
            f"gói tin lớn hơn {max_bytes} byte: tải lên qua POST /api/v1/uploads, rồi gửi tham "
            "chiếu",
            f"the body is larger than {max_bytes} bytes: POST it to /api/v1/uploads and publish "
            "the reference",
        )
        raise UnreadableMessageError(faults, Reason.TOO_LARGE)
    faults = Faults()
    kind = _frame(given, reply, faults)
    if kind is Kind.CONFIRM:
        confirm = _confirm(given.body, faults)
        faults.check()
        return confirm
    submission = _submission(given, kind, faults)
    faults.check()
    return submission


def _frame(given: Given, reply: str, faults: Faults) -> Kind:
    kind = Kind.DOCUMENT
    try:
        kind = Kind(given.type)
    except ValueError:
        faults.add(
            "thuộc tính type phải là document, status hoặc confirm",
            "the property type must be document, status or confirm",
        )
    if _KEY.fullmatch(given.message_id) is None:
        faults.add(
            "thuộc tính message_id phải có, 1 đến 200 ký tự ASCII nhìn thấy được",
            "the property message_id must be 1 to 200 visible ASCII characters",
        )
    if given.reply_to not in {"", reply}:
        faults.add(
            f"reply_to chỉ được để trống hoặc là {reply}",
            f"reply_to must be left out or be {reply}",
        )
    if given.content_encoding not in {"", "identity", "utf-8", "UTF-8"}:
        faults.add("không nhận nội dung nén", "an encoded content is not taken: send it as it is")
    return kind


def _submission(given: Given, kind: Kind, faults: Faults) -> Submission:
    reference = None
    declared = _text(given.headers, "sha256", _SHA256, faults)
    if _media(given.content_type) == REFERENCE:
        if kind is not Kind.DOCUMENT:
            faults.add("chỉ văn bản gửi bằng tham chiếu", "only a document is sent by reference")
        reference = _reference(given.body, faults)
    elif _media(given.content_type) not in {"", *PACKET_TYPES}:
        faults.add(
            f"content_type phải là {', '.join((*PACKET_TYPES, REFERENCE))}",
            f"content_type must be one of {', '.join((*PACKET_TYPES, REFERENCE))}",
        )
    elif not given.body:
        faults.add("không có nội dung", "the body is empty")
    whole = given.headers.get("all_or_nothing", False)
    if not isinstance(whole, bool):
        faults.add("all_or_nothing phải là đúng/sai", "all_or_nothing must be a boolean")
    urgent = given.headers.get("urgent")
    if urgent is not None and not isinstance(urgent, bool):
        faults.add("urgent phải là đúng/sai", "urgent must be a boolean")
    return Submission(
        kind,
        given.message_id,
        reference,
        reference.sha256 if reference is not None else declared,
        urgent if isinstance(urgent, bool) else None,
        bool(whole),
    )


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _text(values: Mapping[str, Any], name: str, pattern: "re.Pattern[str]", faults: Faults) -> str:
    """Return an optional text; "" for none, or for one that cannot be it, which is a fault."""
    value = values.get(name)
    if value is None:
        return ""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        faults.add(f"{name} không đúng dạng", f"{name} must match {pattern.pattern}")
        return ""
    return text


def _object(body: bytes, faults: Faults, required: Sequence[str], *known: str) -> Mapping[str, Any]:
    told: Any = None
    if len(body) <= MAX_JSON_BYTES:
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = None
    if not isinstance(told, dict):
        faults.add("nội dung phải là một đối tượng JSON", "the body must be one JSON object")
        return {}
    if strange := sorted(name[:40] for name in set(told) - {*required, *known}):
        listed = ", ".join(name if name.isprintable() else "?" for name in strange[:5])
        faults.add(f"không có thuộc tính {listed}", f"unknown members: {listed}")
    for name in required:
        if told.get(name) is None:
            faults.add(f"thiếu {name}", f"{name} is missing")
    return told


def _reference(body: bytes, faults: Faults) -> Reference:
    told = _object(body, faults, ("upload", "sha256"))
    upload = _text(told, "upload", _UPLOAD, faults)
    sha256 = _text(told, "sha256", _SHA256, faults)
    return Reference(upload, sha256)


def _confirm(body: bytes, faults: Faults) -> Confirm:
    told = _object(body, faults, ("id",), "done", "note")
    item, done, note = _text(told, "id", _ID, faults), told.get("done", True), told.get("note", "")
    if not isinstance(done, bool):
        faults.add("done phải là đúng/sai", "done must be a boolean")
    if not isinstance(note, str) or len(note) > MAX_NOTE:
        faults.add(
            f"note là chữ, dài nhất {MAX_NOTE}", f"note must be a text of at most {MAX_NOTE}"
        )
    elif not is_legal(note):
        # FMT-06: no ledger keeps it, however often it is tried.
        faults.add("note có ký tự điều khiển", "note holds control characters")
    elif done is False and not note.strip():
        faults.add("done = false phải có note", "done = false needs a note")
    return Confirm(item, bool(done), note if isinstance(note, str) else "")


# ---------------------------------------------------------------- what we answer


def accepted(given: Given, answer: Accepted) -> Letter:
    """Return the answer to a document: the very text of the API's 202."""
    return _answer(given, Said.ACCEPTED, answer.answer_json.encode(), replayed=answer.replayed)


def recorded(given: Given, item_id: str) -> Letter:
    """Return the answer to a status or a confirmation."""
    body = json.dumps({"id": item_id, "kind": given.type}, separators=(",", ":")).encode()
    return _answer(given, Said.ACCEPTED, body)


def refused(given: Given, failure: GatewayError) -> Letter:
    """Return a refusal: the API's problem, every finding at once."""
    vi = getattr(failure, "vi", "")
    told = problem_of(failure, given.message_id[:200], detail_vi=vi)
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return _answer(given, Said.REFUSED, body.encode("utf-8", "replace"))


def dead(given: Given, why: str) -> Letter:
    """Return a message that is set aside, as it came; what it says of itself stays a claim."""
    headers: dict[str, str | int | bool] = {
        "why": why,
        "user": given.user_id,
        "reply_to": given.reply_to,
        "handed_out": given.handed_out,
    }
    return Letter(
        given.type,
        given.content_type,
        given.body,
        given.message_id,
        given.correlation_id,
        headers,
    )


def unsaid(letter: Letter, system_id: str) -> Letter:
    """Return an answer that its reply queue does not take, to be set aside."""
    headers = {"why": "the reply queue does not take it", "user": system_id, **letter.headers}
    return replace(letter, headers=headers)


def _answer(given: Given, said: Said, body: bytes, *, replayed: bool = False) -> Letter:
    kind = given.type if given.type in set(Kind) else ""
    headers: dict[str, str | int | bool] = {"for": kind, "replayed": replayed}
    media = JSON if said is Said.ACCEPTED else PROBLEM
    # A name is 255 bytes at most, and a key that is none may be as long in itself.
    own = f"answer:{given.message_id}" if _KEY.fullmatch(given.message_id) else "answer"
    return Letter(said, media, body, own, given.answer_id, headers)


# ---------------------------------------------------------------- what we bring


def brought(offer: Offer, packet: Packet, body: bytes | None) -> Letter:
    """Return what is offered as a message.

    Args:
        offer: The item.
        packet: Its packet.
        body: The packet's bytes; None to send a reference.
    """
    item = offer.item
    headers: dict[str, str | int | bool] = {
        "cursor": item.cursor,
        "replay": offer.replay,
        "sender": item.sender,
        "recipient": item.recipient,
        "addressed_as": item.recipient_written,
        "document_id": item.document_id,
        "sha256": packet.sha256,
        "size_bytes": packet.size_bytes,
    }
    if item.kind == "status":
        headers["code"] = item.state
    kind = Kind.DOCUMENT if item.kind == "edoc" else Kind.STATUS
    if body is not None:
        return Letter(kind, EDXML, body, item.id, headers=headers)
    told = {
        "href": f"/api/v1/inbox/{item.id}/edxml",
        "sha256": packet.sha256,
        "size_bytes": packet.size_bytes,
    }
    return Letter(kind, REFERENCE, json.dumps(told).encode(), item.id, headers=headers)
