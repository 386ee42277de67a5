"""Making, checking and upgrading the ledger on PostgreSQL; two halves, older nodes in between."""

import asyncio
import contextlib
import sqlite3
import threading
from dataclasses import replace

import asyncpg
import pytest

from gateway.errors import ConfigurationError, UnavailableError
from gateway.ports import ChangeSet, Committed
from gateway.store import revisions
from gateway.store.dialects import MIGRATION_LOCK, postgres
from gateway.store.places import place_of
from gateway.store.postgres import setup
from gateway.store.postgres.ledger import PostgresLedger
from gateway.store.queries import QUERIES
from gateway.store.schema import metadata
from tests.world import ledger_rows as rows
from tests.world.newer import make_newer

SECOND = """
def upgrade():
    op.add_column("recall", sa.Column("why", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE recall SET why = reason")

def finish():
    with op.batch_alter_table("recall") as recall:
        recall.drop_column("reason")
"""


@pytest.fixture
def place(postgres_url):
    return place_of(postgres_url)


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """A program that knows a second revision; call `newer("0001")` for the one before."""
    return make_newer(tmp_path / "migrations", monkeypatch, SECOND)


def asked(place, sql):
    async def ask():
        connection = await asyncpg.connect(**place.options("test"))
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def columns(place, table):
    found = asked(
        place,
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_schema = 'vanlien' AND table_name = '{table}' ORDER BY ordinal_position",
    )
    return [name for (name,) in found]


def test_the_migrations_make_exactly_the_schema(place):
    setup.create(place)
    for table in metadata.sorted_tables:
        assert columns(place, table.name) == [column.name for column in table.columns]
    made = dict(
        asked(place, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'vanlien'")
    )
    wanted = {index.name for table in metadata.sorted_tables for index in table.indexes}
    assert wanted <= made.keys()
    for table in metadata.sorted_tables:
        for index in table.indexes:
            where = index.dialect_options["postgresql"]["where"] is not None
            assert (" WHERE " in made[index.name]) is where, index.name
            assert made[index.name].startswith("CREATE UNIQUE ") is bool(index.unique)


def test_no_column_sorts_by_a_language_or_ends_at_32_bits(place):
    setup.create(place)
    odd = asked(
        place,
        "SELECT table_name, column_name, data_type, collation_name "
        "FROM information_schema.columns WHERE table_schema = 'vanlien' "
        "AND table_name != 'alembic_version' AND NOT (data_type = 'bigint' "
        "OR (data_type = 'text' AND collation_name = 'C'))",
    )
    assert odd == []


def test_every_question_is_understood(place):
    setup.create(place)

    async def prepare():
        connection = await asyncpg.connect(**place.options("test"))
        try:
            for name, sql in QUERIES.items():
                statement = await connection.prepare(postgres(sql).text)
                odd = {p.name for p in statement.get_parameters()} - {"text", "int8", "json"}
                assert not odd, name
        finally:
            await connection.close()

    asyncio.run(prepare())


def test_a_language_of_the_database_changes_nothing(postgres_server):
    options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'vi' LOCALE 'C'"
    place = place_of(postgres_server.create_database(options))
    setup.create(place)
    names = ["a", "B", "Đ", "d", "á"]
    values = ", ".join(f"('{n}', '{n}', 'active', 'x')" for n in names)
    asked(place, f"INSERT INTO agency (code, name, status, updated_at) VALUES {values}")
    found = [code for (code,) in asked(place, "SELECT code FROM agency ORDER BY code")]
    assert found == sorted(names, key=str.encode)


def test_nothing_there_is_said_and_made_once(place):
    assert "vanlien init" in setup.check(place)
    with pytest.raises(ConfigurationError, match="vanlien init"):
        setup.upgrade(place)
    with pytest.raises(ConfigurationError, match="vanlien init"):
        setup.finish(place)
    setup.create(place)
    assert setup.check(place) is None
    with pytest.raises(ConfigurationError, match="left alone"):
        setup.create(place)


def test_a_schema_with_tables_of_others_is_left_alone(place):
    asked(place, "CREATE SCHEMA vanlien")
    asked(place, "CREATE TABLE vanlien.theirs (a text)")
    with pytest.raises(ConfigurationError, match="left alone"):
        setup.create(place)
    assert "vanlien init" in setup.check(place)


def test_two_ledgers_in_two_schemas_of_a_database(place):
    other = replace(place, schema="other")
    setup.create(place)
    setup.create(other)
    asked(place, "INSERT INTO meta VALUES ('k', 'v')")
    assert asked(other, "SELECT * FROM meta WHERE key = 'k'") == []


def test_a_server_away_is_said(place):
    away = replace(place, port=1)
    assert "cannot be reached" in setup.check(away)
    with pytest.raises(UnavailableError):
        setup.create(away)


def test_two_who_make_it_take_turns(place):
    said = []

    def make():
        try:
            setup.create(place)
            said.append("made")
        except ConfigurationError:
            said.append("there already")

    both = [threading.Thread(target=make) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(said) == ["made", "there already"]
    assert setup.check(place) is None


def test_a_migration_waits_for_another(place, monkeypatch):
    monkeypatch.setattr(setup, "_WAIT_S", 0.05)

    async def hold():
        connection = await asyncpg.connect(**place.options("test"))
        try:
            await connection.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
            with pytest.raises(UnavailableError, match="cannot be set up"):
                await asyncio.to_thread(setup.create, place)
        finally:
            await connection.close()

    asyncio.run(hold())
    setup.create(place)


# ---------------------------------------------------------------- two halves


def test_an_older_node_works_until_the_second_half(place, newer):
    setup.create(place)
    asked(
        place,
        "INSERT INTO recall (id, delivery_id, state, asked_at, reason) "
        "VALUES ('r', 'd', 'asked', 'x', 'sent twice')",
    )
    newer("0001", "0002")
    assert "then upgrade it to 0002" in setup.check(place)
    with pytest.raises(ConfigurationError, match="then upgrade it"):
        setup.finish(place)
    setup.upgrade(place)
    setup.upgrade(place)
    assert setup.check(place) is None
    assert {"reason", "why"} <= set(columns(place, "recall"))
    assert asked(place, "SELECT why FROM recall") == [("sent twice",)]

    newer("0001")  # an older node, up or started again meanwhile
    assert setup.check(place) is None
    asked(
        place,
        "INSERT INTO recall (id, delivery_id, state, asked_at, reason) "
        "VALUES ('s', 'e', 'asked', 'x', 'once more')",
    )
    assert asyncio.run(commits(place))

    newer("0001", "0002")
    setup.finish(place)
    setup.finish(place)
    assert setup.check(place) is None
    assert "reason" not in columns(place, "recall")

    newer("0001")
    assert "newer than this program" in setup.check(place)
    with pytest.raises(ConfigurationError, match="newer than this program"):
        setup.upgrade(place)


async def commits(place):
    ledger = PostgresLedger(place)
    await ledger.open()
    try:
        return isinstance(await ledger.commit(ChangeSet((rows.meta("k"),))), Committed)
    finally:
        await ledger.close()


def test_a_new_ledger_needs_no_second_half(place, newer):
    newer("0001", "0002")
    setup.create(place)
    assert setup.check(place) is None
    assert "reason" not in columns(place, "recall")
    assert asked(place, revisions.WORKS_SINCE_SQL) == [("0002",)]


def test_an_upgrade_that_fails_leaves_all_as_it_was(place, newer, tmp_path):
    setup.create(place)
    newer("0001", "0002")
    bad = tmp_path / "migrations" / "versions" / "0002_made_up.py"
    bad.write_text(
        bad.read_text().replace('op.execute("UPDATE', 'op.execute("UPDATE nobody; UPDATE')
    )
    with pytest.raises(UnavailableError, match="cannot be set up"):
        setup.upgrade(place)
    assert "why" not in columns(place, "recall")
    assert asked(place, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_ledger_in_a_file_has_two_halves_as_well(tmp_path, newer):
    from gateway.store import setup as file_setup

    path = tmp_path / "ledger.sqlite"
    file_setup.create(path)

    def ask(sql):
        with contextlib.closing(sqlite3.connect(path)) as ledger, ledger:
            return ledger.execute(sql).fetchall()

    ask(
        "INSERT INTO recall (id, delivery_id, state, asked_at, reason) "
        "VALUES ('r', 'd', 'asked', 'x', 'sent twice')"
    )
    newer("0001", "0002")
    assert "then upgrade it to 0002" in file_setup.check(path)
    with pytest.raises(ConfigurationError, match="then upgrade it"):
        file_setup.finish(path)
    file_setup.upgrade(path)
    file_setup.upgrade(path)
    assert ask("SELECT why, reason FROM recall") == [("sent twice", "sent twice")]

    newer("0001")  # put back: it finds what it knows, and works
    assert file_setup.check(path) is None
    file_setup.upgrade(path)
    ask(
        "INSERT INTO recall (id, delivery_id, state, asked_at, reason) "
        "VALUES ('s', 'e', 'asked', 'x', 'once more')"
    )

    newer("0001", "0002")
    file_setup.finish(path)
    file_setup.finish(path)
    assert ask("SELECT id FROM recall ORDER BY id") == [("r",), ("s",)]
    newer("0001")
    assert "newer than this program" in file_setup.check(path)
