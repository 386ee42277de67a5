"""Drafts as rows: read, written, guarded by their revision. Builders and readers only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.domain.drafting import DRAFT, DraftEvent, DraftState, Recipient
from gateway.domain.machine import advance
from gateway.domain.moments import from_text, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Row, Update
from gateway.ports.clerk_send import Draft, DraftFile
from gateway.programs.rows import dumps, loads


def draft_of(row: Row) -> Draft:
    """Return a draft from its row."""
    return Draft(
        id=row["id"],
        agency=row["agency"],
        account_id=row["account_id"],
        state=DraftState(row["state"]),
        revision=row["revision"],
        form=loads(row["form"]),
        recipients=tuple(Recipient(code, name) for code, name in loads(row["recipients"])),
        files=tuple(DraftFile(**file) for file in loads(row["files"])),
        note=row["note"],
        ready_by=row["ready_by"],
        ready_at=from_text(row["ready_at"]) if row["ready_at"] else None,
        sent_by=row["sent_by"],
        released_as=row["released_as"],
        consignment_id=row["consignment_id"],
        updated_at=from_text(row["updated_at"]),
    )


def recipients_text(recipients: Sequence[Recipient]) -> str:
    """Return recipients as the row keeps them, each once."""
    once = {r.code: r for r in recipients}
    return dumps([[r.code, r.name] for r in once.values()])


def files_text(files: Sequence[DraftFile]) -> str:
    """Return files as the row keeps them."""
    return dumps(
        [
            {
                "name": f.name,
                "sha256": f.sha256,
                "size_bytes": f.size_bytes,
                "content_type": f.content_type,
            }
            for f in files
        ]
    )


def step(draft: Draft, what: DraftEvent, now: datetime, **values: Any) -> Update:
    """Return the change of one draft by one event; it fails when anybody changed it meanwhile.

    Raises:
        IllegalTransitionError: Its state forbids it.
    """
    state = advance(DRAFT, draft.state, what)
    columns: dict[str, Any] = {
        "state": state.value,
        "revision": draft.revision + 1,
        "updated_at": to_text(now),
        **values,
    }
    if what is DraftEvent.CHANGED:
        # SND-14: whoever looked at it before has not seen this.
        columns |= {"ready_by": "", "ready_at": None}
    where = {"id": draft.id, "revision": draft.revision, "state": draft.state.value}
    return Update("draft", where, columns)


def changed_meanwhile() -> RejectedError:
    """Return the refusal of a change to a draft that somebody else changed."""
    return RejectedError(
        Reason.CONFLICT,
        "Somebody changed this draft meanwhile: open it again, then repeat your change",
    )
