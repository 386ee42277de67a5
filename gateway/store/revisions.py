"""What this program knows about the ledger's revisions: the SQL between them, and who may work.

A ledger says two things about itself: the revision its tables have (`alembic_version`), and the
oldest revision whose program may still work with them (`works_since` in `meta`). A program of
revision r works with every ledger where `works_since` ≤ r ≤ the ledger's revision.

So a change that many nodes share has two halves, written in one migration file: `upgrade()` only
adds (a table, a column with a default, an index) and runs while older nodes are up; `finish()`
removes, or makes strict, what only older programs used, and runs when none of them is left; it is
what moves `works_since`. A ledger in a file is upgraded in the same two steps: until the second one
the program before can be put back, with nothing lost. Written with Alembic's operations and without
reading rows in Python: PostgreSQL is given the SQL as text.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

REVISIONS: Final = ("0001",)
"""Every revision this program knows, oldest first; the last one is what it works with."""

HEAD: Final = REVISIONS[-1]

_NAMED: Final = 4

FOLDER: Final = Path(__file__).parent / "migrations"

WORKS_SINCE_SQL: Final = "SELECT value FROM meta WHERE key = 'works_since'"

_SET_SQL: Final = (
    "INSERT INTO meta (key, value) VALUES ('works_since', '{}') ON CONFLICT (key) DO {}"
)


@dataclass(frozen=True, slots=True)
class State:
    """What a ledger says of itself.

    Args:
        revision: Of its tables; "": it is none.
        works_since: Oldest revision whose program may still work with it.
        lacks: What this program needs and its tables do not have (`gateway.store.shape`).
    """

    revision: str
    works_since: str | None
    lacks: tuple[str, ...] = ()


def judged(name: str, state: State) -> str:
    """Return what is wrong with a ledger (Vietnamese / English), "" when it is usable."""
    if state.revision in REVISIONS and state.revision != HEAD:
        return (
            f"{name}: sổ cái ở phiên bản cũ {state.revision}, sao lưu rồi nâng cấp lên {HEAD} / "
            f"the ledger is at the older revision {state.revision}: back it up, then upgrade it "
            f"to {HEAD}"
        )
    return unfit(name, state)


def unfit(name: str, state: State) -> str:
    """Return why no upgrade makes a ledger one of this program, "" when one does or it is."""
    if state.revision < HEAD:
        return ""
    if state.revision == HEAD or (state.works_since or state.revision) <= HEAD:
        return strange(name, state.lacks) if state.lacks else ""
    return (
        f"{name}: sổ cái ở phiên bản {state.revision}, mới hơn chương trình này; dùng bản vanlien "
        f"mới hơn / the ledger is at revision {state.revision}, newer than this program; use a "
        "newer vanlien"
    )


def strange(name: str, lacks: Sequence[str]) -> str:
    """Return the words for a ledger, or its backup, without the tables of its revision."""
    some = ", ".join(lacks[:_NAMED]) + (f" (+{len(lacks) - _NAMED})" if len(lacks) > _NAMED else "")
    return (
        f"{name}: do một bản thử nghiệm trước khi phát hành lập ra, thiếu {some}; dùng đúng bản "
        "đã lập, hoặc lập sổ cái mới (docs/operations.md, Ledgers of a pre-release) / was made by "
        f"a pre-release with other tables, it lacks {some}: work with the program that made it, "
        "or begin a new ledger (docs/operations.md, Ledgers of a pre-release)"
    )


def upgrade_sql(start: str | None) -> str:
    """Return PostgreSQL's SQL from a revision (None: nothing is there) to ours: the first half."""
    from alembic import command

    written = io.StringIO()
    command.upgrade(_config(written), f"{start}:{HEAD}" if start else HEAD, sql=True)
    if start:
        # The programs of the old revision go on, and may start again, until the second half.
        written.write(f"{_SET_SQL.format(start, 'NOTHING')};\n")
    return written.getvalue()


def finish_sql(done: str | None) -> str:
    """Return PostgreSQL's SQL of the second half.

    Args:
        done: Up to which revision it ran already; None: never.
    """
    from alembic.migration import MigrationContext

    if done == HEAD:
        return ""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    _finish(context, done)
    return written.getvalue() + f"{_set_works_since()};\n"


def migrate(connection: "Connection", start: str | None = None) -> None:
    """Run the first half on a connection, inside the caller's transaction.

    Args:
        connection: Of a ledger in a file.
        start: The revision it has; None: nothing is there.
    """
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    if start:
        connection.exec_driver_sql(_SET_SQL.format(start, "NOTHING"))


def finish(connection: "Connection") -> None:
    """Run the second half on a connection, inside the caller's transaction."""
    from alembic.migration import MigrationContext

    done = connection.exec_driver_sql(WORKS_SINCE_SQL).scalar()
    if done != HEAD:
        _finish(MigrationContext.configure(connection), done)
        connection.exec_driver_sql(_set_works_since())


def _finish(context: object, done: str | None) -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    for revision in REVISIONS:
        if done is not None and revision <= done:
            continue
        finish = getattr(scripts.get_revision(revision).module, "finish", None)
        if finish is not None:
            with _operations(context):
                finish()


@contextmanager
def _operations(context: object) -> Iterator[None]:
    from alembic.operations import Operations

    with Operations.context(context):  # type: ignore[arg-type]
        yield


def _set_works_since() -> str:
    return _SET_SQL.format(HEAD, "UPDATE SET value = excluded.value")


def _config(written: io.StringIO | None = None) -> "Config":
    from alembic.config import Config

    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
