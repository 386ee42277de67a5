"""One SQL, two engines: what SQLite reads as it stands, written for PostgreSQL.

The ledger's questions (`gateway.store.queries`), the SQL of change sets
(`gateway.store.statements`) and of the stores are written once, with `:name` or `?` for
parameters. SQLite takes them as they are; `postgres` gives PostgreSQL's text with `$1 … $n` and
says which parameter goes where. Pure.

What it translates, and nothing more, so that whoever writes SQL here keeps to it:

- `x IN (SELECT value FROM json_each(:list))`, `NOT IN` too: a JSON list of texts as parameter;
- `FROM json_each(:list)`: a row `value` for each item of a JSON list;
- `json_extract(x, '$.a.b')` and `'$[0]'`: a text; wrap it in `CAST(… AS BIGINT)` for a number;
- everything else must mean the same to both: no `INSERT OR`, no `rowid`, no `LIKE` on letters whose
  case may differ, `CAST(… AS BIGINT)` and not `INTEGER`, a name for every sub-select in FROM, the
  table's name before a column in `DO UPDATE SET x = t.x + 1`.

Writers take turns. SQLite has one writer at a time (`BEGIN IMMEDIATE`); on PostgreSQL every
transaction that writes to the ledger begins with `BEGIN_POSTGRES`, which waits for the ledger's one
advisory lock and holds it until the transaction ends. So guards stay true, counters have no gaps
and the sequencer sees commits in their order, on both engines alike (decision 0015).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

WRITE_LOCK: Final = int.from_bytes(b"vanlien")
"""The advisory lock of who writes to the ledger, held to the transaction's end."""

MIGRATION_LOCK: Final = WRITE_LOCK + 1
"""The advisory lock of who changes the ledger's tables, held to the transaction's end."""

BEGIN_POSTGRES: Final = (
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    f"SELECT pg_advisory_xact_lock({WRITE_LOCK})",
)
"""How every writing transaction begins. READ COMMITTED, so that each statement after the lock sees
what the one before us committed; nobody else writes meanwhile, so nothing changes between them."""

OUTBOX_CHANNEL: Final = "vanlien_outbox"
"""Notified after a commit that owes something to the lanes."""

_PARAMETER: Final = r":[a-z_][a-z0-9_]*|\?"
_TOKEN: Final = re.compile(rf"('(?:[^']|'')*'|\"[^\"]*\")|({_PARAMETER})", re.IGNORECASE)
_ANY: Final = re.compile(
    rf"\b(NOT\s+)?IN\s*\(\s*SELECT\s+value\s+FROM\s+json_each\(({_PARAMETER})\)\s*\)", re.IGNORECASE
)
_EACH: Final = re.compile(rf"\bjson_each\(({_PARAMETER})\)", re.IGNORECASE)
_EXTRACT: Final = re.compile(r"\bjson_extract\(([a-z_.]+),\s*'\$([^']*)'\)", re.IGNORECASE)
_STEP: Final = re.compile(r"\.([a-z0-9_]+)|\[(\d+)\]", re.IGNORECASE)
_ONLY_SQLITE: Final = re.compile(
    r"\b(json_each|json_extract|INSERT\s+OR|IFNULL|GLOB|rowid|PRAGMA|AS\s+INTEGER|IMMEDIATE)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """PostgreSQL's text, and the parameter behind each of `$1 … $n`: names, or positions of `?`."""

    text: str
    order: tuple[str | int, ...]

    def arguments(self, params: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
        """Return the values in their order.

        Raises:
            KeyError: A named parameter was left out.
            IndexError: There are fewer values than question marks.
        """
        values: Any = params
        return [values[key] for key in self.order]


@lru_cache(maxsize=4096)
def postgres(sql: str) -> Rendered:
    """Return one statement as PostgreSQL reads it.

    Args:
        sql: A text of our own, never one made of what a document says.

    Raises:
        ValueError: It uses something only SQLite knows, or mixes `:name` and `?`.
    """
    text = _ANY.sub(_any, sql)
    text = _EXTRACT.sub(_extract, text)
    text = _EACH.sub(r"json_array_elements(CAST(\1 AS json)) AS each(value)", text)
    order: list[str | int] = []
    made = _TOKEN.sub(lambda found: found[1] or _place(found[2], order), text)
    bare = _TOKEN.sub("''", made)
    if _ONLY_SQLITE.search(bare) or len({type(key) for key in order}) > 1:
        raise ValueError(f"not for PostgreSQL: {sql}")
    return Rendered(made, tuple(order))


def _any(found: re.Match[str]) -> str:
    # An array made once, before the scan: the index of the column is used as for a plain list.
    how = "<> ALL" if found[1] else "= ANY"
    return f"{how} (ARRAY(SELECT json_array_elements_text(CAST({found[2]} AS json))))"


def _extract(found: re.Match[str]) -> str:
    path = ",".join(name or index for name, index in _STEP.findall(found[2]))
    return f"(CAST({found[1]} AS json) #>> '{{{path}}}')"


def _place(parameter: str, order: list[str | int]) -> str:
    """Return `$n` of a parameter; a name used twice is one parameter."""
    if parameter == "?":
        order.append(len(order))
        return f"${len(order)}"
    name = parameter[1:]
    if name not in order:
        order.append(name)
    return f"${order.index(name) + 1}"
