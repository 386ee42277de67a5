"""What must be true in every history: while it runs, and when it has come to rest.

`Watch` looks at the moment something leaves a gateway; `final` looks at the ledgers, the agencies
and the axis at the end. A violation is a name and what was seen. Ledgers are looked into directly,
beside the ports, as a stranger would.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from gateway.domain.drafting import DRAFT
from gateway.domain.lifecycle import DELIVERY, TABLES, DeliveryState, advance, allows
from gateway.domain.receipt import delivery_event
from gateway.ports import Accepted, Listed, Parcel
from gateway.receipts import merkle
from gateway.receipts.log import EMPTY, sequence
from gateway.receipts.proof import Frontier
from gateway.receipts.sign import verify_tree_head
from tests.simulation import axis as axis_of
from tests.simulation import recalled
from tests.simulation.letters import RECALL, asked_by
from tests.simulation.plan import LEGACY, OUTSIDE, Doc

INVARIANTS = {
    "lost": "what was accepted is there, and gets to everybody it was accepted for",
    "once": "each recipient's effect happens once",
    "numbers": "a number is given once, never again, without gaps",
    "early-answer": "nobody hears of what is not committed",
    "changed-answer": "the same submission gets the same answer",
    "unrecorded": "an attempt is on record before the peer hears anything",
    "other-bytes": "what is sent again is the same bytes",
    "early-ack": "a peer hears done only after our commit",
    "content": "files and header fields arrive as they were sent",
    "received": "received bytes stay readable, unchanged",
    "log": "the receipt log's chain, tree and heads verify",
    "rest": "the queue drains when faults stop",
    "states": "the ends are what the agencies said",
    "tables": "a state moves only along a row of its table",
    "told-once": "a sender is told each status once",
    "urgent-first": "who asks for work is given the most urgent",
    "feeds": "no reader of a feed skips or repeats a row",
    "secret": "what bears a secrecy level gets to nobody",
    "held": "what an operator holds is not tried",
    "drained": "a node given a rest begins nothing",
    "recall": "what is taken back is given back once, or kept for a lawful reason, never both",
    "registers": "arrival numbers are given once, without gaps, to what was accepted",
    "locked": "whose account is shut does nothing more",
    "alarm": "no program is surprised",
}

_STEPS = {
    table.name: {(before.value, after.value) for (before, _), after in table.rows.items()}
    for table in (*TABLES, DRAFT)
}
_STEPS["takeback"] = _STEPS["recall"]


_BY_FORM = ("form", "order", "console")
_MAY_REPEAT = ("05", "13", "15", "16")
"""Codes that may be told again; `recalled` looks at the last three."""


def _end(codes: Sequence[str]) -> str:
    """Return where the reports of a recipient lead a delivery."""
    state = DeliveryState.HANDED_OVER
    for code in codes:
        event = delivery_event(code)
        if event is not None and allows(DELIVERY, state, event):
            state = advance(DELIVERY, state, event)
    return state.value


def canonical(code: str) -> str:
    """Return an agency's code in the new notation."""
    return LEGACY.get(code, code)


class Watch:
    """Collects violations of one history."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.violations: list[tuple[str, str]] = []
        self.calls: Counter[str] = Counter()
        self.raw: dict[str, str] = {}
        self.named: dict[tuple[str, str, str], str] = {}
        self.lies: set[str] = set()
        self.answers: dict[int, str] = {}
        self.refused: dict[int, str] = {}
        self.entered: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._seen: dict[str, dict[str, int]] = {}
        self.said: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        self.said_of_notices: defaultdict[str, list[str]] = defaultdict(list)

    def violate(self, name: str, what: str) -> None:
        if len(self.violations) < 20:
            self.violations.append((name, what))
        self.world.say(f"VIOLATED {name}: {what}")

    # ------------------------------------------------------------ while it runs

    def begins(self, life: Any, what: str) -> None:
        """A node begins something outside: is it on duty?"""
        made = self.world.houses[life.house].programs[life.node]
        if made["nodes"].state == "maintenance" and life.resting:
            self.violate("drained", f"{life.node} {what}")

    def attempt(self, house: Any, life: Any, parcel: Parcel) -> None:
        """The adapter is called: is an attempt of its own on record?"""
        self.begins(life, f"dials {parcel.transfer_id}")
        recalled.attempt(self, house, parcel)
        self.calls[parcel.transfer_id] += 1
        rows = house.rows("SELECT n FROM attempt WHERE transfer_id = ?", parcel.transfer_id)
        if len(rows) < self.calls[parcel.transfer_id]:
            self.violate(
                "unrecorded",
                f"{house.name}: transfer {parcel.transfer_id} is dialled for the "
                f"{self.calls[parcel.transfer_id]}. time, {len(rows)} attempts on record",
            )
        if parcel.kind == "status":
            told = house.rows(
                "SELECT a.entered_system_at AS at FROM transfer t "
                "JOIN status_report s ON s.id = t.status_id "
                "LEFT JOIN arrival a ON a.id = s.arrival_id WHERE t.id = ?",
                parcel.transfer_id,
            )
            if not told:
                self.violate("early-answer", f"{house.name}: a status leaves that is not on record")

    def heard(self, house: Any, parcel: Parcel, data: bytes) -> None:
        """The axis hears a parcel."""
        digest = hashlib.sha256(data).hexdigest()
        if self.raw.setdefault(parcel.transfer_id, digest) != digest:
            self.violate("other-bytes", f"{house.name}: transfer {parcel.transfer_id}")
        self.world.say(f"axis hears {parcel.kind} {parcel.document_id} from {house.name}")
        if parcel.kind == "edoc":
            head = axis_of.head_of(data)
            doc = self.world.docs.get(self.world.number_of(head.subject))
            if doc is not None and doc.secret:
                self.violate("secret", f"the axis hears of document {doc.n}")
            self._named_once(house, parcel.transfer_id, head.recipients)

    def _named_once(self, house: Any, transfer_id: str, codes: Sequence[str]) -> None:
        """An axis gives a parcel to everybody it names: two parcels of one sending name nobody
        twice."""
        row = house.rows("SELECT consignment_id FROM transfer WHERE id = ?", transfer_id)[0]
        for code in codes:
            key = (house.name, row["consignment_id"], code)
            if self.named.setdefault(key, transfer_id) != transfer_id:
                self.violate("once", f"{house.name}: two parcels of one sending name {code}")

    def lied(self, parcel: Parcel) -> None:
        """The axis says taken and drops it."""
        self.lies.add(parcel.transfer_id)
        self.world.status_lied |= parcel.kind == "status"
        self.world.say(f"axis lies about {parcel.kind} {parcel.document_id}")

    def acknowledged(self, house: Any, item: Listed) -> None:
        rows = house.rows(
            "SELECT state FROM inbound WHERE peer_doc_id = ? AND kind = ?",
            item.peer_doc_id,
            item.kind,
        )
        if not rows or rows[0]["state"] in {"received", "unreadable-yet"}:
            self.violate("early-ack", f"{house.name}: {item.kind} {item.peer_doc_id}")

    def answered(self, house: Any, doc: Doc, accepted: Accepted) -> None:
        """A node answers 202: is it committed, and is it what was answered before?"""
        rows = house.rows("SELECT answer FROM consignment WHERE id = ?", accepted.id)
        if not rows or rows[0]["answer"] != accepted.answer_json:
            self.violate("early-answer", f"document {doc.n} is accepted, the ledger knows nothing")
        if doc.doubtful and not doc.keyed:
            self.answers[doc.n] = accepted.answer_json  # refused meanwhile, it is new again
        before = self.answers.setdefault(doc.n, accepted.answer_json)
        if before != accepted.answer_json:
            self.violate("changed-answer", f"document {doc.n}")

    def issued(self, house: Any, doc: Doc, consignment_id: str) -> None:
        """A clerk is told that a document was issued: is it committed, and the same as before?"""
        rows = house.rows("SELECT answer FROM consignment WHERE id = ?", consignment_id)
        if not rows:
            self.violate("early-answer", f"document {doc.n} is issued, the ledger knows nothing")
            return
        if self.answers.setdefault(doc.n, rows[0]["answer"]) != rows[0]["answer"]:
            self.violate("changed-answer", f"document {doc.n}")

    def is_withdrawn(self, house: Any, item_id: str) -> bool:
        """Tell whether something was taken back before anybody picked it up."""
        sql = "SELECT 1 FROM arrival WHERE id = ? AND state = 'recalled' AND entered_system_at IS NULL"
        return bool(house.rows(sql, item_id))

    def added(self, house: Any, doc: Doc, accepted: Accepted) -> None:
        """A node answers 202 for more recipients: are their deliveries committed?"""
        if doc.doubtful:
            return
        rows = house.rows("SELECT agency FROM delivery WHERE consignment_id = ?", accepted.id)
        missing = {canonical(c) for c in doc.more} - {row["agency"] for row in rows}
        if missing:
            self.violate("early-answer", f"document {doc.n} is accepted for {missing} too")

    def confirmed(self, house: Any, item_id: str) -> None:
        rows = house.rows(
            "SELECT state, entered_system_at AS at FROM arrival WHERE id = ?", item_id
        )
        if rows and rows[0]["at"] is None and rows[0]["state"] != "recalled":
            self.violate("early-answer", f"{item_id} is confirmed, the ledger knows nothing")

    def arrived(self, agency: str, item_id: str, data: bytes, *, written: str) -> int | None:
        """A document enters an agency's system: is it what was sent? Return which it is."""
        try:
            seen = axis_of.read(data)
        except ValueError:
            self.violate("content", f"{agency} got a packet nobody can read")
            return None
        n = self.world.number_of(seen.head.subject)
        if seen.kind == RECALL:
            recalled.notice(self, agency, n, seen)
            return None
        doc = self.world.docs.get(n)
        if doc is None:
            if "phantom" not in seen.head.subject:
                self.violate("content", f"{agency} got a document nobody sent: {seen.head}")
            return None
        if doc.secret and agency != OUTSIDE:
            self.violate("secret", f"document {n} gets to {agency}")
        self.entered[agency, n].add(item_id)
        sent = axis_of.read(self.world.packets[n])
        self._compare(agency, doc, sent, seen)
        return n

    def _compare(self, agency: str, doc: Doc, sent: axis_of.Seen, seen: axis_of.Seen) -> None:
        where = f"document {doc.n} at {agency}"
        if seen.files != sent.files:
            self.violate("content", f"{where}: files {seen.files} instead of {sent.files}")
        if seen.kind != sent.kind or (sent.kind and not set(sent.business) <= set(seen.business)):
            self.violate("content", f"{where}: {seen.business} instead of {sent.business}")
        if doc.drafted:
            return  # what its clerk typed: the gateway writes the packet
        mine = [f for f in seen.fields if doc.named or f[0] != "DocumentId"]
        if mine != list(sent.fields):
            other = [f for f in mine if f not in sent.fields]
            gone = [f for f in sent.fields if f not in mine]
            self.violate("content", f"{where}: fields {other} instead of {gone}")
        tos = {to[2][1]: to for to in seen.tos} if doc.more else {}
        if doc.more and set(tos) <= {*doc.to, *doc.more} and len(tos) == len(seen.tos):
            pass  # recipients named later get a parcel of their own, with their own To
        elif seen.tos != sent.tos:
            self.violate("content", f"{where}: To {seen.tos} instead of {sent.tos}")
        if seen.trace[: len(sent.trace)] != sent.trace:
            self.violate("content", f"{where}: the trace before us was changed")

    # ------------------------------------------------------------ when it has come to rest

    def final(self) -> None:
        world = self.world
        for house in world.houses.values():
            self._numbers(house)
            self._log(house)
            self._received(house)
            self._attempts(house)
            self._feeds(house)
            self._told(house)
            self._receipts_once(house)
            self._tables(house)
            recalled.look(self, house)
        for doc in world.docs.values():
            if doc.sender != OUTSIDE:
                self._accepted(doc)
            elif doc.secret:
                self._shut_away(doc)
            elif doc.n in world.sent_outside:
                for code in sorted({canonical(c) for c in doc.to}):
                    withdrawn = recalled.is_withdrawn_at(world.house_of(code), doc, code)
                    self._effect(doc, code, may_lack=withdrawn)
        for failure in world.loop.strayed:
            self.violate("alarm", failure)

    def _accepted(self, doc: Doc) -> None:
        world = self.world
        house = world.house_of(doc.sender)
        rows = house.rows(
            "SELECT id, state, verdict, received_sha256 FROM consignment WHERE subject = ? "
            "AND business_type <> 1",
            world.subject(doc.n),
        )
        if doc.n not in self.answers:
            return
        answer = json.loads(self.answers[doc.n])
        rows = [r for r in rows if r["id"] == answer["id"] or not doc.doubtful]
        if [r["id"] for r in rows] != [answer["id"]]:
            self.violate("lost", f"document {doc.n} was accepted as {answer['id']}, there: {rows}")
            return
        if rows[0]["state"] == "cancelled" and recalled.is_asked(world, doc):
            if any(self.entered[canonical(code), doc.n] for code in doc.to):
                self.violate("recall", f"document {doc.n} was cancelled and got there")
            return
        if doc.secret and rows[0]["state"] != "quarantined":
            self.violate("secret", f"document {doc.n} is {rows[0]['state']}")
        if rows[0]["state"] not in {"released", "closed"}:
            ends = "quarantined" if doc.secret else "refused"
            if not doc.doubtful or rows[0]["state"] != ends:
                self.violate("lost", f"document {doc.n} is {rows[0]['state']}")
            elif any(self.entered[canonical(code), doc.n] for code in doc.to):
                self.violate("once", f"document {doc.n} was refused and got there")
            return
        for delivery in house.rows(
            "SELECT d.*, t.state AS carried FROM delivery d LEFT JOIN transfer t "
            "ON t.id = d.transfer_id WHERE d.consignment_id = ? ORDER BY d.agency",
            answer["id"],
        ):
            lied = delivery["transfer_id"] in self.lies
            taken_back = recalled.is_taken_back(self, doc, delivery)
            gone = taken_back or recalled.is_given_back_unseen(world, doc, delivery["agency"])
            self._effect(doc, delivery["agency"], may_lack=lied or gone)
            if not taken_back:
                self._ended(doc, delivery)

    def _shut_away(self, doc: Doc) -> None:
        """What came in with a secrecy stamp: kept apart by whoever was addressed."""
        world = self.world
        for code in sorted({canonical(c) for c in doc.to}):
            house = world.house_of(code)
            states = [
                row["state"]
                for row in house.rows(
                    "SELECT * FROM arrival WHERE agency = ? AND sender = ?", code, OUTSIDE
                )
                if json.loads(row["envelope"])["header"]["code_number"] == str(doc.n)
            ]
            if states != ["quarantined"] and doc.n in world.sent_outside:
                self.violate("secret", f"document {doc.n} at {code}: {states}")

    def _effect(self, doc: Doc, agency: str, *, may_lack: bool) -> None:
        effects = len(self.entered[agency, doc.n])
        if effects > 1:
            self.violate("once", f"document {doc.n} entered {agency} {effects} times")
        if effects == 0 and not may_lack:
            self.violate("lost", f"document {doc.n} never got to {agency}")

    def _ended(self, doc: Doc, delivery: Any) -> None:
        """The sender sees what the recipient said, whatever order it came in."""
        agency = delivery["agency"]
        if not self.entered[agency, doc.n] or recalled.has_versions(self.world, doc):
            return
        said = ("01", *self.said[agency, doc.n])
        # A notice may bear the identifier of its document, and what its reader says of it counts
        # for the document, which nothing tells from it.
        ends = {_end(said), _end((*said, *self.said_of_notices[agency]))}
        if delivery["state"] not in ends and not self.world.status_lied:
            if {"02", "15"} <= set(self.said[agency, doc.n]) and delivery["state"] == "returned":
                return  # both are ends, and the first that gets here stays
            told = f"document {doc.n} at {agency}: {delivery['state']}, {agency} said "
            self.violate("states", f"{told}{self.said[agency, doc.n]}")

    def _numbers(self, house: Any) -> None:
        given: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for row in house.rows(  # all versions of a document have its number
            "SELECT DISTINCT sender, document_id, issue_year, issue_ordinal FROM consignment "
            "WHERE issue_ordinal IS NOT NULL"
        ):
            given[row["sender"], row["issue_year"]].append(row["issue_ordinal"])
        counters = {
            (r["agency"], r["year"]): r["last"]
            for r in house.rows("SELECT * FROM counter WHERE series = 'issue'")
        }
        for key in sorted({*given, *counters}):
            numbers, last = sorted(given[key]), counters.get(key, 0)
            if numbers != list(range(1, last + 1)):
                self.violate("numbers", f"{key}: {numbers} were given, the counter says {last}")
        unnamed = house.rows(
            "SELECT id FROM consignment WHERE state IN ('released', 'closed') AND "
            "(issued_at IS NULL OR document_id IS NULL OR issue_ordinal IS NULL)"
        )
        if unnamed:
            self.violate("numbers", f"{house.name}: released without a number: {len(unnamed)}")
        told = Counter(
            (r["subject"], r["type"])
            for r in house.rows("SELECT subject, type FROM event WHERE type = 'numbered'")
        )
        if any(n > 1 for n in told.values()):
            self.violate("numbers", f"{house.name}: numbered twice: {told}")

    def _log(self, house: Any) -> None:
        entries = house.rows("SELECT * FROM receipt_entry ORDER BY idx")
        if [e["idx"] for e in entries] != list(range(len(entries))):
            self.violate("log", f"{house.name}: indexes {[e['idx'] for e in entries]}")
            return
        frontier = Frontier()
        roots = {}
        for entry, placed in zip(
            entries, sequence(EMPTY, (e["body"].encode() for e in entries)), strict=True
        ):
            body = json.loads(entry["body"])
            chained = (placed.prev_hash.hex(), placed.chain_hash.hex())
            if (entry["prev_hash"], entry["chain_hash"]) != chained or body["entry_id"] != entry[
                "id"
            ]:
                self.violate("log", f"{house.name}: entry {entry['idx']} does not fit the chain")
                return
            frontier.add(placed.leaf_hash)
            roots[entry["idx"] + 1] = frontier.root()
        for head in house.rows("SELECT * FROM tree_head ORDER BY size"):
            claimed = verify_tree_head(head["jws"], house.key.public)
            if (claimed.size, claimed.root) != (head["size"], roots.get(head["size"])):
                self.violate("log", f"{house.name}: head {head['size']} is not the tree's")
        if entries:
            nodes = {
                (n["level"], n["idx"]): bytes.fromhex(n["hash"])
                for n in house.rows("SELECT * FROM merkle_node")
            }
            root = merkle.root(len(entries), lambda level, index: nodes[level, index])
            if root != frontier.root():
                self.violate("log", f"{house.name}: the kept nodes give another root")

    def _received(self, house: Any) -> None:
        for row in house.rows("SELECT id, via, subject, received_sha256 FROM consignment"):
            n = self.world.number_of(row["subject"])
            kept = house.blobs.kept.get(row["received_sha256"], (b"",))[0]
            written = {self.world.packets.get(n), self.world.extended.get(n)}
            if row["via"] in _BY_FORM:
                written.add(kept if kept[:1] == b"{" and row["subject"].encode() in kept else None)
            elif asked_by(n) in self.world.docs:
                written.add(self.world.recalls.notices.get(asked_by(n)))
            if kept not in written:
                self.violate("received", f"document {n} at {house.name}")
        for row in house.rows("SELECT peer_doc_id, sha256, state FROM inbound"):
            item = self.world.axis.items[row["peer_doc_id"]]
            kept = house.blobs.kept.get(row["sha256"], (b"",))[0]
            if kept != item.data and row["state"] not in {"unreadable", "unreadable-yet"}:
                self.violate("received", f"item {row['peer_doc_id']} at {house.name}")

    def _attempts(self, house: Any) -> None:
        for row in house.rows(
            "SELECT t.id, t.attempts, COUNT(a.n) AS rows, MAX(a.n) AS last, "
            "SUM(a.ended_at IS NULL) AS open FROM transfer t "
            "JOIN attempt a ON a.transfer_id = t.id GROUP BY t.id"
        ):
            if not row["attempts"] == row["rows"] == row["last"] or row["open"]:
                self.violate("rest", f"{house.name}: attempts of a transfer {dict(row)}")

    def feeds(self, house: Any) -> None:
        """Read the feeds as a system does, from its cursor on: nothing may appear behind it."""
        seen = self._seen.setdefault(house.name, {})
        cursor = max(seen.values(), default=0)
        for row in house.rows(
            "SELECT id, inbox_seq AS seq FROM arrival WHERE offered_at IS NOT NULL UNION ALL "
            "SELECT id, inbox_seq FROM status_report WHERE offered_at IS NOT NULL"
        ):
            if row["seq"] is None:
                self.violate("feeds", f"{house.name}: {row['id']} is offered without a cursor")
            elif seen.get(row["id"]) != row["seq"]:
                if row["seq"] <= cursor:
                    self.violate("feeds", f"{house.name}: {row['seq']} came behind {cursor}")
                seen[row["id"]] = row["seq"]

    def _feeds(self, house: Any) -> None:
        self.feeds(house)
        seqs = [r["seq"] for r in house.rows("SELECT seq FROM event ORDER BY seq")]
        if seqs != list(range(1, len(seqs) + 1)):
            self.violate("feeds", f"{house.name}: events {seqs[:20]}")
        cursors = list(self._seen[house.name].values())
        if len(set(cursors)) != len(cursors):
            self.violate("feeds", f"{house.name}: a cursor names two rows: {sorted(cursors)}")

    def _told(self, house: Any) -> None:
        told = Counter(
            (r["recipient"], r["about"], r["sender_written"], r["code"])
            for r in house.rows(
                "SELECT *, COALESCE(delivery_id, arrival_id) AS about FROM status_report "
                "WHERE offered_at IS NOT NULL AND COALESCE(delivery_id, arrival_id) IS NOT NULL"
            )
            if r["code"] not in _MAY_REPEAT
        )
        for what, times in sorted(told.items()):
            if times > 1:
                self.violate("told-once", f"{house.name}: {what} {times} times")

    def _tables(self, house: Any) -> None:
        for what, before, after in house.ledger.moves():
            if (before, after) not in _STEPS[what]:
                self.violate("tables", f"{house.name}: a {what} went from {before} to {after}")

    def _receipts_once(self, house: Any) -> None:
        """Facts that can happen only once have one entry of the log."""
        kinds = ("numbered", "arrived_at_gateway", "entered_system")
        told = Counter(
            (r["kind"], r["subject"])
            for r in house.rows("SELECT kind, subject FROM receipt_entry")
            if r["kind"] in kinds
        )
        for what, times in sorted(told.items()):
            if times > 1:
                self.violate("once", f"{house.name}: {what} has {times} receipts")
        # Recipients named later are accepted with a receipt that names them beside the others: of
        # a document sent on to more, and of a notice whose order asks one recipient after another.
        named: dict[str, set[str]] = {}
        for row in house.rows(
            "SELECT subject, body FROM receipt_entry WHERE kind = 'accepted' ORDER BY idx"
        ):
            before, now = named.get(row["subject"]), set(json.loads(row["body"])["recipients"])
            if before is not None and not before < now:
                self.violate("once", f"{house.name}: {row['subject']} is accepted again for {now}")
            named[row["subject"]] = now


def restless(world: Any) -> bool:
    """Tell whether anything has not come to rest, asking as little as that takes."""
    if world.unsent or any(world.owed.values()) or world.axis.open_items():
        return True
    if any(desk.wanted() for desk in world.desks.values()):
        return True
    if any(house.rows(_ANY_OPEN) for house in world.houses.values()):
        return True
    return bool(recalled.unanswered(world))


def unrest(world: Any) -> list[str]:
    """Return what has not come to rest."""
    found: list[str] = []
    for house in world.houses.values():
        for name, sql in _OPEN.items():
            found += [f"{house.name}: {name} {dict(row)}" for row in house.rows(sql)]
    found += [f"waits at the axis: {i.id} for {i.to}" for i in world.axis.open_items()]
    found += [f"{name} owes answers" for name, owes in sorted(world.owed.items()) if owes]
    found += [f"document {n} is not sent yet" for n in sorted(world.unsent)]
    found += [f"the desk of {d.agency} has work" for d in world.desks.values() if d.wanted()]
    found += recalled.unanswered(world)
    return found


_OPEN = {
    "outbox": "SELECT topic, ref FROM outbox",
    "transfer": (
        "SELECT id, hop, kind, state, hold, due_at, reason FROM transfer "
        "WHERE state NOT IN ('done', 'cancelled')"
    ),
    "lease": "SELECT id FROM transfer WHERE lease_until IS NOT NULL",
    "delivery": (
        "SELECT id, agency, state FROM delivery "
        "WHERE state IN ('pending', 'sending', 'deferred', 'failed')"
    ),
    "consignment": "SELECT id, state, hold FROM consignment WHERE state = 'accepted'",
    "inbound": ("SELECT id, state FROM inbound WHERE state IN ('received', 'unreadable-yet')"),
    "arrival": "SELECT id, state FROM arrival WHERE state IN ('entered', 'checked', 'offered')",
    "status": "SELECT id FROM status_report WHERE offered_at IS NOT NULL AND taken_at IS NULL",
    "attempt": "SELECT transfer_id, n FROM attempt WHERE ended_at IS NULL",
    "consignment open": (
        "SELECT c.id FROM consignment c WHERE c.state = 'released' AND NOT EXISTS (SELECT 1 FROM "
        "delivery d WHERE d.consignment_id = c.id AND d.state NOT IN "
        "('done', 'returned', 'failed', 'cancelled', 'recalled', 'not_connected'))"
    ),
}
_ANY_OPEN = " UNION ALL ".join(f"SELECT 1 FROM ({sql})" for sql in _OPEN.values()) + " LIMIT 1"
