"""What operations see: one function per fact, each a structured line and a metric beside it.

Facts carry ids, codes, counts and times; never content, names, file names, keys or query strings
(style.md "Logs"). Before `configure` everything is silent, so importing has no side effects;
metrics count all the same. Lines go to one stream, a JSON object each, times ISO 8601 `+07:00`.
Nothing here is evidence: audit facts are rows of the ledger. A crash loses at most the line being
written.

A disabled fact costs a comparison and its counters (about 4 µs), a written one about 20 µs.
"""

import functools
import json as jsonlib
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from pathlib import PurePath
from typing import Any, Final, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

VIETNAM: Final = timezone(timedelta(hours=7))
METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY: Final = CollectorRegistry()

_TEXT_MAX: Final = 200
_SILENT: Final = logging.CRITICAL + 1
_request_id: ContextVar[str] = ContextVar("vanlien_request_id", default="")

# ---------------------------------------------------------------- set-up


class _Sink:
    """Where facts go: the level below which they are dropped, and the logger above it."""

    level: int = _SILENT
    logger: Any = None


def configure(json: bool, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Start writing facts.

    Args:
        json: JSON lines; else a human form for a terminal.
        level: `debug` (every request), `info`, `warning` or `error`.
        stream: Where to; standard error when None (standard output belongs to commands).
    """
    out = stream or sys.stderr
    _Sink.level = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = _dump if json else structlog.dev.ConsoleRenderer(colors=out.isatty())
    _Sink.logger = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[_stamp, renderer],
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
    line |= {key: value for key, value in event.items() if value is not None}
    # A reason is the only free text: a peer may have worded it.
    reason = line.get("reason")
    if reason is not None and len(reason) > _TEXT_MAX:
        line["reason"] = reason[:_TEXT_MAX] + "…"
    return line


def _debug(event: str, **facts: Any) -> None:
    if _Sink.level <= logging.DEBUG:
        _Sink.logger.debug(event, **facts)


def _info(event: str, **facts: Any) -> None:
    if _Sink.level <= logging.INFO:
        _Sink.logger.info(event, **facts)


def _warn(event: str, **facts: Any) -> None:
    if _Sink.level <= logging.WARNING:
        _Sink.logger.warning(event, **facts)


def _error(event: str, **facts: Any) -> None:
    if _Sink.level <= logging.ERROR:
        _Sink.logger.error(event, **facts)


class _Libraries(logging.Handler):
    """Warnings of libraries as facts: logger, line and template, never the values put into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a message without arguments may hold content, so it is left out."""
        template = record.msg if isinstance(record.msg, str) and record.args else None
        failure = record.exc_info[1] if record.exc_info else None
        facts = {
            "logger": record.name,
            "line": f"{PurePath(record.pathname).name}:{record.lineno}",
            "template": template,
            "error": type(failure).__name__ if failure else None,
            "stack": _frames(failure) if failure else None,
        }
        if record.levelno >= logging.ERROR:
            _error("library_error", **facts)
        else:
            _warn("library_warning", **facts)


def _frames(failure: BaseException) -> list[str]:
    """Return where it happened, innermost last; no message, no values."""
    frames = traceback.extract_tb(failure.__traceback__)[-12:]
    return [f"{'/'.join(PurePath(f.filename).parts[-3:])}:{f.lineno} {f.name}" for f in frames]


# ---------------------------------------------------------------- metrics


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"vanlien_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"vanlien_{name}", text, labels, buckets=buckets, registry=REGISTRY)


@functools.cache
def _of(metric: Any, *labels: str) -> Any:
    """Return the metric's child for these labels; looking it up by `labels()` costs three times."""
    return metric.labels(*labels)


_QUICK: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)

_accepted = _counter("documents_accepted", "Documents accepted", "via")
_replayed = _counter("documents_replayed", "Repeats answered with the earlier answer", "via")
_accept_s = _histogram("accept_seconds", "Time from first byte to commit", _QUICK)
_refused = _counter("documents_refused", "Documents refused", "via", "reason")
_numbered = _counter("documents_numbered", "Documents given their identifier")
_quarantined = _counter("quarantined", "Documents and arrivals quarantined", "reason")
_attempts = _counter("attempts", "Delivery attempts by outcome", "peer", "outcome")
_lane_wait = _histogram("lane_wait_seconds", "Wait in a lane before an attempt", _SLOW, "lane")
_transfer_s = _histogram("transfer_seconds", "Time an attempt took", _QUICK, "peer")
_arrivals = _counter("arrivals", "Arrivals by what became of them", "outcome")
_statuses = _counter("statuses", "Status reports", "direction", "code")
_collect_failed = _counter("collect_failed", "Failed collections", "peer")
_collected = _counter("collected", "Items collected", "peer")
_verified_s = _histogram("verification_seconds", "Time to verify one file", _QUICK, "verdict")
_verifier_killed = _counter("verifier_killed", "Verifier processes killed", "reason")
_clock_offset = Gauge("vanlien_clock_offset_seconds", "Known clock offset", registry=REGISTRY)
_clock_warnings = _counter("clock_warnings", "Times the clock was doubted", "state")
_standing = Gauge("vanlien_standing_warning", "Standing warnings", ("what",), registry=REGISTRY)
_alarms = _counter("alarms", "Broken invariants and damage", "what")
_requests = _counter("requests", "HTTP requests answered", "method", "route", "status")
_request_s = _histogram("request_seconds", "Time to answer a request", _QUICK, "route")
_in_flight = Gauge("vanlien_requests_in_flight", "Requests being handled", registry=REGISTRY)
_auth_failed = _counter("auth_failed", "Requests without valid credentials", "route")

_KNOWN_CODES: Final = frozenset({"01", "02", "03", "04", "05", "06", "13", "15", "16"})
_GAUGE: Final = re.compile(
    r"([a-zA-Z_][a-zA-Z0-9_]*)(\{[a-z_]+=\"[^\"\\\n{}]*\"(?:,[a-z_]+=\"[^\"\\\n{}]*\")*\})?"
)


def render_metrics(gauges: Mapping[str, float]) -> bytes:
    """Return everything in the Prometheus text form.

    Args:
        gauges: More gauges, `name` or `name{label="value"}` to value; `vanlien_` is put in front.
            A name that is not of this form is left out and told as a fact.
    """
    families: dict[str, list[str]] = {}
    for key, value in gauges.items():
        match = _GAUGE.fullmatch(key)
        if match is None:
            _warn("gauge_unnamed", name=key)
            continue
        name = "vanlien_" + match[1].removeprefix("vanlien_")
        families.setdefault(name, []).append(f"{name}{match[2] or ''} {float(value)!r}")
    lines = [
        line for name, rows in families.items() for line in (f"# TYPE {name} gauge", *rows, "")
    ]
    return (
        generate_latest(REGISTRY)
        + "\n".join(line for line in lines if line).encode()
        + (b"\n" if lines else b"")
    )


# ---------------------------------------------------------------- documents going out


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
    _of(_replayed if replayed else _accepted, via).inc()
    _accept_s.observe(wait_s)
    _info(
        "document_accepted",
        consignment_id=consignment_id,
        system_id=system_id,
        via=via,
        size_bytes=size_bytes,
        deliveries=deliveries,
        verdict=verdict,
        wait_s=wait_s,
        replayed=replayed or None,
    )


def document_refused(
    *,
    system_id: str,
    via: str,
    reason: str,
    rules: Iterable[str] = (),
    consignment_id: str | None = None,
) -> None:
    """A submission was refused under these rule ids; with an id when it had been accepted."""
    _of(_refused, via, reason).inc()
    _info(
        "document_refused",
        system_id=system_id,
        via=via,
        reason=reason,
        rules=sorted(set(rules)),
        consignment_id=consignment_id,
    )


def document_numbered(*, consignment_id: str, waited_s: float) -> None:
    """A document got its identifier, so long after acceptance."""
    _numbered.inc()
    _info("document_numbered", consignment_id=consignment_id, waited_s=waited_s)


def quarantined(
    *, reason: str, consignment_id: str | None = None, arrival_id: str | None = None
) -> None:
    """A document or an arrival was set apart (SEC-01, damage)."""
    _of(_quarantined, reason).inc()
    _warn("quarantined", reason=reason, consignment_id=consignment_id, arrival_id=arrival_id)


# ---------------------------------------------------------------- transfers


def delivery_handed_over(
    *,
    transfer_id: str,
    consignment_id: str,
    peer: str,
    lane: str,
    attempt: int,
    deliveries: int,
    queued_s: float,
    transfer_s: float,
) -> None:
    """A peer took it: time split in waiting and carrying."""
    _of(_attempts, peer, "taken").inc()
    _of(_lane_wait, lane).observe(queued_s)
    _of(_transfer_s, peer).observe(transfer_s)
    _info(
        "delivery_handed_over",
        transfer_id=transfer_id,
        consignment_id=consignment_id,
        peer=peer,
        lane=lane,
        attempt=attempt,
        deliveries=deliveries,
        queued_s=queued_s,
        transfer_s=transfer_s,
    )


def delivery_deferred(
    *,
    transfer_id: str,
    consignment_id: str,
    peer: str,
    lane: str,
    attempt: int,
    reason: str,
    retry_in_s: float,
    queued_s: float = 0.0,
    transfer_s: float = 0.0,
) -> None:
    """A peer could not take it now; it is tried again in `retry_in_s`."""
    _of(_attempts, peer, "deferred").inc()
    _of(_lane_wait, lane).observe(queued_s)
    _of(_transfer_s, peer).observe(transfer_s)
    _info(
        "delivery_deferred",
        transfer_id=transfer_id,
        consignment_id=consignment_id,
        peer=peer,
        lane=lane,
        attempt=attempt,
        reason=reason,
        retry_in_s=retry_in_s,
        queued_s=queued_s,
        transfer_s=transfer_s,
    )


def delivery_failed(
    *, transfer_id: str, consignment_id: str, peer: str, attempt: int, reason: str
) -> None:
    """No more attempts: an operator or the sender must act. Nothing is deleted."""
    _of(_attempts, peer, "failed").inc()
    _warn(
        "delivery_failed",
        transfer_id=transfer_id,
        consignment_id=consignment_id,
        peer=peer,
        attempt=attempt,
        reason=reason,
    )


def delivery_requeued(*, transfer_id: str, by: str, reason: str) -> None:
    """A failed one was put back (by an operator or the janitor)."""
    _info("delivery_requeued", transfer_id=transfer_id, by=by, reason=reason)


# ---------------------------------------------------------------- documents coming in


def arrival_received(*, arrival_id: str, peer: str, size_bytes: int) -> None:
    """Bytes and time of an arrival are committed."""
    _of(_arrivals, "received").inc()
    _info("arrival_received", arrival_id=arrival_id, peer=peer, size_bytes=size_bytes)


def arrival_repeated(*, arrival_id: str, peer: str, conflict: bool = False) -> None:
    """The same document came again, or (`conflict`) its identifier with other content."""
    _of(_arrivals, "conflict" if conflict else "repeated").inc()
    (_warn if conflict else _info)(
        "arrival_conflict" if conflict else "arrival_repeated", arrival_id=arrival_id, peer=peer
    )


def arrival_refused(*, arrival_id: str, peer: str, reason: str, rules: Iterable[str] = ()) -> None:
    """An arrival cannot be offered to anybody."""
    _of(_arrivals, "refused").inc()
    _warn(
        "arrival_refused", arrival_id=arrival_id, peer=peer, reason=reason, rules=sorted(set(rules))
    )


def arrival_offered(*, arrival_id: str, agency: str) -> None:
    """It waits for the agency's system."""
    _of(_arrivals, "offered").inc()
    _info("arrival_offered", arrival_id=arrival_id, agency=agency)


def arrival_taken(*, arrival_id: str, agency: str, waited_s: float) -> None:
    """It entered the agency's system (RCV-06)."""
    _of(_arrivals, "taken").inc()
    _info("arrival_taken", arrival_id=arrival_id, agency=agency, waited_s=waited_s)


def status_relayed(*, status_id: str, code: str, peer: str) -> None:
    """A status report left for its reader."""
    _of(_statuses, "out", code if code in _KNOWN_CODES else "other").inc()
    _info("status_relayed", status_id=status_id, code=code, peer=peer)


def status_received(*, status_id: str, code: str, peer: str, matched: bool) -> None:
    """A status report came in; `matched` when we know the document it is about."""
    _of(_statuses, "in", code if code in _KNOWN_CODES else "other").inc()
    _info("status_received", status_id=status_id, code=code, peer=peer, matched=matched)


def collected(*, peer: str, items: int) -> None:
    """A peer's list was read and its items committed."""
    _of(_collected, peer).inc(items)
    _debug("collected", peer=peer, items=items)


def collect_failed(*, peer: str, reason: str) -> None:
    """A peer's list or item could not be read: not the same as an empty list."""
    _of(_collect_failed, peer).inc()
    _warn("collect_failed", peer=peer, reason=reason)


# ---------------------------------------------------------------- verification


def file_verified(*, sha256: str, verdict: str, wait_s: float) -> None:
    """One file has a verdict."""
    _of(_verified_s, verdict).observe(wait_s)
    _debug("file_verified", sha256=sha256, verdict=verdict, wait_s=wait_s)


def verifier_killed(*, sha256: str, reason: str, elapsed_s: float) -> None:
    """A verifier process hung, grew or died on this file."""
    _of(_verifier_killed, reason).inc()
    _warn("verifier_killed", sha256=sha256, reason=reason, elapsed_s=elapsed_s)


# ---------------------------------------------------------------- the house


def clock_warning(*, state: str, offset_s: float | None) -> None:
    """The clock is `unknown` or `off` (TIM-01); `held` when stamping waits for it."""
    _of(_clock_warnings, state).inc()
    if offset_s is not None:
        _clock_offset.set(offset_s)
    _warn("clock_warning", state=state, offset_s=offset_s)


def plain_listener_warning(*, port: int, ranges: int) -> None:
    """A listener without TLS is open to so many address ranges: a standing warning."""
    _of(_standing, "plain_listener").set(1)
    _warn("plain_listener_warning", port=port, ranges=ranges)


def standing_warning(*, what: str, active: bool) -> None:
    """Something operations must see until it is over."""
    _of(_standing, what).set(1 if active else 0)
    (_warn if active else _info)("standing_warning", what=what, active=active)


def alarm(*, what: str, subject: str = "", failure: BaseException | None = None) -> None:
    """Damage or a bug of ours: evidence is kept, somebody must look."""
    _of(_alarms, what).inc()
    _error(
        "alarm",
        what=what,
        subject=subject or None,
        error=type(failure).__name__ if failure else None,
        stack=_frames(failure) if failure else None,
    )


def program_failed(*, program: str, failure: BaseException, retry_in_s: float) -> None:
    """A background program stumbled and will go on."""
    _of(_alarms, f"program-{program}").inc()
    _error(
        "program_failed",
        program=program,
        error=type(failure).__name__,
        stack=_frames(failure),
        retry_in_s=retry_in_s,
    )


def janitor_swept(*, what: str, count: int) -> None:
    """The janitor finished what others left."""
    _info("janitor_swept", what=what, count=count)


def catalogue_refreshed(*, peer: str, agencies: int) -> None:
    """A peer's catalogue of agencies was read."""
    _info("catalogue_refreshed", peer=peer, agencies=agencies)


def server_started(*, listener: str, port: int, tls: bool) -> None:
    """A listener is open."""
    _info("server_started", listener=listener, port=port, tls=tls)


def server_stopped(*, listener: str, port: int) -> None:
    """A listener is closed and its requests are finished."""
    _info("server_stopped", listener=listener, port=port)


# ---------------------------------------------------------------- HTTP requests


def request_began() -> None:
    """One more request is being handled."""
    _in_flight.inc()


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
    _in_flight.dec()
    _of(_requests, method, route, str(status)).inc()
    _of(_request_s, route).observe(wait_s)
    say = _debug if status < 400 else _info if status < 500 else _warn
    say(
        "request_done",
        method=method,
        route=route,
        status=status,
        wait_s=wait_s,
        system_id=system_id,
        reason=reason,
    )


def request_crashed(*, method: str, route: str, failure: BaseException) -> None:
    """A bug of ours: where it happened, without its message, which may hold content."""
    _of(_alarms, "request").inc()
    _error(
        "request_crashed",
        method=method,
        route=route,
        error=type(failure).__name__,
        stack=_frames(failure),
    )


def auth_failed(*, route: str) -> None:
    """Somebody came without valid credentials."""
    _of(_auth_failed, route).inc()
    _info("auth_failed", route=route)
