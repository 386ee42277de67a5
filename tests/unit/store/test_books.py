"""The books answer what a look at every document would, and count what they hold."""

import asyncio
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.wording import Asked, asked, flag, one_of, terms_of
from gateway.errors import UnavailableError
from gateway.ports.books import Entry, Mark, Question, Span
from gateway.store import books as books_file
from gateway.store import booksfile
from gateway.store.books import FileBooks

WORDS = ("quyết", "quyêt", "quyet", "định", "hoà", "hòa", "ủy", "uỷ", "đồng", "dong", "05", "5")
WORDS += ("tháp", "H37.02", "ß", "漢字", "ก็", "x_y", "AND", '"', "2026", "a\u0301b", "NEAR(", "*")

DUE_AT = "2026-11-20T00:00:00.000000Z"


def named(number):
    """Return an id as documents have it: the later one is the greater."""
    return f"{number:08x}-0000-7000-8000-000000000000"


def made(number, *texts, agency="H37.02", **more):
    entry = Entry(
        subject=named(number),
        direction="in",
        agency=agency,
        at=f"2026-11-{number % 28 + 1:02}T01:00:00.000000Z",
        month=f"2026-{number % 3 + 9:02}",
        day="2026-11-05",
        year=2026,
        number=number,
        state="taken",
        type_name="Công văn",
        urgency=0,
        signed="valid",
        partner="H57",
        due_at=DUE_AT,
        done_at="",
        shown={"subject": " ".join(texts)},
        terms=terms_of(texts) | {flag("in", agency)},
    )
    return replace(entry, **more)


@pytest.fixture
def books(tmp_path):
    kept = FileBooks(tmp_path / "books" / "books.sqlite")
    yield kept
    kept.close()


async def found(books, question):
    places, before = [], 0
    while True:
        page = await books.find(replace(question, before=before))
        places += [hit.subject for hit in page.hits]
        if not (before := page.older):
            return places


TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=5)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    documents=st.lists(st.tuples(TEXTS, st.sampled_from(["H37.02", "H37.04"])), max_size=8),
    question=TEXTS,
    agencies=st.sets(st.sampled_from(["H37.02", "H37.04", "H37"]), min_size=1),
)
def test_a_question_is_answered_as_by_a_look_at_every_document(
    books, documents, question, agencies
):
    async def play():
        await books.empty()
        entries = [made(n, *texts, agency=agency) for n, (texts, agency) in enumerate(documents)]
        await books.put(entries, [], Mark(1))
        wanted = one_of("in", agencies).both(asked(" ".join(question)))
        naive = [e.subject for e in reversed(entries) if wanted.fits(e.terms)]
        assert await found(books, Question(wanted, limit=3)) == naive

    asyncio.run(play())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["taken", "accepted", "gone"]), st.booleans()),
        max_size=20,
    )
)
def test_counts_are_those_of_the_documents(books, changes):
    # RPT-02: figures are kept with what they count; they never drift.
    async def play():
        await books.empty()
        for n, (number, state, late) in enumerate(changes, 1):
            done = "2026-11-21T00:00:00.000000Z" if late else ""
            one = made(number, f"word{n}", state=state, done_at=done)
            gone = [one.subject] if state == "gone" else []
            await books.put([] if gone else [one], gone, Mark(n))
        kept = await books.counts(["H37.02"], "2026-01", "2026-12")
        anew = await books.recount(["H37.02"], "2026-01", "2026-12")
        assert sorted(map(repr, kept)) == sorted(map(repr, anew))
        for month in ("2026-09", "2026-10", "2026-11"):
            due = sum(c.n for c in anew if (c.outcome, c.month) == ("open", month))
            assert await books.overdue(["H37.02"], month, month, DUE_AT) == due
            assert await books.overdue(["H37.02"], month, month, "2026-11-19") == 0
            assert await books.overdue(["H37.04"], month, month, DUE_AT) == 0

    asyncio.run(play())


async def test_agencies_are_counted_together_and_apart(books):
    entries = [made(n, agency="H37.02" if n % 2 else "H37.04", direction="out" if n == 4 else "in")
               for n in range(9)]  # fmt: skip
    await books.put([*entries, made(9, agency="H37.06")], [], Mark(1))
    both, span = ["H37.02", "H37.04"], ("2026-01", "2026-12")
    apart = await books.counts(both, *span)
    summed = {}
    for one in apart:
        key = replace(one, agency="", n=0)
        summed[key] = summed.get(key, 0) + one.n
    together = await books.together(both, *span)
    assert {replace(one, n=0): one.n for one in together} == summed
    assert len(together) < len(apart)
    shares = {("H37.02", "in"): 4, ("H37.04", "in"): 4, ("H37.04", "out"): 1}
    assert await books.shares(both, *span) == shares
    assert await books.shares(both, "2026-12", "2026-12") == {}


async def test_what_changed_is_found_by_what_it_is_now(books):
    await books.put([made(1, "hoà giải")], [], Mark(1))
    await books.put([made(1, "trợ cấp")], [], Mark(2, 77))
    assert await found(books, Question(asked("hoa"))) == []
    assert await found(books, Question(asked("tro cap"))) == [named(1)]
    await books.put([], [named(1)], Mark(3))
    assert await found(books, Question(asked("tro cap"))) == []
    assert (await books.mark()) == Mark(3)


@pytest.mark.parametrize("more", [0, 1])
async def test_a_beginning_finds_its_words_however_many_there_are(books, more):
    """They are asked for one by one, one more as a beginning: live and made anew alike."""
    many = books_file._MOST_SPELLINGS + more
    entries = [made(n, f"khen{n:04} thuong", "kế hoạch") for n in range(many)]
    other = made(many, "khác")
    await books.put([*entries, other], [], Mark(1))
    making = books.make()
    await making.add([*entries, other])
    await making.done(Mark(1))
    await making.drop()
    for _ in range(2):
        for text in ("k", "kh", "khe", "khen", "khen00", "thuong khen0001", "khen hoạ", "khenn"):
            fits = [e.subject for e in (other, *reversed(entries)) if asked(text).fits(e.terms)]
            assert await found(books, Question(asked(text), limit=200)) == fits, text
        await books.adopt()


async def test_a_register_goes_by_its_numbers(books):
    several = [made(n, "x") for n in (5, 3, 9, 7)]
    unnumbered = replace(made(4, "x"), number=None)
    await books.put([*several, unnumbered, made(6, "x", year=2025)], [], Mark(1))
    first = await books.register(Span("H37.02", "in", 2026, limit=3))
    assert [hit.number for hit in first.hits] == [3, 5, 7]
    last = first.hits[-1]
    rest = await books.register(Span("H37.02", "in", 2026, after=(last.number, last.place)))
    assert ([hit.number for hit in rest.hits], rest.older) == ([9], 0)
    month = await books.register(Span("H37.02", "in", 2026, month="2026-09"))
    assert [hit.number for hit in month.hits] == [3, 9]


async def test_books_are_there_after_a_restart_and_damaged_ones_are_made_anew(tmp_path):
    path = tmp_path / "books.sqlite"
    first = FileBooks(path)
    await first.put([made(1, "hoà")], [], Mark(4, 2))
    first.close()
    second = FileBooks(path)
    assert await second.mark() == Mark(4, 2)
    assert await found(second, Question(asked("hoà"))) == [named(1)]
    second.close()
    path.write_bytes(b"not a database at all" * 100)
    third = FileBooks(path)
    assert await third.mark() == Mark(0)
    third.close()
    with pytest.raises(UnavailableError):
        await third.mark()


async def test_no_words_find_nothing(books):
    await books.put([made(1, "x")], [], Mark(1))
    assert await found(books, Question(Asked())) == []


async def test_books_that_cannot_be_opened_now_are_left_and_tried_again(tmp_path, monkeypatch):
    path = tmp_path / "books.sqlite"
    first = FileBooks(path)
    await first.put([made(1, "hoà")], [], Mark(4, 2))
    first.close()

    def busy(_):
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(booksfile, "connected", busy)
        books = FileBooks(path)  # the gateway starts all the same
        with pytest.raises(UnavailableError):
            await books.mark()
    assert await books.mark() == Mark(4, 2)
    assert await found(books, Question(asked("hoà"))) == [named(1)]
    books.close()


async def test_books_made_anew_take_the_place_of_those_in_use(books):
    await books.put([made(1, "hoà"), made(2, "hoà")], [], Mark(1))
    making = books.make()
    await making.add([made(n, "giải", agency="H37.04") for n in (3, 1)])
    await making.add([made(4, "giải")])
    assert await books.adopt() is False
    await making.done(Mark(9, 5))
    await making.drop()
    assert await found(books, Question(asked("hoà"))) == [named(2), named(1)]
    assert await books.adopt() is True
    assert await found(books, Question(asked("hoà"))) == []
    assert await found(books, Question(asked("giai"))) == [named(4), named(3), named(1)]
    assert await books.mark() == Mark(9, 5)
    kept = await books.counts(["H37.02", "H37.04"], "2026-01", "2026-12")
    assert sum(count.n for count in kept) == 3
    assert kept == await books.recount(["H37.02", "H37.04"], "2026-01", "2026-12")
    await books.put([made(1, "ban")], [], Mark(10))  # and they go on
    assert await found(books, Question(asked("ban"))) == [named(1)]


async def test_reading_waits_while_books_are_taken_over(books):
    for n in range(3):
        making = books.make()
        await making.add([made(n, "hoà")])
        await making.done(Mark(n + 1))
        await making.drop()
        asked_for = Question(asked("hoà"))
        adopted, *pages = await asyncio.gather(
            books.adopt(), *(books.find(asked_for) for _ in range(20))
        )
        assert adopted
        assert {len(page.hits) for page in pages} <= {0, 1}
        assert [hit.subject for hit in (await books.find(asked_for)).hits] == [named(n)]


async def test_two_of_one_millisecond_both_have_a_place(books):
    twins = [replace(made(1, "hoà"), subject=f"{named(1)[:-3]}{n:03x}") for n in range(600)]
    await books.put(twins, [], Mark(1))
    followed = {hit.subject: hit.place for hit in await everything(books)}
    assert len(followed) == len(set(followed.values())) == 600
    making = books.make()
    await making.add(twins[:300])
    await making.add(twins[300:])
    await making.done(Mark(1))
    await making.drop()
    await books.adopt()
    assert len({hit.place for hit in await everything(books)}) == 600


async def everything(books):
    return (await books.find(Question(asked("hoà"), limit=1000))).hits


async def test_what_a_crash_left_half_made_goes_and_what_is_being_made_stays(books, tmp_path):
    left = tmp_path / "books" / "books.sqlite.new-left"
    left.write_bytes(b"half")
    one, other = books.make(), books.make()
    await one.add([made(1, "hoà")])
    assert not left.exists()
    await other.add([made(2, "hoà")])
    await other.done(Mark(2))
    await one.done(Mark(1))
    for making in (one, other):
        await making.drop()
    assert await books.adopt()
    assert await books.mark() == Mark(1)  # who was ready last
    assert [path.name for path in left.parent.glob("*.sqlite.*new*")] == []
