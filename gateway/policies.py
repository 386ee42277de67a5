"""Settings become what the programs and adapters are given: policy, limits, peers, agencies.

Pure but for `adapter_of`, which reads a secret file. Every setting that a program obeys is named
here or in `gateway.app`, and nowhere else.
"""

import ssl
from typing import TYPE_CHECKING, Final

from gateway.codec.limits import Limits
from gateway.config import Agency, Peer, Settings
from gateway.dialects import dialect
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.delivery import Lane, Schedule
from gateway.domain.marking import marked
from gateway.domain.paper import PaperRule
from gateway.domain.worktime import IssueDeadline
from gateway.keys.peersecret import PeerSecret
from gateway.keys.receiptkey import KeyPlace
from gateway.ports import Adapter, AgencyRecord, Clock
from gateway.programs.admission import Bounds
from gateway.programs.clerk.draftcheck import ClerkPolicy
from gateway.programs.context import PeerPolicy, Policy
from gateway.programs.retention import Ages
from gateway.rules.facts import Policy as RulePolicy
from gateway.scanner.clamd import Clamd, address_of
from gateway.secrets import read_secret_file
from gateway.verifier.fetch import FetchPolicy

if TYPE_CHECKING:
    from gateway.store.objects import Bucket

_OWN: Final[dict[str, tuple[str, ...]]] = {
    "vxp": ("hash_form",),
    "bkav": ("variant",),
    "langson": ("variant", "username", "application_code"),
    "wso2": ("variant", "token_endpoint"),
}
"""Settings of a peer that one dialect alone understands."""
_ASKING: Final = 4
"""Connections to a peer besides those of parcels under way: listing, fetching, acknowledging."""


def limits_of(settings: Settings) -> Limits:
    """Return the packet limits the settings ask for."""
    return Limits(packet_bytes=int(settings.http.max_packet_bytes))


def bucket_of(settings: Settings) -> "Bucket | None":
    """Return the object store the settings ask for, None where blobs lie in a folder."""
    blobs = settings.blobs
    if blobs.url is None:
        return None
    from gateway.store.objects import Bucket

    name, _, prefix = blobs.url.removeprefix("s3://").partition("/")
    return Bucket(
        name,
        prefix,
        endpoint=blobs.endpoint or "",
        region=blobs.region,
        access_key=read_secret_file(blobs.access_key_file) if blobs.access_key_file else "",
        secret_key=read_secret_file(blobs.secret_key_file) if blobs.secret_key_file else "",
        timeout=blobs.timeout,
        certificates=blobs.ca_file.read_text(encoding="utf-8") if blobs.ca_file else "",
        plain=blobs.allow_http,
    )


def policy_of(settings: Settings) -> Policy:
    """Return the programs' policy the settings ask for."""
    retry = settings.retry
    lanes = {
        Lane.EXPRESS_TIMED: retry.express_timed,
        Lane.EXPRESS: retry.express,
        Lane.VERY_URGENT: retry.very_urgent,
        Lane.URGENT: retry.urgent,
        Lane.NORMAL: retry.normal,
    }
    return Policy(
        hub_code=settings.gateway.code,
        hub_name=settings.gateway.name,
        document_id_form=settings.numbering.document_id_form,
        outgoing_invalid=settings.policy.outgoing_invalid,
        outgoing_indeterminate=settings.policy.outgoing_indeterminate,
        outgoing_unsigned=settings.policy.outgoing_unsigned,
        verify_budget=settings.verify.budget,
        recheck_every=settings.verify.recheck_every,
        recheck_for=settings.verify.recheck_for,
        sent_ack=settings.policy.sent_ack,
        recall_agree=settings.policy.recall_agree,
        training=settings.console.training,
        keep_keys=settings.retention.idempotency_keys,
        max_clock_offset=settings.clock.hold_over,
        limits=limits_of(settings),
        rules=RulePolicy(
            allowed=frozenset(settings.formats.allow),
            denied=frozenset(settings.formats.deny),
            appearance=settings.policy.appearance,
            seal_mm=(settings.policy.seal_mm_least, settings.policy.seal_mm_most),
            overlap=(settings.policy.overlap_least, settings.policy.overlap_most),
            must_scan=settings.scan.mode == "required",
            max_code_length=min((p.max_code_length for p in settings.peers), default=35),
        ),
        schedules={
            lane: Schedule(
                first=row.first,
                longest=row.longest,
                factor=row.factor,
                jitter=row.jitter,
                give_up_after=row.give_up_after,
            )
            for lane, row in lanes.items()
        },
        breaker=BreakerPolicy(
            failures=settings.breaker.failures,
            window=settings.breaker.window,
            ratio=settings.breaker.ratio,
            first=settings.breaker.first,
            longest=settings.breaker.longest,
            urgent_every=settings.breaker.urgent_every,
        ),
    )


def ages_of(settings: Settings) -> Ages:
    """Return how long each class of data is kept."""
    kept = settings.retention
    return Ages(
        packets=kept.packets,
        files=kept.files,
        parcels=kept.parcels,
        reports=kept.reports,
        recalled=kept.recalled,
    )


def bounds_of(settings: Settings) -> Bounds:
    """Return how much the settings let us take on."""
    given = settings.admission
    return Bounds(
        backlog=given.max_backlog,
        oldest=given.max_oldest,
        outbox=given.max_outbox,
        slow_commit=given.slow_commit,
        disk_bytes=int(given.disk_floor),
        disk_percent=given.disk_floor_percent,
        urgent_share=given.urgent_share,
        caller_share=given.caller_share,
    )


def adapter_of(peer: Peer, clock: Clock) -> Adapter:
    """Return the adapter of a peer."""
    own = {name: value for name in _OWN[peer.dialect] if (value := getattr(peer, name))}
    if peer.dialect == "langson" and peer.password_file is not None:
        own["password"] = read_secret_file(peer.password_file)
    if peer.dialect == "wso2" and peer.unit_secret_file is not None:
        own["unit_secret"] = read_secret_file(peer.unit_secret_file)
    return dialect(peer.dialect).make_client(
        name=peer.id,
        endpoint=str(peer.endpoint),
        system_id=peer.system_id,
        secret=PeerSecret(peer.id, peer.secret_file, clock.now),
        clock=clock,
        connections=peer.max_in_flight + _ASKING,
        max_packet_bytes=int(peer.max_bytes),
        silence_s=peer.timeout.total_seconds(),
        ssl_context=_tls_of(peer),
        **own,
    )


def _tls_of(peer: Peer) -> ssl.SSLContext | None:
    """Return how a peer's server is checked and what we show it; None for the system's way."""
    if peer.ca_file is None and peer.certificate_file is None:
        return None
    context = ssl.create_default_context(cafile=peer.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if peer.certificate_file is not None:
        context.load_cert_chain(peer.certificate_file, peer.key_file)
    return context


def scanner_of(settings: Settings, clock: Clock) -> Clamd | None:
    """Return the malware scanner the settings ask for, None where nobody scans."""
    scan = settings.scan
    if scan.mode == "off":
        return None
    return Clamd(
        address_of(scan.clamd),
        max_bytes=int(scan.max_bytes),
        timeout=scan.timeout,
        max_age=scan.max_age,
        connections=scan.connections,
        now=clock.now,
    )


def receipt_keys_of(settings: Settings) -> KeyPlace:
    """Return where receipt keys are."""
    told = settings.receipts
    return KeyPlace(told.key or str(told.key_file), told.pin_file, told.ring_file)


def peer_policy_of(peer: Peer) -> PeerPolicy:
    """Return the programs' view of a peer."""
    return PeerPolicy(
        max_bytes=int(peer.max_bytes),
        poll=peer.poll_every,
        receipt_01_by=peer.receipt_01_by,
        concurrency=peer.max_in_flight,
        timeout=peer.timeout,
        codes_behind=tuple(peer.codes_behind),
        recall_by=peer.recall_by,
    )


def record_of(agency: Agency) -> AgencyRecord:
    """Return a seeded agency as administration keeps it."""
    return AgencyRecord(
        code=agency.code,
        name=agency.name,
        legacy_code=agency.legacy_code or "",
        parent=agency.parent or "",
        mail=agency.mail,
        connected=agency.connected,
        console=agency.console,
        numbered_by=agency.numbered_by,
        successor=agency.successor or "",
        status=agency.status,
    )


def issuer_of(settings: Settings) -> str:
    """Return the name under which this gateway gives out bundles; a training one's says so."""
    name = settings.gateway.name or settings.gateway.code
    return marked(name, training=settings.console.training)


def clerk_policy_of(settings: Settings) -> ClerkPolicy:
    """Return what the operator set about sending by form."""
    told = settings.console
    return ClerkPolicy(
        paper=tuple(
            PaperRule(tuple(r.receivers), r.types, r.purpose, r.source) for r in told.paper_rules
        ),
        deadline=IssueDeadline(told.issue_deadline),
        follow_up_after=told.follow_up_after,
    )


def fetch_policy_of(settings: Settings) -> FetchPolicy:
    """Return where revocation information may be fetched."""
    revocation = settings.verify.revocation
    return FetchPolicy(
        urls=revocation.urls,
        ocsp=revocation.ocsp,
        hosts=revocation.hosts,
        private=revocation.private,
        host_map=revocation.host_map,
        proxy=revocation.proxy,
        timeout=revocation.timeout,
        max_bytes=int(revocation.max_bytes),
    )
