"""Session: what a store asks of either engine means the same on both."""

import threading

import pytest

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Delete, Insert, Update
from gateway.store.places import PostgresDatabase
from gateway.store.session import open_session, session
from gateway.store.steps import SetRefused
from tests.world import ledger_rows as rows
from tests.world.ledgers import ask

only_postgres = pytest.mark.parametrize("place", ["postgresql"], indirect=True)


@pytest.fixture
def opened(place):
    with session(place, purpose="test") as made:
        yield made


def meta(key, value=""):
    return ChangeSet(rows=(rows.meta(key, value),))


def test_rows_come_as_they_were_written(opened):
    text = "Về việc “khai báo”; DROP TABLE meta; -- 😀 $1 :name ?"
    with opened.writing():
        opened.apply(meta("k", text))
    assert opened.row("SELECT * FROM meta WHERE key = ?", ("k",)) == {"key": "k", "value": text}
    assert opened.row("SELECT value FROM meta WHERE key = :key", {"key": "k", "more": 1}) == {
        "value": text
    }
    assert opened.row("SELECT value FROM meta WHERE key = ?", ("none",)) is None
    with opened.reading():
        assert next(opened.values("SELECT key FROM meta WHERE key = ?", ("k",)))[0] == "k"
        assert [r["value"] for r in opened.stream("SELECT * FROM meta WHERE key = 'k'")] == [text]


def test_what_raises_leaves_nothing(opened, sql):
    def half():
        with opened.writing():
            opened.apply(meta("k"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert sql("SELECT * FROM meta WHERE key = 'k'") == []
    with opened.writing():
        opened.apply(meta("k"))
    assert sql("SELECT key FROM meta WHERE key = 'k'") == [("k",)]


def test_a_refused_set_leaves_nothing(opened, sql):
    with opened.writing():
        opened.apply(meta("taken"))
    several = ChangeSet(rows=(rows.meta("new"), rows.meta("taken"), rows.meta("other")))
    with pytest.raises(SetRefused), opened.writing():
        opened.apply(several)
    with pytest.raises(SetRefused), opened.writing():
        opened.apply(ChangeSet(rows=(Update("meta", {"key": "none"}, {"value": "x"}),)))
    assert sql("SELECT key FROM meta WHERE key IN ('new', 'other')") == []


def test_changes_are_counted(opened):
    with opened.writing():
        for key in ("a1", "a2"):
            opened.apply(meta(key))
        assert opened.run("UPDATE meta SET value = ? WHERE key LIKE 'a_'", ("x",)) == 2
        opened.apply(ChangeSet(rows=(Delete("meta", {"key": ("a1", "none")}),)))
        assert opened.run("DELETE FROM meta WHERE key = ?", ("a1",)) == 0


def test_a_reader_sees_one_moment(place, opened):
    with opened.reading():
        before = opened.row("SELECT COUNT(*) AS n FROM event")
        with session(place, purpose="other") as other, other.writing():
            other.apply(ChangeSet(rows=(rows.event("s"),)))
        assert opened.row("SELECT COUNT(*) AS n FROM event") == before
    assert opened.row("SELECT COUNT(*) AS n FROM event") == {"n": before["n"] + 1}


def test_what_is_committed_has_its_place(opened, sql):
    with opened.writing():
        opened.apply(ChangeSet(rows=(rows.entry("s"), rows.event("s"))))
    assert sql("SELECT idx FROM receipt_entry") == [(0,)]
    assert sql("SELECT seq FROM event") == [(1,)]


def test_writers_take_turns(place, opened, sql):
    """A read and the write that rests on it are never split by another writer."""
    with opened.writing():
        opened.apply(ChangeSet(rows=(Insert("meta", {"key": "n", "value": "0"}),)))

    def add():
        with session(place, purpose="test") as mine:
            for _ in range(10):
                with mine.writing():
                    n = int(mine.row("SELECT value FROM meta WHERE key = 'n'")["value"])
                    mine.run("UPDATE meta SET value = ? WHERE key = 'n'", (str(n + 1),))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql("SELECT value FROM meta WHERE key = 'n'") == [("40",)]


def test_reading_only_writes_nothing(place, sql):
    with session(place, purpose="test", read_only=True) as opened:
        with pytest.raises(UnavailableError):
            opened.run("INSERT INTO meta (key, value) VALUES ('k', '')")
        with pytest.raises(UnavailableError), opened.writing():
            opened.apply(meta("k"))
    assert sql("SELECT * FROM meta WHERE key = 'k'") == []


def test_what_is_closed_says_so(place):
    opened = open_session(place, purpose="test")
    opened.close()
    opened.close()
    with pytest.raises(UnavailableError):
        opened.row("SELECT 1 AS one")


# ---------------------------------------------------------------- a server that goes away


def end_others(place, purpose="test"):
    ask(
        place,
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
        f"WHERE application_name = 'vanlien {purpose}' AND pid != pg_backend_pid() "
        "AND datname = current_database()",
    )


@only_postgres
def test_a_connection_that_broke_is_opened_anew(place):
    with session(place, purpose="victim") as opened:
        end_others(place, "victim")
        assert opened.row("SELECT 1 AS one") == {"one": 1}
        end_others(place, "victim")
        with opened.writing():
            opened.apply(meta("k"))
        end_others(place, "victim")
        with opened.reading():
            assert opened.row("SELECT key FROM meta WHERE key = 'k'") == {"key": "k"}


@only_postgres
def test_a_transaction_that_lost_its_connection_is_never_half_done(place, sql):
    with session(place, purpose="victim") as opened:

        def cut():
            with opened.writing():
                opened.apply(meta("first"))
                end_others(place, "victim")
                opened.apply(meta("second"))

        with pytest.raises(UnavailableError):
            cut()
        assert sql("SELECT * FROM meta WHERE key IN ('first', 'second')") == []
        with opened.writing():
            opened.apply(meta("again"))
    assert sql("SELECT key FROM meta WHERE key = 'again'") == [("again",)]


@only_postgres
def test_a_server_that_is_not_there(place):
    nowhere = PostgresDatabase("127.0.0.1", 1, place.user, place.database)
    before = threading.active_count()
    with pytest.raises(UnavailableError):
        open_session(nowhere, purpose="test")
    assert threading.active_count() <= before


@only_postgres
def test_what_the_server_says_of_a_row_is_not_passed_on(opened):
    secret = "Nguyễn Văn An"
    with pytest.raises(UnavailableError) as caught, opened.writing():
        opened.run("INSERT INTO tree_head (size, root) VALUES (7, ?)", (secret,))
    assert secret in str(caught.value.__cause__)
    assert secret not in str(caught.value)
    assert "23502" in str(caught.value)
