"""Every question the programs ask the ledger, by name, as SQL both engines understand."""

from typing import Final

_DUE: Final = "state IN ('waiting', 'deferred') AND hold = '' AND due_at <= :now"

QUERIES: Final[dict[str, str]] = {
    # -------------------------------------------------------------- callers and catalogue
    "registry_version": "SELECT value FROM meta WHERE key = 'registry_version'",
    "meta": "SELECT value FROM meta WHERE key = :key",
    "systems": "SELECT * FROM system ORDER BY id",
    "system_agencies": "SELECT * FROM system_agency",
    "credentials": "SELECT * FROM credential WHERE revoked_at IS NULL",
    "agencies": "SELECT * FROM agency ORDER BY code",
    "aliases": "SELECT * FROM agency_alias ORDER BY alias",
    # -------------------------------------------------------------- consignments
    "consignment": "SELECT * FROM consignment WHERE id = :id",
    "consignment_versions": (
        "SELECT * FROM consignment WHERE sender IN (SELECT value FROM json_each(:senders)) "
        "AND document_id = :document_id ORDER BY version"
    ),
    "consignments_named": "SELECT * FROM consignment WHERE document_id = :document_id",
    "consignment_likeness": (
        "SELECT id, document_id FROM consignment WHERE sender IN "
        "(SELECT value FROM json_each(:senders)) AND code_number = :code_number "
        "AND code_notation = :code_notation AND promulgation_date = :promulgation_date "
        "AND main_sha256 = :main_sha256 ORDER BY id LIMIT 1"
    ),
    "consignments_pending": (
        "SELECT id, urgency FROM consignment WHERE state = 'accepted' AND hold = '' ORDER BY id"
    ),
    "consignments_held": (
        "SELECT id, urgency FROM consignment WHERE hold != '' AND hold = 'clock' ORDER BY id"
    ),
    "consignments_by_system": (
        "SELECT * FROM consignment WHERE system_id = :system_id AND state != 'quarantined' "
        "AND (:after = '' OR id < :after) AND (:document_id = '' OR document_id = :document_id) "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "idempotency": "SELECT * FROM idempotency WHERE system_id = :system_id AND key = :key",
    # -------------------------------------------------------------- deliveries, transfers
    "deliveries": "SELECT * FROM delivery WHERE consignment_id = :consignment_id ORDER BY id",
    "delivery": "SELECT * FROM delivery WHERE id = :id",
    "deliveries_of_transfer": "SELECT * FROM delivery WHERE transfer_id = :transfer_id ORDER BY id",
    "delivery_for": (
        "SELECT d.*, c.document_id, c.sender, c.sender_written, c.system_id, c.version, "
        "c.code_number, c.code_notation, c.promulgation_date FROM delivery d "
        "JOIN consignment c ON c.id = d.consignment_id "
        "WHERE c.sender IN (SELECT value FROM json_each(:senders)) "
        "AND c.document_id = :document_id AND d.agency = :agency "
        "ORDER BY c.version DESC LIMIT 1"
    ),
    "delivery_by_notation": (
        "SELECT d.*, c.document_id, c.sender, c.sender_written, c.system_id, c.version, "
        "c.code_number, c.code_notation, c.promulgation_date FROM delivery d "
        "JOIN consignment c ON c.id = d.consignment_id "
        "WHERE c.sender IN (SELECT value FROM json_each(:senders)) "
        "AND c.code_number = :code_number AND c.code_notation = :code_notation "
        "AND c.promulgation_date = :promulgation_date AND d.agency = :agency "
        "ORDER BY c.version DESC LIMIT 1"
    ),
    "sent": (
        "SELECT d.*, c.document_id, c.sender_written, c.subject, c.code_number, c.code_notation, "
        "c.issued_at, c.accepted_at FROM delivery d JOIN consignment c ON c.id = d.consignment_id "
        "WHERE c.system_id = :system_id AND c.state != 'quarantined' "
        "AND (:consignment_id = '' OR c.id = :consignment_id) ORDER BY d.id DESC LIMIT :limit"
    ),
    "transfer": "SELECT * FROM transfer WHERE id = :id",
    "transfers_of": "SELECT * FROM transfer WHERE consignment_id = :consignment_id ORDER BY id",
    "transfers_due": (
        f"SELECT id, hop, lane FROM transfer WHERE {_DUE} ORDER BY lane DESC, due_at LIMIT :limit"
    ),
    "transfers_expired": (
        "SELECT * FROM transfer WHERE state = 'sending' AND lease_until <= :now LIMIT :limit"
    ),
    "transfers_next_due": (
        "SELECT MIN(due_at) AS due_at FROM transfer "
        "WHERE state IN ('waiting', 'deferred') AND hold = ''"
    ),
    "transfer_counts": (
        "SELECT state, lane, COUNT(*) AS n, MIN(created_at) AS oldest FROM transfer "
        "WHERE state IN ('waiting', 'sending', 'deferred', 'failed') GROUP BY state, lane"
    ),
    "attempts_of": (
        "SELECT a.* FROM attempt a JOIN transfer t ON t.id = a.transfer_id "
        "WHERE t.consignment_id = :consignment_id ORDER BY a.transfer_id, a.n"
    ),
    # -------------------------------------------------------------- inbound, arrivals, statuses
    "inbound": "SELECT * FROM inbound WHERE id = :id",
    "inbound_for": (
        "SELECT * FROM inbound WHERE peer = :peer AND peer_doc_id = :peer_doc_id AND kind = :kind"
    ),
    "inbound_open": (
        "SELECT id FROM inbound WHERE state = 'received' AND due_at <= :now ORDER BY id LIMIT :limit"
    ),
    "inbound_unacked": "SELECT * FROM inbound WHERE peer = :peer AND acked_at IS NULL ORDER BY id",
    "arrival": "SELECT * FROM arrival WHERE id = :id",
    "arrivals_of": (
        "SELECT * FROM arrival WHERE agency = :agency AND document_id = :document_id "
        "AND sender IN (SELECT value FROM json_each(:senders)) ORDER BY version DESC"
    ),
    "arrival_of_delivery": "SELECT * FROM arrival WHERE delivery_id = :delivery_id",
    "inbox": (
        "SELECT * FROM arrival WHERE inbox_seq > :after "
        "AND agency IN (SELECT value FROM json_each(:agencies)) ORDER BY inbox_seq LIMIT :limit"
    ),
    "waiting_documents": (
        "SELECT * FROM arrival WHERE agency IN (SELECT value FROM json_each(:agencies)) "
        "AND state = 'offered' "
        "AND (:since = '' OR at_gateway_at >= :since) AND (:until = '' OR at_gateway_at <= :until) "
        "ORDER BY id LIMIT :limit"
    ),
    "waiting_statuses": (
        "SELECT * FROM status_report "
        "WHERE recipient IN (SELECT value FROM json_each(:agencies)) "
        "AND offered_at IS NOT NULL AND taken_at IS NULL "
        "AND (:since = '' OR created_at >= :since) AND (:until = '' OR created_at <= :until) "
        "ORDER BY id LIMIT :limit"
    ),
    "status_report": "SELECT * FROM status_report WHERE id = :id",
    "statuses_of_consignment": (
        "SELECT * FROM status_report WHERE consignment_id = :consignment_id ORDER BY id"
    ),
    "statuses_of_arrival": "SELECT * FROM status_report WHERE arrival_id = :arrival_id ORDER BY id",
    "sent_statuses": (
        "SELECT * FROM status_report WHERE sender IN (SELECT value FROM json_each(:agencies)) "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "recall_of": "SELECT * FROM recall WHERE delivery_id = :delivery_id AND state = 'asked'",
    # -------------------------------------------------------------- proof
    "events_of": "SELECT * FROM event WHERE subject = :subject ORDER BY id",
    "entries_of": "SELECT * FROM receipt_entry WHERE subject = :subject ORDER BY ord",
    "entries_of_document": (
        "SELECT * FROM receipt_entry WHERE document_id = :document_id AND idx IS NOT NULL "
        "ORDER BY idx"
    ),
    "entries": ("SELECT * FROM receipt_entry WHERE idx >= :first AND idx < :last ORDER BY idx"),
    "transfer_held": ("SELECT id FROM transfer WHERE hold != '' AND hold = 'clock' LIMIT 1"),
    "log_size": "SELECT COALESCE(MAX(idx) + 1, 0) AS size FROM receipt_entry",
    "merkle_node": "SELECT hash FROM merkle_node WHERE level = :level AND idx = :idx",
    "tree_heads": "SELECT * FROM tree_head ORDER BY size",
    "tree_head_latest": "SELECT * FROM tree_head ORDER BY size DESC LIMIT 1",
    "tree_head_covering": "SELECT * FROM tree_head WHERE size > :idx ORDER BY size LIMIT 1",
    "acceptances_of": (
        "SELECT id, receipt FROM consignment WHERE receipt != '' "
        "AND (:document_id = '' OR document_id = :document_id) ORDER BY id"
    ),
    # -------------------------------------------------------------- verification, blobs, work
    "verification": (
        "SELECT report FROM verification WHERE sha256 = :sha256 AND trust_sha256 = :trust_sha256"
    ),
    "verifications_of_file": (
        "SELECT report FROM verification WHERE sha256 = :sha256 ORDER BY at DESC LIMIT 1"
    ),
    "blob_ref": "SELECT 1 AS one FROM blob_ref WHERE sha256 = :sha256 LIMIT 1",
    "outbox": "SELECT * FROM outbox ORDER BY id LIMIT :limit",
    "quarantined": "SELECT * FROM quarantine ORDER BY id",
    "quarantine": "SELECT * FROM quarantine WHERE id = :id",
    "counters": "SELECT * FROM counter ORDER BY agency, year, series",
    "counter": (
        "SELECT last FROM counter WHERE agency = :agency AND year = :year AND series = :series"
    ),
    "idempotency_old": "SELECT system_id, key FROM idempotency WHERE created_at < :before LIMIT :limit",
}
