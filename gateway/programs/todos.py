"""What a person must do outside the gateway, as rows: builders only.

Promises: a thing to do is there once, however often the program that found it runs; it is committed
with the fact that calls for it. Done or not is the desk's (`gateway.programs.clerk.todolist`).
"""

from datetime import datetime
from typing import Final

from gateway.domain.moments import to_text
from gateway.ports import Ids, Insert
from gateway.programs.rows import dumps

OTHER_MEANS: Final = "other-means"
"""SND-04: send to somebody not connected, by other means (gửi bằng hình thức khác)."""

PAPER: Final = "paper"
"""SND-06: send a paper copy too (gửi kèm bản giấy)."""

COLLECT_PRINTED: Final = "collect-printed"
"""REC-*: take printed copies of a recalled document back (thu hồi bản in)."""

RECALL_ONWARD: Final = "recall-onward"
"""REC-01: take back what was sent on of a document that its sender took back."""

OPEN: Final = "open"
DONE: Final = "done"


def todo_row(
    ids: Ids,
    owner: str,
    kind: str,
    subject: str,
    at: datetime,
    *,
    document: str = "",
    urgency: int = 0,
    **data: str,
) -> Insert:
    """Return the row of one thing to do; a second one of the same kind and subject adds nothing.

    Args:
        ids: Gives it its id.
        owner: Canonical code of the agency whose clerk must do it.
        kind: `OTHER_MEANS`, `PAPER`, `COLLECT_PRINTED`, `RECALL_ONWARD`.
        subject: What exactly, such as `<consignment id>/<agency>`.
        at: Aware instant.
        document: Consignment or arrival id, where the page leads.
        urgency: Of the document: urgent ones stand first.
        data: What the page shows: `agency`, `name`, `why`, `title`; `side` is `in` where
            `document` is an arrival.
    """
    values = {
        "id": ids.new(),
        "agency": owner,
        "kind": kind,
        "subject": subject,
        "document": document,
        "data": dumps(data),
        "state": OPEN,
        "urgency": urgency,
        "created_at": to_text(at),
    }
    return Insert("todo", values, ignore=True)
