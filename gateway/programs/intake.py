"""intake: an agency's submission becomes a committed consignment, or a clear refusal.

1. read and store the bytes; 2. the sender is the caller; 3. the same key or the same document again
gets the earlier answer; 4. rules; 5. verdict on every file, within the budget; 6. one transaction:
consignment, identifier, deliveries, receipt entry, outbox; only then the answer.

A crash before 6 leaves blobs no row names; after 6 the sender repeats and gets the same answer.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from gateway import faults, observe
from gateway.domain.consignment import (
    Earlier,
    PlannedDelivery,
    Repeat,
    RepeatJudgement,
    content_digest,
    judge_repeat,
    plan_deliveries,
)
from gateway.domain.document_id import render_document_id
from gateway.domain.envelope import Attachment, Envelope, Header, ManifestEntry
from gateway.domain.finding import Finding, Severity, errors
from gateway.domain.lifecycle import ConsignmentState, DeliveryState
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Accepted, Caller, FormFile, Row, SubmitOptions
from gateway.programs import acceptance, quarantine
from gateway.programs.catalogue import family, today, whois
from gateway.programs.context import Context
from gateway.programs.judging import judge, refuse_all
from gateway.programs.reading import HEAD_BYTES, ReadPacket, read_document
from gateway.programs.rows import dumps
from gateway.programs.verifying import Verdicts, verify_files

_RACES = 5


class Intake:
    """Takes submissions; many at a time, each on its own."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._in_flight: set[tuple[str, str]] = set()

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
            body = hashlib.sha256(read.received.sha256.encode())
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
                raise RejectedError(Reason.LIMIT_EXCEEDED, "too many files")
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
        fields = acceptance.header_json(header)
        received = await context.blobs.put(dumps(fields).encode())
        manifest = tuple(
            ManifestEntry(a.content_id, a.content_type, a.description, a.name) for a in attachments
        )
        return ReadPacket(Envelope(header, manifest, tuple(attachments)), (), received, heads)

    # ------------------------------------------------------------ who and again

    def _check_declared(self, caller: Caller, options: SubmitOptions) -> None:
        if options.declared_from is not None:
            self._check_sender(caller, options.declared_from)

    def _check_sender(self, caller: Caller, written: str) -> str:
        """Return the canonical sender; the sender in a document is the authenticated caller."""
        who = whois(self._context, written)
        for canonical in (who.canonical, who.successor):
            if canonical and canonical in caller.speaks_for:
                return canonical
        raise RejectedError(
            Reason.SENDER_NOT_CALLER,
            f"sender {written[:40]!r} is not an agency that {caller.system_id} speaks for",
        )

    def _only_one(self, caller: Caller, options: SubmitOptions) -> "_InFlight":
        key = options.idempotency_key
        return _InFlight(self._in_flight, (caller.system_id, key) if key is not None else None)

    async def _by_key(
        self, caller: Caller, options: SubmitOptions, body_sha256: str
    ) -> Accepted | None:
        if options.idempotency_key is None:
            return None
        row = await self._context.ledger.one(
            "idempotency", system_id=caller.system_id, key=options.idempotency_key
        )
        if row is None:
            return None
        if row["body_sha256"] != body_sha256:
            raise RejectedError(Reason.IDEMPOTENCY_REUSED)
        found = await self._context.ledger.one("consignment", id=row["consignment_id"])
        return None if found is None else acceptance.repeated(found)

    # ------------------------------------------------------------ the decision

    async def _take(
        self, caller: Caller, read: ReadPacket, options: SubmitOptions, body_sha256: str
    ) -> Accepted:
        began = asyncio.get_running_loop().time()
        try:
            for _ in range(_RACES):
                done = await self._attempt(caller, read, options, body_sha256)
                if done is not None:
                    faults.reach("intake.before-answer")
                    observe.document_accepted(
                        consignment_id=done.id,
                        system_id=caller.system_id,
                        via=options.via,
                        size_bytes=read.received.size_bytes,
                        deliveries=len(read.envelope.header.recipients),
                        verdict="",
                        wait_s=asyncio.get_running_loop().time() - began,
                        replayed=done.replayed,
                    )
                    return done
        except RejectedError as exc:
            observe.document_refused(
                system_id=caller.system_id,
                via=options.via,
                reason=exc.reason,
                rules=sorted({f.rule for f in exc.findings}),
            )
            raise
        raise RejectedError(Reason.IN_FLIGHT)

    async def _attempt(
        self, caller: Caller, read: ReadPacket, options: SubmitOptions, body_sha256: str
    ) -> Accepted | None:
        """Decide once; None when another submission changed the facts meanwhile."""
        context = self._context
        header = read.envelope.header
        sender = self._check_sender(caller, header.sender.organ_id)
        replay = await self._by_key(caller, options, body_sha256)
        if replay is not None:
            return replay
        planned = plan_deliveries(header.recipients, context.directory(), today(context))
        now = context.clock.now()
        verdicts = await self._verdicts(read, now)
        findings = (
            *read.findings,
            *await judge(context, caller, read, options, verdicts, "out"),
            *(refuse_all(planned) if options.all_or_nothing else ()),
        )
        await self._refuse_secret(caller, read, findings)
        if bad := errors(findings):
            only_signatures = all(f.rule.startswith("SIG-") for f in bad)
            reason = Reason.SIGNATURE_INVALID if only_signatures else Reason.RULES_BROKEN
            raise RejectedError(reason, findings=(*bad, *_rest(findings)))
        envelope = self._identified(read.envelope, sender)
        judged, earlier = await self._repeat_of(envelope, sender, planned)
        if judged.kind is Repeat.SAME and earlier is not None:
            return acceptance.repeated(earlier)
        if judged.kind is Repeat.CONFLICT:
            raise _conflict(earlier)
        chosen = tuple(p for p in planned if p.agency in judged.agencies)
        wanted = acceptance.Wanted(
            caller=caller,
            options=options,
            envelope=envelope,
            received=read.received,
            sender=sender,
            digest=content_digest(envelope),
            version=judged.version,
            planned=chosen,
            findings=findings,
            verdicts=verdicts,
            body_sha256=body_sha256,
        )
        if judged.kind is Repeat.MORE_RECIPIENTS and earlier is not None:
            return await acceptance.extend(context, wanted, earlier)
        return await acceptance.commit(context, wanted)

    def _identified(self, envelope: Envelope, sender: str) -> Envelope:
        """Return the envelope with its identifier; "" where the ordinal must be taken first."""
        header = envelope.header
        if header.document_id.strip():
            return envelope  # verbatim: it is the sender's own
        if self._context.policy.document_id_form == "code,year,ordinal":
            return envelope
        assert header.promulgation_date is not None  # a rule refused its absence
        made = render_document_id(
            sender, header.promulgation_date, header.code_number, header.code_notation
        )
        return _with_id(envelope, made)

    async def _repeat_of(
        self, envelope: Envelope, sender: str, planned: tuple[PlannedDelivery, ...]
    ) -> tuple[RepeatJudgement, Row | None]:
        """Compare with what is on record under this identifier (DID-07)."""
        context = self._context
        digest = content_digest(envelope)
        agencies = [p.agency for p in planned]
        business = envelope.header.business.doc_type
        document_id = envelope.header.document_id
        versions = (
            await context.ledger.all(
                "consignment_versions", senders=family(context, sender), document_id=document_id
            )
            if document_id
            else []
        )
        versions = [v for v in versions if v["state"] != ConsignmentState.REFUSED.value]
        row = next((v for v in versions if v["digest"] == digest), None)
        row = row or (versions[-1] if versions else None)
        if row is None:
            return judge_repeat(None, digest, agencies, business), None
        # Recipients of any version count: a resend to one of them is a resend of that document.
        states: dict[str, DeliveryState] = {}
        for version in versions if row["digest"] != digest else [row]:
            for d in await context.ledger.all("deliveries", consignment_id=version["id"]):
                states[d["agency"]] = DeliveryState(d["state"])
        newest = max(v["version"] for v in versions)
        earlier = Earlier(
            row["digest"], row["version"] if row["digest"] == digest else newest, states
        )
        return judge_repeat(earlier, digest, agencies, business), row

    async def _verdicts(self, read: ReadPacket, now: datetime) -> Verdicts | None:
        """Return the verdicts, None when the budget is over: `issue` will ask again."""
        context = self._context
        try:
            async with asyncio.timeout(context.policy.verify_budget.total_seconds()):
                return await verify_files(context, read.envelope.attachments, now)
        except (TimeoutError, UnavailableError):
            return None

    async def _refuse_secret(
        self, caller: Caller, read: ReadPacket, findings: tuple[Finding, ...]
    ) -> None:
        """SEC-01 (S003 art 1.2, 12.1): no document with a secrecy level passes."""
        secret = tuple(f for f in findings if f.rule == "SEC-01" and f.severity is Severity.ERROR)
        if secret:
            await quarantine.shut_away(self._context, caller, read)
            raise RejectedError(Reason.SECRECY, findings=secret)


def _with_id(envelope: Envelope, document_id: str) -> Envelope:
    return replace(envelope, header=replace(envelope.header, document_id=document_id))


def _rest(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    bad = set(errors(findings))
    return tuple(f for f in findings if f not in bad)


def _conflict(earlier: Row | None) -> RejectedError:
    where = earlier["document_id"] if earlier else ""
    return RejectedError(
        Reason.CONFLICT,
        f"document {where!r} was accepted with other content as {earlier['id'] if earlier else ''}",
        findings=(_conflict_finding(where),),
    )


def _conflict_finding(document_id: str) -> Finding:
    return Finding(
        "DID-07",
        Severity.ERROR,
        "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/DocumentId",
        f"Mã định danh {document_id} đã được gửi với nội dung khác. Gửi bản mới bằng loại nghiệp "
        "vụ cập nhật hoặc thay thế, hoặc dùng mã định danh khác.",
        f"Identifier {document_id} was already sent with other content. Send it as an update or "
        "replacement, or under another identifier.",
        "R10",
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
