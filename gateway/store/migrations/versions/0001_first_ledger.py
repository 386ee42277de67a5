"""The first ledger: every table and index of version 0.1.0.

One transaction: a crash leaves the file as it was. Written out and never changed again, whatever
becomes of `gateway.store.schema`; later changes are revisions of their own.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None


# Text sorts by bytes and numbers have 64 bits on both engines, whatever the database's own rules.
TEXT: Final = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _callers()
    _outgoing()
    _incoming()
    _proof()
    _work()
    _feeds()
    _kept_by_persons()
    _accounts()
    _drafts()
    _alerts()


def _callers() -> None:
    """Callers, the catalogue of agencies, counters."""
    op.create_table(
        "system",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_system"),
    )
    op.create_table(
        "system_agency",
        sa.Column(
            "system_id",
            TEXT,
            sa.ForeignKey("system.id", name="fk_system_agency_system_id_system"),
            nullable=False,
        ),
        sa.Column("agency", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("system_id", "agency", name="pk_system_agency"),
    )
    op.create_table(
        "credential",
        sa.Column("id", TEXT, nullable=False),
        sa.Column(
            "system_id",
            TEXT,
            sa.ForeignKey("system.id", name="fk_credential_system_id_system"),
            nullable=False,
        ),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=True),
        sa.Column("sealed", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("expires_at", TEXT, nullable=True),
        sa.Column("revoked_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_credential"),
    )
    op.create_index("ix_credential_system_id", "credential", ["system_id"])
    op.create_table(
        "agency",
        sa.Column("code", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("legacy_code", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("parent", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("mail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("valid_from", TEXT, nullable=True),
        sa.Column("valid_to", TEXT, nullable=True),
        sa.Column("successor", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("hop", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("console", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("numbered_by", TEXT, nullable=False, server_default=sa.text("'gateway'")),
        sa.Column("forward_until", TEXT, nullable=True),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_agency"),
    )
    op.create_table(
        "agency_succession",
        sa.Column("code", TEXT, nullable=False),
        sa.Column("successor", TEXT, nullable=False),
        sa.Column("valid_from", TEXT, nullable=True),
        sa.Column("valid_to", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("code", "successor", name="pk_agency_succession"),
    )
    op.create_table(
        "agency_alias",
        sa.Column("alias", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("valid_from", TEXT, nullable=True),
        sa.Column("valid_to", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("alias", name="pk_agency_alias"),
    )
    op.create_table(
        "agency_request",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("system_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("wish", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("asked_at", TEXT, nullable=False),
        sa.Column("decided_at", TEXT, nullable=True),
        sa.Column("decided_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_agency_request"),
    )
    op.create_index(
        "ix_agency_request_waiting",
        "agency_request",
        ["system_id", "id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "counter",
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("year", NUMBER, nullable=False),
        sa.Column("series", TEXT, nullable=False),
        sa.Column("last", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("agency", "year", "series", name="pk_counter"),
    )


def _outgoing() -> None:
    """What agencies send, and its way to the next hop."""
    op.create_table(
        "consignment",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("system_id", TEXT, nullable=False),
        sa.Column("via", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("sender_written", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=True),
        sa.Column("version", NUMBER, nullable=False, server_default=sa.text("1")),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("hold", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("business_type", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("envelope", TEXT, nullable=False),
        sa.Column("findings", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("verdict", TEXT, nullable=False, server_default=sa.text("'pending'")),
        sa.Column("legal_class", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("scans", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("urgency", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("issue_year", NUMBER, nullable=True),
        sa.Column("issue_ordinal", NUMBER, nullable=True),
        sa.Column("code_number", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("code_notation", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("promulgation_date", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("subject", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("due_date", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("main_sha256", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("received_sha256", TEXT, nullable=False),
        sa.Column("received_size", NUMBER, nullable=False),
        sa.Column("accepted_at", TEXT, nullable=False),
        sa.Column("issued_at", TEXT, nullable=True),
        sa.Column("sent_at", TEXT, nullable=True),
        sa.Column("closed_at", TEXT, nullable=True),
        sa.Column("verdict_before", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("verdict_changed_at", TEXT, nullable=True),
        sa.Column("answer", TEXT, nullable=False),
        sa.Column("receipt", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_consignment"),
        sa.UniqueConstraint(
            "sender", "document_id", "version", name="uq_consignment_sender_document_id_version"
        ),
    )
    op.create_index("ix_consignment_document", "consignment", ["document_id"])
    op.create_index(
        "ix_consignment_held",
        "consignment",
        ["id"],
        sqlite_where=sa.text("hold != ''"),
        postgresql_where=sa.text("hold != ''"),
    )
    op.create_index(
        "ix_consignment_notation",
        "consignment",
        ["sender", "code_number", "code_notation", "promulgation_date"],
    )
    op.create_index(
        "ix_consignment_concerning",
        "consignment",
        ["sender", "id"],
        sqlite_where=sa.text("business_type != 0"),
        postgresql_where=sa.text("business_type != 0"),
    )
    op.create_index(
        "ix_consignment_open",
        "consignment",
        ["id"],
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index("ix_consignment_system", "consignment", ["system_id", "id"])
    op.create_index("ix_consignment_sender", "consignment", ["sender", "id"])
    op.create_index(
        "ix_consignment_due",
        "consignment",
        ["sender", "due_date", "id"],
        sqlite_where=sa.text("state = 'released' AND due_date != ''"),
        postgresql_where=sa.text("state = 'released' AND due_date != ''"),
    )
    op.create_index(
        "ix_consignment_refused",
        "consignment",
        ["sender", "id"],
        sqlite_where=sa.text("state = 'refused'"),
        postgresql_where=sa.text("state = 'refused'"),
    )
    op.create_table(
        "idempotency",
        sa.Column("system_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("body_sha256", TEXT, nullable=False),
        sa.Column("consignment_id", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("system_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"])
    op.create_table(
        "delivery",
        sa.Column("id", TEXT, nullable=False),
        sa.Column(
            "consignment_id",
            TEXT,
            sa.ForeignKey("consignment.id", name="fk_delivery_consignment_id_consignment"),
            nullable=False,
        ),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("addressed_as", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("hop", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("transfer_id", TEXT, nullable=True),
        sa.Column("hold", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("left_at", TEXT, nullable=True),
        sa.Column("acknowledged_at", TEXT, nullable=True),
        sa.Column("at_gateway_at", TEXT, nullable=True),
        sa.Column("entered_system_at", TEXT, nullable=True),
        sa.Column("last_status", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("sender", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint("consignment_id", "agency", name="uq_delivery_consignment_id_agency"),
    )
    op.create_index("ix_delivery_transfer", "delivery", ["transfer_id"])
    untaken = "state IN ('pending', 'sending', 'deferred', 'handed_over')"
    op.create_index(
        "ix_delivery_untaken",
        "delivery",
        ["sender", "consignment_id"],
        sqlite_where=sa.text(untaken),
        postgresql_where=sa.text(untaken),
    )
    troubled = "state IN ('failed', 'returned', 'recalled', 'not_connected')"
    op.create_index(
        "ix_delivery_arrived",
        "delivery",
        ["sender", "consignment_id"],
        sqlite_where=sa.text("state = 'arrived'"),
        postgresql_where=sa.text("state = 'arrived'"),
    )
    op.create_index(
        "ix_delivery_troubled",
        "delivery",
        ["sender", "state", "consignment_id"],
        sqlite_where=sa.text(troubled),
        postgresql_where=sa.text(troubled),
    )
    op.create_table(
        "transfer",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("consignment_id", TEXT, nullable=True),
        sa.Column("status_id", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("hop", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("hold", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("stopped", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("lane", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("attempts", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", TEXT, nullable=False),
        sa.Column("lease_until", TEXT, nullable=True),
        sa.Column("peer_doc_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("parcel_sha256", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("parcel_size", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("sender_written", TEXT, nullable=False),
        sa.Column("recipients", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("done_at", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("node", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_transfer"),
    )
    op.create_index("ix_transfer_consignment", "transfer", ["consignment_id"])
    live = sa.text("state NOT IN ('done', 'cancelled')")
    op.create_index(
        "ix_transfer_live",
        "transfer",
        ["state", "lane", "created_at"],
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index(
        "ix_transfer_held",
        "transfer",
        ["id"],
        sqlite_where=sa.text("hold != ''"),
        postgresql_where=sa.text("hold != ''"),
    )
    waiting = sa.text(
        "state NOT IN ('sending', 'done', 'failed', 'cancelled') AND hold = '' AND stopped = 0"
    )
    op.create_index(
        "ix_transfer_open",
        "transfer",
        ["hop", "lane", "due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "hold",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("held_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("until", TEXT, nullable=True),
        sa.Column("released_at", TEXT, nullable=True),
        sa.Column("released_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
    )
    op.create_index("ix_hold_subject", "hold", ["subject", "since"])
    op.create_index(
        "uq_hold_standing",
        "hold",
        ["kind", "scope", "subject", "held_by"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "attempt",
        sa.Column("transfer_id", TEXT, nullable=False),
        sa.Column("n", NUMBER, nullable=False),
        sa.Column("began_at", TEXT, nullable=False),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.Column("outcome", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("detail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("claim", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("transfer_id", "n", name="pk_attempt"),
    )


def _incoming() -> None:
    """What peers give us, arrivals, statuses, recalls."""
    op.create_table(
        "inbound",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("peer", TEXT, nullable=False),
        sa.Column("peer_doc_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size_bytes", NUMBER, nullable=False),
        sa.Column("received_at", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("tries", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", TEXT, nullable=False),
        sa.Column("acked_at", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_inbound"),
        sa.UniqueConstraint("peer", "peer_doc_id", "kind", name="uq_inbound_peer_peer_doc_id_kind"),
    )
    op.create_index(
        "ix_inbound_open",
        "inbound",
        ["id"],
        sqlite_where=sa.text("state = 'received'"),
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_table(
        "arrival",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("addressed_as", TEXT, nullable=False),
        sa.Column("forwarded_from", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("sender_written", TEXT, nullable=False),
        sa.Column("sender_name", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("document_id", TEXT, nullable=False),
        sa.Column("version", NUMBER, nullable=False, server_default=sa.text("1")),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("envelope", TEXT, nullable=False),
        sa.Column("findings", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("legal_class", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("scans", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("urgency", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("business_type", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("code_number", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("code_notation", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("promulgation_date", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("inbound_id", TEXT, nullable=True),
        sa.Column("consignment_id", TEXT, nullable=True),
        sa.Column("delivery_id", TEXT, nullable=True),
        sa.Column("received_sha256", TEXT, nullable=False),
        sa.Column("received_size", NUMBER, nullable=False),
        sa.Column("strict_sha256", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("strict_size", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("at_gateway_at", TEXT, nullable=False),
        sa.Column("offered_at", TEXT, nullable=True),
        sa.Column("entered_system_at", TEXT, nullable=True),
        sa.Column("received_at_legal", TEXT, nullable=True),
        sa.Column("arrival_year", NUMBER, nullable=True),
        sa.Column("arrival_number", NUMBER, nullable=True),
        sa.Column("sent_codes", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("verdict_before", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("verdict_changed_at", TEXT, nullable=True),
        sa.Column("undetermined", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("came_at", TEXT, nullable=True),
        sa.Column("entered_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("entered_late", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("inbox_seq", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_arrival"),
        sa.UniqueConstraint(
            "agency",
            "arrival_year",
            "arrival_number",
            name="uq_arrival_agency_arrival_year_arrival_number",
        ),
        sa.UniqueConstraint(
            "agency",
            "sender",
            "document_id",
            "version",
            name="uq_arrival_agency_sender_document_id_version",
        ),
    )
    op.create_index("ix_arrival_delivery", "arrival", ["delivery_id"])
    op.create_index("ix_arrival_inbound", "arrival", ["inbound_id"])
    op.create_index(
        "ix_arrival_notation",
        "arrival",
        ["agency", "sender", "code_number", "code_notation", "promulgation_date", "id"],
    )
    op.create_index("ix_arrival_inbox", "arrival", ["agency", "inbox_seq"])
    op.create_index("ix_arrival_document", "arrival", ["document_id"])
    op.create_index(
        "ix_arrival_concerning",
        "arrival",
        ["agency", "id"],
        sqlite_where=sa.text("business_type != 0"),
        postgresql_where=sa.text("business_type != 0"),
    )
    op.create_index(
        "ix_arrival_unsequenced",
        "arrival",
        ["id"],
        sqlite_where=sa.text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
        postgresql_where=sa.text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
    )
    op.create_index("ix_arrival_waiting", "arrival", ["agency", "state", "id"])
    op.create_index("ix_arrival_desk", "arrival", ["agency", "state", "urgency", "id"])
    op.create_index(
        "ix_arrival_unanswered",
        "arrival",
        ["received_at_legal", "id"],
        sqlite_where=sa.text("state = 'taken'"),
        postgresql_where=sa.text("state = 'taken'"),
    )
    empty = sa.text("''")
    op.create_table(
        "assignment",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("arrival_id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False, server_default=empty),
        sa.Column("name", TEXT, nullable=False, server_default=empty),
        sa.Column("lead", TEXT, nullable=False, server_default=empty),
        sa.Column("coordinating", TEXT, nullable=False, server_default=empty),
        sa.Column("due_on", TEXT, nullable=False, server_default=empty),
        sa.Column("opinion", TEXT, nullable=False, server_default=empty),
        sa.Column("urgency", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_assignment"),
    )
    op.create_index("ix_assignment_arrival", "assignment", ["arrival_id", "id"])
    op.create_index(
        "ix_assignment_due",
        "assignment",
        ["agency", "due_on", "id"],
        sqlite_where=sa.text("ended_at IS NULL AND due_on != ''"),
        postgresql_where=sa.text("ended_at IS NULL AND due_on != ''"),
    )
    op.create_index(
        "ix_assignment_account",
        "assignment",
        ["account_id", "urgency", "id"],
        sqlite_where=sa.text("ended_at IS NULL AND account_id != ''"),
        postgresql_where=sa.text("ended_at IS NULL AND account_id != ''"),
    )
    op.create_table(
        "status_report",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("sender_written", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("recipient_written", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False),
        sa.Column("notation", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("staff", TEXT, nullable=False, server_default=sa.text("'null'")),
        sa.Column("promulgation_date", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("received_sha256", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("consignment_id", TEXT, nullable=True),
        sa.Column("delivery_id", TEXT, nullable=True),
        sa.Column("arrival_id", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("offered_at", TEXT, nullable=True),
        sa.Column("taken_at", TEXT, nullable=True),
        sa.Column("inbox_seq", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_status_report"),
    )
    op.create_index("ix_status_arrival", "status_report", ["arrival_id"])
    op.create_index("ix_status_consignment", "status_report", ["consignment_id"])
    op.create_index("ix_status_recipient", "status_report", ["recipient", "inbox_seq"])
    op.create_index("ix_status_sender", "status_report", ["sender", "id"])
    op.create_index(
        "ix_status_unsequenced",
        "status_report",
        ["id"],
        sqlite_where=sa.text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
        postgresql_where=sa.text("inbox_seq IS NULL AND offered_at IS NOT NULL"),
    )
    op.create_index("ix_status_waiting", "status_report", ["recipient", "taken_at", "id"])
    op.create_index(
        "ix_status_untaken",
        "status_report",
        ["recipient", "id"],
        sqlite_where=sa.text("taken_at IS NULL"),
        postgresql_where=sa.text("taken_at IS NULL"),
    )
    op.create_table(
        "recall",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("delivery_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("asked_at", TEXT, nullable=False),
        sa.Column("answered_at", TEXT, nullable=True),
        sa.Column("answer", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("order_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("sender", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("notice_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_recall"),
        sa.UniqueConstraint("delivery_id", name="uq_recall_delivery_id"),
    )
    op.create_index("ix_recall_order", "recall", ["order_id"])
    op.create_index(
        "ix_recall_open",
        "recall",
        ["sender", "order_id"],
        sqlite_where=sa.text("state IN ('waiting', 'asked')"),
        postgresql_where=sa.text("state IN ('waiting', 'asked')"),
    )
    op.create_index(
        "ix_recall_waiting",
        "recall",
        ["id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    _recalls()


def _recalls() -> None:
    """Who takes back what, what is asked back from agencies of ours, what must be kept."""
    op.create_table(
        "recall_order",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("consignment_id", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("whole", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("system_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("asked_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("asked_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recall_order"),
    )
    op.create_index("ix_recall_order_consignment", "recall_order", ["consignment_id", "id"])
    op.create_index("ix_recall_order_sender", "recall_order", ["sender", "id"])
    op.create_table(
        "takeback",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("arrival_id", TEXT, nullable=True),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("means", TEXT, nullable=False, server_default=sa.text("'13'")),
        sa.Column("notice_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("asked_at", TEXT, nullable=False),
        sa.Column("looked", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("answered_at", TEXT, nullable=True),
        sa.Column("answered_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("answer", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("purged_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_takeback"),
    )
    op.create_index(
        "uq_takeback_arrival",
        "takeback",
        ["arrival_id"],
        unique=True,
        sqlite_where=sa.text("arrival_id IS NOT NULL"),
        postgresql_where=sa.text("arrival_id IS NOT NULL"),
    )
    op.create_index(
        "ix_takeback_ahead",
        "takeback",
        ["document_id", "id"],
        sqlite_where=sa.text("arrival_id IS NULL"),
        postgresql_where=sa.text("arrival_id IS NULL"),
    )
    op.create_index("ix_takeback_agency", "takeback", ["agency", "state", "id"])
    op.create_index(
        "ix_takeback_unlooked",
        "takeback",
        ["id"],
        sqlite_where=sa.text("looked = 0"),
        postgresql_where=sa.text("looked = 0"),
    )
    op.create_index(
        "ix_takeback_unpurged",
        "takeback",
        ["answered_at", "id"],
        sqlite_where=sa.text("state = 'agreed' AND purged_at IS NULL"),
        postgresql_where=sa.text("state = 'agreed' AND purged_at IS NULL"),
    )
    op.create_table(
        "legal_hold",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("held_by", TEXT, nullable=False),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("released_at", TEXT, nullable=True),
        sa.Column("released_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("release_reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_legal_hold"),
    )
    op.create_index("ix_legal_hold_subject", "legal_hold", ["subject", "id"])
    op.create_index(
        "uq_legal_hold_standing",
        "legal_hold",
        ["subject"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )


def _proof() -> None:
    """Events, the receipt log and its tree."""
    op.create_table(
        "event",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("seq", NUMBER, nullable=True),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("data", TEXT, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("audience", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index(
        "ix_event_audience",
        "event",
        ["audience", "seq"],
        sqlite_where=sa.text("audience != ''"),
        postgresql_where=sa.text("audience != ''"),
    )
    op.create_index(
        "ix_event_seq",
        "event",
        ["seq"],
        sqlite_where=sa.text("seq IS NOT NULL"),
        postgresql_where=sa.text("seq IS NOT NULL"),
    )
    op.create_index("ix_event_subject", "event", ["subject", "id"])
    op.create_index(
        "ix_event_unsequenced",
        "event",
        ["id"],
        sqlite_where=sa.text("seq IS NULL"),
        postgresql_where=sa.text("seq IS NULL"),
    )
    op.create_table(
        "receipt_entry",
        sa.Column("ord", NUMBER, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("entry_hash", TEXT, nullable=False),
        sa.Column("idx", NUMBER, nullable=True),
        sa.Column("prev_hash", TEXT, nullable=True),
        sa.Column("chain_hash", TEXT, nullable=True),
        sa.Column("actor", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("action", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("ord", name="pk_receipt_entry"),
        sa.UniqueConstraint("id", name="uq_receipt_entry_id"),
        sa.UniqueConstraint("idx", name="uq_receipt_entry_idx"),
    )
    op.create_index("ix_receipt_document", "receipt_entry", ["document_id"])
    for column in ("", "actor", "action", "agency", "subject"):
        op.create_index(
            f"ix_receipt_audit_{column}" if column else "ix_receipt_audit",
            "receipt_entry",
            [column, "at", "ord"] if column else ["at", "ord"],
            sqlite_where=sa.text("action != ''"),
            postgresql_where=sa.text("action != ''"),
        )
    op.create_index("ix_receipt_subject", "receipt_entry", ["subject"])
    op.create_index(
        "ix_receipt_unsequenced",
        "receipt_entry",
        ["ord"],
        sqlite_where=sa.text("idx IS NULL"),
        postgresql_where=sa.text("idx IS NULL"),
    )
    op.create_table(
        "merkle_node",
        sa.Column("level", NUMBER, nullable=False),
        sa.Column("idx", NUMBER, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("level", "idx", name="pk_merkle_node"),
    )
    op.create_table(
        "tree_head",
        sa.Column("size", NUMBER, nullable=False, autoincrement=False),
        sa.Column("root", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("jws", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_tree_head"),
    )
    op.create_table(
        "head_stamp",
        sa.Column("size", NUMBER, nullable=False, autoincrement=False),
        sa.Column("stamped_at", TEXT, nullable=False),
        sa.Column("authority", TEXT, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_head_stamp"),
    )


def _work() -> None:
    """Work, caches, quarantine, settings of the ledger itself."""
    op.create_table(
        "outbox",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("lane", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_table(
        "verification",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("trust_sha256", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("report", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verification"),
    )
    op.create_index("ix_verification_file", "verification", ["sha256", "at"])
    op.create_index("ix_verification_trust", "verification", ["trust_sha256", "id"])
    op.create_table(
        "recheck",
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("issuers", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("tries", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", TEXT, nullable=False),
        sa.Column("trust_sha256", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("subject", name="pk_recheck"),
    )
    op.create_index("ix_recheck_due", "recheck", ["due_at"])
    op.create_index("ix_recheck_cause", "recheck", ["cause", "since"])
    op.create_table(
        "blob_ref",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "owner", name="pk_blob_ref"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quarantine",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("document_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("first_by", TEXT, nullable=True),
        sa.Column("first_at", TEXT, nullable=True),
        sa.Column("second_by", TEXT, nullable=True),
        sa.Column("purged_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )
    op.create_table(
        "office_hours",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("week", TEXT, nullable=False),
        sa.Column("valid_from", TEXT, nullable=True),
        sa.Column("valid_to", TEXT, nullable=True),
        sa.Column("source", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("entered_by", TEXT, nullable=False),
        sa.Column("entered_at", TEXT, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("confirmed_at", TEXT, nullable=True),
        sa.Column("ended_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_office_hours"),
    )
    op.create_table(
        "calendar_day",
        sa.Column("day", TEXT, nullable=False),
        sa.Column("worked", NUMBER, nullable=False),
        sa.Column("name", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("source", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("entered_by", TEXT, nullable=False),
        sa.Column("entered_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_calendar_day"),
    )
    op.create_table(
        "calendar_year",
        sa.Column("year", NUMBER, nullable=False, autoincrement=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("confirmed_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("year", name="pk_calendar_year"),
    )
    op.create_table(
        "incident",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("subject", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("occurred_at", TEXT, nullable=False),
        sa.Column("opened_by", TEXT, nullable=False),
        sa.Column("opened_at", TEXT, nullable=False),
        sa.Column("notes", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("state", TEXT, nullable=False, server_default=sa.text("'open'")),
        sa.Column("outcome", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("closed_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("closed_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
    )
    op.create_index("ix_incident_state", "incident", ["state", "id"])
    op.create_index("ix_incident_agency", "incident", ["agency", "state", "id"])
    op.create_table(
        "maintenance",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("approval", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("planned_from", TEXT, nullable=False),
        sa.Column("planned_to", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("announced_by", TEXT, nullable=False),
        sa.Column("announced_at", TEXT, nullable=False),
        sa.Column("began_at", TEXT, nullable=True),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.Column("before", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("after", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("note", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance"),
    )
    op.create_index("ix_maintenance_state", "maintenance", ["state", "ended_at"])
    op.create_table(
        "maintenance_telling",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("maintenance_id", TEXT, nullable=False),
        sa.Column("act", TEXT, nullable=False),
        sa.Column("way", TEXT, nullable=False),
        sa.Column("whom", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("made_at", TEXT, nullable=False),
        sa.Column("due_at", TEXT, nullable=False),
        sa.Column("tries", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("told_at", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance_telling"),
        sa.UniqueConstraint(
            "maintenance_id",
            "act",
            "way",
            "whom",
            name="uq_maintenance_telling_maintenance_id_act_way_whom",
        ),
    )
    op.create_index(
        "ix_maintenance_telling_owed",
        "maintenance_telling",
        ["due_at", "id"],
        sqlite_where=sa.text("state = 'owed'"),
        postgresql_where=sa.text("state = 'owed'"),
    )
    op.create_table(
        "outage_entry",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("party", TEXT, nullable=False),
        sa.Column("notation", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("means", TEXT, nullable=False),
        sa.Column("occurred_at", TEXT, nullable=False),
        sa.Column("entered_at", TEXT, nullable=False),
        sa.Column("entered_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_outage_entry"),
    )
    op.create_index("ix_outage_entry_agency", "outage_entry", ["agency", "id"])
    op.create_table(
        "key_device",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("serial", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("certificate", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("valid_to", TEXT, nullable=True),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("permission", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_key_device"),
        sa.UniqueConstraint("agency", "serial", name="uq_key_device_agency_serial"),
    )
    op.create_table(
        "lease",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("token", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("beat", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("taken_at", TEXT, nullable=False),
        sa.Column("seen_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "node",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("boot", TEXT, nullable=False),
        sa.Column("roles", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("beat", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("seen_at", TEXT, nullable=False),
        sa.Column("facts", TEXT, nullable=False, server_default=sa.text("'{}'")),
        sa.PrimaryKeyConstraint("name", name="pk_node"),
    )
    op.create_table(
        "meta",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )


def _feeds() -> None:
    """What is brought to agencies, and brought again."""
    op.create_table(
        "place",
        sa.Column("consumer", TEXT, nullable=False),
        sa.Column("cursor", NUMBER, nullable=False),
        sa.Column("highest", NUMBER, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("consumer", name="pk_place"),
    )
    op.create_table(
        "replay",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("system_id", TEXT, nullable=False),
        sa.Column("cursor", NUMBER, nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.Column("began_at", TEXT, nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replay"),
    )
    op.create_index(
        "uq_replay_open",
        "replay",
        ["system_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "replay_seen",
        sa.Column("replay_id", TEXT, nullable=False),
        sa.Column("item_id", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("replay_id", "item_id", name="pk_replay_seen"),
    )
    op.create_table(
        "webhook",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("system_id", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("kinds", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("why", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("tries", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("failing_since", TEXT, nullable=True),
        sa.Column("due_at", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_index("ix_webhook_system", "webhook", ["system_id"])
    op.create_table(
        "webhook_call",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("webhook_id", TEXT, nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("tries", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("began_at", TEXT, nullable=False),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.Column("status", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("outcome", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_call"),
    )
    op.create_index("ix_webhook_call", "webhook_call", ["webhook_id", "seq"])
    op.create_index(
        "ix_webhook_call_dead",
        "webhook_call",
        ["webhook_id", "seq"],
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )


def _drafts() -> None:
    """Documents prepared by form, what persons must do, whom they send to again and again."""
    in_hand = "state IN ('draft', 'ready', 'sending')"
    empty = sa.text("''")
    op.create_table(
        "draft",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("revision", NUMBER, nullable=False, server_default=sa.text("1")),
        sa.Column("urgency", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("form", TEXT, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("recipients", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("files", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("note", TEXT, nullable=False, server_default=empty),
        sa.Column("ready_by", TEXT, nullable=False, server_default=empty),
        sa.Column("ready_at", TEXT, nullable=True),
        sa.Column("sent_by", TEXT, nullable=False, server_default=empty),
        sa.Column("released_as", TEXT, nullable=False, server_default=empty),
        sa.Column("consignment_id", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
    )
    op.create_index(
        "ix_draft_open",
        "draft",
        ["agency", "state", "urgency", "id"],
        sqlite_where=sa.text(in_hand),
        postgresql_where=sa.text(in_hand),
    )
    op.create_index("ix_draft_account", "draft", ["account_id", "id"])
    op.create_index(
        "ix_draft_sent",
        "draft",
        ["agency", "id"],
        sqlite_where=sa.text("state = 'sent'"),
        postgresql_where=sa.text("state = 'sent'"),
    )
    op.create_index("ix_draft_consignment", "draft", ["consignment_id"])
    op.create_table(
        "todo",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False, server_default=empty),
        sa.Column("data", TEXT, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("urgency", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("done_by", TEXT, nullable=False, server_default=empty),
        sa.Column("done_at", TEXT, nullable=True),
        sa.Column("how", TEXT, nullable=False, server_default=empty),
        sa.PrimaryKeyConstraint("id", name="pk_todo"),
        sa.UniqueConstraint("agency", "kind", "subject", name="uq_todo_agency_kind_subject"),
    )
    op.create_index("ix_todo_document", "todo", ["document"])
    op.create_index("ix_todo_agency", "todo", ["agency", "state", "urgency", "id"])
    op.create_table(
        "recipient_group",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("codes", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recipient_group"),
        sa.UniqueConstraint("agency", "name", name="uq_recipient_group_agency_name"),
    )


def _accounts() -> None:
    """Persons: accounts, what they may, their sessions, one-time links."""
    op.create_table(
        "account",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("login", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("mail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("words", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("lock_code", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("lock_ref", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("lock_text", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("locked_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("locked_at", TEXT, nullable=True),
        sa.Column("password", TEXT, nullable=True),
        sa.Column("must_change", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("totp", TEXT, nullable=True),
        sa.Column("totp_next", TEXT, nullable=True),
        sa.Column("totp_step", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("recovery", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("oidc_issuer", TEXT, nullable=True),
        sa.Column("oidc_subject", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("request_ref", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("used_at", TEXT, nullable=True),
        sa.Column("closed_at", TEXT, nullable=True),
        sa.Column("changes", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.UniqueConstraint("login", name="uq_account_login"),
        sa.UniqueConstraint(
            "oidc_issuer", "oidc_subject", name="uq_account_oidc_issuer_oidc_subject"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_index("ix_account_agency", "account", ["agency", "login"])
    op.create_index("ix_account_mail", "account", ["mail"])
    op.create_index(
        "ix_account_lost",
        "account",
        ["locked_at"],
        sqlite_where=sa.text("state = 'locked' AND lock_code = 'lost'"),
        postgresql_where=sa.text("state = 'locked' AND lock_code = 'lost'"),
    )
    op.create_table(
        "account_grant",
        sa.Column("id", TEXT, nullable=False),
        sa.Column(
            "account_id",
            TEXT,
            sa.ForeignKey("account.id", name="fk_account_grant_account_id_account"),
            nullable=False,
        ),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("valid_from", TEXT, nullable=True),
        sa.Column("valid_to", TEXT, nullable=True),
        sa.Column("delegated_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("granted_by", TEXT, nullable=False),
        sa.Column("granted_at", TEXT, nullable=False),
        sa.Column("request_ref", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("revoked_at", TEXT, nullable=True),
        sa.Column("revoked_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("seen_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account_grant"),
    )
    op.create_index("ix_account_grant_account", "account_grant", ["account_id", "id"])
    op.create_index("ix_account_grant_agency", "account_grant", ["agency", "account_id"])
    op.create_index("ix_account_grant_delegated", "account_grant", ["delegated_by", "id"])
    op.create_table(
        "account_session",
        sa.Column("id", TEXT, nullable=False),
        sa.Column(
            "account_id",
            TEXT,
            sa.ForeignKey("account.id", name="fk_account_session_account_id_account"),
            nullable=False,
        ),
        sa.Column("needs", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("strong", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("strong_at", TEXT, nullable=True),
        sa.Column("began_at", TEXT, nullable=False),
        sa.Column("used_at", TEXT, nullable=False),
        sa.Column("ends_at", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("agent", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.Column("why", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_account_session"),
    )
    op.create_index("ix_account_session_account", "account_session", ["account_id", "began_at"])
    op.create_index(
        "ix_account_session_open",
        "account_session",
        ["account_id"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "account_link",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("expires_at", TEXT, nullable=False),
        sa.Column("used_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account_link"),
    )
    op.create_index("ix_account_link_account", "account_link", ["account_id"])
    op.create_table(
        "signin_wait",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_signin_wait"),
    )
    op.create_index("ix_signin_wait_at", "signin_wait", ["at"])

    op.create_table(
        "flow_minute",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("minute", TEXT, nullable=False),
        sa.Column("node", TEXT, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("peer", TEXT, nullable=False),
        sa.Column("n", NUMBER, nullable=False),
        sa.Column("ms", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_flow_minute"),
    )
    op.create_index("ix_flow_minute_minute", "flow_minute", ["minute", "what", "peer"])
    op.create_index("ix_flow_minute_node", "flow_minute", ["node", "minute"])


def _alerts() -> None:
    """What is wrong, whom it was told to, who is on duty."""
    op.create_table(
        "alert",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("severity", NUMBER, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("first_seen", TEXT, nullable=False),
        sa.Column("last_seen", TEXT, nullable=False),
        sa.Column("count", NUMBER, nullable=False, server_default=sa.text("1")),
        sa.Column("about", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("path", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("due", TEXT, nullable=True),
        sa.Column("level", NUMBER, nullable=False, server_default=sa.text("1")),
        sa.Column("next_at", TEXT, nullable=True),
        sa.Column("acknowledged_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("acknowledged_at", TEXT, nullable=True),
        sa.Column("note", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_index(
        "uq_alert_standing",
        "alert",
        ["agency", "kind", "subject"],
        unique=True,
        sqlite_where=sa.text("state != 'ended'"),
        postgresql_where=sa.text("state != 'ended'"),
    )
    op.create_index("ix_alert_agency", "alert", ["agency", "state", "id"])
    op.create_table(
        "alert_telling",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("level", NUMBER, nullable=False),
        sa.Column("way", TEXT, nullable=False),
        sa.Column("whom", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("made_at", TEXT, nullable=False),
        sa.Column("due_at", TEXT, nullable=False),
        sa.Column("tries", NUMBER, nullable=False, server_default=sa.text("0")),
        sa.Column("told_at", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_alert_telling"),
        sa.UniqueConstraint(
            "alert_id", "level", "way", "whom", name="uq_alert_telling_alert_id_level_way_whom"
        ),
    )
    op.create_index(
        "ix_alert_telling_owed",
        "alert_telling",
        ["due_at", "id"],
        sqlite_where=sa.text("state = 'owed'"),
        postgresql_where=sa.text("state = 'owed'"),
    )
    op.create_table(
        "duty_turn",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("level", NUMBER, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("mail", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("phone", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("begins_at", TEXT, nullable=False),
        sa.Column("ends_at", TEXT, nullable=False),
        sa.Column("entered_by", TEXT, nullable=False),
        sa.Column("entered_at", TEXT, nullable=False),
        sa.Column("removed_at", TEXT, nullable=True),
        sa.Column("removed_by", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_duty_turn"),
    )
    op.create_index("ix_duty_turn_agency", "duty_turn", ["agency", "ends_at"])


def downgrade() -> None:
    """Refuse: a ledger is never taken apart."""
    raise NotImplementedError("there is nothing before the first ledger: restore a backup instead")


def _kept_by_persons() -> None:
    """Saved searches, frozen figures."""
    op.create_table(
        "saved_search",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_search"),
        sa.UniqueConstraint("account_id", "name", name="uq_saved_search_account_id_name"),
    )
    op.create_table(
        "snapshot",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("period", TEXT, nullable=False),
        sa.Column("figures", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("made_at", TEXT, nullable=False),
        sa.Column("made_by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshot"),
        sa.UniqueConstraint("agency", "kind", "period", name="uq_snapshot_agency_kind_period"),
    )
