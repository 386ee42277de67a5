"""Making, checking and upgrading a ledger file; the migrations against the schema."""

import ast
import hashlib
import os
import re
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from gateway.errors import ConfigurationError, UnavailableError
from gateway.store import revisions, setup, shape
from gateway.store.schema import metadata

pytestmark = pytest.mark.usefixtures("real_migrations")


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "số cái 100%.sqlite"
    setup.create(target)
    return target


def sqlite(path, sql):
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(sql).fetchall()
        connection.commit()
    finally:
        connection.close()
    return rows


def plain(index):
    """An index as text, clauses in words."""
    options = {k: str(v) for k, v in index["dialect_options"].items()}
    return str({**index, "dialect_options": options})


def described(engine):
    """Everything the engine says about its tables, in comparable form."""
    found = {}
    seer = inspect(engine)
    for table in seer.get_table_names():
        if table == "alembic_version":
            continue
        found[table] = {
            "columns": [
                (c["name"], str(c["type"]), c["nullable"], c["default"], c["primary_key"])
                for c in seer.get_columns(table)
            ],
            "primary": seer.get_pk_constraint(table),
            "unique": sorted(map(str, seer.get_unique_constraints(table))),
            "foreign": sorted(map(str, seer.get_foreign_keys(table))),
            "indexes": sorted(map(plain, seer.get_indexes(table))),
        }
    return found


def statements(engine):
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL "
            "AND tbl_name != 'alembic_version'"
        ).fetchall()
    return {name: " ".join(sql.split()) for name, sql in rows}


@pytest.fixture
def engines(path):
    migrated = create_engine(f"sqlite:///{path}")
    fresh = create_engine("sqlite://")
    metadata.create_all(fresh)
    yield migrated, fresh
    migrated.dispose()
    fresh.dispose()


def test_the_migrations_make_exactly_the_schema(engines):
    migrated, fresh = engines
    assert described(migrated) == described(fresh)


def test_partial_indexes_and_rowid_are_as_in_the_schema(engines):
    migrated, fresh = map(statements, engines)
    assert migrated.keys() == fresh.keys()
    partial = {n for n, sql in fresh.items() if " WHERE " in sql}
    assert len(partial) >= 5
    assert {n: migrated[n] for n in partial} == {n: fresh[n] for n in partial}
    assert "WITHOUT ROWID" in migrated["blob_ref"]


def test_the_comparison_sees_a_difference(engines):
    migrated, fresh = engines
    with migrated.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_delivery_transfer")
        connection.exec_driver_sql("ALTER TABLE meta ADD COLUMN more TEXT")
    assert described(migrated)["meta"] != described(fresh)["meta"]
    assert described(migrated)["delivery"] != described(fresh)["delivery"]


def test_the_known_revisions_are_those_of_the_folder():
    config = Config()
    config.set_main_option("script_location", str(revisions.FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(s.revision for s in scripts.walk_revisions())[::-1] == revisions.REVISIONS
    assert scripts.get_heads() == [revisions.HEAD]


def test_a_new_ledger_is_private_complete_and_alone(path, tmp_path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert setup.check(path) is None
    assert sqlite(path, "PRAGMA journal_mode") == [("wal",)]
    assert sqlite(path, "PRAGMA integrity_check") == [("ok",)]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_create_syncs_the_file_and_its_folder(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(fd):
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    setup.create(tmp_path / "a.sqlite")
    assert synced[-1] == str(tmp_path)
    assert synced[-2].endswith(".part")


@pytest.mark.parametrize("make", ["file", "folder", "link"])
def test_create_never_touches_what_is_there(tmp_path, make):
    path = tmp_path / "a.sqlite"
    match make:
        case "file":
            path.write_bytes(b"mine")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"exists already"):
        setup.create(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.sqlite"]
    if make == "file":
        assert path.read_bytes() == b"mine"


def test_create_says_when_there_is_no_folder(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be created"):
        setup.create(tmp_path / "no" / "a.sqlite")


def test_a_failed_migration_leaves_no_file(tmp_path, monkeypatch):
    def broken(_path):
        raise UnavailableError(public="no")

    monkeypatch.setattr(setup, "_migrate", broken)
    with pytest.raises(UnavailableError):
        setup.create(tmp_path / "a.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_check_names_a_missing_ledger(tmp_path):
    found = setup.check(tmp_path / "a.sqlite")
    assert "vanlien init" in found
    assert str(tmp_path / "a.sqlite") in found


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be one" * 99])
def test_check_names_a_stranger(tmp_path, content):
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    assert "not a ledger" in setup.check(path)
    with pytest.raises(ConfigurationError, match="not a ledger"):
        setup.upgrade(path)
    assert path.read_bytes() == content


def test_a_newer_ledger_is_left_alone(path):
    sqlite(path, "UPDATE alembic_version SET version_num = '9999'")
    sqlite(path, "UPDATE meta SET value = '9999' WHERE key = 'works_since'")
    assert "newer than this program" in setup.check(path)
    with pytest.raises(ConfigurationError, match="newer than this program"):
        setup.upgrade(path)


def test_an_older_ledger_needs_an_upgrade(path, monkeypatch):
    monkeypatch.setattr(revisions, "REVISIONS", ("0001", "0002"))
    monkeypatch.setattr(revisions, "HEAD", "0002")
    assert "then upgrade it to 0002" in setup.check(path)


def test_upgrading_a_current_ledger_changes_nothing(path):
    before = path.read_bytes()
    setup.upgrade(path)
    assert path.read_bytes() == before


def test_an_upgrade_is_one_transaction(tmp_path):
    path = tmp_path / "a.sqlite"
    sqlite(path, "CREATE TABLE quarantine (x)")
    with pytest.raises(UnavailableError, match="cannot be upgraded"):
        setup._migrate(path)
    assert sqlite(path, "SELECT name FROM sqlite_master") == [("quarantine",)]


# ---------------------------------------------------------------- ledgers of a pre-release


@pytest.mark.parametrize(
    ("harm", "lacks"),
    [
        ("DROP TABLE duty_turn", "it lacks duty_turn:"),
        ("ALTER TABLE agency DROP COLUMN legacy_code", "it lacks agency.legacy_code:"),
        ("DROP INDEX uq_alert_standing", "it lacks uq_alert_standing:"),
    ],
)
def test_a_ledger_of_another_first_revision_is_refused_by_name(path, harm, lacks):
    sqlite(path, harm)
    said = setup.check(path)
    assert lacks in said
    assert "do một bản thử nghiệm" in said
    before = path.read_bytes()
    for change in (setup.upgrade, setup.finish):
        with pytest.raises(ConfigurationError, match="pre-release"):
            change(path)
    assert path.read_bytes() == before


def test_what_a_ledger_has_beside_is_no_fault(path):
    sqlite(path, "ALTER TABLE meta ADD COLUMN more TEXT")
    sqlite(path, "CREATE TABLE more (id TEXT)")
    assert setup.check(path) is None
    # The next version's ledger, before its second half: this program goes on beside it.
    sqlite(path, "UPDATE alembic_version SET version_num = '0002'")
    assert setup.check(path) is None
    sqlite(path, "DROP TABLE duty_turn")
    assert "duty_turn" in setup.check(path)


def test_a_column_that_must_hold_something_where_we_write_nothing(path):
    columns = [tuple(row) for row in sqlite(path, shape.SQLITE_COLUMNS)]
    unique = shape.unique_names(sql for (sql,) in sqlite(path, shape.SQLITE_NAMES))
    assert shape.lacking(columns, unique) == ()
    at = columns.index(("arrival", "arrival_number", 0))
    columns[at] = ("arrival", "arrival_number", 1)
    assert shape.lacking(columns, unique) == ("arrival.arrival_number NULL",)


FROZEN = {}
"""Revision → what `meaning` says of it, from the release that carried it on: never changed again."""


def meaning(revision):
    (path,) = (revisions.FOLDER / "versions").glob(f"{revision}_*.py")
    return hashlib.sha256(ast.dump(ast.parse(path.read_text())).encode()).hexdigest()


def test_what_was_released_stays_as_it_is():
    changelog = (Path(__file__).parents[3] / "CHANGELOG.md").read_text()
    released = re.search(r"(?m)^## \[\d", changelog)
    assert FROZEN or not released, f"freeze it with the release: {meaning(revisions.HEAD)}"
    assert {revision: meaning(revision) for revision in FROZEN} == FROZEN
