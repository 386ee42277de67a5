"""What the operator's policy makes of a verdict: accept, flag or refuse, by sender and direction.

Promises: without a row of the operator's an incoming document is never refused; an invalid one is
never taken without a mark; a refusal says the rule, why, and what to do. Findings in, findings out;
a crash leaves nothing behind.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gateway.domain.envelope import Envelope
from gateway.domain.finding import Finding, Severity
from gateway.programs.catalogue import today
from gateway.programs.context import Context
from gateway.programs.verifying import Verdicts
from gateway.rules.facts import ATTACHMENTS, Direction
from gateway.rules.holders import HOLDER_RULES
from gateway.rules.signers import AGENCY, codes_of, copy_form_of, signed_in_order
from gateway.trust.decisions import Defaults, decide
from gateway.trust.policy import Policy as SigningPolicy
from gateway.trust.report import Verdict

# What an operator's "accept" takes the mark from: the findings that only say this very verdict.
_SAID_BY_VERDICT: Final = {
    "unsigned": frozenset({"SIG-02"}),
    "incomplete": frozenset({"SIG-01", "SIG-03", "SIG-04c", "SIG-60"}),
    "mismatch": HOLDER_RULES,
    "indeterminate": frozenset({"SIG-42"}),
    "unreadable": frozenset({"SIG-42"}),
}
# verdict → rule, R code, Vietnamese, English. Outgoing and incoming read differently below.
_REFUSED: Final = {
    "invalid": ("SIG-40", "R03", "có chữ ký số không hợp lệ", "carries an invalid signature"),
    "indeterminate": (
        *("SIG-42", "R05", "có chữ ký số chưa xác định được"),
        "carries a signature that cannot be determined",
    ),
    "unreadable": ("SIG-42", "R05", "có tệp không đọc được", "has a file that cannot be read"),
    "unsigned": ("SIG-02", "R03", "không có chữ ký số", "is not signed"),
    "incomplete": ("SIG-01", "R03", "chưa đủ chữ ký số phải có", "lacks a signature it needs"),
    "mismatch": (
        *("SIG-51", "R03", "do người hoặc cơ quan khác bên gửi ký số"),
        "is signed by another person or agency than the sender's",
    ),
}


def action_of(
    context: Context,
    envelope: Envelope,
    verdicts: Verdicts | None,
    direction: Direction,
    found: Iterable[Finding] = (),
) -> str:
    """Return `accept`, `flag` or `refuse`; `flag` while there is no verdict.

    `found` is what the rules say of who signed; without it nobody is held to be another.
    """
    if verdicts is None:
        return "flag"
    policy = context.policy
    defaults = Defaults(
        invalid=policy.outgoing_invalid,
        indeterminate=policy.outgoing_indeterminate,
        unsigned=policy.outgoing_unsigned,
    )
    signing = context.signing()
    codes = _codes(context, envelope)
    standing = _standing(signing, envelope, codes, verdicts, found)
    return decide(signing.decisions, defaults, codes, direction, standing)


def _codes(context: Context, envelope: Envelope) -> frozenset[str]:
    """Return every code the sender goes by."""
    written = envelope.header.sender.organ_id
    known = context.directory().resolve(written, today(context)).canonical
    return frozenset({written, known})


def decided(
    context: Context,
    envelope: Envelope,
    verdicts: Verdicts | None,
    direction: Direction,
    found: Iterable[Finding],
) -> tuple[Finding, ...]:
    """Return the findings of the rules with what the policy adds, or takes the mark from."""
    found = tuple(found)
    if verdicts is None:
        return found
    action = action_of(context, envelope, verdicts, direction, found)
    codes = _codes(context, envelope)
    standing = _standing(context.signing(), envelope, codes, verdicts, found)
    if action == "refuse":
        said = standing == "invalid" and any(_refuses(f) for f in found)
        return found if said else (*found, _refusal(standing, direction))
    if action == "accept":
        quiet = _SAID_BY_VERDICT.get(standing, frozenset())
        return tuple(
            replace(f, severity=Severity.NOTE)
            if f.rule in quiet and f.severity is Severity.WARNING
            else f
            for f in found
        )
    return (*found, _looked_at()) if standing == "valid" else found


def refusal_of(findings: Iterable[Finding]) -> Finding | None:
    """Return the finding by which an incoming document goes back to its sender, if there is one."""
    return next((f for f in findings if _refuses(f)), None)


def _refuses(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR and finding.rule.startswith("SIG-")


def _standing(
    signing: SigningPolicy,
    envelope: Envelope,
    codes: Iterable[str],
    verdicts: Verdicts,
    found: Iterable[Finding],
) -> str:
    """Return the verdict as the table names it.

    `incomplete` where somebody has yet to sign, `mismatch` where all did but not those the message
    names (SIG-51).
    """
    if verdicts.verdict is not Verdict.VALID or not verdicts.reports:
        return verdicts.verdict.value
    main, compared = verdicts.reports[0], codes_of(*codes)
    wanted = signing.must_sign
    copy_form = copy_form_of(envelope.header, main, compared)
    if copy_form:
        # SIG-60 (NĐ30 art 25-27): a copy carries the agency's signature only.
        wanted = tuple(role for role in wanted if role == AGENCY)
    # SIG-01, SIG-03: each role has a valid signature, one after the other.
    if not signed_in_order(main, wanted, compared, copy_form):
        return "incomplete"
    other = any(f.rule in HOLDER_RULES and f.severity is Severity.WARNING for f in found)
    return "mismatch" if other else "valid"


def _refusal(standing: str, direction: Direction) -> Finding:
    rule, code, vi, en = _REFUSED[standing]
    if direction == "out":
        # SIG-02 (QĐ28 art 4.2): such a document is for reference only; this agency does not send
        # it. The sender signs it and sends again.
        rule = "SIG-02" if rule == "SIG-42" else rule
        return Finding(
            rule,
            Severity.ERROR,
            ATTACHMENTS,
            f"Chính sách của cổng không cho gửi: văn bản {vi}. Ký số đầy đủ rồi gửi lại.",
            f"This gateway's policy does not send it: the document {en}. Sign it and send again.",
            "R03",
        )
    return Finding(
        rule,
        Severity.ERROR,
        ATTACHMENTS,
        f"Chính sách của nơi nhận không tiếp nhận: văn bản {vi}. Ký số đầy đủ rồi gửi lại.",
        f"The recipient's policy does not take it: the document {en}. Sign it and send again.",
        code,
    )


def _looked_at() -> Finding:
    return Finding(
        "SIG-40",
        Severity.WARNING,
        ATTACHMENTS,
        "Chữ ký hợp lệ; chính sách của cổng yêu cầu người có trách nhiệm xem văn bản của bên gửi "
        "này.",
        "The signatures are valid; this gateway's policy wants a person to look at this sender's "
        "documents.",
    )
