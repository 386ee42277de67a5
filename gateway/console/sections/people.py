"""People: the accounts one administers: list, search, add, one account, its data, sessions, reset.

Promises: what is shown and done is decided by the program for who asks (ACC-06: a unit's
administrator sees and changes the unit's own); a one-time link is shown once, to be handed over;
every view of an account leaves an audit entry before it is shown. Keeps nothing.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from gateway.console import outside
from gateway.console.pages import (
    BASE,
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
from gateway.console.sections.account import role_text
from gateway.console.sections.faults import unless_hidden
from gateway.domain.access import EVERYWHERE, Person, Right
from gateway.errors import RejectedError
from gateway.ports.accounts import (
    LOCK_TEXTS,
    Account,
    Accounts,
    LockCode,
    Made,
    NewAccount,
    State,
    Trail,
)

PEOPLE: Final = f"{BASE}/people"
MANAGES: Final = (Right.ADMINISTER, Right.ACCOUNTS)
STATES: Final = {
    State.ACTIVE: Say("Đang dùng", "Active"),
    State.LOCKED: Say("Đang khóa", "Locked"),
    State.CLOSED: Say("Đã đóng", "Closed"),
}
TONES: Final = {State.ACTIVE: "good", State.LOCKED: "doubt", State.CLOSED: "none"}


def lock_text(code: LockCode) -> Say:
    """Return what a lock's reason is called."""
    text = LOCK_TEXTS[code]
    return Say(text.vi, text.en)


def agencies_of(person: Person) -> list[str] | None:
    """Return the agencies whose accounts a person administers; None: all."""
    mine = person.agencies(*MANAGES)
    return None if EVERYWHERE in mine else sorted(mine)


def words(**more: object) -> dict[str, object]:
    """Return what the pages about accounts use."""
    told = {"states": STATES, "tones": TONES, "role_text": role_text, "lock_text": lock_text}
    return {**told, **more}


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    accounts: Accounts
    trail: Trail

    # ------------------------------------------------------------ many

    async def listing(self, visit: Visit) -> Answer:
        """Show accounts in the order of their logins."""
        asked = {name: visit.query(name)[:100] for name in ("q", "agency", "state")}
        state = asked["state"] if asked["state"] in set(State) else ""
        page = await self.accounts.listing(
            visit.me,
            agency=asked["agency"],
            text=asked["q"],
            state=state,
            after=visit.query("after"),
        )
        more = urlencode({**asked, "after": page.after})
        first = urlencode(asked)
        values = words(
            items=page.items,
            asked=asked,
            agencies=agencies_of(visit.me),
            older=f"{PEOPLE}?{more}" if page.after else "",
            newer=f"{PEOPLE}?{first}" if visit.query("after") else "",
        )
        return Shown("people.html.j2", values)

    # ------------------------------------------------------------ a new one

    async def ask(self, visit: Visit) -> Answer:
        """Show the form."""
        return self._new(visit)

    @staticmethod
    def _new(visit: Visit, faults: tuple[Say, ...] = ()) -> Shown:
        form = {n: visit.text(n) for n in ("login", "name", "mail", "agency", "request_ref")}
        values = {"form": form, "faults": faults, "agencies": agencies_of(visit.me)}
        return Shown("people-new.html.j2", values, 422 if faults else 200)

    async def add(self, visit: Visit) -> Answer:
        """ACC-01: make an account; it has no rights yet."""
        new = NewAccount(
            visit.text("login"),
            visit.text("name"),
            visit.text("agency"),
            visit.text("mail"),
            visit.text("request_ref"),
        )
        if not new.request_ref:
            return self._new(visit, (_REQUEST,))
        try:
            made = await self.accounts.add(visit.me, new)
        except RejectedError as refused:
            return self._new(visit, unless_hidden(refused))
        return link_page(visit, made)

    # ------------------------------------------------------------ one

    async def page(self, visit: Visit) -> Answer:
        """Show one account."""
        account = await self.accounts.one(visit.me, visit.request.match_info["id"])
        await self.trail.viewed(
            visit.me, f"account:{account.id}", what="page", agency=account.agency
        )
        return await self._page(visit, account)

    async def _page(self, visit: Visit, account: Account, faults: tuple[Say, ...] = ()) -> Shown:
        may = self.accounts.may_change(visit.me, account)
        values = words(
            account=account,
            may=may,
            # From where somebody signs in is for who administers the account, not for every unit
            # that granted it something.
            sessions=await self.accounts.sessions(visit.me, account.id) if may else (),
            held=await self.accounts.holdings(visit.me, account.id),
            own_sessions=False,
            faults=faults,
            form={n: visit.text(n) or getattr(account, n) for n in ("name", "mail", "agency")},
            agencies=agencies_of(visit.me),
        )
        return Shown("person.html.j2", values, 422 if faults else 200)

    async def change(self, visit: Visit) -> Answer:
        """Change name, mail, agency."""
        account_id = visit.request.match_info["id"]
        try:
            await self.accounts.change(
                visit.me,
                account_id,
                name=visit.text("name"),
                mail=visit.text("mail"),
                agency=visit.text("agency"),
                request_ref=visit.text("request_ref"),
            )
        except RejectedError as refused:
            faults = unless_hidden(refused)
            account = await self.accounts.one(visit.me, account_id)
            return await self._page(visit, account, faults)
        return See(f"{PEOPLE}/{account_id}", Say("Đã lưu.", "Saved."))

    async def end_sessions(self, visit: Visit) -> Answer:
        """End all its sessions."""
        account_id = visit.request.match_info["id"]
        try:
            count = await self.accounts.end_sessions(
                visit.me, account_id, reason=visit.text("reason")
            )
        except RejectedError as refused:
            return See(f"{PEOPLE}/{account_id}", unless_hidden(refused)[0], good=False)
        told = Say(f"Đã kết thúc {count} phiên.", f"Sessions ended: {count}.")
        return See(f"{PEOPLE}/{account_id}", told)

    async def reset(self, visit: Visit) -> Answer:
        """Give a one-time link for a new password."""
        account_id = visit.request.match_info["id"]
        try:
            made = await self.accounts.reset(
                visit.me,
                account_id,
                factor=visit.text("factor") == "1",
                reason=visit.text("reason"),
            )
        except RejectedError as refused:
            return See(f"{PEOPLE}/{account_id}", unless_hidden(refused)[0], good=False)
        return link_page(visit, made)


_REQUEST: Final = Say("Thiếu số văn bản đề nghị.", "Name the document that asks for it.")


def link_to(visit: Visit, token: str) -> str:
    """Return the address of a one-time link, as this visitor reaches us."""
    scheme = "https" if outside.is_secure(visit.request) else "http"
    return f"{scheme}://{visit.request.host}{BASE}/link/{token}"


def link_page(visit: Visit, made: Made) -> Shown:
    """Return the page that shows a one-time link, once."""
    return Shown("people-link.html.j2", {"made": made, "link": link_to(visit, made.token)})


def section(accounts: Accounts, trail: Trail) -> Section:
    """Return the section."""
    pages = _Pages(accounts, trail)

    def form(path: str, name: str, handler: Handler) -> Page:
        return Page("POST", path, name, handler, MANAGES, takes="form", about=Whose.PROGRAM)

    return Section(
        pages=(
            Page("GET", "/people", "people", pages.listing, MANAGES),
            Page("GET", "/people/new", "people-new", pages.ask, MANAGES),
            form("/people/new", "people-add", pages.add),
            Page("GET", "/people/{id}", "person", pages.page, MANAGES, about=Whose.PROGRAM),
            form("/people/{id}", "person-change", pages.change),
            form("/people/{id}/sessions", "person-sessions", pages.end_sessions),
            form("/people/{id}/reset", "person-reset", pages.reset),
        ),
        nav=(Nav("/people", "Tài khoản", "Accounts", Group.ADMINISTRATION, MANAGES, order=10),),
    )
