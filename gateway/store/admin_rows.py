"""Between what operations type and the rows of the ledger. Pure; a row is a fact once committed."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.identifiers import CodeKind, classify, fold
from gateway.domain.moments import from_text, to_text
from gateway.domain.numbering import ARRIVAL_SERIES, FIRST_YEAR, ISSUE_SERIES, LAST_YEAR
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    AgencyRecord,
    Change,
    CredentialRow,
    Insert,
    NewCredential,
    QuarantineRow,
    Row,
    Update,
)

LONGEST: Final = 500
LARGEST: Final = 2**53 - 1

# ---------------------------------------------------------------- what was typed


def stated(text: str, what: str) -> str:
    """Return a text without blanks around it.

    Raises:
        RejectedError: BAD_REQUEST when it is empty, too long or no Unicode text.
    """
    bare = text.strip()
    if not bare or len(bare) > LONGEST or any("\ud800" <= c <= "\udfff" for c in bare):
        raise RejectedError(
            Reason.BAD_REQUEST, f"{what} is a text of 1 to {LONGEST} characters, not {text[:40]!r}"
        )
    return bare


def sensible_counter(year: int, series: str, last: int) -> None:
    """Refuse a counter nobody counts with (DID-01, DID-04).

    Raises:
        RejectedError: BAD_REQUEST, naming what is wrong.
    """
    if series not in {ISSUE_SERIES, ARRIVAL_SERIES}:
        raise RejectedError(
            Reason.BAD_REQUEST, f"{series!r} is no series: {ISSUE_SERIES} or {ARRIVAL_SERIES}"
        )
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise RejectedError(Reason.BAD_REQUEST, f"{year} is no year of a document")
    if not 0 <= last <= LARGEST:
        raise RejectedError(Reason.BAD_REQUEST, f"{last} is no number of a document")


# ---------------------------------------------------------------- credentials


def credential(system_id: str, new: NewCredential, created_at: str) -> Insert:
    """Return the row of a new credential; sealed secrets as base64 text."""
    return Insert(
        "credential",
        {
            "id": new.id,
            "system_id": system_id,
            "kind": new.kind,
            "hash": new.sha256 or None,
            "sealed": base64.b64encode(new.sealed).decode("ascii") if new.sealed else None,
            "created_at": created_at,
        },
    )


def ended(old: Sequence[CredentialRow], now: datetime, overlap: timedelta) -> list[Change]:
    """Return the changes that end valid credentials of one kind.

    The newest, one not being rotated out already, stays for `overlap`; the others end at once.
    """
    ordered = sorted(old, key=lambda c: (c.expires_at is None, c.created_at), reverse=True)
    kept = ordered[:1] if overlap > timedelta(0) else []
    rows: list[Change] = []
    for row in kept:
        end = min(row.expires_at or now + overlap, now + overlap)
        rows.append(Update("credential", {"id": row.id}, {"expires_at": to_text(end)}))
    for row in ordered[len(kept) :]:
        rows.append(Update("credential", {"id": row.id}, {"revoked_at": to_text(now)}))  # noqa: PERF401
    return rows


def factors_sealed(rows: Iterable[Row], anew: Callable[[str, str, bytes], bytes]) -> list[Change]:
    """Return the changes that seal second factors of persons anew."""
    changes: list[Change] = []
    for row in rows:
        values = {
            name: base64.b64encode(
                anew(f"account:{row['id']}", "totp", base64.b64decode(row[name]))
            ).decode("ascii")
            for name in ("totp", "totp_next")
            if row[name]
        }
        changes.append(Update("account", {"id": row["id"]}, values))
    return changes


def credential_row(row: Row) -> CredentialRow:
    """Return a credential as it is listed."""
    return CredentialRow(
        row["id"], row["kind"], from_text(row["created_at"]), at(row["expires_at"])
    )


def at(text: str | None) -> datetime | None:
    """Return the instant behind a ledger text, None as None."""
    return from_text(text) if text else None


# ---------------------------------------------------------------- agencies


def written(record: AgencyRecord) -> AgencyRecord:
    """Return a record as it is stored: codes folded, nothing around the texts.

    Raises:
        RejectedError: BAD_REQUEST for a code that is none, or no name.
    """
    codes = (record.code, *filter(None, (record.legacy_code, record.successor)), *record.aliases)
    for code in codes:
        if classify(code) is CodeKind.BAD:
            raise RejectedError(Reason.BAD_REQUEST, f"{code[:40]!r} is no agency code (ID-03)")
    if fold(record.successor) == fold(record.code):
        raise RejectedError(Reason.BAD_REQUEST, "an agency cannot succeed itself")
    return replace(
        record,
        code=fold(record.code),
        name=stated(record.name, "the name of an agency"),
        legacy_code=fold(record.legacy_code),
        parent=fold(record.parent),
        mail=record.mail.strip(),
        successor=fold(record.successor),
        aliases=tuple(sorted({fold(a) for a in record.aliases})),
    )


def merged(known: AgencyRecord, wanted: AgencyRecord) -> AgencyRecord:
    """Return a known agency as a new record changes it.

    ID-05 (QĐ20): closed stays closed, with its successor. A lock is taken off only by saying so.
    """
    keeps = wanted.status == "active" or known.status == "closed"
    return replace(
        wanted,
        status=known.status if keeps else wanted.status,
        successor=wanted.successor or known.successor,
        aliases=tuple(sorted({*known.aliases, *wanted.aliases})),
    )


def agency_row(wanted: AgencyRecord, now: datetime, *, known: bool) -> Change:
    """Return the change that writes an agency; dates of validity are left alone."""
    columns = {
        "name": wanted.name,
        "legacy_code": wanted.legacy_code,
        "parent": wanted.parent,
        "mail": wanted.mail,
        "status": wanted.status,
        "successor": wanted.successor,
        "hop": wanted.connected,
        "console": int(wanted.console),
        "numbered_by": wanted.numbered_by,
        "updated_at": to_text(now),
    }
    if known:
        return Update("agency", {"code": wanted.code}, columns)
    return Insert("agency", {"code": wanted.code, **columns})


def alias(name: str, code: str) -> Insert:
    """Return the row of an alias."""
    return Insert("agency_alias", {"alias": name, "code": code}, ignore=True)


def record(row: Row, aliases: Iterable[str]) -> AgencyRecord:
    """Return an agency as operations keep it."""
    return AgencyRecord(
        code=row["code"],
        name=row["name"],
        legacy_code=row["legacy_code"],
        parent=row["parent"],
        mail=row["mail"],
        connected=row["hop"],
        console=bool(row["console"]),
        numbered_by=row["numbered_by"],
        successor=row["successor"],
        status=row["status"],
        aliases=tuple(sorted(aliases)),
    )


# ---------------------------------------------------------------- quarantine


def item(row: Row) -> QuarantineRow:
    """Return something in quarantine as it is listed."""
    return QuarantineRow(
        id=row["id"],
        kind=row["kind"],
        document_id=row["document_id"],
        sender=row["sender"],
        reason=row["reason"],
        since=from_text(row["at"]),
        purge_asked_by=row["first_by"] or "",
        purged_at=at(row["purged_at"]),
    )
