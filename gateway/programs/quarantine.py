"""Quarantine: what shows a secrecy level, or holds malware, is kept apart and offered to nobody.

SEC-01 (S003 art 1.2), FMT-14: the log gets id and time only. The bytes stay until two persons
agree; the stub and its receipt stay for ever, so the chain still verifies.
"""

from datetime import datetime

from gateway import observe
from gateway.domain.moments import to_text
from gateway.ports import Absent, Caller, Change, ChangeSet, Conflict, Insert, Present
from gateway.programs.catalogue import whois
from gateway.programs.context import Context
from gateway.programs.reading import ReadPacket
from gateway.programs.rows import entry, event, keep

REASON = "SEC-01 R11: có dấu hiệu bí mật nhà nước"
INFECTED = "FMT-14 R12: có mã độc"


async def shut_away(context: Context, caller: Caller, read: ReadPacket) -> str:
    """Keep a refused submission's bytes apart; return the quarantine id.

    The same packet submitted again and again is kept once: its files join the stub that is there.
    """
    item_id = context.ids.new()
    now = context.clock.now()
    header = read.envelope.header
    sender = whois(context, header.sender.organ_id).canonical
    received = read.received.sha256
    names = {received}
    for attachment in read.envelope.attachments:
        names |= {attachment.sha256, attachment.wrapped_sha256}
    names.discard("")
    rows = stub(context, item_id, "consignment", sender, header.document_id, received, now)
    rows += [keep(name, item_id) for name in sorted(names)]
    rows.append(event(item_id, "quarantined", now, system_id=caller.system_id))
    unseen = Absent("quarantine", {"sender": sender, "sha256": received, "purged_at": None})
    result = await context.ledger.commit(ChangeSet(rows=tuple(rows), guards=(unseen,)))
    if isinstance(result, Conflict) and result.row is not None:
        item_id = result.row["id"]
        here = Present("quarantine", {"id": item_id, "purged_at": None})
        again = event(item_id, "submitted_again", now, system_id=caller.system_id)
        rows = [*(keep(name, item_id) for name in sorted(names)), again]
        await context.ledger.commit(ChangeSet(rows=tuple(rows), guards=(here,)))
    observe.quarantined(consignment_id=item_id, reason="SEC-01")
    return item_id


def stub(  # noqa: PLR0917
    context: Context,
    item_id: str,
    kind: str,
    sender: str,
    document_id: str,
    sha256: str,
    now: datetime,
    reason: str = REASON,
) -> list[Change]:
    """Return the rows of a quarantine stub and its receipt; `reason` begins with its rule."""
    row = Insert(
        "quarantine",
        {
            "id": item_id,
            "kind": kind,
            "sender": sender,
            "document_id": document_id,
            "reason": reason,
            "sha256": sha256,
            "at": to_text(now),
        },
    )
    proof = entry(
        context.ids,
        "quarantined",
        item_id,
        "",
        now,
        packet_sha256=sha256,
        rules=[reason.split(maxsplit=1)[0]],
    )
    return [row, proof.row]
