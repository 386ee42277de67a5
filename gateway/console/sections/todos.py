"""Things to do outside the gateway (việc cần làm): other means, paper copies, printed copies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.console.pages import BASE, Answer, Page, Say, See, Shown, Thing, Visit
from gateway.domain.access import Right
from gateway.ports.clerk_send import Todos

KINDS: Final = {
    "other-means": Say("Gửi bằng hình thức khác", "Send by other means"),
    "paper": Say("Gửi kèm bản giấy", "Send a paper copy too"),
    "collect-printed": Say("Thu hồi bản in", "Collect printed copies"),
    "recall-onward": Say("Thu hồi văn bản đã gửi tiếp", "Take back what was sent on"),
}
_OTHER: Final = Say("Việc khác", "Something else")


@dataclass(frozen=True, slots=True)
class TodoPages:
    """Pages of things to do."""

    todos: Todos
    names: Callable[[str], str]

    async def listing(self, visit: Visit) -> Answer:
        """Show what is open, or what was done."""
        mine = sorted(visit.me.agencies(Right.SEND) - {""})
        agency = visit.query("agency")[:64] or (mine[0] if mine else "")
        visit.must(Right.SEND, agency)
        done, after = visit.query("done") == "1", visit.query("after")[:64]
        page = await self.todos.page(agency, done=done, after=after)
        here = f"{BASE}/todo?agency={agency}{'&done=1' if done else ''}"
        return Shown(
            "todo-list.html.j2",
            {
                "agency": agency,
                "agency_name": self.names(agency),
                "agencies": [(c, self.names(c)) for c in mine] if len(mine) > 1 else [],
                "done": done,
                "rows": page.items,
                "kinds": KINDS,
                "other_kind": _OTHER,
                "older": f"{here}&after={page.after}" if page.after else "",
                "first": here if after else "",
            },
        )

    async def finish(self, visit: Visit) -> Answer:
        """Record that one was done."""
        found = visit.thing.found
        how = visit.text("how")
        back = f"{BASE}/todo?agency={found.agency}"
        if not how:
            told = Say(
                "Ghi rõ đã làm bằng cách nào, ví dụ: bưu điện, ngày 22/11.",
                "Say how it was done, such as: by post, on 22 November.",
            )
            return See(back, told, good=False)
        await self.todos.finish(found.id, how, by=visit.me)
        return See(back, Say("Đã ghi nhận.", "Recorded."))

    async def about(self, visit: Visit) -> Thing:
        """Find what is to be done: known to who may send for its agency."""
        found = await self.todos.get(visit.request.match_info["id"])
        known = visit.me.may(Right.SEND, found.agency)
        return Thing(found.agency, f"todo:{found.id}", known, found)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        return (
            Page("GET", "/todo", "todo", self.listing, Right.SEND),
            Page(
                *("POST", "/todo/{id}", "todo-done", self.finish, Right.SEND),
                takes="form",
                about=self.about,
                seen="",
            ),
        )
