"""Our SQL as PostgreSQL reads it."""

import pytest

from gateway.store.dialects import WRITE_LOCK, postgres
from gateway.store.queries import QUERIES


def test_names_become_places_once_each():
    made = postgres("SELECT * FROM t WHERE a = :x AND b > :y_1 AND c = :x")
    assert made.text == "SELECT * FROM t WHERE a = $1 AND b > $2 AND c = $1"
    assert made.order == ("x", "y_1")
    assert made.arguments({"y_1": 2, "x": 1, "more": 3}) == [1, 2]


def test_question_marks_become_places_in_turn():
    made = postgres("INSERT INTO t (a, b) VALUES (?, ?), (?, ?)")
    assert made.text == "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)"
    assert made.arguments(["a", "b", "c", "d"]) == ["a", "b", "c", "d"]


def test_what_is_left_out_is_an_error():
    with pytest.raises(KeyError):
        postgres("SELECT :a").arguments({"b": 1})
    with pytest.raises(IndexError):
        postgres("SELECT ?, ?").arguments([1])


def test_text_in_quotes_stays():
    sql = "SELECT ':a', 'it''s ?', \"odd:name\" FROM t WHERE b LIKE '%\"x\":[%'"
    assert postgres(sql).text == sql
    assert postgres(sql).order == ()


def test_lists_are_arrays_made_once():
    made = postgres("SELECT 1 WHERE a IN (SELECT value FROM json_each(:l)) AND b = :b")
    array = "ARRAY(SELECT json_array_elements_text(CAST($1 AS json)))"
    assert made.text == f"SELECT 1 WHERE a = ANY ({array}) AND b = $2"
    made = postgres("SELECT 1 WHERE a NOT IN (SELECT value FROM json_each(?))")
    assert made.text == f"SELECT 1 WHERE a <> ALL ({array})"


def test_json_is_read_as_text():
    made = postgres("SELECT json_extract(e.body, '$.a.b_c'), json_extract(value, '$[1]')")
    assert made.text == (
        "SELECT (CAST(e.body AS json) #>> '{a,b_c}'), (CAST(value AS json) #>> '{1}')"
    )
    made = postgres("SELECT value FROM json_each(:items)")
    assert made.text == "SELECT value FROM json_array_elements(CAST($1 AS json)) AS each(value)"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT OR IGNORE INTO t VALUES (1)",
        "SELECT rowid FROM t",
        "SELECT IFNULL(a, 1) FROM t",
        "BEGIN IMMEDIATE",
        "PRAGMA user_version",
        "SELECT CAST(a AS INTEGER) FROM t",
        "SELECT * FROM json_each('[1]')",
        "SELECT json_extract(a || b, '$.c') FROM t",
        "SELECT :a, ?",
    ],
)
def test_what_only_sqlite_knows_is_refused(sql):
    with pytest.raises(ValueError, match="not for PostgreSQL"):
        postgres(sql)


def test_in_quotes_it_is_no_matter():
    assert postgres("SELECT 'rowid PRAGMA ?'").text == "SELECT 'rowid PRAGMA ?'"


def test_every_question_of_the_programs_can_be_put():
    for sql in QUERIES.values():
        assert "json_each" not in postgres(sql).text


def test_the_lock_is_a_number_the_server_takes():
    assert 0 < WRITE_LOCK < 2**63 - 1
