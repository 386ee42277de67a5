"""Taking back, both ways, and what the law keeps: what console and API ask of the programs.

Protocol and frozen values only; `gateway.programs.recalldesk` implements it. Times are aware.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from gateway.domain.machine import Text
from gateway.ports.callers import Caller

Side = Literal["sent", "received"]


@dataclass(frozen=True, slots=True)
class Wish:
    """An order's part for one recipient.

    Args:
        id: The recall.
        agency: Canonical code of the recipient.
        name: Its name.
        state: `RecallState`.
        text: The same in words.
        delivery: State of the delivery, in words.
        asked_at: When it was wished for, or asked.
        answered_at: When 15 or 16 came, or when it was cancelled.
        answer: Words of the answer.
    """

    id: str
    agency: str
    name: str
    state: str
    text: Text
    delivery: Text
    asked_at: datetime
    answered_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class Order:
    """A decision to take a sending back (REC-03)."""

    id: str
    consignment_id: str
    document_id: str
    sender: str
    whole: bool
    reason: str
    asked_by: str
    asked_at: datetime
    wishes: tuple[Wish, ...] = ()

    @property
    def is_open(self) -> bool:
        """Tell whether an answer is still owed."""
        return any(wish.state in {"waiting", "asked"} for wish in self.wishes)


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold (REC-08), standing or lifted."""

    id: str
    side: Side
    subject: str
    agency: str
    reason: str
    held_by: str
    since: datetime
    released_at: datetime | None
    released_by: str
    release_reason: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Something of ours that a recall concerns: a sending, or a document that changes another.

    Args:
        id: Consignment or arrival.
        document_id: Its identifier.
        notation: Number and notation.
        subject: Abstract.
        kind: 0 sent on, 1 recall, 2 update, 3 replacement.
        ordered: It is being taken back already.
    """

    id: str
    document_id: str
    notation: str
    subject: str
    kind: int = 0
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Takeback:
    """A document an agency of ours is asked to give back; agreed, it is the tombstone (REC-02).

    Args:
        id: The question.
        arrival_id: The document, "" where it is not here: 16 was answered, or will be.
        agency: Who is asked.
        sender: Who asks.
        sender_name: Its name.
        document_id: Identifier.
        notation: Number and notation.
        subject: Abstract, "" once it was purged.
        state: `asked`, `agreed`, `declined`.
        text: The same in words.
        means: `13` or `1`.
        reason: Why, as the sender says.
        asked_at: When.
        answered_at: When it was answered.
        answered_by: By whom: a login, a system, `gateway`.
        answer: In which words.
        purged_at: When the content went.
        purge_at: When it will go, None for never.
        document: State of the document, in words.
        entered: It had entered the agency's system: prints may exist.
        console: The agency works in our console: a person decides here.
        hold: The legal hold that stands.
        onward: What the agency itself sent on of it.
    """

    id: str
    arrival_id: str
    agency: str
    sender: str
    sender_name: str
    document_id: str
    notation: str
    subject: str
    state: str
    text: Text
    means: str
    reason: str
    asked_at: datetime
    answered_at: datetime | None
    answered_by: str
    answer: str
    purged_at: datetime | None
    purge_at: datetime | None
    document: Text
    entered: bool
    console: bool
    hold: Hold | None = None
    onward: tuple[Passed, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody a document could be taken back from."""

    agency: str
    name: str
    state: Text
    act: str


@dataclass(frozen=True, slots=True)
class SentRecall:
    """A sending as its recall form and page show it.

    Args:
        id: Consignment.
        sender: Canonical code.
        document_id: Identifier.
        notation: Number and notation.
        subject: Abstract.
        recipients: With what taking back would mean for each now.
        orders: What was decided, newest first.
        holds: Legal holds, standing and lifted.
        changes: Later documents of the sender that update, replace or recall it.
        changed: What this one updates, replaces or recalls.
        frozen: Taken back from everybody: read-only (REC-02).
    """

    id: str
    sender: str
    document_id: str
    notation: str
    subject: str
    recipients: tuple[Recipient, ...]
    orders: tuple[Order, ...]
    holds: tuple[Hold, ...] = ()
    changes: tuple[Passed, ...] = ()
    changed: tuple[str, ...] = ()
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedRecall:
    """What recalls, holds and changes say about an arrival."""

    id: str
    agency: str
    takeback: Takeback | None
    holds: tuple[Hold, ...] = ()
    changes: tuple[Passed, ...] = ()
    changed: tuple[Passed, ...] = ()
    changed_unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list, newest first; `older` is the cursor of the next page, "" at the end."""

    items: Sequence[Any] = field(default=())
    older: str = ""


class Recalls(Protocol):
    """Taking back. The caller has asked for the right; RejectedError says what is wrong."""

    async def sent(self, consignment_id: str) -> SentRecall | None:
        """Return a sending with its recalls, None for an unknown one."""
        ...

    async def received(self, arrival_id: str) -> ReceivedRecall | None:
        """Return what recalls and holds say about an arrival, None for an unknown one."""
        ...

    async def order(
        self, consignment_id: str, agencies: Collection[str], reason: str, *, by: str
    ) -> str:
        """Take a sending back, from some recipients or (none named) all; return the order."""
        ...

    async def orders(self, agency: str, *, only_open: bool, before: str, limit: int) -> Listed:
        """Return what an agency takes back (`Order`)."""
        ...

    async def asked_of(self, agency: str, state: str, *, before: str, limit: int) -> Listed:
        """Return what an agency is asked to give back (`Takeback` without `onward`)."""
        ...

    async def takeback(self, takeback_id: str) -> Takeback | None:
        """Return one question."""
        ...

    async def agree(self, takeback_id: str, note: str, *, by: str) -> None:
        """Answer 15: the document is cancelled here (REC-01)."""
        ...

    async def decline(self, takeback_id: str, *, by: str) -> None:
        """Answer 16 with the reason of the legal hold that stands; without one it is refused."""
        ...

    async def hold(self, side: Side, subject: str, reason: str, *, by: str) -> None:
        """Keep a document by law (REC-08)."""
        ...

    async def release(self, subject: str, reason: str, *, by: str) -> None:
        """Lift the hold that stands."""
        ...

    async def by_system(
        self, caller: Caller, consignment_id: str, agencies: Collection[str], reason: str
    ) -> Mapping[str, Any]:
        """Take back for a calling system; return what `of_system` does."""
        ...

    async def of_system(self, caller: Caller, consignment_id: str) -> Mapping[str, Any]:
        """Return the recalls of a document as the API shows them."""
        ...
