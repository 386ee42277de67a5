"""Making, checking and upgrading a ledger file; the migrations against the schema."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from gateway.errors import ConfigurationError, UnavailableError
from gateway.store import revisions, setup
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
