"""What the ledger is asked again and again must not cost more the more it holds.

Plans, not times: SQLite says how it would read, PostgreSQL says it with whole-table scans made as
dear as can be, so that one is left only where no index serves.
"""

import json
import re

import pytest

from gateway.store import setup
from gateway.store.dialects import postgres
from gateway.store.places import SqliteFile, place_of
from gateway.store.queries import QUERIES
from gateway.store.session import session

# Tables that grow with every document.
GROWING = (
    "consignment|delivery|transfer|attempt|inbound|arrival|status_report|event|receipt_entry|"
    "merkle_node|alert|alert_telling|verification|blob_ref|idempotency|tree_head|webhook_call|"
    "replay_seen|"
    "draft|todo|assignment|"
    "recall_order|recall|takeback|legal_hold"
)
# These hold what is open only, and end with it.
PARTIAL = (
    "ix_consignment_open",
    "ix_consignment_held",
    "ix_transfer_held",
    "ix_inbound_open",
    "uq_alert_standing",
)
# Asked by hand, seldom, about everything; or the first rows only, in the order of the key.
WHOLE = {
    "blobs_lately": "the last files, in the order of the key",
    "integrity_counts": "a report of integrity counts all, by hand around maintenance",
    "acceptances_of": "an export reads all receipts",
    "evidence_count": "reverify shows how far it is",
    "tree_heads": "an export reads all heads",
    "tree_head_latest": "the first of its key",
    "head_stamp_latest": "the first of its key",
    "entry_first": "the first of its key",
    "event_first": "the first of its key",
    "consignments_unclosed_last": "the last thousand events",
    "attempts_left_open_last": "the last thousand events",
    "books_total": "books made anew say how far they are",
    "entries_with_reports": "reverify goes through the log, a page a time",
}
# Pages of what may be very much: in the order of an index, so that reading stops with the page.
PAGES = (
    "consignments_by_system",
    "sent",
    "inbox_of",
    "waiting_documents_of",
    "waiting_statuses_of",
    "sent_statuses_of",
    "entries",
    "drafts_open",
    "drafts_mine",
    "drafts_sent_last",
    "sent_by_agency",
    "sent_refused",
    "sent_untaken",
    "sent_troubled",
    "sent_due",
    "sent_due_of_drafter",
    "todos",
    "desk_urgent_first",
    "desk_newest_first",
    "arrivals_unanswered",
    "assigned_to",
    "recall_orders_open",
    "recall_orders",
    "takebacks",
    "books_all_consignments",
    "books_all_arrivals",
)


@pytest.fixture(scope="module")
def ledger_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("growth") / "ledger.sqlite"
    setup.create(path)
    with session(SqliteFile(path), purpose="test", read_only=True) as opened:
        yield opened


def plan_of(opened, name):
    names = re.findall(r":([a-z0-9_]+)", QUERIES[name])
    rows = opened.rows(f"EXPLAIN QUERY PLAN {QUERIES[name]}", dict.fromkeys(names, "x"))
    return [row["detail"] for row in rows]


def test_nothing_asked_again_and_again_reads_a_whole_table(ledger_file):
    wrong = {}
    for name in QUERIES.keys() - WHOLE.keys():
        scans = [
            line
            for line in plan_of(ledger_file, name)
            if re.match(rf"SCAN ({GROWING}|[a-z])( |$)", line)
            and not any(index in line for index in PARTIAL)
        ]
        if scans and not all(_is_small(QUERIES[name], line) for line in scans):
            wrong[name] = scans
    assert not wrong


def _is_small(sql, line):
    """Tell whether a scan is of a sub-select of ours, or of a table that does not grow."""
    alias = line.split()[1]
    return bool(re.search(rf"\) AS {alias}\b", sql)) or not re.search(
        rf"\b(FROM|JOIN) ({GROWING}) (AS )?{alias}\b|\b(FROM|JOIN) {alias}\b", sql
    )


def test_a_jump_in_an_index_is_bounded_once():
    # Of two lower bounds SQLite takes the first, and reads what lies between.
    steps = {
        name: sql.partition(" UNION ALL ")[2].partition("ORDER BY")[0]
        for name, sql in QUERIES.items()
        if "each_one" in sql
    }
    assert "watch_receivers" in steps
    assert {name: step.count(" > ") for name, step in steps.items()} == dict.fromkeys(steps, 1)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_in_the_order_of_an_index(ledger_file, name):
    plan = plan_of(ledger_file, name)
    assert not [line for line in plan if line == "USE TEMP B-TREE FOR ORDER BY"], plan


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("backlog_of", "ix_consignment_open"),
        ("consignments_by_system_named", "ix_consignment_document"),
        ("consignments_concerning", "ix_consignment_concerning"),
        # The index alone: a sender that numbers everything alike costs nobody wide rows.
        ("arrivals_noted", "COVERING INDEX ix_arrival_notation"),
        ("settled_inbound", "ix_arrival_inbound"),
        ("waiting_statuses", "ix_status_waiting"),
        ("notices_end", "ix_event_audience"),
        ("notices_between", "ix_event_audience"),
        ("offers_end", "ix_arrival_inbox"),
        ("offers_end", "ix_status_recipient"),
        ("documents_between", "ix_arrival_inbox"),
        ("statuses_between", "ix_status_recipient"),
        ("drafts_open", "ix_draft_open"),
        ("drafts_sent_last", "ix_draft_sent"),
        ("sent_untaken", "ix_delivery_untaken"),
        ("sent_troubled", "ix_delivery_troubled"),
        ("sent_due", "ix_consignment_due"),
        ("sent_refused", "ix_consignment_refused"),
        ("todos", "ix_todo_agency"),
        ("desk_urgent_first", "ix_arrival_desk"),
        ("desk_newest_first", "ix_arrival_waiting"),
        ("arrivals_unanswered", "ix_arrival_unanswered"),
        ("assigned_to", "ix_assignment_account"),
        ("assignments_due", "ix_assignment_due"),
        ("today_tasks", "ix_assignment_due"),
        ("recall_orders_open", "ix_recall_open"),
        ("recalls_waiting", "ix_recall_waiting"),
        ("takebacks_ahead", "ix_takeback_ahead"),
        ("takebacks_unlooked", "ix_takeback_unlooked"),
        ("takebacks_unpurged", "ix_takeback_unpurged"),
        ("sent_naming", "ix_consignment_sender"),
        ("arrivals_concerning", "ix_arrival_concerning"),
        ("changes_of_sent", "ix_consignment_concerning"),
        ("arrivals_of_document", "ix_arrival_document"),
    ],
)
def test_the_narrowest_index_is_taken(ledger_file, name, index):
    plan = plan_of(ledger_file, name)
    assert any(index in line for line in plan), plan


def test_postgres_has_an_index_for_all_of_it(postgres_ledger_url):
    wrong = {}
    with session(place_of(postgres_ledger_url), purpose="test") as opened:
        for name in QUERIES.keys() - WHOLE.keys():
            asked = postgres(QUERIES[name])
            call = f"({', '.join(['NULL'] * len(asked.order))})" if asked.order else ""
            with opened.reading():
                opened.rows("SET LOCAL enable_seqscan = off")
                opened.rows("SET LOCAL plan_cache_mode = force_generic_plan")
                opened.rows(f"PREPARE growth AS {asked.text}")
                (told,) = opened.rows(f"EXPLAIN (FORMAT JSON) EXECUTE growth{call}")
                opened.rows("DEALLOCATE growth")
            (plan,) = json.loads(told["QUERY PLAN"])
            scans = [node["Relation Name"] for node in _whole_tables(plan["Plan"])]
            if any(re.fullmatch(GROWING, table) for table in scans):
                wrong[name] = scans
    assert not wrong


def _whole_tables(plan):
    if plan["Node Type"] == "Seq Scan":
        yield plan
    for child in plan.get("Plans", []):
        yield from _whole_tables(child)
