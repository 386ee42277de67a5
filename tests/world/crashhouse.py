"""A real `vanlien serve` child that is killed, in a world that survives it.

The simulated axis, the ministry behind it and the agencies' systems live in the test's process. They
repeat what got no answer, as real systems do. `CrashHouse.check` looks into the dead child's ledger;
`CrashHouse.check_end` says what must be true once everything has calmed down.
"""

import asyncio
import json
import os
import random
import signal
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp

from adapters.simulator.autoagency import FINISHES, AutoAgency
from adapters.simulator.axis import AxisSimulator
from gateway.config import load
from gateway.ports import Adapter, AgencyRecord, Parcel, Taken
from gateway.receipts import bundle, merkle
from gateway.receipts.log import EMPTY, sequence
from gateway.receipts.proof import Frontier, load_keys, verify_file
from gateway.receipts.sign import load_private, public_pem
from gateway.secrets import read_key_file
from gateway.store.places import SqliteFile
from gateway.store.receipts import LedgerReceipts
from gateway.stores import open_admin
from tests.world.gatehouse import (
    HUB,
    MINISTRY,
    MovedClock,
    System,
    _axis,
    packet,
    register,
    write_config,
)
from tests.world.nursery import Born, born

RETRY = "".join(
    f'[retry.{lane}]\nfirst = "200 ms"\nlongest = "500 ms"\n'
    for lane in ("normal", "urgent", "express")
)
# What an agency's system still has to say, by the state it finds a document in.
OWED = {"offered": ("03", "06"), "taken": ("03", "06"), "accepted": ("06",)}
_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError)


class Child:
    """One server process."""

    def __init__(self, config: Path, log: Path, fault: str) -> None:
        self._config, self.log, self._fault = config, log, fault
        self.process: Born | None = None

    async def start(self) -> None:
        environ = {k: v for k, v in os.environ.items() if k != "VANLIEN_FAULT"}
        if self._fault:
            environ["VANLIEN_FAULT"] = self._fault
        arguments = ("serve", "--config", str(self._config))
        self.process = await born(arguments, self.log, environ)

    @property
    def code(self) -> int | None:
        assert self.process is not None
        return self.process.returncode

    def url(self) -> str:
        """Return the address it said, "" before it did."""
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("vanlien: http"):
                return line.removeprefix("vanlien: ").strip()
        return ""

    def signal(self, number: int) -> None:
        if self.code is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def ended(self, patience_s: float = 60.0) -> int:
        async with asyncio.timeout(patience_s):
            return await self.process.wait()


@dataclass
class CrashHouse:
    """The world around the child."""

    folder: Path
    config: Path
    axis: AxisSimulator
    ministry: AutoAgency
    line: Adapter
    systems: dict[str, System]
    session: aiohttp.ClientSession
    child: Child | None = None
    pdf: bytes = b""
    url: str = ""
    starts: int = 0
    wanted: dict[str, bytes] = field(default_factory=dict)
    accepted: dict[str, Any] = field(default_factory=dict)
    incoming: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    handed: Counter[tuple[str, str]] = field(default_factory=Counter)
    _numbers: int = 0

    @property
    def ledger(self) -> Path:
        return load(self.config).ledger.path

    # ------------------------------------------------------------ the child

    async def start(self, fault: str = "", patience_s: float = 60.0) -> None:
        """Start a child; it may die while it starts, if that is where its fault is."""
        self.starts += 1
        self.url = ""
        self.child = Child(self.config, self.folder / f"serve-{self.starts}.log", fault)
        await self.child.start()
        await self.until(
            lambda: self.child.url() or self.child.code is not None, "no address", patience_s
        )
        self.url = self.child.url() if self.child.code is None else ""

    async def until(self, ready: Callable[[], Any], what: str, patience_s: float = 60.0) -> Any:
        """Wait for a true answer; the child's last words are the failure's."""
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    found = ready()
                    if asyncio.iscoroutine(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(0.02)
        except TimeoutError:
            tail = self.child.log.read_text(errors="replace")[-2000:] if self.child else ""
            raise AssertionError(f"{what}\n{tail}") from None

    async def dies(self, patience_s: float = 60.0) -> None:
        """Wait until the armed fault has killed the child."""
        await self.until(
            lambda: self.child.code is not None, "the point was not reached", patience_s
        )
        assert self.child.code == -signal.SIGKILL, self.child.log.read_text(errors="replace")[
            -3000:
        ]
        self.url = ""

    # ------------------------------------------------------------ agencies' systems

    def send(self, *to: str, size: int = 20, urgency: int = 0) -> None:
        """Want one more document to be sent; the sender's system repeats until it is accepted."""
        self._numbers += 1
        name = str(self._numbers)
        body = random.Random(self._numbers).randbytes(size).hex().encode()
        files = ((f"tep-{name}.txt", b"xin chao " + body),)
        if self.pdf:
            files = ((f"tep-{name}.pdf", self.pdf + b"% " + body + b"\n"),)
        self.wanted[name] = packet(name, to=to, files=files, urgency=urgency)

    async def work(self) -> None:
        """Everybody's system, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self._send_wanted))
            group.create_task(self._repeat(self._receive))
            group.create_task(self.ministry.run(0.05))

    async def _repeat(self, step: Callable[[], Any]) -> None:
        while True:
            if self.url:
                with suppress(*_TROUBLE):
                    await step()
            await asyncio.sleep(0.03)

    async def _call(self, method: str, path: str, system: str, **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.systems[system].key}"}
        headers |= options.pop("headers", {})
        url = f"{self.url}/api/v1{path}"
        async with self.session.request(method, url, headers=headers, **options) as answer:
            return answer.status, json.loads(await answer.read())

    async def _send_wanted(self) -> None:
        open_ones = [n for n in self.wanted if n not in self.accepted]
        await asyncio.gather(*(self._send_one(n) for n in open_ones))
        for name in random.Random(self.starts).sample(
            sorted(self.accepted), min(1, len(self.accepted))
        ):
            before = self.accepted[name]
            answer = await self._post(name)
            if answer is not None and answer != before:
                self.violations.append(f"document {name} was answered differently when repeated")

    async def _send_one(self, name: str) -> None:
        answer = await self._post(name)
        if answer is not None:
            self.accepted[name] = answer

    async def _post(self, name: str) -> Any:
        headers = {"Content-Type": "application/xml", "Idempotency-Key": f"key-{name}"}
        status, answer = await self._call(
            "POST", "/documents", "snv", data=self.wanted[name], headers=headers
        )
        if status in {409, 429, 503}:
            return None
        assert status == 202, answer
        return answer

    async def _receive(self) -> None:
        after = 0
        while True:
            status, page = await self._call("GET", f"/inbox?after={after}", "stc")
            if status == 503:
                return
            assert status == 200, page
            for item in page["items"]:
                if item["state"] == "offered":
                    await self._call("POST", f"/inbox/{item['id']}/confirm", "stc")
                for code in OWED.get(item["state"], ()):
                    body = {"code": code, "reason": ""}
                    await self._call("POST", f"/inbox/{item['id']}/status", "stc", json=body)
            if not page["items"]:
                return
            after = page["next"]

    async def send_in(self) -> None:
        """Send one document from the ministry through the axis to an agency of the province."""
        name = f"BNV-{len(self.incoming) + 1}"
        data = packet(
            name, to=("H37.04",), sender=MINISTRY.code, document_id=f"G09,2026/11/02,{name}/BNV"
        )

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        parcel = Parcel(
            name,
            "edoc",
            MINISTRY.code,
            ("H37.04",),
            "",
            sha256(data).hexdigest(),
            len(data),
            chunks,
        )
        deadline = datetime.now(UTC) + timedelta(seconds=30)
        outcome = await self.line.deliver(parcel, deadline=deadline)
        assert isinstance(outcome, Taken), outcome
        self.incoming.append(f"G09,2026/11/02,{name}/BNV")

    # ------------------------------------------------------------ what must be true

    def rows(self, sql: str, *params: Any) -> list[sqlite3.Row]:
        connection = sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True, timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(sql, params).fetchall()
        finally:
            connection.close()

    def watch_axis(self) -> None:
        """Ask the ledger at each delivery: is the attempt on record? Is the receipt's cause?"""
        desk = self.axis._desk
        submit, report = desk.submit, desk.report

        async def watched_submit(caller: Any, data: Any, options: Any) -> Any:
            done = await submit(caller, data, options)
            if caller.system_id == HUB:
                self._check_recorded(done.document_id, "")
            return done

        async def watched_report(caller: Any, data: Any, options: Any) -> Any:
            before = {item.id for item in self.axis.items}
            done = await report(caller, data, options)
            if caller.system_id == HUB:
                item = next(i for i in self.axis.items if i.id not in before)
                self._check_status(item.head.document_id, item.head.status)
            return done

        desk.submit, desk.report = watched_submit, watched_report

    def _check_recorded(self, document_id: str, code: str) -> None:
        """Each handing over needs an attempt of its own on record.

        Counted, because a dead sender's attempt may have been closed by its successor before the
        axis has finished taking what the dead one sent.
        """
        self.handed[document_id, code] += 1
        sql = (
            "SELECT COUNT(*) FROM attempt a JOIN transfer t ON t.id = a.transfer_id "
            "LEFT JOIN status_report s ON s.id = t.status_id "
            "WHERE t.document_id = ? AND t.hop = 'truc' AND COALESCE(s.code, '') = ?"
        )
        recorded = self.rows(sql, document_id, code)[0][0]
        if recorded < self.handed[document_id, code]:
            what = f"{code or 'the document'} of {document_id}"
            self.violations.append(
                f"{what}: handed over {self.handed[document_id, code]} times, "
                f"{recorded} attempts on record"
            )

    def _check_status(self, document_id: str, code: str) -> None:
        self._check_recorded(document_id, code)
        entered = self.rows(
            "SELECT 1 FROM arrival WHERE document_id = ? AND entered_system_at IS NOT NULL",
            document_id,
        )
        if not entered:
            self.violations.append(f"{code} on {document_id} left before the arrival was committed")

    def check(self) -> None:
        """Look into the ledger as a crash left it."""
        assert self.rows("PRAGMA integrity_check")[0][0] == "ok"
        assert not self.violations, self.violations
        self._check_numbers()
        self._check_log()
        known = {r["id"]: r for r in self.rows("SELECT id, answer, state FROM consignment")}
        for name, answer in self.accepted.items():
            assert answer["id"] in known, f"document {name} was accepted and is gone"
            assert json.loads(known[answer["id"]]["answer"]) == answer
        tried = self.rows(
            "SELECT t.id, t.attempts, COUNT(a.n) AS rows, MAX(a.n) AS last FROM transfer t "
            "JOIN attempt a ON a.transfer_id = t.id GROUP BY t.id"
        )
        for row in tried:
            assert row["attempts"] == row["rows"] == row["last"]

    def _check_numbers(self) -> None:
        given = [
            r["issue_ordinal"]
            for r in self.rows(
                "SELECT issue_ordinal FROM consignment WHERE issue_ordinal IS NOT NULL "
                "ORDER BY issue_ordinal"
            )
        ]
        assert given == list(range(1, len(given) + 1)), given
        last = self.rows("SELECT last FROM counter WHERE agency = 'H37.02' AND series = 'issue'")
        assert (last[0]["last"] if last else 0) == len(given)
        unnumbered = self.rows(
            "SELECT id FROM consignment WHERE state IN ('released', 'closed') AND "
            "(issue_ordinal IS NULL OR issued_at IS NULL OR document_id IS NULL)"
        )
        assert not unnumbered

    def _check_log(self) -> None:
        entries = self.rows("SELECT * FROM receipt_entry ORDER BY idx")
        assert [e["idx"] for e in entries] == list(range(len(entries)))
        frontier = Frontier()
        for entry, placed in zip(
            entries, sequence(EMPTY, (e["body"].encode() for e in entries)), strict=True
        ):
            assert entry["chain_hash"] == placed.chain_hash.hex()
            assert entry["prev_hash"] == placed.prev_hash.hex()
            frontier.add(placed.leaf_hash)
        for head in self.rows("SELECT * FROM tree_head"):
            assert head["size"] <= len(entries)
        nodes = {
            (n["level"], n["idx"]): bytes.fromhex(n["hash"])
            for n in self.rows("SELECT * FROM merkle_node")
        }
        if entries:
            assert (
                merkle.root(len(entries), lambda level, index: nodes[level, index])
                == frontier.root()
            )

    # ------------------------------------------------------------ the end

    async def calm(self) -> None:
        """Wait until everything has reached its end without hands."""
        await self.until(lambda: len(self.accepted) == len(self.wanted), "not all were accepted")
        try:
            await self.until(lambda: not self._unsettled(), "not everything reached its end")
        except AssertionError as exc:
            raise AssertionError(f"{self._unsettled()}\n{exc}") from None

    def _unsettled(self) -> list[Any]:
        found = [
            tuple(row)
            for sql in (
                "SELECT 'delivery', id, agency, state FROM delivery WHERE state != 'done'",
                "SELECT 'consignment', id, state FROM consignment WHERE state != 'closed'",
                "SELECT 'transfer', id, hop, kind, state, due_at, reason FROM transfer "
                "WHERE state != 'done'",
                "SELECT 'inbound', id, kind, state FROM inbound WHERE state != 'processed'",
            )
            for row in self.rows(sql)
        ]
        answered = Counter((h.document_id, h.status) for h in self.ministry.statuses)
        found += [("waits at the axis", i.id) for i in self.axis.items if i.taken_at is None]
        found += [(d, c) for d in self.incoming for c in ("01", "03", "06") if not answered[d, c]]
        return found + ["the ministry owes answers"] * self.ministry.owes

    async def stop(self) -> None:
        """Stop the child gracefully."""
        self.child.signal(signal.SIGTERM)
        assert await self.child.ended() == 0, self.child.log.read_text(errors="replace")[-3000:]

    def check_end(self) -> None:
        """Say what must be true after the last, graceful stop."""
        self.check()
        assert len({a["id"] for a in self.accepted.values()}) == len(self.wanted)
        assert len(self.rows("SELECT id FROM consignment")) == len(self.wanted)
        assert not self.rows("SELECT id FROM transfer WHERE lease_until IS NOT NULL")
        assert not self.rows("SELECT n FROM attempt WHERE ended_at IS NULL")
        assert not self.rows("SELECT id FROM outbox")
        self._check_arrivals()
        self._check_axis()
        self._check_export()

    def _check_arrivals(self) -> None:
        here = Counter(r["document_id"] for r in self.rows("SELECT document_id FROM arrival"))
        assert set(here.values()) <= {1}, here
        local = self.rows(
            "SELECT c.document_id FROM delivery d JOIN consignment c ON c.id = d.consignment_id "
            "WHERE d.agency = 'H37.04'"
        )
        assert set(here) == {r["document_id"] for r in local} | set(self.incoming)

    def _check_axis(self) -> None:
        """Each parcel got there; more than once only where we died in doubt, and then the same."""
        copies: dict[tuple[str, str], list[str]] = defaultdict(list)
        for item in self.axis.items:
            if item.sender in {"H37.02", "H37.04"}:
                raw = (self.folder / "axis" / f"{item.sending_id}.edxml").read_bytes()
                kind = f"{item.kind} {item.head.status}"
                copies[kind, item.head.document_id].append(sha256(raw).hexdigest())
        for key, digests in copies.items():
            assert len(set(digests)) == 1, f"{key}: other bytes when sent again"
        sent = self.rows(
            "SELECT t.document_id, t.attempts, t.kind, s.code FROM transfer t "
            "LEFT JOIN status_report s ON s.id = t.status_id WHERE t.hop = 'truc'"
        )
        assert len(copies) == len(sent)
        for row in sent:
            there = copies[f"{row['kind']} {row['code'] or ''}", row["document_id"]]
            assert 1 <= len(there) <= row["attempts"], dict(row)

    def _check_export(self) -> None:
        """An outsider with the public key alone finds the log whole."""
        key = load_private(self.config.parent / "keys" / "receipts.pem")
        source = LedgerReceipts(SqliteFile(self.ledger), "test", key)
        path = self.folder / "receipts.jsonl"
        try:
            with path.open("wb") as out:
                bundle.write_bundle(out, source, at="2026-11-22T08:00:00.000+07:00")
        finally:
            source.close()
        report = verify_file(path, load_keys(public_pem(key).encode()), None)
        assert report.exit_code == 0, report
        size = len(self.rows("SELECT id FROM receipt_entry"))
        assert self.rows("SELECT MAX(size) FROM tree_head")[0][0] == size


@asynccontextmanager
async def crashhouse(folder: Path, *, budget: str = "10 s") -> AsyncIterator[CrashHouse]:
    """Make the world; the caller starts children."""
    clock = MovedClock()
    async with AsyncExitStack() as stack:
        axis, ministry, peer = await _axis(folder, clock, stack, {})
        config = write_config(folder, RETRY, peer)
        text = config.read_text().replace("[verify]\n", f'[verify]\nbudget = "{budget}"\n')
        config.write_text(text)
        key = read_key_file(load(config).secrets.key_file)
        systems = register(config, key, {"snv": ["H37.02"], "stc": ["H37.04"]})
        with open_admin(config) as admin:  # a child that dies at once never asks for the catalogue
            admin.put_agency(
                AgencyRecord(MINISTRY.code, MINISTRY.name, connected="truc"), by="test"
            )
        timeout = aiohttp.ClientTimeout(total=15)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        house = CrashHouse(folder, config, axis, ministry, ministry._adapter, systems, session)
        house.watch_axis()
        ministry._script = lambda _: FINISHES
        work = asyncio.create_task(house.work())

        async def end() -> None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            if house.child is not None:
                house.child.signal(signal.SIGKILL)
                await house.child.ended()

        stack.push_async_callback(end)
        yield house
        if work.done():
            work.result()  # a system of the world broke: its failure is the test's


async def life(house: CrashHouse, faults: Sequence[str]) -> None:
    """Run one child after the other, each dying at its point; then calm down and check."""
    for fault in faults:
        await house.start(fault)
        house.send("H37.04")
        house.send("G09")
        house.send("H37.04", "G09", size=100_000, urgency=1)
        await house.send_in()
        try:
            await house.dies()
            house.check()
        except AssertionError as exc:
            raise AssertionError(f"after dying at {fault}: {exc}") from exc
    await house.start()
    await house.calm()
    await house.stop()
    house.check_end()
