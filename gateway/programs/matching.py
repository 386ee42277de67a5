"""matching: which delivery or arrival a status report is about.

By identifier in every spelling of its letters (FMT-07), else by number, notation and date; the
issuer under any of its codes and those it took over (ID-05). Reads only.
"""

import json
import unicodedata
from typing import Final

from gateway.domain.envelope import BusinessType, ResponseFor, StatusCode
from gateway.domain.lifecycle import ARRIVAL, ArrivalEvent, ArrivalState, allows, moves_nothing
from gateway.domain.receipt import arrival_event, known_code
from gateway.ports import Row
from gateway.programs.catalogue import Who, family
from gateway.programs.context import Context

_ANSWERS: Final = frozenset({StatusCode.RECALL_AGREED, StatusCode.RECALL_DECLINED})
AFTER_ALL: Final = "~"
"""Sorts behind every id."""

MOST_NOTED: Final = 200
"""Arrivals with one number, notation and date that are looked at, the newest: a sender that numbers
everything alike costs the others nothing."""


def spellings(document_id: str) -> str:
    """Return the ways partners write one identifier, as a JSON list for queries."""
    text = document_id.strip()
    forms = {document_id, text}
    forms |= {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
    return json.dumps(sorted(forms - {""}))


def _codes(about: ResponseFor) -> list[tuple[str, str]]:
    """Return the splits of `number/notation` a sender's system may have stored."""
    text = unicodedata.normalize("NFC", about.code.strip())
    if not text:
        return []
    number, _, notation = text.partition("/")
    return [(number, notation), (text, "")]


async def delivery_of(
    context: Context, about: ResponseFor, *, issuer: Who, recipient: Who
) -> Row | None:
    """Return the delivery of a document of ours to an agency, its consignment's facts beside it."""
    keys = {
        "senders": family(context, issuer.canonical),
        "agencies": family(context, recipient.canonical),
        "agency": recipient.canonical,
    }
    if about.document_id.strip():
        found = await context.ledger.one(
            "delivery_named", document_ids=spellings(about.document_id), **keys
        )
        if found is not None:
            return found
    if about.promulgation_date is None:
        return None
    for number, notation in _codes(about):
        found = await context.ledger.one(
            "delivery_noted",
            code_number=number,
            code_notation=notation,
            promulgation_date=about.promulgation_date.isoformat(),
            **keys,
        )
        if found is not None:
            return found
    return None


async def arrival_of(
    context: Context, about: ResponseFor, *, agency: Who, issuer: Who, code: str = ""
) -> Row | None:
    """Return the newest arrival of an agency that a report is about.

    Several may bear one identifier: versions of a document, and what asks for it back. Where the
    report has a `code`, it is about the first that the agency has and that the code moves.
    """
    found = await _arrivals_of(context, about, agency, issuer)
    if not found:
        return None
    newest = _own_first(found, agency)
    kind = arrival_event(code)
    if kind is None or known_code(code) in _ANSWERS:
        return newest
    there = [a for a in found if a["agency"] == newest["agency"] and a["entered_system_at"]]
    there.sort(key=lambda a: bool(a["business_type"] == BusinessType.RECALL))
    moved = (a for a in there if _moves(a, kind))
    return next(moved, there[0] if there else newest)


def _moves(arrival: Row, kind: ArrivalEvent) -> bool:
    state = ArrivalState(arrival["state"])
    return allows(ARRIVAL, state, kind) and not moves_nothing(ARRIVAL, state, kind)


async def _arrivals_of(context: Context, about: ResponseFor, agency: Who, issuer: Who) -> list[Row]:
    if about.document_id.strip():
        found = await arrivals_named(context, agency.canonical, issuer.canonical, about.document_id)
        if found:
            return found
    if about.promulgation_date is None:
        return []
    for number, notation in _codes(about):
        noted = await arrivals_noted(
            context,
            agency.canonical,
            issuer.canonical,
            number,
            notation,
            about.promulgation_date.isoformat(),
        )
        if noted:
            return noted
    return []


def _own_first(found: list[Row], agency: Who) -> Row:
    """Return the newest of the agency's own arrivals, else of those it took over."""
    return next((a for a in found if a["agency"] == agency.canonical), found[0])


async def arrivals_named(context: Context, agency: str, issuer: str, document_id: str) -> list[Row]:
    """Return an agency's arrivals of an issuer under one identifier, newest version first."""
    return list(
        await context.ledger.all(
            "arrivals_named",
            agencies=family(context, agency),
            senders=family(context, issuer),
            document_ids=spellings(document_id),
        )
    )


async def arrivals_noted(  # noqa: PLR0917
    context: Context, agency: str, issuer: str, number: str, notation: str, date_text: str
) -> list[Row]:
    """Return an agency's newest arrivals of an issuer with one number, notation and date."""
    return list(
        await context.ledger.all(
            "arrivals_noted",
            agencies=family(context, agency),
            senders=family(context, issuer),
            code_number=number,
            code_notation=notation,
            promulgation_date=date_text,
            before=AFTER_ALL,
            limit=MOST_NOTED,
        )
    )
