"""registrar: takes down which agencies systems want registered or closed.

Promises: nothing about the catalogue changes here; a request is committed before it is answered,
and the same one again is the same row. Only what lies below an agency the caller speaks for can be
asked for. A crash leaves the request or nothing of it.
"""

from dataclasses import replace
from typing import Final

from gateway import observe
from gateway.domain.directory import Agency, Resolved
from gateway.domain.identifiers import fold, is_below, registration_findings
from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Caller, ChangeSet, Committed, Insert
from gateway.ports.registration import RequestKind, RequestRow, Wish, row_of, wish_text
from gateway.programs.catalogue import today
from gateway.programs.context import Context
from gateway.programs.rows import event

_MOST_WAITING: Final = 200
_LONGEST: Final = 500


class Registrar:
    """See `ports.registration.Registrar`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def register(self, caller: Caller, wish: Wish) -> RequestRow:
        """Ask for a new agency."""
        # ID-03: what cannot be a code is said at once, not by the operator days later.
        findings = registration_findings(wish.code, "code")
        if findings:
            raise RejectedError(Reason.BAD_REQUEST, findings[0].en, findings=findings)
        wish = _tidy(wish)
        if not wish.name:
            raise RejectedError(
                Reason.BAD_REQUEST, "tên cơ quan còn trống / the agency has no name"
            )
        above = self._above(caller, wish)
        # The operator decides about, and the catalogue gets, the agency above by its own code.
        wish = replace(wish, parent=above.code)
        known = self._known(wish.code)
        if known is not None:
            # ID-01: each code one agency.
            if fold(known.parent) == fold(above.code) and known.name == wish.name:
                return self._there(caller, wish)
            raise RejectedError(
                Reason.CONFLICT, f"{wish.code} là mã của {known.name} / means another agency"
            )
        return await self._ask(caller, "register", wish)

    async def close(self, caller: Caller, code: str) -> RequestRow:
        """Ask for an agency's code to be closed."""
        known = self._known(code)
        if known is None:
            raise RejectedError(Reason.NOT_FOUND, f"không có mã {code[:40]} / no such code")
        wish = Wish(known.code, known.name, known.parent)
        self._above(caller, wish)
        return await self._ask(caller, "close", wish)

    def _known(self, code: str) -> Agency | None:
        context = self._context
        found = context.directory().resolve(code, today(context))
        return found.agency if isinstance(found, Resolved) else None

    def _above(self, caller: Caller, wish: Wish) -> Agency:
        """Return the caller's agency above; FORBIDDEN when it is not the caller's."""
        named = wish.parent or (
            next(iter(caller.speaks_for)) if len(caller.speaks_for) == 1 else ""
        )
        above = self._known(named) if named else None
        if above is None or not self._is_own(caller, above):
            raise RejectedError(
                Reason.FORBIDDEN,
                f"pcode {named[:40]} không phải cơ quan của hệ thống này / is none of yours",
            )
        codes = filter(None, (above.code, above.legacy_code))
        if not any(is_below(wish.code, code) for code in codes):
            raise RejectedError(
                Reason.FORBIDDEN,
                f"mã {wish.code[:40]} không thuộc cấp dưới của {above.code} / is not below it",
            )
        return above

    def _is_own(self, caller: Caller, above: Agency) -> bool:
        """Tell whether a caller speaks for an agency or for one it lies below."""
        directory = self._context.directory()
        seen: set[str] = set()
        code = above.code
        while code and code not in seen:
            if code in caller.speaks_for:
                return True
            seen.add(code)
            agency = directory.get(code)
            code = agency.parent if agency else ""
        return False

    def _there(self, caller: Caller, wish: Wish) -> RequestRow:
        now = self._context.clock.now()
        return RequestRow("", "register", caller.system_id, wish, "approved", now, now)

    async def _ask(self, caller: Caller, kind: RequestKind, wish: Wish) -> RequestRow:
        ledger, system_id = self._context.ledger, caller.system_id
        key = {"system_id": system_id, "kind": kind, "code": fold(wish.code)}
        waiting = await ledger.all("agency_requests_of", system_id=system_id, limit=_MOST_WAITING)
        same = [row for row in waiting if row["kind"] == kind and row["code"] == key["code"]]
        if same:
            return row_of(same[0])
        if len(waiting) >= _MOST_WAITING:
            raise RejectedError(
                Reason.CONFLICT,
                f"{_MOST_WAITING} yêu cầu đang chờ duyệt, không nhận thêm / requests wait already",
            )
        now = self._context.clock.now()
        row = {
            **key,
            "id": self._context.ids.new(),
            "wish": wish_text(wish),
            "state": "waiting",
            "asked_at": to_text(now),
        }
        told = event(
            f"agency:{key['code']}", f"agency-{kind}-asked", now, actor=system_id, request=row["id"]
        )
        guard = Absent("agency_request", {**key, "state": "waiting"})
        done = await ledger.commit(ChangeSet((Insert("agency_request", row), told), (guard,)))
        if not isinstance(done, Committed):  # asked twice at once: the first one stands
            assert done.row is not None
            return row_of(done.row)
        observe.agency_asked(kind=kind, system=system_id)
        return row_of(row)


def _tidy(wish: Wish) -> Wish:
    """Return a wish whose texts are one printable line each, of a length one can keep.

    A name goes to everybody with the catalogue, as JSON and as XML.
    """
    return Wish(
        *(
            " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]
            for text in (
                fold(wish.code),
                wish.name,
                fold(wish.parent),
                wish.mail,
                wish.phone,
                wish.fax,
            )
        )
    )
