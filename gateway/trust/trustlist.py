"""`trust-list.toml`: the versioned list of whom the operator trusts, as what, and since when.

Promises: certificates are named by the SHA-256 of their DER, never by name; a list with a fault is
no list, and every fault is told; what is written here reads back the same. Pure: bytes in, values
out.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from gateway.trust.policy import ListedAnchor, PinnedSigner, TrustFault, TrustList
from gateway.trust.policyfile import ROLES
from gateway.trust.report import VIETNAM
from gateway.trust.tomlread import Faults, Table, parse

LIST_FILE: Final = "trust-list.toml"
# SIG-05 (LGDĐT art 22-23): công vụ, công cộng, nước ngoài được công nhận, chuyên dùng nội bộ.
CLASSES: Final = ("duty", "public", "foreign", "internal")
CLASS_NAMES: Final = {
    "duty": "công vụ",
    "public": "công cộng",
    "foreign": "nước ngoài",
    "internal": "nội bộ",
    "unlisted": "chưa phân loại",
    "": "",
}
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_LOG_LINE: Final = re.compile(rb'^log = "[0-9a-f]{64}"\n', re.MULTILINE)

_HEAD: Final = """\
# Danh sách tin cậy: ai được tin, với tư cách gì, từ khi nào. Chứng thư được gọi theo SHA-256.
# Trust list: who is trusted, as what, since when. Certificates are named by their SHA-256.
# Thay đổi bằng / change it with: vanlien trust import, vanlien trust remove
"""


def read_list(data: bytes) -> tuple[TrustList | None, tuple[TrustFault, ...]]:
    """Return the list a file states, or None and every fault there is."""
    faults = Faults(LIST_FILE)
    top = parse(data, faults)
    if top is None:
        return None, tuple(faults.found)
    found = TrustList(
        version=str(top.integer("version", 1)),
        dated=top.day("dated"),
        sha256=hashlib.sha256(data).hexdigest(),
        unlisted=top.choice("unlisted", ("ignore", "trust"), "ignore"),
        log=top.text("log", ""),
        anchors=tuple(_authority(t) for t in top.tables("authority")),
        signers=tuple(_signer(t) for t in top.tables("signer")),
    )
    top.end()
    _twice(faults, "authority", [a.sha256 for a in found.anchors])
    _twice(faults, "signer", [s.sha256 for s in found.signers])
    told = tuple(faults.found)
    return (None if told else found), told


def _authority(table: Table) -> ListedAnchor:
    entry = ListedAnchor(
        sha256=_fingerprint(table),
        trust_class=table.choice("class", CLASSES),
        trusted_from=table.since("trusted_from"),
        trusted_until=table.until("trusted_until"),
        name=table.text("name", ""),
        confirmed=table.flag("confirmed", default=False),
    )
    bounds = (entry.trusted_from, entry.trusted_until)
    if None not in bounds and not bounds[0] < bounds[1]:  # type: ignore[operator]
        table.fault(
            "trusted_until",
            "phải sau trusted_from, nếu không thì không lúc nào được tin.",
            "must come after trusted_from, else it is never trusted.",
        )
    table.end()
    return entry


def _signer(table: Table) -> PinnedSigner:
    entry = PinnedSigner(
        sha256=_fingerprint(table),
        role=table.choice("role", ROLES),
        agencies=table.words("agencies", (), ()),
        name=table.text("name", ""),
    )
    table.end()
    return entry


def _fingerprint(table: Table) -> str:
    value = table.text("sha256")
    plain = re.sub(r"[:\s]", "", value)
    if value and not _SHA256.fullmatch(plain):
        table.fault(
            "sha256",
            "phải là 64 chữ số thập lục phân của SHA-256 (DER).",
            "must be the 64 hexadecimal digits of the DER's SHA-256.",
        )
    return plain.lower()


def _twice(faults: Faults, key: str, digests: Iterable[str]) -> None:
    seen: set[str] = set()
    for number, digest in enumerate(digests, 1):
        if digest and digest in seen:
            faults.add(
                f"{key}[{number}].sha256",
                "nêu hai lần; giữ một mục.",
                "named twice; keep one entry.",
            )
        seen.add(digest)


# ---------------------------------------------------------------- writing


def write_list(trust_list: TrustList) -> bytes:
    """Return a list as its file; `read_list` gives the same back, its hash aside."""
    lines = [_HEAD]
    lines += [f"version = {int(trust_list.version or 1)}"]
    if trust_list.dated is not None:
        lines += [f"dated = {trust_list.dated.isoformat()}"]
    if trust_list.log:
        lines += [f"log = {_quoted(trust_list.log)}"]
    lines += [
        "# Chứng thư tự ký không có tên ở đây / a self-signed certificate not named here:",
        f"unlisted = {_quoted(trust_list.unlisted)}",
    ]
    for entry in trust_list.anchors:
        lines += ["", "[[authority]]", *_authority_lines(entry)]
    for signer in trust_list.signers:
        lines += ["", "[[signer]]", f"sha256 = {_quoted(signer.sha256)}"]
        lines += [f"role = {_quoted(signer.role)}"]
        if signer.agencies:
            lines += [f"agencies = [{', '.join(_quoted(a) for a in signer.agencies)}]"]
        if signer.name:
            lines += [f"name = {_quoted(signer.name)}"]
    return ("\n".join(lines) + "\n").encode()


def body_sha256(data: bytes) -> str:
    """Return the hash of a list's file without the line that names the import log's last line."""
    return hashlib.sha256(_LOG_LINE.sub(b"", data)).hexdigest()


def _authority_lines(entry: ListedAnchor) -> Iterable[str]:
    yield f"name = {_quoted(entry.name)}"
    yield f"sha256 = {_quoted(entry.sha256)}"
    yield f"class = {_quoted(entry.trust_class)}"
    if entry.trusted_from is not None:
        yield f"trusted_from = {_instant(entry.trusted_from)}"
    if entry.trusted_until is not None:
        yield f"trusted_until = {_instant(entry.trusted_until)}"
    yield f"confirmed = {'true' if entry.confirmed else 'false'}"


def _instant(at: datetime) -> str:
    return at.astimezone(VIETNAM).isoformat()


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
