"""Single sign-on (đăng nhập một lần): a browser goes to a provider and comes back vouched for.

Protocol and the value crossing it; `adapters.oidc` implements it (ACC-05).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.ports.accounts import Identity


@dataclass(frozen=True, slots=True)
class Leaving:
    """Where the browser goes, and the ticket it must bring back (in a cookie of ours)."""

    url: str = field(repr=False)
    ticket: str = field(repr=False)


class SingleSignOn(Protocol):
    """One provider. Nothing is kept between going and coming but in the browser's ticket."""

    @property
    def name(self) -> str:
        """Return what the button is called."""
        ...

    async def begin(self) -> Leaving:
        """Begin; UnavailableError when the provider cannot be asked."""
        ...

    async def finish(self, ticket: str, answer: Mapping[str, str]) -> Identity:
        """Return whom the provider vouches for.

        Args:
            ticket: What `begin` gave this browser; it is good once.
            answer: Query parameters with which the browser came back.

        Raises:
            RejectedError: UNAUTHENTICATED; anything about it was not as it must be.
            UnavailableError: The provider cannot be asked.
        """
        ...
