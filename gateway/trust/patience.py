"""A bound on the search for certificate paths: look-alike authorities must not cost for ever.

A file may bring dozens of certificates that all could have issued one another by their names. The
validator tries every order of them, which has no end in practice (x509-limbo, pathological chains:
twelve are enough). Every step of its search asks the trust manager, so that is where steps are
counted. Promises: a search within the bound is not changed; one beyond it finds no path. The count
goes with the file's trust manager; nothing is kept.
"""

from collections.abc import Iterator
from typing import Any, Final

from pyhanko_certvalidator.authority import TrustAnchor
from pyhanko_certvalidator.errors import PathBuildingError
from pyhanko_certvalidator.registry import SimpleTrustManager

MAX_STEPS: Final = 20_000
"""Of all searches for one file, about two seconds; an honest search takes about thirty."""


def bounded(trust: SimpleTrustManager, steps: int = MAX_STEPS) -> SimpleTrustManager:
    """Return a trust manager whose searches end.

    Args:
        trust: It is changed.
        steps: After so many every search ends without a path.
    """
    left = [steps]

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise PathBuildingError("too many certificates could have issued one another")

    ask, compare = trust.find_potential_issuers, trust.is_root

    def find_potential_issuers(cert: Any) -> Iterator[TrustAnchor]:
        count()
        return ask(cert)

    def is_root(cert: Any) -> bool:
        count()
        return bool(compare(cert))

    # On the one object, not as a class of its own: who remembers paths asks for the library's.
    trust.find_potential_issuers = find_potential_issuers  # type: ignore[method-assign]
    trust.is_root = is_root  # type: ignore[method-assign]
    return trust
