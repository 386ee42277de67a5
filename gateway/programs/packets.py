"""Packets we hand out: our strict form, built once per arrival, and the bytes as received."""

from collections.abc import AsyncIterator

from gateway.domain.lifecycle import ArrivalState
from gateway.errors import Reason, RejectedError
from gateway.ports import BlobInfo, ChangeSet, Packet, Row, Update
from gateway.programs import parcels
from gateway.programs.context import Context
from gateway.programs.rows import dumps, keep, loads

EDXML = "application/edxml+xml"
_FORMS = frozenset({"form", "order", "spool-form", "console"})


async def strict(context: Context, arrival: Row) -> Packet:
    """Return our strict packet of an arrival; the same bytes every time."""
    must_not_be_withdrawn(arrival)
    sha256, size = arrival["strict_sha256"], arrival["strict_size"]
    if not sha256 or not await context.blobs.has(sha256):
        await _must_not_be_purged(context, arrival)
        # MD-11: our own hop in the trace; its time is the arrival's, so the bytes stay the same.
        info: BlobInfo = await parcels.document_packet(
            context,
            loads(arrival["envelope"]),
            arrival["document_id"],
            at_text=arrival["at_gateway_at"],
        )
        sha256, size = info.sha256, info.size_bytes
        columns = {"strict_sha256": sha256, "strict_size": size}
        rows = (Update("arrival", {"id": arrival["id"]}, columns), keep(sha256, arrival["id"]))
        await context.ledger.commit(ChangeSet(rows=rows))
    return Packet(sha256, size, f"{arrival['id']}.edxml", EDXML, context.blobs.stream(sha256))


async def received(context: Context, arrival: Row) -> Packet:
    """Return the bytes as they came; for a form submission, which had no packet, the strict one."""
    must_not_be_withdrawn(arrival)
    via_form = False
    if arrival["consignment_id"] is not None:
        consignment = await context.ledger.one("consignment", id=arrival["consignment_id"])
        via_form = consignment is not None and consignment["via"] in _FORMS
    if via_form:
        return await strict(context, arrival)
    sha256 = arrival["received_sha256"]
    await must_be_kept(context, arrival, sha256)
    return Packet(
        sha256,
        arrival["received_size"],
        f"{arrival['id']}.received.edxml",
        EDXML,
        context.blobs.stream(sha256),
    )


def must_not_be_withdrawn(arrival: Row) -> None:
    """Refuse to hand out what its sender took back before anybody picked it up (REC-01).

    Raises:
        RejectedError: GONE.
    """
    if arrival["state"] == ArrivalState.RECALLED and arrival["entered_system_at"] is None:
        raise RejectedError(
            Reason.GONE, "The sender took the document back before it was picked up"
        )


async def must_be_kept(context: Context, row: Row, sha256: str) -> None:
    """Say clearly that bytes are gone because the operator's retention let them go.

    Raises:
        RejectedError: GONE.
    """
    if not await context.blobs.has(sha256):
        await _must_not_be_purged(context, row)


async def _must_not_be_purged(context: Context, row: Row) -> None:
    # A local reader's files are those of the sending.
    owners = [row["id"], *([row["consignment_id"]] if row["consignment_id"] else [])]
    if await context.ledger.all("purged_of_many", ids=dumps(owners)):
        raise RejectedError(
            Reason.GONE,
            "The bytes were let go by this gateway's retention; identifier, hashes and receipts "
            "are kept. Ask the sender for the document",
        )


def attachment(context: Context, row: Row, index: int) -> Packet:
    """Return one unwrapped file of an arrival or a consignment."""
    files = loads(row["envelope"])["attachments"]
    found = next((f for f in files if f["index"] == index), None)
    if found is None:
        raise RejectedError(Reason.NOT_FOUND)
    return Packet(
        found["sha256"],
        found["size_bytes"],
        found["safe_name"],
        found.get("content_type") or "application/octet-stream",
        context.blobs.stream(found["sha256"]),
    )


def status(context: Context, report: Row) -> Packet:
    """Return the strict packet of a status report."""
    import hashlib

    data = parcels.status_packet(context, report)

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    digest = hashlib.sha256(data).hexdigest()
    return Packet(digest, len(data), f"{report['id']}.edxml", EDXML, chunks())
