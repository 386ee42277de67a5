"""A document that breaks no rule, and ways to break it one at a time."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from gateway.domain.directory import Agency, Directory
from gateway.domain.envelope import (
    Attachment,
    Envelope,
    Header,
    ManifestEntry,
    Organization,
    Signer,
)
from gateway.rules.registry import Facts, FileFacts, run_all
from gateway.trust.report import (
    Answer,
    AppearanceFacts,
    CertificateFacts,
    Coverage,
    Note,
    SignatureFacts,
    Verdict,
    VerificationReport,
)

TODAY = date(2026, 11, 22)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"

DIRECTORY = Directory(
    [
        Agency("H37.02", "Sở Nội vụ", hop="local", legacy_code="000.00.05.H37"),
        Agency("H37", "UBND tỉnh Lạng Sơn", hop="local", legacy_code="000.00.00.H37"),
        Agency("G22", "Văn phòng Chính phủ", hop="vxp"),
        Agency("H25", "UBND tỉnh Hà Nam", valid_to=date(2025, 6, 30), successor="H42"),
        Agency("H42", "UBND tỉnh Ninh Bình", hop="vxp"),
        Agency("H37.10", "UBND xã chưa liên thông"),
    ]
)

HEADER = Header(
    sender=Organization("H37.02", organ_name="Sở Nội vụ tỉnh Lạng Sơn"),
    recipients=(Organization("H37"), Organization("G22")),
    document_id="H37.02,2026/11/20,123/SNV-VP",
    code_number="123",
    code_notation="SNV-VP",
    place="Lạng Sơn",
    promulgation_date=date(2026, 11, 20),
    type_code=2,
    type_name="Công văn",
    subject="V/v báo cáo kết quả chuyển đổi số năm 2026",
    signer=Signer("TM.", "Giám đốc", "Nguyễn Văn A"),
)


def attachment(index=0, name="cong van.pdf", size=1000):
    return Attachment(index, name, name, f"id{index}", "application/pdf", "", f"{index}" * 64, size)


def facts(*, direction="out", attachments=None, heads=None, manifest=None, header=None, **more):
    """Return facts; every argument replaces one part of the good document."""
    header = HEADER if header is None else header
    attachments = (attachment(),) if attachments is None else tuple(attachments)
    if manifest is None:
        manifest = tuple(ManifestEntry(a.content_id, name=a.name) for a in attachments)
    heads = heads or {}
    more.setdefault("sender", DIRECTORY.resolve(header.sender.organ_id, TODAY))
    more.setdefault(
        "recipients", tuple(DIRECTORY.resolve(r.organ_id, TODAY) for r in header.recipients)
    )
    more.setdefault("files", tuple(FileFacts.of(a, heads.get(a.index, PDF)) for a in attachments))
    return Facts(Envelope(header, tuple(manifest), attachments), direction, TODAY, **more)


def header(**changes):
    return replace(HEADER, **changes)


def judge(**parts):
    return run_all(facts(**parts))


def holder(name, organization="", *, units=(), locality="", identifiers=()):
    """Return the facts of somebody's certificate."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return CertificateFacts(
        f"CN={name}", name, organization, "CN=CA", "1", at, at, "0" * 64,
        units=units, locality=locality, identifiers=identifiers,
    )  # fmt: skip


@dataclass(frozen=True)
class Sig:
    """A short way to write a signature; shown on page 1 in a way nobody could read."""

    role: str
    verdict: str = "valid"
    sub_indication: str = ""
    intact: str = "yes"
    trusted: str = "yes"
    not_revoked: str = "yes"
    later_changes: str = "none"
    revision: int = 0
    signer: CertificateFacts | None = None
    agencies: tuple[str, ...] = ()
    page: int = 1
    rectangle: tuple[float, float, float, float] | None = None
    appearance: AppearanceFacts | None = None
    signed_at: datetime | None = None
    notes: tuple[Note, ...] = ()


def report(*signatures, verdict=None, kind="pdf", **more):
    """Return a real verification report with these signatures."""
    order = ["valid", "indeterminate", "invalid"]
    worst = max((s.verdict for s in signatures), key=order.index, default="unsigned")
    return VerificationReport(
        verdict=Verdict(verdict or worst),
        sha256="0" * 64,
        size_bytes=10,
        verified_at=datetime(2026, 11, 22, tzinfo=UTC),
        trust_sha256="0" * 64,
        engine="test",
        kind=kind,
        **more,
        signatures=tuple(
            SignatureFacts(
                field=f"Signature{n}",
                verdict=Verdict(s.verdict),
                sub_indication=s.sub_indication,
                intact=Answer(s.intact),
                trusted=Answer(s.trusted),
                not_revoked=Answer(s.not_revoked),
                time_proven=Answer.YES,
                signer=s.signer,
                role=s.role,
                signed_at=s.signed_at,
                signed_at_source="none",
                coverage=Coverage.WHOLE_FILE,
                later_changes=s.later_changes,
                algorithm="sha256 rsa 2048",
                notes=s.notes,
                revision=s.revision,
                agencies=s.agencies,
                page=s.page,
                rectangle=s.rectangle,
                appearance=s.appearance,
            )
            for n, s in enumerate(signatures, 1)
        ),
    )
