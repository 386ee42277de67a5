"""Taking back in a simulated world: who asks for a document, in which way, and who answers how.

Everybody asks until there is an answer. A system gives back what it has, unless the law keeps it,
and says of the rest that it has none; strangers must get nothing.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

from adapters.simulator import packets
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Caller, SubmitOptions
from tests.simulation import recalled
from tests.simulation.axis import Seen, head_of, read
from tests.simulation.letters import DAY, chunks, identifier, notice_of, number
from tests.simulation.plan import LEGACY, OUTSIDE, Act, Doc

WHY = "ban hanh nham"
KEPT = "dang thanh tra"
UNKNOWN = "khong co van ban nay"
_PATIENCE_S = 20
_FOREVER_S = 0.0


class LostError(Exception):
    """A client heard nothing."""


@dataclass
class _Item:
    """One version of a document that an agency's system has."""

    id: str
    n: int
    sent_off_at: str
    answered: bool = False


class Recalls:
    """See the module.

    Args:
        world: Where it happens.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.asked: defaultdict[int, set[str]] = defaultdict(set)
        self.items: defaultdict[tuple[str, str], list[_Item]] = defaultdict(list)
        self.notices: dict[int, bytes] = {}
        self._keeps: dict[str, bool] = {}
        self._ways: dict[str, Callable[[Act], Awaitable[None]]] = {
            "order": self._order,
            "13": self._thirteen,
            "notice": self._notice,
            "stranger": self._stranger,
            "unknown": self._unknown,
            "law": self._law,
            "purge": self._purge,
        }

    def knows(self, act: Act) -> bool:
        """Tell whether an act is done here, and there is something to do it to."""
        return act.kind in self._ways and (not act.n or act.n in self._world.docs)

    async def act(self, act: Act) -> None:
        """Do it, as often as planned."""
        world = self._world
        world.owed["acts"] += 1
        await asyncio.sleep(act.at)
        for _ in range(act.times):
            await self._ways[act.kind](act)
            await asyncio.sleep(world.random.uniform(0.5, 5.0))
        world.owed["acts"] -= 1

    async def until_heard(self, house: Any, request: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask until there is an answer; a refusal is one."""
        while True:
            try:
                return await self._world.call(house, request)
            except (LostError, UnavailableError):
                await asyncio.sleep(self._world.random.uniform(1.0, 4.0))
            except RejectedError as exc:
                return exc

    # ------------------------------------------------------------ asking

    def _noted(self, act: Act, doc: Doc) -> None:
        whole = recalled.versions(self._world, doc) if act.kind == "order" else [doc]
        codes = act.of or [code for one in whole for code in (*one.to, *one.more)]
        self.asked[doc.n] |= {LEGACY.get(code, code) for code in codes}
        self._world.counts[f"recall {act.kind}"] += 1

    async def _answer_to(self, doc: Doc) -> Any:
        """Return what its sender was answered, once it was; {} when it never is."""
        world = self._world
        for _ in range(_PATIENCE_S):
            if doc.n in world.watch.answers:
                return json.loads(world.watch.answers[doc.n])
            if doc.n in world.sent_outside:
                return {"document_id": identifier(doc) if doc.named else ""}
            await asyncio.sleep(1.0)
        return {}

    async def _order(self, act: Act) -> None:
        world, doc = self._world, self._world.docs[act.n]
        if doc.sender == OUTSIDE:  # it has no gateway of ours: it asks everybody
            await self._thirteen(act)
            return
        answer = await self._answer_to(doc)
        if not answer:
            return
        caller = Caller(f"sys-{doc.sender}", frozenset({doc.sender}))
        self._noted(act, doc)
        world.say(f"{doc.sender} takes document {doc.n} back from {act.of or 'all'}")
        done = await self.until_heard(
            world.house_of(doc.sender),
            lambda made: made["recalls"].by_system(caller, answer["id"], act.of, WHY),
        )
        if isinstance(done, RejectedError):
            world.say(f"document {doc.n} cannot be taken back: {done.reason.value}")
            lawful = {Reason.ILLEGAL_TRANSITION} | ({Reason.NOT_FOUND} if doc.secret else set())
            if done.reason not in lawful:
                world.watch.violate("recall", f"order of document {doc.n}: {done}")

    async def _thirteen(self, act: Act) -> None:
        doc = self._world.docs[act.n]
        answer = await self._answer_to(doc)
        if not answer:
            return
        self._noted(act, doc)
        for code in act.of or doc.to:
            await self._say_13(doc.sender, code, doc, answer.get("document_id") or "")

    async def _say_13(self, issuer: str, code: str, doc: Doc, document_id: str) -> None:
        """Ask one recipient, as the issuer's system does."""
        world = self._world
        data = packets.status_packet(
            packets.Head(code, (), document_id, f"{number(doc)}/VP", DAY),
            sender=issuer,
            sender_name=issuer,
            code="13",
            description=WHY,
            at=world.true_time(),
        )
        world.say(f"{issuer} asks {code} for document {doc.n}")
        if issuer == OUTSIDE:
            if code != OUTSIDE:
                world.carry(data)
            return
        caller = Caller(f"sys-{issuer}", frozenset({issuer}))
        done = await self.until_heard(
            world.house_of(issuer),
            lambda made: made["door"].report(caller, chunks(data), SubmitOptions(via="vxp")),
        )
        if isinstance(done, RejectedError):
            world.say(f"{issuer} may not ask {code}: {done.reason.value}")

    async def _notice(self, act: Act) -> None:
        world, doc = self._world, self._world.docs[act.n]
        answer = await self._answer_to(doc)
        if not answer or not doc.named:  # what it takes back is named by its identifier
            return
        self._noted(act, doc)
        data = self.notices.setdefault(doc.n, notice_of(doc, world.true_time()))
        world.say(f"{doc.sender} sends a document that takes document {doc.n} back")
        if doc.sender == OUTSIDE:
            world.axis.take(data)
            return
        caller = Caller(f"sys-{doc.sender}", frozenset({doc.sender}))
        options = SubmitOptions(idempotency_key=f"recall-{doc.n}")
        done = await self.until_heard(
            world.house_of(doc.sender),
            lambda made: made["door"].submit(caller, chunks(data), options),
        )
        if isinstance(done, RejectedError):
            world.say(f"it is refused: {done.reason.value} {[f.rule for f in done.findings]}")

    async def _stranger(self, act: Act) -> None:
        """REC-06: who did not send it gets nothing, in whatever way it asks."""
        world, doc = self._world, self._world.docs[act.n]
        answer = await self._answer_to(doc)
        if not answer:
            return
        world.counts["recall stranger"] += 1
        document_id = answer.get("document_id") or ""
        for code in act.of:
            await self._say_13(act.who, code, doc, document_id)
        if act.who == OUTSIDE or "id" not in answer:
            return
        caller = Caller(f"sys-{act.who}", frozenset({act.who}))
        done = await self.until_heard(
            world.house_of(act.who),
            lambda made: made["recalls"].by_system(caller, answer["id"], (), WHY),
        )
        if not isinstance(done, RejectedError) or done.reason is not Reason.NOT_FOUND:
            world.watch.violate("recall", f"{act.who} takes back document {doc.n} of {doc.sender}")

    async def _unknown(self, act: Act) -> None:
        doc = Doc(999, 0.0, OUTSIDE, (act.who,))
        self._world.counts["recall unknown"] += 1
        await self._say_13(OUTSIDE, act.who, doc, identifier(doc))

    # ------------------------------------------------------------ the law, and what goes

    async def _law(self, act: Act) -> None:
        """REC-08: somebody keeps what an agency got; after a while it is let go."""
        world, house = self._world, self._world.house_of(act.who)
        doc = world.docs[act.n]
        sql = (
            "SELECT id FROM arrival WHERE agency = ? AND sender = ? AND code_number = ? "
            "AND business_type <> 1 AND state NOT IN ('quarantined', 'recalled') ORDER BY id"
        )
        found: list[Any] = []
        for _ in range(_PATIENCE_S):
            found = house.rows(sql, act.who, doc.sender, str(number(doc)))
            if found:
                break
            await asyncio.sleep(1.0)
        if not found:
            return
        name = found[-1]["id"]
        world.counts["kept by law"] += 1
        world.say(f"document {act.n} is kept by law at {act.who}")
        await self.until_heard(
            house, lambda made: made["recalls"].hold("received", name, KEPT, by="thanh-tra")
        )
        if act.span == _FOREVER_S:
            return
        await asyncio.sleep(act.span)
        await self.until_heard(
            house, lambda made: made["recalls"].release(name, "xong", by="thanh-tra")
        )
        world.say(f"document {act.n} is not kept by law any more at {act.who}")

    async def _purge(self, act: Act) -> None:
        """REC-02: what was given back long enough ago loses its content."""
        house = self._world.house_of(act.who)
        self._world.counts["purge"] += 1
        await self.until_heard(house, lambda made: made["retention"].run())

    # ------------------------------------------------------------ answering

    def took(self, agency: str, item_id: str, data: bytes, n: int) -> None:
        """An agency has a document from now on."""
        seen = read(data)
        items = self.items[agency, seen.head.document_id]
        if all(item.id != item_id for item in items):
            items.append(_Item(item_id, n, _sent_off_at(seen)))

    def _named(self, agency: str, head: packets.Head, said_at: str = "") -> _Item | None:
        """Return what an agency has under an identifier, or under a number where none is told.

        Of versions the newest that was sent off before it was asked for; each is given back once.
        """
        items = self.items[agency, head.document_id] if head.document_id else []
        if not head.document_id:
            held = (i for (who, _), items in self.items.items() for i in items if who == agency)
            docs = self._world.docs
            items = [i for i in held if f"{number(docs[i.n])}/VP" == head.code]
        if said_at:
            items = [item for item in items if item.sent_off_at <= said_at] or items
        kept = [item for item in items if not item.answered] or items
        return kept[-1] if kept else None

    async def asked_by_status(self, house: Any, caller: Caller, agency: str, data: bytes) -> None:
        """A system reads a 13: it gives back what it has."""
        head = head_of(data)
        await asyncio.sleep(self._world.random.uniform(0.0, 4.0))
        item = self._named(agency, head, _said_at(data))
        if item is not None and self._world.docs[item.n].sender == head.sender:
            item.answered = True
            await self.give_back(house, caller, agency, item.id, item.n)
            return
        about = packets.Head(head.sender, (), head.document_id, head.code, head.date)
        answer = self._packet(about, agency, "16", UNKNOWN)
        await self.until_heard(
            house,
            lambda made: made["door"].report(caller, chunks(answer), SubmitOptions(via="vxp")),
        )
        self._world.say(f"{agency} has no document {head.code} to give back")

    async def asked_by_document(
        self, house: Any, caller: Caller, agency: str, item_id: str, data: bytes
    ) -> None:
        """A system reads a document of type 1."""
        await asyncio.sleep(self._world.random.uniform(0.0, 4.0))
        items = self.items[agency, target_of(data)]
        if items:
            await self.give_back(house, caller, agency, item_id, items[-1].n)
        else:
            await self._set(house, caller, item_id, "16", UNKNOWN)

    async def give_back(
        self, house: Any, caller: Caller, agency: str, item_id: str, n: int
    ) -> None:
        """Answer 15, or 16 where the law keeps it; about the document, or what asks for it."""
        for code, reason in (("15", "da huy"), ("16", KEPT)):
            done = await self._set(house, caller, item_id, code, reason)
            if not isinstance(done, RejectedError):
                self._world.watch.said[agency, n].append(code)
                self._world.say(f"{agency} says {code} of document {n}")
                return
            self._world.say(f"{agency} may not say {code} of document {n}: {done.reason.value}")
            if done.reason is not Reason.CONFLICT:
                return

    async def _set(self, house: Any, caller: Caller, item_id: str, code: str, reason: str) -> Any:
        return await self.until_heard(
            house,
            lambda made: made["desk"].set_status(caller, item_id, code=code, reason=reason),
        )

    def _packet(self, about: packets.Head, sender: str, code: str, why: str) -> bytes:
        return packets.status_packet(
            about,
            sender=sender,
            sender_name=sender,
            code=code,
            description=why,
            at=self._world.true_time(),
        )

    async def ministry_asked(self, head: packets.Head, document_id: str) -> None:
        """The ministry reads a 13, or a document of type 1 about `document_id`, and answers it."""
        world = self._world
        await asyncio.sleep(world.random.uniform(0.0, 4.0))
        items = self.items[OUTSIDE, document_id]
        item = items[-1] if items else None
        if item is not None and not self._is_its_own(head.sender, world.docs[item.n]):
            item = None
        keeps = self._keeps.setdefault(document_id, world.random.random() < 0.15)
        code = "15" if item is not None and not keeps else "16"
        about = packets.Head(head.sender, (), head.document_id, head.code, head.date)
        world.carry(self._packet(about, OUTSIDE, code, UNKNOWN if item is None else KEPT))
        if item is not None:
            world.watch.said[OUTSIDE, item.n].append(code)
        world.say(f"{OUTSIDE} says {code} of {head.code}")

    def _is_its_own(self, asking: str, doc: Doc) -> bool:
        """Tell whether who asks for a document has sent it; its gateway can know that as well."""
        world = self._world
        own = asking == doc.sender
        if not own and world.axis.owners[asking] == world.axis.owners[doc.sender]:
            world.watch.violate("recall", f"{asking} asks through its gateway for {doc.n}")
        return own


def _sent_off_at(seen: Seen) -> str:
    """Return when a document was sent off, as the first hop of its trace says."""
    return next((str(hop[-1][1]) for hop in seen.trace), "")


def _said_at(data: bytes) -> str:
    found = next(etree.fromstring(data).iter("{*}StatusCode")).getparent()
    return str(found.findtext("{*}Timestamp") or "")


def target_of(data: bytes) -> str:
    """Return the identifier of the document that one of type 1 takes back."""
    return dict(b[:2] for b in read(data).business[2:]).get("DocumentId", "")
