"""What one page of the console is: how it is asked for, who may, what it shows.

A section is a module with a function that is given its ports and returns a `Section`. Handlers get
a `Visit` and return what is to be shown, or where to go next; cookies, forgery, rights, languages
and errors are the frame's (`gateway.console.frame`). Pure.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from aiohttp import web
from multidict import MultiDictProxy

from gateway.domain.access import EVERYWHERE, Person, Right

BASE: Final = "/console"
SIGN_IN: Final = f"{BASE}/sign-in"

READS: Final = (Right.READ, Right.READ_OWN)
"""Rights of a page about one document; its handler asks again for that document."""

Lang = Literal["vi", "en"]


class ForbiddenError(Exception):
    """The person signed in may not do this; the frame answers 403 and leaves an audit entry."""


class HiddenError(Exception):
    """What is asked for is another's: 404 as if it were not there, and an audit entry (AUD-03)."""


class Whose(StrEnum):
    """Who decides about a thing that belongs to no one agency."""

    GATEWAY = "gateway"
    """The right is needed for the whole gateway."""
    ANYBODY = "anybody"
    """Who may come to the page at all may see it."""
    PROGRAM = "program"
    """What is behind the page is told who asks, and decides."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What a page is about: whose it is, and what the audit log calls it.

    Args:
        agency: The agency it belongs to: a right counts only when it is had there.
        target: `<kind>:<id>`, as its view is recorded.
        known: Whether the person may know of it; else it does not exist for this person.
        found: The thing itself, for the handler.
    """

    agency: str
    target: str
    known: bool
    found: Any = None


NOTHING: Final = Thing("", "", known=False)


class Group(StrEnum):
    """The parts of the menu, in their order."""

    CLERK = "clerk"
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    REPORTS = "reports"
    DUTIES = "duties"
    OPERATIONS = "operations"
    ADMINISTRATION = "administration"


@dataclass(frozen=True, slots=True)
class Say:
    """A text in both languages."""

    vi: str
    en: str

    def to(self, lang: Lang) -> str:
        """Return it in one."""
        return self.vi if lang == "vi" else self.en


def may_come(person: Person, right: Right | tuple[Right, ...] | None) -> bool:
    """Return whether a person has the right, or one of the rights, for at least one agency."""
    rights = (right,) if isinstance(right, Right) else right
    return rights is None or any(person.may_anywhere(one) for one in rights)


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that a page leaves; value "" takes it away."""

    name: str
    value: str = field(repr=False)
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to be shown.

    Args:
        template: Name below `templates/`.
        values: Names the template uses, besides those of every page.
        status: HTTP status; 422 for a form that is shown again with its faults.
        cookies: What it leaves in the browser.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True)
class See:
    """Another page to go to (303): after every form that did something.

    Args:
        path: Local path.
        told: What is said there, once; no personal data beyond what the page shows anyway.
        good: Whether it is good news.
        cookies: What is left in the browser.
    """

    path: str
    told: Say | None = None
    good: bool = True
    cookies: tuple[Cookie, ...] = ()


async def _nobody() -> Person | None:
    return None


@dataclass(slots=True)
class Visit:
    """One request of a person, or of nobody yet.

    Args:
        request: The request; its body has been read where the page takes a form.
        person: Who is signed in; None only on open pages.
        lang: Language of the page.
        csrf: Token that every form of the page carries in the field `_csrf`.
        form: Fields of a small form (`Page.takes` is `form`), empty otherwise.
        now: The time, aware.
        request_id: What an error page names.
        again: Asks anew who is signed in: what lasts longer than a look must not outlive a lock.
        training: Whether all data are for training: every file says so.
        thing: What the page is about (`Page.about`), its rights asked and its view recorded.
    """

    request: web.Request
    person: Person | None
    lang: Lang
    csrf: str
    form: "MultiDictProxy[str]"
    now: datetime
    request_id: str = ""
    again: Callable[[], Awaitable[Person | None]] = _nobody
    training: bool = False
    thing: Thing = NOTHING

    @property
    def me(self) -> Person:
        """Return the person; ForbiddenError for nobody."""
        if self.person is None:
            raise ForbiddenError("nobody is signed in")
        return self.person

    def must(self, right: Right, agency: str = EVERYWHERE) -> Person:
        """Return the person; ForbiddenError unless it has a right for an agency."""
        if not self.me.may(right, agency):
            raise ForbiddenError(f"{right} for {agency or 'the whole gateway'}")
        return self.me

    def say(self, vi: str, en: str) -> str:
        """Return a text in the language of the page."""
        return vi if self.lang == "vi" else en

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter without blanks around it."""
        return self.request.query.get(name, default).strip()

    def text(self, name: str, default: str = "") -> str:
        """Return a field of the form without blanks around it."""
        return str(self.form.get(name, default)).strip()


Answer = Shown | See | web.StreamResponse
Handler = Callable[[Visit], Awaitable[Answer]]
Finder = Callable[[Visit], Awaitable[Thing]]
"""Finds what the path names; RejectedError(NOT_FOUND) when it is not there."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page or one form's target.

    Args:
        method: GET (HEAD comes with it) or POST.
        path: Pattern below `/console`, such as `/incoming/{id}`.
        name: What it is called in the audit log and in tests; unique.
        handler: Does the work.
        right: Right needed for at least one agency to come here at all; the handler asks again for
            the agency concerned. Several: any of them. None: signed in is enough.
        open: No sign-in needed.
        takes: `form`: small, urlencoded, read and checked before the handler; `upload`: the
            handler reads the body and calls `check_forgery` itself; "" for GET.
        streams: Stays open (SSE): has a place among streams.
        quiet: A script asks for it by itself: a session is not used by that.
        about: What the path names, or who decides about it. With a finder the frame hides what
            the person may not know of, asks the right for the agency it belongs to, and records
            the view before anything is shown; the handler finds it in `Visit.thing`.
        seen: What the view is recorded as: `page`, `file`, `preview`, …; "" for what is no
            document and leaves no entry.
    """

    method: Literal["GET", "POST"]
    path: str
    name: str
    handler: Handler
    right: Right | tuple[Right, ...] | None = None
    open: bool = False
    takes: Literal["", "form", "upload"] = ""
    streams: bool = False
    quiet: bool = False
    about: Finder | Whose | None = None
    seen: str | None = None

    def __post_init__(self) -> None:
        """Refuse a form without a way to take it, and a thing whose rights nobody would ask."""
        if (self.method == "POST") != bool(self.takes):
            raise ValueError(f"{self.name}: a POST takes a form or an upload, a GET takes nothing")
        if "{" in self.path and self.about is None and not self.open:
            raise ValueError(f"{self.name}: say whose the thing of the path is")
        if self.finder is not None and self.seen is None:
            raise ValueError(f"{self.name}: say what its view is recorded as")

    @property
    def finder(self) -> Finder | None:
        """Return what finds the thing of the path, None where there is none to be found."""
        return None if self.about is None or isinstance(self.about, Whose) else self.about

    @property
    def rights(self) -> tuple[Right, ...]:
        """Return the rights of which one is needed; none when signed in is enough."""
        return (self.right,) if isinstance(self.right, Right) else self.right or ()


@dataclass(frozen=True, slots=True)
class Nav:
    """A place in the menu; shown to who has the right somewhere."""

    path: str
    vi: str
    en: str
    group: Group
    right: Right | tuple[Right, ...] | None = None
    order: int = 50


@dataclass(frozen=True, slots=True)
class Banner:
    """What everybody concerned sees above every page: an outage, training mode, an alert."""

    say: Say
    tone: Literal["bad", "doubt", "none", "good"] = "doubt"
    path: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the console."""

    pages: tuple[Page, ...]
    nav: tuple[Nav, ...] = ()


Banners = Callable[[Person | None], Awaitable[tuple[Banner, ...]]]
