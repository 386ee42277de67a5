"""The clerks of one agency that works in our console: they open, accept, refuse, give back, send.

Each act is a request to a node, by the account of whoever is signed in: two clerks, and when one
account is shut, the other goes on. What was not heard is pressed again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from gateway.domain.access import Person
from gateway.domain.drafting import DraftState, Recipient
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import ChangeSet, FormFile, Insert
from gateway.ports.clerk_receive import Assigned, Box, PaperArrival
from gateway.programs.accounts.means import kept_of
from tests.simulation.letters import chunks, files_of
from tests.simulation.plan import Act, Doc
from tests.simulation.ports import EPOCH
from tests.simulation.recalls import LostError

CLERKS = ("lan", "mai")
_YEAR = timedelta(days=365)
_ACTS = {"02": "refuse", "03": "accept", "04": "assign", "05": "progress", "06": "finish"}
Work = Callable[[Any, Person], Awaitable[Any]]


async def open_accounts(house: Any, agencies: list[str]) -> None:
    """Sign the clerks of agencies in."""
    at = to_text(EPOCH)
    rows = []
    for agency in agencies:
        for login in CLERKS:
            name = f"{login}-{agency}"
            account = {
                "id": name,
                "login": name,
                "name": name,
                "agency": agency,
                "state": "active",
                "created_at": at,
                "created_by": "simulation",
            }
            session = {
                "id": kept_of(f"token {name}"),
                "account_id": name,
                "began_at": at,
                "used_at": at,
                "ends_at": to_text(EPOCH + _YEAR),
            }
            rows += [Insert("account", account), Insert("account_session", session)]
    await house.ledger.commit(ChangeSet(rows=tuple(rows)))


class Desk:
    """See the module."""

    def __init__(self, world: Any, house: Any, agency: str) -> None:
        self._world = world
        self._house = house
        self.agency = agency
        self._opened: set[str] = set()
        self.shut: set[str] = set()

    def wanted(self) -> bool:
        """Tell whether there is something to be done here."""
        return bool(self._house.rows(_ASKED, self.agency)) or any(
            row["id"] not in self._opened for row in self._house.rows(_NEW, self.agency)
        )

    async def work(self) -> None:
        """Look now and then at what came, and at what is asked back."""
        while True:
            await asyncio.sleep(self._world.random.uniform(2.0, 5.0))
            if not self.wanted():
                continue
            try:
                await self._look()
            except (LostError, UnavailableError, RejectedError):
                continue  # taken back, or shut away, between list and page

    async def _look(self) -> None:
        listing = await self._ask(
            lambda made, _: made["receiving"].listed(self.agency, Box.WAITING, after="")
        )
        for line in listing.lines:
            if line.id not in self._opened:
                await self._open(line)
        asked = await self._ask(
            lambda made, _: made["recalls"].asked_of(self.agency, "asked", before="", limit=50)
        )
        for question in asked.items:
            await self._give_back(question)

    async def _ask(self, work: Work) -> Any:
        """Make one request, as whoever can sign in."""
        shut = set(self.shut)

        async def request(made: Any) -> Any:
            for login in CLERKS:
                token = f"token {login}-{self.agency}"
                person = await made["sessions"].person(token)
                if person is not None:
                    done = await work(made, person)
                    if person.login in shut:
                        self._world.watch.violate("locked", f"{person.login} acts all the same")
                    return done
            raise RejectedError(Reason.UNAUTHENTICATED)

        return await self._world.call(self._house, request)

    async def _until_heard(self, work: Work) -> Any:
        while True:
            try:
                return await self._ask(work)
            except (LostError, UnavailableError):
                await asyncio.sleep(self._world.random.uniform(1.0, 4.0))
            except RejectedError as exc:
                return exc

    # ------------------------------------------------------------ what came

    async def _open(self, line: Any) -> None:
        """Open the page of a document, and its packet."""
        world = self._world

        async def packet(made: Any, _: Person) -> bytes:
            await made["receiving"].letter(line.id)
            found = await made["receiving"].packet(line.id)
            return b"".join([chunk async for chunk in found.chunks])

        data = await self._ask(packet)
        self._opened.add(line.id)
        n = world.watch.arrived(self.agency, line.id, data, written=self.agency)
        world.say(f"a clerk of {self.agency} opens {line.code}")
        codes = world.docs[n].replies if n is not None else ("03",)
        world.owed[self.agency] += 1
        world.spawn(self._handle(line.id, n, codes))

    async def _handle(self, item: str, n: int | None, codes: tuple[str, ...]) -> None:
        world = self._world
        for code in codes:
            await asyncio.sleep(world.random.uniform(0.0, 6.0))
            if code not in _ACTS:
                continue
            done = await self._until_heard(lambda made, by, c=code: _act(made, by, item, c))
            if isinstance(done, RejectedError):
                world.say(f"{self.agency} may not {_ACTS[code]} {n}: {done.reason.value}")
                continue
            world.say(f"{self.agency} {_ACTS[code]}s {n}, number {done.number}")
            told = world.watch.said_of_notices[self.agency]
            (told if n is None else world.watch.said[self.agency, n]).append(code)
        world.owed[self.agency] -= 1

    async def _give_back(self, question: Any) -> None:
        """Agree; where the law keeps it, say so (REC-08)."""
        what = f"{question.notation} for {question.sender}"
        done = await self._until_heard(
            lambda made, by: made["recalls"].agree(question.id, "da huy", by=by.login)
        )
        if isinstance(done, RejectedError) and done.reason is Reason.CONFLICT:
            done = await self._until_heard(
                lambda made, by: made["recalls"].decline(question.id, by=by.login)
            )
        self._world.say(f"{self.agency} answers for {what}: {done!r}")

    # ------------------------------------------------------------ other acts

    async def act(self, act: Act) -> None:
        """Enter what came on paper, or shut an account."""
        world = self._world
        world.owed["acts"] += 1
        await asyncio.sleep(act.at)
        if act.kind == "paper":
            await self._paper(act)
        else:
            await self._lock()
        world.owed["acts"] -= 1

    async def _paper(self, act: Act) -> None:
        paper = PaperArrival(
            sender_name="UBND xã",
            sender_code="",
            number=str(int(act.at * 10)),
            notation="CV",
            promulgation_date=date(2026, 11, 20),
            type_name="Công văn",
            subject="Van ban giay",
            once=f"form-{act.at}",
        )
        told = set()
        for _ in range(act.times):
            done = await self._until_heard(
                lambda made, by: made["receiving"].enter(by, self.agency, paper)
            )
            if isinstance(done, RejectedError):
                self._world.watch.violate("alarm", f"paper at {self.agency}: {done}")
                return
            told.add((done[0], done[1].number))
        self._world.counts["paper"] += 1
        self._world.say(f"{self.agency} enters paper: {sorted(n for _, n in told)}")
        if len(told) > 1:
            self._world.watch.violate("registers", f"one form of {self.agency} is {sorted(told)}")

    async def _lock(self) -> None:
        """ACC-02: a clerk lost control of the account, and shuts it."""
        name = f"{CLERKS[0]}-{self.agency}"

        async def lock(made: Any) -> None:
            row = await made["ledger"].one("account", id=name)
            if row["state"] == "active":
                actor = Person(name, name, name, session_id=kept_of(f"token {name}"))
                await made["locking"].lost(row, actor)

        while True:
            try:
                await self._world.call(self._house, lock)
                break
            except (LostError, UnavailableError, RejectedError):
                await asyncio.sleep(2.0)
        self.shut.add(name)
        self._world.counts["account shut"] += 1
        self._world.say(f"the account {name} is shut")

    # ------------------------------------------------------------ sending by form

    async def send(self, doc: Doc) -> str:
        """Send a document by form; return its consignment, "" when it was refused."""
        await asyncio.sleep(doc.at)
        draft_id = await self._until_heard(
            lambda made, by: made["drafts"].create(self.agency, by=by)
        )
        while True:
            done = await self._until_heard(lambda made, by: _issue(made, by, draft_id, doc))
            if isinstance(done, str):
                return done
            if isinstance(done, RejectedError) and done.reason not in _AGAIN:
                rules = [f.rule for f in done.findings]
                self._world.say(f"draft of document {doc.n}: {done.reason.value} {rules}")
                if not doc.doubtful:
                    self._world.watch.violate("lost", f"draft of document {doc.n}: {done} {rules}")
                return ""
            await asyncio.sleep(2.0)


_NEW = "SELECT id FROM arrival WHERE agency = ? AND state IN ('offered', 'taken')"
_ASKED = "SELECT 1 FROM takeback WHERE agency = ? AND state = 'asked' AND looked = 1"
_AGAIN = frozenset({Reason.CONFLICT, Reason.IN_FLIGHT, Reason.ILLEGAL_TRANSITION})


async def _act(made: Any, person: Person, item: str, code: str) -> Any:
    desk = made["receiving"]
    match code:
        case "02":
            return await desk.refuse(person, item, code="R01", text="sai", answered_for=True)
        case "03":
            return await desk.accept(person, item, undetermined="da goi dien kiem tra")
        case "04":
            return await desk.assign(person, item, Assigned(lead="Phong Mot"))
        case _:
            return await desk.progress(person, item, finished=code == "06", note="")


async def _issue(made: Any, person: Person, draft_id: str, doc: Doc) -> str | None:
    """Do what is left to do of a draft, up to its issue; return its consignment."""
    drafts = made["drafts"]
    draft = await drafts.get(draft_id)
    if draft.state is DraftState.DRAFT:
        to = [Recipient(code) for code in doc.to]
        draft = await drafts.save(draft_id, draft.revision, _form(doc), to, by=person)
        for name, data in files_of(doc):
            file = FormFile(name, "application/octet-stream", chunks(data))
            draft = await drafts.add_file(draft_id, file, by=person)
        draft = await drafts.mark_ready(draft_id, draft.revision, by=person)
    issued: str | None = await drafts.release(draft_id, draft.revision, confirmed=True, by=person)
    return issued


def _form(doc: Doc) -> dict[str, str]:
    return {
        "code_number": str(doc.n),
        "code_notation": "VP",
        "promulgation_date": "2026-11-23",
        "type_name": "Công văn",
        "subject": f"Van ban so {doc.n}",
        "place": "Lạng Sơn",
        "position": "Giám đốc",
        "full_name": "Nguyễn Văn An",
        "urgency": str(doc.urgency),
    }
