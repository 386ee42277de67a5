"""kill -9 at every named point of a real server; then everything still holds.

At any time, and of servers and lines beside it: test_engines_killed.py.
"""

import asyncio
import io
import re
from pathlib import Path

import pypdfium2
import pytest

from gateway import faults
from tests.crash.mayhem import deck
from tests.world.crashhouse import crashhouse, life

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SENDING = (
    "ledger.before-commit:3",
    "blobs.after-rename",
    "intake.before-answer",
    "ledger.after-commit:2",
    "dispatch.after-publish",
    "local.before-commit",
    "local.after-commit",
    "relay.after-attempt",
    "janitor.after-expire",
    "relay.after-parcel",
    "relay.after-delivery",
    "relay.after-outcome",
    "janitor.before-head",
)
RECEIVING = (
    "collector.after-fetch",
    "collector.after-commit",
    "receiver.before-commit",
    "receiver.after-commit",
    "desk.after-confirm",
    "mailroom.before-commit",
    "mailroom.after-commit",
    "desk.after-status",
    "relay.after-delivery:2",
)
ISSUING = ("issue.before-commit", "issue.after-commit", "issue.after-commit:2")
# By test_engines_killed.py: one process with its lanes inside never gets there.
CLUSTER = ("broker.after-confirm", "broker.before-ack", "leases.after-take")
# Reached elsewhere: test_recheck_killed.py, test_backup_killed.py,
# tests/unit/verifier/test_revocation_store.py, tests/integration/test_spool.py.
ELSEWHERE = (
    "recheck.before-commit",
    "revocation.after-object",
    "backup.after-ledger",
    "backup.before-rename",
    "backup.after-rename",
    "restore.after-blobs",
    "restore.before-commit",
    "spool.after-submit",
    "spool.after-result",
    "spool.between-moves",
    "spool.after-bring",
    "spool.after-confirm",
)


def test_every_point_is_tried_and_reached_somewhere():
    tried = {point.partition(":")[0] for point in (*SENDING, *RECEIVING, *ISSUING, *CLUSTER)}
    assert tried == {card.how for card in deck("cluster") if card.what == "point"}
    root = Path(faults.__file__).parent.parent
    files = [p for part in ("gateway", "adapters") for p in (root / part).rglob("*.py")]
    source = "\n".join(p.read_text(encoding="utf-8") for p in files)
    reached = set(re.findall(r'faults\.reach\("([a-z.-]+)"\)', source))
    assert reached == set(faults.POINTS) == {*tried, *ELSEWHERE}


def blank_pdf():
    """A file that a verifier process has to look at."""
    out = io.BytesIO()
    document = pypdfium2.PdfDocument.new()
    document.new_page(200, 200)
    document.save(out)
    document.close()
    return out.getvalue()


async def sending(folder):
    async with crashhouse(folder) as house:
        await life(house, SENDING)


async def receiving(folder):
    async with crashhouse(folder) as house:
        await life(house, RECEIVING)


async def issuing(folder):
    """Nobody waits for a verdict: every document is accepted first and numbered later."""
    async with crashhouse(folder, budget="0 s") as house:
        house.pdf = blank_pdf()
        await life(house, ISSUING)
        assert all(a["verification"] == "pending" for a in house.accepted.values())


async def test_killed_at_every_point(tmp_path):
    """Three worlds beside one another, each with a server that dies again and again."""
    worlds = (sending, receiving, issuing)
    async with asyncio.TaskGroup() as group:
        for world in worlds:
            folder = tmp_path / world.__name__
            folder.mkdir()
            group.create_task(world(folder))
