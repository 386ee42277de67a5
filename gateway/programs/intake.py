"""intake: an agency's submission becomes a committed consignment, or a clear refusal.

1. read and store the bytes; 2. the sender is the caller; 3. the same key or the same document again
gets the earlier answer; 4. rules; 5. verdict on every file, within the budget; 6. one transaction:
consignment, identifier, deliveries, receipt entry, outbox; only then the answer.

A crash before 6 leaves blobs no row names; after 6 the sender repeats and gets the same answer.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway import faults, observe
from gateway.codec.edxml import header_to_json
from gateway.codec.refusal import over_limit
from gateway.domain.consignment import PlannedDelivery, Repeat, plan_deliveries
from gateway.domain.envelope import Attachment, BusinessType, Envelope, Header, ManifestEntry
from gateway.domain.finding import Finding, Severity, errors
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import (
    Accepted,
    Caller,
    ChangeSet,
    Conflict,
    FormFile,
    Row,
    SubmitOptions,
)
from gateway.programs import acceptance, forwarding, quarantine, repeats, scanning
from gateway.programs.catalogue import today, whois
from gateway.programs.context import Context
from gateway.programs.extension import extend
from gateway.programs.judging import judge, refuse_all
from gateway.programs.reading import HEAD_BYTES, ReadPacket, read_document
from gateway.programs.recipients import check_number
from gateway.programs.rows import dumps
from gateway.programs.verifying import Verdicts, signed_packet, verify_files
from gateway.rules.facts import MESSAGE_HEADER

_RACES = 20
_URGENT = 1  # khẩn and above


async def _nothing_more(_: str) -> None:
    return


class Intake:
    """Takes submissions; many at a time, each on its own.

    `on_recall` is told of each document that takes another back (type 1), once it is committed.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._in_flight: set[tuple[str, str]] = set()
        self.on_recall: Callable[[str], Awaitable[None]] = _nothing_more

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        """Take an edXML document; see `ports.FrontDoor.submit`."""
        self._check_declared(caller, options)
        with self._only_one(caller, options):
            read = await read_document(self._context, packet, check=options.check_sha256)
            return await self._take(caller, read, options, read.received.sha256)

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        """Take a document as fields and files; see `ports.FrontDoor.submit_form`."""
        with self._only_one(caller, options):
            read = await self._read_form(header, files)
            body = hashlib.sha256(f"{read.received.sha256}{options.secrecy}\n".encode())
            for attachment in read.envelope.attachments:
                body.update(f"{attachment.name}\0{attachment.sha256}\n".encode())
            return await self._take(caller, read, options, body.hexdigest())

    # ------------------------------------------------------------ reading

    async def _read_form(self, header: Header, files: AsyncIterator[FormFile]) -> ReadPacket:
        """Store uploaded files; the received "packet" of a form is its fields as JSON."""
        context = self._context
        attachments: list[Attachment] = []
        heads: dict[int, bytes] = {}
        async for file in files:
            index = len(attachments)
            if index >= context.policy.limits.attachments:
                raise over_limit(
                    "số tệp đính kèm", "attachments", context.policy.limits.attachments
                )
            writer = context.blobs.writer()
            head = b""
            try:
                async for data in file.chunks:
                    writer.write(data)
                    head += data[: HEAD_BYTES - len(head)]
                info = await writer.finish()
            finally:
                writer.abort()
            heads[index] = head
            attachments.append(acceptance.uploaded(index, file, info))
        # Blanks around an identifier do not survive edXML: everyone compares the same text.
        header = replace(header, document_id=header.document_id.strip())
        received = await context.blobs.put(dumps(header_to_json(header)).encode())
        manifest = tuple(
            ManifestEntry(a.content_id, a.content_type, a.description, a.name) for a in attachments
        )
        return ReadPacket(Envelope(header, manifest, tuple(attachments)), (), received, heads)

    # ------------------------------------------------------------ who and again

    def _check_declared(self, caller: Caller, options: SubmitOptions) -> None:
        if options.declared_from is not None:
            self._check_sender(caller, options.declared_from)

    def _check_sender(self, caller: Caller, written: str) -> str:
        """Return the canonical sender; the sender in a document is the authenticated caller.

        A closed code may be written by who took over: the rules then say which code to use, and a
        repeat still gets its answer.
        """
        who = whois(self._context, written)
        if who.canonical in caller.speaks_for or who.successor in caller.speaks_for:
            return who.canonical
        raise RejectedError(
            Reason.SENDER_NOT_CALLER,
            f"sender {written[:40]!r} is not an agency that {caller.system_id} speaks for",
            findings=(_foreign(written[:40]),),
        )

    def _only_one(self, caller: Caller, options: SubmitOptions) -> "_InFlight":
        key = options.idempotency_key
        return _InFlight(self._in_flight, (caller.system_id, key) if key is not None else None)

    async def _by_key(self, work: "_Work") -> Accepted | None:
        key = work.options.idempotency_key
        if key is None:
            return None
        ledger = self._context.ledger
        row = await ledger.one("idempotency", system_id=work.caller.system_id, key=key)
        if row is None:
            return None
        if row["body_sha256"] != work.body_sha256:
            raise RejectedError(
                Reason.IDEMPOTENCY_REUSED,
                "this Idempotency-Key was used for another body: give every document its own",
            )
        found = await ledger.one("consignment", id=row["consignment_id"])
        if found is None:
            return None
        return await repeats.replay(self._context, found, work.agencies, row)

    async def _same(self, work: "_Work", earlier: Row) -> Accepted | None:
        """Return the earlier answer, and remember the key this repeat came with."""
        key = work.options.idempotency_key
        if key is not None:
            now = self._context.clock.now()
            row = acceptance.key_row(
                work.caller.system_id, key, work.body_sha256, earlier["id"], now
            )
            free = acceptance.key_is_free(work.caller, key)
            result = await self._context.ledger.commit(ChangeSet(rows=(row,), guards=(free,)))
            if isinstance(result, Conflict):
                return None
        return await repeats.replay(self._context, earlier, work.agencies)

    # ------------------------------------------------------------ the decision

    async def _take(
        self, caller: Caller, read: ReadPacket, options: SubmitOptions, body_sha256: str
    ) -> Accepted:
        began = asyncio.get_running_loop().time()
        try:
            work = self._work(caller, read, options, body_sha256)
            done = await self._decide(work)
        except RejectedError as exc:
            observe.document_refused(
                system_id=caller.system_id,
                via=options.via,
                reason=exc.reason,
                rules=sorted({f.rule for f in exc.findings}),
            )
            raise
        faults.reach("intake.before-answer")
        observe.document_accepted(
            consignment_id=done.id,
            system_id=caller.system_id,
            via=options.via,
            size_bytes=read.received.size_bytes,
            deliveries=len(work.planned),
            verdict=work.verdict,
            wait_s=asyncio.get_running_loop().time() - began,
            replayed=done.replayed,
        )
        if work.read.envelope.header.business.doc_type is BusinessType.RECALL:
            await self.on_recall(done.id)
        return done

    def _work(
        self, caller: Caller, read: ReadPacket, options: SubmitOptions, body_sha256: str
    ) -> "_Work":
        context = self._context
        if options.replace_closed:
            header, notes = forwarding.replaced(context, read.envelope.header)
            envelope = replace(read.envelope, header=header)
            read = replace(read, envelope=envelope, findings=(*read.findings, *notes))
            # Another wish than the same bytes without it: a key stands for one of them.
            body_sha256 = hashlib.sha256(f"{body_sha256} replace_closed".encode()).hexdigest()
        header = read.envelope.header
        sender = self._check_sender(caller, header.sender.organ_id)
        identity = repeats.identify(context, read.envelope, sender)
        planned = plan_deliveries(header.recipients, context.directory(), today(context))
        check_number(p.agency for p in planned)
        return _Work(caller, read, options, body_sha256, identity, planned)

    async def _decide(self, work: "_Work") -> Accepted:
        for _ in range(_RACES):
            done = await self._attempt(work)
            if done is not None:
                return done
        raise RejectedError(Reason.IN_FLIGHT, "the same document is being submitted many times")

    async def _attempt(self, work: "_Work") -> Accepted | None:
        """Decide once; None when another submission changed the facts meanwhile."""
        context = self._context
        # (3) a repeat costs neither rules nor verdict: what was accepted stays accepted
        replay = await self._by_key(work)
        if replay is not None:
            return replay
        known = await repeats.look(context, work.identity, work.planned)
        same = known.judgement.kind is Repeat.SAME and not work.options.secrecy
        if same and known.earlier is not None:
            return await self._same(work, known.earlier)
        # (4) rules, (5) verdict
        if work.findings is None:
            context.gatekeeper.known(urgent=work.read.envelope.header.urgency >= _URGENT)
            work.verdicts = await self._verdicts(work.read, context.clock.now())
            work.findings = await self._judged(work, known)
        chosen = tuple(p for p in work.planned if p.agency in known.judgement.agencies)
        findings = work.findings
        if work.options.all_or_nothing:
            findings = refuse_all(work.read.envelope.header, chosen, findings)
        await self._refuse(work, known, findings)
        _nobody_there(work)
        # (6) one transaction
        wanted = acceptance.Wanted(
            caller=work.caller,
            options=work.options,
            identity=work.identity,
            known=known,
            received=work.read.received,
            planned=chosen,
            findings=findings,
            verdicts=work.verdicts,
            body_sha256=work.body_sha256,
        )
        if known.judgement.kind is Repeat.MORE_RECIPIENTS and known.earlier is not None:
            return await extend(context, wanted, known.earlier)
        return await acceptance.commit(context, wanted)

    async def _verdicts(self, read: ReadPacket, now: datetime) -> Verdicts | None:
        """Return the verdicts, None when the budget is over: `issue` will ask again."""
        context = self._context
        try:
            async with asyncio.timeout(context.policy.verify_budget.total_seconds()):
                lane = int(read.envelope.header.urgency)
                packet = signed_packet(read.envelope, read.received)
                files = read.envelope.attachments
                found = await verify_files(
                    context, files, now, lane=lane, packet=packet, received=read.received
                )
                return None if scanning.is_owed(context, found) else found
        except (TimeoutError, UnavailableError):
            return None

    async def _judged(self, work: "_Work", known: repeats.Known) -> tuple[Finding, ...]:
        read, compared = work.read, (work.identity, known)
        found = await judge(
            self._context, work.caller, read, work.options, work.verdicts, "out", compared
        )
        return (*read.findings, *acceptance.let_out(work.options.via, found))

    async def _refuse(
        self, work: "_Work", known: repeats.Known, findings: tuple[Finding, ...]
    ) -> None:
        """Refuse what may not be sent, with everything that is wrong with it."""
        bad = errors(findings)
        rest = tuple(f for f in findings if f.severity is not Severity.ERROR)
        if any(f.rule == "SEC-01" for f in bad):
            # SEC-01 (S003 art 1.2, 12.1): no document with a secrecy level passes.
            await quarantine.shut_away(self._context, work.caller, work.read)
            raise RejectedError(Reason.SECRECY, findings=(*bad, *rest))
        if known.judgement.kind is Repeat.CONFLICT and known.earlier is not None:
            raise _conflict(known.earlier, (*bad, *rest))
        if bad:
            only_signatures = all(f.rule.startswith("SIG-") for f in bad)
            reason = Reason.SIGNATURE_INVALID if only_signatures else Reason.RULES_BROKEN
            raise RejectedError(reason, findings=(*bad, *rest))
        if work.identity.unusable is not None:
            raise work.identity.unusable


def _nobody_there(work: "_Work") -> None:
    """Refuse a document that can go to nobody, where its caller would never hear of it (ID-09)."""
    if work.options.reachable:
        reasons = [planned.reason for planned in work.planned]
        if reasons and reasons[0] is not None and None not in reasons:
            raise RejectedError(reasons[0], findings=work.findings or ())


@dataclass(slots=True)
class _Work:
    """One submission being decided; verdict and findings are found once, whatever the races."""

    caller: Caller
    read: ReadPacket
    options: SubmitOptions
    body_sha256: str
    identity: repeats.Identity
    planned: tuple[PlannedDelivery, ...]
    verdicts: Verdicts | None = None
    findings: tuple[Finding, ...] | None = None

    @property
    def agencies(self) -> tuple[str, ...]:
        """Return the canonical codes of its recipients."""
        return tuple(p.agency for p in self.planned)

    @property
    def verdict(self) -> str:
        """Return the verdict for the log."""
        return self.verdicts.verdict.value if self.verdicts else "pending"


def _foreign(written: str) -> Finding:
    return Finding(
        "ID-09",
        Severity.ERROR,
        f"{MESSAGE_HEADER}/From/OrganId",
        f"Đơn vị gửi “{written}” không phải đơn vị mà hệ thống gọi được gửi thay. Sửa mã gửi, hoặc "
        "gửi bằng tài khoản của đơn vị đó.",
        f"The sender “{written}” is not an agency the calling system speaks for. Correct the code, "
        "or send with that agency's own account.",
        "R09",
    )


def _conflict(earlier: Row, others: tuple[Finding, ...]) -> RejectedError:
    document_id = earlier["document_id"] or ""
    finding = Finding(
        "DID-07",
        Severity.ERROR,
        f"{MESSAGE_HEADER}/DocumentId",
        f"Mã định danh {document_id} đã được gửi với nội dung khác. Gửi bản mới bằng loại nghiệp "
        "vụ cập nhật hoặc thay thế, hoặc dùng mã định danh khác.",
        f"Identifier {document_id} was already sent with other content. Send it as an update or "
        "replacement, or under another identifier.",
        "R10",
    )
    return RejectedError(
        Reason.CONFLICT,
        f"document {document_id!r} was accepted with other content as {earlier['id']}",
        findings=(finding, *others),
    )


class _InFlight:
    """Holds an idempotency key while its first request is being handled."""

    def __init__(self, keys: set[tuple[str, str]], key: tuple[str, str] | None) -> None:
        self._keys = keys
        self._key = key

    def __enter__(self) -> None:
        if self._key is not None:
            if self._key in self._keys:
                raise RejectedError(Reason.IN_FLIGHT)
            self._keys.add(self._key)

    def __exit__(self, *_: object) -> None:
        if self._key is not None:
            self._keys.discard(self._key)
