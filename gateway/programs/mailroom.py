"""mailroom: status reports find their way, whoever sends them and wherever they go.

A report is about a document we relayed (a delivery), one we received (an arrival), or one neither
of us knows; it is kept and passed on in every case. The change set is built from facts read before
and is refused when they changed meanwhile; then it is built again. A crash leaves the report as it
came in: the peer or the agency's system sends it again, and a repeat has no second effect.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway import faults, observe
from gateway.domain.arrival import gives_arrival_number, report_status
from gateway.domain.envelope import BusinessType, StaffInfo, StatusCode, StatusReport
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.moments import from_text, to_text
from gateway.domain.numbering import arrival_counter
from gateway.domain.receipt import MAX_REASON_LENGTH, known_code, needs_reason
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import (
    Absent,
    Caller,
    Change,
    ChangeSet,
    Conflict,
    Insert,
    NextNumber,
    Row,
    Update,
)
from gateway.programs import (
    ahead,
    incoming,
    matching,
    recalls,
    statuses,
    takebacks,
    tracking,
    undetermined,
)
from gateway.programs.catalogue import Who, whois, works_in_console
from gateway.programs.context import Context
from gateway.programs.incoming import report_row
from gateway.programs.recalls import BY_STATUS, Asked
from gateway.programs.routing import LOCAL
from gateway.programs.rows import entry, event, keep
from gateway.programs.statuses import Said
from gateway.programs.takebacks import Also, Only, Takebacks
from gateway.programs.undetermined import Decision

_RACES = 8
# A key no client can send: header values hold no control characters.
_STATUS_KEY = "\x1fstatus:"


@dataclass(frozen=True, slots=True)
class _Built:
    """A change set built from facts read before, and what is told about it afterwards.

    `asked` is the arrival that somebody asked back.
    """

    change: ChangeSet
    report_id: str = ""
    consignment_id: str | None = None
    asked: str = ""


class Mailroom:
    """Routes status reports; keeps nothing of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.takebacks = Takebacks(context, self._decided)

    async def _commit(self, build: Callable[[], Awaitable[_Built | str]]) -> str:
        """Build and commit until nothing changed in between; a text is an answer already there."""
        for _ in range(_RACES):
            built = await build()
            if isinstance(built, str):
                return built
            faults.reach("mailroom.before-commit")
            result = await self._context.ledger.commit(built.change)
            if not isinstance(result, Conflict):
                faults.reach("mailroom.after-commit")
                await self.close_if_settled(built.consignment_id)
                if built.asked:
                    await self.takebacks.look_at(built.asked)
                return built.report_id
        raise UnavailableError(public="the document is being changed by others", retry_after_s=1)

    # ------------------------------------------------------------ from outside

    async def from_peer(self, report: StatusReport, inbound: Row) -> None:
        """Take a report a peer gave us, together with the end of its inbound row."""
        context = self._context

        async def build() -> _Built | str:
            row = await context.ledger.one("inbound", id=inbound["id"])
            if row is None or row["state"] != "received":
                return ""
            now = context.clock.now()
            mail = await incoming.sort(context, report, row, now)
            done = Update("inbound", {"id": row["id"], "state": "received"}, {"state": mail.state})
            change = ChangeSet(rows=(done, *mail.changes))
            return _Built(change, mail.report_id, mail.consignment_id, mail.asked)

        report_id = await self._commit(build)
        observe.status_received(
            status_id=report_id,
            code=report.code[:20],
            peer=inbound["peer"],
            matched=bool(report_id),
        )

    # ------------------------------------------------------------ from our own systems

    async def from_system(
        self,
        caller: Caller,
        report: StatusReport,
        sha256: str,
        *,
        declared_from: str | None = None,
    ) -> str:
        """Take an edXML status of one of the caller's agencies; return the report's id.

        The same bytes again get the same id and have no second effect.

        Raises:
            RejectedError: Not the caller's agency, no reason where one is needed, a step the state
                forbids, an addressee nobody can reach.
        """
        context = self._context
        sender = self._own(caller, report.sender.organ_id)
        if declared_from is not None:
            self._own(caller, declared_from)
        if needs_reason(report.code) and not report.description.strip():
            raise RejectedError(Reason.BAD_REQUEST, f"status {report.code} needs a reason")
        if len(report.description) > MAX_REASON_LENGTH:
            raise RejectedError(
                Reason.BAD_REQUEST, f"the reason is longer than {MAX_REASON_LENGTH} characters"
            )
        target = whois(context, report.response_for.organ_id)
        key = {"system_id": caller.system_id, "key": f"{_STATUS_KEY}{sha256}"}

        async def build() -> _Built | str:
            known = await context.ledger.one("idempotency", **key)
            if known is not None:
                return str(known["consignment_id"])
            now = context.clock.now()
            # An old client has only its description: what it takes is recorded all the same.
            person = report.staff.staff if report.staff is not None else ""
            decision = Decision(report.description, person, caller.system_id)
            built = await self._from_system(report, sender, target, sha256, now, decision)
            used = key | {
                "body_sha256": sha256,
                "consignment_id": built.report_id,
                "created_at": to_text(now),
            }
            rows = (*built.change.rows, Insert("idempotency", used), keep(sha256, built.report_id))
            return replace(built, change=replace(built.change, rows=rows))

        return await self._commit(build)

    def _own(self, caller: Caller, written: str) -> Who:
        who = whois(self._context, written)
        if caller.speaks_for.isdisjoint({who.canonical, who.successor} - {""}):
            raise RejectedError(
                Reason.SENDER_NOT_CALLER,
                f"sender {written[:40]!r} is not an agency that {caller.system_id} speaks for",
            )
        return who

    async def _from_system(  # noqa: PLR0917
        self,
        report: StatusReport,
        sender: Who,
        target: Who,
        sha256: str,
        now: datetime,
        decision: Decision,
    ) -> _Built:
        context = self._context
        if known_code(report.code) is StatusCode.RECALL_ASKED:
            return await self._recall(report, sender, target, sha256, now)
        arrival = await matching.arrival_of(
            context, report.response_for, agency=sender, issuer=target, code=report.code
        )
        if arrival is None:
            return self._forward(report, sender, target, sha256, now)
        if arrival["state"] == ArrivalState.QUARANTINED.value:
            # SEC-01: what is in quarantine is offered to nobody, and nobody answers it.
            raise RejectedError(Reason.NOT_FOUND)
        if recalls.is_answer(report.code):
            arrival = await takebacks.asked_about(context, arrival)
        known = known_code(report.code)
        code = known.value if known is not None else report.code[:20]
        said = Said(code, report.description, report.at or now, report.staff, sha256)
        return await self._report(arrival, said, now, decision)

    async def _recall(
        self, report: StatusReport, issuer: Who, recipient: Who, sha256: str, now: datetime
    ) -> _Built:
        """REC-07: 13 asks one recipient to give a document back."""
        context = self._context
        delivery = await matching.delivery_of(
            context, report.response_for, issuer=issuer, recipient=recipient
        )
        if delivery is None:
            await self._must_be_its_own(report, issuer, recipient)
            return await self._recall_unknown(report, issuer, recipient, sha256, now)
        delivery = await recalls.asked_for(context, delivery)
        asked, left = await recalls.ask_for(context, delivery, report.description, now)
        if not asked:
            earlier = await self._earlier_recall(delivery)
            if earlier:
                return _Built(ChangeSet(), earlier, delivery["consignment_id"])
        links = {"consignment_id": delivery["consignment_id"], "delivery_id": delivery["id"]}
        if not report.response_for.document_id.strip():
            # Its sender may have been answered before the identifier was fixed; who is asked finds
            # the document by it.
            links["document_id"] = delivery["document_id"] or ""
        arrival = await context.ledger.one("arrival_of_delivery", delivery_id=delivery["id"])
        hop = delivery["hop"] if left else None
        report = replace(report, at=recalls.said_at(report.at, left, now))
        if arrival is not None:
            # Who decides is looked at afterwards: the agency's system hears of it if it has to.
            links |= {"arrival_id": arrival["id"], "id": context.ids.new()}
            wish = Asked(BY_STATUS, links["id"], report.description)
            asked += await takebacks.noticed(context, arrival, wish, now)
            hop = None
        built = self._forward(
            report, issuer, recipient, sha256, now, also=asked, links=links, hop=hop
        )
        return replace(built, asked=arrival["id"] if arrival is not None else "")

    async def _recall_unknown(
        self, report: StatusReport, issuer: Who, recipient: Who, sha256: str, now: datetime
    ) -> _Built:
        """Bring on a 13 about what was not sent through this gateway.

        Sent before it was there, or by another way: the recipient decides; for one that works in
        our console we look, and answer 16 where there is nothing (REC-01).
        """
        context = self._context
        if not recipient.is_local:
            return self._forward(report, issuer, recipient, sha256, now)
        waits = works_in_console(context, recipient.canonical)
        links = {"id": context.ids.new()}
        question, asked = await ahead.noticed(
            context,
            recipient.canonical,
            issuer.canonical,
            report.response_for.document_id,
            Asked(BY_STATUS, links["id"], report.description),
            now,
            waits=waits,
        )
        hop = None if waits else ""
        built = self._forward(
            report, issuer, recipient, sha256, now, also=question, links=links, hop=hop
        )
        return replace(built, asked=asked if waits else "")

    async def _must_be_its_own(self, report: StatusReport, issuer: Who, recipient: Who) -> None:
        about = report.response_for.document_id
        own, asking = recipient.canonical, issuer.canonical
        other = await takebacks.of_others(self._context, own, asking, about)
        if other is None:
            other = await recalls.sent_by_others(self._context, own, asking, about)
        if other is not None:
            # REC-06: only the original sender, never another agency.
            observe.alarm(what="recall by another agency refused", subject=other["id"])
            raise RejectedError(
                Reason.SENDER_NOT_CALLER, "only who sent a document may take it back"
            )

    async def _earlier_recall(self, delivery: Row) -> str:
        rows = await self._context.ledger.all(
            "statuses_of_delivery",
            consignment_id=delivery["consignment_id"],
            delivery_id=delivery["id"],
        )
        asked = [r["id"] for r in rows if r["code"] == StatusCode.RECALL_ASKED.value]
        return asked[-1] if asked else ""

    def _forward(
        self,
        report: StatusReport,
        sender: Who,
        target: Who,
        sha256: str,
        now: datetime,
        *,
        also: Sequence[Change] = (),
        links: dict[str, Any] | None = None,
        hop: str | None = "",
    ) -> _Built:
        """Pass a report on to where its addressee is reached; `hop` None keeps it here."""
        context = self._context
        row = report_row(context, report, sender, target, LOCAL, sha256, now) | (links or {})
        if hop == "":
            hop = incoming.mailbox(context, target, row)
            if not hop:
                raise RejectedError(
                    target.problem or Reason.RECIPIENT_UNKNOWN,
                    f"the report's addressee {target.written[:40]!r} cannot be reached",
                )
        if hop == LOCAL:
            row["offered_at"] = to_text(now)
        changes: list[Change] = [*also, Insert("status_report", row)]
        if hop is None or hop == LOCAL:
            changes.append(statuses.status_entry(context, row, now))
        else:
            changes += statuses.status_transfer(context, row, hop, now)
        changes.append(event(row["id"], "forwarded", now, code=row["code"]))
        if hop == LOCAL:
            changes.append(statuses.offered_event(row, now))
        return _Built(ChangeSet(rows=tuple(changes)), row["id"], row["consignment_id"])

    # ------------------------------------------------------------ one arrival

    async def on_arrival(
        self,
        arrival_id: str,
        code: str,
        reason: str,
        *,
        staff: StaffInfo | None = None,
        decision: Decision = Decision(),  # noqa: B008 - frozen
        also: Also | None = None,
        still: str = "",
        only: Only = Only(),  # noqa: B008 - frozen
    ) -> Row:
        """Report a status on an arrival; return the arrival as it is after.

        Args:
            arrival_id: Which.
            code: `01`…`06`, `15` or `16`.
            reason: Its text.
            staff: The person acting, as the sender is told.
            decision: Why a document is taken before its verdict is final (F09), and by whom.
            also: Returns more rows of the same commit, from the arrival as it is now; what it
                raises stops the report.
            still: State that what is reported on must be in, "" for any.
            only: Which of the documents that the arrival asks for this is about.

        Raises:
            RejectedError: The state forbids it, the code is none an agency reports, no reason, or
                an undetermined document is taken without one.
        """

        async def build() -> _Built:
            arrival = await self._must(arrival_id)
            reported = report_status(ArrivalState(arrival["state"]), code, reason)
            now = self._context.clock.now()
            undetermined.must_be_reasoned(arrival, reported.code.value, decision)
            said = Said(reported.code.value, reason, now, staff)
            more = also(arrival, now) if also is not None else ()
            built = await self._report(arrival, said, now, decision, still, only)
            return replace(built, change=replace(built.change, rows=(*built.change.rows, *more)))

        await self._commit(build)
        return await self._must(arrival_id)

    async def _decided(  # noqa: PLR0917
        self,
        arrival_id: str,
        code: str,
        reason: str,
        decision: Decision,
        still: str,
        also: Also | None,
        only: Only,
    ) -> Row:
        return await self.on_arrival(
            arrival_id, code, reason, decision=decision, still=still, also=also, only=only
        )

    async def _report(  # noqa: PLR0917
        self,
        arrival: Row,
        said: Said,
        now: datetime,
        decision: Decision,
        still: str = "",
        only: Only = Only(),  # noqa: B008 - frozen
    ) -> _Built:
        """Build one status of an agency on its arrival."""
        context = self._context
        if known_code(said.code) is not None:
            report_status(ArrivalState(arrival["state"]), said.code, said.reason)
        names = recalls.several(arrival) if recalls.is_answer(said.code) else ()
        if names:
            return await self._severally(arrival, said, now, decision, still, names, only)
        about = await self._about(arrival, said.code, only)
        subject = about or arrival
        if still and subject["state"] != still:
            raise RejectedError(Reason.CONFLICT, f"the document is {subject['state']} by now")
        recalls_it = arrival["business_type"] == BusinessType.RECALL and subject is not arrival
        if about is not None and not recalls_it:
            # Asked back under the identifier its update bears too: that is answered first.
            recalls_it = await takebacks.waits_under(context, subject, arrival)
            by_name = False
        else:
            by_name = recalls_it
        gives_back = about is None or recalls_it
        given = [subject] if gives_back else []
        if gives_back:
            given += await takebacks.versions(context, subject, by_name=by_name)
        if gives_back and decision.system_id != takebacks.GATEWAY:
            known = {row["id"] for row in given}
            beside = await takebacks.asked_beside(context, subject, said.code)
            given += [row for row in beside if row["id"] not in known]
        guards = await self._not_kept(given, said.code)
        named = recalls.as_named(arrival) if about is arrival else about
        # REC-01: what was given back is not kept any more, whoever says 16 after the 15.
        gone = subject["state"] == ArrivalState.RECALLED.value
        heard = not gone or known_code(said.code) is not StatusCode.RECALL_DECLINED
        changes = statuses.report_on(context, arrival, said, now, about=named, heard=heard)
        if recalls_it:
            changes += self._taken_back(subject, said, now)
        if gives_back and recalls.is_answer(said.code):
            by = decision.by or decision.system_id
            changes += takebacks.answered(context, subject, said, by, now)
            changes += await self._given_back(given, said, by, now)
        changes += undetermined.taken(context, arrival, said.code, decision, now)
        entered = any("entered_system_at" in c.values for c in changes if isinstance(c, Update))
        changes += await self._mirror(about or arrival, said, now, entered=entered, given=given)
        number = self._number(arrival, said.code, now)
        change = ChangeSet(
            rows=tuple(changes),
            guards=guards,
            numbers=number,
            then=numbering(context, arrival, number, now) if number else None,
        )
        report_id = _told(changes) or await self._said_before(arrival, said.code)
        return _Built(change, report_id, (about or arrival)["consignment_id"])

    async def _severally(  # noqa: PLR0917
        self,
        arrival: Row,
        said: Said,
        now: datetime,
        decision: Decision,
        still: str,
        names: Sequence[str],
        only: Only,
    ) -> _Built:
        """Build 15 or 16 to a message that asks for several documents (REC-01, REC-05).

        Answered as a whole, the answer is given once for each that has none yet; `only` one,
        for that one alone. What is here bears the mark of its own answer.
        """
        context = self._context
        one_only = only.name in names
        changes = statuses.answering(arrival, said, now, whole=not one_only)
        guards: list[Absent] = []
        again = not one_only and statuses.is_said(arrival, said.code)
        agreed = known_code(said.code) is StatusCode.RECALL_AGREED
        for one in () if again else (only.name,) if one_only else names:
            subject = await self._asked_for(arrival, one, only)
            given: list[Row] = []
            if subject is None:
                changes += statuses.tell(context, recalls.as_named(arrival, one), said, now)
            elif statuses.is_said(subject, said.code):
                continue
            elif still and subject["state"] != still:
                raise RejectedError(Reason.CONFLICT, f"the document is {subject['state']} by now")
            else:
                given = [subject, *await takebacks.versions(context, subject, by_name=True)]
                guards += await self._not_kept(given, said.code)
                by = decision.by or decision.system_id
                changes += statuses.marked(subject, said.code)
                if agreed or subject["state"] != ArrivalState.RECALLED.value:
                    changes += statuses.tell(context, subject, said, now)
                changes += self._taken_back(subject, said, now)
                changes += takebacks.answered(context, subject, said, by, now)
                changes += await self._given_back(given, said, by, now) if agreed else []
            changes += await self._mirror(subject or arrival, said, now, name=one, given=given)
        report_id = _told(changes) or await self._said_before(arrival, said.code)
        change = ChangeSet(rows=tuple(changes), guards=tuple(guards))
        return _Built(change, report_id, arrival["consignment_id"])

    async def _asked_for(self, arrival: Row, name: str, only: Only) -> Row | None:
        """Return the version of a document that the question was about, or the newest."""
        if only.arrival_id:
            return await self._must(only.arrival_id)
        found = await recalls.arrival_named(self._context, arrival, name)
        return found and await takebacks.still_here(self._context, found)

    async def _about(self, arrival: Row, code: str, only: Only) -> Row | None:
        """Return the arrival whose change a 15 or 16 answers; None for a document asked back.

        C5: to a recall, update or replacement it is about the document concerned. Where that is
        not here the message was answered and stays what it is: agreeing to an update takes nothing
        back. One that is itself asked back is answered for itself (REC-01).
        """
        kind = arrival["business_type"]
        if not kind or not recalls.is_answer(code):
            return None
        if kind == BusinessType.RECALL and only.arrival_id not in {"", arrival["id"]}:
            return await self._must(only.arrival_id)
        if kind != BusinessType.RECALL:
            asked = await self._context.ledger.one("takeback_of", arrival_id=arrival["id"])
            if asked is not None:
                return None
        concerned = await recalls.concerned_arrival(self._context, arrival)
        if concerned is not None and kind == BusinessType.RECALL:
            concerned = await takebacks.still_here(self._context, concerned)
        return concerned or arrival

    async def _given_back(
        self, given: Sequence[Row], said: Said, by: str, now: datetime
    ) -> list[Change]:
        """REC-01: return what giving back leaves to do; earlier versions go with the newest.

        Kept, they are kept all together.
        """
        agreed = known_code(said.code) is StatusCode.RECALL_AGREED
        changes: list[Change] = []
        for n, row in enumerate(given):
            if n:
                changes += self._taken_back(row, said, now)
                changes += takebacks.answered(self._context, row, said, by, now)
            if agreed and row["state"] != ArrivalState.RECALLED.value:
                changes += await takebacks.chores(self._context, row, now)
        return changes

    async def _not_kept(self, given: Sequence[Row], code: str) -> tuple[Absent, ...]:
        """REC-08: return the guards that nobody holds what is given back.

        A hold on what was given back before keeps its content, and takes no answer back.

        Raises:
            RejectedError: CONFLICT, somebody does.
        """
        if known_code(code) is not StatusCode.RECALL_AGREED:
            return ()
        goes = [row["id"] for row in given if row["state"] not in takebacks.GONE]
        for name in goes:
            hold = await takebacks.held(self._context, name)
            if hold is not None:
                raise RejectedError(Reason.CONFLICT, f"kept by law: {hold['reason'][:200]}")
        return tuple(Absent("legal_hold", {"subject": name, "released_at": None}) for name in goes)

    def _taken_back(self, about: Row, said: Said, now: datetime) -> list[Change]:
        """REC-01: agreeing to a recall by document takes the recalled document back."""
        state = ArrivalState(about["state"])
        if known_code(said.code) is not StatusCode.RECALL_AGREED or not incoming.recallable(state):
            return []
        where = {"id": about["id"], "state": state.value}
        return [
            Update("arrival", where, {"state": ArrivalState.RECALLED.value}),
            event(about["id"], "status", now, code=said.code, moved=True, sent=True),
        ]

    async def _said_before(self, arrival: Row, code: str) -> str:
        rows = await self._context.ledger.all("statuses_of_arrival", arrival_id=arrival["id"])
        same = [r["id"] for r in rows if r["code"] == code and r["sender"] == arrival["agency"]]
        return str(same[0] if same else arrival["id"])

    def _number(self, arrival: Row, code: str, now: datetime) -> tuple[NextNumber, ...]:
        # DID-04 (NĐ30 art 22.2): số đến is given on acceptance, only where our console keeps the
        # register; an agency with a system of its own reports its own.
        known = known_code(code)
        console = works_in_console(self._context, arrival["agency"])
        already = arrival["arrival_number"]
        if known is None or not gives_arrival_number(known, console=console, already=already):
            return ()
        if self._context.restored:
            # DID-04: the counter may be behind numbers given after the backup.
            raise UnavailableError(public="restored from a backup and not released yet")
        key = arrival_counter(arrival["agency"], now)
        return (NextNumber("arrival", key.agency, key.year, key.series),)

    async def confirm(self, arrival_id: str, *, by: str) -> Row:
        """Record that the agency's system has the document; safe to repeat."""
        context = self._context
        waited_s = 0.0

        async def build() -> _Built | str:
            nonlocal waited_s
            arrival = await self._must(arrival_id)
            if arrival["entered_system_at"] is not None:
                return arrival_id
            now = context.clock.now()
            if arrival["state"] == ArrivalState.RECALLED.value:
                return await self._too_late(arrival, now)
            waited_s = (now - from_text(arrival["at_gateway_at"])).total_seconds()
            changes = statuses.take(context, arrival, now, source=by)
            changes += await self._mirror(arrival, Said(StatusCode.ARRIVED.value, "", now), now)
            return _Built(ChangeSet(rows=tuple(changes)), "", arrival["consignment_id"])

        if not await self._commit(build):
            agency = (await self._must(arrival_id))["agency"]
            observe.arrival_taken(arrival_id=arrival_id, agency=agency, waited_s=waited_s)
        return await self._must(arrival_id)

    async def _too_late(self, arrival: Row, now: datetime) -> _Built | str:
        """A system confirms what was withdrawn: it had fetched it, so it must hear of the 13.

        Nothing entered: 15 said that it never did.
        """
        row = await self._context.ledger.one("takeback_of", arrival_id=arrival["id"])
        told = await self.takebacks.offered(row, now) if row is not None else []
        if not told:
            return str(arrival["id"])
        told.append(event(arrival["id"], "confirmed_after_recall", now))
        return _Built(ChangeSet(rows=tuple(told)), str(arrival["id"]))

    async def _mirror(
        self,
        arrival: Row,
        said: Said,
        now: datetime,
        *,
        entered: bool = False,
        name: str = "",
        given: Sequence[Row] = (),
    ) -> list[Change]:
        """Move the sender's delivery too when the sender is of this gateway.

        What is `given` back is known here, not only its identifier.
        """
        context = self._context
        if arrival["delivery_id"] is None:
            return []
        delivery = await context.ledger.one("delivery_whole", id=arrival["delivery_id"])
        if delivery is None:
            return []
        if recalls.is_answer(said.code):
            facts = (said.code, now, said.reason, now)
            rows = [
                await context.ledger.one("delivery_whole", id=row["delivery_id"])
                for row in given
                if row["delivery_id"] is not None
            ]
            if given:
                whole = [r for r in rows if r]
                whole += await recalls.returned_meanwhile(context, whole)
                return await recalls.given_back(context, whole, *facts)
            return await recalls.answered(context, delivery, *facts, name=name)
        return await tracking.move(
            context, delivery, said.code, now, said.reason, now, entered=entered
        )

    async def note_failure(self, arrival_id: str, note: str) -> None:
        """Record that the agency's system could not use what it fetched; it stays offered."""
        now = self._context.clock.now()
        row = event(arrival_id, "not_usable", now, note=note[:200])
        await self._context.ledger.commit(ChangeSet(rows=(row,)))
        observe.alarm(what="system could not use a document", subject=arrival_id)

    async def take_status(self, status_id: str) -> None:
        """Record that a status report was fetched; safe to repeat."""
        now = self._context.clock.now()
        where = {"id": status_id, "taken_at": None}
        change = Update("status_report", where, {"taken_at": to_text(now)}, expect=None)
        await self._context.ledger.commit(ChangeSet(rows=(change,)))

    async def close_if_settled(self, consignment_id: str | None) -> None:
        """Close a consignment when every delivery of it is settled; safe to repeat."""
        await tracking.close_if_settled(self._context, consignment_id)

    async def _must(self, arrival_id: str) -> Row:
        row = await self._context.ledger.one("arrival", id=arrival_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return row


def _told(changes: Sequence[Change]) -> str:
    """Return the id of the last report a change set sends, "" when it sends none."""
    ids = [c.values["id"] for c in changes if isinstance(c, Insert) and c.table == "status_report"]
    return str(ids[-1]) if ids else ""


def numbering(
    context: Context, arrival: Row, numbered: tuple[NextNumber, ...], now: datetime
) -> Any:
    """Return what writes an arrival's number once it is taken (DID-04)."""
    counter = numbered[0]

    def rows(numbers: Any) -> list[Change]:
        number = numbers["arrival"]
        columns = {"arrival_year": counter.year, "arrival_number": number}
        where = {"id": arrival["id"], "arrival_number": None}
        # DID-04: the log's word, kept by others too, moves the counter of a restored gateway past
        # every number that was given.
        proof = entry(
            context.ids,
            "audit",
            arrival["id"],
            arrival["document_id"],
            now,
            action="arrival-numbered",
            actor=arrival["agency"],
            target=f"counter:{counter.agency}/{counter.year}/{counter.series}",
            arrival_id=arrival["id"],
            value=number,
        )
        return [
            Update("arrival", where, columns),
            event(arrival["id"], "registered", now, number=number),
            proof.row,
        ]

    return rows
