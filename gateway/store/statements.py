"""SQL of change sets, compiled once per shape from the schema.

Pure text: the engine's own dialect renders it, so that one description serves both engines.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.dialects import sqlite

from gateway.store.schema import TABLES

_DIALECT: Final = sqlite.dialect(paramstyle="named")


def _render(statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True}))


@lru_cache(maxsize=2048)
def insert_sql(table: str, columns: tuple[str, ...], ignore: bool, rows: int = 1) -> str:
    """Return an INSERT of that many rows, positional parameters in the order of `columns`."""
    target = TABLES[table]
    quote = _DIALECT.identifier_preparer
    names = ", ".join(quote.format_column(target.c[c]) for c in columns)
    one = f"({', '.join('?' * len(columns))})"
    tail = " ON CONFLICT DO NOTHING" if ignore else ""
    values = ", ".join([one] * rows)
    # Names come from the schema, values never: nothing of a document can become SQL.
    into = quote.format_table(target)
    return f"INSERT INTO {into} ({names}) VALUES {values}{tail}"  # noqa: S608


def _where(table: str, shape: tuple[tuple[str, int], ...]) -> Any:
    clauses: list[Any] = []
    for name, count in shape:
        column = TABLES[table].c[name]
        if count < 0:
            clauses.append(column.is_(None))
        elif count == 0:
            clauses.append(column == bindparam(f"w_{name}"))
        else:
            clauses.append(column.in_([bindparam(f"w_{name}_{i}") for i in range(count)]))
    return and_(True, *clauses)


@lru_cache(maxsize=1024)
def update_sql(table: str, columns: tuple[str, ...], shape: tuple[tuple[str, int], ...]) -> str:
    """Return an UPDATE of these columns for rows of this `where` shape."""
    values: dict[str, Any] = {c: bindparam(f"v_{c}") for c in columns}
    return _render(update(TABLES[table]).where(_where(table, shape)).values(values))


@lru_cache(maxsize=256)
def delete_sql(table: str, shape: tuple[tuple[str, int], ...]) -> str:
    """Return a DELETE for rows of this `where` shape."""
    return _render(delete(TABLES[table]).where(_where(table, shape)))


@lru_cache(maxsize=256)
def select_sql(table: str, shape: tuple[tuple[str, int], ...]) -> str:
    """Return a SELECT of the first row of this `where` shape."""
    return _render(select(TABLES[table]).where(_where(table, shape)))


def where_shape(where: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Return what makes two `where` mappings share one statement.

    Per column: -1 for NULL, 0 for one value, n for any of n values.
    """
    return tuple(
        (k, -1 if v is None else len(v) if isinstance(v, tuple) else 0) for k, v in where.items()
    )


def where_params(where: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a `where` mapping, prefixed so that they never clash."""
    params: dict[str, Any] = {}
    for name, value in where.items():
        if isinstance(value, tuple):
            params.update({f"w_{name}_{i}": v for i, v in enumerate(value)})
        elif value is not None:
            params[f"w_{name}"] = value
    return params
