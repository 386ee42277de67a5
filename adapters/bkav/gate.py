"""Who calls: a token and the agency it comes for (organId), REST and SOAP alike.

Promises: a token opens only the agencies its system speaks for, under any notation the directory
knows; without both nothing is done. A crash leaves nothing behind: the directory is asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Callers, Clock, FrontDoor

_FRESH: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Guest:
    """An authenticated call.

    Args:
        caller: The system, with all the agencies it speaks for.
        own: The same, narrowed to the agency it calls for.
        organ: Canonical code of that agency; "" when it came for the whole system.
    """

    caller: Caller
    own: Caller
    organ: str


class Gate:
    """Lets systems in.

    Args:
        front: Has the directory.
        callers: Who may call; the token is an API key.
        clock: Tells when the directory is old.
    """

    def __init__(self, front: FrontDoor, callers: Callers, clock: Clock) -> None:
        self._front = front
        self._callers = callers
        self._clock = clock
        self._codes: Mapping[str, str] = {}
        self._read_at: datetime | None = None

    def known(self, token: str) -> Caller:
        """Return the system behind a token.

        Raises:
            RejectedError: UNAUTHENTICATED.
        """
        caller = self._callers.by_api_key(token) if token else None
        if caller is None:
            raise RejectedError(
                Reason.UNAUTHENTICATED, "token missing, unknown, expired or revoked"
            )
        return caller

    async def enter(self, token: str, organ: str) -> Guest:
        """Return who calls.

        An organId that is the system's own id means all its agencies: gateways call like that.

        Raises:
            RejectedError: UNAUTHENTICATED, or SENDER_NOT_CALLER for an agency of others.
        """
        caller = self.known(token)
        written = organ.strip()
        if not written:
            raise RejectedError(Reason.UNAUTHENTICATED, "organId is missing")
        if written == caller.system_id:
            return Guest(caller, caller, "")
        code = await self._code(caller, written.upper())
        # ID-09: the agency the transport names is one the authenticated system speaks for.
        if code is None:
            raise RejectedError(
                Reason.SENDER_NOT_CALLER,
                f"organId {written[:40]!r} is not an agency that {caller.system_id} speaks for",
            )
        return Guest(caller, replace(caller, speaks_for=frozenset({code})), code)

    async def _code(self, caller: Caller, written: str) -> str | None:
        for code in caller.speaks_for:
            if code.upper() == written:
                return code
        now = self._clock.now()
        if self._read_at is None or not timedelta(0) <= now - self._read_at < _FRESH:
            rows = await self._front.agencies()
            self._codes = {r.legacy_code.upper(): r.code for r in rows if r.legacy_code}
            self._read_at = now
        known = self._codes.get(written)
        return known if known in caller.speaks_for else None
