"""Entries of the receipt log: what may stand in one, its canonical bytes, its place in the chain.

Pure: facts in, hashes out. An entry's body is fixed and hashed when the fact is committed; its
place (index, chain hash, Merkle leaf) is given later, in batches, by the one sequencer. A crash
between the two leaves an entry without a place, which the next run of the sequencer gives it.

A body is a flat JSON object of texts, integers and lists. It never holds content or personal data:
only the keys of `KEYS` exist, free text (a clerk's reason, a subject) appears as its SHA-256 at
most, and persons as the id of their system or account. So an entry stays when the document is
purged (SEC-01, REC-02), and the chain still verifies.

Kinds: `accepted` (a submission was committed; carries `packet_sha256`, `content_sha256`,
`attachments`, `sender`, `recipients`), `numbered` (`document_id`, `issue_year`, `issue_ordinal`),
`handed_over` (a next hop took it: `hop`, `peer_doc_id`, `acknowledged_at`), `arrived_at_gateway`
(bytes committed here: `at_gateway_at`), `entered_system` (RCV-06: `entered_system_at`,
`received_at_legal`), `status` (`code`, `direction`), `refused` (`reason`: a catalogue code),
`failed`, `cancelled`, `returned`, `recalled`, `quarantined`, `released`, `purged` (`actors`: two),
`resent`, `verified` (a verdict changed later: `verdict_before`, `verdict`, `reports_before`,
`reports`), `audit` (`action`, `actor`, `target`),
`restored` (the log was put back from the backup `target`, made at `from_time`: `value` entries with
the tree's root `sha256`; what came after them is lost), `head_stamped` (an authority outside put
the time `from_time` on the tree head over `value` entries; `sha256` of its token), `key_changed`
(`key_before`, `key`: kids; `public_key`; `from_time`; `signed_before`, `signed`: tokens of both
keys over these). `reports` is a list of `sha256` (a file) and `report_sha256`: what was said of it,
so that no report is changed or dropped unseen.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.receipts.proof import GENESIS, MAX_INT, chain_hash, compact, entry_hash, leaf_hash

__all__ = [
    "EMPTY",
    "GENESIS",
    "KEYS",
    "Body",
    "Kind",
    "Sequenced",
    "Tail",
    "Value",
    "canonical",
    "chain_hash",
    "entry_hash",
    "leaf_hash",
    "sequence",
]

MAX_TEXT: Final = 1024
MAX_BODY_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 4

Value = str | int | Sequence["Value"] | Mapping[str, "Value"]
Body = Mapping[str, Value]


class Kind(StrEnum):
    """What an entry says happened."""

    ACCEPTED = "accepted"
    NUMBERED = "numbered"
    HANDED_OVER = "handed_over"
    ARRIVED_AT_GATEWAY = "arrived_at_gateway"
    ENTERED_SYSTEM = "entered_system"
    STATUS = "status"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    RECALLED = "recalled"
    RESENT = "resent"
    VERIFIED = "verified"
    QUARANTINED = "quarantined"
    RELEASED = "released"
    PURGED = "purged"
    AUDIT = "audit"
    KEY_CHANGED = "key_changed"
    RESTORED = "restored"
    HEAD_STAMPED = "head_stamped"


REQUIRED: Final = ("entry_id", "kind", "at")
KEYS: Final = frozenset(
    {
        *REQUIRED,
        # subjects
        "consignment_id",
        "delivery_id",
        "transfer_id",
        "arrival_id",
        "status_id",
        "report_id",
        "document_id",
        "version",
        "attempt",
        "peer_doc_id",
        # parties: codes and system ids
        "sender",
        "recipient",
        "recipients",
        "addressed_as",
        "agency",
        "parties",
        "hop",
        "system_id",
        "via",
        # hashes
        "sha256",
        "packet_sha256",
        "content_sha256",
        "attachments",
        "size_bytes",
        "body_sha256",
        "reason_sha256",
        "report_sha256",
        "reports",
        "reports_before",
        "proof_sha256",
        # facts
        "code",
        "direction",
        "state",
        "reason",
        "rules",
        "verdict",
        "verdict_before",
        "legal_class",
        "urgency",
        "business_type",
        "issue_year",
        "issue_ordinal",
        "arrival_number",
        "series",
        "value",
        "clock",
        "clock_offset_ms",
        # times, ISO 8601 +07:00
        "issued_at",
        "left_at",
        "sent_at",
        "acknowledged_at",
        "at_gateway_at",
        "entered_system_at",
        "received_at_legal",
        # audit
        "action",
        "actor",
        "actors",
        "target",
        # the receipt key
        "key",
        "key_before",
        "public_key",
        "from_time",
        "signed",
        "signed_before",
    }
)

_KINDS: Final = frozenset(k.value for k in Kind)
_LOCAL_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+07:00")
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def check_local_time(text: object) -> str:
    """Return `text` when it is ISO 8601 with offset `+07:00`; ValueError otherwise."""
    if isinstance(text, str) and _LOCAL_TIME.fullmatch(text):
        return text
    raise ValueError(f"{text!r} is not an ISO 8601 time with +07:00")


def canonical(body: Body) -> bytes:
    """Return the canonical bytes of an entry's body: RFC 8785 JSON in UTF-8.

    Args:
        body: `entry_id`, `kind` (a `Kind`), `at` (ISO 8601 `+07:00`), and keys of `KEYS`.

    Raises:
        ValueError: A key is missing or not one of ours, a value is neither text, integer within
            2^53 nor a list or object of these, or the whole is too large.
    """
    for key in REQUIRED:
        if not isinstance(body.get(key), str):
            raise ValueError(f"an entry needs the text {key!r}")  # noqa: TRY004 — a bad value
    if body["kind"] not in _KINDS:
        raise ValueError(f"unknown kind of entry {body['kind']!r}")
    check_local_time(body["at"])
    if strangers := body.keys() - KEYS:
        raise ValueError(f"keys an entry may not hold: {sorted(strangers)}")
    check_value(body)
    data = compact(body).encode("utf-8")  # a lone surrogate is a UnicodeEncodeError: a ValueError
    if len(data) > MAX_BODY_BYTES:
        raise ValueError(f"an entry of {len(data)} bytes is too large")
    return data


def check_value(value: object, depth: int = 0) -> None:
    """Raise ValueError unless `value` has one canonical form: no floats, booleans, nulls."""
    if type(value) is str and len(value) <= MAX_TEXT:
        return  # nearly every value of every entry
    match value:
        case bool():
            raise ValueError("a boolean has no place in an entry: use a text")
        case int():
            if abs(value) > MAX_INT:
                raise ValueError("an integer beyond 2^53")
        case str():
            if len(value) > MAX_TEXT:
                raise ValueError(f"a text of {len(value)} characters: hash it instead")
        case Mapping() | list() | tuple() if depth >= MAX_DEPTH:
            raise ValueError("nested too deep")
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str) or not _KEY.fullmatch(key):
                    raise ValueError(f"key {key!r} is not a lower-case ASCII name")
                check_value(item, depth + 1)
        case list() | tuple():
            for item in value:
                check_value(item, depth + 1)
        case _:
            raise ValueError(f"{type(value).__name__} has no place in an entry")


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the log: how many entries, and the chain hash of the last."""

    size: int
    chain_hash: bytes


EMPTY: Final = Tail(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An entry's place (32-byte hashes): index from 0, links, and its Merkle leaf."""

    index: int
    prev_hash: bytes
    chain_hash: bytes
    leaf_hash: bytes

    @property
    def tail(self) -> Tail:
        """Return the end of the log once this entry is the last."""
        return Tail(self.index + 1, self.chain_hash)


def sequence(tail: Tail, bodies: Iterable[bytes]) -> list[Sequenced]:
    """Give canonical bodies their places after `tail`, in the order given.

    The next tail is `result[-1].tail`, or `tail` itself when there was nothing to place.
    """
    placed: list[Sequenced] = []
    prev = tail.chain_hash
    for index, body in enumerate(bodies, tail.size):
        chain = chain_hash(prev, index, entry_hash(body))
        placed.append(Sequenced(index, prev, chain, leaf_hash(chain)))
        prev = chain
    return placed
