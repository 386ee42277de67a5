"""Named points at which the crash tests kill the process, and nothing else.

`VANLIEN_FAULT=relay.after-attempt` makes the process send itself SIGKILL when it reaches that point
(`point:3`: the third time). Unset, `reach` costs one comparison. Each point is a row of the crash
table in docs/architecture.md.
"""

import os
import signal
from typing import Final

_ARMED, _, _COUNT = os.environ.get("VANLIEN_FAULT", "").partition(":")
_left = int(_COUNT or "1")

POINTS: Final = (
    "blobs.after-rename",
    "ledger.before-commit",
    "ledger.after-commit",
    "intake.before-answer",
    "issue.before-commit",
    "issue.after-commit",
    "dispatch.after-publish",
    "broker.after-confirm",
    "broker.before-ack",
    "local.before-commit",
    "local.after-commit",
    "relay.after-attempt",
    "relay.after-parcel",
    "relay.after-delivery",
    "relay.after-outcome",
    "collector.after-fetch",
    "collector.after-commit",
    "receiver.before-commit",
    "receiver.after-commit",
    "mailroom.before-commit",
    "mailroom.after-commit",
    "desk.after-confirm",
    "desk.after-status",
    "recheck.before-commit",
    "revocation.after-object",
    "backup.after-ledger",
    "backup.before-rename",
    "backup.after-rename",
    "restore.after-blobs",
    "restore.before-commit",
    "leases.after-take",
    "spool.after-submit",
    "spool.after-result",
    "spool.between-moves",
    "spool.after-bring",
    "spool.after-confirm",
    "janitor.after-expire",
    "janitor.before-head",
)


def reach(point: str) -> None:
    """Die here if this is the armed point."""
    global _left  # noqa: PLW0603 - a countdown of the process itself
    if point == _ARMED:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
