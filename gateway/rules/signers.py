"""Who counts as whom among the signatures of a file, in which order they signed, what is a copy.

The meaning of roles, one for the legal class, the annexes and the policy's `must_sign`:

* `person`: the competent person's own signature;
* `organization`: the agency's;
* `portal`: a portal's seal of publication; the agency's only where the trust list pins it for the
  sender;
* `clerk`: the agency's on a copy the agency made, or where pinned for the sender (its agency key);
* `tsa`, `unknown`: nobody's.

A certificate that the trust list pins for other agencies signs for nobody here (G8). Pure.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from gateway.domain.envelope import Header
from gateway.domain.identifiers import fold
from gateway.rules.facts import ReportLike, SignatureLike
from gateway.rules.names import contains, folded

PERSON: Final = "person"
AGENCY: Final = "organization"
PORTAL: Final = "portal"
CLERK: Final = "clerk"

COPY_FORMS: Final = {"SY": "SAO Y", "SL": "SAO LỤC", "TrS": "TRÍCH SAO"}
"""Forms of copies by their abbreviation (SIG-60)."""

NO_CODES: Final[frozenset[str]] = frozenset()


def codes_of(*written: str) -> frozenset[str]:
    """Return codes as they are compared, empty ones left out."""
    return frozenset(fold(code) for code in written) - {""}


def is_pinned_elsewhere(signature: SignatureLike, codes: Collection[str]) -> bool:
    """Tell whether the trust list lets a signer sign for other agencies only (G8).

    Args:
        signature: The signature.
        codes: The sender's, as compared; empty when there is no sender to compare with.
    """
    pinned = codes_of(*signature.agencies)
    return bool(pinned) and bool(codes) and not pinned & set(codes)


def is_pinned_here(signature: SignatureLike, codes: Collection[str]) -> bool:
    """Tell whether the trust list lets a signer sign for the sender."""
    return bool(codes_of(*signature.agencies) & set(codes))


def fills(
    signature: SignatureLike, role: str, codes: Collection[str] = NO_CODES, copy_form: str = ""
) -> bool:
    """Tell whether a signature is what a role asks for, whatever its verdict.

    Args:
        signature: The signature.
        role: `person`, `organization`, `portal` or `clerk`.
        codes: The sender's, as compared.
        copy_form: SY, SL or TrS when the document is a copy, else "".

    Source: SIG-01, SIG-03 (NĐ30 art 32.2c, 33.2), SIG-60.
    """
    if is_pinned_elsewhere(signature, codes):
        return False
    if role != AGENCY or signature.role == AGENCY:
        return signature.role == role
    if signature.role == CLERK and copy_form:
        # SIG-03 (NĐ30 art 32.2d): on copies the agency makes itself the clerk needs nobody before.
        return True
    return signature.role in {PORTAL, CLERK} and is_pinned_here(signature, codes)


def in_order(report: ReportLike) -> tuple[SignatureLike, ...]:
    """Return the signatures as they were made: by saved state, where that is told of all."""
    found = tuple(report.signatures)
    if all(s.revision for s in found):
        return tuple(sorted(found, key=lambda s: s.revision))
    return found


def valid_of(
    report: ReportLike, role: str, codes: Collection[str] = NO_CODES, copy_form: str = ""
) -> tuple[SignatureLike, ...]:
    """Return the valid signatures that fill a role, oldest first."""
    return tuple(
        s for s in in_order(report) if s.verdict == "valid" and fills(s, role, codes, copy_form)
    )


def signed_in_order(
    report: ReportLike,
    roles: Sequence[str],
    codes: Collection[str] = NO_CODES,
    copy_form: str = "",
) -> bool:
    """Tell whether each role has a valid signature, in a later saved state than the one before.

    Source: SIG-03 (NĐ30 art 32.2c): the clerk signs only what the competent person has signed.
    """
    last: SignatureLike | None = None
    for role in roles:
        found = next(
            (s for s in valid_of(report, role, codes, copy_form) if _after(report, s, last)), None
        )
        if found is None:
            return False
        last = found
    return True


def _after(report: ReportLike, signature: SignatureLike, last: SignatureLike | None) -> bool:
    if last is None:
        return True
    if signature.revision and last.revision:
        return signature.revision > last.revision
    order = [id(s) for s in in_order(report)]
    return order.index(id(signature)) > order.index(id(last))


# ---------------------------------------------------------------- copies

_BY_ABBREVIATION: Final = {short.upper(): short for short in COPY_FORMS}
_BY_NAME: Final = {folded(name): short for short, name in COPY_FORMS.items()}


def copy_form_of(
    header: Header | None, main: ReportLike | None, codes: Collection[str] = NO_CODES
) -> str:
    """Return SY, SL or TrS when a document is a copy, else "".

    Told by the metadata (type, or the notation before its first hyphen), or by the agency's lone
    signature that says so at the top right of page 1.

    Args:
        header: The message's, None for a file on its own.
        main: The report on the main document.
        codes: The sender's, as compared.

    Source: SIG-60 (NĐ30 art 25-27), SIG-24.
    """
    stated = _stated(header.type_name, header.code_notation) if header is not None else ""
    if stated or main is None:
        return stated
    if any(s.role == PERSON for s in main.signatures):
        return ""
    for signature in main.signatures:
        if signature.role in {AGENCY, CLERK} and not is_pinned_elsewhere(signature, codes):
            shown = shown_form(signature)
            if shown:
                return shown
    return ""


def shown_form(signature: SignatureLike) -> str:
    """Return the form of copy a signature shows at the top right of page 1, or "" (SIG-24)."""
    looks = signature.appearance
    if looks is None or signature.page != 1 or looks.quadrant != "top-right":
        return ""
    return next((s for s, name in COPY_FORMS.items() if contains(looks.text, name)), "")


@lru_cache(maxsize=1024)
def _stated(type_name: str, notation: str) -> str:
    name = folded(type_name).removeprefix(folded("bản") + " ")
    found = next((s for n, s in _BY_NAME.items() if name == n or name.startswith(n + " ")), "")
    # C3: the type stands before the first hyphen of the notation, a year perhaps before it.
    before = notation.partition("-")[0].rpartition("/")[2].strip()
    return found or _BY_ABBREVIATION.get(before.upper(), "")
