"""What waits for an agency, as every door shows it. Builders only."""

from gateway.domain.moments import from_text
from gateway.ports import InboxItem, Row
from gateway.programs.rows import loads


def document_item(row: Row) -> InboxItem:
    """Return a row of `arrival` as it is offered."""
    header = loads(row["envelope"])["header"]
    number, notation = header.get("code_number", ""), header.get("code_notation", "")
    return InboxItem(
        id=row["id"],
        cursor=row["inbox_seq"] or 0,
        kind="edoc",
        sender=row["sender"],
        sender_written=row["sender_written"],
        recipient=row["agency"],
        recipient_written=loads(row["addressed_as"])[0],
        document_id=row["document_id"],
        title=header.get("subject", ""),
        notation=f"{number}/{notation}" if notation else number,
        state=row["state"],
        at_gateway_at=from_text(row["at_gateway_at"]),
        taken_at=from_text(row["entered_system_at"]) if row["entered_system_at"] else None,
    )


def status_item(row: Row) -> InboxItem:
    """Return a row of `status_report` as it is offered."""
    return InboxItem(
        id=row["id"],
        cursor=row["inbox_seq"] or 0,
        kind="status",
        sender=row["sender"],
        sender_written=row["sender_written"],
        recipient=row["recipient"],
        recipient_written=row["recipient_written"],
        document_id=row["document_id"],
        title=row["description"],
        notation=row["notation"],
        state=row["code"],
        at_gateway_at=from_text(row["created_at"]),
        taken_at=from_text(row["taken_at"]) if row["taken_at"] else None,
    )
