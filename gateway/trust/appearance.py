"""How a signature is shown on its page: picture, colour, text, place (SIG-20 to SIG-26).

Promises: never raises; what cannot be read gives None, and nothing is concluded from it. What is
shown proves nothing and no verdict looks here. Runs in the verifier process, within its limits;
keeps nothing.
"""

from typing import Any, Final

from pyhanko.pdf_utils import generic

from gateway.trust.drawnimage import ImageFacts, image_facts
from gateway.trust.drawntext import Drawing
from gateway.trust.notes import clean
from gateway.trust.report import AppearanceFacts
from gateway.trust.revisions import Rectangle, get, get_object, rectangle_of

_MAX_TEXT: Final = 300
_MAX_PARENTS: Final = 20
_MAX_KIDS: Final = 20


def appearance_of(field: Any, page: Any, rectangle: Rectangle | None) -> AppearanceFacts | None:
    """Return how a signature is shown, None when it is invisible or cannot be read.

    Args:
        field: The signature field's dictionary, perhaps its own widget.
        page: The dictionary of the page it stands on.
        rectangle: Its place there.
    """
    if rectangle is None or page is None:
        return None
    try:
        return _shown(field, page, rectangle)
    except Exception:  # noqa: BLE001 — a stranger's drawing: whatever it does, nothing is told
        return None


def _shown(field: Any, page: Any, rectangle: Rectangle) -> AppearanceFacts | None:
    box = _box_of(page)
    turned = _turn_of(page)
    width, height = box[2] - box[0], box[3] - box[1]
    if turned % 180:
        width, height = height, width
    form = _normal(_widget(field, rectangle))
    if form is None:
        return None
    drawing = Drawing()
    drawing.take(form)
    images = [found for image in drawing.images if (found := image_facts(image)) is not None]
    largest = max(images, key=lambda i: i.area, default=None)
    if largest is None and drawing.inline_images:
        largest = ImageFacts(0, "", transparent=False, lossless=True)
    return AppearanceFacts(
        picture=largest is not None,
        hue=largest.hue if largest else "",
        transparent=bool(largest and largest.transparent),
        png_like=bool(largest and largest.lossless),
        text=clean(" ".join(drawing.text.split()), _MAX_TEXT),
        page_width=round(width, 2),
        page_height=round(height, 2),
        quadrant=_quadrant(rectangle, box, turned),
    )


def _widget(field: Any, rectangle: Rectangle) -> Any:
    """Return the widget that stands there: the field itself, or one of its kids."""
    kids = get(field, "/Kids")
    candidates = [field]
    if isinstance(kids, generic.ArrayObject):
        candidates += [get_object(kid) for kid in list.__iter__(kids)][:_MAX_KIDS]
    return next((w for w in candidates if rectangle_of(w) == rectangle), None)


def _normal(widget: Any) -> Any:
    """Return the stream of the normal appearance, None when there is none."""
    normal = get(get(widget, "/AP"), "/N")
    if isinstance(normal, generic.StreamObject):
        return normal
    state = get(widget, "/AS")
    chosen = get(normal, str(state)) if state is not None else None
    return chosen if isinstance(chosen, generic.StreamObject) else None


# ---------------------------------------------------------------- the page


def _inherited(page: Any, name: str) -> Any:
    node = page
    for _ in range(_MAX_PARENTS):
        value = get(node, name)
        if value is not None:
            return value
        node = get(node, "/Parent")
        if node is None:
            return None
    return None


def _box_of(page: Any) -> Rectangle:
    for name in ("/CropBox", "/MediaBox"):
        value = _inherited(page, name)
        if value is not None and len(value) == 4:
            x0, y0, x1, y1 = (float(n) for n in value)
            return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    return 0.0, 0.0, 612.0, 792.0  # what a page without any box is, says the standard of old


def _turn_of(page: Any) -> int:
    value = _inherited(page, "/Rotate")
    return int(value) % 360 if isinstance(value, int) else 0


def _quadrant(rectangle: Rectangle, box: Rectangle, turned: int) -> str:
    """Return in which quarter of the page, as it is shown, the middle of a place lies."""
    right = (rectangle[0] + rectangle[2]) / 2 > (box[0] + box[2]) / 2
    top = (rectangle[1] + rectangle[3]) / 2 > (box[1] + box[3]) / 2
    for _ in range(turned // 90 % 4):
        # Shown a quarter turn clockwise: what was left is on top, what was on top is right.
        right, top = top, not right
    return f"{'top' if top else 'bottom'}-{'right' if right else 'left'}"
