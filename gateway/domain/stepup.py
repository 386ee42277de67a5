"""Which acts ask for a second factor in the session, whatever role lets somebody do them.

Roles that can do harm need one anyhow (`[accounts] second_factor`); where an operator took a role
off that list, these acts ask all the same: what they change leaves the gateway, or cannot be taken
back. They ask for a code again when the last one is long ago (`[accounts] second_factor_again`):
whoever finds a desk left open has the session, not the telephone. The table is the whole policy: no
page says it of itself. Pure.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SENDS: Final = "what was held or given up leaves, or what should leave does not"
_CATALOGUE: Final = "documents of an agency go elsewhere"
_KEYS: Final = "a system speaks for agencies"

SECOND_FACTOR: Final[Mapping[str, str]] = MappingProxyType(
    {
        # The queue: one by one, many at once, a document, a destination.
        "ops-transfer-change": _SENDS,
        "ops-queue-apply": _SENDS,
        "ops-document-hold": _SENDS,
        "ops-destination-hold": _SENDS,
        # The nodes.
        "ops-maintenance": "the gateway serves nobody",
        # The catalogue.
        "ops-imported": _CATALOGUE,
        "ops-plan-apply": _CATALOGUE,
        "ops-agency-edit": _CATALOGUE,
        "ops-agency-status": _CATALOGUE,
        "ops-request-decide": _CATALOGUE,
        # Systems and their keys.
        "ops-system-add": _KEYS,
        "ops-system-rotate": _KEYS,
        "ops-system-disable": _KEYS,
        # SEC-01: bytes are destroyed, by two persons.
        "ops-purge": "what is in quarantine is destroyed",
    }
)
"""Name of the console's page that does it, and what could go wrong."""

_PLANS: Final = frozenset({"ops-imported"})


def asks_again(page: str) -> bool:
    """Tell whether an act asks for a fresh code; a plan does not, applying it does."""
    return page in SECOND_FACTOR and page not in _PLANS
