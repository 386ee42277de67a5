import io

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway.trust import changelist
from gateway.trust.changelist import changes_after
from gateway.trust.revisions import (
    History,
    Places,
    active_content,
    certification,
    key_of,
    pages,
    transform_level,
)
from tests.unit.trust.test_pdf import judge
from tests.world import signed_files as world
from tests.world.signed_files import letter, once, twice, updated


def told(data: bytes, section: int = 1) -> list[tuple]:
    reader = PdfFileReader(io.BytesIO(data))
    found = changes_after(reader, History(reader, data), section)
    return [(c.kind, c.revision, c.page, c.field, c.old, c.new) for c in found]


def last_section(data: bytes) -> int:
    return PdfFileReader(io.BytesIO(data)).xrefs.total_revisions - 1


def annotated(pdf: bytes) -> bytes:
    def change(writer):
        page = writer.root["/Pages"]["/Kids"][0].get_object()
        note = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name("/FreeText"),
                pdf_name("/Rect"): generic.ArrayObject(
                    [generic.NumberObject(n) for n in (200, 90, 100, 40)]
                ),
            }
        )
        reference = writer.add_object(note)
        old = page.get("/Annots", generic.ArrayObject())
        page[pdf_name("/Annots")] = generic.ArrayObject([*list.__iter__(old), reference])
        writer.update_container(page)

    return updated(pdf, change)


def page_copied(pdf: bytes) -> bytes:
    def change(writer):
        tree = writer.root["/Pages"]
        page = tree["/Kids"][0].get_object()
        extra = writer.add_object(generic.DictionaryObject(dict(dict.items(page))))
        kids = tree["/Kids"]
        tree[pdf_name("/Kids")] = generic.ArrayObject([*list.__iter__(kids), extra])
        tree[pdf_name("/Count")] = generic.NumberObject(int(tree["/Count"]) + 1)
        writer.update_container(tree)

    return updated(pdf, change)


def first_page_dropped(pdf: bytes) -> bytes:
    def change(writer):
        tree = writer.root["/Pages"]
        kids = list(list.__iter__(tree["/Kids"]))
        tree[pdf_name("/Kids")] = generic.ArrayObject(kids[1:])
        tree[pdf_name("/Count")] = generic.NumberObject(int(tree["/Count"]) - 1)
        writer.update_container(tree)

    return updated(pdf, change)


def test_a_second_signature_is_one_change():
    data = twice("B-T")
    signed = PdfFileReader(io.BytesIO(data)).embedded_signatures[0].signed_revision
    kinds = [(kind, field, new) for kind, _, _, field, _, new in told(data, signed)]
    assert kinds == [("signature", "CoQuan", "signed")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (world.overlaid, ("page-changed", 1, "", "")),
        (annotated, ("annotation", 1, "", "FreeText")),
        (page_copied, ("page-added", 2, "", "")),
        (world.catalogue_entry_added, ("other", 0, "", "")),
    ],
)
def test_every_kind_of_change_is_told(change, expected):
    before = once()
    ((kind, revision, page, _, old, new),) = told(change(before), last_section(before))
    assert (kind, page, old, new) == expected
    assert revision == len(History(*_open(change(before))).states)


def _open(data: bytes):
    return PdfFileReader(io.BytesIO(data)), data


def test_a_page_taken_away_is_told():
    before = page_copied(once())
    changes = told(first_page_dropped(before), last_section(before))
    assert [(c[0], c[2]) for c in changes] == [("page-removed", 1)]


def test_nothing_after_the_signature_is_no_change():
    assert told(once(), last_section(once())) == []


def test_what_cannot_be_read_is_told_as_not_told_apart(monkeypatch):
    def broken(*_):
        raise KeyError

    before = once()
    monkeypatch.setattr(changelist, "_step", broken)
    assert [c[0] for c in told(annotated(before), last_section(before))] == ["other"]


def test_a_report_has_place_state_and_changes():
    data = annotated(once())
    (signature,) = judge(data).signatures
    report = judge(data)
    (change,) = signature.changes
    assert change.rectangle == (100.0, 40.0, 200.0, 90.0)
    assert (signature.page, signature.rectangle) == (0, None)
    assert signature.revision_end == len(once())
    assert signature.revision_sha256 == judge(once()).sha256
    assert [r.kind for r in report.revisions][-1] == "annotation"
    assert report.revisions[signature.revision - 1].signatures == ("NguoiKy",)


def test_visible_signatures_have_their_place():
    report = judge(twice("B-T"))
    assert [s.page for s in report.signatures] == [1, 1]
    assert all(s.rectangle[2] > s.rectangle[0] for s in report.signatures)
    assert report.pages == 1
    assert [r.kind for r in report.revisions][-1] == "signature"


def test_pages_and_widgets_of_hostile_trees_end():
    loop = updated(
        letter(),
        lambda w: (
            w.root["/Pages"].__setitem__(
                pdf_name("/Kids"),
                generic.ArrayObject([w.root.raw_get("/Pages"), w.root.raw_get("/Pages")]),
            ),
            w.update_container(w.root["/Pages"]),
        ),
    )
    root = PdfFileReader(io.BytesIO(loop)).root
    assert pages(root) == []
    places = Places(root)
    assert places.widget_of(generic.DictionaryObject(), None) == (0, None)
    assert key_of(None) is None


def test_active_content_is_seen_in_the_bytes_and_in_the_catalogue():
    assert active_content(letter()) == ()
    assert active_content(b"/JS (app.alert) /Launch /EmbeddedFiles /XFA") == (
        "embedded-files",
        "javascript",
        "launch",
        "xfa",
    )
    acting = updated(
        letter(),
        lambda w: (
            w.root.__setitem__(
                pdf_name("/OpenAction"),
                generic.DictionaryObject({pdf_name("/S"): pdf_name("/JavaScript")}),
            ),
            w.update_root(),
        ),
    )
    reader = PdfFileReader(io.BytesIO(acting))
    assert active_content(b"", reader.root) == ("javascript",)
    assert certification(reader) == ""
    assert transform_level(generic.DictionaryObject()) == ""
