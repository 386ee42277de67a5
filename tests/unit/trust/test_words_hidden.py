"""Only the box around the annotations is drawn; it tells what the whole page would."""

import pytest

from gateway.trust import look
from tests.world.updates import DOCUMENT, Update, updated, written

TEXT = b"BT /F1 20 Tf 20 100 Td (Mot ty dong) Tj ET"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents 8 0 R/Resources<</Font<</F1 10 0 R>>>>%b>>"
COVER = b"1 g 0 0 160 60 re f"


def signed_and_covered(box, cover=COVER, media=b"0 0 200 200", extra=b""):
    """Return a file, the end of its first state, and an update that draws over it."""
    bodies = DOCUMENT | {
        3: PAGE % (media, extra),
        8: b"<</Length %d>>\nstream\n%b\nendstream" % (len(TEXT), TEXT),
    }
    first = written(bodies)
    numbers = b" ".join(b"%d" % n for n in box)
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 160 60]/Length %d>>\nstream\n%b\nendstream"
    update = Update(
        {
            3: PAGE % (media, extra + b"/Annots[50 0 R]"),
            50: b"<</Type/Annot/Subtype/Widget/FT/Sig/T(a)/F 4/Rect[%b]/AP<</N 51 0 R>>>>"
            % numbers,
            51: form % (len(cover), cover),
        }
    )
    return updated(first, update), len(first)


@pytest.mark.parametrize("media", [b"0 0 200 200", b"-50 -50 150 150"])
@pytest.mark.parametrize("extra", [b"", b"/Rotate 90"])
@pytest.mark.parametrize(
    ("box", "hides"),
    [((10, 90, 170, 150), True), ((10, 10, 170, 60), False), ((0, 0, 0, 0), False)],
)
def test_the_box_tells_what_the_page_tells(media, extra, box, hides):
    pdf, cut = signed_and_covered(box, media=media, extra=extra)
    whole = look.words_hidden(pdf, cut, {0: None})
    assert whole is hides
    assert look.words_hidden(pdf, cut, {0: tuple(map(float, box))}) is whole


def test_a_transparent_seal_hides_nothing():
    pdf, cut = signed_and_covered((10, 90, 170, 150), cover=b"1 0 0 RG 4 w 5 5 150 50 re S")
    box = (10.0, 90.0, 170.0, 150.0)
    assert look.words_hidden(pdf, cut, {0: box}) is look.words_hidden(pdf, cut, {0: None}) is False
