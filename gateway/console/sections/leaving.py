"""Locking, unlocking, handing over and closing an account (ACC-03, ACC-04).

Promises: a lock has a reason a–d and the number of the document that asks for it; an account with
open items is not closed without a successor; nothing is ever deleted. Keeps nothing.
"""

from dataclasses import dataclass

from gateway.console.pages import Answer, Handler, Page, Say, Section, See, Shown, Visit, Whose
from gateway.console.sections.faults import unless_hidden
from gateway.console.sections.people import MANAGES, PEOPLE, lock_text, words
from gateway.errors import RejectedError
from gateway.ports.accounts import Account, Accounts, LockCode, State

_CODES = tuple(code for code in LockCode if code is not LockCode.LOST)


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    accounts: Accounts

    # ------------------------------------------------------------ lock

    async def lock_ask(self, visit: Visit) -> Answer:
        """Show the form of a lock, or of its end."""
        return await self._lock(visit, ())

    async def _lock(self, visit: Visit, faults: tuple[Say, ...]) -> Answer:
        account = await self.accounts.one(visit.me, visit.request.match_info["id"])
        codes = [(code.value, f"{code}) {lock_text(code).to(visit.lang)}") for code in _CODES]
        values = words(
            account=account,
            codes=codes,
            faults=faults,
            form={name: visit.text(name) for name in ("code", "reference", "text")},
        )
        return Shown("person-lock.html.j2", values, 422 if faults else 200)

    async def lock(self, visit: Visit) -> Answer:
        """ACC-03 (S002 art 8.3): lock with reason and reference."""
        account_id, code = visit.request.match_info["id"], visit.text("code")
        if code not in {one.value for one in _CODES}:
            wrong = Say("Hãy chọn lý do a–d.", "Choose a reason a–d.")
            return await self._lock(visit, (wrong,))
        try:
            await self.accounts.lock(
                visit.me,
                account_id,
                LockCode(code),
                reference=visit.text("reference"),
                text=visit.text("text"),
            )
        except RejectedError as refused:
            return await self._lock(visit, unless_hidden(refused))
        told = Say("Đã khóa; mọi phiên đã kết thúc.", "Locked; all sessions are ended.")
        return See(f"{PEOPLE}/{account_id}", told)

    async def unlock(self, visit: Visit) -> Answer:
        """Unlock."""
        account_id = visit.request.match_info["id"]
        try:
            await self.accounts.unlock(visit.me, account_id, reference=visit.text("reference"))
        except RejectedError as refused:
            return await self._lock(visit, unless_hidden(refused))
        return See(f"{PEOPLE}/{account_id}", Say("Đã mở khóa.", "Unlocked."))

    # ------------------------------------------------------------ hand over, close

    async def leave_ask(self, visit: Visit) -> Answer:
        """Show the open items, who could take them, and the forms."""
        return await self._leave(visit, ())

    async def _leave(self, visit: Visit, faults: tuple[Say, ...]) -> Answer:
        account = await self.accounts.one(visit.me, visit.request.match_info["id"])
        text = visit.query("q") or visit.text("q")
        values = words(
            account=account,
            held=await self.accounts.holdings(visit.me, account.id),
            text=text,
            found=await self._successors(visit, account, text),
            faults=faults,
            form={name: visit.text(name) for name in ("successor", "reference")},
        )
        return Shown("person-leave.html.j2", values, 422 if faults else 200)

    async def _successors(self, visit: Visit, account: Account, text: str) -> list[Account]:
        """Return who could take over: active colleagues, those of a name that is looked for."""
        page = await self.accounts.listing(
            visit.me, agency=account.agency, text=text, state=State.ACTIVE, limit=20
        )
        return [one for one in page.items if one.id != account.id]

    async def hand_over(self, visit: Visit) -> Answer:
        """ACC-04 (S000 art 3.3): give all open items to a successor."""
        account_id = visit.request.match_info["id"]
        if not visit.text("successor"):
            return await self._leave(visit, (_WHO,))
        try:
            given = await self.accounts.hand_over(
                visit.me, account_id, visit.text("successor"), reference=visit.text("reference")
            )
        except RejectedError as refused:
            return await self._leave(visit, unless_hidden(refused))
        count = sum(one.count for one in given)
        told = Say(f"Đã bàn giao {count} việc.", f"Handed over: {count}.")
        return See(f"{PEOPLE}/{account_id}/leave", told)

    async def close(self, visit: Visit) -> Answer:
        """Close for good."""
        account_id = visit.request.match_info["id"]
        try:
            await self.accounts.close(
                visit.me,
                account_id,
                reference=visit.text("reference"),
                successor_id=visit.text("successor"),
            )
        except RejectedError as refused:
            return await self._leave(visit, unless_hidden(refused))
        told = Say("Đã đóng tài khoản; lịch sử còn nguyên.", "Closed; its history stays.")
        return See(f"{PEOPLE}/{account_id}", told)


_WHO = Say("Hãy chọn người nhận bàn giao.", "Choose who takes over.")


def section(accounts: Accounts) -> Section:
    """Return the section."""
    pages = _Pages(accounts)
    one = "/people/{id}"

    def page(what: str, name: str, handler: Handler) -> Page:
        return Page("GET", f"{one}/{what}", name, handler, MANAGES, about=Whose.PROGRAM)

    def form(what: str, name: str, handler: Handler) -> Page:
        path, about = f"{one}/{what}", Whose.PROGRAM
        return Page("POST", path, name, handler, MANAGES, takes="form", about=about)

    return Section(
        pages=(
            page("lock", "person-lock", pages.lock_ask),
            form("lock", "person-lock-do", pages.lock),
            form("unlock", "person-unlock", pages.unlock),
            page("leave", "person-leave", pages.leave_ask),
            form("handover", "person-over", pages.hand_over),
            form("close", "person-close", pages.close),
        ),
    )
