"""issue: finishes what intake committed without a verdict, or under a wrong clock.

Asks for the verdict again, without the caller's budget, then numbers and releases in one
transaction, or refuses with an event. A crash leaves the consignment waiting; it is taken up again
with nothing numbered twice, because number and release are the same commit.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway import faults, observe
from gateway.codec.edxml import envelope_from_json, envelope_to_json
from gateway.domain.document_id import render_ordinal_id
from gateway.domain.envelope import Envelope
from gateway.domain.finding import Finding, errors, finding_json
from gateway.domain.lifecycle import ConsignmentState, DeliveryState, TransferState
from gateway.domain.moments import from_text, to_text
from gateway.errors import UnavailableError
from gateway.ports import BlobInfo, Change, ChangeSet, Conflict, Row, Update
from gateway.programs import clockwatch, quarantine, scanning, tracking, undetermined
from gateway.programs.acceptance import Ordinal, let_out, ordinal_request
from gateway.programs.context import Context
from gateway.programs.judging import findings_from_json, judge_signatures, legal_class_of
from gateway.programs.patience import Patience
from gateway.programs.routing import owed_to
from gateway.programs.rows import dumps, entry, event, loads, wake
from gateway.programs.verifying import Verdicts, signed_packet, verify_files

_RACES = 20
_WORKERS = 8  # they wait for the verifier, which has its own limit


class Issue:
    """Workers of the `issue` topic."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._patience = Patience("issue", context.random)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            work = await self._context.lanes.take("issue")
            try:
                await self.once(work.ref)
                self._patience.good()
            except UnavailableError as exc:
                # Ledger, blobs or verifier are away: the janitor brings it again.
                await self._patience.wait(exc)
            except Exception as exc:  # noqa: BLE001 - the janitor brings it again
                observe.alarm(what="issue", subject=work.ref, failure=exc)
            await work.done()

    async def once(self, consignment_id: str) -> None:
        """Finish one consignment; do nothing when there is nothing to finish."""
        context = self._context
        row = await context.ledger.one("consignment", id=consignment_id)
        if row is None or row["state"] != ConsignmentState.ACCEPTED or row["hold"]:
            return
        if clockwatch.is_off(context):
            return
        envelope = envelope_from_json(loads(row["envelope"]))
        received = BlobInfo(row["received_sha256"], row["received_size"])
        verdicts = await verify_files(
            context,
            envelope.attachments,
            from_text(row["accepted_at"]),
            lane=int(envelope.header.urgency),
            packet=signed_packet(envelope, received),
            received=received,
        )
        if scanning.is_owed(context, verdicts):
            # FMT-14: nothing leaves before it is scanned; the janitor brings it again.
            raise UnavailableError(public="a file must be scanned for malware first")
        # Meanwhile recipients may have been added: the verdict stands, the row is read anew.
        for _ in range(_RACES):
            if row is None or row["state"] != ConsignmentState.ACCEPTED or row["hold"]:
                return
            if await self._end_with(row, verdicts):
                return
            row = await context.ledger.one("consignment", id=consignment_id)

    async def _end_with(self, row: Row, verdicts: Verdicts) -> bool:
        """Commit what a verdict makes of a consignment; False when its facts changed meanwhile."""
        envelope = envelope_from_json(loads(row["envelope"]))
        added = let_out(row["via"], judge_signatures(self._context, envelope, verdicts, "out"))
        # What was held for the clock had its verdict, and these findings, at acceptance.
        findings = tuple(dict.fromkeys((*findings_from_json(row["findings"]), *added)))
        now = self._context.clock.now()
        if any(f.rule == "SEC-01" for f in errors(findings)):
            return await self._shut_away(row, findings, now)
        if errors(findings):
            return await self._refuse(row, verdicts, findings, now)
        return await self._release(row, envelope, verdicts, findings, now)

    # ------------------------------------------------------------ three ends

    async def _release(
        self,
        row: Row,
        envelope: Envelope,
        verdicts: Verdicts,
        findings: tuple[Finding, ...],
        now: datetime,
    ) -> bool:
        context = self._context
        transfers = await context.ledger.all("transfers_of", consignment_id=row["id"])
        dated = envelope.header.promulgation_date
        unnumbered = row["issue_ordinal"] is None
        unnamed = row["document_id"] is None
        ordinal_wanted = (
            await ordinal_request(context, row["sender"], dated, names=unnamed)
            if unnumbered
            else Ordinal()
        )

        def rows(taken: Mapping[str, int]) -> Sequence[Change]:
            year, ordinal = row["issue_year"], row["issue_ordinal"]
            if "ordinal" in taken and dated is not None:
                year, ordinal = dated.year, taken["ordinal"]
            document_id, final = row["document_id"], envelope
            if document_id is None and ordinal is not None:
                document_id = render_ordinal_id(row["sender"], year, ordinal)
                header = replace(envelope.header, document_id=document_id)
                final = replace(envelope, header=header)
            columns = {
                "state": ConsignmentState.RELEASED.value,
                "verdict": verdicts.verdict.value,
                "legal_class": legal_class_of(verdicts, envelope, row["sender"]),
                "findings": dumps([finding_json(f) for f in findings]),
                "document_id": document_id,
                "scans": scanning.kept(verdicts),
                "envelope": dumps(envelope_to_json(final)),
                "issue_year": year,
                "issue_ordinal": ordinal,
                "issued_at": to_text(now),
            }
            changes: list[Change] = [Update("consignment", _as_read(row), columns), *verdicts.rows]
            changes += undetermined.watch(context, "consignment", row["id"], verdicts, now)
            changes += self._let_go(transfers, document_id or "")
            changes += self._proof(row, document_id or "", year, ordinal, verdicts, now)
            return changes

        faults.reach("issue.before-commit")
        change = ChangeSet(guards=ordinal_wanted.guards, numbers=ordinal_wanted.numbers, then=rows)
        if isinstance(await context.ledger.commit(change), Conflict):
            return False
        faults.reach("issue.after-commit")
        observe.document_numbered(
            consignment_id=row["id"],
            waited_s=(now - from_text(row["accepted_at"])).total_seconds(),
        )
        # Recipients may have answered already: after a restoration they had it from a former life.
        await tracking.close_if_settled(context, row["id"])
        return True

    def _let_go(self, transfers: Sequence[Row], document_id: str) -> list[Change]:
        changes: list[Change] = []
        for transfer in transfers:
            if transfer["state"] == TransferState.WAITING:
                free = {"hold": "", "document_id": document_id}
                changes.append(Update("transfer", {"id": transfer["id"]}, free))
                changes.append(wake(owed_to(transfer["hop"]), transfer["id"], transfer["lane"]))
        return changes

    def _proof(  # noqa: PLR0917
        self,
        row: Row,
        document_id: str,
        year: int | None,
        ordinal: int | None,
        verdicts: Verdicts,
        now: datetime,
    ) -> list[Change]:
        taken = ordinal is not None and row["issue_ordinal"] is None
        proof = entry(
            self._context.ids,
            "numbered" if taken else "released",
            row["id"],
            document_id,
            now,
            consignment_id=row["id"],
            issue_year=year,
            issue_ordinal=ordinal,
            verdict=verdicts.verdict.value,
            reports=list(verdicts.named) or None,
            clock=clockwatch.mark(self._context),
        )
        changes: list[Change] = [proof.row]
        if taken:
            changes.append(event(row["id"], "numbered", now, ordinal=ordinal))
        changes.append(event(row["id"], "released", now))
        return changes

    async def _refuse(
        self, row: Row, verdicts: Verdicts, findings: tuple[Finding, ...], now: datetime
    ) -> bool:
        bad = errors(findings)
        rules = sorted({f.rule for f in bad})
        columns = {
            "state": ConsignmentState.REFUSED.value,
            "verdict": verdicts.verdict.value,
            "findings": dumps([finding_json(f) for f in findings]),
            "scans": scanning.kept(verdicts),
            "reason": "; ".join(f.vi for f in bad)[:500],
        }
        if not await self._end(row, columns, "refused", rules, now, verdicts.rows, verdicts.named):
            return False
        observe.document_refused(
            system_id=row["system_id"],
            via=row["via"],
            reason="rules-broken" if "FMT-14" in rules else "signature-invalid",
            rules=rules,
            consignment_id=row["id"],
        )
        return True

    async def _shut_away(self, row: Row, findings: tuple[Finding, ...], now: datetime) -> bool:
        columns = {"state": ConsignmentState.QUARANTINED.value, "reason": quarantine.REASON}
        stub = quarantine.stub(
            self._context,
            row["id"],
            "consignment",
            row["sender"],
            row["document_id"] or "",
            row["received_sha256"],
            now,
        )
        rules = sorted({f.rule for f in errors(findings)})
        if not await self._end(row, columns, "quarantined", rules, now, tuple(stub)):
            return False
        observe.quarantined(consignment_id=row["id"], reason="SEC-01")
        return True

    async def _end(  # noqa: PLR0917
        self,
        row: Row,
        columns: Mapping[str, object],
        kind: str,
        rules: list[str],
        now: datetime,
        more: Sequence[Change],
        named: Sequence[Mapping[str, str]] = (),
    ) -> bool:
        """Nothing of it left or will leave: deliveries and transfers are cancelled."""
        waiting = (DeliveryState.PENDING.value, DeliveryState.NOT_CONNECTED.value)
        of_it = {"consignment_id": row["id"]}
        changes: list[Change] = [
            Update("consignment", _as_read(row), columns),
            Update(
                "transfer",
                of_it | {"state": TransferState.WAITING.value},
                {"state": TransferState.CANCELLED.value, "reason": kind},
                expect=None,
            ),
            Update(
                "delivery",
                of_it | {"state": waiting},
                {"state": DeliveryState.CANCELLED.value, "reason": kind},
                expect=None,
            ),
            event(row["id"], kind, now, rules=rules),
            *more,
        ]
        if kind == "refused":
            changes.append(
                entry(
                    self._context.ids,
                    "refused",
                    row["id"],
                    row["document_id"] or "",
                    now,
                    consignment_id=row["id"],
                    rules=rules,
                    reason="rules-broken",
                    reports=list(named) or None,
                ).row
            )
        result = await self._context.ledger.commit(ChangeSet(rows=tuple(changes)))
        return not isinstance(result, Conflict)


def _as_read(row: Row) -> dict[str, object]:
    """Return the condition that nobody touched a consignment since it was read.

    Added recipients come with a receipt of their own.
    """
    return {k: row[k] for k in ("id", "state", "hold", "receipt")}
