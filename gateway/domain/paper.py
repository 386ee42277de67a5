"""When paper goes beside a signed electronic document: never, but for a few (SND-05, SND-06).

The exceptions are data: who receives, what type, why, from which rule. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.domain.identifiers import fold


@dataclass(frozen=True, slots=True)
class PaperRule:
    """One exception (ngoại lệ gửi kèm bản giấy).

    Args:
        receivers: Codes, each with everything below it; empty: whoever receives.
        types: Types of document by name; empty: all.
        purpose: Why, shown to the clerk.
        source: Where it is written.
    """

    receivers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    purpose: str = ""
    source: str = ""

    def covers(self, receiver: str, type_name: str) -> bool:
        """Return whether it asks for paper for this receiver and type of document."""
        code = fold(receiver)
        mine = not self.receivers or any(
            code == fold(prefix) or code.startswith(f"{fold(prefix)}.") for prefix in self.receivers
        )
        typed = not self.types or type_name.strip().casefold() in {
            t.strip().casefold() for t in self.types
        }
        return mine and typed


def paper_rule(rules: Iterable[PaperRule], receiver: str, type_name: str) -> PaperRule | None:
    """Return the first rule that asks for a paper copy, None where none does.

    Source: SND-05 (S003 art 6.3), SND-06 (S003 art 6.5; reading F20).
    """
    return next((rule for rule in rules if rule.covers(receiver, type_name)), None)
