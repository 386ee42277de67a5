"""Search, registers and counts over a ledger of either engine: the answers of a slow plain look.

The plain look knows neither terms nor indexes: it compares words letter by letter, counts by hand
and reckons months in Hà Nội. Books that follow the ledger by great or small steps, and books made
anew, answer alike, page by page: whichever node of a cluster a person is led to.
"""

import asyncio
import itertools
import json
import shutil
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import observe
from gateway.domain.directory import Directory
from gateway.domain.moments import to_text
from gateway.domain.stretches import FIRST, within
from gateway.domain.wording import asked, one_of
from gateway.domain.worktime import default_hours
from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, Update
from gateway.ports.books import Question, Span
from gateway.programs import bookkeeper, booksanew
from gateway.programs.bookkeeper import Bookkeeper
from gateway.programs.booksanew import Anew
from gateway.programs.pulse import Pulse
from gateway.store.books import FileBooks
from gateway.stores import ledger_at
from tests.world import ledger_rows as rows
from tests.world.ledgers import ENGINES, new_ledger

AGENCIES = ("H37.02", "H37.04")
HANOI = timedelta(hours=7)
TONES = {"\u0300", "\u0301", "\u0303", "\u0309", "\u0323"}
# 31/10 and 1/11/2026 are a Saturday and a Sunday; the last instant of October, the first after.
INSTANTS = [
    datetime(2026, 10, 30, 9, 0, tzinfo=UTC),
    datetime(2026, 10, 31, 16, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 10, 31, 17, 0, tzinfo=UTC),
    datetime(2026, 11, 3, 1, 0, tzinfo=UTC),
]
LONG_AFTER = "2027-01-01T00:00:00.000000Z"
WORDS = [
    "quyết",
    "định",
    "hoà",
    "hòa",
    "giải",
    "ủy",
    "uỷ",
    "ban",
    "Đồng",
    "đông",
    "dong",
    "tháp",
    "thap",
    "UBND",
    "h37.04",
    "năm",
    "2026",
    "05",
    "5",
    "quyet",
]
NUMBERS = ["5", "05", "12", "123", "1234"]
NOTATIONS = ["QĐ-UBND", "SNV-VP", "TB/2026"]
DOCUMENTS = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["in", "out"]),
        "agency": st.sampled_from(AGENCIES),
        "number": st.sampled_from(NUMBERS),
        "notation": st.sampled_from(NOTATIONS),
        "words": st.lists(st.sampled_from(WORDS), max_size=4),
        "at": st.sampled_from(INSTANTS),
        "later": st.sampled_from([None, *(timedelta(hours=h) for h in (1, 30, 80, 200))]),
        "type": st.sampled_from(["Công văn", "Quyết định"]),
        "verdict": st.sampled_from(["valid", "invalid", "undetermined"]),
        "state": st.sampled_from(["done", "taken", "quarantined"]),
        "hidden": st.booleans(),
        "paper": st.booleans(),
    }
)
QUESTIONS = st.one_of(
    st.lists(st.sampled_from([*WORDS, *NUMBERS, *NOTATIONS]), min_size=1, max_size=3).map(" ".join),
    st.sampled_from(WORDS).flatmap(lambda w: st.integers(1, len(w)).map(lambda n: w[:n])),
    st.builds("{}/{}".format, st.sampled_from(NUMBERS), st.sampled_from(NOTATIONS)),
    st.sampled_from(["31/10/2026", "01/11/2026", "1-11-2026", "2026-11-01", "hoa giai ", ""]),
)


# ---------------------------------------------------------------- the plain look


def letters(word):
    """Return the letters of a word without its tone, and the tone wherever it was put."""
    parts = unicodedata.normalize("NFD", word.lower())
    kept = "".join(c for c in parts if c not in TONES)
    return unicodedata.normalize("NFC", kept), [c for c in parts if c in TONES]


def bare(word):
    parts = unicodedata.normalize("NFD", word.lower().replace("Đ", "đ"))
    return "".join(c for c in parts if not unicodedata.combining(c)).replace("đ", "d")


def worded(text):
    kept = "".join(c if c.isalnum() or c == "." or unicodedata.combining(c) else " " for c in text)
    return kept.split()


def says(word, one, *, begins):
    """Tell whether a word of a document is the word asked for."""
    if bare(word) == word.lower():
        number = word.isdigit()
        wanted, *found = ((w.lstrip("0") or "0") if number and w.isdigit() else w
                          for w in (word.lower(), bare(one), *bare(one).split(".")))  # fmt: skip
        begins = begins and not (len(word) == 4 and word[:2] in {"19", "20"} and number)
        return any(w.startswith(wanted) if begins else w == wanted for w in found)
    (kept, tones), (other, others) = letters(word), letters(one)
    if others == tones:
        return other.startswith(kept) if begins else other == kept
    return False


def day_of(text):
    for form in ("%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day
        except ValueError:
            pass
    return None


def plainly(document, question):
    days = {document["day"], (document["at"] + HANOI).date()}
    chunks = question.split()
    for n, chunk in enumerate(chunks):
        if (day := day_of(chunk)) is not None:
            if day not in days:
                return False
            continue
        some = worded(chunk)
        for m, word in enumerate(some):
            last = n == len(chunks) - 1 and m == len(some) - 1 and question[-1:] == chunk[-1:]
            hit = any(says(word, one, begins=last) for one in document["texts"])
            if not hit and not (word.isdigit() and int(word) in {d.year for d in days}):
                return False
    return True


def midnight_after(day):
    """Return the end of the next working day: Mondays to Fridays, in weeks without a holiday."""
    day += timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day


def kind_of(document):
    """Return what a document is counted as, by hand."""
    at, done = document["at"], document["done"]
    here = (at + HANOI).date()
    if document["direction"] == "in":
        due = datetime.combine(midnight_after(here), datetime.max.time()) - HANOI
        due = None if document["paper"] else due.replace(tzinfo=UTC) + timedelta(microseconds=1)
    else:
        morning = datetime.combine(midnight_after(document["day"]), datetime.min.time())
        due = (morning + timedelta(hours=11, minutes=30) - HANOI).replace(tzinfo=UTC)
    if due is None:
        outcome = "none"
    elif done is None:
        outcome = "open"
    else:
        outcome = "on-time" if done < due else "late"
    signed = document["verdict"] if document["verdict"] != "undetermined" else "unknown"
    if document["paper"] and document["direction"] == "in":
        signed = "paper"
    return (
        document["agency"], document["direction"], f"{here:%Y-%m}", document["type"],
        document["state"], signed, outcome,
    )  # fmt: skip


# ---------------------------------------------------------------- documents


def furnished(document, n):
    """Return a made-up document with its id, what it is found by, when it was done."""
    at, later = document["at"], document["later"]
    day = (at + HANOI).date()
    number = document["number"]
    subject = " ".join(document["words"])
    made = document | {
        "id": f"0195a{n:03x}-{n * 7919 % 65536:04x}-7000-8000-{n:012d}",
        "day": day,
        "done": None if later is None else at + later,
        "code": f"{number}/{document['notation']}",
        "document_id": f"H57.01,{day:%Y/%m/%d},{number}/{document['notation']}.{n}",
        "subject": subject,
    }
    ours = made["agency"] if made["direction"] == "out" else "H57.01"
    texts = [made["document_id"], made["code"], subject, "Nguyễn An", made["type"], made["agency"]]
    texts += ["Sở Nội vụ", ours, str(n)] if made["direction"] == "in" else ["Sở Y tế", "H37.06"]
    return made | {"texts": [word for text in texts for word in worded(text)]}


def envelope(made):
    header = {
        "code_number": made["number"],
        "code_notation": made["notation"],
        "subject": made["subject"],
        "promulgation_date": made["day"].isoformat(),
        "type_name": made["type"],
        "signer": {"full_name": "Nguyễn An"},
    }
    return json.dumps({"header": header}, ensure_ascii=False)


def rows_of(made, n):
    row_id, at = made["id"], to_text(made["at"])
    done = None if made["done"] is None else to_text(made["done"])
    common = {"state": made["state"], "verdict": made["verdict"], "envelope": envelope(made)}
    if made["direction"] == "out":
        yield rows.consignment(
            row_id, made["document_id"], sender=made["agency"], accepted_at=at, issued_at=done,
            **common,
        )  # fmt: skip
        delivered = f"d{row_id}"
        yield rows.delivery(delivered, row_id, agency="H37.06", name="Sở Y tế")
        yield rows.event(row_id)
        return
    paper = made["paper"]
    yield rows.arrival(
        row_id, made["document_id"], agency=made["agency"], sender_name="Sở Nội vụ",
        source="paper" if paper else "axis", at_gateway_at=at, entered_system_at=at,
        offered_at=None if paper or made["hidden"] else at,
        received_at_legal=None if paper else at, came_at=at if paper else None,
        arrival_year=2026, arrival_number=n, **common,
    )  # fmt: skip
    if done is not None:
        yield rows.status(f"s{row_id}", arrival_id=row_id, created_at=done)
    yield rows.event(row_id if n % 2 else f"arrival:{row_id}")


def visible(made):
    hidden = made["direction"] == "in" and made["hidden"] and not made["paper"]
    return made["state"] != "quarantined" and not hidden


def newest_first(made):
    return int(made["id"][:8] + made["id"][9:13], 16)


# ---------------------------------------------------------------- over either engine


class Shelf:
    """A ledger, two nodes that follow it, and what was written to it so far."""

    def __init__(self, runner, ledger, folder):
        self.run, self.ledger, self.folder = runner.run, ledger, folder
        self.context = SimpleNamespace(
            ledger=ledger, directory=lambda: Directory([]), calendar=lambda _: default_hours()
        )
        self.nodes = [FileBooks(folder / name / "books.sqlite") for name in ("a", "b")]
        self.keepers = [Bookkeeper(self.context, books, Pulse(ledger)) for books in self.nodes]
        self.documents = {}

    async def write(self, documents):
        for document in documents:
            n = len(self.documents) + 1
            made = furnished(document, n)
            await self.commit(*rows_of(made, n))
            self.documents[made["id"]] = made

    async def commit(self, *changes):
        assert isinstance(await self.ledger.commit(ChangeSet(rows=changes)), Committed)

    async def change(self, made, state):
        table = "arrival" if made["direction"] == "in" else "consignment"
        await self.commit(Update(table, {"id": made["id"]}, {"state": state}),
                          rows.event(made["id"]))  # fmt: skip
        made["state"] = state

    async def followed(self):
        for keeper in self.keepers:
            while await keeper.once():
                pass

    def found(self, question):
        return sorted(
            (m for m in self.documents.values() if visible(m) and plainly(m, question)),
            key=newest_first, reverse=True,
        )  # fmt: skip

    async def anew(self):
        books = FileBooks(self.folder / "anew" / "books.sqlite")
        await Anew(self.ledger, self.context).into(books.make(), nothing)
        await books.adopt()
        return books


async def nothing(_):
    pass


@pytest.fixture(params=ENGINES)
def shelf(request, tmp_path, monkeypatch):
    monkeypatch.setattr(booksanew, "_PIECE", 3)
    with asyncio.Runner() as runner:
        opening = ledger_at(new_ledger(request, tmp_path))
        made = Shelf(runner, runner.run(opening.__aenter__()), tmp_path)
        yield made
        for books in made.nodes:
            books.close()
        runner.run(opening.__aexit__(None, None, None))


async def pages(books, question):
    found, before = [], 0
    while True:
        page = await books.find(replace(question, before=before))
        found.append(page)
        if not (before := page.older):
            return found


def everything(text):
    mine = one_of("in", AGENCIES).clauses[0] + one_of("out", AGENCIES).clauses[0]
    return Question(replace(asked(text), clauses=((mine), *asked(text).clauses)), limit=4)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    documents=st.lists(DOCUMENTS, min_size=1, max_size=4),
    questions=st.lists(QUESTIONS, min_size=1, max_size=6),
    changed=st.sampled_from([None, "done", "quarantined"]),
)
def test_what_is_found_and_counted_is_what_a_plain_look_finds(shelf, documents, questions, changed):
    async def play():
        await shelf.write(documents)
        # One node follows step by step, the other is behind and reads more at once.
        await bookkeeper_steps(shelf.keepers[0])
        if changed:
            await shelf.change(list(shelf.documents.values())[-1], changed)
        await shelf.followed()
        anew = await shelf.anew()
        try:
            await agree(shelf, anew, questions)
        finally:
            anew.close()

    shelf.run(play())


async def bookkeeper_steps(keeper):
    while await keeper.once():
        pass


async def agree(shelf, anew, questions):
    for text in questions:
        wanted = [made["id"] for made in shelf.found(text)]
        answers = [await pages(books, everything(text)) for books in (*shelf.nodes, anew)]
        found = [hit.subject for page in answers[0] for hit in page.hits]
        assert found == wanted, text
        # Places too: the next page may be asked of another node.
        assert answers[1] == answers[0], text
        assert answers[2] == answers[0], text
    plain = {}
    for made in filter(visible, shelf.documents.values()):
        plain[kind_of(made)] = plain.get(kind_of(made), 0) + 1
    for books in (*shelf.nodes, anew):
        for counted in (books.counts, books.recount):
            kept = await counted(AGENCIES, "2026-01", "2026-12")
            assert {(c.agency, c.direction, c.month, c.type_name, c.state, c.signed, c.outcome): c.n
                    for c in kept} == plain  # fmt: skip
        due = await books.overdue(AGENCIES, "2026-01", "2026-12", LONG_AFTER)
        assert due == sum(n for kind, n in plain.items() if kind[-1] == "open")
        await within_agree(shelf, books)
        for agency in AGENCIES:
            lines = await books.register(Span(agency, "in", 2026, month="2026-11"))
            assert [hit.number for hit in lines.hits] == [
                n for n, made in enumerate(shelf.documents.values(), 1)
                if visible(made) and made["direction"] == "in" and made["agency"] == agency
                and (made["at"] + HANOI).month == 11
            ]  # fmt: skip


async def within_agree(shelf, books):
    """State and days are properties as well: what they bound is what a plain look bounds."""
    ours = replace(everything(""), limit=50).asked
    days = [(at + HANOI).date() for at in INSTANTS]
    for state, first, last in (("done", FIRST, days[1]), ("taken", days[2], date(2026, 12, 31))):
        wanted = ours.both(one_of("state", [state])).both(within(first, last))
        plain = [
            made["id"] for made in shelf.found("")
            if made["state"] == state and first <= (made["at"] + HANOI).date() <= last
        ]  # fmt: skip
        page = await books.find(Question(wanted, limit=50))
        assert [hit.subject for hit in page.hits] == plain[:50]


def document(**more):
    base = {
        "direction": "in", "agency": "H37.02", "number": "05", "notation": "QĐ-UBND",
        "words": ["hoà", "giải"], "at": INSTANTS[0], "later": None, "type": "Công văn",
        "verdict": "valid", "state": "taken", "hidden": False, "paper": False,
    }  # fmt: skip
    return base | more


def test_a_node_that_comes_later_takes_up_where_the_feed_is(shelf, monkeypatch):
    """A new node, far behind, goes through the documents themselves; then it follows."""
    monkeypatch.setattr(bookkeeper, "_FAR", 5)

    async def play():
        await shelf.write([document(words=["tháp", str(n)]) for n in range(8)])
        late = shelf.keepers[1]
        assert await late.once() is False  # made anew; nothing was left to follow
        assert (await late.caught_up(0)).behind == 0
        await shelf.change(shelf.documents[next(iter(shelf.documents))], "quarantined")
        await shelf.write([document(words=["thap"])])
        await shelf.followed()
        answers = [await pages(books, everything("thap")) for books in shelf.nodes]
        assert answers[0] == answers[1]
        assert sum(len(page.hits) for page in answers[0]) == 8

    shelf.run(play())


def test_who_waits_for_the_books_has_them_look_now(shelf):
    """What another node wrote wakes nobody here: the next look of its own is an hour away."""

    async def play():
        books = shelf.nodes[0]
        keeper = Bookkeeper(shelf.context, books, Pulse(shelf.ledger, poll_s=3600))
        following = asyncio.create_task(keeper.run())
        try:
            for many in range(1, 4):
                await shelf.write([document(words=["tháp"])])
                assert (await keeper.caught_up(60)).behind == 0
                page = await books.find(everything("tháp"))
                assert len(page.hits) == many
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    shelf.run(play())


def test_what_changes_while_books_are_made_anew_is_read_again(shelf):
    async def play():
        await shelf.write([document() for _ in range(7)])
        first = next(iter(shelf.documents.values()))
        steps = itertools.count()

        async def meanwhile(_):
            if next(steps) == 1:  # it was read already
                await shelf.change(first, "quarantined")
                await shelf.write([document(words=["ban"])])

        await Anew(shelf.ledger, shelf.context).into(shelf.nodes[0].make(), meanwhile)
        await shelf.followed()
        for books in shelf.nodes:
            found = [
                hit.subject for page in await pages(books, everything("")) for hit in page.hits
            ]
            assert found == [made["id"] for made in shelf.found("")]
            assert first["id"] not in found

    shelf.run(play())


def test_books_of_another_ledger_are_not_shown(shelf):
    """As after a restore: what stood in them may never have been in this ledger."""

    async def play():
        await shelf.write([document() for _ in range(3)])
        await shelf.followed()
        books, keeper = shelf.nodes[0], shelf.keepers[0]
        mark = await books.mark()
        hit = (await books.find(everything(""))).hits[0]
        await books.put([], [hit.subject], mark._replace(known_by=mark.known_by + 1))
        fresh = Bookkeeper(shelf.context, books, Pulse(shelf.ledger))
        while await fresh.once():
            pass
        assert await books.one(hit.subject) is not None
        assert await books.mark() == mark
        assert keeper is not fresh

    shelf.run(play())


def test_the_day_of_a_document_is_that_of_ha_noi(shelf):
    """23:59:59 of 31 October and midnight: two months, an instant apart."""

    async def play():
        await shelf.write([document(at=at, paper=True, words=[]) for at in INSTANTS[1:3]])
        await shelf.followed()
        counts = await shelf.nodes[0].counts(AGENCIES, "2026-10", "2026-11")
        assert [(c.month, c.n) for c in counts] == [("2026-10", 1), ("2026-11", 1)]
        october, november = shelf.documents
        for text, wanted in (("31/10/2026", october), ("1/11/2026", november)):
            page = await shelf.nodes[0].find(everything(text))
            assert [hit.subject for hit in page.hits] == [wanted]
        assert (INSTANTS[1] + HANOI).date() == date(2026, 10, 31)

    shelf.run(play())


def test_who_makes_the_books_sooner_is_followed(shelf, monkeypatch):
    """A server makes them anew for itself, gently; somebody at the keyboard is faster."""
    monkeypatch.setattr(bookkeeper, "_REST_S", 0.0)

    async def play():
        await shelf.write([document(words=["tháp"]) for _ in range(9)])
        books, keeper = shelf.nodes[0], shelf.keepers[0]
        adopt, looks = books.adopt, itertools.count()

        async def adopting():
            if next(looks) == 1:  # it is in the middle of it
                await Anew(shelf.ledger, shelf.context).into(books.make(), nothing)
            return await adopt()

        monkeypatch.setattr(books, "adopt", adopting)
        await keeper.anew()
        assert next(looks) == 2
        assert len((await books.find(Question(asked("tháp")))).hits) == 9
        assert [p.name for p in (shelf.folder / "a").glob("*.sqlite.*")] == []
        assert await keeper.once() is False

    shelf.run(play())


def test_on_a_full_disk_books_are_made_less_and_less_often_and_by_themselves(shelf, monkeypatch):
    """Each try reads the whole ledger, and what it writes takes the room the ledger needs."""
    told = []
    monkeypatch.setattr(observe, "alarm", lambda *, what, **_: told.append(what))
    monkeypatch.setattr(
        observe, "standing_warning", lambda *, what, active: told.append((what, active))
    )
    monkeypatch.setattr(bookkeeper, "_FAR", 5)
    left = [1 << 20]
    room = lambda _: SimpleNamespace(total=1 << 40, free=left[0])  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", room)

    async def play():
        await shelf.write([document(words=["tháp"]) for _ in range(9)])
        keeper, folder = shelf.keepers[0], shelf.folder / "a"
        rests = []
        for _ in range(9):
            with pytest.raises(UnavailableError):
                await keeper.once()
            rests.append(keeper.rest_s)
            assert [p.name for p in folder.glob("*.new*")] == []  # nothing half made stays
        assert rests[:3] == [10, 20, 40]
        assert rests[-1] == 600
        assert told == ["books not made anew", ("books", True)]
        left[0] = 1 << 39
        await keeper.once()
        assert told[2:] == [("books", False)]
        assert keeper.rest_s == 5
        assert len((await shelf.nodes[0].find(Question(asked("tháp")))).hits) == 9

    shelf.run(play())
