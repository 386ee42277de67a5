"""What must be true of a ledger, whatever was killed: the invariants of the simulation, on real rows.

`Judge.look` may be asked at any time, also while nodes are at work: it takes one moment of the
ledger and compares it with what had been answered before. `Judge.rest` says what is still open;
`Judge.end` asks everything, once all nodes were stopped. The names are those of docs/crash.md.
"""

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from gateway import stores
from gateway.errors import GatewayError
from gateway.ports import Blobs
from gateway.receipts import bundle, merkle
from gateway.receipts.log import EMPTY, sequence
from gateway.receipts.proof import Frontier, load_keys, verify_file
from gateway.receipts.sign import load_private, public_pem
from gateway.store.receipts import LedgerReceipts
from tests.simulation.axis import read
from tests.world.letters import LOCAL, OUTSIDE, SENDER, number_of
from tests.world.site import Ask, Site

INVARIANTS = {
    "lost": "what was answered is there, and gets to everybody it was accepted for",
    "once": "each recipient's effect happens once",
    "numbers": "a number is given once, without gaps, and the counter is right",
    "early-answer": "nobody hears of what is not committed",
    "changed-answer": "the same submission gets the same answer",
    "unrecorded": "an attempt is on record before the axis hears anything",
    "other-bytes": "what is sent again is the same bytes",
    "content": "files and header fields arrive as they were sent",
    "received": "received bytes stay readable, unchanged",
    "log": "the receipt log's chain, tree and heads verify",
    "rest": "everything comes to its end when nobody kills any more",
    "states": "what the recipient said is where it ends",
    "secret": "what bears a secrecy stamp gets no number and gets to nobody",
    "told-once": "a sender is told each status once",
    "feeds": "no reader of a feed skips or repeats a row",
    "alarm": "nothing is answered 500",
}
_ONCE = ("accepted", "numbered", "arrived_at_gateway", "entered_system")


class Judge:
    """Holds the ledger of a site against the book of its load.

    Args:
        site: The site, with its load.
        restored: The ledger was put back from a backup: what it sent in its former life is at the
            axis too, with attempts that nobody has on record any more.
    """

    def __init__(self, site: Site, *, restored: bool = False) -> None:
        assert site.load is not None
        self._restored = restored
        self._site = site
        self._book = site.load.book
        self._tail, self._frontier = EMPTY, Frontier()
        self.skipped: set[int] = set()
        self.looks = 0
        # What had been handed over at the look before: surely older than the next one's moment.
        self._handed: Counter[tuple[str, str]] = Counter()

    @property
    def size(self) -> int:
        """Return how many receipts were checked."""
        return self._tail.size

    def _violate(self, name: str, what: str) -> None:
        self._book.violate(name, what)

    # ------------------------------------------------------------ at any time

    async def look(self) -> None:
        """Compare one moment of the ledger with what was answered by then."""
        self.looks += 1
        accepted = dict(self._book.accepted)
        confirmed, finished = set(self._book.confirmed), set(self._book.finished)
        async with self._site.looking() as ask:
            if self._site.engine == "sqlite" and self.looks % 8 == 1:
                self._whole(await ask("PRAGMA quick_check(1)"))
            await self._answered(ask, accepted)
            await self._acted(ask, confirmed, finished)
            await self._numbers(ask)
            await self._attempts(ask)
            await self._chain(ask)

    def _whole(self, told: Any) -> None:
        if told[0][0] != "ok":
            self._violate("lost", f"the ledger's file is damaged: {told[0][0]}")

    async def _answered(self, ask: Ask, accepted: dict[int, Any]) -> None:
        known = {row["id"] for row in await ask("SELECT id FROM consignment")}
        for n, answer in accepted.items():
            if answer.id not in known:
                self._violate("lost", f"document {n} was accepted as {answer.id} and is gone")

    async def _acted(self, ask: Ask, confirmed: set[str], finished: set[str]) -> None:
        sql = "SELECT id FROM arrival WHERE entered_system_at IS NOT NULL"
        entered = {row["id"] for row in await ask(sql)}
        for item in confirmed - entered:
            self._violate("early-answer", f"{item} was confirmed, and the ledger knows nothing")
        said = {
            row["arrival_id"]
            for row in await ask("SELECT arrival_id FROM status_report WHERE code = '06'")
        }
        for item in finished - said:
            self._violate("early-answer", f"06 on {item} was answered, and the ledger has none")

    async def _numbers(self, ask: Ask) -> None:
        given: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for row in await ask(
            "SELECT sender, issue_year, issue_ordinal FROM consignment "
            "WHERE issue_ordinal IS NOT NULL"
        ):
            given[row["sender"], row["issue_year"]].append(row["issue_ordinal"])
        counters = {
            (row["agency"], row["year"]): row["last"]
            for row in await ask("SELECT * FROM counter WHERE series = 'issue'")
        }
        for key in {*given, *counters}:
            expected = [n for n in range(1, counters.get(key, 0) + 1) if n not in self.skipped]
            if sorted(given[key]) != expected:
                odd = Counter(given[key])
                odd.subtract(expected)
                told = {n: times for n, times in odd.items() if times}
                self._violate("numbers", f"{key}: too many (+) or missing (-): {told}")
        unnamed = await ask(
            "SELECT id FROM consignment WHERE state IN ('released', 'closed') AND "
            "(issue_ordinal IS NULL OR issued_at IS NULL OR document_id IS NULL)"
        )
        if unnamed:
            self._violate("numbers", f"released without a number: {len(unnamed)}")

    async def _attempts(self, ask: Ask) -> None:
        for row in await ask(
            "SELECT t.id, t.attempts, COUNT(a.n) AS n, MAX(a.n) AS last FROM transfer t "
            "LEFT JOIN attempt a ON a.transfer_id = t.id GROUP BY t.id, t.attempts "
            "HAVING COUNT(a.n) != t.attempts OR COALESCE(MAX(a.n), 0) != t.attempts"
        ):
            self._violate("unrecorded", f"attempts of a transfer: {tuple(row)}")
        recorded = {
            (row["document_id"], row["code"]): row["n"]
            for row in await ask(
                "SELECT t.document_id, COALESCE(s.code, '') AS code, COUNT(*) AS n FROM attempt a "
                "JOIN transfer t ON t.id = a.transfer_id "
                "LEFT JOIN status_report s ON s.id = t.status_id WHERE t.hop = 'truc' "
                "GROUP BY t.document_id, COALESCE(s.code, '')"
            )
        }
        for what, times in list(self._handed.items()):
            if recorded.get(what, 0) < times:
                found = recorded.get(what, 0)
                self._violate("unrecorded", f"{what}: {times} times, {found} attempts on record")
        self._handed = Counter(self._book.handed)

    async def _chain(self, ask: Ask) -> None:
        """Follow the log from where the last look ended."""
        size = self._tail.size
        unplaced = await ask("SELECT COUNT(*) AS n FROM receipt_entry WHERE idx IS NULL")
        if unplaced[0]["n"]:
            self._violate("log", f"{unplaced[0]['n']} entries are committed without a place")
        entries = await ask(
            "SELECT idx, body, prev_hash, chain_hash FROM receipt_entry "
            f"WHERE idx >= {size} ORDER BY idx"
        )
        placed = sequence(self._tail, [row["body"].encode() for row in entries])
        for row, place in zip(entries, placed, strict=True):
            told = (row["idx"], row["prev_hash"], row["chain_hash"])
            if told != (place.index, place.prev_hash.hex(), place.chain_hash.hex()):
                self._violate("log", f"entry {row['idx']} does not fit behind {place.index - 1}")
                return
            self._frontier.add(place.leaf_hash)
        if placed:
            self._tail = placed[-1].tail
        total = await ask("SELECT COUNT(*) AS n FROM receipt_entry")
        if total[0]["n"] != self._tail.size:
            self._violate("log", f"{total[0]['n']} entries, {self._tail.size} in the chain")

    # ------------------------------------------------------------ has it come to rest?

    async def rest(self) -> list[str]:
        """Return what is still open, some of it."""
        book, axis = self._book, self._site.axis
        found: list[str] = []
        async with self._site.looking() as ask:
            for name, sql in _OPEN.items():
                found += [f"{name} {tuple(row)}" for row in await ask(f"{sql} LIMIT 5")]
        waits = sum(item.taken_at is None for item in axis.items)
        missing = book.expected(LOCAL) - {book.arrived[item] for item in book.finished}
        found += [f"{waits} items wait at the axis"] * bool(waits)
        found += ["the ministry owes answers"] * bool(self._site.ministry.owes)
        found += [f"not finished: {sorted(missing)[:5]}"] * bool(missing)
        if not found and self._site.rabbit is not None:
            queues = await asyncio.to_thread(self._site.rabbit.queues)
            found += [f"queue {name}: {count}" for name, count in queues.items() if count]
        return found

    # ------------------------------------------------------------ at the end

    async def end(self) -> None:
        """Ask everything."""
        self._handed = Counter(self._book.handed)
        await self.look()
        for open_ in await self.rest():
            self._violate("rest", open_)
        async with self._site.looking() as ask:
            await self._documents(ask)
            await self._secrets(ask)
            await self._arrivals(ask)
            await self._feeds(ask)
            await self._told(ask)
            await self._tree(ask)
            await self._sent(ask)
        await asyncio.to_thread(self._export)

    async def _documents(self, ask: Ask) -> None:
        """Each accepted one is there once, as it was answered, and its received bytes are there."""
        book, found = self._book, defaultdict(list)
        rows = await ask(
            "SELECT id, document_id, state, answer, received_sha256, sender FROM consignment"
        )
        for row in rows:
            n = number_of(row["document_id"] or "")
            if not book.secret(n):
                found[n].append(row)
        if strange := set(found) - set(book.accepted):
            self._violate("once", f"nobody was told of documents {sorted(strange)[:9]}")
        blobs = stores.open_blobs(self._site.settings)
        try:
            for n, answer in book.accepted.items():
                if [row["id"] for row in found[n]] != [answer.id]:
                    ids = [row["id"] for row in found[n]]
                    self._violate("lost", f"document {n}, answered {answer.id}, is there as {ids}")
                    continue
                (row,) = found[n]
                if json.loads(row["answer"]) != json.loads(answer.raw):
                    self._violate("changed-answer", f"document {n}")
                body = book.letters[n].body
                name = hashlib.sha256(body).hexdigest()
                if row["received_sha256"] != name or await _bytes_of(blobs, name) != body:
                    self._violate("received", f"document {n}: {row['received_sha256']}")
        finally:
            blobs.close()
        states = await ask(
            "SELECT d.state, COUNT(*) AS n FROM delivery d WHERE d.state != 'done' "
            f"AND {_not_shut('d')} GROUP BY d.state"
        )
        for row in states:
            self._violate("states", f"{row['n']} deliveries ended as {row['state']}")

    async def _secrets(self, ask: Ask) -> None:
        """SEC-01: one whose stamp was found after it was accepted is shut away, and only such."""
        rows = await ask(
            "SELECT c.document_id, c.state, c.issue_ordinal, d.state AS delivery "
            "FROM consignment c JOIN delivery d ON d.consignment_id = c.id"
        )
        gone = ("quarantined", None, "cancelled")
        for row in rows:
            n = number_of(row["document_id"] or "")
            ends = (row["state"], row["issue_ordinal"], row["delivery"])
            secret = self._book.secret(n)
            if (secret or row["state"] == "quarantined") and not (secret and ends == gone):
                self._violate("secret", f"document {n} ended as {ends}")

    async def _arrivals(self, ask: Ask) -> None:
        book = self._book
        here: Counter[int] = Counter()
        for row in await ask("SELECT id, agency, document_id, entered_system_at FROM arrival"):
            n = number_of(row["document_id"])
            here[n] += 1
            if row["agency"] != LOCAL or book.arrived.get(row["id"]) != n:
                self._violate("feeds", f"arrival {tuple(row)} was never shown")
        if twice := [n for n, times in here.items() if times > 1]:
            self._violate("once", f"documents {twice[:9]} arrived more than once")
        for n in book.expected(LOCAL) ^ set(here):
            self._violate("lost" if n not in here else "once", f"document {n} at {LOCAL}")
        for n, items in book.of_arrivals().items():
            if len(items) != 1:
                self._violate("once", f"{LOCAL} was shown document {n} as {items}")
        for row in await ask(
            "SELECT kind, subject, COUNT(*) AS n FROM receipt_entry "
            f"WHERE kind IN {_ONCE} GROUP BY kind, subject HAVING COUNT(*) > 1"
        ):
            self._violate("once", f"receipts {tuple(row)}")

    async def _feeds(self, ask: Ask) -> None:
        seqs = [row["seq"] for row in await ask("SELECT seq FROM event ORDER BY seq")]
        # A restored ledger goes on above every cursor its former life may have given.
        whole = sorted(set(seqs)) if self._restored else list(range(1, len(seqs) + 1))
        if seqs != whole:
            self._violate("feeds", f"{len(seqs)} events, the last is {seqs[-1]}")
        for row in await ask(
            "SELECT inbox_seq, COUNT(*) AS n FROM (SELECT inbox_seq FROM arrival UNION ALL "
            "SELECT inbox_seq FROM status_report WHERE offered_at IS NOT NULL) AS feed "
            "GROUP BY inbox_seq HAVING COUNT(*) > 1 OR inbox_seq IS NULL"
        ):
            self._violate("feeds", f"cursor {tuple(row)}")

    async def _told(self, ask: Ask) -> None:
        for row in await ask(
            "SELECT recipient, document_id, sender_written, code, COUNT(*) AS n "
            "FROM status_report WHERE offered_at IS NOT NULL AND code != '05' "
            "AND COALESCE(delivery_id, arrival_id) IS NOT NULL "
            "GROUP BY recipient, document_id, sender_written, code HAVING COUNT(*) > 1"
        ):
            self._violate("told-once", f"{tuple(row)}")

    async def _tree(self, ask: Ask) -> None:
        nodes = {
            (row["level"], row["idx"]): bytes.fromhex(row["hash"])
            for row in await ask("SELECT * FROM merkle_node")
        }
        size = self._tail.size
        if size and merkle.root(size, lambda level, i: nodes[level, i]) != self._frontier.root():
            self._violate("log", "the kept nodes give another root")
        last = await ask("SELECT MAX(size) AS n FROM tree_head")
        if last[0]["n"] != size:
            self._violate("log", f"the last head covers {last[0]['n']} of {size} entries")

    async def _sent(self, ask: Ask) -> None:
        """Each parcel got to the axis; again only where we were in doubt, and then the same."""
        copies: defaultdict[tuple[str, str], list[tuple[str, Path]]] = defaultdict(list)
        for item in self._site.axis.items:
            if item.sender in {SENDER, LOCAL}:
                path = self._site.folder / "axis" / f"{item.sending_id}.edxml"
                digest = hashlib.sha256(await asyncio.to_thread(path.read_bytes)).hexdigest()
                copies[item.head.document_id, item.head.status].append((digest, path))
        for row in await ask(
            "SELECT t.document_id, t.attempts, COALESCE(s.code, '') AS code FROM transfer t "
            "LEFT JOIN status_report s ON s.id = t.status_id WHERE t.hop = 'truc' "
            f"AND {_not_shut('t')}"
        ):
            there = copies.pop((row["document_id"], row["code"]), [])
            if not there:
                self._violate("lost", f"the axis never got {tuple(row)}")
            elif self._restored:
                for _, path in there if not row["code"] else []:
                    self._compare(number_of(row["document_id"]), path)
            elif len({digest for digest, _ in there}) > 1:
                self._violate("other-bytes", f"{tuple(row)}")
            elif len(there) > row["attempts"]:
                self._violate("unrecorded", f"{len(there)} copies, {tuple(row)}")
            elif not row["code"]:
                self._compare(number_of(row["document_id"]), there[0][1])
        for what in copies if not self._restored else ():
            self._violate("unrecorded", f"{what} is at the axis, and no transfer says so")
        reached = {number_of(head.document_id) for head in self._site.ministry.documents}
        for n in self._book.expected(OUTSIDE) ^ reached:
            self._violate("lost" if n not in reached else "once", f"document {n} at {OUTSIDE}")

    def _compare(self, n: int, path: Path) -> None:
        """Files, header and `To` are what the sender wrote; the trace before us is untouched."""
        sent, seen = read(self._book.letters[n].body), read(path.read_bytes())
        own = any(field[0] == "DocumentId" for field in sent.fields)
        fields = [field for field in seen.fields if own or field[0] != "DocumentId"]
        told = (fields, seen.tos, seen.files, seen.trace[: len(sent.trace)])
        if told != (list(sent.fields), sent.tos, sent.files, sent.trace):
            self._violate("content", f"document {n} went to the axis otherwise: {told}")

    def _export(self) -> None:
        """An outsider with the public key alone finds the log whole."""
        settings = self._site.settings
        key = load_private(self._site.folder / "keys" / "receipts.pem")
        source = LedgerReceipts(stores.ledger_place(settings), "judge", key)
        path = self._site.folder / "receipts.jsonl"
        try:
            with path.open("wb") as out:
                bundle.write_bundle(out, source, at="2026-11-22T08:00:00.000+07:00")
        finally:
            source.close()
        report = verify_file(path, load_keys(public_pem(key).encode()), None)
        if report.exit_code:
            self._violate("log", f"the export: {report.faults[:3]}")


async def _bytes_of(blobs: Blobs, name: str) -> bytes:
    try:
        return b"".join([chunk async for chunk in blobs.stream(name)])
    except GatewayError as exc:
        return repr(exc).encode()


def _not_shut(table: str) -> str:
    """Return the condition that a row belongs to no document in quarantine."""
    shut = "SELECT id FROM consignment WHERE state = 'quarantined'"
    return f"COALESCE({table}.consignment_id, '') NOT IN ({shut})"


_OPEN = {
    "outbox": "SELECT topic, ref FROM outbox",
    "transfer": (
        "SELECT id, hop, kind, state, hold, due_at, lease_until, reason FROM transfer "
        "WHERE (state != 'done' OR lease_until IS NOT NULL) "
        f"AND {_not_shut('transfer')}"
    ),
    "delivery": (
        f"SELECT id, agency, state FROM delivery WHERE state != 'done' AND {_not_shut('delivery')}"
    ),
    "consignment": (
        "SELECT id, state, hold FROM consignment WHERE state NOT IN ('closed', 'quarantined')"
    ),
    "inbound": "SELECT id, kind, state FROM inbound WHERE state != 'processed'",
    "arrival": "SELECT id, state FROM arrival WHERE state != 'done'",
    "attempt": "SELECT transfer_id, n FROM attempt WHERE ended_at IS NULL",
}


def told(violations: list[tuple[str, str]]) -> str:
    """Return violations as a text for people."""
    return "\n".join(f"  {name} ({INVARIANTS[name]}): {what}" for name, what in violations)
