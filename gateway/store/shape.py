"""Whether a ledger has the tables, columns and unique names this program speaks of.

A revision's number says which programs may work with a ledger, and is believed only where the
tables bear it out: until 0.1.0 is released its first revision is still being written, so that two
ledgers of "0001" may differ. Asked whenever a ledger is looked at; what lacks is named before
anything is done, instead of a query failing in the middle of somebody's work. What a ledger has
beyond that is no fault: an upgrade only adds, and older programs go on beside it.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

Column = tuple[str, str, bool]
"""Table, column, and whether the column must hold something."""

SQLITE_COLUMNS: Final = (
    'SELECT m.name, c.name, c."notnull" FROM sqlite_master m '
    "JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
)
SQLITE_NAMES: Final = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"

POSTGRES_COLUMNS: Final = (
    "SELECT c.relname, a.attname, a.attnotnull FROM pg_attribute a "
    "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
)
POSTGRES_NAMES: Final = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND i.indisunique"
)

_UNIQUE: Final = re.compile(r'CONSTRAINT "?(\w+)"? UNIQUE|CREATE UNIQUE INDEX "?(\w+)"?')


def unique_names(statements: Iterable[str]) -> set[str]:
    """Return the names of what is unique, from the statements that made a ledger file."""
    return {first or second for sql in statements for first, second in _UNIQUE.findall(sql)}


def lacking(columns: Iterable[Column], unique: Iterable[str]) -> tuple[str, ...]:
    """Return what this program needs and a ledger does not have, sorted; empty: all is there."""
    there = {*unique}
    for table, column, strict in columns:
        there |= {table, f"{table}.{column}"}
        if not strict:
            there.add(f"{table}.{column} NULL")
    lacks = needed() - there
    # A table that is not there lacks its columns too: said once.
    return tuple(
        sorted(name for name in lacks if name.partition(".")[0] not in lacks or "." not in name)
    )


@lru_cache
def needed() -> frozenset[str]:
    """Return the name of everything this program speaks of, as `lacking` would tell it."""
    from sqlalchemy import UniqueConstraint

    from gateway.store.schema import metadata

    names: set[str] = set()
    for table in metadata.sorted_tables:
        names.add(table.name)
        names |= {f"{table.name}.{column.name}" for column in table.columns}
        names |= {f"{table.name}.{column.name} NULL" for column in table.columns if column.nullable}
        names |= {str(index.name) for index in table.indexes if index.unique}
        unique = (one for one in table.constraints if isinstance(one, UniqueConstraint))
        names |= {str(one.name) for one in unique}
    return frozenset(names)
