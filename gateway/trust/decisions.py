"""Accept, flag or refuse: what a verdict makes of a document of one sender.

Promises: the first row that fits counts; without a fitting row an incoming document is flagged and
never refused; an invalid one is never accepted without a mark. Pure.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

ACTIONS: Final = ("accept", "flag", "refuse")
DIRECTIONS: Final = ("in", "out")
VERDICTS: Final = (
    *("valid", "mismatch", "incomplete"),
    *("invalid", "indeterminate", "unreadable", "unsigned"),
)
"""`incomplete`: every signature holds, but not all who must sign have (SIG-01); `mismatch`: all
have, but the message names another signer or sender (SIG-51)."""
NEVER_ACCEPTED: Final = frozenset({"invalid"})
NEVER_REFUSED: Final = frozenset({"valid"})
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the table (quyết định).

    Args:
        sender: Agency code, `H37.*` for it and all below, or `*`.
        direction: `in`, `out` or `*`.
        verdicts: Which verdicts, of `VERDICTS`; empty for all.
        action: `accept`, `flag` or `refuse`.
    """

    sender: str
    direction: str
    verdicts: tuple[str, ...]
    action: str

    def fits(self, senders: Collection[str], direction: str, verdict: str) -> bool:
        """Tell whether the row speaks of this.

        Args:
            senders: Every code the sender goes by.
            direction: `in` or `out`.
            verdict: One of `VERDICTS`.
        """
        if self.direction not in {ANY, direction}:
            return False
        if self.verdicts and verdict not in self.verdicts:
            return False
        return self.sender == ANY or any(_covers(self.sender, code) for code in senders)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What happens to outgoing documents no row speaks of: `flag` or `refuse`."""

    invalid: str = "refuse"
    indeterminate: str = "flag"
    unsigned: str = "flag"

    def rows(self) -> tuple[Decision, ...]:
        """Return the rows that stand after the operator's own."""
        return (
            Decision(ANY, ANY, ("valid",), "accept"),
            Decision(ANY, "out", ("invalid",), self.invalid),
            Decision(ANY, "out", ("indeterminate", "unreadable"), self.indeterminate),
            Decision(ANY, "out", ("unsigned",), self.unsigned),
            # Incoming: the clerk decides, not the machine (docs/divergences.md).
            Decision(ANY, ANY, (), "flag"),
        )


def decide(
    rows: Iterable[Decision],
    defaults: Defaults,
    senders: Collection[str],
    direction: str,
    verdict: str,
) -> str:
    """Return `accept`, `flag` or `refuse` for a document.

    Args:
        rows: The operator's table, in its order.
        defaults: What counts where no row fits.
        senders: Every code the sender goes by.
        direction: `in` or `out`.
        verdict: One of `VERDICTS`.
    """
    for row in (*rows, *defaults.rows()):
        if row.fits(senders, direction, verdict):
            return row.action
    return "flag"


def _covers(pattern: str, code: str) -> bool:
    if pattern.endswith(".*"):
        stem = pattern[:-2]
        return code == stem or code.startswith(stem + ".")
    return pattern == code
