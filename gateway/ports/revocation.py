"""What operations must know of revocation lists: one small fact, in one line (SIG-42).

Lists that are missing or over make every signature of their authority undetermined. That is one
cause on our side, so it is said once, here, and not in every report. Frozen values only.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

_AGEING: Final = 0.8


def age_state(this_update: datetime, next_update: datetime | None, now: datetime) -> str:
    """Return `ok`, `ageing` when four fifths of a list's time are over, or `expired`."""
    if next_update is None or next_update < now:
        return "expired"
    life = next_update - this_update
    return "ageing" if now - this_update > life * _AGEING else "ok"


@dataclass(frozen=True, slots=True)
class ListHealth:
    """One trusted authority and its newest list.

    Args:
        issuer: Common name.
        state: `ok`, `ageing` (soon over), `expired`, `missing`, or `ended` for an authority whose
            own certificate is over.
        this_update: When the newest list was issued, None when there is none.
        next_update: Until when it is in force.
    """

    issuer: str
    state: str
    this_update: datetime | None = None
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class RevocationHealth:
    """Every authority's list, and what to do (tình trạng danh sách thu hồi).

    Args:
        lists: By name.
    """

    lists: tuple[ListHealth, ...] = ()

    @property
    def state(self) -> str:
        """Return the worst: `expired`, `missing`, `ageing` or `ok`."""
        found = {one.state for one in self.lists}
        return next((s for s in ("expired", "missing", "ageing") if s in found), "ok")

    @property
    def vi(self) -> str:
        """Return the line for people, Vietnamese."""
        if self.state == "ok":
            return "Danh sách thu hồi (CRL): đủ và còn hạn."
        words = {"expired": "hết hạn", "missing": "chưa có", "ageing": "sắp hết hạn"}
        told = [f"{words[s]}: {', '.join(who)}" for s, who in self._troubled()]
        return (
            f"Danh sách thu hồi (CRL) {'; '.join(told)}. Chữ ký của các CA này sẽ «chưa xác định"
            " được»: mở đường tải hoặc nạp danh sách mới (vanlien trust import-crl)."
        )

    @property
    def en(self) -> str:
        """Return the line for people, English."""
        if self.state == "ok":
            return "Revocation lists (CRL): all there and in force."
        told = [f"{state}: {', '.join(who)}" for state, who in self._troubled()]
        return (
            f"Revocation lists (CRL) {'; '.join(told)}. Signatures of these authorities become"
            " undetermined: open the way to fetch, or vanlien trust import-crl a fresh list."
        )

    def _troubled(self) -> list[tuple[str, list[str]]]:
        found = [
            (state, [one.issuer for one in self.lists if one.state == state])
            for state in ("expired", "missing", "ageing")
        ]
        return [(state, who) for state, who in found if who]
