"""Parcels: the finished bytes of a transfer, emitted once and kept, so that a repeat is the same.

A crash leaves at worst a blob no row names.
"""

from typing import Any

from gateway.codec.edxml import emit_document, envelope_from_json, with_trace
from gateway.codec.status import emit_status
from gateway.domain.envelope import (
    Attachment,
    Organization,
    ResponseFor,
    StaffInfo,
    StatusReport,
)
from gateway.domain.moments import from_text, to_text
from gateway.errors import IntegrityError
from gateway.ports import BlobInfo, ChangeSet, Row, Update
from gateway.programs.catalogue import name_of
from gateway.programs.context import Context
from gateway.programs.rows import keep, loads


async def ensure(context: Context, transfer: Row) -> dict[str, Any]:
    """Return the transfer row with its parcel built and recorded."""
    row = dict(transfer)
    if row["parcel_sha256"] and await context.blobs.has(row["parcel_sha256"]):
        return row
    info = await _build(context, row)
    values = {"parcel_sha256": info.sha256, "parcel_size": info.size_bytes}
    changes = (Update("transfer", {"id": row["id"]}, values), keep(info.sha256, row["id"]))
    await context.ledger.commit(ChangeSet(rows=changes))
    return row | values


async def _build(context: Context, row: Row) -> BlobInfo:
    if row["kind"] == "status":
        report = await context.ledger.one("status_report", id=row["status_id"])
        if report is None:
            raise IntegrityError("transfer without its status report")
        return await context.blobs.put(status_packet(context, report))
    consignment = await context.ledger.one("consignment", id=row["consignment_id"])
    if consignment is None:
        raise IntegrityError("transfer without its consignment")
    envelope = await _addressed(context, row, loads(consignment["envelope"]))
    # MD-11: a new TraceHeader at each hop, earlier ones untouched; its time is the transfer's, so
    # that the same parcel comes out however often it is built.
    return await document_packet(
        context, envelope, consignment["document_id"], at_text=row["created_at"]
    )


async def _addressed(context: Context, row: Row, envelope: dict[str, Any]) -> dict[str, Any]:
    """Return the envelope with To as written for the sending this transfer belongs to.

    Recipients named later get transfers of their own: an axis that goes by To alone would give the
    earlier recipients the document twice, or the later ones. A sending has one transfer a hop, all
    of one instant; where two sendings share the instant, each names its own recipients only.
    """
    transfers = await context.ledger.all("transfers_of", consignment_id=row["consignment_id"])
    times = {t["id"]: t["created_at"] for t in transfers}
    together = [t for t in transfers if t["created_at"] == row["created_at"]]
    alone = len({t["hop"] for t in together}) < len(together)
    if len(together) == len(transfers) and not alone:
        return envelope
    mine = {row["id"]} if alone else {t["id"] for t in together}
    now_named: set[str] = set()
    otherwise: set[str] = set()
    deliveries = await context.ledger.all("deliveries", consignment_id=row["consignment_id"])
    for delivery in deliveries:
        codes = loads(delivery["addressed_as"])
        if delivery["transfer_id"] in times:
            (now_named if delivery["transfer_id"] in mine else otherwise).update(codes)
    first = not alone and row["created_at"] == min(times.values())
    header = envelope["header"]
    to = [
        o
        for o in header["recipients"]
        if (o["organ_id"] not in otherwise if first else o["organ_id"] in now_named)
    ]
    return envelope | {"header": header | {"recipients": to}}


async def document_packet(
    context: Context, envelope_json: dict[str, Any], document_id: str, *, at_text: str | None
) -> BlobInfo:
    """Emit our strict packet of a document into a blob; `at_text` adds our own trace hop."""
    envelope = envelope_from_json(envelope_json)
    header = envelope.header
    if header.document_id != document_id:
        header = _with_document_id(header, document_id)
    if at_text is not None:
        header = with_trace(header, context.policy.hub_code, from_text(at_text))

    def open_file(attachment: Attachment) -> Any:
        return context.blobs.chunks(attachment.sha256)

    writer = context.blobs.writer()
    try:
        async with context.blobs.near([a.sha256 for a in envelope.attachments]):
            for data in emit_document(header, envelope.attachments, open_file):
                writer.write(data)
        return await writer.finish()
    except BaseException:
        writer.abort()
        raise


def _with_document_id(header: Any, document_id: str) -> Any:
    from dataclasses import replace

    return replace(header, document_id=document_id)


def status_packet(context: Context, report: Row) -> bytes:
    """Emit the edXML status message of a report row."""
    staff = loads(report["staff"])
    directory_name = name_of(context.directory(), report["sender"])
    date_text = report["promulgation_date"]
    return emit_status(
        StatusReport(
            sender=Organization(report["sender_written"], organ_name=directory_name),
            response_for=ResponseFor(
                organ_id=report["recipient_written"],
                code=report["notation"],
                document_id=report["document_id"],
                promulgation_date=_date(date_text),
            ),
            code=report["code"],
            description=report["description"],
            at=from_text(report["at"]),
            staff=StaffInfo(**staff) if staff else None,
        )
    )


def _date(text: str) -> Any:
    from datetime import date

    return date.fromisoformat(text) if text else None


_ = to_text
