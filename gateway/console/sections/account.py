"""My account: facts, roles, sessions, password, second factor, and "I lost control of it".

Promises: everybody sees and changes the own account alone; a secret (key of a second factor,
recovery codes) is shown once and stands in no address. Keeps nothing.
"""

from dataclasses import dataclass
from typing import Final

from gateway.console.frame import SESSION, local_path
from gateway.console.pages import (
    BASE,
    SIGN_IN,
    Answer,
    Cookie,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
)
from gateway.console.sections.faults import faults_of
from gateway.console.sections.picture import qr_of
from gateway.console.sections.signin import LOCKED_BY_SELF, NOT_TWICE
from gateway.domain.access import ROLE_TEXTS, Role
from gateway.errors import RejectedError
from gateway.ports.accounts import Own

ACCOUNT: Final = f"{BASE}/account"
OTHERS: Final = "others"


def role_text(role: Role) -> Say:
    """Return what a role is called."""
    text = ROLE_TEXTS[role]
    return Say(text.vi, text.en)


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    own: Own

    async def page(self, visit: Visit) -> Answer:
        """Show the own account."""
        values = {
            "account": await self.own.me(visit.me),
            "sessions": await self.own.sessions(visit.me),
            "delegations": await self.own.delegations(visit.me),
            "role_text": role_text,
        }
        return Shown("account.html.j2", values)

    async def seen(self, visit: Visit) -> Answer:
        """ACC-12: the change of rights was read."""
        await self.own.rights_seen(visit.me)
        return See(ACCOUNT)

    async def end_session(self, visit: Visit) -> Answer:
        """End one session, or all others."""
        handle = visit.text("session")
        await self.own.end_session(visit.me, handle)
        if handle == OTHERS:
            told = Say("Đã kết thúc mọi phiên khác.", "All other sessions are ended.")
        else:
            told = Say("Đã kết thúc phiên.", "The session is ended.")
        return See(f"{ACCOUNT}#sessions", told)

    # ------------------------------------------------------------ password

    async def password(self, visit: Visit) -> Answer:
        """Show the form."""
        return Shown("account-password.html.j2", {"faults": ()})

    async def change_password(self, visit: Visit) -> Answer:
        """ACC-13 (S004 art 3.2): change the own password."""
        old, new = str(visit.form.get("old", "")), str(visit.form.get("new", ""))
        if new != str(visit.form.get("again", "")):
            return Shown("account-password.html.j2", {"faults": (NOT_TWICE,)}, 422)
        try:
            await self.own.change_password(visit.me, old, new)
        except RejectedError as refused:
            return Shown("account-password.html.j2", {"faults": faults_of(refused)}, 422)
        told = Say(
            "Đã đổi mật khẩu; các phiên khác đã kết thúc.",
            "The password is changed; other sessions are ended.",
        )
        return See(ACCOUNT, told)

    # ------------------------------------------------------------ second factor

    async def factor(self, visit: Visit) -> Answer:
        """Begin to set up a second factor."""
        return await self._factor(visit, local_path(visit.query("next", ACCOUNT)))

    async def _factor(
        self, visit: Visit, wanted: str, faults: tuple[Say, ...] = (), status: int = 200
    ) -> Answer:
        account = await self.own.me(visit.me)
        weak = account.second_factor and not visit.me.strong
        if weak or not await self.own.fresh(visit.me):
            # Who holds the session alone must not put another key in the place of the first.
            values = {"wanted": wanted, "weak": weak}
            return Shown("account-factor-sign-in.html.j2", values, 403)
        enrolment = await self.own.second_factor(visit.me)
        values = {
            "secret": enrolment.secret,
            "picture": qr_of(enrolment.uri),
            "account": account,
            "wanted": wanted,
            "faults": faults,
        }
        return Shown("account-factor.html.j2", values, status)

    async def factor_done(self, visit: Visit) -> Answer:
        """Confirm it with its first code."""
        wanted = local_path(visit.text("next", ACCOUNT))
        try:
            codes = await self.own.second_factor_done(visit.me, visit.text("code"))
        except RejectedError as refused:
            return await self._factor(visit, wanted, faults_of(refused), 422)
        return Shown("recovery-codes.html.j2", {"codes": codes, "wanted": wanted})

    async def factor_off(self, visit: Visit) -> Answer:
        """Remove it."""
        try:
            await self.own.second_factor_off(visit.me, str(visit.form.get("password", "")))
        except RejectedError as refused:
            return See(ACCOUNT, faults_of(refused)[0], good=False)
        return See(ACCOUNT, Say("Đã gỡ xác thực bước hai.", "The second factor is removed."))

    # ------------------------------------------------------------ lost control

    async def lost(self, visit: Visit) -> Answer:
        """ACC-02 (S003 art 22.2): lock the own account at once."""
        if visit.text("sure") != "1":
            return See(f"{ACCOUNT}/lost-control")
        await self.own.lost(visit.me)
        return See(SIGN_IN, LOCKED_BY_SELF, cookies=(Cookie(SESSION, ""),))

    async def lost_ask(self, visit: Visit) -> Answer:
        """Ask once more."""
        return Shown("account-lost.html.j2")


def section(own: Own) -> Section:
    """Return the section."""
    pages = _Pages(own)
    return Section(
        pages=(
            Page("GET", "/account", "account", pages.page),
            Page("POST", "/account/rights-seen", "account-rights-seen", pages.seen, takes="form"),
            Page("POST", "/account/sessions", "account-sessions", pages.end_session, takes="form"),
            Page("GET", "/account/password", "account-password", pages.password),
            Page(
                "POST",
                "/account/password",
                "account-password-change",
                pages.change_password,
                takes="form",
            ),
            Page("GET", "/account/second-factor", "account-factor", pages.factor),
            Page(
                "POST",
                "/account/second-factor",
                "account-factor-done",
                pages.factor_done,
                takes="form",
            ),
            Page(
                "POST",
                "/account/second-factor/off",
                "account-factor-off",
                pages.factor_off,
                takes="form",
            ),
            Page("GET", "/account/lost-control", "account-lost-ask", pages.lost_ask),
            Page("POST", "/account/lost-control", "account-lost", pages.lost, takes="form"),
        ),
    )
