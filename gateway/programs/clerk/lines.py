"""Rows of `arrival` as lines of lists; builders only."""

from datetime import date, datetime

from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import from_text
from gateway.domain.precheck import Same
from gateway.ports import Row
from gateway.ports.clerk_receive import Assigned, Line
from gateway.programs.rows import loads
from gateway.programs.statuses import PAPER


def line_of(row: Row, due_on: str = "") -> Line:
    """Return one arrival as a line."""
    header = loads(row["envelope"]).get("header") or {}
    number, notation = row["code_number"], row["code_notation"]
    return Line(
        id=row["id"],
        agency=row["agency"],
        state=ArrivalState(row["state"]),
        urgency=row["urgency"],
        business_type=row["business_type"],
        sender_name=row["sender_name"] or row["sender"],
        code=f"{number}/{notation}" if notation else number,
        promulgation_date=row["promulgation_date"],
        subject=header.get("subject") or "",
        type_name=header.get("type_name") or "",
        entered_at=_moment(row["entered_system_at"]),
        legal_at=_moment(row["received_at_legal"]),
        number=row["arrival_number"],
        year=row["arrival_year"],
        verdict=row["verdict"],
        paper=row["source"] == PAPER,
        due_on=due_on,
    )


def same_of(row: Row) -> Same:
    """Return an arrival as one that looks like another."""
    at = _moment(row["entered_system_at"] or row["at_gateway_at"])
    paper = row["source"] == PAPER
    return Same(row["id"], row["arrival_number"], row["arrival_year"], at, paper)


def assigned_of(row: Row) -> Assigned:
    """Return a row of `assignment`."""
    return Assigned(
        account_id=row["account_id"],
        name=row["name"],
        lead=row["lead"],
        coordinating=row["coordinating"],
        due_on=date.fromisoformat(row["due_on"]) if row["due_on"] else None,
        opinion=row["opinion"],
        by=row["by"],
        at=from_text(row["at"]),
        standing=row["ended_at"] is None,
        id=row["id"],
    )


def _moment(text: str | None) -> datetime | None:
    return from_text(text) if text else None
