"""todolist: what an agency's clerk must do outside the gateway, and that it was done.

Promises: something to do is never removed, it is done by somebody, somehow, at a time (SND-04,
SND-06); done twice is done once. Rows are written by the programs that find them
(`gateway.programs.todos`).
"""

from collections.abc import Sequence

from gateway.domain.access import Person
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import ChangeSet, Row, Update
from gateway.ports.clerk_send import Todo, TodoPage
from gateway.programs.clerk.drafts import PAGE, cursor_of, next_of
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.rows import loads
from gateway.programs.todos import DONE, OPEN

_MOST_WORDS = 1000


class LedgerTodos:
    """See `ports.clerk_send.Todos`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def page(self, agency: str, *, done: bool, after: str) -> TodoPage:
        """Return a page of what is open, or of what was done."""
        urgency, last = cursor_of(after)
        rows = await self._context.ledger.all(
            "todos",
            agency=agency,
            state=DONE if done else OPEN,
            urgency=urgency,
            id=last,
            limit=PAGE,
        )
        return TodoPage(tuple(map(_todo, rows)), next_of(rows))

    async def of_document(self, document: str) -> Sequence[Todo]:
        """Return what concerns one document."""
        rows = await self._context.ledger.all("todos_of_document", document=document)
        return [_todo(r) for r in rows]

    async def get(self, todo_id: str) -> Todo:
        """Return one."""
        row = await self._context.ledger.one("todo", id=todo_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return _todo(row)

    async def finish(self, todo_id: str, how: str, *, by: Person) -> None:
        """Record that it was done."""
        if not how.strip():
            raise RejectedError(
                Reason.BAD_REQUEST, "Say how it was done, such as by post, and when"
            )
        found, now = await self.get(todo_id), self._context.clock.now()
        values = {
            "state": DONE,
            "done_by": by.login,
            "done_at": to_text(now),
            "how": how.strip()[:_MOST_WORDS],
        }
        change = Update("todo", {"id": todo_id, "state": OPEN}, values)
        marks = audited(
            self._context.ids,
            now,
            by,
            f"todo-done-{found.kind}",
            f"todo:{todo_id}",
            reason=how.strip()[:_MOST_WORDS],
            agency=found.agency,
        )
        # A conflict: somebody else was first, and what they wrote stands.
        await self._context.ledger.commit(ChangeSet(rows=(change, *marks)))


def _todo(row: Row) -> Todo:
    return Todo(
        id=row["id"],
        agency=row["agency"],
        kind=row["kind"],
        document=row["document"],
        data=loads(row["data"]),
        state=row["state"],
        urgency=row["urgency"],
        created_at=from_text(row["created_at"]),
        done_by=row["done_by"],
        done_at=from_text(row["done_at"]) if row["done_at"] else None,
        how=row["how"],
    )
