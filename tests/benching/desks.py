"""A ledger as a console of some years has it: many documents, each with words of its own.

Some go through a real gateway; `multiply` copies their rows with other words, numbers and days, so
that what is searched, listed and counted differs from document to document as it does in a
province. The last few copies are still open, the others were done long ago. Both engines are
filled with the same SQL; the books are not filled here: the product makes them from the ledger.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway import stores
from gateway.domain.access import EVERYWHERE, Grant, Role
from gateway.ports import ChangeSet
from gateway.ports.accounts import NewAccount
from gateway.programs.accounts.means import account_row, grant_row, session_row
from gateway.store.schema import TABLES
from gateway.store.session import session
from gateway.stores import UuidIds
from tests.benching.copies import copies, multiply
from tests.benching.houses import READER, SENDER, House
from tests.benching.load import notes, post_all

MODELS: Final = 100
WORDS: Final = (
    "kế hoạch", "quyết định", "báo cáo", "thông báo", "triển khai", "kiện toàn", "phê duyệt",
    "kinh phí", "đầu tư", "xây dựng", "giao thông", "giáo dục", "y tế", "nông nghiệp",
    "môi trường", "đất đai", "bồi thường", "giải phóng mặt bằng", "cán bộ", "công chức",
    "viên chức", "tuyển dụng", "khen thưởng", "thi đua", "kỷ luật", "thanh tra", "khiếu nại",
    "tố cáo", "hoà giải", "tiếp công dân", "chuyển đổi số", "chữ ký số", "liên thông", "dữ liệu",
    "an toàn thông tin", "phòng cháy", "lũ lụt", "dịch bệnh", "tiêm chủng", "bảo hiểm", "trợ cấp",
    "hộ nghèo", "người có công", "trẻ em", "phụ nữ", "thanh niên", "du lịch", "văn hoá",
    "thể thao", "lễ hội", "biên giới", "cửa khẩu", "xuất khẩu", "thuế", "ngân sách", "quyết toán",
    "kiểm toán",
)  # fmt: skip
_KINDS: Final = (
    ("Công văn", "SNV-VP"), ("Quyết định", "QĐ-UBND"), ("Thông báo", "TB-SNV"),
    ("Báo cáo", "BC-SNV"), ("Kế hoạch", "KH-UBND"),
)  # fmt: skip
_FIRST: Final = 70_000
_TABLES: Final = (
    "consignment", "transfer", "delivery", "attempt", "arrival", "status_report", "event",
)  # fmt: skip
_DAYS: Final = 700
_PLACES: Final = 400
_AT_ONCE: Final = 250
"""Copies of every model in one transaction."""
_OPEN: Final = 20
_INSTANT: Final = re.compile(r"(^|_)at(_legal)?$")
_NUMBER: Final = f"(k * {MODELS} + CAST(m.code_number AS BIGINT) - {_FIRST})"
_PATIENCE_S: Final = 300.0
_CLERKS: Final = tuple(Grant(Role.CLERK, code) for code in (READER, SENDER))
_OPERATING: Final = tuple(
    Grant(role, EVERYWHERE) for role in (Role.PROVIDER_OPS, Role.SYS_ADMIN, Role.AUDITOR)
)

Say = Callable[[str], None]


def fill(house: House, documents: int, say: Say) -> None:
    """Bring a house's ledger to so many documents, as many sent as received."""
    if not house.rows("SELECT id FROM arrival LIMIT 1"):  # else it was kept
        _models(house, max(2, min(MODELS, documents // 20)))
    days, many = _last_days(), _many(house)
    wanted = max(1, documents // 2 // many)
    began, first = time.perf_counter(), copies(house)
    while (done := copies(house)) < wanted:
        some = min(_AT_ONCE, wanted - done)
        multiply(house, some, _TABLES, _written(wanted), _about(days, wanted))
        now = done + some
        left_s = (time.perf_counter() - began) / (now - first) * (wanted - now)
        say(f"{2 * now * many:,} documents in the ledger, {left_s:.0f} s to go")


def logged(house: House, wanted: int) -> int:
    """Bring its receipt log to about so many entries; return how many there are."""
    held = int(house.value("SELECT COALESCE(MAX(idx) + 1, 0) AS n FROM receipt_entry"))
    models = int(house.value("SELECT COUNT(*) AS n FROM receipt_entry WHERE id >= '01'"))
    if (times := (wanted - held) // models) > 0:
        dated = {"receipt_entry": _dated("receipt_entry")}
        about = _about(_last_days(), times)
        multiply(house, times, ("receipt_entry",), dated, about, before=0)
        held += times * models
    return held


def documents(house: House) -> int:
    """Return how many documents its ledger holds, sent and received."""
    return 2 * (copies(house) + 1) * _many(house)


def _many(house: House) -> int:
    return int(house.value("SELECT COUNT(*) AS n FROM consignment WHERE id >= '01'"))


def _models(house: House, many: int) -> None:
    house.start()
    house.await_ready()
    asyncio.run(post_all(house, _letters(many)))
    sql = "SELECT COUNT(*) AS n FROM status_report WHERE code = '01' AND offered_at IS NOT NULL"
    until = time.monotonic() + _PATIENCE_S
    while int(house.value(sql)) < many:
        if time.monotonic() > until:
            raise TimeoutError("the models do not arrive")
        time.sleep(0.1)
    house.stop()


def _letters(many: int) -> list[bytes]:
    """Return the models: every kind of document, and words which no two share."""
    dice = random.Random(7)
    letters = []
    for n, letter in enumerate(notes(_FIRST, many)):
        kind, notation = _KINDS[n % len(_KINDS)]
        some = ", ".join(dice.sample(WORDS, 2))
        text = letter.decode().replace("Công văn", kind).replace("SNV-VP", notation)
        about = f"V/v đo năng lực của cổng, văn bản số {_FIRST + n}"
        letters.append(text.replace(about, f"V/v {some}, QQQ").encode())
    return letters


def _last_days() -> list[str]:
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=back)).isoformat() for back in range(_DAYS)]


def _about(days: Sequence[str], wanted: int) -> list[str]:
    """Return what gives every copy a day and words of its own, alike on both engines."""
    told = ", ".join(f"({n}, '{word}')" for n, word in enumerate(WORDS))
    when = ", ".join(f"({n}, '{day}')" for n, day in enumerate(days))
    many = len(WORDS)
    return [
        "CREATE TEMPORARY TABLE some_word (n BIGINT PRIMARY KEY, word TEXT)",
        f"INSERT INTO some_word VALUES {told}",
        "CREATE TEMPORARY TABLE some_day (n BIGINT PRIMARY KEY, day TEXT)",
        f"INSERT INTO some_day VALUES {when}",
        "UPDATE copy_no SET "
        f"day = (SELECT d.day FROM some_day d WHERE d.n = ({wanted} - k) * {_DAYS} / {wanted + 1})"
        f", words = (SELECT word FROM some_word WHERE n = (k * 7) % {many}) || ' và ' || "
        f"(SELECT word FROM some_word WHERE n = (k * 31 + k / {many}) % {many}) || "
        f"' tại xã số ' || CAST((k * 13) % {_PLACES} AS TEXT)",
        "DROP TABLE some_word",
        "DROP TABLE some_day",
    ]


def _written(wanted: int) -> dict[str, dict[str, str]]:
    """Return what copies have instead of what their models had."""
    words = f"g.words || ' ma' || CAST({_NUMBER} AS TEXT)"
    paper = (
        f"'{SENDER},' || replace(g.day, '-', '/') || ',' || CAST({_NUMBER} AS TEXT) || '/' || "
        "m.code_notation"
    )
    envelope = "m.envelope"
    for was, now in (
        ("m.document_id", paper),
        ("'QQQ'", words),
        (
            '\'"code_number":"\' || m.code_number',
            f'\'"code_number":"\' || CAST({_NUMBER} AS TEXT)',
        ),
        ("'promulgation_date\":\"' || m.promulgation_date", "'promulgation_date\":\"' || g.day"),
    ):
        envelope = f"replace({envelope}, {was}, {now})"
    alike = {
        "envelope": envelope,
        "document_id": paper,
        "code_number": f"CAST({_NUMBER} AS TEXT)",
        "promulgation_date": "g.day",
    }
    year = "CAST(substr(g.day, 1, 4) AS BIGINT)"
    known: dict[str, dict[str, str]] = {
        "consignment": alike
        | {
            "subject": f"replace(m.subject, 'QQQ', {words})",
            "issue_year": year,
            "issue_ordinal": _NUMBER,
            "state": _done(wanted, "closed"),
        },
        "arrival": alike
        | {"arrival_year": year, "arrival_number": _NUMBER, "state": _done(wanted, "done")},
        "status_report": {"promulgation_date": "g.day"},
    }
    return {table: _dated(table) | known.get(table, {}) for table in _TABLES}


def _done(wanted: int, state: str) -> str:
    return f"CASE WHEN k > {wanted - _OPEN} THEN m.state ELSE '{state}' END"


def _dated(table: str) -> dict[str, str]:
    names = [c.name for c in TABLES[table].columns if _INSTANT.search(c.name)]
    return {
        name: f"CASE WHEN m.{name} IS NULL THEN NULL ELSE g.day || substr(m.{name}, 11) END"
        for name in names
    }


def clerks(house: House, many: int, operators: int = 0) -> list[str]:
    """Make signed-in persons, operators before clerks; return their sessions' tokens."""
    now, tokens, run = datetime.now(UTC), [], UuidIds().new()
    with session(stores.ledger_place(house.settings), purpose="bench") as opened, opened.writing():
        for n in range(many):
            account = f"a-{run}-{n}"
            new = NewAccount(f"vt{run}-{n}", f"Văn thư {n}", READER)
            token, row = session_row(account, now, ends_at=now + timedelta(days=1), strong=True)
            held = _OPERATING if n < operators else _CLERKS
            grants = [grant_row(UuidIds(), account, grant, "bench", now) for grant in held]
            opened.apply(ChangeSet(rows=(account_row(account, new, "bench", now), *grants, row)))
            tokens.append(token)
    return tokens
