"""Many documents out of a few: rows the product wrote, copied within the ledger under other ids.

A ledger of a million rows cannot be made through the API in minutes. So some hundred documents go
through it for real, and their rows are copied by SQL: ids, hashes and places in the feeds are
others, everything else is as it was. The copies are older than the originals by their ids (UUIDv7:
their first eight digits are the copy's number), and come later in the feeds. Hashes of the copied
receipt log and its tree are made up: they have the right place and length, and nobody verifies
them here.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.store.schema import TABLES
from tests.benching.houses import House

# What names a row in each table: replaced in every copy. The first one tells copies apart.
_IDS: Final = {
    "consignment": ("id",),
    "delivery": ("id", "consignment_id", "transfer_id"),
    "transfer": ("id", "consignment_id", "status_id"),
    "attempt": ("transfer_id",),
    "arrival": ("id", "consignment_id", "delivery_id"),
    "status_report": ("id", "consignment_id", "delivery_id", "arrival_id"),
    "event": ("subject",),
    "receipt_entry": ("id", "subject", "entry_hash", "prev_hash", "chain_hash"),
    "blob_ref": ("owner", "sha256"),
}
_HASHES: Final = {"received_sha256", "main_sha256", "strict_sha256", "digest"}
_SERIAL: Final = {"event": "id", "receipt_entry": "ord"}
_FIRST_REAL: Final = "01"
"""Real ids begin with the time, which is past this since 2004; copies begin with their number."""
_BEYOND: Final = ":"
"""Behind every id; what events and files are about besides documents begins with a word."""


def multiply(
    house: House,
    times: int,
    tables: Collection[str] = tuple(_IDS),
    written: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    about: Sequence[str] = (),
    before: int | None = None,
) -> None:
    """Add `times` copies of every document that went through the product.

    Args:
        house: Whose ledger; its gateway may be up, and waits meanwhile.
        times: How many copies of each row.
        tables: Only these, where not all of a document is looked at.
        written: By table and column, SQL for what copies have instead: of `k`, the copy's number
            (`g`), and the model's row (`m`).
        about: Statements run first; they may fill further columns of `copy_no` (`k`, `day`,
            `words`), which `written` may name.
        before: The copy behind which these are numbered; None for the last there is.
    """
    before = copies(house) if before is None else before
    script = [
        "CREATE TEMPORARY TABLE copy_no "
        "(k BIGINT PRIMARY KEY, day TEXT DEFAULT '', words TEXT DEFAULT '')",
        f"INSERT INTO copy_no (k) WITH RECURSIVE g(k) AS (SELECT {before + 1} UNION ALL "
        f"SELECT k + 1 FROM g WHERE k < {before + times}) SELECT k FROM g",
        *about,
    ]
    feeds = {key: _counted(house, key) for key in ("inbox_seq", "event_seq")}
    entries = int(house.value("SELECT COALESCE(MAX(idx) + 1, 0) AS n FROM receipt_entry"))
    models = int(house.value("SELECT COUNT(*) AS n FROM receipt_entry "
                             f"WHERE id >= '{_FIRST_REAL}'"))  # fmt: skip
    place = f"(k - {before})"
    # Every copy takes as many places of a feed as its models have.
    wide = {key: last // (before + 1) for key, last in feeds.items()}
    given = {
        "inbox_seq": f"inbox_seq + {feeds['inbox_seq']} + ({place} - 1) * {wide['inbox_seq']}",
        "seq": f"seq + {feeds['event_seq']} + ({place} - 1) * {wide['event_seq']}",
        "idx": f"{entries} + ({place} - 1) * {models} + place - 1",
        "document_id": "document_id || '.' || k",
        "arrival_number": "NULL",
        # Real senders number on: copies of one number would all look like one document sent again.
        "code_number": "code_number || '.' || k",
    }
    postgres = house.engine != "embedded"
    mark = "lpad(to_hex(k), 8, '0')" if postgres else "printf('%08x', k)"
    for table in tables:
        script += _copied(table, mark, given | dict(written.get(table, {})))
    for key, last in feeds.items():
        if key == "event_seq" and "event" not in tables:
            continue
        reached = last + wide[key] * times
        script.append(f"UPDATE meta SET value = '{reached}' WHERE key = '{key}'")
    if "receipt_entry" in tables:
        script += _tree(entries + models * times, postgres)
    script.append("DROP TABLE copy_no")
    house.run(script)


def copies(house: House) -> int:
    """Return how many copies of each model there are."""
    sql = f"SELECT MAX(substr(id, 1, 8)) AS n FROM consignment WHERE id < '{_FIRST_REAL}'"
    return int(house.value(sql) or "0", 16)


def _counted(house: House, key: str) -> int:
    sql = f"SELECT COALESCE(MAX(CAST(value AS BIGINT)), 0) AS n FROM meta WHERE key = '{key}'"
    return int(house.value(sql))


def _copied(table: str, mark: str, given: Mapping[str, str]) -> list[str]:
    serial = _SERIAL.get(table)
    kept = [c.name for c in TABLES[table].columns if c.name != serial]
    shown = []
    for name in kept:
        if name in _IDS[table] or name in _HASHES:
            shown.append(f"CASE WHEN {name} = '' THEN '' ELSE {mark} || substr({name}, 9) END")
        else:
            shown.append(given.get(name, f"m.{name}"))
    first = _IDS[table][0]
    numbered = f", row_number() OVER (ORDER BY {serial}) AS place" if serial else ""
    return [
        f"CREATE TEMPORARY TABLE model AS SELECT *{numbered} FROM {table} "
        f"WHERE {first} >= '{_FIRST_REAL}' AND {first} < '{_BEYOND}'",
        f"INSERT INTO {table} ({', '.join(kept)}) SELECT {', '.join(shown)} FROM copy_no AS g "
        f"CROSS JOIN model AS m ORDER BY k{', m.place' if serial else ''}",
        "DROP TABLE model",
    ]


def _tree(size: int, postgres: bool) -> list[str]:
    """Return what adds every complete node of a tree of `size` leaves."""
    made = "md5(i::text) || md5((i + 1)::text)" if postgres else "lower(hex(randomblob(32)))"
    return [
        "INSERT INTO merkle_node (level, idx, hash) WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL "
        f"SELECT i + 1 FROM g WHERE i < {(size >> level) - 1}) "
        f"SELECT {level}, i, {made} FROM g WHERE true ON CONFLICT DO NOTHING"
        for level in range(size.bit_length())
    ]


def total_rows(house: House) -> int:
    """Return the rows of all tables."""
    return sum(int(house.value(f"SELECT COUNT(*) AS n FROM {table}")) for table in TABLES)
