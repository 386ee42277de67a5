"""What must be true of documents taken back, and of the register of arrivals.

REC-01 to REC-08, DID-04: taken back once or kept for a lawful reason, never both; what was taken
back before it left leaves no more; nobody but its sender takes a document back; sender and receiver
agree. Looked at in the ledgers directly, when all has come to rest.
"""

import json
from collections import Counter, defaultdict
from typing import Any

from gateway.domain.receipt import known_code
from tests.simulation.axis import Seen
from tests.simulation.letters import asked_by, number
from tests.simulation.plan import LEGACY, Doc

_ACCEPTING = {"03", "04", "05", "06"}
_ENDED = {"cancelled", "returned", "recalled"}


# ---------------------------------------------------------------- while it runs


def attempt(watch: Any, house: Any, parcel: Any) -> None:
    """What was cancelled leaves no more (REC-07)."""
    rows = house.rows("SELECT state FROM transfer WHERE id = ?", parcel.transfer_id)
    if rows and rows[0]["state"] == "cancelled":
        watch.violate("recall", f"{parcel.document_id} was cancelled, and leaves all the same")


def notice(watch: Any, agency: str, n: int, seen: Seen) -> None:
    """A document of type 1 gets to somebody: did its sender wish so?"""
    target = asked_by(n) or n
    if agency not in _asked(watch.world, watch.world.docs[target]):
        watch.violate("recall", f"{agency} is asked for document {target}: {seen.head}")


# ---------------------------------------------------------------- one document


def is_taken_back(watch: Any, doc: Doc, delivery: Any) -> bool:
    """Tell whether a delivery ended because it was taken back; somebody must have asked."""
    if delivery["state"] not in {"recalled", "cancelled"}:
        return False
    if delivery["agency"] not in _asked(watch.world, doc):
        told = f"document {doc.n} for {delivery['agency']} is {delivery['state']}"
        watch.violate("recall", f"{told}, and nobody asked")
    return True


def _asked(world: Any, doc: Doc) -> set[str]:
    """Return who was asked for a document: who takes one version back takes all back."""
    return set().union(*(world.recalls.asked[d.n] for d in versions(world, doc)))


def is_asked(world: Any, doc: Doc) -> bool:
    """Tell whether anybody was asked for a document, or for another version of it."""
    return bool(_asked(world, doc))


def versions(world: Any, doc: Doc) -> list[Doc]:
    """Return the documents that bear the identifier of this one: an update does."""
    return [d for d in world.docs.values() if d.sender == doc.sender and number(d) == number(doc)]


def has_versions(world: Any, doc: Doc) -> bool:
    """Tell whether the statuses of a document may be those of another version."""
    return len(versions(world, doc)) > 1


def is_withdrawn_at(house: Any, doc: Doc, agency: str) -> bool:
    """Tell whether a document from outside was given back before anybody opened it."""
    return bool(
        house.rows(
            "SELECT 1 FROM arrival WHERE agency = ? AND sender = ? AND code_number = ? "
            "AND state = 'recalled' AND business_type <> 1",
            agency,
            doc.sender,
            str(number(doc)),
        )
    )


def is_given_back_unseen(world: Any, doc: Doc, agency: str) -> bool:
    """Tell whether a document was given back, whatever its sender's own ledger says became of it.

    A status names the identifier, which all versions have: 02 to the first may come when the second
    is sent, and then each ends in the sender's ledger as the other one did; 15 it has all the same.
    And the axis may say that it took a 15, and drop it.
    """
    house = world.houses.get(world.axis.owners[agency])
    if house is None or agency not in _asked(world, doc):
        return False
    told = world.house_of(doc.sender).rows(
        "SELECT 1 FROM status_report WHERE recipient = ? AND sender = ? AND code = '15' "
        "AND offered_at IS NOT NULL AND notation LIKE ?",
        doc.sender,
        agency,
        f"{number(doc)}/%",
    )
    if not world.status_lied and not (told and has_versions(world, doc)):
        return False
    rows = house.rows(
        "SELECT envelope FROM arrival WHERE agency = ? AND sender = ? AND state = 'recalled' "
        "AND code_number = ?",
        agency,
        doc.sender,
        str(number(doc)),
    )
    subjects = {json.loads(row["envelope"])["header"].get("subject") for row in rows}
    # What is left of one whose content is gone does not say which version it was (REC-02).
    return not subjects.isdisjoint({world.subject(doc.n), None})


# ---------------------------------------------------------------- one ledger


def unanswered(world: Any) -> list[str]:
    """Return the questions nobody answered; what a liar swallowed is answered by nobody."""
    if world.watch.lies or world.counts["lies"]:
        return []
    found = []
    for house in world.houses.values():
        for name, sql in _UNANSWERED.items():
            found += [f"{house.name}: {name} {dict(row)}" for row in house.rows(sql)]
    return found


def look(watch: Any, house: Any) -> None:
    """Look at everything in one ledger."""
    _wishes(watch, house)
    _frozen(watch, house)
    _given_back(watch, house)
    _register(watch, house)


def _wishes(watch: Any, house: Any) -> None:
    """The sender's side: each wish ended as its delivery did."""
    for row in house.rows(
        "SELECT r.state AS wish, r.answer, d.id, d.agency, d.state, "
        "t.state AS carried FROM recall r JOIN delivery d ON d.id = r.delivery_id "
        "LEFT JOIN transfer t ON t.id = d.transfer_id ORDER BY d.id"
    ):
        told = f"{house.name}: {dict(row)}"
        ends = {
            "agreed": {"recalled", "returned"},
            "not_needed": {"cancelled", "returned"},
        }.get(row["wish"])
        if ends is not None and row["state"] not in ends:
            watch.violate("recall", told)
        if row["wish"] == "declined" and (row["state"] == "recalled" or not row["answer"]):
            watch.violate("recall", f"both or without a reason: {told}")
        if row["state"] == "cancelled" and row["carried"] not in {None, "cancelled"}:
            watch.violate("recall", f"cancelled, and it leaves: {told}")
    answers_told(watch, house)


def _frozen(watch: Any, house: Any) -> None:
    """REC-02, REC-03: an order for all leaves no recipient out, and adds none."""
    for row in house.rows(
        "SELECT d.consignment_id, d.agency, d.state FROM recall_order o "
        "JOIN delivery d ON d.consignment_id = o.consignment_id "
        "LEFT JOIN recall r ON r.delivery_id = d.id WHERE o.whole = 1 AND r.id IS NULL"
    ):
        if row["state"] not in _ENDED:
            watch.violate("recall", f"{house.name}: taken back from all but {dict(row)}")


def _given_back(watch: Any, house: Any) -> None:
    """The receiver's side: given back once, or kept because the law keeps it."""
    for row in house.rows(
        "SELECT t.state AS asked, t.answer, a.id, a.agency, a.sender, a.document_id, a.state, "
        "d.state AS mirrored, EXISTS (SELECT 1 FROM legal_hold h JOIN arrival v "
        "ON v.id = h.subject WHERE v.agency = a.agency AND v.document_id = a.document_id) AS held "
        "FROM arrival a LEFT JOIN takeback t ON t.arrival_id = a.id "
        "LEFT JOIN delivery d ON d.id = a.delivery_id ORDER BY a.id"
    ):
        told = f"{house.name}: {dict(row)}"
        gone = row["state"] == "recalled"
        if gone and row["asked"] != "agreed":
            watch.violate("recall", f"given back, and nobody agreed: {told}")
        if row["asked"] == "agreed" and not gone and row["state"] != "returned":
            watch.violate("recall", f"agreed, and it is still there: {told}")
        if row["asked"] == "declined" and not (row["held"] and row["answer"]):
            watch.violate("recall", f"kept, and no law keeps it: {told}")
        if row["mirrored"] is not None and (row["mirrored"] == "recalled") != gone:
            watch.violate("recall", f"sender and receiver disagree: {told}")
    answers: defaultdict[str, list[str]] = defaultdict(list)
    agencies = {row["id"]: row["agency"] for row in house.rows("SELECT id, agency FROM arrival")}
    # In the order of the log: what was said while the clock was ahead is not said later for that.
    for row in house.rows("SELECT body FROM receipt_entry WHERE kind = 'status' ORDER BY ord"):
        told = json.loads(row["body"])
        arrival = told.get("arrival_id", "")
        if told["code"] in {"15", "16"} and agencies.get(arrival) == told["sender"]:
            answers[arrival].append(told["code"])
    for arrival, codes in sorted(answers.items()):
        if "16" in codes[codes.index("15") :] if "15" in codes else False:
            watch.violate(
                "recall", f"{house.name}: {arrival} was given back, and then kept: {codes}"
            )


def _register(watch: Any, house: Any) -> None:
    """DID-04: given on acceptance, without gaps, to nothing that was refused."""
    given: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for row in house.rows(
        "SELECT id, agency, source, state, arrival_year, arrival_number, sent_codes FROM arrival"
    ):
        number_ = row["arrival_number"]
        if number_ is not None:
            given[row["agency"], row["arrival_year"]].append(number_)
        codes = {c for c in row["sent_codes"].split(",") if known_code(c) is not None}
        console = row["agency"] in watch.world.desks
        accepted = bool(codes & _ACCEPTING) or row["source"] == "paper"
        if (number_ is not None) != (accepted and console):
            watch.violate("registers", f"{house.name}: {dict(row)}")
    counters = {
        (row["agency"], row["year"]): row["last"]
        for row in house.rows("SELECT * FROM counter WHERE series = 'arrival'")
    }
    for key in sorted({*given, *counters}):
        last = counters.get(key, 0)
        if sorted(given[key]) != list(range(1, last + 1)):
            watch.violate("registers", f"{key}: {sorted(given[key])}, the counter says {last}")


def answers_told(watch: Any, house: Any) -> None:
    """A sender is told an answer once for each time it asked.

    It asks with a 13, with a document of type 1, and with an update or a replacement: 15 and 16
    answer those as well (spec/edxml.md 5).
    """
    told = Counter(
        (row["document_id"], row["sender_written"], row["code"])
        for row in house.rows(
            "SELECT document_id, sender_written, code FROM status_report WHERE code IN ('15', '16')"
            " AND offered_at IS NOT NULL AND COALESCE(delivery_id, arrival_id) IS NOT NULL"
        )
    )
    if not told:
        return
    asked = Counter(
        (row["document_id"], row["recipient"])
        for row in house.rows("SELECT document_id, recipient FROM status_report WHERE code = '13'")
    )
    changes = house.rows(
        "SELECT document_id, envelope FROM consignment WHERE business_type <> 0 AND document_id <> ''"
    )
    for what, times in sorted(told.items()):
        name, written, _ = what
        concern = sum(
            row["document_id"] == name or f'"{name}"' in row["envelope"] for row in changes
        )
        if times > asked[name, LEGACY.get(written, written)] + concern:
            watch.violate("told-once", f"{house.name}: {what} {times} times")


_UNANSWERED = {
    "wish": (
        "SELECT r.id, r.state, d.agency, d.state AS delivery FROM recall r "
        "JOIN delivery d ON d.id = r.delivery_id WHERE r.state IN ('waiting', 'asked')"
    ),
    "question": (
        "SELECT t.id, t.state, t.agency FROM takeback t JOIN arrival a ON a.id = t.arrival_id "
        "WHERE t.state = 'asked' AND a.state <> 'quarantined'"
    ),
    "question nobody looked at": "SELECT id FROM takeback WHERE looked = 0",
}
