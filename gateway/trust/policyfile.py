"""Reading `policy.toml`: a dated policy, or every fault it has.

Promises: a policy with a fault is no policy; MD5 is never accepted; an unknown revocation status is
never valid. Pure: bytes in, values out.
"""

import hashlib
from datetime import datetime
from typing import Final

from asn1crypto.x509 import KeyUsage

from gateway.trust.decisions import (
    ACTIONS,
    ANY,
    DIRECTIONS,
    NEVER_ACCEPTED,
    NEVER_REFUSED,
    VERDICTS,
    Decision,
)
from gateway.trust.policy import BUILT_IN, Policy, TrustFault
from gateway.trust.tomlread import Faults, Table, parse

POLICY_FILE: Final = "policy.toml"
DIGESTS: Final = frozenset(
    {
        *("sha1", "sha224", "sha256", "sha384", "sha512", "sha512_256"),
        *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "shake256"),
    }
)
ROLES: Final = ("person", "organization", "portal", "clerk")
_KEY_USAGES: Final = frozenset(KeyUsage._map.values())  # noqa: SLF001 — the list of RFC 5280
_NEVER: Final = frozenset({"md2", "md4", "md5"})


def read_policy(data: bytes) -> tuple[Policy | None, tuple[TrustFault, ...]]:
    """Return the policy a file states, or None and every fault there is."""
    faults = Faults(POLICY_FILE)
    top = parse(data, faults)
    if top is None:
        return None, tuple(faults.found)
    certificate, evidence = top.table("certificate"), top.table("evidence")
    signing, curve = top.table("must_sign"), top.table("ec")
    policy = Policy(
        name=top.text("name"),
        dated=top.day("dated"),
        sha256=hashlib.sha256(data).hexdigest(),
        digests=tuple(_digest(t) for t in top.tables("digest")) or BUILT_IN.digests,
        rsa_bits=tuple(_rsa(t) for t in top.tables("rsa")) or BUILT_IN.rsa_bits,
        ec_bits=curve.integer("bits", 160, BUILT_IN.ec_bits),
        key_usages=certificate.words("key_usages", _KEY_USAGES, BUILT_IN.key_usages),
        max_lifetime_days=certificate.integer("max_lifetime_days", 0, BUILT_IN.max_lifetime_days),
        timestamp=evidence.choice("timestamp", ("optional", "required"), BUILT_IN.timestamp),
        unknown=evidence.choice("unknown", ("indeterminate", "invalid"), BUILT_IN.unknown),
        must_sign=signing.words("original", ROLES, BUILT_IN.must_sign),
        decisions=tuple(_decision(t) for t in top.tables("decision")),
    )
    if not policy.key_usages:
        certificate.fault("key_usages", "phải có ít nhất một.", "at least one is needed.")
    for table in (certificate, evidence, signing, curve, top):
        table.end()
    found = tuple(faults.found)
    return (None if found else policy), found


def _digest(table: Table) -> tuple[str, datetime | None]:
    name = table.text("name")
    if name in _NEVER:
        table.fault("name", f"{name} không bao giờ được dùng; xóa.", f"{name} never; remove it.")
    elif name and name not in DIGESTS:
        known = ", ".join(sorted(DIGESTS))
        table.fault("name", f"không rõ {name}; dùng: {known}.", f"unknown {name}; use: {known}.")
    row = (name, table.until("until"))
    if name == "sha1" and row[1] is None:
        # SIG-48 (TT15): SHA-1 is for old archived documents only.
        table.fault("until", "sha1 phải có ngày kết thúc.", "sha1 needs an end.")
    table.end()
    return row


def _rsa(table: Table) -> tuple[int, datetime | None]:
    row = (table.integer("bits", 1024), table.until("until"))
    if row[0] < 2048 and row[1] is None:
        table.fault(
            "until", "khóa dưới 2048 bit phải có ngày kết thúc.", "under 2048 needs an end."
        )
    table.end()
    return row


def _decision(table: Table) -> Decision:
    verdicts = table.words("verdict", (*VERDICTS, ANY), (ANY,))
    row = Decision(
        sender=table.text("sender", ANY),
        direction=table.choice("direction", (*DIRECTIONS, ANY), ANY),
        verdicts=() if ANY in verdicts else verdicts,
        action=table.choice("action", ACTIONS),
    )
    touched = set(row.verdicts or VERDICTS)
    if row.action == "accept" and touched & NEVER_ACCEPTED:
        table.fault(
            "action",
            "chữ ký không hợp lệ ít nhất phải được đánh dấu (flag); nêu rõ các kết quả khác.",
            "an invalid signature is flagged at least; name the other verdicts.",
        )
    if row.action == "refuse" and touched & NEVER_REFUSED:
        table.fault(
            "action",
            "văn bản hợp lệ không bị từ chối vì chữ ký; nêu rõ các kết quả khác.",
            "a valid document is not refused for its signatures; name the other verdicts.",
        )
    if not row.sender or (ANY in row.sender and row.sender != ANY and not _is_branch(row.sender)):
        table.fault("sender", 'dùng "*", "H37.02" hoặc "H37.*".', 'use "*", "H37.02" or "H37.*".')
    table.end()
    return row


def _is_branch(sender: str) -> bool:
    return sender.endswith(".*") and ANY not in sender[:-2] and len(sender) > 2
