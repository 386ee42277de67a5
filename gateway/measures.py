"""The measures of the gateway, in a registry of their own, and their Prometheus text.

`gateway.observe` counts beside each fact; nobody else touches these. Labels are few and bounded:
peers, lanes, routes, codes. Counters start at zero with the process: nothing here is evidence.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY: Final = CollectorRegistry()


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"vanlien_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"vanlien_{name}", text, labels, buckets=buckets, registry=REGISTRY)


@functools.cache
def of(metric: Any, *labels: str) -> Any:
    """Return the metric's child for these labels; looking it up by `labels()` costs three times."""
    return metric.labels(*labels)


_QUICK: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)

accepted = _counter("documents_accepted", "Documents accepted", "via")
replayed = _counter("documents_replayed", "Repeats answered with the earlier answer", "via")
accept_s = _histogram("accept_seconds", "Time from first byte to commit", _QUICK)
refused = _counter("documents_refused", "Documents refused", "via", "reason")
numbered = _counter("documents_numbered", "Documents given their identifier")
quarantined = _counter("quarantined", "Documents and arrivals quarantined", "reason")
attempts = _counter("attempts", "Delivery attempts by outcome", "peer", "outcome")
breaker_opened = _counter("breaker_opened", "Times a destination stopped answering", "peer")
lane_wait = _histogram("lane_wait_seconds", "Wait in a lane before an attempt", _SLOW, "lane")
transfer_s = _histogram("transfer_seconds", "Time an attempt took", _QUICK, "peer")
arrivals = _counter("arrivals", "Arrivals by what became of them", "outcome")
statuses = _counter("statuses", "Status reports", "direction", "code")
collect_failed = _counter("collect_failed", "Failed collections", "peer")
collected = _counter("collected", "Items collected", "peer")
verified_s = _histogram("verification_seconds", "Time to verify one file", _QUICK, "verdict")
spooled = _counter("spooled", "Files dropped into folders, dealt with", "kind", "result")
scanned_s = _histogram("scan_seconds", "Time to scan one file for malware", _QUICK, "result")
verifier_killed = _counter("verifier_killed", "Verifier processes killed", "reason")
verdict_changes = _counter("verdict_changes", "Verdicts that changed later", "before", "after")
webhook_calls = _counter("webhook_calls", "Webhook messages by what became of them", "outcome")
alerts = Gauge("vanlien_alerts", "Alerts that stand", ("kind", "state"), registry=REGISTRY)
alerts_told = _counter("alerts_told", "Letters and messages about alerts", "way", "outcome")
clock_warnings = _counter("clock_warnings", "Times the clock was doubted", "state")
standing = Gauge("vanlien_standing_warning", "Standing warnings", ("what",), registry=REGISTRY)
alarms = _counter("alarms", "Broken invariants and damage", "what")
backup_age = Gauge("vanlien_backup_age_seconds", "Age of the last good backup", registry=REGISTRY)
lists_taken = _counter("lists_taken", "Revocation lists and answers taken", "via")
lists_refused = _counter("lists_refused", "Revocation lists and answers not taken", "via")
reports_sealed = _counter("reports_sealed", "Printed reports sealed, by level", "level")
crl_age = Gauge("vanlien_crl_age_seconds", "Age of the newest list", ("issuer",), registry=REGISTRY)
crl_expires_in = Gauge(
    "vanlien_crl_expires_in_seconds",
    "How long the newest list is still in force",
    ("issuer",),
    registry=REGISTRY,
)
keys_taken = _counter("keys_taken", "Keys and certificates replaced while running", "what")
key_expires_in = Gauge(
    "vanlien_key_expires_in_seconds",
    "How long a certificate is still valid",
    ("what",),
    registry=REGISTRY,
)
requests = _counter("requests", "HTTP requests answered", "method", "route", "status")
request_s = _histogram("request_seconds", "Time to answer a request", _QUICK, "route")
in_flight = Gauge("vanlien_requests_in_flight", "Requests being handled", registry=REGISTRY)
disk_days_left = Gauge(
    "vanlien_disk_days_left", "Days until the disk is full, at the present pace", registry=REGISTRY
)
put_off = _counter("documents_put_off", "Documents put off because there was no room", "what")
auth_failed = _counter("auth_failed", "Requests without valid credentials", "route")


def tried(hop: str, outcome: str, took_s: float | None = None) -> None:
    """Count an attempt that ended, and the time it took where it took any.

    The agencies of this gateway are one destination: a country has too many for labels.
    """
    peer = "local" if hop.startswith("local:") else hop
    of(attempts, peer, outcome).inc()
    if took_s is not None:
        of(transfer_s, peer).observe(took_s)


KNOWN_CODES: Final = frozenset({"01", "02", "03", "04", "05", "06", "13", "15", "16"})
_GAUGE: Final = re.compile(
    r"([a-zA-Z_][a-zA-Z0-9_]*)(\{[a-z_]+=\"[^\"\\\n{}]*\"(?:,[a-z_]+=\"[^\"\\\n{}]*\")*\})?"
)


def render(gauges: Mapping[str, float]) -> bytes:
    """Return everything in the Prometheus text form.

    Args:
        gauges: More gauges, `name` or `name{label="value"}` to value; `vanlien_` is put in front.
            A name that is not of this form is left out.
    """
    families: dict[str, list[str]] = {}
    for key, value in gauges.items():
        match = _GAUGE.fullmatch(key)
        if match is None:
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


def flow() -> dict[tuple[str, str], tuple[int, int]]:
    """Return what passed since the process began: (what, peer) to (how many, milliseconds).

    `what` is accepted, arrived, taken, deferred, failed, attempted; peers that are local systems
    are one, `local`. `attempted` and `accepted` carry the time they took.
    """
    found: dict[tuple[str, str], tuple[int, int]] = {}

    def add(what: str, peer: str, n: float = 0, seconds: float = 0.0) -> None:
        before = found.get((what, peer), (0, 0))
        found[what, peer] = before[0] + round(n), before[1] + round(seconds * 1000)

    for sample in _samples(accepted, "_total"):
        add("accepted", "", sample.value)
    for sample in _samples(accept_s, "_sum"):
        add("accepted", "", 0, sample.value)
    for sample in _samples(arrivals, "_total"):
        if sample.labels["outcome"] == "received":
            add("arrived", "", sample.value)
    for sample in _samples(attempts, "_total"):
        add(sample.labels["outcome"], sample.labels["peer"], sample.value)
    for sample in _samples(transfer_s, "_count"):
        add("attempted", sample.labels["peer"], sample.value)
    for sample in _samples(transfer_s, "_sum"):
        add("attempted", sample.labels["peer"], 0, sample.value)
    return found


def _samples(metric: Any, ending: str) -> list[Any]:
    return [s for family in metric.collect() for s in family.samples if s.name.endswith(ending)]


def terms() -> list[tuple[str, str, float]]:
    """Return what this process watches that ends or ages: (what, name, seconds).

    `key`: until a certificate ends; `list`: until a revocation list is out of force; `list-age`:
    since the newest one.
    """
    found = [("key", s.labels["what"], s.value) for s in _samples(key_expires_in, "_seconds")]
    found += [("list", s.labels["issuer"], s.value) for s in _samples(crl_expires_in, "_seconds")]
    found += [("list-age", s.labels["issuer"], s.value) for s in _samples(crl_age, "_seconds")]
    return found
