"""The way in and out: password, second factor, new password, single sign-on, lost control.

Promises: a name or a password that is wrong is never told apart; a step's token stands in a cookie,
never in an address; a sign-in that succeeds makes a fresh session cookie (nothing that was known
before opens anything) and leads to the page that was asked for, never off this site. All of it
works without scripts. Keeps nothing: a restart loses no step.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from aiohttp import web

from gateway.console import outside
from gateway.console.frame import SESSION, local_path, set_cookie
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
from gateway.errors import RejectedError
from gateway.ports.accounts import Denied, Need, SignedIn, SignIn, SignIns, Step, Where, Why
from gateway.ports.single import SingleSignOn

STEP: Final = "vanlien_step"
DEVICE: Final = "vanlien_device"
TICKET: Final = "vanlien_ticket"
WANTED: Final = "vanlien_wanted"
_STEP_S: Final = 600
_YEAR_S: Final = 365 * 24 * 3600
BACK: Final = f"{SIGN_IN}/back"
_STEP_PATH: Final = f"{SIGN_IN}/step"

WORDS: Final = {
    Why.WRONG: Say(
        "Tên đăng nhập hoặc mật khẩu không đúng.", "The login or the password is not right."
    ),
    Why.WAIT: Say(
        "Đã sai nhiều lần. Hãy chờ rồi thử lại.", "Too many failures. Wait, then try again."
    ),
    Why.CODE: Say(
        "Mã không đúng hoặc đã dùng. Hãy nhập mã đang hiện trên ứng dụng.",
        "The code is wrong or was used. Enter the one your application shows now.",
    ),
    Why.LOCKED: Say(
        "Tài khoản đang bị khóa. Hãy liên hệ quản trị đơn vị.",
        "The account is locked. Ask the administrator of your unit.",
    ),
    Why.OVER: Say(
        "Lần đăng nhập này đã quá lâu. Hãy đăng nhập lại từ đầu.",
        "This sign-in took too long. Begin again.",
    ),
    Why.STRANGER: Say(
        "Hộp thư này không ứng với tài khoản nào ở đây. Hãy liên hệ quản trị đơn vị.",
        "No account here goes with this mailbox. Ask the administrator of your unit.",
    ),
}
_AGAIN: Final = Say(
    "Đăng nhập một lần không thành công. Hãy thử lại.", "Single sign-on failed. Try again."
)


def where_of(visit: Visit) -> Where:
    """Return from where somebody comes: the connection's address, never one from a header."""
    request = visit.request
    agent = request.headers.get("User-Agent", "")[:200]
    return Where(outside.address_of(request), agent, request.cookies.get(DEVICE, ""))


def denied(answer: Denied) -> tuple[Say, int]:
    """Return what is said to somebody who is not let in, and the status."""
    said = WORDS[answer.why]
    if answer.wait_s <= 0:
        return said, 422
    wait_s = max(1, round(answer.wait_s))
    return Say(f"{said.vi} ({wait_s} giây)", f"{said.en} ({wait_s} s)"), 429


def led_on(answer: SignedIn | Step, wanted: str) -> See:
    """Return where a sign-in goes next: to the page that was asked for, or to its next step."""
    if isinstance(answer, Step):
        step = Cookie(STEP, answer.token, _STEP_S)
        return See(f"{_STEP_PATH}?next={quote(wanted, safe='/')}", cookies=(step,))
    cookies = [Cookie(SESSION, answer.token), Cookie(STEP, "")]
    if answer.device:
        cookies.append(Cookie(DEVICE, answer.device, _YEAR_S))
    told = None
    if answer.elsewhere:
        # ACC-02: who sees sessions that are not the own ones can end them, or say it was lost.
        told = Say(
            f"Tài khoản này đang được dùng ở {answer.elsewhere} nơi khác: xem “Tài khoản của tôi”.",
            f"This account is in use in {answer.elsewhere} other place(s): see “My account”.",
        )
    return See(wanted, told, good=told is None, cookies=tuple(cookies))


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask.

    Args:
        sign_ins: Decides who is let in.
        single: Single sign-on, None without one.
    """

    sign_ins: SignIns
    single: SingleSignOn | None

    # ------------------------------------------------------------ password

    async def ask(self, visit: Visit) -> Answer:
        """Show the form; who is signed in goes on."""
        wanted = local_path(visit.query("next", BASE))
        if visit.person is not None:
            return See(wanted)
        return self._form(visit, wanted)

    def _form(
        self, visit: Visit, wanted: str, *, said: Say | None = None, status: int = 200
    ) -> Shown:
        values = {
            "wanted": wanted,
            "login": visit.text("login")[:100],
            "said": said,
            "single": "" if self.single is None else self.single.name,
        }
        return Shown("signin.html.j2", values, status)

    async def begin(self, visit: Visit) -> Answer:
        """Look at login and password."""
        wanted = local_path(visit.text("next", BASE))
        # A password keeps its blanks: what was set is what is compared.
        password = str(visit.form.get("password", ""))
        answer = await self.sign_ins.by_password(visit.text("login"), password, where_of(visit))
        if isinstance(answer, Denied):
            said, status = denied(answer)
            return self._form(visit, wanted, said=said, status=status)
        return led_on(answer, wanted)

    # ------------------------------------------------------------ the steps after it

    async def step(self, visit: Visit) -> Answer:
        """Show what is still missing."""
        return await self._step(visit, local_path(visit.query("next", BASE)))

    async def _step(
        self, visit: Visit, wanted: str, *, said: Say | None = None, status: int = 200
    ) -> Answer:
        token = visit.request.cookies.get(STEP, "")
        found = await self.sign_ins.step(token) if token else None
        if found is None:
            return self._over(wanted)
        values = {"wanted": wanted, "said": said, "step": found, "faults": ()}
        match found.need:
            case Need.TOTP:
                return Shown("signin-code.html.j2", values, status)
            case Need.PASSWORD:
                return Shown("signin-password.html.j2", values, status)
            case Need.ENROLL:
                enrolment = await self.sign_ins.enrolment(token)
                if enrolment is None:
                    return self._over(wanted)
                more = {"secret": enrolment.secret, "picture": qr_of(enrolment.uri)}
                return Shown("signin-enroll.html.j2", {**values, **more}, status)

    def _over(self, wanted: str) -> See:
        path = f"{SIGN_IN}?next={quote(wanted, safe='/')}"
        return See(path, WORDS[Why.OVER], good=False, cookies=(Cookie(STEP, ""),))

    async def go_on(self, visit: Visit) -> Answer:
        """Take what was missing."""
        wanted = local_path(visit.text("next", BASE))
        token = visit.request.cookies.get(STEP, "")
        found = await self.sign_ins.step(token) if token else None
        if found is None:
            return self._over(wanted)
        match found.need:
            case Need.TOTP:
                answer: SignIn = await self.sign_ins.by_code(
                    token, visit.text("code"), where_of(visit)
                )
            case Need.ENROLL:
                return await self._enroll(visit, token, wanted)
            case Need.PASSWORD:
                return await self._new_password(visit, token, wanted, found)
        return await self._after(visit, answer, wanted)

    async def _after(self, visit: Visit, answer: SignIn, wanted: str) -> Answer:
        if not isinstance(answer, Denied):
            return led_on(answer, wanted)
        if answer.why is Why.OVER:
            return self._over(wanted)
        said, status = denied(answer)
        return await self._step(visit, wanted, said=said, status=status)

    async def _enroll(self, visit: Visit, token: str, wanted: str) -> Answer:
        answer = await self.sign_ins.enroll(token, visit.text("code"), where_of(visit))
        if isinstance(answer, Denied):
            return await self._after(visit, answer, wanted)
        if isinstance(answer.next, Denied):
            return self._over(wanted)
        # The codes are shown once, on this very answer; the way on is a link.
        led = led_on(answer.next, wanted)
        values = {"codes": answer.codes, "wanted": led.path}
        return Shown("recovery-codes.html.j2", values, cookies=led.cookies)

    async def _new_password(self, visit: Visit, token: str, wanted: str, step: Step) -> Answer:
        new = str(visit.form.get("new", ""))
        values = {"wanted": wanted, "said": None, "step": step}
        if new != str(visit.form.get("again", "")):
            return Shown("signin-password.html.j2", {**values, "faults": (NOT_TWICE,)}, 422)
        try:
            answer = await self.sign_ins.new_password(token, new, where_of(visit))
        except RejectedError as refused:
            return Shown("signin-password.html.j2", {**values, "faults": faults_of(refused)}, 422)
        return await self._after(visit, answer, wanted)

    # ------------------------------------------------------------ single sign-on

    async def single_begin(self, visit: Visit) -> Answer:
        """Send the browser to the provider; a link, for a form may lead to our own pages only."""
        if self.single is None:
            return See(SIGN_IN)
        leaving = await self.single.begin()
        response = web.Response(status=303, headers={"Location": leaving.url})
        wanted = quote(local_path(visit.query("next", BASE)), safe="/")
        for name, value in ((TICKET, leaving.ticket), (WANTED, wanted)):
            set_cookie(visit.request, response, name, value, max_age=_STEP_S)
        return response

    async def single_back(self, visit: Visit) -> Answer:
        """Take what the provider sent back with the browser."""
        if self.single is None:
            return See(SIGN_IN)
        ticket = visit.request.cookies.get(TICKET, "")
        wanted = local_path(unquote(visit.request.cookies.get(WANTED, BASE)))
        gone = (Cookie(TICKET, ""), Cookie(WANTED, ""))
        try:
            identity = await self.single.finish(ticket, dict(visit.request.query))
        except RejectedError:
            return See(SIGN_IN, _AGAIN, good=False, cookies=gone)
        answer = await self.sign_ins.by_identity(identity, where_of(visit))
        if isinstance(answer, Denied):
            said, _ = denied(answer)
            return See(SIGN_IN, said, good=False, cookies=gone)
        led = led_on(answer, wanted)
        return See(led.path, cookies=(*led.cookies, *gone))

    # ------------------------------------------------------------ out

    async def sign_out(self, visit: Visit) -> Answer:
        """End the session."""
        token = visit.request.cookies.get(SESSION, "")
        if token:
            await self.sign_ins.sign_out(token)
        told = Say("Đã đăng xuất.", "Signed out.")
        wanted = visit.text("next")
        path = f"{SIGN_IN}?next={quote(local_path(wanted), safe='/')}" if wanted else SIGN_IN
        return See(path, told, cookies=(Cookie(SESSION, ""),))

    async def lost_ask(self, visit: Visit) -> Answer:
        """ACC-02: show the form for who lost control of the account and cannot sign in."""
        return Shown("lost-control.html.j2", {"said": None, "login": ""})

    async def lost(self, visit: Visit) -> Answer:
        """ACC-02 (S003 art 22.2): lock one's own account at once, without being signed in."""
        proof = str(visit.form.get("proof", ""))
        if await self.sign_ins.lost_control(visit.text("login"), proof, where_of(visit)):
            return See(SIGN_IN, LOCKED_BY_SELF, cookies=(Cookie(SESSION, ""), Cookie(STEP, "")))
        said = Say(
            "Không đúng, hoặc đã thử quá nhiều lần. Hãy gọi ngay cho quản trị đơn vị.",
            "Not right, or tried too often. Call the administrator of your unit at once.",
        )
        values = {"said": said, "login": visit.text("login")[:100]}
        return Shown("lost-control.html.j2", values, 422)


NOT_TWICE: Final = Say("Hai lần nhập không giống nhau.", "The two entries differ.")
LOCKED_BY_SELF: Final = Say(
    "Đã khóa tài khoản, kết thúc mọi phiên và báo quản trị đơn vị.",
    "The account is locked, all sessions are ended, the administrator of the unit is told.",
)


def section(sign_ins: SignIns, single: SingleSignOn | None = None) -> Section:
    """Return the section."""
    pages = _Pages(sign_ins, single)
    return Section(
        pages=(
            Page("GET", "/sign-in", "sign-in", pages.ask, open=True),
            Page("POST", "/sign-in", "sign-in-begin", pages.begin, open=True, takes="form"),
            Page("GET", "/sign-in/step", "sign-in-step", pages.step, open=True),
            Page("POST", "/sign-in/step", "sign-in-go-on", pages.go_on, open=True, takes="form"),
            Page("GET", "/sign-in/single", "sign-in-single", pages.single_begin, open=True),
            Page("GET", "/sign-in/back", "sign-in-back", pages.single_back, open=True),
            Page("GET", "/lost-control", "lost-control", pages.lost_ask, open=True),
            Page("POST", "/lost-control", "lost-control-said", pages.lost, open=True, takes="form"),
            Page("POST", "/sign-out", "sign-out", pages.sign_out, open=True, takes="form"),
        ),
    )
