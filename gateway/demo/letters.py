"""Letters for the demonstration: real administrative PDFs, signed by a person and by an agency.

`make_letter` gives the same bytes for the same letter; `sign_twice` adds two PAdES signatures with
RFC 3161 time-stamps and the revocation data to check them by (B-LT). Everything happens in this
process: no network, no waiting. Nothing is kept but what the caller writes.
"""

import asyncio
import functools
import io
import json
import random
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import typst
from asn1crypto import crl as asn1_crl
from pyhanko.pdf_utils.content import ImportedPdfPage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from gateway.demo.pki import DevPki, Identity
from gateway.demo.pki_service import asn1_certificate, asn1_key, time_stamper

_HERE: Final = Path(__file__).parent
_VIETNAM: Final = timezone(timedelta(hours=7))
_MM: Final = 72 / 25.4
# Where the signature block of letter.typ leaves room, in millimetres from the lower left corner.
_HAND_BOX: Final = (124.0, 33.0, 168.0, 55.0)
_SEAL_BOX: Final = (102.0, 25.0, 138.0, 61.0)
# The upper right corner of a first page, where annexes and copies are signed (SIG-22, SIG-24).
_CORNER_BOX: Final = (120.0, 270.0, 198.0, 292.0)
_PICTURE_PPI: Final = 200.0
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter says (NĐ30 Appendix I, roughly).

    Args:
        agency: Who sends it.
        number: Số.
        notation: Ký hiệu, `SNV-VP`.
        place: Địa danh.
        dated: Ngày ban hành.
        subject: Trích yếu.
        body: Paragraphs.
        to: Kính gửi.
        recipients: Nơi nhận.
        titles: Authority mark and post, a line each: `("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC")`.
        signer: Full name.
        parent: Cơ quan chủ quản, or "".
        type_name: "Báo cáo", "Quyết định"; "" for a plain letter (công văn).
        urgency: "HỎA TỐC", "THƯỢNG KHẨN", "KHẨN", or "".
    """

    agency: str
    number: str
    notation: str
    place: str
    dated: date
    subject: str
    body: tuple[str, ...]
    to: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    titles: tuple[str, ...] = ("GIÁM ĐỐC",)
    signer: str = ""
    parent: str = ""
    type_name: str = ""
    urgency: str = ""


def make_letter(letter: Letter) -> bytes:
    """Return the letter as a PDF; the same letter gives the same bytes (about 30 ms)."""
    day = letter.dated
    data = {
        "agency": letter.agency,
        "parent": letter.parent,
        "number": letter.number,
        "notation": letter.notation,
        "place": letter.place,
        # NĐ30 Appendix I: days below 10 and months 1 and 2 take a zero.
        "date": f"ngày {day.day:02d} tháng {day.month if day.month > 2 else f'{day.month:02d}'}"
        f" năm {day.year}",
        "subject": letter.subject,
        "typename": letter.type_name,
        "to": list(letter.to),
        "body": list(letter.body),
        "recipients": [*letter.recipients, "Lưu: VT"],
        "titles": list(letter.titles),
        "signer": letter.signer,
        "urgency": letter.urgency,
    }
    stamp = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return _typeset("letter.typ", {"letter": data}, stamp)


def _typeset(template: str, inputs: dict[str, Any], stamp: datetime, folder: Path = _HERE) -> bytes:
    made = typst.compile(
        str(folder / template),
        root=str(folder),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={k: json.dumps(v, ensure_ascii=False) for k, v in inputs.items()},
        timestamp=int(stamp.timestamp()),
        pdf_tags=False,
    )
    return bytes(made)


def sign_twice(
    pdf: bytes,
    pki: DevPki,
    person: Identity,
    agency: Identity,
    at: datetime | None = None,
    *,
    level: str = "B-LT",
    visible: bool = True,
) -> bytes:
    """Sign as the law asks for an original: the person first, then the agency (SIG-01, SIG-03).

    Takes about half a second of processor time: in an event loop use `asyncio.to_thread`.

    Args:
        pdf: The letter.
        pki: Whose time-stamps and revocation lists.
        person: Who signs first.
        agency: Whose seal comes second, ten seconds later when `at` is given.
        at: The signing time, aware; now without it.
        level: `B-T`, or `B-LT` with revocation data embedded.
        visible: Draw the hand and the seal on the last page.
    """
    first = sign_once(pdf, pki, person, "NguoiKy", at, level=level, visible=visible)
    later = None if at is None else at + timedelta(seconds=10)
    return sign_once(first, pki, agency, "CoQuan", later, level=level, visible=visible)


def sign_once(
    pdf: bytes,
    pki: DevPki,
    signer: Identity,
    field: str,
    at: datetime | None = None,
    *,
    level: str = "B-LT",
    visible: bool = True,
    stamped: bool = True,
    spare_bytes: int = 0,
    lines: Sequence[str] = (),
) -> bytes:
    """Add one signature; see `sign_twice`.

    Args:
        pdf: What to sign.
        pki: Whose time-stamps and revocation lists.
        signer: Who signs; an agency when it is one of the PKI's agencies.
        field: Name of the new signature field.
        at: The signing time, aware; now without it.
        level: `B-T`, `B-LT` or `B-LTA`; without a time-stamp the signature is B-B.
        visible: Draw the hand or the seal on the last page.
        stamped: Ask the time-stamp authority.
        spare_bytes: Room left after the signature value, as other tools leave it.
        lines: Shown at the top right of page 1 instead of a picture, as on annexes and copies, and
            below them the time.
    """
    when = (at or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    is_agency = signer.serial in {a.serial for a in pki.agencies.values()}
    with tempfile.TemporaryDirectory(prefix="vanlien-stamp-") as folder:
        kind = "text" if lines else "seal" if is_agency else "hand"
        style = _appearance(Path(folder), kind, signer, when, lines) if visible else None
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        pdf_signer = PdfSigner(
            _metadata(pki, signer, field, when, level if stamped else "B-B"),
            signer=_signer(pki, signer),
            timestamper=time_stamper(pki, when) if stamped else None,
            stamp_style=style,
            new_field_spec=_field(writer, field, kind if visible else ""),
        )
        return _completed(_sign(pdf_signer, writer, when, spare_bytes))


_BOXES: Final[dict[str, Box]] = {"hand": _HAND_BOX, "seal": _SEAL_BOX, "text": _CORNER_BOX}


def _appearance(
    folder: Path, kind: str, signer: Identity, when: datetime, lines: Sequence[str]
) -> StaticStampStyle:
    x1, y1, x2, y2 = _BOXES[kind]
    shown: list[str] = []
    if lines:
        # SIG-23 (NĐ30 PL I II.8b): day month year, hour:minute:second, zone.
        shown = [*lines, when.astimezone(_VIETNAM).strftime("%d/%m/%Y %H:%M:%S +07:00")]
    else:
        # SIG-20, SIG-21 (NĐ30 PL I II.7d, II.8a): the picture alone, on a transparent ground.
        (folder / "picture.png").write_bytes(_picture(kind, signer.name))
    shutil.copy(_HERE / "stamp.typ", folder)
    data = {"lines": shown, "width": x2 - x1, "height": y2 - y1}
    file = folder / "stamp.pdf"
    file.write_bytes(_typeset("stamp.typ", {"stamp": data}, when, folder))
    page = ImportedPdfPage(str(file))  # type: ignore[no-untyped-call]
    return StaticStampStyle(border_width=0, background=page, background_opacity=1.0)


@functools.lru_cache(maxsize=64)
def _picture(kind: str, name: str) -> bytes:
    """Return the hand or the seal as a transparent PNG."""
    made = typst.compile(
        str(_HERE / "picture.typ"),
        root=str(_HERE),
        format="png",
        ppi=_PICTURE_PPI,
        ignore_system_fonts=True,
        sys_inputs={"picture": json.dumps({"kind": kind, "name": name}, ensure_ascii=False)},
    )
    return bytes(made)


def _field(pdf: IncrementalPdfFileWriter, name: str, kind: str) -> Any:
    if not kind:
        return SigFieldSpec(name)
    pages = int(pdf.root["/Pages"]["/Count"])
    x1, y1, x2, y2 = (round(v * _MM) for v in _BOXES[kind])
    page = 0 if kind == "text" else pages - 1
    return SigFieldSpec(name, on_page=page, box=(x1, y1, x2, y2))


def _metadata(
    pki: DevPki, signer: Identity, field: str, when: datetime, level: str
) -> PdfSignatureMetadata:
    long_term = level in {"B-LT", "B-LTA"}
    return PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        name=signer.name,
        embed_validation_info=long_term,
        use_pades_lta=level == "B-LTA",
        validation_context=_context(pki, when) if long_term else None,
    )


def _signer(pki: DevPki, signer: Identity) -> SimpleSigner:
    chain = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    chain.register(asn1_certificate(pki.issuing))
    return SimpleSigner(
        signing_cert=asn1_certificate(signer), signing_key=asn1_key(signer), cert_registry=chain
    )


def _completed(job: Coroutine[Any, Any, bytes]) -> bytes:
    """Run a job that never waits for anything, also from inside a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(job)
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, job).result()


async def _sign(
    pdf_signer: PdfSigner, writer: IncrementalPdfFileWriter, when: datetime, spare_bytes: int
) -> bytes:
    """Sign step by step, because the one-call form takes its time from the clock."""
    session = pdf_signer.init_signing_session(writer)
    session.system_time = when
    info = await session.perform_presign_validation(writer)
    room = await session.estimate_signature_container_size(info, tight=True)
    document = session.prepare_tbs_document(
        validation_info=info, bytes_reserved=room + 2 * spare_bytes
    )
    digest, output = document.digest_tbs_document()
    done = await document.perform_signature(
        document_digest=digest.document_digest,
        pdf_cms_signed_attrs=PdfCMSSignedAttributes(signing_time=when),
    )
    await done.post_signature_processing(output)
    output.seek(0)
    return bytes(output.read())


def _context(pki: DevPki, when: datetime) -> ValidationContext:
    """Return what the signer checks itself and embeds: the chain and both CRLs, nothing fetched."""
    lists = [
        asn1_crl.CertificateList.load((pki.trust_dir / name).read_bytes())
        for name in ("root.crl", "issuing.crl")
    ]
    return ValidationContext(
        trust_roots=[asn1_certificate(pki.root)],
        other_certs=[asn1_certificate(pki.issuing)],
        crls=lists,
        moment=when,
        revocation_mode="require",
        allow_fetching=False,
    )


# ---------------------------------------------------------------- plain files for measurements


def make_plain_pdf(size_bytes: int, seed: int = 0) -> bytes:
    """Return a well-formed one-page PDF of exactly this size, unsigned, incompressible.

    Args:
        size_bytes: At least 1000.
        seed: Other seeds give other bytes.

    Raises:
        ValueError: Too small to hold a page.
    """
    if size_bytes < 1000:
        raise ValueError("a PDF of less than 1000 bytes is not offered")
    filler = size_bytes - len(_plain(b"", seed))
    for _ in range(4):  # the lengths of numbers move the size by a byte or two
        made = _plain(_noise(filler, seed), seed)
        if len(made) == size_bytes:
            return made
        filler += size_bytes - len(made)
    raise ValueError(f"no PDF of exactly {size_bytes} bytes was found")


def _noise(count: int, seed: int) -> bytes:
    # Letters only: never a delimiter, never a name a careful reader would stop at.
    table = bytes(0x61 + i % 26 for i in range(256))
    return random.Random(seed).randbytes(count).translate(table)  # noqa: S311 — filler


def _plain(filler: bytes, seed: int) -> bytes:
    text = f"BT /F1 14 Tf 72 760 Td (Tai lieu thu nghiem {seed:08d}) Tj ET".encode()
    bodies: Sequence[bytes] = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
            b"/Resources<</Font<</F1 5 0 R>>>>>>"
        ),
        b"<</Length %d>>stream\n%b\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(filler), filler),
    )
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    out.write(b"trailer\n<</Size %d/Root 1 0 R>>\n" % (len(bodies) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()
