"""What tests of submissions share: looking into the ledger, forms, a verifier that waits."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway import stores
from gateway.cli.receipts import write_export
from gateway.ports import AgencyRecord
from gateway.receipts.proof import Report, load_keys, verify_file
from gateway.receipts.sign import public_pem
from gateway.store.admin import LedgerAdmin
from gateway.trust.report import Verdict, VerificationReport
from tests.world.gatehouse import House
from tests.world.ledgers import ask

WORK_TABLES = ("consignment", "delivery", "transfer", "arrival", "idempotency", "quarantine")


def rows(house: House, sql: str, *params: Any) -> list[dict[str, Any]]:
    """Ask the ledger itself, as another process would."""
    return ask(stores.ledger_place(house.gateway.settings), sql, *params)


def count(house: House, table: str) -> int:
    """Return how many rows a table has."""
    return int(rows(house, f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])


def nothing_left(house: House) -> bool:
    """Tell whether no submission left a row that matters."""
    counted = {table: count(house, table) for table in WORK_TABLES}
    counted["counter"] = count(house, "counter")
    assert counted == dict.fromkeys(counted, 0)
    accepted = rows(house, "SELECT * FROM receipt_entry WHERE kind NOT IN ('audit')")
    assert accepted == []
    assert count(house, "blob_ref") == 0
    return True


async def sweep_blobs(house: House) -> list[str]:
    """Let the janitor collect what nothing names, whatever its age; return what is left."""
    context = house.gateway.context
    for name in list(context.blobs.names()):
        if await context.ledger.one("blob_ref", sha256=name) is None:
            context.blobs.delete_if_older(name, -1.0)
    return sorted(context.blobs.names())


def deliveries(answer: Any) -> dict[str, str]:
    """Return agency to state."""
    return {d["agency"]: d["state"] for d in answer["deliveries"]}


def faults(problem: Any, severity: str = "error") -> set[tuple[str, str]]:
    """Return rule and place of every finding of a severity."""
    return {(f["rule"], f["where"]) for f in problem["findings"] if f["severity"] == severity}


def admin(house: House) -> LedgerAdmin:
    """Open administration beside the running gateway; the caller closes it."""
    gateway = house.gateway
    place = stores.ledger_place(gateway.settings)
    return LedgerAdmin(place, gateway.blobs, gateway.clock, gateway.context.ids)


async def put_agency(house: House, *agencies: AgencyRecord) -> None:
    """Change the catalogue and wait until the gateway sees it."""
    store = admin(house)
    try:
        for agency in agencies:
            store.put_agency(agency, by="test")
    finally:
        store.close()

    async def seen() -> bool:
        directory = house.gateway.catalogue.directory()
        return all(
            (found := directory.get(a.code)) is not None
            and found.numbered_by.value == a.numbered_by
            and found.hop == a.connected
            for a in agencies
        )

    await house.until(seen)


def form(
    metadata: dict[str, Any],
    files: Sequence[tuple[str, bytes]] = (("văn bản.txt", b"xin chao"),),
    *,
    boundary: str = "ranh-gioi",
    kind: str = "application/octet-stream",
) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body, as a browser writes it, and its headers."""
    mark = f"--{boundary}\r\n".encode()
    body = [
        mark,
        b'Content-Disposition: form-data; name="metadata"\r\nContent-Type: application/json\r\n\r\n',
        json.dumps(metadata, ensure_ascii=False).encode(),
        b"\r\n",
    ]
    for name, data in files:
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body += [mark, head.encode(), f"Content-Type: {kind}\r\n\r\n".encode(), data, b"\r\n"]
    body.append(f"--{boundary}--\r\n".encode())
    return b"".join(body), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


async def send_form(
    house: House, body: tuple[bytes, dict[str, str]], *, key: str = "", system: str = "snv"
) -> tuple[int, Any, Any]:
    """POST one form."""
    headers = dict(body[1]) | ({"Idempotency-Key": key} if key else {})
    return await house.call("POST", "/documents", system, data=body[0], headers=headers)


async def check_receipts(house: House) -> Report:
    """Export the whole receipt log and check it as a stranger would."""
    await house.gateway.janitor.sign_head()
    target = house.folder / "receipts.jsonl"
    with stores.open_receipts(house.folder / "vanlien.toml") as source:
        write_export(target, source)
    pem = public_pem(house.gateway.context.sealer).encode()
    return verify_file(target, load_keys(pem), None)


class WaitingVerifier:
    """A verifier that answers only once it may; then as told, or as the real one does."""

    def __init__(self, house: House) -> None:
        self._context = house.gateway.context
        self._inner = self._context.verifier
        self._may = asyncio.Event()
        self.asked = 0
        self.says: Verdict | None = None
        self.marks: tuple[str, ...] = ()
        self._context.verifier = self

    def quick(self, data: bytes, *, sha256: str, at: datetime) -> VerificationReport | None:
        return None

    async def verify(
        self, path: Path, *, sha256: str, size_bytes: int, at: datetime, lane: int = 0
    ) -> VerificationReport:
        self.asked += 1
        await self._may.wait()
        if self.says is None:
            return await self._inner.verify(path, sha256=sha256, size_bytes=size_bytes, at=at)
        return VerificationReport(
            self.says, sha256, size_bytes, at, "0" * 64, "test", secrecy_marks=self.marks
        )

    def answer(self, says: Verdict | None = None, marks: tuple[str, ...] = ()) -> None:
        """Let everything asked so far, and from now on, be answered."""
        self.says, self.marks = says, marks
        # What is answered at once is in time, however busy the machine.
        policy = self._context.policy
        self._context.policy = replace(policy, verify_budget=timedelta(minutes=1))
        self._may.set()

    async def close(self) -> None:
        await self._inner.close()
