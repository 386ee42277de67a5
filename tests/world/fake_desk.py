"""In-memory fakes behind the HTTP API: the front door's intake, the desk, callers, ids.

Held to what the docstrings of gateway.ports promise: one answer for a repeat, keys scoped to the
caller, a caller sees only its own, confirming is safe to repeat, what breaks off leaves nothing.
Shapes are those `ports.Desk` documents; tests/integration/test_api_* hold them against the models.
"""

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from gateway.domain.envelope import Header, Organization
from gateway.errors import Reason, RejectedError
from gateway.ports import Accepted, AgencyRow, Caller, FormFile, Packet, SubmitOptions

VIETNAM = timezone(timedelta(hours=7))
SENDER = Caller("qlvb-h37", frozenset({"H37", "H37.02"}))
STRANGER = Caller("qlvb-h38", frozenset({"H38"}))
SENDER_KEY = "vl_sender-0123456789abcdef"
STRANGER_KEY = "vl_stranger-0123456789abcdef"


class FakeApiClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def offset(self) -> timedelta | None:
        return timedelta(0)


class FakeIds:
    """Ids that count."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def new(self) -> str:
        return f"01990000-0000-7000-8000-{next(self._next):012x}"


class FakeKeys:
    """Callers behind bearer keys."""

    def __init__(self) -> None:
        self.keys = {SENDER_KEY: SENDER, STRANGER_KEY: STRANGER}
        self.asked = 0

    def by_api_key(self, api_key: str) -> Caller | None:
        self.asked += 1
        return self.keys.get(api_key)

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        return None


@dataclass
class Sent:
    """One accepted submission."""

    caller: Caller
    accepted: Accepted
    sha256: str
    size_bytes: int
    options: SubmitOptions
    header: Header | None = None
    files: list[tuple[str, str, str, str]] = field(default_factory=list)


@dataclass
class FakeIntake:
    """The front door as the API uses it.

    Args:
        failure: Raised by the next submission after its body was read, once.
        hold: Submissions wait for it before they read.
        catalogue: What `agencies` returns.
    """

    failure: Exception | None = None
    hold: asyncio.Event | None = None
    catalogue: list[AgencyRow] = field(default_factory=list)
    sent: dict[str, Sent] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    waiting: set[tuple[str, str]] = field(default_factory=set)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    begun: int = 0
    abandoned: list[Exception] = field(default_factory=list)
    largest_chunk: int = 0
    on_chunk: object = None

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        return await self._take(caller, options, lambda: self._drain(packet), None, [])

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        seen: list[tuple[str, str, str, str]] = []

        async def read() -> tuple[str, int]:
            whole, total = hashlib.sha256(repr(header).encode()), 0
            async for file in files:
                sha256, size = await self._drain(file.chunks)
                seen.append((file.name, file.content_type, file.description, sha256))
                whole.update(sha256.encode())
                total += size
            return whole.hexdigest(), total

        return await self._take(caller, options, read, header, seen)

    async def until(self, condition) -> None:
        """Return once something holds that a submission's coming or end brings about."""
        async with asyncio.timeout(60), self.came:
            await self.came.wait_for(condition)

    async def until_waiting(self, count: int) -> None:
        """Return once so many submissions wait for `hold`."""
        await self.until(lambda: len(self.waiting) >= count)

    async def agencies(self) -> list[AgencyRow]:
        return self.catalogue

    async def _drain(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        async for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            self.largest_chunk = max(self.largest_chunk, len(chunk))
            if self.on_chunk is not None:
                self.on_chunk(size)
        return digest.hexdigest(), size

    async def _take(self, caller, options, read, header, files) -> Accepted:
        self.begun += 1
        scoped = (caller.system_id, options.idempotency_key or "")
        if options.idempotency_key and scoped in self.waiting:
            raise RejectedError(Reason.IN_FLIGHT)
        self.waiting.add(scoped)
        async with self.came:
            self.came.notify_all()
        try:
            if self.hold is not None:
                await self.hold.wait()
            sha256, size = await read()
        except Exception as broken:
            self.abandoned.append(broken)
            async with self.came:
                self.came.notify_all()
            raise
        finally:
            self.waiting.discard(scoped)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if options.idempotency_key and scoped in self.keys:
            known_sha256, known_id = self.keys[scoped]
            if known_sha256 != sha256:
                raise RejectedError(Reason.IDEMPOTENCY_REUSED)
            accepted = self.sent[known_id].accepted
            return Accepted(accepted.id, accepted.document_id, accepted.answer_json, replayed=True)
        return self._keep(caller, options, sha256, size, header, files)

    def _keep(self, caller, options, sha256, size, header, files) -> Accepted:
        new_id = f"01990000-0000-7000-9000-{len(self.sent) + 1:012x}"
        document_id = f"H37.02,2026/11/22,{len(self.sent) + 1}/UBND-VP"
        answer = {
            "id": new_id,
            "document_id": document_id,
            "state": "ACCEPTED",
            "deliveries": [{"agency": "H37.05", "state": "PENDING", "reason": None}],
            "receipt": "eyJ.fake.jws",
            "version": 1,
            "verification": "unsigned",
            "findings": [],
        }
        text = json.dumps(answer, ensure_ascii=False, indent=1)
        accepted = Accepted(new_id, document_id, text, replayed=False)
        self.sent[new_id] = Sent(caller, accepted, sha256, size, options, header, files)
        if options.idempotency_key:
            self.keys[caller.system_id, options.idempotency_key] = (sha256, new_id)
        return accepted


@dataclass
class Came:
    """One arrival."""

    cursor: int
    agency: str
    files: list[tuple[str, str, bytes]]
    state: str = "OFFERED"
    taken_at: datetime | None = None
    statuses: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class FakeDesk:
    """Answers about what the intake took and what was offered."""

    intake: FakeIntake
    clock: FakeApiClock
    arrivals: dict[str, Came] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=lambda: {"ledger": "ok", "blobs": "ok"})
    gauges: dict[str, float] = field(default_factory=lambda: {'queue_length{lane="express"}': 2})
    failure: Exception | None = None
    cut_files: bool = False
    calls: list[str] = field(default_factory=list)
    sent_files: list[tuple[str, str, bytes]] = field(default_factory=list)
    verification: dict | None = None

    # ------------------------------------------------------------ arranging

    def offer(self, arrival_id: str, agency: str, files: list[tuple[str, str, bytes]]) -> None:
        """Put an arrival into an agency's inbox."""
        self.arrivals[arrival_id] = Came(len(self.arrivals) + 1, agency, files)

    # ------------------------------------------------------------ sent

    async def documents(self, caller, *, document_id, after, limit):
        self._enter("documents")
        own = [
            i
            for i, sent in reversed(self.intake.sent.items())
            if sent.caller == caller and document_id in {None, sent.accepted.document_id}
        ]
        if after is not None:
            own = own[own.index(after) + 1 :] if after in own else []
        page = own[:limit]
        items = [self._document(i) for i in page]
        for item in items:
            del item["header"]
        return {"items": items, "next": page[-1] if len(own) > limit else None}

    async def document(self, caller, consignment_id):
        self._own(caller, consignment_id)
        return self._document(consignment_id)

    async def document_events(self, caller, consignment_id):
        self._own(caller, consignment_id)
        return [self._event("accepted", consignment_id)]

    async def document_receipts(self, caller, consignment_id):
        self._own(caller, consignment_id)
        return self._receipts()

    async def document_verification(self, caller, consignment_id):
        self._own(caller, consignment_id)
        return self._verification()

    async def document_attachment(self, caller, consignment_id, index):
        self._own(caller, consignment_id)
        if index >= len(self.sent_files):
            raise RejectedError(Reason.NOT_FOUND)
        return self._packet(*self.sent_files[index])

    # ------------------------------------------------------------ received

    async def inbox(self, caller, *, after, limit, agency=None):
        self._enter("inbox")
        if agency is not None and agency not in caller.speaks_for:
            raise RejectedError(Reason.NOT_FOUND)
        own = [
            (i, came)
            for i, came in self.arrivals.items()
            if came.agency in caller.speaks_for
            and came.cursor > after
            and agency in {None, came.agency}
        ][:limit]
        items = [self._arrival(i) for i, _ in own]
        for item in items:
            del item["header"]
        return {"items": items, "next": own[-1][1].cursor if own else after}

    async def arrival(self, caller, arrival_id):
        self._came(caller, arrival_id)
        return self._arrival(arrival_id)

    async def arrival_packet(self, caller, arrival_id, *, received):
        self._came(caller, arrival_id)
        data = b"<edXML>received</edXML>\r\n" if received else "<edXML>chuẩn</edXML>".encode()
        return self._packet(f"{arrival_id}.edxml", "application/xml", data)

    async def arrival_attachment(self, caller, arrival_id, index):
        files = self._came(caller, arrival_id).files
        if index >= len(files):
            raise RejectedError(Reason.NOT_FOUND)
        return self._packet(*files[index])

    async def arrival_events(self, caller, arrival_id):
        self._came(caller, arrival_id)
        return [self._event("offered", arrival_id)]

    async def arrival_receipts(self, caller, arrival_id):
        self._came(caller, arrival_id)
        return self._receipts()

    async def arrival_verification(self, caller, arrival_id):
        self._came(caller, arrival_id)
        return self._verification()

    async def confirm(self, caller, arrival_id):
        came = self._came(caller, arrival_id)
        came.taken_at = came.taken_at or self.clock.now()
        return self._arrival(arrival_id)

    async def set_status(
        self, caller, arrival_id, *, code, reason, undetermined_reason="", decided_by=""
    ):
        came = self._came(caller, arrival_id)
        if code in {"02", "16"} and not reason:
            raise RejectedError(Reason.BAD_REQUEST, "02 and 16 need a reason")
        if came.state == "RETURNED":
            raise RejectedError(Reason.ILLEGAL_TRANSITION)
        came.statuses.append((code, reason))
        came.state = "RETURNED" if code == "02" else "ACCEPTED"
        return self._arrival(arrival_id)

    # ------------------------------------------------------------ operations

    async def metrics(self):
        self._enter("metrics")
        return self.gauges

    async def ready(self):
        self._enter("ready")
        return self.checks

    # ------------------------------------------------------------ shapes

    def _enter(self, call):
        self.calls.append(call)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _own(self, caller, consignment_id):
        self._enter(consignment_id)
        sent = self.intake.sent.get(consignment_id)
        if sent is None or sent.caller != caller:
            raise RejectedError(Reason.NOT_FOUND)

    def _came(self, caller, arrival_id):
        self._enter(arrival_id)
        came = self.arrivals.get(arrival_id)
        if came is None or came.agency not in caller.speaks_for:
            raise RejectedError(Reason.NOT_FOUND)
        return came

    def _now(self):
        return self.clock.now().astimezone(VIETNAM).isoformat()

    def _packet(self, name, content_type, data):
        async def chunks():
            half = len(data) // 2
            yield data[:half]
            if not self.cut_files:
                yield data[half:]

        return Packet(hashlib.sha256(data).hexdigest(), len(data), name, content_type, chunks())

    def _event(self, kind, subject):
        return {"at": self._now(), "type": kind, "subject": subject, "data": {"by": "fake"}}

    def _header(self, header):
        header = header or Header(Organization("H37.02"), (Organization("H37.05"),))
        return json.loads(json.dumps(asdict(header), default=str))

    def _attachment(self, index, name, content_type, data):
        return {
            "index": index,
            "name": name,
            "safe_name": name,
            "content_type": content_type,
            "description": "",
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "verdict": "unsigned",
        }

    def _common(self, header):
        return {
            "version": 1,
            "subject": "Trích yếu",
            "code": "15/UBND-VP",
            "promulgation_date": "2026-11-21",
            "type_name": "Công văn",
            "urgency": 3,
            "business_type": 0,
            "verification": "unsigned",
            "legal_class": "tham khảo",
            "verdict_before": None,
            "verdict_changed_at": None,
            "findings": [
                {
                    "rule": "SIG-02",
                    "severity": "note",
                    "where": "",
                    "vi": "Chưa ký số",
                    "en": "Unsigned",
                    "refusal": "",
                }
            ],
            "repairs": [
                {"code": "date-dmy", "where": "/edXML", "was": "x", "vi": "ngày", "en": "date"}
            ],
            "header": self._header(header),
        }

    def _document(self, consignment_id):
        sent = self.intake.sent[consignment_id]
        now = self._now()
        return self._common(sent.header) | {
            "id": consignment_id,
            "document_id": sent.accepted.document_id,
            "state": "ACCEPTED",
            "state_text": "Đã nhận",
            "hold": None,
            "reason": None,
            "sender": "H37.02",
            "number": {"year": 2026, "ordinal": 15},
            "sha256": sent.sha256,
            "size_bytes": sent.size_bytes,
            "accepted_at": now,
            "issued_at": now,
            "sent_at": None,
            "attachments": [
                self._attachment(n, name, kind, b"")
                for n, (name, kind, _, _) in enumerate(sent.files)
            ],
            "deliveries": [self._delivery(now)],
        }

    def _delivery(self, now):
        attempt = {"n": 1, "began_at": now, "ended_at": None, "outcome": None, "detail": None}
        return {
            "id": "01990000-0000-7000-a000-000000000001",
            "agency": "H37.05",
            "name": "Sở Nội vụ",
            "addressed_as": ["H37.05", "000.00.05.H37"],
            "state": "PENDING",
            "state_text": "Chờ gửi",
            "reason": None,
            "hop": "local",
            "left_at": None,
            "acknowledged_at": None,
            "sent_at": None,
            "at_gateway_at": None,
            "entered_system_at": None,
            "last_status": None,
            "holds": [],
            "attempts": [attempt],
        }

    def _arrival(self, arrival_id):
        came = self.arrivals[arrival_id]
        now = self._now()
        taken = came.taken_at.astimezone(VIETNAM).isoformat() if came.taken_at else None
        return self._common(None) | {
            "id": arrival_id,
            "cursor": came.cursor,
            "agency": came.agency,
            "addressed_as": [came.agency],
            "forwarded_from": [],
            "sender": "G22",
            "sender_name": "Văn phòng Chính phủ",
            "document_id": f"G22,2026/11/21,{came.cursor}/VPCP",
            "state": came.state,
            "state_text": "Chờ nhận",
            "at_gateway_at": now,
            "entered_system_at": taken,
            "received_at_legal": taken,
            "arrival_number": {"year": 2026, "number": 7} if came.statuses else None,
            "attachments": [self._attachment(n, *file) for n, file in enumerate(came.files)],
            "source": "vxp",
            "taken_undetermined": None,
            "actions": ["02", "03", "04", "05", "06"],
            "advice": None,
        }

    def _receipts(self):
        entry = {
            "index": 4,
            "entry_id": "01990000-0000-7000-b000-000000000001",
            "at": self._now(),
            "kind": "accepted",
            "body": {"document": "x"},
            "entry_hash": "ab" * 32,
            "prev_hash": "cd" * 32,
            "chain_hash": "ef" * 32,
            "inclusion": {"tree_size": 5, "leaf_index": 4, "hashes": [], "root": "00" * 32},
        }
        unsequenced = entry | dict.fromkeys(("index", "prev_hash", "chain_hash", "inclusion"))
        return {"entries": [entry, unsequenced], "tree_head": "jws", "acceptance": "jws"}

    def _verification(self):
        if self.verification is not None:
            return self.verification
        report = {
            "verdict": "unsigned",
            "sha256": "ab" * 32,
            "size_bytes": 3,
            "verified_at": self._now(),
            "trust_sha256": "cd" * 32,
            "engine": "fake 1",
            "signatures": [],
            "notes": [{"code": "none", "vi": "không", "en": "none"}],
            "secrecy_marks": [],
        }
        files = [{"index": 0, "name": "a.pdf", "report": report, "scan": None}]
        return {"verdict": "unsigned", "legal_class": "tham khảo", "files": files}
