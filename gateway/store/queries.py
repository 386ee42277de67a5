"""Every question the programs ask the ledger, by name, as SQL both engines understand."""

from typing import Final

# Waiting or deferred, said the other way round: the terms of ix_transfer_open, and none of them one
# that another index could be searched by.
_OPEN: Final = (
    "state NOT IN ('sending', 'done', 'failed', 'cancelled') AND hold = '' AND stopped = 0"
)
_DUE: Final = f"{_OPEN} AND due_at <= :now"
# The terms of ix_transfer_live: a transfer that is done costs nobody anything any more.
_LIVE: Final = "state NOT IN ('done', 'cancelled')"
# What is asked for again and again is counted up to here: it must not grow with what went wrong.
COUNTED: Final = 100_000
_COUNTS: Final = " UNION ALL ".join(
    f"SELECT '{state}' AS state, {lane} AS lane, n, oldest FROM ("  # noqa: S608 - our own words
    f"SELECT COUNT(*) AS n, MIN(created_at) AS oldest FROM (SELECT created_at FROM transfer "
    f"WHERE {_LIVE} AND state = '{state}' AND lane = {lane} "
    f"ORDER BY created_at LIMIT {COUNTED}) AS some_{lane}) AS {state}_{lane} WHERE n > 0"
    for state in ("waiting", "sending", "deferred", "failed")
    for lane in (4, 3, 2, 1, 0)
)
# Lane by lane, each a range of ix_transfer_open: rows that are not due are never looked at.
_DUE_LANES: Final = " UNION ALL ".join(
    f"SELECT * FROM (SELECT id, hop, lane, due_at FROM transfer WHERE {_DUE} "  # noqa: S608
    f"AND hop = :hop AND lane = {lane} ORDER BY due_at LIMIT :limit) AS lane_{lane}"
    for lane in (4, 3, 2, 1, 0)
)


def _later(only: str = "") -> str:
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT id, lane, due_at FROM transfer WHERE {_OPEN} {only}"  # noqa: S608
        "AND hop = :hop AND due_at > :now "
        f"AND lane = {lane} ORDER BY due_at LIMIT :limit) AS lane_{lane}"
        for lane in (4, 3, 2, 1, 0)
    )


_LATER_LANES: Final = _later()
_UNTRIED_LANES: Final = _later("AND state = 'waiting' ")
_HOLD_OF: Final = (
    "(scope = 'transfer' AND subject = :transfer_id) "
    "OR (scope = 'document' AND subject = :consignment_id) OR (scope = 'hop' AND subject = :hop)"
)

_DELIVERY: Final = (
    "SELECT d.*, c.document_id, c.sender, c.sender_written, c.system_id, c.version, "
    "c.code_number, c.code_notation, c.promulgation_date, c.business_type, "
    "c.state AS consignment_state FROM delivery d JOIN consignment c ON c.id = d.consignment_id "
)
_OF_PARTIES: Final = (
    "c.sender IN (SELECT value FROM json_each(:senders)) "
    "AND d.agency IN (SELECT value FROM json_each(:agencies)) "
)
# Of several versions under one identifier, one that never left is nobody's answer.
_NEWEST: Final = (
    "ORDER BY d.left_at IS NULL, c.version DESC, d.agency = :agency DESC, c.id DESC LIMIT 1"
)

# The terms of ix_draft_open, ix_delivery_untaken and ix_delivery_troubled.
_IN_HAND: Final = "state IN ('draft', 'ready', 'sending')"
_UNTAKEN: Final = "state IN ('pending', 'sending', 'deferred', 'handed_over')"
_TROUBLED: Final = "state IN ('failed', 'returned', 'recalled', 'not_connected')"

# What the books hold a document by; `visible` is what was offered to its agency.
_BOOKED_SENT: Final = (
    "id, sender, document_id, state, envelope, verdict, legal_class, urgency, "
    "business_type, issue_year, issue_ordinal, accepted_at, issued_at, 1 AS visible"
)
_BOOKED_RECEIVED: Final = (
    "id, agency, sender, sender_name, document_id, state, envelope, verdict, "
    "legal_class, urgency, source, at_gateway_at, offered_at, entered_system_at, "
    "received_at_legal, arrival_year, arrival_number, came_at, "
    "CASE WHEN offered_at IS NULL AND source != 'paper' THEN 0 ELSE 1 END AS visible"
)


def _each_of(table: str, column: str, only: str) -> str:
    """Return what gives each value of a column once, by jumps in an index that begins with it."""
    return (
        f"WITH RECURSIVE each_one(v) AS (SELECT * FROM (SELECT {column} FROM {table} "  # noqa: S608
        f"WHERE {only} AND {column} > '' ORDER BY {column} LIMIT 1) AS first_one UNION ALL "
        f"SELECT (SELECT {column} FROM {table} WHERE {only} AND {table}.{column} > each_one.v "
        f"ORDER BY {column} LIMIT 1) FROM each_one WHERE each_one.v IS NOT NULL) "
        f"SELECT v AS agency FROM each_one WHERE v IS NOT NULL"
    )


def _next_of(table: str, column: str, who: str, *, only: str = "") -> str:
    """Return what gives, for each of `:audiences`, its next row behind `page.seq`: one probe."""
    return (
        f"SELECT (SELECT r.{column} FROM {table} r "  # noqa: S608 - our own words
        f"WHERE r.{who} = json_extract(value, '$[0]') {only}AND r.{column} > page.seq "
        f"ORDER BY r.{column} LIMIT 1) AS next_seq FROM json_each(:audiences)"
    )


def _page_end(nexts: str) -> str:
    """Return the cursor of the last row of a page of several audiences, which are lists of one.

    Row by row in the order of the cursor, each a probe of an index for each audience: a page costs
    a page, whatever lies behind it, and what is returned is one moment of the ledger.
    """
    return (
        "WITH RECURSIVE page(seq, n) AS ("  # noqa: S608 - our own words
        "SELECT CAST(:after AS BIGINT), CAST(0 AS BIGINT) UNION ALL "
        f"SELECT (SELECT MIN(next_seq) FROM ({nexts}) AS nexts), page.n + 1 FROM page "
        "WHERE page.seq IS NOT NULL AND page.n < :limit) "
        "SELECT MAX(seq) AS seq FROM page WHERE n > 0"
    )


_UNCLOSED: Final = (
    "c.state = 'released' AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.consignment_id = c.id "
    "AND d.state NOT IN ('done', 'returned', 'failed', 'cancelled', 'recalled', 'not_connected'))"
)
_LEFT_OPEN: Final = (
    "JOIN attempt a ON a.transfer_id = t.id "
    "WHERE a.ended_at IS NULL AND (t.state != 'sending' OR a.n < t.attempts)"
)

_AUDITED: Final = ("", "subject", "actor", "agency", "action")


def _audit(column: str) -> str:
    """Return a page of the audit log, newest first, in the order of the index of a column."""
    others = "".join(
        f"AND (:{other} = '' OR {other} = :{other}) "
        for other in _AUDITED
        if other not in {"", column}
    )
    only = f"AND {column} = :{column} " if column else ""
    return (
        f"SELECT * FROM receipt_entry WHERE action != '' {only}"  # noqa: S608 - our own words
        "AND (at, ord) < (:before, CAST(:ord AS BIGINT)) AND at >= :since "
        f"{others}AND (:everything = 'yes' OR agency IN (SELECT value FROM json_each(:agencies))) "
        "ORDER BY at DESC, ord DESC LIMIT :limit"
    )


QUERIES: Final[dict[str, str]] = {
    # -------------------------------------------------------------- duties
    "incident": "SELECT * FROM incident WHERE id = :id",
    "incidents": "SELECT * FROM incident WHERE state = :state AND id < :before "
    "ORDER BY id DESC LIMIT :limit",
    "incidents_of": "SELECT * FROM incident WHERE agency = :agency AND state = :state "
    "AND id < :before ORDER BY id DESC LIMIT :limit",
    "maintenance_work": "SELECT * FROM maintenance WHERE id = :id",
    "maintenances": "SELECT * FROM maintenance WHERE id < :before ORDER BY id DESC LIMIT :limit",
    "maintenances_ahead": "SELECT * FROM maintenance WHERE state IN ('announced', 'running') "
    "ORDER BY planned_from LIMIT :limit",
    "maintenance_last": "SELECT * FROM maintenance WHERE state = 'done' "
    "ORDER BY ended_at DESC LIMIT 1",
    # Whom a unit's mail goes to: who answers for its work or its accounts.
    "mails_of_units": (
        "SELECT a.mail, MIN(g.agency) AS agency FROM account_grant g "
        "JOIN account a ON a.id = g.account_id WHERE g.agency != '' "
        "AND g.role IN (SELECT value FROM json_each(:roles)) AND g.revoked_at IS NULL "
        "AND a.state = 'active' AND a.mail != '' "
        "AND (g.valid_from IS NULL OR g.valid_from <= :now) "
        "AND (g.valid_to IS NULL OR g.valid_to > :now) "
        "GROUP BY a.mail ORDER BY a.mail LIMIT :limit"
    ),
    "maintenance_mails": (
        "SELECT whom, agency FROM maintenance_telling WHERE maintenance_id = :id "
        "AND act = 'announce' AND way = 'mail' ORDER BY whom LIMIT :limit"
    ),
    "maintenance_tellings": (
        "SELECT * FROM maintenance_telling WHERE maintenance_id = :id "
        "AND (act, way, whom) > (:act, :way, :whom) ORDER BY act, way, whom LIMIT :limit"
    ),
    "maintenance_told": (
        "SELECT act, way, state, COUNT(*) AS n FROM maintenance_telling "
        "WHERE maintenance_id = :id GROUP BY act, way, state ORDER BY act, way, state"
    ),
    "maintenance_owed": (
        "SELECT * FROM maintenance_telling WHERE state = 'owed' AND due_at <= :now "
        "ORDER BY due_at, id LIMIT :limit"
    ),
    # Agencies that heard: by a mail that was taken, or by a system that speaks for them.
    "maintenance_agencies_told": (
        "SELECT agency FROM maintenance_telling WHERE maintenance_id = :id "
        "AND act = 'announce' AND way = 'mail' AND state = 'told' AND agency != '' UNION "
        "SELECT s.agency FROM maintenance_telling t JOIN system_agency s ON s.system_id = t.whom "
        "WHERE t.maintenance_id = :id AND t.act = 'announce' AND t.way IN ('feed', 'webhook')"
    ),
    "outage_entries": "SELECT * FROM outage_entry WHERE agency = :agency AND id < :before "
    "ORDER BY id DESC LIMIT :limit",
    "key_device": "SELECT * FROM key_device WHERE id = :id",
    "key_devices_ending": (
        "SELECT id, agency, serial, valid_to FROM key_device WHERE state = 'held' "
        "AND valid_to != '' AND valid_to <= :day ORDER BY valid_to, id LIMIT :limit"
    ),
    "key_devices": "SELECT * FROM key_device WHERE agency = :agency ORDER BY serial LIMIT :limit",
    "integrity_counts": "SELECT (SELECT COUNT(*) FROM consignment) AS consignment, "
    "(SELECT COUNT(*) FROM delivery) AS delivery, (SELECT COUNT(*) FROM arrival) AS arrival, "
    "(SELECT COUNT(*) FROM receipt_entry) AS receipt_entry, "
    "(SELECT COUNT(*) FROM verification) AS verification, "
    "(SELECT COUNT(*) FROM counter) AS counter",
    "entry_at": "SELECT * FROM receipt_entry WHERE idx = :idx",
    "blobs_lately": "SELECT received_sha256 AS sha256, via, accepted_at FROM consignment "
    "ORDER BY id DESC LIMIT :limit",
    # -------------------------------------------------------------- working time
    "timetable_version": "SELECT value FROM meta WHERE key = 'timetable_version'",
    "office_hours": "SELECT * FROM office_hours WHERE ended_at IS NULL "
    "ORDER BY entered_at DESC, id DESC",
    "office_hours_row": "SELECT * FROM office_hours WHERE id = :id",
    "calendar_days": "SELECT * FROM calendar_day ORDER BY day",
    "calendar_day": "SELECT * FROM calendar_day WHERE day = :day",
    "calendar_years": "SELECT * FROM calendar_year ORDER BY year",
    "calendar_year": "SELECT * FROM calendar_year WHERE year = :year",
    # -------------------------------------------------------------- callers and catalogue
    "registry_version": "SELECT value FROM meta WHERE key = 'registry_version'",
    "meta": "SELECT value FROM meta WHERE key = :key",
    "systems": "SELECT * FROM system ORDER BY id",
    "system_agencies": "SELECT * FROM system_agency",
    "credentials": "SELECT * FROM credential WHERE revoked_at IS NULL",
    "agencies": "SELECT * FROM agency ORDER BY code",
    "aliases": "SELECT * FROM agency_alias ORDER BY alias",
    "successions": "SELECT * FROM agency_succession ORDER BY code, successor",
    "agency_requests_of": (
        "SELECT * FROM agency_request WHERE state = 'waiting' AND system_id = :system_id "
        "ORDER BY id LIMIT :limit"
    ),
    # -------------------------------------------------------------- accounts
    "session_person": (
        "SELECT s.id AS session_id, s.account_id, s.strong, s.strong_at, s.used_at, s.ends_at, "
        "a.login, a.name, a.state FROM account_session s JOIN account a ON a.id = s.account_id "
        "WHERE s.id = :id AND s.ended_at IS NULL AND s.needs = ''"
    ),
    # ACC-10: what was lent counts while the lender has it, and is not locked.
    "grants_standing": (
        "SELECT g.* FROM account_grant g WHERE g.account_id = :account_id "
        "AND g.revoked_at IS NULL AND (g.delegated_by = '' OR EXISTS ("
        "SELECT 1 FROM account_grant o JOIN account d ON d.id = o.account_id "
        "WHERE o.account_id = g.delegated_by AND o.role = g.role AND o.delegated_by = '' "
        "AND (o.agency = g.agency OR o.agency = '') AND o.revoked_at IS NULL "
        "AND (o.valid_from IS NULL OR o.valid_from <= :now) "
        "AND (o.valid_to IS NULL OR o.valid_to > :now) AND d.state = 'active')) ORDER BY g.id"
    ),
    "session_step": (
        "SELECT s.*, a.login, a.name, a.state FROM account_session s "
        "JOIN account a ON a.id = s.account_id "
        "WHERE s.id = :id AND s.ended_at IS NULL AND s.needs != ''"
    ),
    "session": "SELECT * FROM account_session WHERE id = :id",
    # Living ones first: few at a time, whatever the account's past.
    "sessions_of": (
        "SELECT * FROM (SELECT * FROM account_session WHERE account_id = :account_id "
        "AND ended_at IS NULL AND needs = '' ORDER BY began_at DESC LIMIT :limit) AS open_ones "
        "UNION ALL SELECT * FROM (SELECT * FROM account_session WHERE account_id = :account_id "
        "AND ended_at IS NOT NULL AND needs = '' ORDER BY began_at DESC LIMIT :limit) AS over_ones"
    ),
    "sessions_living": (
        "SELECT * FROM account_session WHERE account_id = :account_id AND ended_at IS NULL"
    ),
    "account": "SELECT * FROM account WHERE id = :id",
    "account_by_login": "SELECT * FROM account WHERE login = :login",
    "account_by_identity": (
        "SELECT * FROM account WHERE oidc_issuer = :issuer AND oidc_subject = :subject"
    ),
    "accounts_by_mail": "SELECT * FROM account WHERE mail = :mail AND state != 'closed' LIMIT 2",
    "grants_unseen": (
        "SELECT id FROM account_grant WHERE account_id = :account_id AND revoked_at IS NULL "
        "AND seen_at IS NULL LIMIT 1"
    ),
    "accounts_lost": (
        "SELECT id, login, agency, locked_at FROM account "
        "WHERE state = 'locked' AND lock_code = 'lost' "
        "ORDER BY locked_at DESC LIMIT :limit"
    ),
    # ACC-04: what a person has in hand.
    "drafts_held": (
        "SELECT agency, COUNT(*) AS n FROM draft WHERE account_id = :account_id "
        "AND state IN ('draft', 'ready', 'sending') GROUP BY agency ORDER BY agency"
    ),
    "assignments_held": (
        "SELECT agency, COUNT(*) AS n FROM assignment WHERE ended_at IS NULL "
        "AND account_id != '' AND account_id = :account_id GROUP BY agency ORDER BY agency"
    ),
    "assignments_standing": (
        "SELECT * FROM assignment WHERE ended_at IS NULL AND account_id != '' "
        "AND account_id = :account_id ORDER BY id LIMIT :limit"
    ),
    "factors": (
        "SELECT id, totp, totp_next FROM account WHERE totp IS NOT NULL OR totp_next IS NOT NULL"
    ),
    "agency_named": "SELECT code, name, status FROM agency WHERE code = :code",
    # ACC-06: those that belong to some agencies, or have a grant for one of them.
    "accounts": (
        "SELECT a.* FROM account a WHERE a.login > :after AND (:everybody = 'yes' OR "
        "a.agency IN (SELECT value FROM json_each(:agencies)) OR EXISTS ("
        "SELECT 1 FROM account_grant g WHERE g.account_id = a.id AND g.revoked_at IS NULL "
        "AND g.agency IN (SELECT value FROM json_each(:agencies)))) "
        "AND (:state = '' OR a.state = :state) AND (:text = '' OR a.words LIKE :text) "
        "ORDER BY a.login LIMIT :limit"
    ),
    "grants_of": (
        "SELECT g.*, a.login, a.name, d.login AS delegator FROM account_grant g "
        "JOIN account a ON a.id = g.account_id LEFT JOIN account d ON d.id = g.delegated_by "
        "WHERE g.account_id = :account_id AND g.revoked_at IS NULL ORDER BY g.id"
    ),
    "grants_lent_by": (
        "SELECT g.*, a.login, a.name, d.login AS delegator FROM account_grant g "
        "JOIN account a ON a.id = g.account_id LEFT JOIN account d ON d.id = g.delegated_by "
        "WHERE g.delegated_by = :account_id AND g.revoked_at IS NULL ORDER BY g.id DESC LIMIT 100"
    ),
    "account_grant": (
        "SELECT g.*, a.login, a.name, d.login AS delegator FROM account_grant g "
        "JOIN account a ON a.id = g.account_id LEFT JOIN account d ON d.id = g.delegated_by "
        "WHERE g.id = :id"
    ),
    "account_link": "SELECT * FROM account_link WHERE id = :id",
    "account_event": (
        "SELECT data FROM event WHERE subject = :subject AND type = :type AND at = :at "
        "ORDER BY id LIMIT 1"
    ),
    "audit_entry": "SELECT * FROM receipt_entry WHERE id = :id AND action != ''",
    **{f"audit{'_by_' if c else ''}{c}": _audit(c) for c in _AUDITED},
    "administrators": (
        "SELECT DISTINCT a.id, a.login, a.mail FROM account_grant g "
        "JOIN account a ON a.id = g.account_id WHERE g.agency IN ('', :agency) "
        "AND g.role IN ('unit_admin', 'sys_admin') AND g.revoked_at IS NULL "
        "AND (g.valid_to IS NULL OR g.valid_to > :now) AND a.state = 'active' ORDER BY a.id"
    ),
    "signin_wait": "SELECT * FROM signin_wait WHERE key = :key",
    "signin_waits_old": ("SELECT key FROM signin_wait WHERE at < :before ORDER BY at LIMIT :limit"),
    # -------------------------------------------------------------- consignments
    "consignment": "SELECT * FROM consignment WHERE id = :id",
    "consignment_versions": (
        "SELECT * FROM consignment WHERE sender IN (SELECT value FROM json_each(:senders)) "
        "AND document_id = :document_id ORDER BY version"
    ),
    "version_left_besides": (
        "SELECT 1 AS one FROM consignment c JOIN delivery d ON d.consignment_id = c.id "
        "WHERE c.sender = :sender AND c.document_id = :document_id AND d.agency = :agency "
        "AND d.id != :id AND d.left_at IS NOT NULL LIMIT 1"
    ),
    "consignments_named": "SELECT * FROM consignment WHERE document_id = :document_id",
    # By identifier, and by number, notation and date under any other identifier (DID-07).
    "consignments_near": (
        "SELECT * FROM consignment WHERE sender IN (SELECT value FROM json_each(:senders)) "
        "AND document_id = :document_id UNION ALL "
        "SELECT * FROM consignment WHERE sender IN (SELECT value FROM json_each(:senders)) "
        "AND code_number = :code_number AND code_notation = :code_notation "
        "AND promulgation_date = :promulgation_date "
        "AND document_id IS DISTINCT FROM :document_id "
        "ORDER BY version, id"
    ),
    "consignments_pending": (
        "SELECT id, urgency FROM consignment WHERE state = 'accepted' AND hold = '' ORDER BY id"
    ),
    "consignments_held": (
        "SELECT id, urgency FROM consignment WHERE hold != '' "
        "AND hold IN ('clock', 'restored') ORDER BY id"
    ),
    "consignments_by_system": (
        "SELECT * FROM consignment WHERE system_id = :system_id AND state != 'quarantined' "
        "AND (:after = '' OR id < :after) ORDER BY id DESC LIMIT :limit"
    ),
    # Found by the identifier: the caller may have sent a million others.
    "consignments_by_system_named": (
        "SELECT * FROM consignment WHERE document_id = :document_id "
        "AND system_id || '' = :system_id AND state != 'quarantined' "
        "AND (:after = '' OR id < :after) ORDER BY id DESC LIMIT :limit"
    ),
    # What the last events were about, and is settled all but for its closing.
    "consignments_unclosed_last": (
        "SELECT DISTINCT c.id "  # noqa: S608 - our own text
        "FROM (SELECT subject FROM event ORDER BY id DESC LIMIT 1000) AS e "
        "LEFT JOIN transfer t ON t.id = e.subject "
        "LEFT JOIN arrival a ON a.id = e.subject "
        "JOIN consignment c ON c.id = COALESCE(t.consignment_id, a.consignment_id, e.subject) "
        f"WHERE {_UNCLOSED}"
    ),
    "consignments_unclosed": (
        f"SELECT c.id FROM consignment c WHERE c.id > :after AND c.id <= :last AND {_UNCLOSED}"  # noqa: S608
    ),
    "idempotency": "SELECT * FROM idempotency WHERE system_id = :system_id AND key = :key",
    # -------------------------------------------------------------- deliveries, transfers
    "deliveries": "SELECT * FROM delivery WHERE consignment_id = :consignment_id ORDER BY id",
    "delivery": "SELECT * FROM delivery WHERE id = :id",
    "deliveries_of_transfer": "SELECT * FROM delivery WHERE transfer_id = :transfer_id ORDER BY id",
    "delivery_whole": f"{_DELIVERY} WHERE d.id = :id",
    "delivery_named": (
        f"{_DELIVERY} WHERE {_OF_PARTIES} "  # noqa: S608 - our own text
        f"AND c.document_id IN (SELECT value FROM json_each(:document_ids)) {_NEWEST}"
    ),
    "delivery_noted": (
        f"{_DELIVERY} WHERE {_OF_PARTIES} AND c.code_number = :code_number "
        "AND c.code_notation = :code_notation AND c.promulgation_date = :promulgation_date "
        f"{_NEWEST}"
    ),
    "consignments_concerning": (
        "SELECT id, business_type, document_id, envelope FROM consignment "
        "WHERE sender IN (SELECT value FROM json_each(:senders)) "
        "AND business_type != 0 AND id > :after ORDER BY id"
    ),
    "sent": (
        "SELECT d.*, c.document_id, c.sender_written, c.subject, c.code_number, c.code_notation, "
        "c.issued_at, c.accepted_at FROM consignment c JOIN delivery d ON d.consignment_id = c.id "
        "WHERE c.system_id = :system_id AND c.state != 'quarantined' "
        "ORDER BY c.id DESC, d.id DESC LIMIT :limit"
    ),
    "sent_of": (
        "SELECT d.*, c.document_id, c.sender_written, c.subject, c.code_number, c.code_notation, "
        "c.issued_at, c.accepted_at FROM consignment c JOIN delivery d ON d.consignment_id = c.id "
        "WHERE c.id = :consignment_id AND c.system_id = :system_id AND c.state != 'quarantined' "
        "ORDER BY d.id DESC LIMIT :limit"
    ),
    "transfer": "SELECT * FROM transfer WHERE id = :id",
    "transfers_of": "SELECT * FROM transfer WHERE consignment_id = :consignment_id ORDER BY id",
    "transfers_expired": (
        f"SELECT * FROM transfer WHERE {_LIVE} AND state = 'sending' "  # noqa: S608
        "AND lease_until <= :now LIMIT :limit"
    ),
    "transfers_due_at": (
        f"SELECT * FROM ({_DUE_LANES}) AS due ORDER BY lane DESC, due_at LIMIT :limit"  # noqa: S608
    ),
    # Each hop once, by a jump in ix_transfer_open, however long its queue is. The order makes
    # SQLite take that index: MIN(hop) reads every row that waits.
    "hops_waiting": (
        "WITH RECURSIVE hops(hop) AS (SELECT * FROM (SELECT hop FROM transfer "  # noqa: S608
        f"WHERE {_OPEN} AND hop > '' ORDER BY hop LIMIT 1) AS first_hop UNION ALL "
        f"SELECT (SELECT hop FROM transfer WHERE {_OPEN} AND transfer.hop > hops.hop "
        "ORDER BY hop LIMIT 1) FROM hops WHERE hops.hop IS NOT NULL) "
        "SELECT hop FROM hops WHERE hop IS NOT NULL"
    ),
    "transfers_due_nowhere": (
        f"SELECT * FROM transfer WHERE {_DUE} AND hop = :hop "  # noqa: S608
        "ORDER BY due_at LIMIT :limit"
    ),
    "urgent_due": (
        f"SELECT 1 AS one FROM transfer WHERE {_DUE} "  # noqa: S608
        "AND hop = :hop AND lane >= :lane LIMIT 1"
    ),
    "transfers_later": (
        f"SELECT * FROM ({_LATER_LANES}) AS later "  # noqa: S608
        "ORDER BY lane DESC, due_at LIMIT :limit"
    ),
    "transfers_untried_later": (
        f"SELECT * FROM ({_UNTRIED_LANES}) AS later "  # noqa: S608
        "ORDER BY lane DESC, due_at LIMIT :limit"
    ),
    # -------------------------------------------------------------- holds
    "holds_wide": (
        "SELECT scope, subject FROM hold WHERE released_at IS NULL "
        "AND kind = 'operator' AND scope IN ('hop', 'document')"
    ),
    "hops_halted": (
        "SELECT subject FROM hold WHERE released_at IS NULL AND kind = 'operator' AND scope = 'hop'"
    ),
    "hold_counts": (
        "SELECT kind, scope, COUNT(*) AS n, MIN(since) AS oldest FROM hold "
        "WHERE released_at IS NULL GROUP BY kind, scope ORDER BY kind, scope"
    ),
    "holds_of_many": (
        "SELECT * FROM hold WHERE released_at IS NULL "
        "AND subject IN (SELECT value FROM json_each(:subjects)) ORDER BY since, id"
    ),
    "holds_standing": "SELECT * FROM hold WHERE released_at IS NULL ORDER BY since, id",
    "holds_of": (
        f"SELECT * FROM hold WHERE ({_HOLD_OF}) "  # noqa: S608
        "AND (released_at IS NULL OR released_at > :after) ORDER BY since, id"
    ),
    "holds_of_breaker": (
        "SELECT * FROM hold WHERE kind = 'breaker' AND held_by = :node AND released_at IS NULL "
        "ORDER BY since, id"
    ),
    "clock_holds_of": (
        "SELECT type, at FROM event WHERE subject = :transfer_id "
        "AND type IN ('held', 'hold_ended') ORDER BY id"
    ),
    "tries_of": (
        "SELECT COUNT(*) AS n, MIN(at) AS first_at FROM event WHERE subject = :transfer_id "
        "AND type = 'attempt_began' AND id > COALESCE((SELECT MAX(id) FROM event "
        "WHERE subject = :transfer_id AND type = 'requeued'), 0)"
    ),
    "transfers_next_due": f"SELECT MIN(due_at) AS due_at FROM transfer WHERE {_OPEN}",  # noqa: S608
    "transfer_counts": _COUNTS,
    "transfers_held_count": (
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM transfer WHERE hold != '' "  # noqa: S608
        f"AND hold IN ('clock', 'restored') LIMIT {COUNTED}) AS held"
    ),
    # Nobody works on them any more, and nobody wrote down how they ended.
    "attempts_left_open_last": (
        "SELECT a.transfer_id, a.n FROM "  # noqa: S608 - our own text
        "(SELECT DISTINCT subject FROM (SELECT subject FROM event "
        "ORDER BY id DESC LIMIT 1000) AS newest) AS e JOIN transfer t ON t.id = e.subject "
        f"{_LEFT_OPEN}"
    ),
    "attempts_left_open": (
        "SELECT a.transfer_id, a.n FROM (SELECT id, state, attempts FROM transfer "  # noqa: S608
        f"WHERE id > :after AND id <= :last) AS t {_LEFT_OPEN}"
    ),
    "leases_too_long": (
        f"SELECT id, attempts FROM transfer WHERE {_LIVE} AND state = 'sending' "  # noqa: S608
        "AND lease_until > :far LIMIT :limit"
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
        "SELECT id FROM inbound WHERE state = 'received' AND due_at <= :now "
        "ORDER BY id LIMIT :limit"
    ),
    "inbound_too_late": (
        "SELECT id FROM inbound WHERE state = 'received' AND due_at > :far LIMIT :limit"
    ),
    "arrival": "SELECT * FROM arrival WHERE id = :id",
    "arrivals_of": (
        "SELECT * FROM arrival WHERE agency = :agency AND document_id = :document_id "
        "AND sender IN (SELECT value FROM json_each(:senders)) ORDER BY version DESC"
    ),
    "arrivals_named": (
        "SELECT * FROM arrival WHERE agency IN (SELECT value FROM json_each(:agencies)) "
        "AND sender IN (SELECT value FROM json_each(:senders)) "
        "AND document_id IN (SELECT value FROM json_each(:document_ids)) "
        "ORDER BY version DESC, id DESC"
    ),
    # However often a sender used one number: the index alone says which are the newest.
    "arrivals_noted": (
        "SELECT * FROM arrival WHERE id IN (SELECT id FROM arrival "
        "WHERE agency IN (SELECT value FROM json_each(:agencies)) "
        "AND sender IN (SELECT value FROM json_each(:senders)) "
        "AND code_number = :code_number AND code_notation = :code_notation "
        "AND promulgation_date = :promulgation_date AND id < :before "
        "ORDER BY id DESC LIMIT :limit) ORDER BY version DESC, id DESC"
    ),
    "arrival_of_delivery": "SELECT * FROM arrival WHERE delivery_id = :delivery_id",
    # -------------------------------------------------------------- the clerk's desk: receiving
    "desk_urgent_first": (
        "SELECT * FROM arrival WHERE agency = :agency AND state = :state "
        "AND (urgency, id) < (:urgency, :id) ORDER BY urgency DESC, id DESC LIMIT :limit"
    ),
    "desk_newest_first": (
        "SELECT * FROM arrival WHERE agency = :agency AND state = :state AND id < :id "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "desk_count": (
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM arrival "
        "WHERE agency = :agency AND state = :state LIMIT :limit) AS counted"
    ),
    # RCV-05: what entered an agency's system and got neither 02 nor 03 yet, longest first.
    "arrivals_unanswered": (
        "SELECT id, agency, sender, urgency, document_id, entered_system_at, received_at_legal "
        "FROM arrival WHERE state = 'taken' AND received_at_legal <= :before "
        "AND (received_at_legal, id) > (:after_at, :after_id) "
        "ORDER BY received_at_legal, id LIMIT :limit"
    ),
    "assigned_to": (
        "SELECT s.urgency AS rank, s.id AS assignment_id, s.due_on, a.* FROM assignment s "
        "JOIN arrival a ON a.id = s.arrival_id WHERE s.ended_at IS NULL AND s.account_id != '' "
        "AND s.account_id = :account_id AND (s.urgency, s.id) < (:urgency, :id) "
        "ORDER BY s.urgency DESC, s.id DESC LIMIT :limit"
    ),
    # RCV-12: by term; what was given back, returned or finished is nobody's any more.
    "assignments_due": (
        "SELECT s.due_on AS term, s.id AS assignment_id, a.* FROM assignment s "
        "JOIN arrival a ON a.id = s.arrival_id WHERE s.ended_at IS NULL AND s.due_on != '' "
        "AND s.agency = :agency AND s.due_on <= :upto AND (s.due_on, s.id) > (:day, :id) "
        "AND a.state IN ('accepted', 'assigned', 'in_progress') "
        "ORDER BY s.due_on, s.id LIMIT :limit"
    ),
    "assignments_of": (
        "SELECT * FROM assignment WHERE arrival_id = :arrival_id ORDER BY id DESC LIMIT 50"
    ),
    # What persons did; that they looked stands in the audit log.
    "acts_on": (
        "SELECT * FROM event WHERE subject = :subject AND type NOT IN ('viewed', 'refused') "
        "ORDER BY id LIMIT 200"
    ),
    "persons_of_agency": (
        "SELECT DISTINCT a.id, a.login, a.name FROM account_grant g "
        "JOIN account a ON a.id = g.account_id WHERE g.agency = :agency "
        "AND g.revoked_at IS NULL AND a.state = 'active' ORDER BY a.name, a.id LIMIT 500"
    ),
    "inbox": (
        "SELECT * FROM arrival WHERE inbox_seq > :after AND state != 'quarantined' "
        "AND agency IN (SELECT value FROM json_each(:agencies)) ORDER BY inbox_seq LIMIT :limit"
    ),
    # The same for one agency, in the order of its index: a page costs a page, whatever waits.
    "inbox_of": (
        "SELECT * FROM arrival WHERE agency = :agency AND inbox_seq > :after "
        "AND state != 'quarantined' ORDER BY inbox_seq LIMIT :limit"
    ),
    "waiting_documents": (
        "SELECT * FROM arrival WHERE agency IN (SELECT value FROM json_each(:agencies)) "
        "AND state = 'offered' "
        "AND (:since = '' OR at_gateway_at >= :since) AND (:until = '' OR at_gateway_at <= :until) "
        "ORDER BY id LIMIT :limit"
    ),
    "waiting_documents_of": (
        "SELECT * FROM arrival WHERE agency = :agency AND state = 'offered' "
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
    "waiting_statuses_of": (
        "SELECT * FROM status_report WHERE recipient = :agency "
        "AND offered_at IS NOT NULL AND taken_at IS NULL "
        "AND (:since = '' OR created_at >= :since) AND (:until = '' OR created_at <= :until) "
        "ORDER BY id LIMIT :limit"
    ),
    "status_report": "SELECT * FROM status_report WHERE id = :id",
    "statuses_of_consignment": (
        "SELECT * FROM status_report WHERE consignment_id = :consignment_id ORDER BY id"
    ),
    "statuses_of_arrival": "SELECT * FROM status_report WHERE arrival_id = :arrival_id ORDER BY id",
    "statuses_of_delivery": (
        "SELECT * FROM status_report WHERE consignment_id = :consignment_id "
        "AND delivery_id = :delivery_id ORDER BY id"
    ),
    "sent_status": (
        "SELECT * FROM status_report WHERE id = :id "
        "AND sender IN (SELECT value FROM json_each(:agencies))"
    ),
    "sent_statuses": (
        "SELECT * FROM status_report WHERE sender IN (SELECT value FROM json_each(:agencies)) "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "sent_statuses_of": (
        "SELECT * FROM status_report WHERE sender = :agency ORDER BY id DESC LIMIT :limit"
    ),
    # -------------------------------------------------------------- feeds
    "offers_end": _page_end(
        _next_of("arrival", "inbox_seq", "agency", only="AND r.state != 'quarantined' ")
        + " UNION ALL "
        + _next_of("status_report", "inbox_seq", "recipient")
    ),
    "documents_between": (
        "SELECT * FROM arrival WHERE agency IN (SELECT value FROM json_each(:agencies)) "
        "AND inbox_seq > :after AND inbox_seq <= :upto AND state != 'quarantined' "
        "ORDER BY inbox_seq LIMIT :limit"
    ),
    "statuses_between": (
        "SELECT * FROM status_report WHERE recipient IN (SELECT value FROM json_each(:agencies)) "
        "AND inbox_seq > :after AND inbox_seq <= :upto ORDER BY inbox_seq LIMIT :limit"
    ),
    "notices_end": _page_end(_next_of("event", "seq", "audience", only="AND r.audience != '' ")),
    "notices_between": (
        "SELECT * FROM event WHERE audience IN (SELECT value FROM json_each(:audiences)) "
        "AND audience != '' AND seq > :after AND seq <= :upto ORDER BY seq LIMIT :limit"
    ),
    "event_first": "SELECT seq FROM event WHERE seq IS NOT NULL ORDER BY seq LIMIT 1",
    "told_consignments": (
        "SELECT id, document_id, state, verdict FROM consignment "
        "WHERE id IN (SELECT value FROM json_each(:ids))"
    ),
    "told_transfers": (
        "SELECT t.id, t.consignment_id, c.document_id FROM transfer t "
        "JOIN consignment c ON c.id = t.consignment_id "
        "WHERE t.id IN (SELECT value FROM json_each(:ids))"
    ),
    "told_deliveries": (
        "SELECT transfer_id, agency FROM delivery "
        "WHERE transfer_id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    ),
    "told_arrivals": (
        "SELECT id, agency, document_id, state, verdict, inbox_seq FROM arrival "
        "WHERE id IN (SELECT value FROM json_each(:ids))"
    ),
    "told_statuses": (
        "SELECT id, recipient, sender, document_id, code, inbox_seq, consignment_id "
        "FROM status_report WHERE id IN (SELECT value FROM json_each(:ids))"
    ),
    "told_alerts": (
        "SELECT id, kind, agency, subject, count, due, '' AS document_id FROM alert "
        "WHERE id IN (SELECT value FROM json_each(:ids))"
    ),
    "told_maintenances": (
        "SELECT id, title, planned_from, planned_to, '' AS document_id FROM maintenance "
        "WHERE id IN (SELECT value FROM json_each(:ids))"
    ),
    "replay_open": "SELECT * FROM replay WHERE system_id = :system_id AND ended_at IS NULL",
    "replay_since": (
        "SELECT MIN(seq) AS seq FROM (SELECT inbox_seq AS seq FROM arrival "
        "WHERE agency IN (SELECT value FROM json_each(:agencies)) AND offered_at >= :since "
        "UNION ALL SELECT inbox_seq FROM status_report "
        "WHERE recipient IN (SELECT value FROM json_each(:agencies)) AND offered_at >= :since"
        ") AS since"
    ),
    "replay_counts": (
        "SELECT (SELECT COUNT(*) FROM arrival WHERE agency IN "
        "(SELECT value FROM json_each(:agencies)) AND inbox_seq > :cursor "
        "AND entered_system_at IS NOT NULL AND state NOT IN ('quarantined', 'recalled')) "
        "AS documents, (SELECT COUNT(*) FROM status_report WHERE recipient IN "
        "(SELECT value FROM json_each(:agencies)) AND inbox_seq > :cursor "
        "AND taken_at IS NOT NULL) AS statuses, "
        "(SELECT COUNT(*) FROM arrival a WHERE agency IN "
        "(SELECT value FROM json_each(:agencies)) AND inbox_seq > :cursor "
        "AND entered_system_at IS NOT NULL AND state NOT IN ('quarantined', 'recalled') "
        "AND EXISTS (SELECT 1 FROM event e WHERE e.subject = a.id "
        "AND e.type = 'retention_purged')) AS purged"
    ),
    "replay_seen": (
        "SELECT item_id FROM replay_seen WHERE replay_id = :replay_id "
        "AND item_id IN (SELECT value FROM json_each(:ids))"
    ),
    "purged_of_many": (
        "SELECT DISTINCT subject FROM event "
        "WHERE subject IN (SELECT value FROM json_each(:ids)) AND type = 'retention_purged'"
    ),
    # -------------------------------------------------------------- webhooks
    "webhook": "SELECT * FROM webhook WHERE id = :id",
    "webhooks": "SELECT * FROM webhook WHERE state != 'removed' ORDER BY id",
    "webhooks_of": (
        "SELECT * FROM webhook WHERE system_id = :system_id AND state != 'removed' ORDER BY id"
    ),
    "webhooks_active": "SELECT id FROM webhook WHERE state = 'active' ORDER BY id",
    "webhook_secrets": (
        "SELECT * FROM credential WHERE system_id = :system_id AND kind = :kind "
        "AND revoked_at IS NULL ORDER BY created_at DESC, id DESC"
    ),
    "webhook_call": "SELECT * FROM webhook_call WHERE id = :id",
    "webhook_calls": (
        "SELECT * FROM webhook_call WHERE webhook_id = :webhook_id ORDER BY seq DESC LIMIT :limit"
    ),
    "webhook_dead": (
        "SELECT * FROM webhook_call WHERE webhook_id = :webhook_id AND state = 'dead' "
        "ORDER BY seq DESC LIMIT :limit"
    ),
    "webhook_dead_count": (
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM webhook_call "  # noqa: S608
        f"WHERE webhook_id = :webhook_id AND state = 'dead' LIMIT {COUNTED}) AS dead"
    ),
    "place": "SELECT * FROM place WHERE consumer = :consumer",
    "places": "SELECT * FROM place ORDER BY consumer",
    "recall_of": "SELECT * FROM recall WHERE delivery_id = :delivery_id",
    # -------------------------------------------------------------- recalls
    "recall": "SELECT * FROM recall WHERE id = :id",
    # `looked` again and again: few wait, and each only until its attempt ended.
    "recalls_waiting": (
        "SELECT * FROM recall WHERE state = 'waiting' AND id > :after ORDER BY id LIMIT :limit"
    ),
    "recalls_of_deliveries": (
        "SELECT * FROM recall WHERE delivery_id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    ),
    "recall_order": "SELECT * FROM recall_order WHERE id = :id",
    "recall_orders_of": (
        "SELECT * FROM recall_order WHERE consignment_id = :consignment_id "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "recall_orders_open": (
        "SELECT DISTINCT order_id FROM recall WHERE state IN ('waiting', 'asked') "
        "AND sender = :agency AND order_id < :before ORDER BY order_id DESC LIMIT :limit"
    ),
    "recall_orders": (
        "SELECT * FROM recall_order WHERE sender = :agency AND id < :before "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "recall_orders_of_many": (
        "SELECT * FROM recall_order WHERE id IN (SELECT value FROM json_each(:ids)) "
        "ORDER BY id DESC"
    ),
    "recalls_of_orders": (
        "SELECT r.*, d.agency, d.name, d.state AS delivery_state FROM recall r "
        "JOIN delivery d ON d.id = r.delivery_id "
        "WHERE r.order_id IN (SELECT value FROM json_each(:ids)) ORDER BY r.id"
    ),
    "takeback": "SELECT * FROM takeback WHERE id = :id",
    "takeback_of": "SELECT * FROM takeback WHERE arrival_id = :arrival_id",
    "takebacks": (
        "SELECT * FROM takeback WHERE agency = :agency AND state = :state AND id < :before "
        "ORDER BY id DESC LIMIT :limit"
    ),
    # What was asked back and is not here: each document that comes asks whether its recall was.
    "takebacks_ahead": (
        "SELECT * FROM takeback WHERE arrival_id IS NULL "
        "AND document_id IN (SELECT value FROM json_each(:document_ids)) "
        "AND agency || '' IN (SELECT value FROM json_each(:agencies)) "
        "AND sender || '' IN (SELECT value FROM json_each(:senders)) ORDER BY id DESC LIMIT :limit"
    ),
    "takebacks_unlooked": (
        "SELECT id FROM takeback WHERE looked = 0 AND id > :after ORDER BY id LIMIT :limit"
    ),
    # REC-08: what is held stays, however old.
    "takebacks_unpurged": (
        "SELECT t.* FROM takeback t WHERE t.state = 'agreed' AND t.purged_at IS NULL "
        "AND t.answered_at <= :before AND (t.answered_at, t.id) > (:at, :id) "
        "AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.subject = t.arrival_id "
        "AND h.released_at IS NULL) ORDER BY t.answered_at, t.id LIMIT :limit"
    ),
    "legal_hold": "SELECT * FROM legal_hold WHERE subject = :subject AND released_at IS NULL",
    "legal_holds_of": "SELECT * FROM legal_hold WHERE subject = :subject ORDER BY id",
    "arrivals_of_document": (
        "SELECT id, agency, sender FROM arrival WHERE document_id IN "
        "(SELECT value FROM json_each(:document_ids)) AND agency || '' = :agency LIMIT 5"
    ),
    # What changes a document comes soon after it: so many later messages are looked at, and those
    # that do not name it are left in the ledger.
    "arrivals_concerning": (
        "SELECT * FROM (SELECT id, business_type, document_id, envelope, sender FROM arrival "
        "WHERE agency = :agency AND business_type != 0 AND id > :after "
        "ORDER BY id LIMIT :limit) AS later "
        "WHERE sender IN (SELECT value FROM json_each(:senders)) "
        "AND envelope LIKE '%' || :document_id || '%' ORDER BY id"
    ),
    "changes_of_sent": (
        "SELECT c.id, c.business_type, c.document_id, c.envelope FROM (SELECT id FROM consignment "
        "WHERE sender IN (SELECT value FROM json_each(:senders)) AND business_type != 0 "
        "AND id > :after LIMIT :limit) AS later JOIN consignment c ON c.id = later.id "
        "WHERE c.envelope LIKE '%' || :document_id || '%' ORDER BY c.id"
    ),
    # REC-01: what an agency sent after a document came, with its text where it names the document.
    "sent_naming": (
        "SELECT later.id, CASE WHEN lower(c.envelope) LIKE '%' || lower(:one) || '%' "
        "OR lower(c.envelope) LIKE '%' || lower(:other) || '%' THEN c.envelope END AS envelope "
        "FROM (SELECT id FROM consignment WHERE sender = :sender AND id > :after "
        "ORDER BY id LIMIT :limit) AS later JOIN consignment c ON c.id = later.id ORDER BY later.id"
    ),
    "arrivals_of_inbound": (
        "SELECT a.id, t.purged_at FROM arrival a LEFT JOIN takeback t ON t.arrival_id = a.id "
        "WHERE a.inbound_id = :inbound_id"
    ),
    "owners_of_blob": "SELECT owner FROM blob_ref WHERE sha256 = :sha256 LIMIT :limit",
    "refs_of_owners": (
        "SELECT owner, sha256 FROM blob_ref WHERE sha256 IN (SELECT value FROM json_each(:names)) "
        "AND owner IN (SELECT value FROM json_each(:owners))"
    ),
    # -------------------------------------------------------------- proof
    "events_of": "SELECT * FROM event WHERE subject = :subject ORDER BY id",
    "entries_of": "SELECT * FROM receipt_entry WHERE subject = :subject ORDER BY ord",
    "entries_of_document": (
        "SELECT * FROM receipt_entry WHERE document_id = :document_id AND idx IS NOT NULL "
        "ORDER BY idx"
    ),
    "entries": ("SELECT * FROM receipt_entry WHERE idx >= :first AND idx < :last ORDER BY idx"),
    "transfers_held": (
        "SELECT id, hop, lane FROM transfer WHERE hold != '' AND hold IN ('clock', 'restored')"
    ),
    "entry_first": "SELECT at FROM receipt_entry ORDER BY ord LIMIT 1",
    "log_size": "SELECT COALESCE(MAX(idx) + 1, 0) AS size FROM receipt_entry",
    "merkle_nodes": (
        "SELECT level, idx, hash FROM merkle_node WHERE (level, idx) IN "
        "(SELECT CAST(json_extract(value, '$[0]') AS BIGINT), "
        "CAST(json_extract(value, '$[1]') AS BIGINT) FROM json_each(:nodes))"
    ),
    "merkle_node": "SELECT hash FROM merkle_node WHERE level = :level AND idx = :idx",
    "tree_heads": "SELECT * FROM tree_head ORDER BY size",
    "tree_head_latest": "SELECT * FROM tree_head ORDER BY size DESC LIMIT 1",
    "head_stamp_latest": "SELECT * FROM head_stamp ORDER BY size DESC LIMIT 1",
    "tree_head_covering": "SELECT * FROM tree_head WHERE size > :idx ORDER BY size LIMIT 1",
    "acceptances_of": (
        "SELECT id, receipt FROM consignment WHERE receipt != '' "
        "AND (:document_id = '' OR document_id = :document_id) ORDER BY id"
    ),
    # -------------------------------------------------------------- the clerk's outgoing desk
    "draft": "SELECT * FROM draft WHERE id = :id",
    "draft_of_consignment": "SELECT * FROM draft WHERE consignment_id = :consignment_id LIMIT 1",
    "drafts_open": (
        f"SELECT * FROM draft WHERE {_IN_HAND} AND agency = :agency AND state = :state "  # noqa: S608
        "AND (urgency, id) < (:urgency, :id) ORDER BY urgency DESC, id DESC LIMIT :limit"
    ),
    "drafts_mine": (
        "SELECT * FROM draft WHERE account_id = :account_id AND id < :before "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "drafts_sent_last": (
        "SELECT * FROM draft WHERE state = 'sent' AND agency = :agency "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "sent_by_agency": (
        "SELECT * FROM consignment WHERE sender = :agency AND id < :before "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "sent_refused": (
        "SELECT * FROM consignment WHERE state = 'refused' AND sender = :agency AND id < :before "
        "ORDER BY id DESC LIMIT :limit"
    ),
    # One row a document, whatever the number of its recipients.
    "sent_untaken": (
        f"SELECT DISTINCT consignment_id FROM delivery WHERE {_UNTAKEN} "  # noqa: S608
        "AND sender = :agency AND consignment_id < :before "
        "ORDER BY consignment_id DESC LIMIT :limit"
    ),
    "sent_troubled": (
        f"SELECT DISTINCT consignment_id FROM delivery WHERE {_TROUBLED} "  # noqa: S608
        "AND sender = :agency AND state = :state AND consignment_id < :before "
        "ORDER BY consignment_id DESC LIMIT :limit"
    ),
    "sent_due": (
        "SELECT * FROM consignment WHERE state = 'released' AND due_date != '' "
        "AND sender = :agency AND due_date < :today AND (due_date, id) > (:due_date, :id) "
        "ORDER BY due_date, id LIMIT :limit"
    ),
    "sent_due_of_drafter": (
        "SELECT c.*, d.id AS draft_id FROM draft d JOIN consignment c ON c.id = d.consignment_id "
        "WHERE d.account_id = :account_id AND d.id < :before AND c.state = 'released' "
        "AND c.due_date != '' AND c.due_date < :today ORDER BY d.id DESC LIMIT :limit"
    ),
    "consignments_of_many": (
        "SELECT * FROM consignment WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id DESC"
    ),
    "todo": "SELECT * FROM todo WHERE id = :id",
    "todos": (
        "SELECT * FROM todo WHERE agency = :agency AND state = :state "
        "AND (urgency, id) < (:urgency, :id) ORDER BY urgency DESC, id DESC LIMIT :limit"
    ),
    "todos_of_document": "SELECT * FROM todo WHERE document = :document ORDER BY id",
    "recipient_groups": "SELECT * FROM recipient_group WHERE agency = :agency ORDER BY name",
    # -------------------------------------------------------------- the books
    "books_events": (
        "SELECT id, seq, type, subject, at FROM event WHERE seq > :after ORDER BY seq LIMIT :limit"
    ),
    "books_event": "SELECT id, seq, subject, at FROM event WHERE seq = :seq",
    "books_transfers": (
        "SELECT consignment_id FROM transfer WHERE id IN (SELECT value FROM json_each(:ids)) "
        "AND consignment_id IS NOT NULL"
    ),
    "books_consignments": (
        f"SELECT {_BOOKED_SENT} FROM consignment "  # noqa: S608
        "WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    ),
    "books_arrivals": (
        f"SELECT {_BOOKED_RECEIVED} FROM arrival "  # noqa: S608
        "WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    ),
    # Books made anew go through all documents once, in the order of their keys.
    "books_all_consignments": (
        f"SELECT {_BOOKED_SENT} FROM consignment WHERE id > :after "  # noqa: S608
        "ORDER BY id LIMIT :limit"
    ),
    "books_all_arrivals": (
        f"SELECT {_BOOKED_RECEIVED} FROM arrival WHERE id > :after "  # noqa: S608
        "ORDER BY id LIMIT :limit"
    ),
    "books_total": (
        "SELECT (SELECT COUNT(*) FROM consignment) + (SELECT COUNT(*) FROM arrival) AS n"
    ),
    "books_drafters": (
        "SELECT consignment_id, account_id FROM draft "
        "WHERE consignment_id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    ),
    "books_answers": (
        "SELECT arrival_id, MIN(created_at) AS at FROM status_report "
        "WHERE arrival_id IN (SELECT value FROM json_each(:ids)) "
        "AND code IN ('02', '03', '04', '05', '06') GROUP BY arrival_id"
    ),
    "books_assigned": (
        "SELECT * FROM assignment WHERE arrival_id IN (SELECT value FROM json_each(:ids)) "
        "AND ended_at IS NULL ORDER BY arrival_id, id"
    ),
    "saved_searches": "SELECT * FROM saved_search WHERE account_id = :account_id ORDER BY name",
    "snapshots_of": (
        "SELECT * FROM snapshot WHERE agency = :agency AND kind = :kind ORDER BY period DESC"
    ),
    "snapshots_lately": (
        "SELECT * FROM snapshot WHERE agency = '' AND kind = :kind ORDER BY period DESC "
        "LIMIT :limit"
    ),
    "entries_counted": (
        "SELECT kind, action, COUNT(*) AS n FROM receipt_entry "
        "WHERE idx >= :first AND idx < :upto GROUP BY kind, action"
    ),
    "snapshot_of": (
        "SELECT * FROM snapshot WHERE agency = :agency AND kind = :kind AND period = :period"
    ),
    # -------------------------------------------------------------- whole pages at once
    "deliveries_of_many": (
        "SELECT * FROM delivery WHERE consignment_id IN (SELECT value FROM json_each(:ids)) "
        "ORDER BY id"
    ),
    "attempts_of_many": (
        "SELECT a.* FROM attempt a JOIN transfer t ON t.id = a.transfer_id "
        "WHERE t.consignment_id IN (SELECT value FROM json_each(:ids)) ORDER BY a.transfer_id, a.n"
    ),
    "arrivals_of_deliveries": (
        "SELECT id FROM arrival WHERE delivery_id IN (SELECT value FROM json_each(:ids))"
    ),
    "events_of_many": (
        "SELECT * FROM event WHERE subject IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    ),
    "entries_of_many": (
        "SELECT * FROM receipt_entry WHERE subject IN (SELECT value FROM json_each(:ids)) "
        "ORDER BY ord"
    ),
    "verdicts_of_files": (
        "SELECT sha256, verdict FROM verification WHERE sha256 IN "
        "(SELECT value FROM json_each(:names)) ORDER BY at"
    ),
    "reports_of_files": (
        "SELECT id, sha256, trust_sha256, verdict, at FROM verification WHERE sha256 IN "
        "(SELECT value FROM json_each(:names)) ORDER BY at, id"
    ),
    # -------------------------------------------------------------- verification, blobs, work
    "verification": "SELECT * FROM verification WHERE id = :id",
    "verifications_of_file": (
        "SELECT report FROM verification WHERE sha256 = :sha256 ORDER BY at DESC, id DESC LIMIT 1"
    ),
    "verdicts_overdue": (
        "SELECT COUNT(*) AS n, MIN(at) AS since FROM ("
        "SELECT accepted_at AS at FROM consignment WHERE state = 'accepted' AND hold = '' "
        "AND accepted_at <= :before UNION ALL "
        "SELECT received_at AS at FROM inbound "
        "WHERE state = 'received' AND received_at <= :before) AS late"
    ),
    "evidence_count": "SELECT COUNT(*) AS n FROM verification",
    "evidence_states": (
        "SELECT DISTINCT trust_sha256 FROM verification WHERE trust_sha256 > :after "
        "ORDER BY trust_sha256 LIMIT :limit"
    ),
    "evidence_of_states": (
        "SELECT * FROM verification "
        "WHERE trust_sha256 IN (SELECT value FROM json_each(:states)) AND id > :after "
        "ORDER BY id LIMIT :limit"
    ),
    "evidence_of_files": (
        "SELECT * FROM verification WHERE sha256 IN (SELECT value FROM json_each(:names)) "
        "ORDER BY at, id"
    ),
    "entries_with_reports": (
        "SELECT ord, kind, subject, body, entry_hash FROM receipt_entry "
        "WHERE ord > :after AND body LIKE '%\"reports\":[%' ORDER BY ord LIMIT :limit"
    ),
    "judged_consignments": (
        "SELECT id, document_id, sender, verdict, legal_class, state, envelope FROM consignment "
        "WHERE id > :after AND verdict != 'pending' AND state NOT IN ('quarantined', 'refused') "
        "ORDER BY id LIMIT :limit"
    ),
    "judged_arrivals": (
        "SELECT id, document_id, sender, verdict, legal_class, state, envelope FROM arrival "
        "WHERE id > :after AND state != 'quarantined' ORDER BY id LIMIT :limit"
    ),
    "purged": "SELECT 1 AS one FROM quarantine WHERE id = :id AND purged_at IS NOT NULL",
    "recheck": "SELECT * FROM recheck WHERE subject = :subject",
    "recheck_open": "SELECT * FROM recheck WHERE subject > :after ORDER BY subject LIMIT :limit",
    "recheck_due": "SELECT * FROM recheck WHERE due_at <= :now ORDER BY due_at LIMIT :limit",
    "recheck_too_late": "SELECT subject FROM recheck WHERE due_at > :far LIMIT :limit",
    "recheck_counts": (
        "SELECT cause, COUNT(*) AS n, MIN(since) AS since FROM recheck WHERE cause != '' "
        "GROUP BY cause ORDER BY cause"
    ),
    "blobs_kept": (
        "SELECT DISTINCT sha256 FROM blob_ref WHERE sha256 IN (SELECT value FROM json_each(:names))"
    ),
    "blob_ref": "SELECT 1 AS one FROM blob_ref WHERE sha256 = :sha256 LIMIT 1",
    "outbox": "SELECT * FROM outbox ORDER BY id LIMIT :limit",
    "quarantined": "SELECT * FROM quarantine ORDER BY id",
    "quarantine_page": (
        "SELECT * FROM quarantine WHERE id < :before ORDER BY id DESC LIMIT :limit"
    ),
    "quarantine": "SELECT * FROM quarantine WHERE id = :id",
    "counters": "SELECT * FROM counter ORDER BY agency, year, series",
    "counter": (
        "SELECT last FROM counter WHERE agency = :agency AND year = :year AND series = :series"
    ),
    "idempotency_old": (
        "SELECT system_id, key FROM idempotency WHERE created_at < :before LIMIT :limit"
    ),
    # -------------------------------------------------------------- the watch
    # Each sender once, by a jump in the index, however much waits.
    "watch_senders_untaken": _each_of("delivery", "sender", _UNTAKEN),
    "watch_senders_arrived": _each_of("delivery", "sender", "state = 'arrived'"),
    "watch_untaken": (
        "SELECT * FROM (SELECT consignment_id, agency, name, state, acknowledged_at FROM delivery "  # noqa: S608
        f"WHERE {_UNTAKEN} AND sender = :sender "
        "ORDER BY consignment_id LIMIT :limit) AS few "
        "WHERE state = 'handed_over' AND acknowledged_at <= :before"
    ),
    # What lies behind those that were looked at, by receiver; counted, up to a limit.
    "watch_untaken_more": (
        "SELECT agency, COUNT(*) AS n FROM (SELECT agency, state, acknowledged_at "  # noqa: S608
        f"FROM delivery WHERE {_UNTAKEN} AND sender = :sender ORDER BY consignment_id "
        "LIMIT :limit OFFSET :offset) AS more WHERE state = 'handed_over' "
        "AND acknowledged_at <= :before GROUP BY agency"
    ),
    "watch_arrived_more": (
        "SELECT agency, COUNT(*) AS n FROM (SELECT agency FROM delivery WHERE state = 'arrived' "
        "AND sender = :sender ORDER BY consignment_id LIMIT :limit OFFSET :offset) AS more "
        "GROUP BY agency"
    ),
    "watch_arrivals_more": (
        "SELECT COUNT(*) AS n FROM (SELECT 1 FROM arrival WHERE agency = :agency "
        "AND state = :state ORDER BY id LIMIT :limit OFFSET :offset) AS more"
    ),
    # Urgent ones by themselves: however many others wait, each of them is seen.
    "watch_arrivals_urgent": " UNION ALL ".join(
        f"SELECT * FROM (SELECT id, document_id, urgency, at_gateway_at FROM arrival "  # noqa: S608
        f"WHERE agency = :agency AND state = :state AND urgency = {urgency} "
        f"ORDER BY id LIMIT 250) AS urgent_{urgency}"
        for urgency in (4, 3, 2, 1)
    ),
    "watch_arrived": (
        "SELECT consignment_id, agency, name, entered_system_at, acknowledged_at FROM delivery "
        "WHERE state = 'arrived' AND sender = :sender "
        "ORDER BY consignment_id LIMIT :limit"
    ),
    # Not bounded twice: SQLite would begin at the lower one each time, and read every arrival.
    "watch_receivers": _each_of("arrival", "agency", "1 = 1"),
    "watch_arrivals": (
        "SELECT id, document_id, urgency, state, offered_at, entered_system_at, received_at_legal, "
        "at_gateway_at FROM arrival WHERE agency = :agency AND state = :state "
        "ORDER BY id LIMIT :limit"
    ),
    "watch_urgent": " UNION ALL ".join(
        f"SELECT * FROM (SELECT t.id, t.lane, t.created_at, t.hop, t.consignment_id, "  # noqa: S608
        "c.sender, c.document_id FROM transfer t JOIN consignment c ON c.id = t.consignment_id "
        f"WHERE t.state NOT IN ('done', 'cancelled') AND t.state = '{state}' "
        f"AND t.lane = {lane} AND t.status_id IS NULL AND c.state != 'quarantined' "
        f"ORDER BY t.created_at LIMIT 50) AS {state}_{lane}"
        for state in ("waiting", "sending", "deferred", "failed")
        for lane in (4, 3, 2, 1)
    ),
    "watch_held": (
        "SELECT DISTINCT t.id, t.hop, t.document_id, t.created_at, t.consignment_id "  # noqa: S608
        f"FROM (SELECT transfer_id, consignment_id FROM delivery WHERE {_UNTAKEN} "
        "AND sender = :sender ORDER BY consignment_id LIMIT :limit) AS d "
        "JOIN transfer t ON t.id = d.transfer_id WHERE t.state IN ('waiting', 'deferred') "
        "AND t.hop IN (SELECT value FROM json_each(:hops)) ORDER BY t.id LIMIT :limit"
    ),
    "alert": "SELECT * FROM alert WHERE id = :id",
    "alerts_standing": (
        "SELECT * FROM alert WHERE state != 'ended' AND state != 'dismissed' AND agency IN "
        "(SELECT value FROM json_each(:agencies)) ORDER BY severity DESC, id LIMIT :limit"
    ),
    "alerts_all_standing": (
        "SELECT * FROM alert WHERE state != 'ended' ORDER BY agency, kind, subject LIMIT :limit"
    ),
    "alerts_ended": (
        "SELECT * FROM alert WHERE agency = :agency AND state IN ('ended', 'dismissed') "
        "AND id < :before "
        "ORDER BY id DESC LIMIT :limit"
    ),
    "alerts_for_all": (
        "SELECT * FROM alert WHERE state != 'ended' AND state != 'dismissed' AND agency = '' "
        "AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY id LIMIT :limit"
    ),
    "alerts_taken_by": (
        "SELECT w.agency, COUNT(*) AS n FROM account a JOIN alert w ON w.acknowledged_by = a.login "
        "WHERE a.id = :account_id AND w.state != 'ended' AND w.state = 'acknowledged' "
        "GROUP BY w.agency ORDER BY w.agency"
    ),
    "alert_counts": (
        "SELECT severity, state, COUNT(*) AS n FROM (SELECT severity, state FROM alert "
        "WHERE state != 'ended' AND state != 'dismissed' "
        "AND agency IN (SELECT value FROM json_each(:agencies)) LIMIT :limit) AS few "
        "GROUP BY severity, state"
    ),
    "tellings_owed": (
        "SELECT * FROM alert_telling WHERE state = 'owed' AND due_at <= :now "
        "ORDER BY due_at, id LIMIT :limit"
    ),
    "tellings_of": "SELECT * FROM alert_telling WHERE alert_id = :alert_id ORDER BY id LIMIT 200",
    "duty_turns": (
        "SELECT * FROM duty_turn WHERE agency = :agency AND ends_at > :now "
        "AND removed_at IS NULL ORDER BY ends_at, id LIMIT :limit"
    ),
    # Asked when somebody leaves: by mail, or by name where no mail was entered.
    "duty_turns_of_person": (
        "SELECT t.* FROM account a JOIN duty_turn t ON (a.mail != '' AND LOWER(t.mail) = a.mail) "
        "OR (t.mail = '' AND t.name = a.name AND t.agency = a.agency) "
        "WHERE a.id = :account_id AND t.removed_at IS NULL AND t.ends_at > :now "
        "ORDER BY t.id LIMIT :limit"
    ),
    "duty_turn": "SELECT * FROM duty_turn WHERE id = :id",
    "mails_of_agency": (
        "SELECT DISTINCT a.mail, g.role FROM account_grant g JOIN account a ON a.id = g.account_id "
        "WHERE g.agency = :agency AND g.revoked_at IS NULL AND a.state = 'active' AND a.mail != '' "
        "AND (g.valid_from IS NULL OR g.valid_from <= :now) "
        "AND (g.valid_to IS NULL OR g.valid_to > :now) ORDER BY a.mail LIMIT 200"
    ),
    "today_due": (
        "SELECT due_date FROM consignment WHERE state = 'released' AND due_date != '' "
        "AND sender = :agency AND due_date <= :today ORDER BY due_date LIMIT :limit"
    ),
    "today_tasks": (
        "SELECT s.due_on FROM assignment s JOIN arrival a ON a.id = s.arrival_id "
        "WHERE s.ended_at IS NULL AND s.due_on != '' AND s.agency = :agency "
        "AND s.due_on <= :today AND a.state IN ('accepted', 'assigned', 'in_progress') "
        "ORDER BY s.due_on LIMIT :limit"
    ),
    "today_returned": (
        f"SELECT 1 AS one FROM delivery WHERE {_TROUBLED} AND sender = :agency "  # noqa: S608
        "AND state = 'returned' AND consignment_id >= :since LIMIT :limit"
    ),
    "today_recalled": (
        "SELECT 1 AS one FROM takeback WHERE agency = :agency AND state = 'asked' LIMIT :limit"
    ),
    "today_todos": (
        "SELECT 1 AS one FROM todo WHERE agency = :agency AND state = 'open' LIMIT :limit"
    ),
    # -------------------------------------------------------------- nodes, leases
    "lease": "SELECT * FROM lease WHERE name = :name",
    "leases": "SELECT * FROM lease ORDER BY name",
    "nodes": "SELECT * FROM node ORDER BY name",
    "maintenance": (
        "SELECT key, value FROM meta WHERE value != '' "
        "AND (key = 'maintenance' OR key LIKE 'maintenance:%') ORDER BY key"
    ),
    "transfers_of_node": (
        f"SELECT * FROM transfer WHERE {_LIVE} AND state = 'sending' "  # noqa: S608
        "AND node = :node LIMIT :limit"
    ),
    # -------------------------------------------------------------- retention, a page of ids a time
    "page_consignments": (
        "SELECT MAX(id) AS last FROM (SELECT id FROM consignment WHERE id > :after "
        "ORDER BY id LIMIT :limit) AS page"
    ),
    "page_transfers": (
        "SELECT MAX(id) AS last FROM (SELECT id FROM transfer WHERE id > :after "
        "ORDER BY id LIMIT :limit) AS page"
    ),
    "page_arrivals": (
        "SELECT MAX(id) AS last FROM (SELECT id FROM arrival WHERE id > :after "
        "ORDER BY id LIMIT :limit) AS page"
    ),
    "page_inbound": (
        "SELECT MAX(id) AS last FROM (SELECT id FROM inbound WHERE id > :after "
        "ORDER BY id LIMIT :limit) AS page"
    ),
    # Nothing of it is undelivered, failed, held, asked back, set apart, or still to be judged.
    "settled_consignments": (
        "SELECT c.id, c.state, c.document_id, c.received_sha256, c.envelope, c.closed_at AS at "
        "FROM consignment c "
        "WHERE c.id > :after AND c.id <= :last AND c.state = 'closed' AND c.hold = '' "
        "AND c.closed_at <= :before AND c.verdict != 'pending' "
        "AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.consignment_id = c.id "
        "AND (t.state NOT IN ('done', 'cancelled') OR t.hold != '')) "
        "AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.consignment_id = c.id AND (d.hold != '' "
        "OR d.state IN ('pending', 'sending', 'deferred', 'failed', 'not_connected'))) "
        "AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.subject = c.id AND h.released_at IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.subject = c.id "
        "AND h.released_at IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM delivery d JOIN arrival a ON a.delivery_id = d.id "
        "JOIN legal_hold h ON h.subject = a.id WHERE d.consignment_id = c.id "
        "AND h.released_at IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM delivery d JOIN recall r ON r.delivery_id = d.id "
        "WHERE d.consignment_id = c.id AND r.state IN ('waiting', 'asked')) "
        # A local reader's files are those of the sending.
        "AND NOT EXISTS (SELECT 1 FROM delivery d JOIN arrival a ON a.delivery_id = d.id "
        "WHERE d.consignment_id = c.id AND a.state NOT IN ('done', 'returned', 'recalled')) "
        "AND NOT EXISTS (SELECT 1 FROM recheck k WHERE k.subject = c.id) "
        "AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.id = c.id) ORDER BY c.id"
    ),
    "settled_arrivals": (
        "SELECT a.id, a.state, a.document_id, a.received_sha256, a.envelope, "
        "COALESCE(a.entered_system_at, a.at_gateway_at) AS at FROM arrival a "
        "WHERE a.id > :after AND a.id <= :last AND a.state IN ('done', 'returned', 'recalled') "
        "AND COALESCE(a.entered_system_at, a.at_gateway_at) <= :before "
        "AND NOT EXISTS (SELECT 1 FROM recheck k WHERE k.subject = a.id) "
        "AND NOT EXISTS (SELECT 1 FROM recall r WHERE r.delivery_id = a.delivery_id "
        "AND r.state IN ('waiting', 'asked')) "
        "AND NOT EXISTS (SELECT 1 FROM takeback t WHERE t.arrival_id = a.id "
        "AND t.state = 'asked') "
        "AND NOT EXISTS (SELECT 1 FROM legal_hold h WHERE h.subject = a.id "
        "AND h.released_at IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.id = a.id) ORDER BY a.id"
    ),
    "settled_inbound": (
        "SELECT i.id, i.state, '' AS document_id, i.sha256 AS received_sha256, '' AS envelope, "
        "i.received_at AS at "
        "FROM inbound i WHERE i.id > :after AND i.id <= :last AND i.acked_at IS NOT NULL "
        "AND i.state NOT IN ('received', 'unreadable', 'unreadable-yet') "
        "AND i.received_at <= :before AND NOT EXISTS (SELECT 1 FROM arrival a "
        "WHERE a.inbound_id = i.id AND a.state NOT IN ('done', 'returned', 'recalled')) "
        "AND NOT EXISTS (SELECT 1 FROM arrival a JOIN legal_hold h ON h.subject = a.id "
        "WHERE a.inbound_id = i.id AND h.released_at IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.id = i.id) ORDER BY i.id"
    ),
    "refs_named": (
        "SELECT owner, sha256 FROM blob_ref WHERE sha256 IN (SELECT value FROM json_each(:names)) "
        "ORDER BY owner, sha256"
    ),
    "parcels_of_many": (
        "SELECT t.id, t.consignment_id, t.parcel_sha256 FROM transfer t WHERE t.consignment_id IN "
        "(SELECT value FROM json_each(:ids)) AND t.parcel_sha256 != '' ORDER BY t.id"
    ),
    # Reports on files that nobody keeps any more; the receipt log names them by their hash.
    "reports_unowned": (
        "SELECT v.id FROM verification v WHERE v.id > :after AND v.at <= :before "
        "AND NOT EXISTS (SELECT 1 FROM blob_ref b WHERE b.sha256 = v.sha256) "
        "ORDER BY v.id LIMIT :limit"
    ),
    # -------------------------------------------------------------- load (counted up to a limit)
    "backlog": (
        "SELECT COUNT(*) AS n, MIN(accepted_at) AS oldest FROM (SELECT accepted_at FROM "
        "consignment WHERE state = 'accepted' AND hold = '' LIMIT :limit) AS open"
    ),
    "backlog_of": (
        # Not by the index of its system's documents: those are all it ever sent.
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM consignment WHERE state = 'accepted' "
        "AND system_id || '' = :system_id LIMIT :limit) AS open"
    ),
    "outbox_depth": "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM outbox LIMIT :limit) AS owed",
    # -------------------------------------------------------------- what operations look at
    "flow_since": (
        "SELECT minute, what, peer, CAST(SUM(n) AS BIGINT) AS n, CAST(SUM(ms) AS BIGINT) AS ms, "
        "MAX(n) AS highest FROM flow_minute WHERE minute >= :since GROUP BY minute, what, peer "
        "ORDER BY minute, what, peer"
    ),
    "flow_last": (
        "SELECT MAX(minute) AS minute FROM flow_minute "
        "WHERE minute >= :since AND what = :what AND peer = :peer"
    ),
    "flow_old": (
        "SELECT id FROM flow_minute WHERE node = :node AND minute < :until "
        "ORDER BY minute LIMIT :limit"
    ),
    "hop_waiting": (
        "SELECT COUNT(*) AS n, MIN(due_at) AS due_at, MIN(created_at) AS oldest FROM "  # noqa: S608
        f"(SELECT due_at, created_at FROM transfer WHERE {_OPEN} AND hop = :hop "
        "LIMIT 1000) AS waits"
    ),
    "hops_failed": (
        "SELECT hop, COUNT(*) AS n FROM (SELECT hop FROM transfer "  # noqa: S608 - our own words
        f"WHERE {_LIVE} AND state = 'failed' LIMIT 10000) AS dead GROUP BY hop ORDER BY hop"
    ),
    "hop_holds": (
        "SELECT kind, subject, held_by, reason, since, until FROM hold "
        "WHERE released_at IS NULL AND scope = 'hop' ORDER BY since, id"
    ),
    "log_newest": (
        "SELECT * FROM receipt_entry WHERE ord < :before ORDER BY ord DESC LIMIT :limit"
    ),
    "log_of_document": (
        "SELECT * FROM receipt_entry WHERE document_id = :document AND document_id != '' "
        "AND ord < :before ORDER BY ord DESC LIMIT :limit"
    ),
    "log_of_subject": (
        "SELECT * FROM receipt_entry WHERE subject = :subject AND ord < :before "
        "ORDER BY ord DESC LIMIT :limit"
    ),
    # Ids grow with time: where a stretch of time begins is found without reading it.
    "log_at": "SELECT ord, at FROM receipt_entry WHERE ord >= :ord ORDER BY ord LIMIT 1",
    # The catalogue does not grow with what is sent.
    "agencies_like": (
        "SELECT * FROM agency WHERE code > :after AND (code LIKE :like ESCAPE '!' "
        "OR name LIKE :like ESCAPE '!' OR legacy_code LIKE :like ESCAPE '!') "
        "ORDER BY code LIMIT :limit"
    ),
    "log_end": "SELECT MAX(ord) AS ord FROM receipt_entry",
    "attempts_of_transfer": "SELECT * FROM attempt WHERE transfer_id = :transfer_id ORDER BY n",
}
