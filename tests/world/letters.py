"""Documents by the thousand, and a book of what the outside world was told of each.

`letters(dice, count)` makes them, each different. `Book` knows nothing of the inside of a gateway:
only what was answered to a sender, a recipient or an axis. `tests/world/judge.py` holds the ledger
against it.
"""

import hashlib
import io
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pypdfium2

from tests.world.gatehouse import MINISTRY, packet

SENDER, LOCAL, OUTSIDE = "H37.02", "H37.04", MINISTRY.code
_NUMBER = re.compile(r",([0-9]+)/(SNV-VP|RIENG|BNV)$")
_DAY = "2026/11/02"


@dataclass(frozen=True)
class Letter:
    """One document that a system wants to send."""

    n: int
    body: bytes
    to: tuple[str, ...]
    file: str  # SHA-256 of its attachment
    key: str = ""
    pdf: bool = False
    bad: str = ""  # why it must be refused


@dataclass(frozen=True)
class Answer:
    """A 202, byte for byte, and what its reader needs of it."""

    id: str
    ordinal: int | None
    raw: bytes


@dataclass
class Book:
    """What was told to somebody outside, and what nobody outside should ever see."""

    letters: dict[int, Letter] = field(default_factory=dict)
    accepted: dict[int, Answer] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    shut: set[int] = field(default_factory=set)  # secret, and accepted before anybody had looked
    incoming: dict[int, Letter] = field(default_factory=dict)
    arrived: dict[str, int] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    handed: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeats: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, str]] = field(default_factory=list)

    def violate(self, name: str, what: str) -> None:
        """Note what must never be."""
        if len(self.violations) < 50:
            self.violations.append((name, what))

    @property
    def answered(self) -> int:
        """How many documents have their final answer."""
        return len(self.accepted) + len(self.refused.keys() | self.shut)

    def secret(self, n: int) -> bool:
        """Tell whether a document bears a secrecy stamp, so that nobody may ever get it."""
        return n in self.letters and self.letters[n].bad == "secret"

    def expected(self, agency: str) -> set[int]:
        """Return the documents that agency must get, once each."""
        sent = {n for n in self.accepted if agency in self.letters[n].to}
        return sent | (set(self.incoming) if agency == LOCAL else set())

    def of_arrivals(self) -> dict[int, list[str]]:
        """Return the arrivals the recipient's system saw, by document."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        for item, n in self.arrived.items():
            found[n].append(item)
        return found


def number_of(document_id: str) -> int:
    """Return which document an identifier names, 0 when it is none of ours."""
    found = _NUMBER.search(document_id)
    return int(found[1]) if found else 0


@cache
def blank_pdf() -> bytes:
    """Return a file that a verifier process has to look at."""
    out = io.BytesIO()
    document = pypdfium2.PdfDocument.new()
    document.new_page(200, 200)
    document.save(out)
    document.close()
    return out.getvalue()


def letters(
    dice: random.Random, count: int, *, first: int = 1, pdfs: bool = True
) -> Iterator[Letter]:
    """Make documents: mostly small, some to the axis, some that must be refused.

    Args:
        dice: Decides everything about them.
        count: How many.
        first: Number of the first.
        pdfs: Whether some have a file that is verified after they were accepted.
    """
    for n in range(first, first + count):
        yield _letter(dice, n, pdfs=pdfs)


def _letter(dice: random.Random, n: int, *, pdfs: bool) -> Letter:
    to = dice.choices(((LOCAL,), (OUTSIDE,), (LOCAL, OUTSIDE)), (75, 12, 13))[0]
    filling = dice.randbytes(dice.choices((20, 4_000, 60_000), (85, 10, 5))[0]).hex().encode()
    pdf = pdfs and dice.random() < 0.08
    data = blank_pdf() + b"% " + filling + b"\n" if pdf else b"xin chao " + filling
    own = dice.random() < 0.5
    bad = dice.choice(("stranger", "torn", "secret")) if dice.random() < 0.015 else ""
    if bad == "secret":
        pdf, data = False, f"MẬT\nNội dung {n}".encode()
    body = packet(
        str(n),
        to=to,
        sender="H37.61" if bad == "stranger" else SENDER,
        document_id=f"{SENDER},{_DAY},{n}/RIENG" if own else "",
        subject=f"V/v thử tải số {n}",
        urgency=dice.choices((0, 1, 2, 3), (85, 8, 4, 3))[0],
        files=((f"tep-{n}.{'pdf' if pdf else 'txt'}", data),),
    )
    if bad == "torn":
        body = body[: len(body) // 2]
    # Without an identifier of its own only the key tells a repeat from a second document.
    key = "" if own and dice.random() < 0.5 else f"key-{n}"
    return Letter(n, body, to, hashlib.sha256(data).hexdigest(), key, pdf, bad)


def incoming(n: int) -> Letter:
    """Make a document of the ministry for an agency of ours."""
    data = f"tu bo {n}".encode()
    document_id = f"{OUTSIDE},{_DAY},{n}/BNV"
    body = packet(
        str(n),
        to=(LOCAL,),
        sender=OUTSIDE,
        document_id=document_id,
        subject=f"V/v gửi về số {n}",
        files=((f"tep-{n}.txt", data),),
    )
    return Letter(n, body, (LOCAL,), hashlib.sha256(data).hexdigest())


def answer_of(raw: bytes, told: Any) -> Answer:
    """Read a 202."""
    return Answer(told["id"], told.get("issue_ordinal"), raw)
