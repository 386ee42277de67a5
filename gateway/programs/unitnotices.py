"""Notices of maintenance to units: who is to be told, who was (OPS-06, S003 art 21.3).

Promises: whom mail is owed to is committed with the step that is told, once for step, way and
address; systems hear it by the feed of events, which every caller reads; what became of each is
kept and shown, and so is which unit nobody reached. Builders and reads only: `duties` commits, the
watch tells (`watch.noticing`). A crash leaves a step with its notices or neither.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.access import Role
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, Insert, Row
from gateway.ports.duties import NewMaintenance, Reached, ReachedOne
from gateway.programs.accounts.checks import is_mail
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL
from gateway.programs.rows import event

ANNOUNCE: Final = "announce"
MAIL: Final = "mail"
MOST: Final = 5_000
"""Addresses of one notice; who has more writes to a mailing list."""

_NAMED: Final = 200
_PAGE: Final = 50
_FIRST: Final = ("", "", "")
_ROLES: Final = (Role.CLERK, Role.OFFICE_HEAD, Role.LEADER, Role.UNIT_ADMIN)
_TOLD_OF: Final = frozenset({ANNOUNCE, "cancel", "finish"})
"""Steps that mail is written for; that work began was announced."""


def addresses(text: str) -> tuple[str, ...]:
    """Return the addresses somebody typed, with blanks, commas or line ends between them.

    Raises:
        RejectedError: One of them is none, or they are too many.
    """
    typed = tuple(dict.fromkeys(text.replace(",", " ").replace(";", " ").casefold().split()))
    strange = [one for one in typed if not is_mail(one)]
    if strange:
        told = ", ".join(strange[:5])[:200]
        raise RejectedError(
            Reason.BAD_REQUEST, f"Không phải địa chỉ thư: {told} / not a mail address: {told}"
        )
    if len(typed) > _NAMED:
        raise RejectedError(
            Reason.BAD_REQUEST,
            f"Nhiều nhất {_NAMED} địa chỉ / at most {_NAMED} addresses",
        )
    return typed


async def announced(
    context: Context, maintenance_id: str, new: NewMaintenance, now: datetime
) -> list[Change]:
    """Return what is owed for a maintenance that is announced, and its event."""
    whom = dict.fromkeys(addresses(new.mails), "")
    if new.units:
        roles = json.dumps([role.value for role in _ROLES])
        rows = await context.ledger.all(
            "mails_of_units", roles=roles, now=to_text(now), limit=MOST + 1
        )
        whom |= {row["mail"]: row["agency"] for row in rows}
    if len(whom) > MOST:
        raise RejectedError(
            Reason.BAD_REQUEST,
            f"Hơn {MOST} địa chỉ: hãy dùng một địa chỉ thư nhóm / "
            f"More than {MOST} addresses: name a mailing list instead",
        )
    return _owed(context, maintenance_id, ANNOUNCE, whom, now)


async def stepped(
    context: Context, maintenance_id: str, act: str, now: datetime
) -> Sequence[Change]:
    """Return what is owed for a further step: to whom the maintenance was announced."""
    if act not in _TOLD_OF:
        return _owed(context, maintenance_id, act, {}, now)
    rows = await context.ledger.all("maintenance_mails", id=maintenance_id, limit=MOST)
    whom = {row["whom"]: row["agency"] for row in rows}
    return _owed(context, maintenance_id, act, whom, now)


def _owed(
    context: Context, maintenance_id: str, act: str, whom: dict[str, str], now: datetime
) -> list[Change]:
    at = to_text(now)
    same: dict[str, Any] = {
        "maintenance_id": maintenance_id,
        "act": act,
        "way": MAIL,
        "state": "owed",
        "made_at": at,
        "due_at": at,
    }
    rows: list[Change] = [
        Insert(
            "maintenance_telling",
            {**same, "id": context.ids.new(), "whom": mail, "agency": agency},
            ignore=True,
        )
        for mail, agency in whom.items()
    ]
    return [event(maintenance_id, f"maintenance_{act}", now), *rows]


async def reached(context: Context, maintenance_id: str, after: Sequence[str] = _FIRST) -> Reached:
    """Return who was told, a page of them, and the units nobody reached yet."""
    ledger = context.ledger
    counts = await ledger.all("maintenance_told", id=maintenance_id)
    act, way, whom = (*after, *_FIRST)[:3]
    rows = await ledger.all(
        "maintenance_tellings", id=maintenance_id, act=act, way=way, whom=whom, limit=_PAGE
    )
    told = {r["agency"] for r in await ledger.all("maintenance_agencies_told", id=maintenance_id)}
    ours = [a.code for a in context.directory() if a.hop == LOCAL]
    return Reached(
        counts=tuple((r["act"], r["way"], r["state"], int(r["n"])) for r in counts),
        page=tuple(_one(row) for row in rows),
        more=len(rows) == _PAGE,
        unreached=tuple(sorted(code for code in ours if code not in told)),
    )


def _one(row: Row) -> ReachedOne:
    return ReachedOne(
        row["act"],
        row["way"],
        row["whom"],
        row["agency"],
        row["state"],
        row["made_at"],
        row["told_at"] or "",
        row["tries"],
        row["reason"],
    )
