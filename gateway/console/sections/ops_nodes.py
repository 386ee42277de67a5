"""Health: what readiness says, nodes, maintenance and drain, certificates, who is told.

Maintenance makes nodes finish what they began and take nothing new (`vanlien maintenance`); it is
begun and ended with a reason, for one node or for all.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.console.pages import Answer, Group, Nav, Page, Say, Section, See, Shown, Visit
from gateway.console.sections.ops_board import wrong_of
from gateway.console.sections.ops_shared import (
    HOME,
    OPS,
    STANDINGS,
    STATES,
    TONES,
    acting,
    age,
    seeing,
)
from gateway.domain.access import Right
from gateway.ports.operations import Operating, OpsDesk

Terms = Callable[[], Sequence[tuple[str, str, float]]]

CHECKS: Final[Mapping[str, Say]] = {
    "ledger": Say("Sổ dữ liệu", "Ledger"),
    "blobs": Say("Kho tệp", "Blobs"),
    "clock": Say("Đồng hồ", "Clock"),
    "disk": Say("Đĩa", "Disk"),
    "load": Say("Tải", "Load"),
    "backup": Say("Sao lưu", "Backup"),
    "verdicts": Say("Kết quả kiểm tra chữ ký còn chờ", "Verdicts waiting"),
    "restored": Say("Sau phục hồi", "Restored"),
}
_SOON_DAYS: Final = 60
_DAY_S: Final = 86_400
_UNSURE: Final = Say(
    "Chưa bắt đầu: không còn nút nào phục vụ, kể cả trang này. Đánh dấu vào ô xác nhận nếu kết "
    "thúc được bằng lệnh trên máy chủ.",
    "Not begun: no node would serve, not even this page. Tick the box if you can end it by the "
    "command on the machine.",
)


class NodePages:
    """Handlers of health and nodes."""

    def __init__(self, desk: OpsDesk, operating: Operating, terms: Terms) -> None:
        self._desk = desk
        self._operating = operating
        self._terms = terms

    async def health(self, visit: Visit) -> Answer:
        """Show everything about the machines."""
        seeing(visit)
        board = await self._desk.board()
        values: dict[str, Any] = {
            "board": board,
            "checks": CHECKS,
            "wrong": wrong_of(board.checks),
            "tones": TONES,
            "standings": STANDINGS,
            "state_names": STATES,
            "age": lambda since: age(since, board.at, visit.lang),
            "subscriptions": await self._desk.subscriptions(),
        }
        return Shown("ops-health.html.j2", values)

    async def certificates(self, visit: Visit) -> Answer:
        """Show what ends, and when."""
        seeing(visit)
        terms = [(what, name, seconds / _DAY_S) for what, name, seconds in sorted(self._terms())]
        values = {
            "terms": terms,
            "rows": await self._operating.certificates(),
            "nodes": [node for node in (await self._desk.board()).nodes if node.terms],
            "now": visit.now,
            "soon": _SOON_DAYS,
        }
        return Shown("ops-certificates.html.j2", values)

    async def maintenance(self, visit: Visit) -> Answer:
        """Begin or end a rest, of one node or of all."""
        reason, by = acting(visit)
        node = visit.text("node") or None
        if visit.text("do") == "end":
            await self._operating.do(lambda s: s.end_maintenance(node, by=by))
            told = Say("Đã hết bảo trì", "Maintenance has ended")
        elif await self._is_last(node) and not visit.text("sure"):
            # No node would answer the console, and who began it could not end it here.
            return See(f"{HOME}/health", _UNSURE, good=False)
        else:
            await self._operating.do(lambda s: s.begin_maintenance(node, reason=reason, by=by))
            told = Say("Đã bắt đầu bảo trì", "Maintenance has begun")
        return See(f"{HOME}/health", told)

    async def _is_last(self, node: str | None) -> bool:
        """Tell whether nobody serves once a node rests; None stands for all of them."""
        up = {one.name for one in (await self._desk.board()).nodes if one.state == "up"}
        return node is None or up == {node}


def section(desk: OpsDesk, operating: Operating, terms: Terms) -> Section:
    """Return the section."""
    pages = NodePages(desk, operating, terms)
    see, act = Right.SEE_OPERATIONS, Right.OPERATE
    return Section(
        pages=(
            Page("GET", f"{OPS}/health", "ops-health", pages.health, see),
            Page("GET", f"{OPS}/certificates", "ops-certificates", pages.certificates, see),
            Page(
                "POST",
                f"{OPS}/maintenance",
                "ops-maintenance",
                pages.maintenance,
                act,
                takes="form",
            ),
        ),
        nav=(
            Nav(f"{OPS}/health", "Tình trạng, bảo trì", "Health", Group.OPERATIONS, see, 50),
            Nav(f"{OPS}/certificates", "Chứng thư", "Certificates", Group.OPERATIONS, see, 60),
        ),
    )
