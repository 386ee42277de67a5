"""Whether those who signed are those the message names: SIG-51, SIG-04b, and pinned signers (G8).

A signer the trust list pins is decisive; a name in a certificate is compared in the form in which
two spellings are one (`gateway.rules.names`). A mismatch warns and never judges a signature; what
follows from it is the operator's policy. What cannot be compared is said, not guessed. Pure.
"""

from collections.abc import Iterator
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.rules.facts import MESSAGE_HEADER, Facts, ReportLike, SignatureLike
from gateway.rules.names import Match, compare, same_person
from gateway.rules.registry import rule
from gateway.rules.signers import (
    AGENCY,
    CLERK,
    PERSON,
    copy_form_of,
    is_pinned_elsewhere,
    is_pinned_here,
)

FROM: Final = f"{MESSAGE_HEADER}/From"
SIGNER: Final = f"{MESSAGE_HEADER}/SignerInfo/FullName"
HOLDER_RULES: Final = frozenset({"SIG-51", "SIG-04b"})
"""Rules whose warnings mean that somebody else signed than the message says."""

_SHOWN: Final = 80


@rule("SIG-51", source="QĐ28 art 9.1; NĐ30 art 13.3")
def holders_are_named(facts: Facts) -> Iterator[Finding]:
    """Compare who signed the main document with sender and signer of the message."""
    main = facts.reports[0] if facts.reports else None
    if main is not None:
        yield from _agency(facts, main)
        yield from _person(facts, main)


def agency_match(facts: Facts, signature: SignatureLike) -> Match:
    """Tell whether a body's signature is the sender's; pinned agencies decide (G8)."""
    if is_pinned_here(signature, facts.codes):
        return Match.MATCH
    if is_pinned_elsewhere(signature, facts.codes):
        return Match.MISMATCH
    if facts.names is None or signature.signer is None:
        return Match.UNKNOWN
    return compare(facts.names, signature.signer, is_clerk=signature.role == CLERK)


def _agency(facts: Facts, main: ReportLike) -> Iterator[Finding]:
    copy_form = copy_form_of(facts.envelope.header, main, facts.codes)
    found = [
        (signature, agency_match(facts, signature))
        for signature in main.signatures
        if signature.verdict != "invalid" and _is_agencys(signature, copy_form)
    ]
    matched = any(answer is Match.MATCH for _, answer in found)
    other = [signature for signature, answer in found if answer is Match.MISMATCH]
    for signature in other:
        yield _other_agency(facts, signature, joint=matched)
    if found and not matched and not other and facts.names is not None:
        yield _agency_unknown(facts, found[0][0])


def _is_agencys(signature: SignatureLike, copy_form: str) -> bool:
    if signature.role == AGENCY:
        return True
    # A portal's seal says who published; it is compared only where the trust list gives it a body.
    return signature.role != PERSON and (
        bool(signature.agencies) or (signature.role == CLERK and bool(copy_form))
    )


def _by_delegation(facts: Facts) -> bool:
    signer = facts.envelope.header.signer
    return signer is not None and signer.competence.strip().upper().startswith("TUQ.")


def _other_agency(facts: Facts, signature: SignatureLike, *, joint: bool) -> Finding:
    holder, sender = _holder(signature), _sender(facts)
    if joint:
        # Several agencies may issue one document (văn bản liên tịch).
        return Finding(
            "SIG-51",
            Severity.NOTE,
            FROM,
            f"Văn bản còn có chữ ký số của cơ quan khác “{holder}”, ngoài bên gửi “{sender}”.",
            f"Another agency “{holder}” signed too, besides the sender “{sender}”.",
        )
    if _by_delegation(facts):
        # SIG-04b (NĐ30 art 13.3): TUQ. carries the seal of the delegating agency.
        return Finding(
            "SIG-04b",
            Severity.WARNING,
            FROM,
            f"Ký thừa ủy quyền (TUQ.) nhưng chữ ký số cơ quan là của “{holder}”, không phải của "
            f"cơ quan ủy quyền “{sender}”. Cơ quan ủy quyền phải ký số.",
            f"Signed by delegation (TUQ.), but the agency's signature is that of “{holder}”, not "
            f"of the delegating agency “{sender}”, which has to sign.",
        )
    pinned = ", ".join(signature.agencies)[:_SHOWN]
    return Finding(
        "SIG-51",
        Severity.WARNING,
        FROM,
        f"Chữ ký số cơ quan là của “{holder}”"
        + (f" (danh sách tin cậy: chỉ ký cho {pinned})" if pinned else "")
        + f", không khớp bên gửi “{sender}”. Đối chiếu với bên gửi trước khi dùng.",
        f"The agency's signature is that of “{holder}”"
        + (f" (trust list: signs for {pinned} only)" if pinned else "")
        + f", which is not the sender “{sender}”. Ask the sender before use.",
    )


def _agency_unknown(facts: Facts, signature: SignatureLike) -> Finding:
    holder, sender = _holder(signature), _sender(facts)
    return Finding(
        "SIG-04b" if _by_delegation(facts) else "SIG-51",
        Severity.NOTE,
        FROM,
        f"Chưa rõ chứng thư cơ quan “{holder}” có phải của bên gửi “{sender}” hay không. "
        "Đối chiếu tên; nếu đúng, có thể ghim chứng thư vào danh sách tin cậy.",
        f"Whether the agency's certificate “{holder}” is the sender's (“{sender}”) cannot be told. "
        "Compare the names; if it is, it can be pinned in the trust list.",
    )


def _person(facts: Facts, main: ReportLike) -> Iterator[Finding]:
    signer = facts.envelope.header.signer
    named = signer.full_name.strip() if signer is not None else ""
    found = [s for s in main.signatures if s.role == PERSON and s.verdict != "invalid"]
    ours = [s for s in found if not is_pinned_elsewhere(s, facts.codes)]
    for signature in found:
        if signature not in ours:
            yield _pinned_person(facts, signature, joint=bool(ours))
    read = [s for s in ours if s.signer is not None and s.signer.common_name]
    if not named or not read:
        return
    if any(same_person(s.signer.common_name, named) for s in read if s.signer is not None):
        return
    holders = ", ".join(dict.fromkeys(_holder(s) for s in read))[: 2 * _SHOWN]
    yield Finding(
        "SIG-51",
        Severity.WARNING,
        SIGNER,
        f"Người ký ghi trong gói tin là “{named[:_SHOWN]}”, chứng thư số mang tên “{holders}”. "
        "Đối chiếu với văn bản và bên gửi.",
        f"The message names the signer “{named[:_SHOWN]}”, the certificate “{holders}”. Compare "
        "with the document, ask the sender.",
    )


def _pinned_person(facts: Facts, signature: SignatureLike, *, joint: bool) -> Finding:
    holder, sender = _holder(signature), _sender(facts)
    pinned = ", ".join(signature.agencies)[:_SHOWN]
    return Finding(
        "SIG-51",
        Severity.NOTE if joint else Severity.WARNING,
        SIGNER,
        f"Người ký “{holder}” theo danh sách tin cậy chỉ ký cho {pinned}, không phải bên gửi "
        f"“{sender}”. Đối chiếu với bên gửi trước khi dùng.",
        f"By the trust list the signer “{holder}” signs for {pinned} only, not for the sender "
        f"“{sender}”. Ask the sender before use.",
    )


def _holder(signature: SignatureLike) -> str:
    name = signature.signer.common_name if signature.signer is not None else ""
    return (name or signature.field)[:_SHOWN]


def _sender(facts: Facts) -> str:
    names = facts.names.names if facts.names is not None else ()
    written = facts.envelope.header.sender
    return (next((n for n in names if n), "") or written.organ_name or written.organ_id)[:_SHOWN]
