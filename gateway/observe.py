"""What operations see: one function per fact, each a structured line and a metric beside it.

Facts carry ids, codes, counts and times; never content, names, file names, keys or query strings
(style.md "Logs"). Before `configure` everything is silent, so importing has no side effects;
metrics count all the same. Lines go to one stream, a JSON object each, times ISO 8601 `+07:00`.
Nothing here is evidence: audit facts are rows of the ledger. A crash loses at most the line being
written.

A disabled fact costs a comparison and its counters (about 5 µs), a written one about 25 µs.
"""

import json as jsonlib
import logging
import math
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from pathlib import PurePath
from typing import Any, ClassVar, Final, TextIO, cast

import structlog

from gateway import measures

VIETNAM: Final = timezone(timedelta(hours=7))

_TEXT_MAX: Final = 200
_TOLD_AGAIN_S: Final = 60.0
_SILENT: Final = logging.CRITICAL + 1
_request_id: ContextVar[str] = ContextVar("vanlien_request_id", default="")

# ---------------------------------------------------------------- set-up


class _Sink:
    """Where facts go: the level below which they are dropped, and the logger above it."""

    level: int = _SILENT
    logger: Any = None
    stumbles: ClassVar[dict[tuple[str, type], "_Stumbles"]] = {}


class _Stumbles:
    """How often one program failed in one way since that was last written down."""

    def __init__(self) -> None:
        self.count, self._told_at = 0, -math.inf

    def to_tell(self) -> int:
        """Count one; return how many there are to tell of, 0 while the last line is fresh.

        What is away for an hour fails programs twice a second: the log must not be full of it.
        """
        self.count += 1
        now = time.monotonic()
        if now - self._told_at < _TOLD_AGAIN_S:
            return 0
        self._told_at, count, self.count = now, self.count, 0
        return count


class _Lines:
    """A stream that is never in the way: what a full disk or a closed pipe refuses is lost.

    A fact is written after what it tells of was committed; failing then would turn an accepted
    document into an error.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        """Write, or lose it."""
        with suppress(OSError, ValueError):
            self._out.write(text)

    def flush(self) -> None:
        """Flush, or lose it."""
        with suppress(OSError, ValueError):
            self._out.flush()


def configure(json: bool, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Start writing facts.

    Args:
        json: JSON lines; else a human form for a terminal.
        level: `debug` (every request), `info`, `warning` or `error`.
        stream: Where to; standard error when None (standard output belongs to commands).
    """
    out = stream or sys.stderr
    lines = _Lines(out)
    _Sink.level = logging.getLevelNamesMapping()[level.upper()]
    _Sink.stumbles.clear()
    renderer: Any = _dump if json else structlog.dev.ConsoleRenderer(colors=out.isatty())
    _Sink.logger = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", lines)),
        processors=[_stamp, renderer] if json else [_stamp, _for_people, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_Sink.level),
    ).bind()
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Libraries)]:
        root.removeHandler(handler)
    root.addHandler(_Libraries(logging.WARNING))


def silence() -> None:
    """Stop writing facts; metrics go on."""
    _Sink.level = _SILENT
    _Sink.logger = None
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Libraries)]:
        root.removeHandler(handler)


def bind_request(request_id: str) -> None:
    """Put this request's id on every fact of the current task."""
    _request_id.set(request_id)


_encode: Final = jsonlib.JSONEncoder(
    ensure_ascii=False, check_circular=False, default=str, separators=(",", ":")
).encode


def _dump(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return _encode(event)


def _stamp(_: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line: dict[str, Any] = {
        "at": datetime.now(VIETNAM).isoformat(timespec="milliseconds"),
        "level": level,
        "event": event.pop("event"),
    }
    if request_id := _request_id.get():
        line["request_id"] = request_id
    # A failure is told by its class and place: its message may hold content.
    if (failure := event.pop("failure", None)) is not None:
        line |= {"error": type(failure).__name__, "stack": _frames(failure)}
    line |= {key: value for key, value in event.items() if value is not None}
    # A reason is the only free text: a peer may have worded it.
    reason = line.get("reason")
    if reason is not None and len(reason) > _TEXT_MAX:
        line["reason"] = reason[:_TEXT_MAX] + "…"
    return line


def _for_people(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # The terminal form has an idea of its own of what "stack" is.
    if (frames := event.pop("stack", None)) is not None:
        event["where"] = " < ".join(reversed(frames))
    return event


def _debug(event: str, facts: Mapping[str, Any]) -> None:
    if _Sink.level <= logging.DEBUG:
        _Sink.logger.debug(event, **facts)


def _info(event: str, facts: Mapping[str, Any]) -> None:
    if _Sink.level <= logging.INFO:
        _Sink.logger.info(event, **facts)


def _warn(event: str, facts: Mapping[str, Any]) -> None:
    if _Sink.level <= logging.WARNING:
        _Sink.logger.warning(event, **facts)


def _error(event: str, facts: Mapping[str, Any]) -> None:
    if _Sink.level <= logging.ERROR:
        _Sink.logger.error(event, **facts)


class _Libraries(logging.Handler):
    """Warnings of libraries as facts: logger, line and template, never the values put into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a message without arguments may hold content, so it is left out."""
        template = record.msg if isinstance(record.msg, str) and record.args else None
        facts = {
            "logger": record.name,
            "line": f"{PurePath(record.pathname).name}:{record.lineno}",
            "template": template,
            "failure": record.exc_info[1] if record.exc_info else None,
        }
        if record.levelno >= logging.ERROR:
            _error("library_error", facts)
        else:
            _warn("library_warning", facts)


def _frames(failure: BaseException) -> list[str]:
    """Return where it happened, innermost last; no message, no values."""
    frames = traceback.extract_tb(failure.__traceback__)[-12:]
    return [f"{'/'.join(PurePath(f.filename).parts[-3:])}:{f.lineno} {f.name}" for f in frames]


# ---------------------------------------------------------------- documents going out

# The arguments of each function are the fields of its line: `locals()` stands first in its body.


def document_accepted(
    *,
    consignment_id: str,
    system_id: str,
    via: str,
    size_bytes: int,
    deliveries: int,
    verdict: str,
    wait_s: float,
    replayed: bool = False,
) -> None:
    """A submission was committed and answered; `wait_s` from first byte to commit."""
    facts = locals()
    measures.of(measures.replayed if replayed else measures.accepted, via).inc()
    measures.accept_s.observe(wait_s)
    _info("document_accepted", facts | {"replayed": replayed or None})


def document_refused(
    *,
    system_id: str,
    via: str,
    reason: str,
    rules: Iterable[str] = (),
    consignment_id: str | None = None,
) -> None:
    """A submission was refused under these rule ids; with an id when it had been accepted."""
    facts = locals()
    measures.of(measures.refused, via, reason).inc()
    _info("document_refused", facts | {"rules": sorted(set(rules))})


def disk_forecast(*, days: float | None) -> None:
    """In how many days the disk is full; infinity when it is not filling; no line."""
    measures.disk_days_left.set(float("inf") if days is None else days)


def put_off(*, what: str, system_id: str | None) -> None:
    """A submission was asked to come again: what there was no room in, or whose share was used."""
    facts = locals()
    measures.of(measures.put_off, what).inc()
    _info("put_off", facts)


def document_numbered(*, consignment_id: str, waited_s: float) -> None:
    """A document got its identifier, so long after acceptance."""
    facts = locals()
    measures.numbered.inc()
    _info("document_numbered", facts)


def quarantined(
    *, reason: str, consignment_id: str | None = None, arrival_id: str | None = None
) -> None:
    """A document or an arrival was set apart (SEC-01, damage)."""
    facts = locals()
    measures.of(measures.quarantined, reason).inc()
    _warn("quarantined", facts)


# ---------------------------------------------------------------- transfers


def delivery_handed_over(
    *,
    transfer_id: str,
    peer: str,
    lane: str,
    attempt: int,
    queued_s: float = 0.0,
    transfer_s: float = 0.0,
    deliveries: int | None = None,
    consignment_id: str | None = None,
) -> None:
    """A peer took it: time split in waiting and carrying."""
    facts = locals()
    measures.tried(peer, "taken", transfer_s)
    measures.of(measures.lane_wait, lane).observe(queued_s)
    _info("delivery_handed_over", facts)


def delivery_deferred(
    *,
    transfer_id: str,
    peer: str,
    lane: str,
    attempt: int,
    reason: str,
    retry_in_s: float,
    queued_s: float = 0.0,
    transfer_s: float = 0.0,
    consignment_id: str | None = None,
) -> None:
    """A peer could not take it now; it is tried again in `retry_in_s`."""
    facts = locals()
    measures.tried(peer, "deferred", transfer_s)
    measures.of(measures.lane_wait, lane).observe(queued_s)
    _info("delivery_deferred", facts)


def delivery_failed(
    *,
    transfer_id: str,
    peer: str,
    attempt: int,
    reason: str,
    consignment_id: str | None = None,
) -> None:
    """No more attempts: an operator or the sender must act. Nothing is deleted."""
    facts = locals()
    measures.tried(peer, "failed")
    _warn("delivery_failed", facts)


def delivery_requeued(*, transfer_id: str, by: str, reason: str) -> None:
    """A failed one was put back (by an operator or the janitor)."""
    facts = locals()
    _info("delivery_requeued", facts)


def breaker_opened(*, peer: str, retry_in_s: float) -> None:
    """A destination stopped answering: its transfers wait, it is asked again later (SND-15)."""
    facts = locals()
    measures.of(measures.breaker_opened, peer).inc()
    measures.of(measures.standing, f"breaker:{peer}").set(1)
    _error("breaker_opened", facts)


def breaker_closed(*, peer: str, open_s: float) -> None:
    """A destination answers again: what waited for it goes."""
    facts = locals()
    measures.of(measures.standing, f"breaker:{peer}").set(0)
    _info("breaker_closed", facts)


def destination_held(*, peer: str, held: bool) -> None:
    """An operator holds a whole destination, or let it go."""
    facts = locals()
    measures.of(measures.standing, f"held:{peer}").set(1 if held else 0)
    (_warn if held else _info)("destination_held", facts)


# ---------------------------------------------------------------- documents coming in


def arrival_received(*, arrival_id: str, peer: str, size_bytes: int) -> None:
    """Bytes and time of an arrival are committed."""
    facts = locals()
    measures.of(measures.arrivals, "received").inc()
    _info("arrival_received", facts)


def arrival_repeated(*, arrival_id: str, peer: str, conflict: bool = False) -> None:
    """The same document came again, or (`conflict`) its identifier with other content."""
    facts = locals()
    measures.of(measures.arrivals, "conflict" if conflict else "repeated").inc()
    (_warn if conflict else _info)("arrival_conflict" if conflict else "arrival_repeated", facts)


def arrival_forwarded(*, arrival_id: str, agency: str, codes: Iterable[str]) -> None:
    """It came under closed codes and was brought to who took over (ID-05)."""
    facts = locals()
    measures.of(measures.arrivals, "forwarded").inc()
    _info("arrival_forwarded", facts | {"codes": list(codes)})


def arrival_refused(*, arrival_id: str, peer: str, reason: str, rules: Iterable[str] = ()) -> None:
    """An arrival cannot be offered to anybody."""
    facts = locals()
    measures.of(measures.arrivals, "refused").inc()
    _warn("arrival_refused", facts | {"rules": sorted(set(rules))})


def arrival_offered(*, arrival_id: str, agency: str) -> None:
    """It waits for the agency's system."""
    facts = locals()
    measures.of(measures.arrivals, "offered").inc()
    _info("arrival_offered", facts)


def arrival_taken(*, arrival_id: str, agency: str, waited_s: float) -> None:
    """It entered the agency's system (RCV-06)."""
    facts = locals()
    measures.of(measures.arrivals, "taken").inc()
    _info("arrival_taken", facts)


def status_relayed(*, status_id: str, code: str, peer: str) -> None:
    """A status report left for its reader."""
    facts = locals()
    measures.of(measures.statuses, "out", code if code in measures.KNOWN_CODES else "other").inc()
    _info("status_relayed", facts)


def status_received(*, status_id: str, code: str, peer: str, matched: bool) -> None:
    """A status report came in; `matched` when we know the document it is about."""
    facts = locals()
    measures.of(measures.statuses, "in", code if code in measures.KNOWN_CODES else "other").inc()
    _info("status_received", facts)


def collected(*, peer: str, items: int) -> None:
    """A peer's list was read and its items committed."""
    facts = locals()
    measures.of(measures.collected, peer).inc(items)
    _debug("collected", facts)


def collect_failed(*, peer: str, reason: str) -> None:
    """A peer's list or item could not be read: not the same as an empty list."""
    facts = locals()
    measures.of(measures.collect_failed, peer).inc()
    _warn("collect_failed", facts)


# ---------------------------------------------------------------- verification


def file_verified(*, sha256: str, verdict: str, wait_s: float) -> None:
    """One file has a verdict."""
    facts = locals()
    measures.of(measures.verified_s, verdict).observe(wait_s)
    _debug("file_verified", facts)


def file_scanned(*, sha256: str, result: str, reason: str | None, wait_s: float) -> None:
    """One file was given to the malware scanner: `clean`, `infected` or `not-scanned` (FMT-14)."""
    facts = locals()
    measures.of(measures.scanned_s, result).observe(wait_s)
    (_warn if result == "infected" else _debug)("file_scanned", facts)


def spool_taken(*, system_id: str, kind: str, result: str) -> None:
    """A file dropped into a folder was dealt with: `accepted`, `reported` or `refused`."""
    facts = locals()
    measures.of(measures.spooled, kind, result).inc()
    _info("spool_taken", facts)


def spool_unknown(*, system_id: str, reason: str) -> None:
    """A folder moved to `in/cur` names nothing of this system's."""
    facts = locals()
    _warn("spool_unknown", facts)


def scan_owed(*, inbound_id: str, reasons: Iterable[str]) -> None:
    """A document that came in is not offered: a file of it must be scanned first (FMT-14)."""
    facts = locals()
    measures.of(measures.alarms, "scan owed").inc()
    _error("scan_owed", facts | {"reasons": sorted(reasons)})


def verifier_killed(*, sha256: str, reason: str, elapsed_s: float) -> None:
    """A verifier process hung, grew or died on this file."""
    facts = locals()
    measures.of(measures.verifier_killed, reason).inc()
    _warn("verifier_killed", facts)


def verdict_changed(*, subject: str, kind: str, before: str, after: str, late: bool) -> None:
    """A document was looked at again and judged otherwise; `late` when it was accepted already."""
    facts = locals()
    measures.of(measures.verdict_changes, before, after).inc()
    (_warn if late or after == "invalid" else _info)("verdict_changed", facts)


def verdicts_waiting(*, documents: int, since: str | None, causes: Iterable[str]) -> None:
    """So many documents have no final verdict for causes of ours: one banner, whatever the number.

    Nought when it is over; `since` is when the oldest of them came, ISO 8601.
    """
    facts = locals()
    measures.of(measures.standing, "verdicts_waiting").set(1 if documents else 0)
    (_warn if documents else _info)("verdicts_waiting", facts | {"causes": sorted(causes)})


def recheck_failed(*, subject: str, reason: str) -> None:
    """A document could not be looked at again now; it stays on the list."""
    facts = locals()
    _warn("recheck_failed", facts)


# ---------------------------------------------------------------- the house


def clock_warning(*, state: str, offset_s: float | None) -> None:
    """The clock is `unknown` or `off` (TIM-01); `held` when stamping waits for it."""
    facts = locals()
    measures.of(measures.clock_warnings, state).inc()
    _warn("clock_warning", facts)


def plain_listener_warning(*, port: int, ranges: int) -> None:
    """A listener without TLS is open to so many address ranges: a standing warning."""
    facts = locals()
    measures.of(measures.standing, "plain_listener").set(1)
    _warn("plain_listener_warning", facts)


def standing_warning(*, what: str, active: bool) -> None:
    """Something operations must see until it is over."""
    facts = locals()
    measures.of(measures.standing, what).set(1 if active else 0)
    (_warn if active else _info)("standing_warning", facts)


def backup_age(*, age_s: float) -> None:
    """How old the last good backup is; no line of its own, the alarm is one (S004 art 10.2)."""
    measures.backup_age.set(age_s)


def broker_away(*, side: str, reason: str) -> None:
    """The broker does not answer or refuses: said once. Ids wait in the ledger meanwhile."""
    facts = locals()
    measures.of(measures.alarms, "broker away").inc()
    measures.of(measures.standing, "broker").set(1)
    _error("broker_away", facts)


def broker_back(*, away_s: float) -> None:
    """The broker works again on every side; what waits in the ledger is handed on."""
    facts = locals()
    measures.of(measures.standing, "broker").set(0)
    _info("broker_back", facts)


def broker_let_go() -> None:
    """We stop while the broker is away: nothing stands any more; no line."""
    measures.of(measures.standing, "broker").set(0)


def agencies_broker_away(*, side: str, reason: str) -> None:
    """The agencies' broker does not answer or refuses: said once. What they sent waits there."""
    facts = locals()
    measures.of(measures.alarms, "agencies broker away").inc()
    measures.of(measures.standing, "agencies_broker").set(1)
    _error("agencies_broker_away", facts)


def agencies_broker_back(*, away_s: float) -> None:
    """The agencies' broker works again; what waited on either side goes on."""
    facts = locals()
    measures.of(measures.standing, "agencies_broker").set(0)
    _info("agencies_broker_back", facts)


def agencies_broker_let_go() -> None:
    """We stop while the agencies' broker is away: nothing stands any more; no line."""
    measures.of(measures.standing, "agencies_broker").set(0)


def brought(*, door: str, system_id: str, items: int) -> None:
    """So many items were brought to a system, which has yet to say that it has them."""
    facts = locals()
    _debug("brought", facts)


def queue_made(*, queue: str) -> None:
    """A queue was not there and has been made: the broker is new, or was emptied."""
    facts = locals()
    _info("queue_made", facts)


def queue_mended(*, queue: str) -> None:
    """A queue that kept nothing was deleted and made anew; the ledger fills it."""
    facts = locals()
    _info("queue_mended", facts)


def feed_rewound(*, consumer: str, was: int, cursor: int) -> None:
    """A consumer of a feed was put back: what it had is brought again, as replay."""
    facts = locals()
    _info("feed_rewound", facts)


def message_parked(*, queue: str, reason: str) -> None:
    """A message that names no work was set aside; nothing of ours is lost with it."""
    facts = locals()
    measures.of(measures.alarms, "message parked").inc()
    _error("message_parked", facts)


def report_sealed(*, level: str) -> None:
    """A printed report was sealed, or completed later: `B-LT`, `B-T`, `B-B`."""
    facts = locals()
    measures.of(measures.reports_sealed, level).inc()
    _info("report_sealed", facts)


def list_taken(*, kind: str, issuer: str, number: str, entries: int, via: str) -> None:
    """A revocation list or answer was verified and kept; `via` is `fetch` or `folder`."""
    facts = locals()
    measures.of(measures.lists_taken, via).inc()
    _info("list_taken", facts)


def list_refused(*, via: str, reason: str) -> None:
    """A revocation list or answer was not taken."""
    facts = locals()
    measures.of(measures.lists_refused, via).inc()
    _warn("list_refused", facts)


def list_fetch_failed(*, host: str, reason: str, retry_in_s: float) -> None:
    """An address of a revocation list gave nothing; asked again later."""
    facts = locals()
    measures.of(measures.lists_refused, "unfetched").inc()
    _warn("list_fetch_failed", facts)


def list_age(*, issuer: str, age_s: float, expires_in_s: float) -> None:
    """How old an authority's newest list is, and how long it is still in force; no line."""
    measures.of(measures.crl_age, issuer).set(age_s)
    measures.of(measures.crl_expires_in, issuer).set(expires_in_s)


def agency_asked(*, kind: str, system: str) -> None:
    """A system asks for an agency to be registered or closed; an operator decides."""
    _info("agency_asked", locals())


def key_taken(*, what: str, name: str) -> None:
    """A key or certificate was replaced while running; `name` is public: a kid, an end of term."""
    facts = locals()
    measures.of(measures.keys_taken, what).inc()
    _info("key_taken", facts)


def key_expires(*, what: str, in_s: float) -> None:
    """How long a certificate is still valid; no line."""
    measures.of(measures.key_expires_in, what).set(in_s)


def alarm(*, what: str, subject: str | None = None, failure: BaseException | None = None) -> None:
    """Damage or a bug of ours: evidence is kept, somebody must look."""
    facts = locals()
    measures.of(measures.alarms, what).inc()
    _error("alarm", facts)


def webhook_told(*, webhook_id: str, kind: str, tries: int, wait_s: float) -> None:
    """A message reached its receiver."""
    facts = locals()
    measures.of(measures.webhook_calls, "told").inc()
    _info("webhook_told", facts)


def webhook_failed(*, webhook_id: str, tries: int, outcome: str, retry_in_s: float) -> None:
    """A message did not reach its receiver and will be tried again."""
    facts = locals()
    measures.of(measures.webhook_calls, "failed").inc()
    _warn("webhook_failed", facts)


def webhook_dead(*, webhook_id: str, tries: int, outcome: str) -> None:
    """A message was given up: it stays on record and can be played again."""
    facts = locals()
    measures.of(measures.webhook_calls, "dead").inc()
    measures.of(measures.alarms, "webhook message dead").inc()
    _error("webhook_dead", facts)


def webhook_paused(*, webhook_id: str, why: str) -> None:
    """A subscription was paused by us: nothing is brought to it until it is resumed."""
    facts = locals()
    measures.of(measures.alarms, "webhook paused").inc()
    _error("webhook_paused", facts)


def alerts_standing(*, kind: str, state: str, count: int) -> None:
    """How many alerts of a kind stand; no line, it comes every minute."""
    measures.of(measures.alerts, kind, state).set(count)


def alert_told(*, way: str, alerts: int) -> None:
    """Somebody was told of alerts, or sent the digest of a day."""
    facts = locals()
    measures.of(measures.alerts_told, way, "told").inc()
    _info("alert_told", facts)


def alert_not_told(*, way: str, reason: str, final: bool) -> None:
    """Somebody could not be told; tried again unless it is final."""
    facts = locals()
    measures.of(measures.alerts_told, way, "failed").inc()
    _warn("alert_not_told", facts)


def program_failed(*, program: str, failure: BaseException, retry_in_s: float) -> None:
    """A background program stumbled and will go on; the same again is told once a minute."""
    facts = locals()
    measures.of(measures.alarms, f"program-{program}").inc()
    if times := _Sink.stumbles.setdefault((program, type(failure)), _Stumbles()).to_tell():
        _error("program_failed", facts | {"times": times})


def janitor_swept(*, what: str, count: int) -> None:
    """The janitor finished what others left."""
    facts = locals()
    _info("janitor_swept", facts)


def catalogue_refreshed(*, peer: str, agencies: int) -> None:
    """A peer's catalogue of agencies was read."""
    facts = locals()
    _info("catalogue_refreshed", facts)


def settings_differ(*, keys: str) -> None:
    """The settings file is not what this process goes by, key by key; none: it is again."""
    facts = locals()
    _info("settings_differ", facts)


def lease_taken(*, name: str, token: int) -> None:
    """This node does what only one may do."""
    facts = locals()
    _info("lease_taken", facts)


def lease_lost(*, name: str, working: int) -> None:
    """This node could not renew in time, or another took over; so many works were stopped."""
    facts = locals()
    _warn("lease_lost", facts)


def node_state(*, node: str, state: str, reason: str = "") -> None:
    """A node is `up`, in `maintenance`, `draining`, `down`, or was found `dead`."""
    facts = locals()
    (_warn if state == "dead" else _info)("node_state", facts)


def server_started(*, listener: str, port: int, tls: bool) -> None:
    """A listener is open."""
    facts = locals()
    _info("server_started", facts)


def server_stopped(*, listener: str, port: int) -> None:
    """A listener is closed and its requests are finished."""
    facts = locals()
    _info("server_stopped", facts)


# ---------------------------------------------------------------- HTTP requests


def request_began() -> None:
    """One more request is being handled."""
    measures.in_flight.inc()


def request_done(
    *,
    method: str,
    route: str,
    status: int,
    wait_s: float,
    system_id: str | None = None,
    reason: str | None = None,
) -> None:
    """The closing line of a request: the route's pattern, never the path or the query."""
    facts = locals()
    measures.in_flight.dec()
    measures.of(measures.requests, method, route, str(status)).inc()
    measures.of(measures.request_s, route).observe(wait_s)
    say = _debug if status < 400 else _info if status < 500 else _warn
    say("request_done", facts)


def signins_failing(*, route: str, failures: int) -> None:
    """Sign-ins of one system from one address go on failing; said once for each run of them."""
    facts = locals()
    _warn("signins_failing", facts)


def request_crashed(*, method: str, route: str, failure: BaseException) -> None:
    """A bug of ours: where it happened, without its message, which may hold content."""
    facts = locals()
    measures.of(measures.alarms, "request").inc()
    _error("request_crashed", facts)


def auth_failed(*, route: str) -> None:
    """Somebody came without valid credentials."""
    facts = locals()
    measures.of(measures.auth_failed, route).inc()
    _info("auth_failed", facts)


def form_refused(*, page: str) -> None:
    """A form of the console was not from one of our own pages, or out of date."""
    _info("form_refused", locals())


def single_sign_on_failed(*, check: str) -> None:
    """A person who came back from the provider was not let in; which check failed."""
    _info("single_sign_on_failed", locals())
