"""The page made of what was measured. Pure text; parts that were never measured are left out."""

from collections.abc import Sequence
from typing import Final

from tests.benching import capacity
from tests.benching.cost import OPEN
from tests.benching.load import Json

_BAR: Final = 40
_NAMES: Final = {"embedded": "embedded (SQLite)", "cluster": "cluster (2 nodes)"}


def page(result: Json) -> str:
    """Return the Markdown page."""
    facts, parts = result["machine"], result["parts"]
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; do not edit. **Embedded**: one `vanlien serve`, SQLite with "
        "`synchronous=FULL`, blobs fsynced. **Cluster**: two `vanlien serve`, PostgreSQL and "
        "RabbitMQ of Debian with fsync, one shared blob folder, all on this machine and its "
        "cores, as is what loads them: the cluster shows what the engines cost, not what two "
        "machines can do. Every message is different. Figures of a shared machine are noisy: "
        "compare rows of one table, which are of one run; `load` is the machine's load average "
        "before it.",
        "",
        f"Machine: {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['system']}, Python {facts['python']}, SQLite {facts['sqlite']}.",
        "",
    ]
    for name, make in _PARTS.items():
        if name in parts:
            lines += [*make(parts[name]), ""]
    lines += capacity.lines(parts)
    return "\n".join(lines).rstrip() + "\n"


def _when(part: Json) -> str:
    return f"Run of {part['at']}, load {part['load']:g}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _two(spread: Json) -> str:
    return f"{spread['p50']:g} / {spread['p99']:g} ms"


def _bars(rows: Sequence[tuple[str, float]], unit: str) -> list[str]:
    """Draw figures as a picture of text."""
    most = max((value for _, value in rows), default=0.0) or 1.0
    wide = max(len(name) for name, _ in rows)
    drawn = [
        f"{name:<{wide}}  {'█' * max(1, round(value / most * _BAR))} {value:g} {unit}"
        for name, value in rows
    ]
    return ["```text", *drawn, "```"]


# ---------------------------------------------------------------- parts


def _throughput(part: Json) -> list[str]:
    lines = ["## Throughput", "", _when(part), ""]
    postfix = {row["case"]: row for row in part["postfix"]}
    lines += _table(
        (
            "case",
            "how it runs",
            "message",
            "documents",
            "accepted/s",
            "delivered/s",
            "accept p50 / p99",
            "acceptance to delivery p50 / p99",
            "CPU a document: gateways + engines",
            "blobs a document",
        ),
        [
            (
                row["case"],
                _NAMES[row["engine"]],
                f"{row['message_bytes'] / 1000:.1f} kB",
                str(row["documents"]),
                f"{row['accepted_per_s']:g}",
                f"{row['delivered_per_s']:g}",
                _two(row["accept_ms"]),
                _two(row["delivery_ms"]),
                f"{row['cpu_ms']['gateway']:g} + {row['cpu_ms']['engines']:g} ms",
                f"{row['blob_bytes'] / 1000:.1f} kB",
            )
            for row in part["rows"]
        ],
    )
    lines += [
        "",
        "48 clients at once, so a wait is a queue of 48. Delivered: in the reader's system, its "
        "receipt 01 owed in the same commit.",
        "",
    ]
    if not postfix:
        return [*lines, "Postfix was not there to compare with."]
    lines += [
        "The same bytes through Postfix (Debian's, fsync on, one queue file a message, a local "
        "sink behind it), in the same run over as many connections. It neither parses, verifies, "
        "numbers, nor proves; it is what a well-built store-and-forward program does here.",
        "",
    ]
    lines += _table(
        (
            "case",
            "Postfix accepted/s",
            "delivered/s",
            "accept p50 / p99",
            "vanlien accepted/s of it",
            "delivered/s of it",
        ),
        [
            (
                case,
                f"{row['accepted_per_s']:g}",
                f"{row['delivered_per_s']:g}",
                _two(row["accept_ms"]),
                _of(part["rows"], case, "accepted_per_s", row),
                _of(part["rows"], case, "delivered_per_s", row),
            )
            for case, row in postfix.items()
        ],
    )
    first = part["rows"][0]["case"]
    bars = [
        (f"{_NAMES[r['engine']]}, {what}", r[f"{what}_per_s"])
        for r in part["rows"]
        if r["case"] == first
        for what in ("accepted", "delivered")
    ]
    bars += [(f"Postfix, {what}", postfix[first][f"{what}_per_s"]) for what in _WHAT]
    return [*lines, "", f"{first}:", "", *_bars(bars, "a second")]


_WHAT: Final = ("accepted", "delivered")


def _of(rows: Sequence[Json], case: str, what: str, postfix: Json) -> str:
    told = [
        f"{row['engine']} {row[what] / postfix[what]:.2f} times"
        for row in rows
        if row["case"] == case
    ]
    return ", ".join(told)


def _memory(part: Json) -> list[str]:
    return [
        "## Memory",
        "",
        f"{_when(part)} One message of {part['message_mb']} MB through the API raises the "
        f"server's peak resident memory from {part['peak_before_mb']} MB to "
        f"{part['peak_after_mb']} MB.",
    ]


def _urgent(part: Json) -> list[str]:
    lines = [
        "## An urgent document behind a long queue",
        "",
        f"{_when(part)} Documents “hỏa tốc” sent one by one, ten a second: to an idle gateway, "
        "then to the same while it works through a queue of normal ones on as many cores as it "
        "has. From acceptance to the reader's system.",
        "",
    ]
    lines += _table(
        (
            "how it runs",
            "normal ones ahead",
            "still there after the last",
            "urgent, idle p50 / p99",
            "urgent, behind them p50 / p99",
            "in order of arrival it would be",
        ),
        [
            (
                _NAMES[row["engine"]],
                f"{row['ahead']:,}",
                f"{row['still_waiting_after']:,}",
                _two(row["idle_ms"]),
                _two(row["behind_ms"]),
                f"{row['in_order_s']:g} s" if row["in_order_s"] else "",
            )
            for row in part["rows"]
        ],
    )
    return lines


def _recovery(part: Json) -> list[str]:
    lines = [
        "## Recovery after kill -9",
        "",
        f"{_when(part)} Killed with SIGKILL while documents come in, with so many waiting for a "
        "local agency (a hundred or so went through the API, the others are copies of their rows: "
        "`tests/benching/copies.py`). Times from the start of the process.",
        "",
    ]
    lines += _table(
        (
            "how it runs",
            "waiting",
            "address open",
            "ready",
            "first delivered",
            "delivered/s from the queue",
            "all of it, at that rate",
        ),
        [
            (
                _NAMES[row["engine"]],
                f"{row['queued']:,}",
                f"{row['listening_s']:g} s",
                f"{row['ready_s']:g} s",
                f"{row['first_delivery_s']:g} s",
                f"{row['delivered_per_s']:g} (watched over {row['watched']:,})",
                f"{row['all_s']:g} s" if row["all_s"] else "",
            )
            for row in part["rows"]
        ],
    )
    return lines


def _cost(part: Json) -> list[str]:
    lines = [
        "## Cost over a full ledger",
        "",
        f"{_when(part)} The same work over a ledger with so many rows against an almost empty "
        "one; medians in milliseconds. One document in twenty waits for an agency that is held. "
        "What lists or counts just those may grow with them; nothing else may grow with the table.",
        "",
    ]
    engines = part["engines"]
    lines += _table(
        (
            "engine",
            "rows, empty",
            "rows, full",
            "documents",
            "rows a document",
            "ledger a document",
            "ready after a start",
        ),
        [
            (
                _ENGINE[e["engine"]],
                f"{e['rows_empty']:,}",
                f"{e['rows_full']:,}",
                f"{e['documents_full']:,}",
                f"{e['rows_a_document']:g}",
                f"{e['ledger_bytes_a_document'] / 1000:.1f} kB",
                f"{e['ready_s']:g} s",
            )
            for e in engines
        ],
    )
    head = ["what"]
    for e in engines:
        head += [f"{_ENGINE[e['engine']]}: empty", "full", "times"]
    rows = []
    for name in engines[0]["ms"]:
        shown = name if " " in name or "/" in name else f"`{name}`"
        cells = [f"{shown} (of what is open)" if name in OPEN else shown]
        for e in engines:
            told = e["ms"][name]
            cells += [f"{told['empty']:g}", f"{told['full']:g}", f"{told['times']:.2f}"]
        rows.append(cells)
    return [*lines, "", *_table(head, rows)]


def _facades(part: Json) -> list[str]:
    lines = [
        "## The same documents through every door",
        "",
        f"{_when(part)} One embedded gateway with every façade; the same small documents, alike "
        f"but for their number, {part['hands']} at once, each door by the client of its dialect. A "
        "call is all that the client does for it: signing in, asking twice, base64 in JSON. Lists "
        "are of all documents that wait; a listing that asks for each is the dialect's.",
        "",
    ]
    return lines + _table(
        (
            "door",
            "documents",
            "accepted/s",
            "send p50 / p99",
            "list p50 / p99",
            "fetch p50 / p99",
            "acknowledge p50 / p99",
        ),
        [
            (
                row["door"],
                str(row["documents"]),
                f"{row['accepted_per_s']:g}",
                *(_two(row[f"{what}_ms"]) for what in ("send", "list", "fetch", "acknowledge")),
            )
            for row in part["rows"]
        ],
    )


_ENGINE: Final = {"embedded": "SQLite", "cluster": "PostgreSQL"}
_PARTS: Final = {
    "throughput": _throughput,
    "memory": _memory,
    "urgent": _urgent,
    "recovery": _recovery,
    "cost": _cost,
    "facades": _facades,
}
