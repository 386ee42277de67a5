"""Tables of the ledger, one schema for both engines.

Times are text, fixed width, UTC (`2026-11-22T06:14:13.123456Z`), so that they sort; JSON is text;
identifiers are UUIDv7 text. `event` and `receipt_entry` are append-only: rows are written
unsequenced and only the sequencer fills `seq`/`idx` and the hashes, once.
"""

from typing import Final

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql

# Text sorts by bytes and numbers have 64 bits on both engines, whatever the database's own rules:
# cursors, lanes and ranges of hops lean on that order.
Text: Final = sqlalchemy.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Integer: Final = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, null: bool = False, default: str | None = None) -> Column[str]:
    return Column(
        name, Text, nullable=null, server_default=None if default is None else text(f"'{default}'")
    )


def _int(name: str, *, null: bool = False, default: int | None = None) -> Column[int]:
    return Column(
        name, Integer, nullable=null, server_default=None if default is None else text(str(default))
    )


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


# Callers are systems, each speaking for agencies.
system = Table("system", metadata, _id(), _text("status"), _text("created_at"))
system_agency = Table(
    "system_agency",
    metadata,
    Column("system_id", Text, ForeignKey("system.id"), nullable=False),
    _text("agency"),
    PrimaryKeyConstraint("system_id", "agency"),
)
credential = Table(
    "credential",
    metadata,
    _id(),
    Column("system_id", Text, ForeignKey("system.id"), nullable=False, index=True),
    _text("kind"),
    _text("hash", null=True),
    _text("sealed", null=True),
    _text("created_at"),
    _text("expires_at", null=True),
    _text("revoked_at", null=True),
)

# ID-01…ID-07: the catalogue with validity, aliases, successors.
agency = Table(
    "agency",
    metadata,
    Column("code", Text, primary_key=True),
    _text("name"),
    _text("legacy_code", default=""),
    _text("parent", default=""),
    _text("mail", default=""),
    _text("status"),
    _text("valid_from", null=True),
    _text("valid_to", null=True),
    _text("successor", default=""),
    _text("hop", default=""),
    _int("console", default=0),
    _text("numbered_by", default="gateway"),
    _text("forward_until", null=True),
    _text("updated_at"),
)
# ID-05: who took over from whom, and when; several rows of one code are a split.
agency_succession = Table(
    "agency_succession",
    metadata,
    _text("code"),
    _text("successor"),
    _text("valid_from", null=True),
    _text("valid_to", null=True),
    PrimaryKeyConstraint("code", "successor"),
)
agency_alias = Table(
    "agency_alias",
    metadata,
    Column("alias", Text, primary_key=True),
    _text("code"),
    _text("valid_from", null=True),
    _text("valid_to", null=True),
)

# What systems ask about agencies below their own, and what an operator decided (ID-01, ID-05).
agency_request = Table(
    "agency_request",
    metadata,
    _id(),
    _text("system_id"),
    _text("kind"),
    _text("code"),
    _text("wish"),
    _text("state"),
    _text("asked_at"),
    _text("decided_at", null=True),
    _text("decided_by", default=""),
    _text("reason", default=""),
    Index(
        "ix_agency_request_waiting",
        "system_id",
        "id",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
)

# DID-01, DID-04: one row a counter; `last` only grows.
counter = Table(
    "counter",
    metadata,
    _text("agency"),
    _int("year"),
    _text("series"),
    _int("last"),
    PrimaryKeyConstraint("agency", "year", "series"),
)

consignment = Table(
    "consignment",
    metadata,
    _id(),
    _text("system_id"),
    _text("via"),
    _text("sender"),
    _text("sender_written"),
    _text("document_id", null=True),
    _int("version", default=1),
    _text("digest"),
    _text("state"),
    _text("hold", default=""),
    _text("reason", default=""),
    _int("business_type", default=0),
    _text("envelope"),
    _text("findings", default="[]"),
    _text("verdict", default="pending"),
    _text("legal_class", default=""),
    _text("scans", default="[]"),
    _int("urgency", default=0),
    _int("issue_year", null=True),
    _int("issue_ordinal", null=True),
    _text("code_number", default=""),
    _text("code_notation", default=""),
    _text("promulgation_date", default=""),
    _text("subject", default=""),
    _text("due_date", default=""),
    _text("main_sha256", default=""),
    _text("received_sha256"),
    _int("received_size"),
    _text("accepted_at"),
    _text("issued_at", null=True),
    _text("sent_at", null=True),
    _text("closed_at", null=True),
    _text("verdict_before", default=""),
    _text("verdict_changed_at", null=True),
    _text("answer"),
    _text("receipt", default=""),
    UniqueConstraint("sender", "document_id", "version"),
    Index("ix_consignment_notation", "sender", "code_number", "code_notation", "promulgation_date"),
    Index("ix_consignment_system", "system_id", "id"),
    Index("ix_consignment_document", "document_id"),
    Index("ix_consignment_sender", "sender", "id"),
    # SND-09: what receivers were given a time for, as long as it is with them.
    Index(
        "ix_consignment_due",
        "sender",
        "due_date",
        "id",
        sqlite_where=text("state = 'released' AND due_date != ''"),
        postgresql_where=text("state = 'released' AND due_date != ''"),
    ),
    Index(
        "ix_consignment_refused",
        "sender",
        "id",
        sqlite_where=text("state = 'refused'"),
        postgresql_where=text("state = 'refused'"),
    ),
    # Updates, replacements, recalls: few among all that an agency ever sent.
    Index(
        "ix_consignment_concerning",
        "sender",
        "id",
        sqlite_where=text("business_type != 0"),
        postgresql_where=text("business_type != 0"),
    ),
    Index(
        "ix_consignment_open",
        "id",
        sqlite_where=text("state = 'accepted'"),
        postgresql_where=text("state = 'accepted'"),
    ),
    Index(
        "ix_consignment_held",
        "id",
        sqlite_where=text("hold != ''"),
        postgresql_where=text("hold != ''"),
    ),
)
idempotency = Table(
    "idempotency",
    metadata,
    _text("system_id"),
    _text("key"),
    _text("body_sha256"),
    _text("consignment_id"),
    _text("created_at"),
    PrimaryKeyConstraint("system_id", "key"),
    Index("ix_idempotency_created", "created_at"),
)
_UNTAKEN: Final = "state IN ('pending', 'sending', 'deferred', 'handed_over')"
_TROUBLED: Final = "state IN ('failed', 'returned', 'recalled', 'not_connected')"
delivery = Table(
    "delivery",
    metadata,
    _id(),
    Column("consignment_id", Text, ForeignKey("consignment.id"), nullable=False),
    _text("agency"),
    _text("name", default=""),
    _text("addressed_as"),
    _text("state"),
    _text("reason", default=""),
    _text("hop", default=""),
    _text("transfer_id", null=True),
    _text("hold", default=""),
    _text("left_at", null=True),
    _text("acknowledged_at", null=True),
    _text("at_gateway_at", null=True),
    _text("entered_system_at", null=True),
    _text("last_status", default=""),
    _text("sender", default=""),
    UniqueConstraint("consignment_id", "agency"),
    Index("ix_delivery_transfer", "transfer_id"),
    # SND-08: what the receiver's system has not confirmed, and what did not get there.
    Index(
        "ix_delivery_untaken",
        "sender",
        "consignment_id",
        sqlite_where=text(_UNTAKEN),
        postgresql_where=text(_UNTAKEN),
    ),
    # SND-08: arrived there, and nobody said 03.
    Index(
        "ix_delivery_arrived",
        "sender",
        "consignment_id",
        sqlite_where=text("state = 'arrived'"),
        postgresql_where=text("state = 'arrived'"),
    ),
    Index(
        "ix_delivery_troubled",
        "sender",
        "state",
        "consignment_id",
        sqlite_where=text(_TROUBLED),
        postgresql_where=text(_TROUBLED),
    ),
)
_OPEN: Final = (
    "state NOT IN ('sending', 'done', 'failed', 'cancelled') AND hold = '' AND stopped = 0"
)
_LIVE: Final = "state NOT IN ('done', 'cancelled')"
transfer = Table(
    "transfer",
    metadata,
    _id(),
    _text("consignment_id", null=True),
    _text("status_id", null=True),
    _text("kind"),
    _text("hop"),
    _text("state"),
    _text("hold", default=""),
    _int("stopped", default=0),
    _int("lane", default=0),
    _int("attempts", default=0),
    _text("due_at"),
    _text("lease_until", null=True),
    _text("peer_doc_id", default=""),
    _text("parcel_sha256", default=""),
    _int("parcel_size", default=0),
    _text("sender_written"),
    _text("recipients"),
    _text("document_id"),
    _text("created_at"),
    _text("done_at", null=True),
    _text("reason", default=""),
    _text("node", default=""),
    Index("ix_transfer_consignment", "consignment_id"),
    # What is counted again and again: read from the index alone, however many are done.
    Index(
        "ix_transfer_live",
        "state",
        "lane",
        "created_at",
        sqlite_where=text(_LIVE),
        postgresql_where=text(_LIVE),
    ),
    # What the janitor looks for, hop by hop: the long queue of one hop costs the others nothing.
    Index(
        "ix_transfer_open",
        "hop",
        "lane",
        "due_at",
        sqlite_where=text(_OPEN),
        postgresql_where=text(_OPEN),
    ),
    Index(
        "ix_transfer_held",
        "id",
        sqlite_where=text("hold != ''"),
        postgresql_where=text("hold != ''"),
    ),
)
attempt = Table(
    "attempt",
    metadata,
    _text("transfer_id"),
    _int("n"),
    _text("began_at"),
    _text("ended_at", null=True),
    _text("outcome", default=""),
    _text("detail", default=""),
    _text("claim", default=""),
    PrimaryKeyConstraint("transfer_id", "n"),
)

# SND-15: why something was not tried, on purpose, and for how long: an operator's word (`operator`)
# about a transfer, a document or a hop, or a circuit breaker (`breaker`) about a hop, `until` its
# next probe. Rows end, they are never removed: what was held does not count as tried for.
_STANDS: Final = "released_at IS NULL"
hold = Table(
    "hold",
    metadata,
    _id(),
    _text("kind"),
    _text("scope"),
    _text("subject"),
    _text("held_by"),
    _text("reason", default=""),
    _text("since"),
    _text("until", null=True),
    _text("released_at", null=True),
    _text("released_by", default=""),
    Index("ix_hold_subject", "subject", "since"),
    Index(
        "uq_hold_standing",
        "kind",
        "scope",
        "subject",
        "held_by",
        unique=True,
        sqlite_where=text(_STANDS),
        postgresql_where=text(_STANDS),
    ),
)

# What a peer gave us, before anyone read it: bytes and time, once per (peer, docId).
inbound = Table(
    "inbound",
    metadata,
    _id(),
    _text("peer"),
    _text("peer_doc_id"),
    _text("kind"),
    _text("sha256"),
    _int("size_bytes"),
    _text("received_at"),
    _text("state"),
    _int("tries", default=0),
    _text("due_at"),
    _text("acked_at", null=True),
    _text("detail", default=""),
    UniqueConstraint("peer", "peer_doc_id", "kind"),
    Index(
        "ix_inbound_open",
        "id",
        sqlite_where=text("state = 'received'"),
        postgresql_where=text("state = 'received'"),
    ),
)
arrival = Table(
    "arrival",
    metadata,
    _id(),
    _text("agency"),
    _text("addressed_as"),
    _text("forwarded_from", default="[]"),
    _text("sender"),
    _text("sender_written"),
    _text("sender_name", default=""),
    _text("document_id"),
    _int("version", default=1),
    _text("digest"),
    _text("state"),
    _text("envelope"),
    _text("findings", default="[]"),
    _text("verdict"),
    _text("legal_class", default=""),
    _text("scans", default="[]"),
    _int("urgency", default=0),
    _int("business_type", default=0),
    _text("code_number", default=""),
    _text("code_notation", default=""),
    _text("promulgation_date", default=""),
    _text("source"),
    _text("inbound_id", null=True),
    _text("consignment_id", null=True),
    _text("delivery_id", null=True),
    _text("received_sha256"),
    _int("received_size"),
    _text("strict_sha256", default=""),
    _int("strict_size", default=0),
    _text("at_gateway_at"),
    _text("offered_at", null=True),
    _text("entered_system_at", null=True),
    _text("received_at_legal", null=True),
    _int("arrival_year", null=True),
    _int("arrival_number", null=True),
    _text("sent_codes", default=""),
    _text("verdict_before", default=""),
    _text("verdict_changed_at", null=True),
    _text("undetermined", default=""),
    # RCV-14, OPS-08: when it really came, as a person says; who entered it and why so late.
    _text("came_at", null=True),
    _text("entered_by", default=""),
    _text("entered_late", default=""),
    _int("inbox_seq", null=True),
    UniqueConstraint("agency", "sender", "document_id", "version"),
    UniqueConstraint("agency", "arrival_year", "arrival_number"),
    Index("ix_arrival_inbox", "agency", "inbox_seq"),
    Index("ix_arrival_delivery", "delivery_id"),
    Index("ix_arrival_inbound", "inbound_id"),
    Index(
        "ix_arrival_notation",
        "agency",
        "sender",
        "code_number",
        "code_notation",
        "promulgation_date",
        "id",
    ),
    Index("ix_arrival_document", "document_id"),
    # Updates, replacements, recalls: few among all that an agency ever got.
    Index(
        "ix_arrival_concerning",
        "agency",
        "id",
        sqlite_where=text("business_type != 0"),
        postgresql_where=text("business_type != 0"),
    ),
    Index(
        "ix_arrival_unsequenced",
        "id",
        sqlite_where=text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
        postgresql_where=text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
    ),
    Index("ix_arrival_waiting", "agency", "state", "id"),
    Index("ix_arrival_desk", "agency", "state", "urgency", "id"),
    # RCV-05: entered the agency's system, neither taken nor returned yet.
    Index(
        "ix_arrival_unanswered",
        "received_at_legal",
        "id",
        sqlite_where=text("state = 'taken'"),
        postgresql_where=text("state = 'taken'"),
    ),
)
# RCV-12: who handles an arrival, until when, as whom the direction names; one stands at a time, the
# ones before are ended, never removed.
assignment = Table(
    "assignment",
    metadata,
    _id(),
    _text("arrival_id"),
    _text("agency"),
    _text("account_id", default=""),
    _text("name", default=""),
    _text("lead", default=""),
    _text("coordinating", default=""),
    _text("due_on", default=""),
    _text("opinion", default=""),
    _int("urgency", default=0),
    _text("by"),
    _text("at"),
    _text("ended_at", null=True),
    Index("ix_assignment_arrival", "arrival_id", "id"),
    Index(
        "ix_assignment_due",
        "agency",
        "due_on",
        "id",
        sqlite_where=text("ended_at IS NULL AND due_on != ''"),
        postgresql_where=text("ended_at IS NULL AND due_on != ''"),
    ),
    Index(
        "ix_assignment_account",
        "account_id",
        "urgency",
        "id",
        sqlite_where=text("ended_at IS NULL AND account_id != ''"),
        postgresql_where=text("ended_at IS NULL AND account_id != ''"),
    ),
)
status_report = Table(
    "status_report",
    metadata,
    _id(),
    _text("sender"),
    _text("sender_written"),
    _text("recipient"),
    _text("recipient_written"),
    _text("document_id"),
    _text("notation", default=""),
    _text("code"),
    _text("description", default=""),
    _text("at"),
    _text("staff", default="null"),
    _text("promulgation_date", default=""),
    _text("source"),
    _text("received_sha256", default=""),
    _text("consignment_id", null=True),
    _text("delivery_id", null=True),
    _text("arrival_id", null=True),
    _text("created_at"),
    _text("offered_at", null=True),
    _text("taken_at", null=True),
    _int("inbox_seq", null=True),
    Index("ix_status_recipient", "recipient", "inbox_seq"),
    Index("ix_status_sender", "sender", "id"),
    Index("ix_status_waiting", "recipient", "taken_at", "id"),
    # In the order of the key: PostgreSQL would sort all that waits behind a column that is NULL.
    Index(
        "ix_status_untaken",
        "recipient",
        "id",
        sqlite_where=text("taken_at IS NULL"),
        postgresql_where=text("taken_at IS NULL"),
    ),
    Index("ix_status_consignment", "consignment_id"),
    Index("ix_status_arrival", "arrival_id"),
    Index(
        "ix_status_unsequenced",
        "id",
        sqlite_where=text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
        postgresql_where=text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
    ),
)
# REC-03: who decided to take a sending back, from all or from some, and why; never changed.
recall_order = Table(
    "recall_order",
    metadata,
    _id(),
    _text("consignment_id"),
    _text("sender"),
    _text("document_id", default=""),
    _int("whole", default=0),
    _text("reason", default=""),
    _text("system_id", default=""),
    _text("asked_by", default=""),
    _text("asked_at"),
    Index("ix_recall_order_consignment", "consignment_id", "id"),
    Index("ix_recall_order_sender", "sender", "id"),
)
# REC-07: its part for one recipient; `notice_id` is the consignment that asks (type 1), if any.
_RECALL_OPEN: Final = "state IN ('waiting', 'asked')"
_RECALL_WAITING: Final = "state = 'waiting'"
recall = Table(
    "recall",
    metadata,
    _id(),
    _text("delivery_id"),
    _text("state"),
    _text("reason", default=""),
    _text("asked_at"),
    _text("answered_at", null=True),
    _text("answer", default=""),
    _text("order_id", default=""),
    _text("sender", default=""),
    _text("notice_id", default=""),
    # Two who ask at one instant ask once: one part for a recipient, whoever is faster.
    UniqueConstraint("delivery_id"),
    Index("ix_recall_order", "order_id"),
    Index(
        "ix_recall_open",
        "sender",
        "order_id",
        sqlite_where=text(_RECALL_OPEN),
        postgresql_where=text(_RECALL_OPEN),
    ),
    Index(
        "ix_recall_waiting",
        "id",
        sqlite_where=text(_RECALL_WAITING),
        postgresql_where=text(_RECALL_WAITING),
    ),
)
# REC-01, REC-02: a sender asks an agency of ours to give a document back; once agreed it is the
# tombstone: id, who, when, why. `looked` is 0 until the gateway has decided what it does by itself.
# Without an arrival: what was asked for is not here, or not yet.
_HERE: Final = "arrival_id IS NOT NULL"
_AHEAD: Final = "arrival_id IS NULL"
_UNLOOKED: Final = "looked = 0"
_UNPURGED: Final = "state = 'agreed' AND purged_at IS NULL"
takeback = Table(
    "takeback",
    metadata,
    _id(),
    _text("arrival_id", null=True),
    _text("agency"),
    _text("sender"),
    _text("document_id", default=""),
    _text("state"),
    _text("means", default="13"),
    _text("notice_id", default=""),
    _text("reason", default=""),
    _text("asked_at"),
    _int("looked", default=0),
    _text("answered_at", null=True),
    _text("answered_by", default=""),
    _text("answer", default=""),
    _text("purged_at", null=True),
    Index(
        "uq_takeback_arrival",
        "arrival_id",
        unique=True,
        sqlite_where=text(_HERE),
        postgresql_where=text(_HERE),
    ),
    Index(
        "ix_takeback_ahead",
        "document_id",
        "id",
        sqlite_where=text(_AHEAD),
        postgresql_where=text(_AHEAD),
    ),
    Index("ix_takeback_agency", "agency", "state", "id"),
    Index(
        "ix_takeback_unlooked",
        "id",
        sqlite_where=text(_UNLOOKED),
        postgresql_where=text(_UNLOOKED),
    ),
    Index(
        "ix_takeback_unpurged",
        "answered_at",
        "id",
        sqlite_where=text(_UNPURGED),
        postgresql_where=text(_UNPURGED),
    ),
)
# REC-08: a person's word that a document must be kept whatever its sender asks; ended, never
# removed.
legal_hold = Table(
    "legal_hold",
    metadata,
    _id(),
    _text("side"),
    _text("subject"),
    _text("agency"),
    _text("document_id", default=""),
    _text("reason"),
    _text("held_by"),
    _text("since"),
    _text("released_at", null=True),
    _text("released_by", default=""),
    _text("release_reason", default=""),
    Index("ix_legal_hold_subject", "subject", "id"),
    Index(
        "uq_legal_hold_standing",
        "subject",
        unique=True,
        sqlite_where=text(_STANDS),
        postgresql_where=text(_STANDS),
    ),
)
event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _int("seq", null=True),
    _text("subject"),
    _text("type"),
    _text("at"),
    _text("data", default="{}"),
    _text("audience", default=""),
    Index("ix_event_subject", "subject", "id"),
    # What a caller may hear of, in the order it is told: a page of a feed costs a page.
    Index(
        "ix_event_audience",
        "audience",
        "seq",
        sqlite_where=text("audience != ''"),
        postgresql_where=text("audience != ''"),
    ),
    Index(
        "ix_event_unsequenced",
        "id",
        sqlite_where=text("seq IS NULL"),
        postgresql_where=text("seq IS NULL"),
    ),
    Index(
        "ix_event_seq",
        "seq",
        sqlite_where=text("seq IS NOT NULL"),
        postgresql_where=text("seq IS NOT NULL"),
    ),
)
receipt_entry = Table(
    "receipt_entry",
    metadata,
    Column("ord", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    _text("kind"),
    _text("subject"),
    _text("document_id", default=""),
    _text("at"),
    _text("body"),
    _text("entry_hash"),
    Column("idx", Integer, nullable=True, unique=True),
    _text("prev_hash", null=True),
    _text("chain_hash", null=True),
    # AUD-03: of an audit entry, as in its body: what the audit log is searched by.
    _text("actor", default=""),
    _text("action", default=""),
    _text("agency", default=""),
    Index("ix_receipt_subject", "subject"),
    Index("ix_receipt_document", "document_id"),
    *(
        Index(
            f"ix_receipt_audit{'_' if column else ''}{column}",
            *((column,) if column else ()),
            "at",
            "ord",
            sqlite_where=text("action != ''"),
            postgresql_where=text("action != ''"),
        )
        for column in ("", "actor", "action", "agency", "subject")
    ),
    Index(
        "ix_receipt_unsequenced",
        "ord",
        sqlite_where=text("idx IS NULL"),
        postgresql_where=text("idx IS NULL"),
    ),
)
merkle_node = Table(
    "merkle_node",
    metadata,
    _int("level"),
    _int("idx"),
    _text("hash"),
    PrimaryKeyConstraint("level", "idx"),
)
tree_head = Table(
    "tree_head",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    _text("root"),
    _text("at"),
    _text("jws"),
)
# AUD-06: what an authority outside said of a tree head; `token` is RFC 3161, base64.
head_stamp = Table(
    "head_stamp",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    _text("stamped_at"),
    _text("authority"),
    _text("token"),
    _text("at"),
)
# What each node did, a minute a row, for two days: the charts of operations, no evidence. `log` is
# the size of the receipt log then.
flow_minute = Table(
    "flow_minute",
    metadata,
    _id(),
    _text("minute"),
    _text("node"),
    _text("what"),
    _text("peer"),
    _int("n"),
    _int("ms", default=0),
    Index("ix_flow_minute_minute", "minute", "what", "peer"),
    Index("ix_flow_minute_node", "node", "minute"),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _text("topic"),
    _text("ref"),
    _int("lane", default=0),
)
# SIG-47: what was said of a file, under which trust, for which time; never overwritten. `id` is the
# SHA-256 of `report`, which the receipt log names: who changes a report cannot change its name.
verification = Table(
    "verification",
    metadata,
    _id(),
    _text("sha256"),
    _text("trust_sha256"),
    _text("verdict"),
    _text("at"),
    _text("report"),
    Index("ix_verification_file", "sha256", "at"),
    Index("ix_verification_trust", "trust_sha256", "id"),
)
# SIG-42, F09: documents whose verdict may still come; a row goes once nothing more can be learnt.
recheck = Table(
    "recheck",
    metadata,
    Column("subject", Text, primary_key=True),
    _text("kind"),
    _text("cause", default=""),
    _text("issuers", default="[]"),
    _text("since"),
    _int("tries", default=0),
    _text("due_at"),
    _text("trust_sha256", default=""),
    Index("ix_recheck_due", "due_at"),
    Index("ix_recheck_cause", "cause", "since"),
)
blob_ref = Table(
    "blob_ref",
    metadata,
    _text("sha256"),
    _text("owner"),
    PrimaryKeyConstraint("sha256", "owner"),
    sqlite_with_rowid=False,
)
quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    _text("kind"),
    _text("sender"),
    _text("document_id", default=""),
    _text("reason"),
    _text("sha256"),
    _text("at"),
    _text("first_by", null=True),
    _text("first_at", null=True),
    _text("second_by", null=True),
    _text("purged_at", null=True),
)
# How far a consumer of a feed has come; above `cursor`, up to `highest`, it was brought before.
place = Table(
    "place",
    metadata,
    Column("consumer", Text, primary_key=True),
    _int("cursor"),
    _int("highest"),
    _text("at"),
)
# An agency that restored an old backup: what lies behind `cursor`, up to `until`, is offered to its
# system again, until it is acknowledged again (`replay_seen`).
replay = Table(
    "replay",
    metadata,
    _id(),
    _text("system_id"),
    _int("cursor"),
    _int("until"),
    _text("began_at"),
    _text("asked_by"),
    _text("reason"),
    _text("ended_at", null=True),
    Index(
        "uq_replay_open",
        "system_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)
replay_seen = Table(
    "replay_seen",
    metadata,
    _text("replay_id"),
    _text("item_id"),
    _text("at"),
    PrimaryKeyConstraint("replay_id", "item_id"),
)
# Who wants to be told, and of what; its place in the feed of events is `webhook:<id>` in `place`,
# its secrets are credentials of the kind `webhook:<id>`.
webhook = Table(
    "webhook",
    metadata,
    _id(),
    _text("system_id"),
    _text("url"),
    _text("kinds", default="[]"),
    _text("state"),
    _text("why", default=""),
    _int("tries", default=0),
    _text("failing_since", null=True),
    _text("due_at"),
    _text("created_at"),
    Index("ix_webhook_system", "system_id"),
)
# One message of a webhook, told or not; never removed.
webhook_call = Table(
    "webhook_call",
    metadata,
    _id(),
    _text("webhook_id"),
    _int("seq"),
    _text("kind"),
    _text("state"),
    _int("tries", default=0),
    _text("began_at"),
    _text("ended_at", null=True),
    _int("status", default=0),
    _text("outcome", default=""),
    Index("ix_webhook_call", "webhook_id", "seq"),
    Index(
        "ix_webhook_call_dead",
        "webhook_id",
        "seq",
        sqlite_where=text("state = 'dead'"),
        postgresql_where=text("state = 'dead'"),
    ),
)
# TIM-04: office hours as persons entered them; what the settings say stands below. Ended, never
# removed.
office_hours = Table(
    "office_hours",
    metadata,
    _id(),
    _text("agency", default=""),
    _text("week"),
    _text("valid_from", null=True),
    _text("valid_to", null=True),
    _text("source", default=""),
    _text("entered_by"),
    _text("entered_at"),
    _text("confirmed_by", default=""),
    _text("confirmed_at", null=True),
    _text("ended_by", default=""),
    _text("ended_at", null=True),
)
# TIM-05, TIM-06: days a person decided about, and years whose holidays a person confirmed.
calendar_day = Table(
    "calendar_day",
    metadata,
    Column("day", Text, primary_key=True),
    _int("worked"),
    _text("name", default=""),
    _text("source", default=""),
    _text("entered_by"),
    _text("entered_at"),
)
calendar_year = Table(
    "calendar_year",
    metadata,
    Column("year", Integer, primary_key=True, autoincrement=False),
    _text("confirmed_by"),
    _text("confirmed_at"),
)
# OPS-09: what went wrong, whom it was told, how it ended; never removed.
incident = Table(
    "incident",
    metadata,
    _id(),
    _text("agency", default=""),
    _text("kind"),
    _text("title"),
    _text("detail", default=""),
    _text("subject", default=""),
    _text("occurred_at"),
    _text("opened_by"),
    _text("opened_at"),
    _text("notes", default="[]"),
    _text("state", default="open"),
    _text("outcome", default=""),
    _text("closed_by", default=""),
    _text("closed_at", null=True),
    Index("ix_incident_state", "state", "id"),
    Index("ix_incident_agency", "agency", "state", "id"),
)
# OPS-06, OPS-07: maintenance announced, begun and done, with the reports of before and after.
maintenance = Table(
    "maintenance",
    metadata,
    _id(),
    _text("title"),
    _text("detail", default=""),
    _text("approval", default=""),
    _text("planned_from"),
    _text("planned_to"),
    _text("state"),
    _text("announced_by"),
    _text("announced_at"),
    _text("began_at", null=True),
    _text("ended_at", null=True),
    _text("before", default=""),
    _text("after", default=""),
    _text("note", default=""),
    Index("ix_maintenance_state", "state", "ended_at"),
)
# OPS-06: who was told of a maintenance, by which way; owed before it is told, never removed.
_UNTOLD: Final = "state = 'owed'"
maintenance_telling = Table(
    "maintenance_telling",
    metadata,
    _id(),
    _text("maintenance_id"),
    _text("act"),
    _text("way"),
    _text("whom"),
    _text("agency", default=""),
    _text("state"),
    _text("made_at"),
    _text("due_at"),
    _int("tries", default=0),
    _text("told_at", null=True),
    _text("reason", default=""),
    UniqueConstraint("maintenance_id", "act", "way", "whom"),
    Index(
        "ix_maintenance_telling_owed",
        "due_at",
        "id",
        sqlite_where=text(_UNTOLD),
        postgresql_where=text(_UNTOLD),
    ),
)
# OPS-08: what was done by other means during an outage, entered afterwards: when it really was, and
# when it was written down, are two columns for ever.
outage_entry = Table(
    "outage_entry",
    metadata,
    _id(),
    _text("agency"),
    _text("direction"),
    _text("party"),
    _text("notation", default=""),
    _text("title"),
    _text("means"),
    _text("occurred_at"),
    _text("entered_at"),
    _text("entered_by"),
    _text("reason"),
    _text("incident_id", default=""),
    Index("ix_outage_entry_agency", "agency", "id"),
)
# ORG-09: devices with secret keys; each step of their way is an event of its own.
key_device = Table(
    "key_device",
    metadata,
    _id(),
    _text("agency"),
    _text("serial"),
    _text("purpose"),
    _text("certificate", default=""),
    _text("valid_to", null=True),
    _text("holder"),
    _text("permission", default=""),
    _text("state"),
    _text("since"),
    _text("note", default=""),
    UniqueConstraint("agency", "serial"),
)
# Who does what only one may do. `beat` moves as long as the holder lives; `token` grows with each
# new holder, so that a change set of the one before can be refused.
lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    _text("holder", default=""),
    _int("token", default=0),
    _int("beat", default=0),
    _text("taken_at"),
    _text("seen_at"),
)
node = Table(
    "node",
    metadata,
    Column("name", Text, primary_key=True),
    _text("boot"),
    _text("roles"),
    _text("version"),
    _text("state"),
    _int("beat", default=0),
    _text("started_at"),
    _text("seen_at"),
    # What only this node knows of itself: its certificates, lists, seals, scanner, clock.
    _text("facts", default="{}"),
)
# A document being prepared by form: fields and files, until it is a consignment or dropped.
_IN_HAND: Final = "state IN ('draft', 'ready', 'sending')"
draft = Table(
    "draft",
    metadata,
    _id(),
    _text("agency"),
    _text("account_id"),
    _text("state"),
    _int("revision", default=1),
    _int("urgency", default=0),
    _text("form", default="{}"),
    _text("recipients", default="[]"),
    _text("files", default="[]"),
    _text("note", default=""),
    _text("ready_by", default=""),
    _text("ready_at", null=True),
    _text("sent_by", default=""),
    _text("released_as", default=""),
    _text("consignment_id", null=True),
    _text("created_at"),
    _text("updated_at"),
    Index(
        "ix_draft_open",
        "agency",
        "state",
        "urgency",
        "id",
        sqlite_where=text(_IN_HAND),
        postgresql_where=text(_IN_HAND),
    ),
    Index("ix_draft_account", "account_id", "id"),
    Index(
        "ix_draft_sent",
        "agency",
        "id",
        sqlite_where=text("state = 'sent'"),
        postgresql_where=text("state = 'sent'"),
    ),
    Index("ix_draft_consignment", "consignment_id"),
)
# What a person must do outside the gateway; once an agency, kind and subject.
todo = Table(
    "todo",
    metadata,
    _id(),
    _text("agency"),
    _text("kind"),
    _text("subject"),
    _text("document", default=""),
    _text("data", default="{}"),
    _text("state"),
    _int("urgency", default=0),
    _text("created_at"),
    _text("done_by", default=""),
    _text("done_at", null=True),
    _text("how", default=""),
    UniqueConstraint("agency", "kind", "subject"),
    Index("ix_todo_document", "document"),
    Index("ix_todo_agency", "agency", "state", "urgency", "id"),
)
recipient_group = Table(
    "recipient_group",
    metadata,
    _id(),
    _text("agency"),
    _text("name"),
    _text("codes", default="[]"),
    _text("changed_by"),
    _text("changed_at"),
    UniqueConstraint("agency", "name"),
)
# ACC-01: one account, one person; a row is never removed. `password` is an argon2id hash, `totp`
# and `totp_next` (being set up) are sealed, `recovery` lists hashes of codes not used yet;
# `totp_step` only grows, so that no code opens twice.
account = Table(
    "account",
    metadata,
    _id(),
    _text("login"),
    _text("name"),
    _text("mail", default=""),
    _text("words", default=""),
    _text("agency", default=""),
    _text("state"),
    _text("lock_code", default=""),
    _text("lock_ref", default=""),
    _text("lock_text", default=""),
    _text("locked_by", default=""),
    _text("locked_at", null=True),
    _text("password", null=True),
    _int("must_change", default=0),
    _text("totp", null=True),
    _text("totp_next", null=True),
    _int("totp_step", default=0),
    _text("recovery", default="[]"),
    _text("oidc_issuer", null=True),
    _text("oidc_subject", null=True),
    _text("created_at"),
    _text("created_by"),
    _text("request_ref", default=""),
    _text("used_at", null=True),
    _text("closed_at", null=True),
    _int("changes", default=0),
    UniqueConstraint("login"),
    UniqueConstraint("oidc_issuer", "oidc_subject"),
    Index("ix_account_agency", "agency", "login"),
    Index("ix_account_mail", "mail"),
    Index(
        "ix_account_lost",
        "locked_at",
        sqlite_where=text("state = 'locked' AND lock_code = 'lost'"),
        postgresql_where=text("state = 'locked' AND lock_code = 'lost'"),
    ),
)
# ACC-06, ACC-10: a role for an agency ("": the whole gateway), perhaps lent by another account;
# it ends, it is never removed. `seen_at`: ACC-12, when its holder read of it.
account_grant = Table(
    "account_grant",
    metadata,
    _id(),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    _text("role"),
    _text("agency"),
    _text("valid_from", null=True),
    _text("valid_to", null=True),
    _text("delegated_by", default=""),
    _text("granted_by"),
    _text("granted_at"),
    _text("request_ref", default=""),
    _text("revoked_at", null=True),
    _text("revoked_by", default=""),
    _text("seen_at", null=True),
    Index("ix_account_grant_account", "account_id", "id"),
    Index("ix_account_grant_agency", "agency", "account_id"),
    Index("ix_account_grant_delegated", "delegated_by", "id"),
)
# `id` is the SHA-256 of the token in the cookie; `needs` is what is missing before it is a session.
account_session = Table(
    "account_session",
    metadata,
    _id(),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    _text("needs", default=""),
    _int("strong", default=0),
    _text("strong_at", null=True),
    _text("began_at"),
    _text("used_at"),
    _text("ends_at"),
    _text("address", default=""),
    _text("agent", default=""),
    _text("ended_at", null=True),
    _text("why", default=""),
    Index("ix_account_session_account", "account_id", "began_at"),
    Index(
        "ix_account_session_open",
        "account_id",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)
# Wrong passwords, counted by all nodes; `key` is a MAC, gone once the count means nothing.
signin_wait = Table(
    "signin_wait",
    metadata,
    Column("key", Text, primary_key=True),
    _int("count"),
    _text("at"),
    Index("ix_signin_wait_at", "at"),
)
# One-time links: the first administrator, an invitation, a reset; `id` is the SHA-256 of the token.
account_link = Table(
    "account_link",
    metadata,
    _id(),
    _text("account_id", default=""),
    _text("purpose"),
    _text("created_at"),
    _text("created_by"),
    _text("expires_at"),
    _text("used_at", null=True),
    Index("ix_account_link_account", "account_id"),
)
# RPT-11: searches persons keep. RPT-09: figures of a month as they were, never changed again.
saved_search = Table(
    "saved_search",
    metadata,
    _id(),
    _text("account_id"),
    _text("name"),
    _text("query"),
    _text("created_at"),
    UniqueConstraint("account_id", "name"),
)
snapshot = Table(
    "snapshot",
    metadata,
    _id(),
    _text("agency"),
    _text("kind"),
    _text("period"),
    _text("figures"),
    _text("sha256"),
    _text("made_at"),
    _text("made_by"),
    UniqueConstraint("agency", "kind", "period"),
)
# OPS-05: what is wrong, one row for a kind, a subject and an agency ("": the gateway itself) while
# it lasts; it ends, it is never removed. `about`: identifiers of the oldest ones, no content.
_STANDING: Final = "state != 'ended'"
alert = Table(
    "alert",
    metadata,
    _id(),
    _text("kind"),
    _text("subject"),
    _text("agency", default=""),
    _int("severity"),
    _text("state"),
    _text("since"),
    _text("first_seen"),
    _text("last_seen"),
    _int("count", default=1),
    _text("about", default="[]"),
    _text("path", default=""),
    _text("due", null=True),
    _int("level", default=1),
    _text("next_at", null=True),
    _text("acknowledged_by", default=""),
    _text("acknowledged_at", null=True),
    _text("note", default=""),
    _text("ended_at", null=True),
    Index(
        "uq_alert_standing",
        "agency",
        "kind",
        "subject",
        unique=True,
        sqlite_where=text(_STANDING),
        postgresql_where=text(_STANDING),
    ),
    Index("ix_alert_agency", "agency", "state", "id"),
)
# Whom it was told to, at which level, how: written before it is told, once each. `alert_id` is
# `digest:<agency>:<day>` for the digest of a day (RPT-13).
_OWED: Final = "state = 'owed'"
alert_telling = Table(
    "alert_telling",
    metadata,
    _id(),
    _text("alert_id"),
    _int("level"),
    _text("way"),
    _text("whom"),
    _text("agency", default=""),
    _text("state"),
    _text("made_at"),
    _text("due_at"),
    _int("tries", default=0),
    _text("told_at", null=True),
    _text("reason", default=""),
    UniqueConstraint("alert_id", "level", "way", "whom"),
    Index(
        "ix_alert_telling_owed",
        "due_at",
        "id",
        sqlite_where=text(_OWED),
        postgresql_where=text(_OWED),
    ),
)
# RCV-09: who is on duty for an agency ("": operations), at which level; ended, never removed.
duty_turn = Table(
    "duty_turn",
    metadata,
    _id(),
    _text("agency", default=""),
    _int("level"),
    _text("name"),
    _text("mail", default=""),
    _text("phone", default=""),
    _text("begins_at"),
    _text("ends_at"),
    _text("entered_by"),
    _text("entered_at"),
    _text("removed_at", null=True),
    _text("removed_by", default=""),
    Index("ix_duty_turn_agency", "agency", "ends_at"),
)
meta = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value"))

TABLES: Final = metadata.tables

RANK: Final = {table.name: rank for rank, table in enumerate(metadata.sorted_tables)}
"""Order in which rows of different tables may be inserted: what is referred to comes first."""
