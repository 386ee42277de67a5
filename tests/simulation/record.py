"""A record of many histories on a file, one line for each few of them, and what they add up to.

A run that was stopped goes on where it stood: whatever has its line is not played again. Lines are
only added, so nothing that was played is lost with a machine that stops. What failed has a line of
its own and is played again, after it was mended.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.player import Job, Played


@dataclass
class Sum:
    """What histories of one kind of ledger and one state of the programs add up to."""

    ledger: str
    label: str
    histories: int = 0
    cpu_s: float = 0.0
    seeds: list[tuple[int, int]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)


class Record:
    """See the module.

    Args:
        path: The file; made when something is written.
        label: Said of each line, such as the commit that was played.
    """

    def __init__(self, path: Path, label: str = "") -> None:
        self._path = path
        self._label = label

    def add(self, played: Played) -> None:
        """Write down what was played."""
        job = played.job
        line = {
            "first": job.first,
            "count": job.count,
            "ledger": job.ledger,
            "shape": job.shape,
            "label": self._label,
            "cpu_s": round(played.cpu_s, 3),
            "failed": played.failed,
            "counts": played.counts,
        }
        with self._path.open("a") as file:
            # First an end for a line that has none: a machine may have stopped in the middle of it.
            file.write(("\n" if self._torn() else "") + json.dumps(line) + "\n")

    def _torn(self) -> bool:
        data = self._path.read_bytes()[-1:]
        return data not in {b"", b"\n"}

    def left(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Yield the jobs that have no line yet, or one that says they failed."""
        done = {
            (line["first"], line["count"], line["ledger"], line["shape"])
            for line in self._lines()
            if not line["failed"]
        }
        for job in jobs:
            if (job.first, job.count, job.ledger, job.shape) not in done:
                yield job

    def sums(self) -> list[Sum]:
        """Add up, for each ledger and label in the order they came, and at last all labels."""
        sums: dict[tuple[str, str], Sum] = {}
        lines = list(self._lines())
        each = [(line, str(line["label"])) for line in lines]
        for line, label in [*each, *((line, _ALL) for line in lines)]:
            key = (line["ledger"], label)
            one = sums.setdefault(key, Sum(*key))
            one.histories += line["count"]
            one.cpu_s += line["cpu_s"]
            one.seeds.append((line["first"], line["first"] + line["count"] - 1))
            one.counts.update(line["counts"])
            one.failed += [(seed, name) for seed, name in line["failed"]]
        return list(sums.values())

    def _lines(self) -> Iterator[dict[str, object]]:
        if not self._path.exists():
            return
        for text in self._path.read_text().splitlines():
            try:
                yield json.loads(text)
            except ValueError:
                continue  # the machine stopped in the middle of a line


_ALL = "all"
GROUPS = {
    "documents": "documents",
    "statuses read by senders": "statuses read",
    "deaths of a node": "crash ",
    "doubts": "doubt ",
    "troubles of a delivery, lies among them": "deliver ",
    "of lists and downloads": ("listing ", "fetch "),
    "of acknowledgements": "ack ",
    "of systems' calls": "rpc ",
    "phantoms": "phantom",
    "statuses late or twice": ("status late", "status twice"),
    "faults that last": (
        "ledger-", "blobs-", "broker-", "verifier-", "clock-", "partition", "cut-off", "slow-peer",
    ),
    "power cuts": "power-cut",
    "holds by an operator": "held",
    "nodes given a rest": "maintenance",
    "documents with a secrecy level": "secret",
    "dead letters put back": "requeued",
}  # fmt: skip
"""What is told of many histories, by how the counts' names begin."""


def told(one: Sum) -> str:
    """Return the sum in words, a row of the table of docs/simulation.md first."""
    ranges = ", ".join(f"{a} to {b}" for a, b in _joined(one.seeds))
    engine = {"memory": "memory", "sqlite": "SQLite files"}[one.ledger]
    label = f", at {one.label}" if one.label not in {"", _ALL} else ""
    lines = [
        f"| | {engine}, seeds {ranges}{label} | {one.histories:,} | {len(one.failed)} |",
        "; ".join(f"{_grouped(one.counts, begins):,} {what}" for what, begins in GROUPS.items()),
        f"{one.cpu_s:,.0f} s of processor time, {one.cpu_s / max(one.histories, 1) * 1000:.0f} ms a history",
    ]
    return "\n".join([*lines, *(f"seed {seed} violated {name!r}" for seed, name in one.failed)])


def _grouped(counts: Counter[str], begins: str | tuple[str, ...]) -> int:
    return sum(times for name, times in counts.items() if name.startswith(begins))


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(set(ranges)):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
