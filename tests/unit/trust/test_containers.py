import hashlib
import io
import re
import zipfile

import pytest

from gateway.demo.letters import make_plain_pdf
from gateway.trust import containers
from gateway.trust.anchors import TrustStore
from gateway.trust.look import page_count
from gateway.trust.render import to_json
from gateway.trust.report import Verdict
from gateway.trust.verify import verify_file
from gateway.verifier.examine import examine
from tests.world import signed_files as world
from tests.world.signed_files import NOW, letter, once, pki, twice


def zipped(*entries: tuple[str, bytes], stored: bool = False) -> bytes:
    out = io.BytesIO()
    kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return out.getvalue()


def judge(data: bytes, **settings):
    store = TrustStore.load(pki().trust_dir)
    digest = hashlib.sha256(data).hexdigest()
    return verify_file(data, sha256=digest, at=NOW + world.DAY / 24, store=store, **settings)


def codes(report) -> set[str]:
    return {n.code for n in report.notes}


@pytest.mark.parametrize("stored", [True, False])
def test_a_signed_file_inside_is_examined(stored):
    data = zipped(("công văn.pdf", twice()), stored=stored)
    report = judge(data)
    assert (report.verdict, report.kind) == (Verdict.VALID, "zip")
    (part,) = report.parts
    assert part.name == "công văn.pdf"
    assert len(part.report.signatures) == 2
    assert part.report.sha256 == hashlib.sha256(twice()).hexdigest()
    assert to_json(judge(data)) == to_json(report)


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (b"thong bao", "indeterminate"),
        (world.flipped(once()), "invalid"),
        (world.form_dropped(once()), "indeterminate"),
        (once()[:-400], "unreadable"),
    ],
)
def test_the_worst_of_the_parts_counts(other, verdict):
    assert judge(zipped(("a.pdf", once()), ("b", other))).verdict.value == verdict


def test_unsigned_files_beside_a_signed_one_are_named():
    report = judge(zipped(("a.pdf", once()), ("b.txt", b"x")))
    assert "b.txt" in report.notes[0].vi
    assert codes(report) == {"parts-unsigned"}


def test_only_unsigned_files_are_unsigned():
    report = judge(zipped(("a.pdf", letter()), ("b.txt", b"x")))
    assert report.verdict is Verdict.UNSIGNED
    assert judge(zipped()).verdict is Verdict.UNSIGNED


def test_two_levels_are_opened_and_no_more():
    inner = zipped(("a.pdf", once()))
    assert judge(zipped(("in.zip", inner))).verdict is Verdict.VALID
    report = judge(zipped(("in.zip", zipped(("in.zip", inner)))))
    assert report.verdict is Verdict.INDETERMINATE
    assert report.parts[0].report.parts[0].reason == "too-deep"


def test_a_bomb_is_not_unpacked():
    report = judge(zipped(("a.pdf", once()), ("bomb", b"\0" * (40 << 20))))
    assert [p.reason for p in report.parts] == ["", "too-large"]
    assert report.verdict is Verdict.INDETERMINATE
    assert "part-not-examined" in codes(report)


def test_what_all_parts_unpack_to_is_limited(monkeypatch):
    monkeypatch.setattr(containers, "MAX_TOTAL_BYTES", len(once()) + 10)
    monkeypatch.setattr(containers._Budget, "__init__", lambda s: setattr(s, "left", 200_000))
    report = judge(zipped(*((f"{n}.pdf", once()) for n in range(9))))
    assert "too-large" in {p.reason for p in report.parts}
    assert report.verdict is Verdict.INDETERMINATE


def test_too_many_parts_are_said_to_be_left_out():
    many = zipped(*((f"{n}.txt", b"x") for n in range(containers.MAX_PARTS + 5)))
    report = judge(many)
    assert len(report.parts) == containers.MAX_PARTS + 1
    assert report.parts[-1].reason == "too-many"
    assert report.verdict is Verdict.INDETERMINATE


def test_an_encrypted_entry_is_not_examined():
    data = bytearray(zipped(("a.pdf", once())))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    report = judge(bytes(data))
    assert [p.reason for p in report.parts] == ["encrypted"]
    assert report.verdict is Verdict.INDETERMINATE


def test_a_damaged_entry_is_not_examined():
    data = bytearray(zipped(("a.txt", b"hello"), stored=True))
    at = data.index(b"hello")
    data[at] ^= 1
    report = judge(bytes(data))
    assert [p.reason for p in report.parts] == ["damaged"]
    assert report.verdict is Verdict.INDETERMINATE


def test_a_damaged_archive_is_not_concluded():
    report = judge(zipped(("a.pdf", once()))[:-30])
    assert report.verdict is Verdict.INDETERMINATE
    assert codes(report) == {"damaged-archive"}


@pytest.mark.parametrize(
    ("entries", "verdict", "unsupported", "kind"),
    [
        ((("[Content_Types].xml", b"x"), ("word/document.xml", b"x")), "unsigned", 0, "other"),
        (
            (("[Content_Types].xml", b"x"), ("_xmlsignatures/sig1.xml", b"x")),
            "indeterminate",
            1,
            "other",
        ),
        (
            (
                ("mimetype", b"application/vnd.oasis.opendocument.text"),
                ("META-INF/documentsignatures.xml", b"x"),
            ),
            "indeterminate",
            1,
            "other",
        ),
        (
            (
                ("mimetype", b"application/vnd.etsi.asic-e+zip"),
                ("META-INF/signatures0.xml", b"x"),
                ("META-INF/signature2.p7s", b"x"),
                ("a.txt", b"x"),
            ),
            "indeterminate",
            2,
            "zip",
        ),
    ],
)
def test_signatures_of_office_files_and_containers_are_counted(entries, verdict, unsupported, kind):
    report = judge(zipped(*entries))
    assert report.verdict.value == verdict
    assert (report.unsupported, report.kind) == (unsupported, kind)
    assert ("unsupported-signature-kind" in codes(report)) == (unsupported > 0)


def test_a_signed_file_in_a_signature_container_never_makes_it_valid():
    report = judge(
        zipped(
            ("mimetype", b"application/vnd.etsi.asic-e+zip"),
            ("META-INF/signatures0.xml", b"x"),
            ("a.pdf", twice()),
        )
    )
    assert report.verdict is Verdict.INDETERMINATE
    assert report.parts[0].report.verdict is Verdict.VALID


def _with_a_pdf_behind(comment: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("a.pdf")
        entry.extra = b"\xfe\xca\x09\x00%PDF-1.7\n"
        archive.writestr(entry, once(), zipfile.ZIP_DEFLATED)
        archive.comment = comment
    return out.getvalue()


def test_a_zip_that_opens_as_another_pdf_is_not_valid():
    # A PDF reader finds its header behind the zip's, and the evil pages in the zip's comment.
    empty = _with_a_pdf_behind(b"")
    moved = len(empty) - empty.index(b"%PDF-")
    evil = re.sub(
        rb"(\d{10})( 00000 n)",
        lambda m: b"%010d" % (int(m.group(1)) + moved) + m.group(2),
        make_plain_pdf(3000),
    )
    table = int(evil[evil.rindex(b"startxref") + 9 :].split()[0])
    evil = evil[: evil.rindex(b"startxref")] + b"startxref\n%d\n%%%%EOF\n" % (table + moved)
    polyglot = _with_a_pdf_behind(evil)
    assert page_count(polyglot) == 1
    report = judge(polyglot)
    assert report.parts[0].report.verdict is Verdict.VALID
    assert report.verdict is Verdict.INDETERMINATE
    assert codes(report) == {"viewers-disagree"}
    assert judge(empty).verdict is Verdict.VALID


def test_names_are_a_strangers_words():
    report = judge(zipped(("a\u202efdp.exe\n", b"x")))
    assert report.parts[0].name == "afdp.exe"


def test_stamps_of_secrecy_inside_are_found(tmp_path):
    path = tmp_path / "f.zip"
    path.write_bytes(zipped(("a.txt", "TỐI MẬT\nKế hoạch".encode())))
    report = examine(path, sha256="", at=NOW, store=TrustStore(), pdf_expected=False)
    assert report.secrecy_marks == ("TỐI MẬT",)
