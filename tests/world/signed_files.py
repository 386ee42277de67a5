"""Signed PDFs and their evil twins, made at test time with a development PKI; never committed.

Everything is built once a session and cached by its arguments; the PKIs live in one temporary
folder that goes with the process.
"""

import functools
import io
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from gateway.demo.letters import Letter, make_letter, sign_once, sign_twice
from gateway.demo.pki import DevPki, Person, Revocation, make_pki, publish_crls

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
LONG_AGO = datetime(2021, 3, 1, 2, 0, tzinfo=UTC)
AGENCY = ("H37.02", "Sở Nội vụ tỉnh Lạng Sơn")
SIGNER = Person("Nguyễn Văn An", "Giám đốc", "Sở Nội vụ tỉnh Lạng Sơn")

_ROOM = tempfile.TemporaryDirectory(prefix="vanlien-signed-")


def pki(now: datetime = NOW, name: str = "pki") -> DevPki:
    """Return a PKI made at `now`."""
    return _pki(now, name)


@functools.cache
def _pki(now: datetime, name: str) -> DevPki:
    folder = Path(_ROOM.name) / f"{name}-{now:%Y}"
    return make_pki(folder, now=now, agencies=[AGENCY], people=[SIGNER])


def trust_of(
    source: DevPki,
    *,
    now: datetime | None = None,
    crls: bool = True,
    revoked: Revocation | None = None,
) -> Path:
    """Return a fresh trust directory: the PKI's own, or with CRLs issued at `now`, or with none."""
    folder = Path(tempfile.mkdtemp(prefix="trust-", dir=_ROOM.name))
    own_crls = crls and now is None and revoked is None
    for file in source.trust_dir.iterdir():
        if file.suffix == ".pem" or own_crls:
            (folder / file.name).write_bytes(file.read_bytes())
    if crls and not own_crls:
        publish_crls(source, now=now or NOW, revoked=[revoked] if revoked else [], into=folder)
    return folder


@functools.cache
def letter(urgency: str = "", subject: str = "họp giao ban tháng 11") -> bytes:
    return make_letter(
        Letter(
            agency="Sở Nội vụ",
            parent="UBND tỉnh Lạng Sơn",
            number="123",
            notation="SNV-VP",
            place="Lạng Sơn",
            dated=date(2026, 11, 20),
            subject=subject,
            body=("Sở Nội vụ kính mời các đơn vị dự họp.", "Trân trọng./."),
            to=("Các phòng, ban;",),
            recipients=("Như trên",),
            signer="Nguyễn Văn An",
            urgency=urgency,
        )
    )


def twice(level: str = "B-LT") -> bytes:
    """Return the letter signed by person and agency."""
    return _twice(level)


@functools.cache
def _twice(level: str) -> bytes:
    return sign_twice(letter(), pki(), pki().person(), pki().agency(), NOW, level=level)


def once(
    at: datetime = NOW, *, made: datetime = NOW, level: str = "B-T", stamped: bool = True
) -> bytes:
    """Return the letter signed by the person, at `at`, under the PKI made at `made`."""
    return _once(at, made, level, stamped)


@functools.cache
def _once(at: datetime, made: datetime, level: str, stamped: bool) -> bytes:
    source = pki(made)
    return sign_once(
        letter(),
        source,
        source.person(),
        "NguoiKy",
        at,
        level=level,
        visible=False,
        stamped=stamped,
    )


def updated(pdf: bytes, change) -> bytes:
    """Append an update made by `change` of an incremental writer."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def overlaid(pdf: bytes) -> bytes:
    """Append an update that draws over the first page."""

    def change(writer):
        text = b"q 1 0 0 rg 100 400 300 200 re f Q"
        extra = writer.add_object(generic.StreamObject(stream_data=text))
        page = writer.root["/Pages"]["/Kids"][0]
        old = page.raw_get("/Contents")
        page[pdf_name("/Contents")] = generic.ArrayObject([old, extra])
        writer.update_container(page)

    return updated(pdf, change)


def form_dropped(pdf: bytes) -> bytes:
    """Append an update whose catalogue has no form: the signatures are gone from sight."""

    def change(writer):
        del writer.root["/AcroForm"]
        kids = writer.root["/Pages"]["/Kids"]
        for kid in kids:
            page = kid.get_object()
            if "/Annots" in page:
                del page["/Annots"]
                writer.update_container(page)
        writer.update_root()

    return updated(pdf, change)


def catalogue_entry_added(pdf: bytes) -> bytes:
    """Append an update that changes the catalogue in a way nobody sees."""

    def change(writer):
        writer.root[pdf_name("/Khac")] = generic.NumberObject(1)
        writer.update_root()

    return updated(pdf, change)


def flipped(pdf: bytes) -> bytes:
    """Change one byte of the signed content."""
    at = pdf.index(b"stream") + 40
    return pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]


def object_appended(pdf: bytes, *, with_xref: bool = False) -> bytes:
    """Append an object that no section of the chain lists (incremental saving attack)."""
    start = pdf.rindex(b"startxref")
    at = len(pdf)
    extra = b"4 0 obj\n<</Length 9>>\nstream\n(hacked!)\nendstream\nendobj\n"
    if with_xref:
        extra += b"xref\n0 0\ntrailer\n<</Size 9>>\n"
    assert at
    return pdf + extra + pdf[start:]


DAY = timedelta(days=1)
