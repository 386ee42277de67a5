"""Systems and their keys, and what is kept apart in quarantine.

Promises: a new key is in the one page that answers its making and nowhere else: not in a cookie, an
address or a log, and that page is not kept by the browser; what is purged needs two accounts
(SEC-01): who asks first cannot be who agrees.
"""

import re
from typing import Final

from gateway.console.pages import (
    Answer,
    Group,
    Handler,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
    Whose,
)
from gateway.console.sections.ops_shared import HOME, OPS, STANDINGS, TONES, acting, seeing
from gateway.domain.access import Right
from gateway.errors import Reason, RejectedError
from gateway.ports.operations import Operating

_SYSTEM_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PAGE: Final = 50
_OVERLAPS: Final = {"0": 0.0, "1": 3600.0, "24": 86_400.0, "168": 604_800.0}


class SystemPages:
    """Handlers of systems and of quarantine."""

    def __init__(self, operating: Operating) -> None:
        self._operating = operating

    async def systems(self, visit: Visit) -> Answer:
        """Show who may call."""
        seeing(visit)
        rows = await self._operating.do(lambda s: s.systems())
        return Shown("ops-systems.html.j2", {"rows": rows, "tones": TONES, "standings": STANDINGS})

    async def add(self, visit: Visit) -> Answer:
        """Register a system and show its keys, once."""
        reason, by = acting(visit, Right.CONFIGURE)
        system_id = visit.text("system")
        codes = visit.text("speaks_for").replace(",", " ").split()
        if not _SYSTEM_ID.fullmatch(system_id) or not codes:
            raise RejectedError(
                Reason.BAD_REQUEST,
                "Cần mã hệ thống (chữ không dấu, số, chấm, gạch) và ít nhất một mã cơ quan / "
                "a system id and at least one agency code are needed",
            )
        keys = await self._operating.issue_keys(system_id, codes, overlap_s=0, by=by, reason=reason)
        return Shown("ops-keys.html.j2", {"keys": keys, "old": 0})

    async def rotate(self, visit: Visit) -> Answer:
        """Give a system new keys and show them, once."""
        reason, by = acting(visit, Right.CONFIGURE)
        system_id = visit.request.match_info["id"]
        hours = visit.text("overlap", "24")
        if hours not in _OVERLAPS:
            raise RejectedError(Reason.BAD_REQUEST, "unknown overlap")
        keys = await self._operating.issue_keys(
            system_id, None, overlap_s=_OVERLAPS[hours], by=by, reason=reason
        )
        return Shown("ops-keys.html.j2", {"keys": keys, "old": int(hours)})

    async def disable(self, visit: Visit) -> Answer:
        """Refuse a system from now on."""
        reason, by = acting(visit, Right.CONFIGURE)
        system_id = visit.request.match_info["id"]
        await self._operating.do(lambda s: s.disable_system(system_id, by=by, reason=reason))
        return See(
            f"{HOME}/systems", Say(f"Đã khóa hệ thống {system_id}", f"{system_id} is disabled")
        )

    # ------------------------------------------------------------ quarantine

    async def quarantine(self, visit: Visit) -> Answer:
        """Show what is kept apart, a page at a time."""
        seeing(visit)
        before = visit.query("before")[:64]
        rows = await self._operating.do(lambda s: s.quarantine_page(before, _PAGE))
        return Shown("ops-quarantine.html.j2", {"rows": rows, "more": len(rows) == _PAGE})

    async def purge(self, visit: Visit) -> Answer:
        """Ask for a purge, or agree to another person's."""
        reason, by = acting(visit)
        item_id = visit.request.match_info["id"]
        row = await self._operating.do(lambda s: s.purge(item_id, by=by, reason=reason))
        if row.purged_at is None:
            told = Say(
                "Đã ghi đề nghị; cần một tài khoản khác đồng ý",
                "Asked for; another account must agree",
            )
        else:
            told = Say("Đã hủy nội dung; giữ lại dấu vết", "Purged; the stub is kept")
        return See(f"{HOME}/quarantine", told)


def section(operating: Operating) -> Section:
    """Return the section."""
    pages = SystemPages(operating)
    see, configure = Right.SEE_OPERATIONS, Right.CONFIGURE
    path = f"{OPS}/systems"

    def post(where: str, name: str, handler: Handler, right: Right) -> Page:
        return Page("POST", where, name, handler, right, takes="form", about=Whose.GATEWAY)

    return Section(
        pages=(
            Page("GET", path, "ops-systems", pages.systems, see),
            post(path, "ops-system-add", pages.add, configure),
            post(f"{path}/{{id}}/rotate", "ops-system-rotate", pages.rotate, configure),
            post(f"{path}/{{id}}/disable", "ops-system-disable", pages.disable, configure),
            Page("GET", f"{OPS}/quarantine", "ops-quarantine", pages.quarantine, see),
            post(f"{OPS}/quarantine/{{id}}", "ops-purge", pages.purge, Right.OPERATE),
        ),
        nav=(
            Nav(path, "Hệ thống và khóa", "Systems and keys", Group.OPERATIONS, see, 70),
            Nav(f"{OPS}/quarantine", "Cách ly", "Quarantine", Group.OPERATIONS, see, 80),
        ),
    )
