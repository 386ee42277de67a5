"""onward: what an agency itself sent on of a document it is asked to give back (REC-01).

Promises: the same main file, the same identifier, and what names the document in its ResponseFor,
by identifier or by number, date and issuer together; nothing that merely looks like it, and no
reply that went to the document's own sender alone. So many of the agency's later sendings are
looked at, page by page: a recall is rare, and a person's work. Reads only.
"""

import json
import unicodedata
from collections.abc import Collection
from typing import Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import Header, ResponseFor
from gateway.ports import Row
from gateway.programs.catalogue import family, whois
from gateway.programs.context import Context
from gateway.programs.rows import loads

_OWNERS: Final = 200
_PAGE: Final = 500
_PAGES: Final = 20
_DEAD: Final = frozenset({"refused", "quarantined", "cancelled"})


async def onward(context: Context, arrival: Row) -> list[Row]:
    """Return what the agency itself sent on of a document, or about it to others.

    REC-01: who takes a document back must reach those it was passed on to.
    """
    ledger = context.ledger
    files = loads(arrival["envelope"]).get("attachments", [])
    ids: set[str] = set()
    if files:
        rows = await ledger.all("owners_of_blob", sha256=files[0]["sha256"], limit=_OWNERS)
        ids |= {row["owner"] for row in rows}
    named = await ledger.all("consignments_named", document_id=arrival["document_id"])
    ids |= {row["id"] for row in named}
    own = set(json.loads(family(context, arrival["agency"])))
    ids |= await _naming(context, arrival, own)
    ids -= {arrival["consignment_id"] or "", arrival["id"]}
    if not ids:
        return []
    found = await ledger.all("consignments_of_many", ids=json.dumps(sorted(ids)))
    return [
        row
        for row in found
        if row["sender"] in own
        and row["business_type"] != 1
        and row["state"] not in _DEAD
        and row["accepted_at"] >= arrival["at_gateway_at"]
    ]


async def _naming(context: Context, arrival: Row, own: Collection[str]) -> set[str]:
    """Return the agency's later sendings that name a document, and went to others than its sender.

    The text of the row is searched first, so that few are read; what decides is the header.
    """
    number, notation = arrival["code_number"], arrival["code_notation"]
    code = f"{number}/{notation}" if notation else number
    texts = [text for text in (arrival["document_id"].strip(), code.strip()) if text]
    if not texts:
        return set()
    issuers = set(json.loads(family(context, arrival["sender"])))
    found: set[str] = set()
    for sender in sorted(own):
        after = arrival["id"]
        for _ in range(_PAGES):
            rows = await context.ledger.all(
                "sent_naming",
                sender=sender,
                after=after,
                limit=_PAGE,
                one=_quoted(texts[0]),
                other=_quoted(texts[-1]),
            )
            for row in rows:
                if row["envelope"] is None:
                    continue
                header = envelope_from_json(loads(row["envelope"])).header
                if _names(context, header, arrival, code, issuers):
                    found.add(row["id"])
            if len(rows) < _PAGE:
                break
            after = rows[-1]["id"]
    return found


def _quoted(text: str) -> str:
    """Return a text as it stands inside the JSON of a row."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _names(
    context: Context, header: Header, arrival: Row, code: str, issuers: Collection[str]
) -> bool:
    others = {whois(context, to.organ_id).canonical for to in header.recipients} - set(issuers)
    return bool(others) and any(
        _is_about(context, one, arrival, code, issuers) for one in header.response_for
    )


def _is_about(
    context: Context, named: ResponseFor, arrival: Row, code: str, issuers: Collection[str]
) -> bool:
    """Tell whether a reference means a document.

    DID-07: an identifier is one document's, unless another issuer is written beside it; a number
    is one document's only together with its date and its issuer (DID-02b).
    """
    issuer = whois(context, named.organ_id).canonical if named.organ_id.strip() else ""
    if issuer and issuer not in issuers:
        return False
    if named.document_id.strip():
        return _plain(named.document_id) == _plain(arrival["document_id"])
    dated = named.promulgation_date.isoformat() if named.promulgation_date else ""
    same = _plain(named.code) == _plain(code) and dated == arrival["promulgation_date"]
    return bool(issuer and dated and code) and same


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split()).casefold()
