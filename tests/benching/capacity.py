"""The capacity plan in figures: what was measured, times what is assumed. Pure.

What is assumed stands in `Assumed`, and in the table, so that whoever doubts one changes it there.
"""

from dataclasses import dataclass
from typing import Any, Final

from tests.benching.throughput import PAPER

_YEAR_S: Final = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody measured here.

    Args:
        peak: The busiest hour over the mean of the year.
        sets: Change sets a document in all its life: acceptance, claim, outcome, five statuses,
            each side's; two of them were measured here.
        rows: How much larger a document with all its statuses is than one just delivered.
        verify_ms: Processor time of one signed file (docs/benchmarks-verify.md, a scan with two
            signatures).
        verified: How often a file is verified: when it is sent and when it arrives.
        journeys: How often a message crosses the network: in, blob store, back, out.
    """

    peak: float = 10.0
    sets: float = 10.0
    rows: float = 2.0
    verify_ms: float = 54.0
    verified: float = 2.0
    journeys: float = 4.0


SCENARIOS: Final = (("a province", 1_500_000), ("the country", 50_000_000))


def figures(parts: dict[str, Any], assumed: Assumed) -> list[dict[str, float | str]]:
    """Return one row of figures a scenario; nothing while a part was not measured."""
    if not {"throughput", "cost"} <= parts.keys():
        return []
    rows = {r["engine"]: r for r in parts["throughput"]["rows"] if r["case"] == PAPER}
    costs = {e["engine"]: e for e in parts["cost"]["engines"]}
    if not rows.keys() >= {"embedded", "cluster"} <= costs.keys():
        return []
    small = max(r["delivered_per_s"] for r in parts["throughput"]["rows"]
                if r["engine"] == "cluster")  # fmt: skip
    lock = 2 * small
    alone, many = rows["embedded"], rows["cluster"]
    blobs = alone["blob_bytes"] + alone["message_bytes"]
    ledger = costs["cluster"]["ledger_bytes_a_document"] * assumed.rows
    more = assumed.sets / 2
    found = []
    for name, documents in SCENARIOS:
        mean = documents / _YEAR_S
        peak = mean * assumed.peak
        found.append(
            {
                "name": name,
                "documents": documents,
                "mean": mean,
                "peak": peak,
                "embedded": peak / alone["delivered_per_s"],
                "gateways": peak * many["cpu_ms"]["gateway"] * more / 1000,
                "verifying": peak * assumed.verify_ms * assumed.verified / 1000,
                "engines": peak * many["cpu_ms"]["engines"] * more / 1000,
                "sets": peak * assumed.sets,
                "lock": peak * assumed.sets / lock,
                "ledger_gb": documents * ledger / 1e9,
                "blobs_tb": documents * blobs / 1e12,
                "network_mbit": peak * alone["message_bytes"] * 8 * assumed.journeys / 1e6,
            }
        )
    return found


def lines(parts: dict[str, Any], assumed: Assumed = Assumed()) -> list[str]:
    """Return the page's section."""
    found = figures(parts, assumed)
    if not found:
        return []
    what = (
        ("documents a year", "documents", ",.0f"),
        ("documents a second, mean", "mean", ".3g"),
        ("documents a second, busiest hour", "peak", ".3g"),
        ("of what one embedded node delivered here", "embedded", ".1%"),
        ("cores of gateways, without verification", "gateways", ".2g"),
        ("cores of verification", "verifying", ".2g"),
        ("cores of PostgreSQL and RabbitMQ", "engines", ".2g"),
        ("change sets a second", "sets", ".3g"),
        ("of what the write lock passed here", "lock", ".1%"),
        ("ledger, GB a year", "ledger_gb", ",.0f"),
        ("blobs, TB a year", "blobs_tb", ".2g"),
        ("network, Mbit/s in the busiest hour", "network_mbit", ".3g"),
    )
    table = [
        "| | " + " | ".join(str(row["name"]) for row in found) + " |",
        "|---|" + "---|" * len(found),
        *(
            f"| {title} | " + " | ".join(format(row[key], form) for row in found) + " |"
            for title, key, form in what
        ),
    ]
    return [
        "## The capacity plan in figures",
        "",
        "What [the plan](operations.md#capacity-plan) makes of the figures above. Assumed "
        "(`tests/benching/capacity.py`): the busiest hour is "
        f"{assumed.peak:g} times the mean; {assumed.sets:g} change sets a document in all its "
        f"life; {assumed.rows:g} times the rows of one just delivered; {assumed.verify_ms:g} ms "
        f"a signed file, verified {assumed.verified:g} times; a message as large as the PDF "
        f"above, which crosses the network {assumed.journeys:g} times and is kept as received, "
        "as its file and as the parcel for the next hop.",
        "",
        *table,
    ]
