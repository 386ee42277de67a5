"""Changes of a trust folder: putting authorities in, taking them out, writing it all down.

Promises: every change is a line of the import log before it counts; the list is replaced as a
whole, so a running gateway sees the old one or the new one; a certificate is out of use before its
entry goes. A crash leaves certificates nobody lists (not trusted), or a log line whose change is
not finished, which `vanlien trust check` names and the same command finishes. One change at a time:
the folder is locked.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from asn1crypto import pem, x509

from gateway.trust.anchors import certificates_in
from gateway.trust.evidence import aware
from gateway.trust.fingerprint import file_bytes, trust_files
from gateway.trust.importlog import LOG_FILE, NOTHING, LogEntry, digest, whole_lines
from gateway.trust.policy import ListedAnchor, TrustFault, TrustList
from gateway.trust.report import VIETNAM
from gateway.trust.trustfolder import (
    RegistrarError,
    append_line,
    by_subject,
    display_name,
    file_name,
    file_of,
    free_name,
    holds,
    list_of,
    locked,
    replace_file,
    self_issued,
    shelf,
    sync,
    unique,
)
from gateway.trust.trustlist import LIST_FILE, body_sha256, read_list, write_list

REMOVED: Final = "removed"


@dataclass(frozen=True, slots=True)
class Wish:
    """How certificates are to be listed; None leaves what the list says.

    Args:
        trust_class: One of `CLASSES`; None takes over the issuer's.
        trusted_from: Start of the window.
        trusted_until: End of the window.
        confirmed: The fingerprint was compared out of band.
    """

    trust_class: str | None = None
    trusted_from: datetime | None = None
    trusted_until: datetime | None = None
    confirmed: bool | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """Who makes a change, why, and when."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one certificate: `added`, `changed`, or `same` for nothing."""

    cert: x509.Certificate
    source: str
    action: str
    entry: ListedAnchor
    file: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import will do.

    Args:
        steps: One per certificate.
        skipped: What was passed over, and why.
        trust_list: The list after it, its version and day not yet set.
        created: There was no list before.
        kept_open: There are anchors no list names; the new list keeps on trusting them.
    """

    steps: tuple[Step, ...]
    skipped: tuple[TrustFault, ...]
    trust_list: TrustList
    created: bool
    kept_open: bool

    @property
    def changes(self) -> tuple[Step, ...]:
        """Return the steps that change something."""
        return tuple(s for s in self.steps if s.action != "same")


# ---------------------------------------------------------------- import


def plan_import(folder: Path, source: Path, wish: Wish) -> Plan:
    """Return what importing a file, or all files of a folder, would do; touches nothing.

    Raises:
        RegistrarError: A private key, nothing to import, or a broken list.
    """
    found, skipped = _offered(source)
    trust_list, existed = list_of(folder)
    kept = shelf(folder)
    steps: list[Step] = []
    faults: list[TrustFault] = []
    known = dict(by_subject([*kept.values(), *(c for _, c in found)]))
    entries = {a.sha256: a for a in trust_list.anchors}
    for name, cert in sorted(found, key=lambda item: not self_issued(item[1])):
        entry = _entry_for(cert, wish, entries, known)
        if entry is None:
            faults.append(_classless(name, cert))
            continue
        before = entries.get(entry.sha256)
        there = entry.sha256 in kept
        action = "added" if not there or before is None else "changed"
        steps.append(
            Step(
                cert,
                source=name,
                action="same" if there and before == entry else action,
                entry=entry,
                file=file_of(folder, entry.sha256) if there else file_name(cert),
            )
        )
        entries[entry.sha256] = entry
    if faults:
        raise RegistrarError(faults)
    open_ones = not existed and any(self_issued(c) for k, c in kept.items() if k not in entries)
    after = dataclasses.replace(
        trust_list,
        anchors=tuple(entries.values()),
        unlisted="trust" if open_ones else trust_list.unlisted,
    )
    return Plan(tuple(steps), skipped, after, not existed, open_ones)


def carry_out(folder: Path, plan: Plan, signed: Signed) -> TrustList:
    """Make an import's changes; return the list there is now.

    Raises:
        RegistrarError: The list cannot be read any more.
        OSError: The folder cannot be written.
    """
    if not plan.changes:
        return list_of(folder)[0]
    with locked(folder):
        for step in plan.changes:
            target = folder / step.file
            if not target.exists():
                replace_file(target, pem.armor("CERTIFICATE", step.cert.dump()))
        action = "import" if any(s.action == "added" for s in plan.changes) else "change"
        entries = [s.entry for s in plan.changes]
        now, existed = list_of(folder)
        merged = {a.sha256: a for a in now.anchors} | {e.sha256: e for e in entries}
        after = dataclasses.replace(
            now,
            anchors=tuple(merged.values()),
            unlisted=now.unlisted if existed else plan.trust_list.unlisted,
        )
        return _record(folder, after, action, entries, signed)


def adopt(folder: Path, files: Mapping[str, bytes], listed: TrustList, signed: Signed) -> TrustList:
    """Furnish an empty trust folder with certificates and the list that classes them.

    Raises:
        RegistrarError: The folder has a list already.
        OSError: The folder cannot be written.
    """
    with locked(folder):
        if list_of(folder)[1]:
            raise RegistrarError(
                [TrustFault(LIST_FILE, "Đã có danh sách tin cậy.", "There is a list already.")]
            )
        for name, data in files.items():
            replace_file(folder / name, data)
        return _record(
            folder, dataclasses.replace(listed, version=""), "import", listed.anchors, signed
        )


def _offered(source: Path) -> tuple[list[tuple[str, x509.Certificate]], tuple[TrustFault, ...]]:
    paths = trust_files(source) if source.is_dir() else [source]
    found: dict[bytes, tuple[str, x509.Certificate]] = {}
    refused: list[TrustFault] = []
    skipped: list[TrustFault] = []
    for path in paths:
        data = file_bytes(path)
        if data is None:
            refused.append(
                TrustFault(path.name, "Không đọc được hoặc quá lớn.", "Unreadable or too large.")
            )
            continue
        certs, secret, strange = certificates_in(data)
        if secret:
            refused.append(_private(path.name))
        if strange:
            skipped.append(
                TrustFault(
                    path.name,
                    "Bỏ qua phần không phải chứng thư; CRL thì dùng vanlien trust import-crl.",
                    "What is no certificate is passed over; for CRLs: vanlien trust import-crl.",
                )
            )
        for cert in certs:
            if cert.ca or self_issued(cert):
                found.setdefault(cert.sha256, (path.name, cert))
            else:
                skipped.append(_no_authority(path.name, cert))
    if not found and not refused:
        refused += [*skipped, _nothing(source.name)]
    if refused:
        raise RegistrarError(refused)
    return list(found.values()), tuple(skipped)


def _entry_for(
    cert: x509.Certificate,
    wish: Wish,
    entries: Mapping[str, ListedAnchor],
    known: Mapping[bytes, list[x509.Certificate]],
) -> ListedAnchor | None:
    sha256 = cert.sha256.hex()
    before = entries.get(sha256)
    trust_class = wish.trust_class or (
        before.trust_class if before else _inherited(cert, entries, known)
    )
    if not trust_class:
        return None
    entry = before or ListedAnchor(sha256, trust_class, name=display_name(cert))
    return dataclasses.replace(
        entry,
        trust_class=trust_class,
        trusted_from=wish.trusted_from or entry.trusted_from,
        trusted_until=wish.trusted_until or entry.trusted_until,
        confirmed=entry.confirmed if wish.confirmed is None else wish.confirmed,
    )


def _inherited(
    cert: x509.Certificate,
    entries: Mapping[str, ListedAnchor],
    known: Mapping[bytes, list[x509.Certificate]],
) -> str:
    """Return the class of the listed authority whose key signed this one, or ""."""
    for issuer in known.get(cert.issuer.dump(), ()):
        entry = entries.get(issuer.sha256.hex())
        if entry is not None and _signed_by(cert, issuer):
            return entry.trust_class
    return ""


def _signed_by(cert: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.x509 import load_der_x509_certificate

    try:
        load_der_x509_certificate(cert.dump()).verify_directly_issued_by(
            load_der_x509_certificate(issuer.dump())
        )
    except Exception:  # noqa: BLE001 — not proven, whatever the reason
        return False
    return True


# ---------------------------------------------------------------- removal, record


def remove(folder: Path, sha256: str, signed: Signed) -> tuple[str, tuple[str, ...]]:
    """Take an authority out: its file goes to `removed/`, its entry out of the list.

    Args:
        folder: The trust folder.
        sha256: Fingerprint, or its first 16 digits at least.
        signed: Who, why, when.

    Returns:
        The full fingerprint and the names of the files moved.

    Raises:
        RegistrarError: No such certificate, several, or a file that holds others as well.
        OSError: The folder cannot be written.
    """
    with locked(folder):
        trust_list, existed = list_of(folder)
        kept = shelf(folder)
        full = unique(sha256, {*kept, *(a.sha256 for a in trust_list.anchors)})
        paths = [p for p in trust_files(folder) if holds(p, full)]
        crowded = [p.name for p in paths if len(certificates_in(file_bytes(p) or b"")[0]) > 1]
        if crowded:
            raise RegistrarError([_crowded(name) for name in crowded])
        entry = trust_list.anchor(full)
        if entry is None:
            entry = ListedAnchor(full, "", name=display_name(kept[full]))
        # (1) out of use, (2) written down, (3) out of the list
        (folder / REMOVED).mkdir(mode=0o755, exist_ok=True)
        for path in paths:
            path.rename(free_name(folder / REMOVED, path.name))
        sync(folder / REMOVED)
        sync(folder)
        rest = tuple(a for a in trust_list.anchors if a.sha256 != full)
        after = dataclasses.replace(trust_list, anchors=rest)
        _record(folder, after if existed else None, "remove", [entry], signed)
        return full, tuple(p.name for p in paths)


def record_by_hand(folder: Path, signed: Signed) -> TrustList:
    """Write down that the list was changed by hand; return it under its next version.

    Raises:
        RegistrarError: There is no list, or it has faults.
        OSError: The folder cannot be written.
    """
    with locked(folder):
        trust_list, existed = list_of(folder)
        if not existed:
            raise RegistrarError(
                [TrustFault(LIST_FILE, "Chưa có danh sách tin cậy.", "There is no trust list.")]
            )
        return _record(folder, trust_list, "record", [], signed)


def _record(
    folder: Path,
    trust_list: TrustList | None,
    action: str,
    concerned: Sequence[ListedAnchor],
    signed: Signed,
) -> TrustList:
    """Append the log line, then replace the list."""
    log = folder / LOG_FILE
    lines = whole_lines(log.read_bytes() if log.exists() else b"")
    body = b""
    after = trust_list
    if after is not None:
        version = str(int(after.version or 0) + 1)
        dated = signed.at.astimezone(VIETNAM).date()
        after = dataclasses.replace(after, version=version, dated=dated, log="", sha256="")
        body = write_list(after)
    line = LogEntry(
        number=len(lines) + 1,
        at=signed.at.astimezone(VIETNAM).isoformat(timespec="seconds"),
        by=signed.by,
        action=action,
        reason=signed.reason,
        certificates=tuple(_fact(e) for e in concerned),
        list_version=after.version if after else "",
        list_sha256=body_sha256(body) if after else "",
        previous=digest(lines[-1]) if lines else NOTHING,
    ).line()
    append_line(log, line, sum(len(one) + 1 for one in lines))
    if after is None:
        return TrustList()
    data = write_list(dataclasses.replace(after, log=digest(line)))
    replace_file(folder / LIST_FILE, data)
    written, _ = read_list(data)
    return written or after


def _fact(entry: ListedAnchor) -> dict[str, Any]:
    return {
        "sha256": entry.sha256,
        "name": entry.name,
        "class": entry.trust_class,
        "confirmed": entry.confirmed,
    }


# ---------------------------------------------------------------- words


def _private(name: str) -> TrustFault:
    return TrustFault(
        name,
        "Có khóa bí mật. Không nhập gì; cất khóa vào nơi an toàn, chỉ đưa chứng thư vào đây.",
        "Holds a private key. Nothing was imported; put the key away, give the certificate only.",
    )


def _nothing(name: str) -> TrustFault:
    return TrustFault(
        name, "Không có chứng thư CA nào để nhập.", "There is no CA certificate to import."
    )


def _no_authority(name: str, cert: x509.Certificate) -> TrustFault:
    who = display_name(cert)
    return TrustFault(
        name,
        f"Bỏ qua {who}: không phải chứng thư CA. Ghim người ký bằng [[signer]] trong {LIST_FILE}.",
        f"Passed over {who}: not a CA. A signer is pinned by [[signer]] in {LIST_FILE}.",
    )


def _classless(name: str, cert: x509.Certificate) -> TrustFault:
    who = display_name(cert)
    return TrustFault(
        name,
        f"Chưa rõ loại của {who}; thêm --class duty, public, foreign hoặc internal.",
        f"The class of {who} is not known; add --class duty, public, foreign or internal.",
    )


def _crowded(name: str) -> TrustFault:
    return TrustFault(
        name,
        "Tệp này còn chứa chứng thư khác; tách ra từng tệp rồi gỡ.",
        "The file holds other certificates as well; split it, then remove.",
    )


def lifetime(cert: x509.Certificate) -> tuple[datetime, datetime]:
    """Return from when until when a certificate is valid, aware."""
    return aware(cert.not_valid_before), aware(cert.not_valid_after)
